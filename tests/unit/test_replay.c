/* What an owner's start promises: the newest CHECKPOINT first, then what came
 * after it; results wherever they stand; damage refused. A real journal in a
 * temporary folder. */
#include "common/fs.h"
#include "common/log.h"
#include "coordinator/kind_bench.h"
#include "coordinator/replay.h"
#include "journal/reader.h"
#include "journal/recover.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOB = 7, HEARD_MAX = 64 };

struct fixture {
    char dir[64];
    char journal_dir[80];
    struct journal *journal;
    struct bench *bench;
    struct outbox out;
    struct engine *engine;
    struct hosted hosted;
    struct job_kind kind;
    char heard[HEARD_MAX * 4]; /* "C0 S3 S4 ": type and first byte */
    uint64_t segments[HEARD_MAX];
    size_t n_segments;
};

static enum co_err
hear(void *self, uint8_t type, const uint8_t *content, size_t len,
     struct co_diag *diag)
{
    struct fixture *f = self;
    char word[8];

    (void)diag;
    if (type != RECORD_SEALED && type != RECORD_CHECKPOINT) return CO_OK;
    (void)snprintf(word, sizeof word, "%c%c ",
                   type == RECORD_SEALED ? 'S' : 'C', len ? content[0] : '?');
    strncat(f->heard, word, sizeof f->heard - strlen(f->heard) - 1);
    return CO_OK;
}

static bool
never_notes(void *kind, struct co_buf *out)
{
    (void)kind;
    (void)out;
    return false;
}

static struct fixture *now; /* a kind is told nothing but its own state */

static bool
hear_note(void *kind, const uint8_t *data, size_t len)
{
    char word[8];

    assert_ptr_equal(kind, now->bench);
    if (!len || data[0] == '?') return false;
    (void)snprintf(word, sizeof word, "N%c ", data[0]);
    strncat(now->heard, word, sizeof now->heard - strlen(now->heard) - 1);
    return true;
}

static void
hear_segment(void *self, uint64_t segment)
{
    struct fixture *f = self;

    assert_string_equal(f->heard, ""); /* before any record */
    assert_true(f->n_segments < HEARD_MAX);
    f->segments[f->n_segments++] = segment;
}

