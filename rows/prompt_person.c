/* prompt_person.c - see prompt_person.h. */
#include "rows/prompt_person.h"

#include "common/hash.h"
#include "llm/shape.h"

#include <stdio.h>

enum {
    MARRIED_FROM = 15, /* who is younger is asked for no marital status */
    WORK_FROM = 16,    /* nor for work */
    AGE_OPEN = MODEL_AGES - 1, /* and over */
    ANGLES = 3,                /* of the list below, for a person and stage */
    DIGITS = 3,
};

static void
put(struct co_buf *out, struct model_text t)
{
    co_buf_append(out, t.data, t.len);
}

/* The label of an attribute; nothing when there is none. */
static void
put_label(const struct prompt_person *x, enum attribute_id id,
          struct co_buf *out)
{
    const uint32_t value = attribute_of(x->p, id);

    if (value == UINT32_MAX) return;
    put(out, attribute_label(sampler_model(x->s), id, value));
}

/* "$54,300" */
static void
put_dollars(struct co_buf *out, uint32_t usd)
{
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%u", usd);

    co_buf_putc(out, '$');
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % DIGITS == 0) co_buf_putc(out, ',');
        co_buf_putc(out, digits[i]);
    }
}

/* ---- who and where ---- */

static void
put_full_name(const struct prompt_person *x, struct co_buf *out)
{
    const size_t start = out->len;

    put_label(x, ATTR_FIRST_NAME, out);
    if (x->p->last != PERSON_NONE16 && out->len > start) co_buf_putc(out, ' ');
    put_label(x, ATTR_LAST_NAME, out);
}

static void
put_age(const struct prompt_person *x, struct co_buf *out)
{
    if (x->p->age == 0) {
        co_buf_puts(out, "less than 1");
    } else {
        co_buf_printf(out, "%u%s", x->p->age,
                      x->p->age >= AGE_OPEN ? " or more" : "");
    }
}

static void
put_hispanic(const struct prompt_person *x, struct co_buf *out)
{
    if (x->p->hispanic == PERSON_NONE8) return;
    co_buf_puts(out, x->p->hispanic ? "Hispanic or Latino"
                                    : "not Hispanic or Latino");
}

static void
put_state(const struct prompt_person *x, struct co_buf *out)
{
    const struct model *m = sampler_model(x->s);

    if (!m->world) put(out, model_text(&m->state_name, x->p->state));
}

static void
put_country(const struct prompt_person *x, struct co_buf *out)
{
    put(out, model_text(&sampler_model(x->s)->country_name, x->p->country));
}

static void
put_place(const struct prompt_person *x, struct co_buf *out)
{
    const size_t start = out->len;

    put_label(x, ATTR_CITY, out);
    if (out->len > start) co_buf_puts(out, ", ");
    if (!sampler_model(x->s)->world) {
        put_state(x, out);
        co_buf_puts(out, ", ");
    }
    put_country(x, out);
}

/* ---- work ---- */

static void
put_former(const struct prompt_person *x, struct co_buf *out)
{
    const struct person *p = x->p;

    if (p->occupation != PERSON_NO_OCCUPATION ||
        p->former == PERSON_NO_OCCUPATION || p->age < WORK_FROM) {
        return;
    }
    put(out, model_text(&sampler_model(x->s)->occ_title, p->former));
}

static void
put_employment(const struct prompt_person *x, struct co_buf *out)
{
    static const char *const words[EMPLOY_COUNT] = {
        [EMPLOY_UNDER_16] = "",
        [EMPLOY_EMPLOYED] = "employed",
        [EMPLOY_UNEMPLOYED] = "out of work and looking for work",
        [EMPLOY_ARMED] = "in the armed forces",
        [EMPLOY_STUDENT] = "student, without a job",
        [EMPLOY_RETIRED] = "retired",
        [EMPLOY_OUTSIDE] = "neither at work nor looking for it",
    };

    if (x->p->employment < EMPLOY_COUNT) {
        co_buf_puts(out, words[x->p->employment]);
    }
}

