/* options.c - see options.h.
 * The sources are applied weakest first, each over the one before; a list is
 * emptied when a stronger source names it. getopt was not taken: it knows
 * neither files nor ranges, and its messages cannot suggest a name. */
#include "common/options.h"

#include "common/option_file.h"
#include "common/option_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 1 << 20, ARGS_MAX = 4096 };

enum source { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };
enum asked {
    ASKED_NOTHING,
    ASKED_HELP,
    ASKED_VERSION,
    ASKED_CONFIG,
    ASKED_EXPLAIN,
};

/* --name value of the command line, applied after the weaker sources. */
struct setting {
    size_t option;
    const char *value;
};

struct co_options {
    const struct co_options_spec *spec;
    void *config;
    uint8_t *sources;         /* enum source by option */
    struct setting *settings; /* flags, in order */
    size_t setting_count;
    const char **args; /* positional; point into argv */
    size_t arg_count;
    const char *config_path;
    char **owned; /* every string handed out */
    size_t owned_count;
    size_t owned_cap;
    enum asked asked;
    struct co_buf answer;
};

/* Where a value came from, for messages. */
struct origin {
    enum source source;
    const char *where; /* file path or variable */
    unsigned line;
};

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

/* A copy of text[0..len) that lives as long as options; NULL: no memory. */
static const char *
options_own(struct co_options *options, const char *text, size_t len)
{
    char *copy;

    if (options->owned_count == options->owned_cap) {
        size_t cap = options->owned_cap ? 2 * options->owned_cap : 16;
        char **owned = realloc(options->owned, cap * sizeof *owned);

        if (!owned) return NULL;
        options->owned = owned;
        options->owned_cap = cap;
    }
    copy = strndup(text, len);
    if (copy) options->owned[options->owned_count++] = copy;
    return copy;
}

static enum co_err
options_nomem(struct co_diag *diag)
{
    return co_fail(diag, CO_NOMEM, "out of memory while reading the options");
}

static enum co_err
options_bad_value(const struct co_option *option, const struct origin *origin,
                  const char *text, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf wanted;
    char where[300] = "";

    co_buf_init(&wanted, 4096);
    co_option_value_wanted(option, &wanted);
    if (origin->source == FROM_FILE) {
        (void)snprintf(where, sizeof where, " in %s, line %u", origin->where,
                       origin->line);
    }
    if (origin->source == FROM_ENV) {
        (void)snprintf(where, sizeof where, " in the environment (%s)",
                       origin->where);
    }
    if (origin->source == FROM_DEFAULT) {
        (void)snprintf(where, sizeof where, " by default");
    }
    return co_fail(diag, CO_USAGE, "--%s%s: \"%.200s\" is not %s", option->name,
                   where, option->secret ? "..." : text, co_buf_text(&wanted));
}

/* Appends one item; the array grows one by one, lists are short. */
static enum co_err
options_add_item(struct co_options *options, const struct co_option *option,
                 struct co_option_list *list, const char *text, size_t len)
{
    const char **items;
    const char *copy;

    if (!co_option_value_fits(option, len)) return CO_INVALID;
    if (list->count >= co_option_value_items_max(option)) return CO_RANGE;
    copy = options_own(options, text, len);
    if (!copy) return CO_NOMEM;
    items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (!items) return CO_NOMEM;
    items[list->count] = copy;
    list->items = items;
    list->count++;
    return CO_OK;
}

/* "a, "b,c", d" from file or environment; a flag's value is one item. */
static enum co_err
options_add_items(struct co_options *options, const struct co_option *option,
                  struct co_option_list *list, const char *text)
{
    enum co_err err = CO_OK;

    for (bool more = *text; more && !err;) {
        size_t len, skip;

        text += strspn(text, " ");
        if (*text == '"') {
            text++;
            len = strcspn(text, "\"");
            if (!text[len]) return CO_INVALID;
            skip = len + 1 + strspn(text + len + 1, " ");
            if (text[skip] && text[skip] != ',') return CO_INVALID;
        } else {
            skip = len = strcspn(text, ",");
            while (len > 0 && text[len - 1] == ' ') {
                len--;
            }
        }
        err = options_add_item(options, option, list, text, len);
        more = text[skip] == ',';
        text += skip + more;
    }
    return err;
}

