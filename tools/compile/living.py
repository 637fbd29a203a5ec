"""With whom adults live, and their own children at home.

P(arrangement | ...) for who has no spouse present
    = NATION[age row][sex][class] x STATE[state][band], over arrangements,
the class being never married, widowed or apart (married but apart,
separated, divorced). NATION comes from the share in family households among
the NIST records, split by the written shares below; STATE is fitted until
the people of each band and state live as B09021 says. Who has a spouse
present lives with the spouse. People under 18 are children of the household.

Children: P(any | state, sex, age row, arrangement), from the NIST records'
own children at home, with a factor a state that makes the households with
children those of B25115."""
from math import fsum

from . import micro
from .language import ends
from .tables import SEXES, age_rows, table

ALONE, SPOUSE, PARTNER, PARENTS, RELATIVES, NONRELATIVES, CHILD = range(7)
LABELS = ["Lives alone", "With spouse", "With unmarried partner",
          "Child of householder", "With other relatives", "With nonrelatives",
          "Child under 18"]
KEYS = {"lives_alone": ALONE, "with_spouse": SPOUSE,
        "with_unmarried_partner": PARTNER, "child_of_householder": PARENTS,
        "with_other_relatives": RELATIVES, "with_nonrelatives": NONRELATIVES}
WITHOUT = [ALONE, PARTNER, PARENTS, RELATIVES, NONRELATIVES]
BANDS = [18, 35, 65]
CLASSES = 3                     # never, apart, widowed
CLASS = [0, None, 1, 1, 2, 1]   # of the statuses; None = spouse present
FACTOR = 1 << 16
ONE = 65535
# Age rows: 0 is under 18, then 18 20 25 30 35 40 45 50 55 60 65 75 85.
# Written shares. In a family without a spouse: adult children of the
# householder, people with an unmarried partner; the rest are relatives.
CHILDREN_SHARE = [0, .90, .80, .65, .50, .36, .29, .25, .22, .15, .09, .02,
                  0, 0]
PARTNER_SHARE = [0, .03, .08, .14, .16, .15, .13, .10, .08, .06, .05, .03,
                 .02, .01]
CLASS_CHILDREN = [1, .6, .3]
SEX_CHILDREN = [1.03, .88]      # sons stay longer
# Outside a family: alone, with a partner, with nonrelatives.
ALONE_SHARE = [0, .08, .15, .25, .33, .42, .47, .52, .56, .61, .67, .80, .88,
               .90]
COUPLE_SHARE = [0, .17, .30, .42, .42, .38, .34, .30, .26, .22, .18, .10, .05,
                .03]
CLASS_COUPLE = [1, 1, .4]
PRIOR = 3000    # people added to a cell of the records: 30 records
# An unmarried couple has children at home 0.75 times as often as a married
# one of that age, and who is under 25 and lives with relatives (written:
# the records cannot tell them from their siblings):
UNMARRIED = 0.75
YOUNG = [[0, .03, .08], [0, .15, .40]]      # [sex][age row]
KIDS_TYPES = 3          # spouse, partner, relatives
KIDS_MAX = 6


def family_share(people, rows, n):
    """{(age row, sex, class): share in a family household} of the records
    of people without a spouse, drawn towards both sexes and classes."""
    fam, every = {}, {}
    for p in people:
        if p.age < 18 or CLASS[p.marital] is None:
            continue
        for key in ((rows[p.age], p.sex, CLASS[p.marital]), rows[p.age]):
            every[key] = every.get(key, 0) + p.weight
            if p.family is not None:
                fam[key] = fam.get(key, 0) + p.weight
    out = {}
    for k in range(1, n):
        base = fam[k] / every[k]
        for x in range(2):
            for c in range(CLASSES):
                key = (k, x, c)
                out[key] = (fam.get(key, 0) + PRIOR * base) / \
                    (every.get(key, 0) + PRIOR)
    return out


def nation(people, starts):
    """NATION: weights over WITHOUT by (age row, sex, class)."""
    share = family_share(people, age_rows(starts), len(starts))
    out = {}
    for (k, x, c), fam in share.items():
        child = CHILDREN_SHARE[k] * CLASS_CHILDREN[c] * SEX_CHILDREN[x]
        pair = PARTNER_SHARE[k] * CLASS_COUPLE[c]
        two = COUPLE_SHARE[k] * CLASS_COUPLE[c]
        alone = ALONE_SHARE[k] * (1 - two) / (1 - COUPLE_SHARE[k])
        out[k, x, c] = [(1 - fam) * alone, (1 - fam) * two + fam * pair,
                        fam * child, fam * (1 - child - pair),
                        (1 - fam) * (1 - alone - two)]
    return out


