"""`cohort run`, `status`, `submit`, `bench` as a person calls them; killed,
interrupted and called again."""
import glob
import json
import os
import shutil
import signal
import unittest

import harness

# Long enough to be met while it runs; and for a run that is told to stop twice
# more than twice the 65,536 rows that may be under way.
ROWS = 60000 if harness.FACTOR == 1 else 15000
LONG = 150000


class Command(harness.SystemTest):
    def run_command(self, job, *args, name="command", env=None):
        """Starts `cohort run` in the background; stdout goes to its log."""
        return self.bench.start(name, [f"{harness.BIN}/cohort", "run", job, "--workers", "2", "--json"] + list(args), env=env)

    def segments(self, folder="out"):
        return set(glob.glob(self.bench.path(folder, "journal", "seg-*.log")))

    def journal_grows(self, folder="out", but=()):
        """Committed rows in a segment that was not there before."""
        for path in self.segments(folder) - set(but):
            try:
                if os.path.getsize(path) > 1 << 20:
                    return True
            except FileNotFoundError:
                continue
        return False

    def begin(self, job=None, **more):
        before = self.segments()
        proc = self.run_command(job or self.bench.job(ROWS, shard_rows=2500), **more)
        harness.wait_for("committed rows", lambda: self.journal_grows(but=before), alive=[proc])
        return proc

    def nothing_left(self, seconds=2.0):
        harness.wait_for(
            "the end of all processes of the run",
            lambda: not self.bench.marked(),
            seconds=seconds,
        )

    def describe_left(self):
        left = []
        for pid in self.bench.marked():
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                left.append(f.read().replace(b"\0", b" ").decode())
        return left

    # -- to the end ------------------------------------------------------------

    def test_the_example_runs_and_says_what_it_did(self):
        example = os.path.join(harness.ROOT, "examples/us-adults.yaml")
        out = self.bench.path("out")
        code, text, err = self.bench.cohort("run", example, "--out", out, "--workers", 2, seconds=60)
        self.assertEqual(code, 0, text + err)
        corpus = self.check_corpus(out, 10000)
        self.assertEqual(len(set(corpus.uuids())), 10000)
        for word in ("10,000", "drawn", "accepted", "rejected", "surplus", "pending"):
            self.assertIn(word, text + err)
        self.nothing_left()
        code, text, err = self.bench.cohort("run", example, "--out", out, "--workers", 2, seconds=60)
        self.assertEqual(code, 0, text + err)
        self.assertIn("finished", text + err)
        self.nothing_left()

    def test_json_is_one_object_a_line_with_the_end_last(self):
        proc = self.run_command(self.bench.job(1000))
        self.assertEqual(proc.wait(60), 0, proc.log())
        lines = [json.loads(l) for l in proc.log().splitlines() if l.startswith("{")]
        self.assertEqual(lines[-1]["event"], "end")
        self.assertEqual(lines[-1]["exit"], 0)
        self.assertTrue(harness.ledger_holds(lines[-1]))

    def test_commands_share_a_running_fleet(self):
        """--broker: two runs at the same time on the same workers."""
        self.fleet(workers=2)
        procs = []
        for i in range(2):
            job = self.bench.job(ROWS // 2, out=f"out{i}", name=f"job{i}.yaml", shard_rows=5000)
            args = [f"{harness.BIN}/cohort", "run", job, "--broker", self.bench.front]
            procs.append(self.bench.start(f"command{i}", args))
        for proc in procs:
            self.assertEqual(proc.wait(90), 0, proc.log())
        shas = {self.check_corpus(self.bench.path(f"out{i}"), ROWS // 2).sha for i in range(2)}
        self.assertEqual(len(shas), 1)

    # -- stopped and killed --------------------------------------------------------

    def test_interrupted_it_ends_with_3_and_goes_on(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            proc = self.begin(self.bench.job(LONG, shard_rows=2500))
            proc.kill(number)
            self.assertEqual(proc.wait(30), 3, proc.log())
            self.nothing_left()
            self.assertEqual(harness.run_json(self.bench.path("out"))["state"], "stopped")
        proc = self.run_command(self.bench.path("job.yaml"))
        self.assertEqual(proc.wait(90), 0, proc.log())
        self.check_corpus(self.bench.path("out"), LONG)

    def test_interrupted_by_the_terminal_everybody_gets_the_signal(self):
        """^C reaches the whole process group, not only the command."""
        proc = self.begin(self.bench.job(LONG, shard_rows=2500))
        os.killpg(proc.pid, signal.SIGINT)
        self.assertEqual(proc.wait(30), 3, proc.log())
        self.nothing_left()
        self.check_journal(self.bench.path("out"))

    def test_told_to_stop_twice_it_ends_at_once_and_says_so_everywhere(self):
        proc = self.begin(self.bench.job(LONG, shard_rows=2500))
        coordinator = harness.run_json(self.bench.path("out"))["pid"]
        os.kill(coordinator, signal.SIGSTOP)  # it cannot end by itself before the second
        proc.kill(signal.SIGINT)
        harness.wait_for("the first to be heard", lambda: "stopping" in proc.log(), alive=[proc])
        proc.ends_within(0.5)  # signals that come together are one ^C
        proc.kill(signal.SIGINT)
        self.assertEqual(proc.wait(30), 3, proc.log())
        self.nothing_left()
        run = harness.run_json(self.bench.path("out"))
        self.assertEqual((run["state"], run["pid"]), ("stopped", coordinator))
        self.assertTrue(run["text"].startswith("stopped at once"), run)
        self.assertGreaterEqual(run["ended_ms"], run["started_ms"])
        self.assertEqual(run["ledger"]["requested"], LONG)
        self.check_journal(self.bench.path("out"))

    def test_killed_it_leaves_nothing_alive_and_the_same_command_goes_on(self):
        for _ in range(2):
            proc = self.begin()
            self.assertGreaterEqual(len(self.bench.marked()), 6)  # redis, broker, workers, coordinator
            proc.kill()
            proc.wait()
            try:
                self.nothing_left()
            except AssertionError:
                self.fail(f"alive after 2 s: {self.describe_left()}")
        proc = self.run_command(self.bench.path("job.yaml"))
        self.assertEqual(proc.wait(90), 0, proc.log())
        self.check_corpus(self.bench.path("out"), ROWS)

    def test_killed_while_it_starts_it_leaves_nothing_alive(self):
        for i in range(8):
            proc = self.run_command(self.bench.job(ROWS, out=f"out{i}"))
            proc.ends_within(self.random.uniform(0, 0.25))
            proc.kill()
            proc.wait()
            try:
                self.nothing_left()
            except AssertionError:
                self.fail(f"alive after 2 s: {self.describe_left()}")

    def children(self, name):
        found = []
        for pid in self.bench.marked():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if name.encode() in f.read().split(b"\0")[0].split(b" ")[0]:
                        found.append(pid)
            except OSError:
                continue
        return found

    def test_each_of_its_processes_may_be_killed(self):
        """The command starts again what dies, or ends saying so; the same
        command then goes on. Never a hang, never another row."""
        job = self.bench.job(ROWS, shard_rows=2500)
        for name in ("cohort-worker", "cohort-broker", "redis-server", "cohort-coordinator"):
            proc = self.begin(job)
            victims = self.children(name)
            self.assertTrue(victims, f"no {name} is there")
            os.kill(self.random.choice(victims), signal.SIGKILL)
            code = proc.wait(60)
            self.nothing_left()
            self.assertIn(code, (0, 1, 3), proc.log())
            if code == 0:
                self.check_corpus(self.bench.path("out"), ROWS)
                shutil.rmtree(self.bench.path("out"))
        proc = self.run_command(job)
        self.assertEqual(proc.wait(90), 0, proc.log())
        self.check_corpus(self.bench.path("out"), ROWS)

    # -- bad calls -------------------------------------------------------------------

    def test_help_is_given_however_it_is_asked_for(self):
        run = self.bench.cohort("run", "--help")
        self.assertEqual(run[0], 0)
        self.assertEqual(self.bench.cohort("help", "run")[:2], run[:2])
        self.assertIn("journal check", self.bench.cohort("help", "journal", "check")[1])
        code, text, _ = self.bench.cohort("journal", "--help")
        self.assertEqual((code, text), (0, "There is cohort journal check, journal repair; each answers --help\n"))
        self.assertEqual(self.bench.cohort("journal")[0], 2)
        self.assertEqual(self.bench.cohort("help", "jurnal")[0], 2)

    def test_bad_jobs_end_with_2_and_start_nothing(self):
        texts = {
            "sede: 1\n": "seed",
            "rows: many\n": "rows",
            "a: &x [1]\nb: *x\n": "alias",
            "[" * 100: "yaml",
            "": "empty",
        }
        for text, word in texts.items():
            with open(self.bench.path("bad.yaml"), "w") as f:
                f.write(text)
            for command in ("run", "validate"):
                code, out, err = self.bench.cohort(command, self.bench.path("bad.yaml"))
                self.assertEqual(code, 2, out + err)
                self.assertIn(word, (out + err).lower())
        big = self.bench.path("big.yaml")
        with open(big, "w") as f:
            f.truncate(100 << 20)
        code, out, err = self.bench.cohort("run", big)
        self.assertEqual(code, 2, out + err)
        code, out, err = self.bench.cohort("run", self.bench.path("none.yaml"))
        self.assertEqual(code, 2, out + err)
        self.assertEqual(self.bench.marked(), [])

    def test_a_broker_that_is_not_there_is_said(self):
        job = self.bench.job(1000)
        args = [f"{harness.BIN}/cohort", "run", job, "--broker", f"ipc://{self.bench.top}/nobody"]
        proc = self.bench.start("command", args)
        harness.wait_for("a word about the broker", lambda: "broker" in proc.log(), seconds=20)
        proc.kill(signal.SIGINT)
        self.assertIn(proc.wait(30), (1, 3), proc.log())
        self.nothing_left()

    # -- the daemon ------------------------------------------------------------------

    def daemon(self):
        self.listen = f"ipc://{self.bench.top}/daemon"
        proc = self.bench.start(
            "daemon",
            [f"{harness.BIN}/cohort-coordinator", "serve", "--listen", self.listen, "--out", self.bench.path("jobs"),
             "--broker", self.bench.front, "--log-level", "info"] + self.bench.redis_args(),
            ready=True,
        )
        harness.wait_for("the daemon", lambda: proc.ready_line, alive=[proc])
        return proc

    def job_child(self, daemon):
        """The process that runs a job under the daemon."""
        for pid in self.children("cohort-coordinator"):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == daemon.pid:
                        return pid
            except OSError:
                continue
        return None

    def complete_state(self, folder):
        try:
            return harness.run_json(folder)["state"] == "complete"
        except (OSError, ValueError):
            return False

    def test_a_submitted_job_ends_though_its_process_is_killed(self):
        self.fleet(workers=2)
        daemon = self.daemon()
        job = self.bench.job(ROWS, shard_rows=2500, out="jobs/a")
        code, out, err = self.bench.cohort("submit", "--coordinator", self.listen, job)
        self.assertEqual(code, 0, out + err)
        self.assertIn(self.bench.path("jobs/a"), out)
        harness.wait_for("committed rows", lambda: self.journal_grows("jobs/a"), alive=[daemon])
        code, out, err = self.bench.cohort("submit", "--coordinator", self.listen, job)
        self.assertNotEqual(code, 0, "the folder is in use")
        child = harness.wait_for("the job's process", lambda: self.job_child(daemon))
        os.kill(child, signal.SIGKILL)
        harness.wait_for("the end", lambda: self.complete_state(self.bench.path("jobs/a")), 60, alive=[daemon])
        harness.wait_for("the child's end", lambda: not self.job_child(daemon))
        self.check_corpus(self.bench.path("jobs/a"), ROWS)
        daemon.kill(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0, daemon.log())

    def test_a_killed_daemon_takes_its_jobs_up_again(self):
        self.fleet(workers=2)
        daemon = self.daemon()
        job = self.bench.job(ROWS, shard_rows=2500, out="jobs/a")
        code, out, err = self.bench.cohort("submit", "--coordinator", self.listen, job)
        self.assertEqual(code, 0, out + err)
        harness.wait_for("committed rows", lambda: self.journal_grows("jobs/a"), alive=[daemon])
        daemon.kill()
        daemon.wait()
        daemon = self.daemon()
        harness.wait_for("the end", lambda: self.complete_state(self.bench.path("jobs/a")), 60, alive=[daemon])
        self.check_corpus(self.bench.path("jobs/a"), ROWS)

    def test_a_bad_job_is_refused_at_submission(self):
        self.bench.broker()
        self.daemon()
        code, out, err = self.bench.cohort("submit", "--coordinator", self.listen, self.bench.job(0))
        self.assertIn(code, (1, 2))
        self.assertIn("rows", out + err)
        nobody = f"ipc://{self.bench.top}/nobody"
        code, out, err = self.bench.cohort("submit", "--coordinator", nobody, "--timeout", "1s", self.bench.job(10))
        self.assertEqual(code, 1)

    # -- status, bench, doctor -----------------------------------------------------

    def test_status_sees_a_run_while_it_runs_and_afterwards(self):
        proc = self.begin()
        code, out, err = self.bench.cohort("status", self.bench.path("out"), "--json")
        self.assertEqual(code, 0, out + err)
        self.assertIn(json.loads(out)["state"], ("running", "starting", "complete"))
        self.assertEqual(proc.wait(90), 0, proc.log())
        code, out, err = self.bench.cohort("status", self.bench.path("out"), "--json")
        self.assertEqual(code, 0, out + err)
        self.assertEqual(json.loads(out)["state"], "complete")
        # Its pid is another process's by now: nothing goes on all the same.
        runs = self.bench.path("state", "cohort", "runs")
        entry, = (os.path.join(runs, name) for name in os.listdir(runs))
        with open(entry) as f:
            told = json.load(f)
        with open(entry, "w") as f:
            json.dump({**told, "pid": os.getpid()}, f)
        code, _, err = self.bench.cohort("why")
        self.assertEqual(code, 1)
        self.assertIn("no run goes on on this machine", err)

    def test_bench_tasks_counts_and_measures(self):
        keep = self.bench.path("kept")
        code, out, err = self.bench.cohort("bench", "tasks", "-n", 50000, "--workers", 2, "--keep", keep, "--json", seconds=60)
        self.assertEqual(code, 0, out + err)
        result = json.loads(out)
        for key in ("tasks_per_s", "p50_ms", "p99_ms", "cpu_us_per_task"):
            self.assertGreater(result[key], 0, key)
        self.check_journal(keep)
        self.nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