static enum co_err
options_store(struct co_options *options, size_t i, const char *text,
              enum source source)
{
    const struct co_option *option = &options->spec->table[i];
    void *field = (char *)options->config + option->offset;

    co_assert(text);
    if (option->type == CO_OPTION_STRING) {
        if (!co_option_value_is_text(option, text)) return CO_INVALID;
        text = options_own(options, text, strlen(text));
        if (!text) return CO_NOMEM;
        *(const char **)field = text;
        return CO_OK;
    }
    if (option->type == CO_OPTION_LIST) {
        struct co_option_list *list = field;

        if (options->sources[i] != source) list->count = 0;
        options->sources[i] = (uint8_t)source;
        return source == FROM_FLAG
                   ? options_add_item(options, option, list, text, strlen(text))
                   : options_add_items(options, option, list, text);
    }
    return co_option_value_parse(option, text, options->config);
}

static enum co_err
options_set(struct co_options *options, size_t i, const char *text,
            const struct origin *origin, struct co_diag *diag)
{
    enum co_err err = options_store(options, i, text, origin->source);

    if (err == CO_NOMEM) return options_nomem(diag);
    if (err) {
        return options_bad_value(&options->spec->table[i], origin, text, diag);
    }
    options->sources[i] = (uint8_t)origin->source;
    return CO_OK;
}

/* Does name[0..len) name the option? '_' counts as '-'. */
static bool
options_is(const char *option, const char *name, size_t len)
{
    if (strlen(option) != len) return false;
    for (size_t i = 0; i < len; i++) {
        if (option[i] != name[i] && !(option[i] == '-' && name[i] == '_')) {
            return false;
        }
    }
    return true;
}

/* Index in the table, or count. */
static size_t
options_find(const struct co_options_spec *spec, const char *name, size_t len)
{
    size_t i = 0;

    while (i < spec->count && !options_is(spec->table[i].name, name, len)) {
        i++;
    }
    return i;
}

enum { DISTANCE_MAX_LEN = 40 };

