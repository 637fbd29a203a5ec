/* cache_key.h - by what name an answer is kept (docs/decisions/0059).
 * Everything that decides what a row is asked is in it: the recipe but for what
 * only says how often is asked and what that costs; the schemas that answers
 * are held to; row and stage; and the answer of the stage before. How the
 * answer came to be (at once, mended, at a fresh try) is not: one valid answer
 * is as good as another, and is found whichever turn brought it. Pure. */
#pragma once
#include "common/bytes.h"
#include "common/hash.h"
#include "llm/ask.h"

/* The part that all rows of a recipe (canonical JSON) share. CO_INVALID: it is
 * no recipe. CO_NOMEM */
co_must_use enum co_err cache_key_base(struct co_bytes recipe,
                                       struct co_hash128 *ret_base);
/* input: the answer of the stage before; len 0 in the first. */
struct co_hash128 cache_key(struct co_hash128 base, uint64_t row,
                            enum ask_stage stage, const uint8_t *input,
                            size_t len);
