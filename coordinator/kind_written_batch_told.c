/* kind_written_batch_told.c - what people are told of batches. */
#include "coordinator/kind_written_core.h"

#include <inttypes.h>
#include <stdio.h>

void
batch_tell(struct written *w, int64_t now_us)
{
    const uint64_t now = batch_unix_s(w, now_us);
    const struct batchbook_entry *oldest = NULL;
    uint64_t requests = 0, done = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->book.n; i++) {
        const struct batchbook_entry *e = w->book.entries[i];

        if (e->phase != BATCHBOOK_RUNS) continue;
        if (!oldest) oldest = e;
        requests += e->n;
        done += e->done;
        n++;
    }
    w->batches[0] = '\0';
    if (!oldest) return;
    if (oldest->strange) {
        (void)snprintf(w->batches, sizeof w->batches,
                       "batch %" PRIu64 ", %.64s: workers have another address "
                       "or key than the one that made it, and do not see it: "
                       "give them that one back",
                       oldest->number, oldest->id);
        return;
    }
    (void)snprintf(w->batches, sizeof w->batches,
                   "%" PRIu32 " batch%s of %" PRIu64 " requests, %" PRIu64
                   " of them done, at the vendor; the oldest is number "
                   "%" PRIu64 ", %.64s, for %" PRIu64 " s",
                   n, n == 1 ? "" : "es", requests, done, oldest->number,
                   oldest->id, now > oldest->since ? now - oldest->since : 0);
}

void
batch_summary(const struct written *w, struct co_buf *out)
{
    co_buf_puts(out, "[");
    for (uint32_t i = 0; i < w->book.n; i++) {
        const struct batchbook_entry *e = w->book.entries[i];

        co_buf_printf(out,
                      "%s{\"batch\":%" PRIu64 ",\"state\":\"%s\",\"id\":\"",
                      i ? "," : "", e->number, batchbook_phase_name(e->phase));
        /* ids go into addresses, so workers let only plain ones pass */
        for (const char *c = e->id; *c; c++) {
            if (*c > ' ' && *c != '"' && *c != '\\') co_buf_putc(out, *c);
        }
        co_buf_printf(out,
                      "\",\"requests\":%" PRIu32 ",\"done\":%" PRIu64
                      ",\"failed\":%" PRIu64 ",\"since\":%" PRIu64 "}",
                      e->n, e->done, e->failed, e->since);
    }
    co_buf_puts(out, "]");
}

void
batch_why(const struct written *w, int64_t now_us, struct co_buf *out)
{
    const uint64_t now = batch_unix_s(w, now_us);

    if (w->options.batch.max_requests && (w->going.n || w->ready.n)) {
        co_buf_printf(
            out,
            "batches: %" PRIu32 " asks wait to be put into one, for %" PRId64
            " ms more at most\n",
            w->going.n + w->ready.n,
            w->ready_us + w->options.batch.window_us > now_us
                ? (w->ready_us + w->options.batch.window_us - now_us) / 1000
                : 0);
    }
    for (uint32_t i = 0; i < w->book.n; i++) {
        const struct batchbook_entry *e = w->book.entries[i];

        co_buf_printf(out,
                      "batch %" PRIu64 ": %" PRIu32 " requests, for %" PRIu64
                      " s; %s%s%s",
                      e->number, e->n, now > e->since ? now - e->since : 0,
                      batchbook_phase_text(e->phase), e->id[0] ? ", as " : "",
                      e->id);
        if (e->total) {
            co_buf_printf(out, ", %" PRIu64 " done, %" PRIu64 " failed",
                          e->done, e->failed);
        }
        if (e->strange) {
            co_buf_puts(out, "; the worker that looked has another address or "
                             "key than the one that made it, and does not see "
                             "it: give workers that one back");
        }
        co_buf_puts(out, "\n");
    }
}
