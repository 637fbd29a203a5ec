/* test_redis_refused.c - the Redis module where there is no Redis for it:
 * servers that are none, passwords, and addresses. */
#include "tests/unit/redis_peer.h"

static void
assert_impostor_is_called(struct fixture *f, const char *answer,
                          const char *want)
{
    struct co_redis_item *item;

    start_impostor(f);
    start_actor(f, (struct co_redis_options){.connect_timeout_ms =
                                                 answer ? PATIENCE_MS : 300});
    if (answer) impostor_says(f, answer);
    item = expect(f, CO_REDIS_DOWN);
    if (!strstr(item->why, want)) assert_string_equal(item->why, want);
    co_redis_item_free(item);
}

static void
a_web_server_is_told_from_redis(void **state)
{
    assert_impostor_is_called(
        *state, "HTTP/1.1 400 Bad Request\r\n\r\n",
        " answers, but not as Redis does (Protocol error, got \"H\" as reply "
        "type byte): is this the right address?");
}

static void
a_silent_server_is_told_from_redis(void **state)
{
    assert_impostor_is_called(*state, NULL,
                              " accepts connections but did not answer within "
                              "300 ms: is it Redis?");
}

static void
a_claimed_giant_array_costs_nothing(void **state)
{
    assert_impostor_is_called(*state, "*2147483647\r\n",
                              "an answer is larger than allowed");
}

static void
wrong_answers_to_ping_are_refused(void **state)
{
    assert_impostor_is_called(*state, "+OK\r\n+OK\r\n+OK\r\n",
                              "answers, but PING not with PONG");
}

static void
more_answers_than_questions_are_refused(void **state)
{
    assert_impostor_is_called(*state, "+OK\r\n+PONG\r\n$-1\r\n+MORE\r\n",
                              "answers more than was asked");
}

static void
a_password_is_wanted_and_wrong_ones_are_refused(void **state)
{
    struct fixture *f = *state;
    struct co_redis_client *client = NULL;
    struct co_diag diag;
    bool asked = false;
    char url[200];

    start_server(f, "s3cret");
    start_actor(f, (struct co_redis_options){0});
    while (!asked) { /* "no such file" until it is up */
        struct co_redis_item *item = expect(f, CO_REDIS_DOWN);

        asked = strstr(item->why, "it wants a password") != NULL;
        co_redis_item_free(item);
    }
    assert_int_equal(
        co_redis_connect(f->url, false, PATIENCE_MS, &client, &diag),
        CO_DENIED);
    (void)snprintf(url, sizeof url, "unix://:wr0ng@%s", f->socket);
    assert_int_equal(co_redis_connect(url, false, PATIENCE_MS, &client, &diag),
                     CO_DENIED);
    assert_non_null(strstr(diag.text, "the user or the password is wrong"));
    assert_null(strstr(diag.text, "wr0ng"));
}

static void
the_password_and_the_database_are_given_on_each_connection(void **state)
{
    struct fixture *f = *state;
    struct co_redis_item *item;
    char url[200];

    (void)snprintf(url, sizeof url, "unix://default:s3%%63ret@%s?db=3",
                   f->socket);
    start_server(f, "s3cret");
    start_actor(f, (struct co_redis_options){.url = url});
    expect_up(f);
    assert_int_equal(co_redis_send(f->redis, ARGS("CLIENT", "KILL", "TYPE",
                                                  "normal", "SKIPME", "no")),
                     CO_OK);
    co_redis_item_free(expect(f, CO_REDIS_DOWN));
    expect_up(f);
    assert_int_equal(co_redis_ask(f->redis, 1, ARGS("CLIENT", "LIST")), CO_OK);
    item = expect(f, CO_REDIS_REPLY);
    assert_non_null(strstr(item->reply->text, " db=3 "));
    assert_non_null(strstr(item->reply->text, " name=cohort "));
    co_redis_item_free(item);
}

static void
a_refusal_says_who_refused_what_and_what_to_do(void **state)
{
    static const struct {
        const char *answer;
        enum co_err err;
        const char *next;
    } cases[] = {
        {"NOPERM this user has no permissions to run the 'get' command",
         CO_DENIED, "Users of Redis"},
        {"NOAUTH Authentication required.", CO_DENIED, "USER:PASSWORD@"},
        {"WRONGPASS invalid username-password pair or user is disabled.",
         CO_DENIED, "%XX"},
        {"WRONGTYPE Operation against a key holding the wrong kind of value",
         CO_MISMATCH, "redis-cli TYPE"},
        {"OOM command not allowed when used memory > 'maxmemory'.", CO_FULL,
         "Raise maxmemory"},
        {"LOADING Redis is loading the dataset in memory", CO_UNAVAILABLE,
         "try again"},
        {"BUSY Redis is busy running a script.", CO_UNAVAILABLE, "SCRIPT KILL"},
        {"READONLY You can't write against a read only replica.", CO_DENIED,
         "Name the master"},
        {"MISCONF Redis is configured to save RDB snapshots", CO_IO,
         "space on its disk"},
        {"ERR unknown command", CO_DENIED, "Redis 6 or newer"},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        char text[200];
        struct co_redis_reply reply = {.type = CO_REDIS_ERROR, .text = text};
        struct co_diag diag = {""};

        (void)snprintf(text, sizeof text, "%s", cases[i].answer);
        assert_int_equal(
            co_redis_refused(&reply, "redis://h:1", "GET key", &diag),
            cases[i].err);
        assert_ptr_equal(strstr(diag.text, "redis://h:1 refused GET key: "),
                         diag.text);
        assert_non_null(strstr(diag.text, text)); /* its own words too */
        assert_non_null(strstr(diag.text, cases[i].next));
        reply.type = CO_REDIS_TEXT;
        assert_int_equal(co_redis_refused(&reply, "", "", NULL), CO_OK);
    }
}

