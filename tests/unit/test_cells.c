/* test_cells.c - rows as a table, and the file that appears when it is whole.
 */
#include "cli/cells.h"
#include "cli/outfile.h"
#include "common/fs.h"
#include "tests/co_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/co-test-cells-XXXXXX";
static struct co_diag diag;

/* ---- tables ---- */

static struct select *
select_of(const char *fields)
{
    static const char row[] = "{\"age\":1,\"name\":\"x\",\"city\":\"y\"}";
    co_auto(schema_freep) struct schema *schema = NULL;
    const struct select_options options = {.fields = fields,
                                           .format = SELECT_CELLS};
    struct select *s = NULL;

    assert_int_equal(schema_new(&schema), CO_OK);
    assert_int_equal(schema_learn(schema, row, strlen(row)), CO_OK);
    assert_int_equal(select_new(&options, schema, &s, &diag), CO_OK);
    return s;
}

static void
assert_table(const char *fields, const char *const *rows, size_t n,
             const char *want)
{
    co_auto(select_freep) struct select *s = select_of(fields);
    co_auto(cells_freep) struct cells *cells = NULL;
    struct co_buf out;

    co_buf_init(&out, 1 << 20);
    assert_int_equal(cells_new(s, &cells), CO_OK);
    for (size_t i = 0; i < n; i++) {
        cells_row(cells, rows[i], strlen(rows[i]), &out);
    }
    cells_end(cells, &out);
    assert_string_equal(co_buf_text(&out), want);
    co_buf_fini(&out);
}

static void
columns_stand_in_line_and_numbers_flush_right(void **state)
{
    static const char *const rows[] = {"7\tZo\xc3\xab\tTampa\n",
                                       "112\tBartholomew\t\n"};

    (void)state;
    assert_table("age,name,city", rows, 2,
                 "age  name         city\n"
                 "  7  Zo\xc3\xab          Tampa\n"
                 "112  Bartholomew  \n");
    assert_table("age,name", NULL, 0, "age  name\n");
}

static void
long_cells_are_cut_unless_they_stand_alone(void **state)
{
    static const char long_name[] =
        "x\t1234567890123456789012345678901234567890\xc3\xa9\n";
    static const char *const rows[] = {long_name};
    static const char *const alone[] = {long_name + 2};

    (void)state;
    assert_table("city,name", rows, 1,
                 "city  name\n"
                 "x     123456789012345678901234567890123456789\xe2\x80\xa6\n");
    assert_table("name", alone, 1,
                 "name\n"
                 "1234567890123456789012345678901234567890\xc3\xa9\n");
}

static void
rows_are_not_held_back_for_ever(void **state)
{
    co_auto(select_freep) struct select *s = select_of("age,name");
    co_auto(cells_freep) struct cells *cells = NULL;
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1 << 20);
    assert_int_equal(cells_new(s, &cells), CO_OK);
    for (int i = 0; i < CELLS_LOOK; i++) {
        assert_int_equal(out.len, 0);
        cells_row(cells, "1\tab\n", 5, &out);
    }
    assert_true(out.len > 0);
    co_buf_clear(&out);
    cells_row(cells, "22222\tabcdefgh\n", 15, &out);
    assert_string_equal(co_buf_text(&out), "22222  abcdefgh\n");
    cells_end(cells, &out);
    assert_string_equal(co_buf_text(&out), "22222  abcdefgh\n");
    co_buf_fini(&out);
}

/* ---- files ---- */

static char path[128];

static const char *
in_root(const char *name)
{
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void
assert_content(const char *name, const char *want)
{
    struct co_buf text;

    co_buf_init(&text, 1 << 20);
    assert_int_equal(co_fs_read_file(in_root(name), 1000, &text, &diag), CO_OK);
    assert_string_equal(co_buf_text(&text), want);
    co_buf_fini(&text);
}

static size_t
files_in_root(void)
{
    DIR *d = opendir(root);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    (void)closedir(d);
    return n - 2;
}

static void
write_file(const char *name, const char *text, bool commit)
{
    co_auto(outfile_freep) struct outfile *o = NULL;

    assert_int_equal(outfile_open(in_root(name), &o, &diag), CO_OK);
    assert_int_equal(outfile_write(o, text, strlen(text), &diag), CO_OK);
    if (commit) assert_int_equal(outfile_commit(o, &diag), CO_OK);
}

static void
a_file_appears_when_it_is_whole_and_not_before(void **state)
{
    (void)state;
    write_file("a.csv", "one", true);
    assert_content("a.csv", "one");
    write_file("a.csv", "two", false);
    assert_content("a.csv", "one");
    assert_int_equal(files_in_root(), 1); /* no temp file is left */
    write_file("a.csv", "three", true);
    assert_content("a.csv", "three");
}

static void
what_is_no_file_is_not_replaced(void **state)
{
    struct outfile *o = NULL;

    (void)state;
    assert_int_equal(outfile_open("/dev/null", &o, &diag), CO_USAGE);
    assert_int_equal(outfile_open(root, &o, &diag), CO_USAGE);
    assert_int_equal(outfile_open(in_root("none/x"), &o, &diag), CO_USAGE);
    assert_int_equal(outfile_open(in_root(""), &o, &diag), CO_USAGE);
    assert_int_equal(outfile_open("", &o, &diag), CO_USAGE);
}

static void
a_reader_that_left_is_no_failure(void **state)
{
    co_auto(outfile_freep) struct outfile *o = NULL;
    int fds[2], stdout_fd = dup(STDOUT_FILENO);
    enum co_err err;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(outfile_open("-", &o, &diag), CO_OK);
    (void)fflush(stdout);
    assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
    err = outfile_write(o, "x", 1, &diag);
    assert_true(dup2(stdout_fd, STDOUT_FILENO) >= 0);
    (void)close(stdout_fd);
    assert_int_equal(err, CO_CANCELLED);
}

static int
make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int
remove_root(void **state)
{
    (void)state;
    return (int)co_fs_remove_tree(root, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_stand_in_line_and_numbers_flush_right),
        cmocka_unit_test(long_cells_are_cut_unless_they_stand_alone),
        cmocka_unit_test(rows_are_not_held_back_for_ever),
        cmocka_unit_test(a_file_appears_when_it_is_whole_and_not_before),
        cmocka_unit_test(what_is_no_file_is_not_replaced),
        cmocka_unit_test(a_reader_that_left_is_no_failure),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
