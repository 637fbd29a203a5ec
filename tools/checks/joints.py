"""Joints of a corpus against the source tables, counted and compared anew.
For corpora of the whole US population: no conditions, no mix."""
import math

from . import reader

EDUCATION = {"Less than 9th grade": "less_than_9th_grade",
             "9th to 12th grade, no diploma": "9th_to_12th_no_diploma",
             "High school graduate": "high_school",
             "Some college, no degree": "some_college_no_degree",
             "Associate's degree": "associate",
             "Bachelor's degree": "bachelor",
             "Graduate or professional degree": "graduate_or_professional"}
LEVEL = {"Less than 9th grade": 0, "9th to 12th grade, no diploma": 0,
         "High school graduate": 1, "Some college, no degree": 2,
         "Associate's degree": 3, "Bachelor's degree": 4,
         "Graduate or professional degree": 5}
FOUR = ["less_than_high_school", "high_school", "some_college_or_associate",
        "bachelor_or_higher"]
MARITAL = {"Never married": "never_married",
           "Married": "married_spouse_present",
           "Married, spouse absent": "married_spouse_absent",
           "Separated": "separated", "Widowed": "widowed",
           "Divorced": "divorced"}
WORK = {"Employed": "employed", "Unemployed": "unemployed",
        "Armed forces": "armed_forces"}
RACES = ["white", "black", "aian", "asian", "nhpi", "other", "two_or_more"]
HOMES = {"Lives alone": "lives_alone", "With spouse": "with_spouse",
         "With unmarried partner": "with_unmarried_partner",
         "Child of householder": "child_of_householder",
         "With other relatives": "with_other_relatives",
         "With nonrelatives": "with_nonrelatives"}
BANDS = [0.10, 0.15, 0.25, 0.25, 0.15, 0.10]


def race(label):
    key = label.lower()
    for word, name in (("white", "white"), ("black", "black"),
                       ("indian", "aian"), ("pacific", "nhpi"),
                       ("asian", "asian"), ("two or more", "two_or_more")):
        if word in key:
            return name
    return "other"


class Ages:
    """Age groups by their first ages; None below the first."""

    def __init__(self, starts):
        self.of = [max((s for s in starts if s <= a), default=None)
                   for a in range(100)]


class Joint:
    """A table of targets and the counts beside it. cell(row) gives a key of
    the target, or None for who is not covered."""

    def __init__(self, name, target, cell):
        self.name, self.target, self.cell = name, target, cell
        self.seen = {}

    def count(self, r):
        key = self.cell(r)
        if key is not None:
            self.seen[key] = self.seen.get(key, 0) + 1

    def targets(self):
        total = sum(self.target.values())
        return {k: v / total for k, v in self.target.items() if v}

    def compare(self):
        """(n, cells, tv, floor, sd) of what was counted."""
        n, p = sum(self.seen.values()), self.targets()
        tv = floor = var = 0.0
        for k in p.keys() | self.seen.keys():
            want = p.get(k, 0.0)
            tv += abs(self.seen.get(k, 0) / n - want) / 2
            s2 = want * (1 - want) / n
            floor += want * (1 - want) ** n if n * want < 1 else \
                math.sqrt(s2 / (2 * math.pi))
            var += s2 * (1 - 2 / math.pi) / 4
        return n, len(p), tv, floor, math.sqrt(var)


class Within(Joint):
    """Given the rows' own totals of the first part of the key, so that only
    the rest is compared: occupations are as frequent as they were drawn."""

    def targets(self):
        given, group = {}, {}
        for (a, _), v in self.target.items():
            group[a] = group.get(a, 0) + v
        for (a, _), v in self.seen.items():
            given[a] = given.get(a, 0) + v
        n = sum(given.values())
        return {(a, b): v / group[a] * given.get(a, 0) / n
                for (a, b), v in self.target.items() if given.get(a)}


def starts(rows, at):
    return sorted({int(r[at]) for r in rows})


def sums(pairs):
    out = {}
    for key, n in pairs:
        out[key] = out.get(key, 0) + n
    return out


def nation(tables, name):
    return [r for r in reader.table(tables, name) if r[0] == "US"]


def states_only(tables, name):
    return [r for r in reader.table(tables, name)
            if r[0] not in ("US", "PR")]


def people(tables):
    rows = states_only(tables, "pop_state_sex_age.tsv")
    age = Ages(starts(rows, 2)).of
    yield Joint("sex x age x state",
                {(r[0], r[1], int(r[2])): int(r[4]) for r in rows},
                lambda r: (r["state"], r["sex"].lower(), age[r["age"]]))
    rows = states_only(tables, "pop_state_hispanic_race.tsv")
    yield Joint("race x state",
                sums(((r[0], r[2]), int(r[3])) for r in rows),
                lambda r: (r["state"], race(r["race_ethnicity"])))
    yield Joint("hispanic x race", sums(((r[1], r[2]), int(r[3]))
                                        for r in rows),
                lambda r: (r["hispanic"].lower(), race(r["race_ethnicity"])))


