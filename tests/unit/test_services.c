/* test_services.c - what the services answer, and how work.h runs them. */
#include "common/hash.h"
#include "job/recipe.h"
#include "rows/generator.h"
#include "tests/unit/population.h"
#include "worker/assets.h"
#include "worker/recipes.h"
#include "worker/services/range_task.h"
#include "worker/work.h"
#include "worker/worker_supervisor.h"

#include <stdlib.h>
#include <string.h>

enum { MS = 1000 };

static struct model *model;
static struct prose *prose;
static struct service_env env;
static struct co_buf recipe_json;
static uint64_t recipe_name;

static int
open_all(void **state)
{
    struct co_diag diag = {""};

    (void)state;
    if (model_open(CO_SOURCE_DIR "/data/us.model", &diag, &model)) {
        print_error("%s\n", diag.text);
        return -1;
    }
    prose = given_prose(model);
    const struct recipe recipe = {.generator = GENERATOR_VERSION,
                                  .model_hash = model_hash(model),
                                  .phrases = prose_hash(prose),
                                  .seed = 42,
                                  .population = "us",
                                  .phases = SPEC_CORPUS | SPEC_COMPOSE};
    co_buf_init(&recipe_json, 1 << 20);
    if (recipe_write(&recipe, &recipe_json)) return -1;
    recipe_name = recipe_hash(recipe_json.data, recipe_json.len);
    return recipes_new(model, prose, &env.recipes) ? -1 : 0;
}

static int
close_all(void **state)
{
    (void)state;
    recipes_free(env.recipes);
    prose_free(prose);
    model_free(model);
    co_buf_fini(&recipe_json);
    return 0;
}

/* -- one service by hand ------------------------------------------------- */
struct served {
    struct service_run run;
    struct co_buf out;
    enum service_step step;
    unsigned steps;
    int64_t now;
};

static void
begin(struct served *v, const char *service, const void *payload, size_t len)
{
    *v = (struct served){0};
    co_buf_init(&v->out, 8 << 20);
    v->run.service = service_find(service);
    assert_non_null(v->run.service);
    v->run.out = &v->out;
    v->run.task.task = 0x0102030405060708;
    v->run.task.payload = payload;
    v->run.task.payload_bytes = (uint32_t)len;
    v->run.task.recipe_hash = recipe_name;
    v->run.task.recipe = co_bytes_borrow(recipe_json.data, recipe_json.len);
    v->step = v->run.service->begin(&env, &v->run, v->now);
}

static void
end(struct served *v)
{
    if (v->run.state && v->run.service->abort) v->run.service->abort(&v->run);
    co_buf_fini(&v->out);
}

/* Steps until it ends; waits are skipped by moving the clock. */
static void
run_through(struct served *v)
{
    while (v->step == SERVICE_MORE || v->step == SERVICE_WAIT) {
        if (v->step == SERVICE_WAIT) v->now = v->run.wait_until_us;
        v->step = v->run.service->step(&v->run, v->now);
        v->steps++;
    }
}

static void
noop_answers_the_id_and_the_payload_in_64_bytes(void **state)
{
    static const uint8_t id[] = {8, 7, 6, 5, 4, 3, 2, 1};
    char payload[100];
    struct served v;

    (void)state;
    begin(&v, "noop", "hello", 5);
    assert_int_equal(v.step, SERVICE_DONE);
    assert_int_equal(v.out.len, 64);
    assert_memory_equal(v.out.data, id, 8);
    assert_memory_equal(v.out.data + 8, "hello", 5);
    for (int i = 13; i < 64; i++) {
        assert_int_equal(v.out.data[i], 0);
    }
    end(&v);
    memset(payload, 'p', sizeof payload);
    begin(&v, "noop", payload, sizeof payload);
    assert_int_equal(v.out.len, 64);
    assert_memory_equal(v.out.data + 8, payload, 56);
    end(&v);
}

/* {1: 500, 2: 250, 3: take} */
static size_t
range_payload(uint8_t *to, uint8_t count, uint8_t take)
{
    const uint8_t bytes[] = {0x83, 1,     0xcd, 1,    0xf4, 2,
                             0xcc, count, 3,    0xcc, take};

    memcpy(to, bytes, sizeof bytes);
    return sizeof bytes;
}

