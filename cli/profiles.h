/* profiles.h - what `cohort init` sets for which kind of deployment, as a
 * table: profile -> files -> the program whose options a file holds -> those
 * of them that differ from the defaults. Everything else about an option
 * (help, range, default) comes from the program's own table. No I/O. */
#pragma once
#include "common/buf.h"
#include "common/options.h"

enum profile { PROFILE_LAPTOP, PROFILE_FLEET, PROFILE_KUBERNETES };
enum { PROFILE_FLAGS_MAX = 40 };

/* Names for --profile, ended by NULL. */
extern const char *const profile_names[];

/* What the user says about the place; NULL or empty: the profile's own. */
struct profile_place {
    struct co_option_list brokers; /* host names */
    const char *redis;             /* URL */
};

/* A file to be written: run `program [command] FLAG... --explain-config`. */
struct profile_file {
    const char *file;    /* "broker.conf" */
    const char *program; /* "cohort-broker" */
    const char *command; /* of the program; NULL: none */
};

/* The files of a profile; *ret_count of them. */
const struct profile_file *profile_files(enum profile profile,
                                         size_t *ret_count);
/* Can the profile use what is said about the place? Brokers are host names or
 * addresses alone, since each file needs another port of them; laptop starts
 * a broker and a Redis of its own and takes neither. CO_USAGE, CO_INVALID:
 * diag says which, why, and what would do. */
co_must_use enum co_err profile_check(enum profile profile,
                                      const struct profile_place *place,
                                      struct co_diag *diag);
/* The flags of its i-th file, as "--name=value" each ended by a 0 byte, one
 * after the other. The place was checked (profile_check). */
co_must_use enum co_err profile_flags(enum profile profile, size_t i,
                                      const struct profile_place *place,
                                      struct co_buf *flags,
                                      struct co_diag *diag);
/* What to do with the files, for a person; dir is where they are. */
void profile_next_steps(enum profile profile, const char *dir,
                        struct co_buf *out);
