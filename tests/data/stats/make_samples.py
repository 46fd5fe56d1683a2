#!/usr/bin/env python3
"""Reference values for statistics of sorted samples, from fractions, mpmath and scipy and none of driftd's code.

    python3 make_samples.py > samples.json

Needs python3-numpy, -scipy, -mpmath.  Fixed seeds: the same versions give the same bytes.  Keys are those of
tests/unit/stats/values.h; `null` = not defined.  Statistics are made with fractions, so offsets, subnormals and values
of 1e308 have no rounding here; laws with mpmath where it has them, exact laws by counting with integers.
"""
import itertools
import json
import math
from fractions import Fraction as F

import mpmath as mp
import numpy as np
import scipy
import scipy.special as sp
import scipy.stats as st

mp.mp.dps = 40
rng = np.random.default_rng(20260606)
QUANTILES = (.01, .05, .1, .25, .5, .75, .9, .95, .99)


def mpf(f):
    return mp.mpf(f.numerator) / mp.mpf(f.denominator)


# ------------------------------------------------------------------ laws
def kolmogorov(t):
    t = mp.mpf(t)
    if t <= 0:
        return mp.mpf(1)
    if t < 0.3:
        return 1 - mp.sqrt(2 * mp.pi) / t * mp.fsum(mp.exp(-(2 * j - 1) ** 2 * mp.pi ** 2 / (8 * t * t)) for j in range(1, 30))
    return 2 * mp.fsum((-1) ** (j - 1) * mp.exp(-2 * j * j * t * t) for j in range(1, 60))


def smirnov_two_sided(n, d):
    """Twice the one-sided law, which is the two-sided one where both sides cannot be reached at once."""
    x, total = mp.mpf(d), (1 - mp.mpf(d)) ** n
    for v in range(1, int(math.floor(n * (1 - d))) + 1):
        y = x + mp.mpf(v) / n
        if y < 1:
            total += x * mp.binomial(n, v) * y ** (v - 1) * (1 - y) ** (n - v)
    return 2 * total


def durbin(n, d):
    """P(distance >= d) of n values, by the matrix with exact fractions."""
    t = n * F(d)
    k = math.ceil(t)
    h, m = k - t, 2 * k - 1
    a = [[F(0)] * m for _ in range(m)]
    for i in range(m):
        for j in range(m):
            if i - j + 1 >= 0:
                a[i][j] = F(1, math.factorial(i - j + 1))
    for i in range(m):
        a[i][0] -= h ** (i + 1) / math.factorial(i + 1)
        a[m - 1][i] -= h ** (m - i) / math.factorial(m - i)
    a[m - 1][0] += max(2 * h - 1, F(0)) ** m / math.factorial(m)
    row = [F(int(i == k - 1)) for i in range(m)]
    for _ in range(n):
        row = [sum(row[i] * a[i][j] for i in range(m)) for j in range(m)]
    return 1 - row[k - 1] * math.factorial(n) / F(n) ** n


def finite(n, d):
    """p and log10 p, as exactly as the size allows; 0 and None: too small for the way there is."""
    if d >= 1:
        return 0.0, None
    t2 = n * d * d
    if n * d <= .5:
        p = mp.mpf(1)
    elif n <= 20:
        p = mpf(durbin(n, d))
    elif t2 > (5 if n <= 140 else 2.2) and n <= 3000:
        p = smirnov_two_sided(n, d)
    else:
        p = mp.mpf(float(st.kstwo.sf(d, n)))
        if p < 1e-290:  # subnormal, then 0
            return 0.0, None
    return float(p), float(mp.log10(p)) if p > 0 else None


def cvm_tail(x):
    """Upper tail of the limit law by the series of the lower one, in as many digits as 1 minus it needs."""
    if x <= 0:
        return mp.mpf(1)
    with mp.workdps(int(60 + 2.2 * x)):
        total, k, x = mp.mpf(0), 0, mp.mpf(x)
        while True:
            y = 4 * k + 1
            q = mp.mpf(y) ** 2 / (16 * x)
            term = mp.gamma(k + mp.mpf(1) / 2) / mp.factorial(k) / (mp.pi ** 1.5 * mp.sqrt(x)) * mp.sqrt(y) * mp.exp(-q) \
                * mp.besselk(mp.mpf(1) / 4, q)
            total += term
            k += 1
            if term < mp.mpf(10) ** -(mp.mp.dps - 5):
                return 1 - total


