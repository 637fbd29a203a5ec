/* keyfile.c - see keyfile.h. */
#include "proto/keyfile.h"

#include "common/buf.h"
#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_BYTES_MAX = 4096, LINE_MAX_BYTES = 256 };

static const char *const roles[KEY_ROLE_COUNT] = {
#define X(id, name) [KEY_##id] = name,
    KEY_ROLES(X)
#undef X
};

const char *
key_role_name(enum key_role role)
{
    return role < KEY_ROLE_COUNT ? roles[role] : "unknown";
}

enum key_role
key_role_find(const char *name)
{
    enum key_role role = (enum key_role)0;

    while (role < KEY_ROLE_COUNT && strcmp(name, roles[role]) != 0) {
        role++;
    }
    return role;
}

uint64_t
key_id(const uint8_t public[KEY_BYTES])
{
    uint64_t id;

    memcpy(&id, public, sizeof id);
    return id ? id : 1; /* 0 stands for "no key" */
}

char *
key_text(const uint8_t key[KEY_BYTES], char text[KEY_TEXT_SIZE])
{
    return zmq_z85_encode(text, key, KEY_BYTES);
}

void
key_forget(struct key *key)
{
    explicit_bzero(key->secret, sizeof key->secret);
    key->has_secret = false;
}

static bool
name_is_good(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                            "YZ0123456789._-");

    return n > 0 && n <= KEY_NAME_MAX && name[n] == '\0' && name[0] != '.';
}

/* ---- reading ------------------------------------------------------------- */

enum word { W_VERSION, W_ROLE, W_NAME, W_PUBLIC, W_SECRET, WORD_COUNT };

static const char *const words[WORD_COUNT] = {"version", "role", "name",
                                              "public", "secret"};

/* NULL, or what is wrong with the value. */
static const char *
take_value(enum word word, const char *value, struct key *key)
{
    switch (word) {
    case W_VERSION:
        return strcmp(value, "1") == 0 ? NULL : "only version 1 is known";
    case W_ROLE:
        key->role = key_role_find(value);
        return key->role < KEY_ROLE_COUNT
                   ? NULL
                   : "the role is worker, coordinator or broker";
    case W_NAME:
        if (!name_is_good(value)) return "a name is 1-64 of a-z A-Z 0-9 . _ -";
        (void)snprintf(key->name, sizeof key->name, "%s", value);
        return NULL;
    case W_PUBLIC:
    case W_SECRET:
        if (strlen(value) == KEY_TEXT_SIZE - 1 &&
            zmq_z85_decode(word == W_PUBLIC ? key->public : key->secret,
                           value)) {
            return NULL;
        }
        return "a key is 40 characters of Z85";
    case WORD_COUNT:
        break;
    }
    return "unknown word";
}

/* One line without its end, "word value". NULL, or what is wrong. */
static const char *
take_line(char *line, unsigned *seen, struct key *key)
{
    char *space = strchr(line, ' ');

    if (line[0] == '\0' || strncmp(line, "# ", 2) == 0) return NULL;
    if (!space) return "\"word value\" is expected";
    *space = '\0';
    for (unsigned w = 0; w < WORD_COUNT; w++) {
        if (strcmp(line, words[w]) != 0) continue;
        if (*seen & 1U << w) return "this word stands twice";
        *seen |= 1U << w;
        return take_value((enum word)w, space + 1, key);
    }
    return "allowed words are version, role, name, public, secret";
}

static bool
is_pair(const struct key *key)
{
    char secret[KEY_TEXT_SIZE], public[KEY_TEXT_SIZE];
    uint8_t derived[KEY_BYTES];
    bool same;

    same = zmq_curve_public(public, key_text(key->secret, secret)) == 0 &&
           zmq_z85_decode(derived, public) &&
           memcmp(derived, key->public, KEY_BYTES) == 0;
    explicit_bzero(secret, sizeof secret);
    return same;
}

enum co_err
keyfile_parse(const char *path, const char *text, size_t len,
              struct key *ret_key, struct co_diag *diag)
{
    const unsigned needed =
        1U << W_VERSION | 1U << W_ROLE | 1U << W_NAME | 1U << W_PUBLIC;
    struct key key = {.role = KEY_ROLE_COUNT};
    unsigned seen = 0;
    int number = 0;

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - text) - at : len - at;
        char line[LINE_MAX_BYTES];
        const char *why = "the line is too long, or has a NUL";

        number++;
        if (n < sizeof line && !memchr(text + at, '\0', n)) {
            memcpy(line, text + at, n);
            line[n] = '\0';
            why = take_line(line, &seen, &key);
            explicit_bzero(line, sizeof line);
        }
        if (why) {
            key_forget(&key);
            return co_fail(diag, CO_INVALID, "%s, line %d: %s", path, number,
                           why);
        }
        at += n + 1;
    }
    for (unsigned w = 0; w < WORD_COUNT; w++) {
        if (seen & 1U << w || !(needed & 1U << w)) continue;
        return co_fail(diag, CO_INVALID,
                       "%s: no line \"%s\"; is it a key file? Make one with "
                       "`" CO_PROGRAM " keygen`",
                       path, words[w]);
    }
    key.has_secret = seen & 1U << W_SECRET;
    if (key.has_secret && !is_pair(&key)) {
        key_forget(&key);
        return co_fail(diag, CO_INVALID,
                       "%s: the secret key is not that of the public key",
                       path);
    }
    *ret_key = key;
    key_forget(&key);
    ret_key->has_secret = seen & 1U << W_SECRET;
    return CO_OK;
}

/* As ssh does: a secret that others can read is none. A group may read, since
 * that is how clusters hand secrets to a program that is not root. */
