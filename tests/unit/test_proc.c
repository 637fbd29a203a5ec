/* Programs: what a child gets, how its end is seen, how it is stopped. */
#include "common/clock.h"
#include "common/fs.h"
#include "common/lifeline.h"
#include "common/proc.h"
#include "common/signals.h"
#include "tests/co_test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 20000 };

static char root[] = "/tmp/co-test-proc-XXXXXX";
static struct co_diag diag;

static pid_t
shell(const char *script, const struct co_proc_opts *opts)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    pid_t pid = 0;

    if (co_proc_spawn(argv, opts, &pid, &diag)) fail_msg("%s", diag.text);
    return pid;
}

static int
exit_code(pid_t pid)
{
    struct co_proc_exit end;

    assert_int_equal(co_proc_wait(pid, SOON_MS, &end), CO_OK);
    assert_int_equal(end.signal, 0);
    return end.code;
}

/* What the program writes to stdout. */
static const char *
output_of(const char *const *argv, struct co_proc_opts opts)
{
    static char text[4096];
    co_auto(co_buf_fini) struct co_buf buf;
    char path[200];
    pid_t pid = 0;

    (void)snprintf(path, sizeof path, "%s/out", root);
    (void)unlink(path);
    opts.stdout_path = path;
    assert_int_equal(co_proc_spawn(argv, &opts, &pid, &diag), CO_OK);
    assert_int_equal(exit_code(pid), 0);
    co_buf_init(&buf, sizeof text);
    assert_int_equal(co_fs_read_file(path, sizeof text - 2, &buf, &diag),
                     CO_OK);
    (void)snprintf(text, sizeof text, "%s", co_buf_text(&buf));
    return text;
}

static const char *
output(const char *script, struct co_proc_opts opts)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    return output_of(argv, opts);
}

static void
the_exit_code_comes_back(void **state)
{
    (void)state;
    assert_int_equal(exit_code(shell("exit 3", &(struct co_proc_opts){0})), 3);
}

static void
a_program_that_is_not_there_is_an_error(void **state)
{
    const char *argv[] = {"cohort-no-such-program", NULL};
    struct co_proc_opts opts = {0};
    pid_t pid = 77;

    (void)state;
    assert_int_equal(co_proc_spawn(argv, &opts, &pid, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "cohort-no-such-program"));
    assert_int_equal(pid, 77);
    argv[0] = "/etc/passwd";
    assert_int_equal(co_proc_spawn(argv, &opts, &pid, &diag), CO_DENIED);
    argv[0] = "sh";
    opts.dir = "/no/such/folder";
    assert_int_equal(co_proc_spawn(argv, &opts, &pid, &diag), CO_NOTFOUND);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left over */
}

static void
a_child_has_the_listed_descriptors_and_no_others(void **state)
{
    int leak = open("/dev/null", O_RDONLY), a[2], b[2];
    struct co_proc_fd fds[2];
    struct co_proc_opts opts = {.fds = fds, .fd_count = 2};
    char text[8] = "";

    (void)state;
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    /* Crosswise: each target is the other's source. */
    fds[0] = (struct co_proc_fd){.from = a[1], .to = b[1]};
    fds[1] = (struct co_proc_fd){.from = b[1], .to = a[1]};
    (void)snprintf(text, sizeof text, "%d", leak);
    assert_int_equal(setenv("LEAK", text, 1), 0);
    (void)snprintf(text, sizeof text, "%d", b[1]);
    assert_int_equal(setenv("TO_A", text, 1), 0);
    assert_string_equal(output("eval \"echo hi >&$TO_A\"\n"
                               "test -e /proc/$$/fd/$LEAK && echo leaked\n"
                               "echo done",
                               opts),
                        "done\n");
    assert_int_equal(read(a[0], text, sizeof text), 3);
    assert_memory_equal(text, "hi\n", 3);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
    (void)close(leak);
}

