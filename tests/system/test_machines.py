"""A fleet on machines of its own: seven hosts, a network between them, keys on.

Hosts are network namespaces (network.py): a coordinator, two brokers, a Redis
and three hosts of workers. Every link has a delay and loses frames; while a job
runs, hosts are cut off and come back. At the end: the bytes of a quiet run on
this machine alone, nothing lost or twice, no row dead.
"""
import glob
import os
import shutil
import sys
import unittest

import harness
import network
import test_fleet

DELAY_MS, LOSS_PCT = 5, 1  # of each link; between two hosts it is two links
ROWS = 40000 if harness.FACTOR == 1 else 80000
SLOTS = 8  # a worker; so the job takes half a minute at least, whatever the machine
FRONT, BACK, REDIS = 5570, 5571, 6379


class MachineFleet(test_fleet.Fleet):
    """The fleet of test_fleet, each of its processes on a host named as it is."""

    def __init__(self, bench, delay_ms=DELAY_MS, loss_pct=LOSS_PCT, seed=1, **more):
        super().__init__(bench, **more)
        self.hosts = self.daemons + self.brokers + ["redis"] + self.workers
        self.net = network.Network(self.hosts, delay_ms, loss_pct, seed)
        self.fronts = [f"tcp://{self.net.address(name)}:{FRONT}" for name in self.brokers]
        self.backs = [f"tcp://{self.net.address(name)}:{BACK}" for name in self.brokers]
        bench.redis_host, bench.redis_port = self.net.address("redis"), REDIS
        for role in ("broker", "coordinator", "worker"):
            code, out, err = bench.cohort("keygen", "--dir", bench.path("keys"), role, role)
            assert code == 0, out + err
        os.makedirs(bench.path("allow"), mode=0o700)
        for role in ("coordinator", "worker"):
            shutil.copy(self.key(role, "pub"), bench.path("allow"))

    def key(self, name, end="key"):
        return self.bench.path("keys", f"{name}.{end}")

    def own(self, role):
        return ["--key", self.key(role), "--broker-key", self.key("broker", "pub")]

    def broker_args(self, i):
        return super().broker_args(i) + ["--key", self.key("broker"), "--allow", self.bench.path("allow")]

    def worker_args(self, i):
        return super().worker_args(i) + self.own("worker")

    def daemon_args(self, i):
        return super().daemon_args(i) + self.own("coordinator")

    def redis_args(self):
        return ["--redis", f"redis://{self.bench.redis_host}:{REDIS}", "--redis-insecure"]

    def start(self, name, wait=True):
        """Starts what is named so, on its host."""
        kind = name.rstrip("0123456789")
        if kind == "redis":
            args = self.redis_server()
        else:
            number = int(name[len(kind):])
            args = {"broker": self.broker_args, "worker": self.worker_args, "daemon": self.daemon_args}[kind](number)
            args += self.redis_args()
        proc = self.bench.start(name, self.net.at(name) + args, ready=kind in ("broker", "daemon"))
        self.running[name] = proc
        if wait and kind in ("broker", "daemon"):
            harness.wait_for(f"{name} to be ready", lambda: proc.ready_line, alive=[proc])
        return proc

    def redis_server(self):
        os.makedirs(self.bench.path("redis"), exist_ok=True)
        return ["redis-server", "--port", REDIS, "--bind", self.bench.redis_host, "--protected-mode", "no", "--dir",
                self.bench.path("redis"), "--appendonly", "yes", "--save", "", "--loglevel", "warning"]

    def start_all(self):
        redis = self.start("redis")
        harness.wait_for("redis-server", lambda: self.bench.redis_call("PING") == "PONG", alive=[redis])
        for name in self.brokers + self.workers + self.daemons:
            self.start(name)

    def counter(self, broker, field):
        return int(self.hash(f"broker:{broker}").get(field, 0))


