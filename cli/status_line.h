/* status_line.h - what the coordinator reports on its status descriptor, read
 * back. The lines are described in docs/cli.md (--json). No I/O. */
#pragma once
#include "cli/money_line.h"
#include "common/err.h"

#include <jansson.h>

struct status_line {
    bool end;        /* the last line */
    bool has_ledger; /* the seven numbers below stand in it */
    char state[32];
    char why[160];
    char text[1024]; /* end: for a person */
    int exit;        /* end: exit code of the coordinator */
    uint64_t elapsed_ms;
    uint64_t requested, drawn, accepted, rejected, dead, surplus, pending;
    uint64_t duplicates; /* of the rejected */
    uint64_t rows_per_s, eta_s, tasks_out;
    struct money_line money;
    json_t *root;   /* the whole line; owned */
    json_t *result; /* end: its "result", inside root; NULL: none */
};

/* CO_PROTOCOL: no JSON object with a known event; *ret is empty then. */
co_must_use enum co_err status_line_parse(const char *text, size_t len,
                                          struct status_line *ret);
void status_line_fini(struct status_line *line);
/* Does drawn = accepted + rejected + dead + surplus + pending hold, with
 * accepted <= requested, and equal when exit is 0? Writes what does not. */
bool status_line_ledger_holds(const struct status_line *line,
                              struct co_diag *diag);
/* A number of an object; 0 when it is not there or negative. */
uint64_t status_line_u64(const json_t *object, const char *key);
