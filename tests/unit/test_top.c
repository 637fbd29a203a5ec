/* `cohort top` without a terminal: keys, pictures of any size, what is written
 * to go from one picture to the next. */
#include "cli/terminal.h"
#include "cli/top_view.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 1000 };

struct fixture {
    struct fleet_state s;
    struct fleet_job jobs[2];
    struct fleet_queue queue;
    struct fleet_broker broker;
    struct fleet_worker workers[WORKERS];
    struct top_view view;
    struct top_screen screen;
    struct top_scene scene;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct fleet_worker *w = &f->workers[i];

        (void)snprintf(w->id, sizeof w->id, "%016x", i);
        (void)snprintf(w->name, sizeof w->name, "w-%03u", i);
        (void)snprintf(w->state, sizeof w->state, i % 2 ? "busy" : "ready");
        w->done = i;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct fleet_job *j = &f->jobs[i];

        (void)snprintf(j->id, sizeof j->id, "%016x", i);
        (void)snprintf(j->name, sizeof j->name, i ? "b\033[2Jad" : "us-adults");
        (void)snprintf(j->state, sizeof j->state, "running");
        j->accepted = 1234567;
        j->requested = 12345678901;
        j->lease = true;
    }
    (void)snprintf(f->queue.service, sizeof f->queue.service, "slow");
    (void)snprintf(f->broker.id, sizeof f->broker.id, "broker-1");
    f->s.jobs.v = f->jobs;
    f->s.jobs.n = f->s.jobs.all = 2;
    f->s.queues.v = &f->queue;
    f->s.queues.n = f->s.queues.all = 1;
    f->s.brokers.v = &f->broker;
    f->s.brokers.n = f->s.brokers.all = 1;
    f->s.workers.v = f->workers;
    f->s.workers.n = WORKERS;
    f->s.workers.all = 5000;
    f->scene = (struct top_scene){.state = &f->s,
                                  .source = "redis://h:1",
                                  .name_space = "default",
                                  .width = 100,
                                  .height = 30,
                                  .looks = PEN_COLOURS};
    top_view_init(&f->view);
    top_screen_init(&f->screen);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    top_screen_fini(&f->screen);
    free(f);
    return 0;
}

static void
draw(struct fixture *f)
{
    top_view_draw(&f->view, &f->scene, &f->screen);
}

/* The line without its styles. */
static const char *
plain(struct fixture *f, unsigned i)
{
    static char text[8192];
    const char *at = co_buf_text(&f->screen.line[i]);
    size_t n = 0;

    while (*at) {
        if (*at == '\033') {
            at += strcspn(at, "m") + 1;
        } else {
            text[n++] = *at++;
        }
    }
    text[n] = '\0';
    return text;
}

static int
line_with(struct fixture *f, const char *text)
{
    for (unsigned i = 0; i < f->screen.n; i++) {
        if (strstr(plain(f, i), text)) return (int)i;
    }
    return -1;
}

static enum top_action
key(struct fixture *f, int k)
{
    enum top_action action = top_view_key(&f->view, &f->s, k);

    draw(f);
    return action;
}

static void
a_picture_fits_whatever_the_size(void **state)
{
    struct fixture *f = *state;

    for (unsigned w = 1; w <= 220; w += w < 100 ? 1 : 20) {
        for (unsigned h = 1; h <= 60; h++) {
            f->scene.width = w;
            f->scene.height = h;
            f->view.focus = (enum top_pane)(h % TOP_PANES);
            draw(f);
            assert_int_equal(f->screen.n, h);
            for (unsigned i = 0; i < h; i++) {
                if (pen_width(plain(f, i)) > w) {
                    fail_msg("%u x %u: line %u is %s", w, h, i, plain(f, i));
                }
            }
        }
    }
}

