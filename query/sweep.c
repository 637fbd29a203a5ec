/* sweep.c - see sweep.h. One mutex guards the reader and the ring; a place of
 * the ring belongs to its thread from taking a frame until it is done, then to
 * the caller's thread until it was given out. */
#include "query/sweep.h"

#include "query/frames.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_BYTES_MAX = 256 << 20 };

/* A frame under way. */
struct place {
    bool done;
    size_t shard;
    uint64_t rows;
    struct co_buf out;
    size_t *ends;
    size_t matches, cap;
    enum co_err err;
    struct co_diag diag;
};

struct sweep {
    struct sweep_options opt;
    pthread_mutex_t mutex;
    pthread_cond_t room, done;
    struct frames *frames; /* of the shard that is read; NULL: open the next */
    size_t shard;
    uint64_t taken, given; /* frames */
    bool end;              /* nothing is left to be taken */
    bool stop;             /* nobody wants more */
    struct place ring[SWEEP_AHEAD];
};

/* A thread's own. */
struct worker {
    struct sweep *sweep;
    pthread_t thread;
    struct unpacker *unpacker;
    struct select_hand *hand;
    uint8_t *packed; /* copy of the frame: the reader goes on */
    size_t cap;
    struct frame frame;
};

/* ---- taking frames; the mutex is held ---- */

static enum co_err
end_shard(struct sweep *s, struct co_diag *diag)
{
    const struct outdir_shard *shard = &s->opt.dir->shards[s->shard];
    bool differs =
        s->opt.verify && shard->listed && frames_hash(s->frames) != shard->hash;

    frames_free(s->frames);
    s->frames = NULL;
    s->shard++;
    if (!differs) return CO_OK;
    return co_fail(diag, CO_DAMAGED,
                   "%s/%s: its hash is not the one in MANIFEST.json. Get it "
                   "back from a copy, or make the corpus again in another "
                   "folder (the same job gives the same rows)",
                   s->opt.dir->dir, shard->file);
}

/* The next frame with rows. CO_NOTFOUND: none is left. */
static enum co_err
next_frame(struct sweep *s, struct frame *ret_frame, struct co_diag *diag)
{
    while (s->shard < s->opt.dir->count) {
        const struct outdir_shard *shard = &s->opt.dir->shards[s->shard];
        enum co_err err = CO_OK;

        if (!s->frames) {
            err = frames_open(s->opt.dir->dir, shard->file, s->opt.verify,
                              &s->frames, diag);
        }
        if (err) return err;
        err = frames_next(s->frames, ret_frame, diag);
        if (err == CO_NOTFOUND) {
            err = end_shard(s, diag);
            if (err) return err;
        } else if (err || ret_frame->raw_bytes) {
            return err;
        }
    }
    return CO_NOTFOUND;
}

static enum co_err
copy_frame(struct worker *w, const struct frame *frame)
{
    if (frame->len > w->cap) {
        uint8_t *more = realloc(w->packed, frame->len);

        if (!more) return CO_NOMEM;
        w->packed = more;
        w->cap = frame->len;
    }
    memcpy(w->packed, frame->at, frame->len);
    w->frame = *frame;
    w->frame.at = w->packed;
    return CO_OK;
}

/* A place to work in, with w->frame; NULL: there is nothing left to do. */
static struct place *
take(struct worker *w)
{
    struct sweep *s = w->sweep;
    struct place *place;
    struct frame frame;
    enum co_err err;

    while (!s->stop && !s->end && s->taken - s->given == SWEEP_AHEAD) {
        (void)pthread_cond_wait(&s->room, &s->mutex);
    }
    if (s->stop || s->end) return NULL;
    place = &s->ring[s->taken % SWEEP_AHEAD];
    place->err = CO_OK;
    place->rows = place->matches = 0;
    co_buf_clear(&place->out);
    place->shard = s->shard;
    err = next_frame(s, &frame, &place->diag);
    s->end = err != CO_OK;
    if (err == CO_NOTFOUND) return NULL;
    place->shard = s->shard;
    if (!err) err = copy_frame(w, &frame);
    place->err = err;
    s->taken++;
    return place;
}

/* ---- working on a frame; nothing is held ---- */

static bool
add_end(struct place *place)
{
    if (place->matches == place->cap) {
        size_t cap = place->cap ? 2 * place->cap : 256;
        size_t *more = realloc(place->ends, cap * sizeof *more);

        if (!more) return false;
        place->ends = more;
        place->cap = cap;
    }
    place->ends[place->matches++] = place->out.len;
    return true;
}

