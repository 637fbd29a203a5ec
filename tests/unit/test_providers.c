/* test_providers.c - the providers: of a file: what is read, what each mistake
 * is told, that keys are never taken nor repeated; and the table of prices. */
#include "llm/prices.h"
#include "llm/providers.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct co_diag diag;
static char path[64];

static void
write_file(const char *text)
{
    FILE *file;
    int fd;

    (void)snprintf(path, sizeof path, "/tmp/providers-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    if (!file) abort();
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct providers *
parse(const char *text)
{
    struct co_yaml *root = NULL;
    struct providers *p = NULL;
    enum co_err err;

    diag.text[0] = '\0';
    err = co_yaml_load_text(text, strlen(text), "j.yaml", &root, &diag);
    if (!err) {
        err = providers_read(co_yaml_get(root, "providers"), &p, &diag);
    }
    co_yaml_free(root);
    return err ? NULL : p;
}

static struct providers *
given(const char *text)
{
    struct providers *p = parse(text);

    if (!p) {
        print_error("%s\n", diag.text);
        abort();
    }
    return p;
}

static void
assert_refused(const char *text, const char *message)
{
    assert_null(parse(text));
    assert_string_equal(diag.text, message);
}

#define CHAIN(list)                                                            \
    "providers:\n"                                                             \
    "  a: {kind: openai, model: m, fallback: " list "}\n"                      \
    "  b: {kind: openai, model: m, fallback: [a]}\n"

static void
fallbacks_are_other_providers_and_the_built_in_writer_last(void **state)
{
    struct providers *p = given(CHAIN("[b, builtin]"));

    (void)state;
    assert_int_equal(p->entries[0].n_fallback, 1);
    assert_string_equal(p->entries[0].fallback[0], "b");
    assert_true(p->entries[0].fallback_builtin);
    assert_int_equal(p->entries[1].n_fallback, 1); /* lists are not followed */
    assert_false(p->entries[1].fallback_builtin);
    free(p);
    assert_refused(CHAIN("[c]"),
                   "j.yaml:2: providers.a.fallback[0]: found \"c\"; allowed is "
                   "builtin, or a name that stands in this providers:");
    assert_refused(CHAIN("[a]"),
                   "j.yaml:2: providers.a.fallback[0]: found \"a\", the "
                   "provider itself: name another one, or builtin");
    assert_refused(
        CHAIN("[b, b]"),
        "j.yaml:2: providers.a.fallback[1]: found \"b\" twice: leave "
        "one of them out");
    assert_refused(CHAIN("[builtin, b]"),
                   "j.yaml:2: providers.a.fallback[1]: found \"b\" behind "
                   "builtin, which is never away: builtin stands last");
    assert_refused(CHAIN("[]"),
                   "j.yaml:2: providers.a.fallback: found 0 names; allowed are "
                   "1 to 8, or no fallback");
    assert_null(parse(CHAIN("b")));
}

static void
everything_that_can_be_said_is_read(void **state)
{
    struct providers *p = given(
        "providers:\n"
        "  main:\n"
        "    kind: openai\n"
        "    model: my-model\n"
        "    endpoints:\n"
        "      - {url: \"http://127.0.0.1:8000/v1\", weight: 3}\n"
        "      - {url: \"https://h.example/v1\", key_env: MY_KEY}\n"
        "      - {url: \"http://h.example/v1\", key_file: /k, "
        "key_in_clear: true}\n"
        "    timeouts: {connect: 2s, first_byte_ms: 1500, idle: 10s, "
        "total: 5m}\n"
        "    limits: {rpm: 500, tpm: 200000, in_flight: 256}\n"
        "    price: {input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60, "
        "cached_input_usd_per_mtok: 0.075, call_usd: 0.000000000001}\n"
        "    stream: true\n"
        "    form: words\n"
        "  played: {kind: replay, model: m3, replay: answers.jsonl}\n"
        "  other: {kind: anthropic, model: m2}\n");
    const struct providers_entry *e = providers_find(p, "main");

    (void)state;
    assert_int_equal(p->n, 3);
    if (!e) abort();
    assert_string_equal(e->kind->name, "openai");
    assert_string_equal(e->model, "my-model");
    assert_int_equal(e->form, PROVIDER_FORM_WORDS);
    assert_int_equal(e->n_endpoints, 3);
    assert_string_equal(e->endpoints[0].url, "http://127.0.0.1:8000/v1");
    assert_int_equal(e->endpoints[0].weight, 3);
    assert_string_equal(e->endpoints[0].key_env, "");
    assert_int_equal(e->endpoints[1].weight, 1);
    assert_string_equal(e->endpoints[1].key_env, "MY_KEY");
    assert_string_equal(e->endpoints[2].key_file, "/k");
    assert_true(e->endpoints[2].key_in_clear);
    assert_int_equal(e->timeouts.connect_ms, 2000);
    assert_int_equal(e->timeouts.first_byte_ms, 1500);
    assert_int_equal(e->timeouts.idle_ms, 10000);
    assert_int_equal(e->timeouts.total_ms, 300000);
    assert_int_equal(e->limits.rpm, 500);
    assert_int_equal(e->limits.tpm, 200000);
    assert_int_equal(e->limits.in_flight, 256);
    assert_true(e->has_price);
    assert_int_equal(e->price.input, 150000);
    assert_int_equal(e->price.output, 600000);
    assert_int_equal(e->price.cached_input, 75000);
    assert_int_equal(e->price.call, 1);
    assert_true(e->stream);
    assert_null(providers_find(p, "nobody"));
    free(p);
}

static void
what_is_left_out_has_its_default(void **state)
{
    struct providers *p =
        given("providers: {a: {kind: anthropic, model: m}, b: {kind: openai, "
              "model: m, stream: true, endpoints: [{url: "
              "\"http://localhost:1\"}]}}");
    const struct providers_entry *a = providers_find(p, "a");
    const struct providers_entry *b = providers_find(p, "b");

    (void)state;
    if (!a || !b) abort();
    /* The vendor's own host and its customary key. */
    assert_int_equal(a->n_endpoints, 1);
    assert_string_equal(a->endpoints[0].url, "");
    assert_string_equal(a->endpoints[0].key_env, "ANTHROPIC_API_KEY");
    assert_int_equal(a->endpoints[0].weight, 1);
    assert_true(providers_is_vendor(a));
    assert_int_equal(a->limits.rpm + a->limits.tpm + a->limits.in_flight, 0);
    assert_false(a->has_price);
    assert_int_equal(a->price.input, -1);
    assert_int_equal(a->timeouts.connect_ms, 5000);
    /* A whole answer comes when it is written, a stream begins before. */
    assert_int_equal(a->timeouts.first_byte_ms, 300000);
    assert_int_equal(b->timeouts.first_byte_ms, 60000);
    assert_int_equal(a->timeouts.total_ms, 600000);
    /* Nobody else is given the vendor's key unasked. */
    assert_string_equal(b->endpoints[0].key_env, "");
    assert_false(providers_is_vendor(b));
    free(p);
}

static void
a_price_of_calls_alone_has_free_tokens(void **state)
{
    struct providers *p = given("providers: {a: {kind: openai, model: m, "
                                "price: {call_usd: 0.002}}}");

    (void)state;
    assert_true(p->entries[0].has_price);
    assert_int_equal(p->entries[0].price.input, 0);
    assert_int_equal(p->entries[0].price.output, 0);
    assert_int_equal(p->entries[0].price.call, 2000000000);
    free(p);
}

static void
mistakes_are_told_with_line_and_key(void **state)
{
    (void)state;
    assert_refused("providers: {}", "j.yaml:1: providers: found 0 providers; "
                                    "allowed are 1 to 16");
    assert_refused("providers: [a]",
                   "j.yaml:1: providers: found a list; allowed is a map (key: "
                   "value)");
    assert_refused("providers:\n  builtin: {kind: openai, model: m}",
                   "j.yaml:2: providers.builtin: builtin is the writer that "
                   "comes with Cohort; give this one another name");
    assert_refused("providers:\n  Main: {kind: openai, model: m}",
                   "j.yaml:2: providers.Main: the name of a provider is 1 to "
                   "32 of a-z, 0-9 and -");
    assert_refused("providers:\n  a: {model: m}",
                   "j.yaml:2: providers.a: kind is missing");
    assert_refused("providers:\n  a: {kind: openai}",
                   "j.yaml:2: providers.a: model is missing");
    assert_null(parse("providers:\n  a:\n    kind: opnai\n    model: m"));
    assert_non_null(strstr(diag.text, "j.yaml:3: providers.a.kind: found "
                                      "\"opnai\"; allowed is openai"));
    assert_refused("providers:\n  a: {kind: openai, modle: m}",
                   "j.yaml:2: providers.a.modle: unknown key, did you mean "
                   "model?; allowed here: kind, endpoints, model, timeouts, "
                   "limits, price, stream, form, record, replay, fallback or "
                   "batch");
    assert_refused("providers:\n  a: {kind: replay, model: m, replay: f, "
                   "endpoints: [{url: \"http://h\"}]}",
                   "j.yaml:2: providers.a.endpoints: kind: replay sends "
                   "nothing: it has no endpoints");
    assert_refused("providers:\n  a: {kind: replay, model: m}",
                   "j.yaml:2: providers.a: replay is missing");
    assert_refused("providers:\n  a: {kind: openai, model: m, replay: f, "
                   "record: g}",
                   "j.yaml:2: providers.a.record: answers are recorded or "
                   "played, not both: leave record or replay out");
}

/* The job stays what it was when it was recorded: its API and price. */
static void
any_api_may_be_played_and_then_nobody_is_called(void **state)
{
    struct providers *p = given(
        "providers:\n"
        "  a: {kind: openai, model: m, replay: f, limits: {rpm: 5}, endpoints: "
        "[{url: \"http://h:1\"}, {url: \"https://h\", key_env: KEY}]}\n"
        "  b: {kind: anthropic, model: m, replay: f}\n"
        "  c: {kind: openai, model: m, record: g}\n");
    const struct providers_entry *a = providers_find(p, "a");
    const struct providers_entry *b = providers_find(p, "b");
    const struct providers_entry *c = providers_find(p, "c");

    (void)state;
    if (!a || !b || !c) abort();
    assert_string_equal(a->kind->name, "openai");
    assert_string_equal(a->replay_file, "f");
    assert_int_equal(a->n_endpoints, 1);
    assert_string_equal(a->endpoints[0].url, "");
    assert_string_equal(a->endpoints[0].key_env, "");
    assert_false(providers_has_rates(a));
    assert_false(providers_is_vendor(a));
    assert_string_equal(b->endpoints[0].key_env, "");
    assert_true(providers_is_vendor(b)); /* its price is the vendor's */
    assert_string_equal(c->record_file, "g");
    assert_string_equal(c->replay_file, "");
    assert_string_equal(c->endpoints[0].key_env, "OPENAI_API_KEY");
    free(p);
}

#define ONE(rest) "providers:\n  a:\n    kind: openai\n    model: m\n    " rest

static void
mistakes_in_the_maps_of_a_provider_are_told(void **state)
{
    (void)state;
    assert_refused(ONE("endpoints: []"),
                   "j.yaml:5: providers.a.endpoints: found 0 endpoints; "
                   "allowed are 1 to 16");
    assert_refused(ONE("endpoints: [{url: \"ftp://x\"}]"),
                   "j.yaml:5: providers.a.endpoints[0].url: \"ftp://x\" is no "
                   "address of an endpoint: it begins with neither http:// nor "
                   "https://. It looks like http://127.0.0.1:8000/v1");
    assert_refused(ONE("endpoints: [{weight: 0}]"),
                   "j.yaml:5: providers.a.endpoints[0].weight: found \"0\"; "
                   "allowed is a whole number from 1 to 1000");
    assert_refused(ONE("endpoints: [{key_env: A, key_file: b}]"),
                   "j.yaml:5: providers.a.endpoints[0]: key_env and key_file "
                   "are both given; one of them is allowed");
    assert_refused(
        ONE("endpoints: [{url: \"http://h.example/v1\", key_env: A}]"),
        "j.yaml:5: providers.a.endpoints[0]: the key would go to h.example in "
        "the clear, where anybody on the way reads it: use https://, or say "
        "key_in_clear: true");
    assert_refused(ONE("timeouts: {total: 5}"),
                   "j.yaml:5: providers.a.timeouts.total: found \"5\"; allowed "
                   "is a duration such as 500ms, 30s, 5m, 2h or 1d");
    assert_refused(ONE("timeouts: {total: 5s, total_ms: 5000}"),
                   "j.yaml:5: providers.a.timeouts: total and total_ms are "
                   "both given; one of them is allowed");
    assert_refused(ONE("limits: {rpm: 0}"),
                   "j.yaml:5: providers.a.limits.rpm: found \"0\"; allowed is "
                   "a whole number from 1 to 1000000000");
    assert_refused(ONE("price: {input_usd_per_mtok: 0.15}"),
                   "j.yaml:5: providers.a.price: output_usd_per_mtok is "
                   "missing; input_usd_per_mtok and output_usd_per_mtok go "
                   "together (0 where it costs nothing), or are left out "
                   "where other things have a price (call_usd, "
                   "input_usd_per_mchar, usd_per_second)");
    assert_refused(
        ONE("price: {input_usd_per_mtok: 0.1234567, output_usd_per_mtok: 1}"),
        "j.yaml:5: providers.a.price.input_usd_per_mtok: found \"0.1234567\"; "
        "allowed is a number from 0 to 1000000 with at most 6 decimals");
}

/* The messages go to terminals and logs. */
static void
a_key_in_the_file_is_refused_and_not_repeated(void **state)
{
    static const char *const texts[] = {
        ONE("key: sk-abcdef"),
        ONE("endpoints: [{key: sk-abcdef}]"),
        ONE("endpoints: [{api_key: sk-abcdef}]"),
        ONE("endpoints: [{key_env: sk-abcdef}]"),
        ONE("endpoints: [{url: \"https://u:sk-abcdef@h/v1\"}]"),
        ONE("endpoints: [{url: \"https://h/v1?key=sk-abcdef\"}]"),
        ONE("endpoints: [{url: \"https://h/v1?a=b&API_KEY=sk-abcdef\"}]"),
        ONE("endpoints: [{url: \"https://h?token=sk-abcdef&a=b\"}]"),
        ONE("endpoints: [{url: \"https://h/?a&access_token=sk-abcdef\"}]"),
    };

    (void)state;
    for (size_t i = 0; i < co_countof(texts); i++) {
        assert_null(parse(texts[i]));
        assert_non_null(strstr(diag.text, "key_env"));
        assert_null(strstr(diag.text, "abcdef"));
    }
    free(
        given(ONE("endpoints: [{url: \"https://h/v1?api-version=1&k=key\"}]")));
    assert_refused(ONE("endpoints: [{key: sk-abcdef}]"),
                   "j.yaml:5: providers.a.endpoints[0].key: keys do not stand "
                   "in this file, which is copied to every run folder: put it "
                   "into a variable and name that (key_env: NAME), or into a "
                   "file of its own (key_file: PATH), in the endpoint");
}

static void
any_file_with_providers_can_be_loaded(void **state)
{
    struct providers *p = NULL;

    (void)state;
    write_file("job: personas\nproviders: {a: {kind: openai, model: m}}\n");
    assert_int_equal(providers_load(path, &p, &diag), CO_OK);
    assert_int_equal(p->n, 1);
    free(p);
    assert_int_equal(unlink(path), 0);
    write_file("job: personas\n");
    assert_int_equal(providers_load(path, &p, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "no providers: in it"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(providers_load(path, &p, &diag), CO_NOTFOUND);
}

/* ---- prices ---- */

static void
the_shipped_table_is_sound_and_knows_models_by_their_exact_name(void **state)
{
    static const char table[] = CO_SOURCE_DIR "/data/prices.tsv";
    char date[PRICES_DATE_BYTES];
    struct price price;

    (void)state;
    assert_int_equal(
        prices_find(table, "openai", "gpt-4o-mini", &price, date, &diag),
        CO_OK);
    assert_int_equal(price.input, 150000);
    assert_int_equal(price.cached_input, 75000);
    assert_int_equal(price.output, 600000);
    assert_int_equal(strlen(date), 10);
    /* Nothing is found: every line was read, and is right. */
    assert_int_equal(
        prices_find(table, "openai", "gpt-4o-min", &price, date, &diag),
        CO_NOTFOUND);
    assert_int_equal(
        prices_find(table, "anthropic", "gpt-4o-mini", &price, date, &diag),
        CO_NOTFOUND);
}

static void
a_wrong_line_of_a_table_is_told(void **state)
{
    static const char *const lines[] = {
        "2025-01-01\topenai\tm\t1\t2\n",
        "2025-01-01\topenai\tm\t1\t2\t3\t4\n",
        "yesterday\topenai\tm\t1\t2\t3\n",
        "2025-01-01\topenai\tm\t-\t2\t3\n",
        "2025-01-01\topenai\tm\t1\t2\tfour\n",
    };
    char date[PRICES_DATE_BYTES];
    struct price price;
    char text[128];

    (void)state;
    for (size_t i = 0; i < co_countof(lines); i++) {
        (void)snprintf(text, sizeof text, "# c\n%s", lines[i]);
        write_file(text);
        assert_int_equal(prices_find(path, "openai", "m", &price, date, &diag),
                         CO_INVALID);
        assert_non_null(strstr(diag.text, ":2: "));
        assert_int_equal(unlink(path), 0);
    }
    write_file("2025-01-01\topenai\tm\t1\t-\t3");
    assert_int_equal(prices_find(path, "openai", "m", &price, date, &diag),
                     CO_OK);
    assert_int_equal(price.cached_input, -1);
    assert_string_equal(date, "2025-01-01");
    assert_int_equal(unlink(path), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_can_be_said_is_read),
        cmocka_unit_test(
            fallbacks_are_other_providers_and_the_built_in_writer_last),
        cmocka_unit_test(any_api_may_be_played_and_then_nobody_is_called),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(a_price_of_calls_alone_has_free_tokens),
        cmocka_unit_test(mistakes_are_told_with_line_and_key),
        cmocka_unit_test(mistakes_in_the_maps_of_a_provider_are_told),
        cmocka_unit_test(a_key_in_the_file_is_refused_and_not_repeated),
        cmocka_unit_test(any_file_with_providers_can_be_loaded),
        cmocka_unit_test(
            the_shipped_table_is_sound_and_knows_models_by_their_exact_name),
        cmocka_unit_test(a_wrong_line_of_a_table_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
