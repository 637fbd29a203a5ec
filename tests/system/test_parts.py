"""Links whose part_max is small: results, assets and tasks go as PARTs."""
import json
import os
import re
import signal
import unittest

import harness

# A frame of 250 rows has some 40 KB: ten PARTs, by the worker and by the broker.
PART_MAX = "4KiB"


class Parts(harness.SystemTest):
    def test_a_job_over_links_with_small_parts_gives_the_same_rows(self):
        shas = []
        for out, args in (("whole", []), ("parts", ["--part-max", PART_MAX])):
            broker = self.bench.broker(*args, name=f"broker-{out}")
            workers = [self.bench.worker("--log-level", "info") for _ in range(2)]
            self.complete(self.bench.job(1000, out=out, name=f"{out}.yaml"))
            shas.append(harness.Corpus(self.bench.path(out)).sha)
            for proc in workers:
                proc.kill(signal.SIGTERM)
                self.assertEqual(proc.wait(), 0, proc.log())
            cut = sum(int(re.search(r" cut=(\d+)", proc.log())[1]) for proc in workers)
            self.assertEqual(cut > 0, out == "parts", "messages that went as PARTs")
            broker.kill()
            broker.wait()
        self.assertEqual(shas[0], shas[1])

    def test_a_recipe_larger_than_part_max_reaches_the_workers(self):
        """The owner cuts BLOBs: a long list of names makes the recipe large."""
        self.bench.broker("--part-max", PART_MAX)
        self.bench.worker()
        with open(os.path.join(harness.ROOT, "tools/occupations.tsv")) as f:
            names = [line.split("\t")[0] for line in f][1:]
        self.assertGreater(len("".join(names)), 8192)
        self.complete(self.bench.job(500, where="{occupation: [" + ", ".join(map(json.dumps, names)) + "]}"))
        self.check_corpus(self.bench.path("out"), 500)


if __name__ == "__main__":
    unittest.main(verbosity=2)
