"""Paid jobs keep their promises, whatever happens: the endpoint's own bill, the
journal as docs/journal.md describes it, and the rows are set against each other
after runs that are quiet, in all kinds of trouble, killed, or short of money.
How jobs are written and what people are told: test_written.py."""
import json
import os
import shutil
import subprocess
import sys
import unittest

try:
    import msgpack
except ImportError:
    msgpack = None

import fake_llm
import harness
from harness import wait_for

if msgpack:
    import journal
    import paid

# Shares of requests. Few are refused for their number: each time fewer calls go
# out at once. What counts as a failure of the endpoint stays so rare that five in
# a row, which open its breaker for a minute, do not come.
TROUBLE = ";".join((
    "429:0.01:retry-after=1", "429:0.01", "500:0.03", "503:0.01", "reset:0.01:billed", "reset:0.01", "cut:0.02",
    "stall:0.01", "badjson:0.01", "shape:0.01", "violate:0.06", "nonjson:0.03", "violate:0.02:stubborn",
    "length:0.03", "filter:0.02", "latency=50:1",
))
SHORT = {"connect": 5, "first_byte": 5, "idle": 1, "total": 6}




def words(row):
    """Those of the texts that a model writes, as the coordinator counts them."""
    texts = [v for k, v in row.items() if k == "persona" or k.endswith("_persona")]
    texts += [row[k] for k in ("cultural_background", "skills_and_expertise", "hobbies_and_interests", "career_goals_and_ambitions") if k in row]
    texts += row.get("skills_and_expertise_list", []) + row.get("hobbies_and_interests_list", [])
    return sum(len(text.split()) for text in texts)


