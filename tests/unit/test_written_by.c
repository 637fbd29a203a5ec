/* test_written_by.c - rows of several writers: who is asked, who steps in, and
 * that a journal tells the same rows again. */
#include "written_pair.h"

#include "coordinator/chain.h"

static struct pair *
given(uint64_t rows, bool builtin)
{
    struct pair *p = given_pair(rows, builtin);

    p->f.in_order = true;
    return p;
}

/* Asks are published and none is answered. */
static void
publish(struct pair *p)
{
    struct world *f = &p->f;

    for (unsigned i = 0; i < 3; i++) {
        world_turn(f, 1000);
        world_commit_all(f);
    }
}

static bool
give_back(struct pair *p, size_t i, uint32_t reason, bool waited)
{
    const struct kind_return how = {.reason = reason, .waited = waited};
    const bool taken =
        written_kind.returned(p->f.w, p->f.out[i].task, &how, p->f.now_us);

    if (taken) world_drop(&p->f, i);
    world_check(&p->f);
    return taken;
}

static uint32_t
writer_of(const struct world_task *t)
{
    struct ask_task ask;

    assert_true(ask_get_task(t->payload, t->len, &ask));
    return ask.writer;
}

static uint64_t
out_of(struct pair *p, const char *provider)
{
    uint64_t n = 0;

    for (size_t i = 0; i < p->f.n_out; i++) {
        n += strcmp(written_kind.provider(p->f.w, p->f.out[i].task),
                    provider) == 0;
    }
    return n;
}

/* Whoever asks for it gets it back, as brokers do with what is not begun. */
static void
give_back_recalled(struct pair *p)
{
    uint64_t task;

    while (written_kind.recall(p->f.w, &task)) {
        for (size_t i = 0; i < p->f.n_out; i++) {
            if (p->f.out[i].task != task) continue;
            assert_true(give_back(p, i, RETURN_CANCELLED, false));
            break;
        }
    }
}

/* Its part of the rows that are left, in thousandths. */
static uint32_t
lane_of(struct pair *p, const char *provider)
{
    struct kind_lane v[KIND_LANES_MAX];
    const uint32_t n = written_kind.lanes(p->f.w, v);

    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(v[i].provider, provider) == 0) return v[i].permille;
    }
    fail_msg("%s is no lane", provider);
    return 0;
}

static void
rows_are_the_first_writers_while_it_is_there(void **state)
{
    struct pair *p = given(200, true);

    (void)state;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_non_null(strstr(arms_of(p), "\"provider\":\"main\",\"model\":\"m0\","
                                       "\"rows\":200,\"accepted\":200,"
                                       "\"degraded\":0"));
    assert_int_equal(p->notices, 0);
    end(p);
}

static void
one_that_is_away_is_replaced_and_its_asks_are_called_back(void **state)
{
    struct pair *p = given(100, false);
    uint64_t out;

    (void)state;
    world_start(&p->f);
    publish(p);
    out = p->f.n_out;
    assert_true(out >= 16);
    assert_int_equal(out_of(p, "main"), out);
    assert_int_equal(lane_of(p, "main"), 1000);
    assert_int_equal(lane_of(p, "cheap"), 0);
    assert_int_equal(writer_of(&p->f.out[0]), MAIN);
    assert_false(give_back(p, 0, RETURN_LIMIT, false)); /* it is only busy */
    assert_true(give_back(p, 0, RETURN_AWAY, false));
    give_back_recalled(p);
    assert_int_equal(p->f.n_out, 0);
    assert_int_equal(p->notices, 1);
    publish(p);
    assert_int_equal(out_of(p, "cheap"), p->f.n_out);
    assert_int_equal(lane_of(p, "main"), 0);
    assert_int_equal(lane_of(p, "cheap"), 1000);
    assert_int_equal(writer_of(&p->f.out[0]), CHEAP);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_non_null(strstr(arms_of(p), "\"provider\":\"cheap\",\"model\":\"m1\""
                                       ",\"rows\":100,\"accepted\":100,"
                                       "\"degraded\":100"));
    end(p);
}

static void
it_is_tried_by_one_ask_and_used_again_when_that_is_answered(void **state)
{
    struct pair *p = given(400, false);
    size_t i = 0;

    (void)state;
    world_start(&p->f);
    publish(p);
    (void)give_back(p, 0, RETURN_AWAY, false);
    give_back_recalled(p);
    p->f.now_us += CHAIN_AWAY_US;
    publish(p);
    assert_int_equal(out_of(p, "main"), 1);
    while (writer_of(&p->f.out[i]) != MAIN) {
        i++;
    }
    (void)world_answer(&p->f, i);
    publish(p);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_null(strstr(arms_of(p), "\"provider\":\"main\",\"model\":\"m0\","
                                   "\"rows\":0"));
    end(p);
}

