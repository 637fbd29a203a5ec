/* test_write.c - the service persona.write against an endpoint on a real
 * socket: what is sent, what becomes of each end of a call, and that nothing
 * is sent twice, beyond its allowance, or with a key where it does not belong.
 */
#include "tests/unit/write_fixture.h"

static void
assert_text(struct ask_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.text, expected, text.len);
}

static void
an_answer_comes_back_with_what_it_cost(void **state)
{
    struct served v;
    struct ask_result r;
    struct co_buf content;

    given_good_answer();
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_ANSWER);
    co_buf_init(&content, 1 << 20);
    put_content(ASK_BACKGROUND, &content);
    assert_int_equal(r.answer_len, content.len);
    assert_memory_equal(r.answer, content.data, content.len);
    co_buf_fini(&content);
    assert_text(r.model, "the-model-2026");
    assert_true(r.has_usage);
    assert_int_equal(r.input, 50);
    assert_int_equal(r.output, 20);
    assert_int_equal(r.status, 200);
    assert_true(r.time > 1600000000 && r.total_us > 0);
    assert_true(says(r.endpoint, "http://127.0.0.1:"));
    end(&v);
}

static void
the_request_is_what_the_recipe_says(void **state)
{
    struct served v;

    given_good_answer();
    (void)ask(*state, &v);
    assert_int_equal(endpoint.requests, 1);
    assert_non_null(
        strstr(endpoint.request, "Authorization: Bearer " KEY "\r\n"));
    assert_non_null(strstr(endpoint.request, "\"model\":\"the-model\""));
    assert_non_null(strstr(endpoint.request, "\"max_tokens\":700"));
    assert_non_null(strstr(endpoint.request, "\"temperature\":0.7"));
    assert_non_null(strstr(endpoint.request, "You write of people."));
    assert_non_null(strstr(endpoint.request, "\"json_schema\""));
    assert_null(strstr(endpoint.request, "That was wrong"));
    end(&v);
}

static void
a_wrong_answer_is_quoted_with_what_is_wrong(void **state)
{
    static const char wrong[] = "{\"half\": ", error[] = "it ends too early";
    struct ask_task task = an_ask();
    struct served v;

    task.wrong = (const uint8_t *)wrong;
    task.wrong_len = sizeof wrong - 1;
    task.error = error;
    task.error_len = sizeof error - 1;
    given_good_answer();
    begin(*state, &v, &task);
    run_through(&v);
    assert_non_null(strstr(endpoint.request, "\"role\":\"assistant\""));
    assert_non_null(strstr(endpoint.request, "{\\\"half\\\": "));
    assert_non_null(
        strstr(endpoint.request, "That was wrong: it ends too early"));
    end(&v);
}

static void
the_second_stage_is_told_the_first_answer(void **state)
{
    struct ask_task task = an_ask();
    struct co_buf first, second;
    struct served v;

    co_buf_init(&first, 1 << 20);
    co_buf_init(&second, 1 << 20);
    put_content(ASK_BACKGROUND, &first);
    put_content(ASK_PERSONAS, &second);
    given_answer(co_buf_text(&second), "stop");
    task.stage = ASK_PERSONAS;
    task.input = first.data;
    task.input_len = (uint32_t)first.len;
    begin(*state, &v, &task);
    run_through(&v);
    assert_int_equal(result_of(&v).outcome, ASK_ANSWER);
    assert_int_equal(result_of(&v).stage, ASK_PERSONAS);
    assert_non_null(strstr(endpoint.request, "wwwww wwwww"));
    end(&v);
    co_buf_fini(&first);
    co_buf_fini(&second);
}

static void
an_answer_that_is_something_else_is_told_with_its_faults(void **state)
{
    struct served v;
    struct ask_result r;

    given_answer("{\"hobbies\": 3}", "stop");
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_INVALID);
    assert_int_equal(r.answer_len, strlen("{\"hobbies\": 3}"));
    assert_true(r.error.len > 0);
    assert_true(r.has_usage);
    end(&v);
}

