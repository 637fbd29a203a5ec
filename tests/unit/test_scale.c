/* test_scale.c - the scaler's rounds, against a real redis-server. */
#include "common/clock.h"
#include "common/redis.h"
#include "coordinator/scale.h"
#include "tests/co_test.h"
#include "tests/unit/redis_server.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "cohort:{t}:"

enum { PATIENCE_MS = 20000, ARGS_MAX = 16, LOOK_MS = 10 };

struct fixture {
    char dir[64], socket[96], url[128];
    pid_t server;
    struct co_redis_client *redis;
    struct co_redis_reply *reply; /* the last answer */
    struct scale *scale;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int64_t until = co_clock_ms() + PATIENCE_MS;
    struct scale_options options = {.name_space = "t", .quiet_ms = 60000};

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/co-test-scale-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->socket, sizeof f->socket, "%s/s", f->dir);
    (void)snprintf(f->url, sizeof f->url, "unix://%s", f->socket);
    f->server = redis_server_start(f->socket, f->dir, "");
    while (co_clock_ms() < until && !f->redis) {
        struct co_diag diag = {""};

        if (co_redis_connect(f->url, false, PATIENCE_MS, &f->redis, &diag)) {
            (void)usleep(1000); /* it is not listening yet */
        }
    }
    options.redis_url = f->url;
    *state = f;
    return f->redis ? (int)scale_new(&options, &f->scale, NULL) : -1;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    scale_free(f->scale);
    co_redis_reply_free(f->reply);
    co_redis_close(f->redis);
    redis_server_kill(f->server);
    (void)unlink(f->socket);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* The command made of the words up to NULL; its answer, never an error. */
static const struct co_redis_reply *
call(struct fixture *f, const char *word, ...)
{
    const char *argv[ARGS_MAX];
    struct co_diag diag = {""};
    int argc = 0;
    va_list words;

    va_start(words, word);
    for (const char *w = word; w; w = va_arg(words, const char *)) {
        assert_true(argc < ARGS_MAX);
        argv[argc++] = w;
    }
    va_end(words);
    co_redis_reply_free(f->reply);
    f->reply = NULL;
    assert_int_equal(co_redis_call(f->redis, argc, argv, NULL, PATIENCE_MS,
                                   &f->reply, &diag),
                     CO_OK);
    if (f->reply->type == CO_REDIS_ERROR) fail_msg("%s", f->reply->text);
    return f->reply;
}

static const char *
said(struct fixture *f, const char *field)
{
    const struct co_redis_reply *r =
        call(f, "HGET", KEY "scale:slow", field, NULL);

    return r->type == CO_REDIS_TEXT ? r->text : "";
}

/* Lets the scaler work until field of scale:slow says value. */
static void
tick_until(struct fixture *f, const char *field, const char *value)
{
    int64_t until = co_clock_ms() + PATIENCE_MS;

    while (strcmp(said(f, field), value) != 0) {
        struct pollfd fd = {scale_fd(f->scale), POLLIN, 0};

        if (co_clock_ms() >= until) fail_msg("%s is never %s", field, value);
        (void)poll(&fd, 1, LOOK_MS);
        scale_tick(f->scale, co_clock_ms());
    }
}

static void
given_service(struct fixture *f)
{
    (void)call(f, "ZADD", KEY "services", "99999999999999", "slow", NULL);
}

static void
a_takeover_goes_on_with_the_tasks_in_flight_of_the_one_before(void **state)
{
    struct fixture *f = *state;

    given_service(f);
    (void)call(f, "HSET", KEY "pin:slow", "mode", "vertical", NULL);
    (void)call(f, "SET", KEY "scaler:number", "7", NULL);
    (void)call(f, "HSET", KEY "scale:slow", "number", "7", "in_flight_max",
               "12", NULL);
    tick_until(f, "number", "8");
    assert_string_equal(said(f, "in_flight_max"), "12");
}

/* EVAL is answered by an error: a command in it is refused. */
static void
an_event_that_redis_did_not_take_is_told_again(void **state)
{
    struct fixture *f = *state;
    const struct co_redis_reply *events;
    int64_t until = co_clock_ms() + PATIENCE_MS;

    given_service(f);
    (void)call(f, "HSET", KEY "pin:slow", "size", "3", NULL);
    (void)call(f, "SET", KEY "events", "no stream", NULL);
    tick_until(f, "desired", "3"); /* so far the script came */
    (void)call(f, "DEL", KEY "events", NULL);
    while (call(f, "EXISTS", KEY "events", NULL)->integer == 0) {
        struct pollfd fd = {scale_fd(f->scale), POLLIN, 0};

        if (co_clock_ms() >= until) fail_msg("no event");
        (void)poll(&fd, 1, LOOK_MS);
        scale_tick(f->scale, co_clock_ms());
    }
    events = call(f, "XRANGE", KEY "events", "-", "+", NULL);
    assert_int_equal(events->count, 1);
    assert_string_equal(
        co_redis_field(&events->elements[0].elements[1], "from"), "0");
    assert_string_equal(co_redis_field(&events->elements[0].elements[1], "to"),
                        "3");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_takeover_goes_on_with_the_tasks_in_flight_of_the_one_before),
        T(an_event_that_redis_did_not_take_is_told_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
