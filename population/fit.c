/* fit.c - the main joint, fitted to a user's margins (see tables.h).
 * Iterative proportional fitting (Deming and Stephan, Annals of Mathematical
 * Statistics 11, 1940): each table in turn multiplies the cells of a row by
 * what the row should have over what it has, until all agree. What no table
 * speaks of keeps the base's ratios. In fixed point: a cell counts people in
 * 2^-18 or so, ratios have 40 binary digits, sums are exact. */
#include "population/tables.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum {
    WORK_BITS = 46,  /* of all people while fitting */
    JOINT_BITS = 31, /* and in the result */
    RATIO_BITS = 40,
    ROUNDS_MAX = 200,
    PASSES_MAX = 1000, /* rounds times tables: half a second; see rounds_of() */
    GOOD_BITS = 24,    /* done when less than 2^-24 of people are misplaced */
    BAD_BITS = 14,     /* contradictory when more than 2^-14 are at the end */
};

/* One table while fitting. */
struct margin {
    const struct user_table *t;
    uint32_t *row_of;           /* [cell of the joint]: 1 + row, 0 = none */
    uint32_t *group;            /* [row]: number of its given part */
    uint64_t *has;              /* [row]: people now */
    wide *ratio;                /* [row]: times 2^RATIO_BITS */
    uint64_t *people, *weights; /* [group]: sums over its rows */
};

struct fit {
    const struct model *m;
    struct margin *margins;
    uint32_t n_margins;
    uint64_t *w; /* [cell] */
    size_t cells;
    uint8_t age[MODEL_RACES * MODEL_AGES], race[MODEL_RACES * MODEL_AGES];
};

static void
fit_fini(struct fit *f)
{
    for (uint32_t i = 0; i < f->n_margins; i++) {
        struct margin *g = &f->margins[i];

        free(g->row_of);
        free(g->group);
        free(g->has);
        free(g->ratio);
        free(g->people);
        free(g->weights);
    }
    free(f->margins);
    free(f->w);
}

/* The order of the model's joint, as in sampler_build.c. */
static void
find_slots(struct fit *f)
{
    uint32_t n = 0, races = f->m->joint_slots / MODEL_AGES;

    for (size_t g = 0; g < f->m->age_group_count; g++) {
        for (uint32_t r = 0; r < races; r++) {
            for (uint32_t a = f->m->age_groups[2 * g];
                 a <= f->m->age_groups[2 * g + 1]; a++, n++) {
                f->age[n] = (uint8_t)a;
                f->race[n] = (uint8_t)r;
            }
        }
    }
    co_assert(n == f->m->joint_slots);
}

/* Value of a cell for a root attribute. */
static uint32_t
cell_value(const struct fit *f, size_t cell, enum attribute_id id)
{
    size_t row = cell / f->m->joint_slots, slot = cell % f->m->joint_slots;

    if (id == ATTR_AGE) return f->age[slot];
    if (id == ATTR_RACE) return f->race[slot];
    if (id == ATTR_SEX) return row % MODEL_SEXES;
    if (id == ATTR_COUNTRY && !f->m->world) return 0;
    return (uint32_t)(row / MODEL_SEXES);
}

/* Marks combinations of values, ages one by one, with their row. */
static enum co_err
mark_rows(const struct fit *f, const struct user_table *t, uint32_t *row_of,
          struct co_diag *diag)
{
    uint32_t stride = table_stride(t);

    for (uint32_t r = 0; r < t->n_rows; r++) {
        uint32_t age = 0, last = 0;

        do {
            const uint32_t *at = t->rows + (size_t)r * stride;
            size_t cell = 0;

            for (uint32_t k = 0; k < t->n_keys; k++) {
                uint32_t v = *at++;

                if (t->keys[k] == ATTR_AGE) {
                    last = *at++;
                    if (age < v) age = v;
                    v = age;
                }
                cell = cell * attribute_values(f->m, t->keys[k]) + v;
            }
            if (row_of[cell]) {
                return table_fail(t, r, diag, CO_INVALID,
                                  "these people have a row already (do the "
                                  "bands of ages overlap?)");
            }
            row_of[cell] = r + 1;
        } while (age++ < last);
    }
    return CO_OK;
}

/* Whoever is spoken of within a given part must be spoken of in full: a state
 * that was forgotten would otherwise keep people whom nobody asked for. */
