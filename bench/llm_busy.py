#!/usr/bin/python3
"""llm_busy.py [IN_FLIGHT/LATENCY_MS]... - whether a job keeps an endpoint busy
until its last rows: `cohort run` of rows whose texts tests/fake-llm writes,
which takes LATENCY_MS for each answer, with limits.in_flight IN_FLIGHT (0: not
given: 256 at once of each worker, begun with 64). Each row takes two calls. Says calls a second reached, of how many were
possible, in all and in the middle of the run; --show: each quarter of a second.

COHORT_BUILD chooses the build (default build/release)."""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))
import fake_llm  # noqa: E402
import harness  # noqa: E402

CALLS_A_ROW = 2
SAMPLE_S = 0.25
SLOTS = 256  # --llm-slots of a worker, when in_flight is not given


class Run:
    def __init__(self, in_flight, latency_ms, rows, budget):
        self.cleanups = []
        self.bench = harness.Bench("cohort-busy")
        self.fake = fake_llm.Fake(self, "--script", f"latency={latency_ms}")
        self.job = self.bench.job(rows)
        provider = {
            "kind": "openai", "model": "m", "endpoints": [{"url": self.fake.url}],
            "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6},
        }
        if in_flight:
            provider["limits"] = {"in_flight": in_flight}
        with open(self.job, "a") as f:
            f.write(f"budget: {{usd: {budget}}}\nprovider: main\nproviders: {json.dumps({'main': provider})}\n")
        self.samples = [(time.monotonic(), 0)]
        self.over = threading.Event()

    def addCleanup(self, call):
        self.cleanups.append(call)

    def watch(self):
        while not self.over.wait(SAMPLE_S):
            self.samples.append((time.monotonic(), self.fake.stats()["billed"]))

    def go(self, args):
        thread = threading.Thread(target=self.watch)
        thread.start()
        done = subprocess.run(
            [f"{harness.BIN}/cohort", "run", self.job, *args], env=self.bench.env(), cwd=self.bench.top,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.over.set()
        thread.join()
        self.samples.append((time.monotonic(), self.fake.stats()["billed"]))
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)

    def rate(self, low, high):
        """Calls a second between two shares of all of them."""
        last = self.samples[-1][1]
        part = [(at, n) for at, n in self.samples if low * last <= n <= high * last and n > 0]
        return (part[-1][1] - part[0][1]) / (part[-1][0] - part[0][0])

    def close(self):
        self.bench.close()
        for call in self.cleanups:
            call()


def measure(shape, args):
    in_flight, latency_ms = map(int, shape.split("/"))
    possible = (in_flight or SLOTS * args.workers) * 1000 / latency_ms
    rows = args.rows or int(possible * args.seconds / CALLS_A_ROW)
    run = Run(in_flight, latency_ms, rows, args.budget)
    try:
        run.go(["--workers", str(args.workers)])
        print(
            f"{shape:9} {rows} rows: {run.rate(0, 1):.0f} calls/s from the first to the last, {run.rate(0.2, 0.8):.0f} in "
            f"the middle, of {possible:.0f}; load {os.getloadavg()[0]:.1f}",
            flush=True)
        for (a, x), (b, y) in zip(run.samples, run.samples[1:]):
            if args.show and y > x:
                print(f"  {b - run.samples[0][0]:6.2f} s  {(y - x) / (b - a):7.0f} calls/s")
    finally:
        run.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=["256/500", "1000/200", "0/200"], metavar="IN_FLIGHT/LATENCY_MS")
    parser.add_argument("--rows", type=int, default=0, help="instead of so many as take --seconds")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", default="100")
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    for shape in args.shapes:
        measure(shape, args)


if __name__ == "__main__":
    main()
