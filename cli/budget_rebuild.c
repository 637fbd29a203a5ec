/* budget_rebuild.c - see budget_rebuild.h. */
#include "cli/budget_rebuild.h"

#include "common/clock.h"
#include "job/purse_note.h"
#include "journal/reader.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DAYS_MAX = 4096,  /* that one run spent money on */
    PIECE_JOBS = 100, /* told in one script */
    NUMBER_BYTES = 24,
};

void
budget_jobs_fini(struct budget_jobs *jobs)
{
    free(jobs->v);
    jobs->v = NULL;
}

/* ---- the ledger ---- */

enum co_err
budget_today(struct source *source, uint32_t *ret_day, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    const char *argv[] = {"TIME", NULL};
    enum co_err err = source_call(source, argv, &reply, diag);

    if (err) return err;
    if (reply->type != CO_REDIS_ARRAY || reply->count != 2 ||
        reply->elements[0].type != CO_REDIS_TEXT) {
        return co_fail(diag, CO_PROTOCOL, "%s: TIME answered something else",
                       source->shown);
    }
    *ret_day = (uint32_t)(strtoull(reply->elements[0].text, NULL, 10) / 86400);
    return CO_OK;
}

uint64_t
budget_new_id(uint64_t above)
{
    uint64_t id = (uint64_t)co_clock_wall_ms() << 16;

    return id > above ? id : above + 1;
}

/* Runs a script whose answer is a number. */
static enum co_err
evaluate(struct source *source, const char *const *argv, int64_t *ret,
         struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    enum co_err err = source_call(source, argv, &reply, diag);

    if (err) return err;
    if (reply->type != CO_REDIS_INT) {
        return co_fail(diag, CO_PROTOCOL,
                       "%s: the ledger's script answered "
                       "something else",
                       source->shown);
    }
    *ret = reply->integer;
    return CO_OK;
}

struct keys {
    char total[CO_KEY_BYTES], day[CO_KEY_BYTES], members[CO_KEY_BYTES];
};

static void
make_keys(const struct source *source, uint32_t day, struct keys *ret)
{
    char text[BUDGET_DAY_BYTES];

    (void)co_key(CO_KEY_CAPS, source->name_space, BUDGET_TOTAL, ret->total);
    (void)co_key(CO_KEY_CAPS, source->name_space, BUDGET_MEMBERS, ret->members);
    (void)co_key(CO_KEY_CAPS, source->name_space, budget_day_text(day, text),
                 ret->day);
}

enum co_err
budget_set(struct source *source, const char *day, const char *total,
           const char *id, int64_t *ret_result, struct co_diag *diag)
{
    struct keys keys;
    uint32_t today;
    enum co_err err = budget_today(source, &today, diag);
    const char *argv[] = {
        "EVAL", budget_script_set, "2", keys.total, keys.day, day, total, id,
        NULL};

    if (err) return err;
    make_keys(source, today, &keys);
    return evaluate(source, argv, ret_result, diag);
}

static enum co_err
close_ledger(struct source *source, struct budget_jobs *jobs,
             struct co_diag *diag)
{
    char id[CO_HEX16_SIZE], day[NUMBER_BYTES], ttl[NUMBER_BYTES];
    struct keys keys;
    int64_t answered;
    enum co_err err;
    const char *argv[] = {"EVAL",   budget_script_close,
                          "3",      keys.total,
                          keys.day, keys.members,
                          id,       day,
                          ttl,      NULL};

    (void)co_hex16(jobs->id, id);
    (void)snprintf(day, sizeof day, "%" PRIu32, jobs->day);
    (void)snprintf(ttl, sizeof ttl, "%d", (int)BUDGET_DAY_TTL_S);
    make_keys(source, jobs->day, &keys);
    err = evaluate(source, argv, &answered, diag);
    if (err) return err;
    return answered == jobs->day
               ? CO_OK
               : co_fail(diag, CO_STATE, "the day has just changed: once more");
}

enum co_err
budget_stop(struct source *source, bool caps, struct budget_jobs *jobs,
            struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *total = NULL;
    enum co_err err =
        source_hash(source, CO_KEY_CAPS, BUDGET_TOTAL, &total, diag);
    uint64_t old = 0;

    if (err) return err;
    if (total->count == 0 && !caps) {
        return co_fail(diag, CO_USAGE,
                       "%s has no ledger, and the caps were in it: give --day "
                       "USD and --total USD again (or none)",
                       source->shown);
    }
    if (!co_hex16_parse(co_redis_field(total, "id"), &old)) old = 0;
    jobs->id = budget_new_id(old);
    err = budget_today(source, &jobs->day, diag);
    return err ? err : close_ledger(source, jobs, diag);
}

static enum co_err
tell_piece(struct source *source, const struct budget_jobs *jobs, size_t from,
           size_t count, bool last, struct co_diag *diag)
{
    char id[CO_HEX16_SIZE], day[NUMBER_BYTES];
    char texts[PIECE_JOBS][3][NUMBER_BYTES];
    const char *argv[9 + 3 * PIECE_JOBS] = {"EVAL", budget_script_rebuild, "2"};
    struct keys keys;
    size_t n = 3;
    int64_t result;
    enum co_err err;

    make_keys(source, jobs->day, &keys);
    argv[n++] = keys.total;
    argv[n++] = keys.day;
    argv[n++] = co_hex16(jobs->id, id);
    (void)snprintf(day, sizeof day, "%" PRIu32, jobs->day);
    argv[n++] = day;
    argv[n++] = last ? "last" : "more";
    for (size_t i = 0; i < count; i++) {
        const struct budget_job *job = &jobs->v[from + i];

        argv[n++] = co_hex16(job->job, texts[i][0]);
        (void)snprintf(texts[i][1], NUMBER_BYTES, "%" PRId64, job->total);
        (void)snprintf(texts[i][2], NUMBER_BYTES, "%" PRId64, job->today);
        argv[n++] = texts[i][1];
        argv[n++] = texts[i][2];
    }
    argv[n] = NULL;
    err = evaluate(source, argv, &result, diag);
    if (err || result == 1) return err;
    return co_fail(diag, CO_STATE,
                   "another rebuild has begun meanwhile, or the day has "
                   "passed: nothing is granted until one ends; once more");
}

