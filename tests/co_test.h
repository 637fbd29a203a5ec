/* co_test.h - includes cmocka the way it wants to be included. */
#pragma once
/* The order is cmocka's own requirement. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* clang's analyzer does not see that a failed assert leaves the test: for it,
 * and only for it, asserts are spelled out. */
#ifdef __clang_analyzer__
#include <stdlib.h>
#undef assert_true
#undef assert_non_null
#undef assert_int_equal
#undef fail_msg
#define assert_true(c) ((c) ? (void)0 : abort())
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b)                                                 \
    assert_true(cast_to_largest_integral_type(a) ==                            \
                cast_to_largest_integral_type(b))
#define fail_msg(...) (print_error(__VA_ARGS__), abort())
#endif
