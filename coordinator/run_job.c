/* run_job.c - see run_job.h. In order: job file, model, recipe; folder and its
 * lock; owner number, on disk; then the owner's loop. */
#include "coordinator/run_job.h"

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/redis.h"
#include "common/signals.h"
#include "coordinator/cache.h"
#include "coordinator/chain.h"
#include "coordinator/config.h"
#include "coordinator/corpus.h"
#include "coordinator/kind_personas.h"
#include "coordinator/owner.h"
#include "coordinator/prepare.h"
#include "coordinator/purse_redis.h"
#include "coordinator/run_file.h"
#include "coordinator/watch.h"
#include "coordinator/watch_redis.h"
#include "job/estimate.h"
#include "journal/writer.h"
#include "rows/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    JOB_FILE_BYTES_MAX = 1 << 20,
    DAY_MS = 24 * 3600 * 1000,
    LEAVE_MS = 1000, /* to give back what is left of the caps over jobs */
};

struct run {
    struct coordinator_config cfg;
    const char *file;
    int signal_fd, lifeline_fd;
    struct spec_overrides over;
    struct prepared p;
    struct jobfolder folder;
    bool folder_open;
    struct watch *watch;
    struct letters letters;
    struct run_file file_state;
    struct purse purse; /* of caps over several jobs */
    struct purse_redis *purse_redis;
    struct cache *cache; /* of answers; NULL: none */
};

/* ---- the job and its folder ---- */

static enum co_err
run_prepare(struct run *r, struct co_diag *diag)
{
    struct prepare_options options = {.file = r->file, .data = r->cfg.data};
    enum co_err err = CO_OK;

    r->over = (struct spec_overrides){.has_rows = r->cfg.rows != NULL,
                                      .has_seed = r->cfg.seed != NULL,
                                      .dir = r->cfg.out};
    if (r->cfg.rows) {
        err = prepare_number("rows", r->cfg.rows, &r->over.rows, diag);
    }
    if (!err && r->cfg.seed) {
        err = prepare_number("seed", r->cfg.seed, &r->over.seed, diag);
    }
    r->p.job_is_bad = err != CO_OK;
    options.over = r->over;
    return err ? err : prepare(&options, &r->p, diag);
}

static enum co_err
run_open_folder(struct run *r, struct co_diag *diag)
{
    enum co_err err =
        prepare_folder(&r->p, r->p.spec->dir, r->cfg.job_id, &r->folder, diag);

    r->folder_open = !err;
    return err;
}

static bool
is_same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* The job file as it runs, for people; the journal has what counts. */
static enum co_err
run_keep_job_file(struct run *r, struct co_diag *diag)
{
    char path[sizeof r->folder.dir + 16];
    struct spec_overrides over = r->over;
    struct co_buf text;
    enum co_err err;

    (void)snprintf(path, sizeof path, "%s/job.yaml", r->folder.dir);
    if (is_same_file(r->file, path)) return CO_OK; /* nothing piles up in it */
    co_buf_init(&text, JOB_FILE_BYTES_MAX + PREPARE_AS_RUN_BYTES);
    err = co_fs_read_file(r->file, JOB_FILE_BYTES_MAX, &text, diag);
    /* The command always gives the folder, which is mostly the file's own. */
    if (is_same_file(r->p.file_dir, r->folder.dir)) over.dir = NULL;
    prepare_as_run(&over, &text);
    if (!err) {
        err = co_fs_write_atomic(r->folder.dir, "job.yaml", text.data, text.len,
                                 diag);
    }
    co_buf_fini(&text);
    return err;
}

/* Higher than any that the journal or Redis has seen, and on disk. */
static enum co_err
run_claim(struct run *r, uint32_t *ret_number, struct co_diag *diag)
{
    const struct identity *id = &r->folder.identity;
    uint32_t seen = 0;

    if (r->cfg.redis) {
        seen = watch_redis_owner(r->cfg.redis, r->cfg.redis_insecure,
                                 r->cfg.name_space, id->job);
    }
    *ret_number = identity_next_owner(id, seen);
    if (*ret_number == 0) {
        return co_fail(diag, CO_DAMAGED,
                       "%s: the journal has the highest owner number there is, "
                       "which no run gave it. See `" CO_PROGRAM
                       " journal check`",
                       r->folder.dir);
    }
    return journal_claim(r->folder.journal_dir, id->job, *ret_number, diag);
}

