/* walk.h - walks msgpack bytes without allocating.
 * Every byte comes from a peer, so every length is checked against the bytes
 * that are left before it is believed. A cursor that met an error stays in it
 * and yields zeros: callers check walk_done() or walk.bad once at the end.
 * Why not a library's unpacker: it reserves memory by claimed counts before it
 * has seen the bytes. Pure; one cursor belongs to one thread. */
#pragma once
#include "common/err.h"

enum { WALK_DEPTH_MAX = 16 };

struct walk {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct walk walk_start(const void *data, size_t len);
/* Each reads one value of that kind; anything else makes the cursor bad.
 * Integers: any msgpack width, negative values are bad. */
uint64_t walk_u64(struct walk *w);
uint32_t walk_u32(struct walk *w);
/* Below most, which is not 0; else the payload is bad. */
uint32_t walk_below(struct walk *w, uint32_t most);
bool walk_bool(struct walk *w);
/* The bytes stay in the frame; *ret_len is their number. Strings must be
 * valid UTF-8 without NUL. */
const char *walk_str(struct walk *w, uint32_t *ret_len);
const uint8_t *walk_bin(struct walk *w, uint32_t *ret_len);
/* The number of elements (array) or pairs (map) that follow; never more than
 * the bytes left could hold. */
uint32_t walk_array(struct walk *w);
uint32_t walk_map(struct walk *w);
/* Steps over one value of any kind, nested up to WALK_DEPTH_MAX. */
void walk_skip(struct walk *w);
/* No error, and no byte left. */
bool walk_done(const struct walk *w);
/* True when data is exactly one well-formed value within the depth. */
bool walk_check(const void *data, size_t len);
