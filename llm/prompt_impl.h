/* prompt_impl.h - prompt files, taken apart: shared by prompt.c, which keeps
 * and renders them, and prompt_parse.c, which reads and checks them. */
#pragma once
#include "llm/prompt.h"

/* A piece of a section: text of the file, a placeholder, or the end of a line.
 * Every line ends with one of the last kind. */
enum { PIECE_TEXT = -1, PIECE_LINE = -2 }; /* else an enum prompt_name */

struct prompt_piece {
    uint32_t at, len; /* TEXT: in the file */
    int32_t kind;
};

struct prompt_pieces {
    struct prompt_piece *v;
    size_t n;
};

struct prompt_file {
    char *text; /* NUL-terminated */
    struct prompt_pieces section[PROMPT_SECTIONS];
};

struct prompt_info {
    const char *name;
    uint32_t max;
    uint32_t where; /* PROMPT_IN_* */
};

const struct prompt_info *prompt_info(unsigned name);

/* Takes the text apart and checks it. What was made so far stands in file,
 * also after an error; prompt.c releases it. */
co_must_use enum co_err prompt_parse(struct prompt_file *file,
                                     enum ask_stage stage, const char *name,
                                     struct co_diag *diag);
