/* test_write.c - the service persona.write against an endpoint on a real
 * socket: what is sent, what becomes of each end of a call, and that nothing
 * is sent twice, beyond its allowance, or with a key where it does not belong.
 */
#include "common/clock.h"
#include "job/recipe.h"
#include "job/writer.h"
#include "llm/limiter_exchange.h"
#include "llm/shape.h"
#include "rows/generator.h"
#include "tests/unit/population.h"
#include "worker/lanes.h"
#include "worker/recipes.h"
#include "worker/service.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "sk-test-0123456789"

enum {
    CONNS_MAX = 16,
    REQUEST_MAX = 64 * 1024,
    PATIENCE_US = 20 * 1000 * 1000,
    ROW = 77,
    OUTPUT_MAX = 700,
};

/* A slot is held at most so long by a call that must not start. */
static const int64_t hold_us = 1000000;

/* -- the endpoint -------------------------------------------------------- */
enum manner {
    ANSWERS, /* status, headers and body as set */
    HANGS,   /* reads, and says nothing */
    RESETS,  /* reads, and closes */
    CUTS     /* says more length than it has */
};

static struct endpoint {
    int fd;
    uint16_t port;
    struct conn {
        int fd;
        size_t len;
        char data[REQUEST_MAX];
    } conns[CONNS_MAX];
    size_t n;
    enum manner manner;
    const char *status, *type, *headers;
    struct co_buf body;
    char request[REQUEST_MAX]; /* the last whole one */
    uint32_t requests;
} endpoint;

static void
endpoint_open(struct endpoint *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;

    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(e->fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(e->fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(e->fd, 16), 0);
    e->port = ntohs(at.sin_port);
    e->n = 0;
    e->requests = 0;
    e->manner = ANSWERS;
    e->status = "200 OK";
    e->type = "application/json";
    e->headers = "";
    co_buf_init(&e->body, 1 << 20);
}

static void
endpoint_close(struct endpoint *e)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->conns[i].fd >= 0) (void)close(e->conns[i].fd);
    }
    if (e->fd >= 0) (void)close(e->fd);
    co_buf_fini(&e->body);
}

/* Whether a whole request stands in the connection's buffer. */
static bool
is_whole(struct conn *c)
{
    const char *end, *length;

    c->data[c->len] = '\0';
    end = strstr(c->data, "\r\n\r\n");
    length = strstr(c->data, "Content-Length: ");
    if (!end || !length) return false;
    return c->len >=
           (size_t)(end + 4 - c->data) + strtoul(length + 16, NULL, 10);
}

static void
respond(struct endpoint *e, struct conn *c)
{
    size_t more = e->manner == CUTS ? 100 : 0;
    char head[512];
    int n;

    e->requests++;
    memcpy(e->request, c->data, c->len + 1);
    c->len = 0;
    if (e->manner == HANGS) return;
    if (e->manner != RESETS) {
        n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s"
                     "Content-Length: %zu\r\n\r\n",
                     e->status, e->type, e->headers, e->body.len + more);
        (void)send(c->fd, head, (size_t)n, MSG_NOSIGNAL);
        (void)send(c->fd, e->body.data, e->body.len, MSG_NOSIGNAL);
        if (e->manner == ANSWERS) return;
    }
    (void)close(c->fd);
    c->fd = -1;
}

static void
endpoint_turn(struct endpoint *e)
{
    struct pollfd ready = {.fd = e->fd, .events = POLLIN};

    while (poll(&ready, 1, 0) == 1) {
        assert_true(e->n < CONNS_MAX);
        e->conns[e->n++] = (struct conn){.fd = accept(e->fd, NULL, NULL)};
    }
    for (size_t i = 0; i < e->n; i++) {
        struct conn *c = &e->conns[i];
        ssize_t got;

        if (c->fd < 0) continue;
        got = recv(c->fd, c->data + c->len, sizeof c->data - 1 - c->len,
                   MSG_DONTWAIT);
        if (got > 0) c->len += (size_t)got;
        if (got > 0 && is_whole(c)) respond(e, c);
    }
}

/* -- what is the same for all -------------------------------------------- */
static struct model *model;
static struct prose *prose;
static struct sampler *sampler;
static struct recipes *recipes;
static struct co_buf recipe_json;
static uint64_t recipe_name;

