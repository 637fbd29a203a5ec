/* bitfix.h - finds the one flipped bit that explains a wrong checksum.
 * A CRC is linear: (computed xor stored) depends on the place of the flipped
 * bit alone, so that one walk over the places finds it. CRC32C tells any two
 * single flips apart up to 2^31 bits. Other damage is mistaken for a single
 * flip with probability bits / 2^32 (a 10 KB record: 2e-5). Pure. */
#pragma once
#include "journal/segment.h"

struct bitfix {
    uint32_t byte; /* offset from the record's start */
    uint8_t mask;  /* the bit */
};

/* raw: the bytes from the record's start on, avail of them (to the end of
 * the segment or the largest record, whichever is nearer). The corrected
 * record must fit into avail and have a sequence above `sequence` (and not
 * absurdly far above). CO_DAMAGED: no single bit explains it. */
co_must_use enum co_err bitfix_record(const uint8_t *raw, size_t avail,
                                      uint32_t seed, uint64_t sequence,
                                      struct bitfix *ret);
/* The same for a block whose last four bytes are its CRC32C. */
co_must_use enum co_err bitfix_block(const uint8_t *block, size_t len,
                                     struct bitfix *ret);

/* Sequences may jump by what earlier repairs left out; more is not believed. */
#define BITFIX_SEQUENCE_JUMP (1u << 24)
