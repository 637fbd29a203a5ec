/* plan.c - see plan.h. From the newest file backwards, until an OWNER record
 * says what came before. Only the segments passed on that way are scanned:
 * normally one. */
#include "journal/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One file, opened and scanned. */
struct look {
    struct segment_header header;
    struct segment_scan scan;
    struct adoption older; /* from its newest OWNER record */
    bool has_owner_record;
    bool header_bad;
};

void
plan_fini(struct plan *plan)
{
    free(plan->v);
    *plan = (struct plan){0};
}

static enum co_err
plan_add(struct plan *plan, const struct plan_segment *segment)
{
    if (plan->len == plan->cap) {
        size_t cap = plan->cap ? plan->cap * 2 : 16;
        struct plan_segment *v = realloc(plan->v, cap * sizeof *v);

        if (!v) return CO_NOMEM;
        plan->v = v;
        plan->cap = cap;
    }
    plan->v[plan->len++] = *segment;
    return CO_OK;
}

/* CO_TORN: shorter than a header, or no header and nothing behind it; the
 * owner died while it made the file. */
static enum co_err
look_header(struct segment_source *src, struct segment_name name,
            struct segment_header *ret, bool *ret_bad, struct co_diag *diag)
{
    uint8_t block[SEGMENT_HEADER_BYTES];
    char file[FOLDER_NAME_SIZE];
    const uint8_t *raw;
    enum co_err err;

    if (src->size < sizeof block) return CO_TORN;
    err = segment_source_get(src, 0, sizeof block, &raw);
    if (err) return err;
    memcpy(block, raw, sizeof block);
    err = segment_header_decode(block, sizeof block, ret);
    *ret_bad = false;
    if (err == CO_DAMAGED) {
        err = segment_header_correct(block, ret);
        *ret_bad = !err;
        if (err && src->size == sizeof block) return CO_TORN;
    }
    if (!err && segment_name_compare(ret->name, name) != 0) err = CO_DAMAGED;
    folder_segment_file(name, file);
    if (err == CO_VERSION) {
        return co_fail(diag, err,
                       "journal segment %s was written by a newer version of "
                       "this program; use that one",
                       file);
    }
    if (err) {
        return co_fail(diag, err,
                       "journal segment %s: its first 64 bytes (the header) "
                       "are damaged at offset 0, or the file was renamed. "
                       "Restore the file from a copy; its records cannot be "
                       "read without",
                       file);
    }
    return CO_OK;
}

static enum co_err
look_owner_record(struct segment_source *src, struct look *look)
{
    struct record record;
    enum co_err err;

    if (!look->scan.last_owner) return CO_OK;
    err = segment_record(src, segment_crc_seed(look->header.id),
                         look->scan.last_owner, src->size, &record);
    if (!err) {
        err = adoption_decode(record.content, record.length, &look->older);
    }
    look->has_owner_record = !err;
    return err == CO_DAMAGED ? CO_OK : err;
}

static enum co_err
look_at(int dir_fd, struct segment_name name, bool sealed, struct look *ret,
        struct co_diag *diag)
{
    struct segment_source src = {.fd = -1};
    int fd;
    enum co_err err = folder_open_segment(dir_fd, name, O_RDONLY, &fd, diag);

    if (err) return err;
    *ret = (struct look){0};
    err = segment_source_file(&src, fd);
    if (!err) {
        err = look_header(&src, name, &ret->header, &ret->header_bad, diag);
    }
    if (!err) {
        err = segment_scan(&src, ret->header.id, src.size, sealed, &ret->scan);
    }
    if (!err) err = look_owner_record(&src, ret);
    segment_source_fini(&src);
    (void)close(fd);
    return err;
}

/* What the newest OWNER record lists goes in front, as sealed segments. */
static enum co_err
plan_listed(int dir_fd, const struct adoption *files,
            const struct adoption *older, struct plan *plan,
            struct co_diag *diag)
{
    size_t i;

    for (i = 0; i < older->len; i++) {
        const struct adopted *a = &older->v[i];
        struct plan_segment segment = {
            .header = {plan->job, a->name, a->id},
            .bytes = a->bytes,
            .sealed = true,
            .missing = adoption_find(files, a->name) == NULL,
        };
        struct segment_source src = {.fd = -1};
        struct segment_header header;
        enum co_err err = CO_OK;
        int fd;

        if (!segment.missing) {
            err = folder_open_segment(dir_fd, a->name, O_RDONLY, &fd, diag);
            if (err) return err;
            err = segment_source_file(&src, fd);
            /* The list knows the id: the header itself may be in shreds. */
            if (!err && (look_header(&src, a->name, &header,
                                     &segment.header_bad, NULL) != CO_OK ||
                         header.id != a->id)) {
                segment.header_bad = true;
            }
            segment_source_fini(&src);
            (void)close(fd);
        }
        if (!err) err = plan_add(plan, &segment);
        if (err) return err;
    }
    return CO_OK;
}

