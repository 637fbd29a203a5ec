/* money_fields.c - see money_fields.h. */
#include "job/money_fields.h"

#include "llm/price.h"

static void
put_usd(struct co_json *json, const char *name, int64_t amount)
{
    char text[PRICE_TEXT_BYTES];

    if (amount >= 0) co_json_put_text(json, name, price_text(amount, text));
}

static void
put_phase(const struct money_phase_fields *p, struct co_json *json)
{
    co_json_object(json);
#define X(member, name) put_usd(json, name, p->member);
    MONEY_PHASE_AMOUNT_LIST(X)
#undef X
#define X(member, name) co_json_put_u64(json, name, p->member);
    MONEY_PHASE_COUNT_LIST(X)
#undef X
    co_json_end(json);
}

static void
put_phases(const struct money_fields *m, struct co_json *json)
{
    co_json_key(json, "phases");
    co_json_object(json);
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        co_json_key(json, shares_phase_name(i));
        put_phase(&m->phases[i], json);
    }
    co_json_end(json);
}

void
money_fields_put(const struct money_fields *m, struct co_json *json)
{
    co_json_key(json, "money");
    co_json_object(json);
#define X(member, name, redis) put_usd(json, name, m->member);
    MONEY_AMOUNT_LIST(X)
#undef X
#define X(member, name, redis, always)                                         \
    if (always || m->member) co_json_put_u64(json, name, m->member);
    MONEY_COUNT_LIST(X)
#undef X
    if (m->has_phases) put_phases(m, json);
    co_json_end(json);
}
