/* persona.c - rows without a model: persona.corpus (attributes),
 * persona.compose (attributes and prose, built-in), and slow, which makes the
 * same rows as compose but takes 20 ms for each, waiting instead of working,
 * so that tests can catch a worker in the middle of a task. */
#include "worker/services/range_task.h"
#include "worker/services/services.h"

static enum service_step
corpus_begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    return range_task_begin(env, run, RANGE_NO_TEXTS, now_us);
}

static enum service_step
compose_begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    return range_task_begin(env, run, RANGE_BUILT_IN, now_us);
}

const struct service service_persona_corpus = {
    .name = "persona.corpus",
    .range = true,
    .needs_model = true,
    .hint_ns = 1000 * 1000,
    .begin = corpus_begin,
    .step = range_task_step,
    .abort = range_task_abort,
};

const struct service service_persona_compose = {
    .name = "persona.compose",
    .range = true,
    .needs_model = true,
    .hint_ns = 2 * 1000 * 1000,
    .begin = compose_begin,
    .step = range_task_step,
    .abort = range_task_abort,
};

const struct service service_slow = {
    .name = "slow",
    .range = true,
    .needs_model = true,
    .hint_ns = 2u * 1000 * 1000 * 1000,
    .begin = compose_begin,
    .step = range_task_step_slowly,
    .abort = range_task_abort,
};
