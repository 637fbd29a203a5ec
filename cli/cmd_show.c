/* cmd_show.c - `cohort show`: one persona of a corpus, or several, laid out
 * for a terminal or as their JSON. */
#include "cli/card.h"
#include "cli/say.h"
#include "common/buf.h"
#include "query/rowfind.h"
#include "query/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRAM CO_PROGRAM " show"

enum { ROWS_MAX = 1000, OUT_BYTES_MAX = 16 << 20, WIDTH_DEFAULT = 80 };

struct show_config {
    bool json;
    uint64_t width;
};

#define FIELD(name) offsetof(struct show_config, name)

static const struct co_option table[] = {
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(json),
     .no_env = true,
     .help = "print the rows as they stand in the corpus"},
    {.name = "width",
     .type = CO_OPTION_U64,
     .offset = FIELD(width),
     .min = CARD_WIDTH_MIN,
     .max = CARD_WIDTH_MAX,
     .no_env = true,
     .placeholder = "N",
     .help = "columns to use; default: the terminal's, or 80"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] OUT ROW...",
    .about =
        "Shows personas of a corpus. OUT is the output folder of a run, "
        "ROW the\nindex of a row (as in provenance.row) or its uuid. A run "
        "may still be\nworking in the folder: what is sealed is there.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 2,
    .args_max = 1 + ROWS_MAX,
};

static unsigned
width_of(const struct show_config *cfg)
{
    struct winsize size;

    if (cfg->width) return (unsigned)cfg->width;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0) {
        return WIDTH_DEFAULT;
    }
    return size.ws_col;
}

/* Plain digits only: strtoull would take " 7", "-1" and "7abc". */
static bool
index_of(const char *text, uint64_t *ret_row)
{
    struct scan_value digits = {
        .type = SCAN_NUMBER, .at = text, .len = strlen(text)};

    return digits.len > 0 && number_u64(&digits, ret_row);
}

static enum co_err
find_row(struct rowfind *f, const char *what, const char **ret_line,
         size_t *ret_len, struct co_diag *diag)
{
    uint64_t row;

    if (rowfind_is_uuid(what)) {
        return rowfind_uuid(f, what, ret_line, ret_len, diag);
    }
    if (index_of(what, &row)) {
        return rowfind_index(f, row, ret_line, ret_len, diag);
    }
    return co_fail(diag, CO_USAGE,
                   "%.80s is neither the index of a row (a whole number) nor a "
                   "uuid; `" CO_PROGRAM " query` finds rows by what they say",
                   what);
}

static enum co_err
print_row(const struct show_config *cfg, const char *from, const char *line,
          size_t len, bool first, struct co_diag *diag)
{
    struct scan_value row;
    struct co_buf out;

    co_buf_init(&out, OUT_BYTES_MAX);
    if (cfg->json) {
        co_buf_append(&out, line, len);
        co_buf_putc(&out, '\n');
    } else if (scan_value_of(line, len, &row)) {
        co_buf_fini(&out);
        return co_fail(diag, CO_DAMAGED, "%s: the row is no JSON object", from);
    } else {
        if (!first) co_buf_puts(&out, "\n\n");
        card_write(&row, from, width_of(cfg), &out);
    }
    (void)fwrite(out.data, 1, out.len, stdout);
    co_buf_fini(&out);
    return CO_OK;
}

/* A row that is not there is said, and the others are shown; the exit code is
 * the first failure's. */
static int
show_rows(const struct show_config *cfg, const struct co_options *options,
          struct rowfind *f)
{
    const char *from = co_options_arg(options, 0);
    int exit_code = CLI_OK;

    for (size_t i = 1; i < co_options_arg_count(options); i++) {
        struct co_diag diag = {""};
        const char *line;
        size_t len;
        enum co_err err =
            find_row(f, co_options_arg(options, i), &line, &len, &diag);

        if (!err) err = print_row(cfg, from, line, len, i == 1, &diag);
        if (err) {
            int code = say_error(PROGRAM, err, &diag);

            if (exit_code == CLI_OK) exit_code = code;
        }
    }
    return exit_code;
}

int
cmd_show(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(outdir_freep) struct outdir *dir = NULL;
    co_auto(rowfind_freep) struct rowfind *f = NULL;
    struct show_config cfg = {0};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    err = outdir_open(co_options_arg(options, 0), &dir, &diag);
    if (!err) err = rowfind_new(dir, &f, &diag);
    return err ? say_error(PROGRAM, err, &diag) : show_rows(&cfg, options, f);
}
