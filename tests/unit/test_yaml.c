/* test_yaml.c - what a person may write, and what each mistake is told. */
#include "common/yaml.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct co_diag diag;

static struct co_yaml *
load(const char *text)
{
    struct co_yaml *root = NULL;

    diag.text[0] = '\0';
    if (co_yaml_load_text(text, strlen(text), "job.yaml", &root, &diag)) {
        return NULL;
    }
    return root;
}

/* A tree that must be there. abort: gcc knows that it does not return. */
static struct co_yaml *
given(const char *text)
{
    struct co_yaml *root = load(text);

    if (!root) {
        print_error("%s\n", diag.text);
        abort();
    }
    return root;
}

static void
assert_refused(const char *text, const char *message)
{
    struct co_yaml *root = load(text);

    co_yaml_free(root);
    assert_null(root);
    assert_string_equal(diag.text, message);
}

static void
a_tree_keeps_order_lines_and_columns(void **state)
{
    struct co_yaml *root = given("a: 1\nb:\n  c: [x, \"y\"]\n");
    const struct co_yaml *c;

    (void)state;
    assert_non_null(root);
    assert_int_equal(root->count, 2);
    assert_string_equal(root->first->key, "a");
    c = co_yaml_get(co_yaml_get(root, "b"), "c");
    assert_int_equal(c->kind, CO_YAML_SEQ);
    assert_int_equal(c->line, 3);
    assert_int_equal(c->column, 6);
    assert_string_equal(c->first->text, "x");
    assert_false(c->first->quoted);
    assert_true(c->last->quoted);
    assert_null(co_yaml_get(root, "z"));
    assert_null(co_yaml_get(NULL, "z"));
    co_yaml_free(root);
}

static void
bombs_and_extras_are_refused(void **state)
{
    (void)state;
    assert_refused("a: &x [1, 1]\nb: [*x, *x]\n",
                   "job.yaml:1: found an anchor (&...); anchors and aliases "
                   "are not allowed, write the value out");
    assert_refused("a: *x\n",
                   "job.yaml:1: found an alias (*...); anchors and aliases "
                   "are not allowed, write the value out");
    assert_refused("a: !!str 1\n",
                   "job.yaml:1: found a tag (!...); tags are not allowed");
    assert_refused("%TAG !a! tag:a\n---\na: 1\n",
                   "job.yaml:1: found a directive (%...); directives are not "
                   "allowed");
    assert_refused("a: 1\n---\nb: 2\n",
                   "job.yaml:2: found a second document (---); one file holds "
                   "one");
    assert_refused("a: 1\nb: 2\na: 3\n",
                   "job.yaml:3: key \"a\" stands twice (first in line 1); "
                   "each key may stand once");
    assert_refused("a: 1\nb: \"\xff\"\n",
                   "job.yaml:2: invalid leading UTF-8 octet; allowed is UTF-8 "
                   "text");
    assert_refused("a: \"x\\0y\"\n", "job.yaml:1: found a NUL character inside "
                                     "a text; not allowed");
    assert_refused("[a, b]: 1\n", "job.yaml:1: found a map or list as a key; a "
                                  "key must be a text");
    assert_refused("", "job.yaml:1: the file is empty");
    assert_refused("# only a comment\n", "job.yaml:1: the file is empty");
    assert_refused("a: [1,\n", "job.yaml:2: not valid YAML: did not find "
                               "expected node content while parsing a flow "
                               "node");
}

static char *
repeat(const char *text, size_t times)
{
    size_t len = strlen(text);
    char *all = malloc(len * times + 1);

    for (size_t i = 0; i < times; i++) {
        memcpy(all + i * len, text, len);
    }
    all[len * times] = '\0';
    return all;
}

