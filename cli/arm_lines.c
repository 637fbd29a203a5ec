/* arm_lines.c - see arm_lines.h. */
#include "cli/arm_lines.h"

#include "cli/say.h"
#include "cli/status_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *
text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static void
add_writer(const char *arm, const json_t *writer, struct arm_lines *lines)
{
    struct arm_line *to = &lines->v[lines->n];

    if (lines->n == ARM_LINES_MAX || !json_is_object(writer)) return;
    lines->n++;
    (void)snprintf(to->arm, sizeof to->arm, "%.40s", arm);
    (void)snprintf(to->who, sizeof to->who, "%.40s%s%.40s", arm,
                   arm[0] ? " by " : "", text_of(writer, "provider"));
    to->rows = status_line_u64(writer, "rows");
    to->accepted = status_line_u64(writer, "accepted");
    to->degraded = status_line_u64(writer, "degraded");
    to->dead = status_line_u64(writer, "dead");
    to->wrong = status_line_u64(writer, "wrong");
    (void)snprintf(to->usd, sizeof to->usd, "%.40s", text_of(writer, "usd"));
    (void)snprintf(to->unknown, sizeof to->unknown, "%.40s",
                   text_of(writer, "unknown_usd"));
    (void)snprintf(to->row_usd, sizeof to->row_usd, "%.40s",
                   text_of(writer, "row_usd"));
}

void
arm_lines_of_json(const json_t *arms, struct arm_lines *ret)
{
    *ret = (struct arm_lines){.n = 0};
    for (size_t i = 0; i < json_array_size(arms); i++) {
        const json_t *arm = json_array_get(arms, i);
        const json_t *writers = json_object_get(arm, "writers");

        for (size_t k = 0; k < json_array_size(writers); k++) {
            add_writer(text_of(arm, "arm"), json_array_get(writers, k), ret);
        }
    }
}

uint64_t
arm_lines_rows(const struct arm_lines *lines, const char *arm)
{
    uint64_t rows = 0;

    for (uint32_t i = 0; i < lines->n; i++) {
        if (strcmp(lines->v[i].arm, arm) == 0) rows += lines->v[i].rows;
    }
    return rows;
}

void
arm_lines_say(const struct arm_lines *lines, struct co_buf *out)
{
    for (uint32_t i = 0; i < lines->n; i++) {
        const struct arm_line *a = &lines->v[i];
        const size_t begin = out->len;

        co_buf_printf(out, "  %-8s%s: ", i ? "" : "arms", a->who);
        say_count(out, a->accepted);
        co_buf_puts(out, " rows");
        if (a->degraded) {
            co_buf_puts(out, ", ");
            say_count(out, a->degraded);
            co_buf_puts(out, " degraded");
        }
        co_buf_printf(out, ", %" PRIu64 " given up, %" PRIu64 " wrong answers",
                      a->dead, a->wrong);
        if (a->usd[0]) co_buf_printf(out, ", %s USD", a->usd);
        if (a->unknown[0]) {
            co_buf_printf(out, ", perhaps %s for lost calls", a->unknown);
        }
        if (a->row_usd[0]) co_buf_printf(out, ", %s a row", a->row_usd);
        say_end_line(out, begin);
    }
}
