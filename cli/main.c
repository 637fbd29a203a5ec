/* cohort: the command. The table of commands stands in commands.c, each
 * command in its cmd_*.c. */
#include "cli/commands.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Descriptors 0 to 2 that the caller closed are opened on nothing: else the
 * first files opened would get their numbers, and what is printed. */
static void
open_standard(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) (void)close(fd);
}

/* Whether all that was printed got out. A reader that left (`| head -1`) wants
 * no more: that is no failure. */
static bool
stdout_written(void)
{
    struct pollfd reader = {.fd = STDOUT_FILENO};

    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    return poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR);
}

int
main(int argc, char **argv)
{
    int exit_code;

    open_standard();
    exit_code = commands_main(argc, argv);
    if (stdout_written()) return exit_code;
    (void)fprintf(stderr, CO_PROGRAM ": cannot write to standard output: what "
                                     "was printed is not complete. Is the disk "
                                     "full?\n");
    return exit_code == CLI_OK ? CLI_FAILED : exit_code;
}
