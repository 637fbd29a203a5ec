"""The household around a person: its type, size, tenure and income.

Tables of households count householders. A person stands for a share of one:
who lives alone for one, a spouse or partner for half of one, others as
HOLDERS says. With these the tables of households by age and by type are
joined by iterative scaling:

  tenure:  (age of householder, tenure) of B25007 and (type, tenure) of
           B25115, over the householders by age and type of the model
  income:  brackets by age of householder of B19037, over alone, couple and
           other; how these differ is taken from the NIST records.
"""
import os
from math import fsum

from . import micro
from .fitting import variation
from .language import ends
from .living import (ALONE, KIDS_MAX, NONRELATIVES, ONE, PARTNER, RELATIVES,
                     SPOUSE, household_types, kids_count, odds, solve)
from .tables import RACES, age_rows, fail, table

TYPES = 7   # married, male, female householder, each with and without own
            # children under 18; then nonfamily
KINDS = [("married_couple", "yes"), ("married_couple", "no"),
         ("male_householder_no_spouse", "yes"),
         ("male_householder_no_spouse", "no"),
         ("female_householder_no_spouse", "yes"),
         ("female_householder_no_spouse", "no"), ("nonfamily", "none")]
NONFAMILY = 6
TENURES = ["owner", "renter"]
TENURE_STARTS = [15, 25, 35, 45, 55, 60, 65, 75, 85]
INCOME_STARTS = [0, 25, 45, 65]
BRACKETS = [0, 10000, 15000, 20000, 25000, 30000, 35000, 40000, 45000, 50000,
            60000, 75000, 100000, 125000, 150000, 200000]
KINDS_OF_INCOME = 3     # alone, couple, other
# Written: how many of a hundred people in these arrangements head their
# household (with own children all do).
HOLDERS = {RELATIVES: 0.45, NONRELATIVES: 0.4}
# Poverty thresholds of 2019 by size of family (Census Bureau): they turn
# the records' ratio to poverty into dollars.
POVERTY = [0, 13011, 16521, 20335, 26172, 31021, 35129, 40016, 44461, 52875]
# Persons beyond the person, spouse or partner and own children:
EXTRA_SPOUSE, EXTRA_PARTNER, EXTRA_PARENT, EXTRA_RELATIVE, EXTRA_GROWN, \
    EXTRA_HOUSEMATE, EXTRAS = range(7)
EXTRA_MAX = 7
HOUSEMATES = [0, 50, 28, 13, 6, 2, 1, 0]    # written: others, in percent
PRIOR = 6000


def extra_of(p):
    """(class, persons beyond the nearest family) of a record, or None."""
    if p.age < 18 or p.family is None or p.kids is None:
        return None
    if p.marital == 1:
        return EXTRA_SPOUSE, max(0, p.family - 2 - p.kids)
    if p.kids and p.age >= 25:
        return EXTRA_PARENT, max(0, p.family - 1 - p.kids)
    if p.marital == 0 and p.age < 35:
        return EXTRA_GROWN, max(1, p.family - 1)
    if not p.kids:
        return EXTRA_RELATIVE, max(1, p.family - 1)
    return None


def extras(people, starts):
    """Prefix sums over 0..7 persons more by class and age row, drawn
    towards all ages."""
    rows, n = age_rows(starts), {}
    for p in people:
        e = extra_of(p)
        if e:
            for key in ((e[0], rows[p.age]), e[0]):
                n.setdefault(key, [0] * (EXTRA_MAX + 1))[
                    min(e[1], EXTRA_MAX)] += p.weight
    out = []
    for c in range(EXTRAS):
        # An unmarried couple is taken to be like a married one.
        like = EXTRA_SPOUSE if c == EXTRA_PARTNER else c
        for k in range(len(starts)):
            if c == EXTRA_HOUSEMATE:
                out += ends(HOUSEMATES)
                continue
            every = fsum(n[like])
            row = n.get((like, k), [0] * (EXTRA_MAX + 1))
            out += ends([v + PRIOR * e / every
                         for v, e in zip(row, n[like])])
    return out


def siblings(people, starts):
    """Prefix sums over 1..6 children of a child's family, couple or not:
    a family of n is met by n children."""
    counts = kids_count(people, starts)
    out = []
    for c in range(2):
        k = starts.index(35)
        row = counts[(c * len(starts) + k) * KIDS_MAX:][:KIDS_MAX]
        share = [b - a for a, b in zip([0] + row, row)]
        out += ends([v * (i + 1) for i, v in enumerate(share)])
    return out


