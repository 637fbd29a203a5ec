/* why.c - see why.h. */
#include "cli/why.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    STILL_MS = 15000, /* nothing is drawn or decided: said */
    STALL_MS = 10000, /* a task waits although workers have room: said */
};

/* ---- the table ---- */

/* Stable code, level, what to do. X(ID, code, level, act) */
#define FINDINGS(X)                                                            \
    X(RUNS, "runs", FINE, "")                                                  \
    X(FULL_LOAD, "full_load", FINE,                                            \
      "nothing; more workers make it faster (`" CO_PROGRAM                     \
      "-worker --processes N`)")                                               \
    X(FULL_CALLS, "full_load", FINE,                                           \
      "nothing; where no limit of an endpoint is named beside this, more "     \
      "workers make it faster (`" CO_PROGRAM "-worker --processes N`)")        \
    X(WINDOW, "window", FINE, "")                                              \
    X(ALL_OUT, "all_out", FINE, "nothing: the last tasks are being worked on") \
    X(NO_OWNER, "no_owner", PROBLEM,                                           \
      "look whether its process lives on the host named; if not, the same "    \
      "command goes on where it ended")                                        \
    X(NO_BROKER, "no_broker", PROBLEM,                                         \
      "start one: `" CO_PROGRAM "-broker --redis URL`; who waits connects by " \
      "itself")                                                                \
    X(NOT_ATTACHED, "not_attached", PROBLEM,                                   \
      "look at --broker of the coordinator and --front of the broker; logs "   \
      "of both say what is refused")                                           \
    X(SETTLING, "settling", FINE, "nothing: it passes within 15 s")            \
    X(NO_WORKERS, "no_workers", PROBLEM,                                       \
      "start some: `" CO_PROGRAM "-worker --broker ENDPOINT --redis URL`")     \
    X(NO_CALLERS, "no_workers", PROBLEM,                                       \
      "start some that know the provider and have its key: `" CO_PROGRAM       \
      "-worker --broker ENDPOINT --redis URL --providers FILE`")               \
    X(NO_CALLS, "calls_wait", NOTE,                                            \
      "nothing if it passes: limits, a Retry-After or an open circuit "        \
      "breaker hold calls back, as is said beside this; if nothing is, the "   \
      "workers' logs say why")                                                 \
    X(DRAINING, "draining", PROBLEM, "start others: these take no new work")   \
    X(UNLIKE, "workers_unlike", PROBLEM,                                       \
      "they need the coordinator's release and model, and its broker: look "   \
      "at their logs and at `" CO_PROGRAM " events --kind worker`")            \
    X(STALL, "stall", PROBLEM,                                                 \
      "look at the broker's log; restarting the broker is safe: owners "       \
      "publish again")                                                         \
    X(SHARED, "shared", NOTE,                                                  \
      "nothing, or more workers; `priority` in the job file decides who goes " \
      "first")                                                                 \
    X(BACKLOG, "backlog", NOTE, "")                                            \
    X(RETRY, "retry", NOTE,                                                    \
      "nothing at first; if it goes on, the workers' logs say why tasks fail") \
    X(SUSPECTS, "suspects", NOTE,                                              \
      "nothing: tasks whose worker died run one at a time, so that the guilty" \
      " one is found")                                                         \
    X(DISK, "disk", PROBLEM,                                                   \
      "`" CO_PROGRAM " doctor DIR` measures how long the disk takes to sync")  \
    X(SHARDS, "shards_open", PROBLEM,                                          \
      "one range hangs: look for a dead or very slow worker (`" CO_PROGRAM     \
      " top`); its tasks are published again once it is given up")             \
    X(MEMORY, "dedup_memory", PROBLEM,                                         \
      "free memory on the coordinator's host, or stop and go on with a "       \
      "smaller job; it continues by itself once there is some")                \
    X(BUDGET, "budget", PROBLEM,                                               \
      "loosen the conditions in the job file, or ask for fewer rows")          \
    X(MONEY, "money", PROBLEM,                                                 \
      "raise budget.usd in the job file; the same command goes on")            \
    X(PHASE, "money_phase", PROBLEM,                                           \
      "raise budget.usd in the job file, or give that phase or the reserve "   \
      "more of it; the same command goes on")                                  \
    X(SHARED_CAP, "shared_budget", PROBLEM,                                    \
      "raise the cap of the namespace (`" CO_PROGRAM                           \
      " budget set --total USD`); the same command goes on")                   \
    X(CAP_WAIT, "budget_wait", NOTE,                                           \
      "nothing: it passes within seconds; if not, `" CO_PROGRAM                \
      " budget show` says what the caps wait for")                             \
    X(CAP_DAY, "budget_day", PROBLEM,                                          \
      "nothing: it goes on with the next day (UTC); or raise the cap "         \
      "(`" CO_PROGRAM " budget set --day USD`)")                               \
    X(CAP_LEDGER, "budget_ledger", PROBLEM,                                    \
      "`" CO_PROGRAM " budget show` says what is wrong with the ledger, "      \
      "docs/operations.md (Budgets over jobs) what to do")                     \
    X(NO_PRICE, "no_price", PROBLEM,                                           \
      "set `price:` of the provider in the job file; the same command goes "   \
      "on")                                                                    \
    X(ENDPOINT, "endpoint_refuses", PROBLEM,                                   \
      "mend what it names (key, model, address, money there) on the workers "  \
      "or in the job file; calls go on by themselves")                         \
    X(HOPELESS, "no_fit_answers", PROBLEM,                                     \
      "`" CO_PROGRAM " dead list OUT` shows the last answers and what was "    \
      "wrong with them; the same command goes on")                             \
    X(OVERRUN, "overrun", PROBLEM,                                             \
      "set `price:` of the provider as the endpoint's owner bills, or leave "  \
      "an endpoint that counts tokens wrongly")                                \
    X(DOUBT, "doubt", NOTE,                                                    \
      "nothing: within a minute they are asked anew, and what they may have "  \
      "cost counts as spent")                                                  \
    X(ANSWERS, "answers", NOTE, "nothing: rows that are done make room")       \
    X(BATCH, "batch", FINE,                                                    \
      "nothing: the vendor answers batches within a day, and most in an hour") \
    X(SPENT, "spent", NOTE, "")                                                \
    X(CALLS_LOST, "calls_lost", NOTE,                                          \
      "the workers' logs say how they were lost; what they may have cost "     \
      "counts as spent")                                                       \
    X(FALLBACKS, "fallbacks", NOTE,                                            \
      "nothing, if that is wanted; else see why their provider is away: what " \
      "is written stays")                                                      \
    X(OTHER_OWNER, "other_owner", PROBLEM,                                     \
      "leave the job to the coordinator that has it now; `" CO_PROGRAM         \
      " status` shows which")                                                  \
    X(NOMEM, "memory", PROBLEM, "free memory on the coordinator's host")       \
    X(TABLE, "task_table", NOTE, "nothing: results make room")                 \
    X(STILL, "still", PROBLEM,                                                 \
      "see the reasons beside this; without any, keep the logs and report it") \
    X(LOST, "lost", NOTE, "`" CO_PROGRAM " events --kind worker` shows whose") \
    X(DEAD, "dead_rows", NOTE, "`" CO_PROGRAM " dead list OUT` names them")    \
    X(ENDPOINT_OPEN, "endpoint_open", PROBLEM,                                 \
      "see whether it answers (`" CO_PROGRAM " try`); `" CO_PROGRAM            \
      " events --kind breaker` says since when")                               \
    X(ENDPOINT_WAITS, "endpoint_waits", NOTE,                                  \
      "nothing: every worker waits, then they go on one after another")        \
    X(ENDPOINT_RATE, "endpoint_rate", NOTE,                                    \
      "more workers do not help; raise rpm or tpm in `limits:` of the "        \
      "provider if the account allows more")                                   \
    X(ENDPOINT_FULL, "endpoint_full", NOTE,                                    \
      "more workers do not help; in_flight in `limits:` is the most, and "     \
      "refusals lower it for a while")                                         \
    X(WRITES, "redis_behind", NOTE,                                            \
      "numbers shown may be old: Redis is slow or was away")                   \
    X(REFUSED, "redis_refuses", PROBLEM,                                       \
      "the coordinator's Redis user lacks a command: docs/operations.md has "  \
      "the ACL")                                                               \
    X(REDIS_AWAY, "redis_away", PROBLEM,                                       \
      "nothing for the run, which goes on without; start that Redis again to " \
      "see it")                                                                \
    X(INTERRUPTED, "interrupted", PROBLEM, "the same command goes on")         \
    X(COMPLETE, "complete", FINE, "")                                          \
    X(PARTIAL, "partial", PROBLEM,                                             \
      "loosen the conditions in the job file, or ask for fewer rows; the same" \
      " command goes on")                                                      \
    X(STOPPED, "stopped", NOTE, "the same command goes on")                    \
    X(STOPPING, "stopping", FINE, "nothing: it commits what is under way")     \
    X(DISK_FULL, "disk_full", PROBLEM, "free space; the same command goes on") \
    X(DAMAGED, "damaged", PROBLEM,                                             \
      "copy the folder, then `" CO_PROGRAM                                     \
      " journal repair DIR`, then the same command")                           \
    X(FAILED, "failed", PROBLEM,                                               \
      "mend what the message names; the same command goes on")

