"""What the command says when something is wrong: exit codes, the place and the
next step in its messages, over all commands; and that values of others (from
Redis, from files) cannot pass for words of its own. Through the real program."""
import json
import os
import resource
import select
import signal
import socket
import subprocess
import threading
import unittest

import harness

PREFIX = "cohort:{default}:"
# Commands that look at a Redis, and need nothing else.
LOOK = (["status"], ["top", "--once"], ["why"], ["events"], ["workers"], ["scale"], ["gc"])
FORGED = "x\nall is well  complete\x1b[2J"


class Words(harness.SystemTest):
    def said(self, code, *args, **more):
        """It ends with that code and one message, which is given back."""
        got, out, err = self.bench.cohort(*args, **more)
        self.assertEqual(got, code, f"{args}: {out}{err}")
        self.assertTrue(err.startswith("cohort"), err)
        self.assertTrue(err.endswith("\n"), err)
        return err

    def file(self, name, content=b""):
        path = self.bench.path(name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    # ---- Redis ----

    def test_a_redis_that_is_away_is_1_and_an_address_that_is_wrong_is_2(self):
        job = self.bench.job(10)
        for command in LOOK + (["run", job],):
            away = self.said(1, *command, "--redis", "redis://127.0.0.1:1")
            self.assertIn("redis://127.0.0.1:1 cannot be reached: Connection refused", away)
            far = self.said(2, *command, "--redis", "redis://10.1.2.3:6379")
            self.assertIn("--redis-insecure", far)
            self.assertIn("redis:// or unix://", self.said(2, *command, "--redis", "http://x"))
        self.assertFalse(os.path.exists(self.bench.path("out")))

    def test_what_redis_refuses_is_said_with_the_place_the_reason_and_the_next_step(self):
        self.bench.redis()
        redis = self.bench.redis_args()
        for key in ("jobs", "workers", "services", "events"):
            self.bench.redis_call("SET", PREFIX + key, "mine")
        for command in (["status"], ["top", "--once"], ["why"], ["events"], ["events", "--follow"], ["workers"], ["scale"]):
            err = self.said(1, *command, *redis)
            self.assertIn(f"redis://127.0.0.1:{self.bench.redis_port} refused ", err)
            self.assertIn(PREFIX, err)
            self.assertIn("redis-cli TYPE KEY", err)
        self.bench.redis_call("FLUSHALL")
        self.bench.redis_call("CONFIG", "SET", "maxmemory", "1")
        err = self.said(1, "scale", "slow", "3", "--new", *redis)
        self.assertIn(f"refused HSET {PREFIX}pin:slow: its memory is full (maxmemory)", err)
        self.assertIn("Raise maxmemory", err)
        self.bench.redis_call("CONFIG", "SET", "maxmemory", "0")
        self.bench.redis_call("CONFIG", "SET", "requirepass", "s3cret")
        self.assertIn("Give it in the address: redis://USER:PASSWORD@HOST:PORT", self.said(1, "status", *redis))
        err = self.said(1, "status", "--redis", f"redis://:wr0ng@127.0.0.1:{self.bench.redis_port}")
        self.assertIn("the user or the password is wrong", err)
        self.assertNotIn("wr0ng", err)

    def test_values_in_redis_are_shown_on_their_line_and_do_nothing_to_the_terminal(self):
        self.bench.redis()
        call = self.bench.redis_call
        now = int(call("TIME")[0]) * 1000
        for zset, id in (("jobs", "00000000000000aa"), ("workers", "00000000000000bb"), ("services", "slow")):
            call("ZADD", PREFIX + zset, now, id)
        call("HSET", PREFIX + "job:00000000000000aa", "name", FORGED, "state", "running", "why", FORGED, "folder", FORGED, "requested", 5)
        call("HSET", PREFIX + "worker:00000000000000bb", "name", FORGED, "state", "busy", "host", FORGED, "services", FORGED)
        call("HSET", PREFIX + "scale:slow", "desired", FORGED, "reason", FORGED, "mode", FORGED)
        call("XADD", PREFIX + "events", "*", "kind", "job", "name", FORGED, "why", FORGED, "time_ms", now)
        for command, lines in ((["status"], 1), (["status", "00000000000000aa"], None), (["workers"], 2), (["scale"], 6), (["events"], 1),
                               (["why"], None), (["top", "--once"], None), (["workers", "--drain", "00000000000000bb"], 1)):
            code, out, err = self.bench.cohort(*command, *self.bench.redis_args())
            self.assertEqual((code, err), (0, ""), command)
            self.assertNotIn("\x1b", out)
            self.assertFalse([line for line in out.splitlines() if line.startswith("all is well")], out)
            if lines:
                self.assertEqual(len(out.splitlines()), lines, out)
        code, out, _ = self.bench.cohort("status", "--json", *self.bench.redis_args())
        self.assertEqual(json.loads(out)[0]["name"], FORGED)  # JSON escapes, it loses nothing

    def between(self, answer):
        """The port of somebody between a client and Redis, who gives this
        answer to the first XREAD of all, and ends that connection."""
        front = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(front.close)
        answers = [answer]

        def serve(client):
            with client, socket.create_connection(("127.0.0.1", self.bench.redis_port)) as redis:
                while ready := select.select([client, redis], [], [])[0]:
                    for sock in ready:
                        if not (data := sock.recv(1 << 16)):
                            return
                        if sock is client and b"XREAD" in data and answers:
                            client.sendall(answers.pop())
                            return
                        (redis if sock is client else client).sendall(data)

        def accept():
            try:
                while True:
                    threading.Thread(target=serve, args=(front.accept()[0],), daemon=True).start()
            except OSError:
                pass  # the end of the test

        threading.Thread(target=accept, daemon=True).start()
        return front.getsockname()[1]

    def test_what_redis_answers_to_who_follows_events_does_nothing_to_the_terminal(self):
        self.bench.redis()
        port = self.between(b"-LOADING \x1b[2Jall is well\r\n")
        path = self.bench.path("said")
        with open(path, "wb") as said:
            proc = subprocess.Popen([f"{harness.BIN}/cohort", "events", "--follow", "--redis", f"redis://127.0.0.1:{port}"],
                                    env=self.bench.env(), cwd=self.bench.top, stdout=subprocess.DEVNULL, stderr=said)
        self.addCleanup(proc.wait)
        self.addCleanup(proc.terminate)

        def read():
            with open(path, "rb") as f:
                return f.read()

        harness.wait_for("the end of it", lambda: b"Redis is back" in read())
        self.assertIn(b"waiting for it", read())
        self.assertIn(b"?[2Jall is well", read())
        self.assertNotIn(b"\x1b", read())

    # ---- folders and files ----

    def test_a_folder_that_is_no_run_is_wrong_use_in_every_command(self):
        empty = self.bench.path("empty")
        os.mkdir(empty)
        for folder in (empty, "/etc", self.bench.path("none"), self.file("file")):
            for command in (["show", folder, 0], ["query", folder, "age > 3"], ["export", folder, "--format", "csv"], ["status", folder],
                            ["why", folder], ["dead", "list", folder], ["dead", "show", folder, 0], ["dead", "replay", folder],
                            ["dead", "discard", folder], ["journal", "check", folder], ["journal", "repair", folder]):
                err = self.said(2, *command)
                self.assertIn(str(folder), err)
        for folder in (self.bench.path("none"), self.file("file")):
            for command in (["gc", folder], ["phrases", "check", folder]):
                self.assertIn(str(folder), self.said(2, *command))
        self.assertEqual(os.listdir(empty), [])

    def test_a_run_that_gave_no_row_up_says_so(self):
        self.assertEqual(self.bench.cohort("run", self.bench.job(20))[0], 0)
        self.assertEqual(self.bench.cohort("dead", "list", self.bench.path("out"))[:2], (0, "no row was given up\n"))

    def test_job_files_that_are_none_are_named_with_their_line(self):
        bad = {"latin.yaml": b"name: a\nrows: \xff\n", "empty.yaml": b"", "nul.yaml": b"name: a\0\n", "huge.yaml": b"rows: " + b"9" * 40,
               "minus.yaml": b"rows: -5", "none.yaml": None, "folder.yaml": "folder"}
        for name, content in bad.items():
            path = self.bench.path(name)
            if isinstance(content, bytes):
                self.file(name, content)
            elif content:
                os.mkdir(path)
            for command in ("run", "validate", "submit"):
                self.assertIn(f"cohort {command}: {path}:", self.said(2, command, path))

    # ---- values ----

    def test_values_that_are_none_are_wrong_use_with_what_is_allowed(self):
        job = self.bench.job(10)
        for args, words in (
            (["run", job, "--rows", "-1"], 'found "-1"; allowed is a whole number'),
            (["run", job, "--rows", "1e9"], 'found "1e9"; allowed is a whole number'),
            (["submit", job, "--seed", "9" * 30], "at most 18446744073709551615"),
            (["run", job, "--workers", "-1"], "a whole number from 0 to 1024"),
            (["run", job, "--namespace", ""], "1 to 64 bytes"),
            (["run", job, "--broker", "nonsense"], "tcp://ADDRESS:PORT"),
            (["run", job, "--nosuch"], "unknown option --nosuch"),
            (["run", job, "more"], 'unexpected argument "more"'),
            (["run"], "an argument is missing. Usage: cohort run"),
            (["top", "--interval", "0"], "a time from 200ms to 1h"),
            (["events", "--since", "yesterday"], "15m"),
            (["events", "--job", "zz"], "16 hex digits"),
            (["scale", "sl/ow", "3"], "a-z A-Z 0-9"),
            (["scale", "slow", "many"], "a whole number from 0 to"),
            (["scale", "--min", "3"], "Name a service"),
            (["keygen", "king", "x"], "worker, coordinator or broker"),
            (["keygen", "worker", "../x"], "does not begin with a dot"),
            (["bench", "tasks", "-n", "0"], "a whole number from 1"),
            (["init", "--profile", "moon"], "one of laptop, fleet, kubernetes"),
            (["phrases", "try", "--column", "x"], "professional_persona"),
            (["nosuch"], "See cohort --help"),
            (["dead"], "dead list, dead show"),
        ):
            self.assertIn(words, self.said(2, *args))

    # ---- what the command starts ----

    def test_why_a_worker_cannot_start_is_said_when_it_is_given_up(self):
        job = self.bench.job(10)
        with open(job, "a") as f:
            f.write("provider: main\nproviders: {main: {kind: openai, model: m, endpoints: [{url: 'http://127.0.0.1:1'}]}}\n")
        done = subprocess.run(
            [f"{harness.BIN}/cohort", "run", job, "--workers", "1"], env=self.bench.env(), capture_output=True, text=True,
            timeout=60 * harness.FACTOR, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("the worker ended with exit code 1 6 times: cohort-worker: ", done.stderr)
        self.assertIn("raise `ulimit -Hn`", done.stderr)

    # ---- standard output ----

    def test_a_full_disk_behind_stdout_is_a_failure_and_a_reader_that_left_is_none(self):
        self.assertEqual(self.bench.cohort("run", self.bench.job(300))[0], 0)
        out = self.bench.path("out")
        for args in (["--help"], ["status", out], ["status"], ["dead", "list", out], ["query", out, "age > 1"], ["show", out, "1"]):
            command = [f"{harness.BIN}/cohort"] + args
            with open("/dev/full", "w") as full:
                done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=self.bench.env(), timeout=60 * harness.FACTOR)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn("not complete", done.stderr)
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=self.bench.env(), timeout=60 * harness.FACTOR)
            os.close(writer)
            # Ended by SIGPIPE as any program, or with 0 where it is ignored.
            self.assertIn(done.returncode, (0, -signal.SIGPIPE), f"{args}: {done.stderr}")
            self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
