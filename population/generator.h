/* generator.h - the version of what decides the bytes of rows.
 *
 * Rule: raise GENERATOR_VERSION in every commit after which the same recipe,
 * seed and index would give another row: a change to draws, streams, tables
 * that the sampler builds, the grammar, or the row's layout. A new model file
 * or other phrases need not raise it (their hashes stand beside it), nor a
 * new zstd.
 * tests/unit/test_sampler.c compares golden rows and fails when this is
 * forgotten. */
#pragma once
#include "population/prose.h"

enum { GENERATOR_VERSION = 2 };

/* XXH3-64 of {GENERATOR_VERSION u32, model_hash u64, zstd version u32,
 * prose_hash u64}, little-endian, 24 bytes: peers with the same one make the
 * same bytes. */
uint64_t population_fingerprint(const struct model *m,
                                const struct prose *prose);
