/* sampler_home.c - with whom a person lives: arrangement, own children,
 * household size, tenure and income. Every draw takes a number below
 * ENDS_ONE from one of the sixteen-bit pieces of three random pairs, named
 * in enum piece. No loop is without a bound. */
#include "population/sampler_impl.h"

/* Which sixteen bits of which pair decide what; never reuse. */
enum piece {
    PIECE_ARRANGEMENT, /* 32 bits: this and the next */
    PIECE_ARRANGEMENT_LOW,
    PIECE_KIDS_ANY,
    PIECE_KIDS_COUNT,
    PIECE_PARENTS,
    PIECE_MOTHER,
    PIECE_SIBLINGS,
    PIECE_EXTRA,
    PIECE_TENURE,
    PIECE_INCOME,
    PIECE_KID_AGE, /* six of them */
    PIECES = PIECE_KID_AGE + PERSON_CHILDREN_MAX
};

struct luck {
    uint64_t word[PIECES / 4];
};

static uint32_t
piece(const struct luck *l, uint32_t k)
{
    return (uint32_t)(l->word[k / 4] >> (16 * (k % 4))) & 0xffff;
}

/* A number below n, for n up to 2^16. */
static uint32_t
below(const struct luck *l, uint32_t k, uint32_t n)
{
    return piece(l, k) * n >> 16;
}

static uint32_t
min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t
pick(const struct luck *l, uint32_t k, const uint16_t *ends)
{
    return sampler_pick(ends, below(l, k, ENDS_ONE));
}

/* --- arrangement ------------------------------------------------------- */

static const uint8_t without[HOME_WITHOUT] = {
    HOME_ALONE, HOME_PARTNER, HOME_PARENTS, HOME_RELATIVES, HOME_NONRELATIVES};

static uint32_t
marital_class(uint32_t marital)
{
    if (marital == MARITAL_NEVER) return 0;
    return marital == MARITAL_WIDOWED ? 2 : 1;
}

static uint32_t
band_of(uint32_t age)
{
    return age < 35 ? 0 : age < 65 ? 1 : 2;
}

uint64_t
sampler_arrangement_row(const struct sampler *s, const struct person *p,
                        uint64_t *ret_weights)
{
    const struct model_home *h = &s->m->home;
    size_t row = (size_t)h->mar_row[p->age] * MODEL_SEXES + p->sex;
    const uint32_t *nation =
        h->nation +
        (row * HOME_CLASSES + marital_class(p->marital)) * HOME_WITHOUT;
    const uint32_t *state =
        h->state +
        (size_t)(p->state * HOME_BANDS + band_of(p->age)) * HOME_WITHOUT;
    uint64_t sum = 0;

    co_assert(h->there);
    for (uint32_t a = 0; a < HOME_COUNT; a++) {
        ret_weights[a] = 0;
    }
    if (p->age < 18 || p->marital == MARITAL_MARRIED) {
        ret_weights[p->age < 18 ? HOME_CHILD : HOME_SPOUSE] = 1;
        return 1;
    }
    for (uint32_t k = 0; k < HOME_WITHOUT; k++) {
        ret_weights[without[k]] = (uint64_t)nation[k] * state[k];
        sum += ret_weights[without[k]];
    }
    return sum;
}

static uint8_t
draw_arrangement(const struct sampler *s, const struct person *p,
                 const struct luck *l)
{
    uint64_t w[HOME_COUNT], sum = sampler_arrangement_row(s, p, w), x;
    uint8_t a = 0;

    x = random_scale(l->word[0] << 32, sum);
    while (x >= w[a]) {
        x -= w[a++];
    }
    return a;
}

/* --- children ---------------------------------------------------------- */

/* Ages that a child of p can have; both ends count. */
static void
child_range(const struct person *p, uint32_t *ret_low, uint32_t *ret_high)
{
    uint32_t oldest = p->sex ? MOTHER_MAX_AGE : FATHER_MAX_AGE;

    *ret_low = p->age > oldest ? p->age - oldest : 0;
    *ret_high = min32(KIDS_AGES - 1, p->age - PARENT_MIN_AGE);
}

/* The free age nearest to want inside low..high, want itself first; taken is
 * a mask. KIDS_AGES when there is none. */
static uint32_t
free_age(uint32_t taken, uint32_t want, uint32_t low, uint32_t high)
{
    for (uint32_t d = 0; d < KIDS_AGES; d++) {
        if (want >= low + d && !(taken >> (want - d) & 1)) return want - d;
        if (want + d <= high && !(taken >> (want + d) & 1)) return want + d;
    }
    return KIDS_AGES;
}