static void
put_income(const struct prompt_person *x, struct co_buf *out)
{
    if (!x->p->income_usd) return;
    put_dollars(out, x->p->income_usd);
    co_buf_puts(out, " a year");
}

/* ---- home ---- */

static void
put_children(const struct person *p, struct co_buf *out)
{
    if (!p->children) return;
    co_buf_printf(out, "; %u own %s under 18 at home, aged ", p->children,
                  p->children == 1 ? "child" : "children");
    for (uint32_t i = 0; i < p->children; i++) {
        if (i > 0) {
            co_buf_puts(out, i + 1 < p->children ? ", " : " and ");
        }
        co_buf_printf(out, "%u", p->child_age[i]);
    }
}

static void
put_bracket(const struct model *m, uint32_t bracket, struct co_buf *out)
{
    const uint32_t *low = m->home.brackets + bracket;

    co_buf_puts(out, "; household income ");
    if (bracket + 1 == PERSON_BRACKETS) {
        put_dollars(out, low[0]);
        co_buf_puts(out, " a year or more");
        return;
    }
    if (bracket == 0) {
        co_buf_puts(out, "below ");
        put_dollars(out, low[1]);
    } else {
        put_dollars(out, low[0]);
        co_buf_puts(out, " to ");
        put_dollars(out, low[1] - 1);
    }
    co_buf_puts(out, " a year");
}

static void
put_household(const struct prompt_person *x, struct co_buf *out)
{
    static const char *const with[HOME_COUNT] = {
        [HOME_ALONE] = "lives alone",
        [HOME_SPOUSE] = "lives with a spouse",
        [HOME_PARTNER] = "lives with an unmarried partner",
        [HOME_PARENTS] = "lives with a parent or parents, as an adult",
        [HOME_RELATIVES] = "lives with relatives, without a partner",
        [HOME_NONRELATIVES] = "shares a home with people who are no relatives",
        [HOME_CHILD] = "a child in the home of parents or relatives",
    };
    const struct person *p = x->p;

    if (p->arrangement >= HOME_COUNT) return;
    co_buf_puts(out, with[p->arrangement]);
    if (p->household_size > 1) {
        co_buf_printf(out, ", %u people in all", p->household_size);
    }
    put_children(p, out);
    co_buf_puts(out, p->tenure == TENURE_OWNER ? "; the home is owned"
                                               : "; the home is rented");
    put_bracket(sampler_model(x->s), p->household_income, out);
}

/* As in the column: English first, unless it is spoken less than very well. */
static void
put_languages(const struct prompt_person *x, struct co_buf *out)
{
    const struct person *p = x->p;

    if (p->language == PERSON_NONE8) return;
    if (p->language == 0) {
        co_buf_puts(out, "English");
        return;
    }
    if (p->english == ENGLISH_VERY_WELL) co_buf_puts(out, "English and ");
    put_label(x, ATTR_LANGUAGE, out);
    if (p->english != ENGLISH_VERY_WELL) {
        co_buf_puts(out, "; English less than very well");
    }
}

/* ---- character ---- */

enum { LEVELS = 5 };

struct trait {
    const char *name, *level[LEVELS];
};

static const struct trait traits[OCEAN_COUNT] = {
    [OCEAN_O] = {"openness",
                 {"wants things as they always were; new ideas are a nuisance",
                  "practical; keeps to what has proved itself",
                  "tries new things when there is a reason to",
                  "curious; likes new ideas, places and ways of doing things",
                  "restlessly curious and imaginative; drawn to the unusual"}},
    [OCEAN_C] = {"conscientiousness",
                 {"acts on impulse; much is begun and little finished",
                  "easy about order, plans and deadlines",
                  "reliable in what matters, loose in the rest",
                  "orderly; plans ahead and keeps promises",
                  "exacting; order and duty come before everything"}},
    [OCEAN_E] = {"extraversion",
                 {"keeps apart; company is tiring and talk is short",
                  "reserved; a few close people are enough",
                  "sociable at times, glad of quiet at others",
                  "outgoing and talkative; looks for company",
                  "always among people; takes the lead, bored when alone"}},
    [OCEAN_A] = {"agreeableness",
                 {"blunt and distrustful; own interest comes first",
                  "doubting and competitive; says no easily",
                  "friendly, and firm when it matters",
                  "warm and helpful; gives way for the sake of peace",
                  "trusting and self-denying; cannot bear a quarrel"}},
    [OCEAN_N] = {"neuroticism",
                 {"hardly anything disturbs them",
                  "calm; over a setback within the day",
                  "worries at times, steady on the whole",
                  "worries easily and feels strain strongly",
                  "anxious, with changing moods; setbacks hit hard"}},
};

