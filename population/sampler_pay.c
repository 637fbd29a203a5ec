/* sampler_pay.c - the field of a degree and the wage, both given the
 * occupation. Rows of weights are small and made at each draw. */
#include "population/sampler_impl.h"

#include <stdlib.h>

/* Which occupations pay something that the conditions allow; once, since a
 * search over all cells asks often. */
enum co_err
sampler_build_pay(struct sampler *s)
{
    const struct limit *l = &s->limits[ATTR_INCOME];

    s->pay_ok = calloc(s->m->occupations + 1, 1);
    if (!s->pay_ok) return CO_NOMEM;
    for (uint32_t o = 0; o <= s->m->occupations; o++) {
        const uint16_t *cut = s->m->work.pay_cut + (size_t)o * PAY_CUTS;

        for (uint32_t v = cut[0]; v < cut[PAY_BANDS] && !s->pay_ok[o]; v++) {
            s->pay_ok[o] = limit_allows(l, v * PAY_UNIT);
        }
    }
    return CO_OK;
}

uint32_t
sampler_field_row(const struct sampler *s, const struct person *p,
                  uint64_t *ret)
{
    const struct model_work *w = &s->m->work;
    uint16_t o = p->occupation < s->m->occupations ? p->occupation : p->former;
    uint32_t kind = o < s->m->occupations ? w->field_kind[o] : 0;
    size_t row = (size_t)(p->state * MODEL_SEXES + p->sex) * FIELD_AGES +
                 model_field_age(p->age);
    const uint32_t *base = w->field_base + row * MODEL_FIELDS;
    const uint8_t *weight = w->field_weight + (size_t)kind * MODEL_FIELDS;

    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        ret[f] = (uint64_t)base[f] * weight[f];
    }
    return kind;
}

const uint32_t *
sampler_pay_row(const struct sampler *s, const struct person *p)
{
    const struct model_work *w = &s->m->work;
    size_t row = (size_t)p->occupation * MODEL_SEXES + p->sex;

    return w->pay_p + (row * PAY_AGES + w->pay_age[p->age]) * PAY_BANDS;
}

static uint8_t
draw_field(const struct sampler *s, const struct person *p)
{
    uint64_t w[MODEL_FIELDS], sum = 0, x;
    uint8_t f = 0;

    if (p->education < EDU_BACHELOR) return PERSON_NONE8;
    (void)sampler_field_row(s, p, w);
    for (uint32_t k = 0; k < MODEL_FIELDS; k++) {
        sum += w[k];
    }
    x = random_scale(sampler_random(s, p, STREAM_FIELD), sum);
    while (x >= w[f]) {
        x -= w[f++];
    }
    return f;
}

/* The band, then a place in it: evenly, but in the tail above the last known
 * percentile by the square, so that density falls there. */
static uint32_t
draw_income(const struct sampler *s, const struct person *p)
{
    const uint16_t *cut = s->m->work.pay_cut + (size_t)p->occupation * PAY_CUTS;
    const uint32_t *row = sampler_pay_row(s, p);
    struct random_pair r = random_pair(s->key, p->row, p->draw, STREAM_INCOME);
    uint32_t x = (uint32_t)(r.a >> 48), band = 0;

    while (x >= row[band]) {
        x -= row[band++];
    }
    if (cut[band + 1] == cut[PAY_BANDS]) r.b = random_scale(r.b, r.b);
    return (cut[band] +
            (uint32_t)random_scale(r.b, cut[band + 1] - cut[band])) *
           PAY_UNIT;
}

void
sampler_draw_pay(const struct sampler *s, struct person *p)
{
    p->degree_field = draw_field(s, p);
    p->income_usd =
        p->occupation == PERSON_NO_OCCUPATION ? 0 : draw_income(s, p);
}
