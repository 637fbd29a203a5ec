/* option_value.c - see option_value.h. */
#include "common/option_value.h"

#include <inttypes.h>
#include <string.h>

enum { STRING_BYTES_MAX = 4096, LIST_ITEMS_MAX = 64 };

struct unit {
    const char *name;
    uint64_t factor;
};

/* Biggest first: printing takes the first that divides the value. */
static const struct unit time_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {{"TiB", UINT64_C(1) << 40},
                                         {"GiB", 1 << 30},
                                         {"MiB", 1 << 20},
                                         {"KiB", 1 << 10},
                                         {"B", 1},
                                         {"T", UINT64_C(1) << 40},
                                         {"G", 1 << 30},
                                         {"M", 1 << 20},
                                         {"K", 1 << 10},
                                         {"k", 1 << 10},
                                         {"", 1}};

/* The digits at the start of *text, with '_' between them; moves *text. */
static enum co_err
value_digits(const char **text, uint64_t *ret_value)
{
    const char *p = *text;
    uint64_t value = 0;

    if (*p < '0' || *p > '9') return CO_INVALID;
    for (; (*p >= '0' && *p <= '9') || (*p == '_' && p[-1] != '_'); p++) {
        if (*p == '_') continue;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
            return CO_RANGE;
        }
    }
    *text = p;
    *ret_value = value;
    return p[-1] == '_' ? CO_INVALID : CO_OK;
}

static enum co_err
value_number(const char *text, const struct unit *units, size_t count,
             uint64_t *ret_value)
{
    uint64_t value;
    enum co_err err = value_digits(&text, &value);

    if (err) return err;
    if (value == 0 && !*text) {
        count = 0; /* 0 needs no unit */
    } else if (count == 0 && *text) {
        return CO_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, units[i].name) != 0) continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value)) {
            return CO_RANGE;
        }
        count = 0;
    }
    if (count) return CO_INVALID;
    *ret_value = value;
    return CO_OK;
}

static uint64_t
value_max(const struct co_option *option)
{
    return option->max ? option->max : UINT64_MAX;
}

static enum co_err
value_parse_number(const struct co_option *option, const char *text,
                   uint64_t *ret_value)
{
    uint64_t value;
    enum co_err err;

    if (option->type == CO_OPTION_DURATION) {
        err = value_number(text, time_units, co_countof(time_units), &value);
    } else if (option->type == CO_OPTION_SIZE) {
        err = value_number(text, size_units, co_countof(size_units), &value);
    } else {
        err = value_number(text, NULL, 0, &value);
    }
    if (err) return err;
    if (value < option->min || value > value_max(option)) return CO_RANGE;
    *ret_value = value;
    return CO_OK;
}

static enum co_err
value_parse_flag(const char *text, bool *ret_value)
{
    static const char *const words[] = {"false", "true", "no", "yes",
                                        "off",   "on",   "0",  "1"};

    for (size_t i = 0; i < co_countof(words); i++) {
        if (!strcmp(text, words[i])) {
            *ret_value = i % 2;
            return CO_OK;
        }
    }
    return CO_INVALID;
}

static enum co_err
value_parse_enum(const struct co_option *option, const char *text,
                 int *ret_value)
{
    for (int i = 0; option->choices[i]; i++) {
        if (!strcmp(text, option->choices[i])) {
            *ret_value = i;
            return CO_OK;
        }
    }
    return CO_INVALID;
}

enum co_err
co_option_value_parse(const struct co_option *option, const char *text,
                      void *config)
{
    void *field = (char *)config + option->offset;

    switch (option->type) {
    case CO_OPTION_U64:
    case CO_OPTION_DURATION:
    case CO_OPTION_SIZE:
        return value_parse_number(option, text, field);
    case CO_OPTION_FLAG:
        return value_parse_flag(text, field);
    case CO_OPTION_ENUM:
        return value_parse_enum(option, text, field);
    case CO_OPTION_STRING:
    case CO_OPTION_LIST:
        break;
    }
    return CO_STATE;
}

bool
co_option_value_fits(const struct co_option *option, size_t len)
{
    /* A list's min and max count its items; an empty item is never meant. */
    if (option->type == CO_OPTION_LIST) {
        return len >= 1 && len <= STRING_BYTES_MAX;
    }
    return len >= option->min &&
           len <= (option->max ? option->max : STRING_BYTES_MAX);
}

