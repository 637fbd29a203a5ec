/* journal_fixture.h - a journal in a folder of its own: written, stopped,
 * recovered, and its files read and put back by the test. */
#pragma once
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

co_unused static void
empty_folder(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) (void)closedir(d);
}

co_unused static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    (void)strcpy(f->dir, "/tmp/test_journal.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

co_unused static int
teardown(void **state)
{
    struct fixture *f = *state;

    empty_folder(f->dir);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* ---- the words of the tests ---- */

co_unused static struct journal *
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

co_unused static void
forget_answers(struct journal *j)
{
    struct journal_answer *a;

    while ((a = journal_take(j)) != NULL) {
        free(a);
    }
}

/* One commit with a NOTE of each number from..to: "note N" and N x's. */
co_unused static void
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

co_unused static void
stop(struct journal *j)
{
    assert_int_equal(journal_stop(j, NULL), CO_OK);
    journal_free(j);
}

/* A space follows the number of a note. */
co_unused static unsigned
note_number(const struct record *record)
{
    const char *text = (const char *)record->content;

    assert_memory_equal(text, "note ", 5);
    return (unsigned)strtoul(text + 5, NULL, 10);
}

/* Reads the notes: numbers must be first..last without a hole. */
co_unused static void
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

co_unused static struct journal_report
recover(struct fixture *f, uint32_t below, struct adoption *ret)
{
    struct journal_report report;
    enum co_err err = journal_recover(f->dir, below, ret, &report, &f->diag);

    if (err) print_message("%s\n", f->diag.text);
    assert_int_equal(err, CO_OK);
    return report;
}

co_unused static char *
path(struct fixture *f, uint32_t owner, uint32_t sequence)
{
    static char text[128];
    char file[FOLDER_NAME_SIZE];

    (void)snprintf(
        text, sizeof text, "%s/%s", f->dir,
        folder_segment_file((struct segment_name){owner, sequence}, file));
    return text;
}

co_unused static uint8_t *
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

co_unused static void
put_back(const char *file, const void *data, size_t len)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    (void)close(fd);
}

/* ---- tests ---- */

/* A journal of three segments, closed in order. */
co_unused static void
three_segments(struct fixture *f)
{
    struct journal *j = start(f, 1, NULL, 800);

    for (unsigned i = 1; i <= 36; i++) {
        commit(j, i, i);
    }
    assert_int_equal(journal_segment(j).sequence, 3);
    stop(j);
}

/* How many notes are there, and are they in order? */
co_unused static unsigned
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
