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
    PROVIDER_MESSAGE_TOKENS = 16, /* that an API adds to a message, at most */
};

/* No call has more tokens; beyond it a count is taken as this many, so that
 * sums over all calls that are out at a time stay counts. */
#define PROVIDER_TOKENS_MAX UINT64_C(100000000000000)

enum provider_role { PROVIDER_SYSTEM, PROVIDER_USER, PROVIDER_ASSISTANT };

/* One turn of a conversation. Those of the system come first. */
struct provider_message {
    enum provider_role role;
    const char *text; /* UTF-8 */
    size_t len;
};

/* How a server is told what JSON to answer with; X(id, name, text). */
#define PROVIDER_FORM_LIST(X)                                                  \
    X(SCHEMA, "schema", "by a JSON Schema that binds the model")               \
    X(JSON, "json", "by words, and a mode in which all answers are JSON")      \
    X(WORDS, "words", "by words alone")

enum provider_form {
#define X(id, name, text) PROVIDER_FORM_##id,
    PROVIDER_FORM_LIST(X)
#undef X
        PROVIDER_FORMS
};

/* temperature_milli: as the API does by itself. */
#define PROVIDER_TEMPERATURE_OWN UINT32_MAX

/* What is asked. */
struct provider_ask {
    const char *model;
    const struct provider_message *messages;
    uint32_t n_messages;
    /* JSON Schema of the answer; NULL: any text. With one, the answer's text is
     * JSON, or what the model says instead where the form does not bind it. */
    const char *schema;
    const char *schema_name; /* [a-zA-Z0-9_-]{1,64}; only with a schema */
    enum provider_form form; /* how the server is told of the schema */
    uint64_t max_tokens;     /* of the answer; 0: as the API does by itself */
    uint32_t temperature_milli; /* or PROVIDER_TEMPERATURE_OWN */
    bool stream;
    bool is_vendor; /* goes to the provider's own host, with its dialect */
};

/* What is to be made vectors of. */
struct provider_embed {
    const char *model;
    const struct provider_text {
        const char *text; /* UTF-8, not empty */
        size_t len;
    } * texts;
    uint32_t n_texts;
    uint32_t dimensions; /* of a vector; 0: as the model has them */
};

/* What came back. Belongs to the caller; provider_answer_init() once, then
 * provider_answer_clear() before each call. */
struct provider_answer {
    struct co_buf text;
    char model[PROVIDER_MODEL_BYTES]; /* which one answered, as it says */
    /* Both counts are known. With one alone the cost is not: it must not be
     * taken for nothing. */
    bool has_usage;
    bool has_input, has_output;
    uint64_t input_tokens; /* all, cached ones too */
    uint64_t cached_tokens, output_tokens;
    bool is_cut, is_filtered; /* ended at the most tokens, by a filter */
    bool has_end;             /* the answer says that it is complete */
    bool is_over;             /* a stream said its last: the rest is not read */
    bool is_answer;           /* something of this API was read */
    bool is_tool; /* text is the input of a tool: other text does not count */
    char error[PROVIDER_ERROR_BYTES]; /* what the endpoint says went wrong */
    char error_code[64]; /* its short name, "" when there is none */
    /* Of embeddings: n_vectors times `dimensions` floats, in the order of the
     * texts. */
    struct co_buf vectors;
    uint32_t n_vectors, dimensions;
};

