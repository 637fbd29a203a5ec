/* fault.c - see fault.h. */
#include "llm/fault.h"

static const struct {
    const char *name, *advice;
    bool retry;
} faults[FAULT_COUNT] = {
#define X(id, name, retry, advice) {name, advice, retry},
    FAULT_LIST(X)
#undef X
};

/* Statuses with a meaning of their own; the rest goes by its hundreds. */
static const struct {
    int status;
    enum fault fault;
} statuses[] = {
    {401, FAULT_UNAUTHORIZED}, {402, FAULT_NO_MONEY},
    {403, FAULT_UNAUTHORIZED}, {408, FAULT_TRY_AGAIN},
    {409, FAULT_TRY_AGAIN},    {425, FAULT_TRY_AGAIN},
    {429, FAULT_RATE_LIMITED}, {503, FAULT_OVERLOADED},
    {529, FAULT_OVERLOADED},
};

const char *
fault_name(enum fault fault)
{
    co_assert(fault < FAULT_COUNT);
    return faults[fault].name;
}

bool
fault_retryable(enum fault fault)
{
    co_assert(fault < FAULT_COUNT);
    return faults[fault].retry;
}

const char *
fault_advice(enum fault fault)
{
    co_assert(fault < FAULT_COUNT);
    return faults[fault].advice;
}

enum fault
fault_of_status(int status)
{
    for (size_t i = 0; i < co_countof(statuses); i++) {
        if (statuses[i].status == status) return statuses[i].fault;
    }
    switch (status / 100) {
    case 2:
        return FAULT_NONE;
    case 3:
        return FAULT_REDIRECT;
    case 4:
        return FAULT_BAD_REQUEST;
    case 5:
        return FAULT_SERVER;
    default:
        return FAULT_NOT_HTTP;
    }
}
