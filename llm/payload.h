/* payload.h - members of the msgpack maps that owner and worker send each other
 * about asks and batches (ask.h, batch.h): a number or a text under a key.
 * Pure. */
#pragma once
#include "llm/ask.h"
#include "proto/walk.h"

#include <msgpack.h>

void payload_put_u64(msgpack_packer *pk, unsigned key, uint64_t value);
/* A text alone, cut to max bytes at a whole character. */
void payload_put_text(msgpack_packer *pk, struct ask_text text, size_t max);
void payload_put_str(msgpack_packer *pk, unsigned key, struct ask_text text,
                     size_t max);
/* The bytes stay in the payload, which is bad where there are more than max. */
struct ask_text payload_str(struct walk *w, size_t max);
const uint8_t *payload_bin(struct walk *w, size_t max, uint32_t *ret_len);
