/* The exchange of limits as a real redis-server does it: answer for answer
 * the same as its model in C, whatever is asked and however its clock steps. */
#include "llm/limiter_bank.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 10 + LIMITER_NUMBERS_MAX, WORKERS = 6, SECOND_US = 1000000 };

struct fixture {
    struct redis_fixture redis;
    struct limiter_bank *bank;
    char *script; /* with a clock of the test's */
    uint64_t random;
    int64_t now_us;
    const char *run;
};

/* The script, but that the time comes as its last two arguments. */
static char *
script_with_clock(void)
{
    static const char call[] = "redis.call('time')";
    static const char instead[] = "{ARGV[#ARGV - 1], ARGV[#ARGV]}";
    const char *at = strstr(limiter_script, call);
    size_t size = strlen(limiter_script) + sizeof instead;
    char *script = malloc(size);

    assert_non_null(at);
    assert_non_null(script);
    (void)snprintf(script, size, "%.*s%s%s", (int)(at - limiter_script),
                   limiter_script, instead, at + strlen(call));
    return script;
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    f->bank = limiter_bank_new(LIMITER_CREW_MAX);
    assert_non_null(f->bank);
    f->script = script_with_clock();
    f->random = 1;
    f->now_us = (int64_t)1795919136 * SECOND_US + 123456;
    f->run = "aaaa";
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    redis_fixture_close(&f->redis);
    limiter_bank_free(f->bank);
    free(f->script);
    free(f);
    return 0;
}

/* ---- one exchange ---------------------------------------------------------
 */

static void
told_of(const struct co_redis_reply *r, struct limiter_told *told)
{
    int64_t numbers[LIMITER_TOLD_COUNT];

    if (r->type == CO_REDIS_ERROR) fail_msg("%s", r->text);
    assert_int_equal(r->type, CO_REDIS_ARRAY);
    assert_int_equal(r->count, LIMITER_TOLD_COUNT);
    for (size_t i = 0; i < r->count; i++) {
        assert_int_equal(r->elements[i].type, CO_REDIS_INT);
        numbers[i] = r->elements[i].integer;
    }
    assert_true(limiter_told_from(numbers, (uint32_t)r->count, told));
}

/* clock: the test's; else Redis's own, with the script as it ships. */
static void
run_script(struct fixture *f, const char *id, const struct limiter_ask *ask,
           bool clock, struct limiter_told *told)
{
    static char numbers[LIMITER_NUMBERS_MAX][LIMITER_NUMBER_BYTES];
    const char *argv[ARGS_MAX] = {"EVAL",   clock ? f->script : limiter_script,
                                  "2",      "limit:e",
                                  "limits", id,
                                  f->run,   "e",
                                  "main",   "http://h/v1"};
    struct co_diag diag = {""};
    char seconds[24], micros[24];
    int argc = 10;
    uint32_t n = limiter_ask_numbers(ask, numbers);

    for (uint32_t i = 0; i < n; i++) {
        argv[argc++] = numbers[i];
    }
    if (clock) {
        (void)snprintf(seconds, sizeof seconds, "%" PRId64,
                       f->now_us / SECOND_US);
        (void)snprintf(micros, sizeof micros, "%" PRId64,
                       f->now_us % SECOND_US);
        argv[argc++] = seconds;
        argv[argc++] = micros;
    }
    co_redis_reply_free(f->redis.reply);
    f->redis.reply = NULL;
    assert_int_equal(co_redis_call(f->redis.client, argc, argv, NULL,
                                   REDIS_SERVER_PATIENCE_MS, &f->redis.reply,
                                   &diag),
                     CO_OK);
    told_of(f->redis.reply, told);
}

/* Both are asked and say the same. */
static void
exchange(struct fixture *f, uint64_t worker, const struct limiter_ask *ask,
         struct limiter_told *told)
{
    struct limiter_told model;
    char id[24];

    (void)snprintf(id, sizeof id, "%" PRIu64, worker);
    run_script(f, id, ask, true, told);
    limiter_bank_exchange(f->bank, worker, (uint64_t)(unsigned char)f->run[0],
                          ask, f->now_us, &model);
#define X(name, meaning)                                                       \
    if (told->name != model.name) {                                            \
        fail_msg(#name ": the script says %" PRId64 ", the model %" PRId64,    \
                 told->name, model.name);                                      \
    }
    LIMITER_TOLD_LIST(X)
#undef X
}

