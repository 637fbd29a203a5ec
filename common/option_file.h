/* option_file.h - the syntax of the options' config file, for options.c only:
 * a line is `name: value` or `name = value`, a comment (#) or empty. */
#pragma once
#include "common/err.h"

struct co_option_file_line {
    const char *name; /* name_bytes of it; ends with : or a space */
    size_t name_bytes;
    char *value;       /* as it stands there: see co_option_file_value */
    unsigned number;   /* from 1 */
    const char *where; /* " in FILE, line 7", for messages */
};

/* Gives each line with a name and a value to on_line; ends with its first
 * error. CO_USAGE: the file cannot be read, or is no such file; CO_NOMEM. */
co_must_use enum co_err co_option_file_read(
    const char *path,
    enum co_err (*on_line)(void *self, const struct co_option_file_line *line,
                           struct co_diag *diag),
    void *self, struct co_diag *diag);
/* Makes the value plain, in place: quotes taken off and escapes read, or the
 * comment and the spaces behind it cut. A list keeps its quotes. False: the
 * quotes do not close. */
bool co_option_file_value(char *text, bool is_list);
