/* progress.c - see progress.h.
 * The terminal's line is built from parts in order of worth; what does not
 * fit is left out from the end, and the bar takes the room that remains. No
 * library for terminals: carriage return and "erase to the end" are all. */
#include "cli/progress.h"

#include "cli/say.h"
#include "common/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 2048,
    NOTICE_BYTES_MAX = 1 << 14,
    WIDTH_DEFAULT = 80,
    BAR_MIN = 8,
    BAR_MAX = 40,
    REASON_MIN = 24, /* columns: less of it says nothing */
    PARTS_MAX = 8,
    PART_SIZE = 200,
};

static const char waiting[] = "waiting: ";

/* ---- pure ---- */

/* Per mille, rounded down: 1000 only when everything is there. */
static unsigned
share(const struct status_line *line)
{
    uint64_t of = line->requested, n = line->accepted;

    if (of == 0) return 0;
    if (n >= of) return 1000;
    return (unsigned)(n > UINT64_MAX / 1000 ? n / (of / 1000 + 1)
                                            : n * 1000 / of);
}

struct parts {
    char text[PARTS_MAX][PART_SIZE];
    size_t count;
};

static void
part_end(struct parts *parts, struct co_buf *buf)
{
    if (buf->len && parts->count < PARTS_MAX) {
        say_clean((char *)buf->data, buf->len);
        (void)snprintf(parts->text[parts->count++], PART_SIZE, "%s",
                       co_buf_text(buf));
    }
    co_buf_clear(buf);
}

static void
part_count(struct parts *parts, struct co_buf *buf, uint64_t n,
           const char *what)
{
    if (!n) return;
    say_count(buf, n);
    co_buf_printf(buf, " %s", what);
    part_end(parts, buf);
}

/* What is worth saying, best first. Reasons quote what endpoints said. */
static void
make_parts(const struct status_line *line, bool stalled, struct parts *parts)
{
    co_auto(co_buf_fini) struct co_buf buf;

    co_buf_init(&buf, LINE_BYTES_MAX);
    parts->count = 0;
    say_count(&buf, line->accepted);
    co_buf_puts(&buf, " of ");
    say_count(&buf, line->requested);
    co_buf_puts(&buf, " rows");
    if (line->money.written > line->accepted) {
        co_buf_puts(&buf, " (");
        say_count(&buf, line->money.written);
        co_buf_puts(&buf, " written)");
    }
    part_end(parts, &buf);
    if (stalled && line->why[0]) {
        co_buf_printf(&buf, "%s%s", waiting, line->why);
        part_end(parts, &buf);
    } else {
        say_count(&buf, line->rows_per_s);
        co_buf_puts(&buf, " rows/s");
        part_end(parts, &buf);
        if (line->rows_per_s && line->accepted < line->requested) {
            co_buf_puts(&buf, "ETA ");
            say_duration(&buf, line->eta_s * 1000);
            part_end(parts, &buf);
        }
    }
    if (line->money.is_there) {
        money_line_say(&line->money, false, &buf);
        part_end(parts, &buf);
    }
    part_count(parts, &buf, line->dead, "dead");
    part_count(parts, &buf, line->rejected, "rejected");
}

static void
put_bar(unsigned per_mille, size_t width, struct co_buf *out)
{
    size_t full = width * per_mille / 1000;

    co_buf_putc(out, '[');
    for (size_t i = 0; i < width; i++) {
        co_buf_putc(out, i < full ? '#' : '-');
    }
    co_buf_puts(out, "] ");
}

/* What it waits for is worth more than the rest of the line: cut, it still says
 * which endpoint. */
static void
cut_reason(struct parts *parts, size_t room)
{
    char *text = parts->text[1];

    if (parts->count < 2 || strncmp(text, waiting, strlen(waiting)) != 0 ||
        strlen(text) <= room || room < REASON_MIN) {
        return;
    }
    room = co_utf8_cut((const uint8_t *)text, strlen(text), room - 3);
    (void)snprintf(text + room, PART_SIZE - room, "...");
}

void
progress_line(const struct status_line *line, unsigned width, bool stalled,
              struct co_buf *out)
{
    size_t room = co_clamp_u64(width, 1, PROGRESS_WIDTH_MAX) - 1;
    struct parts parts;
    char percent[16];
    size_t used, n = 0;

