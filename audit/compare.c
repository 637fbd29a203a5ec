/* compare.c - see compare.h.
 *
 * Noise floor: for n independent draws from probabilities p_k the count of a
 * cell is binomial; |count/n - p| is close to a half-normal with sigma_k =
 * sqrt(p_k (1 - p_k) / n), mean sigma_k sqrt(2/pi) and variance sigma_k^2
 * (1 - 2/pi) (normal approximation; half-normal moments as in Leone, Nelson
 * and Nottingham, Technometrics 3, 1961). For cells that expect less than
 * one person the mean deviation is exact: E|X - np| = 2 np (1 - p)^n (when
 * np < 1, from de Moivre's mean-deviation formula). So floor = 1/2 sum of
 * means. Two cells deviate together, the more the fewer there are (of two,
 * one gains what the other loses): the covariance of two half-normals with
 * correlation r is (2/pi)(r asin r + sqrt(1 - r^2) - 1) sigma_j sigma_k, near
 * r^2/pi of it, with r^2 = p_j p_k / ((1 - p_j)(1 - p_k)) of multinomial
 * counts. So sd^2 = 1/4 (sum of variances + ((sum a)^2 - sum a^2) / (pi n)),
 * a_k = p_k sqrt(p_k / (1 - p_k)). Stratified draws come out below the floor.
 *
 * Cramer's V of n independent people is too large by chance: phi^2 by
 * (r-1)(c-1)/(n-1) on average (Bergsma, Journal of the Korean Statistical
 * Society 42, 2013); stratified draws have less of that. A target between V
 * and V without it is no change; else the change is to the nearer of both. */
#include "audit/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two shares of each cell: what was seen, what should be. */
struct shares {
    double *seen, *target;
    uint32_t cells;
};

static double
js_term(double p, double q)
{
    double m = (p + q) / 2, sum = 0;

    if (p > 0) sum += p * log2(p / m) / 2;
    if (q > 0) sum += q * log2(q / m) / 2;
    return sum;
}

static void
compare_cells(const struct shares *s, struct comparison *r)
{
    double n = (double)r->n, var = 0, squares = 0;
    double together = 0, alone = 0; /* sum of a, of a^2 */

    for (uint32_t k = 0; k < s->cells; k++) {
        double p = s->target[k], q = s->seen[k], sigma2 = p * (1 - p) / n;

        r->tv += fabs(q - p) / 2;
        r->js += js_term(p, q);
        squares += (q - p) * (q - p);
        if (n * p < 1) {
            r->floor += p * pow(1 - p, n);
        } else {
            r->floor += sqrt(sigma2) * 0.3989422804014327; /* 1/sqrt(2 pi) */
        }
        var += sigma2 * 0.3633802276324187; /* 1 - 2/pi */
        if (p < 1) {
            together += p * sqrt(p / (1 - p));
            alone += p * p * p / (1 - p);
        }
    }
    var += (together * together - alone) * 0.3183098861837907 / n; /* 1/pi */
    r->sd = sqrt(var) / 2;
    r->excess = r->tv - r->floor;
    r->z = r->sd > 0 ? r->excess / r->sd : 0;
    r->srmse = sqrt(squares * s->cells);
}

static void
find_worst(const uint64_t *counts, const struct shares *s, double n,
           struct comparison *r)
{
    double far[COMPARE_WORST];

    r->worst_n = 0;
    for (uint32_t k = 0; k < s->cells; k++) {
        double d = fabs(s->seen[k] - s->target[k]);
        unsigned at = r->worst_n;

        while (at > 0 && far[at - 1] < d) {
            at--;
        }
        if (at == COMPARE_WORST || d <= 0) continue;
        if (r->worst_n < COMPARE_WORST) r->worst_n++;
        for (unsigned j = r->worst_n - 1; j > at; j--) {
            far[j] = far[j - 1];
            r->worst[j] = r->worst[j - 1];
        }
        far[at] = d;
        r->worst[at] = (struct compare_cell){k, counts[k], s->target[k] * n};
    }
}

/* --- Cramer's V -------------------------------------------------------- */

struct margins {
    double *row, *column;
    uint32_t rows, columns, rows_used, columns_used;
};

static uint32_t
count_used(const double *v, uint32_t n)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < n; i++) {
        used += v[i] > 0;
    }
    return used;
}

static void
add_margins(const double *shares, struct margins *m)
{
    memset(m->row, 0, m->rows * sizeof *m->row);
    memset(m->column, 0, m->columns * sizeof *m->column);
    for (uint32_t i = 0; i < m->rows; i++) {
        for (uint32_t k = 0; k < m->columns; k++) {
            m->row[i] += shares[(size_t)i * m->columns + k];
            m->column[k] += shares[(size_t)i * m->columns + k];
        }
    }
    m->rows_used = count_used(m->row, m->rows);
    m->columns_used = count_used(m->column, m->columns);
}

/* Less what n people have by chance; n = 0: nothing less. */
static double
cramers_v(const double *shares, struct margins *m, double n)
{
    double phi2 = 0;
    uint32_t least;

    add_margins(shares, m);
    least = m->rows_used < m->columns_used ? m->rows_used : m->columns_used;
    if (least < 2) return 0;
    for (uint32_t i = 0; i < m->rows; i++) {
        for (uint32_t k = 0; k < m->columns; k++) {
            double e = m->row[i] * m->column[k];
            double d = shares[(size_t)i * m->columns + k] - e;

            if (e > 0) phi2 += d * d / e;
        }
    }
    if (n > 1) {
        phi2 -= (double)(m->rows_used - 1) * (m->columns_used - 1) / (n - 1);
    }
    return phi2 > 0 ? sqrt(phi2 / (least - 1)) : 0;
}

