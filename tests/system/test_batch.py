"""Jobs whose asks go out as batches of their vendor: rows say the same as those
of single calls and cost half; what expires is asked again; nobody pays twice,
whoever is killed when."""
import json
import os
import signal
import unittest
from fractions import Fraction

import harness
from fake_llm import Fake
from harness import wait_for

PRICE = ["--price-input", "0.3", "--price-output", "1.2"]
HALF = {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
KINDS = {"openai": "/v1", "anthropic": ""}


class Batch(harness.SystemTest):
    def job(self, fake, kind, rows, batch=None, name="job", price=None, key=None):
        provider = {
            "kind": kind, "model": "m", "limits": {"in_flight": 8},
            "endpoints": [{"url": f"http://127.0.0.1:{fake.port}{KINDS[kind]}", **({"key_file": key} if key else {})}],
            "price": price or HALF,
        }
        if batch:
            provider["batch"] = batch
        path = self.bench.job(rows)
        with open(path, "a") as f:
            f.write(f"budget: {{usd: 9}}\nprovider: main\nproviders: {json.dumps({'main': provider})}\n")
        return path

    def rows(self):
        return [json.loads(line) for line in harness.Corpus(self.bench.path("out")).lines()]

    def money(self):
        return harness.run_json(self.bench.path("out"))["money"]

    def settles(self, fake):
        """What the job says it paid is what the vendor bills."""
        self.assertEqual(Fraction(self.money()["settled_usd"]), Fraction(fake.stats()["cost_usd"]))
        self.assertEqual((self.money()["unknown_usd"], self.money()["reserved_usd"]), ("0", "0"))

    def run_job(self, job, seconds=60):
        code, out, err = self.bench.cohort("run", job, seconds=seconds)
        self.assertEqual(code, 0, out + err)
        return out

    def texts(self):
        """Rows without what differs between two runs: when, for how much, and so their recipe."""
        rows = self.rows()
        for row in rows:
            for key in ("generated_at", "cost_usd"):
                row["provenance"].pop(key)
            row.pop("uuid")
            row["provenance"].pop("recipe_hash")
        return rows

    def check_same_as_plain(self, kind):
        plain, batch = Fake(self, *PRICE), Fake(self, *PRICE, "--batch", "ms=100,expire=0.15,error=0.1,cut=2")
        self.run_job(self.job(plain, kind, 25, price={"input_usd_per_mtok": 0.3, "output_usd_per_mtok": 1.2}))
        self.settles(plain)
        expected, cost = self.texts(), Fraction(self.money()["settled_usd"])
        os.rename(self.bench.path("out"), self.bench.path("plain"))
        out = self.run_job(self.job(batch, kind, 25, {"max_requests": 20, "window": "100ms", "poll": "100ms"}))
        self.settles(batch)
        self.assertEqual(self.texts(), expected)
        self.assertEqual(Fraction(self.money()["settled_usd"]), cost / 2)
        stats = batch.stats()
        self.assertGreater(stats["batch_requests"], 50, "nothing expired")
        self.assertEqual((stats["billed"], stats["billed_again"], stats["refused"]), (50, 0, 0))
        self.assertEqual(stats["files"], 0, "left at the vendor")
        self.assertIn("50 calls", out)

    def test_openai_batches_give_the_rows_of_single_calls_at_half_the_price(self):
        self.check_same_as_plain("openai")

    def test_anthropic_batches_give_the_rows_of_single_calls_at_half_the_price(self):
        self.check_same_as_plain("anthropic")

    def check_killed_while_made(self, kind):
        """Everything dies when the vendor has the batch and nobody was told."""
        fake = Fake(self, *PRICE, "--batch", "ms=1000000000,answer_ms=1000000000")
        job = self.job(fake, kind, 10, {"window": "100ms", "poll": "100ms"})
        first = self.bench.start("command", [f"{harness.BIN}/cohort", "run", job])
        wait_for("a batch", lambda: fake.stats()["batches"] == 1, alive=[first])
        first.kill(signal.SIGKILL)
        first.wait()
        wait_for("the end of all that it started", lambda: not self.bench.marked())
        fake.batches("ms=0")
        self.run_job(job)
        stats = fake.stats()
        self.assertEqual(len(self.rows()), 10)
        self.assertEqual((stats["batch_requests"], stats["billed"], stats["billed_again"]), (20, 20, 0))
        self.settles(fake)

    def test_openai_finds_a_batch_that_nobody_was_told_of(self):
        self.check_killed_while_made("openai")

    def test_anthropic_finds_a_batch_that_nobody_was_told_of(self):
        self.check_killed_while_made("anthropic")

    def test_killed_at_any_moment_no_request_is_made_twice(self):
        """And answers to the making of batches are lost besides."""
        fake = Fake(self, *PRICE, "--batch", "ms=50,expire=0.1,lose=2")
        job = self.job(fake, "openai", 40, {"max_requests": 8, "window": "50ms", "poll": "50ms"})
        for least in (1, 4):
            first = self.bench.start("command", [f"{harness.BIN}/cohort", "run", job])
            wait_for("batches", lambda: fake.stats()["batches"] >= least or first.code() is not None)
            first.kill(signal.SIGKILL)
            first.wait()
            wait_for("the end of all that it started", lambda: not self.bench.marked())
        self.run_job(job)
        self.assertEqual(len(self.rows()), 40)
        stats = fake.stats()
        self.assertEqual((stats["billed"], stats["billed_again"], stats["batch_answers_lost"]), (80, 0, 2))
        self.settles(fake)

    def test_a_worker_with_another_key_neither_ends_a_batch_nor_makes_it_again(self):
        fake = Fake(self, *PRICE, "--batch", "ms=1000000000")
        key = self.bench.path("key")

        def use(text):
            with open(key, "w") as f:
                f.write(text + "\n")

        use("sk-of-the-account-that-pays")
        job = self.job(fake, "openai", 10, {"window": "50ms", "poll": "50ms"}, key=key)
        for text, told in (("sk-of-the-account-that-pays", "batch_1"), ("sk-of-somebody-else", "another address or key")):
            use(text)
            run = self.bench.start("command", [f"{harness.BIN}/cohort", "run", job])
            wait_for("a batch", lambda: fake.stats()["batches"] == 1, alive=[run])
            wait_for(told, lambda: told in " ".join(self.bench.cohort("why", self.bench.path("out"))[1].split()), alive=[run])
            run.kill(signal.SIGKILL)
            run.wait()
            wait_for("the end of all that it started", lambda: not self.bench.marked())
        use("sk-of-the-account-that-pays")
        fake.batches("ms=0")
        self.run_job(job)
        stats = fake.stats()
        self.assertEqual((stats["batches"], stats["billed"], stats["billed_again"]), (2, 20, 0))
        self.settles(fake)

    def test_why_tells_of_batches_that_run(self):
        fake = Fake(self, *PRICE, "--batch", "ms=1000000000")
        job = self.job(fake, "openai", 10, {"window": "100ms", "poll": "100ms"})
        first = self.bench.start("command", [f"{harness.BIN}/cohort", "run", job])
        wait_for("a batch", lambda: fake.stats()["batches"] == 1, alive=[first])

        def why():
            return self.bench.cohort("why", self.bench.path("out"))[1]

        told = "1 batch of 10 requests, 0 of them done, at the vendor; the oldest is number 1, batch_1, for "
        wait_for("why", lambda: told in " ".join(why().split()), alive=[first])
        fake.batches("ms=0")
        self.assertEqual(first.wait(60), 0, first.log())


if __name__ == "__main__":
    unittest.main()