static void
assert_same_as_direct(struct served *v, enum row_level level, uint32_t count,
                      uint32_t take)
{
    struct recipe_use use;
    struct range_maker *maker = NULL;
    struct range_result result;
    struct co_diag diag;
    struct co_buf direct;

    co_buf_init(&direct, 8 << 20);
    assert_int_equal(
        recipes_get(env.recipes, recipe_name, v->run.task.recipe, &use, &diag),
        CO_OK);
    assert_int_equal(range_maker_new(&maker), CO_OK);
    assert_int_equal(
        range_make(maker, use.sampler, 500, count, take, level, &result),
        CO_OK);
    assert_int_equal(range_encode(&result, &direct), CO_OK);
    assert_int_equal(direct.len, v->out.len);
    assert_memory_equal(direct.data, v->out.data, direct.len);
    range_maker_free(maker);
    recipes_put(env.recipes, &use);
    co_buf_fini(&direct);
}

static void
persona_services_make_the_rows_of_the_range(void **state)
{
    uint8_t payload[16];
    struct served v;

    (void)state;
    begin(&v, "persona.compose", payload, range_payload(payload, 250, 250));
    run_through(&v);
    assert_int_equal(v.step, SERVICE_DONE);
    assert_true(v.steps > 1); /* yields in between */
    assert_same_as_direct(&v, ROW_TEXTS, 250, 250);
    end(&v);
    begin(&v, "persona.corpus", payload, range_payload(payload, 250, 100));
    run_through(&v);
    assert_same_as_direct(&v, ROW_ATTRIBUTES, 250, 100);
    end(&v);
}

/* A service that is told to write from answers. */
static enum service_step
answered_begin(struct service_env *e, struct service_run *run, int64_t now_us)
{
    return range_task_begin(e, run, RANGE_ANSWERED, now_us);
}

static const struct service answered = {.name = "answered",
                                        .range = true,
                                        .needs_model = true,
                                        .begin = answered_begin,
                                        .step = range_task_step,
                                        .abort = range_task_abort};

static void
begin_answered(struct served *v, const void *payload, size_t len)
{
    begin(v, "noop", payload, len); /* what it answers is forgotten */
    co_buf_clear(&v->out);
    v->run.service = &answered;
    v->step = answered.begin(&env, &v->run, v->now);
}

static void
rows_are_written_from_answers_or_by_itself_but_never_silently(void **state)
{
    /* 500 .. 501, the answers: nil and nil. */
    static const uint8_t none[] = {0x83, 1, 0xcd, 1,    0xf4, 2,
                                   2,    5, 0x92, 0xc0, 0xc0};
    static const uint8_t one[] = {0x83, 1, 0xcd, 1, 0xf4, 2, 2, 5, 0x91, 0xc0};
    static const uint8_t plain[] = {0x82, 1, 0xcd, 1, 0xf4, 2, 2};
    struct range_result result;
    struct served v;

    (void)state;
    begin_answered(&v, none, sizeof none);
    run_through(&v);
    assert_int_equal(v.step, SERVICE_DONE);
    assert_int_equal(range_decode(v.out.data, v.out.len, &result), CO_OK);
    assert_int_equal(result.accepted, 0);
    range_result_fini(&result);
    end(&v);
    begin_answered(&v, one, sizeof one);
    assert_int_equal(v.step, SERVICE_FAILED);
    assert_non_null(strstr(co_buf_text(&v.out), "answers are not what rows"));
    end(&v);
    begin_answered(&v, plain, sizeof plain);
    assert_int_equal(v.step, SERVICE_FAILED);
    assert_non_null(strstr(co_buf_text(&v.out), "no answers to write rows"));
    end(&v);
    begin(&v, "persona.compose", none, sizeof none);
    assert_int_equal(v.step, SERVICE_FAILED);
    assert_non_null(strstr(co_buf_text(&v.out), "answers for a service"));
    end(&v);
}

