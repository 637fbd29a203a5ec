/* grammar.h - phrase files, compiled (docs/phrases.md has the format).
 * Alternatives of a list carry guards over the tags of a person; a text is a
 * walk from the list of its column, choosing among the alternatives that the
 * guards allow. Loading checks everything, so that expanding cannot fail:
 * slots exist, forms exist, nothing is deeper than GRAMMAR_DEPTH, no text can
 * outgrow GRAMMAR_TEXT_MAX, and no list can be empty for anyone who meets it.
 * Texts are escaped for JSON when they are loaded.
 * Thread-safe once made: nothing is written. */
#pragma once
#include "prose/facts.h"
#include "prose/marks.h"
#include "prose/phrase_set.h"

enum {
    GRAMMAR_LISTS_MAX = 1024,
    GRAMMAR_ITEMS_MAX = 16384,
    GRAMMAR_FORMS_MAX = 6,    /* of an alternative */
    GRAMMAR_ITEM_BYTES = 600, /* of an alternative's text, escaped */
    GRAMMAR_NAME_MAX = 47,    /* bytes of a list's name */
    GRAMMAR_DEPTH = 4,        /* lists inside lists */
    GRAMMAR_PICKS_MAX = 8,    /* k of {list:k} */
    GRAMMAR_FACETS_MAX = 256, /* all {list:k} together */
    GRAMMAR_TEXT_MAX = 1400,  /* bytes of the longest text of a column */
    GRAMMAR_PICK_MAX = 200,   /* bytes of the longest pick of an array */
    GRAMMAR_COPY = 16,        /* texts are copied in blocks of so many bytes */
};

struct grammar; /* opaque */

/* Compiles the shipped files and a user's beyond them (may be NULL; its
 * lists continue those of the same name). Both are needed for the call only.
 *
 * CO_INVALID  diag says file, line, what is wrong and what is allowed
 * CO_FULL     over a limit above, likewise      CO_NOMEM */
co_must_use enum co_err grammar_new(const struct phrase_set *shipped,
                                    const struct phrase_set *extra,
                                    struct co_diag *diag,
                                    struct grammar **ret_grammar);
void grammar_free(struct grammar *g);
CO_DEFINE_FREEP(struct grammar, grammar_free)

/* What the phrases are: two grammars of one hash write the same. */
uint64_t grammar_hash(const struct grammar *g);

/* --- for those who read and count phrases -------------------------------- */
struct grammar_list_info {
    const char *name;
    uint32_t items, forms, picks; /* picks: the highest k of {name:k} */
    bool used;                    /* by a column, if only through others */
};

uint32_t grammar_lists(const struct grammar *g);
struct grammar_list_info grammar_list(const struct grammar *g, uint32_t list);
/* CO_NOTFOUND: no list of that name. */
co_must_use enum co_err grammar_find(const struct grammar *g, const char *name,
                                     size_t len, uint32_t *ret_list);
/* How many alternatives of the list the tags allow. */
uint32_t grammar_choices(const struct grammar *g, uint32_t list,
                         const struct tags *tags);

/* --- expanding ------------------------------------------------------------ */
/* A fact as written for the person: bytes 0 means not yet. */
struct grammar_fact {
    uint8_t bytes;
    char text[FACT_BYTES_MAX + GRAMMAR_COPY];
};

/* One person's choices. Not for two threads; may lie on the stack. */
struct grammar_person {
    const struct grammar *g;
    const struct model *m;
    const struct person *p;
    struct tags tags;
    uint64_t key;        /* decides everything */
    uint64_t bits;       /* stream of the text being written */
    uint64_t frozen;     /* key of the pick being written, 0 outside of one */
    char *start;         /* of the text being written */
    struct marks *marks; /* whoever wants them sets this after the beginning */
    uint32_t pick[GRAMMAR_FACETS_MAX]; /* where its code begins; 0: open */
    struct grammar_fact fact[FACT_COUNT];
    /* Choices made, as bits over the list's shelf; a word starts each list. */
    uint64_t used[GRAMMAR_ITEMS_MAX / 64 + GRAMMAR_LISTS_MAX];
};

/* Begins a person whose tags are set by the caller. key: a stream of its own
 * a person. */
void grammar_begin(struct grammar_person *gp, const struct grammar *g,
                   const struct model *m, const struct person *p, uint64_t key);
/* Writes a text from the list at `to`, which has GRAMMAR_TEXT_MAX +
 * GRAMMAR_COPY bytes; returns its end. Texts of one person share their picks
 * and repeat no other choice; stream tells them apart. */
char *grammar_write(struct grammar_person *gp, uint32_t list, uint32_t stream,
                    char *to);
/* Writes form 1 of pick k (from 1) of the list. */
char *grammar_write_pick(struct grammar_person *gp, uint32_t list, uint32_t k,
                         char *to);
