/* test_redis.c - the Redis module against a real redis-server that is killed,
 * hangs, or is not there. */
#include "tests/unit/redis_peer.h"

static void
impostor_hangs_up(struct fixture *f)
{
    (void)close(f->peer_fd);
    f->peer_fd = -1;
}

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
        TEST(stop_writes_what_waits),
        TEST(a_hanging_redis_does_not_hold_up_the_stop),
        TEST(the_client_calls_and_times_out),
        TEST(many_commands_go_in_one_exchange_and_each_has_its_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
