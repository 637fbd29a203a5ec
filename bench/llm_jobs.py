#!/usr/bin/python3
"""llm_jobs.py kills|cap [--minutes N] [--workers N] [--rows N] [--seed S]

What a paid job pays when everything goes wrong, against an endpoint of its own
that keeps the bill (tests/fake-llm). Real programs, one machine.

  kills  brokers, workers, Redis and the coordinator are killed with kill -9 at
         random for so many minutes, one or all at once, and started again, while
         a job runs; then it runs to its end. The rows must be those of a run that
         nobody disturbed.
  cap    a budget for a tenth of the job: many worker processes, answers that are
         late, cut off or never come, and workers that are killed meanwhile. What
         is charged is looked at in Redis all the time, in each line of status and
         at each record of the journal. Then the budget is raised, and the job runs
         to its end.

Bill, journal and rows are compared as the system tests do it (tests/system/paid.py).
COHORT_BUILD chooses the build (default build/release).
"""
import argparse
import collections
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))
import harness  # noqa: E402
import journal  # noqa: E402
import paid  # noqa: E402

BEATS = ("--beat", "200ms", "--dead", "1s", "--away", "300ms")
LATE = "latency=900:0.05;latency=4000:0.01;reset:0.01:billed;cut:0.01;mute:0.005:billed;violate:0.05;latency=300:1"


class Run(harness.SystemTest):
    """A test without a runner: its checks, its bench, its cleanups."""

    def runTest(self):
        pass

    def __init__(self, options):
        super().__init__()
        self.options = options
        self.bench = harness.Bench()
        self.random = random.Random(options.seed)
        self.bill = self.bench.path("bill.log")
        self.addCleanup(self.bench.close)

    def fleet(self, job, workers, start=None):
        parts = {"redis": self.bench.redis, "broker": lambda: self.bench.broker(*BEATS)}
        for i in range(workers):
            parts[f"worker{i}"] = lambda: self.bench.worker("--providers", job)
        if start:
            parts["coordinator"] = start
        self.parts = parts
        self.running = {name: part() for name, part in parts.items()}

    def kill(self, names):
        for name in names:
            self.running[name].kill()
        for name in names:
            self.running[name].wait()
        for name in self.random.sample(names, len(names)):
            self.running[name] = self.parts[name]()

    def stop(self):
        for proc in self.running.values():
            proc.kill()
        for proc in self.running.values():
            proc.wait()

    def money_text(self, calls, bill):
        unknown = {**calls.open, **calls.unknown}
        usd = lambda units: f"{units / paid.UNIT:.6f}"
        stage = lambda a: (a.row, a.stage)
        answers = [stage(a) for a in calls.answers if a.outcome == journal.ANSWER]
        return (
            f"  calls billed            {len(bill.lines)}, {usd(bill.units)} USD\n"
            f"  settled                 {usd(calls.settled)} USD for {len(calls.answers) - len(calls.unknown)} calls\n"
            f"  unknown                 at most {usd(sum(unknown.values()))} USD for {len(unknown)} calls, each named\n"
            f"  most charged at once    {usd(calls.most)} USD\n"
            f"  asked again after its answer was committed: {len(calls.void)}\n"
            f"  bodies billed again     {bill.again} (at most the unknown ones and {len(answers) - len(set(answers))} late answers)"
        )


