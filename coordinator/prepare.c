/* prepare.c - see prepare.h. */
#include "coordinator/prepare.h"

#include "common/log.h"
#include "job/recipe.h"
#include "population/locate.h"
#include "rows/generator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum co_err
prepare_number(const char *option, const char *text, uint64_t *ret,
               struct co_diag *diag)
{
    char *end;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    if (errno == 0 && *end == '\0' && *text >= '0' && *text <= '9') {
        return CO_OK;
    }
    return co_fail(diag, CO_USAGE, "--%s %s: a whole number is needed", option,
                   text);
}

static enum co_err
load_spec(const struct prepare_options *o, struct prepared *p,
          struct co_diag *diag)
{
    enum co_err err =
        o->text ? spec_parse(o->text, o->text_len, o->file, &p->spec, diag)
                : spec_load(o->file, &p->spec, diag);

    if (err) return err;
    memcpy(p->file_dir, p->spec->dir, sizeof p->file_dir);
    err = spec_override(p->spec, &o->over, diag);
    return err ? err : spec_open_data(p->spec, diag);
}

static enum co_err
open_model(const struct prepare_options *o, struct prepared *p,
           struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err =
        model_locate(o->data, spec_population(p->spec), path, diag);

    if (!err) err = model_open(path, diag, &p->model);
    return err ? err : prose_open(p->model, o->data, diag, &p->prose);
}

/* For tests of duplicates only, but it changes rows, so it is in the recipe. */
static unsigned
hash_bits_of_tests(const struct job_spec *spec)
{
    const char *text = getenv("COHORT_TEST_HASH_BITS");
    unsigned long bits = text ? strtoul(text, NULL, 10) : 0;

    if (bits == 0 || bits > 63 || !spec_dedups(spec)) return 0;
    co_log(CO_LOG_WARN, "dedup.for_tests", "hash_bits=%lu", bits);
    return (unsigned)bits;
}

static enum co_err
make_recipe(const struct prepare_options *o, struct prepared *p,
            struct co_diag *diag)
{
    struct recipe recipe = recipe_of_spec(
        p->spec, GENERATOR_VERSION, model_hash(p->model), prose_hash(p->prose));
    struct co_buf buf;
    enum co_err err;

    recipe.hash_bits = p->hash_bits = hash_bits_of_tests(p->spec);
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    err = recipe_write(&recipe, &buf);
    if (!err) err = co_bytes_copy(buf.data, buf.len, &p->recipe);
    if (!err) p->recipe_hash = recipe_hash(buf.data, buf.len);
    co_buf_fini(&buf);
    return err ? co_fail(diag, err, "%s: the recipe: %s", o->file,
                         co_err_text(err))
               : CO_OK;
}

/* Refuses conditions that nobody fulfils. The recipe is made before: the
 * dataset card shows a row as the workers write it. */
static enum co_err
make_sampler(struct prepared *p, struct co_diag *diag)
{
    struct recipe recipe = recipe_of_spec(
        p->spec, GENERATOR_VERSION, model_hash(p->model), prose_hash(p->prose));
    enum co_err err = recipe_sampler(&recipe, p->model, diag, &p->sampler);

    if (!err) {
        sampler_set_recipe(p->sampler, p->recipe_hash);
        sampler_set_prose(p->sampler, p->prose);
    }
    return err;
}

static bool
is_of_the_job(enum co_err err)
{
    switch ((int)err) {
    case CO_INVALID:
    case CO_RANGE:
    case CO_USAGE:
    case CO_NOTFOUND: /* the file itself */
    case CO_FULL:     /* it is too long */
    case CO_VERSION:
        return true;
    default:
        return false;
    }
}

enum co_err
prepare(const struct prepare_options *o, struct prepared *p,
        struct co_diag *diag)
{
    enum co_err err;

    *p = (struct prepared){0};
    err = load_spec(o, p, diag);
    if (!err) {
        err = open_model(o, p, diag);
        if (err) return err; /* this machine's fault, whatever the code */
        err = spec_check(p->spec, p->model, diag);
        if (!err) err = spec_check_words(p->spec, p->prose, diag);
    }
    if (!err) err = spec_open_writer(p->spec, o->data, diag);
    if (!err) err = make_recipe(o, p, diag);
    if (!err) err = make_sampler(p, diag);
    p->job_is_bad = is_of_the_job(err);
    return err;
}

void
prepare_fini(struct prepared *p)
{
    sampler_free(p->sampler);
    prose_free(p->prose);
    model_free(p->model);
    co_bytes_unref(&p->recipe);
    spec_free(p->spec);
    *p = (struct prepared){0};
}

enum co_err
prepare_folder(const struct prepared *p, const char *dir, uint64_t job,
               struct jobfolder *ret_folder, struct co_diag *diag)
{
    struct jobfolder_wish wish = {.dir = dir,
                                  .name = p->spec->name,
                                  .kind = "personas",
                                  .rows = p->spec->rows,
                                  .shard_rows = p->spec->shard_rows,
                                  .recipe = p->recipe.data,
                                  .recipe_len = p->recipe.len,
                                  .recipe_hash = p->recipe_hash,
                                  .job = job};

    return jobfolder_open(&wish, ret_folder, diag);
}

void
prepare_as_run(const struct spec_overrides *over, struct co_buf *text)
{
    const char *before = "# as run: ";

    if (!over->has_rows && !over->has_seed && !over->dir) return;
    if (text->len && text->data[text->len - 1] != '\n') co_buf_putc(text, '\n');
    if (over->has_rows) {
        co_buf_printf(text, "%srows %" PRIu64, before, over->rows);
        before = ", ";
    }
    if (over->has_seed) {
        co_buf_printf(text, "%sseed %" PRIu64, before, over->seed);
        before = ", ";
    }
    if (over->dir) {
        co_buf_printf(text, "%sout %s", before, co_log_quote(over->dir).text);
    }
    co_buf_putc(text, '\n');
}
