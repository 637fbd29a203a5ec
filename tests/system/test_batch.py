"""Jobs whose asks go out as batches of their vendor: rows say the same as those
of single calls and cost half; what expires is asked again; nobody pays twice,
whoever is killed when."""
import json
import os
import signal
import unittest
from fractions import Fraction

import harness
from fake_llm import Fake
from harness import wait_for

PRICE = ["--price-input", "0.3", "--price-output", "1.2"]
HALF = {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
KINDS = {"openai": "/v1", "anthropic": ""}


class Batch(harness.SystemTest):
    def job(self, fake, kind, rows, batch=None, name="job", price=None):
        provider = {
            "kind": kind, "model": "m", "limits": {"in_flight": 8},
            "endpoints": [{"url": f"http://127.0.0.1:{fake.port}{KINDS[kind]}"}],
            "price": price or HALF,
        }
        if batch:
            provider["batch"] = batch
        path = self.bench.job(rows)
        with open(path, "a") as f:
            f.write(f"budget: {{usd: 9}}\nprovider: main\nproviders: {json.dumps({'main': provider})}\n")
        return path

    def rows(self):
        return [json.loads(line) for line in harness.Corpus(self.bench.path("out")).lines()]

    def money(self):
        return harness.run_json(self.bench.path("out"))["money"]

    def settles(self, fake):
        """What the job says it paid is what the vendor bills."""
        self.assertEqual(Fraction(self.money()["settled_usd"]), Fraction(fake.stats()["cost_usd"]))
        self.assertEqual((self.money()["unknown_usd"], self.money()["reserved_usd"]), ("0", "0"))


if __name__ == "__main__":
    unittest.main()
