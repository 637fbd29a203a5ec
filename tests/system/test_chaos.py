"""Chaos: something of a fleet is killed, frozen or cut off every second.

Two brokers, two coordinators with a job each, workers and Redis, each on a host
of its own (see test_machines.py; where namespaces are forbidden all run here,
and nothing is cut off). Every second one of them, or the process that owns a
job, is killed (kill -9), stopped (SIGSTOP, SIGCONT later) or its host is cut
off for a while; a supervisor's part is the test's: what is dead is started
again. At the end: 0 lost, 0 twice, no row dead, the bytes of a quiet run.

  test_chaos.py --timed --rows 1000000 --faults 300 --workers 8 --slots 12 [--seed N]

--rows is over both jobs; service `slow` makes 50 a second and slot. --timed
runs the same fleet undisturbed before, and compares the times.
What is done to whom, and for how long, is drawn from the seed; when it falls
depends on the machine.
"""
import argparse
import collections
import os
import random
import signal
import sys
import time
import unittest

import harness
import network
import test_fleet
import test_machines

EVERY_S = 1.0
TICK_S = 0.02
KINDS = ("kill", "stop", "cut")
PAUSE_S = (0.3, 8.0)  # silence for 5 s means dead: on both sides of it
OPTIONS = argparse.Namespace(rows=48000, faults=30, workers=4, slots=8, seed=None, timed=False)
WHY_NO_HOSTS = None


class LocalFleet(test_fleet.Fleet):
    """All on this machine: nothing can be cut off."""

    net = None

    def __init__(self, bench, seed, **more):
        super().__init__(bench, **more)
        self.hosts = self.daemons + self.brokers + ["redis"] + self.workers

    def start(self, name, wait=True):
        if name == "redis":
            self.running[name] = self.bench.redis()
            return self.running[name]
        return super().start(name)

    def start_all(self):
        for name in ["redis"] + self.brokers + self.workers + self.daemons:
            self.start(name)


class Chaos:
    """Draws faults, heals them, and starts again what has died."""

    def __init__(self, fleet, seed):
        self.fleet = fleet
        self.random = random.Random(seed)
        self.owners = [f"owner of {daemon}" for daemon in fleet.daemons]
        self.targets = fleet.hosts + self.owners
        self.kinds = KINDS if fleet.net else KINDS[:2]
        self.down = {}  # target -> (when it ends, what ends it)
        self.done = collections.Counter()
        self.restarts = 0

    def draw(self):
        """All of a fault at once, so that what follows is drawn alike."""
        return (self.random.choice(self.kinds), self.random.choice(self.targets), self.random.uniform(*PAUSE_S))

    def fault(self, now):
        kind, target, seconds = self.draw()
        at = self.targets.index(target)
        for name in self.targets[at:] + self.targets[:at]:  # the next that is well
            if name not in self.down and self.strike(kind, name, now + seconds):
                self.done[f"{kind} {name.split()[0].rstrip('0123456789')}"] += 1
                return

    def strike(self, kind, name, until):
        if kind == "cut":
            host = name.split()[-1]
            if host in self.fleet.net.down:
                return False
            self.fleet.net.cut(host)
            self.down[name] = (until, lambda: self.fleet.net.mend(host))
            return True
        number = signal.SIGKILL if kind == "kill" else signal.SIGSTOP
        pid = self.pid(name)
        if not pid or not self.send(pid, number):
            return False
        if kind == "stop":
            self.down[name] = (until, lambda: self.send(pid, signal.SIGCONT))
        return True

    def pid(self, name):
        if name in self.owners:
            return self.fleet.job_pid(name.split()[-1])
        proc = self.fleet.running[name]
        return proc.pid if proc.code() is None else None

    def send(self, pid, number):
        try:
            os.kill(pid, number)
            return True
        except ProcessLookupError:
            return False

    def heal(self, now):
        for name, (until, end) in list(self.down.items()):
            if until <= now:
                end()
                del self.down[name]

    def supervise(self):
        for name in self.fleet.hosts:
            if self.fleet.running[name].code() is not None:
                self.fleet.start(name, wait=False)
                self.restarts += 1

    def run(self, over, most_s):
        """Until over(); then all is well again."""
        began = due = time.monotonic()
        while not over():
            now = time.monotonic()
            assert now - began < most_s, f"the jobs are not over after {most_s:.0f} s, {self.total()} faults"
            self.heal(now)
            self.supervise()
            if now >= due:
                self.fault(now)
                due += EVERY_S
            time.sleep(TICK_S)  # the pace of the chaos, not a wait for anything
        self.heal(float("inf"))
        return time.monotonic() - began

    def total(self):
        return sum(self.done.values())


