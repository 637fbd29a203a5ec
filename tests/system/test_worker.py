"""The worker's processes: supervisor, drain, hand-back, heartbeat, lifeline."""
import os
import signal
import unittest

import harness

PREFIX = "cohort:{default}:"


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Worker(harness.SystemTest):
    def supervisor(self, processes):
        proc = self.bench.worker("--processes", processes, "--services", "noop", "--log-level", "info")
        pids = harness.wait_for(
            "the children",
            lambda: len(children(proc.pid)) == processes and children(proc.pid),
            alive=[proc],
        )
        return proc, pids

    def counter(self, name):
        brokers = self.bench.redis_call("ZRANGE", PREFIX + "brokers", 0, -1)
        return int(self.bench.redis_call("HGET", f"{PREFIX}broker:{brokers[0]}", name) or 0)

    def workers(self):
        return self.bench.redis_call("ZRANGE", PREFIX + "workers", 0, -1)

    def slow_job(self):
        """A job whose tasks take seconds each, one worker in the midst of it."""
        self.bench.redis()
        self.bench.broker()
        worker = self.bench.worker("--log-level", "info")
        job = self.bench.coordinator(self.bench.job(2000, service="slow", shard_rows=250))
        self.addCleanup(job.kill)

        def runs():
            ids = self.workers()
            return ids and self.bench.redis_call("HGET", f"{PREFIX}worker:{ids[0]}", "in_flight") == "1"

        harness.wait_for("a task that runs", runs, alive=[worker, job])
        return worker, job

    def test_a_crashed_child_is_started_again(self):
        self.bench.broker()
        proc, before = self.supervisor(2)
        os.kill(before[0], signal.SIGKILL)
        harness.wait_for(
            "another child",
            lambda: len(children(proc.pid)) == 2 and before[0] not in children(proc.pid),
            alive=[proc],
        )
        self.assertIn(before[1], children(proc.pid))
        self.assertIn("child.crashed", proc.log())
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(), 0)
        self.assertIn("restarts=1", proc.log())

    def test_sigterm_ends_what_runs_and_gives_back_what_waits(self):
        worker, job = self.slow_job()
        worker.kill(signal.SIGTERM)
        self.assertEqual(worker.wait(40), 0)
        self.assertIn("worker.draining", worker.log())
        self.assertNotIn("worker.handing_back", worker.log())
        self.assertRegex(worker.log(), r" returned=[1-9]\d* .* kept=0 ")
        harness.wait_for("the result", lambda: self.counter("results_out") >= 1, alive=[job])
        self.assertEqual([self.counter(c) for c in ("lost_worker_dead", "lost_drain", "lost_link")], [0, 0, 0])

    def test_a_second_signal_hands_everything_back_at_once(self):
        worker, job = self.slow_job()
        worker.kill(signal.SIGTERM)
        harness.wait_for("the drain", lambda: "worker.draining" in worker.log(), alive=[worker])
        worker.kill(signal.SIGTERM)
        self.assertEqual(worker.wait(10), 0)
        self.assertIn('worker.handing_back why="second signal"', worker.log())
        self.assertIn(" done=0 ", worker.log())
        harness.wait_for("the tasks at the broker", lambda: self.counter("returned") >= 1, alive=[job])
        self.assertEqual([self.counter(c) for c in ("lost_worker_dead", "lost_drain", "lost_link")], [0, 0, 0])

    def test_its_keys_in_redis_expire_and_go_with_it(self):
        self.bench.redis()
        self.bench.broker()
        worker = self.bench.worker("--services", "noop")
        name = PREFIX + "worker:" + harness.wait_for("the worker's key", self.workers, alive=[worker])[0]
        left = harness.wait_for("its time to live", lambda: max(self.bench.redis_call("PTTL", name), 0), alive=[worker])
        self.assertLessEqual(left, 15000)
        self.assertEqual(self.bench.redis_call("HGET", name, "pid"), str(worker.pid))
        self.assertEqual(self.bench.redis_call("HGET", name, "resent"), "0")
        worker.kill(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0)
        self.assertEqual(self.bench.redis_call("EXISTS", name), 0)
        self.assertEqual(self.workers(), [])

    def test_nothing_is_left_of_a_supervisor_that_was_killed(self):
        self.bench.broker()
        proc, pids = self.supervisor(3)
        proc.kill(signal.SIGKILL)
        proc.wait()
        harness.wait_for("the end of its children", lambda: not any(alive(pid) for pid in pids), seconds=5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
