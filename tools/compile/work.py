"""Employment status and occupation."""
import os
import re

from .fitting import apportion, fit
from .tables import SCALE, SEXES, age_rows, fail, table

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

EMPLOYMENT_LABELS = ["Under 16", "Employed", "Unemployed", "Armed forces",
                     "Student", "Retired", "Not in labor force"]


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


def add(w, us):
    p, starts = employment(us.folder, us.states, us.single)
    w.pool("employment", EMPLOYMENT_LABELS)
    w.add("employ.p", "I", p)
    w.add("employ.age", "B", age_rows(starts))
    occ = occupations(us.folder, us.states)
    w.pool("occ.title", occ["titles"] + ["Member of the armed forces"])
    w.pool("occ.role", occ["roles"] + ["service member"])
    w.pool("occ.group", occ["group_names"])
    w.add("occ.of", "B", [r[0] for r in occ["rows"]])
    w.add("occ.sex", "I", [v for r in occ["rows"] for v in r[1:3]])
    w.add("occ.edu", "H", [v for r in occ["rows"] for v in r[3]])
    w.add("occ.age", "B", [r[4] for r in occ["rows"]])
    w.add("occ.state", "I", occ["state_group"])
    return [f"occupations {len(occ['titles'])}, education by {occ['how']}"]
