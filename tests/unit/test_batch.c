/* test_batch.c - batches of asks as both vendors have them: what is sent, what
 * is read of their answers, and the tasks that carry it. */
#include "tests/co_test.h"

#include "llm/batch.h"
#include "proto/walk.h"

#include <stdio.h>
#include <string.h>

static const struct batch_custom custom = {
    .job = 0xd10adaa935f982d2, .batch = 17, .row = 4711, .ask = 3, .stage = 1};

static void
the_name_of_a_request_comes_back_as_it_went(void **state)
{
    const struct batch_custom most = {UINT64_MAX, UINT64_C(1) << 36,
                                      (UINT64_C(1) << 56) - 1, ASK_MAX - 1,
                                      ASK_STAGES - 1};
    struct batch_custom read;
    char text[BATCH_CUSTOM_BYTES];

    (void)state;
    batch_custom_text(&custom, text);
    assert_string_equal(text, "cd10adaa935f982d2-11-1267-3-1");
    assert_true(batch_custom_read(text, strlen(text), &read));
    assert_int_equal(read.job, custom.job);
    assert_int_equal(read.batch, 17);
    assert_int_equal(read.row, 4711);
    assert_int_equal(read.ask, 3);
    assert_int_equal(read.stage, 1);
    batch_custom_text(&most, text);
    assert_true(strlen(text) <= 64);
    assert_int_equal(strspn(text, "cabdef0123456789-"), strlen(text));
    assert_true(batch_custom_read(text, strlen(text), &read));
    assert_int_equal(read.row, most.row);
}

static void
a_name_that_is_not_ours_is_refused(void **state)
{
    static const char *const names[] = {
        "",
        "c",
        "c-1-2-3-0",
        "d1-1-2-3-0",
        "c1-1-2-3",
        "c1-1-2-3-0-0",
        "c1-1-2-c8-0",
        "c1-1-2-3-2",
        "cg-1-2-3-0",
        "c11111111111111111-1-2-3-0",
    };

    (void)state;
    for (size_t i = 0; i < co_countof(names); i++) {
        struct batch_custom read;

        if (batch_custom_read(names[i], strlen(names[i]), &read)) {
            fail_msg("%s", names[i]);
        }
    }
}

static void
openai_takes_a_form_with_a_line_for_each_request(void **state)
{
    const struct batch_api *api = batch_api_of("openai");
    const char *text;
    struct co_buf body;

    (void)state;
    co_buf_init(&body, 65536);
    api->begin(&body);
    api->add("c1", (const uint8_t *)"{\"a\":1}", 7, true, &body);
    api->add("c2", (const uint8_t *)"{\"a\":2}", 7, false, &body);
    api->end(&body);
    text = co_buf_text(&body);
    assert_non_null(strstr(text, "name=\"purpose\"\r\n\r\nbatch\r\n"));
    assert_non_null(strstr(
        text, "\r\n\r\n{\"custom_id\":\"c1\",\"method\":\"POST\",\"url\":"
              "\"/v1/chat/completions\",\"body\":{\"a\":1}}\n{\"custom_id\":"
              "\"c2\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\","
              "\"body\":{\"a\":2}}\n\r\n--"));
    co_buf_clear(&body);
    api->create("file-9", 0xab, 17, &body);
    assert_string_equal(
        co_buf_text(&body),
        "{\"input_file_id\":\"file-9\",\"endpoint\":\"/v1/chat/completions\","
        "\"completion_window\":\"24h\",\"metadata\":{\"cohort_job\":"
        "\"00000000000000ab\",\"cohort_batch\":\"17\"}}");
    co_buf_fini(&body);
}

static void
anthropic_takes_all_requests_with_the_batch(void **state)
{
    const struct batch_api *api = batch_api_of("anthropic");
    struct co_buf body;

    (void)state;
    co_buf_init(&body, 65536);
    api->begin(&body);
    api->add("c1", (const uint8_t *)"{\"a\":1}", 7, true, &body);
    api->add("c2", (const uint8_t *)"{\"a\":2}", 7, false, &body);
    api->end(&body);
    assert_string_equal(co_buf_text(&body),
                        "{\"requests\":[{\"custom_id\":\"c1\",\"params\":"
                        "{\"a\":1}},{\"custom_id\":\"c2\",\"params\":"
                        "{\"a\":2}}]}");
    assert_null(api->upload_path);
    assert_null(batch_api_of("replay"));
    co_buf_fini(&body);
}

static struct batch_info
info_of(const char *provider, const char *json)
{
    struct batch_info info;
    struct co_diag diag = {""};

    if (batch_api_of(provider)->read_info(json, strlen(json), &info, &diag)) {
        fail_msg("%s: %s", json, diag.text);
    }
    return info;
}

