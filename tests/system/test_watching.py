"""Watching a fleet from Redis alone: top, why, events; /metrics and its alert
rules; and the users of Redis that docs/operations.md gives."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import unittest
import urllib.error
import urllib.request

import fake_llm
import harness

PREFIX = "cohort:{default}:"
PROMETHEUS = os.path.join(harness.ROOT, "docker/prometheus")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Session:
    """One connection to Redis as a user: as KEDA's would be."""

    def __init__(self, port, user, password):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.stream = self.sock.makefile("rb")
        assert self.call("AUTH", user, password) == "OK"

    def call(self, *words):
        parts = [str(w).encode() for w in words]
        self.sock.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return harness.redis_read(self.stream)

    def close(self):
        self.stream.close()
        self.sock.close()


class Terminal:
    """A command on a terminal of its own; what it shows, keys, its size."""

    def __init__(self, bench, args, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.size(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.shown = b""
        self.proc = subprocess.Popen(
            [f"{harness.BIN}/cohort"] + args,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=bench.env({"TERM": "xterm-256color"}),
            cwd=bench.top,
            start_new_session=True,
            preexec_fn=harness.die_with_parent,
        )

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def keys(self, text):
        os.write(self.master, text.encode())

    def read(self):
        while select.select([self.master], [], [], 0.01)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.shown += data
        return self.shown

    def forget(self):
        self.read()
        self.shown = b""

    def wait_for(self, text, what=None):
        harness.wait_for(what or f"{text!r} on the terminal", lambda: text.encode() in self.read())

    def end(self):
        """Its exit code, and that the terminal is as it was found."""
        code = harness.wait_for("the end of top", lambda: self.over() and (self.proc.returncode, ))[0]
        after = termios.tcgetattr(self.slave)
        same = after == self.before
        shown = self.read()
        return code, same, shown

    def over(self):
        self.read() # a full terminal would hold it up
        return self.proc.poll() is not None

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        os.close(self.master)
        os.close(self.slave)


class Watching(harness.SystemTest):
    reader = None  # --redis for why, when it is another user than the fleet's

    def slow_fleet(self, workers=1, rows=100000, **more):
        """A job that goes on until somebody ends it."""
        if not self.bench.redis_port:
            self.redis = self.bench.redis()
        self.the_broker = self.bench.broker()
        self.workers = [self.bench.worker() for _ in range(workers)]
        self.proc = self.bench.coordinator(self.bench.job(rows, service="slow", shard_rows=250, **more))
        self.job_id = harness.wait_for("the job in Redis", lambda: self.bench.redis_call("ZRANGE", PREFIX + "jobs", 0, -1), alive=[self.proc])[0]
        harness.wait_for("the workers in Redis", lambda: self.bench.redis_call("ZCARD", PREFIX + "workers") == workers, alive=[self.proc])
        harness.wait_for("tasks out", lambda: self.job("tasks_out") not in (None, "0") or not workers, alive=[self.proc])

    def job(self, field):
        return self.bench.redis_call("HGET", PREFIX + "job:" + self.job_id, field)

    def stop(self):
        self.proc.kill(signal.SIGTERM)
        self.assertEqual(self.proc.wait(), 3, self.proc.log())

    def why(self, *args):
        code, out, err = self.bench.cohort("why", "--json", *args, *(self.reader or self.bench.redis_args()))
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def codes(self, *args):
        return [w["code"] for w in self.why(*args)["why"]]

    def wait_for_code(self, code):
        """The reason, once the job gives it."""

        def look():
            found = [w for w in self.why()["why"] if w["code"] == code]
            return found[0] if found else None

        return harness.wait_for(f"the reason {code}", look)

    # -- why -----------------------------------------------------------------

    def test_why_names_missing_workers_and_then_that_they_are_busy(self):
        self.slow_fleet(workers=0)
        found = self.wait_for_code("no_workers")
        self.assertEqual(found["level"], "problem")
        self.assertIn("slow", found["text"])
        self.assertIn("cohort-worker", found["do"])
        self.bench.worker()
        self.wait_for_code("full_load")
        told = self.why(self.job_id)
        self.assertEqual((told["job"], told["state"], told["live"]), (self.job_id, "running", True))
        self.stop()

    def test_why_names_a_broker_that_is_not_there(self):
        self.slow_fleet()
        self.the_broker.kill()
        self.the_broker.wait()
        self.bench.redis_call("DEL", PREFIX + "broker:" + self.bench.redis_call("ZRANGE", PREFIX + "brokers", 0, -1)[0])
        self.wait_for_code("no_broker")
        self.bench.broker()
        self.wait_for_code("full_load")
        self.stop()

    def test_why_names_a_coordinator_that_was_killed(self):
        self.slow_fleet()
        self.proc.kill()
        self.proc.wait()
        # Its lease and hash are gone after 6 and 15 s; here at once.
        for key in self.bench.redis_call("KEYS", PREFIX + "coordinator:*") + [PREFIX + "owner:job:" + self.job_id]:
            self.bench.redis_call("DEL", key)
        self.assertEqual(self.codes()[0], "no_owner")
        # The folder knows that nobody runs it.
        code, out, _ = self.bench.cohort("why", "--json", self.bench.path("out"))
        self.assertEqual((code, json.loads(out)["why"][0]["code"]), (0, "interrupted"))

    def test_why_says_so_when_redis_is_away_or_the_job_is_over(self):
        self.slow_fleet()
        self.redis.kill()
        self.redis.wait()
        code, out, err = self.bench.cohort("why", "--json", self.bench.path("out"))
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["why"][0]["code"], "redis_away")
        code, _, err = self.bench.cohort("why", *self.bench.redis_args())
        self.assertEqual(code, 1)
        self.assertIn("--redis", err)
        self.stop()
        code, out, _ = self.bench.cohort("why", "--json", self.bench.path("out"))
        told = json.loads(out)
        self.assertEqual((code, told["live"], told["why"][0]["code"]), (0, False, "stopped"))
        self.assertIn("same command goes on", told["why"][0]["text"])

    def test_a_job_that_is_over_says_how_it_ended_in_redis_too(self):
        self.bench.redis()
        self.fleet(workers=1)
        proc = self.bench.coordinator(self.bench.job(1000))
        self.assertEqual(proc.wait(60), 0, proc.log())
        told = self.why()
        self.assertEqual((told["state"], told["live"], told["why"][0]["code"]), ("complete", False, "complete"))
        self.assertEqual(told["why"][0]["text"], "all rows are written")

    def test_without_a_run_and_without_redis_it_is_said_what_to_give(self):
        for command in ("why", "top", "events"):
            code, out, err = self.bench.cohort(command)
            self.assertEqual((code, out), (1, ""), command)
            self.assertIn("--redis", err)

    # -- events --------------------------------------------------------------

    def events(self, *args):
        code, out, err = self.bench.cohort("events", "--json", *args, *self.bench.redis_args())
        self.assertEqual(code, 0, err)
        return [json.loads(line) for line in out.splitlines()]

    def test_events_are_picked_by_job_kind_number_and_time(self):
        self.slow_fleet()
        harness.wait_for("the worker's events", lambda: self.events("--kind", "worker"))
        writers = [p for p in self.bench.procs if p.name != "redis"]
        for proc in writers:  # nothing more may happen between two looks
            proc.kill(signal.SIGSTOP)
        every = self.events("-n", "1000")
        self.assertEqual({e["kind"] for e in every} - {"scale"}, {"job", "worker", "owner"})
        self.assertEqual({e["kind"] for e in self.events("--kind", "job", "--kind", "owner")}, {"job", "owner"})
        mine = self.events("--job", self.job_id.upper())
        self.assertTrue(mine)
        self.assertEqual({e["job"] for e in mine}, {self.job_id})
        self.assertEqual(self.events("-n", "1"), every[-1:])
        self.assertEqual(self.events("--since", "1h"), every)
        self.assertEqual(self.events("--since", "2999-01-01"), [])
        code, out, err = self.bench.cohort("events", "-n", "1000", *self.bench.redis_args())
        self.assertEqual((code, len(out.splitlines())), (0, len(every)), err)
        self.assertRegex(out, r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  job +test +starting -> running$")
        for args, said in ((["--job", "x"], "16 hex digits"), (["--since", "soon"], "15m")):
            code, _, err = self.bench.cohort("events", *args, *self.bench.redis_args())
            self.assertEqual(code, 2)
            self.assertIn(said, err)
        for proc in writers:
            proc.kill(signal.SIGCONT)
        self.stop()

    def follow(self):
        """`events --follow` in the background: its lines, and what it says."""
        out, err = self.bench.path("followed"), self.bench.path("said")
        with open(out, "wb") as o, open(err, "wb") as e:
            proc = subprocess.Popen(
                [f"{harness.BIN}/cohort", "events", "--follow", "--json", "-n", "0"] + self.bench.redis_args(),
                stdin=subprocess.DEVNULL, stdout=o, stderr=e, env=self.bench.env(), cwd=self.bench.top,
                preexec_fn=harness.die_with_parent)

        def read(path):
            with open(path) as f:
                return f.read()

        def end():
            proc.send_signal(signal.SIGTERM)
            proc.wait()

        self.addCleanup(end)
        return lambda: read(out), lambda: read(err)

    def add_event(self, text):
        self.bench.redis_call("XADD", PREFIX + "events", "*", "time_ms", 1, "kind", "test", "id", "0", "name", text, "job", "", "from", "a", "to", "b", "why", "")

    def test_following_survives_a_restart_of_redis_and_says_where_events_may_be_missing(self):
        self.redis = self.bench.redis()
        self.add_event("before")
        lines, said = self.follow()

        def until(text, where):
            try:
                harness.wait_for(repr(text), lambda: text in where())
            except AssertionError as error:
                raise AssertionError(f"{error}\nlines:\n{lines()}\nsaid:\n{said()}") from error

        # It begins at the end of the stream; events until then are not shown.
        def first():
            self.add_event("first")
            return "first" in lines()

        harness.wait_for("the first event", first)
        self.assertNotIn("before", lines())
        # Ended and started again with what it had on disk: nothing is lost.
        # (Killed, it may lose its last second.)
        self.redis.kill(signal.SIGTERM)
        self.redis.wait()
        until("waiting for it", said)
        self.redis = self.bench.redis()
        until("Redis is back", said)
        self.add_event("second")
        until("second", lines)
        self.assertNotIn("missing", said())
        # Emptied: that is noticed with the next event, which is shown.
        # A stream made anew in the very millisecond of its last entry would
        # give the same id again, and nobody could tell.
        now = self.bench.redis_call("TIME")
        harness.wait_for("the next millisecond", lambda: int(self.bench.redis_call("TIME")[1]) // 1000 != int(now[1]) // 1000)
        self.bench.redis_call("FLUSHALL")
        self.add_event("third")
        until("third", lines)
        until("events may be missing", said)
        # Ids that count from further back, as after a clock that went back:
        # they would wake nobody who waits for later ones. At once, so that
        # nobody sees it empty between.
        self.bench.redis_call("XADD", "other", "5-1", "kind", "test", "name", "fourth")
        self.bench.redis_call("RENAME", "other", PREFIX + "events")
        until("fourth", lines)
        until("began anew", said)
        self.assertEqual(lines().count("second"), 1)

    # -- top -----------------------------------------------------------------

    def top(self, *args, **size):
        terminal = Terminal(self.bench, ["top"] + [str(a) for a in args] + self.bench.redis_args(), **size)
        self.addCleanup(terminal.close)
        return terminal

    def test_top_prints_one_plain_picture_without_a_terminal(self):
        self.slow_fleet()
        code, out, err = self.bench.cohort("top", *self.bench.redis_args())
        self.assertEqual(code, 0, err)
        self.assertNotIn("\033", out)
        self.assertRegex(out, r"(?m)^test +running +\d+ % ")
        for title in ("1 Jobs  1", "2 Queues", "3 Workers  1", "4 Brokers  1"):
            self.assertIn(title, out)
        self.assertIn(self.job_id, out)
        self.stop()

    def test_top_answers_keys_and_gives_the_terminal_back(self):
        self.slow_fleet()
        top = self.top(rows=30, columns=120)
        top.wait_for("running")
        self.assertIn(b"\033[?1049h", top.read())
        for keys, shown in (("3", "> 3 Workers"), ("\t", "> 4 Brokers"), ("\033[Z", "> 3 Workers"), ("1", "> 1 Jobs"),
                            ("ss", "by STATE"), ("r", "reversed"), ("?", "quit"), ("x", "STATE"), ("p", " paused ")):
            top.forget()
            top.keys(keys)
            top.wait_for(shown, f"{shown!r} after {keys!r}")
        top.forget()
        top.keys("q")
        code, same, shown = top.end()
        self.assertEqual((code, same), (0, True))
        self.assertIn(b"\033[?1049l", shown)
        self.assertIn(b"\033[?25h", shown)
        self.stop()

    def test_top_gives_the_terminal_back_on_signals_and_is_drawn_anew_when_it_is_resized(self):
        self.slow_fleet()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT):
            top = self.top()
            top.wait_for("running")
            top.forget()
            # Small, then tiny: no line is longer than the terminal is wide.
            for rows, columns in ((10, 40), (3, 12), (1, 1), (40, 200)):
                top.size(rows, columns)
                top.proc.send_signal(signal.SIGWINCH)
                harness.wait_for("a new picture", lambda: b"\033[2J" in top.read())
                top.forget()
            top.proc.send_signal(number)
            code, same, shown = top.end()
            self.assertEqual((code, same), (-signal.SIGABRT if number == signal.SIGABRT else 0, True), number)
            self.assertIn(b"\033[?1049l", shown)
        self.stop()

    def test_top_says_that_redis_is_away_and_goes_on_when_it_is_back(self):
        self.slow_fleet()
        top = self.top("--interval", "200ms", rows=20, columns=120)
        top.wait_for("running")
        self.redis.kill(signal.SIGSTOP)  # hangs: keys are answered all the same
        top.forget()
        top.keys("?")
        top.wait_for("any key goes back")
        top.keys("x")
        top.wait_for("old numbers")
        self.redis.kill(signal.SIGCONT)
        self.redis.kill()
        self.redis.wait()
        self.redis = self.bench.redis()
        top.forget()
        top.wait_for("rows/s")
        top.keys("q")
        self.assertEqual(top.end()[:2], (0, True))
        self.stop()

    # -- /metrics ------------------------------------------------------------

    def scrape(self, address, path="/metrics"):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.read().decode()

    def promtool(self, *args, text=None):
        tool = shutil.which("promtool")
        if not tool:
            print("promtool is not installed (Debian package prometheus): metrics and rules are not checked by it")
            return
        done = subprocess.run([tool] + list(args), input=text, capture_output=True, text=True, cwd=PROMETHEUS)
        self.assertEqual((done.returncode, done.stderr.strip()), (0, ""), done.stdout + done.stderr)

    def test_metrics_are_clean_and_say_what_redis_says(self):
        self.bench.redis()
        broker = self.bench.broker("--metrics", "127.0.0.1:0")
        here = dict(part.split("=", 1) for part in broker.ready_line.split())["metrics"]
        there = f"127.0.0.1:{free_port()}"
        self.bench.worker()
        proc = self.bench.coordinator(self.bench.job(2000, service="slow", shard_rows=250), "--metrics", there)

        def value(address, name):
            try:
                found = re.search(rf"(?m)^{re.escape(name)} (\S+)$", self.scrape(address))
            except (urllib.error.URLError, OSError):
                return None
            return float(found.group(1)) if found else None

        harness.wait_for("the broker's numbers", lambda: value(here, "cohort_broker_workers") == 1, alive=[proc])
        harness.wait_for("a task at the worker", lambda: value(here, 'cohort_queue_in_flight{service="slow",provider=""}'), alive=[proc])
        job = self.bench.redis_call("ZRANGE", PREFIX + "jobs", 0, -1)[0]
        harness.wait_for("the coordinator's numbers", lambda: value(there, f'cohort_job_rows_requested{{job_id="{job}"}}') == 2000, alive=[proc])
        self.assertEqual(value(there, f'cohort_job_state{{job_id="{job}",state="running"}}'), 1)
        self.assertLess(value(here, "cohort_metrics_age_seconds"), 5 * harness.FACTOR)
        for address in (here, there):
            self.promtool("check", "metrics", text=self.scrape(address))
        # What the documents name is there, and the other way round.
        with open(os.path.join(harness.ROOT, "docs/operations.md")) as f:
            part = f.read().split("### Metrics")[1].split("\n### ")[0]
        documented = {n for n in re.findall(r"`((?:cohort|process)_[a-z_]+)`", part)}
        served = set(re.findall(r"(?m)^# TYPE (\S+) ", self.scrape(here) + self.scrape(there)))
        counters = {n for n in served if re.match(r"cohort_(broker|engine)_\w+_total$", n)}
        self.assertEqual(served - counters - documented, set())
        self.assertEqual(documented - served, set())
        with open(os.path.join(PROMETHEUS, "alerts.yml")) as f:
            named = set(re.findall(r"\bcohort_[a-z_]+", f.read().split("groups:")[1]))
        self.assertEqual(named - served, set())
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(), 3)

    def test_an_endpoint_that_is_down_is_named_wherever_somebody_looks(self):
        fake, other = (fake_llm.Fake(self, "--script", "status=500") for _ in range(2))
        job = self.bench.job(40)
        fake_llm.provide(job, [fake], limits={"in_flight": 8}, others={"other": other})
        with open(job, "a") as f:
            f.write("budget: {usd: 5}\narms: [{name: a, share: 50}, {name: b, share: 50, provider: other}]\n")
        self.fleet(workers=0, redis=True)
        self.bench.worker("--providers", job)
        there = f"127.0.0.1:{free_port()}"
        proc = self.bench.coordinator(job, "--metrics", there)
        host = fake.url.split("/")[2]

        def shut():
            try:
                return re.search(r'(?m)^cohort_endpoint_open\{.*\} 1$', self.scrape(there))
            except (urllib.error.URLError, OSError):
                return None

        # What `cohort run` shows while nothing moves.
        harness.wait_for("the endpoint's name", lambda: re.search(
            re.escape(f"main ({host}) is open-circuit, next probe in ") + r"[0-9]+ s", proc.why()), 30, [proc])
        harness.wait_for("the metric", shut, 30, [proc])
        text = self.scrape(there)
        self.promtool("check", "metrics", text=text)
        self.assertRegex(text, rf'cohort_endpoint_errors_total\{{provider="main",url="{fake.url}",endpoint="[0-9a-f]{{16}}"\}} [1-9]')
        self.assertRegex(text, r'(?m)^cohort_job_budget_usd\{job_id="[0-9a-f]{16}"\} 5$')
        unknown = int(re.search(r'cohort_job_calls_total\{.*outcome="unknown"\} (\d+)', text).group(1))
        self.assertGreater(unknown, 0)
        code, out, err = self.bench.cohort("top", "--once", *self.bench.redis_args())
        self.assertEqual(code, 0, err)
        self.assertRegex(out, rf"5 Endpoints  2\n(.*\n)+{fake.url} +main +(open [0-9]+ s|half-open) ")
        # The arms' other provider is no less the job's.
        harness.wait_for("the other provider's metric", lambda: f'cohort_endpoint_open{{provider="other",url="{other.url}"' in self.scrape(there), 30, [proc])
        job_id = self.bench.redis_call("ZRANGE", PREFIX + "jobs", 0, -1)[0]
        lanes = ["persona.write@main", "persona.write@other"]
        self.assertEqual(self.bench.redis_call("HGET", PREFIX + "job:" + job_id, "services"), ",".join(lanes))
        for lane in lanes:  # workers for both are wished for, by what waits for each
            harness.wait_for(f"the scaler's word on {lane}", lambda: self.bench.redis_call("HGET", PREFIX + "scale:" + lane, "waiting"), 30, [proc])
            fields = self.bench.redis_call("HKEYS", PREFIX + "queue:" + lane)
            self.assertTrue(any(name.startswith("backlog.") for name in fields), fields)
        self.assertRegex(out, r"6 Money \(USD\)  1\n.*\n\S+ +0 +0\.\d+ +\S+ +5 ")
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(90), 3)

    def test_metrics_have_limits_and_refuse_what_they_do_not_know(self):
        broker = self.bench.broker("--metrics", "127.0.0.1:0")
        here = dict(part.split("=", 1) for part in broker.ready_line.split())["metrics"]
        host, port = here.split(":")
        harness.wait_for("numbers", lambda: self.answers(here), alive=[broker])
        for path, data, code in (("/", None, 404), ("/metrics/..%2f", None, 404), ("/metrics", b"x" * 100000, 405)):
            try:
                urllib.request.urlopen(urllib.request.Request(f"http://{here}{path}", data=data), timeout=10)
                self.fail("answered")
            except urllib.error.HTTPError as error:
                self.assertEqual(error.code, code)
            except urllib.error.URLError as error:
                self.assertEqual(code, 405, error)  # broken off while it was still sending
        # Peers that say nothing, more of them than are allowed: the broker
        # lives, and answers others once those are gone.
        idle = [socket.create_connection((host, int(port)), timeout=5) for _ in range(100)]
        for i, peer in enumerate(idle):
            try:
                peer.sendall(b"GET /metrics HT" if i % 2 else b"\0\xff" * 1000)
            except OSError:
                pass  # refused
        for peer in idle:
            peer.close()
        harness.wait_for("an answer again", lambda: self.answers(here), alive=[broker])
        self.assertIsNone(broker.code())

    def answers(self, address):
        try:
            return "cohort_broker_workers" in self.scrape(address)
        except (urllib.error.URLError, OSError):
            return False

    def test_metrics_beyond_this_machine_are_refused(self):
        for address, said in (("0.0.0.0:0", "--metrics-insecure"), ("localhost:1", "HOST:PORT"), ("127.0.0.1", "HOST:PORT")):
            done = subprocess.run([f"{harness.BIN}/cohort-broker", "--front", self.bench.front, "--back", self.bench.back, "--metrics", address],
                                  capture_output=True, text=True, timeout=30 * harness.FACTOR)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr)
        broker = self.bench.broker("--metrics", "0.0.0.0:0", "--metrics-insecure")
        self.assertIn("metrics=0.0.0.0:", broker.ready_line)

    def test_the_alert_rules_fire_when_they_should(self):
        self.promtool("check", "rules", "alerts.yml")
        self.promtool("test", "rules", "alerts_test.yml")
        self.promtool("check", "config", "prometheus.yml")

    # -- users of Redis ------------------------------------------------------

    def users(self):
        """The ACL lines of docs/operations.md: name -> words."""
        with open(os.path.join(harness.ROOT, "docs/operations.md")) as f:
            lines = re.findall(r"^ACL SETUSER (\S+) (.+)$", f.read(), re.M)
        self.assertEqual([name for name, _ in lines], ["cohort", "cohort-look", "cohort-keda"])
        return {name: words.replace("SECRET", "s3cret").split() for name, words in lines}

    def set_up_users(self):
        self.bench.redis()
        users = self.users()
        for name, words in users.items():
            self.assertEqual(self.bench.redis_call("ACL", "SETUSER", name, *words), "OK", name)
        return users

    def as_user(self, name):
        return ["--redis", f"redis://{name}:s3cret@127.0.0.1:{self.bench.redis_port}"]

    def granted(self, words):
        return {w[1:].lower() for w in words if w.startswith("+")}

    def denials(self):
        """What ACL LOG holds: user and command."""
        log = self.bench.redis_call("ACL", "LOG")
        return [(dict(zip(e[::2], e[1::2]))["username"], dict(zip(e[::2], e[1::2]))["object"]) for e in log]

    def test_a_fleet_and_all_that_reads_it_need_no_more_than_the_documented_users(self):
        users = self.set_up_users()
        self.bench.redis_call("CONFIG", "RESETSTAT")
        self.bench.redis_args = lambda: self.as_user("cohort")
        self.bench.broker()
        worker = self.bench.worker()
        proc = self.bench.coordinator(self.bench.job(2000, service="slow", shard_rows=250))
        job = harness.wait_for("the job", lambda: self.bench.redis_call("ZRANGE", PREFIX + "jobs", 0, -1), alive=[proc])[0]
        harness.wait_for("events", lambda: self.bench.redis_call("XLEN", PREFIX + "events") >= 4, alive=[proc])
        look = self.as_user("cohort-look")
        for args in (["top"], ["why"], ["why", job], ["events"], ["events", "--since", "1h", "--kind", "job"], ["status"], ["status", job], ["workers"], ["scale"]):
            code, out, err = self.bench.cohort(*args, *look)
            self.assertEqual(code, 0, f"{args}: {err}")
            self.assertTrue(out, args)
        followed = subprocess.run([f"{harness.BIN}/cohort", "events", "--follow", "-n", "1"] + look, env=self.bench.env(),
                                  cwd=self.bench.top, capture_output=True, text=True, timeout=60 * harness.FACTOR,
                                  preexec_fn=lambda: signal.alarm(3)) # ends it
        self.assertEqual(followed.stderr, "")
        # The worker first: while its results are acknowledged it need not wait.
        worker.kill(signal.SIGTERM)
        worker.wait()
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(), 3)
        self.assertEqual(self.denials(), [])
        # What limits of models' endpoints need, with their own script:
        # tests/unit/test_worker_limits.c.
        fleet = Session(self.bench.redis_port, "cohort", "s3cret")
        digest = fleet.call("SCRIPT", "LOAD", "return redis.call('time')")
        self.assertEqual(len(fleet.call("EVALSHA", digest, 1, "cohort:{shared}:limit:x")), 2)
        fleet.close()
        # And not less: each command that is granted was used.
        stats = self.bench.redis_call("INFO", "commandstats")
        used = set(re.findall(r"cmdstat_([^:]+):", stats))
        self.assertEqual((self.granted(users["cohort"]) | self.granted(users["cohort-look"])) - used - {"select"}, set())

    def test_keda_reads_the_wish_and_nothing_else(self):
        self.set_up_users()
        self.bench.redis_call("SADD", PREFIX + "demand:slow", "a", "b", "c")
        keda = Session(self.bench.redis_port, "cohort-keda", "s3cret")
        # What KEDA's scaler for Redis lists sends.
        script = ("local listName = KEYS[1] local listType = redis.call('type',listName).ok "
                  "local cmd = {zset = 'zcard', set = 'scard', list = 'llen', hash = 'hlen', none = 'llen'} "
                  "return redis.call(cmd[listType], listName)")
        self.assertEqual(keda.call("PING"), "PONG")
        self.assertEqual(keda.call("EVAL", script, 1, PREFIX + "demand:slow"), 3)
        self.assertEqual(keda.call("EVAL", script, 1, PREFIX + "demand:none"), 0)
        self.assertIn("NOPERM", keda.call("GET", PREFIX + "schema"))
        self.assertIn("can't run this command", keda.call("EVAL", "return redis.call('del', KEYS[1])", 1, PREFIX + "demand:slow"))
        self.assertTrue(keda.call("EVAL", script, 1, PREFIX + "workers").startswith("-"))
        keda.close()

    def test_a_reader_that_lacks_a_command_says_which(self):
        users = self.set_up_users()
        self.bench.redis_call("XADD", PREFIX + "events", "*", "kind", "job", "time_ms", "1")
        self.bench.redis_call("ZADD", PREFIX + "jobs", "1", "00000000000000aa")
        self.bench.redis_call("HSET", PREFIX + "job:00000000000000aa", "state", "running", "name", "x", "service", "slow")
        silent = {"client|setname", "info", "select"}  # may be forbidden
        look = self.as_user("cohort-look")
        for command in sorted(self.granted(users["cohort-look"]) - silent):
            self.bench.redis_call("ACL", "SETUSER", "cohort-look", "-" + command)
            said = ""
            for args in (["top"], ["events", "-n", "1"], ["events", "--since", "1h"], ["events", "--follow", "-n", "1"], ["workers"]):
                code, _, err = self.bench.cohort(*args, *look, preexec_fn=lambda: signal.alarm(20))
                if code == 1:
                    said += err
                    break
            self.assertIn(command, said.lower(), command)
            self.assertEqual(self.bench.redis_call("ACL", "SETUSER", "cohort-look", "+" + command), "OK")
        for command in silent:
            self.bench.redis_call("ACL", "SETUSER", "cohort-look", "-" + command)
        self.assertEqual(self.bench.cohort("top", *look)[0], 0)

    def test_a_fleet_that_lacks_a_command_logs_which_and_runs_on(self):
        self.set_up_users()
        self.bench.redis_args = lambda: self.as_user("cohort")
        self.reader = self.as_user("cohort-look")
        self.slow_fleet()
        for command in ("hset", "expire", "zadd", "zremrangebyscore"):
            self.bench.redis_call("ACL", "SETUSER", "cohort", "-" + command)
            for proc in (self.the_broker, self.proc, self.workers[0]):
                harness.wait_for(f"{command} in the log of {proc.name}",
                                 lambda p=proc: re.search(rf"redis\.refused .*'{command}'", p.log()), alive=[proc])
            self.bench.redis_call("ACL", "SETUSER", "cohort", "+" + command)
        self.bench.redis_call("ACL", "SETUSER", "cohort", "-xadd")
        self.bench.worker()
        harness.wait_for("xadd in the broker's log", lambda: re.search(r"redis\.refused .*'xadd'", self.the_broker.log()))
        self.bench.redis_call("ACL", "SETUSER", "cohort", "+xadd")
        self.wait_for_code("redis_refuses")
        self.stop()


if __name__ == "__main__":
    unittest.main()
