/* test_findings.c - figures beyond a limit become a finding, others do not,
 * and docs/playbook.md is the same table as the code. */
#include "audit/findings.h"
#include "tests/unit/population.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct model *m;
    struct sampler *s;
    struct joints joints;
    struct audit_figures figures;
    struct finding_facts facts;
    struct finding found[FINDINGS_MAX];
};

static int
set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    f.m = given_model();
    f.s = given_sampler(f.m, 42, NULL, 0);
    joints_init(&f.joints, f.m);
    f.figures.rows = 1000;
    f.facts = (struct finding_facts){.figures = &f.figures,
                                     .joints = &f.joints,
                                     .sampler = f.s,
                                     .requested = 1000,
                                     .drawn = 1000,
                                     .accepted = 1000};
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    sampler_free(f->s);
    model_free(f->m);
    return 0;
}

static const struct finding *
only_finding(struct fixture *f, enum finding_id id)
{
    unsigned n = findings_find(&f->facts, f->found);

    assert_int_equal(n, 1);
    assert_int_equal(f->found[0].id, id);
    return &f->found[0];
}

static void
nothing_found_is_nothing_said(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(findings_find(&f->facts, f->found), 0);
}

static void
a_broken_rule_is_named_with_its_rows(void **state)
{
    struct fixture *f = *state;

    f->figures.broken[RULE_MARRIED] = 3;
    assert_non_null(strstr(only_finding(f, FINDING_RULE_BROKEN)->cause,
                           "rule married fails on 3 of 1000 rows"));
}

static void
missing_rows_say_how_many_there_are(void **state)
{
    struct fixture *f = *state;

    f->facts.accepted = 700;
    f->facts.rejected = 300;
    assert_non_null(
        strstr(only_finding(f, FINDING_PARTIAL)->action, "rows: 700"));
}

static void
a_joint_above_its_noise_names_the_worst_cell(void **state)
{
    struct fixture *f = *state;

    f->figures.joints[JOINT_RACE_STATE] =
        (struct comparison){.target = EXPECTED_EXACT,
                            .n = 1000,
                            .cells = 357,
                            .tv = 0.2,
                            .floor = 0.1,
                            .z = 9,
                            .worst = {{0, 300, 100}},
                            .worst_n = 1};
    assert_non_null(strstr(only_finding(f, FINDING_JOINT_OFF)->cause,
                           "300 instead of 100"));
    assert_non_null(strstr(f->found[0].effect, "0.10000 instead of 0.20000"));
    f->figures.joints[JOINT_RACE_STATE].target = EXPECTED_ABOUT;
    (void)only_finding(f, FINDING_TARGET_ABOUT);
}

static void
noise_asks_for_more_rows(void **state)
{
    struct fixture *f = *state;

    f->figures.joints[JOINT_RACE_STATE] =
        (struct comparison){.target = EXPECTED_EXACT,
                            .n = 1000,
                            .cells = 357,
                            .tv = 0.1,
                            .floor = 0.1,
                            .z = 0};
    assert_string_equal(only_finding(f, FINDING_TOO_FEW_ROWS)->action,
                        "rows: 4000");
}

static void
neighbours_alike_are_told_with_their_lag(void **state)
{
    struct fixture *f = *state;

    f->figures.lags[ATTR_AGE] =
        (struct lags_result){.n = 10000, .r = 0.06, .lag = 7, .noise = 0.01};
    assert_non_null(strstr(only_finding(f, FINDING_NEIGHBOURS_ALIKE)->cause,
                           "age: autocorrelation 0.0600 at lag 7"));
    f->figures.lags[ATTR_AGE].r = 0.04;
    assert_int_equal(findings_find(&f->facts, f->found), 0);
}

static void
rejected_candidates_name_the_condition(void **state)
{
    struct fixture *f = *state;
    const char *const level[] = {"Widowed"};
    const struct condition c = {
        .attribute = "marital_status", .values = level, .n_values = 1};
    struct sampler *s = given_sampler(f->m, 42, &c, 1);

    f->facts.sampler = s;
    f->facts.drawn = 10000;
    f->facts.rejected = 9000;
    assert_non_null(strstr(only_finding(f, FINDING_LOW_ACCEPTANCE)->cause,
                           "marital_status"));
    assert_non_null(strstr(f->found[0].effect, "10 times"));
    sampler_free(s);
}

static void
a_strong_mix_is_told(void **state)
{
    struct fixture *f = *state;
    const struct mix_weight mix = {
        .attribute = ATTR_STATE, .value = "CA", .weight = 10 * MIX_ONE};
    const struct sampler_wish wish = {.seed = 42, .mix = &mix, .n_mix = 1};
    struct co_diag diag = {""};
    struct sampler *s = NULL;

    assert_int_equal(sampler_make(f->m, &wish, &diag, &s), CO_OK);
    f->facts.sampler = s;
    (void)only_finding(f, FINDING_MIX_FAR);
    sampler_free(s);
}

static void
at_most_ten_are_told(void **state)
{
    struct fixture *f = *state;

    for (unsigned id = 0; id < RULE_COUNT; id++) {
        f->figures.broken[id] = 1;
    }
    f->facts.dead = 1;
    assert_int_equal(findings_find(&f->facts, f->found), FINDINGS_MAX);
}

/* --- the document ------------------------------------------------------ */

static char *
document(const char *path)
{
    char full[1024], *text;
    FILE *file;
    size_t n;

    (void)snprintf(full, sizeof full, "%s/%s", CO_SOURCE_DIR, path);
    file = fopen(full, "re");
    if (!file) fail_msg("%s cannot be opened", full);
    text = calloc(1, 1 << 18);
    assert_non_null(text);
    n = fread(text, 1, (1 << 18) - 1, file);
    assert_true(n > 0);
    (void)fclose(file);
    return text;
}

static void
the_playbook_has_every_line_as_it_is(void **state)
{
    char *text = document("docs/playbook.md"), line[2048];

    (void)state;
    for (unsigned id = 0; id < FINDING_COUNT; id++) {
        const struct playbook_line *p = finding_line((enum finding_id)id);

        (void)snprintf(line, sizeof line, "| `%s` | %s | %s | %s | %s | %s |\n",
                       p->finding, p->when, p->cause, p->action, p->effect,
                       p->estimate);
        if (!strstr(text, line)) fail_msg("docs/playbook.md lacks:\n%s", line);
    }
    free(text);
}

static void
the_rules_are_listed_as_they_are(void **state)
{
    char *text = document("docs/population.md"), line[1024];

    (void)state;
    for (unsigned id = 0; id < RULE_COUNT; id++) {
        const struct rule *r = rule_get((enum rule_id)id);

        (void)snprintf(line, sizeof line, "| `%s` | %s |\n", r->name, r->text);
        if (!strstr(text, line)) {
            fail_msg("docs/population.md lacks:\n%s", line);
        }
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(nothing_found_is_nothing_said),
        T(a_broken_rule_is_named_with_its_rows),
        T(missing_rows_say_how_many_there_are),
        T(a_joint_above_its_noise_names_the_worst_cell),
        T(noise_asks_for_more_rows),
        T(neighbours_alike_are_told_with_their_lag),
        T(rejected_candidates_name_the_condition),
        T(a_strong_mix_is_told),
        T(at_most_ten_are_told),
        T(the_playbook_has_every_line_as_it_is),
        T(the_rules_are_listed_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
