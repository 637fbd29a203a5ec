/* commands.c - see commands.h. */
#include "cli/commands.h"

#include "common/near.h"

#include <stdio.h>
#include <string.h>

#ifndef COHORT_VERSION
#error "COHORT_VERSION is defined by cli/CMakeLists.txt"
#endif

enum { WORD_MAX = 32, NEAR_MAX = 3, HELP_COLUMN = 34, HELP_BYTES_MAX = 8192 };

static const struct cli_command table[] = {
    {"run", cmd_run, "FILE", "make the corpus that a job file describes"},
    {"submit", cmd_submit, "FILE", "hand a job to a running coordinator"},
    {"validate", cmd_validate, "FILE", "check a job file, change nothing"},
    {"plan", cmd_plan, "FILE", "say what a job will take: money, time, bytes"},
    {"status", cmd_status, "[JOB|DIR]", "how runs stand"},
    {"workers", cmd_workers, "[--drain ID]", "who works in a fleet"},
    {"scale", cmd_scale, "[SERVICE [N|auto]]", "how many workers, and why"},
    {"budget set", cmd_budget_set, "[--day USD]", "caps over all jobs"},
    {"budget show", cmd_budget_show, "", "what is left of them, and why"},
    {"budget rebuild", cmd_budget_rebuild, "DIR...",
     "tell a Redis that lost them again"},
    {"budget unknown", cmd_budget_unknown, "OUT",
     "calls of a job that may be paid for nothing"},
    {"top", cmd_top, "", "jobs, queues, workers, models, money"},
    {"why", cmd_why, "[JOB|DIR]", "what a job waits for, and what to do"},
    {"events", cmd_events, "[--follow]", "what changed: jobs, workers, owners"},
    {"query", cmd_query, "OUT [EXPR]",
     "rows of a corpus that fulfil a condition"},
    {"export", cmd_export, "--format F OUT",
     "a corpus as one file: jsonl, csv"},
    {"show", cmd_show, "OUT ROW...", "personas of a corpus, laid out"},
    {"dead list", cmd_dead_list, "OUT", "rows that were given up, and why"},
    {"dead show", cmd_dead_show, "OUT ROW...", "all that is known of some"},
    {"dead replay", cmd_dead_replay, "OUT [ROW...]",
     "have the next run draw them again"},
    {"dead discard", cmd_dead_discard, "OUT [ROW...]",
     "let them stay dead, as looked at"},
    {"journal check", cmd_journal_check, "DIR", "is a run's journal in order?"},
    {"journal repair", cmd_journal_repair, "DIR", "repair a damaged journal"},
    {"doctor", cmd_doctor, "[DIR]", "is this machine fit for it?"},
    {"init", cmd_init, "--profile P", "write commented configuration files"},
    {"gc", cmd_gc, "[DIR...]", "remove what nobody needs any more"},
    {"keygen", cmd_keygen, "ROLE NAME", "make keys for links to other hosts"},
    {"phrases check", cmd_phrases_check, "[DIR]", "are phrase files right?"},
    {"phrases try", cmd_phrases_try, "[DIR]", "read texts made of phrases"},
    {"bench tasks", cmd_bench_tasks, "[-n N]", "measure small tasks"},
    {"bench rows", cmd_bench_rows, "[-n N]", "measure persona rows"},
    {"bench llm", cmd_bench_llm, "--url URL", "measure calls to a model"},
    {"try", cmd_try, "PROVIDER PROMPT", "one call to a model, laid open"},
};

const struct cli_command *
commands_all(size_t *ret_count)
{
    *ret_count = co_countof(table);
    return table;
}

/* How many leading words of argv spell name; 0 when they do not. */
static int
words_match(const char *name, int argc, char *const *argv)
{
    const char *space = strchr(name, ' ');
    size_t first = space ? (size_t)(space - name) : strlen(name);

    if (argc < 2 || strlen(argv[1]) != first ||
        strncmp(argv[1], name, first) != 0) {
        return 0;
    }
    if (!space) return 1;
    return argc > 2 && strcmp(argv[2], space + 1) == 0 ? 2 : 0;
}

const struct cli_command *
commands_find(int argc, char *const *argv, int *ret_words)
{
    for (size_t i = 0; i < co_countof(table); i++) {
        int words = words_match(table[i].name, argc, argv);

        if (!words) continue;
        *ret_words = words;
        return &table[i];
    }
    return NULL;
}

