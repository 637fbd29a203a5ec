/* kind_written_writers.c - which writer a row is asked of.
 * A row is of one arm for good; its ask goes to the first of the arm's writers
 * whose provider is not away (chain.h). A stage that was begun stays with its
 * writer as long as that can be asked: another one would begin the conversation
 * anew. Who was asked stands in the intent, and so in the journal; whether a
 * provider is away does not, and is found out anew in another life. */
#include "common/bug.h"
#include "coordinator/kind_written_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTICE_BYTES = 256,
    SERVED_US = 10 * 1000 * 1000, /* brokers do not all look at once */
};

/* -- start ---------------------------------------------------------------- */

static uint8_t
first_of(const struct written *w, uint32_t writer)
{
    for (uint32_t i = 0; i < writer; i++) {
        if (strcmp(w->writers[i].provider, w->writers[writer].provider) == 0) {
            return (uint8_t)i;
        }
    }
    return (uint8_t)writer;
}

static bool
is_priced(const struct written_writer *by)
{
    return by->price.input >= 0 && by->price.output >= 0;
}

static enum co_err
take_writer(struct written *w, uint32_t i)
{
    struct written_writer *by = &w->writers[i];
    const struct written_options *o = &w->options;
    const bool capped = o->cap || (o->purse && o->purse->capped);

    *by = o->writers[i];
    if (!is_priced(by)) by->price.input = by->price.output = -1;
    w->priced &= is_priced(by);
    w->chain_of[i] = first_of(w, i);
    for (unsigned s = 0; s < ASK_STAGES; s++) {
        if (!by->stages[s].output_max) return CO_INVALID;
    }
    return capped && !is_priced(by) ? CO_INVALID : CO_OK;
}

static bool
has_fallback(const struct writers_arm *arm)
{
    return arm->n > 1 || arm->builtin;
}

enum co_err
writers_start(struct written *w)
{
    const struct written_options *o = &w->options;
    const struct writers *table = o->table;

    w->n_writers = 1;
    w->away_us = INT64_MAX;
    w->writers[0] = (struct written_writer){
        .provider = "", .price = o->price, .call_ms = o->call_ms};
    memcpy(w->writers[0].stages, o->stages, sizeof o->stages);
    w->priced = is_priced(&w->writers[0]);
    if (!table) return CO_OK;
    w->n_writers = table->n;
    w->arm_seed = writers_seed(table, o->recipe);
    for (uint32_t i = 0; i < table->n; i++) {
        enum co_err err = take_writer(w, i);

        if (err) return err;
    }
    for (uint32_t i = 0; i < table->n_arms; i++) {
        w->chained |= has_fallback(&table->arms[i]);
    }
    w->options.writers = NULL; /* borrowed until here */
    return CO_OK;
}

const struct writers_arm *
writers_arm_of(const struct written *w, uint64_t row, uint32_t *ret_arm)
{
    uint32_t arm;

    if (!w->options.table) return NULL;
    arm = writers_arm(w->options.table, w->arm_seed, row);
    if (ret_arm) *ret_arm = arm;
    return &w->options.table->arms[arm];
}

/* -- the choice ----------------------------------------------------------- */

static struct chain *
chain_at(struct written *w, uint8_t writer)
{
    return &w->chains[w->chain_of[writer]];
}

static bool
may_ask(const struct written *w, uint8_t writer, int64_t now_us)
{
    return chain_may_ask(&w->chains[w->chain_of[writer]], now_us);
}

/* A stage that was begun stays with its writer; where the money decides who
 * writes, all of the row does: what was set aside for it is that one's price.
 */
static bool
stays(const struct written *w, const struct talk *t)
{
    return t->sticks || (w->options.degrades && t->stage > ASK_BACKGROUND);
}

/* Nobody of the arm can be asked: one is waited for, if money would cover it.
 * Where it covers none, whoever would be asked finds the job short of it. */
