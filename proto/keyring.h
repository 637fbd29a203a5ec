/* keyring.h - the keys of one program, as its options name them.
 * Given --key, every link of the program has keys, local ones too: that is one
 * rule to remember, and what a test on one machine needs. Not thread-safe. */
#pragma once
#include "common/options.h"
#include "proto/socket.h"

struct keyring_options {
    const char *key;              /* file of our own; NULL or "": no keys */
    struct co_option_list others; /* files: public keys of whom we connect to,
                                     one for all or one each */
    const char *allow;            /* folder: keys that may connect to us */
};

enum { KEYRING_OTHERS_MAX = 16 };

/* Lines of the option tables; FIELD(keys.key) must be the offset of a struct
 * keyring_options named keys. An empty --key takes back one that stands in the
 * environment. */
// clang-format off
#define KEYRING_KEY_OPTION                                                     \
    {.name = "key", .type = CO_OPTION_STRING, .offset = FIELD(keys.key),       \
     .max = 4095, .placeholder = "FILE",                                       \
     .help = "own secret key (" CO_PROGRAM " keygen): all links use keys"}
#define KEYRING_OTHERS_OPTION(option, whose)                                   \
    {.name = option, .type = CO_OPTION_LIST, .offset = FIELD(keys.others),     \
     .max = KEYRING_OTHERS_MAX, .placeholder = "FILE",                         \
     .help = "public key of the " whose "; one for all, or one for each"}
#define KEYRING_ALLOW_OPTION                                                   \
    {.name = "allow", .type = CO_OPTION_STRING, .offset = FIELD(keys.allow),   \
     .max = 4095, .placeholder = "DIR",                                        \
     .help = "folder of the public keys (*.pub) that may connect; read again " \
             "on SIGHUP"}
// clang-format on

struct keyring {
    bool used; /* else links are as they are without keys */
    struct key own;
    struct key others[KEYRING_OTHERS_MAX];
    size_t n_others;
};

/* Whether the options ask for keys. */
bool keyring_wanted(const struct keyring_options *options);
/* Reads the files. role: what the own key must be. links: how many endpoints
 * we connect to, each needing the key of a `other` behind it (0: none).
 * other_option: how that option is called, for messages.
 * CO_USAGE: what is wrong and what to do. Without --key: not used. */
co_must_use enum co_err
keyring_load(const struct keyring_options *options, enum key_role role,
             size_t links, enum key_role other, const char *other_option,
             struct keyring *ret_ring, struct co_diag *diag);
/* Overwrites the secret. */
void keyring_forget(struct keyring *ring);
/* For sock_connect of the link-th endpoint; NULL without keys. *keys is filled
 * and points into ring. */
const struct sock_keys *keyring_connect(const struct keyring *ring, size_t link,
                                        struct sock_keys *keys);
/* For sock_bind of a socket for peers with that role. */
const struct sock_keys *keyring_bind(const struct keyring *ring,
                                     enum key_role peers, bool monitor,
                                     struct sock_keys *keys);
