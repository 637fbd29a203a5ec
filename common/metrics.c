/* metrics.c - see metrics.h. One slot holds the newest text, counted by those
 * who read it: a slow client keeps its own old text alive, not the slot. */
#include "common/metrics.h"

#include "common/clock.h"
#include "common/metrics_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    TIMEOUT_S = 10,
    PER_HOST = 16, /* connections */
    CONNECTION_BYTES = 16 << 10,
    ADDRESS_BYTES = 80,
    TAIL_BYTES_MAX = 4096,
};

struct text {
    atomic_uint refs;
    size_t len;
    int64_t made_ms;
    char data[];
};

struct co_metrics {
    struct MHD_Daemon *http;
    pthread_mutex_t mutex; /* of slot, held for an assignment only */
    struct text *slot;
    int64_t next_ms;
    atomic_uint_fast64_t served, refused;
    char address[ADDRESS_BYTES];
};

/* ---- the slot ---- */

static void
text_unref(void *arg)
{
    struct text *t = arg;

    if (t && atomic_fetch_sub(&t->refs, 1) == 1) free(t);
}

static struct text *
take(struct co_metrics *m)
{
    struct text *t;

    (void)pthread_mutex_lock(&m->mutex);
    t = m->slot;
    if (t) atomic_fetch_add(&t->refs, 1);
    (void)pthread_mutex_unlock(&m->mutex);
    return t;
}

bool
co_metrics_due(const struct co_metrics *m, int64_t now_ms)
{
    return now_ms >= m->next_ms;
}

void
co_metrics_publish(struct co_metrics *m, const struct co_buf *text,
                   int64_t now_ms)
{
    struct text *t;
    struct text *old;

    m->next_ms = now_ms + CO_METRICS_EVERY_MS;
    t = text->err ? NULL : malloc(sizeof *t + text->len);
    if (!t) return; /* its age tells */
    atomic_init(&t->refs, 1);
    t->len = text->len;
    t->made_ms = co_clock_ms();
    memcpy(t->data, text->data, text->len);
    (void)pthread_mutex_lock(&m->mutex);
    old = m->slot;
    m->slot = t;
    (void)pthread_mutex_unlock(&m->mutex);
    text_unref(old);
}

/* ---- requests; all on the library's thread ---- */

static const char *const text_type = "text/plain; version=0.0.4; charset=utf-8";

static enum MHD_Result
answer(struct MHD_Connection *c, unsigned status, struct MHD_Response *r,
       const char *type)
{
    enum MHD_Result done;

    if (!r) return MHD_NO;
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result
refuse(struct co_metrics *m, struct MHD_Connection *c, unsigned status,
       const char *text)
{
    /* The library frees nothing of a PERSISTENT text and changes none. */
    struct MHD_Response *r = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

    atomic_fetch_add(&m->refused, 1);
    return answer(c, status, r, "text/plain; charset=utf-8");
}

/* What only this thread knows, behind the program's own text. */
static void
put_tail(struct co_metrics *m, const struct text *t, struct co_buf *out)
{
    int64_t age_ms = co_clock_ms() - t->made_ms;

    co_metrics_family(out, "cohort_metrics_age_seconds", CO_METRICS_GAUGE,
                      "age of these numbers; grows when the program hangs");
    co_metrics_milli(out, "cohort_metrics_age_seconds", NULL,
                     age_ms > 0 ? (uint64_t)age_ms : 0);
    co_metrics_one(out, "cohort_metrics_served_total", CO_METRICS_COUNTER,
                   "requests for these numbers that were answered",
                   atomic_load(&m->served));
    co_metrics_one(out, "cohort_metrics_refused_total", CO_METRICS_COUNTER,
                   "requests for anything else", atomic_load(&m->refused));
}

static enum MHD_Result
serve(struct co_metrics *m, struct MHD_Connection *c)
{
    struct text *t = take(m);
    struct co_buf whole;
    struct MHD_Response *r;

    if (!t) {
        return refuse(m, c, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "not yet: the program is starting\n");
    }
    co_buf_init(&whole, CO_METRICS_BYTES_MAX + TAIL_BYTES_MAX);
    co_buf_append(&whole, t->data, t->len);
    put_tail(m, t, &whole);
    text_unref(t);
    r = whole.err ? NULL
                  : MHD_create_response_from_buffer(whole.len, whole.data,
                                                    MHD_RESPMEM_MUST_COPY);
    co_buf_fini(&whole);
    atomic_fetch_add(&m->served, 1);
    return answer(c, MHD_HTTP_OK, r, text_type);
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *url,
           const char *method, const char *version, const char *body,
           size_t *body_len, void **state)
{
    static int seen; /* only its address counts */
    struct co_metrics *m = arg;

    (void)version;
    (void)body;
    if (*state != &seen) { /* headers are in; the answer is due next time */
        *state = &seen;
        return MHD_YES;
    }
    if (*body_len) { /* a body is read to its end and thrown away */
        *body_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return refuse(m, c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
    }
    if (strcmp(url, "/metrics") != 0) {
        return refuse(m, c, MHD_HTTP_NOT_FOUND, "look at /metrics\n");
    }
    return serve(m, c);
}

/* ---- start and end ---- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    bool loopback;
};

/* "HOST:PORT" or "[HOST]:PORT", numbers only: a name could mean anything. */
static bool
parse(const char *text, struct address *ret)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2] = "";
    char *end;
    unsigned long port;
    size_t len;

    memset(ret, 0, sizeof *ret);
    if (!colon || colon == text || !colon[1]) return false;
    len = (size_t)(colon - text);
    port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || port > 65535 ||
        len >= sizeof host) {
        return false;
    }
    memcpy(host, text, len);
    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        ret->u.v6.sin6_family = AF_INET6;
        ret->u.v6.sin6_port = htons((uint16_t)port);
        ret->loopback = strcmp(host + 1, "::1") == 0;
        return inet_pton(AF_INET6, host + 1, &ret->u.v6.sin6_addr) == 1;
    }
    ret->u.v4.sin_family = AF_INET;
    ret->u.v4.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &ret->u.v4.sin_addr) != 1) return false;
    ret->loopback = ntohl(ret->u.v4.sin_addr.s_addr) >> 24 == 127;
    return true;
}

