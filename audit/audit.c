/* audit.c - see audit.h. Each table remembers which cells were counted in:
 * a range of 250 rows touches few of some ten thousand cells, and neither
 * clearing nor collecting should walk them all. */
#include "audit/audit.h"

#include <stdlib.h>

struct counts {
    uint64_t *n;
    uint32_t *touched;
    uint32_t cells, touched_n;
};

struct audit {
    struct joints joints;
    struct rules *rules;
    struct counts tables[AUDIT_TABLE_COUNT];
    struct lags_block block;
    bool sampled;
};

static uint32_t
cells_of(const struct joints *j, uint32_t table)
{
    if (table == AUDIT_RULES) return RULE_COUNT;
    if (table == AUDIT_MARGINS) return LAGS_MARGIN_CELLS;
    if (table == AUDIT_LAGS) return LAGS_SUM_CELLS;
    return j->cells[table - AUDIT_JOINTS];
}

static enum co_err
counts_init(struct counts *c, uint32_t cells)
{
    size_t room = cells ? cells : 1; /* a joint may have no cells here */

    c->cells = cells;
    c->n = calloc(room, sizeof *c->n);
    c->touched = calloc(room, sizeof *c->touched);
    return c->n && c->touched ? CO_OK : CO_NOMEM;
}

enum co_err
audit_new(const struct model *m, struct audit **ret_audit)
{
    co_auto(audit_freep) struct audit *a = calloc(1, sizeof *a);
    enum co_err err;

    if (!a) return CO_NOMEM;
    joints_init(&a->joints, m);
    err = rules_new(m, &a->rules);
    for (uint32_t t = 0; t < AUDIT_TABLE_COUNT && !err; t++) {
        err = counts_init(&a->tables[t], cells_of(&a->joints, t));
    }
    if (err) return err;
    *ret_audit = co_take(&a);
    return CO_OK;
}

void
audit_free(struct audit *a)
{
    if (!a) return;
    for (size_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        free(a->tables[t].n);
        free(a->tables[t].touched);
    }
    rules_free(a->rules);
    free(a);
}

/* --- counting ---------------------------------------------------------- */

static inline void
bump(struct counts *c, uint32_t cell, uint64_t n)
{
    if (c->n[cell] == 0 && n) c->touched[c->touched_n++] = cell;
    c->n[cell] += n;
}

void
audit_begin(struct audit *a, uint64_t first)
{
    a->sampled = lags_sampled(first);
    a->block.rows = 0;
}

static void
count_rules(struct audit *a, const struct person *p)
{
    uint64_t broken = rules_broken(a->rules, p);

    while (broken) {
        bump(&a->tables[AUDIT_RULES], (uint32_t)__builtin_ctzll(broken), 1);
        broken &= broken - 1;
    }
}

void
audit_count(struct audit *a, const struct person *p)
{
    uint32_t cells[JOINT_COUNT];

    joints_place(&a->joints, p, cells);
    for (unsigned id = 0; id < a->joints.used; id++) {
        if (cells[id] == JOINT_NO_CELL) continue;
        bump(&a->tables[AUDIT_JOINTS + id], cells[id], 1);
    }
    count_rules(a, p);
    if (a->sampled) lags_add(&a->block, a->joints.m, p);
}

static void
count_block(struct audit *a, unsigned column)
{
    const struct lags_block *b = &a->block;

    for (uint32_t i = 0; i < b->rows; i++) {
        bump(&a->tables[AUDIT_MARGINS],
             column * LAGS_CODES + b->code[column][i], 1);
    }
    for (unsigned lag = 1; lag <= LAGS_MAX; lag++) {
        bump(&a->tables[AUDIT_LAGS], column * LAGS_MAX + lag - 1,
             lags_sum(b, (enum attribute_id)column, lag));
    }
}

void
audit_end(struct audit *a)
{
    if (a->sampled && lags_close(&a->block)) {
        for (unsigned column = 0; column < ATTR_COUNT; column++) {
            count_block(a, column);
        }
    }
    a->sampled = false;
    a->block.rows = 0;
}

void
audit_clear(struct audit *a)
{
    for (size_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        struct counts *c = &a->tables[t];

        for (uint32_t i = 0; i < c->touched_n; i++) {
            c->n[c->touched[i]] = 0;
        }
        c->touched_n = 0;
    }
    a->sampled = false;
    a->block.rows = 0;
}

/* --- reading and adding ------------------------------------------------ */

const struct joints *
audit_joints(const struct audit *a)
{
    return &a->joints;
}

uint32_t
audit_cells(const struct audit *a, uint32_t table)
{
    return table < AUDIT_TABLE_COUNT ? a->tables[table].cells : 0;
}

const uint64_t *
audit_counts(const struct audit *a, uint32_t table)
{
    return table < AUDIT_TABLE_COUNT ? a->tables[table].n : NULL;
}

uint64_t
audit_get(const struct audit *a, uint32_t table, uint32_t cell)
{
    return cell < audit_cells(a, table) ? a->tables[table].n[cell] : 0;
}

const uint32_t *
audit_touched(const struct audit *a, uint32_t table, uint32_t *ret_n)
{
    co_assert(table < AUDIT_TABLE_COUNT);
    *ret_n = a->tables[table].touched_n;
    return a->tables[table].touched;
}

enum co_err
audit_add(struct audit *a, const struct audit_delta *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (d[i].cell >= audit_cells(a, d[i].table)) return CO_RANGE;
    }
    for (size_t i = 0; i < n; i++) {
        bump(&a->tables[d[i].table], d[i].cell, d[i].n);
    }
    return CO_OK;
}

uint64_t
audit_sum_max(uint32_t table, uint32_t rows)
{
    const uint64_t sampled = rows < LAGS_ROWS ? rows : LAGS_ROWS;

    if (table == AUDIT_RULES) return (uint64_t)rows * RULE_COUNT;
    if (table == AUDIT_MARGINS) return sampled * ATTR_COUNT;
    if (table == AUDIT_LAGS) return sampled * LAGS_SUM_CELLS * LAGS_PRODUCT_MAX;
    return rows;
}
