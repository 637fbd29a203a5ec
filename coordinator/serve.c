/* serve.c - see serve.h. The loop: submissions, signals of children, time.
 * What was accepted stands in ROOT/jobs.json before it is answered, so that a
 * daemon that was killed starts its unfinished jobs again. */
#include "coordinator/serve.h"

#include "common/clock.h"
#include "common/fs.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/runtime.h"
#include "common/signals.h"
#include "coordinator/config.h"
#include "coordinator/job_list.h"
#include "coordinator/prepare.h"
#include "coordinator/scale.h"
#include "proto/gate.h"
#include "proto/outbox.h"
#include "proto/socket.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum {
    FILE_BYTES_MAX = 1 << 20,
    POLL_MS = 250,
    STOP_MS = 10000, /* for children to commit and end */
};

struct daemon_state {
    struct coordinator_config cfg;
    char default_listen[CO_RUNTIME_ENDPOINT_BYTES];
    char root[4096];
    struct sock *sock;
    struct gate *gate;       /* of the socket; NULL: no keys asked there */
    struct allowlist *allow; /* the gate's, as of generation */
    uint32_t generation;
    int signal_fd, lifeline_fd;
    int root_lock; /* two daemons would overwrite each other's list of jobs */
    struct co_lifeline lifeline; /* of the children */
    struct job_list jobs;
    struct scale *scale; /* NULL: none */
    char scale_quiet[32];
    struct outbox out;
    struct msg_reader reader;
    bool stopping;
};

/* ---- children ---- */

/* The command line of a job's process. */
static enum co_err
start_job(struct daemon_state *d, struct listed_job *job, struct co_diag *diag)
{
    struct co_proc_fd fd = co_lifeline_pass(&d->lifeline);
    /* The daemon's own --config has other options: it stays behind. */
    const char *env[] = {co_lifeline_env(), "COHORT_CONFIG=", NULL};
    char exe[4096];
    char file[4096 + 16];
    char id[24];
    char log[4096 + 32];
    const char *argv[128] = {exe, "run", file};
    size_t n = 3;
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    struct co_proc_opts opts = {.fds = &fd,
                                .fd_count = 1,
                                .env = env,
                                .stderr_path = log,
                                .death_signal = SIGTERM};

    if (len < 0) return co_fail(diag, CO_IO, "cannot read /proc/self/exe");
    exe[len] = '\0';
    (void)snprintf(file, sizeof file, "%s/job.yaml", job->out);
    (void)snprintf(log, sizeof log, "%s/coordinator.log", job->out);
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)job->id);
#define PUSH(text) argv[n++] = (text)
    PUSH("--out"), PUSH(job->out), PUSH("--job-id"), PUSH(id);
    if (job->rows[0]) PUSH("--rows"), PUSH(job->rows);
    if (job->seed[0]) PUSH("--seed"), PUSH(job->seed);
    if (d->cfg.data) PUSH("--data"), PUSH(d->cfg.data);
    if (d->cfg.redis) PUSH("--redis"), PUSH(d->cfg.redis);
    if (d->cfg.redis_insecure) PUSH("--redis-insecure");
    PUSH("--namespace"), PUSH(d->cfg.name_space);
    PUSH(d->cfg.scaler ? "--scaler" : "--no-scaler");
    PUSH("--scale-quiet"), PUSH(d->scale_quiet);
    PUSH(d->cfg.budget ? "--budget" : "--no-budget");
    if (d->cfg.budget_day) PUSH("--budget-day"), PUSH(d->cfg.budget_day);
    if (d->cfg.budget_namespace) {
        PUSH("--budget-namespace"), PUSH(d->cfg.budget_namespace);
    }
    for (size_t i = 0; i < d->cfg.brokers.count; i++) {
        PUSH("--broker"), PUSH(d->cfg.brokers.items[i]);
    }
    if (d->cfg.keys.key) PUSH("--key"), PUSH(d->cfg.keys.key);
    for (size_t i = 0; i < d->cfg.keys.others.count; i++) {
        PUSH("--broker-key"), PUSH(d->cfg.keys.others.items[i]);
    }
#undef PUSH
    return co_proc_spawn(argv, &opts, &job->pid, diag);
}