static const char background_md[] = "## system\nYou write of people.\n"
                                    "## user\n{{full_name}}, {{age}}.\n"
                                    "{{fields}}\n"
                                    "## repair\nThat was wrong: {{error}}\n";
static const char personas_md[] = "## system\nYou write of people.\n"
                                  "## user\n{{full_name}}.\n{{background}}\n"
                                  "{{fields}}\n"
                                  "## repair\nThat was wrong: {{error}}\n";

static int
write_recipe(void)
{
    const char *const texts[ASK_STAGES] = {background_md, personas_md};
    const char *const names[ASK_STAGES] = {"background.md", "personas.md"};
    struct writer writer = {.provider = "main",
                            .kind = "openai",
                            .model = "the-model",
                            .max_tokens = {OUTPUT_MAX, OUTPUT_MAX},
                            .temperature_milli = 700,
                            .price = {.input = -1, .output = -1}};
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

static int
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

static int
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

static struct providers_entry *
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

static void
open_shared_lanes(struct fixture *f, const struct worker_limits_self *redis)
{
    const struct lanes_options options = {
        .providers = &f->providers, .in_flight = 8, .redis = redis};
    struct co_diag diag = {""};

    assert_int_equal(lanes_new(&options, &f->lanes, &diag), CO_OK);
    f->env = (struct service_env){.recipes = recipes, .lanes = f->lanes};
    if (lanes_count(f->lanes) > 0) lanes_at(f->lanes, 0)->service = 0;
}

static void
open_lanes(struct fixture *f)
{
    open_shared_lanes(f, NULL);
}

static int
setup_without_lanes(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    endpoint_open(&endpoint);
    (void)given_provider(f);
    *state = f;
    return 0;
}

static int
setup(void **state)
{
    (void)setup_without_lanes(state);
    open_lanes(*state);
    return 0;
}

static int
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

static struct ask_task
an_ask(void)
{
    return (struct ask_task){.row = ROW,
                             .ask = 3,
                             .stage = ASK_BACKGROUND,
                             .input_max = 100000,
                             .output_max = OUTPUT_MAX};
}

static int64_t
now(const struct served *v)
{
    return co_clock_us() + v->late_us;
}

static void
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

static void
turn(struct served *v)
{
    endpoint_turn(&endpoint);
    lanes_readable(v->f->lanes, 0);
    lanes_turn(v->f->lanes, now(v));
    if (v->step == SERVICE_WAIT) {
        v->step = v->run.service->step(&v->run, now(v));
    }
}

static void
run_through(struct served *v)
{
    int64_t until = co_clock_us() + PATIENCE_US;

    while (v->step == SERVICE_WAIT) {
        assert_true(co_clock_us() < until);
        turn(v);
    }
}

/* Until the endpoint has so many requests. */
static void
run_until_asked(struct served *v, uint32_t requests)
{
    int64_t until = co_clock_us() + PATIENCE_US;

    while (endpoint.requests < requests) {
        assert_true(co_clock_us() < until);
        turn(v);
    }
}

static void
end(struct served *v)
{
    if (v->run.state) v->run.service->abort(&v->run);
    co_buf_fini(&v->out);
    co_buf_fini(&v->payload);
}

static struct ask_result
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

static struct ask_result
ask(struct fixture *f, struct served *v)
{
    const struct ask_task task = an_ask();

    begin(f, v, &task);
    run_through(v);
    return result_of(v);
}

static void
assert_text(struct ask_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.text, expected, text.len);
}

static bool
says(struct ask_text text, const char *part)
{
    return memmem(text.text, text.len, part, strlen(part)) != NULL;
}

/* -- answers ------------------------------------------------------------- */
static void
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
static void
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

static void
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

static void
given_good_answer(void)
{
    struct co_buf content;

    co_buf_init(&content, 1 << 20);
    put_content(ASK_BACKGROUND, &content);
    given_answer(co_buf_text(&content), "stop");
    co_buf_fini(&content);
}

static void
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

/* -- tests --------------------------------------------------------------- */
static void
an_answer_comes_back_with_what_it_cost(void **state)
{
    struct served v;
    struct ask_result r;
    struct co_buf content;

    given_good_answer();
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_ANSWER);
    co_buf_init(&content, 1 << 20);
    put_content(ASK_BACKGROUND, &content);
    assert_int_equal(r.answer_len, content.len);
    assert_memory_equal(r.answer, content.data, content.len);
    co_buf_fini(&content);
    assert_text(r.model, "the-model-2026");
    assert_true(r.has_usage);
    assert_int_equal(r.input, 50);
    assert_int_equal(r.output, 20);
    assert_int_equal(r.status, 200);
    assert_true(r.time > 1600000000 && r.total_us > 0);
    assert_true(says(r.endpoint, "http://127.0.0.1:"));
    end(&v);
}