static void
ends_before_the_end_have_outcomes_of_their_own(void **state)
{
    struct served v;

    given_answer("{\"cultural", "length");
    assert_int_equal(ask(*state, &v).outcome, ASK_CUT);
    end(&v);
    given_answer("", "content_filter");
    assert_int_equal(ask(*state, &v).outcome, ASK_FILTERED);
    end(&v);
}

static void
what_is_not_paid_is_given_back_until_the_endpoint_wants_it(void **state)
{
    const struct ask_task task = an_ask();
    struct served v;

    given_error("429 Too Many", "slow down");
    endpoint.headers = "Retry-After: 3\r\n";
    begin(*state, &v, &task);
    run_through(&v);
    assert_int_equal(v.step, SERVICE_RETURN);
    assert_int_equal(v.run.reason, RETURN_LIMIT);
    assert_in_range(v.run.not_before_ms, 3000, 4000);
    assert_int_equal(v.out.len, 0);
    end(&v);
}

static void
a_server_in_trouble_is_tried_again_later(void **state)
{
    static const char *const statuses[] = {"503 Busy", "529 Busy"};
    const struct ask_task task = an_ask();

    for (size_t i = 0; i < co_countof(statuses); i++) {
        struct served v;

        given_error(statuses[i], "no");
        begin(*state, &v, &task);
        run_through(&v);
        assert_int_equal(v.step, SERVICE_RETURN);
        assert_in_range(v.run.not_before_ms, 0, 60000);
        end(&v);
    }
}

static void
a_server_that_is_not_there_got_nothing(void **state)
{
    const struct ask_task task = an_ask();
    struct served v;

    (void)close(endpoint.fd);
    endpoint.fd = -1;
    begin(*state, &v, &task);
    while (v.step == SERVICE_WAIT) {
        struct served *s = &v;

        lanes_readable(s->f->lanes, 0);
        lanes_turn(s->f->lanes, now(s));
        s->step = s->run.service->step(&s->run, now(s));
    }
    assert_int_equal(v.step, SERVICE_RETURN);
    end(&v);
}

/* The endpoint repeats the key, as some do. */
static void
a_refusal_is_told_without_the_key(void **state)
{
    struct served v;
    struct ask_result r;

    given_error("401 No", "wrong key " KEY ": go away");
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_text(r.fault, "unauthorized");
    assert_true(says(r.error, "go away"));
    assert_int_equal(r.status, 401);
    end(&v);
}

static void
a_redirect_to_another_origin_is_refused_with_where_it_leads(void **state)
{
    struct served v;
    struct ask_result r;

    endpoint.status = "307 Moved";
    endpoint.headers = "Location: http://127.0.0.2:1/v1?token=5\r\n";
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_text(r.error, "it leads to http://127.0.0.2:1/v1");
    end(&v);
}

/* Anthropic's words for it, with the status and type of a bad request, which
 * would be held against the row. */
static void
an_empty_account_is_not_the_requests_fault(void **state)
{
    struct served v;
    struct ask_result r;

    given_error("400 Bad", "Your credit balance is too low to access the API.");
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_text(r.fault, "no-money");
    end(&v);
}

static void
an_answer_is_told_without_the_key(void **state)
{
    struct served v;

    given_answer("my key is " KEY, "stop");
    assert_int_equal(ask(*state, &v).outcome, ASK_INVALID);
    end(&v);
}

/* Letter by letter as JSON may have it, so that only who reads it sees it. */
static void
an_answer_that_spells_the_key_is_told_without_it(void **state)
{
    struct served v;
    struct co_buf content;
    struct ask_result r;
    char *at;

    co_buf_init(&content, 1 << 20);
    put_content(ASK_BACKGROUND, &content);
    at = strstr((char *)content.data, "wwwww wwwww");
    for (const char *c = KEY; *c; c++, at += 6) {
        char letter[16];

        (void)snprintf(letter, sizeof letter, "\\u%04x", (unsigned)*c);
        memcpy(at, letter, 6);
    }
    given_answer(co_buf_text(&content), "stop");
    co_buf_fini(&content);
    r = ask(*state, &v); /* looks for it */
    assert_int_equal(r.outcome, ASK_ANSWER);
    assert_non_null(memmem(r.answer, r.answer_len, "******", 6));
    end(&v);
}

