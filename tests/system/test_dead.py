"""Rows that are given up: their letters, and what people decide about them."""
import json
import os
import unittest

from harness import Corpus, SystemTest, run_json, wait_for

ROWS = 1200
BAD = 613


class DeadTest(SystemTest):
    def given_a_dead_row(self, rows=ROWS, shard_rows=None, redis=False):
        """A finished run in which row BAD was given up; its job file."""
        if redis:
            self.bench.redis()
        self.bench.broker()
        self.bad = [self.bench.worker("--fail-rows", str(BAD)) for _ in range(2)]
        job = self.bench.job(rows, shard_rows=shard_rows)
        end = self.complete(job)
        self.assertEqual(end["dead"], 1)
        self.assertEqual(end["accepted"], rows)
        return job

    def heal(self):
        """The workers that could not make the row are replaced."""
        for worker in self.bad:
            worker.kill()
            worker.wait()
        self.bench.worker()

    def dead(self, verb, *args, code=0):
        got, out, err = self.bench.cohort("dead", verb, self.bench.path("out"), *args)
        self.assertEqual(got, code, out + err)
        return out + err

    def letters(self):
        return [json.loads(line) for line in self.dead("list", "--json").splitlines()]

    def test_a_letter_says_why_with_workers_times_and_input(self):
        self.given_a_dead_row(redis=True)
        letter = self.letters()[0]
        self.assertEqual(letter["row"], BAD)
        self.assertEqual((letter["assigned"], letter["failed"], letter["lost"]), (3, 3, 0))
        self.assertIn("--fail-rows", letter["error"])
        self.assertEqual([e["what"] for e in letter["events"]], ["failed"] * 3)
        self.assertLessEqual(letter["events"][0]["at_ms"], letter["dead_ms"])
        self.assertEqual(len(letter["events"][0]["worker"]), 16)
        # {1: start, 2: count 1, 3: take 1}: what a worker would be given again
        self.assertEqual(letter["input"], "8301cf%016x02ce0000000103ce00000001" % BAD)
        self.assertIn(f"row {BAD}", self.dead("show", str(BAD)))
        entries = self.bench.redis_call("XRANGE", "cohort:{default}:dead:" + letter["job"], "-", "+")
        fields = dict(zip(entries[0][1][::2], entries[0][1][1::2]))
        self.assertEqual(json.loads(fields["letter"]), letter)

    def test_a_restart_writes_letters_again_that_only_the_journal_has(self):
        self.bench.broker()
        self.bench.worker("--fail-rows", str(BAD))
        job = self.bench.job(10 * ROWS, shard_rows=10 * 1000)
        file = self.bench.path("out", "dead.jsonl")
        proc = self.bench.coordinator(job)
        wait_for("the letter", lambda: os.path.exists(file) and os.path.getsize(file), alive=[proc])
        proc.kill()
        proc.wait()
        os.unlink(file)
        self.complete(job, name="successor")
        self.assertEqual([letter["row"] for letter in self.letters()], [BAD])

    def test_a_replayed_row_makes_the_corpus_what_a_quiet_run_makes(self):
        job = self.given_a_dead_row()
        before = Corpus(self.bench.path("out"))
        self.heal()
        self.assertIn("1 row to be drawn again", self.dead("replay"))
        end = self.complete(job, name="again")
        self.assertEqual((end["dead"], end["accepted"]), (0, ROWS))
        self.assertEqual(end["counters"]["published"], 2)  # the row, and its cell packed anew
        self.complete(self.bench.job(ROWS, out="quiet", name="quiet.yaml"), name="quiet")
        quiet = self.check_corpus(self.bench.path("quiet"), ROWS)
        self.assertNotEqual(before.sha, quiet.sha)
        self.check_corpus(self.bench.path("out"), ROWS, quiet.sha)
        self.assertIn("drawn again", self.dead("list"))
        # and the folder is finished again
        self.assertIn("finished already", self.complete(job, name="third")["text"])

    def test_a_row_of_a_final_shard_is_told_to_be_out_of_reach(self):
        job = self.given_a_dead_row(rows=3000, shard_rows=1000)
        before = Corpus(self.bench.path("out"))
        self.heal()
        self.dead("replay", str(BAD))
        self.complete(job, name="again")
        self.assertIn("its shard is final", self.dead("list"))
        self.check_corpus(self.bench.path("out"), 3000, before.sha)

    def test_discarded_rows_stay_dead(self):
        job = self.given_a_dead_row()
        self.dead("replay")
        self.assertIn("1 row stays dead", self.dead("discard", str(BAD)))
        self.assertIn("finished already", self.complete(job, name="again")["text"])
        self.assertEqual(run_json(self.bench.path("out"))["ledger"]["dead"], 1)

    def test_what_makes_no_sense_is_refused_with_the_reason(self):
        self.given_a_dead_row()
        self.assertIn("is not among the dead", self.dead("replay", "7", code=2))
        self.assertIn("index of a row", self.dead("show", "seven", code=2))
        code, _, err = self.bench.cohort("dead", "list", self.bench.path("nowhere"))
        self.assertEqual(code, 2)
        self.assertIn("no such folder", err)

    def test_nothing_is_decided_while_a_run_works_in_the_folder(self):
        self.bench.broker()
        job = self.bench.job(ROWS)
        proc = self.bench.coordinator(job)  # without workers it only waits
        wait_for("the run", lambda: proc.progress("requested"), alive=[proc])
        self.dead("list")
        self.assertIn(str(proc.pid), self.dead("discard", code=1))


if __name__ == "__main__":
    unittest.main()
