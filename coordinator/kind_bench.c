/* kind_bench.c - tasks that only prove how fast they travel.
 * Three bits an index in a window of 65,536: out, taken, placed. The window's
 * base moves over placed indices, so that a bit and a submit time are never
 * shared by two tasks, and that the cost does not depend on N. */
#include "coordinator/kind_bench.h"
#include "common/bug.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPAN = KIND_UNDECIDED_MAX,
    WORDS = SPAN / 64,
    /* tokens that may pile up: one millisecond's worth, at least one task */
    BURST_US = 1000,
};

struct bench {
    struct bench_options options;
    uint64_t base;   /* every index below is placed or dead */
    uint64_t cursor; /* next to give out; base..base + SPAN */
    uint64_t placed, dead;
    uint64_t given;   /* by the rate limit, since... */
    int64_t since_us; /* ...this moment; INT64_MIN: not started */
    uint64_t out[WORDS], taken[WORDS], over[WORDS];
    int64_t submit_us[SPAN]; /* 0: not published in this life */
};

static bool
bit_get(const uint64_t *bits, uint64_t index)
{
    return bits[index % SPAN / 64] >> (index % 64) & 1;
}

static void
bit_set(uint64_t *bits, uint64_t index, bool on)
{
    uint64_t mask = (uint64_t)1 << (index % 64);

    if (on) {
        bits[index % SPAN / 64] |= mask;
    } else {
        bits[index % SPAN / 64] &= ~mask;
    }
}

enum co_err
bench_new(const struct bench_options *options, struct bench **ret_bench)
{
    struct bench_options o = *options;
    struct bench *b;

    if (!o.payload_bytes) o.payload_bytes = BENCH_PAYLOAD_BYTES;
    if (!o.service) o.service = "noop";
    if (!o.tasks || o.tasks >> 56 || o.payload_bytes < 8 ||
        o.payload_bytes > BENCH_PAYLOAD_MAX) {
        return CO_INVALID;
    }
    b = calloc(1, sizeof(*b));
    if (!b) return CO_NOMEM;
    b->options = o;
    b->since_us = INT64_MIN;
    *ret_bench = b;
    return CO_OK;
}

void
bench_free(struct bench *b)
{
    free(b);
}

static const char *
bench_service(const void *kind)
{
    const struct bench *b = kind;

    return b->options.service;
}

/* -- publishing ----------------------------------------------------------- */

/* Whether the rate allows a task now; else when. */
static bool
rate_allows(struct bench *b, int64_t now_us, int64_t *ret_due_us)
{
    const uint64_t rate = b->options.rate;
    uint64_t allowed, elapsed;

    if (!rate) return true;
    if (b->since_us == INT64_MIN) b->since_us = now_us;
    elapsed = (uint64_t)(now_us - b->since_us);
    if (elapsed >= 1000000) { /* keeps the products small */
        uint64_t due = elapsed / 1000000 * rate;

        b->since_us += (int64_t)(elapsed / 1000000 * 1000000);
        elapsed %= 1000000;
        b->given = b->given > due ? b->given - due : 0;
    }
    allowed = elapsed * rate / 1000000 + 1;
    if (allowed > b->given) {
        uint64_t burst = co_max_u64(rate * BURST_US / 1000000, 1);

        if (allowed - b->given > burst) b->given = allowed - burst;
        b->given++;
        return true;
    }
    *ret_due_us =
        b->since_us + (int64_t)((b->given * 1000000 + rate - 1) / rate);
    return false;
}

static enum kind_next
bench_next(void *kind, int64_t now_us, uint64_t *ret_task, int64_t *ret_due_us)
{
    struct bench *b = kind;

    while (b->cursor < b->options.tasks && b->cursor < b->base + SPAN &&
           (bit_get(b->out, b->cursor) || bit_get(b->taken, b->cursor))) {
        b->cursor++;
    }
    if (b->base >= b->options.tasks) return KIND_NEXT_OVER;
    if (b->cursor >= b->options.tasks) return KIND_NEXT_ALL_OUT;
    if (b->cursor >= b->base + SPAN) return KIND_NEXT_UNDECIDED;
    if (!rate_allows(b, now_us, ret_due_us)) return KIND_NEXT_RATE;
    bit_set(b->out, b->cursor, true);
    b->submit_us[b->cursor % SPAN] = now_us;
    *ret_task = b->cursor++ << 8;
    return KIND_NEXT_TASK;
}

static bool
in_window(const struct bench *b, uint64_t task)
{
    uint64_t index = task >> 8;

    return !(task & 0xff) && index >= b->base && index < b->base + SPAN &&
           index < b->options.tasks;
}

/* The id, then words that depend on it and on their place: sums, which the
 * compiler makes several at a time. A bench measures queues, not this. */
static void
fill_payload(uint64_t task, uint32_t bytes, uint8_t *to)
{
    const uint64_t step = 0x9E3779B97F4A7C15u;
    uint64_t first = (task ^ task >> 29) * step;
    uint64_t words[16];
    uint32_t at = 0;

    for (; at < bytes; at += (uint32_t)sizeof words) {
        for (uint32_t i = 0; i < co_countof(words); i++) {
            words[i] = first + i * step;
        }
        first += co_countof(words) * step;
        if (at == 0) words[0] = task;
        memcpy(to + at, words,
               bytes - at < sizeof words ? bytes - at : sizeof words);
    }
}