def band_target(us):
    """{(state, band): people in each of WITHOUT}."""
    n = {}
    for s, lo, _, a, v in table(us.folder, "us/living_arrangement_state_age"
                                ".tsv"):
        n[s, int(lo), KEYS[a]] = int(v)
    return {(s, b): [n[s, lo, a] for a in WITHOUT]
            for s in us.states for b, lo in enumerate(BANDS)}


def apart(us, state, row):
    """People without a spouse present: {(age row, sex, class): people} of a
    state in the rows given."""
    out = {}
    for x in range(2):
        for k in row:
            for v, n in enumerate(us.marital_people[state, x][k]):
                if CLASS[v] is not None and n:
                    key = (k, x, CLASS[v])
                    out[key] = out.get(key, 0) + n
    return out


def fit_states(us, seed, starts):
    """STATE, and people by arrangement: people[state][age row][sex]."""
    target = band_target(us)
    f_out, people, worst = [], {}, 0.0
    for si, s in enumerate(us.states):
        for x in range(2):
            for k in range(1, len(starts)):
                row = [0.0] * 6
                row[SPOUSE] = us.marital_people[si, x][k][1]
                people[si, k, x] = row
        for b, lo in enumerate(BANDS):
            end = BANDS[b + 1] if b + 1 < len(BANDS) else 999
            rows = [k for k, a in enumerate(starts) if lo <= a < end]
            n = apart(us, si, rows)
            want, every = target[s, b], fsum(n.values())
            want = [v * every / fsum(want) for v in want]
            f = [1.0] * 5
            for _ in range(60):
                got = [0.0] * 5
                for key, v in n.items():
                    w = [p * q for p, q in zip(seed[key], f)]
                    for j in range(5):
                        got[j] += v * w[j] / fsum(w)
                worst = max(worst if _ == 59 else 0, fsum(
                    abs(p - q) for p, q in zip(got, want)) / every)
                f = [p * q / r for p, q, r in zip(f, want, got)]
            most = max(f)
            f_out += [max(1, int(v * FACTOR / most + 0.5)) for v in f]
            for key, v in n.items():
                w = [p * q for p, q in zip(seed[key], f)]
                for j, a in enumerate(WITHOUT):
                    people[si, key[0], key[1]][a] += v * w[j] / fsum(w)
    return f_out, people, worst


def kids_seed(people, starts, child_share):
    """P(any own child at home | sex, age row, type) before the states."""
    rows, n = age_rows(starts), {}
    for p in people:
        if p.age < 18 or p.kids is None:
            continue
        if p.marital == 1:
            keys = [(p.sex, rows[p.age], 0), (2, rows[p.age], 0)]
        elif p.family is not None:
            keys = [(p.sex, rows[p.age], 2), (p.sex, 99, 2)]
        else:
            continue
        for key in keys:
            t = n.setdefault(key, [0, 0])
            t[0] += p.weight if p.kids else 0
            t[1] += p.weight
    out = {}
    for x in range(2):
        for k in range(1, len(starts)):
            # No record is married at 18 or 19: those of 20 stand in.
            both = n.get((2, k, 0)) or n[2, k + 1, 0]
            mine = n.get((x, k, 0), [0, 0])
            base = both[0] / both[1]
            married = (mine[0] + PRIOR * base) / (mine[1] + PRIOR)
            t = n.get((x, k, 2), [0, 0])
            single = t[0] / t[1] / (1 - child_share[k]) if t[1] else 0
            if k < 3:
                single = YOUNG[x][k]
            old = starts[k] >= (65 if x else 75)
            out[x, k] = [0 if old else min(p, .95) for p in
                         (married, UNMARRIED * married, single)]
    return out


def odds(p, f):
    return f * p / (1 - p + f * p) if p else 0


def solve(cells, want):
    """The factor on the odds for which sum of n * p is want, by halving;
    at most a thousandfold either way."""
    low, high = 0.001, 1000.0
    for _ in range(50):
        mid = (low + high) / 2 if high / low < 4 else low * 2
        if fsum(n * odds(p, mid) for n, p in cells) < want:
            low = mid
        else:
            high = mid
    return low


def household_types(us):
    """{(state, tenure, type, children): households} of B25115."""
    out = {}
    for s, t, kind, kids, n in table(us.folder,
                                     "us/household_type_state_tenure.tsv"):
        out[s, t, kind, kids] = int(n)
    return out


