/* batches_impl.h - what the files of the batch APIs share. Private. */
#pragma once
#include "tests/fake-llm/answer.h"
#include "tests/fake-llm/batches.h"

struct pull;

enum {
    BATCHES_MAX = 4096,
    BATCHES_FILES_MAX = 3 * BATCHES_MAX,
    BATCHES_CUSTOM_MAX = 64,
    BATCHES_BODY_MAX = 1 << 28,
    MILLION = 1000000,
};

struct item {
    char custom[BATCHES_CUSTOM_MAX + 1];
    size_t at, len; /* of its request, in the batch's input */
};

struct batch {
    uint64_t account; /* hash of the key that made it: others do not see it */
    bool openai, cancelled, worked;
    bool failed; /* its input is no good: nothing is run */
    char why[160];
    char metadata[512];                           /* JSON */
    uint32_t input_file, output_file, error_file; /* 0: none */
    struct co_buf input;
    struct item *items;
    uint32_t n;
    int64_t made_us, made_s;
    uint32_t done, errored, expired, unrun;
    struct co_buf results; /* Anthropic's lines */
};

struct batches {
    struct ledger *ledger;
    struct batches_rules rules;
    struct batch *batches[BATCHES_MAX];
    uint32_t n;
    struct co_buf files[BATCHES_FILES_MAX]; /* number less 1 */
    uint32_t n_files;
    bool gone[BATCHES_FILES_MAX]; /* that were deleted */
    uint64_t deleted;             /* so many */
    uint64_t requests, lost;
};

/* A call on its way. */
struct asking {
    struct batches *b;
    const struct request *r;
    uint64_t account;
    const struct fail_rules *fails;
    int64_t now_us;
    struct co_buf *out;
    int64_t *delay_us;
};

/* batches.c. Return the status that is answered. */
int batches_refuse(const struct asking *a, int status, const char *why);
int batches_say(const struct asking *a, struct co_buf *body);

/* batches_take.c. The input becomes items; false: why says what is wrong. */
bool batches_take_lines(struct batch *t, char why[160]);
bool batches_take_requests(struct batch *t, char why[160]);
/* The first wrong thing is kept; always false. */
bool batches_wrong(char why[160], const char *what);

/* batches_work.c. Lines come in no order. */
void batches_work(const struct asking *a, struct batch *t);

/* batches_tell.c */
void batches_put_id(struct co_json *json, const char *key, const char *form,
                    uint32_t n);
void batches_put(struct co_json *json, const struct batch *t, uint32_t number);
int batches_say_batch(const struct asking *a, const struct batch *t,
                      uint32_t number);

/* batches_make.c. NULL: there is no such file. */
struct co_buf *batches_new_file(struct batches *b, uint32_t *ret_number);
struct co_buf *batches_find_file(struct batches *b, const char *id);
int batches_delete_file(const struct asking *a, struct co_buf *file,
                        const char *id);
int batches_say_file(const struct asking *a, const struct co_buf *file);
int batches_upload(const struct asking *a);
int batches_create_openai(const struct asking *a);
int batches_create_anthropic(const struct asking *a);
