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
