/* paid_writers.c - rows that several may write: who wrote which, what a row
 * says of that, and what is told of arms and writers. */
#include "tests/sim/paid_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BUILT = WRITERS_MAX, TOLD_MAX = 64 * 1024 };

static uint32_t
arm_of(const struct workload *w, uint64_t row)
{
    return writers_arm(w->table, writers_seed(w->table, w->recipe_hash), row);
}

static const struct writers_arm *
arm_at(const struct workload *w, uint64_t row)
{
    return &w->table->arms[arm_of(w, row)];
}

/* ---- what is committed ---- */

void
paid_writers_intent(struct sim *s, uint64_t row, uint64_t writer)
{
    const struct workload *w = s->job->work;
    const struct writers_arm *arm;

    if (!w->table) {
        if (writer) sim_fail(s, "writer", "there is but one");
        return;
    }
    arm = arm_at(w, row);
    if (!memchr(arm->chain, (int)writer, arm->n)) {
        sim_fail(s, "writer",
                 "row %" PRIu64 " is of arm %s, and asked of writer %" PRIu64,
                 row, arm->name, writer);
    }
}

/* The row is done. */
static void
done(struct sim *s, struct view *v, uint64_t row, unsigned by)
{
    const struct said_row *said = &v->rows[row];
    struct said_tally *n = &v->tallies[arm_of(s->job->work, row)][by];

    n->rows++;
    n->degraded += said->degraded;
    v->degraded += said->degraded;
    v->built += said->built;
}

void
paid_writers_outcome(struct sim *s, struct view *v, uint64_t task,
                     const struct ask_result *r, bool took)
{
    const struct workload *w = s->job->work;
    const uint64_t row = task >> 8;
    const struct said *said = view_said(s, v, task);
    struct said_tally *n;

    if (!w->table || !said) return;
    n = &v->tallies[arm_of(w, row)][said->writer];
    n->calls += r->outcome != ASK_UNKNOWN;
    n->cost += said->charged;
    if (!took) return;
    v->rows[row].served = said->writer;
    v->rows[row].degraded |= said->writer != arm_at(w, row)->chain[0];
    if (view_is_done(&v->rows[row])) done(s, v, row, said->writer);
}

void
paid_writers_built(struct sim *s, struct view *v, uint64_t row, uint64_t stage)
{
    struct said_row *said;

    if (row >= ITEMS_MAX || !s->job->work->table ||
        !arm_at(s->job->work, row)->builtin) {
        sim_fail(s, "writer", "the built-in writer may not write row %" PRIu64,
                 row);
        return;
    }
    said = &v->rows[row];
    if (view_is_done(said) || said->answered != stage) return;
    said->built = said->degraded = true;
    done(s, v, row, BUILT);
}

void
paid_writers_accept(struct view *v, uint64_t row)
{
    v->degraded_in += v->rows[row].degraded;
    v->built_in += v->rows[row].built;
}

/* ---- what is told ---- */

static void
put_writer(const struct workload *w, uint64_t row, const struct said_row *said,
           struct co_buf *out)
{
    const struct writers_arm *arm = arm_at(w, row);

    co_buf_printf(out, "\"provider\":\"%s\",",
                  said->built ? "builtin" : w->writers[said->served].provider);
    if (arm->name[0]) co_buf_printf(out, "\"arm\":\"%s\",", arm->name);
    if (!said->degraded || w->table->fallback_ok) return;
    co_buf_puts(out, "\"degraded\":true,");
}

