/* Answers recorded in a file and played back, through the same calls as those
 * from the network. */
#include "llm/call.h"
#include "tests/co_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char path[64];
    struct http *http;
    struct call_endpoint endpoint;
    struct call call;
    struct co_buf body;
    unsigned ends;
};

static struct co_diag diag;

static const struct provider_message prompt[] = {
    {PROVIDER_SYSTEM, "S", 1}, {PROVIDER_USER, "Zo\xc3\xab?", 5}};

static struct provider_ask
ask_of(const char *model)
{
    return (struct provider_ask){.model = model,
                                 .messages = prompt,
                                 .n_messages = 2,
                                 .temperature_milli = 700};
}

static int
setup(void **state)
{
    static struct fixture f;
    const struct http_options options = {.in_flight = 1,
                                         .body_max = 1024,
                                         .connect_ms = 1000,
                                         .first_byte_ms = 1000,
                                         .idle_ms = 1000,
                                         .total_ms = 1000};
    int fd;

    f = (struct fixture){.path = "/tmp/co-test-replay-XXXXXX"};
    fd = mkstemp(f.path);
    if (fd < 0 || close(fd) || unlink(f.path)) return -1;
    if (http_new(&options, &f.http, &diag)) return -1;
    call_init(&f.call, 1000);
    co_buf_init(&f.body, 10000);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    call_endpoint_fini(&f->endpoint);
    call_fini(&f->call);
    co_buf_fini(&f->body);
    http_free(f->http);
    (void)unlink(f->path);
    return 0;
}

static void
record_of(struct fixture *f, const struct provider_ask *ask, const char *text,
          const struct recorded_ask *of)
{
    struct provider_answer a;
    int fd = -1;

    provider_answer_init(&a, 1000);
    co_buf_puts(&a.text, text);
    (void)snprintf(a.model, sizeof a.model, "m-1");
    a.has_usage = true;
    a.input_tokens = 11;
    a.cached_tokens = 4;
    a.output_tokens = 7;
    a.is_cut = strcmp(text, "cut") == 0;
    a.is_filtered = strcmp(text, "filtered") == 0;
    co_buf_clear(&f->body);
    provider_replay.write(ask, &f->body);
    assert_int_equal(recorded_open(f->path, &fd, &diag), CO_OK);
    assert_int_equal(
        recorded_record(fd, f->body.data, f->body.len, of, &a, &diag), CO_OK);
    assert_int_equal(close(fd), 0);
    provider_answer_fini(&a);
}

static void
record(struct fixture *f, const struct provider_ask *ask, const char *text)
{
    record_of(f, ask, text, &(struct recorded_ask){RECORDED_NO_ROW, 0});
}

static void
open_file(struct fixture *f)
{
    const struct secret nobody = {.len = 0};

    assert_int_equal(call_endpoint_init(&f->endpoint, &provider_replay, f->path,
                                        &nobody, false, &diag),
                     CO_OK);
}

static void
on_done(void *self, struct call *call)
{
    struct fixture *f = self;

    (void)call;
    f->ends++;
}

static enum fault
play(struct fixture *f, const struct provider_ask *ask)
{
    unsigned before = f->ends;

    co_buf_clear(&f->body);
    provider_replay.write(ask, &f->body);
    assert_int_equal(call_start(&f->call, f->http, &f->endpoint, f->body.data,
                                f->body.len, on_done, f),
                     CO_OK);
    assert_int_equal(f->ends, before); /* not from within call_start */
    assert_int_equal(http_in_flight(f->http), 1);
    assert_true(http_due_us(f->http) < INT64_MAX);
    assert_int_equal(http_turn(f->http, -1), CO_OK);
    assert_int_equal(f->ends, before + 1);
    assert_int_equal(http_in_flight(f->http), 0);
    assert_false(f->call.sent);
    return f->call.fault;
}