def anderson_tail(z):
    """As above (T. W. Anderson, D. A. Darling, 1952, eq. 4.35)."""
    total, z = mp.mpf(0), mp.mpf(z)
    for j in range(100):
        a = (4 * j + 1) ** 2 * mp.pi ** 2 / 8
        integral = mp.quad(lambda w: mp.exp(z / (8 * (1 + w * w)) - a * (1 + w * w) / z), [0, .5, 1, 2, 4, 8, mp.inf])
        term = (-1) ** j * mp.binomial(j - mp.mpf(1) / 2, j) * (4 * j + 1) * integral
        total += term
        if abs(term) < mp.mpf(10) ** -38:
            return 1 - mp.sqrt(2 * mp.pi) / z * total


def ks_exact(m, n, h, least=0):
    """P(D >= h / lcm): integer counts of the lattice paths that stay inside."""
    g = math.gcd(m, n)
    a, b = n // g, m // g
    inside = [0] * (n + 1)
    for i in range(m + 1):
        for j in range(n + 1):
            here = 1 if i == j == 0 else (inside[j] if i else 0) + (inside[j - 1] if j else 0)
            inside[j] = here if abs(i * a - j * b) < h else 0
    return mpf(1 - F(inside[n], math.comb(m + n, n)))


# ------------------------------------------------------------------ two samples
def fractions(x):
    return [F(float(v)) for v in x]


def summary(x):
    f, n = fractions(x), len(x)
    mean = sum(f) / n
    m2, m3, m4 = (sum((v - mean) ** r for v in f) / n for r in (2, 3, 4))
    out = {"n": n, "n_unique": len(set(f)), "min": float(min(x)), "max": float(max(x)), "mean": float(mean),
           "std_ddof0": float(mp.sqrt(mpf(m2))), "std_ddof1": float(mp.sqrt(mpf(m2 * n / (n - 1)))) if n > 1 else None}
    if n > 2 and m2 > 0:
        out["skew"] = float(mpf(m3) / mpf(m2) ** mp.mpf("1.5"))
        out["kurtosis_excess"] = float(mpf(m4 / m2 ** 2 - 3))
    if max(abs(v) for v in x) < 1e300:
        out["quantile_linear"] = {str(q): float(np.quantile(x, q)) for q in QUANTILES}
    out["quantile_inverted_cdf"] = {str(q): float(np.quantile(x, q, method="inverted_cdf")) for q in QUANTILES}
    return out


def ks(x, y):
    m, n, z = len(x), len(y), np.unique(np.r_[x, y])
    diff = [F(int((x <= v).sum()), m) - F(int((y <= v).sum()), n) for v in z]
    plus, minus = max(max(diff), 0), max(-min(diff), 0)
    d, lcm = max(plus, minus), math.lcm(m, n)
    s = math.sqrt(m * n / (m + n))
    out = {"d": float(d), "d_numerator_over_lcm": [int(d * lcm), lcm], "d_plus": float(plus), "d_minus": float(minus),
           "p_kolmogorov_limit": float(sp.kolmogorov(s * float(d))),
           "log10_p_kolmogorov_limit": float(mp.log10(kolmogorov(s * float(d))))}
    ne = round(m * n / (m + n))
    out["p_scipy_asymp_kstwo"], log10 = finite(ne, float(d)) if ne else (None, None)
    if log10 is not None:
        out["log10_p_kstwo"] = log10
    if m * n <= 200000:
        out["p_exact"] = float(ks_exact(m, n, int(d * lcm)))
    return out


def midrank_t(x, y):
    m, n = len(x), len(y)
    z = np.r_[x, y]
    r = [F(2 * int((z < v).sum()) + int((z == v).sum()) + 1, 2) for v in z]
    u = m * sum((v - i) ** 2 for i, v in enumerate(r[:m], 1)) + n * sum((v - i) ** 2 for i, v in enumerate(r[m:], 1))
    return u / (m * n * (m + n)) - F(4 * m * n - 1, 6 * (m + n))


def cvm(x, y):
    m, n = len(x), len(y)
    total, k = m + n, m * n
    z = np.r_[x, y]
    t = F(k, total ** 2) * sum((F(int((x <= v).sum()), m) - F(int((y <= v).sum()), n)) ** 2 for v in z)
    mean = F(total + 1, 6 * total)
    variance = F((total + 1) * (4 * k * total - 3 * (m * m + n * n) - 2 * k), 45 * total ** 2 * 4 * k)
    out = {"ties": len(np.unique(z)) < total, "t_ecdf": float(t), "t_scipy_midrank": float(midrank_t(x, y))}
    if total < 3:
        return None
    p = cvm_tail(mp.mpf(1) / 6 + mpf(t - mean) / mp.sqrt(mpf(45 * variance)))
    out["p_asymptotic_of_t_ecdf"] = float(p)
    out["log10_p_of_t_ecdf"] = float(mp.log10(p))
    if math.comb(total, m) <= 20000:
        out["p_scipy_exact"] = cvm_exact(x, y)
    return out


