/* sampler_marital.c - marital status given state, sex, age, race and
 * education. The model holds three factors (tools/compile/marital.py); their
 * products are made once per sampler, so that a draw is one row of weights
 * and the audit can add up exactly what is drawn. */
#include "population/sampler_impl.h"

#include <stdlib.h>

enum { ROW_SUM = 1 << 24 };

static size_t
row_at(const struct model *m, uint32_t state, uint32_t sex, uint32_t age_row,
       uint32_t race, uint32_t group)
{
    size_t at = (size_t)(state * MODEL_SEXES + sex) * m->home.mar_rows;

    at = (at + age_row) * MODEL_RACES + race;
    return (at * MARITAL_EDU_GROUPS + group) * MARITAL_COUNT;
}

/* w scaled to integers that sum to ROW_SUM; the largest takes the rest. */
static void
scale_row(const uint64_t *w, uint32_t *ret)
{
    uint64_t total = 0;
    uint32_t sum = 0, most = 0;
    unsigned shift = 0;

    for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
        total += w[v];
        if (w[v] > w[most]) most = v;
    }
    while (total >> shift > UINT64_MAX / ROW_SUM) {
        shift++;
    }
    for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
        ret[v] = (uint32_t)((w[v] >> shift) * ROW_SUM / (total >> shift));
        sum += ret[v];
    }
    ret[most] += ROW_SUM - sum;
}

/* All rows of one state and sex. The age factors end at 2^24, the others at
 * 2^18: six products fit into 64 bits. */
static void
build_rows(struct sampler *s, uint32_t state, uint32_t sex)
{
    const struct model_home *h = &s->m->home;
    uint32_t x = state * MODEL_SEXES + sex;
    uint8_t class[MODEL_AGES] = {0};

    for (uint32_t a = MODEL_AGES; a-- > 0;) {
        class[h->mar_row[a]] = h->mar_class[a];
    }
    for (uint32_t i = 0; i < h->mar_rows * MODEL_RACES * MARITAL_EDU_GROUPS;
         i++) {
        uint32_t g = i % MARITAL_EDU_GROUPS, k = i / MARITAL_EDU_GROUPS;
        uint32_t race = k % MODEL_RACES, row = k / MODEL_RACES;
        const uint32_t *fa =
            h->mar_age + (size_t)(x * h->mar_rows + row) * MARITAL_COUNT;
        const uint32_t *fr =
            h->mar_race + (size_t)(x * MODEL_RACES + race) * MARITAL_COUNT;
        const uint32_t *fe =
            h->mar_edu +
            (size_t)((sex * h->mar_classes + class[row]) * MARITAL_EDU_GROUPS +
                     g) *
                MARITAL_COUNT;
        uint64_t w[MARITAL_COUNT];

        for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
            w[v] = (uint64_t)fa[v] * fr[v] * fe[v];
        }
        scale_row(w, s->marital + row_at(s->m, state, sex, row, race, g));
    }
}

enum co_err
sampler_build_marital(struct sampler *s)
{
    const struct model *m = s->m;

    if (!m->home.there) return CO_OK;
    s->marital = calloc(row_at(m, m->states, 0, 0, 0, 0), sizeof *s->marital);
    if (!s->marital) return CO_NOMEM;
    for (uint32_t state = 0; state < m->states; state++) {
        build_rows(s, state, 0);
        build_rows(s, state, 1);
    }
    return CO_OK;
}

const uint32_t *
sampler_marital_row(const struct sampler *s, const struct person *p)
{
    const struct model_home *h = &s->m->home;
    const uint32_t *own = model_replaced(s->m, REPLACE_MARITAL, p);

    if (own) return own;
    return s->marital + row_at(s->m, p->state, p->sex, h->mar_row[p->age],
                               p->race, h->mar_group[p->education]);
}

void
sampler_draw_marital(const struct sampler *s, struct person *p)
{
    p->marital = PERSON_NONE8;
    if (!s->marital) return;
    p->marital = sampler_draw_row(sampler_marital_row(s, p),
                                  sampler_random(s, p, STREAM_MARITAL));
}

uint64_t
sampler_marital_share(const struct sampler *s, const struct person *cell,
                      uint32_t status)
{
    const uint32_t *edu = sampler_education_row(s, cell);
    struct person p = *cell;
    uint64_t sum = 0;

    if (!s->marital) return 0;
    for (uint32_t e = 0; e < EDU_COUNT; e++) {
        if (!edu[e]) continue;
        p.education = (uint8_t)e;
        sum += (uint64_t)edu[e] * sampler_marital_row(s, &p)[status];
    }
    return sum >> 24;
}