/* ---- running ---- */

/* Names of all providers that may write for the job. */
static uint32_t
list_providers(const struct job_spec *spec, const char *ret[PROVIDERS_MAX])
{
    const struct providers_entry *v[PROVIDERS_MAX];
    const uint32_t n = spec_providers(spec, v);

    for (uint32_t i = 0; i < n; i++) {
        ret[i] = v[i]->name;
    }
    return n;
}

static enum co_err
run_watch(struct run *r, struct co_diag *diag)
{
    const char *providers[PROVIDERS_MAX];
    struct watch_options options = {
        .status_fd = config_fd(r->cfg.status_fd),
        .redis_url = r->cfg.redis,
        .redis_insecure = r->cfg.redis_insecure,
        .name_space = r->cfg.name_space,
        .metrics = r->cfg.metrics,
        .metrics_insecure = r->cfg.metrics_insecure,
        .scale_quiet_ms = r->cfg.scaler ? (int64_t)r->cfg.scale_quiet_ms : 0,
        .rows_per_task = PERSONAS_CELL,
        .job = r->folder.identity.job,
        .kind = "personas",
        .folder = r->folder.dir};

    if (r->p.spec) { /* else only to tell that the job file is bad */
        options.job_name = r->p.spec->name;
        options.service = spec_service(r->p.spec);
        options.n_providers = list_providers(r->p.spec, providers);
        options.providers = providers;
        if (options.n_providers) options.rows_per_task = 1; /* calls */
    }

    return watch_new(&options, &r->watch, diag);
}

/* A job with fallbacks wants to hear of asks that no worker takes. */
static uint32_t
task_wait_ms(const struct run *r)
{
    if (r->cfg.task_wait_ms || !r->p.spec->writers) {
        return (uint32_t)r->cfg.task_wait_ms;
    }
    return CHAIN_WAIT_MS;
}

/* Of a model's call; 0: none are made. */
static uint32_t
call_total_ms(const struct job_spec *spec)
{
    const struct providers_entry *entry = spec_provider(spec);
    uint64_t most_ms = entry ? entry->timeouts.total_ms : 0;

    for (uint32_t i = 0; spec->writers && i < spec->writers->n; i++) {
        entry = providers_find(spec->providers, spec->writers->v[i]->provider);
        if (entry) most_ms = co_max_u64(most_ms, entry->timeouts.total_ms);
    }
    return (uint32_t)most_ms;
}

static enum owner_end
run_own(struct run *r, struct corpus *corpus, uint32_t number,
        struct co_diag *diag)
{
    co_auto(owner_freep) struct owner *owner = NULL;
    const struct hosted *hosted = corpus_hosted(corpus);
    struct owner_options options = {
        .job = r->folder.identity.job,
        .number = number,
        .job_name = r->p.spec->name,
        .journal_dir = r->folder.journal_dir,
        .fresh = r->folder.state == JOBFOLDER_FRESH,
        .recipe = r->p.recipe_hash,
        .fingerprint = population_fingerprint(r->cfg.data, r->p.prose),
        .priority = (uint32_t)r->p.spec->priority,
        /* credit of all its lanes, where there are several */
        .provider = r->p.spec->writers ? "" : r->p.spec->provider,
        /* A range is work enough for one message; calls are small. */
        .batch = r->p.spec->writer ? 0 : 1,
        .segment_bytes = r->cfg.segment_bytes,
        .letters = &r->letters,
        .wait_ms = task_wait_ms(r),
        .run_ms = (uint32_t)r->cfg.task_run_ms,
        .total_ms = (uint32_t)r->cfg.task_total_ms,
        .stall_ms = (uint32_t)r->cfg.task_stall_ms,
        .call_total_ms = call_total_ms(r->p.spec),
        .brokers = r->cfg.brokers,
        .keys = &r->cfg.ring,
        .lifeline_fd = r->lifeline_fd,
        .signal_fd = r->signal_fd,
    };
    enum owner_end end;