static enum co_err
compare_association(const struct joints *j, enum joint_id id,
                    const struct shares *s, struct comparison *r)
{
    struct margins m = {0};
    double low;

    if (joint_get(id)->column) return CO_OK;
    m.columns = joint_size(j, id, JOINT_DIMS_MAX - 1);
    if (m.columns == 1) m.columns = joint_size(j, id, 1);
    m.rows = s->cells / m.columns;
    m.row = calloc((size_t)m.rows + m.columns, sizeof *m.row);
    if (!m.row) return CO_NOMEM;
    m.column = m.row + m.rows;
    r->v_target = cramers_v(s->target, &m, 0);
    r->v = cramers_v(s->seen, &m, 0);
    low = cramers_v(s->seen, &m, (double)r->n);
    free(m.row);
    if (r->v_target > r->v) r->v_change = r->v - r->v_target;
    if (r->v_target < low) r->v_change = low - r->v_target;
    return CO_OK;
}

/* --- all of it --------------------------------------------------------- */

static uint64_t
sum_of(const uint64_t *counts, uint32_t cells)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < cells; k++) {
        sum += counts[k];
    }
    return sum;
}

/* A user's column stands under its own table: in each row that people fell
 * into, the row's weights (of the values that conditions allow). Whether the
 * right people are in the rows is for the audits of what the rows are given. */
static void
user_target(const struct model_lookup *t, const struct sampler *s,
            enum attribute_id id, const uint64_t *counts,
            const struct shares *shares, uint64_t n)
{
    for (uint32_t r = 0; r < t->rows; r++) {
        const uint32_t *weights = t->weights + (size_t)r * t->values;
        double people = 0, sum = 0;

        for (uint32_t v = 0; v < t->values; v++) {
            people += (double)counts[(size_t)r * t->values + v];
            if (sampler_allows(s, id, v)) sum += weights[v];
        }
        for (uint32_t v = 0; v < t->values && sum > 0; v++) {
            if (!sampler_allows(s, id, v)) continue;
            shares->target[(size_t)r * t->values + v] =
                people / (double)n * weights[v] / sum;
        }
    }
}

/* A condition on a column that stands on this one moves this one too. */
static enum expected
user_kind(const struct model *m, const struct sampler *s, enum attribute_id id)
{
    for (uint32_t k = 0; k < m->users; k++) {
        const struct model_lookup *t = m->user[k];

        if (!(sampler_tested(s) >> (ATTR_USER + k) & 1)) continue;
        for (uint32_t i = 0; i < t->n_keys; i++) {
            if (t->keys[i] == (uint32_t)id) return EXPECTED_ABOUT;
        }
    }
    return EXPECTED_EXACT;
}

static enum co_err
find_target(const struct audit *a, const struct sampler *s, enum joint_id id,
            const struct shares *shares, struct comparison *r)
{
    const struct joints *j = audit_joints(a);
    const struct model_lookup *user = joint_user(j, id);
    enum attribute_id column =
        (enum attribute_id)(ATTR_USER + (unsigned)id - JOINT_USER);

    if (!user) return expected_shares(s, j, id, shares->target, &r->target);
    r->target = user_kind(j->m, s, column);
    if (r->n == 0) return CO_OK;
    user_target(user, s, column, audit_counts(a, AUDIT_JOINTS + id), shares,
                r->n);
    return CO_OK;
}

static enum co_err
compare_shares(const struct audit *a, const struct sampler *s, enum joint_id id,
               const struct shares *shares, struct comparison *r)
{
    const struct joints *j = audit_joints(a);
    const uint64_t *counts = audit_counts(a, AUDIT_JOINTS + id);
    enum co_err err = find_target(a, s, id, shares, r);

    if (err || r->target == EXPECTED_NONE || r->n == 0) return err;
    for (uint32_t k = 0; k < shares->cells; k++) {
        shares->seen[k] = (double)counts[k] / (double)r->n;
    }
    compare_cells(shares, r);
    find_worst(counts, shares, (double)r->n, r);
    return compare_association(j, id, shares, r);
}

enum co_err
compare_joint(const struct audit *a, const struct sampler *s, enum joint_id id,
              struct comparison *ret)
{
    struct shares shares = {.cells = audit_cells(a, AUDIT_JOINTS + id)};
    enum co_err err;

    *ret = (struct comparison){.cells = shares.cells};
    if (shares.cells == 0) return CO_OK;
    ret->n = sum_of(audit_counts(a, AUDIT_JOINTS + id), shares.cells);
    shares.seen = calloc(2 * (size_t)shares.cells, sizeof *shares.seen);
    if (!shares.seen) return CO_NOMEM;
    shares.target = shares.seen + shares.cells;
    err = compare_shares(a, s, id, &shares, ret);
    free(shares.seen);
    return err;
}

enum co_err
compare_all(const struct audit *a, const struct sampler *s, uint64_t rows,
            struct audit_figures *ret)
{
    const uint64_t *margins = audit_counts(a, AUDIT_MARGINS);
    const uint64_t *sums = audit_counts(a, AUDIT_LAGS);
    enum co_err err = CO_OK;

    *ret = (struct audit_figures){.rows = rows};
    for (unsigned id = 0; id < JOINT_COUNT && !err; id++) {
        err = compare_joint(a, s, (enum joint_id)id, &ret->joints[id]);
    }
    for (size_t id = 0; id < ATTR_COUNT; id++) {
        ret->lags[id] =
            lags_compare((enum attribute_id)id, margins + id * LAGS_CODES,
                         sums + id * LAGS_MAX);
    }
    ret->sampled = sum_of(margins, LAGS_CODES); /* of the first column */
    for (unsigned k = 0; k < RULE_COUNT; k++) {
        ret->broken[k] = audit_get(a, AUDIT_RULES, k);
    }
    return err;
}
