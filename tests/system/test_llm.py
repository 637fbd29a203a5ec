"""`cohort try` and `cohort bench llm` against an endpoint that misbehaves: each
kind of failure ends as its class, with a reason, and no key is ever shown."""
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import unittest
from fractions import Fraction
from unittest import mock

import fake_llm
import harness

KEY = "sk-a-key-that-nobody-may-see-4711"
STRESSED = int(1000 * harness.FACTOR)  # ms; nothing waits for all of it but what has to

NOT_FOUND = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"

# $0: what stands in for resolv.conf.
MUTE = 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"'
ASK_NOBODY = """
import socket, subprocess, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
begin = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(time.monotonic() - begin, done.stdout, sep="\\n")
"""


def proxies(port):
    """What sends all calls by a proxy, also those to this machine."""
    url = f"http://127.0.0.1:{port}"
    return {"http_proxy": url, "https_proxy": url, "no_proxy": "", "NO_PROXY": ""}


# script, status, class, may be tried again, a part of the reason
BAD = [
    ("status=429,retry-after=7", 429, "rate-limited", True, "as the script says"),
    ("status=429,retry-after=7,retry-date", 429, "rate-limited", True, "as the script says"),
    ("status=429", 429, "rate-limited", True, "as the script says"),
    ("status=429,quota", 429, "no-money", False, "as the script says"),
    ("status=400", 400, "bad-request", False, "as the script says"),
    ("status=401", 401, "unauthorized", False, "as the script says"),
    ("status=408", 408, "try-again", True, "as the script says"),
    ("status=409", 409, "try-again", True, "as the script says"),
    ("status=500", 500, "server-error", True, "as the script says"),
    ("status=502", 502, "server-error", True, "as the script says"),
    ("status=503", 503, "overloaded", True, "as the script says"),
    ("status=529", 529, "overloaded", True, "as the script says"),
    ("reset", 0, "reset", True, "reset"),
    ("close", 0, "reset", True, "Empty reply"),
    ("cut", 200, "cut", True, "remaining"),
    ("cut,chunked", 200, "cut", True, "remaining"),
    ("badjson", 200, "bad-json", False, "at byte"),
    ("shape", 200, "bad-shape", False, "it has no"),
    ("html", 200, "content-type", False, "text/html"),
    ("huge=3000000", 200, "too-big", False, "more than 2097152 bytes"),
    ("huge=3000000,chunked,split=65536", 200, "too-big", False, "more than 2097152 bytes"),
    ("headers=2000", 200, "headers", False, "bytes of headers"),
    ("redirect=http://127.0.0.2:1/v1/chat/completions", 307, "redirect", False, "as the script says"),
    ("status=302,redirect=/moved/v1/chat/completions", 302, "redirect", False, "as the script says"),
    ("length", 200, "length", False, ""),
    ("filter", 200, "filtered", False, ""),
    ("status=400,echo-key", 400, "bad-request", False, "your key is ***"),
]


