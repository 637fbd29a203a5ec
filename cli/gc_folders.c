/* gc_folders.c - what `cohort gc` finds on disk. See gc.h.
 * A run's folder is looked at under its lock, so that no owner is in it; what
 * is not a finished run there is left as it is: the same command goes on, and
 * cleans up by itself. A journal is renamed before it is removed: killed in
 * between, the folder has either all of it or none that counts. */
#include "cli/gc.h"
#include "cli/job_state.h"
#include "cli/registry.h"
#include "cli/rundir.h"
#include "common/fs.h"
#include "common/json.h"
#include "journal/reader.h"
#include "journal/recover.h"
#include "query/outdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVED "journal.removed"

enum { RUN_FILE_BYTES_MAX = 1 << 20, DAY_MS = 86400000, BLOCK_BYTES = 512 };

/* ---- sizes and times ---- */

/* Bytes that path and all below it take on disk; links count, not what they
 * point to. */
static uint64_t
tree_bytes(const char *path)
{
    char copy[PATH_MAX];
    char *paths[] = {copy, NULL};
    FTS *tree;
    FTSENT *entry;
    uint64_t bytes = 0;

    (void)snprintf(copy, sizeof copy, "%s", path);
    tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    while (tree && (entry = fts_read(tree))) {
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS) continue;
        if (!entry->fts_statp) continue;
        bytes += (uint64_t)entry->fts_statp->st_blocks * BLOCK_BYTES;
    }
    if (tree) (void)fts_close(tree);
    return bytes;
}

static int64_t
changed_ms(const struct stat *st)
{
    return st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static unsigned long long
days(const struct gc *gc, int64_t at_ms)
{
    return (unsigned long long)(gc->now_ms - at_ms) / DAY_MS;
}

static void
remove_tree(struct gc *gc, const char *what, const char *path)
{
    struct co_diag diag = {""};

    if (co_fs_remove_tree(path, &diag)) gc_failed(gc, what, &diag);
}

/* ---- this machine ---- */

/* Folders of sockets whose command was killed: their lock is free. */
static void
sweep_rundirs(struct gc *gc, const char *base)
{
    DIR *dir = opendir(base);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char path[PATH_MAX];
        int lock = -1;

        if ((size_t)snprintf(path, sizeof path, "%s/%s", base, entry->d_name) >=
                sizeof path ||
            !rundir_is_left(path, gc->now_ms, gc->ages.stale_ms, &lock)) {
            continue;
        }
        if (gc_take(gc, GC_DISK, "sockets", tree_bytes(path),
                    "%s: its command is gone", path)) {
            remove_tree(gc, "sockets", path);
        }
        co_fs_closep(&lock);
    }
    if (dir) (void)closedir(dir);
}

static void
sweep_registry(struct gc *gc)
{
    char folder[REGISTRY_TEXT];
    DIR *dir;
    struct dirent *entry;

    registry_folder(folder, sizeof folder);
    dir = folder[0] ? opendir(folder) : NULL;
    while (dir && (entry = readdir(dir))) {
        struct registry_entry e;

        if (!registry_load(folder, entry->d_name, &e) ||
            access(e.out, F_OK) == 0 || errno != ENOENT) {
            continue;
        }
        if (gc_take(gc, GC_DISK, "entry", 0, "%s/%s: the folder %s is gone",
                    folder, entry->d_name, e.out) &&
            unlinkat(dirfd(dir), entry->d_name, 0)) {
            struct co_diag diag = {""};

            (void)co_fail(&diag, CO_IO, "cannot remove %s/%s: %s", folder,
                          entry->d_name, strerror(errno));
            gc_failed(gc, "entry", &diag);
        }
    }
    if (dir) (void)closedir(dir);
}

void
gc_machine(struct gc *gc)
{
    sweep_rundirs(gc, rundir_base());
    sweep_registry(gc);
}

/* ---- one run ---- */

struct run {
    char dir[PATH_MAX];
    struct job_state state;
    int64_t ended_ms;
};

static const char *
in_run(const struct run *r, const char *name, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 300, r->dir, name);
    return path;
}

static bool
is_there(const struct run *r, const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    return lstat(in_run(r, name, path), &st) == 0;
}

