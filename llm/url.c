/* url.c - see url.h. */
#include "llm/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum co_err
refuse(struct co_diag *diag, const char *text, const char *why)
{
    return co_fail(diag, CO_USAGE,
                   "\"%.200s\" is no address of an endpoint: %s. It looks like "
                   "http://127.0.0.1:8000/v1",
                   text, why);
}

static bool
clean(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c <= ' ' || c >= 0x7f) return false;
    }
    return true;
}

/* ":8000" or nothing, up to end. */
static bool
read_port(const char *p, const char *end, uint16_t *port)
{
    unsigned n = 0;

    if (p == end) return true;
    if (*p++ != ':' || p == end || end - p > 5) return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') return false;
        n = 10 * n + (unsigned)(*p - '0');
    }
    if (n == 0 || n > UINT16_MAX) return false;
    *port = (uint16_t)n;
    return true;
}

/* One "name=value" of a query. */
static bool
names_key(const char *pair, size_t len)
{
    static const char *const names[] = {
        "key",   "apikey",       "api_key",    "api-key",  "subscription-key",
        "token", "access_token", "auth_token", "password", "secret"};
    size_t name = strcspn(pair, "=");

    for (size_t i = 0; i < co_countof(names) && name < len; i++) {
        if (strlen(names[i]) == name && !strncasecmp(pair, names[i], name)) {
            return true;
        }
    }
    return false;
}

bool
url_holds_key(const char *text)
{
    const char *at = strchr(text, '?');

    while (at) {
        size_t len = strcspn(++at, "&;");

        if (names_key(at, len)) return true;
        at = at[len] ? at + len : NULL;
    }
    return false;
}

enum co_err
url_parse(const char *text, struct url *ret_url, struct co_diag *diag)
{
    struct url url = {.port = 80};
    const char *host = text + 7, *end, *host_end;
    size_t len;

    /* Before anything is quoted: a password must not get into a message. */
    if (strchr(text, '@')) {
        return co_fail(diag, CO_USAGE,
                       "the address holds an @: names and passwords do not "
                       "belong there; keys come by --key-env or --key-file");
    }
    if (url_holds_key(text)) {
        return co_fail(diag, CO_USAGE,
                       "the address holds a key (behind its ?): it would stand "
                       "in logs and messages; keys come by --key-env or "
                       "--key-file");
    }
    if (strlen(text) >= URL_BYTES) return refuse(diag, text, "it is too long");
    if (!clean(text)) return refuse(diag, text, "it holds blanks or the like");
    if (strchr(text, '#')) return refuse(diag, text, "it has a fragment (#)");
    if (strncasecmp(text, "https://", 8) == 0) {
        url.https = true;
        url.port = 443;
        host++;
    } else if (strncasecmp(text, "http://", 7) != 0) {
        return refuse(diag, text,
                      "it begins with neither http:// nor https://");
    }
    end = host + strcspn(host, "/?");
    host_end = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    host_end = host_end ? host_end + 1 : host + strcspn(host, ":/?");
    len = (size_t)(host_end - host);
    if (len == 0 || len >= sizeof url.host) {
        return refuse(diag, text, "it names no host");
    }
    if (!read_port(host_end, end, &url.port)) {
        return refuse(diag, text, "its port is none of 1 to 65535");
    }
    for (size_t i = 0; i < len; i++) {
        url.host[i] = (char)tolower((unsigned char)host[i]);
    }
    url.path = end;
    *ret_url = url;
    return CO_OK;
}

bool
url_same_origin(const struct url *a, const struct url *b)
{
    return a->https == b->https && a->port == b->port &&
           strcmp(a->host, b->host) == 0;
}

bool
url_is_loopback(const struct url *url)
{
    unsigned a, b, c, d;
    char rest;

    if (strcmp(url->host, "localhost") == 0) return true;
    if (strcmp(url->host, "[::1]") == 0) return true;
    /* The whole of it: 127.0.0.1.example.org is somebody else. */
    /* NOLINTNEXTLINE(cert-err34-c): three digits each cannot overflow. */
    return sscanf(url->host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) == 4 &&
           a == 127;
}

/* Does the path of url, which ends at end, end with tail? */
static bool
path_ends(const struct url *url, const char *end, const char *tail)
{
    size_t n = tail ? strlen(tail) : 0;

    return n > 0 && end > url->path && (size_t)(end - url->path) >= n &&
           memcmp(end - n, tail, n) == 0;
}

enum co_err
url_join(const char *base, const char *api, char out[URL_BYTES],
         struct co_diag *diag)
{
    struct url url;
    size_t have, want;
    enum co_err err = url_parse(base, &url, diag);

    if (err) return err;
    if (strchr(base, '?')) {
        /* api-version=... of some gateways: only behind a whole address. */
        (void)snprintf(out, URL_BYTES, "%s", base);
        return CO_OK;
    }
    have = strlen(base);
    co_assert(have < URL_BYTES); /* url_parse says so */
    while (have > 0 && base[have - 1] == '/') {
        have--;
    }
    /* A whole address with another way to it, as gateways have. */
    if (path_ends(&url, base + have, strchr(api + 1, '/'))) api = "";
    /* The longest beginning of api, cut at a '/', that base ends with. */
    for (size_t n = strlen(api); n > 0; n--) {
        bool whole = api[n] == '\0' || api[n] == '/';
        const char *tail = base + have - n;

        if (!whole || n > have || tail < url.path) continue;
        if (memcmp(tail, api, n) != 0) continue;
        api += n;
        break;
    }
    want = strlen(api);
    if (have + want >= URL_BYTES) return refuse(diag, base, "it is too long");
    memcpy(out, base, have);
    memcpy(out + have, api, want + 1);
    return CO_OK;
}
