/* lags.h - autocorrelation: whether rows resemble their neighbours.
 * Workers take every sixteenth grid cell (its number is 0 mod 16, so which
 * rows are looked at does not depend on who draws them) and, for each column
 * and each lag of 1 to 50, add up over the cell's rows
 *   numbers  the products x_i * x_{i + lag}
 *   labels   how often x_i equals x_{i + lag}
 * with i + lag taken round the end of the cell. Going round makes every row
 * the head of one pair and the tail of another, so both margins are those of
 * the sampled rows, which are counted too: no mean has to be known
 * beforehand, and one sum a lag is enough. The price is that lag / n of the
 * pairs are lag - n apart.
 *
 * Values become codes of 8 bits: labels by number or, in long lists, hashed;
 * numbers scaled. Equal labels keep equal codes, so what resembles is seen.
 * A plain value; one thread. */
#pragma once
#include "population/attributes.h"

enum {
    LAGS_MAX = 50,
    LAGS_EVERY = 16,
    LAGS_GRID = 250,  /* candidates of a grid cell */
    LAGS_ROWS = 256,  /* rows of a block at most; later ones are left out */
    LAGS_CODES = 256, /* codes of a column */
    /* cells of the two audit tables */
    LAGS_MARGIN_CELLS = ATTR_COUNT * LAGS_CODES,
    LAGS_SUM_CELLS = ATTR_COUNT * LAGS_MAX,
    /* the most that one pair adds to a sum */
    LAGS_PRODUCT_MAX = 255 * 255,
};

struct lags_block {
    uint32_t rows;
    uint8_t code[ATTR_COUNT][LAGS_ROWS + LAGS_MAX];
};

/* Whether the cell that starts with this candidate is in the sample. */
bool lags_sampled(uint64_t first_row);
/* The code of a person's value. */
uint8_t lags_code(const struct model *m, enum attribute_id id,
                  const struct person *p);
/* Adds a row to the block; beyond LAGS_ROWS nothing happens. */
void lags_add(struct lags_block *b, const struct model *m,
              const struct person *p);
/* No more rows: makes the block go round. False: it has too few (50 or
 * fewer), and nothing of it counts. */
bool lags_close(struct lags_block *b);
/* The sum of a column at a lag of 1 .. LAGS_MAX, of a closed block. */
uint32_t lags_sum(const struct lags_block *b, enum attribute_id id,
                  unsigned lag);

/* The largest autocorrelation of a column. */
struct lags_result {
    uint64_t n; /* rows looked at, 0: none or all have the same value */
    double r;   /* of the lag where |r| is largest; labels: Cohen's kappa */
    unsigned lag;
    double noise; /* standard deviation of one lag's r without correlation */
};

/* From the counts of a column: LAGS_CODES margins, LAGS_MAX sums. */
struct lags_result lags_compare(enum attribute_id id, const uint64_t *margins,
                                const uint64_t *sums);
