/* facts.c - see facts.h. */
#include "prose/facts.h"

#include "prose/out.h"

#include <string.h>

#define BIT(v) (1U << (v))
#define ALL CLASS_COUNT, 0

enum {
    HAS_ROLE = BIT(STAGE_TEEN_WORK) | BIT(STAGE_EMPLOYED) | BIT(STAGE_ARMED) |
               BIT(STAGE_UNEMPLOYED) | BIT(STAGE_RETIRED),
    HAD_ROLE = BIT(STAGE_UNEMPLOYED) | BIT(STAGE_RETIRED),
    DEGREES = BIT(5) | BIT(6),          /* bachelor, graduate */
    PARENTS = BIT(1) | BIT(2) | BIT(3), /* kids: young, school, teen */
    OLDER_KIDS = BIT(2) | BIT(3),
};

static const struct fact_info facts[FACT_COUNT] = {
    [FACT_NAME] = {"name", ALL, 93},
    [FACT_FIRST] = {"first", ALL, 46},
    [FACT_LAST] = {"last", ALL, 46},
    [FACT_AGE] = {"age", ALL, 3},
    [FACT_BORN] = {"born", ALL, 4},
    [FACT_CITY] = {"city", ALL, 46},
    [FACT_STATE] = {"state", ALL, 46},
    [FACT_PLACE] = {"place", ALL, 94},
    [FACT_ROLE] = {"role", CLASS_STAGE, HAS_ROLE, 96},
    [FACT_FORMER_ROLE] = {"former_role", CLASS_STAGE, HAD_ROLE, 96},
    [FACT_DEGREE_FIELD] = {"degree_field", CLASS_EDU, DEGREES, 46},
    [FACT_LANGUAGE] = {"language", ALL, 46},
    [FACT_CHILDREN] = {"children", CLASS_KIDS, PARENTS, 16},
    [FACT_CHILD_AGE] = {"child_age", CLASS_KIDS, OLDER_KIDS, 3},
    [FACT_SIZE] = {"size", ALL, 8},
    [FACT_YEARS] = {"years", CLASS_STAGE, BIT(STAGE_EMPLOYED), 3},
    [FACT_YEARS_NOUN] = {"", CLASS_STAGE, BIT(STAGE_EMPLOYED), 10},
    [FACT_HE] = {"he", ALL, 3},
    [FACT_HIS] = {"his", ALL, 3},
    [FACT_HIM] = {"him", ALL, 3},
    [FACT_HIMSELF] = {"himself", ALL, 7},
    [FACT_MAN] = {"man", ALL, 5},
    [FACT_YEAR_OLD] = {"year_old", ALL, 12},
};

const struct fact_info *
fact_get(enum fact f)
{
    return &facts[f];
}

