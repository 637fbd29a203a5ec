/* dataset_card.c - see dataset_card.h. */
#include "rows/dataset_card.h"
#include "common/json.h"
#include "rows/columns.h"
#include "rows/generator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Candidates tried for an example; conditions may reject nearly all. */
enum { EXAMPLE_TRIES = 100000, THOUSANDS_BYTES = 32, PART_BYTES = 600 };

/* "1,234,567"; to has THOUSANDS_BYTES. */
static const char *
thousands(uint64_t v, char *to)
{
    char digits[24];
    size_t n, at = 0;

    n = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) to[at++] = ',';
        to[at++] = digits[i];
    }
    to[at] = 0;
    return to;
}

/* --- front matter ------------------------------------------------------ */

static const char *
size_category(uint64_t rows)
{
    static const struct {
        uint64_t below;
        const char *name;
    } sizes[] = {
        {1000, "n<1K"},
        {10000, "1K<n<10K"},
        {100000, "10K<n<100K"},
        {1000000, "100K<n<1M"},
        {10000000, "1M<n<10M"},
        {100000000, "10M<n<100M"},
        {1000000000, "100M<n<1B"},
        {10000000000, "1B<n<10B"},
        {100000000000, "10B<n<100B"},
        {1000000000000, "100B<n<1T"},
    };

    for (size_t i = 0; i < co_countof(sizes); i++) {
        if (rows < sizes[i].below) return sizes[i].name;
    }
    return "n>1T";
}

/* Whether tables, phrases or a model of the job's own are in the rows: what
 * licence those have, the recipe does not say. */
static bool
own_material(const json_t *recipe)
{
    return json_object_get(recipe, "tables") ||
           json_object_get(recipe, "words") ||
           json_object_get(recipe, "writer");
}

/* The model that wrote the texts; NULL: none did. */
static const char *
model_of(const json_t *recipe)
{
    return json_string_value(
        json_object_get(json_object_get(recipe, "writer"), "model"));
}

static void
put_front(const struct dataset_facts *f, const json_t *recipe,
          struct co_buf *out)
{
    co_buf_printf(out,
                  "---\n"
                  "pretty_name: %s\n"
                  "license: %s\n"
                  "language:\n- en\n"
                  "size_categories:\n- %s\n"
                  "task_categories:\n- text-generation\n"
                  "tags:\n- synthetic\n- personas\n- demographics\n"
                  "configs:\n- config_name: default\n  data_files: "
                  "part-*.jsonl.zst\n"
                  "---\n\n",
                  f->name, own_material(recipe) ? "other" : "cc-by-4.0",
                  size_category(f->rows));
}

/* --- what is in it ----------------------------------------------------- */

/* A part of the recipe as JSON, unless it is long. */
static void
put_part(const json_t *part, struct co_buf *out)
{
    char *text = json_dumps(part, JSON_COMPACT | JSON_ENSURE_ASCII);
    bool shown = text && strlen(text) <= PART_BYTES;

    co_buf_printf(out, "%s%s%s", shown ? "`" : "",
                  shown ? text : "see the recipe at the end", shown ? "`" : "");
    free(text);
}

/* Who is in it, and who would be missed: conditions and weights. */
static void
put_whom(const json_t *recipe, struct co_buf *out)
{
    const json_t *where = json_object_get(recipe, "where");
    const json_t *mix = json_object_get(recipe, "mix");

    if (!json_object_size(where) && !mix) {
        co_buf_puts(out, "No conditions and no weights: people have their "
                         "share of the population.\n\n");
        return;
    }
    co_buf_puts(out, "Not everybody, or not in proportion. ");
    if (json_object_size(where)) {
        co_buf_puts(out, "Only who fulfils (`where`): ");
        put_part(where, out);
        co_buf_puts(out, ". ");
    }
    if (mix) {
        co_buf_puts(out, "Drawn with other weights than the population has "
                         "(`mix`, in millionths): ");
        put_part(mix, out);
        co_buf_puts(out, ". ");
    }
    co_buf_puts(out, "The audit's targets are of the same people.\n\n");
}

static void
put_summary(const struct dataset_facts *f, const json_t *recipe,
            struct co_buf *out)
{
    char rows[THOUSANDS_BYTES], bytes[THOUSANDS_BYTES];

