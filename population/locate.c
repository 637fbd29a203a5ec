/* locate.c - see locate.h. */
#include "population/locate.h"

#include "common/fs.h"

#include <stdio.h>
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
