/* cmd_validate.c - `cohort validate`: is this job file right, and what would
 * it make? Reads the file and the model, starts and changes nothing. */
#include "cli/say.h"
#include "common/hash.h"
#include "job/recipe.h"
#include "population/locate.h"
#include "rows/generator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

static enum co_err
open_model(const char *data, const struct job_spec *spec,
           struct model **ret_model, struct prose **ret_prose,
           struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err = model_locate(data, spec_population(spec), path, diag);

    if (!err) err = model_open(path, diag, ret_model);
    return err ? err : prose_open(*ret_model, data, diag, ret_prose);
}

static enum co_err
hash_recipe(const struct job_spec *spec, const struct model *model,
            const struct prose *prose, uint64_t *ret_hash)
{
    struct recipe recipe = recipe_of_spec(spec, GENERATOR_VERSION,
                                          model_hash(model), prose_hash(prose));
    struct co_buf json;
    enum co_err err;

    co_buf_init(&json, RECIPE_BYTES_MAX);
    err = recipe_write(&recipe, &json);
    if (!err) *ret_hash = recipe_hash(json.data, json.len);
    co_buf_fini(&json);
    return err;
}

/* How many candidates of a million the conditions leave. */
static enum co_err
accept_rate(const struct job_spec *spec, const struct model *model,
            uint32_t *ret_ppm, struct co_diag *diag)
{
    co_auto(sampler_freep) struct sampler *sampler = NULL;
    struct recipe recipe =
        recipe_of_spec(spec, GENERATOR_VERSION, model_hash(model), 0);
    enum co_err err = recipe_sampler(&recipe, model, diag, &sampler);

    if (!err) *ret_ppm = sampler_rate_ppm(sampler);
    return err;
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
    (void)fputs(co_buf_text(&out), stdout);
    co_buf_fini(&out);
}

int
cmd_validate(int argc, char **argv)
{
    struct validate_config config = {0};
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(spec_freep) struct job_spec *spec = NULL;
    co_auto(model_freep) struct model *model = NULL;
    co_auto(prose_freep) struct prose *prose = NULL;
    struct co_diag diag = {""};
    uint64_t hash = 0;
    uint32_t ppm = 0;
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &config, &options,
                     &exit_code)) {
        return exit_code;
    }
    err = spec_load(co_options_arg(options, 0), &spec, &diag);
    if (!err) err = spec_open_data(spec, &diag);
    if (err) {
        /* A file that is not there is as useless as a wrong one. */
        (void)say_error(PROGRAM, err, &diag);
        return CLI_USAGE;
    }
    err = open_model(config.data, spec, &model, &prose, &diag);
    if (err) {
        (void)say_error(PROGRAM, err, &diag);
        return CLI_FAILED; /* not the job file's fault */
    }
    err = spec_check(spec, model, &diag);
    if (!err) err = spec_check_words(spec, prose, &diag);
    if (!err) err = hash_recipe(spec, model, prose, &hash);
    if (!err) err = accept_rate(spec, model, &ppm, &diag);
    if (err) {
        exit_code = say_error(PROGRAM, err, &diag);
        /* too much of something is a bad job, for `run` as well */
        return err == CO_FULL ? CLI_USAGE : exit_code;
    }
    print_summary(spec, hash, ppm);
    return CLI_OK;
}
