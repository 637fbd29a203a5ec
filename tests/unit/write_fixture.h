/* write_fixture.h - the service persona.write with an endpoint on a real
 * socket: one recipe, one provider with its lanes, asks, and answers to them.
 */
#pragma once
#include "common/clock.h"
#include "job/recipe.h"
#include "job/writer.h"
#include "llm/limiter_exchange.h"
#include "llm/shape.h"
#include "rows/generator.h"
#include "tests/unit/population.h"
#include "tests/unit/write_endpoint.h"
#include "worker/lanes.h"
#include "worker/recipes.h"
#include "worker/service.h"

#include <stdlib.h>
#include <string.h>

#define KEY "sk-test-0123456789"

enum {
    PATIENCE_US = 20 * 1000 * 1000,
    ROW = 77,
    OUTPUT_MAX = 700,
};

/* -- what is the same for all -------------------------------------------- */

co_unused static struct model *model;
static struct prose *prose;
static struct sampler *sampler;
static struct recipes *recipes;
static struct co_buf recipe_json;
static uint64_t recipe_name;
/* Of the recipe's writer; not known, unless a test says so before open_all. */
static struct price writer_price = {.input = -1, .output = -1};
static uint64_t writer_call_ms;

co_unused static const char background_md[] =
    "## system\nYou write of people.\n"
    "## user\n{{full_name}}, {{age}}.\n"
    "{{fields}}\n"
    "## repair\nThat was wrong: {{error}}\n";
static const char personas_md[] = "## system\nYou write of people.\n"
                                  "## user\n{{full_name}}.\n{{background}}\n"
                                  "{{fields}}\n"
                                  "## repair\nThat was wrong: {{error}}\n";

co_unused static int
write_recipe(void)
{
    const char *const texts[ASK_STAGES] = {background_md, personas_md};
    const char *const names[ASK_STAGES] = {"background.md", "personas.md"};
    struct writer writer = {.provider = "main",
                            .kind = "openai",
                            .model = "the-model",
                            .max_tokens = {OUTPUT_MAX, OUTPUT_MAX},
                            .temperature_milli = 700,
                            .price = writer_price,
                            .call_ms = writer_call_ms};
    struct co_diag diag = {""};
    struct recipe recipe = {.generator = GENERATOR_VERSION,
                            .model_hash = model_hash(model),
                            .phrases = prose_hash(prose),
                            .seed = 42,
                            .population = "us",
                            .phases = SPEC_CORPUS | SPEC_COMPOSE,
                            .writer = &writer};
    enum co_err err = prompt_set_parse(texts, names, &writer.prompts, &diag);

    if (!err) err = recipe_write(&recipe, &recipe_json);
    if (err) print_error("%s: %s\n", co_err_name(err), diag.text);
    recipe_name = recipe_hash(recipe_json.data, recipe_json.len);
    prompt_set_free(writer.prompts);
    return err ? -1 : 0;
}

co_unused static int
open_all(void **state)
{
    (void)state;
    model = given_model();
    prose = given_prose(model);
    sampler = given_sampler(model, 42, NULL, 0);
    co_buf_init(&recipe_json, 1 << 20);
    (void)setenv("TEST_WRITE_KEY", KEY, 1);
    return write_recipe() || recipes_new(model, prose, &recipes) ? -1 : 0;
}

co_unused static int
close_all(void **state)
{
    (void)state;
    recipes_free(recipes);
    sampler_free(sampler);
    prose_free(prose);
    model_free(model);
    co_buf_fini(&recipe_json);
    return 0;
}

/* -- one worker ---------------------------------------------------------- */

struct fixture {
    struct providers providers;
    struct lanes *lanes;
    struct service_env env;
};

co_unused static struct providers_entry *
given_provider(struct fixture *f)
{
    struct providers_entry *e = &f->providers.entries[0];

    f->providers.n = 1;
    *e = (struct providers_entry){.name = "main",
                                  .kind = &provider_openai,
                                  .model = "another-model",
                                  .n_endpoints = 1,
                                  .timeouts = {5000, 60000, 60000, 60000}};
    (void)snprintf(e->endpoints[0].url, sizeof e->endpoints[0].url,
                   "http://127.0.0.1:%u/v1", (unsigned)endpoint.port);
    (void)strcpy(e->endpoints[0].key_env, "TEST_WRITE_KEY");
    e->endpoints[0].weight = 1;
    return e;
}

co_unused static void
open_shared_lanes(struct fixture *f, const struct worker_limits_self *redis)
{
    const struct lanes_options options = {
        .providers = &f->providers, .in_flight = 8, .redis = redis};
    struct co_diag diag = {""};

    assert_int_equal(lanes_new(&options, &f->lanes, &diag), CO_OK);
    f->env = (struct service_env){.recipes = recipes, .lanes = f->lanes};
    if (lanes_count(f->lanes) > 0) lanes_at(f->lanes, 0)->service = 0;
}

co_unused static void
open_lanes(struct fixture *f)
{
    open_shared_lanes(f, NULL);
}

co_unused static int
setup_without_lanes(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    endpoint_open(&endpoint);
    (void)given_provider(f);
    *state = f;
    return 0;
}

co_unused static int
setup(void **state)
{
    (void)setup_without_lanes(state);
    open_lanes(*state);
    return 0;
}

co_unused static int
teardown(void **state)
{
    struct fixture *f = *state;

    lanes_free(f->lanes);
    endpoint_close(&endpoint);
    free(f);
    return 0;
}

/* -- asks ---------------------------------------------------------------- */

struct served {
    struct fixture *f;
    struct service_run run;
    struct co_buf payload, out;
    enum service_step step;
    int64_t late_us; /* of the clock that the service is told */
};

