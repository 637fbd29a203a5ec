/* run.c - one seed: makes the world, steps through its events, judges the end.
 * An assertion of the cores ends the run like any other violation. */
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/market.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/paid.h"
#include "tests/sim/redis.h"
#include "tests/sim/workload.h"
#include "tests/unit/fake_ranges.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 20000000,
    AFTER_US = 3000000, /* the fleet goes on for so long after the job */
    CHECK_EVERY = 512,
};

static jmp_buf on_assert;
static char trace_lines[SIM_TRACE_LINES][SIM_TRACE_BYTES];
static uint64_t trace_count;

/* The linker's --wrap makes the name. */
// NOLINTBEGIN(bugprone-reserved-identifier)
// NOLINTBEGIN(readability-identifier-naming)
_Noreturn void __wrap_co_assert_failed(const char *cond, const char *file,
                                       int line, const char *func);

_Noreturn void
__wrap_co_assert_failed(const char *cond, const char *file, int line,
                        const char *func)
{
    if (sim_now) {
        sim_fail(sim_now, "assert", "%s:%d %s: %s", file, line, func, cond);
    }
    if (!sim_now) abort();
    longjmp(on_assert, 1);
}
// NOLINTEND(readability-identifier-naming)
// NOLINTEND(bugprone-reserved-identifier)

/* ---- the end ---- */

/* The rows of the final files, one after the other. */
static void
gather_rows(struct sim *s, struct co_buf *out)
{
    const struct shard_file *f;

    for (uint64_t shard = 0; (f = shards_at(s, shard)); shard++) {
        for (size_t at = 0; at < f->len;) {
            size_t frame =
                ZSTD_findFrameCompressedSize(f->data + at, f->len - at);
            unsigned long long raw =
                ZSTD_getFrameContentSize(f->data + at, f->len - at);
            uint8_t *to;

            if (ZSTD_isError(frame) || raw > 1 << 24) {
                sim_fail(s, "G1", "%s holds no whole frame at %zu", f->name,
                         at);
                return;
            }
            to = co_buf_reserve(out, (size_t)raw);
            if (!to || ZSTD_isError(ZSTD_decompress(to, (size_t)raw,
                                                    f->data + at, frame))) {
                sim_fail(s, "G1", "a frame of %s is damaged", f->name);
                return;
            }
            co_buf_commit(out, (size_t)raw);
            at += frame;
        }
    }
}

/* What a quiet run makes: the first N good candidates that are not dead and
 * say what none of those before says. */
static void
expected_rows(struct sim *s, struct co_buf *out, uint64_t *ret_rows)
{
    const struct workload *w = s->job->work;
    struct fake_said said;
    uint64_t rows = 0;

    fake_said_begin(&said, w->hash_bits);
    for (uint64_t i = 0; i < w->items && rows < w->rows; i++) {
        if (!fake_accepts(i, w->reject_one_in) || oracle_dead(s, i)) continue;
        if (!fake_is_new(&said, i)) continue;
        co_buf_printf(out, "row %" PRIu64 "\n", i);
        rows++;
    }
    fake_said_end(&said);
    *ret_rows = rows;
}

/* What the journal says: its accepted candidates that are new, up to N, with
 * the texts that its answers make. A job that ends early may leave a candidate
 * unfinished in front of others that are done: they take their place in its
 * files when it goes on, so these may end there. have: what they hold. */
static void
journaled_rows(struct sim *s, const struct co_buf *have, struct co_buf *out,
               uint64_t *ret_rows)
{
    struct workload *w = s->job->work;
    struct fake_said said;
    struct paid_text text;
    uint64_t rows = 0;
    bool unfinished = false;

    fake_said_begin(&said, w->hash_bits);
    for (uint64_t i = 0; i < w->items && rows < w->rows; i++) {
        if (!paid_row(s, i, &text)) {
            unfinished |=
                s->job->partial && workload_accepts(w, i) && !oracle_dead(s, i);
            continue;
        }
        if (unfinished && out->len == have->len) break;
        if (!fake_is_new(&said, i)) continue;
        co_buf_printf(out, "row %" PRIu64 " %016" PRIx64 "%s\n", i, text.hash,
                      text.says);
        rows++;
    }
    fake_said_end(&said);
    *ret_rows = rows;
}

static void
judge_personas(struct sim *s)
{
    const struct kind_ledger *l = &s->job->ledger;
    struct co_buf have, want;
    uint64_t rows;
    size_t at = 0;

    co_buf_init(&have, 1 << 26);
    co_buf_init(&want, 1 << 26);
    gather_rows(s, &have);
    if (s->job->work->written) {
        journaled_rows(s, &have, &want, &rows);
    } else {
        expected_rows(s, &want, &rows);
    }
    while (at < have.len && at < want.len && have.data[at] == want.data[at]) {
        at++;
    }
    if (!s->result.failed && !s->job->rows_given_up &&
        (have.len != want.len || at != have.len)) {
        sim_fail(s, "G1", "%zu bytes of rows, %zu expected; they differ at %zu",
                 have.len, want.len, at);
    }
    if (s->job->rows_given_up) rows = s->job->work->rows;
    if (l->accepted != rows ||
        (rows != s->job->work->rows && !s->job->partial)) {
        sim_fail(s, "G2", "%" PRIu64 " rows accepted, %" PRIu64 " asked for",
                 l->accepted, s->job->work->rows);
    }
    co_buf_fini(&have);
    co_buf_fini(&want);
}