static void
limits_hold(void **state)
{
    char *deep = repeat("[", CO_YAML_DEPTH_MAX + 1);
    char *many = repeat("- 1\n", CO_YAML_NODES_MAX);
    char *wide = repeat("x", CO_YAML_SCALAR_MAX + 1);
    char *huge = repeat("#", CO_YAML_FILE_MAX + 1);

    (void)state;
    assert_refused(deep, "job.yaml:1: nested deeper than 16 levels; allowed "
                         "are at most 16");
    assert_refused(many, "job.yaml:20000: more than 20000 values; allowed are "
                         "at most 20000");
    assert_refused(wide, "job.yaml:1: a text of 65537 bytes; allowed are at "
                         "most 65536");
    assert_refused(huge, "job.yaml: 1048577 bytes; allowed are at most 1048576 "
                         "(1 MiB)");
    free(deep);
    free(many);
    free(wide);
    free(huge);
}

static void
files_are_judged_by_size_before_reading(void **state)
{
    char path[] = "/tmp/co-test-yaml-XXXXXX";
    char want[200];
    int fd = mkstemp(path);
    struct co_yaml *root = NULL;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 1\n", 5), 5);
    assert_int_equal(co_yaml_load_file(path, &root, &diag), CO_OK);
    assert_string_equal(root->file, path);
    co_yaml_free(root);
    assert_int_equal(ftruncate(fd, 100000000), 0); /* sparse, quick */
    assert_int_equal(co_yaml_load_file(path, &root, &diag), CO_FULL);
    (void)snprintf(want, sizeof want,
                   "%s: 100000000 bytes; allowed are at most 1048576 (1 MiB)",
                   path);
    assert_string_equal(diag.text, want);
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(co_yaml_load_file(path, &root, &diag), CO_NOTFOUND);
    assert_int_equal(co_yaml_load_file("/", &root, &diag), CO_INVALID);
    assert_string_equal(diag.text, "/: is a folder, not a file");
    assert_int_equal(co_yaml_load_file("/dev/zero", &root, &diag), CO_FULL);
}

static enum co_err
read_u64(const char *text, uint64_t *ret_value)
{
    struct co_yaml *root = given(text);
    enum co_err err =
        co_yaml_u64(co_yaml_get(root, "n"), 1, 100, ret_value, &diag);

    co_yaml_free(root);
    return err;
}

static void
numbers_are_decimal_and_in_range(void **state)
{
    uint64_t n = 0;

    (void)state;
    assert_int_equal(read_u64("n: 42", &n), CO_OK);
    assert_int_equal(n, 42);
    assert_int_equal(read_u64("n: 0", &n), CO_RANGE);
    assert_string_equal(diag.text, "job.yaml:1: n: found \"0\"; allowed is a "
                                   "whole number from 1 to 100");
    assert_int_equal(read_u64("n: -3", &n), CO_RANGE);
    assert_int_equal(read_u64("n: 99999999999999999999999", &n), CO_RANGE);
    assert_int_equal(read_u64("n: 010", &n), CO_INVALID);
    assert_int_equal(read_u64("n: 1e1", &n), CO_INVALID);
    assert_int_equal(read_u64("n: 0x10", &n), CO_INVALID);
    assert_int_equal(read_u64("n: \"42\"", &n), CO_INVALID);
    assert_string_equal(diag.text,
                        "job.yaml:1: n: found \"42\" in quotes; allowed is a "
                        "whole number from 1 to 100");
    assert_int_equal(read_u64("n: [1]", &n), CO_INVALID);
    assert_string_equal(diag.text, "job.yaml:1: n: found a list; allowed is a "
                                   "whole number from 1 to 100");
    assert_int_equal(read_u64("n:", &n), CO_INVALID);
    assert_string_equal(diag.text, "job.yaml:1: n: found nothing; allowed is "
                                   "a whole number from 1 to 100");
    assert_int_equal(n, 42);
}

