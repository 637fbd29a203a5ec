/* The model that stands in for a real one says what jobs ask of it: its answers
 * to the schemas of all stages pass the check that real answers meet. */
#include "llm/shape.h"
#include "tests/co_test.h"
#include "tests/fake-llm/speak.h"

#include <string.h>

enum { ANSWERS = 200 };

static const uint32_t ages[] = {0, 5, 6, 15, 16, 40, 99};

/* How many of ANSWERS answers the check refuses. */
static unsigned
wrong_of(enum ask_stage stage, uint32_t age, const struct behave *behave,
         bool is_mending)
{
    co_auto(co_buf_fini) struct co_buf schema;
    struct request request = {.body = "", .is_mending = is_mending};
    unsigned wrong = 0;

    co_buf_init(&schema, SHAPE_SCHEMA_MAX);
    shape_schema(shape_of(stage), age, &schema);
    request.schema = (struct request_part){co_buf_text(&schema), schema.len};
    for (uint64_t hash = 0; hash < ANSWERS; hash++) {
        co_auto(co_buf_fini) struct co_buf row;
        struct co_diag diag = {""};
        struct reply reply;

        co_buf_init(&row, ASK_ANSWER_MAX);
        speak(&request, behave, hash, &reply);
        if (shape_check(shape_of(stage), age, reply.text, reply.len, &row,
                        &diag)) {
            wrong++;
        }
        assert_true(reply.output_tokens > 0);
    }
    return wrong;
}

static void
answers_are_what_every_stage_asks_for(void **state)
{
    const struct behave plain = {.end = END_WHOLE}, fenced = {.fence = true};

    (void)state;
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        for (size_t i = 0; i < co_countof(ages); i++) {
            assert_int_equal(
                wrong_of((enum ask_stage)stage, ages[i], &plain, false), 0);
            assert_int_equal(
                wrong_of((enum ask_stage)stage, ages[i], &fenced, false), 0);
        }
    }
}

static void
wrong_answers_are_wrong_until_they_are_mended(void **state)
{
    const struct behave behaves[] = {
        {.violate = true}, {.nonjson = true}, {.length = true}};
    const struct behave stubborn = {.violate = true, .stubborn = true};

    (void)state;
    for (size_t i = 0; i < co_countof(behaves); i++) {
        assert_int_equal(wrong_of(ASK_PERSONAS, 40, &behaves[i], false),
                         ANSWERS);
    }
    assert_int_equal(wrong_of(ASK_PERSONAS, 40, &behaves[0], true), 0);
    assert_int_equal(wrong_of(ASK_PERSONAS, 40, &behaves[1], true), 0);
    assert_int_equal(wrong_of(ASK_PERSONAS, 40, &stubborn, true), ANSWERS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_what_every_stage_asks_for),
        cmocka_unit_test(wrong_answers_are_wrong_until_they_are_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
