/* cmd_budget_unknown.c - `cohort budget unknown OUT`: which calls of a job may
 * have been paid for nothing. What a provider's bill has beyond the rows is
 * among them. */
#include "cli/say.h"
#include "cli/unknown_calls.h"
#include "common/json.h"
#include "llm/price.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { OUT_BYTES_MAX = 64 << 20, TIME_BYTES = 32 };

struct unknown_config {
    bool json;
};

static const struct co_option table[] = {
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = offsetof(struct unknown_config, json),
     .no_env = true,
     .help = "print one JSON object a call"},
};

static const char *const stages[ASK_STAGES] = {"background", "personas"};

static const char *
time_text(uint64_t at_s, char text[TIME_BYTES])
{
    time_t seconds = (time_t)at_s;
    struct tm tm;

    if (!at_s || !gmtime_r(&seconds, &tm) ||
        !strftime(text, TIME_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm)) {
        (void)snprintf(text, TIME_BYTES, "at an unknown time");
    }
    return text;
}

static void
put_call(const struct unknown_call *c, struct co_buf *out)
{
    char usd[PRICE_TEXT_BYTES], time[TIME_BYTES];

    if (!c->told) {
        say_line(out,
                 "row %" PRIu64 "  call %" PRIu32 ", for its %s  at most %s "
                 "USD  no outcome of it was committed",
                 c->row, c->ask + 1, stages[c->stage],
                 price_text(c->worst, usd));
        return;
    }
    say_line(out,
             "row %" PRIu64 "  call %" PRIu32 ", for its %s  at most %s USD  "
             "%s  %s  %s",
             c->row, c->ask + 1, stages[c->stage], price_text(c->worst, usd),
             time_text(c->time_s, time), c->fault[0] ? c->fault : "cut off",
             c->endpoint);
}

static void
put_json(const struct unknown_call *c, struct co_buf *out)
{
    char usd[PRICE_TEXT_BYTES];
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_u64(&json, "row", c->row);
    co_json_put_u64(&json, "call", c->ask + 1);
    co_json_put_text(&json, "stage", stages[c->stage]);
    co_json_put_text(&json, "worst_usd", price_text(c->worst, usd));
    if (c->told) {
        co_json_put_u64(&json, "time_s", c->time_s);
        co_json_put_text(&json, "fault", c->fault);
        co_json_put_u64(&json, "status", c->status);
        co_json_put_text(&json, "endpoint", c->endpoint);
    }
    co_json_end(&json);
    (void)co_json_finish(&json);
    co_buf_putc(out, '\n');
}

static void
put_sum(const struct unknown_calls *calls, struct co_buf *out)
{
    char usd[PRICE_TEXT_BYTES];

    if (!calls->n) {
        co_buf_puts(out, "none: of each call it is known what became of it\n");
        return;
    }
    co_buf_printf(out,
                  "%zu %s, at most %s USD: perhaps paid for nothing, counted "
                  "as spent, and asked anew. While a run works here, calls "
                  "that are out now are among them\n",
                  calls->n, calls->n == 1 ? "call" : "calls",
                  price_text(calls->worst, usd));
}

static int
print_calls(const char *program, const struct unknown_calls *calls, bool json)
{
    struct co_buf out;
    int status = CLI_OK;

    co_buf_init(&out, OUT_BYTES_MAX);
    for (size_t i = 0; i < calls->n; i++) {
        if (json) {
            put_json(&calls->v[i], &out);
        } else {
            put_call(&calls->v[i], &out);
        }
    }
    if (!json) put_sum(calls, &out);
    if (out.err || fputs(co_buf_text(&out), stdout) < 0 || fflush(stdout)) {
        (void)fprintf(stderr, "%s: cannot print\n", program);
        status = CLI_FAILED;
    }
    co_buf_fini(&out);
    return status;
}

int
cmd_budget_unknown(int argc, char **argv)
{
    static const char program[] = CO_PROGRAM " budget unknown";
    const struct co_options_spec spec = {
        .program = program,
        .usage = "[OPTIONS] OUT",
        .about = "Lists the calls of a paid job of which nobody knows whether "
                 "they were paid:\ntheir workers were lost, or no whole answer "
                 "came. OUT is the output folder;\na run may be working in it.",
        .version = CO_PROGRAM " " COHORT_VERSION,
        .table = table,
        .count = co_countof(table),
        .args_min = 1,
        .args_max = 1};
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct unknown_config config = {0};
    struct unknown_calls calls = {0};
    struct co_diag diag = {""};
    int status;
    enum co_err err;

    if (!say_options(&spec, argc, argv, &config, &options, &status)) {
        return status;
    }
    err = unknown_calls_read(co_options_arg(options, 0), &calls, &diag);
    if (err == CO_NOTFOUND) err = CO_USAGE;
    if (err) return say_error(program, err, &diag);
    status = print_calls(program, &calls, config.json);
    unknown_calls_fini(&calls);
    return status;
}
