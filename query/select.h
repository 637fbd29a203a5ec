/* select.h - which rows, which columns, in which dress: what `cohort query`
 * and `cohort export` do with a row. Pure; a selection may be used by many
 * threads, each with a hand of its own. */
#pragma once
#include "query/expr.h"

enum select_format {
    SELECT_JSONL,   /* the row's line, or an object of the fields */
    SELECT_CSV,     /* RFC 4180, lines ended by CR LF */
    SELECT_CELLS,   /* plain text, a tab between cells, '\n' behind the row */
    SELECT_NOTHING, /* only whether it matches */
};

struct select_options {
    const char *where;  /* an expression; NULL: all rows */
    const char *fields; /* "a,b.c"; NULL: all (SELECT_CELLS needs some) */
    enum select_format format;
    bool no_provenance; /* leave it out of "all" */
};

struct select; /* opaque */

/* Checked against schema, which may go afterwards. In CSV and cells an object
 * stands for its members. CO_INVALID, CO_FULL: diag. */
co_must_use enum co_err select_new(const struct select_options *options,
                                   const struct schema *schema,
                                   struct select **ret_select,
                                   struct co_diag *diag);
void select_free(struct select *s);
CO_DEFINE_FREEP(struct select, select_free)
/* Columns of CSV and cells. */
uint32_t select_columns(const struct select *s);
const char *select_column(const struct select *s, uint32_t i);
/* Whether it holds numbers, which are set flush right. */
bool select_is_number(const struct select *s, uint32_t i);
/* The first line of a CSV; nothing for other formats. */
void select_head(const struct select *s, struct co_buf *out);

/* What a thread needs. */
struct select_hand; /* opaque */
co_must_use enum co_err select_hand_new(const struct select *s,
                                        struct select_hand **ret_hand);
void select_hand_free(struct select_hand *hand);
CO_DEFINE_FREEP(struct select_hand, select_hand_free)

/* Asks a line (without its newline); appends it to out if it matches.
 *
 * CO_DAMAGED   the line is no JSON object
 * CO_MISMATCH  CSV of all columns: this row has one that no earlier one had
 * CO_NOMEM, CO_FULL (out's limit) */
co_must_use enum co_err select_row(struct select_hand *hand, const char *line,
                                   size_t len, struct co_buf *out,
                                   bool *ret_match, struct co_diag *diag);
