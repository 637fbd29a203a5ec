/* cmd_try.c - `cohort try PROVIDER "prompt"`: one call to a model, laid open:
 * what is sent, what comes back, what it took and cost, or exactly why not. */
#include "cli/llm_options.h"
#include "cli/price_options.h"
#include "cli/say.h"
#include "cli/try_price.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/utf8.h"
#include "llm/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " try"

enum {
    REQUEST_MAX = 16 << 20,
    OUT_MAX = 32 << 20,
    SCHEMA_MAX = 1 << 20,
    VECTOR_SHOWN = 6
};

struct try_config {
    struct llm_options llm;
    const char *system, *temperature, *schema, *form, *record;
    struct price_options price;
    const char *data;
    bool json;
};

#define FIELD(name) offsetof(struct try_config, name)

// clang-format off
static const struct co_option table[] = {
    LLM_OPTIONS(try_config),
    {.name = "system", .letter = 's', .type = CO_OPTION_STRING,
     .offset = FIELD(system), .min = 1, .max = 1 << 20, .placeholder = "TEXT",
     .no_env = true, .help = "what the model is told before the prompt"},
    {.name = "temperature", .type = CO_OPTION_STRING,
     .offset = FIELD(temperature), .min = 1, .max = 20, .placeholder = "NUMBER",
     .no_env = true, .help = "how freely it answers; else as it does by itself"},
    {.name = "schema", .type = CO_OPTION_STRING, .offset = FIELD(schema),
     .min = 1, .max = 3000, .placeholder = "FILE", .no_env = true,
     .help = "JSON Schema that the answer has to match"},
    {.name = "form", .type = CO_OPTION_STRING, .offset = FIELD(form),
     .def = "schema", .min = 1, .max = 20, .no_env = true,
     .help = "how the server is told of it: schema, json or words"},
    {.name = "embed", .type = CO_OPTION_FLAG,
     .offset = LLM_OPTION(try_config, embed), .no_env = true,
     .help = "make a vector of PROMPT (embeddings), instead of an answer"},
    {.name = "record", .type = CO_OPTION_STRING, .offset = FIELD(record),
     .min = 1, .max = 3000, .placeholder = "FILE", .no_env = true,
     .help = "append the answer to a file that `replay` plays"},
    PRICE_OPTIONS(try_config, price),
    {.name = "data", .type = CO_OPTION_STRING, .offset = FIELD(data),
     .placeholder = "DIR", .help = "folder of the list prices (prices.tsv)"},
    {.name = "json", .type = CO_OPTION_FLAG, .offset = FIELD(json),
     .no_env = true, .help = "print one JSON object"},
};
// clang-format on

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] PROVIDER PROMPT",
    .about =
        "Makes one call to a model and shows request, answer, tokens and\n"
        "price, or why there is no answer. PROVIDER is openai (and what\n"
        "answers like it: vLLM, llama.cpp, Ollama), anthropic, or replay,\n"
        "which plays answers that were recorded in a file (--url FILE). Keys\n"
        "come from the environment or a file and are never shown. One call\n"
        "is sent, and it is not tried again.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 2,
    .args_max = 2,
};

/* All that is printed goes through here. */
struct try_run {
    const struct try_config *cfg;
    const struct provider *provider;
    struct secret secret;
    const char *key_from;
    struct call_endpoint endpoint;
    struct co_buf schema, body;
    struct call call;
    struct price price;
    char price_date[PRICES_DATE_BYTES]; /* of the list; "": it is not from it */
    uint64_t characters;                /* that are sent */
    int record_fd;                      /* -1: nothing is recorded */
    bool done;
};

/* ---- printing ---- */

/* The endpoint may repeat the key, as it is or with escapes of JSON: the raw
 * text is cleaned before it is looked at. */
static void
clean(const struct try_run *run, char *text)
{
    secret_redact(&run->secret, text, strlen(text));
}

static const char *
cost_text(const struct try_run *run, char text[PRICE_TEXT_BYTES])
{
    return price_options_cost(&run->price, &run->call, run->characters, text);
}