bool
co_option_value_is_text(const struct co_option *option, const char *text)
{
    size_t len = strlen(text);

    if (option->is_name &&
        len != strspn(text, "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")) {
        return false;
    }
    return co_option_value_fits(option, len);
}

size_t
co_option_value_items_max(const struct co_option *option)
{
    return option->max ? option->max : LIST_ITEMS_MAX;
}

static void
value_print_unit(uint64_t value, const struct unit *units, struct co_buf *out)
{
    while (units->factor > 1 && (value == 0 || value % units->factor)) {
        units++;
    }
    co_buf_printf(out, "%" PRIu64 "%s", value / units->factor, units->name);
}

static void
value_print_number(const struct co_option *option, uint64_t value,
                   struct co_buf *out)
{
    if (option->type == CO_OPTION_DURATION) {
        value_print_unit(value, time_units, out);
    } else if (option->type == CO_OPTION_SIZE) {
        value_print_unit(value, size_units, out);
    } else {
        co_buf_printf(out, "%" PRIu64, value);
    }
}

static void
value_wanted_range(const struct co_option *option, const char *what,
                   const char *as, struct co_buf *out)
{
    co_buf_puts(out, what);
    if (option->min || option->max) {
        co_buf_puts(out, " from ");
        value_print_number(option, option->min, out);
        if (option->max) {
            co_buf_puts(out, " to ");
            value_print_number(option, option->max, out);
        } else {
            co_buf_puts(out, " up");
        }
    }
    co_buf_puts(out, as);
}

void
co_option_value_wanted(const struct co_option *option, struct co_buf *out)
{
    switch (option->type) {
    case CO_OPTION_U64:
        value_wanted_range(option, "a whole number", "", out);
        return;
    case CO_OPTION_DURATION:
        value_wanted_range(option, "a time", ", as 500ms, 2s, 5m or 1h", out);
        return;
    case CO_OPTION_SIZE:
        value_wanted_range(option, "a size", ", as 4096, 64KiB or 4MiB", out);
        return;
    case CO_OPTION_FLAG:
        co_buf_puts(out, "true or false");
        return;
    case CO_OPTION_ENUM:
        co_buf_puts(out, "one of");
        for (size_t i = 0; option->choices[i]; i++) {
            co_buf_printf(out, "%s %s", i ? "," : "", option->choices[i]);
        }
        return;
    case CO_OPTION_LIST:
        co_buf_printf(out, "at most %zu texts of 1 to %d bytes",
                      co_option_value_items_max(option), STRING_BYTES_MAX);
        return;
    case CO_OPTION_STRING:
        co_buf_printf(out, "a text of %" PRIu64 " to %" PRIu64 " bytes%s",
                      option->min, option->max ? option->max : STRING_BYTES_MAX,
                      option->is_name ? " of A-Z a-z 0-9 _ . -" : "");
        return;
    }
}

/* In quotes whatever it is, so that reading it back never guesses. */
static void
value_print_text(const char *text, struct co_buf *out)
{
    co_buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') co_buf_putc(out, '\\');
        if (*text == '\n') {
            co_buf_puts(out, "\\n");
        } else {
            co_buf_putc(out, *text);
        }
    }
    co_buf_putc(out, '"');
}

static void
value_print_list(const struct co_option_list *list, struct co_buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i) co_buf_puts(out, ", ");
        value_print_text(list->items[i], out);
    }
}

void
co_option_value_print(const struct co_option *option, const void *config,
                      struct co_buf *out)
{
    const void *field = (const char *)config + option->offset;
    const char *text;

    switch (option->type) {
    case CO_OPTION_U64:
    case CO_OPTION_DURATION:
    case CO_OPTION_SIZE:
        value_print_number(option, *(const uint64_t *)field, out);
        return;
    case CO_OPTION_FLAG:
        co_buf_puts(out, *(const bool *)field ? "true" : "false");
        return;
    case CO_OPTION_ENUM:
        co_buf_puts(out, option->choices[*(const int *)field]);
        return;
    case CO_OPTION_STRING:
        text = *(const char *const *)field;
        if (text) value_print_text(text, out);
        return;
    case CO_OPTION_LIST:
        value_print_list(field, out);
        return;
    }
}