static void
the_request_is_what_the_recipe_says(void **state)
{
    struct served v;

    given_good_answer();
    (void)ask(*state, &v);
    assert_int_equal(endpoint.requests, 1);
    assert_non_null(
        strstr(endpoint.request, "Authorization: Bearer " KEY "\r\n"));
    assert_non_null(strstr(endpoint.request, "\"model\":\"the-model\""));
    assert_non_null(strstr(endpoint.request, "\"max_tokens\":700"));
    assert_non_null(strstr(endpoint.request, "\"temperature\":0.7"));
    assert_non_null(strstr(endpoint.request, "You write of people."));
    assert_non_null(strstr(endpoint.request, "\"json_schema\""));
    assert_null(strstr(endpoint.request, "That was wrong"));
    end(&v);
}

static void
a_wrong_answer_is_quoted_with_what_is_wrong(void **state)
{
    static const char wrong[] = "{\"half\": ", error[] = "it ends too early";
    struct ask_task task = an_ask();
    struct served v;

    task.wrong = (const uint8_t *)wrong;
    task.wrong_len = sizeof wrong - 1;
    task.error = error;
    task.error_len = sizeof error - 1;
    given_good_answer();
    begin(*state, &v, &task);
    run_through(&v);
    assert_non_null(strstr(endpoint.request, "\"role\":\"assistant\""));
    assert_non_null(strstr(endpoint.request, "{\\\"half\\\": "));
    assert_non_null(
        strstr(endpoint.request, "That was wrong: it ends too early"));
    end(&v);
}

static void
the_second_stage_is_told_the_first_answer(void **state)
{
    struct ask_task task = an_ask();
    struct co_buf first, second;
    struct served v;

    co_buf_init(&first, 1 << 20);
    co_buf_init(&second, 1 << 20);
    put_content(ASK_BACKGROUND, &first);
    put_content(ASK_PERSONAS, &second);
    given_answer(co_buf_text(&second), "stop");
    task.stage = ASK_PERSONAS;
    task.input = first.data;
    task.input_len = (uint32_t)first.len;
    begin(*state, &v, &task);
    run_through(&v);
    assert_int_equal(result_of(&v).outcome, ASK_ANSWER);
    assert_int_equal(result_of(&v).stage, ASK_PERSONAS);
    assert_non_null(strstr(endpoint.request, "wwwww wwwww"));
    end(&v);
    co_buf_fini(&first);
    co_buf_fini(&second);
}

static void
an_answer_that_is_something_else_is_told_with_its_faults(void **state)
{
    struct served v;
    struct ask_result r;

    given_answer("{\"hobbies\": 3}", "stop");
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_INVALID);
    assert_int_equal(r.answer_len, strlen("{\"hobbies\": 3}"));
    assert_true(r.error.len > 0);
    assert_true(r.has_usage);
    end(&v);
}

static void
ends_before_the_end_have_outcomes_of_their_own(void **state)
{
    struct served v;

    given_answer("{\"cultural", "length");
    assert_int_equal(ask(*state, &v).outcome, ASK_CUT);
    end(&v);
    given_answer("", "content_filter");
    assert_int_equal(ask(*state, &v).outcome, ASK_FILTERED);
    end(&v);
}

static void
what_is_not_paid_is_given_back_until_the_endpoint_wants_it(void **state)
{
    const struct ask_task task = an_ask();
    struct served v;

    given_error("429 Too Many", "slow down");
    endpoint.headers = "Retry-After: 3\r\n";
    begin(*state, &v, &task);
    run_through(&v);
    assert_int_equal(v.step, SERVICE_RETURN);
    assert_int_equal(v.run.reason, RETURN_LIMIT);
    assert_in_range(v.run.not_before_ms, 3000, 4000);
    assert_int_equal(v.out.len, 0);
    end(&v);
}

