/* run_mark.h - the end of a run in its run.json, told by the command when its
 * coordinator was killed and could not. */
#pragma once
#include "cli/status_line.h"

/* Writes state and text into DIR/run.json if it still says "running", with the
 * ledger and money of the last report. Somebody who has the folder by now keeps
 * it as it is. CO_BUSY, and as of co_fs_lock, co_json_load_file and
 * co_fs_write_atomic. */
co_must_use enum co_err run_mark_ended(const char *dir, const char *state,
                                       const char *text,
                                       const struct status_line *last,
                                       struct co_diag *diag);
