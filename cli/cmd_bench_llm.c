/* cmd_bench_llm.c - `cohort bench llm`: how fast this machine calls a model
 * endpoint, and what a call costs here. Each call writes its own request,
 * reads its answer and checks it, as a worker does. Point it at an endpoint of
 * your own: every call counts there. */
#include "cli/llm_options.h"
#include "cli/say.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PROGRAM CO_PROGRAM " bench llm"

enum { REQUEST_MAX = 1 << 20, OUT_MAX = 16384 };

struct bench_llm_config {
    struct llm_options llm;
    const char *provider;
    uint64_t calls, in_flight, prompt;
    bool json;
};

#define FIELD(name) offsetof(struct bench_llm_config, name)

// clang-format off
static const struct co_option table[] = {
    {.name = "calls", .letter = 'n', .type = CO_OPTION_U64,
     .offset = FIELD(calls), .def = "10000", .min = 1, .max = 1000000000,
     .no_env = true, .help = "calls in all; 50 times those in flight tell most"},
    {.name = "in-flight", .letter = 'k', .type = CO_OPTION_U64,
     .offset = FIELD(in_flight), .def = "64", .min = 1,
     .max = HTTP_IN_FLIGHT_MAX, .no_env = true, .help = "calls at once"},
    {.name = "provider", .type = CO_OPTION_STRING, .offset = FIELD(provider),
     .def = "openai", .min = 1, .max = 40, .placeholder = "NAME",
     .no_env = true, .help = "openai or anthropic"},
    {.name = "prompt-bytes", .type = CO_OPTION_U64, .offset = FIELD(prompt),
     .def = "1100", .min = 32, .max = 65536, .no_env = true,
     .help = "bytes of a prompt"},
    LLM_OPTIONS(bench_llm_config),
    {.name = "json", .type = CO_OPTION_FLAG, .offset = FIELD(json),
     .no_env = true, .help = "print one JSON object"},
};
// clang-format on

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "--url URL [OPTIONS]",
    .about = "Sends calls to an endpoint, K in flight at any time, and says\n"
             "how many came back a second (from the K-th to the last), what\n"
             "CPU and memory they took here, and how they ended. Nothing is\n"
             "tried again. Calls of a paid endpoint cost money.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

struct bench;

/* One of the K that are in flight. */
struct lane {
    struct bench *bench;
    struct call call;
    struct co_buf body;
};

struct bench {
    const struct bench_llm_config *cfg;
    const struct provider *provider;
    struct call_endpoint endpoint;
    struct http *http;
    struct lane *lanes;
    char *prompt;
    uint64_t started, ended, tokens_in, tokens_out;
    uint64_t by_fault[FAULT_COUNT];
    struct co_stats_hist latency;
    char why[sizeof((struct co_diag *)NULL)->text]; /* of the first failure */
    int64_t start_us, kth_us, end_us, cpu_us;
    enum co_err err;
};

static void on_done(void *self, struct call *call);

/* Each prompt is another one: caches of endpoints shall not help. */
static void
start(struct lane *lane)
{
    struct bench *b = lane->bench;
    const struct provider_message message = {PROVIDER_USER, b->prompt,
                                             b->cfg->prompt};
    struct provider_ask ask = {.model = b->cfg->llm.model ? b->cfg->llm.model
                                                          : "bench",
                               .messages = &message,
                               .n_messages = 1,
                               .max_tokens = b->cfg->llm.max_tokens,
                               .temperature_milli = PROVIDER_TEMPERATURE_OWN,
                               .stream = b->cfg->llm.stream,
                               .is_vendor = b->endpoint.is_vendor};
    char number[24];

    (void)snprintf(number, sizeof number, "%020" PRIu64, b->started++);
    memcpy(b->prompt, number, 20);
    co_buf_clear(&lane->body);
    b->provider->write(&ask, &lane->body);
    b->err = lane->body.err;
    if (b->err) return;
    b->err = call_start(&lane->call, b->http, &b->endpoint, lane->body.data,
                        lane->body.len, on_done, lane);
}

