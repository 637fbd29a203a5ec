/* cmd_doctor.c - `cohort doctor`: is this machine fit for it? */
#include "cli/doctor.h"
#include "cli/say.h"
#include "common/program_options.h"

#include <stdarg.h>
#include <stdio.h>

#define PROGRAM CO_PROGRAM " doctor"

struct doctor_config {
    const char *redis, *data;
    bool redis_insecure;
};

#define FIELD(name) offsetof(struct doctor_config, name)

static const struct co_option table[] = {
    CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),
                     "look at this Redis; else at the redis-server program"),
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = FIELD(data),
     .placeholder = "DIR",
     .help = "folder of the compiled model"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] [DIR]",
    .about = "Checks this machine and the folder DIR (default: the working\n"
             "folder) that corpora are to lie in. Each line is ok, warn or\n"
             "fail, with what to do. Exit code 1 when something fails.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_max = 1,
};

void
doctor_say(struct doctor *d, enum doctor_verdict verdict, const char *what,
           const char *fmt, ...)
{
    static const char *const names[] = {"ok", "warn", "fail"};
    va_list args;

    d->warned += verdict == DOCTOR_WARN;
    d->failed += verdict == DOCTOR_FAIL;
    (void)printf("%-4s  %-11s  ", names[verdict], what);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)putchar('\n');
}

int
cmd_doctor(int argc, char **argv)
{
    static void (*const checks[])(struct doctor * d) = {
        doctor_cores,   doctor_memory, doctor_descriptors,
        doctor_clock,   doctor_model,  doctor_libraries,
        doctor_sockets, doctor_redis,  doctor_folder};
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct doctor_config cfg = {0};
    struct doctor d;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    d = (struct doctor){
        .dir = co_options_arg_count(options) ? co_options_arg(options, 0) : ".",
        .redis = cfg.redis,
        .redis_insecure = cfg.redis_insecure,
        .data = cfg.data};
    for (size_t i = 0; i < co_countof(checks); i++) {
        checks[i](&d);
    }
    if (d.failed || d.warned) {
        (void)printf("%u failed, %u to look at\n", d.failed, d.warned);
    }
    return d.failed ? CLI_FAILED : CLI_OK;
}
