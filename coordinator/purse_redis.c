/* purse_redis.c - see purse_redis.h. */
#include "coordinator/purse_redis.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/redis.h"
#include "coordinator/purse_script.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    STOP_MS = 300,
    ORDERS_MAX = 16,   /* one at a time is asked */
    TIMEOUT_MS = 3000, /* a question that waits makes its view look younger */
    ERROR_LOG_MS = 60000,
};

struct purse_redis {
    struct purse_redis_options opt;
    struct purse *purse;
    struct co_redis *redis;
    bool up;
    uint64_t token;
    enum purse_why why; /* last told in the log */
    struct co_log_limit error_limit;
    struct purse_script script;
};

enum co_err
purse_redis_new(const struct purse_redis_options *options, struct purse *purse,
                struct purse_redis **ret, struct co_diag *diag)
{
    co_auto(purse_redis_freep) struct purse_redis *r = calloc(1, sizeof *r);
    const struct co_redis_options redis = {.url = options->redis_url,
                                           .allow_insecure =
                                               options->redis_insecure,
                                           .name = CO_PROGRAM "-budget",
                                           .max_orders = ORDERS_MAX,
                                           .command_timeout_ms = TIMEOUT_MS};
    enum co_err err;

    if (!r) return co_fail(diag, CO_NOMEM, "out of memory");
    r->opt = *options;
    r->purse = purse;
    err = co_redis_start(&redis, &r->redis, diag);
    if (err) return err;
    *ret = co_take(&r);
    return CO_OK;
}

void
purse_redis_free(struct purse_redis *r)
{
    if (!r) return;
    if (r->redis) {
        co_redis_stop(r->redis, STOP_MS);
        co_redis_free(r->redis);
    }
    free(r);
}

int
purse_redis_fd(const struct purse_redis *r)
{
    return co_redis_fd(r->redis);
}

/* ---- answers ---- */

static void
log_error(struct purse_redis *r, const char *text, int64_t now_us)
{
    uint64_t more;

    if (!co_log_every(&r->error_limit, now_us / 1000, ERROR_LOG_MS, &more)) {
        return;
    }
    co_log(CO_LOG_WARN, "budget.refused", "error=%s more=%llu",
           co_log_quote(text).text, (unsigned long long)more);
}

static void
take_reply(struct purse_redis *r, const struct co_redis_item *item,
           int64_t now_us)
{
    struct purse_answer answer;

    if (item->token != r->token || !r->purse->asking) return;
    if (item->outcome != CO_REDIS_ANSWERED) {
        purse_unanswered(r->purse, now_us);
    } else if (item->reply->type == CO_REDIS_ERROR) {
        log_error(r, item->reply->text, now_us);
        purse_unanswered(r->purse, now_us);
    } else if (purse_script_read(item->reply, &answer)) {
        log_error(r, "the ledger's answer has another form", now_us);
        purse_unanswered(r->purse, now_us);
    } else {
        purse_answer(r->purse, now_us, &answer);
    }
}

static void
take_all(struct purse_redis *r, int64_t now_us)
{
    struct co_redis_item *item;

    while ((item = co_redis_poll(r->redis))) {
        switch (item->kind) {
        case CO_REDIS_UP:
            r->up = true;
            break;
        case CO_REDIS_DOWN:
            r->up = false;
            break;
        case CO_REDIS_REPLY:
            take_reply(r, item, now_us);
            break;
        }
        co_redis_item_free(item);
    }
}

/* ---- turns ---- */

/* Every change of what the caps allow, once. */
static void
log_change(struct purse_redis *r)
{
    enum purse_why why = purse_why(r->purse);

    if (why == PURSE_WHY_ASKED || why == r->why) return;
    co_log(why >= PURSE_WHY_NO_LEDGER ? CO_LOG_WARN : CO_LOG_INFO,
           "budget.state", "job=%016llx why=%s", (unsigned long long)r->opt.job,
           co_log_quote(purse_why_text(why)).text);
    r->why = why;
}

void
purse_redis_tick(struct purse_redis *r, int64_t now_us)
{
    struct purse_ask ask;

    take_all(r, now_us);
    purse_turn(r->purse, now_us);
    log_change(r);
    if (!r->up || !purse_ask(r->purse, now_us, &ask)) return;
    purse_script_make(&ask, &r->purse->opt, r->opt.name_space, r->opt.job,
                      &r->script);
    if (co_redis_ask(r->redis, ++r->token, r->script.argc, r->script.argv,
                     NULL)) {
        purse_unanswered(r->purse, now_us);
    }
}

bool
purse_redis_leave(struct purse_redis *r, int64_t timeout_ms)
{
    int64_t until_ms = co_clock_ms() + timeout_ms;

    purse_leave(r->purse);
    for (;;) {
        struct pollfd fd = {.fd = co_redis_fd(r->redis), .events = POLLIN};
        int64_t left_ms = until_ms - co_clock_ms();

        purse_redis_tick(r, co_clock_us());
        if (purse_left(r->purse)) return true;
        if (left_ms <= 0) return false;
        (void)poll(&fd, 1, left_ms < 20 ? (int)left_ms : 20);
    }
}