static void
launch_due(struct daemon_state *d)
{
    int64_t now_ms = co_clock_ms();

    for (size_t i = 0; i < d->jobs.n && !d->stopping; i++) {
        struct listed_job *job = &d->jobs.v[i];
        struct co_diag diag;

        if (job->pid || now_ms < job->start_ms) continue;
        if (start_job(d, job, &diag)) {
            co_log(CO_LOG_ERROR, "job.start_failed", "out=%s why=%s", job->out,
                   co_log_quote(diag.text).text);
            job_list_failed(job, now_ms);
        } else {
            job->start_ms = now_ms;
            co_log(CO_LOG_INFO, "job.started", "out=%s pid=%d", job->out,
                   (int)job->pid);
        }
    }
}

/* A job that ended is taken from the list; one that died is started again,
 * later each time. */
static void
on_job_end(struct daemon_state *d, size_t i, const struct co_proc_exit *end)
{
    struct listed_job *job = &d->jobs.v[i];
    bool over = !end->signal && end->code != 1 && !d->stopping;

    job->pid = 0;
    co_log(over ? CO_LOG_INFO : CO_LOG_WARN, "job.ended",
           "out=%s code=%d signal=%d", job->out, end->code, end->signal);
    if (!over && job_list_failed(job, co_clock_ms())) return;
    if (d->stopping) return;
    if (!over) {
        co_log(CO_LOG_ERROR, "job.given_up",
               "out=%s text=\"died %d times in a row; see coordinator.log "
               "there, then submit it again\"",
               job->out, job->failures);
    }
    job_list_remove(&d->jobs, i);
    if (job_list_save(&d->jobs, d->root, NULL)) {
        co_log(CO_LOG_ERROR, "jobs.not_saved", "root=%s", d->root);
    }
}

static void
reap(struct daemon_state *d)
{
    for (size_t i = d->jobs.n; i-- > 0;) {
        struct co_proc_exit end;

        if (d->jobs.v[i].pid &&
            co_proc_wait(d->jobs.v[i].pid, 0, &end) == CO_OK) {
            on_job_end(d, i, &end);
        }
    }
}

/* ---- submissions ---- */

/* Makes the folder and names it as the system does, so that one folder has
 * one name in the list. */
static enum co_err
real_folder(char out[4096], struct co_diag *diag)
{
    char *real;
    enum co_err err = co_fs_mkdirs(out, diag);

    if (err) return err;
    real = realpath(out, NULL);
    if (!real || strlen(real) >= 4096) {
        free(real);
        return co_fail(diag, CO_RANGE, "%s: the path cannot be resolved", out);
    }
    (void)snprintf(out, 4096, "%s", real);
    free(real);
    return CO_OK;
}

static enum co_err
resolve_out(const struct daemon_state *d, const char *dir, char out[4096],
            struct co_diag *diag)
{
    int n = dir[0] == '/' ? snprintf(out, 4096, "%s", dir)
                          : snprintf(out, 4096, "%s/%s", d->root, dir);

    if (n < 0 || n >= 4096) {
        return co_fail(diag, CO_RANGE, "the output folder's path is too long");
    }
    return real_folder(out, diag);
}

/* A submission on its way into the list. */
struct submission {
    char name[256], out[2048];
    struct prepare_options options;
    struct prepared p;
    struct listed_job job;
};

static enum co_err
submission_read(const struct daemon_state *d, const struct msg_submit *m,
                struct co_bytes body, struct submission *s,
                struct co_diag *diag)
{
    msg_str_copy(m->file, s->name, sizeof s->name);
    msg_str_copy(m->out, s->out, sizeof s->out);
    if (body.len > FILE_BYTES_MAX) {
        return co_fail(diag, CO_RANGE, "%s: larger than 1 MiB", s->name);
    }
    if (m->out.len >= sizeof s->out) {
        return co_fail(diag, CO_RANGE, "the output folder's path is too long");
    }
    s->options = (struct prepare_options){
        .file = s->name,
        .text = body.len ? (const char *)body.data : "",
        .text_len = body.len,
        .over = {.has_rows = m->rows != 0,
                 .has_seed = m->has_seed,
                 .rows = m->rows,
                 .seed = m->seed,
                 .dir = m->out.len ? s->out : NULL},
        .data = d->cfg.data};
    if (m->rows) {
        (void)snprintf(s->job.rows, sizeof s->job.rows, "%llu",
                       (unsigned long long)m->rows);
    }
    if (m->has_seed) {
        (void)snprintf(s->job.seed, sizeof s->job.seed, "%llu",
                       (unsigned long long)m->seed);
    }
    return prepare(&s->options, &s->p, diag);
}