@unittest.skipUnless(msgpack, "needs python3-msgpack")
class LlmJobs(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.bill = self.bench.path("bill.log")

    def endpoint(self, *args, log=None):
        return paid.endpoint(self, *args, log=log or self.bill)

    def start_workers(self, n, job):
        return [self.bench.worker("--providers", job) for _ in range(n)]

    def own(self, job, seconds=60, code=0):
        """A coordinator of its own for the job, to the end; its status lines."""
        proc = self.bench.coordinator(job)
        self.assertEqual(proc.wait(seconds), code, proc.log() + proc.why())
        return proc

    def ledger(self, out="out"):
        return harness.run_json(self.bench.path(out))["ledger"]

    def money(self, out="out"):
        return harness.run_json(self.bench.path(out))["money"]

    def check_status_lines(self, proc, cap):
        told = [line["money"] for line in list(proc.lines) if "money" in line]
        self.assertTrue(told)
        for m in told:
            self.assertLessEqual(sum(paid.units(m[k]) for k in ("settled_usd", "unknown_usd", "reserved_usd")), paid.units(cap))

    # -- quiet ---------------------------------------------------------------

    def test_rows_are_the_same_on_one_worker_and_on_three_and_cost_what_the_bill_says(self):
        self.fleet(workers=0)
        seen = []
        for n in (1, 3):
            bill = self.bench.path(f"bill{n}.log")
            fake = self.endpoint("--fail", "latency=20:1", log=bill)
            job = paid.job(self.bench, fake, 150, out=f"out{n}", name=f"job{n}.yaml")
            workers = self.start_workers(n, job)
            self.own(job)
            folder = self.bench.path(f"out{n}")
            self.check_corpus(folder, 150)
            calls = paid.check(self, folder, bill, "5")
            self.assertEqual((calls.open, calls.unknown), ({}, {}))
            stats = fake.stats()
            self.assertEqual(self.money(f"out{n}")["settled_usd"], stats["cost_usd"])
            self.assertEqual((stats["billed_again"], stats["bodies"]), (0, 300))
            rows = [json.loads(line) for line in harness.Corpus(folder).lines()]
            self.assertEqual(sum(paid.units(r["provenance"]["cost_usd"]) for r in rows), calls.settled)
            seen.append(paid.lines(folder))
            for w in workers:
                w.kill()
                w.wait()
        self.assertEqual(seen[0], seen[1])
        # The same columns as those of the built-in writer, in the same order.
        self.bench.worker()
        self.own(self.bench.job(10, out="builtin", name="builtin.yaml"))
        builtin = json.loads(harness.Corpus(self.bench.path("builtin")).lines()[0])
        self.assertEqual(list(rows[0]), list(builtin))

    def test_characters_and_seconds_are_billed_as_the_endpoint_counts_them(self):
        self.fleet(workers=0)
        fake = self.endpoint("--fail", "mute:0.1;latency=20:1", "--price-character", "20", "--price-millisecond", "0.0006")
        rows, total_ms = 20, int(1000 * harness.FACTOR)
        price = {"call_usd": 0.001, "input_usd_per_mchar": 20, "usd_per_second": 0.0006}
        job = self.bench.job(rows)
        fake_llm.provide(job, [fake], price=price, timeouts={"total_ms": total_ms})
        # The worker would wait longer by itself.
        own = self.bench.path("providers.yaml")
        with open(own, "w"):
            pass
        fake_llm.provide(own, [fake])
        for path in (job, own):
            with open(path) as f:
                text = f.read()
            with open(path, "w") as f:
                f.write(text.replace('"url"', '"key_env": "PAID_TEST_KEY", "url"'))
                if path == job:
                    f.write("budget: {usd: 50}\n")
        os.environ["PAID_TEST_KEY"] = paid.KEY
        self.bench.worker("--providers", own)
        self.own(job)
        self.check_corpus(self.bench.path("out"), rows)
        money, stats = self.money(), fake.stats()
        self.assertEqual(money["characters"], stats["characters"])
        self.assertEqual(money["calls"], stats["billed"])
        self.assertGreaterEqual(money["held_ms"], stats["held_ms"])
        self.assertGreaterEqual(stats["held_ms"], 20 * 2 * rows)
        settled = paid.units(money["settled_usd"])
        self.assertEqual(settled, money["calls"] * 10**9 + money["characters"] * 20_000_000 + money["held_ms"] * 600_000)
        said = [json.loads(line)["provenance"]["cost_usd"] for line in harness.Corpus(self.bench.path("out")).lines()]
        self.assertEqual(sum(map(paid.units, said)), settled)
        # Calls that hang end with their time, and count as all of it.
        self.assertGreater(money["lost"], 0)
        self.assertGreater(paid.units(money["unknown_usd"]), money["lost"] * total_ms * 600_000)
        code, out, err = self.bench.cohort("status", self.bench.path("out"))
        self.assertEqual(code, 0, err)
        self.assertIn(f" s of calls; {money['lost']} call", out)

    # -- trouble -------------------------------------------------------------

    def test_whatever_the_endpoint_does_each_row_is_there_or_counted_and_nothing_good_is_paid_twice(self):
        self.fleet(workers=0, redis=True)
        fake = self.endpoint("--fail", TROUBLE)
        job = paid.job(self.bench, fake, 160, timeouts=SHORT)
        self.start_workers(2, job)
        self.own(job, seconds=90)
        folder = self.bench.path("out")
        self.check_corpus(folder, 160)
        calls = paid.check(self, folder, self.bill, "5")
        self.assertEqual(fake.stats()["billed_again_after_good"], 0)
        self.assertTrue(calls.unknown, "no call was cut off")
        self.check_letters(folder)
        paid.check_no_key(self)

    def check_letters(self, folder):
        dead = self.ledger()["dead"]
        path = os.path.join(folder, "dead.jsonl")
        letters = []
        if os.path.exists(path):
            with open(path) as f:
                letters = [json.loads(line) for line in f]
        self.assertEqual(len(letters), dead)
        return letters

    def test_rows_that_get_no_valid_answer_are_dead_with_a_letter(self):
        self.fleet(workers=0)
        fake = self.endpoint("--fail", "violate:0.15:stubborn")
        job = paid.job(self.bench, fake, 100, answers={"repairs": 0, "fresh": 0})
        self.start_workers(1, job)
        self.own(job)
        folder = self.bench.path("out")
        self.check_corpus(folder, 100)
        letters = self.check_letters(folder)
        self.assertGreater(len(letters), 5)
        paid.check(self, folder, self.bill, "5")

    # -- kills ---------------------------------------------------------------

    def test_kills_at_any_time_change_no_row_and_pay_for_no_committed_answer_again(self):
        quiet = self.bench.path("quiet.log")
        job = paid.job(self.bench, self.endpoint(log=quiet), 300, out="quiet", name="quiet.yaml")
        self.bench.broker("--beat", "200ms", "--dead", "1s", "--away", "300ms")
        worker = self.start_workers(1, job)[0]
        self.own(job)
        worker.kill()
        fake = self.endpoint("--fail", "latency=120:1")
        job = paid.job(self.bench, fake, 300, timeouts={"total": 3}, in_flight=24)
        self.disturb(job, kills=6)
        folder = self.bench.path("out")
        self.check_corpus(folder, 300)
        self.assertEqual(paid.texts(folder), paid.texts(self.bench.path("quiet")))
        calls = paid.check(self, folder, self.bill, "5")
        self.assertLessEqual(fake.stats()["billed_again"], len(calls.open) + len(calls.unknown) + self.salvaged(calls))
        paid.check_no_key(self)

    def test_a_coordinator_that_is_killed_gives_up_few_calls_and_none_that_was_sent(self):
        self.bench.broker()
        # Not all at once, or the kill falls where many go out.
        fake = self.endpoint("--fail", "latency=100:0.2;latency=150:0.3;latency=230:0.4;latency=310:0.5;latency=270:1")
        job = paid.job(self.bench, fake, 150, timeouts={"total": 3}, in_flight=24)
        self.start_workers(1, job)
        kills = 4
        for kill in range(kills):
            proc = self.bench.coordinator(job)
            wait_for("calls", lambda: fake.stats()["requests"] >= 40 * (kill + 1), seconds=60, alive=[proc])
            proc.kill()
            proc.wait()
        self.own(job)
        folder = self.bench.path("out")
        self.check_corpus(folder, 150)
        calls = paid.check(self, folder, self.bill, "5")
        # What its broker and its worker have is adopted: only an intent that was being
        # written is unknown. Of 24 calls out that is none or a few; were intents made
        # ahead of what can go out, it would be 20 and more a kill.
        self.assertLessEqual(len(calls.open) + len(calls.unknown), kills * 10)
        self.assertEqual(fake.stats()["billed"], len(calls.answers))

    @staticmethod
    def salvaged(calls):
        """Answers of rows and stages that had one: paid twice, and known."""
        answers = [(a.row, a.stage) for a in calls.answers if a.outcome == 0]
        return len(answers) - len(set(answers))

    def disturb(self, job, kills):
        """Runs the job to its end; each kill falls while calls are out."""
        fleet = {
            "redis": self.bench.redis,
            "broker": lambda: self.bench.broker("--beat", "200ms", "--dead", "1s", "--away", "300ms"),
            "worker": lambda: self.bench.worker("--providers", job),
            "other worker": lambda: self.bench.worker("--providers", job),
            "coordinator": lambda: self.bench.coordinator(job),
        }
        self.bench.procs[0].kill()  # the quiet run's broker
        self.bench.procs[0].wait()
        running = {name: start() for name, start in fleet.items()}
        for _ in range(kills):
            if running["coordinator"].ends_within(self.random.uniform(0.2, 1) * harness.FACTOR):
                break
            names = self.random.choice([[n] for n in fleet] + [list(fleet)])
            print(f"kill {' '.join(names)}", file=sys.stderr)
            for name in names:
                running[name].kill()
                running[name].wait()
            for name in self.random.sample(names, len(names)):
                running[name] = fleet[name]()
        proc = running["coordinator"]
        self.assertEqual(proc.wait(90), 0, proc.log() + proc.why())

    # -- a full disk ---------------------------------------------------------

    def small_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        disk = self.bench.path("disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", disk], capture_output=True).returncode:
            self.skipTest("may not mount a small file system here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        return disk

    def test_on_a_full_disk_the_calls_that_are_out_are_waited_for_and_none_is_paid_again(self):
        disk = self.small_disk()
        self.bench.broker()
        fake = self.endpoint("--fail", "latency=300:1")
        job = paid.job(self.bench, fake, 150, out="disk/out", in_flight=24)
        self.start_workers(1, job)
        proc = self.bench.coordinator(job)
        wait_for("calls", lambda: fake.stats()["requests"] >= 60, seconds=60, alive=[proc])
        with open("/dev/zero", "rb") as zero, open(os.path.join(disk, "other"), "wb", buffering=0) as other:
            with self.assertRaises(OSError):
                shutil.copyfileobj(zero, other)
        self.assertEqual(proc.wait(60), 1, proc.log())
        self.assertIn("No space left on device", proc.log())
        folder = os.path.join(disk, "out")
        calls = journal.Calls(folder, paid.PRICE)
        self.assertEqual((calls.open, calls.unknown), ({}, {}))
        self.assertEqual(len(calls.answers), fake.stats()["billed"])
        os.unlink(os.path.join(disk, "other"))
        self.own(job)
        self.check_corpus(folder, 150)
        paid.check(self, folder, self.bill, "5")
        self.assertEqual((fake.stats()["billed"], fake.stats()["billed_again"]), (300, 0))

    # -- a cap ---------------------------------------------------------------

    def test_a_cap_for_a_tenth_of_the_job_holds_at_every_look_and_a_higher_one_pays_nothing_twice(self):
        cap = "0.04"
        self.fleet(workers=0, redis=True)
        fake = self.endpoint("--fail", "latency=20:1;violate:0.1")
        job = paid.job(self.bench, fake, 300, budget=cap)
        self.start_workers(2, job)
        watcher = paid.Watcher(self.bench, cap)
        proc = self.own(job, code=3)
        watcher.end()
        self.assertLessEqual(watcher.most, paid.units(cap))
        self.check_status_lines(proc, cap)
        folder = self.bench.path("out")
        calls = paid.check(self, folder, self.bill, cap)
        self.assertGreater(calls.settled, paid.units(cap) // 2, "the cap is hardly used")
        state = harness.run_json(folder)
        self.assertEqual(state["state"], "partial")
        self.assertIn("the money left covers no further row", state["text"])
        self.own(paid.job(self.bench, fake, 300))
        self.check_corpus(folder, 300)
        paid.check(self, folder, self.bill, "5")
        self.assertEqual(fake.stats()["billed_again_after_good"], 0)

    def test_a_phase_that_runs_short_takes_the_reserve_then_stops_by_name_and_a_larger_share_goes_on(self):
        self.fleet(workers=0)
        fake = self.endpoint("--fail", "violate:0.05")
        cut = "0.5, reserve: 2%%, phases: {background: %d%%, personas: %d%%}"
        job = paid.job(self.bench, fake, 100, budget=cut % (4, 96))
        self.start_workers(1, job)
        self.own(job, code=3)
        folder = self.bench.path("out")
        state = harness.run_json(folder)
        self.assertIn("the share of phase background and the reserve cover no further row", state["text"])
        self.assertEqual((state["service"], state["provider"]), ("persona.write", "main"))
        paid.check(self, folder, self.bill, "0.5")
        phases = state["money"]["phases"]
        first, second = phases["background"], phases["personas"]
        self.assertEqual((first["share_usd"], second["share_usd"]), ("0.0196", "0.4704"))
        self.assertGreater(paid.units(first["settled_usd"]), paid.units("0.0196"), "nothing of the reserve was taken")
        self.assertLessEqual(paid.units(first["settled_usd"]), paid.units("0.0296"))
        self.own(paid.job(self.bench, fake, 100, budget=cut % (40, 60)))
        self.check_corpus(folder, 100)
        paid.check(self, folder, self.bill, "0.5")
        self.assertEqual(fake.stats()["billed_again_after_good"], 0)
        # What it comes to, by phase and altogether, is the bill.
        money = self.money()
        self.assertEqual(money["settled_usd"], fake.stats()["cost_usd"])
        for key in ("settled_usd", "calls", "input_tokens", "output_tokens"):
            of = paid.units if key.endswith("usd") else int
            self.assertEqual(sum(of(p[key]) for p in money["phases"].values()), of(money[key]), key)
        rows = [json.loads(line) for line in harness.Corpus(folder).lines()]
        if money["written"] == len(rows):  # else some that nobody needs are counted, too
            self.assertEqual(money["words"], sum(map(words, rows)))
        self.assertEqual(paid.units(money["kiloword_usd"]), paid.units(money["settled_usd"]) * 1000 // money["words"])
        self.assertEqual(paid.units(money["point_usd"]), paid.units(money["settled_usd"]) * 10000 // money["quality_ppm"])
        with open(self.bench.path("out", "README.md")) as f:
            self.assertIn("a row, %s for 1,000 words" % money["kiloword_usd"], f.read())

    # -- going on ------------------------------------------------------------

    def test_money_that_ends_and_rows_asked_for_later_change_no_row_and_no_call(self):
        self.fleet(workers=0)
        quiet = self.bench.path("quiet.log")
        whole = paid.job(self.bench, self.endpoint(log=quiet), 40, out="whole", name="whole.yaml")
        worker = self.start_workers(1, whole)[0]
        self.own(whole)
        worker.kill()
        worker.wait()
        fake = self.endpoint()
        self.start_workers(1, paid.job(self.bench, fake, 20))
        folder = self.bench.path("out")
        for rows, budget, code in ((20, "0.012", 3), (20, "0.012", 3), (20, "0.02", 3), (20, "5", 0), (40, "5", 0)):
            self.own(paid.job(self.bench, fake, rows, budget=budget), code=code)
            got = paid.lines(folder)
            self.assertEqual(got, paid.lines(self.bench.path("whole"))[: len(got)])
            self.assertIn(len(got), range(1, 20)) if code else self.check_corpus(folder, rows)
        self.assertEqual(self.ledger(), self.ledger("whole"))
        paid.check(self, folder, self.bill, "5")
        self.assertEqual(fake.stats()["bodies"], 80)
        self.assertEqual(fake.stats()["billed_again"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