def any_kids(us, seed, people, starts):
    """P(any child | state, sex, age row, type), by state fitted to B25115;
    what could not be reached is returned in households."""
    types, rows, lost, out = household_types(us), range(1, len(starts)), 0, {}
    for si, s in enumerate(us.states):
        def of(kind, kids):
            return fsum(types[s, t, kind, kids] for t in ("owner", "renter"))
        yes, no = (of("married_couple", k) for k in ("yes", "no"))
        cells = [(people[si, k, x][SPOUSE], seed[x, k][0])
                 for x in range(2) for k in rows]
        f = solve(cells, fsum(n for n, _ in cells) * yes / (yes + no))
        # One household is two spouses: what a household of the model is.
        size = fsum(n for n, _ in cells) / 2 / (yes + no)
        for x in range(2):
            for k in rows:
                out[si, x, k] = [odds(p, f) for p in seed[x, k][:2]]
        pairs = fsum(people[si, k, x][PARTNER] * out[si, x, k][1]
                    for x in range(2) for k in rows)
        for x, kind in enumerate(("male", "female")):
            want = of(kind + "_householder_no_spouse", "yes") * size - \
                pairs / 4
            cells = [(people[si, k, x][RELATIVES], seed[x, k][2])
                     for k in rows]
            f = solve(cells, max(1.0, want))
            lost += abs(want - fsum(n * odds(p, f) for n, p in cells))
            for k in rows:
                out[si, x, k].append(odds(seed[x, k][2], f))
    return out, lost


def kids_count(people, starts):
    """Prefix sums of 1..6 children, given any, by (couple or not, age
    row), drawn towards all ages."""
    rows, n = age_rows(starts), {}
    for p in people:
        if p.age < 18 or not p.kids or p.family is None:
            continue
        c = 0 if p.marital == 1 else 1
        for key in ((c, rows[p.age]), c):
            n.setdefault(key, [0] * KIDS_MAX)[min(p.kids, KIDS_MAX) - 1] += \
                p.weight
    out = []
    for c in range(2):
        every = fsum(n[c])
        for k in range(len(starts)):
            row = n.get((c, k), [0] * KIDS_MAX)
            out += ends([v + PRIOR * e / every for v, e in zip(row, n[c])])
    return out


def birth_rate(us):
    """Births in a year of 1,000,000 women by single age 15..50: the groups
    of B13016 joined by straight lines between their middles."""
    n = {}
    for s, yes, lo, hi, v in table(us.folder, "us/births_state_age.tsv"):
        if s == "US":
            n.setdefault((int(lo), int(hi)), {})[yes] = int(v)
    points = [(14.0, 0.0)]
    for (lo, hi), v in sorted(n.items()):
        points.append(((lo + hi) / 2, v["yes"] * 1e6 / (v["yes"] + v["no"])))
    points.append((51.0, 0.0))
    out = {}
    for a in range(15, 51):
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            if x0 <= a <= x1:
                out[a] = y0 + (y1 - y0) * (a - x0) / (x1 - x0)
    return out


def parent_rate(us):
    """Rate of becoming a parent by sex and age. Fathers (no table): the
    mother's age and one to five years, to 65 in a falling tail."""
    mother = birth_rate(us)
    father = {}
    for a in range(15, 66):
        father[a] = fsum(mother.get(a - d, 0) for d in range(1, 6)) / 5
    for a in range(50, 66):
        father[a] += 300.0 * (66 - a) / 16
    return [father, mother]


def child_ages(us):
    """Prefix sums over a child's age 0..17 by sex and age 15..99 of the
    parent; rows of parents too old are all one."""
    out = []
    for rate in parent_rate(us):
        for a in range(15, 100):
            row = [rate.get(a - c, 0) for c in range(18)]
            out += ends(row)
    return out


def mother_ages(us):
    """64 equal parts of the ages at which mothers give birth."""
    rate, out, run = birth_rate(us), [], 0.0
    total = fsum(rate.values())
    for a in sorted(rate):
        run += rate[a]
        while len(out) < 64 and (len(out) + 0.5) / 64 * total < run:
            out.append(a)
    return out


def add(w, us):
    starts = us.marital_starts
    records = micro.households(us.folder)
    seed = nation(records, starts)
    state, people, worst = fit_states(us, seed, starts)
    us.arrangement_people = people
    first = kids_seed(records, starts, CHILDREN_SHARE)
    kids, lost = any_kids(us, first, people, starts)
    us.any_kids = kids
    w.pool("arrangement", LABELS)
    n_out = [0] * (2 * CLASSES * 5)
    for k in range(1, len(starts)):
        for x in range(2):
            for c in range(CLASSES):
                n_out += [int(v * FACTOR + 0.5) for v in seed[k, x, c]]
    w.add("home.nation", "I", n_out)
    w.add("home.state", "I", state)
    none = [0.0] * KIDS_TYPES
    w.add("kids.any", "H", [
        int(p * ONE + 0.5) for si in range(len(us.states)) for x in range(2)
        for k in range(len(starts)) for p in kids.get((si, x, k), none)])
    w.add("kids.count", "H", kids_count(records, starts))
    w.add("kids.age", "H", child_ages(us))
    w.add("home.mother", "B", mother_ages(us))
    return ["living arrangement: worst miss of a state and band after "
            "fitting: %.6f" % worst,
            "one-parent households with children that could not be placed: "
            "%d" % lost]