static void
note_address(struct co_metrics *m, const char *asked)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_BIND_PORT);
    int host = (int)(strrchr(asked, ':') - asked);

    (void)snprintf(m->address, sizeof m->address, "%.*s:%u", host, asked,
                   info ? info->port : 0u);
}

static void
no_log(void *arg, const char *fmt, va_list args)
{
    /* Clients that break off are no news, and stderr is the program's. */
    (void)arg;
    (void)fmt;
    (void)args;
}

static enum co_err
listen_on(struct co_metrics *m, const struct address *a, const char *text,
          struct co_diag *diag)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL |
                     MHD_USE_ERROR_LOG |
                     (a->u.any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);

    errno = 0;
    m->http = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, m, MHD_OPTION_EXTERNAL_LOGGER, no_log,
        NULL, MHD_OPTION_SOCK_ADDR, &a->u.any, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CO_METRICS_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_HOST, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_END);
    if (m->http) return CO_OK;
    return co_fail(diag, errno == EADDRINUSE ? CO_BUSY : CO_IO,
                   "--metrics %s: cannot listen there: %s", text,
                   errno ? strerror(errno) : "the library refuses");
}

enum co_err
co_metrics_start(const char *address, bool insecure,
                 struct co_metrics **ret_metrics, struct co_diag *diag)
{
    co_auto(co_metrics_freep) struct co_metrics *m = NULL;
    struct address a;
    enum co_err err;

    if (!parse(address, &a)) {
        return co_fail(diag, CO_USAGE,
                       "--metrics: \"%s\" is no address; give HOST:PORT with "
                       "a numeric host, e.g. 127.0.0.1:9464 or [::1]:9464",
                       address);
    }
    if (!a.loopback && !insecure) {
        return co_fail(diag, CO_DENIED,
                       "--metrics %s: beyond this machine anybody could read "
                       "it; listen on 127.0.0.1 and let Prometheus come "
                       "through a tunnel or proxy, or add --metrics-insecure",
                       address);
    }
    m = calloc(1, sizeof *m);
    if (!m) return co_fail(diag, CO_NOMEM, "out of memory");
    (void)pthread_mutex_init(&m->mutex, NULL);
    err = listen_on(m, &a, address, diag);
    if (err) return err;
    note_address(m, address);
    *ret_metrics = co_take(&m);
    return CO_OK;
}

const char *
co_metrics_address(const struct co_metrics *m)
{
    return m->address;
}

void
co_metrics_free(struct co_metrics *m)
{
    if (!m) return;
    if (m->http) MHD_stop_daemon(m->http);
    text_unref(m->slot);
    (void)pthread_mutex_destroy(&m->mutex);
    free(m);
}
