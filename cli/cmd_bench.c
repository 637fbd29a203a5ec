/* cmd_bench.c - `cohort bench tasks` and `cohort bench rows`: the real
 * programs, measured. CPU is what the kernel charged each process for all its
 * life, start included; times are the coordinator's, from its first task to
 * its last commit. */
#include "cli/bench_fleet.h"
#include "cli/say.h"
#include "common/fs.h"
#include "common/json.h"
#include "proto/keyfile.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JSON_BYTES_MAX = 16384, ARGS_MAX = 20, NUMBER_SIZE = 24 };

struct bench_config {
    uint64_t n, workers, batch, window, rate, payload;
    const char *keep, *data;
    bool json, curve;
};

#define FIELD(name) offsetof(struct bench_config, name)

// clang-format off
#define BENCH_JSON                                                             \
    {.name = "json", .type = CO_OPTION_FLAG, .offset = FIELD(json),            \
     .no_env = true, .help = "print one JSON object"}

static const struct co_option tasks_table[] = {
    {.name = "tasks", .letter = 'n', .type = CO_OPTION_U64, .offset = FIELD(n),
     .def = "1000000", .min = 1, .max = 100000000000, .no_env = true,
     .help = "number of tasks"},
    {.name = "workers", .letter = 'w', .type = CO_OPTION_U64,
     .offset = FIELD(workers), .def = "2", .min = 1, .max = FLEET_WORKERS_MAX,
     .no_env = true, .help = "worker processes"},
    {.name = "batch", .type = CO_OPTION_U64, .offset = FIELD(batch),
     .def = "64", .min = 1, .max = 1024, .no_env = true,
     .help = "tasks in one message, at most"},
    {.name = "window", .type = CO_OPTION_U64, .offset = FIELD(window),
     .def = "16384", .min = 64, .max = 65536, .no_env = true,
     .help = "tasks under way at once"},
    {.name = "rate", .type = CO_OPTION_U64, .offset = FIELD(rate), .def = "0",
     .no_env = true, .help = "tasks a second; 0: as fast as it goes"},
    {.name = "payload", .type = CO_OPTION_U64, .offset = FIELD(payload),
     .def = "256", .min = 8, .max = 65536, .no_env = true,
     .help = "bytes of a task; a result has 64"},
    {.name = "keep", .type = CO_OPTION_STRING, .offset = FIELD(keep),
     .placeholder = "DIR", .no_env = true,
     .help = "leave the journal in this folder"},
    {.name = "curve", .type = CO_OPTION_FLAG, .offset = FIELD(curve),
     .no_env = true, .help = "encrypt all links, with keys made for this run"},
    BENCH_JSON,
};

static const struct co_option rows_table[] = {
    {.name = "rows", .letter = 'n', .type = CO_OPTION_U64, .offset = FIELD(n),
     .def = "200000", .min = 1, .max = 100000000000, .no_env = true,
     .help = "persona rows to make"},
    {.name = "workers", .letter = 'w', .type = CO_OPTION_U64,
     .offset = FIELD(workers), .def = "0", .max = FLEET_WORKERS_MAX,
     .no_env = true, .help = "worker processes; 0: one a core"},
    {.name = "data", .type = CO_OPTION_STRING, .offset = FIELD(data),
     .placeholder = "DIR", .help = "folder of the compiled model"},
    BENCH_JSON,
};
// clang-format on

static const struct co_options_spec tasks_spec = {
    .program = CO_PROGRAM " bench tasks",
    .usage = "[OPTIONS]",
    .about = "Sends small tasks with distinct ids through a broker and\n"
             "workers, journals each result, and measures it all.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = tasks_table,
    .count = co_countof(tasks_table),
};

static const struct co_options_spec rows_spec = {
    .program = CO_PROGRAM " bench rows",
    .usage = "[OPTIONS]",
    .about = "Makes persona rows in a temporary folder, as `cohort run` does,\n"
             "measures it all, and removes the folder.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = rows_table,
    .count = co_countof(rows_table),
};

/* Thousandths of a / b, for co_json_fixed. */
static int64_t
milli(uint64_t a, uint64_t b)
{
    return b ? (int64_t)(a * 1000 / b) : 0;
}

static void
put_fixed(struct co_json *json, const char *key, int64_t value)
{
    co_json_key(json, key);
    co_json_fixed(json, value, 3);
}

/* CPU of each program by unit of work, in microseconds. */
static void
put_cpu(struct co_json *json, const char *key, const struct fleet_cost *c,
        uint64_t n)
{
    co_json_key(json, key);
    co_json_object(json);
    put_fixed(json, "coordinator", milli((uint64_t)c->coordinator_us, n));
    put_fixed(json, "broker", milli((uint64_t)c->broker_us, n));
    put_fixed(json, "workers", milli((uint64_t)c->worker_us, n));
    if (c->redis_us) put_fixed(json, "redis", milli((uint64_t)c->redis_us, n));
    co_json_end(json);
}