enum finding {
#define X(id, code, level, act) F_##id,
    FINDINGS(X)
#undef X
};

static const struct {
    const char *code, *act;
    enum why_level level;
} findings[] = {
#define X(id, code, level, act) {code, act, WHY_##level},
    FINDINGS(X)
#undef X
};

const char *
why_level_name(enum why_level level)
{
    static const char *const names[] = {"fine", "note", "problem"};

    return names[level];
}

static void say(struct why *w, enum finding f, const char *fmt, ...)
    co_printf(3, 4);
static void
say(struct why *w, enum finding f, const char *fmt, ...)
{
    struct why_finding *to = &w->v[w->n];
    va_list args;

    if (w->n == WHY_MAX) return;
    w->n++;
    *to = (struct why_finding){.level = findings[f].level,
                               .code = findings[f].code,
                               .act = findings[f].act};
    va_start(args, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, above
    (void)vsnprintf(to->text, sizeof to->text, fmt, args);
    va_end(args);
    if (strstr(to->text, to->act)) to->act = ""; /* it says so itself */
}

static const char *
s_of(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- who works ---- */

struct crew {
    uint64_t serving, draining; /* workers */
};

static struct crew
crew_of(const struct fleet_state *s, const char *service)
{
    struct crew c = {0};

    for (size_t i = 0; i < s->workers.n; i++) {
        const struct fleet_worker *w = &s->workers.v[i];

        if (!fleet_worker_serves(w, service)) continue;
        c.serving++;
        c.draining += strcmp(w->state, "draining") == 0;
    }
    return c;
}

/* Other jobs that go on and want the same workers. */
static unsigned
rivals(const struct fleet_state *s, const struct fleet_job *j)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->jobs.n; i++) {
        const struct fleet_job *o = &s->jobs.v[i];

        n += o != j && o->lease && fleet_job_runs(o) &&
             strcmp(o->service, j->service) == 0;
    }
    return n;
}

