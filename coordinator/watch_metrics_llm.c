/* watch_metrics_llm.c - see watch_metrics_llm.h. Each family is written whole,
 * over all endpoints, before the next. */
#include "coordinator/watch_metrics_llm.h"

#include "common/metrics_text.h"
#include "llm/limiter_exchange.h"
#include "llm/price.h"

#include <ctype.h>
#include <stdio.h>

enum { WORD_BYTES = 24 };

/* ---- money -------------------------------------------------------------- */

static void
put_usd(struct co_buf *out, const char *name, enum co_metrics_type type,
        const char *help, const char *job, int64_t amount)
{
    const char *const labels[] = {"job_id", job, NULL};
    char text[PRICE_TEXT_BYTES];

    co_metrics_family(out, name, type, help);
    if (amount < 0) return;
    co_metrics_decimal(out, name, labels, price_text(amount, text));
}

/* X(name, type, amount, help) */
#define AMOUNTS(X)                                                             \
    X("cohort_job_settled_usd_total", COUNTER, settled,                        \
      "cost of the calls whose outcome is known")                              \
    X("cohort_job_unknown_usd", GAUGE, unknown,                                \
      "worst case of calls that were lost or broke off: it counts as spent "   \
      "until a late answer settles it")                                        \
    X("cohort_job_reserved_usd", GAUGE, reserved,                              \
      "worst case of calls that are out")

/* X(name, type, value, help); m is a struct kind_money. */
#define COUNTS(X)                                                              \
    X("cohort_job_calls_cached_total", COUNTER, m->cached_calls,               \
      "answers from the cache, in place of calls")                             \
    X("cohort_job_calls_lost_total", COUNTER, m->gone,                         \
      "calls that were given up while nobody knew their outcome")              \
    X("cohort_job_calls_salvaged_total", COUNTER, m->salvaged,                 \
      "of the lost ones: settled by a late answer")                            \
    X("cohort_job_calls_unknown", GAUGE, m->lost,                              \
      "calls that the unknown money is for")                                   \
    X("cohort_job_characters_total", COUNTER, m->characters,                   \
      "characters that calls sent, where they have a price")                   \
    X("cohort_job_calls_unbilled_total", COUNTER, m->unbilled,                 \
      "calls whose usage the endpoint did not say: charged at their worst "    \
      "case")                                                                  \
    X("cohort_job_calls_overrun_total", COUNTER, m->overruns,                  \
      "calls that cost more than their worst case")                            \
    X("cohort_job_answers_surplus_total", COUNTER, m->surplus,                 \
      "answers that came too late to be used")                                 \
    X("cohort_job_asks_mended_total", COUNTER, m->mended,                      \
      "asks that quote a wrong answer and what is wrong with it")              \
    X("cohort_job_asks_afresh_total", COUNTER, m->afresh,                      \
      "asks after wrong answers, without them")                                \
    X("cohort_job_rows_written", GAUGE, m->written,                            \
      "rows with all their answers, accepted or not yet")                      \
    X("cohort_job_rows_given_up_total", COUNTER, m->rows_dead,                 \
      "rows that got no fit answer")

static void
put_outcomes(const char *job, const struct kind_money *m, struct co_buf *out)
{
    co_metrics_family(out, "cohort_job_calls_total", CO_METRICS_COUNTER,
                      "calls that have a result, by how they ended");
    for (unsigned i = 0; m && i < ASK_OUTCOMES; i++) {
        const char *name = ask_outcome_name((enum ask_outcome)i);
        char word[WORD_BYTES];
        const char *const labels[] = {"job_id", job, "outcome", word, NULL};
        size_t n = 0;

        for (; name[n] && n + 1 < sizeof word; n++) {
            word[n] = (char)tolower((unsigned char)name[n]);
        }
        word[n] = '\0';
        co_metrics_sample(out, "cohort_job_calls_total", labels,
                          m->outcomes[i]);
    }
}

/* Classes add up to all tokens: cached ones are not among the input here. */
static void
put_tokens(const char *job, const struct kind_money *m, struct co_buf *out)
{
    static const char *const classes[] = {"input", "cached_input", "output"};

    co_metrics_family(out, "cohort_job_tokens_total", CO_METRICS_COUNTER,
                      "tokens of calls, by what they are billed as");
    for (size_t i = 0; m && i < co_countof(classes); i++) {
        const char *const labels[] = {"job_id", job, "class", classes[i], NULL};
        const uint64_t tokens[] = {m->input_tokens - m->cached_tokens,
                                   m->cached_tokens, m->output_tokens};

        co_metrics_sample(out, "cohort_job_tokens_total", labels, tokens[i]);
    }
}

