/* spec_impl.h - what the files of spec.h share: readers of keys. Each takes
 * the value of one key; the table in spec.c leads to them. */
#pragma once
#include "common/yaml.h"
#include "job/spec.h"

typedef enum co_err spec_reader(struct job_spec *spec,
                                const struct co_yaml *node,
                                struct co_diag *diag);

/* spec_writer.c: who writes the texts, how, and for how much. */
spec_reader spec_read_provider, spec_read_providers, spec_read_prompts;
spec_reader spec_read_max_tokens, spec_read_temperature, spec_read_repairs;
spec_reader spec_read_fresh, spec_read_cache;
/* spec_arms.c: shares of the rows, and what stands in for whom. */
spec_reader spec_read_arms, spec_read_fallback_ok;
spec_reader spec_read_short;
/* All keys are read: who degrades has a fallback to go to. */
co_must_use enum co_err spec_check_short(const struct job_spec *spec,
                                         const struct co_yaml *root,
                                         struct co_diag *diag);
/* All keys are read: arms have texts to write, and fallback_ok a fallback. */
co_must_use enum co_err spec_check_arms(const struct job_spec *spec,
                                        const struct co_yaml *root,
                                        struct co_diag *diag);
/* Makes spec->writers of spec->writer and those that are beside it. */
co_must_use enum co_err spec_open_arms(struct job_spec *spec,
                                       const char *data_dir,
                                       struct co_diag *diag);
/* spec_writer.c: the writer of that provider with these prompts (a folder; "":
 * Cohort's). date gets that of the price. */
co_must_use enum co_err
spec_make_writer(const struct job_spec *spec,
                 const struct providers_entry *entry, const char *prompts,
                 const char *data_dir, char date[PRICES_DATE_BYTES],
                 struct writer **ret_writer, struct co_diag *diag);
void spec_default_writer(struct job_spec *spec);
/* spec_budget.c: how much it may cost. */
spec_reader spec_read_budget, spec_read_reserve, spec_read_share;
/* A budget that is there says how much: half of one is not none. Cuts it into
 * the shares of its phases. */
co_must_use enum co_err spec_check_budget(struct job_spec *spec,
                                          const struct co_yaml *root,
                                          struct co_diag *diag);
/* spec_one_row.c: before a call is made, its worst case is set aside. That of a
 * row has to be there, whoever of its writers is asked. All of them are known.
 */
co_must_use enum co_err spec_check_one_row(const struct job_spec *spec,
                                           struct co_diag *diag);
/* All keys are read: the provider is there, and has texts to write. */
co_must_use enum co_err spec_check_provider(const struct job_spec *spec,
                                            const struct co_yaml *root,
                                            struct co_diag *diag);

/* spec.c: says after a message from where a folder that is not there was
 * looked for. */
void spec_say_where(const char *path, struct co_diag *diag);
