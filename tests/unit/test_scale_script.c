/* What the scaler may do in Redis, and that who lost the lease may do nothing:
 * the scripts against a real redis-server. */
#include "common/clock.h"
#include "common/redis.h"
#include "coordinator/scale_script.h"
#include "tests/co_test.h"
#include "tests/unit/redis_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 20000, ARGS_MAX = 32 };

struct fixture {
    char dir[64], socket[96], url[128];
    pid_t server;
    struct co_redis_client *redis;
    struct co_redis_reply *reply; /* the last answer */
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int64_t until = co_clock_ms() + PATIENCE_MS;

    (void)snprintf(f->dir, sizeof f->dir, "/tmp/co-test-script-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->socket, sizeof f->socket, "%s/s", f->dir);
    (void)snprintf(f->url, sizeof f->url, "unix://%s", f->socket);
    f->server = redis_server_start(f->socket, f->dir, "");
    while (co_clock_ms() < until && !f->redis) {
        struct co_diag diag = {""};
        enum co_err err =
            co_redis_connect(f->url, false, PATIENCE_MS, &f->redis, &diag);

        if (err) (void)usleep(1000); /* it is not listening yet */
    }
    *state = f;
    return f->redis ? 0 : -1;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

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

static int64_t
claim(struct fixture *f, const char *id, const char *seen)
{
    return call(f, "EVAL", scale_script_claim, "2", "scaler", "scaler:number",
                seen, id, "60000", NULL)
        ->integer;
}

/* Writes one field, and an event. */
static int64_t
write_wish(struct fixture *f, const char *holder, const char *wish)
{
    return call(f, "EVAL", scale_script_write, "4", "scaler", "scale:x",
                "demand:x", "events", holder, wish, "2", "desired", wish, "100",
                "kind", "scale", NULL)
        ->integer;
}

static const char *
text(struct fixture *f, const char *command, const char *key)
{
    const struct co_redis_reply *r = call(f, command, key, NULL);

    return r->type == CO_REDIS_TEXT ? r->text : "";
}

static void
who_claims_first_has_it_and_the_other_draws_no_number(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(claim(f, "a", "0"), 1);
    assert_int_equal(claim(f, "b", "0"), 0);
    assert_string_equal(text(f, "GET", "scaler"), "1 a");
    assert_string_equal(text(f, "GET", "scaler:number"), "1");
    assert_in_range(call(f, "PTTL", "scaler", NULL)->integer, 1, 60000);
}

static void
the_number_is_above_all_seen_and_never_goes_back(void **state)
{
    struct fixture *f = *state;

    /* Redis was emptied: it would count from 1 again. */
    assert_int_equal(claim(f, "a", "41"), 42);
    assert_string_equal(text(f, "GET", "scaler:number"), "42");
    (void)call(f, "DEL", "scaler", NULL);
    /* One that slept through all that, and saw less. */
    assert_int_equal(claim(f, "b", "7"), 43);
    assert_string_equal(text(f, "GET", "scaler"), "43 b");
    (void)call(f, "DEL", "scaler", NULL);
    assert_int_equal(claim(f, "c", "123456789012345"), 123456789012346);
    assert_string_equal(text(f, "GET", "scaler"), "123456789012346 c");
}

static void
only_ones_own_lease_is_prolonged(void **state)
{
    struct fixture *f = *state;
    const struct co_redis_reply *r;

    (void)claim(f, "a", "0");
    r = call(f, "EVAL", scale_script_keep, "1", "scaler", "1 b", "900000",
             NULL);
    assert_string_equal(r->text, "1 a");
    assert_in_range(call(f, "PTTL", "scaler", NULL)->integer, 1, 60000);
    (void)call(f, "EVAL", scale_script_keep, "1", "scaler", "1 a", "900000",
               NULL);
    assert_in_range(call(f, "PTTL", "scaler", NULL)->integer, 60001, 900000);
    (void)call(f, "DEL", "scaler", NULL);
    r = call(f, "EVAL", scale_script_keep, "1", "scaler", "1 a", "9", NULL);
    assert_int_equal(r->type, CO_REDIS_NIL);
}

static void
a_wish_is_written_whole_with_as_many_members_as_workers(void **state)
{
    struct fixture *f = *state;

    (void)claim(f, "a", "0");
    assert_int_equal(write_wish(f, "1 a", "10000"), 1);
    assert_int_equal(call(f, "SCARD", "demand:x", NULL)->integer, 10000);
    (void)call(f, "HSET", "scale:x", "old", "field", NULL);
    assert_int_equal(write_wish(f, "1 a", "3"), 1);
    assert_int_equal(call(f, "SCARD", "demand:x", NULL)->integer, 3);
    assert_int_equal(call(f, "HLEN", "scale:x", NULL)->integer, 1);
    assert_int_equal(call(f, "XLEN", "events", NULL)->integer, 2);
    assert_int_equal(write_wish(f, "1 a", "0"), 1);
    assert_int_equal(call(f, "EXISTS", "demand:x", NULL)->integer, 0);
}

static void
a_holder_that_was_replaced_changes_nothing(void **state)
{
    struct fixture *f = *state;

    (void)claim(f, "a", "0");
    assert_int_equal(write_wish(f, "1 a", "3"), 1);
    (void)call(f, "DEL", "scaler", NULL);
    assert_int_equal(write_wish(f, "1 a", "9"), 0); /* nobody's */
    assert_int_equal(claim(f, "b", "0"), 2);
    assert_int_equal(write_wish(f, "1 a", "9"), 0);
    assert_int_equal(call(f, "SCARD", "demand:x", NULL)->integer, 3);
    assert_string_equal(call(f, "HGET", "scale:x", "desired", NULL)->text, "3");
    assert_int_equal(call(f, "XLEN", "events", NULL)->integer, 1);
}

static void
a_service_that_nobody_needs_goes_with_both_keys(void **state)
{
    struct fixture *f = *state;

    (void)claim(f, "a", "0");
    (void)write_wish(f, "1 a", "3");
    (void)call(f, "EVAL", scale_script_write, "4", "scaler", "scale:x",
               "demand:x", "events", "1 a", "0", "0", NULL);
    assert_int_equal(call(f, "EXISTS", "scale:x", "demand:x", NULL)->integer,
                     0);
}

static void
only_ones_own_lease_is_given_back(void **state)
{
    struct fixture *f = *state;

    (void)claim(f, "a", "0");
    assert_int_equal(
        call(f, "EVAL", scale_script_release, "1", "scaler", "1 b", NULL)
            ->integer,
        0);
    assert_string_equal(text(f, "GET", "scaler"), "1 a");
    assert_int_equal(
        call(f, "EVAL", scale_script_release, "1", "scaler", "1 a", NULL)
            ->integer,
        1);
    assert_string_equal(text(f, "GET", "scaler"), "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_claims_first_has_it_and_the_other_draws_no_number),
        TEST(the_number_is_above_all_seen_and_never_goes_back),
        TEST(only_ones_own_lease_is_prolonged),
        TEST(a_wish_is_written_whole_with_as_many_members_as_workers),
        TEST(a_holder_that_was_replaced_changes_nothing),
        TEST(a_service_that_nobody_needs_goes_with_both_keys),
        TEST(only_ones_own_lease_is_given_back),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
