"""The world: people by country, sex and age, and what lists there are of
names and cities. Names have ranks, no frequencies: a name of rank r weighs
1 / (r + 2), which is an assumption and no figure of anybody."""
from .tables import SEXES, fail, table

YEAR = 2020                 # of the UN tables
AGE_GROUPS = [(a, a + 4) for a in range(0, 100, 5)]
RANK_ONE = 1 << 20          # weight of a name is RANK_ONE / (rank + RANK_ADD)
RANK_ADD = 2
NO_LIST = 0xffff
TEXT_MAX = 46               # bytes; prose/facts.c makes room for these
# Parts of 95-99 at 95, 96, 97, 98 and 99; 100 and over is 99 too.
OLD = (5, 4, 3, 2, 1)


class World:
    """Stands in for tables.Population where a step wants people's ages."""

    def __init__(self, folder):
        self.folder = folder
        self.states = []    # alpha-2, in the order of the model
        self.single = []    # [country][sex][age]

    def cells(self, country, sex):
        for age, n in enumerate(self.single[country][sex]):
            yield age, age, 0, age, n


def plain(name):
    """Bolivia (Plurinational State of) -> Bolivia."""
    name = name.split(" (")[0]
    if len(name.encode()) > TEXT_MAX:
        fail(f"the name is too long: {name}")
    return name


