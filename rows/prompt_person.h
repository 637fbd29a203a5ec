/* prompt_person.h - what a person is, in the words of a prompt: the values of
 * the placeholders of llm/prompt.h. What a person has not is empty, so that
 * lines about it are left out. Pure, but for the memory of its output. */
#pragma once
#include "llm/prompt.h"
#include "population/sampler.h"

/* All borrowed. */
struct prompt_person {
    const struct sampler *s;
    const struct person *p;
    const uint8_t *background; /* canonical; NULL: it is what is asked for */
    size_t background_len;
    const char *error; /* NULL: nothing has to be mended */
    size_t error_len;
};

/* A prompt_value; self is a struct prompt_person. */
void prompt_person_value(void *self, unsigned name, struct co_buf *out);
