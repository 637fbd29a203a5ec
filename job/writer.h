/* writer.h - who writes the texts of a job when it is not the built-in writer:
 * the part of the recipe that says which model is asked what. Read-only. */
#pragma once
#include "llm/price.h"
#include "llm/prompt.h"
#include "llm/providers.h"

struct writer {
    char provider[PROVIDERS_NAME_BYTES];
    char kind[16]; /* name of the API: "openai" */
    char model[PROVIDER_MODEL_BYTES];
    uint32_t max_tokens[ASK_STAGES]; /* of an answer */
    uint32_t temperature_milli;      /* 1000 is 1.0 */
    uint32_t repairs; /* turns that mend a wrong answer, before a fresh try */
    uint32_t fresh;   /* fresh tries after these; then the row is dead */
    /* Rows say what they cost, so the price is in the recipe. */
    struct price price;
    int64_t call_price;
    struct prompt_set *prompts; /* owned */
};
