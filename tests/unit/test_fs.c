/* Files: exclusive locks, whole writes, folders and what is refused. */
#include "common/fs.h"
#include "tests/co_test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/co-test-fs-XXXXXX";
static char at_path[4][PATH_MAX];
static struct co_diag diag;

/* root/name, in one of four buffers taken in turn. */
static const char *
at(const char *name)
{
    static unsigned next;
    char *path = at_path[next++ % 4];

    (void)snprintf(path, PATH_MAX, "%s/%s", root, name);
    return path;
}

static void
put(const char *name, const char *text)
{
    assert_int_equal(co_fs_write_atomic(root, name, text, strlen(text), &diag),
                     CO_OK);
}

static mode_t
mode_of(const char *name)
{
    struct stat st;

    assert_int_equal(lstat(at(name), &st), 0);
    return st.st_mode;
}

static bool
exists(const char *name)
{
    struct stat st;

    return lstat(at(name), &st) == 0;
}

static void
a_folder_is_locked_once(void **state)
{
    co_auto(co_fs_closep) int first = -1;
    int second = -1;
    char pid[32];

    (void)state;
    assert_int_equal(co_fs_lock(root, &first, &diag), CO_OK);
    assert_int_equal(co_fs_lock(root, &second, &diag), CO_BUSY);
    assert_int_equal(second, -1);
    (void)snprintf(pid, sizeof pid, "process %ld.", (long)getpid());
    assert_non_null(strstr(diag.text, pid));
    co_fs_closep(&first);
    assert_int_equal(co_fs_lock(root, &second, &diag), CO_OK);
    co_fs_closep(&second);
}

