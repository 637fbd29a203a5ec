/* loopback.h - a listener that only this machine reaches, for servers that
 * tests play themselves. */
#pragma once
#include "tests/co_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Returns the socket, which is the caller's to close; the kernel chose a port.
 */
static inline int
loopback_listen(int backlog, uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}
