#!/usr/bin/python3
"""llm_storm.py [CASE]... [--workers 1,8,64] - whether the limits of an endpoint
hold over a fleet of real processes: a broker, a coordinator, a Redis, so many
worker processes, and tests/fake-llm as the endpoint, which counts.

  storm    from a moment on everybody gets 429 with Retry-After 5, for 4 s: how
           many requests that costs, whether the fleet is silent until the time
           given, and how it comes back
  rpm      a limit of requests a minute, for some minutes (--seconds): the most
           that came in any window of 60 s, and how much of the limit was used
  tpm      the same of tokens
  back     as rpm, with Redis killed (kill -9) in the middle, and back 10 s later
  gone     as rpm, with Redis killed in the middle for good
  kill     as rpm, with a worker killed (kill -9) every 3 s; others start in their place
  breaker  the endpoint fails for 65 s: how often it is asked meanwhile

COHORT_BUILD chooses the build (default build/release). Ends with 1 when a
limit was passed, a row was lost, or a storm cost 5 % of the requests.
"""
import argparse
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))
import fake_llm  # noqa: E402
import harness  # noqa: E402

SAMPLE_S = 0.05
LATENCY = "latency=200"
RETRY_S, STORM_S, IN_FLIGHT, KILL_EACH_S = 5, 4, 64, 3
MANY = 1000000  # rows: more than a run of minutes makes


class Run:
    """One fleet and its endpoint, from the first process to the last, and what
    had come by when."""

    def __init__(self, workers, rows, limits, *fake_args):
        self.cleanups = []
        self.bench = harness.Bench("cohort-storm")
        self.fake = fake_llm.Fake(self, *fake_args)
        self.samples = []  # seconds since the beginning, requests so far
        self.over = threading.Event()
        self.job = self.bench.job(rows)
        fake_llm.provide(self.job, [self.fake], limits=limits)
        self.redis = self.bench.redis()
        self.bench.broker()
        self.worker = self.bench.worker("--providers", self.job, "--processes", workers)
        alive = lambda: self.bench.redis_call("ZCARD", "cohort:{default}:workers")
        harness.wait_for("the workers", lambda: (alive() or 0) >= workers, 120)
        self.coordinator = self.bench.coordinator(self.job)
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def addCleanup(self, call):
        self.cleanups.append(call)

    def since(self):
        return time.monotonic() - self.began

    def watch(self):
        while not self.over.wait(SAMPLE_S):
            self.samples.append((self.since(), self.fake.stats()["requests"]))

    def came(self, begin, end):
        """Requests that came in that time."""
        return self.by(end) - self.by(begin)

    def by(self, at):
        return max((n for t, n in self.samples if t <= at), default=0)

    def arrivals(self):
        """When something came."""
        last = 0
        for at, n in self.samples:
            if n > last:
                yield at
            last = n

    def each_10_s(self):
        last = int(self.samples[-1][0] / 10) * 10
        return " ".join(str(self.came(t, t + 10)) for t in range(0, last, 10))

    def close(self):
        self.over.set()
        self.thread.join(5)
        self.bench.close()
        for call in self.cleanups:
            call()


def limited(stats):
    return stats["by_status"].get("429", 0)


def storm(run, name, workers, args):
    harness.wait_for("full speed", lambda: run.fake.stats()["requests"] > 8 * IN_FLIGHT, 60, [run.coordinator])
    began = run.since()
    run.fake.fail(f"429:1:retry-after={RETRY_S}:until={STORM_S}")
    code = run.coordinator.wait(300)
    stats, rows = run.fake.stats(), run.coordinator.end()["accepted"]
    quiet = max((at for at in run.arrivals() if at < began + RETRY_S - 0.1), default=began)
    back = min((at for at in run.arrivals() if at >= began + RETRY_S - 0.1), default=0)
    needed = stats["by_status"]["200"]
    more = 100 * (stats["requests"] - needed) / needed
    print(
        f"{name:8} {workers:3} processes: {rows} of {args.rows} rows, {needed} answers, {limited(stats)} refused "
        f"({more:.2f} % more requests than without a storm; {IN_FLIGHT} were in flight); silent from {quiet - began:.2f} s "
        f"to {back - began:.2f} s; requests in the second before {run.came(began - 1, began)}, after "
        f"{run.came(back, back + 1)}, then {run.came(back + 1, back + 2)}",
        flush=True)
    return code == 0 and rows == args.rows and more < 5 and quiet - began < 1


