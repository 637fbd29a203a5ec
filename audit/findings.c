/* findings.c - see findings.h. Limits: a joint is off at three standard
 * deviations above its noise floor; neighbours are alike at 4.5 (chance
 * shows that in under 1 % of reports: 50 lags of some 25 columns). */
#include "audit/findings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define Z_LIMIT 3.0
#define LAG_LIMIT 4.5
#define ACCEPTANCE_LIMIT 0.2
#define DUPLICATES_LIMIT 0.001
#define MIX_LIMIT 0.25
#define NOISE_LIMIT 0.05

static const struct playbook_line playbook[FINDING_COUNT] = {
    [FINDING_RULE_BROKEN] =
        {"rule_broken", "a hard rule fails on any row",
         "the population tables hold an impossible combination, or the "
         "generator has a fault",
         "leave the people out with `population.where`, or use another "
         "`population.data`; report it",
         "no row breaks the rule", "rows that break it, counted on every row"},
    [FINDING_PARTIAL] =
        {"partial", "fewer rows than asked for",
         "the candidate budget (2 x `rows` + 1000) was spent: conditions or "
         "duplicates reject too many",
         "loosen `population.where`, or ask for fewer `rows`",
         "the corpus is complete", "accepted rows so far"},
    [FINDING_DEAD_ROWS] =
        {"dead_rows", "any candidate was given up",
         "workers died twice while making it",
         "look at `OUT/logs`; run the job again with another `output.dir`",
         "no holes", "candidates given up, from the ledger"},
    [FINDING_JOINT_OFF] =
        {"joint_off", "a joint lies 3 sd or more above its noise floor",
         "the model draws these people otherwise than the table says; the "
         "worst cells are named",
         "weight the rows by expected / observed of the cells in report.json, "
         "or leave the cells out with `population.where`",
         "the total variation falls by what the worst cells add",
         "half the sum of |observed - expected| over the five worst cells"},
    [FINDING_TARGET_ABOUT] =
        {"target_about",
         "a joint lies 3 sd above its floor and its target is approximate",
         "a condition stands on an attribute whose share in each cell is not "
         "known, so the target leaves it out",
         "judge the joint on a run without that condition in "
         "`population.where`",
         "an exact target", "conditions that the target leaves out"},
    [FINDING_NEIGHBOURS_ALIKE] =
        {"neighbours_alike",
         "an autocorrelation beyond 4.5 standard deviations",
         "neighbouring rows resemble each other, or chance (under 1 % of "
         "reports)",
         "run once more with another `seed`; if it stays, shuffle the rows "
         "and report it",
         "chance goes away, a cause stays",
         "largest r of lags 1-50, either sign, against its noise"},
    [FINDING_LOW_ACCEPTANCE] =
        {"low_acceptance", "under 20 % of the candidates are accepted",
         "`population.where` has a condition on an attribute that is drawn "
         "late, so candidates are drawn and thrown away",
         "say the same with `state`, `sex`, `age` or `race_ethnicity` in "
         "`population.where` as far as it goes",
         "as many times the rows a second as candidates are saved",
         "accepted / drawn"},
    [FINDING_DUPLICATES] =
        {"duplicates", "over 0.1 % of the candidates say what another says",
         "so many rows of so narrow a group that texts run out",
         "widen `population.where`, or ask for fewer `rows`",
         "fewer rows are dropped", "duplicates / drawn, from the ledger"},
    [FINDING_MIX_FAR] =
        {"mix_far", "`population.mix` moves over 25 % of the people",
         "the corpus is no picture of the population any more, by intent",
         "nothing, or smaller weights in `population.mix`; weight rows back "
         "in analyses",
         "figures of the population, not of the mix",
         "total variation of the mixed main joint from the unmixed one"},
    [FINDING_TOO_FEW_ROWS] =
        {"too_few_rows",
         "a joint's total variation is over 0.05 by noise alone",
         "too few rows for so many cells",
         "more `rows` (the run goes on where it stopped), or coarser cells in "
         "the analysis",
         "the noise falls with the root of the rows",
         "rows x (total variation / 0.05)^2"},
};

const struct playbook_line *
finding_line(enum finding_id id)
{
    co_assert(id < FINDING_COUNT);
    return &playbook[id];
}

/* The findings so far. */
struct list {
    struct finding *to;
    unsigned n;
};

static struct finding *
list_add(struct list *l, enum finding_id id)
{
    struct finding *f;

    if (l->n == FINDINGS_MAX) return NULL;
    f = &l->to[l->n++];
    *f = (struct finding){.id = id};
    (void)snprintf(f->action, sizeof f->action, "%s", playbook[id].action);
    (void)snprintf(f->effect, sizeof f->effect, "%s", playbook[id].effect);
    return f;
}

