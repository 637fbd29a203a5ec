/* prices.h - what models cost at their vendors, where a job file does not say:
 * the table data/prices.tsv. A line a model, tab-separated:
 *   date  kind  model  input  cached  output
 * in USD a million tokens ("-": none for cached ones), '#' begins a comment.
 * The date is the day for which the price is known. */
#pragma once
#include "llm/price.h"

enum { PRICES_DATE_BYTES = 11 }; /* "2025-08-31" and the NUL */

/* Looks a model of an API ("openai") up, by its exact name.
 * CO_NOTFOUND  it is not in the table
 * CO_INVALID   a line of the table is wrong; diag names it
 * CO_IO and others: the file cannot be read */
co_must_use enum co_err prices_find(const char *path, const char *kind,
                                    const char *model, struct price *ret_price,
                                    char ret_date[PRICES_DATE_BYTES],
                                    struct co_diag *diag);
