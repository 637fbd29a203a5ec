/* kube.c - see kube.h. GET first: a PATCH that changes nothing would still
 * make a new version of the object and an entry in the audit log. */
#include "scaler/kube.h"

#include "common/buf.h"
#include "common/fs.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    URL_BYTES = 1024,
    TOKEN_BYTES_MAX = 64 * 1024,
    ANSWER_BYTES_MAX = 1 << 20,
    SAID_BYTES = 300, /* of an answer, in a message */
    STATUS_OK = 200,
};

struct kube {
    const struct kube_target *target;
    CURL *curl;
    char url[URL_BYTES];
    char error[CURL_ERROR_SIZE];
    struct co_buf answer;
};

/* ---- the target ---- */

/* A name as Kubernetes allows it: nothing that could change the path. */
static bool
is_name(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");

    return n > 0 && n <= 253 && text[n] == '\0';
}

/* The host of http://HOST:PORT is this machine. */
static bool
is_local(const char *api)
{
    static const char *const hosts[] = {"http://127.0.0.1", "http://localhost",
                                        "http://[::1]"};

    for (size_t i = 0; i < co_countof(hosts); i++) {
        size_t len = strlen(hosts[i]);

        if (strncmp(api, hosts[i], len) == 0 &&
            (api[len] == ':' || api[len] == '\0')) {
            return true;
        }
    }
    return false;
}

static enum co_err
check_target(const struct kube_target *t, struct co_diag *diag)
{
    bool https = strncmp(t->api, "https://", 8) == 0;

    if (!is_name(t->name) || !is_name(t->name_space)) {
        return co_fail(diag, CO_INVALID,
                       "%s/%s: a name in Kubernetes has small letters, digits, "
                       "'-' and '.'",
                       t->name_space, t->name);
    }
    if (strcmp(t->kind, "deployments") != 0 &&
        strcmp(t->kind, "statefulsets") != 0) {
        return co_fail(diag, CO_INVALID,
                       "%s: only deployments and statefulsets are scaled",
                       t->kind);
    }
    if (!https && !is_local(t->api)) {
        return co_fail(diag, CO_DENIED,
                       "%s: the API is spoken to by https:// only (http:// on "
                       "this host, for `kubectl proxy`)",
                       t->api);
    }
    return CO_OK;
}

/* ---- requests ---- */

static size_t
on_data(const char *data, size_t size, size_t n, void *arg)
{
    struct kube *k = arg;

    co_buf_append(&k->answer, data, size * n);
    return k->answer.err ? 0 : size * n; /* 0: curl ends the request */
}

enum co_err
kube_new(const struct kube_target *target, struct kube **ret_kube,
         struct co_diag *diag)
{
    co_auto(kube_freep) struct kube *k = NULL;
    enum co_err err = check_target(target, diag);
    int n;

    if (err) return err;
    k = calloc(1, sizeof *k);
    if (!k) return co_fail(diag, CO_NOMEM, "out of memory");
    k->target = target;
    co_buf_init(&k->answer, ANSWER_BYTES_MAX);
    n = snprintf(k->url, sizeof k->url,
                 "%s/apis/apps/v1/namespaces/%s/%s/%s/scale", target->api,
                 target->name_space, target->kind, target->name);
    if (n < 0 || (size_t)n >= sizeof k->url) {
        return co_fail(diag, CO_INVALID, "the address of the API is too long");
    }
    k->curl = curl_easy_init();
    if (!k->curl) return co_fail(diag, CO_NOMEM, "out of memory");
    *ret_kube = co_take(&k);
    return CO_OK;
}

void
kube_free(struct kube *k)
{
    if (!k) return;
    if (k->curl) curl_easy_cleanup(k->curl);
    co_buf_fini(&k->answer);
    free(k);
}

/* Appends the header with the token. The list is left as it was on error. */
static enum co_err
add_token(const struct kube *k, struct curl_slist **headers,
          struct co_diag *diag)
{
    struct curl_slist *longer;
    struct co_buf text, line;
    enum co_err err;

