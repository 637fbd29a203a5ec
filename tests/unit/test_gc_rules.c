/* What `cohort gc` may remove: the rules, without Redis and disk. */
#include "cli/gc_rules.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

enum { NOW_MS = 1000000, AGE_MS = 1000 };

static enum gc_verdict
verdict(struct gc_namespace ns, bool unfinished)
{
    return gc_namespace_verdict(&ns, NOW_MS, AGE_MS, unfinished);
}

static void
a_namespace_is_dead_when_nothing_lives_in_it_and_its_last_sign_is_old(
    void **state)
{
    (void)state;
    assert_int_equal(
        verdict((struct gc_namespace){.newest_ms = NOW_MS - 1001}, false),
        GC_REMOVE);
    assert_int_equal(
        verdict((struct gc_namespace){.newest_ms = NOW_MS - 1000}, false),
        GC_YOUNG);
    assert_int_equal(
        verdict((struct gc_namespace){.newest_ms = 1, .alive = true}, true),
        GC_ALIVE);
}

static void
a_namespace_with_the_ledger_of_caps_is_kept(void **state)
{
    const struct gc_namespace ns = {.newest_ms = 1, .budget = true};

    (void)state;
    assert_int_equal(verdict(ns, false), GC_BUDGET);
    assert_int_equal(verdict(ns, true), GC_BUDGET);
}

static void
a_namespace_that_does_not_tell_its_age_or_is_of_the_future_is_kept(void **state)
{
    (void)state;
    assert_int_equal(verdict((struct gc_namespace){.keys = 3}, true),
                     GC_NO_TIME);
    assert_int_equal(
        verdict((struct gc_namespace){.newest_ms = NOW_MS + 5}, true),
        GC_YOUNG);
}

static void
an_unfinished_job_holds_its_namespace_unless_told_otherwise(void **state)
{
    const struct gc_namespace ns = {.newest_ms = 1, .unfinished = 1};

    (void)state;
    assert_int_equal(verdict(ns, false), GC_UNFINISHED);
    assert_int_equal(verdict(ns, true), GC_REMOVE);
}

static void
a_job_that_can_be_gone_on_with_is_not_over(void **state)
{
    static const char *const go_on[] = {"running", "stopping", "stopped",
                                        "partial", ""};

    (void)state;
    assert_true(gc_job_is_over("complete"));
    assert_true(gc_job_is_over("failed"));
    for (size_t i = 0; i < co_countof(go_on); i++) {
        assert_false(gc_job_is_over(go_on[i]));
    }
}

static void
only_keys_of_cohort_are_taken_apart(void **state)
{
    char ns[GC_NAMESPACE_BYTES], longest[200];
    const char *name;

    (void)state;
    assert_true(gc_key_parse("cohort:{a b}:worker:1", ns, &name));
    assert_string_equal(ns, "a b");
    assert_string_equal(name, "worker:1");
    assert_true(gc_key_is_beat(name));
    assert_true(gc_key_is_beat("owner:job:7"));
    assert_false(gc_key_is_beat("workers"));
    assert_false(gc_key_parse("cohort:{}:x", ns, &name));
    assert_false(gc_key_parse("cohort:{a", ns, &name));
    assert_false(gc_key_parse("other:{a}:x", ns, &name));
    (void)snprintf(longest, sizeof longest, "cohort:{%065d}:x", 0);
    assert_false(gc_key_parse(longest, ns, &name));
    (void)snprintf(longest, sizeof longest, "cohort:{%064d}:x", 0);
    assert_true(gc_key_parse(longest, ns, &name));
}

static void
the_pattern_of_a_namespace_matches_no_other(void **state)
{
    char text[GC_PATTERN_BYTES], longest[65];

    (void)state;
    assert_string_equal(gc_key_pattern("default", text), "cohort:{default}:*");
    assert_string_equal(gc_key_pattern("a*b?[c]\\", text),
                        "cohort:{a\\*b\\?\\[c\\]\\\\}:*");
    memset(longest, '*', 64);
    longest[64] = '\0';
    assert_int_equal(strlen(gc_key_pattern(longest, text)),
                     strlen("cohort:{}:*") + (size_t)2 * 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_namespace_with_the_ledger_of_caps_is_kept),
        cmocka_unit_test(
            a_namespace_is_dead_when_nothing_lives_in_it_and_its_last_sign_is_old),
        cmocka_unit_test(
            a_namespace_that_does_not_tell_its_age_or_is_of_the_future_is_kept),
        cmocka_unit_test(
            an_unfinished_job_holds_its_namespace_unless_told_otherwise),
        cmocka_unit_test(a_job_that_can_be_gone_on_with_is_not_over),
        cmocka_unit_test(only_keys_of_cohort_are_taken_apart),
        cmocka_unit_test(the_pattern_of_a_namespace_matches_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
