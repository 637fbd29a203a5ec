/* estimate.c - see estimate.h. */
#include "job/estimate.h"

#include "common/utf8.h"
#include "llm/shape.h"
#include "rows/prompt_person.h"
#include "rows/row.h"

#include <string.h>

enum {
    PEOPLE = 100,   /* whose prompts are written */
    TRIES = 200000, /* to find people who fulfil the conditions */
    MESSAGES = 2,
    PROVENANCE_BYTES = 150,
    FIRST_MS = 500,
    /* In which as much is started as a limit of a minute says: 15/16 of it in
     * 65.25 s (docs/providers.md, Limits). */
    MINUTE_MS = 69600,
    ROWS_A_CPU_SECOND = 20000,
    SQUEEZE = 4, /* a row's bytes over those on disk */
    PERCENT = 100,
};

static const struct guess {
    uint32_t token_bytes;  /* bytes of a token */
    uint32_t answer_part;  /* an answer is so manieth part of min + max */
    uint32_t tries;        /* calls for each answer, in percent */
    uint32_t tokens_s;     /* of an answer a second */
    uint32_t rate_percent; /* of ROWS_A_CPU_SECOND */
} guesses[ESTIMATES] = {
    [ESTIMATE_LOW] = {5, 5, 100, 100, 300},
    [ESTIMATE_MID] = {4, 3, 105, 50, 100},
    [ESTIMATE_HIGH] = {3, 2, 150, 20, 25},
};

/* Means over some people. */
struct sizes {
    uint64_t prompt[ASK_STAGES];     /* bytes sent, without the answer before */
    uint64_t characters[ASK_STAGES]; /* of these, without the schema */
    uint64_t answer[ESTIMATES][ASK_STAGES];
    uint64_t row; /* bytes of the attributes; of the whole row without model */
};

static uint64_t
answer_bytes(enum ask_stage stage, uint32_t age, uint32_t part)
{
    const struct shape *shape = shape_of(stage);
    uint64_t bytes = 2;

    for (uint32_t i = 0; i < shape->n; i++) {
        const struct shape_field *f = &shape->fields[i];
        uint64_t text = ((uint64_t)f->min + f->max) / part;

        if (age < f->from_age) continue;
        bytes += strlen(f->name) + 6; /* "name":"", */
        if (!f->is_list) {
            bytes += text;
        } else {
            bytes += (text + 3) * ((uint64_t)f->items_min + f->items_max) / 2;
        }
    }
    return bytes;
}

/* Bytes and characters that are sent about a person. */
static enum co_err
add_prompt(const struct writer *writer, const struct sampler *s,
           const struct person *p, enum ask_stage stage, struct co_buf *buf,
           struct sizes *sum)
{
    static const uint8_t nothing[] = "{}";
    struct prompt_person who = {.s = s, .p = p};

    /* What the model said before is added as it is guessed. */
    if (stage != ASK_BACKGROUND) {
        who.background = nothing;
        who.background_len = sizeof nothing - 1;
    }
    prompt_render(writer->prompts, stage, PROMPT_SYSTEM, prompt_person_value,
                  &who, buf);
    prompt_render(writer->prompts, stage, PROMPT_USER, prompt_person_value,
                  &who, buf);
    sum->characters[stage] += co_utf8_count(buf->data, buf->len);
    shape_schema(shape_of(stage), p->age, buf);
    sum->prompt[stage] += buf->len;
    return buf->err;
}

static enum co_err
add_person(const struct writer *writer, const struct sampler *s,
           const struct person *p, enum row_level level, struct co_buf *buf,
           struct sizes *sum)
{
    enum co_err err = CO_OK;

    co_buf_clear(buf);
    (void)row_write(s, p, level, buf);
    sum->row += buf->len;
    if (!writer) return buf->err;
    for (unsigned stage = 0; stage < ASK_STAGES && !err; stage++) {
        co_buf_clear(buf);
        err = add_prompt(writer, s, p, (enum ask_stage)stage, buf, sum);
        for (unsigned g = 0; g < ESTIMATES; g++) {
            sum->answer[g][stage] += answer_bytes((enum ask_stage)stage, p->age,
                                                  guesses[g].answer_part);
        }
    }
    return err;
}