def kill_one(run):
    """A process below the supervisor, by chance."""
    with open(f"/proc/{run.worker.pid}/task/{run.worker.pid}/children") as f:
        children = f.read().split()
    if children:
        os.kill(int(random.choice(children)), signal.SIGKILL)


def disturb(run, until):
    for at in range(0, int(until), KILL_EACH_S):
        harness.wait_for("the next kill", lambda: run.since() > at, until, [run.coordinator])
        kill_one(run)


def steady(run, name, workers, args):
    what, limit = ("tokens", args.tpm) if name == "tpm" else ("requests", args.rpm)
    middle = args.seconds / 2
    if name == "kill":
        disturb(run, args.seconds)
    harness.wait_for("the middle", lambda: run.since() > middle, args.seconds, [run.coordinator])
    if name in ("back", "gone"):
        run.redis.kill()
        run.redis.wait()
    if name == "back":
        harness.wait_for("10 s more", lambda: run.since() > middle + 10, args.seconds)
        run.redis = run.bench.redis()
    harness.wait_for("the end", lambda: run.since() > args.seconds, args.seconds, [run.coordinator])
    stats = run.fake.stats()
    most = stats["window_tokens_max" if name == "tpm" else "window_requests_max"]
    print(
        f"{name:8} {workers:3} processes, {args.seconds:.0f} s: at most {most} of {limit} {what} in any 60 s "
        f"({100 * most / limit:.1f} %), {limited(stats)} refused; requests each 10 s: {run.each_10_s()}",
        flush=True)
    return most <= limit and not limited(stats)


def breaker(run, name, workers, args):
    harness.wait_for("full speed", lambda: run.fake.stats()["requests"] > 4 * IN_FLIGHT, 60, [run.coordinator])
    began, before = run.since(), run.fake.stats()["requests"]
    run.fake.fail("500:1:until=65")
    harness.wait_for("its end", lambda: run.since() > began + 140, 200, [run.coordinator])
    stats = run.fake.stats()
    probes = [round(at - began, 1) for at in run.arrivals() if 5 < at - began < 121]
    print(
        f"{name:8} {workers:3} processes: {stats['by_status'].get('500', 0)} failed; after 5 s requests came at "
        f"{probes[:4]} s; then {run.came(began + 121, began + 140)} until 140 s",
        flush=True)
    return stats["by_status"].get("500", 0) < 5 + 2 * IN_FLIGHT and len(probes) <= 2


def limits_of(name, args):
    return {
        "storm": {"in_flight": IN_FLIGHT}, "breaker": {"in_flight": IN_FLIGHT}, "tpm": {"tpm": args.tpm}
    }.get(name, {"rpm": args.rpm})


def run_case(name, workers, args):
    limits = limits_of(name, args)
    enforced = [f"--{k}={v}" for k, v in limits.items() if k != "in_flight"]
    enforced = [word for option in enforced for word in option.split("=")]
    run = Run(workers, args.rows if name == "storm" else MANY, limits, "--script", LATENCY, *enforced)
    try:
        return {"storm": storm, "breaker": breaker}.get(name, steady)(run, name, workers, args)
    finally:
        run.close()


def main():
    cases = ["storm", "rpm", "tpm", "back", "gone", "kill", "breaker"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    parser.add_argument("--workers", default="1,8,64", help="processes of each fleet")
    parser.add_argument("--seconds", type=float, default=170, help="of rpm, tpm, back, gone and kill")
    parser.add_argument("--rows", type=int, default=2000, help="of storm")
    parser.add_argument("--rpm", type=int, default=1200)
    parser.add_argument("--tpm", type=int, default=2000000)
    args = parser.parse_args()
    if not set(args.cases) <= set(cases):
        parser.error(f"cases are {', '.join(cases)}")
    good = True
    for name in args.cases or cases:
        for workers in map(int, args.workers.split(",")):
            good &= run_case(name, workers, args)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
