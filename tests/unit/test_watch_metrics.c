/* What /metrics says of money and endpoints, and how fast money goes. */
#include "coordinator/spend_rate.h"
#include "coordinator/watch_metrics_llm.h"
#include "tests/co_test.h"

#include <string.h>

enum { SECOND_US = 1000000 };

#define JOB "00000000000000aa"
static const int64_t usd = 1000000000000;

static void
assert_says(struct co_buf *out, const char *line)
{
    const char *at = strstr(co_buf_text(out), line);

    if (!at || (at != co_buf_text(out) && at[-1] != '\n') ||
        at[strlen(line)] != '\n') {
        fail_msg("\"%s\" is not a line of:\n%s", line, co_buf_text(out));
    }
}

static struct kind_money
some_money(void)
{
    struct kind_money m = {.has_price = true,
                           .cap = 5 * usd,
                           .settled = usd + usd / 4,
                           .unknown = 1,
                           .reserved = 0,
                           .input_tokens = 100,
                           .cached_tokens = 30,
                           .output_tokens = 7,
                           .gone = 3,
                           .salvaged = 2,
                           .lost = 1,
                           .mended = 4,
                           .rows_dead = 6};

    m.outcomes[ASK_ANSWER] = 9;
    m.outcomes[ASK_FILTERED] = 1;
    return m;
}

static void
money_is_told_in_exact_usd_and_calls_by_their_outcome(void **state)
{
    const struct kind_money m = some_money();
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1 << 16);
    watch_metrics_money(JOB, &m, &out);
    assert_says(&out, "cohort_job_settled_usd_total{job_id=\"" JOB "\"} 1.25");
    assert_says(&out,
                "cohort_job_unknown_usd{job_id=\"" JOB "\"} 0.000000000001");
    assert_says(&out, "cohort_job_reserved_usd{job_id=\"" JOB "\"} 0");
    assert_says(&out, "cohort_job_budget_usd{job_id=\"" JOB "\"} 5");
    assert_says(&out, "cohort_job_calls_total{job_id=\"" JOB
                      "\",outcome=\"answer\"} 9");
    assert_says(&out, "cohort_job_calls_total{job_id=\"" JOB
                      "\",outcome=\"filtered\"} 1");
    assert_says(&out, "cohort_job_tokens_total{job_id=\"" JOB
                      "\",class=\"input\"} 70");
    assert_says(&out, "cohort_job_tokens_total{job_id=\"" JOB
                      "\",class=\"cached_input\"} 30");
    assert_says(&out, "cohort_job_calls_lost_total{job_id=\"" JOB "\"} 3");
    assert_says(&out, "cohort_job_calls_salvaged_total{job_id=\"" JOB "\"} 2");
    assert_says(&out, "cohort_job_calls_unknown{job_id=\"" JOB "\"} 1");
    assert_says(&out, "cohort_job_asks_mended_total{job_id=\"" JOB "\"} 4");
    assert_says(&out, "cohort_job_rows_given_up_total{job_id=\"" JOB "\"} 6");
    co_buf_fini(&out);
}

static void
what_is_not_known_has_no_sample(void **state)
{
    struct kind_money m = some_money();
    struct co_buf out;

    (void)state;
    m.has_price = false;
    m.cap = -1;
    co_buf_init(&out, 1 << 16);
    watch_metrics_money(JOB, &m, &out);
    assert_null(strstr(co_buf_text(&out), "usd{"));
    assert_null(strstr(co_buf_text(&out), "usd_total{"));
    assert_non_null(strstr(co_buf_text(&out), "cohort_job_calls_total{"));
    co_buf_clear(&out);
    watch_metrics_money(JOB, NULL, &out); /* it pays for nothing */
    watch_metrics_endpoints(NULL, 0, 0, &out);
    assert_null(strchr(co_buf_text(&out), '{'));
    assert_says(&out, "# TYPE cohort_endpoint_open gauge");
    co_buf_fini(&out);
}

static void
endpoints_are_told_with_what_names_them(void **state)
{
#define LABELS                                                                 \
    "{provider=\"main\",url=\"http://h/"                                       \
    "\\\"v1\",endpoint=\"00000000000000ee\"} "
    const struct endpoint_state e = {.id = "00000000000000ee",
                                     .provider = "main",
                                     .url = "http://h/\"v1",
                                     .breaker = 2,
                                     .hold_until = 3500000,
                                     .rpm = 600,
                                     .requests_60s = 12,
                                     .refusals = 4,
                                     .latency_us = 312000};
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1 << 16);
    watch_metrics_endpoints(&e, 1, 1000000, &out);
    assert_says(&out, "cohort_endpoint_open" LABELS "1");
    assert_says(&out, "cohort_endpoint_wait_seconds" LABELS "2.500");
    assert_says(&out, "cohort_endpoint_minute_requests" LABELS "12");
    assert_says(&out, "cohort_endpoint_minute_requests_max" LABELS "600");
    assert_says(&out, "cohort_endpoint_refusals_total" LABELS "4");
    assert_says(&out, "cohort_endpoint_latency_seconds" LABELS "0.312");
    co_buf_fini(&out);
#undef LABELS
}

/* A cent a second; looked at four times a second. */
static void
the_rate_of_spending_is_that_of_the_last_minute(void **state)
{
    struct spend_rate r = {.taken = 0};
    int64_t spent = 0, now_us = 7, rate = -1;

    (void)state;
    assert_int_equal(spend_rate_take(&r, -1, now_us), -1);
    assert_int_equal(spend_rate_take(&r, 0, now_us), -1);
    for (int i = 1; i <= 4 * 90; i++) {
        now_us += SECOND_US / 4;
        spent += usd / 400;
        rate = spend_rate_take(&r, spent, now_us);
        assert_int_equal(rate, usd * 60 / 100);
    }
    for (int i = 0; i < 4 * 64; i++) { /* then nothing */
        now_us += SECOND_US / 4;
        rate = spend_rate_take(&r, spent, now_us);
    }
    assert_int_equal(rate, 0);
    /* A late answer made it less: nothing is earned by that. */
    assert_int_equal(spend_rate_take(&r, spent - usd / 2, now_us + 1), 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_told_in_exact_usd_and_calls_by_their_outcome),
        cmocka_unit_test(what_is_not_known_has_no_sample),
        cmocka_unit_test(endpoints_are_told_with_what_names_them),
        cmocka_unit_test(the_rate_of_spending_is_that_of_the_last_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
