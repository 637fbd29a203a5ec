/* model_work.h - the model's tables of degrees and pay, part of struct model.
 * Filled and checked by model_work.c; tools/compile/degree.py and income.py
 * make them. They live as long as the model. */
#pragma once
#include "common/base.h"

enum { MODEL_FIELDS = 15, FIELD_AGES = 3 }; /* from 25, 40 and 65 on */
enum { PAY_BANDS = 6, PAY_AGES = 6, PAY_UNIT = 100 /* dollars */ };
enum { PAY_CUTS = PAY_BANDS + 1, PAY_ONE = 1 << 16 };
enum { INCOME_MAX = 1000000 }; /* dollars; no cut is above */

struct model;

struct model_work {
    /* P(field | state, sex, age, occupation) is proportional to
     * field_base[state][sex][age group][field] x
     * field_weight[field_kind[occupation]][field]; kind 0, for who has no
     * occupation, weighs all alike. */
    const uint32_t *field_base;
    const uint8_t *field_weight, *field_kind;
    uint32_t field_kinds;
    const uint32_t *src_field; /* people: [sex][age group][field] */

    /* Wages of an occupation (the armed forces are the last): low end, p10,
     * p25, median, p75, p90 and top in PAY_UNIT; people per band in PAY_ONE,
     * of all and [sex][age group]. Cuts rise, but that percentiles which are
     * not published equal the top; their bands are empty. */
    const uint16_t *pay_cut;   /* [occupation][PAY_CUTS] */
    const uint32_t *pay_share; /* [occupation][band] */
    const uint32_t *pay_p;     /* [occupation][sex][age group][band] */
    const uint8_t *pay_age;    /* age -> age group */
};

/* The age group of the tables of fields; who is under 25 is in the first. */
uint32_t model_field_age(uint32_t age);
/* Band of an occupation's wages that an income lies in. */
uint32_t model_pay_band(const struct model *m, uint32_t occupation,
                        uint32_t income_usd);
