/* jobfolder.c - see jobfolder.h. */
#include "coordinator/jobfolder.h"

#include "common/clock.h"
#include "common/fs.h"
#include "coordinator/letters.h"
#include "job/recipe.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 3 /* files that a message names */ };

static enum co_err
refuse_recipe(const struct jobfolder_wish *wish, const struct identity *there,
              struct co_diag *diag)
{
    struct recipe folder = {0};
    struct recipe job = {0};
    struct co_buf text;
    bool known;

    co_buf_init(&text, sizeof diag->text);
    known =
        !recipe_parse(there->recipe.data, there->recipe.len, &folder, NULL) &&
        !recipe_parse(wish->recipe, wish->recipe_len, &job, NULL);
    if (known) known = recipe_diff(&folder, &job, &text);
    (void)co_fail(diag, CO_MISMATCH,
                  "%s holds another corpus: %s. Choose another folder with "
                  "--out DIR, or ask for what the folder holds",
                  wish->dir,
                  known ? co_buf_text(&text) : "its recipe is not the same");
    co_buf_fini(&text);
    recipe_fini(&folder);
    recipe_fini(&job);
    return CO_MISMATCH;
}

/* Only more rows of the same recipe may follow on what stands there. */
static enum co_err
compare(const struct jobfolder_wish *wish, struct jobfolder *f,
        struct co_diag *diag)
{
    const struct identity *there = &f->identity;

    if (there->recipe_hash != wish->recipe_hash) {
        return refuse_recipe(wish, there, diag);
    }
    if (there->shard_rows != wish->shard_rows) {
        return co_fail(diag, CO_MISMATCH,
                       "%s was begun with shard_rows %u, the job says %u: "
                       "shards cannot be cut anew. Choose another folder, or "
                       "set shard_rows to %u",
                       wish->dir, there->shard_rows, wish->shard_rows,
                       there->shard_rows);
    }
    if (there->rows > wish->rows) {
        return co_fail(diag, CO_MISMATCH,
                       "%s was begun with rows %llu, the job says %llu: rows "
                       "are not taken away. Ask for %llu or more, or choose "
                       "another folder",
                       wish->dir, (unsigned long long)there->rows,
                       (unsigned long long)wish->rows,
                       (unsigned long long)there->rows);
    }
    if (there->rows < wish->rows) {
        f->state = JOBFOLDER_EXTEND;
    } else {
        f->state = !there->done             ? JOBFOLDER_RESUME
                   : letters_wanted(f->dir) ? JOBFOLDER_REPLAY
                                            : JOBFOLDER_FINISHED;
    }
    return CO_OK;
}

static enum co_err
identity_wanted(const struct jobfolder_wish *wish, struct identity *id)
{
    if (!id->found) id->job = wish->job ? wish->job : co_random_u64();
    id->rows = wish->rows;
    id->shard_rows = wish->shard_rows;
    id->recipe_hash = wish->recipe_hash;
    (void)snprintf(id->kind, sizeof id->kind, "%s", wish->kind);
    (void)snprintf(id->name, sizeof id->name, "%s", wish->name);
    co_buf_clear(&id->recipe);
    co_buf_append(&id->recipe, wish->recipe, wish->recipe_len);
    return id->recipe.err;
}

static enum co_err
folder_paths(const char *dir, struct jobfolder *f, struct co_diag *diag)
{
    char *real;
    enum co_err err = co_fs_mkdirs(dir, diag);

    if (err) return err;
    real = realpath(dir, NULL);
    if (!real || strlen(real) >= sizeof f->dir) {
        free(real);
        return co_fail(diag, CO_RANGE, "%s: the path cannot be resolved", dir);
    }
    memcpy(f->dir, real, strlen(real) + 1);
    free(real);
    (void)snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
    return CO_OK;
}

/* Whether a run would write over this file: a shard, or what it puts beside
 * them at its end. (job.yaml is no sign: a daemon lays it down beforehand.) */
static bool
would_overwrite(const char *name)
{
    static const char *const ends[] = {"MANIFEST.json", "README.md",
                                       "report.json"};
    static const char shard[] = "part-", end[] = ".jsonl.zst";
    size_t len = strlen(name);

    for (size_t i = 0; i < co_countof(ends); i++) {
        if (strcmp(name, ends[i]) == 0) return true;
    }
    return strncmp(name, shard, sizeof shard - 1) == 0 && len >= sizeof end &&
           strcmp(name + len - (sizeof end - 1), end) == 0;
}

/* The names of what would be lost, "" when that is nothing. */
static void
files_in(const char *dir, char *names, size_t size)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    unsigned n = 0;

    names[0] = '\0';
    while (d && n < NAMED_MAX && (entry = readdir(d))) {
        size_t used = strlen(names);

        if (!would_overwrite(entry->d_name)) continue;
        (void)snprintf(names + used, size - used, "%s%s", n++ ? ", " : "",
                       entry->d_name);
    }
    if (d) (void)closedir(d);
}

/* Shards whose journal is gone cannot be continued, only overwritten; a
 * README.md that no run wrote is somebody's own. */
static enum co_err
refuse_files(const struct jobfolder *f, struct co_diag *diag)
{
    char names[NAMED_MAX * (NAME_MAX + 3)];

    files_in(f->dir, names, sizeof names);
    if (!names[0]) return CO_OK;
    return co_fail(diag, CO_MISMATCH,
                   "%s holds %s but no journal of a run: that would be "
                   "overwritten. Choose another folder with --out DIR, or "
                   "move it away (`" CO_PROGRAM " gc --journals-age` removes "
                   "journals, and what they are for)",
                   f->dir, names);
}

enum co_err
jobfolder_open(const struct jobfolder_wish *wish, struct jobfolder *ret_folder,
               struct co_diag *diag)
{
    struct jobfolder f = {.lock_fd = -1};
    enum co_err err = folder_paths(wish->dir, &f, diag);

    if (!err) err = co_fs_lock(f.dir, &f.lock_fd, diag);
    if (!err) err = identity_read(f.journal_dir, &f.identity, diag);
    if (!err) {
        err =
            f.identity.found ? compare(wish, &f, diag) : refuse_files(&f, diag);
    }
    if (!err) {
        err = identity_wanted(wish, &f.identity);
        if (err) (void)co_fail(diag, err, "out of memory");
    }
    if (err) {
        jobfolder_close(&f);
        return err;
    }
    *ret_folder = f;
    return CO_OK;
}

void
jobfolder_close(struct jobfolder *f)
{
    co_fs_closep(&f->lock_fd);
    identity_fini(&f->identity);
}
