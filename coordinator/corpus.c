/* corpus.c - see corpus.h.
 * A shard's way: personas_next_seal -> sealer (file on disk) -> SEALED record
 * -> committed -> personas_on_sealed. Journal segments that nothing open lies
 * in any more go after a CHECKPOINT with all that SEALED records said. */
#include "coordinator/corpus.h"
#include "common/bug.h"

#include "common/clock.h"
#include "common/log.h"
#include "coordinator/cache.h"
#include "coordinator/corpus_files.h"
#include "coordinator/corpus_writer.h"
#include "coordinator/kind_personas_asked.h"
#include "coordinator/sealer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    RECORD_BYTES_MAX = RECORD_CONTENT_MAX,
    SEALING_MAX = SEALER_ORDERS_MAX,
};

#define COOKIE_CHECKPOINT (HOSTED_COOKIE | 1ULL << 61)
#define COOKIE_IDENTITY (HOSTED_COOKIE | 1ULL << 60)

/* A shard between personas_next_seal and personas_on_sealed. */
struct sealing {
    uint64_t shard;
    uint64_t file_hash, raw_hash;
    bool used;
};

/* A journal segment that may go one day: one of a predecessor, or one that
 * results were sealed from. */
struct segment_use {
    uint64_t segment;
    bool doomed; /* may go once the checkpoint is committed */
};

struct corpus {
    struct corpus_options opt;
    struct hosted hosted;
    struct personas *personas;
    struct written *written; /* stands in front of it; NULL: builtin */
    struct sealer *sealer;
    struct sealing sealing[SEALING_MAX];
    size_t n_sealing;
    struct seal_order held; /* an order that the sealer had no room for */
    bool has_held;
    struct segment_use *segments;
    size_t n_segments, cap_segments;
    /* A CHECKPOINT holds exactly the SEALED records in front of it: it waits
     * until those under way are committed, and new ones wait for it. */
    size_t sealed_under_way; /* SEALED records appended, not yet committed */
    bool checkpoint_due, checkpoint_under_way;
    bool identity_due;
    struct co_diag unread; /* why hashes could not be loaded, or empty */
};

/* ---- making ---- */

static enum co_err
corpus_load_hashes(void *self, uint64_t shard, uint32_t n, uint64_t hash,
                   uint64_t *ret_hashes)
{
    struct corpus *c = self;

    return corpus_read_hashes(c->opt.out_dir, shard, n, hash, ret_hashes,
                              &c->unread);
}

static enum co_err
corpus_make_kind(struct corpus *c, struct co_diag *diag)
{
    uint32_t cells[AUDIT_TABLE_COUNT];
    struct personas_options options = {.rows = c->opt.rows,
                                       .shard_rows = c->opt.shard_rows,
                                       .candidates = c->opt.candidates,
                                       .service = c->opt.service,
                                       .table_cells = cells,
                                       .tables = AUDIT_TABLE_COUNT,
                                       .dedup = c->opt.dedup,
                                       .hash_bits = c->opt.hash_bits,
                                       .load = corpus_load_hashes,
                                       .load_self = c};
    enum co_err err = corpus_table_cells(c->opt.sampler, cells);

    if (!err) err = personas_new(&options, &c->personas);
    return err ? co_fail(diag, err, "cannot set the job up: %s",
                         co_err_text(err))
               : CO_OK;
}

static void
corpus_notice(void *self, const char *text)
{
    const struct corpus *c = self;

    co_log(CO_LOG_WARN, "provider.fallback", "job=%016llx text=%s",
           (unsigned long long)c->opt.job, co_log_quote(text).text);
}

/* Where there are several writers, all of them. */
static enum co_err
corpus_bound_writers(struct corpus *c, struct written_writer *by,
                     struct written_options *options, struct co_diag *diag)
{
    const struct writers *all = c->opt.writers;
    enum co_err err = CO_OK;

    if (!all) return CO_OK;
    for (uint32_t i = 0; i < all->n && !err; i++) {
        err = corpus_writer_bound(all->v[i], &by[i], diag);
    }
    options->writers = by;
    options->table = all;
    options->notice = corpus_notice;
    options->notice_self = c;
    return err;
}

