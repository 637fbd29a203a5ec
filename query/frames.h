/* frames.h - a file of rows: zstd frames one after the other.
 * A shard is as many independent frames as the run had ranges (250 candidates
 * each), so that rows in the middle can be had without uncompressing what is
 * in front: frames_next() hops from frame to frame by zstd's block headers.
 * At most one compressed frame is held. Frames beyond the limits that ranges
 * have (rows/range.h) are refused: nobody made them here.
 * A reader belongs to one thread; so does an unpacker. */
#pragma once
#include "common/buf.h"

/* A frame where it stands; at is valid until the next call. */
struct frame {
    uint64_t offset; /* in the file */
    const uint8_t *at;
    size_t len;
    uint64_t raw_bytes; /* as its header says */
};

struct frames; /* opaque: an open file */

/* hash: frames_hash() will be asked for. CO_IO, CO_DENIED, CO_NOTFOUND. */
co_must_use enum co_err frames_open(const char *dir, const char *file,
                                    bool hash, struct frames **ret_frames,
                                    struct co_diag *diag);
void frames_free(struct frames *f);
CO_DEFINE_FREEP(struct frames, frames_free)
/* The next frame. CO_NOTFOUND: that was the last; CO_DAMAGED: what follows is
 * no frame of rows (diag: file, offset). */
co_must_use enum co_err frames_next(struct frames *f, struct frame *ret_frame,
                                    struct co_diag *diag);
/* The frame at that offset is next. */
void frames_seek(struct frames *f, uint64_t offset);
/* XXH3-64 of the file, once frames_next() has said that nothing follows. */
uint64_t frames_hash(const struct frames *f);

struct unpacker; /* opaque */

co_must_use enum co_err unpacker_new(struct unpacker **ret_unpacker);
void unpacker_free(struct unpacker *u);
CO_DEFINE_FREEP(struct unpacker, unpacker_free)
/* The rows of a frame: whole lines, each with its newline. They are the
 * unpacker's until its next call. file is for the message.
 * CO_DAMAGED: the frame does not hold what its header says. */
co_must_use enum co_err unpacker_rows(struct unpacker *u,
                                      const struct frame *frame,
                                      const char *file, const char **ret_rows,
                                      size_t *ret_len, struct co_diag *diag);
/* Only its first line, without the newline: uncompresses no more than one
 * block. len 0 for a frame without rows. */
co_must_use enum co_err unpacker_first(struct unpacker *u,
                                       const struct frame *frame,
                                       const char *file, const char **ret_line,
                                       size_t *ret_len, struct co_diag *diag);
