/* corpus_report.c - report.json and the dataset card README.md, from the
 * owner's sums alone: no row is read again. Both print the same figures, so
 * they are made together. */
#include "audit/audit_report.h"
#include "coordinator/corpus_files.h"
#include "coordinator/ledger.h"
#include "job/estimate.h"
#include "job/recipe.h"
#include "rows/dataset_card.h"

enum { REPORT_BYTES_MAX = 1 << 24, BILL_BYTES_MAX = 64 * 1024 };

/* What both files are made from. */
struct outcome {
    const struct corpus_facts *facts;
    struct audit *audit; /* owned */
    struct kind_ledger ledger;
    struct audit_figures figures;
    struct finding findings[FINDINGS_MAX];
    unsigned n_findings;
};

/* The owner's sums as the audit counts them. A delta holds 32 bits. */
static enum co_err
audit_of(const struct corpus_facts *f, struct audit **ret_audit)
{
    co_auto(audit_freep) struct audit *audit = NULL;
    enum co_err err = audit_new(sampler_model(f->sampler), &audit);

    for (uint32_t t = 0; !err && t < AUDIT_TABLE_COUNT; t++) {
        const uint64_t *counts = personas_audit(f->personas, t);
        uint32_t cells = audit_cells(audit, t);

        for (uint32_t i = 0; !err && i < cells; i++) {
            uint64_t left = counts[i];

            while (left && !err) {
                struct audit_delta d = {t, i,
                                        (uint32_t)co_min_u64(left, UINT32_MAX)};

                err = audit_add(audit, &d, 1);
                left -= d.n;
            }
        }
    }
    if (!err) *ret_audit = co_take(&audit);
    return err;
}

static enum co_err
outcome_make(const struct corpus_facts *f, struct outcome *o)
{
    enum co_err err = audit_of(f, &o->audit);
    struct finding_facts facts;

    if (err) return err;
    o->facts = f;
    personas_kind.ledger(f->personas, &o->ledger);
    err = compare_all(o->audit, f->sampler, o->ledger.accepted, &o->figures);
    if (err) return err;
    facts = (struct finding_facts){.figures = &o->figures,
                                   .joints = audit_joints(o->audit),
                                   .sampler = f->sampler,
                                   .requested = o->ledger.requested,
                                   .drawn = o->ledger.drawn,
                                   .accepted = o->ledger.accepted,
                                   .rejected = o->ledger.rejected,
                                   .duplicates = o->ledger.duplicates,
                                   .dead = o->ledger.dead};
    o->n_findings = findings_find(&facts, o->findings);
    return CO_OK;
}

/* Of the texts that were compared, how many are the first to say it: parts in
 * a million, since the report's figures that need no float have none. */
static void
put_dedup(struct co_json *json, const struct personas *p)
{
    const struct corpus_totals t = corpus_totals(p);
    const uint64_t texts = t.hashes + t.duplicates;

    co_json_key(json, "dedup");
    co_json_object(json);
    co_json_put_text(json, "method", texts ? "exact" : "none");
    if (texts) {
        co_json_put_u64(json, "texts", texts);
        co_json_put_u64(json, "duplicates", t.duplicates);
        co_json_put_u64(
            json, "distinct_ppm",
            (uint64_t)((unsigned __int128)t.hashes * 1000000 / texts));
    }
    co_json_end(json);
}

/* Who wrote the rows of which arm, where there is more than one answer. */
static void
put_arms(struct co_json *json, const struct written *written)
{
    co_auto(co_buf_fini) struct co_buf arms;

    co_buf_init(&arms, BILL_BYTES_MAX);
    if (!written_arms(written, &arms)) return;
    co_json_key(json, "arms");
    co_json_raw(json, (const char *)arms.data, arms.len);
}

static enum co_err
write_report(const struct outcome *o, struct co_diag *diag)
{
    struct co_buf buf;
    struct co_json json;

    co_buf_init(&buf, REPORT_BYTES_MAX);
    co_json_init(&json, &buf);
    co_json_object(&json);
    corpus_put_head(&json, o->facts);
    co_json_key(&json, "ledger");
    co_json_object(&json);
    ledger_put(&json, &o->ledger);
    co_json_end(&json);
    if (o->facts->money) {
        ledger_put_money(&json, o->facts->money, o->ledger.accepted);
    }
    if (o->facts->written) put_arms(&json, o->facts->written);
    if (o->facts->estimate) estimate_put(o->facts->estimate, &json);
    put_dedup(&json, o->facts->personas);
    audit_report(&o->figures, audit_joints(o->audit), &json);
    findings_report(o->findings, o->n_findings, &json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    return corpus_write_text(o->facts, "report.json", &buf, diag);
}

/* Whether the rows have texts. A recipe that does not read is another
 * module's finding; the card then describes whole rows. */
static enum row_level
level_of(const struct corpus_facts *f)
{
    enum row_level level = ROW_TEXTS;
    struct recipe recipe;

    if (recipe_parse(f->recipe.data, f->recipe.len, &recipe, NULL)) {
        return level;
    }
    if (!(recipe.phases & SPEC_COMPOSE)) level = ROW_ATTRIBUTES;
    recipe_fini(&recipe);
    return level;
}

/* "background 0.01 USD, personas 0.02 USD" */
static void
say_phases(const struct kind_money *m, struct co_buf *out)
{
    char text[PRICE_TEXT_BYTES];

    co_buf_puts(out, " (");
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        co_buf_printf(
            out, "%s%s %s", i ? ", " : "", shares_phase_name(i),
            price_text(m->phases[i].settled + m->phases[i].unknown, text));
    }
    co_buf_putc(out, ')');
}

