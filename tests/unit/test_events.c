/* Entries of the event stream as lines, and the times and ids beside them. */
#include "cli/events_line.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 20 };

/* An entry as Redis answers it, made of texts. */
struct entry {
    struct co_redis_reply root, parts[2], fields[FIELDS_MAX];
};

static struct co_redis_reply
text_reply(const char *text)
{
    return (struct co_redis_reply){.type = CO_REDIS_TEXT,
                                   .len = strlen(text),
                                   .text = (char *)(uintptr_t)text};
}

static void
make(struct entry *e, const char *const *fields, size_t n)
{
    *e = (struct entry){.root = {.type = CO_REDIS_ARRAY, .count = 2}};
    e->root.elements = e->parts;
    e->parts[0] = text_reply("1795917826386-4");
    e->parts[1] = (struct co_redis_reply){
        .type = CO_REDIS_ARRAY, .count = n, .elements = e->fields};
    for (size_t i = 0; i < n; i++) {
        e->fields[i] = text_reply(fields[i]);
    }
}

static const char *const worker[] = {
    "time_ms", "1795917826298", "kind", "worker", "id",     "09e74e14f5b39ce3",
    "name",    "vm-9653",       "job",  "",       "from",   "joined",
    "to",      "ready",         "why",  "credit", "broker", "vm-9646"};
static const char *const job[] = {"time_ms", "1795917826093",
                                  "kind",    "job",
                                  "id",      "aa",
                                  "name",    "us",
                                  "job",     "00000000000000AA",
                                  "from",    "a",
                                  "to",      "b\033[2Jc",
                                  "why",     ""};

static void
a_line_says_when_who_and_what(void **state)
{
    struct entry e;
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 4096);
    make(&e, worker, co_countof(worker));
    events_line_text(&e.root, &out);
    assert_string_equal(co_buf_text(&out),
                        "2026-11-29T02:03:46.298Z  worker  vm-9653            "
                        "  joined -> ready        credit [vm-9646]\n");
    co_buf_clear(&out);
    make(&e, job, co_countof(job));
    events_line_text(&e.root, &out);
    assert_string_equal(co_buf_text(&out),
                        "2026-11-29T02:03:46.093Z  job     us                 "
                        "  a -> b?[2Jc\n");
    co_buf_fini(&out);
}

static void
json_has_every_field_also_unknown_ones(void **state)
{
    static const char *const fields[] = {"time_ms", "7", "kind", "new",
                                         "attempt", "2", "x",    "\"y\""};
    struct entry e;
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 4096);
    make(&e, fields, co_countof(fields));
    events_line_json(&e.root, &out);
    assert_string_equal(co_buf_text(&out),
                        "{\"entry\":\"1795917826386-4\",\"time_ms\":7,"
                        "\"kind\":\"new\",\"attempt\":2,\"x\":\"\\\"y\\\"\"}"
                        "\n");
    co_buf_fini(&out);
}

static void
entries_are_picked_by_job_and_kind(void **state)
{
    const char *const kinds[] = {"owner", "job"};
    struct events_filter filter = {0};
    struct entry w, j, broken = {.root = {.type = CO_REDIS_NIL}};

    (void)state;
    make(&w, worker, co_countof(worker));
    make(&j, job, co_countof(job));
    assert_true(events_line_wanted(&w.root, &filter));
    assert_false(events_line_wanted(&broken.root, &filter));
    filter.kinds = kinds;
    filter.kind_count = 2;
    assert_false(events_line_wanted(&w.root, &filter));
    assert_true(events_line_wanted(&j.root, &filter));
    filter.job = "00000000000000aa"; /* either case */
    assert_true(events_line_wanted(&j.root, &filter));
    filter.job = "00000000000000bb";
    assert_false(events_line_wanted(&j.root, &filter));
}

static void
ids_are_compared_as_numbers(void **state)
{
    struct events_id a, b;

    (void)state;
    assert_true(events_id_parse("999-9", &a));
    assert_true(events_id_parse("1000-1", &b));
    assert_true(events_id_compare(a, b) < 0);
    assert_true(events_id_parse("1000-10", &a));
    assert_true(events_id_compare(a, b) > 0);
    assert_true(events_id_parse("1000-01", &a));
    assert_int_equal(events_id_compare(a, b), 0);
    assert_true(events_id_parse("5", &a));
    assert_int_equal(a.seq, 0);
    assert_false(events_id_parse("", &a));
    assert_false(events_id_parse("5-", &a));
    assert_false(events_id_parse("-5", &a));
    assert_false(events_id_parse("99999999999999999999999-1", &a));
}

static void
since_is_a_time_ago_or_a_moment(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"90s", 1000000000000 - 90000},
        {"15m", 1000000000000 - 900000},
        {"2h", 1000000000000 - 7200000},
        {"1d", 1000000000000 - 86400000},
        {"1000000d", 0},
        {"2001-09-09", 999993600000},
        {"2001-09-09T01:46:40Z", 1000000000000},
        {"2001-09-09T01:46Z", 999999960000},
        {"", -1},
        {"0s", -1},
        {"5", -1},
        {"5w", -1},
        {"-5m", -1},
        {"yesterday", -1},
        {"2001-09-09T01:46:40", -1},
        {"2001-13-09", -1},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        struct co_diag diag;
        int64_t ms = -1;
        enum co_err err =
            events_since(cases[i].text, 1000000000000, &ms, &diag);

        assert_int_equal(err, cases[i].ms < 0 ? CO_USAGE : CO_OK);
        assert_int_equal(ms, cases[i].ms);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_when_who_and_what),
        cmocka_unit_test(json_has_every_field_also_unknown_ones),
        cmocka_unit_test(entries_are_picked_by_job_and_kind),
        cmocka_unit_test(ids_are_compared_as_numbers),
        cmocka_unit_test(since_is_a_time_ago_or_a_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
