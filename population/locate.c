/* locate.c - see locate.h. */
#include "population/locate.h"

#include "common/fs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 256 };

/* data_dir/name, or ../share/cohort/name seen from the running program. */
static enum co_err
locate(const char *data_dir, const char *name, char ret_path[LOCATE_PATH_BYTES],
       struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf exe;
    int n;

    co_buf_init(&exe, LOCATE_PATH_BYTES);
    if (data_dir) {
        n = snprintf(ret_path, LOCATE_PATH_BYTES, "%s/%s", data_dir, name);
    } else {
        enum co_err err = co_fs_exe_dir(&exe, diag);

        if (err) return err;
        n = snprintf(ret_path, LOCATE_PATH_BYTES,
                     "%s/../share/" CO_PROGRAM "/%s", co_buf_text(&exe), name);
    }
    if (n < 0 || n >= LOCATE_PATH_BYTES) {
        return co_fail(diag, CO_RANGE, "the path of %s is too long", name);
    }
    return CO_OK;
}

enum co_err
model_locate(const char *data_dir, const char *name,
             char ret_path[LOCATE_PATH_BYTES], struct co_diag *diag)
{
    char file[NAME_BYTES];
    enum co_err err;

    (void)snprintf(file, sizeof file, "%s.model", name);
    err = locate(data_dir, file, ret_path, diag);
    if (err || access(ret_path, R_OK) == 0) return err;
    return co_fail(diag, CO_NOTFOUND,
                   "no population model at %s: give its folder with --data "
                   "DIR, or install the program with its data",
                   ret_path);
}

enum co_err
phrases_locate(const char *data_dir, char ret_path[LOCATE_PATH_BYTES],
               struct co_diag *diag)
{
    enum co_err err = locate(data_dir, "phrases", ret_path, diag);

    if (err || access(ret_path, R_OK | X_OK) == 0) return err;
    return co_fail(diag, CO_NOTFOUND,
                   "no phrase files at %s: they lie beside the population "
                   "model; give its folder with --data DIR",
                   ret_path);
}

enum co_err
prompts_locate(const char *data_dir, const char *name,
               char ret_path[LOCATE_PATH_BYTES], struct co_diag *diag)
{
    char folder[NAME_BYTES];
    enum co_err err;

    (void)snprintf(folder, sizeof folder, "prompts/%s", name);
    err = locate(data_dir, folder, ret_path, diag);
    if (err || access(ret_path, R_OK | X_OK) == 0) return err;
    return co_fail(diag, CO_NOTFOUND,
                   "no prompts at %s: name a folder of your own in the job "
                   "file (prompts: DIR), or install the program with its data",
                   ret_path);
}

enum co_err
prices_locate(const char *data_dir, char ret_path[LOCATE_PATH_BYTES],
              struct co_diag *diag)
{
    enum co_err err = locate(data_dir, "prices.tsv", ret_path, diag);

    if (err || access(ret_path, R_OK) == 0) return err;
    return co_fail(diag, CO_NOTFOUND,
                   "no prices at %s: they lie beside the population model; "
                   "give its folder with --data DIR",
                   ret_path);
}

const char *const model_names[] = {"us", "world", NULL};

bool
model_known(const char *name)
{
    for (size_t i = 0; model_names[i]; i++) {
        if (strcmp(model_names[i], name) == 0) return true;
    }
    return false;
}

uint64_t
model_peek(const char *data_dir, const char *name)
{
    enum { HASH_AT = 24 };
    char path[LOCATE_PATH_BYTES];
    uint8_t head[HASH_AT + 8] = {0};
    uint64_t hash = 0;
    FILE *file;

    if (model_locate(data_dir, name, path, NULL)) return 0;
    file = fopen(path, "rbe");
    if (!file) return 0;
    if (fread(head, 1, sizeof head, file) == sizeof head) {
        memcpy(&hash, head + HASH_AT, sizeof hash);
    }
    (void)fclose(file);
    return hash;
}
