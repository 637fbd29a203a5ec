/* batch.c - see batch.h: payloads of tasks and results, and what both vendors
 * have alike. */
#include "llm/batch.h"

#include "common/utf8.h"
#include "llm/pull.h"
#include "proto/walk.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

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
};

/* -- writing -------------------------------------------------------------- */

static void
put_u64(msgpack_packer *pk, unsigned key, uint64_t value)
{
    (void)msgpack_pack_uint64(pk, key);
    (void)msgpack_pack_uint64(pk, value);
}

static void
put_text(msgpack_packer *pk, struct ask_text text, size_t max)
{
    const size_t len =
        text.len ? co_utf8_cut((const uint8_t *)text.text, text.len, max) : 0;

    (void)msgpack_pack_str(pk, len);
    if (len) (void)msgpack_pack_str_body(pk, text.text, len);
}

static void
put_str(msgpack_packer *pk, unsigned key, struct ask_text text, size_t max)
{
    (void)msgpack_pack_uint64(pk, key);
    put_text(pk, text, max);
}

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

void
batch_put_task(const struct batch_task *t, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, t->asks ? 10 : 9);
    put_u64(&pk, KEY_OP, t->op);
    put_u64(&pk, KEY_BATCH, t->batch);
    put_u64(&pk, KEY_JOB, t->job);
    put_str(&pk, KEY_ID, t->id, BATCH_ID_BYTES - 1);
    put_str(&pk, KEY_FILE, t->file, BATCH_ID_BYTES - 1);
    put_u64(&pk, KEY_SKIP, t->skip);
    put_u64(&pk, KEY_COUNT, t->count);
    put_u64(&pk, KEY_SINCE, t->since);
    put_u64(&pk, KEY_UNTIL, t->until);
    if (t->asks) put_raw(&pk, KEY_ASKS, t->asks, t->asks_len, buf);
}

void
batch_put_result(const struct batch_result *r, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, 12u + !!r->asks + !!r->unsent);
    put_u64(&pk, KEY_OP, r->op);
    put_u64(&pk, KEY_BATCH, r->batch);
    put_str(&pk, KEY_ID, r->id, BATCH_ID_BYTES - 1);
    put_u64(&pk, KEY_SKIP, r->skip);
    put_u64(&pk, KEY_END, r->end);
    put_u64(&pk, KEY_STATE, r->state);
    (void)msgpack_pack_uint64(&pk, KEY_FILES);
    (void)msgpack_pack_array(&pk, r->n_files);
    for (uint32_t i = 0; i < r->n_files; i++) {
        put_text(&pk, r->files[i], BATCH_ID_BYTES - 1);
    }
    put_u64(&pk, KEY_TOTAL, r->total);
    put_u64(&pk, KEY_DONE, r->done);
    put_u64(&pk, KEY_FAILED, r->failed);
    put_str(&pk, KEY_ERROR, r->error, ASK_ERROR_MAX);
    put_str(&pk, KEY_FAULT, r->fault, ASK_TEXT_MAX);
    if (r->asks) put_raw(&pk, KEY_RESULTS, r->asks, r->asks_len, buf);
    if (r->unsent) put_raw(&pk, KEY_UNSENT, r->unsent, r->unsent_len, buf);
}

/* -- reading -------------------------------------------------------------- */

static struct ask_text
get_str(struct walk *w, size_t max)
{
    struct ask_text text;

    text.text = walk_str(w, &text.len);
    if (text.len > max) w->bad = true;
    return text;
}

