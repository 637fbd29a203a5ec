/* test_journal.c - what is committed is read back: after torn tails, flipped
 * bits, lost files, and beside owners that do not know they were replaced. */
#include "tests/co_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/reader.h"
#include "journal/recover.h"
#include "journal/writer.h"

#define JOB 0x1122334455667788u

struct fixture {
    char dir[64];
    struct co_diag diag;
};

static void
empty_folder(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) (void)closedir(d);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    (void)strcpy(f->dir, "/tmp/test_journal.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    empty_folder(f->dir);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* ---- the words of the tests ---- */

static struct journal *
start(struct fixture *f, uint32_t owner, const struct adoption *older,
      uint64_t roll_bytes)
{
    struct journal_options o = {
        .roll_bytes = roll_bytes, .no_ballast = true, .threadless = true};
    struct journal *j;

    assert_int_equal(journal_start(f->dir, JOB, owner, older, &o, &j, &f->diag),
                     CO_OK);
    return j;
}

static void
forget_answers(struct journal *j)
{
    struct journal_answer *a;

    while ((a = journal_take(j)) != NULL) {
        free(a);
    }
}

/* One commit with a NOTE of each number from..to: "note N" and N x's. */
static void
commit(struct journal *j, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        char text[200];
        int n = snprintf(text, sizeof text, "note %u %.*s", i, (int)(i % 90),
                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        struct co_bytes parts[2];

        assert_int_equal(co_bytes_copy(text, 3, &parts[0]), CO_OK);
        assert_int_equal(co_bytes_copy(text + 3, (size_t)n - 3, &parts[1]),
                         CO_OK);
        assert_int_equal(journal_append(j, RECORD_NOTE, parts, 2, i), CO_OK);
        co_bytes_unref(&parts[0]);
        co_bytes_unref(&parts[1]);
    }
    assert_int_equal(journal_commit(j), CO_OK);
    forget_answers(j);
}

static void
stop(struct journal *j)
{
    assert_int_equal(journal_stop(j, NULL), CO_OK);
    journal_free(j);
}

/* A space follows the number of a note. */
static unsigned
note_number(const struct record *record)
{
    const char *text = (const char *)record->content;

    assert_memory_equal(text, "note ", 5);
    return (unsigned)strtoul(text + 5, NULL, 10);
}

/* Reads the notes: numbers must be first..last without a hole. */
static void
expect_notes(struct fixture *f, uint32_t below, unsigned first, unsigned last)
{
    struct reader *r;
    struct record record;
    unsigned next = first;
    enum co_err err;

    assert_int_equal(reader_open(f->dir, below, &r, &f->diag), CO_OK);
    while ((err = reader_next(r, &record, NULL, &f->diag)) == CO_OK) {
        if (record.type != RECORD_NOTE) continue;
        assert_int_equal(note_number(&record), next);
        next++;
    }
    reader_close(r);
    assert_int_equal(err, CO_NOTFOUND);
    assert_int_equal(next, last + 1);
}

static struct journal_report
recover(struct fixture *f, uint32_t below, struct adoption *ret)
{
    struct journal_report report;
    enum co_err err = journal_recover(f->dir, below, ret, &report, &f->diag);

    if (err) print_message("%s\n", f->diag.text);
    assert_int_equal(err, CO_OK);
    return report;
}

static char *
path(struct fixture *f, uint32_t owner, uint32_t sequence)
{
    static char text[128];
    char file[FOLDER_NAME_SIZE];

    (void)snprintf(
        text, sizeof text, "%s/%s", f->dir,
        folder_segment_file((struct segment_name){owner, sequence}, file));
    return text;
}

static uint8_t *
slurp(const char *file, size_t *ret_len)
{
    int fd = open(file, O_RDONLY);
    struct stat st;
    uint8_t *data;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    data = malloc((size_t)st.st_size + 1);
    *ret_len = (size_t)st.st_size;
    assert_int_equal(read(fd, data, *ret_len), *ret_len);
    (void)close(fd);
    return data;
}

static void
put_back(const char *file, const void *data, size_t len)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    (void)close(fd);
}

