/* repair.c - journal_repair, see recover.h.
 * Offsets are kept: OWNER records state how many bytes of a segment count,
 * and positions handed out before stay true. So bad bytes are not left out
 * but turned into VOID records of the same total length. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "journal/bitfix.h"
#include "journal/recover.h"

enum { DAMAGED_NAMES_MAX = 1000, SUFFIXED_SIZE = FOLDER_NAME_SIZE + 24 };

struct repair {
    struct segment_source src; /* the damaged file */
    const struct plan_segment *segment;
    uint64_t end;        /* of what is repaired; behind it all is copied */
    uint64_t last_first; /* bad bytes in front of it were committed */
    uint32_t seed;
    int out;
    uint64_t offset;   /* read and written up to here */
    uint64_t sequence; /* of the last record written */
    struct journal_report *report;
};

static enum co_err
repair_write(struct repair *r, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (; len > 0;) {
        ssize_t n = write(r->out, p, len);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? co_err_from_errno(errno) : CO_NOSPACE;
        p += n;
        len -= (size_t)n;
        r->offset += (uint64_t)n;
    }
    return CO_OK;
}

/* One VOID record of total bytes (header included). FIRST: what is replaced
 * was committed, so everything in front was too. */
static enum co_err
repair_void_record(struct repair *r, size_t total)
{
    uint8_t *block = calloc(1, total);
    uint32_t length = (uint32_t)(total - RECORD_HEADER_BYTES);
    uint32_t crc;
    enum co_err err;

    if (!block) return CO_NOMEM;
    segment_record_encode(block, length, true, RECORD_VOID, ++r->sequence, 0);
    crc = segment_crc_header(r->seed, block);
    crc = co_crc32c(crc, block + RECORD_HEADER_BYTES, length);
    segment_record_encode(block, length, true, RECORD_VOID, r->sequence, crc);
    err = repair_write(r, block, total);
    free(block);
    return err;
}

/* Replaces [r->offset, to). before: sequence of the record that follows. */
static enum co_err
repair_void(struct repair *r, uint64_t to, uint64_t before)
{
    r->report->dropped_stretches++;
    r->report->dropped_bytes += to - r->offset;
    while (r->offset < to) {
        uint64_t left = to - r->offset;
        uint64_t take = co_min_u64(left, record_bytes(RECORD_CONTENT_MAX));
        enum co_err err;

        if (left - take == RECORD_ALIGN) take -= RECORD_ALIGN;
        /* Smaller than a header, or no number left: not our format. */
        if (take < RECORD_HEADER_BYTES || take % RECORD_ALIGN ||
            r->sequence + 1 >= before) {
            return CO_DAMAGED;
        }
        err = repair_void_record(r, (size_t)take);
        if (err) return err;
    }
    return CO_OK;
}

/* One flipped bit: writes the record as it was. CO_DAMAGED: not that. */
static enum co_err
repair_bit(struct repair *r)
{
    uint64_t limit = co_min_u64(r->end, r->src.size);
    uint64_t avail = limit > r->offset ? limit - r->offset : 0;
    struct segment_source fixed;
    struct record record;
    struct bitfix fix;
    const uint8_t *raw;
    uint8_t *copy;
    enum co_err err;

    avail = co_min_u64(avail, record_bytes(RECORD_CONTENT_MAX));
    if (avail == 0) return CO_DAMAGED;
    err = segment_source_get(&r->src, r->offset, (size_t)avail, &raw);
    if (!err) {
        err = bitfix_record(raw, (size_t)avail, r->seed, r->sequence, &fix);
    }
    if (err) return err;
    copy = malloc((size_t)avail);
    if (!copy) return CO_NOMEM;
    memcpy(copy, raw, (size_t)avail);
    copy[fix.byte] ^= fix.mask;
    segment_source_memory(&fixed, copy, (size_t)avail);
    err = segment_record(&fixed, r->seed, 0, avail, &record);
    if (!err) err = repair_write(r, copy, (size_t)record.end);
    free(copy);
    if (err) return err;
    r->sequence = record.sequence;
    r->report->corrected_bits++;
    return CO_OK;
}

