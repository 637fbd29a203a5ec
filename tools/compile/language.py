"""Languages spoken at home, given state, race and Hispanic origin.

C16001 has 13 groups by state, B16001 finer ones for the nation. Where a
group's name lists several languages, they get equal parts of it; what the
tables call "other" is no language, and its speakers get one of the others
of their group. No table ties a language to race or origin: AFFINITY below
is our own statement of it, only relative, and fitted by iterative scaling
to the speakers of each group in each state and of each language in the
nation."""
from math import fsum

from .tables import RACES, age_rows, fail, table

# Heritage classes: the seven races of people who are not Hispanic, then
# Hispanic people of any race.
HERITAGE = RACES + ["hispanic"]
ROUNDS = 60

# Relative chance of a class to speak it:
# white black aian asian nhpi other two hispanic
EUROPE = [60, 6, 2, 2, 2, 10, 12, 3]
LATIN = [1, 1, 1, 0.3, 0.5, 8, 3, 60]
ASIA = [0.3, 0.3, 0.3, 100, 10, 6, 10, 0.2]
PACIFIC = [0.2, 0.2, 0.2, 3, 100, 2, 10, 0.2]
AFRICA = [0.6, 60, 0.2, 0.2, 0.2, 5, 6, 0.3]
WEST_ASIA = [20, 3, 0.5, 3, 0.5, 15, 10, 0.5]
NATIVE = [0.1, 0.1, 400, 0.1, 0.5, 1, 8, 1]
HAITI = [0.2, 60, 0.3, 0.2, 0.2, 5, 6, 0.5]
BRAZIL = [20, 12, 1, 3, 1, 25, 15, 15]
ENGLISH = [50] * 8
# Where speakers live more than their group's in the state tell: also our
# own statement, relative, fitted like the rest.
NEAR = {
    "Navajo": {"AZ": 20, "NM": 20, "UT": 10, "CO": 4, "NV": 2},
    "Hawaiian": {"HI": 30, "CA": 2, "NV": 2, "WA": 2},
    "Samoan": {"HI": 8, "AK": 8, "UT": 6, "WA": 4, "CA": 3},
    "Ilocano": {"HI": 30, "CA": 2, "NV": 2},
    "Hmong": {"MN": 20, "WI": 20, "CA": 4, "NC": 4},
    "Somali": {"MN": 12, "OH": 6, "WA": 4, "ME": 6},
    "Amharic": {"DC": 6, "MD": 4, "VA": 4, "WA": 3, "MN": 2},
    "Pennsylvania Dutch": {"PA": 20, "OH": 15, "IN": 12, "WI": 6},
    "Yiddish": {"NY": 30, "NJ": 6},
    "Haitian Creole": {"FL": 8, "NY": 3, "MA": 4, "NJ": 3, "CT": 2},
    "Portuguese": {"MA": 8, "RI": 8, "NJ": 3, "CT": 4, "FL": 2, "CA": 1},
    "Armenian": {"CA": 6, "MA": 2},
    "Persian": {"CA": 3, "VA": 2},
    "Khmer": {"CA": 2, "MA": 4, "WA": 3},
    "Greek": {"NY": 2, "IL": 2, "MA": 2},
    "Polish": {"IL": 5, "NJ": 2, "NY": 2, "CT": 3, "MI": 2},
}

