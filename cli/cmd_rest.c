#include "cli/commands.h"
int
cmd_submit(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_validate(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_status(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_journal_check(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_journal_repair(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_doctor(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_bench_tasks(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
int
cmd_bench_rows(int a, char **v)
{
    (void)a;
    (void)v;
    return 1;
}