static uint8_t
nobody(struct written *w, const struct writers_arm *arm, const struct talk *t,
       int64_t now_us)
{
    uint8_t dear = WRITER_NONE;
    bool awaited = false;

    for (uint32_t i = 0; i < arm->n; i++) {
        const uint8_t writer = arm->chain[i];
        const int64_t until_us = chain_at(w, writer)->until_us;

        if (may_ask(w, writer, now_us)) {
            if (dear == WRITER_NONE) dear = writer;
        } else if (!means_are_beyond(w, t, writer)) {
            awaited = true;
            if (until_us < w->away_us) w->away_us = until_us;
        }
    }
    if (awaited) return WRITER_NONE;
    return dear == WRITER_NONE ? arm->chain[0] : dear;
}

uint8_t
writers_pick(struct written *w, uint64_t row, const struct talk *t,
             int64_t now_us, bool *ret_poor)
{
    const uint64_t other = CO_BUG(arm_of_the_try) ? t->asks : 0;
    const struct writers_arm *arm = writers_arm_of(w, row + other, NULL);

    *ret_poor = false;
    if (!arm) return 0;
    if (!has_fallback(arm)) return arm->chain[0];
    if (stays(w, t) && may_ask(w, t->writer, now_us) &&
        !means_are_beyond(w, t, t->writer)) {
        *ret_poor = t->poor;
        return t->writer;
    }
    for (uint32_t i = 0; i < arm->n; i++) {
        if (!may_ask(w, arm->chain[i], now_us)) continue;
        if (!means_are_beyond(w, t, arm->chain[i])) return arm->chain[i];
        *ret_poor = true;
    }
    return arm->builtin ? WRITER_BUILTIN : nobody(w, arm, t, now_us);
}

uint8_t
writers_tag(const struct written *w, const struct intent *intent)
{
    uint32_t arm = 0;

    (void)writers_arm_of(w, intent->task >> 8, &arm);
    return (uint8_t)(intent->writer | arm << TAG_ARM |
                     (intent->poor ? TAG_POOR : 0));
}

void
writers_asked(struct written *w, uint64_t task, uint8_t writer, int64_t now_us)
{
    if (w->options.table) chain_ask(chain_at(w, writer), task, now_us);
}

bool
writers_is_away(const struct written *w, uint64_t row, const struct talk *t,
                uint64_t task)
{
    const struct writers_arm *arm = writers_arm_of(w, row, NULL);

    return arm && has_fallback(arm) &&
           chain_is_away_for(&w->chains[w->chain_of[t->writer]], task);
}

const char *
written_provider(const void *kind, uint64_t task)
{
    const struct written *w = kind;
    const struct talk *t;

    if (!w->options.table) return NULL;
    if (!written_is_ask(task)) return ""; /* ranges: anybody's */
    t = rows_talk(w, task >> 8);
    return t ? w->writers[t->writer].provider : "";
}

/* -- lanes ---------------------------------------------------------------- */

/* Who is asked for rows of that arm now, as a chain; WRITER_BUILTIN: nobody.
 * One that is away is asked again when its time comes, but not for all rows;
 * one that the money left does not cover is not. */
static uint8_t
chain_in_turn(const struct written *w, const struct writers_arm *arm)
{
    for (uint32_t i = 0; i < arm->n; i++) {
        const uint8_t writer = arm->chain[i], chain = w->chain_of[writer];

        if (w->beyond[MEANS_ROW][writer] != INT64_MAX) continue;
        if (!w->chains[chain].away) return chain;
    }
    return arm->builtin ? (uint8_t)WRITER_BUILTIN : w->chain_of[arm->chain[0]];
}

/* Rows of the arm that are not written yet, about: some that are will not be
 * accepted, and others come in their place. */
static uint64_t
rows_left(const struct written *w, uint32_t arm)
{
    const uint64_t rows = personas_progress(w->p).rows *
                          w->options.table->arms[arm].share / WRITERS_SHARES;
    uint64_t done = 0;

    for (uint32_t k = 0; k <= WRITER_BUILTIN; k++) {
        done += w->tallies[arm][k].rows;
    }
    return rows > done ? rows - done : 0;
}

/* Each arm goes to who is asked for it, and counts as much as it has left; at
 * the very end, when none has, as its share says. */
