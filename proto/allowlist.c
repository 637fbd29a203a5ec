/* allowlist.c - see allowlist.h. Sorted by key: found by halving. */
#include "proto/allowlist.h"

#include "common/log.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct allowlist {
    _Atomic uint32_t refs;
    uint32_t n, cap, bad;
    uint32_t by_role[KEY_ROLE_COUNT];
    struct key *v;
};

struct allowlist *
allowlist_ref(struct allowlist *list)
{
    (void)atomic_fetch_add(&list->refs, 1);
    return list;
}

void
allowlist_unref(struct allowlist *list)
{
    if (!list || atomic_fetch_sub(&list->refs, 1) != 1) return;
    free(list->v);
    free(list);
}

static int
compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    return memcmp(x->public, y->public, KEY_BYTES);
}

static void
skip(struct allowlist *list, const char *why)
{
    list->bad++;
    co_log(CO_LOG_WARN, "key.skipped", "why=%s", co_log_quote(why).text);
}

static enum co_err
grow(struct allowlist *list, const char *dir, struct co_diag *diag)
{
    uint32_t cap = list->cap ? list->cap * 2 : 64;
    struct key *v;

    if (list->n < list->cap) return CO_OK;
    if (list->n == ALLOWLIST_KEYS_MAX) {
        return co_fail(diag, CO_FULL, "%s: more than %d keys", dir,
                       ALLOWLIST_KEYS_MAX);
    }
    v = realloc(list->v, cap * sizeof *v);
    if (!v) return co_fail(diag, CO_NOMEM, "out of memory");
    list->v = v;
    list->cap = cap;
    return CO_OK;
}

static enum co_err
add_file(struct allowlist *list, const char *dir, const char *name,
         struct co_diag *diag)
{
    size_t len = strlen(name);
    char path[PATH_MAX];
    struct co_diag why = {""};
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    enum co_err err;

    if (len < 5 || strcmp(name + len - 4, ".pub") != 0 || name[0] == '.') {
        return CO_OK; /* not a key, or one that is just being written */
    }
    err = grow(list, dir, diag);
    if (err) return err;
    if (n < 0 || (size_t)n >= sizeof path ||
        keyfile_load(path, false, &list->v[list->n], &why)) {
        skip(list, why.text[0] ? why.text : "the path is too long");
    } else {
        list->n++;
    }
    return CO_OK;
}

/* One entry a key. With two roles it is not known which was meant. */
static void
sort(struct allowlist *list)
{
    uint32_t n = 0;

    if (list->n) qsort(list->v, list->n, sizeof *list->v, compare);
    for (uint32_t i = 0; i < list->n;) {
        uint32_t end = i + 1;
        bool same = true;

        while (end < list->n && compare(&list->v[i], &list->v[end]) == 0) {
            same = same && list->v[i].role == list->v[end].role;
            end++;
        }
        if (same) {
            list->v[n++] = list->v[i];
            list->by_role[list->v[i].role]++;
        } else {
            char why[128];

            (void)snprintf(why, sizeof why, "%s: one key with two roles",
                           list->v[i].name);
            skip(list, why);
        }
        i = end;
    }
    list->n = n;
}

enum co_err
allowlist_load(const char *dir, struct allowlist **ret_list,
               struct co_diag *diag)
{
    co_auto(allowlist_unrefp) struct allowlist *list = calloc(1, sizeof *list);
    const struct dirent *e;
    enum co_err err = CO_OK;
    DIR *d;

    if (!list) return co_fail(diag, CO_NOMEM, "out of memory");
    list->refs = 1;
    d = opendir(dir);
    if (!d) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "the folder of allowed keys, %s, cannot be read: %s",
                       dir, strerror(errnum));
    }
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): each has a stream of its own
    while (!err && (e = readdir(d)) != NULL) {
        err = add_file(list, dir, e->d_name, diag);
        errno = 0;
    }
    if (!err && errno) err = co_fail(diag, CO_IO, "%s: cannot be read", dir);
    (void)closedir(d);
    if (err) return err;
    sort(list);
    *ret_list = co_take(&list);
    return CO_OK;
}

const struct key *
allowlist_find(const struct allowlist *list, const uint8_t public[KEY_BYTES])
{
    uint32_t from = 0, to = list->n;

    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        int order = memcmp(list->v[mid].public, public, KEY_BYTES);

        if (order == 0) return &list->v[mid];
        if (order < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return NULL;
}

bool
allowlist_has(const struct allowlist *list, uint64_t id, enum key_role role)
{
    uint8_t first[KEY_BYTES] = {0};
    uint32_t from = 0, to = list->n;

    memcpy(first, &id, sizeof id);
    while (from < to) { /* the first that is not below it */
        uint32_t mid = from + (to - from) / 2;

        if (memcmp(list->v[mid].public, first, KEY_BYTES) < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    for (; from < list->n && key_id(list->v[from].public) == id; from++) {
        if (list->v[from].role == role) return true;
    }
    return false;
}

uint32_t
allowlist_count(const struct allowlist *list, enum key_role role)
{
    return list->by_role[role];
}

uint32_t
allowlist_bad(const struct allowlist *list)
{
    return list->bad;
}
