/* write_batch.h - what the files of the tasks of batches share: one submits a
 * batch, finds it again, looks after it, takes a page of its answers, or
 * cancels it (llm/batch.h). Private.
 *
 * No task waits for the vendor to work: between two of them the owner does.
 * What a failed request means: while nothing was made the task is given back,
 * to be tried again later. Only a request that may have made a batch ends with
 * a result in any case: it is never sent again before somebody looked.
 *
 * A page is what came of a file, from the line on that the task names, up to
 * BATCH_PAGE_MAX bytes: then the connection is closed. Where a file is long its
 * beginning comes again for each page, as the vendors give files whole. */
#pragma once
#include "proto/walk.h"
#include "worker/services/write.h"

enum {
    WRITE_BATCH_STEP_ASKS = 16, /* written or judged in a step */
    WRITE_BATCH_ANSWER_MAX = 256 * 1024,
    WRITE_BATCH_BODY_MAX = 2 * 1024 * 1024, /* of an answer about batches */
    WRITE_BATCH_CANDIDATES_MAX = 256,
    WRITE_BATCH_LINES_MAX = 512, /* of a page */
    WRITE_BATCH_FULL_MS = 250,   /* without memory: away for so long */
};

enum write_batch_phase {
    PHASE_RENDER, /* the upload is being written */
    PHASE_READY,  /* target and body are made: it can be sent */
    PHASE_SENT,
    PHASE_ANSWERED, /* of `step`'s request */
    PHASE_JUDGE,    /* lines of a page */
};

/* Which request it is at. */
enum write_batch_request {
    REQUEST_UPLOAD,
    REQUEST_CREATE,
    REQUEST_LIST,
    REQUEST_PEEK,
    REQUEST_GET,
    REQUEST_CANCEL,
    REQUEST_LINES,
    REQUEST_CLEAN,
};

struct write_batch_candidate {
    char id[BATCH_ID_BYTES];
    bool ended;
};

struct write_batch {
    struct lane *lane;
    struct service_run *run; /* NULL: nobody waits any more */
    struct batch_task task;
    const struct batch_api *api;
    enum write_batch_phase phase;
    enum write_batch_request request;
    struct http_target *target;
    struct co_buf body;
    struct write_ask *ask; /* for one ask after the other */

    struct walk asks; /* SUBMIT: what is left to write */
    uint32_t left, written;

    enum fault fault; /* how the request ended */
    bool sent;
    int status;
    struct hints hints;
    struct co_buf answer;
    struct co_diag diag;

    uint64_t line;     /* HARVEST: lines that came */
    size_t line_start; /* in answer: of the one that is coming */
    bool full;         /* enough for a page */
    bool too_long;     /* the line that comes is dropped */
    uint32_t lines;    /* of the page */
    size_t at;         /* in answer: judged up to here */
    uint32_t n_asks, n_unsent;
    struct co_buf results, unsent, one;

    struct write_batch_candidate candidates[WRITE_BATCH_CANDIDATES_MAX];
    uint32_t n_candidates, candidate, pages; /* FIND */
    char after[BATCH_ID_BYTES]; /* the page that is read begins there */
    bool is_unsure;
    uint32_t file, cleaned; /* CLEAN: which is next, and how many are gone */
    struct batch_info info; /* what was found */

    struct lane_orphan orphan;
};

/* write_batch.c */
void write_batch_free(struct write_batch *b);
/* The task's recipe; recipes_put() it. False: what the step comes to. */
bool write_batch_recipe(struct write_batch *b, struct recipe_use *ret_use,
                        enum service_step *ret_step);

/* write_batch_tell.c. The task ends: with a result (DONE) that says so much ...
 */
struct batch_result write_batch_result(const struct write_batch *b,
                                       enum batch_state state);
enum service_step write_batch_tell(struct write_batch *b,
                                   const struct batch_result *result);
enum service_step write_batch_tell_state(struct write_batch *b,
                                         enum batch_state state);
enum service_step write_batch_tell_info(struct write_batch *b);
/* ... or given back (RETURN). Nothing was made: another time. */
enum service_step write_batch_later(struct write_batch *b);
/* It cannot be asked for here. Only of one that was to be made that says
 * something about the batch: another worker can look after those that run. */
enum service_step write_batch_cannot(struct write_batch *b);
/* What was not found here may be there for the account that made it: a worker
 * that has its key says so. */
bool write_batch_is_stranger(const struct write_batch *b);
enum service_step write_batch_not_mine(struct write_batch *b);
/* No memory. */
enum service_step write_batch_full(struct write_batch *b);
void write_batch_log(struct write_batch *b);

/* write_batch_request.c. The next request goes to that path, */
enum service_step write_batch_aim(struct write_batch *b,
                                  enum write_batch_request request,
                                  const char *path, const char *content_type);
/* ... or to a form with %s for an id, */
enum service_step write_batch_aim_at(struct write_batch *b,
                                     enum write_batch_request request,
                                     const char *form, struct ask_text id);
/* ... and is sent. */
enum service_step write_batch_send(struct write_batch *b);
/* Ids of a stranger go into addresses. */
bool write_batch_id_is_plain(struct ask_text id);
/* A line of the file ended, at the end of the answer. */
void write_batch_line_ended(struct write_batch *b);
/* The answer, of the batch that was asked about, or of one that was made just
 * now, into info. */
enum fault write_batch_read_info(struct write_batch *b);

/* What follows when a request was answered; it failed where b->fault says so.
 */
enum service_step write_batch_render(struct write_batch *b);
enum service_step write_batch_uploaded(struct write_batch *b);
enum service_step write_batch_created(struct write_batch *b);
enum service_step write_batch_list(struct write_batch *b, const char *after);
enum service_step write_batch_listed(struct write_batch *b);
enum service_step write_batch_peeked(struct write_batch *b);
enum service_step write_batch_harvested(struct write_batch *b);
enum service_step write_batch_judge(struct write_batch *b);