static void
a_batch_of_openai_says_how_far_it_is_and_whose(void **state)
{
    struct batch_info info =
        info_of("openai",
                "{\"id\":\"batch_1\",\"object\":\"batch\",\"errors\":null,"
                "\"status\":\"expired\",\"output_file_id\":\"file-o\","
                "\"error_file_id\":\"file-e\",\"created_at\":1764000000,"
                "\"request_counts\":{\"total\":9,\"completed\":6,\"failed\":1},"
                "\"metadata\":{\"cohort_job\":\"00000000000000ab\","
                "\"cohort_batch\":\"17\",\"more\":\"x\"}}");

    (void)state;
    assert_int_equal(info.state, BATCH_ENDED);
    assert_string_equal(info.id, "batch_1");
    assert_int_equal(info.n_files, 2);
    assert_string_equal(info.files[0], "file-o");
    assert_string_equal(info.files[1], "file-e");
    assert_int_equal(info.total * 100 + info.done * 10 + info.failed, 961);
    assert_true(info.has_name);
    assert_int_equal(info.job, 0xab);
    assert_int_equal(info.batch, 17);
    assert_int_equal(info.created, 1764000000);
    info = info_of("openai", "{\"id\":\"b\",\"status\":\"failed\",\"errors\":"
                             "{\"object\":\"list\",\"data\":[{\"code\":\"c\","
                             "\"message\":\"line 3 is bad\",\"line\":3}]},"
                             "\"metadata\":null,\"output_file_id\":null}");
    assert_int_equal(info.state, BATCH_REFUSED);
    assert_string_equal(info.error, "line 3 is bad");
    assert_int_equal(info.why, FAULT_BAD_REQUEST);
    assert_false(info.has_name);
    assert_int_equal(info.n_files, 0);
    info = info_of("openai", "{\"id\":\"b\",\"status\":\"failed\",\"errors\":"
                             "{\"data\":[{\"code\":\"token_limit_exceeded\","
                             "\"message\":\"try again\",\"param\":null}]}}");
    assert_int_equal(info.why, FAULT_RATE_LIMITED);
    info = info_of("openai",
                   "{\"id\":\"b\",\"status\":\"completed\",\"created_at\":17.9,"
                   "\"output_file_id\":7,\"error_file_id\":\"e\","
                   "\"request_counts\":{\"total\":1e9,\"completed\":-3,"
                   "\"failed\":99999999999999999999}}");
    assert_int_equal(info.state, BATCH_ENDED);
    assert_int_equal(info.total + info.done + info.failed, 0);
    assert_int_equal(info.created, 17);
    assert_int_equal(info.n_files, 1);
    info = info_of("openai", "{\"id\":\"b\",\"status\":\"cancelling\"}");
    assert_int_equal(info.state, BATCH_RUNNING);
}

static void
a_batch_of_anthropic_says_how_far_it_is(void **state)
{
    struct batch_info info = info_of(
        "anthropic",
        "{\"id\":\"msgbatch_1\",\"type\":\"message_batch\","
        "\"processing_status\":\"ended\",\"request_counts\":{\"processing\":0,"
        "\"succeeded\":5,\"errored\":1,\"canceled\":2,\"expired\":3},"
        "\"created_at\":\"2025-11-24T16:00:00.100435Z\",\"results_url\":"
        "\"https://api.anthropic.com/v1/messages/batches/msgbatch_1/"
        "results\"}");

    (void)state;
    assert_int_equal(info.state, BATCH_ENDED);
    assert_int_equal(info.n_files, 1);
    assert_string_equal(info.files[0], "msgbatch_1");
    assert_int_equal(info.total, 11);
    assert_int_equal(info.done, 5);
    assert_int_equal(info.failed, 6);
    assert_int_equal(info.created, 1764000000);
    info = info_of("anthropic", "{\"id\":\"m\",\"processing_status\":"
                                "\"canceling\",\"results_url\":null}");
    assert_int_equal(info.state, BATCH_RUNNING);
}

static void
what_is_no_batch_is_told(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "[]",
                                        "{\"id\":\"b\"}",
                                        "{\"id\":\"b\",\"status\":\"new\"}"};

    (void)state;
    for (size_t i = 0; i < co_countof(texts); i++) {
        struct batch_info info;
        struct co_diag diag = {""};

        assert_int_not_equal(
            batch_openai.read_info(texts[i], strlen(texts[i]), &info, &diag),
            FAULT_NONE);
        assert_true(diag.text[0] != '\0');
        assert_int_not_equal(
            batch_anthropic.read_info(texts[i], strlen(texts[i]), &info, &diag),
            FAULT_NONE);
    }
}

