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


if __name__ == "__main__":
    unittest.main(verbosity=2)
