/* shape.h - what a structured answer has to look like. One table of fields a
 * stage: the JSON Schema that the model is sent, the lines of the prompt that
 * say the same in words, the check of what it answers, and the canonical form
 * that the row is made of all come from it. Pure. */
#pragma once
#include "llm/ask.h"

#include "common/err.h"

enum {
    SHAPE_FIELDS_MAX = 12,
    SHAPE_ITEMS_MAX = 8, /* texts of a list */
    SHAPE_SCHEMA_MAX = 4096,
};

struct shape_field {
    const char *name;  /* the row's column */
    bool is_list;      /* of texts; else one text */
    uint16_t min, max; /* bytes of the text, or of each text in the list */
    uint8_t items_min, items_max;
    uint8_t from_age;   /* not asked of younger people: null in their row */
    const char *length; /* in words, well inside of min and max */
    const char *about;  /* for the model */
};

struct shape {
    const char *name;
    const struct shape_field *fields;
    uint32_t n;
};

/* ASK_BACKGROUND: cultural_background, skills_and_expertise,
 * skills_and_expertise_list, hobbies_and_interests,
 * hobbies_and_interests_list, career_goals_and_ambitions; ASK_PERSONAS:
 * professional_, sports_, arts_, travel_, culinary_persona, persona. */
const struct shape *shape_of(enum ask_stage stage);
/* Appends the JSON Schema (compact, additionalProperties false, all fields
 * required) for a person of that age. Lengths stand in descriptions: not all
 * servers that hold models to a schema take minLength or maxItems. */
void shape_schema(const struct shape *shape, uint32_t age, struct co_buf *out);
/* The same for a prompt: a line for each field, `- "name": what (length)`. */
void shape_fields(const struct shape *shape, uint32_t age, struct co_buf *out);
/* Finds the JSON object in a model's text (fences and prose around it are
 * cut away), checks it, and appends its canonical form: compact, keys in the
 * table's order, raw UTF-8, escapes only where JSON needs them, each run of
 * white space in a text one space, none at its ends, at most ASK_ANSWER_MAX
 * bytes. The form of a canonical answer is itself. CO_INVALID: diag says what
 * is wrong, in words that tell a model how to mend it, all faults at once
 * (within ASK_ERROR_MAX bytes): truncated, a key twice, missing or unknown,
 * wrong type, broken characters, too short or long, a text of a list given
 * twice. CO_NOMEM */
co_must_use enum co_err shape_check(const struct shape *shape, uint32_t age,
                                    const char *text, size_t len,
                                    struct co_buf *out, struct co_diag *diag);
/* The canonical value of a field in an answer that passed shape_check: *ret
 * points into answer, with its quotes or brackets. False: it is not in it. */
bool shape_value(const char *answer, size_t len, const char *field,
                 const char **ret, size_t *ret_len);
/* A canonical answer for the next stage's prompt: a line for each field,
 * `- name in words: text`, lists with semicolons. Never longer than it. */
void shape_say(const struct shape *shape, const char *answer, size_t len,
               struct co_buf *out);
