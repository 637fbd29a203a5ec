/* audit.c - see audit.h.
 *
 * Noise floor: for n independent draws from probabilities p_k the count of a
 * cell is binomial; |count/n - p| is close to a half-normal with sigma_k =
 * sqrt(p_k (1 - p_k) / n), mean sigma_k sqrt(2/pi) and variance sigma_k^2
 * (1 - 2/pi) (normal approximation; half-normal moments as in Leone, Nelson
 * and Nottingham, Technometrics 3, 1961). For cells that expect less than
 * one person the mean deviation is exact: E|X - np| = 2 np (1 - p)^n (when
 * np < 1, from de Moivre's mean-deviation formula). So floor = 1/2 sum of
 * means and sd = 1/2 sqrt(sum of variances), cells taken as independent,
 * which overstates sd slightly. Stratified draws come out below the floor. */
#include "population/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORST_CELLS = 5, EDU_AGES = 5, EDU_FIRST = EDU_UNDER_9 };

struct audit {
    const struct model *m;
    uint64_t *counts[AUDIT_TABLE_COUNT];
    uint32_t cells[AUDIT_TABLE_COUNT];
};

struct table {
    const char *name, *resolution;
    /* Cell of a person, UINT32_MAX when the table does not cover them. */
    uint32_t (*cell)(const struct model *m, const struct person *p);
    uint32_t (*cells)(const struct model *m);
    void (*label)(const struct model *m, uint32_t cell, struct co_buf *out);
};

static uint32_t
sas_cell(const struct model *m, const struct person *p)
{
    return ((uint32_t)p->state * MODEL_SEXES + p->sex) * m->age_group_count +
           p->age_group;
}

static uint32_t
sas_cells(const struct model *m)
{
    return m->states * MODEL_SEXES * m->age_group_count;
}

static void
put_label(const struct model *m, enum attribute_id id, uint32_t v,
          struct co_buf *out)
{
    struct model_text t = attribute_label(m, id, v);

    co_buf_append(out, t.data, t.len);
}

static void
put_ages(unsigned low, unsigned high, struct co_buf *out)
{
    if (high >= MODEL_AGES - 1) {
        co_buf_printf(out, " %u+", low);
    } else {
        co_buf_printf(out, " %u-%u", low, high);
    }
}

static void
sas_label(const struct model *m, uint32_t cell, struct co_buf *out)
{
    size_t g = cell % m->age_group_count;
    uint32_t row = cell / m->age_group_count;

    put_label(m, ATTR_STATE, row / MODEL_SEXES, out);
    co_buf_putc(out, ' ');
    put_label(m, ATTR_SEX, row % MODEL_SEXES, out);
    put_ages(m->age_groups[2 * g], m->age_groups[2 * g + 1], out);
}

static uint32_t
race_cell(const struct model *m, const struct person *p)
{
    (void)m;
    return (uint32_t)p->state * MODEL_RACES + p->race;
}

static uint32_t
race_cells(const struct model *m)
{
    return m->states * MODEL_RACES;
}

static void
race_label(const struct model *m, uint32_t cell, struct co_buf *out)
{
    put_label(m, ATTR_STATE, cell / MODEL_RACES, out);
    co_buf_putc(out, ' ');
    put_label(m, ATTR_RACE, cell % MODEL_RACES, out);
}

/* The age groups of the education tables. */
static const uint8_t edu_age_min[EDU_AGES + 1] = {18, 25, 35, 45, 65, 100};

static uint32_t
edu_cell(const struct model *m, const struct person *p)
{
    uint32_t a = 0;

    (void)m;
    if (p->age < edu_age_min[0] || p->education < EDU_FIRST) return UINT32_MAX;
    while (edu_age_min[a + 1] <= p->age) {
        a++;
    }
    return ((a * MODEL_SEXES) + p->sex) * (EDU_COUNT - EDU_FIRST) +
           p->education - EDU_FIRST;
}

static uint32_t
edu_cells(const struct model *m)
{
    (void)m;
    return EDU_AGES * MODEL_SEXES * (EDU_COUNT - EDU_FIRST);
}

static void
edu_label(const struct model *m, uint32_t cell, struct co_buf *out)
{
    uint32_t levels = EDU_COUNT - EDU_FIRST, row = cell / levels;
    uint32_t a = row / MODEL_SEXES;

    put_label(m, ATTR_EDUCATION, cell % levels + EDU_FIRST, out);
    co_buf_putc(out, ' ');
    put_label(m, ATTR_SEX, row % MODEL_SEXES, out);
    put_ages(edu_age_min[a], edu_age_min[a + 1] - 1U, out);
}

