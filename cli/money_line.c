/* money_line.c - see money_line.h. */
#include "cli/money_line.h"

#include "cli/say.h"
#include "cli/status_line.h"
#include "llm/price.h"

static int64_t
usd_of(const char *text)
{
    int64_t amount = -1;

    return text && !price_usd_parse(text, &amount) ? amount : -1;
}

static int64_t
usd_at(const json_t *object, const char *name)
{
    return usd_of(json_string_value(json_object_get(object, name)));
}

static struct money_phase_fields
phase_of_json(const json_t *phase)
{
    return (struct money_phase_fields){
#define X(member, name) .member = usd_at(phase, name),
        MONEY_PHASE_AMOUNT_LIST(X)
#undef X
#define X(member, name) .member = status_line_u64(phase, name),
            MONEY_PHASE_COUNT_LIST(X)
#undef X
    };
}

void
money_line_of_json(const json_t *money, struct money_line *ret)
{
    const json_t *phases = json_object_get(money, "phases");

    *ret = (struct money_line){.is_there = json_is_object(money),
                               .has_phases = json_is_object(phases),
#define X(member, name, redis) .member = usd_at(money, name),
                               MONEY_AMOUNT_LIST(X)
#undef X
#define X(member, name, redis, always) .member = status_line_u64(money, name),
                                   MONEY_COUNT_LIST(X)
#undef X
    };
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        ret->phases[i] =
            phase_of_json(json_object_get(phases, shares_phase_name(i)));
    }
}

void
money_line_of_redis(const struct co_redis_reply *hash, struct money_line *ret)
{
    *ret = (struct money_line){.is_there = co_redis_field(hash, "calls")[0],
#define X(member, name, redis) .member = usd_of(co_redis_field(hash, redis)),
                               MONEY_AMOUNT_LIST(X)
#undef X
#define X(member, name, redis, always)                                         \
    .member = co_redis_field_u64(hash, redis),
                                   MONEY_COUNT_LIST(X)
#undef X
    };
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

/* What a run that was broken off leaves: its calls may be paid all the same. */
static void
say_reserved(const struct money_line *m, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    if (m->reserved <= 0) return;
    co_buf_printf(out, ", %s more for calls that are out",
                  price_text(m->reserved, text));
}

static void
say_each(int64_t amount, const char *what, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    if (amount < 0) return;
    co_buf_printf(out, ", %s %s", price_text(amount, text), what);
}

/* What is billed beside tokens and calls. */
static void
say_units(const struct money_line *m, struct co_buf *out)
{
    if (m->characters) {
        co_buf_puts(out, ", characters: ");
        say_count(out, m->characters);
    }
    if (m->held_ms) {
        co_buf_printf(out, ", %llu.%03llu s of calls",
                      (unsigned long long)m->held_ms / 1000,
                      (unsigned long long)m->held_ms % 1000);
    }
}

/* The built-in writer never steps in without a word. */
static void
say_fallbacks(const struct money_line *m, struct co_buf *out)
{
    if (!m->degraded) return;
    co_buf_puts(out, "; ");
    say_count(out, m->degraded);
    co_buf_puts(out, m->degraded == 1 ? " row" : " rows");
    co_buf_puts(out, " by fallbacks");
    if (m->built) {
        co_buf_puts(out, ", ");
        say_count(out, m->built);
        co_buf_puts(out, " of them built in");
    }
    if (!m->starved) return;
    co_buf_puts(out, ", ");
    say_count(out, m->starved);
    co_buf_puts(out, " for want of money");
}

/* Calls of which a replay of the recording will know nothing. */
static void
say_unrecorded(const struct money_line *m, struct co_buf *out)
{
    if (!m->unrecorded) return;
    co_buf_puts(out, "; ");
    say_count(out, m->unrecorded);
    co_buf_puts(out, m->unrecorded == 1 ? " answer was" : " answers were");
    co_buf_puts(out, " not recorded");
}

void
money_line_say(const struct money_line *m, bool in_full, struct co_buf *out)
{
    say_spent(m, out);
    if (!in_full) {
        co_buf_puts(out, ", ");
        say_count(out, m->calls);
        co_buf_puts(out, " calls");
        say_fallbacks(m, out);
        say_unrecorded(m, out);
        return;
    }
    say_reserved(m, out);
    say_each(m->row, "a row", out);
    say_each(m->kiloword, "for 1,000 words", out);
    say_each(m->point, "for a percent of quality", out);
    co_buf_puts(out, "; ");
    say_count(out, m->calls);
    co_buf_puts(out, " calls, tokens: ");
    say_count(out, m->input_tokens);
    co_buf_puts(out, " in (");
    say_count(out, m->cached_tokens);
    co_buf_puts(out, " of them cached), ");
    say_count(out, m->output_tokens);
    co_buf_puts(out, " out");
    say_units(m, out);
    if (m->cached_calls) {
        co_buf_puts(out, "; ");
        say_count(out, m->cached_calls);
        co_buf_puts(out, m->cached_calls == 1 ? " answer" : " answers");
        co_buf_puts(out, " from the cache");
    }
    say_fallbacks(m, out);
    say_unrecorded(m, out);
    if (!m->lost) return;
    co_buf_puts(out, "; ");
    say_count(out, m->lost);
    co_buf_puts(out, m->lost == 1 ? " call was lost" : " calls were lost");
}

void
money_line_say_phases(const struct money_line *m, const char *indent,
                      struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    for (unsigned i = 0; m->has_phases && i < SHARES_PHASES; i++) {
        const struct money_phase_fields *p = &m->phases[i];
        int64_t spent;

        co_buf_printf(out, "%s%-11s ", indent, shares_phase_name(i));
        if (p->settled >= 0 && p->unknown >= 0 &&
            !__builtin_add_overflow(p->settled, p->unknown, &spent)) {
            co_buf_puts(out, price_text(spent, text));
            if (p->share >= 0) {
                co_buf_printf(out, " of %s", price_text(p->share, text));
            }
            co_buf_puts(out, " USD, ");
        }
        say_count(out, p->calls);
        co_buf_puts(out, " calls, tokens: ");
        say_count(out, p->input_tokens);
        co_buf_puts(out, " in, ");
        say_count(out, p->output_tokens);
        co_buf_puts(out, " out\n");
    }
}

void
money_line_put(const struct money_line *m, struct co_json *json)
{
    if (m->is_there) money_fields_put(&m->fields, json);
}
