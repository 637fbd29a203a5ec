/* ledger.c - see ledger.h. Requests are known by the hash of their bodies. */
#include "tests/fake-llm/ledger.h"

#include "common/clock.h"
#include "common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BODIES_FIRST = 1 << 16, WINDOW_FIRST = 1 << 12, SECOND_US = 1000000 };

/* One body: how often it came, and was billed. */
struct body {
    uint64_t hash; /* 0: the place is free */
    uint32_t came, billed;
    bool good; /* one of the answers was */
};

/* What happened in the last window_us, oldest first: a ring. */
struct window {
    struct moment {
        int64_t at_us;
        uint64_t tokens;
    } * ring;
    size_t first, count, cap;
    uint64_t tokens, count_max, tokens_max;
};

struct ledger {
    struct ledger_options options;
    int log;
    struct body *bodies; /* open addressing, at most half full */
    size_t bodies_count, bodies_cap;
    uint64_t requests, refused, limited, billed, input, output;
    uint64_t half_input, half_output; /* of these: at half the price */
    uint64_t calls, characters, ms;   /* that have a price of their own */
    uint64_t again, again_after_good;
    uint64_t by_status[LEDGER_STATUS_MAX];
    struct window came, admitted;
    int64_t second; /* that in_second counts */
    uint64_t in_second, second_max;
};

enum co_err
ledger_new(const struct ledger_options *options, struct ledger **ret_ledger,
           struct co_diag *diag)
{
    struct ledger *l = calloc(1, sizeof *l);

    if (!l) return CO_NOMEM;
    l->options = *options;
    l->log = -1;
    if (options->log) {
        l->log =
            open(options->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (l->log < 0) {
            free(l);
            return co_fail(diag, CO_IO, "%s: %s", options->log,
                           strerror(errno));
        }
    }
    *ret_ledger = l;
    return CO_OK;
}

/* ---- bodies ---- */

static struct body *
place(struct body *bodies, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);

    while (bodies[i].hash && bodies[i].hash != hash) {
        i = (i + 1) & (cap - 1);
    }
    return &bodies[i];
}

static void
grow(struct ledger *l)
{
    size_t cap = l->bodies_cap ? 2 * l->bodies_cap : BODIES_FIRST;
    struct body *bodies = calloc(cap, sizeof *bodies);

    co_assert(bodies); /* a test server: it ends, and the test sees it */
    for (size_t i = 0; i < l->bodies_cap; i++) {
        if (!l->bodies[i].hash) continue;
        *place(bodies, cap, l->bodies[i].hash) = l->bodies[i];
    }
    free(l->bodies);
    l->bodies = bodies;
    l->bodies_cap = cap;
}

static struct body *
body_of(struct ledger *l, uint64_t hash)
{
    struct body *body;

    if (hash == 0) hash = 1;
    if (2 * (l->bodies_count + 1) > l->bodies_cap) grow(l);
    body = place(l->bodies, l->bodies_cap, hash);
    if (!body->hash) {
        body->hash = hash;
        l->bodies_count++;
    }
    return body;
}

/* ---- windows ---- */

static void
window_forget(struct window *w, int64_t before_us)
{
    while (w->count > 0 && w->ring[w->first].at_us <= before_us) {
        w->tokens -= w->ring[w->first].tokens;
        w->first = (w->first + 1) % w->cap;
        w->count--;
    }
}

static void
window_grow(struct window *w)
{
    size_t cap = w->cap ? 2 * w->cap : WINDOW_FIRST;
    struct moment *ring = calloc(cap, sizeof *ring);

    co_assert(ring);
    for (size_t i = 0; i < w->count; i++) {
        ring[i] = w->ring[(w->first + i) % w->cap];
    }
    free(w->ring);
    w->ring = ring;
    w->first = 0;
    w->cap = cap;
}

static void
window_add(struct window *w, uint64_t tokens, int64_t now_us)
{
    if (w->count == w->cap) window_grow(w);
    w->ring[(w->first + w->count++) % w->cap] = (struct moment){now_us, tokens};
    w->tokens += tokens;
    if (w->count > w->count_max) w->count_max = w->count;
    if (w->tokens > w->tokens_max) w->tokens_max = w->tokens;
}

/* When so much has left the window that tokens more, and a request, fit. */
static int64_t
window_room_us(const struct window *w, const struct ledger_options *o,
               uint64_t tokens)
{
    uint64_t left = w->tokens;
    size_t i = 0;

    while (i < w->count && ((o->rpm && w->count - i >= o->rpm) ||
                            (o->tpm && left + tokens > o->tpm))) {
        left -= w->ring[(w->first + i++) % w->cap].tokens;
    }
    return i == 0 ? 0
                  : w->ring[(w->first + i - 1) % w->cap].at_us + o->window_us;
}

