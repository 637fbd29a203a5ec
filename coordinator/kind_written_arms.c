/* kind_written_arms.c - what each writer did for the rows of each arm: what an
 * A/B comparison, and the question who wrote the rows, are answered from. */
#include "common/bug.h"
#include "coordinator/kind_written_core.h"

#include "common/json.h"

#include <inttypes.h>

static struct written_tally *
tally_of(struct written *w, uint64_t row, uint8_t writer)
{
    uint32_t arm = 0;

    if (!writers_arm_of(w, row, &arm)) return NULL;
    return &w->tallies[arm][writer];
}

static uint8_t
server_of(const struct talk *t)
{
    return t->built ? WRITER_BUILTIN : t->served;
}

void
arms_call(struct written *w, uint64_t row, uint8_t writer,
          const struct ask_result *r)
{
    struct written_tally *n = tally_of(w, row, writer);

    if (!n) return;
    n->calls += r->outcome != ASK_UNKNOWN; /* as the job counts its own */
    n->wrong += r->outcome == ASK_INVALID || r->outcome == ASK_CUT ||
                r->outcome == ASK_FILTERED;
    if (r->has_usage) {
        n->input += r->input;
        n->output += r->output;
    }
}

void
arms_end(struct written *w, uint64_t row, const struct talk *t)
{
    struct written_tally *n;

    if (t->state == TALK_DEAD) {
        n = tally_of(w, row, t->writer);
        if (n) n->dead++;
    }
    if (t->state != TALK_DONE) return;
    n = tally_of(w, row, server_of(t));
    if (!n) return;
    n->rows++;
    n->degraded += t->degraded;
    w->n.degraded +=
        t->degraded * (UINT64_C(1) + CO_BUG(degraded_counted_twice));
    w->n.built += t->built;
    n->starved += t->starved;
    w->n.starved += t->starved;
}

void
arms_revive(struct written *w, uint64_t row, const struct talk *t)
{
    struct written_tally *n = tally_of(w, row, t->writer);

    if (n && n->dead) n->dead--;
}

void
arms_accept(struct written *w, uint64_t row, const struct talk *t)
{
    struct written_tally *n = tally_of(w, row, server_of(t));

    if (n) n->accepted++;
}

static const char *
provider_of(const struct written *w, uint32_t writer)
{
    return writer == WRITER_BUILTIN ? "builtin" : w->writers[writer].provider;
}

/* -- told ----------------------------------------------------------------- */

/* All of it together is what the ledger has, which an int64 holds. */
static void
add_money(struct written_tally *to, const struct written_tally *n)
{
    to->lost += n->lost;
    to->money.settled += n->money.settled;
    to->money.unknown += n->money.unknown;
    to->money.reserved += n->money.reserved;
}

static void
add(struct written_tally *to, const struct written_tally *n)
{
    to->rows += n->rows;
    to->accepted += n->accepted;
    to->degraded += n->degraded;
    to->starved += n->starved;
    to->dead += n->dead;
    to->calls += n->calls;
    to->wrong += n->wrong;
    to->input += n->input;
    to->output += n->output;
    add_money(to, n);
}

/* With its money, which the ledger keeps. */
static struct written_tally
tally_at(const struct written *w, uint32_t arm, uint32_t writer)
{
    struct written_tally n = w->tallies[arm][writer];

    for (unsigned poor = 0; poor < 2 && writer != WRITER_BUILTIN; poor++) {
        const uint8_t tag =
            (uint8_t)(writer | arm << TAG_ARM | (poor ? TAG_POOR : 0));
        const struct money_group g = money_group(w->m, tag);

        add_money(&n,
                  &(struct written_tally){.lost = g.unknown, .money = g.sums});
    }
    return n;
}

/* Whether anybody may write, or has written, rows of the arm. */
static bool
is_of_arm(const struct writers_arm *arm, uint32_t writer)
{
    if (writer == WRITER_BUILTIN) return arm->builtin;
    for (uint32_t i = 0; i < arm->n; i++) {
        if (arm->chain[i] == writer) return true;
    }
    return false;
}

/* Of an accepted row; there is one. */
static int64_t
row_cost(const struct written_tally *n)
{
    return n->money.settled / (int64_t)n->accepted;
}

static void
put_tally(const struct written_tally *n, bool priced, struct co_json *json)
{
    char text[PRICE_TEXT_BYTES];

    co_json_put_u64(json, "rows", n->rows);
    co_json_put_u64(json, "accepted", n->accepted);
    co_json_put_u64(json, "degraded", n->degraded);
    if (n->starved) co_json_put_u64(json, "degraded_budget", n->starved);
    co_json_put_u64(json, "dead", n->dead);
    co_json_put_u64(json, "calls", n->calls);
    co_json_put_u64(json, "wrong", n->wrong);
    co_json_put_u64(json, "input_tokens", n->input);
    co_json_put_u64(json, "output_tokens", n->output);
    if (n->lost) co_json_put_u64(json, "lost", n->lost);
    if (!priced) return;
    co_json_put_text(json, "usd", price_text(n->money.settled, text));
    if (n->money.unknown) {
        co_json_put_text(json, "unknown_usd",
                         price_text(n->money.unknown, text));
    }
    if (n->money.reserved) {
        co_json_put_text(json, "reserved_usd",
                         price_text(n->money.reserved, text));
    }
    if (!n->accepted) return;
    co_json_put_text(json, "row_usd", price_text(row_cost(n), text));
}

static void
put_writer(const struct written *w, uint32_t arm, uint32_t writer,
           struct co_json *json)
{
    const struct written_tally n = tally_at(w, arm, writer);

