"""Keys: who is let in, who is not, and that strangers cost nobody anything."""
import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import harness

try:
    import msgpack
    import zmq

    from test_peers import ATTACH, BEAT, COORDINATOR, REFUSED, TASKS, WELCOME, WORKER, Peer
except ImportError:
    zmq = None

ROWS = 50000 if harness.FACTOR == 1 else 10000
CONNECTS = 10000 if harness.FACTOR == 1 else 2500
RETURNED, PART = 0x35, 0x43
PART_MAX = 256 * 1024
HANDSHAKE_SECONDS = 10


def key_file(path):
    """The lines of a key file as a dictionary."""
    with open(path) as f:
        return dict(line.rstrip("\n").split(" ", 1) for line in f if not line.startswith("# "))


def own_address():
    """An address of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            address = s.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


class Relay:
    """A TCP proxy that keeps what clients send, and may be slow."""

    def __init__(self, port, bytes_per_second=None):
        self.to = port
        self.rate = bytes_per_second
        self.sent = []  # per connection, from the client
        self.received = bytearray()  # of all, from the server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
                self.sent.append(bytearray())
                for pair in ((client, server, self.sent[-1]), (server, client, self.received)):
                    threading.Thread(target=self.copy, args=pair, daemon=True).start()

    def copy(self, source, target, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                kept += data
                target.sendall(data)
                if self.rate:
                    time.sleep(len(data) / self.rate)  # how a slow link is made
        for s in (source, target):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


@unittest.skipUnless(zmq and zmq.has("curve"), "needs python3-zmq with CURVE and python3-msgpack")
class Security(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.peers = []
        self.relays = []
        os.makedirs(self.bench.path("allow"), mode=0o700)
        for role in ("broker", "worker", "coordinator"):
            self.keygen(role, role)
        self.allow("worker", "coordinator")
        self.bench.front = self.bench.back = "tcp://127.0.0.1:*"

    def tearDown(self):
        for thing in self.peers + self.relays:
            thing.close()
        super().tearDown()

    # -- keys ------------------------------------------------------------------

    def keygen(self, role, name):
        code, out, err = self.bench.cohort("keygen", role, name, "--dir", self.bench.path("keys"))
        self.assertEqual(code, 0, out + err)
        return name

    def key(self, name, end="key"):
        return self.bench.path("keys", f"{name}.{end}")

    def allow(self, *names):
        for name in names:
            shutil.copy(self.key(name, "pub"), self.bench.path("allow"))

    def own(self, name):
        """Options of a program with that key."""
        return ["--key", self.key(name), "--broker-key", self.key("broker", "pub")]

    # -- the fleet -------------------------------------------------------------

    def guarded(self, *args, workers=0, redis=True):
        """A broker with keys, and workers."""
        if redis:
            self.bench.redis()
        self.broker = self.bench.broker(
            "--key", self.key("broker"), "--allow", self.bench.path("allow"), *args)
        line = dict(word.split("=", 1) for word in self.broker.ready_line.split())
        self.bench.front = line["front"].replace("0.0.0.0", "127.0.0.1")
        self.bench.back = line["back"].replace("0.0.0.0", "127.0.0.1")
        self.workers = [self.bench.worker(*self.own("worker")) for _ in range(workers)]
        return self.broker

    def run_job(self, rows=ROWS, **more):
        return self.bench.coordinator(self.bench.job(rows, shard_rows=2500, **more), *self.own("coordinator"))

    def begin(self, rows=ROWS, *args):
        """A guarded fleet that works."""
        self.guarded(*args, workers=2)
        self.proc = self.run_job(rows)
        harness.wait_for("rows", lambda: self.proc.progress("drawn"), alive=[self.proc])

    def unaffected(self, rows=ROWS):
        self.assertEqual(self.proc.wait(60), 0, self.proc.log())
        self.check_corpus(self.bench.path("out"), rows)
        for proc in [self.broker] + self.workers:
            self.assertIsNone(proc.code(), f"{proc.name} ended: {proc.log()}")

    def serves(self, name="later", rows=2500):
        """The broker still does its work."""
        proc = self.bench.coordinator(
            self.bench.job(rows, out=name, name=f"{name}.yaml"), *self.own("coordinator"), name=name)
        self.assertEqual(proc.wait(60), 0, proc.log() + self.broker.log())

    def peer(self, endpoint, name=None, server="broker", secret=None):
        """A DEALER with the keys of that name; without keys when None."""
        sock = zmq.Context.instance().socket(zmq.DEALER)
        sock.setsockopt(zmq.LINGER, 0)
        if name or secret:
            public, private = secret or (key_file(self.key(name))[w].encode() for w in ("public", "secret"))
            sock.curve_publickey, sock.curve_secretkey = public, private
            sock.curve_serverkey = key_file(self.key(server, "pub"))["public"].encode()
        sock.connect(endpoint)
        self.peers.append(Peer(sock=sock))
        return self.peers[-1]

    def welcomed(self, endpoint, name, role=WORKER):
        peer = self.peer(endpoint, name)
        peer.hello(role)
        peer.answer(WELCOME)
        return peer

    def counter(self, name):
        return int(self.counters().get(name, 0))

    def hears_nothing(self, peer, counter, least=1):
        """It was turned away, which is counted; and no word came back."""
        self.counted(counter, least)
        self.assertEqual(peer.sock.poll(100), 0)

    def read_to_end(self, s):
        """Until the broker closes the connection, which it must."""
        s.settimeout(3 * HANDSHAKE_SECONDS * harness.FACTOR)
        with contextlib.suppress(ConnectionError):
            while s.recv(4096):
                pass

    # -- that it works ---------------------------------------------------------

    def test_encrypted_links_on_all_addresses_make_the_same_rows(self):
        quiet = self.bench.path("quiet")
        code, out, err = self.bench.cohort("run", self.bench.job(ROWS, out="quiet"), "--workers", 2, seconds=90)
        self.assertEqual(code, 0, out + err)
        self.bench.front = self.bench.back = "tcp://0.0.0.0:*"
        self.guarded(redis=False)
        relay = Relay(int(self.bench.back.rsplit(":", 1)[1]))
        self.relays.append(relay)
        self.bench.back = f"tcp://127.0.0.1:{relay.port}"
        self.bench.worker(*self.own("worker"))
        address = own_address()
        if address:
            self.bench.front = self.bench.front.replace("127.0.0.1", address)
        code, out, err = self.bench.cohort(
            "run", self.bench.job(ROWS, out="out"), "--broker", self.bench.front, *self.own("coordinator"), seconds=90)
        self.assertEqual(code, 0, out + err)
        sha = self.check_corpus(quiet, ROWS).sha
        self.check_corpus(self.bench.path("out"), ROWS, sha)
        wire = bytes(relay.sent[0]) + bytes(relay.received)
        self.assertGreater(len(wire), 100000)
        for word in (b"persona.compose", b"\x28\xb5\x2f\xfd"):  # a service, zstd's magic
            self.assertNotIn(word, wire)

    def test_workers_of_a_run_get_a_key_of_their_own(self):
        self.guarded(redis=False)
        args = ["run", self.bench.job(2500), "--broker", self.bench.front, "--broker-back", self.bench.back,
                "--workers", 2, *self.own("coordinator")]
        code, _, err = self.bench.cohort(*args)
        self.assertEqual(code, 2, err)
        self.assertIn("--worker-key", err)
        code, _, err = self.bench.cohort(*args, "--worker-key", self.key("coordinator"))
        self.assertEqual(code, 2, err)
        code, out, err = self.bench.cohort(*args, "--worker-key", self.key("worker"), seconds=60)
        self.assertEqual(code, 0, out + err)

    def test_a_worker_in_python_serves_with_a_key(self):
        self.guarded(redis=False)
        path = os.path.join(harness.ROOT, "examples/worker.py")
        self.bench.start("python", [sys.executable, path, self.bench.back, *self.own("worker")])
        proc = self.bench.start(
            "bench", [f"{harness.BIN}/cohort-coordinator", "bench", "-n", 5000, "--broker", self.bench.front,
                      *self.own("coordinator")], status=True)
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.assertEqual(proc.end()["result"]["tasks"], 5000)

    def test_each_broker_may_have_a_key_of_its_own(self):
        self.keygen("broker", "second")
        self.guarded(redis=False)
        there = {end: [getattr(self.bench, end)] for end in ("front", "back")}
        self.bench.front = self.bench.back = "tcp://127.0.0.1:*"
        line = self.bench.broker("--key", self.key("second"), "--allow", self.bench.path("allow"), name="second").ready_line
        for word in line.split():
            end, endpoint = word.split("=", 1)
            there[end].append(endpoint)
        keys = ["--broker-key", self.key("broker", "pub"), "--broker-key", self.key("second", "pub")]

        def links(end, role, names):
            return [w for e in there[end] for w in ("--broker", e)] + ["--key", self.key(role)] + names

        self.bench.start("both", [f"{harness.BIN}/cohort-worker", *links("back", "worker", keys)])
        proc = self.bench.start("run", [f"{harness.BIN}/cohort-coordinator", "run", self.bench.job(2500),
                                        *links("front", "coordinator", keys), "--log-level", "info"], status=True)
        self.assertEqual(proc.wait(60), 0, proc.log())
        harness.wait_for("both to be attached", lambda: proc.log().count("broker.attached") >= 2, 1)
        code, _, err = self.bench.cohort("run", self.bench.job(2500, out="no"), *links("front", "coordinator", keys * 2))
        self.assertEqual(code, 2)
        self.assertIn("one for each", err)

    def test_a_run_that_is_not_let_in_says_what_may_be_wrong(self):
        self.guarded(redis=False)
        stranger = self.keygen("coordinator", "stranger")
        proc = self.bench.start("run", [f"{harness.BIN}/cohort", "run", self.bench.job(2500), "--broker", self.bench.front,
                                        *self.own(stranger)])
        harness.wait_for("a hint", lambda: "Does it know this key?" in proc.log(), 30, alive=[proc])
        self.assertIn(key_file(self.key(stranger))["public"], self.broker.log())
        proc.kill(signal.SIGINT)
        self.assertEqual(proc.wait(20), 3, proc.log())

    # -- that nothing is open by mistake ---------------------------------------

    def test_nothing_goes_beyond_this_host_without_keys(self):
        job, there = self.bench.job(1000), "tcp://192.0.2.1:5570"
        own, pub, allow = self.key("broker"), self.key("broker", "pub"), self.bench.path("allow")
        for words in (
            ["cohort-broker", "--front", "tcp://0.0.0.0:*"],
            ["cohort-broker", "--back", "tcp://*:5571"],
            ["cohort-broker", "--front", "tcp://127.example.org:5570"],
            ["cohort-broker", "--key", own],
            ["cohort-broker", "--key", own, "--allow", self.bench.path("nothing")],
            ["cohort-broker", "--key", self.key("worker"), "--allow", allow],
            ["cohort-broker", "--allow", allow],
            ["cohort-worker", "--broker", there],
            ["cohort-worker", "--broker", "tcp://127.0.0.1:0;192.0.2.1:5571"],
            ["cohort-worker", "--broker", there, "--key", self.key("worker")],
            ["cohort-worker", "--broker", there, "--key", self.key("coordinator"), "--broker-key", pub],
            ["cohort-worker", "--broker", there, "--key", self.key("worker", "pub"), "--broker-key", pub],
            ["cohort-coordinator", "run", job, "--broker", there],
            ["cohort-coordinator", "serve", "--broker", "ipc:///nowhere", "--listen", "tcp://0.0.0.0:*"],
            ["cohort-coordinator", "serve", "--broker", there, "--listen", "tcp://0.0.0.0:*", *self.own("coordinator")],
            ["cohort", "run", job, "--broker", there],
            ["cohort", "run", job, "--broker", there, *self.own("worker")],
            ["cohort", "submit", job, "--coordinator", there],
        ):
            with self.subTest(" ".join(words)):
                done = subprocess.run([os.path.join(harness.BIN, words[0])] + words[1:], capture_output=True, text=True,
                                      env=self.bench.env(), cwd=self.bench.top, timeout=30 * harness.FACTOR)
                wanted = 1 if self.bench.path("nothing") in words else 2
                self.assertEqual(done.returncode, wanted, done.stderr)
                self.assertRegex(done.stderr, "keygen|--key|--allow|--broker-key|needed|public key|folder of allowed")

    def test_a_secret_that_others_can_read_is_not_used(self):
        os.chmod(self.key("broker"), 0o644)
        done = subprocess.run([f"{harness.BIN}/cohort-broker", "--front", "tcp://0.0.0.0:*", "--key", self.key("broker"),
                               "--allow", self.bench.path("allow")], capture_output=True, text=True, timeout=30 * harness.FACTOR)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("chmod 600", done.stderr)

    def test_keys_are_private_and_never_overwritten(self):
        with open(self.key("worker"), "rb") as f:
            before = f.read()
        self.assertEqual(os.stat(self.bench.path("keys")).st_mode & 0o777, 0o700)
        for end in ("key", "pub"):
            self.assertEqual(os.stat(self.key("worker", end)).st_mode & 0o777, 0o600)
        code, _, err = self.bench.cohort("keygen", "worker", "worker", "--dir", self.bench.path("keys"))
        self.assertEqual(code, 1, err)
        self.assertIn("never overwritten", err)
        os.unlink(self.key("worker", "pub"))  # half of it is there
        code, _, err = self.bench.cohort("keygen", "worker", "worker", "--dir", self.bench.path("keys"))
        self.assertEqual(code, 1, err)
        self.assertFalse(os.path.exists(self.key("worker", "pub")))
        with open(self.key("worker"), "rb") as f:
            self.assertEqual(f.read(), before)
        for role, name in (("worker", "../x"), ("boss", "x"), ("worker", "")):
            code, _, err = self.bench.cohort("keygen", role, name, "--dir", self.bench.path("keys"))
            self.assertEqual(code, 2, err)

    # -- strangers -------------------------------------------------------------

    def test_wrong_keys_and_roles_are_turned_away_while_work_goes_on(self):
        self.begin()
        self.keygen("worker", "stranger")
        unknown = self.peer(self.bench.back, "stranger")
        unknown.hello(WORKER)
        self.hears_nothing(unknown, "denied_key")
        random_key = self.peer(self.bench.front, secret=zmq.curve_keypair())
        random_key.hello(COORDINATOR)
        self.hears_nothing(random_key, "denied_key", 2)
        worker = self.peer(self.bench.front, "worker")  # to submit work
        worker.hello(COORDINATOR)
        worker.send(ATTACH, {1: 7, 2: 9, 3: "stolen", 4: "noop"})
        self.hears_nothing(worker, "denied_role")
        owner = self.peer(self.bench.back, "coordinator")  # to read others' tasks
        owner.hello(WORKER)
        self.hears_nothing(owner, "denied_role", 2)
        before = self.counter("denied_handshake")
        plain = self.peer(self.bench.back)
        with contextlib.suppress(zmq.Again):
            plain.sock.setsockopt(zmq.SNDTIMEO, 100)
            plain.hello(WORKER)
        self.hears_nothing(plain, "denied_handshake", before + 1)
        before = self.counter("denied_handshake")
        other = self.peer(self.bench.back, "worker", server="coordinator")  # not the broker's key
        other.hello(WORKER)
        self.hears_nothing(other, "denied_handshake", before + 1)
        self.assertEqual(self.counter("encrypted"), 1)
        self.assertEqual(self.counter("keys_allowed"), 2)
        self.unaffected()

    def test_a_worker_cannot_act_as_coordinator_on_its_own_socket(self):
        self.begin()
        liar = self.peer(self.bench.back, "worker")
        liar.hello(COORDINATOR)
        self.assertEqual(liar.refused(), "DENIED")
        peer = self.welcomed(self.bench.back, "worker")
        for number in (ATTACH, TASKS):
            peer.send(number, {1: 7, 2: 9, 3: "stolen", 4: "noop"} if number == ATTACH else {1: 7, 2: 1})
            self.assertIsNotNone(peer.answer(REFUSED))
        self.unaffected()

    def test_an_incarnation_belongs_to_its_key(self):
        self.guarded()
        self.keygen("worker", "second")
        self.allow("second")
        self.broker.kill(signal.SIGHUP)
        self.counted("keys_allowed", 3)
        first = self.welcomed(self.bench.back, "worker")
        thief = self.peer(self.bench.back, "second")
        thief.incarnation = first.incarnation
        thief.hello(WORKER)
        self.assertEqual(thief.refused(), "DENIED")
        self.counted("refused_identity")
        first.send(BEAT)
        harness.wait_for("the first is still a worker", lambda: self.counter("workers") == 1)
        again = self.peer(self.bench.back, "worker")  # with its key it may come back
        again.incarnation = first.incarnation
        again.hello(WORKER)
        again.answer(WELCOME)
        self.counted("workers_rebound")

    def test_a_recorded_connection_played_again_is_of_no_use(self):
        self.guarded()
        port = int(self.bench.back.rsplit(":", 1)[1])
        relay = Relay(port)
        self.relays.append(relay)
        self.welcomed(f"tcp://127.0.0.1:{relay.port}", "worker")
        failed = self.counter("denied_handshake")
        harness.wait_for("it to be counted", lambda: self.counter("workers_joined") >= 1)
        joined = self.counter("workers_joined")
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(relay.sent[0])
                self.read_to_end(s)
        self.counted("denied_handshake", failed + 3)
        self.assertEqual(self.counter("workers_joined"), joined)

    # -- keys that are taken away ----------------------------------------------

    def test_a_revoked_key_is_put_out_at_once_and_let_in_again(self):
        self.keygen("worker", "bad")
        self.allow("bad")
        self.begin()
        bad = self.welcomed(self.bench.back, "bad")
        os.unlink(self.bench.path("allow", "bad.pub"))
        self.broker.kill(signal.SIGHUP)
        self.counted("peers_revoked")

        def speaks():
            bad.hello(WORKER)
            return self.counter("denied_revoked")

        harness.wait_for("what it says to be refused", speaks)
        self.counted("denied_key")  # libzmq connected again
        while bad.sock.poll(0):
            bad.sock.recv_multipart()
        joined = self.counter("workers_joined") + self.counter("workers_rebound")
        bad.hello(WORKER)
        self.assertEqual(bad.sock.poll(200), 0)
        self.assertEqual(self.counter("workers_joined") + self.counter("workers_rebound"), joined)
        self.unaffected()
        self.allow("bad")
        self.broker.kill(signal.SIGHUP)
        self.counted("keys_allowed", 3)
        # It waits out the handshake that was not answered.
        bad.answer(WELCOME, seconds=3 * HANDSHAKE_SECONDS)

    def test_work_of_a_revoked_worker_is_done_by_others(self):
        self.keygen("worker", "bad")
        self.allow("bad")
        self.guarded("--beat", "200ms", "--dead", "2s")
        bad = self.bench.worker(*self.own("bad"))
        self.proc = self.run_job()
        harness.wait_for("rows", lambda: self.proc.progress("drawn"), alive=[self.proc])
        os.unlink(self.bench.path("allow", "bad.pub"))
        self.broker.kill(signal.SIGHUP)
        self.workers = [self.bench.worker(*self.own("worker"))]
        self.unaffected()
        self.assertIsNone(bad.code(), bad.log())
        harness.wait_for("the worker to say so", lambda: "broker.unwelcome" in bad.log(), 3 * HANDSHAKE_SECONDS)

    def test_a_bad_list_is_said_and_a_missing_one_changes_nothing(self):
        self.guarded(workers=1)
        with open(self.bench.path("allow", "broken.pub"), "w") as f:
            f.write("version 1\nrole boss\n")
        shutil.copy(self.key("worker", "pub"), self.bench.path("allow", "twice.pub"))
        self.broker.kill(signal.SIGHUP)
        self.counted("keys_skipped")
        self.assertIn("broken.pub, line 2", self.broker.log())
        self.assertEqual(self.counter("keys_allowed"), 2)
        os.rename(self.bench.path("allow"), self.bench.path("away"))
        self.broker.kill(signal.SIGHUP)
        self.counted("keys_unreadable")
        self.serves()

    # -- noise -----------------------------------------------------------------

    def noise(self):
        kind = self.random.randrange(5)
        if kind == 0:
            return self.random.randbytes(self.random.randrange(1, 2000))
        if kind == 1:
            return b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        if kind == 2:  # a greeting of ours, then noise
            return b"\xff" + b"\0" * 8 + b"\x7f\x03\x01CURVE".ljust(55, b"\0") + self.random.randbytes(300)
        if kind == 3:  # without keys
            return b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL".ljust(55, b"\0") + b"\x04\x19\x05READY"
        return b"\xff" * self.random.randrange(1, 100)

    def test_garbage_on_the_port_harms_nobody(self):
        self.begin()
        ports = [int(e.rsplit(":", 1)[1]) for e in (self.bench.front, self.bench.back)]
        for i in range(300):
            with socket.create_connection(("127.0.0.1", ports[i % 2])) as s:
                with contextlib.suppress(OSError):
                    s.sendall(self.noise())
                    if self.random.random() < 0.2:
                        s.settimeout(0.05)
                        s.recv(100)
        self.counted("connections", 300)
        self.assertGreater(self.counter("denied_handshake"), 0)
        self.assertEqual(self.counter("denied_key"), 0)
        self.unaffected()

    def test_half_open_handshakes_do_not_keep_others_out(self):
        self.begin()
        port = int(self.bench.back.rsplit(":", 1)[1])
        for _ in range(50):  # closed at once, which libzmq tells nobody
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.read_to_end(s)
        most = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        begun = b"\xff" + b"\0" * 8 + b"\x7f\x03"
        loris = []
        for i in range(most):
            s = socket.create_connection(("127.0.0.1", port))
            s.sendall(begun[: 1 + i % len(begun)])
            loris.append(s)
        self.welcomed(self.bench.back, "worker").close()  # somebody new comes in
        self.unaffected()
        for s in loris:  # the broker ends them, not we
            self.read_to_end(s)
            s.close()
        self.counted("denied_handshake", most)
        harness.wait_for("all strangers to be counted", lambda: self.counter("denied_garbage") == 50, 60)

    def test_thousands_of_connects_cost_nothing_that_stays(self):
        self.guarded(workers=1)
        self.serves("first")
        ports = [int(e.rsplit(":", 1)[1]) for e in (self.bench.front, self.bench.back)]
        at_once = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)

        def storm(n):
            for _ in range(n // at_once):
                socks = [socket.create_connection(("127.0.0.1", ports[i % 2])) for i in range(at_once)]
                for s in socks:
                    with contextlib.suppress(OSError):
                        s.sendall(self.noise())
                    s.close()

        storm(CONNECTS // 2)
        settled = resident_bytes(self.broker.pid)
        storm(CONNECTS // 2)
        grown = resident_bytes(self.broker.pid) - settled
        self.serves("second")
        self.assertLess(grown, 32 << 20, "bytes that the second half of the connects cost")
        self.assertLess(self.counter("rss_bytes"), 512 << 20)

    def test_a_broker_without_descriptors_left_goes_on(self):
        self.guarded(workers=1)
        self.serves("first")
        soft, hard = 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.broker.pid, resource.RLIMIT_NOFILE, (soft, hard))
        port = int(self.bench.back.rsplit(":", 1)[1])
        socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(2 * soft)]
        proc = self.bench.coordinator(self.bench.job(2500, out="second"), *self.own("coordinator"), name="second")
        for s in socks:
            s.close()
        self.assertEqual(proc.wait(60), 0, proc.log())

    # -- large messages --------------------------------------------------------

    def test_links_beyond_this_host_carry_no_large_message(self):
        self.bench.front = self.bench.back = "tcp://0.0.0.0:*"
        self.guarded()
        owner = self.peer(self.bench.front, "coordinator")
        owner.hello(COORDINATOR)
        self.assertEqual(owner.answer(WELCOME)[8], PART_MAX)

    def test_a_worker_on_a_slow_link_lives_while_pieces_of_it_arrive(self):
        self.guarded("--beat", "200ms", "--dead", "2s")
        relay = Relay(int(self.bench.back.rsplit(":", 1)[1]), bytes_per_second=800000)
        self.relays.append(relay)
        slow = self.welcomed(f"tcp://127.0.0.1:{relay.port}", "worker")
        head, body = msgpack.packb({0: BEAT}), bytes(4 << 20)
        piece, whole = PART_MAX - 200, head + body
        pieces = [whole[i : i + piece] for i in range(0, len(whole), piece)]
        for i, data in enumerate(pieces):  # 5 s of nothing but this
            slow.send(PART, {1: 1, 2: i, 3: len(pieces), 4: len(head), 5: len(whole)}, data)
        harness.wait_for("the last piece", lambda: len(relay.sent[0]) > len(whole), 30)
        slow.send(RETURNED, {1: 7})  # malformed: counted when all before it was read
        self.counted("malformed")
        self.assertEqual((self.counter("workers"), self.counter("workers_dead")), (1, 0))

    # -- a daemon --------------------------------------------------------------

    def test_a_daemon_takes_jobs_of_coordinators_keys_only(self):
        self.guarded(workers=1)
        daemon = self.bench.start(
            "daemon", [f"{harness.BIN}/cohort-coordinator", "serve", "--out", self.bench.path("daemon"), "--broker",
                       self.bench.front, *self.own("coordinator"), "--allow", self.bench.path("allow"),
                       "--listen", "tcp://0.0.0.0:*", "--log-level", "info"] + self.bench.redis_args(), ready=True)
        harness.wait_for("the daemon", lambda: daemon.ready_line, alive=[daemon])
        there = daemon.ready_line.split("=", 1)[1].replace("0.0.0.0", "127.0.0.1")
        submit = ["submit", self.bench.job(2500, out="daemon/out"), "--coordinator", there, "--timeout", "2s"]
        pub = ["--coordinator-key", self.key("coordinator", "pub")]
        code, _, err = self.bench.cohort(*submit)
        self.assertEqual(code, 1, err)
        code, _, err = self.bench.cohort(*submit, "--key", self.key("worker"), *pub)
        self.assertEqual(code, 2, err)
        stranger = self.keygen("coordinator", "stranger")
        code, _, err = self.bench.cohort(*submit, "--key", self.key(stranger), *pub)
        self.assertEqual(code, 1, err)
        self.assertFalse(os.path.exists(self.bench.path("daemon/out")))
        code, out, err = self.bench.cohort(*submit[:-1], "20s", "--key", self.key("coordinator"), *pub)
        self.assertEqual(code, 0, out + err)
        harness.wait_for("the job", lambda: os.path.exists(self.bench.path("daemon/out/MANIFEST.json")), 60, alive=[daemon])
        self.assertIn("key.denied", daemon.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
