/* Rows whose texts a model wrote: the columns of all rows, from the answers of
 * both stages, or nothing at all. */
#include "common/fs.h"
#include "common/json.h"
#include "prose/text_hash.h"
#include "rows/prompt_person.h"
#include "rows/range.h"
#include "tests/unit/population.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START = 1000, COUNT = 40 };

#define PROVENANCE                                                             \
    "\"model\":\"m-1\",\"input_tokens\":1200,\"output_tokens\":430,"           \
    "\"cost_usd\":\"0.000438\",\"generated_at\":\"2026-07-27T10:00:00Z\""

struct fixture {
    struct model *m;
    struct sampler *s;
    struct range_maker *r;
    struct co_buf answers, json, raw;
    struct co_diag diag;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->m = given_model();
    f->s = given_sampler(f->m, 42, NULL, 0); /* and no built-in writer */
    assert_int_equal(range_maker_new(&f->r), CO_OK);
    co_buf_init(&f->answers, 8 << 20);
    co_buf_init(&f->json, 1 << 16);
    co_buf_init(&f->raw, 8 << 20);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    range_maker_free(f->r);
    sampler_free(f->s);
    model_free(f->m);
    co_buf_fini(&f->answers);
    co_buf_fini(&f->json);
    co_buf_fini(&f->raw);
    free(f);
    return 0;
}

/* ---- answers ---- */

/* What a model might say of a person of that age: each text says its row and
 * field. Leaves it in f->json. */
static void
answer(struct fixture *f, enum ask_stage stage, uint64_t row, uint32_t age)
{
    const struct shape *shape = shape_of(stage);
    struct co_json json;
    char text[256];

    co_buf_clear(&f->json);
    co_json_init(&json, &f->json);
    co_json_object(&json);
    for (uint32_t i = 0; i < shape->n; i++) {
        const struct shape_field *field = &shape->fields[i];

        if (age < field->from_age) continue;
        (void)snprintf(text, sizeof text,
                       "Row %u says of %s: a \"quoted\" word, caf\xC3\xA9, "
                       "and then as many more as the shortest text needs to "
                       "have.",
                       (unsigned)row, field->name);
        co_json_key(&json, field->name);
        if (!field->is_list) {
            co_json_text(&json, text);
            continue;
        }
        co_json_array(&json);
        co_json_text(&json, "one thing");
        co_json_text(&json, "another");
        co_json_text(&json, "a third");
        co_json_end(&json);
    }
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
}

static void
pack_bin(msgpack_packer *pk, const void *data, size_t len)
{
    (void)msgpack_pack_bin(pk, len);
    (void)msgpack_pack_bin_body(pk, data, len);
}

static void
pack_row(struct fixture *f, msgpack_packer *pk, uint64_t row, uint32_t age)
{
    (void)msgpack_pack_array(pk, 3);
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        answer(f, (enum ask_stage)stage, row, age);
        pack_bin(pk, f->json.data, f->json.len);
    }
    pack_bin(pk, PROVENANCE, strlen(PROVENANCE));
}

/* Answers for all but every third candidate. */
static void
given_answers(struct fixture *f)
{
    msgpack_packer pk;

    co_buf_clear(&f->answers);
    msgpack_packer_init(&pk, &f->answers, co_buf_write);
    (void)msgpack_pack_array(&pk, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct person p;

        sampler_draw(f->s, START + i, &p);
        if (i % 3 == 2) (void)msgpack_pack_nil(&pk);
        if (i % 3 != 2) pack_row(f, &pk, START + i, p.age);
    }
    assert_int_equal(f->answers.err, CO_OK);
}

/* One answered element, for candidate START; NULL: the right answer. */
static enum co_err
take_one(struct fixture *f, const char *first, const char *second,
         const char *provenance)
{
    const char *parts[ASK_STAGES] = {first, second};
    struct person p;
    msgpack_packer pk;
    uint32_t left;
    enum co_err err;

    sampler_draw(f->s, START, &p);
    co_buf_clear(&f->answers);
    msgpack_packer_init(&pk, &f->answers, co_buf_write);
    (void)msgpack_pack_array(&pk, 1);
    (void)msgpack_pack_array(&pk, 3);
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        answer(f, (enum ask_stage)stage, START, p.age);
        if (parts[stage]) pack_bin(&pk, parts[stage], strlen(parts[stage]));
        if (!parts[stage]) pack_bin(&pk, f->json.data, f->json.len);
    }
    pack_bin(&pk, provenance, strlen(provenance));
    assert_int_equal(range_begin(f->r, f->s, START, 1, 1, ROW_TEXTS), CO_OK);
    err = range_answers(f->r, f->answers.data, f->answers.len);
    return err ? err : range_step(f->r, 1, &left);
}

/* ---- ranges ---- */

