/* serve.h - `cohort-coordinator serve`: a daemon that takes jobs and runs each
 * in a process of its own (`cohort-coordinator run`), started again if it
 * dies: it takes its folder's lock and goes on from its journal. */
#pragma once

/* Runs until SIGTERM; the exit status. */
int serve(int argc, char **argv);
