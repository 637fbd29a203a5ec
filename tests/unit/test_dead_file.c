/* dead.jsonl: what is written is read back, and it never grows beyond what can
 * be read. */
#include "job/dead_file.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static int
setup(void **state)
{
    (void)state;
    (void)strcpy(dir, "/tmp/test_dead_file.XXXXXX");
    return mkdtemp(dir) ? 0 : 1;
}

static int
teardown(void **state)
{
    char path[96];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/dead.jsonl", dir);
    (void)unlink(path);
    return rmdir(dir);
}

static struct dead_file
loaded(void)
{
    struct dead_file f;

    assert_int_equal(dead_file_load(dir, &f, NULL), CO_OK);
    return f;
}

static enum co_err
add(struct dead_file *f, uint64_t task)
{
    char line[128];
    int n = snprintf(line, sizeof line,
                     "{\"letter\":1,\"task\":\"%016llx\",\"row\":%llu}",
                     (unsigned long long)task, (unsigned long long)task);

    return dead_file_add(f, line, (size_t)n, NULL);
}

static void
letters_and_marks_are_read_back(void **state)
{
    struct dead_file f = loaded();

    (void)state;
    assert_int_equal(add(&f, 1), CO_OK);
    assert_int_equal(add(&f, 2), CO_OK);
    assert_int_equal(add(&f, 1), CO_EXISTS);
    assert_int_equal(dead_file_mark(&f, 2, DEAD_REPLAY, 5, NULL), CO_OK);
    assert_int_equal(dead_file_mark(&f, 3, DEAD_REPLAY, 5, NULL), CO_NOTFOUND);
    dead_file_fini(&f);
    f = loaded();
    assert_int_equal(f.n, 2);
    assert_int_equal(f.v[0].state, DEAD_OPEN);
    assert_int_equal(f.v[1].state, DEAD_REPLAY);
    dead_file_fini(&f);
}

static void
a_mark_that_stands_already_writes_nothing(void **state)
{
    struct dead_file f = loaded();
    uint64_t bytes;

    (void)state;
    assert_int_equal(add(&f, 1), CO_OK);
    assert_int_equal(dead_file_mark(&f, 1, DEAD_REPLAY, 5, NULL), CO_OK);
    bytes = f.whole;
    assert_int_equal(dead_file_mark(&f, 1, DEAD_REPLAY, 6, NULL), CO_OK);
    assert_int_equal(f.whole, bytes);
    dead_file_fini(&f);
}

static void
a_full_file_refuses_people_and_lets_runs_finish_what_they_were_asked(
    void **state)
{
    struct co_diag diag;
    struct dead_file f = loaded();
    int marks = 0;

    (void)state;
    f.bytes_max = 4096;
    assert_int_equal(add(&f, 1), CO_OK);
    for (;; marks++) {
        enum dead_state to = marks % 2 ? DEAD_REPLAY : DEAD_DISCARDED;

        assert_true(marks < 100);
        if (dead_file_mark(&f, 1, to, 5, &diag)) break;
    }
    assert_non_null(strstr(diag.text, "is full"));
    assert_int_equal(add(&f, 2), CO_FULL);
    assert_int_equal(f.unkept, 2);
    assert_int_equal(dead_file_mark(&f, 1, DEAD_REPLAYED, 5, &diag), CO_OK);
    assert_true(f.whole <= f.bytes_max);
    dead_file_fini(&f);
}

static void
what_was_written_is_handed_out_for_syncing_once(void **state)
{
    struct dead_file f = loaded();

    (void)state;
    assert_int_equal(dead_file_take_dirty(&f), -1);
    assert_int_equal(dead_file_sync(&f, NULL), CO_OK);
    assert_int_equal(add(&f, 1), CO_OK);
    assert_int_equal(dead_file_take_dirty(&f), f.fd);
    assert_int_equal(dead_file_take_dirty(&f), -1);
    assert_int_equal(dead_file_sync(&f, NULL), CO_OK);
    dead_file_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(letters_and_marks_are_read_back),
        T(a_mark_that_stands_already_writes_nothing),
        T(a_full_file_refuses_people_and_lets_runs_finish_what_they_were_asked),
        T(what_was_written_is_handed_out_for_syncing_once),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
