/* writer.h - who writes the texts of a job when it is not the built-in writer:
 * the part of the recipe that says which model is asked what. Read-only. */
#pragma once
#include "llm/price.h"
#include "llm/prompt.h"
#include "llm/providers.h"

#include "common/json.h"

enum {
    WRITER_KIND_BYTES = 16,
    WRITER_TOKENS_MIN = 16, /* of an answer */
    WRITER_TOKENS_MAX = 32000,
    WRITER_TEMPERATURE_MAX = 2000, /* thousandths */
    WRITER_REPAIRS_MAX = 5,
    WRITER_FRESH_MAX = 5,
};
/* All answers of a row may fail in every way, and once more be lost. */
_Static_assert(2 * ASK_STAGES * (1 + WRITER_FRESH_MAX) *
                       (1 + WRITER_REPAIRS_MAX) <=
                   ASK_MAX,
               "a row has no more asks");

/* temperature_milli: the model's own, and nothing is sent. Some models take
 * no other. */
#define WRITER_TEMPERATURE_OWN PROVIDER_TEMPERATURE_OWN

struct writer {
    char provider[PROVIDERS_NAME_BYTES];
    char kind[WRITER_KIND_BYTES]; /* name of the API: "openai" */
    char model[PROVIDER_MODEL_BYTES];
    uint32_t max_tokens[ASK_STAGES]; /* of an answer */
    uint32_t temperature_milli;      /* 1000 is 1.0 */
    uint32_t repairs; /* turns that mend a wrong answer, before a fresh try */
    uint32_t fresh;   /* fresh tries after these; then the row is dead */
    /* Rows say what they cost, so the price is in the recipe. */
    struct price price; /* input -1: not known */
    /* How long a call may take, where seconds have a price: asks carry it, so
     * that none costs more than was set aside. Else 0. */
    uint64_t call_ms;
    bool batch; /* asks go out as batches: its price is that of these */
    struct prompt_set *prompts; /* owned */
};

void writer_free(struct writer *writer);
CO_DEFINE_FREEP(struct writer, writer_free)
bool writer_has_price(const struct writer *writer);

/* The recipe's part, canonical: keys sorted, what is not known left out. The
 * provider's name is not in it: it is the recipe's `provider`. */
void writer_write(const struct writer *writer, struct co_json *json);
/* Reads it; hostile input. CO_INVALID: diag says what is wrong. What is not in
 * canonical form is for the recipe to find. */
co_must_use enum co_err writer_from_json(const json_t *value,
                                         const char *provider,
                                         struct writer **ret_writer,
                                         struct co_diag *diag);

/* What a person compares: "max_tokens 1200, temperature 0.8, repairs 2, fresh
 * 1". */
void writer_say_answers(const struct writer *writer, struct co_buf *out);
/* "0.15 in, 0.6 out USD a million tokens", "unknown". */
void writer_say_price(const struct writer *writer, struct co_buf *out);
/* Of the prompts' texts; tells sets apart. */
uint64_t writer_prompts_hash(const struct writer *writer);
