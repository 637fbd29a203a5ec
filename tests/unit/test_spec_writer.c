/* test_spec_writer.c - who writes, as job files say it: providers, answers,
 * arms, prompts, and what each mistake is told. */
#include "tests/unit/spec_fixture.h"

static void
a_provider_is_one_of_the_map(void **state)
{
    struct job_spec *spec = given(WRITTEN);

    (void)state;
    assert_string_equal(spec_provider(spec)->model, "m");
    assert_string_equal(spec_service(spec), "persona.write");
    assert_int_equal(spec->answers.max_tokens, 1200);
    assert_int_equal(spec->answers.temperature_milli, 800);
    assert_int_equal(spec->answers.repairs, 2);
    assert_int_equal(spec->answers.fresh, 1);
    assert_true(spec->budget == -1);
    spec_free(spec);
    spec = given(HEAD MODELS "provider: builtin\n");
    assert_null(spec_provider(spec));
    assert_string_equal(spec_service(spec), "persona.compose");
    spec_free(spec);
    assert_refused(HEAD MODELS "provider: mian\n",
                   "us.yaml:7: provider: found \"mian\"; allowed is builtin, "
                   "main or vendor");
    assert_refused(WRITTEN "phases: [corpus]\n",
                   "us.yaml:7: provider: found \"main\", but phases [corpus] "
                   "have no texts to write; allowed is builtin");
    assert_refused(WRITTEN "service: slow\n",
                   "us.yaml:7: provider: found \"main\"; service: slow is of "
                   "the built-in writer alone");
    assert_refused(HEAD "providers: {main: {kind: openai}}\n",
                   "us.yaml:4: providers.main: model is missing");
}

static void
answers_and_the_budget_are_read_exactly(void **state)
{
    struct job_spec *spec =
        given(WRITTEN "answers: {max_tokens: 16, temperature: 1.25, repairs: "
                      "0, fresh: 5}\nbudget: {usd: 5.000000000001}\n");

    (void)state;
    assert_int_equal(spec->answers.max_tokens, 16);
    assert_int_equal(spec->answers.temperature_milli, 1250);
    assert_int_equal(spec->answers.repairs, 0);
    assert_int_equal(spec->answers.fresh, 5);
    assert_true(spec->budget == 5000000000001);
    assert_false(spec->cached);
    spec_free(spec);
    spec =
        given(WRITTEN "answers: {temperature: own}\ncache: own\nbudget: {usd: "
                      "9000000}\n");
    assert_true(spec->answers.temperature_milli == WRITER_TEMPERATURE_OWN);
    assert_true(spec->budget == 9000000000000000000);
    assert_true(spec->cached && !spec->cache_shared);
    spec_free(spec);
    assert_refused(WRITTEN "answers: {temperature: 2.5}\n",
                   "us.yaml:8: answers.temperature: found \"2.5\"; allowed is "
                   "a number from 0 to 2 with at most 3 decimals, or own "
                   "(nothing is sent)");
    assert_refused(WRITTEN "answers: {fresh: 6}\n",
                   "us.yaml:8: answers.fresh: found \"6\"; allowed is a whole "
                   "number from 0 to 5");
    spec = given(WRITTEN "cache: shared\n");
    assert_true(spec->cached && spec->cache_shared);
    spec_free(spec);
    assert_refused(WRITTEN "cache: on\n",
                   "us.yaml:8: cache: found \"on\"; allowed is off, own or "
                   "shared");
    assert_refused(WRITTEN "budget: {usd: 9000000.000000000001}\n",
                   "us.yaml:8: budget.usd: found \"9000000.000000000001\"; "
                   "allowed is a number from 0 to 9000000 with at most 12 "
                   "decimals");
    assert_refused(WRITTEN "budget: {usd: 0.0}\n",
                   "us.yaml:8: budget.usd: found \"0.0\": no call could be "
                   "made; allowed is more than 0, to 9000000");
    assert_refused(WRITTEN "budget: 5\n",
                   "us.yaml:8: budget: found \"5\"; allowed is a map (key: "
                   "value)");
    assert_refused(WRITTEN "budget: {eur: 5}\n",
                   "us.yaml:8: budget.eur: unknown key; allowed here: usd, "
                   "reserve, short or phases");
}