/* The age of one more child: half way between the first one's and another
 * draw, and, three times of four, not next to a taken one if that can be. */
static uint32_t
next_age(uint32_t taken, uint32_t first, uint32_t drawn, uint32_t low,
         uint32_t high)
{
    uint32_t want = (first + drawn) / 2, age = KIDS_AGES;

    if ((first + drawn) % 4) {
        age = free_age(taken | taken << 1 | taken >> 1, want, low, high);
    }
    return age < KIDS_AGES ? age : free_age(taken, want, low, high);
}

/* How many: none, or as many as fit with two years between them. */
static uint32_t
count_children(const struct sampler *s, const struct person *p,
               const struct luck *l)
{
    const struct model_home *h = &s->m->home;
    uint32_t row = h->mar_row[p->age], low, high, type, n;
    size_t at = (size_t)(p->state * MODEL_SEXES + p->sex) * h->mar_rows + row;

    if (p->arrangement == HOME_SPOUSE) {
        type = 0;
    } else if (p->arrangement == HOME_PARTNER) {
        type = 1;
    } else if (p->arrangement == HOME_RELATIVES) {
        type = 2;
    } else {
        return 0;
    }
    if (below(l, PIECE_KIDS_ANY, ENDS_ONE) >=
        h->kids_any[at * KIDS_TYPES + type]) {
        return 0;
    }
    child_range(p, &low, &high);
    if (low > high) return 0;
    row += type == 0 ? 0 : h->mar_rows;
    n = 1 +
        pick(l, PIECE_KIDS_COUNT, h->kids_count + (size_t)row * KIDS_COUNTS);
    return min32(n, (high - low) / 2 + 1);
}

static void
draw_children(const struct sampler *s, struct person *p, const struct luck *l)
{
    const uint16_t *ends =
        s->m->home.kids_age + (size_t)(p->sex * (MODEL_AGES - PARENT_MIN_AGE) +
                                       p->age - PARENT_MIN_AGE) *
                                  KIDS_AGES;
    uint32_t n = count_children(s, p, l), taken, first, low, high;

    p->children = 0;
    if (n == 0) return;
    child_range(p, &low, &high);
    first = pick(l, PIECE_KID_AGE, ends);
    taken = 1U << first;
    for (uint32_t i = 1; i < n; i++) {
        uint32_t age =
            next_age(taken, first, pick(l, PIECE_KID_AGE + i, ends), low, high);

        if (age < KIDS_AGES) taken |= 1U << age; /* else none is left */
    }
    for (uint32_t age = KIDS_AGES; age-- > 0;) {
        if (taken >> age & 1) p->child_age[p->children++] = (uint8_t)age;
    }
}

/* --- the household ----------------------------------------------------- */

/* Who heads it, as far as the tables ask. */
struct holder {
    uint32_t age;
    uint32_t type; /* enum household_type */
    uint32_t kind; /* 0 alone, 1 couple, 2 other */
    uint32_t couple;
};

/* The parents of a child at home, or of a grown one. */
static struct holder
draw_parents(const struct sampler *s, const struct person *p,
             const struct luck *l)
{
    const struct model_home *h = &s->m->home;
    uint32_t mother = h->mother[below(l, PIECE_MOTHER, HOME_MOTHERS)];
    uint32_t who =
        pick(l, PIECE_PARENTS,
             h->kids_parents + (size_t)(p->state * MODEL_RACES + p->race) *
                                   HOME_PARENTS_KINDS);

    return (struct holder){
        .age = min32(p->age + mother, MODEL_AGES - 1),
        .type = 2 * who + (p->arrangement == HOME_CHILD ? 0 : 1),
        .kind = who == 0 ? 1 : 2,
        .couple = who == 0,
    };
}

static struct holder
find_holder(const struct sampler *s, const struct person *p,
            const struct luck *l)
{
    uint32_t none = p->children ? 0 : 1;
    uint32_t own = (p->sex ? TYPE_FEMALE_KIDS : TYPE_MALE_KIDS) + none;

    switch ((enum person_home)p->arrangement) {
    case HOME_ALONE:
        return (struct holder){p->age, TYPE_NONFAMILY, 0, 0};
    case HOME_SPOUSE:
        return (struct holder){p->age, TYPE_MARRIED_KIDS + none, 1, 1};
    case HOME_PARTNER:
        return (struct holder){p->age, none ? TYPE_NONFAMILY : own, 1, 1};
    case HOME_RELATIVES:
        return (struct holder){p->age, own, 2, 0};
    case HOME_NONRELATIVES:
        return (struct holder){p->age, TYPE_NONFAMILY, 2, 0};
    case HOME_PARENTS:
    case HOME_CHILD:
    case HOME_COUNT:
        break;
    }
    return draw_parents(s, p, l);
}

