/* http_target.c - where requests go: an address and its headers, made once. */
#include "llm/http_core.h"
#include "llm/url.h"

#include <stdlib.h>
#include <string.h>

enum co_err
http_target_new(const char *url, const char *const *headers, size_t count,
                struct http_target **ret_target)
{
    static _Atomic uint64_t last_id;
    struct http_target *target = calloc(1, sizeof *target);
    struct url parsed;

    if (!target) return CO_NOMEM;
    target->id = ++last_id;
    target->url = strdup(url);
    /* A key goes in the clear to this machine only: not by way of a proxy,
     * which would send it to its own machine besides. */
    target->direct = url_parse(url, &parsed, NULL) == CO_OK && !parsed.https &&
                     url_is_loopback(&parsed);
    for (size_t i = 0; i <= count; i++) {
        /* Without the last, libcurl asks before it sends a larger body. */
        struct curl_slist *longer = curl_slist_append(
            target->headers, i < count ? headers[i] : "Expect:");

        if (!longer) {
            http_target_free(target);
            return CO_NOMEM;
        }
        target->headers = longer;
    }
    if (!target->url) {
        http_target_free(target);
        return CO_NOMEM;
    }
    *ret_target = target;
    return CO_OK;
}

void
http_target_free(struct http_target *target)
{
    if (!target) return;
    for (struct curl_slist *h = target->headers; h; h = h->next) {
        explicit_bzero(h->data, strlen(h->data));
    }
    curl_slist_free_all(target->headers);
    free(target->url);
    free(target);
}
