/* The ledger of the caps over several jobs in a real Redis: what is granted,
 * and that a Redis that came back, forgot or lost it grants nothing that may
 * be spent already. */
#include "coordinator/purse_redis.h"
#include "coordinator/purse_script.h"
#include "job/budget.h"
#include "tests/co_test.h"
#include "tests/unit/purse_model.h"
#include "tests/unit/redis_fixture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS "n"
#define TOTAL "cohort:{" NS "}:caps:total"
#define LEDGER UINT64_C(0xabc)

enum { A = 0xa, B = 0xb, C = 0xc };

struct fixture {
    struct redis_fixture redis;
    struct purse_answer last;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    redis_fixture_close(&f->redis);
    free(f);
    return 0;
}

/* Days since 1970 by the clock of Redis. */
static uint32_t
today(struct fixture *f)
{
    const struct co_redis_reply *r =
        redis_fixture_call(&f->redis, "TIME", NULL);

    return (uint32_t)(strtoll(r->elements[0].text, NULL, 10) / 86400);
}

static const char *
day_key(uint32_t day, char key[CO_KEY_BYTES])
{
    char text[BUDGET_DAY_BYTES];

    return co_key(CO_KEY_CAPS, NS, budget_day_text(day, text), key);
}

static int64_t
set_caps(struct fixture *f, const char *day, const char *total, const char *id)
{
    char key[CO_KEY_BYTES];

    return redis_fixture_call(&f->redis, "EVAL", budget_script_set, "2", TOTAL,
                              day_key(today(f), key), day, total, id, NULL)
        ->integer;
}

static void
given_ledger(struct fixture *f, const char *cap_day, const char *cap_total)
{
    assert_int_equal(set_caps(f, cap_day, cap_total, "0000000000000abc"), 1);
}

/* The answer is f->last. */
static const struct purse_answer *
exchange(struct fixture *f, uint64_t job, const struct purse_options *options,
         const struct purse_ask *ask)
{
    struct purse_script script;
    struct co_redis_reply *reply;
    struct co_diag diag = {""};

    purse_script_make(ask, options, NS, job, &script);
    assert_int_equal(co_redis_call(f->redis.client, script.argc, script.argv,
                                   NULL, REDIS_SERVER_PATIENCE_MS, &reply,
                                   &diag),
                     CO_OK);
    if (reply->type == CO_REDIS_ERROR) fail_msg("%s", reply->text);
    assert_int_equal(purse_script_read(reply, &f->last), CO_OK);
    co_redis_reply_free(reply);
    return &f->last;
}

struct words {
    uint32_t owner, request;
    int64_t claim, extra, cap_day;
    uint64_t seq;
    const struct purse_view *view;
    int64_t lag_ms;
    bool leaving;
};

/* One exchange of a job. */
static const struct purse_answer *
turn(struct fixture *f, uint64_t job, struct words w)
{
    static uint32_t request;
    struct purse_options options = {.redis = true,
                                    .cap_day = w.cap_day ? w.cap_day : -1,
                                    .cap_total = -1,
                                    .owner = w.owner ? w.owner : 1};
    struct purse_ask ask = {.request = w.request ? w.request : ++request,
                            .day = today(f),
                            .claim_day = w.claim,
                            .claim_total = w.claim,
                            .extra = w.extra,
                            .ledger = LEDGER,
                            .seq = w.seq,
                            .lag_ms = w.lag_ms,
                            .leaving = w.leaving};

    if (w.view) ask.view = *w.view;
    return exchange(f, job, &options, &ask);
}

/* What a coordinator keeps of an answer. */
static struct purse_view
view_of(const struct purse_answer *a)
{
    struct purse_view view = {.seq = a->seq,
                              .day = a->today,
                              .granted_day = a->granted_day,
                              .granted_total = a->granted_total};

    memcpy(view.run, a->run, sizeof view.run);
    return view;
}

