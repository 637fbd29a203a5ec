/* kind_written_rows.c - rows and ranges in memory, and who waits for what. */
#include "coordinator/kind_written_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOPELESS_ERROR = 120 }; /* bytes of what was wrong that are told */

/* -- talks ---------------------------------------------------------------- */

/* Where the cell's block is, or belongs. */
static uint32_t
block_at(const struct written *w, uint64_t cell)
{
    uint32_t low = 0, high = w->n_blocks;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (w->blocks[middle]->cell < cell) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct talk *
rows_talk(const struct written *w, uint64_t row)
{
    const uint64_t cell = row / PERSONAS_CELL;
    const uint32_t at = block_at(w, cell);

    if (at == w->n_blocks || w->blocks[at]->cell != cell) return NULL;
    return &w->blocks[at]->talks[row % PERSONAS_CELL];
}

struct block *
rows_block(struct written *w, uint64_t cell)
{
    uint32_t at = block_at(w, cell);
    struct block *b;

    if (at < w->n_blocks && w->blocks[at]->cell == cell) return w->blocks[at];
    if (w->bytes > w->options.answers_max / 2) rows_sweep(w);
    at = block_at(w, cell);
    if (w->n_blocks == w->cap_blocks) {
        const uint32_t cap = w->cap_blocks ? 2 * w->cap_blocks : 16;
        struct block **grown = realloc(w->blocks, cap * sizeof(struct block *));

        if (!grown) return NULL;
        w->blocks = grown;
        w->cap_blocks = cap;
    }
    b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->cell = cell;
    memmove(w->blocks + at + 1, w->blocks + at,
            (w->n_blocks - at) * sizeof(struct block *));
    w->blocks[at] = b;
    w->n_blocks++;
    return b;
}

/* Its intent is made or being made, and it was not given out. */
static bool
is_ahead(uint8_t state)
{
    return state == TALK_INTENT || state == TALK_READY;
}

static void
block_free(struct written *w, struct block *b)
{
    for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
        w->bytes -= talk_bytes(&b->talks[i]);
        w->ahead -= is_ahead(b->talks[i].state);
        talk_fini(&b->talks[i]);
    }
    free(b);
}

void
rows_sweep(struct written *w)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < w->n_blocks; i++) {
        if (personas_may_publish(w->p, w->blocks[i]->cell)) {
            w->blocks[kept++] = w->blocks[i];
        } else {
            block_free(w, w->blocks[i]);
        }
    }
    w->n_blocks = kept;
}

void
rows_free(struct written *w)
{
    for (uint32_t i = 0; i < w->n_blocks; i++) {
        block_free(w, w->blocks[i]);
    }
    free(w->blocks);
    free(w->holds);
    free(w->wanted.v);
    free(w->going.v);
    free(w->ready.v);
    free(w->releases.v);
    free(w->withdrawn.v);
    free(w->recalls.v);
    free(w->waits.v);
}

/* -- ranges --------------------------------------------------------------- */