    if (owner_new(&options, hosted, r->watch, &owner, diag)) {
        return OWNER_FAILED;
    }
    end = owner_run(owner, diag);
    if (r->purse_redis && !purse_redis_leave(r->purse_redis, LEAVE_MS)) {
        co_log(CO_LOG_WARN, "budget.kept", "job=%016llx text=%s",
               (unsigned long long)r->folder.identity.job,
               co_log_quote("Redis does not answer: what the job did not spend "
                            "of the caps over all jobs stays with it until it "
                            "goes on")
                   .text);
    }
    run_file_ledger(&r->file_state, hosted->kind, hosted->state);
    return end;
}

static const struct {
    const char *state, *text;
    int exit_status;
} ends[] = {
    [OWNER_DONE] = {"complete", "all rows are written", 0},
    [OWNER_PARTIAL] = {"partial", NULL, 3}, /* the corpus says why */
    [OWNER_STOPPED] = {"stopped", "stopped; the same command goes on", 3},
    [OWNER_STALE] = {"stopped", "another owner has taken the job over", 1},
    [OWNER_FAILED] = {"failed", NULL, 1},
};

static int
run_end(struct run *r, struct corpus *corpus, enum owner_end end,
        struct co_diag *diag)
{
    const char *text = ends[end].text ? ends[end].text : diag->text;
    struct co_diag unwritten = {"run.json cannot be written"};
    struct co_buf extra;
    int status = ends[end].exit_status;

    if (end == OWNER_PARTIAL) text = corpus_why_partial(corpus);
    if (r->file_state.has_ledger && !kind_ledger_holds(&r->file_state.ledger)) {
        status = 1;
        text = "the ledger does not add up: this is a bug, please report it "
               "with the folder's journal";
    }
    watch_state(r->watch, ends[end].state, text);
    if (run_file_end(&r->file_state, ends[end].state, text, &unwritten)) {
        status = 1;
        if (end != OWNER_FAILED) text = unwritten.text; /* else told already */
    }
    co_buf_init(&extra, 1 << 16);
    corpus_result(corpus, &extra);
    watch_end(r->watch, status, text, co_buf_text(&extra));
    co_buf_fini(&extra);
    if (end == OWNER_FAILED || status == 1) {
        (void)fprintf(stderr, CO_PROGRAM ": %s\n", text);
    }
    return status;
}

/* 2 N + 1000 acceptable candidates: what conditions turn away by their nature
 * does not count against the budget, which is there for what goes wrong. */
static uint64_t
candidate_budget(uint64_t rows, uint32_t rate_ppm)
{
    uint64_t rate = rate_ppm ? rate_ppm : 1000000 / 65536;

    return (2 * rows + 1000) * (1000000 / rate + 1);
}

/* How asks go out together; all 0: each by itself. */
static struct written_batch
batch_of(const struct job_spec *spec)
{
    const struct providers_entry *entry = spec_provider(spec);

    if (!entry) return (struct written_batch){0};
    return (struct written_batch){
        .max_requests = entry->batch.max_requests,
        .window_us = (int64_t)entry->batch.window_ms * 1000,
        .poll_us = (int64_t)entry->batch.poll_ms * 1000,
    };
}

/* What the job was thought to take; NULL where nothing is paid for. */
static const struct estimate *
estimate_before(const struct run *r, struct estimate *estimate)
{
    const struct estimate_wish wish = {.workers = 1, .llm_slots = 1};

    if (!r->p.spec->writer ||
        estimate_make(r->p.spec, r->p.sampler, &wish, estimate)) {
        return NULL;
    }
    return estimate;
}

