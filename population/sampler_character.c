/* sampler_character.c - languages spoken at home, and OCEAN. */
#include "population/sampler_impl.h"

#include <string.h>

enum { HERITAGE_HISPANIC = MODEL_RACES };
enum { Z_BITS = 12, T_BITS = 16 };

/* Prefix sums over the languages, given state, race and origin. */
static const uint16_t *
language_ends(const struct sampler *s, const struct person *p)
{
    const struct model_home *h = &s->m->home;
    uint32_t who = p->hispanic ? (uint32_t)HERITAGE_HISPANIC : p->race;

    return h->lang + (size_t)(p->state * HERITAGES + who) * h->languages;
}

uint32_t
sampler_language_weight(const struct sampler *s, const struct person *p)
{
    const uint16_t *ends = language_ends(s, p);
    uint32_t before = p->language ? ends[p->language - 1] : 0;

    return ends[p->language] - before;
}

void
sampler_draw_language(const struct sampler *s, struct person *p)
{
    const struct model_home *h = &s->m->home;
    uint64_t u = sampler_random(s, p, STREAM_LANGUAGE);
    uint32_t well;

    p->language = PERSON_NONE8;
    p->english = ENGLISH_VERY_WELL;
    if (!h->there) return;
    p->language = (uint8_t)sampler_pick(
        language_ends(s, p), (uint32_t)random_scale(u << 32, ENDS_ONE));
    well = h->lang_well[p->state * h->groups + h->lang_group[p->language]];
    p->english =
        p->language == 0 ||
                random_scale(u & UINT64_C(0xffffffff00000000), ENDS_ONE) < well
            ? ENGLISH_VERY_WELL
            : ENGLISH_LESS;
}

/* T = mean + sd z in fixed point, rounded and clipped; z by twelve bits a
 * scale. */
void
sampler_draw_ocean(const struct sampler *s, struct person *p)
{
    const struct model_home *h = &s->m->home;
    uint64_t u = sampler_random(s, p, STREAM_OCEAN);
    uint32_t cell;

    if (!h->ocean_rows) {
        memset(p->ocean, PERSON_NONE8, sizeof p->ocean);
        return;
    }
    cell = p->sex * h->ocean_rows + h->ocean_row[p->age];
    for (uint32_t k = 0; k < OCEAN_COUNT; k++, u >>= Z_BITS) {
        const int32_t *t =
            h->ocean_t + (size_t)(k * MODEL_SEXES * h->ocean_rows + cell) * 2;
        int64_t z = h->ocean_z[u & (OCEAN_QUANTILES - 1)];
        int64_t points = (int64_t)t[0] * (1 << Z_BITS) + t[1] * z +
                         (INT64_C(1) << (Z_BITS + T_BITS - 1));

        points /= INT64_C(1) << (Z_BITS + T_BITS);
        p->ocean[k] = (uint8_t)(points < OCEAN_MIN   ? OCEAN_MIN
                                : points > OCEAN_MAX ? OCEAN_MAX
                                                     : points);
    }
}
