/* shares.c - see shares.h. */
#include "job/shares.h"

static const char *const names[SHARES_PHASES] = {
    [ASK_BACKGROUND] = "background", [ASK_PERSONAS] = "personas"};

const char *
shares_phase_name(unsigned phase)
{
    return names[phase];
}

/* -- cutting -------------------------------------------------------------- */

static int64_t
part_of(const struct shares_part *part, int64_t whole)
{
    if (!part->is_percent) return part->value;
    return (int64_t)((__int128)whole * part->value / SHARES_WHOLE);
}

enum co_err
shares_split(const struct shares_wish *wish, int64_t cap, struct shares *ret,
             int64_t *ret_sum)
{
    const bool percent = wish->phases[0].is_percent;
    struct shares s = {.is_set = wish->is_set,
                       .reserve = part_of(&wish->reserve, cap)};
    int64_t left = cap - s.reserve, sum = 0;

    if (!wish->is_set) {
        *ret = s;
        return CO_OK;
    }
    if (left < 0) return CO_RANGE;
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        if (__builtin_add_overflow(sum, wish->phases[i].value, &sum)) {
            sum = INT64_MAX; /* more than any budget */
        }
    }
    *ret_sum = sum;
    if (sum != (percent ? SHARES_WHOLE : left)) return CO_INVALID;
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        s.share[i] = part_of(&wish->phases[i], cap - s.reserve);
        left -= s.share[i];
    }
    s.share[SHARES_PHASES - 1] += left;
    *ret = s;
    return CO_OK;
}

/* -- using ---------------------------------------------------------------- */

int64_t
shares_limit(const struct shares *s, unsigned phase)
{
    const bool is_last = phase + 1 == SHARES_PHASES;

    return s->share[phase] + s->moved[phase] -
           (is_last ? 0 : s->moved[phase + 1]);
}

int64_t
shares_taken(const struct shares *s, const int64_t used[SHARES_PHASES])
{
    int64_t sum = 0;

    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        const int64_t over = used[i] - shares_limit(s, i);

        /* charged are at most INT64_MAX, all together */
        if (over > 0) sum += over;
    }
    return sum;
}

/* What a phase has of the one before and does not use goes back. */
static void
give_back(struct shares *s, const int64_t used[SHARES_PHASES])
{
    for (unsigned i = SHARES_PHASES - 1; i > 0; i--) {
        int64_t spare = shares_limit(s, i) - used[i];

        if (spare > s->moved[i]) spare = s->moved[i];
        if (spare > 0) s->moved[i] -= spare;
    }
}

/* What a phase lacks comes from the one before it, as far as that leaves it. */
static void
flow(struct shares *s, const int64_t used[SHARES_PHASES],
     const int64_t need[SHARES_PHASES])
{
    for (unsigned i = 1; i < SHARES_PHASES; i++) {
        int64_t lacks = used[i] - shares_limit(s, i), spare;

        if (__builtin_sub_overflow(shares_limit(s, i - 1) - used[i - 1],
                                   need[i - 1], &spare)) {
            continue;
        }
        if (lacks > spare) lacks = spare;
        if (lacks > 0) s->moved[i] += lacks;
    }
}

bool
shares_use(struct shares *s, const int64_t used[SHARES_PHASES],
           const int64_t need[SHARES_PHASES], unsigned *ret_short)
{
    struct shares next = *s;

    give_back(&next, used);
    flow(&next, used, need);
    if (shares_taken(&next, used) <= next.reserve) {
        *s = next;
        return true;
    }
    for (unsigned i = 0; ret_short && i < SHARES_PHASES; i++) {
        if (used[i] <= shares_limit(&next, i)) continue;
        *ret_short = i;
        break;
    }
    return false;
}

void
shares_must(struct shares *s, const int64_t used[SHARES_PHASES])
{
    static const int64_t none[SHARES_PHASES];

    give_back(s, used);
    flow(s, used, none);
}
