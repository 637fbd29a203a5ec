/* calls.h - what the fake endpoint does with a whole request: which rule it
 * meets, what it costs, and the bytes of the response. No sockets here. */
#pragma once
#include "tests/fake-llm/batches.h"
#include "tests/fake-llm/fail.h"
#include "tests/fake-llm/ledger.h"
#include "tests/fake-llm/request.h"

struct calls {
    const char *key; /* NULL: any or none */
    struct behave_script script;
    struct fail_rules fails; /* before the script */
    struct ledger *ledger;
    struct batches *batches;
    /* Counted by whoever has the connections, for GET /stats. */
    uint64_t connections, open, open_peak, answering, answering_peak;
};

enum response_way {
    RESPONSE_SEND,
    RESPONSE_RESET, /* RST */
    RESPONSE_CLOSE,
    RESPONSE_MUTE, /* nothing, ever */
};

struct response {
    enum response_way way;
    size_t send_to; /* of out: the rest never goes out */
    size_t piece;   /* of each write; 0: all */
    int64_t delay_us;
    bool closes; /* after send_to */
};

/* Appends to out. */
void calls_answer(struct calls *calls, struct request *request, int64_t now_us,
                  struct co_buf *out, struct response *ret_response);
