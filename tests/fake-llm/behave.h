/* behave.h - how the fake endpoint is told to misbehave.
 * A script is steps with ';' between them, each for one request ("3*" before
 * it: for three), the last for all that follow. A step is words with ',' or
 * blanks between them; the table in behave.c says which there are. Pure. */
#pragma once
#include "common/err.h"

enum behave_end {
    END_WHOLE, /* the answer comes, all of it */
    END_RESET, /* RST instead of an answer */
    END_CLOSE, /* closed without a byte */
    END_CUT,   /* half of the body, then closed */
    END_STALL, /* half of the body, then nothing more */
    END_MUTE,  /* no byte ever */
};

enum behave_body {
    BODY_ANSWER,
    BODY_BADJSON,  /* an answer whose JSON breaks off */
    BODY_SHAPE,    /* JSON, but no answer */
    BODY_HUGE,     /* bytes of blanks, then an answer */
    BODY_ECHO_KEY, /* an error that repeats the caller's key */
};

struct behave {
    enum behave_end end;
    enum behave_body body;
    uint64_t latency_ms;
    uint64_t status;      /* 0: 200 */
    uint64_t retry_after; /* seconds, sent when has_retry */
    bool has_retry, retry_date;
    /* What the headers say about limits: what is left, until reset_ms. */
    uint64_t left, tokens_left, reset_ms;
    bool has_left, has_tokens_left;
    bool chunked, html, length, filter, quota;
    bool violate;       /* JSON that is not what the schema says, once */
    bool nonjson;       /* prose where JSON was asked for, once */
    bool stubborn;      /* these two also when they are to be mended */
    bool fence;         /* prose and a fence around the JSON */
    bool wordy;         /* paragraphs longer than asked for, yet valid */
    bool overrun;       /* the bill says more tokens than were allowed */
    bool billed;        /* although no byte of an answer comes */
    uint64_t split;     /* bytes of a piece; 0: all at once */
    uint64_t headers;   /* that many more */
    uint64_t huge;      /* bytes */
    char location[512]; /* "": none */
};

enum { BEHAVE_STEPS_MAX = 64 };

struct behave_script {
    struct {
        struct behave behave;
        uint64_t times;
    } steps[BEHAVE_STEPS_MAX];
    size_t count, at;
    uint64_t used; /* of the step at */
};

/* CO_USAGE: diag names the word. */
co_must_use enum co_err behave_parse(const char *text, size_t len,
                                     struct behave *ret_behave,
                                     struct co_diag *diag);
co_must_use enum co_err behave_script_parse(const char *text, size_t len,
                                            struct behave_script *ret_script,
                                            struct co_diag *diag);
/* What the next request meets. */
const struct behave *behave_next(struct behave_script *script);
