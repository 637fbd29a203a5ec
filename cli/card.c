/* card.c - see card.h. */
#include "cli/card.h"

#include "cli/say.h"
#include "common/utf8.h"
#include "query/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 20, SCRATCH_MAX = 1 << 20, NAMES_MAX = 4096 };

/* How a value is put into words. */
enum form {
    FORM_VALUE,
    FORM_LINES, /* a list, an element a line */
    FORM_SCORE, /* OCEAN */
    FORM_USD,   /* dollars a year */
    FORM_RANGE, /* [min, max or null] dollars a year */
    FORM_AGES,  /* a list of ages */
    FORM_NEVER, /* stands in the head of the card, or under a heading alone */
};

struct item {
    const char *heading; /* NULL: under the one above */
    const char *label;   /* "": the text stands alone */
    const char *path;    /* at most two steps */
    enum form form;
};

static const struct item items[] = {
    {NULL, "", "uuid", FORM_NEVER},
    {NULL, "", "first_name", FORM_NEVER},
    {NULL, "", "last_name", FORM_NEVER},
    {NULL, "", "persona", FORM_VALUE},
    {"Person", "Age", "age", FORM_VALUE},
    {NULL, "Sex", "sex", FORM_VALUE},
    {NULL, "Marital status", "marital_status", FORM_VALUE},
    {NULL, "Race, ethnicity", "race_ethnicity", FORM_VALUE},
    {NULL, "Hispanic", "hispanic", FORM_VALUE},
    {NULL, "Languages", "languages", FORM_VALUE},
    {"Home", "City", "city", FORM_VALUE},
    {NULL, "State", "state", FORM_VALUE},
    {NULL, "Zip code", "zipcode", FORM_VALUE},
    {NULL, "Country", "country", FORM_VALUE},
    {NULL, "Household", "household.type", FORM_VALUE},
    {NULL, "People at home", "household.size", FORM_VALUE},
    {NULL, "Own children", "household.children", FORM_AGES},
    {NULL, "Tenure", "household.tenure", FORM_VALUE},
    {NULL, "Household income", "household.income_usd", FORM_RANGE},
    {"School and work", "Education", "education_level", FORM_VALUE},
    {NULL, "Bachelor's field", "bachelors_field", FORM_VALUE},
    {NULL, "Employment", "employment_status", FORM_VALUE},
    {NULL, "Occupation", "occupation", FORM_VALUE},
    {NULL, "Income", "income_usd", FORM_USD},
    {NULL, "At work", "professional_persona", FORM_VALUE},
    {NULL, "Skills", "skills_and_expertise", FORM_VALUE},
    {NULL, "", "skills_and_expertise_list", FORM_LINES},
    {NULL, "Goals", "career_goals_and_ambitions", FORM_VALUE},
    {"Life", "Background", "cultural_background", FORM_VALUE},
    {NULL, "Hobbies", "hobbies_and_interests", FORM_VALUE},
    {NULL, "", "hobbies_and_interests_list", FORM_LINES},
    {NULL, "Sports", "sports_persona", FORM_VALUE},
    {NULL, "Arts", "arts_persona", FORM_VALUE},
    {NULL, "Travel", "travel_persona", FORM_VALUE},
    {NULL, "Food", "culinary_persona", FORM_VALUE},
    {"Personality (T scores: mean 50, standard deviation 10)", "Openness",
     "ocean_openness", FORM_SCORE},
    {NULL, "Conscientiousness", "ocean_conscientiousness", FORM_SCORE},
    {NULL, "Extraversion", "ocean_extraversion", FORM_SCORE},
    {NULL, "Agreeableness", "ocean_agreeableness", FORM_SCORE},
    {NULL, "Neuroticism", "ocean_neuroticism", FORM_SCORE},
    {"Provenance", "Row", "provenance.row", FORM_VALUE},
    {NULL, "Seed", "provenance.seed", FORM_VALUE},
    {NULL, "Recipe", "provenance.recipe_hash", FORM_VALUE},
    {NULL, "Draw", "provenance.draw", FORM_VALUE},
};