    co_buf_printf(out, "# %s\n\n", f->name);
    co_buf_printf(
        out,
        "%s synthetic people%s, made by %s from published statistics. Nobody "
        "in here exists: every value is drawn from the tables named below, "
        "jointly where a joint table exists%s. A likeness to a living person "
        "is chance.\n\n",
        thousands(f->rows, rows),
        f->level == ROW_TEXTS ? " with texts about them" : "", CO_PROGRAM,
        f->level != ROW_TEXTS ? ""
        : model_of(recipe)    ? ", and a language model wrote the texts"
                              : ", and the texts are built from the values");
    put_whom(recipe, out);
    co_buf_printf(
        out,
        "%llu file%s `part-*.jsonl.zst` (JSON lines, zstd), %s bytes a row "
        "uncompressed. `MANIFEST.json` has their hashes, `report.json` all "
        "figures of the audit.\n\n",
        (unsigned long long)f->files, f->files == 1 ? "" : "s",
        thousands(f->rows ? f->raw_bytes / f->rows : 0, bytes));
    co_buf_puts(out, f->bill);
}

/* The first row that the conditions accept, parsed; NULL when none is near. */
static json_t *
example_row(const struct dataset_facts *f)
{
    struct co_buf line;
    struct person p;
    json_t *row = NULL;

    co_buf_init(&line, ROW_MAX_BYTES);
    for (uint64_t i = 0; i < EXAMPLE_TRIES && !row; i++) {
        sampler_draw(f->sampler, i, &p);
        if (!sampler_accepts(f->sampler, &p)) continue;
        row_write(f->sampler, &p, f->level, &line);
        row = json_loadb((const char *)line.data, line.len, 0, NULL);
        break;
    }
    co_buf_fini(&line);
    return row;
}

/* Whether the column is written, by the built-in writer or a model. */
static bool
is_text(const struct column *c, bool world)
{
    const struct column *text = column_find("persona", world);

    return c && text && strcmp(c->source, text->source) == 0;
}

static void
put_columns(json_t *row, bool world, const char *model, struct co_buf *out)
{
    const char *key;
    json_t *value;

    co_buf_puts(out, "## Columns\n\n| column | type | meaning | source |\n"
                     "|---|---|---|---|\n");
    json_object_foreach(row, key, value)
    {
        const struct column *c = column_find(key, world);

        (void)value;
        if (!c) {
            co_buf_printf(out,
                          "| `%s` | text | null for whom its table has no "
                          "line | the job's own table |\n",
                          key);
            continue;
        }
        co_buf_printf(out, "| `%s` | %s | %s | %s |\n", c->name, c->type,
                      c->meaning,
                      model && is_text(c, world) ? "the model" : c->source);
    }
    co_buf_puts(
        out,
        "\n`zipcode` is null in every row: no table ties postal codes to the "
        "places and people used here, and a code made up would look like a "
        "fact. The column stays, so that readers of Nemotron-Personas find "
        "every name they know.\n\n");
}

/* What a model wrote is in the files alone: it is not made again for this. */
static void
drop_texts(json_t *row, bool world)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(row, next, key, value)
    {
        (void)value;
        if (is_text(column_find(key, world), world)) json_object_del(row, key);
    }
}

static void
put_example(json_t *row, bool world, const char *model, struct co_buf *out)
{
    char *text;

    if (model) drop_texts(row, world);
    text = json_dumps(row, JSON_INDENT(2));
    if (!text) return;
    co_buf_printf(out, "## A row%s\n\n```json\n",
                  model ? ", without its texts" : "");
    co_buf_puts(out, text);
    co_buf_puts(out, "\n```\n\n");
    free(text);
}

/* The count is asserted because a part has many zstd frames, of which some
 * decompressors read the first only. */
static void
put_loading(const struct dataset_facts *f, struct co_buf *out)
{
    co_buf_printf(
        out,
        "## Loading\n\n```python\n"
        "# pip install datasets pandas zstandard; in this folder\n"
        "import datasets\n"
        "people = datasets.load_dataset(\"json\", "
        "data_files=\"part-*.jsonl.zst\", split=\"train\")\n\n"
        "import glob, pandas\n"
        "people = pandas.concat((pandas.read_json(part, lines=True)\n"
        "                        for part in "
        "sorted(glob.glob(\"part-*.jsonl.zst\"))), ignore_index=True)\n\n"
        "assert len(people) == %llu\n```\n\n"
        "A part has many zstd frames: a program that reads only the first "
        "loses rows, hence the last line. Without Python: `zstdcat "
        "part-*.jsonl.zst`, or `%s export --format csv OUT` for one flat "
        "table. Null means that a column does not apply to the person or "
        "that no table tells (see above). The order of rows means "
        "nothing.\n\n",
        (unsigned long long)f->rows, CO_PROGRAM);
}

/* --- audit ------------------------------------------------------------- */

