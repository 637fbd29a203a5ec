/* marks.h - where texts were put that are likely to stand elsewhere as well.
 * Whoever writes rows copies phrases, names and labels that it knows; whoever
 * compresses them has to find the same repetitions by looking at every byte.
 * Marks pass the knowledge on: at this place begins the text of that number.
 * They are hints and nothing else: one that is missing, misplaced or whose
 * number two texts share costs compression, never correctness
 * (rows/matches.h compares bytes). */
#pragma once
#include <stdint.h>

enum {
    MARKS_MAX = 1024,   /* of one row; further ones are left out */
    MARK_BYTES_MIN = 5, /* a shorter text is not worth a mark */
    /* Numbers of texts: these spaces, one behind the other. */
    MARK_COLUMN = 0, /* what stands between two columns */
    MARK_COLUMNS = 128,
    MARK_FACT = MARK_COLUMN + MARK_COLUMNS, /* a fact of prose */
    MARK_FACTS = 128,
    MARK_LABEL = MARK_FACT + MARK_FACTS, /* a value of an attribute, hashed */
    MARK_LABELS = 4096,
    MARK_PHRASE = MARK_LABEL + MARK_LABELS, /* an eighth of its offset */
};

struct mark {
    uint32_t at;   /* offset from base */
    uint32_t text; /* number of the text */
};

/* Marks of one row, in the order of their places. */
struct marks {
    const char *base;
    uint32_t n;
    struct mark v[MARKS_MAX];
};

/* A row begins; offsets are from base. */
static inline void
marks_begin(struct marks *m, const char *base)
{
    m->base = base; /* v is not cleared: n says what counts */
    m->n = 0;
}

/* m may be NULL: nobody wants them. */
static inline void
marks_add(struct marks *m, const char *at, uint32_t text)
{
    if (!m || m->n == MARKS_MAX) return;
    m->v[m->n++] = (struct mark){(uint32_t)(at - m->base), text};
}
