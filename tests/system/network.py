#!/usr/bin/python3
"""A network of hosts on one machine: namespaces, and a wire between them.

Each host is a network namespace whose only link (but loopback) is a TAP device;
the other ends of all links are with a process of ours, the wire, which passes
frames on, late or not at all: every link has a delay, loses some frames, and
can be cut. Where the kernel has netem, `tc` delays and loses at the hosts; many
kernels (of containers, of small virtual machines) have none, and there the wire
does it, with losses drawn from a seed.

enter() must come first: it moves this process into namespaces of its own, for
network and mounts. So names and addresses (10.77.0.0/24) meet nobody else's,
nothing can reach a real network, and all of it is gone with the last process,
also after kill -9. It needs root, or a kernel that lets users make namespaces.
"""
import ctypes
import errno
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

import harness

PREFIX = "10.77.0."
WATCHER = 254  # the address of the test itself: its link is never cut
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME_MAX = 2048
BROADCAST = b"\xff" * 6


class Unavailable(Exception):
    """This machine makes no namespaces; the text says why."""


def call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        code = ctypes.get_errno()
        raise Unavailable(f"{name} is refused: {os.strerror(code)}")


def write(path, text):
    try:
        with open(path, "w") as f:
            f.write(text)
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error


def ip(*words):
    done = subprocess.run(["ip"] + [str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")


def enter():
    """Into namespaces of our own; Unavailable where that is not allowed, and
    then nothing has changed: a child tries first, since half way in there is
    not even a loopback. To be called before there is a second thread."""
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            move()
        except Unavailable as why:
            os.write(w, str(why).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as stream:
        why = stream.read().decode()
    os.waitpid(child, 0)
    if why:
        raise Unavailable(why)
    move()


def move():
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWNET
    call("unshare", flags if uid == 0 else flags | CLONE_NEWUSER)
    if uid != 0:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {uid} 1")
        write("/proc/self/gid_map", f"0 {gid} 1")
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    # `ip netns` keeps names there; nobody else sees ours.
    call("mount", b"tmpfs", b"/run", b"tmpfs", 0, None)
    try:
        ip("link", "set", "lo", "up")
    except FileNotFoundError as error:
        raise Unavailable("the program ip (iproute2) is missing") from error


def tap(name):
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError as error:
        raise Unavailable(f"/dev/net/tun: {error.strerror}") from error
    return fd


class Network:
    """Hosts by name, with addresses in the order of their names."""

    def __init__(self, names, delay_ms=0, loss_pct=0, seed=1):
        self.numbers = {name: i + 1 for i, name in enumerate(names)}
        self.down = set()
        self.netem = True
        self.fds = []
        for name, number in self.numbers.items():
            self.add_host(name, number, delay_ms, loss_pct)
        self.fds.append(tap("watcher"))
        self.set_up([], "watcher", WATCHER)
        args = [sys.executable, os.path.abspath(__file__), str(seed)]
        args += ["0", "0"] if self.netem else [str(delay_ms), str(loss_pct)]
        args += [f"{name}:{fd}" for name, fd in zip(list(names) + ["watcher"], self.fds)]
        self.wire = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                     pass_fds=self.fds, preexec_fn=harness.die_with_parent)
        for fd in self.fds:
            os.close(fd)

    def add_host(self, name, number, delay_ms, loss_pct):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        self.fds.append(tap(f"tap{number}"))
        ip("link", "set", f"tap{number}", "netns", name, "name", "eth0")
        self.set_up(["-n", name], "eth0", number)
        tc = ["tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "netem"]
        tc += ["delay", f"{delay_ms}ms", "loss", f"{loss_pct}%"]
        if self.netem and (delay_ms or loss_pct):
            self.netem = subprocess.run(tc, capture_output=True).returncode == 0

    def set_up(self, where, device, number):
        ip(*where, "link", "set", device, "address", f"02:00:00:00:00:{number:02x}", "addrgenmode", "none")
        ip(*where, "address", "add", f"{PREFIX}{number}/24", "dev", device)
        ip(*where, "link", "set", device, "up")

    def address(self, name):
        return f"{PREFIX}{self.numbers[name]}"

    def at(self, name):
        """What stands before a command that is to run on that host."""
        return ["ip", "netns", "exec", name]

    def tell(self, order, name):
        self.wire.stdin.write(f"{order} {name}\n")
        assert self.wire.stdout.readline() == "ok\n", "the wire has died"

    def cut(self, name):
        """Nothing comes or goes there any more, and nobody is told."""
        self.tell("cut", name)
        self.down.add(name)

    def mend(self, name):
        self.tell("mend", name)
        self.down.discard(name)

    def interface(self, name, state):
        """Link "down" or "up" at the host, whose programs may notice."""
        ip("-n", name, "link", "set", "eth0", state)

    def close(self):
        self.wire.kill()
        self.wire.wait()
        self.wire.stdin.close()
        self.wire.stdout.close()
        for name in self.numbers:
            ip("netns", "delete", name)


class Wire:
    """The process between the hosts: a switch that knows all of them."""

    def __init__(self, seed, delay_ms, loss_pct, links):
        self.random = random.Random(seed)
        self.delay = delay_ms / 1000
        self.loss = loss_pct / 100
        self.fds = links
        self.names = {fd: name for name, fd in links.items()}
        self.where = {}  # hardware address -> descriptor
        self.cut = set()  # descriptors
        self.late = []  # (due, number, from, to, frame)
        self.number = 0

    def serve(self):
        poll = select.poll()
        for fd in list(self.names) + [sys.stdin.fileno()]:
            poll.register(fd, select.POLLIN)
        while True:
            wait = None
            if self.late:
                wait = max(0, self.late[0][0] - time.monotonic()) * 1000
            for fd, _ in poll.poll(wait):
                if fd in self.names:
                    self.receive(fd)
                elif not self.order(os.read(fd, 4096).decode()):
                    return
            self.deliver(time.monotonic())

    def order(self, text):
        for line in text.splitlines():
            verb, name = line.split()
            change = self.cut.add if verb == "cut" else self.cut.discard
            change(self.fds[name])
            os.write(1, b"ok\n")
        return bool(text)

    def receive(self, fd):
        now = time.monotonic()
        for _ in range(64):
            try:
                frame = os.read(fd, FRAME_MAX)
            except OSError:
                return  # nothing more, or the host has its interface down
            self.where[frame[6:12]] = fd
            to = frame[:6]
            for other in [self.where[to]] if to in self.where else self.names:
                if other != fd:
                    self.send(now, fd, other, frame)

    def send(self, now, fd, other, frame):
        links = 2 - ("watcher" in (self.names[fd], self.names[other]))
        if any(self.random.random() < self.loss for _ in range(links)):
            return
        self.number += 1
        heapq.heappush(self.late, (now + links * self.delay, self.number, fd, other, frame))

    def deliver(self, now):
        while self.late and self.late[0][0] <= now:
            _, _, fd, other, frame = heapq.heappop(self.late)
            if fd in self.cut or other in self.cut:
                continue
            try:
                os.write(other, frame)
            except OSError as error:
                if error.errno not in (errno.EIO, errno.EAGAIN):
                    raise


if __name__ == "__main__":
    pairs = (word.rsplit(":", 1) for word in sys.argv[4:])
    Wire(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), {n: int(fd) for n, fd in pairs}).serve()
