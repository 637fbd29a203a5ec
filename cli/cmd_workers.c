/* cmd_workers.c - `cohort workers`: who works in a source, from Redis, and
 * `--drain ID`: one of them is to finish and end. The request is a key that
 * the worker looks for every second, so that it reaches any machine. */
#include "cli/say.h"
#include "cli/source.h"
#include "common/clock.h"
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " workers"

enum {
    WORKERS_MAX = 20000,
    OUT_BYTES_MAX = 32 << 20,
    ID_BYTES = 17,
    NAME_SHOWN = 24,
};

struct workers_config {
    struct source_config source;
    const char *drain;
    bool json;
};

static const struct co_option table[] = {
    SOURCE_OPTIONS(offsetof(struct workers_config, source), SOURCE_NEWEST_RUN),
    {.name = "drain",
     .type = CO_OPTION_STRING,
     .offset = offsetof(struct workers_config, drain),
     .min = 1,
     .max = 128,
     .placeholder = "ID",
     .no_env = true,
     .help = "ask this worker (id, the beginning of one, or name) to finish "
             "what runs, give back what waits, and end"},
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = offsetof(struct workers_config, json),
     .no_env = true,
     .help = "print an array of JSON objects"},
};

static const struct co_options_spec spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS]",
    .about = "Lists the workers of a fleet with what they do, or asks one of "
             "them to drain.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

/* Strings are cut to fit: they are for people. */
struct listed_worker {
    char id[ID_BYTES], name[128], host[65], state[16], services[160];
    uint64_t capacity, in_flight, queued, done, failed, rss_bytes, cpu_pct;
    uint64_t age_ms;
};

/* ---- reading ---- */

static void
copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%.*s", (int)size - 1, from);
}

/* False: its hash is gone, it ended or was killed. */
static bool
take_worker(const char *id, const struct co_redis_reply *hash,
            struct listed_worker *w)
{
    uint64_t started = co_redis_field_u64(hash, "started_at");
    uint64_t now = (uint64_t)co_clock_wall_ms();

    if (!co_redis_field(hash, "state")[0]) return false;
    *w = (struct listed_worker){
        .capacity = co_redis_field_u64(hash, "capacity"),
        .in_flight = co_redis_field_u64(hash, "in_flight"),
        .queued = co_redis_field_u64(hash, "queued"),
        .done = co_redis_field_u64(hash, "done"),
        .failed = co_redis_field_u64(hash, "failed"),
        .rss_bytes = co_redis_field_u64(hash, "rss_bytes"),
        .cpu_pct = co_redis_field_u64(hash, "cpu_pct"),
        .age_ms = now > started ? now - started : 0,
    };
    copy(w->id, sizeof w->id, id);
    copy(w->name, sizeof w->name, co_redis_field(hash, "name"));
    copy(w->host, sizeof w->host, co_redis_field(hash, "host"));
    copy(w->state, sizeof w->state, co_redis_field(hash, "state"));
    copy(w->services, sizeof w->services, co_redis_field(hash, "services"));
    return true;
}

static int
by_name(const void *a, const void *b)
{
    const struct listed_worker *x = a, *y = b;
    int order = strcmp(x->host, y->host);

    if (!order) order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->id, y->id);
}

static enum co_err
read_workers(struct source *source, struct listed_worker **ret_v, size_t *ret_n,
             struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *ids = NULL;
    struct listed_worker *v;
    size_t n = 0;
    enum co_err err =
        source_list(source, CO_KEY_WORKERS, CO_KEY_ALIVE_MS, &ids, diag);

    if (err) return err;
    v = calloc(ids->count + 1, sizeof *v);
    if (!v) return co_fail(diag, CO_NOMEM, "out of memory");
    for (size_t i = 0; !err && i < ids->count && n < WORKERS_MAX; i++) {
        co_auto(co_redis_reply_freep) struct co_redis_reply *hash = NULL;

        if (ids->elements[i].type != CO_REDIS_TEXT) continue;
        err = source_hash(source, CO_KEY_WORKER, ids->elements[i].text, &hash,
                          diag);
        if (!err) n += take_worker(ids->elements[i].text, hash, &v[n]);
    }
    if (err) {
        free(v);
        return err;
    }
    qsort(v, n, sizeof *v, by_name);
    *ret_v = v;
    *ret_n = n;
    return CO_OK;
}

/* ---- printing ---- */

