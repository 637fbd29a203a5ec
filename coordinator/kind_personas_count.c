/* kind_personas_count.c - what counts, and when a shard may be sealed.
 * The front moves over decided cells in index order and is the only place
 * where candidates become accepted, rejected, dead or surplus: so `accepted`
 * never exceeds N, and does not depend on the order of results. Counting
 * cells as they come was rejected: with holes in front nobody knows which of
 * them are surplus. */
#include "common/bug.h"
#include "coordinator/kind_personas_core.h"

#include <stdlib.h>
#include <string.h>

/* -- drawing -------------------------------------------------------------- */

void
count_draw(struct personas *p, struct cell *c, uint64_t cell)
{
    if (c->drawn) return;
    c->drawn = true;
    p->drawn += PERSONAS_CELL;
    p->undecided += PERSONAS_CELL;
    if (p->high <= cell) p->high = cell + 1;
}

void
count_pack_state(struct personas *p, struct shard *s, struct piece *piece,
                 enum pack_state state)
{
    if (piece->pack_state == PACK_WANTED) p->packs_wanted--;
    if (piece->pack_state) s->packs--;
    piece->pack_state = (uint8_t)state;
    if (state == PACK_WANTED) p->packs_wanted++;
    if (state) s->packs++;
}

void
count_undraw(struct personas *p, struct cell *c, uint64_t cell)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct piece *piece = &cell_pieces(c)[i];

        if (piece->state < PIECE_PLACED) {
            p->undecided -= piece->count;
        } else if (piece->state == PIECE_PLACED) {
            p->ahead -= piece->r.accepted;
        }
        count_pack_state(p, p->open[cell / p->cells - p->sealed_n], piece,
                         PACK_NONE);
    }
    c->drawn = false;
    p->drawn -= PERSONAS_CELL;
    p->n.withdrawn += PERSONAS_CELL;
    grid_cell_clear(p, c, cell);
}

/* -- the front ------------------------------------------------------------ */

static void
count_piece(struct personas *p, struct shard *s, struct piece *piece)
{
    const uint32_t good = piece->r.accepted - piece->duplicates;
    uint32_t keep;

    if (piece->state == PIECE_DEAD) {
        p->now.dead += piece->count;
        piece->keep = 0;
        return;
    }
    keep = p->closed
               ? 0
               : (uint32_t)co_min_u64(good, p->options.rows - p->now.accepted +
                                                CO_BUG(cut_off_by_one));
    p->now.accepted += keep;
    p->now.surplus += good - keep + piece->unasked;
    p->now.dead += piece->gave_up;
    p->now.rejected += piece_rejected(piece);
    p->now.duplicates += piece->duplicates;
    p->ahead -= piece->r.accepted;
    piece->keep = keep;
    if (keep && (keep != piece->r.rows || piece->r.has_duplicates)) {
        if (!piece->pack_state) count_pack_state(p, s, piece, PACK_WANTED);
    } else if (piece->pack_state == PACK_WANTED) {
        count_pack_state(p, s, piece, PACK_NONE);
    }
}

static bool
is_open_ended(struct cell *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (cell_pieces(c)[i].open_ended) return true;
    }
    return false;
}

/* Counts the drawn cell at the front. False: it is not decided yet, or memory
 * is short. */
static bool
count_cell(struct personas *p, struct cell *c)
{
    struct shard *s = p->open[p->front / p->cells - p->sealed_n];
    const bool before = !count_enough(p);

    if (!grid_decided(c)) return false;
    /* rows beyond the last are not compared: a later run with more rows
     * begins where this one stopped */
    p->stalled = before && !dedup_judge(p, c);
    if (p->stalled) return false;
    for (uint32_t i = 0; i < c->n; i++) {
        count_piece(p, s, &cell_pieces(c)[i]);
    }
    if (before && p->stopped && is_open_ended(c)) p->closed = true;
    if (before && count_enough(p)) {
        p->cut = p->front;
        p->withdraw = p->front + 1;
    }
    return true;
}

void
count_advance(struct personas *p)
{
    while (p->front < p->high) {
        struct cell *c = grid_cell(p, p->front);

        if (!c || (!c->drawn && !count_enough(p))) break;
        if (c->drawn && !count_cell(p, c)) break;
        p->front++;
    }
}

void
count_decided(struct personas *p, struct piece *piece)
{
    p->undecided -= piece->count;
    p->decided += piece->count - piece->unasked;
    if (piece->state == PIECE_PLACED) {
        p->good += piece->r.accepted;
        p->ahead += piece->r.accepted;
    }
    if (CO_BUG(dedup_on_arrival)) (void)dedup_judge_piece(p, piece);
    p->withdraw = p->front;
    count_advance(p);
}

