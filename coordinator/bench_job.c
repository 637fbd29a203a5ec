/* bench_job.c - see bench_job.h. */
#include "coordinator/bench_job.h"

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/signals.h"
#include "common/stats.h"
#include "coordinator/kind_bench.h"
#include "coordinator/owner.h"
#include "coordinator/watch.h"
#include "journal/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, RESULT_BYTES_MAX = 4096 };

struct bench_run {
    struct coordinator_config cfg;
    char dir[PATH_BYTES];
    char journal_dir[PATH_BYTES + 16];
    int signal_fd;
    struct co_stats_hist latency; /* us, submit to committed */
    int64_t began_us, ended_us;
    int64_t cpu_us;
};

static void
on_latency(void *arg, int64_t us)
{
    struct co_stats_hist *hist = arg;

    co_stats_add(hist, us > 0 ? (uint64_t)us : 0);
}

/* A folder of our own under TMPDIR, or the one to keep. */
static enum co_err
bench_folder(struct bench_run *b, struct co_diag *diag)
{
    const char *tmp = getenv("TMPDIR");
    int n;

    if (b->cfg.keep) {
        n = snprintf(b->dir, sizeof b->dir, "%s", b->cfg.keep);
    } else {
        n = snprintf(b->dir, sizeof b->dir, "%s/" CO_PROGRAM "-bench-XXXXXX",
                     tmp && *tmp ? tmp : "/tmp");
    }
    if (n < 0 || (size_t)n >= sizeof b->dir) {
        return co_fail(diag, CO_RANGE, "the folder's path is too long");
    }
    if (!b->cfg.keep && !mkdtemp(b->dir)) {
        return co_fail(diag, CO_IO,
                       "cannot make a folder like %s: set TMPDIR to one that "
                       "can be written",
                       b->dir);
    }
    (void)snprintf(b->journal_dir, sizeof b->journal_dir, "%s/journal", b->dir);
    return b->cfg.keep ? co_fs_mkdirs(b->dir, diag) : CO_OK;
}

static void
bench_result(const struct bench_run *b, struct co_buf *out)
{
    int64_t us = b->ended_us - b->began_us;
    uint64_t n = b->cfg.tasks;
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_u64(&json, "tasks", n);
    co_json_put_u64(&json, "elapsed_us", (uint64_t)us);
    co_json_put_u64(&json, "tasks_per_s",
                    us > 0 ? n * 1000000 / (uint64_t)us : 0);
    co_json_key(&json, "p50_ms");
    co_json_fixed(&json, (int64_t)co_stats_quantile(&b->latency, 500000), 3);
    co_json_key(&json, "p99_ms");
    co_json_fixed(&json, (int64_t)co_stats_quantile(&b->latency, 990000), 3);
    co_json_key(&json, "max_ms");
    co_json_fixed(&json, (int64_t)b->latency.max, 3);
    co_json_put_u64(&json, "coordinator_cpu_us", (uint64_t)b->cpu_us);
    if (b->cfg.keep) co_json_put_text(&json, "journal", b->journal_dir);
    co_json_end(&json);
    (void)co_json_finish(&json);
    (void)co_buf_text(out);
}

/* As a job ends; NULL: diag says why. */
static const struct {
    const char *text;
    int exit_status;
} ends[] = {
    [OWNER_DONE] = {"all tasks committed", 0},
    [OWNER_PARTIAL] = {"ended before all tasks were committed", 3},
    [OWNER_STOPPED] = {"stopped before all tasks were committed", 3},
    [OWNER_STALE] = {"another owner has taken the job over", 1},
    [OWNER_FAILED] = {NULL, 1},
};

static int
bench_report(const struct bench_run *b, struct watch *watch, enum owner_end end,
             struct co_diag *diag)
{
    struct co_buf out;
    bool done = end == OWNER_DONE;