static void
print_request(const struct try_run *run, struct co_buf *out)
{
    char line[128];
    size_t begin;

    co_buf_printf(out, "request  %s %s\n",
                  run->endpoint.replay ? "played from" : "POST",
                  run->endpoint.url);
    for (size_t i = 0; run->provider->headers[i]; i++) {
        co_buf_printf(out, "         %s\n", run->provider->headers[i]);
    }
    if (run->secret.len > 0) {
        const char *form = run->provider->key_header;

        (void)snprintf(line, sizeof line, "%.*s",
                       (int)(strstr(form, "%s") - form), form);
        co_buf_printf(out, "         %s[from %s, not shown]\n", line,
                      run->key_from);
    }
    begin = out->len; /* a prompt may come from anywhere, too */
    co_buf_puts(out, "         ");
    co_buf_append(out, run->body.data, run->body.len);
    say_end_line(out, begin);
}

static void
print_hints(const struct hints *h, struct co_buf *out)
{
    if (h->retry_after_ms >= 0) {
        co_buf_puts(out, "wait     ");
        say_duration(out, (uint64_t)h->retry_after_ms);
        co_buf_puts(out, ", says the endpoint\n");
    }
    if (h->requests_left >= 0 || h->tokens_left >= 0) {
        co_buf_puts(out, "limits  ");
        if (h->requests_left >= 0) {
            co_buf_printf(out, " %" PRId64 " requests left", h->requests_left);
        }
        if (h->tokens_left >= 0) {
            co_buf_printf(out, " %" PRId64 " tokens left", h->tokens_left);
        }
        co_buf_putc(out, '\n');
    }
}

/* The answer is a stranger's: its lines are indented, so that none can pass for
 * one of ours. */
static void
print_lines(const struct co_buf *text, struct co_buf *out)
{
    const char *line = (const char *)text->data, *end = line + text->len;
    const char *label = "answer   ";

    while (line < end) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        size_t begin = out->len;

        if (!line_end) line_end = end;
        co_buf_puts(out, label);
        co_buf_append(out, line, (size_t)(line_end - line));
        say_end_line(out, begin);
        line = line_end < end ? line_end + 1 : end;
        label = "         ";
    }
}

/* The first few numbers tell enough. */
static void
print_vector(const struct provider_answer *a, struct co_buf *out)
{
    uint32_t n = a->n_vectors ? a->dimensions : 0;

    if (n == 0) return;
    co_buf_printf(out, "vector   %" PRIu32 " numbers:", n);
    for (uint32_t i = 0; i < n && i < VECTOR_SHOWN; i++) {
        float value;

        memcpy(&value, a->vectors.data + i * sizeof value, sizeof value);
        co_buf_printf(out, " %.6g", (double)value);
    }
    co_buf_puts(out, n > VECTOR_SHOWN ? " ...\n" : "\n");
}

static void
print_answer(const struct try_run *run, struct co_buf *out)
{
    const struct call *call = &run->call;
    const struct provider_answer *a = &call->answer;
    char price[PRICE_TEXT_BYTES];
    const char *cost = cost_text(run, price);

    if (a->text.len > 0) print_lines(&a->text, out);
    print_vector(a, out);
    if (a->model[0]) say_line(out, "model    %s", a->model);
    if (a->has_usage) {
        co_buf_printf(out, "tokens   %" PRIu64 " in", a->input_tokens);
        if (a->cached_tokens) {
            co_buf_printf(out, " (%" PRIu64 " of them cached)",
                          a->cached_tokens);
        }
        co_buf_printf(out, ", %" PRIu64 " out\n", a->output_tokens);
    } else if (a->text.len > 0) {
        co_buf_puts(out, "tokens   the endpoint does not say\n");
    }
    if (cost && run->price.character) {
        co_buf_printf(out, "sent     %" PRIu64 " characters\n",
                      run->characters);
    }
    if (cost && run->price_date[0]) {
        co_buf_printf(out, "cost     %s USD, by the list prices of %s\n", cost,
                      run->price_date);
    } else if (cost) {
        co_buf_printf(out, "cost     %s USD\n", cost);
    }
    co_buf_printf(out, "time     %" PRId64 ".%01" PRId64 " ms",
                  call->total_us / 1000, call->total_us / 100 % 10);
    if (call->first_byte_us >= 0) {
        co_buf_printf(out, ", first byte after %" PRId64 ".%01" PRId64 " ms",
                      call->first_byte_us / 1000,
                      call->first_byte_us / 100 % 10);
    }
    co_buf_putc(out, '\n');
}

