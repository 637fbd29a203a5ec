/* test_link.c - an owner's link to a broker: when it counts as lost. */
#include "tests/co_test.h"

#include "coordinator/link.h"

static const struct link_identity self = {.incarnation = 5,
                                          .name = "o",
                                          .software = "t",
                                          .job = 9,
                                          .owner = 3,
                                          .job_name = "j",
                                          .service = "noop"};

struct fixture {
    struct link link;
    struct outbox out;
    struct msg_reader reader;
    struct msg last; /* by said() */
};

static int
setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);

    outbox_init(&f->out);
    link_init(&f->link, 0, &self);
    (void)link_tick(&f->link, 1000, &f->out);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    outbox_fini(&f->out);
    test_free(f);
    return 0;
}

static enum link_verdict
hears(struct fixture *f, struct msg m, int64_t now_ms)
{
    return link_on_message(&f->link, &m, now_ms, &f->out);
}

static enum link_verdict
welcomed(struct fixture *f, uint64_t broker, int64_t now_ms)
{
    return hears(f,
                 (struct msg){.type = MSG_welcome,
                              .welcome = {.incarnation = broker,
                                          .beat_ms = 1000,
                                          .dead_ms = 5000,
                                          .part_max = 8192}},
                 now_ms);
}

static void
a_link_attaches_after_welcome(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(welcomed(f, 7, 1001), LINK_HANDLED);
    assert_int_equal(f->link.state, LINK_ATTACHING);
    assert_int_equal(f->link.part_max, 8192);
    assert_int_equal(hears(f,
                           (struct msg){.type = MSG_attached,
                                        .attached = {.job = 9, .owner = 3}},
                           1002),
                     LINK_ATTACHED);
    assert_int_equal(f->link.state, LINK_READY);
}

/* Pages of INVENTORY may have been passed on: they count no more. */
static void
a_link_that_breaks_while_attaching_is_lost_too(void **state)
{
    struct fixture *f = *state;

    (void)welcomed(f, 7, 1001);
    assert_int_equal(welcomed(f, 7, 1100), LINK_HANDLED); /* said twice */
    assert_int_equal(welcomed(f, 8, 1200), LINK_LOST);    /* another broker */
    assert_int_equal(hears(f, (struct msg){.type = MSG_who}, 1300), LINK_LOST);
    assert_int_equal(hears(f, (struct msg){.type = MSG_who}, 1400),
                     LINK_HANDLED);
    (void)welcomed(f, 8, 1500);
    assert_false(link_tick(&f->link, 6500, &f->out));
    assert_true(link_tick(&f->link, 6501, &f->out));
    assert_false(link_tick(&f->link, 6502, &f->out));
}

static void
a_piece_of_a_large_message_ends_the_silence(void **state)
{
    struct fixture *f = *state;

    (void)welcomed(f, 7, 1001);
    assert_int_equal(hears(f, (struct msg){.type = MSG_part}, 5000),
                     LINK_HANDLED);
    assert_false(link_tick(&f->link, 10000, &f->out));
    assert_true(link_tick(&f->link, 10001, &f->out));
}

/* The newest message that the link sent, MSG type and decoded. */
static const struct msg *
said(struct fixture *f)
{
    const struct outmsg *m = &f->out.v[f->out.n - 1];

    assert_true(f->out.n > 0);
    assert_int_equal(
        msg_decode(&f->reader, m->head.data, m->head.len, &f->last), CO_OK);
    return &f->last;
}

static void
attached(struct fixture *f, uint64_t broker, int64_t now_ms)
{
    (void)welcomed(f, broker, now_ms);
    assert_int_equal(hears(f,
                           (struct msg){.type = MSG_attached,
                                        .attached = {.job = 9, .owner = 3}},
                           now_ms),
                     LINK_ATTACHED);
}

static void
nobody_answers_and_the_greeting_is_repeated_every_quarter_second(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->out.n, 1); /* setup's tick at 1000 */
    assert_int_equal(said(f)->type, MSG_hello);
    assert_int_equal(f->last.hello.role, ROLE_COORDINATOR);
    assert_int_equal(f->last.hello.incarnation, 5);
    assert_false(link_tick(&f->link, 1249, &f->out));
    assert_int_equal(f->out.n, 1);
    assert_false(link_tick(&f->link, 1250, &f->out));
    assert_int_equal(f->out.n, 2);
    assert_int_equal(said(f)->type, MSG_hello);
}

