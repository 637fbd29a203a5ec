/* joints.h - the joints that the audit looks at, as one table.
 * A joint crosses up to three dimensions; a dimension sorts people into
 * numbered values (a state, an age group, a level of education ...) or does
 * not cover them at all (a child has no occupation). The audit counts people
 * by cell, expected.c says what share each cell should have, and the report
 * names cells: all three through this table.
 *
 * Cell of (v0, v1, v2) = (v0 * size1 + v1) * size2 + v2.
 * Thread-safe: constant tables and an open model. */
#pragma once
#include "common/buf.h"
#include "population/attributes.h"

/* Numbers stand in the deltas of range results (docs/protocol.md): append
 * only, never renumber. */
enum joint_id {
    JOINT_SEX_AGE_STATE,        /* state, sex, 23 age groups */
    JOINT_RACE_STATE,           /* state, race */
    JOINT_EDUCATION_AGE_SEX,    /* 5 age groups from 18, sex, 7 levels */
    JOINT_MARITAL_AGE_SEX,      /* 14 age groups from 15, sex, status */
    JOINT_OCCUPATION_SEX,       /* occupation of who works, sex */
    JOINT_OCCUPATION_EDUCATION, /* the same from 25 on, 6 levels */
    JOINT_HISPANIC,
    JOINT_EDUCATION,
    JOINT_MARITAL,
    JOINT_EMPLOYMENT,
    JOINT_ARRANGEMENT_AGE_STATE, /* state, 3 age groups from 18, arrangement */
    JOINT_LANGUAGE_STATE,        /* state, language */
    JOINT_INCOME_OCCUPATION,     /* occupation of who works, band of wages */
    JOINT_SEX_AGE_COUNTRY, /* country, sex, age groups; of the world only */
    JOINT_USER,            /* 16 of them: rows and values of a user's column */
    JOINT_COUNT = JOINT_USER + MODEL_USERS
};

enum { JOINT_DIMS_MAX = 3, JOINT_NO_CELL = UINT32_MAX };

/* The dimensions; private to joints.c but for their number. */
enum joint_dim {
    DIM_NONE,
    DIM_STATE,
    DIM_SEX,
    DIM_AGE_GROUP,
    DIM_RACE,
    DIM_HISPANIC,
    DIM_EDUCATION,
    DIM_MARITAL,
    DIM_EMPLOYMENT,
    DIM_EDUCATION_AGE,
    DIM_EDUCATION_ADULT,
    DIM_MARITAL_AGE,
    DIM_OCCUPATION,
    DIM_OCCUPATION_LEVEL,
    DIM_HOME_AGE,
    DIM_ARRANGEMENT,
    DIM_LANGUAGE,
    DIM_PAY_BAND,
    DIM_COUNTRY,
    DIM_COUNT
};

struct joint {
    const char *name;
    const char *who;        /* whom it covers, for the report */
    const char *resolution; /* of its dimensions, for the report */
    const char *source;     /* tables that the target is made of */
    bool column;            /* one-dimensional: a column, not a joint */
    enum joint_dim dims[JOINT_DIMS_MAX]; /* unused ones are DIM_NONE */
};

/* The sizes under one model (borrowed). A plain value. */
struct joints {
    const struct model *m;
    uint32_t size[DIM_COUNT];
    uint32_t cells[JOINT_COUNT];
    unsigned used; /* joints from here on have no cells */
    /* Group of an age in the dimensions that are age groups; 0xff: none. */
    uint8_t age_group[DIM_COUNT][MODEL_AGES];
};

void joints_init(struct joints *j, const struct model *m);

/* Of a user's column: its table, rows against values. */
const struct joint *joint_get(enum joint_id id);
/* The same as joint_get(id)->name, but for a user's column, whose name it is.
 */
const char *joint_name(const struct joints *j, enum joint_id id);
/* The user's column of a joint, NULL when the joint is of none. */
const struct model_lookup *joint_user(const struct joints *j, enum joint_id id);
/* Values of dimension 0 .. 2 of a joint; 1 where it has none. */
uint32_t joint_size(const struct joints *j, enum joint_id id, unsigned dim);
/* The cell of a person, JOINT_NO_CELL when the joint does not cover them. */
uint32_t joint_cell(const struct joints *j, enum joint_id id,
                    const struct person *p);
/* The cells in all joints in use at once (ret_cells[0 .. used - 1]): each
 * dimension is looked at once. */
void joints_place(const struct joints *j, const struct person *p,
                  uint32_t ret_cells[JOINT_COUNT]);
/* The cell of given values (asserted to exist). */
uint32_t joint_at(const struct joints *j, enum joint_id id,
                  const uint32_t values[JOINT_DIMS_MAX]);
/* Appends a cell's label: "TX Female 25-29". */
void joint_label(const struct joints *j, enum joint_id id, uint32_t cell,
                 struct co_buf *out);
