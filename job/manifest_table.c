/* manifest_table.c - one TSV file of a user into the integers of a table.
 * Long form: a column for each key (age as age_min and age_max, or age alone),
 * `value` unless the keys say it all, and `weight`. Any order of lines gives
 * the same table. */
#include "common/fs.h"
#include "job/manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum {
    COLUMNS_MAX = 12,
    INTS_MAX = TABLE_KEYS_MAX + 1, /* keys of a line; age has two */
    DECIMALS = 6,
};
#define WEIGHT_MAX UINT64_C(1000000000000) /* of a line, in whole units */

/* What a column of the file is. */
enum column {
    COLUMN_KEY,
    COLUMN_AGE,
    COLUMN_AGE_MIN,
    COLUMN_AGE_MAX,
    COLUMN_VALUE,
    COLUMN_WEIGHT
};

struct entry {
    uint32_t keys[INTS_MAX];
    uint32_t value;
    uint64_t weight; /* millionths */
    uint32_t line;
};

struct reader {
    const char *path;
    const struct model *m;
    const struct user_tables *earlier;
    struct user_table *t;
    struct co_diag *diag;
    enum column columns[COLUMNS_MAX];
    uint32_t at[COLUMNS_MAX]; /* first integer of the column's key */
    uint32_t n_columns;
    struct entry *entries;
    size_t n, room;
    uint32_t line;
};

static enum co_err fail(const struct reader *r, enum co_err err,
                        const char *fmt, ...) co_printf(3, 4);

/* "FILE:LINE: " and the message; returns err. */
static enum co_err
fail(const struct reader *r, enum co_err err, const char *fmt, ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return co_fail(r->diag, err, "%.300s:%u: %s", r->path, r->line, text);
}

/* --- the header ----------------------------------------------------------- */

static const char *
key_name(const struct reader *r, enum attribute_id id)
{
    unsigned left = (unsigned)id - ATTR_USER;

    if ((unsigned)id < ATTR_USER) return attribute_get(id)->name;
    for (uint32_t i = 0; i < r->earlier->count; i++) {
        if (r->earlier->list[i].use == TABLE_COLUMN && left-- == 0) {
            return r->earlier->list[i].name;
        }
    }
    return "";
}

/* Which column a name is; false: none that this table can have. */
static bool
column_of(const struct reader *r, const char *name, enum column *ret,
          uint32_t *ret_at)
{
    uint32_t at = 0;

    for (uint32_t k = 0; k < r->t->n_keys; k++) {
        *ret_at = at;
        if (r->t->keys[k] == ATTR_AGE) {
            *ret = strcmp(name, "age") == 0       ? COLUMN_AGE
                   : strcmp(name, "age_min") == 0 ? COLUMN_AGE_MIN
                                                  : COLUMN_AGE_MAX;
            if (*ret != COLUMN_AGE_MAX || strcmp(name, "age_max") == 0) {
                return true;
            }
            at += 2;
            continue;
        }
        *ret = COLUMN_KEY;
        if (strcmp(name, key_name(r, r->t->keys[k])) == 0) return true;
        at++;
    }
    *ret = strcmp(name, "weight") == 0 ? COLUMN_WEIGHT : COLUMN_VALUE;
    *ret_at = 0;
    return *ret == COLUMN_WEIGHT ||
           (r->t->use != TABLE_MARGIN && strcmp(name, "value") == 0);
}

static bool
has_column(const struct reader *r, enum column what, uint32_t at)
{
    for (uint32_t i = 0; i < r->n_columns; i++) {
        if (r->columns[i] == what && r->at[i] == at) return true;
    }
    return false;
}

/* Every key, value and weight must be there. */
static enum co_err
check_columns(const struct reader *r)
{
    uint32_t at = 0;

    for (uint32_t k = 0; k < r->t->n_keys; k++) {
        bool age = r->t->keys[k] == ATTR_AGE;
        bool there = age ? has_column(r, COLUMN_AGE, at) ||
                               (has_column(r, COLUMN_AGE_MIN, at) &&
                                has_column(r, COLUMN_AGE_MAX, at))
                         : has_column(r, COLUMN_KEY, at);

        if (!there) {
            return fail(r, CO_INVALID, "the column %s is missing",
                        age ? "age (or age_min and age_max)"
                            : key_name(r, r->t->keys[k]));
        }
        at += age ? 2 : 1;
    }
    if (!has_column(r, COLUMN_WEIGHT, 0)) {
        return fail(r, CO_INVALID, "the column weight is missing");
    }
    if (r->t->use != TABLE_MARGIN && !has_column(r, COLUMN_VALUE, 0)) {
        return fail(r, CO_INVALID, "the column value is missing");
    }
    return CO_OK;
}

