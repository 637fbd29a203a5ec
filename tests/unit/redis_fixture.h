/* redis_fixture.h - a redis-server of a test's own, with a connection to it. */
#pragma once
#include "common/fs.h"
#include "common/redis.h"
#include "tests/unit/redis_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { REDIS_FIXTURE_ARGS_MAX = 32 };

struct redis_fixture {
    char dir[64], socket[96], url[128];
    pid_t server;
    struct co_redis_client *client;
    struct co_redis_reply *reply; /* the last answer */
};

static inline void
redis_fixture_open(struct redis_fixture *f)
{
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/co-test-redis-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->socket, sizeof f->socket, "%s/s", f->dir);
    (void)snprintf(f->url, sizeof f->url, "unix://%s", f->socket);
    f->server = redis_server_start(f->socket, f->dir, "");
    assert_int_equal(co_redis_connect(f->url, false, REDIS_SERVER_PATIENCE_MS,
                                      &f->client, NULL),
                     CO_OK);
}

static inline void
redis_fixture_close(struct redis_fixture *f)
{
    co_redis_reply_free(f->reply);
    co_redis_close(f->client);
    redis_server_kill(f->server);
    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
}

/* The command made of the words up to NULL; its answer, never an error. It
 * lives until the next call. */
static inline const struct co_redis_reply *
redis_fixture_call(struct redis_fixture *f, const char *word, ...)
{
    const char *argv[REDIS_FIXTURE_ARGS_MAX];
    struct co_diag diag = {""};
    int argc = 0;
    va_list words;

    va_start(words, word);
    for (const char *w = word; w; w = va_arg(words, const char *)) {
        assert_true(argc < REDIS_FIXTURE_ARGS_MAX);
        argv[argc++] = w;
    }
    va_end(words);
    co_redis_reply_free(f->reply);
    f->reply = NULL;
    assert_int_equal(co_redis_call(f->client, argc, argv, NULL,
                                   REDIS_SERVER_PATIENCE_MS, &f->reply, &diag),
                     CO_OK);
    if (f->reply->type == CO_REDIS_ERROR) fail_msg("%s", f->reply->text);
    return f->reply;
}
