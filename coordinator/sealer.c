/* sealer.c - see sealer.h. */
#include "coordinator/sealer.h"

#include "common/fs.h"
#include "common/mailbox.h"
#include "journal/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { COPY_BYTES = 1 << 20 };

struct sealer {
    char *out_dir;
    int journal_fd;
    pthread_t thread;
    bool running;
    size_t outstanding; /* ordered and not yet polled; <= SEALER_ORDERS_MAX */
    atomic_bool stopping;
    struct co_mailbox *orders;  /* struct seal_order *, or &stop_order */
    struct co_mailbox *answers; /* struct seal_answer * */
    /* The thread's own: */
    uint8_t *window;
    XXH3_state_t *hash;
    int segment_fd; /* of segment, or -1 */
    struct segment_name segment;
};

/* A file until it has its name. */
struct new_file {
    char path[4096];
    char temp[4096 + 8];
    int fd;
};

static struct seal_order stop_order; /* its address means "stop" */

static void
order_free(struct seal_order *order)
{
    if (!order || order == &stop_order) return;
    free(order->pieces);
    free(order);
}

/* Pieces of one segment follow each other, so that one open file is enough. */
static enum co_err
segment_use(struct sealer *s, struct segment_name name, const char *path,
            struct co_diag *diag)
{
    if (s->segment_fd >= 0 && s->segment.owner == name.owner &&
        s->segment.sequence == name.sequence) {
        return CO_OK;
    }
    co_fs_closep(&s->segment_fd);
    s->segment = name;
    if (name.owner == 0) {
        s->segment_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (s->segment_fd >= 0) return CO_OK;
        return co_fail(diag, co_err_from_errno(errno), "cannot open %s: %s",
                       path, strerror(errno));
    }
    return folder_open_segment(s->journal_fd, name, O_RDONLY, &s->segment_fd,
                               diag);
}

static enum co_err
copy_piece(struct sealer *s, const struct seal_piece *piece, int fd,
           uint64_t *at, const char *path, struct co_diag *diag)
{
    uint64_t offset = piece->offset;
    uint32_t left = piece->len;
    enum co_err err = segment_use(s, piece->segment, path, diag);

    while (!err && left) {
        size_t want = left < COPY_BYTES ? left : COPY_BYTES;
        ssize_t got = pread(s->segment_fd, s->window, want, (off_t)offset);

        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            return co_fail(diag, CO_IO,
                           "journal segment %u of owner %u: cannot read %u "
                           "bytes at %llu: %s",
                           piece->segment.sequence, piece->segment.owner, left,
                           (unsigned long long)offset,
                           got ? strerror(errno) : "the file is shorter");
        }
        (void)XXH3_64bits_update(s->hash, s->window, (size_t)got);
        err = co_fs_pwrite_all(fd, s->window, (size_t)got, *at, path, diag);
        *at += (uint64_t)got;
        offset += (uint64_t)got;
        left -= (uint32_t)got;
    }
    return err;
}

static enum co_err
sync_and_rename(int fd, const char *temp, const char *path, const char *dir,
                struct co_diag *diag)
{
    if (fsync(fd) != 0) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "%s: cannot sync to disk: %s", temp, strerror(errnum));
    }
    if (rename(temp, path) != 0) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "cannot rename %s to %s: %s", temp, path,
                       strerror(errnum));
    }
    return co_fs_sync_dir(dir, diag);
}

static enum co_err
write_shard(struct sealer *s, const struct seal_order *order, int fd,
            const char *path, struct seal_answer *answer)
{
    uint64_t at = 0;
    enum co_err err = CO_OK;

    (void)XXH3_64bits_reset(s->hash);
    for (size_t i = 0; i < order->n && !err; i++) {
        err = copy_piece(s, &order->pieces[i], fd, &at, path, &answer->diag);
    }
    if (err) return err;
    answer->hash = XXH3_64bits_digest(s->hash);
    answer->bytes = at;
    return CO_OK;
}

/* Creates FILE.tmp in the output folder, for finish_file(). */
static enum co_err
begin_file(const struct sealer *s, const char *file, struct new_file *f,
           struct co_diag *diag)
{
    int n = snprintf(f->path, sizeof f->path, "%s/%s", s->out_dir, file);

    if (n < 0 || (size_t)n >= sizeof f->path) {
        return co_fail(diag, CO_RANGE, "%s: path too long", s->out_dir);
    }
    (void)snprintf(f->temp, sizeof f->temp, "%s.tmp", f->path);
    f->fd = open(f->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                 S_IRUSR | S_IWUSR);
    if (f->fd < 0) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum), "cannot create %s: %s",
                       f->temp, strerror(errnum));
    }
    return CO_OK;
}

