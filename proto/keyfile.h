/* keyfile.h - CURVE keys of programs, as files.
 * NAME.key holds the secret and stays where the program runs; NAME.pub is for
 * everybody who must recognise it. Both are lines "word value":
 *
 *   version 1
 *   role worker
 *   name host7
 *   public 40 characters of Z85
 *   secret 40 characters of Z85, in NAME.key only
 *
 * Empty lines and lines that begin with "# " are skipped. The role says what
 * the key's holder may do: it is decided by whoever puts the .pub file into a
 * broker's allow-list, never by the peer. Thread-safe: no state. */
#pragma once
#include "proto/msg.h"

/* X(ID, name) */
#define KEY_ROLES(X)                                                           \
    X(WORKER, "worker")           /* runs tasks */                             \
    X(COORDINATOR, "coordinator") /* owns jobs, submits them, takes them */    \
    X(BROKER, "broker")           /* the others connect to it */

enum key_role {
#define X(id, name) KEY_##id,
    KEY_ROLES(X)
#undef X
        KEY_ROLE_COUNT
};

enum { KEY_BYTES = 32, KEY_TEXT_SIZE = 41, KEY_NAME_MAX = 64 };

struct key {
    enum key_role role;
    char name[KEY_NAME_MAX + 1]; /* for people: a-z A-Z 0-9 . _ - */
    uint8_t public[KEY_BYTES];
    uint8_t secret[KEY_BYTES];
    bool has_secret;
};

/* "worker", ...; KEY_ROLE_COUNT for a name that is none. */
const char *key_role_name(enum key_role role);
enum key_role key_role_find(const char *name);
/* What a public key is known by inside a program: its first eight bytes,
 * never 0 for a real key. */
uint64_t key_id(const uint8_t public[KEY_BYTES]);
/* Z85, ended by NUL; returns text. */
char *key_text(const uint8_t key[KEY_BYTES], char text[KEY_TEXT_SIZE]);
/* Overwrites the secret. */
void key_forget(struct key *key);

/* Reads the text of a key file. Everything is checked: unknown, double and
 * missing lines, that the secret is the public key's. path is for messages.
 * CO_INVALID: diag says which line and why. */
co_must_use enum co_err keyfile_parse(const char *path, const char *text,
                                      size_t len, struct key *ret_key,
                                      struct co_diag *diag);
/* Reads a file. want_secret: it must have the secret, and no one but its owner
 * (and a group that only reads) may open it: CO_DENIED. Else it must not have
 * one: CO_INVALID. */
co_must_use enum co_err keyfile_load(const char *path, bool want_secret,
                                     struct key *ret_key, struct co_diag *diag);
/* Makes a new pair of keys and writes dir/NAME.key and dir/NAME.pub (0600;
 * dir is made with 0700). CO_EXISTS: one of them is there; nothing changed. */
co_must_use enum co_err keyfile_make(const char *dir, enum key_role role,
                                     const char *name, struct key *ret_key,
                                     struct co_diag *diag);
