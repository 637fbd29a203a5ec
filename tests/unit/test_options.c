/* Options: the order of sources, every type, and messages that help. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The files that allocate are compiled in here with an allocator that can
 * fail. */
static int calls_left = -1; /* -1: never fails */

static bool
allocation_fails(void)
{
    if (calls_left > 0) calls_left--;
    return calls_left == 0;
}

#define calloc(n, size) (allocation_fails() ? NULL : calloc(n, size))
#define realloc(p, size) (allocation_fails() ? NULL : realloc(p, size))
#define reallocarray(p, n, size)                                               \
    (allocation_fails() ? NULL : reallocarray(p, n, size))
#define strndup(s, n) (allocation_fails() ? NULL : strndup(s, n))
#include "common/option_argv.c"
#include "common/option_name.c"
#include "common/option_store.c"
#include "common/options.c"
#undef calloc
#undef realloc
#undef reallocarray
#undef strndup

#include "tests/co_test.h"

struct config {
    const char *where;
    const char *broker;
    const char *token;
    const char *nick;
    uint64_t workers;
    uint64_t ttl_ms;
    uint64_t body_bytes;
    int level;
    bool json;
    struct co_option_list tags;
};

enum { LEVEL_LOW, LEVEL_HIGH };
static const char *const levels[] = {"low", "high", NULL};

#define FIELD(f) offsetof(struct config, f)
static const struct co_option table[] = {
    {"where", 0, CO_OPTION_STRING, FIELD(where), .no_env = true,
     .help = "the first one, and not in the environment"},
    {"broker", 0, CO_OPTION_STRING, FIELD(broker), .placeholder = "URL",
     .help = "where the broker is"},
    {"auth-token", 0, CO_OPTION_STRING, FIELD(token), .secret = true,
     .help = "what proves who you are"},
    {"nick", 0, CO_OPTION_STRING, FIELD(nick), "default", 1, 8, .is_name = true,
     .help = "part of a key"},
    {"workers", 'w', CO_OPTION_U64, FIELD(workers), "2", 1, 64,
     .help = "how many"},
    {"task-ttl", 0, CO_OPTION_DURATION, FIELD(ttl_ms), "5s", 1, 60000,
     .help = "time to live"},
    {"body-max", 0, CO_OPTION_SIZE, FIELD(body_bytes), "4MiB",
     .help = "biggest body"},
    {"level", 0, CO_OPTION_ENUM, FIELD(level), "high", .choices = levels,
     .help = "how much"},
    {"json", 'j', CO_OPTION_FLAG, FIELD(json), .help = "for machines"},
    {"tag", 't', CO_OPTION_LIST, FIELD(tags), "d1,d2", .max = 3,
     .help = "tags"},
};

static const struct co_options_spec spec = {
    .program = "cohort test",
    .usage = "[OPTIONS] FILE",
    .about = "Tests.",
    .version = "cohort 9.9",
    .table = table,
    .count = co_countof(table),
    .args_max = 1,
};

static char file_path[] = "/tmp/co-test-options-XXXXXX";

struct fixture {
    struct config config;
    struct co_options *options;
    struct co_diag diag;
};

static int
setup(void **state)
{
    for (size_t i = 0; i < spec.count; i++) {
        co_auto(co_buf_fini) struct co_buf name;

        co_buf_init(&name, 100);
        co_options_env_name(table[i].name, &name);
        (void)unsetenv(co_buf_text(&name));
    }
    (void)unsetenv("COHORT_CONFIG");
    *state = calloc(1, sizeof(struct fixture));
    return *state ? 0 : 1;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    co_options_free(f->options);
    free(f);
    return 0;
}

/* Parses the words of line, which are separated by one space. */
static enum co_err
parse(struct fixture *f, const char *line)
{
    char *argv[32] = {NULL};
    char words[512];
    int argc = 0;
    enum co_err err;

    co_options_free(co_take(&f->options));
    (void)snprintf(words, sizeof words, "program %s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
        argv[argc++] = w;
    }
    err =
        co_options_parse(&spec, argc, argv, &f->config, &f->options, &f->diag);
    /* Positional arguments point into argv, which ends here. */
    return err;
}

