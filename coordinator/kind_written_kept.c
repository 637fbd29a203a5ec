/* kind_written_kept.c - answers that an earlier job paid for (cache.h).
 * One that is found is taken as a result: a record with it is committed before
 * it counts, so that the row is what the journal says, with the cache or
 * without. It costs nothing, and the row says so; it keeps the model and the
 * time that it came from. Every valid answer is offered to the cache when it is
 * committed, also one that came too late for its row, and in a replay. */
#include "coordinator/kind_written_core.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_BYTES = 128 * 1024,
    RESULT_BYTES = ASK_ANSWER_MAX + 2048, /* with all that stands beside it */
    HEAD_BYTES = 6, /* of the record: an array of so many, and its type */
};

/* -- the record ----------------------------------------------------------- */

/* All memory that the record takes, so that nothing that is put in can fail. */
static bool
begin(struct written *w)
{
    static const uint8_t head[HEAD_BYTES] = {0};

    if (w->kept_note) return true;
    co_buf_init(&w->kept, RECORD_BYTES);
    w->kept_note = calloc(1, sizeof *w->kept_note);
    if (!w->kept_note || !co_buf_reserve(&w->kept, RECORD_BYTES)) {
        kept_free(w);
        w->n.no_memory++;
        return false;
    }
    co_buf_append(&w->kept, head, sizeof head);
    w->n_kept = 0;
    return true;
}

void
kept_free(struct written *w)
{
    free(w->kept_note);
    w->kept_note = NULL;
    co_buf_fini(&w->kept);
}

bool
kept_is_full(const struct written *w)
{
    return w->kept_note && (w->n_kept == WRITTEN_NOTE_MAX ||
                            w->kept.len + RESULT_BYTES > RECORD_BYTES);
}