static void
put_joints(const struct dataset_facts *f, struct co_buf *out)
{
    char n[THOUSANDS_BYTES];

    co_buf_puts(out,
                "## Audit\n\nTV is the total variation between the rows and "
                "their target: the share of people who would have to change "
                "cells. The floor is what exact independent draws of as many "
                "people show on average, z how many standard deviations the "
                "rows lie above it: up to 3 is noise, and stratified draws "
                "lie below 0. V is the change in Cramer's V, the strength of "
                "association, beyond noise. Where the target says \"about\", a "
                "condition is left out of it. Worst cells: `report.json`.\n\n"
                "| joint | target | people | cells | TV | floor | z | JS | V "
                "|\n|---|---|---|---|---|---|---|---|---|\n");
    for (unsigned id = 0; id < JOINT_COUNT; id++) {
        const struct comparison *c = &f->figures->joints[id];
        const struct joint *joint = joint_get((enum joint_id)id);

        if (c->cells == 0 || c->target == EXPECTED_NONE) continue;
        co_buf_printf(
            out, "| %s (%s) | %s%s | %s | %u | %.5f | %.5f | %.1f | %.5f ",
            joint_name(f->joints, (enum joint_id)id), joint->who,
            c->target == EXPECTED_EXACT ? "" : "about ", joint->source,
            thousands(c->n, n), c->cells, c->tv, c->floor, c->z, c->js);
        if (joint->column) co_buf_puts(out, "| - |\n");
        if (!joint->column) co_buf_printf(out, "| %+.4f |\n", c->v_change);
    }
    co_buf_putc(out, '\n');
}

static void
put_rules(const struct dataset_facts *f, struct co_buf *out)
{
    uint64_t broken = 0;
    unsigned n = 0;
    char rows[THOUSANDS_BYTES];

    for (unsigned id = 0; id < RULE_COUNT; id++) {
        n += rule_speaks(f->joints->m, (enum rule_id)id);
        broken += f->figures->broken[id];
    }
    co_buf_printf(out,
                  "%u hard rules (%s; all in `report.json`) were checked on "
                  "each of %s rows: ",
                  n,
                  f->joints->m->world ? "the city lies in the country ..."
                                      : "a doctor has the degree, nobody is "
                                        "married under 18 ...",
                  thousands(f->figures->rows, rows));
    if (broken == 0) {
        co_buf_puts(out, "none fails.\n\n");
        return;
    }
    co_buf_puts(out, "these fail:\n\n");
    for (unsigned id = 0; id < RULE_COUNT; id++) {
        if (!f->figures->broken[id]) continue;
        co_buf_printf(out, "- %s On %s rows.\n",
                      rule_get((enum rule_id)id)->text,
                      thousands(f->figures->broken[id], rows));
    }
    co_buf_putc(out, '\n');
}

static void
put_lags(const struct dataset_facts *f, struct co_buf *out)
{
    const struct lags_result *most = NULL;
    unsigned which = 0;
    char rows[THOUSANDS_BYTES];

    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        const struct lags_result *r = &f->figures->lags[id];

        if (!r->n ||
            (most && fabs(r->r / r->noise) <= fabs(most->r / most->noise))) {
            continue;
        }
        most = r;
        which = id;
    }
    if (!most) return;
    co_buf_printf(out,
                  "Neighbouring rows: over lags 1-50 of every column, on %s "
                  "sampled rows, the largest autocorrelation against its "
                  "noise is %.4f (`%s`, lag %u; noise %.4f).\n\n",
                  thousands(most->n, rows), most->r,
                  attribute_get((enum attribute_id)which)->name, most->lag,
                  most->noise);
}

static void
put_findings(const struct dataset_facts *f, struct co_buf *out)
{
    if (!f->n_findings) return;
    co_buf_puts(out, "### What could be better\n\n");
    for (unsigned i = 0; i < f->n_findings; i++) {
        co_buf_printf(out, "- %s. *Do*: %s. *Expect*: %s.\n",
                      f->findings[i].cause, f->findings[i].action,
                      f->findings[i].effect);
    }
    co_buf_putc(out, '\n');
}

/* --- where it is from -------------------------------------------------- */

static void
put_chapter(const struct dataset_facts *f, const char *section,
            const char *title, struct co_buf *out)
{
    struct model_text t = model_document(sampler_model(f->sampler), section);

    if (!t.data) return;
    co_buf_printf(out, "## %s\n\n", title);
    co_buf_append(out, t.data, t.len);
    co_buf_putc(out, '\n');
}

