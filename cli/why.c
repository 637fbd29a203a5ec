/* why.c - see why.h: what a coordinator says about its job, and what is said
 * beside that. */
#include "cli/why_impl.h"

#include <inttypes.h>
#include <string.h>

static void
why_no_link(const struct fleet_state *s, const struct fleet_job *j,
            struct why *w)
{
    (void)j;
    why_say(
        w, F_NOT_ATTACHED,
        "%zu broker%s alive here, but this job's coordinator is attached to "
        "none",
        s->brokers.n, s->brokers.n == 1 ? " is" : "s are");
}

static void
why_retry(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    (void)s;
    why_say(w, F_RETRY,
            "%" PRIu64 " task%s wait%s to be tried again (%" PRIu64
            " failed, %" PRIu64 " lost so far)",
            j->tasks_ready, why_s(j->tasks_ready),
            j->tasks_ready == 1 ? "s" : "", j->failed, j->lost);
}

static void
why_all_out(const struct fleet_state *s, const struct fleet_job *j,
            struct why *w)
{
    (void)s;
    why_say(w, F_ALL_OUT,
            "everything needed is published: %" PRIu64
            " task%s out, then the last files are written",
            j->tasks_out, why_s(j->tasks_out));
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
            why_say(w, codes[i].f, "%s", j->why);
        }
        return;
    }
    why_say(w, F_RUNS, "%s",
            j->why); /* a newer coordinator than this command */
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
    {"most rows said what an earlier one says", F_DUPLICATES},
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
    if (known) why_say(w, f, "%s", text[0] ? text : state);
    return known;
}

/* ---- beside the reason ---- */

static void
why_notes(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    const struct fleet_coordinator *c = fleet_state_coordinator_of(s, j->id);

    if (j->lost) {
        why_say(w, F_LOST,
                "%" PRIu64
                " attempt%s lost with a worker or link; they run again",
                j->lost, why_s(j->lost));
    }
    if (j->dead) {
        why_say(w, F_DEAD, "%" PRIu64 " candidate%s given up", j->dead,
                why_s(j->dead));
    }
    if (j->settled_usd[0]) {
        why_say(w, F_SPENT, "%s USD spent%s%s for %s calls", j->settled_usd,
                j->budget_usd[0] ? " of " : "", j->budget_usd, j->calls);
    }
    if (j->calls_lost) {
        why_say(w, F_CALLS_LOST,
                "%" PRIu64 " call%s without a known end, perhaps %s USD",
                j->calls_lost, why_s(j->calls_lost), j->unknown_usd);
    }
    if (j->rows_degraded) {
        why_say(w, F_FALLBACKS,
                "%" PRIu64 " row%s by fallbacks, %" PRIu64 " of them built in",
                j->rows_degraded, why_s(j->rows_degraded), j->rows_built_in);
    }
    if (j->rows_degraded_budget) {
        why_say(w, F_FALLBACKS,
                "%" PRIu64 " of these as the money left did not cover their "
                "provider (budget.short: degrade)",
                j->rows_degraded_budget);
    }
    if (c && c->redis_failed) {
        why_say(w, F_REFUSED,
                "Redis refused %" PRIu64 " command%s of its coordinator",
                c->redis_failed, why_s(c->redis_failed));
    }
    if (c && c->redis_refused) {
        why_say(w, F_WRITES,
                "%" PRIu64
                " write%s to Redis did not fit into the coordinator's "
                "queue",
                c->redis_refused, why_s(c->redis_refused));
    }
}

void
why_of_job(const struct fleet_state *s, const struct fleet_job *j,
           struct why *ret)
{
    ret->n = 0;
    if (!fleet_job_runs(j)) {
        if (!why_ended(j->state, j->why, ret)) {
            why_say(ret, F_RUNS, "%s", j->state);
        }
        return;
    }
    if (!j->lease && !fleet_state_coordinator_of(s, j->id)) {
        why_say(
            ret, F_NO_OWNER,
            "its coordinator on %s is silent: it ended, or cannot reach this "
            "Redis",
            j->host);
        return;
    }
    if (strcmp(j->state, "stopping") == 0) {
        why_say(ret, F_STOPPING, "%s", j->why);
    } else {
        /* An endpoint that refuses all is why nobody is left to call it. */
        if (strcmp(j->why_code, "refused") == 0 || !why_nobody(s, j, ret)) {
            why_code(s, j, ret);
        }
        why_stall(s, j, ret);
    }
    why_notes(s, j, ret);
}

void
why_of_folder(const struct job_state *s, struct why *ret)
{
    ret->n = 0;
    if (strcmp(s->state, "running") == 0) {
        if (s->redis[0]) {
            why_say(
                ret, F_REDIS_AWAY,
                "its process %lld is alive, but its Redis (%s) does not answer",
                (long long)s->pid, s->redis);
        } else {
            why_say(ret, F_RUNS,
                    "its process %lld is alive; it reports to no Redis",
                    (long long)s->pid);
        }
        return;
    }
    if (!why_ended(s->state, s->why, ret)) {
        why_say(ret, F_FAILED, "%s: %s", s->state, s->why);
    }
}
