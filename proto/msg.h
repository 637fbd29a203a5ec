/* msg.h - wire messages as structs, and their codec.
 * Structs, numbers, names and codec come from messages.def. A message is two
 * frames: a header (msgpack map, integer keys) and a body (payloads back to
 * back, lengths in the header), so that a broker routes without touching
 * payloads. Pure: no I/O, no clock, no allocation when decoding. Not
 * thread-safe per reader; readers are independent. */
#pragma once
#include "common/buf.h"
#include "common/bytes.h"

enum {
    PROTO_VERSION = 1,
    HEAD_BYTES_MAX = 64 * 1024,       /* a header frame */
    BODY_BYTES_MAX = 4 * 1024 * 1024, /* a body frame */
    PART_BYTES_MAX = 256 * 1024,      /* a message on a link beyond this host */
    BLOB_PIECE_MAX = 1024 * 1024,     /* one answer to BLOB_GET */
    BATCH_MAX = 1024,                 /* tasks in one message */
    NAME_BYTES_MAX = 128,             /* names, services, tags */
    NAMES_MAX = 64,                   /* services or tags of one peer */
};

enum role { ROLE_WORKER = 1, ROLE_COORDINATOR = 2 };
enum task_status { STATUS_OK = 0, STATUS_FAILED = 1 };
enum priority {
    PRIORITY_LOW = 0,
    PRIORITY_MEDIUM = 1,
    PRIORITY_HIGH = 2,
    PRIORITY_CRITICAL = 3,
    PRIORITY_COUNT
};
enum held_state { HELD_QUEUED = 0, HELD_RUNNING = 1, HELD_DONE = 2 };
enum lost_cause {
    LOST_WORKER_DEAD = 1, /* its connection ended and it did not come back */
    LOST_LINK = 2,        /* could not be delivered, or vanished on the way */
    LOST_DRAIN = 3,       /* the worker left without finishing it */
    LOST_BROKER = 4,      /* the broker restarted and nobody claimed it */
    LOST_SILENT = 5, /* not heard of for dead_ms: dead, frozen or cut off */
};
enum return_reason {
    RETURN_DRAIN = 1,
    RETURN_NO_RECIPE = 2, /* the recipe could not be fetched or read */
    RETURN_LIMIT = 3, /* of an endpoint (see not_before_ms), or fewer slots */
    RETURN_CANCELLED = 4,
    RETURN_FULL = 5,        /* more than was granted, or no memory */
    RETURN_RESULT_LOST = 6, /* it was run, and what came of it is lost: one
                             * that is paid is not to be run again */
    RETURN_AWAY = 7, /* its provider cannot be called at all: it fails, or asked
                      * for a long wait (see not_before_ms) */
};

struct msg_str {
    const char *text; /* not NUL-terminated; NULL when len is 0 */
    uint32_t len;
};
struct msg_bin {
    const uint8_t *data;
    uint32_t len;
};
struct msg_u32s {
    const uint32_t *v;
    uint32_t n;
};
struct msg_u64s {
    const uint64_t *v;
    uint32_t n;
};
struct msg_strs {
    const struct msg_str *v;
    uint32_t n;
};

#define MSG_CTYPE_u32 uint32_t
#define MSG_CTYPE_u64 uint64_t
#define MSG_CTYPE_str struct msg_str
#define MSG_CTYPE_bin struct msg_bin
#define MSG_CTYPE_u32s struct msg_u32s
#define MSG_CTYPE_u64s struct msg_u64s
#define MSG_CTYPE_strs struct msg_strs

/* struct msg_hello { uint32_t version; ... }; and so on */
#define CO_MSG(number, name, help)                                             \
    struct msg_##name {                                                        \
        char msg_unused_; /* a message may have no fields */
#define CO_FIELD(msg, key, type, name, presence, help) MSG_CTYPE_##type name;
#define CO_END(name)                                                           \
    }                                                                          \
    ;
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END

/* MSG_hello = 0x01, ... */
enum msg_type {
    MSG_none = 0,
#define CO_MSG(number, name, help) MSG_##name = (number),
#define CO_FIELD(msg, key, type, name, presence, help)
#define CO_END(name)
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END
    MSG_TYPE_MAX = 0x62 /* highest number in use or reserved */
};

/* A decoded message. Arrays and texts point into the frame and the reader. */
struct msg {
    enum msg_type type;
    union {
#define CO_MSG(number, name, help) struct msg_##name name;
#define CO_FIELD(msg, key, type, name, presence, help)
#define CO_END(name)
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END
    };
};

/* "HELLO"; "UNKNOWN" for a number that is not in the list. */
const char *msg_name(unsigned number);

/* Appends the header frame of m to buf (failures stick in buf->err). Fields
 * that are 0 or empty are left out unless required. */
void msg_encode(const struct msg *m, struct co_buf *buf);

/* Room for the arrays of one decoded message; reused for each. About 40 KiB:
 * keep one per socket or core, not one per message. */
struct msg_reader {
    uint64_t words[2 * BATCH_MAX + 64];
    uint32_t halves[4 * BATCH_MAX + 64];
    struct msg_str names[2 * NAMES_MAX];
    uint32_t words_used, halves_used, names_used;
};

/* Decodes a header frame; everything in it is hostile. *ret_msg points into
 * head and r and is valid until either changes or r decodes again.
 * CO_PROTOCOL  malformed, too large, a required field missing, wrong types,
 *              more than BATCH_MAX tasks, a key twice, bytes after the end
 * CO_VERSION   a message number that this version does not know */
co_must_use enum co_err msg_decode(struct msg_reader *r, const void *head,
                                   size_t len, struct msg *ret_msg);

/* The i-th value of a "one or n" array. */
static inline uint32_t
msg_at(struct msg_u32s a, uint32_t i)
{
    return a.v[a.n == 1 ? 0 : i];
}

/* Checks the batch rules of TASKS and RESULTS: 1..BATCH_MAX tasks, "one or n"
 * arrays of a fitting size, and lens that add up to body_len exactly.
 * CO_PROTOCOL otherwise. */
co_must_use enum co_err msg_check_tasks(const struct msg_tasks *t,
                                        size_t body_len);
co_must_use enum co_err msg_check_results(const struct msg_results *r,
                                          size_t body_len);
/* Whether a has one value or n values (n >= 1). */
bool msg_one_or_n(struct msg_u32s a, uint32_t n);

/* What a held task adds to held_hash: one mixed 64-bit word of its key. The
 * formula is in docs/protocol.md. */
uint64_t msg_held_key(uint64_t job, uint64_t task, uint32_t attempt);

/* Makes a msg_str of a C string (borrowed). */
struct msg_str msg_text(const char *text);
bool msg_str_is(struct msg_str s, const char *text);
/* Copies s into out (size bytes, cut if needed, NUL-terminated). */
void msg_str_copy(struct msg_str s, char *out, size_t size);
