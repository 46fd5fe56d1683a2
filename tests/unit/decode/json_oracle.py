"""Random JSON documents and what Python's json module makes of them, for test_json_python.c.

    json_oracle.py SEED DOCUMENTS

For each document on standard output:  b"DOC <bytes> <features>\\n", the bytes, b"\\n", then a line per feature:
<name in hex> <kind> <value>, where kind is enum drift_value_kind, a number is float.hex() and a text is hex.
Features -1: the document is refused."""
import json
import math
import random
import struct
import sys

rng = random.Random(int(sys.argv[1]))
NULL, NUM, STR, BOOL, NONFINITE, OTHER = 1, 2, 3, 4, 5, 6
POOL = ["f%02d" % i for i in range(60)] + ["a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "länge", "名前", "q\"uote",
                                          "back\\slash", "tab\t", "emoji😀", "a.b", " ", "x" * 256, "y" * 257, "", "nul\0"]


def space():
    return rng.choice(["", "", "", "", " ", "\n", "\t\r\n ", "  "])


def string(s):
    out = []
    for c in s:
        n = ord(c)
        short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
        if c in short and (n < 32 or c in '"\\') and rng.random() < 0.7:
            out.append(short[c])
        elif n < 32 or c in '"\\' or rng.random() < 0.05:
            units = struct.unpack(">%dH" % (len(c.encode("utf-16-be", "surrogatepass")) // 2),
                                  c.encode("utf-16-be", "surrogatepass"))
            out.append("".join((rng.choice(["\\u%04x", "\\u%04X"]) % u) for u in units))
        elif c == "/" and rng.random() < 0.5:
            out.append("\\/")
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def text():
    return "".join(rng.choice(["a", "Z", "0", " ", "/", '"', "\\", "\n", "\x01", "é", "€", "😀", "\u2028", "\x7f", "longer text"])
                   for _ in range(rng.randrange(12)))


def number():
    k = rng.randrange(12)
    digits = lambda n: "".join(rng.choice("0123456789") for _ in range(n))
    whole = lambda: rng.choice(["0", rng.choice("123456789") + digits(rng.randrange(20))])
    sign = rng.choice(["", "-"])
    if k < 3:
        return sign + whole() + "." + digits(rng.randrange(1, 18))
    if k == 3:
        return sign + whole()
    if k == 4:
        return sign + "0." + digits(rng.randrange(1, 30))
    if k == 5:
        return sign + whole() + "." + digits(rng.randrange(1, 25)) + rng.choice("eE") + rng.choice(["", "+", "-"]) + digits(rng.randrange(1, 4))
    if k == 6:
        v = struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]
        return repr(v) if math.isfinite(v) else "1e999"
    if k == 7:
        return "%.14g" % rng.gauss(0, 10 ** rng.randrange(-3, 9))
    if k == 8:
        return sign + rng.choice("123456789") + digits(rng.randrange(300, 330))
    if k == 9:
        return sign + whole() + "e" + rng.choice(["308", "309", "-308", "-323", "-324", "-325", "400", "0", "00012"])
    if k == 10:
        return sign + rng.choice(["0", "0.0", "9007199254740993", "9007199254740992.5", "1.7976931348623159e308", "2.2250738585072011e-308",
                                  "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207"
                                  "096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475"
                                  "730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880.0"])
    return rng.choice(["NaN", "Infinity", "-Infinity"])


def value(depth=0):
    k = rng.randrange(16)
    if k < 7:
        return number()
    if k < 11:
        return string(text())
    if k < 14 or depth > 3:
        return rng.choice(["true", "false", "null"])
    if k == 14:
        return "[" + space() + ("," + space()).join(value(depth + 1) for _ in range(rng.randrange(4))) + space() + "]"
    return members([(rng.choice(POOL), value(depth + 1)) for _ in range(rng.randrange(4))])


def members(pairs):
    return "{" + space() + ("," + space()).join(string(k) + space() + ":" + space() + v + space() for k, v in pairs) + "}"


def flat():
    while True:
        v = value(9)
        if v[0] not in "{[":
            return v


def changed(data):
    """Faults, but no new brackets: what is nested is skipped by us, and only its brackets counted."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            data[at] = rng.choice(b'}]",:0123456789.eE+-\\/ ux\x00\x1f\x80\xc3\xff')
        elif rng.random() < 0.5:
            del data[at]
        else:
            data.insert(at, rng.choice(b'}]",:0123456789.eE+-\\ '))
    return bytes(data)


def document():
    """Bytes, and whether every part of them is wanted (so that a fault anywhere must be seen)."""
    plain = rng.random() < 0.5
    names = rng.sample(POOL, rng.randrange(1, 20)) if rng.random() < 0.3 else POOL[:rng.randrange(1, 60)]
    if rng.random() < 0.1:
        names += [rng.choice(names)]
    if plain:  # values of names that cannot be features are not looked at
        names = [n for n in names if n and "\0" not in n and len(n.encode()) <= 256] or ["a"]
    features = members([(n, flat() if plain else value()) for n in names])
    pairs = [("t", str(rng.randrange(10 ** 12)))]
    if not plain:
        pairs += [("junk%d" % i, value()) for i in range(rng.randrange(3))]
    pairs.insert(rng.randrange(len(pairs) + 1), ("f", features))
    data = (space() + members(pairs) + space()).encode("utf-8", "surrogatepass")
    if plain and rng.random() < 0.35:
        inner = features[1:-1].encode()
        at = data.index(inner)  # only there: elsewhere a change may hide the features from us
        data = data[:at] + changed(inner) + data[at + len(inner):]
    return data, plain


def lone(s):
    return any("\ud800" <= c <= "\udfff" for c in s)


def refused(data):
    """None when Python (or our own rules) refuse it, else the features."""
    try:
        doc = json.loads(data.decode("utf-8"), parse_int=float)  # -0 keeps its sign
    except (ValueError, RecursionError):
        return None
    if not isinstance(doc, dict):
        return None
    for k, v in doc.items():
        if lone(k):
            return None
    return doc


def expected(doc):
    out = []
    f = doc.get("f")
    items = f.items() if isinstance(f, dict) else [(str(i), v) for i, v in enumerate(f)] if isinstance(f, list) else []
    for k, v in items:
        if lone(k) or (isinstance(v, str) and lone(v)):
            return None
        if not k or "\0" in k or len(k.encode()) > 256:
            continue
        name = k.encode().hex()
        if v is None:
            out.append((name, NULL, "-"))
        elif isinstance(v, bool):
            out.append((name, BOOL, float(v).hex()))
        elif isinstance(v, float):
            out.append((name, NUM, v.hex()) if math.isfinite(v) else (name, NONFINITE, "-"))
        elif isinstance(v, str):
            out.append((name, STR, v.encode().hex() or "-"))
        else:
            out.append((name, OTHER, "-"))
    return out


def usable(doc):
    """The role time must be good for the record to become an event: the oracle speaks of the rest only."""
    t = doc.get("t")
    return type(t) is float and 0 <= t < 253402300800000


made = 0
while made < int(sys.argv[2]):
    data, plain = document()
    doc = refused(data)
    want = expected(doc) if doc is not None else None
    if doc is not None and want is not None and not usable(doc):
        continue
    if want is None and not plain:
        continue
    made += 1
    sys.stdout.buffer.write(b"DOC %d %d\n" % (len(data), -1 if want is None else len(want)) + data + b"\n")
    for name, kind, val in want or []:
        sys.stdout.buffer.write(b"%s %d %s\n" % (name.encode(), kind, val.encode()))
