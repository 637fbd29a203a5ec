"""The highest level of education, or the school attended."""
from .fitting import apportion, fit
from .tables import SCALE, SEXES, age_rows, table

EDU_CHILD = ["Not yet in school", "Preschool", "Elementary school (in progress)",
             "Middle school (in progress)", "High school (in progress)"]
EDU_KEYS = ["less_than_9th_grade", "9th_to_12th_no_diploma", "high_school",
            "some_college_no_degree", "associate", "bachelor",
            "graduate_or_professional"]
EDU_LABELS = EDU_CHILD + [
    "Less than 9th grade", "9th to 12th grade, no diploma",
    "High school graduate", "Some college, no degree", "Associate's degree",
    "Bachelor's degree", "Graduate or professional degree"]

# Youngest age of a level: years of schooling + 5 (+ 1 where school starts
# at six and the level is usually left a year later).
EDU_MIN_AGE = [14, 16, 17, 18, 20, 21, 23]


def education(folder, states, single):
    """P(level | state, sex, age row); rows are ages 0..24, then 25-34,
    35-44, 45-64, 65+."""
    n = {}
    for s, x, lo, hi, e, v in table(folder, "us/education_state_sex_age.tsv"):
        n[s, x, int(lo), e] = int(v)
    enrol = {}
    for s, x, lo, hi, e, v in table(
            folder, "us/school_enrollment_state_sex_age.tsv"):
        enrol[s, x, int(lo), e] = int(v)
    out = []
    for s in states:
        for x in SEXES:
            for a in range(18):
                out += child_education(enrol, s, x, a)
            ages = single[s, x][18:25]
            cols = [n[s, x, 18, e] for e in EDU_KEYS]
            cell = fit(ages, cols,
                       lambda r, c: 18 + r >= EDU_MIN_AGE[c])
            for row in cell:
                out += [0] * 5 + apportion(SCALE, row)
            for lo in (25, 35, 45, 65):
                out += [0] * 5 + apportion(
                    SCALE, [n[s, x, lo, e] for e in EDU_KEYS])
    return out


def child_education(enrol, s, x, age):
    row = [0] * 12
    def share(lo):
        gone = enrol[s, x, lo, "not_enrolled"]
        every = gone + enrol[s, x, lo, "public_school"] + \
            enrol[s, x, lo, "private_school"]
        return gone, every
    if age < 3:
        row[0] = SCALE
    elif age < 5:
        gone, every = share(3)
        row[0] = SCALE * gone // every
        row[1] = SCALE - row[0]
    elif age == 5:
        gone, every = share(5)
        row[0] = min(SCALE // 2, SCALE * 5 * gone // every)
        row[2] = SCALE - row[0]
    elif age < 11:
        row[2] = SCALE
    elif age < 14:
        row[3] = SCALE
    elif age < 16:
        row[4] = SCALE
    else:
        gone, every = share(15)
        row[6] = SCALE * gone // every
        row[4] = SCALE - row[6]
    return row


def add(w, us):
    w.pool("education", EDU_LABELS)
    w.add("edu.p", "I", education(us.folder, us.states, us.single))
    w.add("edu.age", "B", age_rows(list(range(25)) + [25, 35, 45, 65]))
    return []
