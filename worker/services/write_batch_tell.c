/* write_batch_tell.c - how a task of a batch ends: with a result, or given back
 * to be tried again. See write_batch.h. */
#include "worker/services/write_batch.h"

#include "common/clock.h"

#include <string.h>

enum {
    LOG_MS = 10000,
    DENIED_MS = 60 * 1000,
    /* So often a batch of another account is given back, as a worker of that
     * may take it. Then its owner is told: what is not submitted yet is claimed
     * anew, of the rest people hear. */
    STRANGER_ATTEMPTS = 2,
};

struct batch_result
write_batch_result(const struct write_batch *b, enum batch_state state)
{
    return (struct batch_result){.op = b->task.op,
                                 .batch = b->task.batch,
                                 .state = state,
                                 .account = lane_account(b->lane),
                                 .skip = b->task.skip};
}

enum service_step
write_batch_tell(struct write_batch *b, const struct batch_result *result)
{
    batch_put_result(result, b->run->out);
    b->run->progressed = true;
    return SERVICE_DONE;
}

enum service_step
write_batch_tell_state(struct write_batch *b, enum batch_state state)
{
    struct batch_result r = write_batch_result(b, state);

    if (b->diag.text[0]) {
        secret_redact(&b->lane->secrets[0], b->diag.text, strlen(b->diag.text));
        r.error = ask_text_of(b->diag.text);
    }
    if (b->fault) r.fault = ask_text_of(fault_name(b->fault));
    r.input = ask_text_of(b->info.input); /* that nothing was made of */
    return write_batch_tell(b, &r);
}

enum service_step
write_batch_tell_info(struct write_batch *b)
{
    struct batch_info *info = &b->info;
    struct batch_result r = write_batch_result(b, info->state);

    r.id = ask_text_of(info->id);
    r.input = ask_text_of(info->input);
    r.total = info->total;
    r.done = info->done;
    r.failed = info->failed;
    r.n_files = info->n_files;
    for (uint32_t i = 0; i < info->n_files; i++) {
        r.files[i] = ask_text_of(info->files[i]);
    }
    secret_redact(&b->lane->secrets[0], info->error, strlen(info->error));
    r.error = ask_text_of(info->error);
    if (info->state == BATCH_REFUSED) {
        r.fault = ask_text_of(fault_name(info->why));
    }
    return write_batch_tell(b, &r);
}

void
write_batch_log(struct write_batch *b)
{
    uint64_t more = 0;

    if (!co_log_every(&b->lane->log_limit, co_clock_ms(), LOG_MS, &more)) {
        return;
    }
    co_log(CO_LOG_WARN, "batch.failed",
           "provider=%s op=%s batch=%llu fault=%s status=%d more=%llu",
           b->lane->entry->name, batch_op_name(b->task.op),
           (unsigned long long)b->task.batch, fault_name(b->fault), b->status,
           (unsigned long long)more);
}

/* Nothing was made: another time. What only a person can put right is not
 * tried so often. */
enum service_step
write_batch_later(struct write_batch *b)
{
    uint32_t ms = write_not_before(&b->hints, b->run->task.attempt);

    if (write_chance(b->fault, false) == WRITE_NEVER && ms < DENIED_MS) {
        ms = DENIED_MS;
    }
    b->run->reason = RETURN_LIMIT;
    b->run->not_before_ms = ms;
    return SERVICE_RETURN;
}

bool
write_batch_is_stranger(const struct write_batch *b)
{
    return b->task.account && b->task.account != lane_account(b->lane);
}

enum service_step
write_batch_not_mine(struct write_batch *b)
{
    uint64_t more = 0;

    if (co_log_every(&b->lane->log_limit, co_clock_ms(), LOG_MS, &more)) {
        co_log(CO_LOG_WARN, "batch.not_mine",
               "provider=%s op=%s batch=%llu more=%llu: it is of another "
               "address or key than this worker has: give all workers of a "
               "provider the same",
               b->lane->entry->name, batch_op_name(b->task.op),
               (unsigned long long)b->task.batch, (unsigned long long)more);
    }
    if (b->run->task.attempt > STRANGER_ATTEMPTS) {
        return write_batch_tell_state(
            b, b->task.op == BATCH_SUBMIT ? BATCH_NONE : BATCH_UNSURE);
    }
    b->run->reason = RETURN_LIMIT;
    b->run->not_before_ms = write_not_before(&b->hints, b->run->task.attempt);
    return SERVICE_RETURN;
}

/* It cannot be asked for here. Only of one that was to be made that says
 * something about the batch: another worker can look after those that run. */
enum service_step
write_batch_cannot(struct write_batch *b)
{
    b->fault = FAULT_BAD_REQUEST;
    if (b->task.op == BATCH_SUBMIT) {
        return write_batch_tell_state(b, BATCH_REFUSED);
    }
    write_batch_log(b);
    return write_batch_later(b);
}

enum service_step
write_batch_full(struct write_batch *b)
{
    b->run->reason = RETURN_FULL;
    b->run->not_before_ms = WRITE_BATCH_FULL_MS;
    return SERVICE_RETURN;
}
