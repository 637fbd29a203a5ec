/* metrics_text.c - see metrics_text.h. */
#include "common/metrics_text.h"

#include "common/clock.h"
#include "common/proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Line breaks and backslashes; in label values also quotes. */
static void
escaped(struct co_buf *out, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\\') {
            co_buf_puts(out, "\\\\");
        } else if (*text == '\n') {
            co_buf_puts(out, "\\n");
        } else if (*text == '"' && quotes) {
            co_buf_puts(out, "\\\"");
        } else {
            co_buf_putc(out, *text);
        }
    }
}

void
co_metrics_family(struct co_buf *out, const char *name,
                  enum co_metrics_type type, const char *help)
{
    co_buf_printf(out, "# HELP %s ", name);
    escaped(out, help, false);
    co_buf_printf(out, "\n# TYPE %s %s\n", name,
                  type == CO_METRICS_COUNTER ? "counter" : "gauge");
}

static void
begin(struct co_buf *out, const char *name, const char *const *labels)
{
    co_buf_puts(out, name);
    for (size_t i = 0; labels && labels[i]; i += 2) {
        co_buf_printf(out, "%s%s=\"", i ? "," : "{", labels[i]);
        escaped(out, labels[i + 1], true);
        co_buf_putc(out, '"');
    }
    if (labels && labels[0]) co_buf_putc(out, '}');
}

void
co_metrics_sample(struct co_buf *out, const char *name,
                  const char *const *labels, uint64_t value)
{
    begin(out, name, labels);
    co_buf_printf(out, " %" PRIu64 "\n", value);
}

void
co_metrics_decimal(struct co_buf *out, const char *name,
                   const char *const *labels, const char *value)
{
    begin(out, name, labels);
    co_buf_printf(out, " %s\n", value);
}

void
co_metrics_milli(struct co_buf *out, const char *name,
                 const char *const *labels, uint64_t value)
{
    begin(out, name, labels);
    co_buf_printf(out, " %" PRIu64 ".%03" PRIu64 "\n", value / 1000,
                  value % 1000);
}

void
co_metrics_one(struct co_buf *out, const char *name, enum co_metrics_type type,
               const char *help, uint64_t value)
{
    co_metrics_family(out, name, type, help);
    co_metrics_sample(out, name, NULL, value);
}

/* ---- of every process ---- */

static uint64_t
open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;

    while (dir && readdir(dir)) {
        n++;
    }
    if (dir) (void)closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

/* Taken at the first call, which is soon after the start. */
static uint64_t
started_ms(void)
{
    static uint64_t at;

    if (!at) at = (uint64_t)co_clock_wall_ms();
    return at;
}

void
co_metrics_process(struct co_buf *out, const char *program, const char *version)
{
    const char *const labels[] = {"program", program, "version", version, NULL};

    co_metrics_family(out, "cohort_build_info", CO_METRICS_GAUGE,
                      "1; its labels name program and version");
    co_metrics_sample(out, "cohort_build_info", labels, 1);
    co_metrics_family(out, "process_start_time_seconds", CO_METRICS_GAUGE,
                      "start of the process, seconds since 1970");
    co_metrics_milli(out, "process_start_time_seconds", NULL, started_ms());
    co_metrics_family(out, "process_cpu_seconds_total", CO_METRICS_COUNTER,
                      "CPU time used, user and system");
    co_metrics_milli(out, "process_cpu_seconds_total", NULL,
                     (uint64_t)co_clock_cpu_us() / 1000);
    co_metrics_one(out, "process_resident_memory_bytes", CO_METRICS_GAUGE,
                   "resident memory", co_proc_resident_bytes());
    co_metrics_one(out, "process_open_fds", CO_METRICS_GAUGE,
                   "open file descriptors", open_files());
}

void
co_metrics_redis(struct co_buf *out, const struct co_redis_counters *c)
{
    co_metrics_one(out, "cohort_redis_commands_total", CO_METRICS_COUNTER,
                   "commands for Redis", c->sent);
    co_metrics_one(out, "cohort_redis_failed_total", CO_METRICS_COUNTER,
                   "commands that Redis answered with an error", c->failed);
    co_metrics_one(out, "cohort_redis_refused_total", CO_METRICS_COUNTER,
                   "commands that found the queue for Redis full", c->refused);
    co_metrics_one(out, "cohort_redis_reconnects_total", CO_METRICS_COUNTER,
                   "connections to Redis after the first", c->reconnects);
    co_metrics_one(out, "cohort_redis_waiting", CO_METRICS_GAUGE,
                   "commands that wait for Redis", c->waiting);
}