static void
every_pane_is_there_and_the_one_in_focus_gets_the_room(void **state)
{
    struct fixture *f = *state;

    draw(f);
    assert_true(line_with(f, "> 1 Jobs") >= 0);
    assert_true(line_with(f, "2 Queues") >= 0);
    assert_true(line_with(f, "3 Workers") >= 0);
    assert_true(line_with(f, "4 Brokers") >= 0);
    assert_true(line_with(f, "w-000") >= 0);
    f->scene.height = 8; /* no room for others */
    (void)key(f, '3');
    assert_true(line_with(f, "> 3 Workers  5000, 1 to ") >= 0);
    assert_int_equal(line_with(f, "Jobs"), -1);
}

static void
a_service_shows_how_many_workers_are_wished_and_why(void **state)
{
    struct fixture *f = *state;

    f->queue.workers = 4;
    f->queue.desired = 8;
    f->queue.actual = 4;
    (void)snprintf(f->queue.reason, sizeof f->queue.reason, "up: busy");
    (void)key(f, '2');
    assert_true(line_with(f, "WORKERS  WISHED") >= 0);
    assert_true(line_with(f, "4       8") >= 0);
    assert_true(line_with(f, "slow: 8 workers wished, 4 live: up: busy") >= 0);
    f->queue.desired = FLEET_NO_RATE; /* no scaler says anything */
    draw(f);
    assert_true(line_with(f, "4       -") >= 0);
    assert_int_equal(line_with(f, "wished"), -1);
}

static void
endpoints_and_money_are_there_once_there_are_some(void **state)
{
    struct fixture *f = *state;
    struct fleet_endpoint endpoints[2] = {
        {.id = "e1",
         .provider = "main",
         .url = "http://gpu:8000/v1",
         .state = "open 20 s",
         .shut = true,
         .held = 7,
         .ceiling = 64,
         .requests = 80,
         .rpm = 100,
         .tokens = 1234,
         .tpm = FLEET_NO_RATE,
         .latency_us = 312400,
         .calls = 5000,
         .refusals = 12,
         .errors = 3},
        {.id = "e2", .provider = "main", .url = "http://b\033[2J:1/v1"}};
    struct fleet_money money[2] = {{.id = "j1",
                                    .name = "us-adults",
                                    .settled = "4.600000123456",
                                    .unknown = "0.1",
                                    .reserved = "0.02",
                                    .cap = "5",
                                    .minute = "0.25",
                                    .calls = 204},
                                   {.id = "j2",
                                    .name = "dear",
                                    .settled = "12.5",
                                    .unknown = "9223372",
                                    .cap = "9000000"}};

    f->scene.width = 160;
    f->s.workers.n = 1;
    draw(f);
    assert_int_equal(line_with(f, "5 Endpoints"), -1);
    assert_int_equal(line_with(f, "6 Money"), -1);
    (void)key(f, '5'); /* asked for, they say that there are none */
    assert_true(line_with(f, "> 5 Endpoints") >= 0);
    assert_true(line_with(f, "no worker calls an endpoint") >= 0);
    f->s.endpoints.v = endpoints;
    f->s.endpoints.n = f->s.endpoints.all = 2;
    f->s.money.v = money;
    f->s.money.n = f->s.money.all = 2;
    draw(f);
    assert_true(line_with(f, "http://gpu:8000/v1") >= 0);
    assert_true(line_with(f, "main        open 20 s        7      64       80  "
                             "    100       1,234         -    312 ms") >= 0);
    assert_true(line_with(f, "http://b?[2J:1/v1") >= 0);
    assert_true(line_with(f, "6 Money") >= 0);
    assert_true(line_with(f, "4.600000123         0.1        0.02           5  "
                             "      0.25           -         204") >= 0);
    (void)key(f, '6');
    (void)key(f, 's');
    (void)key(f, 's'); /* SETTLED: by number, not by letter */
    assert_true(line_with(f, "dear") < line_with(f, "4.600000123  "));
    assert_true(line_with(f, "dear: 12.5 settled, 9223372 unknown, of at most "
                             "9000000 USD") >= 0);
}

