/* compare.h - how the counts of an audit compare with their targets.
 * All the figures of a report, computed once: report.json, the dataset card
 * and the findings print the same ones. Floats: no row depends on them.
 * Thread-safe: reads its arguments only. */
#pragma once
#include "audit/audit.h"
#include "audit/expected.h"

enum { COMPARE_WORST = 5 };

/* A cell that is far from its target. */
struct compare_cell {
    uint32_t cell;
    uint64_t observed;
    double expected;
};

/* One joint. All figures are 0 when n is 0 or there is no target. */
struct comparison {
    enum expected target;
    uint64_t n;     /* people counted */
    uint32_t cells; /* of the joint */
    double tv;      /* total variation: half the sum of |observed - target| */
    double floor;   /* what independent exact draws would show on average */
    double sd;      /* and its standard deviation */
    double excess;  /* tv - floor */
    double z;       /* excess / sd */
    double js;      /* Jensen-Shannon divergence, base 2 */
    double srmse;   /* root mean square error of the cells / mean cell */
    /* Cramer's V between the last dimension and the others together: of the
     * target, of the rows, and by how much the latter is off beyond what the
     * noise of n people explains. 0 for a column. */
    double v_target, v, v_change;
    struct compare_cell worst[COMPARE_WORST]; /* farthest first */
    unsigned worst_n;
};

struct audit_figures {
    uint64_t rows;
    struct comparison joints[JOINT_COUNT];
    struct lags_result lags[ATTR_COUNT];
    uint64_t sampled; /* rows that autocorrelation was measured on */
    uint64_t broken[RULE_COUNT];
};

/* Compares one joint. CO_NOMEM */
co_must_use enum co_err compare_joint(const struct audit *a,
                                      const struct sampler *s, enum joint_id id,
                                      struct comparison *ret);
/* Everything about `rows` accepted rows. CO_NOMEM */
co_must_use enum co_err compare_all(const struct audit *a,
                                    const struct sampler *s, uint64_t rows,
                                    struct audit_figures *ret);
