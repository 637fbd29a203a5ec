/* find_job.c - see find_job.h. */
#include "cli/find_job.h"

#include "cli/registry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The run whose run.json carries this id. */
static enum co_err
find_by_id(const char *id, struct job_state *ret, struct co_diag *diag)
{
    struct registry_entry *v;
    char folder[REGISTRY_TEXT];
    bool found = false;
    size_t n;
    enum co_err err = registry_list(&v, &n, diag);

    if (err) return err;
    for (size_t i = 0; i < n && !found; i++) {
        found = job_state_of_folder(v[i].out, ret, NULL) == CO_OK &&
                strcasecmp(ret->job, id) == 0;
    }
    free(v);
    registry_folder(folder, sizeof folder);
    return found ? CO_OK
                 : co_fail(diag, CO_NOTFOUND,
                           "no run with job id %s in %s; give its folder, or "
                           "the Redis it reports to (--redis)",
                           id, folder);
}

static enum co_err
find_in_redis(const char *id, const struct source_config *config,
              struct job_state *ret, struct co_diag *diag)
{
    co_auto(source_close) struct source source = {.client = NULL};
    enum co_err err = source_open(config, &source, diag);

    *ret = (struct job_state){0};
    (void)snprintf(ret->job, sizeof ret->job, "%s", id);
    return err ? err
               : job_state_of_redis(source.client, source.name_space, ret,
                                    diag);
}

enum co_err
find_job(const char *what, const struct source_config *source,
         struct job_state *ret, struct co_diag *diag)
{
    char real[PATH_MAX];
    struct stat st;

    if (stat(what, &st) == 0 && S_ISDIR(st.st_mode) && realpath(what, real)) {
        enum co_err err = job_state_of_folder(real, ret, diag);

        return err == CO_NOTFOUND
                   ? co_fail(diag, CO_USAGE,
                             "%s: no run.json here: nothing was run in it",
                             real)
                   : err;
    }
    if (!job_state_is_id(what)) {
        return co_fail(diag, CO_USAGE,
                       "%s: neither a folder nor a job id (16 hex digits); "
                       "`" CO_PROGRAM " status` lists the runs",
                       what);
    }
    if (source && source->redis) return find_in_redis(what, source, ret, diag);
    return find_by_id(what, ret, diag);
}
