/* lifeline.c - see lifeline.h. */
#include "common/lifeline.h"

#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIFELINE_ENV "COHORT_LIFELINE"

enum co_err
co_lifeline_init(struct co_lifeline *line)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC)) return co_err_from_errno(errno);
    *line = (struct co_lifeline){.child_fd = fds[0], .held_fd = fds[1]};
    return CO_OK;
}

void
co_lifeline_fini(struct co_lifeline *line)
{
    co_fs_closep(&line->child_fd);
    co_fs_closep(&line->held_fd);
}

struct co_proc_fd
co_lifeline_pass(const struct co_lifeline *line)
{
    return (struct co_proc_fd){.from = line->child_fd, .to = CO_LIFELINE_FD};
}

const char *
co_lifeline_env(void)
{
    return LIFELINE_ENV "=3";
}

int
co_lifeline_adopt(void)
{
    const char *value = getenv(LIFELINE_ENV);
    struct stat st;

    if (!value || strcmp(value, "3") != 0) return -1;
    (void)unsetenv(LIFELINE_ENV);
    /* A variable that leaked must not make us watch some other file. */
    if (fstat(CO_LIFELINE_FD, &st) || !S_ISFIFO(st.st_mode)) return -1;
    (void)fcntl(CO_LIFELINE_FD, F_SETFD, FD_CLOEXEC);
    return CO_LIFELINE_FD;
}

bool
co_lifeline_cut(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd >= 0 && poll(&p, 1, 0) == 1;
}