/* Workers have room and a task waits all the same. */
static bool
stalled(const struct fleet_queue *q)
{
    return q && q->queued > 0 && q->in_flight < q->capacity &&
           q->oldest_ms > STALL_MS;
}

static void
why_no_link(const struct fleet_state *s, const struct fleet_job *j,
            struct why *w)
{
    (void)j;
    say(w, F_NOT_ATTACHED,
        "%zu broker%s alive here, but this job's coordinator is attached to "
        "none",
        s->brokers.n, s->brokers.n == 1 ? " is" : "s are");
}

/* Nobody would do the work: that comes before whatever the coordinator says,
 * which may have published all it has and wait. */
static bool
why_nobody(const struct fleet_state *s, const struct fleet_job *j,
           struct why *w)
{
    const struct fleet_queue *q = fleet_state_queue(s, j->service);
    struct crew c = crew_of(s, j->service);

    if (s->brokers.n == 0) {
        say(w, F_NO_BROKER, "no broker is alive in this namespace");
    } else if (c.serving == 0 && (!q || q->workers == 0)) {
        say(w, j->calls[0] ? F_NO_CALLERS : F_NO_WORKERS,
            "no worker for %s is alive", j->service);
    } else if (c.serving && c.draining == c.serving) {
        say(w, F_DRAINING,
            "all workers for %s (%" PRIu64 ") are draining: they take no new "
            "tasks",
            j->service, c.serving);
    } else if (q && q->workers == 0 && j->calls[0]) {
        say(w, F_NO_CALLS,
            "%" PRIu64 " worker%s serve%s %s, but none makes calls now",
            c.serving, s_of(c.serving), c.serving == 1 ? "s" : "", j->service);
    } else if (q && q->workers == 0 && s->workers.n == s->workers.all) {
        say(w, F_UNLIKE,
            "%" PRIu64 " worker%s serve%s %s, but none gives a broker credit",
            c.serving, s_of(c.serving), c.serving == 1 ? "s" : "", j->service);
    } else {
        return false;
    }
    return true;
}

