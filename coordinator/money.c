/* money.c - see money.h: what is reserved, and what becomes of it.
 * money_table.c has the entries, money_tell.c answers questions. */
#include "coordinator/money_impl.h"

#include "common/bug.h"

#include <stdlib.h>

/* -- prices --------------------------------------------------------------- */

bool
money_worst(const struct price *price, uint64_t input, uint64_t output,
            uint64_t ms, int64_t *ret_worst)
{
    struct price by = *price;

    if (CO_BUG(call_price_forgotten)) by.call = 0;
    return price_worst(&by, input, output, ms, ret_worst);
}

/* Whether everything that has a price was counted. */
static bool
is_counted(const struct price *price, const struct money_call *call)
{
    const bool free_tokens =
        !price->input && !price->output && price->cached_input <= 0;

    return (free_tokens || call->has_usage) &&
           (!price->character || call->has_characters) &&
           (!price->millisecond || call->has_ms);
}

void
money_cost(const struct price *price, struct money_call *call)
{
    const struct price_use use = {.cached_input = call->cached,
                                  .call = 1,
                                  .character = call->characters,
                                  .input = call->input,
                                  .millisecond = call->ms,
                                  .output = call->output};

    call->has_cost = is_counted(price, call);
    if (!price_cost(price, &use, &call->cost)) {
        call->cost = INT64_MAX; /* beyond what can be counted: an overrun */
    }
}

enum co_err
money_new(int64_t cap, struct money **ret_money)
{
    co_auto(money_freep) struct money *m = NULL;

    if (cap < 0) return CO_INVALID;
    m = calloc(1, sizeof *m);
    if (!m) return CO_NOMEM;
    m->cap = cap ? cap : INT64_MAX;
    m->short_phase = MONEY_PHASES;
    m->cap_table = MONEY_TABLE_FIRST;
    m->table = calloc(MONEY_TABLE_FIRST, sizeof *m->table);
    if (!m->table) return CO_NOMEM;
    *ret_money = co_take(&m);
    return CO_OK;
}

void
money_share(struct money *m, struct purse *purse)
{
    co_assert(m->named == 0);
    m->purse = purse;
}

void
money_free(struct money *m)
{
    if (!m) return;
    free(m->table);
    free(m);
}

/* -- what is charged ------------------------------------------------------ */

int64_t
money_charged(const struct money *m)
{
    return m->all.settled + m->all.unknown + m->all.reserved;
}

/* What phases have charged, with `more` of each; NULL: without. */
void
money_use(const struct money *m, const int64_t *more, int64_t ret[MONEY_PHASES])
{
    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        const struct money_sums *s = &m->phase[i].sums;

        ret[i] = s->settled + s->unknown + s->reserved + (more ? more[i] : 0);
    }
}

void
money_phases(struct money *m, const struct shares *shares)
{
    co_assert(m->named == 0);
    m->shares = *shares;
    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        m->need[i] = INT64_MAX;
    }
}

void
money_need(struct money *m, unsigned phase, int64_t amount)
{
    m->need[phase] = amount;
}

/* Phases' money reaches for that much more, which fits under the cap; moves it
 * about. */
static bool
reaches(struct money *m, const int64_t more[MONEY_PHASES])
{
    int64_t used[MONEY_PHASES];

    m->short_phase = MONEY_PHASES;
    if (!m->shares.is_set) return true;
    money_use(m, more, used);
    return shares_use(&m->shares, used, m->need, &m->short_phase);
}

bool
money_fits_phases(struct money *m, const int64_t more[MONEY_PHASES])
{
    int64_t sum = 0;

    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        if (more[i] < 0 || __builtin_add_overflow(sum, more[i], &sum)) {
            return false;
        }
    }
    m->short_phase = MONEY_PHASES;
    return money_fits(m, sum) && reaches(m, more);
}

bool
money_may_fit(const struct money *m, const int64_t more[MONEY_PHASES])
{
    static const int64_t none[MONEY_PHASES];
    int64_t used[MONEY_PHASES], sum = m->all.settled + m->all.unknown;
    struct shares shares = m->shares;

    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        const struct money_sums *s = &m->phase[i].sums;

        if (more[i] < 0 || __builtin_add_overflow(sum, more[i], &sum)) {
            return false;
        }
        used[i] = s->settled + s->unknown + more[i];
    }
    if (sum > m->cap) return false;
    return !shares.is_set || shares_use(&shares, used, none, NULL);
}

unsigned
money_short_phase(const struct money *m)
{
    return m->short_phase;
}

bool
money_fits(const struct money *m, int64_t amount)
{
    int64_t sum;

    return amount >= 0 &&
           !__builtin_add_overflow(money_charged(m), amount, &sum) &&
           sum - CO_BUG(cap_off_by_one) <= m->cap;
}

