/* talk.h - the conversation about one row: what it is asked next, and what an
 * outcome means for it. Two stages (ask.h); each is asked until it has a valid
 * answer, the row then goes on to the next or is done.
 *
 *   IDLE --begin--> WANTED --intent--> INTENT --journaled--> READY
 *   READY --published--> OUT --result taken--> TAKEN --committed--> ...
 *   OUT, OPEN --lost--> WANTED           (another ask: ids are used once)
 *   ... an answer: WANTED (next stage) or DONE; an invalid one: WANTED (to
 *       be mended, or afresh) or DEAD; unknown or refused: WANTED or DEAD
 *   OPEN: a journal says it was asked, and not what became of it
 *   WANTED --an answer is in the cache--> KEPT --committed--> ...
 *   WANTED --nobody else can write it--> KEPT --committed--> DONE (built in)
 *   DEAD --a person wants it--> WANTED
 *
 * Outcomes count in the order in which they are committed, so that a replay of
 * the journal comes to the same row. An older ask's late answer is taken while
 * its stage lasts; then only its money counts. What a row says of itself
 * (tokens, cost, model, time) is summed up to the answer that completed it: a
 * call whose cost becomes known later does not change a row that is written.
 * Pure. Memory of texts is the talk's own. */
#pragma once
#include "llm/ask.h"

enum {
    TALK_LOST_MAX = 8,    /* asks without an outcome, then the row is dead */
    TALK_REFUSED_MAX = 3, /* refusals that were this row's own */
    TALK_AGAIN_FIRST_US = 1000000, /* back-off after lost, unknown, refused */
    TALK_AGAIN_MAX_US = 60000000,
};

/* X(name, text) */
#define TALK_STATE_LIST(X)                                                     \
    X(IDLE, "not begun")                                                       \
    X(WANTED, "has to be asked")                                               \
    X(INTENT, "the intent to ask is on its way to the disk")                   \
    X(READY, "may be asked")                                                   \
    X(OUT, "asked")                                                            \
    X(OPEN, "asked in an earlier life of the job")                             \
    X(TAKEN, "the answer is on its way to the disk")                           \
    X(KEPT, "a text that needs no call is on its way to the disk")             \
    X(DONE, "answered")                                                        \
    X(DEAD, "given up")

enum talk_state {
#define X(name, text) TALK_##name,
    TALK_STATE_LIST(X)
#undef X
        TALK_STATES
};

/* Why a row was given up; X(name, text). */
#define TALK_END_LIST(X)                                                       \
    X(NONE, "")                                                                \
    X(INVALID, "no valid answer after all repairs and fresh tries")            \
    X(LOST, "its calls were lost again and again")                             \
    X(REFUSED, "the endpoint refuses what it is asked")                        \
    X(ASKS, "200 calls were not enough")                                       \
    X(MEMORY, "no memory for its answer")                                      \
    X(STOPPED, "the job stopped before it was answered this time")

enum talk_end {
#define X(name, text) TALK_END_##name,
    TALK_END_LIST(X)
#undef X
        TALK_ENDS
};

/* How much trouble an answer is worth. */
struct talk_rules {
    uint32_t repairs; /* turns that mend a wrong answer, a try */
    uint32_t fresh;   /* fresh tries of a stage after the first */
};

/* Owned bytes. */
struct talk_bytes {
    uint8_t *data; /* NULL: none */
    uint32_t len;
};

struct talk {
    uint8_t state;   /* enum talk_state; written by talk.c only */
    uint8_t stage;   /* enum ask_stage */
    uint8_t asks;    /* ids used; the present ask is asks - 1 */
    uint8_t repairs; /* of this try */
    uint8_t fresh;   /* of this stage */
    uint8_t lost, refused;
    uint8_t end;    /* enum talk_end */
    uint8_t writer; /* of the present ask; the recipe's number (writers.h) */
    uint8_t served; /* that of the last stage's answer */
    bool sticks;   /* an ask of this stage was made: it stays with its writer */
    bool degraded; /* another than its arm's first writer answered */
    bool poor;     /* the money left did not cover one before the present writer
                    * in its arm's list */
    bool starved;  /* degraded, in a part at least, for that reason */
    bool built;    /* DONE: the built-in writer's, without answers */
    bool away;     /* WANTED: the last ask may come back (it was lost) */
    int64_t due_us; /* WANTED: not before; OUT: it went out then */
    uint64_t input, cached, output; /* tokens of its calls so far */
    int64_t cost;                   /* of these, settled */
    uint64_t time;                  /* of the last stage's answer */
    struct talk_bytes answers[ASK_STAGES];
    struct talk_bytes model; /* of the last stage */
    struct talk_bytes wrong; /* the answer to be mended; also the last one of a
                              * dead row */
    struct talk_bytes error; /* what is wrong with it */
    bool told;               /* of its death: there is a letter */
    bool mend;               /* the next ask quotes them */
    bool revived;            /* given up once, and wanted again */
};

