/* conduct.c - see conduct.h. The loop waits for a report, a signal (SIGCHLD is
 * one), or the next start of something; nothing else moves here. */
#include "cli/conduct.h"

#include "cli/commands.h"
#include "common/clock.h"
#include "common/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 1 << 20, /* of one report */
    WAIT_MAX_MS = 1000,
    SILENT_MS = 5000,     /* no broker answers for so long: say so */
    CALM_MS = 60000,      /* a coordinator that lived so long counts as new */
    SAY_AGAIN_MS = 30000, /* and again this often */
    /* timeout(1) and terminals signal the process and its group: one stop. */
    SAME_STOP_MS = 300,
    STOP_PATIENCE_MS = 10000, /* for a coordinator to commit and end */
    STOP_PAID_MS = 65000,     /* and for calls that are out, too */
};

struct loop {
    struct conduct *c;
    struct co_buf in;  /* of the status pipe, up to a line break */
    int64_t silent_ms; /* since when no broker is attached; 0: one is */
    int64_t next_say_ms;
    bool told_unrecorded;
};

/* Said when it begins, and not only in a worker's log: whoever records wants
 * to play the run. It goes on all the same: its answers are paid for, and its
 * rows are as good. */
static void
watch_records(struct loop *l, const struct status_line *line)
{
    if (l->told_unrecorded || !line->money.unrecorded) return;
    l->told_unrecorded = true;
    progress_notice(
        l->c->progress,
        "answers can no longer be written to the file of "
        "`record:` (the workers' logs say why, provider.record_failed): the "
        "run goes on without, and the file will not play all of "
        "it");
}

/* "No broker is attached" is the coordinator's word; the endpoint is ours. */
static void
watch_silence(struct loop *l, const struct status_line *line, int64_t now_ms)
{
    struct conduct *c = l->c;
    char text[1024];

    if (!c->unanswered || line->end || !strstr(line->why, "no broker")) {
        if (l->next_say_ms && strcmp(line->state, "running") == 0) {
            progress_notice(c->progress, "a broker answers now");
        }
        l->silent_ms = l->next_say_ms = 0;
        return;
    }
    if (!l->silent_ms) {
        l->silent_ms = now_ms;
        l->next_say_ms = 0;
    }
    if (now_ms - l->silent_ms < SILENT_MS || now_ms < l->next_say_ms) return;
    l->next_say_ms = now_ms + SAY_AGAIN_MS;
    (void)snprintf(text, sizeof text,
                   "no broker answers at %s for %lld s; is cohort-broker "
                   "running there? (--broker takes its front endpoint.) %s"
                   "Waiting; ^C stops",
                   c->unanswered, (long long)((now_ms - l->silent_ms) / 1000),
                   c->keyed ? "Does it know this key? (Its log names keys "
                              "that it does not let in.) "
                            : "");
    progress_notice(c->progress, text);
}

static void
take_line(struct loop *l, const char *text, size_t len, int64_t now_ms)
{
    struct conduct *c = l->c;
    struct status_line line;

    if (status_line_parse(text, len, &line)) return; /* a newer program's */
    watch_silence(l, &line, now_ms);
    watch_records(l, &line);
    progress_show(c->progress, &line, text, len, now_ms);
    if (c->report) c->report(c->arg, &line);
    status_line_fini(&c->last);
    c->last = line;
}

/* Everything that stands in the pipe. */
static void
read_reports(struct loop *l, int64_t now_ms)
{
    int fd = fleet_status_fd(l->c->fleet);

    for (;;) {
        uint8_t *room = co_buf_reserve(&l->in, 1 << 16);
        ssize_t n = room ? read(fd, room, 1 << 16) : -1;
        char *start = (char *)l->in.data, *end;

        if (!room) co_buf_clear(&l->in); /* a line of a megabyte: not ours */
        if (n <= 0) return;
        co_buf_commit(&l->in, (size_t)n);
        while (
            (end = memchr(start, '\n',
                          l->in.len - (size_t)(start - (char *)l->in.data)))) {
            take_line(l, start, (size_t)(end - start), now_ms);
            start = end + 1;
        }
        l->in.len -= (size_t)(start - (char *)l->in.data);
        memmove(l->in.data, start, l->in.len);
    }
}

static void
on_stop(struct conduct *c)
{
    struct child *coordinator = fleet_coordinator(c->fleet);

    int64_t now_ms = co_clock_ms();

    if (!c->stop_asked) {
        c->stop_asked = true;
        c->stop_ms = now_ms;
        progress_notice(c->progress,
                        c->last.money.is_there
                            ? "stopping: calls that are out are waited for, "
                              "as they are paid (again: stop at once)"
                            : "stopping: what is done is written first "
                              "(again: stop at once)");
        child_signal(coordinator, SIGTERM);
    } else if (now_ms - c->stop_ms >= SAME_STOP_MS) {
        c->kill_asked = true;
        child_signal(coordinator, SIGKILL);
    }
}

