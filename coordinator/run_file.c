/* run_file.c - see run_file.h. */
#include "coordinator/run_file.h"

#include "common/clock.h"
#include "common/fs.h"
#include "coordinator/ledger.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

enum { RUN_FILE_BYTES_MAX = 1 << 16, PASSWD_BYTES = 4096 };

void
run_file_init(struct run_file *f, const char *dir, uint64_t job,
              const char *name, uint64_t rows)
{
    *f = (struct run_file){.dir = dir,
                           .name = name,
                           .job = job,
                           .rows = rows,
                           .started_ms = co_clock_wall_ms()};
}

void
run_file_recipe(struct run_file *f, uint64_t recipe_hash)
{
    f->recipe = recipe_hash;
}

/* A user without a name is told by number. */
static void
name_user(char user[64])
{
    char room[PASSWD_BYTES];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(geteuid(), &entry, room, sizeof room, &found) || !found) {
        (void)snprintf(user, 64, "%u", (unsigned)geteuid());
        return;
    }
    (void)snprintf(user, 64, "%s", entry.pw_name);
}

void
run_file_payee(struct run_file *f, const char *service, const char *provider)
{
    f->service = service;
    f->provider = provider;
    name_user(f->user);
}

void
run_file_redis(struct run_file *f, const char *redis, const char *name_space)
{
    f->redis = redis;
    f->name_space = name_space;
}

void
run_file_ledger(struct run_file *f, const struct job_kind *kind,
                const void *state)
{
    kind->ledger(state, &f->ledger);
    f->has_ledger = true;
    f->has_money = kind->money != NULL;
    if (kind->money) kind->money(state, &f->money);
    co_buf_fini(&f->arms);
    co_buf_init(&f->arms, RUN_FILE_BYTES_MAX / 2);
    if (kind->arms) (void)kind->arms(state, &f->arms);
}

void
run_file_fini(struct run_file *f)
{
    co_buf_fini(&f->arms);
}

static enum co_err
run_file_write(struct run_file *f, const char *state, const char *text,
               int64_t ended_ms, struct co_diag *diag)
{
    struct co_buf buf;
    struct co_json json;
    enum co_err err;

    co_buf_init(&buf, RUN_FILE_BYTES_MAX);
    co_json_init(&json, &buf);
    co_json_object(&json);
    co_json_put_u64(&json, "format", 1);
    co_json_key(&json, "job");
    co_json_hex64(&json, f->job);
    co_json_put_text(&json, "name", f->name);
    co_json_key(&json, "recipe");
    co_json_hex64(&json, f->recipe);
    co_json_put_text(&json, "state", state);
    co_json_put_text(&json, "text", text ? text : "");
    co_json_put_u64(&json, "rows", f->rows);
    if (f->has_ledger) {
        co_json_key(&json, "ledger");
        co_json_object(&json);
        ledger_put(&json, &f->ledger);
        co_json_end(&json);
    }
    if (f->service) {
        co_json_put_text(&json, "service", f->service);
        co_json_put_text(&json, "provider",
                         f->provider && *f->provider ? f->provider : "builtin");
        co_json_put_text(&json, "user", f->user);
    }
    if (f->has_money) {
        ledger_put_money(&json, &f->money, f->ledger.accepted);
    }
    if (f->arms.len && !f->arms.err) {
        co_json_key(&json, "arms");
        co_json_raw(&json, (const char *)f->arms.data, f->arms.len);
    }
    co_json_put_u64(&json, "started_ms", (uint64_t)f->started_ms);
    if (ended_ms) {
        co_json_put_u64(&json, "ended_ms", (uint64_t)ended_ms);
        co_json_put_u64(&json, "elapsed_ms",
                        (uint64_t)(ended_ms - f->started_ms));
    }
    co_json_put_text(&json, "redis", f->redis ? f->redis : "");
    co_json_put_text(&json, "namespace", f->name_space ? f->name_space : "");
    co_json_put_u64(&json, "pid", (uint64_t)getpid());
    co_json_end(&json);
    (void)co_json_finish(&json);
    co_buf_putc(&buf, '\n');
    err = buf.err;
    if (err) {
        (void)co_fail(diag, err, "%s/run.json: %s", f->dir, co_err_text(err));
    } else {
        err = co_fs_write_atomic(f->dir, "run.json", buf.data, buf.len, diag);
    }
    co_buf_fini(&buf);
    return err;
}

enum co_err
run_file_begin(struct run_file *f, struct co_diag *diag)
{
    return run_file_write(f, "running", NULL, 0, diag);
}

enum co_err
run_file_end(struct run_file *f, const char *state, const char *text,
             struct co_diag *diag)
{
    int64_t now_ms = co_clock_wall_ms();

    if (now_ms <= f->started_ms) now_ms = f->started_ms + 1;
    return run_file_write(f, state, text, now_ms, diag);
}
