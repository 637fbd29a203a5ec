/* options.h - one table of options a program: parser, help and printout.
 * Sources, strongest first: flags, environment (COHORT_NAME for `name`), the
 * file given by --config (`name: value` lines), defaults. Every value is
 * checked, whatever its source. --help, --print-config (every value and where
 * it is from; reads back through --config), --explain-config (the same with
 * help and range of each, as a file to start from) and --version exist for
 * every program. Nothing is printed here but by co_options_answer.
 * Not thread-safe: used once, at the start of main(). */
#pragma once
#include "common/buf.h"

/* What the option's field in the config struct is. */
enum co_option_type {
    CO_OPTION_STRING,   /* const char *, NULL when not given; min..max bytes */
    CO_OPTION_U64,      /* uint64_t */
    CO_OPTION_FLAG,     /* bool; --name, --no-name */
    CO_OPTION_DURATION, /* uint64_t, milliseconds; "500ms", "2s", "5m", "1h" */
    CO_OPTION_SIZE,     /* uint64_t, bytes; "4096", "64KiB", "4M" (1024s) */
    CO_OPTION_ENUM,     /* int, the index in choices */
    CO_OPTION_LIST,     /* struct co_option_list; at most max (or 64) items */
};

/* Strings given by repeating the flag, or separated by commas in the
 * environment and the file. A stronger source replaces the whole list. */
struct co_option_list {
    const char **items;
    size_t count;
};

struct co_option {
    const char *name; /* as after "--": "listen-back" */
    char letter;      /* as after "-"; 0: none */
    enum co_option_type type;
    size_t offset;   /* offsetof(struct my_config, field) */
    const char *def; /* as text; NULL: NULL, 0, false, first choice, empty */
    uint64_t min;    /* of the value; the default is not checked against it */
    uint64_t max;    /* 0: the type's own limit */
    const char *const *choices; /* ENUM: names, ended by NULL */
    const char *placeholder;    /* in --help: "URL"; NULL: by type */
    const char *help;           /* one line */
    bool is_name;               /* STRING: only A-Z a-z 0-9 _ . - */
    bool secret;                /* never printed */
    bool no_env;                /* flag and file only */
};

struct co_options_spec {
    const char *program; /* "cohort run" */
    const char *usage;   /* what follows it: "[OPTIONS] FILE" */
    const char *about;   /* a paragraph for --help */
    const char *version; /* the answer to --version */
    const struct co_option *table;
    size_t count;
    size_t args_min; /* positional arguments */
    size_t args_max;
};

struct co_options; /* opaque; owns every string in the config struct */

/* Fills config (all fields of the table) from argv[1..argc) and the other
 * sources. For a sub-command pass argc and argv counted from its name.
 * When --help, --version, --print-config or --explain-config was asked,
 * co_options_answer says so; for the first two, nothing else was looked at.
 *
 * CO_USAGE  a person gave something wrong; diag names option, value, range */
co_must_use enum co_err co_options_parse(const struct co_options_spec *spec,
                                         int argc, char *const *argv,
                                         void *config,
                                         struct co_options **ret_options,
                                         struct co_diag *diag);
/* The strings and lists in config die with it; config must still be there. */
void co_options_free(struct co_options *options);
CO_DEFINE_FREEP(struct co_options, co_options_free)

/* Prints the answer that was asked for to stdout and returns true; false when
 * none was asked and the program should go on. */
bool co_options_answer(const struct co_options *options);
/* The answer's text, NULL when none was asked. */
const char *co_options_answer_text(const struct co_options *options);

size_t co_options_arg_count(const struct co_options *options);
/* i < co_options_arg_count(options) */
const char *co_options_arg(const struct co_options *options, size_t i);
/* Was it given by flag, environment or file (not the default)? name must be
 * in the table. */
bool co_options_given(const struct co_options *options, const char *name);

/* The pieces, also for the check of the documents. */
void co_options_help(const struct co_options_spec *spec, struct co_buf *out);
void co_options_env_name(const char *name, struct co_buf *out);
