/* findings.h - what a report says should be done, and why.
 * One table: a finding is a measured figure beyond a limit, with an action
 * in the job file's own words, the effect to expect and how that was
 * estimated. report.json and the dataset card list what applies, at most
 * ten; docs/playbook.md explains the same table (a test compares them).
 * Nothing found, nothing said.
 * Thread-safe: reads its arguments only. */
#pragma once
#include "audit/compare.h"
#include "common/json.h"

/* In the order in which they are reported: worst first. */
enum finding_id {
    FINDING_RULE_BROKEN,
    FINDING_PARTIAL,
    FINDING_DEAD_ROWS,
    FINDING_JOINT_OFF,
    FINDING_TARGET_ABOUT,
    FINDING_NEIGHBOURS_ALIKE,
    FINDING_LOW_ACCEPTANCE,
    FINDING_DUPLICATES,
    FINDING_MIX_FAR,
    FINDING_TOO_FEW_ROWS,
    FINDING_COUNT
};

enum { FINDINGS_MAX = 10 };

/* A line of the playbook: the parts that are the same in every report. */
struct playbook_line {
    const char *finding;
    const char *when;     /* the limit */
    const char *cause;    /* what is behind it */
    const char *action;   /* what to do in the job file */
    const char *effect;   /* what to expect */
    const char *estimate; /* how that is estimated */
};

/* One finding, with its figures. */
struct finding {
    enum finding_id id;
    char cause[400];
    char action[240];
    char effect[240];
};

/* What findings are made from, beside the figures. All borrowed. */
struct finding_facts {
    const struct audit_figures *figures;
    const struct joints *joints;
    const struct sampler *sampler;
    uint64_t requested, drawn, accepted, rejected, dead;
    uint64_t duplicates; /* of the rejected */
};

const struct playbook_line *finding_line(enum finding_id id);
/* Fills ret with what applies, at most FINDINGS_MAX; returns how many. */
unsigned findings_find(const struct finding_facts *f,
                       struct finding ret[FINDINGS_MAX]);
/* Puts the section actions into the object that json is in. */
void findings_report(const struct finding *findings, unsigned n,
                     struct co_json *json);
