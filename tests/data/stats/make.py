#!/usr/bin/env python3
"""Reference values for the statistics, computed with scipy and mpmath and none of driftd's code.

    python3 make.py > expected.json

Needs python3-numpy, -scipy, -mpmath.  Fixed seeds: the same versions give the same bytes.  Keys are those of
tests/unit/stats/values.h; `null` = not defined.
"""
import json
import math

import mpmath as mp
import numpy as np
import scipy
import scipy.special as sp
import scipy.stats as st
from scipy.spatial.distance import jensenshannon

mp.mp.dps = 40
rng = np.random.default_rng(20260101)


def log10_chi2(x, k):
    if x <= 0:
        return 0.0
    if k <= 0:
        return None
    return float(mp.log10(mp.gammainc(mp.mpf(k) / 2, mp.mpf(x) / 2, mp.inf, regularized=True)))


def log10_normal2(z):
    return float((math.log(2) + sp.log_ndtr(-abs(z))) / math.log(10))


def kolmogorov(t):
    if t <= 0:
        return mp.mpf(1)
    if t < 0.3:
        s = mp.nsum(lambda j: mp.exp(-(2 * j - 1) ** 2 * mp.pi ** 2 / (8 * mp.mpf(t) ** 2)), [1, 30])
        return mp.sqrt(2 * mp.pi) / t * s * -1 + 1
    return 2 * mp.fsum((-1) ** (j - 1) * mp.exp(-2 * j * j * mp.mpf(t) ** 2) for j in range(1, 60))


def ncx2_sf(x, k, lam):
    """Poisson mixture in 40 digits."""
    mu, total, j = mp.mpf(lam) / 2, mp.mpf(0), 0
    stop = int(lam / 2 + 40 * math.sqrt(lam / 2 + 1) + x + 200)
    q = mp.gammainc(mp.mpf(k) / 2, mp.mpf(x) / 2, mp.inf, regularized=True)
    density = mp.exp(-mp.mpf(x) / 2 + mp.mpf(k) / 2 * mp.log(mp.mpf(x) / 2) - mp.loggamma(mp.mpf(k) / 2 + 1))
    w = mp.exp(-mu)
    for j in range(stop):
        total += w * q
        q += density
        density *= mp.mpf(x) / 2 / (mp.mpf(k) / 2 + j + 1)
        w *= mu / (j + 1)
    return total


# ------------------------------------------------------------------ two count vectors
def js_distance(c1, c2):
    """scipy's jensenshannon, in 40 digits: near equality the terms of the plain sum cancel."""
    s, m, n = mp.mpf(0), mp.mpf(int(c1.sum())), mp.mpf(int(c2.sum()))
    for a, b in zip(c1.tolist(), c2.tolist()):
        p, q = a / m, b / n
        s += (p * mp.log(2 * p / (p + q), 2) if p else 0) + (q * mp.log(2 * q / (p + q), 2) if q else 0)
    js = float(mp.sqrt(max(s / 2, 0)))
    plain = float(jensenshannon(c1 / c1.sum(), c2 / c2.sum(), base=2)) if len(c1) > 1 else 0.0
    assert math.isnan(plain) or abs(js - plain) < 1e-7
    return js


def psi_rules(c1, c2):
    k, m, n = len(c1), c1.sum(), c2.sum()
    p, q = c1 / m, c2 / n
    used = (c1 > 0) | (c2 > 0)
    both = (c1 > 0) & (c2 > 0)

    def f(a, b):
        return math.fsum((b - a) * np.log(b / a))

    b = used.sum()
    return {
        "add_half": f((c1[used] + .5) / (m + .5 * b), (c2[used] + .5) / (n + .5 * b)),
        "none": f(p[both], q[both]) if (used == both).all() else None,
        "drop_zero_bins": f(p[both], q[both]),
        "eps1e-4_zero": f(np.where(p == 0, 1e-4, p), np.where(q == 0, 1e-4, q)),
        "eps1e-4_clip": f(np.maximum(p, 1e-4), np.maximum(q, 1e-4)),
        "eps1e-6_zero": f(np.where(p == 0, 1e-6, p), np.where(q == 0, 1e-6, q)),
        "eps1e-4_add_renorm": f((p + 1e-4) / (1 + k * 1e-4), (q + 1e-4) / (1 + k * 1e-4)),
        "laplace1": f((c1 + 1) / (m + k), (c2 + 1) / (n + k)),
        "jeffreys0.5": f((c1 + .5) / (m + .5 * k), (c2 + .5) / (n + .5 * k)),
    }