/* Jobs that pay take part in the caps that jobs share. */
static enum co_err
run_purse(struct run *r, uint32_t number, struct co_diag *diag)
{
    const struct purse_options options = {
        .redis = r->p.spec->writer && r->cfg.redis && r->cfg.budget,
        .cap_day = r->cfg.cap_day,
        .cap_total = r->cfg.cap_total,
        .owner = number,
        .day = (uint32_t)(co_clock_wall_ms() / DAY_MS)};
    const struct purse_redis_options where = {.redis_url = r->cfg.redis,
                                              .redis_insecure =
                                                  r->cfg.redis_insecure,
                                              .name_space = r->cfg.name_space,
                                              .job = r->folder.identity.job};
    enum co_err err;

    purse_init(&r->purse, &options);
    if (!options.redis) return CO_OK;
    err = purse_redis_new(&where, &r->purse, &r->purse_redis, diag);
    if (!err) watch_purse(r->watch, r->purse_redis);
    return err;
}

/* Where a model writes, and the job file says so. */
static enum co_err
run_cache(struct run *r, struct cache **ret_cache, struct co_diag *diag)
{
    struct cache_options options = {.recipe = r->p.recipe,
                                    .shared = r->p.spec->cache_shared,
                                    .writer = r->p.spec->writer,
                                    .sampler = r->p.sampler};
    const struct cache_counters *n;
    struct co_buf dir;
    enum co_err err;

    if (!r->p.spec->writer || !r->p.spec->cached) return CO_OK;
    co_buf_init(&dir, 4096);
    err = cache_dir(&dir, diag);
    options.dir = co_buf_text(&dir);
    if (!err) err = cache_open(&options, &r->cache, diag);
    if (!err) {
        *ret_cache = r->cache;
        n = cache_counters(r->cache);
        co_log(CO_LOG_INFO, "cache.open",
               "dir=%s files=%llu answers=%llu torn=%llu",
               co_log_quote(options.dir).text, (unsigned long long)n->files,
               (unsigned long long)n->answers, (unsigned long long)n->torn);
    }
    co_buf_fini(&dir);
    return err;
}

static void
run_cache_close(struct run *r)
{
    const struct cache_counters *n;

    if (!r->cache) return;
    cache_flush(r->cache);
    n = cache_counters(r->cache);
    co_log(CO_LOG_INFO, "cache.close",
           "hits=%llu added=%llu damaged=%llu left_out=%llu removed=%llu",
           (unsigned long long)n->hits, (unsigned long long)n->added,
           (unsigned long long)n->damaged, (unsigned long long)n->left_out,
           (unsigned long long)n->removed);
    cache_free(r->cache);
    r->cache = NULL;
}

static int
run_work(struct run *r, uint32_t number, struct co_diag *diag)
{
    struct estimate estimate;
    co_auto(corpus_freep) struct corpus *corpus = NULL;
    struct corpus_options options = {
        .name = r->p.spec->name,
        .job = r->folder.identity.job,
        .rows = r->p.spec->rows,
        .shard_rows = r->p.spec->shard_rows,
        .service = spec_service(r->p.spec),
        .out_dir = r->folder.dir,
        .journal_dir = r->folder.journal_dir,
        .recipe = r->p.recipe,
        .recipe_hash = r->p.recipe_hash,
        .identity_is_new = r->folder.state == JOBFOLDER_FRESH ||
                           r->folder.state == JOBFOLDER_EXTEND ||
                           r->folder.state == JOBFOLDER_REPLAY,
        .candidates =
            candidate_budget(r->p.spec->rows, sampler_rate_ppm(r->p.sampler)),
        .sampler = r->p.sampler,
        .dedup = spec_dedups(r->p.spec),
        .writer = r->p.spec->writer,
        .writers = r->p.spec->writers,
        .budget = r->p.spec->budget,
        .shares = &r->p.spec->shares,
        .degrades = r->p.spec->degrades,
        .purse = &r->purse,
        .batch = batch_of(r->p.spec),
        .call_total_ms = call_total_ms(r->p.spec),
        .no_late_answers = !r->cfg.late_answers,
        .estimate = estimate_before(r, &estimate),
        .keep_journal = r->p.spec->writer != NULL,
        .dead = letters_on_dead,
        .dead_ctx = &r->letters,
        .hash_bits = r->p.hash_bits,
    };
    enum owner_end end;
    int status = -1;

    if (!identity_make(&r->folder.identity, &options.identity) &&
        !run_purse(r, number, diag) && !run_cache(r, &options.cache, diag) &&
        !corpus_new(&options, &corpus, diag)) {
        end = run_own(r, corpus, number, diag);
        status = run_end(r, corpus, end, diag);
    }
    co_bytes_unref(&options.identity);
    return status;
}

