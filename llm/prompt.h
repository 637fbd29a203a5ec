/* prompt.h - the texts that models are asked with: files that people copy and
 * change. A prompt file has three sections, each begun by a line "## system",
 * "## user", "## repair"; what stands before the first is a comment.
 * {{name}} is a placeholder, one of the table below; "{{{{" is two braces.
 * repair is what a wrong answer is told ({{error}} in it). A set is one file a
 * stage. Pure but for prompt_set_load. Read-only once made. */
#pragma once
#include "llm/ask.h"

#include "common/err.h"

enum { PROMPT_FILE_MAX = 32 * 1024, PROMPT_TEXT_MAX = 64 * 1024 };

/* Placeholders stand in the list PROMPT_NAME_LIST, X(ID, name, most bytes of
 * its value, stages that have it, text), which comes with the code. */

enum prompt_section {
    PROMPT_SYSTEM,
    PROMPT_USER,
    PROMPT_REPAIR,
    PROMPT_SECTIONS
};

struct prompt_set; /* opaque */

/* Reads background.md and personas.md in dir. CO_INVALID: diag names file,
 * line and what is wrong: an unknown placeholder (with the nearest), one that
 * this stage does not have, a missing section. */
co_must_use enum co_err prompt_set_load(const char *dir,
                                        struct prompt_set **ret_set,
                                        struct co_diag *diag);
/* The same of texts, by stage; names stand in messages. */
co_must_use enum co_err prompt_set_parse(const char *const texts[ASK_STAGES],
                                         const char *const names[ASK_STAGES],
                                         struct prompt_set **ret_set,
                                         struct co_diag *diag);
void prompt_set_free(struct prompt_set *set);
CO_DEFINE_FREEP(struct prompt_set, prompt_set_free)
/* A stage's file as it was read: what the recipe holds. */
const char *prompt_set_text(const struct prompt_set *set, enum ask_stage stage);

/* Appends the value of a placeholder, by its number in the table. */
typedef void (*prompt_value)(void *self, unsigned name, struct co_buf *out);

/* Appends a section. */
void prompt_render(const struct prompt_set *set, enum ask_stage stage,
                   enum prompt_section section, prompt_value value, void *self,
                   struct co_buf *out);
/* The most bytes that system and user can have together, whoever the person
 * is; of the placeholders {{background}} and {{error}} nothing is counted. */
size_t prompt_bound(const struct prompt_set *set, enum ask_stage stage);
