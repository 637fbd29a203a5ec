/* test_range.c - ranges, their payload, and payloads from hostile peers. */
#include "prose/text_hash.h"
#include "rows/range.h"
#include "rows/raw_crc.h"
#include "tests/unit/population.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct fixture {
    struct model *m;
    struct prose *prose;
    struct sampler *s;
    struct range_maker *r;
    struct co_buf buf, raw;
};

static int
set_up(void **state)
{
    static const char *const sexes[] = {"Female"};
    static const char *const statuses[] = {"Married"};
    static const struct condition c[] = {
        {.attribute = "sex", .values = sexes, .n_values = 1},
        {.attribute = "marital_status", .values = statuses, .n_values = 1}};
    struct fixture *f = calloc(1, sizeof *f);

    f->m = given_model();
    f->prose = given_prose(f->m);
    f->s = given_sampler(f->m, 42, c, 2);
    sampler_set_prose(f->s, f->prose);
    assert_int_equal(range_maker_new(&f->r), CO_OK);
    co_buf_init(&f->buf, 8 << 20);
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
    prose_free(f->prose);
    model_free(f->m);
    co_buf_fini(&f->buf);
    co_buf_fini(&f->raw);
    free(f);
    return 0;
}

/* Makes a range and leaves its payload in f->buf. */
static struct range_result
made(struct fixture *f, uint32_t count, uint32_t take)
{
    struct range_result r;

    assert_int_equal(range_make(f->r, f->s, 1000, count, take, ROW_TEXTS, &r),
                     CO_OK);
    co_buf_clear(&f->buf);
    assert_int_equal(range_encode(&r, &f->buf), CO_OK);
    return r;
}

static void
a_payload_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct range_result a = made(f, 250, 250), b;

    assert_int_equal(range_decode(f->buf.data, f->buf.len, &b), CO_OK);
    assert_int_equal(b.start, 1000);
    assert_int_equal(b.count, 250);
    assert_int_equal(b.accepted, a.accepted);
    assert_int_equal(b.rows, a.rows);
    assert_int_equal(b.n_deltas, a.n_deltas);
    assert_memory_equal(b.deltas, a.deltas, a.n_deltas * sizeof *a.deltas);
    assert_int_equal(range_verify(&b, &f->raw), CO_OK);
    assert_int_equal(f->raw.len, a.raw_bytes);
    range_result_fini(&b);
}

static void
the_bitmap_marks_exactly_the_accepted(void **state)
{
    struct fixture *f = *state;
    struct range_result r = made(f, 250, 250);
    uint32_t accepted = 0;

    for (uint32_t i = 0; i < 250; i++) {
        struct person p;
        bool bit = r.bitmap[i / 8] >> i % 8 & 1;

        sampler_draw(f->s, 1000 + i, &p);
        assert_int_equal(bit, sampler_accepts(f->s, &p));
        accepted += bit;
    }
    assert_int_equal(r.accepted, accepted);
    assert_in_range(accepted, 50, 150);
}

static void
take_limits_rows_but_not_the_bitmap(void **state)
{
    struct fixture *f = *state;
    struct range_result all = made(f, 250, 250), few;
    uint32_t accepted = all.accepted;

    few = made(f, 250, 7);
    assert_int_equal(few.accepted, accepted);
    assert_int_equal(few.rows, 7);
    few = made(f, 250, 0);
    assert_int_equal(few.rows, 0);
    assert_int_equal(few.raw_bytes, 0);
    assert_int_equal(range_decode(f->buf.data, f->buf.len, &few), CO_OK);
    range_result_fini(&few);
}

