/* keyring.c - see keyring.h. */
#include "proto/keyring.h"

#include "proto/gate.h"

bool
keyring_wanted(const struct keyring_options *options)
{
    return options->key && options->key[0];
}

static enum co_err
load_own(const char *path, enum key_role role, struct key *ret_key,
         struct co_diag *diag)
{
    enum co_err err = keyfile_load(path, true, ret_key, diag);

    if (err) return err == CO_NOMEM ? err : CO_USAGE;
    if (ret_key->role == role) return CO_OK;
    key_forget(ret_key);
    return co_fail(diag, CO_USAGE,
                   "--key %s is the key of a %s, a %s is needed here: make one "
                   "with `" CO_PROGRAM " keygen %s NAME`",
                   path, key_role_name(ret_key->role), key_role_name(role),
                   key_role_name(role));
}

static enum co_err
load_other(const char *path, enum key_role role, const char *option,
           struct key *ret_key, struct co_diag *diag)
{
    enum co_err err = keyfile_load(path, false, ret_key, diag);

    if (err) return err == CO_NOMEM ? err : CO_USAGE;
    if (ret_key->role == role) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "--%s %s is the key of a %s, that of a %s is needed", option,
                   path, key_role_name(ret_key->role), key_role_name(role));
}

static enum co_err
check_count(const struct keyring_options *o, size_t links, const char *option,
            struct co_diag *diag)
{
    size_t n = o->others.count;

    if (links == 0 || n == 1 || n == links) return CO_OK;
    if (n == 0) {
        return co_fail(diag, CO_USAGE,
                       "--key needs --%s FILE too: the public key (NAME.pub) "
                       "of whom we connect to, or anybody could answer there",
                       option);
    }
    return co_fail(diag, CO_USAGE,
                   "%zu times --%s for %zu endpoints: give one for all of "
                   "them, or one for each in their order",
                   n, option, links);
}

enum co_err
keyring_load(const struct keyring_options *o, enum key_role role, size_t links,
             enum key_role other, const char *other_option,
             struct keyring *ret_ring, struct co_diag *diag)
{
    enum co_err err;

    ret_ring->used = false;
    if (!keyring_wanted(o)) {
        if (o->key || (!o->others.count && !o->allow)) return CO_OK;
        return co_fail(diag, CO_USAGE,
                       "--%s goes with --key FILE, the own secret key",
                       o->allow ? "allow" : other_option);
    }
    err = check_count(o, links, other_option, diag);
    if (!err) err = load_own(o->key, role, &ret_ring->own, diag);
    if (err) return err;
    ret_ring->used = true;
    ret_ring->n_others = 0;
    for (size_t i = 0; !err && links && i < o->others.count; i++) {
        err = load_other(o->others.items[i], other, other_option,
                         &ret_ring->others[i], diag);
        ret_ring->n_others++;
    }
    if (err) keyring_forget(ret_ring);
    return err;
}

void
keyring_forget(struct keyring *ring)
{
    key_forget(&ring->own);
    ring->used = false;
}

const struct sock_keys *
keyring_connect(const struct keyring *ring, size_t link, struct sock_keys *keys)
{
    const struct key *other = &ring->others[ring->n_others == 1 ? 0 : link];

    if (!ring->used) return NULL;
    *keys = (struct sock_keys){.public = ring->own.public,
                               .secret = ring->own.secret,
                               .server = other->public};
    return keys;
}

const struct sock_keys *
keyring_bind(const struct keyring *ring, enum key_role peers, bool monitor,
             struct sock_keys *keys)
{
    if (!ring->used) return NULL;
    *keys = (struct sock_keys){.public = ring->own.public,
                               .secret = ring->own.secret,
                               .domain = gate_domain(peers),
                               .monitor = monitor ? gate_monitor(peers) : NULL};
    return keys;
}
