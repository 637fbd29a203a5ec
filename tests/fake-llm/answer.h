/* answer.h - what the fake endpoint says: always the same for the same
 * request. Pure. */
#pragma once
#include "common/buf.h"
#include "tests/fake-llm/behave.h"
#include "tests/fake-llm/request.h"

/* Appends the whole response, head and body; *ret_half is how much of it
 * END_CUT and END_STALL send. now_s: wall time, for dates. */
void answer_write(const struct request *request, const struct behave *behave,
                  int64_t now_s, struct co_buf *out, size_t *ret_half);
/* A refusal with its reason. */
void answer_error(const struct request *request, int status, const char *type,
                  const char *message, const struct behave *behave,
                  int64_t now_s, struct co_buf *out);
/* Any JSON with status 200. */
void answer_json(const char *json, size_t len, struct co_buf *out);