static void
a_server_in_trouble_is_tried_again_later(void **state)
{
    static const char *const statuses[] = {"503 Busy", "529 Busy"};
    const struct ask_task task = an_ask();

    for (size_t i = 0; i < co_countof(statuses); i++) {
        struct served v;

        given_error(statuses[i], "no");
        begin(*state, &v, &task);
        run_through(&v);
        assert_int_equal(v.step, SERVICE_RETURN);
        assert_in_range(v.run.not_before_ms, 0, 60000);
        end(&v);
    }
}

static void
a_server_that_is_not_there_got_nothing(void **state)
{
    const struct ask_task task = an_ask();
    struct served v;

    (void)close(endpoint.fd);
    endpoint.fd = -1;
    begin(*state, &v, &task);
    while (v.step == SERVICE_WAIT) {
        struct served *s = &v;

        lanes_readable(s->f->lanes, 0);
        lanes_turn(s->f->lanes, now(s));
        s->step = s->run.service->step(&s->run, now(s));
    }
    assert_int_equal(v.step, SERVICE_RETURN);
    end(&v);
}

/* The endpoint repeats the key, as some do. */
static void
a_refusal_is_told_without_the_key(void **state)
{
    struct served v;
    struct ask_result r;

    given_error("401 No", "wrong key " KEY ": go away");
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_text(r.fault, "unauthorized");
    assert_true(says(r.error, "go away"));
    assert_int_equal(r.status, 401);
    end(&v);
}

static void
an_answer_is_told_without_the_key(void **state)
{
    struct served v;

    given_answer("my key is " KEY, "stop");
    assert_int_equal(ask(*state, &v).outcome, ASK_INVALID);
    end(&v);
}

static void
what_was_sent_and_not_answered_is_perhaps_paid(void **state)
{
    static const enum manner manners[] = {RESETS, CUTS};

    given_good_answer();
    for (size_t i = 0; i < co_countof(manners); i++) {
        struct served v;

        endpoint.manner = manners[i];
        assert_int_equal(ask(*state, &v).outcome, ASK_UNKNOWN);
        assert_int_equal(endpoint.requests, i + 1); /* and not sent again */
        end(&v);
    }
}

/* A gateway's time-out may hide an answer that the model finished. */
static void
a_server_that_failed_with_the_request_is_perhaps_paid(void **state)
{
    static const char *const statuses[] = {"500 Oops", "502 Bad Gateway",
                                           "504 Too Late", "524 Too Late"};

    for (size_t i = 0; i < co_countof(statuses); i++) {
        struct served v;
        struct ask_result r;

        given_error(statuses[i], "no");
        r = ask(*state, &v);
        assert_int_equal(r.outcome, ASK_UNKNOWN);
        assert_text(r.fault, "server-error");
        assert_int_equal(endpoint.requests, i + 1);
        end(&v);
    }
}

/* The words before the error are on the bill, whatever it says. */
static void
an_error_after_the_first_words_is_perhaps_paid(void **state)
{
    struct fixture *f = *state;
    struct served v;
    struct ask_result r;

    given_provider(f)->stream = true;
    open_lanes(f);
    endpoint.type = "text/event-stream";
    co_buf_puts(&endpoint.body,
                "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n"
                "data: {\"error\":{\"code\":\"insufficient_quota\","
                "\"message\":\"no credit\"}}\n\n");
    r = ask(f, &v);
    assert_text(r.fault, "no-money");
    assert_int_equal(r.outcome, ASK_UNKNOWN);
    end(&v);
}

static void
an_error_inside_an_answer_is_perhaps_paid(void **state)
{
    struct served v;

    given_error("200 OK", "the model died");
    assert_int_equal(ask(*state, &v).outcome, ASK_UNKNOWN);
    end(&v);
}

static void
nothing_beyond_the_allowance_is_sent(void **state)
{
    struct ask_task task = an_ask();
    struct served v;

    task.input_max = 10;
    begin(*state, &v, &task);
    assert_int_equal(result_of(&v).outcome, ASK_REFUSED);
    assert_true(says(result_of(&v).error, "allowance"));
    end(&v);
    task = an_ask();
    task.output_max = OUTPUT_MAX - 1;
    begin(*state, &v, &task);
    assert_int_equal(result_of(&v).outcome, ASK_REFUSED);
    end(&v);
    endpoint_turn(&endpoint);
    assert_int_equal(endpoint.n, 0);
}

