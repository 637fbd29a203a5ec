/* money.c - see money.h.
 * Entries stand in one table with open addressing, a quarter full at most: a
 * job has as many as it has calls in flight, and those that were lost. */
#include "coordinator/money.h"

#include "common/bug.h"
#include "common/hash.h"

#include <inttypes.h>
#include <stdlib.h>

enum { CAP_FIRST = 1024 };

enum entry_state { ENTRY_FREE, ENTRY_RESERVED, ENTRY_UNKNOWN };

struct entry {
    uint64_t task;
    int64_t amount;
    uint32_t day; /* of the purse; 0: none */
    uint8_t state, phase;
    uint8_t tag; /* the caller's */
};

struct money {
    int64_t cap;         /* INT64_MAX: none */
    struct purse *purse; /* borrowed; NULL: no caps over several jobs */
    int64_t inherited;   /* most that a journal brought at once */
    int64_t excess;      /* of all overruns */
    struct money_sums all;
    struct money_phase phase[MONEY_PHASES];
    struct shares shares;
    int64_t need[MONEY_PHASES];
    int64_t inherited_taken; /* most of the reserve that a journal brought */
    unsigned short_phase;
    struct money_counters n;
    struct entry *table;
    uint32_t cap_table, open, named; /* named: entries, open ones included */
    uint64_t unknown;                /* calls that all.unknown is of */
};

/* -- prices --------------------------------------------------------------- */

static bool
add_call_price(int64_t call_price, int64_t *sum)
{
    return call_price >= 0 && !__builtin_add_overflow(*sum, call_price, sum);
}

bool
money_worst(const struct price *price, int64_t call_price, uint64_t input,
            uint64_t output, int64_t *ret_worst)
{
    if (CO_BUG(call_price_forgotten)) call_price = 0;
    return price_worst(price, call_price, input, output, ret_worst);
}

bool
money_cost(const struct price *price, int64_t call_price,
           const struct money_call *call, int64_t *ret_cost)
{
    int64_t sum;

    if (!price_cost(price, call->input, call->cached, call->output, &sum)) {
        return false;
    }
    if (!add_call_price(call_price, &sum)) return false;
    *ret_cost = sum;
    return true;
}

/* -- the table ------------------------------------------------------------ */

static uint32_t
home_of(uint64_t task, uint32_t cap)
{
    return (uint32_t)(co_mix64(task) & (cap - 1));
}

/* The task's place, or the free one where it would stand. */
static struct entry *
find(const struct money *m, uint64_t task)
{
    uint32_t at = home_of(task, m->cap_table);

    while (m->table[at].state && m->table[at].task != task) {
        at = (at + 1) & (m->cap_table - 1);
    }
    return &m->table[at];
}

static bool
resize(struct money *m, uint32_t cap)
{
    struct entry *old = m->table;
    const uint32_t old_cap = m->cap_table;

    m->table = calloc(cap, sizeof *m->table);
    if (!m->table) {
        m->table = old;
        return false;
    }
    m->cap_table = cap;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i].state) *find(m, old[i].task) = old[i];
    }
    free(old);
    return true;
}

static bool
grow(struct money *m)
{
    if ((m->named + 1) * 4 <= m->cap_table) return true;
    return resize(m, m->cap_table * 2);
}

