/* grammar_impl.h - the compiled tables, shared by the grammar_*.c files.
 *
 *   grammar.c          owns the tables; what can be asked of them
 *   grammar_load.c     lines of a file -> lists and alternatives
 *   grammar_guard.c    "(age=18-49 E!=low)" -> a mask of denied values
 *   grammar_compile.c  text with slots -> code
 *   grammar_check.c    depth, lengths, and that no list can be empty
 *   grammar_index.c    alternatives of a list by the classes that limit most,
 *                      and bit sets for the other classes
 *   grammar_expand.c   code + person -> text
 *
 * Code is bytes: 1..127 = a literal of so many bytes; 0 = end; else a slot,
 * with CODE_ARTICLE added when a/an stands before it:
 *   CODE_LIST list u16 form u8 | CODE_PICK pick u16 form u8 | CODE_FACT u8 */
#pragma once
#include "prose/grammar.h"

enum {
    CODE_END = 0,
    CODE_LITERAL_MAX = 127,
    CODE_LIST = 0x80,
    CODE_PICK = 0x81,
    CODE_FACT = 0x82,
    CODE_ARTICLE = 0x40,
    /* Readable bytes after the code, for copies in whole blocks. */
    CODE_SLACK = GRAMMAR_COPY,
    GRAMMAR_GUARDS_MAX = 4096,
    GRAMMAR_NO_LIST = 0xffff,
    GRAMMAR_KEYS_MAX = 3, /* classes that index a list */
};

struct grammar_guard {
    uint64_t denied[TAG_WORDS]; /* none of these bits may be set */
};

/* An alternative: its guard, and where its first form lies in the code. The
 * offset of form f > 0 from there stands, as u16, 2 f bytes before it. */
struct grammar_item {
    uint16_t list, guard; /* guard 0 allows everyone */
    uint8_t file, forms;
    uint32_t line;
    uint32_t code;
};

/* What one class leaves of a shelf's alternatives: one set of bits a value,
 * from grammar.masks[at] on. */
struct grammar_limit {
    uint32_t at;
    uint32_t class; /* enum tag_class */
};

/* The alternatives that some combinations of a list's keys allow. The other
 * classes that their guards speak of are limits: the AND of one mask for each
 * is whom of the shelf a person may have. */
struct grammar_shelf {
    uint32_t first; /* in grammar.codes */
    uint32_t limit; /* first in grammar.limits */
    uint16_t count; /* alternatives */
    uint8_t limits;
};

struct grammar_list {
    char name[GRAMMAR_NAME_MAX + 1];
    uint64_t key;     /* hash of the name: seeds its picks */
    uint32_t items;   /* alternatives */
    uint32_t first;   /* in grammar.by_list */
    uint32_t shelf;   /* first in grammar.shelf_of: one a combination of keys */
    uint32_t used_at; /* first word of its choices in grammar_person.used */
    uint8_t keys;     /* classes in key; with none there is one shelf */
    uint8_t key_class[GRAMMAR_KEYS_MAX]; /* enum tag_class */
    uint8_t key_count[GRAMMAR_KEYS_MAX]; /* values of the class */
    uint8_t forms;                       /* that every alternative has */
    uint8_t picks;                       /* highest k of {list:k} */
    uint16_t pick;                       /* first of its picks */
    uint8_t depth; /* lists below it; 0xff: not known yet */
    uint8_t used;  /* some column reaches it */
    uint32_t longest[GRAMMAR_FORMS_MAX]; /* bytes of a form */
};

struct grammar {
    uint64_t hash;
    struct grammar_list *lists;
    uint32_t n_lists;
    struct grammar_item *items;
    uint32_t n_items;
    uint16_t *by_list; /* item numbers, list after list */
    uint8_t *code;
    uint32_t n_code;
    struct grammar_guard *guards;
    uint32_t n_guards;
    uint16_t *shelf_of; /* many combinations of keys share a shelf */
    uint32_t n_shelf_of;
    struct grammar_shelf *shelves;
    uint32_t n_shelves;
    uint32_t *codes; /* where alternatives begin, shelf after shelf */
    uint32_t n_codes;
    struct grammar_limit *limits;
    uint32_t n_limits;
    uint64_t *masks;
    uint32_t n_masks;
    uint32_t n_used;     /* words of grammar_person.used */
    uint16_t *pick_list; /* pick -> its list */
    uint32_t n_picks;
    char (*files)[PHRASE_NAME_MAX + 1]; /* for messages */
    uint32_t n_files;
};

/* An alternative as read, before its slots are resolved. */
struct raw_item {
    const char *text; /* in the file's bytes */
    uint32_t len;
};

/* A grammar in the making. */
struct grammar_build {
    struct grammar *g;
    struct co_diag *diag;
    struct raw_item *raw; /* beside g->items */
    uint32_t cap_lists, cap_items, cap_code, cap_guards;
};

/* Where a fault lies. */
struct phrase_where {
    const char *file;
    uint32_t line;
};

/* "work.txt:12: " and the message. */
enum co_err grammar_fail(struct grammar_build *b, struct phrase_where at,
                         enum co_err err, const char *fmt, ...) co_printf(4, 5);
struct phrase_where grammar_where(const struct grammar *g, uint32_t item);
/* Room for one more element in an array of elements of `size` bytes. */
co_must_use enum co_err grammar_grow(void **array, uint32_t *cap, uint32_t used,
                                     size_t size);

/* The steps, in this order. */
co_must_use enum co_err grammar_load(struct grammar_build *b,
                                     const struct phrase_set *set);
co_must_use enum co_err grammar_group(struct grammar_build *b);
co_must_use enum co_err grammar_compile(struct grammar_build *b);
co_must_use enum co_err grammar_check(struct grammar_build *b);
co_must_use enum co_err grammar_index(struct grammar_build *b);

/* Reads a guard, "(...)" at text; *ret_len bytes of it. Adds it to the guards
 * unless it is there. */
co_must_use enum co_err grammar_guard_parse(struct grammar_build *b,
                                            struct phrase_where at,
                                            const char *text, size_t len,
                                            size_t *ret_len,
                                            uint16_t *ret_guard);
co_must_use enum co_err grammar_guard_add(struct grammar_build *b,
                                          const struct grammar_guard *guard,
                                          uint16_t *ret_guard);

/* The next slot of code, or false at its end; *code moves on. */
struct code_slot {
    uint8_t kind; /* CODE_LIST, CODE_PICK, CODE_FACT */
    bool article;
    uint16_t which; /* list, pick or fact */
    uint8_t form;
};
bool grammar_next_slot(const uint8_t **code, struct code_slot *ret,
                       uint32_t *literal_bytes);

/* Form f, from 0, of the alternative whose code begins at `code`. */
static inline const uint8_t *
grammar_form(const struct grammar *g, uint32_t code, uint32_t f)
{
    const uint8_t *at = g->code + code;

    return f == 0
               ? at
               : at + (at[-2 * (ptrdiff_t)f] | at[-2 * (ptrdiff_t)f + 1] << 8);
}

static inline bool
guard_allows(const struct grammar_guard *g, const uint64_t bits[TAG_WORDS])
{
    const uint64_t *no = g->denied;

    _Static_assert(TAG_WORDS == 5, "one term a word, no loop: hot");
    return ((no[0] & bits[0]) | (no[1] & bits[1]) | (no[2] & bits[2]) |
            (no[3] & bits[3]) | (no[4] & bits[4])) == 0;
}
