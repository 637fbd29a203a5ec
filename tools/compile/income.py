"""Annual wage given occupation, sex and age, for people at work.

Target: in each occupation the percentiles p10, p25, median, p75 and p90 of
OEWS, so six bands with 10, 15, 25, 25, 15 and 10 % of its people. Which band
depends on sex and age: seeded with the association of income and age in the
NIST excerpts of ACS microdata, tilted by sex until women's median over men's
is that of B24121-3, and fitted so that each occupation keeps its bands.

OEWS marks percentiles of 208,000 and more as -2: the first of them is taken
as 208,000, and all above it are one band, open at the top. -1 (six occupations that are paid by
the show) takes the wages of the occupations around them."""
import math

from .crosswalk import match
from .tables import AGES, SCALE, age_rows, table

SHARES = [0.10, 0.15, 0.25, 0.25, 0.15, 0.10]
PERCENTS = [0.10, 0.25, 0.50, 0.75, 0.90]
AGE_STARTS = [16, 25, 35, 45, 55, 65]
CODED_FROM = 208000         # OEWS publishes no percentile above
LOWEST = 15100              # the federal minimum wage, full time: 15,080
TIE = 100                   # two percentiles alike are set apart by this
ONE = 1 << 16
ROUNDS, LAST_ROUNDS = 12, 60
STEPS = 10
TILT_LOW, TILT_HIGH = 0.5, 2.0  # per band; wages of an occupation are narrow
MILITARY_FROM = 20000       # pay of the lowest grades, rounded (an assumption)


def read_wages(folder):
    """{code: (employed, mean, five percentiles)}, None where unpublished."""
    out = {}
    for r in table(folder, "us/occupation_wages_oews2021.tsv"):
        row = [int(v) for v in r[3:]]
        if -1 not in row[2:]:
            out.setdefault(r[0], (max(1, row[0]), row[1], row[2:]))
    return out


def wages_of(pick, wages):
    """Wage rows of an occupation and how they were found: by its codes, or
    by what stands above them."""
    rows = [wages[e[0]] for e in pick if e[0] in wages]
    if rows:
        return rows, "detailed"
    for digits in (6, 5, 4, 3):
        near = {e[0][:digits] for e in pick}
        rows = [v for c, v in sorted(wages.items())
                if c[:digits] in near and not c.endswith("0000")]
        if rows:
            return rows, "group"
    return [wages["00-0000"]], "all"


