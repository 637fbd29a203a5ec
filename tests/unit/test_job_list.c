/* test_job_list.c - what a daemon has accepted survives it. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/job_list.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
    char root[48];
    struct job_list list, again;
};

static int
setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);

    strcpy(f->root, "/tmp/cohort-test-joblist-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    enum co_err err = co_fs_remove_tree(f->root, NULL);

    test_free(f);
    return (int)err;
}

static void
a_missing_file_is_an_empty_list(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(job_list_load(&f->again, f->root, NULL), CO_OK);
    assert_int_equal(f->again.n, 0);
}

static void
a_damaged_file_is_refused_and_not_taken_for_empty(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};

    assert_int_equal(co_fs_write_atomic(f->root, "jobs.json", "[{", 2, NULL),
                     CO_OK);
    assert_int_not_equal(job_list_load(&f->again, f->root, &diag), CO_OK);
    assert_non_null(strstr(diag.text, "jobs.json"));
}

static void
jobs_come_back_with_their_overrides_and_at_once(void **state)
{
    struct fixture *f = *state;
    struct listed_job a = {.id = 0xfedcba9876543210u,
                           .out = "/x/a",
                           .rows = "700",
                           .pid = 17,
                           .failures = 3,
                           .start_ms = 99};
    struct listed_job b = {.id = 2, .out = "/x/\"b\"", .seed = "43"};

    assert_int_equal(job_list_add(&f->list, &a), CO_OK);
    assert_int_equal(job_list_add(&f->list, &b), CO_OK);
    assert_int_equal(job_list_save(&f->list, f->root, NULL), CO_OK);
    assert_int_equal(job_list_load(&f->again, f->root, NULL), CO_OK);
    assert_int_equal(f->again.n, 2);
    assert_int_equal(f->again.v[0].id, a.id);
    assert_string_equal(f->again.v[0].rows, "700");
    assert_string_equal(f->again.v[0].seed, "");
    assert_string_equal(f->again.v[1].seed, "43");
    assert_ptr_equal(job_list_find(&f->again, "/x/\"b\""), &f->again.v[1]);
    assert_null(job_list_find(&f->again, "/x/c"));
    /* Of the process that ran it nothing is left. */
    assert_int_equal(f->again.v[0].pid, 0);
    assert_int_equal(f->again.v[0].failures, 0);
    assert_int_equal(f->again.v[0].start_ms, 0);
}

static void
the_list_is_bounded_and_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    struct listed_job job = {.out = "/x"};

    for (job.id = 1; job.id <= JOB_LIST_MAX; job.id++) {
        assert_int_equal(job_list_add(&f->list, &job), CO_OK);
    }
    assert_int_equal(job_list_add(&f->list, &job), CO_FULL);
    job_list_remove(&f->list, 0);
    assert_int_equal(f->list.v[0].id, 2);
    job_list_remove(&f->list, f->list.n - 1);
    assert_int_equal(f->list.n, JOB_LIST_MAX - 2);
    assert_int_equal(f->list.v[f->list.n - 1].id, JOB_LIST_MAX - 1);
}

static void
a_job_that_dies_is_started_later_each_time_and_then_given_up(void **state)
{
    struct listed_job job = {.id = 1};
    int64_t delay_ms = 250;

    (void)state;
    for (int i = 1; i < JOB_FAILURES_MAX; i++, delay_ms *= 2) {
        assert_true(job_list_failed(&job, 1000));
        assert_int_equal(job.start_ms, 1000 + delay_ms);
    }
    assert_false(job_list_failed(&job, 1000));
}

static void
deaths_of_a_job_that_ran_for_long_are_not_in_a_row(void **state)
{
    struct listed_job job = {.id = 1};
    int64_t now_ms = 1000;

    (void)state;
    for (int i = 0; i < 3 * JOB_FAILURES_MAX; i++) {
        job.start_ms = now_ms;
        now_ms += JOB_WELL_MS;
        assert_true(job_list_failed(&job, now_ms));
        assert_int_equal(job.failures, 1);
    }
    for (int i = 2; i < JOB_FAILURES_MAX; i++) {
        now_ms = job.start_ms + JOB_WELL_MS - 1;
        assert_true(job_list_failed(&job, now_ms));
    }
    assert_false(job_list_failed(&job, job.start_ms));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_missing_file_is_an_empty_list),
        T(a_damaged_file_is_refused_and_not_taken_for_empty),
        T(jobs_come_back_with_their_overrides_and_at_once),
        T(the_list_is_bounded_and_keeps_its_order),
        T(a_job_that_dies_is_started_later_each_time_and_then_given_up),
        T(deaths_of_a_job_that_ran_for_long_are_not_in_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
