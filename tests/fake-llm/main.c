/* fake-llm: an endpoint for tests that answers like OpenAI and Anthropic, is
 * strict about requests (request_check.c), misbehaves as it is told (behave.h,
 * fail.h), and knows what it would have billed (ledger.h). README.md says how
 * to use it. Prints "ready PORT"; ends with its standard input when that is a
 * pipe, so that no test leaves one behind. */
#include "common/clock.h"
#include "tests/fake-llm/serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct fake {
    struct calls calls;
    struct ledger_options ledger;
    uint16_t port;
    const char *batch; /* how batches go; NULL: at once, and well */
} fake = {.ledger = {.price = {.cached_input = -1, .input = -1, .output = -1},
                     .window_us = 60000000}};

static bool
set_port(const char *value, struct co_diag *diag)
{
    (void)diag;
    fake.port = (uint16_t)strtoul(value, NULL, 10);
    return true;
}

static bool
set_key(const char *value, struct co_diag *diag)
{
    (void)diag;
    fake.calls.key = value;
    return true;
}

static bool
set_script(const char *value, struct co_diag *diag)
{
    return behave_script_parse(value, strlen(value), &fake.calls.script,
                               diag) == CO_OK;
}

static bool
set_batches(const char *value, struct co_diag *diag)
{
    fake.batch = value;
    (void)diag;
    return true;
}

static bool
add_fail(const char *value, struct co_diag *diag)
{
    fake.calls.fails.start_us = co_clock_us();
    return fail_parse(value, strlen(value), &fake.calls.fails, diag) == CO_OK;
}

static bool
set_rpm(const char *value, struct co_diag *diag)
{
    (void)diag;
    fake.ledger.rpm = strtoull(value, NULL, 10);
    return true;
}

static bool
set_tpm(const char *value, struct co_diag *diag)
{
    (void)diag;
    fake.ledger.tpm = strtoull(value, NULL, 10);
    return true;
}

static bool
set_window(const char *value, struct co_diag *diag)
{
    (void)diag;
    fake.ledger.window_us = (int64_t)(strtod(value, NULL) * 1e6);
    return fake.ledger.window_us > 0;
}

static bool
set_log(const char *value, struct co_diag *diag)
{
    (void)diag;
    fake.ledger.log = value;
    return true;
}

static bool
set_price(enum price_class class, const char *value, struct co_diag *diag)
{
    struct price *price = &fake.ledger.price;

    return price_parse_class(class, value, price_of(price, class), diag) ==
           CO_OK;
}

#define X(ID, name, key, per, decimals, usd_max, tokens, text)                 \
    static bool set_price_of_##name(const char *value, struct co_diag *diag)   \
    {                                                                          \
        return set_price(PRICE_##ID, value, diag);                             \
    }
PRICE_CLASS_LIST(X)
#undef X

static const struct {
    const char *name;
    bool (*set)(const char *value, struct co_diag *diag);
} options[] = {{"--port", set_port},     {"--key", set_key},
               {"--script", set_script}, {"--batch", set_batches},
               {"--fail", add_fail},     {"--rpm", set_rpm},
               {"--tpm", set_tpm},       {"--window", set_window},
               {"--log", set_log},
#define X(ID, name, key, per, decimals, usd_max, tokens, text)                 \
    {"--price-" #name, set_price_of_##name},
               PRICE_CLASS_LIST(X)
#undef X
};

static _Noreturn void
usage(const char *why)
{
    (void)fprintf(stderr,
                  "fake-llm: %s\nUsage: fake-llm [OPTION VALUE]...:", why);
    for (size_t i = 0; i < co_countof(options); i++) {
        (void)fprintf(stderr, " %s", options[i].name);
    }
    (void)fputs("\n", stderr);
    exit(2);
}

static void
take_options(int argc, char **argv, struct co_diag *diag)
{
    for (int i = 1; i < argc; i += 2) {
        size_t n = 0;

        while (n < co_countof(options) &&
               strcmp(options[n].name, argv[i]) != 0) {
            n++;
        }
        if (n == co_countof(options)) usage(argv[i]);
        if (i + 1 == argc) usage("an option without its value");
        if (!options[n].set(argv[i + 1], diag)) {
            usage(diag->text[0] ? diag->text : argv[i + 1]);
        }
    }
}

int
main(int argc, char **argv)
{
    struct co_diag diag = {""};
    struct rlimit limit;

    (void)set_script("ok", &diag);
    take_options(argc, argv, &diag);
    if (ledger_new(&fake.ledger, &fake.calls.ledger, &diag)) usage(diag.text);
    fake.calls.batches = batches_new(fake.calls.ledger);
    if (fake.batch && batches_set(fake.calls.batches, fake.batch,
                                  strlen(fake.batch), &diag)) {
        usage(diag.text);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)printf("ready %u\n", serve_listen(fake.port, &fake.calls));
    (void)fflush(stdout);
    serve_run();
}
