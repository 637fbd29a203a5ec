/* options.c - see options.h.
 * The sources are applied weakest first, each over the one before; a list is
 * emptied when a stronger source names it. getopt was not taken: it knows
 * neither files nor ranges, and its messages cannot suggest a name. */
#include "common/options.h"

#include "common/option_file.h"
#include "common/option_value.h"
#include "common/options_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 1 << 20, ARGS_MAX = 4096 };

void
co_options_free(struct co_options *options)
{
    if (!options) return;
    for (size_t i = 0; i < options->spec->count; i++) {
        if (options->spec->table[i].type == CO_OPTION_LIST) {
            struct co_option_list *list =
                (void *)((char *)options->config +
                         options->spec->table[i].offset);

            free(list->items);
            *list = (struct co_option_list){0};
        }
    }
    for (size_t i = 0; i < options->owned_count; i++) {
        free(options->owned[i]);
    }
    free(options->owned);
    free(options->sources);
    free(options->settings);
    free(options->args);
    co_buf_fini(&options->answer);
    free(options);
}

void
co_options_env_name(const char *name, struct co_buf *out)
{
    const char *parts[] = {CO_PROGRAM, "_", name};

    for (size_t i = 0; i < co_countof(parts); i++) {
        for (const char *p = parts[i]; *p; p++) {
            co_buf_putc(out, *p == '-'                ? '_'
                             : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A')
                                                      : *p);
        }
    }
}

/* One line of the config file. */
static enum co_err
on_line(void *self, const struct co_option_file_line *line,
        struct co_diag *diag)
{
    struct co_options *options = self;
    const struct co_options_spec *spec = options->spec;
    const struct option_origin origin = {.source = FROM_FILE,
                                         .where = options->config_path,
                                         .line = line->number};
    size_t i = option_name_find(spec, line->name, line->name_bytes);

    if (i == spec->count) {
        return option_name_unknown(spec, "", line->name, line->name_bytes,
                                   line->where, diag);
    }
    if (!co_option_file_value(line->value,
                              spec->table[i].type == CO_OPTION_LIST)) {
        return co_fail(diag, CO_USAGE, "the quotes of %s do not close%s",
                       spec->table[i].name, line->where);
    }
    if (!*line->value) return CO_OK; /* left empty: as if it were not there */
    if (options->sources[i] == FROM_FILE &&
        spec->table[i].type != CO_OPTION_LIST) {
        return co_fail(diag, CO_USAGE,
                       "%s stands there a second time%s (\"%.200s\"). Leave "
                       "one of the two",
                       spec->table[i].name, line->where,
                       spec->table[i].secret ? "..." : line->value);
    }
    return option_store(options, i, line->value, &origin, diag);
}

static enum co_err
read_env(struct co_options *options, struct co_diag *diag)
{
    for (size_t i = 0; i < options->spec->count; i++) {
        co_auto(co_buf_fini) struct co_buf name;
        struct option_origin origin = {.source = FROM_ENV};
        const char *value;
        enum co_err err;

        co_buf_init(&name, 256); /* before anything leaves this scope */
        if (options->spec->table[i].no_env) continue;
        co_options_env_name(options->spec->table[i].name, &name);
        origin.where = co_buf_text(&name);
        value = getenv(origin.where);
        if (!value || !*value) continue; /* NAME= means "not set" */
        err = option_store(options, i, value, &origin, diag);
        if (err) return err;
    }
    return CO_OK;
}

static enum co_err
set_defaults(struct co_options *options, struct co_diag *diag)
{
    struct option_origin origin = {.source = FROM_DEFAULT};

    for (size_t i = 0; i < options->spec->count; i++) {
        const char *def = options->spec->table[i].def;
        enum co_err err = CO_OK;

        if (def) err = option_store(options, i, def, &origin, diag);
        if (err) return err;
    }
    return CO_OK;
}

static enum co_err
apply(struct co_options *options, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf name;
    struct option_origin origin = {.source = FROM_FLAG};
    enum co_err err = CO_OK;

    co_buf_init(&name, 256);

    if (!options->config_path) {
        co_options_env_name("config", &name);
        options->config_path = getenv(co_buf_text(&name));
    }
    if (options->config_path && *options->config_path) {
        err = co_option_file_read(options->config_path, on_line, options, diag);
    }
    if (!err) err = read_env(options, diag);
    for (size_t i = 0; !err && i < options->setting_count; i++) {
        err = option_store(options, options->settings[i].option,
                           options->settings[i].value, &origin, diag);
    }
    return err;
}

static enum co_err
check_args(const struct co_options *options, struct co_diag *diag)
{
    const struct co_options_spec *spec = options->spec;

    if (options->arg_count < spec->args_min) {
        return co_fail(diag, CO_USAGE, "an argument is missing. Usage: %s %s",
                       spec->program, spec->usage);
    }
    if (options->arg_count > spec->args_max) {
        return co_fail(
            diag, CO_USAGE, "unexpected argument \"%.100s\". Usage: %s %s",
            options->args[spec->args_max], spec->program, spec->usage);
    }
    return CO_OK;
}