/* A model writes the texts: the written kind stands in front. */
static enum co_err
corpus_make_written(struct corpus *c, struct co_diag *diag)
{
    struct written_writer by[WRITERS_MAX];
    struct written_options options = {
        .personas = c->personas,
        .service = c->opt.service,
        .cap = c->opt.budget > 0 ? c->opt.budget : 0,
        .degrades = c->opt.degrades,
        .purse = c->opt.purse,
        .batch =
            c->opt.writer->batch ? c->opt.batch : (struct written_batch){0},
        .total_ms = c->opt.call_total_ms,
        .no_late_answers = c->opt.no_late_answers,
        .dead = c->opt.dead,
        .dead_self = c->opt.dead_ctx,
        .kept = c->opt.cache ? cache_get : NULL,
        .keep = c->opt.cache ? cache_put : NULL,
        .cache = c->opt.cache,
        .job = c->opt.job,
        .recipe = c->opt.recipe_hash,
        .wall_ms = co_clock_wall_ms() - co_clock_us() / 1000,
    };
    enum co_err err =
        corpus_writer_options(c->opt.writer, c->opt.sampler, &options, diag);

    if (!err) err = corpus_bound_writers(c, by, &options, diag);
    if (err) return err;
    if (c->opt.shares) options.shares = *c->opt.shares;
    err = written_new(&options, &c->written);
    return err ? co_fail(diag, err, "cannot set up the asking of models: %s",
                         co_err_text(err))
               : CO_OK;
}

static const struct hosted corpus_functions;

enum co_err
corpus_new(const struct corpus_options *options, struct corpus **ret_corpus,
           struct co_diag *diag)
{
    co_auto(corpus_freep) struct corpus *c = calloc(1, sizeof *c);
    enum co_err err;

    if (!c) return co_fail(diag, CO_NOMEM, "out of memory");
    c->opt = *options;
    c->identity_due = options->identity_is_new;
    err = corpus_make_kind(c, diag);
    if (!err && options->writer) err = corpus_make_written(c, diag);
    if (!err) {
        err = sealer_start(options->out_dir, options->journal_dir, &c->sealer,
                           diag);
    }
    if (err) return err;
    c->hosted = corpus_functions;
    c->hosted.kind = c->written ? &written_kind : &personas_kind;
    c->hosted.state = c->written ? (void *)c->written : (void *)c->personas;
    c->hosted.self = c;
    *ret_corpus = co_take(&c);
    return CO_OK;
}

void
corpus_free(struct corpus *c)
{
    if (!c) return;
    sealer_stop(c->sealer);
    written_free(c->written);
    personas_free(c->personas);
    if (c->has_held) free(c->held.pieces);
    free(c->segments);
    free(c);
}

const struct hosted *
corpus_hosted(struct corpus *c)
{
    return &c->hosted;
}

/* ---- journal segments in use ---- */

/* One that memory was too short for stays on disk: that costs space, not
 * rows. */
static void
segment_use_add(struct corpus *c, uint64_t segment)
{
    if (c->n_segments == c->cap_segments) {
        size_t cap = c->cap_segments ? 2 * c->cap_segments : 64;
        struct segment_use *more = realloc(c->segments, cap * sizeof *more);

        if (!more) return;
        c->segments = more;
        c->cap_segments = cap;
    }
    c->segments[c->n_segments++] = (struct segment_use){.segment = segment};
}

static bool
segment_use_known(const struct corpus *c, uint64_t segment)
{
    for (size_t i = c->n_segments; i-- > 0;) {
        if (c->segments[i].segment == segment) return true;
    }
    return false;
}

/* Remembers the segments that sealing freed something of. */
static void
corpus_take_freed(struct corpus *c)
{
    uint64_t segment;
    uint64_t bytes;

    while (personas_next_freed(c->personas, &segment, &bytes)) {
        if (!segment_use_known(c, segment)) segment_use_add(c, segment);
    }
}

/* Whether all the older segments that we know of are free of open results. */
static bool
corpus_find_doomed(struct corpus *c, uint64_t current)
{
    bool any = false;

    if (c->opt.keep_journal) return false;
    for (size_t i = 0; i < c->n_segments; i++) {
        struct segment_use *use = &c->segments[i];

        use->doomed = use->segment != current &&
                      (CO_BUG(segment_gone_early) ||
                       !personas_needs_segment(c->personas, use->segment));
        any |= use->doomed;
    }
    return any;
}