static void
read_signals(struct conduct *c)
{
    int signum;

    while ((signum = co_signals_next(c->signal_fd)) != 0) {
        if (signum != SIGCHLD) on_stop(c);
    }
    if (c->stop_asked && !c->kill_asked &&
        co_clock_ms() - c->stop_ms >
            (c->last.money.is_there ? STOP_PAID_MS : STOP_PATIENCE_MS)) {
        progress_notice(c->progress, "the coordinator does not answer: it is "
                                     "stopped at once");
        on_stop(c);
    }
}

static int64_t
wait_ms(const struct conduct *c, int64_t now_ms)
{
    int64_t due = fleet_due_ms(c->fleet);

    if (due <= now_ms) return 0;
    return (int64_t)co_min_u64((uint64_t)(due - now_ms), WAIT_MAX_MS);
}

/* A coordinator that was killed goes on where its journal ends. */
static bool
start_again(struct loop *l)
{
    struct conduct *c = l->c;
    struct child *coordinator = fleet_coordinator(c->fleet);
    struct co_diag diag = {""};
    char how[80], text[1200];

    if (co_clock_ms() - coordinator->started_ms > CALM_MS) {
        coordinator->starts = 1;
    }
    if (!coordinator->last_exit.signal || c->stop_asked || c->broken ||
        coordinator->starts > c->restart_max) {
        return false;
    }
    child_exit_text(coordinator, how, sizeof how);
    (void)snprintf(text, sizeof text,
                   "the coordinator %s: starting it again, it goes on where "
                   "its journal ends",
                   how);
    progress_notice(c->progress, text);
    c->restarted = true;
    co_buf_clear(&l->in); /* half a line of the dead one */
    /* The workers outlived it, and their calls may be answered. */
    child_arg_swap(coordinator, "--no-late-answers", "--late-answers");
    if (fleet_start_coordinator(c->fleet, &diag) == CO_OK) return true;
    progress_notice(c->progress, diag.text);
    return false;
}

/* One turn; false when the coordinator is gone for good. */
static bool
turn(struct loop *l)
{
    struct conduct *c = l->c;
    struct child *coordinator = fleet_coordinator(c->fleet);
    struct pollfd fds[] = {
        {.fd = fleet_status_fd(c->fleet), .events = POLLIN},
        {.fd = c->signal_fd, .events = POLLIN},
    };
    int64_t now_ms = co_clock_ms();

    (void)poll(fds, co_countof(fds), (int)wait_ms(c, now_ms));
    now_ms = co_clock_ms();
    read_signals(c);
    fleet_tend(c->fleet, now_ms);
    read_reports(l, now_ms); /* after the reaping: its last words are there */
    if (fleet_broken(c->fleet) && !c->broken) {
        c->broken = true;
        child_signal(coordinator, SIGTERM);
    }
    return coordinator->pid != 0 || start_again(l);
}

/* The exit code, and a word about an end that the coordinator did not tell. */
static int
judge(struct conduct *c)
{
    const struct child *coordinator = fleet_coordinator(c->fleet);
    char how[80], words[400], text[1000];

    if (c->kill_asked) {
        progress_notice(c->progress, "stopped at once; what was committed is "
                                     "safe: run the same command to go on");
        return CLI_PARTIAL;
    }
    if (c->broken) {
        (void)snprintf(text, sizeof text,
                       "%s: gave up. Nothing committed is lost; run the same "
                       "command to go on",
                       fleet_broken(c->fleet));
        progress_notice(c->progress, text);
        return CLI_FAILED;
    }
    if (c->last.end && !coordinator->last_exit.signal) {
        return coordinator->last_exit.code;
    }
    child_exit_text(coordinator, how, sizeof how);
    if (coordinator->last_exit.signal) {
        (void)snprintf(text, sizeof text,
                       "the coordinator %s%s. Nothing committed is lost; run "
                       "the same command to go on",
                       how, c->restart_max ? ", again and again: gave up" : "");
        progress_notice(c->progress, text);
        return CLI_FAILED;
    }
    fleet_last_words(c->fleet, words, sizeof words);
    (void)snprintf(text, sizeof text, "the coordinator %s%s%s", how,
                   words[0] ? ": " : "", words);
    progress_notice(c->progress, text);
    return coordinator->last_exit.code == CLI_USAGE ? CLI_USAGE : CLI_FAILED;
}

int
conduct_run(struct conduct *c)
{
    struct loop l = {.c = c};
    int exit_code;

    co_buf_init(&l.in, LINE_BYTES_MAX);
    while (turn(&l)) {
        continue;
    }
    progress_end(c->progress);
    exit_code = judge(c);
    co_buf_fini(&l.in);
    return exit_code;
}

void
conduct_fini(struct conduct *c)
{
    status_line_fini(&c->last);
}