/* Kills the server and starts another one on what it had left on disk. */
static void
restart(struct fixture *f, const char *appendonly)
{
    struct redis_fixture *r = &f->redis;

    co_redis_close(r->client);
    r->client = NULL;
    redis_server_kill(r->server);
    (void)unlink(r->socket);
    r->server = redis_server_start_with(r->socket, r->dir, "", appendonly);
    assert_int_equal(co_redis_connect(r->url, false, REDIS_SERVER_PATIENCE_MS,
                                      &r->client, NULL),
                     CO_OK);
}

/* As if the server had been asked first so long ago. */
static void
given_time_has_passed(struct fixture *f)
{
    (void)redis_fixture_call(&f->redis, "HSET", TOTAL, "since", "1000", NULL);
}

static void
without_a_ledger_nothing_is_granted(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set_caps(f, "5000000", "", ""), 0);
    assert_int_equal(turn(f, A, (struct words){.extra = 10})->state,
                     PURSE_LEDGER_NONE);
    assert_int_equal(f->last.today, today(f));
}

static void
all_jobs_together_get_no_more_than_the_cap(void **state)
{
    struct fixture *f = *state;

    given_ledger(f, "100", "none");
    assert_int_equal(turn(f, A, (struct words){.extra = 60})->have_day, 60);
    assert_int_equal(f->last.cap_day, 100);
    assert_int_equal(f->last.cap_total, -1);
    assert_int_equal(turn(f, B, (struct words){.extra = 60})->have_day, 40);
    assert_int_equal(f->last.granted_day, 100);
    /* A gives 50 back; B, who asks again, gets them. */
    assert_int_equal(turn(f, A, (struct words){.claim = 10})->have_day, 10);
    assert_int_equal(
        turn(f, B, (struct words){.claim = 40, .extra = 99})->have_day, 90);
    assert_int_equal(f->last.granted_total, 100);
}

static void
the_lower_cap_of_day_and_namespace_holds(void **state)
{
    struct fixture *f = *state;

    given_ledger(f, "100", "70");
    assert_int_equal(turn(f, A, (struct words){.extra = 90})->have_day, 70);
    assert_int_equal(set_caps(f, "", "none", ""), 1);
    assert_int_equal(
        turn(f, A, (struct words){.claim = 70, .extra = 90})->have_day, 100);
    /* Lowered below what is out: nothing more, and nothing is taken away. */
    assert_int_equal(set_caps(f, "50", "", ""), 1);
    assert_int_equal(
        turn(f, A, (struct words){.claim = 100, .extra = 1})->have_day, 100);
}

static void
of_several_caps_given_to_coordinators_the_lowest_holds(void **state)
{
    struct fixture *f = *state;

    given_ledger(f, "none", "none");
    (void)turn(f, A, (struct words){.cap_day = 30});
    assert_int_equal(
        turn(f, B, (struct words){.cap_day = 80, .extra = 60})->have_day, 30);
    assert_int_equal(f->last.cap_day, 30);
}

static void
what_a_job_says_that_it_has_counts_beyond_the_cap(void **state)
{
    struct fixture *f = *state;

    given_ledger(f, "100", "none");
    assert_int_equal(
        turn(f, A, (struct words){.claim = 130, .extra = 5})->have_day, 130);
    assert_int_equal(turn(f, B, (struct words){.extra = 1})->have_day, 0);
    assert_int_equal(f->last.granted_day, 130);
}

static void
an_overtaken_request_and_a_replaced_owner_change_nothing(void **state)
{
    struct fixture *f = *state;

    given_ledger(f, "100", "none");
    (void)turn(f, A, (struct words){.owner = 2, .request = 7, .claim = 20});
    assert_int_equal(
        turn(f, A, (struct words){.owner = 2, .request = 7})->state,
        PURSE_LEDGER_STALE);
    assert_int_equal(
        turn(f, A, (struct words){.owner = 1, .request = 9})->state,
        PURSE_LEDGER_STALE);
    assert_int_equal(
        turn(f, A, (struct words){.owner = 3, .request = 1, .claim = 20})
            ->granted_day,
        20);
}