static enum co_err
check_whole(const struct fit *f, const struct user_table *t,
            const uint32_t *row_of, uint32_t combinations, struct co_diag *diag)
{
    uint32_t fitted = 1;

    for (uint32_t k = t->n_given; k < t->n_keys; k++) {
        fitted *= attribute_values(f->m, t->keys[k]);
    }
    for (uint32_t from = 0; from < combinations; from += fitted) {
        uint32_t known = 0, row = 0;

        for (uint32_t i = 0; i < fitted; i++) {
            known += row_of[from + i] != 0;
            if (row_of[from + i]) row = row_of[from + i] - 1;
        }
        if (known == 0 || known == fitted) continue;
        return table_fail(t, row, diag, CO_INVALID,
                          "%s: beside this row %u of %u values (or ages) have "
                          "none; give every one a row, with the weight 0 for "
                          "nobody",
                          t->name, fitted - known, fitted);
    }
    return CO_OK;
}

static uint32_t
given_ints(const struct user_table *t)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < t->n_given; k++) {
        n += t->keys[k] == ATTR_AGE ? 2 : 1;
    }
    return n;
}

/* Rows are sorted, so equal given parts are neighbours. */
static enum co_err
find_groups(struct margin *g, struct co_diag *diag)
{
    const struct user_table *t = g->t;
    uint32_t stride = table_stride(t);
    size_t given = given_ints(t) * sizeof(uint32_t);

    for (uint32_t r = 0; r < t->n_rows; r++) {
        const uint32_t *row = t->rows + (size_t)r * stride;

        g->group[r] = 0;
        if (r) {
            g->group[r] =
                g->group[r - 1] + (memcmp(row - stride, row, given) != 0);
        }
        g->weights[g->group[r]] += row[stride - 1];
    }
    for (uint32_t r = 0; r < t->n_rows; r++) {
        if (g->weights[g->group[r]]) continue;
        return table_fail(t, r, diag, CO_INVALID,
                          "all weights are 0; somebody must be left");
    }
    return CO_OK;
}

static enum co_err
margin_rows(const struct fit *f, struct margin *g, struct co_diag *diag)
{
    uint32_t combinations = 1;
    uint32_t *row_of;
    enum co_err err;

    for (uint32_t k = 0; k < g->t->n_keys; k++) {
        combinations *= attribute_values(f->m, g->t->keys[k]);
    }
    row_of = calloc(combinations, sizeof *row_of);
    if (!row_of) return co_fail(diag, CO_NOMEM, "no memory for tables");
    err = mark_rows(f, g->t, row_of, diag);
    if (!err) err = check_whole(f, g->t, row_of, combinations, diag);
    for (size_t c = 0; c < f->cells && !err; c++) {
        size_t at = 0;

        for (uint32_t k = 0; k < g->t->n_keys; k++) {
            at = at * attribute_values(f->m, g->t->keys[k]) +
                 cell_value(f, c, g->t->keys[k]);
        }
        g->row_of[c] = row_of[at];
    }
    free(row_of);
    return err;
}

static enum co_err
margin_init(const struct fit *f, struct margin *g, const struct user_table *t,
            struct co_diag *diag)
{
    enum co_err err;

    g->t = t;
    g->row_of = calloc(f->cells, sizeof *g->row_of);
    g->group = calloc(t->n_rows, sizeof *g->group);
    g->has = calloc(t->n_rows, sizeof *g->has);
    g->ratio = calloc(t->n_rows, sizeof *g->ratio);
    g->people = calloc(t->n_rows, sizeof *g->people);
    g->weights = calloc(t->n_rows, sizeof *g->weights);
    if (!g->row_of || !g->group || !g->has || !g->ratio || !g->people ||
        !g->weights) {
        return co_fail(diag, CO_NOMEM, "no memory for tables");
    }
    err = find_groups(g, diag);
    return err ? err : margin_rows(f, g, diag);
}

static void
margin_count(const struct fit *f, struct margin *g)
{
    memset(g->has, 0, g->t->n_rows * sizeof *g->has);
    memset(g->people, 0, g->t->n_rows * sizeof *g->people);
    for (size_t c = 0; c < f->cells; c++) {
        if (g->row_of[c]) g->has[g->row_of[c] - 1] += f->w[c];
    }
    for (uint32_t r = 0; r < g->t->n_rows; r++) {
        g->people[g->group[r]] += g->has[r];
    }
}

/* People whom a row should have, its group's people left as they are. */
static uint64_t
wanted(const struct margin *g, uint32_t r)
{
    uint32_t stride = table_stride(g->t), group = g->group[r];
    uint64_t weight = g->t->rows[(size_t)r * stride + stride - 1];

    return (uint64_t)((wide)g->people[group] * weight / g->weights[group]);
}

/* People who are in the wrong row. */
static uint64_t
margin_error(const struct margin *g)
{
    uint64_t sum = 0;

    for (uint32_t r = 0; r < g->t->n_rows; r++) {
        uint64_t want = wanted(g, r);

        sum += want > g->has[r] ? want - g->has[r] : g->has[r] - want;
    }
    return sum / 2;
}

