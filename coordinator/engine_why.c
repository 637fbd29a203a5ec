/* engine_why.c - what a person asks the engine, and what tests ask it. */
#include "coordinator/engine_core.h"

#include <inttypes.h>

const char *
kind_next_text(enum kind_next next)
{
    static const char *const texts[KIND_NEXT_COUNT] = {
#define X(name, text) text,
        KIND_NEXT_LIST(X)
#undef X
    };

    return (unsigned)next < KIND_NEXT_COUNT ? texts[next] : "unknown";
}

const char *
kind_next_name(enum kind_next next)
{
    static const char *const names[KIND_NEXT_COUNT] = {
#define X(name, text) #name,
        KIND_NEXT_LIST(X)
#undef X
    };

    return (unsigned)next < KIND_NEXT_COUNT ? names[next] : "UNKNOWN";
}

const char *
engine_why_name(enum engine_why why)
{
    static const char *const names[ENGINE_WHY_COUNT] = {
#define X(name, text) #name,
        ENGINE_WHY_LIST(X)
#undef X
    };

    return (unsigned)why < ENGINE_WHY_COUNT ? names[why] : "UNKNOWN";
}

const char *
engine_why_text(enum engine_why why)
{
    static const char *const texts[ENGINE_WHY_COUNT] = {
#define X(name, text) text,
        ENGINE_WHY_LIST(X)
#undef X
    };

    return (unsigned)why < ENGINE_WHY_COUNT ? texts[why] : "unknown";
}

static void
why_links(const struct engine *e, struct co_buf *out)
{
    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        const struct link *l = &e->links[i];

        if (!l->attached && !l->out) continue;
        co_buf_printf(out,
                      "broker %u: %s, %" PRIu32 " tasks out, credit %" PRIu64
                      " of %" PRIu64 "\n",
                      i,
                      !l->attached  ? "not attached"
                      : l->settling ? "settling"
                                    : "attached",
                      l->out, engine_link_credit(l), l->granted);
    }
}

void
engine_why(const struct engine *e, int64_t now_us, struct co_buf *out)
{
    struct engine_status s;

    engine_status(e, &s);
    co_buf_printf(out, "publishing: %s\n", engine_why_text(s.why));
    if (s.why == ENGINE_WHY_KIND) {
        co_buf_printf(out, "kind: %s\n", kind_next_text(s.kind));
    }
    co_buf_printf(out,
                  "tasks: %" PRIu32 " out, %" PRIu32
                  " to publish again, %" PRIu32 " waiting, %" PRIu32
                  " with the journal\n",
                  s.out, s.ready, s.waiting, s.taken);
    if (s.doubted) {
        co_buf_printf(out,
                      "in doubt: %" PRIu32 " of the waiting may have been run; "
                      "until their time is over an answer still counts\n",
                      s.doubted);
    }
    if (s.next_retry_us != INT64_MAX) {
        co_buf_printf(out, "next retry in %" PRId64 " ms\n",
                      (s.next_retry_us - now_us) / 1000);
    }
    if (s.stalled_us >= 1000000) {
        co_buf_printf(out,
                      "stalled: there is work, and nothing was sent or came "
                      "back for %" PRId64 " s\n",
                      s.stalled_us / 1000000);
    }
    why_links(e, out);
    e->kind->why(e->state, now_us, out);
#define X(name, text)                                                          \
    if (e->n.name)                                                             \
        co_buf_printf(out, "%-14s %" PRIu64 "  %s\n", #name, e->n.name, text);
    ENGINE_COUNTER_LIST(X)
#undef X
}

/* -- the checker ---------------------------------------------------------- */

static const char *
check_links(const struct engine *e)
{
    uint32_t out[ENGINE_LINKS_MAX] = {0};

    for (uint32_t i = 0; i < e->tasks.top; i++) {
        if (e->tasks.v[i].state == TASK_OUT) out[e->tasks.v[i].link]++;
    }
    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        const struct link *l = &e->links[i];

        if (out[i] != l->out) return "a link's count of tasks is wrong";
        if (l->returned + l->published > l->granted) {
            return "more was published than granted";
        }
        if (l->settling && !l->attached) return "a lost link settles";
        if (l->out && !l->attached && l->adrift_us == INT64_MAX) {
            return "tasks on a lost link are forgotten";
        }
    }
    return NULL;
}

static const char *
check_ring(const struct engine *e)
{
    uint32_t tasks = 0, notes = 0;
    uint64_t bytes = 0;

    if (e->done > e->fetched || e->fetched > e->made ||
        e->made - e->done > ENGINE_PENDING_MAX) {
        return "the ring of pending messages is out of order";
    }
    for (uint64_t m = e->done; m < e->made; m++) {
        const struct pending *p = PENDING(e, m);

        if (m == e->done && !p->order) return "an ACK waits for nothing";
        if ((p->order && !p->revival && !p->note) == (p->first == TASK_NONE)) {
            return "an order is empty";
        }
        notes += p->note;
        bytes += p->note_bytes;
        for (uint32_t i = p->first; i != TASK_NONE; i = e->tasks.v[i].next) {
            if (e->tasks.v[i].state != TASK_TAKEN &&
                e->tasks.v[i].state != TASK_DYING) {
                return "an order names a task that is not taken";
            }
            tasks++;
        }
    }
    if (notes != e->notes || bytes != e->notes_bytes) {
        return "the count of notes is wrong";
    }
    if (tasks != e->tasks.count[TASK_TAKEN] + e->tasks.count[TASK_DYING]) {
        return "a taken task stands in no order";
    }
    return NULL;
}

/* What must not be run twice is not given out a second time, or waited for, by
 * the rules of other tasks. */
static const char *
check_once(const struct engine *e)
{
    for (uint32_t i = 0; e->kind->gone && i < e->tasks.top; i++) {
        const struct task *task = &e->tasks.v[i];

        if (task->state == TASK_FREE || !task->doubted) continue;
        if (!engine_is_once(e, task->id)) {
            return "a task that costs nothing is in doubt";
        }
        if (!task->assigned && !task->attempt) {
            return "a task that was never out is in doubt";
        }
    }
    if (!e->kind->gone && e->tasks.doubted) {
        return "a kind that is not asked has tasks in doubt";
    }
    return NULL;
}

static const char *
check_counters(const struct engine *e)
{
    if (e->n.accepted != e->n.committed + e->tasks.count[TASK_TAKEN]) {
        return "accepted is not committed plus taken";
    }
    if (e->n.lost_charged > e->n.lost || e->n.lost_lone > e->n.lost_charged) {
        return "more losses are charged than there were";
    }
    if (e->tasks.count[TASK_OUT] > e->options.window + e->n.adopted) {
        return "the window is exceeded";
    }
    return NULL;
}

const char *
engine_check(const struct engine *e)
{
    struct kind_ledger ledger;
    const char *broken = engine_tasks_check(&e->tasks);

    if (!broken) broken = check_links(e);
    if (!broken) broken = check_ring(e);
    if (!broken) broken = check_once(e);
    if (!broken) broken = check_counters(e);
    if (broken) return broken;
    e->kind->ledger(e->state, &ledger);
    if (!kind_ledger_holds(&ledger)) return "the ledger is broken";
    return e->kind->check ? e->kind->check(e->state) : NULL;
}
