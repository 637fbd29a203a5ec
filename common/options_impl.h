/* options_impl.h - what the files of options.h share: the parsed options, and
 * the steps from the sources to a value. Only options.c and option_*.c include
 * it; everybody else takes options.h.
 *
 *   options.c       the order of the sources, and the answers (--help ...)
 *   option_argv.c   the command line
 *   option_file.c   the configuration file, line by line
 *   option_name.c   which option a word names
 *   option_store.c  a text becomes a value, or a message
 *   option_value.c  texts of one type, and back
 *   option_help.c   --help and --explain-config */
#pragma once
#include "common/options.h"

enum option_source { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };
enum option_asked {
    ASKED_NOTHING,
    ASKED_HELP,
    ASKED_VERSION,
    ASKED_CONFIG,
    ASKED_EXPLAIN,
};

/* --name value of the command line, applied after the weaker sources. */
struct option_setting {
    size_t option;
    const char *value;
};

struct co_options {
    const struct co_options_spec *spec;
    void *config;
    uint8_t *sources;                /* enum option_source by option */
    struct option_setting *settings; /* flags, in order */
    size_t setting_count;
    const char **args; /* positional; point into argv */
    size_t arg_count;
    const char *config_path;
    char **owned; /* every string handed out */
    size_t owned_count;
    size_t owned_cap;
    enum option_asked asked;
    struct co_buf answer;
};

/* Where a value came from, for messages. */
struct option_origin {
    enum option_source source;
    const char *where; /* file path or variable */
    unsigned line;
};

/* Gives option i of the table the value that text says; a list grows by it.
 * CO_USAGE: the value does not fit, diag says which option, where it was set
 * and what is allowed (never the value of a secret). CO_NOMEM. */
co_must_use enum co_err option_store(struct co_options *options, size_t i,
                                     const char *text,
                                     const struct option_origin *origin,
                                     struct co_diag *diag);
/* CO_NOMEM, with words. */
enum co_err option_store_nomem(struct co_diag *diag);

/* Does name[0..len) name the option? '_' counts as '-'. */
bool option_name_is(const char *option, const char *name, size_t len);
/* Its index in the table, or spec->count. */
size_t option_name_find(const struct co_options_spec *spec, const char *name,
                        size_t len);
/* CO_USAGE: no option has that name; with the one that was meant, if any is
 * at most two letters away. dashes and where stand around it in the message. */
enum co_err option_name_unknown(const struct co_options_spec *spec,
                                const char *dashes, const char *name,
                                size_t len, const char *where,
                                struct co_diag *diag);

/* Reads argv into options->settings, ->args, ->asked and ->config_path, which
 * have room for argc. Stops at --help and --version: what stands behind may
 * be wrong. CO_USAGE: an unknown option, or a value is missing. */
co_must_use enum co_err option_argv_read(struct co_options *options, int argc,
                                         char *const *argv,
                                         struct co_diag *diag);
