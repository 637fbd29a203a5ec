/* hints.h - what the headers of an answer say about when to call again.
 * Retry-After (seconds or a date), retry-after-ms, x-ratelimit-* (OpenAI and
 * compatible) and anthropic-ratelimit-*. Values are of a stranger: what cannot
 * be read is taken for not given, times end at HINTS_WAIT_MAX_MS. Pure. */
#pragma once
#include "common/base.h"

enum { HINTS_WAIT_MAX_MS = 24 * 3600 * 1000 };

/* -1: not given. */
struct hints {
    int64_t retry_after_ms;
    int64_t requests_left, requests_reset_ms;
    int64_t tokens_left, tokens_reset_ms;
};

void hints_init(struct hints *hints);
/* Takes one header, "Name: value" with or without the end of its line; one
 * that says nothing of this kind changes nothing. now_ms is wall time. */
void hints_take(struct hints *hints, const char *line, size_t len,
                int64_t now_ms);
