/* redis_conn.c - see redis_conn.h; the only file that includes hiredis. */
#include "common/redis_conn.h"
#include "common/buf.h"
#include "common/clock.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    REPLY_BYTES_MAX = 64 << 20, /* one answer; hiredis itself has no limit */
    REPLY_ELEMENTS_MAX = 1 << 20,
    REPLY_DEPTH_MAX = 16,
};

#if HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count;
#endif

struct co_redis_conn {
    redisContext *hi;
    void *(*create_array)(const redisReadTask *task, array_count count);
    redisReplyObjectFunctions functions; /* hiredis's, with a limit */
    struct co_redis_cap *cap;
    struct co_redis_name name;
};

/* Array headers claim a count before anything came; an honest Redis never
 * sends us more than this. hiredis turns NULL into an error. */
static void *
limited_array(const redisReadTask *task, array_count count)
{
    const struct co_redis_conn *conn = task->privdata;

    if (count > REPLY_ELEMENTS_MAX) return NULL;
    return conn->create_array(task, count);
}

static void
// NOLINTNEXTLINE(misc-no-recursion): at most REPLY_DEPTH_MAX
reply_clear(struct co_redis_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        reply_clear(&reply->elements[i]);
    }
    free(reply->elements);
    free(reply->text);
}

void
co_redis_reply_free(struct co_redis_reply *reply)
{
    if (!reply) return;
    reply_clear(reply);
    free(reply);
}

static bool
copy_text(struct co_redis_reply *to, const redisReply *from)
{
    to->text = malloc(from->len + 1);
    if (!to->text) return false;
    if (from->len) memcpy(to->text, from->str, from->len);
    to->text[from->len] = '\0';
    to->len = from->len;
    return true;
}

static bool copy_reply(struct co_redis_reply *to, const redisReply *from,
                       unsigned depth);

