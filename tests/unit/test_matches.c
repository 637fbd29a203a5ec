/* test_matches.c - whatever the marks say, a frame holds the rows. */
#include "rows/matches.h"

#include "common/hash.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { ROWS = 400, ROW_MAX = 4000, RAW_MAX = ROWS * ROW_MAX };

struct fixture {
    struct matches *m;
    uint8_t *raw, *frame, *back;
    size_t len, frame_len;
    struct marks marks;
    uint64_t chance;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(matches_new(&f->m), CO_OK);
    f->raw = malloc(RAW_MAX);
    f->back = malloc(RAW_MAX);
    f->frame = malloc(ZSTD_compressBound(RAW_MAX));
    assert_true(f->raw && f->back && f->frame);
    f->chance = 1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    matches_free(f->m);
    free(f->raw);
    free(f->back);
    free(f->frame);
    free(f);
    return 0;
}

static uint32_t
chance(struct fixture *f, uint32_t n)
{
    f->chance = co_mix64(f->chance + 1);
    return (uint32_t)(f->chance % n);
}

static void
begin(struct fixture *f)
{
    matches_begin(f->m);
    f->len = 0;
}

/* A word of a vocabulary of 200, marked with its number plus `lie`. */
static void
put_word(struct fixture *f, uint32_t lie)
{
    uint32_t word = chance(f, 200), bytes = 5 + word % 40;

    marks_add(&f->marks, (const char *)f->raw + f->len, word + lie);
    for (uint32_t i = 0; i < bytes; i++) {
        f->raw[f->len++] = (uint8_t)('a' + (word * 7 + i * i) % 26);
    }
    f->raw[f->len++] = (uint8_t)('0' + chance(f, 10));
}

/* A row of so many words; lies: numbers are wrong now and then. */
static void
put_row(struct fixture *f, uint32_t words, bool lies)
{
    size_t from = f->len;

    marks_begin(&f->marks, (const char *)f->raw);
    for (uint32_t i = 0; i < words; i++) {
        put_word(f, lies && chance(f, 3) == 0 ? chance(f, 70000) : 0);
    }
    f->raw[f->len++] = '\n';
    assert_int_equal(matches_row(f->m, f->raw, from, f->len, &f->marks), CO_OK);
}

static void
assert_frame_holds_the_rows(struct fixture *f)
{
    assert_int_equal(matches_compress(f->m, f->raw, f->len, f->frame,
                                      ZSTD_compressBound(RAW_MAX),
                                      &f->frame_len),
                     CO_OK);
    assert_int_equal(ZSTD_getFrameContentSize(f->frame, f->frame_len), f->len);
    memset(f->back, 0, RAW_MAX);
    assert_int_equal(ZSTD_decompress(f->back, RAW_MAX, f->frame, f->frame_len),
                     f->len);
    assert_memory_equal(f->back, f->raw, f->len);
}

static void
no_rows_are_a_frame_too(void **state)
{
    struct fixture *f = *state;

    begin(f);
    assert_frame_holds_the_rows(f);
}

static void
rows_come_back_and_repetitions_cost_little(void **state)
{
    struct fixture *f = *state;

    begin(f);
    for (int i = 0; i < ROWS; i++) {
        put_row(f, 60, false);
    }
    assert_true(f->len > 500000); /* several blocks of zstd's */
    assert_frame_holds_the_rows(f);
    assert_true(f->frame_len * 4 < f->len);
}

static void
wrong_marks_cost_compression_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    for (uint32_t round = 0; round < 40; round++) {
        begin(f);
        for (uint32_t i = 0; i < 1 + round * 9; i++) {
            put_row(f, 1 + chance(f, 80), true);
        }
        assert_frame_holds_the_rows(f);
    }
}

static void
marks_beyond_the_row_or_out_of_order_are_harmless(void **state)
{
    struct fixture *f = *state;

    begin(f);
    for (int i = 0; i < ROWS; i++) {
        size_t from = f->len;

        marks_begin(&f->marks, (const char *)f->raw);
        for (uint32_t k = 0; k < 50; k++) {
            put_word(f, 0);
            f->marks.v[chance(f, f->marks.n)].at = chance(f, RAW_MAX);
        }
        assert_int_equal(matches_row(f->m, f->raw, from, f->len, &f->marks),
                         CO_OK);
    }
    assert_frame_holds_the_rows(f);
}

/* A match may not reach back beyond what a decoder keeps. */
static void
what_lies_too_far_back_is_written_again(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put_row(f, 60, false);
    for (int i = 0; i < 1100; i++) { /* 1.1 MB of one word and no marks */
        size_t from = f->len;

        memset(f->raw + f->len, 'x', 1000);
        f->len += 1000;
        marks_begin(&f->marks, (const char *)f->raw);
        assert_int_equal(matches_row(f->m, f->raw, from, f->len, &f->marks),
                         CO_OK);
    }
    put_row(f, 60, false);
    assert_frame_holds_the_rows(f);
}

static void
the_same_rows_give_the_same_frame_whatever_was_made_before(void **state)
{
    struct fixture *f = *state;
    uint64_t hash[2];

    for (int k = 0; k < 2; k++) {
        f->chance = 99;
        begin(f);
        for (int i = 0; i < 200; i++) {
            put_row(f, 40, false);
        }
        assert_frame_holds_the_rows(f);
        hash[k] = co_hash64(f->frame, f->frame_len, 0);
        begin(f);
        put_row(f, 30, true);
    }
    assert_true(hash[0] == hash[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_rows_are_a_frame_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            rows_come_back_and_repetitions_cost_little, setup, teardown),
        cmocka_unit_test_setup_teardown(
            wrong_marks_cost_compression_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(
            marks_beyond_the_row_or_out_of_order_are_harmless, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lies_too_far_back_is_written_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_same_rows_give_the_same_frame_whatever_was_made_before, setup,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