    make_parts(line, stalled, &parts);
    (void)snprintf(percent, sizeof percent, "%3u %%", share(line) / 10);
    used = strlen(percent);
    if (used > room) return;
    if (used + 4 + strlen(parts.text[0]) <= room) {
        cut_reason(&parts, room - used - 4 - strlen(parts.text[0]));
    }
    while (n < parts.count && used + 2 + strlen(parts.text[n]) <= room) {
        used += 2 + strlen(parts.text[n++]);
    }
    if (n == parts.count && room - used >= BAR_MIN + 3) {
        put_bar(share(line), co_min_u64(room - used - 3, BAR_MAX), out);
    }
    co_buf_puts(out, percent);
    for (size_t i = 0; i < n; i++) {
        co_buf_printf(out, "  %s", parts.text[i]);
    }
}

void
progress_plain(const struct status_line *line, bool stalled, struct co_buf *out)
{
    struct parts parts;

    make_parts(line, stalled, &parts);
    co_buf_printf(out, "%u %%", share(line) / 10);
    for (size_t i = 0; i < parts.count; i++) {
        co_buf_printf(out, ", %s", parts.text[i]);
    }
}

/* ---- writing ---- */

static unsigned
terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0) {
        return WIDTH_DEFAULT;
    }
    return size.ws_col;
}

void
progress_init(struct progress *p, bool json)
{
    *p = (struct progress){.mode = json                    ? PROGRESS_JSON
                                   : isatty(STDERR_FILENO) ? PROGRESS_TERMINAL
                                                           : PROGRESS_PLAIN,
                           .moved_ms = -1};
}

/* Does nothing move, and since long enough to say so? */
static bool
look_stalled(struct progress *p, const struct status_line *line, int64_t now_ms)
{
    if (p->moved_ms < 0 || line->drawn != p->drawn ||
        line->accepted != p->accepted || line->money.calls != p->calls) {
        p->drawn = line->drawn;
        p->calls = line->money.calls;
        p->accepted = line->accepted;
        p->moved_ms = now_ms;
    }
    return now_ms - p->moved_ms >= PROGRESS_STALL_MS;
}

void
progress_show(struct progress *p, const struct status_line *line,
              const char *raw, size_t len, int64_t now_ms)
{
    bool stalled = look_stalled(p, line, now_ms), plain_due;
    co_auto(co_buf_fini) struct co_buf buf;

    co_buf_init(&buf, LINE_BYTES_MAX); /* before any return: it is released */
    if (p->mode == PROGRESS_JSON) {
        (void)fwrite(raw, 1, len, stdout);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
        return;
    }
    if (line->end || !line->has_ledger) return;
    plain_due = p->mode == PROGRESS_PLAIN && now_ms >= p->next_ms;
    if (p->mode == PROGRESS_TERMINAL) {
        progress_line(line, terminal_width(), stalled, &buf);
        (void)fprintf(stderr, "\r%s\033[K", co_buf_text(&buf));
        p->shown = true;
    } else if (plain_due && p->next_ms) {
        progress_plain(line, stalled, &buf);
        (void)fprintf(stderr, CO_PROGRAM ": %s\n", co_buf_text(&buf));
    }
    /* The first plain line comes after an interval: short runs are quiet. */
    if (plain_due) p->next_ms = now_ms + PROGRESS_PLAIN_MS;
}

void
progress_notice(struct progress *p, const char *text)
{
    struct co_buf said;

    if (p->mode == PROGRESS_JSON) {
        json_t *line = json_pack("{s:s, s:s}", "event", "notice", "text", text);

        if (line) (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
        json_decref(line);
        return;
    }
    progress_end(p);
    co_buf_init(&said, NOTICE_BYTES_MAX);
    co_buf_puts(&said, text);
    (void)co_buf_text(&said); /* with its NUL */
    if (said.data && !said.err) say_clean_message((char *)said.data);
    (void)fprintf(stderr, CO_PROGRAM ": %s\n", co_buf_text(&said));
    co_buf_fini(&said);
}

void
progress_end(struct progress *p)
{
    if (p->shown) (void)fputs("\r\033[K", stderr);
    p->shown = false;
}
