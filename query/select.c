/* select.c - see select.h. */
#include "query/select.h"

#include "query/render.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_MAX = 16 << 20 };

#define PROVENANCE "provenance"

struct field {
    char name[SCAN_PATH_BYTES]; /* as asked for */
    uint32_t slot;
    bool number;
};

struct select {
    struct select_options options; /* its texts are not used later */
    struct scan_plan *plan;
    struct expr *where; /* NULL: all rows */
    struct field *fields;
    uint32_t count;
    uint32_t drop; /* slot of what is cut out of the line; UINT32_MAX: none */
};

struct select_hand {
    const struct select *s;
    struct co_buf scratch;
    const char **names;        /* of the fields */
    struct scan_value *picked; /* of the fields */
    struct scan_value values[SCAN_SLOTS_MAX];
};

/* ---- fields ---- */

static enum co_err
add_field(struct select *s, const char *name, const struct scan_path *path,
          const struct schema_column *column, struct co_diag *diag)
{
    struct field *field = &s->fields[s->count];
    uint32_t types = column->types & ~SCHEMA_BIT(SCAN_NULL);
    enum co_err err = CO_FULL;

    if (s->count < SCHEMA_COLUMNS_MAX) {
        err = scan_plan_add(s->plan, path, &field->slot);
    }
    if (err) return co_fail(diag, err, "too many fields");
    (void)strncpy(field->name, name, sizeof field->name - 1);
    field->number = types == SCHEMA_BIT(SCAN_NUMBER);
    s->count++;
    return CO_OK;
}

/* A column by its path in the schema. */
static enum co_err
add_column(struct select *s, const struct schema_column *column,
           struct co_diag *diag)
{
    struct scan_path path;

    co_assert(scan_path_parse(column->path, strlen(column->path), &path));
    return add_field(s, column->path, &path, column, diag);
}

static bool
is_under(const char *path, const char *parent)
{
    size_t len = strlen(parent);

    return strncmp(path, parent, len) == 0 &&
           (path[len] == '.' || path[len] == '\0');
}

/* All columns that have no members, in the order of the rows: of parent, or of
 * the row when it is NULL. */
static enum co_err
add_leaves(struct select *s, const struct schema *schema, const char *parent,
           struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (uint32_t i = 0; !err && i < schema->count; i++) {
        const struct schema_column *column = &schema->columns[i];

        if (schema_is_object(column)) continue;
        if (parent && !is_under(column->path, parent)) continue;
        if (!parent && s->options.no_provenance &&
            is_under(column->path, PROVENANCE)) {
            continue;
        }
        err = add_column(s, column, diag);
    }
    return err;
}

static enum co_err
add_named(struct select *s, const struct schema *schema, const char *at,
          size_t len, struct co_diag *diag)
{
    char name[SCAN_PATH_BYTES];
    struct schema_column column;
    struct scan_path path;
    bool flat = s->options.format != SELECT_JSONL;
    enum co_err err = schema_resolve(schema, at, len, &path, &column, diag);

    if (err) return co_fail_prefix(diag, CO_INVALID, "--fields");
    if (flat && schema_is_object(&column)) {
        return add_leaves(s, schema, column.path, diag);
    }
    memcpy(name, at, len);
    name[len] = '\0';
    return add_field(s, name, &path, &column, diag);
}

static enum co_err
add_list(struct select *s, const struct schema *schema, const char *list,
         struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (const char *p = list; !err; p++) {
        size_t len;

        p += strspn(p, " ");
        len = strcspn(p, ",");
        while (len > 0 && p[len - 1] == ' ') {
            len--;
        }
        if (len == 0) {
            return co_fail(diag, CO_INVALID,
                           "--fields: a name is missing in \"%.200s\"; write "
                           "a,b,c",
                           list);
        }
        err = add_named(s, schema, p, len, diag);
        p += strcspn(p, ",");
        if (*p == '\0') break;
    }
    return err;
}

static enum co_err
add_fields(struct select *s, const struct schema *schema, struct co_diag *diag)
{
    if (s->options.format == SELECT_NOTHING) return CO_OK;
    if (s->options.fields) {
        return add_list(s, schema, s->options.fields, diag);
    }
    if (s->options.format != SELECT_JSONL) {
        return add_leaves(s, schema, NULL, diag);
    }
    if (s->options.no_provenance) {
        struct scan_path path;

        co_assert(scan_path_parse(PROVENANCE, strlen(PROVENANCE), &path));
        if (scan_plan_add(s->plan, &path, &s->drop)) {
            return co_fail(diag, CO_FULL, "too many columns");
        }
    }
    return CO_OK;
}

/* Columns of the row that a strict plan has to know though no cell shows
 * them: all of provenance, and objects that were seen empty or null. */
static enum co_err
know_others(struct select *s, const struct schema *schema)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        struct scan_path path;
        uint32_t slot;
        const char *name = schema->columns[i].path;
        enum co_err err;

        co_assert(scan_path_parse(name, strlen(name), &path));
        if (schema_is_object(&schema->columns[i])) continue;
        err = scan_plan_add(s->plan, &path, &slot);
        if (err) return err;
    }
    return CO_OK;
}

/* ---- making ---- */

