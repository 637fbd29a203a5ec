/* purse.h - money from caps that several jobs share: of a namespace, and of a
 * UTC day by the clock of Redis. A job's own ledger says what the job may
 * spend; the purse says what all of them together still may. A reservation
 * needs both. Pure: no I/O, no clock; the shell is purse_redis.h.
 *
 * Redis keeps the ledger (purse_script.h) and grants blocks. A block is
 *
 *   asked -> granted, not confirmed -> may be spent
 *
 * and confirmed when its note is on disk and an exchange that began 2 s or more
 * after the grant, with the note on disk, found it there in the same ledger of
 * the same server process, with every coordinator that takes part having seen
 * it. So whatever a Redis that comes back forgot, somebody who is trusted
 * remembers all that could have been spent; nobody there: it grants nothing
 * until a person tells it (docs/operations.md, "Budgets over jobs").
 *
 * What was spent or is reserved stays charged to the day whose block it came
 * from, however late its answer comes. Whole blocks are counted in 1e-6 USD,
 * since Lua's numbers are exact only up to 2^53; the job counts in 1e-12 USD.
 *
 * Without a Redis (purse_options.redis) everything here is free and answers
 * at once, unless the journal says that such caps held before; so it is while
 * Redis says that nobody set a cap. One thread. */
#pragma once
#include "common/buf.h"

enum {
    PURSE_DAYS = 8,          /* with reservations that may still come back */
    PURSE_RUN_BYTES = 48,    /* run_id of a Redis */
    PURSE_PERIOD_MS = 1000,  /* between exchanges */
    PURSE_CONFIRM_MS = 2000, /* from a grant to the look that confirms it */
    PURSE_IDLE_MS = 30000,   /* nothing spent for so long: give it back */
};

/* Why purse_free is what it is. X(name, text) */
#define PURSE_WHY_LIST(X)                                                      \
    X(OFF, "no cap over several jobs holds here")                              \
    X(OPEN, "money is there")                                                  \
    X(UNASKED, "Redis has not said yet what the caps over all jobs leave")     \
    X(ASKED, "money was asked for, and is spent once Redis has kept it 2 s")   \
    X(DAY, "the cap of the day is reached, over all jobs")                     \
    X(TOTAL, "the cap of the namespace is reached, over all jobs")             \
    X(ELSEWHERE, "the job was under caps over jobs: it needs their --redis")   \
    X(NO_LEDGER, "Redis has no ledger of the caps: see `cohort budget show`")  \
    X(UNSURE, "Redis is not the one it was: see `cohort budget show`")         \
    X(CLOSED, "the ledger of the caps is not whole: see `cohort budget show`") \
    X(STALE, "Redis knows a newer owner of this job")

enum purse_why {
#define X(name, text) PURSE_WHY_##name,
    PURSE_WHY_LIST(X)
#undef X
        PURSE_WHY_COUNT
};
const char *purse_why_text(enum purse_why why);

struct purse_options {
    bool redis;                 /* false: no caps can be, all is free */
    int64_t cap_day, cap_total; /* 1e-6 USD, of this process; -1: none */
    uint32_t owner;             /* number of the job's owner */
    uint32_t day;               /* a guess; Redis says what day it is */
};

/* What Redis says of the ledger. */
enum purse_ledger {
    PURSE_LEDGER_NONE,   /* there is none */
    PURSE_LEDGER_OPEN,   /* it grants */
    PURSE_LEDGER_UNSURE, /* the server is another process than before */
    PURSE_LEDGER_CLOSED, /* it lacks something: a person has to tell it */
    PURSE_LEDGER_STALE,  /* of a replaced owner: nothing was looked at */
};

/* The ledger as last seen open: what its witness says when Redis comes back
 * as another process. */
struct purse_view {
    char run[PURSE_RUN_BYTES]; /* "": never */
    uint64_t seq;
    uint32_t day;
    int64_t granted_day, granted_total; /* 1e-6 USD, to all jobs */
    int64_t sent_us;                    /* when that exchange began */
};

/* One exchange. Redis is told what the job has (which holds, whatever the
 * caps), and asked for more. Amounts in 1e-6 USD. */
struct purse_ask {
    uint32_t request; /* counts up; Redis refuses what is overtaken */
    uint32_t day;
    int64_t claim_day, claim_total, extra;
    uint64_t ledger, seq; /* as in struct purse; 0: none */
    struct purse_view view;
    int64_t lag_ms; /* age of the view */
    bool leaving;   /* the last one: the job is over */
};

