/* test_worker_heartbeat.c - what a worker reads of Redis, from a real
 * redis-server. */
#include "common/clock.h"
#include "common/keys.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"
#include "worker/worker_heartbeat.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCALE_KEY "cohort:{t}:scale:slow"

enum { PATIENCE_MS = 20000, ASK_AGAIN_MS = 20 };

struct fixture {
    struct redis_fixture redis;
    struct worker_heartbeat *heartbeat;
};

static const struct slots_service services[] = {{.name = "slow"}};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct worker_heartbeat_self self = {.ns = "t",
                                         .name = "w",
                                         .incarnation = 7,
                                         .services = "slow",
                                         .service_table = services,
                                         .n_services = 1,
                                         .version = "0",
                                         .slots = 8};

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    self.url = f->redis.url;
    return (int)worker_heartbeat_new(&self, &f->heartbeat, NULL);
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    worker_heartbeat_free(f->heartbeat);
    redis_fixture_close(&f->redis);
    free(f);
    return 0;
}

/* As a scaler does it, so long ago. */
static void
set_limit(struct fixture *f, const char *limit, int64_t age_ms)
{
    char at[24];

    (void)snprintf(at, sizeof at, "%" PRId64, co_clock_wall_ms() - age_ms);
    (void)redis_fixture_call(&f->redis, "HSET", SCALE_KEY, "in_flight_max",
                             limit, "at", at, NULL);
}

/* Beats until the worker has read this limit. */
static void
assert_limit(struct fixture *f, uint32_t limit)
{
    const struct slots_stats stats = {.slots = 8};
    const struct work_usage usage[1] = {{0}};
    int64_t until = co_clock_ms() + PATIENCE_MS;

    while (worker_heartbeat_limit(f->heartbeat) != limit) {
        struct pollfd fd = {worker_heartbeat_fd(f->heartbeat), POLLIN, 0};

        assert_true(co_clock_ms() < until);
        worker_heartbeat_write(f->heartbeat, &stats, usage, 0, 0, 0);
        (void)poll(&fd, 1, ASK_AGAIN_MS);
        worker_heartbeat_read(f->heartbeat);
    }
}

static void
a_limit_that_no_scaler_renews_is_none(void **state)
{
    struct fixture *f = *state;

    set_limit(f, "3", 0);
    assert_limit(f, 3);
    set_limit(f, "3", (int64_t)CO_KEY_ALIVE_MS + 1000);
    assert_limit(f, 0);
    set_limit(f, "2", 0);
    assert_limit(f, 2);
}

static void
a_limit_that_is_gone_is_none(void **state)
{
    struct fixture *f = *state;

    set_limit(f, "3", 0);
    assert_limit(f, 3);
    (void)redis_fixture_call(&f->redis, "DEL", SCALE_KEY, NULL);
    assert_limit(f, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_limit_that_no_scaler_renews_is_none),
        T(a_limit_that_is_gone_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
