/* say.c - see say.h. */
#include "cli/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
say_exit(enum co_err err)
{
    switch ((int)err) {
    case CO_OK:
        return CLI_OK;
    case CO_USAGE:
    case CO_INVALID:
    case CO_RANGE:
        return CLI_USAGE;
    case CO_PARTIAL:
        return CLI_PARTIAL;
    default:
        return CLI_FAILED;
    }
}

/* Characters that a terminal obeys, or that make a line look like another one:
 * runs of them, as the bytes of UTF-8 read as one number; short ones first. */
static const struct {
    size_t bytes;
    uint32_t first, last;
} hidden[] = {
    {2, 0xc280, 0xc29f},         /* C1 controls */
    {2, 0xd89c, 0xd89c},         /* U+061C, a direction */
    {3, 0xe1a08e, 0xe1a08e},     /* U+180E, without width */
    {3, 0xe2808b, 0xe2808f},     /* U+200B-200F, the same */
    {3, 0xe280a8, 0xe280ae},     /* U+2028-202E, line ends, directions */
    {3, 0xe281a0, 0xe281af},     /* U+2060-206F, both */
    {3, 0xefbbbf, 0xefbbbf},     /* U+FEFF */
    {4, 0xf3a08080, 0xf3a081bf}, /* U+E0000-E007F, tags */
};

size_t
say_hidden(const char *text, size_t len)
{
    uint32_t c = len ? (unsigned char)text[0] : ' ';
    size_t have = 1;

    if (c < 0x20 || c == 0x7f) return 1;
    for (size_t i = 0; i < co_countof(hidden) && hidden[i].bytes <= len; i++) {
        while (have < hidden[i].bytes) {
            c = c << 8 | (unsigned char)text[have++];
        }
        if (c >= hidden[i].first && c <= hidden[i].last) return have;
    }
    return 0;
}

/* A C1 byte alone is one for a terminal that knows no UTF-8. */
void
say_clean(char *text, size_t len)
{
    bool lead = false; /* of a UTF-8 character: its second byte comes next */

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        size_t n = say_hidden(text + i, len - i);

        if (c >= 0x80 && c < 0xa0 && !lead) text[i] = '?';
        lead = !n && (c >= 0xc2 || (lead && c >= 0x80 && c < 0xc0));
        if (!n) continue;
        memset(text + i, '?', n);
        i += n - 1;
    }
}

void
say_clean_message(char *text)
{
    for (char *line = text, *end; line; line = end) {
        size_t len = strcspn(line, "\n");

        say_clean(line, len);
        end = line[len] ? line + len + 1 : NULL;
        if (end && *end != ' ') line[len] = '?';
    }
}

int
say_error(const char *program, enum co_err err, const struct co_diag *diag)
{
    struct co_diag said = *diag;

    say_clean_message(said.text);
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: %s\n", program,
                  said.text[0] ? said.text : co_err_text(err));
    return say_exit(err);
}

enum co_err
say_number(const char *option, const char *text, uint64_t *ret,
           struct co_diag *diag)
{
    char *end = NULL;

    if (!text) return CO_OK;
    errno = 0;
    if (*text >= '0' && *text <= '9') *ret = strtoull(text, &end, 10);
    if (end && *end == '\0' && errno == 0) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "--%s: found \"%.100s\"; allowed is a whole number in plain "
                   "digits, at most %" PRIu64,
                   option, text, UINT64_MAX);
}

bool
say_options(const struct co_options_spec *spec, int argc, char **argv,
            void *config, struct co_options **ret_options, int *ret_exit)
{
    struct co_diag diag = {""};
    enum co_err err =
        co_options_parse(spec, argc, argv, config, ret_options, &diag);

    if (err) {
        *ret_exit = say_error(spec->program, err, &diag);
        return false;
    }
    *ret_exit = CLI_OK;
    return !co_options_answer(*ret_options);
}

void
say_end_line(struct co_buf *out, size_t begin)
{
    if (out->err) return;
    say_clean((char *)out->data + begin, out->len - begin);
    co_buf_putc(out, '\n');
}

void
say_line(struct co_buf *out, const char *fmt, ...)
{
    size_t begin = out->len;
    va_list args;

    va_start(args, fmt);
    co_buf_vprintf(out, fmt, args);
    va_end(args);
    say_end_line(out, begin);
}

void
say_print(const struct co_buf *out)
{
    (void)fwrite(out->data, 1, out->len, stdout);
}

void
say_count(struct co_buf *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) co_buf_putc(out, ',');
        co_buf_putc(out, digits[i]);
    }
}

void
say_bytes(struct co_buf *out, uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t unit = 1000;
    size_t i = 0;

    if (bytes < unit) {
        co_buf_printf(out, "%" PRIu64 " B", bytes);
        return;
    }
    while (i + 1 < co_countof(units) && bytes / unit >= 1000) {
        unit *= 1000;
        i++;
    }
    co_buf_printf(out, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit,
                  bytes % unit / (unit / 10), units[i]);
}

void
say_duration(struct co_buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000, min = s / 60, h = min / 60;

    if (s < 10) {
        co_buf_printf(out, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    } else if (min < 1) {
        co_buf_printf(out, "%" PRIu64 " s", s);
    } else if (h < 1) {
        co_buf_printf(out, "%" PRIu64 " min %02" PRIu64 " s", min, s % 60);
    } else if (h < 48) {
        co_buf_printf(out, "%" PRIu64 " h %02" PRIu64 " min", h, min % 60);
    } else {
        co_buf_printf(out, "%" PRIu64 " d %02" PRIu64 " h", h / 24, h % 24);
    }
}
