"""Peers that are strange, wrong or hostile; and one written in another
language from docs/protocol.md alone."""
import os
import secrets
import signal
import socket
import sys
import unittest

import harness

try:
    import msgpack
    import zmq
except ImportError:
    zmq = None

ROWS = 100000 if harness.FACTOR == 1 else 20000
HELLO, WELCOME, REFUSED, WHO, BEAT = 0x01, 0x02, 0x03, 0x04, 0x05
ATTACH, DETACH, CREDIT, TASKS, RESULTS, ACK, CANCEL = 0x10, 0x12, 0x20, 0x30, 0x31, 0x32, 0x36
WORKER, COORDINATOR = 1, 2


class Peer:
    """A DEALER that sends what it likes."""

    def __init__(self, endpoint=None, sock=None):
        """At that endpoint, or with a socket that is connected."""
        self.sock = sock or zmq.Context.instance().socket(zmq.DEALER)
        if endpoint:
            self.sock.setsockopt(zmq.LINGER, 0)
            self.sock.connect(endpoint)
        self.incarnation = secrets.randbelow((1 << 64) - 2) + 1

    def raw(self, *frames):
        self.sock.send_multipart(frames)

    def send(self, number, fields=None, body=b""):
        self.raw(msgpack.packb({0: number, **(fields or {})}), body)

    def hello(self, role, **fields):
        self.send(HELLO, {1: 1, 2: role, 3: self.incarnation, 4: "stranger", **fields})

    def answer(self, *numbers, seconds=5):
        """The next message with one of these numbers; others are skipped."""

        def look():
            if not self.sock.poll(10):
                return None
            frames = self.sock.recv_multipart()
            message = msgpack.unpackb(frames[0], strict_map_key=False)
            return message if message[0] in numbers else None

        return harness.wait_for(f"message {numbers}", look, seconds)

    def refused(self):
        return self.answer(REFUSED)[1]

    def close(self):
        self.sock.close()


