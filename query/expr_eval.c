/* expr_eval.c - an expression asked of a row. */
#include "query/expr_core.h"

#include <string.h>

/* A value, of a row or of the expression, ready to be compared. */
struct side {
    enum scan_type type;
    struct number number;
    const char *at; /* text, or raw JSON of lists and objects */
    size_t len;
};

static struct side
side_of_value(const struct scan_value *value, struct co_buf *scratch)
{
    struct side s = {.type = value->type, .at = value->at, .len = value->len};

    if (s.type == SCAN_MISSING) s.type = SCAN_NULL;
    if (s.type == SCAN_NUMBER) s.number = number_of(value->at, value->len);
    if (s.type == SCAN_TEXT && !text_of(value, scratch, &s.at, &s.len)) {
        s.len = 0; /* scratch->err stays for the caller */
    }
    return s;
}

static struct side
side_of(const struct operand *operand, const struct scan_value *values,
        struct co_buf *scratch)
{
    if (operand->column) return side_of_value(&values[operand->slot], scratch);
    return (struct side){.type = operand->type,
                         .number = operand->number,
                         .at = operand->text,
                         .len = operand->len};
}

static int
bytes_compare(const struct side *a, const struct side *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->at, b->at, n) : 0;

    return c ? c : (a->len > b->len) - (a->len < b->len);
}

static bool
is_equal(const struct side *a, const struct side *b)
{
    if (a->type != b->type) return false;
    switch (a->type) {
    case SCAN_NUMBER:
        return number_compare(&a->number, &b->number) == 0;
    case SCAN_TEXT:
    case SCAN_ARRAY:
    case SCAN_OBJECT:
        return bytes_compare(a, b) == 0;
    case SCAN_MISSING:
    case SCAN_NULL:
    case SCAN_FALSE:
    case SCAN_TRUE:
        return true;
    }
    return false;
}

/* Texts in the order of their bytes, which for UTF-8 is that of characters. */
static bool
is_ordered(enum expr_op op, const struct side *a, const struct side *b)
{
    bool numbers = a->type == SCAN_NUMBER;
    int c;

    if (a->type != b->type || (!numbers && a->type != SCAN_TEXT)) return false;
    c = numbers ? number_compare(&a->number, &b->number) : bytes_compare(a, b);
    return op == OP_LT   ? c < 0
           : op == OP_LE ? c <= 0
           : op == OP_GT ? c > 0
                         : c >= 0;
}

static bool
compare(const struct expr *e, const struct expr_node *node,
        const struct scan_value *values, struct co_buf *scratch)
{
    struct co_buf second;
    struct side a, b;
    bool yes;

    /* Two columns may both need unescaping. */
    co_buf_init(&second, scratch->limit);
    a = side_of(&e->operands[node->a], values, scratch);
    b = side_of(&e->operands[node->b], values,
                e->operands[node->a].column ? &second : scratch);
    yes = node->op == OP_EQ   ? is_equal(&a, &b)
          : node->op == OP_NE ? !is_equal(&a, &b)
                              : is_ordered(node->op, &a, &b);
    if (second.err) scratch->err = second.err;
    co_buf_fini(&second);
    return yes;
}

static bool
is_in(const struct expr *e, const struct expr_node *node,
      const struct scan_value *values, struct co_buf *scratch)
{
    struct side a = side_of(&e->operands[node->a], values, scratch);

    for (uint32_t i = 0; i < node->count; i++) {
        struct side b = side_of(&e->operands[node->b + i], values, scratch);

        if (is_equal(&a, &b)) return true;
    }
    return false;
}

/* Does an element of the list, or the text, pass for the literal? */
static bool
is_found(enum expr_op op, const struct scan_value *value,
         const struct side *literal, bool whole, struct co_buf *scratch)
{
    struct side s = side_of_value(value, scratch);

    if (op == OP_CONTAINS && whole) return is_equal(&s, literal);
    if (s.type != SCAN_TEXT || literal->type != SCAN_TEXT) return false;
    return text_contains(s.at, s.len, literal->at, literal->len,
                         op == OP_ABOUT);
}

static bool
finds(const struct expr *e, const struct expr_node *node,
      const struct scan_value *values, struct co_buf *scratch)
{
    const struct scan_value *value = &values[e->operands[node->a].slot];
    struct side literal = side_of(&e->operands[node->b], values, scratch);
    struct scan_walk walk;
    struct scan_value item;

    if (value->type != SCAN_ARRAY) {
        return is_found(node->op, value, &literal, false, scratch);
    }
    scan_begin(&walk, value);
    while (scan_next(&walk, &item)) {
        if (is_found(node->op, &item, &literal, true, scratch)) return true;
    }
    return false;
}

static bool
is_like(const struct expr *e, const struct expr_node *node,
        const struct scan_value *values, struct co_buf *scratch)
{
    struct side s = side_of(&e->operands[node->a], values, scratch);
    const struct operand *pattern = &e->operands[node->b];

    return s.type == SCAN_TEXT &&
           text_like(s.at, s.len, pattern->text, pattern->len);
}

static bool
is_null(const struct expr *e, const struct expr_node *node,
        const struct scan_value *values)
{
    enum scan_type type = values[e->operands[node->a].slot].type;

    return type == SCAN_NULL || type == SCAN_MISSING;
}

static bool ask(const struct expr *e, uint32_t i,
                const struct scan_value *values, struct co_buf *scratch);

/* As deep as the expression: NOLINTBEGIN(misc-no-recursion) */

/* a or b or c hangs to the left: ((a or b) or c). The chain is gone down to its
 * first operand and then up again, so that only parentheses recurse. */
static bool
ask_chain(const struct expr *e, uint32_t top, const struct scan_value *values,
          struct co_buf *scratch)
{
    enum expr_op op = e->nodes[top].op;
    uint32_t first = top;

    /* "or" ends with the first true, "and" with the first false. */
    while (e->nodes[first].op == op) {
        if (ask(e, e->nodes[first].b, values, scratch) == (op == OP_OR)) {
            return op == OP_OR;
        }
        first = e->nodes[first].a;
    }
    return ask(e, first, values, scratch);
}

static bool
ask(const struct expr *e, uint32_t i, const struct scan_value *values,
    struct co_buf *scratch)
{
    const struct expr_node *node = &e->nodes[i];

    switch (node->op) {
    case OP_OR:
    case OP_AND:
        return ask_chain(e, i, values, scratch);
    case OP_NOT:
        return !ask(e, node->a, values, scratch);
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return compare(e, node, values, scratch);
    case OP_IN:
        return is_in(e, node, values, scratch);
    case OP_CONTAINS:
    case OP_ABOUT:
        return finds(e, node, values, scratch);
    case OP_LIKE:
        return is_like(e, node, values, scratch);
    case OP_IS_NULL:
        return is_null(e, node, values);
    }
    return false;
}

/* NOLINTEND(misc-no-recursion) */

bool
expr_match(const struct expr *e, const struct scan_value *values,
           struct co_buf *scratch)
{
    return ask(e, e->root, values, scratch);
}
