/* gc_ask.c - see gc_ask.h. */
#include "cli/gc_ask.h"

#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 5000, KEYS_MAX = 1000000, KEYS_BYTES_MAX = 256 << 20 };

struct gc_ask {
    struct co_redis_client *client;
};

enum co_err
gc_ask_new(const char *url, bool allow_insecure, struct gc_ask **ret_ask,
           struct co_diag *diag)
{
    co_auto(gc_ask_freep) struct gc_ask *ask = calloc(1, sizeof *ask);
    enum co_err err;

    if (!ask) return co_fail(diag, CO_NOMEM, "out of memory");
    err = co_redis_connect(url, allow_insecure, WAIT_MS, &ask->client, diag);
    if (err) return err;
    *ret_ask = co_take(&ask);
    return CO_OK;
}

void
gc_ask_free(struct gc_ask *ask)
{
    if (!ask) return;
    co_redis_close(ask->client);
    free(ask);
}

enum co_err
gc_ask_call(struct gc_ask *ask, size_t argc, const char *const *argv,
            struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    return co_redis_do(ask->client, (int)argc, argv, WAIT_MS, ret_reply, diag);
}

enum co_err
gc_ask_do(struct gc_ask *ask, size_t argc, const char *const *argv,
          struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;

    return gc_ask_call(ask, argc, argv, &r, diag);
}

enum co_err
gc_ask_unlink(struct gc_ask *ask, const char *key, struct co_diag *diag)
{
    const char *argv[] = {"UNLINK", key};

    return gc_ask_do(ask, co_countof(argv), argv, diag);
}

uint64_t
gc_ask_bytes(struct gc_ask *ask, const char *key)
{
    const char *argv[] = {"MEMORY", "USAGE", key};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;

    /* Not every user may ask that: then the size is unknown. */
    if (gc_ask_call(ask, co_countof(argv), argv, &r, NULL)) return 0;
    return r->type == CO_REDIS_INT && r->integer > 0 ? (uint64_t)r->integer : 0;
}

const char *
gc_ask_text(const struct co_redis_reply *reply)
{
    return reply->type == CO_REDIS_TEXT ? reply->text : "";
}

/* One step of SCAN: its keys to the end of keys, each ended by a 0 byte. */
static enum co_err
scan_step(struct gc_ask *ask, const char *pattern, char cursor[32],
          struct co_buf *keys, size_t *count, struct co_diag *diag)
{
    const char *argv[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);
    const struct co_redis_reply *found;

    if (err) return err;
    if (r->count != 2) {
        return co_fail(diag, CO_PROTOCOL,
                       "this is no Redis: SCAN answers "
                       "otherwise");
    }
    found = &r->elements[1];
    for (size_t i = 0; i < found->count; i++) {
        const char *key = gc_ask_text(&found->elements[i]);

        /* One with a 0 byte inside is none of ours. */
        if (strlen(key) != found->elements[i].len) continue;
        co_buf_append(keys, key, strlen(key) + 1);
        ++*count;
    }
    if (*count > KEYS_MAX || keys->err) {
        return co_fail(diag, CO_FULL, "more than %d keys match %s",
                       (int)KEYS_MAX, pattern);
    }
    (void)snprintf(cursor, 32, "%s", gc_ask_text(&r->elements[0]));
    return CO_OK;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* SCAN may name a key twice: sorted, that shows. */
static enum co_err
each_once(struct gc_ask *ask, struct co_buf *keys, size_t count,
          enum co_err (*on_key)(void *self, struct gc_ask *ask, const char *key,
                                struct co_diag *diag),
          void *self, struct co_diag *diag)
{
    const char **sorted = calloc(count + 1, sizeof *sorted);
    const char *at = (const char *)keys->data;
    enum co_err err = CO_OK;

    if (!sorted) return co_fail(diag, CO_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1) {
        sorted[i] = at;
    }
    qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t i = 0; !err && i < count; i++) {
        if (i && strcmp(sorted[i], sorted[i - 1]) == 0) continue;
        err = on_key(self, ask, sorted[i], diag);
    }
    free(sorted);
    return err;
}

enum co_err
gc_ask_scan(struct gc_ask *ask, const char *pattern,
            enum co_err (*on_key)(void *self, struct gc_ask *ask,
                                  const char *key, struct co_diag *diag),
            void *self, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf keys;
    char cursor[32] = "0";
    size_t count = 0;
    enum co_err err;

    co_buf_init(&keys, KEYS_BYTES_MAX);
    do {
        err = scan_step(ask, pattern, cursor, &keys, &count, diag);
    } while (!err && strcmp(cursor, "0") != 0);
    return err ? err : each_once(ask, &keys, count, on_key, self, diag);
}
