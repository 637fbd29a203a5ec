#!/usr/bin/python3
"""llm_estimate.py [CASE]... - the estimate beside the bill, on jobs of different
shape, against tests/fake-llm (a token is four bytes; answers as long as the
schema's words say). For each: `cohort plan` before anything was run, after a
pilot (`--pilot K`), and what the whole run then cost.

  long      few rows, whose texts are longer than was asked for
  short     many rows of children, of whom less is asked
  repairs   three in ten first answers break the schema, and are mended: what a
            row costs is chance here, by 30 %, so the mean of K rows is off by
            30 / sqrt(K) %, and K is 80 where the others have 20

Ends with 1 when an estimate after the pilot misses the bill by more than 10 %.
COHORT_BUILD chooses the build (default build/release)."""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))
import fake_llm  # noqa: E402
import harness  # noqa: E402

MAY_MISS = 10
# name: rows, of them in the pilot, condition, --fail of the endpoint
CASES = {
    "long": (40, 20, "{age: {min: 18}}", "wordy:1"),
    "short": (600, 20, "{age: {max: 9}}", ""),
    "repairs": (400, 80, "{age: {min: 18}}", "violate:0.3"),
}


class Case:
    def __init__(self, name):
        self.cleanups = []
        self.bench = harness.Bench("cohort-estimate")
        self.rows, self.pilot, where, fail = CASES[name]
        fake = fake_llm.Fake(self, *(["--fail", fail] if fail else []))
        self.file = self.bench.job(self.rows, where=where)
        provider = {
            "kind": "openai", "model": "m", "endpoints": [{"url": fake.url}],
            "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6},
        }
        with open(self.file, "a") as f:
            f.write(f"provider: main\nproviders: {json.dumps({'main': provider})}\n")

    def addCleanup(self, call):
        self.cleanups.append(call)

    def plan(self, *args):
        code, out, err = self.bench.cohort("plan", self.file, "--json", *args, seconds=120)
        if code != 0:
            sys.exit(out + err)
        return json.loads(out)

    def bill(self):
        code, out, err = self.bench.cohort("run", self.file, seconds=300)
        if code != 0:
            sys.exit(out + err)
        return harness.run_json(self.bench.path("out"))["money"]

    def close(self):
        self.bench.close()
        for call in self.cleanups:
            call()


def off(said, paid):
    return 100 * (float(said) / float(paid) - 1)


def compare(name):
    case = Case(name)
    try:
        before, pilot, paid = case.plan(), case.plan("--pilot", str(case.pilot)), case.bill()
    finally:
        case.close()
    usd = paid["settled_usd"]
    missed = off(pilot["usd"][1], usd)
    inside = float(before["usd"][0]) <= float(usd) <= float(before["usd"][2])
    print(
        f"{name:8} {case.rows:4} rows: bill {usd} USD, {paid['calls']} calls, {paid['input_tokens']} in, "
        f"{paid['output_tokens']} out | plan {before['usd'][1]} ({off(before['usd'][1], usd):+.1f} %; interval "
        f"{before['usd'][0]} to {before['usd'][2]} {'holds it' if inside else 'MISSES it'}), calls "
        f"{off(before['calls'][1], paid['calls']):+.1f} %, in {off(before['input_tokens'][1], paid['input_tokens']):+.1f} %, out "
        f"{off(before['output_tokens'][1], paid['output_tokens']):+.1f} % | after a pilot of {case.pilot} {pilot['usd'][1]} ({missed:+.1f} %)",
        flush=True)
    return abs(missed) <= MAY_MISS and inside


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    args = parser.parse_args()
    if not set(args.cases) <= set(CASES):
        parser.error(f"cases are {', '.join(CASES)}")
    return 0 if all([compare(name) for name in args.cases or CASES]) else 1


if __name__ == "__main__":
    sys.exit(main())