static void
begun(struct fixture *f, bool hashes)
{
    assert_int_equal(range_begin(f->r, f->s, START, COUNT, COUNT, ROW_TEXTS),
                     CO_OK);
    if (hashes) assert_int_equal(range_want_hashes(f->r), CO_OK);
    assert_int_equal(range_answers(f->r, f->answers.data, f->answers.len),
                     CO_OK);
}

/* Uncompressed rows in f->raw. */
static struct range_result
ended(struct fixture *f)
{
    struct range_result r;
    uint32_t left;

    assert_int_equal(range_step(f->r, COUNT, &left), CO_OK);
    assert_int_equal(range_end(f->r, &r), CO_OK);
    co_buf_clear(&f->raw);
    assert_int_equal(range_verify(&r, &f->raw), CO_OK);
    return r;
}

/* The owner says so, row by row, and the row says it. */
static void
a_row_that_is_built_in_has_the_built_in_texts_and_says_so(void **state)
{
    static const char says[] = "\"provider\":\"builtin\",\"degraded\":true";
    struct fixture *f = *state;
    struct prose *prose = given_prose(f->m);
    struct range_result r;
    struct person p;
    msgpack_packer pk;
    uint32_t left;

    sampler_set_prose(f->s, prose);
    sampler_draw(f->s, START, &p);
    co_buf_clear(&f->answers);
    msgpack_packer_init(&pk, &f->answers, co_buf_write);
    (void)msgpack_pack_array(&pk, 1);
    (void)msgpack_pack_array(&pk, 1);
    pack_bin(&pk, says, sizeof says - 1);
    assert_int_equal(range_begin(f->r, f->s, START, 1, 1, ROW_TEXTS), CO_OK);
    assert_int_equal(range_answers(f->r, f->answers.data, f->answers.len),
                     CO_OK);
    assert_int_equal(range_step(f->r, 1, &left), CO_OK);
    assert_int_equal(range_end(f->r, &r), CO_OK);
    co_buf_clear(&f->raw);
    assert_int_equal(range_verify(&r, &f->raw), CO_OK);
    co_buf_clear(&f->json);
    (void)row_write(f->s, &p, ROW_TEXTS, &f->json);
    f->json.len -= 3; /* "}}\n" */
    co_buf_printf(&f->json, ",%s}}\n", says);
    assert_int_equal(f->json.len, f->raw.len);
    assert_memory_equal(f->json.data, f->raw.data, f->raw.len);
    prose_free(prose);
}

static void
a_row_without_answers_is_not_accepted(void **state)
{
    struct fixture *f = *state;
    struct range_result r, decoded;

    given_answers(f);
    begun(f, false);
    r = ended(f);
    assert_int_equal(r.accepted, COUNT - COUNT / 3);
    assert_int_equal(r.rows, r.accepted);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(r.bitmap[i / 8] >> i % 8 & 1, i % 3 != 2);
    }
    co_buf_clear(&f->answers);
    assert_int_equal(range_encode(&r, &f->answers), CO_OK);
    assert_int_equal(range_decode(f->answers.data, f->answers.len, &decoded),
                     CO_OK);
    range_result_fini(&decoded);
}

/* The row next to the one that the built-in writer makes. */
static void
columns_are_those_of_built_in_rows_with_other_texts(void **state)
{
    struct fixture *f = *state;
    struct prose *prose = given_prose(f->m);
    const char *line;

    given_answers(f);
    begun(f, false);
    (void)ended(f);
    sampler_set_prose(f->s, prose);
    line = co_buf_text(&f->raw);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct co_buf buf;
        struct person p;
        json_t *ours, *theirs;
        void *a, *b;

        if (i % 3 == 2) continue;
        co_buf_init(&buf, ROW_MAX_BYTES + 1);
        sampler_draw(f->s, START + i, &p);
        (void)row_write(f->s, &p, ROW_TEXTS, &buf);
        theirs = json_loads(co_buf_text(&buf), 0, NULL);
        ours =
            json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, NULL);
        line += strcspn(line, "\n") + 1;
        a = json_object_iter(ours);
        for (b = json_object_iter(theirs); b;
             b = json_object_iter_next(theirs, b)) {
            json_t *x = json_object_iter_value(a);
            json_t *y = json_object_iter_value(b);

            assert_non_null(a);
            assert_string_equal(json_object_iter_key(a),
                                json_object_iter_key(b));
            assert_int_equal(json_typeof(x), json_typeof(y));
            a = json_object_iter_next(ours, a);
        }
        assert_null(a);
        json_decref(ours);
        json_decref(theirs);
        co_buf_fini(&buf);
    }
    sampler_set_prose(f->s, NULL);
    prose_free(prose);
}

