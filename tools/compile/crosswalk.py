"""From the titles of ACS occupations to the codes (SOC 2018) of the Bureau
of Labor Statistics. tools/occupations.tsv names codes, or the first digits of
codes, where titles differ; else the title itself is looked up. Several codes
are pooled by their employment in the EP tables."""
import os

from .tables import fail, table

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

YOUNGEST = {"No formal educational credential": 16,
            "High school diploma or equivalent": 18,
            "Postsecondary nondegree award": 18,
            "Some college, no degree": 18, "Associate's degree": 20,
            "Bachelor's degree": 21, "Master's degree": 24,
            "Doctoral or professional degree": 26}
EXPERIENCE = {"5 years or more": 5, "Less than 5 years": 2}


def tenths(text):
    return int(round(float(text) * 10))


def read_titles():
    """{title: (roles, codes)}; codes is "-" where the title is enough."""
    with open(os.path.join(HERE, "occupations.tsv"), encoding="utf-8") as f:
        return {t: (r, s) for t, r, s in
                (line.rstrip("\n").split("\t") for line in list(f)[1:])}


def read_ep(folder):
    """Detailed EP occupations with education: code, title, employment in
    hundreds, entry education, experience, seven shares in 1/1000."""
    edu = {r[0]: [tenths(v) for v in r[2:9]]
           for r in table(folder, "us/occupation_soc_education.tsv")}
    return [(r[0], r[1], max(1, tenths(r[3])), r[7], r[8], edu[r[0]])
            for r in table(folder, "us/occupation_soc_ep2022.tsv")
            if r[2] == "detail" and r[0] in edu]


def match(folder, titles):
    """The EP occupations of each title, and how each was found."""
    ep, known, out, how = read_ep(folder), read_titles(), [], []
    for t in titles:
        codes = known[t][1]
        if codes == "-":
            pick = [e for e in ep if e[1].lower() == t.lower()]
            how.append("same title")
        else:
            pick = [e for e in ep if e[0].startswith(tuple(codes.split(",")))]
            how.append("one code" if len(pick) == 1 else "several codes")
        if not pick:
            fail(f"tools/occupations.tsv: no EP occupation for {t}: {codes}")
        out.append(pick)
    return out, how


def coverage(how, employed):
    """One line: titles and share of employment by kind of match."""
    every, parts = sum(employed), []
    for kind in ("same title", "one code", "several codes"):
        n = [e for h, e in zip(how, employed) if h == kind]
        parts.append("%s %d (%.1f %%)" % (kind, len(n),
                                          100 * sum(n) / every))
    return "crosswalk of titles, with share of employment: " + ", ".join(parts)


def education(pick):
    """The seven shares of a title, weighted by EP employment."""
    n = sum(e[2] for e in pick)
    return [sum(e[2] * e[5][k] for e in pick) / n for k in range(7)]


def entry(pick):
    """Entry education of the largest of the codes, and the youngest age that
    follows from it and the experience asked for (our assumption)."""
    top = max(pick, key=lambda e: (e[2], e[0]))
    return top[3], YOUNGEST[top[3]] + EXPERIENCE.get(top[4], 0)


def levels(share, need):
    """Shares of the six levels of people at work, without those that the
    entry education rules out: who needs a doctoral or master's degree has a
    graduate degree where three quarters of the occupation have one, else at
    least a bachelor's; who needs a bachelor's has finished high school."""
    lt_hs, hs, some, assoc, bach, master, doctor = share
    row = [lt_hs, hs, some, assoc, bach, master + doctor]
    if need in ("Doctoral or professional degree", "Master's degree"):
        first = 5 if row[5] >= 750 else 4
        row = [0.0] * first + row[first:]
    elif need == "Bachelor's degree":
        row[0] = 0.0
    n = sum(row)
    return [v / n for v in row]
