"""Corpora whose texts a model writes: `cohort run` with a provider in the job
file, against an endpoint that answers as it is asked to. What rows say of money
is what the endpoint counted; a budget is never passed; no answer that was
committed is paid for twice; keys are nowhere but in calls."""
import http.server
import json
import os
import shutil
import signal
import threading
import time
import unittest
import zlib
from fractions import Fraction

import harness
import paid
from harness import wait_for

KEY = "sk-nobody-may-see-this-4711"
INPUT, OUTPUT = Fraction("0.15") / 10**6, Fraction("0.6") / 10**6  # USD a token
STAGES = 2


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.model.answer(request, self.headers)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # who asked was killed


class Model:
    """Writes what the schema asks for, counts, and remembers who was asked."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked = []  # what each answered call was sent
        self.cost = Fraction(0)
        self.keys = set()
        self.waiting = 0  # calls that came and are not answered yet
        self.refuses = False
        self.spoils = 0  # every how manieth answer lacks a field
        self.hopeless = 0  # about one person in how many no answer is good
        self.open = threading.Event()  # else calls wait
        self.open.set()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.model = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request, headers):
        with self.lock:
            self.waiting += 1
        self.open.wait(60 * harness.FACTOR)
        with self.lock:
            self.waiting -= 1
            self.keys.add(headers.get("Authorization"))
            if self.refuses:
                return 401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}
            self.asked.append(json.dumps(request["messages"]))
            number = len(self.asked)
            fields = request["response_format"]["json_schema"]["schema"]["properties"]
            said = {name: self.words(number, name, field) for name, field in fields.items()}
            if self.spoils and number % self.spoils == 0:
                said.popitem()
            first = request["messages"][1]["content"]  # the same in all tries of a stage
            if self.hopeless and zlib.crc32(first.encode()) % self.hopeless == 0:
                said.popitem()
            usage = {"prompt_tokens": 900 + number, "completion_tokens": 300 + number}
            self.cost += INPUT * usage["prompt_tokens"] + OUTPUT * usage["completion_tokens"]
            message = {"role": "assistant", "content": json.dumps(said)}
            return 200, {"model": "tiny-1", "usage": usage, "choices": [{"message": message, "finish_reason": "stop"}]}

    @staticmethod
    def words(number, name, field):
        if field["type"] == "array":
            return [f"thing {number} {i}" for i in range(4)]
        return f"What {name} says in answer {number}. " * 4

    def calls(self):
        with self.lock:
            return len(self.asked)


def usd(text):
    return Fraction(text)


class Written(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.model = Model()
        self.addCleanup(self.model.server.server_close)
        self.addCleanup(self.model.server.shutdown)
        self.addCleanup(self.model.open.set)

    def job(self, rows, budget="5", in_flight=16, more="", provider=None, shard_rows=None, **endpoint):
        endpoint["url"] = f"http://127.0.0.1:{self.model.port}/v1"
        entry = {
            "kind": "openai",
            "model": "tiny",
            "endpoints": [endpoint],
            "limits": {"in_flight": in_flight},
            "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6},
            **(provider or {}),
        }
        path = self.bench.job(rows, shard_rows=shard_rows)
        with open(path, "a") as f:
            f.write("provider: main\nproviders: %s\n" % json.dumps({"main": entry}))
            if budget:
                f.write("budget: {usd: %s}\n" % budget)
            f.write(more)
        return path

    def bytes(self):
        """The rows, but for when they were made."""
        return [paid.OF_THE_RUN.sub("", line) for line in harness.Corpus(self.bench.path("out")).lines()]

    def rows(self):
        return [json.loads(line) for line in harness.Corpus(self.bench.path("out")).lines()]

    def money(self):
        return harness.run_json(self.bench.path("out"))["money"]

    def test_rows_have_the_texts_of_the_model_and_say_what_they_cost(self):
        self.model.spoils = 7  # mended, and paid for
        code, out, err = self.bench.cohort("run", self.job(20), seconds=60)
        self.assertEqual(code, 0, out + err)
        rows = self.rows()
        self.assertEqual(len(rows), 20)
        for row in rows:
            self.assertIn("What persona says in answer", row["persona"])
            self.assertEqual(row["provenance"]["model"], "tiny-1")
        told = sum(usd(row["provenance"]["cost_usd"]) for row in rows)
        money = self.money()
        self.assertEqual(told, self.model.cost)
        self.assertEqual(usd(money["settled_usd"]), self.model.cost)
        self.assertEqual((money["unknown_usd"], money["reserved_usd"], money["lost"]), ("0", "0", 0))
        self.assertEqual(money["calls"], self.model.calls())
        self.assertIn(f"  money   {money['settled_usd']} of 5 USD, {money['row_usd']} a row, {money['kiloword_usd']} for 1,000 words", out)
        with open(self.bench.path("out", "report.json")) as f:
            report = json.load(f)
        self.assertEqual(report["money"], money)
        self.assertLessEqual(report["estimate"]["calls"][0], money["calls"])
        self.assertGreaterEqual(report["estimate"]["calls"][2], money["calls"])
        with open(self.bench.path("out", "README.md")) as f:
            card = f.read()
        self.assertIn("by the language model `tiny`", card)
        self.assertIn(f": {money['settled_usd']} USD (background {money['phases']['background']['settled_usd']}, personas ", card)
        self.assertIn(f"That is {money['row_usd']} USD a row, ", card)
        self.assertIn(" passed). Estimated before: ", card)
        self.assertNotIn("no language model wrote them", card)
        # What it took is what a plan of more rows goes by.
        code, out, err = self.bench.cohort("plan", self.job(2000), "--json")
        self.assertEqual(code, 0, err)
        plan = json.loads(out)
        self.assertEqual((plan["from"], plan["measured_rows"]), ("rows", 20))
        self.assertEqual(plan["calls"][1], 100 * money["calls"])
        # More rows extend it, and what there is is not asked for again.
        calls = self.model.calls()
        code, out, err = self.bench.cohort("run", self.job(24), seconds=90)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.rows()[:20], rows)
        self.assertLess(self.model.calls() - calls, 2 * 4 * STAGES)
        # Another price is another recipe: rows say what they cost.
        with open(self.bench.path("job.yaml")) as f:
            text = f.read().replace("0.15", "0.16")
        with open(self.bench.path("job.yaml"), "w") as f:
            f.write(text)
        code, out, err = self.bench.cohort("run", self.bench.path("job.yaml"))
        self.assertEqual(code, 1)
        self.assertIn("providers: price: 0.15 in, 0.6 out USD a million tokens in the folder, 0.16 in", err)

    def test_a_job_that_was_paid_for_before_costs_nothing_where_it_asks_for_the_cache(self):
        os.environ["XDG_CACHE_HOME"] = self.bench.path("cache")
        self.addCleanup(os.environ.pop, "XDG_CACHE_HOME")
        self.model.spoils = 7  # what was mended is found, too
        code, out, err = self.bench.cohort("run", self.job(20, more="cache: own\n"), seconds=60)
        self.assertEqual(code, 0, out + err)
        first, calls = self.rows(), self.model.calls()
        self.assertNotIn("cached_calls", self.money())
        folder = self.bench.path("cache", "cohort", "answers")
        self.assertEqual(len(os.listdir(folder)), 1)
        shutil.rmtree(self.bench.path("out"))
        # At another price, which changes no answer; with money for no call.
        job = self.job(20, budget="0.000001", more="cache: own\n")
        with open(job) as f:
            text = f.read().replace("0.15", "0.16")
        with open(job, "w") as f:
            f.write(text)
        code, out, err = self.bench.cohort("run", job, seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.model.calls(), calls, "the endpoint was asked")
        money = self.money()
        self.assertEqual((money["settled_usd"], money["calls"], money["cached_calls"]), ("0", 0, 20 * STAGES))
        self.assertIn("40 answers from the cache", out)
        with open(self.bench.path("out", "README.md")) as f:
            self.assertIn("40 answers from the cache", f.read())
        second = self.rows()
        for row in second:
            said = row["provenance"]
            paid = (said["model"], said["cost_usd"], said["input_tokens"], said["output_tokens"])
            self.assertEqual(paid, ("tiny-1", "0", 0, 0))
        recipe_s = ("uuid", "provenance")  # they name the recipe, and that has another price
        said = [[{k: v for k, v in row.items() if k not in recipe_s} for row in rows] for rows in (first, second)]
        self.assertEqual(*said)
        # Who does not ask for the cache pays.
        shutil.rmtree(self.bench.path("out"))
        code, out, err = self.bench.cohort("run", self.job(3), seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertGreater(self.model.calls(), calls)

    def test_equal_prompts_share_answers_where_a_job_wants_it(self):
        os.environ["XDG_CACHE_HOME"] = self.bench.path("cache")
        self.addCleanup(os.environ.pop, "XDG_CACHE_HOME")
        prompts = self.bench.path("prompts")
        os.mkdir(prompts)
        for name, told in (("background", ""), ("personas", "{{background}}\n")):
            with open(os.path.join(prompts, name + ".md"), "w") as f:
                f.write(f"## system\nWrite.\n## user\n{{{{sex}}}}\n{told}{{{{fields}}}}\n## repair\n{{{{error}}}}\n")
        more = f"prompts: {prompts}\ncache: shared\n"

        def run(seed, rows, more=more + "dedup: {method: none}\n", ends=0):
            shutil.rmtree(self.bench.path("out"), ignore_errors=True)
            job = self.job(rows, more=more)
            with open(job) as f:
                text = f.read().replace("{age: {min: 18}}", "{age: 40}")
            with open(job, "w") as f:
                f.write(text)
            code, out, err = self.bench.cohort("run", "--seed", str(seed), job, seconds=60)
            self.assertEqual(code, ends, out + err)
            return {row["persona"] for row in self.rows()} if not ends else out, self.money()

        first, _ = run(1, 10)
        calls = self.model.calls()
        # Others of another seed: a woman and a man of 40 are what there is to ask for.
        second, money = run(2, 40)
        self.assertEqual(self.model.calls(), calls, "the endpoint was asked")
        self.assertEqual((money["settled_usd"], money["cached_calls"]), ("0", 40 * STAGES))
        self.assertEqual(len(second), 2)
        self.assertLessEqual(second, first)
        # Who keeps no equal rows has those two, and is told why there are no others; none is asked for again.
        out, money = run(3, 40, more=more, ends=3)
        self.assertIn("2 of 40 rows, the candidate budget is spent: most rows said what an earlier one says (dedup: ", out)
        self.assertEqual((money["settled_usd"], self.model.calls()), ("0", calls))

    def rows_by_index(self):
        rows = {int(row["provenance"]["row"]): json.dumps(row) for row in self.rows()}
        self.assertEqual(list(rows), sorted(rows))
        return rows

    def test_rows_that_were_given_up_are_asked_again_when_somebody_wants_it(self):
        """One is asked for, then all; the coordinator is killed in the middle of it."""
        self.model.hopeless = 40
        job = self.job(250, shard_rows=250, more="answers: {repairs: 0, fresh: 0}\n")
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        self.assertEqual(self.bench.coordinator(job).wait(120), 0)
        out = self.bench.path("out")
        before = self.rows_by_index()
        code, text, err = self.bench.cohort("dead", "list", "--json", out)
        dead = sorted(json.loads(line)["row"] for line in text.splitlines())
        self.assertGreater(len(dead), 3, err)
        self.assertEqual(self.model.calls(), len(set(self.model.asked)))
        # It is no better now: what it costs is spent, and there is another letter.
        code, text, err = self.bench.cohort("dead", "replay", out, str(dead[0]))
        self.assertIn("1 row to be drawn again", text, err)
        calls = self.model.calls()
        self.assertEqual(self.bench.coordinator(job, name="vain").wait(120), 0)
        self.assertEqual(self.model.calls(), calls + 1)
        self.assertEqual(self.rows_by_index(), before)
        code, text, err = self.bench.cohort("dead", "show", out, str(dead[0]))
        self.assertIn("[drawn again]", text)
        self.assertIn("[dead]", text)
        # The model is healed.
        self.model.hopeless = 0
        code, text, err = self.bench.cohort("dead", "replay", out)
        self.assertIn(f"{len(dead)} rows to be drawn again", text, err)
        first = self.bench.coordinator(job, name="killed")
        wait_for("some answers", lambda: self.model.calls() > calls + 3, alive=[first])
        first.kill(signal.SIGKILL)
        first.wait()
        self.assertEqual(self.bench.coordinator(job, name="again").wait(120), 0)
        self.check_corpus(out, 250)
        after = self.rows_by_index()
        self.assertEqual(list(after), list(range(250)))
        self.assertEqual({i: after[i] for i in after if i in before}, {i: before[i] for i in before if i in after})
        self.assertEqual(sorted(set(after) - set(before)), [i for i in dead if i < 250])
        self.assertEqual(harness.run_json(out)["ledger"]["dead"], 0)
        # What took their places is not needed, and neither is its shard.
        self.assertEqual([f for f in os.listdir(out) if f.startswith("part-") and f.endswith(".zst")], ["part-00000.jsonl.zst"])
        self.assertLessEqual(self.model.calls() - calls, STAGES * len(dead) + 1)
        self.assertEqual(usd(self.money()["settled_usd"]), self.model.cost)
        self.assertEqual(self.money()["unknown_usd"], "0")
        code, text, err = self.bench.cohort("dead", "list", out)
        self.assertNotIn("[dead]", text)
        self.assertIn("finished already", self.complete(job, name="over")["text"])

    def test_a_run_that_was_recorded_is_played_without_its_endpoint(self):
        self.model.spoils = 5  # mended, and asked afresh
        self.model.hopeless = 9
        answers = self.bench.path("answers.jsonl")
        answer = "answers: {repairs: 1, fresh: 1}\n"
        job = self.job(20, key_env="RECORD_TEST_KEY", more=answer, provider={"record": answers})
        os.environ["RECORD_TEST_KEY"] = KEY
        self.addCleanup(os.environ.pop, "RECORD_TEST_KEY", None)
        code, out, err = self.bench.cohort("run", "--workers", "2", job, seconds=60)
        self.assertEqual(code, 0, out + err)
        with open(answers) as f:
            text = f.read()
        self.assertEqual(len(text.splitlines()), self.model.calls())
        self.assertNotIn(KEY, text)
        self.assertEqual(os.stat(answers).st_mode & 0o777, 0o600)
        first, money = self.bytes(), self.money()
        self.assertGreater(money.pop("call_ms"), 0)  # what is played takes no time
        self.assertGreater(harness.run_json(self.bench.path("out"))["ledger"]["dead"], 0)
        # The same job, played: neither endpoint nor key.
        os.environ.pop("RECORD_TEST_KEY")
        calls = self.model.calls()
        shutil.rmtree(self.bench.path("out"))
        job = self.job(20, key_env="RECORD_TEST_KEY", more=answer, provider={"replay": answers})
        code, out, err = self.bench.cohort("run", "--workers", "2", job, seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.model.calls(), calls, "the endpoint was called")
        self.assertEqual(self.bytes(), first)
        self.assertEqual(self.money(), money)
        # With kind replay it is another recipe of the same texts.
        shutil.rmtree(self.bench.path("out"))
        job = self.bench.job(20)
        with open(job, "a") as f:
            f.write("provider: main\nproviders: {main: {kind: replay, model: tiny, replay: %s}}\n" % answers + answer)
        code, out, err = self.bench.cohort("run", job, seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual([row["persona"] for row in self.rows()], [json.loads(row)["persona"] for row in first])

    def test_a_recording_that_fails_is_told_by_the_run_which_goes_on(self):
        code, out, err = self.bench.cohort("run", self.job(2, provider={"record": "/dev/full"}), "--workers", 1, seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(err.count("answers can no longer be written to the file of `record:`"), 1, err)
        self.assertRegex(out + err, "  money .* 4 calls.*; 4 answers were not recorded")
        self.assertEqual(harness.run_json(self.bench.path("out"))["money"]["unrecorded"], 4)
        with open(self.bench.path("out", "README.md")) as f:
            self.assertIn("; 4 answers could not be written to the file of `record:`", f.read())

    def test_what_cannot_be_recorded_is_said_before_the_run(self):
        job = self.job(2, provider={"record": self.bench.path("no", "such.jsonl")})
        code, out, err = self.bench.cohort("run", job)
        self.assertEqual(code, 1, out + err)
        self.assertRegex(err, r"job\.yaml:\d+: provider main: record: cannot record to .*such\.jsonl: No such file")
        self.assertEqual(self.model.calls(), 0)

    def test_a_budget_is_never_passed_and_a_higher_one_goes_on(self):
        # The most that a call can cost is far above what it does cost.
        code, out, err = self.bench.cohort("run", self.job(40, budget="0.012", in_flight=4), seconds=60)
        self.assertEqual(code, 3, out + err)
        self.assertIn("with a higher budget.usd the same command goes on", out)
        before = self.money()
        self.assertLessEqual(self.model.cost, usd("0.012"))
        self.assertEqual(usd(before["settled_usd"]), self.model.cost)
        done = harness.run_json(self.bench.path("out"))["ledger"]["accepted"]
        self.assertGreater(done, 0)
        self.assertLess(done, 40)
        code, out, err = self.bench.cohort("run", self.job(40, budget="5"), seconds=90)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(len(self.rows()), 40)
        self.assertEqual(usd(self.money()["settled_usd"]), self.model.cost)
        self.assertEqual(len(set(self.model.asked)), len(self.model.asked), "asked twice")

    def test_a_coordinator_that_is_killed_loses_no_answer_and_asks_none_twice(self):
        job = self.job(60, in_flight=8)
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        first = self.bench.coordinator(job)
        wait_for("some answers", lambda: self.model.calls() > 20, alive=[first])
        first.kill(signal.SIGKILL)
        first.wait()
        again = self.bench.coordinator(job)
        self.assertEqual(again.wait(120), 0, again.log())
        self.check_corpus(self.bench.path("out"), 60)
        self.assertEqual(len(set(self.model.asked)), len(self.model.asked), "asked twice")
        self.assertEqual(usd(self.money()["settled_usd"]), self.model.cost)

    def test_after_a_kill_of_everything_the_same_command_asks_on_at_once(self):
        """The workers that could have answered are gone with the killed run."""
        job = self.job(12, in_flight=4)
        self.model.open.clear()
        first = self.bench.start("command", [f"{harness.BIN}/cohort", "run", job])
        wait_for("calls that wait", lambda: self.model.waiting > 0, alive=[first])
        first.kill(signal.SIGKILL)
        first.wait()
        wait_for("the end of all that it started", lambda: not self.bench.marked())
        self.model.open.set()
        begin = time.monotonic()
        code, out, err = self.bench.cohort("run", job, seconds=120)
        took = time.monotonic() - begin
        self.assertEqual(code, 0, out + err)
        self.assertLess(took, 60, "an answer that cannot come was waited for")
        self.assertEqual(len(self.rows()), 12)
        self.assertGreater(self.money()["lost"], 0)

    def test_a_stop_waits_for_the_calls_that_are_out_and_takes_the_others_back(self):
        job = self.job(60, in_flight=8)
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        first = self.bench.coordinator(job)
        wait_for("some answers", lambda: self.model.calls() > 20, alive=[first])
        self.model.open.clear()
        wait_for("calls that wait", lambda: first.progress("out") > 0, alive=[first])
        first.kill(signal.SIGTERM)
        wait_for("the stop", lambda: first.lines[-1]["state"] == "stopping", alive=[first])
        self.model.open.set()
        self.assertEqual(first.wait(60), 3, first.log())
        self.assertEqual((self.money()["unknown_usd"], self.money()["reserved_usd"]), ("0", "0"))
        self.assertEqual(usd(self.money()["settled_usd"]), self.model.cost)
        again = self.bench.coordinator(job)
        self.assertEqual(again.wait(50), 0, again.log())  # nothing is waited for
        self.check_corpus(self.bench.path("out"), 60)
        self.assertEqual(len(set(self.model.asked)), len(self.model.asked), "asked twice")
        self.assertEqual(usd(self.money()["settled_usd"]), self.model.cost)

    def test_a_stop_does_not_wait_for_calls_that_were_not_sent(self):
        """One is sent, others wait for its place or at the broker: they are taken back, and it is not."""
        job = self.job(60, in_flight=1)
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        self.model.open.clear()
        first = self.bench.coordinator(job)
        wait_for("a call that waits", lambda: self.model.waiting == 1 and first.progress("out") > 1, alive=[first])
        first.kill(signal.SIGTERM)
        wait_for("the others' return", lambda: first.progress("out") == 1, seconds=20, alive=[first])
        self.assertEqual(self.model.waiting, 1)
        self.model.open.set()
        self.assertEqual(first.wait(60), 3, first.log())
        self.assertEqual(self.model.calls(), 1)
        self.assertEqual((self.money()["unknown_usd"], self.money()["reserved_usd"]), ("0", "0"))
        self.assertEqual(usd(self.money()["settled_usd"]), self.model.cost)

    def budget(self, *words):
        code, out, err = self.bench.cohort("budget", *words, *self.bench.redis_args())
        self.assertEqual(code, 0, out + err)
        return out

    def granted(self):
        return int(json.loads(self.budget("show", "--json"))["total"]["granted"])

    def test_a_cap_over_all_jobs_holds_and_is_told_again_to_a_redis_that_lost_it(self):
        job = self.job(30, in_flight=4)
        redis = self.bench.redis()
        self.budget("set", "--day", "0.012", "--new")
        self.bench.broker()
        self.bench.worker("--providers", job)
        first = self.bench.coordinator(job, "--log-level", "info")

        def cap_is_reached(proc):
            wait_for("the cap", lambda: "the cap of the day is reached" in proc.log(), seconds=60, alive=[proc])

        cap_is_reached(first)
        self.assertGreater(self.model.calls(), 0)
        self.assertLessEqual(self.model.cost, usd("0.012"))
        first.kill(signal.SIGKILL)
        first.wait()
        # Redis comes back without anything, and nobody knows of a cap there but
        # the journal of the job.
        redis.kill()
        redis.wait()
        shutil.rmtree(self.bench.path("redis"))
        self.bench.redis()
        again = self.bench.coordinator(job, "--log-level", "info", name="again")
        calls = self.model.calls()
        wait_for("the loss", lambda: "Redis has no ledger" in again.log(), seconds=60, alive=[again])
        self.assertEqual(self.model.calls(), calls)
        self.budget("rebuild", "--day", "5", self.bench.path("out"))
        self.assertEqual(again.wait(120), 0, again.log())
        self.assertEqual(len(self.rows()), 30)
        settled = usd(self.money()["settled_usd"])
        self.assertEqual(settled, self.model.cost)
        self.assertEqual(self.granted(), -(-settled * 10**6 // 1), "what was not spent was given back")

    def test_an_endpoint_that_refuses_all_is_the_reason_told(self):
        self.model.refuses = True
        job = self.job(20)
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        proc = self.bench.coordinator(job)

        def told():
            code, out, err = self.bench.cohort("why", "--json", *self.bench.redis_args())
            return code == 0 and json.loads(out)["why"][0]

        wait_for("the reason", lambda: told() and told()["code"] == "endpoint_refuses", alive=[proc])
        self.assertIn("Incorrect API key", told()["text"])
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(), 3)
        self.assertEqual(self.money()["settled_usd"], "0")

    def test_an_endpoint_that_is_down_is_the_reason_told(self):
        self.model.server.shutdown()
        self.model.server.server_close()
        job = self.job(20)
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        proc = self.bench.coordinator(job)
        # In general words until Redis tells which one it is.
        said = ("an endpoint is down", "is open-circuit")
        wait_for("the reason", lambda: proc.lines and any(w in proc.lines[-1].get("why", "") for w in said), alive=[proc])
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(60), 3)
        self.assertEqual((self.money()["unknown_usd"], self.money()["reserved_usd"]), ("0", "0"))

    def test_rows_that_no_answer_is_good_enough_for_are_replaced_and_have_letters(self):
        self.model.hopeless = 6
        code, out, err = self.bench.cohort("run", self.job(12), seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(len(self.rows()), 12)
        with open(self.bench.path("out", "dead.jsonl")) as f:
            letters = [json.loads(line) for line in f]
        self.assertGreater(len(letters), 0)
        self.assertEqual(len(letters), harness.run_json(self.bench.path("out"))["ledger"]["dead"])
        for letter in letters:
            self.assertIn("no valid answer", letter["reason"])
            self.assertIn(" says in answer ", letter["answer"])
            self.assertNotEqual(letter["error"], "")
        code, out, err = self.bench.cohort("dead", "list", self.bench.path("out"))
        self.assertEqual(code, 0, err)
        self.assertIn(f"{letters[0]['row']}", out)

    def test_keys_are_nowhere_but_in_calls(self):
        job = self.job(3, key_env="MY_KEY")
        code, out, err = self.bench.cohort("run", job)
        self.assertEqual(code, 2, out + err)
        self.assertIn("provider main: the environment has no MY_KEY: export it, or name another variable with key_env", err)
        os.environ["MY_KEY"] = KEY
        self.addCleanup(os.environ.pop, "MY_KEY")
        code, out, err = self.bench.cohort("run", job, seconds=60)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.model.keys, {f"Bearer {KEY}"})
        for folder, _, files in os.walk(self.bench.top):
            for name in files:
                with open(os.path.join(folder, name), "rb") as f:
                    self.assertNotIn(KEY.encode(), f.read(), name)
        with open(job) as f:
            text = f.read()
        with open(job, "w") as f:
            f.write(text.replace('"key_env": "MY_KEY"', f'"key": "{KEY}"'))
        code, out, err = self.bench.cohort("validate", job)
        self.assertEqual(code, 2)
        self.assertIn("providers.main.endpoints[0].key: keys do not stand in this file", err)
        self.assertNotIn(KEY, out + err)

    def test_prompts_that_are_not_there_are_the_job_files_fault(self):
        job = self.job(2)
        with open(job, "a") as f:
            f.write("prompts: no/such\n")
        for command in ("validate", "run"):
            code, out, err = self.bench.cohort(command, job)
            self.assertEqual(code, 2, out + err)
            self.assertIn("no prompt file no/such/background.md", err)

    def test_a_replay_that_cannot_be_played_is_refused_before_the_run(self):
        job = self.bench.job(2)
        answers = self.bench.path("answers.jsonl")
        with open(job, "a") as f:
            f.write("provider: main\nproviders: {main: {kind: replay, model: m, replay: %s}}\n" % answers)
        for said in (f"provider main: replay: cannot read {answers}: ", f"provider main: replay: {answers}:1: "):
            for command in ("validate", "run"):
                code, out, err = self.bench.cohort(command, job)
                self.assertEqual(code, 2, out + err)
                self.assertIn(f"{job}:", err)
                self.assertIn(said, err)
            with open(answers, "w") as f:
                f.write("garbage\n")

    def test_a_budget_below_one_row_is_refused_before_the_run(self):
        job = self.job(2, budget="0.001")
        for command in ("validate", "run"):
            code, out, err = self.bench.cohort(command, job)
            self.assertEqual(code, 2, out + err)
            self.assertRegex(err, r"job\.yaml:\d+: budget\.usd: 0\.001 USD covers not even one row, which may cost up to 0\.0\d+ USD")
        self.assertEqual(self.model.calls(), 0)

    def environments(self, program):
        """Of the bench's processes of that program: what /proc shows."""
        found = []
        for pid in self.bench.marked():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    name = os.path.basename(f.read().split(b"\0")[0].decode(errors="replace"))
                with open(f"/proc/{pid}/environ", "rb") as f:
                    environment = f.read()
            except OSError:
                continue
            if name == program:
                found.append(environment)
        return found

    def test_the_environment_of_broker_and_coordinator_has_no_key(self):
        job = self.job(2, key_env="MY_KEY")
        self.model.open.clear()
        run = self.bench.start("run", [f"{harness.BIN}/cohort", "run", job, "--workers", "1"], env={"MY_KEY": KEY})
        for program in ("cohort-broker", "cohort-coordinator"):
            wait_for(program, lambda p=program: self.environments(p), alive=[run])
            for environment in self.environments(program):
                self.assertNotIn(b"MY_KEY", environment, program)
                self.assertNotIn(KEY.encode(), environment, program)
        self.model.open.set()
        self.assertEqual(run.wait(60), 0, run.log())
        self.assertEqual(self.model.keys, {f"Bearer {KEY}"})  # the worker had it


if __name__ == "__main__":
    unittest.main(verbosity=2)
