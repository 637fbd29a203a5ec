/* test_redis.c - the Redis module against a real redis-server, and against
 * servers that are none. */
#include "common/clock.h"
#include "common/redis.h"
#include "tests/co_test.h"
#include "tests/unit/redis_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct fixture {
    char dir[64];
    char socket[96];
    char url[128];
    pid_t server;  /* 0: none */
    int listen_fd; /* of a server that is no Redis; -1: none */
    int peer_fd;   /* its one connection; -1: none */
    struct co_redis *redis;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->listen_fd = f->peer_fd = -1;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/co-test-redis-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->socket, sizeof f->socket, "%s/s", f->dir);
    (void)snprintf(f->url, sizeof f->url, "unix://%s", f->socket);
    *state = f;
    return 0;
}

static void
kill_server(struct fixture *f)
{
    redis_server_kill(f->server);
    f->server = 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    co_redis_free(f->redis);
    kill_server(f);
    if (f->peer_fd >= 0) (void)close(f->peer_fd);
    if (f->listen_fd >= 0) (void)close(f->listen_fd);
    (void)unlink(f->socket);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void
start_server(struct fixture *f, const char *password)
{
    f->server = redis_server_start(f->socket, f->dir, password ? password : "");
}

/* A socket that listens but is no Redis. */
static void
start_impostor(struct fixture *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", f->socket);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&addr, sizeof addr),
                     0);
    assert_int_equal(listen(f->listen_fd, 8), 0);
}

/* Waits until the impostor got something, then lets it say this. */
static void
impostor_says(struct fixture *f, const char *text)
{
    struct pollfd fd = {.fd = f->listen_fd, .events = POLLIN};
    char request[4096];

    if (f->peer_fd < 0) {
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        f->peer_fd = accept(f->listen_fd, NULL, NULL);
    }
    fd.fd = f->peer_fd;
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    assert_true(read(f->peer_fd, request, sizeof request) > 0);
    assert_int_equal(write(f->peer_fd, text, strlen(text)), strlen(text));
}

static void
impostor_hangs_up(struct fixture *f)
{
    (void)close(f->peer_fd);
    f->peer_fd = -1;
}

static void
start_actor(struct fixture *f, struct co_redis_options options)
{
    struct co_diag diag = {{0}};

    if (!options.url) options.url = f->url;
    assert_int_equal(co_redis_start(&options, &f->redis, &diag), CO_OK);
}

/* The next item of any kind. */
static struct co_redis_item *
next_item(struct fixture *f)
{
    struct pollfd fd = {.fd = co_redis_fd(f->redis), .events = POLLIN};
    struct co_redis_item *item;

    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    item = co_redis_poll(f->redis);
    assert_non_null(item);
    return item;
}

/* The next item of this kind; those before it are dropped. */
static struct co_redis_item *
expect(struct fixture *f, enum co_redis_item_kind kind)
{
    for (;;) {
        struct co_redis_item *item = next_item(f);

        if (item->kind == kind) return item;
        co_redis_item_free(item);
    }
}

static void
expect_up(struct fixture *f)
{
    co_redis_item_free(expect(f, CO_REDIS_UP));
}

#define ARGS(...)                                                              \
    (int)co_countof(((const char *[]){__VA_ARGS__})),                          \
        (const char *[]){__VA_ARGS__}, NULL

