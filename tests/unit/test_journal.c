/* test_journal.c - what is committed is read back: in order, by its position,
 * and beside owners that do not know they were replaced. Torn tails and damage:
 * test_journal_*.c. */
#include "journal_fixture.h"

static void
committed_records_are_read_back_in_order_over_segments(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 600);

    for (unsigned i = 0; i < 20; i++) {
        commit(j, i * 5 + 1, i * 5 + 5);
    }
    assert_true(journal_segment(j).sequence > 5);
    stop(j);
    expect_notes(f, 0, 1, 100);
    recover(f, 0, NULL);
}

static void
a_check_counts_the_notes_among_the_records(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    char *file;
    uint8_t *whole;
    size_t len;

    three_segments(f);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.notes, 36);
    assert_true(report.records > 36); /* OWNER, CLOSE */
    file = strdup(path(f, 1, 2));
    whole = slurp(file, &len);
    memset(whole + 300, 0xee, 20); /* one record, or two */
    put_back(file, whole, len);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_DAMAGED);
    assert_in_range(report.notes, 34, 35);
    free(whole);
    free(file);
}

static void
what_a_replaced_owner_writes_later_does_not_count(void **state)
{
    struct fixture *f = *state;
    struct journal *zombie = start(f, 1, NULL, 900);
    struct journal *owner;
    struct adoption older = {0};
    struct journal_report report;
    uint32_t highest;

    commit(zombie, 1, 4);
    assert_int_equal(journal_highest_owner(f->dir, &highest, &f->diag), CO_OK);
    assert_int_equal(highest, 1);
    assert_int_equal(journal_claim(f->dir, JOB, 2, &f->diag), CO_OK);
    assert_int_equal(journal_claim(f->dir, JOB, 2, &f->diag), CO_EXISTS);
    commit(zombie, 5, 6); /* before the tail is read: it counts */
    recover(f, 2, &older);
    owner = start(f, 2, &older, 900);
    for (unsigned i = 0; i < 20; i++) { /* after it: more segments, too */
        commit(zombie, 1000 + i, 1000 + i);
    }
    commit(owner, 7, 9);
    stop(zombie);
    stop(owner);
    expect_notes(f, 0, 1, 9);
    report = recover(f, 0, NULL);
    assert_int_equal(report.newest_owner, 2);
    assert_true(report.ignored_segments > 0);
    assert_true(report.ignored_bytes > 0);
    adoption_fini(&older);
}

static void
an_owner_number_is_never_used_twice(void **state)
{
    struct fixture *f = *state;
    struct journal_options o = {.no_ballast = true, .threadless = true};
    struct journal *j = start(f, 1, NULL, 0);
    struct journal *again;

    stop(j);
    assert_int_equal(journal_start(f->dir, JOB, 1, NULL, &o, &again, &f->diag),
                     CO_EXISTS);
}

static void
a_record_is_fetched_and_copied_by_its_position(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 600);
    struct journal_pos pos[40];
    struct journal_answer *a;
    struct reader *r;
    struct record record;
    char copied[128];
    char out[128];
    unsigned n = 0;
    size_t len;
    uint8_t *data;
    int fd;

    for (unsigned i = 0; i < 40; i++) {
        struct co_bytes part = co_bytes_borrow(out, sizeof out);

        memset(out, (int)i, sizeof out);
        assert_int_equal(journal_append(j, RECORD_RESULTS, &part, 1, i), CO_OK);
        assert_int_equal(journal_commit(j), CO_OK);
        while ((a = journal_take(j)) != NULL) {
            for (uint32_t k = 0; k < a->count; k++) {
                pos[n++] = a->records[k].pos;
            }
            free(a);
        }
    }
    assert_int_equal(n, 40);
    assert_int_equal(reader_open_direct(f->dir, &r, &f->diag), CO_OK);
    for (n = 40; n-- > 0;) {
        assert_int_equal(reader_record(r, pos[n], &record, &f->diag), CO_OK);
        assert_int_equal(record.length, sizeof out);
        assert_int_equal(record.content[77], n);
    }
    (void)snprintf(copied, sizeof copied, "%s/copied", f->dir);
    fd = open(copied, O_WRONLY | O_CREAT, 0666);
    assert_int_equal(reader_copy(r, pos[9], 10, 20, fd, &f->diag), CO_OK);
    assert_int_equal(reader_copy(r, pos[9], 120, 20, fd, &f->diag), CO_RANGE);
    (void)close(fd);
    data = slurp(copied, &len);
    assert_int_equal(len, 20);
    assert_int_equal(data[19], 9);
    free(data);
    reader_close(r);
    stop(j);
}

static void
a_deleted_segment_is_gone_and_not_missed(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 600);
    struct stat st;

    for (unsigned i = 1; i <= 30; i++) {
        commit(j, i, i);
    }
    assert_int_equal(journal_delete(j, journal_segment(j)), CO_INVALID);
    assert_int_equal(journal_delete(j, (struct segment_name){1, 1}), CO_OK);
    assert_int_equal(journal_commit(j), CO_OK);
    assert_int_not_equal(stat(path(f, 1, 1), &st), 0);
    commit(j, 31, 31);
    stop(j);
    recover(f, 0, NULL);
    assert_in_range(count_notes(f), 15, 30);
}

static void
an_empty_or_absent_folder_is_a_new_journal(void **state)
{
    struct fixture *f = *state;
    struct journal_report report;
    uint32_t highest = 9;

    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.records, 0);
    assert_int_equal(
        journal_highest_owner("/tmp/no/such/journal", &highest, &f->diag),
        CO_OK);
    assert_int_equal(highest, 0);
    expect_notes(f, 0, 1, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(committed_records_are_read_back_in_order_over_segments),
        T(a_check_counts_the_notes_among_the_records),
        T(what_a_replaced_owner_writes_later_does_not_count),
        T(an_owner_number_is_never_used_twice),
        T(a_record_is_fetched_and_copied_by_its_position),
        T(a_deleted_segment_is_gone_and_not_missed),
        T(an_empty_or_absent_folder_is_a_new_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