void
watch_metrics_money(const char *job, const struct kind_money *m,
                    struct co_buf *out)
{
    const char *const labels[] = {"job_id", job, NULL};
    const bool priced = m && m->has_price;

#define X(name, type, amount, help)                                            \
    put_usd(out, name, CO_METRICS_##type, help, job, priced ? m->amount : -1);
    AMOUNTS(X)
#undef X
    put_usd(out, "cohort_job_budget_usd", CO_METRICS_GAUGE,
            "the job's cap; settled + unknown + reserved stay within", job,
            m ? m->cap : -1);
    put_outcomes(job, m, out);
    put_tokens(job, m, out);
#define X(name, type, value, help)                                             \
    co_metrics_family(out, name, CO_METRICS_##type, help);                     \
    if (m) co_metrics_sample(out, name, labels, value);
    COUNTS(X)
#undef X
    co_metrics_family(out, "cohort_job_held_seconds_total", CO_METRICS_COUNTER,
                      "time that calls took, where seconds have a price");
    if (m) {
        co_metrics_milli(out, "cohort_job_held_seconds_total", labels,
                         m->held_ms);
    }
}

/* ---- endpoints ---------------------------------------------------------- */

static uint64_t
ms_until(uint64_t until_us, uint64_t now_us)
{
    return until_us > now_us ? (until_us - now_us + 999) / 1000 : 0;
}

/* X(name, type, how, value, help); e is a struct endpoint_state. */
#define ENDPOINTS(X)                                                           \
    X("cohort_endpoint_open", GAUGE, sample, e->breaker != LIMITER_CLOSED,     \
      "1 while its circuit breaker is open or half-open")                      \
    X("cohort_endpoint_wait_seconds", GAUGE, milli,                            \
      ms_until(e->hold_until, now_us), "left of the time it asked to wait")    \
    X("cohort_endpoint_places", GAUGE, sample, e->ceiling,                     \
      "calls in flight at most, of all fleets")                                \
    X("cohort_endpoint_places_held", GAUGE, sample, e->held,                   \
      "of these: that workers hold")                                           \
    X("cohort_endpoint_workers", GAUGE, sample, e->workers,                    \
      "workers that may call it")                                              \
    X("cohort_endpoint_minute_requests", GAUGE, sample, e->requests_60s,       \
      "requests charged in the last minute")                                   \
    X("cohort_endpoint_minute_requests_max", GAUGE, sample, e->rpm,            \
      "requests a minute that are allowed; 0: no limit")                       \
    X("cohort_endpoint_minute_tokens", GAUGE, sample, e->tokens_60s,           \
      "tokens charged in the last minute")                                     \
    X("cohort_endpoint_minute_tokens_max", GAUGE, sample, e->tpm,              \
      "tokens a minute that are allowed; 0: no limit")                         \
    X("cohort_endpoint_calls_total", COUNTER, sample, e->calls,                \
      "calls that ended, of all fleets")                                       \
    X("cohort_endpoint_refusals_total", COUNTER, sample, e->refusals,          \
      "of these: refused for being too many (429, 503, 529)")                  \
    X("cohort_endpoint_errors_total", COUNTER, sample, e->errors,              \
      "of these: failed")                                                      \
    X("cohort_endpoint_latency_seconds", GAUGE, milli, e->latency_us / 1000,   \
      "a call that ends well takes, of the last 16 or so")

void
watch_metrics_endpoints(const struct endpoint_state *v, size_t n,
                        uint64_t now_us, struct co_buf *out)
{
#define X(name, type, how, value, help)                                        \
    co_metrics_family(out, name, CO_METRICS_##type, help);                     \
    for (size_t i = 0; i < n; i++) {                                           \
        const struct endpoint_state *e = &v[i];                                \
        const char *const labels[] = {"provider", e->provider, "url", e->url,  \
                                      "endpoint", e->id,       NULL};          \
                                                                               \
        co_metrics_##how(out, name, labels, value);                            \
    }
    ENDPOINTS(X)
#undef X
}