def parents(us):
    """Prefix sums over the parents' household (married, male, female) of a
    child, by state and race: the households with own children of B25115,
    tilted by how much oftener women of that race are married."""
    n = {}
    for s, r, x, m, v in table(us.folder, "us/marital_state_race_sex.tsv"):
        if s == "US" and x == "female" and r in RACES:
            t = n.setdefault(r, [0, 0])
            t[0 if m == "married" else 1] += int(v)
    every = [fsum(t[i] for t in n.values()) for i in (0, 1)]
    tilt = [n[r][0] * every[1] / (n[r][1] * every[0]) for r in RACES]
    types, out = household_types(us), []
    for si, s in enumerate(us.states):
        young = [0.0] * len(RACES)
        for x in range(2):
            for _, _, r, a, people in us.cells(si, x):
                if a < 18:
                    young[r] += people
        m, male, female = (fsum(types[s, t, k, "yes"] for t in TENURES)
                           for k, _ in KINDS[0:6:2])
        base = [t / (1 + t) for t in tilt]
        f = solve(list(zip(young, base)),
                  fsum(young) * m / (m + male + female))
        for p in base:
            married = odds(p, f)
            rest = (1 - married) / (male + female)
            out += ends([married, rest * male, rest * female])
    return out


def holders(us, starts):
    """Householders of the model by (state, age row): types, and alone,
    couple, other."""
    types, kinds = {}, {}
    for si in range(len(us.states)):
        for k in range(1, len(starts)):
            t, h = [1.0] * TYPES, [1.0] * KINDS_OF_INCOME
            for x in range(2):
                n = us.arrangement_people[si, k, x]
                kids = us.any_kids[si, x, k]
                t[NONFAMILY] += n[ALONE] + n[PARTNER] * (1 - kids[1]) / 2
                t[0] += n[SPOUSE] * kids[0] / 2
                t[1] += n[SPOUSE] * (1 - kids[0]) / 2
                t[2 + 2 * x] += n[PARTNER] * kids[1] / 2
                t[2 + 2 * x] += n[RELATIVES] * kids[2]
                none = n[RELATIVES] * (1 - kids[2]) * HOLDERS[RELATIVES]
                mates = n[NONRELATIVES] * HOLDERS[NONRELATIVES]
                t[3 + 2 * x] += none
                t[NONFAMILY] += mates
                h[0] += n[ALONE]
                h[1] += (n[SPOUSE] + n[PARTNER]) / 2
                h[2] += n[RELATIVES] * kids[2] + none + mates
            types[si, k], kinds[si, k] = t, h
    return types, kinds


def row_groups(starts, group_starts):
    """Group of each age row from 18 on."""
    return [max([g for g, lo in enumerate(group_starts) if lo <= a] or [0])
            for a in starts]


def tenure(us, types, starts):
    """P(owner | state, age of householder, type)."""
    by_age = {}
    for s, t, lo, _, n in table(us.folder, "us/tenure_state_age.tsv"):
        by_age[s, t, int(lo)] = int(n)
    by_type, out = household_types(us), []
    of = row_groups(starts, TENURE_STARTS)
    for si, s in enumerate(us.states):
        cell = [[[0.0] * 2 for _ in range(TYPES)] for _ in TENURE_STARTS]
        for k in range(1, len(starts)):
            for t in range(TYPES):
                for o in range(2):
                    cell[of[k]][t][o] += types[si, k][t]
        for _ in range(60):
            for o, name in enumerate(TENURES):
                for t, kind in enumerate(KINDS):
                    got = fsum(row[t][o] for row in cell)
                    want = by_type[(s, name) + kind]
                    for row in cell:
                        row[t][o] *= want / got
                for g, lo in enumerate(TENURE_STARTS):
                    got = fsum(v[o] for v in cell[g])
                    for v in cell[g]:
                        v[o] *= by_age[s, name, lo] / got
        out += [int(v[0] * ONE / (v[0] + v[1]) + 0.5)
                for row in cell for v in row]
    return out


def bracket(usd):
    return max([b for b, lo in enumerate(BRACKETS) if lo <= usd] or [0])


def income_seed(people, nation):
    """Weights of brackets by (old or not, alone, couple, other). A ratio of
    501 means five thresholds or more: spread as the nation's brackets
    above."""
    out = [[[PRIOR * v / fsum(nation) for v in nation]
            for _ in range(KINDS_OF_INCOME)] for _ in range(2)]
    for p in people:
        if p.age < 18:
            continue
        old = 1 if p.age >= 65 else 0
        if p.family is None:
            out[old][0][bracket(p.income)] += p.weight
            continue
        kind = 1 if p.marital == 1 else 2
        if p.poverty is None:
            continue
        usd = p.poverty * POVERTY[min(p.family, 9)] // 100
        b = bracket(usd)
        if p.poverty < 501:
            out[old][kind][b] += p.weight
            continue
        for k in range(b, len(BRACKETS)):
            out[old][kind][k] += p.weight * nation[k] / fsum(nation[b:])
    return out


