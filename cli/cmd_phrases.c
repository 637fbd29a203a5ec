/* cmd_phrases.c - `cohort phrases check` and `cohort phrases try`: for those
 * who write phrases. Both load what Cohort ships and, after it, the folder
 * named on the command line, with every check that a run makes. */
#include "cli/say.h"
#include "population/locate.h"
#include "population/sampler.h"
#include "prose/prose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SAMPLE_ROWS = 20000, SAMPLE_SEED = 1, TEXT_WIDTH = 78 };

struct phrases_config {
    const char *data, *column;
    uint64_t rows, seed, first;
    bool bare;
};

#define FIELD(name) offsetof(struct phrases_config, name)

static const struct co_option check_table[] = {
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = FIELD(data),
     .placeholder = "DIR",
     .help = "folder of the compiled model and the shipped phrases"},
    {.name = "bare",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(bare),
     .help = "check DIR alone, without what is shipped"},
};

static const struct co_options_spec check_spec = {
    .program = CO_PROGRAM " phrases check",
    .usage = "[OPTIONS] [DIR]",
    .about = "Checks the shipped phrase files and those in DIR beyond them:\n"
             "every rule of docs/phrases.md. Prints what each list has, and\n"
             "the fewest alternatives that anyone of 20,000 sampled people\n"
             "can choose from.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = check_table,
    .count = co_countof(check_table),
    .args_max = 1,
};

static const struct co_option try_table[] = {
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = FIELD(data),
     .placeholder = "DIR",
     .help = "folder of the compiled model and the shipped phrases"},
    {.name = "rows",
     .type = CO_OPTION_U64,
     .offset = FIELD(rows),
     .def = "10",
     .min = 1,
     .max = 100000,
     .help = "how many people"},
    {.name = "first",
     .type = CO_OPTION_U64,
     .offset = FIELD(first),
     .def = "0",
     .max = INT64_MAX,
     .help = "the first row"},
    {.name = "seed",
     .type = CO_OPTION_U64,
     .offset = FIELD(seed),
     .def = "1",
     .max = INT64_MAX,
     .help = "of the people"},
    {.name = "column",
     .type = CO_OPTION_STRING,
     .offset = FIELD(column),
     .placeholder = "NAME",
     .help = "only this text, without the line about the person"},
};

static const struct co_options_spec try_spec = {
    .program = CO_PROGRAM " phrases try",
    .usage = "[OPTIONS] [DIR]",
    .about =
        "Prints the texts of some people for reading, made of the shipped\n"
        "phrases and those in DIR.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = try_table,
    .count = co_countof(try_table),
    .args_max = 1,
};

/* What both commands load. */
struct phrases {
    struct model *model;
    struct phrase_set *shipped, *extra;
    const struct grammar *grammar; /* of prose */
    struct prose *prose;
    struct sampler *sampler;
};

static void
phrases_fini(struct phrases *p)
{
    sampler_free(p->sampler);
    prose_free(p->prose);
    phrase_set_free(p->extra);
    phrase_set_free(p->shipped);
    model_free(p->model);
}

static enum co_err
load_files(const struct phrases_config *config, const char *dir,
           struct phrases *p, struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err = phrase_set_new(&p->shipped);

    struct stat st;

    if (!err && dir) err = phrase_set_new(&p->extra);
    if (err) return err;
    if (dir && (stat(dir, &st) || !S_ISDIR(st.st_mode))) {
        return co_fail(diag, CO_USAGE,
                       "%s: there is no such folder; give one with phrase "
                       "files (*.txt)",
                       dir);
    }
    if (dir) {
        err = phrase_set_read(config->bare ? p->shipped : p->extra, dir, diag);
    }
    if (err || config->bare) return err;
    err = phrases_locate(config->data, path, diag);
    return err ? err : phrase_set_read(p->shipped, path, diag);
}

