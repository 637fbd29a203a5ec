#!/usr/bin/env python3
"""The checkers of finished corpora see each fault that is planted in a row,
and pass a row without one."""
import copy
import io
import json
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stdout

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tools"))
import check_prose  # noqa: E402
import check_rows  # noqa: E402
from checks import joints, rules  # noqa: E402

TEXT = "{} Lopez, a nurse of 34 in Waco, reads on the porch until the light goes."


def given_row():
    """A row as it should be."""
    row = {key: None for key in rules.COLUMNS[0]}
    for key in rules.TEXTS:
        row[key] = TEXT.format("Ana" if key == "persona" else key.title())
        row[key] = row[key].replace("_", " ")
    row.update({
        "uuid": "254ffd42-e3af-87d8-a4ed-ce8d51efe0c1",
        rules.LIST_6: ["reading", "chess", "running"],
        rules.LIST_16: ["triage", "charting", "teaching"],
        "sex": "Female", "age": 34, "marital_status": "Married",
        "education_level": "Bachelor's degree", "bachelors_field": "Business",
        "occupation": "Registered nurses", "city": "Waco", "state": "TX",
        "country": "USA", "first_name": "Ana", "last_name": "Lopez",
        "race_ethnicity": "White", "hispanic": "Yes",
        "employment_status": "Employed", "income_usd": 71000,
        "household": {"type": "With spouse", "size": 4, "children": [9, 4],
                      "tenure": "Owner", "income_usd": [75000, 99999]},
        "languages": ["English", "Spanish"],
        "provenance": {"row": 0, "seed": 1, "recipe_hash": "00", "draw": 0}})
    row.update({key: 50 for key in rules.OCEAN})
    return row


def broken(row):
    return [rule for check in rules.FROM_FIELDS for rule in check(row)]


# (what is changed, a word of the rule that must see it)
FAULTS = [
    ({"age": 19}, "schooling"),
    ({"age": 12}, "married from 18"),
    ({"age": 12}, "employment status under 16"),
    ({"occupation": None}, "occupation exactly"),
    ({"employment_status": "Retired"}, "retired from 50"),
    ({"bachelors_field": None}, "bachelors_field"),
    ({"income_usd": None}, "income_usd"),
    ({"income_usd": 250000}, "household income"),
    ({"household": {"size": 3}}, "household size"),
    ({"household": {"children": [4, 9]}}, "children's ages"),
    ({"household": {"children": [20, 4]}}, "children's ages"),
    ({"household": {"type": "With unmarried partner"}}, "spouse"),
    ({"household": {"type": "Child under 18"}}, "under 18"),
    ({"languages": []}, "languages"),
    ({"ocean_openness": 19}, "OCEAN"),
    ({"sports_persona": None}, "sports_persona exactly"),
    ({"persona": "Too short."}, "60 characters"),
    ({"persona": TEXT.format("An  a")}, "typing fault"),
    ({"persona": TEXT.format("The the {hobby}")}, "typing fault"),
    ({rules.LIST_6: ["chess", "chess", "reading"]}, "different items"),
    ({"zipcode": "76701"}, "zipcode"),
    ({"uuid": "254ffd42-e3af-47d8-a4ed-ce8d51efe0c1"}, "uuid"),
    ({"marital_status": "Complicated"}, "known values"),
]


class Rules(unittest.TestCase):
    def test_a_good_row_breaks_nothing(self):
        self.assertEqual(broken(given_row()), [])

    def test_each_fault_is_seen(self):
        for change, word in FAULTS:
            row = given_row()
            for key, value in copy.deepcopy(change).items():
                if isinstance(value, dict):
                    row[key].update(value)
                else:
                    row[key] = value
            found = broken(row)
            self.assertTrue(any(word in rule for rule in found),
                            (change, found))

    def test_columns_in_another_order_are_seen(self):
        row = dict(reversed(list(given_row().items())))
        self.assertIn("columns and their order", broken(row))


class Joints(unittest.TestCase):
    def test_equal_shares_have_no_variation(self):
        j = joints.Joint("sex", {"Male": 30, "Female": 10},
                         lambda r: r["sex"])
        for sex in ["Male"] * 3 + ["Female"]:
            j.count({"sex": sex})
        n, cells, tv, floor, _ = j.compare()
        self.assertEqual((n, cells, tv), (4, 2, 0.0))
        self.assertGreater(floor, 0)

    def test_the_other_half_is_half_a_unit_away(self):
        j = joints.Joint("sex", {"Male": 1, "Female": 1}, lambda r: r["sex"])
        j.count({"sex": "Male"})
        self.assertAlmostEqual(j.compare()[2], 0.5)


class Programs(unittest.TestCase):
    def run_on(self, main, rows):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
            for row in rows:
                f.write(json.dumps(row) + "\n")
            f.flush()
            out, args = io.StringIO(), sys.argv
            sys.argv = ["check", f.name]
            try:
                with redirect_stdout(out), self.assertRaises(SystemExit) as e:
                    main()
            finally:
                sys.argv = args
        return e.exception.code, out.getvalue()

    def test_good_rows_end_with_zero(self):
        code, text = self.run_on(check_rows.main, [given_row()])
        self.assertEqual(code, 0, text)
        self.assertIn("100.0000 %", text)

    def test_a_repeated_row_is_seen(self):
        code, text = self.run_on(check_rows.main, [given_row()] * 2)
        self.assertEqual(code, 1)
        self.assertIn("every uuid once", text)

    def test_neighbours_that_say_the_same_are_seen(self):
        code, text = self.run_on(check_prose.main, [given_row()] * 2)
        self.assertEqual(code, 1)
        self.assertIn("by neighbours: 10", text)

    def test_own_values_are_taken_out_of_sentences(self):
        other = given_row()
        other["persona"] = other["persona"].replace("Ana", "Eva")
        other["first_name"] = "Eva"
        bare = {check_prose.stripped(r["persona"], check_prose.own_values(r))
                for r in (given_row(), other)}
        self.assertEqual(len(bare), 1)


if __name__ == "__main__":
    unittest.main()