static enum co_err
work_rows(struct worker *w, struct place *place, const char *rows, size_t len)
{
    const char *end = rows + len;

    for (const char *line = rows; line < end; place->rows++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        bool match = false;
        enum co_err err =
            select_row(w->hand, line, n, &place->out, &match, &place->diag);

        if (!err && match && !add_end(place)) err = CO_NOMEM;
        if (err) return err;
        line += n + 1;
    }
    return CO_OK;
}

static void
work(struct worker *w, struct place *place)
{
    const struct outdir *dir = w->sweep->opt.dir;
    const char *file = dir->shards[place->shard].file;
    const char *rows;
    size_t len;

    if (!place->err) {
        place->err = unpacker_rows(w->unpacker, &w->frame, file, &rows, &len,
                                   &place->diag);
        if (place->err) return;
        place->err = work_rows(w, place, rows, len);
        if (!place->err) return;
        (void)co_fail_prefix(&place->diag, place->err,
                             "%s/%s: row %llu of the frame at byte %llu",
                             dir->dir, file, (unsigned long long)place->rows,
                             (unsigned long long)w->frame.offset);
    }
}

static void *
worker_main(void *arg)
{
    struct worker *w = arg;
    struct sweep *s = w->sweep;
    struct place *place;

    (void)pthread_mutex_lock(&s->mutex);
    while ((place = take(w))) {
        (void)pthread_mutex_unlock(&s->mutex);
        work(w, place);
        (void)pthread_mutex_lock(&s->mutex);
        place->done = true;
        (void)pthread_cond_signal(&s->done);
    }
    /* The others wait for room, the caller perhaps for a frame that nobody
     * will take. */
    (void)pthread_cond_broadcast(&s->room);
    (void)pthread_cond_signal(&s->done);
    (void)pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* ---- giving out ---- */

/* The next place in order once it is done; NULL: that was the last. */
static struct place *
await(struct sweep *s)
{
    struct place *place = &s->ring[s->given % SWEEP_AHEAD];

    (void)pthread_mutex_lock(&s->mutex);
    while (!place->done && !(s->end && s->given == s->taken)) {
        (void)pthread_cond_wait(&s->done, &s->mutex);
    }
    if (!place->done) place = NULL;
    (void)pthread_mutex_unlock(&s->mutex);
    return place;
}

static void
give_back(struct sweep *s, struct place *place)
{
    (void)pthread_mutex_lock(&s->mutex);
    place->done = false;
    s->given++;
    (void)pthread_cond_signal(&s->room);
    (void)pthread_mutex_unlock(&s->mutex);
}

/* A file that has fewer or more rows than it should. */
static enum co_err
check_rows(const struct outdir *dir, size_t shard, uint64_t rows,
           struct co_diag *diag)
{
    const struct outdir_shard *s = &dir->shards[shard];

    if (!s->listed || s->rows == rows) return CO_OK;
    return co_fail(diag, CO_DAMAGED,
                   "%s/%s has %llu rows, MANIFEST.json says %llu", dir->dir,
                   s->file, (unsigned long long)rows,
                   (unsigned long long)s->rows);
}

/* What has been given out of the shard at hand. */
struct progress_of {
    size_t shard;
    uint64_t rows;
};

static enum co_err
give_out(struct sweep *s, const struct place *place, struct progress_of *at,
         sweep_sink sink, void *arg, struct co_diag *diag)
{
    struct sweep_batch batch = {(const char *)place->out.data, place->ends,
                                place->matches, place->rows};
    enum co_err err = CO_OK;

    if (place->err) {
        *diag = place->diag;
        return place->err;
    }
    if (place->shard != at->shard) {
        err = check_rows(s->opt.dir, at->shard, at->rows, diag);
        *at = (struct progress_of){.shard = place->shard};
    }
    at->rows += place->rows;
    return err ? err : sink(arg, &batch, diag);
}

static enum co_err
drain(struct sweep *s, sweep_sink sink, void *arg, struct sweep_totals *totals,
      struct co_diag *diag)
{
    struct progress_of at = {.shard = 0};
    struct place *place;

    while ((place = await(s))) {
        enum co_err err = give_out(s, place, &at, sink, arg, diag);

        if (err) return err;
        totals->rows += place->rows;
        totals->matches += place->matches;
        give_back(s, place);
    }
    return check_rows(s->opt.dir, at.shard, at.rows, diag);
}

/* ---- threads ---- */

static enum co_err
worker_start(struct sweep *s, struct worker *w)
{
    enum co_err err = unpacker_new(&w->unpacker);

    w->sweep = s;
    if (!err) err = select_hand_new(s->opt.select, &w->hand);
    if (!err && pthread_create(&w->thread, NULL, worker_main, w)) {
        err = CO_UNAVAILABLE;
    }
    return err;
}

static void
worker_fini(struct worker *w)
{
    unpacker_free(w->unpacker);
    select_hand_free(w->hand);
    free(w->packed);
}

static unsigned
threads_of(const struct sweep_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (options->threads) return options->threads;
    return (unsigned)co_clamp_u64(cores > 0 ? (uint64_t)cores : 1, 1,
                                  SWEEP_THREADS_MAX);
}

static void
stop_and_join(struct sweep *s, struct worker *workers, unsigned started)
{
    (void)pthread_mutex_lock(&s->mutex);
    s->stop = true;
    (void)pthread_cond_broadcast(&s->room);
    (void)pthread_mutex_unlock(&s->mutex);
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        worker_fini(&workers[i]);
    }
}