static enum co_err
read_header(struct reader *r, char *line)
{
    for (char *name; (name = strsep(&line, "\t"));) {
        enum column what = COLUMN_KEY;
        uint32_t at = 0;

        if (r->n_columns == COLUMNS_MAX || !column_of(r, name, &what, &at)) {
            return fail(r, CO_INVALID,
                        "found the column \"%.40s\"; allowed are one for each "
                        "given attribute (age, or age_min and age_max), %s"
                        "weight, separated by tabs",
                        name, r->t->use == TABLE_MARGIN ? "" : "value and ");
        }
        if (has_column(r, what, at) ||
            (what == COLUMN_AGE && (has_column(r, COLUMN_AGE_MIN, at) ||
                                    has_column(r, COLUMN_AGE_MAX, at)))) {
            return fail(r, CO_INVALID, "the column %.40s is there twice", name);
        }
        r->columns[r->n_columns] = what;
        r->at[r->n_columns++] = at;
    }
    return check_columns(r);
}

/* --- cells ---------------------------------------------------------------- */

static enum co_err
read_age(const struct reader *r, const char *text, uint32_t *ret_age)
{
    char *end = NULL;
    unsigned long age = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || age > 999) {
        return fail(r, CO_INVALID,
                    "found the age \"%.40s\"; allowed are 0 to %d "
                    "(more, up to 999, is taken for %d)",
                    text, MODEL_AGES - 1, MODEL_AGES - 1);
    }
    *ret_age = age < MODEL_AGES ? (uint32_t)age : MODEL_AGES - 1;
    return CO_OK;
}

/* A whole or decimal number of at most six decimals, in millionths. */
static enum co_err
read_weight(const struct reader *r, const char *text, uint64_t *ret_weight)
{
    uint64_t value = 0;
    const char *p = text;
    int decimals = -1;

    for (; *p; p++) {
        if (*p == '.' && decimals < 0 && p > text) {
            decimals = 0;
            continue;
        }
        if (*p < '0' || *p > '9' || decimals == DECIMALS ||
            value > WEIGHT_MAX * 1000000 / 10) {
            break;
        }
        value = value * 10 + (uint64_t)(*p - '0');
        if (decimals >= 0) decimals++;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++) {
        if (value > WEIGHT_MAX * 1000000 / 10) break;
        value *= 10;
    }
    if (*p || p == text || p[-1] == '.' || value > WEIGHT_MAX * 1000000) {
        return fail(r, CO_INVALID,
                    "found the weight \"%.40s\"; allowed are numbers from 0 to "
                    "1000000000000 with at most %d decimals",
                    text, DECIMALS);
    }
    *ret_weight = value;
    return CO_OK;
}

static enum co_err
no_value(const struct reader *r, enum attribute_id id, const char *text)
{
    co_auto(co_buf_fini) struct co_buf list;
    uint32_t n = attribute_values(r->m, id);

    co_buf_init(&list, 400);
    for (uint32_t v = 0; v < n && n <= 60; v++) {
        struct model_text t = attribute_label(r->m, id, v);

        co_buf_printf(&list, "%s%.*s", v ? "; " : "; allowed: ", (int)t.len,
                      t.data);
    }
    return fail(r, CO_INVALID, "%s has no value \"%.60s\"%s",
                attribute_get(id)->name, text,
                list.err ? "" : co_buf_text(&list));
}

/* The number of a label of an attribute, or of an earlier column. */
static enum co_err
read_label(const struct reader *r, enum attribute_id id, const char *text,
           uint32_t *ret_value)
{
    unsigned left = (unsigned)id - ATTR_USER;

    if ((unsigned)id < ATTR_USER) {
        for (uint32_t v = 0; v < attribute_values(r->m, id); v++) {
            if (!attribute_matches(r->m, id, v, text)) continue;
            *ret_value = v;
            return CO_OK;
        }
        return no_value(r, id, text);
    }
    for (uint32_t i = 0; i < r->earlier->count; i++) {
        const struct user_table *t = &r->earlier->list[i];

        if (t->use != TABLE_COLUMN || left-- != 0) continue;
        for (uint32_t v = 0; v < t->n_weights; v++) {
            if (strcmp(t->labels[v], text) != 0) continue;
            *ret_value = v;
            return CO_OK;
        }
    }
    return fail(r, CO_INVALID, "%s has no value \"%.60s\"", key_name(r, id),
                text);
}

