/* vendor.h - a vendor that takes batches of a job's asks: works on them line by
 * line, lists them a while after they were made, lets lines expire or fail,
 * bills what it ran, and may forget what it was given. */
#pragma once
#include "llm/batch.h"
#include "tests/sim/llm.h"

enum { VENDOR_FILES = BATCH_FILES }; /* answers; and what came to nothing */

enum vendor_line_end {
    VENDOR_WAITS,
    VENDOR_ANSWERED,
    VENDOR_UNRUN,   /* expired, cancelled, or failed: not billed */
    VENDOR_MISSING, /* billed, and in no file */
};

struct vendor_line {
    struct ask_task ask; /* without its texts */
    enum vendor_line_end end;
    struct llm_answer answer;
};

struct vendor_batch {
    uint64_t number, account;
    char id[32];
    int64_t listed_us;  /* found since then */
    int64_t expires_us; /* lines that were not run by then are not */
    bool failed;        /* not a line of it was looked at */
    bool forgotten, cancelled, cleaned;
    struct vendor_line *lines;
    uint32_t n, left;
};

/* How it behaves; permille. */
struct vendor {
    unsigned unsure;  /* answers to a submission that are lost */
    unsigned refused; /* submissions */
    unsigned failing; /* batches that come to nothing as a whole */
    unsigned blind;   /* lists that are cut short */
    unsigned gone;    /* looks at what is there that do not find it */
    unsigned forgets, expires, unrun, missing;
    unsigned cut;             /* files that end early, this time */
    bool has_upload;          /* batches have a file that can be deleted */
    int64_t list_us, line_us; /* most */
    struct vendor_batch *v;
    size_t n, cap;
};

/* Chooses a vendor for a job that has none. */
void vendor_make(struct sim *s, struct workload *w);
void vendor_free(struct workload *w);

/* Of s->job. Ids go with the number of the batch at the vendor, from 1. */
void vendor_submit(struct sim *s, const struct batch_task *task,
                   uint64_t account, char ret_id[32]);
/* NULL: none is listed (yet). The newest one of that number. */
const struct vendor_batch *vendor_find(const struct sim *s, uint64_t number,
                                       uint64_t account);
/* NULL: unknown to that account. */
struct vendor_batch *vendor_of(const struct sim *s, struct ask_text id,
                               uint64_t account);
/* Of all jobs: a clock has jumped, so that somebody waits too short. What is
 * listed late then is made twice, and nothing was promised. */
void vendor_list_all(struct sim *s);
void vendor_cancel(struct vendor_batch *b);
/* Its files are deleted: nobody may need them. */
void vendor_clean(struct sim *s, struct vendor_batch *b);
/* Whether a line stands in that file of its batch. */
bool vendor_is_in(const struct vendor_line *line, uint32_t file);
