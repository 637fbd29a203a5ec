/* engine_case.c - see engine_case.h. */
#include "coordinator/engine_case.h"

#include "common/hash.h"
#include "common/json.h"
#include "coordinator/engine_core.h"

#include <string.h>

enum { LETTER_VERSION = 1 };

static struct engine_case *
case_of(struct cases *c, uint64_t task)
{
    return &c->v[co_hash_task(0, task) % CASES_MAX];
}

void
engine_case_note(struct cases *c, uint64_t task, enum case_event what,
                 uint64_t worker, const uint8_t *error, size_t len,
                 int64_t now_us)
{
    struct engine_case *k = case_of(c, task);
    uint32_t at;

    if (!k->n || k->task != task) *k = (struct engine_case){.task = task};
    at = k->n++ % CASE_EVENTS;
    k->event[at].worker = worker;
    k->event[at].at_us = now_us;
    k->event[at].what = (uint8_t)what;
    if (!error) return;
    if (len >= sizeof k->error) len = sizeof k->error - 1;
    memcpy(k->error, error, len);
    k->error[len] = '\0';
}

static void
put_hex(struct co_json *json, const char *key, uint64_t value)
{
    co_json_key(json, key);
    co_json_hex64(json, value);
}

static void
put_time(struct co_json *json, const char *key, const struct engine *e,
         int64_t at_us)
{
    co_json_key(json, key);
    co_json_i64(json, e->options.wall_ms + at_us / 1000);
}

static void
put_events(struct co_json *json, const struct engine *e,
           const struct engine_case *k)
{
    static const char *const names[] = {"failed", "worker died",
                                        "worker silent"};
    uint32_t first = k->n > CASE_EVENTS ? k->n - CASE_EVENTS : 0;

    co_json_key(json, "events");
    co_json_array(json);
    for (uint32_t n = first; n < k->n; n++) {
        co_json_object(json);
        put_time(json, "at_ms", e, k->event[n % CASE_EVENTS].at_us);
        co_json_put_text(json, "what", names[k->event[n % CASE_EVENTS].what]);
        put_hex(json, "worker", k->event[n % CASE_EVENTS].worker);
        co_json_end(json);
    }
    co_json_end(json);
}

/* The payload as it would be published again, in hex. */
static void
put_input(struct co_json *json, struct engine *e, uint64_t task)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * LETTER_INPUT_MAX];
    struct co_buf payload;
    bool fits;

    co_buf_init(&payload, BODY_BYTES_MAX);
    fits = e->kind->payload(e->state, task, &payload) && !payload.err &&
           payload.len <= LETTER_INPUT_MAX;
    co_json_key(json, "input");
    if (fits) {
        for (size_t i = 0; i < payload.len; i++) {
            text[2 * i] = digits[payload.data[i] >> 4];
            text[2 * i + 1] = digits[payload.data[i] & 15];
        }
        co_json_bytes(json, text, 2 * payload.len);
    } else {
        co_json_null(json);
    }
    co_buf_fini(&payload);
}

enum co_err
engine_case_letter(struct engine *e, uint32_t i, int64_t now_us,
                   struct co_buf *out)
{
    const struct task *task = &e->tasks.v[i];
    const struct engine_case *k = case_of(e->cases, task->id);
    static const struct engine_case none;
    bool failed = task->lone_losses < 2;
    struct co_json json;

    if (k->task != task->id) k = &none;
    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_u64(&json, "letter", LETTER_VERSION);
    put_hex(&json, "job", e->options.job);
    put_hex(&json, "task", task->id);
    co_json_put_u64(&json, "row", task->id >> 8);
    put_time(&json, "dead_ms", e, now_us);
    co_json_put_text(&json, "reason",
                     failed ? "it failed three times"
                            : "two workers died of it");
    co_json_put_text(&json, "error", k->error);
    co_json_put_u64(&json, "assigned", task->assigned);
    co_json_put_u64(&json, "failed", task->failed);
    co_json_put_u64(&json, "returned", task->returned);
    co_json_put_u64(&json, "lost", task->lost);
    put_events(&json, e, k);
    co_json_put_text(&json, "service", e->kind->service(e->state));
    put_hex(&json, "recipe", e->options.recipe);
    put_input(&json, e, task->id);
    co_json_end(&json);
    return co_json_finish(&json);
}
