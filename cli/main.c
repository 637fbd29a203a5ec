/* cohort: the command. The table of commands stands in commands.c, each
 * command in its cmd_*.c. */
#include "cli/commands.h"

int
main(int argc, char **argv)
{
    return commands_main(argc, argv);
}
