"""A fleet: two brokers, two coordinators with a job each, four workers.

Each of them is killed (kill -9) and stopped (SIGSTOP, SIGCONT) in turn while
both jobs run; a supervisor's part (starting the dead again) is the test's, but
for jobs, which their daemon starts again. At the end: the bytes of quiet runs,
nothing lost, nothing twice, no row dead; and Redis has told of it all.

Service `slow` waits more than it computes, so that both jobs run long enough on
machines of any speed. `bench/failover.py` measures with the same fleet how
long the others take to go on; here are only generous deadlines.
"""
import os
import signal
import sys
import unittest

import harness

SERVICE = "slow"  # 20 ms a row
SHARD_ROWS = 2500
NAMESPACE = "cohort:{default}:"
# Nothing may take longer than this to go on, whoever died: 5 s until silence
# means dead, 2 s for tasks of a broker to be given elsewhere, a restart.
GO_ON_S = 30


class Fleet:
    """The processes, by name; each can be killed, stopped and started again."""

    def __init__(self, bench, brokers=2, workers=4, daemons=2, slots=16):
        self.bench = bench
        self.slots = slots
        self.running = {}
        self.fronts = [f"ipc://{bench.top}/front{i}" for i in range(brokers)]
        self.backs = [f"ipc://{bench.top}/back{i}" for i in range(brokers)]
        self.brokers = [f"broker{i}" for i in range(brokers)]
        self.workers = [f"worker{i}" for i in range(workers)]
        self.daemons = [f"daemon{i}" for i in range(daemons)]
        self.jobs = {}  # daemon -> its job's folder

    def start_all(self):
        self.bench.redis()
        for name in self.brokers + self.workers + self.daemons:
            self.start(name)

    def start(self, name):
        number = int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
        args = {"broker": self.broker_args, "worker": self.worker_args, "daemon": self.daemon_args}
        kind = name.rstrip("0123456789")
        proc = self.bench.start(name, args[kind](number) + self.bench.redis_args(), ready=kind != "worker")
        self.running[name] = proc
        if kind != "worker":
            harness.wait_for(f"{name} to be ready", lambda: proc.ready_line, alive=[proc])
        return proc

    def broker_args(self, i):
        return [f"{harness.BIN}/cohort-broker", "--front", self.fronts[i], "--back", self.backs[i], "--name", f"broker{i}"]

    def worker_args(self, i):
        args = [f"{harness.BIN}/cohort-worker", "--slots", self.slots, "--name", f"worker{i}", "--log-level", "warn"]
        return args + [part for back in self.backs for part in ("--broker", back)]

    def daemon_args(self, i):
        args = [f"{harness.BIN}/cohort-coordinator", "serve", "--out", self.bench.path(f"jobs{i}"),
                "--listen", f"ipc://{self.bench.top}/daemon{i}", "--log-level", "info"]
        return args + [part for front in self.fronts for part in ("--broker", front)]

    def submit(self, daemon, rows, seed, shard_rows=SHARD_ROWS):
        i = self.daemons.index(daemon)
        out = f"jobs{i}/corpus"
        job = self.bench.job(rows, out=out, seed=seed, service=SERVICE, shard_rows=shard_rows, name=f"job{i}.yaml")
        code, text, error = self.bench.cohort("submit", "--coordinator", f"ipc://{self.bench.top}/daemon{i}", job)
        assert code == 0, text + error
        self.jobs[daemon] = self.bench.path(out)

    # -- what Redis says -----------------------------------------------------

    def hash(self, key):
        words = self.bench.redis_call("HGETALL", NAMESPACE + key) or []
        return dict(zip(words[::2], words[1::2]))

    def job(self, daemon):
        """job:ID of the daemon's job."""
        try:
            return self.hash(f"job:{self.state(daemon)['job']}")
        except (OSError, ValueError, KeyError):
            return {}

    def state(self, daemon):
        return harness.run_json(self.jobs[daemon])

    def accepted(self, daemon):
        return int(self.job(daemon).get("accepted", 0))

    def complete(self, daemon):
        try:
            return self.state(daemon)["state"] == "complete"
        except (OSError, ValueError):
            return False

    # -- faults --------------------------------------------------------------

    def job_pid(self, daemon):
        """The process that owns the daemon's job now; None while none does."""
        folder = self.jobs[daemon].encode()
        for pid in self.bench.marked():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if b"run" in words[:2] and folder in words:
                return pid
        return None

    def signal_job(self, daemon, number):
        pid = self.job_pid(daemon)
        if pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pid = None
        return pid

    def kill(self, name):
        """kill -9, and its supervisor starts another."""
        self.running[name].kill()
        self.running[name].wait()
        return self.start(name)


