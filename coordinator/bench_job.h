/* bench_job.h - `cohort-coordinator bench`: N small tasks through everything,
 * measured. Its journal is real; the folder goes at the end unless kept. */
#pragma once
#include "coordinator/config.h"

/* Runs it; the exit status. */
int bench_job(int argc, char **argv);
