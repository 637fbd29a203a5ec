/* kind_personas_core.h - inside of the personas kind; kind_personas*.c only.
 * kind_personas.c: publishing. kind_personas_task.c: ids. kind_personas_take.c:
 * results. kind_personas_grid.c: shards, cells, pieces. kind_personas_count.c:
 * what counts, sealing, checks. kind_personas_store.c: records written,
 * kind_personas_restore.c: records read. kind_personas_dedup.c: who says what
 * an earlier one said. kind_personas_asked.c: rows whose texts are asked for.
 */
#pragma once
#include "coordinator/hash_set.h"
#include "coordinator/kind_personas.h"
#include "rows/range.h"

enum piece_state {
    PIECE_IDLE,   /* not published */
    PIECE_OUT,    /* with the engine */
    PIECE_TAKEN,  /* result with the journal */
    PIECE_PLACED, /* committed */
    PIECE_DEAD,
};

enum pack_state { PACK_NONE, PACK_WANTED, PACK_OUT, PACK_TAKEN };

/* What a range result said, and where its frame is. */
struct range_info {
    uint32_t accepted, rows;
    uint64_t raw_bytes;
    uint32_t raw_crc;
    uint32_t frame_len;
    uint32_t frame_at;    /* of the frame in the payload */
    uint32_t payload_len; /* live bytes */
    uint64_t segment;     /* 0: in the shard's present file */
    uint64_t offset;      /* of the frame in segment or file */
    uint32_t record;
    bool has_duplicates; /* in its rows; known once the piece is judged */
    uint32_t deltas_len;
    uint8_t *deltas; /* owned: table, cell, n as LEB128, again and again */
};

/* What the accepted of a piece say. */
struct texts {
    uint32_t n; /* hashes: of all accepted; once judged, of the new ones */
    uint8_t bits[(PERSONAS_CELL + 7) / 8]; /* a candidate each: accepted; once
                                            * judged: duplicate */
    uint64_t hashes[];
};

struct piece {
    uint64_t start;
    uint32_t keep; /* rows that count; valid once the front has passed */
    uint16_t count;
    uint8_t depth, state, pack_state;
    struct range_info r;
    struct range_info *pack; /* PACK_TAKEN: the new frame */
    uint64_t base; /* once packed: segment of the first result, which a replay
                    * needs before the pack; 0: not packed */
    struct texts *texts; /* owned; NULL without dedup or result */
    uint16_t duplicates; /* of those accepted; 0 until judged */
    /* Of the candidates that are not accepted: given up while their texts were
     * asked for, and not asked for at all. Counted as dead and surplus. */
    uint16_t gave_up, unasked;
    bool open_ended; /* with more rows or money it would be asked for more */
    bool judged;
    bool revived; /* was dead once: the journal's order about it matters */
};

struct cell {
    struct piece whole;
    struct piece *halves; /* NULL: the cell is whole */
    uint32_t n;           /* pieces */
    bool drawn;           /* its candidates stand in the ledger */
};

struct shard {
    uint64_t number;
    uint32_t packs; /* pieces with a pack_state */
    bool reopened;
    /* Hashes of its file: when it was opened again those it had, once it is
     * named for sealing all. */
    uint64_t *said;
    uint32_t n_said;
    uint64_t said_hash;
    struct cell cells[]; /* p->cells */
};

/* Sums in candidates. */
struct sums {
    uint64_t drawn, accepted, rejected, dead, surplus;
    uint64_t duplicates; /* of the rejected */
};

struct personas {
    struct personas_options options;
    uint32_t cells;      /* a shard */
    uint64_t cell_limit; /* candidate budget in cells */

    struct personas_shard *sealed;
    uint64_t sealed_n, sealed_cap;
    struct sums base;   /* over the sealed shards */
    struct shard *tail; /* cells of the last sealed shard if it was cut */
    struct shard *open[KIND_SHARDS_MAX]; /* [i]: shard sealed_n + i, or NULL */
    uint64_t ordered; /* shards below are sealed or named for sealing */

