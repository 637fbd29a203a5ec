/* written_vendor.h - a vendor of batches for the tests of the owner's part, and
 * the workers between the two: what it has, what it bills, what goes wrong. It
 * asserts that no request is made twice. */
#pragma once
#include "written_world.h"

enum { VENDOR_BATCHES = 2048, VENDOR_PAGE = 7 };

/* What the vendor has of a batch: results of its requests, as workers would
 * judge them, and those that were not run. */
struct vendor_batch {
    uint64_t number;
    struct co_buf results[600];
    uint64_t unrun[600];
    uint32_t n, n_unrun;
    uint32_t polls;  /* so many more until it ends */
    uint32_t misses; /* so many more times it is not there */
    uint32_t shorts; /* so many more times its files end early */
    bool cancelled;
    bool crowded;  /* it finds no room */
    uint64_t made; /* seconds since 1970 */
};

struct vendor {
    struct vendor_batch *batches[VENDOR_BATCHES];
    uint32_t n;
    uint32_t expire;  /* one request in so many is not run; 0: none */
    uint32_t drop;    /* one in so many has no line */
    uint32_t polls;   /* until a batch ends */
    bool refuses;     /* every submission */
    bool fails;       /* every batch, when it is looked at */
    uint32_t crowded; /* so many batches find no room */
    uint32_t misses;  /* each look fails so often at first */
    bool keeps_files; /* where requests are uploaded */
    bool clings;      /* its files cannot be deleted */
    uint32_t cleaned;
    uint32_t shorts;  /* the files of each end early so often */
    bool strangers;   /* and a worker that knows no batches is asked before */
    uint32_t unsure;  /* one answer to a submission in so many is lost */
    uint32_t cancels; /* how often it was told to */
    uint64_t submitted;
    uint8_t billed[WORLD_ROWS_MAX][ASK_MAX];
};

static struct vendor_batch *
vendor_find(const struct vendor *v, uint64_t number)
{
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->batches[i]->number == number) return v->batches[i];
    }
    return NULL;
}

static void
vendor_forget(struct vendor *v, struct vendor_batch *b)
{
    uint32_t i = 0;

    while (v->batches[i] != b) {
        i++;
    }
    v->batches[i] = v->batches[--v->n];
    free(b);
}

static void
vendor_free(struct vendor *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        for (uint32_t k = 0; k < v->batches[i]->n; k++) {
            co_buf_fini(&v->batches[i]->results[k]);
        }
        free(v->batches[i]);
    }
    free(v);
}

static bool
drawn(struct world *f, uint32_t one_in)
{
    return one_in && world_rnd(f, one_in) == 0;
}

/* Runs all of it at once; when it is told is for polls to say. */
static void
vendor_run(struct world *f, struct vendor *v, struct vendor_batch *b,
           const struct batch_task *t)
{
    struct walk asks = walk_start(t->asks, t->asks_len);
    const uint32_t n = walk_array(&asks);

    assert_true(n > 0 && n <= 600);
    for (uint32_t i = 0; i < n; i++) {
        struct ask_task ask;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(&asks, &len);

        assert_true(ask_get_task(data, len, &ask));
        if (drawn(f, v->expire)) {
            b->unrun[b->n_unrun++] = ask.row << 8 | ask.ask;
            continue;
        }
        assert_int_equal(v->billed[ask.row][ask.ask]++, 0);
        co_buf_init(&b->results[b->n], 4096);
        world_model(f, &ask, &b->results[b->n]);
        if (drawn(f, v->drop)) {
            co_buf_fini(&b->results[b->n]);
        } else {
            b->n++;
        }
    }
    assert_true(walk_done(&asks));
}

static void
vendor_submit(struct world *f, struct vendor *v, const struct batch_task *t,
              struct batch_result *r)
{
    struct vendor_batch *b;

    if (!t->asks) { /* it is claimed first */
        r->state = BATCH_NONE;
        r->account = 7;
        return;
    }
    assert_int_equal(t->account, 7);
    v->submitted++;
    if (v->refuses) {
        r->state = BATCH_REFUSED;
        r->error = ask_text_of("no such model");
        r->fault = ask_text_of("bad-request");
        return;
    }
    assert_null(vendor_find(v, t->batch)); /* else it is paid twice */
    assert_true(v->n < VENDOR_BATCHES);
    b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->number = t->batch;
    b->polls = v->polls;
    v->batches[v->n++] = b;
    b->misses = v->misses;
    b->shorts = v->shorts;
    b->made = (uint64_t)(f->options.wall_ms + f->now_us / 1000) / 1000;
    if (v->crowded) {
        v->crowded--;
        b->crowded = true;
    } else if (!v->fails) {
        vendor_run(f, v, b, t);
    }
    r->id = ask_text_of("b");
    r->state = drawn(f, v->unsure) ? BATCH_UNSURE : BATCH_RUNNING;
    if (r->state == BATCH_UNSURE) r->id.len = 0;
}

