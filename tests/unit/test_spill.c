/* test_spill.c - results on disk: what comes back is what was put. */
#include "tests/co_test.h"
#include "worker/spill.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 1000 };
static char dir[] = "/tmp/cohort-spill-XXXXXX";

static int
make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
    (void)state;
    return rmdir(dir); /* fails if anything was left inside */
}

static int
setup(void **state)
{
    struct co_diag diag;
    struct spill *s = NULL;

    if (spill_open(dir, LIMIT, &s, &diag)) return -1;
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    spill_free(*state);
    return 0;
}

static enum co_err
put(struct spill *s, uint64_t seq, char letter, size_t len)
{
    static char body[LIMIT];

    memset(body, letter, len);
    return spill_put(s, seq, co_bytes_borrow(body, len));
}

static void
assert_back(struct spill *s, uint64_t seq, char letter, size_t len)
{
    struct co_bytes body;

    assert_int_equal(spill_get(s, seq, &body), CO_OK);
    assert_int_equal(body.len, len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(body.data[i], letter);
    }
    co_bytes_unref(&body);
}

static void
what_was_put_comes_back(void **state)
{
    struct spill *s = *state;

    assert_int_equal(put(s, 7, 'a', 100), CO_OK);
    assert_int_equal(put(s, 9, 'b', 0), CO_OK);
    assert_back(s, 7, 'a', 100);
    assert_back(s, 7, 'a', 100); /* as often as asked */
    assert_back(s, 9, 'b', 0);
    assert_int_equal(spill_count(s), 2);
}

static void
what_was_dropped_is_gone(void **state)
{
    struct spill *s = *state;
    struct co_bytes body;

    assert_int_equal(put(s, 7, 'a', 100), CO_OK);
    spill_drop(s, 7);
    spill_drop(s, 7);
    assert_int_equal(spill_get(s, 7, &body), CO_NOTFOUND);
    assert_int_equal(spill_bytes(s), 0);
    assert_int_equal(lseek(spill_fd(s), 0, SEEK_END), 0); /* given back */
}

static void
a_number_is_put_once(void **state)
{
    assert_int_equal(put(*state, 7, 'a', 10), CO_OK);
    assert_int_equal(put(*state, 7, 'b', 10), CO_EXISTS);
    assert_back(*state, 7, 'a', 10);
}

static void
the_limit_refuses_and_space_is_used_again(void **state)
{
    struct spill *s = *state;

    assert_int_equal(put(s, 1, 'a', 300), CO_OK);
    assert_int_equal(put(s, 2, 'b', 300), CO_OK);
    assert_int_equal(put(s, 3, 'c', 300), CO_OK);
    assert_int_equal(put(s, 4, 'd', 300), CO_FULL);
    spill_drop(s, 2);
    assert_int_equal(put(s, 5, 'e', 100), CO_OK); /* splits the hole */
    assert_int_equal(put(s, 6, 'f', 150), CO_OK);
    assert_back(s, 1, 'a', 300);
    assert_back(s, 5, 'e', 100);
    assert_back(s, 6, 'f', 150);
    assert_back(s, 3, 'c', 300);
    spill_drop(s, 5);
    spill_drop(s, 6);
    assert_int_equal(put(s, 7, 'g', 300), CO_OK); /* the hole is whole again */
    assert_back(s, 3, 'c', 300);
}

static void
many_random_puts_and_drops_stay_right(void **state)
{
    struct spill *s = *state;
    size_t lens[16] = {0};
    unsigned seed = 1;

    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned k = seed >> 16 & 15;

        if (lens[k]) {
            assert_back(s, k + 1, (char)('a' + k), lens[k]);
            spill_drop(s, k + 1);
            lens[k] = 0;
        } else {
            size_t len = (seed >> 20) % 120 + 1;

            if (put(s, k + 1, (char)('a' + k), len) == CO_OK) lens[k] = len;
        }
    }
}

static void
a_changed_byte_is_noticed(void **state)
{
    struct spill *s = *state;
    struct co_bytes body;

    assert_int_equal(put(s, 1, 'a', 50), CO_OK);
    for (off_t at = 0; at < 74; at++) {
        char was, changed;

        assert_int_equal(pread(spill_fd(s), &was, 1, at), 1);
        changed = (char)(was ^ 1);
        assert_int_equal(pwrite(spill_fd(s), &changed, 1, at), 1);
        assert_int_equal(spill_get(s, 1, &body), CO_DAMAGED);
        assert_int_equal(pwrite(spill_fd(s), &was, 1, at), 1);
    }
    assert_back(s, 1, 'a', 50);
}

static void
a_cut_off_file_is_noticed(void **state)
{
    struct spill *s = *state;
    struct co_bytes body;

    assert_int_equal(put(s, 1, 'a', 50), CO_OK);
    assert_int_equal(ftruncate(spill_fd(s), 60), 0);
    assert_int_equal(spill_get(s, 1, &body), CO_DAMAGED);
}

static void
a_folder_that_cannot_be_used_is_named(void **state)
{
    struct co_diag diag = {""};
    struct spill *s = NULL;

    (void)state;
    assert_int_not_equal(spill_open("/dev/null/x", LIMIT, &s, &diag), CO_OK);
    assert_non_null(strstr(diag.text, "/dev/null/x"));
}

/* Whether a spill without a folder takes and gives back a result. */
static void
assert_makes_its_own(void)
{
    struct co_diag diag = {""};
    struct spill *s = NULL;

    assert_int_equal(spill_open(NULL, LIMIT, &s, &diag), CO_OK);
    assert_int_equal(spill_fd(s), -1); /* not before it is needed */
    assert_int_equal(put(s, 1, 'a', 50), CO_OK);
    assert_back(s, 1, 'a', 50);
    spill_free(s);
}

/* That nothing is left there is what remove_dir checks. */
static void
without_a_folder_it_makes_its_own_and_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(setenv("TMPDIR", "/dev/null/x", 1), 0);
    assert_makes_its_own();
    assert_int_equal(setenv("TMPDIR", dir, 1), 0);
    assert_makes_its_own();
    assert_int_equal(unsetenv("TMPDIR"), 0);
    assert_makes_its_own();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_put_comes_back),
        T(what_was_dropped_is_gone),
        T(a_number_is_put_once),
        T(the_limit_refuses_and_space_is_used_again),
        T(many_random_puts_and_drops_stay_right),
        T(a_changed_byte_is_noticed),
        T(a_cut_off_file_is_noticed),
        cmocka_unit_test(without_a_folder_it_makes_its_own_and_leaves_nothing),
        cmocka_unit_test(a_folder_that_cannot_be_used_is_named),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
