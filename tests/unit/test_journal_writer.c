/* test_journal_writer.c - the writing thread: order, limits, and what happens
 * when the disk says no. */
#include "tests/co_test.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/reader.h"
#include "journal/recover.h"
#include "journal/writer.h"

enum { WAIT_MS = 20000 };

struct fixture {
    char dir[64];
    struct co_diag diag;
};

/* The faulty disk: the n-th call from now fails (0: none does). */
static atomic_int fail_sync_in, fail_write_in;
static atomic_int fail_errno;
static atomic_int syncs;

static int
hook_fdatasync(int fd)
{
    (void)atomic_fetch_add(&syncs, 1);
    if (atomic_load(&fail_sync_in) && atomic_fetch_sub(&fail_sync_in, 1) == 1) {
        errno = atomic_load(&fail_errno);
        return -1;
    }
    return fdatasync(fd);
}

/* A full disk takes a part of the write first. */
static ssize_t
hook_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    if (atomic_load(&fail_write_in) &&
        atomic_fetch_sub(&fail_write_in, 1) <= 2) {
        if (atomic_load(&fail_write_in) == 1) {
            return pwrite(fd, iov[0].iov_base, iov[0].iov_len / 2, offset);
        }
        errno = atomic_load(&fail_errno);
        return -1;
    }
    return pwritev(fd, iov, count, offset);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    (void)strcpy(f->dir, "/tmp/test_jwriter.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    atomic_store(&fail_sync_in, 0);
    atomic_store(&fail_write_in, 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    DIR *d = opendir(f->dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) (void)closedir(d);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* The file behind each sync, newest last. */
static char synced_files[8][64];
static unsigned n_synced_files;

static int
named_fdatasync(int fd)
{
    char link[64], path[256] = "";

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0) (void)strcpy(path, "/");
    (void)snprintf(synced_files[n_synced_files++ % 8], 64, "%.60s",
                   strrchr(path, '/') + 1);
    return fdatasync(fd);
}

/* Segments that were synced while they had their header alone. */
static unsigned n_headers_synced;

static int
measured_fdatasync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.st_size == SEGMENT_HEADER_BYTES) {
        n_headers_synced++;
    }
    return fdatasync(fd);
}

static struct journal *
start(struct fixture *f, struct journal_options o)
{
    struct journal *j;

    o.io = (struct journal_io){hook_pwritev, hook_fdatasync};
    assert_int_equal(journal_start(f->dir, 7, 1, NULL, &o, &j, &f->diag),
                     CO_OK);
    return j;
}

static enum co_err
append(struct journal *j, uint64_t number)
{
    struct co_bytes part;
    enum co_err err = co_bytes_copy(&number, sizeof number, &part);

    if (!err) err = journal_append(j, RECORD_NOTE, &part, 1, number);
    co_bytes_unref(&part);
    return err;
}

/* Takes answers until one says that cookie is committed or failed. */
static enum co_err
await(struct journal *j, uint64_t cookie)
{
    for (;;) {
        struct journal_answer *a = journal_wait(j, WAIT_MS);
        uint64_t last;
        enum co_err err;

        assert_non_null(a);
        last = a->last_cookie;
        err = a->err;
        free(a);
        if (err || last >= cookie) return err;
    }
}

/* The NOTE numbers on disk must be 1, 2, 3 ...; returns how many. */
static uint64_t
notes_on_disk(struct fixture *f, uint8_t *ret_last_type)
{
    struct reader *r;
    struct record record;
    uint64_t count = 0;
    enum co_err err;

    assert_int_equal(reader_open(f->dir, 0, &r, &f->diag), CO_OK);
    while ((err = reader_next(r, &record, NULL, &f->diag)) == CO_OK) {
        uint64_t number;

        if (ret_last_type) *ret_last_type = record.type;
        if (record.type != RECORD_NOTE) continue;
        memcpy(&number, record.content, sizeof number);
        assert_int_equal(number, ++count);
    }
    assert_int_equal(err, CO_NOTFOUND);
    reader_close(r);
    return count;
}

