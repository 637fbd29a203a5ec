"""Who lives where: state x sex x age x race, and Hispanic origin."""
from .fitting import apportion
from .tables import (AGE_GROUPS, RACE_AGE_STARTS, RACE_LABELS, RACES, SEXES,
                     age_rows, fail, table)


def read_states(folder):
    rows = [r for r in table(folder, "us/states.tsv")
            if r[1] not in ("US", "PR")]
    if len(rows) != 51:
        fail(f"us/states.tsv: {len(rows)} states, expected 50 and DC")
    rows.sort(key=lambda r: r[1])
    return [r[1] for r in rows], [r[2] for r in rows]


def single_age_weights(folder, states):
    """Weight of each single age, by state and sex. PEP 2019 up to 84 (both
    sexes together), 85..99 from the UN's five-year groups by sex."""
    pep = {}
    for s, lo, hi, n in table(folder, "us/pop2019_state_single_age.tsv"):
        pep[s, int(lo)] = int(n)
    un = {}
    for iso2, _, sex, lo, _, n in table(
            folder, "world/pop2020_country_sex_age.tsv"):
        if iso2 == "US" and int(lo) >= 85:
            un[sex, min(int(lo), 95)] = un.get((sex, min(int(lo), 95)), 0) + int(n)
    # Inside a five-year group of the old: falling steps (an assumption).
    steps = {85: [28, 24, 20, 16, 12], 90: [32, 25, 19, 14, 10],
             95: [40, 26, 17, 10, 7]}
    out = {}
    for s in states:
        for x in SEXES:
            w = [pep[s, a] for a in range(85)]
            for lo in (85, 90, 95):
                w += [un[x, lo] * k for k in steps[lo]]
            out[s, x] = w
    return out


def read_joint(folder, states):
    """People by (state, sex, age group, race, single age), in that order."""
    age = {}
    for s, x, lo, hi, n in table(folder, "us/pop_state_sex_age.tsv"):
        age[s, x, int(lo)] = int(n)
    race = {}
    for s, r, x, lo, hi, n in table(folder, "us/pop_state_race_sex_age.tsv"):
        race[s, x, int(lo), r] = int(n)
    state_race = {}
    hisp_race = {}
    for s, h, r, n in table(folder, "us/pop_state_hispanic_race.tsv"):
        state_race[s, r] = state_race.get((s, r), 0) + int(n)
        hisp_race[s, h, r] = int(n)
    single = single_age_weights(folder, states)

    filled = 0
    joint = []
    for s in states:
        for x in SEXES:
            shares = {}
            for k, lo in enumerate(RACE_AGE_STARTS):
                hi = RACE_AGE_STARTS[k + 1] if k + 1 < 14 else 999
                total = sum(age[s, x, g[0]] for g in AGE_GROUPS
                            if lo <= g[0] < hi)
                here = [race.get((s, x, lo, r)) for r in RACES]
                gone = [i for i, v in enumerate(here) if v is None]
                rest = total - sum(v for v in here if v is not None)
                if rest < 0 or (rest and not gone):
                    fail(f"{s} {x} {lo}: races sum to {total - rest}, "
                         f"the age group has {total}")
                for i, v in zip(gone, apportion(
                        rest, [state_race[s, RACES[i]] for i in gone])):
                    here[i] = v
                    filled += v
                shares[lo] = here
            for g in AGE_GROUPS:
                lo = max(a for a in RACE_AGE_STARTS if a <= g[0])
                by_race = apportion(age[s, x, g[0]], shares[lo])
                ages = single[s, x][g[0]:g[1] + 1]
                for n in by_race:
                    joint += apportion(n, ages)
    hisp = []
    for s in states:
        for x in SEXES:
            for k, lo in enumerate(RACE_AGE_STARTS):
                total = sum(race.get((s, x, lo, r), 0) for r in RACES)
                h = race.get((s, x, lo, "hispanic"), 0)
                sh = sum(hisp_race[s, "yes", r] for r in RACES)
                st = sum(state_race[s, r] for r in RACES)
                for r in RACES:
                    num = hisp_race[s, "yes", r] * h * st
                    den = state_race[s, r] * total * sh
                    hisp.append(min(64000, num * 65536 // den) if den else 0)
    return joint, hisp, filled


def add(w, us):
    us.states, names = read_states(us.folder)
    us.single = single_age_weights(us.folder, us.states)
    us.joint, hisp, filled = read_joint(us.folder, us.states)
    us.hispanic_starts = RACE_AGE_STARTS

    def share(state, sex, row, race):
        at = (state * len(SEXES) + sex) * len(RACE_AGE_STARTS) + row
        return hisp[at * len(RACES) + race] / 65536

    us.hispanic_share = share
    w.pool("state.code", us.states)
    w.pool("state.name", names)
    w.pool("race", RACE_LABELS)
    w.add("age.groups", "B", [v for g in AGE_GROUPS for v in g])
    w.add("joint", "I", us.joint)
    w.add("hispanic", "H", hisp)
    w.add("hispanic.age", "B", age_rows(RACE_AGE_STARTS))
    return [f"people {sum(us.joint)}, of them filled in for suppressed cells "
            f"{filled}"]
