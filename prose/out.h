/* out.h - appending texts to memory that is known to be large enough.
 * The hot path writes rows with these instead of printf; who reserves the
 * memory (row.c) states the bound. Private to population/. */
#pragma once
#include "population/model.h"
#include "prose/marks.h"

#include <string.h>

struct out {
    char *at;
    struct marks *marks; /* of what is written; may be NULL */
};

static inline void
out_bytes(struct out *o, const char *src, size_t len)
{
    memcpy(o->at, src, len);
    o->at += len;
}

static inline void
out_text(struct out *o, struct model_text t)
{
    out_bytes(o, t.data, t.len);
}

/* A string literal. */
#define out_lit(o, s) out_bytes(o, s, sizeof(s) - 1)

static inline void
out_str(struct out *o, const char *s)
{
    out_bytes(o, s, strlen(s));
}

static inline void
out_u64(struct out *o, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;

    do {
        digits[--n] = (char)('0' + v % 10);
    } while (v /= 10);
    out_bytes(o, digits + n, sizeof digits - n);
}