static void
a_hundred_thousand_records_are_answered_and_read_in_order(void **state)
{
    struct fixture *f = *state;
    struct journal *j =
        start(f, (struct journal_options){.no_ballast = true,
                                          .queue_bytes = 1 << 20,
                                          .roll_bytes = 1 << 20});
    uint64_t sent = 0, seen = 0, sequence = 0;

    while (seen < 100000) {
        struct journal_answer *a;
        enum co_err err = CO_OK;

        while (sent < 100000 && (err = append(j, sent + 1)) == CO_OK) {
            sent++;
        }
        assert_true(err == CO_OK || err == CO_FULL);
        a = journal_wait(j, WAIT_MS);
        assert_non_null(a);
        assert_int_equal(a->err, CO_OK);
        for (uint32_t i = 0; i < a->count; i++) {
            assert_int_equal(a->records[i].cookie, ++seen);
        }
        assert_true(a->last_sequence > sequence);
        sequence = a->last_sequence;
        free(a);
    }
    assert_int_equal(journal_queued_bytes(j), 0);
    assert_true(journal_segment(j).sequence > 2);
    assert_int_equal(journal_stop(j, &f->diag), CO_OK);
    journal_free(j);
    assert_int_equal(notes_on_disk(f, NULL), 100000);
}

static void
the_queue_refuses_beyond_its_limit_and_takes_again_later(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true,
                                                          .threadless = true,
                                                          .queue_bytes = 2400});
    uint64_t n = 0;
    enum co_err err;

    while ((err = append(j, n + 1)) == CO_OK) {
        n++;
    }
    assert_int_equal(err, CO_FULL);
    assert_int_equal(n, 100);
    assert_int_equal(journal_commit(j), CO_OK);
    assert_int_equal(append(j, n + 1), CO_OK);
    assert_int_equal(journal_stop(j, NULL), CO_OK);
    journal_free(j);
    assert_int_equal(notes_on_disk(f, NULL), 101);
}

static void
the_descriptor_is_readable_while_answers_wait(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};

    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(append(j, 1), CO_OK);
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    free(journal_take(j));
    assert_int_equal(poll(&p, 1, 0), 0);
    journal_free(j);
}

static void
corked_records_become_one_commit(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    struct journal_answer *a;

    journal_cork(j);
    for (uint64_t i = 1; i <= 500; i++) {
        assert_int_equal(append(j, i), CO_OK);
    }
    journal_uncork(j);
    a = journal_wait(j, WAIT_MS);
    assert_non_null(a);
    assert_int_equal(a->count, 500);
    free(a);
    assert_int_equal(journal_stop(j, NULL), CO_OK);
    journal_free(j);
}

/* The other file's name. */
static char with_path[] = "/tmp/test_jwriter_with.XXXXXX";
static char thread_path[] = "/tmp/test_jwriter_with.XXXXXX";

static void
a_file_of_the_callers_is_synced_by_the_thread_before_segments_go(void **state)
{
    struct fixture *f = *state;
    struct journal_options o = {.no_ballast = true, .threadless = true};
    struct journal *j;
    int fd = mkstemp(with_path);

    o.io.fdatasync = named_fdatasync;
    assert_true(fd >= 0);
    assert_int_equal(
        journal_start(f->dir, 7, 1, &(struct adoption){0}, &o, &j, &f->diag),
        CO_OK);
    n_synced_files = 0;
    journal_sync_with(j, fd);
    assert_int_equal(n_synced_files, 0);        /* not by the caller */
    assert_int_equal(journal_commit(j), CO_OK); /* though no record waits */
    assert_int_equal(n_synced_files, 1);
    assert_string_equal(synced_files[0], strrchr(with_path, '/') + 1);
    assert_int_equal(journal_commit(j), CO_OK); /* once */
    assert_int_equal(n_synced_files, 1);
    assert_false(journal_sync_failed(j));
    assert_int_equal(journal_stop(j, &f->diag), CO_OK);
    journal_free(j);
    (void)close(fd);
    (void)unlink(with_path);
}

