/* cmd_query.c - `cohort query`: which rows of a corpus fulfil a condition. */
#include "cli/cells.h"
#include "cli/outfile.h"
#include "cli/say.h"
#include "common/clock.h"
#include "query/sweep.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " query"

enum { OUT_BYTES_MAX = 512 << 20, TABLE_ROWS = 20, FIELDS_BYTES = 4096 };

enum query_format { FORMAT_TABLE, FORMAT_JSONL, FORMAT_CSV };
static const char *const formats[] = {"table", "jsonl", "csv", NULL};

/* What a table shows when nobody says; those that the rows have. */
static const char *const table_fields[] = {
    "row",  "first_name", "last_name",       "sex",       "age",
    "city", "state",      "education_level", "occupation"};

struct query_config {
    const char *fields;
    uint64_t limit;
    int format;
    bool count, verify;
};

#define FIELD(name) offsetof(struct query_config, name)

static const struct co_option table[] = {
    {.name = "fields",
     .type = CO_OPTION_STRING,
     .offset = FIELD(fields),
     .min = 1,
     .max = FIELDS_BYTES - 1,
     .no_env = true,
     .placeholder = "A,B,C",
     .help = "columns to print, such as row,age,household.size"},
    {.name = "limit",
     .type = CO_OPTION_U64,
     .offset = FIELD(limit),
     .no_env = true,
     .placeholder = "N",
     .help = "stop after N rows; 0: all. Default: 20 of a table, else all"},
    {.name = "format",
     .type = CO_OPTION_ENUM,
     .offset = FIELD(format),
     .choices = formats,
     .no_env = true,
     .help = "table for people, jsonl or csv for programs"},
    {.name = "count",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(count),
     .no_env = true,
     .help = "print only how many rows there are"},
    {.name = "verify",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(verify),
     .no_env = true,
     .help = "compare the hashes of files with MANIFEST.json"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] OUT [EXPR]",
    .about = "Prints the rows of a corpus that fulfil a condition, in order.\n"
             "OUT is the output folder of a run. EXPR compares columns:\n"
             "  'age >= 30 and state = \"TX\" and occupation ~ \"nurse\"'\n"
             "  'languages contains \"Spanish\" or household.size > 4'\n"
             "  'state in (\"TX\", \"CA\") and bachelors_field is not null'\n"
             "Also: != < <= > >= !~ like not ( ). Without EXPR: all rows.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = 2,
};

/* Where batches go. */
struct query {
    const struct query_config *cfg;
    struct outfile *file;
    struct cells *cells; /* of a table */
    uint64_t limit;      /* 0: none */
    uint64_t shown;
    bool more; /* there was one beyond the limit */
    struct co_buf out;
};

/* A batch without its rows beyond the limit. */
static size_t
within(struct query *q, const struct sweep_batch *batch)
{
    uint64_t left = q->limit ? q->limit - q->shown : UINT64_MAX;
    size_t n = (size_t)co_min_u64(left, batch->matches);

    q->more = q->limit && batch->matches > left;
    q->shown += n;
    return n;
}

static void
put_cells(struct query *q, const struct sweep_batch *batch, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        cells_row(q->cells, batch->out + from, batch->ends[i] - from, &q->out);
        from = batch->ends[i];
    }
}

static enum co_err
take_batch(void *arg, const struct sweep_batch *batch, struct co_diag *diag)
{
    struct query *q = arg;
    size_t n = within(q, batch);
    enum co_err err = CO_OK;

    if (q->cfg->count) return q->more ? CO_CANCELLED : CO_OK;
    if (q->cells) {
        co_buf_clear(&q->out);
        put_cells(q, batch, n);
        if (q->out.err) return co_fail(diag, q->out.err, "out of memory");
        err = outfile_write(q->file, q->out.data, q->out.len, diag);
    } else if (n) {
        err = outfile_write(q->file, batch->out, batch->ends[n - 1], diag);
    }
    return err ? err : q->more ? CO_CANCELLED : CO_OK;
}

/* ---- before and after ---- */

static const char *
default_fields(const struct schema *schema, char text[FIELDS_BYTES])
{
    size_t len = 0;

    for (size_t i = 0; i < co_countof(table_fields); i++) {
        const char *name = table_fields[i];

        if (!schema_find(schema, name, strlen(name)) &&
            !schema_alias(schema, name, strlen(name))) {
            continue;
        }
        len += (size_t)snprintf(text + len, FIELDS_BYTES - len, "%s%s",
                                len ? "," : "", name);
    }
    return len ? text : NULL;
}

