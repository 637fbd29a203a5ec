/* row.c - see row.h. No value needs escaping: the model file and the phrase
 * tables hold no quote, backslash or control character (checked when they
 * are made and by tests), and what models wrote is escaped already. */
#include "rows/row.h"

#include "common/hash.h"
#include "prose/out.h"
#include "prose/prose.h"

#include <stdio.h>

/* Texts, arrays, and 3 KB for all the rest. */
_Static_assert(ROW_MAX_BYTES >= TEXT_COUNT * (PROSE_TEXT_BYTES + 48) +
                                    2 * PROSE_ARRAY_BYTES + 3072,
               "a row may not outgrow its buffer");

/* Places between columns; labels have those of their attributes. */
enum {
    BETWEEN_TEXTS = ATTR_ALL,
    BETWEEN_LISTS = BETWEEN_TEXTS + TEXT_COUNT,
    BETWEEN_AGE = BETWEEN_LISTS + TEXT_COUNT,
    BETWEEN_INCOME,
    BETWEEN_HOUSEHOLD,
    BETWEEN_OCEAN = BETWEEN_HOUSEHOLD + 2,
    BETWEEN_PROVENANCE = BETWEEN_OCEAN + 5,
    BETWEEN_COUNT = BETWEEN_PROVENANCE + 2,
};
_Static_assert((int)BETWEEN_COUNT <= (int)MARK_COLUMNS, "numbers of their own");

static const char hex[] = "0123456789abcdef";

void
row_uuid(uint64_t recipe_hash, uint64_t seed, uint64_t row, char to[36])
{
    uint64_t key[3] = {recipe_hash, seed, row};
    struct co_hash128 h = co_hash128(key, sizeof key, 0);
    uint8_t raw[16];

    memcpy(raw, &h.low, 8);
    memcpy(raw + 8, &h.high, 8);
    raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x80); /* version 8 */
    raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80); /* RFC 9562 variant */
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = hex[raw[i] >> 4];
        *to++ = hex[raw[i] & 15];
    }
}

/* What follows is the same in every row, up to the value of the next column.
 * Matches of a value run on into it; a mark is for values that are new. */
static void
mark_between(struct out *o, uint32_t which)
{
    marks_add(o->marks, o->at, MARK_COLUMN + which);
}

static void
write_label(struct out *o, const struct model *m, const struct person *p,
            enum attribute_id id)
{
    uint32_t v = attribute_of(p, id);

    marks_add(o->marks, o->at, MARK_LABEL + (v * 37 + id) % MARK_LABELS);
    if (v == UINT32_MAX) {
        out_lit(o, "null");
    } else {
        *o->at++ = '"';
        out_text(o, attribute_label(m, id, v));
        *o->at++ = '"';
    }
    mark_between(o, id);
}

/* The columns of a user's tables. */
static void
write_users(struct out *o, const struct model *m, const struct person *p)
{
    for (uint32_t k = 0; k < m->users; k++) {
        out_lit(o, ",\"");
        out_str(o, m->user[k]->name);
        out_lit(o, "\":");
        write_label(o, m, p, (enum attribute_id)(ATTR_USER + k));
    }
}

static void
write_number(struct out *o, uint32_t v)
{
    if (v == UINT32_MAX) {
        out_lit(o, "null");
    } else {
        out_u64(o, v);
    }
}

/* An object: type, size, ages of own children, tenure, income bracket. */
static void
write_household(struct out *o, const struct model *m, const struct person *p)
{
    const uint32_t *low;

    if (p->arrangement == PERSON_NONE8) {
        out_lit(o, ",\"household\":null");
        return;
    }
    low = m->home.brackets + p->household_income;
    out_lit(o, ",\"household\":{\"type\":");
    write_label(o, m, p, ATTR_HOUSEHOLD_TYPE);
    out_lit(o, ",\"size\":");
    out_u64(o, p->household_size);
    mark_between(o, BETWEEN_HOUSEHOLD);
    out_lit(o, ",\"children\":[");
    for (uint32_t i = 0; i < p->children; i++) {
        if (i) *o->at++ = ',';
        out_u64(o, p->child_age[i]);
    }
    mark_between(o, BETWEEN_HOUSEHOLD + 1);
    out_lit(o, "],\"tenure\":");
    write_label(o, m, p, ATTR_TENURE);
    out_lit(o, ",\"income_usd\":[");
    marks_add(o->marks, o->at, MARK_LABEL + p->household_income);
    out_u64(o, low[0]);
    *o->at++ = ',';
    if (p->household_income + 1 < PERSON_BRACKETS) {
        out_u64(o, low[1] - 1);
    } else {
        out_lit(o, "null");
    }
    out_lit(o, "]}");
}