/* "failed   rate-limited (status 429; may be tried again): ..." */
static void
print_failure(const struct try_run *run, struct co_buf *out)
{
    const struct call *call = &run->call;

    if (!call->fault) return;
    co_buf_printf(out, "failed   %s (", fault_name(call->fault));
    if (call->status) co_buf_printf(out, "status %d; ", call->status);
    if (!call->sent && !run->endpoint.replay) {
        co_buf_puts(out, "nothing was sent; ");
    }
    co_buf_printf(out, "%s)\n",
                  fault_retryable(call->fault)
                      ? "may be tried again"
                      : "another try would end the same way");
    if (call->diag.text[0]) say_line(out, "why      %s", call->diag.text);
    co_buf_printf(out, "do       %s\n", fault_advice(call->fault));
}

static void
put_count(struct co_json *json, const char *key, int64_t value)
{
    co_json_key(json, key);
    if (value < 0) {
        co_json_null(json);
    } else {
        co_json_i64(json, value);
    }
}

/* The whole vector, as short as it reads back the same. */
static void
put_vector(struct co_json *json, const struct provider_answer *a)
{
    co_json_key(json, "vector");
    co_json_array(json);
    for (uint32_t i = 0; a->n_vectors && i < a->dimensions; i++) {
        float value;

        memcpy(&value, a->vectors.data + i * sizeof value, sizeof value);
        co_json_double(json, (double)value);
    }
    co_json_end(json);
}

static void
print_json(const struct try_run *run, struct co_buf *out)
{
    const struct call *call = &run->call;
    const struct provider_answer *a = &call->answer;
    char price[PRICE_TEXT_BYTES];
    const char *cost = cost_text(run, price);
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "url", run->endpoint.url);
    co_json_key(&json, "request");
    co_json_raw(&json, (const char *)run->body.data, run->body.len);
    co_json_put_text(&json, "class", fault_name(call->fault));
    co_json_key(&json, "retryable");
    co_json_bool(&json, fault_retryable(call->fault));
    co_json_key(&json, "sent");
    co_json_bool(&json, call->sent);
    co_json_put_u64(&json, "status", (uint64_t)call->status);
    co_json_put_text(&json, "why", call->diag.text);
    co_json_put_text(&json, "advice", fault_advice(call->fault));
    co_json_key(&json, "answer");
    co_json_bytes(&json, a->text.data ? a->text.data : (const uint8_t *)"",
                  a->text.len);
    if (run->cfg->llm.embed) put_vector(&json, a);
    co_json_put_text(&json, "model", a->model);
    put_count(&json, "input_tokens",
              a->has_usage ? (int64_t)a->input_tokens : -1);
    put_count(&json, "cached_tokens",
              a->has_usage ? (int64_t)a->cached_tokens : -1);
    put_count(&json, "output_tokens",
              a->has_usage ? (int64_t)a->output_tokens : -1);
    if (run->price.character) {
        co_json_put_u64(&json, "characters", run->characters);
    }
    co_json_key(&json, "cost_usd");
    if (cost) {
        co_json_text(&json, cost);
    } else {
        co_json_null(&json);
    }
    put_count(&json, "retry_after_ms", call->hints.retry_after_ms);
    put_count(&json, "requests_left", call->hints.requests_left);
    put_count(&json, "tokens_left", call->hints.tokens_left);
    put_count(&json, "first_byte_us", call->first_byte_us);
    put_count(&json, "total_us", call->total_us);
    co_json_end(&json);
    (void)co_json_finish(&json);
    co_buf_putc(out, '\n');
}