static int
setup(void **state)
{
    static struct fixture f;
    const struct bench_options bench = {.tasks = 10};
    const struct engine_options engine = {.job = JOB, .owner = 2};

    f = (struct fixture){.dir = "/tmp/cohort-test-replay-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.journal_dir, sizeof f.journal_dir, "%s/journal", f.dir);
    now = &f;
    outbox_init(&f.out);
    f.kind = bench_kind;
    f.kind.replay_note = hear_note;
    assert_int_equal(bench_new(&bench, &f.bench), CO_OK);
    assert_int_equal(engine_new(&engine, &f.kind, f.bench, &f.out, &f.engine),
                     CO_OK);
    f.hosted = (struct hosted){.kind = &f.kind,
                               .state = f.bench,
                               .self = &f,
                               .replay = hear,
                               .segment = hear_segment};
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    journal_free(f->journal);
    engine_free(f->engine);
    bench_free(f->bench);
    outbox_fini(&f->out);
    return (int)co_fs_remove_tree(f->dir, NULL);
}

static uint8_t
type_of(char letter)
{
    return letter == 'S'   ? RECORD_SEALED
           : letter == 'N' ? RECORD_NOTE
                           : RECORD_CHECKPOINT;
}

/* Owner 1 writes records of "S0", "C0" ... in segments as small as they get,
 * so that every few records lie in another file. */
static struct journal *
given_journal(struct fixture *f, const char *const *words, size_t n,
              struct segment_name *segments)
{
    struct journal_options options = {
        .no_ballast = true, .threadless = true, .roll_bytes = 1};
    struct adoption none = {0};
    struct journal *j = NULL;

    assert_int_equal(
        journal_start(f->journal_dir, JOB, 1, &none, &options, &j, NULL),
        CO_OK);
    for (size_t i = 0; i < n; i++) {
        struct co_bytes content = co_bytes_borrow(words[i] + 1, 1);
        struct journal_answer *answer;

        assert_int_equal(
            journal_append(j, type_of(words[i][0]), &content, 1, i), CO_OK);
        assert_int_equal(journal_commit(j), CO_OK);
        answer = journal_take(j);
        assert_non_null(answer);
        segments[i] = answer->records[0].pos.segment;
        free(answer);
    }
    return j;
}

static const char *
replay(struct fixture *f)
{
    assert_int_equal(replay_journal(f->journal_dir, JOB, 2, 0, f->engine,
                                    &f->hosted, &f->journal, NULL),
                     CO_OK);
    return f->heard;
}

static void
without_a_checkpoint_everything_is_heard_in_order(void **state)
{
    static const char *const words[] = {"S0", "S1", "S2"};
    struct fixture *f = *state;
    struct segment_name at[3];

    journal_free(given_journal(f, words, 3, at));
    assert_string_equal(replay(f), "S0 S1 S2 ");
}

static void
the_newest_checkpoint_is_heard_first_and_replaces_what_is_in_front(void **state)
{
    static const char *const words[] = {"S0", "C0", "S1", "C1", "S2", "S3"};
    struct fixture *f = *state;
    struct segment_name at[6];

    journal_free(given_journal(f, words, 6, at));
    assert_string_equal(replay(f), "C1 S2 S3 ");
}

/* What was spent does not stand in a CHECKPOINT. */
static void
notes_in_front_of_a_checkpoint_are_heard_in_their_order(void **state)
{
    static const char *const words[] = {"N0", "S0", "N1", "C0", "N2", "S1"};
    struct fixture *f = *state;
    struct segment_name at[6];

    journal_free(given_journal(f, words, 6, at));
    assert_string_equal(replay(f), "C0 N0 N1 N2 S1 ");
}

static void
a_note_that_is_not_known_refuses_the_journal_and_says_where(void **state)
{
    static const char *const words[] = {"N0", "N?"};
    struct fixture *f = *state;
    struct segment_name at[2];
    struct co_diag diag = {""};

    journal_free(given_journal(f, words, 2, at));
    assert_int_equal(replay_journal(f->journal_dir, JOB, 2, 0, f->engine,
                                    &f->hosted, &f->journal, &diag),
                     CO_DAMAGED);
    assert_non_null(strstr(diag.text, "of owner 1, offset"));
    assert_non_null(strstr(diag.text, "go on with the version that wrote it"));
}

static enum co_err
hear_foreseen(void *kind, uint64_t task, bool wished)
{
    assert_ptr_equal(kind, now->bench);
    (void)snprintf(now->heard + strlen(now->heard), 16, "%s%u ",
                   wished ? "wish" : "revival", (unsigned)task);
    return CO_OK;
}

static enum co_err
wish_8(void *ctx, struct engine *e)
{
    (void)ctx;
    return engine_foresee(e, 8);
}

static bool
hear_revival(void *kind, uint64_t task)
{
    assert_ptr_equal(kind, now->bench);
    (void)snprintf(now->heard + strlen(now->heard), 16, "revived%u ",
                   (unsigned)task);
    return true;
}

static enum co_err
hear_before(void *self, uint8_t type, const uint8_t *content, size_t len,
            struct co_diag *diag)
{
    (void)diag;
    assert_ptr_equal(self, now);
    if (type != RECORD_SEALED) return CO_OK;
    assert_int_equal(len, 1);
    (void)snprintf(now->heard + strlen(now->heard), 16, "before%c ",
                   content[0]);
    return CO_OK;
}

/* As engine_results.c has it written: worker 0, OK, without a payload. */
static void
given_revival(struct journal *j, uint64_t task)
{
    static const uint32_t one = 1, none = 0, ok = STATUS_OK;
    struct msg m = {.type = MSG_results,
                    .results = {.job = JOB,
                                .owner = 1,
                                .tasks = {&task, 1},
                                .attempts = {&one, 1},
                                .statuses = {&ok, 1},
                                .lens = {&none, 1}}};
    struct co_bytes parts[2];
    struct co_buf head;

    co_buf_init(&head, 1024);
    msg_encode(&m, &head);
    assert_int_equal(head.err, CO_OK);
    assert_int_equal(replay_prefix(head.len, &parts[0]), CO_OK);
    parts[1] = co_bytes_borrow(head.data, head.len);
    assert_int_equal(journal_append(j, RECORD_RESULTS, parts, 2, 9), CO_OK);
    assert_int_equal(journal_commit(j), CO_OK);
    free(journal_take(j));
    co_bytes_unref(&parts[0]);
    co_buf_fini(&head);
}

static void
deaths_that_are_withdrawn_are_known_before_the_first_record(void **state)
{
    static const char *const words[] = {"S0", "N1"};
    const struct engine_options options = {
        .job = JOB, .owner = 2, .wishes = wish_8};
    struct fixture *f = *state;
    struct segment_name at[2];
    struct journal *j = given_journal(f, words, 2, at);

    given_revival(j, 5);
    journal_free(j);
    engine_free(f->engine);
    f->kind.foresee = hear_foreseen;
    f->kind.revive = hear_revival;
    f->hosted.foresee = hear_before;
    assert_int_equal(
        engine_new(&options, &f->kind, f->bench, &f->out, &f->engine), CO_OK);
    assert_string_equal(replay(f), "before0 revival5 wish8 S0 N1 revived5 ");
}

/* Where the last record of the segment starts. */
static long
last_record(struct fixture *f, struct segment_name segment)
{
    struct reader *reader;
    struct record record;
    struct journal_pos pos;
    uint32_t at = 0;

    assert_int_equal(reader_open(f->journal_dir, 0, &reader, NULL), CO_OK);
    while (!reader_next(reader, &record, &pos, NULL)) {
        if (!segment_name_compare(pos.segment, segment)) at = pos.offset;
    }
    reader_close(reader);
    return at;
}

/* The record that starts at the offset, beyond what one flipped bit explains.
 */
static void
given_damage(struct fixture *f, struct segment_name segment, long offset)
{
    char file[FOLDER_NAME_SIZE], path[160];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/%s", f->journal_dir,
                   folder_segment_file(segment, file));
    out = fopen(path, "r+b");
    assert_non_null(out);
    assert_int_equal(fseek(out, offset + 12, SEEK_SET), 0);
    assert_int_equal(fwrite("damaged!", 1, 8, out), 8);
    assert_int_equal(fclose(out), 0);
}