static bool
segment_is_there(const struct fixture *f, struct segment_name name)
{
    char file[FOLDER_NAME_SIZE], path[128];

    folder_segment_file(name, file);
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, file);
    return access(path, F_OK) == 0;
}

/* Else a power loss may leave the length of more, and no byte of the header. */
static void
the_header_of_a_segment_is_on_disk_before_a_record_stands_behind_it(
    void **state)
{
    struct fixture *f = *state;
    struct journal_options o = {.no_ballast = true,
                                .threadless = true,
                                .roll_bytes = SEGMENT_HEADER_BYTES + 200,
                                .io = {NULL, measured_fdatasync}};
    struct journal *j;

    n_headers_synced = 0;
    assert_int_equal(journal_start(f->dir, 7, 1, NULL, &o, &j, &f->diag),
                     CO_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(append(j, i), CO_OK);
    }
    assert_int_equal(journal_commit(j), CO_OK);
    assert_int_equal(await(j, 20), CO_OK);
    assert_true(journal_segment(j).sequence > 1);
    assert_int_equal(n_headers_synced, journal_segment(j).sequence - 1);
    assert_int_equal(journal_stop(j, NULL), CO_OK);
    journal_free(j);
}

/* As the kernel does it: one sync fails, the next of the same file is well. */
static void
a_failed_sync_of_the_callers_file_keeps_segments_and_ends_all(void **state)
{
    struct fixture *f = *state;
    struct journal_options o = {.no_ballast = true,
                                .threadless = true,
                                .roll_bytes = SEGMENT_HEADER_BYTES + 200,
                                .io = {hook_pwritev, hook_fdatasync}};
    const struct segment_name first = {1, 1};
    struct journal *j;

    assert_int_equal(journal_start(f->dir, 7, 1, NULL, &o, &j, &f->diag),
                     CO_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(append(j, i), CO_OK);
    }
    assert_int_equal(journal_commit(j), CO_OK);
    assert_int_equal(await(j, 20), CO_OK);
    assert_true(segment_name_compare(journal_segment(j), first) > 0);

    atomic_store(&fail_errno, EIO);
    atomic_store(&fail_sync_in, 1);
    journal_sync_with(j, STDERR_FILENO);
    assert_int_equal(journal_delete(j, first), CO_OK);
    assert_int_equal(journal_commit(j), CO_IO);
    assert_true(segment_is_there(f, first));
    assert_true(journal_sync_failed(j));
    assert_int_equal(append(j, 21), CO_IO);
    assert_int_equal(journal_append_final(j, RECORD_DONE, "{}", 2, NULL),
                     CO_IO);
    assert_int_equal(journal_error(j, &f->diag), CO_IO);
    assert_non_null(strstr(f->diag.text, "dead letters"));
    assert_int_equal(journal_stop(j, NULL), CO_IO);
    journal_free(j);
}

static void
the_thread_wakes_for_a_file_of_the_callers(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    int before = atomic_load(&syncs);
    int fd = mkstemp(thread_path);

    assert_true(fd >= 0);
    journal_sync_with(j, fd);
    while (atomic_load(&syncs) == before) {
        (void)sched_yield();
    }
    assert_int_equal(journal_stop(j, &f->diag), CO_OK);
    journal_free(j);
}

static void
what_was_appended_before_stop_is_committed(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    uint64_t answered = 0;
    struct journal_answer *a;
    uint8_t last = 0;

    for (uint64_t i = 1; i <= 3000; i++) {
        assert_int_equal(append(j, i), CO_OK);
    }
    assert_int_equal(journal_stop(j, NULL), CO_OK);
    assert_int_equal(append(j, 3001), CO_STATE);
    while ((a = journal_take(j)) != NULL) {
        answered += a->count;
        free(a);
    }
    assert_int_equal(answered, 3000);
    journal_free(j);
    assert_int_equal(notes_on_disk(f, &last), 3000);
    assert_int_equal(last, RECORD_CLOSE);
}