/* At a bad record. *ret_tail: it and what follows never were committed. */
static enum co_err
repair_bad(struct repair *r, bool *ret_tail)
{
    struct record next;
    enum co_err err = repair_bit(r);

    if (err != CO_DAMAGED) return err;
    if (!r->segment->sealed && r->offset > r->last_first) {
        *ret_tail = true;
        return CO_OK;
    }
    err =
        segment_resync(&r->src, r->seed, r->offset, r->end, r->sequence, &next);
    if (err == CO_NOTFOUND) return repair_void(r, r->end, UINT64_MAX);
    return err ? err : repair_void(r, next.offset, next.sequence);
}

static enum co_err
repair_records(struct repair *r)
{
    bool tail = false;
    enum co_err err = CO_OK;

    while (!err && !tail && r->offset < r->end) {
        struct record record;
        const uint8_t *raw;

        err = segment_record(&r->src, r->seed, r->offset, r->end, &record);
        if (!err && record.sequence <= r->sequence) err = CO_DAMAGED;
        if (err == CO_DAMAGED || err == CO_NOTFOUND) {
            err = repair_bad(r, &tail);
            continue;
        }
        if (err) return err;
        r->sequence = record.sequence;
        err = segment_source_get(&r->src, record.offset,
                                 (size_t)(record.end - record.offset), &raw);
        if (!err) err = repair_write(r, raw, (size_t)(record.end - r->offset));
    }
    return err;
}

/* What does not count (a zombie's bytes, a torn tail) is kept as it is. */
static enum co_err
repair_rest(struct repair *r)
{
    enum co_err err = CO_OK;

    while (!err && r->offset < r->src.size) {
        size_t n = (size_t)co_min_u64(r->src.size - r->offset, 65536);
        const uint8_t *raw;

        err = segment_source_get(&r->src, r->offset, n, &raw);
        if (!err) err = repair_write(r, raw, n);
    }
    return err;
}

static enum co_err
repair_content(struct repair *r)
{
    uint8_t header[SEGMENT_HEADER_BYTES];
    enum co_err err;

    segment_header_encode(&r->segment->header, header);
    if (r->segment->header_bad) r->report->corrected_bits++;
    err = repair_write(r, header, sizeof header);
    if (!err) err = repair_records(r);
    if (!err) err = repair_rest(r);
    if (!err && fsync(r->out) < 0) err = CO_IO;
    return err;
}

/* Gives the damaged file a second name that stays. */
static enum co_err
repair_keep(int dir_fd, const char *file)
{
    struct stat old, kept;
    char name[SUFFIXED_SIZE];
    int n;

    if (fstatat(dir_fd, file, &old, 0) < 0) {
        return errno == ENOENT ? CO_OK : co_err_from_errno(errno);
    }
    for (n = 1; n < DAMAGED_NAMES_MAX; n++) {
        if (n == 1) {
            (void)snprintf(name, sizeof name, "%s.damaged", file);
        } else {
            (void)snprintf(name, sizeof name, "%s.damaged-%d", file, n);
        }
        if (linkat(dir_fd, file, dir_fd, name, 0) == 0) return CO_OK;
        if (errno != EEXIST) return co_err_from_errno(errno);
        /* A repair that was killed had come this far. */
        if (fstatat(dir_fd, name, &kept, 0) == 0 && kept.st_ino == old.st_ino) {
            return CO_OK;
        }
    }
    return CO_FULL;
}

static enum co_err
repair_replace(int dir_fd, const char *file, const char *beside)
{
    enum co_err err = repair_keep(dir_fd, file);

    if (err) return err;
    /* The kept name first, durably: then the file may be replaced. */
    if (fsync(dir_fd) < 0 || renameat(dir_fd, beside, dir_fd, file) < 0 ||
        fsync(dir_fd) < 0) {
        return co_err_from_errno(errno);
    }
    return CO_OK;
}

