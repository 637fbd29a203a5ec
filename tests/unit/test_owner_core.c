/* test_owner_core.c - an owner's turns with a broker of the test's own and a
 * real journal in a temporary folder: what must be on disk before something
 * goes out, and what becomes of what did not go out. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/owner_core.h"
#include "fake_calls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { JOB = 9, WAIT_MS = 20000, CALL_MS = 5000 };

struct fixture {
    char dir[64], journal_dir[80];
    struct calls calls;
    struct hosted hosted;
    struct owner_core *core;
    struct msg_reader reader;
    struct msg sent; /* by says() */
    struct co_bytes head;
    int64_t now_us;
};

static struct fixture *
fixture_new(uint32_t rows)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    struct owner_core_options options = {.self = {.incarnation = 5,
                                                  .name = "o",
                                                  .software = "t",
                                                  .job = JOB,
                                                  .owner = 1,
                                                  .job_name = "j",
                                                  .service = "ask"},
                                         .provider = "main",
                                         .fresh = true,
                                         .call_total_ms = CALL_MS,
                                         .links = 1};

    strcpy(f->dir, "/tmp/cohort-test-owner-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
    options.journal_dir = f->journal_dir;
    f->now_us = 1000000;
    f->calls.rows = rows;
    f->hosted = (struct hosted){.kind = &calls_kind, .state = &f->calls};
    assert_int_equal(journal_claim(f->journal_dir, JOB, 1, NULL), CO_OK);
    assert_int_equal(owner_core_new(&options, &f->hosted, &f->core), CO_OK);
    return f;
}

static int
setup(void **state)
{
    struct fixture *f = fixture_new(1);

    assert_int_equal(owner_core_replay(f->core, NULL), CO_OK);
    assert_int_equal(owner_core_begin(f->core, f->now_us, NULL), CO_OK);
    *state = f;
    return 0;
}

static bool disk_is_full; /* told once: then there is the ballast's room */

static ssize_t
hook_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    if (!disk_is_full) return pwritev(fd, iov, count, offset);
    disk_is_full = false;
    errno = ENOSPC;
    return -1;
}

/* Three rows, and a disk that may be full. The journal does its work when the
 * test says so. */