/* The brokers grant no more: all are at work. */
static void
why_no_credit(const struct fleet_state *s, const struct fleet_job *j,
              struct why *w)
{
    const struct fleet_queue *q = fleet_state_queue(s, j->service);
    unsigned others = rivals(s, j);

    if (!q || stalled(q)) { /* told as that */
        say(w, F_WINDOW, "%s", j->why);
        return;
    }
    say(w, j->calls[0] ? F_FULL_CALLS : F_FULL_LOAD,
        "workers: %" PRIu64 " task%s run or wait at %" PRIu64
        " worker%s, which take at most %" PRIu64 "; %" PRIu64
        " more wait with the broker",
        q->in_flight, s_of(q->in_flight), q->workers, s_of(q->workers),
        q->capacity, q->queued);
    if (others) {
        say(w, F_SHARED, "%u other job%s want%s the same workers", others,
            s_of(others), others == 1 ? "s" : "");
    }
}

static void
why_retry(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    (void)s;
    say(w, F_RETRY,
        "%" PRIu64 " task%s wait%s to be tried again (%" PRIu64
        " failed, %" PRIu64 " lost so far)",
        j->tasks_ready, s_of(j->tasks_ready), j->tasks_ready == 1 ? "s" : "",
        j->failed, j->lost);
}

static void
why_all_out(const struct fleet_state *s, const struct fleet_job *j,
            struct why *w)
{
    (void)s;
    say(w, F_ALL_OUT,
        "everything needed is published: %" PRIu64
        " task%s out, then the last files are written",
        j->tasks_out, s_of(j->tasks_out));
}

/* What `why_code` of job:ID means. fn decides further; NULL: f and `why`. */
static const struct {
    const char *code;
    enum finding f;
    void (*fn)(const struct fleet_state *s, const struct fleet_job *j,
               struct why *w);
} codes[] = {
    {"none", F_RUNS, NULL},
    {"no_link", F_NOT_ATTACHED, why_no_link},
    {"settling", F_SETTLING, NULL},
    {"no_credit", F_FULL_LOAD, why_no_credit},
    {"window", F_WINDOW, NULL},
    {"table", F_TABLE, NULL},
    {"journal", F_DISK, NULL},
    {"retry", F_RETRY, why_retry},
    {"alone", F_SUSPECTS, NULL},
    {"stale", F_OTHER_OWNER, NULL},
    {"nomem", F_NOMEM, NULL},
    {"done", F_ALL_OUT, NULL},
    {"all_out", F_ALL_OUT, why_all_out},
    {"undecided", F_SHARDS, NULL},
    {"shards", F_SHARDS, NULL},
    {"memory", F_MEMORY, NULL},
    {"budget", F_BUDGET, NULL},
    {"rate", F_WINDOW, NULL},
    {"later", F_RETRY, NULL},
    {"over", F_ALL_OUT, NULL},
    {"intent", F_RUNS, NULL},
    {"answers", F_ANSWERS, NULL},
    {"money", F_MONEY, NULL},
    {"cap_wait", F_CAP_WAIT, NULL},
    {"cap_day", F_CAP_DAY, NULL},
    {"cap_total", F_SHARED_CAP, NULL},
    {"cap_ledger", F_CAP_LEDGER, NULL},
    {"no_price", F_NO_PRICE, NULL},
    {"refused", F_ENDPOINT, NULL},
    {"doubt", F_DOUBT, NULL},
    {"batch", F_BATCH, NULL},
};

static void
why_code(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    for (size_t i = 0; i < co_countof(codes); i++) {
        if (strcmp(codes[i].code, j->why_code) != 0) continue;
        if (codes[i].fn) {
            codes[i].fn(s, j, w);
        } else {
            say(w, codes[i].f, "%s", j->why);
        }
        return;
    }
    say(w, F_RUNS, "%s", j->why); /* a newer coordinator than this command */
}

/* ---- over ---- */

static const struct {
    const char *state;
    enum finding f;
} ends[] = {
    {"complete", F_COMPLETE}, {"partial", F_PARTIAL},
    {"stopped", F_STOPPED},   {"stopping", F_STOPPING},
    {"failed", F_FAILED},     {"interrupted", F_INTERRUPTED},
};

/* Failures that are told apart by their message. */
static const struct {
    const char *part;
    enum finding f;
} failures[] = {
    {"the cap over all jobs", F_SHARED_CAP},
    {"covers no further row", F_MONEY},
    {"the share of phase", F_PHASE},
    {"one after another, were given up", F_HOPELESS},
    {"cost more than it could", F_OVERRUN},
    {"No space left", F_DISK_FULL},
    {"bytes aside", F_DISK_FULL},
    {"is damaged", F_DAMAGED},
    {"another owner", F_OTHER_OWNER},
};