static void
questions_are_answered_in_order_with_their_tokens(void **state)
{
    struct fixture *f = *state;
    struct co_redis_item *item;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    item = expect(f, CO_REDIS_UP);
    assert_int_equal(strlen(item->run_id), 40);
    assert_false(item->run_id_changed);
    assert_true(item->version[0] >= '1');
    co_redis_item_free(item);

    assert_int_equal(co_redis_send(f->redis, ARGS("RPUSH", "l", "a", "b")), 0);
    assert_int_equal(co_redis_ask(f->redis, 7, ARGS("LRANGE", "l", "0", "-1")),
                     0);
    assert_int_equal(co_redis_ask(f->redis, 8, ARGS("GET", "nothing")), 0);
    assert_int_equal(co_redis_ask(f->redis, 9, ARGS("INCR", "n")), 0);
    assert_int_equal(co_redis_ask(f->redis, 10, ARGS("LPUSH", "n", "x")), 0);

    item = next_item(f);
    assert_int_equal(item->token, 7);
    assert_int_equal(item->outcome, CO_REDIS_ANSWERED);
    assert_int_equal(item->reply->type, CO_REDIS_ARRAY);
    assert_int_equal(item->reply->count, 2);
    assert_string_equal(item->reply->elements[1].text, "b");
    co_redis_item_free(item);
    item = next_item(f);
    assert_int_equal(item->token, 8);
    assert_int_equal(item->reply->type, CO_REDIS_NIL);
    co_redis_item_free(item);
    item = next_item(f);
    assert_int_equal(item->reply->integer, 1);
    co_redis_item_free(item);
    item = next_item(f);
    assert_int_equal(item->token, 10);
    assert_int_equal(item->reply->type, CO_REDIS_ERROR);
    assert_memory_equal(item->reply->text, "WRONGTYPE", 9);
    co_redis_item_free(item);
    assert_null(co_redis_poll(f->redis));
}

static void
bytes_pass_unchanged_and_large_pipelines_do_not_block(void **state)
{
    struct fixture *f = *state;
    static char big[200000];
    struct co_redis_item *item;

    memset(big, 'x', sizeof big);
    memcpy(big, "\0\r\n$*", 5);
    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f);
    assert_int_equal(co_redis_send(f->redis, 3,
                                   (const char *[]){"SET", "b", big},
                                   (size_t[]){3, 1, sizeof big}),
                     CO_OK);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(co_redis_ask(f->redis, i, ARGS("GET", "b")), CO_OK);
    }
    for (uint64_t i = 0; i < 100; i++) {
        item = next_item(f);
        assert_int_equal(item->token, i);
        assert_int_equal(item->reply->len, sizeof big);
        assert_memory_equal(item->reply->text, big, sizeof big);
        co_redis_item_free(item);
    }
}

static void
a_killed_redis_is_noticed_and_its_successor_told_apart(void **state)
{
    struct fixture *f = *state;
    struct co_redis_counters counters;
    struct co_redis_item *item;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f);
    kill_server(f);
    item = expect(f, CO_REDIS_DOWN); /* while idle: nobody asked anything */
    assert_non_null(strstr(item->why, "closed the connection"));
    co_redis_item_free(item);

    /* Said while it was away, written when it is back. */
    assert_int_equal(co_redis_send(f->redis, ARGS("SET", "k", "v")), CO_OK);
    (void)unlink(f->socket);
    start_server(f, NULL);
    item = expect(f, CO_REDIS_UP);
    assert_true(item->run_id_changed);
    co_redis_item_free(item);
    assert_int_equal(co_redis_ask(f->redis, 1, ARGS("GET", "k")), CO_OK);
    item = expect(f, CO_REDIS_REPLY);
    assert_string_equal(item->reply->text, "v");
    co_redis_item_free(item);
    co_redis_counters(f->redis, &counters);
    assert_int_equal(counters.reconnects, 1);
    assert_int_equal(counters.unknown, 0);
}

static void
a_broken_connection_to_the_same_redis_keeps_its_run_id(void **state)
{
    struct fixture *f = *state;
    struct co_redis_item *item;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f);
    assert_int_equal(co_redis_send(f->redis, ARGS("CLIENT", "KILL", "TYPE",
                                                  "normal", "SKIPME", "no")),
                     CO_OK);
    co_redis_item_free(expect(f, CO_REDIS_DOWN));
    item = expect(f, CO_REDIS_UP);
    assert_false(item->run_id_changed);
    co_redis_item_free(item);
}

