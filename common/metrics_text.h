/* metrics_text.h - the text format of Prometheus, written into a buffer.
 * A family is its HELP and TYPE, then its samples; samples of one family stand
 * together, so a family is written whole before the next. Pure. */
#pragma once
#include "common/buf.h"
#include "common/redis.h"

enum co_metrics_type { CO_METRICS_GAUGE, CO_METRICS_COUNTER };

/* Begins a family. A counter's name ends with _total. */
void co_metrics_family(struct co_buf *out, const char *name,
                       enum co_metrics_type type, const char *help);
/* A sample of it. labels: pairs of name and value, then NULL; values are
 * escaped. NULL: no labels. */
void co_metrics_sample(struct co_buf *out, const char *name,
                       const char *const *labels, uint64_t value);
/* The same with a number that stands there as text: an exact decimal. */
void co_metrics_decimal(struct co_buf *out, const char *name,
                        const char *const *labels, const char *value);
/* value / 1000, exactly: seconds from milliseconds. */
void co_metrics_milli(struct co_buf *out, const char *name,
                      const char *const *labels, uint64_t value);
/* A family of one sample without labels. */
void co_metrics_one(struct co_buf *out, const char *name,
                    enum co_metrics_type type, const char *help,
                    uint64_t value);
/* What every process tells: program, version, start, memory, CPU, files. */
void co_metrics_process(struct co_buf *out, const char *program,
                        const char *version);
/* How a process gets on with Redis: cohort_redis_... */
void co_metrics_redis(struct co_buf *out, const struct co_redis_counters *c);
