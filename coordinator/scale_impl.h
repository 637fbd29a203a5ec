/* scale_impl.h - parts of scale.c, for its own files only: scale.c asks in
 * rounds, scale_read.c puts answers into these tables, scale_write.c tells. */
#pragma once
#include "common/keys.h"
#include "common/log.h"
#include "common/redis.h"
#include "common/table.h"
#include "coordinator/scale.h"
#include "scaler/lease.h"
#include "scaler/share.h"

enum {
    SCALE_SERVICES_MAX = 64, /* a bit each in a worker's mask */
    SCALE_WORKERS_MAX = 20000,
    SCALE_READ_MAX = 1000,  /* workers read in one round; the others wait */
    SCALE_WRITERS_MAX = 32, /* brokers, and coordinators, of a service */
    SCALE_OFFERS_MAX = 16,  /* services of a worker */
    SCALE_NAME_BYTES = 256,
};

/* A cumulative count of somebody who may start again from 0. */
struct scale_count {
    uint64_t last;
    bool known;
};

struct scale_broker {
    char id[SCALE_NAME_BYTES];
    struct scale_count in, out;
};

struct scale_service {
    char name[SCALE_NAME_BYTES];
    int64_t seen_ms; /* in the list, or asked for by a person */
    struct scaler core;
    struct scaler_config config;
    struct scaler_output out;
    bool begun;             /* core is set up */
    uint64_t was_number;    /* of who wrote scale:SERVICE before; 0: nobody */
    uint32_t was_in_flight; /* what that one said */
    uint64_t wrote;         /* the number that Redis took from this one last */
    uint32_t written_as;    /* of its write under way; unique, never 0 */
    bool pinned;            /* a person set something */
    struct scaler_sample m; /* of this round */
    uint64_t in_flight;     /* at the brokers */
    uint32_t slots_max;     /* most slots that a worker of it has */
    bool told_mode;         /* that the mode was refused */
    uint32_t plain;         /* workers that no supervisor started */
    struct scale_broker brokers[SCALE_WRITERS_MAX];
    uint32_t n_brokers;
    uint32_t shares[SHARE_HOSTS_MAX]; /* by host */
    uint32_t told;                    /* desired, as the last event said */
};

struct scale_offer {
    uint32_t service;
    struct scale_count done, busy_ms;
};

struct scale_worker {
    uint64_t id;
    int64_t seen_ms; /* in the list */
    bool read;       /* its hash was read at least once */
    bool draining, supervised;
    uint32_t slots, slots_max, running;
    uint64_t rss_bytes;
    struct scale_offer offers[SCALE_OFFERS_MAX];
    uint32_t n_offers;
};

/* A supervisor: `cohort-worker --processes MIN..MAX`. */
struct scale_host {
    char id[SCALE_NAME_BYTES];
    int64_t seen_ms;
    uint32_t max, running;
    bool read;         /* its hash was read at least once */
    uint64_t services; /* a bit each */
};

/* Ids of brokers or coordinators that live. */
struct scale_names {
    char v[SCALE_WRITERS_MAX][SCALE_NAME_BYTES];
    uint32_t n;
};

enum scale_ask {
    SCALE_ASK_LEASE,
    SCALE_ASK_CLAIM,
    SCALE_ASK_SERVICES,
    SCALE_ASK_WORKERS,
    SCALE_ASK_HOSTS,
    SCALE_ASK_BROKERS,
    SCALE_ASK_COORDINATORS,
    SCALE_ASK_WORKER,
    SCALE_ASK_HOST,
    SCALE_ASK_QUEUE,
    SCALE_ASK_PIN,
    SCALE_ASK_BEFORE,
    SCALE_ASK_WRITE,
    SCALE_ASK_COUNT
};

struct scale {
    struct scale_options opt;
    struct co_redis *redis;
    char host[65];
    struct lease lease;
    int64_t now_ms; /* of the round: when it began */
    int64_t looked_ms;

    /* The round: what was asked together, and how many answers are missing. */
    uint32_t round, waiting;
    int phase; /* SCALE_ASK_...: the first kind of the present questions */
    bool active, failed;
    int64_t begun_ms, next_ms;
    bool claim; /* nobody has the lease */
    struct co_log_limit refusals;

    struct scale_service *services; /* SCALE_SERVICES_MAX */
    uint32_t n_services;
    struct scale_host hosts[SHARE_HOSTS_MAX];
    uint32_t n_hosts;
    struct scale_names brokers, coordinators;
    struct scale_worker *workers;
    uint32_t n_workers, workers_cap, cursor;
    struct co_table by_id;
    uint32_t writes;      /* the last written_as */
    uint64_t rounds, cut; /* rounds done; things beyond a limit, counted */
};

/* scale_read.c */
/* A list of ids came. */
void scale_read_list(struct scale *s, enum scale_ask ask,
                     const struct co_redis_reply *reply);
/* A hash came, of the i-th worker, host or service. */
void scale_read_hash(struct scale *s, enum scale_ask ask, uint32_t i,
                     const struct co_redis_reply *reply);
/* Forgets the sums of the last round. */
void scale_read_begin(struct scale *s);
/* Sums the workers up, once all answers are there. */
void scale_read_end(struct scale *s);
/* Lets go of those that were not seen for a while. */
void scale_forget(struct scale *s);

/* scale.c: a question of the round, about the i-th of its kind. */
void scale_ask(struct scale *s, enum scale_ask what, uint32_t i, int argc,
               const char *const *argv);
/* A command whose answer interests nobody. */
void scale_send(struct scale *s, int argc, const char *const *argv);

/* scale_write.c: nothing is changed in Redis, and SCALE_ASK_WRITE answers 0,
 * when the lease is another's by then. */
/* scale:SERVICE and demand:SERVICE, and an event when the wish changed. */
void scale_write(struct scale *s, struct scale_service *v);
/* Redis took the write with this written_as: the event was told. 0, and one of
 * a service that is gone: nothing to note. */
void scale_written(struct scale *s, uint32_t written_as);
/* The keys of a service that nobody needs any more. */
void scale_write_gone(struct scale *s, const char *service);