static void
a_variable_named_without_a_value_is_taken_out_of_the_environment(void **state)
{
    const char *env[] = {"CO_TEST_A", "CO_TEST_NONE", NULL};

    (void)state;
    assert_int_equal(setenv("CO_TEST_A", "old", 1), 0);
    assert_int_equal(setenv("CO_TEST_AB", "ab", 1), 0);
    assert_int_equal(unsetenv("CO_TEST_NONE"), 0);
    assert_string_equal(output("env | grep -o '^CO_TEST_A.*'; "
                               "env | grep -c CO_TEST_NONE; true",
                               (struct co_proc_opts){.env = env}),
                        "CO_TEST_AB=ab\n0\n");
    assert_int_equal(unsetenv("CO_TEST_A"), 0);
    assert_int_equal(unsetenv("CO_TEST_AB"), 0);
}

static void
the_environment_is_the_own_with_additions(void **state)
{
    const char *env[] = {"CO_TEST_A=new", "CO_TEST_C=c", NULL};

    (void)state;
    assert_int_equal(setenv("CO_TEST_A", "old", 1), 0);
    assert_int_equal(setenv("CO_TEST_B", "b", 1), 0);
    assert_string_equal(output("echo $CO_TEST_A $CO_TEST_B $CO_TEST_C; "
                               "env | grep -c CO_TEST_A=",
                               (struct co_proc_opts){.env = env}),
                        "new b c\n1\n");
}

static void
a_child_starts_in_its_folder_with_default_signals(void **state)
{
    /* Not through a shell, which would reset signals itself. */
    const char *argv[] = {"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status",
                          NULL};
    char expected[200];
    int fd = -1;

    (void)state;
    assert_int_equal(co_signals_open(&fd), CO_OK);
    assert_string_equal(output_of(argv, (struct co_proc_opts){0}),
                        "SigBlk:\t0000000000000000\n"
                        "SigIgn:\t0000000000000000\n");
    co_signals_close(&fd);
    (void)snprintf(expected, sizeof expected, "%s\n", root);
    assert_string_equal(output("pwd", (struct co_proc_opts){.dir = root}),
                        expected);
}

static void
waiting_ends_at_the_deadline_and_stopping_stops(void **state)
{
    pid_t pid = shell("exec sleep 1000", &(struct co_proc_opts){0});
    struct co_proc_exit end = {0};

    (void)state;
    assert_int_equal(co_proc_wait(pid, 0, &end), CO_TIMEOUT);
    assert_int_equal(co_proc_wait(pid, 10, &end), CO_TIMEOUT);
    assert_int_equal(co_proc_stop(pid, SOON_MS, &end), CO_OK);
    assert_int_equal(end.signal, SIGTERM);
    assert_int_equal(co_proc_wait(pid, 0, &end), CO_NOTFOUND);
}

