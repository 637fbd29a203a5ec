#!/usr/bin/env python3
"""Compiles tables of US statistics into the model file that Cohort samples.

    tools/compile_us.py TABLES OUT

TABLES is a folder with the tab-separated tables that data/README.md lists,
OUT the model file (data/us.model). Deterministic: the same tables give the
same bytes. population/model.h describes the file. The steps below stand in
tools/compile/, one file an idea; a later step may use what an earlier one
left in the Population.
"""
import sys

from compile import (degree, home, income, modelfile, names, notes, occupation,
                     people, places, schooling)
from compile.tables import Population, fail

STEPS = [people, schooling, home, occupation, degree, income, names, places,
         notes]


def main():
    if len(sys.argv) != 3:
        fail("usage: compile_us.py TABLES OUT")
    us = Population(sys.argv[1])
    w = modelfile.Writer()
    for step in STEPS:
        for line in step.add(w, us):
            print(line)
    size = w.write(sys.argv[2])
    print(f"{sys.argv[2]}: {size} bytes")


if __name__ == "__main__":
    main()