const char *
commands_nearest(const char *typed)
{
    static char best_word[WORD_MAX + 1];
    size_t len = strlen(typed), best = NEAR_MAX;

    if (len == 0 || len > WORD_MAX) return NULL;
    best_word[0] = '\0';
    for (size_t i = 0; i < co_countof(table); i++) {
        size_t word = strcspn(table[i].name, " ");
        size_t far = co_near_distance(typed, len, table[i].name, word);

        /* Three changes make any short word of any other. */
        if (far >= best || far >= word) continue;
        best = far;
        memcpy(best_word, table[i].name, word);
        best_word[word] = '\0';
    }
    return best_word[0] ? best_word : NULL;
}

void
commands_help(struct co_buf *out)
{
    co_buf_puts(out, "Usage: " CO_PROGRAM " COMMAND [OPTIONS]\n\n"
                     "Makes large corpora of personas that match a real "
                     "population.\n\n"
                     "Commands:\n");
    for (size_t i = 0; i < co_countof(table); i++) {
        size_t start = out->len;

        co_buf_printf(out, "  %s %s", table[i].name, table[i].args);
        while (!out->err && out->len - start < HELP_COLUMN) {
            co_buf_putc(out, ' ');
        }
        co_buf_printf(out, "%s\n", table[i].help);
    }
    co_buf_puts(out, "\nEach answers --help. " CO_PROGRAM " --version prints "
                     "the version.\n"
                     "Exit codes: 0 complete, 3 partial or stopped (the same "
                     "command goes on),\n"
                     "2 wrong use or bad job file, 1 failure.\n");
}

static void
help_print(FILE *to)
{
    struct co_buf out;

    co_buf_init(&out, HELP_BYTES_MAX);
    commands_help(&out);
    (void)fputs(co_buf_text(&out), to);
    co_buf_fini(&out);
}

/* The two-word commands that begin with word, after lead: "journal check,
 * journal repair". Returns whether there are any. */
static bool
seconds_print(const char *word, const char *lead, FILE *to)
{
    bool any = false;

    for (size_t i = 0; i < co_countof(table); i++) {
        size_t len = strlen(word);

        if (strncmp(table[i].name, word, len) != 0 ||
            table[i].name[len] != ' ') {
            continue;
        }
        (void)fprintf(to, "%s%s", any ? ", " : lead, table[i].name);
        any = true;
    }
    if (any) (void)fprintf(to, "; each answers --help\n");
    return any;
}

static bool
is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
           strcmp(word, "help") == 0;
}

static int
unknown(int argc, char **argv)
{
    const char *near;

    if (argc < 2) {
        help_print(stderr);
        return CLI_USAGE;
    }
    if (argc > 2 && is_help(argv[2]) &&
        seconds_print(argv[1], "There is " CO_PROGRAM " ", stdout)) {
        return CLI_OK;
    }
    if (seconds_print(argv[1], CO_PROGRAM ": which one? There is ", stderr)) {
        return CLI_USAGE;
    }
    near = commands_nearest(argv[1]);
    (void)fprintf(stderr,
                  CO_PROGRAM ": there is no command \"%.*s\"%s%s%s "
                             "See " CO_PROGRAM " --help\n",
                  2 * WORD_MAX, argv[1], near ? "; did you mean \"" : ".",
                  near ? near : "", near ? "\"?" : "");
    return CLI_USAGE;
}

/* `help run` is `run --help`. */
static int
help_of(int argc, char **argv)
{
    static char flag[] = "--help";
    char *asked[4] = {argv[0], argv[1], argc > 2 ? argv[2] : flag, flag};
    int words = 0;
    const struct cli_command *command = commands_find(argc, argv, &words);

    if (!command) return unknown(3, (char *[]){argv[0], argv[1], flag});
    asked[words + 1] = flag;
    return command->run(2, asked + words);
}

int
commands_main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    int words = 0;
    const struct cli_command *command = commands_find(argc, argv, &words);

    if (command) return command->run(argc - words, argv + words);
    if (is_help(first)) {
        if (argc > 2) return help_of(argc - 1, argv + 1);
        help_print(stdout);
        return CLI_OK;
    }
    if (strcmp(first, "--version") == 0) {
        (void)puts(CO_PROGRAM " " COHORT_VERSION);
        return CLI_OK;
    }
    return unknown(argc, argv);
}