struct card {
    const struct scan_value *row;
    unsigned width;
    struct co_buf *out;
    struct co_buf scratch, text;
    const char *heading; /* still to be printed */
    struct co_buf empty; /* names of columns that are null */
};

const char *
card_score_label(uint64_t score)
{
    if (score < 35) return "very low";
    if (score < 45) return "low";
    if (score < 55) return "average";
    if (score < 65) return "high";
    return "very high";
}

/* ---- lines of text ---- */

static size_t
columns_of(const char *p, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; n++) {
        size_t bytes = co_utf8_bytes((const uint8_t *)p + i, len - i);

        i += bytes ? bytes : 1;
    }
    return n;
}

static void
put_spaces(struct co_buf *out, size_t n)
{
    co_buf_printf(out, "%*s", (int)n, "");
}

/* Text from column at on, wrapped between words; further lines are indented
 * by indent. A word longer than a line stands alone and sticks out. */
static void
put_wrapped(struct card *c, const char *text, size_t len, size_t at,
            size_t indent)
{
    const char *end = text + len;

    for (bool first = true; text < end; first = false) {
        const char *space = memchr(text, ' ', (size_t)(end - text));
        size_t bytes = (size_t)((space ? space : end) - text);
        size_t columns = columns_of(text, bytes);

        if (!first && at + 1 + columns > c->width) {
            while (c->out->len && c->out->data[c->out->len - 1] == ' ') {
                c->out->len--; /* a score is aligned by spaces */
            }
            co_buf_putc(c->out, '\n');
            put_spaces(c->out, indent);
            at = indent;
        } else if (!first) {
            co_buf_putc(c->out, ' ');
            at++;
        }
        co_buf_append(c->out, text, bytes);
        at += columns;
        text += bytes + (space != NULL);
    }
    co_buf_putc(c->out, '\n');
}

static void
put_heading(struct card *c)
{
    if (!c->heading) return;
    co_buf_printf(c->out, "\n%s\n", c->heading);
    c->heading = NULL;
}

/* "  Label               text ..." */
static void
put_line(struct card *c, const char *label, const struct co_buf *text)
{
    size_t columns = strlen(label);

    put_heading(c);
    co_buf_printf(c->out, "  %s", label);
    if (columns < LABEL_WIDTH) put_spaces(c->out, LABEL_WIDTH - columns);
    if (columns >= LABEL_WIDTH) co_buf_putc(c->out, ' ');
    put_wrapped(c, (const char *)text->data, text->len,
                2 + co_max_u64(LABEL_WIDTH, columns + 1), 2 + LABEL_WIDTH);
}

/* ---- values in words ---- */

static void
put_dollars(struct co_buf *out, uint64_t usd)
{
    co_buf_putc(out, '$');
    say_count(out, usd);
}

static void
word_range(const struct scan_value *value, struct co_buf *out)
{
    struct scan_walk walk;
    struct scan_value bound;
    uint64_t min, max;

    scan_begin(&walk, value);
    if (!scan_next(&walk, &bound) || !number_u64(&bound, &min)) return;
    if (!scan_next(&walk, &bound)) return;
    if (!number_u64(&bound, &max)) {
        put_dollars(out, min);
        co_buf_puts(out, " or more a year");
        return;
    }
    if (min == 0) {
        co_buf_puts(out, "up to ");
    } else {
        put_dollars(out, min);
        co_buf_puts(out, " to ");
    }
    put_dollars(out, max);
    co_buf_puts(out, " a year");
}

