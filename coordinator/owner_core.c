/* owner_core.c - see owner_core.h: life, messages, turns and the end. The
 * journal's side is in owner_journal.c. */
#include "coordinator/owner_core.h"

#include "coordinator/owner_journal.h"
#include "coordinator/replay.h"

#include <stdlib.h>

/* No more is read from brokers while as much waits for the disk: below
 * JOURNAL_QUEUE_BYTES by more than the last message and the job's own
 * records, because the journal's CO_FULL ends the run. */
enum { JOURNAL_READ_BYTES = 32 << 20 };

/* ---- making and freeing ---- */

static enum co_err
make_engine(struct owner_core *c)
{
    const struct owner_core_options *opt = &c->opt;
    struct engine_options options = {.job = opt->self.job,
                                     .owner = opt->self.owner,
                                     .recipe = opt->recipe,
                                     .provider = opt->provider,
                                     .fingerprint = opt->self.fingerprint,
                                     .batch = opt->batch,
                                     .window = opt->window,
                                     .wait_ms = opt->wait_ms,
                                     .run_ms = opt->run_ms,
                                     .total_ms = opt->total_ms,
                                     .stall_ms = opt->stall_ms,
                                     .wall_ms = opt->wall_ms,
                                     .resumed = !opt->fresh};

    if (opt->letters) {
        options.dead = letters_on_dead;
        options.revived = letters_on_revived;
        options.wishes = letters_foresee;
        options.dead_ctx = opt->letters;
    }
    return engine_new(&options, c->hosted->kind, c->hosted->state, &c->out,
                      &c->engine);
}

enum co_err
owner_core_new(const struct owner_core_options *options,
               const struct hosted *hosted, struct owner_core **ret_core)
{
    co_auto(owner_core_freep) struct owner_core *c = calloc(1, sizeof *c);
    enum co_err err;

    co_assert(options->links >= 1 && options->links <= ENGINE_LINKS_MAX);
    if (!c) return CO_NOMEM;
    c->opt = *options;
    c->hosted = hosted;
    outbox_init(&c->out);
    err = early_init(&c->early);
    if (!err) err = parts_new(ENGINE_LINKS_MAX, &c->parts);
    if (!err) err = make_engine(c);
    if (err) return err;
    c->opt.self.provider = c->opt.provider ? c->opt.provider : "";
    for (unsigned i = 0; i < options->links; i++) {
        link_init(&c->links[i], i, &c->opt.self);
    }
    *ret_core = co_take(&c);
    return CO_OK;
}

void
owner_core_free(struct owner_core *c)
{
    if (!c) return;
    early_fini(&c->early);
    outbox_fini(&c->out);
    engine_free(c->engine);
    journal_free(c->journal);
    parts_free(c->parts);
    free(c);
}

/* ---- links ---- */

static void
link_lost(struct owner_core *c, unsigned link, int64_t now_us)
{
    const struct owner_observer *see = &c->opt.observer;

    if (see->lost) see->lost(see->ctx, link);
    parts_drop(c->parts, link);
    if (c->replayed) {
        engine_on_link_down(c->engine, link, now_us);
    } else {
        early_drop_link(&c->early, link);
    }
}

bool
owner_core_attached(const struct owner_core *c)
{
    for (unsigned i = 0; i < c->opt.links; i++) {
        if (c->links[i].state != LINK_READY && !c->flooded[i]) return false;
    }
    return true;
}

void
owner_core_greet(struct owner_core *c, int64_t now_us)
{
    for (unsigned i = 0; i < c->opt.links; i++) {
        if (!c->flooded[i] && link_tick(&c->links[i], now_us / 1000, &c->out)) {
            link_lost(c, i, now_us);
        }
    }
}

static void
tick_links(struct owner_core *c, int64_t now_us)
{
    for (unsigned i = 0; i < c->opt.links; i++) {
        if (link_tick(&c->links[i], now_us / 1000, &c->out)) {
            link_lost(c, i, now_us);
        }
    }
}

/* Whether brokers still have what they were given. */
static void
compare_links(struct owner_core *c, int64_t now_us)
{
    unsigned link;

    while ((link = engine_next_compare(c->engine, now_us)) < c->opt.links) {
        link_compare(&c->links[link], &c->out);
    }
}

/* ---- messages ---- */

