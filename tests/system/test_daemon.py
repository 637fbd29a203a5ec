"""The coordinator by itself: what the daemon refuses, how a bench is stopped."""
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
        for event in self.events():
            for field in ("time_ms", "kind", "id", "name", "job", "from", "to", "why"):
                self.assertIn(field, event, event)
            if event["kind"] == "job":
                self.assertEqual(event["job"], event["id"])
        self.assertEqual({"broker" in event for event in self.events()}, {True, False})
        worker.kill(signal.SIGTERM)
        worker.wait()
        broker.kill(signal.SIGTERM)
        self.assertEqual(broker.wait(), 0, broker.log())
        for name in ("workers", "brokers", "coordinators"):
            self.assertEqual(self.bench.redis_call("ZRANGE", "cohort:{default}:" + name, 0, -1), [], name)
        for name in ("broker:*", "coordinator:*", "worker:*", "queue:*"):
            self.assertEqual(self.bench.redis_call("KEYS", "cohort:{default}:" + name), [], name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
