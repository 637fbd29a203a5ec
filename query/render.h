/* render.h - values of a row as people and programs want them: plain text for
 * a terminal, CSV cells, JSON lines. Pure; out's error sticks as in buf.h. */
#pragma once
#include "query/value.h"

/* Text that does nothing to a terminal: control characters (also U+0080 to
 * U+009F, which some terminals obey) and what is no UTF-8 become '?', line
 * ends and tabs a space. */
void render_plain(const char *at, size_t len, struct co_buf *out);
/* A value in a person's words: texts without quotes, lists joined by ", ",
 * objects as JSON, null and missing as nothing. All of it plain. scratch is
 * overwritten. */
void render_value(const struct scan_value *value, struct co_buf *scratch,
                  struct co_buf *out);
/* A cell of RFC 4180: quoted when it holds a quote, a comma, a line end or a
 * space at an end. Null and missing are an empty cell, the empty text is "",
 * lists and objects are their JSON. */
void render_csv(const struct scan_value *value, struct co_buf *scratch,
                struct co_buf *out);
/* A cell for a text of ours: a heading. */
void render_csv_text(const char *at, size_t len, struct co_buf *out);
/* An object with these members: {"age":47,"household.size":2}. Missing ones
 * are null. No newline. */
void render_object(const char *const *names, const struct scan_value *values,
                   size_t n, struct co_buf *out);
/* The line (without newline) but for one member; gone.type SCAN_MISSING: all
 * of it. */
void render_without(const char *line, size_t len, const struct scan_value *gone,
                    struct co_buf *out);
