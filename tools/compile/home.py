"""Marital status."""
from .fitting import apportion
from .tables import SCALE, SEXES, age_rows, table

MARITAL_KEYS = ["never_married", "married_spouse_present",
                "married_spouse_absent", "separated", "widowed", "divorced"]
MARITAL_LABELS = ["Never married", "Married", "Married, spouse absent",
                  "Separated", "Widowed", "Divorced"]


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


def add(w, us):
    p, starts = marital(us.folder, us.states)
    w.pool("marital", MARITAL_LABELS)
    w.add("marital.p", "I", p)
    w.add("marital.age", "B", age_rows(starts))
    return []
