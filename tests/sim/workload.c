/* workload.c - see workload.h. */
#include "tests/sim/workload.h"

#include "common/hash.h"
#include "tests/sim/market.h"
#include "tests/sim/vendor.h"
#include "tests/unit/fake_ranges.h"

enum { SLICE_US = 50000, RECIPE_BYTES = 300 };

/* ---- the job ---- */

static void
choose_guilty(struct sim *s, struct workload *w)
{
    uint64_t span = w->personas ? w->rows : w->items;

    if (s->profile != PROFILE_CALM && sim_chance(s, 600)) return;
    w->n_poison = (unsigned)sim_below(s, w->personas ? 2 : 3);
    w->n_failing = (unsigned)sim_below(s, 3);
    for (unsigned i = 0; i < w->n_poison; i++) {
        w->poison[i] = sim_below(s, span);
    }
    for (unsigned i = 0; i < w->n_failing; i++) {
        w->failing[i] = sim_below(s, span);
    }
}

static void
choose_recipe(struct sim *s, struct workload *w)
{
    uint8_t *data;

    co_assert(!co_bytes_new(RECIPE_BYTES, &data, &w->recipe));
    for (int i = 0; i < RECIPE_BYTES; i++) {
        data[i] = (uint8_t)sim_random(s);
    }
    w->recipe_hash = co_hash64(w->recipe.data, w->recipe.len, 0);
}

/* Three in four jobs look for duplicates, one row in sixteen or more. By the
 * seed and not by sim_chance(), so that the schedules of known seeds stay. */
static void
choose_dedup(struct sim *s, struct workload *w)
{
    if (co_mix64(s->options.seed + 3 + s->job->index) % 4 == 0) return;
    for (w->hash_bits = 8; (UINT64_C(1) << w->hash_bits) < 4 * w->rows;) {
        w->hash_bits++;
    }
    w->items += w->rows;
}

static void
choose_personas(struct sim *s, struct workload *w)
{
    static const uint32_t rejects[] = {0, 2, 3, 10};

    w->personas = true;
    w->service = "persona.compose";
    w->rows = 1 + sim_below(s, sim_chance(s, 200) ? 8000 : 2500);
    w->shard_rows = sim_chance(s, 500) ? 500 : 1000;
    w->reject_one_in = rejects[sim_below(s, 4)];
    w->items = 2 * w->rows + 1000 + w->shard_rows;
    choose_dedup(s, w);
    w->batch = sim_chance(s, 700) ? 1 : (uint32_t)sim_between(s, 2, 8);
    choose_recipe(s, w);
}

static void
choose_bench(struct sim *s, struct workload *w)
{
    static const uint32_t batches[] = {1, 4, 16, 64};

    w->service = "noop";
    w->rows = w->items = 1 + sim_below(s, sim_chance(s, 200) ? 6000 : 1200);
    w->batch = batches[sim_below(s, 4)];
    w->payload_bytes = sim_chance(s, 100) ? 4096 : 16;
}

void
workload_make(struct sim *s)
{
    struct workload *w = calloc(1, sizeof *w);
    uint64_t tasks;
    int64_t total_us = sim_between(s, 1, 40) * 1000000;

    co_assert(w);
    s->job->work = w;
    w->job = sim_random(s) | 1;
    if (s->paid && (s->job->index == 0 || sim_chance(s, 500))) {
        workload_make_written(s, w);
        choose_recipe(s, w);
        if (s->writers) market_choose(s, w);
        if (s->batches) vendor_make(s, w);
    } else if (sim_chance(s, 500)) {
        choose_personas(s, w);
    } else {
        choose_bench(s, w);
    }
    choose_guilty(s, w);
    w->window = sim_chance(s, 200) ? (uint32_t)sim_between(s, 1, 100) : 0;
    /* calls take time: with very few at once it would be their time only */
    if (w->written && w->window) w->window += 30;
    tasks = w->personas ? w->rows / PERSONAS_CELL + 1 : w->rows;
    w->task_us = total_us * s->n_workers / (int64_t)tasks;
    if (w->task_us > 1500000) w->task_us = 1500000;
    if (w->task_us < 10) w->task_us = 10;
    sim_trace(
        s,
        "job %u: %s rows %llu, shards of %u, reject %u, hashes of %u bits, "
        "batch %u, window %u, poison %u, failing %u, task %lld us",
        s->job->index, w->service, (unsigned long long)w->rows, w->shard_rows,
        w->reject_one_in, w->hash_bits, w->batch, w->window, w->n_poison,
        w->n_failing, (long long)w->task_us);
}

