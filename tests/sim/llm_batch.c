/* llm_batch.c - tasks about batches, as worker/services/write_batch.c does
 * them, over the vendor of vendor.c. What a request does at the vendor is done
 * when it is sent; whether its answer arrives is another question. */
#include "tests/sim/llm.h"
#include "tests/sim/vendor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_US = 60000000, LATER_MS = 5000, PAGE_MAX = 16, OUT_MAX = 1 << 20 };

enum phase { WAITING, SENT };

struct op {
    struct workload_env *env;
    struct sim_job *job;
    struct batch_task task;
    enum phase phase;
    bool later;        /* nothing was made, or seen, by this worker */
    struct co_buf out; /* else: what there is to tell */
};

/* Of the key that is used. When faults stop, each account's is put back where
 * it is missed: who is given a task again and again does not change by itself.
 */
static uint64_t
account_of(const struct op *o)
{
    return o->env->sim->healed && o->task.account ? o->task.account
                                                  : o->env->account;
}

static struct batch_result
result_of(const struct op *o, enum batch_state state)
{
    return (struct batch_result){.op = o->task.op,
                                 .batch = o->task.batch,
                                 .skip = o->task.skip,
                                 .account = account_of(o),
                                 .state = state};
}

static void
tell(struct op *o, const struct batch_result *r)
{
    co_buf_clear(&o->out);
    batch_put_result(r, &o->out);
}

static void
tell_state(struct op *o, enum batch_state state)
{
    struct batch_result r = result_of(o, state);

    if (state == BATCH_REFUSED) {
        r.fault = (struct ask_text){"bad-request", 11};
        r.error = (struct ask_text){"not so", 6};
    }
    tell(o, &r);
}

/* What is not there for this worker's key is there for another one's. */
static void
not_there(struct op *o, enum batch_state state)
{
    o->later = o->task.account && o->task.account != account_of(o);
    o->env->sim->result.faults.batch_not_mine += o->later;
    if (!o->later) tell_state(o, state);
}

static struct ask_text
text_of(const char *text)
{
    return (struct ask_text){text, (uint32_t)strlen(text)};
}

/* ---- a batch as it is told of ---- */

static bool
has_file(const struct vendor_batch *b, uint32_t file)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (vendor_is_in(&b->lines[i], file)) return true;
    }
    return false;
}

static void
tell_batch(struct op *o, const struct vendor_batch *b)
{
    char names[VENDOR_FILES][64];
    struct batch_result r = result_of(o, BATCH_RUNNING);

    if (!b->left) r.state = BATCH_ENDED;
    if (b->failed) r.state = BATCH_REFUSED;
    r.id = text_of(b->id);
    if (o->job->work->vendor->has_upload) r.input = text_of("upload");
    r.total = b->n;
    r.fault = text_of(b->failed ? "bad-request" : "");
    for (uint32_t i = 0; i < b->n; i++) {
        r.done += b->lines[i].end == VENDOR_ANSWERED;
        r.failed += b->lines[i].end == VENDOR_UNRUN;
    }
    for (uint32_t f = 0; r.state == BATCH_ENDED && f < VENDOR_FILES; f++) {
        if (!has_file(b, f)) continue;
        (void)snprintf(names[f], sizeof names[f], "%s-%s", f ? "err" : "out",
                       b->id);
        r.files[r.n_files++] = text_of(names[f]);
    }
    tell(o, &r);
}

/* ---- what is asked ---- */

static void
submit(struct sim *s, struct op *o)
{
    const struct vendor *v = o->job->work->vendor;
    struct batch_result r = result_of(o, BATCH_RUNNING);
    const bool unsure = llm_struck(s, v->unsure);
    char id[32];

    if (!o->task.asks ||
        (o->task.account && o->task.account != account_of(o))) {
        tell_state(o, BATCH_NONE); /* it would be for this account */
        return;
    }
    if (llm_struck(s, v->refused)) {
        s->result.faults.batch_refused++;
        tell_state(o, BATCH_REFUSED);
        return;
    }
    if (unsure && sim_chance(s, 500)) { /* nor did it arrive */
        tell_state(o, BATCH_UNSURE);
        return;
    }
    vendor_submit(s, &o->task, account_of(o), id);
    s->result.faults.batch_unsure += unsure;
    r.id = text_of(id);
    if (v->has_upload) r.input = text_of("upload");
    if (unsure) {
        tell_state(o, BATCH_UNSURE);
    } else {
        tell(o, &r);
    }
}

