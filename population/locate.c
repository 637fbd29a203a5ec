/* locate.c - see locate.h. */
#include "population/locate.h"

#include "common/fs.h"

#include <stdio.h>
#include <unistd.h>

enum co_err
model_locate(const char *data_dir, const char *name,
             char ret_path[LOCATE_PATH_BYTES], struct co_diag *diag)
{
    struct co_buf exe;
    int n;

    co_buf_init(&exe, LOCATE_PATH_BYTES);
    if (data_dir) {
        n = snprintf(ret_path, LOCATE_PATH_BYTES, "%s/%s.model", data_dir,
                     name);
    } else {
        enum co_err err = co_fs_exe_dir(&exe, diag);

        if (err) return err;
        n = snprintf(ret_path, LOCATE_PATH_BYTES,
                     "%s/../share/" CO_PROGRAM "/%s.model", co_buf_text(&exe),
                     name);
    }
    co_buf_fini(&exe);
    if (n < 0 || n >= LOCATE_PATH_BYTES) {
        return co_fail(diag, CO_RANGE, "the path of the model is too long");
    }
    if (access(ret_path, R_OK) == 0) return CO_OK;
    return co_fail(diag, CO_NOTFOUND,
                   "no population model at %s: give its folder with --data "
                   "DIR, or install the program with its data",
                   ret_path);
}