bool
money_is_here(const struct money *m, int64_t amount)
{
    if (!m->purse) return true;
    purse_want(m->purse, amount);
    return purse_free(m->purse) >= amount;
}

static void
add_sums(struct money_sums *to, struct money_sums by)
{
    to->settled += by.settled;
    to->unknown += by.unknown;
    to->reserved += by.reserved;
}

static void
add(struct money *m, const struct money_entry *e, struct money_sums by)
{
    add_sums(&m->all, by);
    add_sums(&m->phase[e->phase].sums, by);
    add_sums(&m->groups[e->tag].sums, by);
}

/* One more, or less, of which nobody knows what it cost. */
static void
count_unknown(struct money *m, const struct money_entry *e, bool more)
{
    m->unknown += more ? 1u : -1ull;
    m->groups[e->tag].unknown += more ? 1u : -1ull;
}

static enum co_err
enter(struct money *m, unsigned phase, uint64_t task, int64_t amount,
      uint32_t day)
{
    struct money_entry *e = money_find(m, task);

    if (e->state) return CO_EXISTS;
    if (!money_grow(m)) return CO_NOMEM;
    e = money_find(m, task);
    *e = (struct money_entry){task,           amount,         day,
                              ENTRY_RESERVED, (uint8_t)phase, 0};
    m->open++;
    m->named++;
    add(m, e, (struct money_sums){.reserved = amount});
    return CO_OK;
}

enum co_err
money_reserve(struct money *m, unsigned phase, uint64_t task, int64_t amount)
{
    int64_t more[MONEY_PHASES] = {0};
    enum co_err err;

    if (amount < 0 || phase >= MONEY_PHASES) return CO_RANGE;
    more[phase] = amount;
    m->short_phase = MONEY_PHASES;
    if (m->open >= MONEY_OPEN_MAX) return CO_AGAIN;
    if (m->named >= MONEY_NAMED_MAX) money_forget(m);
    if (!money_fits(m, amount)) return CO_FULL;
    if (!reaches(m, more)) return CO_FULL;
    if (!money_is_here(m, amount)) return CO_UNAVAILABLE;
    err = enter(m, phase, task, amount, 0);
    if (!err && m->purse) {
        money_find(m, task)->day = purse_take(m->purse, amount);
    }
    return err;
}

/* What a journal brings was reserved: whatever it took then, it has. The phases
 * are told what they need only when it is at its end. */
static void
inherit(struct money *m)
{
    int64_t used[MONEY_PHASES], taken;

    if (money_charged(m) > m->inherited) m->inherited = money_charged(m);
    if (!m->shares.is_set) return;
    money_use(m, NULL, used);
    shares_must(&m->shares, used);
    taken = shares_taken(&m->shares, used);
    if (taken > m->inherited_taken) m->inherited_taken = taken;
}

enum co_err
money_restore(struct money *m, unsigned phase, uint64_t task, int64_t amount,
              uint32_t day)
{
    int64_t sum;
    enum co_err err;

    if (amount < 0 || phase >= MONEY_PHASES ||
        __builtin_add_overflow(money_charged(m), amount, &sum)) {
        return CO_RANGE;
    }
    err = enter(m, phase, task, amount, day);
    if (!err && m->purse) purse_replay_take(m->purse, day, amount);
    if (!err) inherit(m);
    return err;
}

uint32_t
money_day(const struct money *m, uint64_t task)
{
    return money_find(m, task)->day;
}

bool
money_has(const struct money *m, uint64_t task, int64_t *ret_amount)
{
    const struct money_entry *e = money_find(m, task);

    if (!e->state) return false;
    if (ret_amount) *ret_amount = e->amount;
    return true;
}

void
money_tag(struct money *m, uint64_t task, uint8_t tag)
{
    struct money_entry *e = money_find(m, task);
    const bool reserved = e->state == ENTRY_RESERVED;
    const int64_t amount = e->amount;

    if (!e->state) return;
    add_sums(&m->groups[e->tag].sums,
             (struct money_sums){.unknown = reserved ? 0 : -amount,
                                 .reserved = reserved ? -amount : 0});
    m->groups[e->tag].unknown -= !reserved;
    e->tag = tag;
    add_sums(&m->groups[e->tag].sums,
             (struct money_sums){.unknown = reserved ? 0 : amount,
                                 .reserved = reserved ? amount : 0});
    m->groups[e->tag].unknown += !reserved;
}

uint8_t
money_tag_of(const struct money *m, uint64_t task)
{
    return money_find(m, task)->tag;
}

bool
money_is_unknown(const struct money *m, uint64_t task)
{
    return money_find(m, task)->state == ENTRY_UNKNOWN;
}

unsigned
money_phase_of(const struct money *m, uint64_t task)
{
    const struct money_entry *e = money_find(m, task);

    return e->state ? e->phase : MONEY_PHASES;
}

