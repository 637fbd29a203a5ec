"""Damaged, torn, full, locked, foreign: told clearly, and nothing is lost."""
import glob
import os
import shutil
import signal
import subprocess
import unittest

import harness

ROWS = 80000 if harness.FACTOR == 1 else 20000
SHARD = 2500


def snapshot(folder):
    """Bytes and times of every file, to see that nothing was touched."""
    seen = {}
    for where, _, names in os.walk(folder):
        for name in names:
            if name == ".lock":
                continue  # the pid of the last one who looked
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                seen[os.path.relpath(path, folder)] = (os.stat(path).st_mtime_ns, hash(f.read()))
    return seen


class Damage(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.folder = self.bench.path("out")

    def quiet(self, rows=ROWS, **more):
        self.complete(self.bench.job(rows, out="quiet", name="quiet.yaml", shard_rows=SHARD, **more))
        return self.check_corpus(self.bench.path("quiet"), rows).sha

    def killed_halfway(self, rows=ROWS, shard_rows=None):
        """A journal with committed rows and no CLOSE, by kill -9."""
        job = self.bench.job(rows, shard_rows=shard_rows or SHARD)
        proc = self.bench.coordinator(job)
        some = 3 << 20 if harness.FACTOR == 1 else 1 << 20
        harness.wait_for("committed rows", lambda: self.journal_bytes() > some, alive=[proc])
        proc.kill()
        proc.wait()
        self.assertIsNone(proc.end())
        return job

    def segments(self):
        return sorted(glob.glob(os.path.join(self.folder, "journal", "seg-*.log")))

    def longest(self):
        return max(self.segments(), key=os.path.getsize)

    def journal_bytes(self):
        return sum(os.path.getsize(s) for s in self.segments())

    def refused(self, job, *args, code=1):
        """The text on stderr of a run that must not start."""
        proc = self.bench.coordinator(job, *args, name="refused")
        self.assertEqual(proc.wait(30), code, proc.log())
        return proc.log()

    # -- the journal ---------------------------------------------------------

    def test_one_flipped_bit_early_in_a_long_journal_loses_no_committed_row(self):
        self.fleet()
        sha = self.quiet()
        # One shard only, so that nothing of the journal is deleted yet.
        job = self.killed_halfway(shard_rows=500000)
        path = self.longest()
        with open(path, "r+b") as f:
            f.seek(5000)
            byte = f.read(1)
            f.seek(5000)
            f.write(bytes([byte[0] ^ 0x10]))
        before = snapshot(os.path.join(self.folder, "journal"))
        text = self.refused(job)
        self.assertIn("journal repair", text)
        self.assertIn(os.path.basename(path), text)
        self.assertRegex(text, r"offset|byte")
        now = snapshot(os.path.join(self.folder, "journal"))
        for name, content in before.items():
            self.assertEqual(now[name], content, f"{name} was changed by a refused run")
        code, out, err = self.bench.cohort("journal", "check", self.folder)
        self.assertNotEqual(code, 0)
        self.assertIn(os.path.basename(path), out + err)
        code, out, err = self.bench.cohort("journal", "repair", self.folder)
        self.assertEqual(code, 0, out + err)
        self.check_journal(self.folder)
        end = self.complete(job)
        self.assertEqual(end["counters"].get("published", 0) * 250 < ROWS, True, "committed rows were drawn again")
        self.assertEqual(self.check_corpus(self.folder, ROWS).sha, sha)

    def test_a_torn_tail_is_cut_and_said(self):
        self.fleet()
        sha = self.quiet()
        job = self.killed_halfway()
        with open(self.longest(), "r+b") as f:
            f.truncate(os.path.getsize(self.longest()) - 777)
        code, out, err = self.bench.cohort("journal", "check", self.folder)
        self.assertEqual(code, 0, out + err)
        self.assertIn("torn", out + err)
        proc = self.bench.coordinator(job)
        self.assertEqual(proc.wait(60), 0, proc.log())
        self.assertIn("torn", proc.log())
        self.check_corpus(self.folder, ROWS, sha)

    def test_garbage_behind_the_end_is_a_torn_tail(self):
        self.fleet()
        sha = self.quiet()
        job = self.killed_halfway()
        with open(self.longest(), "ab") as f:
            f.write(self.random.randbytes(10000))
        self.complete(job)
        self.check_corpus(self.folder, ROWS, sha)

    def test_a_missing_segment_is_damage(self):
        self.fleet()
        job = self.killed_halfway()
        self.killed_again(job)
        self.assertGreater(len(self.segments()), 1)
        os.rename(self.segments()[0], self.bench.path("taken"))
        text = self.refused(job)
        self.assertIn("seg-", text)
        os.rename(self.bench.path("taken"), os.path.join(self.folder, "journal", "seg-0000000001-000001.log"))
        self.complete(job)

    def killed_again(self, job):
        """A second owner, killed once it has taken over."""
        proc = self.bench.coordinator(job)
        harness.wait_for("the new owner", lambda: proc.progress("drawn") or proc.end(), alive=[proc])
        proc.kill()
        proc.wait()

    # -- the model, the disk, the folder -------------------------------------

    def test_a_damaged_model_is_refused_by_name(self):
        self.fleet(workers=1)
        data = self.bench.path("data")
        os.mkdir(data)
        model = os.path.join(data, "us.model")
        shutil.copy(os.path.join(harness.BUILD, "share/cohort/us.model"), model)
        size = os.path.getsize(model)
        job = self.bench.job(1000)
        for at in (0, 20, size // 2, size - 1):
            with open(model, "r+b") as f:
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1]))
            self.assertIn("us.model", self.refused(job, "--data", data))
            with open(model, "r+b") as f:
                f.seek(at)
                f.write(bytes([byte]))
        with open(model, "r+b") as f:
            f.truncate(size - 100)
        self.assertIn("us.model", self.refused(job, "--data", data))
        os.unlink(model)
        self.assertIn("us.model", self.refused(job, "--data", data))
        self.assertFalse(os.path.exists(self.folder))

    def test_a_full_disk_ends_the_run_in_order_and_it_goes_on_with_room(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        disk = self.bench.path("disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", disk], capture_output=True).returncode:
            self.skipTest("may not mount a small file system here")
        try:
            self.fleet()
            sha = self.quiet(rows=60000)  # 35 MB
            job = self.bench.job(60000, out="disk/out", shard_rows=SHARD)
            proc = self.bench.coordinator(job)
            self.assertEqual(proc.wait(60), 1, proc.log())
            self.assertRegex(proc.log().lower(), "no space|disk is full|full")
            state = harness.run_json(self.bench.path("disk/out"))
            self.assertEqual(state["state"], "failed")
            self.assertTrue(harness.ledger_holds(state["ledger"]), state)
            self.check_journal(self.bench.path("disk/out"))
            subprocess.run(["mount", "-o", "remount,size=400m", disk], check=True)
            self.complete(job)
            self.check_corpus(self.bench.path("disk/out"), 60000, sha)
        finally:
            for proc in self.bench.procs:
                proc.kill()
                proc.popen.wait()
            subprocess.run(["umount", disk], check=True)

    def as_nobody(self, job):
        """A run without root's rights: (exit code, stderr)."""
        args = [f"{harness.BIN}/cohort-coordinator", "run", job, "--broker", self.bench.front]
        if os.geteuid() == 0:
            args = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] + args
        done = subprocess.run(args, capture_output=True, text=True, timeout=30 * harness.FACTOR, env=self.bench.env())
        return done.returncode, done.stderr

    def test_a_folder_without_rights_is_refused(self):
        if os.geteuid() == 0 and not shutil.which("setpriv"):
            self.skipTest("needs setpriv to give up root's rights")
        os.chmod(self.bench.top, 0o755)
        locked = self.bench.path("locked")
        os.mkdir(locked, 0o555)
        code, text = self.as_nobody(self.bench.job(1000, out="locked/out"))
        if code in (126, 127):
            self.skipTest("program or libraries cannot be reached without root's rights")
        self.assertIn(code, (1, 2), text)
        self.assertIn("Permission denied", text)
        self.assertIn("locked", text)
        job = self.bench.job(1000, out="locked/out")
        os.chmod(job, 0)
        code, text = self.as_nobody(job)
        self.assertIn(code, (1, 2), text)
        self.assertIn("job.yaml", text)

    def test_an_output_that_is_a_file_is_refused(self):
        with open(self.bench.path("file"), "w") as f:
            f.write("here\n")
        text = self.refused(self.bench.job(1000, out="file"))
        self.assertIn("file", text)
        text = self.refused(self.bench.job(1000, out="file/below"))
        with open(self.bench.path("file")) as f:
            self.assertEqual(f.read(), "here\n")

    def test_a_folder_in_use_is_refused_with_the_process(self):
        self.fleet()
        job = self.bench.job(2000, service="slow")
        proc = self.bench.coordinator(job)
        harness.wait_for("the owner", lambda: proc.progress("drawn"), alive=[proc])
        text = self.refused(job)
        self.assertIn("in use", text)
        self.assertIn(str(proc.pid), text)
        self.assertIsNone(proc.code())

    # -- another job on the folder -------------------------------------------

    def test_another_recipe_is_refused_and_says_what_differs(self):
        self.fleet()
        self.complete(self.bench.job(1000))
        before = snapshot(self.folder)
        self.assertIn("seed", self.refused(self.bench.job(1000, seed=43)))
        self.assertIn("where", self.refused(self.bench.job(1000, where="{age: {min: 21}}")))
        self.assertIn("phases", self.refused(self.bench.job(1000, phases="[corpus]")))
        self.assertIn("shard_rows", self.refused(self.bench.job(1000, shard_rows=500)))
        self.assertIn("rows", self.refused(self.bench.job(500)))
        self.assertEqual(snapshot(self.folder), before)

    def test_a_finished_run_changes_nothing(self):
        self.fleet()
        job = self.bench.job(1000)
        self.complete(job)
        before = snapshot(self.folder)
        end = self.complete(job)
        self.assertIn("finished already", end["text"])
        self.assertEqual(snapshot(self.folder), before)

    def test_more_rows_extend_a_finished_run(self):
        """The same bytes as made at once, also from the middle of a shard."""
        self.fleet()
        self.complete(self.bench.job(6100, out="once", name="once.yaml", shard_rows=SHARD))
        sha = self.check_corpus(self.bench.path("once"), 6100).sha
        for rows in (1, 2499, 2500, 4000, 6100):
            self.complete(self.bench.job(rows, shard_rows=SHARD))
            self.check_corpus(self.folder, rows)
        self.check_corpus(self.folder, 6100, sha)

    def test_more_rows_after_a_kill_extend_too(self):
        self.fleet()
        sha = self.quiet(rows=ROWS + 7777)
        self.killed_halfway()
        self.complete(self.bench.job(ROWS + 7777, shard_rows=SHARD))
        self.check_corpus(self.folder, ROWS + 7777, sha)

    def test_rows_out_of_range_are_a_bad_job_file(self):
        for rows in (0, 10**13, -1, "many"):
            self.assertIn("rows", self.refused(self.bench.job(rows), code=2))

    # -- stopping ------------------------------------------------------------

    def test_a_stopped_run_goes_on(self):
        """20 ms a row: no machine is fast enough to end before the signal."""
        broker, workers = self.fleet()
        sha = self.quiet()
        for number in (signal.SIGINT, signal.SIGTERM):
            proc = self.bench.coordinator(self.bench.job(ROWS, shard_rows=SHARD, service="slow"))
            harness.wait_for("rows", lambda: proc.progress("drawn"), alive=[proc])
            proc.kill(number)
            self.assertEqual(proc.wait(30), 3, proc.log())
            self.assertEqual(proc.end()["state"], "stopped")
            self.assertTrue(harness.ledger_holds(harness.run_json(self.folder)["ledger"]))
        for proc in [broker] + workers:  # what they hold would take its time
            proc.kill()
            proc.wait()
        self.fleet()
        self.complete(self.bench.job(ROWS, shard_rows=SHARD))
        self.check_corpus(self.folder, ROWS, sha)


if __name__ == "__main__":
    unittest.main(verbosity=2)
