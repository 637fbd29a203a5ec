/* model_find.c - see model_find.h. */
#include "worker/model_find.h"

#include "common/fs.h"

#include <limits.h>
#include <stdlib.h>

#define MODEL_FILE "us.model"

enum co_err
model_find(const char *dir, struct model **ret_model, struct co_diag *diag)
{
    struct co_buf path;
    enum co_err err = CO_OK;

    co_buf_init(&path, PATH_MAX);
    if (!dir) dir = getenv("COHORT_DATA");
    if (dir) {
        co_buf_printf(&path, "%s/" MODEL_FILE, dir);
    } else {
        err = co_fs_exe_dir(&path, diag);
        co_buf_puts(&path, "/../share/" CO_PROGRAM "/" MODEL_FILE);
    }
    if (!err) err = path.err;
    if (!err) err = model_open(co_buf_text(&path), diag, ret_model);
    co_buf_fini(&path);
    return err;
}
