/* fail.h - which share of the requests fails, and how: rules, by the hash of a
 * request and how often it came, so that a run can be repeated and another try
 * may go well. A rule is WHAT:SHARE[:WORD...]: WHAT a status or a behaviour of
 * behave.h, SHARE a part of 1 as 0.05, WORD more behaviours, or from=S and
 * until=S, seconds since the rules were set. Rules stand with ';' between
 * them; the first that hits counts. Pure. */
#pragma once
#include "tests/fake-llm/behave.h"

enum { FAIL_RULES_MAX = 16 };

struct fail_rules {
    struct {
        struct behave behave;
        uint32_t share; /* of a million */
        int64_t from_us, until_us;
    } rules[FAIL_RULES_MAX];
    size_t count;
    int64_t start_us;
};

/* Appends. CO_USAGE: diag names the rule. */
co_must_use enum co_err fail_parse(const char *text, size_t len,
                                   struct fail_rules *rules,
                                   struct co_diag *diag);
/* NULL: it does not fail. before: how often the same came before. */
const struct behave *fail_of(const struct fail_rules *rules, uint64_t hash,
                             uint64_t before, int64_t now_us);
