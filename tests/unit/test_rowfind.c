/* test_rowfind.c - files of rows: found by index and uuid, refused when they
 * are not what was promised. */
#include "query/frames.h"
#include "query/rowfind.h"
#include "tests/unit/corpus_folder.h"

static struct rowfind *
opened(struct outdir **ret_dir)
{
    struct rowfind *f = NULL;

    assert_int_equal(outdir_open(dir, ret_dir, &diag), CO_OK);
    assert_int_equal(rowfind_new(*ret_dir, &f, &diag), CO_OK);
    return f;
}

static void
assert_is_row(const char *line, size_t len, uint64_t row)
{
    struct co_buf want;

    co_buf_init(&want, 1000);
    put_row(&want, row);
    assert_int_equal(len + 1, want.len);
    assert_memory_equal(line, want.data, len);
    co_buf_fini(&want);
}

static void
every_row_is_found_by_index_and_every_hole_told(void **state)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(rowfind_freep) struct rowfind *f = opened(&o);

    (void)state;
    assert_true(o->whole);
    assert_int_equal(rowfind_first(f), 5);
    assert_int_equal(rowfind_last(f), ROWS - 1);
    for (uint64_t row = 0; row < ROWS; row++) {
        const char *line = NULL;
        size_t len = 0;
        enum co_err err = rowfind_index(f, row, &line, &len, &diag);

        assert_int_equal(err, is_hole(row) ? CO_NOTFOUND : CO_OK);
        if (!err) assert_is_row(line, len, row);
    }
}

static void
a_hole_names_the_next_row(void **state)
{
    static const struct {
        uint64_t row;
        const char *text;
    } cases[] = {{0, "The next row is 5"},   {13, "The next row is 14"},
                 {20, "The next row is 30"}, {29, "The next row is 30"},
                 {57, "The next row is 59"}, {79, "The next row is 80"}};
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(rowfind_freep) struct rowfind *f = opened(&o);
    const char *line;
    size_t len;

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_int_equal(rowfind_index(f, cases[i].row, &line, &len, &diag),
                         CO_NOTFOUND);
        assert_non_null(strstr(diag.text, cases[i].text));
    }
}

static void
a_row_out_of_range_is_answered_with_the_range(void **state)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(rowfind_freep) struct rowfind *f = opened(&o);
    const char *line;
    size_t len;

    (void)state;
    assert_int_equal(rowfind_index(f, 120, &line, &len, &diag), CO_RANGE);
    assert_non_null(strstr(diag.text, "rows go from 5 to 119"));
    assert_int_equal(rowfind_index(f, UINT64_MAX, &line, &len, &diag),
                     CO_RANGE);
}

static void
a_row_is_found_by_its_uuid(void **state)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(rowfind_freep) struct rowfind *f = opened(&o);
    char uuid[37] = "";
    const char *line;
    size_t len;

    (void)state;
    row_uuid(RECIPE, SEED, 101, uuid);
    uuid[0] = uuid[0] >= 'a' ? (char)(uuid[0] - 32) : uuid[0];
    assert_true(rowfind_is_uuid(uuid));
    assert_int_equal(rowfind_uuid(f, uuid, &line, &len, &diag), CO_OK);
    assert_is_row(line, len, 101);
    row_uuid(RECIPE, SEED + 1, 101, uuid);
    assert_int_equal(rowfind_uuid(f, uuid, &line, &len, &diag), CO_NOTFOUND);
    row_uuid(RECIPE, SEED, 13, uuid); /* a hole has one, too */
    assert_int_equal(rowfind_uuid(f, uuid, &line, &len, &diag), CO_NOTFOUND);
    assert_false(rowfind_is_uuid("101"));
    assert_false(rowfind_is_uuid("c5d4793e-decc-8912-9662_12bdc77ed155"));
}

static void
frames_carry_the_hash_of_their_file(void **state)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(frames_freep) struct frames *frames = NULL;
    struct frame frame;
    size_t n = 0;

    (void)state;
    assert_int_equal(outdir_open(dir, &o, &diag), CO_OK);
    assert_int_equal(frames_open(dir, o->shards[0].file, true, &frames, &diag),
                     CO_OK);
    while (!frames_next(frames, &frame, &diag)) {
        n++;
    }
    assert_int_equal(n, FRAMES - 1); /* 20 to 29 have none */
    assert_true(frames_hash(frames) == o->shards[0].hash);
}

/* ---- folders that are not in order ---- */

static void
assert_refused(enum co_err want, const char *text)
{
    struct outdir *o = NULL;

    assert_int_equal(outdir_open(dir, &o, &diag), want);
    assert_non_null(strstr(diag.text, text));
}