static void
send_blob(struct owner_core *c, unsigned link, const struct msg_blob_get *get)
{
    struct co_bytes whole = {0};
    struct co_bytes piece = {0};
    struct msg m = {.type = MSG_blob,
                    .blob = {.job = get->job,
                             .hash = get->hash,
                             .worker = get->worker,
                             .offset = get->offset}};

    if (c->hosted->blob &&
        c->hosted->blob(c->hosted->self, get->hash, &whole) &&
        get->offset <= whole.len) {
        size_t len = co_min_u64(whole.len - get->offset,
                                co_min_u64(get->len, BLOB_PIECE_MAX));

        m.blob.total = whole.len;
        piece = co_bytes_slice(whole, get->offset, len);
    }
    co_bytes_unref(&whole);
    outbox_push(&c->out, ENGINE_SIDE_BROKER, link, &m, piece);
}

static void
on_task_message(struct owner_core *c, unsigned link, const struct msg *m,
                struct co_bytes head, struct co_bytes body, int64_t now_us)
{
    const struct owner_observer *see = &c->opt.observer;
    struct engine *e = c->engine;

    if (see->input) see->input(see->ctx, link, m);
    switch ((int)m->type) {
    case MSG_results:
        /* An error is counted by the engine; a worker keeps what it has. */
        (void)!engine_on_results(e, link, &m->results, head, body, now_us);
        return;
    case MSG_credit:
        engine_on_credit(e, link, &m->credit);
        return;
    case MSG_reclaim:
        engine_on_reclaim(e, link, &m->reclaim);
        return;
    case MSG_have:
        engine_on_have(e, link, &m->have);
        return;
    case MSG_lost:
        engine_on_lost(e, link, &m->lost, now_us);
        return;
    case MSG_returned:
        engine_on_returned(e, link, &m->returned, now_us);
        return;
    case MSG_refused:
        engine_on_refused(e, link, &m->refused, now_us);
        return;
    case MSG_inventory:
        engine_on_inventory(e, link, &m->inventory, now_us);
        return;
    case MSG_attached:
        engine_on_attached(e, link, &m->attached, now_us);
        return;
    case MSG_revived:
        engine_on_revived(e, m->revived.worker);
        return;
    case MSG_blob_get:
        send_blob(c, link, &m->blob_get);
        return;
    case MSG_need:
        return; /* BLOB_GET follows */
    default:
        if (see->odd) see->odd(see->ctx, link, (unsigned)m->type);
    }
}

/* A message left out would be missed for ever (a page of INVENTORY, a LOST):
 * the link begins anew once the journal is read, with a fresh inventory, and
 * workers send again what was not acknowledged. */
static void
on_flood(struct owner_core *c, unsigned link, int64_t now_us)
{
    const struct owner_observer *see = &c->opt.observer;

    engine_on_flood(c->engine);
    if (see->flooded) {
        see->flooded(see->ctx, link, c->early.n, c->early.bytes);
    }
    c->links[link].state = LINK_DOWN;
    c->flooded[link] = true;
    link_lost(c, link, now_us);
}

static void
on_message(struct owner_core *c, unsigned link, const struct msg *m,
           struct co_bytes head, struct co_bytes body, int64_t now_us)
{
    const struct owner_observer *see = &c->opt.observer;

    if (m->type == MSG_welcome && see->input) see->input(see->ctx, link, m);
    switch (link_on_message(&c->links[link], m, now_us / 1000, &c->out)) {
    case LINK_HANDLED:
        return;
    case LINK_STALE:
        c->stale = true;
        return;
    case LINK_LOST:
        link_lost(c, link, now_us);
        return;
    case LINK_ATTACHED:
        if (see->attached) see->attached(see->ctx, link, m->attached.held);
        break;
    case LINK_PASS:
        break;
    }
    if (c->replayed) {
        on_task_message(c, link, m, head, body, now_us);
    } else if (early_keep(&c->early, link, head, body)) {
        on_flood(c, link, now_us);
    }
}

static void
on_malformed(struct owner_core *c, unsigned link, enum co_err err)
{
    const struct owner_observer *see = &c->opt.observer;

    engine_on_malformed(c->engine);
    if (see->malformed) see->malformed(see->ctx, link, err);
}

/* A PART; the last one makes a message whole. */
static void
on_part(struct owner_core *c, unsigned link, const struct msg_part *part,
        struct co_bytes body, int64_t now_us)
{
    struct co_bytes whole_head;
    struct co_bytes whole_body;
    struct msg m;
    enum co_err err =
        parts_add(c->parts, link, part, body, &whole_head, &whole_body);

