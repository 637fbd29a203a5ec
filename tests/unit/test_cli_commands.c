/* The command: its table, exit codes, children, the folder of a run, and the
 * list of runs. */
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/job_state.h"
#include "cli/registry.h"
#include "cli/rundir.h"
#include "cli/say.h"
#include "common/clock.h"
#include "common/fs.h"
#include "tests/co_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SOON_MS = 20000 };

static char root[] = "/tmp/co-test-cli-XXXXXX";
static struct co_diag diag;

/* ---- the table ---- */

static const struct cli_command *
found(const char *first, const char *second)
{
    char a[32], b[32];
    char *argv[] = {(char[]){"cohort"}, a, b, NULL};
    int words = 0;

    (void)snprintf(a, sizeof a, "%s", first);
    (void)snprintf(b, sizeof b, "%s", second);
    return commands_find(second[0] ? 3 : 2, argv, &words);
}

static void
every_command_is_found_by_its_name(void **state)
{
    size_t count;
    const struct cli_command *all = commands_all(&count);

    (void)state;
    assert_true(count >= 9);
    for (size_t i = 0; i < count; i++) {
        char name[64], *space;

        (void)snprintf(name, sizeof name, "%s", all[i].name);
        space = strchr(name, ' ');
        if (space) *space = '\0';
        assert_ptr_equal(found(name, space ? space + 1 : "x"), &all[i]);
        assert_non_null(all[i].run);
    }
}

static void
half_a_name_is_no_command(void **state)
{
    (void)state;
    assert_null(found("journal", ""));
    assert_null(found("journal", "mend"));
    assert_null(found("ru", ""));
    assert_null(found("runs", ""));
    assert_null(found("", ""));
}

static void
a_typo_is_answered_with_the_nearest_command(void **state)
{
    (void)state;
    assert_string_equal(commands_nearest("stauts"), "status");
    assert_string_equal(commands_nearest("vlidate"), "validate");
    assert_string_equal(commands_nearest("rum"), "run");
    assert_string_equal(commands_nearest("jornal"), "journal");
    assert_null(commands_nearest("elephant"));
    assert_null(commands_nearest(""));
    assert_null(commands_nearest("an argument that is far too long for this"));
}

static void
the_overview_names_every_command_and_exit_code(void **state)
{
    size_t count;
    const struct cli_command *all = commands_all(&count);
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 8192);
    commands_help(&out);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(co_buf_text(&out), all[i].name));
    }
    assert_non_null(strstr(co_buf_text(&out), "0 complete, 3 partial"));
    co_buf_fini(&out);
}

static void
errors_become_the_documented_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(say_exit(CO_OK), 0);
    assert_int_equal(say_exit(CO_IO), 1);
    assert_int_equal(say_exit(CO_BUSY), 1);
    assert_int_equal(say_exit(CO_USAGE), 2);
    assert_int_equal(say_exit(CO_INVALID), 2);
    assert_int_equal(say_exit(CO_PARTIAL), 3);
}

static void
a_record_is_one_line_whatever_its_values_hold(void **state)
{
    static const struct {
        const char *value, *shown;
    } cases[] = {
        {"plain", "plain"},
        {"two\nlines\r", "two?lines?"},
        {"\x1b[2J\x7f\t", "?[2J??"},
        {"\xc2\x9b"
         "31m",
         "??31m"}, /* CSI in one character */
        {"\x9b"
         "31m",
         "?31m"}, /* the same for 8-bit terminals */
        {"Zo\xc3\xab \xe4\xb8\x80", "Zo\xc3\xab \xe4\xb8\x80"}, /* as it is */
        {"a\u202eb\u202cc\u2066d\u2069", "a???b???c???d???"},   /* directions */
        {"\ufeffa\u200bb\u200dc\u2060", "???a???b???c???"},     /* no width */
        {"a\u2028b\u061cc", "a???b??c"},
        {"a\U000e0041b", "a????b"},
        {"\u2010 \u2030 \u20ac \u2070", "\u2010 \u2030 \u20ac \u2070"},
        {"cut \xe2\x80", "cut \xe2\x80"},
    };
    struct co_buf out;

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        char wanted[64];

        co_buf_init(&out, 4096);
        co_buf_puts(&out, "before\n");
        say_line(&out, "  why  %s", cases[i].value);
        (void)snprintf(wanted, sizeof wanted, "before\n  why  %s\n",
                       cases[i].shown);
        assert_string_equal(co_buf_text(&out), wanted);
        co_buf_fini(&out);
    }
}

/* ---- children ---- */

static struct child
shell(const char *script)
{
    struct child c;

    assert_int_equal(child_init(&c, "shell", NULL), CO_OK);
    child_arg(&c, "sh");
    child_arg(&c, "-c");
    child_arg(&c, script);
    assert_int_equal(child_start(&c, NULL, co_clock_ms(), &diag), CO_OK);
    return c;
}

