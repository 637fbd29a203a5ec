/* cmd_submit.c - `cohort submit`: hands a job file to a running coordinator
 * (cohort-coordinator serve) and waits for its answer. */
#include "cli/say.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/runtime.h"
#include "job/override_options.h"
#include "job/spec.h"
#include "proto/keyring.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define PROGRAM CO_PROGRAM " submit"

enum { TEXT_BYTES_MAX = 2048, JOB_BYTES_MAX = 1 << 20 };

struct submit_config {
    const char *coordinator, *rows, *seed, *out;
    uint64_t timeout_ms;
    struct keyring_options keys;
};

#define FIELD(name) offsetof(struct submit_config, name)

static const struct co_option table[] = {
    {.name = "coordinator",
     .letter = 'c',
     .type = CO_OPTION_STRING,
     .offset = FIELD(coordinator),
     .placeholder = "ENDPOINT",
     .help = "where the coordinator listens; else cohort-coordinator.sock in "
             "$XDG_RUNTIME_DIR or /tmp/cohort-UID"},
    KEYRING_KEY_OPTION,
    KEYRING_OTHERS_OPTION("coordinator-key", "coordinator"),
    JOB_ROWS_OPTION,
    JOB_SEED_OPTION,
    {.name = "out",
     .letter = 'o',
     .type = CO_OPTION_STRING,
     .offset = FIELD(out),
     .min = 1,
     .max = 1024,
     .placeholder = "DIR",
     .no_env = true,
     .help = "output folder on the coordinator's host; overrides the file"},
    {.name = "timeout",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(timeout_ms),
     .def = "10s",
     .min = 100,
     .max = 3600000,
     .help = "how long to wait for an answer"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] FILE",
    .about = "Hands a job to a running coordinator (cohort-coordinator serve)\n"
             "and prints its id and output folder.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = 1,
};

struct submission {
    struct submit_config cfg;
    char default_endpoint[CO_RUNTIME_ENDPOINT_BYTES];
    uint64_t rows, seed;
    struct co_buf file; /* content */
    void *zmq;
    struct keyring ring;
    struct sock *sock;
    int64_t end_ms; /* patience */
};

/* A wrong file is better refused here, with its lines, than there. */
static enum co_err
read_job(struct submission *s, const char *path, struct co_diag *diag)
{
    co_auto(spec_freep) struct job_spec *spec = NULL;
    struct spec_overrides over = {.has_rows = s->cfg.rows != NULL,
                                  .has_seed = s->cfg.seed != NULL,
                                  .dir = s->cfg.out};
    enum co_err err = say_number("rows", s->cfg.rows, &s->rows, diag);

    if (!err) err = say_number("seed", s->cfg.seed, &s->seed, diag);
    over.rows = s->rows;
    over.seed = s->seed;
    if (!err) err = spec_load(path, &spec, diag);
    if (!err) err = spec_override(spec, &over, diag);
    if (!err) err = co_fs_read_file(path, JOB_BYTES_MAX, &s->file, diag);
    return err && err != CO_NOMEM ? CO_USAGE : err;
}

static enum co_err
send_job(struct submission *s, const char *path, struct co_diag *diag)
{
    const char *out = s->cfg.out ? s->cfg.out : "";
    struct msg m = {
        .type = MSG_submit,
        .submit = {.version = PROTO_VERSION,
                   .file = {.text = path, .len = (uint32_t)strlen(path)},
                   .rows = s->rows,
                   .out = {.text = out, .len = (uint32_t)strlen(out)},
                   .seed = s->seed,
                   .has_seed = s->cfg.seed != NULL}};
    struct co_bytes head = {0}, body = {0};
    struct co_buf encoded;
    enum co_err err;

    co_buf_init(&encoded, HEAD_BYTES_MAX);
    msg_encode(&m, &encoded);
    err = encoded.err;
    if (!err) err = co_bytes_copy(encoded.data, encoded.len, &head);
    if (!err) err = co_bytes_copy(s->file.data, s->file.len, &body);
    co_buf_fini(&encoded);
    if (!err) {
        err = sock_send(s->sock, 0, head, body);
        return err ? co_fail(diag, err, "%s: cannot send: %s",
                             s->cfg.coordinator, co_err_text(err))
                   : CO_OK;
    }
    co_bytes_unref(&head);
    return co_fail(diag, err, "cannot make the message: %s", co_err_text(err));
}

static int64_t
left_ms(const struct submission *s)
{
    return s->end_ms - co_clock_ms();
}

