"""Recounts what a baseline says: python3 oracle_builder.py FILE, written by test_builder.c.

FILE is JSON: {"values": {column: [values in order of arrival]}, "columns": [{name, edges, bin_ends, cells, bounded,
sampled}]}.  Percentiles come from numpy's inverted_cdf, cells from a plain comparison of every value with every edge.
Prints how many numbers were compared; exits 1 at the first difference."""
import json
import sys

import numpy as np


def main():
    d = json.load(open(sys.argv[1]))
    n = 0
    for c in d["columns"]:
        v = np.array([x for x in d["values"][c["name"]]], dtype=float)
        edges = np.array(c["edges"], dtype=float)
        if not c["sampled"]:
            below = set()
            pct = np.percentile(v, range(1, 100), method="inverted_cdf")
            want = set(pct) | {np.nextafter(v.min(), -np.inf), v.max()} | set(c["extra"])
            for x, k in zip(*np.unique(v, return_counts=True)):
                if 100 * k >= len(v) and v[v < x].max(initial=-np.inf) > max((e for e in want if e < x), default=-np.inf):
                    below.add(np.nextafter(x, -np.inf))
            want |= below
            n += len(below)
            got = set(edges)
            if got != {x + 0.0 for x in want}:
                sys.exit(f"{c['name']}: edges differ: {sorted(got ^ want)[:5]}")
            n += len(edges)
            ends = c["imported"] or sorted({x for x in np.percentile(v, range(10, 100, 10), method="inverted_cdf")
                                            if x < v.max()})
            bins = [edges[e - 1] for e in c["bin_ends"][:-1]]
            if bins != ends or c["bin_ends"][-1] != len(edges) + 1:
                sys.exit(f"{c['name']}: bins {bins} and not {ends}")
            n += len(bins)
        cell = (v[:, None] > edges[None, :]).sum(axis=1)
        want = np.bincount(cell, minlength=len(edges) + 1)
        if want.tolist() != c["cells"]:
            sys.exit(f"{c['name']}: cells differ")
        n += len(want)
    print(n, "numbers compared")


main()