/* A finished job is told of and left as it is. */
static int
run_finished(struct run *r, struct co_diag *diag)
{
    char text[4096 + 128];

    (void)snprintf(text, sizeof text,
                   "finished already: %llu rows in %s; nothing was changed",
                   (unsigned long long)r->folder.identity.rows, r->folder.dir);
    r->cfg.redis = NULL;
    if (run_watch(r, diag)) return -1;
    watch_state(r->watch, "complete", "finished already");
    watch_end(r->watch, 0, text, NULL);
    return 0;
}

/* -1: diag says what is wrong. */
static int
run_all(struct run *r, struct co_diag *diag)
{
    uint32_t number = 0;

    if (run_open_folder(r, diag)) return -1;
    if (r->folder.state == JOBFOLDER_FINISHED) return run_finished(r, diag);
    if (run_keep_job_file(r, diag)) return -1;
    if (run_watch(r, diag)) return -1;
    if (letters_open(r->folder.dir, r->watch, &r->letters, diag)) return -1;
    if (run_claim(r, &number, diag)) return -1;
    run_file_init(&r->file_state, r->folder.dir, r->folder.identity.job,
                  r->p.spec->name, r->p.spec->rows);
    run_file_recipe(&r->file_state, r->p.recipe_hash);
    run_file_payee(&r->file_state, spec_service(r->p.spec),
                   r->p.spec->provider);
    run_file_redis(&r->file_state, r->cfg.redis, r->cfg.name_space);
    if (run_file_begin(&r->file_state, diag)) return -1;
    return run_work(r, number, diag);
}

static void
run_fini(struct run *r)
{
    run_file_fini(&r->file_state);
    watch_free(r->watch);
    purse_redis_free(r->purse_redis);
    letters_close(&r->letters);
    run_cache_close(r);
    if (r->folder_open) jobfolder_close(&r->folder);
    prepare_fini(&r->p);
}

static int
run_loaded(struct run *r)
{
    struct co_diag diag = {"failed without a reason given: this is a bug"};
    enum co_err err = run_prepare(r, &diag);
    int status = err ? -1 : run_all(r, &diag);

    if (status == -1) {
        (void)fprintf(stderr, CO_PROGRAM ": %s\n", diag.text);
        /* Only a job file or command line that has to be changed is 2. */
        status = err && r->p.job_is_bad ? 2 : 1;
        if (err) r->cfg.redis = NULL; /* no job, nothing to tell there */
        if (r->watch || !run_watch(r, &(struct co_diag){""})) {
            watch_state(r->watch, "failed", diag.text);
            watch_end(r->watch, status, diag.text, NULL);
        }
    }
    return status;
}

int
run_job(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct run r = {.signal_fd = -1,
                    .folder = {.lock_fd = -1},
                    .letters = {.file = {.fd = -1}}};
    int status = 1;

    r.lifeline_fd = co_lifeline_adopt();
    if (!config_load(CONFIG_RUN, argc, argv, &r.cfg, &options, &status)) {
        return status;
    }
    r.file = co_options_arg(options, 0);
    if (co_signals_open(&r.signal_fd)) r.signal_fd = -1;
    status = run_loaded(&r);
    run_fini(&r);
    return status;
}
