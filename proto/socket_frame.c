/* socket_frame.c - see socket_impl.h. Large bodies change hands without a
 * copy: the slice keeps the frame, or the frame the slice. */
#include "proto/socket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COPY_BYTES_MAX = 1024 }; /* below it a copy costs less than that */

static void
release_msg(void *arg)
{
    zmq_msg_t *msg = arg;

    (void)zmq_msg_close(msg);
    free(msg);
}

/* Turns a received frame into a slice; the frame is used up in every case. */
enum co_err
sock_frame_take(zmq_msg_t *frame, struct co_bytes *ret_bytes)
{
    size_t len = zmq_msg_size(frame);
    zmq_msg_t *kept;
    enum co_err err;

    if (len == 0) {
        *ret_bytes = (struct co_bytes){0};
        (void)zmq_msg_close(frame);
        return CO_OK;
    }
    if (len <= COPY_BYTES_MAX) {
        err = co_bytes_copy(zmq_msg_data(frame), len, ret_bytes);
        (void)zmq_msg_close(frame);
        return err;
    }
    kept = malloc(sizeof *kept);
    if (!kept) {
        (void)zmq_msg_close(frame);
        return CO_NOMEM;
    }
    (void)zmq_msg_init(kept);
    (void)zmq_msg_move(kept, frame);
    (void)zmq_msg_close(frame);
    err = co_bytes_adopt(zmq_msg_data(kept), len, release_msg, kept, ret_bytes);
    if (err) release_msg(kept);
    return err;
}

/* The routing ids that libzmq assigns: a zero byte and 32 bits. */
bool
sock_frame_peer(zmq_msg_t *frame, uint64_t *ret_peer)
{
    const uint8_t *p = zmq_msg_data(frame);

    if (zmq_msg_size(frame) != 5 || p[0] != 0) return false;
    *ret_peer = (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16 |
                (uint64_t)p[3] << 8 | p[4];
    return true;
}

void
sock_frame_peer_id(uint64_t peer, uint8_t id[5])
{
    id[0] = 0;
    for (int i = 0; i < 4; i++) {
        id[1 + i] = (uint8_t)(peer >> (24 - 8 * i));
    }
}

/* Receives all frames of one multipart into v (max of them kept, the rest
 * thrown away). The number of frames, or -1 when none waits. */
int
sock_frame_recv(void *zmq, zmq_msg_t *v, int max)
{
    int n = 0;
    int more = 1;

    while (more) {
        zmq_msg_t extra;
        zmq_msg_t *frame = n < max ? &v[n] : &extra;

        (void)zmq_msg_init(frame);
        if (zmq_msg_recv(frame, zmq, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(frame);
            if (errno == EINTR) continue;
            return n ? n : -1;
        }
        more = zmq_msg_more(frame);
        if (n >= max) (void)zmq_msg_close(&extra);
        n++;
    }
    return n;
}

void
sock_frame_close(zmq_msg_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        (void)zmq_msg_close(&v[i]);
    }
}

static void
release_bytes(void *data, void *arg)
{
    struct co_bytes *kept = arg;

    (void)data;
    co_bytes_unref(kept);
    free(kept);
}

/* libzmq wants a mutable pointer for memory that it only reads. */
static void *
unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

/* Makes a frame of a slice; takes over its reference in every case. */
int
sock_frame_make(zmq_msg_t *frame, struct co_bytes bytes)
{
    struct co_bytes *kept;

    if (bytes.len > COPY_BYTES_MAX && bytes.chunk) {
        kept = malloc(sizeof *kept);
        if (!kept) goto nomem;
        *kept = bytes;
        if (zmq_msg_init_data(frame, unconst(bytes.data), bytes.len,
                              release_bytes, kept) != 0) {
            free(kept);
            goto nomem;
        }
        return 0;
    }
    if (zmq_msg_init_size(frame, bytes.len) != 0) goto nomem;
    if (bytes.len) memcpy(zmq_msg_data(frame), bytes.data, bytes.len);
    co_bytes_unref(&bytes);
    return 0;
nomem:
    co_bytes_unref(&bytes);
    return -1;
}
