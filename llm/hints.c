/* hints.c - see hints.h. Counts that several headers give (Anthropic counts
 * tokens in three ways) become the smallest, times the longest: whoever obeys
 * those obeys all. */
#include "llm/hints.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { VALUE_BYTES = 64, NAME_MAX_BYTES = 48 };

enum what { SECONDS_OR_DATE, MILLISECONDS, LEFT, SPAN, STAMP };

static const struct {
    const char *name;
    enum what what;
    size_t offset;
} headers[] = {
#define AT(field) offsetof(struct hints, field)
    {"retry-after", SECONDS_OR_DATE, AT(retry_after_ms)},
    {"retry-after-ms", MILLISECONDS, AT(retry_after_ms)},
    {"x-ratelimit-remaining-requests", LEFT, AT(requests_left)},
    {"x-ratelimit-remaining-tokens", LEFT, AT(tokens_left)},
    {"x-ratelimit-reset-requests", SPAN, AT(requests_reset_ms)},
    {"x-ratelimit-reset-tokens", SPAN, AT(tokens_reset_ms)},
    {"anthropic-ratelimit-requests-remaining", LEFT, AT(requests_left)},
    {"anthropic-ratelimit-tokens-remaining", LEFT, AT(tokens_left)},
    {"anthropic-ratelimit-input-tokens-remaining", LEFT, AT(tokens_left)},
    {"anthropic-ratelimit-output-tokens-remaining", LEFT, AT(tokens_left)},
    {"anthropic-ratelimit-requests-reset", STAMP, AT(requests_reset_ms)},
    {"anthropic-ratelimit-tokens-reset", STAMP, AT(tokens_reset_ms)},
    {"anthropic-ratelimit-input-tokens-reset", STAMP, AT(tokens_reset_ms)},
    {"anthropic-ratelimit-output-tokens-reset", STAMP, AT(tokens_reset_ms)},
#undef AT
};

void
hints_init(struct hints *hints)
{
    *hints = (struct hints){-1, -1, -1, -1, -1};
}

static int64_t
clamp_wait(int64_t ms)
{
    return ms < 0 ? 0 : ms > HINTS_WAIT_MAX_MS ? HINTS_WAIT_MAX_MS : ms;
}

/* Decimal digits at *text as thousandths; -1: none. Ends where they end. */
static int64_t
read_milli(const char **text)
{
    const char *p = *text;
    int64_t n = 0, scale = 100;

    if (!isdigit((unsigned char)*p)) return -1;
    for (; isdigit((unsigned char)*p); p++) {
        if (n < INT64_MAX / 100000) n = 10 * n + (*p - '0');
    }
    n *= 1000;
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p); p++, scale /= 10) {
            n += scale * (*p - '0');
        }
    }
    *text = p;
    return n;
}

/* "6m0s", "1h2m3.5s", "20ms", "59". -1: no such thing. */
static int64_t
read_span(const char *p)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},    {"d", 86400000}, {"h", 3600000},
                 {"m", 60000}, {"s", 1000},     {"", 1000}};
    int64_t sum = 0;

    do {
        int64_t milli = read_milli(&p);
        size_t i = 0, n = 0;

        if (milli < 0) return -1;
        while (isalpha((unsigned char)p[n])) {
            n++;
        }
        while (i < co_countof(units) && (strlen(units[i].unit) != n ||
                                         strncmp(units[i].unit, p, n) != 0)) {
            i++;
        }
        if (i == co_countof(units)) return -1;
        /* Bounded first: a product of strangers overflows. */
        milli = (int64_t)co_min_u64((uint64_t)milli, 86400000000U);
        sum = clamp_wait(sum + milli * units[i].ms / 1000);
        p += n;
    } while (*p);
    return sum;
}

/* The twelve as a word of three letters; -1: none of them. */
static int
month_of(const char *name)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int m = 0; m < 12; m++) {
        if (strncasecmp(months + 3 * (size_t)m, name, 3) == 0) return m;
    }
    return -1;
}

static bool
time_is_sane(const struct tm *t)
{
    return t->tm_mon >= 0 && t->tm_mon < 12 && t->tm_mday >= 1 &&
           t->tm_mday <= 31 && t->tm_hour >= 0 && t->tm_hour < 24 &&
           t->tm_min >= 0 && t->tm_min < 60 && t->tm_sec >= 0 &&
           t->tm_sec <= 60 && t->tm_year >= 70 && t->tm_year < 1100;
}

