/* doctor_folder.c - can corpora lie in this folder: space, the cost of a
 * commit, and whether its locks exclude. See doctor.h. */
#include "cli/doctor.h"

#include "cli/say.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SYNCS = 100,
    SYNC_BYTES = 4096,
    SLOW_P99_US = 50000,
    TEST_MAX_US = 5000000, /* slower disks are judged by fewer syncs */
};

#define SPACE_NEEDED (64ULL << 20)
#define SPACE_WANTED (5ULL << 30)

static void
check_space(struct doctor *d)
{
    struct co_diag diag = {""};
    uint64_t bytes = 0;
    struct co_buf text;

    if (co_fs_free_bytes(d->dir, &bytes, &diag)) {
        doctor_say(d, DOCTOR_FAIL, "free disk", "%s", diag.text);
        return;
    }
    co_buf_init(&text, 256);
    say_bytes(&text, bytes);
    doctor_say(d,
               bytes < SPACE_NEEDED   ? DOCTOR_FAIL
               : bytes < SPACE_WANTED ? DOCTOR_WARN
                                      : DOCTOR_OK,
               "free disk", "%s in %s%s", co_buf_text(&text), d->dir,
               bytes < SPACE_WANTED ? "; 10,000 rows take about 2 MB, and the "
                                      "journal as much again for a while"
                                    : "");
    co_buf_fini(&text);
}

/* 4 KiB appended and synced, as a commit does it. */
static bool
measure_syncs(int fd, struct co_stats_hist *hist)
{
    char block[SYNC_BYTES];
    int64_t end_us = co_clock_us() + TEST_MAX_US;

    memset(block, 'x', sizeof block);
    for (int i = 0; i < SYNCS && co_clock_us() < end_us; i++) {
        int64_t began_us;

        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) {
            return false;
        }
        began_us = co_clock_us();
        if (fdatasync(fd)) return false;
        co_stats_add(hist, (uint64_t)(co_clock_us() - began_us));
    }
    return true;
}

static void
check_sync(struct doctor *d, const char *test_dir)
{
    struct co_stats_hist *hist = calloc(1, sizeof *hist);
    char path[PATH_MAX + 16];
    co_auto(co_fs_closep) int fd = -1;
    uint64_t p50, p99;

    (void)snprintf(path, sizeof path, "%s/sync", test_dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (!hist || fd < 0 || !measure_syncs(fd, hist)) {
        doctor_say(d, DOCTOR_FAIL, "fsync",
                   "%s: %s; choose a folder on a "
                   "disk that can be written",
                   d->dir, strerror(errno));
    } else {
        p50 = co_stats_quantile(hist, 500000);
        p99 = co_stats_quantile(hist, 990000);
        doctor_say(d, p99 > SLOW_P99_US ? DOCTOR_WARN : DOCTOR_OK, "fsync",
                   "p50 %llu us, p99 %llu us of %llu%s",
                   (unsigned long long)p50, (unsigned long long)p99,
                   (unsigned long long)hist->count,
                   p99 > SLOW_P99_US ? "; commits wait for the disk: a local "
                                       "SSD is faster"
                                     : "");
    }
    free(hist);
}

/* A second lock of a locked folder must be refused, or two owners could write
 * one corpus (some network file systems pretend). */
static void
check_lock(struct doctor *d, const char *test_dir)
{
    co_auto(co_fs_closep) int first = -1;
    co_auto(co_fs_closep) int second = -1;
    struct co_diag diag = {""};

    if (co_fs_lock(test_dir, &first, &diag)) {
        doctor_say(d, DOCTOR_FAIL, "lock", "%s", diag.text);
        return;
    }
    if (co_fs_lock(test_dir, &second, &diag) == CO_BUSY) {
        doctor_say(d, DOCTOR_OK, "lock", "a second lock is refused");
    } else {
        doctor_say(d, DOCTOR_FAIL, "lock",
                   "a second lock was granted: this file system's locks do "
                   "not work, choose a local folder");
    }
}

void
doctor_folder(struct doctor *d)
{
    char dir[PATH_MAX];
    enum co_err err;

    check_space(d);
    (void)snprintf(dir, sizeof dir, "%s/.cohort-doctor-XXXXXX", d->dir);
    if (!mkdtemp(dir)) {
        doctor_say(d, DOCTOR_FAIL, "folder",
                   "%s cannot be written: %s; choose another, or mend its "
                   "permissions",
                   d->dir, strerror(errno));
        return;
    }
    check_sync(d, dir);
    check_lock(d, dir);
    err = co_fs_remove_tree(dir, NULL);
    if (err) {
        doctor_say(d, DOCTOR_WARN, "folder", "%s could not be removed: %s", dir,
                   co_err_text(err));
    }
}
