/* batch.c - see batch.h: payloads of tasks and results. */
#include "llm/batch.h"

#include "llm/payload.h"

enum key {
    KEY_OP = 30,
    KEY_BATCH,
    KEY_JOB,
    KEY_ID,
    KEY_FILE,
    KEY_SKIP,
    KEY_ASKS,
    KEY_COUNT,
    KEY_SINCE,
    KEY_END,
    KEY_STATE,
    KEY_FILES,
    KEY_TOTAL,
    KEY_DONE,
    KEY_FAILED,
    KEY_ERROR,
    KEY_FAULT,
    KEY_RESULTS,
    KEY_UNSENT,
    KEY_UNTIL,
    KEY_ACCOUNT,
    KEY_INPUT,
};

/* -- writing -------------------------------------------------------------- */

static void
put_raw(msgpack_packer *pk, unsigned key, const uint8_t *data, size_t len,
        struct co_buf *buf)
{
    (void)msgpack_pack_uint64(pk, key);
    co_buf_append(buf, data, len);
}

void
batch_put_array(uint32_t n, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_array(&pk, n);
}

void
batch_put_bin(const uint8_t *data, size_t len, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_bin(&pk, len);
    (void)msgpack_pack_bin_body(&pk, data, len);
}

void
batch_put_u64(uint64_t value, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_uint64(&pk, value);
}

static void
put_files(msgpack_packer *pk, const struct ask_text *files, uint32_t n)
{
    (void)msgpack_pack_uint64(pk, KEY_FILES);
    (void)msgpack_pack_array(pk, n);
    for (uint32_t i = 0; i < n; i++) {
        payload_put_text(pk, files[i], BATCH_ID_BYTES - 1);
    }
}

void
batch_put_task(const struct batch_task *t, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, 9u + !!t->asks + !!t->account + !!t->n_files);
    payload_put_u64(&pk, KEY_OP, t->op);
    payload_put_u64(&pk, KEY_BATCH, t->batch);
    payload_put_u64(&pk, KEY_JOB, t->job);
    payload_put_str(&pk, KEY_ID, t->id, BATCH_ID_BYTES - 1);
    payload_put_str(&pk, KEY_FILE, t->file, BATCH_ID_BYTES - 1);
    payload_put_u64(&pk, KEY_SKIP, t->skip);
    payload_put_u64(&pk, KEY_COUNT, t->count);
    payload_put_u64(&pk, KEY_SINCE, t->since);
    payload_put_u64(&pk, KEY_UNTIL, t->until);
    if (t->n_files) put_files(&pk, t->files, t->n_files);
    if (t->account) payload_put_u64(&pk, KEY_ACCOUNT, t->account);
    if (t->asks) put_raw(&pk, KEY_ASKS, t->asks, t->asks_len, buf);
}

void
batch_put_result(const struct batch_result *r, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, 12u + !!r->account + !!r->input.len +
                                    !!r->asks + !!r->unsent);
    payload_put_u64(&pk, KEY_OP, r->op);
    payload_put_u64(&pk, KEY_BATCH, r->batch);
    payload_put_str(&pk, KEY_ID, r->id, BATCH_ID_BYTES - 1);
    payload_put_u64(&pk, KEY_SKIP, r->skip);
    payload_put_u64(&pk, KEY_END, r->end);
    payload_put_u64(&pk, KEY_STATE, r->state);
    put_files(&pk, r->files, r->n_files);
    payload_put_u64(&pk, KEY_TOTAL, r->total);
    payload_put_u64(&pk, KEY_DONE, r->done);
    payload_put_u64(&pk, KEY_FAILED, r->failed);
    payload_put_str(&pk, KEY_ERROR, r->error, ASK_ERROR_MAX);
    payload_put_str(&pk, KEY_FAULT, r->fault, ASK_TEXT_MAX);
    if (r->input.len) {
        payload_put_str(&pk, KEY_INPUT, r->input, BATCH_ID_BYTES - 1);
    }
    if (r->account) payload_put_u64(&pk, KEY_ACCOUNT, r->account);
    if (r->asks) put_raw(&pk, KEY_RESULTS, r->asks, r->asks_len, buf);
    if (r->unsent) put_raw(&pk, KEY_UNSENT, r->unsent, r->unsent_len, buf);
}

/* -- reading -------------------------------------------------------------- */

/* A value as it stands there. */
static const uint8_t *
get_raw(struct walk *w, size_t *ret_len)
{
    const uint8_t *at = w->at;

    walk_skip(w);
    *ret_len = (size_t)(w->at - at);
    return at;
}

static uint32_t
get_files(struct walk *w, uint32_t max, struct ask_text *ret_files)
{
    const uint32_t n = walk_array(w);

    if (n > max) {
        w->bad = true;
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        ret_files[i] = payload_str(w, BATCH_ID_BYTES - 1);
    }
    return n;
}