static void
a_child_tells_how_it_ended_and_what_it_cost(void **state)
{
    struct child c = shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
                           "exit 7");
    char text[80];

    (void)state;
    assert_true(child_wait(&c, SOON_MS));
    assert_int_equal(c.pid, 0);
    assert_int_equal(c.last_exit.code, 7);
    assert_true(c.cpu_us > 0);
    assert_true(c.rss_max > 100000);
    child_exit_text(&c, text, sizeof text);
    assert_string_equal(text, "ended with exit code 7");
    child_fini(&c);
}

static void
the_cost_of_grandchildren_counts(void **state)
{
    struct child c = shell("sh -c 'i=0; while [ $i -lt 100000 ]; do "
                           "i=$((i+1)); done'; exit 0");

    (void)state;
    assert_true(child_wait(&c, SOON_MS));
    assert_true(c.cpu_us > 10000);
    child_fini(&c);
}

static void
a_child_that_ignores_sigterm_is_killed(void **state)
{
    struct child c;
    char log[200], text[80];
    struct stat st;
    int64_t end_ms = co_clock_ms() + SOON_MS;

    (void)state;
    (void)snprintf(log, sizeof log, "%s/ready", root);
    assert_int_equal(child_init(&c, "deaf", log), CO_OK);
    child_arg(&c, "sh");
    child_arg(&c, "-c");
    /* exec keeps the ignored signal, and nothing outlives the kill. */
    child_arg(&c, "trap '' TERM; echo ready; exec tail -f /dev/null");
    assert_int_equal(child_start(&c, NULL, co_clock_ms(), &diag), CO_OK);
    while ((stat(log, &st) || st.st_size == 0) && co_clock_ms() < end_ms) {
        assert_false(child_wait(&c, 5));
    }
    child_stop(&c, 10, 20);
    assert_int_equal(c.pid, 0);
    assert_int_equal(c.last_exit.signal, SIGKILL);
    child_exit_text(&c, text, sizeof text);
    assert_string_equal(text, "was killed by signal 9 (Killed)");
    child_fini(&c);
}

static void
stopping_what_does_not_run_does_nothing(void **state)
{
    struct child c;

    (void)state;
    assert_int_equal(child_init(&c, "none", NULL), CO_OK);
    child_stop(&c, 0, 0);
    assert_true(child_wait(&c, 0));
    assert_false(child_reap(&c));
    child_fini(&c);
}

/* ---- the folder of a run ---- */

static void
a_runs_folder_is_private_and_goes_with_it(void **state)
{
    struct rundir dir;
    struct stat st;
    char path[RUNDIR_PATH_SIZE];

    (void)state;
    assert_int_equal(setenv("XDG_RUNTIME_DIR", root, 1), 0);
    assert_int_equal(rundir_make(&dir, &diag), CO_OK);
    assert_memory_equal(dir.path, root, strlen(root));
    assert_int_equal(stat(dir.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    (void)snprintf(path, sizeof path, "%s", dir.path);
    rundir_remove(&dir);
    assert_int_equal(access(path, F_OK), -1);
}

/* As if it had been made a minute ago. */
static void
make_old(const char *path)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - 60},
                                {.tv_sec = time(NULL) - 60}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
what_a_killed_run_left_is_swept_a_living_one_is_not(void **state)
{
    struct rundir alive;
    char left[200], young[200], foreign[200];

    (void)state;
    assert_int_equal(rundir_make(&alive, &diag), CO_OK);
    (void)snprintf(left, sizeof left, "%s/cohort-run-dead", root);
    (void)snprintf(young, sizeof young, "%s/cohort-run-young", root);
    (void)snprintf(foreign, sizeof foreign, "%s/other", root);
    assert_int_equal(mkdir(left, 0700), 0);
    assert_int_equal(mkdir(young, 0700), 0);
    assert_int_equal(mkdir(foreign, 0700), 0);
    make_old(left);
    make_old(foreign);
    make_old(alive.path);
    assert_int_equal(rundir_sweep(root), 1);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_equal(access(alive.path, F_OK), 0);
    rundir_remove(&alive);
}

/* ---- the list of runs, and how they stand ---- */

static void
given_run_json(const char *dir, const char *text)
{
    assert_int_equal(co_fs_mkdirs(dir, &diag), CO_OK);
    assert_int_equal(
        co_fs_write_atomic(dir, "run.json", text, strlen(text), &diag), CO_OK);
}

static void
runs_are_listed_newest_first_without_those_whose_folder_is_gone(void **state)
{
    struct registry_entry *v, e = {.pid = 1};
    size_t n;

    (void)state;
    assert_int_equal(setenv("XDG_STATE_HOME", root, 1), 0);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(e.out, sizeof e.out, "%s/run-%d", root, i);
        (void)snprintf(e.name, sizeof e.name, "name-%d", i);
        e.started_ms = 1000 + i;
        if (i != 1) assert_int_equal(co_fs_mkdirs(e.out, &diag), CO_OK);
        registry_put(&e);
    }
    registry_put(&e); /* the same folder again: one entry */
    assert_int_equal(registry_list(&v, &n, &diag), CO_OK);
    assert_int_equal(n, 2);
    assert_string_equal(v[0].name, "name-2");
    assert_string_equal(v[1].name, "name-0");
    free(v);
}

