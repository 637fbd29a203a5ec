/* estimate_phases.c - what is estimated by phase: how far shares of a budget
 * reach, and the figures as JSON. */
#include "job/estimate.h"

/* Whether the shares are enough for so many of the rows. */
static bool
reach(const struct estimate *e, const struct shares *shares, uint64_t rows,
      unsigned *ret_short)
{
    static const int64_t none[SHARES_PHASES];
    struct shares s = *shares;
    int64_t used[SHARES_PHASES];

    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        used[i] = (int64_t)((__int128)e->phases[i].cost[ESTIMATE_MID] * rows /
                            e->rows);
    }
    return shares_use(&s, used, none, ret_short);
}

uint64_t
estimate_affordable_shares(const struct estimate *e,
                           const struct shares *shares, unsigned *ret_short)
{
    uint64_t low = 0, high = e->rows;

    *ret_short = SHARES_PHASES;
    if (e->phases[0].cost[ESTIMATE_MID] < 0 ||
        e->phases[1].cost[ESTIMATE_MID] < 0 ||
        reach(e, shares, e->rows, ret_short)) {
        return UINT64_MAX;
    }
    while (low + 1 < high) {
        const uint64_t half = low + (high - low) / 2;

        if (reach(e, shares, half, ret_short)) {
            low = half;
        } else {
            high = half;
        }
    }
    return low;
}

static void
put_amounts(struct co_json *json, const char *name, const uint64_t v[ESTIMATES])
{
    co_json_key(json, name);
    co_json_array(json);
    for (unsigned g = 0; g < ESTIMATES; g++) {
        co_json_u64(json, v[g]);
    }
    co_json_end(json);
}

/* What has no price is not spoken of. */
static void
put_units(struct co_json *json, const uint64_t characters[ESTIMATES],
          const uint64_t held_ms[ESTIMATES])
{
    if (characters[ESTIMATE_MID]) put_amounts(json, "characters", characters);
    if (held_ms[ESTIMATE_MID]) put_amounts(json, "held_ms", held_ms);
}

static void
put_costs(struct co_json *json, const int64_t v[ESTIMATES])
{
    char text[PRICE_TEXT_BYTES];

    if (v[ESTIMATE_MID] < 0) return;
    co_json_key(json, "usd");
    co_json_array(json);
    for (unsigned g = 0; g < ESTIMATES; g++) {
        co_json_text(json, price_text(v[g], text));
    }
    co_json_end(json);
}

void
estimate_put_figures(const struct estimate *e, struct co_json *json)
{
    put_amounts(json, "calls", e->calls);
    put_amounts(json, "input_tokens", e->input);
    put_amounts(json, "output_tokens", e->output);
    put_units(json, e->characters, e->held_ms);
    put_costs(json, e->cost);
    if (!e->calls_models) return;
    if (e->batches[ESTIMATE_MID]) put_amounts(json, "batches", e->batches);
    co_json_key(json, "phases");
    co_json_object(json);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        const struct estimate_phase *p = &e->phases[i];

        co_json_key(json, shares_phase_name(i));
        co_json_object(json);
        put_amounts(json, "calls", p->calls);
        put_amounts(json, "input_tokens", p->input);
        put_amounts(json, "output_tokens", p->output);
        put_units(json, p->characters, p->held_ms);
        put_costs(json, p->cost);
        if (e->batch_requests[i]) {
            co_json_put_u64(json, "batch_requests", e->batch_requests[i]);
        }
        co_json_end(json);
    }
    co_json_end(json);
}

void
estimate_put(const struct estimate *e, struct co_json *json)
{
    co_json_key(json, "estimate");
    co_json_object(json);
    estimate_put_figures(e, json);
    co_json_end(json);
}