def setUpModule():
    global WHY_NO_HOSTS
    try:
        network.enter()
    except network.Unavailable as why:
        WHY_NO_HOSTS = str(why)
        print(f"no network namespaces here, so nothing is cut off: {why}", file=sys.stderr)


class ChaosTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.seed = OPTIONS.seed if OPTIONS.seed is not None else self.seed
        self.each = OPTIONS.rows // 2
        kind = LocalFleet if WHY_NO_HOSTS else test_machines.MachineFleet
        self.fleet = kind(self.bench, seed=self.seed, workers=OPTIONS.workers, slots=OPTIONS.slots)

    def tearDown(self):
        if self.fleet.net:
            self.fleet.net.close()
        super().tearDown()

    def over(self):
        return all(self.fleet.complete(daemon) for daemon in self.fleet.daemons)

    def submit(self):
        for i, daemon in enumerate(self.fleet.daemons):
            self.fleet.submit(daemon, self.each, 7 + i)

    def undisturbed(self):
        """Seconds that the same jobs take on the same fleet in peace, and what
        they make."""
        began = time.monotonic()
        self.submit()
        harness.wait_for("the quiet jobs", self.over, 60 + OPTIONS.rows / 100)
        seconds = time.monotonic() - began
        shas = []
        for i, daemon in enumerate(self.fleet.daemons):
            shas.append(harness.Corpus(self.fleet.jobs[daemon]).sha)
            os.rename(self.fleet.jobs[daemon], self.bench.path(f"quiet{i}"))
        return seconds, shas

    def test_faults_every_second_lose_no_row_make_none_twice_and_kill_none(self):
        fleet, quiet_s = self.fleet, None
        if not OPTIONS.timed:
            shas = [test_machines.quiet_sha(self, self.each, 7 + i, f"quiet{i}") for i in range(2)]
        fleet.start_all()
        if OPTIONS.timed:
            quiet_s, shas = self.undisturbed()
            print(f"quiet: {2 * self.each} rows in {quiet_s:.0f} s", file=sys.stderr, flush=True)
        self.submit()
        chaos = Chaos(fleet, self.seed)
        print(f"seed {self.seed}: {2 * self.each} rows, {OPTIONS.workers} workers", file=sys.stderr, flush=True)
        seconds = chaos.run(self.over, (120 + OPTIONS.rows / 100) * harness.FACTOR)
        print(f"chaos: {2 * self.each} rows in {seconds:.0f} s, {chaos.total()} faults, {chaos.restarts} restarts; "
              + ", ".join(f"{n} {what}" for what, n in sorted(chaos.done.items())), file=sys.stderr, flush=True)
        for i, daemon in enumerate(fleet.daemons):
            test_machines.check_job(self, fleet, daemon, self.each, shas[i])
            print(f"{daemon}: {fleet.state(daemon)['ledger']}, 0 lost, 0 twice, the bytes of the quiet run", file=sys.stderr)
        self.assertGreaterEqual(chaos.total(), OPTIONS.faults)
        if quiet_s:
            print(f"{seconds / quiet_s:.2f} times the quiet run's time", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, value in vars(OPTIONS).items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name}", type=int, default=value)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
