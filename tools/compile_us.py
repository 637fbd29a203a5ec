#!/usr/bin/env python3
"""Compiles tables of US statistics into the model file that Cohort samples.

    tools/compile_us.py TABLES OUT [--report]

TABLES is a folder with the tab-separated tables that data/README.md lists,
OUT the model file (data/us.model). Deterministic and in integers: the same
tables give the same bytes. population/model.h describes the file.
"""
import os
import re
import struct
import sys

VERSION = 1
YEAR = 2018                 # the year the tables describe
SCALE = 1 << 24             # conditional rows sum to this
AGES = 100                  # 0..99; 99 stands for 99 and over
FIRST_NAMES_A_YEAR = 600
SURNAMES = 8000
SURNAMES_A_GROUP = 1500
HERE = os.path.dirname(os.path.abspath(__file__))

SEXES = ["male", "female"]
RACES = ["white", "black", "aian", "asian", "nhpi", "other", "two_or_more"]
RACE_LABELS = ["White", "Black or African American",
               "American Indian or Alaska Native", "Asian",
               "Native Hawaiian or Pacific Islander", "Some other race",
               "Two or more races"]
# Columns of the name tables; which one a person uses is decided in C.
NAME_GROUPS = ["white", "black", "asian_pacific", "aian",
               "two_or_more_or_other", "hispanic"]
AGE_GROUPS = [(0, 4), (5, 9), (10, 14), (15, 17), (18, 19), (20, 20),
              (21, 21), (22, 24), (25, 29), (30, 34), (35, 39), (40, 44),
              (45, 49), (50, 54), (55, 59), (60, 61), (62, 64), (65, 66),
              (67, 69), (70, 74), (75, 79), (80, 84), (85, 99)]
RACE_AGE_STARTS = [0, 5, 10, 15, 18, 20, 25, 30, 35, 45, 55, 65, 75, 85]

EDU_CHILD = ["Not yet in school", "Preschool", "Elementary school (in progress)",
             "Middle school (in progress)", "High school (in progress)"]
EDU_KEYS = ["less_than_9th_grade", "9th_to_12th_no_diploma", "high_school",
            "some_college_no_degree", "associate", "bachelor",
            "graduate_or_professional"]
EDU_LABELS = EDU_CHILD + [
    "Less than 9th grade", "9th to 12th grade, no diploma",
    "High school graduate", "Some college, no degree", "Associate's degree",
    "Bachelor's degree", "Graduate or professional degree"]
# Youngest age of a level: years of schooling + 5 (+ 1 where school starts
# at six and the level is usually left a year later).
EDU_MIN_AGE = [14, 16, 17, 18, 20, 21, 23]
MARITAL_KEYS = ["never_married", "married_spouse_present",
                "married_spouse_absent", "separated", "widowed", "divorced"]
MARITAL_LABELS = ["Never married", "Married", "Married, spouse absent",
                  "Separated", "Widowed", "Divorced"]
EMPLOYMENT_LABELS = ["Under 16", "Employed", "Unemployed", "Armed forces",
                     "Student", "Retired", "Not in labor force"]

# Surnames whose capital after O the Census list lost.
IRISH = set("""OBRIEN OCONNOR OCONNELL ODONNELL ONEILL ONEIL ONEAL OHARA OLEARY
OMALLEY OREILLY OKEEFE OROURKE OSULLIVAN OSHEA OGRADY OHARE OTOOLE OBRYANT
OBRIAN OHALLORAN OSHAUGHNESSY ODWYER OFARRELL OGORMAN OMEARA OCALLAGHAN
OCONNER ODONOGHUE OBANNON OLOUGHLIN OLAUGHLIN OFLAHERTY ODELL_""".split())


def fail(text):
    sys.exit("compile_us: " + text)


def table(folder, name):
    """The rows of one table as lists of strings, header checked off."""
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
    except OSError as e:
        fail(f"cannot read {path}: {e.strerror}; see data/README.md")
    width = len(rows[0])
    for n, row in enumerate(rows[1:], 2):
        if len(row) != width:
            fail(f"{path}:{n}: {len(row)} columns, expected {width}")
    return rows[1:]


