/* say.h - how a command tells a person that something went wrong, and which
 * exit code that is. No state. */
#pragma once
#include "cli/commands.h"

/* The exit code for an error: bad input is CLI_USAGE, all else CLI_FAILED. */
int say_exit(enum co_err err);
/* "cohort run: what went wrong" on stderr; returns say_exit(err). */
int say_error(const char *program, enum co_err err, const struct co_diag *diag);

/* Parses and answers --help and its kind, as every command begins. Returns
 * false when the command is to end with *ret_exit (said already). */
bool say_options(const struct co_options_spec *spec, int argc, char **argv,
                 void *config, struct co_options **ret_options, int *ret_exit);

/* Prints lines for people: control characters in them, which may come from
 * another machine, become '?', so that no terminal obeys them. */
void say_print(struct co_buf *out);
/* Appends 1234567 as "1,234,567". */
void say_count(struct co_buf *out, uint64_t n);
/* Appends "12.3 MB" (powers of 1000). */
void say_bytes(struct co_buf *out, uint64_t bytes);
/* Appends "0.8 s", "42 s", "3 min 05 s", "2 h 07 min", "3 d 04 h". */
void say_duration(struct co_buf *out, uint64_t ms);
