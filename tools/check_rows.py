#!/usr/bin/env python3
"""Checks persona rows (JSON lines on stdin) without any code of the sampler.

    zstdcat out/us-adults/part-*.jsonl.zst | tools/check_rows.py [TABLES]

Counts broken rules of coherence, repeated ids and texts with faults. With
TABLES (the folder that tools/compile_us.py reads) it also prints the total
variation of sex x age x state from the published table, over the ages that
occur. Ends with 1 if a rule was broken.
"""
import json
import os
import sys

TEXTS = {"professional_persona": 16, "sports_persona": 6, "arts_persona": 6,
         "travel_persona": 6, "culinary_persona": 6, "persona": 0,
         "cultural_background": 0, "skills_and_expertise": 16,
         "hobbies_and_interests": 6, "career_goals_and_ambitions": 16}
LISTS = {"skills_and_expertise_list": 16, "hobbies_and_interests_list": 6}
KEYS = ["uuid", "professional_persona", "sports_persona", "arts_persona",
        "travel_persona", "culinary_persona", "persona",
        "cultural_background", "skills_and_expertise",
        "skills_and_expertise_list", "hobbies_and_interests",
        "hobbies_and_interests_list", "career_goals_and_ambitions",
        "sex", "age",
        "marital_status", "education_level", "occupation", "city", "state",
        "zipcode", "country", "first_name", "last_name", "race_ethnicity",
        "hispanic", "employment_status", "household", "languages",
        "ocean_openness", "ocean_conscientiousness", "ocean_extraversion",
        "ocean_agreeableness", "ocean_neuroticism", "provenance"]
YOUNGEST = {"Not yet in school": 0, "Preschool": 3,
            "Elementary school (in progress)": 5,
            "Middle school (in progress)": 11,
            "High school (in progress)": 14, "Less than 9th grade": 14,
            "9th to 12th grade, no diploma": 14, "High school graduate": 17,
            "Some college, no degree": 18, "Associate's degree": 19,
            "Bachelor's degree": 21, "Graduate or professional degree": 23}
DEGREE = {"Lawyers", "Surgeons", "Dentists", "Pharmacists", "Veterinarians",
          "Other physicians", "Optometrists", "Physical therapists"}


def broken_at_home(r):
    """The same for the household."""
    age, home = r["age"], r["household"]
    kind, size, children = home["type"], home["size"], home["children"]
    if (kind == "With spouse") != (r["marital_status"] == "Married"):
        yield "spouse at home without being married, or the other way round"
    if (kind == "Child under 18") != (age < 18):
        yield "child of the household by age"
    if (kind == "Lives alone") != (size == 1):
        yield "size of who lives alone"
    least = 1 + len(children) + (kind in ("With spouse",
                                          "With unmarried partner"))
    if not least <= size <= 15:
        yield "household smaller than its people, or too large"
    if children != sorted(set(children), reverse=True) or len(children) > 6:
        yield "children out of order"
    if children and kind not in ("With spouse", "With unmarried partner",
                                 "With other relatives"):
        yield "children without a household of their own"
    oldest = 50 if r["sex"] == "Female" else 65
    if any(not 0 <= c < 18 or not 15 <= age - c <= oldest for c in children):
        yield "children's ages against the parent's"
    low, high = home["income_usd"]
    if high is not None and high < (r.get("income_usd") or 0):
        yield "household income below the person's own"
    if low < 0 or home["tenure"] not in ("Owner", "Renter"):
        yield "household income or tenure"


def broken(r):
    """Names of the rules that one row breaks."""
    age, work = r["age"], r["employment_status"]
    keys = [k for k in KEYS if k in r]
    if list(r) != keys or len(keys) not in (len(KEYS), len(KEYS) - 12):
        yield "key order"
    if not 0 <= age <= 99:
        yield "age range"
    if age < YOUNGEST.get(r["education_level"], 1000):
        yield "age below schooling + 5"
    if r["marital_status"] != "Never married" and age < 18:
        yield "married too young"
    if (work == "Under 16") != (age < 16):
        yield "working age"
    if (r["occupation"] is not None) != (work in ("Employed", "Armed forces")):
        yield "occupation without work, or work without occupation"
    if work == "Retired" and age < 50:
        yield "retired too young"
    if r["occupation"] in DEGREE and \
            r["education_level"] != "Graduate or professional degree":
        yield "occupation without its degree"
    yield from broken_at_home(r)
    if not r["languages"] or len(set(r["languages"])) != len(r["languages"]):
        yield "languages"
    for key in KEYS:
        if key.startswith("ocean_") and not 20 <= r[key] <= 80:
            yield "OCEAN score"
    for key, youngest in TEXTS.items() if "persona" in r else ():
        text = r[key]
        if (text is None) != (age < youngest):
            yield "age gate of " + key
        elif text is not None and (text[-1] not in ".!?" or "  " in text or
                                   "{" in text or len(text) < 60):
            yield "fault in " + key
    for key, youngest in LISTS.items() if "persona" in r else ():
        if (r[key] is None) != (age < youngest):
            yield "age gate of " + key
        elif r[key] is not None and not (
                3 <= len(set(r[key])) == len(r[key]) <= 5):
            yield "fault in " + key


def published(folder):
    """{(state, sex, group start): people} and the group starts."""
    out, starts = {}, set()
    with open(os.path.join(folder, "us", "pop_state_sex_age.tsv"),
              encoding="utf-8") as f:
        next(f)
        for line in f:
            state, sex, low, _, n = line.rstrip("\n").split("\t")
            if state not in ("US", "PR"):
                out[state, sex, int(low)] = int(n)
                starts.add(int(low))
    return out, sorted(starts)


def variation(seen, folder):
    table, starts = published(folder)
    group = {}
    for (state, sex, age), n in seen.items():
        low = max(s for s in starts if s <= age)
        key = (state, sex.lower(), low)
        group[key] = group.get(key, 0) + n
    ages = {k[2] for k in group}
    target = {k: n for k, n in table.items() if k[2] in ages}
    people, rows = sum(target.values()), sum(group.values())
    return sum(abs(group.get(k, 0) / rows - n / people)
               for k, n in target.items()) / 2


def main():
    rules, ids, seen, rows = {}, set(), {}, 0
    for line in sys.stdin:
        r = json.loads(line)
        rows += 1
        ids.add(r["uuid"])
        key = (r["state"], r["sex"], r["age"])
        seen[key] = seen.get(key, 0) + 1
        for rule in broken(r):
            rules[rule] = rules.get(rule, 0) + 1
    if len(ids) != rows:
        rules["repeated uuid"] = rows - len(ids)
    print(f"{rows} rows, {len(ids)} ids")
    for rule, n in sorted(rules.items()):
        print(f"  {rule}: {n}")
    if len(sys.argv) > 1 and rows:
        print("sex x age x state: total variation %.6f" %
              variation(seen, sys.argv[1]))
    sys.exit(1 if rules or not rows else 0)


if __name__ == "__main__":
    main()
