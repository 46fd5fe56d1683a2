#!/usr/bin/python3
"""tests/unit/stats/binning_oracle.py SEED CASES    Random samples with the edges and counts that numpy finds.

One case is three lines: convention, number of values and edges, then the sorted values, the edges and the counts; all
numbers in hexadecimal, so that they are exact."""
import sys

import numpy as np

SCHEMES = ("q10_linear_rc", "q10_linear_lc", "q10_invcdf_rc", "w10_minmax_lc")


def sample(rng):
    n = int(rng.integers(1, 300)) if rng.random() < .8 else int(rng.integers(1, 12))
    kind = rng.integers(0, 6)
    if kind == 0:
        return rng.normal(0, 1, n)
    if kind == 1:
        return rng.poisson(2, n).astype(float)
    if kind == 2:
        return rng.lognormal(0, 4, n)
    if kind == 3:
        return np.full(n, rng.normal())
    if kind == 4:
        return 1e15 + rng.integers(0, 30, n)
    return rng.choice([-1e300, 5e-324, -0.0, 0.0, .1, .2, 1e300], n)


def edges_of(x, scheme):
    if scheme.startswith("w10"):
        lo, hi = x.min(), x.max()
        return np.array([]) if lo == hi else np.unique(lo + (hi - lo) * np.arange(1, 10) / 10.0)
    return np.unique(np.quantile(x, np.arange(1, 10) / 10.0, method="linear" if "linear" in scheme else "inverted_cdf"))


def main():
    rng = np.random.default_rng(int(sys.argv[1]))
    for i in range(int(sys.argv[2])):
        x, scheme = np.sort(sample(rng)), SCHEMES[i % 4]
        e = edges_of(x, scheme)
        counts = np.bincount(np.searchsorted(e, x, side="left" if scheme.endswith("_rc") else "right"), minlength=len(e) + 1)
        print(scheme, len(x), len(e))
        print(*(float(v).hex() for v in [*x, *e]), *counts)


main()
