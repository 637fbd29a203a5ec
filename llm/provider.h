/* provider.h - the APIs that models are called by, one row of a table each.
 * A provider says where calls go, how a question becomes a request body, and
 * how answers, whole or streamed, are read. It does no I/O and keeps nothing:
 * adding one is one file and one line in provider.c. Pure. */
#pragma once
#include "llm/fault.h"

#include "common/buf.h"

enum {
    PROVIDER_MODEL_BYTES = 128,
    PROVIDER_ERROR_BYTES = 512,
    PROVIDER_HEADERS_MAX = 4,
};

/* What is asked. */
struct provider_ask {
    const char *model;
    const char *system; /* NULL: none */
    const char *prompt;
    uint64_t max_tokens; /* of the answer; 0: as the API does by itself */
    bool stream;
    bool is_vendor; /* goes to the provider's own host, with its dialect */
};

/* What came back. Belongs to the caller; provider_answer_init() once, then
 * provider_answer_clear() before each call. */
struct provider_answer {
    struct co_buf text;
    char model[PROVIDER_MODEL_BYTES]; /* which one answered, as it says */
    bool has_usage;
    uint64_t input_tokens; /* all, cached ones too */
    uint64_t cached_tokens, output_tokens;
    bool is_cut, is_filtered; /* ended at the most tokens, by a filter */
    bool has_end;             /* the answer says that it is complete */
    bool is_answer;           /* something of this API was read */
    char error[PROVIDER_ERROR_BYTES]; /* what the endpoint says went wrong */
    char error_code[64]; /* its short name, "" when there is none */
};

struct provider {
    const char *name;    /* "openai" */
    const char *about;   /* one line */
    const char *host;    /* base URL of the vendor */
    const char *path;    /* "/v1/chat/completions" */
    const char *key_env; /* where the vendor's key is by custom */
    /* "Name: value", sent always; ended by NULL. */
    const char *headers[PROVIDER_HEADERS_MAX];
    const char *key_header; /* printf form that the key goes into */
    /* Appends the request body. */
    void (*write)(const struct provider_ask *ask, struct co_buf *body);
    /* Reads a whole answer of status 200 into answer: FAULT_NONE,
     * FAULT_BAD_JSON or FAULT_BAD_SHAPE; diag says where and what. */
    enum fault (*read)(const char *body, size_t len,
                       struct provider_answer *answer, struct co_diag *diag);
    /* Takes one event of a stream, in the same way. */
    enum fault (*event)(const char *name, const char *data, size_t len,
                        struct provider_answer *answer, struct co_diag *diag);
};

extern const struct provider provider_openai, provider_anthropic;

/* All of them; *ret_count. */
const struct provider *const *provider_all(size_t *ret_count);
/* NULL: there is none of that name. */
const struct provider *provider_find(const char *name);

/* text takes at most limit bytes. */
void provider_answer_init(struct provider_answer *answer, size_t limit);
void provider_answer_fini(struct provider_answer *answer);
void provider_answer_clear(struct provider_answer *answer);

/* Reads the body of a failed call, which looks alike in all these APIs and
 * their imitations: {"error": {"message": M, "type": T, "code": C}}. What is
 * none leaves answer->error empty. */
void provider_read_error(const char *body, size_t len,
                         struct provider_answer *answer);

struct pull; /* for the providers' files */
/* The value of an "error" member. */
void provider_take_error(struct pull *p, struct provider_answer *answer);
/* How reading ended: FAULT_NONE when p is at its end without a mistake and
 * answer->is_answer; else what is wrong, in diag. */
enum fault provider_verdict(struct pull *p,
                            const struct provider_answer *answer,
                            struct co_diag *diag);