static enum co_err
corpus_append(struct journal *j, uint8_t type, struct co_buf *buf,
              uint64_t cookie, struct co_diag *diag)
{
    struct co_bytes content = {0};
    enum co_err err = buf->err;

    if (!err) err = co_bytes_copy(buf->data, buf->len, &content);
    if (!err) err = journal_append(j, type, &content, 1, cookie);
    co_bytes_unref(&content);
    return err ? co_fail(diag, err, "the journal takes no %s record: %s",
                         record_type_name(type), co_err_text(err))
               : CO_OK;
}

/* A CHECKPOINT says what JOB and all SEALED records said, so that their
 * segments may go. Content: bytes of the identity u32, identity, snapshot. */
static enum co_err
corpus_checkpoint(struct corpus *c, struct journal *j, struct co_diag *diag)
{
    uint32_t len = (uint32_t)c->opt.identity.len;
    struct co_buf buf;
    enum co_err err;

    co_buf_init(&buf, RECORD_BYTES_MAX);
    co_buf_append(&buf, &len, sizeof len);
    co_buf_append(&buf, c->opt.identity.data, len);
    err = personas_snapshot(c->personas, &buf);
    if (err == CO_FULL) {
        /* More shards than one record can tell: the segments stay. */
        co_buf_fini(&buf);
        c->checkpoint_under_way = true;
        co_log_event(CO_LOG_WARN, "journal.checkpoint_too_large");
        return CO_OK;
    }
    if (!err) {
        err =
            corpus_append(j, RECORD_CHECKPOINT, &buf, COOKIE_CHECKPOINT, diag);
    }
    co_buf_fini(&buf);
    if (!err) c->checkpoint_under_way = true;
    return err;
}

static enum co_err
corpus_delete_doomed(struct corpus *c, struct journal *j)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n_segments; i++) {
        uint64_t segment = c->segments[i].segment;
        struct segment_name name = {(uint32_t)(segment >> 32),
                                    (uint32_t)segment};

        if (!c->segments[i].doomed || journal_delete(j, name)) {
            c->segments[kept++] = c->segments[i];
        }
    }
    c->n_segments = kept;
    c->checkpoint_under_way = false;
    return CO_OK;
}

/* ---- sealing ---- */

static struct sealing *
sealing_of(struct corpus *c, uint64_t shard)
{
    for (size_t i = 0; i < SEALING_MAX; i++) {
        if (c->sealing[i].used && c->sealing[i].shard == shard) {
            return &c->sealing[i];
        }
    }
    return NULL;
}

static struct sealing *
sealing_add(struct corpus *c, uint64_t shard)
{
    for (size_t i = 0; i < SEALING_MAX; i++) {
        if (c->sealing[i].used) continue;
        c->sealing[i] = (struct sealing){.shard = shard, .used = true};
        c->n_sealing++;
        return &c->sealing[i];
    }
    return NULL;
}

/* The checksum of all rows of the shard, combined from those of its frames. */
static uint64_t
seal_raw_crc(const struct personas_seal *seal)
{
    uLong crc = crc32(0, NULL, 0);

    for (uint32_t i = 0; i < seal->count; i++) {
        crc = crc32_combine(crc, seal->frames[i].raw_crc,
                            (z_off_t)seal->frames[i].raw_bytes);
    }
    return crc;
}

static enum co_err
order_make(const struct personas_seal *seal, struct seal_order *ret_order)
{
    struct seal_order order = {.shard = seal->shard,
                               .n = seal->count,
                               .hashes = seal->hashes,
                               .n_hashes = seal->n_hashes};

    order.pieces = calloc(seal->count ? seal->count : 1, sizeof *order.pieces);
    if (!order.pieces) return CO_NOMEM;
    for (uint32_t i = 0; i < seal->count; i++) {
        const struct personas_frame *f = &seal->frames[i];

        order.pieces[i] = (struct seal_piece){
            .segment = {(uint32_t)(f->segment >> 32), (uint32_t)f->segment},
            .offset = f->offset,
            .len = f->len};
    }
    corpus_shard_file(seal->shard, order.file);
    corpus_hash_file(seal->shard, order.hash_file);
    *ret_order = order;
    return CO_OK;
}

