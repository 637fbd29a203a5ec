/* Progress: what a line says, that it fits, what the summary and the ledger
 * check make of the coordinator's reports. */
#include "cli/progress.h"
#include "cli/say.h"
#include "cli/summary.h"
#include "tests/co_test.h"

#include <string.h>

#define RUNNING                                                                \
    "{\"event\":\"progress\",\"state\":\"running\",\"elapsed_ms\":4000,"       \
    "\"requested\":10000,\"drawn\":7000,\"accepted\":6300,\"rejected\":600,"   \
    "\"dead\":1,\"surplus\":0,\"pending\":99,\"rows_per_s\":1575,\"eta_s\":2," \
    "\"out\":4,\"why\":\"no broker is attached\"}"

static struct status_line
given(const char *text)
{
    struct status_line line;

    assert_int_equal(status_line_parse(text, strlen(text), &line), CO_OK);
    return line;
}

static const char *
shown(unsigned width, bool stalled)
{
    static char text[1024];
    struct status_line line = given(RUNNING);
    struct co_buf out;

    co_buf_init(&out, sizeof text - 1);
    progress_line(&line, width, stalled, &out);
    (void)snprintf(text, sizeof text, "%s", co_buf_text(&out));
    co_buf_fini(&out);
    status_line_fini(&line);
    return text;
}

static void
a_line_says_how_far_how_fast_and_how_long(void **state)
{
    (void)state;
    assert_string_equal(shown(100, false),
                        "[#############---------]  63 %  6,300 of 10,000 rows  "
                        "1,575 rows/s  ETA 2.0 s  1 dead  600 rejected");
}

static void
a_line_is_shorter_than_the_terminal_at_every_width(void **state)
{
    (void)state;
    for (unsigned width = 0; width <= 300; width++) {
        assert_true(strlen(shown(width, false)) < (width ? width : 1));
        assert_true(strlen(shown(width, true)) < (width ? width : 1));
    }
}

static void
no_terminal_obeys_what_an_endpoint_said(void **state)
{
    struct status_line line =
        given("{\"event\":\"progress\",\"state\":\"running\","
              "\"requested\":10,\"drawn\":7,\"accepted\":7,\"rejected\":0,"
              "\"dead\":0,\"surplus\":0,\"pending\":0,\"elapsed_ms\":1,"
              "\"why\":\"\\u001b[2Jno\\r\\nmoney \\u202eor\\ufeff\"}");
    struct status_line end =
        given("{\"event\":\"end\",\"state\":\"stopped\",\"exit\":3,"
              "\"text\":\"it said \\u001b]0;x\\u0007\\nok\"}");
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 4096);
    progress_plain(&line, true, &out);
    assert_non_null(strstr(co_buf_text(&out), "waiting: ?[2Jno??money ???or"));
    co_buf_clear(&out);
    progress_line(&line, 200, true, &out);
    assert_non_null(strstr(co_buf_text(&out), "waiting: ?[2Jno??money ???or"));
    co_buf_clear(&out);
    summary_write(&end, "out", 0, &out);
    assert_string_equal(co_buf_text(&out), "it said ?]0;x??ok\n");
    co_buf_fini(&out);
    status_line_fini(&line);
    status_line_fini(&end);
}

static void
a_narrow_terminal_loses_the_least_worthy_first(void **state)
{
    (void)state;
    assert_string_equal(shown(30, false), " 63 %  6,300 of 10,000 rows");
    assert_string_equal(shown(12, false), " 63 %");
}

static void
a_run_that_does_not_move_says_why(void **state)
{
    (void)state;
    assert_non_null(strstr(shown(100, true), "waiting: no broker is attached"));
    assert_null(strstr(shown(100, true), "rows/s"));
}

static void
a_reason_that_is_too_long_is_cut_not_left_out(void **state)
{
    (void)state;
    assert_string_equal(
        shown(58, true),
        " 63 %  6,300 of 10,000 rows  waiting: no broker is att...");
    assert_string_equal(shown(50, true), " 63 %  6,300 of 10,000 rows");
}

#define MONEY                                                                  \
    "\"money\":{\"cap_usd\":\"5\",\"settled_usd\":\"1.25\",\"unknown_usd\":"   \
    "\"0.000001\",\"reserved_usd\":\"0\",\"row_usd\":\"0.0125\",\"calls\":"    \
    "1204,"                                                                    \
    "\"lost\":1,\"input_tokens\":123456,\"cached_tokens\":7,"                  \
    "\"output_tokens\":98765,\"written\":77}"

