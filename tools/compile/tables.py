"""What every table shares: reading it, its keys, its age groups."""
import os
import sys

YEAR = 2018                 # the year the tables describe
SCALE = 1 << 24             # conditional rows sum to this
AGES = 100                  # 0..99; 99 stands for 99 and over
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


def age_rows(starts):
    return [max(k for k, lo in enumerate(starts) if lo <= a)
            for a in range(AGES)]


def edu_row(age):
    """The row of an age in the tables of education."""
    return age if age < 25 else 25 + (age >= 35) + (age >= 45) + (age >= 65)


def joint_slots():
    """Place of (race, age) in the joint of one state and sex."""
    out, n = {}, 0
    for lo, hi in AGE_GROUPS:
        for r in range(len(RACES)):
            for a in range(lo, hi + 1):
                out[r, a] = n
                n += 1
    return out


class Population:
    """What a step leaves for the later ones: the folder of the tables and
    what steps found in it. Each step, add(w, us), writes its sections and
    returns the lines that the tool prints about them."""

    def __init__(self, folder):
        self.folder = folder
        self.states = []    # USPS codes, in the order of the model
        self.single = {}    # (state, sex) -> weight of each single age
        self.joint = []     # people: state, sex, age group, race, age
        self.hispanic_share = None  # (state, sex, age row, race) -> 0..1
        self.hispanic_starts = []   # where these age rows start
        # schooling; LEVEL_ROW ages to rows of edu_base and edu_factor
        self.edu_base = []      # P(level | state, sex, row), to SCALE
        self.edu_factor = []    # the same, before the tilt by race
        self.edu_tilt = []      # of (state, sex, race, four levels)
        self.nation_tilt = [None, None]
        self._slot = joint_slots()
        self._levels = {}

    def people(self, s, x, race, age):
        """People of one state, sex, race and single age."""
        return self.joint[(s * 2 + x) * len(RACES) * AGES +
                          self._slot[race, age]]

    def edu_at(self, s, x, row):
        """Where the twelve levels of an age row start."""
        return ((s * 2 + x) * 29 + row) * 12

    def education_share(self, s, x, age, race):
        """P(level | state, sex, race, age): twelve floats; the sampler makes
        the same from the same integers."""
        row = edu_row(age)
        key = s, x, race, row
        if key not in self._levels:
            at, t = self.edu_at(s, x, row), ((s * 2 + x) * 7 + race) * 4
            w = self.edu_factor[at:at + 12]
            if age >= 18:
                w = [f * self.edu_tilt[t + k] for f, k in
                     zip(w, (0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 3))]
            every = sum(w)
            self._levels[key] = [v / every for v in w]
        return self._levels[key]

    def cells(self, state, sex):
        """(low, high, race, age, people) of one state and sex, in the order
        of the model; low and high bound the age group."""
        at = (state * len(SEXES) + sex) * len(RACES) * AGES
        for low, high in AGE_GROUPS:
            for race in range(len(RACES)):
                for age in range(low, high + 1):
                    yield low, high, race, age, self.joint[at]
                    at += 1
