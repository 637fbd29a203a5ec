/* job_state.c - see job_state.h. */
#include "cli/job_state.h"

#include "cli/status_line.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/keys.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDIS_WAIT_MS = 500, RUN_FILE_BYTES_MAX = 1 << 20 };

bool
job_state_is_id(const char *text)
{
    uint64_t id;

    return co_hex16_parse(text, &id);
}

/* ---- run.json ---- */

static void
take(const json_t *o, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    (void)snprintf(to, size, "%s", text ? text : "");
}

static void
take_ledger(const json_t *ledger, struct job_state *s)
{
    s->has_ledger = json_is_object(ledger);
    if (!s->has_ledger) return;
    s->requested = status_line_u64(ledger, "requested");
    s->drawn = status_line_u64(ledger, "drawn");
    s->accepted = status_line_u64(ledger, "accepted");
    s->rejected = status_line_u64(ledger, "rejected");
    s->dead = status_line_u64(ledger, "dead");
    s->surplus = status_line_u64(ledger, "surplus");
    s->pending = status_line_u64(ledger, "pending");
}

static void
take_run_file(const json_t *o, struct job_state *s)
{
    take(o, "job", s->job, sizeof s->job);
    take(o, "name", s->name, sizeof s->name);
    take(o, "recipe", s->recipe, sizeof s->recipe);
    take(o, "state", s->state, sizeof s->state);
    take(o, "text", s->why, sizeof s->why);
    take(o, "redis", s->redis, sizeof s->redis);
    take(o, "namespace", s->name_space, sizeof s->name_space);
    s->requested = status_line_u64(o, "rows");
    s->pid = json_integer_value(json_object_get(o, "pid"));
    take_ledger(json_object_get(o, "ledger"), s);
    money_line_of_json(json_object_get(o, "money"), &s->money);
    arm_lines_of_json(json_object_get(o, "arms"), &s->arms);
}

/* Ended, or dead and only not yet waited for: in a container without an init
 * nobody ever waits for what was left behind. */
bool
job_state_process_gone(int64_t pid)
{
    char path[40], text[64] = "";
    const char *state;
    FILE *f;

    if (pid <= 0) return false;
    if (kill((pid_t)pid, 0) && errno == ESRCH) return true;
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    f = fopen(path, "re");
    if (!f) return false;
    if (!fgets(text, sizeof text, f)) text[0] = '\0';
    (void)fclose(f);
    state = strrchr(text, ')'); /* "PID (NAME) STATE ..." */
    return state && (state[2] == 'Z' || state[2] == 'X');
}

/* Says it is running: does Redis have newer numbers, and does it live? */
static void
look_alive(struct job_state *s)
{
    co_auto(co_redis_closep) struct co_redis_client *client = NULL;
    struct job_state now = *s;

    if (s->redis[0] &&
        co_redis_connect(s->redis, true, REDIS_WAIT_MS, &client, NULL) ==
            CO_OK &&
        job_state_of_redis(client, s->name_space, &now, NULL) == CO_OK) {
        (void)snprintf(now.out, sizeof now.out, "%s", s->out);
        *s = now;
    }
    /* Redis keeps the last word of a coordinator that was killed. */
    if (job_state_process_gone(s->pid)) {
        s->live = false;
        (void)snprintf(s->state, sizeof s->state, "interrupted");
        (void)snprintf(s->why, sizeof s->why,
                       "nobody runs it; the same command goes on");
    }
}

/* Any file may be called run.json; one of ours names its job and its state. */
static bool
is_run_file(const json_t *o)
{
    const char *state = json_string_value(json_object_get(o, "state"));
    const char *job = json_string_value(json_object_get(o, "job"));

    return state && state[0] && job && job_state_is_id(job);
}

static enum co_err
not_a_run_file(const char *path, struct co_diag *diag)
{
    return co_fail(diag, CO_DAMAGED,
                   "%s is not what a run writes. It is only for show: the "
                   "next run of the same job in this folder writes it anew",
                   path);
}

enum co_err
job_state_of_folder(const char *dir, struct job_state *ret,
                    struct co_diag *diag)
{
    char path[JOB_STATE_PATH + 16];
    json_t *o;
    enum co_err err;

    *ret = (struct job_state){0};
    (void)snprintf(path, sizeof path, "%s/run.json", dir);
    err = co_json_load_file(path, RUN_FILE_BYTES_MAX, &o, diag);
    if (err == CO_INVALID || err == CO_FULL) return not_a_run_file(path, diag);
    if (err) return err;
    if (!is_run_file(o)) {
        json_decref(o);
        return not_a_run_file(path, diag);
    }
    (void)snprintf(ret->out, sizeof ret->out, "%s", dir);
    take_run_file(o, ret);
    json_decref(o);
    if (strcmp(ret->state, "running") == 0) look_alive(ret);
    return CO_OK;
}

/* ---- Redis ---- */

static void
take_hash(const struct co_redis_reply *h, struct job_state *s)
{
    (void)snprintf(s->name, sizeof s->name, "%s", co_redis_field(h, "name"));
    (void)snprintf(s->state, sizeof s->state, "%s", co_redis_field(h, "state"));
    (void)snprintf(s->why, sizeof s->why, "%s", co_redis_field(h, "why"));
    (void)snprintf(s->out, sizeof s->out, "%s", co_redis_field(h, "folder"));
    s->live = s->has_ledger = true;
    s->requested = co_redis_field_u64(h, "requested");
    s->drawn = co_redis_field_u64(h, "drawn");
    s->accepted = co_redis_field_u64(h, "accepted");
    s->rejected = co_redis_field_u64(h, "rejected");
    s->dead = co_redis_field_u64(h, "dead");
    s->surplus = co_redis_field_u64(h, "surplus");
    s->pending = co_redis_field_u64(h, "pending");
    s->rows_per_s = co_redis_field_u64(h, "rows_per_s");
    s->eta_s = co_redis_field_u64(h, "eta_s");
    money_line_of_redis(h, &s->money);
}

enum co_err
job_state_of_redis(struct co_redis_client *client, const char *name_space,
                   struct job_state *ret, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    char key[CO_KEY_BYTES];
    const char *argv[] = {"HGETALL",
                          co_key(CO_KEY_JOB, name_space, ret->job, key)};
    enum co_err err = co_redis_do(client, 2, argv, REDIS_WAIT_MS, &reply, diag);

    if (err) return err;
    if (reply->type != CO_REDIS_ARRAY || reply->count == 0) {
        return co_fail(diag, CO_NOTFOUND,
                       "this Redis knows no job %s in namespace %s", ret->job,
                       name_space);
    }
    take_hash(reply, ret);
    return CO_OK;
}