static void
what_was_recorded_is_played(void **state)
{
    struct fixture *f = *state;
    struct provider_ask ask = ask_of("m");
    struct stat st;

    record(f, &ask, "a \"b\"\n");
    open_file(f);
    ask.stream = ask.is_vendor = true; /* how it travels does not matter */
    assert_int_equal(play(f, &ask), FAULT_NONE);
    assert_string_equal(co_buf_text(&f->call.answer.text), "a \"b\"\n");
    assert_string_equal(f->call.answer.model, "m-1");
    assert_true(f->call.answer.has_usage);
    assert_int_equal(f->call.answer.input_tokens, 11);
    assert_int_equal(f->call.answer.cached_tokens, 4);
    assert_int_equal(f->call.answer.output_tokens, 7);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
what_ended_otherwise_ends_so_again(void **state)
{
    struct fixture *f = *state;
    struct provider_ask a = ask_of("a"), b = ask_of("b");

    record(f, &a, "cut");
    record(f, &b, "filtered");
    open_file(f);
    assert_int_equal(play(f, &a), FAULT_LENGTH);
    assert_int_equal(play(f, &b), FAULT_FILTERED);
}

static void
the_last_record_of_the_same_counts(void **state)
{
    struct fixture *f = *state;
    struct provider_ask ask = ask_of("m"), other = ask_of("n");

    record(f, &ask, "first");
    record(f, &other, "other");
    record(f, &ask, "second");
    open_file(f);
    assert_int_equal(recorded_count(f->endpoint.replay), 3);
    assert_int_equal(play(f, &ask), FAULT_NONE);
    assert_string_equal(co_buf_text(&f->call.answer.text), "second");
    assert_int_equal(play(f, &other), FAULT_NONE);
    assert_string_equal(co_buf_text(&f->call.answer.text), "other");
}

static const char *
played(struct fixture *f, const struct provider_ask *ask, uint64_t row,
       uint32_t number)
{
    f->call.of = (struct recorded_ask){row, number};
    assert_int_equal(play(f, ask), FAULT_NONE);
    return co_buf_text(&f->call.answer.text);
}

/* A fresh try asks what the first one asked, and so do rows that are alike:
 * each gets its own answer, so that the rows of a replay are those of the run.
 */
static void
each_question_of_a_job_gets_its_own_answer(void **state)
{
    struct fixture *f = *state;
    struct provider_ask ask = ask_of("m");

    record_of(f, &ask, "5: first", &(struct recorded_ask){5, 0});
    record_of(f, &ask, "7: first", &(struct recorded_ask){7, 1});
    record_of(f, &ask, "5: fresh", &(struct recorded_ask){5, 3});
    record_of(f, &ask, "7: fresh", &(struct recorded_ask){7, 4});
    open_file(f);
    assert_string_equal(played(f, &ask, 5, 0), "5: first");
    assert_string_equal(played(f, &ask, 5, 3), "5: fresh");
    /* its first call was lost when it was recorded */
    assert_string_equal(played(f, &ask, 7, 0), "7: first");
    assert_string_equal(played(f, &ask, 7, 3), "7: fresh");
    assert_string_equal(played(f, &ask, 7, 9), "7: fresh");
    assert_string_equal(played(f, &ask, 6, 0), "7: fresh");
    assert_string_equal(played(f, &ask, RECORDED_NO_ROW, 0), "7: fresh");
}

static void
what_was_never_asked_is_refused(void **state)
{
    struct fixture *f = *state;
    struct provider_ask ask = ask_of("m"), other = ask_of("m");
    char hash[RECORDED_HASH_BYTES];

    record(f, &ask, "a");
    open_file(f);
    other.temperature_milli = 701;
    assert_int_equal(play(f, &other), FAULT_BAD_REQUEST);
    assert_false(fault_retryable(f->call.fault));
    assert_non_null(strstr(f->call.diag.text,
                           recorded_hash(f->body.data, f->body.len, hash)));
}

static void
a_broken_file_is_refused_with_its_line(void **state)
{
    struct fixture *f = *state;
    struct provider_ask ask = ask_of("m");
    struct recorded *replay = NULL;
    static const char *const bad[] = {"{\"hash\":\"12\"}\n", "{\"answer\":\n",
                                      "no\n"};

    assert_int_equal(recorded_load(f->path, &replay, &diag), CO_NOTFOUND);
    for (size_t i = 0; i < co_countof(bad); i++) {
        int fd;

        (void)unlink(f->path);
        record(f, &ask, "a");
        fd = open(f->path, O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(write(fd, bad[i], strlen(bad[i])), strlen(bad[i]));
        assert_int_equal(close(fd), 0);
        assert_int_equal(recorded_load(f->path, &replay, &diag), CO_INVALID);
        assert_non_null(strstr(diag.text, ":2: no recorded answer"));
    }
    assert_null(replay);
}

/* A job on it would have each of its calls refused. */
static void
a_file_without_records_is_refused_with_what_to_do(void **state)
{
    struct fixture *f = *state;
    struct recorded *replay = NULL;

    for (unsigned lines = 0; lines < 3; lines++) {
        int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, "\n\n", lines), lines);
        assert_int_equal(close(fd), 0);
        assert_int_equal(recorded_load(f->path, &replay, &diag), CO_INVALID);
        assert_non_null(strstr(diag.text, "has no recorded answers"));
        assert_non_null(strstr(diag.text, "cohort try --record"));
    }
    assert_null(replay);
}

/* Prompts behind somebody's notes, or the job file itself. */
static void
a_file_of_something_else_takes_no_records(void **state)
{
    struct fixture *f = *state;
    const struct provider_ask ask = ask_of("m");
    FILE *file = fopen(f->path, "w");
    int fd = -1;

    assert_non_null(file);
    assert_true(fputs("job: personas\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(recorded_open(f->path, &fd, &diag), CO_EXISTS);
    assert_non_null(strstr(diag.text, "something else than recorded answers"));
    assert_int_equal(truncate(f->path, 0), 0);
    record(f, &ask, "an empty one does");
    record(f, &ask, "and one of records");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_recorded_is_played, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_ended_otherwise_ends_so_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_record_of_the_same_counts,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            each_question_of_a_job_gets_its_own_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_never_asked_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_file_of_something_else_takes_no_records, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_file_is_refused_with_its_line,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_file_without_records_is_refused_with_what_to_do, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
