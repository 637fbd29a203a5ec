"""Occupation given state, sex, education and age, at work.

P(o | state s, sex x, level l, age class c) is proportional to
A[s][x][group of o] * u[x][o] * v[l][o], and 0 below the youngest age of o.
The factors are fitted by iterative proportional fitting, so that people at
work have the occupations by sex of B24114-6, the groups by state and sex of
B24010, and from 25 on in each occupation the levels of EP table 5.3. How many
of an occupation are 25 and over is not published: it follows from the
education and the entry ages."""
import math
import operator

from .crosswalk import coverage, education, entry, levels, match, read_titles
from .employment import (EMPLOYMENT_LABELS, LEVELS, Tilt, employment,
                         level_people)
from .fitting import dot, variation
from .tables import AGES, SCALE, age_rows, fail, table

CLASSES = [16, 18, 20, 21, 23, 25, 26, 29, 31]  # sampler_work.c has a copy
ADULT = CLASSES.index(25)       # EP's education is of people of 25 and over
CYCLES = 40


def assign_groups(totals, detail):
    """Leaf group of each detailed occupation. Groups are runs of details
    whose men and women sum to the group's; what no run covers belongs, in
    order, to the groups that are left, and must sum exactly too."""
    owner = [None] * len(detail)
    left = []
    for g in sorted(totals):
        hit = None
        for a in range(len(detail)):
            m = f = 0
            for b in range(a, len(detail)):
                m += detail[b][1]
                f += detail[b][2]
                if (m, f) == totals[g]:
                    hit = (a, b)
                    break
                if m > totals[g][0] or f > totals[g][1]:
                    break
            if hit:
                break
        if not hit:
            left.append(g)
            continue
        for k in range(hit[0], hit[1] + 1):
            if owner[k] is not None:
                fail(f"occupation {detail[k][0]} fits two groups")
            owner[k] = g
    free = iter([k for k in range(len(detail)) if owner[k] is None])
    for g in left:
        m = f = 0
        while (m, f) != totals[g]:
            k = next(free, None)
            if k is None or m > totals[g][0] or f > totals[g][1]:
                fail(f"occupations do not sum to group {g}")
            m += detail[k][1]
            f += detail[k][2]
            owner[k] = g
    if next(free, None) is not None:
        fail("an occupation belongs to no group")
    return owner


class Source:
    """The tables: occupations in group order, so that groups are runs."""

    def __init__(self, us):
        folder = us.folder
        detail = [(r[0], int(r[2]), int(r[3]))
                  for r in table(folder, "us/occupation_detail_sex.tsv")]
        rows = {int(r[0]): r
                for r in table(folder, "us/occupation_groups.tsv")}
        counts = {}
        for s, x, g, v in table(folder, "us/occupation_group_state_sex.tsv"):
            counts[s, x, int(g)] = int(v)
        owner = assign_groups({g: (counts["US", "male", g],
                                   counts["US", "female", g]) for g in rows},
                              detail)
        order = sorted(range(len(detail)), key=lambda k: (owner[k], k))
        picks, how = match(folder, [d[0] for d in detail])
        titles = read_titles()
        self.line = coverage(how, [d[1] + d[2] for d in detail])
        self.titles = [detail[k][0] for k in order]
        self.roles = [titles[t][0] for t in self.titles]
        self.picks = [picks[k] for k in order]
        self.group = [owner[k] - 1 for k in order]
        self.group_names = [rows[g][3] for g in sorted(rows)]
        self.sex = [[detail[k][1 + x] for k in order] for x in range(2)]
        self.published = [education(p) for p in self.picks]
        need = [entry(p) for p in self.picks]
        self.youngest = [n[1] for n in need]
        self.level = [levels(e, n[0]) for e, n in zip(self.published, need)]
        self.state = [[[counts[s, x, g] for g in sorted(rows)]
                       for x in ("male", "female")] for s in us.states]
        self.runs = []
        at = 0
        for g in range(len(rows)):
            n = self.group.count(g)
            self.runs.append((at, at + n))
            at += n