    /* every cell below front is decided and counted in `now` */
    uint64_t front;
    uint64_t cut;    /* cell in which row N was found; UINT64_MAX: none */
    struct sums now; /* drawn is kept apart, in `drawn` */

    uint64_t drawn;         /* candidates in the ledger */
    uint64_t high;          /* every drawn cell is below */
    uint64_t cursor;        /* no idle piece below */
    uint64_t withdraw;      /* nothing to withdraw below */
    uint64_t undecided;     /* candidates drawn and neither placed nor dead */
    uint64_t decided, good; /* candidates judged, acceptable ones of them */
    uint64_t ahead;         /* good candidates behind the front's end */
    uint64_t packs_wanted;

    uint32_t table_at[PERSONAS_TABLES_MAX + 1]; /* first count of a table */
    uint32_t table_cells[PERSONAS_TABLES_MAX];
    uint64_t *audit;  /* sums over sealed shards but the tail */
    uint64_t *report; /* with the tail: personas_audit() */
    struct personas_frame *frames;
    uint32_t frames_cap;
    struct {
        uint64_t segment, bytes;
    } * freed;
    uint32_t freed_n, freed_cap;
    struct hash_set *said; /* what judged candidates say; NULL: no dedup */
    bool stopped;          /* nothing new is drawn, see kind_personas_asked.h */
    bool closed;  /* and an open-ended cell is counted: it is the last */
    bool remakes; /* see personas_remakes() */
    /* Shards, see personas_foresee(), _hold_open() and _unsealed(): below the
     * first are all that have records; records seal those below the second. */
    uint64_t foreseen, open_from, unsealed;
    bool stalled; /* the front waits for memory of that set */
    struct personas_counters n;
};

/* Candidates of a piece that its result and nobody else rejected. */
static inline uint32_t
piece_rejected(const struct piece *piece)
{
    const uint32_t good = piece->r.accepted - piece->duplicates;

    return (uint32_t)piece->count - piece->gave_up - piece->unasked - good;
}

/* -- grid */
static inline struct piece *
cell_pieces(struct cell *c)
{
    return c->halves ? c->halves : &c->whole;
}
/* The cell, or NULL when its shard is not open. */
struct cell *grid_cell(const struct personas *p, uint64_t cell);
/* The shard of a cell, opened if need be; NULL: sealed, beyond the limit, or
 * no memory. */
struct shard *grid_open(struct personas *p, uint64_t cell);
struct shard *grid_shard_new(const struct personas *p, uint64_t number);
void grid_shard_free(struct personas *p, struct shard *s, bool count_freed);
/* Forgets the cell's results; it is whole and idle again. */
void grid_cell_clear(struct personas *p, struct cell *c, uint64_t cell);
/* The piece of a task id (not of a pack), halving idle pieces on the way;
 * NULL: there is none (any more). */
struct piece *grid_piece(struct personas *p, struct cell *c, uint64_t task);
/* The piece that starts there, for a pack; NULL: none. */
struct piece *grid_start(struct cell *c, uint64_t start);
/* Halves one piece in place. False: a row alone, or no memory. */
bool grid_halve(struct cell *c, struct piece *piece, uint64_t ret_tasks[2],
                enum piece_state state);
bool grid_decided(struct cell *c);
void grid_free_bytes(struct personas *p, const struct range_info *r);

/* -- task */
/* The cell of a task id; NULL: not open. */
struct cell *task_cell(const struct personas *p, uint64_t task);
/* The shard of a task id whose cell is open. */
struct shard *task_shard(const struct personas *p, uint64_t task);
bool task_is_pack(uint64_t task);
/* A piece as it stands; no halving on the way. NULL: none. */
struct piece *task_piece(const struct personas *p, uint64_t task);
/* The piece of a task from an earlier life, its shard opened; the caller draws
 * its cell once the task proves sound. NULL: not wanted. */