static void
a_full_queue_refuses_and_counts(void **state)
{
    struct fixture *f = *state;
    struct co_redis_counters counters;

    /* Nobody listens: everything waits. */
    start_actor(f, (struct co_redis_options){.max_orders = 3});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(co_redis_send(f->redis, ARGS("PING")), CO_OK);
    }
    assert_int_equal(co_redis_send(f->redis, ARGS("PING")), CO_FULL);
    assert_int_equal(co_redis_ask(f->redis, 1, ARGS("PING")), CO_FULL);
    co_redis_counters(f->redis, &counters);
    assert_int_equal(counters.sent, 3);
    assert_int_equal(counters.refused, 2);
    assert_int_equal(counters.waiting, 3);
    co_redis_stop(f->redis, 0);
    co_redis_counters(f->redis, &counters);
    assert_int_equal(counters.failed, 3);
    assert_int_equal(counters.waiting, 0);
    assert_int_equal(counters.waiting_bytes, 0);
    assert_string_equal(counters.last_error, "stopped before it was sent");
    assert_int_equal(co_redis_send(f->redis, ARGS("PING")), CO_STATE);
}

static void
bytes_are_bounded_too(void **state)
{
    struct fixture *f = *state;

    start_actor(f, (struct co_redis_options){.max_bytes = 40});
    assert_int_equal(co_redis_send(f->redis, ARGS("SET", "k", "v")), CO_OK);
    assert_int_equal(co_redis_send(f->redis, ARGS("SET", "k", "v")), CO_FULL);
    assert_int_equal(
        co_redis_send(f->redis, ARGS("SET", "k",
                                     "0123456789012345678901234567890123456"
                                     "789")),
        CO_FULL);
}

static void
a_question_to_an_absent_redis_is_answered_not_sent(void **state)
{
    struct fixture *f = *state;
    struct co_redis_item *item;
    char want[300];

    start_actor(f, (struct co_redis_options){.command_timeout_ms = 50});
    item = expect(f, CO_REDIS_DOWN);
    (void)snprintf(want, sizeof want,
                   "%s cannot be reached: No such file or directory", f->url);
    assert_string_equal(item->why, want);
    co_redis_item_free(item);
    assert_int_equal(co_redis_ask(f->redis, 5, ARGS("PING")), CO_OK);
    item = next_item(f);
    assert_int_equal(item->kind, CO_REDIS_REPLY);
    assert_int_equal(item->token, 5);
    assert_int_equal(item->outcome, CO_REDIS_NOT_SENT);
    assert_null(item->reply);
    co_redis_item_free(item);
}

static void
what_was_written_without_an_answer_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct co_redis_counters counters;
    struct co_redis_item *item;

    start_impostor(f);
    start_actor(f, (struct co_redis_options){0});
    impostor_says(f, "+OK\r\n+PONG\r\n-NOPERM no INFO\r\n");
    item = expect(f, CO_REDIS_UP);
    assert_string_equal(item->run_id, "");
    co_redis_item_free(item);
    assert_int_equal(co_redis_ask(f->redis, 3, ARGS("INCR", "n")), CO_OK);
    impostor_says(f, ":1"); /* half an answer */
    impostor_hangs_up(f);
    item = expect(f, CO_REDIS_REPLY);
    assert_int_equal(item->outcome, CO_REDIS_UNKNOWN);
    assert_null(item->reply);
    co_redis_item_free(item);
    co_redis_counters(f->redis, &counters);
    assert_int_equal(counters.unknown, 1);
}

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
stop_writes_what_waits(void **state)
{
    struct fixture *f = *state;
    struct co_redis_client *client = NULL;
    struct co_redis_reply *reply = NULL;
    struct co_diag diag;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(co_redis_send(f->redis, ARGS("INCR", "n")), CO_OK);
    }
    co_redis_stop(f->redis, PATIENCE_MS);
    assert_int_equal(
        co_redis_connect(f->url, false, PATIENCE_MS, &client, &diag), CO_OK);
    assert_int_equal(
        co_redis_call(client, ARGS("GET", "n"), PATIENCE_MS, &reply, &diag),
        CO_OK);
    assert_string_equal(reply->text, "5000");
    co_redis_reply_free(reply);
    co_redis_close(client);
}

static void
a_hanging_redis_does_not_hold_up_the_stop(void **state)
{
    struct fixture *f = *state;
    int64_t begin;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f);
    assert_int_equal(kill(f->server, SIGSTOP), 0);
    assert_int_equal(co_redis_ask(f->redis, 1, ARGS("PING")), CO_OK);
    begin = co_clock_ms();
    co_redis_stop(f->redis, 100);
    assert_true(co_clock_ms() - begin < 3000);
    co_redis_item_free(expect(f, CO_REDIS_REPLY));
}