static void
a_failed_sync_is_final_and_never_tried_again(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    int before;

    assert_int_equal(append(j, 1), CO_OK);
    assert_int_equal(await(j, 1), CO_OK);
    atomic_store(&fail_errno, EIO);
    atomic_store(&fail_sync_in, 1);
    assert_int_equal(append(j, 2), CO_OK);
    assert_int_equal(await(j, 2), CO_IO);
    before = atomic_load(&syncs);
    assert_int_equal(append(j, 3), CO_IO);
    assert_int_equal(journal_append_final(j, RECORD_DONE, "x", 1, &f->diag),
                     CO_IO);
    assert_int_equal(journal_stop(j, &f->diag), CO_IO);
    assert_non_null(strstr(f->diag.text, "fdatasync"));
    assert_int_equal(atomic_load(&syncs), before);
    journal_free(j);
}

static void
a_failed_write_is_final(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});

    atomic_store(&fail_errno, EIO);
    atomic_store(&fail_write_in, 1);
    assert_int_equal(append(j, 1), CO_OK);
    assert_int_equal(await(j, 1), CO_IO);
    assert_int_equal(append(j, 2), CO_IO);
    journal_free(j);
    assert_int_equal(notes_on_disk(f, NULL), 0);
}

static void
on_a_full_disk_the_last_state_is_still_written(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){0});
    struct journal_report report;
    char ballast[128];
    struct stat st;
    uint8_t last = 0;

    (void)snprintf(ballast, sizeof ballast, "%s/ballast", f->dir);
    assert_int_equal(stat(ballast, &st), 0);
    assert_true(st.st_blocks * 512 >= JOURNAL_BALLAST_BYTES);
    assert_int_equal(append(j, 1), CO_OK);
    assert_int_equal(await(j, 1), CO_OK);

    atomic_store(&fail_errno, ENOSPC);
    atomic_store(&fail_write_in, 2); /* half a write, then nothing */
    assert_int_equal(append(j, 2), CO_OK);
    assert_int_equal(await(j, 2), CO_NOSPACE);
    assert_int_equal(append(j, 3), CO_NOSPACE);
    assert_int_not_equal(stat(ballast, &st), 0);
    assert_int_equal(journal_append_final(j, RECORD_DONE, "ledger", 6, NULL),
                     CO_OK);
    assert_int_equal(append(j, 4), CO_NOSPACE); /* it stays stopped */
    assert_int_equal(journal_error(j, &f->diag), CO_NOSPACE);
    assert_non_null(strstr(f->diag.text, "Free some disk space"));
    journal_free(j);

    assert_int_equal(notes_on_disk(f, &last), 1);
    assert_int_equal(last, RECORD_DONE);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.torn_bytes, 0);
}

static void
a_file_size_limit_counts_as_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    struct rlimit old, small;
    struct journal_report report;
    uint64_t n = 0;
    enum co_err err = CO_OK;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 5000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    while (!err && n < 10000) {
        err = append(j, n + 1);
        if (!err) err = await(j, n + 1);
        if (!err) n++;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, CO_NOSPACE);
    journal_free(j);
    assert_int_equal(notes_on_disk(f, NULL), n);
    assert_int_equal(journal_check(f->dir, &report, &f->diag), CO_OK);
    assert_int_equal(report.torn_bytes, 0);
}

