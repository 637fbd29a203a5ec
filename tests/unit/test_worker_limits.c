/* test_worker_limits.c - a worker's limiters over a real redis-server: what is
 * shared, what is told to people, what is left when Redis goes. */
#include "common/clock.h"
#include "common/hash.h"
#include "common/keys.h"
#include "llm/endpoint_id.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"
#include "worker/worker_limits.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "sk-do-not-show-me"
#define EVENTS "cohort:{t}:events"
#define INDEX "cohort:{shared}:limits"

enum { PATIENCE_MS = 20000, LOOK_MS = 10, WORKERS = 2 };

struct worker {
    struct limiter *limiter;
    struct worker_limits *limits;
};

struct fixture {
    struct redis_fixture redis;
    struct providers_entry entry;
    struct secret secret;
    struct worker workers[WORKERS];
};

static void
start_worker(struct fixture *f, struct worker *w, uint64_t incarnation)
{
    const struct worker_limits_self self = {
        .url = f->redis.url, .ns = "t", .name = "w", .id = incarnation};
    const struct secret *keys[] = {&f->secret};

    assert_int_equal(limiter_new(&f->entry, true, &w->limiter), CO_OK);
    assert_int_equal(worker_limits_new(&self, &w->limits, NULL), CO_OK);
    assert_int_equal(
        worker_limits_add(w->limits, &f->entry, w->limiter, keys, NULL), CO_OK);
}

static void
end_worker(struct worker *w)
{
    worker_limits_free(co_take(&w->limits));
    limiter_free(co_take(&w->limiter));
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    (void)snprintf(f->entry.name, sizeof f->entry.name, "main");
    (void)snprintf(f->entry.endpoints[0].url, sizeof f->entry.endpoints[0].url,
                   "http://127.0.0.1:8000/v1?user=me");
    f->entry.endpoints[0].weight = 1;
    f->entry.n_endpoints = 1;
    f->entry.limits = (struct providers_limits){.rpm = 60000, .in_flight = 100};
    f->secret.len =
        (size_t)snprintf(f->secret.text, sizeof f->secret.text, SECRET);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < WORKERS; i++) {
        end_worker(&f->workers[i]);
    }
    redis_fixture_close(&f->redis);
    free(f);
    return 0;
}

/* One turn of a worker's loop. */
static void
turn(struct worker *w)
{
    struct pollfd fd = {worker_limits_fd(w->limits), POLLIN, 0};
    int64_t now = co_clock_us();

    worker_limits_turn(w->limits, now);
    (void)poll(&fd, 1, LOOK_MS);
    worker_limits_read(w->limits, co_clock_us());
    assert_true(worker_limits_due_us(w->limits, now) >= now);
}

/* Turns until a call starts (it stays in flight), or does not for the reason
 * given (those that do meanwhile end at once). */
static void
turn_until(struct worker *w, enum limiter_why why)
{
    int64_t until = co_clock_ms() + PATIENCE_MS, until_us;
    enum limiter_why said;
    uint32_t endpoint;

    while ((said = limiter_begin(w->limiter, 0, 1, co_clock_us(), &endpoint,
                                 &until_us)) != why) {
        if (said == LIMITER_WHY_GO) {
            limiter_end(w->limiter, 0, 1, 1, FAULT_LOCAL, NULL, 0,
                        co_clock_us());
        }
        if (co_clock_ms() >= until) {
            fail_msg("waits for: %s; says: %s", limiter_why_text(why),
                     limiter_why_text(said));
        }
        turn(w);
    }
}

static void
end_with(struct worker *w, enum fault fault, int64_t retry_after_ms)
{
    struct hints hints;

    hints_init(&hints);
    hints.retry_after_ms = retry_after_ms;
    limiter_end(w->limiter, 0, 1, 1, fault, &hints, 0, co_clock_us());
}

static const char *
key_of(struct fixture *f, char key[CO_KEY_BYTES])
{
    char id[CO_HEX16_SIZE];
    uint64_t number;

    assert_int_equal(
        endpoint_id(f->entry.endpoints[0].url, &f->secret, &number, NULL),
        CO_OK);
    return co_key(CO_KEY_LIMIT, "shared", co_hex16(number, id), key);
}

