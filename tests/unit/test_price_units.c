/* test_price_units.c - prices of characters and seconds, from the job file over
 * the recipe to the ledger: exact, bounded, and refused where they cannot be
 * kept to. */
#include "coordinator/money.h"
#include "job/recipe.h"
#include "job/writer_bound.h"
#include "llm/provider.h"
#include "tests/unit/spec_fixture.h"

/* ---- job files ---- */

#define ONE(rest)                                                              \
    HEAD "provider: a\nproviders:\n  a: {kind: openai, model: m, endpoints: "  \
         "[{url: \"http://127.0.0.1:1\"}],\n    " rest "}\n"

static const struct price *
price_in(const struct job_spec *spec)
{
    return &spec_provider(spec)->price;
}

static void
characters_and_seconds_have_prices_of_their_own(void **state)
{
    struct job_spec *spec = given(
        ONE("price: {input_usd_per_mchar: 20.5, usd_per_second: 0.000600001}"));

    (void)state;
    assert_int_equal(price_in(spec)->character, 20500000);
    assert_int_equal(price_in(spec)->millisecond, 600001);
    assert_int_equal(price_in(spec)->call, 0);
    /* nothing is said of tokens: they cost nothing */
    assert_int_equal(price_in(spec)->input, 0);
    assert_int_equal(price_in(spec)->output, 0);
    spec_free(spec);
    spec = given(ONE("stream: true, price: {input_usd_per_mtok: 1, "
                     "output_usd_per_mtok: 2, usd_per_second: 1000}"));
    assert_int_equal(price_in(spec)->input, 1000000);
    assert_int_equal(price_in(spec)->millisecond, 1000000000000);
    assert_int_equal(price_in(spec)->character, 0);
    spec_free(spec);
}

static void
mistakes_in_prices_are_told(void **state)
{
    (void)state;
    assert_refused(ONE("price: {usd_per_second: -1}"),
                   "us.yaml:7: providers.a.price.usd_per_second: found \"-1\"; "
                   "allowed is a number from 0 to 1000 with at most 9 "
                   "decimals");
    assert_refused(ONE("price: {usd_per_second: 0.0000000001}"),
                   "us.yaml:7: providers.a.price.usd_per_second: found "
                   "\"0.0000000001\"; allowed is a number from 0 to 1000 with "
                   "at most 9 decimals");
    assert_refused(ONE("price: {input_usd_per_mchar: 0.1234567}"),
                   "us.yaml:7: providers.a.price.input_usd_per_mchar: found "
                   "\"0.1234567\"; allowed is a number from 0 to 1000000 with "
                   "at most 6 decimals");
    assert_refused(ONE("price: {usd_per_minute: 1}"),
                   "us.yaml:7: providers.a.price.usd_per_minute: unknown key; "
                   "allowed here: cached_input_usd_per_mtok, call_usd, "
                   "input_usd_per_mchar, input_usd_per_mtok, usd_per_second or "
                   "output_usd_per_mtok");
    assert_refused(ONE("price: {output_usd_per_mtok: 1, usd_per_second: 1}"),
                   "us.yaml:7: providers.a.price: input_usd_per_mtok is "
                   "missing; input_usd_per_mtok and output_usd_per_mtok go "
                   "together (0 where it costs nothing), or are left out where "
                   "other things have a price (call_usd, input_usd_per_mchar, "
                   "usd_per_second)");
}

#define NOT_IN_BATCHES                                                         \
    ", and batch: a call of a batch takes no seconds of its own, and its "     \
    "answer does not say how many characters were sent; give what a batch "    \
    "costs by tokens or calls, or leave out batch"

static void
a_batch_has_neither_seconds_nor_characters(void **state)
{
    (void)state;
    assert_refused(
        ONE("batch: true, price: {usd_per_second: 1}"),
        "us.yaml:7: providers.a.price: found usd_per_second" NOT_IN_BATCHES);
    assert_refused(ONE("batch: true, price: {input_usd_per_mchar: 1}"),
                   "us.yaml:7: providers.a.price: found "
                   "input_usd_per_mchar" NOT_IN_BATCHES);
    spec_free(given(ONE("batch: true, price: {call_usd: 1}")));
    spec_free(given(ONE("batch: true, price: {usd_per_second: 0}")));
}

