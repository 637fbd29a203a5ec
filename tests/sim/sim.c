/* sim.c - see sim.h. */
#include "tests/sim/sim.h"

#include "common/hash.h"
#include "tests/sim/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim *sim_now;

/* ---- chance ---- */

uint64_t
sim_random(struct sim *s)
{
    s->random += 0x9E3779B97F4A7C15u;
    return co_mix64(s->random);
}

uint64_t
sim_below(struct sim *s, uint64_t below)
{
    return sim_random(s) % below;
}

int64_t
sim_between(struct sim *s, int64_t low, int64_t high)
{
    return low + (int64_t)sim_below(s, (uint64_t)(high - low) + 1);
}

bool
sim_chance(struct sim *s, unsigned permille)
{
    return sim_below(s, 1000) < permille;
}

/* ---- jobs ---- */

struct sim_job *
sim_job_of(struct sim *s, uint64_t id)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        if (s->jobs[i].work->job == id) return &s->jobs[i];
    }
    return NULL;
}

void
sim_enter(struct sim *s, struct sim_job *job)
{
    co_assert(job);
    s->job = job;
}

/* ---- events ---- */

static bool
before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->tie < b->tie;
}

void
sim_at_frame(struct sim *s, int64_t at_us,
             void (*fn)(struct sim *s, struct sim_event *e), uint64_t a,
             uint64_t b, struct co_bytes head, struct co_bytes body)
{
    struct sim_heap *h = &s->heap;
    struct sim_event e = {at_us < s->now_us ? s->now_us : at_us,
                          sim_random(s),
                          fn,
                          a,
                          b,
                          head,
                          body};
    size_t i = h->n++;

    if (h->n > h->cap) {
        h->cap = h->cap ? 2 * h->cap : 1024;
        h->v = realloc(h->v, h->cap * sizeof *h->v);
        co_assert(h->v);
    }
    for (; i > 0 && before(&e, &h->v[(i - 1) / 2]); i = (i - 1) / 2) {
        h->v[i] = h->v[(i - 1) / 2];
    }
    h->v[i] = e;
}

void
sim_at(struct sim *s, int64_t at_us,
       void (*fn)(struct sim *s, struct sim_event *e), uint64_t a, uint64_t b)
{
    sim_at_frame(s, at_us, fn, a, b, (struct co_bytes){0},
                 (struct co_bytes){0});
}

/* ---- trace ---- */

void
sim_trace(struct sim *s, const char *fmt, ...)
{
    char *line = s->trace[s->trace_n++ % SIM_TRACE_LINES];
    va_list args;
    int n = snprintf(line, SIM_TRACE_BYTES, "%llu %lld.%06lld ",
                     (unsigned long long)s->result.steps,
                     (long long)(s->now_us / 1000000),
                     (long long)(s->now_us % 1000000));

    va_start(args, fmt);
    /* The check fails on the second file of a process, and this file is
     * compiled for two programs. */
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
    n += vsnprintf(line + n, SIM_TRACE_BYTES - (size_t)n, fmt, args);
    va_end(args);
    if (n >= SIM_TRACE_BYTES) n = SIM_TRACE_BYTES - 1;
    s->result.hash = co_hash64(line, (size_t)n, s->result.hash);
    if (s->options.print) printf("%s\n", line);
}

void
sim_fail(struct sim *s, const char *invariant, const char *fmt, ...)
{
    va_list args;

    if (s->result.failed) return;
    s->result.failed = true;
    (void)snprintf(s->result.invariant, sizeof s->result.invariant, "%s",
                   invariant);
    va_start(args, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): see sim_trace
    (void)vsnprintf(s->result.text, sizeof s->result.text, fmt, args);
    va_end(args);
    sim_trace(s, "FAILED %s: %s", invariant, s->result.text);
}

const char *
sim_profile_name(enum sim_profile profile)
{
    static const char *const names[PROFILE_COUNT] = {
        [PROFILE_CALM] = "calm",       [PROFILE_CRASH] = "crash",
        [PROFILE_NET] = "net",         [PROFILE_DISK] = "disk",
        [PROFILE_ALL] = "all",         [PROFILE_PAID] = "paid",
        [PROFILE_WRITERS] = "writers", [PROFILE_BATCHES] = "batches",
    };

    return names[profile];
}