static void
sweep_fini(struct sweep *s)
{
    for (size_t i = 0; i < SWEEP_AHEAD; i++) {
        co_buf_fini(&s->ring[i].out);
        free(s->ring[i].ends);
    }
    frames_free(s->frames);
    (void)pthread_mutex_destroy(&s->mutex);
    (void)pthread_cond_destroy(&s->room);
    (void)pthread_cond_destroy(&s->done);
    free(s);
}

static struct sweep *
sweep_make(const struct sweep_options *options)
{
    struct sweep *s = calloc(1, sizeof *s);

    if (!s) return NULL;
    s->opt = *options;
    (void)pthread_mutex_init(&s->mutex, NULL);
    (void)pthread_cond_init(&s->room, NULL);
    (void)pthread_cond_init(&s->done, NULL);
    for (size_t i = 0; i < SWEEP_AHEAD; i++) {
        co_buf_init(&s->ring[i].out, OUT_BYTES_MAX);
    }
    return s;
}

enum co_err
sweep_run(const struct sweep_options *options, sweep_sink sink, void *arg,
          struct sweep_totals *ret_totals, struct co_diag *diag)
{
    struct sweep *s = sweep_make(options);
    struct worker workers[SWEEP_THREADS_MAX] = {{.cap = 0}};
    struct sweep_totals totals = {0};
    unsigned started = 0, wanted = threads_of(options);
    enum co_err err = CO_OK;

    if (!s) return co_fail(diag, CO_NOMEM, "out of memory");
    while (!err && started < wanted) {
        err = worker_start(s, &workers[started]);
        if (err) worker_fini(&workers[started]);
        started += !err;
    }
    /* Fewer threads than hoped for are slower, nothing worse. */
    if (started > 0) {
        err = drain(s, sink, arg, &totals, diag);
    } else {
        (void)co_fail(diag, err, "no thread can be started: %s",
                      co_err_text(err));
    }
    stop_and_join(s, workers, started);
    sweep_fini(s);
    *ret_totals = totals;
    return err;
}

/* ---- columns ---- */

static enum co_err
learn_rows(struct schema *schema, const char *rows, size_t len)
{
    const char *end = rows + len;
    enum co_err err = CO_OK;

    for (const char *line = rows; !err && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);

        err = schema_learn(schema, line, n);
        line += n + 1;
    }
    return err;
}

enum co_err
sweep_schema(const struct outdir *dir, struct schema **ret_schema,
             struct co_diag *diag)
{
    co_auto(frames_freep) struct frames *frames = NULL;
    co_auto(unpacker_freep) struct unpacker *unpacker = NULL;
    co_auto(schema_freep) struct schema *schema = NULL;
    const char *file = dir->shards[0].file, *rows;
    struct frame frame;
    size_t len;
    enum co_err err = frames_open(dir->dir, file, false, &frames, diag);

    if (!err) err = frames_next(frames, &frame, diag);
    if (!err) err = unpacker_new(&unpacker);
    if (!err) {
        err = unpacker_rows(unpacker, &frame, file, &rows, &len, diag);
    }
    if (!err) err = schema_new(&schema);
    if (!err && learn_rows(schema, rows, len)) {
        err = co_fail(diag, CO_DAMAGED,
                      "%s/%s: its first rows are not JSON objects with names "
                      "that can be asked for",
                      dir->dir, file);
    }
    if (err == CO_NOTFOUND) {
        err = co_fail(diag, CO_DAMAGED, "%s/%s has no rows", dir->dir, file);
    }
    if (err) return err;
    *ret_schema = co_take(&schema);
    return CO_OK;
}