static enum co_err
load_all(const struct phrases_config *config, const char *dir,
         struct phrases *p, struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err = load_files(config, dir, p, diag);

    if (!err) err = model_locate(config->data, "us", path, diag);
    if (!err) err = model_open(path, diag, &p->model);
    if (!err) {
        err = prose_new(p->model, &p->shipped, config->bare ? NULL : p->extra,
                        diag, &p->prose);
    }
    if (!err) p->grammar = prose_grammar(p->prose);
    if (!err) {
        err = sampler_new(p->model, config->seed, NULL, 0, diag, &p->sampler);
    }
    return err;
}

/* --- check ---------------------------------------------------------------- */

/* What the sampled people can choose from and get. */
struct sample {
    uint32_t *fewest; /* [list] alternatives that somebody can choose from */
    size_t shortest[TEXT_COUNT], longest[TEXT_COUNT];
    uint64_t bytes, people;
};

static void
sample_texts(const struct phrases *p, struct grammar_person *gp,
             struct sample *s)
{
    char text[PROSE_TEXT_BYTES];

    for (unsigned c = 0; c < TEXT_COUNT; c++) {
        const char *end = prose_text(p->prose, gp, (enum text_column)c, text);
        size_t len = end ? (size_t)(end - text) : 0;

        if (!end) continue;
        s->bytes += len;
        if (s->shortest[c] == 0 || len < s->shortest[c]) s->shortest[c] = len;
        if (len > s->longest[c]) s->longest[c] = len;
    }
}

static enum co_err
sample_people(const struct phrases *p, struct sample *s)
{
    uint32_t lists = grammar_lists(p->grammar);
    struct grammar_person gp;
    struct person person;

    s->fewest = malloc((lists ? lists : 1) * sizeof *s->fewest);
    if (!s->fewest) return CO_NOMEM;
    memset(s->fewest, 0xff, lists * sizeof *s->fewest);
    for (; s->people < SAMPLE_ROWS; s->people++) {
        sampler_draw(p->sampler, s->people, &person);
        prose_begin(p->prose, &person, sampler_bits(p->sampler, &person, 0),
                    &gp);
        sample_texts(p, &gp, s);
        for (uint32_t l = 0; l < lists; l++) {
            uint32_t n = grammar_choices(p->grammar, l, &gp.tags);

            if (n > 0 && n < s->fewest[l]) s->fewest[l] = n;
        }
    }
    return CO_OK;
}

static void
print_lists(const struct phrases *p, const struct sample *s)
{
    uint32_t items = 0;

    (void)printf("%-32s %6s %6s %6s %7s\n", "list", "items", "forms", "picks",
                 "fewest");
    for (uint32_t l = 0; l < grammar_lists(p->grammar); l++) {
        struct grammar_list_info info = grammar_list(p->grammar, l);

        items += info.items;
        (void)printf("%-32s %6u %6u %6u ", info.name, info.items, info.forms,
                     info.picks);
        if (s->fewest[l] == UINT32_MAX) {
            (void)printf("%7s", "-");
        } else {
            (void)printf("%7u", s->fewest[l]);
        }
        (void)printf("%s\n", info.used ? "" : "  not used");
    }
    (void)printf("%u lists, %u alternatives\n\n", grammar_lists(p->grammar),
                 items);
}

static void
print_columns(const struct sample *s)
{
    (void)printf("%-32s %8s %8s   bytes\n", "text", "shortest", "longest");
    for (unsigned c = 0; c < TEXT_COUNT; c++) {
        const char *name = text_column((enum text_column)c)->name;

        if (s->longest[c]) {
            (void)printf("%-32s %8zu %8zu\n", name, s->shortest[c],
                         s->longest[c]);
        } else {
            (void)printf("%-32s no list of this name: null\n", name);
        }
    }
    (void)printf("%llu bytes of text a person, over %llu people\n",
                 (unsigned long long)(s->bytes / s->people),
                 (unsigned long long)s->people);
}

