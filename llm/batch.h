/* batch.h - many asks as one batch of a provider: cheaper, and answered within
 * a day (OpenAI Batch, Anthropic Message Batches). This is the codec: payloads
 * of the tasks that submit, find, watch, harvest and cancel a batch, and the
 * vendors' requests and answers. Pure.
 *
 * Task, a msgpack map with integer keys (docs/protocol.md):
 *  30 op u32 (enum batch_op)    31 batch u64, its number in the job
 *  32 job u64, which names it at the vendor together with the number
 *  33 id str, the vendor's      34 file str, of HARVEST
 *  35 skip u64, lines of it that were harvested before
 *  36 asks array of bin, of SUBMIT: tasks as in ask.h; without them nothing is
 *     submitted, and the result says which account would have been asked
 *  37 count u32, 38 since u64 and 49 until u64, of FIND: how many requests it
 *     holds, and made between these (seconds since 1970; until 0: nobody knows)
 *  41 files array of str, of CLEAN: to be deleted, as nobody needs them
 *  50 account u64, which made it or is to make it; absent: any
 * Result:
 *  30 op, 31 batch as in the task
 *  33 id str  35 skip u64, lines up to here are done  39 end u32: that was all
 *  40 state u32 (enum batch_state)  41 files array of str
 *  42 total u64  43 done u64  44 failed u64
 *  45 error str  46 fault str
 *  47 asks array of bin: results as in ask.h
 *  48 unsent array of u64: row << 8 | ask; surely not paid: ask again
 *  50 account u64, that was asked: of address and key (llm/endpoint_id.h)
 *  51 input str, the file that was uploaded
 * Unknown keys are skipped. */
#pragma once
#include "llm/ask.h"
#include "llm/fault.h"

#define BATCH_OP_LIST(X)                                                       \
    X(SUBMIT, "submit")                                                        \
    X(FIND, "find")                                                            \
    X(POLL, "poll")                                                            \
    X(HARVEST, "harvest")                                                      \
    X(CANCEL, "cancel")                                                        \
    X(CLEAN, "clean")

enum batch_op {
#define X(id, name) BATCH_##id,
    BATCH_OP_LIST(X)
#undef X
        BATCH_OPS
};

/* What an operation found; X(id, text). */
#define BATCH_STATE_LIST(X)                                                    \
    X(RUNNING, "at the vendor")                                                \
    X(ENDED, "ended")                                                          \
    X(REFUSED, "refused: nothing of it was run")                               \
    X(UNSURE, "sent, and no answer came: it may be there")                     \
    X(NONE, "not there")                                                       \
    X(GONE, "the vendor does not know it any more")

enum batch_state {
#define X(id, text) BATCH_##id,
    BATCH_STATE_LIST(X)
#undef X
        BATCH_STATES
};

enum {
    BATCH_ID_BYTES = 128, /* of a batch or a file, with its NUL */
    BATCH_FILES = 2,
    BATCH_CLEAN_FILES = BATCH_FILES + 1, /* and the one that was uploaded */
    BATCH_CUSTOM_BYTES = 65, /* 64 characters is what vendors take */
    /* What the vendors allow, as documented in November 2025. */
    BATCH_OPENAI_REQUESTS_MAX = 50000,
    BATCH_ANTHROPIC_REQUESTS_MAX = 100000,
    BATCH_HOURS = 24, /* then what is not answered expires */
    /* What we make of it: a task's payload, a page of answers, an upload. */
    BATCH_REQUESTS_MAX = 10000,
    BATCH_PAYLOAD_MAX = 1024 * 1024,
    BATCH_PAGE_MAX = 512 * 1024,
    BATCH_UPLOAD_MAX = 64 * 1024 * 1024, /* of 200 MB, 256 MB */
    BATCH_LINE_MAX = 1024 * 1024,        /* of one answer */
};

_Static_assert(BATCH_REQUESTS_MAX <= BATCH_OPENAI_REQUESTS_MAX &&
                   BATCH_REQUESTS_MAX <= BATCH_ANTHROPIC_REQUESTS_MAX,
               "both vendors take ours");

/* Both halve what tokens cost: platform.openai.com/docs/guides/batch,
 * docs.anthropic.com/en/docs/build-with-claude/batch-processing (2025-11). */
enum { BATCH_PRICE_DIVISOR = 2 };

struct batch_task {
    enum batch_op op;
    uint64_t batch, job;
    struct ask_text id, file; /* borrowed, as all */
    uint64_t skip;
    const uint8_t *asks; /* msgpack array; NULL: none */
    size_t asks_len;
    uint32_t count;
    uint64_t since, until;
    uint64_t account; /* 0: any */
    struct ask_text files[BATCH_CLEAN_FILES];
    uint32_t n_files;
};

