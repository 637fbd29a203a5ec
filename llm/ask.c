/* ask.c - see ask.h. */
#include "llm/ask.h"

#include "common/utf8.h"
#include "llm/payload.h"

#include <string.h>

enum task_key {
    TASK_ROW = 1,
    TASK_ASK = 5,
    TASK_STAGE,
    TASK_INPUT,
    TASK_WRONG,
    TASK_ERROR,
    TASK_INPUT_MAX,
    TASK_OUTPUT_MAX,
    TASK_WRITER = 16,
    TASK_TOTAL_MS,
};

enum result_key {
    RESULT_ROW = 1,
    RESULT_ASK = 5,
    RESULT_STAGE,
    RESULT_OUTCOME,
    RESULT_ANSWER,
    RESULT_ERROR,
    RESULT_MODEL,
    RESULT_USAGE,
    RESULT_INPUT,
    RESULT_CACHED,
    RESULT_OUTPUT,
    RESULT_ENDPOINT,
    RESULT_FIRST_BYTE_US,
    RESULT_TOTAL_US,
    RESULT_TIME,
    RESULT_FAULT,
    RESULT_STATUS,
    RESULT_CHARACTERS,
    RESULT_HELD_MS,
    RESULT_UNRECORDED = 23,
};

/* Of which a payload is not one without: a bit each. */
#define BIT(key) (UINT32_C(1) << (key))
static const uint32_t task_required = BIT(TASK_ROW) | BIT(TASK_ASK) |
                                      BIT(TASK_STAGE) | BIT(TASK_INPUT_MAX) |
                                      BIT(TASK_OUTPUT_MAX);
static const uint32_t result_required =
    BIT(RESULT_ROW) | BIT(RESULT_ASK) | BIT(RESULT_STAGE) | BIT(RESULT_OUTCOME);

/* ---- writing ---- */

static void
put_bin(msgpack_packer *pk, unsigned key, const uint8_t *data, uint32_t len)
{
    (void)msgpack_pack_uint64(pk, key);
    (void)msgpack_pack_bin(pk, len);
    (void)msgpack_pack_bin_body(pk, data, len);
}

void
ask_put_task(const struct ask_task *t, struct co_buf *buf)
{
    const bool mends = t->wrong != NULL;
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, 5u + (t->input ? 1u : 0u) + (mends ? 2u : 0u) +
                                    (t->writer ? 1u : 0u) +
                                    (t->total_ms ? 1u : 0u));
    payload_put_u64(&pk, TASK_ROW, t->row);
    payload_put_u64(&pk, TASK_ASK, t->ask);
    payload_put_u64(&pk, TASK_STAGE, t->stage);
    if (t->input) put_bin(&pk, TASK_INPUT, t->input, t->input_len);
    if (mends) {
        put_bin(&pk, TASK_WRONG, t->wrong,
                (uint32_t)co_utf8_cut(t->wrong, t->wrong_len, ASK_WRONG_MAX));
        payload_put_str(&pk, TASK_ERROR,
                        (struct ask_text){t->error, t->error_len},
                        ASK_ERROR_MAX);
    }
    payload_put_u64(&pk, TASK_INPUT_MAX, t->input_max);
    payload_put_u64(&pk, TASK_OUTPUT_MAX, t->output_max);
    if (t->writer) payload_put_u64(&pk, TASK_WRITER, t->writer);
    if (t->total_ms) payload_put_u64(&pk, TASK_TOTAL_MS, t->total_ms);
}

static void
put_text(msgpack_packer *pk, unsigned key, struct ask_text text, uint32_t max)
{
    if (text.len) payload_put_str(pk, key, text, max);
}

static void
put_number(msgpack_packer *pk, unsigned key, uint64_t value)
{
    if (value) payload_put_u64(pk, key, value);
}