static void
a_row_is_the_answers_and_the_person_to_the_byte(void **state)
{
    struct fixture *f = *state;
    struct co_buf golden;
    size_t len = 0;

    given_answers(f);
    begun(f, false);
    (void)ended(f);
    for (int lines = 0; lines < 3; len++) {
        lines += f->raw.data[len] == '\n';
    }
    f->raw.len = len; /* a child, a man of 66, and who is behind a gap */
    co_buf_init(&golden, 1 << 16);
    if (co_fs_read_file(CO_SOURCE_DIR "/tests/golden/answered.rows", 1 << 15,
                        &golden, &f->diag)) {
        fail_msg("%s", f->diag.text);
    }
    assert_string_equal(co_buf_text(&f->raw), co_buf_text(&golden));
    co_buf_fini(&golden);
}

static void
steps_and_take_change_no_hash_and_no_row(void **state)
{
    struct fixture *f = *state;
    struct range_result all, few;
    uint64_t hashes[COUNT];
    uint32_t left = COUNT;
    size_t len;

    given_answers(f);
    begun(f, true);
    all = ended(f);
    for (uint32_t k = 0; k < all.accepted; k++) {
        hashes[k] = range_hash(&all, k);
        for (uint32_t i = 0; i < k; i++) {
            assert_int_not_equal(hashes[i], hashes[k]);
        }
    }
    len = f->raw.len;
    assert_int_equal(range_begin(f->r, f->s, START, COUNT, 5, ROW_TEXTS),
                     CO_OK);
    assert_int_equal(range_want_hashes(f->r), CO_OK);
    assert_int_equal(range_answers(f->r, f->answers.data, f->answers.len),
                     CO_OK);
    while (left) {
        assert_int_equal(range_step(f->r, 3, &left), CO_OK);
    }
    assert_int_equal(range_end(f->r, &few), CO_OK);
    assert_int_equal(few.rows, 5);
    for (uint32_t k = 0; k < all.accepted; k++) {
        assert_int_equal(range_hash(&few, k), hashes[k]);
    }
    assert_true(few.raw_bytes < len);
}

/* A range of built-in rows that follows knows nothing of answers. */
static void
answers_are_forgotten_with_their_range(void **state)
{
    struct fixture *f = *state;
    struct prose *prose = given_prose(f->m);
    struct range_result r;

    given_answers(f);
    begun(f, false);
    (void)ended(f);
    sampler_set_prose(f->s, prose);
    assert_int_equal(range_make(f->r, f->s, START, COUNT, COUNT, ROW_TEXTS, &r),
                     CO_OK);
    assert_int_equal(r.rows, COUNT);
    sampler_set_prose(f->s, NULL);
    prose_free(prose);
}

/* ---- from hostile peers ---- */

static void
only_canonical_answers_of_the_person_become_rows(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {
        "{}",
        "{\"persona\":\"short\"}",
        "null",
        "\",\"x\":\"",
        "{\"persona\":\"two\nlines that would be two rows of a corpus\"}",
    };
    char blank[ASK_ANSWER_MAX], *sorted;
    json_t *json;

    assert_int_equal(take_one(f, NULL, NULL, PROVENANCE), CO_OK);
    for (size_t i = 0; i < co_countof(wrong); i++) {
        assert_int_equal(take_one(f, wrong[i], NULL, PROVENANCE), CO_PROTOCOL);
        assert_int_equal(take_one(f, NULL, wrong[i], PROVENANCE), CO_PROTOCOL);
    }
    assert_int_equal(take_one(f, "", NULL, PROVENANCE), CO_PROTOCOL);
    /* What is right, but for a blank that canonical JSON has not. */
    (void)snprintf(blank, sizeof blank, "%.*s ", (int)f->json.len,
                   (const char *)f->json.data);
    assert_int_equal(take_one(f, NULL, blank, PROVENANCE), CO_PROTOCOL);
    /* And the same bytes in another order. */
    (void)take_one(f, NULL, NULL, PROVENANCE);
    json = json_loadb((const char *)f->json.data, f->json.len, 0, NULL);
    sorted = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_int_equal(strlen(sorted), f->json.len);
    assert_int_equal(take_one(f, NULL, sorted, PROVENANCE), CO_PROTOCOL);
    free(sorted);
    json_decref(json);
}

