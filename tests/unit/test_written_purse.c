/* The written kind under caps over several jobs: what it reserves is in the
 * purse, whatever order, loss or crash; when all jobs have spent the cap of a
 * day it waits, and goes on when there is more; that of all days ends it. */
#include "tests/unit/purse_model.h"
#include "tests/unit/written_world.h"

struct shared {
    struct world f;
    struct purse p;
    struct purse_options opt;
    struct purse_model m;
};

static void
given(struct shared *s, uint64_t rows, uint64_t seed, int64_t cap)
{
    world_init(&s->f, rows, seed);
    memset(&s->m, 0, sizeof s->m);
    (void)snprintf(s->m.run, sizeof s->m.run, "1");
    purse_model_given(&s->m, cap, -1);
    s->opt = (struct purse_options){
        .redis = true, .cap_day = -1, .cap_total = -1, .owner = 1, .day = DAY};
    purse_init(&s->p, &s->opt);
    s->f.options.purse = &s->p;
    /* A call costs some 1e-6 USD: what blocks are counted in. */
    s->f.options.price = (struct price){
        .input = 3000, .output = 10000, .cached_input = 1000, .call = 1000000};
    world_start(&s->f);
}

/* The purse charges what the ledger of the job does. */
static void
check(const struct shared *s)
{
    const struct money_sums sums = money_sums(written_money(s->f.w));
    int64_t used = 0;

    if (!s->p.begun) return;
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        used += s->p.days[i].used;
    }
    assert_null(purse_check(&s->p));
    assert_int_equal(used, sums.settled + sums.unknown + sums.reserved);
    assert_true(used <= s->m.l.cap_day * 1000000);
}

static void
step(struct shared *s)
{
    struct purse_ask ask;
    struct purse_answer answer;

    world_step(&s->f);
    s->f.now_us += (int64_t)world_rnd(&s->f, 200000);
    s->m.now_ms = (int64_t)DAY * DAY_MS + 1000 + s->f.now_us / 1000;
    purse_turn(&s->p, s->f.now_us);
    if (purse_ask(&s->p, s->f.now_us, &ask)) {
        purse_model_turn(&s->m, 0, &s->opt, &ask, &answer);
        if (world_rnd(&s->f, 20)) {
            purse_answer(&s->p, s->f.now_us, &answer);
        } else {
            purse_unanswered(&s->p, s->f.now_us);
        }
    }
    check(s);
}

static void
crash(struct shared *s)
{
    s->opt.owner++;
    purse_init(&s->p, &s->opt);
    world_crash(&s->f);
    check(s);
}

static void
orders_losses_and_crashes_leave_the_purse_as_the_ledger(void **state)
{
    struct shared *s = calloc(1, sizeof *s);

    (void)state;
    assert_non_null(s);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        unsigned crashes = 6;

        given(s, 60, seed, 1000000);
        s->f.lose = 30;
        s->f.invalid = 7;
        for (unsigned i = 0; written_kind.done(s->f.w) == KIND_RUNNING; i++) {
            step(s);
            if (crashes && world_rnd(&s->f, 200) == 0) {
                crashes--;
                crash(s);
            }
            if (i > 100000) fail_msg("the job does not end");
        }
        assert_int_equal(written_kind.done(s->f.w), KIND_DONE);
        world_fini(&s->f);
    }
    free(s);
}

/* What the job says that it waits for, as a word; "": nothing. */
static const char *
hold_of(const struct shared *s)
{
    struct kind_money told;

    written_kind.money(s->f.w, &told);
    assert_int_equal(told.hold == NULL, told.hold_code == NULL);
    return told.hold_code ? told.hold_code : "";
}

static void
a_cap_that_all_jobs_have_spent_is_waited_for_and_not_the_end(void **state)
{
    struct shared *s = calloc(1, sizeof *s);
    struct co_buf why;

    (void)state;
    assert_non_null(s);
    given(s, 40, 3, 30);
    step(s);
    assert_string_equal(hold_of(s), "cap_wait"); /* 2 s at least */
    for (unsigned i = 0; i < 3000; i++) {
        step(s);
    }
    assert_string_equal(hold_of(s), "cap_day");
    assert_int_equal(written_kind.done(s->f.w), KIND_RUNNING);
    assert_int_equal(s->f.next, KIND_NEXT_MONEY);
    assert_true(world_ledger(&s->f).accepted < 40);
    co_buf_init(&why, 65536);
    written_kind.why(s->f.w, s->f.now_us, &why);
    assert_non_null(strstr(co_buf_text(&why), "the cap of the day is reached"));
    co_buf_fini(&why);

    s->m.l.state = PURSE_LEDGER_CLOSED;
    for (unsigned i = 0; i < 300; i++) {
        step(s);
    }
    assert_string_equal(hold_of(s), "cap_ledger");
    s->m.l.state = PURSE_LEDGER_OPEN;
    s->m.l.cap_day = 1000000;
    for (unsigned i = 0; written_kind.done(s->f.w) == KIND_RUNNING; i++) {
        step(s);
        if (i > 100000) fail_msg("the job does not end");
    }
    assert_int_equal(written_kind.done(s->f.w), KIND_DONE);
    world_fini(&s->f);
    free(s);
}

static void
a_cap_of_all_days_that_is_spent_ends_the_job_in_part(void **state)
{
    struct shared *s = calloc(1, sizeof *s);
    struct kind_money told;
    struct co_buf why;
    bool held = false;

    (void)state;
    assert_non_null(s);
    given(s, 40, 3, 1000000);
    s->m.l.cap_total = 30;
    for (unsigned i = 0; written_kind.done(s->f.w) == KIND_RUNNING; i++) {
        held |= strcmp(hold_of(s), "cap_total") == 0;
        step(s);
        if (i > 100000) fail_msg("the job does not end");
    }
    assert_true(held);
    assert_string_equal(hold_of(s), ""); /* it is over: that is `stop` */
    assert_int_equal(written_kind.done(s->f.w), KIND_PARTIAL);
    assert_true(world_ledger(&s->f).accepted < 40);
    assert_true(s->f.asked > 0);
    written_kind.money(s->f.w, &told);
    assert_non_null(strstr(told.stop, "the cap over all jobs"));
    co_buf_init(&why, 65536);
    written_kind.why(s->f.w, s->f.now_us, &why);
    assert_non_null(strstr(co_buf_text(&why), "cohort budget set --total"));
    co_buf_fini(&why);
    world_fini(&s->f);
    free(s);
}

static void
without_a_price_nothing_is_asked_under_caps(void **state)
{
    struct shared *s = calloc(1, sizeof *s);

    (void)state;
    assert_non_null(s);
    given(s, 40, 3, 1000);
    written_free(s->f.w);
    personas_free(s->f.p);
    s->f.options.price = price_unknown;
    world_start(&s->f);
    for (unsigned i = 0; i < 200; i++) {
        step(s);
    }
    assert_int_equal(s->f.asked, 0);
    assert_string_equal(hold_of(s), "no_price");
    assert_int_equal(s->f.next, KIND_NEXT_MONEY);
    world_fini(&s->f);
    free(s);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            orders_losses_and_crashes_leave_the_purse_as_the_ledger),
        cmocka_unit_test(
            a_cap_that_all_jobs_have_spent_is_waited_for_and_not_the_end),
        cmocka_unit_test(a_cap_of_all_days_that_is_spent_ends_the_job_in_part),
        cmocka_unit_test(without_a_price_nothing_is_asked_under_caps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
