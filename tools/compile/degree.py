"""Field of the first bachelor's degree, given state, sex, age and occupation.

No table joins field and occupation. tools/fields.tsv is the project's own
judgement of how much likelier than others a worker has studied what (an
assumption); occupations with equal weights form a kind. P(field | state, sex,
age, kind) is proportional to base x weight of the kind, and the bases are
fitted so that all people with a degree, at work or not, have the fields of
B15011 (five, by state, sex and age) divided as in B15010 (fifteen, by
state)."""
import math
import os

from .crosswalk import HERE
from .employment import LEVELS, level_people
from .fitting import dot, variation
from .occupation import CLASSES
from .tables import AGES, SCALE, SEXES, age_rows, fail, table

CODES = ["cs", "bio", "phy", "psy", "soc", "eng", "mul", "rel", "bus", "edu",
         "lit", "his", "art", "com", "oth"]
AGE_STARTS = [25, 40, 65]
ROUNDS = 60
UNEMPLOYED, RETIRED = 2, 5      # who had an occupation; see employment


def read_fields(folder):
    """Names of the fifteen fields, the five groups of each, and people:
    {(state, sex, age, group)}, {(state, field)}."""
    detail, groups, names = {}, [], []
    for s, g, f, n in table(folder, "us/degree_field_detail_state.tsv"):
        if f not in names:
            names.append(f)
            groups.append(g.replace("Humanities,", "Humanities"))
        detail[s, names.index(f)] = int(n)
    five = {}
    for s, x, lo, _, f, n in table(folder, "us/degree_field_state_sex_age.tsv"):
        five[s, x, int(lo), f] = int(n)
    if len(names) != len(CODES):
        fail(f"us/degree_field_detail_state.tsv: {len(names)} fields")
    return names, groups, five, detail


def source(us, groups, five, detail):
    """People by (state, sex, age) and field."""
    out = {}
    for s, state in enumerate(us.states):
        sums = {}
        for f, g in enumerate(groups):
            sums[g] = sums.get(g, 0) + detail[state, f]
        for x, sex in enumerate(SEXES):
            for a, lo in enumerate(AGE_STARTS):
                out[s, x, a] = [five[state, sex, lo, g] * detail[state, f] /
                                sums[g] for f, g in enumerate(groups)]
    return out


def read_kinds(src):
    """Weights of the kinds, kind 0 without any preference, and the kind of
    each occupation."""
    known = {}
    with open(os.path.join(HERE, "fields.tsv"), encoding="utf-8") as f:
        for line in list(f)[1:]:
            key, text = line.rstrip("\n").split("\t")
            row = [1] * len(CODES)
            for part in text.split():
                code, n = part.split(":")
                row[CODES.index(code)] = int(n)
            known[key] = tuple(row)
    unknown = set(known) - set(src.titles) - set(src.group_names)
    if unknown:
        fail(f"tools/fields.tsv: no occupation or group {sorted(unknown)}")
    kinds = [(1,) * len(CODES)]
    kinds += sorted(set(known.values()) - set(kinds))
    of = [kinds.index(known.get(t, known.get(src.group_names[g], kinds[0])))
          for t, g in zip(src.titles, src.group)]
    return kinds, of


def kind_shares(us, kind_of, kinds):
    """{(state, sex, level, class): share of each kind} of bachelors and
    graduates from 25 on, as the factors of occupations imply."""
    fit, src, out = us.occupation_fit, us.occupations, {}
    pairs = sorted({(k, g) for k, g in zip(kind_of, src.group)})
    members = [[o for o in range(len(kind_of))
                if (kind_of[o], src.group[o]) == p] for p in pairs]
    for x in range(2):
        for level in (4, 5):
            for c, lo in enumerate(CLASSES):
                if lo < 25:
                    continue
                w = [math.fsum(fit.u[x][o] * fit.v[level][o] * fit.open[c][o]
                               for o in m) for m in members]
                for s in range(len(us.states)):
                    row = [0.0] * len(kinds)
                    for (k, g), n in zip(pairs, w):
                        row[k] += n * fit.a[x][g][s]
                    every = math.fsum(row)
                    out[s, x, level, c] = [v / every for v in row]
    return out


