/* What a test's owner has out, and what the model, the vendor and workers make
 * of it. */
#include "written_world.h"

/* -- the model ------------------------------------------------------------- */

bool
world_row_dies(const struct world *f, uint64_t row)
{
    return f->dead && co_mix64(row + 77) % f->dead == 0;
}

static bool
world_is_invalid(const struct world *f, const struct ask_task *t)
{
    if (world_row_dies(f, t->row) && t->stage == ASK_PERSONAS) return true;
    if (!f->invalid || t->wrong) return false;
    return co_mix64(t->row * 2 + t->stage + 999) % f->invalid == 0;
}

int64_t
world_price(uint64_t input, uint64_t cached, uint64_t output)
{
    return (int64_t)((input - cached) * 3 + cached + output * 10) + 1000;
}

void
world_model(struct world *f, const struct ask_task *t, struct co_buf *out)
{
    struct ask_result r = {.row = t->row,
                           .ask = t->ask,
                           .stage = t->stage,
                           .outcome = ASK_ANSWER,
                           .has_usage = true,
                           .input = 200 + t->input_len,
                           .cached = 20,
                           .output = 60,
                           .time = 1764000000 + t->row};
    char answer[200];

    r.answer_len = (uint32_t)snprintf(
        answer, sizeof answer, "{\"row\":%" PRIu64 ",\"stage\":%d,\"in\":%u}",
        t->row, (int)t->stage, (unsigned)t->input_len);
    r.answer = (const uint8_t *)answer;
    r.model = (struct ask_text){"model \"x\"", 9};
    if (f->all != ASK_OUTCOMES) {
        r.outcome = f->all;
    } else if (t->row < f->refuse_below) {
        r.outcome = ASK_REFUSED;
    } else if (world_is_invalid(f, t)) {
        r.outcome = t->ask % 2 ? ASK_INVALID : ASK_CUT;
    }
    if (r.outcome != ASK_ANSWER) r.error = (struct ask_text){"too short", 9};
    if (r.outcome == ASK_REFUSED || r.outcome == ASK_UNKNOWN) {
        r.has_usage = false;
        r.answer = NULL;
        r.answer_len = 0;
        r.fault = f->fault
                      ? (struct ask_text){f->fault, (uint32_t)strlen(f->fault)}
                      : (struct ask_text){"AUTH", 4};
    }
    if (t->row == f->overrun_row) r.output = 100000;
    assert_true(r.input <= t->input_max);
    ask_put_result(&r, out);
    f->asked++;
    if (r.has_usage) f->paid += world_price(r.input, r.cached, r.output);
}

/* -- publishing ------------------------------------------------------------ */

/* What a range's payload says about its rows is the corpus. */
static void
world_note_rows(struct world *f, const uint8_t *payload, size_t len)
{
    struct walk w = walk_start(payload, len);
    uint32_t pairs = walk_map(&w), count = 0;
    uint64_t start = 0;

    while (pairs--) {
        const uint32_t key = walk_u32(&w);

        if (key == 1) {
            start = walk_u64(&w);
        } else if (key == 2) {
            count = walk_u32(&w);
        } else if (key == 5) {
            assert_int_equal(walk_array(&w), count);
            for (uint32_t i = 0; i < count; i++) {
                const uint8_t *from = w.at;
                uint32_t background, persona, rest;
                const uint8_t *bytes;

                if (*w.at == 0xc0) {
                    walk_skip(&w);
                    continue;
                }
                if (walk_array(&w) == 1) { /* the built-in writer's */
                    (void)walk_bin(&w, &rest);
                    f->corpus[start + i] =
                        co_hash64(from, (size_t)(w.at - from), 0);
                    continue;
                }
                (void)walk_bin(&w, &background);
                (void)walk_bin(&w, &persona);
                f->corpus[start + i] =
                    co_hash64(from, (size_t)(w.at - from), 0);
                bytes = walk_bin(&w, &rest);
                assert_true(rest > 20 && !memcmp(bytes, "\"model\":", 8));
            }
        } else {
            walk_skip(&w);
        }
    }
    assert_true(walk_done(&w));
}

bool
world_publish(struct world *f, struct world_task *t)
{
    struct co_buf body;
    bool wanted;

    co_buf_init(&body, 4 << 20);
    wanted = written_kind.payload(f->w, t->task, &body);
    assert_int_equal(body.err, CO_OK);
    free(t->payload);
    t->payload = body.data;
    t->len = (uint32_t)body.len;
    t->known = wanted;
    t->sent = false;
    if (wanted && !batchbook_is_op(t->task) &&
        !ask_is_task(body.data, body.len)) {
        world_note_rows(f, body.data, body.len);
    }
    return wanted;
}

struct world_task *
world_add_out(struct world *f, uint64_t task)
{
    if (f->n_out == f->cap_out) {
        f->cap_out = f->cap_out ? 2 * f->cap_out : 1024;
        f->out = realloc(f->out, f->cap_out * sizeof *f->out);
        assert_non_null(f->out);
    }
    f->out[f->n_out] = (struct world_task){.task = task, .known = true};
    return &f->out[f->n_out++];
}

