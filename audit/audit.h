/* audit.h - counts of what was drawn, to be compared with the tables.
 * Workers count the rows of a range and send the counts as deltas; the owner
 * adds them (audit_add) and never parses rows. What they mean:
 *   table 0     rows that broke a rule, by rule         (rules.h)
 *   table 1     sampled rows by column and code         (lags.h)
 *   table 2     sums over sampled neighbours            (lags.h)
 *   table 3 ..  people by cell of a joint               (joints.h)
 * The comparison is in compare.h, the report in audit_report.h.
 * Not thread-safe. */
#pragma once
#include "audit/joints.h"
#include "audit/lags.h"
#include "audit/rules.h"

/* Numbers stand in deltas and are never reused. */
enum audit_table {
    AUDIT_RULES,
    AUDIT_MARGINS,
    AUDIT_LAGS,
    AUDIT_JOINTS, /* + enum joint_id */
    AUDIT_TABLE_COUNT = AUDIT_JOINTS + JOINT_COUNT
};

struct audit; /* opaque */

/* n more in one cell of a table. */
struct audit_delta {
    uint32_t table, cell, n;
};

/* Empty counts for people of this model (borrowed). */
co_must_use enum co_err audit_new(const struct model *m,
                                  struct audit **ret_audit);
void audit_free(struct audit *a);
CO_DEFINE_FREEP(struct audit, audit_free)

/* Rows from candidate first on: decides whether they are in the sample that
 * autocorrelation is measured on. */
void audit_begin(struct audit *a, uint64_t first);
/* Counts one accepted person. */
void audit_count(struct audit *a, const struct person *p);
/* The rows since audit_begin are all: adds their sums. */
void audit_end(struct audit *a);
/* Forgets all counts. */
void audit_clear(struct audit *a);

const struct joints *audit_joints(const struct audit *a);
/* Cells of a table, 0 for a table that does not exist. */
uint32_t audit_cells(const struct audit *a, uint32_t table);
/* The counts of a table, audit_cells of them; NULL if it does not exist. */
const uint64_t *audit_counts(const struct audit *a, uint32_t table);
/* The count of one cell; 0 outside. */
uint64_t audit_get(const struct audit *a, uint32_t table, uint32_t cell);
/* Cells that were counted in since the last clear, in that order. */
const uint32_t *audit_touched(const struct audit *a, uint32_t table,
                              uint32_t *ret_n);
/* Adds deltas. CO_RANGE: a table or cell does not exist; nothing added. */
co_must_use enum co_err audit_add(struct audit *a, const struct audit_delta *d,
                                  size_t n);
/* The most that the counts of a table can sum to over that many rows. */
uint64_t audit_sum_max(uint32_t table, uint32_t rows);
