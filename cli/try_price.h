/* try_price.h - the list price of a call of `cohort try`. */
#pragma once
#include "cli/llm_options.h"
#include "llm/price.h"
#include "llm/prices.h"

/* As jobs have it: where no price of tokens was given and the call goes to the
 * vendor's own host, the list price of the model; ret_date says of which day,
 * "" where price is left as it is. data_dir: see prices_locate. Errors as of
 * prices_find, but none for a model or a table that is not there. */
co_must_use enum co_err try_price_list(const struct call_endpoint *endpoint,
                                       const char *model, const char *data_dir,
                                       struct price *price,
                                       char ret_date[PRICES_DATE_BYTES],
                                       struct co_diag *diag);
