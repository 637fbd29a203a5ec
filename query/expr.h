/* expr.h - a condition on rows, as a person writes it:
 *   age >= 30 and state = "TX" and not languages contains "Spanish"
 * Parsed and checked against the columns once, then asked of row after row.
 *
 *   or       = and { "or" and }
 *   and      = not { "and" not }
 *   not      = "not" not | "(" or ")" | test
 *   test     = operand ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) operand
 *            | column [ "not" ] "in" "(" literal { "," literal } ")"
 *            | column [ "not" ] "contains" literal
 *            | column [ "not" ] "like" text
 *            | column ( "~" | "!~" ) text
 *            | column "is" [ "not" ] "null"
 *   operand  = column | literal
 *   column   = name { "." name | "[" digits "]" }
 *   literal  = number | text | "true" | "false" | "null"
 *   text     = "..." or '...', with \" \' \\
 *
 * Keywords in either case. What they mean: docs/cli.md. Two values only: a
 * test is true or false; null is equal to null and to nothing else, and
 * neither smaller nor greater than anything.
 * Pure. An expression may be asked by many threads, each with a scratch. */
#pragma once
#include "query/schema.h"

enum {
    EXPR_BYTES_MAX = 64 << 10,
    EXPR_DEPTH_MAX = 64,      /* of parentheses and nots */
    EXPR_NODES_MAX = 20000,   /* tests, ands, ors, nots */
    EXPR_OPERANDS_MAX = 20000 /* columns and literals, also in lists */
};

struct expr; /* opaque */

/* Parses text. Its columns are looked up in schema and added to plan, from
 * whose values expr_match() takes them. text may go afterwards.
 *
 * CO_INVALID  diag: what is wrong, with the line and a caret below it
 * CO_FULL     one of the limits above */
co_must_use enum co_err expr_parse(const char *text, size_t len,
                                   const struct schema *schema,
                                   struct scan_plan *plan,
                                   struct expr **ret_expr,
                                   struct co_diag *diag);
void expr_free(struct expr *e);
CO_DEFINE_FREEP(struct expr, expr_free)

/* Whether a row fulfils it. values as scan_row() filled them from the plan;
 * scratch is overwritten, its error (out of memory) is left for the caller. */
bool expr_match(const struct expr *e, const struct scan_value *values,
                struct co_buf *scratch);
