/* expr_parse.c - see expr.h for the grammar: a function each, and a check of
 * types where a test is made. */
#include "query/expr_core.h"

#include "common/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BEFORE = 50, SHOWN_BYTES = 100 };

struct parser {
    const char *text;
    size_t len, at; /* at: behind token */
    struct token token;
    const struct schema *schema;
    struct scan_plan *plan;
    struct expr *e;
    uint32_t depth;
    struct co_diag *diag;
};

/* An operand and what is known of it. */
struct parsed {
    uint32_t operand;
    struct token token;
    bool column;
    struct schema_column info; /* of a column */
};

/* ---- saying what is wrong ---- */

/* The expression on a line of its own, and carets below len bytes at at. Of a
 * long one, what is around; control characters become spaces, so that the
 * carets stay below what they mean. */
static void
put_pointer(const struct parser *p, size_t at, size_t len, struct co_buf *out)
{
    size_t from = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0;
    size_t to = co_min_u64(p->len, from + SHOWN_BYTES);
    size_t end = co_min_u64(at + (len ? len : 1), to), carets = 0;

    while (from > 0 && ((uint8_t)p->text[from] & 0xc0) == 0x80) {
        from--;
    }
    while (to < p->len && ((uint8_t)p->text[to] & 0xc0) == 0x80) {
        to++;
    }
    co_buf_puts(out, "\n  ");
    for (size_t i = from; i < to; i++) {
        co_buf_putc(out, (uint8_t)p->text[i] < 0x20 ? ' ' : p->text[i]);
    }
    co_buf_puts(out, "\n  ");
    for (size_t i = from; i < co_max_u64(end, at + 1); i++) {
        bool middle = i < p->len && ((uint8_t)p->text[i] & 0xc0) == 0x80;

        if (middle) continue;
        co_buf_putc(out, i < at ? ' ' : '^');
        carets += i >= at;
    }
    if (!carets) co_buf_putc(out, '^');
}

static enum co_err co_printf(3, 4)
    wrong(struct parser *p, const struct token *where, const char *fmt, ...)
{
    char what[sizeof p->diag->text / 2];
    struct co_buf pointer;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    co_buf_init(&pointer, sizeof p->diag->text);
    put_pointer(p, where->at, where->len, &pointer);
    (void)co_fail(p->diag, CO_INVALID, "%s%s", what, co_buf_text(&pointer));
    co_buf_fini(&pointer);
    return CO_INVALID;
}

static enum co_err
too_large(struct parser *p)
{
    return co_fail(p->diag, CO_FULL,
                   "the expression is too large: at most %d bytes, %d tests, "
                   "%d values and %d levels of parentheses",
                   EXPR_BYTES_MAX, EXPR_NODES_MAX, EXPR_OPERANDS_MAX,
                   EXPR_DEPTH_MAX);
}

static enum co_err
expected(struct parser *p, const char *what)
{
    bool end = p->token.type == TOKEN_END;
    bool name = p->token.type == TOKEN_NAME;

    return wrong(p, &p->token, "expected %s%s%.*s%s", what,
                 end ? ", but the expression ends" : ", found ",
                 end ? 0 : (int)co_min_u64(p->token.len, 60),
                 p->text + p->token.at, name ? " (texts stand in quotes)" : "");
}

/* ---- building ---- */

static enum co_err
advance(struct parser *p)
{
    const char *what = NULL;
    struct token next;
    enum co_err err = expr_lex(p->text, p->len, &p->at, &next, &what);

    if (err) return wrong(p, &next, "%s", what);
    p->token = next;
    return CO_OK;
}

/* Takes the token if it is of that type. */
static enum co_err
accept(struct parser *p, enum token_type type, bool *ret_taken)
{
    *ret_taken = p->token.type == type;
    return *ret_taken ? advance(p) : CO_OK;
}

/* Room for one element more, doubling. */
static bool
grow(void **array, uint32_t n, uint32_t *cap, size_t size)
{
    uint32_t more = *cap ? 2 * *cap : 16;
    void *moved;

    if (n < *cap) return true;
    moved = realloc(*array, more * size);
    if (!moved) return false;
    *array = moved;
    *cap = more;
    return true;
}

