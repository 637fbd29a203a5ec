#!/usr/bin/env python3
"""Counts householders by own income, for the fit of household incomes.

    build/release/tools/print_rows data/us.model 1 400000 |
        tools/own_income.py > tools/own_income.tsv

Household incomes below a person's own are cut off when drawn. So that the
households still have the incomes of B19037, tools/compile/household.py has
to know how often what is cut: the shares printed here, by age of the
householder and alone, couple or other, of drawn people weighted by the
householders they stand for. Own incomes do not depend on households, so one
round is enough; count again when wages change.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compile.household import (BRACKETS, INCOME_STARTS, KINDS_OF_INCOME,
                               bracket)

KIND = {"Lives alone": (0, 1), "With spouse": (1, .5),
        "With unmarried partner": (1, .5), "With nonrelatives": (2, .4)}


def stands_for(row):
    """(kind, householders) of a row, or None."""
    home = row["household"]
    if home["type"] == "With other relatives":
        return 2, 1 if home["children"] else .45
    return KIND.get(home["type"])


def main():
    n = [[[0.0] * len(BRACKETS) for _ in range(KINDS_OF_INCOME)]
         for _ in INCOME_STARTS]
    for line in sys.stdin:
        row = json.loads(line)
        found = stands_for(row)
        if not found or row["age"] < 18:
            continue
        g = max(k for k, lo in enumerate(INCOME_STARTS) if lo <= row["age"])
        n[g][found[0]][bracket(row["income_usd"] or 0)] += found[1]
    print("householder_age_min\tkind\tincome_min\tper_million")
    for lo, kinds in zip(INCOME_STARTS, n):
        for h, counts in enumerate(kinds):
            for b, v in zip(BRACKETS, counts):
                print(f"{lo}\t{h}\t{b}\t{round(v * 1e6 / sum(counts))}")


if __name__ == "__main__":
    main()