/* ---- writers ---- */

static struct job_spec *
opened(const char *text, char dir[64])
{
    struct job_spec *spec = given(text);

    given_data_dir(dir, BACKGROUND);
    if (spec_open_writer(spec, dir, &diag)) {
        print_error("%s\n", diag.text);
        abort();
    }
    return spec;
}

static void
done(struct job_spec *spec, const char *dir)
{
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static struct writer *
read_back(const char *text, struct co_diag *why)
{
    json_t *root = json_loads(text, 0, NULL);
    struct writer *writer = NULL;

    if (writer_from_json(root, "a", &writer, why)) writer = NULL;
    json_decref(root);
    return writer;
}

static void
the_time_that_a_call_may_take_stands_in_the_recipe(void **state)
{
    char dir[64];
    struct job_spec *spec =
        opened(ONE("timeouts: {total: 90s}, price: {input_usd_per_mchar: 20, "
                   "usd_per_second: 0.5}"),
               dir);
    co_auto(co_buf_fini) struct co_buf text;
    struct co_json json;
    struct writer *again;

    (void)state;
    co_buf_init(&text, 1 << 20);
    co_json_init(&json, &text);
    writer_write(spec->writer, &json);
    assert_non_null(
        strstr(co_buf_text(&text), "\"call_ms\":90000,\"call_price\":0,"));
    assert_non_null(strstr(co_buf_text(&text),
                           "\"price\":{\"character\":20000000,"
                           "\"input\":0,\"millisecond\":500000000,"
                           "\"output\":0}"));
    again = read_back(co_buf_text(&text), &diag);
    assert_non_null(again);
    assert_int_equal(again->call_ms, 90000);
    assert_memory_equal(&again->price, &spec->writer->price,
                        sizeof again->price);
    writer_free(again);
    done(spec, dir);
}

static void
a_recipe_with_seconds_and_no_bound_is_refused(void **state)
{
#define WRITER(ms, price)                                                      \
    "{" ms "\"call_price\":0,\"fresh\":1,\"kind\":\"openai\","                 \
    "\"max_tokens\":[99,99],\"model\":\"m\",\"price\":{" price                 \
    "\"output\":0},\"prompts\":[],\"repairs\":2}"
    static const char *const bad[] = {
        WRITER("", "\"input\":0,\"millisecond\":5,"),
        WRITER("\"call_ms\":0,", "\"input\":0,\"millisecond\":5,"),
        WRITER("\"call_ms\":86400001,", "\"input\":0,\"millisecond\":5,"),
        WRITER("\"call_ms\":1000,", "\"input\":0,"),
        WRITER("", "\"character\":-1,\"input\":0,"),
        WRITER("", "\"character\":1,"),
    };

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_null(read_back(bad[i], &diag));
        assert_string_equal(diag.text, "recipe: the writer's values are "
                                       "missing or wrong");
    }
#undef WRITER
}

static void
a_price_is_told_with_its_units(void **state)
{
    char dir[64];
    struct job_spec *spec =
        opened(ONE("timeouts: {total: 1m}, price: {input_usd_per_mchar: 20, "
                   "usd_per_second: 0.0006, call_usd: 0.01}"),
               dir);
    co_auto(co_buf_fini) struct co_buf text;

    (void)state;
    co_buf_init(&text, 1000);
    writer_say_price(spec->writer, &text);
    assert_string_equal(co_buf_text(&text),
                        "0 in, 0 out USD a million tokens, 0.01 USD a call, 20 "
                        "USD a million characters sent, 0.0006 USD a second (a "
                        "call has 60000 ms at most)");
    done(spec, dir);
}

/* What cannot be counted is refused before anything is asked. */
static void
a_price_whose_worst_case_is_beyond_counting_is_refused(void **state)
{
    char dir[64];
    struct job_spec *spec =
        given(ONE("timeouts: {total: 24h}, price: {usd_per_second: 1000}"));

    (void)state;
    given_data_dir(dir, BACKGROUND);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_RANGE);
    assert_string_equal(diag.text,
                        "us.yaml: providers.a.price: a row of model \"m\" may "
                        "cost more than can be counted; see its price and its "
                        "timeouts.total");
    done(spec, dir);
}

