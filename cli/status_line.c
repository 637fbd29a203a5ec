/* status_line.c - see status_line.h. */
#include "cli/status_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t
status_line_u64(const json_t *object, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(object, key));

    return v > 0 ? (uint64_t)v : 0;
}

static void
take_text(const json_t *object, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    (void)snprintf(to, size, "%s", text ? text : "");
}

static void
take_numbers(struct status_line *line)
{
    const json_t *o = line->root;

    line->has_ledger = json_is_integer(json_object_get(o, "drawn"));
    line->elapsed_ms = status_line_u64(o, "elapsed_ms");
    line->requested = status_line_u64(o, "requested");
    line->drawn = status_line_u64(o, "drawn");
    line->accepted = status_line_u64(o, "accepted");
    line->rejected = status_line_u64(o, "rejected");
    line->dead = status_line_u64(o, "dead");
    line->surplus = status_line_u64(o, "surplus");
    line->pending = status_line_u64(o, "pending");
    line->duplicates = status_line_u64(o, "duplicates");
    line->rows_per_s = status_line_u64(o, "rows_per_s");
    line->eta_s = status_line_u64(o, "eta_s");
    line->tasks_out = status_line_u64(o, "out");
    line->exit = (int)(status_line_u64(o, "exit") & 0xff);
}

enum co_err
status_line_parse(const char *text, size_t len, struct status_line *ret)
{
    const char *event;

    *ret = (struct status_line){.root = json_loadb(text, len, 0, NULL)};
    event = json_string_value(json_object_get(ret->root, "event"));
    if (!event ||
        (strcmp(event, "progress") != 0 && strcmp(event, "end") != 0)) {
        status_line_fini(ret);
        return CO_PROTOCOL;
    }
    ret->end = strcmp(event, "end") == 0;
    take_text(ret->root, "state", ret->state, sizeof ret->state);
    take_text(ret->root, "why", ret->why, sizeof ret->why);
    take_text(ret->root, "text", ret->text, sizeof ret->text);
    take_numbers(ret);
    ret->result = json_object_get(ret->root, "result");
    money_line_of_json(json_object_get(ret->root, "money"), &ret->money);
    return CO_OK;
}

void
status_line_fini(struct status_line *line)
{
    json_decref(line->root);
    *line = (struct status_line){0};
}

bool
status_line_ledger_holds(const struct status_line *line, struct co_diag *diag)
{
    uint64_t sum = line->accepted + line->rejected + line->dead +
                   line->surplus + line->pending;

    if (line->drawn != sum) {
        (void)co_fail(diag, CO_DAMAGED,
                      "the ledger is broken: %" PRIu64 " candidates drawn, "
                      "but accepted + rejected + dead + surplus + pending is "
                      "%" PRIu64 ". This is a bug: keep the folder and report "
                      "it",
                      line->drawn, sum);
        return false;
    }
    if (line->accepted > line->requested ||
        (line->exit == 0 && line->accepted != line->requested)) {
        (void)co_fail(diag, CO_DAMAGED,
                      "the ledger is broken: %" PRIu64
                      " rows accepted, %" PRIu64
                      " requested. This is a bug: keep the folder and report "
                      "it",
                      line->accepted, line->requested);
        return false;
    }
    return true;
}