enum co_err
fact_find(const char *name, size_t len, enum fact *ret_fact)
{
    for (unsigned f = 0; f < FACT_COUNT; f++) {
        if (strlen(facts[f].name) != len || len == 0 ||
            memcmp(facts[f].name, name, len) != 0) {
            continue;
        }
        *ret_fact = (enum fact)f;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

/* Model texts are cut where a fact would overflow: short of half its bytes,
 * so that two and what stands between them fit. */
static void
put_text(struct out *o, struct model_text t)
{
    out_bytes(o, t.data, co_min_u64(t.len, FACT_BYTES_MAX / 2 - 2));
}

/* The role of the present or former occupation; a bar separates words for
 * the same title, of which a person always gets the same one. */
static void
put_role(struct out *o, const struct model *m, const struct person *p)
{
    uint32_t occ =
        p->occupation == PERSON_NO_OCCUPATION ? p->former : p->occupation;
    struct model_text t = model_text(&m->occ_role, occ);
    const char *bar;
    uint32_t words = 1, k;

    for (bar = memchr(t.data, '|', t.len); bar;
         bar = memchr(bar + 1, '|', t.len - (size_t)(bar + 1 - t.data))) {
        words++;
    }
    for (k = (uint32_t)(p->row % words); k > 0; k--) {
        bar = memchr(t.data, '|', t.len);
        t.len -= (uint32_t)(bar + 1 - t.data);
        t.data = bar + 1;
    }
    bar = memchr(t.data, '|', t.len);
    if (bar) t.len = (uint32_t)(bar - t.data);
    out_bytes(o, t.data, co_min_u64(t.len, FACT_BYTES_MAX));
}

static void
put_count(struct out *o, uint32_t n)
{
    static const char *const words[] = {
        "no",    "one",   "two",  "three", "four",   "five",  "six",
        "seven", "eight", "nine", "ten",   "eleven", "twelve"};

    if (n < co_countof(words)) {
        out_str(o, words[n]);
    } else {
        out_u64(o, n);
    }
}

/* Since leaving school at the age that goes with the education. */
static uint32_t
work_years(const struct person *p, const struct tags *tags)
{
    static const uint8_t start[] = {18, 18, 18, 20, 20, 22, 24};
    uint32_t from = start[tags->value[CLASS_EDU]];

    return p->age > from ? p->age - from : 1;
}

static void
put_years(struct out *o, uint32_t years, bool noun)
{
    out_u64(o, years);
    if (noun) out_str(o, years == 1 ? " year" : " years");
}

static void
put_age_noun(struct out *o, uint32_t age)
{
    if (age == 0) {
        out_lit(o, "infant");
        return;
    }
    out_u64(o, age);
    out_lit(o, "-year-old");
}

static void
put_children(struct out *o, const struct person *p)
{
    put_count(o, p->children);
    out_str(o, p->children == 1 ? " child" : " children");
}

/* The fields of B15010 as nouns: "a degree in engineering". */
static void
put_degree_field(struct out *o, const struct model *m, const struct person *p)
{
    static const struct {
        const char *label, *noun;
    } fields[] = {
        {"Computers, Mathematics and Statistics", "mathematics and computing"},
        {"Biological, Agricultural, and Environmental Sciences",
         "the life sciences"},
        {"Physical and Related Sciences", "the physical sciences"},
        {"Psychology", "psychology"},
        {"Social Sciences", "the social sciences"},
        {"Engineering", "engineering"},
        {"Multidisciplinary Studies", "interdisciplinary studies"},
        {"Science and Engineering Related Fields",
         "health and applied sciences"},
        {"Business", "business"},
        {"Education", "education"},
        {"Literature and Languages", "literature and languages"},
        {"Liberal Arts and History", "history and the liberal arts"},
        {"Visual and Performing Arts", "the visual and performing arts"},
        {"Communications", "communications"},
        {"Other Fields", "applied studies"},
    };
    struct model_text t;

    if (p->degree_field >= m->degree_field.count) {
        out_lit(o, "college subjects");
        return;
    }
    t = model_text(&m->degree_field, p->degree_field);
    for (size_t i = 0; i < co_countof(fields); i++) {
        if (strlen(fields[i].label) != t.len ||
            memcmp(fields[i].label, t.data, t.len) != 0) {
            continue;
        }
        out_str(o, fields[i].noun);
        return;
    }
    put_text(o, t); /* a field of the user's tables */
}

static void
put_language(struct out *o, const struct model *m, const struct person *p)
{
    if (p->language == 0 || p->language >= m->language.count) {
        out_lit(o, "English");
    } else {
        put_text(o, model_text(&m->language, p->language));
    }
}

static void
put_pronoun(struct out *o, enum fact f, const struct person *p)
{
    static const char *const words[][2] = {
        {"he", "she"}, {"his", "her"}, {"him", "her"}, {"himself", "herself"}};

    out_str(o, words[f - FACT_HE][p->sex]);
}

/* A name, or for who has none (a country without a list of names) what can
 * stand for it: "this woman". */
static void
put_name(struct out *o, enum fact f, const struct model *m,
         const struct person *p)
{
    static const char *const who[][2] = {{"this boy", "this girl"},
                                         {"this man", "this woman"}};
    bool first = p->first != PERSON_NONE16, last = p->last != PERSON_NONE16;

    if (!first && (f != FACT_LAST || !last)) {
        out_str(o, who[p->age >= 18][p->sex]);
        return;
    }
    if (f != FACT_LAST || !last) put_text(o, model_text(&m->first, p->first));
    if (f == FACT_NAME && last) out_lit(o, " ");
    if (f != FACT_FIRST && last) put_text(o, model_text(&m->last, p->last));
}

/* Places; of the world the country stands for the state. */
static void
put_named(struct out *o, enum fact f, const struct model *m,
          const struct person *p)
{
    bool city = p->city != PERSON_NONE16;

    if (f == FACT_NAME || f == FACT_FIRST || f == FACT_LAST) {
        put_name(o, f, m, p);
        return;
    }
    if (f != FACT_STATE && city) put_text(o, model_text(&m->city, p->city));
    if (f == FACT_PLACE && city) out_lit(o, ", ");
    if (f == FACT_CITY && city) return;
    put_text(o, m->world ? model_text(&m->country_name, p->country)
                         : model_text(&m->state_name, p->state));
}

char *
fact_write(enum fact f, const struct model *m, const struct person *p,
           const struct tags *tags, char *to)
{
    struct out o = {.at = to, .marks = NULL};

    switch (f) {
    case FACT_NAME:
    case FACT_FIRST:
    case FACT_LAST:
    case FACT_CITY:
    case FACT_STATE:
    case FACT_PLACE:
        put_named(&o, f, m, p);
        break;
    case FACT_AGE:
        out_u64(&o, p->age);
        break;
    case FACT_BORN:
        out_u64(&o, m->year - p->age);
        break;
    case FACT_ROLE:
    case FACT_FORMER_ROLE:
        put_role(&o, m, p);
        break;
    case FACT_DEGREE_FIELD:
        put_degree_field(&o, m, p);
        break;
    case FACT_LANGUAGE:
        put_language(&o, m, p);
        break;
    case FACT_CHILDREN:
        put_children(&o, p);
        break;
    case FACT_CHILD_AGE:
        out_u64(&o, p->child_age[0]);
        break;
    case FACT_SIZE:
        put_count(&o, p->household_size ? p->household_size : 1);
        break;
    case FACT_YEARS:
    case FACT_YEARS_NOUN:
        put_years(&o, work_years(p, tags), f == FACT_YEARS_NOUN);
        break;
    case FACT_HE:
    case FACT_HIS:
    case FACT_HIM:
    case FACT_HIMSELF:
        put_pronoun(&o, f, p);
        break;
    case FACT_MAN:
        out_str(&o, p->age < 18 ? p->sex ? "girl" : "boy"
                    : p->sex    ? "woman"
                                : "man");
        break;
    case FACT_YEAR_OLD:
        put_age_noun(&o, p->age);
        break;
    case FACT_COUNT:
        break;
    }
    return o.at;
}
