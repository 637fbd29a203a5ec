/* corpus_files.h - the files in the output folder that tell about a corpus:
 * names of shards, MANIFEST.json, report.json and the dataset card README.md.
 * Written atomically. */
#pragma once
#include "audit/audit.h"
#include "common/json.h"
#include "coordinator/kind_personas.h"
#include "coordinator/kind_written.h"
#include "population/sampler.h"

struct corpus_facts {
    const char *name;
    uint64_t job, recipe_hash;
    struct co_bytes recipe;
    const char *out_dir;
    const struct personas *personas;
    const struct sampler *sampler;
    const struct kind_money *money;  /* NULL: nothing was paid for */
    const struct written *written;   /* the same */
    const struct estimate *estimate; /* made before the run, or NULL */
};

/* Sums over the sealed shards. */
struct corpus_totals {
    uint64_t rows, bytes, raw_bytes, rejected, surplus, dead, drawn;
    uint64_t files;              /* shards that have rows */
    uint64_t duplicates, hashes; /* texts: those left out, those that are new */
};
struct corpus_totals corpus_totals(const struct personas *p);

/* "part-00000.jsonl.zst" */
void corpus_shard_file(uint64_t shard, char file[64]);
/* "part-00000.hashes" */
void corpus_hash_file(uint64_t shard, char file[64]);
/* The first n hashes of that file, which must have hash as their XXH3-64.
 * CO_NOTFOUND, CO_DAMAGED; diag says what to do. */
co_must_use enum co_err corpus_read_hashes(const char *out_dir, uint64_t shard,
                                           uint32_t n, uint64_t hash,
                                           uint64_t *ret_hashes,
                                           struct co_diag *diag);
/* Cells of each audit table, AUDIT_TABLE_COUNT of them. */
co_must_use enum co_err corpus_table_cells(const struct sampler *s,
                                           uint32_t *ret_cells);
/* Removes files of shards that were sealed once and have no rows now: rows
 * that were given up came back in front of theirs. */
co_must_use enum co_err corpus_remove_unsealed(const struct corpus_facts *f,
                                               struct co_diag *diag);
co_must_use enum co_err corpus_write_manifest(const struct corpus_facts *f,
                                              struct co_diag *diag);
/* report.json and README.md: the ledger, the audit, what to do about it. */
co_must_use enum co_err corpus_write_report(const struct corpus_facts *f,
                                            struct co_diag *diag);
/* Puts name, job, recipe and totals into the open object. */
void corpus_put_head(struct co_json *json, const struct corpus_facts *f);
/* Writes buf (and releases it) as a file of the folder; a failure of buf
 * itself is told as well. */
co_must_use enum co_err corpus_write_text(const struct corpus_facts *f,
                                          const char *file, struct co_buf *buf,
                                          struct co_diag *diag);
/* Appends {"rows":..,"bytes":..,"raw_bytes":..,"shards":..,"out":..}. */
void corpus_put_result(const struct personas *p, const char *out_dir,
                       struct co_buf *out);