static void
config_file(const char *text)
{
    FILE *file = fopen(file_path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static enum co_err
parse_with_file(struct fixture *f, const char *text, const char *line)
{
    char all[512];

    config_file(text);
    (void)snprintf(all, sizeof all, "--config %s %s", file_path, line);
    return parse(f, all);
}

static void
assert_says(struct fixture *f, const char *text)
{
    if (!strstr(f->diag.text, text)) {
        fail_msg("\"%s\" does not say \"%s\"", f->diag.text, text);
    }
}

static void
without_any_source_the_defaults_stand(void **state)
{
    struct fixture *f = *state;

    memset(&f->config, 0xee, sizeof f->config);
    assert_int_equal(parse(f, ""), CO_OK);
    assert_null(f->config.broker);
    assert_int_equal(f->config.workers, 2);
    assert_int_equal(f->config.ttl_ms, 5000);
    assert_int_equal(f->config.body_bytes, 4 << 20);
    assert_int_equal(f->config.level, LEVEL_HIGH);
    assert_false(f->config.json);
    assert_int_equal(f->config.tags.count, 2);
    assert_string_equal(f->config.tags.items[1], "d2");
    assert_false(co_options_given(f->options, "workers"));
    assert_false(co_options_answer(f->options));
}

static void
a_name_has_only_characters_that_mean_nothing_elsewhere(void **state)
{
    static const char *const bad[] = {"--nick a:b", "--nick {a}",
                                      "--nick a*",  "--nick \xc3\xa9",
                                      "--nick=",    "--nick 123456789"};
    struct fixture *f = *state;

    assert_int_equal(parse(f, "--nick aZ0_.-"), CO_OK);
    assert_string_equal(f->config.nick, "aZ0_.-");
    for (size_t i = 0; i < co_countof(bad); i++) {
        co_options_free(f->options);
        f->options = NULL;
        assert_int_equal(parse(f, bad[i]), CO_USAGE);
        assert_non_null(strstr(f->diag.text, "A-Z a-z 0-9 _ . -"));
    }
}

static void
every_type_is_read_from_flags(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "--broker=tcp://h:1 -w 7 --task-ttl 1m "
                              "--body-max 64KiB --level low -j -t a -tb"),
                     CO_OK);
    assert_string_equal(f->config.broker, "tcp://h:1");
    assert_int_equal(f->config.workers, 7);
    assert_int_equal(f->config.ttl_ms, 60000);
    assert_int_equal(f->config.body_bytes, 65536);
    assert_int_equal(f->config.level, LEVEL_LOW);
    assert_true(f->config.json);
    assert_int_equal(f->config.tags.count, 2);
    assert_string_equal(f->config.tags.items[0], "a");
    assert_string_equal(f->config.tags.items[1], "b");
    assert_int_equal(parse(f, "--json --no-json"), CO_OK);
    assert_false(f->config.json);
}

static void
flags_win_over_environment_over_file_over_defaults(void **state)
{
    struct fixture *f = *state;
    const char *file = "workers: 3\ntask_ttl: 3ms\ntag: f1, f2, f3\n";

    assert_int_equal(parse_with_file(f, file, ""), CO_OK);
    assert_int_equal(f->config.workers, 3);
    assert_int_equal(f->config.ttl_ms, 3);
    assert_int_equal(f->config.tags.count, 3);
    assert_int_equal(setenv("COHORT_WORKERS", "4", 1), 0);
    assert_int_equal(setenv("COHORT_TAG", "e1,\"e,2\"", 1), 0);
    assert_int_equal(parse_with_file(f, file, ""), CO_OK);
    assert_int_equal(f->config.workers, 4);
    assert_int_equal(f->config.tags.count, 2);
    assert_string_equal(f->config.tags.items[1], "e,2");
    assert_int_equal(parse_with_file(f, file, "--workers 5 --tag x"), CO_OK);
    assert_int_equal(f->config.workers, 5);
    assert_int_equal(f->config.tags.count, 1);
    assert_true(co_options_given(f->options, "workers"));
}

static void
an_option_that_is_not_of_the_environment_is_not_read_from_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("COHORT_WHERE", "there", 1), 0);
    assert_int_equal(parse_with_file(f, "workers: 3\n", ""), CO_OK);
    assert_int_equal(unsetenv("COHORT_WHERE"), 0);
    assert_null(f->config.where);
    assert_int_equal(f->config.workers, 3);
}

