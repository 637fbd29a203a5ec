/* cmd_keygen.c - `cohort keygen`: makes a pair of keys for one program. */
#include "cli/say.h"
#include "proto/keyfile.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define PROGRAM CO_PROGRAM " keygen"

struct keygen_config {
    const char *dir;
};

#define FIELD(name) offsetof(struct keygen_config, name)

static const struct co_option table[] = {
    {.name = "dir",
     .letter = 'd',
     .type = CO_OPTION_STRING,
     .offset = FIELD(dir),
     .min = 1,
     .max = 3000,
     .placeholder = "DIR",
     .no_env = true,
     .help = "folder for the two files; else cohort/keys in "
             "$XDG_CONFIG_HOME or ~/.config"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] ROLE NAME",
    .about = "Makes keys for one program: NAME.key, the secret, and NAME.pub.\n"
             "ROLE is worker, coordinator or broker. Links that use keys are\n"
             "encrypted, and only keys that a broker was given may connect.\n"
             "What is there is never overwritten.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 2,
    .args_max = 2,
};

static enum co_err
choose_dir(const char *given, char dir[PATH_MAX], struct co_diag *diag)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int n;

    if (given) {
        n = snprintf(dir, PATH_MAX, "%s", given);
    } else if (config && config[0] == '/') {
        n = snprintf(dir, PATH_MAX, "%s/" CO_PROGRAM "/keys", config);
    } else if (home && home[0] == '/') {
        n = snprintf(dir, PATH_MAX, "%s/.config/" CO_PROGRAM "/keys", home);
    } else {
        return co_fail(diag, CO_USAGE,
                       "neither XDG_CONFIG_HOME nor HOME is set: give --dir");
    }
    if (n > 0 && n < PATH_MAX) return CO_OK;
    return co_fail(diag, CO_USAGE, "the folder's path is too long");
}

/* What has to be done with the public half. */
static const char *
use_of(enum key_role role)
{
    return role == KEY_BROKER
               ? "copy it to everybody who connects there: --broker-key FILE"
               : "copy it into the folder that is --allow where it connects";
}

int
cmd_keygen(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct keygen_config cfg = {0};
    char dir[PATH_MAX], text[KEY_TEXT_SIZE];
    struct co_diag diag = {""};
    struct key key;
    enum key_role role;
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    role = key_role_find(co_options_arg(options, 0));
    err = role < KEY_ROLE_COUNT
              ? choose_dir(cfg.dir, dir, &diag)
              : co_fail(&diag, CO_USAGE,
                        "\"%.40s\" is no role: worker, coordinator or broker",
                        co_options_arg(options, 0));
    if (!err) {
        err = keyfile_make(dir, role, co_options_arg(options, 1), &key, &diag);
    }
    if (err) return say_error(PROGRAM, err, &diag);
    (void)printf("secret  %s/%s.key\n        stays with the program: --key "
                 "FILE\npublic  %s/%s.pub\n        %s\nkey     %s\n",
                 dir, key.name, dir, key.name, use_of(role),
                 key_text(key.public, text));
    key_forget(&key);
    return CLI_OK;
}