/* On disk under its name, or (err, or an error here) not there at all. */
static enum co_err
finish_file(const struct sealer *s, struct new_file *f, enum co_err err,
            struct co_diag *diag)
{
    if (!err) err = sync_and_rename(f->fd, f->temp, f->path, s->out_dir, diag);
    if (err) (void)unlink(f->temp);
    co_fs_closep(&f->fd);
    return err;
}

static enum co_err
seal_hashes(const struct sealer *s, const struct seal_order *order,
            struct co_diag *diag)
{
    struct new_file f = {.fd = -1};
    enum co_err err;

    if (order->n_hashes == 0) return CO_OK;
    err = begin_file(s, order->hash_file, &f, diag);
    if (err) return err;
    err = co_fs_pwrite_all(f.fd, order->hashes, 8 * order->n_hashes, 0, f.temp,
                           diag);
    return finish_file(s, &f, err, diag);
}

static enum co_err
seal(struct sealer *s, const struct seal_order *order,
     struct seal_answer *answer)
{
    struct new_file f = {.fd = -1};
    enum co_err err = seal_hashes(s, order, &answer->diag);

    if (err) return err;
    if (order->n == 0) return CO_OK; /* a shard without rows has no file */
    err = begin_file(s, order->file, &f, &answer->diag);
    if (err) return err;
    co_fs_closep(&s->segment_fd); /* the present file may be another one now */
    err = write_shard(s, order, f.fd, f.path, answer);
    return finish_file(s, &f, err, &answer->diag);
}

static void *
sealer_main(void *arg)
{
    struct sealer *s = arg;
    struct seal_order *order;

    while ((order = co_mailbox_wait(s->orders, -1)) != &stop_order) {
        struct seal_answer *answer;

        if (atomic_load(&s->stopping)) {
            order_free(order);
            continue;
        }
        answer = calloc(1, sizeof *answer);
        co_assert(answer); /* 1 KiB; without it the job could only hang */
        answer->shard = order->shard;
        answer->err = seal(s, order, answer);
        order_free(order);
        /* There is room for the answer of every order that may wait. */
        co_assert(co_mailbox_put(s->answers, answer) == CO_OK);
    }
    return NULL;
}

enum co_err
sealer_start(const char *out_dir, const char *journal_dir,
             struct sealer **ret_sealer, struct co_diag *diag)
{
    co_auto(sealer_stopp) struct sealer *s = calloc(1, sizeof *s);
    enum co_err err;

    if (!s) return co_fail(diag, CO_NOMEM, "out of memory");
    s->segment_fd = -1;
    s->journal_fd = -1;
    s->out_dir = strdup(out_dir);
    s->window = malloc(COPY_BYTES);
    s->hash = XXH3_createState();
    if (!s->out_dir || !s->window || !s->hash) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    err = folder_open(journal_dir, &s->journal_fd, diag);
    if (!err) err = co_mailbox_new(SEALER_ORDERS_MAX + 1, &s->orders);
    if (!err) err = co_mailbox_new(SEALER_ORDERS_MAX, &s->answers);
    if (err) return err;
    if (pthread_create(&s->thread, NULL, sealer_main, s) != 0) {
        return co_fail(diag, CO_NOMEM, "cannot start the sealing thread");
    }
    s->running = true;
    *ret_sealer = co_take(&s);
    return CO_OK;
}

enum co_err
sealer_order(struct sealer *s, const struct seal_order *order)
{
    struct seal_order *copy;

    if (s->outstanding == SEALER_ORDERS_MAX) return CO_FULL;
    copy = malloc(sizeof *copy);
    if (!copy) return CO_NOMEM;
    *copy = *order;
    co_assert(co_mailbox_put(s->orders, copy) == CO_OK);
    s->outstanding++;
    return CO_OK;
}

int
sealer_fd(const struct sealer *s)
{
    return co_mailbox_fd(s->answers);
}

enum co_err
sealer_poll(struct sealer *s, struct seal_answer *ret_answer)
{
    struct seal_answer *answer = co_mailbox_take(s->answers);

    if (!answer) return CO_AGAIN;
    *ret_answer = *answer;
    free(answer);
    s->outstanding--;
    return CO_OK;
}

static void
sealer_join(struct sealer *s)
{
    struct seal_order *order;

    /* Whatever waits is taken back, which also makes room for the stop. */
    while ((order = co_mailbox_take(s->orders))) {
        order_free(order);
    }
    co_assert(co_mailbox_put(s->orders, &stop_order) == CO_OK);
    (void)pthread_join(s->thread, NULL);
}

void
sealer_stop(struct sealer *s)
{
    struct seal_answer *answer;

    if (!s) return;
    if (s->running) sealer_join(s);
    while (s->answers && (answer = co_mailbox_take(s->answers))) {
        free(answer);
    }
    co_mailbox_free(s->orders);
    co_mailbox_free(s->answers);
    co_fs_closep(&s->segment_fd);
    co_fs_closep(&s->journal_fd);
    (void)XXH3_freeState(s->hash);
    free(s->window);
    free(s->out_dir);
    free(s);
}