enum co_err
select_new(const struct select_options *options, const struct schema *schema,
           struct select **ret_select, struct co_diag *diag)
{
    co_auto(select_freep) struct select *s = calloc(1, sizeof *s);
    bool strict = options->format == SELECT_CSV && !options->fields;
    enum co_err err = CO_OK;

    if (s) s->fields = calloc(SCHEMA_COLUMNS_MAX, sizeof *s->fields);
    if (!s || !s->fields || scan_plan_new(strict, &s->plan)) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    s->options = *options;
    s->drop = UINT32_MAX;
    if (options->where) {
        err = expr_parse(options->where, strlen(options->where), schema,
                         s->plan, &s->where, diag);
    }
    if (!err) err = add_fields(s, schema, diag);
    if (!err && strict && know_others(s, schema)) {
        err = co_fail(diag, CO_FULL, "too many columns");
    }
    if (err) return err;
    *ret_select = co_take(&s);
    return CO_OK;
}

void
select_free(struct select *s)
{
    if (!s) return;
    scan_plan_free(s->plan);
    expr_free(s->where);
    free(s->fields);
    free(s);
}

uint32_t
select_columns(const struct select *s)
{
    return s->count;
}

const char *
select_column(const struct select *s, uint32_t i)
{
    return s->fields[i].name;
}

bool
select_is_number(const struct select *s, uint32_t i)
{
    return s->fields[i].number;
}

void
select_head(const struct select *s, struct co_buf *out)
{
    if (s->options.format != SELECT_CSV) return;
    for (uint32_t i = 0; i < s->count; i++) {
        const char *name = s->fields[i].name;

        if (i) co_buf_putc(out, ',');
        render_csv_text(name, strlen(name), out);
    }
    co_buf_puts(out, "\r\n");
}

/* ---- rows ---- */

enum co_err
select_hand_new(const struct select *s, struct select_hand **ret_hand)
{
    co_auto(select_hand_freep) struct select_hand *hand =
        calloc(1, sizeof *hand);
    size_t n = s->count ? s->count : 1;

    if (!hand) return CO_NOMEM;
    hand->s = s;
    co_buf_init(&hand->scratch, SCRATCH_MAX);
    hand->names = calloc(n, sizeof *hand->names);
    hand->picked = calloc(n, sizeof *hand->picked);
    if (!hand->names || !hand->picked) return CO_NOMEM;
    for (uint32_t i = 0; i < s->count; i++) {
        hand->names[i] = s->fields[i].name;
    }
    *ret_hand = co_take(&hand);
    return CO_OK;
}

void
select_hand_free(struct select_hand *hand)
{
    if (!hand) return;
    co_buf_fini(&hand->scratch);
    free(hand->names);
    free(hand->picked);
    free(hand);
}

static void
put_jsonl(struct select_hand *hand, const char *line, size_t len,
          struct co_buf *out)
{
    const struct select *s = hand->s;

    if (s->count) {
        for (uint32_t i = 0; i < s->count; i++) {
            hand->picked[i] = hand->values[s->fields[i].slot];
        }
        render_object(hand->names, hand->picked, s->count, out);
    } else if (s->drop != UINT32_MAX) {
        render_without(line, len, &hand->values[s->drop], out);
    } else {
        co_buf_append(out, line, len);
    }
    co_buf_putc(out, '\n');
}

static void
put_row(struct select_hand *hand, const char *line, size_t len,
        struct co_buf *out)
{
    const struct select *s = hand->s;
    bool csv = s->options.format == SELECT_CSV;

    if (s->options.format == SELECT_NOTHING) return;
    if (s->options.format == SELECT_JSONL) {
        put_jsonl(hand, line, len, out);
        return;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const struct scan_value *value = &hand->values[s->fields[i].slot];

        if (i) co_buf_putc(out, csv ? ',' : '\t');
        if (csv) {
            render_csv(value, &hand->scratch, out);
        } else {
            render_value(value, &hand->scratch, out);
        }
    }
    co_buf_puts(out, csv ? "\r\n" : "\n");
}

static enum co_err
bad_row(enum co_err err, const char *line, size_t len, size_t at,
        struct co_diag *diag)
{
    size_t name = 0;

    if (err != CO_MISMATCH) {
        return co_fail(diag, CO_DAMAGED, "not JSON at its byte %zu", at);
    }
    while (at + name < len && line[at + name] != '"' && name < 60) {
        name++;
    }
    return co_fail(diag, err,
                   "a column %.*s that the first rows do not have; name the "
                   "columns with --fields, or take jsonl",
                   (int)name, line + at);
}

enum co_err
select_row(struct select_hand *hand, const char *line, size_t len,
           struct co_buf *out, bool *ret_match, struct co_diag *diag)
{
    const struct select *s = hand->s;
    size_t at = 0;
    enum co_err err = scan_row(s->plan, line, len, hand->values, &at);
    bool match;

    if (err) return bad_row(err, line, len, at, diag);
    match = !s->where || expr_match(s->where, hand->values, &hand->scratch);
    if (match) put_row(hand, line, len, out);
    err = out->err ? out->err : hand->scratch.err;
    if (err) return co_fail(diag, err, "%s", co_err_text(err));
    *ret_match = match;
    return CO_OK;
}