    if (err) {
        if (err != CO_AGAIN) on_malformed(c, link, err);
        return;
    }
    err = msg_decode(&c->reader, whole_head.data, whole_head.len, &m);
    if (!err && m.type == MSG_part) err = CO_PROTOCOL; /* parts of a part */
    if (err) {
        on_malformed(c, link, err);
    } else {
        on_message(c, link, &m, whole_head, whole_body, now_us);
    }
    co_bytes_unref(&whole_head);
    co_bytes_unref(&whole_body);
}

void
owner_core_receive(struct owner_core *c, unsigned link, struct co_bytes head,
                   struct co_bytes body, int64_t now_us)
{
    struct msg m;
    enum co_err err = msg_decode(&c->reader, head.data, head.len, &m);

    c->read_bytes -= co_min_u64(c->read_bytes, head.len + body.len);
    if (err) {
        on_malformed(c, link, err);
    } else if (m.type == MSG_part) {
        (void)link_on_message(&c->links[link], &m, now_us / 1000, &c->out);
        on_part(c, link, &m.part, body, now_us);
    } else {
        on_message(c, link, &m, head, body, now_us);
    }
}

void
owner_core_measure_room(struct owner_core *c)
{
    uint64_t queued = c->journal ? journal_queued_bytes(c->journal) : 0;

    c->read_bytes =
        queued < JOURNAL_READ_BYTES ? JOURNAL_READ_BYTES - queued : 0;
}

bool
owner_core_has_room(const struct owner_core *c)
{
    return !c->replayed ||
           (engine_results_room(c->engine) > 0 && c->read_bytes > 0);
}

/* ---- sending ---- */

static uint32_t
part_max(const void *ctx, uint64_t peer)
{
    const struct owner_core *c = ctx;

    return c->links[peer].part_max;
}

void
owner_core_output(struct owner_core *c)
{
    parts_cut(&c->out, &c->part_number, part_max, c);
}

void
owner_core_unsent(struct owner_core *c, unsigned link, struct co_bytes head,
                  int64_t now_us)
{
    struct link *l = &c->links[link];
    struct msg m;

    if (c->replayed && !msg_decode(&c->reader, head.data, head.len, &m) &&
        m.type == MSG_tasks) {
        engine_on_unsent(c->engine, link, &m.tasks, now_us);
    }
    if (l->state != LINK_READY && l->state != LINK_ATTACHING) return;
    l->state = LINK_DOWN;
    link_lost(c, link, now_us);
}

/* ---- start and turns ---- */

enum co_err
owner_core_replay(struct owner_core *c, struct co_diag *diag)
{
    const struct owner_core_options *opt = &c->opt;

    return replay_journal(opt->journal_dir, opt->self.job, opt->self.owner,
                          opt->segment_bytes, c->engine, c->hosted, &c->journal,
                          diag);
}

static enum co_err
revive(struct owner_core *c, struct co_diag *diag)
{
    return letters_revive(c->opt.letters, c->engine, &c->reviving, diag);
}

enum co_err
owner_core_begin(struct owner_core *c, int64_t now_us, struct co_diag *diag)
{
    enum co_err err = CO_OK;
    struct msg m;

    engine_replay_done(c->engine);
    if (c->opt.letters) err = revive(c, diag);
    if (err) return err;
    c->replayed = true;
    for (size_t i = 0; i < c->early.n; i++) {
        const struct early_message *e = &c->early.v[i];

        if (msg_decode(&c->reader, e->head.data, e->head.len, &m)) continue;
        on_task_message(c, e->link, &m, e->head, e->body, now_us);
    }
    early_drop(&c->early);
    return CO_OK;
}

/* Nothing new is given out. The journal gave up its ballast, which is room for
 * thousands of answers; nothing else may take of it: no shard is sealed, no
 * letter written any more. */
static void
on_full(struct owner_core *c, const struct co_diag *diag, int64_t now_us)
{
    const int64_t wait_ms = kind_answer_wait_ms(c->opt.call_total_ms);
    int64_t stop_us = now_us + wait_ms * 1000;

    if (c->stopping && c->stop_us < stop_us) stop_us = c->stop_us;
    c->full = true;
    if (diag) c->full_diag = *diag;
    owner_core_stop(c, stop_us);
}

static void
look_for_room(struct owner_core *c, int64_t now_us)
{
    struct co_diag diag;

    if (c->full || !journal_is_full(c->journal, NULL)) return;
    (void)journal_is_full(c->journal, &diag);
    on_full(c, &diag, now_us);
}

