/* generator.h - the version of what decides the bytes of rows.
 *
 * Rule: raise GENERATOR_VERSION in every commit after which the same recipe,
 * seed and index would give another row: a change to draws, streams, tables
 * that the sampler builds, phrases, the grammar, or the row's layout. A new
 * model file need not raise it (its hash stands beside it), nor a new zstd.
 * tests/unit/test_sampler.c compares golden rows and fails when this is
 * forgotten. */
#pragma once
#include "population/model.h"

enum { GENERATOR_VERSION = 2 };

/* XXH3-64 of {GENERATOR_VERSION u32, model_hash u64, zstd version u32},
 * little-endian, 16 bytes: peers with the same one make the same bytes. */
uint64_t population_fingerprint(const struct model *m);