static void
a_writer_is_the_provider_with_prompts_and_price(void **state)
{
    char dir[64];
    struct job_spec *spec = given(HEAD MODELS "provider: vendor\n");

    (void)state;
    given_data_dir(dir, BACKGROUND);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_string_equal(spec->writer->provider, "vendor");
    assert_string_equal(spec->writer->kind, "openai");
    assert_string_equal(spec->writer->model, "gpt-4o-mini");
    assert_string_equal(prompt_set_text(spec->writer->prompts, ASK_BACKGROUND),
                        BACKGROUND);
    /* Nothing in the file: as the vendor's table says. */
    assert_int_equal(spec->writer->price.input, 1000000);
    assert_int_equal(spec->writer->price.output, 2000000);
    assert_string_equal(spec->price_date, "2025-01-02");
    spec_free(spec);
    spec = given(HEAD "provider: v\nproviders: {v: {kind: openai, model: "
                      "gpt-4o-mini, price: {call_usd: 1}}}\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_int_equal(spec->writer->price.input, 0);
    assert_string_equal(spec->price_date, "");
    spec_free(spec);
    spec = given(HEAD);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_null(spec->writer);
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

/* Its calls would never start, and nobody would say so. */
static void
a_limit_of_tokens_below_one_call_is_refused(void **state)
{
    static const char job[] =
        HEAD "provider: v\nproviders:\n  v: {kind: openai, model: m, limits: "
             "{tpm: %llu}}\nanswers: {max_tokens: 500}\n";
    unsigned long long needed = 0;
    char dir[64], text[512];
    struct job_spec *spec;
    const char *at;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    (void)snprintf(text, sizeof text, job, 1000ull);
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text,
                           "providers.v.limits.tpm: found 1000; one call of "
                           "this job may take "));
    assert_null(spec->writer);
    spec_free(spec);
    at = strstr(diag.text, "may take ");
    assert_non_null(at);
    needed = strtoull(at + strlen("may take "), NULL, 10);
    assert_true(needed > 500 + ASK_ANSWER_MAX + ASK_WRONG_MAX);
    for (unsigned less = 0; less < 2; less++) {
        (void)snprintf(text, sizeof text, job, needed - less);
        spec = given(text);
        assert_int_equal(spec_open_writer(spec, dir, &diag),
                         less ? CO_INVALID : CO_OK);
        spec_free(spec);
    }
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
a_temperature_that_the_api_refuses_is_refused_with_its_line(void **state)
{
    static const char job[] = HEAD "provider: v\nproviders: {v: {kind: "
                                   "anthropic, model: m}}\nanswers: "
                                   "{temperature: %s}\n";
    char text[256];

    (void)state;
    (void)snprintf(text, sizeof text, job, "1.5");
    assert_refused(text, "us.yaml:6: answers.temperature: found \"1.5\", but "
                         "anthropic takes a temperature from 0 to 1, and "
                         "refuses 1.500; lower it, or say own (nothing is "
                         "sent)");
    (void)snprintf(text, sizeof text, job, "1");
    spec_free(given(text));
    (void)snprintf(text, sizeof text, job, "own");
    spec_free(given(text));
}

static void
wrong_prompts_are_told_with_their_file(void **state)
{
    char dir[64], text[512];
    struct job_spec *spec;

    (void)state;
    given_data_dir(dir, "## system\ns\n## user\n{{fields}} {{shoe}}\n");
    (void)snprintf(text, sizeof text, WRITTEN "prompts: %s/prompts/compose\n",
                   dir);
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, "/nowhere", &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "us.yaml: prompts: "));
    assert_non_null(strstr(diag.text, "background.md:4"));
    spec_free(spec);
    spec = given(WRITTEN "prompts: no/such\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "(looked for from the working folder, "));
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

#define TWO                                                                    \
    HEAD "provider: a\n"                                                       \
         "providers:\n"                                                        \
         "  a: {kind: openai, model: m, fallback: [b, builtin],\n"             \
         "      price: {call_usd: 0}}\n"                                       \
         "  b: {kind: openai, model: n, price: {call_usd: 0}}\n"
#define ARMS(list) TWO "arms: [" list "]\n"

static void
arms_are_shares_with_writers_of_their_own(void **state)
{
    char dir[64];
    struct job_spec *spec;
    const struct writers *w;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    spec = given(ARMS(
        "{name: x, share: 70}, {name: y, share: 30, provider: b}") "fallback_"
                                                                   "ok: "
                                                                   "true\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    w = spec->writers;
    assert_int_equal(w->n, 2); /* b is the same for both */
    assert_string_equal(w->v[1]->provider, "b");
    assert_int_equal(w->n_arms, 2);
    assert_int_equal(w->arms[0].n, 2);
    assert_int_equal(w->arms[0].chain[1], 1);
    assert_true(w->arms[0].builtin);
    assert_int_equal(w->arms[1].n, 1);
    assert_int_equal(w->arms[1].chain[0], 1);
    assert_false(w->arms[1].builtin);
    assert_true(w->fallback_ok);
    spec_free(spec);
    spec =
        given(HEAD "provider: b\nproviders: {b: {kind: openai, model: n}}\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_null(spec->writers);
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
wrong_arms_are_told_with_what_to_do(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {ARMS("{name: x, share: 70}, {name: y, share: 31}"),
         "us.yaml:9: arms: the shares are 101 percent together; they have to "
         "be 100"},
        {ARMS("{name: x, share: 70}"), "us.yaml:9: arms: found 1 arms; "},
        {ARMS("{name: x, share: 70}, {name: x, share: 30}"), "twice"},
        {ARMS("{name: x, share: 70, provider: b}, {name: y, share: 30}"),
         "leave provider and prompts out here"},
        {ARMS("{name: x, share: 70}, {name: y, share: 30, provider: c}"),
         "arms[1].provider: found \"c\"; allowed is a name that stands in "
         "providers:"},
        {ARMS("{name: x, share: 70}, {share: 30}"), "name is missing"},
        {ARMS("{name: x, share: 70}, {name: Y, share: 30}"), "a-z, 0-9"},
        {HEAD "arms: [{name: x, share: 70}, {name: y, share: 30}]\n",
         "this job has no provider"},
        {HEAD "provider: b\nproviders: {b: {kind: openai, model: n}}\n"
              "fallback_ok: true\n",
         "no provider of this job has a fallback"},
        {TWO "cache: own\n", "leave cache out"},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(wrong); i++) {
        assert_null(parse(wrong[i].text));
        if (!strstr(diag.text, wrong[i].message)) {
            fail_msg("%s is not in %s", wrong[i].message, diag.text);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_provider_is_one_of_the_map),
        cmocka_unit_test(answers_and_the_budget_are_read_exactly),
        cmocka_unit_test(a_writer_is_the_provider_with_prompts_and_price),
        cmocka_unit_test(a_limit_of_tokens_below_one_call_is_refused),
        cmocka_unit_test(
            a_temperature_that_the_api_refuses_is_refused_with_its_line),
        cmocka_unit_test(arms_are_shares_with_writers_of_their_own),
        cmocka_unit_test(wrong_arms_are_told_with_what_to_do),
        cmocka_unit_test(wrong_prompts_are_told_with_their_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