static void
a_block_counts_as_seen_once_all_that_take_part_say_so(void **state)
{
    struct fixture *f = *state;
    struct purse_view a, b;

    given_ledger(f, "100", "none");
    b = view_of(turn(f, B, (struct words){.claim = 0}));
    a = view_of(turn(f, A, (struct words){.extra = 10}));
    assert_true(f->last.least < a.seq);
    (void)turn(f, A, (struct words){.extra = 10, .view = &a});
    assert_true(f->last.least < a.seq); /* B has not */
    b = view_of(turn(f, B, (struct words){.view = &b}));
    assert_true(f->last.least < a.seq); /* and says so only next time */
    (void)turn(f, B, (struct words){.view = &b});
    assert_true(turn(f, A, (struct words){.extra = 10, .view = &a})->least >=
                a.seq);
    /* One that left is not waited for. */
    (void)turn(f, B, (struct words){.leaving = true});
    a = view_of(turn(f, A, (struct words){.extra = 20, .view = &a}));
    assert_true(turn(f, A, (struct words){.extra = 20, .view = &a})->least >=
                a.seq);
}

static void
with_the_append_only_file_a_restart_loses_nothing(void **state)
{
    struct fixture *f = *state;

    restart(f, "yes");
    /* Else the last write may wait for the disk, up to 2 s. */
    (void)redis_fixture_call(&f->redis, "CONFIG", "SET", "appendfsync",
                             "always", NULL);
    given_ledger(f, "100", "none");
    (void)turn(f, C, (struct words){.claim = 70}); /* and is killed */
    restart(f, "yes");
    assert_int_equal(turn(f, A, (struct words){.extra = 60})->state,
                     PURSE_LEDGER_UNSURE);
    assert_int_equal(f->last.have_day, 0);
    given_time_has_passed(f);
    assert_int_equal(turn(f, A, (struct words){.extra = 60})->state,
                     PURSE_LEDGER_OPEN);
    assert_int_equal(f->last.have_day, 30);
}

static void
a_restart_that_nobody_vouches_for_grants_nothing(void **state)
{
    struct fixture *f = *state;

    given_ledger(f, "100", "none");
    (void)redis_fixture_call(&f->redis, "SAVE", NULL);
    (void)turn(f, C, (struct words){.claim = 70}); /* not in the snapshot */
    restart(f, "no");
    (void)turn(f, A, (struct words){.extra = 60});
    given_time_has_passed(f);
    assert_int_equal(turn(f, A, (struct words){.extra = 60})->state,
                     PURSE_LEDGER_UNSURE);
    assert_int_equal(f->last.have_day, 0);
}

static void
a_witness_tells_a_rolled_back_ledger_what_is_out(void **state)
{
    struct fixture *f = *state;
    struct purse_view view;

    given_ledger(f, "100", "none");
    (void)redis_fixture_call(&f->redis, "SAVE", NULL);
    (void)turn(f, C, (struct words){.claim = 50}); /* not in the snapshot */
    view = view_of(turn(f, A, (struct words){.claim = 20}));
    restart(f, "no");
    (void)turn(f, A,
               (struct words){.claim = 20,
                              .view = &view,
                              .lag_ms = PURSE_SCRIPT_MEMBER_MS});
    assert_int_equal(f->last.state, PURSE_LEDGER_UNSURE); /* it was away */
    (void)turn(f, A,
               (struct words){
                   .claim = 20, .extra = 60, .view = &view, .lag_ms = 3000});
    assert_int_equal(f->last.state, PURSE_LEDGER_OPEN);
    assert_int_equal(f->last.have_day, 50); /* all that was left: 30 */
    /* C comes back and claims what was spent; it is not counted twice. */
    assert_int_equal(turn(f, C, (struct words){.claim = 45})->granted_day, 100);
    assert_int_equal(turn(f, C, (struct words){.claim = 40})->granted_day, 95);
}

