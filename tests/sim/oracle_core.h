/* oracle_core.h - the oracle's inside, shared by oracle*.c only. oracle.c:
 * items, the watched kind. oracle_acks.c: acknowledgements. oracle_wire.c:
 * credit on the wire and guilt. */
#pragma once
#include "proto/walk.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/workload.h"

enum {
    ITEM_PLACED = 1,   /* committed for the owner in force */
    ITEM_DEAD = 2,     /* its death is committed */
    ITEM_LATE = 4,     /* a result was called late */
    ITEM_REPLAYED = 8, /* the replay that is under way has it */
    ITEM_REPLAYED_DEAD = 16,
    ITEM_GONE = 32, /* was committed, and the next owner does not know it */
    ITEM_OPEN = 64, /* its range leaves candidates out */
    BATCH_BUCKETS = 1024,
    STEPS = 9,
};

/* A RESULTS batch that a worker sent: its good tasks. */
struct batch {
    struct batch *chain;
    uint64_t worker, seq;
    bool over; /* acknowledged, forgotten or damaged */
    uint32_t n;
    uint64_t tasks[];
};

/* An owner heard that a task was lost alone, or failed. */
struct loss {
    uint64_t task, worker;
    int64_t at_us;
    bool failure;
    bool died; /* it was true: the worker was no more */
};

struct oracle {
    const struct job_kind *real;
    struct job_kind watched;     /* the same, with a look at what is said */
    struct node *turn, *current; /* owner that runs now; owner in force */
    bool replaying;
    uint8_t item[ITEMS_MAX];
    uint16_t count[ITEMS_MAX][STEPS];
    struct batch *batches[BATCH_BUCKETS];
    uint32_t kept[SIM_WORKERS_MAX];
    /* The newest that a worker's spill lost and it gave back to nobody yet. */
    const struct batch *untold[SIM_WORKERS_MAX];
    struct loss *losses;
    size_t n_losses, cap_losses;
    struct msg_reader *reader;
};

/* Of a task: whether it is a frame, or a question to a model (paid.c looks
 * after these); how many items it has, as its payload or result says; whether
 * each of them has one of these marks. */
bool oracle_is_pack(const struct sim *s, uint64_t task);
bool oracle_is_ask(const struct sim *s, uint64_t task);
void oracle_learn_count(struct sim *s, uint64_t task, const uint8_t *data,
                        size_t len);
bool oracle_all_marked(const struct sim *s, uint64_t task, unsigned marks);
/* A frame that cannot be cut to size takes its good rows along. */
void oracle_judge_pack(struct sim *s, uint64_t task);
void oracle_judge_death(struct sim *s, uint64_t task, uint32_t count);
void oracle_check_owner_ack(struct sim *s, struct node *n,
                            const struct msg_ack *a);
