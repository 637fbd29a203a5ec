"""What an endpoint allows holds for a fleet of processes: a Retry-After that one
was told silences all, limits a minute hold also while Redis is away, and an
endpoint that fails is left alone while others do its work. The long form, with
up to 64 processes, is bench/llm_storm.py."""
import json
import os
import signal
import subprocess
import time
import unittest

import fake_llm
import harness
from harness import wait_for

WORKERS = 3
IN_FLIGHT = 24
RETRY_S = int(3 * harness.FACTOR)
RPM = 960  # 60 at once, and 13.8 a second
WINDOW_S = 10
# What so short a window may see: 60 + 13.8 * (10 + 0.25 s of a block + 5 s on
# the way). Three processes with a limit each would send twice as many.
WINDOW_MOST = 270


class Limits(harness.SystemTest):
    def serve(self, rows, fakes, **provider):
        """A fleet that makes them; its coordinator."""
        job = self.bench.job(rows)
        fake_llm.provide(job, fakes, **provider)
        self.fleet(workers=0, redis=True)
        for _ in range(WORKERS):
            self.bench.worker("--providers", job)
        return self.bench.coordinator(job)

    def check_complete(self, proc, rows):
        self.assertEqual(proc.wait(60), 0, proc.log() + proc.why())
        self.assertEqual(proc.end()["accepted"], rows)

    def why(self, code):
        """What `cohort why` says of that; None: nothing."""
        status, out, err = self.bench.cohort("why", "--json", *self.bench.redis_args())
        found = json.loads(out)["why"] if status == 0 else []
        return next((finding["text"] for finding in found if finding["code"] == code), None)

    def age_redis(self, seconds):
        """A Redis in its first minute gives out no shares, as an older one may
        have done so; this one is older now."""
        key = "cohort:{shared}:limit:" + self.bench.redis_call("ZRANGE", "cohort:{shared}:limits", 0, 0)[0]
        self.bench.redis_call("HINCRBY", key, "born", -seconds * 10**6)
        wait_for("a share for each worker", lambda: all(share > 0 for share in self.shares(key)))

    def shares(self, key):
        names = self.bench.redis_call("HKEYS", key)
        members = [self.bench.redis_call("HGET", key, name) for name in names if name.startswith("w:")]
        return [int(member.split()[1]) for member in members]

    def test_a_retry_after_silences_the_whole_fleet_until_then(self):
        rows = 400
        fake = fake_llm.Fake(self, "--script", "latency=100")
        proc = self.serve(rows, [fake], limits={"in_flight": IN_FLIGHT})
        wait_for("full speed", lambda: fake.stats()["requests"] > 100, 30, [proc])
        fake.fail(f"429:1:retry-after={RETRY_S}:until={RETRY_S * 0.9}")
        wait_for("the first refusal", lambda: "429" in fake.stats()["by_status"], 30, [proc])
        told = time.monotonic()
        text = wait_for("the reason", lambda: self.why("endpoint_waits"), 30, [proc])
        self.assertIn(f"main ({fake.url}) asked to wait: ", text)
        wait_for("all to hear of it", lambda: time.monotonic() > told + RETRY_S / 3)
        heard = fake.stats()
        wait_for("the time given", lambda: time.monotonic() > told + RETRY_S * 0.9)
        self.assertEqual(fake.stats()["requests"], heard["requests"])
        self.check_complete(proc, rows)
        stats = fake.stats()
        needed = stats["by_status"]["200"]
        self.assertEqual(needed, 2 * rows)
        self.assertLessEqual(stats["requests"], 1.05 * (needed + IN_FLIGHT))

    def test_limits_a_minute_hold_also_while_redis_is_away(self):
        fake = fake_llm.Fake(
            self, "--script", "latency=50", "--rpm", str(WINDOW_MOST), "--window", str(WINDOW_S))
        proc = self.serve(100000, [fake], limits={"rpm": RPM})

        def more(what, n):
            before = fake.stats()["requests"]
            wait_for(what, lambda: fake.stats()["requests"] >= before + n, 30, [proc])

        more("calls", 60)
        self.age_redis(100)
        more("calls", 60)
        redis = self.bench.procs[0]
        redis.kill()
        redis.wait()
        more("calls without Redis", 60)
        self.bench.redis()
        more("calls with another one", 60)
        stats = fake.stats()
        self.assertLessEqual(stats["window_requests_max"], WINDOW_MOST)
        self.assertEqual(list(stats["by_status"]), ["200"])

    def test_an_endpoint_that_fails_is_left_alone_and_others_do_its_work(self):
        rows, places = 400, 8
        quick, broken, slow = (
            fake_llm.Fake(self, "--script", script) for script in ("latency=300", "status=500", "latency=900"))
        proc = self.serve(rows, [quick, broken, slow], limits={"in_flight": places})

        text = wait_for("the reason", lambda: self.why("endpoint_open"), 30, [proc])
        self.assertIn(f"main ({broken.url}) failed, call after call; one call tries it again in ", text)
        quick.script("ok")
        self.check_complete(proc, rows)
        # Five of each worker at most, and what was on its way.
        self.assertLessEqual(broken.stats()["requests"], 5 * WORKERS + places)
        self.assertGreater(slow.stats()["requests"], 0)
        self.assertLess(slow.stats()["requests"], quick.stats()["requests"])
        self.assertEqual(slow.stats()["billed"] + quick.stats()["billed"], 2 * rows)
        code, out, err = self.bench.cohort("events", "--kind", "breaker", "--json", *self.bench.redis_args())
        self.assertEqual(code, 0, err)
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(e["from"], e["to"], e["url"]) for e in events], [("closed", "open", broken.url)])

    def test_who_follows_a_killed_worker_has_its_places_at_once(self):
        fake = fake_llm.Fake(self, "--script", "latency=200")
        job = self.bench.job(30)
        fake_llm.provide(job, [fake], limits={"in_flight": 8})
        run = subprocess.Popen(
            [f"{harness.BIN}/cohort", "run", job, "--workers", "2"], env=self.bench.env(), cwd=self.bench.top,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        wait_for("calls", lambda: fake.stats()["billed"] > 12, 30)
        for pid in self.children_of(run.pid, "cohort-worker"):  # the supervisor, and so all
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(run.wait(40 * harness.FACTOR), 0)  # without them it would wait for a minute

    @staticmethod
    def read(path):
        with open(path) as f:
            return f.read()

    def children_of(self, parent, name):
        children = self.read(f"/proc/{parent}/task/{parent}/children").split()
        return [int(pid) for pid in children if self.read(f"/proc/{pid}/comm").strip() == name]

    def test_calls_follow_the_weights_of_endpoints(self):
        rows = 150
        light, heavy = (fake_llm.Fake(self, "--script", "latency=50") for _ in range(2))
        proc = self.serve(rows, [light, heavy], weights=[1, 3], limits={"in_flight": 9})
        self.check_complete(proc, rows)
        part = heavy.stats()["requests"] / (2 * rows)
        self.assertTrue(0.6 < part < 0.9, part)

    def test_who_cannot_share_a_limit_does_not_start(self):
        fake = fake_llm.Fake(self)
        job = self.bench.job(2)
        fake_llm.provide(job, [fake], limits={"rpm": RPM})
        worker = self.bench.worker("--providers", job, "--processes", "2")
        self.assertEqual(worker.wait(), 2)
        self.assertIn("--processes 2: provider main has limits a minute, which processes share by way of Redis: "
                      "give --redis URL, or --processes 1", worker.log())
        for args, path, why in (
                ([], "", "there is no redis-server in PATH: install it"),
                (["--broker", self.bench.front, "--broker-back", self.bench.back, "--workers", "2"],
                 os.environ["PATH"], "give the --redis URL of that fleet")):
            done = subprocess.run([f"{harness.BIN}/cohort", "run", job, *args], capture_output=True, text=True,
                                  timeout=30 * harness.FACTOR, env=self.bench.env({"PATH": path}), cwd=self.bench.top)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("provider main has limits a minute, which workers share by way of Redis", done.stderr)
            self.assertIn(why, done.stderr)
        self.assertEqual(fake.stats()["requests"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