/* The talk is all zeros at first: IDLE. */
void talk_fini(struct talk *t);
/* Bytes of the texts it holds. */
size_t talk_bytes(const struct talk *t);
/* Gives up the texts; what is known of the row's end stays. */
void talk_forget(struct talk *t);

static inline bool
talk_is_live(const struct talk *t)
{
    return t->state != TALK_IDLE && t->state < TALK_DONE;
}

/* Its ask's ordinal is the present one. */
static inline bool
talk_is_present(const struct talk *t, uint32_t ask)
{
    return t->asks > 0 && ask == t->asks - 1u;
}

/* IDLE -> WANTED. */
void talk_begin(struct talk *t);
/* WANTED -> INTENT; returns the new ask's ordinal. */
uint32_t talk_intend(struct talk *t);
/* WANTED -> KEPT: an answer that was paid for before is taken for the next ask,
 * and its ordinal with it. */
void talk_keep(struct talk *t);
/* WANTED: the next ask is that writer's. If it is another one the conversation
 * about the stage begins anew: it is not asked to mend what it did not write.
 */
void talk_move(struct talk *t, uint8_t writer);
/* WANTED -> KEPT: the built-in writer is to write the row. */
void talk_build(struct talk *t);
/* KEPT -> DONE: that is committed. False: it has been answered since; stage is
 * the one that it was in then. Also in a replay, of any live talk. */
bool talk_built(struct talk *t, enum ask_stage stage);
/* INTENT -> READY: the intent with this ordinal is committed. False: it is not
 * the present ask any more. */
bool talk_intended(struct talk *t, uint32_t ask);
/* A journal says that this was intended; begins the talk, if need be. OPEN, if
 * it is of the present stage. */
void talk_restore(struct talk *t, uint32_t ask, enum ask_stage stage);
/* That journal says later that an older ask of the present stage, which
 * talk_restore() counted as lost, was never published. */
void talk_restore_unsent(struct talk *t);
/* READY -> OUT. */
void talk_publish(struct talk *t);
/* Somebody holds this ask: OUT. False: it is not the present one, or over. */
bool talk_adopt(struct talk *t, uint32_t ask);
/* INTENT, READY, OUT, OPEN -> WANTED: the present ask will not be answered and
 * was not sent. */
void talk_withdraw(struct talk *t);
/* A person wants the row asked again. DEAD -> WANTED, in the stage that it was
 * in and as at that stage's beginning: what was answered before stays. It is as
 * DEAD as before when its ids are used up. Of another state only what is held
 * against the row is forgotten. */
void talk_revive(struct talk *t);
/* WANTED -> DEAD: it was revived, and nobody will be asked any more. */
void talk_stop(struct talk *t);
/* A result of this ask goes to the disk: TAKEN, if the row waits for it. */
void talk_take(struct talk *t, uint32_t ask, enum ask_stage stage);
/* OUT, OPEN -> WANTED or DEAD: what became of the present ask is not known.
 * row: for the jitter. */
void talk_lost(struct talk *t, uint64_t row, int64_t now_us);

/* What talk_commit() says. */
enum talk_step {
    TALK_SAME,     /* nothing changed but the sums: it was an older ask */
    TALK_AGAIN,    /* the row is asked again */
    TALK_NEXT,     /* a valid answer: the next stage */
    TALK_COMPLETE, /* the last valid answer: DONE */
    TALK_GIVEN_UP, /* DEAD */
};

/* The outcome of an ask is committed; charged is its settled cost. own: a
 * refusal is this row's own, not everybody's. The texts of r are copied. */
enum talk_step talk_commit(struct talk *t, const struct talk_rules *rules,
                           const struct ask_result *r, int64_t charged,
                           bool own, int64_t now_us);

/* Bytes that the next ask quotes: the answer of the stage before; and, when it
 * mends, the wrong answer and the error. */
void talk_quotes(const struct talk *t, struct ask_task *ret_task);

const char *talk_state_text(enum talk_state state);
const char *talk_end_text(enum talk_end end);