class Llm(harness.SystemTest):
    def fake(self, *args):
        self.llm = fake_llm.Fake(self, *args)
        self.url, self.script = self.llm.url, self.llm.script

    def attempt(self, *args, provider="openai", url=None, key=True):
        """The JSON of one `cohort try`; its key is nowhere in what it printed."""
        more = []
        if key:
            with open(self.bench.path("key"), "w") as f:
                f.write(KEY + "\n")
            more = ["--key-file", self.bench.path("key")]
        code, out, err = self.bench.cohort(
            "try", provider, "Who are you?", "--url", url or self.url, "--model", "m", "--json", *more, *args)
        self.assertNotIn(KEY, out + err)
        self.assertEqual("", err)
        result = json.loads(out)
        self.assertEqual(code, 0 if result["class"] == "ok" else 1, out)
        return result

    def serve(self, *answers, hold=False, tls=None):
        """A server of raw bytes: the n-th connection gets answers[n], the last all
        that follow, and then its end, unless hold. Returns the port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.seen = []
        held = []

        def run():
            for n in itertools.count():
                try:
                    raw, _ = listener.accept()
                except OSError:
                    return
                try:
                    s = tls.wrap_socket(raw, server_side=True) if tls else raw
                    answer = answers[min(n, len(answers) - 1)]
                    self.seen.append(self.request(s) if answer else b"")
                    s.sendall(answer)
                    if hold:
                        held.append(s)
                    else:
                        s.close()
                except OSError:  # of TLS, too
                    raw.close()

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    @staticmethod
    def request(s):
        """Reads a whole request: closed before that, a socket sends RST."""
        got = b""
        while b"\r\n\r\n" not in got:
            more = s.recv(65536)
            if not more:
                return got
            got += more
        head, body = got.split(b"\r\n\r\n", 1)
        length = [int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")]
        while length and len(body) < length[0]:
            body += s.recv(65536)
        return head

    def certificate(self, name="IP:127.0.0.1"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=" + name, "-keyout", self.bench.path("tls.key"),
             "-out", self.bench.path("tls.pem")],
            check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.bench.path("tls.pem"), self.bench.path("tls.key"))
        return context

    # -- what goes well ------------------------------------------------------

    def test_an_answer_is_the_same_whole_or_streamed_from_either_api(self):
        self.fake("--key", KEY)
        texts = set()
        for provider in ("openai", "anthropic"):
            for more in ([], ["--stream"]):
                r = self.attempt(*more, "--price-input", "0.15", "--price-output", "0.6", provider=provider)
                self.assertEqual(r["class"], "ok", r)
                self.assertEqual(r["output_tokens"], 180)
                self.assertGreater(r["input_tokens"], 10)
                pico = r["input_tokens"] * 150000 + 180 * 600000
                self.assertEqual(r["cost_usd"], f"0.{pico:012d}".rstrip("0"))
                texts.add(r["answer"])
        self.assertEqual(len(texts), 1)
        self.assertIn("日本語", texts.pop())

    def test_characters_may_be_cut_anywhere(self):
        self.fake()
        whole = self.attempt()["answer"]
        for pieces in ("split=1,chunked", "split=7,chunked"):
            self.script(pieces + ";ok")
            self.assertEqual(self.attempt()["answer"], whole)
        for provider in ("openai", "anthropic"):
            self.script("split=11;ok")
            self.assertEqual(self.attempt("--stream", provider=provider)["answer"], whole)

    def test_a_redirect_within_the_origin_is_followed_with_the_same_request(self):
        self.fake("--script", "redirect=/moved/v1/chat/completions;ok", "--key", KEY)
        self.assertEqual(self.attempt()["class"], "ok")
        self.assertEqual(self.llm.stats()["requests"], 2)

    def test_redirects_in_a_circle_end(self):
        self.fake("--script", "redirect=/v1/chat/completions")
        self.assertEqual(self.attempt()["class"], "redirect")
        self.assertEqual(self.llm.stats()["requests"], 4)

    def test_answers_are_made_for_a_schema_however_it_is_told(self):
        with open(self.bench.path("schema.json"), "w") as f:
            json.dump({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"],
                       "additionalProperties": False}, f)
        self.fake()
        for provider, form, more in itertools.product(("openai", "anthropic"), ("schema", "json", "words"), ([], ["--stream"])):
            with self.subTest(provider=provider, form=form, more=more):
                r = self.attempt("--schema", self.bench.path("schema.json"), "--form", form, *more, provider=provider)
                self.assertEqual(r["class"], "ok", r)
                text = r["answer"]
                if form == "schema":
                    self.assertEqual(text[0] + text[-1], "{}")
                row = json.loads(text[text.index("{"):text.rindex("}") + 1])
                self.assertEqual(list(row), ["name"])

    def test_a_text_becomes_a_vector(self):
        self.fake()
        r = self.attempt("--embed", "--price-input", "0.02", "--price-output", "0")
        self.assertEqual(Fraction(r["cost_usd"]), Fraction("0.02") / 10**6 * r["input_tokens"])
        self.assertEqual((r["class"], len(r["vector"]), r["model"]), ("ok", 16, "fake-embed-1"), r)
        self.assertGreater(r["input_tokens"], 0)
        code, out, err = self.bench.cohort("try", "anthropic", "Hi", "--url", self.url, "--model", "m", "--embed")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("anthropic has no embeddings", err)
        code, out, err = self.bench.cohort("try", "openai", "Hi", "--url", self.url, "--model", "m", "--embed", "--stream")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("--stream is of answers", err)
        two = b'{"data":[{"embedding":[1]},{"embedding":[2]}]}'
        port = self.serve(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(two), two))
        r = self.attempt("--embed", url=f"http://127.0.0.1:{port}/v1", key=False)
        self.assertEqual((r["class"], r["why"]), ("bad-shape", "it has 2 vectors for one text"), r)

    def test_a_recorded_answer_is_played_back_without_an_endpoint(self):
        self.fake()
        file = self.bench.path("answers.jsonl")
        recorded = self.attempt("--record", file, "--stream")
        self.llm.kill()
        played = self.attempt(provider="replay", url=file, key=False)
        for member in ("class", "answer", "model", "input_tokens", "output_tokens"):
            self.assertEqual(played[member], recorded[member])
        self.assertEqual((recorded["sent"], played["sent"]), (True, False))
        r = self.attempt("--system", "Be brief.", provider="replay", url=file, key=False)
        self.assertEqual((r["class"], r["retryable"]), ("bad-request", False), r)
        self.assertIn("has no answer to this request", r["why"])

    def test_what_cannot_be_recorded_is_not_asked_for(self):
        self.fake()
        file = self.bench.path("notes.txt")
        with open(file, "w") as f:
            f.write("notes\n")
        code, out, err = self.bench.cohort(
            "try", "openai", "Hi", "--url", self.url, "--model", "m", "--record", file)
        self.assertEqual((code, out), (1, ""))
        self.assertIn("something else than recorded answers is in it", err)
        self.assertEqual(self.llm.stats()["requests"], 0)
        with open(file) as f:
            self.assertEqual(f.read(), "notes\n")

    # -- what goes wrong -----------------------------------------------------

    def test_each_failure_has_its_class_and_a_reason(self):
        self.fake()
        for script, status, name, retry, why in BAD:
            with self.subTest(script=script):
                self.script(script)
                r = self.attempt()
                self.assertEqual((r["class"], r["status"], r["retryable"]), (name, status, retry), r)
                self.assertTrue(r["sent"])
                self.assertIn(why, r["why"])
                self.assertTrue(r["advice"])

    def test_streams_that_end_too_early_are_cut(self):
        self.fake("--script", "cut")
        for provider in ("openai", "anthropic"):
            self.assertEqual(self.attempt("--stream", provider=provider)["class"], "cut")

    def test_retry_after_is_told(self):
        self.fake("--script", "status=429,retry-after=7;status=503,retry-after=30,retry-date;status=429")
        self.assertEqual(self.attempt()["retry_after_ms"], 7000)
        self.assertTrue(0 < self.attempt()["retry_after_ms"] <= 30000)
        self.assertIsNone(self.attempt()["retry_after_ms"])

    def test_what_is_left_of_the_limits_is_told(self):
        self.fake("--script", "left=59,tokens-left=0,reset-ms=1500")
        for provider in ("openai", "anthropic"):
            r = self.attempt(provider=provider)
            self.assertEqual((r["requests_left"], r["tokens_left"]), (59, 0), r)

    def test_time_outs_end_a_call_each_in_its_phase(self):
        self.fake()
        for script, option, name in (
            ("mute", "--first-byte-timeout", "first-byte-timeout"),
            ("latency=600000", "--first-byte-timeout", "first-byte-timeout"),
            ("stall", "--idle-timeout", "idle-timeout"),
            ("mute", "--total-timeout", "total-timeout"),
        ):
            with self.subTest(script=script, option=option):
                self.script(script)
                r = self.attempt(option, f"{STRESSED}ms")
                self.assertEqual((r["class"], r["retryable"]), (name, True), r)
                self.assertIn(f"{STRESSED} ms", r["why"])

    def test_who_is_not_there_is_told_apart(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            refused = f"http://127.0.0.1:{s.getsockname()[1]}"
            r = self.attempt(url=refused)  # bound, but nobody listens
            self.assertEqual((r["class"], r["retryable"], r["sent"]), ("connect", True, False), r)
        r = self.attempt(url="http://no-such-host.invalid/v1", key=False)
        self.assertEqual((r["class"], r["retryable"]), ("resolve", True), r)

    def test_a_certificate_that_nobody_trusts_is_refused(self):
        port = self.serve(NOT_FOUND, tls=self.certificate())
        url = f"https://127.0.0.1:{port}/v1"
        r = self.attempt(url=url)
        self.assertEqual((r["class"], r["retryable"]), ("tls", False), r)
        r = self.attempt("--ca-file", self.bench.path("tls.pem"), url=url)
        self.assertEqual((r["class"], r["status"]), ("bad-request", 404), r)

    def test_nothing_is_sent_twice_by_tls_either(self):
        """The server answers the first call, and ends the connection once it has read the second."""
        tls = self.certificate()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        served = []

        def run():
            while len(served) < 3:
                raw, _ = listener.accept()
                try:
                    with tls.wrap_socket(raw, server_side=True) as s:
                        while self.request(s):
                            served.append(raw)
                            if len(served) == 2:
                                break
                            s.sendall(answer)
                except OSError:  # of TLS, too: the one that was to send again is closed unused
                    raw.close()

        threading.Thread(target=run, daemon=True).start()
        code, out, err = self.bench.cohort(
            "bench", "llm", "--url", f"https://127.0.0.1:{listener.getsockname()[1]}", "-n", "3", "-k", "1", "--json",
            "--ca-file", self.bench.path("tls.pem"))
        self.assertEqual((code, err), (1, ""))
        r = json.loads(out)
        self.assertEqual((r["ok"], r["failed"], len(served)), (2, {"reset": 1}, 3), r)

    def test_a_handshake_that_breaks_off_may_be_tried_again(self):
        r = self.attempt(url=f"https://127.0.0.1:{self.serve(b'')}/v1")
        self.assertEqual((r["class"], r["retryable"]), ("connect", True), r)

    def test_a_stream_that_ends_before_its_first_word_is_cut(self):
        for said in (b"", b": hello\n\n", b"data: {"):
            with self.subTest(said=said):
                r = self.attempt("--stream", url=f"http://127.0.0.1:{self.serve(STREAM + said)}")
                self.assertEqual((r["class"], r["retryable"], r["status"]), ("cut", True, 200), r)

    def test_a_stream_that_says_nothing_and_ends_is_no_answer(self):
        r = self.attempt("--stream", url=f"http://127.0.0.1:{self.serve(STREAM + b'data: [DONE]' + bytes(2 * [10]))}")
        self.assertEqual((r["class"], r["retryable"]), ("bad-shape", False), r)

    def test_a_stream_that_failed_is_not_read_on(self):
        for said, name in (
            (b'data: {"error": {"message": "out of memory"}}\n\n', "server-error"),
            (b"data: {]\n\n", "bad-json"),
        ):
            with self.subTest(said=said):
                port = self.serve(STREAM + said, hold=True)
                r = self.attempt("--stream", "--idle-timeout", "10m", url=f"http://127.0.0.1:{port}")
                self.assertEqual((r["class"], r["status"]), (name, 200), r)

    def test_what_wraps_the_words_of_a_stream_has_a_limit_of_its_own(self):
        event = b'data: {"choices":[{"delta":{"content":"x"}}],"filling":"%s"}\n\n' % (b"." * 900)
        for events, name in ((12, "ok"), (30, "too-big")):
            with self.subTest(events=events):
                port = self.serve(STREAM + events * event + b"data: [DONE]\n\n")
                r = self.attempt("--stream", "--body-max", "1024", url=f"http://127.0.0.1:{port}")
                self.assertEqual(r["class"], name, r)
        self.assertIn("more than 16384 bytes", r["why"])

    def test_a_header_without_end_is_refused(self):
        port = self.serve(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 150000 + b"\r\n\r\n")
        r = self.attempt(url=f"http://127.0.0.1:{port}")
        self.assertEqual((r["class"], r["retryable"]), ("headers", False), r)

    def test_what_a_stranger_says_cannot_command_the_terminal(self):
        body = json.dumps({"model": "m\x1b[2J\nm", "choices": [
            {"message": {"content": "a\x1b]0;x\x07b\nfailed   none\n\n\u009b1m"}, "finish_reason": "stop"}]}).encode()
        port = self.serve(JSON % (len(body), body))
        code, out, err = self.bench.cohort(
            "try", "openai", "Hi\u202e\x7f", "--url", f"http://127.0.0.1:{port}", "--model", "m")
        self.assertEqual((code, err), (0, ""))
        self.assertIn('"content":"Hi???\\u007f"}]}\n', out)  # a prompt may be a stranger's, too
        self.assertIn("answer   a?]0;x?b\n         failed   none\n         \n         ??1m\nmodel    m?[2J?m\n", out)
        body = json.dumps({"error": {"message": "no\x1b[2J\nno"}}).encode()
        port = self.serve((JSON % (len(body), body)).replace(b"200 OK", b"400 No"))
        url = f"http://127.0.0.1:{port}"
        code, out, err = self.bench.cohort("try", "openai", "Hi", "--url", url, "--model", "m")
        self.assertEqual((code, err), (1, ""))
        self.assertIn("why      the endpoint says: no?[2J?no\n", out)
        code, out, err = self.bench.cohort("bench", "llm", "--url", url, "-n", "1", "-k", "1")
        self.assertIn("first    the endpoint says: no?[2J?no\n", out)

    # -- names and proxies ---------------------------------------------------------

    def test_hosts_are_reached_by_their_names(self):
        """libcurl looks names up in threads, whose descriptors come and go."""
        name = socket.gethostname()
        try:
            found = socket.gethostbyname(name)
        except OSError:
            found = "nothing"
        if name == "localhost" or not found.startswith("127.0.0.1"):
            self.skipTest(f"this machine's name \"{name}\" stands for {found}, not for 127.0.0.1")
        self.fake()
        url = f"http://{name}:{self.llm.port}/v1"
        self.assertEqual(self.attempt(url=url, key=False)["class"], "ok")
        # Connections that end make it look up and connect again and again.
        self.script(";".join(["100*ok", "50*reset", "100*ok", "50*cut", "ok"]))
        code, out, err = self.bench.cohort(
            "bench", "llm", "--url", url, "-n", "600", "-k", "40", "--json", seconds=60)
        self.assertEqual((code, err), (1, ""))
        r = json.loads(out)
        # None is sent again, also where a used connection ended: each is seen.
        self.assertEqual((r["ok"], r["failed"]), (500, {"cut": 50, "reset": 50}), r)
        self.assertEqual(self.llm.stats()["requests"], 601)

    def test_a_resolver_that_does_not_answer_holds_nobody_up(self):
        """In a network of its own, where the one name server is mute for 30 s."""
        with open(self.bench.path("resolv.conf"), "w") as f:
            f.write("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
        argv = ["unshare", "-Urmn", "sh", "-c", MUTE, self.bench.path("resolv.conf"), sys.executable]
        if subprocess.run(argv + ["-c", "0"], capture_output=True).returncode:
            self.skipTest("this machine gives no network and mounts of one's own: unshare -Urmn")
        done = subprocess.run(
            argv + ["-c", ASK_NOBODY, f"{harness.BIN}/cohort", "try", "openai", "Hi", "--url", "http://h.example.org",
                    "--model", "m", "--connect-timeout", "300ms", "--json"],
            capture_output=True, text=True, env=self.bench.env(), timeout=120)
        self.assertEqual(done.stderr, "")
        seconds, out = done.stdout.split("\n", 1)
        self.assertEqual(json.loads(out)["class"], "connect-timeout")
        self.assertLess(float(seconds), 25)

    def test_no_proxy_sees_a_key_that_goes_to_this_machine(self):
        self.fake("--key", KEY)
        proxy = self.serve(NOT_FOUND)
        with mock.patch.dict(os.environ, proxies(proxy)):
            self.assertEqual(self.attempt()["class"], "ok")
            self.assertEqual(self.seen, [])
            # To others calls do go by the proxy.
            r = self.attempt(url="http://192.0.2.1/v1", key=False)
        self.assertEqual(r["status"], 404, r)
        self.assertTrue(self.seen[0].startswith(b"POST http://192.0.2.1/v1/chat/completions"), self.seen)

    def tunnel(self, tls, answer):
        """A proxy that is itself what it leads to. Returns the port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            raw, _ = listener.accept()
            self.request(raw)
            raw.sendall(b"HTTP/1.1 200 Yes\r\nRetry-After: 77\r\nContent-Type: text/html\r\n\r\n")
            with tls.wrap_socket(raw, server_side=True) as s:
                self.request(s)
                s.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    def test_what_a_proxy_says_of_its_tunnel_is_no_part_of_the_answer(self):
        port = self.tunnel(self.certificate(), NOT_FOUND)
        with mock.patch.dict(os.environ, proxies(port)):
            r = self.attempt("--ca-file", self.bench.path("tls.pem"), url="https://127.0.0.1:1/v1")
        self.assertEqual((r["class"], r["status"], r["retry_after_ms"]), ("bad-request", 404, None), r)

    def test_what_a_call_to_the_vendor_costs_is_looked_up(self):
        said = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
                           "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}).encode()
        tls = self.certificate("DNS:api.openai.com")
        for more, told in (([], "cost     0.000156 USD, by the list prices of 2025-08-31\n"),
                           (["--price-input", "1", "--price-output", "0"], "cost     0.001 USD\n")):
            with mock.patch.dict(os.environ, proxies(self.tunnel(tls, JSON % (len(said), said)))):
                code, out, err = self.bench.cohort(
                    "try", "openai", "Hi", "--model", "gpt-4o-mini", "--key-file", self.key_file(),
                    "--ca-file", self.bench.path("tls.pem"), *more)
            self.assertEqual((code, err), (0, ""), out)
            self.assertIn(told, out)

    # -- keys ------------------------------------------------------------------

    def test_the_text_for_people_shows_all_but_the_key(self):
        self.fake("--key", "another key")
        code, out, err = self.bench.cohort(
            "try", "anthropic", "Hi", "--url", self.url, "--model", "m", "--key-file", self.key_file())
        self.assertEqual((code, err), (1, ""))
        self.assertNotIn(KEY, out)
        self.assertIn("incorrect API key provided: ****", out)
        self.assertRegex(out, r"x-api-key: \[from .*key, not shown\]")
        self.assertIn("failed   unauthorized (status 401", out)

    def key_file(self):
        with open(self.bench.path("key"), "w") as f:
            f.write(KEY)
        return self.bench.path("key")

    def test_keys_do_not_travel_in_the_clear_or_in_addresses(self):
        for url, words in (
            ("http://192.0.2.1/v1", "in the clear"),
            (f"http://user:{KEY}@127.0.0.1/v1", "do not belong there"),
        ):
            code, out, err = self.bench.cohort(
                "try", "openai", "Hi", "--url", url, "--model", "m", "--key-file", self.key_file())
            self.assertEqual((code, out), (2, ""))
            self.assertIn(words, err)
            self.assertNotIn(KEY, err)

    # -- many at once ------------------------------------------------------------

    def test_the_bench_agrees_with_the_endpoint(self):
        self.fake()
        code, out, err = self.bench.cohort(
            "bench", "llm", "--url", self.url, "-n", "3000", "-k", "300", "--json", seconds=60)
        self.assertEqual((code, err), (0, ""), out)
        r = json.loads(out)
        self.assertEqual((r["ok"], r["failed"]), (3000, {}))
        for field in ("calls_per_s", "cpu_us_per_call", "peak_rss_mib"):
            self.assertGreater(r[field], 0)
        stats = self.llm.stats()
        self.assertEqual((stats["requests"], stats["refused"]), (3000, 0))
        # Connections are used again (one is ours), and no more than were allowed.
        self.assertLessEqual(stats["connections"], 303)

    def test_many_failures_at_once_are_each_counted_once(self):
        self.fake("--script", ";".join(["100*status=429", "100*reset", "100*cut", "100*ok", "100*badjson", "ok"]))
        code, out, err = self.bench.cohort(
            "bench", "llm", "--url", self.url, "-n", "1000", "-k", "50", "--json", seconds=60)
        self.assertEqual((code, err), (1, ""))
        r = json.loads(out)
        self.assertEqual(r["ok"] + sum(r["failed"].values()), 1000)
        self.assertEqual(r["failed"]["rate-limited"], 100)
        self.assertEqual(r["failed"]["cut"], 100)
        self.assertEqual(r["failed"]["reset"], 100)
        self.assertEqual(r["failed"]["bad-json"], 100)
        self.assertTrue(r["first_failure"])


if __name__ == "__main__":
    unittest.main()
