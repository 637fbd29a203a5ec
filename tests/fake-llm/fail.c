/* fail.c - see fail.h. */
#include "tests/fake-llm/fail.h"

#include "common/buf.h"
#include "common/hash.h"

#include <stdlib.h>
#include <string.h>

enum { RULE_BYTES = 256, MILLION = 1000000 };

/* "0.05" of a million; false: no share. */
static bool
share_of(const char *text, uint32_t *ret_share)
{
    char *end;
    double share = strtod(text, &end);

    if (end == text || *end || !(share >= 0 && share <= 1)) return false;
    *ret_share = (uint32_t)(share * MILLION + 0.5);
    return true;
}

/* "from=2.5" in microseconds; false: another word. */
static bool
time_of(const char *word, const char *name, int64_t *ret_us)
{
    size_t n = strlen(name);

    if (strncmp(word, name, n) != 0) return false;
    *ret_us = (int64_t)(strtod(word + n, NULL) * MILLION);
    return true;
}

/* One rule, NUL-terminated; it is cut up. */
static bool
parse_rule(char *text, struct fail_rules *rules, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf words;
    char *rest = NULL, *what = strtok_r(text, ":", &rest);
    char *share = strtok_r(NULL, ":", &rest);
    int64_t from = 0, until = INT64_MAX;
    size_t i = rules->count;

    if (!what || !share || i == FAIL_RULES_MAX) return false;
    if (!share_of(share, &rules->rules[i].share)) return false;
    co_buf_init(&words, RULE_BYTES);
    co_buf_printf(&words, "%s%s",
                  what[0] >= '0' && what[0] <= '9' ? "status=" : "", what);
    for (char *word = strtok_r(NULL, ":", &rest); word;
         word = strtok_r(NULL, ":", &rest)) {
        if (time_of(word, "from=", &from) || time_of(word, "until=", &until)) {
            continue;
        }
        co_buf_printf(&words, ",%s", word);
    }
    if (words.err || behave_parse(co_buf_text(&words), words.len,
                                  &rules->rules[i].behave, diag)) {
        return false;
    }
    rules->rules[i].from_us = from;
    rules->rules[i].until_us = until;
    rules->count++;
    return true;
}

enum co_err
fail_parse(const char *text, size_t len, struct fail_rules *rules,
           struct co_diag *diag)
{
    char rule[RULE_BYTES - 8];

    for (size_t i = 0; i < len;) {
        const char *end = memchr(text + i, ';', len - i);
        size_t n = end ? (size_t)(end - text) - i : len - i;

        if (n >= sizeof rule) return co_fail(diag, CO_USAGE, "too long a rule");
        memcpy(rule, text + i, n);
        rule[n] = '\0';
        if (n > 0 && !parse_rule(rule, rules, diag)) {
            return co_fail(diag, CO_USAGE,
                           "\"%.*s\" is no WHAT:SHARE[:WORD...]", (int)n,
                           text + i);
        }
        i += n + 1;
    }
    return CO_OK;
}

const struct behave *
fail_of(const struct fail_rules *rules, uint64_t hash, uint64_t before,
        int64_t now_us)
{
    int64_t since = now_us - rules->start_us;

    for (size_t i = 0; i < rules->count; i++) {
        uint64_t draw[] = {hash, before, i};

        if (since < rules->rules[i].from_us ||
            since >= rules->rules[i].until_us) {
            continue;
        }
        if (co_hash64(draw, sizeof draw, 0) % MILLION < rules->rules[i].share) {
            return &rules->rules[i].behave;
        }
    }
    return NULL;
}
