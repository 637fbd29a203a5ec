"""Marital status given state, sex, age, race and education.

P(status | ...) = A[state][sex][age row] x R[state][sex][race]
                  x E[sex][age class][education group], over statuses.

E is the association with education among the NIST records at equal age,
race and area. A and R are fitted by iterative scaling until the model has,
in every state and sex, the statuses by age of B12002 and, as near as these
allow, those by race of B12002A-I."""
from math import fsum

from . import micro
from .tables import RACES, SCALE, SEXES, age_rows, table

KEYS = ["never_married", "married_spouse_present", "married_spouse_absent",
        "separated", "widowed", "divorced"]
LABELS = ["Never married", "Married", "Married, spouse absent", "Separated",
          "Widowed", "Divorced"]
RACE_KEYS = ["never_married", "married", "separated", "widowed", "divorced"]
RACE_OF = [0, 1, 1, 2, 3, 4]        # status -> column of the race tables
APART = [0, 1, 2, 2, 3, 2]          # status -> never, married, apart, widowed
EDU_CLASS_STARTS = [0, 25, 35, 55]  # ages between which E differs
EDU_GROUPS = 4                      # none, high school, some college, degree
EDU_GROUP = [0] * 7 + [1, 2, 2, 3, 3]   # model level -> group
NIST_GROUP = [0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3]    # code of edu
NIST_RACE = [0, 0, 1, 2, 2, 2, 3, 2, 2, 2]              # code of rac1p
ROUNDS = 40
FACTOR = 1 << 18    # largest entry of a row of R and E
PRIOR = 3000    # people of "no association" in each cell of E: 30 records


def by_age(us):
    """{(state, sex, age row): weights} and the starts of the rows."""
    n, starts = {}, set()
    for s, x, lo, hi, m, v in table(us.folder,
                                    "us/marital_state_sex_age.tsv"):
        n[s, x, int(lo), m] = int(v)
        starts.add(int(lo))
    starts = [0] + sorted(a for a in starts if a >= 18)
    out = {}
    for si, s in enumerate(us.states):
        for x, sex in enumerate(SEXES):
            out[si, x, 0] = [1, 0, 0, 0, 0, 0]
            for k, lo in enumerate(starts[1:], 1):
                out[si, x, k] = [n[s, sex, lo, m] for m in KEYS]
    return out, starts


def by_race(us):
    """{(state or US, sex, race): the five counts}; suppressed ones lack."""
    n = {}
    for s, r, x, m, v in table(us.folder, "us/marital_state_race_sex.tsv"):
        n.setdefault((s, SEXES.index(x), r), {})[m] = int(v)
    return {k: [v[m] for m in RACE_KEYS] for k, v in n.items() if len(v) == 5}


def shrunk(f, got, want):
    """A row of E: records over what the model without E gives, both with
    PRIOR people more, the three ways of living apart taken together."""
    base, seen = [0.0] * 4, [0.0] * 4
    for v in range(6):
        base[APART[v]] += got[v] / f[v]
        seen[APART[v]] += want[v]
    return [(seen[c] + PRIOR) / (base[c] + PRIOR) for c in APART]


def education_factor(people, starts):
    """E, by scaling the model to the records: status by (sex, age row), by
    race, by area, and by (sex, age class, education)."""
    rows, classes = age_rows(starts), age_rows(EDU_CLASS_STARTS)
    cells = {}
    for p in people:
        if p.age < 18 or p.education is None:
            continue
        key = ((0, p.sex, rows[p.age]),
               (1, 4 if p.hispanic else NIST_RACE[p.race]), (2, p.area),
               (3, p.sex, classes[p.age], NIST_GROUP[p.education]))
        cells.setdefault(key, [0] * 6)[p.marital] += p.weight
    keys = sorted(cells)
    f = {k: [1.0] * 6 for key in keys for k in key}
    for _ in range(12):
        for margin in range(4):
            seen = {key[margin]: ([0.0] * 6, [0.0] * 6) for key in keys}
            for key in keys:
                w = [f[key[0]][v] * f[key[1]][v] * f[key[2]][v] * f[key[3]][v]
                     for v in range(6)]
                n, z = fsum(cells[key]), fsum(w)
                got, want = seen[key[margin]]
                for v in range(6):
                    got[v] += n * w[v] / z
                    want[v] += cells[key][v]
            for k, (got, want) in seen.items():
                f[k] = shrunk(f[k], got, want) if margin == 3 else [
                    a * (b + 1) / (c + 1) for a, b, c in zip(f[k], want, got)]
    return {(x, c, e): f.get((3, x, c, e), [1.0] * 6)
            for x in range(2) for c in range(len(EDU_CLASS_STARTS))
            for e in range(EDU_GROUPS)}


def adults(us, starts):
    """people[state][sex][age row][race][education group], 18 and over."""
    rows, at, out = age_rows(starts), 0, {}
    for si in range(len(us.states)):
        for x in range(2):
            n = [[[0.0] * EDU_GROUPS for _ in RACES] for _ in starts]
            for lo, hi, r, a, people in us.cells(si, x):
                if a < 18 or not people:
                    continue
                share = us.education_share(si, x, a, r)
                total = fsum(share)
                to = n[rows[a]][r]
                for level, v in enumerate(share):
                    if v:
                        to[EDU_GROUP[level]] += people * v / total
            out[si, x] = n
    return out


