/* behave.c - see behave.h. */
#include "tests/fake-llm/behave.h"

#include <stdio.h>
#include <string.h>

enum kind { NUMBER, FLAG, END, BODY, TEXT };

static const struct word {
    const char *name;
    enum kind kind;
    size_t offset;
    int value; /* of END and BODY */
} words[] = {
#define AT(field) offsetof(struct behave, field)
    {"ok", END, AT(end), END_WHOLE},
    {"reset", END, AT(end), END_RESET},
    {"close", END, AT(end), END_CLOSE},
    {"cut", END, AT(end), END_CUT},
    {"stall", END, AT(end), END_STALL},
    {"mute", END, AT(end), END_MUTE},
    {"badjson", BODY, AT(body), BODY_BADJSON},
    {"shape", BODY, AT(body), BODY_SHAPE},
    {"echo-key", BODY, AT(body), BODY_ECHO_KEY},
    {"latency", NUMBER, AT(latency_ms), 0},
    {"status", NUMBER, AT(status), 0},
    {"retry-after", NUMBER, AT(retry_after), 0},
    {"left", NUMBER, AT(left), 0},
    {"tokens-left", NUMBER, AT(tokens_left), 0},
    {"reset-ms", NUMBER, AT(reset_ms), 0},
    {"retry-date", FLAG, AT(retry_date), 0},
    {"huge", NUMBER, AT(huge), 0},
    {"headers", NUMBER, AT(headers), 0},
    {"split", NUMBER, AT(split), 0},
    {"chunked", FLAG, AT(chunked), 0},
    {"html", FLAG, AT(html), 0},
    {"length", FLAG, AT(length), 0},
    {"filter", FLAG, AT(filter), 0},
    {"violate", FLAG, AT(violate), 0},
    {"nonjson", FLAG, AT(nonjson), 0},
    {"stubborn", FLAG, AT(stubborn), 0},
    {"fence", FLAG, AT(fence), 0},
    {"wordy", FLAG, AT(wordy), 0},
    {"overrun", FLAG, AT(overrun), 0},
    {"billed", FLAG, AT(billed), 0},
    {"quota", FLAG, AT(quota), 0},
    {"redirect", TEXT, AT(location), 0},
#undef AT
};

static bool
number(const char *p, size_t len, uint64_t *ret)
{
    uint64_t n = 0;

    if (len == 0 || len > 12) return false;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        n = 10 * n + (uint64_t)(p[i] - '0');
    }
    *ret = n;
    return true;
}

static bool
set(struct behave *b, const struct word *word, const char *value, size_t len)
{
    char *field = (char *)b + word->offset;
    uint64_t n = 0;

    switch (word->kind) {
    case NUMBER:
        if (!value || !number(value, len, &n)) return false;
        memcpy(field, &n, sizeof n);
        return true;
    case FLAG:
        *(bool *)field = true;
        return value == NULL;
    case END:
    case BODY:
        memcpy(field, &word->value, sizeof word->value);
        return value == NULL;
    case TEXT:
        if (!value || len >= sizeof b->location) return false;
        memcpy(field, value, len);
        return true;
    }
    return false;
}

/* As 429:0.1:retry_after=2 may be written. */
static bool
is_word(const char *name, const char *p, size_t len)
{
    if (strlen(name) != len) return false;
    for (size_t i = 0; i < len; i++) {
        if (name[i] != (p[i] == '_' ? '-' : p[i])) return false;
    }
    return true;
}

static bool
take_word(struct behave *b, const char *p, size_t len)
{
    const char *equals = memchr(p, '=', len);
    size_t name = equals ? (size_t)(equals - p) : len;

    for (size_t i = 0; i < co_countof(words); i++) {
        if (!is_word(words[i].name, p, name)) continue;
        if (!set(b, &words[i], equals ? equals + 1 : NULL,
                 equals ? len - name - 1 : 0)) {
            return false;
        }
        if (strcmp(words[i].name, "huge") == 0) b->body = BODY_HUGE;
        if (strcmp(words[i].name, "retry-after") == 0) b->has_retry = true;
        if (strcmp(words[i].name, "left") == 0) b->has_left = true;
        if (strcmp(words[i].name, "tokens-left") == 0) {
            b->has_tokens_left = true;
        }
        return true;
    }
    return false;
}

enum co_err
behave_parse(const char *text, size_t len, struct behave *ret_behave,
             struct co_diag *diag)
{
    struct behave b = {.end = END_WHOLE};

    for (size_t i = 0; i < len;) {
        size_t n = 0;

        while (i + n < len && text[i + n] != ',' && text[i + n] != ' ') {
            n++;
        }
        if (n > 0 && !take_word(&b, text + i, n)) {
            return co_fail(diag, CO_USAGE, "\"%.*s\" is no behaviour", (int)n,
                           text + i);
        }
        i += n + 1;
    }
    *ret_behave = b;
    return CO_OK;
}

enum co_err
behave_script_parse(const char *text, size_t len,
                    struct behave_script *ret_script, struct co_diag *diag)
{
    struct behave_script script = {.count = 0};

    for (size_t i = 0; i <= len;) {
        size_t n = 0, digits = 0;
        uint64_t times = 1;
        enum co_err err;

        while (i + n < len && text[i + n] != ';') {
            n++;
        }
        while (digits < n && text[i + digits] >= '0' &&
               text[i + digits] <= '9') {
            digits++;
        }
        if (digits < n && text[i + digits] == '*' &&
            number(text + i, digits, &times)) {
            i += digits + 1;
            n -= digits + 1;
        }
        if (script.count == BEHAVE_STEPS_MAX) {
            return co_fail(diag, CO_USAGE, "more than %d steps",
                           BEHAVE_STEPS_MAX);
        }
        err =
            behave_parse(text + i, n, &script.steps[script.count].behave, diag);
        if (err) return err;
        script.steps[script.count++].times = times;
        i += n + 1;
    }
    *ret_script = script;
    return CO_OK;
}

const struct behave *
behave_next(struct behave_script *script)
{
    while (script->at + 1 < script->count &&
           script->used >= script->steps[script->at].times) {
        script->at++;
        script->used = 0;
    }
    script->used++;
    return &script->steps[script->at].behave;
}