/* The first people of the corpus stand for all. */
static enum co_err
measure(const struct job_spec *spec, const struct sampler *s, struct sizes *ret)
{
    enum row_level level = spec->phases & SPEC_COMPOSE && !spec->writer
                               ? ROW_TEXTS
                               : ROW_ATTRIBUTES;
    struct sizes sum = {.row = 0};
    struct co_buf buf;
    struct person p;
    uint64_t n = 0;
    enum co_err err = CO_OK;

    co_buf_init(&buf, 2 * PROMPT_TEXT_MAX + ROW_MAX_BYTES);
    for (uint64_t row = 0; row < TRIES && n < PEOPLE && !err; row++) {
        sampler_draw(s, row, &p);
        if (!sampler_accepts(s, &p)) continue;
        err = add_person(spec->writer, s, &p, level, &buf, &sum);
        n++;
    }
    co_buf_fini(&buf);
    if (err || n == 0) return err;
    sum.row /= n;
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        sum.prompt[stage] /= n;
        sum.characters[stage] /= n;
        for (unsigned g = 0; g < ESTIMATES; g++) {
            sum.answer[g][stage] /= n;
        }
    }
    *ret = sum;
    return CO_OK;
}

/* --- calls and tokens ----------------------------------------------------- */

static uint64_t
scaled(uint64_t n, uint64_t by, uint64_t of)
{
    unsigned __int128 value = (unsigned __int128)n * by / (of ? of : 1);

    return value > INT64_MAX ? INT64_MAX : (uint64_t)value;
}

/* How long a call with so many tokens of an answer takes. */
static uint64_t
guess_ms(uint64_t tokens, unsigned g)
{
    return FIRST_MS + tokens * 1000 / guesses[g].tokens_s;
}

/* What is billed beside tokens and calls, of one call of a stage. */
static void
guess_units(const struct writer *writer, const struct sizes *z, unsigned g,
            unsigned stage, uint64_t output, struct estimate *e)
{
    const uint64_t before = stage ? z->answer[g][stage - 1] : 0;
    struct estimate_phase *p = &e->phases[stage];

    if (writer->price.character) {
        p->characters[g] = scaled(e->rows * (z->characters[stage] + before),
                                  guesses[g].tries, PERCENT);
    }
    if (writer->price.millisecond) {
        p->held_ms[g] =
            scaled(e->rows * co_min_u64(guess_ms(output, g), writer->call_ms),
                   guesses[g].tries, PERCENT);
    }
    e->characters[g] += p->characters[g];
    e->held_ms[g] += p->held_ms[g];
}

static void
guess_calls(const struct writer *writer, const struct sizes *z, unsigned g,
            struct estimate *e)
{
    const struct guess *guess = &guesses[g];
    uint64_t all_input = 0, all_output = 0;

    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        const uint64_t before = stage ? z->answer[g][stage - 1] : 0;
        const uint64_t input =
            (z->prompt[stage] + before) / guess->token_bytes +
            (uint64_t)MESSAGES * PROVIDER_MESSAGE_TOKENS;
        const uint64_t output = z->answer[g][stage] / guess->token_bytes;
        struct estimate_phase *p = &e->phases[stage];

        p->calls[g] = scaled(e->rows, guess->tries, PERCENT);
        p->input[g] = scaled(e->rows * input, guess->tries, PERCENT);
        p->output[g] = scaled(e->rows * output, guess->tries, PERCENT);
        guess_units(writer, z, g, stage, output, e);
        all_input += input;
        all_output += output;
    }
    e->calls[g] = scaled(e->rows * ASK_STAGES, guess->tries, PERCENT);
    e->input[g] = scaled(e->rows * all_input, guess->tries, PERCENT);
    e->output[g] = scaled(e->rows * all_output, guess->tries, PERCENT);
}

/* A share of n, which has an error of 100/sqrt(n) percent, at least 2. */
static void
spread(uint64_t total, uint64_t rows, const struct estimate_history *h,
       uint64_t ret[ESTIMATES])
{
    uint64_t percent = 2, n = h->rows;

    while (percent < PERCENT && (percent * percent * n) < 10000) {
        percent++;
    }
    ret[ESTIMATE_MID] = scaled(total, rows, n);
    ret[ESTIMATE_LOW] = scaled(ret[ESTIMATE_MID], PERCENT - percent, PERCENT);
    ret[ESTIMATE_HIGH] = scaled(ret[ESTIMATE_MID], PERCENT + percent, PERCENT);
}

