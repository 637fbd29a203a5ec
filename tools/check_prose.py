#!/usr/bin/env python3
"""Measures how much the texts of a corpus repeat themselves.

    tools/check_prose.py OUT [ROWS]

OUT is a run's folder (or one part, or - for JSON lines on stdin); ROWS limits
how many rows are read. Before sentences are compared, the row's own values
(names, place, occupation, field, languages, ages and other numbers) are taken
out, so that two forms filled with different people count as the same.
Prints: distinct first sentences, how well the texts compress, the twenty most
frequent sentences, the shortest text of each column, and sentences that a row
shares word for word with the next one or with itself. Ends with 1 if a text
has under 60 characters or if such sentences are shared.
"""
import re
import signal
import sys
import zlib

from checks import reader
from checks.rules import TEXTS

SHORTEST, MOST_FREQUENT, BLOCK = 60, 20, 1 << 20
SENTENCE = re.compile(r"(?<=[.!?])[\"')]* +(?=[A-Z0-9\"'])")
NUMBER = re.compile(r"\d[\d,.]*\d|\d")
ABBREVIATION = re.compile(r"\b(St|Mt|Ft|Dr|Mr|Mrs|Ms|Jr|Sr)\.")
STATES = dict(line.split(" ", 1) for line in """AL Alabama
AK Alaska
AZ Arizona
AR Arkansas
CA California
CO Colorado
CT Connecticut
DE Delaware
DC District of Columbia
FL Florida
GA Georgia
HI Hawaii
ID Idaho
IL Illinois
IN Indiana
IA Iowa
KS Kansas
KY Kentucky
LA Louisiana
ME Maine
MD Maryland
MA Massachusetts
MI Michigan
MN Minnesota
MS Mississippi
MO Missouri
MT Montana
NE Nebraska
NV Nevada
NH New Hampshire
NJ New Jersey
NM New Mexico
NY New York
NC North Carolina
ND North Dakota
OH Ohio
OK Oklahoma
OR Oregon
PA Pennsylvania
RI Rhode Island
SC South Carolina
SD South Dakota
TN Tennessee
TX Texas
UT Utah
VT Vermont
VA Virginia
WA Washington
WV West Virginia
WI Wisconsin
WY Wyoming""".split("\n"))


def sentences(text):
    """A text as sentences; the dot of an abbreviation ends none."""
    return SENTENCE.split(ABBREVIATION.sub(r"\1", text))


def own_values(r):
    """(value, mark) of what belongs to the row alone, longest first."""
    out = [(r["first_name"], "FIRST"), (r["last_name"], "LAST"),
           (r["city"], "CITY"), (STATES.get(r["state"]), "STATE"),
           (r["occupation"], "WORK"), (r.get("bachelors_field"), "FIELD")]
    out += [(v, "LANGUAGE") for v in r.get("languages") or []
            if v != "English"]
    out = [(ABBREVIATION.sub(r"\1", v), mark) for v, mark in out if v]
    return sorted(out, key=lambda p: -len(p[0]))


def stripped(text, values):
    """The text without the row's own values, in one spelling."""
    for value, mark in values:
        text = text.replace(value, mark)
        text = text.replace(value.lower(), mark)
    return NUMBER.sub("0", text)


class Column:
    """What is measured of one column's texts."""

    def __init__(self):
        self.n = self.bytes = self.packed = 0
        self.first, self.shortest = {}, None
        self.block = []
        self.block_bytes = 0

    def add(self, text, first):
        self.n += 1
        self.bytes += len(text)
        key = hash(first)
        self.first[key] = self.first.get(key, 0) + 1
        if self.shortest is None or len(text) < len(self.shortest):
            self.shortest = text
        self.block.append(text)
        self.block_bytes += len(text)
        if self.block_bytes >= BLOCK:
            self.pack()

    def pack(self):
        self.packed += len(zlib.compress("\n".join(self.block).encode(), 6))
        self.block, self.block_bytes = [], 0


class Prose:
    def __init__(self):
        self.columns = {}
        self.frequent, self.total = {}, 0
        self.before, self.shared, self.examples = set(), 0, []
        self.rows = 0

    def row(self, r):
        values, own, twice = own_values(r), set(), set()
        self.rows += 1
        for key in TEXTS:
            if r.get(key) is None:
                continue
            found = sentences(r[key])
            bare = [stripped(s, values) for s in found]
            self.columns.setdefault(key, Column()).add(r[key], bare[0])
            for s, b in zip(found, bare):
                self.total += 1
                count = self.frequent.get(b)
                if count is not None:
                    self.frequent[b] = count + 1
                elif len(self.frequent) < 4_000_000:
                    self.frequent[b] = 1
                (twice if s in own else own).add(s)
        self.neighbours((own & self.before) | twice, r)
        self.before = own

    def neighbours(self, common, r):
        self.shared += len(common)
        for s in common:
            if len(self.examples) < 5:
                self.examples.append((r["provenance"]["row"], s))

    def show(self):
        print(f"{self.rows} rows, {self.total} sentences")
        print("%-28s %8s %10s %9s %7s %6s" % (
            "column", "texts", "distinct 1", "share", "zip", "short"))
        for key, c in self.columns.items():
            c.pack()
            print("%-28s %8d %10d %8.2f%% %7.2f %6d" % (
                key, c.n, len(c.first), 100 * len(c.first) / c.n,
                c.bytes / c.packed, len(c.shortest)))
        print("distinct 1 = first sentences without the row's own values, "
              "zip = bytes / bytes of zlib, short = shortest text")
        print(f"the {MOST_FREQUENT} most frequent sentences:")
        top = sorted(self.frequent.items(), key=lambda p: (-p[1], p[0]))
        for s, n in top[:MOST_FREQUENT]:
            print("  %7.4f%% %s" % (100 * n / self.total, s))
        print(f"sentences shared word for word by neighbours: {self.shared}")
        for row, s in self.examples:
            print(f"  row {row}: {s}")
        for key, c in self.columns.items():
            if len(c.shortest) < SHORTEST:
                print(f"too short, {key}: {c.shortest}")

    def bad(self):
        return self.shared or any(len(c.shortest) < SHORTEST
                                  for c in self.columns.values())


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else None
    prose = Prose()
    for r in reader.rows(sys.argv[1]):
        if limit is not None and prose.rows == limit:
            break
        prose.row(r)
    if not prose.columns:
        sys.exit("no texts")
    prose.show()
    sys.exit(1 if prose.bad() else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head may be enough
    main()