void
kept_close(struct written *w)
{
    const uint32_t n = w->n_kept + 1;
    const uint8_t head[HEAD_BYTES] = {
        0xdd,       (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
        (uint8_t)n, NOTE_KEPT};

    if (!w->kept_note) return;
    memcpy(w->kept.data, head, sizeof head);
    w->kept_note->type = NOTE_KEPT;
    w->kept_note->letter =
        (struct talk_bytes){w->kept.data, (uint32_t)w->kept.len};
    w->notes[w->n_notes++] = co_take(&w->kept_note);
    co_buf_init(&w->kept, RECORD_BYTES); /* the memory is the note's now */
}

/* -- found ---------------------------------------------------------------- */

/* An answer of that stage, paid by somebody else; ret points into found. What
 * kept_commit() would refuse must not get into the record. */
static bool
find(const struct written *w, uint64_t row, enum ask_stage stage,
     const uint8_t *input, uint32_t input_len, struct co_buf *found,
     struct ask_result *ret)
{
    co_buf_init(found, RESULT_BYTES);
    return w->options.kept(w->options.cache, row, stage, input, input_len,
                           found) &&
           ask_get_result(found->data, found->len, ret) &&
           ret->outcome == ASK_ANSWER && !ret->has_usage && ret->stage == stage;
}

bool
kept_is_whole(const struct written *w, uint64_t row)
{
    struct co_buf found[ASK_STAGES] = {{.data = NULL}};
    struct ask_result r = {.answer = NULL};
    bool whole = w->options.kept != NULL;

    for (unsigned s = 0; s < ASK_STAGES && whole; s++) {
        whole = find(w, row, (enum ask_stage)s, r.answer, r.answer_len,
                     &found[s], &r);
    }
    for (unsigned s = 0; s < ASK_STAGES; s++) {
        co_buf_fini(&found[s]);
    }
    return whole;
}

/* The answer as this job takes it. */
static bool
put_kept(struct written *w, uint64_t row, const struct talk *t,
         struct ask_result *r)
{
    co_auto(co_buf_fini) struct co_buf packed;
    msgpack_packer pk;

    co_buf_init(&packed, RESULT_BYTES - 8);
    r->row = row;
    r->ask = t->asks;
    ask_put_result(r, &packed);
    if (packed.err || !begin(w)) return false;
    msgpack_packer_init(&pk, &w->kept, co_buf_write);
    (void)msgpack_pack_bin(&pk, packed.len);
    (void)msgpack_pack_bin_body(&pk, packed.data, packed.len);
    co_assert(!w->kept.err);
    w->n_kept++;
    return true;
}

bool
kept_take(struct written *w, uint64_t row, struct talk *t, int64_t now_us)
{
    const struct row_before before = rows_before(t);
    co_auto(co_buf_fini) struct co_buf found = {.data = NULL};
    struct ask_task quotes = {0};
    struct ask_result r;

    if (!w->options.kept || t->mend) return false;
    talk_quotes(t, &quotes);
    if (!find(w, row, (enum ask_stage)t->stage, quotes.input, quotes.input_len,
              &found, &r) ||
        !put_kept(w, row, t, &r)) {
        return false;
    }
    if (t->state == TALK_IDLE) talk_begin(t);
    talk_keep(t);
    rows_changed(w, row, t, before, now_us);
    return true;
}

/* -- committed ------------------------------------------------------------ */

/* The talk as it was when the answer was taken. False: no memory. */
static bool
restore(struct written *w, const struct ask_result *r)
{
    struct row_before before;
    struct block *b;
    struct talk *t;

    if (!personas_may_publish(w->p, r->row / PERSONAS_CELL)) return true;
    b = rows_block(w, r->row / PERSONAS_CELL);
    if (!b) {
        w->n.no_memory++;
        return false;
    }
    t = &b->talks[r->row % PERSONAS_CELL];
    if (t->asks) (void)money_lost(w->m, written_task(r->row, t->asks - 1u));
    before = rows_before(t);
    talk_restore(t, r->ask, r->stage);
    rows_changed(w, r->row, t, before, 0);
    return true;
}

static void
commit(struct written *w, const struct ask_result *r, int64_t now_us)
{
    struct talk *t = rows_talk(w, r->row);
    struct row_before before;

    w->n.cached++;
    if (!t) return;
    before = rows_before(t);
    (void)talk_commit(t, &w->options.rules, r, 0, false, now_us);
    rows_changed(w, r->row, t, before, now_us);
}

bool
kept_commit(struct written *w, struct walk *in, uint32_t n, bool replay,
            int64_t now_us)
{
    for (uint32_t i = 0; i < n && !in->bad; i++) {
        struct ask_result r;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(in, &len);

        if (in->bad || !ask_get_result(data, len, &r) ||
            r.outcome != ASK_ANSWER || r.ask >= ASK_MAX || r.has_usage ||
            (replay && !restore(w, &r))) {
            return false;
        }
        commit(w, &r, now_us);
    }
    return walk_done(in);
}

/* -- offered -------------------------------------------------------------- */

void
kept_offer(struct written *w, const struct ask_result *r)
{
    const struct talk *t = rows_talk(w, r->row);
    co_auto(co_buf_fini) struct co_buf packed;
    struct ask_result copy = {.stage = r->stage,
                              .outcome = ASK_ANSWER,
                              .answer = r->answer,
                              .answer_len = r->answer_len,
                              .model = r->model,
                              .time = r->time};
    struct talk_bytes input = {0};

    co_buf_init(&packed, RESULT_BYTES);
    if (!w->options.keep || r->outcome != ASK_ANSWER) return;
    if (r->stage > 0) {
        if (t) input = t->answers[r->stage - 1];
        if (!input.data) return; /* what it answers is not known any more */
    }
    ask_put_result(&copy, &packed);
    if (packed.err) return;
    w->options.keep(w->options.cache, r->row, r->stage, input.data, input.len,
                    packed.data, (uint32_t)packed.len);
}
