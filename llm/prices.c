/* prices.c - see prices.h. */
#include "llm/prices.h"

#include "common/fs.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 256 * 1024 };

enum { COLUMN_DATE, COLUMN_KIND, COLUMN_MODEL, COLUMN_PRICES };
enum { COLUMNS = COLUMN_PRICES + 3 };

/* "-" is not known, which only the price of cached tokens may be. */
static enum co_err
read_price(const char *text, bool may_lack, int64_t *ret, struct co_diag *diag)
{
    *ret = -1;
    if (may_lack && strcmp(text, "-") == 0) return CO_OK;
    return price_parse(text, ret, diag);
}

static bool
is_date(const char *text)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';

        if (form[i] == 'd' ? !digit : text[i] != '-') return false;
    }
    return text[sizeof form - 1] == '\0';
}

static enum co_err
read_line(char *line, char *columns[COLUMNS], struct price *price,
          struct co_diag *diag)
{
    size_t n = 0;
    enum co_err err;

    for (char *text; (text = strsep(&line, "\t"));) {
        if (n == COLUMNS) return co_fail(diag, CO_INVALID, "too many columns");
        columns[n++] = text;
    }
    if (n != COLUMNS) {
        return co_fail(diag, CO_INVALID, "%zu columns; there have to be %d", n,
                       COLUMNS);
    }
    if (!is_date(columns[COLUMN_DATE])) {
        return co_fail(diag, CO_INVALID, "\"%.20s\" is no date",
                       columns[COLUMN_DATE]);
    }
    err = read_price(columns[COLUMN_PRICES], false, &price->input, diag);
    if (!err) {
        err = read_price(columns[COLUMN_PRICES + 1], true, &price->cached_input,
                         diag);
    }
    if (!err) {
        err =
            read_price(columns[COLUMN_PRICES + 2], false, &price->output, diag);
    }
    return err;
}

/* Reads to the line that is looked for. */
static enum co_err
search(char *text, const char *path, const char *kind, const char *model,
       struct price *ret_price, char ret_date[PRICES_DATE_BYTES],
       struct co_diag *diag)
{
    char *columns[COLUMNS];
    struct price price = price_unknown;
    unsigned number = 0;

    for (char *line; (line = strsep(&text, "\n"));) {
        number++;
        if (!*line || *line == '#') continue;
        if (read_line(line, columns, &price, diag)) {
            return co_fail_prefix(diag, CO_INVALID, "%s:%u", path, number);
        }
        if (strcmp(columns[COLUMN_KIND], kind) != 0 ||
            strcmp(columns[COLUMN_MODEL], model) != 0) {
            continue;
        }
        *ret_price = price;
        memcpy(ret_date, columns[COLUMN_DATE], PRICES_DATE_BYTES);
        return CO_OK;
    }
    return co_fail(diag, CO_NOTFOUND, "%s has no %s model \"%.60s\"", path,
                   kind, model);
}

enum co_err
prices_find(const char *path, const char *kind, const char *model,
            struct price *ret_price, char ret_date[PRICES_DATE_BYTES],
            struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf file;
    enum co_err err;

    co_buf_init(&file, FILE_MAX + 1);
    err = co_fs_read_file(path, FILE_MAX, &file, diag);
    if (err) return err;
    (void)co_buf_text(&file); /* ends it */
    if (file.err) return co_fail(diag, file.err, "out of memory");
    return search((char *)file.data, path, kind, model, ret_price, ret_date,
                  diag);
}