static enum co_err
margin_apply(struct fit *f, struct margin *g, struct co_diag *diag)
{
    for (uint32_t r = 0; r < g->t->n_rows; r++) {
        uint64_t want = wanted(g, r);

        g->ratio[r] = 0;
        if (want == 0) continue;
        if (g->has[r] == 0) {
            return table_fail(g->t, r, diag, CO_INVALID,
                              "the population has nobody of these, but the "
                              "table gives them a weight; give them 0");
        }
        g->ratio[r] = ((wide)want << RATIO_BITS) / g->has[r];
    }
    for (size_t c = 0; c < f->cells; c++) {
        uint32_t r = g->row_of[c];

        if (!r || !f->w[c]) continue;
        f->w[c] = (uint64_t)(f->w[c] * g->ratio[r - 1] >> RATIO_BITS);
    }
    return CO_OK;
}

/* One round over all tables; *ret_error = people misplaced before it. */
static enum co_err
fit_round(struct fit *f, uint64_t *ret_error, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    *ret_error = 0;
    for (uint32_t i = 0; i < f->n_margins && !err; i++) {
        margin_count(f, &f->margins[i]);
        *ret_error += margin_error(&f->margins[i]);
        err = margin_apply(f, &f->margins[i], diag);
    }
    return err;
}

/* Tables that contradict each other a little use up all rounds, and a worker
 * fits between two beats: with 48 tables it was taken for dead. Tables that
 * agree need a few rounds, however many they are. */
static int
rounds_of(const struct fit *f)
{
    int rounds = PASSES_MAX / (int)f->n_margins;

    return rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
}

static enum co_err
fit_run(struct fit *f, struct co_diag *diag)
{
    const int rounds = rounds_of(f);
    uint64_t error = UINT64_MAX;
    enum co_err err = CO_OK;

    for (int round = 0; round < rounds && !err; round++) {
        err = fit_round(f, &error, diag);
        if (error <= UINT64_C(1) << (WORK_BITS - GOOD_BITS)) break;
    }
    if (err || error <= UINT64_C(1) << (WORK_BITS - BAD_BITS)) return err;
    return table_fail(f->margins[f->n_margins - 1].t, UINT32_MAX, diag,
                      CO_INVALID,
                      "the tables of root attributes contradict each other: "
                      "after %d rounds of fitting %llu of a million people "
                      "are still in the wrong row",
                      rounds, (unsigned long long)(error >> (WORK_BITS - 20)));
}

static unsigned
bits_of(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* Scales the base's people to WORK_BITS. */
static enum co_err
fit_start(struct fit *f, const struct model *base, struct co_diag *diag)
{
    uint64_t total = 0;
    unsigned shift;

    f->m = base;
    f->cells = (size_t)base->states * MODEL_SEXES * base->joint_slots;
    f->w = malloc(f->cells * sizeof *f->w);
    if (!f->w) return co_fail(diag, CO_NOMEM, "no memory for tables");
    for (size_t c = 0; c < f->cells; c++) {
        total += base->joint[c];
    }
    shift = WORK_BITS - bits_of(total);
    for (size_t c = 0; c < f->cells; c++) {
        f->w[c] = (uint64_t)base->joint[c] << shift;
    }
    find_slots(f);
    return CO_OK;
}

static enum co_err
fit_margins(struct fit *f, const struct user_tables *tables,
            struct co_diag *diag)
{
    enum co_err err = CO_OK;

    f->n_margins = 0;
    f->margins = calloc(tables->count, sizeof *f->margins);
    if (!f->margins) return co_fail(diag, CO_NOMEM, "no memory for tables");
    for (uint32_t i = 0; i < tables->count && !err; i++) {
        if (tables->list[i].use != TABLE_MARGIN) continue;
        err =
            margin_init(f, &f->margins[f->n_margins++], &tables->list[i], diag);
    }
    return err || f->n_margins == 0 ? err : fit_run(f, diag);
}

enum co_err
fit_joint(const struct model *base, const struct user_tables *tables,
          uint32_t *joint, struct co_diag *diag)
{
    struct fit f = {0};
    enum co_err err = fit_start(&f, base, diag);

    if (!err) err = fit_margins(&f, tables, diag);
    for (size_t c = 0; c < f.cells && !err; c++) {
        uint64_t n = f.w[c] >> (WORK_BITS - JOINT_BITS);

        joint[c] = (uint32_t)(n ? n : f.w[c] > 0);
    }
    fit_fini(&f);
    return err;
}