static void
on_done(void *self, struct call *call)
{
    struct lane *lane = self;
    struct bench *b = lane->bench;

    b->by_fault[call->fault]++;
    b->tokens_in += call->answer.input_tokens;
    b->tokens_out += call->answer.output_tokens;
    co_stats_add(&b->latency, (uint64_t)call->total_us);
    if (call->fault && !b->why[0]) {
        (void)snprintf(b->why, sizeof b->why, "%s",
                       call->diag.text[0] ? call->diag.text
                                          : fault_advice(call->fault));
    }
    b->ended++;
    if (b->ended == b->cfg->in_flight) b->kth_us = co_clock_us();
    if (b->ended == b->cfg->calls) b->end_us = co_clock_us();
    if (b->started < b->cfg->calls) start(lane);
}

static enum co_err
run(struct bench *b)
{
    uint64_t lanes = co_min_u64(b->cfg->in_flight, b->cfg->calls);
    int64_t cpu = co_clock_cpu_us();

    b->start_us = b->kth_us = co_clock_us();
    for (uint64_t i = 0; i < lanes && !b->err; i++) {
        start(&b->lanes[i]);
    }
    while (!b->err && b->ended < b->cfg->calls) {
        b->err = http_turn(b->http, -1);
    }
    b->cpu_us = co_clock_cpu_us() - cpu;
    return b->err;
}

/* ---- printing ---- */

/* Thousandths of calls a second: the K-th completion begins the count, for
 * before it the calls still started together. */
static int64_t
rate_milli(const struct bench *b)
{
    bool whole = b->cfg->calls <= b->cfg->in_flight;
    uint64_t n = whole ? b->cfg->calls : b->cfg->calls - b->cfg->in_flight;
    int64_t us = b->end_us - (whole ? b->start_us : b->kth_us);

    return us > 0 ? (int64_t)((double)n * 1e9 / (double)us) : 0;
}

static int64_t
peak_rss_kib(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : usage.ru_maxrss;
}

static void
put_fixed(struct co_json *json, const char *key, int64_t milli)
{
    co_json_key(json, key);
    co_json_fixed(json, milli, 3);
}

static void
print_json(const struct bench *b, struct co_buf *out)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_u64(&json, "calls", b->cfg->calls);
    co_json_put_u64(&json, "in_flight", b->cfg->in_flight);
    co_json_put_u64(&json, "ok", b->by_fault[FAULT_NONE]);
    put_fixed(&json, "calls_per_s", rate_milli(b));
    put_fixed(&json, "cpu_us_per_call",
              b->cpu_us * 1000 / (int64_t)b->cfg->calls);
    put_fixed(&json, "peak_rss_mib", peak_rss_kib() * 1000 / 1024);
    co_json_put_u64(&json, "elapsed_ms",
                    (uint64_t)(b->end_us - b->start_us) / 1000);
    co_json_put_u64(&json, "p50_us", co_stats_quantile(&b->latency, 500000));
    co_json_put_u64(&json, "p99_us", co_stats_quantile(&b->latency, 990000));
    co_json_put_u64(&json, "max_us", b->latency.max);
    co_json_put_u64(&json, "input_tokens", b->tokens_in);
    co_json_put_u64(&json, "output_tokens", b->tokens_out);
    co_json_key(&json, "failed");
    co_json_object(&json);
    for (int f = FAULT_NONE + 1; f < FAULT_COUNT; f++) {
        if (!b->by_fault[f]) continue;
        co_json_put_u64(&json, fault_name((enum fault)f), b->by_fault[f]);
    }
    co_json_end(&json);
    if (b->why[0]) co_json_put_text(&json, "first_failure", b->why);
    co_json_end(&json);
    (void)co_json_finish(&json);
    co_buf_putc(out, '\n');
}

