#!/usr/bin/env python3
"""A worker for the service noop, written from docs/protocol.md alone.

    examples/worker.py BACK_ENDPOINT [--credit N] [--name NAME]

Needs pyzmq and msgpack. Ends on SIGTERM or SIGINT: it says DRAIN, waits for the
acknowledgements of what it holds (at most 5 s), then BYE.
"""
import argparse
import os
import secrets
import signal
import socket
import sys
import time

import msgpack
import zmq

HELLO, WELCOME, REFUSED, WHO, BEAT = 0x01, 0x02, 0x03, 0x04, 0x05
INVENTORY, INVENTORY_GET, DRAIN, BYE = 0x06, 0x07, 0x08, 0x09
CREDIT, RECLAIM, RECLAIMED = 0x20, 0x21, 0x22
TASKS, RESULTS, ACK, CANCEL = 0x30, 0x31, 0x32, 0x36
NO_OWNER, OWNER_ATTACHED, FORGET = 0x37, 0x38, 0x39
HELD_DONE = 2
PAGE = 1024
MASK = (1 << 64) - 1


def mix(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def held_key(job, task, attempt):
    return mix((mix((mix(job) + task) & MASK) + attempt) & MASK)


def spread(values, n):
    """A "one or n" array as n values."""
    return values * n if len(values) == 1 else values


def noop(task, payload):
    return task.to_bytes(8, "little") + payload[:56].ljust(56, b"\0")


class Worker:
    def __init__(self, endpoint, credit, name, keys=None):
        self.incarnation = secrets.randbelow(MASK) + 1
        self.name = name
        self.credit = credit
        self.seq = 0
        self.unacked = {}  # seq -> (job, [(task, attempt)], header, body)
        self.beat_s, self.dead_s = 1.0, 5.0
        self.granted = 0  # since WELCOME, in all
        self.returned = 0
        self.received = 0
        self.welcome = None  # the broker's incarnation
        self.heard = time.monotonic()
        self.draining = False
        self.sock = zmq.Context.instance().socket(zmq.DEALER)
        for option, value in (
            (zmq.IMMEDIATE, 1),
            (zmq.RECONNECT_IVL, 100),
            (zmq.RECONNECT_IVL_MAX, 2000),
            (zmq.HEARTBEAT_IVL, 2000),
            (zmq.HEARTBEAT_TIMEOUT, 10000),
            (zmq.SNDHWM, 65536),
            (zmq.RCVHWM, 65536),
            (zmq.LINGER, 300),
        ):
            self.sock.setsockopt(option, value)
        if keys:
            own, broker = keys
            self.sock.curve_publickey = own["public"].encode()
            self.sock.curve_secretkey = own["secret"].encode()
            self.sock.curve_serverkey = broker["public"].encode()
        self.sock.connect(endpoint)

    # -- sending -----------------------------------------------------------

    def send(self, number, fields=None, body=b""):
        """False when there is no connection; then WHO will follow."""
        head = {0: number}  # key 0 comes first
        head.update(fields or {})
        return self.send_raw(msgpack.packb(head), body)

    def send_raw(self, head, body):
        try:
            self.sock.send_multipart([head, body], zmq.DONTWAIT)
            return True
        except zmq.Again:
            return False

    def held(self):
        for job, tasks, _, _ in self.unacked.values():
            for task, attempt in tasks:
                yield job, task, attempt

    def held_fields(self, count_key, hash_key):
        count = total = 0
        for job, task, attempt in self.held():
            count += 1
            total ^= held_key(job, task, attempt)
        return {count_key: count, hash_key: total} if count else {}

    def hello(self):
        fields = {1: 1, 2: 1, 3: self.incarnation, 4: self.name, 5: ["noop"], 10: 1}
        fields.update(self.held_fields(8, 9))
        self.send(HELLO, fields)

    def inventory(self):
        held = list(self.held())
        pages = max(1, (len(held) + PAGE - 1) // PAGE)
        for page in range(pages):
            part = held[page * PAGE : (page + 1) * PAGE]
            fields = {1: page, 2: pages}
            if part:
                fields[3] = [job for job, _, _ in part]
                fields[4] = [task for _, task, _ in part]
                fields[5] = [attempt for _, _, attempt in part]
                fields[6] = [HELD_DONE]
            self.send(INVENTORY, fields)

    def resend(self, job=None):
        for seq in sorted(self.unacked):
            its_job, _, head, body = self.unacked[seq]
            if job is None or its_job == job:
                self.send_raw(head, body)

    def grant(self):
        """Everything is done at once, so all that came may come again."""
        wanted = self.received + self.returned + self.credit
        if self.draining or wanted <= self.granted:
            return
        self.granted = wanted
        self.send(CREDIT, {1: "noop", 2: self.granted})

    # -- receiving ---------------------------------------------------------

    def on_welcome(self, m):
        self.welcome = m[2]
        self.beat_s, self.dead_s = m[4] / 1000, m[5] / 1000
        self.granted = self.returned = self.received = 0
        if self.unacked:
            self.inventory()
            self.resend()
        self.grant()

    def on_tasks(self, m, body):
        tasks = m[4]
        attempts = spread(m[5], len(tasks))
        if m.get(16):  # a suspect: its broker is told before it begins
            self.send(BEAT, {3: [m[1]], 4: tasks, **self.held_fields(1, 2)})
        out, at = [], 0
        for task, length in zip(tasks, spread(m[6], len(tasks))):
            out.append(noop(task, body[at : at + length]))
            at += length
        self.received += len(tasks)
        self.seq += 1
        head = msgpack.packb(
            {
                0: RESULTS,
                1: m[1],
                2: m[2],
                3: self.incarnation,
                4: self.seq,
                5: tasks,
                6: m[5],
                7: [0],
                8: [64],
            }
        )
        result = b"".join(out)
        self.unacked[self.seq] = (m[1], list(zip(tasks, attempts)), head, result)
        self.send_raw(head, result)
        self.grant()

    def on_message(self, head, body):
        m = msgpack.unpackb(head, strict_map_key=False)
        number = m[0]
        self.heard = time.monotonic()
        if number == WELCOME:
            self.on_welcome(m)
        elif number == WHO:
            self.hello()
        elif number == TASKS:
            self.on_tasks(m, body)
        elif number == ACK:
            for seq in m[4]:
                self.unacked.pop(seq, None)
        elif number == OWNER_ATTACHED:
            self.resend(m[1])
        elif number == FORGET:
            self.unacked = {s: u for s, u in self.unacked.items() if u[0] != m[1]}
        elif number == INVENTORY_GET:
            self.inventory()
        elif number == RECLAIM:
            # Nothing of ours is the broker's to reclaim: a worker grants.
            self.send(RECLAIMED, {1: m[1], 2: 0})
        elif number == RECLAIMED:
            self.returned = m[2]
        elif number == DRAIN:
            self.drain()
        elif number == REFUSED:
            print(f"refused: {m[1]}: {m.get(2, '')}", file=sys.stderr)
        # CANCEL: what came is done already. NO_OWNER: results are kept anyway.

    def drain(self):
        if not self.draining:
            self.draining = True
            self.send(DRAIN)

    # -- the loop ----------------------------------------------------------

    def run(self, stop):
        next_beat = 0.0
        give_up = None
        self.hello()
        while give_up is None or (self.unacked and time.monotonic() < give_up):
            self.sock.poll(50)
            for _ in range(256):
                try:
                    frames = self.sock.recv_multipart(zmq.DONTWAIT)
                except zmq.Again:
                    break
                if len(frames) == 2:
                    self.on_message(*frames)
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + self.beat_s
                if self.welcome is None or now - self.heard > self.dead_s:
                    self.hello()
                else:
                    self.send(BEAT, self.held_fields(1, 2))
            if stop and give_up is None:
                give_up = now + 5
                self.drain()
        self.send(BYE)
        self.sock.close()


def key_file(path):
    """Its lines "word value" as a dictionary."""
    with open(path) as f:
        return dict(line.rstrip("\n").split(" ", 1) for line in f if not line.startswith("# "))


def main():
    parser = argparse.ArgumentParser(description="worker for the service noop")
    parser.add_argument("endpoint", help="a broker's back address")
    parser.add_argument("--credit", type=int, default=256, help="tasks at once")
    parser.add_argument("--name", default=f"{socket.gethostname()}-{os.getpid()}")
    parser.add_argument("--key", help="own secret key file, if the broker has keys")
    parser.add_argument("--broker-key", help="the broker's public key file")
    args = parser.parse_args()
    if bool(args.key) != bool(args.broker_key):
        parser.error("--key and --broker-key go together")
    keys = (key_file(args.key), key_file(args.broker_key)) if args.key else None
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    Worker(args.endpoint, args.credit, args.name, keys).run(stop)
    zmq.Context.instance().term()


if __name__ == "__main__":
    main()