static int
setup_disk(void **state)
{
    const struct journal_options o = {
        .use_ballast = true, .threadless = true, .io = {hook_pwritev, NULL}};
    struct fixture *f = fixture_new(3);

    disk_is_full = false;
    assert_int_equal(journal_start(f->journal_dir, JOB, 1, NULL, &o,
                                   &f->core->journal, NULL),
                     CO_OK);
    assert_int_equal(owner_core_begin(f->core, f->now_us, NULL), CO_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    co_bytes_unref(&f->head);
    owner_core_free(f->core);
    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    test_free(f);
    return 0;
}

static void
hears_with(struct fixture *f, struct msg m, struct co_bytes body)
{
    struct co_bytes head;
    struct co_buf buf;

    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(&m, &buf);
    assert_int_equal(co_bytes_copy(buf.data, buf.len, &head), CO_OK);
    owner_core_receive(f->core, 0, head, body, f->now_us);
    co_bytes_unref(&head);
    co_buf_fini(&buf);
}

static void
hears(struct fixture *f, struct msg m)
{
    hears_with(f, m, (struct co_bytes){0});
}

/* The answer to the row's first call, from a worker by way of the broker. */
static void
hears_answer(struct fixture *f, uint64_t row)
{
    uint64_t task = calls_id(row, 0);
    const uint32_t attempt = 1, status = STATUS_OK, len = CALL_BYTES;
    struct co_bytes body;

    assert_int_equal(co_bytes_copy(&task, len, &body), CO_OK);
    hears_with(f,
               (struct msg){.type = MSG_results,
                            .results = {.job = JOB,
                                        .owner = 1,
                                        .worker = 3,
                                        .seq = row + 1,
                                        .tasks = {&task, 1},
                                        .attempts = {&attempt, 1},
                                        .statuses = {&status, 1},
                                        .lens = {&len, 1}}},
               body);
    co_bytes_unref(&body);
}

static void
turns(struct fixture *f)
{
    struct co_diag diag = {""};

    if (owner_core_work(f->core, f->now_us, &diag)) fail_msg("%s", diag.text);
    owner_core_output(f->core);
}

/* The first message of that type that stands to be sent; then all of them are
 * off. */
static bool
says(struct fixture *f, enum msg_type type)
{
    struct outbox *out = &f->core->out;
    bool found = false;

    for (size_t i = 0; i < out->n && !found; i++) {
        struct co_bytes head = out->v[i].head;

        assert_int_equal(msg_decode(&f->reader, head.data, head.len, &f->sent),
                         CO_OK);
        found = f->sent.type == type;
        if (!found) continue;
        co_bytes_unref(&f->head);
        f->head = co_bytes_ref(head);
        assert_int_equal(
            msg_decode(&f->reader, f->head.data, f->head.len, &f->sent), CO_OK);
    }
    outbox_clear(out);
    return found;
}

/* A turn that begins when the journal has something to say. */
static void
turns_after_commit(struct fixture *f)
{
    struct pollfd fd = {.fd = journal_fd(f->core->journal), .events = POLLIN};

    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    turns(f);
}

static void
given_broker(struct fixture *f)
{
    turns(f);
    hears(f, (struct msg){.type = MSG_welcome,
                          .welcome = {.version = PROTO_VERSION,
                                      .incarnation = 7,
                                      .beat_ms = 1000,
                                      .dead_ms = 5000,
                                      .batch_max = BATCH_MAX,
                                      .body_max = BODY_BYTES_MAX,
                                      .part_max = PART_BYTES_MAX}});
    turns(f);
    assert_true(says(f, MSG_attach));
    assert_true(msg_str_is(f->sent.attach.service, "ask"));
    assert_true(msg_str_is(f->sent.attach.provider, "main"));
    hears(f, (struct msg){.type = MSG_attached,
                          .attached = {.job = JOB, .owner = 1}});
    hears(f, (struct msg){.type = MSG_credit,
                          .credit = {.service = msg_text("ask"),
                                     .provider = msg_text("main"),
                                     .job = JOB,
                                     .granted = 10}});
}

static void
an_intent_is_with_the_journal_in_the_turn_that_made_it(void **state)
{
    struct fixture *f = *state;

    given_broker(f);
    turns(f);
    assert_false(says(f, MSG_tasks));
    turns_after_commit(f); /* nothing else wakes the loop */
    assert_true(says(f, MSG_tasks));
    assert_true(msg_str_is(f->sent.tasks.provider, "main"));
    assert_int_equal(f->sent.tasks.tasks.v[0], calls_id(0, 0));
    assert_string_equal(f->calls.said, "noted0.16 ");
}

static void
a_call_that_could_not_be_sent_goes_out_by_its_id_when_a_broker_is_there(
    void **state)
{
    struct fixture *f = *state;

    given_broker(f);
    turns(f);
    turns_after_commit(f);
    assert_true(says(f, MSG_tasks));
    owner_core_unsent(f->core, 0, f->head, f->now_us);
    owner_core_unsent(f->core, 0, f->head, f->now_us); /* once is enough */
    assert_int_equal(engine_counters(f->core->engine)->unsent, 1);
    given_broker(f);
    turns(f);
    assert_true(says(f, MSG_tasks));
    assert_int_equal(f->sent.tasks.tasks.v[0], calls_id(0, 0));
    assert_int_equal(f->sent.tasks.attempts.v[0], 2);
    assert_int_equal(f->calls.unknown, 0);
}

/* Two calls are out, the third is intended, when the disk is found full. */
static void
given_a_full_disk(struct fixture *f)
{
    given_broker(f);
    f->calls.rows = 2;
    turns(f);
    assert_int_equal(journal_commit(f->core->journal), CO_OK);
    turns(f);
    assert_true(says(f, MSG_tasks));
    f->calls.rows = 3;
    turns(f);
    disk_is_full = true;
    assert_int_equal(journal_commit(f->core->journal), CO_OK);
    turns(f);
    assert_string_equal(f->calls.said, "noted0.16 noted1.16 noted2.16 ");
}

static void
on_a_full_disk_answers_under_way_are_kept_and_no_call_is_given_out(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};
    enum owner_end end;

    given_a_full_disk(f);
    assert_false(says(f, MSG_tasks));
    hears_answer(f, 0);
    hears_answer(f, 1);
    turns(f);
    assert_false(owner_core_over(f->core, f->now_us, &end));
    assert_int_equal(journal_commit(f->core->journal), CO_OK);
    assert_int_equal(owner_core_work(f->core, f->now_us, &diag), CO_NOSPACE);
    assert_non_null(strstr(diag.text, "Free some disk space"));
    assert_false(says(f, MSG_tasks));
    assert_non_null(strstr(f->calls.said, "place0.16 place1.16 "));
    assert_int_equal(f->calls.unknown, 0);
}

static void
on_a_full_disk_no_answer_is_waited_for_longer_than_a_call_may_take(void **state)
{
    struct fixture *f = *state;

    given_a_full_disk(f);
    hears_answer(f, 0);
    turns(f);
    assert_int_equal(journal_commit(f->core->journal), CO_OK);
    f->now_us += (int64_t)CALL_MS * 1000 - 1;
    turns(f);
    f->now_us += 1;
    assert_int_equal(owner_core_work(f->core, f->now_us, NULL), CO_NOSPACE);
}

/* The hosted job's files are on the same disk, and may find it full first. */
static enum co_err
no_room_for_a_file(void *self, struct journal *j, struct co_diag *diag)
{
    (void)self;
    (void)j;
    return co_fail(diag, CO_NOSPACE, "no room for a shard");
}

static void
a_shard_without_room_loses_no_answer_either(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};

    given_broker(f);
    turns(f);
    assert_int_equal(journal_commit(f->core->journal), CO_OK);
    turns(f);
    assert_true(says(f, MSG_tasks));
    f->hosted.turn = no_room_for_a_file;
    for (uint64_t row = 0; row < 3; row++) {
        turns(f);
        hears_answer(f, row);
    }
    turns(f);
    assert_int_equal(journal_commit(f->core->journal), CO_OK);
    assert_int_equal(owner_core_work(f->core, f->now_us, &diag), CO_NOSPACE);
    assert_string_equal(diag.text, "no room for a shard");
    assert_non_null(strstr(f->calls.said, "place0.16 place1.16 place2.16 "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(an_intent_is_with_the_journal_in_the_turn_that_made_it),
        T(a_call_that_could_not_be_sent_goes_out_by_its_id_when_a_broker_is_there),
#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, setup_disk, teardown)
        T(on_a_full_disk_answers_under_way_are_kept_and_no_call_is_given_out),
        T(on_a_full_disk_no_answer_is_waited_for_longer_than_a_call_may_take),
        T(a_shard_without_room_loses_no_answer_either),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