struct piece *task_claim(struct personas *p, uint64_t task);
void task_draw(struct personas *p, uint64_t task);

/* -- take: see kind.h */
enum kind_take personas_take(void *kind, uint64_t task, const uint8_t *data,
                             uint32_t len);
void personas_place(void *kind, uint64_t task, int64_t now_us,
                    const struct kind_place *place);
unsigned personas_split(void *kind, uint64_t task, uint64_t ret_halves[2]);
void personas_dead(void *kind, uint64_t task);
bool personas_revive(void *kind, uint64_t task);

/* -- dedup */
co_must_use enum co_err dedup_init(struct personas *p);
/* The hashes of a result; nothing without dedup. CO_INVALID: it has none. */
co_must_use enum co_err dedup_read(const struct personas *p,
                                   const struct range_result *r,
                                   struct texts **ret_texts);
/* Finds the duplicates of a decided cell, once. False: no memory. */
bool dedup_judge(struct personas *p, struct cell *c);
bool dedup_judge_piece(struct personas *p, struct piece *piece);
/* Gathers the shard's hashes into s->said. False: no memory. */
bool dedup_seal(struct personas *p, struct shard *s);
/* Puts the hashes of a sealed shard into the set; tail (or NULL) keeps them. */
co_must_use enum co_err dedup_load(struct personas *p, uint64_t shard,
                                   const struct personas_shard *entry,
                                   struct shard *tail);
/* A judged piece as its record has it. */
co_must_use enum co_err dedup_restore_piece(const struct personas *p,
                                            struct piece *piece,
                                            const uint8_t *bits, uint32_t len);

/* -- count */
/* All rows asked for are found, or all that a stopped job will have. */
static inline bool
count_enough(const struct personas *p)
{
    return p->closed || p->now.accepted >= p->options.rows;
}
void count_draw(struct personas *p, struct cell *c, uint64_t cell);
/* Undoes count_draw() for a cell; its pieces are cleared. */
void count_undraw(struct personas *p, struct cell *c, uint64_t cell);
/* A piece was placed or died: moves the front. */
void count_decided(struct personas *p, struct piece *piece);
void count_advance(struct personas *p);
/* Counts the open shards again, from the sealed ones on. */
void count_again(struct personas *p);
/* All that will be drawn is decided, counted and packed. */
bool count_final(const struct personas *p);
void count_pack_state(struct personas *p, struct shard *s, struct piece *piece,
                      enum pack_state state);
/* Sums of one shard's counted cells. */
struct sums count_shard(const struct personas *p, struct shard *s);
/* Whether a later run with more rows has to go on inside this shard. */
bool count_is_tail(const struct personas *p, struct shard *s);
/* Adds deltas to sums[table_at[table] + cell]. False: malformed. */
bool count_deltas(const struct personas *p, const uint8_t *deltas, uint32_t len,
                  uint64_t *sums);

enum kind_state personas_done(const void *kind);
void personas_ledger(const void *kind, struct kind_ledger *ret_ledger);
const char *personas_check(const void *kind);
/* LEB128 of one value. */
void personas_leb(struct co_buf *out, uint64_t value);

/* -- restore */
/* Opens the cut shard behind the sealed ones again. False: there is none. */
bool restore_reopen(struct personas *p);

/* -- store */
enum { STORE_VERSION = 2, STORE_ENTRY_VALUES = 12, STORE_PIECE_VALUES = 11 };
/* Room for that many sealed shards in all. */
co_must_use enum co_err store_reserve(struct personas *p, uint64_t entries);
/* The next shard is sealed: adds its entry to the base sums. */
co_must_use enum co_err store_push(struct personas *p,
                                   const struct personas_shard *entry);
/* The last sealed shard is open again. */
void store_pop(struct personas *p);
/* After a push: open[0] is the next shard again. Returns the old first. */
struct shard *store_shift(struct personas *p);
