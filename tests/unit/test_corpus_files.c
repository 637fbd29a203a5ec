/* test_corpus_files.c - the files that tell about a corpus agree with it. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "common/json.h"
#include "coordinator/corpus_files.h"
#include "fake_ranges.h"
#include "population.h"
#include "rows/row.h"

enum { ROWS = 600, SHARD_ROWS = 500 };

static const char recipe[] = "{\"seed\":\"42\"}";

struct fixture {
    char dir[48];
    struct model *model;
    struct prose *prose;
    struct sampler *sampler;
    struct personas *personas;
    struct corpus_facts facts;
    json_t *json;
};

/* All rows are made and sealed, as two shards. */
static void
given_sealed_rows(struct fixture *f)
{
    uint64_t task;
    int64_t due;
    struct personas_seal seal;

    while (personas_kind.next(f->personas, 0, &task, &due) == KIND_NEXT_TASK) {
        struct kind_place at = {1, 64, 100, 500};
        struct co_buf payload;
        struct co_buf result;

        co_buf_init(&payload, 1024);
        co_buf_init(&result, 1 << 20);
        assert_true(personas_kind.payload(f->personas, task, &payload));
        fake_answer(fake_read(payload.data, payload.len), 0, &result);
        assert_int_equal(personas_kind.take(f->personas, task, result.data,
                                            (uint32_t)result.len),
                         KIND_ACCEPTED);
        personas_kind.place(f->personas, task, 0, &at);
        co_buf_fini(&payload);
        co_buf_fini(&result);
    }
    while (personas_next_seal(f->personas, &seal)) {
        personas_on_sealed(f->personas, seal.shard, 0xabc, 0x12);
    }
    assert_int_equal(personas_kind.done(f->personas), KIND_DONE);
}

/* Hashes of 12 bits: some rows say the same. */
static int
setup(void **state)
{
    static struct fixture f;
    uint32_t cells[AUDIT_TABLE_COUNT];
    struct personas_options options = {.rows = ROWS,
                                       .shard_rows = SHARD_ROWS,
                                       .service = "persona.corpus",
                                       .table_cells = cells,
                                       .tables = AUDIT_TABLE_COUNT,
                                       .dedup = true,
                                       .hash_bits = 12};

    f = (struct fixture){.dir = "/tmp/cohort-test-corpus-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    f.model = given_model();
    f.prose = given_prose(f.model);
    f.sampler = given_sampler(f.model, 42, NULL, 0);
    sampler_set_prose(f.sampler, f.prose);
    assert_int_equal(corpus_table_cells(f.sampler, cells), CO_OK);
    assert_int_equal(personas_new(&options, &f.personas), CO_OK);
    f.facts = (struct corpus_facts){
        .name = "test",
        .job = 0x99,
        .recipe_hash = 7,
        .recipe = co_bytes_borrow(recipe, sizeof recipe - 1),
        .out_dir = f.dir,
        .personas = f.personas,
        .sampler = f.sampler};
    given_sealed_rows(&f);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    json_decref(f->json);
    personas_free(f->personas);
    sampler_free(f->sampler);
    prose_free(f->prose);
    model_free(f->model);
    return (int)co_fs_remove_tree(f->dir, NULL);
}

static json_t *
written(struct fixture *f, const char *file)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/%s", f->dir, file);
    assert_int_equal(co_json_load_file(path, 1 << 24, &f->json, NULL), CO_OK);
    return f->json;
}

static json_int_t
number(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_integer(value)) fail_msg("%s is no number", key);
    return json_integer_value(value);
}

static const char *
word(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (!text) fail_msg("%s is no text", key);
    return text;
}

static void
shards_are_numbered_with_five_digits_and_more_when_needed(void **state)
{
    char file[64];

    (void)state;
    corpus_shard_file(7, file);
    assert_string_equal(file, "part-00007.jsonl.zst");
    corpus_shard_file(9999999, file);
    assert_string_equal(file, "part-9999999.jsonl.zst");
}

static void
the_manifest_names_every_shard_and_its_sums_are_theirs(void **state)
{
    struct fixture *f = *state;
    json_t *m, *shards, *shard;
    json_int_t rows = 0, bytes = 0;
    size_t i;

    assert_int_equal(corpus_write_manifest(&f->facts, NULL), CO_OK);
    m = written(f, "MANIFEST.json");
    assert_string_equal(word(m, "job"), "0000000000000099");
    assert_string_equal(word(json_object_get(m, "recipe"), "seed"), "42");
    shards = json_object_get(m, "shards");
    assert_int_equal(json_array_size(shards), 2);
    json_array_foreach(shards, i, shard)
    {
        char file[64];

        corpus_shard_file(i, file);
        assert_string_equal(word(shard, "file"), file);
        assert_string_equal(word(shard, "xxh3_64"), "0000000000000abc");
        assert_string_equal(word(shard, "raw_crc32"), "00000012");
        assert_int_equal(number(shard, "drawn"),
                         number(shard, "rows") + number(shard, "rejected") +
                             number(shard, "surplus") + number(shard, "dead"));
        rows += number(shard, "rows");
        bytes += number(shard, "bytes");
    }
    assert_int_equal(rows, ROWS);
    assert_int_equal(number(m, "rows"), ROWS);
    assert_int_equal(number(m, "bytes"), bytes);
}

static void
the_report_has_the_ledger_and_the_audit(void **state)
{
    struct fixture *f = *state;
    json_t *r, *ledger;

    assert_int_equal(corpus_write_report(&f->facts, NULL), CO_OK);
    r = written(f, "report.json");
    ledger = json_object_get(r, "ledger");
    assert_int_equal(number(ledger, "accepted"), ROWS);
    assert_int_equal(number(ledger, "pending"), 0);
    assert_true(json_is_array(json_object_get(r, "joints")));
}

