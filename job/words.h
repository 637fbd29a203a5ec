/* words.h - a user's own phrase files, beyond those that Cohort ships.
 * Their texts stand whole in the recipe, so that its hash covers them and
 * workers need no files. What they may say is docs/phrases.md's; prose_extend
 * says whether they do. No I/O but words_read. */
#pragma once
#include "common/json.h"
#include "prose/prose.h"

/* Of all files of a user, in the recipe's JSON. */
enum { WORDS_BYTES_MAX = 128 << 10 };

/* Reads every .txt of the folder. CO_FULL: more than WORDS_BYTES_MAX;
 * CO_INVALID: not UTF-8. */
co_must_use enum co_err words_read(const char *dir, struct phrase_set **ret_set,
                                   struct co_diag *diag);
/* Whether they can be used with these phrases. */
co_must_use enum co_err words_check(const struct phrase_set *set,
                                    const struct prose *base,
                                    struct co_diag *diag);
/* Canonical: {"NAME.txt":"TEXT",...} by name. */
void words_write(const struct phrase_set *set, struct co_json *json);
/* Reads an object; NULL for none leaves *ret_set as it is. Hostile input. */
co_must_use enum co_err words_from_json(json_t *object,
                                        struct phrase_set **ret_set,
                                        struct co_diag *diag);
