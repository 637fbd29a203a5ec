/* openai_embed.c - see openai_embed.h. */
#include "llm/openai_embed.h"

#include "common/json.h"
#include "llm/pull.h"

#include <math.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 40 };

void
openai_embed_write(const struct provider_embed *ask, struct co_buf *body)
{
    struct co_json json;

    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "model", ask->model);
    co_json_key(&json, "input");
    co_json_array(&json);
    for (uint32_t i = 0; i < ask->n_texts; i++) {
        co_json_bytes(&json, ask->texts[i].text, ask->texts[i].len);
    }
    co_json_end(&json);
    if (ask->dimensions) {
        co_json_put_u64(&json, "dimensions", ask->dimensions);
    }
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
}

static bool
read_float(struct pull *p, float *ret)
{
    char text[NUMBER_BYTES];
    struct pull_slice number;

    if (!pull_number(p, &number)) return false;
    if (number.len >= sizeof text) {
        pull_refuse(p, "no number of so many digits");
        return false;
    }
    *ret = strtof(pull_copy(&number, text, sizeof text), NULL);
    if (isfinite(*ret)) return true;
    pull_refuse(p, "no number that a float holds");
    return false;
}

/* All have as many numbers as the first. */
static void
read_vector(struct pull *p, struct provider_answer *answer)
{
    uint32_t n = 0;
    float value;

    if (!pull_enter(p, PULL_ARRAY)) return;
    for (; pull_item(p) && read_float(p, &value); n++) {
        co_buf_append(&answer->vectors, &value, sizeof value);
    }
    if (answer->vectors.err) return; /* provider_verdict() says so */
    if (answer->n_vectors == 0) answer->dimensions = n;
    if (n == 0 || n != answer->dimensions) {
        pull_refuse(p, "no vector of the length of the first");
    }
    answer->n_vectors++;
}

static void
read_item(struct pull *p, struct provider_answer *answer)
{
    uint32_t place = answer->n_vectors;
    struct pull_slice key;
    uint64_t index;

    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "embedding") && place == answer->n_vectors) {
            read_vector(p, answer);
        } else if (pull_is(&key, "index") && pull_u64(p, &index)) {
            if (index != place) pull_refuse(p, "no vector in its place");
        } else {
            pull_skip(p);
        }
    }
    if (place == answer->n_vectors && !answer->vectors.err) {
        pull_refuse(p, "no embedding");
    }
}

static void
read_data(struct pull *p, struct provider_answer *answer)
{
    if (!pull_enter(p, PULL_ARRAY)) return;
    while (pull_item(p)) {
        read_item(p, answer);
    }
    answer->is_answer = answer->n_vectors > 0;
}

/* Only what goes in counts: a vector has no tokens. */
static void
read_usage(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "prompt_tokens")) {
            answer->has_input = provider_take_tokens(p, &answer->input_tokens);
        } else {
            pull_skip(p);
        }
    }
    answer->has_usage = answer->has_output = answer->has_input;
}

enum fault
openai_embed_read(const char *body, size_t len, struct provider_answer *answer,
                  struct co_diag *diag)
{
    struct pull_slice key;
    struct pull p;

    pull_init(&p, body, len);
    answer->has_end = true; /* its JSON ends, or it is none */
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "data")) {
                read_data(&p, answer);
            } else if (pull_is(&key, "usage")) {
                read_usage(&p, answer);
            } else {
                provider_take_member(&p, &key, answer);
            }
        }
    }
    if (!answer->is_answer) {
        (void)co_fail(diag, CO_PROTOCOL, "it has no data[0].embedding");
    }
    return provider_verdict(&p, answer, diag);
}
