/* prompt.h - the texts that models are asked with: files that people copy and
 * change. A prompt file has three sections, each begun by a line "## system",
 * "## user", "## repair"; what stands before the first is a comment.
 * {{name}} is a placeholder, one of the table below; "{{{{" is two braces.
 * A line that has placeholders, and all of them are empty for a person, is
 * left out. repair is what a wrong answer is told ({{error}} in it). A set is
 * one file a stage. Pure but for prompt_set_load. Read-only once made. */
#pragma once
#include "llm/ask.h"

#include "common/err.h"

enum { PROMPT_FILE_MAX = 32 * 1024, PROMPT_TEXT_MAX = 64 * 1024 };

/* Where a placeholder may stand. */
enum {
    PROMPT_IN_BACKGROUND = 1 << ASK_BACKGROUND,
    PROMPT_IN_PERSONAS = 1 << ASK_PERSONAS,
    PROMPT_IN_ALL = PROMPT_IN_BACKGROUND | PROMPT_IN_PERSONAS,
    PROMPT_IN_REPAIR_ONLY = 1 << ASK_STAGES,
    /* It has to stand there, once: the model could not know otherwise. */
    PROMPT_NEEDED = 2 << ASK_STAGES,
};

/* X(ID, name, most bytes of its value, where, what it says): a longer value is
 * cut. docs/prompts.md has the same table. */
#define PROMPT_NAME_LIST(X)                                                    \
    X(FIRST_NAME, first_name, 48, PROMPT_IN_ALL, "given name")                 \
    X(LAST_NAME, last_name, 48, PROMPT_IN_ALL, "surname")                      \
    X(FULL_NAME, full_name, 96, PROMPT_IN_ALL, "given name and surname")       \
    X(AGE, age, 16, PROMPT_IN_ALL,                                             \
      "years; `less than 1`, `99 or more` at the ends")                        \
    X(SEX, sex, 8, PROMPT_IN_ALL, "`male` or `female`")                        \
    X(RACE_ETHNICITY, race_ethnicity, 64, PROMPT_IN_ALL,                       \
      "race, as the Census names it")                                          \
    X(HISPANIC, hispanic, 32, PROMPT_IN_ALL,                                   \
      "`Hispanic or Latino`, or `not Hispanic or Latino`")                     \
    X(MARITAL_STATUS, marital_status, 48, PROMPT_IN_ALL,                       \
      "one of six statuses; empty under 15")                                   \
    X(EDUCATION_LEVEL, education_level, 64, PROMPT_IN_ALL,                     \
      "highest level, or the school attended")                                 \
    X(BACHELORS_FIELD, bachelors_field, 64, PROMPT_IN_ALL,                     \
      "field of the first bachelor's degree; empty without one")               \
    X(OCCUPATION, occupation, 128, PROMPT_IN_ALL,                              \
      "Census title of who works; else empty")                                 \
    X(FORMER_OCCUPATION, former_occupation, 128, PROMPT_IN_ALL,                \
      "last occupation of who is retired or out of work; else empty")          \
    X(EMPLOYMENT_STATUS, employment_status, 64, PROMPT_IN_ALL,                 \
      "in words; empty under 16")                                              \
    X(INCOME_USD, income_usd, 32, PROMPT_IN_ALL,                               \
      "annual wage, `$54,300 a year`; empty for who does not work")            \
    X(CITY, city, 64, PROMPT_IN_ALL, "town or city")                           \
    X(STATE, state, 32, PROMPT_IN_ALL, "name of the state; US only")           \
    X(COUNTRY, country, 64, PROMPT_IN_ALL, "name of the country")              \
    X(PLACE, place, 160, PROMPT_IN_ALL, "city, state and country")             \
    X(HOUSEHOLD, household, 320, PROMPT_IN_ALL,                                \
      "with whom, how many, children at home, own or rented, income")          \
    X(LANGUAGES, languages, 96, PROMPT_IN_ALL, "spoken at home")               \
    X(OCEAN, ocean, 768, PROMPT_IN_ALL,                                        \
      "five lines: a trait, its T score, its level and what that means")       \
    X(OWN_COLUMNS, own_columns, 1600, PROMPT_IN_ALL,                           \
      "columns of your own tables, `commute: by car; pets: two`")              \
    X(ANGLES, angles, 256, PROMPT_IN_ALL,                                      \
      "three everyday matters, drawn for the person, so that people who are "  \
      "alike get different texts")                                             \
    X(FIELDS, fields, 2048, PROMPT_IN_ALL | PROMPT_NEEDED,                     \
      "what has to be answered: a line for each field of the stage that "      \
      "people of this age have")                                               \
    X(BACKGROUND, background, ASK_ANSWER_MAX,                                  \
      PROMPT_IN_PERSONAS | PROMPT_NEEDED,                                      \
      "what the stage before answered, a line for each field")                 \
    X(ERROR, error, ASK_ERROR_MAX,                                             \
      PROMPT_IN_ALL | PROMPT_IN_REPAIR_ONLY | PROMPT_NEEDED,                   \
      "what is wrong with the answer")

enum prompt_name {
#define X(ID, name, max, where, text) PROMPT_NAME_##ID,
    PROMPT_NAME_LIST(X)
#undef X
        PROMPT_NAMES
};

enum prompt_section {
    PROMPT_SYSTEM,
    PROMPT_USER,
    PROMPT_REPAIR,
    PROMPT_SECTIONS
};

struct prompt_set; /* opaque */

/* Reads background.md and personas.md in dir. CO_INVALID: diag names file,
 * line and what is wrong: an unknown placeholder (with the nearest), one that
 * this stage does not have, one that is needed and missing, a missing
 * section. CO_NOTFOUND, CO_IO, CO_FULL (PROMPT_FILE_MAX), CO_NOMEM */
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

/* Appends the value of a placeholder (enum prompt_name): one line or more,
 * without a newline at its end; nothing when the person has none. */
typedef void (*prompt_value)(void *self, unsigned name, struct co_buf *out);

/* Appends a section, without a newline at its end; fails only as buf does. */
void prompt_render(const struct prompt_set *set, enum ask_stage stage,
                   enum prompt_section section, prompt_value value, void *self,
                   struct co_buf *out);
/* The most bytes that system and user can have together, whoever the person
 * is; of the placeholders {{background}} and {{error}}, each of which stands
 * there at most once, nothing is counted. */
size_t prompt_bound(const struct prompt_set *set, enum ask_stage stage);
/* The same of the section repair, which comes on top in a mending ask. */
size_t prompt_repair_bound(const struct prompt_set *set, enum ask_stage stage);
