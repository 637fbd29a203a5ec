/* yaml_read.c - the typed readers of yaml.h and their messages. */
#include "common/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 200 };

const struct co_yaml *
co_yaml_get(const struct co_yaml *map, const char *key)
{
    if (!map || map->kind != CO_YAML_MAP) return NULL;
    for (const struct co_yaml *c = map->first; c; c = c->next) {
        if (strcmp(c->key, key) == 0) return c;
    }
    return NULL;
}

bool
co_yaml_is_null(const struct co_yaml *node)
{
    if (node->kind != CO_YAML_SCALAR || node->quoted) return false;
    return node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
           strcmp(node->text, "null") == 0;
}

/* Copies text so that a terminal shows it and nothing more: cut after max
 * bytes (marked), control characters as '?'. */
static void
printable(char *to, size_t size, const char *text, size_t max)
{
    size_t n = 0;

    while (text[n] && n < max && n + 4 < size) {
        unsigned char c = (unsigned char)text[n];

        to[n] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
        n++;
    }
    if (text[n]) { /* do not cut inside a UTF-8 character */
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) {
            n--;
        }
        memcpy(to + n, "...", 3);
        n += 3;
    }
    to[n] = '\0';
}

/* "population.where.age" or "phases[1]"; "" for the root. */
static size_t
path_write(const struct co_yaml *node, char *to, size_t size)
{
    const struct co_yaml *up[CO_YAML_DEPTH_MAX + 1];
    size_t depth = 0;
    size_t n = 0;

    for (; node->parent && depth < co_countof(up); node = node->parent) {
        up[depth++] = node;
    }
    to[0] = '\0';
    while (depth > 0 && n < size) {
        const struct co_yaml *at = up[--depth];
        char key[48];

        if (at->key) {
            printable(key, sizeof key, at->key, 40);
            n += (size_t)snprintf(to + n, size - n, "%s%s", n ? "." : "", key);
        } else {
            n += (size_t)snprintf(to + n, size - n, "[%u]", at->index);
        }
    }
    return n < size ? n : size - 1;
}

enum co_err
co_yaml_fail(const struct co_yaml *node, struct co_diag *diag, enum co_err err,
             const char *fmt, ...)
{
    char path[PATH_BYTES];
    char message[700];
    va_list args;
    size_t n = path_write(node, path, sizeof path);

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return co_fail(diag, err, "%s:%u: %s%s%s", node->file, node->line, path,
                   n ? ": " : "", message);
}

struct co_yaml_found
co_yaml_found(const struct co_yaml *node)
{
    struct co_yaml_found found;
    char text[60];

    if (node->kind == CO_YAML_MAP) {
        (void)snprintf(found.text, sizeof found.text, "a map");
    } else if (node->kind == CO_YAML_SEQ) {
        (void)snprintf(found.text, sizeof found.text, "a list");
    } else if (!node->quoted && node->text[0] == '\0') {
        (void)snprintf(found.text, sizeof found.text, "nothing");
    } else {
        printable(text, sizeof text, node->text, 40);
        (void)snprintf(found.text, sizeof found.text,
                       node->quoted ? "\"%s\" in quotes" : "\"%s\"", text);
    }
    return found;
}

static enum co_err
wrong(const struct co_yaml *node, struct co_diag *diag, enum co_err err,
      const char *allowed)
{
    return co_yaml_fail(node, diag, err, "found %s; allowed is %s",
                        co_yaml_found(node).text, allowed);
}

enum co_err
co_yaml_expect(const struct co_yaml *node, enum co_yaml_kind kind,
               struct co_diag *diag)
{
    static const char *const allowed[] = {
        [CO_YAML_SCALAR] = "a single value",
        [CO_YAML_MAP] = "a map (key: value)",
        [CO_YAML_SEQ] = "a list ([a, b])",
    };

    if (node->kind == kind) return CO_OK;
    return wrong(node, diag, CO_INVALID, allowed[kind]);
}

/* Decimal digits at *at into *ret_value; false: none, or 2^64 and more.
 * Leading zeros are refused: YAML 1.1 reads them as octal. */
