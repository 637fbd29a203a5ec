/* text_hash.h - what a row says, in 64 bits: rows whose texts differ only in
 * case and spacing have the same one. For exact dedup.
 *
 * Normalised text: ASCII capitals become small letters; each run of white
 * space (space, tab, LF, VT, FF, CR) becomes one space; nothing else changes
 * (UTF-8 beyond ASCII is taken as it is: folding it needs tables whose version
 * would decide rows). The hash is XXH3-64 of that, seed 0.
 *
 * Two different texts share a hash with p = 2^-64: among n rows about
 * n^2 / 2^65, 3 in 10^6 for 10^7 rows, 1 in 370 for 10^8.5. Such a row is
 * dropped and another one drawn, alike on every run: that harms nothing, so
 * nobody compares the texts themselves. Thread-safe: no state. */
#pragma once
#include "common/buf.h"

/* scratch is used for the normalised text and left with any content; without
 * memory it has err set and the result means nothing. */
uint64_t text_hash(const char *text, size_t len, struct co_buf *scratch);
