/* redis_refused.c - what an error answer of Redis means for a person; see
 * redis.h. Redis's own words name the rule that was broken, seldom what to do:
 * that stands here, once, for every command and every log. */
#include "common/redis.h"

#include <string.h>

struct meaning {
    const char *code; /* how the answer begins; "" ends the table */
    enum co_err err;
    const char *why, *next;
};

/* Codes as Redis 6 and 7 write them. CO_UNAVAILABLE passes by itself: whoever
 * waits for a Redis waits for these too. */
static const struct meaning meanings[] = {
    {"NOPERM", CO_DENIED, "its user may not do that",
     "Give the user this command and these keys: \"Users of Redis\" in "
     "docs/operations.md"},
    {"NOAUTH", CO_DENIED, "it wants a password",
     "Give it in the address: redis://USER:PASSWORD@HOST:PORT"},
    {"WRONGPASS", CO_DENIED, "the user or the password is wrong",
     "Look at both in the address (special characters as %XX), and at "
     "ACL LIST there"},
    {"WRONGTYPE", CO_MISMATCH,
     "another kind of value has that key's name, and " CO_PROGRAM
     " did not write it",
     "Look at it (redis-cli TYPE KEY), then rename or delete it, or take "
     "another --namespace"},
    {"OOM", CO_FULL, "its memory is full (maxmemory), nothing more is written",
     "Raise maxmemory, or make room: " CO_PROGRAM " gc --redis URL"},
    {"LOADING", CO_UNAVAILABLE, "it just started and still reads its data",
     "Wait a little and try again"},
    {"BUSY", CO_UNAVAILABLE, "a script of somebody holds it up",
     "Try again; if it stays so, redis-cli SCRIPT KILL ends the script"},
    {"MASTERDOWN", CO_UNAVAILABLE, "it is a replica that lost its master",
     "Name the master in the address, or try again"},
    {"READONLY", CO_DENIED, "it is a replica, which takes no writes",
     "Name the master in the address"},
    {"MISCONF", CO_IO, "it cannot save to its disk, so it takes no writes",
     "Look at its log and at the space on its disk"},
    {"DENIED", CO_DENIED, "its protected mode lets only its own host in",
     "Give it a password or users (docs/operations.md), or ask it from there"},
    {"", CO_DENIED, "", "Is it a Redis 6 or newer, and the right one?"},
};

enum co_err
co_redis_refused(const struct co_redis_reply *reply, const char *redis,
                 const char *what, struct co_diag *diag)
{
    const struct meaning *m = meanings;

    if (reply->type != CO_REDIS_ERROR) return CO_OK;
    while (strncmp(reply->text, m->code, strlen(m->code)) != 0) {
        m++;
    }
    return co_fail(diag, m->err, "%s refused %s: %s%s%.200s%s. %s", redis, what,
                   m->why, *m->why ? " (" : "", reply->text, *m->why ? ")" : "",
                   m->next);
}