/* Orders the next shards, as many as the sealer takes. */
static enum co_err
corpus_order(struct corpus *c)
{
    struct personas_seal seal;

    for (;;) {
        struct sealing *sealing;
        enum co_err err;

        if (c->has_held) {
            err = sealer_order(c->sealer, &c->held);
            if (err) return err == CO_FULL ? CO_OK : err;
            c->has_held = false;
        }
        if (c->n_sealing == SEALING_MAX ||
            !personas_next_seal(c->personas, &seal)) {
            return CO_OK;
        }
        err = order_make(&seal, &c->held);
        if (err) return err;
        c->has_held = true;
        sealing = sealing_add(c, seal.shard);
        sealing->raw_hash = seal_raw_crc(&seal);
    }
}

static enum co_err
corpus_on_answer(struct corpus *c, struct journal *j,
                 const struct seal_answer *answer, struct co_diag *diag)
{
    struct sealing *sealing = sealing_of(c, answer->shard);
    struct co_buf buf;
    enum co_err err;

    if (answer->err) {
        *diag = answer->diag;
        return answer->err;
    }
    co_assert(sealing);
    sealing->file_hash = answer->hash;
    co_buf_init(&buf, RECORD_BYTES_MAX);
    err = personas_sealed_record(c->personas, answer->shard, answer->hash,
                                 sealing->raw_hash, &buf);
    if (!err) {
        err = corpus_append(j, RECORD_SEALED, &buf,
                            HOSTED_COOKIE | answer->shard, diag);
    }
    if (!err) c->sealed_under_way++;
    co_buf_fini(&buf);
    return err;
}

static enum co_err
corpus_turn(void *self, struct journal *j, struct co_diag *diag)
{
    struct corpus *c = self;
    struct seal_answer answer;
    enum co_err err;

    if (c->opt.cache) cache_flush(c->opt.cache);
    if (c->identity_due) {
        c->identity_due = false;
        err =
            journal_append(j, RECORD_JOB, &c->opt.identity, 1, COOKIE_IDENTITY);
        if (err) {
            return co_fail(diag, err, "the journal does not take the job: %s",
                           co_err_text(err));
        }
    }
    if (c->checkpoint_due && c->sealed_under_way == 0) {
        c->checkpoint_due = false;
        err = corpus_checkpoint(c, j, diag);
        if (err) return err;
    }
    while (!c->checkpoint_due && !sealer_poll(c->sealer, &answer)) {
        err = corpus_on_answer(c, j, &answer, diag);
        if (err) return err;
    }
    err = corpus_order(c);
    return err ? co_fail(diag, err, "cannot seal a shard: %s", co_err_text(err))
               : CO_OK;
}

/* ---- records committed and read again ---- */

static enum co_err
corpus_on_sealed(struct corpus *c, struct journal *j, uint64_t shard)
{
    struct sealing *sealing = sealing_of(c, shard);
    struct segment_name now = journal_segment(j);
    uint64_t current = (uint64_t)now.owner << 32 | now.sequence;

    co_assert(sealing && c->sealed_under_way > 0);
    c->sealed_under_way--;
    personas_on_sealed(c->personas, shard, sealing->file_hash,
                       sealing->raw_hash);
    sealing->used = false;
    c->n_sealing--;
    co_log(CO_LOG_DEBUG, "shard.sealed", "shard=%llu",
           (unsigned long long)shard);
    corpus_take_freed(c);
    if (!c->checkpoint_under_way && corpus_find_doomed(c, current)) {
        c->checkpoint_due = true;
    }
    return CO_OK;
}

static enum co_err
corpus_committed(void *self, struct journal *j, uint64_t cookie,
                 struct co_diag *diag)
{
    struct corpus *c = self;

    (void)diag; /* a deletion that is refused is tried again later */

    if (cookie == COOKIE_IDENTITY) return CO_OK;
    if (cookie == COOKIE_CHECKPOINT) return corpus_delete_doomed(c, j);
    return corpus_on_sealed(c, j, cookie & ~HOSTED_COOKIE);
}

static enum co_err
corpus_restore(struct corpus *c, const uint8_t *content, size_t len)
{
    uint32_t skip;

    if (len < sizeof skip) return CO_DAMAGED;
    memcpy(&skip, content, sizeof skip);
    if (skip > len - sizeof skip) return CO_DAMAGED;
    return personas_restore(c->personas, content + sizeof skip + skip,
                            len - sizeof skip - skip);
}

