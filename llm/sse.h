/* sse.h - takes a stream of server-sent events apart.
 * Bytes come as the network cuts them, also inside of a character or between
 * CR and LF; events come out whole. Comments, ids, retry times and a byte order
 * mark in front are left out: no model API uses them. Pure. */
#pragma once
#include "common/buf.h"

enum { SSE_NAME_BYTES = 64 };

struct sse {
    struct co_buf line; /* of which the end has not come */
    struct co_buf data; /* of the event that is being read */
    char name[SSE_NAME_BYTES];
    bool has_data, after_cr;
    bool has_begun; /* its first line is through */
};

/* No line and no event may be larger than limit bytes. */
void sse_init(struct sse *sse, size_t limit);
void sse_fini(struct sse *sse);
/* Ready for another stream; keeps its memory. */
void sse_clear(struct sse *sse);
/* Takes bytes; on_event gets each event that is complete: its name ("" when
 * it has none) and data. Ends when on_event returns false.
 * CO_FULL (the limit), CO_NOMEM */
co_must_use enum co_err sse_feed(struct sse *sse, const char *bytes, size_t len,
                                 bool (*on_event)(void *self, const char *name,
                                                  const char *data,
                                                  size_t data_len),
                                 void *self);
