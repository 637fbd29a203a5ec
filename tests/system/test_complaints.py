"""What people complain about in other task queues, one test each.

Each is named after its complaint and shows that it does not happen here. The
broker's patience is lowered, so that a task of seconds is as long for it as
one of hours is for the default of 5 s.
"""
import json
import signal
import unittest

from harness import SystemTest, wait_for

ROWS = 500  # two tasks of 250 rows, 5 s each with service "slow"
IMPATIENT = ("--beat", "100ms", "--dead", "500ms", "--away", "300ms")


class ComplaintsTest(SystemTest):
    def quiet_sha(self):
        """What the same job makes when nothing goes wrong."""
        job = self.bench.job(ROWS, out="quiet", service="slow", name="quiet.yaml")
        self.complete(job, name="quiet")
        return self.check_corpus(self.bench.path("quiet"), ROWS).sha

    def job_key(self, name):
        ids = self.bench.redis_call("ZRANGE", "cohort:{default}:jobs", 0, -1)
        return self.bench.redis_call("HGET", f"cohort:{{default}}:job:{ids[0]}", name) if ids else None

    def queue_field(self, service, name):
        queue = self.bench.redis_call("HGETALL", f"cohort:{{default}}:queue:{service}") or []
        values = [int(v) for k, v in zip(queue[::2], queue[1::2]) if k.startswith(name + ".")]
        return max(values, default=0)

    def events(self, kind):
        entries = self.bench.redis_call("XRANGE", "cohort:{default}:events", "-", "+") or []
        events = [dict(zip(fields[::2], fields[1::2])) for _, fields in entries]
        return [e for e in events if e["kind"] == kind]

    def test_long_tasks_are_run_again_while_they_still_run(self):
        """celery #5935: here beats say that the worker lives, however long it takes."""
        self.bench.broker(*IMPATIENT)
        for _ in range(2):
            self.bench.worker()
        end = self.complete(self.bench.job(ROWS, service="slow"), seconds=60)
        self.assertGreaterEqual(end["elapsed_ms"], 4000)  # ten times --dead
        self.assertEqual(end["counters"]["published"], 2)
        self.assertNotIn("lost", end["counters"])
        self.assertNotIn("duplicate", end["counters"])
        self.check_corpus(self.bench.path("out"), ROWS)

    def test_a_worker_is_declared_stalled_although_alive(self):
        """bullmq #3183: frozen past the limit, then going on. One result counts, and nobody is blamed."""
        self.bench.redis()
        self.bench.broker(*IMPATIENT)
        frozen, other = self.bench.worker(), self.bench.worker()
        wait_for("both workers", lambda: self.queue_field("slow", "workers") == 2, alive=[frozen, other])
        proc = self.bench.coordinator(self.bench.job(ROWS, service="slow"))
        wait_for("both tasks to be out", lambda: proc.progress("out") == 2, alive=[proc])
        frozen.kill(signal.SIGSTOP)
        # Rows are accepted in order: all at once, at the end, if the first range is with the frozen one.
        wait_for("the other one to take over", lambda: proc.end() or proc.progress("accepted") >= 250, alive=[other])
        frozen.kill(signal.SIGCONT)
        self.assertEqual(proc.wait(60), 0, proc.log())
        counters = proc.end()["counters"]
        self.assertEqual(counters["lost"], 1)
        self.assertEqual(counters["accepted"], counters["committed"])
        self.assertEqual(proc.end()["dead"], 0)
        self.check_corpus(self.bench.path("out"), ROWS, self.quiet_sha())

    def test_tasks_stay_running_for_ever(self):
        """asynq #1144: an attempt past its time fails, and the next one may do better."""
        self.bench.broker()
        slow = self.bench.worker("--services", "slow")
        proc = self.bench.coordinator(self.bench.job(ROWS, service="slow"), "--task-run", "1s")
        failed = lambda: proc.end() or any("TIMEOUT" in x for x in self.letters())
        wait_for("a row that takes too long to be given up", failed, seconds=90, alive=[proc, slow])
        proc.kill()
        proc.wait()

    def letters(self):
        code, out, _ = self.bench.cohort("dead", "list", self.bench.path("out"))
        return out.splitlines() if code == 0 else []

    def test_a_stall_is_silent(self):
        """celery #8030, conductor #1446: a job that does not move says so, why, and since when."""
        self.bench.redis()
        self.bench.broker()
        proc = self.bench.coordinator(self.bench.job(ROWS))  # no worker is there
        stalled = lambda: int(self.job_key("stalled_ms") or 0) >= 10000
        wait_for("the stall in job:ID", stalled, seconds=40, alive=[proc])
        wait_for("its reason", lambda: "stalled: there is work" in (self.job_key("why") or ""), alive=[proc])
        wait_for("the event", lambda: [e for e in self.events("job") if e["to"] == "stalled"], alive=[proc])
        self.assertGreaterEqual(self.queue_field("persona.compose", "stalled_ms"), 5000)
        self.bench.worker()
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.check_corpus(self.bench.path("out"), ROWS)

    def test_a_worker_consumes_nothing_after_a_reconnect(self):
        """celery #8091: after a broker's restart the same worker goes on with what it holds."""
        broker = self.bench.broker()
        worker = self.bench.worker()
        proc = self.bench.coordinator(self.bench.job(ROWS, service="slow"))
        wait_for("a task to run", lambda: proc.progress("out"), alive=[proc])
        broker.kill()
        broker.wait()
        self.bench.broker(name="broker-again")
        self.assertEqual(proc.wait(90), 0, proc.log())
        self.assertIsNone(worker.code())
        self.check_corpus(self.bench.path("out"), ROWS, self.quiet_sha())

    def test_poison_tasks_crash_loop_the_fleet(self):
        """sidekiq #5300: a row that kills its workers is found and given up; the others are made."""
        self.bench.broker(*IMPATIENT)
        self.bench.worker("--processes", "2", "--crash-rows", "99")
        proc = self.bench.coordinator(self.bench.job(ROWS))
        self.assertEqual(proc.wait(180), 0, proc.log())
        end = proc.end()
        self.assertEqual((end["accepted"], end["dead"]), (ROWS, 1))
        # eight halvings, and two deaths on different workers more than 10 s apart
        self.assertLessEqual(end["counters"]["lost"], 30)
        letter = json.loads(self.bench.cohort("dead", "list", "--json", self.bench.path("out"))[1])
        self.assertEqual((letter["row"], letter["reason"]), (99, "two workers died of it"))
        died = [e for e in letter["events"] if e["what"] == "worker died"]
        self.assertGreaterEqual(len({e["worker"] for e in died}), 2)
        self.assertGreater(died[-1]["at_ms"] - died[0]["at_ms"], 10000)
        self.check_corpus(self.bench.path("out"), ROWS)


if __name__ == "__main__":
    unittest.main()
