"""What the system tests share: real programs, their ends, kills, deadlines.

Nothing here waits by sleeping: wait_for() looks for its condition again and
again until a deadline, and says what it saw when the deadline passes. All that
a test starts is stopped by pid, also when the test fails.

COHORT_BUILD          build folder (default build/release)
COHORT_TIME_FACTOR    deadlines are multiplied by it (sanitizers, slow machines)
COHORT_TEST_SEED      seed of random choices; printed by every test that draws
COHORT_TEST_KEEP=1    leaves the folder of a failed test
"""
import collections
import ctypes
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("COHORT_BUILD", os.path.join(ROOT, "build/release")))
BIN = os.path.join(BUILD, "bin")
SHIM = os.path.join(BUILD, "tests/libpowerloss.so")
REVERT = os.path.join(BUILD, "tests/powerloss-revert")
FACTOR = float(os.environ.get("COHORT_TIME_FACTOR", "1"))
MARK = "COHORT_TEST_MARK"
LOG_TAIL = 4000
COMPLAINTS = ("Sanitizer", "runtime error:", "assertion", "Assertion", "this is a bug")


def seed_from_environment():
    seed = os.environ.get("COHORT_TEST_SEED")
    return int(seed) if seed else random.SystemRandom().randrange(1 << 32)


def wait_for(what, condition, seconds=20.0, alive=()):
    """The first true value of condition(). `alive`: processes that must run."""
    deadline = time.monotonic() + seconds * FACTOR
    while True:
        value = condition()
        if value:
            return value
        for proc in alive:
            if proc.code() is not None:
                value = condition()
                if value:
                    return value
                raise AssertionError(f"{proc.name} ended with {proc.code()} while waiting for {what}:\n{proc.log()}")
        if time.monotonic() > deadline:
            logs = "".join(f"\n-- {p.name}:\n{p.log()}" for p in alive)
            raise AssertionError(f"waited {seconds * FACTOR:.0f} s for {what}{logs}")
        time.sleep(0.005)


