"""What stands between a person and the door: marital status, with whom they
live, the household, its languages, and character. The files below hold one
idea each; the order matters, each uses what the earlier ones found."""
from . import character, household, language, living, marital


def add(w, us):
    lines = []
    for step in (marital, living, household, language, character):
        lines += step.add(w, us)
    return lines
