/* owner_journal.c - see owner_journal.h. */
#include "coordinator/owner_journal.h"

#include "coordinator/replay.h"

#include <stdlib.h>

/* Cookie of the engine's orders: its own number and the bytes of the header
 * (<= HEAD_BYTES_MAX), so that the place of the body is known when the record
 * is committed. */
enum { HEAD_BITS = 17, HEAD_MASK = (1 << HEAD_BITS) - 1 };

static enum co_err
on_record(struct journal *j, struct engine *e, const struct hosted *hosted,
          const struct journal_committed *c, int64_t now_us,
          struct co_diag *diag)
{
    if (c->cookie >= HOSTED_COOKIE) {
        return hosted->committed(hosted->self, j, c->cookie, diag);
    }
    engine_on_committed(e, c->cookie >> HEAD_BITS,
                        replay_segment(c->pos.segment), c->pos.offset,
                        replay_body_inside(c->cookie & HEAD_MASK), now_us);
    return CO_OK;
}

enum co_err
owner_journal_read(struct journal *j, struct engine *e,
                   const struct hosted *hosted, int64_t now_us,
                   struct co_diag *diag)
{
    struct journal_answer *answer;
    enum co_err err = CO_OK;

    while (!err && (answer = journal_take(j))) {
        err = answer->err;
        for (uint32_t i = 0; i < answer->count && !err; i++) {
            err = on_record(j, e, hosted, &answer->records[i], now_us, diag);
        }
        free(answer);
        if (err) (void)!journal_error(j, diag);
    }
    return err;
}

static enum co_err
write_note(struct journal *j, struct engine_order *order)
{
    enum co_err err = journal_append(j, RECORD_NOTE, &order->body, 1,
                                     order->cookie << HEAD_BITS);

    co_bytes_unref(&order->body);
    return err;
}

static enum co_err
write_order(struct journal *j, struct engine_order *order)
{
    struct co_bytes parts[3];
    enum co_err err;

    co_assert(order->head.len <= HEAD_MASK);
    err = replay_prefix(order->head.len, &parts[0]);
    parts[1] = order->head;
    parts[2] = order->body;
    if (!err) {
        err = journal_append(j, RECORD_RESULTS, parts, 3,
                             order->cookie << HEAD_BITS | order->head.len);
    }
    co_bytes_unref(&parts[0]);
    co_bytes_unref(&order->head);
    co_bytes_unref(&order->body);
    return err;
}

enum co_err
owner_journal_write(struct journal *j, struct engine *e, struct co_diag *diag)
{
    struct engine_order order;
    enum co_err err = CO_OK;

    journal_cork(j);
    while (!err && engine_next_order(e, &order)) {
        err = order.note ? write_note(j, &order) : write_order(j, &order);
    }
    journal_uncork(j);
    if (err) {
        (void)co_fail(diag, err, "the journal takes no more records: %s",
                      co_err_text(err));
        (void)!journal_error(j, diag);
    }
    return err;
}