    if (!k->target->token_file) return CO_OK;
    co_buf_init(&text, (size_t)2 * TOKEN_BYTES_MAX); /* it grows by doubling */
    co_buf_init(&line, TOKEN_BYTES_MAX + 64);
    err = co_fs_read_file(k->target->token_file, TOKEN_BYTES_MAX, &text, diag);
    if (!err) {
        const char *token = co_buf_text(&text);

        co_buf_printf(&line, "Authorization: Bearer %.*s",
                      (int)strcspn(token, "\r\n"), token);
        longer = curl_slist_append(*headers, co_buf_text(&line));
        if (longer) {
            *headers = longer;
        } else {
            err = co_fail(diag, CO_NOMEM, "out of memory");
        }
    }
    co_buf_fini(&line);
    co_buf_fini(&text);
    return err;
}

static enum co_err
err_of(CURLcode code)
{
    if (code == CURLE_OK) return CO_OK;
    if (code == CURLE_OPERATION_TIMEDOUT) return CO_TIMEOUT;
    if (code == CURLE_OUT_OF_MEMORY) return CO_NOMEM;
    if (code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_SSL_CACERT_BADFILE) {
        return CO_DENIED;
    }
    return CO_UNAVAILABLE;
}

static void
set_request(struct kube *k, const char *body, struct curl_slist *headers)
{
    CURL *c = k->curl;

    curl_easy_reset(c);
    k->error[0] = '\0';
    co_buf_clear(&k->answer);
    curl_easy_setopt(c, CURLOPT_URL, k->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* not with a token */
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)k->target->timeout_ms);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, k->error);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, k);
    /* The API is addressed directly: a proxy of the environment is for the
     * world outside the cluster, and must not see the token. */
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (k->target->ca_file) {
        curl_easy_setopt(c, CURLOPT_CAINFO, k->target->ca_file);
    }
    if (body) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PATCH");
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    }
}

static enum co_err
status_error(struct kube *k, long status, struct co_diag *diag)
{
    enum co_err err = status == 401 || status == 403 ? CO_DENIED
                      : status == 404                ? CO_NOTFOUND
                      : status >= 500                ? CO_UNAVAILABLE
                                                     : CO_PROTOCOL;

    return co_fail(diag, err, "%s answered %ld: %.*s", k->url, status,
                   SAID_BYTES, co_buf_text(&k->answer));
}

/* body NULL: GET, else PATCH. The answer stands in k->answer. */
static enum co_err
request(struct kube *k, const char *body, struct co_diag *diag)
{
    struct curl_slist *headers =
        curl_slist_append(NULL, "Accept: application/json");
    long status = 0;
    enum co_err err = headers ? CO_OK : CO_NOMEM;

    if (!err && body) {
        struct curl_slist *longer = curl_slist_append(
            headers, "Content-Type: application/merge-patch+json");

        if (!longer) err = CO_NOMEM;
        if (longer) headers = longer;
    }
    if (!err) err = add_token(k, &headers, diag);
    if (!err) {
        set_request(k, body, headers);
        err = err_of(curl_easy_perform(k->curl));
        if (err) (void)co_fail(diag, err, "%s: %s", k->url, k->error);
    }
    if (!err) {
        curl_easy_getinfo(k->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status != STATUS_OK) err = status_error(k, status, diag);
    }
    curl_slist_free_all(headers);
    return err;
}

static enum co_err
read_replicas(struct kube *k, int64_t *ret_replicas, struct co_diag *diag)
{
    json_error_t where;
    json_t *root = json_loadb((const char *)k->answer.data, k->answer.len,
                              JSON_REJECT_DUPLICATES, &where);
    const json_t *spec = json_object_get(root, "spec");
    const json_t *replicas = json_object_get(spec, "replicas");
    bool scale = json_is_object(spec);

    /* No replicas means 0: Kubernetes leaves out what is 0. */
    *ret_replicas = json_integer_value(replicas);
    json_decref(root);
    if (scale) return CO_OK;
    return co_fail(diag, CO_PROTOCOL, "%s answered what is no Scale: %.*s",
                   k->url, SAID_BYTES, co_buf_text(&k->answer));
}

enum co_err
kube_scale(struct kube *k, uint32_t replicas, bool *ret_changed,
           struct co_diag *diag)
{
    char body[64];
    int64_t now = 0;
    enum co_err err = request(k, NULL, diag);

    if (!err) err = read_replicas(k, &now, diag);
    if (err) return err;
    *ret_changed = now != (int64_t)replicas;
    if (!*ret_changed) return CO_OK;
    (void)snprintf(body, sizeof body, "{\"spec\":{\"replicas\":%u}}", replicas);
    return request(k, body, diag);
}