static void
judge_job(struct sim *s)
{
    const struct kind_ledger *l = &s->job->ledger;
    uint64_t dead = 0;

    if (!kind_ledger_holds(l)) sim_fail(s, "G2", "the last ledger is wrong");
    if (s->job->work->personas) {
        judge_personas(s);
        return;
    }
    for (uint64_t i = 0; i < s->job->work->items; i++) {
        bool guilty = workload_poison(s->job->work, i, 1) ||
                      workload_failing(s->job->work, i, 1);

        dead += oracle_dead(s, i);
        if (guilty != oracle_dead(s, i) &&
            (guilty || !s->result.faults.convicted)) {
            sim_fail(s, "G1", "item %" PRIu64 " is %s", i,
                     guilty ? "guilty and not dead" : "dead");
        }
    }
    if (l->accepted + dead != s->job->work->rows || l->dead != dead) {
        sim_fail(s, "G2", "%" PRIu64 " items done, %" PRIu64 " dead",
                 l->accepted, l->dead);
    }
}

static void
judge_end(struct sim *s)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        sim_enter(s, &s->jobs[i]);
        judge_job(s);
    }
}

/* ---- stepping ---- */

static void
check_all(struct sim *s)
{
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        const char *broken = NULL;

        if (!n->alive) continue;
        if (n->kind == NODE_BROKER) broken = broker_node_check(n);
        if (n->kind == NODE_OWNER) {
            sim_enter(s, n->job);
            broken = owner_node_check(s, n);
        }
        if (n->kind == NODE_WORKER) worker_node_check(s, n);
        if (broken) sim_fail(s, "check", "%s: %s", node_name(n), broken);
    }
}

static void
pop(struct sim_heap *h, struct sim_event *ret)
{
    struct sim_event last = h->v[--h->n];
    size_t i = 0, child;

    *ret = h->v[0];
    for (; (child = 2 * i + 1) < h->n; i = child) {
        const struct sim_event *v = h->v;

        if (child + 1 < h->n && (v[child + 1].at_us != v[child].at_us
                                     ? v[child + 1].at_us < v[child].at_us
                                     : v[child + 1].tie < v[child].tie)) {
            child++;
        }
        if (last.at_us != v[child].at_us ? last.at_us < v[child].at_us
                                         : last.tie < v[child].tie) {
            break;
        }
        h->v[i] = h->v[child];
    }
    h->v[i] = last;
}

static void
say_all(struct sim *s)
{
    for (unsigned i = s->n_nodes; i-- > 0;) {
        const struct node *n = &s->nodes[i];

        if (!n->alive) {
            if (n->life) sim_trace(s, "%s is not there", node_name(n));
        } else if (n->kind == NODE_OWNER) {
            sim_enter(s, n->job);
            owner_node_say(s, n);
        } else if (n->kind == NODE_BROKER) {
            broker_node_say(s, n);
        } else {
            worker_node_say(s, n);
        }
    }
}

/* Is there nothing left to see? */
static bool
ended(struct sim *s)
{
    uint64_t most = s->options.steps_max ? s->options.steps_max : STEPS_MAX;

    if (s->result.failed) return true;
    if (s->over && s->now_us > s->over_us + AFTER_US) return true;
    if (s->healed && !s->over &&
        s->now_us > s->heal_us + faults_liveness_us(s)) {
        say_all(s);
        sim_fail(s, "liveness",
                 "not all jobs are over %d s after the last fault",
                 (int)(faults_liveness_us(s) / 1000000));
        return true;
    }
    return s->result.steps >= most;
}

static void
live(struct sim *s)
{
    struct sim_event e;

    while (s->heap.n && !ended(s)) {
        pop(&s->heap, &e);
        s->now_us = e.at_us;
        s->result.steps++;
        s->result.hash ^= (uint64_t)e.at_us * 0x9E3779B97F4A7C15u + e.a;
        s->result.hash = s->result.hash << 7 | s->result.hash >> 57;
        e.fn(s, &e);
        if (s->result.steps % CHECK_EVERY == 0) check_all(s);
    }
    if (!s->over && !s->result.failed && !s->options.steps_max) {
        sim_fail(s, "liveness", "nothing happens any more");
    }
    if (s->over && !s->result.failed) judge_end(s);
}

/* ---- making the world ---- */

