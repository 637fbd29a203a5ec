/* registry.h - the runs of this user on this machine, so that `cohort status`
 * finds their private Redis and their folders: one small JSON file a folder in
 * $XDG_STATE_HOME/cohort/runs (default ~/.local/state). A convenience: when it
 * cannot be written, runs go on. One thread. */
#pragma once
#include "common/buf.h"

enum { REGISTRY_MAX = 256, REGISTRY_TEXT = 4096 };

struct registry_entry {
    char out[REGISTRY_TEXT]; /* absolute */
    char name[80];
    char redis[400]; /* URL, "" for none; never with a password */
    char name_space[80];
    int64_t pid;
    int64_t started_ms; /* wall clock */
};

/* Writes (or replaces) the entry of a folder, and removes those whose folder
 * is gone. */
void registry_put(const struct registry_entry *entry);
/* The entries, newest first, at most REGISTRY_MAX; the caller frees
 * *ret_entries. None is no error. */
co_must_use enum co_err registry_list(struct registry_entry **ret_entries,
                                      size_t *ret_count, struct co_diag *diag);
/* Reads the entry `file` of the folder; false: it is none of ours. */
bool registry_load(const char *folder, const char *file,
                   struct registry_entry *ret);
/* The folder of the entries; "" when there is no home. */
void registry_folder(char *path, size_t size);
