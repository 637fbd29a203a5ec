/* kind_written_stuck.c - arms whose rows wait without end: nobody stands in for
 * their provider, and asks do not get to it. Rows with a fallback move on when
 * that is found (kind_written_writers.c); these are asked all the same, and a
 * person has to know which arm it is, and what there is to do. */
#include "coordinator/kind_written_core.h"

enum { NOTICE_BYTES = 512 };

/* Whether the rows of the arm have but that provider. Then there are others, or
 * the job had no table. */
static bool
hangs_on(const struct written *w, uint32_t arm, uint8_t chain)
{
    const struct writers_arm *a = &w->options.table->arms[arm];

    return a->n == 1 && !a->builtin && w->chain_of[a->chain[0]] == chain;
}

static void
say(const struct written *w, uint32_t arm, struct co_buf *out)
{
    const struct writers_arm *a = &w->options.table->arms[arm];
    const char *provider = w->writers[a->chain[0]].provider;
    const bool unserved = w->stuck[w->chain_of[a->chain[0]]] == STUCK_UNSERVED;

    co_buf_printf(out, "arm %s waits: provider %s ", a->name, provider);
    if (unserved) {
        co_buf_puts(out,
                    "is served by no worker, and has no fallback. Start a "
                    "worker whose file (--providers) has it, with its key");
    } else {
        co_buf_puts(out, "cannot be called now (`cohort why` says which "
                         "endpoint holds calls back), and has no fallback");
    }
    co_buf_printf(out,
                  "; or, in another folder, give providers.%s a fallback, or "
                  "leave the arm out",
                  provider);
}

void
stuck_set(struct written *w, uint8_t writer, enum writers_stuck stuck)
{
    const uint8_t chain = w->chain_of[writer];
    const bool news = w->stuck[chain] != stuck && stuck != STUCK_NOT;
    struct co_buf text;

    w->stuck[chain] = (uint8_t)stuck;
    if (!news || !w->options.notice) return;
    for (uint32_t i = 0; i < w->options.table->n_arms; i++) {
        if (!hangs_on(w, i, chain)) continue;
        co_buf_init(&text, NOTICE_BYTES);
        say(w, i, &text);
        w->options.notice(w->options.notice_self, co_buf_text(&text));
        co_buf_fini(&text);
    }
}

void
stuck_why(const struct written *w, struct co_buf *out)
{
    const struct writers *table = w->options.table;

    for (uint32_t i = 0; i < table->n_arms; i++) {
        const uint8_t chain = w->chain_of[table->arms[i].chain[0]];

        if (w->stuck[chain] == STUCK_NOT || !hangs_on(w, i, chain)) continue;
        say(w, i, out);
        co_buf_puts(out, "\n");
    }
}