/* As above, of a recipe that dedups and without the first candidate. */
static void
compose_hashes_and_leaves_out_what_it_is_told(void **state)
{
    const struct recipe recipe = {.generator = GENERATOR_VERSION,
                                  .model_hash = model_hash(model),
                                  .phrases = prose_hash(prose),
                                  .seed = 42,
                                  .population = "us",
                                  .phases = SPEC_CORPUS | SPEC_COMPOSE,
                                  .dedup = true};
    const uint8_t payload[] = {0x84, 1,  0xcd, 1,    0xf4, 2,    16,
                               3,    16, 4,    0xc4, 0x02, 0x01, 0x00};
    const uint64_t name_before = recipe_name;
    struct range_result result;
    struct co_buf before = recipe_json;
    struct served v;

    (void)state;
    co_buf_init(&recipe_json, 1 << 20);
    assert_int_equal(recipe_write(&recipe, &recipe_json), CO_OK);
    recipe_name = recipe_hash(recipe_json.data, recipe_json.len);
    begin(&v, "persona.compose", payload, sizeof payload);
    run_through(&v);
    assert_int_equal(v.step, SERVICE_DONE);
    assert_int_equal(range_decode(v.out.data, v.out.len, &result), CO_OK);
    assert_int_equal(result.accepted, 16);
    assert_int_equal(result.rows, 15);
    assert_non_null(result.hashes);
    range_result_fini(&result);
    end(&v);
    begin(&v, "persona.corpus", payload, sizeof payload);
    run_through(&v); /* no texts: nothing to hash */
    assert_int_equal(range_decode(v.out.data, v.out.len, &result), CO_OK);
    assert_null(result.hashes);
    range_result_fini(&result);
    end(&v);
    begin(&v, "persona.compose", payload, sizeof payload - 1);
    assert_int_equal(v.step, SERVICE_FAILED); /* cut off */
    end(&v);
    co_buf_fini(&recipe_json);
    recipe_json = before;
    recipe_name = name_before;
}

static void
slow_makes_the_rows_of_compose_in_20_ms_each(void **state)
{
    uint8_t payload[16];
    struct served v;

    (void)state;
    begin(&v, "slow", payload, range_payload(payload, 10, 10));
    v.step = v.run.service->step(&v.run, 0);
    assert_int_equal(v.step, SERVICE_WAIT);
    assert_int_equal(v.run.wait_until_us, 20 * MS);
    run_through(&v);
    assert_int_equal(v.step, SERVICE_DONE);
    assert_int_equal(v.now, 200 * MS);
    assert_same_as_direct(&v, ROW_TEXTS, 10, 10);
    end(&v);
}

static void
slow_catches_up_after_a_late_wake_up(void **state)
{
    uint8_t payload[16];
    struct served v;

    (void)state;
    begin(&v, "slow", payload, range_payload(payload, 10, 10));
    v.step = v.run.service->step(&v.run, 10ll * 1000 * MS);
    assert_int_equal(v.step, SERVICE_DONE);
    assert_same_as_direct(&v, ROW_TEXTS, 10, 10);
    end(&v);
}

static void
a_payload_that_is_no_range_fails_and_says_so(void **state)
{
    static const char *const bad[] = {"", "x", "\x81\x01", "\x81\x01\x05",
                                      "\x82\x01\x05\x02\x00"};
    struct served v;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        begin(&v, "persona.compose", bad[i], strlen(bad[i]));
        assert_int_equal(v.step, SERVICE_FAILED);
        assert_memory_equal(v.out.data, "PROTOCOL: ", 10);
        end(&v);
    }
}

static void
a_recipe_that_cannot_be_read_is_no_recipe(void **state)
{
    uint8_t payload[16];
    struct served v = {0};
    size_t len = range_payload(payload, 10, 10);

    (void)state;
    recipe_name++; /* a name that the cache does not have */
    recipe_json.data[0] = '[';
    begin(&v, "persona.compose", payload, len);
    recipe_json.data[0] = '{';
    recipe_name--;
    assert_int_equal(v.step, SERVICE_NO_RECIPE);
    end(&v);
}

static void
samplers_are_made_once_a_recipe_and_at_most_16(void **state)
{
    struct recipe_use use, first, again;
    struct co_bytes blob = co_bytes_borrow(recipe_json.data, recipe_json.len);
    struct recipes *r = NULL;
    struct co_diag diag;

    (void)state;
    assert_int_equal(recipes_new(model, prose, &r), CO_OK);
    assert_int_equal(recipes_get(r, 1, blob, &first, &diag), CO_OK);
    assert_int_equal(recipes_get(r, 1, blob, &again, &diag), CO_OK);
    assert_ptr_equal(first.sampler, again.sampler);
    recipes_put(r, &again);
    for (uint64_t name = 2; name < 40; name++) {
        assert_int_equal(recipes_get(r, name, blob, &use, &diag), CO_OK);
        recipes_put(r, &use);
    }
    assert_int_equal(recipes_count(r), RECIPES_MAX);
    assert_int_equal(recipes_get(r, 1, blob, &again, &diag), CO_OK);
    assert_ptr_equal(first.sampler, again.sampler); /* in use: not evicted */
    recipes_put(r, &again);
    recipes_put(r, &first);
    recipes_free(r);
}

