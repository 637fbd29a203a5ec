/* say.c - see say.h. */
#include "cli/say.h"

#include <inttypes.h>
#include <stdio.h>

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

int
say_error(const char *program, enum co_err err, const struct co_diag *diag)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: %s\n", program,
                  diag->text[0] ? diag->text : co_err_text(err));
    return say_exit(err);
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
say_print(struct co_buf *out)
{
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->data[i];

        if ((c < 0x20 && c != '\n') || c == 0x7f) out->data[i] = '?';
    }
    (void)fputs(co_buf_text(out), stdout);
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
