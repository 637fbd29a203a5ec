/* workload.h - the job of a run, and what its rows must be.
 * Bench (N ids); personas (ranges, rejections, exact N; a worker's answer is
 * the one of tests/unit/fake_ranges.h); and personas whose texts a model writes
 * (llm.c: the asks, and ranges that come with their answers). Guilty rows kill
 * their worker or make their task fail, always. */
#pragma once
#include "common/buf.h"
#include "common/bytes.h"
#include "coordinator/kind_written.h"
#include "tests/sim/sim.h"
#include "worker/service.h"

enum { GUILTY_MAX = 3, ITEMS_MAX = 40000 };

/* How the endpoint of a job behaves. permille: of its requests. */
struct endpoint {
    int64_t latency_us;                                         /* about */
    unsigned limited, unconnected, broken, late, cut, unbilled; /* permille */
    /* In windows of so many microseconds it is well, or gives 429 to all, or
     * is not there, or rejects the key. */
    int64_t window_us;
    unsigned storm, outage, revoked; /* permille of the windows */
    /* One row in so many, always the same; 0: none. */
    unsigned wrong_in, dead_in, refused_in;
    bool flat;            /* every answer has as many tokens as it may */
    uint64_t overrun_row; /* its first answer costs too much; UINT64_MAX */
};

struct workload {
    bool personas; /* also of those that a model writes */
    bool written;
    uint64_t job;
    uint64_t rows;      /* asked for */
    uint64_t items;     /* indices that may ever be drawn */
    unsigned hash_bits; /* dedup with so few that duplicates come; 0: none */
    uint32_t shard_rows, reject_one_in;
    uint32_t batch, window, payload_bytes, run_ms, total_ms;
    uint64_t poison[GUILTY_MAX], failing[GUILTY_MAX];
    unsigned n_poison, n_failing;
    int64_t task_us; /* time of a task, about */
    struct co_bytes recipe;
    uint64_t recipe_hash; /* 0: none */
    const char *service;
    const char *provider; /* NULL: none */

    /* written only */
    struct endpoint endpoint;
    struct written_stage stages[ASK_STAGES];
    struct talk_rules rules;
    struct price price;
    int64_t cap;
    struct shares shares; /* of the cap */
    uint64_t answers_max;
    /* Who writes; stages and prices above are those of the first. */
    struct written_writer writers[WRITERS_MAX];
    uint32_t n_writers;
    struct writers *table;           /* NULL: it alone. Owned, with all of v */
    struct written_batch in_batches; /* of asks; else each goes by itself */
    struct vendor *vendor;           /* that takes them; owned */
    bool tells; /* its rows say who wrote them, and for what */
};

void workload_make(struct sim *s);
void workload_free(struct sim *s);
/* Is one of the indices [start, start + count) guilty? */
bool workload_poison(const struct workload *w, uint64_t start, uint32_t count);
bool workload_failing(const struct workload *w, uint64_t start, uint32_t count);

/* What stands behind service_env: the worker that runs it. */
struct workload_env {
    struct service_env env;
    struct sim *sim;
    const struct slots_service *announced;
    uint64_t account; /* of its key at vendors of batches */
    int64_t ahead_us; /* computed in this turn */
    unsigned speed;   /* percent */
    bool die;         /* a poisoned row has struck */
};
extern const struct service workload_bench, workload_range;
/* llm.c: persona.write */
extern const struct service workload_write;
/* The same, whose calls that wait may be called back. */
extern const struct service workload_write_asked;
/* Chooses what only a job with a model has. */
void workload_make_written(struct sim *s, struct workload *w);
/* Whether a candidate becomes a row, if its texts come. */
bool workload_accepts(void *workload, uint64_t row);
/* The result of a range whose rows have answers. */
void workload_written_range(const struct workload *w, const uint8_t *payload,
                            uint32_t len, struct co_buf *out);
/* What a row says: made of its answers. */
uint64_t workload_text(const uint8_t *background, uint32_t background_len,
                       const uint8_t *personas, uint32_t personas_len);
