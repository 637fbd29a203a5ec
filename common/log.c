/* log.c - see log.h.
 * A line is made on the stack and leaves in one write(): no lock is held,
 * and a thread that dies inside leaves nothing half done. The sink's
 * descriptor and level are atomics, changed only by open and close. */
#include "common/log.h"

#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_level = CO_LOG_INFO;
static char log_program[32] = CO_PROGRAM;

const char *const co_log_levels[] = {
    [CO_LOG_ERROR] = "error", [CO_LOG_WARN] = "warn",    [CO_LOG_INFO] = "info",
    [CO_LOG_DEBUG] = "debug", [CO_LOG_DEBUG + 1] = NULL,
};

const char *
co_log_level_name(enum co_log_level level)
{
    return level <= CO_LOG_DEBUG ? co_log_levels[level] : "unknown";
}

enum co_err
co_log_open(const char *program, enum co_log_level level, const char *path,
            struct co_diag *diag)
{
    int fd = STDERR_FILENO;

    if (path) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            int e = errno;

            return co_fail(diag, co_err_from_errno(e),
                           "cannot open the log file %s: %s. Name a file in a "
                           "folder that you may write, or leave it out to log "
                           "to stderr",
                           path, strerror(e));
        }
    }
    co_log_close();
    (void)snprintf(log_program, sizeof log_program, "%s", program);
    atomic_store(&log_level, (int)level);
    atomic_store(&log_fd, fd);
    return CO_OK;
}

void
co_log_close(void)
{
    int fd = atomic_exchange(&log_fd, STDERR_FILENO);

    if (fd != STDERR_FILENO) (void)close(fd);
}

bool
co_log_on(enum co_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* "2026-03-04T10:11:12.345Z " of now. */
static size_t
log_put_time(char *to, size_t size)
{
    int64_t ms = co_clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    (void)gmtime_r(&seconds, &tm);
    n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(to + n, size - n, ".%03dZ ", (int)(ms % 1000));
}

/* Whatever the values hold, the line stays one line of harmless bytes. */
static void
log_blank_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) text[i] = '?';
    }
}

/* Adds formatted text; past the end it is cut and *len says size - 1. */
static void log_vput(char *line, size_t size, size_t *len, const char *fmt,
                     va_list args) co_printf(4, 0);

static void
log_vput(char *line, size_t size, size_t *len, const char *fmt, va_list args)
{
    int n = vsnprintf(line + *len, size - *len, fmt, args);

    if (n < 0) return;
    *len += (size_t)n;
    if (*len < size) return;
    *len = size - 1;
    memcpy(line + size - 4, "...", 3);
}

static void log_put(char *line, size_t size, size_t *len, const char *fmt, ...)
    co_printf(4, 5);

static void
log_put(char *line, size_t size, size_t *len, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_vput(line, size, len, fmt, args);
    va_end(args);
}

static void
log_write(const char *line, size_t len)
{
    ssize_t n;

    /* A log that cannot be written must not stop the program. */
    do {
        n = write(atomic_load(&log_fd), line, len);
    } while (n < 0 && errno == EINTR);
}

void
co_log(enum co_log_level level, const char *event, const char *fmt, ...)
{
    char line[CO_LOG_LINE_MAX];
    int saved_errno = errno;
    size_t len;
    va_list args;

    if (!co_log_on(level)) return;
    len = log_put_time(line, sizeof line);
    log_put(line, sizeof line, &len, "%s %s %s ", co_log_level_name(level),
            log_program, event);
    errno = saved_errno; /* for a %m in fmt */
    va_start(args, fmt);
    log_vput(line, sizeof line, &len, fmt, args);
    va_end(args);
    if (line[len - 1] == ' ') len--; /* an event without values */
    log_blank_controls(line, len);
    line[len] = '\n'; /* takes the NUL's place */
    log_write(line, len + 1);
    errno = saved_errno;
}

void
co_log_event(enum co_log_level level, const char *event)
{
    co_log(level, event, "%s", "");
}

static bool
log_is_plain(const char *text)
{
    if (!*text) return false;
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f ||
            strchr("\"\\=", *text)) {
            return false;
        }
    }
    return true;
}

/* Writes c as it stands inside quotes, at most 4 bytes; returns how many. */
static size_t
log_escape(char c, char to[5])
{
    if (c == '"' || c == '\\') return (size_t)snprintf(to, 5, "\\%c", c);
    if (c == '\n') return (size_t)snprintf(to, 5, "\\n");
    if ((unsigned char)c < ' ' || c == 0x7f) {
        return (size_t)snprintf(to, 5, "\\x%02x", (unsigned char)c);
    }
    to[0] = c;
    return 1;
}

struct co_log_quoted
co_log_quote(const char *text)
{
    struct co_log_quoted q;
    /* Room for the longest escape, "...", the closing quote and the NUL. */
    const size_t end = sizeof q.text - 4 - 3 - 2;
    size_t len = 0;

    if (!text) text = "";
    if (log_is_plain(text) && strlen(text) < sizeof q.text) {
        memcpy(q.text, text, strlen(text) + 1);
        return q;
    }
    q.text[len++] = '"';
    for (; *text && len <= end; text++) {
        len += log_escape(*text, q.text + len);
    }
    (void)snprintf(q.text + len, sizeof q.text - len, "%s\"",
                   *text ? "..." : "");
    return q;
}

bool
co_log_every(struct co_log_limit *limit, int64_t now_ms, int64_t interval_ms,
             uint64_t *ret_held_back)
{
    if (now_ms < limit->next_ms) {
        limit->held_back++;
        return false;
    }
    *ret_held_back = limit->held_back;
    limit->held_back = 0;
    limit->next_ms = now_ms + interval_ms;
    return true;
}