static void
assert_url_refused(const char *text, const char *message)
{
    struct co_redis_url url;
    struct co_diag diag;

    assert_int_equal(co_redis_url_parse(text, &url, &diag), CO_INVALID);
    if (!strstr(diag.text, message)) assert_string_equal(diag.text, message);
    assert_null(strstr(diag.text, "s3cret"));
}

static void
addresses_are_parsed(void **state)
{
    struct co_redis_url url;

    (void)state;
    assert_int_equal(co_redis_url_parse(
                         "redis://me:s%3acr%40t@db.example:7000/3", &url, NULL),
                     CO_OK);
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "s:cr@t");
    assert_string_equal(url.host, "db.example");
    assert_int_equal(url.port, 7000);
    assert_int_equal(url.db, 3);
    assert_false(url.loopback);
    assert_string_equal(co_redis_url_name(&url).text,
                        "redis://db.example:7000/3");
    assert_int_equal(co_redis_url_parse("redis://:pw@[::1]:6380", &url, NULL),
                     CO_OK);
    assert_string_equal(url.host, "::1");
    assert_string_equal(url.password, "pw");
    assert_true(url.loopback);
    assert_string_equal(co_redis_url_name(&url).text, "redis://[::1]:6380");
    assert_int_equal(co_redis_url_parse("redis://127.0.0.1", &url, NULL),
                     CO_OK);
    assert_int_equal(url.port, 6379);
    assert_true(url.loopback);
    assert_int_equal(
        co_redis_url_parse("redis://127.0.0.1.evil.example", &url, NULL),
        CO_OK);
    assert_false(url.loopback);
    assert_int_equal(co_redis_url_parse("unix:///run/r.sock?db=2", &url, NULL),
                     CO_OK);
    assert_string_equal(url.path, "/run/r.sock");
    assert_int_equal(url.db, 2);
    assert_true(url.loopback);
    assert_int_equal(co_redis_url_parse("unix://:p@/a@b", &url, NULL), CO_OK);
    assert_string_equal(url.path, "/a@b");
    assert_string_equal(url.password, "p");
    assert_string_equal(co_redis_url_name(&url).text, "unix:///a@b");
}

static void
bad_addresses_are_refused_without_showing_the_password(void **state)
{
    struct co_redis_options options = {.url = "redis://:s3cret@10.0.0.1"};
    struct co_redis *redis = NULL;
    struct co_diag diag;

    (void)state;
    assert_url_refused("rediss://:s3cret@h", "TLS");
    assert_url_refused("http://:s3cret@h", "does not begin with redis://");
    assert_url_refused("redis://", "no host");
    assert_url_refused("redis://:s3cret@", "no host");
    assert_url_refused("redis://s3cret@h", "before @ stands user:password");
    assert_url_refused("redis://:%zzs3cret@h", "before @ stands");
    assert_url_refused("redis://h:0", "port must be 1 to 65535");
    assert_url_refused("redis://h:99999", "port must be 1 to 65535");
    assert_url_refused("redis://[::1", "no host");
    assert_url_refused("redis://h/x", "the database, 0 to 65535");
    assert_url_refused("unix://tmp/x", "path must begin with /");
    assert_url_refused("unix://s3cret@/x", "before @ stands user:password");
    assert_url_refused("unix:///x?password=s3cret", "only ?db=N");
    assert_int_equal(co_redis_start(&options, &redis, &diag), CO_USAGE);
    assert_string_equal(
        diag.text,
        "redis://10.0.0.1:6379 is not on this machine, and redis:// is not "
        "encrypted: anyone on the way can read and change it. Use a TLS "
        "tunnel to a loopback address, or allow it with --redis-insecure");
    assert_null(redis);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_web_server_is_told_from_redis),
        TEST(a_silent_server_is_told_from_redis),
        TEST(a_claimed_giant_array_costs_nothing),
        TEST(wrong_answers_to_ping_are_refused),
        TEST(more_answers_than_questions_are_refused),
        TEST(a_password_is_wanted_and_wrong_ones_are_refused),
        TEST(the_password_and_the_database_are_given_on_each_connection),
        cmocka_unit_test(a_refusal_says_who_refused_what_and_what_to_do),
        cmocka_unit_test(addresses_are_parsed),
        cmocka_unit_test(
            bad_addresses_are_refused_without_showing_the_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
