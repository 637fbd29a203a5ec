/* shape.c - see shape.h. The tables, and what is told to models; shape_check.c
 * reads what they answer. */
#include "llm/shape.h"

#include "common/json.h"
#include "llm/pull.h"

#include <string.h>

/* Limits in bytes leave room around the length in words: a model counts
 * badly, and a text that is a little long is not worth another call. Taken
 * together, the most bytes of a stage stay below ASK_ANSWER_MAX. */
static const struct shape_field background[] = {
    {.name = "cultural_background",
     .min = 100,
     .max = 1200,
     .length = "2 to 4 sentences, 50 to 100 words",
     .about = "where and among whom this person has grown up and lives now: "
              "family, street and town, language, customs, money"},
    {.name = "skills_and_expertise",
     .min = 80,
     .max = 1000,
     .from_age = 16,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "what this person can do well, learned at work, at school, at "
              "home or alone, with the tools, tasks or settings that show it"},
    {.name = "skills_and_expertise_list",
     .is_list = true,
     .min = 2,
     .max = 80,
     .items_min = 3,
     .items_max = SHAPE_ITEMS_MAX,
     .from_age = 16,
     .length = "a list of 3 to 6 texts of 1 to 6 words",
     .about = "the same skills, one a text, in small letters"},
    {.name = "hobbies_and_interests",
     .min = 80,
     .max = 1000,
     .from_age = 6,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "what this person does with free time, how, where and with "
              "whom, within the means, age and place given"},
    {.name = "hobbies_and_interests_list",
     .is_list = true,
     .min = 2,
     .max = 80,
     .items_min = 3,
     .items_max = SHAPE_ITEMS_MAX,
     .from_age = 6,
     .length = "a list of 3 to 6 texts of 1 to 6 words",
     .about = "the same hobbies, one a text, in small letters"},
    {.name = "career_goals_and_ambitions",
     .min = 80,
     .max = 1000,
     .from_age = 16,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "what this person wants of work or of the years ahead, and "
              "how far they are with it; who is retired or does not work has "
              "aims, too, or has none and says why"},
};

static const struct shape_field personas[] = {
    {.name = "professional_persona",
     .min = 80,
     .max = 1000,
     .from_age = 16,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "this person at work, in training, looking for work, or after "
              "it: what a day asks, how they go about it, how others find "
              "them"},
    {.name = "sports_persona",
     .min = 80,
     .max = 1000,
     .from_age = 6,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "sport and movement: what they do or follow, how seriously, "
              "with whom; little interest is an answer, with its reason"},
    {.name = "arts_persona",
     .min = 80,
     .max = 1000,
     .from_age = 6,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "music, books, films, series, crafts, galleries, games: what "
              "they take in or make themselves, and what leaves them cold"},
    {.name = "travel_persona",
     .min = 80,
     .max = 1000,
     .from_age = 6,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "how they travel, where to and how far, what it may cost, what "
              "they look for, or why they stay at home"},
    {.name = "culinary_persona",
     .min = 80,
     .max = 1000,
     .from_age = 6,
     .length = "2 or 3 sentences, 40 to 80 words",
     .about = "what they eat and like, who cooks, a dish they make or miss, "
              "where they buy or eat out"},
    {.name = "persona",
     .min = 50,
     .max = 700,
     .length = "1 or 2 sentences, 25 to 50 words",
     .about = "the whole person in short: who they are, what marks them, and "
              "one thing that nobody would guess from their data"},
};

static const struct shape shapes[ASK_STAGES] = {
    [ASK_BACKGROUND] = {"background", background, co_countof(background)},
    [ASK_PERSONAS] = {"personas", personas, co_countof(personas)},
};
_Static_assert(co_countof(background) <= SHAPE_FIELDS_MAX &&
                   co_countof(personas) <= SHAPE_FIELDS_MAX,
               "the check keeps a place for each");

const struct shape *
shape_of(enum ask_stage stage)
{
    co_assert((unsigned)stage < ASK_STAGES);
    return &shapes[stage];
}

