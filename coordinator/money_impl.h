/* money_impl.h - inside of the ledger; of money*.c only. */
#pragma once
#include "coordinator/money.h"

enum { MONEY_TABLE_FIRST = 1024 };

enum money_state { ENTRY_FREE, ENTRY_RESERVED, ENTRY_UNKNOWN };

struct money_entry {
    uint64_t task;
    int64_t amount;
    uint32_t day; /* of the purse; 0: none */
    uint8_t state, phase;
    uint8_t tag; /* the caller's */
};

struct money {
    int64_t cap;         /* INT64_MAX: none */
    struct purse *purse; /* borrowed; NULL: no caps over several jobs */
    int64_t inherited;   /* most that a journal brought at once */
    int64_t excess;      /* of all overruns */
    struct money_sums all;
    struct money_phase phase[MONEY_PHASES];
    struct shares shares;
    int64_t need[MONEY_PHASES];
    int64_t inherited_taken; /* most of the reserve that a journal brought */
    unsigned short_phase;
    struct money_counters n;
    struct money_entry *table;
    uint32_t cap_table, open, named; /* named: entries, open ones included */
    uint64_t unknown;                /* calls that all.unknown is of */
    struct money_group groups[MONEY_TAGS];
};

/* -- money_table.c -- */

/* The task's place, or the free one where it would stand. */
struct money_entry *money_find(const struct money *m, uint64_t task);
/* Makes room for one more. False: there is no memory. */
bool money_grow(struct money *m);
/* Forgets the entry, and not its money. */
void money_unname(struct money *m, struct money_entry *e);

/* -- money.c -- */

/* Settled, unknown and reserved. */
int64_t money_charged(const struct money *m);
/* What phases have charged, with `more` of each; NULL: without. */
void money_use(const struct money *m, const int64_t *more,
               int64_t ret[MONEY_PHASES]);