/* "ID" stands for the custom_id. */
static struct batch_line
line_of(const char *provider, const char *form)
{
    char id[BATCH_CUSTOM_BYTES], text[1024];
    const char *hole = strstr(form, "ID");
    struct co_diag diag = {""};
    struct batch_line line;

    batch_custom_text(&custom, id);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - form), form, id,
                   hole + 2);
    if (batch_api_of(provider)->read_line(text, strlen(text), &line, &diag)) {
        fail_msg("%s: %s", text, diag.text);
    }
    assert_int_equal(line.custom.row, custom.row);
    line.body = NULL; /* its text is gone */
    return line;
}

static void
lines_of_openai_are_answers_refusals_or_were_not_run(void **state)
{
    struct batch_line line;

    (void)state;
    line =
        line_of("openai", "{\"id\":\"r\",\"custom_id\":\"ID\",\"response\":{"
                          "\"status_code\":200,\"request_id\":\"q\",\"body\":{"
                          "\"choices\":[]}},\"error\":null}");
    assert_int_equal(line.end, BATCH_LINE_ANSWER);
    assert_int_equal(line.body_len, strlen("{\"choices\":[]}"));
    line = line_of("openai",
                   "{\"custom_id\":\"ID\",\"response\":{\"status_code\":400,"
                   "\"body\":{\"error\":{\"message\":\"no such model\"}}},"
                   "\"error\":null}");
    assert_int_equal(line.end, BATCH_LINE_ERROR);
    assert_int_equal(line.fault, FAULT_BAD_REQUEST);
    assert_string_equal(line.error, "no such model");
    line = line_of("openai", "{\"custom_id\":\"ID\",\"response\":null,"
                             "\"error\":{\"code\":\"batch_expired\","
                             "\"message\":\"not in time\"}}");
    assert_int_equal(line.end, BATCH_LINE_UNRUN);
    line = line_of("openai", "{\"custom_id\":\"ID\",\"response\":null,"
                             "\"error\":{\"code\":\"x\",\"message\":\"y\"}}");
    assert_int_equal(line.end, BATCH_LINE_ERROR);
    assert_int_equal(line.fault, FAULT_SERVER);
}

static void
lines_of_anthropic_are_answers_refusals_or_were_not_run(void **state)
{
    struct batch_line line;

    (void)state;
    line = line_of("anthropic", "{\"custom_id\":\"ID\",\"result\":{\"type\":"
                                "\"succeeded\",\"message\":{\"id\":\"m\"}}}");
    assert_int_equal(line.end, BATCH_LINE_ANSWER);
    assert_int_equal(line.body_len, strlen("{\"id\":\"m\"}"));
    line = line_of("anthropic",
                   "{\"custom_id\":\"ID\",\"result\":{\"type\":\"errored\","
                   "\"error\":{\"type\":\"error\",\"error\":{\"type\":"
                   "\"invalid_request_error\",\"message\":\"bad\"}}}}");
    assert_int_equal(line.end, BATCH_LINE_ERROR);
    assert_int_equal(line.fault, FAULT_BAD_REQUEST);
    assert_string_equal(line.error, "bad");
    line = line_of("anthropic",
                   "{\"custom_id\":\"ID\",\"result\":{\"type\":\"errored\","
                   "\"error\":{\"type\":\"api_error\",\"message\":\"bad\"}}}");
    assert_int_equal(line.fault, FAULT_SERVER);
    line = line_of("anthropic", "{\"custom_id\":\"ID\",\"result\":{\"type\":"
                                "\"expired\"}}");
    assert_int_equal(line.end, BATCH_LINE_UNRUN);
    line = line_of("anthropic", "{\"custom_id\":\"ID\",\"result\":{\"type\":"
                                "\"canceled\"}}");
    assert_int_equal(line.end, BATCH_LINE_UNRUN);
}

static bool
until_second(void *self, const struct batch_info *info)
{
    uint32_t *n = self;

    (void)info;
    return ++*n < 2;
}