static void
what_names_say_cannot_reach_the_terminal(void **state)
{
    struct fixture *f = *state;

    draw(f);
    assert_true(line_with(f, "b?[2Jad") >= 0);
}

static void
the_selection_stays_on_its_row_when_rows_move(void **state)
{
    struct fixture *f = *state;
    char selected[300];

    (void)key(f, '3');
    for (int i = 0; i < 3; i++) {
        (void)key(f, 'j');
    }
    assert_int_equal(f->view.place[TOP_WORKERS].selected, 3);
    (void)snprintf(selected, sizeof selected, "%s",
                   f->view.place[TOP_WORKERS].id);
    while (f->view.place[TOP_WORKERS].sort != 7) { /* DONE: largest first */
        (void)key(f, 's');
    }
    assert_string_equal(f->view.place[TOP_WORKERS].id, selected);
    assert_int_equal(f->view.place[TOP_WORKERS].selected, WORKERS - 1 - 3);
    assert_true(line_with(f, "by DONE") >= 0);
    assert_true(line_with(f, "w-003") >= 0);
    (void)key(f, 'g');
    assert_true(line_with(f, "w-999") >= 0);
    (void)key(f, 'r');
    assert_int_equal(f->view.place[TOP_WORKERS].selected, WORKERS - 1);
    (void)key(f, TERMINAL_END);
    (void)key(f, TERMINAL_DOWN); /* there it ends */
    assert_int_equal(f->view.place[TOP_WORKERS].selected, WORKERS - 1);
    f->s.workers.n = 2; /* most are gone */
    draw(f);
    assert_int_equal(f->view.place[TOP_WORKERS].selected, 1);
    f->s.workers.n = 0;
    draw(f);
    (void)key(f, 'k');
    assert_true(line_with(f, "no worker is alive") >= 0);
}

static void
keys_act_and_others_do_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(key(f, 'x'), TOP_NOTHING);
    assert_int_equal(key(f, 'p'), TOP_REDRAW);
    assert_true(line_with(f, " paused ") >= 0);
    assert_int_equal(key(f, 'p'), TOP_REFRESH);
    assert_int_equal(key(f, '?'), TOP_REDRAW);
    assert_true(line_with(f, "quit") >= 0);
    assert_int_equal(key(f, 'q'), TOP_REDRAW); /* any key goes back */
    assert_int_equal(key(f, 'q'), TOP_QUIT);
    assert_int_equal(key(f, 3), TOP_QUIT);
    assert_int_equal(key(f, TERMINAL_QUIT), TOP_QUIT);
    for (int i = 0; i < (int)TOP_PANES; i++) {
        (void)key(f, '\t');
    }
    assert_int_equal(f->view.focus, TOP_JOBS);
}

static void
a_snapshot_is_plain_and_as_long_as_it_must_be(void **state)
{
    struct fixture *f = *state;

    f->scene.height = 0;
    f->scene.looks = PEN_NO_STYLES;
    f->s.workers.n = 300;
    draw(f);
    assert_true(f->screen.n > 300);
    assert_true(line_with(f, "w-299") >= 0);
    for (unsigned i = 0; i < f->screen.n; i++) {
        assert_null(strchr(co_buf_text(&f->screen.line[i]), '\033'));
    }
}

static void
without_a_reading_or_with_an_old_one_that_is_said(void **state)
{
    struct fixture *f = *state;

    f->scene.trouble = "old numbers: no answer";
    draw(f);
    assert_int_equal(line_with(f, "old numbers"), 1);
    assert_true(line_with(f, "us-adults") >= 0);
    f->scene.trouble = NULL;
    f->scene.state = NULL;
    draw(f);
    assert_int_equal(line_with(f, "reading"), 1);
    (void)top_view_key(&f->view, NULL, 'j');
}