def quiet_sha(test, rows, seed, name):
    """The bytes of a run on this machine alone: local sockets, no keys, no
    Redis, a worker, the fast service."""
    bench, port = test.bench, test.bench.redis_port
    bench.redis_port = 0
    procs = [bench.broker(name=f"{name}-broker"), bench.worker(name=f"{name}-worker")]
    job = bench.job(rows, out=name, seed=seed, shard_rows=test_fleet.SHARD_ROWS, name=f"{name}.yaml")
    proc = bench.coordinator(job, name=name)
    test.assertEqual(proc.wait(120), 0, proc.log())
    for proc in procs:
        proc.kill()
        proc.wait()
    bench.redis_port = port
    return harness.Corpus(bench.path(name)).sha


def check_job(test, fleet, daemon, rows, sha):
    """0 lost, 0 twice, none dead, the bytes of the quiet run."""
    harness.wait_for(f"{daemon}'s owner to end", lambda: not fleet.job_pid(daemon), 30)
    corpus = test.check_corpus(fleet.jobs[daemon], rows, sha)
    test.assertEqual(len(set(corpus.uuids())), rows, "a row stands there twice")
    test.assertEqual(fleet.state(daemon)["ledger"]["dead"], 0, "an innocent row is dead")
    return corpus


def setUpModule():
    try:
        network.enter()
    except network.Unavailable as why:
        raise unittest.SkipTest(f"no network namespaces here: {why}") from why


class Machines(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.fleet = None
        try:
            self.fleet = MachineFleet(self.bench, daemons=1, workers=3, slots=SLOTS, seed=self.seed)
        except network.Unavailable as why:
            self.skipTest(f"no network of our own here: {why}")
        by = "tc netem" if self.fleet.net.netem else "the wire (this kernel has no netem)"
        print(f"seed {self.seed}; {DELAY_MS} ms and {LOSS_PCT} % of loss a link by {by}", file=sys.stderr)

    def tearDown(self):
        if self.fleet:
            self.fleet.net.close()
        super().tearDown()

    def committed(self):
        """Bytes in the job's journal: to be seen without Redis, too. Not the
        finished files, which come in order: one range that has to wait for its
        turn again holds up those behind it."""
        return sum(os.path.getsize(f) for f in glob.glob(os.path.join(self.fleet.jobs["daemon0"], "journal", "seg-*")))

    def goes_on(self, what):
        before = self.committed()
        harness.wait_for(f"the job to go on after {what}",
                         lambda: self.committed() > before or self.fleet.complete("daemon0"), test_fleet.GO_ON_S)

    def cut(self, name):
        self.assertFalse(self.fleet.complete("daemon0"), "the job was over before " + name + " was cut off")
        print(f"{name} cut off at {self.fleet.accepted('daemon0')} rows", file=sys.stderr)
        self.fleet.net.cut(name)

    def test_a_job_over_links_that_delay_and_lose_and_hosts_that_are_cut_off(self):
        fleet = self.fleet
        sha = quiet_sha(self, ROWS, 7, "quiet")
        fleet.start_all()
        fleet.submit("daemon0", ROWS, 7)
        harness.wait_for("the first rows", lambda: fleet.accepted("daemon0") > 0, 60)
        for broker in fleet.brokers:
            self.assertEqual(fleet.counter(broker, "encrypted"), 1)

        dead = fleet.counter("broker0", "workers_dead")
        self.cut("worker0")
        harness.wait_for("a broker to give its worker up",
                         lambda: fleet.counter("broker0", "workers_dead") > dead, test_fleet.GO_ON_S)
        self.goes_on("the cut of worker0")
        fleet.net.mend("worker0")
        harness.wait_for("it to be back", lambda: fleet.counter("broker0", "workers") == 3 or
                         fleet.complete("daemon0"), test_fleet.GO_ON_S)

        self.cut("broker1")
        self.goes_on("the cut of broker1")
        fleet.net.interface("redis", "down")
        self.goes_on("Redis going off line")
        fleet.net.interface("redis", "up")
        fleet.net.mend("broker1")

        harness.wait_for("the end of the job", lambda: fleet.complete("daemon0"), 120)
        check_job(self, fleet, "daemon0", ROWS, sha)
        for name, proc in fleet.running.items():
            self.assertIsNone(proc.code(), f"{name} ended: {proc.log()}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
