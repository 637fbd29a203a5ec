/* base.h - the few macros that every file uses.
 * Ownership helpers follow systemd's: co_auto frees at scope end, co_take
 * moves a pointer out so that nothing is freed. No state, no I/O. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name people see; CMake has the other copy (project()). */
#define CO_PROGRAM "cohort"

#define co_must_use __attribute__((warn_unused_result))
#define co_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define co_unused __attribute__((unused))

/* Runs f(&variable) when the variable leaves its scope. */
#define co_auto(f) __attribute__((cleanup(f)))

/* The value of *p, leaving NULL there: ownership moves to the caller. */
#define co_take(p)                                                             \
    __extension__({                                                            \
        __typeof__(*(p)) co_taken_ = *(p);                                     \
        *(p) = NULL;                                                           \
        co_taken_;                                                             \
    })

/* Defines x_freep(struct x **) from x_free(struct x *), for co_auto. */
#define CO_DEFINE_FREEP(type, free_function)                                   \
    co_unused static inline void free_function##p(type **p)                    \
    {                                                                          \
        free_function(*p);                                                     \
        *p = NULL;                                                             \
    }

#define co_countof(array) (sizeof(array) / sizeof((array)[0]))

/* An invariant of our own code. On in release builds, free of side effects.
 * What a peer, a disk or a user can cause is an error code, never this. */
#define co_assert(cond)                                                        \
    ((cond) ? (void)0 : co_assert_failed(#cond, __FILE__, __LINE__, __func__))

_Noreturn void co_assert_failed(const char *cond, const char *file, int line,
                                const char *func);

static inline uint64_t
co_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t
co_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t
co_clamp_u64(uint64_t v, uint64_t low, uint64_t high)
{
    return v < low ? low : v > high ? high : v;
}
