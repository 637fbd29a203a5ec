/* signals.c - see signals.h. */
#include "common/signals.h"

#include "common/fs.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t
signals_set(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    return set;
}

enum co_err
co_signals_open(int *ret_fd)
{
    sigset_t set = signals_set();
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

    if (fd < 0) return co_err_from_errno(errno);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a size limit is an error of write() */
    *ret_fd = fd;
    return CO_OK;
}

int
co_signals_next(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n;

    do {
        n = read(fd, &info, sizeof info);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void
co_signals_close(int *fd)
{
    sigset_t set = signals_set();

    co_fs_closep(fd);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
