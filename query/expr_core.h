/* expr_core.h - inside of expressions; expr*.c only. expr_lex.c cuts words,
 * expr_parse.c builds and checks, expr_eval.c asks. */
#pragma once
#include "query/expr.h"
#include "query/value.h"

/* X(name, as a person writes it) */
#define TOKEN_LIST(X)                                                          \
    X(END, "the end")                                                          \
    X(NAME, "a column")                                                        \
    X(NUMBER, "a number")                                                      \
    X(TEXT, "a text")                                                          \
    X(OPEN, "(")                                                               \
    X(CLOSE, ")")                                                              \
    X(COMMA, ",")                                                              \
    X(EQ, "=")                                                                 \
    X(NE, "!=")                                                                \
    X(LE, "<=")                                                                \
    X(LT, "<")                                                                 \
    X(GE, ">=")                                                                \
    X(GT, ">")                                                                 \
    X(NOT_ABOUT, "!~")                                                         \
    X(ABOUT, "~")                                                              \
    X(AND, "and")                                                              \
    X(OR, "or")                                                                \
    X(NOT, "not")                                                              \
    X(IN, "in")                                                                \
    X(IS, "is")                                                                \
    X(CONTAINS, "contains")                                                    \
    X(LIKE, "like")                                                            \
    X(NULL, "null")                                                            \
    X(TRUE, "true")                                                            \
    X(FALSE, "false")

enum token_type {
#define X(name, text) TOKEN_##name,
    TOKEN_LIST(X)
#undef X
        TOKEN_COUNT
};

struct token {
    enum token_type type;
    size_t at, len; /* in the expression */
};

/* The token at or behind *at, which moves behind it. On an error *ret has the
 * place, *ret_what the reason. */
enum co_err expr_lex(const char *text, size_t len, size_t *at,
                     struct token *ret, const char **ret_what);
/* "and", "(": for messages. */
const char *expr_token_text(enum token_type type);
/* The bytes that a TOKEN_TEXT stands for are at most as many as it has. */
size_t expr_unquote(const char *text, const struct token *token, char *to);

enum expr_op {
    OP_OR,
    OP_AND,
    OP_NOT,
    OP_EQ, /* the six comparisons stay together */
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_CONTAINS,
    OP_ABOUT, /* ~ */
    OP_LIKE,
    OP_IS_NULL,
};

/* A column or a literal. */
struct operand {
    bool column;
    uint32_t slot;       /* of a column */
    enum scan_type type; /* of a literal */
    struct number number;
    const char *text; /* in the expression's own memory */
    size_t len;
};

struct expr_node {
    enum expr_op op;
    uint32_t a, b;  /* or, and, not: nodes; tests: operands */
    uint32_t count; /* OP_IN: operands from b on */
};

struct expr {
    struct expr_node *nodes;
    struct operand *operands;
    char *texts; /* of the literals */
    uint32_t n_nodes, n_operands, root;
    uint32_t cap_nodes, cap_operands;
    size_t texts_len;
};
