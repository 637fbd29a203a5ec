"""Populations as a user bends them: a mix, tables of one's own. What decides
rows travels in the recipe; workers have no files of the user."""
import json
import os
import shutil
import subprocess
import unittest

import harness

ROWS = 4000
MANIFEST = """base: us
tables:
  - {attribute: commute, given: [employment_status, age], file: commute.tsv}
  - {attribute: sex, file: sex.tsv}
"""
COMMUTE = "\n".join(
    ["employment_status\tage_min\tage_max\tvalue\tweight"]
    + [f"Employed\t{low}\t{high}\t{how}\t{n}" for low, high in ((16, 39), (40, 999)) for how, n in (("car", 70), ("bus", 30))]
)


class Population(harness.SystemTest):
    def tables(self):
        folder = self.bench.path("tables")
        os.makedirs(folder)
        for name, text in (("manifest.yaml", MANIFEST), ("commute.tsv", COMMUTE), ("sex.tsv", "sex\tweight\nMale\t1\nFemale\t3\n")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        return folder

    def job(self, population, **options):
        path = self.bench.job(ROWS, **options)
        with open(path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        at = lines.index("population:")
        lines[at : at + 3] = ["population: {" + population + "}"]
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
        return path

    def rows(self, out):
        corpus = self.check_corpus(self.bench.path(out), ROWS)
        text = subprocess.run(["zstd", "-dc", "--"] + corpus.files, stdout=subprocess.PIPE, check=True).stdout
        return [json.loads(line) for line in text.split(b"\n") if line], corpus.sha

    def test_too_much_of_something_is_a_bad_job(self):
        folder = self.bench.path("many")
        os.makedirs(folder)
        with open(os.path.join(folder, "manifest.yaml"), "w", encoding="utf-8") as f:
            f.write("base: us\ntables:\n")
            f.writelines(f"  - {{attribute: own_{chr(97 + i)}, file: own.tsv}}\n" for i in range(17))
        with open(os.path.join(folder, "own.tsv"), "w", encoding="utf-8") as f:
            f.write("value\tweight\na\t1\n")
        job = self.job(f"data: {folder}")
        for command in ("run", "validate"):
            code, out, err = self.bench.cohort(command, job)
            self.assertEqual(code, 2, out + err)
            self.assertIn("more than 16 new columns", err)

    def test_workers_need_no_files_for_a_users_tables(self):
        self.bench.broker()
        folder = self.tables()
        shas = []
        for i in range(2):
            proc = self.bench.coordinator(self.job(f"data: {folder}, where: {{age: {{min: 18}}}}", out=f"out{i}"))
            harness.wait_for("tasks out", lambda: proc.progress("pending") or proc.code() is not None)
            if i == 0:
                shutil.move(folder, folder + ".gone")
                self.bench.worker()
            self.assertEqual(proc.wait(60), 0, proc.log())
            if i == 0:
                shutil.move(folder + ".gone", folder)
                self.bench.worker()
            rows, sha = self.rows(f"out{i}")
            shas.append(sha)
        self.assertEqual(shas[0], shas[1])
        women = sum(r["sex"] == "Female" for r in rows)
        self.assertAlmostEqual(women / ROWS, 0.75, delta=0.03)
        for r in rows:
            self.assertEqual(r["commute"] is None, r["employment_status"] != "Employed")
        at_work = [r["commute"] for r in rows if r["commute"]]
        self.assertAlmostEqual(at_work.count("car") / len(at_work), 0.7, delta=0.04)

    def test_a_changed_table_is_another_corpus(self):
        self.fleet(workers=1)
        folder = self.tables()
        job = self.job(f"data: {folder}", phases="[corpus]")
        self.complete(job)
        with open(os.path.join(folder, "sex.tsv"), "w", encoding="utf-8") as f:
            f.write("sex\tweight\nMale\t1\nFemale\t2\n")
        proc = self.bench.coordinator(job)
        self.assertNotEqual(proc.wait(60), 0)
        self.assertIn("holds another corpus: population.data (tables)", proc.log())

    def test_a_folder_that_is_not_there_is_told_with_where_it_was_looked_for(self):
        for population in ("data: ./nowhere", "phrases: nowhere"):
            code, _, err = self.bench.cohort("validate", self.job(population))
            self.assertEqual(code, 2, err)
            self.assertIn(f"(looked for from the working folder, {os.path.realpath(self.bench.top)})", err)

    def test_a_mix_gives_exactly_the_rows_asked_for(self):
        self.fleet(workers=2)
        job = self.job('mix: {state: {CA: 10}, age: {"0-17": 0}}', phases="[corpus]")
        end = self.complete(job)
        self.assertEqual(end["rejected"], 0)
        rows, _ = self.rows("out")
        self.assertTrue(all(r["age"] >= 18 for r in rows))
        self.assertGreater(sum(r["state"] == "CA" for r in rows), ROWS / 2)

    def test_the_world_and_a_users_phrases_reach_every_worker(self):
        self.fleet(workers=2)
        folder = self.bench.path("phrases")
        os.makedirs(folder)
        with open(os.path.join(folder, "mine.txt"), "w", encoding="utf-8") as f:
            f.write("[hobby]\nzeppelin spotting | spots zeppelins | spotting zeppelins\n")
        self.complete(self.job(f"data: world, phrases: {folder}"))
        rows, _ = self.rows("out")
        self.assertGreater(len({r["country"] for r in rows}), 100)
        self.assertTrue(all(r["state"] is None and r["occupation"] is None for r in rows))
        self.assertTrue(any("zeppelin spotting" in (r["hobbies_and_interests_list"] or ()) for r in rows))


if __name__ == "__main__":
    unittest.main(verbosity=2)
