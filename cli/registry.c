/* registry.c - see registry.h. */
#include "cli/registry.h"

#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENTRY_BYTES_MAX = 16384 };

void
registry_folder(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;

    if (state && *state == '/') {
        n = snprintf(path, size, "%s/" CO_PROGRAM "/runs", state);
    } else if (home && *home == '/') {
        n = snprintf(path, size, "%s/.local/state/" CO_PROGRAM "/runs", home);
    }
    if (n < 0 || (size_t)n >= size) path[0] = '\0';
}

static void
take(const json_t *o, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    (void)snprintf(to, size, "%s", text ? text : "");
}

/* false: no entry of ours. */
static bool
load(const char *folder, const char *file, struct registry_entry *ret)
{
    char path[REGISTRY_TEXT + 300];
    json_t *o;

    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    if (co_json_load_file(path, ENTRY_BYTES_MAX, &o, NULL)) return false;
    *ret = (struct registry_entry){
        .pid = json_integer_value(json_object_get(o, "pid")),
        .started_ms = json_integer_value(json_object_get(o, "started_ms"))};
    take(o, "out", ret->out, sizeof ret->out);
    take(o, "name", ret->name, sizeof ret->name);
    take(o, "redis", ret->redis, sizeof ret->redis);
    take(o, "namespace", ret->name_space, sizeof ret->name_space);
    json_decref(o);
    return ret->out[0] == '/';
}

static int
newest_first(const void *a, const void *b)
{
    const struct registry_entry *x = a, *y = b;

    return (x->started_ms < y->started_ms) - (x->started_ms > y->started_ms);
}

static bool
is_entry(const char *file)
{
    size_t len = strlen(file);

    return len == 21 && strcmp(file + 16, ".json") == 0;
}

bool
registry_load(const char *folder, const char *file, struct registry_entry *ret)
{
    return is_entry(file) && load(folder, file, ret);
}

enum co_err
registry_list(struct registry_entry **ret_entries, size_t *ret_count,
              struct co_diag *diag)
{
    struct registry_entry *v = calloc(REGISTRY_MAX, sizeof *v);
    char folder[REGISTRY_TEXT];
    struct dirent *entry;
    size_t n = 0;
    DIR *dir;

    if (!v) return co_fail(diag, CO_NOMEM, "out of memory");
    registry_folder(folder, sizeof folder);
    dir = folder[0] ? opendir(folder) : NULL;
    while (dir && n < REGISTRY_MAX && (entry = readdir(dir))) {
        if (registry_load(folder, entry->d_name, &v[n])) n++;
    }
    if (dir) (void)closedir(dir);
    qsort(v, n, sizeof *v, newest_first);
    *ret_entries = v;
    *ret_count = n;
    return CO_OK;
}

/* Entries of folders that are gone would pile up. */
static void
prune(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        struct registry_entry e;

        if (registry_load(folder, entry->d_name, &e) &&
            access(e.out, F_OK) != 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir) (void)closedir(dir);
}

void
registry_put(const struct registry_entry *entry)
{
    char folder[REGISTRY_TEXT], file[32], hex[CO_HEX16_SIZE];
    co_auto(co_buf_fini) struct co_buf buf;
    struct co_json json;
    enum co_err err;

    registry_folder(folder, sizeof folder);
    if (!folder[0] || co_fs_mkdirs(folder, NULL)) return;
    prune(folder);
    co_buf_init(&buf, ENTRY_BYTES_MAX);
    co_json_init(&json, &buf);
    co_json_object(&json);
    co_json_put_u64(&json, "format", 1);
    co_json_put_text(&json, "out", entry->out);
    co_json_put_text(&json, "name", entry->name);
    co_json_put_text(&json, "redis", entry->redis);
    co_json_put_text(&json, "namespace", entry->name_space);
    co_json_put_u64(&json, "pid", (uint64_t)entry->pid);
    co_json_put_u64(&json, "started_ms", (uint64_t)entry->started_ms);
    co_json_end(&json);
    if (co_json_finish(&json)) return;
    co_buf_putc(&buf, '\n');
    (void)snprintf(file, sizeof file, "%s.json",
                   co_hex16(co_hash64(entry->out, strlen(entry->out), 0), hex));
    err = co_fs_write_atomic(folder, file, buf.data, buf.len, NULL);
    (void)err; /* then `status` needs the folder's name */
}