def cvm_exact(x, y):
    """All orders of distinct values, one by one."""
    m, total = len(x), len(x) + len(y)
    t, as_many = midrank_t(x, y), 0
    for chosen in itertools.combinations(range(total), m):
        rest = sorted(set(range(total)) - set(chosen))
        as_many += midrank_t(np.array(chosen), np.array(rest)) >= t
    return float(F(as_many, math.comb(total, m)))


def anderson(x, y):
    m, n = len(x), len(y)
    total, z = m + n, np.unique(np.r_[x, y])
    if len(z) < 2 or total < 4:
        return None
    a2 = F(0)
    for v in z:
        own, equal = F(int((x < v).sum())) + F(int((x == v).sum()), 2), int((x == v).sum()) + int((y == v).sum())
        rank = F(int((x < v).sum()) + int((y < v).sum())) + F(equal, 2)
        a2 += F(equal, total) * (total * own - rank * m) ** 2 / (rank * (total - rank) - F(total * equal, 4))
    a2 *= F(total - 1, total) * (F(1, m) + F(1, n))
    h = sum(F(1, i) for i in range(1, total))
    g = sum(F(1, total - i) * sum(F(1, j) for j in range(i + 1, total)) for i in range(1, total - 1)) if total <= 60 else None
    if g is None:
        tail, g = mp.mpf(0), mp.mpf(0)
        for i in range(total - 2, 0, -1):
            tail += mp.mpf(1) / (i + 1)
            g += tail / (total - i)
    else:
        g = mpf(g)
    h, both, k = mpf(h), mpf(F(1, m) + F(1, n)), 2
    a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * both
    b = (2 * g - 4) * k ** 2 + 8 * h * k + (2 * g - 14 * h - 4) * both - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * k ** 2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * both + 4 * h
    d = (2 * h + 6) * k ** 2 - 4 * h * k
    sigma = mp.sqrt((a * total ** 3 + b * total ** 2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3)))
    t = (mpf(a2) - 1) / sigma
    out = {"a2_midrank": float(mpf(a2)), "statistic_standardised": float(t)}
    at = 1 + t * mp.sqrt(2 * (mp.pi ** 2 - 9) / 3)
    if at < 60:
        p = anderson_tail(at) if at > 0 else mp.mpf(1)
        out["p_limit"] = float(p)
        out["log10_p_limit"] = float(mp.log10(p))
    return out


def distances(x, y):
    f, g = sorted(fractions(x)), sorted(fractions(y))
    z = sorted(set(f + g))
    w = e = F(0)
    i = j = 0
    for a, b in zip(z, z[1:]):
        while i < len(f) and f[i] <= a:
            i += 1
        while j < len(g) and g[j] <= a:
            j += 1
        gap = F(i, len(f)) - F(j, len(g))
        w += abs(gap) * (b - a)
        e += gap ** 2 * (b - a)
    return float(w), float(mp.sqrt(2 * mpf(e)))


def two_samples(name, x, y):
    x, y = np.sort(np.asarray(x, float)), np.sort(np.asarray(y, float))
    w, e = distances(x, y)
    out = {"n1": len(x), "n2": len(y), "summary_baseline": summary(x), "summary_current": summary(y), "ks": ks(x, y),
           "wasserstein1": w, "energy_distance": e}
    if cvm(x, y):
        out["cramer_von_mises"] = cvm(x, y)
    if anderson(x, y):
        out["anderson_darling"] = anderson(x, y)
    return {"id": name, "kind": "samples", "x": x.tolist(), "y": y.tolist(), "expected": out}


