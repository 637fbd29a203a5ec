/* ask.h - one question of a job to a model, on its way between owner and
 * worker: the payload of a task and that of its result. One ask is one
 * request: it is sent to an endpoint at most once, whatever happens; what must
 * be asked again is another ask of the same row.
 *
 * Task, a msgpack map with integer keys (docs/protocol.md):
 *   1 row u64         5 ask u32, 0 ..        6 stage u32 (enum ask_stage)
 *   7 input bin       canonical JSON of the stage before; absent in the first
 *   8 wrong bin       the answer that has to be mended; absent: asked afresh
 *   9 error str       what is wrong with it
 *  10 input_max u64   tokens at most, as bounded before sending
 *  11 output_max u32  tokens of the answer at most
 *  16 writer u32      of the recipe's; absent: 0 (job/writers.h)
 *  17 total_ms u64    that the call may take at most, as seconds have a price;
 *                     absent: as long as the worker lets it
 * Result:
 *   1 row  5 ask  6 stage  as in the task
 *   7 outcome u32 (enum ask_outcome)
 *   8 answer bin      ANSWER: canonical JSON; INVALID, CUT, FILTERED: the
 *                     text that came, at most ASK_WRONG_MAX bytes
 *   9 error str       what is wrong, for the model and for people
 *  10 model str       that answered, as it says
 *  11 usage u32       1: the three that follow are known
 *  12 input u64  13 cached u64  14 output u64   tokens
 *  15 endpoint str    16 first_byte_us u64  17 total_us u64
 *  18 time u64        of the answer, seconds since 1970
 *  19 fault str       name of the fault (fault.h), "" when there is none
 *  20 status u32      of HTTP
 *  21 characters u64  that were sent, where they have a price
 *  22 held_ms u64     that it took, rounded up, where seconds have one
 *  23 unrecorded u64  1: its provider's answers are recorded, and this one
 *                     could not be
 * Unknown keys are skipped. Pure. */
#pragma once
#include "common/buf.h"

#include <string.h>

/* Steps of the task ids of asks: 16 + ask. Lower ones are ranges and packs. */
enum { ASK_STEP = 16, ASK_MAX = 200 /* asks of a row */ };

enum {
    ASK_WRITERS_MAX = 16,      /* of a recipe */
    ASK_WRONG_MAX = 8 * 1024,  /* bytes of an answer to be mended */
    ASK_ANSWER_MAX = 7 * 1024, /* bytes of a canonical answer: 250 rows with
                                * two of them fit a message */
    ASK_ERROR_MAX = 512,
    ASK_TEXT_MAX = 128,
};

/* The calls that a row takes, in order. */
enum ask_stage {
    ASK_BACKGROUND, /* background, skills, hobbies, goals */
    ASK_PERSONAS,   /* the six persona texts, from these */
    ASK_STAGES
};

/* How an ask ended; X(name, paid, text). paid: 1 tokens are known or can be
 * bounded, -1 perhaps: counts as unknown, 0 surely not. */
#define ASK_OUTCOME_LIST(X)                                                    \
    X(ANSWER, 1, "a valid answer")                                             \
    X(INVALID, 1, "an answer that is not what was asked for")                  \
    X(CUT, 1, "an answer that ended at the most tokens")                       \
    X(FILTERED, 1, "an answer that a content filter stopped")                  \
    X(UNKNOWN, -1, "sent, and no whole answer came: perhaps paid")             \
    X(REFUSED, 0, "refused, and every other try would be: nothing paid")

enum ask_outcome {
#define X(name, paid, text) ASK_##name,
    ASK_OUTCOME_LIST(X)
#undef X
        ASK_OUTCOMES
};

struct ask_task {
    uint64_t row;
    uint32_t ask;
    enum ask_stage stage;
    const uint8_t *input; /* borrowed, as all below; NULL: none */
    uint32_t input_len;
    const uint8_t *wrong; /* NULL: asked afresh */
    uint32_t wrong_len;
    const char *error; /* not NUL-terminated */
    uint32_t error_len;
    uint64_t input_max;
    uint32_t output_max;
    uint32_t writer;   /* its number in the recipe */
    uint64_t total_ms; /* 0: not said */
};

struct ask_text {
    const char *text; /* not NUL-terminated */
    uint32_t len;
};

static inline struct ask_text
ask_text_of(const char *text)
{
    return (struct ask_text){text, (uint32_t)strlen(text)};
}

struct ask_result {
    uint64_t row;
    uint32_t ask;
    enum ask_stage stage;
    enum ask_outcome outcome;
    const uint8_t *answer;
    uint32_t answer_len;
    struct ask_text error, model, endpoint, fault;
    bool has_usage;
    uint64_t input, cached, output; /* tokens; input has the cached ones */
    uint64_t first_byte_us, total_us;
    uint64_t time;
    uint32_t status;
    bool has_characters, has_held_ms;
    uint64_t characters, held_ms;
    uint64_t unrecorded; /* 1: it should stand in a file, and does not */
};

/* Append; fail only as buf does. Texts are cut to their limits at a whole
 * character. */
void ask_put_task(const struct ask_task *task, struct co_buf *buf);
void ask_put_result(const struct ask_result *result, struct co_buf *buf);
/* Read what a peer sent; pointers go into data. False: not such a payload, or
 * beyond a limit. */
bool ask_get_task(const uint8_t *data, size_t len, struct ask_task *ret);
bool ask_get_result(const uint8_t *data, size_t len, struct ask_result *ret);
/* Whether a task's payload is an ask (and not a range). */
bool ask_is_task(const uint8_t *data, size_t len);

const char *ask_outcome_name(enum ask_outcome outcome);
