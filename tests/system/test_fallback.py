"""Who writes when a provider is away, and which rows are whose: fallbacks, the
built-in writer as the last of them, and shares of the rows for several writers
that are compared. The rules themselves: tests/unit/test_chain.c, test_writers.c,
test_written_by.c."""
import json
import os
import shutil
import signal
import unittest

import fake_llm
import harness
from harness import wait_for

PRICE = {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
PROMPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../prompts/compose")


def provider(fake, model, **more):
    return {"kind": "openai", "model": model, "price": PRICE, "limits": {"in_flight": 8},
            "endpoints": [{"url": fake.url}], **more}


def fake(test, *args):
    return fake_llm.Fake(test, "--price-input", "0.15", "--price-output", "0.6", *args)


class Fallback(harness.SystemTest):
    def job(self, rows, providers, more="", name="job.yaml", out="out"):
        path = self.bench.job(rows, out=out, name=name)
        with open(path, "a") as f:
            f.write(f"provider: main\nproviders: {json.dumps(providers)}\n{more}")
        return path

    def run_on(self, job):
        """A coordinator for the job, on a fleet that is there."""
        proc = self.bench.coordinator(job)
        self.assertEqual(proc.wait(90), 0, proc.log() + proc.why())
        return proc

    def provenance(self, out="out"):
        rows = [json.loads(line) for line in harness.Corpus(self.bench.path(out)).lines()]
        return {row["provenance"]["row"]: row["provenance"] for row in rows}

    def arms(self, out="out"):
        return harness.run_json(self.bench.path(out))["arms"]

    def card(self, out="out"):
        with open(self.bench.path(out, "README.md")) as f:
            return f.read()

    def test_rows_of_a_provider_that_is_down_are_written_by_its_fallback_and_marked(self):
        gone, cheap = fake(self), fake(self)
        gone.kill()
        job = self.job(40, {"main": provider(gone, "big", fallback=["cheap", "builtin"]),
                            "cheap": provider(cheap, "small")})
        self.fleet(workers=0)
        self.bench.worker("--providers", job)
        proc = self.run_on(job)
        self.check_corpus(self.bench.path("out"), 40)
        for p in self.provenance().values():
            self.assertEqual((p["provider"], p["degraded"]), ("cheap", True))
            self.assertNotIn("arm", p)
        arm, = self.arms()
        by = {w["provider"]: w for w in arm["writers"]}
        self.assertEqual((by["main"]["rows"], by["cheap"]["rows"], by["builtin"]["rows"]), (0, 40, 0))
        self.assertEqual((arm["degraded"], arm["calls"]), (40, 80))
        self.assertEqual(arm["usd"], cheap.stats()["cost_usd"])
        self.assertIn("main is away", proc.log())
        self.assertIn("A fallback wrote 40 rows", self.card())

    def test_validate_says_who_may_write_for_how_much_and_what_each_phase_has(self):
        job = self.job(4, {"main": {"kind": "openai", "model": "big", "price": PRICE, "fallback": ["home"]},
                           "home": {"kind": "openai", "model": "small", "price": {"call_usd": 0}},
                           "other": {"kind": "anthropic", "model": "large", "price": {"call_usd": 0.01}}},
                       more="arms: [{name: a, share: 70}, {name: b, share: 30, provider: other}]\n"
                            "budget: {usd: 5, reserve: 10%, phases: {background: 40%, personas: 60%}}\n")
        code, out, err = self.bench.cohort("validate", job)
        self.assertEqual(code, 0, err)
        shares, arms, home, other = out.splitlines()[2:]
        self.assertEqual(shares, "  of the budget: background 1.8, personas 2.7, reserve 0.5 USD")
        self.assertEqual(arms, "  arms and fallbacks: a 70% main, home; b 30% other")
        self.assertRegex(home, "^  also by home: openai small; price 0 ")
        self.assertRegex(other, r"^  also by other: anthropic large; price .*0\.01 USD a call")

    def test_fallback_ok_takes_them_as_good(self):
        gone, cheap = fake(self), fake(self)
        gone.kill()
        job = self.job(10, {"main": provider(gone, "big", fallback=["cheap"]), "cheap": provider(cheap, "small")},
                       more="fallback_ok: true\n")
        self.fleet(workers=0)
        self.bench.worker("--providers", job)
        self.run_on(job)
        self.assertEqual({(p["provider"], p.get("degraded")) for p in self.provenance().values()}, {("cheap", None)})

    def test_the_built_in_writer_steps_in_last_and_never_in_silence(self):
        gone, broke = fake(self), fake(self, "--fail", "429:1:quota")
        gone.kill()
        job = self.job(30, {"main": provider(gone, "big", fallback=["cheap", "builtin"]),
                            "cheap": provider(broke, "small")})
        self.fleet(workers=0)
        self.bench.worker("--providers", job)
        proc = self.run_on(job)
        self.check_corpus(self.bench.path("out"), 30)
        rows = [json.loads(line) for line in harness.Corpus(self.bench.path("out")).lines()]
        for row in rows:
            p = row["provenance"]
            self.assertEqual((p["provider"], p["degraded"], p["cost_usd"]), ("builtin", True, "0"))
            self.assertNotIn("model", p)
            self.assertTrue(row["professional_persona"])
        self.assertIn("the built-in writer", proc.log())
        self.assertIn("30 of them are the built-in writer's", self.card())

    def test_a_short_budget_goes_on_with_whom_it_covers_and_more_money_with_the_first(self):
        main, cheap = fake(self), fake(self)
        providers = {"main": provider(main, "big", price={"call_usd": 1}, fallback=["cheap", "builtin"]),
                     "cheap": provider(cheap, "small", price={"call_usd": 0.05})}
        job = self.job(40, providers, more="budget: {usd: 41, short: degrade}\n")
        code, plan, err = self.bench.cohort("plan", job)
        self.assertEqual(code, 0, err)
        self.assertRegex(plan, r"41 USD: enough for about \d+ rows; about \d+ more by fallbacks \(degraded\)")
        self.fleet(workers=0)
        self.bench.worker("--providers", job)
        proc = self.run_on(job)
        self.check_corpus(self.bench.path("out"), 40)
        before = self.provenance()
        marks = [(p["provider"], p.get("degraded"), p.get("degraded_by")) for p in before.values()]
        self.assertEqual([marks.count(m) for m in (("main", None, None), ("cheap", True, "budget"),
                                                   ("builtin", True, "budget"))], [20, 10, 10])
        self.assertEqual((main.stats()["billed"], cheap.stats()["billed"]), (40, 20))
        money = harness.run_json(self.bench.path("out"))["money"]
        self.assertEqual((money["settled_usd"], money["degraded"], money["degraded_budget"]), ("41", 20, 20))
        self.assertIn("does not cover provider main", proc.log())
        self.assertIn("Of these 20 are a fallback's as the budget", self.card())
        job = self.job(60, providers, more="budget: {usd: 100, short: degrade}\n")
        self.run_on(job)
        after = self.provenance()
        self.assertEqual({row: after[row] for row in before}, before)
        self.assertEqual({after[row]["provider"] for row in set(after) - set(before)}, {"main"})

    def test_a_provider_that_is_back_is_asked_again(self):
        main, cheap = fake(self, "--fail", "429:1:retry-after=3600"), fake(self, "--fail", "latency=100:1")
        job = self.job(300, {"main": provider(main, "big", fallback=["cheap"]), "cheap": provider(cheap, "small")})
        self.fleet(workers=0)
        worker = self.bench.worker("--providers", job)
        first = self.bench.coordinator(job)
        wait_for("rows of the fallback", lambda: cheap.stats()["bodies"] > 10, alive=[first])
        first.kill(signal.SIGTERM)  # who is out is waited for, so that nothing is open
        first.wait()
        worker.kill()
        main.fail("")
        self.bench.worker("--providers", job)
        self.run_on(job)
        self.check_corpus(self.bench.path("out"), 300)
        by = {w["provider"]: w for w in self.arms()[0]["writers"]}
        self.assertGreater(by["main"]["rows"], 0)
        self.assertGreater(by["cheap"]["calls"], 0)
        for p in self.provenance().values():
            if p["provider"] == "cheap":
                self.assertTrue(p["degraded"])

    def test_shares_of_the_rows_go_to_their_writers_and_stay_there_over_a_kill(self):
        short = self.bench.path("short")
        shutil.copytree(PROMPTS, short)
        path = os.path.join(short, "background.md")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("## user\n", "## user\nBe short.\n", 1))
        one, two = fake(self, "--fail", "latency=100:1"), fake(self, "--fail", "latency=100:1")
        providers = {"main": provider(one, "big"), "other": provider(two, "small")}
        more = f"arms: [{{name: long, share: 70}}, {{name: short, share: 30, provider: other, prompts: {short}}}]\n"
        self.fleet(workers=0)
        quiet = self.job(100, providers, more, name="quiet.yaml", out="quiet")
        self.bench.worker("--providers", quiet)
        self.run_on(quiet)
        killed = self.job(100, providers, more)
        # Rows of one arm alone would say nothing of the other's price.
        state = self.bench.path("quiet", "run.json")
        with open(state) as f:
            told = json.load(f)
        for arms, word in ((told["arms"], "rows of the same recipe"), (told["arms"][:1], "none of arm short")):
            with open(state, "w") as f:
                json.dump({**told, "arms": arms}, f)
            code, out, err = self.bench.cohort("plan", quiet)
            self.assertEqual(code, 0, err)
            self.assertIn(word, out)
        before = one.stats()["billed"]
        first = self.bench.coordinator(killed)
        wait_for("some answers", lambda: one.stats()["billed"] > before + 20, alive=[first])
        first.kill()
        first.wait()
        self.run_on(killed)
        self.check_corpus(self.bench.path("out"), 100)
        seen = [{row: (p["arm"], p["provider"]) for row, p in self.provenance(out).items()} for out in ("quiet", "out")]
        self.assertEqual(*seen)
        self.assertEqual(set(seen[0].values()), {("long", "main"), ("short", "other")})
        arms = {a["arm"]: a for a in self.arms()}
        self.assertEqual(arms["long"]["accepted"] + arms["short"]["accepted"], 100)
        self.assertTrue(12 <= arms["short"]["accepted"] <= 50, arms)
        self.assertEqual(arms["short"]["degraded"], 0)
        self.assertIn("| short | other |", self.card())


if __name__ == "__main__":
    unittest.main()
