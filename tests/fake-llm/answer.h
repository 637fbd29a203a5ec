/* answer.h - the responses of the fake endpoint, in the form of each API. Pure.
 */
#pragma once
#include "common/buf.h"
#include "tests/fake-llm/behave.h"
#include "tests/fake-llm/request.h"
#include "tests/fake-llm/speak.h"

/* Appends the whole response, head and body; *ret_half is how much of it
 * END_CUT and END_STALL send. now_s: wall time, for dates. */
void answer_write(const struct request *request, const struct behave *behave,
                  const struct reply *reply, int64_t now_s, struct co_buf *out,
                  size_t *ret_half);
/* Vectors for the texts of a call for embeddings. */
void answer_embeddings(const struct request *request, struct co_buf *out);
/* A refusal with its reason. */
void answer_error(const struct request *request, int status, const char *type,
                  const char *message, const struct behave *behave,
                  int64_t now_s, struct co_buf *out);
/* Any JSON with status 200. */
void answer_json(const char *json, size_t len, struct co_buf *out);