static void
a_paid_run_says_what_it_spent(void **state)
{
    struct status_line line =
        given("{\"event\":\"progress\",\"drawn\":1," MONEY "}");
    struct money_line broken_off;
    struct co_buf out;
    struct co_json json;

    (void)state;
    co_buf_init(&out, 1000);
    progress_plain(&line, false, &out);
    assert_non_null(strstr(co_buf_text(&out),
                           ", 1.250001 of 5 USD (0.000001 of it unknown), "
                           "1,204 calls"));
    assert_non_null(strstr(co_buf_text(&out), "rows (77 written), "));
    co_buf_clear(&out);
    money_line_say(&line.money, true, &out);
    assert_string_equal(co_buf_text(&out),
                        "1.250001 of 5 USD (0.000001 of it unknown), 0.0125 a "
                        "row; 1,204 calls, tokens: 123,456 in (7 of them "
                        "cached), 98,765 out; 1 call was lost");
    co_buf_clear(&out);
    broken_off = line.money;
    broken_off.reserved = 38520000000;
    money_line_say(&broken_off, true, &out);
    assert_non_null(strstr(co_buf_text(&out),
                           "unknown), 0.03852 more for calls that are out, "));
    co_buf_clear(&out);
    co_json_init(&json, &out);
    co_json_object(&json);
    money_line_put(&line.money, &json);
    co_json_end(&json);
    assert_string_equal(co_buf_text(&out), "{" MONEY "}");
    co_buf_fini(&out);
    status_line_fini(&line);
}

static void
a_price_that_nobody_knows_is_said(void **state)
{
    struct status_line line = given(
        "{\"event\":\"end\",\"drawn\":1,\"money\":{\"calls\":2,\"lost\":0,"
        "\"input_tokens\":10,\"cached_tokens\":0,\"output_tokens\":20}}");
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1000);
    money_line_say(&line.money, true, &out);
    assert_string_equal(co_buf_text(&out),
                        "price unknown; 2 calls, tokens: 10 in (0 of them "
                        "cached), 20 out");
    co_buf_fini(&out);
    status_line_fini(&line);
}

static void
a_plain_line_says_the_same(void **state)
{
    struct status_line line = given(RUNNING);
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1000);
    progress_plain(&line, false, &out);
    assert_string_equal(co_buf_text(&out),
                        "63 %, 6,300 of 10,000 rows, 1,575 rows/s, ETA 2.0 s, "
                        "1 dead, 600 rejected");
    co_buf_fini(&out);
    status_line_fini(&line);
}

static void
hundred_per_cent_is_shown_only_when_all_rows_are_there(void **state)
{
    struct status_line line = given(RUNNING);
    struct co_buf out;

    (void)state;
    line.accepted = line.requested - 1;
    co_buf_init(&out, 1000);
    progress_plain(&line, false, &out);
    assert_memory_equal(co_buf_text(&out), "99 %", 4);
    co_buf_clear(&out);
    line.requested = line.accepted = UINT64_MAX - 7;
    progress_plain(&line, false, &out);
    assert_memory_equal(co_buf_text(&out), "100 %", 5);
    co_buf_clear(&out);
    line.accepted /= 2;
    progress_plain(&line, false, &out);
    assert_memory_equal(co_buf_text(&out), "49 %", 4);
    co_buf_fini(&out);
    status_line_fini(&line);
}

static void
what_is_no_report_is_refused(void **state)
{
    static const char *const bad[] = {
        "",   "{",     "[]", "null", "{\"event\":\"tea\"}", "{\"event\":7}",
        "{}", "warn x"};
    struct status_line line;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(status_line_parse(bad[i], strlen(bad[i]), &line),
                         CO_PROTOCOL);
        assert_null(line.root);
    }
}

static void
numbers_of_a_wrong_kind_read_as_nothing(void **state)
{
    struct status_line line = given("{\"event\":\"end\",\"exit\":3,"
                                    "\"accepted\":-5,\"drawn\":\"many\"}");

    (void)state;
    assert_true(line.end);
    assert_int_equal(line.exit, 3);
    assert_false(line.has_ledger);
    assert_int_equal(line.accepted, 0);
    status_line_fini(&line);
}

static void
a_ledger_that_does_not_add_up_is_told(void **state)
{
    struct status_line line = given(RUNNING);
    struct co_diag diag = {""};

    (void)state;
    line.exit = 3;
    assert_true(status_line_ledger_holds(&line, &diag));
    line.drawn++;
    assert_false(status_line_ledger_holds(&line, &diag));
    assert_non_null(strstr(diag.text, "7001 candidates drawn"));
    status_line_fini(&line);
}

static void
exit_0_with_rows_missing_is_a_broken_ledger(void **state)
{
    struct status_line line = given(RUNNING);
    struct co_diag diag = {""};

    (void)state;
    line.exit = 0;
    assert_false(status_line_ledger_holds(&line, &diag));
    line.requested = line.accepted;
    assert_true(status_line_ledger_holds(&line, &diag));
    line.requested--;
    line.exit = 3;
    assert_false(status_line_ledger_holds(&line, &diag));
    status_line_fini(&line);
}

static const char *
summary(const char *text, uint64_t before)
{
    static char shown_text[4096];
    struct status_line line = given(text);
    struct co_buf out;

    co_buf_init(&out, sizeof shown_text - 1);
    summary_write(&line, "out/x", before, &out);
    (void)snprintf(shown_text, sizeof shown_text, "%s", co_buf_text(&out));
    co_buf_fini(&out);
    status_line_fini(&line);
    return shown_text;
}