static void
a_ledger_behind_what_somebody_saw_is_closed(void **state)
{
    struct fixture *f = *state;
    uint64_t seq;

    given_ledger(f, "100", "none");
    seq = turn(f, A, (struct words){.extra = 10})->seq;
    assert_int_equal(
        turn(f, B, (struct words){.extra = 10, .seq = seq + 50})->state,
        PURSE_LEDGER_CLOSED);
    assert_int_equal(turn(f, A, (struct words){.extra = 20})->have_day, 0);
}

static void
a_day_whose_ledger_is_gone_is_closed_until_it_is_rebuilt(void **state)
{
    struct fixture *f = *state;
    char key[CO_KEY_BYTES], members[CO_KEY_BYTES], day[16];

    given_ledger(f, "100", "none");
    (void)turn(f, A, (struct words){.extra = 10});
    (void)redis_fixture_call(&f->redis, "DEL", day_key(today(f), key), NULL);
    assert_int_equal(turn(f, A, (struct words){.claim = 10, .extra = 5})->state,
                     PURSE_LEDGER_CLOSED);
    (void)snprintf(day, sizeof day, "%" PRIu32, today(f));
    (void)redis_fixture_call(&f->redis, "EVAL", budget_script_close, "3", TOTAL,
                             key, co_key(CO_KEY_CAPS, NS, "members", members),
                             "0000000000000abc", day, "1000", NULL);
    assert_int_equal(turn(f, A, (struct words){.claim = 10, .extra = 5})->state,
                     PURSE_LEDGER_CLOSED);
    assert_int_equal(redis_fixture_call(&f->redis, "EVAL",
                                        budget_script_rebuild, "2", TOTAL, key,
                                        "0000000000000abc", day, "last",
                                        "000000000000000a", "8", "8",
                                        "000000000000000c", "90", "60", NULL)
                         ->integer,
                     1);
    assert_int_equal(turn(f, A, (struct words){.claim = 10, .extra = 5})->state,
                     PURSE_LEDGER_UNSURE);
    given_time_has_passed(f);
    (void)turn(f, A, (struct words){.claim = 10, .extra = 99});
    assert_int_equal(f->last.state, PURSE_LEDGER_OPEN);
    assert_int_equal(f->last.have_day, 40);
    assert_int_equal(f->last.granted_total, 130);
}

static void
assert_same(const struct purse_answer *a, const struct purse_answer *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->least, b->least);
    assert_int_equal(a->have_day, b->have_day);
    assert_int_equal(a->have_total, b->have_total);
    assert_int_equal(a->granted_day, b->granted_day);
    assert_int_equal(a->granted_total, b->granted_total);
    assert_int_equal(a->cap_day, b->cap_day);
    assert_int_equal(a->cap_total, b->cap_total);
}

/* What test_purse_jobs.c proves with the model holds for the script, too. */
static void
the_script_does_what_its_model_does(void **state)
{
    struct fixture *f = *state;
    struct purse_model *m = calloc(1, sizeof *m);
    struct purse_view views[MODEL_JOBS] = {{.seq = 0}};
    uint32_t request[MODEL_JOBS] = {0}, owner[MODEL_JOBS] = {0};
    unsigned seed = 1;

    assert_non_null(m);
    given_ledger(f, "1000", "1500");
    m->l = (struct purse_model_ledger){.there = true,
                                       .state = PURSE_LEDGER_OPEN,
                                       .id = LEDGER,
                                       .epoch = 1,
                                       .cap_day = 1000,
                                       .cap_total = 1500};
    for (unsigned i = 0; i < 1500; i++) {
        unsigned j = (unsigned)rand_r(&seed) % MODEL_JOBS;
        struct purse_options options = {.redis = true,
                                        .cap_day = j == 1 ? 900 : -1,
                                        .cap_total = j == 2 ? 1400 : -1};
        struct purse_ask ask = {.day = today(f), .ledger = LEDGER};
        struct purse_answer said;

        if (rand_r(&seed) % 20 == 0) owner[j] = (unsigned)rand_r(&seed) % 4;
        options.owner = owner[j];
        ask.request = rand_r(&seed) % 20 ? ++request[j] : request[j];
        ask.claim_day = rand_r(&seed) % 150;
        ask.claim_total = ask.claim_day + rand_r(&seed) % 50;
        ask.extra = rand_r(&seed) % 300;
        ask.view = views[j];
        ask.leaving = rand_r(&seed) % 15 == 0;
        said = *exchange(f, 0xa0 + j, &options, &ask);
        m->now_ms = said.now_ms;
        memcpy(m->run, said.run, sizeof m->run);
        memcpy(m->l.run, said.run, sizeof m->run);
        if (ask.day == said.today) {
            struct purse_answer modelled;

            purse_model_turn(m, j, &options, &ask, &modelled);
            assert_same(&said, &modelled);
        }
        if (said.state == PURSE_LEDGER_OPEN) views[j] = view_of(&said);
    }
    free(m);
}

