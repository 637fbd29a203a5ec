"""Random kills, half of them as a power loss; nothing committed may be lost.

    test_kill_runs.py [--runs N] [--seed S] [--rows N] [-v]

Each run draws, from its own seed, how many kills there are, when, of whom, and
how long the supervisor takes to start the dead again. After a kill with power
loss the disk is put back to what was synced, torn by seed, before anything is
started again. At the end: the rows of a quiet run, byte for byte; whatever was
reported as accepted before a kill is there after it; the shards that were
there are there, unchanged; the ledger holds; the journal is sound.
"""
import argparse
import collections
import random
import signal
import sys
import time
import unittest

import harness

KINDS = ("worker", "broker", "coordinator", "redis", "all")
RUNS = 10


class Lost(AssertionError):
    pass


class KillRun:
    """One run: a fleet, a job, and random kills until it is complete."""

    def __init__(self, bench, seed, rows, quiet, power):
        self.bench = bench
        self.random = random.Random(seed)
        self.power = power
        self.rows = rows
        self.quiet = quiet
        self.kills = collections.Counter()
        self.events = []
        self.folder = bench.path("disk", "out")
        self.shim = (bench.path("disk"), bench.path("undo")) if power else None
        self.job = bench.job(rows, out="disk/out", shard_rows=2500)
        self.committed = 0
        self.shards = {}

    # -- starting ------------------------------------------------------------

    def begin(self):
        self.redis = self.bench.redis()
        self.broker = self.bench.broker("--beat", "200ms", "--dead", "1s", "--away", "300ms")
        self.workers = [self.bench.worker() for _ in range(self.random.choice((1, 2, 3)))]
        self.start_coordinator()

    def start_coordinator(self):
        self.coordinator = self.bench.coordinator(self.job, shim=self.shim)

    def restart(self, kinds):
        """As a supervisor would; the order is drawn too."""
        kinds = list(kinds)
        self.random.shuffle(kinds)
        for kind in kinds:
            if kind == "worker":
                self.workers = [w if w.code() is None else self.bench.worker() for w in self.workers]
            elif kind == "broker":
                self.broker = self.bench.broker("--beat", "200ms", "--dead", "1s", "--away", "300ms")
            elif kind == "redis":
                self.redis = self.bench.redis()
            else:
                self.start_coordinator()

    # -- killing -------------------------------------------------------------

    def note_committed(self):
        """`accepted` rows are committed; a later owner must have them all."""
        self.committed = max(self.committed, self.coordinator.progress("accepted"))

    def kill(self, kind):
        self.kills[kind] += 1
        victims = {
            "worker": [self.random.choice(self.workers)],
            "broker": [self.broker],
            "coordinator": [self.coordinator],
            "redis": [self.redis],
        }
        victims["all"] = self.workers + [self.broker, self.coordinator, self.redis]
        self.random.shuffle(victims["all"])
        for proc in victims[kind]:
            proc.kill()
        for proc in victims[kind]:
            proc.wait()
        down = {"all": ["worker", "broker", "redis", "coordinator"]}.get(kind, [kind])
        what = ""
        if "coordinator" in down:
            self.note_committed()
            if self.power:
                self.kills["power loss"] += 1
                what = self.bench.revert(*self.shim, self.random.randrange(1 << 32))
            self.check_shards()
        self.events.append(f"kill {kind} at {self.committed} rows {what}".strip())
        return down

    def check_shards(self):
        """A shard that has its name is whole, and stays as it is."""
        now = harness.Corpus(self.folder).shards()
        for name, content in now.items():
            if content != self.quiet.content.get(name):
                raise Lost(f"{name} is not the shard of the quiet run")
        for name in self.shards:
            if name not in now and not self.power:
                raise Lost(f"{name} is gone")
        self.shards = now

    def restart_and_check(self, down):
        """The new owner must count what the last one reported, from its
        journal alone: while it reads, no worker works."""
        self.restart([k for k in down if k in ("redis", "broker")])
        for worker in self.workers:
            worker.kill(signal.SIGSTOP)
        self.start_coordinator()
        proc = self.coordinator
        # A run that was over when it was killed says so, and no more.
        counted = lambda: proc.progress("accepted") >= self.committed or proc.code() == 0
        try:
            harness.wait_for(f"the {self.committed} committed rows after a restart", counted, seconds=8, alive=[proc])
        except AssertionError as error:
            found = proc.progress("accepted")
            raise Lost(f"{self.committed} rows were committed, {found} after the restart") from error
        for worker in self.workers:
            worker.kill(signal.SIGCONT)
        self.restart([k for k in down if k == "worker"])

    # -- the run -------------------------------------------------------------

    def go(self):
        self.begin()
        for _ in range(self.random.randint(1, 4)):
            # Some kills come early, while things start and attach.
            delay = self.random.uniform(0, self.quiet.seconds * self.random.choice((0.3, 0.9)))
            if self.coordinator.ends_within(delay):
                break
            down = self.kill(self.random.choice(KINDS))
            if self.coordinator.ends_within(self.random.choice((0, 0, 0.2))) and "coordinator" not in down:
                self.restart(down)
                break
            if "coordinator" in down and self.committed and self.random.random() < 0.7:
                self.restart_and_check(down)
            else:
                self.restart(down)
        return self.finish()

    def finish(self):
        """The last power loss comes after everything is done."""
        code = self.coordinator.wait(60)
        if code != 0:
            raise Lost(f"the run ended with {code}: {self.coordinator.why()}\n{self.coordinator.log()}")
        if self.power:
            self.bench.revert(*self.shim, 0, "none")
            self.events.append("power loss after the end")
        corpus = harness.Corpus(self.folder)
        return corpus


