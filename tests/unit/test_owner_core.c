/* test_owner_core.c - an owner's turns with a broker of the test's own and a
 * real journal in a temporary folder: what must be on disk before something
 * goes out, and what becomes of what did not go out. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/owner_core.h"
#include "fake_calls.h"

#include <poll.h>
#include <stdlib.h>

enum { JOB = 9, WAIT_MS = 20000 };

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

static int
setup(void **state)
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
                                         .links = 1};

    strcpy(f->dir, "/tmp/cohort-test-owner-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
    options.journal_dir = f->journal_dir;
    f->now_us = 1000000;
    f->calls.rows = 1;
    f->hosted = (struct hosted){.kind = &calls_kind, .state = &f->calls};
    assert_int_equal(journal_claim(f->journal_dir, JOB, 1, NULL), CO_OK);
    assert_int_equal(owner_core_new(&options, &f->hosted, &f->core), CO_OK);
    assert_int_equal(owner_core_replay(f->core, NULL), CO_OK);
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
hears(struct fixture *f, struct msg m)
{
    struct co_buf buf;

    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(&m, &buf);
    owner_core_receive(f->core, 0, co_bytes_borrow(buf.data, buf.len),
                       (struct co_bytes){0}, f->now_us);
    co_buf_fini(&buf);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(an_intent_is_with_the_journal_in_the_turn_that_made_it),
        T(a_call_that_could_not_be_sent_goes_out_by_its_id_when_a_broker_is_there),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
