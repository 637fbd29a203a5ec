/* outdir.h - the output folder of a run, for those who read it: which files
 * the rows are in, and what MANIFEST.json promises about them.
 * Also while a run works in it: files are renamed into place when they are
 * whole, so whatever has its name can be read. Then MANIFEST.json is missing or
 * of the last time, and the files that are there are taken as they are.
 * Reads the folder once, when opened. */
#pragma once
#include "common/err.h"

enum { OUTDIR_FILE_BYTES = 32, OUTDIR_SHARDS_MAX = 1000000 };

struct outdir_shard {
    uint64_t number; /* k of part-k */
    char file[OUTDIR_FILE_BYTES];
    uint64_t bytes; /* of the file, now */
    bool listed;    /* in MANIFEST.json, and as it says there: */
    uint64_t rows, raw_bytes, hash; /* hash: XXH3-64 of the file */
};

struct outdir {
    char *dir;
    bool whole;                  /* MANIFEST.json stands for all that is here */
    uint64_t rows, raw_bytes;    /* of the listed */
    struct outdir_shard *shards; /* in the order of rows, at least one */
    size_t count;
};

/* CO_USAGE    no such folder, or nobody ran anything in it
 * CO_DENIED   the folder may not be read
 * CO_NOTFOUND nothing is sealed yet
 * CO_DAMAGED  a file that MANIFEST.json names is missing or of another length
 *             though no run is under way
 * CO_VERSION  made by a later version */
co_must_use enum co_err outdir_open(const char *dir, struct outdir **ret_outdir,
                                    struct co_diag *diag);
void outdir_free(struct outdir *o);
CO_DEFINE_FREEP(struct outdir, outdir_free)

/* "part-00012.jsonl.zst" -> 12; false: it is called otherwise. */
bool outdir_shard_number(const char *file, uint64_t *ret_number);
