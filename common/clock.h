/* clock.h - time and randomness, each read from one place.
 * Programs read the clock once a loop turn and pass it on; cores take it as a
 * parameter and never include this file. Thread-safe: no state. */
#pragma once
#include "common/base.h"

/* Time since boot, for deadlines and durations. Never goes back, and goes on
 * while the machine sleeps (CLOCK_BOOTTIME): a lease must not outlive that. */
int64_t co_clock_ms(void);
int64_t co_clock_us(void);
/* Milliseconds since 1970, for people and files only: it may jump. */
int64_t co_clock_wall_ms(void);
/* CPU time used by this process, in microseconds. */
int64_t co_clock_cpu_us(void);

/* A random number from the kernel, never 0 (0 means "none" in ids). */
uint64_t co_random_u64(void);