def samples_cases():
    yield two_samples("one_each", [1], [2])
    yield two_samples("one_each_same", [1], [1])
    yield two_samples("one_and_two", [1], [0, 2])
    yield two_samples("one_and_three", [5], [1, 2, 3])
    yield two_samples("one_and_many", [.3], np.round(rng.normal(0, 1, 60), 3))
    yield two_samples("three_apart", [1, 2, 3], [10, 11, 12])
    yield two_samples("five_seven", [1, 2, 3, 4, 5], [2, 3, 3, 6, 7, 8, 9])
    yield two_samples("six_eight", rng.normal(0, 1, 6), rng.normal(.7, 1, 8))
    yield two_samples("all_equal", np.full(20, 7), np.full(13, 7))
    yield two_samples("two_atoms", [0] * 30 + [1] * 10, [0] * 9 + [1] * 21)
    yield two_samples("constant_and_not", np.zeros(40), rng.normal(0, 1, 25))
    yield two_samples("apart", np.arange(150), np.arange(140) + 1000)
    yield two_samples("nearly_equal", np.arange(90), np.arange(90) + .5)
    yield two_samples("poisson", rng.poisson(3, 300), rng.poisson(3.6, 170))
    yield two_samples("normal_shift", np.round(rng.normal(0, 1, 400), 6), np.round(rng.normal(.3, 1, 377), 6))
    yield two_samples("lognormal", np.round(rng.lognormal(0, 2, 250), 9), np.round(rng.lognormal(.1, 2.2, 249), 9))
    yield two_samples("offset_1e15", 1e15 + np.round(rng.normal(0, 50, 200)), 1e15 + np.round(rng.normal(10, 50, 150)))
    yield two_samples("offset_1e9_narrow", 1e9 + rng.normal(0, 1e-3, 180), 1e9 + rng.normal(3e-4, 1e-3, 90))
    yield two_samples("subnormal", rng.integers(-50, 50, 100) * 5e-324, rng.integers(-40, 60, 90) * 5e-324)
    yield two_samples("huge", rng.uniform(-1, 1, 60) * 1.7e308, rng.uniform(-.5, 1, 80) * 1.7e308)
    yield two_samples("tiny_and_huge", [5e-324, 1e-300, 1, 1e300, 1.7e308], [-1.7e308, -1e-310, 0, 2, 1e308, 1.1e308])
    yield two_samples("signed_zero", [0., -0., 1, -1], [-0., 0., 2])


# ------------------------------------------------------------------ laws by themselves
def law_cases():
    def case(law, args, **expected):
        return {"id": "_".join([law] + [repr(a) for a in args]), "kind": "law", "law": law, "args": list(args), "expected": expected}

    for n in (1, 2, 3, 7, 20, 21, 60, 139, 140, 141, 142, 300, 1000, 3000, 20000, 100000, 1000000):
        done = set()
        for x in [.3 / n, .5 / n, .51 / n, .9 / n, 1 / n, 1.3 / n, .5, .6, 1 - 1.5 / n, 1 - .5 / n, 1] + \
                [math.sqrt(v / n) for v in (.05, .1, .2, .3, .5, .75, .76, 1, 1.5, 2, 2.19, 2.21, 3.9, 4.1, 6, 17, 20, 150, 369, 371)]:
            if not 0 < x <= 1 or x in done:
                continue
            done.add(x)
            p, log10 = finite(n, x)
            e = {"p": p} if p > 1e-290 or x == 1 else {}
            if log10 is not None and p < 1:
                e["log10"] = log10
            if e:
                yield case("ks_finite", (x, n), **e)
    for m, n in ((1, 1), (1, 9), (2, 3), (7, 7), (8, 12), (30, 17), (64, 64), (100, 37), (211, 180), (150, 450), (1, 3000)):
        lcm = math.lcm(m, n)
        s = math.sqrt(m * n / (m + n))
        for h in sorted({1, 2, lcm // 3, lcm // 2, lcm - 1, lcm} | {int(lcm * v / s) for v in (.4, .7, 1, 1.5, 2.2, 4)}):
            if 0 < h <= lcm:
                yield case("ks_exact", (h / lcm, m, n), p=float(ks_exact(m, n, h)))
    for x in (-1., 0., .003, .01, .02, .03, .05, .08, .1, .1667, .25, .347, .461, .743, 1., 1.168, 2., 4., 8., 20., 41., 43., 100., 130.):
        p = cvm_tail(x)
        yield case("cvm", (x,), p=float(p), log10=float(mp.log10(p)))
    for x in (-1., 0., .03, .06, .1, .2, .5, .8, 1., 1.5, 1.933, 2.492, 3.857, 5., 8., 15., 30., 60.):
        p = anderson_tail(x) if x > 0 else mp.mpf(1)
        yield case("anderson", (x,), p=float(p), log10=float(mp.log10(p)))


def main():
    cases = [c for f in (samples_cases, law_cases) for c in f()]
    head = {"about": "made by make_samples.py", "numpy": np.__version__, "scipy": scipy.__version__, "mpmath": mp.__version__}
    body = ",\n".join("  " + json.dumps(c, allow_nan=False) for c in cases)
    print(json.dumps(head)[:-1] + ', "cases": [\n' + body + "\n]}")


if __name__ == "__main__":
    main()