class FleetTest(harness.SystemTest):
    def quiet_sha(self, rows, seed, name):
        """The bytes of a run that nobody disturbs, made by the fast service:
        which service made a row must not show in it."""
        job = self.bench.job(rows, out=name, seed=seed, shard_rows=SHARD_ROWS, name=f"{name}.yaml")
        proc = self.bench.coordinator(job, name=name)
        self.assertEqual(proc.wait(120), 0, proc.log())
        return harness.Corpus(self.bench.path(name)).sha

    def goes_on(self, fleet, what, daemons=None):
        """Each job that is not over accepts more than it has now."""
        for daemon in daemons or fleet.daemons:
            before = fleet.accepted(daemon)
            harness.wait_for(f"{daemon}'s job to go on after {what}",
                             lambda: fleet.accepted(daemon) > before or fleet.complete(daemon), GO_ON_S)

    def begin(self, rows, **more):
        fleet = Fleet(self.bench, **more)
        fleet.start_all()
        self.bench.front, self.bench.back = fleet.fronts[0], fleet.backs[0]
        shas = [self.quiet_sha(rows, 7 + i, f"quiet{i}") for i in range(len(fleet.daemons))]
        for i, daemon in enumerate(fleet.daemons):
            fleet.submit(daemon, rows, 7 + i)
        for daemon in fleet.daemons:
            harness.wait_for(f"the first rows of {daemon}", lambda: fleet.accepted(daemon) > 0, 60)
        return fleet, shas

    def finish(self, fleet, rows, shas):
        for i, daemon in enumerate(fleet.daemons):
            harness.wait_for(f"the end of {daemon}'s job", lambda: fleet.complete(daemon), 240)
            corpus = self.check_corpus(fleet.jobs[daemon], rows, shas[i])
            self.assertEqual(len(set(corpus.uuids())), rows, "a row stands there twice")
            self.assertEqual(fleet.state(daemon)["ledger"]["dead"], 0, "an innocent row is dead")

    def test_each_is_killed_in_turn_and_nothing_is_lost_or_made_twice(self):
        rows = 30000
        fleet, shas = self.begin(rows)
        hit = 0
        for name in fleet.brokers + fleet.workers:
            fleet.kill(name)
            hit += 1
            self.goes_on(fleet, f"kill -9 of {name}")
        for daemon in fleet.daemons:
            owner = fleet.job(daemon).get("owner")
            if not fleet.signal_job(daemon, signal.SIGKILL):
                continue
            hit += 1
            self.goes_on(fleet, f"kill -9 of {daemon}'s job")
            if not fleet.complete(daemon):
                self.assertGreater(int(fleet.job(daemon)["owner"]), int(owner), "the same owner number twice")
        for daemon in fleet.daemons:  # its job ends with it, and goes on with it
            fleet.kill(daemon)
            hit += 1
            self.goes_on(fleet, f"kill -9 of {daemon}")
        print(f"{hit} killed; accepted by then: {[fleet.accepted(d) for d in fleet.daemons]}", file=sys.stderr)
        self.finish(fleet, rows, shas)

    def test_each_is_frozen_in_turn_and_the_others_go_on(self):
        rows = 30000
        fleet, shas = self.begin(rows)
        for name in (fleet.brokers[0], fleet.workers[0], fleet.brokers[1], fleet.workers[1]):
            proc = fleet.running[name]
            proc.kill(signal.SIGSTOP)
            self.goes_on(fleet, f"SIGSTOP of {name}")
            proc.kill(signal.SIGCONT)
        pid = fleet.signal_job(fleet.daemons[0], signal.SIGSTOP)
        self.goes_on(fleet, "SIGSTOP of the other's job", fleet.daemons[1:])
        if pid:
            os.kill(pid, signal.SIGCONT)
        self.goes_on(fleet, "SIGCONT of all")
        self.finish(fleet, rows, shas)

    def test_a_broker_that_never_comes_back_costs_no_row(self):
        rows = 10000
        fleet, shas = self.begin(rows)
        fleet.running["broker0"].kill()
        self.goes_on(fleet, "the end of broker0")
        self.finish(fleet, rows, shas)


if __name__ == "__main__":
    unittest.main(verbosity=2)
