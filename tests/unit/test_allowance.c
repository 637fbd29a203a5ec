/* What an owner sets aside for an ask and what a worker finds that the ask may
 * take are one bound: for every kind and form, both stages, people of all ages,
 * the longest answers and the longest words about what was wrong. A worker
 * would otherwise refuse asks of an honest owner. */
#include "coordinator/corpus_writer.h"
#include "coordinator/kind_written_core.h"
#include "job/writer_bound.h"
#include "llm/shape.h"
#include "tests/unit/population.h"
#include "worker/services/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 300, OUTPUT_MAX = 700 };

static struct model *model;
static struct sampler *sampler;

/* The shipped prompts; shortest: nothing but what has to stand there, so that
 * no other placeholder leaves room. */
static const char *const shortest[ASK_STAGES] = {
    "## system\nS\n## user\n{{first_name}}{{fields}}\n## repair\n{{error}}\n",
    "## system\nS\n## user\n{{first_name}}{{background}}{{fields}}\n## "
    "repair\n{{error}}\n"};

static struct prompt_set *
given_prompts(bool shipped)
{
    const char *const names[ASK_STAGES] = {"background.md", "personas.md"};
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};
    enum co_err err =
        shipped ? prompt_set_load(CO_SOURCE_DIR "/prompts/compose", &set, &diag)
                : prompt_set_parse(shortest, names, &set, &diag);

    if (err) fail_msg("%s", diag.text);
    return set;
}

/* A canonical answer of a stage, as long as its fields may be. */
static void
longest_answer(enum ask_stage stage, uint32_t age, struct co_buf *out)
{
    const struct shape *shape = shape_of(stage);
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    for (uint32_t i = 0; i < shape->n; i++) {
        const struct shape_field *f = &shape->fields[i];
        char text[4096];

        if (age < f->from_age) continue;
        assert_true(f->max < sizeof text);
        memset(text, 'w', sizeof text);
        co_json_key(&json, f->name);
        if (f->is_list) co_json_array(&json);
        for (int k = 0; k < (f->is_list ? f->items_min : 1); k++) {
            co_json_bytes(&json, text, f->max);
        }
        if (f->is_list) co_json_end(&json);
    }
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
}

/* -- both sides ---------------------------------------------------------- */

static void
check_ask(const struct written *w, const struct recipe_use *use,
          struct lane *lane, const struct talk *t, uint64_t row)
{
    struct write_ask a = {.lane = lane};
    struct co_diag diag = {""};
    int64_t worst;

    a.task.row = row;
    talk_quotes(t, &a.task);
    a.task.output_max = w->options.stages[t->stage].output_max;
    assert_true(ask_bound(w, t, &a.task.input_max, &worst));
    if (write_request(&a, use, false, &diag)) {
        fail_msg("row %llu, stage %d, %s by %s%s: %s", (unsigned long long)row,
                 t->stage, lane->entry->kind->name,
                 provider_form_name(lane->entry->form),
                 t->mend ? ", mended" : "", diag.text);
    }
    co_buf_fini(&a.body);
}

static void
check_row(const struct written *w, const struct recipe_use *use,
          struct lane *lane, uint64_t row)
{
    static uint8_t wrong[ASK_WRONG_MAX], error[ASK_ERROR_MAX];
    co_auto(co_buf_fini) struct co_buf answer;
    struct person person;

    memset(wrong, 'x', sizeof wrong);
    memset(error, 'e', sizeof error);
    sampler_draw(sampler, row, &person);
    co_buf_init(&answer, 1 << 20);
    longest_answer(ASK_BACKGROUND, person.age, &answer);
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        struct talk t = {.stage = (uint8_t)stage};

        if (stage) {
            t.answers[0] =
                (struct talk_bytes){answer.data, (uint32_t)answer.len};
        }
        check_ask(w, use, lane, &t, row);
        t.mend = true;
        t.wrong = (struct talk_bytes){wrong, sizeof wrong};
        t.error = (struct talk_bytes){error, sizeof error};
        check_ask(w, use, lane, &t, row);
    }
}

static void
check_row_worst(struct written *w, const struct writer *writer)
{
    uint8_t longest = 0;
    struct co_diag diag = {""};
    int64_t sum = 0, row;

    for (unsigned s = 0; s < ASK_STAGES; s++) {
        struct talk t = {.stage = (uint8_t)s};
        uint64_t input;
        int64_t worst;

        if (s) t.answers[s - 1] = (struct talk_bytes){&longest, ASK_ANSWER_MAX};
        assert_true(ask_bound(w, &t, &input, &worst));
        sum += worst;
    }
    assert_int_equal(writer_row_worst(writer, &row, &diag), CO_OK);
    assert_true(row == sum && row > 0);
}

static void
check_all(bool shipped)
{
    size_t kinds;
    const struct provider *const *all = provider_all(&kinds);
    struct writer writer = {.provider = "main",
                            .model = "m",
                            .max_tokens = {OUTPUT_MAX, OUTPUT_MAX},
                            .price = {.input = 150000, .output = 600000}};

    writer.prompts = given_prompts(shipped);
    for (size_t k = 0; k < kinds; k++) {
        struct providers_entry entry = {.name = "main", .kind = all[k]};
        struct lane lane = {.entry = &entry, .speaks = all[k], .record_fd = -1};
        const struct recipe_use use = {.sampler = sampler, .writer = &writer};
        struct co_diag diag = {""};
        struct written w = {0};

        (void)snprintf(writer.kind, sizeof writer.kind, "%s", all[k]->name);
        assert_int_equal(
            corpus_writer_options(&writer, sampler, &w.options, &diag), CO_OK);
        assert_int_equal(writers_start(&w), CO_OK);
        check_row_worst(&w, &writer);
        for (unsigned form = 0; form < PROVIDER_FORMS; form++) {
            entry.form = (enum provider_form)form;
            for (uint64_t row = 0; row < ROWS; row++) {
                check_row(&w, &use, &lane, row);
            }
        }
    }
    prompt_set_free(writer.prompts);
}

static void
no_ask_with_the_shipped_prompts_is_beyond_its_allowance(void **state)
{
    (void)state;
    check_all(true);
}

static void
no_ask_with_the_shortest_prompts_is_beyond_its_allowance(void **state)
{
    (void)state;
    check_all(false);
}

static void
an_answer_in_words_for_people_is_no_longer_than_its_json(void **state)
{
    (void)state;
    for (uint32_t age = 0; age < MODEL_AGES; age++) {
        co_auto(co_buf_fini) struct co_buf answer;
        co_auto(co_buf_fini) struct co_buf words;

        co_buf_init(&answer, 1 << 20);
        co_buf_init(&words, 1 << 20);
        longest_answer(ASK_BACKGROUND, age, &answer);
        shape_say(shape_of(ASK_BACKGROUND), (const char *)answer.data,
                  answer.len, &words);
        assert_in_range(words.len, 1, answer.len);
    }
}

static int
open_all(void **state)
{
    (void)state;
    model = given_model();
    sampler = given_sampler(model, 42, NULL, 0);
    return 0;
}

static int
close_all(void **state)
{
    (void)state;
    sampler_free(sampler);
    model_free(model);
    return 0;
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            no_ask_with_the_shipped_prompts_is_beyond_its_allowance),
        cmocka_unit_test(
            no_ask_with_the_shortest_prompts_is_beyond_its_allowance),
        cmocka_unit_test(
            an_answer_in_words_for_people_is_no_longer_than_its_json),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
