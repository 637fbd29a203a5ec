/* What the codec promises: golden bytes, round trips, no trust in a peer. */
#include "proto/msg.h"
#include "proto/walk.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>

static struct msg_reader reader;

static struct msg
example_tasks(void)
{
    static const uint64_t tasks[] = {256, 512, UINT64_MAX};
    static const uint32_t attempts[] = {1};
    static const uint32_t lens[] = {3, 0, 70000};

    return (struct msg){.type = MSG_tasks,
                        .tasks = {.job = 7,
                                  .owner = 2,
                                  .service = msg_text("noop"),
                                  .tasks = {tasks, 3},
                                  .attempts = {attempts, 1},
                                  .lens = {lens, 3}}};
}

static void
encode(const struct msg *m, struct co_buf *buf)
{
    co_buf_init(buf, HEAD_BYTES_MAX);
    msg_encode(m, buf);
    assert_int_equal(buf->err, CO_OK);
}

static void
tasks_have_these_bytes_on_the_wire(void **state)
{
    static const uint8_t golden[] = {
        0x87, 0x00, 0x30, 0x01, 0x07, 0x02, 0x02, 0x03, 0xa4, 'n',  'o',
        'o',  'p',  0x04, 0x93, 0xcd, 0x01, 0x00, 0xcd, 0x02, 0x00, 0xcf,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x91, 0x01,
        0x06, 0x93, 0x03, 0x00, 0xce, 0x00, 0x01, 0x11, 0x70};
    struct msg m = example_tasks();
    struct co_buf buf;

    (void)state;
    encode(&m, &buf);
    assert_int_equal(buf.len, sizeof golden);
    assert_memory_equal(buf.data, golden, sizeof golden);
    co_buf_fini(&buf);
}

static void
what_was_encoded_decodes_to_the_same(void **state)
{
    struct msg m = example_tasks();
    struct msg got;
    struct co_buf buf;

    (void)state;
    encode(&m, &buf);
    assert_int_equal(msg_decode(&reader, buf.data, buf.len, &got), CO_OK);
    assert_int_equal(got.type, MSG_tasks);
    assert_true(msg_str_is(got.tasks.service, "noop"));
    assert_int_equal(got.tasks.tasks.n, 3);
    assert_true(got.tasks.tasks.v[2] == UINT64_MAX);
    assert_int_equal(msg_at(got.tasks.attempts, 2), 1);
    assert_int_equal(msg_at(got.tasks.lens, 2), 70000);
    assert_int_equal(msg_check_tasks(&got.tasks, 70003), CO_OK);
    assert_int_equal(msg_check_tasks(&got.tasks, 70004), CO_PROTOCOL);
    co_buf_fini(&buf);
}

static void
every_message_survives_a_round_trip_of_its_required_fields(void **state)
{
    (void)state;
    for (unsigned t = 1; t <= MSG_TYPE_MAX; t++) {
        struct msg m = {.type = (enum msg_type)t};
        struct msg got;
        struct co_buf buf;

        if (strcmp(msg_name(t), "unknown") == 0) continue;
        encode(&m, &buf);
        assert_int_equal(msg_decode(&reader, buf.data, buf.len, &got), CO_OK);
        assert_int_equal(got.type, t);
        co_buf_fini(&buf);
    }
}

static void
every_truncation_is_refused(void **state)
{
    struct msg m = example_tasks();
    struct msg got;
    struct co_buf buf;

    (void)state;
    encode(&m, &buf);
    for (size_t n = 0; n < buf.len; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* exact size: a sanitizer sees */

        memcpy(cut, buf.data, n);
        assert_int_equal(msg_decode(&reader, cut, n, &got), CO_PROTOCOL);
        free(cut);
    }
    co_buf_putc(&buf, 0);
    assert_int_equal(msg_decode(&reader, buf.data, buf.len, &got), CO_PROTOCOL);
    co_buf_fini(&buf);
}

static void
refuses(const char *bytes, size_t len, enum co_err want)
{
    struct msg got;

    assert_int_equal(msg_decode(&reader, bytes, len, &got), want);
}