static void
the_card_describes_every_column_of_a_row(void **state)
{
    struct fixture *f = *state;
    char path[96], column[80];
    const char *text;
    struct co_buf line, card;
    struct person p;
    const char *key;
    json_t *row, *value;

    assert_int_equal(corpus_write_report(&f->facts, NULL), CO_OK);
    co_buf_init(&card, 1 << 20);
    (void)snprintf(path, sizeof path, "%s/README.md", f->dir);
    assert_int_equal(co_fs_read_file(path, 1 << 20, &card, NULL), CO_OK);
    text = co_buf_text(&card);
    assert_memory_equal(text, "---\npretty_name: test\n", 22);
    assert_non_null(strstr(text, "size_categories:\n- n<1K\n"));
    assert_non_null(strstr(text, "| sex x age x state (everybody) |"));
    assert_non_null(strstr(text, "| ACS 2018 B01001 |"));
    assert_non_null(strstr(text, "datasets.load_dataset("));
    assert_non_null(strstr(text, "no language model wrote them"));
    assert_non_null(strstr(text, "## Sources and licences"));
    assert_non_null(strstr(text, "GeoNames"));
    assert_non_null(strstr(text, "`zipcode` is null"));
    co_buf_init(&line, ROW_MAX_BYTES);
    sampler_draw(f->sampler, 0, &p);
    row_write(f->sampler, &p, ROW_TEXTS, &line);
    row = json_loadb((const char *)line.data, line.len, 0, NULL);
    json_object_foreach(row, key, value)
    {
        (void)snprintf(column, sizeof column, "| `%s` |", key);
        if (!strstr(text, column)) fail_msg("the card lacks %s", key);
    }
    json_decref(row);
    co_buf_fini(&line);
    co_buf_fini(&card);
}

static void
what_was_left_out_is_told(void **state)
{
    struct fixture *f = *state;
    json_t *dedup, *ledger, *shard, *shards;
    json_int_t duplicates = 0, hashes = 0;
    size_t i;

    assert_int_equal(corpus_write_manifest(&f->facts, NULL), CO_OK);
    shards = json_object_get(written(f, "MANIFEST.json"), "shards");
    json_array_foreach(shards, i, shard)
    {
        duplicates += number(shard, "duplicates");
        hashes += number(shard, "hashes");
        assert_int_equal(strlen(word(shard, "hashes_xxh3_64")), 16);
    }
    assert_true(duplicates > 0);
    json_decref(f->json);
    assert_int_equal(corpus_write_report(&f->facts, NULL), CO_OK);
    dedup = json_object_get(written(f, "report.json"), "dedup");
    ledger = json_object_get(f->json, "ledger");
    assert_string_equal(word(dedup, "method"), "exact");
    assert_int_equal(number(dedup, "duplicates"), duplicates);
    assert_int_equal(number(ledger, "duplicates"), duplicates);
    assert_int_equal(number(dedup, "texts"), duplicates + hashes);
    assert_int_equal(number(dedup, "distinct_ppm"),
                     hashes * 1000000 / (duplicates + hashes));
}

static void
given_hashes(struct fixture *f, const uint64_t *hashes, size_t n)
{
    assert_int_equal(
        co_fs_write_atomic(f->dir, "part-00003.hashes", hashes, 8 * n, NULL),
        CO_OK);
}

static void
hashes_come_back_and_more_behind_them_do_not_matter(void **state)
{
    static const uint64_t hashes[] = {1, 2, 3};
    struct fixture *f = *state;
    uint64_t back[2];

    given_hashes(f, hashes, 3);
    assert_int_equal(
        corpus_read_hashes(f->dir, 3, 2, co_hash64(hashes, 16, 0), back, NULL),
        CO_OK);
    assert_memory_equal(back, hashes, 16);
}

static void
missing_short_or_changed_hashes_are_told_with_what_to_do(void **state)
{
    static const uint64_t hashes[] = {1, 2};
    struct fixture *f = *state;
    struct co_diag diag = {""};
    uint64_t back[3];

    assert_int_equal(corpus_read_hashes(f->dir, 3, 2, 0, back, &diag),
                     CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "part-00003.hashes: missing or not as"));
    given_hashes(f, hashes, 2);
    assert_int_equal(corpus_read_hashes(f->dir, 3, 2,
                                        co_hash64(hashes, 16, 0) + 1, back,
                                        &diag),
                     CO_DAMAGED);
    assert_int_equal(corpus_read_hashes(f->dir, 3, 3, 0, back, &diag),
                     CO_DAMAGED);
    assert_non_null(strstr(diag.text, "Bring it back from a copy"));
}

static void
a_folder_that_is_gone_is_an_error_that_names_the_file(void **state)
{
    struct fixture *f = *state;
    struct co_diag diag = {""};

    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    assert_int_equal(corpus_write_manifest(&f->facts, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "MANIFEST.json"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(shards_are_numbered_with_five_digits_and_more_when_needed),
        T(the_manifest_names_every_shard_and_its_sums_are_theirs),
        T(the_report_has_the_ledger_and_the_audit),
        T(the_card_describes_every_column_of_a_row),
        T(what_was_left_out_is_told),
        T(hashes_come_back_and_more_behind_them_do_not_matter),
        T(missing_short_or_changed_hashes_are_told_with_what_to_do),
        T(a_folder_that_is_gone_is_an_error_that_names_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
