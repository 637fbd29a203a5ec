/* recover.c - see recover.h. */
#include "journal/recover.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum co_err
recover_look(int dir_fd, const struct plan_segment *segment,
             struct segment_scan *ret, bool *ret_damaged, struct co_diag *diag)
{
    struct segment_source src = {.fd = -1};
    uint64_t end;
    int fd;
    enum co_err err;

    *ret_damaged = true;
    if (segment->missing) {
        *ret = (struct segment_scan){.verdict = SEGMENT_DAMAGED,
                                     .bad_stretches = 1};
        return CO_OK;
    }
    err =
        folder_open_segment(dir_fd, segment->header.name, O_RDONLY, &fd, diag);
    if (err) return err;
    err = segment_source_file(&src, fd);
    end = segment->sealed ? segment->bytes : src.size;
    if (!err) {
        err = segment_scan(&src, segment->header.id, end, segment->sealed, ret);
    }
    segment_source_fini(&src);
    (void)close(fd);
    if (err) {
        return co_fail(diag, err, "reading the journal: %s", co_err_text(err));
    }
    *ret_damaged = segment->header_bad || ret->verdict == SEGMENT_DAMAGED;
    return CO_OK;
}

static void
report_segment(struct journal_report *report, const struct plan_segment *s,
               const struct segment_scan *scan, bool damaged)
{
    report->segments++;
    report->records += scan->records;
    report->notes += scan->notes;
    report->bytes += s->bytes;
    if (!damaged) return;
    if (report->damaged_segments++ == 0) {
        report->damaged = s->header.name;
        report->damage_offset = s->header_bad ? 0 : scan->good_end;
        report->valid_after = scan->valid_after;
        report->valid_before = scan->records - scan->valid_after;
    }
    report->bad_stretches += scan->bad_stretches + s->header_bad;
}

static void
report_tail(struct journal_report *report, const struct plan *plan)
{
    if (!plan->len || plan->tail_size <= plan->tail.tail) return;
    if (plan->tail.verdict != SEGMENT_TORN) return;
    report->torn_segment = plan->v[plan->len - 1].header.name;
    report->torn_offset = plan->tail.tail;
    report->torn_bytes = plan->tail_size - plan->tail.tail;
    report->torn_records = plan->tail.cut_records;
}

static enum co_err
recover_check(const char *dir, int dir_fd, const struct plan *plan,
              struct journal_report *report, struct co_diag *diag)
{
    char file[FOLDER_NAME_SIZE];
    size_t i;

    *report = (struct journal_report){
        .job = plan->job,
        .newest_owner = plan->newest_owner,
        .highest_owner = plan->highest_owner,
        .ignored_segments = plan->ignored_segments,
        .ignored_bytes = plan->ignored_bytes,
    };
    for (i = 0; i < plan->len; i++) {
        const struct plan_segment *s = &plan->v[i];
        struct segment_scan scan;
        bool damaged;
        enum co_err err = recover_look(dir_fd, s, &scan, &damaged, diag);

        if (err) return err;
        report_segment(report, s, &scan, damaged);
    }
    report_tail(report, plan);
    if (!report->damaged_segments) return CO_OK;
    return co_fail(
        diag, CO_DAMAGED,
        "the journal is damaged: %s/%s at offset %llu (%llu valid records "
        "before, %llu after it in this file; %llu damaged files, %llu bad "
        "places). Nothing was changed. Next: `" CO_PROGRAM
        " journal repair DIR`, which keeps every valid record and the "
        "damaged files",
        dir, folder_segment_file(report->damaged, file),
        (unsigned long long)report->damage_offset,
        (unsigned long long)report->valid_before,
        (unsigned long long)report->valid_after,
        (unsigned long long)report->damaged_segments,
        (unsigned long long)report->bad_stretches);
}

enum co_err
journal_recover(const char *dir, uint32_t below, struct adoption *ret,
                struct journal_report *report, struct co_diag *diag)
{
    struct plan plan = {0};
    int dir_fd = -1;
    enum co_err err = folder_open(dir, &dir_fd, diag);

    *report = (struct journal_report){0};
    if (err) return err;
    err = plan_load(dir_fd, below, &plan, diag);
    if (!err) err = recover_check(dir, dir_fd, &plan, report, diag);
    if (!err && ret) err = plan_adoption(&plan, ret);
    plan_fini(&plan);
    folder_close(&dir_fd);
    return err;
}

enum co_err
journal_check(const char *dir, struct journal_report *report,
              struct co_diag *diag)
{
    return journal_recover(dir, 0, NULL, report, diag);
}
