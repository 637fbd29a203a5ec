/* option_argv.c - see options_impl.h. Sorts the command line into settings,
 * which are applied last, and positional arguments. */
#include "common/options_impl.h"

#include <string.h>

static enum co_err
note(struct co_options *options, size_t option, const char *value)
{
    options->settings[options->setting_count++] =
        (struct option_setting){.option = option, .value = value};
    return CO_OK;
}

/* The words that every program knows. */
static bool
note_common(struct co_options *options, const char *name, size_t len)
{
    if (option_name_is("help", name, len)) {
        options->asked = ASKED_HELP;
    } else if (option_name_is("version", name, len)) {
        options->asked = ASKED_VERSION;
    } else if (option_name_is("print-config", name, len)) {
        options->asked = ASKED_CONFIG;
    } else if (option_name_is("explain-config", name, len)) {
        options->asked = ASKED_EXPLAIN;
    } else {
        return false;
    }
    return true;
}

static enum co_err
missing_value(const char *flag, struct co_diag *diag)
{
    return co_fail(diag, CO_USAGE, "%s needs a value after it", flag);
}

/* "--name", "--name=value", "--no-name"; *next is the argument after it,
 * NULL at the end, and is set to NULL when it was used. */
static enum co_err
read_long(struct co_options *options, const char *flag, const char **next,
          struct co_diag *diag)
{
    const struct co_options_spec *spec = options->spec;
    const char *name = flag + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    size_t i = option_name_find(spec, name, len);
    bool is_config = option_name_is("config", name, len);

    if (!value && note_common(options, name, len)) return CO_OK;
    if (i == spec->count && !value && !strncmp(name, "no-", 3)) {
        i = option_name_find(spec, name + 3, len - 3);
        if (i < spec->count && spec->table[i].type == CO_OPTION_FLAG) {
            return note(options, i, "false");
        }
        i = spec->count;
    }
    if (i == spec->count && !is_config) {
        return option_name_unknown(spec, "--", name, len, "", diag);
    }
    if (!value && !is_config && spec->table[i].type == CO_OPTION_FLAG) {
        return note(options, i, "true");
    }
    if (!value) {
        if (!*next) return missing_value(flag, diag);
        value = *next;
        *next = NULL;
    }
    if (i < spec->count) return note(options, i, value);
    options->config_path = value;
    return CO_OK;
}

/* "-n 5", "-n5", "-h". Letters are not bundled. */
static enum co_err
read_letter(struct co_options *options, const char *flag, const char **next,
            struct co_diag *diag)
{
    const struct co_options_spec *spec = options->spec;
    const char *value = flag + 2;
    size_t i = 0;

    while (i < spec->count && spec->table[i].letter != flag[1]) {
        i++;
    }
    if (i == spec->count) {
        if (!strcmp(flag, "-h")) return options->asked = ASKED_HELP, CO_OK;
        return option_name_unknown(spec, "-", flag + 1, strlen(flag + 1), "",
                                   diag);
    }
    if (spec->table[i].type == CO_OPTION_FLAG) {
        if (*value) {
            return co_fail(diag, CO_USAGE, "-%c takes no value (\"%s\")",
                           flag[1], flag);
        }
        return note(options, i, "true");
    }
    if (!*value) {
        if (!*next) return missing_value(flag, diag);
        value = *next;
        *next = NULL;
    }
    return note(options, i, value);
}

/* Sorts argv into settings and positional arguments. */
enum co_err
option_argv_read(struct co_options *options, int argc, char *const *argv,
                 struct co_diag *diag)
{
    bool only_args = false;

    for (int i = 1; i < argc && argv[i]; i++) {
        const char *arg = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool had_next = next;
        enum co_err err = CO_OK;

        if (only_args || arg[0] != '-' || !arg[1]) {
            options->args[options->arg_count++] = arg;
        } else if (!strcmp(arg, "--")) {
            only_args = true;
        } else if (arg[1] == '-') {
            err = read_long(options, arg, &next, diag);
        } else {
            err = read_letter(options, arg, &next, diag);
        }
        if (err) return err;
        if (had_next && !next) i++;
        if (options->asked == ASKED_HELP || options->asked == ASKED_VERSION) {
            return CO_OK;
        }
    }
    return CO_OK;
}