static void
a_run_that_says_running_but_has_no_process_is_interrupted(void **state)
{
    struct child c = shell("exit 0");
    struct job_state s;
    char dir[200], text[300];
    pid_t gone = c.pid;

    (void)state;
    assert_true(child_wait(&c, SOON_MS));
    child_fini(&c);
    (void)snprintf(dir, sizeof dir, "%s/interrupted", root);
    (void)snprintf(text, sizeof text,
                   "{\"job\":\"00000000000000ff\",\"name\":\"x\",\"state\":"
                   "\"running\",\"rows\":10,\"redis\":\"\",\"pid\":%d}",
                   (int)gone);
    given_run_json(dir, text);
    assert_int_equal(job_state_of_folder(dir, &s, &diag), CO_OK);
    assert_string_equal(s.state, "interrupted");
    assert_false(s.live);
    assert_false(s.has_ledger);
}

static void
a_finished_run_is_told_from_its_folder(void **state)
{
    struct job_state s;
    char dir[200];

    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/finished", root);
    given_run_json(dir, "{\"job\":\"00000000000000ff\",\"name\":\"x\","
                        "\"state\":\"complete\",\"rows\":10,\"text\":\"done\","
                        "\"ledger\":{\"requested\":10,\"drawn\":12,"
                        "\"accepted\":10,\"rejected\":2}}");
    assert_int_equal(job_state_of_folder(dir, &s, &diag), CO_OK);
    assert_string_equal(s.state, "complete");
    assert_true(s.has_ledger);
    assert_int_equal(s.drawn, 12);
    assert_int_equal(s.rejected, 2);
    assert_string_equal(s.why, "done");
}

static void
a_folder_without_run_json_or_with_garbage_is_an_error(void **state)
{
    static const char *const garbage[] = {
        "",
        "{\"job\":",
        "[1,2]",
        "{}",
        "{\"state\":7,\"job\":\"00000000000000ff\"}",
        "{\"state\":\"complete\",\"job\":\"x\"}",
        "{\"state\":\"\",\"job\":\"00000000000000ff\"}"};
    struct job_state s;
    char dir[200];

    (void)state;
    assert_int_equal(job_state_of_folder(root, &s, &diag), CO_NOTFOUND);
    (void)snprintf(dir, sizeof dir, "%s/garbage", root);
    for (size_t i = 0; i < co_countof(garbage); i++) {
        given_run_json(dir, garbage[i]);
        assert_int_equal(job_state_of_folder(dir, &s, &diag), CO_DAMAGED);
        assert_non_null(strstr(diag.text, "run.json is not what a run writes"));
    }
}

static int
make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int
remove_root(void **state)
{
    (void)state;
    return co_fs_remove_tree(root, NULL) ? -1 : 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_one_line_whatever_its_values_hold),
        cmocka_unit_test(every_command_is_found_by_its_name),
        cmocka_unit_test(half_a_name_is_no_command),
        cmocka_unit_test(a_typo_is_answered_with_the_nearest_command),
        cmocka_unit_test(the_overview_names_every_command_and_exit_code),
        cmocka_unit_test(errors_become_the_documented_exit_codes),
        cmocka_unit_test(a_child_tells_how_it_ended_and_what_it_cost),
        cmocka_unit_test(the_cost_of_grandchildren_counts),
        cmocka_unit_test(a_child_that_ignores_sigterm_is_killed),
        cmocka_unit_test(stopping_what_does_not_run_does_nothing),
        cmocka_unit_test(a_runs_folder_is_private_and_goes_with_it),
        cmocka_unit_test(what_a_killed_run_left_is_swept_a_living_one_is_not),
        cmocka_unit_test(
            runs_are_listed_newest_first_without_those_whose_folder_is_gone),
        cmocka_unit_test(
            a_run_that_says_running_but_has_no_process_is_interrupted),
        cmocka_unit_test(a_finished_run_is_told_from_its_folder),
        cmocka_unit_test(a_folder_without_run_json_or_with_garbage_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