def sanitizer_environment(shim):
    """A preloaded library comes before the sanitizer's; that is intended."""
    if not shim:
        return {}
    asan = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": SHIM, "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":")}


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """A test that is killed itself (CTest's timeout) leaves nothing either."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Proc:
    """A process, its log, and the JSON lines of its status descriptor."""

    def __init__(self, name, args, log_path, env, cwd, status=False, ready=False, stdout=None):
        self.name = name
        self.args = args
        self.log_path = log_path
        self.lines = collections.deque(maxlen=10000)
        self.ready_line = None
        self.readers = []
        pass_fds = []
        pipes = []
        for option, wanted in (("--status-fd", status), ("--ready-fd", ready)):
            if wanted:
                r, w = os.pipe()
                pipes.append((option, r, w))
                pass_fds.append(w)
                args = args + [option, str(w)]
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(
                args,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                env=env,
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        for option, r, w in pipes:
            os.close(w)
            target = self.read_status if option == "--status-fd" else self.read_ready
            thread = threading.Thread(target=target, args=(r,), daemon=True)
            thread.start()
            self.readers.append(thread)
        self.pid = self.popen.pid

    def read_status(self, fd):
        with os.fdopen(fd, "rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    self.lines.append(json.loads(line))

    def read_ready(self, fd):
        with os.fdopen(fd, "rb") as stream:
            for line in stream:
                self.ready_line = line.decode().strip()

    def code(self):
        return self.popen.poll()

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read()[-LOG_TAIL:].decode(errors="replace")

    def kill(self, number=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def wait(self, seconds=30.0):
        """Its exit code; its pipes have been read to the end."""
        try:
            code = self.popen.wait(seconds * FACTOR)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end in {seconds * FACTOR:.0f} s:\n{self.why()}\n{self.log()}")
        for thread in self.readers:
            thread.join(5 * FACTOR)
        return code

    def ends_within(self, seconds):
        """True when it ended; False when the time passed first."""
        try:
            self.popen.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def progress(self, key="accepted"):
        for line in reversed(list(self.lines)):
            if key in line and line.get("requested"):
                return line[key]
        return 0

    def end(self):
        ends = [line for line in list(self.lines) if line.get("event") == "end"]
        return ends[-1] if ends else None

    def why(self):
        return json.dumps(self.lines[-1]) if self.lines else "no status line"


class Bench:
    """A folder, its processes, and how a supervisor would start each again."""

    def __init__(self, name="cohort-system"):
        self.top = tempfile.mkdtemp(prefix=name + "-")
        self.mark = f"{os.getpid()}-{random.SystemRandom().randrange(1 << 48):x}"
        self.procs = []
        self.counter = 0
        self.redis_port = 0
        self.redis_host = "127.0.0.1"
        self.front = f"ipc://{self.top}/front"
        self.back = f"ipc://{self.top}/back"

    # -- starting and stopping ---------------------------------------------

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def env(self, extra=None, shim=None):
        kept = ("COHORT_TEST_HASH_BITS",)
        env = {k: v for k, v in os.environ.items() if not k.startswith("COHORT_") or k in kept}
        env[MARK] = self.mark
        env["XDG_STATE_HOME"] = self.path("state")
        env["XDG_RUNTIME_DIR"] = self.path("run")
        os.makedirs(env["XDG_RUNTIME_DIR"], mode=0o700, exist_ok=True)
        if shim:
            watched, log = shim
            os.makedirs(watched, exist_ok=True)
            os.makedirs(log, exist_ok=True)
            env["COHORT_POWERLOSS_DIR"] = watched
            env["COHORT_POWERLOSS_LOG"] = log
        env.update(sanitizer_environment(shim))
        env.update(extra or {})
        return env

    def start(self, name, args, env=None, shim=None, **more):
        log = self.path(f"{name}.log")
        proc = Proc(name, [str(a) for a in args], log, self.env(env, shim), self.top, **more)
        self.procs.append(proc)
        return proc

    def close(self, failed=False):
        for proc in self.procs:
            proc.kill()
        for proc in self.procs:
            proc.popen.wait()
        for pid in self.marked():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if failed and os.environ.get("COHORT_TEST_KEEP"):
            print(f"left: {self.top}", file=sys.stderr)
        else:
            shutil.rmtree(self.top, ignore_errors=True)

    def complaints(self):
        """What a sanitizer or an assertion said in any log."""
        found = []
        for path in sorted(glob.glob(self.path("*.log"))):
            with open(path, errors="replace") as f:
                for line in f:
                    if any(word in line for word in COMPLAINTS):
                        found.append(f"{os.path.basename(path)}: {line.strip()}")
        return found

    def marked(self):
        """Pids of all live processes that stem from this bench: by a variable
        in the environment, or (redis-server writes its title over that) by a
        working folder below the bench's."""
        found = []
        needle = f"{MARK}={self.mark}".encode()
        for path in glob.glob("/proc/[0-9]*"):
            pid = int(path.split("/")[2])
            try:
                with open(f"{path}/environ", "rb") as f:
                    ours = needle in f.read().split(b"\0")
                if not ours and not os.readlink(f"{path}/cwd").startswith(self.top):
                    continue
                with open(f"{path}/stat") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] != "Z":
                        found.append(pid)
            except OSError:
                continue
        return found

    # -- the programs --------------------------------------------------------

    def broker(self, *args, name="broker"):
        proc = self.start(
            name,
            [f"{BIN}/cohort-broker", "--front", self.front, "--back", self.back, "--settle", "300ms"]
            + self.redis_args()
            + list(args),
            ready=True,
        )
        wait_for("the broker", lambda: proc.ready_line, alive=[proc])
        return proc

    def worker(self, *args, name="worker"):
        self.counter += 1
        return self.start(
            f"{name}-{self.counter}",
            [f"{BIN}/cohort-worker", "--broker", self.back, "--log-level", "warn"] + self.redis_args() + list(args),
        )

    def coordinator(self, job, *args, shim=None, name="coordinator"):
        return self.start(
            name,
            [f"{BIN}/cohort-coordinator", "run", job, "--broker", self.front] + self.redis_args() + list(args),
            status=True,
            shim=shim,
        )

    def redis_args(self):
        return ["--redis", f"redis://127.0.0.1:{self.redis_port}"] if self.redis_port else []

    def redis(self):
        """Starts a redis-server, or the same one again after a kill."""
        if not self.redis_port:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self.redis_port = s.getsockname()[1]
        os.makedirs(self.path("redis"), exist_ok=True)
        proc = self.start(
            "redis",
            ["redis-server", "--port", self.redis_port, "--bind", "127.0.0.1", "--dir", self.path("redis"),
             "--appendonly", "yes", "--save", "", "--loglevel", "warning"],
        )
        wait_for("redis-server", lambda: self.redis_call("PING") == "PONG", alive=[proc])
        return proc

    def redis_call(self, *words):
        """One command; None when Redis does not answer."""
        try:
            with socket.create_connection((self.redis_host, self.redis_port), timeout=5) as s:
                parts = [str(w).encode() for w in words]
                s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
                return redis_read(s.makefile("rb"))
        except (OSError, EOFError):
            return None

    def cohort(self, *args, seconds=30, **more):
        """Runs the command to its end: (exit code, stdout, stderr)."""
        done = subprocess.run(
            [f"{BIN}/cohort"] + [str(a) for a in args],
            capture_output=True,
            text=True,
            timeout=seconds * FACTOR,
            env=self.env(),
            cwd=self.top,
            stdin=subprocess.DEVNULL,
            **more,
        )
        return done.returncode, done.stdout, done.stderr

    def job(self, rows, out="out", seed=42, service=None, phases="[corpus, compose]", shard_rows=None, where="{age: {min: 18}}", name="job.yaml"):
        """Writes a job file and gives its path."""
        path = self.path(name)
        lines = [
            "job: personas",
            "name: test",
            f"seed: {seed}",
            f"rows: {rows}",
            "population:",
            "  data: us",
            f"  where: {where}",
            f"phases: {phases}",
            "output:",
            f"  dir: {self.path(out)}",
        ]
        if shard_rows:
            lines.append(f"  shard_rows: {shard_rows}")
        if service:
            lines.append(f"service: {service}")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def revert(self, watched, log, seed, mode=None):
        """The power comes back. What it took, as text."""
        args = [REVERT, watched, log, str(seed)] + ([mode] if mode else [])
        done = subprocess.run(args, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def redis_read(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        return f"-{rest.decode()}"
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
    return [redis_read(stream) for _ in range(int(rest))]


# -- what a finished corpus must be ------------------------------------------


class Corpus:
    """Rows of an output folder: uncompressed bytes, in the order of shards."""

    def __init__(self, folder):
        self.folder = folder
        self.files = sorted(glob.glob(os.path.join(folder, "part-*.jsonl.zst")))
        sha = hashlib.sha256()
        self.rows = 0
        zstd = subprocess.Popen(["zstd", "-dc", "--"] + self.files, stdout=subprocess.PIPE) if self.files else None
        if zstd:
            with zstd.stdout as stream:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    sha.update(block)
                    self.rows += block.count(b"\n")
            assert zstd.wait() == 0, f"{folder}: zstd refuses the shards"
        self.sha = sha.hexdigest()

    def hashes(self):
        """What each shard says, by file name; empty without dedup."""
        return self.read(glob.glob(os.path.join(self.folder, "part-*.hashes")))

    def shards(self):
        """Compressed bytes of each shard, by file name."""
        return self.read(self.files)

    def read(self, files):
        content = {}
        for path in files:
            with open(path, "rb") as f:
                content[os.path.basename(path)] = f.read()
        return content

    def lines(self):
        text = subprocess.run(["zstd", "-dc", "--"] + self.files, stdout=subprocess.PIPE, check=True).stdout
        return text.decode().split("\n")[:-1]

    def uuids(self):
        return [json.loads(line)["uuid"] for line in self.lines()]


def run_json(folder):
    with open(os.path.join(folder, "run.json")) as f:
        return json.load(f)


def ledger_holds(ledger):
    parts = ("accepted", "rejected", "dead", "surplus", "pending")
    return ledger["drawn"] == sum(ledger[p] for p in parts) and ledger["accepted"] <= ledger["requested"]


class SystemTest(unittest.TestCase):
    """A test with a bench of its own, whose logs are shown when it fails."""

    maxDiff = 2000

    def setUp(self):
        self.bench = Bench()
        self.seed = seed_from_environment()
        self.random = random.Random(self.seed)
        self.addCleanup(self.check_logs)

    def check_logs(self):
        self.assertEqual(self.bench.complaints(), [])

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        bench = getattr(self, "bench", None)
        if not bench:
            return
        failed = len(result.failures) + len(result.errors) > before
        if failed:
            print(f"\nseed {self.seed}; again with COHORT_TEST_SEED={self.seed}", file=sys.stderr)
            for path in sorted(glob.glob(bench.path("*.log"))):
                with open(path, "rb") as f:
                    text = f.read()[-LOG_TAIL:].decode(errors="replace")
                if text:
                    print(f"-- {os.path.basename(path)}\n{text}", file=sys.stderr)
        bench.close(failed)
        self.bench = None

    def fleet(self, workers=2, redis=False):
        if redis:
            self.bench.redis()
        broker = self.bench.broker()
        return broker, [self.bench.worker() for _ in range(workers)]

    def counters(self):
        """What the broker reports of itself in Redis."""
        names = self.bench.redis_call("KEYS", "cohort:{default}:broker:*")
        if not isinstance(names, list) or not names:
            return {}
        flat = self.bench.redis_call("HGETALL", names[0])
        return dict(zip(flat[::2], flat[1::2]))

    def counted(self, name, least=1, seconds=20):
        wait_for(f"{name} >= {least}", lambda: int(self.counters().get(name, 0)) >= least, seconds)

    def complete(self, job, *args, seconds=60, **more):
        """Runs a job on the fleet to its end; its end line."""
        proc = self.bench.coordinator(job, *args, **more)
        self.assertEqual(proc.wait(seconds), 0, proc.log() + proc.why())
        return proc.end()

    def check_corpus(self, folder, rows, sha=None):
        corpus = Corpus(folder)
        self.assertEqual(corpus.rows, rows)
        if sha:
            self.assertEqual(corpus.sha, sha, "other bytes")
        state = run_json(folder)
        self.assertEqual(state["state"], "complete")
        self.assertTrue(ledger_holds(state["ledger"]), state["ledger"])
        self.assertEqual(state["ledger"]["accepted"], rows)
        self.check_journal(folder)
        return corpus

    def check_journal(self, folder):
        code, out, err = self.bench.cohort("journal", "check", folder)
        self.assertEqual(code, 0, out + err)
