/* fuzz_jobfile.c - any bytes as a job file, and as a recipe.
 * What is accepted must survive the way through the recipe and back. */
#include "job/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_recipe(const uint8_t *data, size_t size)
{
    struct recipe recipe;
    struct co_diag diag;

    if (recipe_parse(data, size, &recipe, &diag)) return;
    recipe_fini(&recipe);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job_spec *spec = NULL;
    struct co_diag diag;

    fuzz_recipe(data, size);
    if (spec_parse((const char *)data, size, "fuzz.yaml", &spec, &diag)) {
        return 0;
    }
    co_assert(spec->rows >= 1 && spec->rows <= SPEC_ROWS_MAX);
    co_assert(spec->shard_rows % SPEC_GRID == 0 && spec->dir[0]);
    spec_free(spec);
    return 0;
}