static enum co_err
plan_check_job(struct plan *plan, const struct look *look, struct co_diag *diag)
{
    char file[FOLDER_NAME_SIZE];

    if (plan->job && plan->job != look->header.job) {
        return co_fail(diag, CO_DAMAGED,
                       "journal segment %s belongs to another job than the "
                       "rest: files of two runs are mixed in this folder",
                       folder_segment_file(look->header.name, file));
    }
    plan->job = look->header.job;
    return CO_OK;
}

static void
plan_reverse(struct plan *plan, size_t from)
{
    size_t a = from;
    size_t b = plan->len;

    while (a + 1 < b) {
        struct plan_segment t = plan->v[a];

        plan->v[a++] = plan->v[--b];
        plan->v[b] = t;
    }
}

/* Takes one file of the backwards walk into the plan. *ret_done: it had an
 * OWNER record, which says all about what is in front. */
static enum co_err
plan_walk(int dir_fd, const struct adoption *files, struct segment_name name,
          struct plan *plan, struct adoption *older, bool *ret_done,
          struct co_diag *diag)
{
    struct look look;
    struct plan_segment segment;
    /* The owner went on to a later file, so it had synced this one; or a
     * later owner without OWNER records took it over as it is. */
    bool last = plan->len == 0;
    bool sealed =
        !last && plan->v[plan->len - 1].header.name.owner == name.owner;
    enum co_err err = look_at(dir_fd, name, sealed, &look, diag);

    *ret_done = false;
    if (err == CO_TORN) return CO_OK;
    if (err) return err;
    /* A claim, or a roll cut short: no record ever counted here. */
    if (look.scan.records == 0 && look.scan.verdict != SEGMENT_DAMAGED) {
        return CO_OK;
    }
    err = plan_check_job(plan, &look, diag);
    segment = (struct plan_segment){
        .header = look.header,
        .bytes = sealed ? adoption_find(files, name)->bytes : look.scan.tail,
        .sealed = sealed,
        .header_bad = look.header_bad,
    };
    if (!err) err = plan_add(plan, &segment);
    if (!err && last) {
        plan->newest_owner = name.owner;
        plan->tail = look.scan;
        plan->tail_size = adoption_find(files, name)->bytes;
    }
    *ret_done = look.has_owner_record;
    *older = look.older;
    return err;
}

static void
plan_ignored(struct plan *plan, const struct adoption *files, uint32_t below)
{
    size_t i, k;

    for (i = 0, k = 0; i < files->len; i++) {
        const struct adopted *f = &files->v[i];

        if (below && f->name.owner >= below) break;
        while (k < plan->len &&
               segment_name_compare(plan->v[k].header.name, f->name) < 0) {
            k++;
        }
        if (k == plan->len ||
            segment_name_compare(plan->v[k].header.name, f->name) != 0) {
            plan->ignored_segments++;
            plan->ignored_bytes += f->bytes;
        } else if (plan->v[k].header.name.owner < plan->newest_owner &&
                   f->bytes > plan->v[k].bytes) {
            plan->ignored_bytes += f->bytes - plan->v[k].bytes;
        }
    }
}

static enum co_err
plan_build(int dir_fd, const struct adoption *files, uint32_t below,
           struct plan *plan, struct co_diag *diag)
{
    struct adoption older = {0};
    bool done = false;
    size_t i = files->len;
    size_t walked;
    enum co_err err = CO_OK;

    if (files->len) plan->highest_owner = files->v[files->len - 1].name.owner;
    while (!err && !done && i-- > 0) {
        if (below && files->v[i].name.owner >= below) continue;
        err = plan_walk(dir_fd, files, files->v[i].name, plan, &older, &done,
                        diag);
    }
    /* Listed ones belong in front: put them behind, then turn both parts. */
    walked = plan->len;
    if (!err && done) {
        err = plan_listed(dir_fd, files, &older, plan, diag);
        plan_reverse(plan, walked);
    }
    plan_reverse(plan, 0);
    adoption_fini(&older);
    if (!err) plan_ignored(plan, files, below);
    return err;
}

enum co_err
plan_load(int dir_fd, uint32_t below, struct plan *ret, struct co_diag *diag)
{
    struct plan plan = {0};
    struct adoption files = {0};
    enum co_err err = folder_list(dir_fd, &files, diag);

    if (err) return err;
    err = plan_build(dir_fd, &files, below, &plan, diag);
    adoption_fini(&files);
    if (err) {
        plan_fini(&plan);
        return err;
    }
    *ret = plan;
    return CO_OK;
}

enum co_err
plan_adoption(const struct plan *plan, struct adoption *ret)
{
    struct adoption list = {0};
    size_t i;

    for (i = 0; i < plan->len; i++) {
        const struct plan_segment *s = &plan->v[i];
        enum co_err err = adoption_set(
            &list, (struct adopted){s->header.name, s->bytes, s->header.id});

        if (err) {
            adoption_fini(&list);
            return err;
        }
    }
    *ret = list;
    return CO_OK;
}