static void
who_does_not_listen_is_killed(void **state)
{
    int ready[2];
    struct co_proc_fd fd;
    struct co_proc_opts opts = {.fds = &fd, .fd_count = 1};
    struct co_proc_exit end = {0};
    pid_t pid;
    char c;

    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    fd = (struct co_proc_fd){.from = ready[1], .to = 3};
    pid = shell("trap '' TERM; echo >&3; exec sleep 1000", &opts);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(co_proc_stop(pid, 10, &end), CO_OK);
    assert_int_equal(end.signal, SIGKILL);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* A parent in between, which starts a child and is killed. The pipe's end
 * tells that the child is gone too: only the child has the write end. */
static void
a_child_dies_with_its_parent(void **state)
{
    int line[2];
    struct pollfd p;
    pid_t middle;

    (void)state;
    assert_int_equal(pipe2(line, O_CLOEXEC), 0);
    middle = fork();
    if (middle == 0) {
        struct co_proc_fd fd = {.from = line[1], .to = 3};
        struct co_proc_opts opts = {
            .fds = &fd, .fd_count = 1, .death_signal = SIGKILL};
        const char *argv[] = {"sleep", "1000", NULL};
        pid_t pid;

        _exit(co_proc_spawn(argv, &opts, &pid, NULL) ? 1 : 0);
    }
    (void)close(line[1]);
    assert_int_equal(exit_code(middle), 0);
    p = (struct pollfd){.fd = line[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    assert_true(p.revents & POLLHUP);
    (void)close(line[0]);
}

static void
a_lifeline_is_cut_when_the_parent_lets_go(void **state)
{
    const char *env[] = {co_lifeline_env(), NULL};
    struct co_lifeline line;
    struct co_proc_fd fd;
    struct co_proc_opts opts = {.fds = &fd, .fd_count = 1, .env = env};
    pid_t pid;

    (void)state;
    assert_int_equal(co_lifeline_init(&line), CO_OK);
    fd = co_lifeline_pass(&line);
    pid = shell("read x <&$COHORT_LIFELINE; exit 5", &opts);
    assert_false(co_lifeline_cut(line.child_fd));
    assert_int_equal(co_proc_wait(pid, 10, NULL), CO_TIMEOUT);
    co_fs_closep(&line.held_fd);
    assert_true(co_lifeline_cut(line.child_fd));
    assert_int_equal(exit_code(pid), 5);
    co_lifeline_fini(&line);
    assert_false(co_lifeline_cut(-1));
}

static void
without_a_lifeline_none_is_adopted(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("COHORT_LIFELINE"), 0);
    assert_int_equal(co_lifeline_adopt(), -1);
}

static void
signals_come_out_of_the_descriptor(void **state)
{
    int fd = -1;
    pid_t pid;

    (void)state;
    assert_int_equal(co_signals_open(&fd), CO_OK);
    assert_int_equal(co_signals_next(fd), 0);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(co_signals_next(fd), SIGTERM);
    pid = shell("exit 0", &(struct co_proc_opts){0});
    assert_int_equal(
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, SOON_MS), 1);
    assert_int_equal(co_signals_next(fd), SIGCHLD);
    assert_int_equal(co_proc_wait(pid, 0, NULL), CO_OK);
    assert_int_equal(raise(SIGPIPE), 0); /* ignored: we live on */
    co_signals_close(&fd);
    assert_int_equal(fd, -1);
}

static void
the_limit_of_open_files_is_raised_as_far_as_allowed(void **state)
{
    uint64_t now = 0;

    (void)state;
    assert_int_equal(co_proc_rlimit_nofile(16, &now, &diag), CO_OK);
    assert_true(now >= 16);
    assert_int_equal(co_proc_rlimit_nofile(UINT64_MAX - 1, &now, &diag),
                     CO_RANGE);
    assert_non_null(strstr(diag.text, "Raise the hard limit"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_comes_back),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error),
        cmocka_unit_test(a_child_has_the_listed_descriptors_and_no_others),
        cmocka_unit_test(the_environment_is_the_own_with_additions),
        cmocka_unit_test(
            a_variable_named_without_a_value_is_taken_out_of_the_environment),
        cmocka_unit_test(a_child_starts_in_its_folder_with_default_signals),
        cmocka_unit_test(waiting_ends_at_the_deadline_and_stopping_stops),
        cmocka_unit_test(who_does_not_listen_is_killed),
        cmocka_unit_test(a_child_dies_with_its_parent),
        cmocka_unit_test(a_lifeline_is_cut_when_the_parent_lets_go),
        cmocka_unit_test(without_a_lifeline_none_is_adopted),
        cmocka_unit_test(signals_come_out_of_the_descriptor),
        cmocka_unit_test(the_limit_of_open_files_is_raised_as_far_as_allowed),
    };
    int failed;

    if (!mkdtemp(root)) return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return co_fs_remove_tree(root, NULL) ? 1 : failed;
}