static void
a_sent_call_that_is_stopped_is_perhaps_paid_and_goes_on(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served v;

    endpoint.manner = HANGS;
    begin(f, &v, &task);
    run_until_asked(&v, 1);
    v.step = v.run.service->stop(&v.run, now(&v));
    assert_int_equal(result_of(&v).outcome, ASK_UNKNOWN);
    end(&v);
    assert_int_equal(lanes_in_flight(f->lanes), 1);
    endpoint.manner = RESETS;
    (void)shutdown(endpoint.conns[0].fd, SHUT_RDWR);
    while (lanes_in_flight(f->lanes) > 0) {
        lanes_readable(f->lanes, 0);
        lanes_turn(f->lanes, co_clock_us());
    }
}

static void
one_that_was_not_sent_is_given_back_when_stopped(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served first, second;

    given_provider(f)->limits.in_flight = 1;
    open_lanes(f);
    endpoint.manner = HANGS;
    begin(f, &first, &task);
    begin(f, &second, &task);
    assert_int_equal(second.step, SERVICE_WAIT);
    assert_int_equal(lanes_in_flight(f->lanes), 1);
    assert_int_equal(second.run.service->stop(&second.run, now(&second)),
                     SERVICE_RETURN);
    end(&second);
    end(&first);
}

static void
no_slot_is_held_for_long_while_limits_hold_a_call_back(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served first, second;

    given_provider(f)->limits.in_flight = 1;
    open_lanes(f);
    endpoint.manner = HANGS;
    begin(f, &first, &task);
    begin(f, &second, &task);
    assert_true(second.run.wait_until_us <= now(&second) + hold_us);
    assert_int_equal(lanes_room(lanes_at(f->lanes, 0), now(&second)), 0);
    second.late_us = hold_us + 1;
    second.step = second.run.service->step(&second.run, now(&second));
    assert_int_equal(second.step, SERVICE_RETURN);
    assert_int_equal(second.run.reason, RETURN_LIMIT);
    end(&second);
    end(&first);
}

/* How long an ask that is held back stays away, looked at so much later. */
static uint32_t
away_ms(struct served *v, uint32_t attempt, int64_t late_us)
{
    assert_int_equal(v->step, SERVICE_WAIT);
    v->run.task.attempt = attempt;
    v->late_us = late_us;
    v->step = v->run.service->step(&v->run, now(v));
    assert_int_equal(v->step, SERVICE_RETURN);
    assert_int_equal(v->run.reason, RETURN_LIMIT);
    end(v);
    return v->run.not_before_ms;
}

/* Redis told a worker of its places, and nothing more after that. */
static void
redis_tells_once(struct fixture *f)
{
    const struct limiter_told told = {
        .now_us = 1, .epoch = 1, .again_ms = 100, .allow = 8, .workers = 1};
    struct limiter *limiter = lanes_at(f->lanes, 0)->limiter;
    struct limiter_ask ask;

    assert_true(limiter_want(limiter, 0, co_clock_us(), &ask));
    limiter_granted(limiter, 0, &told, co_clock_us());
}

/* Nobody can say when there is a Redis again, so it is looked for soon. */
static void
without_redis_an_ask_is_tried_again_within_seconds(void **state)
{
    static const struct worker_limits_self nowhere = {
        .url = "unix:///nonexistent/redis.sock",
        .ns = "test",
        .name = "test",
        .incarnation = 1,
    };
    static const int64_t gone_us = 70000000;
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served v;

    given_provider(f)->limits.rpm = 60;
    open_shared_lanes(f, &nowhere);
    begin(f, &v, &task);
    redis_tells_once(f);
    assert_in_range(away_ms(&v, 1, gone_us), 500, 1000);
    endpoint_turn(&endpoint);
    assert_int_equal(endpoint.n, 0);
}