/* -- work.h -------------------------------------------------------------- */
static int64_t clock_us;

static int64_t
now(void)
{
    return clock_us++; /* so that a slice ends */
}

struct plant {
    struct slots *slots;
    struct assets *assets;
    struct work *work;
    struct outbox out;
    const struct service *services[2];
    struct slots_service announced[2];
};

static int
plant_setup(void **state)
{
    struct plant *p = calloc(1, sizeof *p);
    const struct msg welcome = {.type = MSG_welcome,
                                .welcome = {.version = 1, .incarnation = 1}};

    assert_non_null(p);
    outbox_init(&p->out);
    p->services[0] = service_find("noop");
    p->services[1] = service_find("slow");
    p->announced[0] = (struct slots_service){.name = "noop", .hint_ns = 100};
    p->announced[1] = (struct slots_service){
        .name = "slow", .range = true, .hint_ns = 5000000};
    assert_int_equal(assets_new(1, NULL, &p->assets), CO_OK);
    const struct slots_config config = {.incarnation = 1,
                                        .name = "w",
                                        .services = p->announced,
                                        .n_services = 2,
                                        .links = 1,
                                        .slots = 2,
                                        .assets = p->assets};
    assert_int_equal(slots_new(&config, &p->slots), CO_OK);
    assert_int_equal(work_new(p->slots, 2, p->services, &env, now, &p->work),
                     CO_OK);
    clock_us = 1000;
    slots_connect(p->slots, 0, clock_us, &p->out);
    slots_on_message(p->slots, 0, &welcome, (struct co_bytes){0}, clock_us,
                     &p->out);
    slots_flush(p->slots, clock_us, &p->out);
    outbox_clear(&p->out);
    *state = p;
    return 0;
}

static int
plant_teardown(void **state)
{
    struct plant *p = *state;

    work_free(p->work);
    slots_check(p->slots);
    slots_free(p->slots);
    assets_free(p->assets);
    outbox_fini(&p->out);
    free(p);
    return 0;
}

static void
give_task(struct plant *p, const char *service, uint64_t first, uint32_t n,
          uint32_t run_ms, uint32_t stall_ms, uint64_t recipe)
{
    static uint64_t ids[256];
    static uint8_t body[256 * 16];
    const uint32_t attempt = 1;
    uint32_t len = 0;

    for (uint32_t i = 0; i < n; i++) {
        ids[i] = first + i;
        len = (uint32_t)range_payload(body + (size_t)i * len, 250, 250);
    }
    const struct msg m = {.type = MSG_tasks,
                          .tasks = {.job = 1,
                                    .owner = 1,
                                    .service = msg_text(service),
                                    .tasks = {ids, n},
                                    .attempts = {&attempt, 1},
                                    .lens = {&len, 1},
                                    .run_ms = run_ms,
                                    .stall_ms = stall_ms,
                                    .recipe = recipe}};
    slots_on_message(p->slots, 0, &m, co_bytes_borrow(body, (size_t)n * len),
                     clock_us, &p->out);
}

static void
work_runs_what_the_core_hands_out(void **state)
{
    struct plant *p = *state;
    struct slots_stats stats;

    give_task(p, "noop", 1, 200, 0, 0, 0);
    while (work_run(p->work, clock_us)) {
    }
    slots_get_stats(p->slots, &stats);
    assert_int_equal(stats.counters.done, 200);
    assert_int_equal(work_deadline(p->work), INT64_MAX);
}

static void
a_slice_ends_after_a_millisecond(void **state)
{
    struct plant *p = *state;
    int64_t from;

    give_task(p, "noop", 1, 200, 0, 0, 0);
    from = clock_us;
    clock_us += 900; /* each look at the clock is a microsecond: late start */
    (void)work_run(p->work, from);
    assert_true(clock_us - from < 2500);
}

static void
a_task_without_recipe_is_given_back_not_failed(void **state)
{
    struct plant *p = *state;
    struct slots_stats stats;

    give_task(p, "slow", 1, 1, 0, 0, 0);
    while (work_run(p->work, clock_us)) {
    }
    slots_get_stats(p->slots, &stats);
    assert_int_equal(stats.counters.no_recipe, 1);
    assert_int_equal(stats.counters.failed, 0);
}