def spread(n, parts):
    """n in whole people by parts, what is left to the first."""
    every = sum(parts)
    out = [n * p // every for p in parts]
    for k in range(n - sum(out)):
        out[k] += 1
    return out


def single_ages(folder, codes):
    index = {c: k for k, c in enumerate(codes)}
    out = [[[0] * 100 for _ in SEXES] for _ in codes]
    for iso2, iso3, sex, lo, hi, n in table(
            folder, "world/pop2020_country_sex_age.tsv"):
        ages = out[index[iso2, iso3]][SEXES.index(sex)]
        lo, n = int(lo), int(n)
        if lo >= 100:
            ages[99] += n
            continue
        if int(hi) != lo + 4:
            fail(f"{iso2}: ages {lo}-{hi} are no five years")
        for k, v in enumerate(spread(n, OLD if lo == 95 else (1,) * 5)):
            ages[lo + k] += v
    return out


def people(w, world):
    countries = [(iso2, iso3, plain(name)) for _, iso2, iso3, name, _, _, _
                 in table(world.folder, "world/countries.tsv")
                 if len(iso3) == 3 and iso3 != "---"]
    countries.sort(key=lambda c: c[1])
    keep = {(a, b) for a, b, _ in countries}
    for row in table(world.folder, "world/pop2020_country_sex_age.tsv"):
        if (row[0], row[1]) not in keep:
            countries.append((row[0], row[1], None))
            keep.add((row[0], row[1]))
    if any(name is None for _, _, name in countries):
        # Channel Islands: no ISO code; reserved user codes stand in.
        countries = [(a if a != "--" else "XC", b if b != "---" else "XCH", n)
                     if n else ("XC", "XCH", "Channel Islands")
                     for a, b, n in countries]
    back = {"XC": "--", "XCH": "---"}
    world.single = single_ages(
        world.folder, [(back.get(a, a), back.get(b, b))
                       for a, b, _ in countries])
    world.states = [a for a, _, _ in countries]
    w.pool("country", [b for _, b, _ in countries])
    w.pool("country.iso2", world.states)
    w.pool("country.name", [n for _, _, n in countries])
    w.add("age.groups", "B", [v for g in AGE_GROUPS for v in g])
    w.add("joint", "I", [n for c in world.single for s in c for n in s])
    every = sum(n for c in world.single for s in c for n in s)
    return [f"countries {len(countries)}, people {every}"]


def rank_weight(rank):
    return RANK_ONE // (int(rank) + RANK_ADD)


class Pool:
    def __init__(self):
        self.texts, self.ids = [], {}

    def id(self, text):
        if text not in self.ids:
            if len(text.encode()) > TEXT_MAX or '"' in text or "\\" in text:
                fail(f"a name that rows cannot hold: {text}")
            self.ids[text] = len(self.texts)
            self.texts.append(text)
        return self.ids[text]


def share(world, has):
    every = sum(sum(map(sum, c)) for c in world.single)
    some = sum(sum(map(sum, c)) for k, c in enumerate(world.single) if has(k))
    return f"{100 * some / every:.1f} % of people"


def given_names(w, world):
    """A list by country and sex, from all its lists together; of people born
    1996-2015 in the United Kingdom by year of birth, with real counts."""
    index = {c: k for k, c in enumerate(world.states)}
    lists, pool, rows, ids, ns = {}, Pool(), [0], [], []
    for c, sex, _, _, _, _, rank, _, roman in table(
            world.folder, "world/forenames.tsv"):
        if c not in index or sex not in SEXES:
            continue
        one = lists.setdefault((index[c], SEXES.index(sex), None), {})
        one[roman] = one.get(roman, 0) + rank_weight(rank)
    for year, sex, name, count in table(
            world.folder, "world/uk_england_wales_given_names_year.tsv"):
        key = index["GB"], SEXES.index(sex), YEAR - int(year)
        lists.setdefault(key, {})[name] = int(count)
    row_of = [NO_LIST] * (len(world.states) * 200)
    for key in sorted(lists, key=lambda k: (k[0], k[1], k[2] is not None,
                                            k[2] or 0)):
        country, sex, age = key
        for name, n in sorted(lists[key].items(), key=lambda e: (-e[1], e[0])):
            ids.append(pool.id(name))
            ns.append(n)
        for a in range(100) if age is None else [age]:
            row_of[(country * 2 + sex) * 100 + a] = len(rows) - 1
        rows.append(len(ids))
    w.pool("first", pool.texts)
    w.add("first.list", "H", row_of)
    w.add("first.row", "I", rows)
    w.add("first.id", "H", ids)
    w.add("first.n", "I", ns)
    with_list = {c for c, _, _ in lists}
    return [f"given names of {len(with_list)} countries, "
            f"{share(world, with_list.__contains__)}; {len(pool.texts)} names"]


def surnames(w, world):
    """Variants of one rank share its weight."""
    index = {c: k for k, c in enumerate(world.states)}
    groups, pool, rows, ids, ns = {}, Pool(), [0], [], []
    for c, rank, group, _, roman in table(world.folder, "world/surnames.tsv"):
        if c in index:
            groups.setdefault(index[c], {}).setdefault(
                group, (int(rank), []))[1].append(roman)
    for country in range(len(world.states)):
        one = {}
        for rank, names in groups.get(country, {}).values():
            names = sorted(set(names))
            for name in names:
                one[name] = one.get(name, 0) + rank_weight(rank) // len(names)
        for name, n in sorted(one.items(), key=lambda e: (-e[1], e[0])):
            ids.append(pool.id(name))
            ns.append(n)
        rows.append(len(ids))
    w.pool("last", pool.texts)
    w.add("last.row", "I", rows)
    w.add("last.id", "H", ids)
    w.add("last.n", "I", ns)
    return [f"surnames of {len(groups)} countries, "
            f"{share(world, groups.__contains__)}; {len(pool.texts)} names"]


def cities(w, world):
    index = {c: k for k, c in enumerate(world.states)}
    by, names, pops, rows = {}, [], [], [0]
    for _, name, c, _, code, _, _, pop in table(world.folder,
                                                "world/cities.tsv"):
        if c in index and code != "PPLX" and int(pop) > 0 and \
                len(name.encode()) <= TEXT_MAX:
            by.setdefault(index[c], []).append((name, int(pop)))
    for country in range(len(world.states)):
        for name, pop in sorted(by.get(country, []),
                                key=lambda e: (-e[1], e[0])):
            names.append(name)
            pops.append(pop)
        rows.append(len(names))
    w.pool("city", names)
    w.add("city.row", "I", rows)
    w.add("city.n", "I", pops)
    return [f"cities {len(names)} of {len(by)} countries, "
            f"{share(world, by.__contains__)}"]


def add(w, world):
    said = []
    for step in (people, given_names, surnames, cities):
        said += step(w, world)
    return said