static void co_printf(3, 4) say(char *to, size_t bytes, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(to, bytes, fmt, args);
    va_end(args);
}
#define SAY(f, part, ...) say((f)->part, sizeof(f)->part, __VA_ARGS__)

/* --- the findings, one function each ----------------------------------- */

static void
find_broken_rules(const struct finding_facts *f, struct list *l)
{
    for (unsigned id = 0; id < RULE_COUNT; id++) {
        uint64_t n = f->figures->broken[id];
        struct finding *to = n ? list_add(l, FINDING_RULE_BROKEN) : NULL;

        if (!to) continue;
        SAY(to, cause, "rule %s fails on %llu of %llu rows: %s",
            rule_get((enum rule_id)id)->name, (unsigned long long)n,
            (unsigned long long)f->figures->rows,
            rule_get((enum rule_id)id)->text);
    }
}

static void
find_partial(const struct finding_facts *f, struct list *l)
{
    struct finding *to =
        f->accepted < f->requested ? list_add(l, FINDING_PARTIAL) : NULL;

    if (!to) return;
    SAY(to, cause, "%llu rows of %llu: of %llu candidates %llu were rejected",
        (unsigned long long)f->accepted, (unsigned long long)f->requested,
        (unsigned long long)f->drawn, (unsigned long long)f->rejected);
    SAY(to, action, "loosen population.where, or rows: %llu",
        (unsigned long long)f->accepted);
}

static void
find_dead(const struct finding_facts *f, struct list *l)
{
    struct finding *to = f->dead ? list_add(l, FINDING_DEAD_ROWS) : NULL;

    if (!to) return;
    SAY(to, cause, "%llu candidates were given up: workers died twice on them",
        (unsigned long long)f->dead);
}

/* Adds the worst cells to a cause; returns what they add to the TV. */
static double
say_worst(const struct finding_facts *f, enum joint_id id, struct finding *to)
{
    const struct comparison *c = &f->figures->joints[id];
    struct co_buf text;
    double off = 0;

    co_buf_init(&text, sizeof to->cause);
    for (unsigned i = 0; i < c->worst_n; i++) {
        double seen = (double)c->worst[i].observed;

        off += fabs(seen - c->worst[i].expected) / (double)c->n / 2;
        if (i >= 2) continue; /* two are enough to see what it is about */
        co_buf_puts(&text, i ? "; " : "");
        joint_label(f->joints, id, c->worst[i].cell, &text);
        co_buf_printf(&text, " %.0f instead of %.0f", seen,
                      c->worst[i].expected);
    }
    SAY(to, cause, "%s: total variation %.5f, noise %.5f, z %.1f; worst: %s",
        joint_name(f->joints, id), c->tv, c->floor, c->z, co_buf_text(&text));
    co_buf_fini(&text);
    return off;
}

static void
find_joints(const struct finding_facts *f, struct list *l, enum expected kind,
            enum finding_id finding)
{
    for (unsigned id = 0; id < JOINT_COUNT; id++) {
        const struct comparison *c = &f->figures->joints[id];
        struct finding *to = NULL;
        double off;

        if (c->target == kind && c->z > Z_LIMIT) to = list_add(l, finding);
        if (!to) continue;
        off = say_worst(f, (enum joint_id)id, to);
        if (kind != EXPECTED_EXACT) continue;
        SAY(to, effect, "total variation %.5f instead of %.5f",
            c->tv > off ? c->tv - off : 0.0, c->tv);
    }
}

static void
find_neighbours(const struct finding_facts *f, struct list *l)
{
    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        const struct lags_result *r = &f->figures->lags[id];
        struct finding *to = NULL;

        if (r->n && fabs(r->r) > LAG_LIMIT * r->noise) {
            to = list_add(l, FINDING_NEIGHBOURS_ALIKE);
        }
        if (!to) continue;
        SAY(to, cause,
            "%s: autocorrelation %.4f at lag %u, noise %.4f, over %llu rows",
            attribute_get((enum attribute_id)id)->name, r->r, r->lag, r->noise,
            (unsigned long long)r->n);
        SAY(to, action, "seed: %llu, and compare; %s",
            (unsigned long long)sampler_seed(f->sampler) + 1,
            "if it stays, shuffle the rows and report it");
    }
}