/* The worker's own file may allow less than the job's. */
static void
what_fits_in_no_minute_is_refused_with_the_limit(void **state)
{
    struct fixture *f = *state;
    struct served v;
    struct ask_result r;

    given_provider(f)->limits.tpm = 1000;
    open_lanes(f);
    r = ask(f, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_true(says(r.error, "limits.tpm (1000) of provider main"));
    end(&v);
    endpoint_turn(&endpoint);
    assert_int_equal(endpoint.n, 0);
    assert_int_equal(lanes_at(f->lanes, 0)->waiting, 0);
}

/* All calls that may be in flight are, and nobody waits for theirs. */
static void
a_place_that_an_abandoned_call_has_is_waited_for_in_seconds(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    static const struct {
        uint32_t attempt, least, most;
    } known[] = {{1, 500, 1000}, {3, 2000, 4000}, {1000, 5000, 10000}};
    struct served v;

    open_lanes(f);
    endpoint.manner = HANGS;
    for (size_t i = 0; i < 8; i++) {
        begin(f, &v, &task);
        end(&v);
    }
    assert_int_equal(lanes_in_flight(f->lanes), 8);
    for (size_t i = 0; i < co_countof(known); i++) {
        begin(f, &v, &task);
        assert_in_range(away_ms(&v, known[i].attempt, 2 * hold_us),
                        known[i].least, known[i].most);
    }
}

static void
the_next_one_is_sent_when_a_place_is_free(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served first, second;

    given_provider(f)->limits.in_flight = 1;
    open_lanes(f);
    given_good_answer();
    begin(f, &first, &task);
    begin(f, &second, &task);
    run_through(&first);
    second.step = second.run.service->step(&second.run, now(&second));
    run_through(&second);
    assert_int_equal(result_of(&second).outcome, ASK_ANSWER);
    assert_int_equal(endpoint.requests, 2);
    end(&first);
    end(&second);
}

static void
a_provider_of_another_kind_is_not_asked(void **state)
{
    struct fixture *f = *state;
    struct served v;
    struct ask_result r;

    given_provider(f)->kind = &provider_anthropic;
    open_lanes(f);
    r = ask(f, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_true(says(r.error, "openai"));
    end(&v);
}

static void
a_provider_without_its_key_is_left_out(void **state)
{
    struct fixture *f = *state;

    (void)strcpy(given_provider(f)->endpoints[0].key_env, "TEST_NO_SUCH_KEY");
    open_lanes(f);
    assert_int_equal(lanes_count(f->lanes), 0);
}

static void
a_range_without_answers_fails(void **state)
{
    static const uint8_t range[] = {0x82, 1, 5, 2, 10};
    struct fixture *f = *state;
    struct served v = {.f = f};

    co_buf_init(&v.out, 1 << 20);
    v.run = (struct service_run){
        .service = service_find("persona.write"),
        .env = &f->env,
        .out = &v.out,
        .task = {.payload = range,
                 .payload_bytes = sizeof range,
                 .recipe_hash = recipe_name,
                 .recipe = co_bytes_borrow(recipe_json.data, recipe_json.len)}};
    assert_int_equal(v.run.service->begin(&f->env, &v.run, 0), SERVICE_FAILED);
    end(&v);
    assert_int_equal(recipes_makers_used(recipes), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OWN(name)                                                              \
    cmocka_unit_test_setup_teardown(name, setup_without_lanes, teardown)
    const struct CMUnitTest tests[] = {
        T(an_answer_comes_back_with_what_it_cost),
        T(the_request_is_what_the_recipe_says),
        T(a_wrong_answer_is_quoted_with_what_is_wrong),
        T(the_second_stage_is_told_the_first_answer),
        T(an_answer_that_is_something_else_is_told_with_its_faults),
        T(ends_before_the_end_have_outcomes_of_their_own),
        T(what_is_not_paid_is_given_back_until_the_endpoint_wants_it),
        T(a_server_in_trouble_is_tried_again_later),
        T(a_server_that_is_not_there_got_nothing),
        T(a_refusal_is_told_without_the_key),
        T(an_answer_is_told_without_the_key),
        T(what_was_sent_and_not_answered_is_perhaps_paid),
        T(a_server_that_failed_with_the_request_is_perhaps_paid),
        OWN(an_error_after_the_first_words_is_perhaps_paid),
        T(an_error_inside_an_answer_is_perhaps_paid),
        T(nothing_beyond_the_allowance_is_sent),
        T(a_sent_call_that_is_stopped_is_perhaps_paid_and_goes_on),
        OWN(one_that_was_not_sent_is_given_back_when_stopped),
        OWN(no_slot_is_held_for_long_while_limits_hold_a_call_back),
        OWN(what_fits_in_no_minute_is_refused_with_the_limit),
        OWN(without_redis_an_ask_is_tried_again_within_seconds),
        OWN(a_place_that_an_abandoned_call_has_is_waited_for_in_seconds),
        OWN(the_next_one_is_sent_when_a_place_is_free),
        OWN(a_provider_of_another_kind_is_not_asked),
        OWN(a_provider_without_its_key_is_left_out),
        T(a_range_without_answers_fails),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
