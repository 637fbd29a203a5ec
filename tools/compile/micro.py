"""The weighted persons of the NIST excerpt: ten areas of the ACS 2019, no
national sample. They lend associations, never margins."""
from .tables import table

COLUMNS = ["puma", "agep", "sex", "msp", "hisp", "rac1p", "noc", "npf",
           "housing_type", "own_rent", "edu", "pincp", "povpip", "pwgtp"]
AT = {"puma": 0, "agep": 1, "sex": 2, "msp": 3, "hisp": 4, "rac1p": 5,
      "noc": 6, "npf": 7, "housing_type": 8, "own_rent": 9, "edu": 13,
      "pincp": 14, "povpip": 16, "pwgtp": 22}
# Marital statuses of the model by code; N is under 15.
STATUS = {"6": 0, "1": 1, "2": 2, "5": 3, "3": 4, "4": 5}


class Person:
    """One record; kids and family are None where the record has N."""

    def __init__(self, row):
        get = {k: row[AT[k]] for k in COLUMNS}
        self.area = get["puma"]
        self.age = int(get["agep"])
        self.sex = int(get["sex"]) - 1
        self.marital = STATUS.get(get["msp"], 0)
        self.race = int(get["rac1p"])
        self.hispanic = get["hisp"] != "0"
        self.kids = number(get["noc"])
        self.family = number(get["npf"])
        self.education = number(get["edu"])
        self.income = number(get["pincp"])
        self.poverty = number(get["povpip"])
        self.weight = int(get["pwgtp"])


def number(text):
    return None if text == "N" else int(float(text))


def households(folder):
    """The people in households (group quarters are left out)."""
    rows = table(folder, "us/persons_acs2019_nist.tsv")
    return [Person(r) for r in rows if r[AT["housing_type"]] == "1"]
