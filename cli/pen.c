/* pen.c - see pen.h. */
#include "cli/pen.h"

#include "cli/say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    bool colour;
} styles[] = {
    [PEN_PLAIN] = {"0", false}, [PEN_BOLD] = {"1", false},
    [PEN_DIM] = {"2", false},   [PEN_REVERSE] = {"7", false},
    [PEN_GOOD] = {"32", true},  [PEN_WARN] = {"33", true},
    [PEN_BAD] = {"1;31", true},
};

/* East Asian wide and emoji blocks take two columns; coarse, as terminals
 * agree on no more. */
static const struct {
    uint32_t from, to;
} wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff},
    {0x20000, 0x3fffd},
};

/* Combining marks take none; what is shown as '?' takes one. */
static bool
takes_none(uint32_t c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0xfe00 && c <= 0xfe0f);
}

/* The code point and its bytes; 0xfffd and 1 for what is no UTF-8. */
static uint32_t
decode(const unsigned char *s, size_t *ret_bytes)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));

    *ret_bytes = 1;
    if (n > 1 && (s[0] < 0xc2 || s[0] > 0xf4)) return 0xfffd;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0xfffd;
        c = c << 6 | (s[i] & 0x3fu);
    }
    *ret_bytes = n;
    return c;
}

unsigned
pen_char(const char *text, size_t *ret_bytes)
{
    uint32_t c = decode((const unsigned char *)text, ret_bytes);

    if (takes_none(c)) return 0;
    for (size_t i = 0; i < co_countof(wide); i++) {
        if (c >= wide[i].from && c <= wide[i].to) return 2;
    }
    return 1;
}

unsigned
pen_width(const char *text)
{
    unsigned n = 0;

    for (size_t bytes; *text; text += bytes) {
        n += pen_char(text, &bytes);
    }
    return n;
}

void
pen_begin(struct pen *p, struct co_buf *out, unsigned width,
          enum pen_looks looks)
{
    *p = (struct pen){.out = out, .width = width, .looks = looks};
}

void
pen_style(struct pen *p, enum pen_style style)
{
    if (style == p->style || p->looks == PEN_NO_STYLES) return;
    if (styles[style].colour && p->looks != PEN_COLOURS) style = PEN_BOLD;
    p->style = style;
    co_buf_printf(p->out, "\033[0%s%sm", style ? ";" : "",
                  style ? styles[style].code : "");
}

static bool
printable(const char *text, size_t bytes)
{
    unsigned char c = (unsigned char)text[0];

    if (bytes == 1) return c >= 0x20 && c < 0x7f;
    return !say_hidden(text, bytes);
}

void
pen_text(struct pen *p, const char *text)
{
    for (size_t bytes; *text; text += bytes) {
        unsigned columns = pen_char(text, &bytes);

        if (p->column + columns > p->width) return;
        if (printable(text, bytes)) {
            co_buf_append(p->out, text, bytes);
        } else {
            co_buf_putc(p->out, '?');
        }
        p->column += columns;
    }
}

void
pen_printf(struct pen *p, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pen_text(p, text);
}

void
pen_to(struct pen *p, unsigned column)
{
    while (p->column < column && p->column < p->width) {
        co_buf_putc(p->out, ' ');
        p->column++;
    }
}

void
pen_cell(struct pen *p, const char *text, unsigned width, bool right)
{
    unsigned long end = (unsigned long)p->column + width;
    unsigned columns = pen_width(text), keep = p->width;

    if (right && columns < width) pen_to(p, p->column + width - columns);
    if (columns > width && width > 0) {
        p->width = (unsigned)co_min_u64(keep, end - 1);
        pen_text(p, text);
        p->width = keep;
        pen_text(p, "~");
    } else {
        pen_text(p, text);
    }
    pen_to(p, (unsigned)end);
}

char *
pen_count(uint64_t n, unsigned width, char text[32])
{
    static const char units[] = "kMGTPE";
    co_auto(co_buf_fini) struct co_buf buf;
    double v = (double)n;
    int unit = -1;

    co_buf_init(&buf, 64);
    say_count(&buf, n);
    (void)snprintf(text, 32, "%s", co_buf_text(&buf));
    if (buf.len <= width) return text;
    for (; v >= 999.5 && unit < 5; unit++) {
        v /= 1000;
    }
    (void)snprintf(text, 32, "%.*f%c",
                   v < 9.995   ? 2
                   : v < 99.95 ? 1
                               : 0,
                   v, units[unit < 0 ? 0 : unit]);
    return text;
}
