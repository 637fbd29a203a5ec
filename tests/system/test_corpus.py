"""A corpus that was made, read again: `cohort show`, `query`, `export`."""
import csv
import glob
import json
import os
import signal
import subprocess
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

    def test_folders_of_something_else_are_wrong_use(self):
        folder = self.bench.path("else")
        os.makedirs(folder)
        for words in (["show", folder, 3], ["query", folder], ["export", "--format", "csv", folder],
                      ["status", folder], ["journal", "check", folder]):
            code, text, err = self.bench.cohort(*words)
            self.assertEqual((code, text), (2, ""), err)
            self.assertIn(folder, err)
        os.makedirs(os.path.join(folder, "journal"))
        code, text, err = self.bench.cohort("journal", "check", folder)
        self.assertEqual(code, 0, err)
        self.assertEqual(text, f"{folder}/journal: empty, nothing was committed yet\n")
        with open(os.path.join(folder, "journal", "seg-0000000001-000001.log"), "wb") as f:
            f.write(bytes(range(256)))
        code, text, err = self.bench.cohort("journal", "check", folder)
        self.assertEqual((code, text), (1, ""), err)
        self.assertIn("seg-0000000001-000001.log", err)

    # -- query -----------------------------------------------------------------

    def test_conditions_find_what_python_finds(self):
        lines, rows = self.make(5000, where="{age: {min: 10}}")
        out = self.bench.path("out")
        for text, holds in (
            ("age >= 30 and state = 'TX'", lambda r: r["age"] >= 30 and r["state"] == "TX"),
            ("not (sex = 'Male' or age < 40)", lambda r: r["sex"] != "Male" and r["age"] >= 40),
            ("occupation is null", lambda r: r["occupation"] is None),
            ("occupation ~ 'NURSE'", lambda r: "nurse" in (r["occupation"] or "").lower()),
            ("last_name like 'Mc%'", lambda r: r["last_name"].startswith("Mc")),
            ("row in (3, 4999, 12345)", lambda r: r["provenance"]["row"] in (3, 4999, 12345)),
            ("age > 200", lambda r: False),
        ):
            want = [line for line, row in zip(lines, rows) if holds(row)]
            code, got, err = self.bench.cohort("query", out, text, "--format", "jsonl", "--verify")
            self.assertEqual(code, 0, err)
            self.assertEqual(got.splitlines(), want, text)
            code, got, err = self.bench.cohort("query", out, text, "--count")
            self.assertEqual((code, got), (0, f"{len(want)}\n"), text + err)
            code, got, err = self.bench.cohort("query", out, text, "--format", "jsonl", "--limit", 3)
            self.assertEqual((code, got.splitlines()), (0, want[:3]), text + err)

    def test_a_wrong_condition_is_exit_2_and_points_at_it(self):
        self.make(500)
        code, text, err = self.bench.cohort("query", self.bench.path("out"), "age > 3 and agee = 4")
        self.assertEqual((code, text), (2, ""))
        self.assertIn("did you mean age?\n  age > 3 and agee = 4\n              ^^^^\n", err)
        self.assertEqual(self.bench.cohort("query", self.bench.path("nowhere"), "age > 3")[0], 2)

    # -- export ----------------------------------------------------------------

    def test_a_csv_holds_what_the_rows_hold(self):
        _, rows = self.make(1500)
        path = self.bench.path("all.csv")
        code, _, err = self.bench.cohort("export", self.bench.path("out"), "--format", "csv", "--to", path)
        self.assertEqual(code, 0, err)
        with open(path, newline="") as f:
            cells = list(csv.reader(f))
        self.assertEqual(len(cells), 1501)
        for row, line in zip(rows, cells[1:]):
            self.assertEqual(len(line), len(cells[0]))
            for name, cell in zip(cells[0], line):
                value = row
                for part in name.split("."):
                    value = value[part]
                if value is None:
                    self.assertEqual(cell, "", name)
                else:
                    self.assertEqual(cell, value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))

    def test_jsonl_is_the_rows_and_provenance_can_go(self):
        lines, rows = self.make(1500)
        out = self.bench.path("out")
        code, text, err = self.bench.cohort("export", out, "--format", "jsonl")
        self.assertEqual((code, text.splitlines()), (0, lines), err)
        code, text, err = self.bench.cohort("export", out, "--format", "jsonl", "--no-provenance", "--where", "age > 50")
        for row in rows:
            del row["provenance"]
        self.assertEqual([json.loads(l) for l in text.splitlines()], [r for r in rows if r["age"] > 50])

    def test_the_corpus_itself_is_not_replaced(self):
        lines, _ = self.make(500)
        out = self.bench.path("out")
        for name in ("part-00000.jsonl.zst", "README.md", "MANIFEST.json"):
            code, _, err = self.bench.cohort("export", out, "--format", "csv", "--to", os.path.join(out, ".", name))
            self.assertEqual(code, 2, err)
            self.assertIn("belongs to the corpus", err)
        self.assertEqual(self.bench.cohort("export", out, "--format", "jsonl")[1].splitlines(), lines)
        self.assertEqual(self.bench.cohort("export", out, "--format", "csv", "--to", os.path.join(out, "all.csv"))[0], 0)

    def test_what_cannot_be_written_leaves_the_old_file(self):
        self.make(1500)
        out, path = self.bench.path("out"), self.bench.path("x.jsonl")
        with open(path, "w") as f:
            f.write("old")
        code, _, err = self.bench.cohort("export", out, "--format", "parquet", "--to", path)
        self.assertEqual(code, 2)
        self.assertIn("does not exist in this version", err)
        shard = sorted(glob.glob(os.path.join(out, "part-*")))[1]
        with open(shard, "r+b") as f:
            f.seek(100)
            f.write(b"\xff\xff\xff\xff")
        code, _, err = self.bench.cohort("export", out, "--format", "jsonl", "--verify", "--to", path)
        self.assertEqual(code, 1)
        self.assertIn(os.path.basename(shard), err)
        with open(path) as f:
            self.assertEqual(f.read(), "old")
        self.assertEqual(glob.glob(self.bench.path(".x*")), [])

    def test_a_reader_that_leaves_is_no_failure(self):
        self.make(2500)
        args = [f"{harness.BIN}/cohort", "export", self.bench.path("out"), "--format", "jsonl"]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.bench.env()) as proc:
            self.assertTrue(json.loads(proc.stdout.readline()))
            proc.stdout.close()
            self.assertEqual(proc.stderr.read(), b"")
            self.assertEqual(proc.wait(30 * harness.FACTOR), 0)

    def test_sealed_files_can_be_read_while_the_run_goes_on(self):
        job = self.bench.job(2000000, shard_rows=1000)
        proc = self.bench.start("command", [f"{harness.BIN}/cohort", "run", job, "--workers", "1"])
        out = self.bench.path("out")
        harness.wait_for("a sealed file", lambda: glob.glob(os.path.join(out, "part-*.jsonl.zst")), alive=[proc])
        code, text, err = self.bench.cohort("query", out, "row < 5", "--count", seconds=60)
        self.assertEqual((code, text), (0, "5\n"), err)
        code, text, err = self.bench.cohort("show", out, 3, "--json")
        self.assertEqual((code, json.loads(text)["provenance"]["row"]), (0, 3), err)
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(60), 3, proc.log())


if __name__ == "__main__":
    unittest.main()
