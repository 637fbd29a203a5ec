/* redis.h - talking to Redis: an actor for programs, a client for commands.
 * hiredis blocks, so a program's loop never touches it: an actor thread holds
 * one connection, gathers what waits into one pipeline, and hands answers back
 * through a descriptor to poll. It reconnects by itself (250 ms to 5 s, with
 * jitter). What was written when a connection broke is neither repeated nor
 * called failed: its outcome is unknown and told as such; what was not written
 * yet goes out on the next connection, in order. Everything is bounded: a full
 * queue refuses. The one module that includes hiredis (redis_conn.c).
 * co_redis_send/ask/poll: one thread at a time. */
#pragma once
#include "common/err.h"

/* Where Redis is. */
struct co_redis_url {
    bool unix_socket;
    bool loopback; /* 127.x.x.x, ::1, localhost, or a unix socket */
    uint16_t port;
    uint32_t db;
    char host[256];
    char path[108]; /* of the unix socket */
    char user[128];
    char password[256];
};

/* redis://[user:password@]host[:port][/db], [user:password@] percent-encoded,
 * or unix://[user:password@]/path[?db=n]. CO_INVALID with a message that never
 * repeats a password; rediss:// (TLS) is refused with what to do instead. */
co_must_use enum co_err co_redis_url_parse(const char *text,
                                           struct co_redis_url *ret_url,
                                           struct co_diag *diag);
/* CO_USAGE with what to do when url would cross a network in the clear. */
co_must_use enum co_err co_redis_url_allowed(const struct co_redis_url *url,
                                             bool allow_insecure,
                                             struct co_diag *diag);
/* The address without user and password, for logs and messages. */
struct co_redis_name {
    char text[300];
};
struct co_redis_name co_redis_url_name(const struct co_redis_url *url);

enum co_redis_type {
    CO_REDIS_NIL,
    CO_REDIS_INT,
    CO_REDIS_TEXT, /* bulk string or status */
    CO_REDIS_ARRAY,
    CO_REDIS_ERROR, /* Redis refused the command; text says why */
};

/* An answer; the root owns everything below it. */
struct co_redis_reply {
    enum co_redis_type type;
    int64_t integer;
    size_t len;   /* of text */
    char *text;   /* TEXT and ERROR; NUL-terminated, may hold NULs too */
    size_t count; /* of elements */
    struct co_redis_reply *elements;
};
void co_redis_reply_free(struct co_redis_reply *reply);
CO_DEFINE_FREEP(struct co_redis_reply, co_redis_reply_free)
/* A field of an HGETALL answer; "" and 0 when it is not there. The text lives
 * with the reply. */
const char *co_redis_field(const struct co_redis_reply *hash,
                           const char *field);
uint64_t co_redis_field_u64(const struct co_redis_reply *hash,
                            const char *field);
/* CO_OK when reply is no ERROR. Else says who refused what, why, and what to
 * do; redis is its name without password, what the command and its key.
 * CO_UNAVAILABLE: passes by itself (LOADING, BUSY); CO_FULL: out of memory
 * there; CO_MISMATCH: a key of another type; CO_IO: its disk; else CO_DENIED */
co_must_use enum co_err co_redis_refused(const struct co_redis_reply *reply,
                                         const char *redis, const char *what,
                                         struct co_diag *diag);

/* --- the actor ---------------------------------------------------------- */

struct co_redis; /* opaque */

/* 0 means the default. */
struct co_redis_options {
    const char *url;
    bool allow_insecure; /* a redis:// that is not loopback, in the clear */
    const char *name;    /* shown by CLIENT LIST; default "cohort" */
    uint32_t max_orders; /* waiting or in flight, and unread answers: 8192 */
    size_t max_bytes;    /* of waiting commands: 16 MiB */
    uint32_t connect_timeout_ms; /* 2000 */
    uint32_t command_timeout_ms; /* 5000 */
};

/* Checks the options and starts the thread, which connects in the background:
 * a Redis that is down is an event, not an error. CO_USAGE: bad URL, or not
 * loopback and not allow_insecure. */
co_must_use enum co_err co_redis_start(const struct co_redis_options *options,
                                       struct co_redis **ret_redis,
                                       struct co_diag *diag);
/* Takes no more orders, writes what waits, for at most timeout_ms, and ends
 * the thread. What was left counts as failed; questions among it are answered
 * NOT_SENT. poll and counters still work. */
void co_redis_stop(struct co_redis *redis, int64_t timeout_ms);
/* Stops at once if need be and releases everything. Takes NULL. */
void co_redis_free(struct co_redis *redis);
CO_DEFINE_FREEP(struct co_redis, co_redis_free)

/* Queues a command whose answer interests nobody. lens may be NULL (texts).
 * An error answer counts as failed and is kept as last_error.
 * CO_FULL: max_orders or max_bytes reached (counted as refused);
 * CO_STATE: stopped. Nothing is queued then. */
