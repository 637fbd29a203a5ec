/* fault.h - how a call to a model can end, each way with what it means.
 * One list makes the enum, the names (stable: they stand in output and in
 * documents), whether a later try can end otherwise, and what to do. Pure. */
#pragma once
#include "common/base.h"

/* X(id, name, worth trying again, what a person can do) */
#define FAULT_LIST(X)                                                          \
    X(NONE, "ok", false, "nothing to do")                                      \
    X(RESOLVE, "resolve", true,                                                \
      "is the host's name in the URL right, and does this machine resolve "    \
      "it?")                                                                   \
    X(CONNECT, "connect", true,                                                \
      "is the server running, and are host and port of the URL right?")        \
    X(CONNECT_TIMEOUT, "connect-timeout", true,                                \
      "a firewall may drop the packets; else raise --connect-timeout")         \
    X(TLS, "tls", false,                                                       \
      "the certificate is not one this machine trusts: give its authority "    \
      "with --ca-file, or mend the server's certificate")                      \
    X(RESET, "reset", true,                                                    \
      "the connection was closed before an answer came: see the server's log") \
    X(CUT, "cut", true,                                                        \
      "the answer ended in the middle: see the server's log")                  \
    X(FIRST_BYTE_TIMEOUT, "first-byte-timeout", true,                          \
      "the model may be slow or queueing: raise --first-byte-timeout, or "     \
      "send "                                                                  \
      "less at once")                                                          \
    X(IDLE_TIMEOUT, "idle-timeout", true,                                      \
      "the answer stopped coming: see the server, or raise --idle-timeout")    \
    X(TOTAL_TIMEOUT, "total-timeout", true,                                    \
      "raise --total-timeout, or ask for fewer tokens")                        \
    X(RATE_LIMITED, "rate-limited", true,                                      \
      "wait as long as the answer says, and send less a minute")               \
    X(OVERLOADED, "overloaded", true, "the server has too much to do: wait")   \
    X(SERVER, "server-error", true, "see the server's log")                    \
    X(TRY_AGAIN, "try-again", true, "the server asks for another try")         \
    X(NO_MONEY, "no-money", false,                                             \
      "the account behind the key has no quota or credit left")                \
    X(UNAUTHORIZED, "unauthorized", false,                                     \
      "give the right key: --key-env NAME or --key-file FILE")                 \
    X(BAD_REQUEST, "bad-request", false,                                       \
      "the server refuses the request: its message says what; check --url, "   \
      "--model and the provider")                                              \
    X(REDIRECT, "redirect", false,                                             \
      "the server sends the call elsewhere, where a key must not follow: "     \
      "give "                                                                  \
      "the right --url")                                                       \
    X(TOO_BIG, "too-big", false,                                               \
      "the answer is larger than --body-max: ask for fewer tokens or raise "   \
      "it")                                                                    \
    X(HEADERS, "headers", false,                                               \
      "the answer has more headers than any honest server sends: check --url") \
    X(NOT_HTTP, "not-http", false,                                             \
      "what answers at the URL is no HTTP server")                             \
    X(CONTENT_TYPE, "content-type", false,                                     \
      "the answer is no JSON: --url may lead to a web page or a proxy")        \
    X(BAD_JSON, "bad-json", false,                                             \
      "the answer is broken JSON: see the server's log")                       \
    X(BAD_SHAPE, "bad-shape", false,                                           \
      "the answer is JSON, but none of this API: is it the right provider?")   \
    X(LENGTH, "length", false,                                                 \
      "the answer reached the most tokens allowed: raise --max-tokens")        \
    X(FILTERED, "filtered", false,                                             \
      "the provider's content filter stopped the answer: change the prompt")   \
    X(LOCAL, "local", false, "this machine is short of memory or descriptors")

enum fault {
#define X(id, name, retry, advice) FAULT_##id,
    FAULT_LIST(X)
#undef X
        FAULT_COUNT
};

const char *fault_name(enum fault fault);
/* May the same request, sent again later, end otherwise? */
bool fault_retryable(enum fault fault);
/* What a person can do about it. */
const char *fault_advice(enum fault fault);
/* What an HTTP status means; FAULT_NONE for 200..299 only. */
enum fault fault_of_status(int status);