/* How many letters to add, drop or change to make b from a. */
static unsigned
options_distance(const char *a, size_t a_len, const char *b)
{
    unsigned row[DISTANCE_MAX_LEN + 1];
    size_t b_len = strlen(b);

    if (a_len > DISTANCE_MAX_LEN || b_len > DISTANCE_MAX_LEN) return 99;
    for (unsigned j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);

            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

static enum co_err
options_unknown(const struct co_options_spec *spec, const char *dashes,
                const char *name, size_t len, const char *where,
                struct co_diag *diag)
{
    const char *nearest = NULL;
    unsigned best = 3; /* farther than two letters is no typing error */

    for (size_t i = 0; i < spec->count; i++) {
        unsigned d = options_distance(name, len, spec->table[i].name);

        if (d < best) {
            best = d;
            nearest = spec->table[i].name;
        }
    }
    if (nearest) {
        return co_fail(diag, CO_USAGE,
                       "unknown option %s%.*s%s; did you mean %s%s?", dashes,
                       (int)co_min_u64(len, 60), name, where, dashes, nearest);
    }
    return co_fail(diag, CO_USAGE,
                   "unknown option %s%.*s%s; `%s --help` lists them", dashes,
                   (int)co_min_u64(len, 60), name, where, spec->program);
}

static enum co_err
options_note(struct co_options *options, size_t option, const char *value)
{
    options->settings[options->setting_count++] =
        (struct setting){.option = option, .value = value};
    return CO_OK;
}

/* The words that every program knows. */
static bool
options_note_common(struct co_options *options, const char *name, size_t len)
{
    if (options_is("help", name, len)) {
        options->asked = ASKED_HELP;
    } else if (options_is("version", name, len)) {
        options->asked = ASKED_VERSION;
    } else if (options_is("print-config", name, len)) {
        options->asked = ASKED_CONFIG;
    } else if (options_is("explain-config", name, len)) {
        options->asked = ASKED_EXPLAIN;
    } else {
        return false;
    }
    return true;
}

static enum co_err
options_missing_value(const char *flag, struct co_diag *diag)
{
    return co_fail(diag, CO_USAGE, "%s needs a value after it", flag);
}

/* "--name", "--name=value", "--no-name"; *next is the argument after it,
 * NULL at the end, and is set to NULL when it was used. */
static enum co_err
options_read_long(struct co_options *options, const char *flag,
                  const char **next, struct co_diag *diag)
{
    const struct co_options_spec *spec = options->spec;
    const char *name = flag + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    size_t i = options_find(spec, name, len);
    bool is_config = options_is("config", name, len);

    if (!value && options_note_common(options, name, len)) return CO_OK;
    if (i == spec->count && !value && !strncmp(name, "no-", 3)) {
        i = options_find(spec, name + 3, len - 3);
        if (i < spec->count && spec->table[i].type == CO_OPTION_FLAG) {
            return options_note(options, i, "false");
        }
        i = spec->count;
    }
    if (i == spec->count && !is_config) {
        return options_unknown(spec, "--", name, len, "", diag);
    }
    if (!value && !is_config && spec->table[i].type == CO_OPTION_FLAG) {
        return options_note(options, i, "true");
    }
    if (!value) {
        if (!*next) return options_missing_value(flag, diag);
        value = *next;
        *next = NULL;
    }
    if (i < spec->count) return options_note(options, i, value);
    options->config_path = value;
    return CO_OK;
}

/* "-n 5", "-n5", "-h". Letters are not bundled. */
static enum co_err
options_read_letter(struct co_options *options, const char *flag,
                    const char **next, struct co_diag *diag)
{
    const struct co_options_spec *spec = options->spec;
    const char *value = flag + 2;
    size_t i = 0;

    while (i < spec->count && spec->table[i].letter != flag[1]) {
        i++;
    }
    if (i == spec->count) {
        if (!strcmp(flag, "-h")) return options->asked = ASKED_HELP, CO_OK;
        return options_unknown(spec, "-", flag + 1, strlen(flag + 1), "", diag);
    }
    if (spec->table[i].type == CO_OPTION_FLAG) {
        if (*value) {
            return co_fail(diag, CO_USAGE, "-%c takes no value (\"%s\")",
                           flag[1], flag);
        }
        return options_note(options, i, "true");
    }
    if (!*value) {
        if (!*next) return options_missing_value(flag, diag);
        value = *next;
        *next = NULL;
    }
    return options_note(options, i, value);
}

/* Sorts argv into settings and positional arguments. */
static enum co_err
options_read_argv(struct co_options *options, int argc, char *const *argv,
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
            err = options_read_long(options, arg, &next, diag);
        } else {
            err = options_read_letter(options, arg, &next, diag);
        }
        if (err) return err;
        if (had_next && !next) i++;
        if (options->asked == ASKED_HELP || options->asked == ASKED_VERSION) {
            return CO_OK;
        }
    }
    return CO_OK;
}

/* One line of the config file. */
static enum co_err
options_on_line(void *self, const struct co_option_file_line *line,
                struct co_diag *diag)
{
    struct co_options *options = self;
    const struct co_options_spec *spec = options->spec;
    const struct origin origin = {.source = FROM_FILE,
                                  .where = options->config_path,
                                  .line = line->number};
    size_t i = options_find(spec, line->name, line->name_bytes);

