/* outfile.h - where a command's rows go: a file that appears when it is whole,
 * or standard output.
 * The file is written beside its final name (.NAME.PID.tmp), synced and renamed
 * at the end; what ends before that leaves the old file, or none. Nothing is
 * buffered here: write large pieces. One thread. */
#pragma once
#include "common/err.h"

struct outfile; /* opaque */

/* "-" is standard output. Anything that exists and is no regular file is
 * refused (CO_USAGE): renaming would replace a device. */
co_must_use enum co_err outfile_open(const char *path,
                                     struct outfile **ret_outfile,
                                     struct co_diag *diag);
/* CO_CANCELLED: who read standard output has gone, and wants no more. */
co_must_use enum co_err outfile_write(struct outfile *o, const void *data,
                                      size_t len, struct co_diag *diag);
/* The file is whole: durable, and under its name. */
co_must_use enum co_err outfile_commit(struct outfile *o, struct co_diag *diag);
/* Removes what was not committed. */
void outfile_free(struct outfile *o);
CO_DEFINE_FREEP(struct outfile, outfile_free)

bool outfile_is_file(const struct outfile *o);
/* Bytes written. */
uint64_t outfile_bytes(const struct outfile *o);