/* A value as it stands there. */
static const uint8_t *
get_raw(struct walk *w, size_t *ret_len)
{
    const uint8_t *at = w->at;

    walk_skip(w);
    *ret_len = (size_t)(w->at - at);
    return at;
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
        t->id = get_str(w, BATCH_ID_BYTES - 1);
        break;
    case KEY_FILE:
        t->file = get_str(w, BATCH_ID_BYTES - 1);
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

static void
get_files(struct walk *w, struct batch_result *r)
{
    r->n_files = walk_array(w);
    if (r->n_files > BATCH_FILES) {
        w->bad = true;
        r->n_files = 0;
    }
    for (uint32_t i = 0; i < r->n_files; i++) {
        r->files[i] = get_str(w, BATCH_ID_BYTES - 1);
    }
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
        r->id = get_str(w, BATCH_ID_BYTES - 1);
        break;
    case KEY_END:
        r->end = walk_u32(w) == 1;
        break;
    case KEY_STATE:
        r->state = (enum batch_state)walk_below(w, BATCH_STATES);
        break;
    case KEY_FILES:
        get_files(w, r);
        break;
    case KEY_ERROR:
        r->error = get_str(w, ASK_ERROR_MAX);
        break;
    case KEY_FAULT:
        r->fault = get_str(w, ASK_TEXT_MAX);
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

void
batch_custom_text(const struct batch_custom *c, char out[BATCH_CUSTOM_BYTES])
{
    /* 10 + 8 + 16 + 2 * 3 digits at most in practice; 64 in any case */
    (void)snprintf(out, BATCH_CUSTOM_BYTES,
                   "c%016" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx32
                   "-%" PRIx32,
                   c->job, c->batch, c->row, c->ask, c->stage);
}

/* Hexadecimal up to a '-' or the end. */
static bool
read_hex(const char **at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *p = *at;

    for (; p < end && *p != '-'; p++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, *p);

        if (!*p || !digit || p - *at >= 16) return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    if (p == *at) return false;
    *at = p < end ? p + 1 : p;
    *ret = value;
    return true;
}

bool
batch_custom_read(const char *text, size_t len, struct batch_custom *ret)
{
    const char *at = text + 1, *end = text + len;
    uint64_t ask, stage;

    if (len < 2 || len >= BATCH_CUSTOM_BYTES || text[0] != 'c' ||
        !read_hex(&at, end, &ret->job) || !read_hex(&at, end, &ret->batch) ||
        !read_hex(&at, end, &ret->row) || !read_hex(&at, end, &ask) ||
        !read_hex(&at, end, &stage) || at != end) {
        return false;
    }
    if (ask >= ASK_MAX || stage >= ASK_STAGES || ret->row >> 56) return false;
    ret->ask = (uint32_t)ask;
    ret->stage = (uint32_t)stage;
    return true;
}

/* -- what vendors have alike ---------------------------------------------- */

static const struct {
    const char *provider;
    const struct batch_api *api;
} apis[] = {
    {"openai", &batch_openai},
    {"anthropic", &batch_anthropic},
};

const struct batch_api *
batch_api_of(const char *provider)
{
    for (size_t i = 0; i < co_countof(apis); i++) {
        if (strcmp(apis[i].provider, provider) == 0) return apis[i].api;
    }
    return NULL;
}

/* What is no text says nothing. */
void
batch_take_text(struct pull *p, char *out, size_t size)
{
    struct pull_slice text;

    if (pull_peek(p) != PULL_TEXT) {
        pull_skip(p);
    } else if (pull_text(p, &text)) {
        (void)pull_copy(&text, out, size);
    }
}

/* The whole part of a number; what is none, or too large, says nothing. Counts
 * and times are told to people: no answer waits for a right one. */
void
batch_take_u64(struct pull *p, uint64_t *to)
{
    struct pull_slice number;
    uint64_t n = 0;

    if (pull_peek(p) != PULL_NUMBER) {
        pull_skip(p);
        return;
    }
    if (!pull_number(p, &number) || number.at[0] == '-') return;
    for (size_t i = 0; i < number.len && number.at[i] != '.'; i++) {
        const unsigned digit = (unsigned)number.at[i] - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10) return;
        n = 10 * n + digit;
    }
    *to = n;
}

static enum fault
bad_json(const struct pull *p, struct co_diag *diag)
{
    (void)co_fail(diag, CO_PROTOCOL, "%s, at byte %zu",
                  p->wrong ? p->wrong : "more follows", pull_where(p));
    return FAULT_BAD_JSON;
}

enum fault
batch_read_id(const char *body, size_t len, char id[BATCH_ID_BYTES],
              struct co_diag *diag)
{
    struct pull_slice key;
    struct pull p;

    id[0] = '\0';
    pull_init(&p, body, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "id")) {
                batch_take_text(&p, id, BATCH_ID_BYTES);
            } else {
                pull_skip(&p);
            }
        }
    }
    if (!pull_end(&p)) return bad_json(&p, diag);
    if (id[0]) return FAULT_NONE;
    (void)co_fail(diag, CO_PROTOCOL, "it has no id");
    return FAULT_BAD_SHAPE;
}

struct list {
    const struct batch_api *api;
    bool (*each)(void *self, const struct batch_info *info);
    void *self;
    bool stopped;
    char *last;
    struct co_diag *diag;
};

static enum fault
read_elements(struct pull *p, struct list *l)
{
    if (!pull_enter(p, PULL_ARRAY)) return FAULT_NONE;
    while (pull_item(p)) {
        const char *at;
        struct batch_info info;
        enum fault fault;

        (void)pull_peek(p); /* blanks are behind us */
        at = (const char *)p->p;
        pull_skip(p);
        if (p->wrong || l->stopped) continue;
        fault = l->api->read_info(at, (size_t)((const char *)p->p - at), &info,
                                  l->diag);
        if (fault) return fault;
        (void)snprintf(l->last, BATCH_ID_BYTES, "%s", info.id);
        l->stopped = !l->each(l->self, &info);
    }
    return FAULT_NONE;
}

enum fault
batch_read_list(const struct batch_api *api, const char *body, size_t len,
                bool (*each)(void *self, const struct batch_info *info),
                void *self, bool *ret_more, char ret_last[BATCH_ID_BYTES],
                struct co_diag *diag)
{
    struct list list = {
        .api = api, .each = each, .self = self, .last = ret_last, .diag = diag};
    struct pull_slice key;
    bool has_data = false;
    struct pull p;

    *ret_more = false;
    ret_last[0] = '\0';
    pull_init(&p, body, len);
    if (!pull_enter(&p, PULL_OBJECT)) return bad_json(&p, diag);
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "data")) {
            enum fault fault = read_elements(&p, &list);

            if (fault) return fault;
            has_data = true;
        } else if (pull_is(&key, "has_more")) {
            (void)pull_bool(&p, ret_more);
        } else {
            pull_skip(&p);
        }
    }
    if (!pull_end(&p)) return bad_json(&p, diag);
    if (list.stopped) *ret_more = false;
    if (has_data) return FAULT_NONE;
    (void)co_fail(diag, CO_PROTOCOL, "it has no data");
    return FAULT_BAD_SHAPE;
}