/* The first hold that ends behind the row. */
static uint32_t
hold_at(const struct written *w, uint64_t row)
{
    uint32_t low = 0, high = w->n_holds;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (w->holds[middle].start + w->holds[middle].count <= row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct hold *
rows_hold(const struct written *w, uint64_t row)
{
    const uint32_t at = hold_at(w, row);

    return at < w->n_holds && w->holds[at].start <= row ? &w->holds[at] : NULL;
}

struct hold *
rows_hold_task(const struct written *w, uint64_t task)
{
    struct hold *h = rows_hold(w, task >> 8);

    return h && h->task == task ? h : NULL;
}

static bool
is_early(uint8_t state, uint8_t stage)
{
    return state != TALK_IDLE && state < TALK_DONE && stage + 1 < ASK_STAGES;
}

void
rows_wait(struct written *w, uint64_t row, int64_t due_us)
{
    if (waits_put(&w->waits, due_us, row)) return;
    w->n.no_memory++;
    w->rescan = true;
}

static void
line_up(struct written *w, uint64_t row, const struct talk *t, int64_t now_us)
{
    if (t->state == TALK_WANTED && t->due_us > now_us) {
        rows_wait(w, row, t->due_us);
    } else if ((t->state == TALK_READY &&
                !fifo_put(t->asks > 1 ? &w->going : &w->ready, row)) ||
               (t->state == TALK_WANTED && !fifo_put(&w->wanted, row))) {
        w->n.no_memory++;
        w->rescan = true;
    }
}

/* Counts the rows of a hold that are begun (sign 1), or takes them out. */
static void
hold_count(struct written *w, struct hold *h, bool in)
{
    for (uint32_t i = 0; i < h->count; i++) {
        const struct talk *t = rows_talk(w, h->start + i);

        if (!t || t->state == TALK_IDLE) continue;
        if (is_early(t->state, t->stage)) {
            w->early += in ? 1u : -1ull;
            w->early_by[t->writer] += in ? 1u : -1ull;
        }
        if (!in) continue;
        h->live = (uint16_t)(h->live + talk_is_live(t));
        h->done = (uint16_t)(h->done + (t->state == TALK_DONE));
        line_up(w, h->start + i, t, INT64_MAX);
    }
    w->coming +=
        in ? (uint64_t)h->live + h->done : -((uint64_t)h->live + h->done);
}

bool
rows_hold_room(struct written *w)
{
    const uint32_t cap = w->cap_holds ? 2 * w->cap_holds : 16;
    struct hold *grown;

    if (w->n_holds + 2 <= w->cap_holds) return true;
    grown = realloc(w->holds, cap * sizeof *grown);
    if (!grown) {
        w->n.no_memory++;
        return false;
    }
    w->holds = grown;
    w->cap_holds = cap;
    return true;
}

void
rows_hold_add(struct written *w, uint64_t task, bool out)
{
    struct hold h = {.task = task, .out = out};
    uint32_t count = 0, at;
    const bool there = personas_range(w->p, task, &h.start, &count);

    co_assert(there && w->n_holds < w->cap_holds);
    h.count = (uint16_t)count;
    hold_count(w, &h, true);
    at = hold_at(w, h.start);
    memmove(w->holds + at + 1, w->holds + at,
            (w->n_holds - at) * sizeof *w->holds);
    w->holds[at] = h;
    w->n_holds++;
}

void
rows_hold_remove(struct written *w, struct hold *h)
{
    const uint32_t at = (uint32_t)(h - w->holds);

    hold_count(w, h, false);
    w->n_holds--;
    memmove(w->holds + at, w->holds + at + 1,
            (w->n_holds - at) * sizeof *w->holds);
}

void
rows_take_back(struct written *w, struct hold *h)
{
    h->out = false;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct talk *t = rows_talk(w, h->start + i);

        if (t) line_up(w, h->start + i, t, INT64_MAX);
    }
}

bool
rows_accepts(const struct written *w, uint64_t row)
{
    return !w->options.accepts ||
           w->options.accepts(w->options.accepts_self, row);
}

bool
rows_next(struct written *w, struct hold *h, uint64_t *ret_row)
{
    for (; h->next < h->count; h->next++) {
        const uint64_t row = h->start + h->next;
        const struct talk *t = rows_talk(w, row);

        if (t && t->state != TALK_IDLE) continue;
        if (!rows_accepts(w, row)) continue;
        *ret_row = row;
        return true;
    }
    return false;
}

/* -- changes -------------------------------------------------------------- */

struct row_before
rows_before(const struct talk *t)
{
    return (struct row_before){talk_bytes(t), t->state, t->stage, t->writer};
}

/* A model that cannot do what is asked of it, or a prompt that nobody could
 * answer, would go through the whole budget: each row that is given up is
 * replaced by another. */
static void
count_hopeless(struct written *w, const struct talk *t)
{
    const uint64_t part = w->coming / WRITTEN_HOPELESS_PART;

    if (t->state == TALK_DONE) w->hopeless = 0;
    if (t->state != TALK_DEAD || !w->running || w->over) return;
    if (++w->hopeless < WRITTEN_HOPELESS_STREAK || w->hopeless < part) return;
    w->over = WRITTEN_HOPELESS;
    (void)snprintf(w->hopeless_why, sizeof w->hopeless_why,
                   "%" PRIu32 " rows, one after another, were given up (the "
                   "last: %.*s): mend the prompts, the model or "
                   "answers.max_tokens; the same command goes on",
                   w->hopeless, (int)co_min_u64(t->error.len, HOPELESS_ERROR),
                   t->error.data ? (const char *)t->error.data
                                 : talk_end_text((enum talk_end)t->end));
}

/* Texts of an answer, which is canonical JSON: what stands between spaces in
 * strings that are no names of members. */
static uint64_t
count_words(const uint8_t *json, size_t len)
{
    uint64_t words = 0, here = 0;
    bool inside = false, space = true;

    for (size_t i = 0; i < len; i++) {
        if (!inside) {
            inside = json[i] == '"';
            here = 0;
            space = true;
        } else if (json[i] == '"') {
            inside = false;
            if (i + 1 == len || json[i + 1] != ':') words += here;
        } else {
            here += space && json[i] != ' ';
            space = json[i] == ' ';
            if (json[i] == '\\') i++;
        }
    }
    return words;
}

static void
count_ends(struct written *w, uint64_t row, const struct talk *t,
           struct row_before before)
{
    if (before.state == t->state) return;
    w->n.rows_begun += before.state == TALK_IDLE;
    w->n.rows_done += t->state == TALK_DONE;
    w->n.rows_dead += t->state == TALK_DEAD;
    for (unsigned s = 0; t->state == TALK_DONE && s < ASK_STAGES; s++) {
        w->n.words += count_words(t->answers[s].data, t->answers[s].len);
    }
    arms_end(w, row, t);
    count_hopeless(w, t);
}

/* What is set aside for later stages changes. When it becomes less there may be
 * room for another row, also when no call was paid or released for that: an
 * answer came from the cache. */
static void
count_early(struct written *w, const struct talk *t, struct row_before before)
{
    const bool was = is_early(before.state, before.stage);
    const bool is = is_early(t->state, t->stage);

    w->early += (uint64_t)is - (uint64_t)was;
    w->early_by[before.writer] -= was;
    w->early_by[t->writer] += is;
    if (was && !is) w->short_at = 0;
}

void
rows_changed(struct written *w, uint64_t row, struct talk *t,
             struct row_before before, int64_t now_us)
{
    const bool was_live = before.state && before.state < TALK_DONE;
    const bool was_done = before.state == TALK_DONE;
    const bool live = talk_is_live(t), done = t->state == TALK_DONE;
    struct hold *h = rows_hold(w, row);

    w->bytes += talk_bytes(t) - before.bytes;
    w->ahead += is_ahead(t->state);
    w->ahead -= is_ahead(before.state);
    count_ends(w, row, t, before);
    if (h) {
        h->live = (uint16_t)(h->live + live - was_live);
        h->done = (uint16_t)(h->done + done - was_done);
        w->coming +=
            (uint64_t)(live || done) - (uint64_t)(was_live || was_done);
        count_early(w, t, before);
    }
    if (t->state == before.state && t->stage == before.stage) return;
    line_up(w, row, t, now_us);
    if (t->state == TALK_DEAD) letter_write(w, row, t, now_us);
}

static void
line_up_all(struct written *w, int64_t now_us)
{
    w->rescan = false;
    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            line_up(w, w->blocks[b]->cell * PERSONAS_CELL + i,
                    &w->blocks[b]->talks[i], now_us);
        }
    }
}

