/* test_purse.c - money from caps over several jobs: what one purse lets its job
 * reserve, when, and what a successor knows of it. */
#include "job/purse_note.h"
#include "tests/co_test.h"
#include "tests/unit/purse_model.h"

struct hand {
    struct purse p;
    struct purse_model m;
    struct purse_options opt;
    int64_t now_us;
};

static void
given(struct hand *h, int64_t cap_day, bool ledger)
{
    memset(h, 0, sizeof *h);
    (void)snprintf(h->m.run, sizeof h->m.run, "1");
    h->m.now_ms = (int64_t)DAY * DAY_MS + NOON_MS;
    if (ledger) purse_model_given(&h->m, cap_day, -1);
    h->opt = (struct purse_options){
        .redis = true, .cap_day = -1, .cap_total = -1, .owner = 1, .day = DAY};
    purse_init(&h->p, &h->opt);
    purse_begin(&h->p);
}

/* The journal takes what the purse has to say, at once. */
static void
journal(struct hand *h)
{
    struct co_buf out;

    co_buf_init(&out, 4096);
    while (purse_note(&h->p, &out)) {
        purse_noted(&h->p, h->now_us);
    }
    co_buf_fini(&out);
}

/* A tenth of a second: an exchange if it is due, then the journal. */
static void
tick(struct hand *h, bool with_journal)
{
    struct purse_ask ask;
    struct purse_answer answer;

    h->now_us += US / 10;
    h->m.now_ms += 100;
    purse_turn(&h->p, h->now_us);
    if (purse_ask(&h->p, h->now_us, &ask)) {
        purse_model_turn(&h->m, 0, &h->opt, &ask, &answer);
        purse_answer(&h->p, h->now_us, &answer);
    }
    if (with_journal) journal(h);
    assert_null(purse_check(&h->p));
}

static void
pass(struct hand *h, unsigned seconds)
{
    for (unsigned i = 0; i < 10 * seconds; i++) {
        tick(h, true);
    }
}

static void
without_redis_all_is_free_and_nothing_is_asked_or_noted(void **state)
{
    struct purse_options opt = {.cap_day = -1, .cap_total = -1};
    struct purse_ask ask;
    struct purse p;

    (void)state;
    purse_init(&p, &opt);
    purse_begin(&p);
    assert_int_equal(purse_free(&p), INT64_MAX);
    assert_int_equal(purse_take(&p, 5), 0);
    assert_false(purse_ask(&p, 0, &ask));
    assert_false(purse_note(&p, NULL));
    purse_leave(&p);
    assert_true(purse_left(&p));
}

static void
until_redis_answers_nothing_is_free(void **state)
{
    struct hand h;

    (void)state;
    given(&h, -1, false);
    assert_int_equal(purse_free(&h.p), 0);
    assert_int_equal(purse_why(&h.p), PURSE_WHY_UNASKED);
    tick(&h, true);
    assert_int_equal(purse_free(&h.p), INT64_MAX); /* nobody set a cap */
}

static void
a_cap_of_ones_own_without_a_ledger_grants_nothing(void **state)
{
    struct hand h;

    (void)state;
    given(&h, -1, false);
    h.opt.cap_day = 100;
    purse_init(&h.p, &h.opt);
    purse_begin(&h.p);
    pass(&h, 3);
    assert_int_equal(purse_free(&h.p), 0);
    assert_int_equal(purse_why(&h.p), PURSE_WHY_NO_LEDGER);
}

static void
a_block_is_spent_2_s_after_its_grant_and_not_without_its_note(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    for (unsigned i = 0; i < 19; i++) {
        tick(&h, true);
        assert_int_equal(purse_free(&h.p), 0);
        assert_int_equal(purse_why(&h.p), PURSE_WHY_ASKED);
    }
    pass(&h, 2);
    assert_int_equal(purse_free(&h.p), 40 * MICRO);
    assert_int_equal(purse_take(&h.p, 10 * MICRO), DAY);
    assert_int_equal(purse_free(&h.p), 30 * MICRO);

    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    for (unsigned i = 0; i < 50; i++) {
        tick(&h, false);
    }
    assert_int_equal(purse_free(&h.p), 0);
}

/* So that whoever takes part can bear witness when Redis comes back. */
static void
a_block_waits_until_every_coordinator_has_seen_it_or_is_gone(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 1000, true);
    h.m.l.members[1].there = true;
    h.m.l.members[1].at = h.m.now_ms;
    purse_want(&h.p, 10 * MICRO);
    pass(&h, PURSE_SCRIPT_MEMBER_MS / 1000);
    assert_int_equal(purse_free(&h.p), 0);
    pass(&h, 3);
    assert_int_equal(purse_free(&h.p), 40 * MICRO);
}

