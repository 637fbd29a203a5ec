/* Log lines: one line each whatever the values hold, bounded, whole. */
#include "common/log.h"
#include "tests/co_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char log_path[] = "/tmp/co-test-log-XXXXXX";
static char content[1 << 20];

/* What the log file holds now; empties it. */
static const char *
logged(void)
{
    int fd = open(log_path, O_RDWR | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0);
    n = read(fd, content, sizeof content - 1);
    assert_true(n >= 0);
    content[n] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    (void)close(fd);
    return content;
}

static void
log_to_file(enum co_log_level level)
{
    struct co_diag diag;

    assert_int_equal(co_log_open("tester", level, log_path, &diag), CO_OK);
}

static void
a_line_has_time_level_program_event_and_values(void **state)
{
    const char *line;

    (void)state;
    log_to_file(CO_LOG_INFO);
    co_log(CO_LOG_WARN, "worker.lost", "worker=%d held=%u", 7, 3u);
    line = logged();
    assert_int_equal(line[4], '-');
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[19], '.');
    assert_string_equal(line + 23,
                        "Z warn tester worker.lost worker=7 held=3\n");
}

static void
events_above_the_level_are_left_out(void **state)
{
    (void)state;
    log_to_file(CO_LOG_WARN);
    assert_false(co_log_on(CO_LOG_INFO));
    co_log_event(CO_LOG_INFO, "not.seen");
    assert_string_equal(logged(), "");
    co_log_event(CO_LOG_ERROR, "seen");
    assert_non_null(strstr(logged(), " error tester seen\n"));
}

static void
no_value_can_break_the_line(void **state)
{
    const char *line;

    (void)state;
    log_to_file(CO_LOG_INFO);
    co_log(CO_LOG_INFO, "x.y", "a=%s", "1\n2026 error forged \x1b[31m");
    line = logged();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "a=1?2026 error forged ?[31m\n"));
}

static void
a_line_too_long_is_cut_and_says_so(void **state)
{
    char big[2 * CO_LOG_LINE_MAX];
    const char *line;

    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    log_to_file(CO_LOG_INFO);
    co_log(CO_LOG_INFO, "x.y", "a=%s", big);
    line = logged();
    assert_int_equal(strlen(line), CO_LOG_LINE_MAX);
    assert_string_equal(line + CO_LOG_LINE_MAX - 5, "x...\n");
}

static void
values_are_quoted_when_they_must_be(void **state)
{
    (void)state;
    assert_string_equal(co_log_quote("plain-1.2/x").text, "plain-1.2/x");
    assert_string_equal(co_log_quote("two words").text, "\"two words\"");
    assert_string_equal(co_log_quote("a\"b\\c\nd\x01").text,
                        "\"a\\\"b\\\\c\\nd\\x01\"");
    assert_string_equal(co_log_quote("k=v").text, "\"k=v\"");
    assert_string_equal(co_log_quote("").text, "\"\"");
    assert_string_equal(co_log_quote(NULL).text, "\"\"");
}

static void
a_quoted_value_of_any_length_and_escape_fits(void **state)
{
    char big[CO_LOG_QUOTE_MAX * 2];

    (void)state;
    for (size_t len = 1; len < sizeof big; len++) {
        for (const char *c = "x \n\x01"; *c; c++) {
            struct co_log_quoted q;
            size_t n;

            memset(big, *c, len);
            big[len] = '\0';
            q = co_log_quote(big);
            n = strlen(q.text);
            assert_true(n < sizeof q.text);
            if (q.text[0] == '"') assert_int_equal(q.text[n - 1], '"');
            if (len >= sizeof q.text) assert_non_null(strstr(q.text, "..."));
        }
    }
}

static void
logging_keeps_errno(void **state)
{
    (void)state;
    log_to_file(CO_LOG_INFO);
    errno = ENOSPC;
    co_log(CO_LOG_INFO, "x.y", "why=%s", "z");
    assert_int_equal(errno, ENOSPC);
    (void)logged();
}

static void
a_log_file_that_cannot_be_opened_is_an_error(void **state)
{
    struct co_diag diag;

    (void)state;
    assert_int_equal(
        co_log_open("tester", CO_LOG_INFO, "/nowhere/at/all.log", &diag),
        CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "/nowhere/at/all.log"));
}

static void
often_repeated_events_are_counted_not_logged(void **state)
{
    struct co_log_limit limit = {0};
    uint64_t more = 99;

    (void)state;
    assert_true(co_log_every(&limit, 1000, 500, &more));
    assert_int_equal(more, 0);
    assert_false(co_log_every(&limit, 1001, 500, &more));
    assert_false(co_log_every(&limit, 1499, 500, &more));
    assert_true(co_log_every(&limit, 1500, 500, &more));
    assert_int_equal(more, 2);
}

static void *
log_many(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        co_log(CO_LOG_INFO, "x.y", "from=%s", (const char *)arg);
    }
    return NULL;
}

static void
lines_of_two_threads_stay_whole(void **state)
{
    char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    pthread_t thread;
    size_t lines = 0;

    (void)state;
    log_to_file(CO_LOG_INFO);
    assert_int_equal(pthread_create(&thread, NULL, log_many, a), 0);
    (void)log_many(b);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (const char *line = logged(); *line; lines++) {
        const char *end = strchr(line, '\n');

        assert_non_null(end);
        assert_true(memcmp(end - 32, a, 32) == 0 ||
                    memcmp(end - 32, b, 32) == 0);
        line = end + 1;
    }
    assert_int_equal(lines, 2000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_program_event_and_values),
        cmocka_unit_test(events_above_the_level_are_left_out),
        cmocka_unit_test(no_value_can_break_the_line),
        cmocka_unit_test(a_line_too_long_is_cut_and_says_so),
        cmocka_unit_test(values_are_quoted_when_they_must_be),
        cmocka_unit_test(a_quoted_value_of_any_length_and_escape_fits),
        cmocka_unit_test(logging_keeps_errno),
        cmocka_unit_test(a_log_file_that_cannot_be_opened_is_an_error),
        cmocka_unit_test(often_repeated_events_are_counted_not_logged),
        cmocka_unit_test(lines_of_two_threads_stay_whole),
    };
    int fd = mkstemp(log_path);
    int failed;

    if (fd < 0) return 1;
    (void)close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    co_log_close();
    (void)unlink(log_path);
    return failed;
}