static void
attaching_says_job_owner_and_service(void **state)
{
    struct fixture *f = *state;

    (void)welcomed(f, 7, 1001);
    assert_int_equal(said(f)->type, MSG_attach);
    assert_int_equal(f->last.attach.job, 9);
    assert_int_equal(f->last.attach.owner, 3);
    assert_true(msg_str_is(f->last.attach.service, "noop"));
}

static void
a_broker_that_forgot_us_is_greeted_at_once(void **state)
{
    struct fixture *f = *state;

    attached(f, 7, 1001);
    assert_int_equal(hears(f, (struct msg){.type = MSG_who}, 1002), LINK_LOST);
    assert_int_equal(said(f)->type, MSG_hello);
    assert_int_equal(f->link.state, LINK_DOWN);
    attached(f, 7, 1003); /* the same broker, attached again */
    assert_int_equal(f->link.state, LINK_READY);
}

static void
a_broker_begun_anew_is_attached_again_after_its_loss_is_told(void **state)
{
    struct fixture *f = *state;

    attached(f, 7, 1001);
    assert_int_equal(welcomed(f, 8, 1100), LINK_LOST);
    assert_int_equal(said(f)->type, MSG_attach);
    assert_int_equal(f->link.state, LINK_ATTACHING);
    attached(f, 8, 1101);
}

static void
silence_takes_the_link_down_and_beats_go_out_until_then(void **state)
{
    struct fixture *f = *state;

    attached(f, 7, 2000);
    assert_false(link_tick(&f->link, 3000, &f->out));
    assert_int_equal(said(f)->type, MSG_beat);
    assert_int_equal(hears(f, (struct msg){.type = MSG_beat}, 6000),
                     LINK_HANDLED); /* heard: 5 s from now */
    assert_false(link_tick(&f->link, 11000, &f->out));
    assert_true(link_tick(&f->link, 11001, &f->out));
    assert_int_equal(f->link.state, LINK_DOWN);
    /* What it says of tasks before it knows us again is nobody's. */
    assert_int_equal(hears(f, (struct msg){.type = MSG_lost}, 11002),
                     LINK_HANDLED);
    assert_false(link_tick(&f->link, 11003, &f->out));
    assert_int_equal(said(f)->type, MSG_hello);
}

static void
a_newer_owner_ends_the_link_for_good(void **state)
{
    struct fixture *f = *state;
    struct msg stale = {.type = MSG_refused,
                        .refused = {.code = msg_text("STALE"), .job = 8}};
    size_t before;

    attached(f, 7, 1001);
    assert_int_equal(hears(f, stale, 1002), LINK_PASS); /* of another job */
    stale.refused.job = 9;
    assert_int_equal(hears(f, stale, 1003), LINK_STALE);
    assert_int_equal(f->link.state, LINK_REFUSED);
    assert_int_equal(welcomed(f, 8, 1004), LINK_HANDLED);
    assert_int_equal(f->link.state, LINK_REFUSED);
    before = f->out.n;
    assert_false(link_tick(&f->link, 100000, &f->out));
    assert_int_equal(f->out.n, before);
}

static void
leaving_is_said_to_those_who_are_there_only(void **state)
{
    struct fixture *f = *state;
    size_t before = f->out.n;

    link_detach(&f->link, &f->out);
    link_bye(&f->link, &f->out);
    assert_int_equal(f->out.n, before);
    attached(f, 7, 1001);
    link_detach(&f->link, &f->out);
    assert_int_equal(said(f)->type, MSG_detach);
    assert_int_equal(f->last.detach.owner, 3);
    link_bye(&f->link, &f->out);
    assert_int_equal(said(f)->type, MSG_bye);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_link_attaches_after_welcome),
        T(a_piece_of_a_large_message_ends_the_silence),
        T(a_link_that_breaks_while_attaching_is_lost_too),
        T(nobody_answers_and_the_greeting_is_repeated_every_quarter_second),
        T(attaching_says_job_owner_and_service),
        T(a_broker_that_forgot_us_is_greeted_at_once),
        T(a_broker_begun_anew_is_attached_again_after_its_loss_is_told),
        T(silence_takes_the_link_down_and_beats_go_out_until_then),
        T(a_newer_owner_ends_the_link_for_good),
        T(leaving_is_said_to_those_who_are_there_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
