/* row_answers.h - the texts of a row as models wrote them: the answers of both
 * stages and where they are from. They come from an owner over the wire, and
 * go into rows as they stand; so they are checked down to the last byte. */
#pragma once
#include "llm/shape.h"
#include "population/person.h"

enum {
    ROW_PROVENANCE_MAX = 1024, /* bytes of the members */
    ROW_ANSWERS_MAX = ASK_STAGES * ASK_ANSWER_MAX + ROW_PROVENANCE_MAX,
};

/* All borrowed; json[0] NULL and not built in: the row has none. */
struct row_answers {
    const char *json[ASK_STAGES]; /* canonical (llm/shape.h) */
    uint32_t len[ASK_STAGES];
    /* Members of the column provenance, without braces:
     * "model":"..","input_tokens":N,.. */
    const char *provenance;
    uint32_t provenance_len;
    /* No model was there to write it: the texts are the built-in writer's, and
     * the provenance says so. */
    bool built_in;
};

/* Reads an array of count elements, each nil, [bin, bin, bin], or [bin] (built
 * in: provenance alone); ret has count places. Checked here: structure, sizes
 * and provenance. CO_PROTOCOL: not such an array */
co_must_use enum co_err row_answers_read(const uint8_t *msgpack, size_t len,
                                         struct row_answers *ret,
                                         uint32_t count);
static inline bool
row_answers_are_none(const struct row_answers *a)
{
    return !a->json[0] && !a->built_in;
}

/* Are both answers what shape_check makes for a person of that age? scratch
 * is cleared. CO_PROTOCOL, CO_NOMEM */
co_must_use enum co_err row_answers_check(const struct row_answers *a,
                                          uint32_t age, struct co_buf *scratch);
