"""Corpora whose texts a model writes, by endpoints that misbehave: what becomes
of rows and money, and what is said about it. bench/llm_bad.py shows all of the
misbehaviour that there is."""
import json
import subprocess
import unittest

import fake_llm
import harness
from harness import wait_for


class Bad(harness.SystemTest):
    def job(self, rows, url, **more):
        path = self.bench.job(rows)
        provider = {
            "kind": "openai", "model": "m", "endpoints": [{"url": url}],
            "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}, **more,
        }
        with open(path, "a") as f:
            f.write(f"budget: {{usd: 5}}\nprovider: main\nproviders: {json.dumps({'main': provider})}\n")
        return path

    def money(self):
        return harness.run_json(self.bench.path("out"))["money"]

    def why(self):
        """The first reason for what a run in the background does."""
        code, out, err = self.bench.cohort("why", self.bench.path("out"), "--json")
        return json.loads(out)["why"][0] if code == 0 else {"code": "", "text": err}

    def background(self, job):
        run = subprocess.Popen(
            [f"{harness.BIN}/cohort", "run", job, "--workers", "1"], env=self.bench.env(), cwd=self.bench.top,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            if run.poll() is None:
                run.kill()
                run.wait()

        self.addCleanup(end)
        return run

    def test_a_model_that_never_fits_stops_the_job_after_little_money_and_a_better_one_goes_on(self):
        fake = fake_llm.Fake(self, "--script", "violate,stubborn")
        job = self.job(6, fake.url)
        code, out, err = self.bench.cohort("run", job, "--workers", "1", seconds=60)
        self.assertEqual(code, 3, out + err)
        self.assertIn("rows, one after another, were given up (the last: ", out)
        self.assertLess(fake.stats()["billed"], 400)
        self.assertLess(float(self.money()["settled_usd"]), 0.25)
        self.assertEqual(self.why()["code"], "no_fit_answers")
        fake.script("ok")
        code, out, err = self.bench.cohort("run", job, "--workers", "1", seconds=60)
        self.assertEqual(code, 0, out + err)
        self.check_corpus(self.bench.path("out"), 6)

    def test_an_endpoint_that_limits_is_called_again_and_nothing_is_paid_twice(self):
        fake = fake_llm.Fake(self, "--script", "6*status=429,retry-after=1;ok")
        code, out, err = self.bench.cohort("run", self.job(6, fake.url), "--workers", "1", seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual((self.money()["calls"], self.money()["lost"]), (12, 0))
        self.assertEqual(fake.stats()["billed"], 12)

    def test_one_in_ten_429_and_one_in_ten_closed_do_not_open_the_breaker(self):
        fake = fake_llm.Fake(self, "--script", "latency=300", "--fail", "429:0.1;close:0.1")
        code, out, err = self.bench.cohort(
            "run", self.job(60, fake.url, limits={"in_flight": 64}), "--workers", "1", seconds=50)
        self.assertEqual(code, 0, out + err)  # with an open one it would take a minute more
        self.check_corpus(self.bench.path("out"), 60)
        self.assertEqual(fake.stats()["billed_again_after_good"], 0)

    def test_an_endpoint_that_is_down_is_the_reason_told_first(self):
        run = self.background(self.job(6, "http://127.0.0.1:1/v1"))
        wait_for("the reason", lambda: self.why()["code"] == "endpoint_open", 30)
        self.assertIn("main (http://127.0.0.1:1/v1) failed, call after call", self.why()["text"])
        self.assertIsNone(run.poll())

    def test_cut_bodies_are_asked_anew_and_their_money_is_unknown(self):
        fake = fake_llm.Fake(self, "--script", "2*cut;ok")
        code, out, err = self.bench.cohort("run", self.job(6, fake.url), "--workers", "1", seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.money()["lost"], 2)
        self.assertGreater(float(self.money()["unknown_usd"]), 0)
        self.assertIn("; 2 calls were lost", out)


if __name__ == "__main__":
    unittest.main()
