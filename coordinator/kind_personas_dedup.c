/* kind_personas_dedup.c - which candidates say what an earlier one said.
 *
 * The front judges (count_advance), cell by cell in index order and only as
 * far as rows are still missing. So what was judged is always a prefix of the
 * candidates, and whether one is a duplicate depends on those before it and on
 * nothing else: not on the order of results, on halvings, or on which rows
 * were asked for. Judged once; a candidate whose row is lost later (a pack that
 * was given up) still counts as said before. Deciding when a result comes was
 * rejected: of two equal rows the one that happened to come later would go.
 *
 * The set is memory only. Its content is what the results of open shards give
 * again in a replay, and for sealed shards a file each: the new hashes of the
 * shard in index order (personas_seal.hashes). A shard that is opened again
 * for more rows keeps its file's hashes as the beginning of the next. */
#include "coordinator/kind_personas_core.h"

#include "common/bug.h"
#include "common/hash.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 16 }; /* hashes that are fetched before they are looked up */

/* Rows are judged while some are missing, so at most a cell too many. */
enum co_err
dedup_init(struct personas *p)
{
    if (!p->options.dedup) return CO_OK;
    return hash_set_new(p->options.rows + PERSONAS_CELL, &p->said);
}

static uint64_t
cut_to_bits(const struct personas *p, uint64_t hash)
{
    const unsigned bits = p->options.hash_bits;

    return bits ? hash & ((UINT64_C(1) << bits) - 1) : hash;
}

enum co_err
dedup_read(const struct personas *p, const struct range_result *r,
           struct texts **ret_texts)
{
    struct texts *t;

    if (!p->said) return CO_OK;
    if (r->accepted && !r->hashes) return CO_INVALID;
    t = calloc(1, sizeof *t + r->accepted * sizeof t->hashes[0]);
    if (!t) return CO_NOMEM;
    memcpy(t->bits, r->bitmap, (r->count + 7) / 8);
    t->n = r->accepted;
    for (uint32_t i = 0; i < t->n; i++) {
        t->hashes[i] = cut_to_bits(p, range_hash(r, i));
    }
    *ret_texts = t;
    return CO_OK;
}

static bool
bit(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

/* Hash k belongs to the k-th accepted candidate, row k of the frame. Keeps the
 * hashes that are new. */
static void
judge(struct personas *p, struct piece *piece)
{
    struct texts *t = piece->texts;
    uint8_t duplicates[sizeof t->bits] = {0};
    uint32_t k = 0, fresh = 0;

    for (uint32_t i = 0; i < piece->count; i++) {
        if (!bit(t->bits, i)) continue;
        if (k + AHEAD < t->n) hash_set_prefetch(p->said, t->hashes[k + AHEAD]);
        if (hash_set_add(p->said, t->hashes[k])) {
            t->hashes[fresh++] = t->hashes[k];
        } else {
            duplicates[i / 8] = (uint8_t)(duplicates[i / 8] | 1u << i % 8);
            piece->duplicates++;
            piece->r.has_duplicates |= k < piece->r.rows;
        }
        k++;
    }
    memcpy(t->bits, duplicates, sizeof t->bits);
    t->n = fresh;
    piece->judged = true;
    p->good -= co_min_u64(p->good, piece->duplicates);
    p->n.duplicates += piece->duplicates;
}

bool
dedup_judge_piece(struct personas *p, struct piece *piece)
{
    if (!p->said || piece->judged || piece->state != PIECE_PLACED) return true;
    if (hash_set_reserve(p->said, piece->texts->n)) {
        p->n.no_memory++;
        return false;
    }
    judge(p, piece);
    return true;
}

bool
dedup_judge(struct personas *p, struct cell *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (!dedup_judge_piece(p, &cell_pieces(c)[i])) return false;
    }
    return true;
}

/* -- sealed shards -------------------------------------------------------- */

static uint64_t
new_hashes(const struct personas *p, struct shard *s, uint64_t *to)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < p->cells; i++) {
        for (uint32_t k = 0; s->cells[i].drawn && k < s->cells[i].n; k++) {
            const struct piece *piece = &cell_pieces(&s->cells[i])[k];

            if (!piece->judged || !piece->texts) continue;
            if (to) {
                memcpy(to + n, piece->texts->hashes,
                       piece->texts->n * sizeof *to);
            }
            n += piece->texts->n;
        }
    }
    return n;
}

bool
dedup_seal(struct personas *p, struct shard *s)
{
    uint64_t total;
    uint64_t *grown;

    if (!p->said) return true;
    total = s->n_said + new_hashes(p, s, NULL);
    grown = realloc(s->said, (total + 1) * sizeof *grown);
    if (!grown) return false;
    s->said = grown;
    s->n_said += (uint32_t)new_hashes(p, s, grown + s->n_said);
    s->said_hash = co_hash64(s->said, s->n_said * sizeof *s->said, 0);
    return true;
}

enum co_err
dedup_load(struct personas *p, uint64_t shard,
           const struct personas_shard *entry, struct shard *tail)
{
    uint64_t *said;
    enum co_err err;

    if (!p->said || !entry->hashes || CO_BUG(sealed_texts_forgotten)) {
        return CO_OK;
    }
    if (!p->options.load) return CO_NOTFOUND;
    said = malloc(entry->hashes * sizeof *said);
    if (!said) return CO_NOMEM;
    err = p->options.load(p->options.load_self, shard, entry->hashes,
                          entry->hashes_hash, said);
    for (uint32_t i = 0; !err && i < entry->hashes; i++) {
        if (i + AHEAD < entry->hashes) {
            hash_set_prefetch(p->said, said[i + AHEAD]);
        }
        err = hash_set_reserve(p->said, 1);
        if (!err) (void)hash_set_add(p->said, said[i]);
    }
    if (err || !tail) {
        free(said);
        return err;
    }
    tail->said = said;
    tail->n_said = entry->hashes;
    return CO_OK;
}

/* -- records -------------------------------------------------------------- */

enum co_err
dedup_restore_piece(const struct personas *p, struct piece *piece,
                    const uint8_t *bits, uint32_t len)
{
    struct texts *t;

    if (!p->said) return len ? CO_DAMAGED : CO_OK;
    if (len && len != (piece->count + 7u) / 8) return CO_DAMAGED;
    t = calloc(1, sizeof *t);
    if (!t) return CO_NOMEM;
    if (len) memcpy(t->bits, bits, len);
    piece->texts = t;
    piece->judged = true;
    for (uint32_t i = 0; i < 8 * sizeof t->bits; i++) {
        if (bit(t->bits, i) && i >= piece->count) return CO_DAMAGED;
        piece->duplicates = (uint16_t)(piece->duplicates + bit(t->bits, i));
    }
    return CO_OK;
}
