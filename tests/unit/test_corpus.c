/* test_corpus.c - which segments of its journal a corpus gives up while it is
 * made: a real journal of many small segments, the real sealer, ranges
 * answered by the test. */
#include "tests/co_test.h"

#include "common/clock.h"
#include "common/fs.h"
#include "coordinator/corpus.h"
#include "coordinator/owner_core.h"
#include "fake_ranges.h"
#include "journal/folder.h"
#include "population.h"

#include <dirent.h>
#include <poll.h>

enum {
    JOB = 9,
    ROWS = 4000,
    SHARD_ROWS = 500,
    SHARDS = ROWS / SHARD_ROWS,
    SEGMENT_BYTES = 1024,
    TASKS_OUT = 2, /* no more than a shard's at once */
    TURN_MS = 50,  /* as an owner waits */
    DEADLINE_MS = 60000,
};

struct fixture {
    char dir[64], journal_dir[80];
    struct model *model;
    struct prose *prose;
    struct sampler *sampler;
    struct corpus *corpus;
    struct owner_core *core;
    struct msg_reader reader;
    int64_t now_us;
    uint64_t seq;
};

static int
setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/cohort-test-corpus-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
    f->model = given_model();
    f->prose = given_prose(f->model);
    f->sampler = given_sampler(f->model, 42, NULL, 0);
    sampler_set_prose(f->sampler, f->prose);
    f->now_us = 1000000;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    owner_core_free(f->core);
    corpus_free(f->corpus);
    sampler_free(f->sampler);
    prose_free(f->prose);
    model_free(f->model);
    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    test_free(f);
    return 0;
}

static void
given_corpus(struct fixture *f, bool keep_journal)
{
    static const char recipe[] = "{\"seed\":\"42\"}";
    const struct corpus_options corpus = {
        .name = "test",
        .job = JOB,
        .rows = ROWS,
        .shard_rows = SHARD_ROWS,
        .service = "persona.corpus",
        .out_dir = f->dir,
        .journal_dir = f->journal_dir,
        .recipe = co_bytes_borrow(recipe, sizeof recipe - 1),
        .recipe_hash = 7,
        .identity = co_bytes_borrow("id", 2),
        .identity_is_new = true,
        .sampler = f->sampler,
        .keep_journal = keep_journal};
    const struct owner_core_options core = {.self = {.incarnation = 5,
                                                     .name = "o",
                                                     .software = "t",
                                                     .job = JOB,
                                                     .owner = 1,
                                                     .job_name = "j",
                                                     .service = corpus.service},
                                            .journal_dir = f->journal_dir,
                                            .segment_bytes = SEGMENT_BYTES,
                                            .window = TASKS_OUT,
                                            .fresh = true,
                                            .links = 1};

    assert_int_equal(journal_claim(f->journal_dir, JOB, 1, NULL), CO_OK);
    assert_int_equal(corpus_new(&corpus, &f->corpus, NULL), CO_OK);
    assert_int_equal(owner_core_new(&core, corpus_hosted(f->corpus), &f->core),
                     CO_OK);
    assert_int_equal(owner_core_replay(f->core, NULL), CO_OK);
    assert_int_equal(owner_core_begin(f->core, f->now_us, NULL), CO_OK);
}

static void
hears(struct fixture *f, struct msg m, struct co_bytes body)
{
    struct co_bytes head;
    struct co_buf buf;

    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(&m, &buf);
    assert_int_equal(co_bytes_copy(buf.data, buf.len, &head), CO_OK);
    owner_core_receive(f->core, 0, head, body, f->now_us);
    co_bytes_unref(&head);
    co_buf_fini(&buf);
}

static void
given_broker(struct fixture *f)
{
    hears(f,
          (struct msg){.type = MSG_welcome,
                       .welcome = {.version = PROTO_VERSION,
                                   .incarnation = 7,
                                   .beat_ms = 1000,
                                   .dead_ms = 5000,
                                   .batch_max = BATCH_MAX,
                                   .body_max = BODY_BYTES_MAX,
                                   .part_max = BODY_BYTES_MAX}},
          (struct co_bytes){0});
    hears(f,
          (struct msg){.type = MSG_attached,
                       .attached = {.job = JOB, .owner = 1}},
          (struct co_bytes){0});
    hears(f,
          (struct msg){.type = MSG_credit,
                       .credit = {.service = msg_text("persona.corpus"),
                                  .job = JOB,
                                  .granted = 1 << 20}},
          (struct co_bytes){0});
}

