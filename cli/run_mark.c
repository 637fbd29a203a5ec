/* run_mark.c - see run_mark.h. The file has one writer, the coordinator that
 * holds the folder's lock: so that is held here, too. */
#include "cli/run_mark.h"

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_FILE_BYTES_MAX = 1 << 20 };

/* What the report has of the same names as the file's ledger. */
static json_t *
ledger_of(const struct status_line *last)
{
    static const char *const keys[] = {"requested", "drawn",     "accepted",
                                       "rejected",  "dead",      "surplus",
                                       "pending",   "duplicates"};
    json_t *ledger = json_object();

    for (size_t i = 0; i < co_countof(keys); i++) {
        (void)json_object_set(ledger, keys[i],
                              json_object_get(last->root, keys[i]));
    }
    return ledger;
}

static void
change(json_t *run, const char *state, const char *text,
       const struct status_line *last)
{
    const int64_t now_ms = co_clock_wall_ms();
    const int64_t begun_ms =
        json_integer_value(json_object_get(run, "started_ms"));

    (void)json_object_set_new(run, "state", json_string(state));
    (void)json_object_set_new(run, "text", json_string(text));
    (void)json_object_set_new(run, "ended_ms", json_integer(now_ms));
    (void)json_object_set_new(
        run, "elapsed_ms",
        json_integer(now_ms > begun_ms ? now_ms - begun_ms : 1));
    if (last->has_ledger) {
        (void)json_object_set_new(run, "ledger", ledger_of(last));
    }
    if (last->money.is_there) {
        (void)json_object_set(run, "money",
                              json_object_get(last->root, "money"));
    }
}

static enum co_err
write_file(const char *dir, json_t *run, struct co_diag *diag)
{
    char *text = json_dumps(run, JSON_COMPACT | JSON_PRESERVE_ORDER);
    enum co_err err;

    if (!text) return co_fail(diag, CO_NOMEM, "out of memory");
    err = co_fs_write_atomic(dir, "run.json", (const uint8_t *)text,
                             strlen(text), diag);
    free(text);
    return err;
}

enum co_err
run_mark_ended(const char *dir, const char *state, const char *text,
               const struct status_line *last, struct co_diag *diag)
{
    char path[PATH_MAX];
    json_t *run = NULL;
    const char *said;
    co_auto(co_fs_closep) int lock = -1;
    enum co_err err = co_fs_lock(dir, &lock, diag);

    if (err) return err;
    (void)snprintf(path, sizeof path, "%s/run.json", dir);
    err = co_json_load_file(path, RUN_FILE_BYTES_MAX, &run, diag);
    said = json_string_value(json_object_get(run, "state"));
    if (!err && said && strcmp(said, "running") == 0) {
        change(run, state, text, last);
        err = write_file(dir, run, diag);
    }
    json_decref(run);
    return err;
}
