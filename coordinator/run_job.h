/* run_job.h - `cohort-coordinator run`: one job from its file to its end. */
#pragma once

/* Runs it; the exit status: 0 complete, 3 partial or stopped, 2 a bad job
 * file or command line, 1 failed. */
int run_job(int argc, char **argv);
