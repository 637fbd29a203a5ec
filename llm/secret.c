/* secret.c - see secret.h. */
#include "llm/secret.h"

#include "common/fs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* Shorter ones are found in any text; what they protect is not much. */
enum { REDACT_MIN = 4 };
/* Room for what co_fs_read_file() reads at once. */
enum { CONTENT_BYTES = 1 << 20 };

static enum co_err
take(const char *from, const char *text, size_t len, struct secret *ret_secret,
     struct co_diag *diag)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    if (len == 0) return co_fail(diag, CO_USAGE, "%s: there is no key", from);
    if (len >= SECRET_BYTES) {
        return co_fail(diag, CO_USAGE, "%s: a key has at most %d bytes", from,
                       SECRET_BYTES - 1);
    }
    for (size_t i = 0; i < len; i++) {
        /* A line break would begin a header of its own. */
        if (text[i] > ' ' && text[i] < 0x7f) continue;
        return co_fail(diag, CO_USAGE,
                       "%s: byte %zu is none that a key can have (printable "
                       "ASCII without blanks, on one line)",
                       from, i + 1);
    }
    memcpy(ret_secret->text, text, len);
    ret_secret->text[len] = '\0';
    ret_secret->len = len;
    return CO_OK;
}

enum co_err
secret_load(const char *env_name, const char *file, const char *named_by,
            struct secret *ret_secret, struct co_diag *diag)
{
    struct co_buf content;
    enum co_err err;

    /* Memory of this process, which soon holds the key in many places (ours,
     * libcurl's, the TLS library's), is not for core dumps or debuggers. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (env_name) {
        const char *value = getenv(env_name);

        if (value) {
            return take(env_name, value, strlen(value), ret_secret, diag);
        }
        return co_fail(diag, CO_USAGE,
                       "the environment has no %s: export it, or name another "
                       "variable with %s",
                       env_name, named_by);
    }
    co_buf_init(&content, CONTENT_BYTES);
    err = co_fs_read_file(file, SECRET_BYTES, &content, diag);
    if (!err) {
        const char *text = co_buf_text(&content);
        const char *line_end = memchr(text, '\n', content.len);

        err =
            take(file, text, line_end ? (size_t)(line_end - text) : content.len,
                 ret_secret, diag);
    } else {
        err = CO_USAGE;
    }
    if (content.data) explicit_bzero(content.data, content.cap);
    co_buf_fini(&content);
    return err;
}

void
secret_forget(struct secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}

/* "u0073", what follows the backslash of an escape, as its byte; -1: it is none
 * of ASCII, of which alone keys are. */
static int
hex_escape(const char *text)
{
    int byte = 0;

    if (memcmp(text, "u00", 3) != 0) return -1;
    for (size_t i = 3; i < 5; i++) {
        const char c = text[i];

        if (c >= '0' && c <= '9') {
            byte = byte * 16 + c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            byte = byte * 16 + (c | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
    }
    return byte;
}

/* How many bytes at text say c, as it is or as JSON may spell it; 0: they say
 * something else. *ret_cut: they end before that can be known. */
static size_t
spelling(const char *text, size_t len, char c, bool *ret_cut)
{
    *ret_cut = len == 0;
    if (len == 0) return 0;
    if (text[0] != '\\') return text[0] == c;
    if (len > 1 && text[1] == 'u') {
        *ret_cut = len < 6;
        return len >= 6 && hex_escape(text + 1) == c ? 6 : 0;
    }
    *ret_cut = len == 1;
    if (len > 1 && text[1] == c && strchr("\"\\/", c)) return 2;
    return c == '\\';
}

/* How many bytes at text are the key, or a beginning of it where text ends:
 * it may have been cut there. Three of its bytes tell nothing. */
static size_t
key_at(const struct secret *secret, const char *text, size_t len)
{
    size_t used = 0;

    for (size_t i = 0; i < secret->len; i++) {
        bool cut;
        size_t n = spelling(text + used, len - used, secret->text[i], &cut);

        if (n == 0) return cut && i >= REDACT_MIN ? len : 0;
        used += n;
    }
    return used;
}

void
secret_redact(const struct secret *secret, char *text, size_t len)
{
    size_t n;

    if (secret->len < REDACT_MIN) return;
    for (size_t at = 0; at < len; at += n ? n : 1) {
        n = key_at(secret, text + at, len - at);
        memset(text + at, '*', n);
    }
}
