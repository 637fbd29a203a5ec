"""What a paid job's journal says of its calls, read by docs/journal.md alone: a
second opinion about money, beside the ledger of the program."""
import collections
import glob
import os
import struct

import msgpack

OWNER, RESULTS, NOTE = 1, 3, 9
ASK_STEP = 16
INTENTS, RELEASES, DATED, LETTER = 1, 2, 3, 4
ANSWER, INVALID, CUT, FILTERED, UNKNOWN, REFUSED = range(6)
STATUS_OK = 0


def segments(folder):
    """Owner, sequence and bytes of each segment, oldest first."""
    for path in sorted(glob.glob(os.path.join(folder, "journal", "seg-*.log"))):
        owner, sequence = os.path.basename(path)[4:-4].split("-")
        with open(path, "rb") as f:
            yield int(owner), int(sequence), f.read()


def records(data, end):
    """Type and content of each whole record; a torn one ends it."""
    at = 64
    while at + 16 <= end:
        length, _, low = struct.unpack_from("<IIQ", data, at)
        length &= (1 << 31) - 1
        kind = low & 0xFF
        after = at + (16 + length + 7) // 8 * 8
        if not kind or after > end:
            return
        yield kind, data[at + 16 : at + 16 + length]
        at = after


def adopted(parts):
    """How many bytes of each older segment the newest owner counts."""
    found = {}
    for _, _, data in parts:
        for kind, content in records(data, len(data)):
            if kind == OWNER:
                count = struct.unpack_from("<I", content)[0]
                lines = (struct.unpack_from("<IIQQ", content, 8 + 24 * i) for i in range(count))
                found = {(line[0], line[1]): line[2] for line in lines}
            break  # the first record of a segment
    return found


def committed(folder):
    parts = list(segments(folder))
    if not parts:
        return
    bytes_of = adopted(parts)
    newest = max(owner for owner, _, data in parts if any(True for _ in records(data, len(data))))
    for owner, sequence, data in parts:
        end = len(data) if owner == newest else 0
        yield from records(data, bytes_of.get((owner, sequence), end))


def results(content):
    """Task, status and payload of each result of a message."""
    head = struct.unpack_from("<I", content)[0]
    message = msgpack.unpackb(content[4 : 4 + head], strict_map_key=False)
    at = 4 + head
    tasks = message[5]
    every = lambda key: message[key] * len(tasks) if len(message[key]) == 1 else message[key]
    for task, status, length in zip(tasks, every(7), every(8)):
        yield task, status, content[at : at + length]
        at += length


Ask = collections.namedtuple("Ask", "row ask stage outcome usage endpoint answer")


class Calls:
    """What was asked, what became of it, and what was charged, step by step."""

    def __init__(self, folder, price=(0, 0)):
        self.price = price  # 1e-12 USD a token
        self.open = {}  # worst cost of each intent without an outcome, by task
        self.unknown = {}  # the same of those whose outcome is "unknown"
        self.settled = 0
        self.answers = []  # every outcome, in order
        self.most = 0  # that was charged at any record
        self.intents = set()
        self.answered = set()  # rows and stages with a valid answer
        self.void = set()  # intents after that, unless they are released
        for kind, content in committed(folder):
            if kind == NOTE and not content.startswith(b"P"):
                self.note(msgpack.unpackb(content))
            elif kind == RESULTS:
                self.results(content)
            self.most = max(self.most, self.charged())

    def charged(self):
        return self.settled + sum(self.open.values()) + sum(self.unknown.values())

    def note(self, words):
        if words[0] == LETTER:
            return
        if words[0] == RELEASES:
            for task in words[1:]:
                self.open.pop(task, None)
                self.void.discard(task)
            return
        for task, stage, worst, *_ in zip(*[iter(words[1:])] * (4 if words[0] == DATED else 3)):
            assert task not in self.intents, f"ask {task:x} was given out twice"
            self.intents.add(task)
            self.open[task] = worst
            if (task >> 8, stage) in self.answered:
                self.void.add(task)

    def results(self, content):
        for task, status, payload in results(content):
            if task & 0xFF < ASK_STEP or status != STATUS_OK or not payload or task not in self.open:
                continue
            said = msgpack.unpackb(payload, strict_map_key=False)
            usage = (said.get(12, 0), said.get(14, 0)) if said.get(11) else None
            ask = Ask(said[1], said.get(5, 0), said.get(6, 0), said.get(7, 0), usage, said.get(15, ""), said.get(8))
            self.answers.append(ask)
            worst = self.open.pop(task)
            if ask.outcome == ANSWER:
                self.answered.add((ask.row, ask.stage))
            if ask.outcome == UNKNOWN:
                self.unknown[task] = worst
            elif usage:
                self.settled += usage[0] * self.price[0] + usage[1] * self.price[1]
            elif ask.outcome != REFUSED:
                self.settled += worst
