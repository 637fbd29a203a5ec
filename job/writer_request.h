/* writer_request.h - what a writer's model is asked about a person: the texts
 * of one ask. The worker that sends it and the owner that looks for its answer
 * in a cache make it by the same function; everything comes from recipe and
 * row. Pure, but for the memory of its texts. */
#pragma once
#include "job/writer.h"
#include "population/sampler.h"

enum {
    WRITER_MESSAGES_MAX = 4, /* system, user, the wrong answer, what is wrong */
};

struct writer_request {
    struct co_buf system, user, repair, schema;
    struct provider_message messages[WRITER_MESSAGES_MAX];
    /* What is asked. How it travels (form, stream, is_vendor) is the caller's
     * to say. Points into this struct, the writer and the task. */
    struct provider_ask ask;
    uint32_t age; /* of the person, for what is asked of whom */
};

/* Allocates nothing yet. */
void writer_request_init(struct writer_request *r);
void writer_request_fini(struct writer_request *r);
/* Draws the person and writes all that is asked; r may be made again and again.
 * CO_FULL: a text is longer than PROMPT_TEXT_MAX; CO_NOMEM */
co_must_use enum co_err writer_request_make(struct writer_request *r,
                                            const struct writer *writer,
                                            const struct sampler *sampler,
                                            const struct ask_task *task);
