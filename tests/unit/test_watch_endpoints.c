/* What a coordinator reads of the endpoints of its job's providers, from a real
 * redis-server. */
#include "common/clock.h"
#include "coordinator/watch_endpoints.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>

#define LIMITS "cohort:{shared}:limits"
#define LIMIT "cohort:{shared}:limit:"

enum { PATIENCE_MS = 20000, LOOK_MS = 300, SECOND_US = 1000000 };

struct fixture {
    struct redis_fixture redis;
    struct co_redis *actor;
    struct watch_lanes lanes;
    struct watch_endpoints *endpoints;
    int64_t ahead_us; /* of the real clock: rounds need no waiting */
};

static void
connect_as(struct fixture *f, const char *user)
{
    char url[200];
    const struct co_redis_options options = {.url = url};

    (void)snprintf(url, sizeof url, "unix://%s%s", user, f->redis.socket);
    assert_int_equal(co_redis_start(&options, &f->actor, NULL), CO_OK);
}

/* A job whose rows go to the first of them. */
static void
given_providers(struct fixture *f, uint32_t n)
{
    static const char *const names[] = {"main", "other"};

    watch_endpoints_free(f->endpoints);
    watch_lanes_init(&f->lanes, "persona.write", names, n);
    assert_int_equal(watch_endpoints_new(&f->lanes, &f->endpoints, NULL),
                     CO_OK);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    given_providers(f, 1);
    assert_non_null(f->endpoints);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    co_redis_free(f->actor);
    watch_endpoints_free(f->endpoints);
    redis_fixture_close(&f->redis);
    free(f);
    return 0;
}

/* As workers write it, so many seconds ago. */
static void
given_endpoint(struct fixture *f, const char *id, const char *provider,
               int64_t age_s)
{
    int64_t at_us = co_clock_wall_ms() * 1000 - age_s * SECOND_US;
    char key[80], at[24], score[24];

    (void)snprintf(key, sizeof key, LIMIT "%s", id);
    (void)snprintf(at, sizeof at, "%" PRId64, at_us);
    (void)snprintf(score, sizeof score, "%" PRId64, at_us / 1000);
    (void)redis_fixture_call(&f->redis, "HSET", key, "provider", provider,
                             "url", id, "at", at, "breaker", "1", "w:7",
                             "1 2 3 4", NULL);
    (void)redis_fixture_call(&f->redis, "ZADD", LIMITS, score, id, NULL);
}

static int64_t
now_us(const struct fixture *f)
{
    return co_clock_us() + f->ahead_us;
}

/* One turn of a coordinator's loop; each is a round later. */
static void
turn(struct fixture *f)
{
    struct pollfd fd = {co_redis_fd(f->actor), POLLIN, 0};
    struct co_redis_item *item;

    f->ahead_us += SECOND_US;
    watch_endpoints_turn(f->endpoints, f->actor, now_us(f));
    (void)poll(&fd, 1, LOOK_MS);
    while ((item = co_redis_poll(f->actor))) {
        if (item->kind == CO_REDIS_UP) watch_endpoints_up(f->endpoints);
        if (item->kind == CO_REDIS_REPLY) {
            watch_endpoints_take(f->endpoints, f->actor, item, now_us(f));
        }
        co_redis_item_free(item);
    }
}

static const struct endpoint_state *
turn_until(struct fixture *f, size_t count)
{
    const struct endpoint_state *v;
    int64_t until = co_clock_ms() + PATIENCE_MS;
    uint64_t redis_us;
    size_t n;

    do {
        assert_true(co_clock_ms() < until);
        turn(f);
        v = watch_endpoints_list(f->endpoints, now_us(f), &n, &redis_us);
    } while (n != count);
    return v;
}

static void
those_of_the_provider_that_workers_still_tell_of_are_known(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_state *v;

    connect_as(f, "");
    given_endpoint(f, "00000000000000a1", "main", 0);
    given_endpoint(f, "00000000000000a2", "other", 0);
    given_endpoint(f, "00000000000000a3", "main", 3600);
    v = turn_until(f, 1);
    assert_string_equal(v->id, "00000000000000a1");
    assert_string_equal(v->url, "00000000000000a1");
    assert_int_equal(v->breaker, 1);
    given_endpoint(f, "00000000000000a4", "main", 0);
    (void)turn_until(f, 2);
}

/* The second is a fallback's, or an arm's. */
static void
those_of_every_provider_of_the_job_are_known(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_state *v;

    given_providers(f, 2);
    connect_as(f, "");
    given_endpoint(f, "00000000000000a1", "main", 0);
    given_endpoint(f, "00000000000000a2", "other", 0);
    given_endpoint(f, "00000000000000a3", "stranger", 0);
    v = turn_until(f, 2);
    assert_string_not_equal(v[0].provider, v[1].provider);
    assert_string_not_equal(v[0].provider, "stranger");
    assert_string_not_equal(v[1].provider, "stranger");
}

static void
what_no_worker_tells_of_any_more_is_forgotten_without_redis(void **state)
{
    struct fixture *f = *state;
    const int64_t later_us = (int64_t)16 * SECOND_US;
    uint64_t redis_us;
    size_t n;

    connect_as(f, "");
    given_endpoint(f, "00000000000000a1", "main", 0);
    (void)turn_until(f, 1);
    (void)watch_endpoints_list(f->endpoints, now_us(f) + later_us, &n,
                               &redis_us);
    assert_int_equal(n, 0);
}

static void
a_job_that_asks_no_model_watches_none(void **state)
{
    struct watch_endpoints *e;
    struct watch_lanes lanes;

    (void)state;
    watch_lanes_init(&lanes, "persona.compose", NULL, 0);
    assert_int_equal(watch_endpoints_new(&lanes, &e, NULL), CO_OK);
    assert_null(e);
}

static void
a_user_that_may_not_read_them_is_not_asked_for_it_again(void **state)
{
    struct fixture *f = *state;
    struct co_redis_counters c;
    int64_t until = co_clock_ms() + PATIENCE_MS;

    (void)redis_fixture_call(&f->redis, "ACL", "SETUSER", "few", "on", ">pw",
                             "+ping", "+info", "+client", "+select", NULL);
    connect_as(f, "few:pw@");
    do {
        assert_true(co_clock_ms() < until);
        turn(f);
        co_redis_counters(f->actor, &c);
    } while (c.failed == 0);
    for (int i = 0; i < 3; i++) {
        turn(f);
    }
    co_redis_counters(f->actor, &c);
    assert_int_equal(c.failed, 1);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(those_of_the_provider_that_workers_still_tell_of_are_known),
        TEST(those_of_every_provider_of_the_job_are_known),
        TEST(what_no_worker_tells_of_any_more_is_forgotten_without_redis),
        TEST(a_job_that_asks_no_model_watches_none),
        TEST(a_user_that_may_not_read_them_is_not_asked_for_it_again),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
