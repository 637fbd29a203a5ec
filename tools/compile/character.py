"""OCEAN: T scores by sex and age from the norms of the IPIP-NEO-120.

A person's T is 50 + 10 (mean + sd z - M) / S with the mean and sd of the
person's sex and age group, z standard normal, and M and S the mean and sd
of the whole population under these norms, so that all people together have
mean 50 and sd 10. The scales are independent given sex and age: the norms
give no correlations."""
from math import fsum

from .tables import age_rows, fail, table

SCALES = ["openness", "conscientiousness", "extraversion", "agreeableness",
          "neuroticism"]
STARTS = [0, 21, 41, 61]
QUANTILES = 4096    # z at (k + 1/2) / QUANTILES
Z_ONE = 4096        # z = 1 in the table
T_ONE = 1 << 16     # one T point in the factors
INV_SQRT_2PI = 0.3989422804014327


def normal_cdf(z):
    """1/2 + phi(0) (z - z^3 / (2 3) + z^5 / (2^2 2! 5) - ...): the Taylor
    series of the error function, in + - * / only; good to 1e-11 for
    |z| <= 4."""
    term, total, k = z, z, 0
    while abs(term) > 1e-14:
        k += 1
        term *= -z * z / (2 * k)
        total += term / (2 * k + 1)
    return 0.5 + INV_SQRT_2PI * total


def quantile(p):
    """The z with normal_cdf(z) = p, by halving."""
    low, high = -4.0, 4.0
    for _ in range(40):
        mid = (low + high) / 2
        if normal_cdf(mid) < p:
            low = mid
        else:
            high = mid
    return (low + high) / 2


def quantiles():
    half = [int(-quantile((k + 0.5) / QUANTILES) * Z_ONE + 0.5)
            for k in range(QUANTILES // 2)]
    return [-z for z in half] + half[::-1]


def square_root(v):
    """Newton's, in + and / only."""
    x = v if v > 1 else 1.0
    for _ in range(60):
        x = (x + v / x) / 2
    return x


def norms(us):
    """{(scale, sex, age row): (mean, sd)}."""
    out = {}
    for x, lo, _, level, _, scale, _, _, mean, sd in table(
            us.folder, "bigfive_norms_ipip_neo_120.tsv"):
        if level == "domain":
            out[scale, 0 if x == "male" else 1, int(lo)] = \
                (float(mean), float(sd))
    for s in SCALES:
        for x in range(2):
            for lo in STARTS:
                if (s, x, lo) not in out:
                    fail(f"no norm for {s} {x} from {lo}")
    return out


def factors(us):
    """[scale][sex][age row] {base, step}: T = base + step z, in T_ONE."""
    table_of, rows = norms(us), age_rows(STARTS)
    people = [[0] * len(STARTS) for _ in range(2)]
    for si in range(len(us.states)):
        for x in range(2):
            for _, _, _, a, n in us.cells(si, x):
                people[x][rows[a]] += n
    every = fsum(map(fsum, people))
    out = []
    for s in SCALES:
        cells = [(people[x][k], *table_of[s, x, lo])
                 for x in range(2) for k, lo in enumerate(STARTS)]
        mean = fsum(n * m for n, m, _ in cells) / every
        var = fsum(n * (sd * sd + (m - mean) * (m - mean))
                  for n, m, sd in cells) / every
        step = 10 / square_root(var) * T_ONE
        for _, m, sd in cells:
            out += [int(50 * T_ONE + (m - mean) * step + 0.5),
                    int(sd * step + 0.5)]
    return out


def add(w, us):
    w.add("ocean.z", "h", quantiles())
    w.add("ocean.t", "i", factors(us))
    w.add("ocean.age", "B", age_rows(STARTS))
    return []
