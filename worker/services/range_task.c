/* range_task.c - see range_task.h. */
#include "worker/services/range_task.h"

#include "worker/recipes.h"

#include "proto/walk.h"

#include <signal.h>
#include <stdlib.h>

enum {
    STEP_ROWS = 64,         /* about half a millisecond */
    SLOW_ROW_US = 20 * 1000 /* a row of the slow service */
};

struct range_run {
    struct recipes *recipes;
    struct recipe_use use;
    struct range_maker *maker;
    uint32_t rows;      /* done, slow only */
    int64_t started_us; /* slow only */
    uint32_t count;
};

struct range_payload {
    uint64_t start;
    uint32_t count, take;
    const uint8_t *skip; /* in the payload; NULL: none */
    uint32_t skip_bytes;
    const uint8_t *answers; /* one msgpack value; NULL: none */
    size_t answers_bytes;
};

/* The keys may come in any order; unknown ones are skipped. */
static bool
read_payload(const struct slots_task *t, struct range_payload *ret)
{
    struct walk w = walk_start(t->payload, t->payload_bytes);
    uint32_t n = walk_map(&w);

    *ret = (struct range_payload){.take = UINT32_MAX};
    for (uint32_t i = 0; i < n && !w.bad; i++) {
        switch (walk_u64(&w)) {
        case 1:
            ret->start = walk_u64(&w);
            break;
        case 2:
            ret->count = walk_u32(&w);
            break;
        case 3:
            ret->take = walk_u32(&w);
            break;
        case 4:
            ret->skip = walk_bin(&w, &ret->skip_bytes);
            break;
        case 5:
            ret->answers = w.at;
            walk_skip(&w);
            ret->answers_bytes = (size_t)(w.at - ret->answers);
            break;
        default:
            walk_skip(&w);
            break;
        }
    }
    return walk_done(&w) && ret->count > 0;
}

void
range_task_abort(struct service_run *run)
{
    struct range_run *p = run->state;

    recipes_put(p->recipes, &p->use);
    recipes_maker_put(p->recipes, p->maker);
    free(p);
    run->state = NULL;
}

/* Takes a sampler and a maker; on failure what was taken is in run->state and
 * goes back by abort. */
static enum co_err
take_tools(struct service_run *run, struct service_env *env,
           struct range_run **ret_run)
{
    struct range_run *p = calloc(1, sizeof *p);
    struct co_diag why = {""};
    enum co_err err;

    if (!p) return CO_NOMEM;
    p->recipes = env->recipes;
    run->state = p;
    err = recipes_get(env->recipes, run->task.recipe_hash, run->task.recipe,
                      &p->use, &why);
    if (!err) err = recipes_maker_get(env->recipes, &p->maker);
    if (!err) *ret_run = p;
    return err;
}

static enum co_err
begin_range(const struct range_run *p, const struct range_payload *t,
            enum range_texts texts)
{
    const enum row_level level =
        texts == RANGE_NO_TEXTS ? ROW_ATTRIBUTES : ROW_TEXTS;
    enum co_err err = range_begin(p->maker, p->use.sampler, t->start, t->count,
                                  t->take, level);

    if (!err && t->skip) err = range_skip(p->maker, t->skip, t->skip_bytes);
    if (!err && p->use.dedup && level == ROW_TEXTS) {
        err = range_want_hashes(p->maker);
    }
    if (!err && texts == RANGE_ANSWERED) {
        err = range_answers(p->maker, t->answers, t->answers_bytes);
    }
    return err;
}

static bool
is_trapped(const uint64_t *rows, uint32_t n, const struct range_payload *t)
{
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i] >= t->start && rows[i] - t->start < t->count) return true;
    }
    return false;
}

/* --crash-rows kills the process as a fault in a library would: no last word,
 * nothing given back. */
static bool
spring_traps(const struct row_traps *traps, const struct range_payload *t)
{
    if (is_trapped(traps->crash, traps->n_crash, t)) (void)raise(SIGKILL);
    return is_trapped(traps->fail, traps->n_fail, t);
}

enum service_step
range_task_begin(struct service_env *env, struct service_run *run,
                 enum range_texts texts, int64_t now_us)
{
    struct range_payload range;
    struct range_run *p = NULL;
    enum co_err err;

    if (!env->recipes || !run->task.recipe_hash) return SERVICE_NO_RECIPE;
    if (!read_payload(&run->task, &range)) {
        return service_fail(run, CO_PROTOCOL, "payload is not a range");
    }
    if ((range.answers != NULL) != (texts == RANGE_ANSWERED)) {
        return service_fail(run, CO_PROTOCOL,
                            range.answers
                                ? "answers for a service that writes itself"
                                : "no answers to write rows from");
    }
    if (spring_traps(&env->traps, &range)) {
        return service_fail(run, CO_INVALID, "a row of --fail-rows is in it");
    }
    err = take_tools(run, env, &p);
    if (err == CO_NOMEM || err == CO_FULL) {
        return service_fail(run, err, "no room for the recipe's sampler");
    }
    if (err) return SERVICE_NO_RECIPE;
    p->count = range.count;
    p->started_us = now_us;
    err = begin_range(p, &range, texts);
    if (err == CO_PROTOCOL) {
        return service_fail(run, err, "answers are not what rows can hold");
    }
    if (err) return service_fail(run, err, "range is out of bounds");
    return SERVICE_MORE;
}

/* Compresses and encodes: the end of a range. */
static enum service_step
finish(struct service_run *run, struct range_run *p)
{
    struct range_result result;
    enum co_err err = range_end(p->maker, &result);

    if (!err) err = range_encode(&result, run->out);
    if (err) return service_fail(run, err, "rows do not fit a message");
    return SERVICE_DONE;
}

enum service_step
range_task_step(struct service_run *run, int64_t now_us)
{
    struct range_run *p = run->state;
    uint32_t left = 0;
    enum co_err err;

    (void)now_us;
    err = range_step(p->maker, STEP_ROWS, &left);
    if (err) return service_fail(run, err, "rows could not be made");
    run->progressed = true;
    return left > 0 ? SERVICE_MORE : finish(run, p);
}

/* Row k is ready 20 ms x (k + 1) after the start; late wake-ups catch up. */
enum service_step
range_task_step_slowly(struct service_run *run, int64_t now_us)
{
    struct range_run *p = run->state;
    int64_t due = (now_us - p->started_us) / SLOW_ROW_US;
    uint32_t left = p->count - p->rows;
    enum co_err err = CO_OK;

    if (due > (int64_t)p->count) due = p->count;
    if (due > (int64_t)p->rows) {
        err = range_step(p->maker, (uint32_t)due - p->rows, &left);
        p->rows = (uint32_t)due;
        run->progressed = true;
    }
    if (err) return service_fail(run, err, "rows could not be made");
    if (left == 0) return finish(run, p);
    run->wait_until_us = p->started_us + ((int64_t)p->rows + 1) * SLOW_ROW_US;
    return SERVICE_WAIT;
}