static void
hostile_headers_are_refused(void **state)
{
    (void)state;
    refuses("", 0, CO_PROTOCOL);
    refuses("\xc1", 1, CO_PROTOCOL);
    refuses("\x80", 1, CO_PROTOCOL);                         /* no number */
    refuses("\x81\x00\x5f", 3, CO_VERSION);                  /* unknown */
    refuses("\x81\x00\x60", 3, CO_VERSION);                  /* reserved */
    refuses("\x81\x00\xcd\xff\xff", 5, CO_VERSION);          /* far away */
    refuses("\x82\x00\x04\x00\x04", 5, CO_PROTOCOL);         /* number twice */
    refuses("\x82\x01\x07\x00\x12", 5, CO_PROTOCOL);         /* not first */
    refuses("\x82\x00\x12\x01\x07", 5, CO_PROTOCOL);         /* owner missing */
    refuses("\x83\x00\x39\x01\x01\x01\x01", 7, CO_PROTOCOL); /* key twice */
    refuses("\x82\x00\x39\x01\xff", 5, CO_PROTOCOL);         /* negative */
    refuses("\x82\x00\x39\x01\xa1x", 6, CO_PROTOCOL); /* text as number */
    refuses("\xdf\xff\xff\xff\xff\x00\x39", 7, CO_PROTOCOL);
    /* An array that claims 2^32 - 1 elements. */
    refuses("\x83\x00\x05\x04\xdd\xff\xff\xff\xff\x01\x00", 11, CO_PROTOCOL);
    /* Names must be UTF-8. */
    refuses("\x83\x00\x03\x01\xa1\xff\x02\xa0", 8, CO_PROTOCOL);
}

static void
unknown_fields_are_stepped_over(void **state)
{
    struct msg got;

    (void)state;
    assert_int_equal(
        msg_decode(&reader, "\x83\x00\x39\x1e\x92\x01\xa1x\x01\x05", 10, &got),
        CO_OK);
    assert_true(got.forget.job == 5);
}

static void
nesting_deeper_than_the_limit_is_refused(void **state)
{
    uint8_t deep[WALK_DEPTH_MAX + 2];

    (void)state;
    memset(deep, 0x91, sizeof deep);
    deep[WALK_DEPTH_MAX] = 0x01;
    assert_true(walk_check(deep, WALK_DEPTH_MAX + 1));
    deep[WALK_DEPTH_MAX] = 0x91;
    deep[WALK_DEPTH_MAX + 1] = 0x01;
    assert_false(walk_check(deep, WALK_DEPTH_MAX + 2));
}

static void
batches_larger_than_the_limit_are_refused(void **state)
{
    static uint64_t tasks[BATCH_MAX * 2 + 65];
    uint32_t one = 0;
    struct msg m = example_tasks();
    struct msg got;
    struct co_buf buf;

    (void)state;
    m.tasks.lens = (struct msg_u32s){&one, 1};
    m.tasks.tasks = (struct msg_u64s){tasks, BATCH_MAX};
    encode(&m, &buf);
    assert_int_equal(msg_decode(&reader, buf.data, buf.len, &got), CO_OK);
    assert_int_equal(msg_check_tasks(&got.tasks, 0), CO_OK);
    co_buf_fini(&buf);
    m.tasks.tasks.n = BATCH_MAX + 1;
    encode(&m, &buf);
    assert_int_equal(msg_decode(&reader, buf.data, buf.len, &got), CO_OK);
    assert_int_equal(msg_check_tasks(&got.tasks, 0), CO_PROTOCOL);
    co_buf_fini(&buf);
    m.tasks.tasks.n = BATCH_MAX * 2 + 65;
    encode(&m, &buf);
    assert_int_equal(msg_decode(&reader, buf.data, buf.len, &got), CO_PROTOCOL);
    co_buf_fini(&buf);
}

static void
held_keys_tell_job_task_and_attempt_apart(void **state)
{
    (void)state;
    assert_true(msg_held_key(1, 2, 3) != msg_held_key(2, 1, 3));
    assert_true(msg_held_key(1, 2, 3) != msg_held_key(1, 3, 2));
    /* docs/protocol.md quotes this value. */
    assert_true(msg_held_key(1, 2, 3) == 0x6ea43fa50cdbd352ULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_have_these_bytes_on_the_wire),
        cmocka_unit_test(what_was_encoded_decodes_to_the_same),
        cmocka_unit_test(
            every_message_survives_a_round_trip_of_its_required_fields),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(unknown_fields_are_stepped_over),
        cmocka_unit_test(nesting_deeper_than_the_limit_is_refused),
        cmocka_unit_test(batches_larger_than_the_limit_are_refused),
        cmocka_unit_test(held_keys_tell_job_task_and_attempt_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
