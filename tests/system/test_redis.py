"""Redis killed, emptied or frozen during a run: the run goes on, the keys come
back; and every key of docs/redis-keys.md is what it is said to be."""
import json
import os
import re
import signal
import unittest

import harness
import paid

ROWS = 60000 if harness.FACTOR == 1 else 20000
PREFIX = "cohort:{default}:"
# Only there when a person asks for something, or a row is given up
# (test_dead.py has such rows).
# Or when calls are paid for; test_limiter_script.c, test_purse_script.c and
# test_budget.py have those.
PAID = ("limits", "limit:ENDPOINT", "caps:ID")
# Fields of a job's hash that are only there then.
MONEY = {"budget_usd", "settled_usd", "unknown_usd", "reserved_usd", "row_usd", "calls", "calls_cached", "calls_lost",
         "input_tokens", "cached_tokens", "output_tokens", "rows_written", "rows_built_in", "rows_degraded", "rows_degraded_budget",
         "words_written", "quality_ppm", "call_ms", "held_ms", "characters", "calls_unrecorded", "kiloword_usd", "point_usd", "usd_per_min"}
ASKED = ("pin:SERVICE", "drain:ID", "dead:ID", *PAID)


def documented():
    """Key pattern -> (type, has a TTL), of the keys that exist."""
    path = os.path.join(harness.ROOT, "docs/redis-keys.md")
    with open(path) as f:
        text = f.read()
    part = text.split("## Keys that exist")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \| ([^|]+) \|", part, re.M)
    return {name: (kind, ttl.strip() != "none") for name, kind, ttl in rows}


# Where the fields of a key stand in the document: its heading, and files whose
# X-macro lists more of them.
FIELDS = {
    "worker:ID": ("### `worker:ID`", []),
    "broker:ID": ("### `broker:ID`", [("broker/dispatch.h", "DISPATCH_COUNTERS")]),
    "coordinator:ID": ("### `coordinator:ID`", []),
    "queue:SERVICE": ("## What waits: `queue:SERVICE`", []),
    "scale:SERVICE": ("## How many workers: `demand:SERVICE`, `scale:SERVICE`", []),
    "job:ID": ("### `job:ID`", []),
    "events": ("### `events`", []),
}


# Described in sentences of that section: every live field must be named there.
TOLD = ("pin:SERVICE", "supervisor:ID", "actor:SERVICE")


def macro_names(path, macro):
    """The first words of the X(...) lines of a list."""
    with open(os.path.join(harness.ROOT, path)) as f:
        body = f.read().split(f"#define {macro}(X)")[1].split("\n\n")[0]
    return set(re.findall(r"X\((\w+),", body))


def documented_fields(name):
    heading, lists = FIELDS[name]
    with open(os.path.join(harness.ROOT, "docs/redis-keys.md")) as f:
        part = f.read().split(f"\n{heading}\n")[1]
    part = re.split(r"\n##", part)[0]
    fields = set()
    for row in re.findall(r"^\| (`[^|]+) \|", part, re.M):
        fields |= set(re.findall(r"`([\w.]+)`", row))
    for path, macro in lists:
        fields |= macro_names(path, macro)
    # queued.BROKER and its kind: the id is the writer's.
    return {re.sub(r"\.[A-Z]+$", "", field) for field in fields}


def pattern(name):
    """worker:ID -> a regular expression for live keys."""
    escaped = re.sub(r"[A-Z]{2,}", ".+", name)
    return re.compile(re.escape(PREFIX) + escaped + "$")