/* The bands of T scores that are in use: 35, 45, 55, 65 begin the next one. */
static unsigned
level_of(uint32_t score)
{
    enum { FIRST = 35, WIDTH = 10 };

    if (score < FIRST) return 0;
    return (unsigned)co_min_u64(1 + (score - FIRST) / WIDTH, LEVELS - 1);
}

static void
put_ocean(const struct prompt_person *x, struct co_buf *out)
{
    static const char *const levels[LEVELS] = {"very low", "low", "average",
                                               "high", "very high"};
    const char *before = "";

    for (unsigned i = 0; i < OCEAN_COUNT; i++) {
        const uint32_t score = x->p->ocean[i];
        const unsigned level = level_of(score);

        if (score == PERSON_NONE8) continue;
        co_buf_printf(out, "%s- %s %u, %s: %s", before, traits[i].name, score,
                      levels[level], traits[i].level[level]);
        before = "\n";
    }
}

static void
put_own(const struct prompt_person *x, struct co_buf *out)
{
    const struct model *m = sampler_model(x->s);
    const char *before = "";

    for (uint32_t k = 0; k < m->users; k++) {
        const enum attribute_id id = (enum attribute_id)(ATTR_USER + k);

        if (attribute_of(x->p, id) == UINT32_MAX) continue;
        co_buf_printf(out, "%s%s: ", before, m->user[k]->name);
        put_label(x, id, out);
        before = "; ";
    }
}

/* People who are alike make a model write alike. What it may think of besides
 * their data is drawn for each: everyday matters that a person of any age,
 * place and income has. */
static const char *const angles[] = {
    "what a bad day looks like",
    "the way that is gone every day",
    "something broken that is still in use",
    "who hears news first",
    "a sound of the street",
    "what is saved on, and what is not",
    "a rule of the home",
    "something handed down",
    "a promise, kept or not",
    "the season that is looked forward to",
    "what others tease them about",
    "a place nearby, visited again and again",
    "the kitchen on a weekday",
    "weather, and what it spoils",
    "a piece of clothing worn for years",
    "something done with the hands",
    "what is put off",
    "somebody next door",
    "what runs on the screen",
    "something learned late",
    "an animal",
    "a small success of last month",
    "the last half hour before sleep",
    "what is in the bag or the pockets",
    "a photograph",
    "a dislike that is not hidden",
    "a tool or toy that they know well",
    "a story told in the family",
    "how they wait",
    "heat, cold, and what is done about them",
    "how birthdays are kept",
    "an older person who left a mark",
    "a change of mind",
    "the first hour of the morning",
    "a drawer, a shelf or a box",
    "a disagreement that never ends",
    "a call or visit that comes every week",
    "something they do better than people think",
    "a place they have only heard of",
    "what is eaten when somebody is ill",
    "how they meet strangers",
    "a group that they belong to, or left",
    "a good turn that is owed",
    "what Sunday is like",
    "something that grows",
    "noise and quiet at home",
    "the last thing that was repaired",
    "a list, written or kept in mind",
};