/* The words of "ACL SETUSER cohort ..." of docs/operations.md make the user of
 * that name; its password is SECRET, as there. */
static void
make_documented_user(struct fixture *f)
{
    static const char begin[] = "\nACL SETUSER cohort ";
    static char doc[1 << 18];
    const char *argv[64] = {"ACL", "SETUSER", "cohort"};
    FILE *file = fopen(CO_SOURCE_DIR "/docs/operations.md", "re");
    char *at, *rest = NULL;
    int argc = 3;

    assert_non_null(file);
    doc[fread(doc, 1, sizeof doc - 1, file)] = '\0';
    (void)fclose(file);
    at = strstr(doc, begin);
    assert_non_null(at);
    at += sizeof begin - 1;
    at[strcspn(at, "\n")] = '\0';
    for (at = strtok_r(at, " ", &rest); at; at = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < 64);
        argv[argc++] = at;
    }
    co_redis_reply_free(f->redis.reply);
    f->redis.reply = NULL;
    assert_int_equal(co_redis_do(f->redis.client, argc, argv,
                                 REDIS_SERVER_PATIENCE_MS, &f->redis.reply,
                                 NULL),
                     CO_OK);
}

/* ---- tests ------------------------------------------------------------------
 */
static void
a_wait_that_one_worker_was_told_holds_the_other(void **state)
{
    struct fixture *f = *state;

    start_worker(f, &f->workers[0], 1);
    start_worker(f, &f->workers[1], 2);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    turn_until(&f->workers[1], LIMITER_WHY_GO);
    end_with(&f->workers[0], FAULT_RATE_LIMITED, 3600000);
    turn_until(&f->workers[0], LIMITER_WHY_RETRY_AFTER);
    for (int i = 0; i < 5; i++) {
        turn(&f->workers[0]);
    }
    turn_until(&f->workers[1], LIMITER_WHY_RETRY_AFTER);
}

static void
a_breaker_that_opens_is_an_event_and_open_for_all(void **state)
{
    struct fixture *f = *state;
    const struct co_redis_reply *r;
    int64_t until = co_clock_ms() + PATIENCE_MS;

    start_worker(f, &f->workers[0], 1);
    start_worker(f, &f->workers[1], 2);
    for (int i = 0; i < 5; i++) {
        turn_until(&f->workers[0], LIMITER_WHY_GO);
    }
    turn_until(&f->workers[1], LIMITER_WHY_GO);
    for (int i = 0; i < 5; i++) {
        end_with(&f->workers[0], FAULT_CONNECT, -1);
    }
    do {
        turn(&f->workers[0]);
        r = redis_fixture_call(&f->redis, "XRANGE", EVENTS, "-", "+", NULL);
        assert_true(co_clock_ms() < until);
    } while (r->count == 0);
    r = &r->elements[0].elements[1];
    assert_string_equal(co_redis_field(r, "kind"), "breaker");
    assert_string_equal(co_redis_field(r, "name"), "main");
    assert_string_equal(co_redis_field(r, "from"), "closed");
    assert_string_equal(co_redis_field(r, "to"), "open");
    turn_until(&f->workers[0], LIMITER_WHY_OPEN);
    turn_until(&f->workers[1], LIMITER_WHY_OPEN);
}

static void
neither_key_nor_query_of_an_endpoint_reach_redis(void **state)
{
    struct fixture *f = *state;
    char key[CO_KEY_BYTES];
    const struct co_redis_reply *all;

    start_worker(f, &f->workers[0], 1);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    all = redis_fixture_call(&f->redis, "HGETALL", key_of(f, key), NULL);
    assert_string_equal(co_redis_field(all, "url"), "http://127.0.0.1:8000/v1");
    assert_string_equal(co_redis_field(all, "provider"), "main");
    assert_int_equal(co_redis_field_u64(all, "rpm"), 60000);
    for (size_t i = 0; i < all->count; i++) {
        assert_null(strstr(all->elements[i].text, SECRET));
        assert_null(strstr(all->elements[i].text, "user=me"));
    }
    assert_int_equal(
        redis_fixture_call(&f->redis, "ZCARD", INDEX, NULL)->integer, 1);
    assert_int_equal(redis_fixture_call(&f->redis, "DBSIZE", NULL)->integer, 2);
}