static enum co_err
add_node(struct parser *p, struct expr_node node, uint32_t *ret)
{
    struct expr *e = p->e;
    void *nodes = e->nodes;

    if (e->n_nodes == EXPR_NODES_MAX) return too_large(p);
    if (!grow(&nodes, e->n_nodes, &e->cap_nodes, sizeof node)) {
        return co_fail(p->diag, CO_NOMEM, "out of memory");
    }
    e->nodes = nodes;
    e->nodes[e->n_nodes] = node;
    *ret = e->n_nodes++;
    return CO_OK;
}

static enum co_err
add_operand(struct parser *p, struct operand operand, uint32_t *ret)
{
    struct expr *e = p->e;
    void *operands = e->operands;

    if (e->n_operands == EXPR_OPERANDS_MAX) return too_large(p);
    if (!grow(&operands, e->n_operands, &e->cap_operands, sizeof operand)) {
        return co_fail(p->diag, CO_NOMEM, "out of memory");
    }
    e->operands = operands;
    e->operands[e->n_operands] = operand;
    *ret = e->n_operands++;
    return CO_OK;
}

/* ---- operands ---- */

static enum co_err
parse_column(struct parser *p, struct parsed *ret)
{
    struct operand operand = {.column = true};
    struct scan_path path;
    struct co_diag why = {""};
    enum co_err err;

    ret->token = p->token;
    ret->column = true;
    if (schema_resolve(p->schema, p->text + p->token.at, p->token.len, &path,
                       &ret->info, &why)) {
        return wrong(p, &p->token, "%s", why.text);
    }
    err = scan_plan_add(p->plan, &path, &operand.slot);
    if (err) return co_fail(p->diag, err, "too many columns");
    err = add_operand(p, operand, &ret->operand);
    return err ? err : advance(p);
}

static bool
is_literal(enum token_type type)
{
    return type == TOKEN_NUMBER || type == TOKEN_TEXT || type == TOKEN_NULL ||
           type == TOKEN_TRUE || type == TOKEN_FALSE;
}

static enum scan_type
literal_type(enum token_type type)
{
    switch ((int)type) {
    case TOKEN_NUMBER:
        return SCAN_NUMBER;
    case TOKEN_TEXT:
        return SCAN_TEXT;
    case TOKEN_TRUE:
        return SCAN_TRUE;
    case TOKEN_FALSE:
        return SCAN_FALSE;
    default:
        return SCAN_NULL;
    }
}

static enum co_err
parse_literal(struct parser *p, struct parsed *ret)
{
    struct operand operand = {.type = literal_type(p->token.type)};
    struct expr *e = p->e;
    enum co_err err;

    if (!is_literal(p->token.type)) return expected(p, "a number or a text");
    ret->token = p->token;
    ret->column = false;
    if (operand.type == SCAN_NUMBER) {
        operand.number = number_of(p->text + p->token.at, p->token.len);
    } else if (operand.type == SCAN_TEXT) {
        operand.text = e->texts + e->texts_len;
        operand.len = expr_unquote(p->text, &p->token, e->texts + e->texts_len);
        e->texts_len += operand.len;
    }
    err = add_operand(p, operand, &ret->operand);
    return err ? err : advance(p);
}

static enum co_err
parse_operand(struct parser *p, struct parsed *ret)
{
    if (p->token.type == TOKEN_NAME) return parse_column(p, ret);
    if (is_literal(p->token.type)) return parse_literal(p, ret);
    return expected(p, "a column");
}

/* ---- types ---- */

/* What a column may hold, nulls aside; 0: only nulls were seen, so anything. */
static uint32_t
types_of(const struct parsed *operand)
{
    return operand->info.types & ~SCHEMA_BIT(SCAN_NULL);
}

static const char *
literal_name(enum scan_type type)
{
    switch ((int)type) {
    case SCAN_NUMBER:
        return "a number";
    case SCAN_TEXT:
        return "a text";
    case SCAN_NULL:
        return "null";
    default:
        return "true or false";
    }
}

/* Types that stand for one another in a comparison. */
static uint32_t
widened(uint32_t types)
{
    return types & SCHEMA_BOOL ? types | SCHEMA_BOOL : types;
}

/* Objects and lists have members to be asked, not values. */
static enum co_err
check_simple(struct parser *p, const struct parsed *column)
{
    uint32_t types = types_of(column);
    const char *name = column->info.path;

    if (types == SCHEMA_BIT(SCAN_OBJECT)) {
        return wrong(p, &column->token,
                     "%s is an object: name one of its members (%s.NAME)", name,
                     name);
    }
    if (types == SCHEMA_BIT(SCAN_ARRAY)) {
        return wrong(p, &column->token,
                     "%s is %s: ask whether it contains something, or for one "
                     "element (%s[0])",
                     name, schema_type_name(&column->info), name);
    }
    return CO_OK;
}

