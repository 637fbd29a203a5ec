/* test_ledger.c - the ledgers as JSON: amounts are exact, and what nobody
 * knows is not there. */
#include "coordinator/ledger.h"
#include "tests/co_test.h"

#include <string.h>

static struct kind_money
spent(void)
{
    return (struct kind_money){.has_price = true,
                               .cap = 5000000000000,
                               .settled = 1000000000001,
                               .unknown = 2000000,
                               .reserved = 3,
                               .calls = 7,
                               .lost = 1,
                               .input_tokens = 100,
                               .cached_tokens = 10,
                               .output_tokens = 50,
                               .written = 3};
}

static void
assert_money(const struct kind_money *money, uint64_t accepted,
             const char *want)
{
    struct co_buf buf;
    struct co_json json;

    co_buf_init(&buf, 1000);
    co_json_init(&json, &buf);
    co_json_object(&json);
    ledger_put_money(&json, money, accepted);
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
    assert_string_equal(co_buf_text(&buf), want);
    co_buf_fini(&buf);
}

#define COUNTS                                                                 \
    "\"calls\":7,\"lost\":1,\"input_tokens\":100,\"cached_tokens\":10,"        \
    "\"output_tokens\":50,\"written\":3}}"

static void
money_is_exact(void **state)
{
    struct kind_money m = spent();

    (void)state;
    assert_money(&m, 2,
                 "{\"money\":{\"cap_usd\":\"5\",\"settled_usd\":"
                 "\"1.000000000001\",\"unknown_usd\":\"0.000002\","
                 "\"reserved_usd\":\"0.000000000003\",\"row_usd\":"
                 "\"0.500001\"," COUNTS);
    assert_true(ledger_told(&m, 2).row == 500001000000);
}

static void
what_nobody_knows_is_left_out(void **state)
{
    struct kind_money m = spent();

    (void)state;
    m.cap = -1; /* no budget, and no row yet */
    assert_money(&m, 0,
                 "{\"money\":{\"settled_usd\":\"1.000000000001\","
                 "\"unknown_usd\":\"0.000002\",\"reserved_usd\":"
                 "\"0.000000000003\"," COUNTS);
    m.has_price = false;
    assert_money(&m, 2, "{\"money\":{" COUNTS);
    assert_true(ledger_told(&m, 2).row == -1);
}

/* 3,000 words, and half of what was asked to the end is good. */
static void
words_and_quality_have_their_price(void **state)
{
    struct kind_money m = spent();

    (void)state;
    m.words = 3000;
    m.quality_ppm = 500000;
    assert_true(ledger_told(&m, 2).kiloword == 333334000000);
    assert_true(ledger_told(&m, 2).point == 20000040000);
    m.words = 0;
    m.quality_ppm = 1;
    m.settled = INT64_MAX - m.unknown; /* a percent is beyond an int64 */
    assert_true(ledger_told(&m, 2).kiloword == -1);
    assert_true(ledger_told(&m, 2).point == -1);
}

static void
each_phase_has_its_own_money(void **state)
{
    struct kind_money m = spent();

    (void)state;
    m.has_phases = true;
    m.phases[0] = (struct money_phase_fields){.share = -1,
                                              .settled = 1000000000000,
                                              .unknown = 0,
                                              .reserved = 3,
                                              .calls = 5,
                                              .input_tokens = 60,
                                              .output_tokens = 30};
    m.phases[1] = (struct money_phase_fields){.share = 2000000000000,
                                              .settled = 1,
                                              .unknown = 2000000,
                                              .calls = 2,
                                              .input_tokens = 40,
                                              .cached_tokens = 10,
                                              .output_tokens = 20};
    m.has_price = false;
    m.cap = -1;
    assert_money(
        &m, 0,
        "{\"money\":{\"calls\":7,\"lost\":1,\"input_tokens\":100,"
        "\"cached_tokens\":10,\"output_tokens\":50,\"written\":3,\"phases\":"
        "{\"background\":{\"calls\":5,\"input_tokens\":60,\"cached_tokens\":0,"
        "\"output_tokens\":30},\"personas\":{\"share_usd\":\"2\",\"calls\":2,"
        "\"input_tokens\":40,\"cached_tokens\":10,\"output_tokens\":20}}}}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_exact),
        cmocka_unit_test(what_nobody_knows_is_left_out),
        cmocka_unit_test(words_and_quality_have_their_price),
        cmocka_unit_test(each_phase_has_its_own_money),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