    /* What stands in diag may be of an error that was dealt with. */
    if (ends[end].text) (void)co_fail(diag, CO_OK, "%s", ends[end].text);
    co_buf_init(&out, RESULT_BYTES_MAX);
    if (done) bench_result(b, &out);
    watch_end(watch, ends[end].exit_status, diag->text,
              done ? co_buf_text(&out) : NULL);
    if (b->cfg.status_fd >= CONFIG_NO_FD && done) {
        (void)printf("%s\n", co_buf_text(&out));
    }
    co_buf_fini(&out);
    return ends[end].exit_status;
}

static enum owner_end
bench_own(struct bench_run *b, struct bench *bench, uint64_t job,
          struct watch *watch, struct co_diag *diag)
{
    co_auto(owner_freep) struct owner *owner = NULL;
    struct hosted hosted = {.kind = &bench_kind, .state = bench};
    struct owner_options options = {.job = job,
                                    .number = 1,
                                    .job_name = "bench",
                                    .journal_dir = b->journal_dir,
                                    .fresh = true,
                                    .priority = PRIORITY_MEDIUM,
                                    .batch = (uint32_t)b->cfg.batch,
                                    .window = (uint32_t)b->cfg.window,
                                    .brokers = b->cfg.brokers,
                                    .keys = &b->cfg.ring,
                                    .lifeline_fd = co_lifeline_adopt(),
                                    .signal_fd = b->signal_fd};
    enum owner_end end;

    if (journal_claim(b->journal_dir, job, 1, diag)) return OWNER_FAILED;
    if (owner_new(&options, &hosted, watch, &owner, diag)) return OWNER_FAILED;
    b->began_us = co_clock_us();
    end = owner_run(owner, diag);
    b->ended_us = co_clock_us();
    b->cpu_us = co_clock_cpu_us();
    return end;
}

static int
bench_all(struct bench_run *b, struct co_diag *diag)
{
    co_auto(watch_freep) struct watch *watch = NULL;
    co_auto(bench_freep) struct bench *bench = NULL;
    uint64_t job = co_random_u64();
    struct bench_options options = {
        .tasks = b->cfg.tasks,
        .payload_bytes = (uint32_t)b->cfg.payload,
        .rate = b->cfg.rate,
        .latency = on_latency,
        .latency_arg = &b->latency,
    };
    struct watch_options watching = {.status_fd = config_fd(b->cfg.status_fd),
                                     .redis_url = b->cfg.redis,
                                     .redis_insecure = b->cfg.redis_insecure,
                                     .name_space = b->cfg.name_space,
                                     .job = job,
                                     .job_name = "bench",
                                     .kind = "bench",
                                     .folder = b->dir,
                                     .service = "noop"};
    enum owner_end end;

    if (bench_folder(b, diag)) return -1;
    if (bench_new(&options, &bench)) {
        (void)co_fail(diag, CO_NOMEM, "out of memory");
        return -1;
    }
    if (watch_new(&watching, &watch, diag)) return -1;
    end = bench_own(b, bench, job, watch, diag);
    return bench_report(b, watch, end, diag);
}

int
bench_job(int argc, char **argv)
{
    struct co_options *options = NULL;
    struct bench_run *b = calloc(1, sizeof *b);
    struct co_diag diag = {"failed without a reason given: this is a bug"};
    int status = 1;

    if (!b) return 1;
    if (config_load(CONFIG_BENCH, argc, argv, &b->cfg, &options, &status)) {
        if (co_signals_open(&b->signal_fd)) b->signal_fd = -1;
        status = bench_all(b, &diag);
        if (status != 0) {
            (void)fprintf(stderr, CO_PROGRAM "-coordinator: %s\n", diag.text);
            if (status == -1) status = 1;
        }
        if (!b->cfg.keep && b->dir[0] && co_fs_remove_tree(b->dir, &diag)) {
            (void)fprintf(stderr, CO_PROGRAM "-coordinator: %s\n", diag.text);
        }
    }
    co_options_free(options); /* its texts stand in the config */
    free(b);
    return status;
}
