/* cover.c - see cover.h: counting and the verdict. */
#include "tests/sim/cover.h"

#include "common/base.h"

#include <inttypes.h>
#include <string.h>

static uint64_t seen[COVER_TABLES][COVER_STATES_MAX][COVER_EVENTS_MAX];
/* Why a pair need not be met; a rare one may be. */
enum excuse { EXCUSE_NONE, EXCUSE_IMPOSSIBLE, EXCUSE_RARE };
static enum excuse excuses[COVER_TABLES][COVER_STATES_MAX][COVER_EVENTS_MAX];

static const struct cover_table *const tables[COVER_TABLES] = {
    [COVER_BROKER_TASK] = &cover_broker_task,
    [COVER_BROKER_WORKER] = &cover_broker_worker,
    [COVER_WORKER_TASK] = &cover_worker_task,
    [COVER_WORKER_RESULT] = &cover_worker_result,
    [COVER_WORKER_LINK] = &cover_worker_link,
    [COVER_ENGINE_TASK] = &cover_engine_task,
};

#ifdef COHORT_PLANTED_BUGS
void
co_seen(enum cover_table_id table, unsigned state, unsigned event)
{
    seen[table][state][event]++;
}
#endif

static unsigned
find(const char *const *names, unsigned n, const char *name)
{
    unsigned i = 0;

    while (i < n && (!names[i] || strcmp(names[i], name) != 0)) {
        i++;
    }
    return i;
}

/* False: no such pair. */
static bool
mark(const char *table, const char *state, const char *event,
     enum excuse excuse)
{
    for (unsigned t = 0; t < COVER_TABLES; t++) {
        unsigned s = find(tables[t]->states, tables[t]->n_states, state);
        unsigned e = find(tables[t]->events, tables[t]->n_events, event);

        if (strcmp(tables[t]->name, table) != 0) continue;
        if (s == tables[t]->n_states || e == tables[t]->n_events) return false;
        excuses[t][s][e] = excuse;
        return true;
    }
    return false;
}

static bool
read_excuses(const char *path, FILE *out)
{
    char line[512], table[64], state[64], event[64], reason[64];
    FILE *f = fopen(path, "re");
    bool good = f != NULL;

    if (!f) (void)fprintf(out, "%s: cannot be read\n", path);
    while (f && fgets(line, sizeof line, f)) {
        if (line[0] == '#' || line[0] == '\n') continue;
        if (sscanf(line, "%63s %63s %63s %63s", table, state, event, reason) ==
                4 &&
            mark(table, state, event,
                 strcmp(reason, "rare:") == 0 ? EXCUSE_RARE
                                              : EXCUSE_IMPOSSIBLE)) {
            continue;
        }
        (void)fprintf(out, "%s: no such pair: %s", path, line);
        good = false;
    }
    if (f) (void)fclose(f);
    return good;
}

/* What is wrong with a pair; NULL: nothing. */
static const char *
judge(unsigned t, unsigned s, unsigned e)
{
    bool allowed = tables[t]->allows(s, e), met = seen[t][s][e] > 0;

    if (excuses[t][s][e] == EXCUSE_RARE) return NULL;
    if (excuses[t][s][e]) return met ? "is called impossible" : NULL;
    if (allowed) return met ? NULL : "was not met";
    return NULL;
}

bool
cover_report(const char *path, FILE *out)
{
    bool good = !path || read_excuses(path, out);
    unsigned pairs = 0, met = 0;

    for (unsigned t = 0; t < COVER_TABLES; t++) {
        const struct cover_table *c = tables[t];

        for (unsigned i = 0; i < c->n_states * c->n_events; i++) {
            unsigned s = i / c->n_events, e = i % c->n_events;
            const char *wrong = judge(t, s, e);

            if (!c->states[s] || !c->events[e] || c->states[s][0] == '-') {
                continue;
            }
            pairs += c->allows(s, e) && !excuses[t][s][e];
            met += c->allows(s, e) && !excuses[t][s][e] && seen[t][s][e];
            if (!path && seen[t][s][e]) {
                (void)fprintf(out, "%s %s %s %" PRIu64 "\n", c->name,
                              c->states[s], c->events[e], seen[t][s][e]);
            }
            if (!wrong) continue;
            (void)fprintf(out, "%s %s %s %s\n", c->name, c->states[s],
                          c->events[e], wrong);
            good = false;
        }
    }
    (void)fprintf(out, "cover: %u of %u pairs of state and event met\n", met,
                  pairs);
    return good;
}