static bool
digits(const char **at, uint64_t *ret_value)
{
    const char *p = *at;
    uint64_t value = 0;

    if (!isdigit((unsigned char)*p)) return false;
    if (p[0] == '0' && isdigit((unsigned char)p[1])) return false;
    for (; isdigit((unsigned char)*p); p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
            return false;
        }
    }
    *at = p;
    *ret_value = value;
    return true;
}

/* An integer that is only too small or too large deserves CO_RANGE. */
static bool
looks_like_integer(const char *text)
{
    size_t n;

    if (*text == '-' || *text == '+') text++;
    n = strspn(text, "0123456789");
    return n > 0 && text[n] == '\0' && (n == 1 || text[0] != '0');
}

enum co_err
co_yaml_u64(const struct co_yaml *node, uint64_t min, uint64_t max,
            uint64_t *ret_value, struct co_diag *diag)
{
    const char *at = node->text;
    uint64_t value = 0;
    char allowed[96];
    bool plain = node->kind == CO_YAML_SCALAR && !node->quoted;

    (void)snprintf(allowed, sizeof allowed,
                   "a whole number from %" PRIu64 " to %" PRIu64, min, max);
    if (!plain || !looks_like_integer(node->text)) {
        return wrong(node, diag, CO_INVALID, allowed);
    }
    if (!digits(&at, &value) || *at || value < min || value > max) {
        return wrong(node, diag, CO_RANGE, allowed);
    }
    *ret_value = value;
    return CO_OK;
}

/* The digits after a point, as many as decimals at most, filled up with
 * zeros. False: none, or more. */
static bool
fraction(const char *text, unsigned decimals, uint64_t *ret_value)
{
    uint64_t value = 0;
    unsigned n = 0;

    for (; isdigit((unsigned char)text[n]) && n < decimals; n++) {
        value = value * 10 + (uint64_t)(text[n] - '0');
    }
    if (n == 0 || text[n] != '\0') return false;
    for (; n < decimals; n++) {
        value *= 10;
    }
    *ret_value = value;
    return true;
}

enum co_err
co_yaml_fixed(const struct co_yaml *node, unsigned decimals, uint64_t max,
              uint64_t *ret_value, struct co_diag *diag)
{
    const char *at = node->text;
    uint64_t whole = 0, part = 0, one = 1;
    char allowed[96];

    for (unsigned i = 0; i < decimals; i++) {
        one *= 10;
    }
    (void)snprintf(allowed, sizeof allowed,
                   "a number from 0 to %" PRIu64 " with at most %u decimals",
                   max / one, decimals);
    if (node->kind != CO_YAML_SCALAR || node->quoted || !digits(&at, &whole) ||
        (*at && (*at != '.' || !fraction(at + 1, decimals, &part)))) {
        return wrong(node, diag, CO_INVALID, allowed);
    }
    if (whole > max / one || whole * one + part > max) {
        return wrong(node, diag, CO_RANGE, allowed);
    }
    *ret_value = whole * one + part;
    return CO_OK;
}

enum co_err
co_yaml_bool(const struct co_yaml *node, bool *ret_value, struct co_diag *diag)
{
    bool plain = node->kind == CO_YAML_SCALAR && !node->quoted;

    if (plain && strcmp(node->text, "true") == 0) {
        *ret_value = true;
    } else if (plain && strcmp(node->text, "false") == 0) {
        *ret_value = false;
    } else {
        return wrong(node, diag, CO_INVALID, "true or false");
    }
    return CO_OK;
}

enum co_err
co_yaml_text(const struct co_yaml *node, size_t max, const char **ret_text,
             struct co_diag *diag)
{
    char allowed[64];

    (void)snprintf(allowed, sizeof allowed, "a text of 1 to %zu bytes", max);
    if (node->kind != CO_YAML_SCALAR || co_yaml_is_null(node)) {
        return wrong(node, diag, CO_INVALID, allowed);
    }
    if (node->text[0] == '\0' || strlen(node->text) > max) {
        return wrong(node, diag, CO_RANGE, allowed);
    }
    *ret_text = node->text;
    return CO_OK;
}

/* "a, b or c" for messages. */
static void
list_names(const char *const *names, char *to, size_t size)
{
    size_t n = 0;

    to[0] = '\0';
    for (size_t i = 0; names[i] && n < size; i++) {
        n += (size_t)snprintf(to + n, size - n, "%s%s",
                              i == 0         ? ""
                              : names[i + 1] ? ", "
                                             : " or ",
                              names[i]);
    }
}

