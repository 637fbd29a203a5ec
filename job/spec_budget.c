/* spec_budget.c - the keys of a job file that say what it may cost. */
#include "job/spec_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { USD_DECIMALS = 12, PERCENT_DECIMALS = 4, SHARE_TEXT_MAX = 32 };

/* As exact as 64 bits hold, with room above for what is out. */
#define BUDGET_MAX (UINT64_C(9000000) * 1000000000000)

/* ---- reading ---- */

enum co_err
spec_read_budget(struct job_spec *spec, const struct co_yaml *node,
                 struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err =
        co_yaml_fixed(node, USD_DECIMALS, BUDGET_MAX, &value, diag);

    if (err) return err;
    if (value == 0) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "found %s: no call could be made; allowed is more "
                            "than 0, to 9000000",
                            co_yaml_found(node).text);
    }
    spec->budget = (int64_t)value;
    spec->budget_line = node->line;
    return CO_OK;
}

/* "12.5%" */
static bool
is_percent(const struct co_yaml *node, char number[SHARE_TEXT_MAX])
{
    const size_t len =
        node->kind == CO_YAML_SCALAR && node->text ? strlen(node->text) : 0;

    if (len < 2 || len > SHARE_TEXT_MAX || node->text[len - 1] != '%') {
        return false;
    }
    memcpy(number, node->text, len - 1);
    number[len - 1] = '\0';
    return true;
}

static enum co_err
read_part(const struct co_yaml *node, struct shares_part *ret,
          struct co_diag *diag)
{
    char number[SHARE_TEXT_MAX];
    struct co_yaml digits = *node;
    bool percent = is_percent(node, number);
    uint64_t value = 0;
    enum co_err err;

    if (percent) digits.text = number;
    err = co_yaml_fixed(&digits, percent ? PERCENT_DECIMALS : USD_DECIMALS,
                        percent ? SHARES_WHOLE : BUDGET_MAX, &value, diag);
    if (err) {
        return co_yaml_fail(node, diag, err,
                            "found %s; allowed is USD, such as 0.50, or a "
                            "percent with at most %d decimals, such as 40%%",
                            co_yaml_found(node).text, PERCENT_DECIMALS);
    }
    *ret = (struct shares_part){(int64_t)value, percent};
    return CO_OK;
}

enum co_err
spec_read_reserve(struct job_spec *spec, const struct co_yaml *node,
                  struct co_diag *diag)
{
    return read_part(node, &spec->shares_wish.reserve, diag);
}

enum co_err
spec_read_share(struct job_spec *spec, const struct co_yaml *node,
                struct co_diag *diag)
{
    unsigned i = 0;

    while (strcmp(node->key, shares_phase_name(i)) != 0) {
        i++;
        co_assert(i < SHARES_PHASES); /* the table of keys has no other */
    }
    return read_part(node, &spec->shares_wish.phases[i], diag);
}

/* ---- the whole ---- */

/* The sum of the phases is wrong: says what it is, and what it has to be. */
static enum co_err
refuse_sum(const struct job_spec *spec, const struct co_yaml *phases,
           int64_t sum, struct co_diag *diag)
{
    const struct shares_wish *wish = &spec->shares_wish;
    struct shares none;
    struct shares_wish all = *wish;
    int64_t whole = 0;
    char found[PRICE_TEXT_BYTES], want[PRICE_TEXT_BYTES];

    if (wish->phases[0].is_percent) {
        return co_yaml_fail(phases, diag, CO_INVALID,
                            "the percents are %" PRId64 ".%04" PRId64
                            " together; allowed is 100",
                            sum / (SHARES_WHOLE / 100),
                            sum % (SHARES_WHOLE / 100));
    }
    /* What the reserve leaves, as the split itself has it. */
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        all.phases[i] = (struct shares_part){0, true};
    }
    all.phases[0].value = SHARES_WHOLE;
    if (shares_split(&all, spec->budget, &none, &whole)) return CO_INVALID;
    /* beyond an int64 the sum stands still (shares.h) */
    (void)price_text(sum, found);
    return co_yaml_fail(phases, diag, CO_INVALID,
                        "the phases have %s%s USD together; allowed is %s, "
                        "what usd has beside the reserve",
                        sum == INT64_MAX ? "more than " : "", found,
                        price_text(none.share[0], want));
}

static enum co_err
check_phases(struct job_spec *spec, const struct co_yaml *budget,
             struct co_diag *diag)
{
    const struct co_yaml *phases = co_yaml_get(budget, "phases");
    const struct co_yaml *reserve = co_yaml_get(budget, "reserve");
    struct shares_wish *wish = &spec->shares_wish;
    int64_t sum = 0;
    enum co_err err;

    if (reserve && !phases) {
        return co_yaml_fail(reserve, diag, CO_INVALID,
                            "is what phases take from that run short, and "
                            "there are no budget.phases; give them, such as "
                            "{background: 40%%, personas: 60%%}");
    }
    if (!phases) return CO_OK;
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        if (!co_yaml_get(phases, shares_phase_name(i))) {
            return co_yaml_fail(phases, diag, CO_INVALID,
                                "%s is missing: each phase has a share",
                                shares_phase_name(i));
        }
        if (wish->phases[i].is_percent == wish->phases[0].is_percent) continue;
        return co_yaml_fail(phases, diag, CO_INVALID,
                            "USD and percents; allowed is one of them");
    }
    wish->is_set = true;
    err = shares_split(wish, spec->budget, &spec->shares, &sum);
    if (err == CO_RANGE) {
        co_assert(reserve);
        return co_yaml_fail(reserve, diag, err,
                            "found %s, more than budget.usd",
                            co_yaml_found(reserve).text);
    }
    return err ? refuse_sum(spec, phases, sum, diag) : CO_OK;
}

enum co_err
spec_check_budget(struct job_spec *spec, const struct co_yaml *root,
                  struct co_diag *diag)
{
    const struct co_yaml *budget = co_yaml_get(root, "budget");

    if (!budget) return CO_OK;
    if (co_yaml_get(budget, "usd")) return check_phases(spec, budget, diag);
    return co_yaml_fail(budget, diag, CO_INVALID,
                        "usd is missing: a budget says what calls may cost at "
                        "most, such as {usd: 5.00}; leave budget out for a job "
                        "without a limit");
}
