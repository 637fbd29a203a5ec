"""The same rows, byte for byte, whoever makes them and whatever is killed."""
import signal
import unittest

import harness

ROWS = 10000


class BytesEqual(harness.SystemTest):
    def test_one_two_and_eight_workers_make_the_same_bytes(self):
        shas = {}
        files = {}
        self.bench.broker()
        workers = 0
        for wanted in (1, 2, 8):
            while workers < wanted:
                self.bench.worker()
                workers += 1
            job = self.bench.job(ROWS, out=f"out{wanted}")
            self.complete(job)
            corpus = self.check_corpus(self.bench.path(f"out{wanted}"), ROWS)
            shas[wanted] = corpus.sha
            files[wanted] = corpus.shards()
        self.assertEqual(len(set(shas.values())), 1, shas)
        self.assertEqual(files[1], files[8], "the compressed shards differ too")
        uuids = corpus.uuids()
        self.assertEqual(len(set(uuids)), ROWS)

    def test_conditions_that_reject_candidates_give_exactly_the_rows_asked_for(self):
        self.fleet(workers=2)
        where = "{marital_status: Married, age: {min: 25, max: 60}}"
        shas = []
        for i, shard_rows in enumerate((10000, 10000, 2500)):
            job = self.bench.job(4321, out=f"out{i}", where=where, shard_rows=shard_rows)
            end = self.complete(job)
            corpus = self.check_corpus(self.bench.path(f"out{i}"), 4321)
            self.assertGreater(end["rejected"], 1000)
            shas.append(corpus.sha)
        self.assertEqual(len(set(shas)), 1)
        self.assertEqual(len(set(corpus.uuids())), 4321)

    def test_another_seed_makes_other_people(self):
        self.fleet(workers=1)
        shas = []
        for seed in (1, 2):
            self.complete(self.bench.job(1000, out=f"seed{seed}", seed=seed))
            shas.append(self.check_corpus(self.bench.path(f"seed{seed}"), 1000).sha)
        self.assertNotEqual(shas[0], shas[1])

    def test_a_worker_killed_while_it_works_changes_nothing(self):
        _, workers = self.fleet(workers=2)
        self.complete(self.bench.job(ROWS, out="quiet"))
        sha = self.check_corpus(self.bench.path("quiet"), ROWS).sha
        proc = self.bench.coordinator(self.bench.job(ROWS, out="out", shard_rows=2500))
        harness.wait_for("tasks out", lambda: proc.progress("pending") or proc.code() is not None)
        workers[0].kill()
        self.bench.worker()
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.check_corpus(self.bench.path("out"), ROWS, sha)

    def test_told_to_end_everybody_ends_in_order(self):
        broker, workers = self.fleet(workers=2)
        self.complete(self.bench.job(1000))
        for proc in workers + [broker]:
            proc.kill(signal.SIGTERM)
            self.assertEqual(proc.wait(20), 0, proc.log())

    def test_a_worker_that_drains_gives_its_work_to_others(self):
        """Rolling change of all workers during a run: no strike, no row lost."""
        _, workers = self.fleet(workers=2)
        rows = 10 * ROWS if harness.FACTOR == 1 else 4 * ROWS
        proc = self.bench.coordinator(self.bench.job(rows))
        harness.wait_for("tasks out", lambda: proc.progress("drawn"), alive=[proc])
        for old in workers:
            self.bench.worker()
            old.kill(signal.SIGTERM)
            self.assertEqual(old.wait(40), 0, old.log())
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.assertEqual(proc.end()["counters"].get("lost_charged", 0), 0)
        self.check_corpus(self.bench.path("out"), rows)


if __name__ == "__main__":
    unittest.main(verbosity=2)
