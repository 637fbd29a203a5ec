/* audit.h - counts of what was drawn against what the tables say.
 * Workers count the rows of a range (audit_count) and send the counts as
 * deltas; the owner adds them (audit_add) and never parses rows. The report
 * compares with the joint that the sampler was made from, conditions
 * included. Floats appear in the report only: they decide no row.
 * Not thread-safe. */
#pragma once
#include "common/buf.h"
#include "population/sampler.h"

/* The audited joints; numbers stand in deltas and are never reused. */
enum audit_table {
    AUDIT_SEX_AGE_STATE,
    AUDIT_RACE_STATE,
    AUDIT_EDUCATION_AGE_SEX,
    AUDIT_TABLE_COUNT
};

struct audit; /* opaque */

/* n people more in one cell of a table. */
struct audit_delta {
    uint32_t table, cell, n;
};

/* Empty counts for people of this model (borrowed). */
co_must_use enum co_err audit_new(const struct model *m,
                                  struct audit **ret_audit);
void audit_free(struct audit *a);
CO_DEFINE_FREEP(struct audit, audit_free)

/* Counts one accepted person. */
void audit_count(struct audit *a, const struct person *p);
/* Forgets all counts. */
void audit_clear(struct audit *a);
/* Cells of a table, 0 for a table that does not exist. */
uint32_t audit_cells(const struct audit *a, uint32_t table);
/* The count of one cell; 0 outside. */
uint64_t audit_get(const struct audit *a, uint32_t table, uint32_t cell);
/* Adds deltas. CO_RANGE: a table or cell does not exist; nothing added. */
co_must_use enum co_err audit_add(struct audit *a, const struct audit_delta *d,
                                  size_t n);
/* Takes deltas back that were added before. */
co_must_use enum co_err audit_subtract(struct audit *a,
                                       const struct audit_delta *d, size_t n);

/* How one joint compares. tv is half the sum of |observed - target|. */
struct audit_result {
    const char *name;
    uint64_t n;     /* people counted */
    uint32_t cells; /* cells of the table */
    double tv;      /* total variation, 0..1 */
    double floor;   /* what independent exact draws would show on average */
    double sd;      /* and its standard deviation */
    double excess;  /* tv - floor */
    double z;       /* excess / sd; 0 when n is 0 */
    double js;      /* Jensen-Shannon divergence, base 2 */
    bool exact;     /* the target takes account of every condition */
};

/* Compares one table with the sampler's target. */
co_must_use enum co_err audit_compare(const struct audit *a,
                                      const struct sampler *s,
                                      enum audit_table table,
                                      struct audit_result *ret);
/* Appends the whole report as one JSON object: per joint the figures above
 * and its five worst cells with labels. */
co_must_use enum co_err audit_report(const struct audit *a,
                                     const struct sampler *s,
                                     struct co_buf *json);