def g_statistic(t):
    """scipy's log-likelihood form, in 40 digits: its terms cancel."""
    total = mp.mpf(int(t.sum()))
    g = float(2 * mp.fsum(mp.mpf(int(o)) * mp.log(mp.mpf(int(o)) * total / (int(r) * mp.mpf(int(c))))
                          for row, r in zip(t, t.sum(1)) for o, c in zip(row, t.sum(0)) if o))
    plain = st.chi2_contingency(t, correction=False, lambda_="log-likelihood")[0]
    assert abs(g - plain) <= 1e-6 * (1 + g), (g, plain)
    return g


def homogeneity(c1, c2):
    t = np.array([c1, c2], float)
    t = t[:, t.sum(0) > 0]
    k = t.shape[1]
    if k < 2:
        return {"k_nonempty": k, "dof": 0, "chi2": 0.0, "chi2_p": 1.0, "g": 0.0, "g_p": 1.0, "cramers_v": 0.0}
    x, p, dof, ex = st.chi2_contingency(t, correction=False)
    g = g_statistic(t)
    return {"k_nonempty": k, "dof": int(dof), "min_expected": float(ex.min()),
            "n_expected_below_5": int((ex < 5).sum()),
            "chi2": float(x), "chi2_p": float(p), "chi2_log10_p": log10_chi2(x, dof),
            "g": g, "g_p": float(st.chi2.sf(g, dof)), "g_log10_p": log10_chi2(g, dof),
            "cramers_v": math.sqrt(x / t.sum())}


def pool(c1, c2, tail=0):
    """Cells below an expected count of 5 in the smaller row into one, the last `tail` ones too; the smallest other joins it when needed."""
    m, n = c1.sum(), c2.sum()
    share = min(m, n) / (m + n)
    cells = [(a, b, i >= len(c1) - tail or (a + b) * share < 5) for i, (a, b) in enumerate(zip(c1, c2)) if a + b]
    keep, rare = ([(a, b) for a, b, small in cells if small == want] for want in (False, True))
    if rare and keep and sum(map(sum, rare)) * share < 5:
        i = min(range(len(keep)), key=lambda j: sum(keep[j]))
        rare.append(keep.pop(i))
    out = keep + ([tuple(map(sum, zip(*rare)))] if rare else [])
    return np.array([c[0] for c in out]), np.array([c[1] for c in out])


def bracket(c1, c2):
    F, G = np.cumsum(c1) / c1.sum(), np.cumsum(c2) / c2.sum()
    F0, G0, w, v = np.r_[0, F[:-1]], np.r_[0, G[:-1]], c1 / c1.sum(), c2 / c2.sum()

    def pos(a):
        return np.maximum(a, 0)
    hi = np.maximum(np.minimum(pos(G - F) + w, pos(G0 - F0) + v), np.minimum(pos(F - G) + v, pos(F0 - G0) + w)).max()
    return float(np.abs(F - G).max()), float(min(hi, 1))


def counts_case(name, c1, c2):
    c1, c2 = np.asarray(c1, np.int64), np.asarray(c2, np.int64)
    f1, f2 = c1.astype(float), c2.astype(float)
    m, n, k = f1.sum(), f2.sum(), len(c1)
    ne = m * n / (m + n)
    bins = int(((c1 > 0) | (c2 > 0)).sum())
    psi = psi_rules(f1, f2)
    lo, hi = bracket(f1, f2)
    x = ne * psi["add_half"]
    l1, l2 = (f1 + 1) / (m + k), (f2 + 1) / (n + k)
    a, b = pool(c1, c2)
    grid_t = math.sqrt(ne) * lo + .5826 / math.sqrt(bins)
    out = {"psi": psi, "js_distance_base2": js_distance(c1, c2),
           "hellinger": math.sqrt(.5 * math.fsum((np.sqrt(c1 / m) - np.sqrt(c2 / n)) ** 2)),
           "total_variation": .5 * math.fsum(np.abs(c1 / m - c2 / n)),
           "kl_base_cur_laplace1_nats": math.fsum(l1 * np.log(l1 / l2)),
           **homogeneity(c1, c2), "pooled": homogeneity(a, b), "pooled_cells": len(a),
           "ks_low": lo, "ks_high": hi, "ks_p_grid": float(kolmogorov(grid_t)),
           "psi_noise": (bins - 1) * (1 / n + 1 / m),
           "psi_p": float(st.chi2.sf(x, bins - 1)) if bins > 1 else 1.0}
    if bins > 1 and ne < 2e4:
        out["psi_p_tolerance_.01"] = float(ncx2_sf(x, bins - 1, ne * .01)) if x > 0 else 1.0
        r = math.sqrt(.01) + math.sqrt(st.chi2.ppf(.95, bins - 1) / m)
        out["psi_tolerance_.01"] = r * r
    return {"id": name, "kind": "counts", "p": c1.tolist(), "q": c2.tolist(), "expected": out}


