/* commands.h - the table of what `cohort` can do, and how it answers.
 * main() looks a command up and runs it. Each command parses its own options
 * from one table and returns the exit code of the program. One thread. */
#pragma once
#include "common/options.h"

/* What scripts can rely on; docs/cli.md. */
enum cli_exit {
    CLI_OK = 0,      /* complete */
    CLI_FAILED = 1,  /* something outside the job file went wrong */
    CLI_USAGE = 2,   /* wrong command line, or a bad job file */
    CLI_PARTIAL = 3, /* ended before everything was done; can go on */
};

struct cli_command {
    const char *name; /* "run", "bench tasks": one or two words */
    int (*run)(int argc, char **argv); /* argv[0] is the last word of name */
    const char *args;                  /* for the overview */
    const char *help;                  /* one line */
};

/* All commands, in the order of the overview; *ret_count of them. */
const struct cli_command *commands_all(size_t *ret_count);
/* The command that argv[1..argc) names; *ret_words words were used. NULL:
 * there is none. */
const struct cli_command *commands_find(int argc, char *const *argv,
                                        int *ret_words);
/* The first word of the command that is nearest to what was typed; NULL when
 * nothing is near. */
const char *commands_nearest(const char *typed);
/* The overview of `cohort --help`. */
void commands_help(struct co_buf *out);
/* main() without its process: parses, runs, returns the exit code. */
int commands_main(int argc, char **argv);

int cmd_run(int argc, char **argv);
int cmd_submit(int argc, char **argv);
int cmd_validate(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_workers(int argc, char **argv);
int cmd_scale(int argc, char **argv);
int cmd_budget_set(int argc, char **argv);
int cmd_budget_show(int argc, char **argv);
int cmd_budget_rebuild(int argc, char **argv);
int cmd_budget_unknown(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_dead_list(int argc, char **argv);
int cmd_dead_show(int argc, char **argv);
int cmd_dead_replay(int argc, char **argv);
int cmd_dead_discard(int argc, char **argv);
int cmd_journal_check(int argc, char **argv);
int cmd_journal_repair(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_phrases_check(int argc, char **argv);
int cmd_phrases_try(int argc, char **argv);
int cmd_keygen(int argc, char **argv);
int cmd_bench_tasks(int argc, char **argv);
int cmd_bench_rows(int argc, char **argv);
int cmd_bench_llm(int argc, char **argv);
int cmd_try(int argc, char **argv);
