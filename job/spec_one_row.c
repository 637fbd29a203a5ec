/* spec_one_row.c - whether a job's budget covers a row.
 * The coordinator begins a row when its first call and those of its later
 * stages fit, at their worst (coordinator/kind_written_means.c). A job that
 * stops when it runs short counts with the dearest of all its writers, as a row
 * may go from one to another between its calls; one that degrades counts with
 * the first writer of each arm, as the others are there for when there is less.
 */
#include "job/spec_impl.h"
#include "job/writer_bound.h"

#include <inttypes.h>

/* The worst case of a row, by stage, and whose call that is. */
struct dearest {
    int64_t worst[SHARES_PHASES];
    const struct writer *by[SHARES_PHASES];
};

static enum co_err
count_in(const struct writer *writer, struct dearest *d, struct co_diag *diag)
{
    for (unsigned s = 0; s < SHARES_PHASES; s++) {
        int64_t worst;
        enum co_err err =
            writer_stage_worst(writer, (enum ask_stage)s, &worst, diag);

        if (err) return err;
        if (d->by[s] && worst <= d->worst[s]) continue;
        d->worst[s] = worst;
        d->by[s] = writer;
    }
    return CO_OK;
}

static enum co_err
find_dearest(const struct job_spec *spec, struct dearest *d,
             struct co_diag *diag)
{
    const struct writers *all = spec->writers;
    enum co_err err = CO_OK;

    *d = (struct dearest){0};
    if (!all) return count_in(spec->writer, d, diag);
    for (uint32_t i = 0; spec->degrades && i < all->n_arms && !err; i++) {
        err = count_in(all->v[all->arms[i].chain[0]], d, diag);
    }
    for (uint32_t i = 0; !spec->degrades && i < all->n && !err; i++) {
        err = count_in(all->v[i], d, diag);
    }
    return err;
}

/* " (main the first call, other the second)": where there are several. */
static void
say_whose(const struct job_spec *spec, const struct dearest *d,
          struct co_buf *out)
{
    if (!spec->writers || spec->writers->n < 2) return;
    co_buf_printf(out, " (%s: %s, %s: %s)", shares_phase_name(ASK_BACKGROUND),
                  d->by[ASK_BACKGROUND]->provider,
                  shares_phase_name(ASK_PERSONAS),
                  d->by[ASK_PERSONAS]->provider);
}

/* ---- by phase ---- */

static bool
phases_cover(const struct shares *shares, const struct dearest *d,
             unsigned *ret_phase)
{
    struct shares cut = *shares;
    int64_t all[SHARES_PHASES];

    /* what one phase leaves to the next comes only when rows were asked */
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        all[i] = INT64_MAX;
    }
    return shares_use(&cut, d->worst, all, ret_phase);
}

/* The least budget that would do, cut as the file says; 0: none does, or it
 * says so in USD, and other amounts have to be given. */
static int64_t
least_cut(const struct job_spec *spec, const struct dearest *d)
{
    int64_t low = spec->budget, high = INT64_MAX / 2, sum;

    if (!spec->shares_wish.phases[0].is_percent) return 0;
    while (low + 1 < high) {
        const int64_t middle = low + (high - low) / 2;
        struct shares cut;
        const bool cuts = !shares_split(&spec->shares_wish, middle, &cut, &sum);

        if (cuts && phases_cover(&cut, d, NULL)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high == INT64_MAX / 2 ? 0 : high;
}

static enum co_err
check_phases(const struct job_spec *spec, const struct dearest *d,
             struct co_diag *diag)
{
    char share[PRICE_TEXT_BYTES], reserve[PRICE_TEXT_BYTES],
        cost[PRICE_TEXT_BYTES], least[PRICE_TEXT_BYTES] = "";
    int64_t enough;
    unsigned i = 0;

    if (phases_cover(&spec->shares, d, &i)) return CO_OK;
    enough = least_cut(spec, d);
    if (enough) (void)price_text(enough, least);
    return co_fail(
        diag, CO_INVALID,
        "%s:%" PRIu32 ": budget.phases.%s: %s USD, with the reserve of %s, "
        "covers not even one row, whose call may cost up to %s USD%s%s (that "
        "much is set aside before it is asked for, what it does not take is "
        "given back). Raise the budget%s%s or the share, or lower "
        "answers.max_tokens",
        spec->file, spec->budget_line, shares_phase_name(i),
        price_text(spec->shares.share[i], share),
        price_text(spec->shares.reserve, reserve),
        price_text(d->worst[i], cost),
        spec->writers && spec->writers->n > 1 ? " with " : "",
        spec->writers && spec->writers->n > 1 ? d->by[i]->provider : "",
        enough ? " to " : "", least);
}

/* ---- the whole ---- */

/* Rows whose answers are in the cache are written all the same. */
enum co_err
spec_check_one_row(const struct job_spec *spec, struct co_diag *diag)
{
    char budget[PRICE_TEXT_BYTES], row[PRICE_TEXT_BYTES];
    co_auto(co_buf_fini) struct co_buf whose;
    struct dearest d;
    int64_t worst = 0;
    enum co_err err;

    co_buf_init(&whose, sizeof diag->text);
    if (spec->budget < 0 || spec->cached) return CO_OK;
    err = find_dearest(spec, &d, diag);
    if (err) {
        return co_fail_prefix(diag, err, "%s:%" PRIu32 ": budget.usd",
                              spec->file, spec->budget_line);
    }
    for (unsigned s = 0; s < SHARES_PHASES; s++) {
        if (__builtin_add_overflow(worst, d.worst[s], &worst)) {
            worst = INT64_MAX; /* as good as never */
        }
    }
    if (worst <= spec->budget) {
        return spec->shares.is_set ? check_phases(spec, &d, diag) : CO_OK;
    }
    say_whose(spec, &d, &whose);
    return co_fail(
        diag, CO_INVALID,
        "%s:%" PRIu32 ": budget.usd: %s USD covers not even one row, which may "
        "cost up to %s USD%s (that much is set aside before it is asked for, "
        "what it does not take is given back). Raise the budget to that at "
        "least, or lower answers.max_tokens",
        spec->file, spec->budget_line, price_text(spec->budget, budget),
        price_text(worst, row), co_buf_text(&whose));
}