static void
a_lock_is_not_inherited_by_programs_started(void **state)
{
    co_auto(co_fs_closep) int fd = -1;

    (void)state;
    assert_int_equal(co_fs_lock(root, &fd, &diag), CO_OK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void
a_lock_file_that_is_a_link_is_refused(void **state)
{
    int fd = -1;

    (void)state;
    assert_int_equal(co_fs_mkdirs(at("linked"), &diag), CO_OK);
    assert_int_equal(symlink("/tmp/elsewhere", at("linked/.lock")), 0);
    assert_int_not_equal(co_fs_lock(at("linked"), &fd, &diag), CO_OK);
    assert_non_null(strstr(diag.text, "symbolic link"));
}

static void
an_atomic_write_replaces_the_whole_file(void **state)
{
    co_auto(co_buf_fini) struct co_buf buf;

    (void)state;
    co_buf_init(&buf, 1000);
    put("a.json", "a longer first content");
    put("a.json", "second");
    assert_int_equal(co_fs_read_file(at("a.json"), 100, &buf, &diag), CO_OK);
    assert_string_equal(co_buf_text(&buf), "second");
    assert_int_equal(mode_of("a.json") & 0777, 0600);
    assert_false(exists(".a.json.tmp"));
}

static void
an_atomic_write_does_not_follow_a_planted_link(void **state)
{
    (void)state;
    assert_int_equal(symlink(at("victim"), at(".b.tmp")), 0);
    put("b", "text");
    assert_false(exists("victim"));
    assert_true(S_ISREG(mode_of("b")));
}

static void
writing_where_no_folder_is_says_what_to_do(void **state)
{
    (void)state;
    assert_int_equal(co_fs_write_atomic(at("none"), "x", "", 0, &diag),
                     CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "none/.x.tmp"));
    assert_non_null(strstr(diag.text, "Check the spelling"));
}

static void
a_full_disk_is_reported_as_such(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    if (fd < 0) skip();
    assert_int_equal(co_fs_pwrite_all(fd, "x", 1, 0, "/dev/full", &diag),
                     CO_NOSPACE);
    (void)close(fd);
}

static void
folders_are_made_private_with_those_above(void **state)
{
    (void)state;
    assert_int_equal(co_fs_mkdirs(at("x//y/z/"), &diag), CO_OK);
    assert_int_equal(mode_of("x/y/z") & 0777, 0700);
    assert_int_equal(co_fs_mkdirs(at("x/y/z"), &diag), CO_OK);
}

static void
a_file_or_link_in_place_of_the_folder_is_refused(void **state)
{
    (void)state;
    put("file", "");
    assert_int_equal(co_fs_mkdirs(at("file"), &diag), CO_EXISTS);
    assert_int_equal(co_fs_mkdirs(at("file/below"), &diag), CO_EXISTS);
    assert_int_equal(symlink("/tmp", at("link")), 0);
    assert_int_equal(co_fs_mkdirs(at("link"), &diag), CO_EXISTS);
    assert_non_null(strstr(diag.text, "symbolic link"));
    assert_int_not_equal(co_fs_mkdirs("", &diag), CO_OK);
}

static void
a_file_is_read_up_to_the_limit_and_no_further(void **state)
{
    co_auto(co_buf_fini) struct co_buf buf;

    (void)state;
    co_buf_init(&buf, 1 << 20);
    put("five", "12345");
    assert_int_equal(co_fs_read_file(at("five"), 5, &buf, &diag), CO_OK);
    assert_int_equal(co_fs_read_file(at("five"), 4, &buf, &diag), CO_FULL);
    assert_string_equal(co_buf_text(&buf), "12345");
    /* /proc says size 0 and grows while read: the limit holds there too. */
    assert_int_equal(co_fs_read_file("/proc/self/status", 5, &buf, &diag),
                     CO_FULL);
    assert_int_equal(buf.len, 5);
}

static void
what_is_no_file_is_not_read(void **state)
{
    co_auto(co_buf_fini) struct co_buf buf;

    (void)state;
    co_buf_init(&buf, 100);
    assert_int_equal(co_fs_read_file(root, 5, &buf, &diag), CO_INVALID);
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_int_equal(co_fs_read_file(at("fifo"), 5, &buf, &diag), CO_INVALID);
    assert_int_equal(co_fs_read_file(at("gone"), 5, &buf, &diag), CO_NOTFOUND);
    assert_int_equal(buf.len, 0);
}

static void
a_tree_is_removed_without_following_links(void **state)
{
    (void)state;
    put("keep", "kept");
    assert_int_equal(co_fs_mkdirs(at("t/u/v"), &diag), CO_OK);
    assert_int_equal(co_fs_write_atomic(at("t/u"), "f", "x", 1, &diag), CO_OK);
    assert_int_equal(symlink("../keep", at("t/to-file")), 0);
    assert_int_equal(symlink("..", at("t/to-folder")), 0);
    assert_int_equal(co_fs_remove_tree(at("t"), &diag), CO_OK);
    assert_false(exists("t"));
    assert_true(exists("keep"));
    assert_int_equal(co_fs_remove_tree(at("t"), &diag), CO_OK);
}

static void
a_tree_deeper_than_the_limit_stays(void **state)
{
    char path[PATH_MAX];
    size_t len = (size_t)snprintf(path, sizeof path, "%s/deep", root);

    (void)state;
    for (int i = 0; i < CO_FS_REMOVE_DEPTH + 1; i++) {
        len += (size_t)snprintf(path + len, sizeof path - len, "/d");
    }
    assert_int_equal(co_fs_mkdirs(path, &diag), CO_OK);
    assert_int_equal(co_fs_remove_tree(at("deep"), &diag), CO_FULL);
    assert_true(exists("deep/d"));
    assert_int_equal(co_fs_remove_tree(at("deep/d"), &diag), CO_OK);
}

static void
the_folder_of_this_program_has_this_program(void **state)
{
    co_auto(co_buf_fini) struct co_buf buf;
    uint64_t bytes = 0;

    (void)state;
    co_buf_init(&buf, PATH_MAX);
    assert_int_equal(co_fs_exe_dir(&buf, &diag), CO_OK);
    co_buf_puts(&buf, "/test_fs");
    assert_int_equal(access(co_buf_text(&buf), X_OK), 0);
    assert_int_equal(co_fs_free_bytes(root, &bytes, &diag), CO_OK);
    assert_true(bytes > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_locked_once),
        cmocka_unit_test(a_lock_is_not_inherited_by_programs_started),
        cmocka_unit_test(a_lock_file_that_is_a_link_is_refused),
        cmocka_unit_test(an_atomic_write_replaces_the_whole_file),
        cmocka_unit_test(an_atomic_write_does_not_follow_a_planted_link),
        cmocka_unit_test(writing_where_no_folder_is_says_what_to_do),
        cmocka_unit_test(a_full_disk_is_reported_as_such),
        cmocka_unit_test(folders_are_made_private_with_those_above),
        cmocka_unit_test(a_file_or_link_in_place_of_the_folder_is_refused),
        cmocka_unit_test(a_file_is_read_up_to_the_limit_and_no_further),
        cmocka_unit_test(what_is_no_file_is_not_read),
        cmocka_unit_test(a_tree_is_removed_without_following_links),
        cmocka_unit_test(a_tree_deeper_than_the_limit_stays),
        cmocka_unit_test(the_folder_of_this_program_has_this_program),
    };
    int failed;

    if (!mkdtemp(root)) return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return co_fs_remove_tree(root, NULL) ? 1 : failed;
}