static void
word_score(const struct scan_value *value, struct co_buf *out)
{
    enum { LOW = 20, HIGH = 80, POINTS = 2 };
    uint64_t score;

    if (!number_u64(value, &score)) return;
    co_buf_printf(out, "%2" PRIu64 "  %-9s  ", score, card_score_label(score));
    if (score < LOW || score > HIGH) return;
    for (uint64_t at = LOW; at <= HIGH; at += POINTS) {
        bool here = score >= at && score < at + POINTS;

        co_buf_putc(out, here ? '#' : at == 50 ? '|' : '-');
    }
}

static void
word_ages(const struct scan_value *value, struct co_buf *scratch,
          struct co_buf *out)
{
    size_t before = out->len;

    render_value(value, scratch, out);
    if (out->len == before) {
        co_buf_puts(out, value->type == SCAN_ARRAY ? "none" : "");
    } else {
        co_buf_puts(out, " years old");
    }
}

/* c->text becomes the value in words. */
static void
word(struct card *c, const struct scan_value *value, enum form form)
{
    uint64_t n;

    co_buf_clear(&c->text);
    if (form == FORM_USD && number_u64(value, &n)) {
        put_dollars(&c->text, n);
        co_buf_puts(&c->text, " a year");
    } else if (form == FORM_SCORE) {
        word_score(value, &c->text);
    } else if (form == FORM_RANGE) {
        word_range(value, &c->text);
    } else if (form == FORM_AGES) {
        word_ages(value, &c->scratch, &c->text);
    }
    /* What is not of the form that was expected is shown as it is. */
    if (c->text.len == 0) render_value(value, &c->scratch, &c->text);
}

/* ---- items ---- */

static struct scan_value
value_at(const struct scan_value *row, const char *path)
{
    const char *dot = strchr(path, '.');
    struct scan_value outer;
    char name[64];

    if (!dot) return scan_member(row, path);
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
    outer = scan_member(row, name);
    return scan_member(&outer, dot + 1);
}

static void
put_empty(struct card *c, const char *name, size_t len)
{
    if (c->empty.len) co_buf_puts(&c->empty, ", ");
    render_plain(name, len, &c->empty);
}

static void
put_lines(struct card *c, const char *label, const struct scan_value *list)
{
    struct scan_walk walk;
    struct scan_value value;

    scan_begin(&walk, list);
    while (scan_next(&walk, &value)) {
        co_buf_clear(&c->text);
        co_buf_puts(&c->text, "- ");
        render_value(&value, &c->scratch, &c->text);
        put_line(c, label, &c->text);
        label = "";
    }
}

/* The portrait under the head of the card: full width, no label. */
static void
put_portrait(struct card *c)
{
    co_buf_putc(c->out, '\n');
    put_spaces(c->out, 2);
    put_wrapped(c, (const char *)c->text.data, c->text.len, 2, 2);
}

static void
put_item(struct card *c, const struct item *item)
{
    struct scan_value value = value_at(c->row, item->path);

    if (item->heading) c->heading = item->heading;
    if (value.type == SCAN_NULL) put_empty(c, item->path, strlen(item->path));
    if (value.type == SCAN_NULL || value.type == SCAN_MISSING ||
        item->form == FORM_NEVER) {
        return;
    }
    if (item->form == FORM_LINES && value.type == SCAN_ARRAY) {
        put_lines(c, item->label, &value);
        return;
    }
    word(c, &value, item->form);
    if (!item->heading && !item->label[0]) {
        put_portrait(c);
    } else {
        put_line(c, item->label, &c->text);
    }
}

/* ---- columns without an item ---- */

/* An item's path is the column, or goes through it. */
static bool
is_known(const struct scan_value *outer, const struct scan_value *member)
{
    for (size_t i = 0; i < co_countof(items); i++) {
        const char *path = items[i].path, *dot = strchr(path, '.');
        size_t first = dot ? (size_t)(dot - path) : strlen(path);
        const struct scan_value *want = outer ? outer : member;

        if (first != want->key_len || memcmp(path, want->key, first) != 0) {
            continue;
        }
        if (!outer) return true;
        if (dot && strlen(dot + 1) == member->key_len &&
            memcmp(dot + 1, member->key, member->key_len) == 0) {
            return true;
        }
    }
    return false;
}