static void
where_all_are_away_rows_wait_or_are_built_in_as_the_job_says(void **state)
{
    for (unsigned builtin = 0; builtin < 2; builtin++) {
        struct pair *p = given(100, builtin);

        (void)state;
        world_start(&p->f);
        publish(p);
        (void)give_back(p, 0, RETURN_AWAY, false);
        give_back_recalled(p);
        publish(p);
        (void)give_back(p, 0, RETURN_AWAY, false);
        give_back_recalled(p);
        do {
            world_turn(&p->f, 1000);
            while (p->f.durable < p->f.n_journal) {
                world_commit(&p->f);
            }
        } while (p->f.next == KIND_NEXT_INTENT);
        if (!builtin) {
            assert_int_equal(p->f.n_out, 0);
            assert_int_equal(p->f.next, KIND_NEXT_LATER);
        } else {
            assert_int_equal(world_run(&p->f, 0), KIND_DONE);
            assert_int_equal(written_counters(p->f.w)->built, 100);
            assert_int_equal(p->f.asked, 0);
            assert_int_equal(p->notices, 3);
        }
        end(p);
    }
}

static void
outcomes_that_all_fail_send_rows_elsewhere(void **state)
{
    struct pair *p = given(60, true);

    (void)state;
    p->f.all = ASK_REFUSED;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_int_equal(written_counters(p->f.w)->built, 60);
    assert_int_equal(money_sums(written_money(p->f.w)).settled, 0);
    end(p);
}

/* The corpus of a life that changes writers all the time. */
static void
change_writers(struct pair *p, uint64_t seed)
{
    struct world *f = &p->f;

    f->in_order = false;
    f->random = co_mix64(seed);
    for (unsigned step = 0; written_kind.done(f->w) == KIND_RUNNING; step++) {
        const size_t i = f->n_out ? (size_t)world_rnd(f, f->n_out) : 0;

        assert_true(step < 100000);
        if (f->n_out && f->out[i].known && !f->out[i].sent &&
            (f->out[i].task & 0xff) >= ASK_STEP && world_rnd(f, 30) == 0) {
            (void)give_back(p, i, RETURN_AWAY, false);
            give_back_recalled(p);
        }
        if (world_rnd(f, 50) == 0) f->now_us += CHAIN_AWAY_US / 4;
        world_step(f);
    }
    world_commit_all(f);
}

static void
a_replay_tells_the_same_rows_and_the_same_figures(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct pair *p = given(300, true);

        p->f.invalid = 5;
        world_start(&p->f);
        change_writers(p, seed);
        assert_true(written_counters(p->f.w)->moved > 0);
        assert_a_crash_changes_nothing(p);
        end(p);
    }
}

static void
arms_have_their_shares_and_each_its_price(void **state)
{
    struct pair *p = given(400, false);

    (void)state;
    p->table.n_arms = 2;
    p->table.arms[0] =
        (struct writers_arm){.name = "a", .share = 70, .n = 1, .chain = {MAIN}};
    p->table.arms[1] = (struct writers_arm){
        .name = "b", .share = 30, .n = 1, .chain = {CHEAP}};
    p->known[CHEAP].price = (struct price){
        .input = 30, .output = 100, .cached_input = 10, .call = 1000};
    world_start(&p->f);
    assert_int_equal(lane_of(p, "main"), 700);
    assert_int_equal(lane_of(p, "cheap"), 300);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    /* by recipe 0: these rows, in any life and any order */
    assert_non_null(
        strstr(arms_of(p), "{\"arm\":\"a\",\"share\":70,\"rows\":270,"));
    assert_non_null(strstr(arms_of(p), "\"usd\":\"0.000001188873\""));
    assert_non_null(strstr(arms_of(p), "\"usd\":\"0.00000338397\""));
    assert_int_equal(written_counters(p->f.w)->degraded, 0);
    end(p);
}