/* Whether it is not there this time; then it will be for some time. */
static bool
vendor_misses(const struct vendor *v, struct vendor_batch *b,
              struct batch_result *r)
{
    if (b->misses) {
        b->misses--;
        r->state = BATCH_GONE;
        if (v->strangers) r->state = BATCH_REFUSED;
        return true;
    }
    b->misses = v->misses;
    return false;
}

static void
vendor_poll(struct vendor *v, struct vendor_batch *b, struct batch_result *r)
{
    if (vendor_misses(v, b, r)) return;
    r->id = ask_text_of("b");
    if (b->crowded) {
        r->state = BATCH_REFUSED;
        r->error = ask_text_of("Enqueued token limit reached");
        r->fault = ask_text_of("rate-limited");
        vendor_forget(v, b);
        return;
    }
    if (v->fails) {
        r->state = BATCH_REFUSED;
        r->error = ask_text_of("line 3 is bad");
        r->fault = ask_text_of("bad-request");
        return;
    }
    if (b->polls && !b->cancelled) {
        b->polls--;
        r->state = BATCH_RUNNING;
        return;
    }
    r->state = BATCH_ENDED;
    if (v->keeps_files) r->input = ask_text_of("requests");
    r->files[r->n_files++] = ask_text_of("answers");
    if (b->n_unrun) r->files[r->n_files++] = ask_text_of("unrun");
}

/* A page of one of the files; arrays are the caller's. */
static void
vendor_harvest(const struct vendor *v, struct vendor_batch *b,
               const struct batch_task *t, struct batch_result *r,
               struct co_buf *asks, struct co_buf *unsent)
{
    const bool answers = t->file.len == strlen("answers");
    const uint32_t all = answers ? b->n : b->n_unrun;
    const uint32_t from = (uint32_t)co_min_u64(t->skip, all);
    const uint32_t n = (uint32_t)co_min_u64(all - from, VENDOR_PAGE);

    if (!v->strangers && vendor_misses(v, b, r)) return;
    batch_put_array(answers ? n : 0, asks);
    batch_put_array(answers ? 0 : n, unsent);
    for (uint32_t i = from; i < from + n; i++) {
        if (answers) {
            batch_put_bin(b->results[i].data, b->results[i].len, asks);
        } else {
            batch_put_u64(b->unrun[i], unsent);
        }
    }
    r->state = BATCH_ENDED;
    r->skip = from + n;
    r->end = n < VENDOR_PAGE;
    if (b->shorts && from + n < all) { /* what stands behind did not come */
        b->shorts--;
        r->end = true;
    }
    r->asks = asks->data;
    r->asks_len = asks->len;
    r->unsent = unsent->data;
    r->unsent_len = unsent->len;
}

static void
vendor_do(struct world *f, const struct batch_task *t, struct co_buf *result)
{
    struct vendor *v = f->vendor_self;
    struct vendor_batch *b = vendor_find(v, t->batch);
    struct batch_result r = {.op = t->op, .batch = t->batch};
    struct co_buf asks, unsent;

    co_buf_init(&asks, 1 << 20);
    co_buf_init(&unsent, 1 << 20);
    switch (t->op) {
    case BATCH_SUBMIT:
        vendor_submit(f, v, t, &r);
        break;
    case BATCH_FIND:
        /* what was made after that is not looked at */
        assert_true(t->until >= t->since);
        assert_true(!b || b->made <= t->until);
        r.state = b ? BATCH_RUNNING : BATCH_NONE;
        if (b) r.id = ask_text_of("b");
        break;
    case BATCH_POLL:
        assert_non_null(b);
        vendor_poll(v, b, &r);
        break;
    case BATCH_HARVEST:
        assert_non_null(b);
        vendor_harvest(v, b, t, &r, &asks, &unsent);
        break;
    case BATCH_CLEAN:
        assert_int_equal(t->n_files, b ? 2 + (b->n_unrun > 0) : t->n_files);
        v->cleaned++;
        r.done = v->clings ? 0 : t->n_files;
        r.failed = v->clings ? t->n_files : 0;
        break;
    case BATCH_CANCEL:
    case BATCH_OPS:
        assert_non_null(b);
        b->cancelled = true;
        v->cancels++;
        r.state = BATCH_RUNNING;
        break;
    }
    batch_put_result(&r, result);
    assert_int_equal(result->err, CO_OK);
    co_buf_fini(&asks);
    co_buf_fini(&unsent);
}

static struct vendor *
prepare(struct world *f, uint64_t rows, uint64_t seed)
{
    struct vendor *v = calloc(1, sizeof *v);

    assert_non_null(v);
    v->polls = 2;
    world_init(f, rows, seed);
    f->vendor = vendor_do;
    f->vendor_self = v;
    f->options.batch = (struct written_batch){
        .max_requests = 40, .window_us = 500000, .poll_us = 1000000};
    return v;
}

static void
finish(struct world *f, struct vendor *v)
{
    world_fini(f);
    vendor_free(v);
}
