/* doctor_redis.c - is the Redis fit: the one named, or the program that a
 * private one is started from. See doctor.h. */
#include "cli/doctor.h"

#include "cli/child.h"
#include "cli/rundir.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_BYTES_MAX = 4096,
    WAIT_MS = 3000,
    MAJOR_WANTED = 7,
    MAJOR_NEEDED = 6
};

static enum doctor_verdict
judge_version(const char *version)
{
    long major = strtol(version, NULL, 10);

    return major >= MAJOR_WANTED   ? DOCTOR_OK
           : major >= MAJOR_NEEDED ? DOCTOR_WARN
                                   : DOCTOR_FAIL;
}

static void
say_version(struct doctor *d, const char *where, const char *version)
{
    enum doctor_verdict verdict = judge_version(version);

    doctor_say(d, verdict, "redis", "%s, version %s%s", where, version,
               verdict ? "; install redis-server 7 or newer" : "");
}

/* ---- the program ---- */

/* The number behind "v=" in what `redis-server --version` prints. */
static bool
program_version(char version[32])
{
    char log[RUNDIR_PATH_SIZE + 16] = "";
    struct child c = {0};
    struct rundir dir;
    struct co_buf text;
    const char *at;
    bool ran;

    if (rundir_make(&dir, NULL)) return false;
    co_buf_init(&text, 2UL * TEXT_BYTES_MAX);
    (void)rundir_file(&dir, "out", log, sizeof log);
    ran = child_init(&c, "redis-server", log) == CO_OK;
    if (ran) {
        child_arg(&c, "redis-server");
        child_arg(&c, "--version");
        ran = child_start(&c, NULL, co_clock_ms(), NULL) == CO_OK &&
              child_wait(&c, WAIT_MS) &&
              co_fs_read_file(log, TEXT_BYTES_MAX, &text, NULL) == CO_OK;
        child_stop(&c, 0, 0);
    }
    at = ran ? strstr(co_buf_text(&text), "v=") : NULL;
    if (at) {
        (void)snprintf(version, 32, "%.*s", (int)strcspn(at + 2, " \n"),
                       at + 2);
    }
    child_fini(&c);
    co_buf_fini(&text);
    rundir_remove(&dir);
    return at != NULL;
}

/* ---- a running one ---- */

/* The value of CONFIG GET name; false when it may not be asked. */
static bool
setting(struct co_redis_client *client, const char *name, char *value,
        size_t size)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    const char *argv[] = {"CONFIG", "GET", name};

    if (co_redis_call(client, 3, argv, NULL, WAIT_MS, &reply, NULL) ||
        reply->type != CO_REDIS_ARRAY || reply->count != 2 ||
        reply->elements[1].type != CO_REDIS_TEXT) {
        return false;
    }
    (void)snprintf(value, size, "%s", reply->elements[1].text);
    return true;
}

static void
check_setting(struct doctor *d, struct co_redis_client *client,
              const char *name, const char *wanted, const char *why)
{
    char value[64];

    if (!setting(client, name, value, sizeof value)) {
        doctor_say(d, DOCTOR_WARN, "redis",
                   "%s: CONFIG GET is not permitted; it should be %s", name,
                   wanted);
    } else if (strcmp(value, wanted) != 0) {
        doctor_say(d, DOCTOR_WARN, "redis", "%s is %s; set it to %s: %s", name,
                   value, wanted, why);
    } else {
        doctor_say(d, DOCTOR_OK, "redis", "%s %s", name, value);
    }
}

static void
running(struct doctor *d)
{
    co_auto(co_redis_closep) struct co_redis_client *client = NULL;
    struct co_diag diag = {""};
    struct co_redis_url url;

    if (co_redis_connect(d->redis, d->redis_insecure, WAIT_MS, &client,
                         &diag)) {
        doctor_say(d, DOCTOR_FAIL, "redis", "%s", diag.text);
        return;
    }
    if (co_redis_url_parse(d->redis, &url, NULL) == CO_OK) {
        say_version(d, co_redis_url_name(&url).text, co_redis_version(client));
    }
    check_setting(d, client, "maxmemory-policy", "noeviction",
                  "any other throws counters and limits away when full");
    check_setting(d, client, "appendonly", "yes",
                  "so that a restart keeps limits and events");
}

void
doctor_redis(struct doctor *d)
{
    char version[32];

    if (d->redis) {
        running(d);
    } else if (program_version(version)) {
        say_version(d, "redis-server for private use", version);
    } else {
        doctor_say(d, DOCTOR_FAIL, "redis",
                   "redis-server is not in PATH: install it (apt-get install "
                   "redis-server), or name a running one with --redis");
    }
}