static void
a_budget_has_to_cover_the_time_of_a_row(void **state)
{
    char dir[64];
    struct job_spec *spec = given(
        ONE("timeouts: {total: 100s}, price: {usd_per_second: 0.01}") "budget: "
                                                                      "{usd: "
                                                                      "1.99}"
                                                                      "\n");

    (void)state;
    given_data_dir(dir, BACKGROUND);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "covers not even one row, which may cost "
                                      "up to 2 USD"));
    done(spec, dir);
}

/* ---- what is sent ---- */

static void
characters_are_counted_and_not_bytes(void **state)
{
    static const struct provider_message messages[] = {
        {PROVIDER_SYSTEM, "Zo\xc3\xab", 4},
        {PROVIDER_USER, "\xe2\x82\xac\xf0\x9f\x98\x80!", 8},
    };
    struct provider_ask ask = {.messages = messages, .n_messages = 2};

    (void)state;
    assert_int_equal(provider_characters(&ask), 6);
    /* told with a schema of its own the messages stay what they are */
    ask.schema = "{}";
    ask.schema_name = "s";
    assert_int_equal(provider_characters(&ask), 6);
    /* in words they do not; they stay below what bounds the input */
    ask.form = PROVIDER_FORM_WORDS;
    assert_true(provider_characters(&ask) > 6);
    assert_true(provider_characters(&ask) <=
                provider_input_max(&provider_openai, &ask));
}

/* ---- the ledger ---- */

static const struct price by_units = {
    .character = 20, .millisecond = 1000, .call = 5};

static struct money_call
call_of(uint64_t characters, uint64_t ms)
{
    return (struct money_call){.outcome = ASK_ANSWER,
                               .has_characters = true,
                               .characters = characters,
                               .has_ms = true,
                               .ms = ms};
}

static void
a_call_costs_what_it_took_without_any_tokens(void **state)
{
    struct money_call call = call_of(123, 45);
    struct money *m;
    int64_t worst, charged = 0;

    (void)state;
    assert_int_equal(money_new(1000000, &m), CO_OK);
    assert_true(money_worst(&by_units, 200, 900, 100, &worst));
    assert_int_equal(worst, 200 * 20 + 100 * 1000 + 5);
    assert_int_equal(money_reserve(m, 0, 1, worst), CO_OK);
    money_cost(&by_units, &call);
    assert_int_equal(money_settle(m, 1, &call, &charged), CO_OK);
    assert_int_equal(charged, 123 * 20 + 45 * 1000 + 5);
    assert_int_equal(money_counters(m)->characters, 123);
    assert_int_equal(money_counters(m)->held_ms, 45);
    assert_int_equal(money_counters(m)->unbilled, 0);
    assert_null(money_check(m));
    money_free(m);
}

static void
what_nobody_counted_costs_the_worst_case(void **state)
{
    struct price tokens = by_units;
    struct money_call call = call_of(1, 1);
    struct money *m;
    int64_t charged = 0;

    (void)state;
    tokens.output = 3;
    assert_int_equal(money_new(1000000, &m), CO_OK);
    money_cost(&tokens, &call);
    assert_false(call.has_cost); /* tokens have a price, and no usage came */
    call = call_of(1, 1);
    call.has_ms = false;
    money_cost(&by_units, &call);
    assert_false(call.has_cost);
    assert_int_equal(money_reserve(m, 0, 1, 500), CO_OK);
    assert_int_equal(money_settle(m, 1, &call, &charged), CO_OK);
    assert_int_equal(charged, 500);
    assert_int_equal(money_counters(m)->unbilled, 1);
    call = call_of(1, 1);
    call.has_characters = false;
    money_cost(&by_units, &call);
    assert_false(call.has_cost);
    money_free(m);
}

