/* say.h - how a command tells a person that something went wrong, and which
 * exit code that is. No state. */
#pragma once
#include "cli/commands.h"

/* The exit code for an error: bad input is CLI_USAGE, all else CLI_FAILED. */
int say_exit(enum co_err err);
/* "cohort run: what went wrong" on stderr; returns say_exit(err). Cleaned as
 * say_line does; only our own further lines, which are indented, stay. */
int say_error(const char *program, enum co_err err, const struct co_diag *diag);

/* Parses and answers --help and its kind, as every command begins. Returns
 * false when the command is to end with *ret_exit (said already). */
bool say_options(const struct co_options_spec *spec, int argc, char **argv,
                 void *config, struct co_options **ret_options, int *ret_exit);

/* The value of --option as a whole number, in plain digits as in a job file;
 * *ret stays as it is when text is NULL. CO_USAGE: it is none, or beyond 64
 * bits; whether it makes sense is the job file's to say. */
co_must_use enum co_err say_number(const char *option, const char *text,
                                   uint64_t *ret, struct co_diag *diag);

/* What comes from Redis, from a file or from a name on the disk may hold
 * anything; so may what an endpoint answers. Control characters of it (C0, DEL,
 * C1) become '?', so that no terminal obeys them, and so do line ends: one
 * record is one line, and no value can pass for a second one. So do characters
 * that set the direction of writing or have no width, with which a line can
 * show what does not stand there. Words of our own need none of this; JSON
 * escapes by itself. */

/* Bytes of the character of that kind at the beginning of text; 0: none. */
size_t say_hidden(const char *text, size_t len);
/* Puts a '?' over each byte of them. */
void say_clean(char *text, size_t len);
/* A message may have lines of its own: they begin with a blank, so that none
 * can be taken for another message. Other line ends came with a value. */
void say_clean_message(char *text);

/* Appends one line, cleaned, and ends it; fmt holds no line end. */
void say_line(struct co_buf *out, const char *fmt, ...) co_printf(2, 3);
/* The same for a line that was put together from out->len == begin on. */
void say_end_line(struct co_buf *out, size_t begin);
/* Prints what was gathered. */
void say_print(const struct co_buf *out);
/* Appends 1234567 as "1,234,567". */
void say_count(struct co_buf *out, uint64_t n);
/* Appends "12.3 MB" (powers of 1000). */
void say_bytes(struct co_buf *out, uint64_t bytes);
/* Appends "0.8 s", "42 s", "3 min 05 s", "2 h 07 min", "3 d 04 h". */
void say_duration(struct co_buf *out, uint64_t ms);
