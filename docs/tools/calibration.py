#!/usr/bin/python3
"""docs/tools/calibration.py    Puts the tables of `make calibrate` between the markers of docs/calibration.md.

    docs/tools/calibration.py           runs build/release/tests/calibrate (ten minutes) and writes the page
    docs/tools/calibration.py FILE      takes what `make calibrate` printed from FILE
"""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(ROOT, "docs", "calibration.md")
CALIBRATE = os.path.join(ROOT, "build", "release", "tests", "calibrate")


def printed(file):
    if file:
        with open(file, encoding="utf-8") as f:
            return f.read()
    return subprocess.run([CALIBRATE], stdout=subprocess.PIPE, text=True, check=False).stdout  # 1: a demand failed


def main(file=None):
    text = printed(file)
    seed = re.match(r"seed (\d+)\n", text)
    verdict = re.search(r"^\d+ figures worse than promised", text, re.M)
    if not seed or not verdict:
        sys.exit("what calibrate printed is not whole")
    tables = text[seed.end():verdict.start()].strip()
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    made = f"<!-- tables: docs/tools/calibration.py -->\n\nSeed {seed[1]}; {verdict[0]}.\n\n{tables}\n\n<!-- end -->"
    page, n = re.subn(r"<!-- tables: .*?<!-- end -->", lambda _: made, page, flags=re.S)
    if n != 1:
        sys.exit(f"{PAGE}: no place for the tables")
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page)


if __name__ == "__main__":
    main(*sys.argv[1:2])
