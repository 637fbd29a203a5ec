/* test_runtime.c - the folder of sockets is this user's alone. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "common/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[40];
    char path[64]; /* in it, not made yet */
    char endpoint[CO_RUNTIME_ENDPOINT_BYTES];
};

static int
setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.dir = "/tmp/cohort-test-runtime-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof f.path, "%s/run", f.dir);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    (void)unsetenv("XDG_RUNTIME_DIR");
    return (int)co_fs_remove_tree(f->dir, NULL);
}

static void
a_missing_folder_is_made_for_this_user_only(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(co_runtime_private(f->path, NULL), CO_OK);
    assert_int_equal(lstat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(co_runtime_private(f->path, NULL), CO_OK); /* again */
}

static void
a_folder_that_others_may_enter_is_refused(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};

    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(chmod(f->path, 0755), 0);
    assert_int_equal(co_runtime_private(f->path, &diag), CO_DENIED);
    assert_non_null(strstr(diag.text, f->path));
}

static void
a_symbolic_link_is_refused_wherever_it_leads(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(symlink(f->dir, f->path), 0); /* private itself */
    assert_int_equal(co_runtime_private(f->path, NULL), CO_DENIED);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(symlink("/nowhere", f->path), 0);
    assert_int_equal(co_runtime_private(f->path, NULL), CO_DENIED);
}

static void
the_runtime_folder_of_the_session_is_used_when_it_is_private(void **state)
{
    struct fixture *f = *state;
    char wanted[CO_RUNTIME_ENDPOINT_BYTES];

    assert_int_equal(setenv("XDG_RUNTIME_DIR", f->dir, 1), 0);
    assert_int_equal(co_runtime_endpoint("a.sock", f->endpoint, NULL), CO_OK);
    (void)snprintf(wanted, sizeof wanted, "ipc://%s/a.sock", f->dir);
    assert_string_equal(f->endpoint, wanted);
}

static void
else_a_folder_with_the_users_number_is(void **state)
{
    struct fixture *f = *state;
    char long_dir[150];
    char wanted[CO_RUNTIME_ENDPOINT_BYTES];
    const char *const bad[] = {"", "relative", "/nowhere", "/tmp", long_dir};

    (void)snprintf(long_dir, sizeof long_dir, "%s/%0100d", f->dir, 0);
    assert_int_equal(mkdir(long_dir, 0700), 0);
    (void)snprintf(wanted, sizeof wanted, "ipc:///tmp/cohort-%lu/a.sock",
                   (unsigned long)geteuid());
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(setenv("XDG_RUNTIME_DIR", bad[i], 1), 0);
        assert_int_equal(co_runtime_endpoint("a.sock", f->endpoint, NULL),
                         CO_OK);
        assert_string_equal(f->endpoint, wanted);
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_missing_folder_is_made_for_this_user_only),
        T(a_folder_that_others_may_enter_is_refused),
        T(a_symbolic_link_is_refused_wherever_it_leads),
        T(the_runtime_folder_of_the_session_is_used_when_it_is_private),
        T(else_a_folder_with_the_users_number_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
