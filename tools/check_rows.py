#!/usr/bin/env python3
"""Checks a finished corpus without any code of the sampler.

    tools/check_rows.py OUT [TABLES]

OUT is a run's folder (or one part, or - for JSON lines on stdin), TABLES the
folder that tools/compile_us.py reads. Checked on every row: the columns, hard
coherence, ages at which texts exist, faults of typing, repeated ids; with
TABLES also places, names and what occupations need, and for a corpus of the
whole population (no `where`, no `mix`) how far its joints are from the source
tables. Ends with 1 if a rule was broken, 0 when all rows keep all rules.
"""
import signal
import sys

from checks import joints, reader, rules

IDS_MAX = 5_000_000  # repeated ids are looked for in so many rows
EXAMPLES = 3


class Tally:
    """Broken rules: how many rows, and the first of them."""

    def __init__(self):
        self.broken, self.rows, self.bad = {}, 0, 0

    def row(self, r, checks):
        bad = False
        self.rows += 1
        for check in checks:
            for rule in check(r):
                n, first = self.broken.setdefault(rule, (0, []))
                if n < EXAMPLES:
                    first.append(r["provenance"]["row"])
                self.broken[rule] = n + 1, first
                bad = True
        self.bad += bad

    def add(self, rule, n):
        if n:
            self.broken[rule] = n, []
            self.bad += n

    def show(self):
        good = self.rows - min(self.bad, self.rows)
        print(f"{self.rows} rows, {good} keep every rule: "
              f"{100 * good / self.rows:.4f} %")
        for rule, (n, first) in sorted(self.broken.items()):
            print(f"  BROKEN {rule}: {n} rows, first {first}")


def comparable(recipe):
    """Joints say something about whole US populations only."""
    population = recipe.get("population", "us")
    return population == "us" and not recipe.get("where") and \
        not recipe.get("mix")


def show_joints(compared):
    print("%-58s %8s %6s %9s %9s %7s" % ("joint (against the source tables)",
                                         "n", "cells", "TV", "floor", "z"))
    for j in compared:
        if not j.seen:
            continue
        n, cells, tv, floor, sd = j.compare()
        print("%-58s %8d %6d %9.6f %9.6f %7.2f" % (
            j.name, n, cells, tv, floor, (tv - floor) / sd))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    tables = sys.argv[2] if len(sys.argv) > 2 else None
    checks, compared = list(rules.FROM_FIELDS), []
    if tables:
        sources = rules.FromTables(tables)
        checks.append(sources.check)
        print(f"needs of {sources.matched} of {len(sources.titles)} "
              "occupations are known (titles alike)")
        if comparable(reader.recipe(sys.argv[1])):
            compared = joints.all_joints(tables)
    tally, ids, last, disorder = Tally(), set(), -1, 0
    for r in reader.rows(sys.argv[1]):
        tally.row(r, checks)
        if tally.rows <= IDS_MAX:
            ids.add(r["uuid"])
        row = r["provenance"]["row"]
        disorder += row <= last
        last = row
        for j in compared:
            j.count(r)
    if not tally.rows:
        sys.exit("no rows")
    tally.add("every uuid once", min(tally.rows, IDS_MAX) - len(ids))
    tally.add("rows in order", disorder)
    tally.show()
    if compared:
        show_joints(compared)
    sys.exit(1 if tally.broken else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head may be enough
    main()