static struct limiter_ask
usual_ask(void)
{
    return (struct limiter_ask){.rpm = 600,
                                .tpm = 200000,
                                .want = 8,
                                .want_tokens = 8000,
                                .call_tokens = 1000,
                                .need = 8,
                                .limited_us = -1};
}

/* ---- random fleets ---------------------------------------------------------
 */

static uint64_t
pick(struct fixture *f, uint64_t n)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % n;
}

static struct limiter_ask
random_ask(struct fixture *f, const struct limiter_told *last)
{
    struct limiter_ask ask = usual_ask();

    ask.rpm = pick(f, 20) ? 600 : 0;
    ask.tpm = pick(f, 10) ? 200000 : 0;
    ask.places = pick(f, 200) ? 40 : 3;
    ask.want = (int64_t)pick(f, 12);
    ask.call_tokens = (int64_t)pick(f, 3000);
    ask.want_tokens = ask.want * ask.call_tokens;
    ask.in_flight = (int64_t)pick(f, 10);
    ask.need = pick(f, 6) ? ask.in_flight + (int64_t)pick(f, 20) : 0;
    ask.heard_us = pick(f, 5) ? last->now_us : 0;
    ask.claim_ppm = pick(f, 15) ? 0 : (int64_t)pick(f, 500000);
    ask.hold_ms = pick(f, 60) ? 0 : (int64_t)pick(f, 3000);
    ask.limited_us = pick(f, 15) ? -1 : (int64_t)pick(f, 900000);
    ask.successes = (int64_t)pick(f, 40);
    ask.failures = pick(f, 3) ? 0 : (int64_t)pick(f, 4);
    ask.tail = (int64_t)pick(f, (uint64_t)ask.failures + 1);
    if (!pick(f, 8)) ask.successes = 0;
    ask.probe = (int64_t)pick(f, 5);
    ask.bye = pick(f, 80) == 0;
    ask.epoch = pick(f, 10) ? last->epoch : 0;
    ask.n_settles = (uint32_t)pick(f, 4);
    for (uint32_t i = 0; i < ask.n_settles; i++) {
        ask.settles[i] = (struct limiter_settle){
            .slot = last->slot + 2 - (int64_t)pick(f, 72),
            .requests = (int64_t)pick(f, 3),
            .tokens = (int64_t)pick(f, 2000) - 100};
    }
    return ask;
}

/* Mostly little, sometimes long, sometimes back; now and then another Redis. */
static void
pass_time(struct fixture *f)
{
    static const char *const runs[] = {"aaaa", "bbbb", "cccc"};

    switch (pick(f, 40)) {
    case 0:
        f->now_us += (int64_t)pick(f, 90) * SECOND_US;
        break;
    case 1:
        f->now_us -= (int64_t)pick(f, 5) * SECOND_US;
        break;
    case 2:
        if (!pick(f, 5)) f->run = runs[pick(f, 3)];
        break;
    default:
        f->now_us += (int64_t)pick(f, 300000);
    }
}

static void
the_script_answers_as_its_model_whatever_is_asked(void **state)
{
    struct fixture *f = *state;
    struct limiter_told last[WORKERS] = {{.now_us = 0}};
    unsigned leased = 0, probes = 0, places = 0, holds = 0;

    for (int i = 0; i < 6000; i++) {
        uint64_t w = pick(f, WORKERS);
        struct limiter_ask ask = random_ask(f, &last[w]);

        exchange(f, w + 1, &ask, &last[w]);
        leased += last[w].requests > 0;
        probes += last[w].probe == 1;
        places += last[w].allow > 0;
        holds += last[w].hold_until_us > 0;
        pass_time(f);
    }
    assert_true(leased > 200 && probes > 15 && places > 500 && holds > 100);
}

static void
a_redis_with_another_run_id_starts_empty(void **state)
{
    struct fixture *f = *state;
    struct limiter_ask ask = usual_ask();
    struct limiter_told told;

    exchange(f, 1, &ask, &told);
    assert_int_equal(told.requests, 0); /* nothing is known of before */
    f->now_us += (int64_t)70 * SECOND_US;
    exchange(f, 1, &ask, &told);
    assert_int_equal(told.requests, 8);
    f->run = "bbbb"; /* the data survived, or was set back */
    exchange(f, 1, &ask, &told);
    assert_int_equal(told.requests, 0);
}

