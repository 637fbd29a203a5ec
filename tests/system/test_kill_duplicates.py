"""Random kills, half of them as a power loss, while one row in thirty is a
duplicate: which ones are left out must not depend on the kills.

Real texts are hardly ever the same, so the coordinator keeps a few bits of each
hash only (COHORT_TEST_HASH_BITS; a job file cannot ask for that). What is
compared at the end are rows and files of hashes, byte for byte.
"""
import os
import sys
import unittest

import harness
import test_kill_runs as kills

BITS = 18
ROWS = 40000 if harness.FACTOR == 1 else 15000
RUNS = 6


class KillDuplicates(unittest.TestCase):
    def setUp(self):
        os.environ["COHORT_TEST_HASH_BITS"] = str(BITS)
        self.addCleanup(os.environ.pop, "COHORT_TEST_HASH_BITS")

    def test_kills_do_not_change_which_rows_are_left_out(self):
        seed = harness.seed_from_environment()
        print(f"seed {seed}, {RUNS} runs of {ROWS} rows", file=sys.stderr)
        quiet = kills.Quiet(ROWS)
        self.assertGreater(quiet.ledger["duplicates"], ROWS // 100, quiet.ledger)
        self.assertEqual(sum(len(h) for h in quiet.hashes.values()) % 8, 0)
        table = kills.Table()
        try:
            for i in range(RUNS):
                kills.one_run(self, seed + i, ROWS, quiet, i % 2 == 1, table)
        finally:
            table.print()

    def run_rows(self, bench, rows, out):
        proc = bench.coordinator(bench.job(rows, out=out, shard_rows=2500))
        return proc.wait(60), proc

    def test_more_rows_are_compared_with_those_that_are_there(self):
        bench = harness.Bench()
        try:
            bench.broker()
            bench.worker()
            self.assertEqual(self.run_rows(bench, ROWS // 2 + 1000, "grown")[0], 0)
            self.assertEqual(self.run_rows(bench, ROWS, "grown")[0], 0)
            self.assertEqual(self.run_rows(bench, ROWS, "whole")[0], 0)
            grown, whole = (harness.Corpus(bench.path(f)) for f in ("grown", "whole"))
            self.assertEqual(grown.sha, whole.sha)
            self.assertEqual(grown.hashes(), whole.hashes())
        finally:
            bench.close()

    def test_a_lost_file_of_hashes_is_named_and_nothing_is_changed(self):
        bench = harness.Bench()
        try:
            bench.broker()
            bench.worker()
            self.assertEqual(self.run_rows(bench, 6000, "out")[0], 0)
            before = harness.Corpus(bench.path("out")).shards()
            os.remove(bench.path("out", "part-00001.hashes"))
            code, proc = self.run_rows(bench, 9000, "out")
            self.assertEqual(code, 1)
            self.assertIn("part-00001.hashes: missing or not as it was written", proc.log())
            self.assertEqual(harness.Corpus(bench.path("out")).shards(), before)
        finally:
            bench.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