static void
parts_large_and_small_arrive_whole(void **state)
{
    static uint8_t big[3 << 20];
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    struct reader *r;
    struct record record;
    struct journal_answer *a;
    struct co_bytes parts[4];

    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (uint8_t)(i * 7 + i / 251);
    }
    parts[0] = co_bytes_borrow("head", 4);
    parts[1] = co_bytes_borrow(big, sizeof big);
    parts[2] = co_bytes_borrow(NULL, 0);
    parts[3] = co_bytes_borrow(big, 5001);
    assert_int_equal(journal_append(j, RECORD_RESULTS, parts, 4, 1), CO_OK);
    a = journal_wait(j, WAIT_MS);
    assert_non_null(a);
    assert_int_equal(a->err, CO_OK);
    assert_int_equal(reader_open_direct(f->dir, &r, &f->diag), CO_OK);
    assert_int_equal(reader_record(r, a->records[0].pos, &record, &f->diag),
                     CO_OK);
    assert_int_equal(record.length, 4 + sizeof big + 5001);
    assert_memory_equal(record.content, "head", 4);
    assert_memory_equal(record.content + 4, big, sizeof big);
    assert_memory_equal(record.content + 4 + sizeof big, big, 5001);
    free(a);
    reader_close(r);

    parts[0] = co_bytes_borrow(big, sizeof big);
    parts[2] = parts[0];
    assert_int_equal(journal_append(j, RECORD_RESULTS, parts, 3, 1), CO_RANGE);
    assert_int_equal(journal_append(j, RECORD_OWNER, parts, 1, 1), CO_INVALID);
    journal_free(j);
}

struct appender {
    struct journal *j;
    int failed;
};

static void *
append_many(void *arg)
{
    struct appender *w = arg;

    for (uint64_t i = 1; i <= 2000; i++) {
        if (append(w->j, i) != CO_OK) w->failed++;
    }
    return NULL;
}

static void
several_threads_may_append(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(f, (struct journal_options){.no_ballast = true});
    struct appender w[3] = {{j, 0}, {j, 0}, {j, 0}};
    pthread_t threads[3];
    size_t seen = 0;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, append_many, &w[i]),
                         0);
    }
    while (seen < 6000) {
        struct journal_answer *a = journal_wait(j, WAIT_MS);

        assert_non_null(a);
        seen += a->count;
        free(a);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(w[i].failed, 0);
    }
    journal_free(j);
}

/* A predecessor killed between write and sync: its bytes can be read, but the
 * next power failure would take them. */
static void
what_is_adopted_is_synced_before_the_owner_record(void **state)
{
    struct fixture *f = *state;
    struct journal *j = start(
        f, (struct journal_options){.no_ballast = true, .threadless = true});
    struct adoption older = {0};
    struct journal_report report;
    struct journal_options o = {
        .no_ballast = true, .threadless = true, .io = {NULL, named_fdatasync}};

    assert_int_equal(append(j, 1), CO_OK);
    assert_int_equal(journal_commit(j), CO_OK);
    journal_free(j);
    assert_int_equal(journal_recover(f->dir, 2, &older, &report, &f->diag),
                     CO_OK);
    n_synced_files = 0;
    assert_int_equal(journal_start(f->dir, 7, 2, &older, &o, &j, &f->diag),
                     CO_OK);
    assert_string_equal(synced_files[0], "seg-0000000001-000001.log");
    assert_string_equal(synced_files[1], "seg-0000000002-000001.log");
    adoption_fini(&older);
    journal_free(j);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_hundred_thousand_records_are_answered_and_read_in_order),
        T(the_queue_refuses_beyond_its_limit_and_takes_again_later),
        T(the_descriptor_is_readable_while_answers_wait),
        T(corked_records_become_one_commit),
        T(what_was_appended_before_stop_is_committed),
        T(a_file_of_the_callers_is_synced_by_the_thread_before_segments_go),
        T(the_header_of_a_segment_is_on_disk_before_a_record_stands_behind_it),
        T(a_failed_sync_of_the_callers_file_keeps_segments_and_ends_all),
        T(the_thread_wakes_for_a_file_of_the_callers),
        T(a_failed_sync_is_final_and_never_tried_again),
        T(a_failed_write_is_final),
        T(on_a_full_disk_the_last_state_is_still_written),
        T(a_file_size_limit_counts_as_a_full_disk),
        T(parts_large_and_small_arrive_whole),
        T(several_threads_may_append),
        T(what_is_adopted_is_synced_before_the_owner_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
