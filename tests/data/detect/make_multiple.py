#!/usr/bin/env python3
"""Adjusted p-values by statsmodels, and by scipy where it has them; none of driftd's code.

    python3 make_multiple.py > multiple.json

Needs numpy, scipy >= 1.11, statsmodels.  Fixed seed: the same versions give the same bytes.
"""
import json

import numpy as np
import scipy
import scipy.stats as st
import statsmodels
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20260101)
METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}


def short(x):
    return [float("%.5g" % v) for v in x]


def families():
    yield "one", [0.0471]
    yield "two equal", [0.03, 0.03]
    yield "all zero", [0.0] * 4
    yield "all one", [1.0] * 3
    yield "zero and one", [0.0, 1.0]
    yield "subnormal", [5e-324, 1e-310, 1e-300, 0.5]
    yield "steps of exactly .05", [0.05, 0.025, 0.05 / 3, 0.0125, 0.01]
    yield "many ties", short(rng.integers(0, 5, 40) / 4)
    for n in (2, 3, 7, 20, 50, 200):
        yield f"uniform {n}", short(rng.random(n))
        p = rng.random(n)
        hit = rng.random(n) < .3
        p[hit] = st.norm.sf(rng.normal(3, 1, hit.sum()))
        yield f"mixed {n}", short(p)
    yield "tiny", short(10.0 ** -rng.uniform(0, 300, 30))
    yield "falling", sorted(short(rng.random(25)), reverse=True)


def adjusted(name, p):
    out = {"id": name, "p": p}
    for key, method in METHODS.items():
        out[key] = [float(v) for v in multipletests(p, method=method)[1]]
    for key in ("bh", "by"):  # a second opinion
        np.testing.assert_allclose(out[key], st.false_discovery_control(p, method=key), rtol=1e-12)
    return out


print(json.dumps({"made_by": {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
                  "results": [adjusted(*f) for f in families()]}, separators=(",", ":")).replace('{"id"', '\n{"id"'))
