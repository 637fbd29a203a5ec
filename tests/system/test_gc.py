"""`cohort gc`: what goes, what stays, and that a dry run says just that."""
import glob
import json
import os
import shutil
import time
import unittest

import harness

DAY_MS = 86400000


def snapshot(top):
    """Everything below a folder, to see that nothing changed."""
    found = {}
    for dir, _, files in os.walk(top):
        for name in files:
            path = os.path.join(dir, name)
            if name == ".lock":
                continue  # names whoever looked last
            # Programs that run write on; gc takes such a file away or leaves it.
            written = name.endswith((".log", ".aof"))
            found[path] = 0 if written else os.stat(path).st_size
        found[dir] = sorted(files)
    return found


class Gc(harness.SystemTest):
    def gc(self, *args, code=0):
        got, out, err = self.bench.cohort("gc", *args)
        self.assertEqual(got, code, out + err)
        return out

    def both(self, *args):
        """A dry run, which must change nothing, then the same for real; the
        lines of both must be the same."""
        before = snapshot(self.bench.top)
        keys = sorted(self.bench.redis_call("KEYS", "*") or []) if self.bench.redis_port else []
        dry = self.gc("--dry-run", *args)
        self.assertEqual(snapshot(self.bench.top), before)
        if self.bench.redis_port:
            self.assertEqual(sorted(self.bench.redis_call("KEYS", "*")), keys)
        done = self.gc(*args)
        self.assertEqual(dry.replace("would remove", "remove").replace("\nremove ", "\n"),
                         done.replace("removed ", "remove ").replace("\nremove ", "\n"))
        return done

    def run_job(self, rows=500, out="out", name="job.yaml", **more):
        job = self.bench.job(rows, out=out, name=name, **more)
        code, out, err = self.bench.cohort("run", job, "--workers", "1", seconds=60)
        self.assertEqual(code, 0, err)
        return job

    def age_run(self, days, folder="out"):
        """As if the run had ended so many days ago."""
        path = self.bench.path(folder, "run.json")
        with open(path) as f:
            run = json.load(f)
        run["ended_ms"] -= days * DAY_MS
        with open(path, "w") as f:
            json.dump(run, f)

    def say(self, *words):
        answer = self.bench.redis_call(*words)
        self.assertFalse(isinstance(answer, str) and answer.startswith("-"), answer)
        return answer

    def redis_url(self):
        return f"redis://127.0.0.1:{self.bench.redis_port}"

    # -- folders -----------------------------------------------------------------

    def test_without_options_a_finished_run_keeps_all_that_it_has(self):
        self.run_job()
        self.age_run(1000)
        before = snapshot(self.bench.path("out"))
        self.assertIn("removed 0 things", self.both(self.bench.path("out")))
        self.assertEqual(snapshot(self.bench.path("out")), before)

    def test_a_journal_goes_when_asked_and_what_is_lost_is_said_and_true(self):
        job = self.run_job()
        self.age_run(40)
        rows = harness.Corpus(self.bench.path("out")).sha
        self.assertIn("finished 40 d ago", self.gc("--journals-age", "41d", self.bench.path("out")))
        self.assertTrue(os.path.isdir(self.bench.path("out", "journal")))
        said = self.both("--journals-age", "30d", self.bench.path("out"))
        self.assertIn("no rows can be added", said)
        self.assertFalse(os.path.exists(self.bench.path("out", "journal")))
        self.assertEqual(glob.glob(self.bench.path("out", "part-*.hashes")), [])
        # What stays works; what was said to be lost is refused, not damaged.
        self.assertEqual(harness.Corpus(self.bench.path("out")).sha, rows)
        code, out, err = self.bench.cohort("query", self.bench.path("out"), "age >= 18", "--count")
        self.assertEqual(code, 0, err)
        for more in [], ["--rows", "600"]:
            code, _, err = self.bench.cohort("run", job, "--workers", "1", *more, seconds=60)
            self.assertEqual(code, 1)
            self.assertIn("no journal of a run", err)
        self.assertEqual(harness.Corpus(self.bench.path("out")).sha, rows)
        self.assertIn("removed 0 things", self.gc("--journals-age", "30d", self.bench.path("out")))

    def test_a_gc_that_was_killed_in_between_is_finished_by_the_next(self):
        self.run_job()
        self.age_run(2)
        os.rename(self.bench.path("out", "journal"), self.bench.path("out", "journal.removed"))
        self.assertIn("that only served the journal", self.both(self.bench.path("out")))
        self.assertFalse(os.path.exists(self.bench.path("out", "journal.removed")))
        self.assertEqual(glob.glob(self.bench.path("out", "part-*.hashes")), [])

    def test_an_unfinished_run_is_never_touched(self):
        self.run_job()
        path = self.bench.path("out", "run.json")
        with open(path) as f:
            run = json.load(f)
        for name in "part-00000.jsonl.zst.tmp", ".MANIFEST.json.tmp":
            with open(self.bench.path("out", name), "w") as f:
                f.write("cut")
            os.utime(self.bench.path("out", name), (1, 1))
        for state in "stopped", "partial", "failed", "running":
            run["state"] = state
            run["pid"] = 2 ** 22 + 1  # nobody's
            with open(path, "w") as f:
                json.dump(run, f)
            before = snapshot(self.bench.path("out"))
            said = self.both("--journals-age", "1ms", self.bench.path("out"))
            self.assertIn("keep  run", said)
            self.assertEqual(snapshot(self.bench.path("out")), before)

    def test_a_folder_in_use_is_never_touched(self):
        import fcntl

        self.run_job()
        self.age_run(2)
        with open(self.bench.path("out", ".lock"), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = snapshot(self.bench.path("out"))
            said = self.both("--journals-age", "1d", self.bench.path("out"))
            self.assertIn("in use by process", said)
            self.assertEqual(snapshot(self.bench.path("out")), before)

    def test_a_journal_that_is_damaged_or_a_corpus_that_is_not_whole_is_kept(self):
        self.run_job()
        self.age_run(2)
        segment = glob.glob(self.bench.path("out", "journal", "seg-*.log"))[0]
        with open(segment, "r+b") as f:
            f.seek(200)
            byte = f.read(1)
            f.seek(200)
            f.write(bytes([byte[0] ^ 1]))
        said = self.both("--journals-age", "1d", self.bench.path("out"))
        self.assertIn("keep  journal", said)
        self.assertTrue(os.path.exists(segment))
        os.remove(self.bench.path("out", "MANIFEST.json"))
        self.assertIn("keep  journal", self.both("--journals-age", "1d", self.bench.path("out")))
        self.assertTrue(os.path.exists(segment))

    def test_files_that_a_killed_program_left_in_a_finished_run_go_when_old(self):
        self.run_job()
        for name in "part-00001.jsonl.zst.tmp", ".run.json.tmp", "mine.tmp", ".redis/appendonlydir/x":
            path = self.bench.path("out", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write("cut")
        folder = self.bench.path("out")
        self.assertIn("removed 0 things", self.both(folder))
        for name in "part-00001.jsonl.zst.tmp", ".run.json.tmp", "mine.tmp", ".redis":
            os.utime(self.bench.path("out", name), (1, 1))
        self.assertIn("removed 3 things", self.both(folder))
        self.assertFalse(os.path.exists(self.bench.path("out", ".redis")))
        self.assertTrue(os.path.exists(self.bench.path("out", "mine.tmp")))
        self.assertTrue(os.path.isdir(self.bench.path("out", "journal")))

    def test_a_folder_of_runs_is_gone_through_and_one_that_is_not_there_is_refused(self):
        self.run_job(out="all/a", name="a.yaml")
        self.run_job(out="all/b", name="b.yaml")
        os.symlink(self.bench.path("all/a"), self.bench.path("all/link"))
        for name in "a", "b":
            self.age_run(9, folder=f"all/{name}")
        said = self.both("--journals-age", "8d", self.bench.path("all"))
        self.assertEqual(said.count("  journal  "), 2)
        os.mkdir(self.bench.path("empty"))
        self.assertIn("empty: no run in it", self.both(self.bench.path("empty")))
        code, _, err = self.bench.cohort("gc", self.bench.path("none"))
        self.assertEqual(code, 2)
        self.assertIn("none", err)

    # -- this machine ------------------------------------------------------------

    def test_sockets_and_entries_of_killed_commands_go(self):
        self.run_job()
        left = self.bench.path("run", "cohort-run-abcdef")
        os.mkdir(left, 0o700)
        with open(os.path.join(left, ".lock"), "w") as f:
            f.write("1\n")
        self.assertIn("removed 0 things", self.both("--stale-age", "1h"))
        os.utime(left, (1, 1))
        shutil.rmtree(self.bench.path("out"))
        said = self.both("--stale-age", "1h")
        self.assertIn(f"{left}: its command is gone", said)
        self.assertIn("/out is gone", said)
        self.assertIn("removed 2 things", said)
        self.assertFalse(os.path.exists(left))
        self.assertEqual(os.listdir(self.bench.path("state/cohort/runs")), [])

    # -- Redis -------------------------------------------------------------------

    def namespace(self, ns, days, state="complete", job="00000000000000aa"):
        """What a fleet leaves that ended so many days ago."""
        at = int(time.time() * 1000) - days * DAY_MS
        key = f"cohort:{{{ns}}}:"
        self.say("SET", key + "schema", "1")
        self.say("ZADD", key + "workers", at, "w1")
        self.say("ZADD", key + "jobs", at, job)
        self.say("HSET", key + f"job:{job}", "state", state, "name", "n")
        self.say("RPUSH", key + f"series:{job}", json.dumps({"time_ms": at}))
        self.say("XADD", key + "events", f"{at}-1", "kind", "job")
        self.say("HSET", key + "queue:noop", "queued.b-1", 3, "at.b-1", at, "backlog.c-1", 0)
        return key

    def keys(self, ns):
        return sorted(k for k in self.say("KEYS", "*") if k.startswith(f"cohort:{{{ns}}}:"))

    def test_dead_namespaces_go_and_others_stay(self):
        self.bench.redis()
        self.namespace("dead", 9)
        self.namespace("d*", 9)
        self.namespace("young", 6)
        self.namespace("open", 9, state="stopped")
        self.namespace("alive", 9)
        self.say("SET", "cohort:{alive}:owner:job:00000000000000aa", "1")
        self.say("SET", "cohort:{odd}:schema", "1")
        self.say("SET", "theirs", "1")
        kept = {ns: self.keys(ns) for ns in ("young", "open", "odd")}
        said = self.both("--redis", self.redis_url())
        self.assertIn("dead: 7 keys, no sign of life for 9 d", said)
        self.assertIn("open: 1 jobs in it are not finished", said)
        self.assertIn("odd: nothing in it tells how old it is", said)
        for ns, keys in kept.items():
            self.assertEqual(self.keys(ns), keys)
        self.assertEqual(self.keys("dead") + self.keys("d*"), [])
        self.assertIn("cohort:{alive}:jobs", self.keys("alive"))
        self.assertEqual(self.say("GET", "theirs"), "1")
        self.both("--redis", self.redis_url(), "--unfinished")
        self.assertEqual(self.keys("open"), [])

    def test_in_a_namespace_that_lives_old_jobs_events_and_fields_go(self):
        self.bench.redis()
        self.namespace("live", 60, job="00000000000000dd")
        self.namespace("live", 50, state="partial", job="00000000000000bb")
        key = self.namespace("live", 40)
        self.namespace("live", 3, job="00000000000000cc")
        self.say("XADD", key + "dead:00000000000000dd", "*", "why", "poison")
        self.say("HSET", key + "queue:noop", "queued.b-1", 3, "at.b-1", 7, "queued.b-2", 1, "at.b-2", int(time.time() * 1000), "at.b-3", 5)
        self.say("HSET", key + "broker:b-3", "state", "ready")
        said = self.both("--redis", self.redis_url())
        self.assertIn("00000000000000aa of namespace live: complete", said)
        self.assertIn("00000000000000dd of namespace live: has dead letters", said)
        self.assertEqual(
            self.say("ZRANGE", key + "jobs", 0, -1), ["00000000000000dd", "00000000000000bb", "00000000000000cc"])
        self.assertEqual(self.say("EXISTS", key + "job:00000000000000aa", key + "series:00000000000000aa"), 0)
        self.assertEqual(self.say("XLEN", key + "events"), 1)
        fields = self.say("HKEYS", key + "queue:noop")
        self.assertEqual(sorted(fields), ["at.b-2", "at.b-3", "backlog.c-1", "queued.b-2"])
        self.assertIn("removed 0 things", self.both("--redis", self.redis_url()))

    def test_a_running_fleet_loses_nothing(self):
        self.bench.redis()
        self.bench.broker()
        self.bench.worker()
        # The event that a worker came, and the queues it serves, are the last
        # keys that are new.
        kinds = {"broker", "brokers", "worker", "workers", "events"}
        queues = {"queue:noop", "queue:slow", "queue:persona.corpus", "queue:persona.compose"}

        def all_told():
            names = [key.split(":", 2)[2] for key in self.keys("default")]
            return kinds <= {name.split(":")[0] for name in names} and queues <= set(names)

        harness.wait_for("heartbeats, events and queues", all_told)
        said = self.both("--redis", self.redis_url(), "--namespaces-age", "1m", "--unfinished")
        self.assertIn("removed 0 things", said)

    def test_a_redis_that_is_not_there_or_refuses_is_told(self):
        code, _, err = self.bench.cohort("gc", "--redis", "redis://127.0.0.1:1")
        self.assertEqual(code, 1)
        self.assertIn("cannot be reached", err)
        self.bench.redis()
        self.say("ACL", "SETUSER", "look", "on", ">pw", "~cohort:*", "+@connection", "+@read", "-scan", "+info")
        code, _, err = self.bench.cohort("gc", "--redis", f"redis://look:pw@127.0.0.1:{self.bench.redis_port}")
        self.assertEqual(code, 1)
        self.assertIn("refused SCAN 0: its user may not do that (NOPERM", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