static bool
why_ended(const char *state, const char *text, struct why *w)
{
    enum finding f = F_FAILED;
    bool known = false;

    for (size_t i = 0; i < co_countof(ends) && !known; i++) {
        known = strcmp(ends[i].state, state) == 0;
        f = ends[i].f;
    }
    for (size_t i = 0; i < co_countof(failures) && known; i++) {
        if (strstr(text, failures[i].part)) f = failures[i].f;
    }
    if (known) say(w, f, "%s", text[0] ? text : state);
    return known;
}

/* ---- beside the reason ---- */

/* Workers would take it, and still it waits: whatever the coordinator says. */
static void
why_stall(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    const struct fleet_queue *q = fleet_state_queue(s, j->service);

    if (stalled(q)) {
        say(w, F_STALL,
            "the oldest of %" PRIu64 " queued task%s waits for %" PRIu64
            " s although workers have room (%" PRIu64 " of %" PRIu64 ")",
            q->queued, s_of(q->queued), q->oldest_ms / 1000, q->in_flight,
            q->capacity);
    }
    if (q && q->backlog > 0 && strcmp(j->why_code, "retry") != 0) {
        say(w, F_BACKLOG,
            "%" PRIu64 " task%s to be published again, no broker has them",
            q->backlog, s_of(q->backlog));
    }
    if (j->moved_at && j->updated_at > j->moved_at + STILL_MS) {
        say(w, F_STILL, "nothing was drawn or decided for %" PRIu64 " s",
            (j->updated_at - j->moved_at) / 1000);
    }
}

static void
why_notes(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    const struct fleet_coordinator *c = fleet_state_coordinator_of(s, j->id);

    if (j->lost) {
        say(w, F_LOST,
            "%" PRIu64 " attempt%s lost with a worker or link; they run again",
            j->lost, s_of(j->lost));
    }
    if (j->dead) {
        say(w, F_DEAD, "%" PRIu64 " candidate%s given up", j->dead,
            s_of(j->dead));
    }
    if (j->settled_usd[0]) {
        say(w, F_SPENT, "%s USD spent%s%s for %s calls", j->settled_usd,
            j->budget_usd[0] ? " of " : "", j->budget_usd, j->calls);
    }
    if (j->calls_lost) {
        say(w, F_CALLS_LOST,
            "%" PRIu64 " call%s without a known end, perhaps %s USD",
            j->calls_lost, s_of(j->calls_lost), j->unknown_usd);
    }
    if (j->rows_degraded) {
        say(w, F_FALLBACKS,
            "%" PRIu64 " row%s by fallbacks, %" PRIu64 " of them built in",
            j->rows_degraded, s_of(j->rows_degraded), j->rows_built_in);
    }
    if (j->rows_degraded_budget) {
        say(w, F_FALLBACKS,
            "%" PRIu64 " of these as the money left did not cover their "
            "provider (budget.short: degrade)",
            j->rows_degraded_budget);
    }
    if (c && c->redis_failed) {
        say(w, F_REFUSED,
            "Redis refused %" PRIu64 " command%s of its coordinator",
            c->redis_failed, s_of(c->redis_failed));
    }
    if (c && c->redis_refused) {
        say(w, F_WRITES,
            "%" PRIu64 " write%s to Redis did not fit into the coordinator's "
            "queue",
            c->redis_refused, s_of(c->redis_refused));
    }
}

void
why_of_job(const struct fleet_state *s, const struct fleet_job *j,
           struct why *ret)
{
    ret->n = 0;
    if (!fleet_job_runs(j)) {
        if (!why_ended(j->state, j->why, ret)) {
            say(ret, F_RUNS, "%s", j->state);
        }
        return;
    }
    if (!j->lease && !fleet_state_coordinator_of(s, j->id)) {
        say(ret, F_NO_OWNER,
            "its coordinator on %s is silent: it ended, or cannot reach this "
            "Redis",
            j->host);
        return;
    }
    if (strcmp(j->state, "stopping") == 0) {
        say(ret, F_STOPPING, "%s", j->why);
    } else {
        /* An endpoint that refuses all is why nobody is left to call it. */
        if (strcmp(j->why_code, "refused") == 0 || !why_nobody(s, j, ret)) {
            why_code(s, j, ret);
        }
        why_stall(s, j, ret);
    }
    why_notes(s, j, ret);
}