def race_target(people, seed, ages):
    """Counts by race and the five statuses: the published ones (seed), their
    sums raked to the people of each race and to the statuses by age."""
    rows = [fsum(fsum(k[r]) for k in people[1:]) for r in range(len(RACES))]
    cols = [0.0] * 5
    for v, n in enumerate(ages):
        cols[RACE_OF[v]] += n
    cell = [row[:] for row in seed]
    for _ in range(30):
        for c in range(5):
            s = fsum(row[c] for row in cell)
            for row in cell:
                row[c] *= cols[c] / s if s else 0
        for r in range(len(RACES)):
            s = fsum(cell[r])
            cell[r] = [v * rows[r] / s if s else 0 for v in cell[r]]
    return cell


def scale_once(people, a, r, edu, got_age, got_race):
    """What the model gives by age row and by race."""
    for k in range(1, len(people)):
        ak, to_age = a[k], got_age[k]
        for race, rr in enumerate(r):
            base = [ak[v] * rr[v] for v in range(6)]
            to_race = got_race[race]
            for e, n in enumerate(people[k][race]):
                if not n:
                    continue
                f = edu[k][e]
                w = [base[v] * f[v] for v in range(6)]
                n /= w[0] + w[1] + w[2] + w[3] + w[4] + w[5]
                for v in range(6):
                    x = n * w[v]
                    to_age[v] += x
                    to_race[v] += x


def fit_cell(people, ages, race, edu):
    """A and R of one state and sex, and the largest miss by age, in parts
    of the people."""
    rows = len(people)
    a = [[float(v) for v in row] for row in ages]
    r = [[1.0] * 6 for _ in RACES]
    miss = 0.0
    for turn in range(ROUNDS):
        got_age = [[0.0] * 6 for _ in range(rows)]
        got_race = [[0.0] * 6 for _ in RACES]
        scale_once(people, a, r, edu, got_age, got_race)
        if turn % 2 and turn < ROUNDS - 4:
            for k in range(len(RACES)):
                five = [0.0] * 5
                for v in range(6):
                    five[RACE_OF[v]] += got_race[k][v]
                for v in range(6):
                    c = RACE_OF[v]
                    if five[c]:
                        r[k][v] *= race[k][c] / five[c]
            continue
        miss = 0.0
        for k in range(1, rows):
            for v in range(6):
                miss += abs(got_age[k][v] - ages[k][v])
                if got_age[k][v]:
                    a[k][v] *= ages[k][v] / got_age[k][v]
    return a, r, miss / fsum(fsum(row) for row in ages[1:])


def integers(row, top):
    """A row of weights in integers, the largest one top; what was above
    zero stays so."""
    most = max(row)
    return [0 if v <= 0 else max(1, int(v * top / most + 0.5)) for v in row]


def fit(us):
    tables, starts = by_age(us)
    published = by_race(us)
    edu = education_factor(micro.households(us.folder), starts)
    classes = age_rows(EDU_CLASS_STARTS)
    people = adults(us, starts)
    a_out, r_out, worst = [], [], 0.0
    us.marital_people = {}
    for si, s in enumerate(us.states):
        for x in range(2):
            n = people[si, x]
            ages = [[0.0] * 6]
            for k in range(1, len(starts)):
                total, row = fsum(map(fsum, n[k])), tables[si, x, k]
                ages.append([total * v / fsum(row) for v in row])
            us.marital_people[si, x] = ages
            seed = []
            for r in RACES:
                nation = published["US", x, r]
                row = published.get((s, x, r), [0] * 5)
                seed.append([v + 50.0 * w / fsum(nation)
                             for v, w in zip(row, nation)])
            target = race_target(n, seed, [fsum(c) for c in zip(*ages)])
            a, r, miss = fit_cell(n, ages, target, [
                [edu[x, classes[lo], e] for e in range(EDU_GROUPS)]
                for lo in starts])
            worst = max(worst, miss)
            a[0] = [1.0, 0, 0, 0, 0, 0]
            for row in a:
                a_out += integers(row, SCALE)
            for row in r:
                r_out += integers(row, FACTOR)
    e_out = []
    for x in range(2):
        for c in range(len(EDU_CLASS_STARTS)):
            for e in range(EDU_GROUPS):
                e_out += integers(edu[x, c, e], FACTOR)
    return a_out, r_out, e_out, starts, worst


def add(w, us):
    a, r, e, starts, worst = fit(us)
    us.marital_starts = starts
    w.pool("marital", LABELS)
    w.add("mar.age.f", "I", a)
    w.add("mar.race.f", "I", r)
    w.add("mar.edu.f", "I", e)
    w.add("mar.age", "B", age_rows(starts))
    w.add("mar.edu.age", "B", age_rows(EDU_CLASS_STARTS))
    w.add("mar.edu.of", "B", EDU_GROUP)
    return ["marital status: worst miss by age after fitting, of a state and "
            "sex: %.6f" % worst]
