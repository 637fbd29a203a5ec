"""The highest level of education, or the school attended."""
import math

from .fitting import apportion, fit, variation
from .tables import AGES, RACES, SCALE, SEXES, age_rows, table

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
ROW_STARTS = list(range(25)) + [25, 35, 45, 65]
EDU_MIN_AGE = [14, 16, 17, 18, 20, 21, 23]


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


# ---- tilt by race ------------------------------------------------------

RACE_LEVELS = ["less_than_high_school", "high_school",
               "some_college_or_associate", "bachelor_or_higher"]
RACE_LEVEL_OF = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 3]    # of the 12 levels
TILTED_FROM = 18            # the age from which race matters
ROUNDS = 30
TILT_ONE = 1 << 14


def read_race(folder):
    """{(state, sex, race): people of 25 and over by the four levels}"""
    out = {}
    for s, r, x, e, v in table(folder, "us/education_state_race_sex.tsv"):
        if r in RACES:
            out.setdefault((s, x, r), [0] * 4)[RACE_LEVELS.index(e)] = int(v)
    return out


def tilted(factor, tilt):
    """P(level | race) of one row: factor x the race's tilt, normalized."""
    w = [f * tilt[RACE_LEVEL_OF[e]] for e, f in enumerate(factor)]
    s = math.fsum(w)
    return [v / s for v in w]


def match_row(base, factor, people, tilt):
    """Moves factor so that the races together have the row's levels;
    returns P(level | race) as they were before."""
    p = [tilted(factor, t) for t in tilt]
    every, total = sum(people), sum(base)
    for e, b in enumerate(base):
        got = math.fsum(n * q[e] for n, q in zip(people, p)) / every
        factor[e] = factor[e] * (b / total) / got if b else 0.0
    return p


def fit_races(rows, people, targets, start):
    """Factors of the rows (from 25 on) and tilts of the races of one state
    and sex: rows keep their levels, races get those of C15002. A race
    without a published table keeps the tilt of start."""
    factor = [[float(v) for v in r] for r in rows]
    tilt = [list(t) for t in start]
    for _ in range(ROUNDS):
        got = [[0.0] * 4 for _ in RACES]
        for r, base in enumerate(rows):
            p = match_row(base, factor[r], people[r], tilt)
            for k, n in enumerate(people[r]):
                for e in range(5, 12):
                    got[k][RACE_LEVEL_OF[e]] += n * p[k][e]
        for k, want in enumerate(targets):
            if want is None or not any(got[k]):
                continue
            g, w = math.fsum(got[k]), sum(want)
            for c in range(4):
                if got[k][c]:
                    tilt[k][c] = min(64.0, max(
                        1 / 64, tilt[k][c] * (want[c] / w) / (got[k][c] / g)))
    for r, base in enumerate(rows):
        for _ in range(8):
            match_row(base, factor[r], people[r], tilt)
    return factor, tilt


def row_people(us, s, x, rows):
    """People of each race in each row of ages."""
    return [[sum(us.people(s, x, r, a) for a in ages)
             for r in range(len(RACES))] for ages in rows]


def tilts(us, base):
    """The tilt of each (state, sex, race) and the factors of each row."""
    target = read_race(us.folder)
    rows = [range(lo, hi) for lo, hi in zip(ROW_STARTS[25:],
                                            ROW_STARTS[26:] + [AGES])]
    flat = [[1.0] * 4 for _ in RACES]
    factors, out = [], []
    for x, sex in enumerate(SEXES):
        nation = [[0] * 12 for _ in rows]
        people = [[0] * len(RACES) for _ in rows]
        for s in range(len(us.states)):
            for r, n in enumerate(row_people(us, s, x, rows)):
                every = sum(n)
                people[r] = [a + b for a, b in zip(people[r], n)]
                at = us.edu_at(s, x, 25 + r)
                nation[r] = [a + every * b for a, b in
                             zip(nation[r], base[at:at + 12])]
        _, us.nation_tilt[x] = fit_races(
            nation, people, [target["US", sex, r] for r in RACES], flat)
    for s, state in enumerate(us.states):
        for x, sex in enumerate(SEXES):
            old = [base[at:at + 12] for at in
                   (us.edu_at(s, x, 25 + r) for r in range(len(rows)))]
            f, t = fit_races(old, row_people(us, s, x, rows),
                             [target.get((state, sex, r)) for r in RACES],
                             us.nation_tilt[x])
            t = [[int(v * TILT_ONE + 0.5) for v in row] for row in t]
            out += [v for row in t for v in row]
            factors += young_factors(us, s, x, base, t) + f
    return factors, out


def young_factors(us, s, x, base, tilt):
    """Rows under 25 keep their levels under the tilt found for 25+."""
    out = []
    for a in range(25):
        at = us.edu_at(s, x, a)
        row = [float(v) for v in base[at:at + 12]]
        people = row_people(us, s, x, [[a]])[0]
        for _ in range(12 if a >= TILTED_FROM and sum(people) else 0):
            match_row(base[at:at + 12], row, people, tilt)
        out.append(row)
    return out


def integers(row):
    """A row of factors as integers below 2^24."""
    top = max(row)
    return [max(1, int(v * (SCALE - 1) / top + 0.5)) if v else 0 for v in row]


def race_variation(us):
    """Total variation of race x sex x level (25+) of the nation from
    C15002A-G, and of the levels by state, sex and age from B15001."""
    target = read_race(us.folder)
    got = {}
    for s in range(len(us.states)):
        for x, sex in enumerate(SEXES):
            for r, race in enumerate(RACES):
                for a in range(25, AGES):
                    n = us.people(s, x, r, a)
                    if n:
                        for e, p in enumerate(us.education_share(s, x, a, r)):
                            k = sex, race, RACE_LEVEL_OF[e]
                            got[k] = got.get(k, 0) + n * p
    want = {(x, r, k): v for (s, x, r), row in target.items() if s == "US"
            for k, v in enumerate(row)}
    return variation(got, want)


def add(w, us):
    base = education(us.folder, us.states, us.single)
    factors, tilt = tilts(us, base)
    us.edu_base, us.edu_tilt = base, tilt
    us.edu_factor = [v for row in factors for v in integers(row)]
    w.pool("education", EDU_LABELS)
    w.add("edu.p", "I", base)
    w.add("edu.age", "B", age_rows(ROW_STARTS))
    w.add("edu.factor", "I", us.edu_factor)
    w.add("edu.race", "I", tilt)
    return ["education x race x sex (25+): total variation %.6f from "
            "C15002A-G" % race_variation(us)]
