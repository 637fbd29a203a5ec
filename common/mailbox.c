/* mailbox.c - see mailbox.h.
 * A mutex and a ring: an actor gets a few hundred orders a second, so a
 * lock-free queue would buy nothing. The eventfd changes only when the box
 * turns from empty to not empty and back, under the mutex: a burst of puts
 * costs one system call, and the descriptor never lies. */
#include "common/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct co_mailbox {
    pthread_mutex_t mutex;
    int fd; /* readable exactly while count > 0 */
    size_t capacity;
    size_t head; /* index of the oldest item */
    size_t count;
    void **items;
};

enum co_err
co_mailbox_new(size_t capacity, struct co_mailbox **ret_box)
{
    struct co_mailbox *box;

    co_assert(capacity >= 1);
    box = calloc(1, sizeof *box);
    if (!box) return CO_NOMEM;
    box->capacity = capacity;
    box->items = calloc(capacity, sizeof *box->items);
    box->fd = box->items ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (box->fd < 0) {
        enum co_err err = box->items ? co_err_from_errno(errno) : CO_NOMEM;

        free(box->items);
        free(box);
        return err;
    }
    (void)pthread_mutex_init(&box->mutex, NULL);
    *ret_box = box;
    return CO_OK;
}

void
co_mailbox_free(struct co_mailbox *box)
{
    if (!box) return;
    (void)close(box->fd);
    (void)pthread_mutex_destroy(&box->mutex);
    free(box->items);
    free(box);
}

/* Makes the descriptor readable. Cannot fail: the counter is 0 before. */
static void
mailbox_raise(struct co_mailbox *box)
{
    uint64_t one = 1;
    ssize_t n = write(box->fd, &one, sizeof one);

    co_assert(n == (ssize_t)sizeof one);
}

static void
mailbox_lower(struct co_mailbox *box)
{
    uint64_t value;
    ssize_t n = read(box->fd, &value, sizeof value);

    co_assert(n == (ssize_t)sizeof value);
}

enum co_err
co_mailbox_put(struct co_mailbox *box, void *item)
{
    enum co_err err = CO_FULL;

    co_assert(item);
    (void)pthread_mutex_lock(&box->mutex);
    if (box->count < box->capacity) {
        box->items[(box->head + box->count) % box->capacity] = item;
        if (box->count++ == 0) mailbox_raise(box);
        err = CO_OK;
    }
    (void)pthread_mutex_unlock(&box->mutex);
    return err;
}

void *
co_mailbox_take(struct co_mailbox *box)
{
    void *item = NULL;

    (void)pthread_mutex_lock(&box->mutex);
    if (box->count > 0) {
        item = box->items[box->head];
        box->head = (box->head + 1) % box->capacity;
        if (--box->count == 0) mailbox_lower(box);
    }
    (void)pthread_mutex_unlock(&box->mutex);
    return item;
}

static int64_t
mailbox_now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void *
co_mailbox_wait(struct co_mailbox *box, int timeout_ms)
{
    int64_t end = mailbox_now_ms() + timeout_ms;
    int left = timeout_ms;
    void *item;

    for (;;) {
        struct pollfd p = {.fd = box->fd, .events = POLLIN};
        int n;

        item = co_mailbox_take(box);
        if (item) return item;
        n = poll(&p, 1, left);
        if (n == 0) return co_mailbox_take(box);
        co_assert(n > 0 || errno == EINTR);
        if (timeout_ms < 0) continue;
        left = (int)(end - mailbox_now_ms());
        if (left < 0) left = 0;
    }
}

int
co_mailbox_fd(const struct co_mailbox *box)
{
    return box->fd;
}
