/* prose.c - see prose.h. The grammar: an opening is chosen by the stage of
 * life, its slots are filled from phrases.c, slots inside phrases in turn.
 *
 *   {N} first and last name     {F} first   {L} last   {A} age in digits
 *   {y} a 34-year-old           {B} year of birth
 *   {r} role   {R} a/an role    {C} city, state   {c} city   {S} state
 *   {h H} he/she  {i I} his/her {m} him/her
 *   {t} trait  {T} a/an trait   {M} single, married ... (capitalised)
 *   {e} education, past tense   {w} clause about the work
 *   {k l} clauses of the stage  {p q} pastimes   {o} adverbial of free time
 *   {G} a ... family  {f} what kind of  {g} shared memory of a generation
 *   {O} where the state lies  {x z} things of the state
 *   {^} capital for what follows
 *
 * Pairs on one line (k l, p q, x z) never give the same phrase. */
#include "population/prose_old.h"

#include "common/hash.h"
#include "population/phrases.h"

enum { PROSE_DEPTH = 3 };

/* One text being written. */
struct prose {
    const struct sampler *s;
    const struct model *m;
    const struct person *p;
    struct out *o;
    uint64_t bits;
    enum phrase_stage stage;
    uint32_t first[26]; /* picks of k, p, x + 1, so that l, q, z differ */
    bool capital;
};

/* An index below n. */
static uint32_t
pick(struct prose *pr, uint32_t n)
{
    pr->bits += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(((co_mix64(pr->bits) >> 32) * n) >> 32);
}

static void
put(struct prose *pr, const char *text, size_t len)
{
    char *start = pr->o->at;

    out_bytes(pr->o, text, len);
    if (pr->capital && len) {
        if (*start >= 'a' && *start <= 'z') *start = (char)(*start - 32);
        pr->capital = false;
    }
}

static void
put_text(struct prose *pr, struct model_text t)
{
    put(pr, t.data, t.len);
}

static void
put_str(struct prose *pr, const char *s)
{
    put(pr, s, strlen(s));
}

static bool
starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* a or an, by sound: letters, but for words that sound otherwise. */
static const char *
article(const char *word)
{
    static const char *const an[] = {"hon", "hour", "heir", "HVAC", "MRI"};
    static const char *const a[] = {"uni", "use", "one", "eu", "ure"};

    for (size_t i = 0; i < co_countof(an); i++) {
        if (starts_with(word, an[i])) return "an ";
    }
    for (size_t i = 0; i < co_countof(a); i++) {
        if (starts_with(word, a[i])) return "a ";
    }
    return strchr("aeiouAEIOU", *word) ? "an " : "a ";
}

static enum phrase_stage
young_stage(const struct person *p)
{
    if (p->age == 0) return STAGE_INFANT;
    if (p->age < 3) return STAGE_TODDLER;
    if (p->age < 6) return STAGE_PRESCHOOL;
    if (p->age < 11) return STAGE_CHILD;
    if (p->age < 14) return STAGE_MIDDLE;
    return p->employment == EMPLOY_EMPLOYED ? STAGE_TEEN_WORK : STAGE_TEEN;
}

static enum phrase_stage
stage_of(const struct person *p)
{
    if (p->age < 18) return young_stage(p);
    switch ((enum model_employment)p->employment) {
    case EMPLOY_EMPLOYED:
        return STAGE_EMPLOYED;
    case EMPLOY_UNEMPLOYED:
        return STAGE_UNEMPLOYED;
    case EMPLOY_ARMED:
        return STAGE_ARMED;
    case EMPLOY_STUDENT:
        return STAGE_STUDENT;
    case EMPLOY_RETIRED:
        return STAGE_RETIRED;
    case EMPLOY_UNDER_16:
    case EMPLOY_OUTSIDE:
    case EMPLOY_COUNT:
        break;
    }
    return p->age < 60 ? STAGE_OUTSIDE : STAGE_OUTSIDE_OLD;
}

/* The role of the present or former occupation; a bar separates words for
 * the same title, of which a person always gets the same one. */
