/* prose.h - the built-in writer: phrase files bound to a model.
 * Texts are a pure function of the person: alternatives are chosen by tags
 * and by a stream of bits of their own. They need no escaping in JSON.
 * A struct prose only reads once made: threads may share it. */
#pragma once
#include "prose/grammar.h"
#include "prose/text_columns.h"

struct prose; /* opaque */

/* Bytes that a text and an array of picks need where they are written. */
enum {
    PROSE_TEXT_BYTES = GRAMMAR_TEXT_MAX + 16,
    PROSE_ARRAY_BYTES = TEXT_PICKS_MAX * (GRAMMAR_PICK_MAX + 3) + 16,
};

/* Compiles phrases for a model, which is borrowed and must outlive it.
 * shipped becomes its own, in any case; extra (may be NULL) is needed for the
 * call only. Errors as grammar_new's. */
co_must_use enum co_err prose_new(const struct model *m,
                                  struct phrase_set **shipped,
                                  const struct phrase_set *extra,
                                  struct co_diag *diag,
                                  struct prose **ret_prose);
/* With the phrase files that lie beside the model: see phrases_locate. Errors
 * as its, and those of phrase_set_read and grammar_new. */
co_must_use enum co_err prose_open(const struct model *m, const char *data_dir,
                                   struct co_diag *diag,
                                   struct prose **ret_prose);
/* The same phrases and a user's beyond them. */
co_must_use enum co_err prose_extend(const struct prose *base,
                                     const struct phrase_set *extra,
                                     struct co_diag *diag,
                                     struct prose **ret_prose);
void prose_free(struct prose *prose);
CO_DEFINE_FREEP(struct prose, prose_free)

/* phrase_set_hash of the shipped files. */
uint64_t prose_hash(const struct prose *prose);
const struct grammar *prose_grammar(const struct prose *prose);
/* The tags of a person of the model. */
void prose_tags(const struct prose *prose, const struct person *p,
                struct tags *ret);

/* Begins a person: gp is the caller's, p must stay. bits: sampler_bits. */
void prose_begin(const struct prose *prose, const struct person *p,
                 uint64_t bits, struct grammar_person *gp);
/* Writes a column at `to` and returns its end; NULL when the person has none
 * (too young, or no such list). */
char *prose_text(const struct prose *prose, struct grammar_person *gp,
                 enum text_column column, char *to);
/* Writes the array that goes with the column, ["a","b","c"], likewise. */
char *prose_array(const struct prose *prose, struct grammar_person *gp,
                  enum text_column column, char *to);