def low_end(p10):
    """Wages under p10 start here (an assumption)."""
    return max(LOWEST, p10 * 2 // 3) if p10 > LOWEST * 11 // 10 \
        else p10 * 17 // 20


def with_code(known):
    """Percentiles that are known, and 208,000 in the place of the first one
    that is top-coded."""
    return known + [CODED_FROM] if len(known) < len(PERCENTS) else known


def share_below(row, wage):
    """Share of one wage row below wage (up to 208,000), linear between
    percentiles; above p90 in a tail of the width of p50 to p90."""
    known = with_code([v for v in row[2] if v > 0])
    points = [(low_end(known[0]), 0.0)] + list(zip(known, PERCENTS))
    if len(known) == 5 and row[2][4] > 0:
        points.append((2 * known[4] - known[2], 1.0))
    for (a, p), (b, q) in zip(points, points[1:]):
        if wage < b:
            return p + (q - p) * (wage - a) / (b - a) if wage > a else p
    return points[-1][1]


def pooled(rows):
    """Known percentiles of several rows together, below 208,000."""
    if len(rows) == 1:
        return [v for v in rows[0][2] if v > 0]
    every, out = sum(r[0] for r in rows), []
    for p in PERCENTS:
        lo, hi = 0, CODED_FROM
        while hi - lo > 1:
            mid = (lo + hi) // 2
            got = math.fsum(r[0] * share_below(r, mid) for r in rows) / every
            lo, hi = (lo, mid) if got >= p else (mid, hi)
        if hi == CODED_FROM:
            break
        out.append(hi)
    return out


def cuts_of(rows):
    """Low end, five percentiles and top end in hundreds of dollars, and the
    shares of the bands. Percentiles after the first top-coded one equal the
    top and their bands are empty."""
    known = with_code(pooled(rows))
    shares = SHARES[:len(known)] + [math.fsum(SHARES[len(known):])]
    cut = [(v + TIE // 2) // TIE for v in [low_end(known[0])] + known]
    for k in range(1, len(cut)):
        cut[k] = max(cut[k], cut[k - 1] + 1)
    every = sum(r[0] for r in rows)
    mean = math.fsum(r[0] * r[1] for r in rows) / every / TIE
    below = math.fsum(s * (a + b) / 2 for s, a, b in
                      zip(shares, cut, cut[1:]))
    # The tail's mean lies a third up (density falls), and makes the
    # occupation's mean the published one, within bounds.
    last = cut[-1]
    top = last + int(3 * ((mean - below) / shares[-1] - last))
    top = min(max(top, last + last // 5), last * 3)
    cut += [top] * (7 - len(cut))
    return cut, shares + [0.0] * (6 - len(shares))


def median(cut, shares):
    """Median of bands whose values are spread evenly."""
    got, half = 0.0, math.fsum(shares) / 2
    for k in range(6):
        if got + shares[k] >= half and shares[k]:
            return cut[k] + (cut[k + 1] - cut[k]) * (half - got) / shares[k]
        got += shares[k]
    return cut[6]


# ---- association -------------------------------------------------------

def age_seed(folder):
    """seed[age group][band]: how much likelier than all an age group is in
    a band of the income of people with the same education (four levels),
    among NIST's people with an industry and an income."""
    groups = {}
    for r in table(folder, "us/persons_acs2019_nist.tsv"):
        if r[12] in ("N", "18") or r[14] == "N" or int(r[1]) < 16:
            continue
        income = int(float(r[14]))
        if income <= 0:
            continue
        edu = int(r[13]) if r[13] != "N" else 1
        level = (edu > 4) + (edu > 6) + (edu > 8)
        age = max(k for k, lo in enumerate(AGE_STARTS) if lo <= int(r[1]))
        groups.setdefault(level, []).append((income, age, int(r[22])))
    cell = [[0] * 6 for _ in AGE_STARTS]
    for level in sorted(groups):
        rows = sorted(groups[level])
        every, got = sum(r[2] for r in rows), 0
        for _, age, weight in rows:
            share = (got + weight / 2) / every
            band = sum(share >= p for p in PERCENTS)
            cell[age][band] += weight
            got += weight
    every = sum(map(sum, cell))
    by_band = [sum(col) for col in zip(*cell)]
    return [[v * every / (sum(row) * b) for v, b in zip(row, by_band)]
            for row in cell], every


def workers(us):
    """n[occupation][sex][age group]: people at work, from the factors."""
    fit, src = us.occupation_fit, us.occupations
    group = [max(k for k, lo in enumerate(AGE_STARTS) if lo <= max(16, a))
             for a in range(AGES)]
    out = [[[0.0] * len(AGE_STARTS) for _ in range(2)] for _ in src.titles]
    part = {}       # (sex, level, class, group): people by state
    for s, x, r, c, people, share, ages in us.workers.split(group):
        for k, n in enumerate(people):
            row = part.setdefault((x, k, c, ages), [0.0] * len(us.states))
            row[s] += n * share[k]
    by_class = {}
    for (x, k, c, a), n in part.items():
        by_class.setdefault((x, k, c), {})[a] = math.fsum(n)
    for (x, k, c), ages in sorted(by_class.items()):
        every = math.fsum(ages.values())
        if not every:
            continue
        for o, n in enumerate(fit.occupation_counts(x, k, c)):
            for a, m in ages.items():
                out[o][x][a] += n * m / every
    return out


def fit_bands(people, shares, seed, tilt, rounds=ROUNDS):
    """P(band | sex, age) of one occupation: seed, women's bands tilted by
    powers of tilt, then fitted to the shares of the bands."""
    cell = []
    for x in range(2):
        for row in seed:
            k, out = 1.0, []
            for v in row:
                out.append(v * k)
                k *= tilt if x else 1.0
            cell.append(out)
    n = [v for row in people for v in row]
    every = math.fsum(n)
    for _ in range(rounds):
        for row in cell:
            s = math.fsum(map(lambda v, w: v * w, row, shares))
            row[:] = [v / s for v in row]
        for b in range(6):
            got = math.fsum(m * row[b] for m, row in zip(n, cell)) / every
            if got:
                for row in cell:
                    row[b] /= got
    out = []
    for row in cell:
        p = [v * w for v, w in zip(row, shares)]
        s = math.fsum(p)
        out.append([v / s for v in p])
    return out


def ratio_of(people, cell, cut):
    """Women's median over men's."""
    sexes = []
    for x in range(2):
        rows = list(zip(people[x], cell[6 * x:6 * x + 6]))
        sexes.append(median(cut, [math.fsum(n * p[b] for n, p in rows)
                                  for b in range(6)]))
    return sexes[1] / sexes[0]


def tilt_for(people, shares, seed, cut, want):
    """The tilt of women's bands that gives the wanted ratio of medians, or
    the nearest within bounds, by halving."""
    lo, hi = TILT_LOW, TILT_HIGH
    for _ in range(STEPS):
        mid = (lo + hi) / 2
        got = ratio_of(people, fit_bands(people, shares, seed, mid), cut)
        lo, hi = (mid, hi) if got < want else (lo, mid)
    return (lo + hi) / 2


def ratios(us):
    """Women's median over men's by title, where B24121-3 has both, and the
    nation's middle one for the rest."""
    out = {}
    for r in table(us.folder, "us/occupation_detail_sex.tsv"):
        if int(r[5]) > 0 and int(r[6]) > 0:
            out[r[0]] = int(r[6]) / int(r[5])
    return out, sorted(out.values())[len(out) // 2]


def military(folder):
    """Cuts of the armed forces: earnings of B20001 (the nation, both sexes)
    from MILITARY_FROM on, as no table has the pay of soldiers."""
    bands = {}
    for s, _, lo, hi, n in table(folder, "us/earnings_state_sex.tsv"):
        if s == "US" and int(lo) >= MILITARY_FROM:
            bands[int(lo), int(hi)] = bands.get((int(lo), int(hi)), 0) + int(n)
    rows = sorted(bands.items())
    every, cut = sum(bands.values()), [MILITARY_FROM]
    for p in PERCENTS:
        got = 0.0
        for (lo, hi), n in rows:
            if got + n >= p * every:
                top = hi + 1 if hi > 0 else 2 * lo
                cut.append(int(lo + (top - lo) * (p * every - got) / n))
                break
            got += n
    cut.append(cut[-1] * 3 // 2)
    return [(v + TIE // 2) // TIE for v in cut]


def quantized(row):
    """Shares as integers that sum to ONE; empty bands stay empty."""
    out = [int(v * ONE + 0.5) for v in row]
    out[out.index(max(out))] += ONE - sum(out)
    return out


def add(w, us):
    src = us.occupations
    wages, (seed, sample) = read_wages(us.folder), age_seed(us.folder)
    known, middle = ratios(us)
    people = workers(us)
    cuts, table_p, shares_out, how, off = [], [], [], {}, []
    for o, title in enumerate(src.titles):
        rows, kind = wages_of(src.picks[o], wages)
        how[kind] = how.get(kind, 0) + sum(src.sex[x][o] for x in range(2))
        cut, shares = cuts_of(rows)
        want = known.get(title, middle)
        tilt = tilt_for(people[o], shares, seed, cut, want) \
            if all(map(any, people[o])) else 1.0
        cell = fit_bands(people[o], shares, seed, tilt, LAST_ROUNDS)
        if title in known and all(map(any, people[o])):
            got = ratio_of(people[o], cell, cut)
            off.append((abs(got - want) * sum(map(math.fsum, people[o])),
                        sum(map(math.fsum, people[o]))))
        cuts += cut
        shares_out += quantized(shares)
        table_p += [v for row in cell for v in quantized(row)]
    cuts += military(us.folder)
    shares_out += quantized(SHARES)
    table_p += [v for _ in range(12) for v in quantized(SHARES)]
    w.add("pay.cut", "H", cuts)
    w.add("pay.share", "I", shares_out)
    w.add("pay.p", "I", table_p)
    w.add("pay.age", "B", age_rows([0] + AGE_STARTS[1:]))
    every = math.fsum(how.values())
    return ["wages of occupations, share of employment: " + ", ".join(
                "%s %.1f %%" % (k, 100 * how[k] / every) for k in sorted(how)),
            "women's median over men's: published for %d titles, mean "
            "distance of the model %.4f" % (
                len(known), math.fsum(a for a, _ in off) /
                math.fsum(b for _, b in off)),
            f"association of income and age: people of NIST, weighted "
            f"{sample}"]