def kills(run, options):
    rows = options.rows or 20000
    quiet_fake = paid.endpoint(run, log=run.bench.path("quiet.log"))
    job = paid.job(run.bench, quiet_fake, rows, budget="500", out="quiet", name="quiet.yaml", in_flight=200)
    run.fleet(job, 2)
    began = time.monotonic()
    proc = run.bench.coordinator(job)
    run.assertEqual(proc.wait(600), 0, proc.log())
    print(f"quiet: {rows} rows in {time.monotonic() - began:.1f} s")
    run.stop()
    # So slow that it lasts longer than the kills do.
    wait_ms = int(options.minutes * 60_000 * 64 / (2 * rows) * 1.2)
    fake = paid.endpoint(run, "--fail", f"latency={wait_ms}:1", log=run.bill)
    job = paid.job(run.bench, fake, rows, budget="500", in_flight=64, timeouts={"total": max(3, wait_ms // 200)})
    run.fleet(job, options.workers, lambda: run.bench.coordinator(job))
    count, until = collections.Counter(), time.monotonic() + 60 * options.minutes
    kinds = ["redis", "broker", "worker", "worker", "worker", "coordinator", "all"]
    while time.monotonic() < until and not run.running["coordinator"].ends_within(run.random.uniform(0.2, 3)):
        kind = run.random.choice(kinds)
        names = list(run.parts) if kind == "all" else [n for n in run.parts if n.startswith(kind)]
        run.kill(names if kind == "all" else [run.random.choice(names)])
        count[kind] += 1
    proc = run.running["coordinator"]
    run.assertEqual(proc.wait(600), 0, proc.log() + proc.why())
    folder = run.bench.path("out")
    run.check_corpus(folder, rows)
    run.assertEqual(paid.texts(folder), paid.texts(run.bench.path("quiet")), "other rows than those of the quiet run")
    calls = paid.check(run, folder, run.bill, "500")
    unknown = len(calls.open) + len(calls.unknown)
    print(f"kills: {sum(count.values())} with kill -9 in {options.minutes:g} minutes: "
          + ", ".join(f"{k} {n}" for k, n in sorted(count.items())))
    print(f"  rows                    {rows} of {rows}, those of the quiet run; answers journaled: {len(calls.answers)}, unknown {unknown}")
    print(run.money_text(calls, paid.Bill(run.bill)))




def cap(run, options):
    rows = options.rows or 3000
    budget = f"{rows * 0.00135 / 10:.6f}"
    fake = paid.endpoint(run, "--fail", LATE, log=run.bill)
    times = {"total": 3, "idle": 1, "first_byte": 2}
    job = paid.job(run.bench, fake, rows, budget=budget, in_flight=64, timeouts=times)
    run.fleet(job, options.workers)
    watcher = paid.Watcher(run.bench, budget)
    proc = run.bench.coordinator(job)
    killed = 0
    while not proc.ends_within(run.random.uniform(0.1, 0.5)):
        run.kill([run.random.choice([n for n in run.parts if n.startswith("worker")])])
        killed += 1
    watcher.end()
    run.assertEqual(proc.wait(600), 3, proc.log() + proc.why())
    told = [sum(paid.units(line["money"][k]) for k in ("settled_usd", "unknown_usd", "reserved_usd"))
            for line in list(proc.lines) if "money" in line]
    folder = run.bench.path("out")
    calls = paid.check(run, folder, run.bill, budget)
    state = harness.run_json(folder)
    usd = lambda units: f"{units / paid.UNIT:.6f}"
    print(f"cap: {budget} USD for {rows} rows, {options.workers} worker processes, {killed} of them killed with kill -9")
    print(f"  ended                   with 3: {state['text']}")
    print(f"  rows                    {state['ledger']['accepted']}")
    print(f"  most seen in Redis      {usd(watcher.most)} USD in {watcher.looks} looks")
    print(f"  most in a status line   {usd(max(told))} USD in {len(told)} lines")
    print(run.money_text(calls, paid.Bill(run.bill)))
    run.assertLessEqual(max(told + [watcher.most, calls.most]), paid.units(budget))
    job = paid.job(run.bench, fake, rows, budget="500", in_flight=64, timeouts=times)
    proc = run.bench.coordinator(job)
    run.assertEqual(proc.wait(600), 0, proc.log() + proc.why())
    run.check_corpus(folder, rows)
    calls = paid.check(run, folder, run.bill, "500")
    print(f"cap: raised to 500 USD, the same folder: {rows} of {rows} rows")
    print(run.money_text(calls, paid.Bill(run.bill)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mode", choices=("kills", "cap"))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    options.workers = options.workers or (64 if options.mode == "cap" else 4)
    print(f"seed {options.seed}")
    run = Run(options)
    failed = True
    try:
        {"kills": kills, "cap": cap}[options.mode](run, options)
        failed = False
    finally:
        if failed and os.environ.get("COHORT_TEST_KEEP"):
            run._cleanups.clear()
            run.bench.close(failed)
        run.doCleanups()


if __name__ == "__main__":
    main()
