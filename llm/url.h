/* url.h - the addresses of endpoints: parts, joining, same origin. Pure. */
#pragma once
#include "common/err.h"

enum { URL_BYTES = 2048, URL_HOST_BYTES = 256 };

struct url {
    bool https;
    char host[URL_HOST_BYTES]; /* lower case, [] around an IPv6 address */
    uint16_t port;             /* 80 or 443 when none was given */
    const char *path;          /* in the text that was parsed; "" or "/..." */
};

/* Whether the query has a parameter that is a key by its name, such as
 * ?api_key=. */
bool url_holds_key(const char *text);
/* Takes http:// and https:// URLs apart. Refused: a user or password in it
 * or a key (they do not belong there: it is logged), a fragment, blanks and
 * control characters. The text must outlive *ret_url. CO_USAGE: diag says what
 * is wrong with it */
co_must_use enum co_err url_parse(const char *text, struct url *ret_url,
                                  struct co_diag *diag);
/* Same scheme, host and port. */
bool url_same_origin(const struct url *a, const struct url *b);
/* Is the host this machine itself (127.0.0.0/8, ::1, localhost)? */
bool url_is_loopback(const struct url *url);

/* Where calls of an API go: base with api ("/v1/chat/completions") behind it.
 * What base has of it already is not said twice: http://h, http://h/,
 * http://h/v1 and the whole address give the same. An address that ends with
 * all of api but its version (/chat/completions), or has a query, stays as it
 * is. CO_USAGE as above. */
co_must_use enum co_err url_join(const char *base, const char *api,
                                 char out[URL_BYTES], struct co_diag *diag);
