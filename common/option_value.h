/* option_value.h - one option's value, between text and config struct.
 * Used by options.c only; see options.h. No state. */
#pragma once
#include "common/options.h"

/* Parses text into the field of config. Strings and lists are not for it:
 * they need an owner. CO_INVALID: not of the type; CO_RANGE. */
co_must_use enum co_err co_option_value_parse(const struct co_option *option,
                                              const char *text, void *config);
/* Is a string of len bytes allowed for this option (or list item)? */
bool co_option_value_fits(const struct co_option *option, size_t len);
/* Is that text allowed for a STRING: length, and characters of a name? */
bool co_option_value_is_text(const struct co_option *option, const char *text);
/* The most items that a list takes. */
size_t co_option_value_items_max(const struct co_option *option);
/* "a whole number from 1 to 64": what would be right. */
void co_option_value_wanted(const struct co_option *option, struct co_buf *out);
/* The value as the config file has it. */
void co_option_value_print(const struct co_option *option, const void *config,
                           struct co_buf *out);

/* ---- option_help.c: the table as a config file -------------------------- */

/* What the program is, and how its file is read. */
void co_option_explain_head(const struct co_options_spec *spec,
                            struct co_buf *out);
/* Help, range and default as comments, then the line of the option: as it is
 * in config when set, else commented out. Secret values are left out. */
void co_option_explain(const struct co_option *option, const void *config,
                       bool set, struct co_buf *out);
