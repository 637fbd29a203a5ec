"""A paid job of a test: an endpoint that keeps its own bill, a job file, and
what must be true of bill, journal and rows whatever happened meanwhile."""
import collections
import json
import os
import re
import threading
from fractions import Fraction

import fake_llm
import harness
import journal

PRICE = (150_000, 600_000)  # 1e-12 USD a token: 0.15 and 0.6 USD a million
UNIT = 10**12
KEY = "sk-nobody-may-see-this-4711"
OF_THE_RUN = re.compile(r',"generated_at":"[^"]*"')
OF_THE_CALLS = re.compile(r',"(?:input_tokens|output_tokens)":\d+|,"cost_usd":"[^"]*"')


def endpoint(test, *args, log=None):
    priced = ["--price-input", "0.15", "--price-output", "0.6", "--key", KEY]
    return fake_llm.Fake(test, *priced, *(["--log", log] if log else []), *args)


def job(bench, fake, rows, budget="5", out="out", in_flight=32, name="job.yaml", timeouts=None, answers=None):
    """A job file; the workers of the bench read the same."""
    os.environ["PAID_TEST_KEY"] = KEY
    provider = {
        "kind": "openai",
        "model": "tiny",
        "endpoints": [{"url": fake.url, "key_env": "PAID_TEST_KEY"}],
        "limits": {"in_flight": in_flight},
        "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6},
    }
    if timeouts:
        provider["timeouts"] = {f"{k}_ms": int(1000 * v * harness.FACTOR) for k, v in timeouts.items()}
    path = bench.job(rows, out=out, name=name)
    with open(path, "a") as f:
        f.write("provider: main\nproviders: %s\n" % json.dumps({"main": provider}))
        if answers:
            f.write("answers: %s\n" % json.dumps(answers))
        if budget:
            f.write("budget: {usd: %s}\n" % budget)
    return path


def units(text):
    return int(Fraction(text) * UNIT)


def lines(folder):
    return [OF_THE_RUN.sub("", line) for line in harness.Corpus(folder).lines()]


def texts(folder):
    """Rows without what depends on how many calls they took."""
    return [OF_THE_CALLS.sub("", line) for line in lines(folder)]


class Watcher:
    """Looks at the money in Redis all the time, as anybody could."""

    def __init__(self, bench, cap):
        self.bench, self.cap = bench, cap
        self.looks, self.most = 0, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.02):
            for key in self.bench.redis_call("KEYS", "cohort:{default}:job:*") or []:
                flat = self.bench.redis_call("HMGET", key, "settled_usd", "unknown_usd", "reserved_usd")
                if isinstance(flat, list) and all(flat):
                    self.looks += 1
                    self.most = max(self.most, sum(map(units, flat)))

    def end(self):
        self.over.set()
        self.thread.join()


class Bill:
    """The endpoint's log: a line a billed request."""

    def __init__(self, path):
        with open(path) as f:
            self.lines = [line.split() for line in f]
        self.usages = collections.Counter((int(a), int(b)) for _, _, a, b in self.lines)
        self.units = sum(n * (a * PRICE[0] + b * PRICE[1]) for (a, b), n in self.usages.items())
        self.again = len(self.lines) - len({line[0] for line in self.lines})


def check(case, folder, bill_path, cap=None):
    """Money and calls of one folder against the endpoint's bill; the calls."""
    bill = Bill(bill_path)
    calls = journal.Calls(folder, PRICE)
    money = harness.run_json(folder)["money"]
    unknown = {**calls.open, **calls.unknown}
    case.assertEqual(units(money["settled_usd"]), calls.settled)
    case.assertEqual(units(money["unknown_usd"]), sum(unknown.values()))
    case.assertEqual(money["lost"], len(unknown))
    case.assertEqual(money["reserved_usd"], "0")
    # Each is named to whoever asks.
    code, out, err = case.bench.cohort("budget", "unknown", "--json", folder)
    case.assertEqual(code, 0, err)
    named = [json.loads(line) for line in out.splitlines()]
    ids = {c["row"] << 8 | journal.ASK_STEP + c["call"] - 1: units(c["worst_usd"]) for c in named}
    case.assertEqual(ids, unknown)
    # Whatever was paid is charged, and nothing is charged that may not be.
    case.assertLessEqual(calls.settled, bill.units)
    case.assertLessEqual(bill.units, calls.settled + sum(unknown.values()))
    # Each answer is on the bill; whatever else is there is an unknown ask.
    told = collections.Counter(a.usage for a in calls.answers if a.usage)
    case.assertEqual(told - bill.usages, collections.Counter(), "answers that nobody was billed for")
    case.assertLessEqual(sum((bill.usages - told).values()), len(unknown))
    case.assertEqual(calls.void, set(), "asked again after the answer was committed")
    if cap is not None:
        case.assertLessEqual(calls.most, units(cap))
    return calls


def check_no_key(case):
    """In no log, journal, shard, run folder or Redis of the bench."""
    for folder, _, files in os.walk(case.bench.top):
        for name in files:
            try:
                with open(os.path.join(folder, name), "rb") as f:
                    case.assertNotIn(KEY.encode(), f.read(), name)
            except OSError:
                continue  # a socket, or gone meanwhile