static void
deal_arms(const struct written *w, uint32_t parts[WRITER_BUILTIN + 1])
{
    const struct writers *table = w->options.table;
    uint64_t weights[WRITERS_ARMS_MAX], sum = 0, before = 0;

    for (uint32_t i = 0; i < table->n_arms; i++) {
        sum += weights[i] = rows_left(w, i);
    }
    for (uint32_t i = 0; i < table->n_arms && !sum; i++) {
        weights[i] = table->arms[i].share;
    }
    if (!sum) sum = WRITERS_SHARES;
    for (uint32_t i = 0; i < table->n_arms; i++) {
        parts[chain_in_turn(w, &table->arms[i])] +=
            (uint32_t)((before + weights[i]) * KIND_LANES_WHOLE / sum -
                       before * KIND_LANES_WHOLE / sum);
        before += weights[i];
    }
}

uint32_t
written_lanes(const void *kind, struct kind_lane ret[KIND_LANES_MAX])
{
    _Static_assert((int)KIND_LANES_MAX == (int)WRITERS_PROVIDERS_MAX,
                   "each provider of a job is a lane");
    const struct written *w = kind;
    uint32_t parts[WRITER_BUILTIN + 1] = {0}, n = 0;

    if (!w->options.table) return 0;
    deal_arms(w, parts);
    for (uint32_t i = 0; i < w->n_writers && n < KIND_LANES_MAX; i++) {
        if (w->chain_of[i] != i) continue;
        ret[n++] = (struct kind_lane){w->writers[i].provider, parts[i]};
    }
    return n;
}

/* -- what came of asks ---------------------------------------------------- */

/* What is out for it is called back, if nobody has begun it. */
static void
recall_all(struct written *w, uint8_t chain)
{
    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            const uint64_t row = w->blocks[b]->cell * PERSONAS_CELL + i;
            const struct talk *t = &w->blocks[b]->talks[i];
            const uint64_t task = written_task(row, t->asks ? t->asks - 1u : 0);

            if (t->state != TALK_OUT || w->chain_of[t->writer] != chain ||
                !writers_is_away(w, row, t, task)) {
                continue;
            }
            /* else it waits with its broker, and comes back when it is served
             * or waited too long */
            w->n.no_memory += !fifo_put(&w->recalls, task);
        }
    }
}

static void
say_away(struct written *w, uint8_t chain, const char *why)
{
    char text[NOTICE_BYTES];

    if (!w->options.notice) return;
    (void)snprintf(text, sizeof text,
                   "provider %s is away (%s): its fallbacks write, until it "
                   "answers again",
                   w->writers[chain].provider, why);
    w->options.notice(w->options.notice_self, text);
}

/* Only who has a fallback is taken to be away: others are waited for. */
static void
went_away(struct written *w, uint8_t chain, const char *why)
{
    if (!w->chained) return;
    w->n.aways++;
    say_away(w, chain, why);
    recall_all(w, chain);
}

void
writers_on_result(struct written *w, uint64_t task, uint8_t writer,
                  const struct ask_result *r, bool own, int64_t now_us)
{
    struct chain *c = chain_at(w, writer);

    if (!w->options.table || !w->running) return; /* not of an earlier life */
    stuck_set(w, writer, STUCK_NOT);
    if (r->outcome == ASK_REFUSED && own) {
        chain_on_heard(c);
    } else if (r->outcome == ASK_REFUSED || r->outcome == ASK_UNKNOWN) {
        if (!chain_on_strike(c, task, now_us)) return;
        went_away(w, w->chain_of[writer],
                  r->outcome == ASK_REFUSED ? "it refuses" : "it fails");
    } else {
        chain_on_answer(c, task);
    }
}

/* Whether a worker has an ask of that provider: one went out long before this
 * one, which came back as it found no worker, and did not. */
static bool
is_served(const struct written *w, const struct talk *t)
{
    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            const struct talk *other = &w->blocks[b]->talks[i];

            if (other->state == TALK_OUT &&
                w->chain_of[other->writer] == w->chain_of[t->writer] &&
                other->due_us < t->due_us - SERVED_US) {
                return true;
            }
        }
    }
    return false;
}

