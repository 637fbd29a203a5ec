/* top_fetch.c - see top_fetch.h. */
#include "cli/top_fetch.h"

#include "cli/fleet_limits.h"
#include "common/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    NEWS_MAX = 4,
    STOP_MS = 300,
    /* Rates are over this many readings: heartbeats come once a second, so a
     * shorter span would show a saw. */
    HISTORY = 4,
};

struct top_fetch {
    struct source source;
    pthread_t thread;
    unsigned interval_ms;
    struct co_mailbox *orders, *news;
    atomic_bool stop;
};

static char poke_order, stop_order;

/* What was read before is only kept for what rates need: a copy of it. */
static struct fleet_state *
copy(const struct fleet_state *s)
{
    struct fleet_state *c = calloc(1, sizeof *c);

#define COPY(list)                                                             \
    do {                                                                       \
        c->list.v = calloc(s->list.n + 1, sizeof *c->list.v);                  \
        if (!c->list.v) goto failed;                                           \
        for (size_t i = 0; i < s->list.n; i++) {                               \
            c->list.v[i] = s->list.v[i];                                       \
        }                                                                      \
        c->list.n = s->list.n;                                                 \
    } while (0)
    if (!c) return NULL;
    COPY(workers);
    COPY(brokers);
    COPY(queues);
#undef COPY
    return c;
failed:
    fleet_state_free(c);
    return NULL;
}

static struct top_news *
read_once(struct top_fetch *f)
{
    struct top_news *news = calloc(1, sizeof *news);
    struct co_diag diag = {"out of memory"};
    enum co_err err = CO_OK;

    if (!news) return NULL;
    if (!f->source.client) {
        err = source_again(&f->source, SOURCE_WAIT_MS, &diag);
    }
    if (!err) {
        err = fleet_state_read(f->source.client, f->source.name_space,
                               &news->state, &diag);
    }
    if (!err) err = fleet_limits_read(f->source.client, news->state, &diag);
    if (err) {
        (void)snprintf(news->why, sizeof news->why, "%.390s", diag.text);
        source_close(&f->source);
        fleet_state_free(co_take(&news->state)); /* one whole, or none */
    }
    return news;
}

static void *
run(void *arg)
{
    struct top_fetch *f = arg;
    struct fleet_state *old[HISTORY] = {NULL};
    size_t n = 0;

    while (!atomic_load(&f->stop)) {
        struct top_news *news = read_once(f);

        if (news && news->state) {
            const struct fleet_state *before =
                old[n < HISTORY ? 0 : n % HISTORY];
            struct fleet_state **slot = &old[n % HISTORY];

            if (before) fleet_state_rates(news->state, before);
            n++;
            fleet_state_free(*slot);
            *slot = copy(news->state);
        }
        if (news && co_mailbox_put(f->news, news)) top_news_free(news);
        (void)co_mailbox_wait(f->orders, (int)f->interval_ms);
    }
    for (size_t i = 0; i < HISTORY; i++) {
        fleet_state_free(old[i]);
    }
    return NULL;
}

static void
fetch_free(struct top_fetch *f)
{
    struct top_news *news;

    if (!f) return;
    while (f->news && (news = co_mailbox_take(f->news))) {
        top_news_free(news);
    }
    co_mailbox_free(f->news);
    co_mailbox_free(f->orders);
    source_close(&f->source);
    free(f);
}

enum co_err
top_fetch_start(struct source *source, unsigned interval_ms,
                struct top_fetch **ret_fetch, struct co_diag *diag)
{
    struct top_fetch *f = calloc(1, sizeof *f);

    if (!f) return co_fail(diag, CO_NOMEM, "out of memory");
    f->interval_ms = interval_ms;
    if (co_mailbox_new(NEWS_MAX, &f->orders) ||
        co_mailbox_new(NEWS_MAX, &f->news)) {
        fetch_free(f);
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    f->source = *source;
    source->client = NULL;
    if (pthread_create(&f->thread, NULL, run, f)) {
        fetch_free(f);
        return co_fail(diag, CO_NOMEM, "no thread can be started");
    }
    *ret_fetch = f;
    return CO_OK;
}

void
top_fetch_stop(struct top_fetch *f)
{
    struct timespec until;

    if (!f) return;
    atomic_store(&f->stop, true);
    if (co_mailbox_put(f->orders, &stop_order)) return; /* it is deaf */
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STOP_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_timedjoin_np(f->thread, NULL, &until)) return;
    fetch_free(f);
}

int
top_fetch_fd(const struct top_fetch *f)
{
    return co_mailbox_fd(f->news);
}

struct top_news *
top_fetch_take(struct top_fetch *f)
{
    return co_mailbox_take(f->news);
}

void
top_news_free(struct top_news *news)
{
    if (!news) return;
    fleet_state_free(news->state);
    free(news);
}

void
top_fetch_poke(struct top_fetch *f)
{
    if (co_mailbox_put(f->orders, &poke_order)) return; /* it will come */
}
