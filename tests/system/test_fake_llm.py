"""What tests of paid jobs rely on: the endpoint that stands in for a model answers by schema, fails in shares, keeps
to limits, and knows what it would have billed."""
import json
import unittest

import fake_llm
import harness

SCHEMA = {
    "type": "object",
    "properties": {
        "goals": {"type": "string", "description": "what they want (2 or 3 sentences, 40 to 80 words)"},
        "skills": {"type": "array", "items": {"type": "string"}, "description": "a list of 3 to 6 texts of 1 to 6 words"},
        "motto": {"type": "string", "minLength": 10, "maxLength": 30},
        "mood": {"type": "string", "enum": ["glad", "sad"]},
    },
    "required": ["goals", "skills", "motto", "mood"],
    "additionalProperties": False,
}


def openai(prompt, *more, schema=SCHEMA):
    form = {"type": "json_schema", "json_schema": {"name": "row", "strict": True, "schema": schema}}
    return {"model": "m", "messages": [{"role": "user", "content": prompt}, *more], "response_format": form}


def anthropic(prompt):
    return {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": prompt}],
            "tools": [{"name": "row", "input_schema": SCHEMA}], "tool_choice": {"type": "tool", "name": "row"}}


class FakeLlm(harness.SystemTest):
    def fake(self, *args):
        self.llm = fake_llm.Fake(self, *args)

    def ask(self, path, body=None):
        return self.llm.ask(path, body)

    def said(self, body):
        status, _, answer = self.ask("/v1/chat/completions", body)
        self.assertEqual(status, 200, answer)
        return answer["choices"][0]["message"]["content"]

    def check(self, row):
        self.assertEqual(list(row), SCHEMA["required"])
        self.assertTrue(40 <= len(row["goals"].split()) <= 80, row)
        self.assertTrue(3 <= len(row["skills"]) <= 6 and all(row["skills"]), row)
        self.assertTrue(10 <= len(row["motto"].encode()) <= 30, row)
        self.assertIn(row["mood"], ("glad", "sad"))

    def test_answers_are_what_the_schema_says_and_always_the_same(self):
        self.fake()
        rows = [self.said(openai(f"Who is {n}?")) for n in range(20)]
        for row in rows:
            self.check(json.loads(row))
        self.assertEqual(len(set(rows)), 20)
        self.assertEqual(self.said(openai("Who is 7?")), rows[7])
        self.check(self.ask("/v1/messages", anthropic("Who?"))[2]["content"][0]["input"])
        told = {"model": "m", "messages": [
            {"role": "system", "content": "It has to match this JSON Schema:\n" + json.dumps(SCHEMA)},
            {"role": "user", "content": "Who?"}]}
        text = self.said(told)
        self.check(json.loads(text[text.index("{"):text.rindex("}") + 1]))

    def test_schemas_that_the_real_one_refuses_are_refused(self):
        self.fake()
        for change, why in (({"additionalProperties": True}, "additionalProperties"), ({"required": ["mood"]}, "required")):
            status, _, answer = self.ask("/v1/chat/completions", openai("Who?", schema={**SCHEMA, **change}))
            self.assertEqual(status, 400)
            self.assertIn(why, answer["error"]["message"])

    def test_a_wrong_answer_is_mended_when_it_is_quoted(self):
        self.fake("--script", "violate")
        for n in range(8):
            wrong = self.said(openai(f"Who is {n}?"))
            with self.assertRaises((AssertionError, AttributeError)):
                self.check(json.loads(wrong))
            mended = self.said(openai(f"Who is {n}?", {"role": "assistant", "content": wrong},
                                      {"role": "user", "content": "no"}))
            self.check(json.loads(mended))

    def test_a_share_of_the_requests_fails_the_same_each_time(self):
        seen = []
        for _ in range(2):
            self.fake("--fail", "429:0.3:retry-after=2;length:0.1")
            ends = []
            for n in range(200):
                status, headers, answer = self.ask("/v1/chat/completions", openai(f"Who is {n}?"))
                self.assertEqual(headers["Retry-After"], "2" if status == 429 else None)
                ends.append(status if status != 200 else answer["choices"][0]["finish_reason"])
            seen.append(ends)
            # Another try is another draw.
            first = ends.index(429)
            for _ in range(30):
                if self.ask("/v1/chat/completions", openai(f"Who is {first}?"))[0] == 200:
                    break
            else:
                self.fail("it never goes well")
        self.assertEqual(seen[0], seen[1])
        self.assertTrue(30 <= seen[0].count(429) <= 90 and 4 <= seen[0].count("length") <= 40, seen[0])

    def test_what_is_billed_is_known_and_outlives_a_kill(self):
        log = self.bench.path("bills")
        self.fake("--log", log, "--price-input", "0.15", "--price-output", "0.6", "--script", "ok;ok;cut;status=503;ok")
        for n in (0, 1):
            self.ask("/v1/chat/completions", openai(f"Who is {n}?"))
        with self.assertRaises(Exception):
            self.ask("/v1/chat/completions", openai("Who is 2?"))
        self.assertEqual(self.ask("/v1/chat/completions", openai("Who is 2?"))[0], 503)
        self.ask("/v1/chat/completions", openai("Who is 2?"))  # again after a cut: there was no answer
        self.ask("/v1/chat/completions", openai("Who is 1?"))  # again after a good one
        s = self.llm.stats()
        self.assertEqual((s["requests"], s["billed"], s["billed_again"], s["billed_again_after_good"]), (6, 5, 2, 1), s)
        pico = s["input_tokens"] * 150000 + s["output_tokens"] * 600000
        self.assertEqual(s["cost_usd"], f"0.{pico:012d}".rstrip("0"))
        self.llm.kill()
        with open(log) as f:
            bills = [line.split() for line in f]
        self.assertEqual(len(bills), 5)
        self.assertEqual(sum(int(b[2]) for b in bills), s["input_tokens"])
        self.assertEqual(sum(int(b[3]) for b in bills), s["output_tokens"])

    def test_no_window_holds_more_than_the_limit(self):
        self.fake("--rpm", "5", "--window", "3600")
        ends = [self.ask("/v1/chat/completions", openai(f"Who is {n}?")) for n in range(8)]
        self.assertEqual([e[0] for e in ends], 5 * [200] + 3 * [429])
        self.assertTrue(0 < int(ends[5][1]["Retry-After"]) <= 3600)
        s = self.llm.stats()
        self.assertEqual((s["limited"], s["window_admitted_max"], s["window_requests_max"], s["billed"]), (3, 5, 8, 5), s)


if __name__ == "__main__":
    unittest.main()
