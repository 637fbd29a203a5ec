"""Given names by sex and year of birth, surnames by race and origin."""
import re

from .tables import AGES, NAME_GROUPS, SEXES, YEAR, table

FIRST_NAMES_A_YEAR = 600
SURNAMES = 8000
SURNAMES_A_GROUP = 1500

# Surnames whose capital after O the Census list lost.
IRISH = set("""OBRIEN OCONNOR OCONNELL ODONNELL ONEILL ONEIL ONEAL OHARA OLEARY
OMALLEY OREILLY OKEEFE OROURKE OSULLIVAN OSHEA OGRADY OHARE OTOOLE OBRYANT
OBRIAN OHALLORAN OSHAUGHNESSY ODWYER OFARRELL OGORMAN OMEARA OCALLAGHAN
OCONNER ODONOGHUE OBANNON OLOUGHLIN OLAUGHLIN OFLAHERTY ODELL_""".split())


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


def add(w, us):
    first, rows, idx, cnt, tilt, share = given_names(us.folder)
    w.pool("first", [person_case(n, False) for n in first])
    w.add("first.row", "I", rows)
    w.add("first.id", "H", idx)
    w.add("first.n", "I", cnt)
    w.add("first.tilt", "B", tilt)
    last, counts, shares = surnames(us.folder)
    w.pool("last", last)
    w.add("last.n", "I", counts)
    return [f"given names {len(first)}, covering {share} of 1000 births",
            "surnames %d, covering of 1000 by group: %s" % (
                len(last), dict(zip(NAME_GROUPS, shares)))]