# language, group of C16001, entry of B16001, affinity
NO_ENGLISH = [
    ("Spanish", "Spanish", "Spanish", LATIN),
    ("French", "French, Haitian, or Cajun", "French (incl. Cajun)",
     [40, 25, 3, 3, 2, 10, 20, 3]),
    ("Haitian Creole", "French, Haitian, or Cajun", "Haitian", HAITI),
    ("German", "German or other West Germanic languages", "German", EUROPE),
    ("Yiddish", "German or other West Germanic languages",
     "Yiddish, Pennsylvania Dutch or other West Germanic languages", EUROPE),
    ("Pennsylvania Dutch", "German or other West Germanic languages",
     "Yiddish, Pennsylvania Dutch or other West Germanic languages", EUROPE),
    ("Russian", "Russian, Polish, or other Slavic languages", "Russian",
     EUROPE),
    ("Polish", "Russian, Polish, or other Slavic languages", "Polish",
     EUROPE),
    ("Serbo-Croatian", "Russian, Polish, or other Slavic languages",
     "Serbo-Croatian", EUROPE),
    ("Ukrainian", "Russian, Polish, or other Slavic languages",
     "Ukrainian or other Slavic languages", EUROPE),
    ("Italian", "Other Indo-European languages", "Italian", EUROPE),
    ("Portuguese", "Other Indo-European languages", "Portuguese", BRAZIL),
    ("Greek", "Other Indo-European languages", "Greek", EUROPE),
    ("Armenian", "Other Indo-European languages", "Armenian", WEST_ASIA),
    ("Persian", "Other Indo-European languages",
     "Persian (incl. Farsi, Dari)", WEST_ASIA),
    ("Gujarati", "Other Indo-European languages", "Gujarati", ASIA),
    ("Hindi", "Other Indo-European languages", "Hindi", ASIA),
    ("Urdu", "Other Indo-European languages", "Urdu", ASIA),
    ("Punjabi", "Other Indo-European languages", "Punjabi", ASIA),
    ("Bengali", "Other Indo-European languages", "Bengali", ASIA),
    ("Nepali", "Other Indo-European languages",
     "Nepali, Marathi, or other Indic languages", ASIA),
    ("Marathi", "Other Indo-European languages",
     "Nepali, Marathi, or other Indic languages", ASIA),
    ("Korean", "Korean", "Korean", ASIA),
    ("Chinese", "Chinese (incl. Mandarin, Cantonese)",
     "Chinese (incl. Mandarin, Cantonese)", ASIA),
    ("Vietnamese", "Vietnamese", "Vietnamese", ASIA),
    ("Tagalog", "Tagalog (incl. Filipino)", "Tagalog (incl. Filipino)", ASIA),
    ("Japanese", "Other Asian and Pacific Island languages", "Japanese",
     ASIA),
    ("Hmong", "Other Asian and Pacific Island languages", "Hmong", ASIA),
    ("Khmer", "Other Asian and Pacific Island languages", "Khmer", ASIA),
    ("Thai", "Other Asian and Pacific Island languages",
     "Thai, Lao, or other Tai-Kadai languages", ASIA),
    ("Lao", "Other Asian and Pacific Island languages",
     "Thai, Lao, or other Tai-Kadai languages", ASIA),
    ("Telugu", "Other Asian and Pacific Island languages", "Telugu", ASIA),
    ("Tamil", "Other Asian and Pacific Island languages", "Tamil", ASIA),
    ("Malayalam", "Other Asian and Pacific Island languages",
     "Malayalam, Kannada, or other Dravidian languages", ASIA),
    ("Kannada", "Other Asian and Pacific Island languages",
     "Malayalam, Kannada, or other Dravidian languages", ASIA),
    ("Ilocano", "Other Asian and Pacific Island languages",
     "Ilocano, Samoan, Hawaiian, or other Austronesian languages", ASIA),
    ("Samoan", "Other Asian and Pacific Island languages",
     "Ilocano, Samoan, Hawaiian, or other Austronesian languages", PACIFIC),
    ("Hawaiian", "Other Asian and Pacific Island languages",
     "Ilocano, Samoan, Hawaiian, or other Austronesian languages", PACIFIC),
    ("Arabic", "Arabic", "Arabic", WEST_ASIA),
    ("Hebrew", "Other and unspecified languages", "Hebrew", EUROPE),
    ("Amharic", "Other and unspecified languages",
     "Amharic, Somali, or other Afro-Asiatic languages", AFRICA),
    ("Somali", "Other and unspecified languages",
     "Amharic, Somali, or other Afro-Asiatic languages", AFRICA),
    ("Yoruba", "Other and unspecified languages",
     "Yoruba, Twi, Igbo, or other languages of Western Africa", AFRICA),
    ("Twi", "Other and unspecified languages",
     "Yoruba, Twi, Igbo, or other languages of Western Africa", AFRICA),
    ("Igbo", "Other and unspecified languages",
     "Yoruba, Twi, Igbo, or other languages of Western Africa", AFRICA),
    ("Swahili", "Other and unspecified languages",
     "Swahili or other languages of Central, Eastern, and Southern Africa",
     AFRICA),
    ("Navajo", "Other and unspecified languages", "Navajo", NATIVE),
]
GROUPS = ["Speak only English"]
for _l in NO_ENGLISH:
    if _l[1] not in GROUPS:
        GROUPS.append(_l[1])
LANGUAGES = ["English"] + [l[0] for l in NO_ENGLISH]
GROUP_OF = [0] + [GROUPS.index(l[1]) for l in NO_ENGLISH]
AFFINITY = [ENGLISH] + [l[3] for l in NO_ENGLISH]


