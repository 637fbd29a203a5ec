/* money_tell.c - what the ledger says of itself: sums, counts, whether they are
 * whole, and all of it as JSON. */
#include "coordinator/money_impl.h"

#include <inttypes.h>

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

struct money_group
money_group(const struct money *m, uint8_t tag)
{
    return m->groups[tag];
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
    money_use(m, NULL, used);
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
        const struct money_entry *e = &m->table[*cursor];

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

/* What has which tag is all there is. */
static const char *
check_groups(const struct money *m)
{
    struct money_group all = {.unknown = 0};

    for (unsigned i = 0; i < MONEY_TAGS; i++) {
        const struct money_group *g = &m->groups[i];

        all.sums.settled += g->sums.settled;
        all.sums.unknown += g->sums.unknown;
        all.sums.reserved += g->sums.reserved;
        all.unknown += g->unknown;
    }
    if (all.sums.settled == m->all.settled &&
        all.sums.unknown == m->all.unknown &&
        all.sums.reserved == m->all.reserved && all.unknown == m->unknown) {
        return NULL;
    }
    return "the money by tag is not the money of the job";
}

const char *
money_check(const struct money *m)
{
    struct money_sums parts = {0}, table = {0};
    const int64_t allowed = m->cap > m->inherited ? m->cap : m->inherited;
    uint32_t open = 0, named = 0;
    const char *broken;

    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        parts.settled += m->phase[i].sums.settled;
        parts.unknown += m->phase[i].sums.unknown;
        parts.reserved += m->phase[i].sums.reserved;
    }
    for (uint32_t i = 0; i < m->cap_table; i++) {
        const struct money_entry *e = &m->table[i];

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
    if (money_charged(m) > allowed && money_charged(m) - allowed > m->excess) {
        return "more money is charged than the cap allows";
    }
    broken = check_phases(m);
    return broken ? broken : check_groups(m);
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
