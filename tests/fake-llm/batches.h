/* batches.h - the batch APIs of the fake endpoint: files and batches as OpenAI
 * has them, message batches as Anthropic has them. Requests are refused for
 * what the real APIs refuse; a batch is worked on when its time has come, and
 * billed then, at half the price. All is kept until the process ends, and
 * seen with the key that made it. */
#pragma once
#include "tests/fake-llm/fail.h"
#include "tests/fake-llm/ledger.h"
#include "tests/fake-llm/request.h"

struct batches; /* opaque */

/* How batches go; set anew by POST /batch, by words as ms=500,expire=0.1. */
struct batches_rules {
    uint64_t ms;        /* from making to end */
    uint32_t expire;    /* of a million requests: not run in time */
    uint32_t error;     /* of a million: fail at the vendor's, unpaid */
    uint32_t drop;      /* of a million: answered, and no line says so */
    uint64_t answer_ms; /* until whoever makes one is told so */
    uint64_t cut;       /* so many files are given that end early */
    uint64_t lose;      /* so many are made, and the answer is lost */
};

struct batches *batches_new(struct ledger *ledger);
/* CO_USAGE: diag names the word. */
co_must_use enum co_err batches_set(struct batches *b, const char *text,
                                    size_t len, struct co_diag *diag);
/* Appends the whole response and returns its status; 0: no byte of it goes
 * out, the connection is reset. fails: how requests of batches fail.
 * *ret_delay_us: so much later. */
int batches_answer(struct batches *b, const struct request *request,
                   const char *key, const struct fail_rules *fails,
                   int64_t now_us, struct co_buf *out, int64_t *ret_delay_us);
/* Members of the object that GET /stats answers with. */
struct co_json;
void batches_stats(const struct batches *b, struct co_json *json);
