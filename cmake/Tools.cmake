# `format` lays out every C file of the project, `format-check` only looks.
find_program(CLANG_FORMAT NAMES clang-format clang-format-14)
if(CLANG_FORMAT)
  # Run through find at build time, so that new files count at once.
  # messages.def is a table laid out by hand: not a C file here.
  set(c_files find ${PROJECT_SOURCE_DIR} -name build -prune -o -name .git
      -prune -o -type f "(" -name "*.c" -o -name "*.h" ")")
  add_custom_target(format VERBATIM
    COMMAND ${c_files} -exec ${CLANG_FORMAT} -i {} +)
  add_custom_target(format-check VERBATIM
    COMMAND ${c_files} -exec ${CLANG_FORMAT} --dry-run -Werror {} +)
endif()
