/* err.c - see err.h. */
#define CO_ERR_C /* the functions themselves, see the end of err.h */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
} err_table[CO_ERR_COUNT] = {
#define X(name, text) [CO_##name] = {#name, text},
    CO_ERR_LIST(X)
#undef X
};

const char *
co_err_name(enum co_err err)
{
    return (unsigned)err < CO_ERR_COUNT ? err_table[err].name : "UNKNOWN";
}

const char *
co_err_text(enum co_err err)
{
    return (unsigned)err < CO_ERR_COUNT ? err_table[err].text : "unknown error";
}

enum co_err
co_err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return CO_OK;
    case ENOMEM:
        return CO_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return CO_NOTFOUND;
    case EEXIST:
        return CO_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return CO_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return CO_NOSPACE;
    case EAGAIN:
        return CO_AGAIN;
    case EBUSY:
    case EADDRINUSE:
        return CO_BUSY;
    case EINVAL:
        return CO_INVALID;
    case ETIMEDOUT:
        return CO_TIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENOTCONN:
        return CO_UNAVAILABLE;
    default:
        return CO_IO;
    }
}

enum co_err
co_fail(struct co_diag *diag, enum co_err err, const char *fmt, ...)
{
    va_list args;

    if (!diag) return err;
    va_start(args, fmt);
    (void)vsnprintf(diag->text, sizeof diag->text, fmt, args);
    va_end(args);
    return err;
}

enum co_err
co_fail_prefix(struct co_diag *diag, enum co_err err, const char *fmt, ...)
{
    char prefix[256];
    struct co_diag old;
    va_list args;

    if (!diag) return err;
    old = *diag;
    va_start(args, fmt);
    (void)vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    return co_fail(diag, err, "%s: %.*s", prefix,
                   (int)(sizeof diag->text - sizeof prefix - 3), old.text);
}

_Noreturn void
co_assert_failed(const char *cond, const char *file, int line, const char *func)
{
    (void)fprintf(stderr,
                  CO_PROGRAM ": internal error at %s:%d in %s(): %s\n"
                             "This is a bug; nothing committed is lost. Run "
                             "the same command again to go on.\n",
                  file, line, func, cond);
    abort();
}

int
co_exit_status(const char *program, enum co_err err, const struct co_diag *diag)
{
    if (!err) return 0;
    (void)fprintf(stderr, "%s: %s\n", program,
                  diag->text[0] ? diag->text : co_err_text(err));
    return err == CO_USAGE ? 2 : 1;
}