static void
a_list_is_read_until_somebody_has_enough(void **state)
{
    static const char list[] =
        "{\"data\":[ {\"id\":\"a\",\"status\":\"completed\"},"
        "{\"id\":\"b\",\"status\":\"failed\"},"
        "{\"id\":\"c\",\"status\":\"failed\"}],\"has_more\":true}";
    char last[BATCH_ID_BYTES];
    struct co_diag diag = {""};
    bool more = true;
    uint32_t n = 0;

    (void)state;
    assert_int_equal(batch_read_list(&batch_openai, list, strlen(list),
                                     until_second, &n, &more, last, &diag),
                     FAULT_NONE);
    assert_int_equal(n, 2);
    assert_false(more);
    assert_string_equal(last, "b");
    n = 5;
    assert_int_equal(batch_read_list(&batch_openai,
                                     "{\"data\":[],"
                                     "\"has_more\":true}",
                                     strlen("{\"data\":[],\"has_more\":true}"),
                                     until_second, &n, &more, last, &diag),
                     FAULT_NONE);
    assert_true(more);
    assert_int_equal(n, 5);
}

static void
a_result_that_is_cut_anywhere_is_refused(void **state)
{
    const struct ask_result answer = {.row = 5,
                                      .outcome = ASK_ANSWER,
                                      .answer = (const uint8_t *)"{}",
                                      .answer_len = 2};
    struct batch_result r = {.op = BATCH_HARVEST,
                             .batch = 3,
                             .state = BATCH_ENDED,
                             .skip = 9,
                             .end = true,
                             .n_files = 1};
    struct co_buf one, asks, unsent, whole;
    struct batch_result read;

    (void)state;
    co_buf_init(&one, 4096);
    co_buf_init(&asks, 4096);
    co_buf_init(&unsent, 4096);
    co_buf_init(&whole, 4096);
    ask_put_result(&answer, &one);
    batch_put_array(1, &asks);
    batch_put_bin(one.data, one.len, &asks);
    batch_put_array(1, &unsent);
    batch_put_u64(77, &unsent);
    r.files[0] = (struct ask_text){"file-1", 6};
    r.asks = asks.data;
    r.asks_len = asks.len;
    r.unsent = unsent.data;
    r.unsent_len = unsent.len;
    batch_put_result(&r, &whole);
    assert_true(batch_get_result(whole.data, whole.len, &read));
    assert_int_equal(read.skip, 9);
    assert_true(read.end);
    assert_memory_equal(read.asks, asks.data, asks.len);
    for (size_t len = 0; len < whole.len; len++) {
        assert_false(batch_get_result(whole.data, len, &read));
    }
    for (size_t i = 0; i < whole.len; i++) { /* no crash, whatever it says */
        whole.data[i] ^= 0xff;
        (void)batch_get_result(whole.data, whole.len, &read);
        (void)batch_is_task(whole.data, whole.len);
        whole.data[i] ^= 0xff;
    }
    co_buf_fini(&one);
    co_buf_fini(&asks);
    co_buf_fini(&unsent);
    co_buf_fini(&whole);
}

static void
a_task_comes_back_as_it_went_and_is_no_ask(void **state)
{
    const struct batch_task task = {.op = BATCH_HARVEST,
                                    .batch = 3,
                                    .job = 9,
                                    .id = {"b-1", 3},
                                    .file = {"f-2", 3},
                                    .skip = 12,
                                    .count = 100,
                                    .since = 1764000000,
                                    .until = 1764000060};
    struct batch_task read;
    struct co_buf buf;

    (void)state;
    co_buf_init(&buf, 4096);
    batch_put_task(&task, &buf);
    assert_true(batch_is_task(buf.data, buf.len));
    assert_false(ask_is_task(buf.data, buf.len));
    assert_true(batch_get_task(buf.data, buf.len, &read));
    assert_int_equal(read.op, BATCH_HARVEST);
    assert_int_equal(read.job, 9);
    assert_int_equal(read.skip, 12);
    assert_int_equal(read.since, 1764000000);
    assert_int_equal(read.until, 1764000060);
    assert_memory_equal(read.file.text, "f-2", 3);
    assert_null(read.asks);
    co_buf_fini(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_a_request_comes_back_as_it_went),
        cmocka_unit_test(a_name_that_is_not_ours_is_refused),
        cmocka_unit_test(openai_takes_a_form_with_a_line_for_each_request),
        cmocka_unit_test(anthropic_takes_all_requests_with_the_batch),
        cmocka_unit_test(a_batch_of_openai_says_how_far_it_is_and_whose),
        cmocka_unit_test(a_batch_of_anthropic_says_how_far_it_is),
        cmocka_unit_test(what_is_no_batch_is_told),
        cmocka_unit_test(lines_of_openai_are_answers_refusals_or_were_not_run),
        cmocka_unit_test(
            lines_of_anthropic_are_answers_refusals_or_were_not_run),
        cmocka_unit_test(a_list_is_read_until_somebody_has_enough),
        cmocka_unit_test(a_result_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(a_task_comes_back_as_it_went_and_is_no_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