static const struct table tables[AUDIT_TABLE_COUNT] = {
    [AUDIT_SEX_AGE_STATE] = {"sex x age x state", "23 age groups", sas_cell,
                             sas_cells, sas_label},
    [AUDIT_RACE_STATE] = {"race x state", "7 races", race_cell, race_cells,
                          race_label},
    [AUDIT_EDUCATION_AGE_SEX] = {"education x age x sex",
                                 "people of 18 and over, 5 age groups, 7 "
                                 "levels",
                                 edu_cell, edu_cells, edu_label},
};

enum co_err
audit_new(const struct model *m, struct audit **ret_audit)
{
    co_auto(audit_freep) struct audit *a = calloc(1, sizeof *a);

    if (!a) return CO_NOMEM;
    a->m = m;
    for (size_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        a->cells[t] = tables[t].cells(m);
        a->counts[t] = calloc(a->cells[t], sizeof *a->counts[t]);
        if (!a->counts[t]) return CO_NOMEM;
    }
    *ret_audit = co_take(&a);
    return CO_OK;
}

void
audit_free(struct audit *a)
{
    if (!a) return;
    for (size_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        free(a->counts[t]);
    }
    free(a);
}

void
audit_count(struct audit *a, const struct person *p)
{
    for (size_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        uint32_t cell = tables[t].cell(a->m, p);

        if (cell < a->cells[t]) a->counts[t][cell]++;
    }
}

void
audit_clear(struct audit *a)
{
    for (size_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        memset(a->counts[t], 0, a->cells[t] * sizeof *a->counts[t]);
    }
}

uint32_t
audit_cells(const struct audit *a, uint32_t table)
{
    return table < AUDIT_TABLE_COUNT ? a->cells[table] : 0;
}

uint64_t
audit_get(const struct audit *a, uint32_t table, uint32_t cell)
{
    return cell < audit_cells(a, table) ? a->counts[table][cell] : 0;
}

static bool
deltas_fit(const struct audit *a, const struct audit_delta *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (d[i].cell >= audit_cells(a, d[i].table)) return false;
    }
    return true;
}

enum co_err
audit_add(struct audit *a, const struct audit_delta *d, size_t n)
{
    if (!deltas_fit(a, d, n)) return CO_RANGE;
    for (size_t i = 0; i < n; i++) {
        a->counts[d[i].table][d[i].cell] += d[i].n;
    }
    return CO_OK;
}

enum co_err
audit_subtract(struct audit *a, const struct audit_delta *d, size_t n)
{
    if (!deltas_fit(a, d, n)) return CO_RANGE;
    for (size_t i = 0; i < n; i++) {
        if (a->counts[d[i].table][d[i].cell] < d[i].n) return CO_RANGE;
    }
    for (size_t i = 0; i < n; i++) {
        a->counts[d[i].table][d[i].cell] -= d[i].n;
    }
    return CO_OK;
}

/* --- the comparison ---------------------------------------------------- */

/* Conditions whose share in a cell of the joint is known from a table. */
static double
allowed_share(const struct sampler *s, const struct person *cell,
              enum attribute_id id)
{
    uint64_t sum = 0;

    if (!(sampler_tested(s) & 1U << id)) return 1;
    for (uint32_t v = 0; v < attribute_values(sampler_model(s), id); v++) {
        sum += sampler_share(s, cell, id, v);
    }
    return (double)sum / (1 << 24);
}

static void
target_cell(const struct audit *a, const struct sampler *s,
            enum audit_table table, struct person *cell, double weight,
            double *target)
{
    uint32_t k;

    if (table != AUDIT_EDUCATION_AGE_SEX) {
        weight *= allowed_share(s, cell, ATTR_EDUCATION);
        k = tables[table].cell(a->m, cell);
        if (k < a->cells[table]) target[k] += weight;
        return;
    }
    for (uint32_t e = EDU_FIRST; e < EDU_COUNT; e++) {
        cell->education = (uint8_t)e;
        k = tables[table].cell(a->m, cell);
        if (k < a->cells[table]) {
            target[k] += weight *
                         (double)sampler_share(s, cell, ATTR_EDUCATION, e) /
                         (1 << 24);
        }
    }
}

/* Target probabilities of a table under the sampler's conditions. */
static double *
make_target(const struct audit *a, const struct sampler *s,
            enum audit_table table)
{
    double *target = calloc(a->cells[table], sizeof *target), sum = 0;

    if (!target) return NULL;
    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person cell;
        double weight = (double)sampler_cell(s, i, &cell);

        weight *= allowed_share(s, &cell, ATTR_MARITAL) *
                  allowed_share(s, &cell, ATTR_EMPLOYMENT);
        target_cell(a, s, table, &cell, weight, target);
    }
    for (uint32_t k = 0; k < a->cells[table]; k++) {
        sum += target[k];
    }
    for (uint32_t k = 0; k < a->cells[table] && sum > 0; k++) {
        target[k] /= sum;
    }
    return target;
}