/* A column that is shown by its members only; null, it has none. */
static bool
is_split(const struct scan_value *member)
{
    for (size_t i = 0; i < co_countof(items); i++) {
        const char *path = items[i].path, *dot = strchr(path, '.');

        if (dot && (size_t)(dot - path) == member->key_len &&
            memcmp(path, member->key, member->key_len) == 0) {
            return true;
        }
    }
    return false;
}

static void
put_more(struct card *c, const struct scan_value *outer,
         const struct scan_value *member)
{
    char label[64];

    (void)snprintf(label, sizeof label, "%.*s%s%.*s",
                   outer ? (int)co_min_u64(outer->key_len, 28) : 0,
                   outer ? outer->key : "", outer ? "." : "",
                   (int)co_min_u64(member->key_len, 28), member->key);
    if (member->type == SCAN_NULL) {
        put_empty(c, label, strlen(label));
        return;
    }
    word(c, member, FORM_VALUE);
    put_line(c, label, &c->text);
}

/* Once more for the members of an object, not deeper. */
static void
// NOLINTNEXTLINE(misc-no-recursion): see above
put_unknown_of(struct card *c, const struct scan_value *object,
               const struct scan_value *outer)
{
    struct scan_walk walk;
    struct scan_value member;

    scan_begin(&walk, object);
    while (scan_next(&walk, &member)) {
        if (!outer && member.type == SCAN_OBJECT) {
            put_unknown_of(c, &member, &member);
        } else if (!outer && member.type == SCAN_NULL && is_split(&member)) {
            put_empty(c, member.key, member.key_len);
        } else if (!is_known(outer, &member)) {
            put_more(c, outer, &member);
        }
    }
}

/* ---- the card ---- */

static void
put_part(struct card *c, const char *name, const char *between)
{
    struct scan_value value = scan_member(c->row, name);

    if (value.type == SCAN_MISSING || value.type == SCAN_NULL) return;
    if (c->text.len) co_buf_puts(&c->text, between);
    render_value(&value, &c->scratch, &c->text);
}

static void
put_head(struct card *c, const char *from)
{
    co_buf_clear(&c->text);
    put_part(c, "first_name", "");
    put_part(c, "last_name", " ");
    put_part(c, "age", ", ");
    put_part(c, "city", ", ");
    put_part(c, "state", ", ");
    put_wrapped(c, (const char *)c->text.data, c->text.len, 0, 0);
    co_buf_clear(&c->text);
    put_part(c, "uuid", "");
    co_buf_puts(&c->text, c->text.len ? " in " : "in ");
    render_plain(from, strlen(from), &c->text);
    put_wrapped(c, (const char *)c->text.data, c->text.len, 0, 0);
}

void
card_write(const struct scan_value *row, const char *from, unsigned width,
           struct co_buf *out)
{
    struct card c = {
        .row = row,
        .width = (unsigned)co_clamp_u64(width, CARD_WIDTH_MIN, CARD_WIDTH_MAX),
        .out = out};

    co_buf_init(&c.scratch, SCRATCH_MAX);
    co_buf_init(&c.text, SCRATCH_MAX);
    co_buf_init(&c.empty, NAMES_MAX);
    put_head(&c, from);
    for (size_t i = 0; i < co_countof(items); i++) {
        put_item(&c, &items[i]);
    }
    c.heading = "More";
    put_unknown_of(&c, row, NULL);
    if (c.empty.len) {
        c.heading = "Without a value";
        put_heading(&c);
        put_spaces(out, 2);
        put_wrapped(&c, (const char *)c.empty.data, c.empty.len, 2, 2);
    }
    co_buf_fini(&c.scratch);
    co_buf_fini(&c.text);
    co_buf_fini(&c.empty);
}