struct purse_answer {
    enum purse_ledger state;
    char run[PURSE_RUN_BYTES];
    uint64_t ledger, epoch; /* epoch: shares were forgotten and told anew */
    uint64_t seq, least;    /* least: that every coordinator has seen */
    uint32_t today;
    int64_t now_ms;               /* of Redis, since 1970 */
    int64_t have_day, have_total; /* this job's, the extra granted included */
    int64_t granted_day, granted_total;
    int64_t cap_day, cap_total; /* in force; -1: none */
};

struct purse_day {
    uint32_t day; /* 0: unused */
    int64_t used; /* 1e-12 USD: settled, unknown and reserved */
    int64_t have; /* 1e-6 USD: confirmed; never less than used */
    int64_t said; /* the same in the journal; never less than used */
    int64_t told; /* in Redis, as last answered; -1: not known */
};

/* Read freely; written by purse.c only. */
struct purse {
    struct purse_options opt;
    bool begun;     /* the replay is over: nothing is asked before */
    bool known;     /* Redis has answered in this life */
    bool capped;    /* a cap holds, or held: no ledger then means none left */
    bool unlimited; /* Redis says that there is none, and never was */
    bool leaving, left;
    enum purse_ledger state;
    uint64_t ledger, epoch;
    /* The highest number of changes that Redis kept for 2 s: less in the same
     * ledger means that it forgot what may have been confirmed. The next
     * candidate, and since when. */
    uint64_t seq, seq_next;
    int64_t seq_us;
    char run[PURSE_RUN_BYTES];
    struct purse_view view;
    uint32_t today;
    struct purse_day days[PURSE_DAYS];
    int64_t old; /* 1e-6 USD of days that left the table */
    struct {
        int64_t amount;          /* 1e-6 USD on top of today's; 0: none */
        uint64_t seq;            /* of the ledger with it */
        int64_t at_us, noted_us; /* granted; note on disk (0: not yet) */
    } block;
    struct {
        bool under_way;
        uint32_t day;
        int64_t have;
    } noting;
    bool asking;           /* an exchange is under way: */
    struct purse_ask sent; /* this */
    int64_t sent_us, next_us;
    uint32_t requests;
    int64_t redis_ms, redis_us; /* its clock when an exchange began */
    int64_t cap_day, cap_total, granted_day, granted_total; /* last seen */
    int64_t need;        /* 1e-12 USD: the largest reservation asked for */
    int64_t spent, rate; /* 1e-12 USD: in this window, in the one before */
    int64_t window_us, touched_us;
    bool touched;
    uint64_t grants, confirmed, voided, exceeded; /* counted */
};

void purse_init(struct purse *p, const struct purse_options *options);

/* ---- the job's side; amounts in 1e-12 USD ---- */

/* What may be reserved now, INT64_MAX: no cap holds. */
int64_t purse_free(const struct purse *p);
enum purse_why purse_why(const struct purse *p);
/* So much is wanted for one reservation and may not be there: more is asked
 * for. Call it whenever a reservation is considered, too. */
void purse_want(struct purse *p, int64_t amount);
/* Reserves (at most purse_free) and returns the day it is charged to, for
 * purse_release; 0: to none. */
uint32_t purse_take(struct purse *p, int64_t amount);
/* Of a reservation of that day, amount turned out not to be spent. */
void purse_release(struct purse *p, uint32_t day, int64_t amount);
/* A reservation of that day cost so much more than was reserved: charged, even
 * beyond the caps. */
void purse_exceed(struct purse *p, uint32_t day, int64_t amount);
/* The job is over: gives back what is left, then purse_left says true. */
void purse_leave(struct purse *p);
bool purse_left(const struct purse *p);

/* ---- the journal: as note, noted and replay_note of job_kind ---- */

bool purse_note(struct purse *p, struct co_buf *out);
bool purse_note_is_due(const struct purse *p);
void purse_noted(struct purse *p, int64_t now_us);
/* In a replay. False: no note of a purse, or of a version that is unknown. */
bool purse_replay(struct purse *p, const uint8_t *data, size_t len);
/* In a replay, of each reservation, with the day that purse_take gave: it
 * stands in the reservation's own note. */
void purse_replay_take(struct purse *p, uint32_t day, int64_t amount);
/* The replay is over: whatever was not spent is given back. */
void purse_begin(struct purse *p);

/* ---- the exchange with Redis ---- */

/* Call often, before purse_ask: the day ends, idle money goes back. */
void purse_turn(struct purse *p, int64_t now_us);
/* True: this is to be asked now, and answered by one of the two below. Only
 * call it while Redis is connected: lag_ms is that of this moment. */
bool purse_ask(struct purse *p, int64_t now_us, struct purse_ask *ret);
void purse_answer(struct purse *p, int64_t now_us,
                  const struct purse_answer *answer);
/* Nothing is known of what became of it. */
void purse_unanswered(struct purse *p, int64_t now_us);

/* NULL, or which invariant is broken. */
const char *purse_check(const struct purse *p);
