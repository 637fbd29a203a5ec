/* prose.h - the built-in writer: a grammar of the project's own phrases.
 * Texts are a pure function of the person; phrases are chosen by attributes
 * and by bits of a stream of their own. They hold no character that JSON
 * escapes. Thread-safe: constant tables. */
#pragma once
#include "population/out.h"
#include "population/sampler.h"

/* The longest text either function writes, in bytes. */
enum { PROSE_MAX_BYTES = 2048 };

/* Who this is, in one or two sentences. */
void prose_persona(const struct sampler *s, const struct person *p,
                   struct out *o);
/* Where this person comes from, in one or two sentences. */
void prose_background(const struct sampler *s, const struct person *p,
                      struct out *o);
