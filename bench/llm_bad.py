#!/usr/bin/python3
"""llm_bad.py [CASE]... [--rows N] [--at-once N] - what a job makes of each bad
endpoint: `cohort run` of a few rows against tests/fake-llm that misbehaves.

For --bad seconds (8) all requests are answered so; what `cohort why` says by
then, and when it said so first, is noted. Then the endpoint is well again
(where it can be), and the run goes on until it is over or 100 s have passed.
A line a case: what the rows ended as, what the ledger says, how long it took
from the healing on, and the words of `cohort why`.

COHORT_BUILD chooses the build (default build/release)."""
import argparse
import concurrent.futures
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))
import fake_llm  # noqa: E402
import harness  # noqa: E402

# name: what the endpoint does; or None, with what else is wrong
CASES = {
    "429": "status=429",
    "429 with Retry-After": "status=429,retry-after=3",
    "429, quota used up": "status=429,quota",
    "500": "status=500",
    "502, a page of a proxy": "status=502,html",
    "503": "status=503",
    "529": "status=529",
    "401": "status=401",
    "400": "status=400",
    "reset": "reset",
    "closed without a byte": "close",
    "cut in the middle": "cut",
    "stalled in the middle": "stall",
    "no first byte": "mute",
    "slow first byte": "latency=1500",
    "JSON that breaks off": "badjson",
    "JSON of another API": "shape",
    "schema violated": "violate",
    "schema violated, always": "violate,stubborn",
    "prose, always": "nonjson,stubborn",
    "a fence around it": "fence",
    "cut at max_tokens": "length",
    "content filter": "filter",
    "HTML with status 200": "html",
    "3 MiB": "huge=3145728",
    "redirect elsewhere": "redirect=http://127.0.0.1:9/v1/chat/completions",
    "10,000 headers": "headers=10000",
    "chunked, split UTF-8": "chunked,split=3",
    "usage beyond the bound": "overrun",
    "one in ten 429, one in ten closed": None,
    "nobody listens": None,
    "no such host": None,
    "bad certificate": None,
}
FAILS = "429:0.1;close:0.1"


class Down:
    """An address that nobody listens at, until a fake does."""

    def __init__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"


class Tls:
    """An endpoint whose certificate nobody vouches for."""

    def __init__(self, folder):
        key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "1",
             "-subj", "/CN=localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.socket.getsockname()[1]}/v1"
        threading.Thread(target=self.serve, args=(context,), daemon=True).start()

    def serve(self, context):
        while True:
            with self.socket.accept()[0] as s:
                try:
                    context.wrap_socket(s, server_side=True).close()
                except OSError:
                    pass


class Case:
    def __init__(self, name, args):
        self.name, self.args = name, args
        self.cleanups = []
        self.bench = harness.Bench("cohort-bad")
        self.fake = self.where = None

    def addCleanup(self, call):
        self.cleanups.append(call)

    def endpoint(self):
        if self.name == "nobody listens":
            self.where = Down()
        elif self.name == "bad certificate":
            self.where = Tls(self.bench.top)
        elif CASES[self.name]:
            self.where = self.fake = fake_llm.Fake(self, "--script", CASES[self.name])
        elif self.name != "no such host":
            self.where = self.fake = fake_llm.Fake(self, "--script", "latency=100", "--fail", FAILS)
        return self.where.url if self.where else "http://nowhere.invalid/v1"

    def start(self):
        job = self.bench.job(self.args.rows)
        provider = {
            "kind": "openai", "model": "m", "endpoints": [{"url": self.endpoint()}],
            "timeouts": {"connect_ms": 2000, "first_byte_ms": 2000, "idle_ms": 2000, "total_ms": 20000},
            "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6},
        }
        with open(job, "a") as f:
            f.write(f"budget: {{usd: 5}}\nprovider: main\nproviders: {json.dumps({'main': provider})}\n")
        self.began = time.monotonic()
        self.log = open(self.bench.path("run.log"), "w+")
        self.run = subprocess.Popen(
            [f"{harness.BIN}/cohort", "run", job, "--workers", "1"], env=self.bench.env(), cwd=self.bench.top,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def why(self):
        done = subprocess.run(
            [f"{harness.BIN}/cohort", "why", self.bench.path("out"), "--json"], env=self.bench.env(),
            capture_output=True, text=True, timeout=60)
        try:
            return json.loads(done.stdout)["why"][0]
        except (ValueError, LookupError):
            return {"code": "", "text": (done.stdout + done.stderr).strip()}

    def watch(self):
        """What is said at the end of the bad time, and since when."""
        said, since = {"code": "", "text": ""}, 0
        while time.monotonic() < self.began + self.args.bad and self.run.poll() is None:
            now = self.why()
            if now["code"] != said["code"]:
                since = time.monotonic() - self.began
            said = now
            time.sleep(0.3)
        return said, since

    def heal(self):
        if self.name == "nobody listens":
            self.fake = fake_llm.Fake(self, "--port", str(self.where.port))
            return True
        if self.fake:
            self.fake.script("ok")
            return True
        return False

    def finish(self, healed):
        try:
            return self.run.wait(100 if healed else 0)
        except subprocess.TimeoutExpired:
            self.run.send_signal(signal.SIGINT)
            return self.run.wait(120)

    def line(self):
        self.start()
        said, since = self.watch()
        asked = self.fake.stats()["requests"] if self.fake else 0
        ended = self.run.poll() is not None
        healed = not ended and self.heal()
        at = time.monotonic()
        code = self.finish(healed)
        took = time.monotonic() - at
        run = harness.run_json(self.bench.path("out"))
        money, ledger = run["money"], run["ledger"]
        self.log.seek(0)
        rows = f"{ledger['accepted']} of {self.args.rows}, {ledger['dead']} dead"
        paid = f"{money['calls']} calls {money['settled_usd']} USD, unknown {money['lost']} {money['unknown_usd']} USD"
        end = f"by itself, code {code}" if ended else f"{took:.0f} s after healing, code {code}" if healed else f"stopped, code {code}"
        text = f"| {self.name} | {rows} | {paid} | {asked} | {end} | {since:.1f} s: {said['code']}: {said['text']} |"
        return text, self.log.read()

    def close(self):
        self.bench.close()
        for call in self.cleanups:
            call()


def one(name, args):
    case = Case(name, args)
    try:
        return case.line()
    finally:
        case.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="; ".join(CASES))
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--bad", type=float, default=8)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--show", action="store_true", help="what the run printed, too")
    args = parser.parse_args()
    if not set(args.cases) <= set(CASES):
        parser.error(f"cases are {'; '.join(CASES)}")
    print("| behaviour | rows | money | requests while bad | end | since: why |\n|---|---|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
        for text, log in pool.map(lambda name: one(name, args), args.cases or list(CASES)):
            print(text + ("\n" + log if args.show else ""), flush=True)


if __name__ == "__main__":
    main()