int
cmd_phrases_check(int argc, char **argv)
{
    struct phrases_config config = {0};
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(phrases_fini) struct phrases p = {0};
    struct co_diag diag = {""};
    struct sample sample = {0};
    enum co_err err;
    int exit_code;

    if (!say_options(&check_spec, argc, argv, &config, &options, &exit_code)) {
        return exit_code;
    }
    config.seed = SAMPLE_SEED;
    err = load_all(&config,
                   co_options_arg_count(options) ? co_options_arg(options, 0)
                                                 : NULL,
                   &p, &diag);
    if (!err) err = sample_people(&p, &sample);
    if (err) return say_error(check_spec.program, err, &diag);
    print_lists(&p, &sample);
    print_columns(&sample);
    free(sample.fewest);
    return CLI_OK;
}

/* --- try ------------------------------------------------------------------ */

/* Prints a text as it will be read, broken into lines. */
static void
print_wrapped(const char *text, const char *end)
{
    int column = 0;

    while (text < end) {
        const char *word = text;

        while (text < end && *text != ' ') {
            text++;
        }
        if (column > 0 && column + 1 + (text - word) > TEXT_WIDTH) {
            (void)printf("\n   ");
            column = 3;
        } else if (column > 0) {
            (void)putchar(' ');
            column++;
        }
        for (; word < text; word++, column++) {
            if (*word == '\\' && word + 1 < text) word++; /* as in JSON */
            (void)putchar(*word);
        }
        while (text < end && *text == ' ') {
            text++;
        }
    }
    (void)putchar('\n');
}

static void
print_tags(const struct phrases *p, const struct person *person,
           const struct tags *tags)
{
    struct model_text first = model_text(&p->model->first, person->first);
    char name[16];

    (void)printf("%llu  %.*s, %u", (unsigned long long)person->row,
                 (int)first.len, first.data, person->age);
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        if (c == CLASS_AGE) continue;
        (void)printf(" %s=%s", tags_class_name((enum tag_class)c),
                     tags_value_name((enum tag_class)c, tags->value[c], name));
    }
    (void)putchar('\n');
}

static void
print_person(const struct phrases *p, uint64_t row, const char *only)
{
    struct grammar_person gp;
    struct person person;
    char text[PROSE_ARRAY_BYTES];

    sampler_draw(p->sampler, row, &person);
    prose_begin(p->prose, &person, sampler_bits(p->sampler, &person, 0), &gp);
    if (!only) print_tags(p, &person, &gp.tags);
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        enum text_column c = (enum text_column)i;
        const char *end = prose_text(p->prose, &gp, c, text);

        if (!end || (only && strcmp(only, text_column(c)->name) != 0)) continue;
        if (!only) (void)printf("   %s: ", text_column(c)->name);
        print_wrapped(text, end);
        end = prose_array(p->prose, &gp, c, text);
        if (end && !only) {
            (void)printf("   %.*s\n", (int)(end - text), text);
        }
    }
    if (!only) (void)putchar('\n');
}

static int
check_column(const char *name)
{
    if (!name) return CLI_OK;
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        if (strcmp(text_column((enum text_column)i)->name, name) == 0) {
            return CLI_OK;
        }
    }
    (void)fprintf(stderr, "%s: --column: there is no text \"%s\"; there is",
                  try_spec.program, name);
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        (void)fprintf(stderr, " %s", text_column((enum text_column)i)->name);
    }
    (void)fputc('\n', stderr);
    return CLI_USAGE;
}

int
cmd_phrases_try(int argc, char **argv)
{
    struct phrases_config config = {0};
    co_auto(co_options_freep) struct co_options *options = NULL;
    co_auto(phrases_fini) struct phrases p = {0};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&try_spec, argc, argv, &config, &options, &exit_code)) {
        return exit_code;
    }
    exit_code = check_column(config.column);
    if (exit_code) return exit_code;
    err = load_all(&config,
                   co_options_arg_count(options) ? co_options_arg(options, 0)
                                                 : NULL,
                   &p, &diag);
    if (err) return say_error(try_spec.program, err, &diag);
    for (uint64_t i = 0; i < config.rows; i++) {
        print_person(&p, config.first + i, config.column);
    }
    return CLI_OK;
}
