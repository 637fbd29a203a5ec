/* manifest.h - a user's folder of tables: FOLDER/manifest.yaml and the TSV
 * files that it names. docs/population.md explains the format. Read by who
 * owns the job; what decides rows goes into the recipe as integers, what only
 * describes (name, source, licence) stays here, for the card.
 * Every message names file and line. Not thread-safe. */
#pragma once
#include "population/tables.h"

struct co_yaml;

enum {
    MANIFEST_TEXT_MAX = 300,     /* bytes of name, source and licence */
    MANIFEST_FILE_MAX = 4 << 20, /* bytes of one TSV file */
    MANIFEST_LINES_MAX = 200000, /* of one */
};

struct manifest {
    char *dir;            /* as given; owned */
    char base[17];        /* population that the tables stand on */
    struct co_yaml *root; /* of manifest.yaml; owned */
    const char *name, *source, *licence; /* in root; NULL: not given */
    uint32_t year;                       /* 0: not given */
    struct user_tables tables;           /* empty until manifest_compile */
};

/* Reads dir/manifest.yaml. Files are not opened yet. */
co_must_use enum co_err manifest_open(const char *dir, struct manifest **ret,
                                      struct co_diag *diag);
/* Reads the tables for this model, which must be the base. Whether they fit
 * it and each other is for model_with() to say. */
co_must_use enum co_err manifest_compile(struct manifest *f,
                                         const struct model *base,
                                         struct co_diag *diag);
void manifest_free(struct manifest *f);
CO_DEFINE_FREEP(struct manifest, manifest_free)

/* manifest_table.c - reads one file into t, whose use, name and keys are set;
 * earlier are the tables before it. path is for opening and messages. */
co_must_use enum co_err manifest_table(const char *path,
                                       const struct model *base,
                                       const struct user_tables *earlier,
                                       struct user_table *t,
                                       struct co_diag *diag);