/* The widths below bound every number: none can overflow.
 * NOLINTBEGIN(cert-err34-c) */

/* The three dates of HTTP: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday,
 * 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". Wall ms, -1: none. */
static int64_t
read_date(const char *text)
{
    struct tm t = {0};
    char month[4] = "";
    const char *comma = strchr(text, ',');

    if (!comma) {
        if (sscanf(text, "%*3s %3s %2d %2d:%2d:%2d %4d", month, &t.tm_mday,
                   &t.tm_hour, &t.tm_min, &t.tm_sec, &t.tm_year) != 6) {
            return -1;
        }
    } else if (sscanf(comma + 1, " %2d%*1[ -]%3s%*1[ -]%4d %2d:%2d:%2d",
                      &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min,
                      &t.tm_sec) != 6) {
        return -1;
    }
    t.tm_mon = month_of(month);
    /* Two digits: the century that is nearer to now than to 1900. */
    t.tm_year = t.tm_year < 70    ? t.tm_year + 100
                : t.tm_year < 100 ? t.tm_year
                                  : t.tm_year - 1900;
    if (!time_is_sane(&t)) return -1;
    return (int64_t)timegm(&t) * 1000;
}

/* "2026-11-29T08:12:31Z", with or without thousandths or an offset. */
static int64_t
read_stamp(const char *text)
{
    struct tm t = {0};
    int used = 0, h = 0, m = 0;
    char sign;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon,
               &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &used) != 6) {
        return -1;
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    if (!time_is_sane(&t)) return -1;
    text += used;
    if (*text == '.') text += 1 + strspn(text + 1, "0123456789");
    if (sscanf(text, "%c%2d:%2d", &sign, &h, &m) == 3 && sign == '-') {
        h = -h;
        m = -m;
    }
    return ((int64_t)timegm(&t) - h * (int64_t)3600 - m * (int64_t)60) * 1000;
}

/* NOLINTEND(cert-err34-c) */

static int64_t
read_value(enum what what, const char *value, int64_t now_ms)
{
    const char *p = value;
    int64_t n;

    switch (what) {
    case SECONDS_OR_DATE:
        n = read_milli(&p);
        if (n >= 0 && *p == '\0') return clamp_wait(n);
        n = read_date(value);
        return n < 0 ? -1 : clamp_wait(n - now_ms);
    case MILLISECONDS:
        n = read_milli(&p);
        return n < 0 || *p ? -1 : clamp_wait(n / 1000);
    case LEFT:
        n = read_milli(&p);
        return n < 0 || *p ? -1 : n / 1000;
    case SPAN:
        return read_span(value);
    case STAMP:
        n = read_stamp(value);
        return n < 0 ? -1 : clamp_wait(n - now_ms);
    }
    return -1;
}

/* What stands behind the colon, without blanks around it; false: nothing, or
 * more than any such value has. */
static bool
take_value(const char *v, size_t n, char value[VALUE_BYTES])
{
    while (n > 0 && (*v == ' ' || *v == '\t')) {
        v++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)v[n - 1])) {
        n--;
    }
    if (n == 0 || n >= VALUE_BYTES) return false;
    memcpy(value, v, n);
    value[n] = '\0';
    return true;
}

void
hints_take(struct hints *hints, const char *line, size_t len, int64_t now_ms)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : 0, i = 0;
    char value[VALUE_BYTES];
    int64_t got, *field;

    if (name_len == 0 || name_len > NAME_MAX_BYTES) return;
    while (i < co_countof(headers) &&
           (strlen(headers[i].name) != name_len ||
            strncasecmp(headers[i].name, line, name_len) != 0)) {
        i++;
    }
    if (i == co_countof(headers)) return;
    if (!take_value(colon + 1, len - name_len - 1, value)) return;
    got = read_value(headers[i].what, value, now_ms);
    field = (int64_t *)(void *)((char *)hints + headers[i].offset);
    if (got < 0) return;
    /* Less left is stricter; a longer wait is stricter. */
    if (*field < 0 || (headers[i].what == LEFT) == (got < *field)) {
        *field = got;
    }
}