static uint32_t
result_members(const struct ask_result *r)
{
    const bool there[] = {
        r->answer != NULL,   r->error.len > 0, r->model.len > 0,
        r->endpoint.len > 0, r->fault.len > 0, r->first_byte_us > 0,
        r->total_us > 0,     r->time > 0,      r->status > 0,
        r->has_characters,   r->has_held_ms,   r->unrecorded > 0,
    };
    uint32_t n = r->has_usage ? 8 : 4;

    for (size_t i = 0; i < co_countof(there); i++) {
        n += there[i] ? 1 : 0;
    }
    return n;
}

static uint32_t
answer_max(enum ask_outcome outcome)
{
    return outcome == ASK_ANSWER ? ASK_ANSWER_MAX : ASK_WRONG_MAX;
}

void
ask_put_result(const struct ask_result *r, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, result_members(r));
    payload_put_u64(&pk, RESULT_ROW, r->row);
    payload_put_u64(&pk, RESULT_ASK, r->ask);
    payload_put_u64(&pk, RESULT_STAGE, r->stage);
    payload_put_u64(&pk, RESULT_OUTCOME, r->outcome);
    if (r->answer) {
        put_bin(&pk, RESULT_ANSWER, r->answer,
                (uint32_t)co_utf8_cut(r->answer, r->answer_len,
                                      answer_max(r->outcome)));
    }
    put_text(&pk, RESULT_ERROR, r->error, ASK_ERROR_MAX);
    put_text(&pk, RESULT_MODEL, r->model, ASK_TEXT_MAX);
    if (r->has_usage) {
        payload_put_u64(&pk, RESULT_USAGE, 1);
        payload_put_u64(&pk, RESULT_INPUT, r->input);
        payload_put_u64(&pk, RESULT_CACHED, r->cached);
        payload_put_u64(&pk, RESULT_OUTPUT, r->output);
    }
    put_text(&pk, RESULT_ENDPOINT, r->endpoint, ASK_TEXT_MAX);
    put_number(&pk, RESULT_FIRST_BYTE_US, r->first_byte_us);
    put_number(&pk, RESULT_TOTAL_US, r->total_us);
    put_number(&pk, RESULT_TIME, r->time);
    put_text(&pk, RESULT_FAULT, r->fault, ASK_TEXT_MAX);
    put_number(&pk, RESULT_STATUS, r->status);
    if (r->has_characters) {
        payload_put_u64(&pk, RESULT_CHARACTERS, r->characters);
    }
    if (r->has_held_ms) payload_put_u64(&pk, RESULT_HELD_MS, r->held_ms);
    put_number(&pk, RESULT_UNRECORDED, r->unrecorded);
}

/* ---- reading ---- */

static void
get_task_member(struct walk *w, uint64_t key, struct ask_task *t)
{
    struct ask_text error;

    switch (key) {
    case TASK_ROW:
        t->row = walk_u64(w);
        break;
    case TASK_ASK:
        t->ask = walk_below(w, ASK_MAX);
        break;
    case TASK_STAGE:
        t->stage = (enum ask_stage)walk_below(w, ASK_STAGES);
        break;
    case TASK_INPUT:
        t->input = payload_bin(w, ASK_ANSWER_MAX, &t->input_len);
        break;
    case TASK_WRONG:
        t->wrong = payload_bin(w, ASK_WRONG_MAX, &t->wrong_len);
        break;
    case TASK_ERROR:
        error = payload_str(w, ASK_ERROR_MAX);
        t->error = error.text;
        t->error_len = error.len;
        break;
    case TASK_INPUT_MAX:
        t->input_max = walk_u64(w);
        break;
    case TASK_OUTPUT_MAX:
        t->output_max = walk_u32(w);
        break;
    case TASK_WRITER:
        t->writer = walk_below(w, ASK_WRITERS_MAX);
        break;
    case TASK_TOTAL_MS:
        t->total_ms = walk_u64(w);
        break;
    default:
        walk_skip(w);
        break;
    }
}

bool
ask_get_task(const uint8_t *data, size_t len, struct ask_task *ret)
{
    struct walk w = walk_start(data, len);
    uint32_t n = walk_map(&w), seen = 0;

    *ret = (struct ask_task){0};
    for (uint32_t i = 0; i < n && !w.bad; i++) {
        uint64_t key = walk_u64(&w);

        if (key < 32) seen |= BIT(key);
        get_task_member(&w, key, ret);
    }
    return walk_done(&w) && (seen & task_required) == task_required;
}