static enum co_err
make_select(const struct query_config *cfg, const char *where,
            const struct outdir *dir, struct select **ret_select,
            struct co_diag *diag)
{
    static const enum select_format as[] = {[FORMAT_TABLE] = SELECT_CELLS,
                                            [FORMAT_JSONL] = SELECT_JSONL,
                                            [FORMAT_CSV] = SELECT_CSV};
    co_auto(schema_freep) struct schema *schema = NULL;
    char text[FIELDS_BYTES];
    struct select_options options = {.where = where,
                                     .fields = cfg->fields,
                                     .format = cfg->count ? SELECT_NOTHING
                                                          : as[cfg->format]};
    enum co_err err = sweep_schema(dir, &schema, diag);

    if (err) return err;
    if (!options.fields && options.format == SELECT_CELLS) {
        options.fields = default_fields(schema, text);
    }
    return select_new(&options, schema, ret_select, diag);
}

static enum co_err
write_head(struct query *q, const struct select *s, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    select_head(s, &q->out);
    if (q->out.len) err = outfile_write(q->file, q->out.data, q->out.len, diag);
    co_buf_clear(&q->out);
    return err;
}

static enum co_err
write_tail(struct query *q, struct co_diag *diag)
{
    co_buf_clear(&q->out);
    if (q->cfg->count) {
        co_buf_printf(&q->out, "%llu\n", (unsigned long long)q->shown);
    } else if (q->cells && q->shown) {
        cells_end(q->cells, &q->out);
    }
    if (q->out.err) return co_fail(diag, q->out.err, "out of memory");
    return outfile_write(q->file, q->out.data, q->out.len, diag);
}

/* For people only: what a program asked for is on stdout. */
static void
say_how_many(const struct query *q, const struct sweep_totals *totals,
             int64_t ms)
{
    struct co_buf out;

    if (!q->cells) return;
    co_buf_init(&out, 1000);
    if (q->more) {
        co_buf_puts(&out, "the first ");
        say_count(&out, q->shown);
        co_buf_puts(&out, " rows; --limit N shows more, --count counts them");
    } else {
        say_count(&out, q->shown);
        co_buf_puts(&out, " of ");
        say_count(&out, totals->rows);
        co_buf_puts(&out, " rows, ");
        say_duration(&out, (uint64_t)ms);
    }
    (void)fprintf(stderr, "%s\n", co_buf_text(&out));
    co_buf_fini(&out);
}

static enum co_err
run(struct query *q, const struct outdir *dir, const struct select *s,
    struct co_diag *diag)
{
    const struct sweep_options options = {
        .dir = dir, .select = s, .verify = q->cfg->verify};
    struct sweep_totals totals = {0};
    int64_t begin = co_clock_us();
    enum co_err err = write_head(q, s, diag);

    if (!err) err = sweep_run(&options, take_batch, q, &totals, diag);
    if (err == CO_CANCELLED && q->more) err = CO_OK;
    if (!err) err = write_tail(q, diag);
    if (err == CO_CANCELLED) return CO_OK; /* `| head` */
    if (!err) say_how_many(q, &totals, (co_clock_us() - begin) / 1000);
    return err;
}

int
cmd_query(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(outdir_freep) struct outdir *dir = NULL;
    co_auto(select_freep) struct select *s = NULL;
    co_auto(outfile_freep) struct outfile *file = NULL;
    co_auto(cells_freep) struct cells *cells = NULL;
    struct query_config cfg = {0};
    struct query q = {.cfg = &cfg};
    struct co_diag diag = {""};
    const char *where;
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    where =
        co_options_arg_count(options) > 1 ? co_options_arg(options, 1) : NULL;
    err = outdir_open(co_options_arg(options, 0), &dir, &diag);
    if (!err) err = make_select(&cfg, where, dir, &s, &diag);
    if (!err) err = outfile_open("-", &file, &diag);
    if (!err && !cfg.count && cfg.format == FORMAT_TABLE) {
        err = cells_new(s, &cells);
    }
    if (err) return say_error(PROGRAM, err, &diag);
    q.file = file;
    q.cells = cells;
    q.limit = co_options_given(options, "limit") ? cfg.limit
              : cells                            ? TABLE_ROWS
                                                 : 0;
    co_buf_init(&q.out, OUT_BYTES_MAX);
    err = run(&q, dir, s, &diag);
    co_buf_fini(&q.out);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}