static void
one_probe_for_the_whole_fleet(void **state)
{
    struct fixture *f = *state;
    struct limiter_ask ask = usual_ask();
    struct limiter_told told;

    ask.failures = ask.tail = 3;
    exchange(f, 1, &ask, &told);
    exchange(f, 2, &ask, &told);
    assert_int_equal(told.was, LIMITER_CLOSED);
    assert_int_equal(told.breaker, LIMITER_OPEN);
    assert_int_equal(told.open_ms, LIMITER_OPEN_MS);
    ask.failures = ask.tail = 0;
    f->now_us += (int64_t)60 * SECOND_US;
    exchange(f, 2, &ask, &told);
    assert_int_equal(told.breaker, LIMITER_HALF);
    assert_int_equal(told.probe, 1);
    exchange(f, 1, &ask, &told);
    assert_int_equal(told.probe, 0);
    ask.probe = LIMITER_PROBE_OK;
    exchange(f, 2, &ask, &told);
    assert_int_equal(told.breaker, LIMITER_CLOSED);
}

/* What ships reads Redis's own clock. */
static void
the_script_as_it_ships_leases_and_leaves_what_the_page_names(void **state)
{
    static const char *const fields[] = {"provider", "url",          "rpm",
                                         "tpm",      "requests_60s", "w:7"};
    struct fixture *f = *state;
    struct limiter_ask ask = usual_ask();
    struct limiter_told told = {.requests = 0};

    ask.rpm = 60000000;
    ask.tpm = 0;
    for (int i = 0; i < 50 && told.requests == 0; i++) {
        run_script(f, "7", &ask, false, &told);
    }
    assert_true(told.requests > 0);
    assert_true(told.now_us > (int64_t)1700000000 * SECOND_US);
    for (size_t i = 0; i < co_countof(fields); i++) {
        assert_int_equal(
            redis_fixture_call(&f->redis, "HEXISTS", "limit:e", fields[i], NULL)
                ->integer,
            1);
    }
    assert_int_equal(
        redis_fixture_call(&f->redis, "ZCARD", "limits", NULL)->integer, 1);
    assert_in_range(
        redis_fixture_call(&f->redis, "TTL", "limit:e", NULL)->integer, 1,
        3600);
}

static uint64_t
field(struct fixture *f, const char *name)
{
    const struct co_redis_reply *r =
        redis_fixture_call(&f->redis, "HGET", "limit:e", name, NULL);

    assert_int_equal(r->type, CO_REDIS_TEXT);
    return strtoull(r->text, NULL, 10);
}

static void
how_calls_went_is_added_up_for_people(void **state)
{
    struct fixture *f = *state;
    struct limiter_ask ask = usual_ask();
    struct limiter_told told;

    run_script(f, "1", &ask, true, &told);
    assert_int_equal(field(f, "latency_us"), 0);
    ask.successes = 4;
    ask.took_us = 400000;
    ask.ended = 7;
    ask.refusals = 2;
    ask.errors = 1;
    run_script(f, "1", &ask, true, &told);
    assert_int_equal(field(f, "latency_us"), 100000);
    ask.took_us = 1200000; /* 300 ms each: a quarter of the way */
    run_script(f, "2", &ask, true, &told);
    assert_int_equal(field(f, "latency_us"), 150000);
    ask.successes = ask.took_us = 0; /* none says nothing about it */
    run_script(f, "2", &ask, true, &told);
    assert_int_equal(field(f, "latency_us"), 150000);
    assert_int_equal(field(f, "calls"), 21);
    assert_int_equal(field(f, "refusals"), 6);
    assert_int_equal(field(f, "errors"), 3);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(the_script_answers_as_its_model_whatever_is_asked),
        TEST(a_redis_with_another_run_id_starts_empty),
        TEST(one_probe_for_the_whole_fleet),
        TEST(how_calls_went_is_added_up_for_people),
        TEST(the_script_as_it_ships_leases_and_leaves_what_the_page_names),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