static void
print(struct try_run *run)
{
    struct co_buf out;

    co_buf_init(&out, OUT_MAX);
    clean(run, run->call.diag.text);
    clean(run, run->call.answer.model);
    if (run->call.answer.text.len > 0) {
        secret_redact(&run->secret, (char *)run->call.answer.text.data,
                      run->call.answer.text.len);
    }
    if (run->cfg->json) {
        print_json(run, &out);
    } else {
        print_request(run, &out);
        print_answer(run, &out);
        print_hints(&run->call.hints, &out);
        print_failure(run, &out);
    }
    say_print(&out);
    co_buf_fini(&out);
}

/* ---- the call ---- */

static void
on_done(void *self, struct call *call)
{
    (void)call;
    ((struct try_run *)self)->done = true;
}

static enum co_err
call_once(struct try_run *run, struct http *http)
{
    enum co_err err = call_start(&run->call, http, &run->endpoint,
                                 run->body.data, run->body.len, on_done, run);

    while (!err && !run->done) {
        err = http_turn(http, -1);
    }
    return err;
}

/* What came of it, without the key if it was in it: print() took it out. */
static enum co_err
record(const struct try_run *run, const struct provider_ask *ask,
       struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf asked;
    enum fault fault = run->call.fault;

    co_buf_init(&asked, REQUEST_MAX);
    if (run->record_fd < 0) return CO_OK;
    if (fault && fault != FAULT_LENGTH && fault != FAULT_FILTERED) {
        return CO_OK;
    }
    provider_replay.write(ask, &asked);
    if (asked.err) return asked.err;
    return recorded_record(run->record_fd, asked.data, asked.len, &run->call.of,
                           &run->call.answer, diag);
}

/* The schema and how it is told, if there is one. */
static enum co_err
read_schema(struct try_run *run, struct provider_ask *ask, struct co_diag *diag)
{
    const struct try_config *cfg = run->cfg;
    struct pull p;
    enum co_err err;

    if (!provider_form_find(cfg->form, &ask->form)) {
        return co_fail(diag, CO_USAGE,
                       "--form \"%.40s\"; there are schema, json and words",
                       cfg->form);
    }
    if (!cfg->schema) return CO_OK;
    err = co_fs_read_file(cfg->schema, SCHEMA_MAX, &run->schema, diag);
    if (err) return err;
    pull_init(&p, run->schema.data, run->schema.len);
    if (pull_peek(&p) == PULL_OBJECT) pull_skip(&p);
    if (!pull_end(&p)) {
        return co_fail(diag, CO_USAGE, "%s is no JSON object: %s", cfg->schema,
                       p.wrong ? p.wrong : "it has other text");
    }
    ask->schema = co_buf_text(&run->schema);
    ask->schema_name = "answer";
    return CO_OK;
}

/* What a vector has nothing of; none of it is passed over in silence. */
static enum co_err
check_embed(const struct try_config *cfg, struct co_diag *diag)
{
    const struct {
        bool given;
        const char *option;
    } others[] = {{cfg->system != NULL, "system"},
                  {cfg->temperature != NULL, "temperature"},
                  {cfg->schema != NULL, "schema"},
                  {cfg->record != NULL, "record"},
                  {cfg->llm.max_tokens != 0, "max-tokens"},
                  {cfg->llm.stream, "stream"}};

    for (size_t i = 0; cfg->llm.embed && i < co_countof(others); i++) {
        if (!others[i].given) continue;
        return co_fail(diag, CO_USAGE,
                       "--%s is of answers: --embed makes a vector",
                       others[i].option);
    }
    return CO_OK;
}

