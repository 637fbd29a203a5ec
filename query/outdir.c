/* outdir.c - see outdir.h. */
#include "query/outdir.h"

#include "common/fs.h"
#include "common/hash.h"
#include "query/value.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT = 1,
    MANIFEST_BYTES_MAX = 1 << 30, /* as many as the coordinator writes */
    RUN_BYTES_MAX = 1 << 20,
    READ_ROOM = 1 << 20, /* for the last read */
    NUMBER_DIGITS_MAX = 12,
};

static const char prefix[] = "part-";
static const char suffix[] = ".jsonl.zst";

bool
outdir_shard_number(const char *file, uint64_t *ret_number)
{
    const char *p = file + sizeof prefix - 1;
    uint64_t n = 0;
    size_t digits = 0;

    if (strncmp(file, prefix, sizeof prefix - 1) != 0) return false;
    for (; p[digits] >= '0' && p[digits] <= '9'; digits++) {
        if (digits == NUMBER_DIGITS_MAX) return false;
        n = 10 * n + (uint64_t)(p[digits] - '0');
    }
    /* One spelling only: five digits, more where they are needed. */
    if (digits < 5 || (digits > 5 && p[0] == '0')) return false;
    if (strcmp(p + digits, suffix) != 0) return false;
    *ret_number = n;
    return true;
}

static enum co_err
add(struct outdir *o, const struct outdir_shard *shard, struct co_diag *diag)
{
    if (o->count == OUTDIR_SHARDS_MAX) {
        return co_fail(diag, CO_FULL, "%s: more than %d files of rows", o->dir,
                       OUTDIR_SHARDS_MAX);
    }
    if ((o->count & (o->count - 1)) == 0) { /* full at 0, 1, 2, 4 ... */
        size_t cap = o->count ? 2 * o->count : 1;
        struct outdir_shard *more = realloc(o->shards, cap * sizeof *more);

        if (!more) return co_fail(diag, CO_NOMEM, "out of memory");
        o->shards = more;
    }
    o->shards[o->count++] = *shard;
    return CO_OK;
}

/* ---- what lies there ---- */

static int
by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct outdir_shard *)a)->number;
    uint64_t y = ((const struct outdir_shard *)b)->number;

    return (x > y) - (x < y);
}

static enum co_err
add_file(struct outdir *o, int fd, const char *name, struct co_diag *diag)
{
    struct outdir_shard shard = {.listed = false};
    struct stat st;

    if (!outdir_shard_number(name, &shard.number)) return CO_OK;
    if (fstatat(fd, name, &st, 0) || !S_ISREG(st.st_mode)) {
        return co_fail(diag, CO_DAMAGED, "%s/%s is no file that can be read",
                       o->dir, name);
    }
    shard.bytes = (uint64_t)st.st_size;
    /* its shape was checked: a short name */
    (void)snprintf(shard.file, sizeof shard.file, "%.*s",
                   (int)sizeof shard.file - 1, name);
    return add(o, &shard, diag);
}

static enum co_err
list_files(struct outdir *o, struct co_diag *diag)
{
    DIR *d = opendir(o->dir);
    struct dirent *entry;
    enum co_err err = CO_OK;

    if (!d) {
        int error = errno;

        return co_fail(diag, error == EACCES ? CO_DENIED : CO_USAGE,
                       "%s cannot be opened: %s. %s", o->dir, strerror(error),
                       error == EACCES ? "Runs make folders that only their "
                                         "user may read: chmod, or ask them"
                                       : "Give the output folder of a run");
    }
    while (!err && (entry = readdir(d))) {
        err = add_file(o, dirfd(d), entry->d_name, diag);
    }
    (void)closedir(d);
    if (!err && o->count) {
        qsort(o->shards, o->count, sizeof *o->shards, by_number);
    }
    return err;
}

/* ---- what MANIFEST.json says ---- */

static bool
member_u64(const struct scan_value *object, const char *name, uint64_t *ret)
{
    struct scan_value value = scan_member(object, name);

    return number_u64(&value, ret);
}

static bool
member_text(const struct scan_value *object, const char *name, char *to,
            size_t size)
{
    struct scan_value value = scan_member(object, name);

    if (value.type != SCAN_TEXT || value.len - 2 >= size) return false;
    memcpy(to, value.at + 1, value.len - 2);
    to[value.len - 2] = '\0';
    return true;
}

static bool
read_entry(const struct scan_value *entry, struct outdir_shard *ret)
{
    char hash[CO_HEX16_SIZE];

    return member_text(entry, "file", ret->file, sizeof ret->file) &&
           outdir_shard_number(ret->file, &ret->number) &&
           member_u64(entry, "rows", &ret->rows) &&
           member_u64(entry, "bytes", &ret->bytes) &&
           member_u64(entry, "raw_bytes", &ret->raw_bytes) &&
           member_text(entry, "xxh3_64", hash, sizeof hash) &&
           co_hex16_parse(hash, &ret->hash);
}

/* The file of an entry as it lies there. */
static struct outdir_shard *
file_of(struct outdir *o, const struct outdir_shard *entry)
{
    return o->count ? bsearch(entry, o->shards, o->count, sizeof *o->shards,
                              by_number)
                    : NULL;
}

static enum co_err
compare(struct outdir *o, const struct outdir_shard *entry,
        struct co_diag *diag)
{
    struct outdir_shard *file = file_of(o, entry);

    if (!file) {
        return co_fail(diag, CO_DAMAGED,
                       "%s/%s is missing, though MANIFEST.json names it: get "
                       "it back from a copy, or make the corpus again",
                       o->dir, entry->file);
    }
    if (file->bytes != entry->bytes) {
        return co_fail(diag, CO_DAMAGED,
                       "%s/%s has %llu bytes, MANIFEST.json says %llu: get it "
                       "back from a copy, or make the corpus again",
                       o->dir, entry->file, (unsigned long long)file->bytes,
                       (unsigned long long)entry->bytes);
    }
    *file = *entry;
    file->listed = true;
    o->rows += entry->rows;
    o->raw_bytes += entry->raw_bytes;
    return CO_OK;
}

