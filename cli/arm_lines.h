/* arm_lines.h - what run.json says of each writer and each arm of a job, as
 * lines for people; see `arms` in docs/job-file.md. */
#pragma once
#include "common/buf.h"

#include <jansson.h>

struct arm_line {
    char arm[44];
    char who[100]; /* "short by cheap" */
    uint64_t rows, accepted, degraded, dead, wrong;
    char usd[48], unknown[48], row_usd[48]; /* "": not known; or none */
};

enum { ARM_LINES_MAX = 48 };

struct arm_lines {
    struct arm_line v[ARM_LINES_MAX];
    uint32_t n;
};

/* arms may be NULL, or anything: then there are none. */
void arm_lines_of_json(const json_t *arms, struct arm_lines *ret);
/* Rows that the arm's writers wrote. */
uint64_t arm_lines_rows(const struct arm_lines *lines, const char *arm);
/* A line each, behind "  arms    ". */
void arm_lines_say(const struct arm_lines *lines, struct co_buf *out);