/* ---- tests ---- */

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

static void
a_missing_sector_that_looks_like_one_flipped_bit_is_torn_not_damage(
    void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    struct journal_report report;
    uint8_t *whole;
    size_t before, len;

    commit(j, 1, 3);
    whole = slurp(path(f, 1, 1), &before);
    free(whole);
    append_zeros(j, 1024);
    commit(j, 4, 9); /* in the same commit */
    journal_free(j);
    whole = slurp(path(f, 1, 1), &len);
    assert_int_equal(whole[before + RECORD_HEADER_BYTES + 1024], 1);
    whole[before + RECORD_HEADER_BYTES + 1024] = 0;
    memset(whole + len - 100, 0, 100);
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    report = recover(f, 0, NULL);
    assert_int_equal(report.torn_offset, before);
    expect_notes(f, 0, 1, 3);
}

static void
one_missing_sector_of_the_last_commit_is_torn_though_one_bit_explains_it(
    void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, 1, NULL, 0);
    struct journal_report report;
    uint8_t *whole;
    size_t before, len;

    commit(j, 1, 3);
    whole = slurp(path(f, 1, 1), &before);
    free(whole);
    append_zeros(j, 1024);
    commit(j, 4, 9); /* in the same commit */
    journal_free(j);
    whole = slurp(path(f, 1, 1), &len);
    whole[before + RECORD_HEADER_BYTES + 1024] = 0;
    put_back(path(f, 1, 1), whole, len);
    free(whole);
    report = recover(f, 0, NULL);
    assert_int_equal(report.torn_offset, before);
    expect_notes(f, 0, 1, 3);
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

/* A journal of three segments, closed in order. */
static void
three_segments(struct fixture *f)
{
    struct journal *j = start(f, 1, NULL, 800);

    for (unsigned i = 1; i <= 36; i++) {
        commit(j, i, i);
    }
    assert_int_equal(journal_segment(j).sequence, 3);
    stop(j);
}

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

/* How many notes are there, and are they in order? */
static unsigned
count_notes(struct fixture *f)
{
    struct reader *r;
    struct record record;
    unsigned count = 0, before = 0;

    assert_int_equal(reader_open(f->dir, 0, &r, &f->diag), CO_OK);
    while (reader_next(r, &record, NULL, &f->diag) == CO_OK) {
        unsigned n;

        if (record.type != RECORD_NOTE) continue;
        n = note_number(&record);
        assert_true(n > before);
        before = n;
        count++;
    }
    reader_close(r);
    return count;
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
        T(every_truncation_is_a_torn_tail_and_keeps_what_is_before),
        T(a_torn_tail_is_cut_by_the_next_owner_and_stays_cut),
        T(pages_of_the_last_commit_in_any_order_are_torn_not_damage),
        T(one_missing_sector_of_the_last_commit_is_torn_though_one_bit_explains_it),
        T(a_missing_sector_that_looks_like_one_flipped_bit_is_torn_not_damage),
        T(a_flipped_bit_in_front_of_a_torn_commit_costs_nothing),
        T(a_check_counts_the_notes_among_the_records),
        T(any_flipped_bit_is_found_and_repaired_without_loss),
        T(bytes_beyond_repair_cost_only_the_records_they_hit),
        T(bad_bytes_in_front_of_a_later_commit_are_damage_also_after_a_kill),
        T(a_repair_that_was_killed_is_run_again),
        T(an_owner_refuses_a_damaged_journal_and_changes_nothing),
        T(a_lost_or_shortened_older_segment_is_damage),
        T(what_a_replaced_owner_writes_later_does_not_count),
        T(an_owner_number_is_never_used_twice),
        T(a_record_is_fetched_and_copied_by_its_position),
        T(a_deleted_segment_is_gone_and_not_missed),
        T(random_damage_is_never_silent_and_repair_always_ends),
        T(an_empty_or_absent_folder_is_a_new_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
