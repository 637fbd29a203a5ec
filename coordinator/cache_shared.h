/* cache_shared.h - by what name an answer is kept that equal prompts share
 * (docs/decisions/0063): 128 bits of all that is asked, as it would be sent:
 * model, texts, schema, most tokens, temperature; and the stage. Neither row
 * nor seed nor recipe is in it. The prompt is rendered for that, which takes
 * some microseconds. Pure, but for its memory. Not thread-safe. */
#pragma once
#include "common/hash.h"
#include "job/writer_request.h"

struct cache_shared; /* opaque */

/* Both are borrowed for life. CO_NOMEM */
co_must_use enum co_err cache_shared_new(const struct writer *writer,
                                         const struct sampler *sampler,
                                         struct cache_shared **ret_shared);
void cache_shared_free(struct cache_shared *s);
CO_DEFINE_FREEP(struct cache_shared, cache_shared_free)
/* What the row is asked in that stage; input: the answer of the stage before
 * (len 0: none). False: the prompt is too long, or no memory. */
bool cache_shared_key(struct cache_shared *s, uint64_t row,
                      enum ask_stage stage, const uint8_t *input, uint32_t len,
                      struct co_hash128 *ret_key);
