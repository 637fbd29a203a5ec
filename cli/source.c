/* source.c - see source.h. */
#include "cli/source.h"

#include "cli/job_state.h"
#include "cli/registry.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_WAIT_MS = 500 };

static void
note(struct source *s, const char *url, bool insecure, const char *name_space)
{
    struct co_redis_url parsed;

    *s = (struct source){.insecure = insecure};
    (void)snprintf(s->url, sizeof s->url, "%s", url);
    (void)snprintf(s->name_space, sizeof s->name_space, "%s", name_space);
    if (co_redis_url_parse(url, &parsed, NULL) == CO_OK) {
        (void)snprintf(s->shown, sizeof s->shown, "%s",
                       co_redis_url_name(&parsed).text);
    }
}

enum co_err
source_open_url(const char *url, bool insecure, const char *name_space,
                struct source *ret_source, struct co_diag *diag)
{
    if (strlen(url) >= sizeof ret_source->url) {
        return co_fail(diag, CO_USAGE, "--redis: the address is too long");
    }
    note(ret_source, url, insecure, name_space);
    return source_again(ret_source, SOURCE_WAIT_MS, diag);
}

enum co_err
source_again(struct source *s, int64_t timeout_ms, struct co_diag *diag)
{
    source_close(s);
    return co_redis_connect(s->url, s->insecure, timeout_ms, &s->client, diag);
}

void
source_close(struct source *s)
{
    co_redis_close(co_take(&s->client));
}

/* A pid may be another process's by now: the folder says how the run ended. */
static bool
says_running(const char *dir)
{
    struct job_state state;

    return job_state_of_folder(dir, &state, NULL) == CO_OK &&
           strcmp(state.state, "running") == 0;
}

/* The newest run that goes on and whose Redis answers. Entries without a
 * process are of runs that are over: asking their Redis would only take time.
 */
static bool
find_run(struct source *ret, bool *ret_any)
{
    struct registry_entry *v;
    bool found = false;
    size_t n;

    *ret_any = false;
    if (registry_list(&v, &n, NULL)) return false;
    for (size_t i = 0; i < n && !found; i++) {
        if (!v[i].redis[0] || job_state_process_gone(v[i].pid)) continue;
        /* The run was allowed to talk to it; reading needs no new leave. */
        note(ret, v[i].redis, true, v[i].name_space);
        (void)snprintf(ret->run, sizeof ret->run, "%s", v[i].name);
        found = source_again(ret, RUN_WAIT_MS, NULL) == CO_OK;
        *ret_any |= !found && says_running(v[i].out);
    }
    free(v);
    return found;
}

enum co_err
source_open(const struct source_config *config, struct source *ret_source,
            struct co_diag *diag)
{
    bool any;

    if (config->redis) {
        enum co_err err = source_open_url(config->redis, config->redis_insecure,
                                          config->name_space, ret_source, diag);

        return err ? co_fail_prefix(diag, err, "--redis") : CO_OK;
    }
    if (find_run(ret_source, &any)) return CO_OK;
    return co_fail(diag, CO_NOTFOUND,
                   any ? "a run goes on here, but its Redis does not answer; "
                         "`" CO_PROGRAM " status` shows what its folder says"
                       : "no run goes on on this machine. For a fleet give "
                         "its Redis (--redis URL); `" CO_PROGRAM
                         " status` lists the runs that are over");
}

enum co_err
source_call(struct source *s, const char *const *argv,
            struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    int argc = 0;

    while (argv[argc]) {
        argc++;
    }
    return co_redis_do(s->client, argc, argv, SOURCE_WAIT_MS, ret_reply, diag);
}

enum co_err
source_list(struct source *s, enum co_key key, int64_t age_ms,
            struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    char text[CO_KEY_BYTES], from[24];
    const char *argv[] = {"ZRANGEBYSCORE", NULL, from, "+inf", NULL};

    argv[1] = co_key(key, s->name_space, NULL, text);
    (void)snprintf(from, sizeof from, "%" PRId64, co_clock_wall_ms() - age_ms);
    return source_call(s, argv, ret_reply, diag);
}

enum co_err
source_hash(struct source *s, enum co_key key, const char *id,
            struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    char text[CO_KEY_BYTES];
    const char *argv[] = {"HGETALL", NULL, NULL};

    argv[1] = co_key(key, s->name_space, id, text);
    return source_call(s, argv, ret_reply, diag);
}