static void
steps_of_any_size_give_the_same_payload(void **state)
{
    struct fixture *f = *state;
    struct range_result r;
    uint32_t left = 250;

    (void)made(f, 250, 250);
    assert_int_equal(range_begin(f->r, f->s, 1000, 250, 250, ROW_TEXTS), CO_OK);
    for (uint32_t n = 1; left; n += 3) {
        assert_int_equal(range_step(f->r, n, &left), CO_OK);
    }
    assert_int_equal(range_end(f->r, &r), CO_OK);
    co_buf_clear(&f->raw);
    assert_int_equal(range_encode(&r, &f->raw), CO_OK);
    assert_int_equal(f->raw.len, f->buf.len);
    assert_memory_equal(f->raw.data, f->buf.data, f->buf.len);
}

static void
a_range_of_nothing_or_too_much_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(range_begin(f->r, f->s, 0, 0, 1, ROW_TEXTS), CO_RANGE);
    assert_int_equal(
        range_begin(f->r, f->s, 0, RANGE_COUNT_MAX + 1, 1, ROW_TEXTS),
        CO_RANGE);
    assert_int_equal(range_begin(f->r, f->s, UINT64_MAX, 2, 1, ROW_TEXTS),
                     CO_RANGE);
}

static void
every_truncation_is_refused(void **state)
{
    struct fixture *f = *state;
    struct range_result r;

    (void)made(f, 250, 20);
    for (size_t len = 0; len < f->buf.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that asan sees reads */

        memcpy(exact, f->buf.data, len);
        assert_int_equal(range_decode(exact, len, &r), CO_PROTOCOL);
        free(exact);
    }
}

