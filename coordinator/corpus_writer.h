/* corpus_writer.h - from the writer of a recipe to what the written kind has
 * to know of it: the bounds of its asks, their price, and how often a row is
 * asked. Pure. */
#pragma once
#include "coordinator/kind_written.h"
#include "job/writer.h"
#include "population/sampler.h"

/* Fills what the writer and the sampler say: stages, rules, price, accepts.
 * The sampler is borrowed for the kind's life. CO_NOTFOUND: this program does
 * not speak the writer's API. */
co_must_use enum co_err corpus_writer_options(const struct writer *writer,
                                              const struct sampler *sampler,
                                              struct written_options *options,
                                              struct co_diag *diag);
/* What it has to know of one of several writers, which is borrowed. As above.
 */
co_must_use enum co_err corpus_writer_bound(const struct writer *writer,
                                            struct written_writer *ret,
                                            struct co_diag *diag);
