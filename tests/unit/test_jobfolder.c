/* test_jobfolder.c - whose a folder is, and what may be run in it. A real
 * journal in a temporary folder. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/jobfolder.h"
#include "journal/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char recipe[] = "{\"seed\":\"42\"}";

struct fixture {
    char dir[48];
    char journal_dir[64];
    struct jobfolder_wish wish;
    struct co_diag diag;
};

static int
setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.dir = "/tmp/cohort-test-jobfolder-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.journal_dir, sizeof f.journal_dir, "%s/journal", f.dir);
    f.wish = (struct jobfolder_wish){.dir = f.dir,
                                     .name = "test",
                                     .kind = "personas",
                                     .rows = 1000,
                                     .shard_rows = 500,
                                     .recipe = recipe,
                                     .recipe_len = sizeof recipe - 1,
                                     .recipe_hash = 7,
                                     .job = 99};
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    return (int)co_fs_remove_tree(f->dir, NULL);
}

/* What opening answers; *ret_state only when it succeeds. */
static enum co_err
opened(struct fixture *f, enum jobfolder_state *ret_state, uint64_t *ret_job)
{
    struct jobfolder folder;
    enum co_err err = jobfolder_open(&f->wish, &folder, &f->diag);

    if (err) return err;
    *ret_state = folder.state;
    *ret_job = folder.identity.job;
    jobfolder_close(&folder);
    return CO_OK;
}

static void
assert_opens(struct fixture *f, enum jobfolder_state wanted, uint64_t job)
{
    enum jobfolder_state state = JOBFOLDER_FRESH;
    uint64_t found = 0;

    if (opened(f, &state, &found)) fail_msg("%s", f->diag.text);
    assert_int_equal(state, wanted);
    assert_int_equal(found, job);
}

static void
assert_refused(struct fixture *f, enum co_err wanted, const char *words)
{
    enum jobfolder_state state;
    uint64_t job;

    assert_int_equal(opened(f, &state, &job), wanted);
    if (!strstr(f->diag.text, words)) fail_msg("%s", f->diag.text);
}

/* An owner that writes the records and ends: 'J' the job, 'C' a CHECKPOINT
 * with it, 'D' DONE. */
static void
given_journal(struct fixture *f, uint32_t owner, const char *records)
{
    struct journal_options options = {.no_ballast = true, .threadless = true};
    struct adoption none = {0};
    struct journal *j = NULL;
    struct jobfolder folder;
    struct co_bytes identity;

    assert_int_equal(jobfolder_open(&f->wish, &folder, NULL), CO_OK);
    assert_int_equal(identity_make(&folder.identity, &identity), CO_OK);
    assert_int_equal(
        journal_start(f->journal_dir, 99, owner, &none, &options, &j, NULL),
        CO_OK);
    for (const char *r = records; *r; r++) {
        uint32_t len = (uint32_t)identity.len;
        struct co_bytes parts[2] = {co_bytes_borrow(&len, sizeof len),
                                    identity};
        size_t first = *r == 'C' ? 0 : 1;
        uint8_t type = *r == 'C'   ? RECORD_CHECKPOINT
                       : *r == 'D' ? RECORD_DONE
                                   : RECORD_JOB;

        assert_int_equal(journal_append(j, type, parts + first, 2 - first, 0),
                         CO_OK);
        assert_int_equal(journal_commit(j), CO_OK);
    }
    journal_free(j);
    co_bytes_unref(&identity);
    jobfolder_close(&folder);
}

static void
a_new_folder_is_made_and_gets_the_id_that_is_wished(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    assert_opens(f, JOBFOLDER_FRESH, 99);
}

static void
two_may_not_open_it_at_once(void **state)
{
    struct fixture *f = *state;
    struct jobfolder folder;

    assert_int_equal(jobfolder_open(&f->wish, &folder, NULL), CO_OK);
    assert_refused(f, CO_BUSY, "in use by process");
    jobfolder_close(&folder);
    assert_opens(f, JOBFOLDER_FRESH, 99);
}

static void
the_journals_id_counts_not_the_wished_one(void **state)
{
    struct fixture *f = *state;

    given_journal(f, 1, "J");
    f->wish.job = 5;
    assert_opens(f, JOBFOLDER_RESUME, 99);
    f->wish.rows = 2000;
    assert_opens(f, JOBFOLDER_EXTEND, 99);
}

static void
a_finished_job_is_finished_until_more_rows_are_asked_for(void **state)
{
    struct fixture *f = *state;

    given_journal(f, 1, "JCD");
    assert_opens(f, JOBFOLDER_FINISHED, 99);
    f->wish.rows = 1001;
    assert_opens(f, JOBFOLDER_EXTEND, 99);
}

static void
what_comes_after_done_begins_the_job_anew(void **state)
{
    struct fixture *f = *state;

    given_journal(f, 1, "JDJ");
    assert_opens(f, JOBFOLDER_RESUME, 99);
}

static void
a_checkpoint_alone_tells_whose_it_is(void **state)
{
    struct fixture *f = *state;

    given_journal(f, 1, "C");
    assert_opens(f, JOBFOLDER_RESUME, 99);
}

static void
another_recipe_fewer_rows_or_other_shards_are_refused(void **state)
{
    struct fixture *f = *state;

    given_journal(f, 1, "J");
    f->wish.rows = 999;
    assert_refused(f, CO_MISMATCH, "rows are not taken away");
    f->wish.rows = 1000;
    f->wish.shard_rows = 250;
    assert_refused(f, CO_MISMATCH, "shard_rows 500");
    f->wish.shard_rows = 500;
    f->wish.recipe_hash = 8;
    assert_refused(f, CO_MISMATCH, "another corpus");
}

static void
what_no_journal_vouches_for_is_not_overwritten(void **state)
{
    static const char *const files[] = {"MANIFEST.json", "part-00003.jsonl.zst",
                                        "README.md", "report.json"};
    struct fixture *f = *state;

    for (size_t i = 0; i < co_countof(files); i++) {
        char path[128];

        assert_int_equal(co_fs_write_atomic(f->dir, files[i], "x", 1, NULL),
                         CO_OK);
        assert_refused(f, CO_MISMATCH, files[i]);
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
        assert_int_equal(remove(path), 0);
    }
    /* What a killed sealer left behind is no corpus. */
    assert_int_equal(
        co_fs_write_atomic(f->dir, "part-00000.jsonl.zst.tmp", "x", 1, NULL),
        CO_OK);
    assert_opens(f, JOBFOLDER_FRESH, 99);
}

/* A Redis that was emptied or rolled back knows less than the journal. */
static void
the_next_owner_is_above_what_journal_and_redis_know(void **state)
{
    const struct identity id = {.highest_owner = 7};

    (void)state;
    assert_int_equal(identity_next_owner(&id, 0), 8);
    assert_int_equal(identity_next_owner(&id, 6), 8);
    assert_int_equal(identity_next_owner(&id, 7), 8);
    assert_int_equal(identity_next_owner(&id, 9), 10);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_new_folder_is_made_and_gets_the_id_that_is_wished),
        T(two_may_not_open_it_at_once),
        T(the_journals_id_counts_not_the_wished_one),
        T(a_finished_job_is_finished_until_more_rows_are_asked_for),
        T(what_comes_after_done_begins_the_job_anew),
        T(a_checkpoint_alone_tells_whose_it_is),
        T(another_recipe_fewer_rows_or_other_shards_are_refused),
        T(what_no_journal_vouches_for_is_not_overwritten),
        T(the_next_owner_is_above_what_journal_and_redis_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