/* Which machine each process is on; their clocks have nothing in common. */
static void
make_nodes(struct sim *s)
{
    unsigned hosts = (unsigned)sim_between(s, 1, SIM_HOSTS_MAX);

    s->n_nodes = SIM_OWNERS_MAX + SIM_BROKERS_MAX + s->n_workers;
    s->nodes = calloc(s->n_nodes, sizeof *s->nodes);
    co_assert(s->nodes);
    for (unsigned i = 0; i < hosts; i++) {
        s->skew_us[i] = sim_between(s, 0, 1000000) * 1000000;
    }
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];

        n->turn_us = INT64_MAX;
        n->host = (unsigned)sim_below(s, hosts);
        if (i < SIM_OWNERS_MAX) {
            n->kind = NODE_OWNER;
            n->index = i;
            n->job = &s->jobs[i];
        } else if (i < SIM_OWNERS_MAX + SIM_BROKERS_MAX) {
            n->kind = NODE_BROKER;
            n->index = i - SIM_OWNERS_MAX;
        } else {
            n->kind = NODE_WORKER;
            n->index = i - SIM_OWNERS_MAX - SIM_BROKERS_MAX;
        }
    }
}

static void
make_jobs(struct sim *s)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        s->jobs[i].index = i;
        sim_enter(s, &s->jobs[i]);
        workload_make(s);
        disk_make(s);
        shards_make(s);
        oracle_make(s);
        paid_make(s);
    }
}

/* One broker in two runs, one job in two. */
static unsigned
few(struct sim *s, unsigned most)
{
    return sim_chance(s, 500) ? 1 : (unsigned)sim_between(s, 1, most);
}

static void
make(struct sim *s)
{
    s->profile = s->options.profile;
    s->writers = s->profile == PROFILE_WRITERS;
    s->batches = s->profile == PROFILE_BATCHES;
    s->paid = s->profile >= PROFILE_PAID;
    if (s->paid) s->profile = PROFILE_ALL;
    if (s->profile == PROFILE_ALL && sim_chance(s, 700)) {
        s->profile = (enum sim_profile)sim_below(s, PROFILE_FAULTS);
    }
    s->delay_us = sim_between(s, 20, 1000);
    s->fingerprint = sim_random(s) | 1;
    s->n_brokers = few(s, SIM_BROKERS_MAX);
    s->n_jobs = few(s, SIM_JOBS_MAX);
    s->n_workers = (unsigned)sim_between(s, 2, SIM_WORKERS_MAX);
    make_nodes(s);
    sim_trace(s, "seed %llu, %s, %u brokers, %u jobs, %u workers",
              (unsigned long long)s->options.seed, sim_profile_name(s->profile),
              s->n_brokers, s->n_jobs, s->n_workers);
    if (s->writers) market_make(s);
    if (s->batches) s->accounts = sim_chance(s, 300) ? 2 : 1;
    make_jobs(s);
    redis_make(s);
    faults_make(s);
    for (unsigned i = 0; i < s->n_brokers; i++) {
        node_start(s, node_broker(s, i));
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        node_start(s, node_worker(s, i));
    }
    for (unsigned i = 0; i < s->n_jobs; i++) {
        node_start(s, node_owner(s, i));
    }
}

static void
unmake(struct sim *s)
{
    for (unsigned i = 0; i < s->n_nodes; i++) {
        node_free(s, &s->nodes[i]);
    }
    for (size_t i = 0; i < s->heap.n; i++) {
        co_bytes_unref(&s->heap.v[i].head);
        co_bytes_unref(&s->heap.v[i].body);
    }
    free(s->heap.v);
    net_free(s);
    faults_free(s);
    redis_free(s);
    market_free(s);
    for (unsigned i = 0; i < s->n_jobs; i++) {
        sim_enter(s, &s->jobs[i]);
        paid_free(s);
        oracle_free(s);
        shards_free(s);
        disk_free(s);
        workload_free(s);
    }
    free(s->nodes);
}

struct sim_result
sim_run(const struct sim_options *options)
{
    static struct sim world; /* survives longjmp */
    struct sim *s = &world;

    *s = (struct sim){.options = *options,
                      .now_us = 1000000000,
                      .random = options->seed * 0x2545F4914F6CDD1Du + 1,
                      .trace = trace_lines};
    sim_now = s;
    if (setjmp(on_assert) == 0) {
        make(s);
        live(s);
        s->result.virtual_us = s->now_us - 1000000000;
        trace_count = s->trace_n;
        if (!s->result.failed) unmake(s);
    }
    /* after a failure the state may be anything: it is left as it is */
    trace_count = s->trace_n;
    sim_now = NULL;
    return s->result;
}

void
sim_print_trace(void *file)
{
    uint64_t from =
        trace_count > SIM_TRACE_LINES ? trace_count - SIM_TRACE_LINES : 0;

    for (; from < trace_count; from++) {
        (void)fprintf(file, "  %s\n", trace_lines[from % SIM_TRACE_LINES]);
    }
}