/* -1: no price, or more than can be counted. */
static int64_t
cost_of(const struct writer *writer, const struct price_use *use)
{
    int64_t cost;

    if (!writer_has_price(writer) || !price_cost(&writer->price, use, &cost)) {
        return -1;
    }
    return cost;
}

/* A guess without its highest figure is none. */
static void
all_or_none(int64_t cost[ESTIMATES])
{
    bool known = true;

    for (unsigned g = 0; g < ESTIMATES; g++) {
        known = known && cost[g] >= 0;
    }
    for (unsigned g = 0; !known && g < ESTIMATES; g++) {
        cost[g] = -1;
    }
}

static void
price_it(const struct writer *writer, struct estimate *e)
{
    for (unsigned g = 0; g < ESTIMATES; g++) {
        const struct price_use all = {.call = e->calls[g],
                                      .character = e->characters[g],
                                      .input = e->input[g],
                                      .millisecond = e->held_ms[g],
                                      .output = e->output[g]};

        e->cost[g] = cost_of(writer, &all);
        for (unsigned i = 0; i < ASK_STAGES; i++) {
            struct estimate_phase *p = &e->phases[i];
            const struct price_use use = {.call = p->calls[g],
                                          .character = p->characters[g],
                                          .input = p->input[g],
                                          .millisecond = p->held_ms[g],
                                          .output = p->output[g]};

            p->cost[g] = cost_of(writer, &use);
        }
    }
    all_or_none(e->cost);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        all_or_none(e->phases[i].cost);
    }
}

/* What was paid knows of cached tokens, which the prices above do not. */
static void
take_cost(const struct estimate_history *h, const struct estimate_took *took,
          uint64_t rows, int64_t ret[ESTIMATES])
{
    uint64_t cost[ESTIMATES];

    if (took->cost < 0) return;
    spread((uint64_t)took->cost, rows, h, cost);
    for (unsigned g = 0; g < ESTIMATES; g++) {
        ret[g] = (int64_t)cost[g];
    }
}

static void
take_history(const struct estimate_history *h, struct estimate *e)
{
    e->measured = true;
    spread(h->all.calls, e->rows, h, e->calls);
    spread(h->all.input_tokens, e->rows, h, e->input);
    spread(h->all.output_tokens, e->rows, h, e->output);
    take_cost(h, &h->all, e->rows, e->cost);
    for (unsigned i = 0; h->has_phases && i < ASK_STAGES; i++) {
        struct estimate_phase *p = &e->phases[i];

        spread(h->phases[i].calls, e->rows, h, p->calls);
        spread(h->phases[i].input_tokens, e->rows, h, p->input);
        spread(h->phases[i].output_tokens, e->rows, h, p->output);
        take_cost(h, &h->phases[i], e->rows, p->cost);
    }
}

/* --- time ----------------------------------------------------------------- */

/* Milliseconds under each bound alone; 0: it is none. */
static void
times(const struct estimate *e, const struct job_spec *spec,
      const struct estimate_wish *wish, unsigned g,
      uint64_t ret[ESTIMATE_BOUNDS])
{
    const struct providers_entry *entry = spec_provider(spec);
    uint64_t slots = wish->workers * wish->llm_slots, n;

    memset(ret, 0, ESTIMATE_BOUNDS * sizeof ret[0]);
    ret[ESTIMATE_BY_CPU] = scaled(e->rows * 1000, PERCENT,
                                  (uint64_t)ROWS_A_CPU_SECOND *
                                      guesses[g].rate_percent * wish->workers);
    if (!entry) return;
    if (e->batches[g]) { /* limits do not hold for these */
        ret[ESTIMATE_BY_BATCH] = estimate_batch_ms(e, spec, g);
        return;
    }
    n = entry->n_endpoints;
    ret[ESTIMATE_BY_SLOTS] = scaled(e->calls[g], e->call_ms[g], slots);
    if (entry->limits.in_flight) {
        ret[ESTIMATE_BY_IN_FLIGHT] =
            scaled(e->calls[g], e->call_ms[g], entry->limits.in_flight * n);
    }
    if (entry->limits.rpm) {
        ret[ESTIMATE_BY_RPM] =
            scaled(e->calls[g], MINUTE_MS, entry->limits.rpm * n);
    }
    if (entry->limits.tpm) {
        ret[ESTIMATE_BY_TPM] = scaled(e->input[g] + e->output[g], MINUTE_MS,
                                      entry->limits.tpm * n);
    }
}

