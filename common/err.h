/* err.h - error codes, their names and texts, and the message for a person.
 * Fallible functions return enum co_err; results come last as ret_* and are
 * written only on success. Library code returns errors, programs print them.
 * Thread-safe: no state. */
#pragma once
#include "common/base.h"

/* One list makes the enum, the names and the texts. Numbers are not stable
 * and never leave the process; names do (wire REFUSED, logs). */
#define CO_ERR_LIST(X)                                                         \
    X(OK, "success")                                                           \
    X(NOMEM, "out of memory")                                                  \
    X(INVALID, "invalid value")                                                \
    X(RANGE, "value out of range")                                             \
    X(FULL, "limit reached")                                                   \
    X(STATE, "not possible in this state")                                     \
    X(NOTFOUND, "not found")                                                   \
    X(EXISTS, "exists already")                                                \
    X(BUSY, "in use by another process")                                       \
    X(STALE, "superseded by a newer owner or attempt")                         \
    X(MISMATCH, "differs from what was expected")                              \
    X(PROTOCOL, "malformed message")                                           \
    X(VERSION, "unsupported version")                                          \
    X(DAMAGED, "data is damaged")                                              \
    X(TORN, "data ends in the middle of a record")                             \
    X(IO, "input/output error")                                                \
    X(NOSPACE, "no space left on device")                                      \
    X(DENIED, "permission denied")                                             \
    X(TIMEOUT, "timed out")                                                    \
    X(UNAVAILABLE, "not reachable")                                            \
    X(CANCELLED, "cancelled")                                                  \
    X(AGAIN, "not yet, try again")                                             \
    X(USAGE, "wrong use of the command line")                                  \
    X(PARTIAL, "ended before everything was done")

enum co_err {
#define X(name, text) CO_##name,
    CO_ERR_LIST(X)
#undef X
        CO_ERR_COUNT
};

/* "NOMEM", "INVALID", ...; "UNKNOWN" for a number outside the list. */
const char *co_err_name(enum co_err err);
/* The text of the list above. */
const char *co_err_text(enum co_err err);
/* The code for an errno value; CO_IO when nothing fits better. */
enum co_err co_err_from_errno(int errnum);

/* What went wrong in a person's words: what, where, why, what to do next.
 * Filled by the function that knows most, printed once by the program. */
struct co_diag {
    char text[1024];
};

/* Writes the message (cut at the end if too long) and returns err, so that
 * `return co_fail(diag, CO_INVALID, "...")` is one line. diag may be NULL.
 * A message that stands already is replaced. */
enum co_err co_fail(struct co_diag *diag, enum co_err err, const char *fmt, ...)
    co_printf(3, 4);

/* What main() returns: 0; 2 when the call has to be changed, else 1. The one
 * place of a program that says why: "program: text" goes to stderr. */
int co_exit_status(const char *program, enum co_err err,
                   const struct co_diag *diag);

/* Puts "prefix: " in front of the message that stands in diag; returns err. */
enum co_err co_fail_prefix(struct co_diag *diag, enum co_err err,
                           const char *fmt, ...) co_printf(3, 4);

/* clang's analyzer looks into one file at a time: it must be told that these
 * never return CO_OK, or it takes every result after them for unset. */
#if defined(__clang_analyzer__) && !defined(CO_ERR_C)
#define co_fail(diag, err, ...) (co_fail(diag, err, __VA_ARGS__), (err))
#define co_err_from_errno(errnum) ((void)(errnum), CO_IO)
#endif