static void
a_cap_needs_the_price_of_all_writers(void **state)
{
    struct pair *p = given(10, false);

    (void)state;
    p->f.options.cap = 1000000000;
    p->known[CHEAP].price = price_unknown;
    p->f.options.personas = NULL;
    assert_int_equal(personas_new(&p->f.personas_options, &p->f.p), CO_OK);
    p->f.options.personas = p->f.p;
    assert_int_equal(written_new(&p->f.options, &p->f.w), CO_INVALID);
    end(p);
}

/* Whoever is asked is away, for some turns; rows that have no fallback are
 * asked all the same. */
static void
take_all_away(struct pair *p, unsigned turns)
{
    const int64_t now_us = p->f.now_us;

    while (turns-- && written_kind.done(p->f.w) == KIND_RUNNING) {
        p->f.now_us = now_us;
        world_turn(&p->f, 1000);
        for (size_t i = p->f.n_out; i-- > 0;) {
            if ((p->f.out[i].task & 0xff) >= ASK_STEP) {
                (void)give_back(p, i, RETURN_AWAY, false);
            }
        }
        world_step_in_order(&p->f);
    }
}

/* What they need to end is set aside, and another row is what is too dear. */
static void
rows_that_wait_for_a_provider_are_no_spent_budget(void **state)
{
    (void)state;
    for (int64_t cap = 300000; cap < 400000; cap += 5000) {
        struct pair *p = given(400, false);

        p->table.n_arms = 2;
        p->table.arms[0] = (struct writers_arm){
            .name = "a", .share = 20, .n = 2, .chain = {MAIN, CHEAP}};
        p->table.arms[1] = (struct writers_arm){
            .name = "b", .share = 80, .n = 1, .chain = {CHEAP}};
        p->f.options.cap = cap;
        world_start(&p->f);
        while (money_sums(written_money(p->f.w)).settled < cap - 120000) {
            world_step_in_order(&p->f);
        }
        take_all_away(p, 60);
        assert_int_equal(world_run(&p->f, 0), KIND_PARTIAL);
        assert_int_equal(written_counters(p->f.w)->rows_begun,
                         written_counters(p->f.w)->rows_done);
        end(p);
    }
}

/* Every 20 s what no worker has comes back, and goes out again; so many are
 * with workers, and not answered yet. */
static void
wait_for_workers(struct pair *p, size_t held)
{
    for (unsigned i = 0; i < 6; i++) {
        p->f.now_us += (int64_t)CHAIN_WAIT_MS * 1000;
        for (size_t k = p->f.n_out; k-- > held;) {
            if (give_back(p, k, RETURN_LIMIT, true)) continue;
            assert_true(world_publish(&p->f, &p->f.out[k]));
        }
        give_back_recalled(p);
    }
}

static void
one_whose_answers_take_minutes_is_busy_and_not_away(void **state)
{
    struct pair *p = given(100, false);

    (void)state;
    world_start(&p->f);
    publish(p);
    wait_for_workers(p, 4);
    assert_int_equal(p->notices, 0);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_int_equal(written_counters(p->f.w)->degraded, 0);
    end(p);
}

static void
one_that_no_worker_serves_any_more_is_away_though_nothing_new_is_asked(
    void **state)
{
    struct pair *p = given(4, false);

    (void)state;
    world_start(&p->f);
    publish(p);
    assert_int_equal(p->f.n_out, 4);
    assert_false(give_back(p, 0, RETURN_LIMIT, false)); /* by a worker */
    assert_true(world_publish(&p->f, &p->f.out[0]));
    wait_for_workers(p, 0);
    assert_int_equal(p->notices, 1);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_int_equal(written_counters(p->f.w)->degraded, 4);
    end(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_first_writers_while_it_is_there),
        cmocka_unit_test(
            one_that_is_away_is_replaced_and_its_asks_are_called_back),
        cmocka_unit_test(
            it_is_tried_by_one_ask_and_used_again_when_that_is_answered),
        cmocka_unit_test(
            where_all_are_away_rows_wait_or_are_built_in_as_the_job_says),
        cmocka_unit_test(outcomes_that_all_fail_send_rows_elsewhere),
        cmocka_unit_test(a_replay_tells_the_same_rows_and_the_same_figures),
        cmocka_unit_test(arms_have_their_shares_and_each_its_price),
        cmocka_unit_test(a_cap_needs_the_price_of_all_writers),
        cmocka_unit_test(one_whose_answers_take_minutes_is_busy_and_not_away),
        cmocka_unit_test(
            one_that_no_worker_serves_any_more_is_away_though_nothing_new_is_asked),
        cmocka_unit_test(rows_that_wait_for_a_provider_are_no_spent_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
