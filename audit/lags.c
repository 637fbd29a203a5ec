/* lags.c - see lags.h.
 *
 * Noise: without correlation a number's r has variance 1 / n (Bartlett); for
 * labels kappa = (agreement - e) / (1 - e), e = sum p^2, has the null variance
 * (e + e^2 - 2 sum p^3) / (n (1 - e)^2) (Fleiss, Cohen and Everitt,
 * Psychological Bulletin 72, 1969, with equal margins). */
#include "audit/lags.h"

#include <math.h>
#include <string.h>

enum { NO_LABEL = 255, NUMBER_BITS = 8 };

bool
lags_sampled(uint64_t first_row)
{
    return first_row / LAGS_GRID % LAGS_EVERY == 0;
}

uint8_t
lags_code(const struct model *m, enum attribute_id id, const struct person *p)
{
    uint32_t v = attribute_of(p, id), n;

    if (attribute_get(id)->kind == ATTR_INTEGER) {
        n = attribute_values(m, id);
        if (v == UINT32_MAX) return 0;
        while (n > LAGS_CODES) {
            n = (n + 1) / 2;
            v /= 2;
        }
        return v < LAGS_CODES ? (uint8_t)v : LAGS_CODES - 1;
    }
    if (v == UINT32_MAX) return NO_LABEL;
    if (v < NO_LABEL) return (uint8_t)v;
    return (uint8_t)(v * 0x9E3779B1U >> 24); /* long lists share codes */
}

void
lags_add(struct lags_block *b, const struct model *m, const struct person *p)
{
    if (b->rows == LAGS_ROWS) return;
    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        b->code[id][b->rows] = lags_code(m, (enum attribute_id)id, p);
    }
    b->rows++;
}

bool
lags_close(struct lags_block *b)
{
    if (b->rows <= LAGS_MAX) return false;
    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        memcpy(b->code[id] + b->rows, b->code[id], LAGS_MAX);
    }
    return true;
}

/* Both loops are left to the compiler's vectors: a closed block costs 50
 * passes over some 250 bytes a column. */
static uint32_t
products(const uint8_t *x, const uint8_t *y, uint32_t n)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        sum += (uint32_t)x[i] * y[i];
    }
    return sum;
}

static uint32_t
agreements(const uint8_t *x, const uint8_t *y, uint32_t n)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        sum += x[i] == y[i];
    }
    return sum;
}

uint32_t
lags_sum(const struct lags_block *b, enum attribute_id id, unsigned lag)
{
    const uint8_t *x = b->code[id];

    co_assert(lag >= 1 && lag <= LAGS_MAX && b->rows > LAGS_MAX);
    return attribute_get(id)->kind == ATTR_INTEGER
               ? products(x, x + lag, b->rows)
               : agreements(x, x + lag, b->rows);
}

/* What the sums are compared with: r = (sum / n - base) / scale. */
struct measure {
    double n, base, scale, noise;
};

static struct measure
measure_numbers(const uint64_t *margins)
{
    struct measure m = {0};
    double sum = 0, squares = 0;

    for (unsigned v = 0; v < LAGS_CODES; v++) {
        double k = (double)margins[v];

        m.n += k;
        sum += k * v;
        squares += k * v * v;
    }
    if (m.n <= 0) return m;
    m.base = sum / m.n * (sum / m.n);
    m.scale = squares / m.n - m.base;
    m.noise = 1 / sqrt(m.n);
    return m;
}

static struct measure
measure_labels(const uint64_t *margins)
{
    struct measure m = {0};
    double e = 0, cubes = 0;

    for (unsigned v = 0; v < LAGS_CODES; v++) {
        m.n += (double)margins[v];
    }
    for (unsigned v = 0; v < LAGS_CODES && m.n > 0; v++) {
        double p = (double)margins[v] / m.n;

        e += p * p;
        cubes += p * p * p;
    }
    m.base = e;
    m.scale = m.n > 0 ? 1 - e : 0;
    if (m.scale <= 0) return m;
    m.noise = sqrt((e + e * e - 2 * cubes) / m.n) / m.scale;
    return m;
}

struct lags_result
lags_compare(enum attribute_id id, const uint64_t *margins,
             const uint64_t *sums)
{
    struct measure m = attribute_get(id)->kind == ATTR_INTEGER
                           ? measure_numbers(margins)
                           : measure_labels(margins);
    struct lags_result best = {0};

    if (m.scale <= 1e-12) return best; /* no rows, or all alike */
    best.n = (uint64_t)m.n;
    best.noise = m.noise;
    for (unsigned lag = 1; lag <= LAGS_MAX; lag++) {
        double r = ((double)sums[lag - 1] / m.n - m.base) / m.scale;

        if (best.lag && fabs(r) <= fabs(best.r)) continue;
        best.r = r;
        best.lag = lag;
    }
    return best;
}
