/* ledger.c - see ledger.h. */
#include "coordinator/ledger.h"

void
ledger_put(struct co_json *json, const struct kind_ledger *ledger)
{
    co_json_put_u64(json, "requested", ledger->requested);
    co_json_put_u64(json, "drawn", ledger->drawn);
    co_json_put_u64(json, "accepted", ledger->accepted);
    co_json_put_u64(json, "rejected", ledger->rejected);
    co_json_put_u64(json, "dead", ledger->dead);
    co_json_put_u64(json, "surplus", ledger->surplus);
    co_json_put_u64(json, "pending", ledger->pending);
    co_json_put_u64(json, "duplicates", ledger->duplicates);
}

/* Spent for each of n units of so many; -1: there is none, or too few for what
 * an int64 holds. */
static int64_t
per(__int128 spent, uint64_t n, uint64_t units)
{
    const __int128 each = n ? spent * units / n : -1;

    return each > INT64_MAX ? -1 : (int64_t)each;
}

struct kind_money
ledger_told(const struct kind_money *money, uint64_t accepted)
{
    const __int128 spent = (__int128)money->settled + money->unknown;
    struct kind_money m = *money;

    m.row = per(spent, accepted, 1);
    m.kiloword = per(spent, m.words, 1000);
    m.point = per(spent, m.quality_ppm, 10000);
    if (m.has_price) return m;
    m.settled = m.unknown = m.reserved = m.row = m.kiloword = m.point = -1;
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        struct money_phase_fields *p = &m.phases[i];

        p->settled = p->unknown = p->reserved = -1;
    }
    return m;
}

void
ledger_put_money(struct co_json *json, const struct kind_money *money,
                 uint64_t accepted)
{
    const struct kind_money m = ledger_told(money, accepted);

    money_fields_put(&m.fields, json);
}