class Redis(harness.SystemTest):
    def keys(self):
        found = self.bench.redis_call("KEYS", PREFIX + "*")
        return found if isinstance(found, list) else []

    def begin(self, rows=ROWS, **more):
        self.redis = self.bench.redis()
        self.broker = self.bench.broker()
        self.workers = [self.bench.worker(), self.bench.worker("--processes", "1..2")]
        self.actor = self.bench.start(
            "actor", [f"{harness.BIN}/cohort-scaler", *self.bench.redis_args(), "--service", "slow", "exec", "--", "true"])
        self.proc = self.bench.coordinator(self.bench.job(rows, **more))

    def underway(self):
        harness.wait_for("rows", lambda: self.proc.progress("accepted"), alive=[self.proc])

    def finish(self, rows=ROWS):
        self.assertEqual(self.proc.wait(90), 0, self.proc.log())
        self.check_corpus(self.bench.path("out"), rows)

    def all_keys(self, what, but=ASKED):
        """Waits until every documented key is there."""
        try:
            harness.wait_for(what, lambda: not self.missing(but), seconds=8, alive=[self.proc])
        except AssertionError as error:
            raise AssertionError(f"{what}: not there: {self.missing(but)}") from error

    def missing(self, but=ASKED):
        """Documented keys that are not there. Events and the line a minute
        come back when something happens, not by themselves."""
        live = self.keys()
        return [n for n in documented() if n not in but and not any(pattern(n).match(k) for k in live)]

    def test_killed_and_started_again(self):
        self.begin()
        self.underway()
        self.redis.kill()
        self.redis.wait()
        before = self.proc.progress("accepted")
        harness.wait_for(
            "rows without Redis",
            lambda: self.proc.progress("accepted") > before or self.proc.code() is not None,
        )
        self.redis = self.bench.redis()
        self.finish()

    def test_emptied_during_a_run_and_written_again(self):
        self.begin(rows=2000, service="slow", shard_rows=250)
        self.all_keys("all keys")
        self.assertEqual(self.bench.redis_call("FLUSHALL"), "OK")
        self.all_keys("all keys again", but=("events", "series:JOB", *ASKED))
        self.proc.kill(signal.SIGTERM)
        self.assertEqual(self.proc.wait(), 3)

    def test_replaced_by_an_empty_one(self):
        """Another run_id: nothing of what it knew is there."""
        self.begin(rows=2000, service="slow", shard_rows=250)
        self.all_keys("all keys")
        self.redis.kill()
        self.redis.wait()
        for folder, _, files in os.walk(self.bench.path("redis")):
            for name in files:
                os.unlink(os.path.join(folder, name))
        self.redis = self.bench.redis()
        self.all_keys("all keys again", but=("events", "series:JOB", *ASKED))
        self.proc.kill(signal.SIGTERM)
        self.assertEqual(self.proc.wait(), 3)

    def test_frozen_it_stops_nobody(self):
        self.begin()
        self.underway()
        self.redis.kill(signal.SIGSTOP)
        try:
            self.finish()
        finally:
            self.redis.kill(signal.SIGCONT)

    def test_never_there_it_is_said_and_the_run_goes_on(self):
        self.bench.redis()  # takes a port
        self.bench.procs[-1].kill()
        self.bench.procs[-1].wait()
        self.bench.broker()
        self.bench.worker()
        proc = self.bench.coordinator(self.bench.job(1000))
        self.assertEqual(proc.wait(30), 0, proc.log())
        self.assertIn("redis.down", proc.log())

    def test_something_that_is_not_redis_is_no_harm(self):
        import socket
        import threading

        server = socket.create_server(("127.0.0.1", 0))

        def answer():
            while True:
                try:
                    peer, _ = server.accept()
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    peer.close()
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        self.bench.redis_port = server.getsockname()[1]
        self.fleet(workers=1)
        proc = self.bench.coordinator(self.bench.job(1000))
        self.assertEqual(proc.wait(30), 0, proc.log())
        self.assertIn("redis", proc.log())
        server.close()

    def test_a_broker_tells_of_itself_under_its_whole_name(self):
        name = "b" * 128
        self.bench.redis()
        broker = self.bench.broker("--name", name)
        worker = self.bench.worker("--services", "noop")
        field = f"workers.{name}"
        harness.wait_for(
            "the worker's credit at the broker",
            lambda: self.bench.redis_call("HGET", PREFIX + "queue:noop", field) == "1",
            alive=[broker, worker],
        )
        values = self.bench.redis_call("HGETALL", PREFIX + "broker:" + name)
        fields = dict(zip(values[::2], values[1::2]))
        with open(os.path.join(harness.ROOT, "docs/redis-keys.md")) as f:
            part = f.read().split("### `broker:ID`")[1].split("###")[0]
        rows = re.findall(r"^\| (`[^|]+) \|", part, re.M)
        wanted = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
        self.assertIn("version", wanted)
        self.assertEqual([w for w in wanted if not fields.get(w)], [])
        self.assertEqual(fields["pid"], str(broker.pid))

    def live_fields(self, name):
        """The fields of all live keys of that name; those of every one too."""
        found = []
        for key in self.keys():
            if not pattern(name).match(key):
                continue
            if documented()[name][0] == "hash":
                found.append(self.bench.redis_call("HGETALL", key)[::2])
            else:
                found += [entry[1][::2] for entry in self.bench.redis_call("XRANGE", key, "-", "+")]
        self.assertTrue(found, name)
        named = [{field.split(".")[0] for field in fields} for fields in found]
        return set.union(*named), set.intersection(*named)

    def test_every_field_is_documented_and_every_documented_field_exists(self):
        self.begin(rows=2000, service="slow", shard_rows=250)
        self.bench.redis_call("HSET", PREFIX + "pin:slow", "min", 0)
        self.all_keys("all keys")
        harness.wait_for("the broker's events", lambda: self.bench.redis_call("XLEN", PREFIX + "events") >= 4, alive=[self.proc])
        self.assertEqual({n for n, (kind, _) in documented().items() if kind in ("hash", "stream")}, set(FIELDS) | set(TOLD) | {"dead:ID", "limit:ENDPOINT", "caps:ID"})
        with open(os.path.join(harness.ROOT, "docs/redis-keys.md")) as f:
            told = set(re.findall(r"`([a-z_]+)`", f.read().split("## How many workers")[1].split("\n## ")[0]))
        for name in TOLD:
            self.assertEqual(self.live_fields(name)[0] - told, set(), f"{name}: not documented")
        for name in FIELDS:
            wanted = documented_fields(name) - (MONEY if name == "job:ID" else set())
            # A hash of several writers is whole once all have written; what was
            # foreseen is told when that time has come.
            seconds = 60 / harness.FACTOR if name == "scale:SERVICE" else 8
            try:
                harness.wait_for(name, lambda n=name, w=wanted: not w - self.live_fields(n)[0], seconds=seconds)
            except AssertionError:
                pass # told below
            some, every = self.live_fields(name)
            self.assertEqual(some - wanted, set(), f"{name}: not documented")
            self.assertEqual(wanted - some, set(), f"{name}: documented, but nobody writes it")
            # A queue of no job has only what brokers write, and coordinators'
            # events name no broker; everything else is always there.
            self.assertLessEqual(wanted - every, {"backlog", "remaining", "limit", "broker"}, name)
        line = json.loads(self.bench.redis_call("LRANGE", PREFIX + "series:" + self.job_of(), 0, 0)[0])
        with open(os.path.join(harness.ROOT, "docs/redis-keys.md")) as f:
            shown = json.loads(re.search(r"^\{\"time_ms\".*\}$", f.read().split("### `series:JOB`")[1], re.M).group(0))
        self.assertEqual(set(line), set(shown))
        self.proc.kill(signal.SIGTERM)
        self.assertEqual(self.proc.wait(), 3)

    def test_a_job_whose_calls_cost_money_has_the_documented_fields_of_that(self):
        self.assertLessEqual(MONEY, documented_fields("job:ID"))
        self.bench.redis()
        self.bench.broker()
        job = paid.job(self.bench, paid.endpoint(self), 10)
        self.bench.worker("--providers", job)
        self.complete(job)
        self.assertLessEqual(MONEY, self.live_fields("job:ID")[0])

    def job_of(self):
        return self.bench.redis_call("ZRANGE", PREFIX + "jobs", 0, -1)[0]

    def test_every_key_is_documented_and_every_documented_key_exists(self):
        self.begin(rows=2000, service="slow", shard_rows=250)
        self.bench.redis_call("HSET", PREFIX + "pin:slow", "min", 0)
        self.bench.redis_call("SET", PREFIX + "drain:0123456789abcdef", "asked", "EX", 600)
        self.all_keys("all keys", but=("dead:ID", *PAID))
        for key in self.keys():
            names = [n for n in documented() if pattern(n).match(key)]
            self.assertTrue(names, f"{key} is not documented")
            kind, has_ttl = documented()[names[0]]
            self.assertEqual(self.bench.redis_call("TYPE", key), kind, key)
            self.assertEqual(self.bench.redis_call("PTTL", key) > 0, has_ttl, key)
        self.proc.kill(signal.SIGTERM)
        self.assertEqual(self.proc.wait(), 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
