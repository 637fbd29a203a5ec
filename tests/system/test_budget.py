"""Caps over several jobs: `cohort budget set|show|rebuild`, and the options of
coordinators, through the real programs. Who gets what is tested by
test_purse.c and test_purse_script.c."""
import json
import os
import re
import unittest

import harness


class Budget(harness.SystemTest):
    def budget(self, *args, code=0):
        got, out, err = self.bench.cohort("budget", *args, *self.bench.redis_args())
        self.assertEqual(got, code, out + err)
        return out + err

    def test_caps_are_set_shown_and_lifted(self):
        self.bench.redis()
        self.assertIn("has no ledger", self.budget("show"))
        self.assertIn("--new", self.budget("set", "--day", "12.50", code=1))
        self.budget("set", "--day", "12.50", "--new")
        shown = self.budget("show")
        self.assertIn("0 of 12.5 USD granted", shown)
        self.assertIn("(new): it grants", shown)
        self.assertIn("no cap", shown)
        # It is there: nothing is forgotten by a second --new.
        self.assertIn("no new one was made", self.budget("set", "--total", "900", "--new"))
        total = json.loads(self.budget("show", "--json"))["total"]
        self.assertEqual((total["cap_day"], total["cap_total"]), ("12500000", "900000000"))
        self.budget("set", "--day", "none")
        self.assertNotIn("cap_day", json.loads(self.budget("show", "--json"))["total"])

    def test_a_lost_ledger_is_rebuilt_from_folders_of_runs(self):
        self.bench.redis()
        self.fleet()
        self.complete(self.bench.job(500))
        out = self.bench.path("out")
        self.assertIn("--day", self.budget("rebuild", out, code=2))
        self.assertIn("no journal", self.budget("rebuild", "--day", "5", "--total", "none", self.bench.path("redis"), code=1))
        self.assertIn("has no ledger", self.budget("show"))  # nothing was begun
        self.assertIn("1 jobs have 0 USD", self.budget("rebuild", "--day", "5", out))
        self.assertIn("unsure", self.budget("show"))

    def test_the_users_of_redis_that_are_documented_suffice(self):
        self.bench.redis()
        with open(os.path.join(harness.ROOT, "docs/operations.md")) as f:
            for name, words in re.findall(r"^ACL SETUSER (\S+) (.+)$", f.read(), re.M):
                self.bench.redis_call("ACL", "SETUSER", name, *words.replace("SECRET", "s3cret").split())
        self.fleet()
        self.complete(self.bench.job(500))
        port = self.bench.redis_port
        for user, words in (
            ("cohort", ["set", "--day", "5", "--new"]),
            ("cohort", ["rebuild", self.bench.path("out")]),
            ("cohort-look", ["show"]),
        ):
            code, _, err = self.bench.cohort("budget", *words, "--redis", f"redis://{user}:s3cret@127.0.0.1:{port}")
            self.assertEqual(code, 0, err)

    def test_wrong_words_end_with_2(self):
        self.bench.redis()
        for words in (["set"], ["set", "--day", "much"], ["set", "--day", "9000001"], ["rebuild"]):
            self.budget(*words, code=2)
        job = self.bench.job(10)
        code, _, err = self.bench.cohort("run", "--budget-day", "5", job)
        self.assertEqual(code, 2, err)
        self.assertIn("--redis", err)


if __name__ == "__main__":
    unittest.main()
