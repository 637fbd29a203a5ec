/* socket_impl.h - what socket.c does with endpoints and frames of libzmq; only
 * the files of socket.h include it. Frames are the caller's until a function
 * says that it used them up.
 *
 *   socket.c           making and keeping sockets, messages in and out
 *   socket_endpoint.c  which endpoints are allowed
 *   socket_frame.c     frames of libzmq become slices, and back */
#pragma once
#include "common/bytes.h"

#include <zmq.h>

/* Whether a program listens on this ipc:// endpoint; false for others, which
 * the kernel refuses by itself. */
bool sock_endpoint_taken(const char *endpoint);

/* Turns a received frame into a slice, which the caller unrefs. Uses the frame
 * up in every case. CO_NOMEM. */
co_must_use enum co_err sock_frame_take(zmq_msg_t *frame,
                                        struct co_bytes *ret_bytes);
/* Makes a frame of a slice, whose reference it takes over in every case.
 * 0, or -1: out of memory, there is no frame. */
int sock_frame_make(zmq_msg_t *frame, struct co_bytes bytes);
/* The peer that a routing id of libzmq means (a zero byte and 32 bits); false
 * for any other frame. And back. */
bool sock_frame_peer(zmq_msg_t *frame, uint64_t *ret_peer);
void sock_frame_peer_id(uint64_t peer, uint8_t id[5]);
/* Receives all frames of one multipart without blocking: the first max into v,
 * the rest is thrown away. The number of frames, or -1 when none waits. */
int sock_frame_recv(void *zmq, zmq_msg_t *v, int max);
void sock_frame_close(zmq_msg_t *v, int n);