static void
find(struct sim *s, struct op *o)
{
    const struct vendor_batch *b = vendor_find(s, o->task.batch, account_of(o));

    if (b) {
        s->result.faults.batch_found++;
        tell_batch(o, b);
    } else if (llm_struck(s, o->job->work->vendor->blind)) {
        tell_state(o, BATCH_UNSURE);
    } else {
        not_there(o, BATCH_NONE);
    }
}

static void
poll(struct sim *s, struct op *o)
{
    const struct vendor *v = o->job->work->vendor;
    struct vendor_batch *b = vendor_of(s, o->task.id, account_of(o));

    if (b && llm_struck(s, v->forgets)) {
        s->result.faults.batch_forgotten++;
        b->forgotten = true;
        b = NULL;
    }
    if (!b || llm_struck(s, v->gone)) {
        not_there(o, BATCH_GONE);
    } else {
        tell_batch(o, b);
    }
}

static void
cancel(struct sim *s, struct op *o)
{
    struct vendor_batch *b = vendor_of(s, o->task.id, account_of(o));

    if (!b) {
        not_there(o, BATCH_GONE);
        return;
    }
    s->result.faults.batch_cancelled++;
    vendor_cancel(b);
    tell_batch(o, b);
}

/* What cannot be deleted fails nothing. */
static void
clean(struct sim *s, struct op *o)
{
    struct vendor *v = o->job->work->vendor;

    for (size_t i = 0; i < v->n; i++) {
        struct vendor_batch *b = &v->v[i];

        if (b->number == o->task.batch && b->account == account_of(o)) {
            vendor_clean(s, b);
        }
    }
    tell_state(o, BATCH_ENDED);
}

/* The lines of a file from `skip` on, as many as a page has. */
static void
tell_page(struct sim *s, struct op *o, const struct vendor_batch *b,
          uint32_t file)
{
    struct batch_result r = result_of(o, BATCH_ENDED);
    const uint64_t most = 1 + sim_below(s, PAGE_MAX);
    uint32_t n[2] = {0, 0}, at = 0, i = 0;
    struct co_buf lines[2], arrays[2], one;

    for (unsigned k = 0; k < 2; k++) {
        co_buf_init(&lines[k], OUT_MAX);
        co_buf_init(&arrays[k], OUT_MAX);
    }
    co_buf_init(&one, OUT_MAX);
    for (; i < b->n && n[0] + n[1] < most; i++) {
        const struct vendor_line *line = &b->lines[i];

        if (!vendor_is_in(line, file) || at++ < o->task.skip) continue;
        if (file) {
            batch_put_u64(line->ask.row << 8 | line->ask.ask, &lines[1]);
        } else {
            co_buf_clear(&one);
            ask_put_result(&line->answer.result, &one);
            batch_put_bin(one.data, one.len, &lines[0]);
        }
        n[file]++;
    }
    for (unsigned k = 0; k < 2; k++) {
        batch_put_array(n[k], &arrays[k]);
        co_buf_append(&arrays[k], lines[k].data, lines[k].len);
    }
    r.skip = at;
    r.end = i == b->n || llm_struck(s, o->job->work->vendor->cut);
    r.asks = arrays[0].data;
    r.asks_len = arrays[0].len;
    r.unsent = arrays[1].data;
    r.unsent_len = arrays[1].len;
    tell(o, &r);
    for (unsigned k = 0; k < 2; k++) {
        co_buf_fini(&lines[k]);
        co_buf_fini(&arrays[k]);
    }
    co_buf_fini(&one);
}

