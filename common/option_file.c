/* option_file.c - see option_file.h. */
#include "common/option_file.h"

#include "common/buf.h"
#include "common/fs.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 1 << 20 };

bool
co_option_file_value(char *text, bool is_list)
{
    char *to = text;

    if (*text != '"' || is_list) {
        bool quoted = false;
        char *p = text;

        for (; *p && !(*p == '#' && !quoted && (p == text || p[-1] == ' '));
             p++) {
            quoted ^= *p == '"';
        }
        while (p > text && (p[-1] == ' ' || p[-1] == '\t' || p[-1] == '\r')) {
            p--;
        }
        *p = '\0';
        return true;
    }
    for (text++; *text && *text != '"'; text++) {
        bool escaped = *text == '\\' && text[1];

        if (escaped) text++;
        *to++ = escaped && *text == 'n' ? '\n' : *text;
    }
    if (!*text) return false;
    text += 1 + strspn(text + 1, " \t\r");
    *to = '\0';
    return !*text || *text == '#';
}

/* Sets name and value of a line; CO_AGAIN: there is nothing on it. */
static enum co_err
option_file_split(char *text, struct co_option_file_line *line,
                  struct co_diag *diag)
{
    text += strspn(text, " \t\r");
    if (!*text || *text == '#' || !strcmp(text, "---")) return CO_AGAIN;
    line->name = text;
    line->name_bytes = strcspn(text, ": \t=");
    line->value = text + line->name_bytes;
    line->value += strspn(line->value, " \t");
    if (*line->value != ':' && *line->value != '=') {
        return co_fail(diag, CO_USAGE,
                       "no `name: value`%s (\"%.60s\"). Write one option a "
                       "line",
                       line->where, text);
    }
    line->value++;
    line->value += strspn(line->value, " \t");
    return CO_OK;
}

enum co_err
co_option_file_read(
    const char *path,
    enum co_err (*on_line)(void *self, const struct co_option_file_line *line,
                           struct co_diag *diag),
    void *self, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf buf;
    struct co_option_file_line line = {.number = 0};
    enum co_err err;
    char where[300];
    char *next;

    co_buf_init(&buf, CONFIG_BYTES_MAX + 65536);
    err = co_fs_read_file(path, CONFIG_BYTES_MAX, &buf, diag);
    if (err) return err == CO_NOMEM ? err : CO_USAGE;
    if (!buf.data || buf.len == 0) return CO_OK;
    if (memchr(buf.data, 0, buf.len)) {
        return co_fail(diag, CO_USAGE,
                       "%s is not a text file: it holds a 0 byte", path);
    }
    buf.data[buf.len] = '\0'; /* there is always room for it: buf.h */
    line.where = where;
    for (char *text = (char *)buf.data; text && !err; text = next) {
        next = strchr(text, '\n');
        if (next) *next++ = '\0';
        line.number++;
        (void)snprintf(where, sizeof where, " in %s, line %u", path,
                       line.number);
        err = option_file_split(text, &line, diag);
        if (!err) err = on_line(self, &line, diag);
        if (err == CO_AGAIN) err = CO_OK;
    }
    return err;
}