static void
find_low_acceptance(const struct finding_facts *f, struct list *l)
{
    /* duplicates are another finding */
    double left = (double)(f->drawn - f->duplicates);
    double rate = left > 0 ? (double)f->accepted / left : 1;
    struct finding *to = NULL;

    if (sampler_tested(f->sampler) && rate < ACCEPTANCE_LIMIT) {
        to = list_add(l, FINDING_LOW_ACCEPTANCE);
    }
    if (!to) return;
    SAY(to, cause,
        "%.1f %% of %llu candidates fulfil the conditions on:", rate * 100,
        (unsigned long long)f->drawn);
    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        size_t len = strlen(to->cause);

        if (!(sampler_tested(f->sampler) & 1U << id)) continue;
        say(to->cause + len, sizeof to->cause - len, " %s",
            attribute_get((enum attribute_id)id)->name);
    }
    SAY(to, effect, "up to %.0f times the rows a second", 1 / rate);
}

static void
find_duplicates(const struct finding_facts *f, struct list *l)
{
    double share = f->drawn ? (double)f->duplicates / (double)f->drawn : 0;
    struct finding *to =
        share > DUPLICATES_LIMIT ? list_add(l, FINDING_DUPLICATES) : NULL;

    if (!to) return;
    SAY(to, cause,
        "%llu of %llu candidates (%.2f %%) say what an earlier one "
        "says",
        (unsigned long long)f->duplicates, (unsigned long long)f->drawn,
        share * 100);
}

static double
mix_distance(const struct sampler *s)
{
    double mixed = 0, plain = 0, tv = 0;
    struct person p;

    for (size_t i = 0; i < sampler_cells(s); i++) {
        mixed += (double)sampler_cell(s, i, &p);
        plain += (double)sampler_cell_people(s, i);
    }
    for (size_t i = 0; i < sampler_cells(s); i++) {
        tv += fabs((double)sampler_cell(s, i, &p) / mixed -
                   (double)sampler_cell_people(s, i) / plain) /
              2;
    }
    return tv;
}

static void
find_mix(const struct finding_facts *f, struct list *l)
{
    double tv = mix_distance(f->sampler);
    struct finding *to = tv > MIX_LIMIT ? list_add(l, FINDING_MIX_FAR) : NULL;

    if (!to) return;
    SAY(to, cause,
        "population.mix moves %.0f %% of the people to other cells "
        "of state, sex, age and race",
        tv * 100);
}

/* One line, for the joint that needs the most rows. */
static void
find_too_few(const struct finding_facts *f, struct list *l)
{
    const struct comparison *most = NULL;
    struct finding *to;
    unsigned which = 0;

    for (unsigned id = 0; id < JOINT_COUNT; id++) {
        const struct comparison *c = &f->figures->joints[id];

        if (c->target == EXPECTED_NONE || c->z > Z_LIMIT ||
            c->tv <= NOISE_LIMIT || (most && most->tv >= c->tv)) {
            continue;
        }
        most = c;
        which = id;
    }
    if (!most || !(to = list_add(l, FINDING_TOO_FEW_ROWS))) return;
    SAY(to, cause,
        "%s: %llu people in %u cells, total variation %.3f by noise alone",
        joint_get((enum joint_id)which)->name, (unsigned long long)most->n,
        most->cells, most->tv);
    SAY(to, action, "rows: %.0f",
        ceil((double)f->accepted * most->tv * most->tv /
             (NOISE_LIMIT * NOISE_LIMIT) / 1000) *
            1000);
    SAY(to, effect, "total variation of about %.2f in its place", NOISE_LIMIT);
}

unsigned
findings_find(const struct finding_facts *f, struct finding ret[FINDINGS_MAX])
{
    struct list l = {.to = ret};

    find_broken_rules(f, &l);
    find_partial(f, &l);
    find_dead(f, &l);
    find_joints(f, &l, EXPECTED_EXACT, FINDING_JOINT_OFF);
    find_joints(f, &l, EXPECTED_ABOUT, FINDING_TARGET_ABOUT);
    find_neighbours(f, &l);
    find_low_acceptance(f, &l);
    find_duplicates(f, &l);
    find_mix(f, &l);
    find_too_few(f, &l);
    return l.n;
}

void
findings_report(const struct finding *findings, unsigned n,
                struct co_json *json)
{
    co_json_key(json, "actions");
    co_json_array(json);
    for (unsigned i = 0; i < n; i++) {
        const struct finding *f = &findings[i];

        co_json_object(json);
        co_json_put_text(json, "finding", playbook[f->id].finding);
        co_json_put_text(json, "cause", f->cause);
        co_json_put_text(json, "action", f->action);
        co_json_put_text(json, "effect", f->effect);
        co_json_put_text(json, "estimate", playbook[f->id].estimate);
        co_json_end(json);
    }
    co_json_end(json);
}
