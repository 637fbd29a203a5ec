/* cohort-coordinator: owns jobs. Breaks them into tasks, commits the results
 * to a journal, writes the output. Read docs/architecture.md first.
 *   run    one job, to its end
 *   serve  a daemon that takes jobs from `cohort submit`
 *   bench  small tasks, measured */
#include "coordinator/bench_job.h"
#include "coordinator/run_job.h"
#include "coordinator/serve.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", run_job, "run one job to its end"},
    {"serve", serve, "wait for jobs from `cohort submit`"},
    {"bench", bench_job, "measure small tasks"},
};

static void
usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: " CO_PROGRAM "-coordinator COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < co_countof(commands); i++) {
        (void)fprintf(to, "  %-6s %s\n", commands[i].name, commands[i].help);
    }
    (void)fprintf(to, "\nEach command answers --help.\n");
}

int
main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < co_countof(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(name, "--version") == 0) {
        (void)puts(CO_PROGRAM " " COHORT_VERSION);
        return 0;
    }
    usage(strcmp(name, "--help") == 0 ? stdout : stderr);
    return strcmp(name, "--help") == 0 ? 0 : 2;
}