/* Can what this column holds ever be equal to that literal? */
static enum co_err
check_literal(struct parser *p, const struct parsed *column,
              const struct parsed *literal)
{
    enum scan_type type = p->e->operands[literal->operand].type;
    uint32_t types = widened(types_of(column));

    if (type == SCAN_NULL || !types || types & SCHEMA_BIT(type)) return CO_OK;
    return wrong(p, &literal->token, "%.*s is %s, this is %s",
                 (int)column->token.len, p->text + column->token.at,
                 schema_type_name(&column->info), literal_name(type));
}

static enum co_err
check_comparison(struct parser *p, const struct parsed *a,
                 const struct parsed *b)
{
    enum co_err err = CO_OK;

    if (!a->column && !b->column) {
        return wrong(p, &a->token, "neither side is a column");
    }
    if (a->column) err = check_simple(p, a);
    if (!err && b->column) err = check_simple(p, b);
    if (err) return err;
    if (!b->column) return check_literal(p, a, b);
    if (!a->column) return check_literal(p, b, a);
    if (types_of(a) && types_of(b) &&
        !(widened(types_of(a)) & widened(types_of(b)))) {
        return wrong(p, &b->token, "%s is %s, %s is %s: they are never equal",
                     a->info.path, schema_type_name(&a->info), b->info.path,
                     schema_type_name(&b->info));
    }
    return CO_OK;
}

static enum co_err
check_order(struct parser *p, const struct parsed *side)
{
    enum scan_type type = p->e->operands[side->operand].type;

    if (side->column || type == SCAN_NUMBER || type == SCAN_TEXT) return CO_OK;
    return wrong(p, &side->token,
                 "%s is neither smaller nor greater than anything",
                 literal_name(type));
}

/* ~ and like look into texts, contains and ~ also into lists. */
static enum co_err
check_texts(struct parser *p, const struct parsed *column, const char *verb,
            bool lists)
{
    uint32_t can = SCHEMA_BIT(SCAN_TEXT), types = types_of(column);

    if (lists) can |= SCHEMA_BIT(SCAN_ARRAY);
    if (!types || types & can) return CO_OK;
    return wrong(p, &column->token, "%s is %s: %s needs a text%s",
                 column->info.path, schema_type_name(&column->info), verb,
                 lists ? " or a list" : "");
}

static enum co_err
check_contains(struct parser *p, const struct parsed *column,
               const struct parsed *literal)
{
    enum scan_type type = p->e->operands[literal->operand].type;
    uint32_t types = types_of(column);
    uint32_t items = column->info.items & ~SCHEMA_BIT(SCAN_NULL);
    enum co_err err = check_texts(p, column, "contains", true);

    if (err || !types) return err;
    if (types == SCHEMA_BIT(SCAN_TEXT)) items = SCHEMA_BIT(SCAN_TEXT);
    if (!items || type == SCAN_NULL || widened(items) & SCHEMA_BIT(type)) {
        return CO_OK;
    }
    return wrong(p, &literal->token, "%s is %s, this is %s", column->info.path,
                 schema_type_name(&column->info), literal_name(type));
}

/* ---- the grammar ---- */

static enum co_err parse_or(struct parser *p, uint32_t *ret);

static enum co_err
negated(struct parser *p, bool yes, uint32_t *node)
{
    return yes ? add_node(p, (struct expr_node){.op = OP_NOT, .a = *node}, node)
               : CO_OK;
}

static enum co_err
parse_list(struct parser *p, const struct parsed *column, uint32_t *ret)
{
    struct expr_node node = {.op = OP_IN, .a = column->operand};
    bool more = true;
    enum co_err err = check_simple(p, column);

    if (!err && p->token.type != TOKEN_OPEN) err = expected(p, "\"(\"");
    if (!err) err = advance(p);
    while (!err && more) {
        struct parsed literal = {.operand = 0};

        err = parse_literal(p, &literal);
        if (!err) err = check_literal(p, column, &literal);
        if (!err && node.count++ == 0) node.b = literal.operand;
        if (!err) err = accept(p, TOKEN_COMMA, &more);
    }
    if (!err && p->token.type != TOKEN_CLOSE) {
        err = expected(p, "\",\" or \")\"");
    }
    if (!err) err = advance(p);
    return err ? err : add_node(p, node, ret);
}

