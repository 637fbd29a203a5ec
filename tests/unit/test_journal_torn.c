/* test_journal_torn.c - the end of a journal after a power loss: what is torn
 * is cut, and nothing that was committed before it goes. */
#include "journal_fixture.h"

static void
every_truncation_is_a_torn_tail_and_keeps_what_is_before(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    uint8_t *whole;
    size_t len;

    for (unsigned i = 1; i <= 6; i++) {
        commit(j, i, i);
    }
    journal_free(j); /* a crash: no CLOSE */
    whole = slurp(path(f, 1, 1), &len);
    for (size_t cut = 0; cut < len; cut++) {
        struct segment_header header;
        struct segment_source src;
        struct segment_scan scan;

        segment_source_memory(&src, whole, cut);
        if (segment_header_decode(whole, cut, &header) != CO_OK) {
            assert_true(cut < SEGMENT_HEADER_BYTES);
            continue;
        }
        assert_int_equal(segment_scan(&src, header.id, cut, false, &scan),
                         CO_OK);
        assert_true(scan.verdict == SEGMENT_TORN || scan.tail == cut);
        assert_true(scan.verdict != SEGMENT_DAMAGED);
        put_back(path(f, 1, 1), whole, cut);
        if (scan.records < 2) continue;
        expect_notes(f, 0, 1, (unsigned)scan.records - 1);
        assert_int_equal(recover(f, 0, NULL).torn_bytes, cut - scan.tail);
    }
    free(whole);
}

static void
a_torn_tail_is_cut_by_the_next_owner_and_stays_cut(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    struct adoption older = {0};
    struct journal_report report;

    commit(j, 1, 3);
    journal_free(j);
    {
        size_t len;
        uint8_t *whole = slurp(path(f, 1, 1), &len);

        memset(whole + len - 20, 0, 20); /* a page that never came */
        put_back(path(f, 1, 1), whole, len);
        free(whole);
    }
    report = recover(f, 2, &older);
    assert_true(report.torn_bytes > 0);
    j = start(f, 2, &older, 0);
    expect_notes(f, 2, 1, 2); /* reading beside the started owner */
    commit(j, 3, 5);
    stop(j);
    expect_notes(f, 0, 1, 5);
    assert_int_equal(recover(f, 0, NULL).torn_bytes, 0);
    adoption_fini(&older);
}

static void
pages_of_the_last_commit_in_any_order_are_torn_not_damage(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    struct journal_report report;
    uint64_t before;
    uint8_t *whole;
    size_t len;

    commit(j, 1, 3);
    whole = slurp(path(f, 1, 1), &len);
    before = len;
    free(whole);
    commit(j, 4, 9); /* one commit; its first page is lost, the rest is not */
    journal_free(j);
    whole = slurp(path(f, 1, 1), &len);
    memset(whole + before, 0, 40);
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    report = recover(f, 0, NULL);
    assert_int_equal(report.torn_offset, before);
    assert_true(report.torn_records > 0);
    expect_notes(f, 0, 1, 3);
}

/* A record of zeros with one bit set, in the middle of a sector that lies
 * wholly inside it. */
static void
append_zeros(struct journal *j, size_t at_bit)
{
    static uint8_t zeros[2048];
    struct co_bytes content;

    zeros[at_bit] = 1;
    assert_int_equal(co_bytes_copy(zeros, sizeof zeros, &content), CO_OK);
    zeros[at_bit] = 0;
    assert_int_equal(journal_append(j, RECORD_RESULTS, &content, 1, 99), CO_OK);
    co_bytes_unref(&content);
}

/* A file of two commits, the last with one bit among zeros at 1024 of its first
 * record. Returns its bytes, the caller's to free; the commit begins at
 * *ret_before. */
static uint8_t *
given_bit_in_last_commit(struct fixture *f, size_t *ret_before, size_t *ret_len)
{
    struct journal *j = start(f, 1, NULL, 0);

    commit(j, 1, 3);
    free(slurp(path(f, 1, 1), ret_before));
    append_zeros(j, 1024);
    commit(j, 4, 9); /* in the same commit */
    journal_free(j);
    return slurp(path(f, 1, 1), ret_len);
}

/* The first commit is whole, and all behind it is gone. */
static void
expect_torn(struct fixture *f, size_t at)
{
    assert_int_equal(recover(f, 0, NULL).torn_offset, at);
    expect_notes(f, 0, 1, 3);
}

static void
a_missing_sector_that_looks_like_one_flipped_bit_is_torn_not_damage(
    void **state)
{
    struct fixture *f = *state;
    size_t before, len;
    uint8_t *whole = given_bit_in_last_commit(f, &before, &len);

    assert_int_equal(whole[before + RECORD_HEADER_BYTES + 1024], 1);
    whole[before + RECORD_HEADER_BYTES + 1024] = 0;
    memset(whole + len - 100, 0, 100);
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    expect_torn(f, before);
}

static void
one_missing_sector_of_the_last_commit_is_torn_though_one_bit_explains_it(
    void **state)
{
    struct fixture *f = *state;
    size_t before, len;
    uint8_t *whole = given_bit_in_last_commit(f, &before, &len);

    whole[before + RECORD_HEADER_BYTES + 1024] = 0;
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    expect_torn(f, before);
}

/* The later commit began with a page that never came: nothing but the flipped
 * bit tells that the earlier one, which was acknowledged, is whole. */
static void
a_flipped_bit_in_front_of_a_torn_commit_costs_nothing(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    struct journal_report report;
    uint8_t *whole;
    size_t before, len, bit;

    commit(j, 1, 3);
    whole = slurp(path(f, 1, 1), &before);
    free(whole);
    commit(j, 4, 9);
    whole = slurp(path(f, 1, 1), &len);
    free(whole);
    commit(j, 10, 12);
    journal_free(j);
    bit = len;
    whole = slurp(path(f, 1, 1), &len);
    memset(whole + bit, 0, 30);                   /* the beginning of note 10 */
    whole[before + RECORD_HEADER_BYTES + 2] ^= 4; /* in note 4 */
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_DAMAGED);
    assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.corrected_bits, 1);
    expect_notes(f, 0, 1, 9);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_truncation_is_a_torn_tail_and_keeps_what_is_before),
        T(a_torn_tail_is_cut_by_the_next_owner_and_stays_cut),
        T(pages_of_the_last_commit_in_any_order_are_torn_not_damage),
        T(one_missing_sector_of_the_last_commit_is_torn_though_one_bit_explains_it),
        T(a_missing_sector_that_looks_like_one_flipped_bit_is_torn_not_damage),
        T(a_flipped_bit_in_front_of_a_torn_commit_costs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
