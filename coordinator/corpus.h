/* corpus.h - a persona corpus as a hosted job: its shards on disk, its own
 * journal records (SEALED, CHECKPOINT, JOB), and the files that tell about it
 * (MANIFEST.json, report.json). kind_personas decides, the sealer copies, this
 * stands between. One thread. */
#pragma once
#include "coordinator/hosted.h"
#include "coordinator/kind_personas.h"
#include "coordinator/kind_written.h"
#include "population/sampler.h"

struct corpus;   /* opaque */
struct writer;   /* job/writer.h */
struct writers;  /* job/writers.h */
struct estimate; /* job/estimate.h */

struct corpus_options {
    const char *name; /* of the job */
    uint64_t job;     /* id */
    uint64_t rows;    /* asked for now */
    uint32_t shard_rows;
    uint64_t candidates; /* budget; see kind_personas.h */
    const char *service; /* of the last phase */
    const char *out_dir, *journal_dir;
    struct co_bytes recipe; /* canonical JSON */
    uint64_t recipe_hash;
    struct co_bytes identity; /* content of the JOB record; see identity.h */
    bool identity_is_new;     /* it has to be journaled */
    const struct sampler *sampler; /* for the audit's targets */
    bool dedup;
    const struct writer *writer;   /* of the texts; NULL: the built-in one */
    const struct writers *writers; /* it and others; NULL: it alone */
    int64_t budget;                /* of it, 1e-12 USD; -1: none */
    const struct shares *shares;   /* of the budget; NULL: it is one pot */
    bool degrades;                 /* as in kind_written.h */
    struct cache *cache;           /* of answers; borrowed; NULL: none */
    struct purse *purse; /* of caps over several jobs; borrowed; or NULL */
    const struct estimate *estimate; /* told beside the bill; or NULL */
    struct written_batch batch;      /* how asks go out together, if they do */
    uint32_t call_total_ms; /* the longest that one of its calls takes */
    bool no_late_answers;   /* no worker of an earlier run is left */
    bool keep_journal; /* no segment goes before the job is over, sealed or not:
                        * what was paid for can be read again */
    /* A row was given up while a model was asked for it; see kind_written.h.
     * NULL: nobody wants to know. */
    void (*dead)(void *ctx, const uint8_t *letter, size_t len);
    void *dead_ctx;
    unsigned hash_bits; /* for tests; see kind_personas.h */
};

/* options' texts and pointers are borrowed for the corpus's life. */
co_must_use enum co_err corpus_new(const struct corpus_options *options,
                                   struct corpus **ret_corpus,
                                   struct co_diag *diag);
void corpus_free(struct corpus *c);
CO_DEFINE_FREEP(struct corpus, corpus_free)
/* What the owner's loop uses. Valid as long as c. */
const struct hosted *corpus_hosted(struct corpus *c);

/* Why a job that ended with fewer rows than asked for has no more. */
const char *corpus_why_partial(const struct corpus *c);
/* Appends a JSON object for the last status line: rows, bytes, audit. */
void corpus_result(struct corpus *c, struct co_buf *out);