static void
only_plain_members_become_provenance(void **state)
{
    struct fixture *f = *state;
    char big[ROW_PROVENANCE_MAX + 32];
    static const char *const wrong[] = {
        "",
        ",",
        "\"a\":1,",
        "\"a\":1}",
        "\"a\":1},\"b\":{\"c\":1",
        "\"a\": 1",
        " \"a\":1",
        "\"a\":1\n",
        "\"a\":[1]",
        "\"a\":{}",
        "\"a\":1,\"a\":2",
        "\"seed\":1",
        "\"draw\":1",
        "\"A\":1",
        "\"a\\u0062\":1",
        "\"\":1",
        "\"a\":\"\n\"",
        "\"a\":tru",
    };

    assert_int_equal(take_one(f, NULL, NULL, "\"a\":1,\"b_c\":true"), CO_OK);
    for (size_t i = 0; i < co_countof(wrong); i++) {
        if (take_one(f, NULL, NULL, wrong[i]) != CO_PROTOCOL) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
    memset(big, 'x', sizeof big);
    memcpy(big, "\"a\":\"", 5);
    memcpy(big + ROW_PROVENANCE_MAX - 1, "\"", 2);
    assert_int_equal(take_one(f, NULL, NULL, big), CO_OK);
    memcpy(big + ROW_PROVENANCE_MAX - 1, "x\"", 3);
    assert_int_equal(take_one(f, NULL, NULL, big), CO_PROTOCOL);
}

static void
every_truncation_and_wrong_count_is_refused(void **state)
{
    struct fixture *f = *state;

    given_answers(f);
    for (size_t n = 0; n < f->answers.len; n += n < 200 ? 1 : 997) {
        uint8_t *copy = malloc(n ? n : 1);

        if (n) memcpy(copy, f->answers.data, n);
        assert_int_equal(
            range_begin(f->r, f->s, START, COUNT, COUNT, ROW_TEXTS), CO_OK);
        assert_int_equal(range_answers(f->r, copy, n), CO_PROTOCOL);
        free(copy);
    }
    assert_int_equal(
        range_begin(f->r, f->s, START, COUNT - 1, COUNT, ROW_TEXTS), CO_OK);
    assert_int_equal(range_answers(f->r, f->answers.data, f->answers.len),
                     CO_PROTOCOL);
}

/* Whatever one changed byte does: refused, or every row is still JSON. */
static void
no_changed_byte_makes_a_row_that_is_no_json(void **state)
{
    struct fixture *f = *state;

    given_answers(f);
    for (size_t at = 0; at < f->answers.len; at += 607) {
        uint32_t left;
        enum co_err err;

        f->answers.data[at] ^= 0x20;
        assert_int_equal(
            range_begin(f->r, f->s, START, COUNT, COUNT, ROW_TEXTS), CO_OK);
        err = range_answers(f->r, f->answers.data, f->answers.len);
        if (!err) err = range_step(f->r, COUNT, &left);
        if (err) assert_int_equal(err, CO_PROTOCOL);
        if (!err) {
            const char *line;

            (void)ended(f);
            line = co_buf_text(&f->raw);
            while (*line) {
                size_t n = strcspn(line, "\n");
                json_t *row = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

                assert_non_null(row);
                json_decref(row);
                line += n + 1;
            }
        }
        f->answers.data[at] ^= 0x20;
    }
}

static void
the_longest_answers_fit_a_row(void **state)
{
    struct fixture *f = *state;
    struct row_answers a = {0};
    struct co_buf row;
    struct person p;
    char text[2][ASK_ANSWER_MAX], provenance[ROW_PROVENANCE_MAX];

    for (unsigned i = 0; i < ASK_STAGES; i++) {
        memset(text[i], 'x', sizeof text[i]);
        memcpy(text[i], i ? "{\"persona\":\"" : "{\"cultural_background\":\"",
               i ? 12 : 24);
        memcpy(text[i] + sizeof text[i] - 2, "\"}", 2);
        a.json[i] = text[i];
        a.len[i] = sizeof text[i];
    }
    memset(provenance, '1', sizeof provenance);
    memcpy(provenance, "\"a\":", 4);
    a.provenance = provenance;
    a.provenance_len = sizeof provenance;
    sampler_draw(f->s, START, &p);
    co_buf_init(&row, ROW_ANSWERED_MAX_BYTES);
    (void)row_write_answered(f->s, &p, &a, &row);
    assert_int_equal(row.err, CO_OK);
    assert_in_range(row.len, ASK_STAGES * (ASK_ANSWER_MAX - 32),
                    ROW_ANSWERED_MAX_BYTES);
    co_buf_fini(&row);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_row_that_is_built_in_has_the_built_in_texts_and_says_so),
        TEST(a_row_without_answers_is_not_accepted),
        TEST(columns_are_those_of_built_in_rows_with_other_texts),
        TEST(a_row_is_the_answers_and_the_person_to_the_byte),
        TEST(steps_and_take_change_no_hash_and_no_row),
        TEST(answers_are_forgotten_with_their_range),
        TEST(only_canonical_answers_of_the_person_become_rows),
        TEST(only_plain_members_become_provenance),
        TEST(every_truncation_and_wrong_count_is_refused),
        TEST(no_changed_byte_makes_a_row_that_is_no_json),
        TEST(the_longest_answers_fit_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