static bool
log_says(const char *path, const char *what)
{
    char text[4096] = "";
    FILE *in = fopen(path, "rb");

    assert_non_null(in);
    (void)!fread(text, 1, sizeof text - 1, in);
    (void)fclose(in);
    return strstr(text, what);
}

/* A call of which nothing is known may be paid. */
static void
notes_that_a_repair_gave_up_are_spoken_of_at_each_start(void **state)
{
    static const char *const words[] = {"N0", "N1", "N2"};
    struct fixture *f = *state;
    struct segment_name at[3];
    struct journal_report report;
    char log[96];

    (void)snprintf(log, sizeof log, "%s/log", f->dir);
    f->kind.note = never_notes;
    journal_free(given_journal(f, words, 3, at));
    given_damage(f, at[1], last_record(f, at[1]));
    assert_int_equal(journal_repair(f->journal_dir, &report, NULL), CO_OK);
    assert_int_equal(report.dropped_stretches, 1);
    assert_int_equal(co_log_open("test", CO_LOG_WARN, log, NULL), CO_OK);
    assert_string_equal(replay(f), "N0 N2 ");
    co_log_close();
    assert_true(log_says(log, "journal.void stretches=1"));
}

/* Found by killing a coordinator after segments were deleted: records that
 * the checkpoint replaces stood in a segment that was still there, and their
 * predecessors were gone. */
static void
records_in_front_of_the_checkpoint_may_be_gone_in_part(void **state)
{
    static const char *const words[] = {"S0", "S1", "S2", "C2", "S3"};
    struct fixture *f = *state;
    struct segment_name at[5];
    struct journal *j = given_journal(f, words, 5, at);

    assert_true(segment_name_compare(at[0], at[1]) < 0);
    assert_int_equal(journal_delete(j, at[0]), CO_OK);
    assert_int_equal(journal_commit(j), CO_OK);
    journal_free(j);
    assert_string_equal(replay(f), "C2 S3 ");
}

/* Else those that became useless under a predecessor stayed for ever. */
static void
every_older_segment_is_told_before_the_records(void **state)
{
    static const char *const words[] = {"S0", "S1", "S2"};
    struct fixture *f = *state;
    struct segment_name at[3];

    journal_free(given_journal(f, words, 3, at));
    (void)replay(f);
    assert_true(f->n_segments >= 3);
    for (size_t i = 0; i < 3; i++) {
        size_t k = 0;

        while (k < f->n_segments && f->segments[k] != replay_segment(at[i])) {
            k++;
        }
        assert_true(k < f->n_segments);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(without_a_checkpoint_everything_is_heard_in_order),
        T(the_newest_checkpoint_is_heard_first_and_replaces_what_is_in_front),
        T(notes_in_front_of_a_checkpoint_are_heard_in_their_order),
        T(deaths_that_are_withdrawn_are_known_before_the_first_record),
        T(a_note_that_is_not_known_refuses_the_journal_and_says_where),
        T(notes_that_a_repair_gave_up_are_spoken_of_at_each_start),
        T(records_in_front_of_the_checkpoint_may_be_gone_in_part),
        T(every_older_segment_is_told_before_the_records),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
