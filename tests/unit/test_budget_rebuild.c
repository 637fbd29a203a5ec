/* `cohort budget rebuild`: what the journals of runs say about money, told to a
 * real Redis that lost it. */
#include "cli/budget_rebuild.h"

#include "job/purse_note.h"
#include "journal/writer.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TOTAL "cohort:{n}:caps:total"

struct fixture {
    struct redis_fixture redis;
    struct source source;
    struct budget_jobs jobs;
    char dir[160];
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    assert_int_equal(
        source_open_url(f->redis.url, false, "n", &f->source, NULL), CO_OK);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    source_close(&f->source);
    redis_fixture_close(&f->redis);
    budget_jobs_fini(&f->jobs);
    free(f);
    return 0;
}

/* The output folder of a run whose journal ends with these notes. */
static const char *
given_run(struct fixture *f, uint64_t job, const struct purse_note *notes,
          size_t count)
{
    struct journal_options options = {.no_ballast = true, .threadless = true};
    struct adoption older = {0};
    struct co_diag diag = {""};
    struct journal *j;
    char path[200];

    (void)snprintf(f->dir, sizeof f->dir, "%s/run-%u", f->redis.dir,
                   (unsigned)job);
    (void)snprintf(path, sizeof path, "%s/journal", f->dir);
    assert_int_equal(mkdir(f->dir, 0700), 0);
    if (journal_start(path, job, 1, &older, &options, &j, &diag)) {
        fail_msg("%s", diag.text);
    }
    for (size_t i = 0; i < count; i++) {
        struct co_buf out;

        co_buf_init(&out, 64);
        purse_note_put(&notes[i], &out);
        assert_int_equal(
            journal_append_final(j, RECORD_NOTE, out.data, out.len, &diag),
            CO_OK);
        co_buf_fini(&out);
    }
    /* A note of another kind is none of ours. */
    assert_int_equal(journal_append_final(j, RECORD_NOTE, "Qx", 2, &diag),
                     CO_OK);
    assert_int_equal(journal_stop(j, &diag), CO_OK);
    journal_free(j);
    return f->dir;
}

static const char *
field(struct fixture *f, const char *name)
{
    const struct co_redis_reply *r =
        redis_fixture_call(&f->redis, "HGET", TOTAL, name, NULL);

    return r->type == CO_REDIS_TEXT ? r->text : "";
}

static void
of_each_day_the_last_note_counts_and_the_ledger_is_told(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};
    char day[BUDGET_DAY_BYTES], key[CO_KEY_BYTES];
    const struct co_redis_reply *r;

    if (budget_stop(&f->source, true, &f->jobs, &diag)) {
        fail_msg("%s", diag.text);
    }
    assert_string_equal(field(f, "state"), "closed");
    {
        const struct purse_note a[] = {{f->jobs.day - 1, 900, 1, 1},
                                       {f->jobs.day, 50, 1, 2},
                                       {f->jobs.day - 1, 700, 1, 3},
                                       {f->jobs.day, 80, 1, 4}};
        const struct purse_note b[] = {{f->jobs.day, 5, 1, 4}};

        assert_int_equal(budget_read(given_run(f, 0xa, a, 4), &f->jobs, &diag),
                         CO_OK);
        assert_int_equal(budget_read(given_run(f, 0xb, b, 1), &f->jobs, &diag),
                         CO_OK);
        /* A run that spent nothing. */
        assert_int_equal(budget_read(given_run(f, 0xc, b, 0), &f->jobs, &diag),
                         CO_OK);
    }
    assert_int_equal(f->jobs.n, 3);
    assert_int_equal(f->jobs.total, 785);
    assert_int_equal(f->jobs.today, 85);
    if (budget_tell(&f->source, &f->jobs, &diag)) fail_msg("%s", diag.text);
    assert_string_equal(field(f, "granted"), "785");
    assert_string_equal(field(f, "state"), "unsure");
    assert_string_equal(field(f, "vouched"), "1");
    assert_string_equal(field(f, "job.000000000000000a"), "1 0 0 780");
    r = redis_fixture_call(
        &f->redis, "HGET",
        co_key(CO_KEY_CAPS, "n", budget_day_text(f->jobs.day, day), key),
        "granted", NULL);
    assert_string_equal(r->text, "85");
}