static void
a_config_file_may_have_comments_and_quotes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_with_file(f,
                                     "---\n# comment\r\n\n"
                                     "broker: \"a \\\"b\\\" # \\\\n\" # why\n"
                                     "level: low # less\n"
                                     "json: yes\nworkers:\n",
                                     ""),
                     CO_OK);
    assert_string_equal(f->config.broker, "a \"b\" # \\n");
    assert_int_equal(f->config.level, LEVEL_LOW);
    assert_true(f->config.json);
    assert_int_equal(f->config.workers, 2);
}

static void
a_bad_line_of_the_file_is_named_by_its_number(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_with_file(f, "json: on\nworkers: 65\n", ""),
                     CO_USAGE);
    assert_says(f, "line 2");
    assert_says(f, "\"65\" is not a whole number from 1 to 64");
    assert_int_equal(parse_with_file(f, "\nwokers: 6\n", ""), CO_USAGE);
    assert_says(f, "line 2; did you mean workers?");
    assert_int_equal(parse_with_file(f, "just words\n", ""), CO_USAGE);
    assert_says(f, "line 1");
    assert_int_equal(parse_with_file(f, "broker: \"open\n", ""), CO_USAGE);
    assert_says(f, "quotes");
    assert_int_equal(parse(f, "--config /no/such/file"), CO_USAGE);
    assert_says(f, "/no/such/file");
    assert_int_equal(
        parse_with_file(f, "workers: 3\njson: on\nworkers: 4\n", ""), CO_USAGE);
    assert_says(f, "workers stands there a second time");
    assert_says(f, "line 3");
}

static void
bad_values_name_option_value_and_range(void **state)
{
    static const char *const bad[][2] = {
        {"--workers 0", "--workers: \"0\" is not a whole number from 1 to 64"},
        {"--workers -5", "\"-5\" is not a whole number"},
        {"--workers 18446744073709551616", "is not a whole number"},
        {"--workers 1x", "is not a whole number"},
        {"--workers=", "\"\" is not a whole number"},
        {"--task-ttl 5", "\"5\" is not a time from 1ms to 1m"},
        {"--task-ttl 2m", "is not a time"},
        {"--body-max 4XB", "is not a size"},
        {"--body-max 99999999999TiB", "is not a size"},
        {"--level mid", "\"mid\" is not one of low, high"},
        {"--json=maybe", "is not true or false"},
        {"-t a -t b -t c -t d", "at most 3 texts"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(parse(f, bad[i][0]), CO_USAGE);
        assert_says(f, bad[i][1]);
    }
    assert_int_equal(setenv("COHORT_TASK_TTL", "soon", 1), 0);
    assert_int_equal(parse(f, ""), CO_USAGE);
    assert_says(f, "environment (COHORT_TASK_TTL)");
}

static void
unknown_options_suggest_the_nearest(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "--worker 3"), CO_USAGE);
    assert_says(f, "unknown option --worker; did you mean --workers?");
    assert_int_equal(parse(f, "--frobnicate"), CO_USAGE);
    assert_says(f, "`cohort test --help`");
    assert_int_equal(parse(f, "-x"), CO_USAGE);
    assert_int_equal(parse(f, "--no-workers"), CO_USAGE);
    assert_int_equal(parse(f, "-jx"), CO_USAGE);
    assert_int_equal(parse(f, "--workers"), CO_USAGE);
    assert_says(f, "needs a value");
}

static void
what_is_no_option_is_an_argument(void **state)
{
    char *argv[] = {(char[]){"run"}, (char[]){"-j"}, (char[]){"--"},
                    (char[]){"--odd"}};
    struct fixture *f = *state;

    assert_int_equal(
        co_options_parse(&spec, 4, argv, &f->config, &f->options, &f->diag),
        CO_OK);
    assert_int_equal(co_options_arg_count(f->options), 1);
    assert_string_equal(co_options_arg(f->options, 0), "--odd");
    assert_int_equal(parse(f, "one two"), CO_USAGE);
    assert_says(f, "unexpected argument \"two\"");
}

