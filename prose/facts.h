/* facts.h - slots of phrases that are attributes of the person.
 * {age} and {place} stand for everyone; {role} needs an occupation: which
 * tags a fact needs is checked against the guards when phrases are loaded.
 * Thread-safe: constant tables. */
#pragma once
#include "prose/tags.h"

enum fact {
    FACT_NAME,
    FACT_FIRST,
    FACT_LAST,
    FACT_AGE,
    FACT_BORN,
    FACT_CITY,
    FACT_STATE,
    FACT_PLACE, /* "City, State" */
    FACT_ROLE,
    FACT_FORMER_ROLE,
    FACT_DEGREE_FIELD,
    FACT_LANGUAGE,
    FACT_CHILDREN,   /* "two children" */
    FACT_CHILD_AGE,  /* of the eldest, in digits */
    FACT_SIZE,       /* of the household, in words */
    FACT_YEARS,      /* of adult work, in digits */
    FACT_YEARS_NOUN, /* "1 year", "12 years": written "{years} years" */
    FACT_HE,
    FACT_HIS,
    FACT_HIM,
    FACT_HIMSELF,
    FACT_MAN,      /* man, woman, boy, girl */
    FACT_YEAR_OLD, /* "34-year-old"; "infant" before the first birthday */
    FACT_COUNT
};

/* The longest text of a fact, in bytes; longer names are cut. */
enum { FACT_BYTES_MAX = 96 };

struct fact_info {
    const char *name;
    enum tag_class need; /* CLASS_COUNT: everyone has it */
    uint32_t allowed;    /* values of that class that have it, as bits */
    uint32_t longest;    /* bytes, at most FACT_BYTES_MAX */
};

const struct fact_info *fact_get(enum fact f);
/* CO_NOTFOUND: no fact of that name. */
co_must_use enum co_err fact_find(const char *name, size_t len,
                                  enum fact *ret_fact);

/* Writes the fact at `to` (FACT_BYTES_MAX bytes) and returns its end. The
 * tags are the person's and allow the fact. */
char *fact_write(enum fact f, const struct model *m, const struct person *p,
                 const struct tags *tags, char *to);