static bool
bench_payload(void *kind, uint64_t task, struct co_buf *body)
{
    const struct bench *b = kind;
    uint32_t bytes = b->options.payload_bytes;
    uint8_t *to;

    if (!in_window(b, task) || bit_get(b->taken, task >> 8)) return false;
    to = co_buf_reserve(body, bytes);
    if (!to) return true; /* the error stands in body */
    fill_payload(task, bytes, to);
    co_buf_commit(body, bytes);
    return true;
}

static bool
bench_adopt(void *kind, uint64_t task)
{
    struct bench *b = kind;

    if (!in_window(b, task) || bit_get(b->taken, task >> 8)) return false;
    bit_set(b->out, task >> 8, true);
    return true;
}

/* -- results -------------------------------------------------------------- */

static enum kind_take
bench_take(void *kind, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct bench *b = kind;
    uint64_t id;

    if (task & 0xff || task >> 8 >= b->options.tasks ||
        len != BENCH_RESULT_BYTES) {
        return KIND_INVALID;
    }
    memcpy(&id, data, sizeof(id));
    if (le64toh(id) != task) return KIND_INVALID;
    if (task >> 8 < b->base) return KIND_DUPLICATE;
    if (!in_window(b, task)) return KIND_LATE; /* never given out */
    if (bit_get(b->taken, task >> 8) && !CO_BUG(accept_duplicates)) {
        return KIND_DUPLICATE;
    }
    bit_set(b->taken, task >> 8, true);
    return KIND_ACCEPTED;
}

static void
bench_over(struct bench *b, uint64_t index)
{
    bit_set(b->over, index, true);
    while (b->base < b->options.tasks && bit_get(b->over, b->base)) {
        bit_set(b->out, b->base, false);
        bit_set(b->taken, b->base, false);
        bit_set(b->over, b->base, false);
        b->submit_us[b->base % SPAN] = 0;
        b->base++;
    }
    if (b->cursor < b->base) b->cursor = b->base;
}

static void
bench_place(void *kind, uint64_t task, int64_t now_us,
            const struct kind_place *place)
{
    struct bench *b = kind;
    int64_t submit_us;

    (void)place;
    if (!in_window(b, task) || bit_get(b->over, task >> 8)) return;
    submit_us = b->submit_us[(task >> 8) % SPAN];
    b->placed++;
    if (b->options.latency && submit_us) {
        b->options.latency(b->options.latency_arg, now_us - submit_us);
    }
    bench_over(b, task >> 8);
}

static unsigned
bench_split(void *kind, uint64_t task, uint64_t ret_halves[2])
{
    (void)kind;
    (void)task;
    (void)ret_halves;
    return 0;
}

static void
bench_dead(void *kind, uint64_t task)
{
    struct bench *b = kind;

    if (!in_window(b, task) || bit_get(b->over, task >> 8)) return;
    bit_set(b->taken, task >> 8, true);
    b->dead++;
    bench_over(b, task >> 8);
}

static bool
bench_unwanted(void *kind, uint64_t *ret_task)
{
    (void)kind;
    (void)ret_task;
    return false;
}

/* -- questions ------------------------------------------------------------ */

static enum kind_state
bench_done(const void *kind)
{
    const struct bench *b = kind;

    if (b->base < b->options.tasks) return KIND_RUNNING;
    return b->dead ? KIND_PARTIAL : KIND_DONE;
}

static void
bench_ledger(const void *kind, struct kind_ledger *ret_ledger)
{
    const struct bench *b = kind;

    *ret_ledger = (struct kind_ledger){
        .requested = b->options.tasks,
        .drawn = b->options.tasks,
        .accepted = b->placed,
        .dead = b->dead,
        .pending = b->options.tasks - b->placed - b->dead,
    };
}

static void
bench_summary(const void *kind, struct co_buf *out)
{
    const struct bench *b = kind;

    co_buf_printf(out,
                  "{\"items\":%" PRIu64 ",\"done\":%" PRIu64
                  ",\"dead\":%" PRIu64 ",\"cancelled\":0,\"pending\":%" PRIu64
                  "}",
                  b->options.tasks, b->placed, b->dead,
                  b->options.tasks - b->placed - b->dead);
}

static void
bench_why(const void *kind, int64_t now_us, struct co_buf *out)
{
    const struct bench *b = kind;

    (void)now_us;
    co_buf_printf(out,
                  "items: %" PRIu64 " done of %" PRIu64 ", %" PRIu64
                  " dead, the oldest undecided is %" PRIu64 "\n",
                  b->placed, b->options.tasks, b->dead, b->base);
}

static const char *
bench_check(const void *kind)
{
    const struct bench *b = kind;
    uint64_t over = 0;

    for (uint32_t w = 0; w < WORDS; w++) {
        if (b->over[w] & ~b->taken[w]) return "a placed task was never taken";
        over += (uint64_t)__builtin_popcountll(b->over[w]);
    }
    if (b->base + over != b->placed + b->dead) {
        return "placed and dead tasks are not those decided";
    }
    if (b->cursor < b->base || b->cursor > b->base + SPAN) {
        return "the cursor left the window";
    }
    return NULL;
}

const struct job_kind bench_kind = {
    .name = "bench",
    .paid = false,
    .service = bench_service,
    .next = bench_next,
    .payload = bench_payload,
    .adopt = bench_adopt,
    .take = bench_take,
    .place = bench_place,
    .split = bench_split,
    .dead = bench_dead,
    .unwanted = bench_unwanted,
    .done = bench_done,
    .ledger = bench_ledger,
    .summary = bench_summary,
    .why = bench_why,
    .check = bench_check,
};