def counts_cases():
    yield counts_case("even", [1000] * 10, [120, 90, 100, 80, 110, 95, 105, 130, 85, 85])
    yield counts_case("one_cell", [50], [40])
    yield counts_case("one_value_each", [1, 0], [0, 1])
    yield counts_case("one_of_two", [1, 1], [0, 1])
    yield counts_case("disjoint", [30, 20, 0, 0], [0, 0, 10, 15])
    yield counts_case("both_empty", [10, 0, 20, 0], [12, 0, 15, 3])
    yield counts_case("only_one_used", [0, 9, 0], [0, 4, 0])
    yield counts_case("equal", [10, 20, 30], [10, 20, 30])
    yield counts_case("equal_shares", [10, 20, 30], [1000, 2000, 3000])
    yield counts_case("large", [10**9, 2 * 10**9, 3 * 10**9], [10**9 + 10**5, 2 * 10**9, 3 * 10**9])
    for k, m, n in ((2, 100, 100), (3, 50, 9), (10, 20000, 1000), (10, 336000, 200), (20, 5000, 5000), (66, 12596, 470),
                    (102, 20000, 1000), (102, 300, 30), (500, 3000, 2000), (1000, 10**6, 10**5)):
        w = rng.dirichlet(np.full(k, .7))
        for shift in (0, .05, .5):
            v = w * np.exp(rng.normal(0, 1, k) * shift) if shift else w
            yield counts_case(f"k{k}_m{m}_n{n}_shift{shift}", rng.multinomial(m, w), rng.multinomial(n, v / v.sum()))