/* One message a task, so that every commit is small. */
static void
worker_answers(struct fixture *f, uint64_t task, uint32_t attempt,
               const uint8_t *payload, size_t len)
{
    static const uint32_t ok = STATUS_OK;
    struct co_bytes body;
    struct co_buf buf;
    uint32_t bytes;

    co_buf_init(&buf, 1 << 20);
    fake_answer(fake_read(payload, len), 0, &buf);
    bytes = (uint32_t)buf.len;
    assert_int_equal(co_bytes_copy(buf.data, buf.len, &body), CO_OK);
    hears(f,
          (struct msg){.type = MSG_results,
                       .results = {.job = JOB,
                                   .owner = 1,
                                   .worker = 77,
                                   .seq = ++f->seq,
                                   .tasks = {&task, 1},
                                   .attempts = {&attempt, 1},
                                   .statuses = {&ok, 1},
                                   .lens = {&bytes, 1}}},
          body);
    co_bytes_unref(&body);
    co_buf_fini(&buf);
}

/* Does all that stands to be sent; what is said meanwhile stands for the next
 * time. */
static void
broker_works(struct fixture *f)
{
    struct outbox out = f->core->out;

    outbox_init(&f->core->out);
    for (size_t i = 0; i < out.n; i++) {
        size_t at = 0;
        struct msg m;

        assert_int_equal(
            msg_decode(&f->reader, out.v[i].head.data, out.v[i].head.len, &m),
            CO_OK);
        for (uint32_t t = 0; m.type == MSG_tasks && t < m.tasks.tasks.n; t++) {
            uint32_t len = msg_at(m.tasks.lens, t);

            worker_answers(f, m.tasks.tasks.v[t], msg_at(m.tasks.attempts, t),
                           out.v[i].body.data + at, len);
            at += len;
        }
    }
    outbox_fini(&out);
}

static void
waits(struct fixture *f)
{
    const struct hosted *hosted = corpus_hosted(f->corpus);
    struct pollfd fds[] = {
        {.fd = journal_fd(f->core->journal), .events = POLLIN},
        {.fd = hosted->fd(hosted->self), .events = POLLIN}};

    (void)poll(fds, co_countof(fds), TURN_MS);
}

/* A shard is sealed before the next one is made, however slow the machine. */
static void
the_job_runs_to_its_end(struct fixture *f)
{
    const struct hosted *hosted = corpus_hosted(f->corpus);
    struct co_diag diag = {""};
    enum owner_end end = OWNER_FAILED;
    int64_t deadline_ms = co_clock_ms() + DEADLINE_MS;

    for (int i = 0; co_clock_ms() < deadline_ms; i++) {
        if (i == 1) given_broker(f);
        if (owner_core_work(f->core, f->now_us, &diag)) {
            fail_msg("%s", diag.text);
        }
        if (owner_core_over(f->core, f->now_us, &end)) break;
        if (hosted->settled(hosted->self)) broker_works(f);
        waits(f);
    }
    assert_int_equal(end, OWNER_DONE);
}

/* Deletions that were ordered are done when the journal has stopped. */
static unsigned
segments_left(struct fixture *f)
{
    struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    assert_int_equal(journal_stop(f->core->journal, NULL), CO_OK);
    d = opendir(f->journal_dir);
    assert_non_null(d);
    while ((entry = readdir(d))) {
        n += strncmp(entry->d_name, "seg-", 4) == 0;
    }
    (void)closedir(d);
    return n;
}

static void
segments_go_when_all_their_shards_are_sealed(void **state)
{
    struct fixture *f = *state;
    unsigned made;

    given_corpus(f, false);
    the_job_runs_to_its_end(f);
    made = journal_segment(f->core->journal).sequence;
    assert_true(made > SHARDS);
    assert_true(segments_left(f) < made);
}

static void
a_job_that_keeps_its_journal_loses_no_segment(void **state)
{
    struct fixture *f = *state;
    unsigned made;

    given_corpus(f, true);
    the_job_runs_to_its_end(f);
    made = journal_segment(f->core->journal).sequence;
    assert_true(made > SHARDS);
    assert_true(segments_left(f) >= made);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(segments_go_when_all_their_shards_are_sealed),
        T(a_job_that_keeps_its_journal_loses_no_segment),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