co_must_use enum co_err co_redis_send(struct co_redis *redis, int argc,
                                      const char *const *argv,
                                      const size_t *lens);
/* The same, and exactly one REPLY item with this token comes back, within
 * about connect + command timeout. */
co_must_use enum co_err co_redis_ask(struct co_redis *redis, uint64_t token,
                                     int argc, const char *const *argv,
                                     const size_t *lens);

enum co_redis_item_kind { CO_REDIS_REPLY, CO_REDIS_UP, CO_REDIS_DOWN };
enum co_redis_outcome {
    CO_REDIS_ANSWERED, /* reply is set (it may be an ERROR) */
    CO_REDIS_NOT_SENT, /* Redis never saw it */
    CO_REDIS_UNKNOWN,  /* written, no answer: it may or may not have run */
};

struct co_redis_item {
    enum co_redis_item_kind kind;
    uint64_t token;                /* REPLY */
    enum co_redis_outcome outcome; /* REPLY */
    struct co_redis_reply *reply;  /* REPLY, ANSWERED; owned */
    char run_id[48];               /* UP; "" when INFO is not permitted */
    char version[32];              /* UP */
    bool run_id_changed; /* UP: not the server that we talked to before */
    char why[300];       /* DOWN: for a person */
};

/* The oldest item, or NULL. The caller frees it. Never blocks. */
struct co_redis_item *co_redis_poll(struct co_redis *redis);
/* Readable while items wait; poll it, never read from it. */
int co_redis_fd(const struct co_redis *redis);
void co_redis_item_free(struct co_redis_item *item);
CO_DEFINE_FREEP(struct co_redis_item, co_redis_item_free)

struct co_redis_counters {
    uint64_t sent;       /* commands accepted by send and ask */
    uint64_t answered;   /* by Redis, errors included */
    uint64_t refused;    /* queue full */
    uint64_t failed;     /* error answers, and what was left at stop */
    uint64_t unknown;    /* written, connection lost before the answer */
    uint64_t reconnects; /* connections after the first */
    uint64_t waiting;    /* orders not answered yet */
    uint64_t waiting_bytes;
    char last_error[128]; /* of the last failed command */
};
/* From any thread. */
void co_redis_counters(struct co_redis *redis, struct co_redis_counters *ret);

/* --- the client: blocking, for commands like status ---------------------- */

struct co_redis_client; /* opaque; not thread-safe */

/* CO_INVALID, CO_USAGE: the address itself; CO_UNAVAILABLE, CO_TIMEOUT: not
 * there; CO_DENIED: user or password; CO_PROTOCOL: not Redis. SIGPIPE is
 * ignored in the process from then on if it was not handled. */
co_must_use enum co_err co_redis_connect(const char *url, bool allow_insecure,
                                         int64_t timeout_ms,
                                         struct co_redis_client **ret_client,
                                         struct co_diag *diag);
void co_redis_close(struct co_redis_client *client);
CO_DEFINE_FREEP(struct co_redis_client, co_redis_close)
/* One command. An ERROR answer is a reply, not an error. After an error the
 * outcome is unknown and the client only good for close. */
co_must_use enum co_err co_redis_call(struct co_redis_client *client, int argc,
                                      const char *const *argv,
                                      const size_t *lens, int64_t timeout_ms,
                                      struct co_redis_reply **ret_reply,
                                      struct co_diag *diag);
/* The same, for whom an ERROR answer is a failure: errors of both, and what the
 * answer means (co_redis_refused). After CO_DENIED, CO_FULL and CO_MISMATCH the
 * client is still good. */
co_must_use enum co_err co_redis_do(struct co_redis_client *client, int argc,
                                    const char *const *argv, int64_t timeout_ms,
                                    struct co_redis_reply **ret_reply,
                                    struct co_diag *diag);
/* Several commands in one exchange. *ret_replies is an ARRAY whose element i
 * answers command i; each may be an ERROR by itself. Errors as of
 * co_redis_call; at most CO_REDIS_MANY_MAX commands. */
enum { CO_REDIS_MANY_MAX = 4096, CO_REDIS_MANY_ARGS = 10 };
struct co_redis_command {
    int argc;
    const char *argv[CO_REDIS_MANY_ARGS]; /* texts, borrowed */
};
co_must_use enum co_err
co_redis_call_many(struct co_redis_client *client,
                   const struct co_redis_command *commands, size_t count,
                   int64_t timeout_ms, struct co_redis_reply **ret_replies,
                   struct co_diag *diag);
/* Of the server that the client talks to; its address without password. */
const char *co_redis_version(const struct co_redis_client *client);
const char *co_redis_client_name(const struct co_redis_client *client);
