/* spec.h - a job file, read and checked.
 * The keys stand in keys.h and docs/job-file.md. Every message names file,
 * line and key, what was found and what is allowed. Not thread-safe. */
#pragma once
#include "job/manifest.h"
#include "job/mix.h"
#include "job/shares.h"
#include "job/where.h"
#include "job/words.h"
#include "job/writers.h"
#include "llm/prices.h"

enum { SPEC_GRID = 250 }; /* candidates a range task; divides shard_rows */
#define SPEC_ROWS_MAX 100000000000u

enum spec_phase {
    SPEC_CORPUS = 1 << 0,
    SPEC_COMPOSE = 1 << 1,
};

/* The broker's bands, lowest first. */
enum spec_priority {
    SPEC_LOW,
    SPEC_MEDIUM,
    SPEC_HIGH,
    SPEC_CRITICAL,
};

/* Which earlier texts a row is compared with. AUTO: EXACT where rows have
 * texts, else NONE; a later version may choose better by itself, so the recipe
 * holds what came out. */
enum spec_dedup {
    SPEC_DEDUP_AUTO,
    SPEC_DEDUP_EXACT,
    SPEC_DEDUP_NONE,
};

enum { SPEC_DEDUP_ROW_BYTES = 12 }; /* memory of exact dedup, a row */

struct job_spec {
    char *file; /* as given; owned */
    char name[65];
    uint64_t seed;
    uint64_t rows;
    unsigned phases; /* of enum spec_phase */
    enum spec_priority priority;
    bool slow; /* service: slow */
    uint32_t shard_rows;
    enum spec_dedup dedup; /* as written; spec_dedups() says what it means */
    uint64_t dedup_memory; /* bytes */
    uint32_t dedup_line;
    char dir[1025];
    /* population.data: the name of an installed population, or a folder (then
     * it has a slash) whose manifest spec_open_data() reads. */
    char data[1025];
    struct manifest *manifest; /* NULL: no folder */
    char phrases[1025];        /* population.phrases, a folder; "": none */
    struct phrase_set *words;  /* its files, by spec_open_data; NULL: none */
    struct job_where where;
    uint32_t where_line;
    struct job_mix mix;
    uint32_t mix_line;
    char provider[PROVIDERS_NAME_BYTES]; /* "": builtin */
    struct providers *providers;         /* NULL: none in the file */
    char prompts[1025];                  /* a folder; "": those of Cohort */
    struct spec_answers {
        uint32_t max_tokens, temperature_milli, repairs, fresh;
    } answers;      /* as in struct writer */
    int64_t budget; /* in 1e-12 USD; -1: none */
    uint32_t budget_line;
    struct shares_wish shares_wish; /* budget.reserve, budget.phases */
    struct shares shares;           /* of the budget, as they say */
    bool degrades;                  /* budget.short: degrade */
    bool cached;                    /* cache: own or shared */
    bool cache_shared;
    struct writer *writer; /* by spec_open_writer; NULL: the built-in one */
    /* arms: shares of the rows; none: all are one. The first one's provider and
     * prompts are the job's. */
    struct spec_arm {
        char name[WRITERS_NAME_BYTES];
        uint32_t share;
        char provider[PROVIDERS_NAME_BYTES]; /* "": the job's */
        char prompts[1025];                  /* "": the job's */
        uint32_t line;
    } arms[WRITERS_ARMS_MAX];
    uint32_t n_arms, arms_line;
    bool fallback_ok;
    uint32_t fallback_ok_line;
    struct writers *writers; /* by spec_open_writer; NULL: no arms, and the
                              * provider has no fallback */
    char price_date[PRICES_DATE_BYTES]; /* of the table that the price is of;
                                         * "": the file's own */
};

/* What the command line puts above the file. */
struct spec_overrides {
    bool has_rows, has_seed;
    uint64_t rows, seed;
    const char *dir; /* NULL: not given */
};

/* Reads a job file. Values of conditions are not checked yet (their tables
 * stand in a model): spec_check does. */
co_must_use enum co_err spec_load(const char *path, struct job_spec **ret_spec,
                                  struct co_diag *diag);
/* The same from memory; file stands in messages. */
co_must_use enum co_err spec_parse(const char *text, size_t len,
                                   const char *file, struct job_spec **ret_spec,
                                   struct co_diag *diag);
void spec_free(struct job_spec *spec);
CO_DEFINE_FREEP(struct job_spec, spec_free)

/* Applies overrides, checked like the file's values. On error nothing is
 * changed. */
co_must_use enum co_err spec_override(struct job_spec *spec,
                                      const struct spec_overrides *overrides,
                                      struct co_diag *diag);
/* Reads the manifest of a folder given as population.data, and the files of
 * population.phrases; nothing to do without these. Before spec_check. */
co_must_use enum co_err spec_open_data(struct job_spec *spec,
                                       struct co_diag *diag);
/* Makes spec->writer when a provider writes: its prompts, and its price from
 * the file or, at the vendor's own host, from the table. data_dir: where the
 * program's prompts and prices lie, NULL: beside it. Before the recipe is made.
 * CO_INVALID: the prompts are wrong, or a budget has no price, or no calls, to
 * count with. */
co_must_use enum co_err spec_open_writer(struct job_spec *spec,
                                         const char *data_dir,
                                         struct co_diag *diag);
/* The provider that writes, as the file has it; NULL: the built-in writer. */
const struct providers_entry *spec_provider(const struct job_spec *spec);
/* All that may write for the job, each once: its own, then those of its arms,
 * and behind each its fallbacks. Returns how many. */
uint32_t spec_providers(const struct job_spec *spec,
                        const struct providers_entry *ret[PROVIDERS_MAX]);
/* Whether the user's phrases go with these. CO_OK when there are none. */
co_must_use enum co_err spec_check_words(const struct job_spec *spec,
                                         const struct prose *prose,
                                         struct co_diag *diag);
/* The installed population that is drawn from: the folder's base, or the
 * named one. */
const char *spec_population(const struct job_spec *spec);
/* Reads a folder's tables for m, the model of spec_population(). Checks
 * conditions and mix against the model and normalises them, so that the
 * recipe can be written; and that dedup fits the phases and its memory.
 * CO_INVALID: no such value, or no such people. CO_RANGE: too many rows for
 * the memory of dedup. CO_FULL: the tables are too large for a recipe. */
co_must_use enum co_err spec_check(struct job_spec *spec, const struct model *m,
                                   struct co_diag *diag);
/* Whether a row whose text an earlier one has is left out. */
bool spec_dedups(const struct job_spec *spec);
/* The service whose tasks the job publishes: that of its last phase. */
const char *spec_service(const struct job_spec *spec);
/* "low", "medium", ... */
const char *spec_priority_name(enum spec_priority priority);
