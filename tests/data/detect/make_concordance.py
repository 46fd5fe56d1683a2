#!/usr/bin/env python3
"""Reference values for concordance.h, computed with numpy, scipy and mpmath and none of driftd's code.

    /usr/bin/python3 make_concordance.py > concordance.json

Needs python3-numpy, -scipy, -mpmath.  Fixed seeds: the same versions give the same bytes.
"""
import json
import math

import mpmath as mp
import numpy as np
import scipy
import scipy.special as sp
import scipy.stats as st

mp.mp.dps = 40
rng = np.random.default_rng(20260601)


def log10_fisher(a, m, b, n):
    """Twice the tail of the hypergeometric law on the side where b of n is, against a of m."""
    marked, total = a + b, m + n
    if b * m == a * n:
        return 0.0
    up = b * m > a * n
    last = min(n, marked) if up else max(0, n - (total - marked))
    pmf = lambda x: mp.binomial(marked, x) * mp.binomial(total - marked, n - x)
    term = pmf(b)
    s, x = mp.mpf(0), b
    while True:
        s += term
        if x == last or term < s * mp.mpf(10) ** -25:
            break
        if up:
            term *= mp.mpf(marked - x) * (n - x) / (mp.mpf(x + 1) * (total - marked - n + x + 1))
            x += 1
        else:
            term *= mp.mpf(x) * (total - marked - n + x) / (mp.mpf(marked - x + 1) * (n - x + 1))
            x -= 1
    return min(0.0, float(mp.log10(2 * s / mp.binomial(total, n))))


def z_score(a, m, b, n):
    p = (a + b) / (m + n)
    v = p * (1 - p) * (1 / m + 1 / n)
    return (b / n - a / m) / math.sqrt(v) if v > 0 else 0.0


def shares():
    cases = [(10000, 20000, 500, 1000), (10000, 20000, 560, 1000), (10000, 20000, 430, 1000), (13000, 20000, 700, 1000),
             (20000, 20000, 990, 1000), (20000, 20000, 999, 1000), (20000, 20000, 1000, 1000), (0, 50, 3, 20), (0, 50, 20, 20),
             (3, 10, 1, 1), (19990, 20000, 995, 1000), (19000, 20000, 980, 1000), (1, 20000, 1, 10), (7, 7, 0, 7),
             (600000, 1000000, 30300, 50000), (600000, 1000000, 29000, 50000), (500000, 1000000, 250000, 1000000),
             (3, 1000000000, 9, 1000000), (10**12 // 2, 10**12, 500400, 10**6), (10**9, 10**9 + 40, 10**8 - 9, 10**8)]
    for _ in range(60):
        m, n = int(10 ** rng.uniform(1, 6)), int(10 ** rng.uniform(0.5, 4.5))
        p = rng.beta(.7, .7)
        a, b = int(rng.binomial(m, p)), int(rng.binomial(n, min(1, max(0, p + rng.normal() * 3 * math.sqrt(p * (1 - p) / n)))))
        cases.append((a, m, b, n))
    for a, m, b, n in cases:
        total = m + n
        variance = n / total * (a + b) * (total - a - b) / total * m / (total - 1)
        z = z_score(a, m, b, n)
        log10_p = log10_fisher(a, m, b, n) if variance <= 1e6 else float((math.log(2) + sp.log_ndtr(-abs(z))) / math.log(10))
        if z == 0:
            log10_p = 0.0
        yield {"a": a, "m": m, "b": b, "n": n, "z": z, "log10_p": log10_p}


def events(n, flip):
    """Six features, rounded so that ties and nulls are there; flip turns round the dependence of 1 and 4."""
    x = rng.normal(size=(n, 6))
    x[:, 4] = (-.5 if flip else .5) * x[:, 1] + math.sqrt(.75) * x[:, 4]
    x[:, 2] = (x[:, 2] > 1.2)
    x[:, 3] = np.round(x[:, 3] + .3 * x[:, 0], 1)
    x[:, 5] = np.round(np.exp(x[:, 5]), 2)
    x = np.round(x, 3)
    x[rng.random(x.shape) < .03] = np.nan
    return x


def cut_of(x):
    v = np.unique(x)
    above = np.array([(x > t).sum() for t in v])
    return float(v[np.argmin(np.abs(above - len(x) / 2))])


def table():
    base, window = events(300, False), events(150, True)
    cut = [cut_of(c[~np.isnan(c)]) for c in base.T]
    mean = np.nanmean(base, axis=0)

    def side(x):
        return np.where(np.isnan(x), mean, x) > np.array(cut)
    s, t = side(base), side(window)
    out = {"cut": cut, "null": (mean > np.array(cut)).astype(int).tolist(), "above_ref": s.sum(0).tolist(), "above": t.sum(0).tolist(),
           "pairs": []}
    for i in range(6):
        for j in range(i + 1, 6):
            a, b = int((s[:, i] == s[:, j]).sum()), int((t[:, i] == t[:, j]).sum())
            phi = [float(np.corrcoef(w[:, i], w[:, j])[0, 1]) for w in (s, t)]
            out["pairs"].append({"i": i, "j": j, "same_ref": a, "same": b, "z": z_score(a, 300, b, 150),
                                 "log10_p": log10_fisher(a, 300, b, 150), "phi_ref": phi[0], "phi": phi[1]})
    top = sorted(out["pairs"], key=lambda p: -abs(p["z"]))[:8]
    least = min(p["log10_p"] for p in top)
    out["log10_p"] = min(0.0, least + math.log10(15))
    z, ratio, q = st.norm.isf(10 ** least / 2), 150 / 300, st.norm.isf(.05 / 30)
    out["p_shared"] = min(1.0, 15 * 2 * st.norm.sf(z * math.sqrt(1 + ratio) - q * math.sqrt(ratio)))
    null = lambda x: [[None if math.isnan(v) else v for v in row] for row in x.tolist()]
    return {**out, "base": null(base), "window": null(window)}


def main():
    print(json.dumps({"about": "made by make_concordance.py", "numpy": np.__version__, "scipy": scipy.__version__, "mpmath": mp.__version__})[:-1]
          + ', "shares": [\n' + ",\n".join("  " + json.dumps(c) for c in shares()) + '\n], "table":\n  ' + json.dumps(table()) + "}")


if __name__ == "__main__":
    main()