/* ---- what happens ---- */

uint64_t
ledger_arrive(struct ledger *l, uint64_t hash, int64_t now_us)
{
    l->requests++;
    if (now_us / SECOND_US != l->second) {
        l->second = now_us / SECOND_US;
        l->in_second = 0;
    }
    if (++l->in_second > l->second_max) l->second_max = l->in_second;
    window_forget(&l->came, now_us - l->options.window_us);
    window_add(&l->came, 0, now_us);
    return body_of(l, hash)->came++;
}

bool
ledger_admit(struct ledger *l, uint64_t tokens, int64_t now_us,
             int64_t *ret_wait_us)
{
    int64_t room_us;

    window_forget(&l->admitted, now_us - l->options.window_us);
    room_us = window_room_us(&l->admitted, &l->options, tokens);
    if (room_us > now_us) {
        l->limited++;
        *ret_wait_us = room_us - now_us;
        return false;
    }
    window_add(&l->admitted, tokens, now_us);
    return true;
}

/* Straight to the kernel: what is billed outlives us. */
static void
log_bill(const struct ledger *l, uint64_t hash, uint64_t input, uint64_t output)
{
    char line[96];
    int n = snprintf(line, sizeof line,
                     "%016" PRIx64 " %" PRId64 " %" PRIu64 " %" PRIu64 "\n",
                     hash, co_clock_wall_ms(), input, output);
    ssize_t done = write(l->log, line, (size_t)n);

    co_assert(done == n);
}

void
ledger_bill(struct ledger *l, uint64_t hash, uint64_t input, uint64_t output,
            bool good)
{
    struct body *body = body_of(l, hash);

    l->billed++;
    l->input += input;
    l->output += output;
    if (body->billed++) l->again++;
    if (body->good) l->again_after_good++;
    if (good) body->good = true;
    if (l->log >= 0) log_bill(l, hash, input, output);
}

void
ledger_bill_units(struct ledger *l, uint64_t characters, uint64_t ms)
{
    l->calls++;
    l->characters += characters;
    l->ms += ms;
}

void
ledger_bill_half(struct ledger *l, uint64_t hash, uint64_t input,
                 uint64_t output, bool good)
{
    ledger_bill(l, hash, input, output, good);
    l->half_input += input;
    l->half_output += output;
}

void
ledger_status(struct ledger *l, int status)
{
    l->by_status[status]++;
}

void
ledger_refused(struct ledger *l)
{
    l->refused++;
}

/* ---- what is told ---- */

static void
put_statuses(const struct ledger *l, struct co_json *json)
{
    co_json_key(json, "by_status");
    co_json_object(json);
    for (int i = 0; i < LEDGER_STATUS_MAX; i++) {
        char name[16];

        if (!l->by_status[i]) continue;
        (void)snprintf(name, sizeof name, "%d", i);
        co_json_put_u64(json, name, l->by_status[i]);
    }
    co_json_end(json);
}

void
ledger_stats(struct ledger *l, struct co_json *json)
{
    const struct price_use all = {.call = l->calls,
                                  .character = l->characters,
                                  .input = l->input,
                                  .millisecond = l->ms,
                                  .output = l->output};
    const struct price_use halved = {.input = l->half_input,
                                     .output = l->half_output};
    char text[PRICE_TEXT_BYTES];
    int64_t cost = 0, half = 0;

    co_json_put_u64(json, "requests", l->requests);
    co_json_put_u64(json, "refused", l->refused);
    co_json_put_u64(json, "limited", l->limited);
    co_json_put_u64(json, "billed", l->billed);
    co_json_put_u64(json, "input_tokens", l->input);
    co_json_put_u64(json, "output_tokens", l->output);
    co_json_put_u64(json, "characters", l->characters);
    co_json_put_u64(json, "held_ms", l->ms);
    if (price_cost(&l->options.price, &all, &cost) &&
        price_cost(&l->options.price, &halved, &half)) {
        co_json_put_text(json, "cost_usd", price_text(cost - half / 2, text));
    }
    co_json_put_u64(json, "bodies", l->bodies_count);
    co_json_put_u64(json, "billed_again", l->again);
    co_json_put_u64(json, "billed_again_after_good", l->again_after_good);
    co_json_put_u64(json, "second_max", l->second_max);
    co_json_put_u64(json, "window_ms", (uint64_t)l->options.window_us / 1000);
    co_json_put_u64(json, "window_requests_max", l->came.count_max);
    co_json_put_u64(json, "window_admitted_max", l->admitted.count_max);
    co_json_put_u64(json, "window_tokens_max", l->admitted.tokens_max);
    put_statuses(l, json);
}