/* Moves up what stood behind it because its place was taken. */
static void
forget(struct money *m, struct entry *e)
{
    const uint32_t mask = m->cap_table - 1;
    uint32_t hole = (uint32_t)(e - m->table);

    for (uint32_t at = (hole + 1) & mask; m->table[at].state;
         at = (at + 1) & mask) {
        uint32_t home = home_of(m->table[at].task, m->cap_table);

        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        m->table[hole] = m->table[at];
        hole = at;
    }
    m->table[hole] = (struct entry){0};
    m->named--;
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
    m->cap_table = CAP_FIRST;
    m->table = calloc(CAP_FIRST, sizeof *m->table);
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

static int64_t
charged(const struct money *m)
{
    return m->all.settled + m->all.unknown + m->all.reserved;
}

/* What phases have charged, with `more` of each; NULL: without. */
static void
use_of(const struct money *m, const int64_t *more, int64_t ret[MONEY_PHASES])
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
    use_of(m, more, used);
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

unsigned
money_short_phase(const struct money *m)
{
    return m->short_phase;
}

bool
money_fits(const struct money *m, int64_t amount)
{
    int64_t sum;

    return amount >= 0 && !__builtin_add_overflow(charged(m), amount, &sum) &&
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
add(struct money *m, unsigned phase, struct money_sums by)
{
    m->all.settled += by.settled;
    m->all.unknown += by.unknown;
    m->all.reserved += by.reserved;
    m->phase[phase].sums.settled += by.settled;
    m->phase[phase].sums.unknown += by.unknown;
    m->phase[phase].sums.reserved += by.reserved;
}

/* The first ids, up to an eighth of the way from the lowest unknown one to the
 * highest. */
static uint64_t
oldest_end(const struct money *m)
{
    uint64_t low = UINT64_MAX, high = 0;

    for (uint32_t i = 0; i < m->cap_table; i++) {
        if (m->table[i].state != ENTRY_UNKNOWN) continue;
        if (m->table[i].task < low) low = m->table[i].task;
        if (m->table[i].task > high) high = m->table[i].task;
    }
    return low <= high ? low + (high - low) / 8 : 0;
}

/* Forgets the ids of unknown calls, and not their money. Ids grow with the row,
 * and rows are asked in order: the lowest are the oldest, and the least likely
 * to be answered yet. */
static void
unname_oldest(struct money *m)
{
    const uint64_t end = oldest_end(m);

    for (uint32_t i = 0; i < m->cap_table; i++) {
        /* another may move to its place */
        while (m->table[i].state == ENTRY_UNKNOWN && m->table[i].task <= end) {
            forget(m, &m->table[i]);
            m->n.nameless++;
        }
    }
}

void
money_forget(struct money *m)
{
    uint32_t cap = m->cap_table, before = 0;

    while (m->named >= MONEY_NAMED_MAX && m->named != before) {
        before = m->named;
        unname_oldest(m);
    }
    while (cap > CAP_FIRST && (m->named + 1) * 16 <= cap) {
        cap /= 2;
    }
    if (cap < m->cap_table) (void)resize(m, cap); /* else it stays as it is */
}

static enum co_err
enter(struct money *m, unsigned phase, uint64_t task, int64_t amount,
      uint32_t day)
{
    struct entry *e = find(m, task);

    if (e->state) return CO_EXISTS;
    if (!grow(m)) return CO_NOMEM;
    *find(m, task) =
        (struct entry){task, amount, day, ENTRY_RESERVED, (uint8_t)phase, 0};
    m->open++;
    m->named++;
    add(m, phase, (struct money_sums){.reserved = amount});
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
    if (!err && m->purse) find(m, task)->day = purse_take(m->purse, amount);
    return err;
}

/* What a journal brings was reserved: whatever it took then, it has. The phases
 * are told what they need only when it is at its end. */
static void
inherit(struct money *m)
{
    int64_t used[MONEY_PHASES], taken;

    if (charged(m) > m->inherited) m->inherited = charged(m);
    if (!m->shares.is_set) return;
    use_of(m, NULL, used);
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
        __builtin_add_overflow(charged(m), amount, &sum)) {
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
    return find(m, task)->day;
}

bool
money_has(const struct money *m, uint64_t task, int64_t *ret_amount)
{
    const struct entry *e = find(m, task);

    if (!e->state) return false;
    if (ret_amount) *ret_amount = e->amount;
    return true;
}

void
money_tag(struct money *m, uint64_t task, uint8_t tag)
{
    struct entry *e = find(m, task);

    if (e->state) e->tag = tag;
}

uint8_t
money_tag_of(const struct money *m, uint64_t task)
{
    return find(m, task)->tag;
}

bool
money_is_unknown(const struct money *m, uint64_t task)
{
    return find(m, task)->state == ENTRY_UNKNOWN;
}

unsigned
money_phase_of(const struct money *m, uint64_t task)
{
    const struct entry *e = find(m, task);

    return e->state ? e->phase : MONEY_PHASES;
}

/* Takes the entry's amount out of the sums. */
static void
uncharge(struct money *m, const struct entry *e)
{
    if (e->state == ENTRY_RESERVED) {
        m->open--;
        add(m, e->phase, (struct money_sums){.reserved = -e->amount});
    } else {
        m->unknown--;
        add(m, e->phase, (struct money_sums){.unknown = -e->amount});
    }
}

static int64_t
cost_of(struct money *m, const struct money_call *call, int64_t worst)
{
    if (call->outcome == ASK_REFUSED) return 0;
    if (call->has_usage) return call->cost > 0 ? call->cost : 0;
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
charge(struct money *m, const struct entry *e, int64_t cost)
{
    cost = cost > INT64_MAX - charged(m) ? INT64_MAX - charged(m) : cost;
    add(m, e->phase, (struct money_sums){.settled = cost});
    return cost;
}

/* What a call cost in truth, to the purse that its worst case came from. */
static void
share_cost(struct money *m, const struct entry *e, int64_t cost)
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
    struct entry *at = find(m, task), e = *at;
    int64_t cost = 0;

    if (!e.state) return CO_NOTFOUND;
    count_call(m, e.phase, call);
    if (e.state == ENTRY_RESERVED || !CO_BUG(late_settled_twice)) {
        uncharge(m, &e);
    }
    forget(m, at);
    if (call->outcome == ASK_UNKNOWN) {
        m->n.lost += e.state == ENTRY_RESERVED;
        m->unknown++;
        add(m, e.phase, (struct money_sums){.unknown = e.amount});
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
    struct entry *e = find(m, task);

    if (e->state != ENTRY_RESERVED) return false;
    m->open--;
    m->n.lost++;
    m->unknown++;
    e->state = ENTRY_UNKNOWN;
    add(m, e->phase,
        (struct money_sums){.reserved = -e->amount, .unknown = e->amount});
    return true;
}

void
money_found(struct money *m, uint64_t task)
{
    struct entry *e = find(m, task);

    if (e->state != ENTRY_UNKNOWN) return;
    m->open++;
    m->unknown--;
    m->n.lost--;
    e->state = ENTRY_RESERVED;
    add(m, e->phase,
        (struct money_sums){.reserved = e->amount, .unknown = -e->amount});
}

bool
money_release(struct money *m, uint64_t task)
{
    struct entry *e = find(m, task);

    if (!e->state) return false;
    m->n.lost -= e->state == ENTRY_UNKNOWN; /* it was not, after all */
    uncharge(m, e);
    share_cost(m, e, 0);
    forget(m, e);
    m->n.released++;
    return true;
}

/* -- questions ------------------------------------------------------------ */

int64_t
money_cap(const struct money *m)
{
    return m->cap == INT64_MAX ? 0 : m->cap;
}

struct money_sums
money_sums(const struct money *m)
{
    return m->all;
}

const struct money_counters *
money_counters(const struct money *m)
{
    return &m->n;
}

struct money_phase
money_phase(const struct money *m, unsigned phase)
{
    struct money_phase p = m->phase[phase];

    p.share = m->shares.is_set ? m->shares.share[phase] : -1;
    p.limit = m->shares.is_set ? shares_limit(&m->shares, phase) : -1;
    return p;
}

int64_t
money_taken(const struct money *m, int64_t *ret_reserve)
{
    int64_t used[MONEY_PHASES];

    *ret_reserve = m->shares.is_set ? m->shares.reserve : 0;
    if (!m->shares.is_set) return 0;
    use_of(m, NULL, used);
    return shares_taken(&m->shares, used);
}

uint32_t
money_open(const struct money *m)
{
    return m->open;
}

uint64_t
money_unknown(const struct money *m)
{
    return m->unknown;
}

uint32_t
money_named(const struct money *m)
{
    return m->named;
}

bool
money_next(const struct money *m, bool unknown, uint32_t *cursor,
           uint64_t *ret_task, int64_t *ret_amount)
{
    const uint8_t state = unknown ? ENTRY_UNKNOWN : ENTRY_RESERVED;

    for (; *cursor < m->cap_table; (*cursor)++) {
        const struct entry *e = &m->table[*cursor];

        if (e->state != state) continue;
        *ret_task = e->task;
        *ret_amount = e->amount;
        (*cursor)++;
        return true;
    }
    return false;
}

/* Phases charge what they may, and their shares are the cap. */
static const char *
check_phases(const struct money *m)
{
    int64_t reserve, taken = money_taken(m, &reserve), sum = reserve, allowed;

    if (!m->shares.is_set) return NULL;
    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        sum += shares_limit(&m->shares, i);
        if (shares_limit(&m->shares, i) < 0) return "a phase owes another";
    }
    if (sum != m->cap) return "the shares of the phases are not the cap";
    allowed = reserve > m->inherited_taken ? reserve : m->inherited_taken;
    if (taken > allowed && taken - allowed > m->excess) {
        return "the phases take more than the reserve";
    }
    return NULL;
}

const char *
money_check(const struct money *m)
{
    struct money_sums parts = {0}, table = {0};
    const int64_t allowed = m->cap > m->inherited ? m->cap : m->inherited;
    uint32_t open = 0, named = 0;

    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        parts.settled += m->phase[i].sums.settled;
        parts.unknown += m->phase[i].sums.unknown;
        parts.reserved += m->phase[i].sums.reserved;
    }
    for (uint32_t i = 0; i < m->cap_table; i++) {
        const struct entry *e = &m->table[i];

        named += e->state != ENTRY_FREE;
        open += e->state == ENTRY_RESERVED;
        if (e->state == ENTRY_RESERVED) table.reserved += e->amount;
        if (e->state == ENTRY_UNKNOWN) table.unknown += e->amount;
    }
    if (parts.settled != m->all.settled || parts.unknown != m->all.unknown ||
        parts.reserved != m->all.reserved) {
        return "the money of the phases is not the money of the job";
    }
    if (open != m->open || named != m->named ||
        table.reserved != m->all.reserved || table.unknown > m->all.unknown) {
        return "the money of the calls is not the money of the job";
    }
    if (m->all.settled < 0 || m->all.unknown < 0 || m->all.reserved < 0) {
        return "money is negative";
    }
    if (charged(m) > allowed && charged(m) - allowed > m->excess) {
        return "more money is charged than the cap allows";
    }
    return check_phases(m);
}

static void
put_sums(const struct money_sums *s, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    co_buf_printf(out, "\"settled_usd\":\"%s\"", price_text(s->settled, text));
    co_buf_printf(out, ",\"unknown_usd\":\"%s\"", price_text(s->unknown, text));
    co_buf_printf(out, ",\"reserved_usd\":\"%s\"",
                  price_text(s->reserved, text));
}

void
money_json(const struct money *m, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    co_buf_puts(out, "{\"cap_usd\":");
    if (money_cap(m)) {
        co_buf_printf(out, "\"%s\",", price_text(m->cap, text));
    } else {
        co_buf_puts(out, "null,");
    }
    put_sums(&m->all, out);
#define X(name, text) co_buf_printf(out, ",\"" #name "\":%" PRIu64, m->n.name);
    MONEY_COUNTER_LIST(X)
#undef X
    co_buf_puts(out, ",\"outcomes\":{");
    for (unsigned i = 0; i < ASK_OUTCOMES; i++) {
        co_buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "",
                      ask_outcome_name((enum ask_outcome)i), m->n.outcomes[i]);
    }
    co_buf_puts(out, "},\"stages\":{");
    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        const struct money_phase p = money_phase(m, i);

        co_buf_printf(out, "%s\"%s\":{", i ? "," : "", shares_phase_name(i));
        put_sums(&p.sums, out);
        if (p.share >= 0) {
            co_buf_printf(out, ",\"share_usd\":\"%s\"",
                          price_text(p.share, text));
            co_buf_printf(out, ",\"limit_usd\":\"%s\"",
                          price_text(p.limit, text));
        }
        co_buf_printf(
            out,
            ",\"calls\":%" PRIu64 ",\"input_tokens\":%" PRIu64
            ",\"cached_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64,
            p.calls, p.input_tokens, p.cached_tokens, p.output_tokens);
        co_buf_puts(out, "}");
    }
    co_buf_puts(out, "}}");
}
