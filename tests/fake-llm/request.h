/* request.h - reads a request and says what a real API would object to.
 * Stricter than most servers: an unknown or repeated member, a wrong type, a
 * missing header is refused with the reason, so that a test sees mistakes that
 * would cost money elsewhere. Pure. */
#pragma once
#include "common/err.h"

enum { REQUEST_BODY_MAX = 64 << 20, REQUEST_HEAD_MAX = 32768 };

enum request_api {
    API_OPENAI,
    API_ANTHROPIC,
    API_EMBEDDINGS,
    API_STATS,
    API_SCRIPT,
    API_FAIL,
    API_BATCH,           /* how batches go */
    API_FILES,           /* this and the next two: batches.h */
    API_BATCHES,         /* OpenAI's */
    API_MESSAGE_BATCHES, /* Anthropic's */
    API_NONE
};

/* A part of the body. */
struct request_part {
    const char *at; /* NULL: it is not there */
    size_t len;
};

struct request {
    enum request_api api;
    const char *body;
    size_t body_len, bytes; /* bytes: of all of it */
    const char *behave;     /* value of X-Fake; NULL: not given */
    size_t behave_len;
    const char *key; /* of Authorization or x-api-key; NULL: none */
    size_t key_len;
    const char *rest; /* of the path, and query, behind that of the API */
    size_t rest_len;
    const char *type; /* value of Content-Type; NULL: not given */
    size_t type_len;
    bool is_post, is_delete, is_json, has_version;
    /* Filled by request_check. */
    bool stream, include_usage;
    bool is_mending;            /* quotes an answer of the model */
    bool wants_json;            /* any JSON */
    struct request_part schema; /* of the answer */
    struct request_part tool;   /* that takes it, by name */
    struct request_part input;  /* of embeddings */
    uint64_t max_tokens;        /* 0: not given */
    uint64_t characters;        /* of all messages */
    uint64_t dimensions;        /* of embeddings; 0: not given */
};

/* Takes the request at the front of bytes apart. CO_AGAIN: it is not complete;
 * CO_PROTOCOL: this is no HTTP; CO_FULL: too large. */
co_must_use enum co_err request_read(const char *bytes, size_t len,
                                     struct request *ret_request);
/* The status it deserves: 200, or one with the reason in diag. key: the one
 * that is accepted; NULL: any or none. */
int request_check(struct request *request, const char *key,
                  struct co_diag *diag);