class Workers:
    """People at work by state, sex, level and class; a tilt of employment
    by education moves them."""

    def __init__(self, us, p, starts):
        self.tilt = Tilt(us, p, starts)
        self.states = len(us.states)
        rows = age_rows(starts)
        cls = [max(c for c, lo in enumerate(CLASSES) if lo <= max(a, 16))
               for a in range(AGES)]
        self.us = us
        self.rows, self.classes = rows, cls
        self.parts = []     # state, sex, row, class, people by level, fixed
        for s in range(self.states):
            for x in range(2):
                for r, c in sorted({(rows[a], cls[a])
                                    for a in range(16, AGES)}):
                    ages = [a for a in range(16, AGES)
                            if (rows[a], cls[a]) == (r, c)]
                    n = level_people(us, s, x, ages)
                    share = p[((s * 2 + x) * len(starts) + r) * 7 + 1] / SCALE
                    self.parts.append((s, x, r, c, n, share))
        self.count()

    def split(self, group):
        """The parts cut by group of age as well: state, sex, row, class,
        people by level, P(employed) by level, group."""
        out = []
        for s in range(self.states):
            for x in range(2):
                keys = [(self.rows[a], self.classes[a], group[a])
                        for a in range(AGES)]
                fixed = {(q[2], q[3]): q[5] for q in self.parts
                         if q[0] == s and q[1] == x}
                for r, c, g in sorted(set(keys[16:])):
                    ages = [a for a in range(16, AGES) if keys[a] == (r, c, g)]
                    e = [fixed[r, c]] * LEVELS if r < self.tilt.first else \
                        self.tilt.share(s, x, r)
                    out.append((s, x, r, c, level_people(self.us, s, x, ages),
                                e, g))
        return out

    def count(self):
        """n[x][l][c][s]: people at work."""
        self.n = [[[[0.0] * self.states for _ in CLASSES]
                   for _ in range(LEVELS)] for _ in range(2)]
        for s, x, r, c, people, share in self.parts:
            e = [share] * LEVELS if r < self.tilt.first else \
                self.tilt.share(s, x, r)
            for level in range(LEVELS):
                self.n[x][level][c][s] += people[level] * e[level]


class Fit:
    def __init__(self, src, workers):
        self.src, self.workers = src, workers
        n = len(src.titles)
        self.u = [[float(v) for v in src.sex[x]] for x in range(2)]
        self.v = [[src.level[o][k] for o in range(n)] for k in range(LEVELS)]
        self.open = [[1.0 if src.youngest[o] <= lo else 0.0
                      for o in range(n)] for lo in CLASSES]
        nation = [[sum(st[x][g] for st in src.state)
                   for g in range(len(src.runs))] for x in range(2)]
        every = [sum(row) for row in nation]
        self.a = [[[st[x][g] / nation[x][g] * every[x] / sum(st[x])
                    for st in src.state] for g in range(len(src.runs))]
                  for x in range(2)]    # [x][g][s]

    def expect(self):
        """People at work of each occupation: by sex, by level from 25 on,
        and by sex, group and state."""
        n = len(self.src.titles)
        self.by_sex = [[0.0] * n for _ in range(2)]
        self.by_level = [[0.0] * n for _ in range(LEVELS)]
        self.by_state = []
        for x in range(2):
            ks, sums = [], []
            rows = list(zip(*self.a[x]))        # [s][g]
            for k in range(LEVELS):
                uv = list(map(operator.mul, self.u[x], self.v[k]))
                for c in range(len(CLASSES)):
                    people = self.workers.n[x][k][c]
                    if not any(people):
                        continue
                    w = list(map(operator.mul, uv, self.open[c]))
                    s = [math.fsum(w[lo:hi]) for lo, hi in self.src.runs]
                    q = [p / dot(row, s) if p else 0.0
                         for p, row in zip(people, rows)]
                    r = [dot(row, q) for row in self.a[x]]
                    f = [v * r[g] for v, g in zip(w, self.src.group)]
                    self.by_sex[x] = list(map(operator.add, self.by_sex[x],
                                              f))
                    if c >= ADULT:
                        self.by_level[k] = list(map(
                            operator.add, self.by_level[k], f))
                    ks.append(q)
                    sums.append(s)
            kt, st = list(zip(*ks)), list(zip(*sums))
            self.by_state.append([[a * dot(st[g], kt[s]) for s, a in
                                   enumerate(self.a[x][g])]
                                  for g in range(len(self.src.runs))])
        self.adults = [math.fsum(col) for col in zip(*self.by_level)]

    def occupation_counts(self, x, k, c):
        """People at work of one sex, level and class by occupation."""
        w = list(map(operator.mul, map(operator.mul, self.u[x], self.v[k]),
                     self.open[c]))
        s = [math.fsum(w[lo:hi]) for lo, hi in self.src.runs]
        people = self.workers.n[x][k][c]
        q = [p / dot(row, s) if p else 0.0
             for p, row in zip(people, zip(*self.a[x]))]
        r = [dot(row, q) for row in self.a[x]]
        return [v * r[g] for v, g in zip(w, self.src.group)]

    def match_sex(self):
        for x in range(2):
            self.u[x] = [u * want / got if want else 0.0 for u, want, got in
                         zip(self.u[x], self.src.sex[x], self.by_sex[x])]

    def match_level(self):
        for k in range(LEVELS):
            self.v[k] = [v * row[k] * n / got if row[k] and got else 0.0
                         for v, row, n, got in
                         zip(self.v[k], self.src.level, self.adults,
                             self.by_level[k])]

    def match_state(self):
        for x in range(2):
            for g in range(len(self.src.runs)):
                self.a[x][g] = [a * self.src.state[s][x][g] / got if got
                                else 0.0 for s, (a, got) in enumerate(zip(
                                    self.a[x][g], self.by_state[x][g]))]

    def wanted(self):
        """Levels of adults at work, as EP's shares imply."""
        return [math.fsum(n * row[k] for n, row in
                          zip(self.adults, self.src.level))
                for k in range(LEVELS)]

    def run(self):
        for _ in range(CYCLES):
            for step in (self.match_sex, self.match_level, self.match_state):
                self.expect()
                step()
            self.workers.tilt.move(self.wanted())
            self.workers.count()
        self.expect()

    def variations(self):
        """(table, total variation) of what the factors imply."""
        n = range(len(self.src.titles))
        flat = lambda t: {(i, j): v for i, r in enumerate(t)
                          for j, v in enumerate(r)}
        want = {(k, o): self.adults[o] * self.src.level[o][k]
                for k in range(LEVELS) for o in n}
        lt = [[r[0], r[1], r[2], r[3], r[4], r[5] + r[6]]
              for r in self.src.published]
        raw = {(k, o): self.adults[o] * lt[o][k] / sum(lt[o])
               for k in range(LEVELS) for o in n}
        got = flat(self.by_level)
        state = {(x, g, s): v for x in range(2)
                 for g, r in enumerate(self.by_state[x])
                 for s, v in enumerate(r)}
        pub = {(x, g, s): self.src.state[s][x][g] for x, g, s in state}
        return [("occupation x sex, from B24114-6",
                 variation(flat(self.by_sex), flat(self.src.sex))),
                ("occupation x education (25+), from EP 5.3 after "
                 "structural zeros", variation(got, want)),
                ("the same from EP 5.3 as published", variation(got, raw)),
                ("occupation group x state x sex, from B24010",
                 variation(state, pub))]


