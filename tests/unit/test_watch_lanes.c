/* test_watch_lanes.c - a job's lanes as the scaler, `cohort why` and metrics
 * see them: each provider has its part of what is left. */
#include "coordinator/watch_lanes.h"
#include "tests/co_test.h"

#include <string.h>

static const char *const names[] = {"main", "cheap", "other"};

static struct watch_lanes
given_dealt(uint32_t main, uint32_t cheap, uint32_t other)
{
    const struct kind_lane now[] = {
        {"other", other}, {"main", main}, {"cheap", cheap}};
    struct watch_lanes lanes;

    watch_lanes_init(&lanes, "persona.write", names, 3);
    watch_lanes_deal(&lanes, now, 3);
    return lanes;
}

static void
a_lane_is_the_service_at_a_provider(void **state)
{
    struct watch_lanes lanes;

    (void)state;
    watch_lanes_init(&lanes, "persona.write", names, 3);
    assert_int_equal(lanes.n, 3);
    assert_string_equal(lanes.v[0].service, "persona.write@main");
    assert_string_equal(lanes.v[1].provider, "cheap");
    assert_string_equal(lanes.names, "persona.write@main,persona.write@cheap,"
                                     "persona.write@other");
    assert_int_equal(watch_lanes_part(&lanes, 0, 7), 7); /* nothing is dealt */
    assert_int_equal(watch_lanes_part(&lanes, 1, 7), 0);
}

static void
a_job_without_providers_has_its_plain_service(void **state)
{
    struct watch_lanes lanes;

    (void)state;
    watch_lanes_init(&lanes, "persona.compose", NULL, 0);
    assert_int_equal(lanes.n, 1);
    assert_string_equal(lanes.names, "persona.compose");
    assert_null(lanes.v[0].provider);
    assert_int_equal(watch_lanes_part(&lanes, 0, 7), 7);
}

static void
parts_add_up_to_the_whole_whatever_it_is(void **state)
{
    const struct watch_lanes lanes = given_dealt(330, 0, 670);

    (void)state;
    for (uint64_t total = 0; total < 2000; total += 7) {
        assert_int_equal(watch_lanes_part(&lanes, 0, total) +
                             watch_lanes_part(&lanes, 1, total) +
                             watch_lanes_part(&lanes, 2, total),
                         total);
    }
    assert_int_equal(watch_lanes_part(&lanes, 0, 1000), 330);
    assert_int_equal(watch_lanes_part(&lanes, 1, 1000), 0);
    assert_true(watch_lanes_part(&lanes, 2, UINT64_MAX) > UINT64_MAX / 2);
}

/* While the first is away its fallback has its rows: it is the one whose
 * workers, and whose endpoints, count. */
static void
only_who_is_asked_for_rows_can_hold_them_up(void **state)
{
    const struct endpoint_state v[] = {
        {.provider = "main",
         .url = "http://m",
         .breaker = 1,
         .open_until = 9000000},
        {.provider = "cheap", .url = "http://c"}};
    struct watch_lanes lanes = given_dealt(1000, 0, 0);
    char text[ENDPOINT_STATE_TEXT];

    (void)state;
    assert_true(watch_lanes_shut(&lanes, v, 2, 1, text));
    assert_non_null(strstr(text, "main"));
    lanes = given_dealt(0, 1000, 0);
    assert_false(watch_lanes_shut(&lanes, v, 2, 1, text));
    lanes = given_dealt(0, 500, 500); /* nobody knows endpoints of other */
    assert_false(watch_lanes_shut(&lanes, v, 2, 1, text));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_is_the_service_at_a_provider),
        cmocka_unit_test(a_job_without_providers_has_its_plain_service),
        cmocka_unit_test(parts_add_up_to_the_whole_whatever_it_is),
        cmocka_unit_test(only_who_is_asked_for_rows_can_hold_them_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
