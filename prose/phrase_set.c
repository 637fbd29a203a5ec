/* phrase_set.c - see phrase_set.h. */
#include "prose/phrase_set.h"

#include "common/fs.h"
#include "common/hash.h"
#include "common/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

struct phrase_set {
    struct phrase_file files[PHRASE_FILES_MAX];
    size_t count, bytes;
};

enum co_err
phrase_set_new(struct phrase_set **ret_set)
{
    struct phrase_set *set = calloc(1, sizeof *set);

    if (!set) return CO_NOMEM;
    *ret_set = set;
    return CO_OK;
}

void
phrase_set_free(struct phrase_set *set)
{
    if (!set) return;
    for (size_t i = 0; i < set->count; i++) {
        free(set->files[i].data);
    }
    free(set);
}

/* Names are keys of the recipe: two that JSON cannot tell apart would make
 * one that no worker reads. */
static bool
is_text(const char *name, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = co_utf8_bytes((const uint8_t *)name + i, len - i);
        if (n == 0 || (uint8_t)name[i] < 0x20 || name[i] == 0x7f) return false;
    }
    return true;
}

static enum co_err
check_name(const char *name, struct co_diag *diag)
{
    size_t len = strlen(name);

    if (len > 0 && len <= PHRASE_NAME_MAX && !strchr(name, '/') &&
        is_text(name, len)) {
        return CO_OK;
    }
    return co_fail(diag, CO_INVALID,
                   "phrases: \"%.80s\" is no name for a file of phrases: 1 to "
                   "%d bytes of UTF-8 without a slash and control characters",
                   name, PHRASE_NAME_MAX);
}

static enum co_err
check_room(const struct phrase_set *set, const char *name, size_t len,
           struct co_diag *diag)
{
    if (set->count == PHRASE_FILES_MAX) {
        return co_fail(diag, CO_FULL,
                       "phrases: %s would be file %d; at most %d are read",
                       name, PHRASE_FILES_MAX + 1, PHRASE_FILES_MAX);
    }
    if (len > PHRASE_FILE_BYTES || set->bytes + len > PHRASE_SET_BYTES) {
        return co_fail(diag, CO_FULL,
                       "phrases: %s is too large: a file may have %d KiB, all "
                       "together %d KiB",
                       name, PHRASE_FILE_BYTES >> 10, PHRASE_SET_BYTES >> 10);
    }
    return CO_OK;
}

enum co_err
phrase_set_add(struct phrase_set *set, const char *name, const char *data,
               size_t len, struct co_diag *diag)
{
    enum co_err err = check_name(name, diag);
    size_t at = 0;
    char *copy;

    if (!err) err = check_room(set, name, len, diag);
    if (err) return err;
    while (at < set->count && strcmp(set->files[at].name, name) < 0) {
        at++;
    }
    if (at < set->count && strcmp(set->files[at].name, name) == 0) {
        return co_fail(diag, CO_EXISTS,
                       "phrases: there is a %s already; give the file another "
                       "name, its lists are continued all the same",
                       name);
    }
    copy = malloc(len + 1);
    if (!copy) return co_fail(diag, CO_NOMEM, "no memory for phrases");
    if (len) memcpy(copy, data, len);
    copy[len] = '\0';
    memmove(&set->files[at + 1], &set->files[at],
            (set->count - at) * sizeof set->files[0]);
    set->files[at] = (struct phrase_file){.data = copy, .len = len};
    (void)snprintf(set->files[at].name, sizeof set->files[at].name, "%s", name);
    set->count++;
    set->bytes += len;
    return CO_OK;
}

static bool
is_phrase_file(const char *name)
{
    size_t len = strlen(name);

    return name[0] != '.' && len > 4 && strcmp(name + len - 4, ".txt") == 0;
}

static enum co_err
read_one(struct phrase_set *set, const char *dir, const char *name,
         struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf buf;
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    enum co_err err;

    co_buf_init(&buf, PHRASE_FILE_BYTES + 1);
    if (n < 0 || n >= PATH_BYTES) {
        return co_fail(diag, CO_RANGE, "phrases: the path of %s is too long",
                       name);
    }
    err = co_fs_read_file(path, PHRASE_FILE_BYTES, &buf, diag);
    if (err) return err;
    return phrase_set_add(set, name, (const char *)buf.data, buf.len, diag);
}

enum co_err
phrase_set_read(struct phrase_set *set, const char *dir, struct co_diag *diag)
{
    DIR *d = opendir(dir);
    enum co_err err = CO_OK;
    size_t found = 0;
    struct dirent *e;

    if (!d) {
        return co_fail(diag, co_err_from_errno(errno),
                       "phrases: the folder %s: %s", dir, strerror(errno));
    }
    while (!err && (e = readdir(d))) {
        if (!is_phrase_file(e->d_name)) continue;
        found++;
        err = read_one(set, dir, e->d_name, diag);
    }
    (void)closedir(d);
    if (err || found) return err;
    return co_fail(diag, CO_NOTFOUND,
                   "phrases: the folder %s has no file that ends in .txt", dir);
}

const struct phrase_file *
phrase_set_files(const struct phrase_set *set, size_t *ret_count)
{
    *ret_count = set->count;
    return set->files;
}

uint64_t
phrase_set_hash(const struct phrase_set *set)
{
    uint64_t h = 0;

    for (size_t i = 0; i < set->count; i++) {
        const struct phrase_file *f = &set->files[i];

        h = co_hash64(f->name, strlen(f->name) + 1, h);
        h = co_hash64(f->data, f->len, h);
    }
    return h;
}