static void
the_client_calls_and_times_out(void **state)
{
    struct fixture *f = *state;
    struct co_redis_client *client = NULL;
    struct co_redis_reply *reply = NULL;
    struct co_diag diag;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f); /* so it listens */
    assert_int_equal(
        co_redis_connect(f->url, false, PATIENCE_MS, &client, &diag), CO_OK);
    assert_true(co_redis_version(client)[0] >= '1');
    assert_int_equal(
        co_redis_call(client, ARGS("ECHO", "hi"), PATIENCE_MS, &reply, &diag),
        CO_OK);
    assert_string_equal(reply->text, "hi");
    co_redis_reply_free(co_take(&reply));
    assert_int_equal(
        co_redis_call(client, ARGS("BLPOP", "none", "0"), 30, &reply, &diag),
        CO_TIMEOUT);
    assert_non_null(strstr(diag.text, "did not answer within 30 ms"));
    co_redis_close(client);
}

static void
many_commands_go_in_one_exchange_and_each_has_its_answer(void **state)
{
    struct fixture *f = *state;
    struct co_redis_client *client = NULL;
    struct co_redis_reply *all = NULL;
    struct co_redis_command v[200];
    struct co_diag diag;

    start_server(f, NULL);
    start_actor(f, (struct co_redis_options){0});
    expect_up(f); /* so it listens */
    assert_int_equal(
        co_redis_connect(f->url, false, PATIENCE_MS, &client, &diag), CO_OK);
    for (size_t i = 0; i < co_countof(v); i++) {
        v[i] = i == 7 ? (struct co_redis_command){1, {"NONSENSE"}}
                      : (struct co_redis_command){2, {"INCR", "n"}};
    }
    assert_int_equal(
        co_redis_call_many(client, v, co_countof(v), PATIENCE_MS, &all, &diag),
        CO_OK);
    assert_int_equal(all->type, CO_REDIS_ARRAY);
    assert_int_equal(all->count, co_countof(v));
    assert_int_equal(all->elements[7].type, CO_REDIS_ERROR); /* by itself */
    assert_int_equal(all->elements[6].integer, 7);
    assert_int_equal(all->elements[199].integer, 199);
    co_redis_reply_free(all);
    assert_int_equal(co_redis_call_many(client, v, 0, PATIENCE_MS, &all, &diag),
                     CO_OK);
    assert_int_equal(all->count, 0);
    co_redis_reply_free(all);
    co_redis_close(client);
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
        TEST(questions_are_answered_in_order_with_their_tokens),
        TEST(bytes_pass_unchanged_and_large_pipelines_do_not_block),
        TEST(a_killed_redis_is_noticed_and_its_successor_told_apart),
        TEST(a_broken_connection_to_the_same_redis_keeps_its_run_id),
        TEST(a_full_queue_refuses_and_counts),
        TEST(bytes_are_bounded_too),
        TEST(a_question_to_an_absent_redis_is_answered_not_sent),
        TEST(what_was_written_without_an_answer_is_unknown),
        TEST(a_web_server_is_told_from_redis),
        TEST(a_silent_server_is_told_from_redis),
        TEST(a_claimed_giant_array_costs_nothing),
        TEST(wrong_answers_to_ping_are_refused),
        TEST(more_answers_than_questions_are_refused),
        TEST(a_password_is_wanted_and_wrong_ones_are_refused),
        TEST(the_password_and_the_database_are_given_on_each_connection),
        TEST(stop_writes_what_waits),
        TEST(a_hanging_redis_does_not_hold_up_the_stop),
        TEST(the_client_calls_and_times_out),
        TEST(many_commands_go_in_one_exchange_and_each_has_its_answer),
        cmocka_unit_test(a_refusal_says_who_refused_what_and_what_to_do),
        cmocka_unit_test(addresses_are_parsed),
        cmocka_unit_test(
            bad_addresses_are_refused_without_showing_the_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
