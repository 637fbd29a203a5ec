# Language level, warnings and sanitizers, the same for every target.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(COHORT_WERROR "Warnings are errors (set by the presets)" OFF)
set(COHORT_SANITIZE "" CACHE STRING "Value of -fsanitize=, or empty")
option(COHORT_TESTS "Build the tests (needs cmocka)" ON)
option(COHORT_FUZZ "Build the fuzz targets (clang only)" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(co_flags INTERFACE)
target_include_directories(co_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(co_flags INTERFACE _GNU_SOURCE)
# Libraries come as imported targets, whose headers are system headers: our
# warnings are for our code. Rows must not depend on how a compiler contracts floating point.
target_compile_options(co_flags INTERFACE
  -ffp-contract=off -fno-strict-aliasing
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wcast-qual -Wwrite-strings -Wpointer-arith
  -Wformat=2 -Wundef -Wimplicit-fallthrough
  $<$<C_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond -Wduplicated-branches
    -Wnull-dereference>
  $<$<BOOL:${COHORT_WERROR}>:-Werror>)
target_compile_options(co_flags INTERFACE
  $<$<CONFIG:Release>:-O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
    -fstack-protector-strong -fstack-clash-protection>)
target_link_options(co_flags INTERFACE
  $<$<CONFIG:Release>:-Wl,-z,relro,-z,now>)
# No configuration defines NDEBUG: co_assert and assert are on everywhere.
# Sanitizer and fuzz builds are RelWithDebInfo; -O1 keeps their traces true.
set(CMAKE_C_FLAGS_RELEASE "")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g")
if(COHORT_SANITIZE)
  target_compile_options(co_flags INTERFACE -fsanitize=${COHORT_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(co_flags INTERFACE -fsanitize=${COHORT_SANITIZE})
endif()
if(COHORT_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "COHORT_FUZZ needs clang: cmake --preset fuzz")
  endif()
  # Every library counts its branches; only the targets bring a main().
  target_compile_options(co_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# `programs` is what a user runs and nothing else: the launcher builds it.
# The programs, plus (cmake/Package.cmake) the data that they read.
add_custom_target(programs)

# co_library(NAME SOURCES... LIBS...) and co_program: one folder, one target.
# PURE: computes, has no state that threads could share, and is most of the
# work of a run. It is not instrumented for data races, which would be looked
# for in vain at ten times the price; what calls it from threads is.
function(co_library name)
  cmake_parse_arguments(A "PURE" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  if(A_PURE AND COHORT_SANITIZE STREQUAL "thread")
    set_source_files_properties(${A_SOURCES} PROPERTIES
      COMPILE_OPTIONS "-fno-sanitize=thread;-O2")
  endif()
  target_link_libraries(${name} PUBLIC co_flags ${A_LIBS})
endfunction()

function(co_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE co_flags ${A_LIBS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  add_dependencies(programs ${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