@unittest.skipUnless(zmq, "needs python3-zmq and python3-msgpack")
class Peers(harness.SystemTest):
    quiet = {}  # rows -> hash of the bytes that they must be

    def setUp(self):
        super().setUp()
        self.peers = []

    def tearDown(self):
        for peer in self.peers:
            peer.close()

    def peer(self, endpoint):
        self.peers.append(Peer(endpoint))
        return self.peers[-1]

    def stranger(self, role):
        """One that was welcomed."""
        peer = self.peer(self.bench.back if role == WORKER else self.bench.front)
        peer.hello(role)
        peer.answer(WELCOME)
        return peer

    def begin(self, rows=ROWS):
        """A fleet with Redis, a quiet run to compare with, and a run."""
        self.fleet(workers=2, redis=True)
        if rows not in Peers.quiet:
            self.complete(self.bench.job(rows, out="quiet"))
            Peers.quiet[rows] = self.check_corpus(self.bench.path("quiet"), rows).sha
        self.proc = self.bench.coordinator(self.bench.job(rows, shard_rows=2500))
        harness.wait_for("rows", lambda: self.proc.progress("drawn"), alive=[self.proc])

    def unaffected(self, rows=ROWS):
        self.assertEqual(self.proc.wait(60), 0, self.proc.log())
        self.check_corpus(self.bench.path("out"), rows, Peers.quiet[rows])
        for proc in self.bench.procs:
            if proc.name.startswith(("broker", "worker")):
                self.assertIsNone(proc.code(), f"{proc.name} ended: {proc.log()}")

    def job_id(self):
        return int(harness.run_json(self.bench.path("out"))["job"], 16)

    # -- garbage -----------------------------------------------------------------

    def random_value(self, depth=0):
        kind = self.random.randrange(8 if depth < 4 else 6)
        if kind == 0:
            return self.random.getrandbits(self.random.choice((1, 7, 8, 16, 32, 63, 64)))
        if kind == 1:
            return -self.random.getrandbits(31)
        if kind == 2:
            return "x" * self.random.randrange(200)
        if kind == 3:
            return self.random.randbytes(self.random.randrange(100))
        if kind == 4:
            return self.random.choice((None, True, 1.5))
        if kind == 5:
            return [self.random.getrandbits(16) for _ in range(self.random.randrange(20))]
        if kind == 6:
            return [self.random_value(depth + 1) for _ in range(self.random.randrange(5))]
        return {self.random.randrange(20): self.random_value(depth + 1) for _ in range(self.random.randrange(5))}

    def garbage(self, peer):
        """One message that nobody should send."""
        kind = self.random.randrange(6)
        if kind == 0:
            peer.raw(self.random.randbytes(self.random.randrange(200)), self.random.randbytes(20))
        elif kind == 1:
            peer.raw(*[self.random.randbytes(10) for _ in range(self.random.choice((1, 3, 5)))])
        elif kind == 2:
            peer.raw(b"\x91" * 5000, b"")  # deep
        elif kind == 3:
            peer.raw(b"\xdf\xff\xff\xff\xff" + b"\0" * 50, b"")  # a map of 2^32
        elif kind == 4:
            fields = {k: self.random_value() for k in range(1, self.random.randrange(2, 17))}
            peer.send(self.random.randrange(0x70), fields, self.random.randbytes(self.random.randrange(100)))
        else:
            peer.raw(b"\0" * (1 << 17), b"")  # a header beyond the limit

    def test_garbage_from_unknown_and_known_peers_changes_nothing(self):
        self.begin()
        for role, endpoint in ((WORKER, self.bench.back), (COORDINATOR, self.bench.front)):
            unknown, known = self.peer(endpoint), self.stranger(role)
            unknown.send(0x05, {})  # a BEAT of nobody: garbage may never be one
            for _ in range(400):
                self.garbage(unknown)
                self.garbage(known)
        self.counted("malformed", 100)
        self.counted("who_sent")
        self.unaffected()

    def test_other_protocols_on_the_sockets_change_nothing(self):
        self.bench.redis()
        self.bench.front, self.bench.back = "tcp://127.0.0.1:*", "tcp://127.0.0.1:*"
        broker = self.bench.broker()
        ends = dict(part.split("=", 1) for part in broker.ready_line.split())
        self.bench.front, self.bench.back = ends["front"], ends["back"]
        self.bench.worker()
        proc = self.bench.coordinator(self.bench.job(20000))
        for endpoint in ends.values():
            port = int(endpoint.rsplit(":", 1)[1])
            for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" * 100, b"PING\r\n", os.urandom(3000)):
                with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                    try:
                        s.sendall(text)
                    except OSError:
                        pass
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.assertIsNone(broker.code())
        self.check_corpus(self.bench.path("out"), 20000)

    # -- lies ----------------------------------------------------------------------

    def test_a_worker_that_lies_about_its_incarnation_is_refused(self):
        self.begin()
        liar = self.stranger(WORKER)
        for _ in range(20):
            fields = {1: self.job_id(), 2: 1, 3: liar.incarnation ^ 1, 4: 1, 5: [0], 6: [1], 7: [0], 8: [3]}
            liar.send(RESULTS, fields, b"bad")
        self.assertEqual(liar.refused(), "MISMATCH")
        self.counted("refused_mismatch", 20)
        self.unaffected()

    def test_results_nobody_asked_for_are_not_taken(self):
        """Garbage for tasks of a running job: the owner looks into it."""
        self.begin()
        liar = self.stranger(WORKER)
        for seq in range(1, 200):
            task = self.random.randrange(ROWS // 250) * 250 << 8
            body = self.random.randbytes(self.random.randrange(300))
            if self.random.random() < 0.5:
                body = msgpack.packb({1: task >> 8, 2: 250, 3: 250, 4: 250, 5: b"\xff" * 32, 6: 250, 7: 1000, 8: 0, 9: [], 10: body})
            fields = {1: self.job_id(), 2: 1, 3: liar.incarnation, 4: seq, 5: [task], 6: [1], 7: [0], 8: [len(body)]}
            liar.send(RESULTS, fields, body)
        self.counted("results_in", 199)
        self.unaffected()

    def test_an_owner_of_the_past_or_of_nothing_is_refused(self):
        self.begin()
        job = self.job_id()
        old = self.stranger(COORDINATOR)
        for number, fields in (
            (ATTACH, {1: job, 2: 0, 3: "persona.compose"}),
            (TASKS, {1: job, 2: 1, 3: "persona.compose", 4: [0], 5: [9], 6: [0]}),
            (ACK, {1: job, 2: 1, 3: 1, 4: [1]}),
            (DETACH, {1: job, 2: 1}),
            (CANCEL, {1: job, 2: 1, 3: [0]}),
        ):
            old.send(number, fields)
            self.assertIn(old.refused(), ("STATE", "STALE", "PROTOCOL"), number)
        self.unaffected()

    def test_a_stale_owner_number_is_refused(self):
        self.begin()
        job = self.job_id()
        self.proc.kill()
        self.proc.wait()
        self.proc = self.bench.coordinator(self.bench.path("job.yaml"))  # owner 2
        harness.wait_for("the second owner", lambda: self.proc.progress("drawn"), alive=[self.proc])
        old = self.stranger(COORDINATOR)
        old.send(ATTACH, {1: job, 2: 1, 3: "persona.compose"})
        self.assertEqual(old.refused(), "STALE")
        old.send(ACK, {1: job, 2: 1, 3: 1, 4: [1]})
        self.assertEqual(old.refused(), "STALE")
        old.send(DETACH, {1: job, 2: 1})
        self.assertEqual(old.refused(), "STALE")
        self.counted("refused_stale", 3)
        self.unaffected()

    def test_an_owner_with_a_higher_number_stops_this_one_in_order(self):
        self.begin()
        thief = self.stranger(COORDINATOR)
        thief.send(ATTACH, {1: self.job_id(), 2: 99, 3: "persona.compose"})
        self.assertEqual(self.proc.wait(30), 1, self.proc.log())
        self.assertIn("another owner", self.proc.log() + self.proc.why())
        self.check_journal(self.bench.path("out"))

    def test_a_wrong_role_or_version_is_refused(self):
        self.fleet(workers=0)
        wrong = self.peer(self.bench.back)
        wrong.hello(COORDINATOR)
        self.assertEqual(wrong.refused(), "DENIED")
        other = self.peer(self.bench.front)
        other.send(HELLO, {1: 99, 2: COORDINATOR, 3: other.incarnation, 4: "new"})
        self.assertEqual(other.refused(), "VERSION")

    def test_many_strangers_come_and_go(self):
        self.begin()
        for _ in range(100):
            peer = Peer(self.bench.back)
            peer.hello(WORKER)
            if self.random.random() < 0.5:
                peer.answer(WELCOME)
                peer.send(CREDIT, {1: "noop", 2: self.random.randrange(1 << 40)})
            peer.close()
        self.unaffected()

    # -- a worker in another language -------------------------------------------

    def python_worker(self, credit=256):
        path = os.path.join(harness.ROOT, "examples/worker.py")
        self.bench.counter += 1
        return self.bench.start(
            f"python-{self.bench.counter}", [sys.executable, path, self.bench.back, "--credit", credit])

    def bench_tasks(self, n, *args):
        proc = self.bench.start(
            "bench", [f"{harness.BIN}/cohort-coordinator", "bench", "-n", n, "--broker", self.bench.front] + list(args), status=True)
        return proc

    def done(self, proc, n):
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.assertEqual(proc.end()["result"]["tasks"], n)

    def test_a_worker_in_python_serves_alone(self):
        self.bench.broker()
        worker = self.python_worker()
        self.done(self.bench_tasks(20000), 20000)
        worker.kill(signal.SIGTERM)
        self.assertEqual(worker.wait(10), 0, worker.log())

    def test_workers_in_python_and_c_serve_together_and_may_be_killed(self):
        self.bench.broker("--beat", "200ms", "--dead", "1s", "--away", "300ms")
        workers = [self.python_worker(), self.bench.worker(), self.python_worker()]
        proc = self.bench_tasks(200000, "--rate", "60000")
        harness.wait_for("tasks done", lambda: proc.progress("accepted") > 1000 or proc.code() is not None, alive=[proc])
        workers[0].kill()
        self.done(proc, 200000)

    def test_a_worker_in_python_survives_a_broker(self):
        broker = self.bench.broker("--beat", "200ms", "--dead", "1s")
        self.python_worker()
        proc = self.bench_tasks(60000, "--rate", "20000")
        harness.wait_for("tasks done", lambda: proc.progress("accepted") > 1000 or proc.code() is not None, alive=[proc])
        broker.kill()
        broker.wait()
        self.bench.broker("--beat", "200ms", "--dead", "1s")
        self.done(proc, 60000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
