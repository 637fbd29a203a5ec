/* money_line.c - see money_line.h. */
#include "cli/money_line.h"

#include "cli/say.h"
#include "cli/status_line.h"
#include "llm/price.h"

/* The names of the amounts: in JSON, in Redis. */
static const struct {
    const char *json, *redis;
    size_t offset;
} amounts[] = {
    {"cap_usd", "budget_usd", offsetof(struct money_line, cap)},
    {"settled_usd", "settled_usd", offsetof(struct money_line, settled)},
    {"unknown_usd", "unknown_usd", offsetof(struct money_line, unknown)},
    {"reserved_usd", "reserved_usd", offsetof(struct money_line, reserved)},
    {"row_usd", "row_usd", offsetof(struct money_line, row)},
};

static const struct {
    const char *json, *redis;
    size_t offset;
} counts[] = {
    {"calls", "calls", offsetof(struct money_line, calls)},
    {"cached_calls", "calls_cached", offsetof(struct money_line, cached)},
    {"lost", "calls_lost", offsetof(struct money_line, lost)},
    {"input_tokens", "input_tokens", offsetof(struct money_line, input_tokens)},
    {"cached_tokens", "cached_tokens",
     offsetof(struct money_line, cached_tokens)},
    {"output_tokens", "output_tokens",
     offsetof(struct money_line, output_tokens)},
    {"written", "rows_written", offsetof(struct money_line, written)},
};

static int64_t
usd_of(const char *text)
{
    int64_t amount = -1;

    return text && !price_usd_parse(text, &amount) ? amount : -1;
}

static int64_t *
amount_at(struct money_line *m, size_t i)
{
    return (int64_t *)(void *)((char *)m + amounts[i].offset);
}

static uint64_t *
count_at(struct money_line *m, size_t i)
{
    return (uint64_t *)(void *)((char *)m + counts[i].offset);
}

void
money_line_of_json(const json_t *money, struct money_line *ret)
{
    *ret = (struct money_line){.is_there = json_is_object(money)};
    for (size_t i = 0; i < co_countof(amounts); i++) {
        *amount_at(ret, i) =
            usd_of(json_string_value(json_object_get(money, amounts[i].json)));
    }
    for (size_t i = 0; i < co_countof(counts); i++) {
        *count_at(ret, i) = status_line_u64(money, counts[i].json);
    }
}

void
money_line_of_redis(const struct co_redis_reply *hash, struct money_line *ret)
{
    *ret = (struct money_line){.is_there = co_redis_field(hash, "calls")[0]};
    for (size_t i = 0; i < co_countof(amounts); i++) {
        *amount_at(ret, i) = usd_of(co_redis_field(hash, amounts[i].redis));
    }
    for (size_t i = 0; i < co_countof(counts); i++) {
        *count_at(ret, i) = co_redis_field_u64(hash, counts[i].redis);
    }
}

/* Settled and unknown: both are gone, as far as anybody knows. */
static void
say_spent(const struct money_line *m, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];
    int64_t spent;

    if (m->settled < 0 || m->unknown < 0 ||
        __builtin_add_overflow(m->settled, m->unknown, &spent)) {
        co_buf_puts(out, "price unknown");
        return;
    }
    co_buf_puts(out, price_text(spent, text));
    if (m->cap >= 0) co_buf_printf(out, " of %s", price_text(m->cap, text));
    co_buf_puts(out, " USD");
    if (m->unknown > 0) {
        co_buf_printf(out, " (%s of it unknown)", price_text(m->unknown, text));
    }
}

void
money_line_say(const struct money_line *m, bool in_full, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    say_spent(m, out);
    if (!in_full) {
        co_buf_puts(out, ", ");
        say_count(out, m->calls);
        co_buf_puts(out, " calls");
        return;
    }
    if (m->row >= 0) co_buf_printf(out, ", %s a row", price_text(m->row, text));
    co_buf_puts(out, "; ");
    say_count(out, m->calls);
    co_buf_puts(out, " calls, tokens: ");
    say_count(out, m->input_tokens);
    co_buf_puts(out, " in (");
    say_count(out, m->cached_tokens);
    co_buf_puts(out, " of them cached), ");
    say_count(out, m->output_tokens);
    co_buf_puts(out, " out");
    if (m->cached) {
        co_buf_puts(out, "; ");
        say_count(out, m->cached);
        co_buf_puts(out, m->cached == 1 ? " answer" : " answers");
        co_buf_puts(out, " from the cache");
    }
    if (!m->lost) return;
    co_buf_puts(out, "; ");
    say_count(out, m->lost);
    co_buf_puts(out, m->lost == 1 ? " call was lost" : " calls were lost");
}

void
money_line_put(const struct money_line *m, struct co_json *json)
{
    struct money_line copy = *m;
    char text[PRICE_TEXT_BYTES];

    if (!m->is_there) return;
    co_json_key(json, "money");
    co_json_object(json);
    for (size_t i = 0; i < co_countof(amounts); i++) {
        int64_t amount = *amount_at(&copy, i);

        if (amount < 0) continue;
        co_json_put_text(json, amounts[i].json, price_text(amount, text));
    }
    for (size_t i = 0; i < co_countof(counts); i++) {
        if (count_at(&copy, i) == &copy.cached && !copy.cached) continue;
        co_json_put_u64(json, counts[i].json, *count_at(&copy, i));
    }
    co_json_end(json);
}