void
world_drop(struct world *f, size_t i)
{
    free(f->out[i].payload);
    f->out[i] = f->out[--f->n_out];
}

/* An ask id is given out once, ever. */
static void
world_give(struct world *f, uint64_t task)
{
    uint64_t row = task >> 8, bit = row * 256 + (task & 0xff);

    if ((task & 0xff) < ASK_STEP || batchbook_is_op(task)) return;
    assert_true(row < WORLD_ROWS_MAX);
    assert_false(f->given[bit / 8] >> bit % 8 & 1);
    f->given[bit / 8] = (uint8_t)(f->given[bit / 8] | 1u << bit % 8);
}

bool
world_is_taken(const struct world *f, uint64_t task)
{
    for (size_t i = f->durable; i < f->n_journal; i++) {
        if (f->journal[i].type == WORLD_RESULT && f->journal[i].task == task) {
            return true;
        }
    }
    return false;
}

void
world_turn(struct world *f, size_t most)
{
    uint64_t task;
    int64_t due = INT64_MAX;

    world_take_notes(f);
    while (written_kind.unwanted(f->w, &task)) {
        assert_false(world_is_taken(f, task));
        for (size_t i = 0; i < f->n_out; i++) {
            if (f->out[i].task == task) f->out[i].known = false;
        }
    }
    written_kind.tick(f->w, f->now_us);
    for (size_t i = 0; i < most; i++) {
        task = UINT64_MAX;
        f->next = written_kind.next(f->w, f->now_us, &task, &due);
        world_check(f);
        if (f->next != KIND_NEXT_TASK) break;
        assert_true(task != UINT64_MAX); /* it was told */
        assert_false(world_is_taken(f, task));
        world_give(f, task);
        if (!world_publish(f, world_add_out(f, task))) {
            world_drop(f, f->n_out - 1);
        }
    }
    world_take_notes(f);
    if (f->next == KIND_NEXT_LATER && due > f->now_us &&
        (f->in_order || world_rnd(f, 4) == 0)) {
        f->now_us = due;
    }
    world_seal(f);
}

/* -- workers --------------------------------------------------------------- */

void
world_send(struct world *f, struct world_task *t)
{
    struct batch_task batch;
    struct ask_task ask;
    struct co_buf result;

    if (t->sent) return;
    co_buf_init(&result, 1 << 20);
    if (batchbook_is_op(t->task)) {
        assert_true(batch_get_task(t->payload, t->len, &batch));
        f->vendor(f, &batch, &result);
    } else if (ask_is_task(t->payload, t->len)) {
        assert_true(ask_get_task(t->payload, t->len, &ask));
        world_model(f, &ask, &result);
    } else {
        fake_answer(fake_read(t->payload, t->len), f->reject, &result);
    }
    free(t->payload);
    t->payload = result.data;
    t->len = (uint32_t)result.len;
    t->sent = true;
}

enum kind_take
world_answer(struct world *f, size_t i)
{
    enum kind_take verdict;

    world_send(f, &f->out[i]);
    world_take_notes(f);
    if (world_is_taken(f, f->out[i].task)) { /* the engine knows it */
        world_drop(f, i);
        return KIND_DUPLICATE;
    }
    verdict = written_kind.take(f->w, f->out[i].task, f->out[i].payload,
                                f->out[i].len);
    if (verdict == KIND_ACCEPTED) {
        world_append(f, WORLD_RESULT, f->out[i].task, f->out[i].payload,
                     f->out[i].len);
    }
    assert_int_not_equal(verdict, KIND_INVALID);
    world_drop(f, i);
    world_check(f);
    return verdict;
}

/* A submission that nobody heard of may have been made, or its worker died
 * before; all else about a batch is done again. */
static void
world_lose_op(struct world *f, size_t i)
{
    struct world_task *t = &f->out[i];

    if (batchbook_op(t->task) != BATCH_SUBMIT) {
        if (!world_publish(f, t)) world_drop(f, i);
        return;
    }
    t->known = false;
    if (world_rnd(f, 2)) world_send(f, t);
    assert_true(written_kind.gone(f->w, t->task, KIND_GONE_LOST, f->now_us));
    if (!t->sent) world_drop(f, i);
    world_check(f);
}

void
world_lose(struct world *f, size_t i)
{
    struct world_task *t = &f->out[i];

    if (!t->known) return;
    if (batchbook_is_op(t->task)) {
        world_lose_op(f, i);
        return;
    }
    if ((t->task & 0xff) < ASK_STEP) { /* done again */
        assert_false(
            written_kind.gone(f->w, t->task, KIND_GONE_LOST, f->now_us));
        if (!world_publish(f, t)) world_drop(f, i);
        return;
    }
    if (f->losses[t->task >> 8] >= 3) return;
    f->losses[t->task >> 8]++;
    t->known = false;
    if (world_rnd(f, 2)) world_send(f, t);
    assert_true(written_kind.gone(f->w, t->task, KIND_GONE_LOST, f->now_us));
    world_check(f);
}
