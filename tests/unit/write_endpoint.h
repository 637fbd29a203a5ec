/* write_endpoint.h - an endpoint on a real socket that is served between the
 * turns of a test: it answers, hangs, resets or cuts, and keeps what it was
 * asked. */
#pragma once
#include "common/buf.h"
#include "tests/co_test.h"
#include "tests/unit/loopback.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNS_MAX = 16, REQUEST_MAX = 64 * 1024 };

enum manner {
    ANSWERS, /* status, headers and body as set */
    HANGS,   /* reads, and says nothing */
    RESETS,  /* reads, and closes */
    CUTS     /* says more length than it has */
};

static struct endpoint {
    int fd;
    uint16_t port;
    struct conn {
        int fd;
        size_t len;
        char data[REQUEST_MAX];
    } conns[CONNS_MAX];
    size_t n;
    enum manner manner;
    const char *status, *type, *headers;
    struct co_buf body;
    char request[REQUEST_MAX]; /* the last whole one */
    uint32_t requests;
} endpoint;

co_unused static void
endpoint_open(struct endpoint *e)
{
    e->fd = loopback_listen(16, &e->port);
    e->n = 0;
    e->requests = 0;
    e->manner = ANSWERS;
    e->status = "200 OK";
    e->type = "application/json";
    e->headers = "";
    co_buf_init(&e->body, 1 << 20);
}

co_unused static void
endpoint_close(struct endpoint *e)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->conns[i].fd >= 0) (void)close(e->conns[i].fd);
    }
    if (e->fd >= 0) (void)close(e->fd);
    co_buf_fini(&e->body);
}

/* Whether a whole request stands in the connection's buffer. */
co_unused static bool
is_whole(struct conn *c)
{
    const char *end, *length;

    c->data[c->len] = '\0';
    end = strstr(c->data, "\r\n\r\n");
    length = strstr(c->data, "Content-Length: ");
    if (!end || !length) return false;
    return c->len >=
           (size_t)(end + 4 - c->data) + strtoul(length + 16, NULL, 10);
}

co_unused static void
respond(struct endpoint *e, struct conn *c)
{
    size_t more = e->manner == CUTS ? 100 : 0;
    char head[512];
    int n;

    e->requests++;
    memcpy(e->request, c->data, c->len + 1);
    c->len = 0;
    if (e->manner == HANGS) return;
    if (e->manner != RESETS) {
        n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s"
                     "Content-Length: %zu\r\n\r\n",
                     e->status, e->type, e->headers, e->body.len + more);
        (void)send(c->fd, head, (size_t)n, MSG_NOSIGNAL);
        (void)send(c->fd, e->body.data, e->body.len, MSG_NOSIGNAL);
        if (e->manner == ANSWERS) return;
    }
    (void)close(c->fd);
    c->fd = -1;
}

co_unused static void
endpoint_turn(struct endpoint *e)
{
    struct pollfd ready = {.fd = e->fd, .events = POLLIN};

    while (poll(&ready, 1, 0) == 1) {
        assert_true(e->n < CONNS_MAX);
        e->conns[e->n++] = (struct conn){.fd = accept(e->fd, NULL, NULL)};
    }
    for (size_t i = 0; i < e->n; i++) {
        struct conn *c = &e->conns[i];
        ssize_t got;

        if (c->fd < 0) continue;
        got = recv(c->fd, c->data + c->len, sizeof c->data - 1 - c->len,
                   MSG_DONTWAIT);
        if (got > 0) c->len += (size_t)got;
        if (got > 0 && is_whole(c)) respond(e, c);
    }
}