static void
put_rss(struct co_json *json, const struct fleet_cost *c)
{
    co_json_key(json, "peak_rss_bytes");
    co_json_object(json);
    co_json_put_u64(json, "coordinator", c->coordinator_rss);
    co_json_put_u64(json, "broker", c->broker_rss);
    co_json_put_u64(json, "worker", c->worker_rss);
    if (c->redis_rss) co_json_put_u64(json, "redis", c->redis_rss);
    co_json_end(json);
}

/* Prints an object's keys one a line for people, or as it is. */
static void
print(struct co_buf *out, bool as_json)
{
    json_t *root =
        as_json ? NULL : json_loadb(co_buf_text(out), out->len, 0, NULL);
    const char *key;
    json_t *value;

    if (!root) {
        (void)printf("%s\n", co_buf_text(out));
        return;
    }
    json_object_foreach(root, key, value)
    {
        char *text =
            json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

        (void)printf("%-18s %s\n", key, text ? text : "");
        free(text);
    }
    json_decref(root);
}

/* ---- tasks ---- */

/* Copies the coordinator's own numbers, then adds what processes cost. */
static void
print_tasks(const struct bench_config *cfg, const struct bench_fleet *b)
{
    static const char *const same[] = {"tasks",  "elapsed_us", "tasks_per_s",
                                       "p50_ms", "p99_ms",     "max_ms"};
    uint64_t cpu = (uint64_t)bench_fleet_cpu_us(&b->cost);
    co_auto(co_buf_fini) struct co_buf out;
    struct co_json json;

    co_buf_init(&out, JSON_BYTES_MAX);
    co_json_init(&json, &out);
    co_json_object(&json);
    for (size_t i = 0; i < co_countof(same); i++) {
        char *text = json_dumps(json_object_get(b->last.result, same[i]),
                                JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

        if (!text) continue;
        co_json_key(&json, same[i]);
        co_json_raw(&json, text, strlen(text));
        free(text);
    }
    put_fixed(&json, "cpu_us_per_task", milli(cpu, cfg->n));
    put_cpu(&json, "cpu_us_by_process", &b->cost, cfg->n);
    put_rss(&json, &b->cost);
    co_json_put_u64(&json, "workers", cfg->workers);
    co_json_put_u64(&json, "batch", cfg->batch);
    co_json_put_u64(&json, "window", cfg->window);
    co_json_put_u64(&json, "payload_bytes", cfg->payload);
    co_json_key(&json, "curve");
    co_json_bool(&json, cfg->curve);
    if (cfg->keep) co_json_put_text(&json, "kept", cfg->keep);
    co_json_end(&json);
    if (co_json_finish(&json) == CO_OK) print(&out, cfg->json);
}

/* Keys for one run, in a folder of their own. */
struct bench_keys {
    char key[KEY_ROLE_COUNT][PATH_MAX + 16]; /* by role */
    char broker_pub[PATH_MAX + 16];
    const char *broker_pubs[1];
};

/* A new folder under $TMPDIR. */
static enum co_err
temp_folder(char dir[PATH_MAX], struct co_diag *diag)
{
    const char *tmp = getenv("TMPDIR");
    enum co_err err;
    int e;

    (void)snprintf(dir, PATH_MAX, "%s/" CO_PROGRAM "-bench-XXXXXX",
                   tmp && *tmp ? tmp : "/tmp");
    if (mkdtemp(dir)) return CO_OK;
    e = errno;
    err = co_fail(diag, co_err_from_errno(e),
                  "cannot make %s: %s. Set TMPDIR to a folder that you may "
                  "write",
                  dir, strerror(e));
    dir[0] = '\0';
    return err;
}

static enum co_err
make_keys(struct bench_keys *k, const char *dir, struct fleet_keys *ret_keys,
          struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (int i = 0; !err && i < KEY_ROLE_COUNT; i++) {
        const char *name = key_role_name((enum key_role)i);
        struct key key;

        err = keyfile_make(dir, (enum key_role)i, name, &key, diag);
        if (err) return err;
        key_forget(&key);
        (void)snprintf(k->key[i], sizeof k->key[i], "%s/%s.key", dir, name);
    }
    (void)snprintf(k->broker_pub, sizeof k->broker_pub, "%s/broker.pub", dir);
    k->broker_pubs[0] = k->broker_pub;
    *ret_keys = (struct fleet_keys){.coordinator = k->key[KEY_COORDINATOR],
                                    .worker = k->key[KEY_WORKER],
                                    .broker = k->key[KEY_BROKER],
                                    .broker_keys = {k->broker_pubs, 1},
                                    .allow = dir};
    return err;
}

/* With --curve, keys are made before and removed after. */
static int
bench_tasks(struct bench_fleet *b, bool curve)
{
    struct bench_keys *keys = curve ? calloc(1, sizeof *keys) : NULL;
    char dir[PATH_MAX] = "";
    struct co_diag diag = {"out of memory"};
    enum co_err err = curve && !keys ? CO_NOMEM : CO_OK;
    int exit_code;

    if (keys) err = temp_folder(dir, &diag);
    if (keys && !err) err = make_keys(keys, dir, &b->fleet.keys, &diag);
    exit_code = err ? say_error(tasks_spec.program, err, &diag)
                    : bench_fleet_run(b, tasks_spec.program);
    if (dir[0] && co_fs_remove_tree(dir, &diag)) {
        exit_code = say_error(tasks_spec.program, CO_IO, &diag);
    }
    free(keys);
    return exit_code;
}

int
cmd_bench_tasks(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct bench_config cfg = {0};
    char text[5][NUMBER_SIZE];
    int exit_code;

    if (!say_options(&tasks_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    const uint64_t numbers[] = {cfg.n, cfg.batch, cfg.window, cfg.rate,
                                cfg.payload};
    for (size_t i = 0; i < co_countof(numbers); i++) {
        (void)snprintf(text[i], NUMBER_SIZE, "%" PRIu64, numbers[i]);
    }
    const char *args[ARGS_MAX] = {"--tasks",
                                  text[0],
                                  "--batch",
                                  text[1],
                                  "--window",
                                  text[2],
                                  "--rate",
                                  text[3],
                                  "--payload",
                                  text[4],
                                  cfg.keep ? "--keep" : NULL,
                                  cfg.keep};
    struct bench_fleet b = {.fleet = {.own_broker = true,
                                      .workers = cfg.workers,
                                      .workers_apart = true,
                                      .services = "noop",
                                      .window = cfg.window},
                            .sub_command = "bench",
                            .args = args,
                            .quiet = cfg.json};

    exit_code = bench_tasks(&b, cfg.curve);
    if (exit_code == CLI_OK) print_tasks(&cfg, &b);
    status_line_fini(&b.last);
    return exit_code;
}

/* ---- rows ---- */

static void
print_rows(const struct bench_config *cfg, const struct bench_fleet *b)
{
    uint64_t ms = co_max_u64(b->last.elapsed_ms, 1);
    uint64_t raw = status_line_u64(b->last.result, "raw_bytes");
    uint64_t cpu = (uint64_t)bench_fleet_cpu_us(&b->cost);
    co_auto(co_buf_fini) struct co_buf out;
    struct co_json json;

    co_buf_init(&out, JSON_BYTES_MAX);
    co_json_init(&json, &out);
    co_json_object(&json);
    co_json_put_u64(&json, "rows", cfg->n);
    co_json_put_u64(&json, "elapsed_ms", b->last.elapsed_ms);
    co_json_put_u64(&json, "wall_ms", (uint64_t)b->wall_ms);
    co_json_put_u64(&json, "rows_per_s", cfg->n * 1000 / ms);
    /* Bytes a millisecond are thousandths of a MB a second. */
    put_fixed(&json, "mb_per_s", (int64_t)(raw / ms));
    co_json_put_u64(&json, "json_bytes", raw);
    co_json_put_u64(&json, "file_bytes",
                    status_line_u64(b->last.result, "bytes"));
    put_fixed(&json, "cpu_us_per_row", milli(cpu, cfg->n));
    put_cpu(&json, "cpu_us_by_process", &b->cost, cfg->n);
    put_rss(&json, &b->cost);
    co_json_put_u64(&json, "workers", b->fleet.workers);
    co_json_end(&json);
    if (co_json_finish(&json) == CO_OK) print(&out, cfg->json);
}

/* A folder for everything, with the job file in it. */
static enum co_err
rows_folder(char dir[PATH_MAX], uint64_t rows, struct co_diag *diag)
{
    char job[256];
    int n = snprintf(job, sizeof job,
                     "job: personas\nname: bench-rows\nseed: 1\n"
                     "rows: %" PRIu64 "\n",
                     rows);

    enum co_err err = temp_folder(dir, diag);

    if (err) return err;
    return co_fs_write_atomic(dir, "job.yaml", job, (size_t)n, diag);
}

static int
bench_rows(const struct bench_config *cfg, const char *dir)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    char file[PATH_MAX + 16], out[PATH_MAX + 16];
    const char *args[] = {"--out", out, "--", file, NULL};
    struct bench_fleet b = {.fleet = {.own_broker = true,
                                      .workers = cfg->workers ? cfg->workers
                                                 : cores > 0  ? (uint64_t)cores
                                                              : 1,
                                      .workers_apart = true,
                                      .data = cfg->data},
                            .sub_command = "run",
                            .args = args,
                            .redis_folder = out,
                            .quiet = cfg->json};
    int exit_code;

    b.fleet.workers = co_min_u64(b.fleet.workers, FLEET_WORKERS_MAX);
    (void)snprintf(file, sizeof file, "%s/job.yaml", dir);
    (void)snprintf(out, sizeof out, "%s/out", dir);
    exit_code = bench_fleet_run(&b, rows_spec.program);
    if (exit_code == CLI_OK) print_rows(cfg, &b);
    status_line_fini(&b.last);
    return exit_code;
}

int
cmd_bench_rows(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct bench_config cfg = {0};
    char dir[PATH_MAX] = "";
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&rows_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    err = rows_folder(dir, cfg.n, &diag);
    exit_code =
        err ? say_error(rows_spec.program, err, &diag) : bench_rows(&cfg, dir);
    if (dir[0] && co_fs_remove_tree(dir, &diag)) {
        return say_error(rows_spec.program, CO_IO, &diag);
    }
    return exit_code;
}
