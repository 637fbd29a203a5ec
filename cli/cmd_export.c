/* cmd_export.c - `cohort export`: a corpus, or a part of it, as one file of
 * another format. */
#include "cli/outfile.h"
#include "cli/say.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/signals.h"
#include "query/sweep.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRAM CO_PROGRAM " export"

enum { HEAD_BYTES_MAX = 1 << 20, FIELDS_BYTES = 4096 };

struct export_config {
    const char *format, *fields, *where, *to;
    bool no_provenance, verify;
};

#define FIELD(name) offsetof(struct export_config, name)

static const struct co_option table[] = {
    {.name = "format",
     .type = CO_OPTION_STRING,
     .offset = FIELD(format),
     .no_env = true,
     .placeholder = "FORMAT",
     .help = "jsonl or csv; needed"},
    {.name = "to",
     .letter = 'o',
     .type = CO_OPTION_STRING,
     .offset = FIELD(to),
     .def = "-",
     .min = 1,
     .max = 1024,
     .no_env = true,
     .placeholder = "FILE",
     .help = "a file, which is replaced when the new one is whole; -: stdout"},
    {.name = "fields",
     .type = CO_OPTION_STRING,
     .offset = FIELD(fields),
     .min = 1,
     .max = FIELDS_BYTES,
     .no_env = true,
     .placeholder = "A,B,C",
     .help = "only these columns, in this order; default: all"},
    {.name = "where",
     .type = CO_OPTION_STRING,
     .offset = FIELD(where),
     .min = 1,
     .max = EXPR_BYTES_MAX,
     .no_env = true,
     .placeholder = "EXPR",
     .help = "only rows that fulfil it; see " CO_PROGRAM " query --help"},
    {.name = "no-provenance",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(no_provenance),
     .no_env = true,
     .help = "leave the column provenance out"},
    {.name = "verify",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(verify),
     .no_env = true,
     .help = "compare the hashes of files with MANIFEST.json"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "--format jsonl|csv [OPTIONS] OUT",
    .about = "Writes the rows of a corpus as one file. OUT is the output "
             "folder of a run.\ncsv is RFC 4180: members of objects are "
             "columns (household.size), lists are\nJSON in their cell, null is "
             "an empty cell.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = 1,
};

static enum co_err
format_of(const char *name, enum select_format *ret, struct co_diag *diag)
{
    static const char *const later[] = {"parquet", "chat", "alpaca"};

    if (!name) {
        return co_fail(diag, CO_USAGE, "--format: say jsonl or csv");
    }
    if (strcmp(name, "jsonl") == 0 || strcmp(name, "csv") == 0) {
        *ret = name[0] == 'j' ? SELECT_JSONL : SELECT_CSV;
        return CO_OK;
    }
    for (size_t i = 0; i < co_countof(later); i++) {
        if (strcmp(name, later[i]) != 0) continue;
        return co_fail(diag, CO_USAGE,
                       "--format: %s does not exist in this version; there is "
                       "jsonl and csv",
                       name);
    }
    return co_fail(diag, CO_USAGE,
                   "--format: found \"%.40s\"; allowed is "
                   "jsonl or csv",
                   name);
}

struct export
{
    struct outfile *file;
    int signals; /* -1: they are not looked at */
    bool stopped;
};

static enum co_err
take_batch(void *arg, const struct sweep_batch *batch, struct co_diag *diag)
{
    struct export *x = arg;
    size_t len = batch->matches ? batch->ends[batch->matches - 1] : 0;

    x->stopped = x->signals >= 0 && co_signals_next(x->signals) > 0;
    if (x->stopped) return CO_CANCELLED;
    return outfile_write(x->file, batch->out, len, diag);
}

/* A whole corpus as jsonl has as many bytes as MANIFEST.json says (provenance
 * aside): then it can be known beforehand that the disk is too small. */
static enum co_err
check_room(const struct export_config *cfg, const struct outdir *dir,
           enum select_format format, struct co_diag *diag)
{
    char parent[1100];
    const char *slash = strrchr(cfg->to, '/');
    uint64_t room;

    if (strcmp(cfg->to, "-") == 0 || format != SELECT_JSONL || cfg->where ||
        cfg->fields || cfg->no_provenance || !dir->whole) {
        return CO_OK;
    }
    (void)snprintf(parent, sizeof parent, "%.*s",
                   slash ? (int)(slash - cfg->to + 1) : 1,
                   slash ? cfg->to : ".");
    if (co_fs_free_bytes(parent, &room, NULL) || room >= dir->raw_bytes) {
        return CO_OK; /* what is wrong with the folder, opening it says */
    }
    return co_fail(diag, CO_NOSPACE,
                   "%s: the rows have %" PRIu64 " bytes, and only %" PRIu64
                   " are free there. Choose another place, fewer columns "
                   "(--fields), or - and a program that compresses",
                   cfg->to, dir->raw_bytes, room);
}

/* What a run wrote is not replaced by what is made of it: the rows, and all
 * else by which the folder is one of a run. */
static enum co_err
check_target(const struct export_config *cfg, const struct outdir *dir,
             struct co_diag *diag)
{
    static const char *const own[] = {"MANIFEST.json", "README.md",
                                      "report.json",   "run.json",
                                      "job.yaml",      ".lock"};
    const char *slash = strrchr(cfg->to, '/');
    const char *name = slash ? slash + 1 : cfg->to;
    bool refused = strncmp(name, "part-", 5) == 0;
    char parent[1100];
    struct stat a, b;

    for (size_t i = 0; i < co_countof(own); i++) {
        refused |= strcmp(name, own[i]) == 0;
    }
    (void)snprintf(parent, sizeof parent, "%.*s",
                   slash ? (int)(slash - cfg->to + 1) : 1,
                   slash ? cfg->to : ".");
    if (!refused || stat(parent, &a) || stat(dir->dir, &b) ||
        a.st_dev != b.st_dev || a.st_ino != b.st_ino) {
        return CO_OK;
    }
    return co_fail(diag, CO_USAGE,
                   "--to %s: this file belongs to the corpus; choose another "
                   "name",
                   cfg->to);
}

static enum co_err
write_head(struct export *x, const struct select *s, struct co_diag *diag)
{
    struct co_buf head;
    enum co_err err;

    co_buf_init(&head, HEAD_BYTES_MAX);
    select_head(s, &head);
    err =
        head.err ? head.err : outfile_write(x->file, head.data, head.len, diag);
    co_buf_fini(&head);
    return err;
}

static void
say_done(const struct export *x, const char *to,
         const struct sweep_totals *totals, int64_t ms)
{
    struct co_buf out;

    if (!outfile_is_file(x->file)) return;
    co_buf_init(&out, 4096);
    co_buf_printf(&out, "%s: ", to);
    say_count(&out, totals->matches);
    if (totals->matches != totals->rows) {
        co_buf_puts(&out, " of ");
        say_count(&out, totals->rows);
    }
    co_buf_puts(&out, " rows, ");
    say_bytes(&out, outfile_bytes(x->file));
    co_buf_puts(&out, ", ");
    say_duration(&out, (uint64_t)ms);
    (void)fprintf(stderr, "%s\n", co_buf_text(&out));
    co_buf_fini(&out);
}

static int
run(struct export *x, const struct export_config *cfg, const struct outdir *dir,
    const struct select *s)
{
    const struct sweep_options options = {
        .dir = dir, .select = s, .verify = cfg->verify};
    struct sweep_totals totals = {0};
    struct co_diag diag = {""};
    int64_t begin = co_clock_us();
    enum co_err err = write_head(x, s, &diag);

    if (!err) err = sweep_run(&options, take_batch, x, &totals, &diag);
    if (x->stopped) {
        (void)fprintf(stderr, PROGRAM ": stopped; %s was not written\n",
                      cfg->to);
        return CLI_PARTIAL;
    }
    if (err == CO_CANCELLED) return CLI_OK; /* `| head` */
    if (!err) err = outfile_commit(x->file, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    say_done(x, cfg->to, &totals, (co_clock_us() - begin) / 1000);
    return CLI_OK;
}

static enum co_err
make_select(const struct export_config *cfg, enum select_format format,
            const struct outdir *dir, struct select **ret_select,
            struct co_diag *diag)
{
    co_auto(schema_freep) struct schema *schema = NULL;
    const struct select_options options = {.where = cfg->where,
                                           .fields = cfg->fields,
                                           .format = format,
                                           .no_provenance = cfg->no_provenance};
    enum co_err err = sweep_schema(dir, &schema, diag);

    return err ? err : select_new(&options, schema, ret_select, diag);
}

int
cmd_export(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(outdir_freep) struct outdir *dir = NULL;
    co_auto(select_freep) struct select *s = NULL;
    co_auto(outfile_freep) struct outfile *file = NULL;
    struct export_config cfg = {0};
    struct export x = {.signals = -1};
    enum select_format format = SELECT_JSONL;
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    err = format_of(cfg.format, &format, &diag);
    if (!err) err = outdir_open(co_options_arg(options, 0), &dir, &diag);
    if (!err) err = check_target(&cfg, dir, &diag);
    if (!err) err = make_select(&cfg, format, dir, &s, &diag);
    if (!err) err = check_room(&cfg, dir, format, &diag);
    /* A file that was begun is to be removed: from here on ^C is a question
     * that is answered between batches. */
    if (!err && strcmp(cfg.to, "-") != 0) err = co_signals_open(&x.signals);
    if (!err) err = outfile_open(cfg.to, &file, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    x.file = file;
    exit_code = run(&x, &cfg, dir, s);
    co_signals_close(&x.signals);
    return exit_code;
}