/* The recipe is in the worker's cache, as after a fetch. */
static void
given_recipe(struct plant *p)
{
    const struct msg_blob b = {
        .job = 1, .hash = recipe_name, .worker = 1, .total = recipe_json.len};

    assert_int_equal(
        assets_want(p->assets, recipe_name, 1, 0, clock_us, &p->out), CO_OK);
    assert_int_equal(
        assets_on_blob(p->assets, &b,
                       co_bytes_borrow(recipe_json.data, recipe_json.len),
                       clock_us, &p->out),
        CO_OK);
}

static uint64_t
failed_after(struct plant *p, int64_t span_us)
{
    struct slots_stats stats;

    (void)work_run(p->work, clock_us);
    assert_in_range(work_deadline(p->work), clock_us, clock_us + 25ll * MS);
    clock_us += span_us;
    (void)work_run(p->work, clock_us);
    slots_get_stats(p->slots, &stats);
    return stats.counters.failed;
}

static void
a_run_that_takes_longer_than_run_ms_fails(void **state)
{
    struct plant *p = *state;

    given_recipe(p);
    give_task(p, "slow", 1, 1, 100, 0, recipe_name);
    assert_int_equal(failed_after(p, 50ll * MS), 0);
    assert_int_equal(failed_after(p, 50ll * MS), 1);
}

static void
a_run_without_progress_for_stall_ms_fails(void **state)
{
    struct plant *p = *state;

    given_recipe(p);
    give_task(p, "slow", 1, 1, 0, 30, recipe_name);
    assert_int_equal(failed_after(p, 20ll * MS), 0);
    assert_int_equal(failed_after(p, 40ll * MS), 1);
}

static void
a_cancelled_run_ends_at_its_next_step(void **state)
{
    struct plant *p = *state;
    const uint64_t id = 1;
    const struct msg cancel = {
        .type = MSG_cancel,
        .cancel = {.job = 1, .owner = 1, .tasks = {&id, 1}}};
    struct slots_stats stats;

    given_recipe(p);
    give_task(p, "slow", 1, 1, 0, 0, recipe_name);
    (void)work_run(p->work, clock_us);
    slots_on_message(p->slots, 0, &cancel, (struct co_bytes){0}, clock_us,
                     &p->out);
    (void)work_run(p->work, clock_us);
    slots_get_stats(p->slots, &stats);
    assert_int_equal(stats.running, 0);
    assert_int_equal(stats.counters.returned, 1);
}

/* -- supervisor ---------------------------------------------------------- */
static void
a_crashing_child_is_started_again_ever_later(void **state)
{
    (void)state;
    assert_int_equal(worker_supervisor_backoff_ms(1), 100);
    assert_int_equal(worker_supervisor_backoff_ms(2), 200);
    assert_int_equal(worker_supervisor_backoff_ms(7), 6400);
    assert_int_equal(worker_supervisor_backoff_ms(8), 10000);
    assert_int_equal(worker_supervisor_backoff_ms(UINT32_MAX), 10000);
}

#define P(name)                                                                \
    cmocka_unit_test_setup_teardown(name, plant_setup, plant_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noop_answers_the_id_and_the_payload_in_64_bytes),
        cmocka_unit_test(persona_services_make_the_rows_of_the_range),
        cmocka_unit_test(
            rows_are_written_from_answers_or_by_itself_but_never_silently),
        cmocka_unit_test(compose_hashes_and_leaves_out_what_it_is_told),
        cmocka_unit_test(slow_makes_the_rows_of_compose_in_20_ms_each),
        cmocka_unit_test(slow_catches_up_after_a_late_wake_up),
        cmocka_unit_test(a_payload_that_is_no_range_fails_and_says_so),
        cmocka_unit_test(a_recipe_that_cannot_be_read_is_no_recipe),
        cmocka_unit_test(samplers_are_made_once_a_recipe_and_at_most_16),
        P(work_runs_what_the_core_hands_out),
        P(a_slice_ends_after_a_millisecond),
        P(a_task_without_recipe_is_given_back_not_failed),
        P(a_run_that_takes_longer_than_run_ms_fails),
        P(a_run_without_progress_for_stall_ms_fails),
        P(a_cancelled_run_ends_at_its_next_step),
        cmocka_unit_test(a_crashing_child_is_started_again_ever_later),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