/* An error once nothing is waited for any more. */
static enum co_err
work_when_full(struct owner_core *c, int64_t now_us, struct co_diag *diag)
{
    struct engine_status status;

    engine_status(c->engine, &status);
    c->stop_turned = true;
    if (now_us < c->stop_us && status.out + status.taken + status.pending > 0) {
        return c->out.err;
    }
    if (diag) *diag = c->full_diag;
    return CO_NOSPACE;
}

/* Files, and what is written about them. */
static enum co_err
work_on_files(struct owner_core *c, int64_t now_us, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    /* a shard that is sealed now could not take its dead row back any more */
    if (!c->reviving && c->hosted->turn) {
        err = c->hosted->turn(c->hosted->self, c->journal, diag);
    }
    if (!err && c->opt.letters) {
        err = letters_sync(c->opt.letters, c->journal, diag);
    }
    if (err != CO_NOSPACE || !c->hosted->kind->paid) return err;
    on_full(c, diag, now_us);
    return CO_OK;
}

enum co_err
owner_core_work(struct owner_core *c, int64_t now_us, struct co_diag *diag)
{
    enum co_err err =
        owner_journal_read(c->journal, c->engine, c->hosted, now_us, diag);

    if (err) return err;
    look_for_room(c, now_us);
    tick_links(c, now_us);
    engine_tick(c->engine, now_us);
    compare_links(c, now_us);
    if (c->reviving && !c->full) err = revive(c, diag);
    if (!err) err = owner_journal_write(c->journal, c->engine, diag);
    if (err) return err;
    if (c->full) return work_when_full(c, now_us, diag);
    err = work_on_files(c, now_us, diag);
    if (err || c->full) return err;
    c->stop_turned = c->stopping;
    if (c->stopping || c->reviving) return c->out.err;
    engine_publish(c->engine, now_us);
    /* What the kind has to note before it gives out more is on its way with
     * this turn, not with the next one. */
    if (c->hosted->kind->note) {
        err = owner_journal_write(c->journal, c->engine, diag);
    }
    return err ? err : c->out.err;
}

/* ---- the end ---- */

void
owner_core_stop(struct owner_core *c, int64_t stop_us)
{
    const struct job_kind *kind = c->hosted->kind;

    if (!c->stopping && c->replayed && kind->stopping) {
        kind->stopping(c->hosted->state);
    }
    if (!c->stopping && c->replayed) engine_stop(c->engine);
    c->stopping = true;
    c->stop_us = stop_us;
}

static bool
is_quiet(const struct owner_core *c)
{
    struct engine_status status;

    engine_status(c->engine, &status);
    return status.taken == 0 && status.pending == 0 &&
           (!c->hosted->settled || c->hosted->settled(c->hosted->self));
}

/* Calls that are out are paid for: their answers are worth the wait. */
static bool
may_stop(const struct owner_core *c)
{
    struct engine_status status;

    if (!c->hosted->kind->paid) return is_quiet(c);
    engine_status(c->engine, &status);
    return c->stop_turned && status.out == 0 && is_quiet(c);
}

bool
owner_core_over(const struct owner_core *c, int64_t now_us,
                enum owner_end *ret_end)
{
    enum kind_state state = engine_done(c->engine);

    if (c->stale || engine_stale(c->engine)) {
        *ret_end = OWNER_STALE;
        return true;
    }
    if (state != KIND_RUNNING && !c->reviving && is_quiet(c)) {
        *ret_end = state == KIND_DONE ? OWNER_DONE : OWNER_PARTIAL;
        return true;
    }
    if (c->stopping && !c->full && (now_us >= c->stop_us || may_stop(c))) {
        *ret_end = OWNER_STOPPED;
        return true;
    }
    return false;
}

enum co_err
owner_core_finish(struct owner_core *c, enum owner_end end,
                  struct co_diag *diag)
{
    static const char content[] = "{}";
    enum co_err err = CO_OK;

    if (end != OWNER_DONE && end != OWNER_PARTIAL) return CO_OK;
    if (c->hosted->finish) err = c->hosted->finish(c->hosted->self, diag);
    if (!err && c->opt.letters) {
        err = letters_finish(c->opt.letters, c->journal, diag);
    }
    if (err || end == OWNER_PARTIAL) return err;
    return journal_append_final(c->journal, RECORD_DONE, content,
                                sizeof content - 1, diag);
}

void
owner_core_leave(struct owner_core *c, enum owner_end end)
{
    for (unsigned i = 0; i < c->opt.links; i++) {
        if (end == OWNER_DONE || end == OWNER_PARTIAL) {
            link_detach(&c->links[i], &c->out);
        }
        link_bye(&c->links[i], &c->out);
    }
}
