/* speak.h - what the fake model says: a fixed text, or JSON for the schema that
 * it was given, always the same for the same request. It reads lengths from
 * the schema (minLength, maxItems ...), else from words of a description ("40
 * to 80 words", "3 to 6 texts"). Pure. */
#pragma once
#include "tests/fake-llm/behave.h"
#include "tests/fake-llm/request.h"

struct reply {
    const char *text; /* borrowed until the next; as all below */
    size_t len;
    const char *quoted; /* the same as a JSON text, with its quotes */
    size_t quoted_len;
    bool is_tool; /* text is JSON for the tool */
    bool is_cut;  /* at the most tokens */
    bool good;    /* nobody has a reason to ask again */
    uint64_t input_tokens, output_tokens;
};

void speak(const struct request *request, const struct behave *behave,
           uint64_t hash, struct reply *ret_reply);