/* The number of a value of the table itself; a new column takes new ones, in
 * the order of the file; sort_labels comes later. */
static enum co_err
read_value(struct reader *r, const char *text, uint32_t *ret_value)
{
    struct user_table *t = r->t;
    enum attribute_id id = ATTR_STATE;

    if (t->use == TABLE_REPLACE) {
        if (attribute_find(t->name, &id)) return CO_INVALID;
        return read_label(r, id, text, ret_value);
    }
    for (uint32_t v = 0; v < t->n_weights; v++) {
        if (strcmp(t->labels[v], text) != 0) continue;
        *ret_value = v;
        return CO_OK;
    }
    if (!table_label_good(text) || t->n_weights == TABLE_VALUES_MAX) {
        return fail(r, CO_INVALID,
                    "found the value \"%.70s\"; allowed are at most %d values "
                    "of 1 to %d bytes of UTF-8, without quotes, backslashes "
                    "and control characters",
                    text, TABLE_VALUES_MAX, TABLE_LABEL_MAX);
    }
    if (!t->labels) {
        t->labels = calloc(TABLE_VALUES_MAX, sizeof *t->labels);
    }
    if (!t->labels || !(t->labels[t->n_weights] = strdup(text))) {
        return fail(r, CO_NOMEM, "out of memory");
    }
    *ret_value = t->n_weights++;
    return CO_OK;
}

static enum attribute_id
key_at(const struct user_table *t, uint32_t at)
{
    for (uint32_t k = 0; k < t->n_keys; k++) {
        uint32_t ints = t->keys[k] == ATTR_AGE ? 2 : 1;

        if (at < ints) return t->keys[k];
        at -= ints;
    }
    return ATTR_STATE;
}

static enum co_err
read_cell(struct reader *r, uint32_t column, const char *text, struct entry *e)
{
    uint32_t at = r->at[column];
    enum co_err err = CO_OK;

    switch (r->columns[column]) {
    case COLUMN_KEY:
        return read_label(r, key_at(r->t, at), text, &e->keys[at]);
    case COLUMN_AGE:
        err = read_age(r, text, &e->keys[at]);
        e->keys[at + 1] = e->keys[at];
        return err;
    case COLUMN_AGE_MIN:
        return read_age(r, text, &e->keys[at]);
    case COLUMN_AGE_MAX:
        return read_age(r, text, &e->keys[at + 1]);
    case COLUMN_VALUE:
        return read_value(r, text, &e->value);
    case COLUMN_WEIGHT:
        return read_weight(r, text, &e->weight);
    }
    return CO_INVALID;
}

static enum co_err
read_line(struct reader *r, char *line)
{
    struct entry e = {.line = r->line};
    uint32_t column = 0;
    enum co_err err = CO_OK;

    for (char *text; (text = strsep(&line, "\t")) && !err; column++) {
        if (column < r->n_columns) err = read_cell(r, column, text, &e);
    }
    if (err) return err;
    if (column != r->n_columns) {
        return fail(r, CO_INVALID, "found %u cells; the header has %u", column,
                    r->n_columns);
    }
    for (uint32_t i = 0; i + 1 < INTS_MAX; i++) {
        if (key_at(r->t, i) == ATTR_AGE && i + 1 < table_key_ints(r->t) &&
            key_at(r->t, i + 1) == ATTR_AGE && e.keys[i] > e.keys[i + 1]) {
            return fail(r, CO_INVALID, "the ages %u to %u are none", e.keys[i],
                        e.keys[i + 1]);
        }
    }
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        struct entry *more = realloc(r->entries, room * sizeof *more);

        if (!more) return fail(r, CO_NOMEM, "out of memory");
        r->entries = more;
        r->room = room;
    }
    r->entries[r->n++] = e;
    return CO_OK;
}

/* --- the table ------------------------------------------------------------ */