static void
count_again_cell(struct personas *p, struct shard *s, struct cell *c)
{
    p->drawn += PERSONAS_CELL;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct piece *piece = &cell_pieces(c)[i];

        if (piece->state < PIECE_PLACED) p->undecided += piece->count;
        if (piece->state == PIECE_PLACED) p->ahead += piece->r.accepted;
        if (piece->pack_state) s->packs++;
        if (piece->pack_state == PACK_WANTED) p->packs_wanted++;
    }
}

void
count_again(struct personas *p)
{
    p->front = p->cursor = p->withdraw = p->sealed_n * p->cells;
    p->now = p->base;
    p->cut = UINT64_MAX;
    p->closed = false;
    p->drawn = p->base.drawn;
    p->undecided = p->ahead = p->packs_wanted = 0;
    for (uint32_t i = 0; i < KIND_SHARDS_MAX && p->open[i]; i++) {
        p->open[i]->packs = 0;
    }
    if (p->high < p->front) p->high = p->front;
    for (uint64_t at = p->front; at < p->high; at++) {
        struct cell *c = grid_cell(p, at);

        if (!c || !c->drawn) continue;
        count_again_cell(p, p->open[at / p->cells - p->sealed_n], c);
    }
    count_advance(p);
}

/* -- sealing -------------------------------------------------------------- */

bool
count_final(const struct personas *p)
{
    if (p->now.accepted < p->options.rows &&
        (p->high < p->cell_limit || p->front < p->high)) {
        return false;
    }
    if (p->front < p->high) return false;
    for (uint32_t i = 0; i < KIND_SHARDS_MAX && p->open[i]; i++) {
        if (p->open[i]->packs) return false;
    }
    return true;
}

struct sums
count_shard(const struct personas *p, struct shard *s)
{
    struct sums sum = {0};

    for (uint32_t i = 0; i < p->cells; i++) {
        struct cell *c = &s->cells[i];

        if (!c->drawn) continue;
        sum.drawn += PERSONAS_CELL;
        for (uint32_t k = 0; k < c->n; k++) {
            const struct piece *piece = &cell_pieces(c)[k];
            const uint32_t good = piece->r.accepted - piece->duplicates;

            if (piece->state == PIECE_DEAD) {
                sum.dead += piece->count;
                continue;
            }
            sum.accepted += piece->keep;
            sum.surplus += good - piece->keep + piece->unasked;
            sum.dead += piece->gave_up;
            sum.rejected += piece_rejected(piece);
            sum.duplicates += piece->duplicates;
        }
    }
    return sum;
}

/* The last one: what is behind the row where it was cut, or was not asked for,
 * may be a row in a later run. Candidates that an earlier shard passed over are
 * not. */
bool
count_is_tail(const struct personas *p, struct shard *s)
{
    const bool has_cut = p->cut != UINT64_MAX && p->cut / p->cells == s->number;
    const struct sums sum = count_shard(p, s);

    if (sum.drawn < p->options.shard_rows) return true;
    return has_cut && (sum.surplus || p->closed);
}

/* Shards that will have a file when all is over. */
static uint64_t
shards_needed(const struct personas *p)
{
    if (p->cut != UINT64_MAX) return p->cut / p->cells + 1;
    if (p->now.accepted == p->options.rows) return p->sealed_n;
    return (p->high + p->cells - 1) / p->cells;
}

static bool
shard_ready(const struct personas *p, uint64_t number)
{
    const struct shard *s = p->open[number - p->sealed_n];
    bool has_cut = p->cut != UINT64_MAX && p->cut / p->cells == number;

    if (!s || number >= shards_needed(p) || s->packs) return false;
    if (count_final(p)) return true;
    return !has_cut && p->front >= (number + 1) * p->cells;
}

static bool
frames_reserve(struct personas *p, const struct shard *s)
{
    uint32_t n = 0;
    struct personas_frame *grown;

    for (uint32_t i = 0; i < p->cells; i++) {
        n += s->cells[i].n;
    }
    if (n <= p->frames_cap) return true;
    grown = realloc(p->frames, n * sizeof(*grown));
    if (!grown) return false;
    p->frames = grown;
    p->frames_cap = n;
    return true;
}

static void
seal_add(struct personas *p, struct personas_seal *seal, const struct piece *k)
{
    if (k->state != PIECE_PLACED || !k->keep) return;
    co_assert(k->keep == k->r.rows && !k->r.has_duplicates);
    p->frames[seal->count++] = (struct personas_frame){
        .segment = k->r.segment,
        .offset = k->r.offset,
        .len = k->r.frame_len,
        .rows = k->r.rows,
        .raw_bytes = k->r.raw_bytes,
        .raw_crc = k->r.raw_crc,
        .record = k->r.record,
    };
    seal->rows += k->r.rows;
    seal->raw_bytes += k->r.raw_bytes;
    seal->bytes += k->r.frame_len;
}

