/* test_journal_damage.c - flipped bits, bad bytes and lost files are found,
 * told and repaired; what no repair brings back is only what was hit. */
#include "journal_fixture.h"

static void
forget_damaged_copies(struct fixture *f)
{
    DIR *d = opendir(f->dir);
    struct dirent *e;

    while ((e = readdir(d)) != NULL) {
        if (strstr(e->d_name, ".damaged")) {
            (void)unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    (void)closedir(d);
}

static void
any_flipped_bit_is_found_and_repaired_without_loss(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    uint8_t *whole;
    size_t len;
    uint32_t segment;

    three_segments(f);
    for (segment = 1; segment <= 3; segment++) {
        char *file = strdup(path(f, 1, segment));

        whole = slurp(file, &len);
        /* All of the first record and header, then a stride through. */
        for (size_t bit = 0; bit < len * 8;
             bit += bit < (size_t)200 * 8 ? 1 : 37) {
            size_t again_len;
            uint8_t *again;

            whole[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            put_back(file, whole, len);
            whole[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_equal(journal_check(f->dir, &report, &f->diag),
                             CO_DAMAGED);
            assert_non_null(strstr(f->diag.text, "journal repair"));
            assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
            assert_int_equal(report.corrected_bits, 1);
            assert_int_equal(report.dropped_stretches, 0);
            again = slurp(file, &again_len);
            assert_int_equal(again_len, len);
            assert_memory_equal(again, whole, len);
            free(again);
            forget_damaged_copies(f);
        }
        free(whole);
        free(file);
    }
    expect_notes(f, 0, 1, 36);
}

static void
bytes_beyond_repair_cost_only_the_records_they_hit(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    struct stat st;
    char damaged[160];
    uint8_t *whole;
    size_t len;

    three_segments(f);
    whole = slurp(path(f, 1, 1), &len);
    memset(whole + 300, 0xa5, 60);
    put_back(path(f, 1, 1), whole, len);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_DAMAGED);
    assert_true(report.valid_before > 0 && report.valid_after > 0);
    assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.dropped_stretches, 1);
    assert_int_equal(report.repaired_segments, 1);
    assert_in_range(count_notes(f), 33, 35);
    (void)snprintf(damaged, sizeof damaged, "%s.damaged", path(f, 1, 1));
    assert_int_equal(stat(damaged, &st), 0);

    /* Idempotent: nothing more to do. */
    assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.repaired_segments, 0);
    free(whole);
}

static void
bad_bytes_in_front_of_a_later_commit_are_damage_also_after_a_kill(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    struct journal_report report;
    uint8_t *whole;
    size_t len;

    for (unsigned i = 1; i <= 10; i++) {
        commit(j, i, i);
    }
    journal_free(j);
    whole = slurp(path(f, 1, 1), &len);
    memset(whole + len / 2, 0x5a, 30);
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_DAMAGED);
    assert_true(report.valid_after >= 3);
    assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
    assert_in_range(count_notes(f), 8, 9);
}

static void
a_repair_that_was_killed_is_run_again(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    char kept[160], beside[160], second[160];
    struct stat st;
    uint8_t *whole;
    size_t len;

    three_segments(f);
    (void)snprintf(kept, sizeof kept, "%s.damaged", path(f, 1, 2));
    (void)snprintf(second, sizeof second, "%s.damaged-2", path(f, 1, 2));
    (void)snprintf(beside, sizeof beside, "%s.repair", path(f, 1, 2));
    whole = slurp(path(f, 1, 2), &len);
    whole[200] ^= 4;
    put_back(path(f, 1, 2), whole, len);
    assert_int_equal(link(path(f, 1, 2), kept), 0);
    put_back(beside, "half", 4);
    assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.corrected_bits, 1);
    assert_int_not_equal(stat(second, &st), 0); /* the same file: kept once */
    assert_int_not_equal(stat(beside, &st), 0);
    expect_notes(f, 0, 1, 36);
    free(whole);
}

