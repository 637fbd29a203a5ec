/* audit_report.c - see audit_report.h. */
#include "audit/audit_report.h"

#include <math.h>

static void
put_figure(struct co_json *json, const char *key, double value,
           unsigned decimals)
{
    double scale = pow(10, decimals);

    co_json_key(json, key);
    co_json_fixed(json, llround(value * scale), decimals);
}

static void
put_cell(struct co_json *json, const struct joints *j, enum joint_id id,
         const struct compare_cell *cell)
{
    struct co_buf label;

    co_buf_init(&label, 4096);
    joint_label(j, id, cell->cell, &label);
    co_json_object(json);
    co_json_put_text(json, "cell", co_buf_text(&label));
    co_json_put_u64(json, "observed", cell->observed);
    put_figure(json, "expected", cell->expected, 1);
    co_json_end(json);
    co_buf_fini(&label);
}

static const char *
target_text(enum expected target)
{
    return target == EXPECTED_EXACT ? "exact"
                                    : "approximate under these conditions";
}

static void
put_joint(struct co_json *json, const struct joints *j, enum joint_id id,
          const struct comparison *c)
{
    const struct joint *joint = joint_get(id);

    co_json_object(json);
    co_json_put_text(json, joint->column ? "column" : "joint",
                     joint_name(j, id));
    co_json_put_text(json, "who", joint->who);
    co_json_put_text(json, "resolution", joint->resolution);
    co_json_put_text(json, "source", joint->source);
    co_json_put_text(json, "target", target_text(c->target));
    co_json_put_u64(json, "n", c->n);
    co_json_put_u64(json, "cells", c->cells);
    put_figure(json, "tv", c->tv, 6);
    put_figure(json, "floor", c->floor, 6);
    put_figure(json, "sd", c->sd, 6);
    put_figure(json, "excess", c->excess, 6);
    put_figure(json, "z", c->z, 2);
    put_figure(json, "js", c->js, 6);
    put_figure(json, "srmse", c->srmse, 6);
    if (!joint->column) {
        put_figure(json, "cramers_v", c->v, 4);
        put_figure(json, "cramers_v_change", c->v_change, 4);
    }
    co_json_key(json, "worst");
    co_json_array(json);
    for (unsigned i = 0; i < c->worst_n; i++) {
        put_cell(json, j, id, &c->worst[i]);
    }
    co_json_end(json);
    co_json_end(json);
}

static void
put_joints(struct co_json *json, const struct audit_figures *f,
           const struct joints *j, bool columns)
{
    co_json_key(json, columns ? "columns" : "joints");
    co_json_array(json);
    for (unsigned id = 0; id < JOINT_COUNT; id++) {
        const struct comparison *c = &f->joints[id];

        if (joint_get((enum joint_id)id)->column != columns) continue;
        if (c->cells == 0 || c->target == EXPECTED_NONE) continue;
        put_joint(json, j, (enum joint_id)id, c);
    }
    co_json_end(json);
}

static void
put_lags(struct co_json *json, const struct audit_figures *f)
{
    co_json_key(json, "autocorrelation");
    co_json_object(json);
    co_json_put_text(json, "sample",
                     "rows of the grid cells of 250 candidates whose number "
                     "is 0 mod 16, taken round within a cell");
    co_json_put_u64(json, "rows", f->sampled);
    co_json_put_text(json, "lags", "1-50");
    co_json_key(json, "columns");
    co_json_array(json);
    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        const struct lags_result *r = &f->lags[id];

        if (r->n == 0) continue;
        co_json_object(json);
        co_json_put_text(json, "column",
                         attribute_get((enum attribute_id)id)->name);
        put_figure(json, "largest", r->r, 5);
        co_json_put_u64(json, "lag", r->lag);
        put_figure(json, "noise", r->noise, 5);
        put_figure(json, "z", r->r / r->noise, 2);
        co_json_end(json);
    }
    co_json_end(json);
    co_json_end(json);
}

static void
put_rules(struct co_json *json, const struct audit_figures *f,
          const struct model *m)
{
    co_json_key(json, "rules");
    co_json_array(json);
    for (unsigned id = 0; id < RULE_COUNT; id++) {
        const struct rule *rule = rule_get((enum rule_id)id);
        uint64_t kept = f->rows - f->broken[id];

        if (!rule_speaks(m, (enum rule_id)id)) continue;
        co_json_object(json);
        co_json_put_text(json, "rule", rule->name);
        co_json_put_text(json, "text", rule->text);
        co_json_put_u64(json, "rows", f->rows);
        co_json_put_u64(json, "broken", f->broken[id]);
        put_figure(json, "pass_rate",
                   f->rows ? (double)kept / (double)f->rows : 1, 6);
        co_json_end(json);
    }
    co_json_end(json);
}

void
audit_report(const struct audit_figures *f, const struct joints *j,
             struct co_json *json)
{
    put_joints(json, f, j, false);
    put_joints(json, f, j, true);
    put_lags(json, f);
    put_rules(json, f, j->m);
}
