"""Places of a state, weighted by their people."""
from .tables import table


def cities(folder, states):
    keep = {"PPL", "PPLA", "PPLA2", "PPLA3", "PPLC", "PPLG", "PPLL"}
    by_state = {}
    for _, name, s, code, _, _, pop in table(folder, "us/cities.tsv"):
        if code not in keep or (s == "DC" and code != "PPLC"):
            continue
        if (s, name) == ("NY", "New York City"):
            continue    # its five boroughs are in the table as well
        if s == "DC":
            name = "Washington"
        by_state.setdefault(s, []).append((name, int(pop)))
    names, pops, rows = [], [], [0]
    for s in states:
        for name, pop in sorted(by_state[s], key=lambda c: (-c[1], c[0])):
            names.append(name)
            pops.append(pop)
        rows.append(len(names))
    return names, pops, rows


def add(w, us):
    city, pops, rows = cities(us.folder, us.states)
    w.pool("city", city)
    w.add("city.row", "I", rows)
    w.add("city.n", "I", pops)
    return [f"cities {len(city)}, people in them {sum(pops)}"]