static void
print_config(struct co_options *options, struct co_buf *out)
{
    static const char *const names[] = {"default", "file", "environment",
                                        "flag"};

    for (size_t i = 0; i < options->spec->count; i++) {
        const struct co_option *option = &options->spec->table[i];
        size_t start = out->len;

        co_buf_printf(out, "%s: ", option->name);
        if (!option->secret) {
            co_option_value_print(option, options->config, out);
        }
        while (!out->err && out->len - start < 40) {
            co_buf_putc(out, ' ');
        }
        co_buf_printf(out, " # %s%s\n", names[options->sources[i]],
                      option->secret ? ", not shown" : "");
    }
}

/* A file to start from: every option once, those that are set as they are, the
 * others commented out. */
static void
explain_config(struct co_options *options, struct co_buf *out)
{
    const struct co_options_spec *spec = options->spec;

    co_option_explain_head(spec, out);
    for (size_t i = 0; i < spec->count; i++) {
        co_option_explain(&spec->table[i], options->config,
                          options->sources[i] != FROM_DEFAULT, out);
    }
}

static enum co_err
run(struct co_options *options, int argc, char *const *argv,
    struct co_diag *diag)
{
    enum co_err err = set_defaults(options, diag);

    if (!err) err = option_argv_read(options, argc, argv, diag);
    if (err) return err;
    if (options->asked == ASKED_HELP) {
        co_options_help(options->spec, &options->answer);
    } else if (options->asked == ASKED_VERSION) {
        co_buf_printf(&options->answer, "%s\n", options->spec->version);
    } else {
        err = apply(options, diag);
        if (!err && options->asked == ASKED_CONFIG) {
            print_config(options, &options->answer);
        } else if (!err && options->asked == ASKED_EXPLAIN) {
            explain_config(options, &options->answer);
        } else if (!err) {
            err = check_args(options, diag);
        }
    }
    if (!err && options->asked) (void)co_buf_text(&options->answer);
    return !err && options->answer.err ? option_store_nomem(diag) : err;
}

/* Every field that the table names starts as zero bytes. */
static void
zero(const struct co_options_spec *spec, void *config)
{
    static const size_t sizes[] = {
        [CO_OPTION_STRING] = sizeof(char *),
        [CO_OPTION_U64] = sizeof(uint64_t),
        [CO_OPTION_FLAG] = sizeof(bool),
        [CO_OPTION_DURATION] = sizeof(uint64_t),
        [CO_OPTION_SIZE] = sizeof(uint64_t),
        [CO_OPTION_ENUM] = sizeof(int),
        [CO_OPTION_LIST] = sizeof(struct co_option_list),
    };

    for (size_t i = 0; i < spec->count; i++) {
        memset((char *)config + spec->table[i].offset, 0,
               sizes[spec->table[i].type]);
    }
}

enum co_err
co_options_parse(const struct co_options_spec *spec, int argc,
                 char *const *argv, void *config,
                 struct co_options **ret_options, struct co_diag *diag)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    size_t room = argc > 0 ? (size_t)argc : 1;
    enum co_err err;

    if (argc > ARGS_MAX) {
        return co_fail(diag, CO_USAGE, "more than %d arguments", ARGS_MAX);
    }
    zero(spec, config);
    options = calloc(1, sizeof *options);
    if (!options) return option_store_nomem(diag);
    options->spec = spec;
    options->config = config;
    co_buf_init(&options->answer, ANSWER_BYTES_MAX);
    options->sources = calloc(spec->count + 1, 1);
    options->settings = calloc(room, sizeof *options->settings);
    options->args = calloc(room, sizeof *options->args);
    if (!options->sources || !options->settings || !options->args) {
        return option_store_nomem(diag);
    }
    err = run(options, argc, argv, diag);
    if (err) return err;
    *ret_options = co_take(&options);
    return CO_OK;
}

const char *
co_options_answer_text(const struct co_options *options)
{
    if (options->asked == ASKED_NOTHING) return NULL;
    return (const char *)options->answer.data;
}

bool
co_options_answer(const struct co_options *options)
{
    const char *text = co_options_answer_text(options);

    if (!text) return false;
    (void)fputs(text, stdout);
    return true;
}

size_t
co_options_arg_count(const struct co_options *options)
{
    return options->arg_count;
}

const char *
co_options_arg(const struct co_options *options, size_t i)
{
    co_assert(i < options->arg_count);
    return options->args[i];
}

bool
co_options_given(const struct co_options *options, const char *name)
{
    size_t i = option_name_find(options->spec, name, strlen(name));

    co_assert(i < options->spec->count);
    return options->sources[i] != FROM_DEFAULT;
}