def scaled(row, top):
    most = max(row)
    return [max(1, int(v * top / most + 0.5)) if v else 0 for v in row]


def write(w, us, src, f):
    n = range(len(src.titles))
    # u carries each occupation's size, v only its mix of levels.
    size = [max(f.v[k][o] for k in range(LEVELS)) for o in n]
    u = scaled([f.u[x][o] * size[o] for x in range(2) for o in n],
               (1 << 32) - 1)
    w.pool("occ.title", src.titles + ["Member of the armed forces"])
    w.pool("occ.role", src.roles + ["service member"])
    w.pool("occ.group", src.group_names)
    w.add("occ.of", "B", src.group)
    w.add("occ.age", "B", src.youngest)
    w.add("occ.u", "I", u)
    w.add("occ.v", "I", [v for o in n for v in scaled(
        [f.v[k][o] for k in range(LEVELS)], 1 << 20)])
    w.add("occ.a", "I", [
        min((1 << 32) - 1, max(1, int(f.a[x][g][s] * (1 << 20) + 0.5)))
        if f.a[x][g][s] else 0
        for s in range(len(us.states)) for x in range(2)
        for g in range(len(src.runs))])
    # The tables themselves, for the audit.
    w.add("src.occ.sex", "I", [src.sex[x][o] for o in n for x in range(2)])
    w.add("src.occ.edu", "I", [int(f.adults[o] * src.level[o][k] + 0.5)
                               for o in n for k in range(LEVELS)])


def add(w, us):
    p, starts = employment(us.folder, us.states, us.single)
    src, workers = Source(us), Workers(us, p, starts)
    f = Fit(src, workers)
    f.run()
    workers.tilt.settle(40)
    workers.count()
    f.expect()
    us.occupations, us.occupation_fit, us.workers = src, f, workers
    us.employ_p, us.employ_starts = p, starts
    w.pool("employment", EMPLOYMENT_LABELS)
    w.add("employ.p", "I", p)
    w.add("employ.age", "B", age_rows(starts))
    w.add("employ.level", "I", [
        int(v * SCALE + 0.5) for s in range(len(us.states)) for x in range(2)
        for r in range(workers.tilt.first, len(starts))
        for v in workers.tilt.share(s, x, r)])
    write(w, us, src, f)
    lines = [src.line, "odds of work by level: " +
             " ".join("%.3f" % t for t in workers.tilt.t)]
    return lines + ["%s: total variation %.6f" % v for v in f.variations()]