static enum co_err
submission_write(const struct submission *s, struct co_diag *diag)
{
    struct co_buf text;
    enum co_err err;

    co_buf_init(&text, FILE_BYTES_MAX + PREPARE_AS_RUN_BYTES);
    co_buf_append(&text, s->options.text, s->options.text_len);
    prepare_as_run(&s->options.over, &text);
    err = text.err ? co_fail(diag, text.err, "%s/job.yaml: %s", s->job.out,
                             co_err_text(text.err))
                   : co_fs_write_atomic(s->job.out, "job.yaml", text.data,
                                        text.len, diag);
    co_buf_fini(&text);
    return err;
}

/* With the folder's lock, which says that nobody works there: what stands in
 * it decides whether this job may be run, and which id it has. Nothing is
 * written before that. */
static enum co_err
submission_place(struct submission *s, struct co_diag *diag)
{
    struct jobfolder folder;
    enum co_err err = prepare_folder(&s->p, s->job.out, 0, &folder, diag);

    if (err) return err;
    s->job.id = folder.identity.job;
    if (folder.state == JOBFOLDER_FINISHED) {
        err = co_fail(diag, CO_STATE, "finished already: %llu rows in %s",
                      (unsigned long long)folder.identity.rows, folder.dir);
    }
    if (!err) err = submission_write(s, diag);
    jobfolder_close(&folder);
    return err;
}

static enum co_err
enlist(struct daemon_state *d, const struct listed_job *job,
       struct co_diag *diag)
{
    enum co_err err = job_list_add(&d->jobs, job);

    if (err) return co_fail(diag, err, "%s", co_err_text(err));
    err = job_list_save(&d->jobs, d->root, diag);
    if (err) job_list_remove(&d->jobs, d->jobs.n - 1); /* refused: not run */
    return err;
}

static enum co_err
submit(struct daemon_state *d, const struct msg_submit *m, struct co_bytes body,
       struct submission *s, struct co_diag *diag)
{
    enum co_err err = submission_read(d, m, body, s, diag);

    if (!err) err = resolve_out(d, s->p.spec->dir, s->job.out, diag);
    if (err) return err;
    /* Before its lock is tried: the job's process may be just starting. */
    if (job_list_find(&d->jobs, s->job.out)) {
        return co_fail(diag, CO_BUSY, "%s: a job runs there already",
                       s->job.out);
    }
    if (d->jobs.n == JOB_LIST_MAX) {
        return co_fail(diag, CO_FULL,
                       "%d jobs are listed already: wait for one to end",
                       JOB_LIST_MAX);
    }
    err = submission_place(s, diag);
    return err ? err : enlist(d, &s->job, diag);
}

static void
on_submit(struct daemon_state *d, uint64_t peer, const struct msg *m,
          struct co_bytes body)
{
    struct submission s = {.job = {.pid = 0}};
    struct co_diag diag = {"out of memory"};
    enum co_err err = submit(d, &m->submit, body, &s, &diag);
    struct msg answer = {
        .type = MSG_submitted,
        .submitted = {.job = s.job.id, .out = msg_text(s.job.out)}};

    if (err) {
        answer = (struct msg){.type = MSG_refused,
                              .refused = {.code = msg_text(co_err_name(err)),
                                          .text = msg_text(diag.text),
                                          .message = MSG_submit}};
    }
    outbox_push(&d->out, 0, peer, &answer, (struct co_bytes){0});
    prepare_fini(&s.p);
}

static void
on_frames(struct daemon_state *d, uint64_t peer, struct co_bytes head,
          struct co_bytes body)
{
    struct msg m;
    enum co_err err = msg_decode(&d->reader, head.data, head.len, &m);
    struct msg refusal = {
        .type = MSG_refused,
        .refused = {.code = msg_text(co_err_name(err ? err : CO_PROTOCOL)),
                    .text = msg_text("this daemon takes SUBMIT only")}};

