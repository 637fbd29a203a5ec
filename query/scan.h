/* scan.h - reading a line of JSON in place.
 * A row has forty columns and two kilobytes, a question asks for three of
 * them: nothing is built, values are slices of the line, and what nobody asked
 * for is stepped over. Two ways: a plan names paths and scan_row() fetches all
 * of them in one pass; scan_begin()/scan_next() walk the members of a value.
 *
 * Checked is what is read: commas, colons, braces, literals and numbers up to
 * the last path that was asked for (up to the end with a strict plan). Inside
 * of texts only the closing quote is looked for. Nothing beyond the line is
 * ever read. Tree readers (jansson) were 20 times slower; simdjson is C++.
 * Pure; a plan that is complete may be used by many threads. */
#pragma once
#include "common/buf.h"

enum {
    SCAN_DEPTH_MAX = 32,   /* nesting of a line */
    SCAN_STEPS_MAX = 8,    /* of a path */
    SCAN_PATH_BYTES = 160, /* of a path as text, with its NUL */
    SCAN_SLOTS_MAX = 600,  /* paths of a plan */
};

enum scan_type {
    SCAN_MISSING, /* the line has no such member */
    SCAN_NULL,
    SCAN_FALSE,
    SCAN_TRUE,
    SCAN_NUMBER,
    SCAN_TEXT,
    SCAN_ARRAY,
    SCAN_OBJECT,
};

/* A value where it stands: at[0..len), a text with its quotes. */
struct scan_value {
    enum scan_type type;
    const char *at;
    size_t len;
    /* Its key without quotes; NULL in an array. */
    const char *key;
    size_t key_len;
};

/* ---- paths ---- */

/* One step of a path: a member's name, or an element's number. */
struct scan_step {
    const char *name; /* NULL: an element */
    uint32_t len;     /* of name, or the number */
};

struct scan_path {
    struct scan_step steps[SCAN_STEPS_MAX];
    uint32_t count;
};

/* Reads "household.income_usd[0]"; names lie in text, which must stay.
 * False: not such a path, or one of too many steps. */
bool scan_path_parse(const char *text, size_t len, struct scan_path *ret_path);

/* ---- many paths in one pass ---- */

struct scan_plan; /* opaque */

/* strict: a line with a member that no path leads to is CO_MISMATCH. */
co_must_use enum co_err scan_plan_new(bool strict, struct scan_plan **ret_plan);
void scan_plan_free(struct scan_plan *plan);
CO_DEFINE_FREEP(struct scan_plan, scan_plan_free)
/* *ret_slot is where scan_row() puts the value; the same path has the same
 * slot. CO_FULL beyond SCAN_SLOTS_MAX. */
co_must_use enum co_err scan_plan_add(struct scan_plan *plan,
                                      const struct scan_path *path,
                                      uint32_t *ret_slot);
/* How many slots scan_row() fills. */
uint32_t scan_plan_slots(const struct scan_plan *plan);

/* Fills values (scan_plan_slots of them) from a line, with or without its
 * newline. A key given twice counts the first time. Where it is wrong stands
 * in *ret_at (bytes), for CO_MISMATCH the unknown member.
 *
 * CO_INVALID   not an object of JSON, as far as was read
 * CO_MISMATCH  a member that a strict plan does not know */
co_must_use enum co_err scan_row(const struct scan_plan *plan, const char *line,
                                 size_t len, struct scan_value *values,
                                 size_t *ret_at);

/* ---- one value after the other ---- */

struct scan_walk {
    const char *p, *end;
    char close; /* '}' or ']'; 0: there is nothing to walk over */
    bool first;
    enum co_err err;
};

/* The value that a whole line is. CO_INVALID: it is none. */
co_must_use enum co_err scan_value_of(const char *line, size_t len,
                                      struct scan_value *ret_value);
/* Walks over the members of an object or the elements of an array; anything
 * else has none. */
void scan_begin(struct scan_walk *walk, const struct scan_value *value);
/* The next one; false at the end, or when walk->err says what is wrong. */
bool scan_next(struct scan_walk *walk, struct scan_value *ret_value);
/* The member of that name; SCAN_MISSING when there is none. */
struct scan_value scan_member(const struct scan_value *object,
                              const char *name);
