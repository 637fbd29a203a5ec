/* progress.h - shows how a run goes: one line rewritten on a terminal, a line
 * every few seconds elsewhere, or the coordinator's lines as they came.
 * Progress and notices go to stderr (JSON: stdout), the result to stdout, so
 * that both can be piped. progress_line and progress_plain are pure; the rest
 * writes. One thread. */
#pragma once
#include "cli/status_line.h"
#include "common/buf.h"

enum progress_mode {
    PROGRESS_TERMINAL,
    PROGRESS_PLAIN,
    PROGRESS_JSON,
    PROGRESS_QUIET, /* notices only */
};

enum {
    PROGRESS_PLAIN_MS = 5000, /* a plain line this often */
    PROGRESS_WIDTH_MAX = 240,
    PROGRESS_STALL_MS = 5000, /* nothing moves for so long: say why */
};

struct progress {
    enum progress_mode mode;
    bool shown;      /* a line stands on the terminal, without line break */
    int64_t next_ms; /* of the next plain line */
    uint64_t drawn, accepted, calls; /* when something last moved */
    int64_t moved_ms;                /* -1: no line came yet */
};

/* The mode for stderr as it is, or JSON. */
void progress_init(struct progress *p, bool json);
/* One report; raw is the line as it came (len without line break). */
void progress_show(struct progress *p, const struct status_line *line,
                   const char *raw, size_t len, int64_t now_ms);
/* Something that a person should know. */
void progress_notice(struct progress *p, const char *text);
/* Takes the terminal's line away. */
void progress_end(struct progress *p);

/* Appends the line for a terminal that is width columns wide (1 to
 * PROGRESS_WIDTH_MAX counts), never longer than width - 1, so that it does not
 * wrap. stalled: nothing moves, show why. */
void progress_line(const struct status_line *line, unsigned width, bool stalled,
                   struct co_buf *out);
/* Appends the plain line, without line break. */
void progress_plain(const struct status_line *line, bool stalled,
                    struct co_buf *out);
