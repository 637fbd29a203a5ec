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
/* The flags of its i-th file, as "--name=value" each ended by a 0 byte, one
 * after the other. CO_INVALID: the Redis URL is none (diag). */
co_must_use enum co_err profile_flags(enum profile profile, size_t i,
                                      const struct profile_place *place,
                                      struct co_buf *flags,
                                      struct co_diag *diag);
/* What to do with the files, for a person; dir is where they are. */
void profile_next_steps(enum profile profile, const char *dir,
                        struct co_buf *out);
