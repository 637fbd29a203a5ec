/* cmd_gc.c - `cohort gc`: options, what is said, and the sums. See gc.h. */
#include "cli/gc.h"
#include "cli/say.h"
#include "common/clock.h"
#include "common/program_options.h"

#include <stdarg.h>
#include <stdio.h>

#define PROGRAM CO_PROGRAM " gc"

enum { LINE_BYTES_MAX = 16384, DIRS_MAX = 1024 };

#define FIELD(name) offsetof(struct gc, name)

// clang-format off
static const struct co_option table[] = {
    {.name = "dry-run", .letter = 'n', .type = CO_OPTION_FLAG,
     .offset = FIELD(dry_run), .no_env = true,
     .help = "print what would go and how much, remove nothing"},
    CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),
                     "clean up in this Redis too"),
    {.name = "namespaces-age", .type = CO_OPTION_DURATION,
     .offset = FIELD(ages.namespaces_ms), .def = "7d", .min = 60000,
     .help = "a namespace without a sign of life for so long is dead"},
    {.name = "jobs-age", .type = CO_OPTION_DURATION,
     .offset = FIELD(ages.jobs_ms), .def = "30d", .min = 60000,
     .help = "keys of finished jobs in Redis go after so long"},
    {.name = "events-age", .type = CO_OPTION_DURATION,
     .offset = FIELD(ages.events_ms), .def = "7d", .min = 60000,
     .help = "events in Redis go after so long"},
    {.name = "stale-age", .type = CO_OPTION_DURATION,
     .offset = FIELD(ages.stale_ms), .def = "1h", .min = 10000,
     .help = "files that killed programs left go after so long"},
    {.name = "journals-age", .type = CO_OPTION_DURATION,
     .offset = FIELD(ages.journals_ms), .def = "0",
     .help = "journals of finished runs go after so long, and with them the "
             "means to add rows; 0: never"},
    {.name = "unfinished", .type = CO_OPTION_FLAG, .offset = FIELD(unfinished),
     .no_env = true,
     .help = "dead namespaces go even if a job in them is not finished or has "
             "dead letters (folders stay)"},
};
// clang-format on

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] [DIR ...]",
    .about =
        "Removes what nobody needs any more: files of killed commands on\n"
        "this machine, what finished runs left in their folders DIR (or\n"
        "in the folders below DIR), and with --redis dead namespaces, old\n"
        "jobs and old events. A folder in use and an unfinished run are\n"
        "never touched.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_max = DIRS_MAX,
};

/* Names of keys and folders are what others chose. */
static void co_printf(1, 2) print_line(const char *fmt, ...)
{
    co_auto(co_buf_fini) struct co_buf line;
    char text[2 * LINE_BYTES_MAX];
    va_list args;

    co_buf_init(&line, sizeof text + 8);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say_line(&line, "%s", text);
    say_print(&line);
}

bool
gc_take(struct gc *gc, enum gc_place place, const char *what, uint64_t bytes,
        const char *fmt, ...)
{
    co_auto(co_buf_fini) struct co_buf size;
    char text[LINE_BYTES_MAX];
    va_list args;

    co_buf_init(&size, 64);
    if (bytes) say_bytes(&size, bytes);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    print_line("%s  %-9s  %10s  %s", gc->dry_run ? "would remove" : "remove",
               what, co_buf_text(&size), text);
    gc->things++;
    *(place == GC_DISK ? &gc->disk_bytes : &gc->redis_bytes) += bytes;
    return !gc->dry_run;
}

void
gc_keep(struct gc *gc, const char *what, const char *fmt, ...)
{
    char text[LINE_BYTES_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    print_line("keep  %-9s  %s", what, text);
    gc->kept++;
}

void
gc_failed(struct gc *gc, const char *what, const struct co_diag *diag)
{
    struct co_diag said = {""};

    (void)co_fail(&said, CO_IO, "%s: %s", what, diag->text);
    (void)say_error(PROGRAM, CO_IO, &said);
    gc->failed++;
}

static void
print_sum(const struct gc *gc)
{
    co_auto(co_buf_fini) struct co_buf out;

    co_buf_init(&out, LINE_BYTES_MAX);
    co_buf_puts(&out, gc->dry_run ? "would remove " : "removed ");
    say_count(&out, gc->things - (gc->dry_run ? 0 : gc->failed));
    co_buf_puts(&out, gc->things == 1 ? " thing" : " things");
    if (gc->disk_bytes) {
        co_buf_puts(&out, ", ");
        say_bytes(&out, gc->disk_bytes);
        co_buf_puts(&out, " on disk");
    }
    if (gc->redis_bytes) {
        co_buf_puts(&out, ", ");
        say_bytes(&out, gc->redis_bytes);
        co_buf_puts(&out, " in Redis");
    }
    (void)puts(co_buf_text(&out));
    if (!gc->journals) return;
    (void)printf("Without its journal a corpus can be read, queried and "
                 "exported as before, but\nno rows can be added: `" CO_PROGRAM
                 " run` refuses its folder instead of extending it\nor saying "
                 "that it is finished.\n");
}

static enum co_err
clean(struct gc *gc, const struct co_options *options, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (size_t i = 0; !err && i < co_options_arg_count(options); i++) {
        err = gc_folder(gc, co_options_arg(options, i), diag);
    }
    if (!err) gc_machine(gc);
    if (!err && gc->redis) err = gc_redis(gc, diag);
    return err;
}

int
cmd_gc(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct gc gc = {0};
    struct co_diag diag = {""};
    int exit_code;
    enum co_err err;

    if (!say_options(&options_spec, argc, argv, &gc, &options, &exit_code)) {
        return exit_code;
    }
    gc.now_ms = co_clock_wall_ms();
    err = clean(&gc, options, &diag);
    print_sum(&gc);
    if (err) return say_error(PROGRAM, err, &diag);
    return gc.failed ? CLI_FAILED : CLI_OK;
}