/* Only a written corpus may be told to take shards as not sealed. */
static enum co_err
corpus_foresee(void *self, uint8_t type, const uint8_t *content, size_t len,
               struct co_diag *diag)
{
    struct corpus *c = self;
    enum co_err err = CO_OK;

    if (type == RECORD_SEALED && c->written) {
        err = personas_foresee(c->personas, content, len);
    }
    return err ? co_fail(diag, err,
                         "%s: a SEALED record is not readable. Run "
                         "`" CO_PROGRAM " journal check` on the folder",
                         c->opt.journal_dir)
               : CO_OK;
}

static enum co_err
corpus_replay(void *self, uint8_t type, const uint8_t *content, size_t len,
              struct co_diag *diag)
{
    struct corpus *c = self;
    enum co_err err = CO_OK;

    if (type == RECORD_SEALED) {
        err = personas_replay_sealed(c->personas, content, len);
    } else if (type == RECORD_CHECKPOINT) {
        err = corpus_restore(c, content, len);
    }
    if (err && c->unread.text[0]) {
        *diag = c->unread;
        return err;
    }
    return err ? co_fail(diag, err,
                         "%s: a %s record does not fit this job: %s. Run "
                         "`" CO_PROGRAM " journal check` on the folder",
                         c->opt.journal_dir, record_type_name(type),
                         co_err_text(err))
               : CO_OK;
}

/* Each is told once, and before anything is sealed. */
static void
corpus_segment(void *self, uint64_t segment)
{
    segment_use_add(self, segment);
}

/* ---- what the loop asks ---- */

static int
corpus_fd(const void *self)
{
    return sealer_fd(((const struct corpus *)self)->sealer);
}

static bool
corpus_blob(void *self, uint64_t hash, struct co_bytes *ret_bytes)
{
    struct corpus *c = self;

    if (hash != c->opt.recipe_hash) return false;
    *ret_bytes = co_bytes_ref(c->opt.recipe);
    return true;
}

static bool
corpus_settled(const void *self)
{
    const struct corpus *c = self;

    return c->n_sealing == 0 && !c->has_held;
}

static enum co_err
corpus_finish(void *self, struct co_diag *diag)
{
    struct corpus *c = self;
    struct corpus_facts facts = {.name = c->opt.name,
                                 .job = c->opt.job,
                                 .recipe_hash = c->opt.recipe_hash,
                                 .recipe = c->opt.recipe,
                                 .out_dir = c->opt.out_dir,
                                 .personas = c->personas,
                                 .sampler = c->opt.sampler};
    struct kind_money money;
    enum co_err err;

    if (c->hosted.kind->money) {
        c->hosted.kind->money(c->hosted.state, &money);
        facts.money = &money;
        facts.written = c->written;
        facts.estimate = c->opt.estimate;
    }
    err = corpus_remove_unsealed(&facts, diag);
    if (!err) err = corpus_write_manifest(&facts, diag);
    return err ? err : corpus_write_report(&facts, diag);
}

static const struct hosted corpus_functions = {
    .foresee = corpus_foresee,
    .replay = corpus_replay,
    .segment = corpus_segment,
    .turn = corpus_turn,
    .committed = corpus_committed,
    .fd = corpus_fd,
    .blob = corpus_blob,
    .settled = corpus_settled,
    .finish = corpus_finish,
};

/* ---- the files that tell about it ---- */

const char *
corpus_why_partial(const struct corpus *c)
{
    struct kind_money money = {.stop = NULL};
    struct kind_ledger ledger;

    if (c->hosted.kind->money) c->hosted.kind->money(c->hosted.state, &money);
    if (money.stop) return money.stop;
    personas_kind.ledger(c->personas, &ledger);
    if (ledger.duplicates > ledger.rejected / 2) {
        return "the candidate budget is spent: most rows said what an earlier "
               "one says (dedup: {method: none} keeps such rows)";
    }
    return "the candidate budget is spent: fewer rows than asked for fulfil "
           "the conditions";
}

void
corpus_result(struct corpus *c, struct co_buf *out)
{
    corpus_put_result(c->personas, c->opt.out_dir, out);
}