/* One text was sent. */
static void
check_vector(struct call *call)
{
    const uint32_t n = call->answer.n_vectors;

    if (call->fault || n == 1) return;
    call->fault = FAULT_BAD_SHAPE;
    (void)co_fail(&call->diag, CO_PROTOCOL,
                  "it has %" PRIu32 " vectors for one text", n);
}

/* What is sent: a question, or a text to make a vector of. */
static enum co_err
write_request(struct try_run *run, const struct provider_ask *ask,
              const char *prompt)
{
    const struct provider_text text = {prompt, strlen(prompt)};
    const struct provider_embed embed = {
        .model = ask->model, .texts = &text, .n_texts = 1};

    if (run->cfg->llm.embed) {
        run->provider->embed_write(&embed, &run->body);
    } else {
        run->provider->write(ask, &run->body);
    }
    return run->body.err;
}

static enum co_err
try_it(struct try_run *run, const char *prompt, struct co_diag *diag)
{
    const struct llm_options *llm = &run->cfg->llm;
    co_auto(http_freep) struct http *http = NULL;
    const char *system = run->cfg->system;
    const struct provider_message messages[] = {
        {PROVIDER_SYSTEM, system ? system : "", system ? strlen(system) : 0},
        {PROVIDER_USER, prompt, strlen(prompt)}};
    struct provider_ask ask = {.model = llm->model,
                               .messages = system ? messages : messages + 1,
                               .n_messages = system ? 2 : 1,
                               .max_tokens = llm->max_tokens,
                               .temperature_milli = PROVIDER_TEMPERATURE_OWN,
                               .stream = llm->stream};
    enum co_err err = check_embed(run->cfg, diag);

    if (!err) err = price_options_read(&run->cfg->price, &run->price, diag);
    if (!err && run->cfg->temperature) {
        err = provider_read_temperature(run->provider, run->cfg->temperature,
                                        &ask.temperature_milli, diag);
    }
    if (!err) err = read_schema(run, &ask, diag);
    if (err) return err;
    run->characters =
        llm->embed ? co_utf8_count((const uint8_t *)prompt, strlen(prompt))
                   : provider_characters(&ask);
    if (!llm->model) {
        return co_fail(diag, CO_USAGE,
                       "which model? Give --model NAME, as the endpoint calls "
                       "it (many list theirs at /v1/models)");
    }
    err =
        llm_options_key(llm, run->provider, &run->secret, &run->key_from, diag);
    if (!err) {
        err = llm_options_open(llm, run->provider, &run->secret, 1,
                               &run->endpoint, &http, diag);
    }
    if (err) return err;
    err = try_price_list(&run->endpoint, llm->model, run->cfg->data,
                         &run->price, run->price_date, diag);
    if (err) return err;
    ask.is_vendor = run->endpoint.is_vendor;
    /* before the call, which costs: what cannot be kept is not asked for */
    if (run->cfg->record) {
        err = recorded_open(run->cfg->record, &run->record_fd, diag);
    }
    if (!err) err = write_request(run, &ask, prompt);
    if (!err) err = call_once(run, http);
    if (err) return err;
    if (llm->embed) check_vector(&run->call);
    print(run);
    return record(run, &ask, diag);
}

int
cmd_try(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct try_config cfg = {.json = false};
    struct try_run run = {.cfg = &cfg, .record_fd = -1};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    err =
        llm_options_provider(co_options_arg(options, 0), &run.provider, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    co_buf_init(&run.schema, SCHEMA_MAX + 1);
    co_buf_init(&run.body, REQUEST_MAX);
    call_init(&run.call, cfg.llm.body_max);
    err = try_it(&run, co_options_arg(options, 1), &diag);
    exit_code = err              ? say_error(PROGRAM, err, &diag)
                : run.call.fault ? CLI_FAILED
                                 : CLI_OK;
    call_endpoint_fini(&run.endpoint);
    call_fini(&run.call);
    co_buf_fini(&run.schema);
    co_buf_fini(&run.body);
    secret_forget(&run.secret);
    co_fs_closep(&run.record_fd);
    return exit_code;
}
