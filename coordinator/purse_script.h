/* purse_script.h - the ledger of the caps over several jobs, in Redis: the one
 * script by which coordinators are granted money, and its exchange with
 * purse.h. What it must keep, whatever becomes of Redis:
 *
 *   granted = lost + what each job has, of the day and of the namespace;
 *   a job is granted more only while granted <= cap, and only while the state
 *   is open; what it says that it has already is counted without question.
 *
 * States (docs/redis-keys.md, "Money"):
 *
 *   open    another run_id than the last         -> unsure
 *   open    the day's ledger is gone             -> closed
 *   open    somebody saw it further              -> closed
 *   unsure  a witness asks                       -> open, its view counts
 *   unsure  vouched for, all had 5 s to say      -> open
 *   any     `cohort budget rebuild`              -> closed, then unsure with
 *                                                   vouched for
 *
 * A witness is a coordinator that took part when the old server ended: it saw
 * every block that can have been confirmed, since a block is confirmed only
 * when all that take part have seen it. One takes part for 20 s after it last
 * asked; a server that began less than 12 s after that is told of by a witness.
 * Vouched for: every block was granted while the append-only file was on, it is
 * on now, and the server began after the ledger's last change; what may be
 * missing then is younger than 2 s, and no such block is confirmed. */
#pragma once
#include "common/keys.h"
#include "coordinator/purse.h"

struct co_redis_reply;

enum {
    PURSE_SCRIPT_MEMBER_MS = 20000,  /* one takes part for so long */
    PURSE_SCRIPT_WITNESS_MS = 12000, /* and is believed for so long */
    PURSE_SCRIPT_SETTLE_MS = 5000,   /* for all to say what they have */
    PURSE_SCRIPT_ARGS = 28,
};

/* KEYS caps:total, caps:DAY, caps:members; ARGV as purse_script_make
 * puts them. Sent whole (EVAL): 6 KB a second and coordinator are nothing, and
 * a restarted Redis needs no second question. */
extern const char purse_script_turn[];

/* A command under construction; texts lie in it. */
struct purse_script {
    const char *argv[PURSE_SCRIPT_ARGS];
    char keys[3][CO_KEY_BYTES];
    char texts[PURSE_SCRIPT_ARGS][48];
    int argc;
};

/* The command for an ask. options are those of the purse. */
void purse_script_make(const struct purse_ask *ask,
                       const struct purse_options *options,
                       const char *name_space, uint64_t job,
                       struct purse_script *ret);
/* CO_PROTOCOL: not an answer of the script. */
co_must_use enum co_err purse_script_read(const struct co_redis_reply *reply,
                                          struct purse_answer *ret);
