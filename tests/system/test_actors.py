"""What carries the scaler's wish to where workers are made: an API like that of
Kubernetes, a command; and the commands of a person: cohort workers, scale."""
import http.server
import json
import os
import signal
import ssl
import subprocess
import threading
import unittest

import harness

NS = "cohort:{default}:"
SERVICE = "persona.compose"
PATH = "/apis/apps/v1/namespaces/team/deployments/workers/scale"


class FakeApi(http.server.ThreadingHTTPServer):
    """The scale subresource of one Deployment, as the API server serves it."""

    def __init__(self, token, cert=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.token, self.replicas, self.patches, self.fail = token, 1, [], 0
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*cert)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refused(self):
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.answer(401, {"kind": "Status", "message": "Unauthorized"}) or True
        if self.path != PATH:
            return self.answer(404, {"kind": "Status", "message": "not found"}) or True
        if self.server.fail:
            self.server.fail -= 1
            return self.answer(503, {"kind": "Status", "message": "not now"}) or True
        return False

    def scale(self):
        spec = {"replicas": self.server.replicas} if self.server.replicas else {}
        return {"kind": "Scale", "apiVersion": "autoscaling/v1", "spec": spec, "status": {"replicas": self.server.replicas}}

    def do_GET(self):
        if not self.refused():
            self.answer(200, self.scale())

    def do_PATCH(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.refused():
            return
        if self.headers["Content-Type"] != "application/merge-patch+json":
            return self.answer(415, {"message": "unsupported media type"})
        self.server.replicas = json.loads(body)["spec"]["replicas"]
        self.server.patches.append(self.server.replicas)
        self.answer(200, self.scale())


class Actors(harness.SystemTest):
    def wish(self, desired, number=1):
        self.bench.redis_call("HSET", f"{NS}scale:{SERVICE}", "desired", desired, "number", number, "reason", "a test")

    def told(self):
        flat = self.bench.redis_call("HGETALL", f"{NS}actor:{SERVICE}")
        return dict(zip(flat[::2], flat[1::2])) if flat else {}

    def file(self, name, text):
        with open(self.bench.path(name), "w") as f:
            f.write(text)
        return self.bench.path(name)

    def text(self, name):
        with open(self.bench.path(name)) as f:
            return f.read()

    def actor(self, *args, name="actor"):
        return self.bench.start(name, [f"{harness.BIN}/cohort-scaler", "--service", SERVICE] + self.bench.redis_args() + list(args))

    def kubernetes(self, api, scheme="http", *args):
        return self.actor("--api", f"{scheme}://127.0.0.1:{api.server_port}", "--target", "deployment/workers",
                          "--kube-namespace", "team", "--token-file", self.bench.path("token"), *args, "kubernetes")

    def test_replicas_follow_the_wish_and_nothing_is_changed_without_one(self):
        self.bench.redis()
        self.file("token", "first\n")
        api = FakeApi("first")
        self.addCleanup(api.server_close)
        self.addCleanup(api.shutdown)
        proc = self.kubernetes(api, "http", "--max", "20")
        harness.wait_for("its key", self.told, alive=[proc])
        self.assertEqual(api.patches, [])
        self.wish(5)
        harness.wait_for("five", lambda: api.replicas == 5, alive=[proc])
        # Tokens rotate; the file is read anew. A wish beyond --max is cut.
        api.token = "second"
        self.file("token", "second\n")
        self.wish(500)
        harness.wait_for("the most", lambda: api.replicas == 20, alive=[proc])
        # An older number is of a scaler that was replaced.
        self.wish(3, number=7)
        harness.wait_for("three", lambda: api.replicas == 3, alive=[proc])
        self.wish(9, number=6)
        self.wish(0, number=7)
        harness.wait_for("none", lambda: api.replicas == 0, alive=[proc])
        self.assertNotIn(9, api.patches)
        # The wish is lost with Redis: what runs stays.
        self.bench.redis_call("FLUSHALL")
        harness.wait_for("its key again", self.told, alive=[proc])
        self.assertEqual(api.replicas, 0)
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(), 0)

    def test_an_api_that_fails_is_tried_again_and_counted(self):
        self.bench.redis()
        self.file("token", "t")
        api = FakeApi("t")
        self.addCleanup(api.server_close)
        self.addCleanup(api.shutdown)
        api.fail = 2
        self.wish(4)
        proc = self.kubernetes(api)
        harness.wait_for("four", lambda: api.replicas == 4, 30, alive=[proc])
        harness.wait_for("the count", lambda: self.told().get("failures") == "2" and self.told()["applied"] == "4", alive=[proc])
        self.assertIn("answered 503", proc.log())
        self.file("token", "wrong")
        self.wish(6)
        harness.wait_for("a refusal", lambda: "answered 401" in self.told().get("error", ""), alive=[proc])
        self.assertNotIn("wrong", proc.log())
        self.assertEqual(api.replicas, 4)

    def test_the_api_is_known_by_its_certificate(self):
        key, cert = self.bench.path("key.pem"), self.bench.path("cert.pem")
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                               "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                              capture_output=True, check=False) if os.path.exists("/usr/bin/openssl") else None
        if made is None or made.returncode:
            self.skipTest("no openssl command to make a certificate with")
        self.bench.redis()
        self.file("token", "t")
        api = FakeApi("t", (cert, key))
        self.addCleanup(api.server_close)
        self.addCleanup(api.shutdown)
        self.wish(4)
        stranger = self.kubernetes(api, "https")
        harness.wait_for("a refusal", lambda: "actor.failed" in stranger.log(), alive=[stranger])
        self.assertEqual(api.patches, [])
        stranger.kill(signal.SIGTERM)
        stranger.wait()
        proc = self.kubernetes(api, "https", "--ca-file", cert)
        harness.wait_for("four", lambda: api.replicas == 4, alive=[proc])

    def test_a_command_is_run_once_for_each_wish(self):
        self.bench.redis()
        out = self.bench.path("said")
        proc = self.actor("exec", "--", "sh", "-c", f'echo "$1 $COHORT_SERVICE" >> {out}; test "$1" != 3', "sh", "{desired}")
        self.file("said", "")
        said = lambda: self.text("said").split("\n")[:-1]
        self.wish(2)
        harness.wait_for("the first", lambda: said() == [f"2 {SERVICE}"], alive=[proc])
        self.wish(5)
        harness.wait_for("the second", lambda: said()[1:] == [f"5 {SERVICE}"], alive=[proc])
        self.wish(3)
        harness.wait_for("a failure", lambda: int(self.told().get("failures", 0)) >= 2, 30, alive=[proc])
        self.assertEqual(self.told()["applied"], "5")
        self.assertIn("ended with code 1", self.told()["error"])

    def test_wrong_use_says_what_is_allowed(self):
        for args, words in (([], "argument"), (["kubernetes"], "--redis"), (["--redis", "unix:///x", "--service", "s", "exec"], "command"),
                            (["--redis", "unix:///x", "--service", "s", "--api", "http://10.0.0.1", "--target", "deployment/x", "kubernetes"], "https"),
                            (["--redis", "unix:///x", "--service", "s", "--api", "https://x", "--target", "pod", "kubernetes"], "deployment/NAME")):
            done = subprocess.run([f"{harness.BIN}/cohort-scaler", *args], capture_output=True, text=True, env=self.bench.env(), timeout=20)
            self.assertIn(done.returncode, (1, 2), args)
            self.assertIn(words, done.stderr)

    def test_numbers_of_processes_that_make_no_sense_are_refused(self):
        for args, words in ((["--processes", "5..2"], "MIN below MAX"), (["--processes", "x"], "allowed is a number"),
                            (["--processes", "1..4"], "give --redis URL"), (["--processes", "auto"], "give --redis URL"),
                            (["--processes", "2000"], "to 1024"), (["--id", "not-16-hex-digit"], "16 hex digits")):
            done = subprocess.run([f"{harness.BIN}/cohort-worker", "--broker", "ipc:///x", *args], capture_output=True, text=True,
                                  env=self.bench.env(), timeout=20)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(words, done.stderr)

    # -- a person's commands ---------------------------------------------------

    def fleet(self, *args):
        return self.bench.cohort(*args, "--redis", f"redis://127.0.0.1:{self.bench.redis_port}")

    def test_workers_are_listed_and_one_is_drained_by_name(self):
        self.bench.redis()
        self.bench.broker()
        first = self.bench.worker("--name", "first", "--services", "noop", "--log-level", "info")
        second = self.bench.worker("--name", "second", "--services", "noop")
        listed = lambda: json.loads(self.fleet("workers", "--json")[1])
        harness.wait_for("both", lambda: {w["name"] for w in listed()} == {"first", "second"}, alive=[first, second])
        code, out, err = self.fleet("workers")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"first +\S+ +ready +0/1 ")
        code, out, err = self.fleet("workers", "--drain", "first")
        self.assertEqual(code, 0, err)
        self.assertIn("asked to drain", out)
        self.assertEqual(first.wait(), 0)
        self.assertIn("asked through Redis", first.log())
        self.assertEqual([w["name"] for w in listed()], ["second"])
        self.assertEqual(self.bench.redis_call("KEYS", NS + "drain:*"), [])
        code, out, err = self.fleet("workers", "--drain", "third")
        self.assertEqual(code, 1, out)
        self.assertIn("no such worker", err)

    def test_a_person_sets_the_size_and_gives_it_back(self):
        self.bench.redis()
        daemon = self.bench.start("daemon", [f"{harness.BIN}/cohort-coordinator", "serve", "--listen", f"ipc://{self.bench.top}/d",
                                             "--out", self.bench.path("jobs"), "--broker", self.bench.front] + self.bench.redis_args())
        harness.wait_for("a scaler", lambda: self.bench.redis_call("GET", NS + "scaler"), alive=[daemon])
        code, out, err = self.fleet("scale", SERVICE, "4", "--max", "6")
        self.assertEqual((code, out), (1, ""), "nobody named it")
        self.assertIn(f"{SERVICE}: no such service", err)
        code, out, err = self.fleet("scale", SERVICE, "4", "--max", "6", "--new")
        self.assertEqual((code, err), (0, ""), out)
        shown = lambda: json.loads(self.fleet("scale", SERVICE, "--json")[1])[0]
        harness.wait_for("four", lambda: shown().get("desired") == "4" and shown()["pinned"] == "1", alive=[daemon])
        self.assertEqual(shown()["max"], "6")
        code, out, err = self.fleet("scale")
        self.assertIn(f"{SERVICE}  4 wished, 0 live (0 to 6, horizontal)", out)
        self.assertIn("set by hand", out)
        self.assertEqual(self.fleet("scale", SERVICE, "auto")[0], 0)
        harness.wait_for("automatic", lambda: shown()["pinned"] == "0", alive=[daemon])
        for args, words in ((["scale", SERVICE, "many"], "whole number"), (["scale", SERVICE, "--mode", "diagonal"], "hybrid"),
                            (["scale", "--max", "3"], "Name a service"), (["scale", SERVICE, "--mode", "quality"], "neither a deadline"),
                            (["scale", SERVICE, "--max", "0"], "from 1 to 10000"), (["scale", SERVICE, "7"], "more than --max 6"),
                            (["scale", SERVICE, "--min", "7"], "larger than --max 6"), (["scale", SERVICE, "2", "--min", "3"], "fewer than --min 3")):
            code, out, err = self.fleet(*args)
            self.assertEqual(code, 2, args)
            self.assertIn(words, err)
        self.assertEqual(self.bench.redis_call("HGETALL", NS + "pin:" + SERVICE), ["max", "6"], "a refusal changes nothing")
        self.assertEqual(self.fleet("scale", SERVICE, "7", "--max", "none")[0], 0)
        for args in (["scale", "slwo"], ["scale", "slwo", "2"]):
            code, out, err = self.fleet(*args)
            self.assertEqual((code, out), (1, ""), args)
            self.assertIn(f"known are {SERVICE}", err)

    def test_figures_that_nobody_renews_are_called_old(self):
        self.bench.redis()
        daemon = self.bench.start("daemon", [f"{harness.BIN}/cohort-coordinator", "serve", "--listen", f"ipc://{self.bench.top}/d",
                                             "--out", self.bench.path("jobs"), "--broker", self.bench.front] + self.bench.redis_args())
        self.assertEqual(self.fleet("scale", SERVICE, "4", "--new")[0], 0)
        harness.wait_for("four", lambda: "4 wished" in self.fleet("scale", SERVICE)[1], alive=[daemon])
        self.assertNotIn("  old ", self.fleet("scale", SERVICE)[1])
        daemon.kill(signal.SIGTERM)
        daemon.wait()
        out = self.fleet("scale", SERVICE)[1]
        self.assertIn("no scaler holds the lease", out)
        shown = json.loads(self.fleet("scale", SERVICE, "--json")[1])[0]
        self.assertEqual(shown["scaler"], "")
        harness.wait_for("its age", lambda: json.loads(self.fleet("scale", SERVICE, "--json")[1])[0]["age_ms"] > shown["age_ms"])
        code, out, err = self.fleet("scale", SERVICE, "auto")
        self.assertEqual(code, 0)
        self.assertIn("nothing happens yet", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
