/* redis_client.c - the blocking client of redis.h. */
#include "common/buf.h"
#include "common/redis_conn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_BYTES_MAX = 16 << 20 };

struct co_redis_client {
    struct co_redis_conn *conn;
    struct co_redis_server server;
};

/* hiredis writes with write(2), so a peer that is gone would kill us. */
static void
ignore_sigpipe(void)
{
    struct sigaction old;

    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
        (void)signal(SIGPIPE, SIG_IGN);
    }
}

enum co_err
co_redis_connect(const char *url_text, bool allow_insecure, int64_t timeout_ms,
                 struct co_redis_client **ret_client, struct co_diag *diag)
{
    co_auto(co_redis_closep) struct co_redis_client *client = NULL;
    struct co_redis_url url;
    enum co_err err;

    err = co_redis_url_parse(url_text, &url, diag);
    if (!err) err = co_redis_url_allowed(&url, allow_insecure, diag);
    if (err) return err;
    client = calloc(1, sizeof *client);
    if (!client) return co_fail(diag, CO_NOMEM, "out of memory");
    ignore_sigpipe();
    err = co_redis_conn_open(&url, CO_PROGRAM, timeout_ms, NULL, &client->conn,
                             &client->server, diag);
    if (err) return err;
    *ret_client = co_take(&client);
    return CO_OK;
}

void
co_redis_close(struct co_redis_client *client)
{
    if (!client) return;
    co_redis_conn_close(client->conn);
    free(client);
}

static void
keep_reply(void *arg, struct co_redis_reply *reply)
{
    struct co_redis_reply **kept = arg;

    *kept = reply;
}

enum co_err
co_redis_call(struct co_redis_client *client, int argc, const char *const *argv,
              const size_t *lens, int64_t timeout_ms,
              struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    co_auto(co_buf_fini) struct co_buf buf;
    enum co_err err;

    co_buf_init(&buf, COMMAND_BYTES_MAX);
    co_redis_encode(&buf, argc, argv, lens);
    err = buf.err;
    if (!err) err = co_redis_conn_append(client->conn, buf.data, buf.len);
    if (err) return co_fail(diag, err, "Redis command: %s", co_err_text(err));
    err = co_redis_conn_exchange(client->conn, 1, timeout_ms, keep_reply,
                                 &reply, diag);
    if (err) return err;
    if (!reply) return co_fail(diag, CO_NOMEM, "out of memory");
    *ret_reply = co_take(&reply);
    return CO_OK;
}

enum co_err
co_redis_do(struct co_redis_client *client, int argc, const char *const *argv,
            int64_t timeout_ms, struct co_redis_reply **ret_reply,
            struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    char what[160];
    enum co_err err =
        co_redis_call(client, argc, argv, NULL, timeout_ms, &reply, diag);

    if (err) return err;
    (void)snprintf(what, sizeof what, "%s%s%.120s", argv[0],
                   argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    err = co_redis_refused(reply, co_redis_client_name(client), what, diag);
    if (!err) *ret_reply = co_take(&reply);
    return err;
}

/* Answers as they come, each moved into its element of one array. */
static void
keep_element(void *arg, struct co_redis_reply *reply)
{
    struct co_redis_reply *all = arg;

    if (!reply) {
        all->type = CO_REDIS_ERROR; /* out of memory: told at the end */
        return;
    }
    all->elements[all->count++] = *reply;
    free(reply);
}

enum co_err
co_redis_call_many(struct co_redis_client *client,
                   const struct co_redis_command *commands, size_t count,
                   int64_t timeout_ms, struct co_redis_reply **ret_replies,
                   struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *all =
        calloc(1, sizeof *all);
    co_auto(co_buf_fini) struct co_buf buf;
    enum co_err err;

    co_buf_init(&buf, COMMAND_BYTES_MAX);
    co_assert(count <= CO_REDIS_MANY_MAX);
    if (all) all->elements = calloc(count + 1, sizeof *all->elements);
    if (!all || !all->elements) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    all->type = CO_REDIS_ARRAY;
    for (size_t i = 0; i < count; i++) {
        co_redis_encode(&buf, commands[i].argc, commands[i].argv, NULL);
    }
    err = buf.err;
    if (!err) err = co_redis_conn_append(client->conn, buf.data, buf.len);
    if (err) return co_fail(diag, err, "Redis command: %s", co_err_text(err));
    err = co_redis_conn_exchange(client->conn, count, timeout_ms, keep_element,
                                 all, diag);
    if (err) return err;
    if (all->type == CO_REDIS_ERROR) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    *ret_replies = co_take(&all);
    return CO_OK;
}

const char *
co_redis_version(const struct co_redis_client *client)
{
    return client->server.version;
}

const char *
co_redis_client_name(const struct co_redis_client *client)
{
    return co_redis_conn_name(client->conn);
}

/* ---- answers ---- */

const char *
co_redis_field(const struct co_redis_reply *hash, const char *field)
{
    for (size_t i = 0; i + 1 < hash->count; i += 2) {
        const struct co_redis_reply *name = &hash->elements[i];
        const struct co_redis_reply *value = &hash->elements[i + 1];

        if (name->type == CO_REDIS_TEXT && strcmp(name->text, field) == 0) {
            return value->type == CO_REDIS_TEXT ? value->text : "";
        }
    }
    return "";
}

uint64_t
co_redis_field_u64(const struct co_redis_reply *hash, const char *field)
{
    return strtoull(co_redis_field(hash, field), NULL, 10);
}