static void
get_task_member(struct walk *w, uint64_t key, struct batch_task *t)
{
    switch (key) {
    case KEY_OP:
        t->op = (enum batch_op)walk_below(w, BATCH_OPS);
        break;
    case KEY_BATCH:
        t->batch = walk_u64(w);
        break;
    case KEY_JOB:
        t->job = walk_u64(w);
        break;
    case KEY_ID:
        t->id = payload_str(w, BATCH_ID_BYTES - 1);
        break;
    case KEY_FILE:
        t->file = payload_str(w, BATCH_ID_BYTES - 1);
        break;
    case KEY_SKIP:
        t->skip = walk_u64(w);
        break;
    case KEY_COUNT:
        t->count = walk_u32(w);
        break;
    case KEY_SINCE:
        t->since = walk_u64(w);
        break;
    case KEY_UNTIL:
        t->until = walk_u64(w);
        break;
    case KEY_FILES:
        t->n_files = get_files(w, BATCH_CLEAN_FILES, t->files);
        break;
    case KEY_ACCOUNT:
        t->account = walk_u64(w);
        break;
    case KEY_ASKS:
        t->asks = get_raw(w, &t->asks_len);
        break;
    default:
        walk_skip(w);
        break;
    }
}

bool
batch_get_task(const uint8_t *data, size_t len, struct batch_task *ret)
{
    struct walk w = walk_start(data, len);
    uint32_t n = walk_map(&w);
    bool has_op = false;

    *ret = (struct batch_task){.batch = 0};
    for (uint32_t i = 0; i < n && !w.bad; i++) {
        const uint64_t key = walk_u64(&w);

        has_op |= key == KEY_OP;
        get_task_member(&w, key, ret);
    }
    return walk_done(&w) && has_op;
}

bool
batch_is_task(const uint8_t *data, size_t len)
{
    struct walk w = walk_start(data, len);
    uint32_t n = walk_map(&w);

    for (uint32_t i = 0; i < n && !w.bad; i++) {
        if (walk_u64(&w) == KEY_OP) return true;
        walk_skip(&w);
    }
    return false;
}

static uint64_t *
number_of(struct batch_result *r, uint64_t key)
{
    switch (key) {
    case KEY_BATCH:
        return &r->batch;
    case KEY_SKIP:
        return &r->skip;
    case KEY_TOTAL:
        return &r->total;
    case KEY_DONE:
        return &r->done;
    case KEY_FAILED:
        return &r->failed;
    case KEY_ACCOUNT:
        return &r->account;
    default:
        return NULL;
    }
}

static void
get_result_member(struct walk *w, uint64_t key, struct batch_result *r)
{
    uint64_t *number = number_of(r, key);

    if (number) {
        *number = walk_u64(w);
        return;
    }
    switch (key) {
    case KEY_OP:
        r->op = (enum batch_op)walk_below(w, BATCH_OPS);
        break;
    case KEY_ID:
        r->id = payload_str(w, BATCH_ID_BYTES - 1);
        break;
    case KEY_END:
        r->end = walk_u32(w) == 1;
        break;
    case KEY_STATE:
        r->state = (enum batch_state)walk_below(w, BATCH_STATES);
        break;
    case KEY_FILES:
        r->n_files = get_files(w, BATCH_FILES, r->files);
        break;
    case KEY_INPUT:
        r->input = payload_str(w, BATCH_ID_BYTES - 1);
        break;
    case KEY_ERROR:
        r->error = payload_str(w, ASK_ERROR_MAX);
        break;
    case KEY_FAULT:
        r->fault = payload_str(w, ASK_TEXT_MAX);
        break;
    case KEY_RESULTS:
        r->asks = get_raw(w, &r->asks_len);
        break;
    case KEY_UNSENT:
        r->unsent = get_raw(w, &r->unsent_len);
        break;
    default:
        walk_skip(w);
        break;
    }
}

/* Each element is what it has to be. */
static bool
arrays_hold(const struct batch_result *r)
{
    struct walk asks = walk_start(r->asks, r->asks_len);
    struct walk unsent = walk_start(r->unsent, r->unsent_len);
    uint32_t n = r->asks ? walk_array(&asks) : 0;

    for (uint32_t i = 0; i < n; i++) {
        struct ask_result one;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(&asks, &len);

        if (asks.bad || !ask_get_result(data, len, &one)) return false;
    }
    n = r->unsent ? walk_array(&unsent) : 0;
    for (uint32_t i = 0; i < n; i++) {
        (void)walk_u64(&unsent);
    }
    return walk_done(&asks) && walk_done(&unsent);
}

bool
batch_get_result(const uint8_t *data, size_t len, struct batch_result *ret)
{
    struct walk w = walk_start(data, len);
    uint32_t n = walk_map(&w);
    bool has_op = false;

    *ret = (struct batch_result){.batch = 0};
    for (uint32_t i = 0; i < n && !w.bad; i++) {
        const uint64_t key = walk_u64(&w);

        has_op |= key == KEY_OP;
        get_result_member(&w, key, ret);
    }
    return walk_done(&w) && has_op && arrays_hold(ret);
}

/* -- names ---------------------------------------------------------------- */

const char *
batch_op_name(enum batch_op op)
{
    static const char *const names[BATCH_OPS] = {
#define X(id, name) name,
        BATCH_OP_LIST(X)
#undef X
    };

    return (unsigned)op < BATCH_OPS ? names[op] : "?";
}

const char *
batch_state_text(enum batch_state state)
{
    static const char *const texts[BATCH_STATES] = {
#define X(id, text) text,
        BATCH_STATE_LIST(X)
#undef X
    };

    return (unsigned)state < BATCH_STATES ? texts[state] : "?";
}
