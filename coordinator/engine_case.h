/* engine_case.h - what happened to tasks that are in trouble, for people: the
 * last events of each, and the letter that is written when one is given up.
 * Decides nothing: engine_retry.c and engine_guilt.c do. Fixed memory: a case
 * whose place another task took is forgotten, and its letter says less. */
#pragma once
#include "common/buf.h"
#include "common/bytes.h"

enum {
    CASES_MAX = 1024,
    CASE_EVENTS = 6, /* the last ones are kept */
    CASE_ERROR_BYTES = 200,
    LETTER_BYTES_MAX = 8192,
    LETTER_INPUT_MAX = 2048, /* a longer payload is not in the letter */
};

enum case_event { CASE_FAILED, CASE_DIED, CASE_SILENT };

struct engine_case {
    uint64_t task; /* 0 with n 0: unused */
    struct {
        uint64_t worker;
        int64_t at_us;
        uint8_t what; /* enum case_event */
    } event[CASE_EVENTS];
    uint32_t n; /* events in all */
    char error[CASE_ERROR_BYTES];
};

struct cases {
    struct engine_case v[CASES_MAX];
};

/* Notes an event; error (len bytes, not terminated) may be NULL. */
void engine_case_note(struct cases *c, uint64_t task, enum case_event what,
                      uint64_t worker, const uint8_t *error, size_t len,
                      int64_t now_us);

struct engine;
/* Appends the letter of a task: one JSON object. */
co_must_use enum co_err engine_case_letter(struct engine *e, uint32_t i,
                                           int64_t now_us, struct co_buf *out);
