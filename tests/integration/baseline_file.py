"""tests/integration/baseline_file.py    Reads a baseline of format v1 (include/driftd/internal/baseline/baseline.h).

A reader of its own, so that what driftd counted is compared with what stands in the baseline's bytes."""
import hashlib
import json
import struct

MAGIC = b"DRFTBL1\n"
ROLES = {1: "feature", 2: "score", 3: "decision", 4: "label", 5: "source", 6: "latency"}
SPECIALS = 4


class Bytes:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, n):
        piece = self.raw[self.at:self.at + n]
        if len(piece) != n:
            raise ValueError("cut short")
        self.at += n
        return piece

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self):
        return self.take(self.number()).decode()

    def doubles(self, n):
        return list(struct.unpack(f"<{n}d", self.take(8 * n)))

    def sections(self):
        """tag -> body, in order; checks the digest."""
        if self.take(8) != MAGIC:
            raise ValueError("no baseline")
        found = {}
        while self.at < len(self.raw):
            begin, tag = self.at, self.take(4).decode()
            found[tag] = self.take(struct.unpack("<Q", self.take(8))[0])
            if tag == "DGST" and hashlib.sha256(self.raw[:begin]).digest() != found[tag]:
                raise ValueError("digest does not match")
        return found


def column(r):
    role, kind, bounded = r.take(3)
    c = {"role": ROLES[role], "kind": "numeric" if kind == 1 else "categorical", "bounded": bool(bounded), "name": r.text()}
    if kind == 1:
        c["edges"] = r.doubles(r.number())
        c["bin_end"] = [r.number() for _ in range(r.number())]
        c["n_cells"] = len(c["edges"]) + 1
    else:
        c["categories"] = [r.text() for _ in range(r.number())]
        c["rare"] = [r.text() for _ in range(r.number())]
        c["n_cells"] = len(c["categories"]) + 2
    return c


def counters(r, n):
    bitmap, last, out = r.take((n + 7) // 8), 0, []
    for i in range(n):
        if bitmap[i // 8] >> i % 8 & 1:
            z = r.number()
            last += z >> 1 if z % 2 == 0 else -(z >> 1) - 1
            out.append(last)
        else:
            out.append(0)
    return out


class Layout(list):
    """The columns; beside them the blocks of further counters."""

    blocks = ()


def layouts(sections):
    r, found = Bytes(sections["COLS"]), []
    for _ in range(2):
        found.append(Layout(column(r) for _ in range(r.number())))
    if "BLKS" in sections:
        r = Bytes(sections["BLKS"])
        for layout in found:
            layout.blocks = [{"name": r.text(), "n": r.number(), "content": r.take(r.number())} for _ in range(r.number())]
    return found


def summary(r, layout):
    n = r.number()
    for c in layout:
        both = counters(r, SPECIALS + c["n_cells"])
        c["specials"], c["counts"] = both[:SPECIALS], both[SPECIALS:]
    for b in layout.blocks:
        b["counts"] = counters(r, b["n"])
    for _ in range(6):  # tallies
        for _ in range(r.number()):
            r.text()
            r.number()
        r.number()
    return n


def read(raw):
    """{"meta", "chains": {"input": {"n", "columns"}, "label": ...}}; each column with its pooled counts."""
    s = Bytes(raw).sections()
    pooled, chains = Bytes(s["POOL"]), {}
    for name, layout in zip(("input", "label"), layouts(s)):
        chains[name] = {"n": summary(pooled, layout), "columns": layout}
    return {"meta": json.loads(s["META"]), "chains": chains}
