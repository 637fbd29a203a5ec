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


class Population:
    """What a step leaves for the later ones: the folder of the tables and
    what steps found in it. Each step, add(w, us), writes its sections and
    returns the lines that the tool prints about them."""

    def __init__(self, folder):
        self.folder = folder
        self.states = []    # USPS codes, in the order of the model
        self.single = {}    # (state, sex) -> weight of each single age
        self.joint = []     # people: state, sex, age group, race, age
