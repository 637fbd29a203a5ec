/* redis_url.c - addresses of Redis; see redis.h.
 * Messages show the part that is wrong, never the part before '@'. */
#include "common/redis.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char allowed_forms[] =
    "allowed: redis://[user:password@]host[:port][/db] or "
    "unix://[user:password@]/path[?db=n]";

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes from[0..len) into to; false: too long, or a bad escape. */
static bool
decode(const char *from, size_t len, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (n + 1 >= size) return false;
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(from[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(from[i + 2]) : -1;

            if (high < 0 || low < 0) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') return false;
        to[n++] = c;
    }
    to[n] = '\0';
    return true;
}

/* All of text as a number up to max. */
static bool
number(const char *text, size_t len, uint32_t max, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (len == 0 || len > 9) return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i])) return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *ret_value = value;
    return value <= max;
}

static bool
host_is_loopback(const char *host)
{
    struct in_addr addr;

    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0) return true;
    return inet_pton(AF_INET, host, &addr) == 1 &&
           ntohl(addr.s_addr) >> 24 == 127;
}

/* "user:password" or ":password" before the last '@'. */
static enum co_err
parse_login(const char *text, size_t len, struct co_redis_url *url,
            struct co_diag *diag)
{
    const char *colon = memchr(text, ':', len);
    size_t user = colon ? (size_t)(colon - text) : len;

    if (colon && decode(text, user, url->user, sizeof url->user) &&
        decode(colon + 1, len - user - 1, url->password,
               sizeof url->password)) {
        return CO_OK;
    }
    return co_fail(diag, CO_INVALID,
                   "Redis address: before @ stands user:password (special "
                   "characters as %%XX); %s",
                   allowed_forms);
}

static enum co_err
parse_unix(const char *text, struct co_redis_url *url, struct co_diag *diag)
{
    const char *path = strchr(text, '/');
    const char *query = path ? strchr(path, '?') : NULL;
    size_t login = path ? (size_t)(path - text) : 0;
    size_t len;

    if (login && path[-1] == '@') {
        enum co_err err = parse_login(text, login - 1, url, diag);

        if (err) return err;
        login = 0;
    }
    len = !path ? 0 : query ? (size_t)(query - path) : strlen(path);
    if (!path || login || !decode(path, len, url->path, sizeof url->path)) {
        return co_fail(diag, CO_INVALID,
                       "Redis address: the socket's path must begin with / "
                       "and have at most 107 bytes; %s",
                       allowed_forms);
    }
    url->unix_socket = url->loopback = true;
    if (query && (strncmp(query, "?db=", 4) != 0 ||
                  !number(query + 4, strlen(query + 4), 65535, &url->db))) {
        return co_fail(diag, CO_INVALID,
                       "Redis address: after the path only ?db=N (0 to "
                       "65535) may follow; %s",
                       allowed_forms);
    }
    return CO_OK;
}

static enum co_err
parse_host(const char *text, size_t len, struct co_redis_url *url,
           struct co_diag *diag)
{
    const char *end = text + len;
    const char *host = text, *host_end, *port;
    uint32_t value = 6379;

    if (len && text[0] == '[') { /* [::1]:6379 */
        host++;
        host_end = memchr(text, ']', len);
        port = host_end ? host_end + 1 : NULL;
    } else {
        host_end = memchr(text, ':', len);
        if (!host_end) host_end = end;
        port = host_end;
    }
    if (!host_end || host_end == host ||
        !decode(host, (size_t)(host_end - host), url->host, sizeof url->host)) {
        return co_fail(diag, CO_INVALID, "Redis address: no host; %s",
                       allowed_forms);
    }
    if (port < end &&
        (*port != ':' ||
         !number(port + 1, (size_t)(end - port - 1), 65535, &value) ||
         value == 0)) {
        return co_fail(diag, CO_INVALID,
                       "Redis address: the port must be 1 to 65535; %s",
                       allowed_forms);
    }
    url->port = (uint16_t)value;
    url->loopback = host_is_loopback(url->host);
    return CO_OK;
}

static enum co_err
parse_tcp(const char *text, struct co_redis_url *url, struct co_diag *diag)
{
    const char *at = strrchr(text, '@');
    const char *host = at ? at + 1 : text;
    const char *slash = strchr(host, '/');
    size_t len = slash ? (size_t)(slash - host) : strlen(host);
    enum co_err err = CO_OK;

    if (at) err = parse_login(text, (size_t)(at - text), url, diag);
    if (!err) err = parse_host(host, len, url, diag);
    if (err || !slash || !slash[1]) return err;
    if (!number(slash + 1, strlen(slash + 1), 65535, &url->db)) {
        return co_fail(diag, CO_INVALID,
                       "Redis address: after / stands the database, 0 to "
                       "65535; %s",
                       allowed_forms);
    }
    return CO_OK;
}

enum co_err
co_redis_url_parse(const char *text, struct co_redis_url *ret_url,
                   struct co_diag *diag)
{
    struct co_redis_url url = {0};
    enum co_err err;

    if (strncmp(text, "rediss://", 9) == 0) {
        return co_fail(diag, CO_INVALID,
                       "Redis address: rediss:// (TLS) is not supported by "
                       "this build; use a unix socket, or a TLS tunnel such "
                       "as stunnel on this machine with redis://127.0.0.1");
    }
    if (strncmp(text, "unix://", 7) == 0) {
        err = parse_unix(text + 7, &url, diag);
    } else if (strncmp(text, "redis://", 8) == 0) {
        err = parse_tcp(text + 8, &url, diag);
    } else {
        err = co_fail(diag, CO_INVALID,
                      "Redis address: does not begin with redis:// or "
                      "unix://; %s",
                      allowed_forms);
    }
    if (!err) *ret_url = url;
    return err;
}

struct co_redis_name
co_redis_url_name(const struct co_redis_url *url)
{
    struct co_redis_name name;
    bool v6 = strchr(url->host, ':') != NULL;
    int n;

    if (url->unix_socket) {
        n = snprintf(name.text, sizeof name.text, "unix://%s", url->path);
    } else {
        n = snprintf(name.text, sizeof name.text, "redis://%s%s%s:%u",
                     v6 ? "[" : "", url->host, v6 ? "]" : "", url->port);
    }
    if (url->db && n > 0 && (size_t)n < sizeof name.text) {
        (void)snprintf(name.text + n, sizeof name.text - (size_t)n, "%s%u",
                       url->unix_socket ? "?db=" : "/", url->db);
    }
    return name;
}

enum co_err
co_redis_url_allowed(const struct co_redis_url *url, bool allow_insecure,
                     struct co_diag *diag)
{
    if (url->loopback || allow_insecure) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "%s is not on this machine, and redis:// is not encrypted: "
                   "anyone on the way can read and change it. Use a TLS "
                   "tunnel to a loopback address, or allow it with "
                   "--redis-insecure",
                   co_redis_url_name(url).text);
}
