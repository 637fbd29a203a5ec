/* expr_lex.c - an expression cut into words. */
#include "query/expr_core.h"

#include <string.h>
#include <strings.h>

static const char *const token_texts[TOKEN_COUNT] = {
#define X(name, text) [TOKEN_##name] = text,
    TOKEN_LIST(X)
#undef X
};

const char *
expr_token_text(enum token_type type)
{
    return token_texts[type];
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Longer signs stand in front of their beginnings in the list. */
static bool
lex_sign(const char *p, size_t left, struct token *t)
{
    for (enum token_type type = TOKEN_OPEN; type <= TOKEN_ABOUT; type++) {
        size_t len = strlen(token_texts[type]);

        if (len > left || memcmp(p, token_texts[type], len) != 0) continue;
        t->type = type;
        t->len = len;
        return true;
    }
    return false;
}

/* A name with its dots and elements, or a keyword. */
static void
lex_name(const char *p, size_t left, struct token *t)
{
    size_t n = 0;

    while (n < left && (is_letter(p[n]) || is_digit(p[n]) || p[n] == '.' ||
                        p[n] == '[' || p[n] == ']')) {
        n++;
    }
    t->type = TOKEN_NAME;
    t->len = n;
    for (enum token_type type = TOKEN_AND; type < TOKEN_COUNT; type++) {
        if (strlen(token_texts[type]) == n &&
            strncasecmp(p, token_texts[type], n) == 0) {
            t->type = type;
        }
    }
}

static const char *
lex_number(const char *p, size_t left, struct token *t)
{
    struct scan_value value;
    size_t n = 1;

    while (n < left && (is_digit(p[n]) || is_letter(p[n]) || p[n] == '.' ||
                        ((p[n] == '-' || p[n] == '+') &&
                         (p[n - 1] == 'e' || p[n - 1] == 'E')))) {
        n++;
    }
    t->type = TOKEN_NUMBER;
    t->len = n;
    if (scan_value_of(p, n, &value) || value.type != SCAN_NUMBER) {
        return "this is no number; they look like 30, -5, 2.5 or 1e6";
    }
    return NULL;
}

static const char *
lex_text(const char *p, size_t left, struct token *t)
{
    size_t n = 1;

    t->type = TOKEN_TEXT;
    while (n < left && p[n] != p[0]) {
        bool escape = p[n] == '\\';

        if (escape && (n + 1 == left || !strchr("\"'\\", p[n + 1]))) {
            /* In a pattern the backslash is the pattern's. */
            escape = false;
        }
        n += 1 + (size_t)escape;
    }
    t->len = n < left ? n + 1 : left;
    return n < left ? NULL : "this text has no closing quote";
}

enum co_err
expr_lex(const char *text, size_t len, size_t *at, struct token *ret,
         const char **ret_what)
{
    const char *p, *what = NULL;
    size_t left;

    while (*at < len && is_space(text[*at])) {
        ++*at;
    }
    p = text + *at;
    left = len - *at;
    *ret = (struct token){.type = TOKEN_END, .at = *at, .len = 0};
    if (left == 0) return CO_OK;
    if (*p == '"' || *p == '\'') {
        what = lex_text(p, left, ret);
    } else if (is_letter(*p)) {
        lex_name(p, left, ret);
    } else if (is_digit(*p) || *p == '-') {
        what = lex_number(p, left, ret);
    } else if (left > 1 && p[0] == '=' && p[1] == '=') {
        what = "write one = to compare";
    } else if (!lex_sign(p, left, ret)) {
        what = *p == '&'   ? "this character means nothing here: write and"
               : *p == '|' ? "this character means nothing here: write or"
                           : "this character means nothing here";
    }
    *at += ret->len;
    if (what) *ret_what = what;
    return what ? CO_INVALID : CO_OK;
}

size_t
expr_unquote(const char *text, const struct token *token, char *to)
{
    const char *p = text + token->at + 1;
    const char *end = text + token->at + token->len - 1;
    char *start = to;

    while (p < end) {
        if (*p == '\\' && p + 1 < end && strchr("\"'\\", p[1])) p++;
        *to++ = *p++;
    }
    return (size_t)(to - start);
}
