"""The endpoint that stands in for a model (tests/fake-llm/README.md), as a process of a test."""
import json
import os
import subprocess
import urllib.error
import urllib.request

import harness

FAKE = os.path.join(harness.BUILD, "tests/bin/fake-llm")


class Fake:
    """Runs until its test is over, or until kill()."""

    def __init__(self, test, *args):
        self.process = subprocess.Popen(
            [FAKE, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=harness.die_with_parent)
        test.addCleanup(self.kill)
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, path, body=None):
        """Status, headers and JSON of the answer to body: bytes as they are, else JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        r = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body,
            headers={"Content-Type": "application/json", "anthropic-version": "2023-06-01"})
        try:
            with urllib.request.urlopen(r, timeout=20 * harness.FACTOR) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.headers, json.load(e)

    def script(self, text):
        self.ask("/script", text.encode())

    def fail(self, rules):
        self.ask("/fail", rules.encode())

    def batches(self, words):
        """How batches go from now on."""
        self.ask("/batch", words.encode())

    def stats(self):
        return self.ask("/stats")[2]


def provide(job, fakes, limits=None, weights=None, others=None, **more):
    """The job file's texts come from a model at those endpoints; others: more
    providers of the same kind, by name, each at one."""
    endpoints = [{"url": fake.url, "weight": weight} for fake, weight in zip(fakes, weights or [1] * len(fakes))]
    provider = {
        "kind": "openai", "model": "m", "limits": limits or {}, "endpoints": endpoints,
        "price": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}, **more,
    }
    providers = {"main": provider}
    for name, fake in (others or {}).items():
        providers[name] = {**provider, "endpoints": [{"url": fake.url}]}
    with open(job, "a") as f:
        f.write(f"provider: main\nproviders: {json.dumps(providers)}\n")
