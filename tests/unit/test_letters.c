/* test_letters.c - dead letters become durable before the journal says that
 * nothing is missing. */
#include "common/fs.h"
#include "coordinator/letters.h"
#include "tests/co_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];
static int fail_syncs; /* so many of the next ones */
static struct journal *journal;
static struct letters letters;
static struct co_diag diag;

static int
faulty_fdatasync(int fd)
{
    if (fail_syncs > 0) {
        fail_syncs--;
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static int
setup(void **state)
{
    const struct journal_options o = {.no_ballast = true,
                                      .threadless = true,
                                      .io = {.fdatasync = faulty_fdatasync}};
    static const char line[] = "{\"letter\":1,\"task\":\"1\",\"row\":1}";

    (void)state;
    fail_syncs = 0;
    (void)strcpy(dir, "/tmp/test_letters.XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(journal_start(dir, 7, 1, NULL, &o, &journal, NULL), CO_OK);
    letters = (struct letters){0};
    assert_int_equal(dead_file_load(dir, &letters.file, NULL), CO_OK);
    assert_int_equal(dead_file_add(&letters.file, line, sizeof line - 1, &diag),
                     CO_OK);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    letters_close(&letters);
    journal_free(journal);
    return co_fs_remove_tree(dir, NULL) == CO_OK ? 0 : -1;
}

static void
letters_that_were_synced_are_finished(void **state)
{
    (void)state;
    assert_int_equal(letters_sync(&letters, journal, &diag), CO_OK);
    assert_int_equal(journal_commit(journal), CO_OK);
    assert_int_equal(letters_finish(&letters, journal, &diag), CO_OK);
}

/* The engine's answer, of so many calls. */
static enum co_err revive_answers[4];
static unsigned revived;

/* test_letters is linked with --wrap of it. */
enum co_err __wrap_engine_revive(/* NOLINT: the linker's name */
                                 struct engine *e, uint64_t task);
enum co_err
__wrap_engine_revive(struct engine *e, uint64_t task) /* NOLINT */
{
    (void)e;
    (void)task;
    return revive_answers[revived++ % 4];
}

/* As engine_revive(). */
static enum co_err foresee_answer;
enum co_err __wrap_engine_foresee(/* NOLINT: the linker's name */
                                  struct engine *e, uint64_t task);
enum co_err
__wrap_engine_foresee(struct engine *e, uint64_t task) /* NOLINT */
{
    (void)e;
    assert_int_equal(task, 1);
    return foresee_answer;
}

static void
a_wish_that_is_out_of_reach_is_noted_before_the_replay(void **state)
{
    bool more = true;

    (void)state;
    foresee_answer = CO_RANGE;
    assert_int_equal(letters_foresee(&letters, NULL), CO_OK);
    assert_int_equal(letters.file.v[0].state, DEAD_OPEN); /* nobody wants it */
    letters.file.v[0].state = DEAD_REPLAY;
    foresee_answer = CO_NOMEM;
    assert_int_equal(letters_foresee(&letters, NULL), CO_NOMEM);
    foresee_answer = CO_OK;
    assert_int_equal(letters_foresee(&letters, NULL), CO_OK);
    assert_int_equal(letters.file.v[0].state, DEAD_REPLAY);
    foresee_answer = CO_RANGE;
    assert_int_equal(letters_foresee(&letters, NULL), CO_OK);
    assert_int_equal(letters.file.v[0].state, DEAD_FINAL);
    revived = 0;
    assert_int_equal(letters_revive(&letters, NULL, &more, &diag), CO_OK);
    assert_int_equal(revived, 0);
}

static void
a_full_engine_is_waited_for_and_no_memory_is_an_error(void **state)
{
    bool more = false;

    (void)state;
    letters.file.v[0].state = DEAD_REPLAY;
    revived = 0;
    revive_answers[0] = CO_FULL;
    revive_answers[1] = CO_NOMEM;
    revive_answers[2] = CO_OK;
    assert_int_equal(letters_revive(&letters, NULL, &more, &diag), CO_OK);
    assert_true(more);
    assert_int_equal(letters_revive(&letters, NULL, &more, &diag), CO_NOMEM);
    assert_non_null(strstr(diag.text, "cannot draw row 1 again"));
    assert_int_equal(letters_revive(&letters, NULL, &more, &diag), CO_OK);
    assert_false(more);
    assert_int_equal(revived, 3);
}

/* The journal's thread was told of the failure; the next sync of the same
 * file succeeds, and says nothing of what was lost. */
static void
a_failure_that_the_journal_was_told_of_is_one_at_the_end_too(void **state)
{
    (void)state;
    assert_int_equal(letters_sync(&letters, journal, &diag), CO_OK);
    fail_syncs = 1;
    assert_int_equal(journal_commit(journal), CO_IO);
    assert_int_equal(letters_finish(&letters, journal, &diag), CO_IO);
    assert_non_null(strstr(diag.text, "dead letters"));
    assert_int_equal(letters_sync(&letters, journal, &diag), CO_IO);
}

static void
a_file_that_cannot_be_synced_at_the_end_is_an_error(void **state)
{
    int ends[2], real = letters.file.fd;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    letters.file.fd = ends[1]; /* fdatasync refuses pipes */
    assert_int_not_equal(letters_finish(&letters, journal, &diag), CO_OK);
    letters.file.fd = real;
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(letters_that_were_synced_are_finished),
        T(a_full_engine_is_waited_for_and_no_memory_is_an_error),
        T(a_wish_that_is_out_of_reach_is_noted_before_the_replay),
        T(a_failure_that_the_journal_was_told_of_is_one_at_the_end_too),
        T(a_file_that_cannot_be_synced_at_the_end_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
