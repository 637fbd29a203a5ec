/* kind_written_payload.c - what goes to the worker: a question, or a range
 * with the answers of its rows (docs/protocol.md).
 * A range's payload is that of the personas kind with one pair more, 5: an
 * array with an element for each candidate: nil, or an array of three bins:
 * both answers and what the row says of them; or of the last alone, where the
 * built-in writer is to write the row. */
#include "common/json.h"
#include "coordinator/kind_written_core.h"

#include <msgpack.h>
#include <stdio.h>
#include <time.h>

enum { KEY_ANSWERS = 5, PROVENANCE_MAX = 2048 };

/* 9999-12-31T23:59:59Z: what comes from elsewhere has to fit four digits. */
#define TIME_MAX UINT64_C(253402300799)

static void
put_bin(msgpack_packer *pk, const void *data, size_t len)
{
    (void)msgpack_pack_bin(pk, len);
    (void)msgpack_pack_bin_body(pk, data, len);
}

/* -- ranges --------------------------------------------------------------- */

static void
put_time(struct co_json *json, uint64_t seconds)
{
    const time_t when = (time_t)co_min_u64(seconds, TIME_MAX);
    struct tm tm;
    char text[32];

    (void)gmtime_r(&when, &tm);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    co_json_put_text(json, "generated_at", text);
}

/* Rows of jobs with one writer do not repeat what the job says. */
static void
put_server(const struct written *w, uint64_t row, const struct talk *t,
           struct co_json *json)
{
    const struct writers_arm *arm = writers_arm_of(w, row, NULL);

    if (!arm) return;
    co_json_put_text(json, "provider",
                     t->built ? "builtin" : w->writers[t->served].provider);
    if (arm->name[0]) co_json_put_text(json, "arm", arm->name);
    if (!t->degraded || w->options.table->fallback_ok) return;
    co_json_key(json, "degraded");
    co_json_bool(json, true);
    if (t->starved) co_json_put_text(json, "degraded_by", "budget");
}

/* The members of an object, without its braces. */
static void
put_provenance(const struct written *w, uint64_t row, const struct talk *t,
               msgpack_packer *pk, struct co_buf *scratch)
{
    char text[PRICE_TEXT_BYTES];
    struct co_json json;

    co_buf_clear(scratch);
    co_json_init(&json, scratch);
    co_json_object(&json);
    if (!t->built) {
        co_json_key(&json, "model");
        co_json_bytes(&json, t->model.data, t->model.len);
    }
    put_server(w, row, t, &json);
    co_json_put_u64(&json, "input_tokens", t->input);
    co_json_put_u64(&json, "output_tokens", t->output);
    co_json_key(&json, "cost_usd");
    if (!w->priced) {
        co_json_null(&json);
    } else {
        co_json_text(&json, price_text(t->cost, text));
    }
    if (!t->built) put_time(&json, t->time);
    co_json_end(&json);
    if (co_json_finish(&json)) return;
    put_bin(pk, scratch->data + 1, scratch->len - 2);
}

static void
put_row(const struct written *w, uint64_t row, msgpack_packer *pk,
        struct co_buf *scratch)
{
    const struct talk *t = rows_talk(w, row);

    if (!t || t->state != TALK_DONE) {
        (void)msgpack_pack_nil(pk);
        return;
    }
    (void)msgpack_pack_array(pk, t->built ? 1 : ASK_STAGES + 1);
    for (unsigned s = 0; s < ASK_STAGES && !t->built; s++) {
        put_bin(pk, t->answers[s].data, t->answers[s].len);
    }
    put_provenance(w, row, t, pk, scratch);
}

/* An earlier life gave the range out, and since then a row of it was asked
 * again: it is held until that row is answered. */
static bool
is_early(struct written *w, uint64_t task)
{
    struct hold *h = rows_hold_task(w, task);

    if (!h || !h->live || w->final) return false;
    rows_take_back(w, h);
    return true;
}

static bool
range_payload(struct written *w, uint64_t task, struct co_buf *body)
{
    const size_t at = body->len;
    struct co_buf scratch;
    msgpack_packer pk;
    uint64_t start;
    uint32_t count;

    if (!personas_range(w->p, task, &start, &count) || is_early(w, task) ||
        !personas_kind.payload(w->p, task, body)) {
        return false;
    }
    if (body->err) return true; /* the caller looks */
    co_buf_init(&scratch, PROVENANCE_MAX);
    body->data[at]++; /* one pair more in the map, of at most 15 */
    msgpack_packer_init(&pk, body, co_buf_write);
    (void)msgpack_pack_uint64(&pk, KEY_ANSWERS);
    (void)msgpack_pack_array(&pk, count);
    for (uint32_t i = 0; i < count; i++) {
        put_row(w, start + i, &pk, &scratch);
    }
    if (scratch.err && !body->err) body->err = scratch.err;
    co_buf_fini(&scratch);
    return true;
}

/* -- asks ----------------------------------------------------------------- */

/* The worker had not sent it, or it was not published yet: it is not needed,
 * or would cost more than was reserved for it. */
bool
payload_ask(struct written *w, uint64_t task, struct co_buf *body)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);
    struct ask_task ask = {.row = row, .ask = written_ask(task)};
    int64_t reserved = 0, worst = 0;

    if (!t || t->state != TALK_OUT || !talk_is_present(t, ask.ask)) {
        return false;
    }
    if (w->over || writers_is_away(w, row, t, task) ||
        !money_has(w->m, task, &reserved) ||
        !ask_bound(w, t, &ask.input_max, &worst) || worst > reserved) {
        rows_unsent(w, row, t);
        return false;
    }
    t->due_us = w->now_us;
    talk_quotes(t, &ask);
    ask.output_max = w->writers[t->writer].stages[t->stage].output_max;
    ask.writer = t->writer;
    ask.total_ms = w->writers[t->writer].call_ms;
    ask_put_task(&ask, body);
    return true;
}

bool
written_payload(void *kind, uint64_t task, struct co_buf *body)
{
    struct written *w = kind;

    if (batchbook_is_op(task)) return batch_payload(w, task, body);
    return written_is_ask(task) ? payload_ask(w, task, body)
                                : range_payload(w, task, body);
}