static void
a_missing_or_shortened_file_is_named(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/part-00001.jsonl.zst", dir);
    assert_int_equal(truncate(path, 17), 0);
    assert_refused(CO_DAMAGED, "part-00001.jsonl.zst has 17 bytes");
    assert_int_equal(unlink(path), 0);
    assert_refused(CO_DAMAGED, "part-00001.jsonl.zst is missing");
}

static void
while_a_run_works_the_sealed_files_are_taken_as_they_are(void **state)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(rowfind_freep) struct rowfind *f = NULL;
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/MANIFEST.json", dir);
    assert_int_equal(unlink(path), 0);
    f = opened(&o);
    assert_false(o->whole);
    assert_int_equal(o->count, SHARDS);
    /* And while one adds rows to what a manifest described. */
    write_text("MANIFEST.json", "{\"format\":1,\"shards\":[]}");
    write_text("run.json", "{\"state\":\"running\"}");
    rowfind_free(f);
    outdir_free(o);
    f = opened(&o);
    assert_int_equal(rowfind_last(f), ROWS - 1);
    assert_false(o->whole);
    assert_int_equal(o->count, SHARDS);
    write_text("run.json", "{\"state\":\"complete\"}");
    assert_refused(CO_DAMAGED, "MANIFEST.json names 0");
}

static void
junk_for_a_manifest_is_told(void **state)
{
    (void)state;
    write_text("MANIFEST.json", "[1");
    assert_refused(CO_DAMAGED, "not the JSON");
    write_text("MANIFEST.json", "{\"format\":2,\"shards\":[]}");
    assert_refused(CO_VERSION, "format 2");
    write_text("MANIFEST.json", "{\"format\":1}");
    assert_refused(CO_DAMAGED, "no shards");
    write_text("MANIFEST.json",
               "{\"format\":1,\"shards\":[{\"file\":\"../../etc/passwd\"}]}");
    assert_refused(CO_DAMAGED, "not complete");
}

static void
a_folder_without_rows_or_no_folder_is_told(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/none", root);
    assert_refused(CO_USAGE, "cannot be opened");
    assert_int_equal(co_fs_mkdirs(dir, &diag), CO_OK);
    assert_refused(CO_USAGE, "no rows here (part-");
    write_text("run.json", "{\"state\":\"running\"}");
    assert_refused(CO_NOTFOUND, "no rows here yet");
}

static void
junk_between_frames_is_told_with_its_place(void **state)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    struct rowfind *f = NULL;
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/MANIFEST.json", dir);
    assert_int_equal(unlink(path), 0);
    write_text("part-00002.jsonl.zst", "this is no zstd");
    assert_int_equal(outdir_open(dir, &o, &diag), CO_OK);
    assert_int_equal(rowfind_new(o, &f, &diag), CO_DAMAGED);
    assert_non_null(strstr(diag.text, "part-00002.jsonl.zst is damaged at "
                                      "byte 0"));
}

static void
only_names_of_shards_are_taken(void **state)
{
    static const char *const bad[] = {"part-0001.jsonl.zst",
                                      "part-000001.jsonl.zst",
                                      "part-00001.jsonl",
                                      "part-00001.jsonl.zst.tmp",
                                      ".part-00001.jsonl.zst.tmp",
                                      "part-0000x.jsonl.zst",
                                      "part-99999999999999999999.jsonl.zst"};
    uint64_t n;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_false(outdir_shard_number(bad[i], &n));
    }
    assert_true(outdir_shard_number("part-123456.jsonl.zst", &n));
    assert_int_equal(n, 123456);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_row_is_found_by_index_and_every_hole_told,
                               setup),
        cmocka_unit_test_setup(a_hole_names_the_next_row, setup),
        cmocka_unit_test_setup(a_row_out_of_range_is_answered_with_the_range,
                               setup),
        cmocka_unit_test_setup(a_row_is_found_by_its_uuid, setup),
        cmocka_unit_test_setup(frames_carry_the_hash_of_their_file, setup),
        cmocka_unit_test_setup(a_missing_or_shortened_file_is_named, setup),
        cmocka_unit_test_setup(
            while_a_run_works_the_sealed_files_are_taken_as_they_are, setup),
        cmocka_unit_test_setup(junk_for_a_manifest_is_told, setup),
        cmocka_unit_test_setup(a_folder_without_rows_or_no_folder_is_told,
                               setup),
        cmocka_unit_test_setup(junk_between_frames_is_told_with_its_place,
                               setup),
        cmocka_unit_test(only_names_of_shards_are_taken),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