static double
js_term(double p, double q)
{
    double m = (p + q) / 2, sum = 0;

    if (p > 0) sum += p * log2(p / m) / 2;
    if (q > 0) sum += q * log2(q / m) / 2;
    return sum;
}

static void
compare_cells(const uint64_t *counts, const double *target, uint32_t cells,
              struct audit_result *r)
{
    double n = (double)r->n, var = 0;

    for (uint32_t k = 0; k < cells; k++) {
        double p = target[k], q = (double)counts[k] / n;
        double sigma2 = p * (1 - p) / n;

        r->tv += fabs(q - p) / 2;
        r->js += js_term(p, q);
        if (n * p < 1) {
            r->floor += p * pow(1 - p, n);
        } else {
            r->floor += sqrt(sigma2) * 0.3989422804014327; /* 1/sqrt(2 pi) */
        }
        var += sigma2 * 0.3633802276324187 / 4; /* 1 - 2/pi */
    }
    r->sd = sqrt(var);
    r->excess = r->tv - r->floor;
    r->z = r->sd > 0 ? r->excess / r->sd : 0;
}

/* Attributes whose conditions make_target takes into account. */
static bool
target_exact(const struct sampler *s)
{
    uint32_t known = 1U << ATTR_EDUCATION | 1U << ATTR_MARITAL;

    return !(sampler_tested(s) & ~known);
}

static void
start_result(const struct audit *a, const struct sampler *s,
             enum audit_table table, struct audit_result *r)
{
    *r = (struct audit_result){.name = tables[table].name,
                               .cells = a->cells[table],
                               .exact = target_exact(s)};
    for (uint32_t k = 0; k < a->cells[table]; k++) {
        r->n += a->counts[table][k];
    }
}

enum co_err
audit_compare(const struct audit *a, const struct sampler *s,
              enum audit_table table, struct audit_result *ret)
{
    double *target;

    co_assert(table < AUDIT_TABLE_COUNT);
    start_result(a, s, table, ret);
    if (ret->n == 0) return CO_OK;
    target = make_target(a, s, table);
    if (!target) return CO_NOMEM;
    compare_cells(a->counts[table], target, ret->cells, ret);
    free(target);
    return CO_OK;
}

static void
report_worst(const struct audit *a, enum audit_table table,
             const double *target, uint64_t n, struct co_buf *json)
{
    uint32_t seen[WORST_CELLS] = {0};

    co_buf_puts(json, ",\"worst\":[");
    for (uint32_t w = 0; w < WORST_CELLS && w < a->cells[table]; w++) {
        double most = -1;

        for (uint32_t k = 0; k < a->cells[table]; k++) {
            double d =
                fabs((double)a->counts[table][k] / (double)n - target[k]);
            bool used = false;

            for (uint32_t j = 0; j < w; j++) {
                used = used || seen[j] == k;
            }
            if (used || d <= most) continue;
            most = d;
            seen[w] = k;
        }
        co_buf_puts(json, w ? ",{\"cell\":\"" : "{\"cell\":\"");
        tables[table].label(a->m, seen[w], json);
        co_buf_printf(json, "\",\"observed\":%llu,\"expected\":%.1f}",
                      (unsigned long long)a->counts[table][seen[w]],
                      target[seen[w]] * (double)n);
    }
    co_buf_putc(json, ']');
}

static enum co_err
report_table(const struct audit *a, const struct sampler *s,
             enum audit_table table, struct co_buf *json)
{
    double *target = make_target(a, s, table);
    struct audit_result r;

    if (!target) return CO_NOMEM;
    start_result(a, s, table, &r);
    if (r.n) compare_cells(a->counts[table], target, r.cells, &r);
    co_buf_printf(json,
                  "{\"joint\":\"%s\",\"resolution\":\"%s\",\"n\":%llu,"
                  "\"cells\":%u,\"tv\":%.6f,\"floor\":%.6f,\"sd\":%.6f,"
                  "\"excess\":%.6f,\"z\":%.2f,\"js\":%.6f,\"target\":\"%s\"",
                  r.name, tables[table].resolution, (unsigned long long)r.n,
                  r.cells, r.tv, r.floor, r.sd, r.excess, r.z, r.js,
                  r.exact ? "exact" : "approximate under these conditions");
    if (r.n) report_worst(a, table, target, r.n, json);
    co_buf_putc(json, '}');
    free(target);
    return CO_OK;
}

enum co_err
audit_report(const struct audit *a, const struct sampler *s,
             struct co_buf *json)
{
    co_buf_puts(json, "{\"joints\":[");
    for (unsigned t = 0; t < AUDIT_TABLE_COUNT; t++) {
        enum co_err err;

        if (t) co_buf_putc(json, ',');
        err = report_table(a, s, (enum audit_table)t, json);
        if (err) return err;
    }
    co_buf_puts(json, "]}");
    return json->err;
}