    if (!err && m.type == MSG_submit && m.submit.version == PROTO_VERSION) {
        on_submit(d, peer, &m, body);
        return;
    }
    if (!err && m.type == MSG_submit) {
        refusal.refused.code = msg_text(co_err_name(CO_VERSION));
        refusal.refused.text = msg_text("another protocol version: use the "
                                        "command of the daemon's release");
    }
    outbox_push(&d->out, 0, peer, &refusal, (struct co_bytes){0});
}

/* libzmq asks for keys at the handshake only: one that was taken from the list
 * since is not heard any more. */
static bool
is_revoked(struct daemon_state *d)
{
    if (!d->gate) return false;
    if (gate_generation(d->gate) != d->generation) {
        d->generation = gate_generation(d->gate);
        allowlist_unref(d->allow);
        d->allow = gate_list(d->gate);
    }
    if (allowlist_has(d->allow, sock_peer_key(d->sock), KEY_COORDINATOR)) {
        return false;
    }
    gate_count_revoked(d->gate);
    sock_cut(d->sock);
    return true;
}

static void
read_submissions(struct daemon_state *d)
{
    struct co_bytes head;
    struct co_bytes body;
    uint64_t peer;

    for (int i = 0; i < 256 && !sock_recv(d->sock, &peer, &head, &body); i++) {
        if (!is_revoked(d)) on_frames(d, peer, head, body);
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
    for (size_t i = 0; i < d->out.n; i++) {
        struct outmsg *m = &d->out.v[i];

        if (sock_send(d->sock, m->peer, m->head, m->body)) {
            co_log(CO_LOG_WARN, "submit.unanswered", "peer=%llu",
                   (unsigned long long)m->peer);
        }
    }
    d->out.n = 0;
}

/* ---- the loop ---- */

static void
wait_for_something(struct daemon_state *d)
{
    zmq_pollitem_t items[4] = {
        {sock_handle(d->sock), 0, ZMQ_POLLIN, 0},
        {NULL, d->signal_fd, ZMQ_POLLIN, 0},
    };
    int signal, n = 2;

    if (d->lifeline_fd >= 0) items[n++].fd = d->lifeline_fd;
    if (d->scale) items[n++].fd = scale_fd(d->scale);
    for (int i = 2; i < n; i++) {
        items[i].events = ZMQ_POLLIN;
    }
    (void)zmq_poll(items, n, POLL_MS);
    if (d->scale) scale_tick(d->scale, co_clock_ms());
    while ((signal = co_signals_next(d->signal_fd)) != 0) {
        if (signal == SIGTERM || signal == SIGINT) d->stopping = true;
        if (signal == SIGHUP && d->gate) gate_reload(d->gate);
    }
    if (co_lifeline_cut(d->lifeline_fd)) d->stopping = true;
}

/* Children end in their own way: what is under way is committed first. */
static void
stop_jobs(struct daemon_state *d)
{
    for (size_t i = 0; i < d->jobs.n; i++) {
        if (d->jobs.v[i].pid) (void)kill(d->jobs.v[i].pid, SIGTERM);
    }
    for (size_t i = 0; i < d->jobs.n; i++) {
        struct co_proc_exit end;

        if (!d->jobs.v[i].pid) continue;
        if (co_proc_stop(d->jobs.v[i].pid, STOP_MS, &end)) {
            co_log(CO_LOG_ERROR, "job.would_not_end", "out=%s",
                   d->jobs.v[i].out);
        }
    }
}

/* A daemon without jobs is a scaler too: jobs come and go, it stays. */
static enum co_err
start_scale(struct daemon_state *d, struct co_diag *diag)
{
    const struct scale_options options = {
        .redis_url = d->cfg.redis,
        .redis_insecure = d->cfg.redis_insecure,
        .name_space = d->cfg.name_space,
        .quiet_ms = (int64_t)d->cfg.scale_quiet_ms};

    (void)snprintf(d->scale_quiet, sizeof d->scale_quiet, "%llums",
                   (unsigned long long)d->cfg.scale_quiet_ms);
    if (!d->cfg.redis || !d->cfg.scaler) return CO_OK;
    return scale_new(&options, &d->scale, diag);
}

/* Where jobs are submitted: with keys when there is a list of who may. */
static enum co_err
open_socket(struct daemon_state *d, void *zmq, struct co_diag *diag)
{
    bool guarded = d->cfg.ring.used && d->cfg.keys.allow;
    struct sock_keys keys;
    enum co_err err = CO_OK;

    if (guarded) err = gate_new(zmq, d->cfg.keys.allow, &d->gate, diag);
    if (err) return err;
    err = sock_bind(
        zmq, d->cfg.listen,
        guarded ? keyring_bind(&d->cfg.ring, KEY_COORDINATOR, true, &keys)
                : NULL,
        diag, &d->sock);
    if (err || !guarded) return err;
    d->allow = gate_list(d->gate);
    d->generation = gate_generation(d->gate);
    err = gate_watch(d->gate, KEY_COORDINATOR);
    return err ? err : gate_run(d->gate, diag);
}

static enum co_err
serve_start(struct daemon_state *d, void *zmq, struct co_diag *diag)
{
    char *real;
    enum co_err err = co_fs_mkdirs(d->cfg.out, diag);

    if (err) return err;
    real = realpath(d->cfg.out, NULL);
    if (!real) return co_fail(diag, CO_IO, "%s: cannot resolve", d->cfg.out);
    (void)snprintf(d->root, sizeof d->root, "%s", real);
    free(real);
    if (d->cfg.brokers.count == 0) {
        return co_fail(diag, CO_USAGE,
                       "no broker given: use --broker ENDPOINT");
    }
    if (!d->cfg.listen) {
        err = co_runtime_endpoint(CO_PROGRAM "-coordinator.sock",
                                  d->default_listen, diag);
        d->cfg.listen = d->default_listen;
    }
    if (!err) err = co_fs_lock(d->root, &d->root_lock, diag);
    if (!err) err = job_list_load(&d->jobs, d->root, diag);
    if (!err) err = co_signals_open(&d->signal_fd); /* threads inherit it */
    if (!err) err = open_socket(d, zmq, diag);
    if (!err) err = co_lifeline_init(&d->lifeline);
    if (!err) err = start_scale(d, diag);
    return err;
}

static void
say_ready(const struct daemon_state *d)
{
    int fd = config_fd(d->cfg.ready_fd);
    char line[512];
    int n = snprintf(line, sizeof line, "listen=%s\n", sock_endpoint(d->sock));

    co_log(CO_LOG_INFO, "daemon.ready", "listen=%s root=%s jobs=%zu",
           sock_endpoint(d->sock), d->root, d->jobs.n);
    if (fd >= 0 && write(fd, line, (size_t)n) != n) {
        co_log(CO_LOG_WARN, "daemon.ready_unread", "fd=%d", fd);
    }
}

static int
serve_all(struct daemon_state *d)
{
    struct co_diag diag = {"out of memory"};
    void *zmq = zmq_ctx_new();
    enum co_err err = zmq ? serve_start(d, zmq, &diag) : CO_NOMEM;

    if (err) {
        (void)fprintf(stderr, CO_PROGRAM "-coordinator: %s\n", diag.text);
    } else {
        say_ready(d);
        while (!d->stopping) {
            launch_due(d);
            wait_for_something(d);
            reap(d);
            read_submissions(d);
        }
        stop_jobs(d);
        co_lifeline_fini(&d->lifeline);
    }
    scale_free(d->scale);
    sock_free(d->sock);
    gate_free(d->gate); /* behind the socket, which tells it things */
    allowlist_unref(d->allow);
    keyring_forget(&d->cfg.ring);
    if (zmq) (void)zmq_ctx_term(zmq);
    return err == CO_OK ? 0 : err == CO_USAGE ? 2 : 1;
}

int
serve(int argc, char **argv)
{
    struct co_options *options = NULL;
    struct daemon_state *d = calloc(1, sizeof *d);
    int status = 1;

    if (!d) return 1;
    outbox_init(&d->out);
    d->signal_fd = d->root_lock = -1;
    d->lifeline_fd = co_lifeline_adopt();
    if (config_load(CONFIG_SERVE, argc, argv, &d->cfg, &options, &status)) {
        status = serve_all(d);
    }
    co_fs_closep(&d->root_lock);
    co_options_free(options); /* its texts stand in the config */
    outbox_fini(&d->out);
    free(d);
    return status;
}
