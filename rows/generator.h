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
#include "prose/prose.h"

enum { GENERATOR_VERSION = 2 };

/* XXH3-64 of {GENERATOR_VERSION u32, zstd version u32, prose_hash u64, the
 * hash u64 of each model that data_dir has (locate.h), 0 for one that it
 * lacks, up to 8}, little-endian, 80 bytes: peers with the same one make the
 * same bytes. */
uint64_t population_fingerprint(const char *data_dir,
                                const struct prose *prose);
