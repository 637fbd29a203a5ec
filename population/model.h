/* model.h - the compiled population tables, mapped read-only.
 * The file is made by tools/compile_us.py or tools/compile_world.py. Layout,
 * little-endian:
 *
 *   0  "COHORTMD"   8  version u32   12  sections u32   16  file bytes u64
 *  24  hash u64 of everything from byte 32 on   32  year u64   40  zero u64
 *  48  sections x { name[16], offset u64, bytes u64, element bytes u32,
 *                   elements u32 }, then their contents, each at 8 n
 *
 * Rule for changing it: a section that is added keeps the version, one whose
 * meaning changes gets a new name; anything else raises MODEL_VERSION.
 * A pool is a list of texts: section X with the bytes, X.at with offsets.
 * No text in a pool needs escaping in JSON.
 * Thread-safe once open: nothing is written. */
#pragma once
#include "population/model_home.h"
#include "population/model_work.h"

enum { MODEL_VERSION = 1, MODEL_AGES = 100, MODEL_NAME_GROUPS = 6 };
enum { MODEL_SEXES = 2, MODEL_RACES = 7, MODEL_OCC_LEVELS = 6 };
enum { MODEL_GROUPS_MAX = 255, MODEL_RACE_LEVELS = 4, MODEL_TILTED_FROM = 18 };

/* Where the education levels of the file stand. */
enum model_education {
    EDU_NOT_YET,
    EDU_PRESCHOOL,
    EDU_ELEMENTARY,
    EDU_MIDDLE,
    EDU_HIGH_NOW,
    EDU_UNDER_9,
    EDU_NO_DIPLOMA,
    EDU_HIGH,
    EDU_SOME_COLLEGE,
    EDU_ASSOCIATE,
    EDU_BACHELOR,
    EDU_GRADUATE,
    EDU_COUNT
};
enum model_marital {
    MARITAL_NEVER,
    MARITAL_MARRIED,
    MARITAL_ABSENT,
    MARITAL_SEPARATED,
    MARITAL_WIDOWED,
    MARITAL_DIVORCED,
    MARITAL_COUNT
};
enum model_employment {
    EMPLOY_UNDER_16,
    EMPLOY_EMPLOYED,
    EMPLOY_UNEMPLOYED,
    EMPLOY_ARMED,
    EMPLOY_STUDENT,
    EMPLOY_RETIRED,
    EMPLOY_OUTSIDE,
    EMPLOY_COUNT
};
enum model_race {
    RACE_WHITE,
    RACE_BLACK,
    RACE_AIAN,
    RACE_ASIAN,
    RACE_NHPI,
    RACE_OTHER,
    RACE_TWO
};
enum model_name_group {
    NAMES_WHITE,
    NAMES_BLACK,
    NAMES_ASIAN,
    NAMES_AIAN,
    NAMES_MIXED,
    NAMES_HISPANIC
};

struct model_text {
    const char *data; /* not NUL-terminated, lives as long as the model */
    uint32_t len;
};

struct model_pool {
    const uint32_t *at; /* count + 1 offsets */
    const char *data;
    uint32_t count;
};

/* A table of conditional weights: rows by state, sex and age row. */
struct model_table {
    const uint32_t *p;  /* [state][sex][row][value], a row sums to 2^24 */
    const uint8_t *row; /* age -> row */
    uint32_t rows;      /* age rows of one state and sex */
    uint32_t values;
};

enum { MODEL_NO_LIST = 0xffff };
enum { MODEL_USERS = 16, MODEL_USER_NAME = 33, MODEL_LOOKUP_KEYS = 4 };

/* A user's table, ready for drawing (tables.h). Values by row, rows by what
 * a person has: row_of[mixed radix of the keys' values] is 1 + row, 0 = none;
 * age counts by single years. */
struct model_lookup {
    char name[MODEL_USER_NAME]; /* of the column */
    struct model_pool labels;   /* of a new column */
    uint32_t n_keys;
    uint32_t keys[MODEL_LOOKUP_KEYS]; /* enum attribute_id */
    uint32_t sizes[MODEL_LOOKUP_KEYS];
    uint16_t *row_of;
    uint32_t rows, values;
    uint32_t *weights; /* [row][value], a row sums to 2^24 */
};
/* Attributes whose tables a user can replace. */
enum model_replace {
    REPLACE_EDUCATION,
    REPLACE_MARITAL,
    REPLACE_EMPLOYMENT,
    REPLACE_COUNT
};

struct model {
    const uint8_t *file;
    size_t file_bytes;
    uint64_t hash;
    uint32_t year; /* the year that the tables describe */

