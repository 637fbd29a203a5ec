/* kind_written_letter.c - letters about rows that were given up, for
 * dead.jsonl: the same members as engine_case.c writes, with the last answer.
 * They are journaled as records of the kind: a row that dies of lost calls does
 * so in memory, and its letter has a time, so that a replay could not write
 * the same one again. */
#include "common/json.h"
#include "common/utf8.h"
#include "coordinator/kind_written_core.h"

#include <stdlib.h>
#include <string.h>

enum {
    LETTER_VERSION = 1,
    LETTER_BYTES_MAX = 8000,  /* a line of the file has 8192 */
    LETTER_ANSWER_MAX = 1024, /* each byte may be six in JSON */
};

static void
put_text(struct co_json *json, const char *key, const struct talk_bytes *text,
         size_t max)
{
    co_json_key(json, key);
    if (text->data) {
        co_json_bytes(json, text->data,
                      co_utf8_cut(text->data, text->len, max));
    } else {
        co_json_text(json, "");
    }
}

static void
put_hex(struct co_json *json, const char *key, uint64_t value)
{
    co_json_key(json, key);
    co_json_hex64(json, value);
}

static enum co_err
put_letter(const struct written *w, uint64_t row, const struct talk *t,
           int64_t now_us, struct co_buf *out)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_u64(&json, "letter", LETTER_VERSION);
    put_hex(&json, "job", w->options.job);
    put_hex(&json, "task", written_task(row, t->asks ? t->asks - 1u : 0));
    co_json_put_u64(&json, "row", row);
    co_json_key(&json, "dead_ms");
    co_json_i64(&json, w->options.wall_ms + now_us / 1000);
    co_json_put_text(&json, "reason", talk_end_text((enum talk_end)t->end));
    put_text(&json, "error", &t->error, ASK_ERROR_MAX);
    co_json_put_u64(&json, "assigned", t->asks);
    co_json_put_u64(&json, "failed", t->refused);
    co_json_put_u64(&json, "returned", 0);
    co_json_put_u64(&json, "lost", t->lost);
    co_json_key(&json, "events");
    co_json_array(&json);
    co_json_end(&json);
    co_json_put_text(&json, "service", w->options.service);
    put_hex(&json, "recipe", w->options.recipe);
    co_json_key(&json, "input");
    co_json_null(&json);
    co_json_put_u64(&json, "stage", t->stage);
    put_text(&json, "answer", &t->wrong, LETTER_ANSWER_MAX);
    co_json_end(&json);
    return co_json_finish(&json);
}

void
letter_write(struct written *w, uint64_t row, struct talk *t, int64_t now_us)
{
    struct co_buf out;

    if (!w->options.dead || !w->running || t->told) return;
    t->told = true;
    co_buf_init(&out, LETTER_BYTES_MAX);
    if (w->n_letters == WRITTEN_LETTERS_MAX ||
        put_letter(w, row, t, now_us, &out) != CO_OK) {
        w->n.untold++;
        co_buf_fini(&out);
        return;
    }
    w->letters[(w->letters_head + w->n_letters++) % WRITTEN_LETTERS_MAX] =
        (struct letter){row, {out.data, (uint32_t)out.len}};
}

bool
letter_get(struct written *w, struct letter *ret_letter)
{
    if (!w->n_letters) return false;
    *ret_letter = w->letters[w->letters_head];
    w->letters_head = (w->letters_head + 1) % WRITTEN_LETTERS_MAX;
    w->n_letters--;
    return true;
}

void
letter_tell(struct written *w, const uint8_t *letter, size_t len)
{
    if (w->options.dead) w->options.dead(w->options.dead_self, letter, len);
}

void
letter_free(struct written *w)
{
    struct letter letter;

    while (letter_get(w, &letter)) {
        free(letter.text.data);
    }
}