/* English first, unless the person speaks it less than very well. */
static void
write_languages(struct out *o, const struct model *m, const struct person *p)
{
    if (p->language == PERSON_NONE8) {
        out_lit(o, ",\"languages\":null");
        return;
    }
    out_lit(o, ",\"languages\":[");
    if (p->english == ENGLISH_VERY_WELL) {
        *o->at++ = '"';
        out_text(o, attribute_label(m, ATTR_LANGUAGE, 0));
        *o->at++ = '"';
        if (p->language) *o->at++ = ',';
    }
    if (p->language) write_label(o, m, p, ATTR_LANGUAGE);
    *o->at++ = ']';
}

static void
write_ocean(struct out *o, const struct person *p)
{
    mark_between(o, BETWEEN_OCEAN);
    out_lit(o, ",\"ocean_openness\":");
    write_number(o, attribute_of(p, ATTR_OPENNESS));
    mark_between(o, BETWEEN_OCEAN + 1);
    out_lit(o, ",\"ocean_conscientiousness\":");
    write_number(o, attribute_of(p, ATTR_CONSCIENTIOUSNESS));
    mark_between(o, BETWEEN_OCEAN + 2);
    out_lit(o, ",\"ocean_extraversion\":");
    write_number(o, attribute_of(p, ATTR_EXTRAVERSION));
    mark_between(o, BETWEEN_OCEAN + 3);
    out_lit(o, ",\"ocean_agreeableness\":");
    write_number(o, attribute_of(p, ATTR_AGREEABLENESS));
    mark_between(o, BETWEEN_OCEAN + 4);
    out_lit(o, ",\"ocean_neuroticism\":");
    write_number(o, attribute_of(p, ATTR_NEUROTICISM));
}

/* answers: as in write_row(). */
static void
write_provenance(struct out *o, const struct sampler *s, const struct person *p,
                 const struct row_answers *answers)
{
    uint64_t recipe = sampler_recipe(s);

    mark_between(o, BETWEEN_PROVENANCE);
    out_lit(o, ",\"provenance\":{\"row\":");
    out_u64(o, p->row);
    mark_between(o, BETWEEN_PROVENANCE + 1);
    out_lit(o, ",\"seed\":");
    out_u64(o, sampler_seed(s));
    out_lit(o, ",\"recipe_hash\":\"");
    for (int shift = 60; shift >= 0; shift -= 4) {
        *o->at++ = hex[recipe >> shift & 15];
    }
    out_lit(o, "\",\"draw\":");
    out_u64(o, p->draw);
    if (answers) {
        out_lit(o, ",");
        out_bytes(o, answers->provenance, answers->provenance_len);
    }
    out_lit(o, "}}\n");
}

/* The text at its end, or null where there is none. */
static void
put_or_null(struct out *o, char *end)
{
    if (end) {
        o->at = end;
    } else {
        out_lit(o, "null");
    }
}

static void
write_text(struct out *o, const struct prose *prose, struct grammar_person *gp,
           enum text_column c)
{
    const struct text_column_info *info = text_column(c);
    char *end;

    mark_between(o, BETWEEN_TEXTS + c);
    out_lit(o, ",\"");
    out_bytes(o, info->name, info->name_bytes);
    out_lit(o, "\":");
    end = prose_text(prose, gp, c, o->at + 1);
    if (end) {
        *o->at = '"';
        *end++ = '"';
    }
    put_or_null(o, end);
    if (!info->picks) return;
    mark_between(o, BETWEEN_LISTS + c);
    out_lit(o, ",\"");
    out_bytes(o, info->name, info->name_bytes);
    out_lit(o, "_list\":");
    put_or_null(o, prose_array(prose, gp, c, o->at));
}

static void
write_texts(struct out *o, const struct sampler *s, const struct person *p)
{
    const struct prose *prose = sampler_prose(s);
    struct grammar_person gp;

    co_assert(prose);
    prose_begin(prose, p, sampler_bits(s, p, 0), &gp);
    gp.marks = o->marks;
    for (unsigned c = 0; c < TEXT_COUNT; c++) {
        write_text(o, prose, &gp, (enum text_column)c);
    }
}

/* A column of a model's texts: in the answer of one stage or the other, or in
 * none, for who is too young. */