def read(us):
    """Speakers of the groups {(state or US, group): (well, less)}."""
    out = {}
    for s, g, how, n in table(us.folder, "us/language_state.tsv"):
        if g not in GROUPS:
            fail(f"us/language_state.tsv: unknown group {g}")
        both = out.setdefault((s, GROUPS.index(g)), [0, 0])
        both[1 if how == "less_than_very_well" else 0] += int(n)
    gone = [s for s in us.states if (s, 0) not in out]
    if len(gone) > 1:
        fail(f"us/language_state.tsv lacks {gone}")
    for s in gone:      # Wyoming: the nation without the other states
        for g in range(len(GROUPS)):
            out[s, g] = [out["US", g][i] - sum(
                out[o, g][i] for o in us.states if o != s) for i in (0, 1)]
    return out


def nation(us, groups):
    """Speakers of each language: entries of B16001, divided among the
    languages that they name, raised so that each group is whole."""
    n = {}
    for l, _, v in table(us.folder, "us/language_us.tsv"):
        n[l] = n.get(l, 0) + int(v)
    names = [l[2] for l in NO_ENGLISH]
    out = [float(fsum(groups["US", 0]))]
    out += [n[e] / names.count(e) for e in names]
    left = fsum(n.values()) - n["Speak only English"] - fsum(out[1:])
    for g in range(1, len(GROUPS)):
        mine = [k for k, of in enumerate(GROUP_OF) if of == g]
        raise_by = fsum(groups["US", g]) / fsum(out[k] for k in mine)
        for k in mine:
            out[k] *= raise_by
    return out, left


def heritage(us):
    """People from 5 on by state and heritage class."""
    rows, out = age_rows(us.hispanic_starts), []
    for si in range(len(us.states)):
        n = [0.0] * len(HERITAGE)
        for x in range(2):
            for _, _, r, a, people in us.cells(si, x):
                if a < 5:
                    continue
                h = us.hispanic_share(si, x, rows[a], r)
                n[r] += people * (1 - h)
                n[7] += people * h
        out.append(n)
    return out


def fit(us, groups, langs):
    """cell[state][class][language]: people, with the classes' sizes and the
    groups' speakers by state exact in turn, the nation's languages near."""
    people, k_all = heritage(us), range(len(LANGUAGES))
    target = []
    for si, s in enumerate(us.states):
        total = fsum(fsum(groups[s, g]) for g in range(len(GROUPS)))
        target.append([fsum(groups[s, g]) * fsum(people[si]) / total
                       for g in range(len(GROUPS))])
    cell = [[[p * AFFINITY[k][h] * langs[k] *
              NEAR.get(LANGUAGES[k], {}).get(us.states[si], 1) for k in k_all]
             for h, p in enumerate(row)] for si, row in enumerate(people)]
    for turn in range(ROUNDS):
        if turn < ROUNDS - 20:
            for k in k_all:
                got = fsum(row[k] for st in cell for row in st)
                for st in cell:
                    for row in st:
                        row[k] *= langs[k] / got
        for si, st in enumerate(cell):
            got = [0.0] * len(GROUPS)
            for row in st:
                for k in k_all:
                    got[GROUP_OF[k]] += row[k]
            by = [t / g if g else 0 for t, g in zip(target[si], got)]
            for h, row in enumerate(st):
                for k in k_all:
                    row[k] *= by[GROUP_OF[k]]
                scale = people[si][h] / fsum(row) if people[si][h] else 0
                for k in k_all:
                    row[k] *= scale
    return cell, target


def ends(row, one=65535):
    """Prefix sums of a row of weights, in integers up to one."""
    total, run, out = fsum(row), 0.0, []
    for v in row:
        run += v
        out.append(min(one, int(run * one / total + 0.5)) if total else one)
    out[-1] = one
    return out


def miss(cell, target):
    off = 0.0
    for st, want in zip(cell, target):
        got = [0.0] * len(GROUPS)
        for row in st:
            for k, v in enumerate(row):
                got[GROUP_OF[k]] += v
        off = max(off, fsum(abs(a - b) for a, b in zip(got, want)) / fsum(want))
    return off


def add(w, us):
    groups = read(us)
    langs, left = nation(us, groups)
    cell, target = fit(us, groups, langs)
    w.pool("language", LANGUAGES)
    w.add("lang.group", "B", GROUP_OF)
    # A class with nobody in a state still needs a row: English.
    w.add("lang.p", "H", [v for st in cell for row in st
                          for v in ends(row if fsum(row) else
                                        [1.0] + [0.0] * (len(row) - 1))])
    well = []
    for s in us.states:
        for g in range(len(GROUPS)):
            a, b = groups.get((s, g), (0, 0))
            if not a + b:
                a, b = groups["US", g]
            well.append(a * 65535 // (a + b))
    w.add("lang.well", "H", well)
    return ["languages %d; speakers of languages that the tables do not name "
            "and that got another of their group: %d; worst miss of a state's "
            "groups: %.6f" % (len(LANGUAGES), left, miss(cell, target))]