static struct model_text
role_of(struct prose *pr)
{
    const struct person *p = pr->p;
    uint32_t occ =
        p->occupation == PERSON_NO_OCCUPATION ? p->former : p->occupation;
    struct model_text t;
    uint32_t words = 1, k;

    co_assert(occ != PERSON_NO_OCCUPATION);
    t = model_text(&pr->m->occ_role, occ);
    for (uint32_t i = 0; i < t.len; i++) {
        words += t.data[i] == '|';
    }
    for (k = (uint32_t)(p->row % words); k > 0; k--) {
        const char *bar = memchr(t.data, '|', t.len);

        t.len -= (uint32_t)(bar + 1 - t.data);
        t.data = bar + 1;
    }
    for (uint32_t i = 0; i < t.len; i++) {
        if (t.data[i] == '|') t.len = i;
    }
    return t;
}

static void expand(struct prose *pr, const char *text, int depth);

/* A phrase of the list; slot b of a pair (a, b) avoids what a took. */
static const char *
choose(struct prose *pr, struct phrases list, char slot, char other)
{
    uint32_t taken = other ? pr->first[other - 'a'] : 0, k;

    co_assert(list.count > 1);
    if (!taken) {
        k = pick(pr, list.count);
    } else {
        k = pick(pr, list.count - 1);
        if (k >= taken - 1) k++;
    }
    pr->first[slot - 'a'] = k + 1;
    return list.at[k];
}

static void
put_age_noun(struct prose *pr)
{
    uint32_t age = pr->p->age;
    bool an = age == 8 || age == 11 || age == 18 || age / 10 == 8;

    put_str(pr, an ? "an " : "a ");
    out_u64(pr->o, age);
    out_lit(pr->o, "-year-old");
}

static const char *
education_phrase(const struct person *p)
{
    static const char *const said[EDU_COUNT] = {
        [EDU_UNDER_9] = "left school before the ninth grade",
        [EDU_NO_DIPLOMA] = "left high school without a diploma",
        [EDU_HIGH] = "finished high school",
        [EDU_SOME_COLLEGE] = "took some college courses",
        [EDU_ASSOCIATE] = "earned an associate's degree",
        [EDU_BACHELOR] = "earned a bachelor's degree",
        [EDU_GRADUATE] = "earned a graduate degree",
    };

    return said[p->education] ? said[p->education] : "went to school";
}

static const char *
family_noun(const struct person *p)
{
    static const char *const said[MODEL_RACES] = {
        [RACE_WHITE] = "a white family",
        [RACE_BLACK] = "a Black family",
        [RACE_AIAN] = "a Native American family",
        [RACE_ASIAN] = "an Asian American family",
        [RACE_NHPI] = "a Pacific Islander family",
        [RACE_OTHER] = "a family",
        [RACE_TWO] = "a multiracial family",
    };

    return p->hispanic ? "a Hispanic family" : said[p->race];
}

static const char *
marital_word(const struct person *p)
{
    static const char *const said[MARITAL_COUNT] = {
        [MARITAL_NEVER] = "single",    [MARITAL_MARRIED] = "married",
        [MARITAL_ABSENT] = "married",  [MARITAL_SEPARATED] = "separated",
        [MARITAL_WIDOWED] = "widowed", [MARITAL_DIVORCED] = "divorced",
    };

    return said[p->marital];
}

/* Teenagers at work have clauses of their own (FIELD_COUNT). */
static struct phrases
work_phrases(const struct prose *pr)
{
    const struct person *p = pr->p;

    if (pr->stage == STAGE_TEEN_WORK) return phrases_work(FIELD_COUNT);
    if (p->occupation >= pr->m->occupations) return phrases_work(FIELD_ARMED);
    return phrases_work(phrases_field_of(pr->m->occ_of[p->occupation]));
}

static const struct phrase_state *
state_phrases(const struct prose *pr)
{
    struct model_text code = model_text(&pr->m->state_code, pr->p->state);
    const struct phrase_state *st = phrases_state(code.data, code.len);

    co_assert(st);
    return st;
}

static struct phrases
state_things(const struct prose *pr)
{
    return (struct phrases){state_phrases(pr)->things, PHRASE_STATE_THINGS};
}