#define END(exit, text)                                                        \
    "{\"event\":\"end\",\"state\":\"failed\",\"elapsed_ms\":2000,"             \
    "\"exit\":" exit ",\"text\":\"" text                                       \
    "\",\"requested\":1000,\"drawn\":1200,"                                    \
    "\"accepted\":1000,\"rejected\":150,\"dead\":20,\"surplus\":30,"           \
    "\"pending\":0,\"result\":{\"rows\":1000,\"bytes\":2500,"                  \
    "\"raw_bytes\":12000,\"shards\":1}}"

static void
the_summary_shows_the_ledger_files_and_time(void **state)
{
    (void)state;
    assert_string_equal(
        summary(END("0", "all rows are written"), 0),
        "1,000 of 1,000 rows, all rows are written\n"
        "  ledger  1,200 drawn = 1,000 accepted + 150 rejected + 20 dead + 30 "
        "surplus + 0 pending\n"
        "  files   1 file, 2.5 kB (12.0 kB of JSON)\n"
        "  time    2.0 s, 500 rows/s\n"
        "  look    out/x: part-*.jsonl.zst (zstdcat reads them), "
        "README.md, report.json\n");
}

static void
rows_of_earlier_runs_do_not_count_as_speed(void **state)
{
    (void)state;
    assert_non_null(strstr(summary(END("0", "all rows are written"), 600),
                           "2.0 s, 200 rows/s (the rest is of earlier runs)"));
}

static void
an_end_without_ledger_is_its_text(void **state)
{
    (void)state;
    assert_string_equal(
        summary("{\"event\":\"end\",\"exit\":0,\"text\":\"finished\"}", 0),
        "finished\n");
}

static void
a_failed_run_does_not_say_its_error_twice(void **state)
{
    (void)state;
    assert_memory_equal(summary(END("1", "the disk is full"), 0),
                        "1,000 of 1,000 rows, failed\n", 27);
}

static const char *
said(void (*say)(struct co_buf *out, uint64_t n), uint64_t n)
{
    static char text[64];
    struct co_buf out;

    co_buf_init(&out, sizeof text - 1);
    say(&out, n);
    (void)snprintf(text, sizeof text, "%s", co_buf_text(&out));
    co_buf_fini(&out);
    return text;
}

static void
numbers_are_written_for_people(void **state)
{
    (void)state;
    assert_string_equal(said(say_count, 0), "0");
    assert_string_equal(said(say_count, 999), "999");
    assert_string_equal(said(say_count, 1000), "1,000");
    assert_string_equal(said(say_count, UINT64_MAX),
                        "18,446,744,073,709,551,615");
    assert_string_equal(said(say_bytes, 999), "999 B");
    assert_string_equal(said(say_bytes, 1000), "1.0 kB");
    assert_string_equal(said(say_bytes, 999999), "999.9 kB");
    assert_string_equal(said(say_bytes, UINT64_MAX), "18.4 EB");
    assert_string_equal(said(say_duration, 0), "0.0 s");
    assert_string_equal(said(say_duration, 9999), "9.9 s");
    assert_string_equal(said(say_duration, 59999), "59 s");
    assert_string_equal(said(say_duration, 185000), "3 min 05 s");
    assert_string_equal(said(say_duration, 7620000), "2 h 07 min");
    assert_string_equal(said(say_duration, 187200000), "2 d 04 h");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_how_far_how_fast_and_how_long),
        cmocka_unit_test(a_line_is_shorter_than_the_terminal_at_every_width),
        cmocka_unit_test(a_narrow_terminal_loses_the_least_worthy_first),
        cmocka_unit_test(no_terminal_obeys_what_an_endpoint_said),
        cmocka_unit_test(a_run_that_does_not_move_says_why),
        cmocka_unit_test(a_reason_that_is_too_long_is_cut_not_left_out),
        cmocka_unit_test(a_paid_run_says_what_it_spent),
        cmocka_unit_test(a_price_that_nobody_knows_is_said),
        cmocka_unit_test(a_plain_line_says_the_same),
        cmocka_unit_test(
            hundred_per_cent_is_shown_only_when_all_rows_are_there),
        cmocka_unit_test(what_is_no_report_is_refused),
        cmocka_unit_test(numbers_of_a_wrong_kind_read_as_nothing),
        cmocka_unit_test(a_ledger_that_does_not_add_up_is_told),
        cmocka_unit_test(exit_0_with_rows_missing_is_a_broken_ledger),
        cmocka_unit_test(the_summary_shows_the_ledger_files_and_time),
        cmocka_unit_test(rows_of_earlier_runs_do_not_count_as_speed),
        cmocka_unit_test(an_end_without_ledger_is_its_text),
        cmocka_unit_test(a_failed_run_does_not_say_its_error_twice),
        cmocka_unit_test(numbers_are_written_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