static void
harvest(struct sim *s, struct op *o)
{
    const struct ask_text file = o->task.file;
    const struct vendor_batch *b = NULL;

    if (file.len > 4) {
        b = vendor_of(s, (struct ask_text){file.text + 4, file.len - 4},
                      account_of(o));
    }
    if (!b || b->cleaned || llm_struck(s, o->job->work->vendor->gone)) {
        not_there(o, BATCH_GONE);
    } else {
        tell_page(s, o, b, file.text[0] == 'e');
    }
}

static void
ask_vendor(struct sim *s, struct op *o)
{
    sim_enter(s, o->job);
    switch (o->task.op) {
    case BATCH_SUBMIT:
        submit(s, o);
        break;
    case BATCH_FIND:
        find(s, o);
        break;
    case BATCH_POLL:
        poll(s, o);
        break;
    case BATCH_HARVEST:
        harvest(s, o);
        break;
    case BATCH_CANCEL:
        cancel(s, o);
        break;
    case BATCH_CLEAN:
        clean(s, o);
        break;
    case BATCH_OPS:
        break;
    }
}

/* ---- the service ---- */

static enum service_step
give_back(struct op *o, struct service_run *run)
{
    struct sim *s = o->env->sim;

    run->reason = RETURN_LIMIT;
    run->not_before_ms = (uint32_t)sim_below(s, s->healed ? 500 : LATER_MS);
    return SERVICE_RETURN;
}

static enum service_step
send(struct op *o, struct service_run *run, int64_t now_us)
{
    struct sim *s = o->env->sim;
    const struct endpoint *e = &o->job->work->endpoint;
    int64_t us = sim_between(s, e->latency_us / 4, 2 * e->latency_us);

    if (llm_struck(s, e->unconnected)) return give_back(o, run);
    o->phase = SENT;
    o->later = llm_struck(s, e->limited);
    if (!o->later) ask_vendor(s, o);
    if (llm_struck(s, e->late)) us = sim_between(s, LATE_US / 4, LATE_US);
    run->progressed = true;
    run->wait_until_us = now_us + us;
    return SERVICE_WAIT;
}

static enum service_step
begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    struct workload_env *e = (struct workload_env *)env;
    struct sim *s = e->sim;
    struct op *o = calloc(1, sizeof *o);

    co_assert(o);
    run->state = o;
    o->env = e;
    o->job = sim_job_of(s, run->task.job);
    co_assert(o->job);
    co_buf_init(&o->out, OUT_MAX);
    if (!batch_get_task(run->task.payload, run->task.payload_bytes, &o->task) ||
        o->task.job != o->job->work->job) {
        sim_fail(s, "protocol", "a task about a batch cannot be read");
    }
    if (!sim_chance(s, 250)) return send(o, run, now_us);
    run->wait_until_us = now_us + sim_between(s, 1, 1000000);
    return SERVICE_WAIT;
}

static enum service_step
step(struct service_run *run, int64_t now_us)
{
    struct op *o = run->state;

    if (o->env->die) {
        run->wait_until_us = INT64_MAX / 2;
        return SERVICE_WAIT;
    }
    if (o->phase == WAITING) return send(o, run, now_us);
    if (o->later) return give_back(o, run);
    co_buf_append(run->out, o->out.data, o->out.len);
    run->progressed = true;
    return SERVICE_DONE;
}

/* Whether a batch may have been made of it. */
static bool
may_be_made(const struct op *o)
{
    return o->task.op == BATCH_SUBMIT && o->phase == SENT;
}

static enum service_step
stop(struct service_run *run, int64_t now_us)
{
    struct op *o = run->state;

    (void)now_us;
    if (!may_be_made(o)) return SERVICE_RETURN;
    tell_state(o, BATCH_UNSURE);
    co_buf_append(run->out, o->out.data, o->out.len);
    return SERVICE_DONE;
}

static bool
is_unsent(const struct service_run *run)
{
    return !may_be_made(run->state);
}

static void
abort_op(struct service_run *run)
{
    struct op *o = run->state;

    co_buf_fini(&o->out);
    free(o);
}

const struct service llm_batch = {.name = "persona.write",
                                  .waits = true,
                                  .begin = begin,
                                  .step = step,
                                  .stop = stop,
                                  .unsent = is_unsent,
                                  .abort = abort_op};
