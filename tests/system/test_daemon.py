"""The coordinator by itself: what the daemon refuses, how a bench is stopped."""
import os
import signal
import unittest

import harness


class Coordinator(harness.SystemTest):
    def test_a_stopped_bench_says_so_and_ends_with_3(self):
        proc = self.bench.start(
            "bench",
            [f"{harness.BIN}/cohort-coordinator", "bench", "-n", "1000", "--broker", f"ipc://{self.bench.top}/nobody"],
            status=True,
        )
        harness.wait_for("its status", lambda: proc.lines, alive=[proc])
        proc.kill(signal.SIGINT)
        self.assertEqual(proc.wait(20), 3, proc.log())
        self.assertEqual(proc.end()["text"], "stopped before all tasks were committed")
        self.assertEqual(proc.end()["exit"], 3)

    def events(self):
        entries = self.bench.redis_call("XRANGE", "cohort:{default}:events", "-", "+")
        return [dict(zip(fields[::2], fields[1::2])) for _, fields in entries]

    def test_events_have_one_envelope_and_who_leaves_takes_its_keys_along(self):
        self.bench.redis()
        broker = self.bench.broker()
        worker = self.bench.worker()
        for name in ("workers", "brokers", "coordinators"):
            self.bench.redis_call("ZADD", "cohort:{default}:" + name, 1, "killed-long-ago")
        coordinator = self.bench.coordinator(self.bench.job(500))
        self.assertEqual(coordinator.wait(60), 0, coordinator.log())
        harness.wait_for("events of broker and coordinator",
                         lambda: {"broker" in event for event in self.events()} == {True, False})
        for event in self.events():
            for field in ("time_ms", "kind", "id", "name", "job", "from", "to", "why"):
                self.assertIn(field, event, event)
            if event["kind"] == "job":
                self.assertEqual(event["job"], event["id"])
        worker.kill(signal.SIGTERM)
        worker.wait()
        broker.kill(signal.SIGTERM)
        self.assertEqual(broker.wait(), 0, broker.log())
        for name in ("workers", "brokers", "coordinators"):
            self.assertEqual(self.bench.redis_call("ZRANGE", "cohort:{default}:" + name, 0, -1), [], name)
        for name in ("broker:*", "coordinator:*", "worker:*", "queue:*"):
            self.assertEqual(self.bench.redis_call("KEYS", "cohort:{default}:" + name), [], name)

    # -- the daemon --------------------------------------------------------------

    def daemon(self, *args):
        self.listen = f"ipc://{self.bench.top}/daemon"
        proc = self.bench.start(
            "daemon",
            [f"{harness.BIN}/cohort-coordinator", "serve", "--listen", self.listen, "--out", self.bench.path("jobs"),
             "--broker", self.bench.front, "--log-level", "info", *args],
            ready=True,
        )
        harness.wait_for("the daemon", lambda: proc.ready_line, alive=[proc])
        return proc

    def submit(self, *args):
        return self.bench.cohort("submit", "--coordinator", self.listen, *args)

    def text_of(self, *parts):
        with open(self.bench.path(*parts)) as f:
            return f.read()

    def test_a_finished_folder_is_refused_and_left_as_it_is(self):
        self.bench.broker()
        self.bench.worker()
        daemon = self.daemon()
        job = self.bench.job(500, out="jobs/a")
        code, out, err = self.submit("--rows", 600, job)
        self.assertEqual(code, 0, out + err)
        run_json = lambda: os.path.exists(self.bench.path("jobs/a/run.json")) and harness.run_json(self.bench.path("jobs/a"))
        harness.wait_for("the end", lambda: run_json() and run_json()["state"] == "complete", 60, alive=[daemon])
        self.assertIn(f"job     {run_json()['job']}", out)  # the id of SUBMITTED is the job's
        harness.wait_for("its end in the list", lambda: self.text_of("jobs/jobs.json").strip() == "[]")
        given = self.text_of("jobs/a/job.yaml")
        self.assertTrue(given.endswith("# as run: rows 600\n"), given)
        for args, words in (([], "rows"), (["--rows", 600], "finished already: 600 rows"), (["--rows", 600, "--seed", 99], "seed")):
            code, out, err = self.submit(*args, job)
            self.assertEqual(code, 2, out + err)
            self.assertIn(words, err)
            self.assertEqual(self.text_of("jobs/a/job.yaml"), given)
        self.assertEqual(self.text_of("jobs/jobs.json").strip(), "[]")
        code, out, err = self.submit("--rows", 700, job)  # more rows: the same job goes on
        self.assertEqual(code, 0, out + err)
        self.assertIn(f"job     {run_json()['job']}", out)
        harness.wait_for("more rows", lambda: run_json()["state"] == "complete" and run_json()["rows"] == 700, 60, alive=[daemon])

    def test_a_job_nobody_can_fulfil_and_a_list_that_cannot_be_saved_are_refused(self):
        daemon = self.daemon()
        code, out, err = self.submit(self.bench.job(500, out="jobs/b", where="{age: {min: 200}}"))
        self.assertEqual(code, 2, out + err)
        self.assertIn("the coordinator refused (INVALID)", err)
        self.assertFalse(os.path.exists(self.bench.path("jobs/b")))
        os.mkdir(self.bench.path("jobs/jobs.json"))
        code, out, err = self.submit(self.bench.job(500, out="jobs/c"))
        self.assertEqual(code, 2, out + err)
        os.rmdir(self.bench.path("jobs/jobs.json"))
        daemon.kill(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0, daemon.log())
        self.assertNotIn("job.started", daemon.log())

    def test_without_an_endpoint_both_meet_in_the_users_own_folder(self):
        self.bench.start("daemon", [f"{harness.BIN}/cohort-coordinator", "serve", "--out", self.bench.path("jobs"),
                                    "--broker", self.bench.front])
        code, out, err = self.bench.cohort("submit", self.bench.job(500))
        self.assertEqual(code, 0, out + err)
        self.assertTrue(os.path.exists(self.bench.path("run/cohort-coordinator.sock")))

    # -- one run -----------------------------------------------------------------

    def run_once(self, *args):
        proc = self.bench.start("run", [f"{harness.BIN}/cohort-coordinator", "run", *args, "--broker", self.bench.front])
        return proc.wait(60), proc.log()

    def test_job_yaml_says_what_the_command_line_changed(self):
        self.bench.broker()
        self.bench.worker()
        job = self.bench.job(300)
        for rows in (400, 500):  # nothing piles up
            self.assertEqual(self.run_once("--rows", str(rows), "--seed", "43", job)[0], 0)
            with open(job) as f:
                self.assertEqual(self.text_of("out/job.yaml"), f.read() + f"# as run: rows {rows}, seed 43\n")
        before = self.text_of("out/job.yaml")
        self.assertEqual(self.run_once("--rows", "600", "--seed", "43", self.bench.path("out/job.yaml"))[0], 0)
        self.assertEqual(self.text_of("out/job.yaml"), before)

    def test_a_corpus_without_its_journal_is_not_overwritten(self):
        os.makedirs(self.bench.path("out"))
        with open(self.bench.path("out/part-00000.jsonl.zst"), "w") as f:
            f.write("rows")
        code, log = self.run_once(self.bench.job(300))
        self.assertEqual(code, 1, log)
        self.assertIn("holds part-00000.jsonl.zst but no journal", log)
        self.assertEqual(sorted(os.listdir(self.bench.path("out"))), [".lock", "part-00000.jsonl.zst"])

    def test_only_a_bad_job_file_is_2_a_missing_model_is_1(self):
        code, log = self.run_once("--data", self.bench.path("nowhere"), self.bench.job(300))
        self.assertEqual(code, 1, log)
        self.assertIn("model", log)
        self.assertEqual(self.run_once(self.bench.path("nowhere.yaml"))[0], 2)
        self.assertEqual(self.run_once("--rows", "x", self.bench.job(300))[0], 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