static int
compare_keys(const struct entry *a, const struct entry *b)
{
    for (uint32_t i = 0; i < INTS_MAX; i++) {
        if (a->keys[i] != b->keys[i]) return a->keys[i] < b->keys[i] ? -1 : 1;
    }
    return 0;
}

static int
compare_entries(const void *a, const void *b)
{
    const struct entry *ea = a, *eb = b;
    int keys = compare_keys(ea, eb);

    if (keys) return keys;
    if (ea->value != eb->value) return ea->value < eb->value ? -1 : 1;
    return ea->line < eb->line ? -1 : ea->line > eb->line;
}

static int
compare_labels(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Labels in their order, and the entries' numbers with them. */
static enum co_err
sort_labels(struct reader *r)
{
    struct user_table *t = r->t;
    char *before[TABLE_VALUES_MAX];
    uint32_t to[TABLE_VALUES_MAX] = {0};

    if (t->use != TABLE_COLUMN || !t->labels) return CO_OK;
    memcpy(before, t->labels, t->n_weights * sizeof *before);
    qsort(t->labels, t->n_weights, sizeof *t->labels, compare_labels);
    for (uint32_t i = 0; i < t->n_weights; i++) {
        while (t->labels[to[i]] != before[i]) {
            to[i]++;
        }
    }
    for (size_t i = 0; i < r->n; i++) {
        r->entries[i].value = to[r->entries[i].value];
    }
    return CO_OK;
}

/* Entries from..to share their keys: weights become parts of TABLE_SUM, what
 * rounding leaves over goes to the largest rests, the first of equals. */
static enum co_err
make_row(struct reader *r, size_t from, size_t to, uint32_t *weights)
{
    uint64_t sum = 0, left = TABLE_SUM;
    uint64_t rest[TABLE_VALUES_MAX] = {0};

    for (size_t i = from; i < to; i++) {
        r->line = r->entries[i].line;
        if (i > from && r->entries[i].value == r->entries[i - 1].value) {
            return fail(r, CO_INVALID,
                        "the same people and value stand in line %u already",
                        r->entries[i - 1].line);
        }
        if (__builtin_add_overflow(sum, r->entries[i].weight, &sum)) {
            return fail(r, CO_RANGE, "the weights are too large together");
        }
    }
    if (sum == 0) {
        return fail(r, CO_INVALID, "all weights of these people are 0");
    }
    for (size_t i = from; i < to; i++) {
        wide w = (wide)r->entries[i].weight * TABLE_SUM;
        uint32_t v = r->entries[i].value;

        weights[v] = (uint32_t)(w / sum);
        rest[v] = (uint64_t)(w % sum);
        left -= weights[v];
    }
    for (; left > 0; left--) {
        uint32_t most = 0;

        for (uint32_t v = 1; v < r->t->n_weights; v++) {
            if (rest[v] > rest[most]) most = v;
        }
        weights[most]++;
        rest[most] = 0;
    }
    return CO_OK;
}

static bool
same_given(const struct reader *r, const struct entry *a, const struct entry *b)
{
    uint32_t at = 0;

    for (uint32_t k = 0; k < r->t->n_given; k++) {
        at += r->t->keys[k] == ATTR_AGE ? 2 : 1;
    }
    return memcmp(a->keys, b->keys, at * sizeof *a->keys) == 0;
}

/* The weight of one row of a margin: its part of the given group. */
static enum co_err
make_margin_rows(struct reader *r, uint32_t stride)
{
    for (size_t from = 0, to; from < r->n; from = to) {
        uint64_t sum = 0;

        for (to = from;
             to < r->n && same_given(r, &r->entries[from], &r->entries[to]);
             to++) {
            r->line = r->entries[to].line;
            if (to > from &&
                compare_keys(&r->entries[to - 1], &r->entries[to]) == 0) {
                return fail(r, CO_INVALID,
                            "the same people stand in line %u already",
                            r->entries[to - 1].line);
            }
            if (__builtin_add_overflow(sum, r->entries[to].weight, &sum)) {
                return fail(r, CO_RANGE, "the weights are too large together");
            }
        }
        for (size_t i = from; i < to; i++) {
            wide w = (wide)r->entries[i].weight * TABLE_WEIGHT_MAX;
            uint32_t part = sum ? (uint32_t)(w / sum) : 0;

            /* so few of so many still are somebody */
            if (w && !part) part = 1;
            r->t->rows[i * stride + stride - 1] = part;
        }
    }
    return CO_OK;
}

static void
copy_keys(struct reader *r, size_t entry, uint32_t row, uint32_t stride)
{
    memcpy(r->t->rows + (size_t)row * stride, r->entries[entry].keys,
           table_key_ints(r->t) * sizeof *r->t->rows);
    r->t->lines[row] = r->entries[entry].line;
}

static enum co_err
make_rows(struct reader *r)
{
    struct user_table *t = r->t;
    bool margin = t->use == TABLE_MARGIN;
    uint32_t stride, row = 0;
    enum co_err err = CO_OK;

    r->line = 1;
    if (r->n == 0) return fail(r, CO_INVALID, "there are no lines of data");
    qsort(r->entries, r->n, sizeof *r->entries, compare_entries);
    stride = table_stride(t);
    for (size_t i = 0; i < r->n; i++) {
        row += margin || i == 0 ||
               compare_keys(&r->entries[i - 1], &r->entries[i]) != 0;
    }
    if (row > TABLE_ROWS_MAX || (size_t)row * stride > TABLE_INTS_MAX) {
        return fail(r, CO_FULL,
                    "%u rows of %u weights are too many; allowed are %d rows "
                    "and %d weights: take wider bands of ages, or fewer given "
                    "attributes",
                    row, t->n_weights, TABLE_ROWS_MAX, TABLE_INTS_MAX);
    }
    t->n_rows = row;
    t->rows = calloc((size_t)row * stride, sizeof *t->rows);
    t->lines = calloc(row, sizeof *t->lines);
    if (!t->rows || !t->lines) return fail(r, CO_NOMEM, "out of memory");
    if (margin) {
        for (size_t i = 0; i < r->n; i++) {
            copy_keys(r, i, (uint32_t)i, stride);
        }
        return make_margin_rows(r, stride);
    }
    row = 0;
    for (size_t from = 0, to; from < r->n && !err; from = to, row++) {
        for (to = from + 1; to < r->n && compare_keys(&r->entries[from],
                                                      &r->entries[to]) == 0;) {
            to++;
        }
        copy_keys(r, from, row, stride);
        err = make_row(r, from, to,
                       t->rows + (size_t)row * stride + table_key_ints(t));
    }
    return err;
}

static enum co_err
read_lines(struct reader *r, char *text)
{
    enum co_err err = CO_OK;

    for (char *line; (line = strsep(&text, "\n")) && !err;) {
        size_t len = strlen(line);

        r->line++;
        if (len && line[len - 1] == '\r') line[len - 1] = '\0';
        if (r->line == 1) {
            err = read_header(r, line);
        } else if (*line) {
            err = read_line(r, line);
        }
        if (!err && r->n > MANIFEST_LINES_MAX) {
            err = fail(r, CO_FULL, "more than %d lines", MANIFEST_LINES_MAX);
        }
    }
    return err;
}

/* Spreadsheets put a byte order mark in front, which nobody sees. */
static char *
after_mark(char *text)
{
    return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

enum co_err
manifest_table(const char *path, const struct model *base,
               const struct user_tables *earlier, struct user_table *t,
               struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf text;
    struct reader r = {
        .path = path, .m = base, .earlier = earlier, .t = t, .diag = diag};
    enum attribute_id id = ATTR_STATE;
    enum co_err err;

    co_buf_init(&text, MANIFEST_FILE_MAX + 1);
    t->file = strdup(path);
    if (!t->file) return co_fail(diag, CO_NOMEM, "out of memory");
    if (t->use == TABLE_MARGIN) t->n_weights = 1;
    if (t->use == TABLE_REPLACE && attribute_find(t->name, &id) == CO_OK) {
        t->n_weights = attribute_values(base, id);
    }
    err = co_fs_read_file(path, MANIFEST_FILE_MAX, &text, diag);
    if (!err && text.len && memchr(text.data, '\0', text.len)) {
        err = co_fail(diag, CO_INVALID, "%.300s: not a text file", path);
    }
    if (!err) {
        co_buf_putc(&text, '\0');
        err =
            text.err ? text.err : read_lines(&r, after_mark((char *)text.data));
    }
    if (!err) err = sort_labels(&r);
    if (!err) err = make_rows(&r);
    free(r.entries);
    return err;
}