static void
print_text(const struct bench *b, struct co_buf *out)
{
    uint64_t ok = b->by_fault[FAULT_NONE];

    co_buf_puts(out, "calls    ");
    say_count(out, b->cfg->calls);
    co_buf_puts(out, ", of which ok: ");
    say_count(out, ok);
    co_buf_puts(out, "\nrate     ");
    say_count(out, (uint64_t)rate_milli(b) / 1000);
    co_buf_printf(out, " calls/s, %" PRIu64 " in flight\n", b->cfg->in_flight);
    co_buf_printf(out, "latency  p50 %.1f ms, p99 %.1f ms, longest %.1f ms\n",
                  (double)co_stats_quantile(&b->latency, 500000) / 1e3,
                  (double)co_stats_quantile(&b->latency, 990000) / 1e3,
                  (double)b->latency.max / 1e3);
    co_buf_printf(out, "cost     %.1f us of CPU a call, %.1f MiB at the peak\n",
                  (double)b->cpu_us / (double)b->cfg->calls,
                  (double)peak_rss_kib() / 1024);
    for (int f = FAULT_NONE + 1; f < FAULT_COUNT; f++) {
        if (!b->by_fault[f]) continue;
        co_buf_printf(out, "failed   %" PRIu64 " %s\n", b->by_fault[f],
                      fault_name((enum fault)f));
    }
    if (b->why[0]) say_line(out, "first    %s", b->why);
}

static void
print(const struct bench *b)
{
    struct co_buf out;

    co_buf_init(&out, OUT_MAX);
    if (b->cfg->json) {
        print_json(b, &out);
    } else {
        print_text(b, &out);
    }
    say_print(&out);
    co_buf_fini(&out);
}

/* ---- start and end ---- */

static enum co_err
open_lanes(struct bench *b)
{
    b->lanes = calloc(b->cfg->in_flight, sizeof *b->lanes);
    b->prompt = malloc(b->cfg->prompt + 1);
    if (!b->lanes || !b->prompt) return CO_NOMEM;
    for (uint64_t i = 0; i < b->cfg->in_flight; i++) {
        b->lanes[i].bench = b;
        call_init(&b->lanes[i].call, b->cfg->llm.body_max);
        co_buf_init(&b->lanes[i].body, REQUEST_MAX);
    }
    for (uint64_t i = 0; i < b->cfg->prompt; i++) {
        b->prompt[i] = " say who lives in Tucson"[i % 24];
    }
    b->prompt[b->cfg->prompt] = '\0';
    return CO_OK;
}

static void
close_lanes(struct bench *b)
{
    for (uint64_t i = 0; b->lanes && i < b->cfg->in_flight; i++) {
        call_fini(&b->lanes[i].call);
        co_buf_fini(&b->lanes[i].body);
    }
    free(b->lanes);
    free(b->prompt);
}

static enum co_err
bench_llm(struct bench *b, struct co_diag *diag)
{
    const struct llm_options *llm = &b->cfg->llm;
    struct secret secret;
    const char *from;
    enum co_err err;

    if (!llm->url) {
        return co_fail(diag, CO_USAGE,
                       "which endpoint? Give --url URL: a benchmark goes to "
                       "nobody's paid one by itself");
    }
    err = llm_options_provider(b->cfg->provider, &b->provider, diag);
    if (!err) err = llm_options_key(llm, b->provider, &secret, &from, diag);
    if (err) return err;
    err =
        llm_options_open(llm, b->provider, &secret, (uint32_t)b->cfg->in_flight,
                         &b->endpoint, &b->http, diag);
    if (!err) err = open_lanes(b);
    if (!err) err = run(b);
    secret_redact(&secret, b->why, strlen(b->why));
    secret_forget(&secret);
    if (!err) print(b);
    http_free(b->http);
    close_lanes(b);
    call_endpoint_fini(&b->endpoint);
    return err;
}

int
cmd_bench_llm(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct bench_llm_config cfg = {.json = false};
    static struct bench b; /* its histogram is large */
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    b = (struct bench){.cfg = &cfg};
    err = bench_llm(&b, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    return b.by_fault[FAULT_NONE] == cfg.calls ? CLI_OK : CLI_FAILED;
}