class Quiet:
    """The run that nobody disturbs."""

    def __init__(self, rows):
        bench = harness.Bench()
        try:
            bench.broker()
            for _ in range(2):
                bench.worker()
            proc = bench.coordinator(bench.job(rows, shard_rows=2500))
            start = time.monotonic()
            assert proc.wait(120) == 0, proc.log()
            self.seconds = time.monotonic() - start
            corpus = harness.Corpus(bench.path("out"))
            assert corpus.rows == rows
            uuids = corpus.uuids()
            assert len(set(uuids)) == rows, "uuids are not unique"
            self.sha = corpus.sha
            self.content = corpus.shards()
            self.hashes = corpus.hashes()
            self.ledger = harness.run_json(bench.path("out"))["ledger"]
        finally:
            bench.close()


class Table:
    def __init__(self):
        self.count = collections.Counter()
        self.kills = collections.Counter()

    def print(self):
        kills = "  ".join(f"{k} {self.kills[k]}" for k in (*KINDS, "power loss"))
        print(f"runs {self.count['runs']} ({self.count['power']} with power loss)")
        print(f"kills: {kills}")
        print(
            f"same bytes {self.count['same']} of {self.count['runs']}, "
            f"lost rows {self.count['lost']}, duplicated rows {self.count['duplicated']}"
        )


def one_run(case, seed, rows, quiet, power, table):
    bench = harness.Bench()
    run = KillRun(bench, seed, rows, quiet, power)
    failed = True
    try:
        corpus = run.go()
        table.count["runs"] += 1
        table.count["power"] += power
        table.kills.update(run.kills)
        table.count["lost"] += max(0, rows - corpus.rows)
        table.count["duplicated"] += max(0, corpus.rows - rows)
        case.assertEqual(corpus.rows, rows)
        case.assertEqual(corpus.sha, quiet.sha)
        case.assertEqual(corpus.hashes(), quiet.hashes)
        table.count["same"] += 1
        state = harness.run_json(run.folder)
        case.assertEqual(state["state"], "complete")
        case.assertTrue(harness.ledger_holds(state["ledger"]), state["ledger"])
        case.assertEqual(state["ledger"]["accepted"], rows)
        case.assertEqual(state["ledger"]["duplicates"], quiet.ledger["duplicates"])
        code, out, err = bench.cohort("journal", "check", run.folder)
        case.assertEqual(code, 0, out + err)
        case.assertEqual(bench.complaints(), [])
        failed = False
    finally:
        if failed:
            print(f"\nseed {seed} power={power}: " + "; ".join(run.events), file=sys.stderr)
            for proc in {p.name: p for p in bench.procs if p.name != "redis"}.values():
                print(f"-- {proc.name}: {proc.code()} {proc.why()}\n{proc.log()}", file=sys.stderr)
        bench.close(failed)


class KillRuns(unittest.TestCase):
    runs = RUNS
    rows = 60000 if harness.FACTOR == 1 else 15000
    seed = None
    verbose = False

    def test_random_kills_lose_nothing_and_change_nothing(self):
        seed = harness.seed_from_environment() if self.seed is None else self.seed
        print(f"seed {seed}, {self.runs} runs of {self.rows} rows", file=sys.stderr)
        quiet = Quiet(self.rows)
        table = Table()
        try:
            for i in range(self.runs):
                one_run(self, seed + i, self.rows, quiet, i % 2 == 1, table)
                if self.verbose:
                    print(f"run {i} seed {seed + i} ok", file=sys.stderr)
        finally:
            table.print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rows", type=int, default=KillRuns.rows)
    parser.add_argument("--seed", type=int)
    parser.add_argument("-v", "--verbose", action="store_true")
    args, rest = parser.parse_known_args()
    KillRuns.runs, KillRuns.rows, KillRuns.seed = args.runs, args.rows, args.seed
    KillRuns.verbose = args.verbose
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