static enum co_err
repair_open(int dir_fd, struct repair *r, int *ret_in)
{
    enum co_err err;

    *ret_in = -1;
    segment_source_memory(&r->src, NULL, 0);
    if (r->segment->missing) return CO_OK;
    err = folder_open_segment(dir_fd, r->segment->header.name, O_RDONLY, ret_in,
                              NULL);
    return err ? err : segment_source_file(&r->src, *ret_in);
}

static enum co_err
repair_segment(int dir_fd, const struct plan_segment *segment,
               const struct segment_scan *scan, struct journal_report *report,
               struct co_diag *diag)
{
    char file[FOLDER_NAME_SIZE];
    char beside[SUFFIXED_SIZE];
    struct repair r = {.segment = segment,
                       .last_first = scan->last_first,
                       .seed = segment_crc_seed(segment->header.id),
                       .out = -1,
                       .report = report};
    int in;
    enum co_err err = repair_open(dir_fd, &r, &in);

    folder_segment_file(segment->header.name, file);
    (void)snprintf(beside, sizeof beside, "%s.repair", file);
    r.end = segment->sealed ? segment->bytes : r.src.size;
    if (!err) {
        r.out = openat(dir_fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                       0600);
        err = r.out < 0 ? co_err_from_errno(errno) : repair_content(&r);
    }
    if (!err) err = repair_replace(dir_fd, file, beside);
    segment_source_fini(&r.src);
    folder_close(&in);
    folder_close(&r.out);
    if (err) {
        return co_fail(diag, err,
                       "cannot repair journal segment %s (at offset %llu): "
                       "%s. The file was not changed",
                       file, (unsigned long long)r.offset, co_err_text(err));
    }
    report->repaired_segments++;
    return CO_OK;
}

/* Newest first: an OWNER record regained there decides how much of the older
 * ones counts. *ret_again: so the plan must be made anew. */
static enum co_err
repair_round(int dir_fd, const struct plan *plan, struct journal_report *report,
             bool *ret_again, struct co_diag *diag)
{
    size_t i = plan->len;

    *ret_again = false;
    while (i-- > 0 && !*ret_again) {
        const struct plan_segment *s = &plan->v[i];
        struct segment_scan scan;
        bool damaged;
        enum co_err err = recover_look(dir_fd, s, &scan, &damaged, diag);

        if (!err && damaged) {
            err = repair_segment(dir_fd, s, &scan, report, diag);
            *ret_again = s->header.name.owner == plan->newest_owner;
        }
        if (err) return err;
    }
    return CO_OK;
}

static enum co_err
repair_all(int dir_fd, struct journal_report *done, struct co_diag *diag)
{
    bool again = true;
    enum co_err err = CO_OK;
    unsigned rounds = 0;

    while (!err && again) {
        struct plan plan = {0};

        err = plan_load(dir_fd, 0, &plan, diag);
        if (!err && rounds++ > plan.len + 1) {
            err = co_fail(diag, CO_DAMAGED, "repair does not come to an end");
        }
        if (!err) err = repair_round(dir_fd, &plan, done, &again, diag);
        plan_fini(&plan);
    }
    return err;
}

enum co_err
journal_repair(const char *dir, struct journal_report *report,
               struct co_diag *diag)
{
    struct journal_report done = {0};
    int dir_fd = -1;
    enum co_err err = folder_open(dir, &dir_fd, diag);

    *report = done;
    if (err) return err;
    err = repair_all(dir_fd, &done, diag);
    folder_close(&dir_fd);
    if (!err) err = journal_check(dir, report, diag);
    report->repaired_segments = done.repaired_segments;
    report->corrected_bits = done.corrected_bits;
    report->dropped_stretches = done.dropped_stretches;
    report->dropped_bytes = done.dropped_bytes;
    return err;
}