def apportion(total, weights):
    """Splits total by weights into integers that sum to it (largest
    remainder; ties go to the lower index)."""
    s = sum(weights)
    if s == 0:
        return [0] * len(weights)
    base = [total * w // s for w in weights]
    order = sorted(range(len(weights)),
                   key=lambda k: (-(total * weights[k] % s), k))
    for k in order[:total - sum(base)]:
        base[k] += 1
    return base


def fit(rows, cols, allowed, rounds=60):
    """Iterative proportional fitting with structural zeros, in integers:
    cell[r][c] with row sums near rows and column sums near cols."""
    big = 1 << 40
    cell = [[big if allowed(r, c) and rows[r] and cols[c] else 0
             for c in range(len(cols))] for r in range(len(rows))]
    rt, ct = sum(rows), sum(cols)
    for _ in range(rounds):
        for c in range(len(cols)):
            s = sum(row[c] for row in cell)
            if s:
                want = cols[c] * big * 64 // ct
                for row in cell:
                    row[c] = row[c] * want // s
        for r in range(len(rows)):
            s = sum(cell[r])
            if s:
                want = rows[r] * big * 64 // rt
                cell[r] = [v * want // s for v in cell[r]]
    return cell


# ---- people ------------------------------------------------------------

def read_states(folder):
    rows = [r for r in table(folder, "us/states.tsv")
            if r[1] not in ("US", "PR")]
    if len(rows) != 51:
        fail(f"us/states.tsv: {len(rows)} states, expected 50 and DC")
    rows.sort(key=lambda r: r[1])
    return [r[1] for r in rows], [r[2] for r in rows]


def single_age_weights(folder, states):
    """Weight of each single age, by state and sex. PEP 2019 up to 84 (both
    sexes together), 85..99 from the UN's five-year groups by sex."""
    pep = {}
    for s, lo, hi, n in table(folder, "us/pop2019_state_single_age.tsv"):
        pep[s, int(lo)] = int(n)
    un = {}
    for iso2, _, sex, lo, _, n in table(
            folder, "world/pop2020_country_sex_age.tsv"):
        if iso2 == "US" and int(lo) >= 85:
            un[sex, min(int(lo), 95)] = un.get((sex, min(int(lo), 95)), 0) + int(n)
    # Inside a five-year group of the old: falling steps (an assumption).
    steps = {85: [28, 24, 20, 16, 12], 90: [32, 25, 19, 14, 10],
             95: [40, 26, 17, 10, 7]}
    out = {}
    for s in states:
        for x in SEXES:
            w = [pep[s, a] for a in range(85)]
            for lo in (85, 90, 95):
                w += [un[x, lo] * k for k in steps[lo]]
            out[s, x] = w
    return out


def read_joint(folder, states):
    """People by (state, sex, age group, race, single age), in that order."""
    age = {}
    for s, x, lo, hi, n in table(folder, "us/pop_state_sex_age.tsv"):
        age[s, x, int(lo)] = int(n)
    race = {}
    for s, r, x, lo, hi, n in table(folder, "us/pop_state_race_sex_age.tsv"):
        race[s, x, int(lo), r] = int(n)
    state_race = {}
    hisp_race = {}
    for s, h, r, n in table(folder, "us/pop_state_hispanic_race.tsv"):
        state_race[s, r] = state_race.get((s, r), 0) + int(n)
        hisp_race[s, h, r] = int(n)
    single = single_age_weights(folder, states)

    filled = 0
    joint = []
    for s in states:
        for x in SEXES:
            shares = {}
            for k, lo in enumerate(RACE_AGE_STARTS):
                hi = RACE_AGE_STARTS[k + 1] if k + 1 < 14 else 999
                total = sum(age[s, x, g[0]] for g in AGE_GROUPS
                            if lo <= g[0] < hi)
                here = [race.get((s, x, lo, r)) for r in RACES]
                gone = [i for i, v in enumerate(here) if v is None]
                rest = total - sum(v for v in here if v is not None)
                if rest < 0 or (rest and not gone):
                    fail(f"{s} {x} {lo}: races sum to {total - rest}, "
                         f"the age group has {total}")
                for i, v in zip(gone, apportion(
                        rest, [state_race[s, RACES[i]] for i in gone])):
                    here[i] = v
                    filled += v
                shares[lo] = here
            for g in AGE_GROUPS:
                lo = max(a for a in RACE_AGE_STARTS if a <= g[0])
                by_race = apportion(age[s, x, g[0]], shares[lo])
                ages = single[s, x][g[0]:g[1] + 1]
                for n in by_race:
                    joint += apportion(n, ages)
    hisp = []
    for s in states:
        for x in SEXES:
            for k, lo in enumerate(RACE_AGE_STARTS):
                total = sum(race.get((s, x, lo, r), 0) for r in RACES)
                h = race.get((s, x, lo, "hispanic"), 0)
                sh = sum(hisp_race[s, "yes", r] for r in RACES)
                st = sum(state_race[s, r] for r in RACES)
                for r in RACES:
                    num = hisp_race[s, "yes", r] * h * st
                    den = state_race[s, r] * total * sh
                    hisp.append(min(64000, num * 65536 // den) if den else 0)
    return joint, hisp, filled


def education(folder, states, single):
    """P(level | state, sex, age row); rows are ages 0..24, then 25-34,
    35-44, 45-64, 65+."""
    n = {}
    for s, x, lo, hi, e, v in table(folder, "us/education_state_sex_age.tsv"):
        n[s, x, int(lo), e] = int(v)
    enrol = {}
    for s, x, lo, hi, e, v in table(
            folder, "us/school_enrollment_state_sex_age.tsv"):
        enrol[s, x, int(lo), e] = int(v)
    out = []
    for s in states:
        for x in SEXES:
            for a in range(18):
                out += child_education(enrol, s, x, a)
            ages = single[s, x][18:25]
            cols = [n[s, x, 18, e] for e in EDU_KEYS]
            cell = fit(ages, cols,
                       lambda r, c: 18 + r >= EDU_MIN_AGE[c])
            for row in cell:
                out += [0] * 5 + apportion(SCALE, row)
            for lo in (25, 35, 45, 65):
                out += [0] * 5 + apportion(
                    SCALE, [n[s, x, lo, e] for e in EDU_KEYS])
    return out


def child_education(enrol, s, x, age):
    row = [0] * 12
    def share(lo):
        gone = enrol[s, x, lo, "not_enrolled"]
        every = gone + enrol[s, x, lo, "public_school"] + \
            enrol[s, x, lo, "private_school"]
        return gone, every
    if age < 3:
        row[0] = SCALE
    elif age < 5:
        gone, every = share(3)
        row[0] = SCALE * gone // every
        row[1] = SCALE - row[0]
    elif age == 5:
        gone, every = share(5)
        row[0] = min(SCALE // 2, SCALE * 5 * gone // every)
        row[2] = SCALE - row[0]
    elif age < 11:
        row[2] = SCALE
    elif age < 14:
        row[3] = SCALE
    elif age < 16:
        row[4] = SCALE
    else:
        gone, every = share(15)
        row[6] = SCALE * gone // every
        row[4] = SCALE - row[6]
    return row


def marital(folder, states):
    """P(status | state, sex, age row); rows: under 18, then 13 groups."""
    n = {}
    starts = set()
    for s, x, lo, hi, m, v in table(folder, "us/marital_state_sex_age.tsv"):
        n[s, x, int(lo), m] = int(v)
        starts.add(int(lo))
    starts = sorted(a for a in starts if a >= 18)
    out = []
    for s in states:
        for x in SEXES:
            out += [SCALE, 0, 0, 0, 0, 0]
            for lo in starts:
                out += apportion(SCALE, [n[s, x, lo, m] for m in MARITAL_KEYS])
    return out, [0] + starts


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


# ---- occupations -------------------------------------------------------

def words(title):
    text = re.sub("[^a-z ]", " ", title.lower())
    return frozenset(w for w in text.split()
                     if w not in ("and", "other", "all", "miscellaneous"))


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


def tenths(text):
    return int(round(float(text) * 10))


def crosswalk(folder, titles, soc_of):
    """Education shares and youngest age of each occupation from the EP
    tables: by SOC prefix where tools/occupations.tsv names one, by title,
    or by the most similar title."""
    edu = {}
    for r in table(folder, "us/occupation_soc_education.tsv"):
        edu[r[0]] = [tenths(v) for v in r[2:9]]
    ep = []
    for r in table(folder, "us/occupation_soc_ep2022.tsv"):
        if r[2] == "detail" and r[0] in edu:
            ep.append((r[0], r[1], tenths(r[3]), r[7], r[8]))
    out = []
    how = {"soc": 0, "title": 0, "similar": 0}
    for t in titles:
        if soc_of[t] != "-":
            pick = [e for e in ep if e[0].startswith(soc_of[t])]
            key = "soc"
        else:
            pick = [e for e in ep if e[1].lower() == t.lower()]
            key = "title"
        if not pick:
            mine = words(t)
            pick = [max(ep, key=lambda e: (
                len(mine & words(e[1])) * 1000 // len(mine | words(e[1])),
                e[0]))]
            key = "similar"
        how[key] += 1
        weight = sum(max(1, e[2]) for e in pick)
        share = [sum(edu[e[0]][k] * max(1, e[2]) for e in pick) // weight
                 for k in range(7)]
        top = max(pick, key=lambda e: (e[2], e[0]))
        out.append((share, top[3], top[4]))
    return out, how


YOUNGEST = {"No formal educational credential": 16,
            "High school diploma or equivalent": 18,
            "Postsecondary nondegree award": 18,
            "Some college, no degree": 18, "Associate's degree": 20,
            "Bachelor's degree": 21, "Master's degree": 24,
            "Doctoral or professional degree": 26}


def levels_of(share, entry):
    """The seven EP shares as weights of our six working levels. Shares
    under 1.5 % are reporting noise and go; who needs a doctoral or a
    master's degree has one."""
    lt_hs, hs, some, assoc, bach, master, doctor = share
    row = [lt_hs, hs, some, assoc, bach, master + doctor]
    row = [v if v >= 15 else 0 for v in row]
    if entry in ("Doctoral or professional degree", "Master's degree"):
        row = [0, 0, 0, 0, 0, max(1, master + doctor)]
    elif entry == "Bachelor's degree":
        row[0] = 0
    return row


def occupations(folder, states):
    detail = [(r[0], int(r[2]), int(r[3]))
              for r in table(folder, "us/occupation_detail_sex.tsv")]
    groups = {int(r[0]): r for r in table(folder, "us/occupation_groups.tsv")}
    roles, soc_of = {}, {}
    with open(os.path.join(HERE, "occupations.tsv"), encoding="utf-8") as f:
        for line in list(f)[1:]:
            t, r, s = line.rstrip("\n").split("\t")
            roles[t], soc_of[t] = r, s
    counts = {}
    for s, x, g, v in table(folder, "us/occupation_group_state_sex.tsv"):
        counts[s, x, int(g)] = int(v)
    totals = {g: (counts["US", "male", g], counts["US", "female", g])
              for g in groups}
    owner = assign_groups(totals, detail)
    ep, how = crosswalk(folder, [d[0] for d in detail], soc_of)
    rows = []
    for (title, m, f), g, (share, entry, exp) in zip(detail, owner, ep):
        low = YOUNGEST[entry] + {"5 years or more": 5,
                                 "Less than 5 years": 2}.get(exp, 0)
        rows.append((g - 1, m, f, levels_of(share, entry), low))
    state_group = [counts[s, x, g] for s in states for x in SEXES
                   for g in sorted(groups)]
    return {"titles": [d[0] for d in detail],
            "roles": [roles[d[0]] for d in detail], "rows": rows,
            "group_names": [groups[g][3] for g in sorted(groups)],
            "state_group": state_group, "how": how}


# ---- names and places --------------------------------------------------

def given_names(folder):
    by_year = {}
    for y, x, name, n in table(folder, "us/given_names_year.tsv"):
        by_year.setdefault((x, int(y)), []).append((name, int(n)))
    births = {(r[1], int(r[0])): int(r[2])
              for r in table(folder, "us/given_names_year_totals.tsv")}
    ids, rows, idx, cnt = {}, [0], [], []
    covered = total = 0
    for x in SEXES:
        for age in range(AGES):
            year = max(1920, YEAR - age)
            top = sorted(by_year[x, year], key=lambda p: (-p[1], p[0]))
            for name, n in top[:FIRST_NAMES_A_YEAR]:
                idx.append(ids.setdefault(name, len(ids)))
                cnt.append(n)
                covered += n
            total += births[x, year]
            rows.append(len(idx))
    names = list(ids)
    return names, rows, idx, cnt, name_tilt(folder, by_year, names), \
        covered * 1000 // total


def name_tilt(folder, by_year, names):
    """How much likelier than average each name group bears a name, in
    1/32; 32 where the source does not know the name."""
    col = {"white": 1, "black": 2, "asian_pacific": 3, "aian": 4,
           "two_or_more_or_other": 5, "hispanic": 6}
    share = {}
    for r in table(folder, "us/given_names_race.tsv"):
        share[r[0]] = [int(round(float(r[col[g]]) * 10000))
                       for g in NAME_GROUPS]
    mean, n = [0] * 6, 0
    for (x, y), rows in by_year.items():
        if 1940 <= y <= 1990:
            for name, c in rows:
                p = share.get(name.upper())
                if p:
                    mean = [m + c * v for m, v in zip(mean, p)]
                    n += c
    out = []
    for name in names:
        p = share.get(name.upper())
        for k in range(6):
            t = 32 if not p else p[k] * 32 * n // mean[k]
            out.append(min(255, max(1, t)))
    return out


def person_case(name, upper):
    """Smith from SMITH, McDonald, O'Brien."""
    if upper:
        if name in IRISH:
            return "O'" + name[1:].capitalize()
        name = name.capitalize()
    if re.match("Mc[a-z]{3,}$", name):
        return "Mc" + name[2:].capitalize()
    return name


def surnames(folder):
    rows = [(r[0], [int(v) for v in r[2:8]], int(r[1]))
            for r in table(folder, "us/surnames_2010.tsv")]
    keep = set(range(SURNAMES))
    for g in range(6):
        order = sorted(range(len(rows)), key=lambda k: (-rows[k][1][g], k))
        keep |= set(order[:SURNAMES_A_GROUP])
    keep = sorted(keep)
    every = [sum(r[1][g] for r in rows) for g in range(6)]
    rest = table(folder, "us/surnames_2010_remainder.tsv")
    every = [e + sum(int(r[2 + g]) for r in rest) for g, e in enumerate(every)]
    got = [sum(rows[k][1][g] for k in keep) for g in range(6)]
    names = [person_case(rows[k][0], True) for k in keep]
    counts = [rows[k][1][g] for g in range(6) for k in keep]
    return names, counts, [a * 1000 // b for a, b in zip(got, every)]


def cities(folder, states):
    keep = {"PPL", "PPLA", "PPLA2", "PPLA3", "PPLC", "PPLG", "PPLL"}
    by_state = {}
    for _, name, s, code, _, _, pop in table(folder, "us/cities.tsv"):
        if code not in keep or (s == "DC" and code != "PPLC"):
            continue
        if (s, name) == ("NY", "New York City"):
            continue    # its five boroughs are in the table as well
        if s == "DC":
            name = "Washington"
        by_state.setdefault(s, []).append((name, int(pop)))
    names, pops, rows = [], [], [0]
    for s in states:
        for name, pop in sorted(by_state[s], key=lambda c: (-c[1], c[0])):
            names.append(name)
            pops.append(pop)
        rows.append(len(names))
    return names, pops, rows


# ---- the file ----------------------------------------------------------

def content_hash(data):
    """FNV-1a over little-endian 64-bit words, so that both sides need no
    library; model.c has the other copy."""
    h = 0xcbf29ce484222325
    for (w,) in struct.iter_unpack("<Q", data):
        h = ((h ^ w) * 0x100000001b3) & 0xffffffffffffffff
        h ^= h >> 32
    return h


class Writer:
    def __init__(self):
        self.sections = []

    def add(self, name, fmt, values):
        data = struct.pack("<%d%s" % (len(values), fmt), *values)
        self.sections.append((name, struct.calcsize("<" + fmt), len(values),
                              data))

    def pool(self, name, texts):
        """Texts one after another; section NAME.at holds their offsets."""
        data, at = b"", [0]
        parts = []
        n = 0
        for t in texts:
            raw = t.encode("utf-8")
            if not raw or any(b < 32 or b in b'"\\' for b in raw):
                fail(f"a text that JSON would escape: {t!r}")
            parts.append(raw)
            n += len(raw)
            at.append(n)
        self.add(name + ".at", "I", at)
        self.add(name, "B", list(b"".join(parts)))

    def write(self, path):
        table_bytes = 40 * len(self.sections)
        at = 48 + table_bytes
        entries, body = b"", b""
        for name, size, count, data in self.sections:
            entries += struct.pack("<16sQQII", name.encode(), at, len(data),
                                   size, count)
            data += b"\0" * (-len(data) % 8)
            body += data
            at += len(data)
        rest = entries + body
        hashed = struct.pack("<QQ", YEAR, 0) + rest
        head = struct.pack("<8sIIQQ", b"COHORTMD", VERSION,
                           len(self.sections), 48 + len(rest),
                           content_hash(hashed))
        with open(path + ".tmp", "wb") as f:
            f.write(head + hashed)
        os.replace(path + ".tmp", path)
        return 48 + len(rest)


def age_rows(starts):
    return [max(k for k, lo in enumerate(starts) if lo <= a)
            for a in range(AGES)]


def main():
    if len(sys.argv) < 3:
        fail("usage: compile_us.py TABLES OUT")
    folder, path = sys.argv[1], sys.argv[2]
    states, names = read_states(folder)
    single = single_age_weights(folder, states)
    joint, hisp, filled = read_joint(folder, states)
    w = Writer()
    w.pool("state.code", states)
    w.pool("state.name", names)
    w.pool("race", RACE_LABELS)
    w.pool("education", EDU_LABELS)
    w.pool("marital", MARITAL_LABELS)
    w.pool("employment", EMPLOYMENT_LABELS)
    w.add("age.groups", "B", [v for g in AGE_GROUPS for v in g])
    w.add("joint", "I", joint)
    w.add("hispanic", "H", hisp)
    w.add("hispanic.age", "B", age_rows(RACE_AGE_STARTS))
    w.add("edu.p", "I", education(folder, states, single))
    w.add("edu.age", "B", age_rows(list(range(25)) + [25, 35, 45, 65]))
    p, starts = marital(folder, states)
    w.add("marital.p", "I", p)
    w.add("marital.age", "B", age_rows(starts))
    p, starts = employment(folder, states, single)
    w.add("employ.p", "I", p)
    w.add("employ.age", "B", age_rows(starts))
    occ = occupations(folder, states)
    w.pool("occ.title", occ["titles"] + ["Member of the armed forces"])
    w.pool("occ.role", occ["roles"] + ["service member"])
    w.pool("occ.group", occ["group_names"])
    w.add("occ.of", "B", [r[0] for r in occ["rows"]])
    w.add("occ.sex", "I", [v for r in occ["rows"] for v in r[1:3]])
    w.add("occ.edu", "H", [v for r in occ["rows"] for v in r[3]])
    w.add("occ.age", "B", [r[4] for r in occ["rows"]])
    w.add("occ.state", "I", occ["state_group"])
    first, rows, idx, cnt, tilt, share = given_names(folder)
    w.pool("first", [person_case(n, False) for n in first])
    w.add("first.row", "I", rows)
    w.add("first.id", "H", idx)
    w.add("first.n", "I", cnt)
    w.add("first.tilt", "B", tilt)
    last, counts, shares = surnames(folder)
    w.pool("last", last)
    w.add("last.n", "I", counts)
    city, pops, rows = cities(folder, states)
    w.pool("city", city)
    w.add("city.row", "I", rows)
    w.add("city.n", "I", pops)
    size = w.write(path)
    print(f"people {sum(joint)}, of them filled in for suppressed cells "
          f"{filled}")
    print(f"occupations {len(occ['titles'])}, education by {occ['how']}")
    print(f"given names {len(first)}, covering {share} of 1000 births")
    print("surnames %d, covering of 1000 by group: %s" % (
        len(last), dict(zip(NAME_GROUPS, shares))))
    print(f"cities {len(city)}, people in them {sum(pops)}")
    print(f"{path}: {size} bytes")


if __name__ == "__main__":
    main()
