/* model_work.c - loads and checks struct model_work. Drawing indexes these
 * tables without checks, so counts, sums and the order of cuts are checked
 * here. */
#include "population/model_impl.h"

struct counts {
    uint32_t base, weight, kind, field, cut, share, p, age;
};

static enum co_err
take_all(const char *path, struct co_diag *diag, struct model *m,
         struct counts *c)
{
    struct model_work *w = &m->work;
    const struct want wants[] = {
        {"degree.base", 4, (const void **)&w->field_base, &c->base},
        {"degree.weight", 1, (const void **)&w->field_weight, &c->weight},
        {"degree.kind", 1, (const void **)&w->field_kind, &c->kind},
        {"src.degree", 4, (const void **)&w->src_field, &c->field},
        {"pay.cut", 2, (const void **)&w->pay_cut, &c->cut},
        {"pay.share", 4, (const void **)&w->pay_share, &c->share},
        {"pay.p", 4, (const void **)&w->pay_p, &c->p},
        {"pay.age", 1, (const void **)&w->pay_age, &c->age},
    };
    enum co_err err =
        model_take_pool(path, diag, m, "degree.field", &m->degree_field);

    if (err) return err;
    return model_take_sections(path, diag, m, wants, co_countof(wants));
}

/* Every row of bases has somebody; kinds exist and weigh every field. */
static bool
fields_good(struct model *m, const struct counts *c)
{
    struct model_work *w = &m->work;

    if (m->degree_field.count != MODEL_FIELDS || c->kind != m->occupations ||
        c->base != m->states * MODEL_SEXES * FIELD_AGES * MODEL_FIELDS ||
        c->field != MODEL_SEXES * FIELD_AGES * MODEL_FIELDS || c->weight == 0 ||
        c->weight % MODEL_FIELDS != 0) {
        return false;
    }
    w->field_kinds = c->weight / MODEL_FIELDS;
    for (uint32_t i = 0; i < c->weight; i++) {
        if (w->field_weight[i] == 0) return false;
    }
    for (uint32_t o = 0; o < c->kind; o++) {
        if (w->field_kind[o] >= w->field_kinds) return false;
    }
    for (uint32_t i = 0; i < c->base; i += MODEL_FIELDS) {
        uint64_t sum = 0;

        for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
            sum += w->field_base[i + f];
        }
        if (sum == 0 || sum >> 32) return false;
    }
    return true;
}

/* Rows of bands sum to PAY_ONE and leave out what cut says is empty. */
static bool
bands_good(const uint32_t *row, const uint16_t *cut)
{
    uint64_t sum = 0;

    for (uint32_t b = 0; b < PAY_BANDS; b++) {
        if (row[b] && cut[b] >= cut[b + 1]) return false;
        sum += row[b];
    }
    return sum == PAY_ONE;
}

static bool
pay_good(const struct model *m, const struct counts *c)
{
    const struct model_work *w = &m->work;
    size_t n = m->occupations + 1, rows = (size_t)MODEL_SEXES * PAY_AGES;

    if (c->cut != n * PAY_CUTS || c->share != n * PAY_BANDS ||
        c->p != n * rows * PAY_BANDS || c->age != MODEL_AGES) {
        return false;
    }
    for (uint32_t a = 0; a < MODEL_AGES; a++) {
        if (w->pay_age[a] >= PAY_AGES) return false;
    }
    for (size_t o = 0; o < n; o++) {
        const uint16_t *cut = w->pay_cut + o * PAY_CUTS;

        for (uint32_t k = 0; k < PAY_BANDS; k++) {
            if (cut[k] > cut[k + 1]) return false;
        }
        if (cut[0] == 0 || cut[PAY_BANDS] > INCOME_MAX / PAY_UNIT ||
            !bands_good(w->pay_share + o * PAY_BANDS, cut)) {
            return false;
        }
        for (size_t r = 0; r < rows; r++) {
            if (!bands_good(w->pay_p + (o * rows + r) * PAY_BANDS, cut)) {
                return false;
            }
        }
    }
    return true;
}

enum co_err
model_take_work(const char *path, struct co_diag *diag, struct model *m)
{
    struct counts c = {0};
    enum co_err err = take_all(path, diag, m, &c);

    if (err) return err;
    if (fields_good(m, &c) && pay_good(m, &c)) return CO_OK;
    return co_fail(diag, CO_DAMAGED,
                   "%s: its tables of degrees and pay do not fit the others; "
                   "%s",
                   path, MODEL_REBUILD);
}

uint32_t
model_field_age(uint32_t age)
{
    return (age >= 40 ? 1U : 0U) + (age >= 65 ? 1U : 0U);
}

uint32_t
model_pay_band(const struct model *m, uint32_t occupation, uint32_t income_usd)
{
    const uint16_t *cut = m->work.pay_cut + (size_t)occupation * PAY_CUTS;
    uint32_t band = 0;

    while (band + 1 < PAY_BANDS && cut[band + 1] <= income_usd / PAY_UNIT) {
        band++;
    }
    return band;
}