static enum co_err
nobody(const struct submission *s, const char *what, struct co_diag *diag)
{
    if (sock_unwelcome(s->sock)) {
        return co_fail(diag, CO_DENIED, "%s at %s: %s", what,
                       s->cfg.coordinator, SOCK_UNWELCOME_TEXT);
    }
    return co_fail(diag, CO_TIMEOUT,
                   "%s at %s within %llu ms. Is one running "
                   "(cohort-coordinator serve --listen %s)?%s",
                   what, s->cfg.coordinator,
                   (unsigned long long)s->cfg.timeout_ms, s->cfg.coordinator,
                   keyring_wanted(&s->cfg.keys)
                       ? ""
                       : " It may require keys: --key and --coordinator-key");
}

/* Nothing can be sent before the connection stands. */
static enum co_err
await_connection(const struct submission *s, struct co_diag *diag)
{
    int64_t left;

    while ((left = left_ms(s)) > 0) {
        zmq_pollitem_t item = {.socket = sock_handle(s->sock),
                               .events = ZMQ_POLLOUT};

        if (zmq_poll(&item, 1, (long)left) > 0) return CO_OK;
    }
    return nobody(s, "no coordinator listens", diag);
}

/* SUBMITTED is printed, REFUSED becomes an error. CO_AGAIN: something else. */
static enum co_err
take_answer(const struct co_bytes *head, struct co_diag *diag)
{
    static struct msg_reader reader;
    char hex[CO_HEX16_SIZE];
    struct msg m;

    if (msg_decode(&reader, head->data, head->len, &m)) return CO_AGAIN;
    if (m.type == MSG_submitted) {
        (void)printf("job     %s\nfolder  %.*s\n",
                     co_hex16(m.submitted.job, hex), (int)m.submitted.out.len,
                     m.submitted.out.text);
        return CO_OK;
    }
    if (m.type != MSG_refused) return CO_AGAIN;
    return co_fail(diag, CO_INVALID, "the coordinator refused (%.*s): %.*s",
                   (int)m.refused.code.len, m.refused.code.text,
                   (int)m.refused.text.len, m.refused.text.text);
}

static enum co_err
await_answer(struct submission *s, struct co_diag *diag)
{
    int64_t left;

    while ((left = left_ms(s)) > 0) {
        zmq_pollitem_t item = {.socket = sock_handle(s->sock),
                               .events = ZMQ_POLLIN};
        struct co_bytes head = {0}, body = {0};
        uint64_t peer;
        enum co_err err;

        if (zmq_poll(&item, 1, (long)left) <= 0) continue;
        if (sock_recv(s->sock, &peer, &head, &body)) continue;
        err = take_answer(&head, diag);
        co_bytes_unref(&head);
        co_bytes_unref(&body);
        if (err != CO_AGAIN) return err;
    }
    return nobody(s, "the job was sent, but no coordinator answered", diag);
}

static enum co_err
submit(struct submission *s, const char *path, struct co_diag *diag)
{
    struct sock_keys keys;
    enum co_err err = read_job(s, path, diag);

    if (!err) {
        err = keyring_load(&s->cfg.keys, KEY_COORDINATOR, 1, KEY_COORDINATOR,
                           "coordinator-key", &s->ring, diag);
    }
    if (!err && !s->cfg.coordinator) {
        err = co_runtime_endpoint(CO_PROGRAM "-coordinator.sock",
                                  s->default_endpoint, diag);
        s->cfg.coordinator = s->default_endpoint;
    }
    if (err) return err;
    s->zmq = zmq_ctx_new();
    if (!s->zmq) return co_fail(diag, CO_NOMEM, "out of memory");
    err = sock_connect(s->zmq, s->cfg.coordinator,
                       keyring_connect(&s->ring, 0, &keys), diag, &s->sock);
    if (err == CO_DENIED) return CO_USAGE;
    s->end_ms = co_clock_ms() + (int64_t)s->cfg.timeout_ms;
    if (!err) err = await_connection(s, diag);
    if (!err) err = send_job(s, path, diag);
    return err ? err : await_answer(s, diag);
}

int
cmd_submit(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct submission s = {0};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &s.cfg, &options, &exit_code)) {
        return exit_code;
    }
    co_buf_init(&s.file, 2UL * JOB_BYTES_MAX);
    err = submit(&s, co_options_arg(options, 0), &diag);
    exit_code = err ? say_error(PROGRAM, err, &diag) : CLI_OK;
    sock_free(s.sock);
    keyring_forget(&s.ring);
    if (s.zmq) (void)zmq_ctx_term(s.zmq);
    co_buf_fini(&s.file);
    return exit_code;
}