/* What rows, words and quality came to. */
static void
say_each(const struct kind_money *money, uint64_t accepted, struct co_buf *out)
{
    const struct kind_money m = ledger_told(money, accepted);
    char text[PRICE_TEXT_BYTES];

    if (m.row < 0) return;
    co_buf_printf(out, ". That is %s USD a row", price_text(m.row, text));
    if (m.kiloword >= 0) {
        co_buf_printf(out, ", %s for 1,000 words",
                      price_text(m.kiloword, text));
    }
    if (m.point >= 0) {
        co_buf_printf(out, ", %s for each percent of quality",
                      price_text(m.point, text));
        co_buf_printf(out,
                      " (%llu.%02llu percent of the rows asked for to the end "
                      "passed)",
                      (unsigned long long)m.quality_ppm / 10000,
                      (unsigned long long)m.quality_ppm / 100 % 100);
    }
}

/* What it cost, and what was thought before; nothing where nothing did. */
static void
say_bill(const struct corpus_facts *f, uint64_t accepted, struct co_buf *out)
{
    const struct kind_money *m = f->money;
    const struct estimate *e = f->estimate;
    char text[PRICE_TEXT_BYTES];

    if (!m) return;
    co_buf_printf(out, "The texts took %llu calls, %llu tokens in and %llu out",
                  (unsigned long long)m->calls,
                  (unsigned long long)m->input_tokens,
                  (unsigned long long)m->output_tokens);
    if (m->characters) {
        co_buf_printf(out, ", %llu characters sent",
                      (unsigned long long)m->characters);
    }
    if (m->held_ms) {
        co_buf_printf(out, ", %llu.%03llu seconds of calls",
                      (unsigned long long)m->held_ms / 1000,
                      (unsigned long long)m->held_ms % 1000);
    }
    if (m->has_price) {
        co_buf_printf(out, ": %s USD", price_text(m->settled, text));
        if (m->unknown) {
            co_buf_printf(out, ", and perhaps %s for lost calls",
                          price_text(m->unknown, text));
        }
        if (m->has_phases) say_phases(m, out);
        say_each(m, accepted, out);
    }
    if (m->cached_calls) {
        co_buf_printf(out, ", besides %llu answers from the cache",
                      (unsigned long long)m->cached_calls);
    }
    if (m->unrecorded) {
        co_buf_printf(out,
                      "; %llu answers could not be written to the file of "
                      "`record:`",
                      (unsigned long long)m->unrecorded);
    }
    if (e && e->cost[ESTIMATE_MID] >= 0) {
        co_buf_printf(out, ". Estimated before: %s USD",
                      price_text(e->cost[ESTIMATE_MID], text));
        co_buf_printf(out, " (%s", price_text(e->cost[ESTIMATE_LOW], text));
        co_buf_printf(out, " to %s)", price_text(e->cost[ESTIMATE_HIGH], text));
    }
    co_buf_puts(out, ".\n\n");
}

static void
say_arms(const struct corpus_facts *f, struct co_buf *out)
{
    const struct written_counters *n;

    if (!f->written) return;
    n = written_counters(f->written);
    if (n->degraded) {
        co_buf_printf(out,
                      "A fallback wrote %llu rows, in a part at least; %llu of "
                      "them are the built-in writer's. `provenance.provider` "
                      "says which.\n\n",
                      (unsigned long long)n->degraded,
                      (unsigned long long)n->built);
    }
    if (n->starved) {
        co_buf_printf(out,
                      "Of these %llu are a fallback's as the budget did not "
                      "cover their provider; they say `degraded_by`, unless "
                      "the job took fallbacks to be as good.\n\n",
                      (unsigned long long)n->starved);
    }
    written_arms_table(f->written, out);
}

static enum co_err
write_card(const struct outcome *o, struct co_diag *diag)
{
    const struct corpus_facts *f = o->facts;
    struct corpus_totals totals = corpus_totals(f->personas);
    struct dataset_facts card = {.name = f->name,
                                 .recipe = (const char *)f->recipe.data,
                                 .recipe_len = f->recipe.len,
                                 .recipe_hash = f->recipe_hash,
                                 .rows = totals.rows,
                                 .bytes = totals.bytes,
                                 .raw_bytes = totals.raw_bytes,
                                 .files = totals.files,
                                 .level = level_of(f),
                                 .sampler = f->sampler,
                                 .joints = audit_joints(o->audit),
                                 .figures = &o->figures,
                                 .findings = o->findings,
                                 .n_findings = o->n_findings};
    co_auto(co_buf_fini) struct co_buf bill;
    struct co_buf buf;

    co_buf_init(&bill, BILL_BYTES_MAX);
    say_bill(f, o->ledger.accepted, &bill);
    say_arms(f, &bill);
    card.bill = co_buf_text(&bill);
    co_buf_init(&buf, REPORT_BYTES_MAX);
    dataset_card_write(&card, &buf);
    return corpus_write_text(f, "README.md", &buf, diag);
}

enum co_err
corpus_write_report(const struct corpus_facts *f, struct co_diag *diag)
{
    struct outcome o = {0};
    enum co_err err = outcome_make(f, &o);

    if (err) {
        (void)co_fail(diag, err, "cannot make the audit: %s", co_err_text(err));
    }
    if (!err) err = write_report(&o, diag);
    if (!err) err = write_card(&o, diag);
    audit_free(o.audit);
    return err;
}
