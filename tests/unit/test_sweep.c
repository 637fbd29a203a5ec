/* test_sweep.c - all rows in order on many threads, and the columns asked
 * for: lines, CSV, cells. Files that differ from MANIFEST.json are told. */
#include "query/render.h"
#include "query/sweep.h"
#include "tests/unit/corpus_folder.h"

static const char row[] =
    "{\"uuid\":\"u\",\"name\":\"Ana, \\\"A\\\"\\nB\",\"age\":47,\"job\":null,"
    "\"home\":{\"size\":2,\"kids\":[9,6]},\"empty\":\"\",\"langs\":["
    "\"English\","
    "\"Sp\\tanish\"],\"esc\":\"\\u001b[31m\",\"ok\":true,\"provenance\":{"
    "\"row\":12,\"seed\":1}}";

/* ---- one row ---- */

static struct co_buf out;

static const char *
selected(const struct select_options *options, bool head)
{
    co_auto(schema_freep) struct schema *schema = NULL;
    co_auto(select_freep) struct select *s = NULL;
    co_auto(select_hand_freep) struct select_hand *hand = NULL;
    bool match = false;

    co_buf_clear(&out);
    assert_int_equal(schema_new(&schema), CO_OK);
    assert_int_equal(schema_learn(schema, row, strlen(row)), CO_OK);
    if (select_new(options, schema, &s, &diag)) return diag.text;
    assert_int_equal(select_hand_new(s, &hand), CO_OK);
    if (head) select_head(s, &out);
    assert_int_equal(select_row(hand, row, strlen(row), &out, &match, &diag),
                     CO_OK);
    assert_true(match || options->where);
    return co_buf_text(&out);
}

static void
csv_is_quoted_as_rfc_4180_says(void **state)
{
    const struct select_options all = {.format = SELECT_CSV};
    const struct select_options bare = {.format = SELECT_CSV,
                                        .no_provenance = true};
    const struct select_options some = {.format = SELECT_CSV,
                                        .fields = "age, home,row"};

    (void)state;
    assert_string_equal(
        selected(&all, true),
        "uuid,name,age,job,home.size,home.kids,empty,langs,esc,ok,"
        "provenance.row,provenance.seed\r\n"
        "u,\"Ana, \"\"A\"\"\nB\",47,,2,\"[9,6]\",\"\",\"[\"\"English\"\",\"\""
        "Sp\\tanish\"\"]\",\x1b[31m,true,12,1\r\n");
    assert_non_null(strstr(selected(&bare, true), ",ok\r\n"));
    assert_string_equal(selected(&some, true), "age,home.size,home.kids,row\r\n"
                                               "47,2,\"[9,6]\",12\r\n");
}

static void
jsonl_is_the_line_or_its_fields(void **state)
{
    const struct select_options all = {.format = SELECT_JSONL};
    const struct select_options bare = {.format = SELECT_JSONL,
                                        .no_provenance = true};
    const struct select_options some = {
        .format = SELECT_JSONL, .fields = "home,home.size,name,home.kids[7]"};
    size_t len = strlen(row);

    (void)state;
    assert_memory_equal(selected(&all, true), row, len);
    assert_int_equal(out.len, len + 1);
    assert_string_equal(selected(&some, true),
                        "{\"home\":{\"size\":2,\"kids\":[9,6]},\"home.size\":2,"
                        "\"name\":\"Ana, \\\"A\\\"\\nB\",\"home.kids[7]\":null}"
                        "\n");
    assert_non_null(strstr(selected(&bare, true), "\"ok\":true}\n"));
    assert_null(strstr(co_buf_text(&out), "provenance"));
}

static void
cells_do_nothing_to_a_terminal(void **state)
{
    const struct select_options some = {
        .format = SELECT_CELLS, .fields = "name,job,langs,esc,empty,home.kids"};

    (void)state;
    assert_string_equal(selected(&some, true),
                        "Ana, \"A\" B\t\tEnglish, Sp anish\t?[31m\t\t9, 6\n");
}

static void
a_member_is_cut_out_wherever_it_stands(void **state)
{
    static const struct {
        const char *line, *left;
    } cases[] = {{"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3}"},
                 {"{\"b\":2,\"c\":3}", "{\"c\":3}"},
                 {"{\"a\":1,\"b\":2}", "{\"a\":1}"},
                 {"{\"b\":{\"b\":[1,2]}}", "{}"},
                 {"{ \"a\" : 1 , \"b\" : 2 }", "{ \"a\" : 1  }"},
                 {"{ \"b\" : 2 , \"a\":1}", "{ \"a\":1}"},
                 {"{\"a\":1}", "{\"a\":1}"}};

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        struct scan_value whole, gone, back;

        co_buf_clear(&out);
        assert_int_equal(
            scan_value_of(cases[i].line, strlen(cases[i].line), &whole), CO_OK);
        gone = scan_member(&whole, "b");
        render_without(cases[i].line, strlen(cases[i].line), &gone, &out);
        assert_int_equal(scan_value_of((const char *)out.data, out.len, &back),
                         CO_OK);
        if (i != 5) assert_string_equal(co_buf_text(&out), cases[i].left);
    }
}

static void
fields_that_are_none_are_told(void **state)
{
    struct select_options o = {.format = SELECT_JSONL, .fields = "age,,job"};

    (void)state;
    assert_non_null(strstr(selected(&o, false), "a name is missing"));
    o.fields = "agee";
    assert_non_null(strstr(selected(&o, false), "--fields: there is no column "
                                                "agee; did you mean age?"));
    o.fields = "age,";
    assert_non_null(strstr(selected(&o, false), "a name is missing"));
}