struct batch_result {
    enum batch_op op;
    uint64_t batch;
    struct ask_text id, input;
    uint64_t skip;
    bool end;
    enum batch_state state;
    struct ask_text files[BATCH_FILES];
    uint32_t n_files;
    uint64_t total, done, failed;
    uint64_t account; /* 0: not said */
    struct ask_text error, fault;
    const uint8_t *asks, *unsent; /* msgpack arrays; NULL: none */
    size_t asks_len, unsent_len;
};

/* Append. asks, unsent: arrays that were packed already. */
void batch_put_task(const struct batch_task *task, struct co_buf *buf);
void batch_put_result(const struct batch_result *result, struct co_buf *buf);
/* False: not such a payload, or beyond a limit. */
bool batch_get_task(const uint8_t *data, size_t len, struct batch_task *ret);
bool batch_get_result(const uint8_t *data, size_t len,
                      struct batch_result *ret);
/* Whether a payload is one of these. */
bool batch_is_task(const uint8_t *data, size_t len);
/* The head of a msgpack array of n that bins, or numbers, are appended to. */
void batch_put_array(uint32_t n, struct co_buf *buf);
void batch_put_bin(const uint8_t *data, size_t len, struct co_buf *buf);
void batch_put_u64(uint64_t value, struct co_buf *buf);

const char *batch_op_name(enum batch_op op);
const char *batch_state_text(enum batch_state state);

/* -- at the vendors' */
/* Names a request: job, batch, row, ask and stage. */
struct batch_custom {
    uint64_t job, batch, row;
    uint32_t ask, stage;
};

void batch_custom_text(const struct batch_custom *custom,
                       char out[BATCH_CUSTOM_BYTES]);
/* False: it is none of ours. */
bool batch_custom_read(const char *text, size_t len, struct batch_custom *ret);

/* A batch as its vendor tells of it. */
struct batch_info {
    char id[BATCH_ID_BYTES];
    enum batch_state state; /* RUNNING, ENDED or REFUSED */
    char files[BATCH_FILES][BATCH_ID_BYTES];
    uint32_t n_files;
    char input[BATCH_ID_BYTES]; /* the file that was uploaded */
    uint64_t total, done, failed;
    bool has_name; /* it says itself whose it is */
    uint64_t job, batch;
    uint64_t created; /* seconds since 1970; 0: not said */
    char error[ASK_ERROR_MAX];
    enum fault why; /* of REFUSED; RATE_LIMITED: another time it is not */
};

/* How one request of a batch ended. */
enum batch_line_end {
    BATCH_LINE_ANSWER, /* body is what a call would have answered */
    BATCH_LINE_ERROR,  /* not paid: fault and error say why */
    BATCH_LINE_UNRUN,  /* not paid, and not tried: expired or cancelled */
};

struct batch_line {
    struct batch_custom custom;
    enum batch_line_end end;
    const char *body; /* JSON, in the line */
    size_t body_len;
    enum fault fault;
    char error[ASK_ERROR_MAX];
};

/* What one vendor's batches look like. Reading: FAULT_NONE, FAULT_BAD_JSON or
 * FAULT_BAD_SHAPE. */
struct batch_api {
    const char *path;        /* batches are made and listed there */
    const char *upload_path; /* requests go there first; NULL: with the batch */
    const char *upload_type; /* Content-Type header of that */
    const char *file_path;   /* printf form of where a file's lines are */
    const char
        *clean_path; /* likewise of a file to be deleted; NULL: none is */
    /* The upload, or the batch with its requests, piece by piece. */
    void (*begin)(struct co_buf *body);
    void (*add)(const char *custom, const uint8_t *request, size_t len,
                bool first, struct co_buf *body);
    void (*end)(struct co_buf *body);
    /* The request that makes a batch of an uploaded file; NULL: no need. */
    void (*create)(const char *file, uint64_t job, uint64_t batch,
                   struct co_buf *body);
    enum fault (*read_info)(const char *body, size_t len,
                            struct batch_info *ret_info, struct co_diag *diag);
    enum fault (*read_line)(const char *line, size_t len,
                            struct batch_line *ret_line, struct co_diag *diag);
};

/* NULL: the provider has no batches. */
const struct batch_api *batch_api_of(const char *provider);
/* "id" of an uploaded file. */
enum fault batch_read_id(const char *body, size_t len, char id[BATCH_ID_BYTES],
                         struct co_diag *diag);
/* A list of batches: calls each for its elements, until it says false.
 * *ret_more: the list goes on behind ret_last. */
enum fault
batch_read_list(const struct batch_api *api, const char *body, size_t len,
                bool (*each)(void *self, const struct batch_info *info),
                void *self, bool *ret_more, char ret_last[BATCH_ID_BYTES],
                struct co_diag *diag);

extern const struct batch_api batch_openai, batch_anthropic;
/* For the vendors' files. */
struct pull;
void batch_take_text(struct pull *p, char *out, size_t size);
void batch_take_u64(struct pull *p, uint64_t *to);
