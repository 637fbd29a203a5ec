"""What must be true of every row, from its fields alone and, with the source
tables, from those: a list of checks, each a generator of broken rules."""
import re

from . import reader

TEXTS_ALL = ["persona", "cultural_background"]
TEXTS_6 = ["sports_persona", "arts_persona", "travel_persona",
           "culinary_persona", "hobbies_and_interests"]
TEXTS_16 = ["professional_persona", "skills_and_expertise",
            "career_goals_and_ambitions"]
TEXTS = TEXTS_ALL + TEXTS_6 + TEXTS_16
LIST_6, LIST_16 = "hobbies_and_interests_list", "skills_and_expertise_list"
OCEAN = ["ocean_openness", "ocean_conscientiousness", "ocean_extraversion",
         "ocean_agreeableness", "ocean_neuroticism"]
WITH_TEXTS = ["professional_persona", "sports_persona", "arts_persona",
              "travel_persona", "culinary_persona", "persona",
              "cultural_background", "skills_and_expertise", LIST_16,
              "hobbies_and_interests", LIST_6, "career_goals_and_ambitions"]
ATTRIBUTES = ["sex", "age", "marital_status", "education_level",
              "bachelors_field", "occupation", "city", "state", "zipcode",
              "country", "first_name", "last_name", "race_ethnicity",
              "hispanic", "employment_status", "income_usd", "household",
              "languages"] + OCEAN + ["provenance"]
COLUMNS = (["uuid"] + WITH_TEXTS + ATTRIBUTES, ["uuid"] + ATTRIBUTES)

# age >= years of schooling + 5
YOUNGEST_LEVEL = {
    "Not yet in school": 0, "Preschool": 3,
    "Elementary school (in progress)": 5, "Middle school (in progress)": 11,
    "High school (in progress)": 14, "Less than 9th grade": 14,
    "9th to 12th grade, no diploma": 14, "High school graduate": 17,
    "Some college, no degree": 18, "Associate's degree": 20,
    "Bachelor's degree": 21, "Graduate or professional degree": 23}
MARITAL = {"Never married", "Married", "Married, spouse absent", "Separated",
           "Widowed", "Divorced"}
WORK = {"Under 16", "Employed", "Unemployed", "Armed forces", "Student",
        "Retired", "Not in labor force"}
RACES = {"White", "Black or African American",
         "American Indian or Alaska Native", "Asian",
         "Native Hawaiian or Other Pacific Islander", "Some other race",
         "Two or more races"}
HOMES = {"Lives alone", "With spouse", "With unmarried partner",
         "Child of householder", "With other relatives", "With nonrelatives",
         "Child under 18"}
UNDER_HIGH = {k for k, v in YOUNGEST_LEVEL.items() if v < 17}
GRADUATE = {"Graduate or professional degree"}
BACHELOR = {"Bachelor's degree"} | GRADUATE
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                  r"[0-9a-f]{12}\Z")
FAULT = re.compile(r"  | [,.;:!?]|[{}<>|\[\]]|\.\.|,,|\bnull\b|\bNone\b(?! of)"
                   r"|\b(?!had\b|that\b)([a-z]+) \1\b")


def columns(r):
    if list(r) not in COLUMNS:
        yield "columns and their order"
    if r.get("zipcode") is not None:
        yield "zipcode is null"
    if not UUID.match(r["uuid"]):
        yield "uuid of version 8"


def labels(r):
    for key, known in (("education_level", YOUNGEST_LEVEL),
                       ("marital_status", MARITAL),
                       ("employment_status", WORK),
                       ("sex", ("Male", "Female")),
                       ("hispanic", ("No", "Yes"))):
        if r.get(key) not in known:
            yield "known values of " + key


def schooling(r):
    if not 0 <= r["age"] <= 99:
        yield "age from 0 to 99"
    if r["age"] < YOUNGEST_LEVEL.get(r["education_level"], 1000):
        yield "age >= years of schooling + 5"
    field = r.get("bachelors_field")
    if (field is not None) != (r["education_level"] in BACHELOR):
        yield "bachelors_field exactly with a bachelor's degree"


def work(r):
    age, status = r["age"], r["employment_status"]
    works = status in ("Employed", "Armed forces")
    if (status == "Under 16") != (age < 16):
        yield "employment status under 16"
    if (r["occupation"] is not None) != works:
        yield "occupation exactly of who works"
    if status == "Retired" and age < 50:
        yield "retired from 50 on"
    if status == "Armed forces" and age < 18:
        yield "armed forces from 18 on"
    income = r.get("income_usd")
    if "income_usd" in r and ((income is not None) != works or
                              (works and (income <= 0 or income % 100))):
        yield "income_usd exactly of who works, in hundreds"


