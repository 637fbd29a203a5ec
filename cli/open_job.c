/* open_job.c - see open_job.h. */
#include "cli/open_job.h"

#include "cli/say.h"
#include "job/recipe.h"
#include "llm/recorded.h"
#include "population/locate.h"
#include "rows/generator.h"

static enum co_err
open_model(const char *data_dir, struct open_job *job, struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err =
        model_locate(data_dir, spec_population(job->spec), path, diag);

    if (!err) err = model_open(path, diag, &job->model);
    return err ? err : prose_open(job->model, data_dir, diag, &job->prose);
}

/* The sampler knows how many candidates pass, and refuses conditions that
 * nobody fulfils. */
static enum co_err
make_recipe(struct open_job *job, struct co_diag *diag)
{
    struct recipe recipe =
        recipe_of_spec(job->spec, GENERATOR_VERSION, model_hash(job->model),
                       prose_hash(job->prose));
    struct co_buf json;
    enum co_err err;

    co_buf_init(&json, RECIPE_BYTES_MAX);
    err = recipe_write(&recipe, &json);
    if (err) {
        (void)co_fail(diag, err, "%s: the recipe: %s", job->spec->file,
                      co_err_text(err));
    } else {
        job->recipe_hash = recipe_hash(json.data, json.len);
    }
    co_buf_fini(&json);
    if (!err) err = recipe_sampler(&recipe, job->model, diag, &job->sampler);
    if (err) return err;
    job->pass_ppm = sampler_rate_ppm(job->sampler);
    sampler_set_recipe(job->sampler, job->recipe_hash);
    sampler_set_prose(job->sampler, job->prose);
    return CO_OK;
}

static enum co_err
check_replay(const struct job_spec *spec, const struct providers_entry *entry,
             struct co_diag *diag)
{
    co_auto(recorded_freep) struct recorded *replay = NULL;
    enum co_err err;

    if (!entry->replay_file[0]) return CO_OK;
    err = recorded_load(entry->replay_file, &replay, diag);
    if (!err) return CO_OK;
    (void)co_fail_prefix(diag, err, "%s:%u: provider %s: replay", spec->file,
                         entry->line, entry->name);
    return err == CO_NOMEM ? err : CO_USAGE;
}

enum co_err
open_job_check_replay(const struct job_spec *spec, struct co_diag *diag)
{
    const struct providers_entry *v[PROVIDERS_MAX];
    const uint32_t n = spec_providers(spec, v);
    enum co_err err = CO_OK;

    for (uint32_t i = 0; i < n && !err; i++) {
        err = check_replay(spec, v[i], diag);
    }
    return err;
}

int
open_job(const char *file, const struct spec_overrides *over,
         const char *data_dir, struct open_job *ret, struct co_diag *diag)
{
    enum co_err err = spec_load(file, &ret->spec, diag);

    if (!err && over) err = spec_override(ret->spec, over, diag);
    if (!err) err = spec_open_data(ret->spec, diag);
    /* A file that is not there is as useless as a wrong one. */
    if (err) return CLI_USAGE;
    /* Not the job file's fault, whatever the code. */
    if (open_model(data_dir, ret, diag)) return CLI_FAILED;
    err = spec_check(ret->spec, ret->model, diag);
    if (!err) err = spec_check_words(ret->spec, ret->prose, diag);
    if (!err) err = spec_open_writer(ret->spec, data_dir, diag);
    if (!err) err = open_job_check_replay(ret->spec, diag);
    if (!err) err = make_recipe(ret, diag);
    /* Too much of something, or a file that it names and is not there, is a
     * bad job, for `run` as well. */
    if (err == CO_FULL || err == CO_NOTFOUND) return CLI_USAGE;
    return err ? say_exit(err) : CLI_OK;
}

void
open_job_fini(struct open_job *job)
{
    sampler_free(job->sampler);
    prose_free(job->prose);
    model_free(job->model);
    spec_free(job->spec);
    *job = (struct open_job){.spec = NULL};
}
