/* estimate_batch.c - how many batches the calls of a job are, and what time
 * their vendor may take: from one look at them to the end of his window. */
#include "job/estimate.h"
#include "llm/batch.h"

enum {
    AT_A_TIME =
        64, /* that an owner has at its vendor (coordinator/batchbook.h) */
    TOKEN_BYTES = 4,
    ASK_BYTES = 64,            /* of a payload, besides what it quotes */
    USUAL_MS = 60 * 60 * 1000, /* vendors say: most within an hour */
    ESCAPED = 3,               /* room in an upload for what JSON escapes */
};

static uint64_t
a_call(const uint64_t all[ESTIMATES], const uint64_t calls[ESTIMATES])
{
    return calls[ESTIMATE_MID]
               ? all[ESTIMATE_MID] / calls[ESTIMATE_MID] * TOKEN_BYTES
               : 0;
}

/* The most requests of a batch: what its asks quote, and its upload, have
 * limits, too. */
static uint64_t
requests_of(const struct estimate *e, unsigned stage, uint32_t most)
{
    const struct estimate_phase *p = &e->phases[stage];
    const uint64_t quotes = stage ? a_call(p[-1].output, p[-1].calls) : 0;
    const uint64_t input = a_call(p->input, p->calls);
    uint64_t n = co_min_u64(most, BATCH_PAYLOAD_MAX / (ASK_BYTES + quotes));

    if (input) n = co_min_u64(n, BATCH_UPLOAD_MAX / ESCAPED / input);
    return co_max_u64(n, 1);
}

void
estimate_batches(const struct job_spec *spec, struct estimate *e)
{
    const struct providers_entry *entry = spec_provider(spec);

    if (!entry || !entry->batch.max_requests || !e->calls_models) return;
    e->half_price = !entry->has_price && writer_has_price(spec->writer);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        const uint64_t n = requests_of(e, i, entry->batch.max_requests);

        e->batch_requests[i] = n;
        for (unsigned g = 0; g < ESTIMATES; g++) {
            e->batches[g] += (e->phases[i].calls[g] + n - 1) / n;
        }
    }
}

/* A row takes a batch for each phase, one after the other. */
uint64_t
estimate_batch_ms(const struct estimate *e, const struct job_spec *spec,
                  unsigned guess)
{
    const struct providers_batch *batch = &spec_provider(spec)->batch;
    const uint64_t rounds =
        (e->batches[guess] + (uint64_t)ASK_STAGES * AT_A_TIME - 1) /
        ((uint64_t)ASK_STAGES * AT_A_TIME);
    const uint64_t ms[ESTIMATES] = {
        batch->poll_ms, co_max_u64(USUAL_MS, batch->poll_ms),
        co_max_u64((uint64_t)BATCH_HOURS * USUAL_MS, batch->poll_ms)};

    return rounds * ASK_STAGES * (batch->window_ms + ms[guess]);
}
