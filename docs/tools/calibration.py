#!/usr/bin/python3
"""docs/tools/calibration.py    Puts the tables of `make calibrate` between the markers of docs/calibration.md.

    docs/tools/calibration.py             runs build/release/tests/calibrate (a quarter of an hour) and writes the page
    docs/tools/calibration.py FILE...     takes what calibrate printed from files; tables that they lack stay as they are
"""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(ROOT, "docs", "calibration.md")
CALIBRATE = os.path.join(ROOT, "build", "release", "tests", "calibrate")
PLACE = re.compile(r"<!-- tables: .*?<!-- end -->", re.S)
TITLES = ["How often tests reject", "How often tests of sorted", "Intervals", "Dependence", "What the baseline", "Windows between", "Windows until"]


def printed(files):
    if not files:
        return [subprocess.run([CALIBRATE], stdout=subprocess.PIPE, text=True, check=False).stdout]  # status 1: a demand failed
    texts = []
    for file in files:
        with open(file, encoding="utf-8") as f:
            texts.append(f.read())
    return texts


def tables(text):
    """Title -> its section, of those that are whole: followed by another one or by the last line."""
    parts = re.split(r"^(?=### )", text, flags=re.M)[1:]
    whole = {}
    for i, part in enumerate(parts):
        end = re.search(r"^(?:\d+ figures worse than promised|<!-- end)", part, re.M)
        if end or i + 1 < len(parts):
            whole[part.splitlines()[0]] = part[:end.start() if end else None].strip()
    return whole


def place_of(title):
    return next((i for i, begin in enumerate(TITLES) if title.startswith("### " + begin)), len(TITLES))


def main(files):
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    old = PLACE.search(page)
    if not old:
        sys.exit(f"{PAGE}: no place for the tables")
    texts = printed(files)
    seeds = {m[1] for text in texts for m in [re.match(r"seed (\d+)\n", text)] if m}
    if len(seeds) != 1:
        sys.exit(f"seeds: {sorted(seeds)}, not one")
    kept = tables(old[0]) if f"Seed {min(seeds)}." in old[0] else {}
    for text in texts:
        kept.update(tables(text))
    body = "\n\n".join(kept[title] for title in sorted(kept, key=place_of))
    made = f"<!-- tables: docs/tools/calibration.py -->\n\nSeed {min(seeds)}.\n\n{body}\n\n<!-- end -->"
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page[:old.start()] + made + page[old.end():])


if __name__ == "__main__":
    main(sys.argv[1:])