static void
other_types_are_read(void **state)
{
    static const char *const names[] = {"low", "medium", "high", NULL};
    struct co_yaml *root =
        given("b: true\nd: 2h\ns: 2 GiB\np: high\nt: hello\nx: soon\ny: yes\n");
    bool b = false;
    uint64_t n = 0;
    size_t i = 0;
    const char *t = NULL;

    (void)state;
    assert_non_null(root);
    assert_int_equal(co_yaml_bool(co_yaml_get(root, "b"), &b, &diag), CO_OK);
    assert_true(b);
    assert_int_equal(
        co_yaml_duration(co_yaml_get(root, "d"), 0, 1u << 30, &n, &diag),
        CO_OK);
    assert_int_equal(n, 7200000);
    assert_int_equal(
        co_yaml_duration(co_yaml_get(root, "d"), 0, 1000, &n, &diag), CO_RANGE);
    assert_string_equal(diag.text,
                        "job.yaml:2: d: found \"2h\"; allowed is 0ms to "
                        "1000ms");
    assert_int_equal(
        co_yaml_size(co_yaml_get(root, "s"), 0, 1ull << 40, &n, &diag), CO_OK);
    assert_int_equal(n, 2ll << 30);
    assert_int_equal(co_yaml_enum(co_yaml_get(root, "p"), names, &i, &diag),
                     CO_OK);
    assert_int_equal(i, 2);
    assert_int_equal(co_yaml_text(co_yaml_get(root, "t"), 5, &t, &diag), CO_OK);
    assert_string_equal(t, "hello");
    assert_int_equal(co_yaml_text(co_yaml_get(root, "t"), 4, &t, &diag),
                     CO_RANGE);
    assert_int_equal(co_yaml_enum(co_yaml_get(root, "x"), names, &i, &diag),
                     CO_INVALID);
    assert_string_equal(diag.text, "job.yaml:6: x: found \"soon\"; allowed is "
                                   "low, medium or high");
    assert_int_equal(co_yaml_duration(co_yaml_get(root, "x"), 0, 1, &n, &diag),
                     CO_INVALID);
    assert_int_equal(co_yaml_bool(co_yaml_get(root, "y"), &b, &diag),
                     CO_INVALID);
    assert_string_equal(diag.text, "job.yaml:7: y: found \"yes\"; allowed is "
                                   "true or false");
    co_yaml_free(root);
}

static void
an_unknown_key_is_named_with_what_was_meant(void **state)
{
    static const char *const names[] = {"rows", "seed", NULL};
    struct co_yaml *root = given("seed: 1\no:\n  rosw: 2\n  colour: 3\n");

    (void)state;
    assert_int_equal(co_yaml_keys(root, names, &diag), CO_INVALID);
    assert_string_equal(diag.text,
                        "job.yaml:3: o: unknown key; allowed here: rows or "
                        "seed");
    assert_int_equal(co_yaml_keys(co_yaml_get(root, "o"), names, &diag),
                     CO_INVALID);
    assert_string_equal(diag.text,
                        "job.yaml:3: o.rosw: unknown key, did you mean rows?; "
                        "allowed here: rows or seed");
    assert_int_equal(co_yaml_keys(root->first, names, &diag), CO_INVALID);
    assert_string_equal(diag.text, "job.yaml:1: seed: found \"1\"; allowed is "
                                   "a map (key: value)");
    co_yaml_free(root);
}

static void
what_was_found_is_cut_and_made_printable(void **state)
{
    struct co_yaml *root =
        given("a: \"\\e[31m\"\nb: "
              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");

    (void)state;
    assert_string_equal(co_yaml_found(root->first).text, "\"?[31m\" in quotes");
    assert_string_equal(co_yaml_found(root->last).text,
                        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"");
    co_yaml_free(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_keeps_order_lines_and_columns),
        cmocka_unit_test(bombs_and_extras_are_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(files_are_judged_by_size_before_reading),
        cmocka_unit_test(numbers_are_decimal_and_in_range),
        cmocka_unit_test(other_types_are_read),
        cmocka_unit_test(an_unknown_key_is_named_with_what_was_meant),
        cmocka_unit_test(what_was_found_is_cut_and_made_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