    co_json_object(json);
    if (writer == WRITER_BUILTIN) {
        co_json_put_text(json, "provider", "builtin");
    } else {
        co_json_put_u64(json, "writer", writer);
        co_json_put_text(json, "provider", w->writers[writer].provider);
        co_json_put_text(json, "model", w->options.table->v[writer]->model);
    }
    put_tally(&n, w->priced, json);
    co_json_end(json);
}

static void
put_arm(const struct written *w, uint32_t i, struct co_json *json)
{
    const struct writers_arm *arm = &w->options.table->arms[i];
    struct written_tally sum = {0};

    for (uint32_t k = 0; k <= WRITER_BUILTIN; k++) {
        const struct written_tally n = tally_at(w, i, k);

        add(&sum, &n);
    }
    co_json_object(json);
    co_json_put_text(json, "arm", arm->name);
    co_json_put_u64(json, "share", arm->share);
    put_tally(&sum, w->priced, json);
    co_json_key(json, "writers");
    co_json_array(json);
    for (uint32_t k = 0; k <= WRITER_BUILTIN; k++) {
        if (is_of_arm(arm, k)) put_writer(w, i, k, json);
    }
    co_json_end(json);
    co_json_end(json);
}

bool
written_arms(const void *kind, struct co_buf *out)
{
    const struct written *w = kind;
    struct co_json json;

    if (!w->options.table) return false;
    co_json_init(&json, out);
    co_json_array(&json);
    for (uint32_t i = 0; i < w->options.table->n_arms; i++) {
        put_arm(w, i, &json);
    }
    co_json_end(&json);
    (void)co_json_finish(&json);
    return true;
}

static void
put_line(const char *arm, const char *by, const struct written_tally *n,
         bool priced, struct co_buf *out)
{
    const uint64_t tenths = n->rows ? n->wrong * 1000 / n->rows : 0;
    char usd[PRICE_TEXT_BYTES], row[PRICE_TEXT_BYTES], lost[PRICE_TEXT_BYTES];

    co_buf_printf(out,
                  "| %s | %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64
                  " | %" PRIu64 " | %" PRIu64 ".%03" PRIu64 " | %" PRIu64
                  " | %" PRIu64 " | %s | %s | %s |\n",
                  arm, by, n->rows, n->accepted, n->degraded, n->dead,
                  tenths / 1000, tenths % 1000, n->input, n->output,
                  priced ? price_text(n->money.settled, usd) : "",
                  priced ? price_text(n->money.unknown, lost) : "",
                  priced && n->accepted ? price_text(row_cost(n), row) : "");
}

void
written_arms_table(const struct written *w, struct co_buf *out)
{
    const struct writers *table = w->options.table;

    if (!table) return;
    co_buf_puts(out, "| arm | written by | rows | accepted | degraded | given "
                     "up | wrong answers a row | tokens in | out | USD | "
                     "perhaps, for lost calls | USD an accepted row |\n"
                     "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < table->n_arms; i++) {
        const char *name = table->arms[i].name;
        struct written_tally sum = {0};

        for (uint32_t k = 0; k <= WRITER_BUILTIN; k++) {
            const struct written_tally n = tally_at(w, i, k);

            add(&sum, &n);
            if (!is_of_arm(&table->arms[i], k)) continue;
            put_line(name, provider_of(w, k), &n, w->priced, out);
        }
        put_line(name, "all", &sum, w->priced, out);
    }
    co_buf_puts(out, "\n");
}

static void
why_chain(const struct written *w, uint32_t i, int64_t now_us,
          struct co_buf *out)
{
    const struct chain *c = &w->chains[i];

    if (w->chain_of[i] != i || !c->away) return;
    if (c->trying) {
        co_buf_printf(out,
                      "provider %s is away, and one ask tries it; its "
                      "fallbacks write meanwhile\n",
                      w->writers[i].provider);
        return;
    }
    co_buf_printf(out,
                  "provider %s is away: its fallbacks write; it is tried again "
                  "in %" PRId64 " s\n",
                  w->writers[i].provider,
                  c->until_us > now_us ? (c->until_us - now_us) / 1000000 : 0);
}

static void
why_tally(const struct written *w, uint32_t arm, uint32_t writer,
          struct co_buf *out)
{
    const struct written_tally n = tally_at(w, arm, writer);
    const char *name = w->options.table->arms[arm].name;
    char text[PRICE_TEXT_BYTES];

    co_buf_printf(
        out,
        "%s%s%s: %" PRIu64 " rows (%" PRIu64 " accepted, %" PRIu64
        " degraded), %" PRIu64 " dead; %" PRIu64 " calls, %" PRIu64 " wrong",
        name, name[0] ? " by " : "",
        writer == WRITER_BUILTIN ? "builtin" : w->writers[writer].provider,
        n.rows, n.accepted, n.degraded, n.dead, n.calls, n.wrong);
    if (w->priced) {
        co_buf_printf(out, ", %s USD", price_text(n.money.settled, text));
    }
    if (n.lost) {
        co_buf_printf(out, ", %" PRIu64 " lost (perhaps %s USD)", n.lost,
                      price_text(n.money.unknown, text));
    }
    co_buf_puts(out, "\n");
}

void
arms_why(const struct written *w, int64_t now_us, struct co_buf *out)
{
    const struct writers *table = w->options.table;

    if (!table) return;
    for (uint32_t i = 0; w->chained && i < w->n_writers; i++) {
        why_chain(w, i, now_us, out);
    }
    stuck_why(w, out);
    for (uint32_t i = 0; i < table->n_arms; i++) {
        for (uint32_t k = 0; k <= WRITER_BUILTIN; k++) {
            if (is_of_arm(&table->arms[i], k)) why_tally(w, i, k, out);
        }
    }
}
