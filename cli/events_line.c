/* events_line.c - see events_line.h. */
#include "cli/events_line.h"

#include "common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { KIND_WIDTH = 7, NAME_WIDTH = 20, CHANGE_WIDTH = 22 };

/* ---- reading ---- */

static const struct co_redis_reply *
fields(const struct co_redis_reply *entry)
{
    if (entry->type != CO_REDIS_ARRAY || entry->count != 2 ||
        entry->elements[0].type != CO_REDIS_TEXT ||
        entry->elements[1].type != CO_REDIS_ARRAY) {
        return NULL;
    }
    return &entry->elements[1];
}

const char *
events_line_field(const struct co_redis_reply *entry, const char *name)
{
    const struct co_redis_reply *f = fields(entry);

    for (size_t i = 0; f && i + 1 < f->count; i += 2) {
        const char *key = f->elements[i].text, *value = f->elements[i + 1].text;

        if (key && value && strcmp(key, name) == 0) return value;
    }
    return "";
}

bool
events_line_wanted(const struct co_redis_reply *entry,
                   const struct events_filter *filter)
{
    const char *kind = events_line_field(entry, "kind");
    bool wanted = filter->kind_count == 0;

    if (!fields(entry)) return false;
    for (size_t i = 0; i < filter->kind_count; i++) {
        wanted |= strcmp(kind, filter->kinds[i]) == 0;
    }
    if (!wanted || !filter->job) return wanted;
    return strcasecmp(events_line_field(entry, "job"), filter->job) == 0;
}

/* ---- writing ---- */

/* Control characters of a name could play tricks on a terminal. Pads to width
 * (bytes; names are mostly ASCII), and always leaves a blank. */
static void
cell(struct co_buf *out, const char *text, size_t width)
{
    size_t n = 0;

    for (; *text; text++, n++) {
        unsigned char c = (unsigned char)*text;

        co_buf_putc(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
    do {
        co_buf_putc(out, ' ');
    } while (++n <= width);
}

void
events_line_time(int64_t time_ms, struct co_buf *out)
{
    time_t s = (time_t)(time_ms / 1000);
    struct tm tm;
    char text[40] = "";

    if (gmtime_r(&s, &tm)) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    }
    co_buf_printf(out, "%s.%03dZ", text, (int)(time_ms % 1000));
}

void
events_line_text(const struct co_redis_reply *entry, struct co_buf *out)
{
    const char *name = events_line_field(entry, "name");
    const char *why = events_line_field(entry, "why");
    const char *broker = events_line_field(entry, "broker");
    char change[80];
    size_t begin;

    events_line_time(strtoll(events_line_field(entry, "time_ms"), NULL, 10),
                     out);
    co_buf_puts(out, "  ");
    begin = out->len;
    cell(out, events_line_field(entry, "kind"), KIND_WIDTH);
    cell(out, name[0] ? name : events_line_field(entry, "id"), NAME_WIDTH);
    (void)snprintf(change, sizeof change, "%s -> %s",
                   events_line_field(entry, "from"),
                   events_line_field(entry, "to"));
    cell(out, change, CHANGE_WIDTH);
    if (why[0] && strcmp(why, name) != 0) cell(out, why, 0);
    if (broker[0]) {
        co_buf_puts(out, "[");
        cell(out, broker, 0);
        if (!out->err) out->len--;
        co_buf_putc(out, ']');
    }
    while (!out->err && out->len > begin && out->data[out->len - 1] == ' ') {
        out->len--;
    }
    co_buf_putc(out, '\n');
}

static bool
is_number(const char *key)
{
    static const char *const numbers[] = {"time_ms", "attempt"};

    for (size_t i = 0; i < co_countof(numbers); i++) {
        if (strcmp(key, numbers[i]) == 0) return true;
    }
    return false;
}

void
events_line_json(const struct co_redis_reply *entry, struct co_buf *out)
{
    const struct co_redis_reply *f = fields(entry);
    struct co_json json;

    if (!f) return;
    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "entry", entry->elements[0].text);
    for (size_t i = 0; i + 1 < f->count; i += 2) {
        const char *key = f->elements[i].text, *value = f->elements[i + 1].text;

        if (!key || !value) continue;
        if (is_number(key)) {
            co_json_put_u64(&json, key, strtoull(value, NULL, 10));
        } else {
            co_json_put_text(&json, key, value);
        }
    }
    co_json_end(&json);
    co_buf_putc(out, '\n');
}

/* ---- ids and times ---- */

bool
events_id_parse(const char *text, struct events_id *ret)
{
    char *end;

    if (*text < '0' || *text > '9') return false;
    errno = 0;
    ret->ms = strtoull(text, &end, 10);
    ret->seq = 0;
    if (*end == '-' && end[1] >= '0' && end[1] <= '9') {
        ret->seq = strtoull(end + 1, &end, 10);
    }
    return *end == '\0' && errno == 0;
}

int
events_id_compare(struct events_id a, struct events_id b)
{
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}

/* "15m": 0 when it is no such thing. */
static int64_t
ago_ms(const char *text)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || n == 0 || n > 1000000) return 0;
    for (size_t i = 0; i < co_countof(units); i++) {
        if (end[0] == units[i].unit && end[1] == '\0') {
            return (int64_t)n * units[i].ms;
        }
    }
    return 0;
}

enum co_err
events_since(const char *text, int64_t now_ms, int64_t *ret_ms,
             struct co_diag *diag)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ",
                                        "%Y-%m-%d"};
    int64_t ago = ago_ms(text);

    if (ago) {
        *ret_ms = now_ms > ago ? now_ms - ago : 0;
        return CO_OK;
    }
    for (size_t i = 0; i < co_countof(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);

        if (!end || *end) continue;
        *ret_ms = (int64_t)timegm(&tm) * 1000;
        return CO_OK;
    }
    return co_fail(diag, CO_USAGE,
                   "--since: \"%s\" is no time; give how long ago (90s, 15m, "
                   "2h, 1d) or a moment in UTC (2026-11-29T01:50:00Z, "
                   "2026-11-29)",
                   text);
}