static void
a_flipped_bit_is_refused_or_found_by_verify_or_changes_no_row(void **state)
{
    struct fixture *f = *state;
    struct range_result good = made(f, 250, 20), r;
    size_t frame_at = f->buf.len - good.frame_bytes;
    struct co_buf rows;

    co_buf_init(&rows, good.raw_bytes);
    assert_int_equal(range_decode(f->buf.data, f->buf.len, &r), CO_OK);
    assert_int_equal(range_verify(&r, &rows), CO_OK);
    range_result_fini(&r);

    for (size_t bit = frame_at * 8; bit < f->buf.len * 8; bit += 37) {
        f->buf.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (range_decode(f->buf.data, f->buf.len, &r) == CO_OK) {
            co_buf_clear(&f->raw);
            /* A frame has a few bits that mean nothing. */
            if (range_verify(&r, &f->raw) == CO_OK) {
                assert_int_equal(f->raw.len, rows.len);
                assert_memory_equal(f->raw.data, rows.data, rows.len);
            }
            range_result_fini(&r);
        }
        f->buf.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    co_buf_fini(&rows);
}

static void
figures_that_contradict_each_other_are_refused(void **state)
{
    struct fixture *f = *state;
    struct range_result good = made(f, 250, 20), bad, r;
    struct audit_delta lie = {AUDIT_JOINTS, 1, 21};
    struct range_result *cases[7];
    struct range_result all[7];

    for (size_t i = 0; i < 7; i++) {
        all[i] = good;
        cases[i] = &all[i];
    }
    cases[0]->drawn = 249;
    cases[1]->accepted++;
    cases[2]->rows = good.accepted + 1;
    cases[3]->raw_bytes++;
    cases[4]->count = 249;
    cases[5]->start = UINT64_MAX;
    cases[6]->deltas = &lie;
    cases[6]->n_deltas = 1;
    for (size_t i = 0; i < 7; i++) {
        bad = *cases[i];
        co_buf_clear(&f->buf);
        assert_int_equal(range_encode(&bad, &f->buf), CO_OK);
        assert_int_equal(range_decode(f->buf.data, f->buf.len, &r),
                         CO_PROTOCOL);
    }
}

/* -- hashes and rows left out ---------------------------------------------- */

static struct range_result
made_hashed(struct fixture *f, uint32_t take, const uint8_t *skip)
{
    struct range_result r;
    uint32_t left = 0;

    assert_int_equal(range_begin(f->r, f->s, 1000, 250, take, ROW_TEXTS),
                     CO_OK);
    assert_int_equal(range_want_hashes(f->r), CO_OK);
    if (skip) assert_int_equal(range_skip(f->r, skip, 32), CO_OK);
    assert_int_equal(range_step(f->r, 250, &left), CO_OK);
    assert_int_equal(range_end(f->r, &r), CO_OK);
    co_buf_clear(&f->buf);
    assert_int_equal(range_encode(&r, &f->buf), CO_OK);
    return r;
}

/* The hash of row k, from the line: between uuid and sex. */
static uint64_t
hash_of_line(const struct co_buf *raw, uint32_t k)
{
    const char *line = (const char *)raw->data, *from, *to;
    struct co_buf scratch;
    uint64_t hash;

    while (k--) {
        line = strchr(line, '\n') + 1;
    }
    from = strstr(line, "\",") + 2;
    to = strstr(line, ",\"sex\"");
    co_buf_init(&scratch, 1 << 16);
    hash = text_hash(from, (size_t)(to - from), &scratch);
    co_buf_fini(&scratch);
    return hash;
}

static void
every_accepted_candidate_has_the_hash_of_its_text(void **state)
{
    struct fixture *f = *state;
    struct range_result all, r;

    (void)made_hashed(f, 250, NULL);
    assert_int_equal(range_decode(f->buf.data, f->buf.len, &all), CO_OK);
    assert_non_null(all.hashes);
    assert_int_equal(range_verify(&all, &f->raw), CO_OK);
    co_buf_putc(&f->raw, '\0');
    for (uint32_t k = 0; k < all.rows; k++) {
        assert_true(range_hash(&all, k) == hash_of_line(&f->raw, k));
    }
    for (uint32_t take = 0; take < 20; take += 19) {
        uint8_t *want = malloc(8 * (size_t)all.accepted);

        memcpy(want, all.hashes, 8 * (size_t)all.accepted);
        r = made_hashed(f, take, NULL);
        assert_int_equal(r.rows, take);
        assert_memory_equal(r.hashes, want, 8 * (size_t)r.accepted);
        free(want);
        (void)made_hashed(f, 250, NULL);
    }
    range_result_fini(&all);
}

static void
without_dedup_a_result_has_no_hashes(void **state)
{
    struct fixture *f = *state;
    struct range_result r;

    (void)made_hashed(f, 250, NULL); /* the maker forgets it */
    (void)made(f, 250, 250);
    assert_int_equal(range_decode(f->buf.data, f->buf.len, &r), CO_OK);
    assert_null(r.hashes);
    range_result_fini(&r);
}

static void
skipped_candidates_are_accepted_but_no_rows(void **state)
{
    struct fixture *f = *state;
    struct co_buf all;
    struct range_result r = made_hashed(f, 250, NULL);
    uint8_t skip[32] = {0};
    uint32_t i = 0, accepted = r.accepted;
    char *second;

    co_buf_init(&all, 8 << 20);
    assert_int_equal(range_verify(&r, &all), CO_OK);
    for (uint32_t seen = 0; seen < 2; i++) { /* the second of the accepted */
        seen += r.bitmap[i / 8] >> i % 8 & 1;
    }
    i--;
    skip[i / 8] = (uint8_t)(1u << i % 8);
    r = made_hashed(f, 250, skip);
    assert_int_equal(r.accepted, accepted);
    assert_int_equal(r.rows, accepted - 1);
    assert_int_equal(range_decode(f->buf.data, f->buf.len, &r), CO_OK);
    assert_int_equal(range_verify(&r, &f->raw), CO_OK);
    range_result_fini(&r);
    co_buf_putc(&all, '\0');
    second = strchr((char *)all.data, '\n') + 1;
    memmove(second, strchr(second, '\n') + 1,
            strlen(strchr(second, '\n') + 1) + 1);
    assert_int_equal(f->raw.len, strlen((char *)all.data));
    assert_memory_equal(f->raw.data, all.data, f->raw.len);
    r = made_hashed(f, 3, skip);
    assert_int_equal(r.rows, 3); /* of those left */
    assert_int_equal(range_skip(f->r, skip, 31), CO_RANGE);
    co_buf_fini(&all);
}

static void
truncated_or_too_few_hashes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct range_result bad = made_hashed(f, 20, NULL), r;
    size_t end;

    for (size_t len = 0; len < f->buf.len; len += 1 + len % 7) {
        uint8_t *exact = malloc(len ? len : 1);

        memcpy(exact, f->buf.data, len);
        assert_int_equal(range_decode(exact, len, &r), CO_PROTOCOL);
        free(exact);
    }
    end = f->buf.len - 8 * (size_t)bad.accepted;
    f->buf.data[end - 1]--; /* the length of the bin */
    assert_int_equal(range_decode(f->buf.data, f->buf.len - 1, &r),
                     CO_PROTOCOL);
}