static enum co_err
bad_manifest(const struct outdir *o, const char *what, struct co_diag *diag)
{
    return co_fail(diag, CO_DAMAGED,
                   "%s/MANIFEST.json: %s; run the same job again to have it "
                   "written anew",
                   o->dir, what);
}

/* *ret_listed entries agree with their files. */
static enum co_err
read_shards(struct outdir *o, const struct scan_value *manifest,
            size_t *ret_listed, struct co_diag *diag)
{
    struct scan_value list = scan_member(manifest, "shards"), value;
    struct scan_walk walk;
    enum co_err err = CO_OK;

    if (list.type != SCAN_ARRAY) return bad_manifest(o, "no shards", diag);
    *ret_listed = 0;
    scan_begin(&walk, &list);
    while (!err && scan_next(&walk, &value)) {
        struct outdir_shard entry = {.number = 0};

        if (!read_entry(&value, &entry)) {
            return bad_manifest(o, "an entry of shards is not complete", diag);
        }
        err = compare(o, &entry, diag);
        ++*ret_listed;
    }
    return err;
}

static enum co_err
read_manifest(struct outdir *o, const struct co_buf *text, size_t *ret_listed,
              struct co_diag *diag)
{
    struct scan_value manifest;
    uint64_t format;

    if (scan_value_of((const char *)text->data, text->len, &manifest) ||
        !member_u64(&manifest, "format", &format)) {
        return bad_manifest(o, "not the JSON that was written", diag);
    }
    if (format != FORMAT) {
        return co_fail(diag, CO_VERSION,
                       "%s/MANIFEST.json has format %llu, this version knows "
                       "%d: use a newer " CO_PROGRAM,
                       o->dir, (unsigned long long)format, FORMAT);
    }
    return read_shards(o, &manifest, ret_listed, diag);
}

/* Whether run.json says that the last run ended with everything done: then
 * files and MANIFEST.json must agree. */
static bool
is_complete(const struct outdir *o)
{
    char path[PATH_MAX], state[16] = "";
    struct scan_value run;
    struct co_buf text;

    co_buf_init(&text, RUN_BYTES_MAX + READ_ROOM);
    (void)snprintf(path, sizeof path, "%s/run.json", o->dir);
    if (co_fs_read_file(path, RUN_BYTES_MAX, &text, NULL) == CO_OK &&
        scan_value_of((const char *)text.data, text.len, &run) == CO_OK) {
        (void)member_text(&run, "state", state, sizeof state);
    }
    co_buf_fini(&text);
    /* A folder that was copied without run.json holds a finished corpus. */
    return !state[0] || strcmp(state, "complete") == 0;
}

static void
forget_manifest(struct outdir *o)
{
    for (size_t i = 0; i < o->count; i++) {
        o->shards[i].listed = false;
    }
    o->rows = 0;
    o->raw_bytes = 0;
}

static enum co_err
take_manifest(struct outdir *o, struct co_diag *diag)
{
    char path[PATH_MAX];
    struct co_buf text;
    size_t listed = 0;
    enum co_err err;

    (void)snprintf(path, sizeof path, "%s/MANIFEST.json", o->dir);
    if (access(path, F_OK)) return CO_OK;
    co_buf_init(&text, (size_t)MANIFEST_BYTES_MAX + READ_ROOM);
    err = co_fs_read_file(path, MANIFEST_BYTES_MAX, &text, diag);
    if (!err) err = read_manifest(o, &text, &listed, diag);
    co_buf_fini(&text);
    if (err && err != CO_DAMAGED) return err;
    o->whole = !err && listed == o->count;
    if (o->whole) return CO_OK;
    if (!is_complete(o)) { /* more rows are being made, or were */
        forget_manifest(o);
        return CO_OK;
    }
    if (err) return err;
    return co_fail(diag, CO_DAMAGED,
                   "%s has %zu files of rows, MANIFEST.json names %zu: was "
                   "something copied into it?",
                   o->dir, o->count, listed);
}

/* A run that has sealed nothing yet, or a folder of something else. */
static enum co_err
without_rows(const struct outdir *o, struct co_diag *diag)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/run.json", o->dir);
    if (access(path, F_OK)) {
        return co_fail(diag, CO_USAGE,
                       "%s: no rows here (part-*.jsonl.zst). Give the output "
                       "folder of a run",
                       o->dir);
    }
    return co_fail(diag, CO_NOTFOUND,
                   "%s: no rows here yet: the first file is still being made. "
                   "`" CO_PROGRAM " status %s` tells how far it is",
                   o->dir, o->dir);
}

enum co_err
outdir_open(const char *dir, struct outdir **ret_outdir, struct co_diag *diag)
{
    co_auto(outdir_freep) struct outdir *o = calloc(1, sizeof *o);
    enum co_err err;

    if (o) o->dir = strdup(dir);
    if (!o || !o->dir) return co_fail(diag, CO_NOMEM, "out of memory");
    if (strlen(dir) > PATH_MAX - 64) {
        return co_fail(diag, CO_USAGE, "the folder's name is too long");
    }
    err = list_files(o, diag);
    if (!err) err = take_manifest(o, diag);
    if (err) return err;
    if (o->count == 0) return without_rows(o, diag);
    *ret_outdir = co_take(&o);
    return CO_OK;
}

void
outdir_free(struct outdir *o)
{
    if (!o) return;
    free(o->dir);
    free(o->shards);
    free(o);
}