static enum co_err
parse_contains(struct parser *p, const struct parsed *column, uint32_t *ret)
{
    struct parsed literal = {.operand = 0};
    enum co_err err = parse_literal(p, &literal);

    if (!err) err = check_contains(p, column, &literal);
    return err ? err
               : add_node(p,
                          (struct expr_node){.op = OP_CONTAINS,
                                             .a = column->operand,
                                             .b = literal.operand},
                          ret);
}

/* Behind "~" and "like". */
static enum co_err
parse_text_test(struct parser *p, const struct parsed *column, enum expr_op op,
                uint32_t *ret)
{
    struct parsed literal = {.operand = 0};
    bool about = op == OP_ABOUT;
    enum co_err err = check_texts(p, column, about ? "~" : "like", about);

    if (!err && p->token.type != TOKEN_TEXT) {
        err = expected(p, "a text in quotes");
    }
    if (!err) err = parse_literal(p, &literal);
    return err ? err
               : add_node(p,
                          (struct expr_node){.op = op,
                                             .a = column->operand,
                                             .b = literal.operand},
                          ret);
}

/* Behind "is". */
static enum co_err
parse_is(struct parser *p, const struct parsed *column, uint32_t *ret)
{
    bool not = false;
    enum co_err err = accept(p, TOKEN_NOT, &not );

    if (!err && p->token.type != TOKEN_NULL) err = expected(p, "null");
    if (!err) err = advance(p);
    if (!err) {
        err = add_node(
            p, (struct expr_node){.op = OP_IS_NULL, .a = column->operand}, ret);
    }
    return err ? err : negated(p, not, ret);
}

/* state = TX: a shell ate the quotes, or nobody wrote them. */
static enum co_err
check_quotes(struct parser *p)
{
    const char *name = p->text + p->token.at;

    if (p->token.type != TOKEN_NAME ||
        schema_find(p->schema, name, p->token.len) ||
        schema_alias(p->schema, name, p->token.len) ||
        schema_nearest(p->schema, name, p->token.len) ||
        memchr(name, '[', p->token.len)) {
        return CO_OK;
    }
    return wrong(p, &p->token,
                 "there is no column %.*s; a text stands in quotes: \"%.*s\"",
                 (int)co_min_u64(p->token.len, 60), name,
                 (int)co_min_u64(p->token.len, 60), name);
}

static enum co_err
parse_comparison(struct parser *p, const struct parsed *a, uint32_t *ret)
{
    static const enum expr_op ops[TOKEN_COUNT] = {
        [TOKEN_EQ] = OP_EQ, [TOKEN_NE] = OP_NE, [TOKEN_LT] = OP_LT,
        [TOKEN_LE] = OP_LE, [TOKEN_GT] = OP_GT, [TOKEN_GE] = OP_GE};
    enum expr_op op = ops[p->token.type];
    struct parsed b = {.operand = 0};
    enum co_err err = advance(p);

    if (!err) err = check_quotes(p);
    if (!err) err = parse_operand(p, &b);
    if (!err) err = check_comparison(p, a, &b);
    if (!err && op != OP_EQ && op != OP_NE) {
        err = check_order(p, a);
        if (!err) err = check_order(p, &b);
    }
    return err ? err
               : add_node(p,
                          (struct expr_node){
                              .op = op, .a = a->operand, .b = b.operand},
                          ret);
}

static bool
is_comparison(enum token_type type)
{
    return type == TOKEN_EQ || type == TOKEN_NE || type == TOKEN_LT ||
           type == TOKEN_LE || type == TOKEN_GT || type == TOKEN_GE;
}

