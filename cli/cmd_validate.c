/* cmd_validate.c - `cohort validate`: is this job file right, and what would
 * it make? Reads the file and the model, starts and changes nothing. */
#include "cli/open_job.h"
#include "cli/say.h"
#include "common/hash.h"

#include <stdio.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " validate"

enum { LINE_BYTES_MAX = 4096 };

struct validate_config {
    const char *data;
};

static const struct co_option table[] = {
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = offsetof(struct validate_config, data),
     .placeholder = "DIR",
     .help = "folder of the compiled model"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] FILE",
    .about = "Checks a job file against its rules and the population model,\n"
             "and prints what it would make. Starts and changes nothing.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = 1,
};

static void
say_model(const struct writer *writer, struct co_buf *out)
{
    co_buf_printf(out, "%s: %s %s; price ", writer->provider, writer->kind,
                  writer->model);
    writer_say_price(writer, out);
}

/* What each phase may cost by itself, and what is left for those that run
 * short. */
static void
say_shares(const struct shares *shares, struct co_buf *out)
{
    char usd[PRICE_TEXT_BYTES];

    if (!shares->is_set) return;
    co_buf_puts(out, "  of the budget: ");
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        co_buf_printf(out, "%s %s, ", shares_phase_name(i),
                      price_text(shares->share[i], usd));
    }
    co_buf_printf(out, "reserve %s USD\n", price_text(shares->reserve, usd));
}

/* Arms and fallbacks: who is tried for which rows, and what those cost that
 * have not been named yet. A provider with other prompts is another writer of
 * the same price. */
static void
say_others(const struct writers *w, struct co_buf *out)
{
    co_buf_puts(out, "  arms and fallbacks: ");
    writers_say(w, out);
    co_buf_putc(out, '\n');
    for (uint32_t i = 1; i < w->n; i++) {
        uint32_t first = 0;

        while (strcmp(w->v[first]->provider, w->v[i]->provider) != 0) {
            first++;
        }
        if (first < i) continue;
        co_buf_puts(out, "  also by ");
        say_model(w->v[i], out);
        co_buf_putc(out, '\n');
    }
}

/* Who writes, for how much, and how it is asked: a line of its own. */
static void
say_writer(const struct job_spec *spec, struct co_buf *out)
{
    const struct writer *writer = spec->writer;
    char usd[PRICE_TEXT_BYTES];

    co_buf_puts(out, "  written by ");
    say_model(writer, out);
    if (spec->price_date[0]) {
        co_buf_printf(out, " (list price of %s)", spec->price_date);
    }
    if (spec->budget < 0) {
        co_buf_puts(out, "; no budget");
    } else {
        co_buf_printf(out, "; at most %s USD", price_text(spec->budget, usd));
    }
    co_buf_puts(out, "; ");
    writer_say_answers(writer, out);
    co_buf_putc(out, '\n');
    say_shares(&spec->shares, out);
    if (spec->writers) say_others(spec->writers, out);
}

static void
print_summary(const struct job_spec *spec, uint64_t hash, uint32_t ppm)
{
    uint64_t files = (spec->rows + spec->shard_rows - 1) / spec->shard_rows;
    char hex[CO_HEX16_SIZE];
    struct co_buf out;

    co_buf_init(&out, LINE_BYTES_MAX);
    co_buf_printf(&out, "%s: ok, %s: ", spec->file, spec->name);
    say_count(&out, spec->rows);
    co_buf_printf(&out, " rows (%s", spec_service(spec));
    if (spec->where.count) {
        co_buf_printf(&out, ", %zu condition%s", spec->where.count,
                      spec->where.count == 1 ? "" : "s");
    }
    if (spec->mix.count) {
        co_buf_printf(&out, ", %zu weight%s", spec->mix.count,
                      spec->mix.count == 1 ? "" : "s");
    }
    if (spec->manifest) {
        co_buf_printf(&out, ", %u table%s of %s", spec->manifest->tables.count,
                      spec->manifest->tables.count == 1 ? "" : "s", spec->data);
    }
    if (ppm < 1000000) {
        co_buf_printf(&out, ", about %u.%02u %% of candidates pass",
                      ppm / 10000, ppm / 100 % 100);
    }
    if (spec_dedups(spec)) {
        co_buf_puts(&out, ", no two with the same text: ");
        say_bytes(&out, spec->rows * SPEC_DEDUP_ROW_BYTES);
        co_buf_puts(&out, " of memory");
    }
    co_buf_puts(&out, ") in ");
    say_count(&out, files);
    co_buf_printf(&out, " file%s of %s, seed %llu, recipe %s\n",
                  files == 1 ? "" : "s", spec->dir,
                  (unsigned long long)spec->seed, co_hex16(hash, hex));
    if (spec->writer) say_writer(spec, &out);
    (void)fputs(co_buf_text(&out), stdout);
    co_buf_fini(&out);
}

int
cmd_validate(int argc, char **argv)
{
    struct validate_config config = {0};
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(open_job_fini) struct open_job job = {.spec = NULL};
    struct co_diag diag = {""};
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &config, &options,
                     &exit_code)) {
        return exit_code;
    }
    exit_code =
        open_job(co_options_arg(options, 0), NULL, config.data, &job, &diag);
    if (exit_code) {
        (void)say_error(PROGRAM, CO_INVALID, &diag);
        return exit_code;
    }
    print_summary(job.spec, job.recipe_hash, job.pass_ppm);
    return CLI_OK;
}
