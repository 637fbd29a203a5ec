#!/usr/bin/env python3
"""The shipped model files say about their sources what data/README.md says.

The dataset card prints chapters that are packed into a model. Whoever edits
them has to compile the model again; this notices when it was forgotten. With
the source tables at hand (COHORT_TABLES, or ../shared/data beside the project)
both models are compiled anew and must be the same bytes.
"""
import os
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, TOOLS)

from compile import notes  # noqa: E402
from compile_world import CHAPTERS as WORLD_CHAPTERS  # noqa: E402

TABLES = os.environ.get("COHORT_TABLES",
                        os.path.join(ROOT, "..", "shared", "data"))


def sections(path):
    """The sections of a model file by name; population/model.h."""
    with open(path, "rb") as f:
        data = f.read()
    count, = struct.unpack_from("<I", data, 12)
    found = {}
    for k in range(count):
        name, at, size, _, _ = struct.unpack_from("<16sQQII", data,
                                                  48 + 40 * k)
        found[name.rstrip(b"\0").decode()] = data[at:at + size]
    return found


class Models(unittest.TestCase):
    def check_chapters(self, model, chapters):
        with open(notes.README, encoding="utf-8") as f:
            text = f.read()
        packed = sections(os.path.join(ROOT, "data", model))
        for section, title in chapters.items():
            self.assertEqual(
                packed[section].decode(), notes.chapter(text, title),
                f"data/{model} was compiled before data/README.md changed: "
                f"compile it again")

    def test_us_model_has_the_chapters_of_the_readme(self):
        self.check_chapters("us.model", notes.CHAPTERS)

    def test_world_model_has_the_chapters_of_the_readme(self):
        self.check_chapters("world.model", WORLD_CHAPTERS)

    def check_compiled(self, tool, model):
        if os.environ.get("COHORT_TIME_FACTOR", "1") != "1":
            self.skipTest("no program of this build takes part")
        if not os.path.isdir(TABLES):
            self.skipTest(f"the source tables are not at {TABLES}")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, model)
            subprocess.run([sys.executable, os.path.join(TOOLS, tool), TABLES,
                            path], check=True, stdout=subprocess.DEVNULL)
            with open(path, "rb") as a, \
                    open(os.path.join(ROOT, "data", model), "rb") as b:
                self.assertTrue(a.read() == b.read(),
                                f"{tool} makes another {model}")

    def test_us_model_is_what_the_tool_makes_of_the_tables(self):
        self.check_compiled("compile_us.py", "us.model")

    def test_world_model_is_what_the_tool_makes_of_the_tables(self):
        self.check_compiled("compile_world.py", "world.model")


if __name__ == "__main__":
    unittest.main()