static void
on_return(struct written *w, uint64_t task, const struct talk *t,
          const struct kind_return *how, int64_t now_us)
{
    const uint8_t writer = t->writer;
    struct chain *c = chain_at(w, writer);
    /* at its limits, or its answers take long */
    const bool busy = how->waited
                          ? chain_is_silent(c, now_us) && is_served(w, t)
                          : how->reason == RETURN_LIMIT;

    if (how->reason == RETURN_AWAY) {
        stuck_set(w, writer, STUCK_UNCALLED);
        if (!chain_on_away(c, task, how->not_before_ms, now_us)) return;
        went_away(w, w->chain_of[writer], "it cannot be called");
    } else if (busy) {
        stuck_set(w, writer, STUCK_NOT);
        chain_on_heard(c);
    } else if (how->waited) {
        const bool news = chain_on_waited(c, task, now_us);

        if (c->away) stuck_set(w, writer, STUCK_UNSERVED);
        if (!news) return;
        went_away(w, w->chain_of[writer], "no worker serves it");
    }
}

bool
written_returned(void *kind, uint64_t task, const struct kind_return *how,
                 int64_t now_us)
{
    struct written *w = kind;
    const uint64_t row = task >> 8;
    struct talk *t = written_is_ask(task) ? rows_talk(w, row) : NULL;

    if (!t || !w->options.table || t->state != TALK_OUT ||
        !talk_is_present(t, written_ask(task))) {
        return false;
    }
    w->now_us = now_us;
    on_return(w, task, t, how, now_us);
    if (!writers_is_away(w, row, t, task)) {
        t->due_us = INT64_MAX; /* until it goes out again */
        return false;
    }
    rows_unsent(w, row, t);
    return true;
}

bool
written_recall(void *kind, uint64_t *ret_task)
{
    struct written *w = kind;

    return fifo_get(&w->recalls, ret_task);
}

/* -- the built-in writer -------------------------------------------------- */

bool
built_is_full(const struct written *w)
{
    return w->built && w->built->n == WRITTEN_NOTE_MAX;
}

bool
built_intend(struct written *w, uint64_t row, struct talk *t, bool poor,
             int64_t now_us)
{
    const struct row_before before = rows_before(t);

    if (!w->built) {
        w->built = calloc(1, sizeof *w->built);
        if (!w->built) {
            w->n.no_memory++;
            w->held_back = KIND_NEXT_MEMORY;
            return false;
        }
        w->built->type = NOTE_BUILT;
    }
    if (built_is_full(w)) {
        w->held_back = KIND_NEXT_INTENT;
        return false;
    }
    if (t->state == TALK_IDLE) talk_begin(t);
    w->built->v[w->built->n++] =
        (struct intent){.task = row, .stage = t->stage, .poor = poor};
    talk_build(t);
    if (CO_BUG(built_before_commit)) {
        (void)talk_built(t, (enum ask_stage)t->stage);
    }
    rows_changed(w, row, t, before, now_us);
    return true;
}

void
built_close(struct written *w)
{
    if (!w->built || !w->built->n) return;
    w->notes[w->n_notes++] = co_take(&w->built);
}

void
built_commit(struct written *w, const struct intent *built, int64_t now_us)
{
    const uint64_t row = built->task;
    struct talk *t = rows_talk(w, row);
    struct row_before before;

    if (!t) return;
    if (t->state == TALK_IDLE) talk_begin(t); /* in a replay */
    before = rows_before(t);
    if (!talk_built(t, (enum ask_stage)built->stage)) return;
    t->starved |= built->poor;
    rows_changed(w, row, t, before, now_us);
    if (w->n.built != 1 || !w->options.notice || !w->running) return;
    w->options.notice(
        w->options.notice_self,
        built->poor ? "the money left covers no provider of a row: the "
                      "built-in writer writes such rows, as budget.short says"
                    : "all providers of a row are away: the built-in writer "
                      "writes such rows, as their fallbacks say");
}