    if (i == spec->count) {
        return options_unknown(spec, "", line->name, line->name_bytes,
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
    return options_set(options, i, line->value, &origin, diag);
}

static enum co_err
options_read_env(struct co_options *options, struct co_diag *diag)
{
    for (size_t i = 0; i < options->spec->count; i++) {
        co_auto(co_buf_fini) struct co_buf name;
        struct origin origin = {.source = FROM_ENV};
        const char *value;
        enum co_err err;

        co_buf_init(&name, 256); /* before anything leaves this scope */
        if (options->spec->table[i].no_env) continue;
        co_options_env_name(options->spec->table[i].name, &name);
        origin.where = co_buf_text(&name);
        value = getenv(origin.where);
        if (!value || !*value) continue; /* NAME= means "not set" */
        err = options_set(options, i, value, &origin, diag);
        if (err) return err;
    }
    return CO_OK;
}

static enum co_err
options_set_defaults(struct co_options *options, struct co_diag *diag)
{
    struct origin origin = {.source = FROM_DEFAULT};

    for (size_t i = 0; i < options->spec->count; i++) {
        const char *def = options->spec->table[i].def;
        enum co_err err = CO_OK;

        if (def) err = options_set(options, i, def, &origin, diag);
        if (err) return err;
    }
    return CO_OK;
}

static enum co_err
options_apply(struct co_options *options, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf name;
    struct origin origin = {.source = FROM_FLAG};
    enum co_err err = CO_OK;

    co_buf_init(&name, 256);

    if (!options->config_path) {
        co_options_env_name("config", &name);
        options->config_path = getenv(co_buf_text(&name));
    }
    if (options->config_path && *options->config_path) {
        err = co_option_file_read(options->config_path, options_on_line,
                                  options, diag);
    }
    if (!err) err = options_read_env(options, diag);
    for (size_t i = 0; !err && i < options->setting_count; i++) {
        err = options_set(options, options->settings[i].option,
                          options->settings[i].value, &origin, diag);
    }
    return err;
}

static enum co_err
options_check_args(const struct co_options *options, struct co_diag *diag)
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
options_print_config(struct co_options *options, struct co_buf *out)
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
options_explain_config(struct co_options *options, struct co_buf *out)
{
    const struct co_options_spec *spec = options->spec;

    co_option_explain_head(spec, out);
    for (size_t i = 0; i < spec->count; i++) {
        co_option_explain(&spec->table[i], options->config,
                          options->sources[i] != FROM_DEFAULT, out);
    }
}

static enum co_err
options_run(struct co_options *options, int argc, char *const *argv,
            struct co_diag *diag)
{
    enum co_err err = options_set_defaults(options, diag);

    if (!err) err = options_read_argv(options, argc, argv, diag);
    if (err) return err;
    if (options->asked == ASKED_HELP) {
        co_options_help(options->spec, &options->answer);
    } else if (options->asked == ASKED_VERSION) {
        co_buf_printf(&options->answer, "%s\n", options->spec->version);
    } else {
        err = options_apply(options, diag);
        if (!err && options->asked == ASKED_CONFIG) {
            options_print_config(options, &options->answer);
        } else if (!err && options->asked == ASKED_EXPLAIN) {
            options_explain_config(options, &options->answer);
        } else if (!err) {
            err = options_check_args(options, diag);
        }
    }
    if (!err && options->asked) (void)co_buf_text(&options->answer);
    return !err && options->answer.err ? options_nomem(diag) : err;
}

/* Every field that the table names starts as zero bytes. */
static void
options_zero(const struct co_options_spec *spec, void *config)
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
    options_zero(spec, config);
    options = calloc(1, sizeof *options);
    if (!options) return options_nomem(diag);
    options->spec = spec;
    options->config = config;
    co_buf_init(&options->answer, ANSWER_BYTES_MAX);
    options->sources = calloc(spec->count + 1, 1);
    options->settings = calloc(room, sizeof *options->settings);
    options->args = calloc(room, sizeof *options->args);
    if (!options->sources || !options->settings || !options->args) {
        return options_nomem(diag);
    }
    err = options_run(options, argc, argv, diag);
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
    size_t i = options_find(options->spec, name, strlen(name));

    co_assert(i < options->spec->count);
    return options->sources[i] != FROM_DEFAULT;
}
