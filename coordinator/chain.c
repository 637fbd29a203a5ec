/* chain.c - see chain.h. What is told while it is away already (by asks that
 * were out) moves nothing, but for the one ask that tries it: else an answer
 * that was on its way would call all the others back to a provider that fails.
 * Rows without a fallback ask it all the time: they must not take the place of
 * the ask that tries it, or no answer would ever be that one's. */
#include "coordinator/chain.h"

bool
chain_may_ask(const struct chain *c, int64_t now_us)
{
    return !c->away || now_us >= c->until_us;
}

void
chain_ask(struct chain *c, uint64_t task, int64_t now_us)
{
    if (!c->asked_us) c->asked_us = now_us > 0 ? now_us : 1;
    if (!c->away || now_us < c->until_us) return;
    c->trying = true;
    c->try_task = task;
    c->until_us = now_us + CHAIN_TRY_US;
}

static bool
is_try(const struct chain *c, uint64_t task)
{
    return c->trying && c->try_task == task;
}

bool
chain_is_away_for(const struct chain *c, uint64_t task)
{
    return c->away && !is_try(c, task);
}

void
chain_on_heard(struct chain *c)
{
    c->asked_us = 0;
}

void
chain_on_answer(struct chain *c, uint64_t task)
{
    chain_on_heard(c);
    c->strikes = 0;
    if (!is_try(c, task)) return;
    c->away = c->trying = false;
    c->doubled = 0;
}

/* It is away, for so long at least. True: since now. */
static bool
go_away(struct chain *c, uint64_t task, int64_t least_us, int64_t now_us)
{
    const bool news = !c->away;
    int64_t wait_us = CHAIN_AWAY_US;

    if (!news && !is_try(c, task)) return false;
    c->doubled = news ? 0 : c->doubled + 1;
    for (uint32_t i = 0; i < c->doubled && wait_us < CHAIN_AWAY_MAX_US; i++) {
        wait_us *= 2;
    }
    if (wait_us > CHAIN_AWAY_MAX_US) wait_us = CHAIN_AWAY_MAX_US;
    if (wait_us < least_us) wait_us = least_us;
    c->away = true;
    c->trying = false;
    c->strikes = 0;
    c->asked_us = 0;
    c->until_us = now_us + wait_us;
    c->times += news;
    return news;
}

bool
chain_on_strike(struct chain *c, uint64_t task, int64_t now_us)
{
    chain_on_heard(c);
    if (!c->away && ++c->strikes < CHAIN_STRIKES) return false;
    return go_away(c, task, 0, now_us);
}

bool
chain_on_away(struct chain *c, uint64_t task, uint32_t not_before_ms,
              int64_t now_us)
{
    chain_on_heard(c);
    return go_away(c, task, (int64_t)not_before_ms * 1000, now_us);
}

bool
chain_is_silent(const struct chain *c, int64_t now_us)
{
    return !c->away && c->asked_us && now_us - c->asked_us >= CHAIN_SILENT_US;
}

/* It goes out again, under its id: no further ask may be made for long. */
bool
chain_on_waited(struct chain *c, uint64_t task, int64_t now_us)
{
    if (!c->away && !chain_is_silent(c, now_us)) {
        if (!c->asked_us) c->asked_us = now_us;
        return false;
    }
    return go_away(c, task, 0, now_us);
}