static void
the_documented_user_of_redis_may_do_all_of_it(void **state)
{
    struct fixture *f = *state;

    make_documented_user(f);
    (void)snprintf(f->redis.url, sizeof f->redis.url, "unix://cohort:SECRET@%s",
                   f->redis.socket);
    start_worker(f, &f->workers[0], 1);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    end_with(&f->workers[0], FAULT_NONE, -1);
    (void)redis_fixture_call(&f->redis, "SCRIPT", "FLUSH", NULL);
    turn_until(&f->workers[0], LIMITER_WHY_RATE);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    end_worker(&f->workers[0]);
    assert_int_equal(redis_fixture_call(&f->redis, "ACL", "LOG", NULL)->count,
                     0);
}

static void
who_ends_leaves_nothing_held(void **state)
{
    struct fixture *f = *state;
    char key[CO_KEY_BYTES];
    const struct co_redis_reply *all;

    start_worker(f, &f->workers[0], 1);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    end_with(&f->workers[0], FAULT_NONE, -1);
    end_worker(&f->workers[0]);
    all = redis_fixture_call(&f->redis, "HGETALL", key_of(f, key), NULL);
    assert_int_equal(co_redis_field_u64(all, "workers"), 0);
    assert_int_equal(co_redis_field_u64(all, "held"), 0);
    assert_int_equal(co_redis_field_u64(all, "requests_60s"), 1);
}

static void
a_script_that_redis_forgot_is_loaded_again(void **state)
{
    struct fixture *f = *state;

    start_worker(f, &f->workers[0], 1);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    end_with(&f->workers[0], FAULT_NONE, -1);
    (void)redis_fixture_call(&f->redis, "SCRIPT", "FLUSH", NULL);
    turn_until(&f->workers[0], LIMITER_WHY_RATE); /* the block is used up */
    turn_until(&f->workers[0], LIMITER_WHY_GO);
}

static void
redis_killed_stops_calls_until_there_is_one_again(void **state)
{
    struct fixture *f = *state;

    start_worker(f, &f->workers[0], 1);
    turn_until(&f->workers[0], LIMITER_WHY_GO);
    redis_server_kill(f->redis.server);
    turn_until(&f->workers[0], LIMITER_WHY_NO_REDIS);
    f->redis.server = redis_server_start(f->redis.socket, f->redis.dir, "");
    turn_until(&f->workers[0], LIMITER_WHY_GO);
}

static void
ids_differ_by_address_and_by_any_part_of_the_key(void **state)
{
    struct secret key = {.len = 300}, other;
    uint64_t a, b;

    (void)state;
    memset(key.text, 'k', 300);
    other = key;
    other.text[299] = 'x';
    assert_int_equal(endpoint_id("http://h/v1", &key, &a, NULL), CO_OK);
    assert_int_equal(endpoint_id("http://h/v1/", &key, &b, NULL), CO_OK);
    assert_true(a == b);
    assert_int_equal(endpoint_id("http://h/v1", &other, &b, NULL), CO_OK);
    assert_true(a != b);
    assert_int_equal(endpoint_id("http://g/v1", &key, &b, NULL), CO_OK);
    assert_true(a != b);
    assert_int_equal(endpoint_id("http://h/v1", NULL, &b, NULL), CO_OK);
    assert_true(a != b);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_wait_that_one_worker_was_told_holds_the_other),
        TEST(a_breaker_that_opens_is_an_event_and_open_for_all),
        TEST(neither_key_nor_query_of_an_endpoint_reach_redis),
        TEST(the_documented_user_of_redis_may_do_all_of_it),
        TEST(who_ends_leaves_nothing_held),
        TEST(a_script_that_redis_forgot_is_loaded_again),
        TEST(redis_killed_stops_calls_until_there_is_one_again),
        cmocka_unit_test(ids_differ_by_address_and_by_any_part_of_the_key),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