static void
write_answer(struct out *o, const struct row_answers *answers,
             const struct text_column_info *info, const char *suffix)
{
    char name[64];
    const char *value = "null";
    size_t len = 4;

    (void)snprintf(name, sizeof name, "%s%s", info->name, suffix);
    out_lit(o, ",\"");
    out_str(o, name);
    out_lit(o, "\":");
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        if (shape_value(answers->json[i], answers->len[i], name, &value,
                        &len)) {
            break;
        }
    }
    out_bytes(o, value, len);
}

static void
write_answers(struct out *o, const struct row_answers *answers)
{
    for (unsigned c = 0; c < TEXT_COUNT; c++) {
        const struct text_column_info *info = text_column((enum text_column)c);

        write_answer(o, answers, info, "");
        if (info->picks) write_answer(o, answers, info, "_list");
    }
}

/* answers: NULL when no owner says anything about the row. */
static struct row_prose
write_row(const struct sampler *s, const struct person *p, enum row_level level,
          const struct row_answers *answers, struct co_buf *buf,
          struct marks *marks)
{
    const struct model *m = sampler_model(s);
    const size_t most = answers ? ROW_ANSWERED_MAX_BYTES : ROW_MAX_BYTES;
    char *start = (char *)co_buf_reserve(buf, most);
    struct out o = {start, marks};
    struct row_prose prose = {0, 0};

    if (!start) return prose;
    if (marks) marks_begin(marks, (const char *)buf->data);
    out_lit(&o, "{\"uuid\":\"");
    row_uuid(sampler_recipe(s), sampler_seed(s), p->row, o.at);
    o.at += 36;
    out_lit(&o, "\"");
    prose.at = (size_t)(o.at - start) + 1; /* behind the comma */
    if (level == ROW_TEXTS) {
        if (answers && !answers->built_in) {
            write_answers(&o, answers);
        } else {
            write_texts(&o, s, p);
        }
        prose.len = (size_t)(o.at - start) - prose.at;
    }
    out_lit(&o, ",\"sex\":");
    write_label(&o, m, p, ATTR_SEX);
    out_lit(&o, ",\"age\":");
    out_u64(&o, p->age);
    mark_between(&o, BETWEEN_AGE);
    out_lit(&o, ",\"marital_status\":");
    write_label(&o, m, p, ATTR_MARITAL);
    out_lit(&o, ",\"education_level\":");
    write_label(&o, m, p, ATTR_EDUCATION);
    out_lit(&o, ",\"bachelors_field\":");
    write_label(&o, m, p, ATTR_FIELD);
    out_lit(&o, ",\"occupation\":");
    write_label(&o, m, p, ATTR_OCCUPATION);
    out_lit(&o, ",\"city\":");
    write_label(&o, m, p, ATTR_CITY);
    out_lit(&o, ",\"state\":");
    write_label(&o, m, p, ATTR_STATE);
    out_lit(&o, ",\"zipcode\":null,\"country\":");
    write_label(&o, m, p, ATTR_COUNTRY);
    out_lit(&o, ",\"first_name\":");
    write_label(&o, m, p, ATTR_FIRST_NAME);
    out_lit(&o, ",\"last_name\":");
    write_label(&o, m, p, ATTR_LAST_NAME);
    out_lit(&o, ",\"race_ethnicity\":");
    write_label(&o, m, p, ATTR_RACE);
    out_lit(&o, ",\"hispanic\":");
    write_label(&o, m, p, ATTR_HISPANIC);
    out_lit(&o, ",\"employment_status\":");
    write_label(&o, m, p, ATTR_EMPLOYMENT);
    out_lit(&o, ",\"income_usd\":");
    if (p->income_usd) out_u64(&o, p->income_usd);
    if (!p->income_usd) out_lit(&o, "null");
    mark_between(&o, BETWEEN_INCOME);
    write_household(&o, m, p);
    write_languages(&o, m, p);
    write_ocean(&o, p);
    write_users(&o, m, p);
    write_provenance(&o, s, p, answers);
    co_assert((size_t)(o.at - start) <= most);
    co_buf_commit(buf, (size_t)(o.at - start));
    return prose;
}

struct row_prose
row_write(const struct sampler *s, const struct person *p, enum row_level level,
          struct co_buf *buf)
{
    return row_write_marked(s, p, level, buf, NULL);
}

struct row_prose
row_write_marked(const struct sampler *s, const struct person *p,
                 enum row_level level, struct co_buf *buf, struct marks *marks)
{
    return write_row(s, p, level, NULL, buf, marks);
}

struct row_prose
row_write_answered(const struct sampler *s, const struct person *p,
                   const struct row_answers *answers, struct co_buf *buf)
{
    return write_row(s, p, ROW_TEXTS, answers, buf, NULL);
}
