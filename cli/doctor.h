/* doctor.h - the checks of `cohort doctor`, each one line: ok, warn or fail,
 * what was found, and what to do. Checks look and clean up after themselves.
 * One thread. */
#pragma once
#include "common/buf.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
    const char *dir;          /* the folder that corpora go to */
    const char *redis, *data; /* may be NULL */
    bool redis_insecure;
    unsigned warned, failed; /* counted by doctor_say */
};

/* Prints a line: "warn  descriptors  1,024 of 4,096: do this". */
void doctor_say(struct doctor *d, enum doctor_verdict verdict, const char *what,
                const char *fmt, ...) co_printf(4, 5);

/* doctor_machine.c */
void doctor_descriptors(struct doctor *d);
void doctor_clock(struct doctor *d);
void doctor_cores(struct doctor *d);
void doctor_memory(struct doctor *d);
void doctor_libraries(struct doctor *d);
void doctor_model(struct doctor *d);
void doctor_sockets(struct doctor *d);
/* doctor_redis.c */
void doctor_redis(struct doctor *d);
/* doctor_folder.c */
void doctor_folder(struct doctor *d);
