/* socket_endpoint.c - the part of socket.h that says which endpoints a socket
 * may have, before libzmq sees them. */
#include "proto/socket.h"
#include "proto/socket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Nothing but an address of 127.0.0.0/8 with a port: neither a name such as
 * 127.example.org, nor libzmq's "FROM;TO". */
static bool
is_loopback(const char *address)
{
    size_t host = strspn(address, "0123456789.");
    const char *port;

    if (strncmp(address, "localhost:", 10) == 0) {
        host = 9;
    } else if (strncmp(address, "[::1]:", 6) == 0) {
        host = 5;
    } else if (strncmp(address, "127.", 4) != 0 || address[host] != ':') {
        return false;
    }
    port = address + host + 1;
    return strcmp(port, "*") == 0 ||
           (*port && port[strspn(port, "0123456789")] == '\0');
}

bool
sock_is_local(const char *endpoint)
{
    if (strncmp(endpoint, "tcp://", 6) == 0) return is_loopback(endpoint + 6);
    return strncmp(endpoint, "ipc://", 6) == 0 ||
           strncmp(endpoint, "inproc://", 9) == 0;
}

/* libzmq takes a larger number and cuts it to 16 bits: another port. */
static bool
port_is_too_large(const char *endpoint)
{
    const char *port = strrchr(endpoint, ':') + 1;

    return strncmp(endpoint, "tcp://", 6) == 0 &&
           port[strspn(port, "0123456789")] == '\0' &&
           (strlen(port) > 9 || strtoul(port, NULL, 10) > UINT16_MAX);
}

enum co_err
sock_allowed(const char *endpoint, bool with_keys, struct co_diag *diag)
{
    if (strchr(endpoint, ':') && port_is_too_large(endpoint)) {
        return co_fail(diag, CO_DENIED,
                       "endpoint \"%s\": the port must be at most 65535",
                       endpoint);
    }
    if (sock_is_local(endpoint)) return CO_OK;
    if (strncmp(endpoint, "tcp://", 6) != 0 || strchr(endpoint, ';')) {
        return co_fail(diag, CO_DENIED,
                       "endpoint \"%s\": ipc://PATH or tcp://ADDRESS:PORT is "
                       "needed",
                       endpoint);
    }
    if (with_keys) return CO_OK;
    return co_fail(diag, CO_DENIED,
                   "endpoint \"%s\" is beyond this host: without keys only "
                   "ipc:// and loopback addresses (tcp://127.0.0.1:PORT) are "
                   "allowed. Make keys with `" CO_PROGRAM
                   " keygen` and give them with --key",
                   endpoint);
}

/* libzmq takes a path away from a program that listens there, without a word
 * to either: ask first whether anyone answers. */
bool
sock_endpoint_taken(const char *endpoint)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = endpoint + strlen("ipc://");
    bool taken;
    int fd;

    if (strncmp(endpoint, "ipc://", strlen("ipc://")) != 0 || *path == '@' ||
        strlen(path) >= sizeof to.sun_path) {
        return false; /* others are refused by the kernel */
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    memcpy(to.sun_path, path, strlen(path) + 1);
    taken = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 ||
            errno == EAGAIN;
    (void)close(fd);
    return taken;
}
