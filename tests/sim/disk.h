/* disk.h - the owner's disk: a scratch folder with the real journal, of which
 * we know what was synced. Power loss cuts the rest, or tears it. Full, broken
 * and slow disks; a crash in the middle of a commit. And the final files,
 * which are in memory and durable at once (the sealer reports only then). */
#pragma once
#include "journal/commit.h"
#include "tests/sim/sim.h"

/* What the next write or sync does. */
enum disk_mode {
    DISK_GOOD,
    DISK_FULL,         /* ENOSPC */
    DISK_BROKEN_SYNC,  /* fdatasync says EIO */
    DISK_DIE_IN_WRITE, /* part of it is written, nothing comes back */
    DISK_DIE_IN_SYNC,  /* written, not synced, nothing comes back */
    DISK_DIE_AFTER,    /* synced, nothing comes back */
};

void disk_make(struct sim *s);
void disk_free(struct sim *s);
const char *disk_journal(const struct sim *s);
void disk_set_mode(struct sim *s, enum disk_mode mode);
enum disk_mode disk_mode(const struct sim *s);
struct journal_io disk_io(void);
/* Forgets what was not synced, or leaves a torn part of it. */
void disk_power_loss(struct sim *s);
/* segment: owner << 32 | sequence. Is it on disk up to end? */
bool disk_is_synced(const struct sim *s, uint64_t segment, uint64_t end);
uint64_t disk_segments(const struct sim *s);

/* -- final files (shards.c) */
struct shard_file {
    char name[64];
    uint8_t *data;
    size_t len;
};
struct shards;
void shards_make(struct sim *s);
void shards_free(struct sim *s);
/* The k-th file by name; NULL: none. */
const struct shard_file *shards_at(const struct sim *s, uint64_t shard);
/* Orders of a dead owner are gone with it. */
void shards_owner_died(struct sim *s, uint32_t number);
