"""Rows of a corpus, one after the other, whatever its size."""
import json
import os
import shutil
import subprocess
import sys


def parts(path):
    """The files of a corpus folder in order, or the one file given."""
    if not os.path.isdir(path):
        return [path]
    names = [n for n in os.listdir(path)
             if n.startswith("part-") and ".jsonl" in n]
    # part-99999 comes before part-100000
    names.sort(key=lambda n: (len(n), n))
    if not names:
        sys.exit(f"{path} has no part-*.jsonl.zst")
    return [os.path.join(path, n) for n in names]


def lines_of_zstd(path):
    """Uncompressed lines: by python3-zstandard if there, else by zstd."""
    try:
        import io
        import zstandard
    except ImportError:
        if not shutil.which("zstd"):
            sys.exit("cannot read zstd: install zstd or python3-zstandard")
        with subprocess.Popen(["zstd", "-dcq", path],
                              stdout=subprocess.PIPE) as p:
            yield from p.stdout
        if p.returncode:
            sys.exit(f"{path}: zstd ended with {p.returncode}")
        return
    with open(path, "rb") as f:
        stream = zstandard.ZstdDecompressor().stream_reader(
            f, read_across_frames=True)
        yield from io.BufferedReader(stream, 1 << 20)


def lines(path):
    for part in parts(path) if path != "-" else ["-"]:
        if part == "-":
            yield from sys.stdin.buffer
        elif part.endswith(".zst"):
            yield from lines_of_zstd(part)
        else:
            with open(part, "rb") as f:
                yield from f


def rows(path):
    for line in lines(path):
        yield json.loads(line)


def recipe(path):
    """The recipe of a corpus folder; {} when there is none to read."""
    try:
        with open(os.path.join(path, "MANIFEST.json"), encoding="utf-8") as f:
            return json.load(f)["recipe"]
    except (OSError, KeyError, ValueError):
        return {}


def table(folder, name):
    """Rows of a source table as lists, the header left out."""
    path = os.path.join(folder, "us", name)
    try:
        with open(path, encoding="utf-8") as f:
            next(f)
            return [line.rstrip("\n").split("\t") for line in f]
    except OSError as e:
        sys.exit(f"cannot read {path}: {e.strerror}")