static void
a_count_above_the_bound_is_an_overrun(void **state)
{
    struct money_call call = call_of(0, 101);
    struct money *m;
    int64_t worst, charged = 0;

    (void)state;
    assert_int_equal(money_new(1000000, &m), CO_OK);
    assert_true(money_worst(&by_units, 0, 0, 100, &worst));
    assert_int_equal(money_reserve(m, 0, 1, worst), CO_OK);
    money_cost(&by_units, &call);
    assert_int_equal(money_settle(m, 1, &call, &charged), CO_RANGE);
    assert_int_equal(charged, 101 * 1000 + 5);
    assert_int_equal(money_counters(m)->overruns, 1);
    assert_null(money_check(m));
    money_free(m);
}

/* A server that refuses, or is cut off, holds nothing that is billed. */
static void
only_calls_that_are_paid_count_their_units(void **state)
{
    struct money_call call = call_of(7, 9);
    struct money *m;
    int64_t charged = 1;

    (void)state;
    assert_int_equal(money_new(1000000, &m), CO_OK);
    assert_int_equal(money_reserve(m, 0, 1, 500), CO_OK);
    assert_int_equal(money_reserve(m, 0, 2, 500), CO_OK);
    call.outcome = ASK_REFUSED;
    money_cost(&by_units, &call);
    assert_int_equal(money_settle(m, 1, &call, &charged), CO_OK);
    assert_int_equal(charged, 0);
    call.outcome = ASK_UNKNOWN;
    assert_int_equal(money_settle(m, 2, &call, &charged), CO_OK);
    assert_int_equal(charged, 0);
    assert_int_equal(money_sums(m).unknown, 500);
    assert_int_equal(money_counters(m)->characters, 0);
    assert_int_equal(money_counters(m)->held_ms, 0);
    money_free(m);
}

/* ---- the wire ---- */

static void
asks_and_results_carry_units_only_where_they_are_said(void **state)
{
    const struct ask_task timed = {.row = 1, .total_ms = 90000};
    const struct ask_result full = {.row = 1,
                                    .outcome = ASK_UNKNOWN,
                                    .has_characters = true,
                                    .has_held_ms = true,
                                    .characters = UINT64_MAX};
    const struct ask_result plain = {.row = 1, .outcome = ASK_UNKNOWN};
    co_auto(co_buf_fini) struct co_buf buf;
    struct ask_result r;
    struct ask_task t;

    (void)state;
    co_buf_init(&buf, 1000);
    ask_put_task(&timed, &buf);
    assert_true(ask_get_task(buf.data, buf.len, &t));
    assert_int_equal(t.total_ms, 90000);
    co_buf_clear(&buf);
    ask_put_result(&full, &buf);
    assert_true(ask_get_result(buf.data, buf.len, &r));
    /* 0 ms is said, and not the same as nothing */
    assert_true(r.has_characters && r.has_held_ms);
    assert_int_equal(r.characters, UINT64_MAX);
    assert_int_equal(r.held_ms, 0);
    co_buf_clear(&buf);
    ask_put_result(&plain, &buf);
    assert_true(ask_get_result(buf.data, buf.len, &r));
    assert_false(r.has_characters || r.has_held_ms);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_and_seconds_have_prices_of_their_own),
        cmocka_unit_test(mistakes_in_prices_are_told),
        cmocka_unit_test(a_batch_has_neither_seconds_nor_characters),
        cmocka_unit_test(the_time_that_a_call_may_take_stands_in_the_recipe),
        cmocka_unit_test(a_recipe_with_seconds_and_no_bound_is_refused),
        cmocka_unit_test(a_price_is_told_with_its_units),
        cmocka_unit_test(
            a_price_whose_worst_case_is_beyond_counting_is_refused),
        cmocka_unit_test(a_budget_has_to_cover_the_time_of_a_row),
        cmocka_unit_test(characters_are_counted_and_not_bytes),
        cmocka_unit_test(a_call_costs_what_it_took_without_any_tokens),
        cmocka_unit_test(what_nobody_counted_costs_the_worst_case),
        cmocka_unit_test(a_count_above_the_bound_is_an_overrun),
        cmocka_unit_test(only_calls_that_are_paid_count_their_units),
        cmocka_unit_test(asks_and_results_carry_units_only_where_they_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
