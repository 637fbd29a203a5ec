/* cmd_init.c - `cohort init`: writes commented configuration files.
 * The text of each comes from the program that will read it (--explain-config
 * with the profile's values as flags): so every option stands in it as the
 * program's own table has it, and no value is written that the program would
 * refuse. Copying the tables into this command was not done: programs never
 * depend on each other. */
#include "cli/profiles.h"
#include "cli/say.h"
#include "common/fs.h"
#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM CO_PROGRAM " init"

enum { FLAGS_BYTES_MAX = 1 << 16, WAIT_MS = 10000, TEXT_BYTES_MAX = 8192 };

struct init_config {
    int profile;
    const char *out;
    struct profile_place place;
};

#define FIELD(name) offsetof(struct init_config, name)

static const struct co_option table[] = {
    {.name = "profile",
     .letter = 'p',
     .type = CO_OPTION_ENUM,
     .offset = FIELD(profile),
     .choices = profile_names,
     .def = "laptop",
     .no_env = true,
     .help = "for what"},
    {.name = "out",
     .letter = 'o',
     .type = CO_OPTION_STRING,
     .offset = FIELD(out),
     .def = ".",
     .min = 1,
     .max = 1024,
     .placeholder = "DIR",
     .no_env = true,
     .help = "folder for the files; made if missing"},
    {.name = "brokers",
     .type = CO_OPTION_LIST,
     .offset = FIELD(place.brokers),
     .max = 16,
     .placeholder = "HOST",
     .no_env = true,
     .help = "a host that runs a broker (repeat for several)"},
    {.name = "redis",
     .type = CO_OPTION_STRING,
     .offset = FIELD(place.redis),
     .min = 1,
     .placeholder = "URL",
     .no_env = true,
     .help = "the Redis that all report to"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS]",
    .about = "Writes configuration files with every option of each program,\n"
             "its help, range and default. What differs from the defaults\n"
             "for the profile is set, the rest commented out. Files that\n"
             "exist are never changed.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

struct init {
    enum profile profile;
    const struct profile_place *place;
    const char *dir;
    char program_dir[PATH_MAX];
};

/* The variables of a running fleet must not get into the files. */
static void
forget_environment(void)
{
    extern char **environ;
    char name[256];

    for (char **e = environ; e && *e;) {
        size_t len = strcspn(*e, "=");

        if (strncmp(*e, "COHORT_", strlen("COHORT_")) == 0 &&
            len < sizeof name) {
            memcpy(name, *e, len);
            name[len] = '\0';
            (void)unsetenv(name); /* what follows moves to e */
        } else {
            e++;
        }
    }
}

/* Runs the program with the profile's flags, its answer goes to path. */
static enum co_err
ask_program(const struct init *in, size_t i, const char *path,
            struct co_diag *diag)
{
    size_t count;
    const struct profile_file *file = &profile_files(in->profile, &count)[i];
    char exe[PATH_MAX + 32];
    const char *argv[PROFILE_FLAGS_MAX + 4] = {exe};
    size_t n = 1;
    co_auto(co_buf_fini) struct co_buf flags;
    struct co_proc_opts opts = {.stdout_path = path};
    struct co_proc_exit end = {0};
    pid_t pid;
    enum co_err err;

    co_buf_init(&flags, FLAGS_BYTES_MAX);
    err = profile_flags(in->profile, i, in->place, &flags, diag);
    if (err) return err;
    if (flags.err) return co_fail(diag, flags.err, "out of memory");
    (void)snprintf(exe, sizeof exe, "%s/%s", in->program_dir, file->program);
    if (file->command) argv[n++] = file->command;
    for (size_t at = 0; at < flags.len && n < PROFILE_FLAGS_MAX;
         at += strlen((const char *)flags.data + at) + 1) {
        argv[n++] = (const char *)flags.data + at;
    }
    argv[n++] = "--explain-config";
    err = co_proc_spawn(argv, &opts, &pid, diag);
    if (err) return err;
    err = co_proc_wait(pid, WAIT_MS, &end);
    if (err) err = co_proc_stop(pid, 0, &end);
    if (!err && end.signal == 0 && end.code == 0) return CO_OK;
    /* Its own message stands above: it has our stderr. */
    return co_fail(diag, end.code == 2 ? CO_USAGE : CO_IO,
                   "%s did not say its options for %s", file->program,
                   file->file);
}

/* Gives the finished file its name, unless something has that name. */
static enum co_err
publish(const char *temp, const char *path, struct co_diag *diag)
{
    if (link(temp, path) == 0) return CO_OK;
    return co_fail(diag, co_err_from_errno(errno),
                   errno == EEXIST
                       ? "%s exists: it is left as it is. Choose another "
                         "folder with --out DIR, or move it away"
                       : "cannot write %s",
                   path);
}

static enum co_err
write_file(const struct init *in, const char *name, size_t i,
           struct co_diag *diag)
{
    char temp[PATH_MAX + 80], path[PATH_MAX + 64];
    enum co_err err;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", in->dir, name);
    (void)snprintf(temp, sizeof temp, "%s/.%s.XXXXXX", in->dir, name);
    fd = mkstemp(temp); /* 0600: a Redis URL may hold a password */
    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno), "cannot write in %s: %s",
                       in->dir, strerror(errno));
    }
    err = ask_program(in, i, temp, diag);
    if (!err && fsync(fd)) {
        err =
            co_fail(diag, CO_IO, "cannot write %s: %s", temp, strerror(errno));
    }
    (void)close(fd);
    if (!err) err = publish(temp, path, diag);
    (void)unlink(temp);
    return err;
}

/* All or nothing, as far as can be seen beforehand. */
static enum co_err
look_for_files(const struct init *in, const struct profile_file *files,
               size_t count, struct co_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX + 64];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s/%s", in->dir, files[i].file);
        if (lstat(path, &st)) continue;
        return co_fail(diag, CO_EXISTS,
                       "%s exists, nothing was written. Choose another folder "
                       "with --out DIR, or move it away",
                       path);
    }
    return CO_OK;
}

static enum co_err
write_all(struct init *in, struct co_diag *diag)
{
    size_t count;
    const struct profile_file *files = profile_files(in->profile, &count);
    co_auto(co_buf_fini) struct co_buf exe;
    enum co_err err;

    co_buf_init(&exe, sizeof in->program_dir - 1);
    err = co_fs_exe_dir(&exe, diag);
    (void)snprintf(in->program_dir, sizeof in->program_dir, "%s",
                   co_buf_text(&exe));
    if (!err) err = co_fs_mkdirs(in->dir, diag);
    if (!err) err = look_for_files(in, files, count, diag);
    for (size_t i = 0; !err && i < count; i++) {
        err = write_file(in, files[i].file, i, diag);
        if (!err) (void)printf("%s/%s\n", in->dir, files[i].file);
    }
    return err ? err : co_fs_sync_dir(in->dir, diag);
}

int
cmd_init(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct init_config cfg = {0};
    struct init in;
    struct co_diag diag = {""};
    co_auto(co_buf_fini) struct co_buf next;
    int exit_code;
    enum co_err err;

    co_buf_init(&next, TEXT_BYTES_MAX);
    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    in = (struct init){.profile = (enum profile)cfg.profile,
                       .place = &cfg.place,
                       .dir = cfg.out};
    forget_environment();
    err = profile_check(in.profile, in.place, &diag);
    if (!err) err = write_all(&in, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    profile_next_steps(in.profile, in.dir, &next);
    (void)printf("then:\n%s", co_buf_text(&next));
    return CLI_OK;
}