static int64_t
ended_ms(const struct run *r)
{
    char path[PATH_MAX];
    json_t *o;
    int64_t at = 0;

    if (co_json_load_file(in_run(r, "run.json", path), RUN_FILE_BYTES_MAX, &o,
                          NULL)) {
        return 0;
    }
    at = json_integer_value(json_object_get(o, "ended_ms"));
    json_decref(o);
    return at;
}

/* Does the journal itself say that the job is over? run.json is only a cache.
 * CO_STATE: it does not. */
static enum co_err
journal_says_done(const char *dir, struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct journal_report report = {0};
    bool done = false;
    enum co_err err = journal_check(dir, &report, diag);

    if (!err) err = reader_open(dir, 0, &reader, diag);
    while (!err) {
        struct record r;

        err = reader_next(reader, &r, NULL, diag);
        if (!err && r.type == RECORD_JOB) done = false;
        if (!err && r.type == RECORD_DONE) done = true;
    }
    if (err != CO_NOTFOUND) return err;
    return done ? CO_OK : co_fail(diag, CO_STATE, "it does not end with DONE");
}

/* All files of MANIFEST.json are there, and it stands for all that is here. */
static enum co_err
corpus_is_whole(const struct run *r, struct co_diag *diag)
{
    co_auto(outdir_freep) struct outdir *out = NULL;
    enum co_err err = outdir_open(r->dir, &out, diag);

    if (err) return err;
    return out->whole ? CO_OK
                      : co_fail(diag, CO_STATE,
                                "MANIFEST.json is missing or "
                                "of another time");
}

/* Renames the journal, so that no part of it can be taken for all of it. */
static bool
retire_journal(struct gc *gc, const struct run *r)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct co_diag diag = {""};

    if (rename(in_run(r, "journal", from), in_run(r, REMOVED, to))) {
        (void)co_fail(&diag, CO_IO, "cannot rename %s: %s", from,
                      strerror(errno));
        gc_failed(gc, "journal", &diag);
        return false;
    }
    if (co_fs_sync_dir(r->dir, &diag)) {
        gc_failed(gc, "journal", &diag);
        return false;
    }
    return true;
}

static void
collect_journal(struct gc *gc, const struct run *r)
{
    char journal[PATH_MAX], removed[PATH_MAX];
    struct co_diag diag = {""};
    enum co_err err;

    if (!gc->ages.journals_ms || !is_there(r, "journal")) return;
    (void)in_run(r, "journal", journal);
    if (!r->ended_ms ||
        !gc_is_older(r->ended_ms, gc->now_ms, gc->ages.journals_ms)) {
        gc_keep(gc, "journal", "%s: finished %llu d ago", journal,
                r->ended_ms ? days(gc, r->ended_ms) : 0);
        return;
    }
    err = corpus_is_whole(r, &diag);
    if (!err) err = journal_says_done(journal, &diag);
    if (err) {
        gc_keep(gc, "journal", "%s: %s", journal, diag.text);
        return;
    }
    gc->journals = true;
    if (gc_take(gc, GC_DISK, "journal", tree_bytes(journal),
                "%s: finished %llu d ago", journal, days(gc, r->ended_ms)) &&
        retire_journal(gc, r)) {
        remove_tree(gc, "journal", in_run(r, REMOVED, removed));
    }
}

static bool
ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);

    return len > n && strcmp(name + len - n, end) == 0;
}

/* The names in the folder of a run that `wanted` wants, sorted; the caller
 * frees each and the list. Returns how many. */
static int
names_in(const struct run *r, int (*wanted)(const struct dirent *entry),
         struct dirent ***ret_names)
{
    int n = scandir(r->dir, ret_names, wanted, alphasort);

    if (n < 0) *ret_names = NULL;
    return n < 0 ? 0 : n;
}

/* What was cut off while it was written. */
static int
is_cut_off(const struct dirent *entry)
{
    const char *name = entry->d_name;
    bool ours = name[0] == '.' || strncmp(name, "part-", 5) == 0;

    return (ours && ends_with(name, ".tmp")) || strcmp(name, ".redis") == 0;
}

static int
serves_the_journal(const struct dirent *entry)
{
    return strcmp(entry->d_name, REMOVED) == 0 ||
           (strncmp(entry->d_name, "part-", 5) == 0 &&
            ends_with(entry->d_name, ".hashes"));
}