void
workload_free(struct sim *s)
{
    struct writers *table = s->job->work->table;

    for (uint32_t i = 0; table && i < table->n; i++) {
        free(table->v[i]);
    }
    free(table);
    vendor_free(s->job->work);
    co_bytes_unref(&s->job->work->recipe);
    free(s->job->work);
    s->job->work = NULL;
}

static bool
hit(const uint64_t *rows, unsigned n, uint64_t start, uint32_t count)
{
    for (unsigned i = 0; i < n; i++) {
        if (rows[i] >= start && rows[i] - start < count) return true;
    }
    return false;
}

bool
workload_poison(const struct workload *w, uint64_t start, uint32_t count)
{
    return hit(w->poison, w->n_poison, start, count);
}

bool
workload_failing(const struct workload *w, uint64_t start, uint32_t count)
{
    return hit(w->failing, w->n_failing, start, count);
}

/* ---- the services ---- */

struct run_state {
    struct workload_env *env;
    const struct workload *work; /* of the task's job */
    int64_t left_us;
    struct fake_task range;
};

static enum service_step
begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    struct workload_env *e = (struct workload_env *)env;
    struct run_state *r = calloc(1, sizeof *r);
    const struct sim_job *job = sim_job_of(e->sim, run->task.job);
    const struct workload *w;
    uint64_t spread = co_mix64(run->task.task * 31 + run->task.attempt);

    (void)now_us;
    co_assert(r && job);
    w = job->work;
    r->env = e;
    r->work = w;
    r->range =
        (struct fake_task){.start = run->task.task >> 8, .count = 1, .take = 1};
    if (w->personas) {
        r->range = fake_read(run->task.payload, run->task.payload_bytes);
    }
    r->left_us = w->task_us / 2 + (int64_t)(spread % (uint64_t)w->task_us);
    if (w->personas) r->left_us = r->left_us * r->range.count / PERSONAS_CELL;
    r->left_us = r->left_us * 100 / e->speed + 1;
    if (w->recipe_hash && run->task.recipe_hash != w->recipe_hash) {
        sim_fail(e->sim, "recipe", "a task runs with another recipe");
    }
    if (w->recipe_hash &&
        (run->task.recipe.len != w->recipe.len ||
         memcmp(run->task.recipe.data, w->recipe.data, w->recipe.len) != 0)) {
        sim_fail(e->sim, "recipe", "a task's recipe has other bytes");
    }
    run->state = r;
    return SERVICE_MORE;
}

static enum service_step
finish(struct run_state *r, struct service_run *run)
{
    const struct workload *w = r->work;

    if (workload_failing(w, r->range.start, r->range.count)) {
        r->env->sim->result.faults.failed_row++;
        return service_fail(run, CO_INVALID, "this row cannot be made");
    }
    if (w->written) {
        workload_written_range(w, run->task.payload, run->task.payload_bytes,
                               run->out);
    } else if (w->personas) {
        fake_answer(r->range, w->reject_one_in, run->out);
    } else {
        uint8_t *to = co_buf_reserve(run->out, 64);

        memset(to, 0, 64);
        memcpy(to, &run->task.task, 8);
        co_buf_commit(run->out, 64);
    }
    return SERVICE_DONE;
}

static enum service_step
step(struct service_run *run, int64_t now_us)
{
    struct run_state *r = run->state;
    int64_t slice = r->left_us < SLICE_US ? r->left_us : SLICE_US;

    if (r->env->die) { /* nothing after it is computed */
        run->wait_until_us = INT64_MAX / 2;
        return SERVICE_WAIT;
    }
    (void)now_us;
    r->left_us -= slice;
    r->env->ahead_us += slice;
    if (r->left_us > 0) return SERVICE_MORE;
    if (workload_poison(r->work, r->range.start, r->range.count)) {
        r->env->die = true;
        run->wait_until_us = INT64_MAX / 2;
        return SERVICE_WAIT;
    }
    return finish(r, run);
}

static void
abort_run(struct service_run *run)
{
    free(run->state);
}

const struct service workload_bench = {.name = "noop",
                                       .hint_ns = 1000,
                                       .begin = begin,
                                       .step = step,
                                       .abort = abort_run};
const struct service workload_range = {.name = "persona.compose",
                                       .range = true,
                                       .hint_ns = 1000000,
                                       .begin = begin,
                                       .step = step,
                                       .abort = abort_run};