/* ---- what is told ---- */

static void
put_about(struct co_json *json, const struct shape_field *field)
{
    char text[512];

    (void)snprintf(text, sizeof text, "%s (%s)", field->about, field->length);
    co_json_put_text(json, "description", text);
}

static void
put_property(struct co_json *json, const struct shape_field *field)
{
    co_json_key(json, field->name);
    co_json_object(json);
    co_json_put_text(json, "type", field->is_list ? "array" : "string");
    put_about(json, field);
    if (field->is_list) {
        co_json_key(json, "items");
        co_json_object(json);
        co_json_put_text(json, "type", "string");
        co_json_end(json);
    }
    co_json_end(json);
}

void
shape_schema(const struct shape *shape, uint32_t age, struct co_buf *out)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "type", "object");
    co_json_key(&json, "properties");
    co_json_object(&json);
    for (uint32_t i = 0; i < shape->n; i++) {
        if (age >= shape->fields[i].from_age) {
            put_property(&json, &shape->fields[i]);
        }
    }
    co_json_end(&json);
    co_json_key(&json, "required");
    co_json_array(&json);
    for (uint32_t i = 0; i < shape->n; i++) {
        if (age >= shape->fields[i].from_age) {
            co_json_text(&json, shape->fields[i].name);
        }
    }
    co_json_end(&json);
    co_json_key(&json, "additionalProperties");
    co_json_bool(&json, false);
    co_json_end(&json);
    (void)co_json_finish(&json); /* out->err says how it went */
}

void
shape_fields(const struct shape *shape, uint32_t age, struct co_buf *out)
{
    const char *before = "";

    for (uint32_t i = 0; i < shape->n; i++) {
        const struct shape_field *f = &shape->fields[i];

        if (age < f->from_age) continue;
        co_buf_printf(out, "%s- \"%s\" (%s): %s", before, f->name, f->length,
                      f->about);
        before = "\n";
    }
}

/* ---- what was answered ---- */

bool
shape_value(const char *answer, size_t len, const char *field, const char **ret,
            size_t *ret_len)
{
    struct pull_slice key;
    struct pull p;

    pull_init(&p, answer, len);
    if (!pull_enter(&p, PULL_OBJECT)) return false;
    while (pull_key(&p, &key)) {
        const char *at = (const char *)p.p;

        pull_skip(&p);
        if (!pull_is(&key, field)) continue;
        *ret = at;
        *ret_len = (size_t)((const char *)p.p - at);
        return !p.wrong;
    }
    return false;
}

/* "skills_and_expertise" as "skills and expertise". */
static void
put_words(const char *name, struct co_buf *out)
{
    for (; *name && strcmp(name, "_list") != 0; name++) {
        co_buf_putc(out, *name == '_' ? ' ' : *name);
    }
}

static void
say_value(const struct shape_field *field, const char *value, size_t len,
          struct co_buf *out)
{
    struct pull_slice text;
    const char *before = "";
    struct pull p;

    pull_init(&p, value, len);
    if (!field->is_list) {
        if (pull_text(&p, &text)) pull_decode(&text, out);
        return;
    }
    if (!pull_enter(&p, PULL_ARRAY)) return;
    while (pull_item(&p) && pull_text(&p, &text)) {
        co_buf_puts(out, before);
        pull_decode(&text, out);
        before = "; ";
    }
}

void
shape_say(const struct shape *shape, const char *answer, size_t len,
          struct co_buf *out)
{
    const char *before = "";

    for (uint32_t i = 0; i < shape->n; i++) {
        const struct shape_field *f = &shape->fields[i];
        const char *value;
        size_t bytes;

        if (!shape_value(answer, len, f->name, &value, &bytes)) continue;
        co_buf_puts(out, before);
        co_buf_puts(out, "- ");
        put_words(f->name, out);
        co_buf_puts(out, f->is_list ? ", in short: " : ": ");
        say_value(f, value, bytes, out);
        before = "\n";
    }
}