co_unused static struct ask_task
an_ask(void)
{
    return (struct ask_task){.row = ROW,
                             .ask = 3,
                             .stage = ASK_BACKGROUND,
                             .input_max = 100000,
                             .output_max = OUTPUT_MAX};
}

co_unused static int64_t
now(const struct served *v)
{
    return co_clock_us() + v->late_us;
}

co_unused static void
begin(struct fixture *f, struct served *v, const struct ask_task *ask)
{
    *v = (struct served){.f = f};
    co_buf_init(&v->out, 1 << 20);
    co_buf_init(&v->payload, 1 << 20);
    ask_put_task(ask, &v->payload);
    v->run = (struct service_run){
        .service = service_find("persona.write"),
        .env = &f->env,
        .out = &v->out,
        .task = {.payload = v->payload.data,
                 .payload_bytes = (uint32_t)v->payload.len,
                 .attempt = 1,
                 .recipe_hash = recipe_name,
                 .recipe = co_bytes_borrow(recipe_json.data, recipe_json.len)}};
    v->step = v->run.service->begin(&f->env, &v->run, now(v));
}

co_unused static void
turn(struct served *v)
{
    endpoint_turn(&endpoint);
    lanes_readable(v->f->lanes, 0);
    lanes_turn(v->f->lanes, now(v));
    if (v->step == SERVICE_WAIT) {
        v->step = v->run.service->step(&v->run, now(v));
    }
}

co_unused static void
run_through(struct served *v)
{
    int64_t until = co_clock_us() + PATIENCE_US;

    while (v->step == SERVICE_WAIT) {
        assert_true(co_clock_us() < until);
        turn(v);
    }
}

/* Until the endpoint has so many requests. */
co_unused static void
run_until_asked(struct served *v, uint32_t requests)
{
    int64_t until = co_clock_us() + PATIENCE_US;

    while (endpoint.requests < requests) {
        assert_true(co_clock_us() < until);
        turn(v);
    }
}

co_unused static void
end(struct served *v)
{
    if (v->run.state) v->run.service->abort(&v->run);
    co_buf_fini(&v->out);
    co_buf_fini(&v->payload);
}

co_unused static struct ask_result
result_of(struct served *v)
{
    struct ask_result r;

    assert_int_equal(v->step, SERVICE_DONE);
    assert_true(ask_get_result(v->out.data, v->out.len, &r));
    assert_int_equal(r.row, ROW);
    assert_int_equal(r.ask, 3);
    assert_null(memmem(v->out.data, v->out.len, KEY, strlen(KEY)));
    return r;
}

co_unused static struct ask_result
ask(struct fixture *f, struct served *v)
{
    const struct ask_task task = an_ask();

    begin(f, v, &task);
    run_through(v);
    return result_of(v);
}

co_unused static bool
says(struct ask_text text, const char *part)
{
    return memmem(text.text, text.len, part, strlen(part)) != NULL;
}

/* -- answers ------------------------------------------------------------- */

co_unused static void
put_words(struct co_json *json, uint32_t bytes)
{
    char text[4096];

    assert_true(bytes < sizeof text);
    for (uint32_t i = 0; i < bytes; i++) {
        text[i] = i % 6 == 5 && i + 1 < bytes ? ' ' : 'w';
    }
    co_json_bytes(json, text, bytes);
}

/* What a good model says of the row, of that stage. */
co_unused static void
put_content(enum ask_stage stage, struct co_buf *out)
{
    const struct shape *shape = shape_of(stage);
    struct person person;
    struct co_json json;

    sampler_draw(sampler, ROW, &person);
    co_json_init(&json, out);
    co_json_object(&json);
    for (uint32_t i = 0; i < shape->n; i++) {
        const struct shape_field *field = &shape->fields[i];
        uint32_t bytes = (uint32_t)(field->min + field->max) / 2;

        if (person.age < field->from_age) continue;
        co_json_key(&json, field->name);
        if (field->is_list) co_json_array(&json);
        for (int k = 0; k < (field->is_list ? field->items_min : 1); k++) {
            put_words(&json, bytes - (uint32_t)k);
        }
        if (field->is_list) co_json_end(&json);
    }
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
}

co_unused static void
given_answer(const char *content, const char *finish)
{
    struct co_json json;

    co_buf_clear(&endpoint.body);
    co_json_init(&json, &endpoint.body);
    co_json_object(&json);
    co_json_put_text(&json, "model", "the-model-2026");
    co_json_key(&json, "choices");
    co_json_array(&json);
    co_json_object(&json);
    co_json_key(&json, "message");
    co_json_object(&json);
    co_json_put_text(&json, "content", content);
    co_json_end(&json);
    co_json_put_text(&json, "finish_reason", finish);
    co_json_end(&json);
    co_json_end(&json);
    co_json_key(&json, "usage");
    co_json_object(&json);
    co_json_put_u64(&json, "prompt_tokens", 50);
    co_json_put_u64(&json, "completion_tokens", 20);
    co_json_end(&json);
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
}

co_unused static void
given_good_answer(void)
{
    struct co_buf content;

    co_buf_init(&content, 1 << 20);
    put_content(ASK_BACKGROUND, &content);
    given_answer(co_buf_text(&content), "stop");
    co_buf_fini(&content);
}

co_unused static void
given_error(const char *status, const char *message)
{
    struct co_json json;

    endpoint.status = status;
    co_buf_clear(&endpoint.body);
    co_json_init(&json, &endpoint.body);
    co_json_object(&json);
    co_json_key(&json, "error");
    co_json_object(&json);
    co_json_put_text(&json, "message", message);
    co_json_end(&json);
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
}
