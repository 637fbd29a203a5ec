/* test_journal_full.c - a journal on a full disk that goes on in the room of
 * its ballast. */
#include "tests/co_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "journal/reader.h"
#include "journal/recover.h"
#include "journal/writer.h"

struct fixture {
    char dir[64];
    struct co_diag diag;
    struct journal *j;
    uint64_t cookie;
};

/* Calls from now on that work, then how many find no room. */
static int writes_good, writes_bad, syncs_bad;

static ssize_t
hook_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    if (writes_bad && writes_good-- <= 0) {
        writes_bad--;
        errno = ENOSPC;
        return -1;
    }
    return pwritev(fd, iov, count, offset);
}

static int
hook_fdatasync(int fd)
{
    if (syncs_bad) {
        syncs_bad--;
        errno = ENOSPC;
        return -1;
    }
    return fdatasync(fd);
}

static int
setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    struct journal_options o = {.use_ballast = true,
                                .threadless = true,
                                .roll_bytes = 400,
                                .io = {hook_pwritev, hook_fdatasync}};

    writes_good = writes_bad = syncs_bad = 0;
    (void)strcpy(f->dir, "/tmp/test_jfull.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(journal_start(f->dir, 7, 1, NULL, &o, &f->j, &f->diag),
                     CO_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    journal_free(f->j);
    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    test_free(f);
    return 0;
}

static bool
has_ballast(const struct fixture *f)
{
    char path[128];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/ballast", f->dir);
    return stat(path, &st) == 0;
}

/* What the journal answers about a record of 64 bytes. */
static enum co_err
commits(struct fixture *f)
{
    uint8_t text[64] = {0};
    struct co_bytes part = co_bytes_borrow(text, sizeof text);
    struct journal_answer *a;
    enum co_err err;

    f->cookie++;
    err = journal_append(f->j, RECORD_NOTE, &part, 1, f->cookie);
    if (err) return err;
    (void)!journal_commit(f->j);
    a = journal_take(f->j);
    assert_non_null(a);
    assert_int_equal(a->last_cookie, f->cookie);
    err = a->err;
    free(a);
    return err;
}

/* How many records a successor finds; the journal is sound. */
static uint64_t
notes_on_disk(struct fixture *f)
{
    struct journal_report report;

    journal_free(co_take(&f->j));
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.torn_bytes, 0);
    return report.notes;
}

static void
a_write_without_room_is_made_in_that_of_the_ballast_and_more_follow(
    void **state)
{
    struct fixture *f = *state;

    assert_int_equal(commits(f), CO_OK);
    assert_true(has_ballast(f));
    assert_false(journal_is_full(f->j, NULL));
    writes_bad = 1;
    assert_int_equal(commits(f), CO_OK);
    assert_false(has_ballast(f));
    assert_true(journal_is_full(f->j, &f->diag));
    assert_non_null(strstr(f->diag.text, "No space left on device"));
    assert_int_equal(journal_error(f->j, NULL), CO_OK);
    for (int i = 0; i < 20; i++) { /* over several segments */
        assert_int_equal(commits(f), CO_OK);
    }
    assert_true(journal_segment(f->j).sequence > 2);
    assert_int_equal(notes_on_disk(f), f->cookie);
}

static void
the_second_write_without_room_is_final(void **state)
{
    struct fixture *f = *state;

    writes_bad = 1;
    assert_int_equal(commits(f), CO_OK);
    writes_bad = 1;
    assert_int_equal(commits(f), CO_NOSPACE);
    assert_int_equal(commits(f), CO_NOSPACE);
    assert_int_equal(journal_error(f->j, NULL), CO_NOSPACE);
    assert_int_equal(notes_on_disk(f), 1);
}

static void
a_sync_without_room_is_final_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(commits(f), CO_OK);
    syncs_bad = 1;
    assert_int_equal(commits(f), CO_NOSPACE);
    assert_false(journal_is_full(f->j, NULL));
    assert_int_equal(commits(f), CO_NOSPACE);
}

/* Each write of the commits that start new segments, in turn. */
static void
a_segment_begun_without_room_is_whole_before_a_record_is_in_it(void **state)
{
    for (int good = 0; good < 12; good++) {
        struct fixture *f = *state;

        writes_good = good;
        writes_bad = 1;
        for (int i = 0; i < 12; i++) {
            assert_int_equal(commits(f), CO_OK);
        }
        assert_int_equal(writes_bad, 0);
        assert_true(journal_is_full(f->j, NULL));
        assert_int_equal(notes_on_disk(f), 12);
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_write_without_room_is_made_in_that_of_the_ballast_and_more_follow),
        T(the_second_write_without_room_is_final),
        T(a_sync_without_room_is_final_at_once),
        T(a_segment_begun_without_room_is_whole_before_a_record_is_in_it),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