enum co_err
co_yaml_enum(const struct co_yaml *node, const char *const *names,
             size_t *ret_index, struct co_diag *diag)
{
    char allowed[300];

    if (node->kind == CO_YAML_SCALAR) {
        for (size_t i = 0; names[i]; i++) {
            if (strcmp(node->text, names[i]) == 0) {
                *ret_index = i;
                return CO_OK;
            }
        }
    }
    list_names(names, allowed, sizeof allowed);
    return wrong(node, diag, CO_INVALID, allowed);
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* digits + unit, no space needed between; false when it is not that. */
static bool
quantity(const struct co_yaml *node, const struct unit *units, size_t count,
         uint64_t *ret_value)
{
    const char *at = node->text;
    uint64_t value = 0;

    if (node->kind != CO_YAML_SCALAR || !digits(&at, &value)) return false;
    at += strspn(at, " ");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(at, units[i].name) == 0) {
            return !__builtin_mul_overflow(value, units[i].factor, ret_value);
        }
    }
    return false;
}

enum co_err
co_yaml_duration(const struct co_yaml *node, uint64_t min_ms, uint64_t max_ms,
                 uint64_t *ret_ms, struct co_diag *diag)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    uint64_t ms = 0;

    if (!quantity(node, units, co_countof(units), &ms)) {
        return wrong(node, diag, CO_INVALID,
                     "a duration such as 500ms, 30s, 5m, 2h or 1d");
    }
    if (ms < min_ms || ms > max_ms) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "found %s; allowed is %" PRIu64 "ms to %" PRIu64
                            "ms",
                            co_yaml_found(node).text, min_ms, max_ms);
    }
    *ret_ms = ms;
    return CO_OK;
}

enum co_err
co_yaml_size(const struct co_yaml *node, uint64_t min_bytes, uint64_t max_bytes,
             uint64_t *ret_bytes, struct co_diag *diag)
{
    static const struct unit units[] = {
        {"B", 1},
        {"KiB", 1ull << 10},
        {"MiB", 1ull << 20},
        {"GiB", 1ull << 30},
        {"TiB", 1ull << 40},
    };
    uint64_t bytes = 0;

    if (!quantity(node, units, co_countof(units), &bytes)) {
        return wrong(node, diag, CO_INVALID,
                     "a size such as 512KiB, 64MiB or 2GiB");
    }
    if (bytes < min_bytes || bytes > max_bytes) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "found %s; allowed is %" PRIu64 "B to %" PRIu64 "B",
                            co_yaml_found(node).text, min_bytes, max_bytes);
    }
    *ret_bytes = bytes;
    return CO_OK;
}

/* Edit distance with one row; long keys are nobody's typing mistake. */
static size_t
distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1];
    size_t la = strlen(a), lb = strlen(b);

    if (la > LONGEST || lb > LONGEST) return LONGEST;
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            row[j] = co_min_u64(change, co_min_u64(row[j], row[j - 1]) + 1);
        }
    }
    return row[lb];
}

/* The name close enough to be what was meant, or NULL. */
static const char *
nearest(const char *key, const char *const *names)
{
    const char *best = NULL;
    size_t least = 3;

    for (size_t i = 0; names[i]; i++) {
        size_t d = distance(key, names[i]);

        if (d >= least || d >= strlen(names[i])) continue;
        least = d;
        best = names[i];
    }
    return best;
}

enum co_err
co_yaml_keys(const struct co_yaml *node, const char *const *names,
             struct co_diag *diag)
{
    enum co_err err = co_yaml_expect(node, CO_YAML_MAP, diag);
    char allowed[500];
    const char *meant;

    if (err) return err;
    for (const struct co_yaml *c = node->first; c; c = c->next) {
        size_t i = 0;

        while (names[i] && strcmp(names[i], c->key) != 0) {
            i++;
        }
        if (names[i]) continue;
        list_names(names, allowed, sizeof allowed);
        meant = nearest(c->key, names);
        return co_yaml_fail(c, diag, CO_INVALID,
                            "unknown key%s%s%s; allowed here: %s",
                            meant ? ", did you mean " : "", meant ? meant : "",
                            meant ? "?" : "", allowed);
    }
    return CO_OK;
}
