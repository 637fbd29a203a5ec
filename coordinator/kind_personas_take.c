/* kind_personas_take.c - results: judged, placed, given up. */
#include "coordinator/kind_personas_core.h"

#include <stdlib.h>

void
personas_leb(struct co_buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    do {
        bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    co_buf_append(out, bytes, n);
}

/* Keeps the deltas as LEB128: a third of their size in memory. Each table
 * must count every row once, if it counts any. */
static enum kind_take
keep_deltas(struct personas *p, const struct range_result *r,
            struct range_info *info)
{
    uint64_t counted[PERSONAS_TABLES_MAX] = {0};
    struct co_buf buf;

    co_buf_init(&buf, 1 << 24);
    for (size_t i = 0; i < r->n_deltas; i++) {
        const struct audit_delta *d = &r->deltas[i];

        if (d->table >= p->options.tables ||
            d->cell >= p->table_cells[d->table]) {
            break;
        }
        counted[d->table] += d->n;
        personas_leb(&buf, d->table);
        personas_leb(&buf, d->cell);
        personas_leb(&buf, d->n);
        if (counted[d->table] > audit_sum_max(d->table, r->rows)) break;
        if (i + 1 == r->n_deltas) info->deltas_len = (uint32_t)buf.len;
    }
    if (buf.err || (r->n_deltas && !info->deltas_len)) {
        co_buf_fini(&buf);
        p->n.invalid_audit++;
        return KIND_INVALID;
    }
    info->deltas = buf.data; /* NULL when there are none */
    return KIND_ACCEPTED;
}

/* Reads a result into info. Any number of rows up to those accepted will do:
 * what an earlier life asked for is not known; a pack puts it right. */
static enum kind_take
read_result(struct personas *p, const struct piece *piece, const uint8_t *data,
            uint32_t len, struct range_info *info, struct texts **ret_texts)
{
    struct range_result r;
    enum kind_take verdict = KIND_INVALID;

    *info = (struct range_info){.payload_len = len};
    if (range_decode(data, len, &r) != CO_OK) {
        p->n.invalid_shape++;
        return KIND_INVALID;
    }
    if (r.start != piece->start || r.count != piece->count ||
        r.drawn != r.count) {
        p->n.invalid_range++;
    } else if (r.accepted > r.count || r.rows > r.accepted ||
               (r.rows && !r.frame_bytes)) {
        p->n.invalid_counts++;
    } else if (ret_texts && dedup_read(p, &r, ret_texts)) {
        p->n.invalid_hashes++;
    } else {
        info->accepted = r.accepted;
        info->rows = r.rows;
        info->raw_bytes = r.raw_bytes;
        info->raw_crc = r.raw_crc32;
        info->frame_len = (uint32_t)r.frame_bytes;
        info->frame_at = r.frame_bytes ? (uint32_t)(r.frame - data) : 0;
        verdict = keep_deltas(p, &r, info);
        if (verdict != KIND_ACCEPTED && ret_texts) {
            free(*ret_texts);
            *ret_texts = NULL;
        }
    }
    range_result_fini(&r);
    return verdict;
}

static enum kind_take
take_pack(struct personas *p, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct piece *piece = task_piece(p, task);
    struct range_info *info;
    enum kind_take verdict;

    if (!piece) return KIND_LATE;
    if (piece->pack_state != PACK_WANTED && piece->pack_state != PACK_OUT) {
        return KIND_DUPLICATE;
    }
    info = malloc(sizeof(*info));
    if (!info) return KIND_INVALID; /* as good as lost: asked for again */
    verdict = read_result(p, piece, data, len, info, NULL);
    if (verdict == KIND_ACCEPTED &&
        (info->accepted != piece->r.accepted || info->rows != piece->keep)) {
        free(info->deltas);
        p->n.invalid_counts++;
        verdict = KIND_INVALID;
    }
    if (verdict != KIND_ACCEPTED) {
        free(info);
        return verdict;
    }
    piece->pack = info;
    count_pack_state(p, task_shard(p, task), piece, PACK_TAKEN);
    return KIND_ACCEPTED;
}

enum kind_take
personas_take(void *kind, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct personas *p = kind;
    const uint64_t cell = (task >> 8) / PERSONAS_CELL;
    enum kind_take verdict;
    struct range_info info;
    struct texts *texts = NULL;
    struct piece *piece;

    if (cell < p->sealed_n * p->cells) return KIND_DUPLICATE;
    if (task_is_pack(task)) return take_pack(p, task, data, len);
    piece = task_claim(p, task);
    if (!piece) return KIND_LATE;
    if (piece->state > PIECE_OUT) return KIND_DUPLICATE;
    verdict = read_result(p, piece, data, len, &info, &texts);
    if (verdict != KIND_ACCEPTED) return verdict;
    task_draw(p, task);
    piece->r = info;
    piece->texts = texts;
    piece->state = PIECE_TAKEN;
    return KIND_ACCEPTED;
}

static void
set_place(struct range_info *r, const struct kind_place *place)
{
    r->segment = place->segment;
    r->record = place->record;
    r->payload_len = place->len;
    r->offset = (uint64_t)place->record + place->inside + r->frame_at;
}

static void
place_pack(struct personas *p, uint64_t task, struct piece *piece,
           const struct kind_place *place)
{
    if (piece->pack_state != PACK_TAKEN) { /* copied to another segment */
        if (piece->state == PIECE_PLACED) set_place(&piece->r, place);
        return;
    }
    grid_free_bytes(p, &piece->r);
    if (!piece->base) piece->base = piece->r.segment;
    free(piece->r.deltas);
    piece->r = *piece->pack;
    free(piece->pack);
    piece->pack = NULL;
    set_place(&piece->r, place);
    count_pack_state(p, task_shard(p, task), piece, PACK_NONE);
    if (piece->keep && piece->keep != piece->r.rows) {
        count_pack_state(p, task_shard(p, task), piece, PACK_WANTED);
    }
}

void
personas_place(void *kind, uint64_t task, int64_t now_us,
               const struct kind_place *place)
{
    struct personas *p = kind;
    struct piece *piece = task_piece(p, task);

    (void)now_us;
    if (!piece) return; /* sealed since: its bytes are in the file */
    if (task_is_pack(task)) {
        place_pack(p, task, piece, place);
        return;
    }
    if (piece->state == PIECE_PLACED) {
        set_place(&piece->r, place);
        return;
    }
    if (piece->state != PIECE_TAKEN) return;
    set_place(&piece->r, place);
    piece->state = PIECE_PLACED;
    p->n.cells++;
    count_decided(p, piece);
}

unsigned
personas_split(void *kind, uint64_t task, uint64_t ret_halves[2])
{
    struct personas *p = kind;
    struct piece *piece = task_piece(p, task);

    if (!piece || task_is_pack(task) || piece->state != PIECE_OUT) return 0;
    if (!grid_halve(task_cell(p, task), piece, ret_halves, PIECE_OUT)) return 0;
    p->n.splits++;
    return 2;
}

/* The frame cannot be cut to size, so that none of its rows can be written. */
static void
dead_pack(struct personas *p, uint64_t task)
{
    struct piece *piece = task_piece(p, task);

    if (!piece || !piece->pack_state) return;
    grid_free_bytes(p, &piece->r);
    free(piece->r.deltas);
    p->good -= co_min_u64(p->good, piece->r.accepted - piece->duplicates);
    piece->r = (struct range_info){0};
    piece->duplicates = 0;
    count_pack_state(p, task_shard(p, task), piece, PACK_NONE);
    piece->state = PIECE_DEAD;
    p->n.packs_dead++;
    count_again(p); /* rows further on count instead */
}

/* The piece of a dead task in an open shard, or in the cut one behind the
 * sealed, which is opened for it. */
static struct piece *
find_dead(struct personas *p, uint64_t task)
{
    const uint64_t shard = (task >> 8) / p->options.shard_rows;
    struct cell *c;
    struct piece *piece;

    if (task_is_pack(task) || task >> 8 >= p->high * PERSONAS_CELL) return NULL;
    if (shard + 1 == p->sealed_n && p->tail) {
        c = &p->tail->cells[(task >> 8) / PERSONAS_CELL % p->cells];
        piece = grid_start(c, task >> 8);
        if (!piece || piece->state != PIECE_DEAD || !restore_reopen(p)) {
            return NULL;
        }
    }
    c = grid_cell(p, (task >> 8) / PERSONAS_CELL);
    piece = c ? grid_start(c, task >> 8) : NULL;
    return piece && piece->state == PIECE_DEAD ? piece : NULL;
}

bool
personas_revive(void *kind, uint64_t task)
{
    struct personas *p = kind;
    struct piece *piece = find_dead(p, task);

    if (!piece || piece->depth != (uint8_t)task) return false;
    p->decided -= co_min_u64(p->decided, piece->count);
    piece->state = PIECE_IDLE;
    piece->revived = true;
    /* A record gave the dead piece texts, judged and empty: its own are not. */
    free(piece->texts);
    piece->texts = NULL;
    piece->judged = false;
    count_again(p);
    return true;
}

void
personas_dead(void *kind, uint64_t task)
{
    struct personas *p = kind;
    struct piece *piece;

    if (task_is_pack(task)) {
        dead_pack(p, task);
        return;
    }
    piece = task_claim(p, task);
    if (!piece || piece->state > PIECE_OUT) return;
    task_draw(p, task);
    piece->state = PIECE_DEAD;
    count_decided(p, piece);
}