static void
an_owner_refuses_a_damaged_journal_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    struct adoption older = {0};
    uint8_t *before, *after;
    size_t len, after_len;

    three_segments(f);
    before = slurp(path(f, 1, 2), &len);
    before[len / 2] ^= 0xff;
    before[len / 2 + 1] ^= 0xff;
    put_back(path(f, 1, 2), before, len);
    assert_int_equal(journal_recover(f->dir, 2, &older, &report, &f->diag),
                     CO_DAMAGED);
    assert_non_null(strstr(f->diag.text, "seg-0000000001-000002.log"));
    after = slurp(path(f, 1, 2), &after_len);
    assert_int_equal(after_len, len);
    assert_memory_equal(after, before, len);
    free(before);
    free(after);
}

static void
a_lost_or_shortened_older_segment_is_damage(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    uint8_t *whole;
    size_t len;

    three_segments(f);
    whole = slurp(path(f, 1, 1), &len);
    put_back(path(f, 1, 1), whole, len - 24);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_DAMAGED);
    assert_int_equal(unlink(path(f, 1, 1)), 0);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_DAMAGED);
    assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
    assert_true(report.dropped_bytes > 0);
    assert_in_range(count_notes(f), 12, 35);
    free(whole);
}

/* Notes first..last by owner, in commits of a few, over several segments. */
static void
an_owner_writes(struct fixture *f, uint32_t owner, unsigned first,
                unsigned last)
{
    struct adoption older = {0};
    struct journal *j;

    recover(f, owner, &older);
    j = start(f, owner, &older, 700);
    for (unsigned i = first; i <= last; i += 3) {
        commit(j, i, i + 2 < last ? i + 2 : last);
    }
    if (owner % 2) {
        stop(j);
    } else {
        journal_free(j); /* killed */
    }
    adoption_fini(&older);
}

static void
random_damage_is_never_silent_and_repair_always_ends(void **state)
{
    struct fixture *f = *state;
    uint64_t random = 1;

    for (unsigned round = 0; round < 50; round++) {
        struct journal_report report;
        struct segment_name name;
        enum co_err checked;
        unsigned left;
        uint8_t *data;
        size_t len, at, hit, i;

        for (uint32_t owner = 1; owner <= 3; owner++) {
            an_owner_writes(f, owner, owner * 20 - 19, owner * 20);
        }
        random = random * 6364136223846793005u + 1442695040888963407u;
        name.owner = (uint32_t)(random >> 33) % 3 + 1;
        name.sequence = (uint32_t)(random >> 40) % 2 + 1;
        data = slurp(path(f, name.owner, name.sequence), &len);
        at = 64 + (size_t)(random >> 20) % (len - 64);
        hit = 1 + (size_t)(random >> 50) % 150;
        for (i = at; i < len && i < at + hit; i++) {
            data[i] ^= (uint8_t)(random >> (i % 40) | 1);
        }
        put_back(path(f, name.owner, name.sequence), data, len);
        free(data);

        checked = journal_check(f->dir, &report, &f->diag);
        assert_true(checked == CO_DAMAGED || report.torn_bytes > 0);
        assert_int_equal(journal_repair(f->dir, &report, &f->diag), CO_OK);
        assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_OK);
        left = count_notes(f);
        /* Each note takes 16 bytes and more; a hit may split two more. */
        assert_in_range(left, 60 - hit / 16 - 3, 60);
        an_owner_writes(f, 4, 61, 70);
        assert_int_equal(count_notes(f), left + 10);
        empty_folder(f->dir);
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(any_flipped_bit_is_found_and_repaired_without_loss),
        T(bytes_beyond_repair_cost_only_the_records_they_hit),
        T(bad_bytes_in_front_of_a_later_commit_are_damage_also_after_a_kill),
        T(a_repair_that_was_killed_is_run_again),
        T(an_owner_refuses_a_damaged_journal_and_changes_nothing),
        T(a_lost_or_shortened_older_segment_is_damage),
        T(random_damage_is_never_silent_and_repair_always_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