def schooling(tables):
    rows = nation(tables, "education_state_sex_age.tsv")
    age = Ages(starts(rows, 2)).of
    yield Joint("education x age x sex (18+)",
                {(r[1], int(r[2]), r[4]): int(r[5]) for r in rows},
                lambda r: r["age"] >= 18 and
                (r["sex"].lower(), age[r["age"]],
                 EDUCATION.get(r["education_level"])) or None)
    rows = [r for r in nation(tables, "education_state_race_sex.tsv")
            if r[1] in RACES]
    yield Joint("education (4) x race x sex (25+)",
                {(r[1], r[2], r[3]): int(r[4]) for r in rows},
                lambda r: r["age"] >= 25 and
                (race(r["race_ethnicity"]), r["sex"].lower(),
                 FOUR[(0, 1, 2, 2, 3, 3)[LEVEL[r["education_level"]]]])
                or None)
    rows = nation(tables, "degree_field_detail_state.tsv")
    names = {"Other": "Other Fields"}  # as it is called in rows
    yield Joint("bachelors_field (25+)",
                {names.get(r[2], r[2]): int(r[3]) for r in rows},
                lambda r: r.get("bachelors_field")
                if r["age"] >= 25 else None)


def homes(tables):
    rows = nation(tables, "marital_state_sex_age.tsv")
    age = Ages(starts(rows, 2)).of
    yield Joint("marital status x age x sex (18+)",
                {(r[1], int(r[2]), r[4]): int(r[5]) for r in rows
                 if int(r[2]) >= 18},
                lambda r: r["age"] >= 18 and
                (r["sex"].lower(), age[r["age"]],
                 MARITAL[r["marital_status"]]) or None)
    rows = nation(tables, "living_arrangement_state_age.tsv")
    home_age = Ages(starts(rows, 1)).of
    yield Joint("living arrangement x age (18+)",
                {(int(r[1]), r[3]): int(r[4]) for r in rows},
                lambda r: r["age"] >= 18 and r.get("household") and
                (home_age[r["age"]], HOMES.get(r["household"]["type"]))
                or None)
    rows = nation(tables, "language_state.tsv")
    yield Joint("English only, Spanish, other (5+)",
                sums((tongue(r[1]), int(r[3])) for r in rows),
                lambda r: spoken(r) if r["age"] >= 5 else None)


def tongue(group):
    return {"Speak only English": "English", "Spanish": "Spanish"}.get(
        group, "other")


def spoken(r):
    for language in r.get("languages") or []:
        if language != "English":
            return tongue(language)
    return "English"


def employment(tables):
    rows = nation(tables, "employment_state_sex_age.tsv")
    age = Ages(starts(rows, 2)).of
    yield Joint("employment x age x sex (16+)",
                {(r[1], int(r[2]), r[4]): int(r[5]) for r in rows},
                lambda r: r["age"] >= 16 and
                (r["sex"].lower(), age[r["age"]],
                 WORK.get(r["employment_status"], "not_in_labor_force"))
                or None)


def at_work(r):
    return r["employment_status"] == "Employed"


def occupations(tables):
    rows = reader.table(tables, "occupation_detail_sex.tsv")
    yield Joint("occupation x sex (civilians at work)",
                {(r[0], sex): int(r[at]) for r in rows
                 for at, sex in ((2, "male"), (3, "female"))},
                lambda r: (r["occupation"], r["sex"].lower())
                if at_work(r) else None)
    titles = {r[0].lower() for r in rows}
    target = {}
    for r in reader.table(tables, "occupation_soc_education.tsv"):
        if r[1].lower() in titles:
            v = [float(x) for x in r[2:9]]
            for level, share in enumerate(v[:5] + [v[5] + v[6]]):
                target[r[1].lower(), level] = share
    known = {a for a, _ in target}
    yield Within("education | occupation (25+, titles alike, as published)",
                 target,
                 lambda r: (r["occupation"].lower(),
                            LEVEL[r["education_level"]])
                 if at_work(r) and r["age"] >= 25 and
                 r["occupation"].lower() in known else None)
    yield from incomes(tables, titles)


def incomes(tables, titles):
    """The six bands between OEWS percentiles, titles alike."""
    cuts = {}
    for r in reader.table(tables, "occupation_wages_oews2021.tsv"):
        values = [int(v) for v in r[5:10]]
        if r[2] == "detailed" and r[1].lower() in titles and \
                min(values) > 0:
            cuts[r[1].lower()] = values
    target = {(t, band): share for t in cuts
              for band, share in enumerate(BANDS)}

    def cell(r):
        title = (r["occupation"] or "").lower()
        if not at_work(r) or title not in cuts or not r.get("income_usd"):
            return None
        return title, sum(r["income_usd"] > c for c in cuts[title])
    yield Within("income band | occupation (titles alike)", target, cell)


def all_joints(tables):
    out = []
    for part in (people, schooling, homes, employment, occupations):
        out.extend(part(tables))
    return out