/* What calls took they took under the load of then. */
static uint64_t
call_ms(const struct estimate *e, const struct estimate_history *h, unsigned g)
{
    static const uint64_t percent[ESTIMATES] = {
        [ESTIMATE_LOW] = 70, [ESTIMATE_MID] = 100, [ESTIMATE_HIGH] = 200};
    const uint64_t tokens = e->calls[g] ? e->output[g] / e->calls[g] : 0;

    if (h->rows && h->call_ms) {
        return co_max_u64(scaled(h->call_ms, percent[g], PERCENT), 1);
    }
    return guess_ms(tokens, g);
}

static void
time_it(const struct job_spec *spec, const struct estimate_wish *wish,
        struct estimate *e)
{
    uint64_t by[ESTIMATE_BOUNDS];

    for (unsigned g = 0; g < ESTIMATES; g++) {
        e->call_ms[g] = call_ms(e, &wish->history, g);
        times(e, spec, wish, g, by);
        e->ms[g] = 0;
        for (unsigned b = 0; b < ESTIMATE_BOUNDS; b++) {
            /* Of equal ones the last: it is not ours to change. */
            if (by[b] == 0 || by[b] < e->ms[g]) continue;
            e->ms[g] = by[b];
            if (g == ESTIMATE_MID) e->bound = (enum estimate_bound)b;
        }
    }
}

static enum co_err
make_one(const struct job_spec *spec, const struct sampler *s,
         const struct estimate_wish *wish, struct estimate *ret)
{
    struct estimate e = {
        .rows = spec->rows, .calls_models = spec->writer != NULL, .cost = {0}};
    struct sizes z = {.row = 0};
    enum co_err err = measure(spec, s, &z);

    if (err) return err;
    for (unsigned g = 0; g < ESTIMATES; g++) {
        uint64_t bytes = z.row;

        if (spec->writer) {
            guess_calls(spec->writer, &z, g, &e);
            bytes += z.answer[g][0] + z.answer[g][1] + PROVENANCE_BYTES;
        }
        e.bytes[g] = scaled(e.rows, bytes, SQUEEZE);
    }
    if (spec->writer) {
        price_it(spec->writer, &e);
        if (wish->history.rows) take_history(&wish->history, &e);
    }
    estimate_batches(spec, &e);
    time_it(spec, wish, &e);
    *ret = e;
    return CO_OK;
}

/* --- arms ----------------------------------------------------------------- */

/* The share of an arm as a job of its own, by its first writer: what a fallback
 * will be needed for nobody knows. Its texts are borrowed. */
static void
part_of(const struct job_spec *spec, uint32_t arm, struct job_spec *ret)
{
    const struct writers *all = spec->writers;

    *ret = *spec;
    ret->rows = scaled(spec->rows, all->arms[arm].share, PERCENT);
    ret->writer = all->v[all->arms[arm].chain[0]];
    ret->writers = NULL;
    memcpy(ret->provider, ret->writer->provider, sizeof ret->provider);
}