def home(r):
    h, age = r.get("household"), r["age"]
    if r["marital_status"] != "Never married" and age < 18:
        yield "married from 18 on"
    if not isinstance(h, dict):
        yield "household is an object"
        return
    kind, kids, size = h["type"], h["children"], h["size"]
    spouse = kind == "With spouse"
    if kind not in HOMES or h["tenure"] not in ("Owner", "Renter"):
        yield "known values of household"
    if (kind == "Child under 18") != (age < 18):
        yield "children of the household are those under 18"
    if spouse != (r["marital_status"] == "Married"):
        yield "lives with a spouse exactly if married, spouse present"
    if (size == 1) != (kind == "Lives alone"):
        yield "a household of one exactly if alone"
    if size < 1 + len(kids) + (spouse or kind == "With unmarried partner"):
        yield "household size counts partner and children"
    oldest = 50 if r["sex"] == "Female" else 65
    if kids and (kids != sorted(kids, reverse=True) or kids[0] > 17 or
                 kids[-1] < 0 or age - kids[0] < 15 or
                 age - kids[-1] > oldest):
        yield "children's ages against the parent's"
    low, high = h["income_usd"]
    if high is not None and (high <= low or
                             (r.get("income_usd") or 0) > high):
        yield "household income at least the own income"


def person(r):
    spoken = r.get("languages")
    if not spoken or len(set(spoken)) != len(spoken) or len(spoken) > 3:
        yield "one to three different languages"
    for key in OCEAN:
        if not (isinstance(r.get(key), int) and 20 <= r[key] <= 80):
            yield "OCEAN scores from 20 to 80"
            break


def gates(r):
    """Texts exist exactly from their age on."""
    if "persona" not in r:
        return
    for from_age, keys in ((0, TEXTS_ALL), (6, TEXTS_6 + [LIST_6]),
                           (16, TEXTS_16 + [LIST_16])):
        for key in keys:
            if key in r and (r[key] is not None) != (r["age"] >= from_age):
                yield f"{key} exactly from {from_age} on"


def prose(r):
    for key in TEXTS:
        text = r.get(key)
        if text is None:
            continue
        if len(text) < 60:
            yield f"{key} has 60 characters"
        if text[-1] not in ".!?" or not (text[0].isupper() or
                                         text[0].isdigit()):
            yield f"{key} begins with a capital and ends with a stop"
        if FAULT.search(text):
            yield f"{key} has no typing fault"
    for key in (LIST_6, LIST_16):
        items = r.get(key)
        if items is not None and not (3 <= len(items) <= 5 and
                                      len(set(items)) == len(items) and
                                      all(items)):
            yield f"{key} has 3 to 5 different items"


FROM_FIELDS = [columns, labels, schooling, work, home, person, gates, prose]

# Entry education -> youngest age; experience -> years more.
ENTRY_AGE = {"No formal educational credential": 16,
             "High school diploma or equivalent": 18,
             "Some college, no degree": 18,
             "Postsecondary nondegree award": 18, "Associate's degree": 20,
             "Bachelor's degree": 21, "Master's degree": 24,
             "Doctoral or professional degree": 26}
EXPERIENCE = {"Less than 5 years": 2, "5 years or more": 5}


def occupation_needs(tables):
    """{title: (levels allowed, youngest age)} of titles that the Census and
    the BLS spell alike."""
    share = {r[1].lower(): sum(float(v) for v in r[7:9])
             for r in reader.table(tables, "occupation_soc_education.tsv")}
    needs = {}
    for r in reader.table(tables, "occupation_soc_ep2022.tsv"):
        title, entry = r[1].lower(), r[7]
        if r[2] != "detail" or entry not in ENTRY_AGE:
            continue
        allowed = set(YOUNGEST_LEVEL)
        if entry.startswith(("Doctoral", "Master")):
            allowed = GRADUATE if share.get(title, 0) >= 75 else BACHELOR
        elif entry.startswith("Bachelor"):
            allowed = allowed - UNDER_HIGH
        needs[title] = allowed, ENTRY_AGE[entry] + EXPERIENCE.get(r[8], 0)
    return needs


def letters(name):
    return "".join(c for c in name.upper() if c.isalpha())


class FromTables:
    """Checks that need a source table: place, names, occupations."""

    def __init__(self, tables):
        self.places = {(r[1], r[2]) for r in
                       reader.table(tables, "cities.tsv") if r[3] != "PPLX"}
        self.places.add(("Washington", "DC"))  # "Washington, D.C." there
        self.names = {(int(r[0]), r[1], letters(r[2])) for r in
                      reader.table(tables, "given_names_year.tsv")}
        self.surnames = {letters(r[0]) for r in
                         reader.table(tables, "surnames_2010.tsv")}
        self.titles = {r[0] for r in
                       reader.table(tables, "occupation_detail_sex.tsv")}
        self.titles.add("Member of the armed forces")
        self.needs = occupation_needs(tables)
        self.matched = len(self.needs.keys() &
                           {t.lower() for t in self.titles})

    def check(self, r):
        if (r["city"], r["state"]) not in self.places:
            yield "the city lies in the state"
        year = max(1920, 2018 - r["age"])
        name = letters(r["first_name"])
        if (year, r["sex"].lower(), name) not in self.names:
            yield "the given name was given in the year of birth"
        if letters(r["last_name"]) not in self.surnames:
            yield "a surname of the Census list"
        title = r["occupation"]
        if title is None:
            return
        if title not in self.titles:
            yield "an occupation of the Census list"
        allowed, age = self.needs.get(title.lower(), (YOUNGEST_LEVEL, 0))
        if r["education_level"] not in allowed:
            yield "the degree that the occupation needs"
        if r["age"] < age:
            yield "the youngest age of the occupation"
