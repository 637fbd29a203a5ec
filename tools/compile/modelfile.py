"""The model file; population/model.h describes it."""
import os
import struct

from .tables import YEAR, fail

VERSION = 1


def content_hash(data):
    """FNV-1a over little-endian 64-bit words, so that both sides need no
    library; model.c has the other copy."""
    h = 0xcbf29ce484222325
    for (w,) in struct.iter_unpack("<Q", data):
        h = ((h ^ w) * 0x100000001b3) & 0xffffffffffffffff
        h ^= h >> 32
    return h


class Writer:
    def __init__(self):
        self.sections = []

    def add(self, name, fmt, values):
        data = struct.pack("<%d%s" % (len(values), fmt), *values)
        self.sections.append((name, struct.calcsize("<" + fmt), len(values),
                              data))

    def pool(self, name, texts):
        """Texts one after another; section NAME.at holds their offsets."""
        data, at = b"", [0]
        parts = []
        n = 0
        for t in texts:
            raw = t.encode("utf-8")
            if not raw or any(b < 32 or b in b'"\\' for b in raw):
                fail(f"a text that JSON would escape: {t!r}")
            parts.append(raw)
            n += len(raw)
            at.append(n)
        self.add(name + ".at", "I", at)
        self.add(name, "B", list(b"".join(parts)))

    def write(self, path, year=YEAR):
        table_bytes = 40 * len(self.sections)
        at = 48 + table_bytes
        entries, body = b"", b""
        for name, size, count, data in self.sections:
            entries += struct.pack("<16sQQII", name.encode(), at, len(data),
                                   size, count)
            data += b"\0" * (-len(data) % 8)
            body += data
            at += len(data)
        rest = entries + body
        hashed = struct.pack("<QQ", year, 0) + rest
        head = struct.pack("<8sIIQQ", b"COHORTMD", VERSION,
                           len(self.sections), 48 + len(rest),
                           content_hash(hashed))
        with open(path + ".tmp", "wb") as f:
            f.write(head + hashed)
        os.replace(path + ".tmp", path)
        return 48 + len(rest)
