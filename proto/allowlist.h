/* allowlist.h - the keys that may connect, from a folder of *.pub files.
 * Read whole into memory at once: a handshake never waits for a disk. A file
 * that cannot be read or understood lets nobody in; it is counted and said.
 * A list does not change; a new one replaces it, counted references let
 * several threads look at it. */
#pragma once
#include "proto/keyfile.h"

enum { ALLOWLIST_KEYS_MAX = 65536 };

struct allowlist; /* opaque */

/* dir/NAME.pub for any number of names. A key that stands in two files with
 * different roles has none. CO_IO, ...: dir cannot be read at all. CO_FULL:
 * more than ALLOWLIST_KEYS_MAX files. */
co_must_use enum co_err allowlist_load(const char *dir,
                                       struct allowlist **ret_list,
                                       struct co_diag *diag);
struct allowlist *allowlist_ref(struct allowlist *list);
/* Takes NULL; the last one frees. */
void allowlist_unref(struct allowlist *list);
CO_DEFINE_FREEP(struct allowlist, allowlist_unref)

/* The key, or NULL. Valid as long as the list. */
const struct key *allowlist_find(const struct allowlist *list,
                                 const uint8_t public[KEY_BYTES]);
/* Whether a key with that id (key_id) and role is in it. */
bool allowlist_has(const struct allowlist *list, uint64_t id,
                   enum key_role role);
uint32_t allowlist_count(const struct allowlist *list, enum key_role role);
/* Files that were skipped. */
uint32_t allowlist_bad(const struct allowlist *list);
