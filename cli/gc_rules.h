/* gc_rules.h - what `cohort gc` may remove, as pure functions: no Redis, no
 * disk, no clock. All times are milliseconds since 1970. No state. */
#pragma once
#include "common/err.h"

/* How old what must be before it may go. */
struct gc_ages {
    uint64_t namespaces_ms, jobs_ms, events_ms, stale_ms;
    uint64_t journals_ms; /* 0: journals stay */
};

enum {
    GC_NAMESPACE_BYTES = 65,
    GC_PATTERN_BYTES = 2 * GC_NAMESPACE_BYTES + 16
};

/* What was found of a namespace. */
struct gc_namespace {
    char name[GC_NAMESPACE_BYTES];
    uint64_t keys;
    bool alive;          /* a key stands that only a living process keeps */
    int64_t newest_ms;   /* the last sign of life; 0: none has a time */
    bool budget;         /* has the ledger of caps over jobs */
    uint64_t unfinished; /* jobs that the same command would go on with, and
                            jobs with dead letters */
};

enum gc_verdict {
    GC_REMOVE,
    GC_ALIVE,
    GC_YOUNG,
    GC_NO_TIME,    /* nothing in it tells how old it is */
    GC_UNFINISHED, /* a job in it is not finished */
    GC_BUDGET,     /* what was spent under its caps is known there only */
};

/* `unfinished`: jobs that are not finished do not hold it. */
enum gc_verdict gc_namespace_verdict(const struct gc_namespace *ns,
                                     int64_t now_ms, uint64_t age_ms,
                                     bool unfinished);
/* Is a job in this state over for good? Others can be gone on with. */
bool gc_job_is_over(const char *state);
/* Older than age_ms? A time in the future is not. */
bool gc_is_older(int64_t at_ms, int64_t now_ms, uint64_t age_ms);

/* The namespace of a key cohort:{NS}:NAME; false: it is not one of ours.
 * *ret_name points to NAME. */
bool gc_key_parse(const char *key, char ns[GC_NAMESPACE_BYTES],
                  const char **ret_name);
/* Does only a living process keep this key (it expires otherwise)? */
bool gc_key_is_beat(const char *name);
/* The pattern of SCAN for all keys of ns, its special characters escaped. */
char *gc_key_pattern(const char *ns, char text[GC_PATTERN_BYTES]);
