/* test_unknown_calls.c - `cohort budget unknown`: which calls a journal leaves
 * open. */
#include "cli/unknown_calls.h"

#include "common/fs.h"
#include "job/purse_note.h"
#include "journal/writer.h"
#include "proto/msg.h"
#include "tests/co_test.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];
static struct journal *journal;
static struct unknown_calls calls;
static struct co_diag diag;

static int
setup(void **state)
{
    const struct journal_options o = {.no_ballast = true, .threadless = true};

    (void)state;
    (void)strcpy(dir, "/tmp/test_unknown.XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(journal_start(dir, 7, 1, NULL, &o, &journal, NULL), CO_OK);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    unknown_calls_fini(&calls);
    journal_free(journal);
    return co_fs_remove_tree(dir, NULL) == CO_OK ? 0 : -1;
}

/* -- what stands in the journal ------------------------------------------- */

static void
append(uint8_t type, const struct co_buf *content)
{
    assert_int_equal(content->err, CO_OK);
    assert_int_equal(
        journal_append_final(journal, type, content->data, content->len, &diag),
        CO_OK);
}

static void
given_note(const uint64_t *numbers, size_t n)
{
    struct co_buf buf;
    msgpack_packer pk;

    co_buf_init(&buf, 4096);
    msgpack_packer_init(&pk, &buf, co_buf_write);
    (void)msgpack_pack_array(&pk, n);
    for (size_t i = 0; i < n; i++) {
        (void)msgpack_pack_uint64(&pk, numbers[i]);
    }
    append(RECORD_NOTE, &buf);
    co_buf_fini(&buf);
}
#define given_numbers(...)                                                     \
    given_note((const uint64_t[]){__VA_ARGS__},                                \
               sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void
given_letter_note(uint64_t row)
{
    struct co_buf buf;
    msgpack_packer pk;

    co_buf_init(&buf, 64);
    msgpack_packer_init(&pk, &buf, co_buf_write);
    (void)msgpack_pack_array(&pk, 3);
    (void)msgpack_pack_uint64(&pk, 4);
    (void)msgpack_pack_uint64(&pk, row);
    (void)msgpack_pack_bin(&pk, 2);
    (void)msgpack_pack_bin_body(&pk, "{}", 2);
    append(RECORD_NOTE, &buf);
    co_buf_fini(&buf);
}

static uint64_t
task_of(uint64_t row, uint32_t ask)
{
    return row << 8 | (ASK_STEP + ask);
}

static void
given_result(uint64_t row, uint32_t ask, enum ask_outcome outcome)
{
    const struct ask_result r = {.row = row,
                                 .ask = ask,
                                 .outcome = outcome,
                                 .answer = (const uint8_t *)"{}",
                                 .answer_len = 2,
                                 .fault = {"cut", 3},
                                 .endpoint = {"http://h/v1", 11},
                                 .status = 200,
                                 .time = 1764000000};
    const uint64_t task = task_of(row, ask);
    const uint32_t one = 1, status = STATUS_OK;
    struct msg m = {.type = MSG_results};
    struct co_buf payload, head, content;
    uint32_t len;

    co_buf_init(&payload, 4096);
    co_buf_init(&head, 4096);
    co_buf_init(&content, 8192);
    ask_put_result(&r, &payload);
    len = (uint32_t)payload.len;
    m.results = (struct msg_results){.job = 7,
                                     .owner = 1,
                                     .worker = 9,
                                     .seq = 1,
                                     .tasks = {&task, 1},
                                     .attempts = {&one, 1},
                                     .statuses = {&status, 1},
                                     .lens = {&len, 1}};
    msg_encode(&m, &head);
    for (unsigned i = 0; i < 4; i++) {
        co_buf_putc(&content, (char)(head.len >> 8 * i));
    }
    co_buf_append(&content, head.data, head.len);
    co_buf_append(&content, payload.data, payload.len);
    append(RECORD_RESULTS, &content);
    co_buf_fini(&payload);
    co_buf_fini(&head);
    co_buf_fini(&content);
}

static enum co_err
look(void)
{
    assert_int_equal(journal_stop(journal, &diag), CO_OK);
    return unknown_calls_read(dir, &calls, &diag);
}

/* -- what is told of it --------------------------------------------------- */

static void
calls_without_an_outcome_and_those_that_were_cut_off_are_unknown(void **state)
{
    (void)state;
    given_numbers(1, task_of(5, 0), 0, 100, task_of(3, 0), 0, 200,
                  task_of(4, 0), 0, 400);
    given_result(3, 0, ASK_ANSWER);
    given_letter_note(9);
    given_numbers(3, task_of(3, 1), 1, 800, 20000); /* with a day */
    given_result(4, 0, ASK_UNKNOWN);
    assert_int_equal(look(), CO_OK);
    assert_int_equal(calls.n, 3);
    assert_int_equal(calls.worst, 1300);
    assert_int_equal(calls.v[0].row, 3);
    assert_int_equal(calls.v[0].ask, 1);
    assert_int_equal(calls.v[0].stage, 1);
    assert_false(calls.v[0].told);
    assert_int_equal(calls.v[1].row, 4);
    assert_true(calls.v[1].told);
    assert_string_equal(calls.v[1].fault, "cut");
    assert_string_equal(calls.v[1].endpoint, "http://h/v1");
    assert_int_equal(calls.v[1].time_s, 1764000000);
    assert_int_equal(calls.v[2].row, 5);
}

static void
calls_that_were_never_made_are_not(void **state)
{
    (void)state;
    given_numbers(1, task_of(5, 0), 0, 100, task_of(6, 0), 0, 100);
    given_numbers(2, task_of(5, 0));
    given_result(6, 0, ASK_REFUSED);
    given_result(6, 0, ASK_UNKNOWN); /* nothing is known of such a call */
    assert_int_equal(look(), CO_OK);
    assert_int_equal(calls.n, 0);
    assert_int_equal(calls.worst, 0);
}

static void
of_many_calls_the_unknown_ones_are_found(void **state)
{
    (void)state;
    for (uint64_t row = 0; row < 5000; row++) {
        given_numbers(1, task_of(row, 0), 0, 1);
        if (row % 1000) given_result(row, 0, ASK_ANSWER);
    }
    for (uint64_t row = 5000; row < 9000; row++) {
        given_numbers(1, task_of(row, 0), 0, 1);
    }
    for (uint64_t row = 5000; row < 9000; row++) {
        if (row % 1000) given_result(row, 0, ASK_ANSWER);
    }
    assert_int_equal(look(), CO_OK);
    assert_int_equal(calls.n, 9);
    for (uint64_t i = 0; i < 9; i++) {
        assert_int_equal(calls.v[i].row, i * 1000);
    }
}

/* [4, row, letter] and [5, result]. */
static void
notes_that_are_not_about_money_are_skipped(void **state)
{
    static const uint8_t letter[] = {0x93, 4, 3, 0xc4, 2, '{', '}'};
    static const uint8_t kept[] = {0xdd, 0, 0, 0, 2, 5, 0xc4, 1, 0x80};
    struct co_buf buf;

    (void)state;
    co_buf_init(&buf, 64);
    co_buf_append(&buf, letter, sizeof letter);
    append(RECORD_NOTE, &buf);
    co_buf_clear(&buf);
    co_buf_append(&buf, kept, sizeof kept);
    append(RECORD_NOTE, &buf);
    co_buf_fini(&buf);
    given_numbers(1, task_of(3, 0), 0, 500);
    assert_int_equal(look(), CO_OK);
    assert_int_equal(calls.n, 1);
}

static void
a_note_of_a_newer_version_is_refused_and_one_about_caps_is_skipped(void **state)
{
    const struct purse_note purse = {.day = 1, .have = 2};
    struct co_buf buf;

    (void)state;
    co_buf_init(&buf, 64);
    purse_note_put(&purse, &buf);
    append(RECORD_NOTE, &buf);
    co_buf_fini(&buf);
    given_numbers(9, 1);
    assert_int_equal(look(), CO_VERSION);
    assert_non_null(strstr(diag.text, "with the version that wrote it"));
}

static void
a_folder_without_a_journal_is_told_apart_from_one_without_calls(void **state)
{
    (void)state;
    assert_int_equal(unknown_calls_read("/nowhere", &calls, &diag),
                     CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "no such folder"));
    given_numbers(2);
    assert_int_equal(look(), CO_OK);
    assert_int_equal(calls.n, 0);
}

static void
calls_of_several_writers_are_read_too(void **state)
{
    (void)state;
    given_numbers(20, task_of(1, 0), 0, 5, 0, 1);
    given_numbers(24, task_of(2, 0), 0, 6, 0, 1, 1, task_of(3, 0), 0, 7, 0, 0,
                  0);
    given_numbers(21, 1, 0);
    given_numbers(25, 4, 0, 1);
    given_result(3, 0, ASK_ANSWER);
    given_numbers(2, task_of(2, 0));
    given_numbers(24, task_of(2, 0), 1, 8, 0, 0, 1); /* the same id again */
    assert_int_equal(look(), CO_OK);
    assert_int_equal(calls.n, 2);
    assert_int_equal(calls.v[0].row, 1);
    assert_int_equal(calls.v[0].worst, 5);
    assert_int_equal(calls.v[1].row, 2);
    assert_int_equal(calls.v[1].worst, 8);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(calls_without_an_outcome_and_those_that_were_cut_off_are_unknown),
        T(calls_that_were_never_made_are_not),
        T(of_many_calls_the_unknown_ones_are_found),
        T(notes_that_are_not_about_money_are_skipped),
        T(a_note_of_a_newer_version_is_refused_and_one_about_caps_is_skipped),
        T(a_folder_without_a_journal_is_told_apart_from_one_without_calls),
        T(calls_of_several_writers_are_read_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