/* Names, places and pronouns. False: not one of these slots. */
static bool
fill_fact(struct prose *pr, char slot)
{
    const struct person *p = pr->p;
    const struct model *m = pr->m;

    switch (slot) {
    case 'N':
    case 'F':
        put_text(pr, model_text(&m->first, p->first));
        break;
    case 'L':
        put_text(pr, model_text(&m->last, p->last));
        break;
    case 'C':
    case 'c':
        put_text(pr, model_text(&m->city, p->city));
        break;
    case 'S':
        put_text(pr, model_text(&m->state_name, p->state));
        break;
    case 'A':
        out_u64(pr->o, p->age);
        break;
    case 'B':
        out_u64(pr->o, m->year - p->age);
        break;
    case 'y':
        put_age_noun(pr);
        break;
    case 'h':
        put_str(pr, p->sex ? "she" : "he");
        break;
    case 'H':
        put_str(pr, p->sex ? "She" : "He");
        break;
    case 'i':
        put_str(pr, p->sex ? "her" : "his");
        break;
    case 'I':
        put_str(pr, p->sex ? "Her" : "His");
        break;
    case 'm':
        put_str(pr, p->sex ? "her" : "him");
        break;
    default:
        return false;
    }
    if (slot == 'N') {
        out_lit(pr->o, " ");
        put_text(pr, model_text(&m->last, p->last));
    }
    if (slot == 'C') {
        out_lit(pr->o, ", ");
        put_text(pr, model_text(&m->state_name, p->state));
    }
    return true;
}

/* Phrases chosen from lists. */
static const char *
fill_phrase(struct prose *pr, char slot)
{
    const struct person *p = pr->p;
    switch (slot) {
    case 't':
    case 'T':
        return choose(pr, phrases_trait(slot == 'T'), 't', 0);
    case 'w':
        return choose(pr, work_phrases(pr), 'w', 0);
    case 'k':
        return choose(pr, phrases_stage(pr->stage), 'k', 0);
    case 'l':
        return choose(pr, phrases_stage(pr->stage), 'l', 'k');
    case 'p':
        return choose(pr, phrases_pastime(p->age), 'p', 0);
    case 'q':
        return choose(pr, phrases_pastime(p->age), 'q', 'p');
    case 'o':
        return choose(pr, phrases_off_time(), 'o', 0);
    case 'f':
        return choose(pr, phrases_family(), 'f', 0);
    case 'g':
        return choose(pr, phrases_cohort(pr->m->year - p->age), 'g', 0);
    case 'x':
        return choose(pr, state_things(pr), 'x', 0);
    case 'z':
        return choose(pr, state_things(pr), 'z', 'x');
    case 'O':
        return state_phrases(pr)->region;
    case 'e':
        return education_phrase(p);
    case 'G':
        return family_noun(p);
    case 'M':
        return marital_word(p);
    default:
        return NULL;
    }
}

static void
// NOLINTNEXTLINE(misc-no-recursion): expand stops at PROSE_DEPTH
fill(struct prose *pr, char slot, int depth)
{
    const char *phrase;

    if (slot == '^' || slot == 'M') pr->capital = true;
    if (slot == '^' || fill_fact(pr, slot)) return;
    if (slot == 'r' || slot == 'R') {
        struct model_text role = role_of(pr);

        if (slot == 'R') put_str(pr, article(role.data));
        put_text(pr, role);
        return;
    }
    phrase = fill_phrase(pr, slot);
    co_assert(phrase); /* a slot that prose.c does not list */
    if (slot == 'T') put_str(pr, article(phrase));
    expand(pr, phrase, depth + 1);
}

static void
// NOLINTNEXTLINE(misc-no-recursion): stops at PROSE_DEPTH
expand(struct prose *pr, const char *text, int depth)
{
    const char *brace;

    co_assert(depth < PROSE_DEPTH);
    while ((brace = strchr(text, '{'))) {
        co_assert(brace[1] && brace[2] == '}');
        put(pr, text, (size_t)(brace - text));
        fill(pr, brace[1], depth);
        text = brace + 3;
    }
    put_str(pr, text);
}

static void
prose_write(const struct sampler *s, const struct person *p, uint32_t stream,
            struct out *o)
{
    struct prose pr = {
        .s = s,
        .m = sampler_model(s),
        .p = p,
        .o = o,
        .bits = sampler_bits(s, p, stream),
        .stage = stage_of(p),
    };
    struct phrases list = stream == 0 ? phrases_opening(pr.stage)
                                      : phrases_background(p->age < 18);

    expand(&pr, list.at[pick(&pr, list.count)], 0);
}

void
prose_persona(const struct sampler *s, const struct person *p, struct out *o)
{
    prose_write(s, p, 0, o);
}

void
prose_background(const struct sampler *s, const struct person *p, struct out *o)
{
    prose_write(s, p, 1, o);
}
