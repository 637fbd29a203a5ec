/* What acts on a wish outside this host: when it does, and the command of the
 * user's. The API of Kubernetes: tests/system/test_actors.py. */
#include "scaler/actor.h"
#include "scaler/command.h"
#include "scaler/kube.h"
#include "tests/co_test.h"

#include <string.h>

static void
nothing_is_done_before_a_wish_is_known(void **state)
{
    struct actor a;

    (void)state;
    actor_init(&a);
    assert_false(actor_due(&a, 1000000));
    assert_true(actor_hear(&a, 1, 0, 5)); /* 0 is a wish */
    assert_true(actor_due(&a, 5));
}

static void
a_wish_is_applied_at_once_and_looked_at_again_later(void **state)
{
    struct actor a;

    (void)state;
    actor_init(&a);
    (void)actor_hear(&a, 1, 3, 0);
    actor_done(&a, true, 10);
    assert_false(actor_due(&a, 1000));
    assert_true(actor_due(&a, 10 + ACTOR_AGAIN_MS));
    (void)actor_hear(&a, 1, 4, 2000);
    assert_true(actor_due(&a, 2000));
}

static void
failures_are_counted_and_tried_again_later_each_time(void **state)
{
    struct actor a;
    int64_t now = 0, last = 0;

    (void)state;
    actor_init(&a);
    (void)actor_hear(&a, 1, 3, now);
    for (uint64_t i = 1; i <= 10; i++) {
        actor_done(&a, false, now);
        assert_int_equal(a.failures, i);
        assert_true(a.due_ms - now >= last);
        assert_true(a.due_ms - now <= ACTOR_RETRY_MAX_MS);
        last = a.due_ms - now;
        (void)actor_hear(&a, 1, (uint32_t)i, now + 1); /* no way around it */
        assert_false(actor_due(&a, now + 1));
        now = a.due_ms;
    }
    assert_int_equal(last, ACTOR_RETRY_MAX_MS);
    assert_false(a.is_applied);
}

static void
a_wish_of_a_replaced_holder_is_passed_over(void **state)
{
    struct actor a;

    (void)state;
    actor_init(&a);
    (void)actor_hear(&a, 5, 3, 0);
    assert_false(actor_hear(&a, 4, 9, 1000));
    assert_int_equal(a.wanted, 3);
    /* Nobody has spoken with the higher number since: Redis began anew. */
    assert_true(actor_hear(&a, 1, 9, 1000 + ACTOR_STALE_MS));
    assert_int_equal(a.wanted, 9);
}

/* ---- the command ---- */

static enum co_err
run(const char *script, uint32_t timeout_ms, struct co_diag *diag)
{
    const char *const argv[] = {"sh",        "-c",        script, "sh",
                                "{desired}", "{service}", NULL};
    const struct command c = {.argv = argv, .timeout_ms = timeout_ms};
    const struct command_wish w = {
        .service = "persona.compose", .reason = "because", .desired = 7};

    return command_run(&c, &w, diag);
}

static void
a_command_finds_the_wish_in_arguments_and_environment(void **state)
{
    struct co_diag diag = {""};

    (void)state;
    assert_int_equal(run("test \"$1 $2 $COHORT_DESIRED $COHORT_SERVICE "
                         "$COHORT_REASON\" = \"7 persona.compose 7 "
                         "persona.compose because\"",
                         20000, &diag),
                     CO_OK);
}

static void
a_command_that_fails_or_hangs_or_is_not_there_says_so(void **state)
{
    struct co_diag diag = {""};
    const char *const nowhere[] = {"/nowhere/at-all", NULL};
    const struct command c = {.argv = nowhere, .timeout_ms = 1000};
    const struct command_wish w = {.service = "s", .reason = ""};

    (void)state;
    assert_int_equal(run("exit 3", 20000, &diag), CO_IO);
    assert_non_null(strstr(diag.text, "ended with code 3"));
    assert_int_equal(run("kill -9 $$", 20000, &diag), CO_IO);
    assert_non_null(strstr(diag.text, "signal 9"));
    assert_int_equal(run("exec sleep 60", 50, &diag), CO_TIMEOUT);
    assert_int_equal(command_run(&c, &w, &diag), CO_NOTFOUND);
}

/* ---- the target in Kubernetes ---- */

static enum co_err
try_target(const char *api, const char *kind, const char *name)
{
    const struct kube_target t = {.api = api,
                                  .name_space = "default",
                                  .kind = kind,
                                  .name = name,
                                  .timeout_ms = 1000};
    co_auto(kube_freep) struct kube *k = NULL;

    return kube_new(&t, &k, NULL);
}

static void
only_encrypted_or_local_apis_and_plain_names_are_taken(void **state)
{
    const char *there = "https://10.0.0.1:443", *kind = "deployments";

    (void)state;
    assert_int_equal(try_target(there, kind, "workers"), CO_OK);
    assert_int_equal(try_target("http://127.0.0.1:8001", kind, "w"), CO_OK);
    assert_int_equal(try_target("http://10.0.0.1", kind, "w"), CO_DENIED);
    assert_int_equal(try_target("http://127.0.0.1.evil", kind, "w"), CO_DENIED);
    assert_int_equal(try_target("ftp://127.0.0.1", kind, "w"), CO_DENIED);
    assert_int_equal(try_target(there, kind, "../secrets"), CO_INVALID);
    assert_int_equal(try_target(there, kind, "a?b"), CO_INVALID);
    assert_int_equal(try_target(there, kind, ""), CO_INVALID);
    assert_int_equal(try_target(there, "pods", "w"), CO_INVALID);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_done_before_a_wish_is_known),
        cmocka_unit_test(a_wish_is_applied_at_once_and_looked_at_again_later),
        cmocka_unit_test(failures_are_counted_and_tried_again_later_each_time),
        cmocka_unit_test(a_wish_of_a_replaced_holder_is_passed_over),
        cmocka_unit_test(a_command_finds_the_wish_in_arguments_and_environment),
        cmocka_unit_test(a_command_that_fails_or_hangs_or_is_not_there_says_so),
        cmocka_unit_test(
            only_encrypted_or_local_apis_and_plain_names_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