static uint64_t
sum_of(uint64_t a, uint64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void
add_cost(int64_t more, int64_t *to)
{
    if (*to < 0 || more < 0 || __builtin_add_overflow(*to, more, to)) *to = -1;
}

static void
add_phases(const struct estimate *part, unsigned g, struct estimate *e)
{
    for (unsigned s = 0; s < ASK_STAGES; s++) {
        const struct estimate_phase *from = &part->phases[s];
        struct estimate_phase *to = &e->phases[s];

        to->calls[g] = sum_of(to->calls[g], from->calls[g]);
        to->input[g] = sum_of(to->input[g], from->input[g]);
        to->output[g] = sum_of(to->output[g], from->output[g]);
        to->characters[g] = sum_of(to->characters[g], from->characters[g]);
        to->held_ms[g] = sum_of(to->held_ms[g], from->held_ms[g]);
        add_cost(from->cost[g], &to->cost[g]);
    }
}

/* Arms of one provider share its limits, so that their times add up; those of
 * others run beside it. */
static void
add_arm(const struct estimate *part, bool same_provider, struct estimate *e)
{
    for (unsigned g = 0; g < ESTIMATES; g++) {
        uint64_t ms = same_provider ? sum_of(e->ms[g], part->ms[g])
                                    : co_max_u64(e->ms[g], part->ms[g]);

        if (g == ESTIMATE_MID && part->ms[g] >= e->ms[g]) {
            e->bound = part->bound;
        }
        e->ms[g] = ms;
        e->calls[g] = sum_of(e->calls[g], part->calls[g]);
        e->input[g] = sum_of(e->input[g], part->input[g]);
        e->output[g] = sum_of(e->output[g], part->output[g]);
        e->characters[g] = sum_of(e->characters[g], part->characters[g]);
        e->held_ms[g] = sum_of(e->held_ms[g], part->held_ms[g]);
        e->bytes[g] = sum_of(e->bytes[g], part->bytes[g]);
        e->call_ms[g] = co_max_u64(e->call_ms[g], part->call_ms[g]);
        add_cost(part->cost[g], &e->cost[g]);
        add_phases(part, g, e);
    }
}

static enum co_err
make_arms(const struct job_spec *spec, const struct sampler *s,
          const struct estimate_wish *wish, struct estimate *ret)
{
    struct estimate_wish unmeasured = *wish;
    struct estimate sum = {.rows = spec->rows, .calls_models = true};

    unmeasured.history.rows = 0;
    for (uint32_t i = 0; i < spec->writers->n_arms; i++) {
        struct job_spec part;
        struct estimate e;
        enum co_err err;

        part_of(spec, i, &part);
        err = make_one(&part, s, &unmeasured, &e);
        if (err) return err;
        add_arm(&e, strcmp(part.provider, spec->provider) == 0, &sum);
    }
    if (wish->history.rows) take_history(&wish->history, &sum);
    *ret = sum;
    return CO_OK;
}

enum co_err
estimate_make(const struct job_spec *spec, const struct sampler *s,
              const struct estimate_wish *wish, struct estimate *ret)
{
    return spec->writers && spec->writers->n_arms > 1
               ? make_arms(spec, s, wish, ret)
               : make_one(spec, s, wish, ret);
}

uint64_t
estimate_workers(const struct estimate *e, const struct job_spec *spec,
                 const struct estimate_wish *wish, uint64_t deadline_ms,
                 enum estimate_bound *ret_bound)
{
    struct estimate_wish one = *wish;
    uint64_t by[ESTIMATE_BOUNDS], most;

    one.workers = 1;
    times(e, spec, &one, ESTIMATE_MID, by);
    for (unsigned b = ESTIMATE_BY_IN_FLIGHT; b < ESTIMATE_BOUNDS; b++) {
        *ret_bound = (enum estimate_bound)b;
        if (by[b] > deadline_ms) return 0;
    }
    *ret_bound = by[ESTIMATE_BY_SLOTS] > by[ESTIMATE_BY_CPU] ? ESTIMATE_BY_SLOTS
                                                             : ESTIMATE_BY_CPU;
    most = by[*ret_bound];
    return co_max_u64((most + deadline_ms - 1) / deadline_ms, 1);
}

uint64_t
estimate_affordable(const struct estimate *e, int64_t budget)
{
    if (budget < 0 || e->cost[ESTIMATE_MID] <= budget) return UINT64_MAX;
    return scaled(e->rows, (uint64_t)budget, (uint64_t)e->cost[ESTIMATE_MID]);
}

static const struct {
    const char *name, *text;
} bounds[] = {
#define X(id, name, text) {name, text},
    ESTIMATE_BOUND_LIST(X)
#undef X
};

const char *
estimate_bound_name(enum estimate_bound bound)
{
    return bounds[bound].name;
}

const char *
estimate_bound_text(enum estimate_bound bound)
{
    return bounds[bound].text;
}
