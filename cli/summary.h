/* summary.h - what a run says when it is over: ledger, rows, files, bytes,
 * time, where to look. Pure. */
#pragma once
#include "cli/status_line.h"
#include "common/buf.h"

/* Appends the summary for a person. line is the last report, out the output
 * folder, before how many rows earlier runs had made. Nothing but the
 * coordinator's text when there is no ledger. */
void summary_write(const struct status_line *line, const char *out,
                   uint64_t before, struct co_buf *buf);
/* Appends the line "  ledger  D drawn = A accepted + ...". */
void summary_ledger(const struct status_line *line, struct co_buf *buf);
