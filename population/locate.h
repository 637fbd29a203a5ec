/* locate.h - where the compiled model, the phrase files, the prompts and the
 * prices lie on this machine. */
#pragma once
#include "common/err.h"

enum { LOCATE_PATH_BYTES = 4096 };

/* The path of population `name` ("us"): data_dir/us.model when data_dir is
 * given (--data, COHORT_DATA), else ../share/cohort/us.model seen from the
 * running program, where an installation and a build tree have it.
 * CO_NOTFOUND: diag says where it was looked for. */
co_must_use enum co_err model_locate(const char *data_dir, const char *name,
                                     char ret_path[LOCATE_PATH_BYTES],
                                     struct co_diag *diag);
/* The folder of the shipped phrase files: data_dir/phrases, or
 * ../share/cohort/phrases; see above. */
co_must_use enum co_err phrases_locate(const char *data_dir,
                                       char ret_path[LOCATE_PATH_BYTES],
                                       struct co_diag *diag);
/* The folder of the shipped prompts of a task ("compose"):
 * data_dir/prompts/compose, or ../share/cohort/prompts/compose; see above. */
co_must_use enum co_err prompts_locate(const char *data_dir, const char *name,
                                       char ret_path[LOCATE_PATH_BYTES],
                                       struct co_diag *diag);
/* The table of prices: data_dir/prices.tsv, or ../share/cohort/prices.tsv. */
co_must_use enum co_err prices_locate(const char *data_dir,
                                      char ret_path[LOCATE_PATH_BYTES],
                                      struct co_diag *diag);

/* The populations that programs know, by name; NULL at the end. A machine may
 * lack some of their models. */
extern const char *const model_names[];
bool model_known(const char *name);
/* Hash in the header of the model of that name, 0 when there is none to be
 * read: enough to tell machines apart, without opening it. */
uint64_t model_peek(const char *data_dir, const char *name);
