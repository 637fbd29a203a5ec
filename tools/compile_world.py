#!/usr/bin/env python3
"""Compiles tables of the world into the model file that Cohort samples.

    tools/compile_world.py TABLES OUT

TABLES is a folder with the tab-separated tables that data/README.md lists,
OUT the model file (data/world.model). Deterministic: the same tables give
the same bytes. population/model.h describes the file, and
population/model_world.c which sections a model of the world has.
"""
import sys

from compile import character, modelfile, notes, world
from compile.tables import fail

CHAPTERS = {
    "doc.sources": "The world: where each figure comes from",
    "doc.left.out": "The world: what was left out",
    "doc.assumed": "The world: what is assumed",
}


def main():
    if len(sys.argv) != 3:
        fail("usage: compile_world.py TABLES OUT")
    tables = world.World(sys.argv[1])
    w = modelfile.Writer()
    for line in world.add(w, tables) + character.add(w, tables) + \
            notes.add(w, tables, CHAPTERS):
        print(line)
    size = w.write(sys.argv[2], world.YEAR)
    print(f"{sys.argv[2]}: {size} bytes")


if __name__ == "__main__":
    main()