static void
put_angles(const struct prompt_person *x, struct co_buf *out)
{
    /* Stream 0 is the built-in writer's. */
    uint64_t bits = sampler_bits(x->s, x->p, x->background ? 2 : 1);
    uint64_t used = 0;

    _Static_assert(co_countof(angles) <= 64, "a bit each");
    for (unsigned n = 0; n < ANGLES; bits = co_mix64(bits + 1)) {
        const unsigned i = (unsigned)(bits % co_countof(angles));

        if (used >> i & 1) continue;
        used |= 1ULL << i;
        co_buf_printf(out, "%s%s", n++ ? "; " : "", angles[i]);
    }
}

/* ---- the stages ---- */

static void
put_fields(const struct prompt_person *x, struct co_buf *out)
{
    shape_fields(shape_of(x->background ? ASK_PERSONAS : ASK_BACKGROUND),
                 x->p->age, out);
}

static void
put_background(const struct prompt_person *x, struct co_buf *out)
{
    if (!x->background) return;
    shape_say(shape_of(ASK_BACKGROUND), (const char *)x->background,
              x->background_len, out);
}

static void
put_error(const struct prompt_person *x, struct co_buf *out)
{
    if (x->error) co_buf_append(out, x->error, x->error_len);
}

/* Attributes whose label is the value. */
static bool
labelled(unsigned name, enum attribute_id *ret_id)
{
    static const uint8_t ids[PROMPT_NAMES] = {
        [PROMPT_NAME_FIRST_NAME] = 1 + ATTR_FIRST_NAME,
        [PROMPT_NAME_LAST_NAME] = 1 + ATTR_LAST_NAME,
        [PROMPT_NAME_RACE_ETHNICITY] = 1 + ATTR_RACE,
        [PROMPT_NAME_MARITAL_STATUS] = 1 + ATTR_MARITAL,
        [PROMPT_NAME_EDUCATION_LEVEL] = 1 + ATTR_EDUCATION,
        [PROMPT_NAME_BACHELORS_FIELD] = 1 + ATTR_FIELD,
        [PROMPT_NAME_OCCUPATION] = 1 + ATTR_OCCUPATION,
        [PROMPT_NAME_CITY] = 1 + ATTR_CITY,
    };

    if (!ids[name]) return false;
    *ret_id = (enum attribute_id)(ids[name] - 1);
    return true;
}

typedef void (*put_function)(const struct prompt_person *x, struct co_buf *out);

static void
put_sex(const struct prompt_person *x, struct co_buf *out)
{
    co_buf_puts(out, x->p->sex ? "female" : "male");
}

void
prompt_person_value(void *self, unsigned name, struct co_buf *out)
{
    static const put_function functions[PROMPT_NAMES] = {
        [PROMPT_NAME_FULL_NAME] = put_full_name,
        [PROMPT_NAME_AGE] = put_age,
        [PROMPT_NAME_SEX] = put_sex,
        [PROMPT_NAME_HISPANIC] = put_hispanic,
        [PROMPT_NAME_FORMER_OCCUPATION] = put_former,
        [PROMPT_NAME_EMPLOYMENT_STATUS] = put_employment,
        [PROMPT_NAME_INCOME_USD] = put_income,
        [PROMPT_NAME_STATE] = put_state,
        [PROMPT_NAME_COUNTRY] = put_country,
        [PROMPT_NAME_PLACE] = put_place,
        [PROMPT_NAME_HOUSEHOLD] = put_household,
        [PROMPT_NAME_LANGUAGES] = put_languages,
        [PROMPT_NAME_OCEAN] = put_ocean,
        [PROMPT_NAME_OWN_COLUMNS] = put_own,
        [PROMPT_NAME_ANGLES] = put_angles,
        [PROMPT_NAME_FIELDS] = put_fields,
        [PROMPT_NAME_BACKGROUND] = put_background,
        [PROMPT_NAME_ERROR] = put_error,
    };
    const struct prompt_person *x = self;
    enum attribute_id id;

    co_assert(name < PROMPT_NAMES);
    if (functions[name]) {
        functions[name](x, out);
    } else if (labelled(name, &id)) {
        if (id == ATTR_MARITAL && x->p->age < MARRIED_FROM) return;
        put_label(x, id, out);
    }
}