static void
put_own_tables(const json_t *recipe, struct co_buf *out)
{
    const json_t *tables = json_object_get(recipe, "tables");
    const json_t *table;
    size_t i;

    co_buf_puts(out, "**Tables of the job's own** come on top of these:");
    json_array_foreach(tables, i, table)
    {
        const char *name =
            json_string_value(json_object_get(table, "attribute"));

        co_buf_printf(out, "%s `%s` given ", i ? ";" : "", name ? name : "?");
        put_part(json_object_get(table, "given"), out);
    }
    co_buf_puts(out, ". They are part of the audit's targets. Where "
                     "they are from, and their licence, stands in their "
                     "`manifest.yaml`, not in the recipe; the licences above "
                     "do not speak for them.\n\n");
}

static void
put_sources(const struct dataset_facts *f, const json_t *recipe,
            struct co_buf *out)
{
    put_chapter(f, "doc.sources", "Sources and licences", out);
    co_buf_puts(out,
                "Of these licences the strictest is CC BY 4.0: whoever passes "
                "the rows on keeps the notices above with them. ");
    co_buf_puts(out, model_of(recipe)
                         ? "The texts are a model's: what its maker's terms "
                           "say of its answers is not known here.\n\n"
                         : "Texts and phrases are the project's own.\n\n");
    if (json_object_get(recipe, "tables")) put_own_tables(recipe, out);
    if (json_object_get(recipe, "words")) {
        co_buf_puts(out, "Phrases of the job's own stand in the texts too "
                         "(`words` in the recipe); their licence is not "
                         "known here.\n\n");
    }
}

static void
put_limits(const struct dataset_facts *f, const json_t *recipe,
           struct co_buf *out)
{
    co_buf_puts(
        out,
        "## Uses and limits\n\nGood for test data, prompts, simulations and "
        "studies that need people in realistic proportions. Not for "
        "statements about real persons or for measuring a population: the "
        "tables themselves do that better. What the tables do not join is "
        "independent here (see above), so real associations beyond them are "
        "missing. Personality is drawn from norms and goes with nothing but "
        "sex and age.");
    if (f->level == ROW_TEXTS && model_of(recipe)) {
        co_buf_printf(out,
                      " The texts are by the language model `%s`, which was "
                      "shown the row's values and the prompts in the recipe "
                      "below; each row says which model answered. What a "
                      "model adds is measured nowhere, and may repeat what "
                      "it was trained on, stereotypes too.",
                      model_of(recipe));
    } else if (f->level == ROW_TEXTS) {
        co_buf_puts(out, " The texts are templates filled with the row's "
                         "values and with phrases from lists, no language "
                         "model wrote them: sentence plans recur, and hobbies, "
                         "skills and tastes in them are drawn from lists, not "
                         "measured anywhere.");
    }
    co_buf_puts(out, "\n\n");
}

static void
put_regenerate(const struct dataset_facts *f, const json_t *recipe,
               struct co_buf *out)
{
    const struct model *m = sampler_model(f->sampler);

    co_buf_printf(
        out,
        "## The same rows again\n\n%s With %s, generator version "
        "%d, population model %016llx and the job file that holds this "
        "recipe (hash %016llx):\n\n```json\n",
        model_of(recipe)
            ? "All columns but the texts are a function of the recipe and the "
              "seed; a model asked again writes other texts."
            : "Rows are a function of the recipe and the seed, whatever the "
              "number of workers.",
        CO_PROGRAM, GENERATOR_VERSION, (unsigned long long)model_hash(m),
        (unsigned long long)f->recipe_hash);
    co_buf_append(out, f->recipe, f->recipe_len);
    co_buf_printf(out,
                  "\n```\n\nrun `%s run JOB.yaml --rows %llu`, and compare "
                  "`MANIFEST.json`. More rows extend the corpus: the first "
                  "ones stay.\n",
                  CO_PROGRAM, (unsigned long long)f->rows);
}

void
dataset_card_write(const struct dataset_facts *f, struct co_buf *out)
{
    json_t *row = example_row(f);
    json_t *recipe = json_loadb(f->recipe, f->recipe_len, 0, NULL);
    bool world = f->joints->m->world;

    put_front(f, recipe, out);
    put_summary(f, recipe, out);
    if (row) put_columns(row, world, model_of(recipe), out);
    if (row) put_example(row, world, model_of(recipe), out);
    put_loading(f, out);
    put_joints(f, out);
    put_rules(f, out);
    put_lags(f, out);
    put_findings(f, out);
    put_sources(f, recipe, out);
    put_chapter(f, "doc.left.out", "Whom the sources leave out", out);
    put_chapter(f, "doc.assumed", "What is assumed", out);
    put_limits(f, recipe, out);
    put_regenerate(f, recipe, out);
    json_decref(row);
    json_decref(recipe);
}