/* ---- endpoints ---- */

/* Workers ask models for this service only. */
static const char asking[] = "persona.write";

/* "80 of 100 requests", of the kinds that have a limit. */
static void
rate_text(const struct endpoint_state *e, char *text, size_t size)
{
    char requests[64] = "", tokens[64] = "";

    if (e->rpm) {
        (void)snprintf(requests, sizeof requests,
                       "%" PRIu64 " of %" PRIu64 " requests", e->requests_60s,
                       e->rpm);
    }
    if (e->tpm) {
        (void)snprintf(tokens, sizeof tokens,
                       "%" PRIu64 " of %" PRIu64 " tokens", e->tokens_60s,
                       e->tpm);
    }
    (void)snprintf(text, size, "%s%s%s", requests,
                   e->rpm && e->tpm ? " and " : "", tokens);
}

static void
why_endpoint(const struct endpoint_state *e, uint64_t now_us, struct why *w)
{
    const uint64_t open_s = endpoint_state_seconds(e->open_until, now_us);
    char rates[140];

    switch (endpoint_state_hold(e, now_us)) {
    case ENDPOINT_OPEN:
        say(w, F_ENDPOINT_OPEN,
            "%s (%s) failed, call after call; one call tries it again in "
            "%" PRIu64 " s",
            e->provider, e->url, open_s);
        break;
    case ENDPOINT_HALF:
        say(w, F_ENDPOINT_OPEN,
            "%s (%s) failed, call after call; one call tries it again now, of "
            "%" PRIu64 " worker%s",
            e->provider, e->url, e->workers, s_of(e->workers));
        break;
    case ENDPOINT_WAITS:
        say(w, F_ENDPOINT_WAITS, "%s (%s) asked to wait: %" PRIu64 " s more",
            e->provider, e->url, endpoint_state_seconds(e->hold_until, now_us));
        break;
    case ENDPOINT_RATE:
        rate_text(e, rates, sizeof rates);
        say(w, F_ENDPOINT_RATE,
            "%s (%s): %s of a minute are used; a part stays free, so that no "
            "window of 60 s has more",
            e->provider, e->url, rates);
        break;
    case ENDPOINT_FULL:
        say(w, F_ENDPOINT_FULL,
            "%s (%s) takes at most %" PRIu64 " call%s at once; %" PRIu64
            " worker%s share%s them",
            e->provider, e->url, e->ceiling, s_of(e->ceiling), e->workers,
            s_of(e->workers), e->workers == 1 ? "s" : "");
        break;
    case ENDPOINT_FREE:
        break;
    }
}

/* Whether no endpoint of its provider may be called. */
static bool
all_shut(const struct limits_state *s, const char *provider)
{
    char text[ENDPOINT_STATE_TEXT];

    return endpoint_state_shut_text(s->v, s->n, provider, s->now_us, text);
}

/* What was said from `from` on goes to the front. */
static void
say_first(struct why *w, size_t from)
{
    for (size_t i = from; i < w->n; i++) {
        const struct why_finding last = w->v[i];

        memmove(&w->v[i - from + 1], &w->v[i - from], from * sizeof w->v[0]);
        w->v[i - from] = last;
    }
}

/* When all its endpoints are shut, that is why: what the coordinator says,
 * which has published all it has, is only what follows from it. */
void
why_of_limits(const struct limits_state *s, const struct fleet_job *j,
              struct why *why)
{
    const char *provider = strchr(j->service, '@');
    const size_t before = why->n;

    if (!fleet_job_runs(j) ||
        strncmp(j->service, asking, strlen(asking)) != 0) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        why_endpoint(&s->v[i], s->now_us, why);
    }
    if (before && why->v[0].level != WHY_PROBLEM && provider &&
        all_shut(s, provider + 1)) {
        say_first(why, before);
    }
}

void
why_of_folder(const struct job_state *s, struct why *ret)
{
    ret->n = 0;
    if (strcmp(s->state, "running") == 0) {
        if (s->redis[0]) {
            say(ret, F_REDIS_AWAY,
                "its process %lld is alive, but its Redis (%s) does not answer",
                (long long)s->pid, s->redis);
        } else {
            say(ret, F_RUNS,
                "its process %lld is alive; it reports to no Redis",
                (long long)s->pid);
        }
        return;
    }
    if (!why_ended(s->state, s->why, ret)) {
        say(ret, F_FAILED, "%s: %s", s->state, s->why);
    }
}
