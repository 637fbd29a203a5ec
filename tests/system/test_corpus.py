"""A corpus that was made, read again: `cohort show`."""
import json
import unittest

import harness


class Corpus(harness.SystemTest):
    def make(self, rows=2500, **more):
        job = self.bench.job(rows, shard_rows=1000, **more)
        code, text, err = self.bench.cohort("run", job, "--workers", 2, seconds=60)
        self.assertEqual(code, 0, text + err)
        corpus = self.check_corpus(self.bench.path("out"), rows)
        lines = corpus.lines()
        return lines, [json.loads(line) for line in lines]

    def test_rows_are_shown_by_index_and_uuid(self):
        lines, rows = self.make(where="{age: {min: 18, max: 40}, education_level: Bachelor's degree}")
        out = self.bench.path("out")
        picked = [0, 1, 1249, len(rows) - 1]
        for key in ("row", "uuid"):
            names = [rows[i]["provenance"]["row"] if key == "row" else rows[i]["uuid"] for i in picked]
            code, text, err = self.bench.cohort("show", out, *names, "--json")
            self.assertEqual(code, 0, err)
            self.assertEqual(text.splitlines(), [lines[i] for i in picked])
        code, text, err = self.bench.cohort("show", out, rows[7]["uuid"])
        self.assertEqual(code, 0, err)
        for word in (rows[7]["first_name"], rows[7]["city"], "Provenance", "Education"):
            self.assertIn(word, text)

    def test_what_is_no_row_says_why_and_the_others_are_shown(self):
        lines, rows = self.make(where="{education_level: Bachelor's degree}")
        out = self.bench.path("out")
        present = {row["provenance"]["row"] for row in rows}
        last = max(present)
        hole = next(i for i in range(last) if i not in present)
        for what, exit_code, said in (
            (hole, 1, "is a hole"),
            (last + 1, 2, f"to {last}"),
            ("x", 2, "neither the index"),
            ("00000000-0000-8000-8000-000000000000", 1, "no row"),
        ):
            code, text, err = self.bench.cohort("show", out, what, rows[0]["uuid"], "--json")
            self.assertEqual(code, exit_code, err)
            self.assertIn(said, err)
            self.assertEqual(text.splitlines(), lines[:1])


if __name__ == "__main__":
    unittest.main()