static uint32_t
draw_extra(const struct sampler *s, const struct luck *l, enum home_extra extra,
           uint32_t age)
{
    const struct model_home *h = &s->m->home;
    size_t row = (size_t)extra * h->mar_rows + h->mar_row[age];

    return pick(l, PIECE_EXTRA, h->extra + row * HOME_EXTRA_VALUES);
}

static uint32_t
draw_size(const struct sampler *s, const struct person *p,
          const struct holder *by, const struct luck *l)
{
    uint32_t kids = p->children;

    switch ((enum person_home)p->arrangement) {
    case HOME_ALONE:
        return 1;
    case HOME_SPOUSE:
        return 2 + kids + draw_extra(s, l, EXTRA_SPOUSE, p->age);
    case HOME_PARTNER:
        return 2 + kids + draw_extra(s, l, EXTRA_PARTNER, p->age);
    case HOME_RELATIVES:
        return 1 + kids +
               draw_extra(s, l, kids ? EXTRA_PARENT : EXTRA_RELATIVE, p->age);
    case HOME_NONRELATIVES:
        return 1 + draw_extra(s, l, EXTRA_HOUSEMATE, p->age);
    case HOME_PARENTS:
        return 1 + (uint32_t)co_max_u64(draw_extra(s, l, EXTRA_GROWN, p->age),
                                        1 + by->couple);
    case HOME_CHILD:
    case HOME_COUNT:
        break;
    }
    kids = 1 + pick(l, PIECE_SIBLINGS,
                    s->m->home.kids_sibs + (by->couple ? 0 : KIDS_COUNTS));
    return 1 + by->couple + kids +
           draw_extra(s, l, by->couple ? EXTRA_SPOUSE : EXTRA_PARENT, by->age);
}

static uint8_t
draw_tenure(const struct sampler *s, const struct person *p,
            const struct holder *by, const struct luck *l)
{
    const struct model_home *h = &s->m->home;
    size_t row = (size_t)p->state * h->owner_rows + h->owner_row[by->age];

    return below(l, PIECE_TENURE, ENDS_ONE) <
                   h->owner[row * HOME_TYPES + by->type]
               ? TENURE_OWNER
               : TENURE_RENTER;
}

uint32_t
sampler_bracket(const struct model *m, uint32_t usd)
{
    uint32_t b = 0;

    while (b + 1 < PERSON_BRACKETS && m->home.brackets[b + 1] <= usd) {
        b++;
    }
    return b;
}

/* The brackets below the person's own income are cut off. */
static uint8_t
draw_income(const struct sampler *s, const struct person *p,
            const struct holder *by, const struct luck *l)
{
    const struct model_home *h = &s->m->home;
    uint32_t row = p->state * h->income_rows + h->income_row[by->age];
    const uint16_t *ends =
        h->income + (size_t)(row * HOME_KINDS + by->kind) * PERSON_BRACKETS;
    uint32_t own = sampler_bracket(s->m, p->income_usd);
    uint32_t base = own ? ends[own - 1] : 0;

    if (base >= ENDS_ONE) return (uint8_t)own;
    return (uint8_t)sampler_pick(
        ends, base + below(l, PIECE_INCOME, ENDS_ONE - base));
}

void
sampler_draw_home(const struct sampler *s, struct person *p)
{
    const struct random_pair pair[2] = {
        random_pair(s->key, p->row, p->draw, STREAM_HOME),
        random_pair(s->key, p->row, p->draw, STREAM_HOUSEHOLD)};
    const struct luck l = {{pair[0].a, pair[0].b, pair[1].a, pair[1].b}};
    struct holder by;

    p->arrangement = p->tenure = p->household_income = PERSON_NONE8;
    if (!s->m->home.there) return;
    p->arrangement = draw_arrangement(s, p, &l);
    if (p->age >= 18) draw_children(s, p, &l);
    by = find_holder(s, p, &l);
    p->household_size = (uint8_t)draw_size(s, p, &by, &l);
    p->tenure = draw_tenure(s, p, &by, &l);
    p->household_income = draw_income(s, p, &by, &l);
}