/* A stranger's worker has to write these bytes (docs/protocol.md). */
static void
the_bytes_of_a_small_result(void **state)
{
    static const uint8_t bitmap[] = {2}, hashes[] = {8, 7, 6, 5, 4, 3, 2, 1};
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x02,
                                    0x11, 0,    0,    'a',  '\n'};
    static const uint8_t want[] = {
        0x8b, 1,    0xcd, 3, 0xe8, 2,  2,    3,   2,    4,
        1,    5,    0xc4, 1, 2,    6,  1,    7,   2,    8,
        0xcd, 0x12, 0x34, 9, 0x90, 10, 0xc4, 11,  0x28, 0xb5,
        0x2f, 0xfd, 0x20, 2, 0x11, 0,  0,    'a', '\n', 11,
        0xc4, 8,    8,    7, 6,    5,  4,    3,   2,    1};
    struct range_result r = {.start = 1000,
                             .count = 2,
                             .drawn = 2,
                             .accepted = 1,
                             .rows = 1,
                             .bitmap = bitmap,
                             .raw_bytes = 2,
                             .raw_crc32 = 0x1234,
                             .frame = frame,
                             .frame_bytes = sizeof frame,
                             .hashes = hashes};
    struct fixture *f = *state;
    struct range_result back;

    assert_int_equal(range_encode(&r, &f->buf), CO_OK);
    assert_int_equal(f->buf.len, sizeof want);
    assert_memory_equal(f->buf.data, want, sizeof want);
    assert_int_equal(range_decode(want, sizeof want, &back), CO_OK);
    assert_true(range_hash(&back, 0) == 0x0102030405060708);
    range_result_fini(&back);
}

static void
the_crc_of_rows_is_zlibs(void **state)
{
    uint8_t data[700];

    (void)state;
    for (uint32_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 2654435761U >> 24);
    }
    for (uint32_t from = 0; from < 17; from++) {
        for (uint32_t len = 0; from + len <= sizeof data; len++) {
            assert_int_equal(raw_crc(data + from, len),
                             crc32_z(0, data + from, len));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        cmocka_unit_test(the_crc_of_rows_is_zlibs),
        T(a_payload_comes_back_as_it_was),
        T(the_bitmap_marks_exactly_the_accepted),
        T(take_limits_rows_but_not_the_bitmap),
        T(steps_of_any_size_give_the_same_payload),
        T(a_range_of_nothing_or_too_much_is_refused),
        T(every_truncation_is_refused),
        T(a_flipped_bit_is_refused_or_found_by_verify_or_changes_no_row),
        T(figures_that_contradict_each_other_are_refused),
        T(every_accepted_candidate_has_the_hash_of_its_text),
        T(without_dedup_a_result_has_no_hashes),
        T(skipped_candidates_are_accepted_but_no_rows),
        T(truncated_or_too_few_hashes_are_refused),
        T(the_bytes_of_a_small_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