struct provider {
    const char *name;    /* "openai" */
    const char *about;   /* one line */
    const char *host;    /* base URL of the vendor; NULL: none, it is a file */
    const char *path;    /* "/v1/chat/completions" */
    const char *key_env; /* where the vendor's key is by custom; NULL: none */
    /* "Name: value", sent always; ended by NULL. */
    const char *headers[PROVIDER_HEADERS_MAX];
    const char *key_header; /* printf form that the key goes into */
    /* Tokens at most that the API adds to a call with a schema, besides those
     * of the schema itself. */
    uint32_t schema_tokens;
    uint32_t temperature_max; /* thousandths; more is refused */
    /* Appends the request body. */
    void (*write)(const struct provider_ask *ask, struct co_buf *body);
    /* Reads a whole answer of status 200 into answer: FAULT_NONE,
     * FAULT_BAD_JSON or FAULT_BAD_SHAPE; diag says where and what. */
    enum fault (*read)(const char *body, size_t len,
                       struct provider_answer *answer, struct co_diag *diag);
    /* Takes one event of a stream, in the same way. */
    enum fault (*event)(const char *name, const char *data, size_t len,
                        struct provider_answer *answer, struct co_diag *diag);
    /* The same for embeddings; embed_path NULL: it has none. */
    const char *embed_path;
    void (*embed_write)(const struct provider_embed *ask, struct co_buf *body);
    enum fault (*embed_read)(const char *body, size_t len,
                             struct provider_answer *answer,
                             struct co_diag *diag);
};

extern const struct provider provider_openai, provider_anthropic,
    provider_replay;

/* All of them; *ret_count. */
const struct provider *const *provider_all(size_t *ret_count);
/* NULL: there is none of that name. */
const struct provider *provider_find(const char *name);

/* text and vectors take at most limit bytes each. */
void provider_answer_init(struct provider_answer *answer, size_t limit);
void provider_answer_fini(struct provider_answer *answer);
void provider_answer_clear(struct provider_answer *answer);

/* Reads the body of a failed call, which looks alike in all these APIs and
 * their imitations: {"error": {"message": M, "type": T, "code": C}}. What is
 * none leaves answer->error empty. */
void provider_read_error(const char *body, size_t len,
                         struct provider_answer *answer);

/* CO_RANGE: the API refuses this temperature (thousandths, or
 * PROVIDER_TEMPERATURE_OWN); diag says what it takes. */
co_must_use enum co_err
provider_check_temperature(const struct provider *provider, uint32_t milli,
                           struct co_diag *diag);
/* Reads "0.7": at most 3 decimals. CO_USAGE: it is none; CO_RANGE as above. */
co_must_use enum co_err
provider_read_temperature(const struct provider *provider, const char *text,
                          uint32_t *ret_milli, struct co_diag *diag);
const char *provider_form_name(enum provider_form form);
const char *provider_form_text(enum provider_form form);
/* False: there is none of that name. */
bool provider_form_find(const char *name, enum provider_form *ret_form);
/* Tokens that the input of a call has at most: a token is at least a byte, and
 * an API adds a few to each message. No call is billed more unless its server
 * counts wrongly. */
uint64_t provider_input_max(const struct provider *provider,
                            const struct provider_ask *ask);
/* Characters (code points) of the texts that are sent in its messages, with the
 * schema where it is told in words: as services that bill characters count. */
uint64_t provider_characters(const struct provider_ask *ask);

/* For the providers' files. */
struct pull;
struct pull_slice;
struct co_json;
/* Members that all answers have alike: model and error. Others are skipped. */
void provider_take_member(struct pull *p, const struct pull_slice *key,
                          struct provider_answer *answer);
/* A count of tokens. False: what stands there is none (null, a text, less than
 * 0, a fraction) and was stepped over: a good answer is not thrown away because
 * its usage cannot be read, it is charged as one without. */
bool provider_take_tokens(struct pull *p, uint64_t *ret_tokens);
/* What the system says, with what has to be said of the schema in words; false:
 * nothing. *ret_text points into ask or into scratch. */
bool provider_system(const struct provider_ask *ask, struct co_buf *scratch,
                     const char **ret_text, size_t *ret_len);
/* {"role": R, "content": T} of each message that is not the system's; inside
 * an array. */
void provider_put_messages(const struct provider_ask *ask,
                           struct co_json *json);
/* "temperature", if it is to be sent; inside an object. */
void provider_put_temperature(const struct provider_ask *ask,
                              struct co_json *json);
/* How reading ended: FAULT_NONE when p is at its end without a mistake and
 * answer->is_answer; else what is wrong, in diag. */
enum fault provider_verdict(struct pull *p,
                            const struct provider_answer *answer,
                            struct co_diag *diag);
