/* terminal.h - a terminal that a command has to itself: raw keys, the second
 * screen, no cursor. It is given back as it was on every way out: return,
 * signals, ^Z (and taken again afterwards), a crash. A handful of escape
 * sequences that every terminal since the VT220 knows; no library
 * (docs/decisions/0023-top-without-curses.md). One terminal, one thread. */
#pragma once
#include "common/buf.h"

/* Takes the terminal of stdin and stdout. CO_STATE: they are none. */
co_must_use enum co_err terminal_open(struct co_diag *diag);
void terminal_close(void);
/* What stdout is now; 80 x 24 when nobody knows. */
void terminal_size(unsigned *ret_width, unsigned *ret_height);

enum terminal_key {
    TERMINAL_NONE = 0, /* 1 to 255 are bytes as they came */
    TERMINAL_UP = 256,
    TERMINAL_DOWN,
    TERMINAL_LEFT,
    TERMINAL_RIGHT,
    TERMINAL_PAGE_UP,
    TERMINAL_PAGE_DOWN,
    TERMINAL_HOME,
    TERMINAL_END,
    TERMINAL_BACK_TAB,
    TERMINAL_ESCAPE,
    TERMINAL_RESIZED, /* or woken after ^Z: draw everything again */
    TERMINAL_QUIT,    /* SIGTERM, SIGINT, SIGHUP, or stdin is at its end */
};

/* The next key, or NONE when none comes within timeout_ms (-1: for ever), or
 * other_fd (-1: none) is readable. */
int terminal_key(int timeout_ms, int other_fd);

/* The first key in text; *ret_used bytes of it. NONE and 0: none. Pure. */
int terminal_decode(const unsigned char *text, size_t len, size_t *ret_used);

/* What must be written to make a screen that shows `before` (NULL: unknown)
 * show `now`: only lines that differ. Both have `height` lines. Pure. */
void terminal_diff(const char *const *before, const char *const *now,
                   unsigned height, struct co_buf *out);
/* Writes all of it. */
void terminal_write(const struct co_buf *text);