enum co_err
budget_tell(struct source *source, const struct budget_jobs *jobs,
            struct co_diag *diag)
{
    size_t from = 0;
    enum co_err err;

    do {
        size_t left = jobs->n - from;
        size_t count = left < PIECE_JOBS ? left : PIECE_JOBS;

        err = tell_piece(source, jobs, from, count, count == left, diag);
        from += count;
    } while (!err && from < jobs->n);
    return err;
}

/* ---- journals ---- */

/* The last word of a run about each day. */
struct days {
    struct purse_note v[DAYS_MAX];
    size_t n;
};

static enum co_err
note_day(struct days *days, const struct record *record, const char *dir,
         struct co_diag *diag)
{
    struct purse_note note;
    size_t i = 0;

    if (!purse_note_is(record->content, record->length)) return CO_OK;
    if (purse_note_get(record->content, record->length, &note)) {
        return co_fail(diag, CO_VERSION,
                       "%s: a note about money is of another version; rebuild "
                       "with the version that wrote it",
                       dir);
    }
    while (i < days->n && days->v[i].day != note.day) {
        i++;
    }
    if (i == DAYS_MAX) {
        return co_fail(diag, CO_FULL, "%s: money of more than %d days", dir,
                       DAYS_MAX);
    }
    days->v[i] = note;
    if (i == days->n) days->n++;
    return CO_OK;
}

static enum co_err
read_days(struct reader *reader, const char *dir, struct days *days,
          struct co_diag *diag)
{
    struct record record;
    enum co_err err;

    do {
        err = reader_next(reader, &record, NULL, diag);
        if (!err && record.type == RECORD_NOTE) {
            err = note_day(days, &record, dir, diag);
        }
    } while (!err);
    return err == CO_NOTFOUND ? CO_OK : err; /* the end */
}

/* The job's entry, made if there is none. NULL: no memory. */
static struct budget_job *
job_of(struct budget_jobs *jobs, uint64_t job)
{
    struct budget_job *v;

    for (size_t i = 0; i < jobs->n; i++) {
        if (jobs->v[i].job == job) return &jobs->v[i];
    }
    v = realloc(jobs->v, (jobs->n + 1) * sizeof *jobs->v);
    if (!v) return NULL;
    jobs->v = v;
    v[jobs->n] = (struct budget_job){.job = job};
    return &v[jobs->n++];
}

/* A job counts once, however often its folder or a copy of it is given: by the
 * one that says the most. */
static enum co_err
add_job(struct budget_jobs *jobs, uint64_t job, const struct days *days,
        struct co_diag *diag)
{
    struct budget_job sum = {.job = job}, *entry;

    for (size_t i = 0; i < days->n; i++) {
        if (__builtin_add_overflow(sum.total, days->v[i].have, &sum.total)) {
            return co_fail(diag, CO_DAMAGED, "a run's money has no bounds");
        }
        if (days->v[i].day == jobs->day) sum.today = days->v[i].have;
    }
    entry = job_of(jobs, job);
    if (!entry) return co_fail(diag, CO_NOMEM, "out of memory");
    if (sum.total < entry->total) sum.total = entry->total;
    if (sum.today < entry->today) sum.today = entry->today;
    if (__builtin_add_overflow(jobs->total, sum.total - entry->total,
                               &jobs->total)) {
        return co_fail(diag, CO_DAMAGED, "the runs' money has no bounds");
    }
    jobs->today += sum.today - entry->today;
    *entry = sum;
    return CO_OK;
}

static const char *
journal_of(const char *dir, char path[PATH_MAX])
{
    struct stat st;

    if ((size_t)snprintf(path, PATH_MAX, "%s/journal", dir) >= PATH_MAX) {
        return NULL;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return path;
    (void)snprintf(path, PATH_MAX, "%s", dir);
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? path : NULL;
}

static enum co_err
open_journal(const char *dir, struct reader **ret, struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    char path[PATH_MAX];

    if (!journal_of(dir, path) || reader_open(path, 0, &reader, diag) ||
        !reader_plan(reader)->job) {
        return co_fail(diag, CO_NOTFOUND,
                       "%s: no journal that tells what this run spent; leave "
                       "it out only if that is nothing",
                       dir);
    }
    *ret = co_take(&reader);
    return CO_OK;
}

enum co_err
budget_look(const char *dir, struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;

    return open_journal(dir, &reader, diag);
}

enum co_err
budget_read(const char *dir, struct budget_jobs *jobs, struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct days *days;
    enum co_err err = open_journal(dir, &reader, diag);

    if (err) return err;
    days = calloc(1, sizeof *days);
    if (!days) return co_fail(diag, CO_NOMEM, "out of memory");
    err = read_days(reader, dir, days, diag);
    if (!err) err = add_job(jobs, reader_plan(reader)->job, days, diag);
    free(days);
    return err;
}