static bool
// NOLINTNEXTLINE(misc-no-recursion): at most REPLY_DEPTH_MAX
copy_array(struct co_redis_reply *to, const redisReply *from, unsigned depth)
{
    to->type = CO_REDIS_ARRAY;
    if (depth == REPLY_DEPTH_MAX) return false;
    if (from->elements == 0) return true;
    to->elements = calloc(from->elements, sizeof *to->elements);
    if (!to->elements) return false;
    to->count = from->elements;
    for (size_t i = 0; i < from->elements; i++) {
        if (!copy_reply(&to->elements[i], from->element[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool
// NOLINTNEXTLINE(misc-no-recursion): at most REPLY_DEPTH_MAX
copy_reply(struct co_redis_reply *to, const redisReply *from, unsigned depth)
{
    switch (from->type) {
    case REDIS_REPLY_INTEGER:
        to->type = CO_REDIS_INT;
        to->integer = from->integer;
        return true;
    case REDIS_REPLY_ARRAY:
        return copy_array(to, from, depth);
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        to->type = CO_REDIS_TEXT;
        return copy_text(to, from);
    case REDIS_REPLY_ERROR:
        to->type = CO_REDIS_ERROR;
        return copy_text(to, from);
    default: /* nil, and what only a RESP3 connection would send */
        to->type = CO_REDIS_NIL;
        return true;
    }
}

/* Takes hiredis's answer over into ours; NULL when memory ran out. */
static struct co_redis_reply *
take_reply(redisReply *from)
{
    struct co_redis_reply *reply = calloc(1, sizeof *reply);

    if (reply && !copy_reply(reply, from, 0)) {
        co_redis_reply_free(reply);
        reply = NULL;
    }
    freeReplyObject(from);
    return reply;
}

/* hiredis's error as ours. */
static enum co_err
conn_fail(const struct co_redis_conn *conn, int saved_errno,
          struct co_diag *diag)
{
    const redisContext *hi = conn->hi;

    switch (hi->err) {
    case REDIS_ERR_PROTOCOL:
        return co_fail(diag, CO_PROTOCOL,
                       "%s answers, but not as Redis does (%s): is this the "
                       "right address?",
                       conn->name.text, hi->errstr);
    case REDIS_ERR_EOF:
        return co_fail(diag, CO_UNAVAILABLE, "%s closed the connection",
                       conn->name.text);
    case REDIS_ERR_OOM:
        return co_fail(diag, CO_FULL,
                       "%s: an answer is larger than allowed, or memory is "
                       "out",
                       conn->name.text);
    default:
        return co_fail(diag, CO_UNAVAILABLE, "%s cannot be reached: %s",
                       conn->name.text,
                       hi->errstr[0] ? hi->errstr : strerror(saved_errno));
    }
}

/* One poll for events, at most left_ms (and a minute); capped: the cap's own
 * fd stays readable from then on, so it is no longer looked at. */
static short
conn_poll(const struct co_redis_conn *conn, short events, int64_t left_ms,
          bool capped)
{
    struct pollfd fds[2] = {
        {.fd = conn->hi->fd, .events = events},
        {.fd = conn->cap && !capped ? conn->cap->fd : -1, .events = POLLIN},
    };
    int64_t ms = left_ms < 0 ? 0 : left_ms;
    int n = poll(fds, 2, ms > 60000 ? 60000 : (int)ms);

    if (n < 0 && errno != EINTR) return POLLERR;
    return n > 0 ? fds[0].revents : (short)0;
}

/* Polls for events until deadline or the cap; 0 is a timeout. */
static short
conn_wait(const struct co_redis_conn *conn, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t cap = conn->cap ? atomic_load(&conn->cap->at_ms) : INT64_MAX;
        int64_t until = deadline_ms < cap ? deadline_ms : cap;
        short got =
            conn_poll(conn, events, until - co_clock_ms(), cap != INT64_MAX);

        if (got) return got;
        if (co_clock_ms() >= until) return 0;
    }
}

static enum co_err
conn_timeout(const struct co_redis_conn *conn, int64_t timeout_ms,
             struct co_diag *diag)
{
    return co_fail(diag, CO_TIMEOUT, "%s did not answer within %lld ms",
                   conn->name.text, (long long)timeout_ms);
}

/* The socket is connected when it is writable without an error. */
static enum co_err
conn_established(struct co_redis_conn *conn, int64_t timeout_ms,
                 struct co_diag *diag)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (conn->hi->err) return conn_fail(conn, errno, diag);
    if (!conn_wait(conn, POLLOUT, co_clock_ms() + timeout_ms)) {
        return conn_timeout(conn, timeout_ms, diag);
    }
    if (getsockopt(conn->hi->fd, SOL_SOCKET, SO_ERROR, &error, &len)) {
        error = errno;
    }
    if (!error) return CO_OK;
    return co_fail(diag, CO_UNAVAILABLE, "%s cannot be reached: %s",
                   conn->name.text, strerror(error));
}

int
co_redis_conn_fd(const struct co_redis_conn *conn)
{
    return conn->hi->fd;
}

const char *
co_redis_conn_name(const struct co_redis_conn *conn)
{
    return conn->name.text;
}

void
co_redis_conn_close(struct co_redis_conn *conn)
{
    if (!conn) return;
    if (conn->hi) redisFree(conn->hi);
    free(conn);
}

enum co_err
co_redis_conn_append(struct co_redis_conn *conn, const void *data, size_t len)
{
    if (redisAppendFormattedCommand(conn->hi, data, len) == REDIS_OK) {
        return CO_OK;
    }
    return CO_NOMEM;
}

/* Hands over every complete answer, at most *left of them. */
static enum co_err
read_replies(struct co_redis_conn *conn, size_t *left,
             void (*on_reply)(void *arg, struct co_redis_reply *reply),
             void *arg, struct co_diag *diag)
{
    while (*left > 0) {
        void *reply = NULL;

        if (redisGetReplyFromReader(conn->hi, &reply) != REDIS_OK) {
            return conn_fail(conn, errno, diag);
        }
        if (!reply) break;
        --*left;
        on_reply(arg, take_reply(reply));
    }
    if (conn->hi->reader->len > REPLY_BYTES_MAX) {
        return co_fail(diag, CO_FULL, "%s: an answer of more than %d bytes",
                       conn->name.text, REPLY_BYTES_MAX);
    }
    return CO_OK;
}

/* Writing and reading alternate, so that neither side's buffers can fill and
 * block both. */
enum co_err
co_redis_conn_exchange(struct co_redis_conn *conn, size_t replies,
                       int64_t timeout_ms,
                       void (*on_reply)(void *arg,
                                        struct co_redis_reply *reply),
                       void *arg, struct co_diag *diag)
{
    int written = 0;
    enum co_err err = CO_OK;

    while (!err && (!written || replies > 0)) {
        short want = written ? POLLIN : POLLIN | POLLOUT;
        short got = conn_wait(conn, want, co_clock_ms() + timeout_ms);

        if (!got) return conn_timeout(conn, timeout_ms, diag);
        if ((got & POLLOUT) &&
            redisBufferWrite(conn->hi, &written) != REDIS_OK) {
            return conn_fail(conn, errno, diag);
        }
        if (!(got & (POLLIN | POLLERR | POLLHUP))) continue;
        if (redisBufferRead(conn->hi) != REDIS_OK) {
            return conn_fail(conn, errno, diag);
        }
        err = read_replies(conn, &replies, on_reply, arg, diag);
    }
    if (!err && conn->hi->reader->pos < conn->hi->reader->len) {
        err = co_fail(diag, CO_PROTOCOL,
                      "%s answers more than was asked: this is not Redis",
                      conn->name.text);
    }
    return err;
}

enum co_err
co_redis_conn_idle(struct co_redis_conn *conn, struct co_diag *diag)
{
    if (redisBufferRead(conn->hi) != REDIS_OK) {
        return conn_fail(conn, errno, diag);
    }
    if (conn->hi->reader->pos == conn->hi->reader->len) return CO_OK;
    return co_fail(diag, CO_PROTOCOL,
                   "%s speaks without being asked: this is not Redis",
                   conn->name.text);
}

void
co_redis_encode(struct co_buf *buf, int argc, const char *const *argv,
                const size_t *lens)
{
    co_buf_printf(buf, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        size_t len = lens ? lens[i] : strlen(argv[i]);

        co_buf_printf(buf, "$%zu\r\n", len);
        co_buf_append(buf, argv[i], len);
        co_buf_puts(buf, "\r\n");
    }
}

/* --- handshake ---------------------------------------------------------- */

enum step { STEP_AUTH, STEP_SELECT, STEP_NAME, STEP_PING, STEP_INFO, STEPS };

struct handshake {
    enum step asked[STEPS];
    size_t count;
    size_t answered;
    struct co_redis_reply *reply[STEPS];
};

static void
handshake_reply(void *arg, struct co_redis_reply *reply)
{
    struct handshake *h = arg;

    h->reply[h->asked[h->answered++]] = reply;
}

static void
handshake_fini(struct handshake *h)
{
    for (size_t i = 0; i < STEPS; i++) {
        co_redis_reply_free(h->reply[i]);
    }
}

static void
handshake_ask(struct handshake *h, struct co_buf *buf, enum step step, int argc,
              const char *const *argv)
{
    h->asked[h->count++] = step;
    co_redis_encode(buf, argc, argv, NULL);
}

static void
handshake_write(struct handshake *h, struct co_buf *buf,
                const struct co_redis_url *url, const char *client_name)
{
    char db[16];

    if (url->password[0] && url->user[0]) {
        handshake_ask(h, buf, STEP_AUTH, 3,
                      (const char *[]){"AUTH", url->user, url->password});
    } else if (url->password[0]) {
        handshake_ask(h, buf, STEP_AUTH, 2,
                      (const char *[]){"AUTH", url->password});
    }
    (void)snprintf(db, sizeof db, "%u", url->db);
    if (url->db) {
        handshake_ask(h, buf, STEP_SELECT, 2, (const char *[]){"SELECT", db});
    }
    handshake_ask(h, buf, STEP_NAME, 3,
                  (const char *[]){"CLIENT", "SETNAME", client_name});
    handshake_ask(h, buf, STEP_PING, 1, (const char *[]){"PING"});
    handshake_ask(h, buf, STEP_INFO, 2, (const char *[]){"INFO", "server"});
}

/* A failed AUTH, SELECT or PING; NAME and INFO may be forbidden by an ACL. */
static enum co_err
handshake_judge(const struct co_redis_conn *conn, const struct handshake *h,
                struct co_diag *diag)
{
    static const enum step must[] = {STEP_AUTH, STEP_SELECT, STEP_PING};
    static const char *const asked[] = {"the user or password", "that database",
                                        "PING"};
    const char *name = conn->name.text;
    enum co_err err;

    for (size_t i = 0; i < co_countof(must); i++) {
        const struct co_redis_reply *reply = h->reply[must[i]];

        if (!reply) continue;
        err = co_redis_refused(reply, name, asked[i], diag);
        if (err) return err;
    }
    if (!h->reply[STEP_PING] || h->reply[STEP_PING]->type != CO_REDIS_TEXT ||
        strcmp(h->reply[STEP_PING]->text, "PONG") != 0) {
        return co_fail(diag, CO_PROTOCOL,
                       "%s answers, but PING not with PONG: is this the right "
                       "address?",
                       name);
    }
    return CO_OK;
}

/* The value of "key:value\r\n" in INFO's text. */
static void
info_value(const struct co_redis_reply *info, const char *key, char *to,
           size_t size)
{
    const char *at =
        info && info->type == CO_REDIS_TEXT ? strstr(info->text, key) : NULL;
    size_t len;

    to[0] = '\0';
    if (!at) return;
    at += strlen(key);
    len = strcspn(at, "\r\n");
    if (len < size) (void)snprintf(to, size, "%.*s", (int)len, at);
}

static enum co_err
handshake_run(struct co_redis_conn *conn, const struct co_redis_url *url,
              const char *client_name, int64_t timeout_ms,
              struct co_redis_server *ret_server, struct co_diag *diag)
{
    co_auto(handshake_fini) struct handshake h = {0};
    co_auto(co_buf_fini) struct co_buf buf;
    enum co_err err;

    co_buf_init(&buf, 4096);
    handshake_write(&h, &buf, url, client_name);
    err = buf.err ? buf.err : co_redis_conn_append(conn, buf.data, buf.len);
    if (err) {
        return co_fail(diag, err, "%s: %s", conn->name.text, co_err_text(err));
    }
    err = co_redis_conn_exchange(conn, h.count, timeout_ms, handshake_reply, &h,
                                 diag);
    if (err == CO_TIMEOUT) {
        return co_fail(diag, err,
                       "%s accepts connections but did not answer within %lld "
                       "ms: is it Redis?",
                       conn->name.text, (long long)timeout_ms);
    }
    if (!err) err = handshake_judge(conn, &h, diag);
    if (err) return err;
    info_value(h.reply[STEP_INFO], "run_id:", ret_server->run_id,
               sizeof ret_server->run_id);
    info_value(h.reply[STEP_INFO], "redis_version:", ret_server->version,
               sizeof ret_server->version);
    return CO_OK;
}

/* Our limit between hiredis's reader and its memory. */
static void
limit_replies(struct co_redis_conn *conn)
{
    conn->functions = *conn->hi->reader->fn;
    conn->create_array = conn->functions.createArray;
    conn->functions.createArray = limited_array;
    conn->hi->reader->fn = &conn->functions;
    conn->hi->reader->privdata = conn;
}

enum co_err
co_redis_conn_open(const struct co_redis_url *url, const char *client_name,
                   int64_t timeout_ms, struct co_redis_cap *cap,
                   struct co_redis_conn **ret_conn,
                   struct co_redis_server *ret_server, struct co_diag *diag)
{
    co_auto(co_redis_conn_closep) struct co_redis_conn *conn = NULL;
    enum co_err err;

    conn = calloc(1, sizeof *conn);
    if (!conn) return co_fail(diag, CO_NOMEM, "out of memory");
    conn->cap = cap;
    conn->name = co_redis_url_name(url);
    conn->hi = url->unix_socket ? redisConnectUnixNonBlock(url->path)
                                : redisConnectNonBlock(url->host, url->port);
    if (!conn->hi) return co_fail(diag, CO_NOMEM, "out of memory");
    limit_replies(conn);
    err = conn_established(conn, timeout_ms, diag);
    if (!err) {
        err =
            handshake_run(conn, url, client_name, timeout_ms, ret_server, diag);
    }
    if (err) return err;
    *ret_conn = co_take(&conn);
    return CO_OK;
}
