/* bench_journal.c - records/s and commit latency of the journal alone.
 *   bench_journal DIR [records] [bytes] [window] [rate per s, 0 = full speed]
 * One thread appends (window: records not yet committed), as a coordinator
 * does; latency is from append to the answer. Prints one line. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "journal/writer.h"

static int
compare(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

struct bench {
    struct journal *j;
    uint64_t records, window, rate, sent, done, commits;
    size_t bytes;
    int64_t start_us;
    int64_t *sent_us;
    uint32_t *latency_us;
};

static enum co_err
bench_append(struct bench *b)
{
    int64_t now = co_clock_us();
    uint64_t due = b->records;
    enum co_err err = CO_OK;

    if (b->rate) due = (uint64_t)(now - b->start_us) * b->rate / 1000000u;
    journal_cork(b->j);
    while (!err && b->sent < b->records && b->sent < due &&
           b->sent - b->done < b->window) {
        struct co_bytes part;
        uint8_t *data;

        err = co_bytes_new(b->bytes, &data, &part);
        if (err) break;
        memset(data, (int)b->sent, b->bytes);
        b->sent_us[b->sent] = now;
        err = journal_append(b->j, RECORD_RESULTS, &part, 1, b->sent);
        if (!err) b->sent++;
        co_bytes_unref(&part);
    }
    journal_uncork(b->j);
    return err == CO_FULL ? CO_OK : err;
}

static enum co_err
bench_take(struct bench *b)
{
    struct pollfd p = {.fd = journal_fd(b->j), .events = POLLIN};
    struct journal_answer *a;
    enum co_err err = CO_OK;
    int64_t now;

    (void)poll(&p, 1, b->rate ? 1 : 1000);
    now = co_clock_us();
    while (!err && (a = journal_take(b->j)) != NULL) {
        err = a->err;
        b->commits++;
        for (uint32_t i = 0; i < a->count; i++, b->done++) {
            b->latency_us[b->done] = (uint32_t)(now - b->sent_us[b->done]);
        }
        free(a);
    }
    return err;
}

static enum co_err
bench_run(struct bench *b)
{
    enum co_err err = CO_OK;

    b->start_us = co_clock_us();
    while (!err && b->done < b->records) {
        err = bench_append(b);
        if (!err) err = bench_take(b);
    }
    return err;
}

static uint64_t
argument(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
    struct journal_options options = {.no_ballast = true};
    struct bench b = {0};
    struct co_diag diag = {""};
    uint64_t middle, slow;
    double seconds;
    enum co_err err;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_journal DIR [records] [bytes] "
                              "[window] [rate]\n");
        return 2;
    }
    b.records = argument(argc, argv, 2, 1000000);
    b.bytes = (size_t)argument(argc, argv, 3, 100);
    b.window = argument(argc, argv, 4, 16384);
    b.rate = argument(argc, argv, 5, 0);
    b.sent_us = calloc(b.records, sizeof *b.sent_us);
    b.latency_us = calloc(b.records, sizeof *b.latency_us);
    err = journal_start(argv[1], 1, 1, NULL, &options, &b.j, &diag);
    if (!err && (!b.sent_us || !b.latency_us)) err = CO_NOMEM;
    if (!err) err = bench_run(&b);
    seconds = (double)(co_clock_us() - b.start_us) / 1e6;
    if (err) {
        (void)fprintf(stderr, "failed: %s %s\n", co_err_text(err), diag.text);
        return 1;
    }
    middle = b.records / 2;
    slow = b.records * 99 / 100;
    qsort(b.latency_us, b.records, sizeof *b.latency_us, compare);
    (void)printf("%llu records of %zu B: %.0f records/s, %.0f MB/s, %llu "
                 "commits, latency p50 %.2f p99 %.2f max %.2f ms, "
                 "cpu %.2f us a record\n",
                 (unsigned long long)b.records, b.bytes,
                 (double)b.records / seconds,
                 (double)b.records * (double)b.bytes / seconds / 1e6,
                 (unsigned long long)b.commits, b.latency_us[middle] / 1e3,
                 b.latency_us[slow] / 1e3, b.latency_us[b.records - 1] / 1e3,
                 (double)co_clock_cpu_us() / (double)b.records);
    journal_free(b.j);
    free(b.sent_us);
    free(b.latency_us);
    return 0;
}