# ------------------------------------------------------------------ samples
def samples_case(name, x, y):
    x, y = np.sort(x), np.sort(y)
    m, n = len(x), len(y)
    a = st.ks_2samp(x, y, method="asymp")
    g = math.gcd(m, n)
    s = math.sqrt(m * n / (m + n))
    d = float(a.statistic)
    out = {"d": d, "d_numerator_over_lcm": [int(round(d * (m // g * n))), m // g * n],
           "d_plus": float(st.ks_2samp(x, y, alternative="greater", method="asymp").statistic),
           "d_minus": float(st.ks_2samp(x, y, alternative="less", method="asymp").statistic),
           "p_kolmogorov_limit": float(sp.kolmogorov(s * d)),
           "log10_p_kolmogorov_limit": float(mp.log10(kolmogorov(s * d))),
           "p_stephens": float(sp.kolmogorov((s + .12 + .11 / s) * d)),
           "log10_p_stephens": float(mp.log10(kolmogorov((s + .12 + .11 / s) * d)))}
    return {"id": name, "kind": "samples", "x": x.tolist(), "y": y.tolist(), "expected": out}


def samples_cases():
    yield samples_case("one_each", [1.], [2.])
    yield samples_case("one_each_same", [1.], [1.])
    yield samples_case("five_seven", [1., 2, 3, 4, 5], [2., 3, 3, 6, 7, 8, 9])
    yield samples_case("all_equal", np.full(20, 7.), np.full(13, 7.))
    yield samples_case("apart", np.arange(30.), np.arange(30.) + 100)
    yield samples_case("poisson", rng.poisson(3, 300).astype(float), rng.poisson(3.6, 170).astype(float))
    yield samples_case("normal_shift", rng.normal(0, 1, 400), rng.normal(.3, 1, 377))
    yield samples_case("offset_1e15", 1e15 + np.round(rng.normal(0, 50, 200)), 1e15 + np.round(rng.normal(10, 50, 150)))
    yield samples_case("subnormal", rng.integers(-50, 50, 100) * 5e-324, rng.integers(-40, 60, 90) * 5e-324)
    yield samples_case("huge", rng.uniform(-1, 1, 60) * 1.7e308, rng.uniform(-.5, 1, 80) * 1.7e308)
    yield samples_case("signed_zero", [0., -0., 1, -1], [-0., 0., 2])


# ------------------------------------------------------------------ proportions
def proportion_case(k1, n1, k2, n2):
    p1, p2, pp = k1 / n1, k2 / n2, (k1 + k2) / (n1 + n2)
    pooled = math.sqrt(pp * (1 - pp) * (1 / n1 + 1 / n2))
    unpooled = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    w = [st.binomtest(k, n).proportion_ci(.95, method="wilson") for k, n in ((k1, n1), (k2, n2))]
    fisher_up = hypergeom_sf(k1, n1, k2, n2)
    fisher_down = hypergeom_sf(n1 - k1, n1, n2 - k2, n2)
    out = {"k1": k1, "n1": n1, "k2": k2, "n2": n2, "rate1": p1, "rate2": p2, "diff": p2 - p1,
           "wilson95_rate1": [w[0].low, w[0].high], "wilson95_rate2": [w[1].low, w[1].high],
           "p_rise": fisher_up, "p_change": min(1.0, 2 * min(fisher_up, fisher_down))}
    if pooled:
        z = (p2 - p1) / pooled
        out.update(z_pooled=z, p_pooled=float(2 * st.norm.sf(abs(z))), log10_p_pooled=log10_normal2(z))
    if unpooled:
        z = (p2 - p1) / unpooled
        out.update(z_unpooled=z, p_unpooled=float(2 * st.norm.sf(abs(z))))
    return {"id": f"{k1}/{n1}_{k2}/{n2}", "kind": "proportion", "expected": out}


def hypergeom_sf(k1, n1, k2, n2):
    """P(X >= k2) by summing exact fractions' terms in 40 digits."""
    hits, total = k1 + k2, n1 + n2
    term = mp.binomial(hits, k2) * mp.binomial(total - hits, n2 - k2) / mp.binomial(total, n2)
    s, x = mp.mpf(0), k2
    while x <= min(n2, hits):
        s += term
        term *= mp.mpf((hits - x) * (n2 - x)) / ((x + 1) * (total - hits - n2 + x + 1))
        x += 1
    return float(min(s, mp.mpf(1)))


def proportion_cases():
    for c in ((0, 10, 0, 10), (10, 10, 10, 10), (0, 1, 1, 1), (1, 1, 0, 1), (0, 1000, 1, 1), (0, 100000, 3, 500),
              (2, 10, 3, 10), (50, 1000, 75, 1000), (50, 100000, 15, 10000), (5, 20000, 0, 1000), (4237, 9000, 3768, 8192),
              (11743, 25192, 12833, 22544), (999, 1000, 990, 1000), (1000, 1000, 990, 1000), (7, 7, 0, 7),
              (30000, 300000, 2100, 20000), (1, 10**8, 4, 10**6), (500, 1000, 501, 1000), (300, 1000, 100, 1000), (50000, 100000, 1, 100000)):
        yield proportion_case(*c)


# ------------------------------------------------------------------ tails
def tail_case(law, args, p):
    log10 = float(mp.log10(p)) if p > 0 else None
    out = {"area": float(p)}
    if law != "noncentral":
        out["log10"] = log10
    return {"id": "_".join([law] + [repr(a) for a in args]), "kind": "tail", "law": law, "args": list(args),
            "expected": out}


def tail_cases():
    for z in (0., .5, -1.3, 1.96, 5., 8.5, 20., 37., 38.6, 100.):
        yield tail_case("normal2", (z,), mp.erfc(abs(mp.mpf(z)) / mp.sqrt(2)))
    for k in (1., 2., 3., 9., 10., 65., 101., 1000., 20000.):
        for r in (.01, .5, .9, 1., 1.1, 1.5, 2., 4., 20., 200.):
            x = k * r
            if r < 4 or k < 2000:
                yield tail_case("chi2", (x, k), mp.gammainc(mp.mpf(k) / 2, mp.mpf(x) / 2, mp.inf, regularized=True))
    for t in (.1, .2, .3, .5, .8, .9, .999, 1., 1.001, 1.128, 1.36, 1.7, 1.95, 3., 10., 18., 25., 60.):
        yield tail_case("kolmogorov", (t,), kolmogorov(t))
    for x, k, lam in ((20., 9., 5.), (60., 9., 10.), (150., 19., 40.), (1., 1., .01), (5., 9., 0.), (3., 9., 30.),
                      (400., 9., 30.), (1500., 9., 100.), (2000., 101., 1000.), (1000., 101., 1000.), (30., 2., 1e-9),
                      (10500., 9., 10000.), (9000., 9., 10000.)):
        yield tail_case("noncentral", (x, k, lam), ncx2_sf(x, k, lam))


# ------------------------------------------------------------------ volume
def volume_case(base, n):
    b = np.asarray(base, float)
    mean = b.mean()
    var = max(b.var(ddof=1) if len(b) > 1 else 0, mean) * (1 + 1 / len(b))
    if var <= mean * (1 + 1e-9):
        lo, up = st.poisson.cdf(n, mean), st.poisson.sf(n - 1, mean)
    else:
        r, p = mean * mean / (var - mean), mean / var
        lo, up = st.nbinom.cdf(n, r, p), st.nbinom.sf(n - 1, r, p)
    return {"id": f"{len(base)}_windows_{n}", "kind": "volume", "base": list(map(int, base)), "n": n,
            "expected": {"effect": abs(math.log((n + .5) / (mean + .5))), "value": n / mean, "baseline": mean,
                         "p_value": float(min(1, 2 * min(lo, up)))}}


def volume_cases():
    for base, n in (([10], 10), ([10], 0), ([10], 30), ([100, 120, 80, 95], 97), ([100, 120, 80, 95], 300),
                    ([100, 120, 80, 95], 10), ([1000, 3000, 200, 900, 1500], 0), ([1000, 3000, 200, 900, 1500], 9000),
                    ([5, 0, 0, 7, 1], 2), ([1, 0, 0, 0, 0], 4), ([4000] * 30, 4000), ([4000] * 30, 4300)):
        yield volume_case(base, n)


# ------------------------------------------------------------------ the whole row of a column
SPECIALS = 4    # null, missing, nonfinite, wrong_type
NOT_DEFINED = {"why": 4, "effect": 0, "value": 0, "baseline": 0, "low": 0, "high": 0, "p_value": 0, "dof": 0}


def row(effect, value, p=0.0, baseline=0.0, low=None, high=None, dof=0):
    return {"why": 0, "effect": float(effect), "value": float(value), "baseline": float(baseline),
            "low": float(value if low is None else low), "high": float(value if high is None else high),
            "p_value": float(p), "dof": float(dof)}


def reason(why):
    return dict(NOT_DEFINED, why=why)


def rate_row(k1, n1, k2, n2):
    if not n1 or not n2:
        return reason(2 if n1 else 1)
    w = st.binomtest(k2, n2).proportion_ci(.95, method="wilson")
    return row(k2 / n2 - k1 / n1, k2 / n2, hypergeom_sf(k1, n1, k2, n2), k1 / n1, w.low, w.high)


def ks_row(c1, c2):
    m, n = c1.sum(), c2.sum()
    lo, hi = bracket(c1.astype(float), c2.astype(float))
    used = np.flatnonzero(c1 + c2)
    if len(used) == 1:
        return reason(3)
    if len(used) == 2:
        a, b = int(c1[used[0]]), int(c2[used[0]])
        p = min(1, 2 * min(hypergeom_sf(a, int(m), b, int(n)), hypergeom_sf(int(m) - a, int(m), int(n) - b, int(n))))
    else:
        p = kolmogorov(math.sqrt(m * n / (m + n)) * lo + .5826 / math.sqrt(len(used)))
    return row(lo, lo, p, low=lo, high=hi)


def proportion_row(c1, c2):
    n, missed = int(c2.sum()), hidden(c1[:-2])
    if 100 * missed >= c1.sum():  # the others are one class, which is not looked at
        looked, rest = len(c1) - 2, 1
    else:
        looked, rest, c1 = len(c1), 0, c1 + np.r_[np.zeros(len(c1) - 1, np.int64), missed]
    m = int(c1.sum())
    d = (c2 / n - c1 / m)[:looked]
    i = max((i for i in range(looked) if abs(d[i]) > abs(d).max() - 1e-12), key=lambda i: (d[i] > 0, -i))
    a, b = int(c1[i]), int(c2[i])
    classes = int(((c1 + c2)[:looked] > 0).sum()) + rest
    p = min(1, 2 * min(hypergeom_sf(a, m, b, n), hypergeom_sf(m - a, m, n - b, n)))
    if classes > 2:
        p = min(1, classes * p)
    w = st.binomtest(b, n).proportion_ci(.95, method="wilson")
    return row(abs(d[i]), b / n, p, a / m, w.low, w.high, 0)


def outside_row(k1, n1, k2, n2):
    """The range is that of the baseline's own values: at most k1 + 1 of the k1 + k2 + 1 outermost ones are the baseline's."""
    out = rate_row(k1, n1, k2, n2)
    if n1 and n2:
        out["p_value"] = float(st.hypergeom(n1 + n2, n1, k1 + k2 + 1).cdf(k1 + 1))
    return out


def hidden(known):
    """Values that a sample has missed at most, by those that it has once and twice (Good, Turing)."""
    once, twice = int((known == 1).sum()), int((known == 2).sum())
    return min(int(known.sum()), math.ceil(once + 1.645 * math.sqrt(once + 2 * twice))) if once else 0


def measure_case(name, kind, base, cur, bin_end=None, bounded=False):
    base, cur = np.asarray(base, np.int64), np.asarray(cur, np.int64)
    s1, s2, c1, c2 = base[:SPECIALS], cur[:SPECIALS], base[SPECIALS:], cur[SPECIALS:]
    starts = [0] + bin_end[:-1] if bin_end else range(len(c1))
    b1, b2 = np.add.reduceat(c1, starts), np.add.reduceat(c2, starts)
    t1, t2, m, n = int(base.sum()), int(cur.sum()), float(c1.sum()), float(c2.sum())
    why = 1 if not m else 2 if not n else 3 if ((b1 + b2) > 0).sum() < 2 else 0
    out = {"volume": reason(4)}
    if why:
        for k in ("psi", "psi_raw", "js", "chi2", "proportion", "ks"):
            out[k] = reason(why)
        if why == 3 and kind == "numeric":
            out["ks"] = ks_row(c1, c2)
    else:
        bins = int(((b1 + b2) > 0).sum())
        psi = psi_rules(b1.astype(float), b2.astype(float))["add_half"]
        p = st.chi2.sf(m * n / (m + n) * psi, bins - 1)
        js = js_distance(b1, b2)
        pooled = pool(b1, b2, 2 if kind == "categorical" else 0)
        chi2 = homogeneity(*pooled)
        shares = np.array([x / np.sum(x) for x in pooled])
        shares = shares[:, shares.sum(0) > 0]
        even = math.sqrt(st.chi2_contingency(shares, correction=False)[0] / 2) if shares.shape[1] > 1 else 0
        out["psi_raw"] = row(psi, psi, p, dof=bins - 1)
        if kind == "categorical":  # the corrected one with what is less than one value expected, rare and unseen together
            small = (b1 + b2) * np.minimum(m / 5, n) / (m + n) < 1
            small[-2:] = True
            few = [np.r_[b[~small], b[small].sum()] for b in (b1, b2)]
            bins = int(((few[0] + few[1]) > 0).sum())
            psi = psi_rules(few[0].astype(float), few[1].astype(float))["add_half"]
            p = out["psi_raw"]["p_value"] = float(st.chi2.sf(m * n / (m + n) * psi, bins - 1)) if bins > 1 else 1.0
        out["psi"] = row(max(0, psi - (bins - 1) * (1 / n + 1 / m)), psi, p, dof=bins - 1)
        out["js"] = row(js, js)
        out["chi2"] = row(even, chi2["chi2"], chi2["chi2_p"], dof=chi2["dof"])
        out["ks"] = ks_row(c1, c2)
        out["proportion"] = proportion_row(c1, c2)
    out["ks" if kind == "categorical" else "proportion"] = reason(4)
    out["null_rate"] = rate_row(int(s1[0]), t1, int(s2[0]), t2)
    out["missing_rate"] = rate_row(int(s1[1]), t1, int(s2[1]), t2)
    out["invalid_rate"] = rate_row(int(s1[2] + s1[3]), t1, int(s2[2] + s2[3]), t2)
    out["unseen_rate"] = rate_row(int(c1[-1]) + hidden(c1[:-2]), t1, int(c2[-1]), t2) if kind == "categorical" else reason(4)
    out["out_of_range_rate"] = outside_row(int(c1[0] + c1[-1]), t1, int(c2[0] + c2[-1]), t2) if bounded else reason(4)
    return {"id": name, "kind": "measure", "column": kind, "bounded": bounded, "bin_end": bin_end,
            "base": base.tolist(), "cur": cur.tolist(), "expected": out}


def measure_cases():
    none = [0] * SPECIALS
    ten = [10, 20, 30, 40, 50, 60, 70, 80, 90, 103]

    def numeric(name, base, cur, **kw):
        return measure_case(name, "numeric", base, cur, **kw)

    def percentiles(m, w):
        return np.r_[rng.multinomial(m // 50, [.7, .1, .1, .1]), 0, rng.multinomial(m, w), 0]
    even = np.full(101, 1 / 101)
    tilted = even * np.exp(np.linspace(-.3, .3, 101))
    tilted /= tilted.sum()
    for m, n, w in ((20000, 1000, even), (20000, 1000, tilted), (300, 30, even), (300000, 20000, tilted)):
        yield numeric(f"percentiles_{m}_{n}", percentiles(m, even), percentiles(n, w), bin_end=ten, bounded=True)
    yield numeric("out_of_range", none + [0, 100, 100, 0], none + [7, 90, 80, 15], bounded=True)
    yield numeric("open", [5, 0, 0, 0, 50, 60], [9, 1, 2, 3, 55, 40])
    yield numeric("moved_constant", none + [0, 500, 0], none + [0, 0, 40], bounded=True)
    yield numeric("constant", none + [0, 500, 0], none + [0, 40, 0], bounded=True)
    yield numeric("one_bin_three_cells", none + [100, 100, 100], none + [10, 20, 40], bin_end=[3])
    yield numeric("no_baseline", [3, 0, 0, 0, 0, 0], [0, 1, 0, 0, 5, 5])
    yield numeric("no_data", [3, 0, 0, 0, 5, 0], [4, 1, 2, 1, 0, 0])
    yield numeric("nothing", none + [0, 0], none + [0, 0])
    yield numeric("one_event", none + [50, 50, 50], none + [0, 0, 1])
    for name, base, cur in (("binary", [9000, 1000, 0, 0], [880, 120, 0, 0]), ("binary_few", [40, 10, 0, 0], [2, 3, 0, 0]),
                            ("three", [500, 300, 200, 0, 0], [40, 40, 25, 0, 0]), ("new", [500, 300, 2, 0], [50, 20, 0, 9]),
                            ("rare", [500, 300, 40, 0], [50, 20, 9, 1]), ("same", [40, 0, 0], [11, 0, 0])):
        yield measure_case(name, "categorical", [7, 3, 0, 1] + base, [2, 9, 0, 0] + cur)
    w = rng.dirichlet(np.full(66, .3))
    yield measure_case("open_vocabulary", "categorical", none + [700, 200] + [40] * 5 + [2] * 30 + [1] * 90 + [0, 0],
                       none + [60, 25] + [4] * 5 + [0] * 20 + [1] * 10 + [0] * 85 + [1] * 5 + [0, 16])
    yield measure_case("many_categories", "categorical", np.r_[none, rng.multinomial(12596, w), 20, 0],
                       np.r_[none, rng.multinomial(470, w), 3, 2])


def main():
    makers = (counts_cases, samples_cases, proportion_cases, tail_cases, volume_cases, measure_cases)
    cases = [c for f in makers for c in f()]
    head = {"about": "made by make.py", "numpy": np.__version__, "scipy": scipy.__version__, "mpmath": mp.__version__}
    body = ",\n".join("  " + json.dumps(c, allow_nan=False) for c in cases)
    print(json.dumps(head)[:-1] + ', "cases": [\n' + body + "\n]}")


if __name__ == "__main__":
    main()
