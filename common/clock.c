/* clock.c - see clock.h. */
#include "common/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t
clock_read_us(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);

    co_assert(rc == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
co_clock_ms(void)
{
    return clock_read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t
co_clock_us(void)
{
    return clock_read_us(CLOCK_BOOTTIME);
}

int64_t
co_clock_wall_ms(void)
{
    return clock_read_us(CLOCK_REALTIME) / 1000;
}

int64_t
co_clock_cpu_us(void)
{
    return clock_read_us(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t
co_random_u64(void)
{
    uint64_t v = 0;

    while (v == 0) {
        /* Up to 256 bytes come whole or, before the pool is ready, not. */
        ssize_t n = getrandom(&v, sizeof v, 0);

        co_assert(n == (ssize_t)sizeof v || (n < 0 && errno == EINTR));
        if (n < 0) v = 0;
    }
    return v;
}
