/* The text format, and the server around it: what is served is what was
 * published last, and nothing that a client does reaches the program. */
#include "common/metrics.h"
#include "common/metrics_text.h"
#include "tests/co_test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
labels_and_help_are_escaped(void **state)
{
    const char *const labels[] = {"name", "a\"b\\c\nd", "kind", "x", NULL};
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 4096);
    co_metrics_family(&out, "cohort_x", CO_METRICS_GAUGE, "one \\ two\n\"3\"");
    co_metrics_sample(&out, "cohort_x", labels, 7);
    co_metrics_milli(&out, "cohort_x", NULL, 12034);
    assert_string_equal(co_buf_text(&out),
                        "# HELP cohort_x one \\\\ two\\n\"3\"\n"
                        "# TYPE cohort_x gauge\n"
                        "cohort_x{name=\"a\\\"b\\\\c\\nd\",kind=\"x\"} 7\n"
                        "cohort_x 12.034\n");
    co_buf_fini(&out);
}

static void
addresses_are_numbers_and_loopback(void **state)
{
    static const struct {
        const char *address;
        enum co_err err;
    } cases[] = {
        {"", CO_USAGE},
        {"9464", CO_USAGE},
        {":9464", CO_USAGE},
        {"localhost:9464", CO_USAGE},
        {"1.2.3:1", CO_USAGE},
        {"127.0.0.1:", CO_USAGE},
        {"127.0.0.1:x", CO_USAGE},
        {"127.0.0.1:65536", CO_USAGE},
        {"127.0.0.1:-1", CO_USAGE},
        {"[::1:1", CO_USAGE},
        {"0.0.0.0:0", CO_DENIED},
        {"10.0.0.1:0", CO_DENIED},
        {"[::]:0", CO_DENIED},
    };
    struct co_metrics *m;
    struct co_diag diag;

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_int_equal(co_metrics_start(cases[i].address, false, &m, &diag),
                         cases[i].err);
        assert_non_null(strstr(diag.text, "--metrics"));
    }
    assert_int_equal(co_metrics_start("127.0.0.9:0", false, &m, &diag), CO_OK);
    assert_int_equal(strncmp(co_metrics_address(m), "127.0.0.9:", 10), 0);
    /* Taken: said, with the address. */
    {
        struct co_metrics *again;

        assert_int_equal(
            co_metrics_start(co_metrics_address(m), false, &again, &diag),
            CO_BUSY);
        assert_non_null(strstr(diag.text, co_metrics_address(m)));
    }
    co_metrics_free(m);
}

/* The whole answer to a request; the caller frees. */
static char *
ask(const struct co_metrics *m, const char *request)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char *answer = calloc(1, 1 << 16);
    const char *port = strrchr(co_metrics_address(m), ':') + 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    ssize_t got;

    assert_non_null(answer);
    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    while ((got = read(fd, answer + n, (1 << 16) - 1 - n)) > 0) {
        n += (size_t)got;
    }
    (void)close(fd);
    return answer;
}

static void
assert_answer(const struct co_metrics *m, const char *request,
              const char *first, const char *part)
{
    char *answer = ask(m, request);

    if (strncmp(answer, first, strlen(first)) != 0 || !strstr(answer, part)) {
        fail_msg("%s got: %s", request, answer);
    }
    free(answer);
}

#define GET "GET /metrics HTTP/1.0\r\n\r\n"

static void
the_newest_text_is_served_until_a_whole_new_one_comes(void **state)
{
    struct co_metrics *m;
    struct co_diag diag;
    struct co_buf text;

    (void)state;
    co_buf_init(&text, 64);
    assert_int_equal(co_metrics_start("127.0.0.1:0", false, &m, &diag), CO_OK);
    assert_answer(m, GET, "HTTP/1.1 503", "starting");
    assert_true(co_metrics_due(m, 0));
    co_buf_puts(&text, "one 1\n");
    co_metrics_publish(m, &text, 5000);
    assert_false(co_metrics_due(m, 5999));
    assert_true(co_metrics_due(m, 6000));
    assert_answer(m, GET, "HTTP/1.1 200", "\none 1\n");
    assert_answer(m, GET, "HTTP/1.1 200", "\ncohort_metrics_served_total 1\n");
    /* A text that did not fit leaves the older one. */
    for (int i = 0; i < 20; i++) {
        co_buf_puts(&text, "two 2\n");
    }
    assert_int_not_equal(text.err, CO_OK);
    co_metrics_publish(m, &text, 7000);
    assert_answer(m, GET, "HTTP/1.1 200", "\none 1\n");
    co_buf_fini(&text);
    co_metrics_free(m);
}

static void
anything_else_is_refused(void **state)
{
    struct co_metrics *m;
    struct co_diag diag;
    struct co_buf text;

    (void)state;
    co_buf_init(&text, 64);
    co_buf_puts(&text, "one 1\n");
    assert_int_equal(co_metrics_start("127.0.0.1:0", false, &m, &diag), CO_OK);
    co_metrics_publish(m, &text, 0);
    assert_answer(m, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404", "/metrics");
    assert_answer(m, "DELETE /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 405",
                  "Allow: GET, HEAD");
    assert_answer(m, "POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
                  "HTTP/1.1 405", "GET /metrics");
    assert_answer(m, "garbage\r\n\r\n", "", ""); /* no HTTP: broken off */
    assert_answer(m, GET, "HTTP/1.1 200", "\ncohort_metrics_refused_total 3\n");
    co_buf_fini(&text);
    co_metrics_free(m);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_help_are_escaped),
        cmocka_unit_test(addresses_are_numbers_and_loopback),
        cmocka_unit_test(the_newest_text_is_served_until_a_whole_new_one_comes),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