/* Takes the entry's amount out of the sums. */
static void
uncharge(struct money *m, const struct money_entry *e)
{
    if (e->state == ENTRY_RESERVED) {
        m->open--;
        add(m, e, (struct money_sums){.reserved = -e->amount});
    } else {
        count_unknown(m, e, false);
        add(m, e, (struct money_sums){.unknown = -e->amount});
    }
}

static int64_t
cost_of(struct money *m, const struct money_call *call, int64_t worst)
{
    if (call->outcome == ASK_REFUSED) return 0;
    if (call->has_cost) return call->cost > 0 ? call->cost : 0;
    m->n.unbilled++;
    return worst;
}

static void
count_call(struct money *m, unsigned phase, const struct money_call *call)
{
    struct money_phase *p = &m->phase[phase];

    m->n.calls++;
    p->calls += call->outcome != ASK_UNKNOWN;
    if ((unsigned)call->outcome < ASK_OUTCOMES) {
        m->n.outcomes[call->outcome]++;
    }
    if (call->outcome != ASK_REFUSED && call->outcome != ASK_UNKNOWN) {
        m->n.characters += call->has_characters ? call->characters : 0;
        m->n.held_ms += call->has_ms ? call->ms : 0;
    }
    if (!call->has_usage) return;
    m->n.input_tokens += call->input;
    m->n.cached_tokens += co_min_u64(call->cached, call->input);
    m->n.output_tokens += call->output;
    p->input_tokens += call->input;
    p->cached_tokens += co_min_u64(call->cached, call->input);
    p->output_tokens += call->output;
}

/* What was charged cannot grow beyond what an int64 holds: then it stands
 * still there, and the job stops as it does after any overrun. */
static int64_t
charge(struct money *m, const struct money_entry *e, int64_t cost)
{
    cost = cost > INT64_MAX - money_charged(m) ? INT64_MAX - money_charged(m)
                                               : cost;
    add(m, e, (struct money_sums){.settled = cost});
    return cost;
}

/* What a call cost in truth, to the purse that its worst case came from. */
static void
share_cost(struct money *m, const struct money_entry *e, int64_t cost)
{
    if (!m->purse) return;
    if (cost <= e->amount) {
        purse_release(m->purse, e->day, e->amount - cost);
    } else {
        purse_exceed(m->purse, e->day, cost - e->amount);
    }
}

enum co_err
money_settle(struct money *m, uint64_t task, const struct money_call *call,
             int64_t *ret_charged)
{
    struct money_entry *at = money_find(m, task), e = *at;
    int64_t cost = 0;

    if (!e.state) return CO_NOTFOUND;
    count_call(m, e.phase, call);
    if (e.state == ENTRY_RESERVED || !CO_BUG(late_settled_twice)) {
        uncharge(m, &e);
    }
    money_unname(m, at);
    if (call->outcome == ASK_UNKNOWN) {
        m->n.lost += e.state == ENTRY_RESERVED;
        count_unknown(m, &e, true);
        add(m, &e, (struct money_sums){.unknown = e.amount});
    } else {
        cost = charge(m, &e, cost_of(m, call, e.amount));
        m->n.salvaged += e.state == ENTRY_UNKNOWN;
    }
    if (ret_charged) *ret_charged = cost;
    if (call->outcome != ASK_UNKNOWN) share_cost(m, &e, cost);
    if (cost <= e.amount) return CO_OK;
    m->n.overruns++;
    m->excess = cost - e.amount > INT64_MAX - m->excess
                    ? INT64_MAX
                    : m->excess + (cost - e.amount);
    return CO_RANGE;
}

bool
money_lost(struct money *m, uint64_t task)
{
    struct money_entry *e = money_find(m, task);

    if (e->state != ENTRY_RESERVED) return false;
    m->open--;
    m->n.lost++;
    count_unknown(m, e, true);
    e->state = ENTRY_UNKNOWN;
    add(m, e,
        (struct money_sums){.reserved = -e->amount, .unknown = e->amount});
    return true;
}

void
money_found(struct money *m, uint64_t task)
{
    struct money_entry *e = money_find(m, task);

    if (e->state != ENTRY_UNKNOWN) return;
    m->open++;
    count_unknown(m, e, false);
    m->n.lost--;
    e->state = ENTRY_RESERVED;
    add(m, e,
        (struct money_sums){.reserved = e->amount, .unknown = -e->amount});
}

bool
money_release(struct money *m, uint64_t task)
{
    struct money_entry *e = money_find(m, task);

    if (!e->state) return false;
    m->n.lost -= e->state == ENTRY_UNKNOWN; /* it was not, after all */
    uncharge(m, e);
    share_cost(m, e, 0);
    money_unname(m, e);
    m->n.released++;
    return true;
}