static void
a_purse_gets_its_block_from_a_real_redis_and_gives_it_back(void **state)
{
    struct fixture *f = *state;
    struct purse_options options = {
        .redis = true, .cap_day = -1, .cap_total = -1, .owner = 1, .day = 1};
    struct purse_redis_options where = {
        .redis_url = f->redis.url, .name_space = NS, .job = A};
    int64_t until_ms = co_clock_ms() + REDIS_SERVER_PATIENCE_MS, asked_ms;
    struct purse_redis *r;
    struct co_buf notes;
    struct purse p;

    given_ledger(f, "1000", "none");
    purse_init(&p, &options);
    purse_begin(&p);
    purse_want(&p, 5000000);
    co_buf_init(&notes, 4096);
    assert_int_equal(purse_redis_new(&where, &p, &r, NULL), CO_OK);
    asked_ms = co_clock_ms();
    while (purse_free(&p) < 5000000) {
        struct pollfd fd = {.fd = purse_redis_fd(r), .events = POLLIN};

        assert_true(co_clock_ms() < until_ms);
        purse_redis_tick(r, co_clock_us());
        while (purse_note(&p, &notes)) {
            purse_noted(&p, co_clock_us());
        }
        (void)poll(&fd, 1, 50);
    }
    assert_true(co_clock_ms() - asked_ms >= PURSE_CONFIRM_MS);
    assert_int_equal(turn(f, B, (struct words){.claim = 0})->granted_day, 20);
    assert_int_equal(purse_take(&p, 5000000), today(f));
    assert_true(purse_redis_leave(r, REDIS_SERVER_PATIENCE_MS));
    assert_int_equal(turn(f, B, (struct words){.claim = 0})->granted_day, 5);
    purse_redis_free(r);
    co_buf_fini(&notes);
}

static void
an_answer_of_another_form_is_refused(void **state)
{
    struct co_redis_reply elements[14] = {{0}};
    struct co_redis_reply r = {.type = CO_REDIS_INT};
    struct purse_answer a;

    (void)state;
    assert_int_equal(purse_script_read(&r, &a), CO_PROTOCOL);
    r = (struct co_redis_reply){
        .type = CO_REDIS_ARRAY, .count = 14, .elements = elements};
    assert_int_equal(purse_script_read(&r, &a), CO_PROTOCOL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(without_a_ledger_nothing_is_granted),
        T(all_jobs_together_get_no_more_than_the_cap),
        T(the_lower_cap_of_day_and_namespace_holds),
        T(of_several_caps_given_to_coordinators_the_lowest_holds),
        T(what_a_job_says_that_it_has_counts_beyond_the_cap),
        T(an_overtaken_request_and_a_replaced_owner_change_nothing),
        T(a_block_counts_as_seen_once_all_that_take_part_say_so),
        T(with_the_append_only_file_a_restart_loses_nothing),
        T(a_restart_that_nobody_vouches_for_grants_nothing),
        T(a_witness_tells_a_rolled_back_ledger_what_is_out),
        T(a_ledger_behind_what_somebody_saw_is_closed),
        T(the_script_does_what_its_model_does),
        T(a_purse_gets_its_block_from_a_real_redis_and_gives_it_back),
        T(a_day_whose_ledger_is_gone_is_closed_until_it_is_rebuilt),
        cmocka_unit_test(an_answer_of_another_form_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