def had_work(us, s, x, row, level):
    """P(employed, unemployed or retired | state, sex, row, level)."""
    at = ((s * 2 + x) * len(us.employ_starts) + row) * 7
    base = us.employ_p[at:at + 7]
    e = us.workers.tilt.share(s, x, row)[level]
    other = (base[UNEMPLOYED] + base[RETIRED]) / (SCALE - base[1])
    return e + (1 - e) * other


def holders(us, shares, kinds):
    """{(state, sex, age): people with a degree by kind of occupation}"""
    rows = age_rows(us.employ_starts)
    out = {}
    for s in range(len(us.states)):
        for x in range(2):
            for a, lo in enumerate(AGE_STARTS):
                end = (AGE_STARTS + [AGES])[a + 1]
                got = [0.0] * len(kinds)
                for age in range(lo, end):
                    c = max(k for k, v in enumerate(CLASSES) if v <= age)
                    people = level_people(us, s, x, [age])
                    for level in (4, 5):
                        n = people[level] * had_work(us, s, x, rows[age],
                                                     level)
                        got[0] += people[level] - n
                        got = [v + n * p for v, p in
                               zip(got, shares[s, x, level, c])]
                out[s, x, a] = got
    return out


def fit_base(want, people, kinds):
    """The base of one (state, sex, age)."""
    total, every = math.fsum(want), math.fsum(people)
    base = [w / total for w in want]
    for _ in range(ROUNDS):
        got = implied(base, people, kinds)
        base = [b * (w / total) / (g / every) if w else 0.0
                for b, w, g in zip(base, want, got)]
    return base


def implied(base, people, kinds):
    """People by field."""
    got = [0.0] * len(base)
    for n, weights in zip(people, kinds):
        if n:
            k = n / dot(base, weights)
            got = [g + k * b * w for g, b, w in zip(got, base, weights)]
    return got


def add(w, us):
    names, groups, five, detail = read_fields(us.folder)
    kinds, of = read_kinds(us.occupations)
    want = source(us, groups, five, detail)
    people = holders(us, kind_shares(us, of, kinds), kinds)
    base = {k: fit_base(want[k], people[k], kinds) for k in want}
    w.pool("degree.field", ["Other Fields" if n == "Other" else n
                            for n in names])
    w.add("degree.kind", "B", of)
    w.add("degree.weight", "B", [v for row in kinds for v in row])
    w.add("degree.base", "I", [
        max(1, int(v * (SCALE - 1) / max(base[k]) + 0.5)) if v else 0
        for k in sorted(base) for v in base[k]])
    # The fields of B15011 among the model's graduates (B15001 has other age
    # groups): [sex][age][field], for the audit.
    w.add("src.degree", "I", [
        int(math.fsum(want[s, x, a][f] / math.fsum(want[s, x, a]) *
                      math.fsum(people[s, x, a])
                      for s in range(len(us.states))) + 0.5)
        for x in range(2) for a in range(len(AGE_STARTS))
        for f in range(len(names))])
    got, given, counts = {}, {}, {}
    for k in base:
        every, total = math.fsum(people[k]), math.fsum(want[k])
        for f, v in enumerate(implied(base[k], people[k], kinds)):
            got[k, f], counts[k, f] = v, want[k][f]
            given[k, f] = want[k][f] * every / total
    named = sum(n for o, n in enumerate(map(sum, zip(*us.occupations.sex)))
                if of[o])
    every = sum(map(sum, us.occupations.sex))
    return ["field of degree given state, sex, age, from B15011 and B15010: "
            "total variation %.6f" % variation(got, given),
            "the same with the number of graduates, from B15011: total "
            "variation %.6f" % variation(got, counts),
            "fields of degree by occupation: %d kinds, %.1f %% of employment "
            "in a kind with preferences" % (len(kinds),
                                            100 * named / every)]