static void
a_run_that_is_given_twice_counts_once(void **state)
{
    static const struct purse_note notes[] = {{.day = 20000, .have = 70},
                                              {.day = 19999, .have = 5}};
    struct fixture *f = *state;
    struct co_diag diag = {""};
    const char *dir = given_run(f, 10, notes, co_countof(notes));

    f->jobs.day = 20000;
    for (unsigned i = 0; i < 2; i++) {
        if (budget_read(dir, &f->jobs, &diag)) fail_msg("%s", diag.text);
        assert_int_equal(f->jobs.n, 1);
        assert_int_equal(f->jobs.total, 75);
        assert_int_equal(f->jobs.today, 70);
    }
}

static void
a_journal_that_cannot_tell_ends_the_rebuild(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};

    f->jobs.day = 20000;
    assert_int_equal(budget_read(f->redis.dir, &f->jobs, &diag), CO_NOTFOUND);
    assert_int_equal(budget_read("/nowhere", &f->jobs, &diag), CO_NOTFOUND);
    assert_int_equal(f->jobs.n, 0);
}

static void
caps_that_went_with_the_ledger_have_to_be_given_again(void **state)
{
    struct fixture *f = *state;
    int64_t result;

    assert_int_equal(budget_stop(&f->source, false, &f->jobs, NULL), CO_USAGE);
    assert_string_equal(field(f, "state"), "");
    assert_int_equal(
        budget_set(&f->source, "7", "", "0000000000000001", &result, NULL),
        CO_OK);
    assert_int_equal(budget_stop(&f->source, false, &f->jobs, NULL), CO_OK);
    assert_string_equal(field(f, "cap_day"), "7");
}

static void
of_two_rebuilds_at_once_the_later_one_counts(void **state)
{
    struct fixture *f = *state;
    struct budget_jobs second = {.v = NULL};

    assert_int_equal(budget_stop(&f->source, true, &f->jobs, NULL), CO_OK);
    assert_int_equal(budget_stop(&f->source, true, &second, NULL), CO_OK);
    assert_true(second.id > f->jobs.id);
    assert_int_equal(budget_tell(&f->source, &f->jobs, NULL), CO_STATE);
    assert_int_equal(budget_tell(&f->source, &second, NULL), CO_OK);
}

static void
amounts_are_read_exactly_and_days_named_rightly(void **state)
{
    char text[BUDGET_DAY_BYTES];
    int64_t micro = 0;
    struct co_diag diag;

    (void)state;
    assert_int_equal(budget_parse("12.5", &micro, &diag), CO_OK);
    assert_int_equal(micro, 12500000);
    assert_int_equal(budget_parse("9000000", &micro, &diag), CO_OK);
    assert_int_equal(budget_parse("9000000.000001", &micro, &diag), CO_USAGE);
    assert_int_equal(budget_parse("0.0000001", &micro, &diag), CO_USAGE);
    assert_int_equal(budget_parse("1e3", &micro, &diag), CO_USAGE);
    assert_int_equal(budget_parse("-1", &micro, &diag), CO_USAGE);
    assert_int_equal(budget_parse("", &micro, &diag), CO_USAGE);
    assert_string_equal(budget_day_text(0, text), "19700101");
    assert_string_equal(budget_day_text(11016, text), "20000229");
    assert_string_equal(budget_day_text(20786, text), "20261129");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(of_each_day_the_last_note_counts_and_the_ledger_is_told),
        T(a_run_that_is_given_twice_counts_once),
        T(a_journal_that_cannot_tell_ends_the_rebuild),
        T(caps_that_went_with_the_ledger_have_to_be_given_again),
        T(of_two_rebuilds_at_once_the_later_one_counts),
        cmocka_unit_test(amounts_are_read_exactly_and_days_named_rightly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