bool
personas_next_seal(struct personas *p, struct personas_seal *ret_seal)
{
    struct personas_seal seal = {.shard = p->ordered};
    struct shard *s;

    if (p->ordered - p->sealed_n >= KIND_SHARDS_MAX) return false;
    if (!shard_ready(p, p->ordered)) return false;
    s = p->open[p->ordered - p->sealed_n];
    if (!frames_reserve(p, s) || store_reserve(p, p->ordered + 1) != CO_OK ||
        !dedup_seal(p, s)) {
        return false; /* no memory: asked again next turn */
    }
    for (uint32_t i = 0; i < p->cells; i++) {
        for (uint32_t k = 0; s->cells[i].drawn && k < s->cells[i].n; k++) {
            seal_add(p, &seal, &cell_pieces(&s->cells[i])[k]);
        }
    }
    seal.frames = p->frames;
    seal.reopened = s->reopened;
    seal.hashes = s->said;
    seal.n_hashes = s->n_said;
    p->ordered++;
    *ret_seal = seal;
    return true;
}

/* -- audit ---------------------------------------------------------------- */

static uint64_t
leb_get(const uint8_t **at, const uint8_t *end, bool *bad)
{
    uint64_t value = 0;

    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    *bad = true;
    return 0;
}

bool
count_deltas(const struct personas *p, const uint8_t *deltas, uint32_t len,
             uint64_t *sums)
{
    const uint8_t *at = deltas, *end = deltas + len;
    bool bad = false;

    while (len && at < end && !bad) {
        uint64_t table = leb_get(&at, end, &bad);
        uint64_t cell = leb_get(&at, end, &bad);
        uint64_t n = leb_get(&at, end, &bad);

        if (bad || table >= p->options.tables ||
            cell >= p->table_cells[table]) {
            return false;
        }
        sums[p->table_at[table] + cell] += n;
    }
    return !bad;
}

/* -- questions ------------------------------------------------------------ */

static enum kind_state
count_done(const struct personas *p)
{
    if (!count_final(p) || p->sealed_n < shards_needed(p)) return KIND_RUNNING;
    return p->now.accepted == p->options.rows ? KIND_DONE : KIND_PARTIAL;
}

enum kind_state
personas_done(const void *kind)
{
    return count_done(kind);
}

void
personas_ledger(const void *kind, struct kind_ledger *ret_ledger)
{
    const struct personas *p = kind;
    const struct sums *s = &p->now;

    *ret_ledger = (struct kind_ledger){
        .requested = p->options.rows,
        .drawn = p->drawn,
        .accepted = s->accepted,
        .rejected = s->rejected,
        .dead = s->dead,
        .surplus = s->surplus,
        .pending = p->drawn - s->accepted - s->rejected - s->dead - s->surplus,
        .duplicates = s->duplicates,
    };
}

/* Sums of everything once more, by another way than the front's. */
struct recount {
    uint64_t drawn, undecided, ahead, counted, packs_wanted;
};

static void
recount_cell(struct personas *p, uint64_t at, struct recount *r)
{
    struct cell *c = grid_cell(p, at);

    if (!c || !c->drawn) return;
    r->drawn += PERSONAS_CELL;
    if (at < p->front) r->counted += PERSONAS_CELL;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct piece *k = &cell_pieces(c)[i];

        if (k->state < PIECE_PLACED) r->undecided += k->count;
        if (k->state == PIECE_PLACED && at >= p->front) {
            r->ahead += k->r.accepted;
        }
        if (k->pack_state == PACK_WANTED) r->packs_wanted++;
    }
}

const char *
personas_check(const void *kind)
{
    /* reads only; grid_cell() hands out writable cells */
    struct personas *p = (struct personas *)(uintptr_t)kind;
    struct recount r = {.drawn = p->base.drawn, .counted = p->base.drawn};
    const struct sums *s = &p->now;

    for (uint64_t at = p->sealed_n * p->cells; at < p->high; at++) {
        recount_cell(p, at, &r);
    }
    if (r.drawn != p->drawn) return "drawn candidates are miscounted";
    if (r.undecided != p->undecided) return "undecided ones are miscounted";
    if (r.ahead != p->ahead) return "good ones ahead are miscounted";
    if (r.packs_wanted != p->packs_wanted) return "packs are miscounted";
    if (r.counted != s->accepted + s->rejected + s->dead + s->surplus) {
        return "the ledger is not what the front has passed";
    }
    if (p->undecided > KIND_UNDECIDED_MAX + PERSONAS_CELL) {
        return "too many candidates are undecided";
    }
    if (s->accepted > p->options.rows) return "more rows than asked for";
    if (p->ordered < p->sealed_n) return "a shard was sealed unasked";
    if (s->duplicates > s->rejected) return "duplicates are miscounted";
    return NULL;
}