static void
put_json(const struct listed_worker *w, struct co_json *json)
{
    co_json_object(json);
    co_json_put_text(json, "id", w->id);
    co_json_put_text(json, "name", w->name);
    co_json_put_text(json, "host", w->host);
    co_json_put_text(json, "state", w->state);
    co_json_put_text(json, "services", w->services);
    co_json_put_u64(json, "capacity", w->capacity);
    co_json_put_u64(json, "in_flight", w->in_flight);
    co_json_put_u64(json, "queued", w->queued);
    co_json_put_u64(json, "done", w->done);
    co_json_put_u64(json, "failed", w->failed);
    co_json_put_u64(json, "rss_bytes", w->rss_bytes);
    co_json_put_u64(json, "cpu_pct", w->cpu_pct);
    co_json_put_u64(json, "age_ms", w->age_ms);
    co_json_end(json);
}

static void
put_line(const struct listed_worker *w, struct co_buf *out)
{
    size_t begin = out->len;
    char flight[48];

    (void)snprintf(flight, sizeof flight, "%llu/%llu",
                   (unsigned long long)w->in_flight,
                   (unsigned long long)w->capacity);
    co_buf_printf(
        out, "%-16s  %-*.*s  %-12.12s  %-8s  %9s  %6llu  %8llu  %4llu %%  ",
        w->id, NAME_SHOWN, NAME_SHOWN, w->name, w->host, w->state, flight,
        (unsigned long long)w->queued, (unsigned long long)w->done,
        (unsigned long long)w->cpu_pct);
    say_bytes(out, w->rss_bytes);
    co_buf_puts(out, "  ");
    say_duration(out, w->age_ms);
    co_buf_printf(out, "  %s", w->services);
    say_end_line(out, begin);
}

static void
print_workers(const struct listed_worker *v, size_t n, bool as_json)
{
    struct co_buf out;
    struct co_json json;

    co_buf_init(&out, OUT_BYTES_MAX);
    co_json_init(&json, &out);
    if (as_json) {
        co_json_array(&json);
    } else if (n == 0) {
        co_buf_puts(&out, "no workers there\n");
    } else {
        co_buf_printf(&out,
                      "%-16s  %-*s  %-12s  %-8s  %9s  %6s  %8s  %6s  %s\n",
                      "id", NAME_SHOWN, "name", "host", "state", "in flight",
                      "queued", "done", "cpu", "memory, age, services");
    }
    for (size_t i = 0; i < n; i++) {
        if (as_json) {
            put_json(&v[i], &json);
        } else {
            put_line(&v[i], &out);
        }
    }
    if (as_json) {
        co_json_end(&json);
        co_buf_putc(&out, '\n');
    }
    say_print(&out);
    co_buf_fini(&out);
}

/* ---- draining ---- */

/* The one worker that is meant: its whole id, its name, or a beginning of the
 * id that no other has. */
static enum co_err
find_worker(const struct listed_worker *v, size_t n, const char *what,
            const struct listed_worker **ret, struct co_diag *diag)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].id, what) == 0 || strcmp(v[i].name, what) == 0) {
            *ret = &v[i];
            return CO_OK;
        }
        if (strncmp(v[i].id, what, strlen(what)) != 0) continue;
        *ret = &v[i];
        found++;
    }
    if (found == 1) return CO_OK;
    return co_fail(diag, CO_NOTFOUND,
                   found ? "%s: %zu workers' ids begin so; give more of it"
                         : "%s: no such worker (%zu found); `" PROGRAM
                           "` lists them",
                   what, found);
}

static enum co_err
drain(struct source *source, const struct listed_worker *w,
      struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    co_auto(co_buf_fini) struct co_buf out = {0};
    char key[CO_KEY_BYTES], ttl[12];
    const char *argv[] = {"SET", NULL, "asked", "EX", ttl, NULL};
    enum co_err err;

    argv[1] = co_key(CO_KEY_DRAIN, source->name_space, w->id, key);
    (void)snprintf(ttl, sizeof ttl, "%d", (int)CO_KEY_DRAIN_S);
    err = source_call(source, argv, &reply, diag);
    if (err) return err;
    co_buf_init(&out, OUT_BYTES_MAX);
    say_line(&out,
             "%s (%s on %s) is asked to drain: it looks every second, ends "
             "what runs (%llu tasks), gives back what waits, and ends",
             w->id, w->name, w->host, (unsigned long long)w->in_flight);
    say_print(&out);
    return CO_OK;
}

int
cmd_workers(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct workers_config cfg = {.json = false};
    struct source source = {.client = NULL};
    const struct listed_worker *meant = NULL;
    struct listed_worker *v = NULL;
    struct co_diag diag = {""};
    enum co_err err;
    size_t n = 0;
    int exit_code;

    if (!say_options(&spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    err = source_open(&cfg.source, &source, &diag);
    if (!err) err = read_workers(&source, &v, &n, &diag);
    if (!err && cfg.drain) {
        err = find_worker(v, n, cfg.drain, &meant, &diag);
        if (!err) err = drain(&source, meant, &diag);
    } else if (!err) {
        print_workers(v, n, cfg.json);
    }
    free(v);
    source_close(&source);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}
