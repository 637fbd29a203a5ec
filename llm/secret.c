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

/* A text that was cut may end within the key. */
static void
redact_beginning(const struct secret *secret, const char *begin, char *end)
{
    size_t n = co_min_u64(secret->len - 1, (uint64_t)(end - begin));

    for (; n >= REDACT_MIN; n--) {
        if (memcmp(end - n, secret->text, n) != 0) continue;
        memset(end - n, '*', n);
        return;
    }
}

void
secret_redact(const struct secret *secret, char *text, size_t len)
{
    const char *begin = text;
    char *end = text + len;

    if (secret->len < REDACT_MIN) return;
    while ((
        text = memmem(text, (size_t)(end - text), secret->text, secret->len))) {
        memset(text, '*', secret->len);
        text += secret->len;
    }
    redact_beginning(secret, begin, end);
}