static enum co_err
check_private(const char *path, struct co_diag *diag)
{
    struct stat st;

    if (stat(path, &st)) return CO_OK; /* reading tells */
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
        return co_fail(diag, CO_INVALID,
                       "%s is not a regular file: give the file NAME.key that "
                       "`" CO_PROGRAM " keygen` made",
                       path);
    }
    if (!(st.st_mode & (S_IRWXO | S_IWGRP | S_IXGRP))) return CO_OK;
    return co_fail(diag, CO_DENIED,
                   "%s: others may open this secret key (mode %03o): "
                   "chmod 600 it, and make a new one if they could have",
                   path, (unsigned)st.st_mode & 0777);
}

enum co_err
keyfile_load(const char *path, bool want_secret, struct key *ret_key,
             struct co_diag *diag)
{
    struct key key;
    struct co_buf text;
    enum co_err err = want_secret ? check_private(path, diag) : CO_OK;

    if (err) return err;
    co_buf_init(&text, 2UL * FILE_BYTES_MAX);
    err = co_fs_read_file(path, FILE_BYTES_MAX, &text, diag);
    if (!err) {
        err = keyfile_parse(path, co_buf_text(&text), text.len, &key, diag);
    }
    if (text.data) explicit_bzero(text.data, text.len);
    co_buf_fini(&text);
    if (err) return err;
    if (want_secret && !key.has_secret) {
        return co_fail(diag, CO_INVALID,
                       "%s is a public key: the secret one, %s.key, is needed",
                       path, key.name);
    }
    if (!want_secret && key.has_secret) {
        key_forget(&key);
        return co_fail(diag, CO_INVALID,
                       "%s holds a secret key where a public one belongs: give "
                       "%s.pub, and leave the secret on its own machine",
                       path, key.name);
    }
    *ret_key = key;
    key_forget(&key);
    ret_key->has_secret = want_secret;
    return CO_OK;
}

/* ---- making -------------------------------------------------------------- */

static enum co_err
write_new(const char *path, const char *text, size_t len, struct co_diag *diag)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int errnum = errno;
    bool good;

    if (fd < 0 && errnum == EEXIST) {
        return co_fail(diag, CO_EXISTS,
                       "%s is there already, and keys are never overwritten: "
                       "choose another name, or move it away",
                       path);
    }
    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errnum), "cannot make %s: %s",
                       path, strerror(errnum));
    }
    good = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    errnum = errno;
    good = close(fd) == 0 && good;
    if (good) return CO_OK;
    (void)unlink(path); /* half a key is of no use */
    return co_fail(diag, CO_IO, "%s: cannot write: %s", path, strerror(errnum));
}

static size_t
format(const struct key *key, bool secret, char text[FILE_BYTES_MAX])
{
    char encoded[KEY_TEXT_SIZE];
    int n = snprintf(text, FILE_BYTES_MAX,
                     "# %s key of " CO_PROGRAM ". %s\n"
                     "version 1\nrole %s\nname %s\npublic %s\n",
                     secret ? "Secret" : "Public",
                     secret ? "It never leaves the machine that uses it."
                            : "Give it to whoever must recognise its holder.",
                     key_role_name(key->role), key->name,
                     key_text(key->public, encoded));

    if (secret) {
        n += snprintf(text + n, FILE_BYTES_MAX - (size_t)n, "secret %s\n",
                      key_text(key->secret, encoded));
        explicit_bzero(encoded, sizeof encoded);
    }
    return (size_t)n;
}

static enum co_err
new_pair(struct key *key, struct co_diag *diag)
{
    char public[KEY_TEXT_SIZE], secret[KEY_TEXT_SIZE];

    if (zmq_curve_keypair(public, secret) != 0) {
        return co_fail(diag, CO_UNAVAILABLE,
                       "this libzmq was built without CURVE: install one that "
                       "has it (Debian's does)");
    }
    (void)zmq_z85_decode(key->public, public);
    (void)zmq_z85_decode(key->secret, secret);
    key->has_secret = true;
    explicit_bzero(secret, sizeof secret);
    return CO_OK;
}

static bool
is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

enum co_err
keyfile_make(const char *dir, enum key_role role, const char *name,
             struct key *ret_key, struct co_diag *diag)
{
    char path[2][PATH_MAX], text[FILE_BYTES_MAX];
    struct key key = {.role = role};
    enum co_err err;

    if (!name_is_good(name)) {
        return co_fail(diag, CO_USAGE,
                       "\"%.80s\": a name is 1-64 of a-z A-Z 0-9 . _ - and "
                       "does not begin with a dot",
                       name);
    }
    (void)snprintf(key.name, sizeof key.name, "%s", name);
    for (int i = 0; i < 2; i++) {
        int n = snprintf(path[i], PATH_MAX, "%s/%s.%s", dir, name,
                         i ? "pub" : "key");

        if (n < 0 || n >= PATH_MAX) {
            return co_fail(diag, CO_RANGE, "the path of %s is too long", dir);
        }
    }
    if (is_there(path[1])) { /* before a secret of that name is made */
        return write_new(path[1], "", 0, diag);
    }
    err = co_fs_mkdirs(dir, diag);
    if (!err) err = new_pair(&key, diag);
    if (!err) err = write_new(path[0], text, format(&key, true, text), diag);
    explicit_bzero(text, sizeof text);
    if (!err) {
        err = write_new(path[1], text, format(&key, false, text), diag);
        if (err) (void)unlink(path[0]);
    }
    if (!err) err = co_fs_sync_dir(dir, diag);
    if (!err) *ret_key = key;
    key_forget(&key);
    return err;
}