/* Behind the column: "in", "contains", "like", "~", "!~", "is". */
static enum co_err
parse_verb(struct parser *p, const struct parsed *column, uint32_t *ret)
{
    bool not = p->token.type == TOKEN_NOT_ABOUT;
    enum token_type verb;
    enum co_err err = CO_OK;

    if (!not ) err = accept(p, TOKEN_NOT, &not );
    verb = p->token.type;
    if (err) return err;
    if (verb != TOKEN_IN && verb != TOKEN_CONTAINS && verb != TOKEN_LIKE &&
        verb != TOKEN_ABOUT && verb != TOKEN_NOT_ABOUT && verb != TOKEN_IS) {
        return expected(p, "a comparison (= != < <= > >= ~ in contains like "
                           "is)");
    }
    err = advance(p);
    if (err) return err;
    if (verb == TOKEN_IN) {
        err = parse_list(p, column, ret);
    } else if (verb == TOKEN_CONTAINS) {
        err = parse_contains(p, column, ret);
    } else if (verb == TOKEN_IS) {
        err = parse_is(p, column, ret);
    } else {
        err = parse_text_test(p, column,
                              verb == TOKEN_LIKE ? OP_LIKE : OP_ABOUT, ret);
    }
    return err ? err : negated(p, not, ret);
}

static enum co_err
parse_test(struct parser *p, uint32_t *ret)
{
    struct parsed a = {.operand = 0};
    enum co_err err = parse_operand(p, &a);

    if (err) return err;
    if (is_comparison(p->token.type)) return parse_comparison(p, &a, ret);
    if (a.column) return parse_verb(p, &a, ret);
    return expected(p, "a comparison (= != < <= > >=)");
}

/* At most EXPR_DEPTH_MAX deep. */
static enum co_err
parse_not(struct parser *p, uint32_t *ret) // NOLINT(misc-no-recursion)
{
    bool taken = false;
    enum co_err err;

    if (p->depth++ == EXPR_DEPTH_MAX) return too_large(p);
    err = accept(p, TOKEN_NOT, &taken);
    if (!err && taken) {
        err = parse_not(p, ret);
        if (!err) err = negated(p, true, ret);
    } else if (!err) {
        err = accept(p, TOKEN_OPEN, &taken);
        if (!err) err = taken ? parse_or(p, ret) : parse_test(p, ret);
        if (!err && taken && p->token.type != TOKEN_CLOSE) {
            err = expected(p, "\"and\", \"or\" or \")\"");
        }
        if (!err && taken) err = advance(p);
    }
    p->depth--;
    return err;
}

/* Operands of "and" and "or" hang to the left: evaluation recurses as deep as
 * they are many unless it walks; expr_eval.c walks. */
static enum co_err
parse_chain(struct parser *p, enum token_type word, enum expr_op op,
            enum co_err (*next)(struct parser *, uint32_t *), uint32_t *ret)
{
    bool more = true;
    enum co_err err = next(p, ret);

    while (!err && more) {
        uint32_t right = 0;

        err = accept(p, word, &more);
        if (err || !more) break;
        err = next(p, &right);
        if (!err) {
            err = add_node(
                p, (struct expr_node){.op = op, .a = *ret, .b = right}, ret);
        }
    }
    return err;
}

static enum co_err
parse_and(struct parser *p, uint32_t *ret)
{
    return parse_chain(p, TOKEN_AND, OP_AND, parse_not, ret);
}

static enum co_err
parse_or(struct parser *p, uint32_t *ret)
{
    return parse_chain(p, TOKEN_OR, OP_OR, parse_and, ret);
}

enum co_err
expr_parse(const char *text, size_t len, const struct schema *schema,
           struct scan_plan *plan, struct expr **ret_expr, struct co_diag *diag)
{
    co_auto(expr_freep) struct expr *e = calloc(1, sizeof *e);
    struct parser p = {.text = text,
                       .len = len,
                       .schema = schema,
                       .plan = plan,
                       .e = e,
                       .diag = diag};
    enum co_err err;

    if (len > EXPR_BYTES_MAX) return too_large(&p);
    if (e) e->texts = malloc(len + 1);
    if (!e || !e->texts) return co_fail(diag, CO_NOMEM, "out of memory");
    err = advance(&p);
    if (!err && p.token.type == TOKEN_END) {
        return co_fail(diag, CO_INVALID,
                       "the expression is empty; write for example 'age >= 30 "
                       "and state = \"TX\"'");
    }
    if (!err) err = parse_or(&p, &e->root);
    if (!err && p.token.type != TOKEN_END) {
        err = expected(&p, "\"and\" or \"or\"");
    }
    if (err) return err;
    *ret_expr = co_take(&e);
    return CO_OK;
}

void
expr_free(struct expr *e)
{
    if (!e) return;
    free(e->nodes);
    free(e->operands);
    free(e->texts);
    free(e);
}