/* ---- a folder ---- */

struct gathered {
    struct co_buf text;
    uint64_t stop_after; /* batches */
    uint64_t batches;
};

static enum co_err
gather(void *arg, const struct sweep_batch *batch, struct co_diag *d)
{
    struct gathered *g = arg;

    (void)d;
    if (g->stop_after && g->batches++ == g->stop_after) return CO_CANCELLED;
    if (batch->matches) {
        co_buf_append(&g->text, batch->out, batch->ends[batch->matches - 1]);
    }
    return g->text.err;
}

static enum co_err
sweep(const char *where, unsigned threads, struct gathered *g,
      struct sweep_totals *totals)
{
    co_auto(outdir_freep) struct outdir *o = NULL;
    co_auto(schema_freep) struct schema *schema = NULL;
    co_auto(select_freep) struct select *s = NULL;
    const struct select_options options = {.where = where};
    struct sweep_options sweep_options = {.threads = threads, .verify = true};
    enum co_err err = outdir_open(dir, &o, &diag);

    if (!err) err = sweep_schema(o, &schema, &diag);
    if (!err) err = select_new(&options, schema, &s, &diag);
    if (err) return err;
    sweep_options.dir = o;
    sweep_options.select = s;
    return sweep_run(&sweep_options, gather, g, totals, &diag);
}

static void
rows_come_in_order_from_any_number_of_threads(void **state)
{
    uint64_t all = rows_in(0, ROWS);

    (void)state;
    for (unsigned threads = 1; threads <= SWEEP_THREADS_MAX; threads++) {
        struct gathered g = {.stop_after = 0};
        struct sweep_totals totals = {0};
        struct co_buf want;

        co_buf_init(&g.text, 1 << 20);
        co_buf_init(&want, 1 << 20);
        for (uint64_t i = 0; i < ROWS; i++) {
            if (!is_hole(i) && i % 90 >= 40) put_row(&want, i);
        }
        assert_int_equal(sweep("age >= 40", threads, &g, &totals), CO_OK);
        assert_int_equal(totals.rows, all);
        assert_int_equal(g.text.len, want.len);
        assert_memory_equal(g.text.data, want.data, want.len);
        co_buf_fini(&g.text);
        co_buf_fini(&want);
    }
}

static void
a_sink_that_has_enough_ends_it(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct gathered g = {.stop_after = 2};
        struct sweep_totals totals = {0};

        co_buf_init(&g.text, 1 << 20);
        assert_int_equal(sweep(NULL, threads, &g, &totals), CO_CANCELLED);
        assert_int_equal(totals.rows, rows_in(0, (uint64_t)2 * FRAME));
        co_buf_fini(&g.text);
    }
}

/* Sweeps, expecting that to be said. */
static void
assert_damaged(const char *says)
{
    struct gathered g = {.stop_after = 0};
    struct sweep_totals totals = {0};

    co_buf_init(&g.text, 1 << 20);
    assert_int_equal(sweep(NULL, 3, &g, &totals), CO_DAMAGED);
    if (!strstr(diag.text, says)) fail_msg("%s", diag.text);
    co_buf_fini(&g.text);
}

static void
replace_in_manifest(const char *from, const char *to)
{
    char path[128];
    struct co_buf text;
    char *at;

    (void)snprintf(path, sizeof path, "%s/MANIFEST.json", dir);
    co_buf_init(&text, 1 << 20);
    assert_int_equal(co_fs_read_file(path, 1 << 16, &text, &diag), CO_OK);
    (void)co_buf_text(&text);
    at = strstr((char *)text.data, from);
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    write_text("MANIFEST.json", (char *)text.data);
    co_buf_fini(&text);
}

static void
other_bytes_or_counts_than_promised_are_told(void **state)
{
    (void)state;
    replace_in_manifest("\"rows\":37", "\"rows\":36");
    assert_damaged("part-00001.jsonl.zst has 37 rows, MANIFEST.json says 36");
    replace_in_manifest("\"xxh3_64\":\"", "\"xxh3_64\":\"0000000");
    assert_damaged("part-00000.jsonl.zst: its hash is not the one");
}

static void
a_flipped_bit_is_told_with_its_file(void **state)
{
    char path[128];
    FILE *f;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/part-00002.jsonl.zst", dir);
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 40, SEEK_SET), 0);
    assert_int_equal(fputc(0xff, f), 0xff);
    assert_int_equal(fclose(f), 0);
    assert_damaged("part-00002.jsonl.zst");
}

static int
begin(void **state)
{
    co_buf_init(&out, 1 << 16);
    return make_root(state);
}

static int
end(void **state)
{
    co_buf_fini(&out);
    return remove_root(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_quoted_as_rfc_4180_says),
        cmocka_unit_test(jsonl_is_the_line_or_its_fields),
        cmocka_unit_test(cells_do_nothing_to_a_terminal),
        cmocka_unit_test(a_member_is_cut_out_wherever_it_stands),
        cmocka_unit_test(fields_that_are_none_are_told),
        cmocka_unit_test_setup(rows_come_in_order_from_any_number_of_threads,
                               setup),
        cmocka_unit_test_setup(a_sink_that_has_enough_ends_it, setup),
        cmocka_unit_test_setup(other_bytes_or_counts_than_promised_are_told,
                               setup),
        cmocka_unit_test_setup(a_flipped_bit_is_told_with_its_file, setup),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