void
paid_writers_says(const struct workload *w, uint64_t row,
                  const struct said_row *said, struct paid_text *ret)
{
    co_auto(co_buf_fini) struct co_buf out;
    char usd[PRICE_TEXT_BYTES];

    co_buf_init(&out, sizeof ret->says);
    co_buf_puts(&out, said->built ? " " : " \"model\":\"sim\",");
    if (w->table) put_writer(w, row, said, &out);
    co_buf_printf(&out,
                  "\"input_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64
                  ",\"cost_usd\":",
                  said->input, said->output);
    if (w->price.input < 0) {
        co_buf_puts(&out, "null");
    } else {
        co_buf_printf(&out, "\"%s\"", price_text(said->cost, usd));
    }
    (void)snprintf(ret->says, sizeof ret->says, "%s", co_buf_text(&out));
}

/* What is told of a writer, in words of the oracle's. Rows of ranges that were
 * given up whole are nobody's: of these only the bounds are known. */
static void
check_tally(struct sim *s, const char *who, const json_t *told,
            const struct said_tally *n)
{
    const char *usd = json_string_value(json_object_get(told, "usd"));
    char text[PRICE_TEXT_BYTES];

#define TOLD(name) ((uint64_t)json_integer_value(json_object_get(told, name)))
    if (TOLD("calls") != n->calls || TOLD("rows") > n->rows ||
        TOLD("degraded") > n->degraded || TOLD("accepted") > n->rows ||
        (usd && strcmp(usd, price_text(n->cost, text)) != 0)) {
        sim_fail(s, "writer",
                 "%s: %" PRIu64 " calls, %" PRIu64 " rows, %" PRIu64
                 " degraded, USD %s; committed are %" PRIu64 ", %" PRIu64
                 ", %" PRIu64 ", %s",
                 who, TOLD("calls"), TOLD("rows"), TOLD("degraded"),
                 usd ? usd : "", n->calls, n->rows, n->degraded,
                 price_text(n->cost, text));
    }
#undef TOLD
}

static void
check_arm(struct sim *s, const json_t *told, uint32_t arm)
{
    const char *name = json_string_value(json_object_get(told, "arm"));
    const json_t *list = json_object_get(told, "writers");

    if (strcmp(name, s->job->work->table->arms[arm].name) != 0) {
        sim_fail(s, "writer", "arm %u is told as %s", arm, name);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const json_t *number = json_object_get(one, "writer");
        const unsigned by =
            number ? (unsigned)json_integer_value(number) : BUILT;

        check_tally(s, json_string_value(json_object_get(one, "provider")), one,
                    &s->job->paid->told.tallies[arm][by]);
    }
}

static void
check_arms(struct sim *s, const struct written *w)
{
    co_auto(co_buf_fini) struct co_buf out;
    json_t *arms;

    co_buf_init(&out, TOLD_MAX);
    co_assert(written_arms(w, &out));
    arms = json_loadb((const char *)out.data, out.len, 0, NULL);
    co_assert(arms && json_array_size(arms) == s->job->work->table->n_arms);
    for (uint32_t i = 0; i < s->job->work->table->n_arms; i++) {
        check_arm(s, json_array_get(arms, i), i);
    }
    json_decref(arms);
}

void
paid_writers_count(struct sim *s, const struct written *w)
{
    const struct written_counters *n = written_counters(w);

    s->result.faults.went_away += n->aways;
    s->result.faults.row_moved += n->moved;
    s->result.faults.row_degraded += n->degraded;
    s->result.faults.row_built += n->built;
}

void
paid_writers_check(struct sim *s, const struct written *w, bool all)
{
    const struct view *told = &s->job->paid->told;
    const struct written_counters *n = written_counters(w);

    if (!s->job->work->table) return;
    if (n->degraded > told->degraded || n->degraded < told->degraded_in ||
        n->built > told->built || n->built < told->built_in) {
        sim_fail(s, "writer",
                 "%" PRIu64 " rows degraded, %" PRIu64
                 " built in; committed are %" PRIu64 " (%" PRIu64
                 " in ranges) and %" PRIu64 " (%" PRIu64 ")",
                 n->degraded, n->built, told->degraded, told->degraded_in,
                 told->built, told->built_in);
    }
    if (all) check_arms(s, w);
}