static void
collect_cut_off(struct gc *gc, const struct run *r)
{
    struct dirent **names;
    int n = names_in(r, is_cut_off, &names);

    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct stat st;

        if (lstat(in_run(r, names[i]->d_name, path), &st) == 0 &&
            gc_is_older(changed_ms(&st), gc->now_ms, gc->ages.stale_ms) &&
            gc_take(gc, GC_DISK, "file", tree_bytes(path),
                    "%s: left by a program that was killed", path)) {
            remove_tree(gc, "file", path);
        }
        free(names[i]);
    }
    free(names);
}

/* Hashes of rows, for finding duplicates of further rows; and what a killed gc
 * had begun to remove. */
static void
collect_journal_rest(struct gc *gc, const struct run *r)
{
    struct dirent **names;
    int n = names_in(r, serves_the_journal, &names);
    uint64_t bytes = 0;
    char path[PATH_MAX];
    bool now;

    for (int i = 0; i < n; i++) {
        bytes += tree_bytes(in_run(r, names[i]->d_name, path));
    }
    now = n && gc_take(gc, GC_DISK, "hashes", bytes,
                       "%s/part-*.hashes: %d file%s that only served the "
                       "journal",
                       r->dir, n, n == 1 ? "" : "s");
    for (int i = 0; i < n; i++) {
        if (now) remove_tree(gc, "hashes", in_run(r, names[i]->d_name, path));
        free(names[i]);
    }
    free(names);
}

/* Whether the journal goes, or is gone: said before it is, for a dry run. */
static void
collect_run(struct gc *gc, struct run *r)
{
    bool had = is_there(r, "journal");
    uint64_t failed = gc->failed, things = gc->things;
    bool gone;

    r->ended_ms = ended_ms(r);
    collect_journal(gc, r);
    gone = !had || (gc->things > things && gc->failed == failed);
    collect_cut_off(gc, r);
    if (gone) collect_journal_rest(gc, r);
}

/* The lock, without making its file in a dry run. */
static enum co_err
lock_run(const struct gc *gc, const struct run *r, int *ret_lock,
         struct co_diag *diag)
{
    if (gc->dry_run && !is_there(r, ".lock")) return CO_OK;
    return co_fs_lock(r->dir, ret_lock, diag);
}

static void
look_at_run(struct gc *gc, struct run *r)
{
    co_auto(co_fs_closep) int lock = -1;
    struct co_diag diag = {""};
    enum co_err err = lock_run(gc, r, &lock, &diag);

    if (!err) err = job_state_of_folder(r->dir, &r->state, &diag);
    if (err) {
        gc_keep(gc, "run", "%s: %s", r->dir, diag.text);
    } else if (strcmp(r->state.state, "complete") != 0) {
        gc_keep(gc, "run", "%s: %s, the same command goes on", r->dir,
                r->state.state);
    } else {
        collect_run(gc, r);
    }
}

enum co_err
gc_folder(struct gc *gc, const char *given, struct co_diag *diag)
{
    struct run r = {.ended_ms = 0};
    char top[PATH_MAX];
    struct dirent **names = NULL;
    struct stat st;
    int n, runs = 0;

    if (!realpath(given, r.dir)) {
        return co_fail(diag, CO_USAGE, "%s: there is no such folder", given);
    }
    if (stat(r.dir, &st) || !S_ISDIR(st.st_mode)) {
        return co_fail(diag, CO_USAGE,
                       "%s is a file; give the folder of a run, or one with "
                       "such folders in it",
                       given);
    }
    if (is_there(&r, "run.json")) {
        look_at_run(gc, &r);
        return CO_OK;
    }
    (void)snprintf(top, sizeof top, "%s", r.dir);
    n = scandir(top, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.' &&
            (size_t)snprintf(r.dir, sizeof r.dir, "%s/%s", top,
                             names[i]->d_name) < sizeof r.dir - 300 &&
            lstat(r.dir, &st) == 0 && S_ISDIR(st.st_mode) &&
            is_there(&r, "run.json")) {
            look_at_run(gc, &r);
            runs++;
        }
        free(names[i]);
    }
    free(names);
    /* Nothing yet is no mistake: a timer goes through a new folder too. */
    if (!runs) gc_keep(gc, "folder", "%s: no run in it", top);
    return CO_OK;
}
