/* endpoint_id.c - see endpoint_id.h. A hash of our own making or a fast one
 * (XXH3) would do for long random keys, but not for the short words that
 * people give their own servers. */
#include "llm/endpoint_id.h"

#include "common/hash.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libcrypt takes at most 512 bytes; longer keys go in by pieces. */
enum { PIECE_BYTES = 256, SETTING_BYTES = 64 };

/* Addresses that differ by a last slash are one. */
static size_t
url_len(const char *url)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    return len;
}

static enum co_err
stir(struct crypt_data *data, const char *piece, size_t len, uint64_t *id,
     struct co_diag *diag)
{
    char setting[SETTING_BYTES], text[PIECE_BYTES + 1], salt[CO_HEX16_SIZE];
    const char *out;

    memcpy(text, piece, len);
    text[len] = '\0';
    (void)snprintf(setting, sizeof setting, "$6$rounds=20000$%s$",
                   co_hex16(*id, salt));
    out = crypt_r(text, setting, data);
    explicit_bzero(text, sizeof text);
    if (!out || out[0] != '$') {
        return co_fail(diag, CO_IO,
                       "libcrypt has no SHA-512-crypt, by which the limits of "
                       "an endpoint and its key are named in Redis");
    }
    *id = co_hash64(out, strlen(out), *id);
    return CO_OK;
}

enum co_err
endpoint_id(const char *url, const struct secret *key, uint64_t *ret_id,
            struct co_diag *diag)
{
    uint64_t id = co_hash64(url, url_len(url), 0);
    struct crypt_data *data = NULL;
    enum co_err err = CO_OK;

    if (key && key->len > 0) {
        data = calloc(1, sizeof *data);
        if (!data) return CO_NOMEM;
        for (size_t at = 0; at < key->len && !err; at += PIECE_BYTES) {
            err = stir(data, key->text + at,
                       co_min_u64(key->len - at, PIECE_BYTES), &id, diag);
        }
        explicit_bzero(data, sizeof *data);
        free(data);
    }
    if (!err) *ret_id = id;
    return err;
}