def own_incomes():
    """{(age group, kind): shares of householders by own bracket}, counted
    among drawn people by tools/own_income.py."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    out = {}
    for lo, kind, low, n in table(path, "own_income.tsv"):
        key = INCOME_STARTS.index(int(lo)), int(kind)
        out.setdefault(key, [0.0] * len(BRACKETS))[bracket(int(low))] = \
            int(n) / 1e6
    return out


def cut(weights, own):
    """Shares of brackets that are drawn: from weights, without those below
    an own bracket, which are own."""
    out, above = [0.0] * len(weights), [0.0] * (len(weights) + 1)
    for b in reversed(range(len(weights))):
        above[b] = above[b + 1] + weights[b]
    run = 0.0
    for b, v in enumerate(weights):
        run += own[b] / above[b] if above[b] else 0
        out[b] = v * run
    return out


def before_cut(want, own):
    """Weights that give want after the cut. Where own incomes above b are
    more than the households above b, that cannot be: factors stop at 64."""
    total = fsum(want)
    want = [v / total for v in want]
    f = [1.0] * len(want)
    for _ in range(60):
        got = cut([a * b for a, b in zip(want, f)], own)
        every = fsum(got)
        f = [min(64.0, max(1 / 64, a * w / (g / every))) if g and w else a
             for a, w, g in zip(f, want, got)]
    return [a * b for a, b in zip(want, f)]


def income(us, kinds, people, starts):
    """Prefix sums over brackets by state, age group, alone/couple/other;
    how far the nation's brackets are from B19037 after the cut, and would
    be without knowing of it."""
    n = {}
    for s, lo, _, b, _, v in table(us.folder,
                                   "us/household_income_state_age.tsv"):
        if int(b) not in BRACKETS:
            fail(f"us/household_income_state_age.tsv: unknown bracket {b}")
        n[s, int(lo), BRACKETS.index(int(b))] = int(v)
    every = range(len(BRACKETS))
    seed = income_seed(people, [fsum(n["US", lo, b] for lo in INCOME_STARTS)
                                for b in every])
    of, out, own = row_groups(starts, INCOME_STARTS), [], own_incomes()
    seen, naive, goal = {}, {}, {}
    for si, s in enumerate(us.states):
        for g, lo in enumerate(INCOME_STARTS):
            rows = [0.0] * KINDS_OF_INCOME
            for k in range(1, len(starts)):
                if of[k] == g:
                    for h, v in enumerate(kinds[si, k]):
                        rows[h] += v
            cols = [n[s, lo, b] for b in every]
            cell = [row[:] for row in seed[1 if lo >= 65 else 0]]
            for _ in range(60):
                for h, row in enumerate(cell):
                    by = rows[h] / fsum(rows) * fsum(cols) / fsum(row)
                    cell[h] = [v * by for v in row]
                for b in every:
                    got = fsum(row[b] for row in cell)
                    for row in cell:
                        row[b] *= cols[b] / got if got else 0
            for h, row in enumerate(cell):
                fitted = before_cut(row, own[g, h])
                out += ends(fitted)
                total = fsum(row)
                for b, (v, plain) in enumerate(zip(cut(fitted, own[g, h]),
                                                   cut(row, own[g, h]))):
                    seen[g, b] = seen.get((g, b), 0) + v * total
                    naive[g, b] = naive.get((g, b), 0) + plain * total
                    goal[g, b] = goal.get((g, b), 0) + row[b]
    return out, variation(seen, goal), variation(naive, goal)


def bracket_labels():
    return [f"{lo}-{hi - 1}" for lo, hi in zip(BRACKETS, BRACKETS[1:])] + \
        [f"{BRACKETS[-1]}+"]


def add(w, us):
    starts = us.marital_starts
    records = micro.households(us.folder)
    types, kinds = holders(us, starts)
    w.add("home.extra", "H", extras(records, starts))
    w.add("kids.sibs", "H", siblings(records, starts))
    w.add("kids.parents", "H", parents(us))
    w.add("home.owner", "H", tenure(us, types, starts))
    w.add("home.owner.age", "B", age_rows([0] + TENURE_STARTS[1:]))
    incomes, fitted, plain = income(us, kinds, records, starts)
    w.add("home.income", "H", incomes)
    w.add("home.income.age", "B", age_rows(INCOME_STARTS))
    w.add("home.brackets", "I", BRACKETS)
    w.pool("home.bracket", bracket_labels())
    return ["household income x age of householder after cutting at own "
            "incomes: total variation %.4f from B19037, %.4f if the cut were "
            "not fitted" % (fitted, plain)]
