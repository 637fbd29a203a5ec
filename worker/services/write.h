/* write.h - what the files of the service persona.write share. Private.
 * An ask is one call: it waits for room on its lane, is sent at most once, and
 * ends with a result that says what became of it, unless it surely was not
 * paid and may be tried again: then it is given back. */
#pragma once
#include "llm/ask.h"
#include "llm/batch.h"
#include "worker/lanes.h"
#include "worker/recipes.h"
#include "worker/service.h"

enum write_phase { WRITE_WAITING, WRITE_SENT, WRITE_ENDED };

struct write_ask {
    struct lane *lane;
    struct service_run *run; /* NULL: nobody waits for the answer any more */
    struct co_buf *out;   /* its result goes there; in a batch not the run's */
    bool in_batch;        /* it is asked as part of one, whole */
    struct ask_task task; /* points into the run's payload */
    enum write_phase phase;
    uint32_t age;        /* of the person, for what is asked of whom */
    struct co_buf body;  /* of the request */
    struct co_buf asked; /* as it is recorded; empty where nothing is */
    bool body_is_vendor; /* in the dialect of the vendor's own host */
    uint64_t tokens_max; /* input and output */
    bool has_characters; /* they have a price: so many are sent */
    uint64_t characters;
    uint32_t endpoint; /* that it was sent to */
    int64_t since_us;  /* when it began to wait, then when it was sent */
    struct call call;
    struct lane_wait wait;
    struct lane_orphan orphan;
};

/* write_request.c. Makes the request's body; age and tokens_max are set, too.
 * CO_DENIED: it must not be sent: diag says why. CO_NOMEM */
co_must_use enum co_err write_request(struct write_ask *a,
                                      const struct recipe_use *use,
                                      bool is_vendor, struct co_diag *diag);

/* write.c. The ask was not sent, or was surely not paid: RETURN with that
 * reason, or, where its provider cannot be called at all, AWAY: its owner may
 * have another one to ask. */
enum service_step write_give_back(const struct write_ask *a,
                                  uint32_t not_before_ms);
/* write_verdict.c. The call ended: the run's result stands in out (DONE), or
 * it may be tried again later (RETURN). */
enum service_step write_verdict(struct write_ask *a);
/* The same of a line of a batch; its call is a->call. False: it was not run,
 * and not paid. */
bool write_line(struct write_ask *a, const struct batch_line *line);
/* What is left of a request that failed. */
enum write_chance {
    WRITE_AGAIN,   /* nothing is paid: another time */
    WRITE_NEVER,   /* nothing is paid, and nothing would be otherwise */
    WRITE_PERHAPS, /* perhaps it was done */
};
enum write_chance write_chance(enum fault fault, bool sent);
/* Milliseconds to stay away after such a failure. */
uint32_t write_not_before(const struct hints *hints, uint32_t attempt);
/* It was sent, and nobody can wait for its answer: DONE. */
enum service_step write_unknown(struct write_ask *a, const char *why,
                                int64_t now_us);
/* It is not sent, and never will be: DONE. */
enum service_step write_refused(struct write_ask *a, const char *why);

/* write_batch.c. A task of a batch (llm/batch.h) begins; from then on the run
 * is stepped as such. */
enum service_step write_batch_begin(struct service_run *run, int64_t now_us);