/* The sums of an answer are those of the day that was asked about. */
static void
a_witness_does_not_take_the_sums_of_yesterday_for_those_of_today(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 100, true);
    h.m.now_ms = (int64_t)(DAY + 1) * DAY_MS - 5000;
    purse_want(&h.p, 25 * MICRO);
    pass(&h, 10);
    assert_int_equal(h.p.view.day, DAY + 1);
    assert_int_equal(h.p.view.granted_day, h.m.l.days[1].granted);
    purse_release(&h.p, DAY, 0);
    h.p.days[0].told = -1; /* as after a restart of Redis */
    h.m.l.days[0].granted = 77;
    pass(&h, 3);
    assert_int_equal(h.p.view.granted_day, h.m.l.days[1].granted);
}

static void
money_that_nobody_wants_goes_back(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    pass(&h, 4);
    (void)purse_take(&h.p, 10 * MICRO);
    assert_int_equal(h.m.l.granted, 40);
    pass(&h, 35);
    assert_int_equal(h.m.l.granted, 10);
    assert_int_equal(purse_free(&h.p), 0);
    /* And the last of it when the job is over. */
    purse_release(&h.p, DAY, 4 * MICRO);
    purse_leave(&h.p);
    assert_false(purse_left(&h.p));
    pass(&h, 2);
    assert_true(purse_left(&h.p));
    assert_int_equal(h.m.l.granted, 6);
}

static void
a_reached_cap_is_named(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 5, true);
    purse_want(&h.p, 10 * MICRO);
    pass(&h, 6);
    assert_int_equal(purse_free(&h.p), 5 * MICRO); /* less than one needs */
    assert_int_equal(purse_why(&h.p), PURSE_WHY_DAY);
}

static void
a_new_day_has_a_cap_of_its_own_and_the_old_one_keeps_its_charges(void **state)
{
    struct hand h;
    const struct purse_model_day *d;

    (void)state;
    given(&h, 100, true);
    h.m.now_ms = (int64_t)(DAY + 1) * DAY_MS - 5000;
    purse_want(&h.p, 25 * MICRO);
    pass(&h, 4);
    assert_int_equal(purse_take(&h.p, 25 * MICRO), DAY);
    pass(&h, 2); /* midnight */
    assert_int_equal(purse_free(&h.p), 0);
    pass(&h, 4);
    d = purse_model_day_of(&h.m.l, DAY);
    co_assert(d);
    assert_int_equal(d->granted, 25);
    assert_int_equal(purse_take(&h.p, 25 * MICRO), DAY + 1);
    purse_release(&h.p, DAY, 20 * MICRO); /* a late answer, cheap */
    pass(&h, 2);
    assert_int_equal(d->granted, 5);
    assert_int_equal(h.m.l.granted, 5 + h.m.l.days[1].granted);
}

static void
an_overrun_is_charged_beyond_the_cap(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 10, true);
    purse_want(&h.p, 10 * MICRO);
    pass(&h, 4);
    (void)purse_take(&h.p, 10 * MICRO);
    purse_exceed(&h.p, DAY, 7 * MICRO);
    pass(&h, 2);
    assert_int_equal(h.m.l.granted, 17);
    assert_int_equal(purse_free(&h.p), 0);
}

static void
the_journal_alone_tells_a_successor_what_was_spent(void **state)
{
    struct hand h;
    struct co_buf note;
    struct purse q;

    (void)state;
    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    tick(&h, false);
    co_buf_init(&note, 4096);
    assert_true(purse_note(&h.p, &note));
    assert_int_equal(note.len, PURSE_NOTE_BYTES);
    purse_init(&q, &h.opt);
    assert_false(purse_replay(&q, note.data, note.len - 1));
    assert_true(purse_replay(&q, note.data, note.len));
    purse_replay_take(&q, DAY, 3 * MICRO + 1);
    purse_begin(&q);
    assert_int_equal(q.days[0].have, 4); /* upwards; the rest goes back */
    assert_int_equal(q.days[0].said, 40);
    assert_int_equal(purse_free(&q), 0);
    co_buf_fini(&note);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            without_redis_all_is_free_and_nothing_is_asked_or_noted),
        cmocka_unit_test(until_redis_answers_nothing_is_free),
        cmocka_unit_test(a_cap_of_ones_own_without_a_ledger_grants_nothing),
        cmocka_unit_test(
            a_block_is_spent_2_s_after_its_grant_and_not_without_its_note),
        cmocka_unit_test(
            a_block_waits_until_every_coordinator_has_seen_it_or_is_gone),
        cmocka_unit_test(
            a_witness_does_not_take_the_sums_of_yesterday_for_those_of_today),
        cmocka_unit_test(money_that_nobody_wants_goes_back),
        cmocka_unit_test(a_reached_cap_is_named),
        cmocka_unit_test(
            a_new_day_has_a_cap_of_its_own_and_the_old_one_keeps_its_charges),
        cmocka_unit_test(an_overrun_is_charged_beyond_the_cap),
        cmocka_unit_test(the_journal_alone_tells_a_successor_what_was_spent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