    struct model_pool state_code, state_name, race, education, marital,
        employment, occ_title, occ_role, occ_group, degree_field, first, last,
        city, arrangement, bracket, language;
    /* Countries: ISO alpha-3, alpha-2 and name. One where places are states. */
    struct model_pool country, country_iso2, country_name;
    bool world;      /* places are countries: pools that it lacks are empty */
    uint32_t states; /* places of the joint: states, or countries */
    uint32_t races;  /* of the joint; 1 in the world, where none is known */

    const uint8_t *age_groups; /* min, max of each */
    uint32_t age_group_count;
    uint8_t age_group_of[MODEL_AGES];

    /* People: [state][sex][age group][race][single age of the group]. */
    const uint32_t *joint;
    uint32_t joint_slots; /* cells of one state and sex (races x 100) */

    const uint16_t *hispanic; /* [state][sex][hisp. age row][race] / 65536 */
    const uint8_t *hispanic_age;
    uint32_t hispanic_rows;

    struct model_table edu, emp;
    struct model_home home;
    struct model_work work;
    /* Education by race: from MODEL_TILTED_FROM on, P(level | state, sex,
     * age row, race) is proportional to edu_factor[same shape as edu.p] x
     * edu_race[state][sex][race][model_race_level(level)]. */
    const uint32_t *edu_factor, *edu_race;
    /* P(employed | state, sex, age row, level of work), to 2^24:
     * [state][sex][row - emp_tilted][level] for rows from emp_tilted on. The
     * other statuses share what is left as in emp. */
    const uint32_t *emp_level;
    uint32_t emp_tilted;

    uint32_t occupations; /* without the armed forces, which is last */
    uint32_t occ_groups;
    const uint8_t *occ_of;  /* occupation -> group; rises */
    const uint8_t *occ_age; /* youngest age */
    /* P(occupation | state, sex, level of work, age) is proportional to
     * occ_u[sex][occupation] x occ_v[occupation][level] x
     * occ_a[state][sex][group], and 0 below occ_age. */
    const uint32_t *occ_u, *occ_v, *occ_a;
    /* The source tables: people at work by occupation and sex, and those of
     * 25 and over by occupation and level. For the audit. */
    const uint32_t *src_occ_sex, *src_occ_edu;

    const uint32_t *first_row; /* [sex][age] -> start, one more at the end */
    const uint16_t *first_id;
    const uint32_t *first_n;
    const uint8_t *first_tilt; /* [name][name group], 32 = average */
    uint32_t first_rows;
    /* World: the row of [country][sex][age], MODEL_NO_LIST where a country has
     * no list of names; surnames by country, rows may be empty. */
    const uint16_t *first_list;
    const uint32_t *last_row; /* [country] -> start, one more at the end */
    const uint16_t *last_id;
    uint32_t last_ids;

    const uint32_t *last_n; /* [name group][surname] */
    /* [state] -> start, one more at the end; countries may have none */
    const uint32_t *city_row;
    const uint32_t *city_n;

    /* Only in a model made by model_with(): what it borrows from, and what it
     * owns: a user's columns, replaced tables, the fitted joint. */
    const struct model *base;
    uint64_t serial; /* tells such models of this process apart; else 0 */
    uint32_t users;
    struct model_lookup *user[MODEL_USERS];
    struct model_lookup *replace[REPLACE_COUNT];
    uint32_t *own_joint;
};

/* Maps and checks the model at path. On failure diag says what is wrong
 * where and what to do.
 *
 * CO_NOTFOUND, CO_IO  cannot be read     CO_TORN     shorter than it says
 * CO_DAMAGED  content or structure bad   CO_VERSION  made for another one */
co_must_use enum co_err model_open(const char *path, struct co_diag *diag,
                                   struct model **ret_model);
void model_free(struct model *model);
CO_DEFINE_FREEP(struct model, model_free)

/* Hash of the content, as in the header; part of population_fingerprint. */
uint64_t model_hash(const struct model *model);

/* What the model says about itself (Markdown): chapters of data/README.md in
 * the sections "doc.sources", "doc.left.out" and "doc.assumed". {NULL, 0}
 * where a model has none. */
struct model_text model_document(const struct model *model,
                                 const char *section);

/* Text number i of a pool; i must be below its count (asserted). */
static inline struct model_text
model_text(const struct model_pool *pool, uint32_t i)
{
    co_assert(i < pool->count);
    return (struct model_text){pool->data + pool->at[i],
                               pool->at[i + 1] - pool->at[i]};
}

/* The weights of one row of a conditional table. */
const uint32_t *model_row(const struct model_table *t, uint32_t state,
                          uint32_t sex, uint32_t age);

/* Level of work of an education: 0 less than high school (with those who
 * are still there), high school, some college, associate, bachelor, 5
 * graduate. */
uint32_t model_work_level(uint32_t education);
/* The four levels of the tables by race: less than high school, high school,
 * some college or associate, bachelor and more. */
uint32_t model_race_level(uint32_t education);