static void
numbers_are_cut_to_their_column(void **state)
{
    static const struct {
        uint64_t n;
        unsigned width;
        const char *text;
    } cases[] = {
        {0, 5, "0"},
        {99999, 6, "99,999"},
        {1234567, 9, "1,234,567"},
        {1234567, 8, "1.23M"},
        {12345678901, 11, "12.3G"},
        {999999, 6, "1.00M"},
        {UINT64_MAX, 6, "18.4E"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_string_equal(pen_count(cases[i].n, cases[i].width, text),
                            cases[i].text);
        assert_true(strlen(text) <= cases[i].width);
    }
}

static void
widths_count_columns_not_bytes(void **state)
{
    struct co_buf out;
    struct pen pen;

    (void)state;
    assert_int_equal(pen_width("abc"), 3);
    assert_int_equal(pen_width("Z\xc3\xbcrich"), 6);
    assert_int_equal(pen_width("\xe6\x9d\xb1\xe4\xba\xac"), 4);
    assert_int_equal(pen_width("e\xcc\x81"), 1);
    assert_int_equal(pen_width("\xff\xc3"), 2); /* no UTF-8: a byte each */
    co_buf_init(&out, 100);
    pen_begin(&pen, &out, 10, PEN_NO_STYLES);
    pen_cell(&pen, "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1", 4, false);
    pen_cell(&pen, "7", 3, true);
    pen_text(&pen, "more than fits");
    assert_string_equal(co_buf_text(&out), "\xe6\x9d\xb1~   7mor");
    co_buf_fini(&out);
}

static void
keys_are_read_in_all_their_forms(void **state)
{
    static const struct {
        const char *text;
        size_t len, used;
        int key;
    } cases[] = {
        {"", 0, 0, TERMINAL_NONE},
        {"q", 1, 1, 'q'},
        {"\033[A", 3, 3, TERMINAL_UP},
        {"\033OB", 3, 3, TERMINAL_DOWN},
        {"\033[6~", 4, 4, TERMINAL_PAGE_DOWN},
        {"\033", 1, 1, TERMINAL_ESCAPE},
        {"\033q", 2, 1, TERMINAL_ESCAPE},
        {"\033[1;5Aq", 7, 6, TERMINAL_NONE},
        {"\033[", 2, 2, TERMINAL_NONE},
    };
    size_t used;

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_int_equal(terminal_decode((const unsigned char *)cases[i].text,
                                         cases[i].len, &used),
                         cases[i].key);
        assert_int_equal(used, cases[i].used);
    }
}

static void
only_lines_that_changed_are_written(void **state)
{
    const char *before[] = {"one", "two", "three"};
    const char *now[] = {"one", "2", "three"};
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1000);
    terminal_diff(before, now, 3, &out);
    assert_string_equal(co_buf_text(&out), "\033[2;1H2\033[0m\033[K");
    co_buf_clear(&out);
    terminal_diff(now, now, 3, &out);
    assert_int_equal(out.len, 0);
    terminal_diff(NULL, now, 3, &out); /* unknown: all of it */
    assert_non_null(strstr(co_buf_text(&out), "\033[2J"));
    assert_non_null(strstr(co_buf_text(&out), "three"));
    co_buf_fini(&out);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_picture_fits_whatever_the_size),
        TEST(every_pane_is_there_and_the_one_in_focus_gets_the_room),
        TEST(a_service_shows_how_many_workers_are_wished_and_why),
        TEST(endpoints_and_money_are_there_once_there_are_some),
        TEST(what_names_say_cannot_reach_the_terminal),
        TEST(the_selection_stays_on_its_row_when_rows_move),
        TEST(keys_act_and_others_do_nothing),
        TEST(a_snapshot_is_plain_and_as_long_as_it_must_be),
        TEST(without_a_reading_or_with_an_old_one_that_is_said),
        cmocka_unit_test(numbers_are_cut_to_their_column),
        cmocka_unit_test(widths_count_columns_not_bytes),
        cmocka_unit_test(keys_are_read_in_all_their_forms),
        cmocka_unit_test(only_lines_that_changed_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
