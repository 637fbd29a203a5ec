/* pen.h - writes one line of a screen: counts columns, cuts at the right edge,
 * turns control characters and hidden ones (say.h) into '?', and styles only
 * where that is wanted. Pure. */
#pragma once
#include "common/buf.h"

enum pen_style {
    PEN_PLAIN,
    PEN_BOLD,
    PEN_DIM,
    PEN_REVERSE,
    PEN_GOOD,
    PEN_WARN,
    PEN_BAD,
};

/* What the screen can do. */
enum pen_looks {
    PEN_NO_STYLES,  /* a file: text only */
    PEN_NO_COLOURS, /* bold, dim and reverse */
    PEN_COLOURS,
};

struct pen {
    struct co_buf *out; /* borrowed */
    unsigned column, width;
    enum pen_looks looks;
    enum pen_style style;
};

void pen_begin(struct pen *p, struct co_buf *out, unsigned width,
               enum pen_looks looks);
void pen_style(struct pen *p, enum pen_style style);
void pen_text(struct pen *p, const char *text);
void pen_printf(struct pen *p, const char *fmt, ...) co_printf(2, 3);
/* Blanks up to column (not beyond the edge). */
void pen_to(struct pen *p, unsigned column);
/* text in a cell of `width` columns, cut with "~" when it is longer. */
void pen_cell(struct pen *p, const char *text, unsigned width, bool right);
/* Columns that text takes: of a character at the beginning of text, and its
 * bytes. Needs no locale. */
unsigned pen_char(const char *text, size_t *ret_bytes);
unsigned pen_width(const char *text);

/* A number in at most `width` characters (>= 5): "1,234,567", else "1.23M",
 * "12.3G". Returns text. */
char *pen_count(uint64_t n, unsigned width, char text[32]);