static void
help_and_version_answer_without_looking_further(void **state)
{
    struct fixture *f = *state;
    const char *text;

    assert_int_equal(parse(f, "--version --nonsense"), CO_OK);
    assert_string_equal(co_options_answer_text(f->options), "cohort 9.9\n");
    assert_int_equal(parse(f, "-w 99 --help --nonsense"), CO_OK);
    text = co_options_answer_text(f->options);
    assert_non_null(strstr(text, "Usage: cohort test [OPTIONS] FILE"));
    assert_non_null(strstr(text, "  -w, --workers N "));
    assert_non_null(strstr(text, "how many; a whole number from 1 to 64 [2]"));
    assert_non_null(strstr(text, "COHORT_NAME"));
}

static void
the_printed_config_reads_back_the_same_and_keeps_secrets(void **state)
{
    struct fixture *f = *state;
    struct config *config = &f->config;
    char text[4096];

    assert_int_equal(parse_with_file(f,
                                     "broker: \"a \\\\ \\\"b\\\"\\n\"\n"
                                     "tag: \"x,y\", z # two\n",
                                     "--body-max 5000 --auth-token hidden "
                                     "--print-config"),
                     CO_OK);
    (void)snprintf(text, sizeof text, "%s", co_options_answer_text(f->options));
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "# flag"));
    assert_int_equal(parse_with_file(f, text, ""), CO_OK);
    assert_string_equal(config->broker, "a \\ \"b\"\n");
    assert_int_equal(config->body_bytes, 5000);
    assert_int_equal(config->tags.count, 2);
    assert_string_equal(config->tags.items[0], "x,y");
    assert_string_equal(config->tags.items[1], "z");
    assert_int_equal(config->ttl_ms, 5000);
}

static void
the_explained_config_names_each_option_once_and_reads_back_the_same(
    void **state)
{
    struct fixture *f = *state;
    char text[8192];

    assert_int_equal(parse_with_file(f, "broker: \"a b\"\n",
                                     "--workers 7 --auth-token hidden "
                                     "--tag x --explain-config"),
                     CO_OK);
    (void)snprintf(text, sizeof text, "%s", co_options_answer_text(f->options));
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "\n# how many\n# a whole number from 1 to "
                                 "64; default 2\nworkers: 7\n"));
    assert_non_null(strstr(text, "\n#task-ttl: 5s\n"));
    assert_non_null(strstr(text, "\n#auth-token:\n"));
    for (size_t i = 0; i < co_countof(table); i++) {
        char line[64];
        unsigned found = 0;

        for (unsigned set = 0; set < 2; set++) {
            (void)snprintf(line, sizeof line, "\n%s%s:", set ? "" : "#",
                           table[i].name);
            for (const char *at = text; (at = strstr(at, line)); at++) {
                found++;
            }
        }
        assert_int_equal(found, 1);
    }
    assert_int_equal(parse_with_file(f, text, ""), CO_OK);
    assert_string_equal(f->config.broker, "a b");
    assert_int_equal(f->config.workers, 7);
    assert_int_equal(f->config.tags.count, 1);
    assert_int_equal(f->config.ttl_ms, 5000);
    assert_null(f->config.token);
}

static void
each_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    enum co_err err = CO_NOMEM;
    int n;

    for (n = 1; err && n < 100; n++) {
        calls_left = n;
        err = parse(f, "--broker b -t a -t b -t c argument");
        if (err) assert_int_equal(err, CO_NOMEM);
        if (err) assert_null(f->options);
    }
    calls_left = -1;
    assert_int_equal(err, CO_OK);
    assert_true(n > 10); /* it did fail on the way */
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_any_source_the_defaults_stand),
        TEST(every_type_is_read_from_flags),
        TEST(a_name_has_only_characters_that_mean_nothing_elsewhere),
        TEST(flags_win_over_environment_over_file_over_defaults),
        TEST(an_option_that_is_not_of_the_environment_is_not_read_from_there),
        TEST(a_config_file_may_have_comments_and_quotes),
        TEST(a_bad_line_of_the_file_is_named_by_its_number),
        TEST(bad_values_name_option_value_and_range),
        TEST(unknown_options_suggest_the_nearest),
        TEST(what_is_no_option_is_an_argument),
        TEST(help_and_version_answer_without_looking_further),
        TEST(the_printed_config_reads_back_the_same_and_keeps_secrets),
        TEST(
            the_explained_config_names_each_option_once_and_reads_back_the_same),
        TEST(each_failing_allocation_is_reported_and_leaks_nothing),
    };
    int fd = mkstemp(file_path);
    int failed;

    if (fd < 0) return 1;
    (void)close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(file_path);
    return failed;
}