static void
get_result_text(struct walk *w, uint64_t key, struct ask_result *r)
{
    switch (key) {
    case RESULT_ERROR:
        r->error = payload_str(w, ASK_ERROR_MAX);
        break;
    case RESULT_MODEL:
        r->model = payload_str(w, ASK_TEXT_MAX);
        break;
    case RESULT_ENDPOINT:
        r->endpoint = payload_str(w, ASK_TEXT_MAX);
        break;
    case RESULT_FAULT:
        r->fault = payload_str(w, ASK_TEXT_MAX);
        break;
    default:
        walk_skip(w);
        break;
    }
}

static uint64_t *
result_number(struct ask_result *r, uint64_t key)
{
    switch (key) {
    case RESULT_ROW:
        return &r->row;
    case RESULT_INPUT:
        return &r->input;
    case RESULT_CACHED:
        return &r->cached;
    case RESULT_OUTPUT:
        return &r->output;
    case RESULT_FIRST_BYTE_US:
        return &r->first_byte_us;
    case RESULT_TOTAL_US:
        return &r->total_us;
    case RESULT_TIME:
        return &r->time;
    case RESULT_CHARACTERS:
        r->has_characters = true;
        return &r->characters;
    case RESULT_HELD_MS:
        r->has_held_ms = true;
        return &r->held_ms;
    case RESULT_UNRECORDED:
        return &r->unrecorded;
    default:
        return NULL;
    }
}

static void
get_result_member(struct walk *w, uint64_t key, struct ask_result *r)
{
    uint64_t *number = result_number(r, key);

    if (number) {
        *number = walk_u64(w);
        return;
    }
    switch (key) {
    case RESULT_ASK:
        r->ask = walk_below(w, ASK_MAX);
        break;
    case RESULT_STAGE:
        r->stage = (enum ask_stage)walk_below(w, ASK_STAGES);
        break;
    case RESULT_OUTCOME:
        r->outcome = (enum ask_outcome)walk_below(w, ASK_OUTCOMES);
        break;
    case RESULT_ANSWER:
        r->answer = payload_bin(w, ASK_WRONG_MAX, &r->answer_len);
        break;
    case RESULT_USAGE:
        r->has_usage = walk_u32(w) == 1;
        break;
    case RESULT_STATUS:
        r->status = walk_u32(w);
        break;
    default:
        get_result_text(w, key, r);
        break;
    }
}

/* What the outcome says has to be there, and nothing that cannot be. */
static bool
result_holds(const struct ask_result *r)
{
    if (r->outcome == ASK_ANSWER && !r->answer_len) return false;
    if (r->answer_len > answer_max(r->outcome)) return false;
    return !r->has_usage || r->cached <= r->input;
}

bool
ask_get_result(const uint8_t *data, size_t len, struct ask_result *ret)
{
    struct walk w = walk_start(data, len);
    uint32_t n = walk_map(&w), seen = 0;

    *ret = (struct ask_result){0};
    for (uint32_t i = 0; i < n && !w.bad; i++) {
        uint64_t key = walk_u64(&w);

        if (key < 32) seen |= BIT(key);
        get_result_member(&w, key, ret);
    }
    return walk_done(&w) && (seen & result_required) == result_required &&
           result_holds(ret);
}

bool
ask_is_task(const uint8_t *data, size_t len)
{
    struct walk w = walk_start(data, len);
    uint32_t n = walk_map(&w);

    for (uint32_t i = 0; i < n && !w.bad; i++) {
        if (walk_u64(&w) == TASK_STAGE) return true;
        walk_skip(&w);
    }
    return false;
}

/* ---- names ---- */

const char *
ask_outcome_name(enum ask_outcome outcome)
{
    static const char *const names[ASK_OUTCOMES] = {
#define X(name, paid, text) #name,
        ASK_OUTCOME_LIST(X)
#undef X
    };

    return (unsigned)outcome < ASK_OUTCOMES ? names[outcome] : "?";
}
