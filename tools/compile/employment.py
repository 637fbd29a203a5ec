"""Employment status given state, sex and age, tilted by education."""
import math

from .fitting import apportion, fit
from .tables import AGES, RACES, SCALE, SEXES, age_rows, table

EMPLOYMENT_LABELS = ["Under 16", "Employed", "Unemployed", "Armed forces",
                     "Student", "Retired", "Not in labor force"]
LEVELS = 6                  # of people at work; see work_level
TILTED_FROM = 25


def work_level(education):
    """Less than high school (with those still there), high school, some
    college, associate, bachelor, graduate."""
    return max(0, education - 6)


def employment(folder, states, single):
    """P(status | state, sex, age row); rows: under 16, 16..19 by year, then
    groups. People outside the labor force become students by the share
    enrolled at their age (the tables end at 35 and over: used up to 64,
    then none), and retired beyond the share that is outside the
    labor force at 45-54."""
    n = {}
    starts = set()
    for s, x, lo, hi, e, v in table(folder, "us/employment_state_sex_age.tsv"):
        n[s, x, int(lo), e] = int(v)
        starts.add(int(lo))
    keys = ["employed", "unemployed", "armed_forces", "not_in_labor_force"]
    groups = sorted(a for a in starts if a >= 20)
    enrol = {}
    for s, x, lo, hi, e, v in table(
            folder, "us/school_enrollment_state_sex_age.tsv"):
        enrol[s, x, int(lo), e] = int(v)
    out = []
    for s in states:
        for x in SEXES:
            def get(lo):
                return [n.get((s, x, lo, k), 0) for k in keys]
            def split(row, age):
                e, u, a, out_of = apportion(SCALE, row)
                lo = max(g for g in (15, 18, 20, 25, 35) if g <= age)
                gone = enrol[s, x, lo, "not_enrolled"]
                every = gone + enrol[s, x, lo, "public_school"] + \
                    enrol[s, x, lo, "private_school"]
                student = out_of if age < 18 else \
                    out_of * (every - gone) // every if age < 65 else 0
                rest = out_of - student
                retired = 0
                if age >= 55:
                    base = get(45)
                    prime = SCALE * base[3] // sum(base)
                    retired = min(rest, max(0, out_of - prime))
                return [0, e, u, a, student, retired, rest - retired]
            out += [SCALE, 0, 0, 0, 0, 0, 0]
            teen = fit(single[s, x][16:20], get(16),
                       lambda r, c: c != 2 or r >= 2)
            for r, row in enumerate(teen):
                out += split(row, 16 + r)
            for lo in groups:
                out += split(get(lo), lo)
    return out, [0, 16, 17, 18, 19] + groups


class Tilt:
    """P(employed | state, sex, age row, level) from 25 on: odds of the row x
    odds of the level, such that each row keeps its share of employed."""

    def __init__(self, us, p, starts):
        self.starts = starts
        self.first = starts.index(TILTED_FROM)
        self.t = [1.0] * LEVELS
        self.cells = []     # people by level, employed wanted, odds
        self.at = {}
        rows = age_rows(starts)
        for s in range(len(us.states)):
            for x in range(2):
                for r in range(self.first, len(starts)):
                    ages = [a for a in range(AGES) if rows[a] == r]
                    people = level_people(us, s, x, ages)
                    share = p[((s * 2 + x) * len(starts) + r) * 7 + 1] / SCALE
                    self.at[s, x, r] = len(self.cells)
                    self.cells.append([people, share * math.fsum(people),
                                       share / (1 - share)])
        self.settle(1)

    def settle(self, rounds):
        """Odds of the rows under the present odds of the levels."""
        for c in self.cells:
            every = math.fsum(c[0])
            for _ in range(rounds):
                got = math.fsum(n * c[2] * t / (1 + c[2] * t)
                                for n, t in zip(c[0], self.t))
                c[2] *= c[1] * (every - got) / (got * (every - c[1]))

    def share(self, s, x, r):
        """P(employed) of each level in one row."""
        o = self.cells[self.at[s, x, r]][2]
        return [o * t / (1 + o * t) for t in self.t]

    def move(self, want):
        """Moves the odds of levels towards want, shares of the employed; by
        the square of what is missing, which settles five times sooner."""
        got = [0.0] * LEVELS
        for people, _, o in self.cells:
            got = [g + n * o * t / (1 + o * t)
                   for g, n, t in zip(got, people, self.t)]
        n, w = math.fsum(got), math.fsum(want)
        step = [(b / w) / (g / n) for g, b in zip(got, want)]
        self.t = [t * k * k for t, k in zip(self.t, step)]
        self.settle(4)


def level_people(us, s, x, ages):
    """People of some ages of one state and sex, by the six levels."""
    out = [0.0] * LEVELS
    for a in ages:
        for r in range(len(RACES)):
            n = us.people(s, x, r, a)
            if n:
                for e, p in enumerate(us.education_share(s, x, a, r)):
                    out[work_level(e)] += n * p
    return out