void
rows_due(struct written *w, int64_t now_us)
{
    if (w->rescan) line_up_all(w, now_us);
    while (w->waits.n && w->waits.v[0].due_us <= now_us) {
        if (!fifo_put(&w->wanted, w->waits.v[0].row)) {
            w->n.no_memory++;
            return;
        }
        (void)waits_get(&w->waits);
    }
}

void
rows_withdraw(struct written *w, uint64_t row, struct talk *t)
{
    const struct row_before before = rows_before(t);
    uint64_t task;

    if (t->state < TALK_INTENT || t->state > TALK_OPEN) return;
    task = written_task(row, t->asks - 1u);
    w->n.withdrawn++;
    if (t->state == TALK_OUT && !fifo_put(&w->withdrawn, task)) {
        w->n.no_memory++; /* it will be answered, and paid */
    }
    if (t->state == TALK_OUT || t->state == TALK_OPEN ||
        (t->state == TALK_READY && !fifo_put(&w->releases, task))) {
        (void)money_lost(w->m, task);
    } /* INTENT: its money is freed once the intent is committed */
    talk_withdraw(t);
    rows_changed(w, row, t, before, 0);
}

void
rows_unsent(struct written *w, uint64_t row, struct talk *t)
{
    const struct row_before before = rows_before(t);
    const uint64_t task = written_task(row, t->asks - 1u);

    w->n.withdrawn++;
    if (!fifo_put(&w->releases, task)) {
        w->n.no_memory++;
        (void)money_lost(w->m, task);
    }
    talk_withdraw(t);
    rows_changed(w, row, t, before, 0);
}

void
rows_withdraw_range(struct written *w, uint64_t start, uint32_t count)
{
    for (uint64_t row = start; row < start + count; row++) {
        struct talk *t = rows_talk(w, row);

        if (t) rows_withdraw(w, row, t);
    }
}

/* An intent whose row had gone on when it was made: nobody waits for it. */
static void
give_up_stray(struct written *w)
{
    uint32_t cursor = 0;
    uint64_t task;
    int64_t amount;

    while (money_next(w->m, false, &cursor, &task, &amount)) {
        const struct talk *t = rows_talk(w, task >> 8);

        if (t && talk_is_present(t, written_ask(task)) &&
            t->state >= TALK_INTENT && t->state <= TALK_TAKEN) {
            continue;
        }
        (void)money_lost(w->m, task);
    }
}

void
rows_give_up_open(struct written *w, int64_t now_us)
{
    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            const uint64_t row = w->blocks[b]->cell * PERSONAS_CELL + i;
            struct talk *t = &w->blocks[b]->talks[i];
            const struct row_before before = rows_before(t);

            if (t->state != TALK_OPEN) continue;
            (void)money_lost(w->m, written_task(row, t->asks - 1u));
            w->n.lost++;
            talk_lost(t, row, now_us);
            rows_changed(w, row, t, before, now_us);
        }
    }
    give_up_stray(w);
    money_forget(w->m);
}