static void
what_was_sent_and_not_answered_is_perhaps_paid(void **state)
{
    static const enum manner manners[] = {RESETS, CUTS};

    given_good_answer();
    for (size_t i = 0; i < co_countof(manners); i++) {
        struct served v;

        endpoint.manner = manners[i];
        assert_int_equal(ask(*state, &v).outcome, ASK_UNKNOWN);
        assert_int_equal(endpoint.requests, i + 1); /* and not sent again */
        end(&v);
    }
}

/* A gateway's time-out may hide an answer that the model finished. */
static void
a_server_that_failed_with_the_request_is_perhaps_paid(void **state)
{
    static const char *const statuses[] = {"500 Oops", "502 Bad Gateway",
                                           "504 Too Late", "524 Too Late"};

    for (size_t i = 0; i < co_countof(statuses); i++) {
        struct served v;
        struct ask_result r;

        given_error(statuses[i], "no");
        r = ask(*state, &v);
        assert_int_equal(r.outcome, ASK_UNKNOWN);
        assert_text(r.fault, "server-error");
        assert_int_equal(endpoint.requests, i + 1);
        end(&v);
    }
}

/* The words before the error are on the bill, whatever it says. */
static void
an_error_after_the_first_words_is_perhaps_paid(void **state)
{
    struct fixture *f = *state;
    struct served v;
    struct ask_result r;

    given_provider(f)->stream = true;
    open_lanes(f);
    endpoint.type = "text/event-stream";
    co_buf_puts(&endpoint.body,
                "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n"
                "data: {\"error\":{\"code\":\"insufficient_quota\","
                "\"message\":\"no credit\"}}\n\n");
    r = ask(f, &v);
    assert_text(r.fault, "no-money");
    assert_int_equal(r.outcome, ASK_UNKNOWN);
    end(&v);
}

static void
an_error_inside_an_answer_is_perhaps_paid(void **state)
{
    struct served v;

    given_error("200 OK", "the model died");
    assert_int_equal(ask(*state, &v).outcome, ASK_UNKNOWN);
    end(&v);
}

static void
a_range_without_answers_fails(void **state)
{
    static const uint8_t range[] = {0x82, 1, 5, 2, 10};
    struct fixture *f = *state;
    struct served v = {.f = f};

    co_buf_init(&v.out, 1 << 20);
    v.run = (struct service_run){
        .service = service_find("persona.write"),
        .env = &f->env,
        .out = &v.out,
        .task = {.payload = range,
                 .payload_bytes = sizeof range,
                 .recipe_hash = recipe_name,
                 .recipe = co_bytes_borrow(recipe_json.data, recipe_json.len)}};
    assert_int_equal(v.run.service->begin(&f->env, &v.run, 0), SERVICE_FAILED);
    end(&v);
    assert_int_equal(recipes_makers_used(recipes), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OWN(name)                                                              \
    cmocka_unit_test_setup_teardown(name, setup_without_lanes, teardown)
    const struct CMUnitTest tests[] = {
        T(an_answer_comes_back_with_what_it_cost),
        T(the_request_is_what_the_recipe_says),
        T(a_wrong_answer_is_quoted_with_what_is_wrong),
        T(the_second_stage_is_told_the_first_answer),
        T(an_answer_that_is_something_else_is_told_with_its_faults),
        T(ends_before_the_end_have_outcomes_of_their_own),
        T(what_is_not_paid_is_given_back_until_the_endpoint_wants_it),
        T(a_server_in_trouble_is_tried_again_later),
        T(a_server_that_is_not_there_got_nothing),
        T(a_refusal_is_told_without_the_key),
        T(a_redirect_to_another_origin_is_refused_with_where_it_leads),
        T(an_empty_account_is_not_the_requests_fault),
        T(an_answer_is_told_without_the_key),
        T(an_answer_that_spells_the_key_is_told_without_it),
        T(what_was_sent_and_not_answered_is_perhaps_paid),
        T(a_server_that_failed_with_the_request_is_perhaps_paid),
        OWN(an_error_after_the_first_words_is_perhaps_paid),
        T(an_error_inside_an_answer_is_perhaps_paid),
        T(a_range_without_answers_fails),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
