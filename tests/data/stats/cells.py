#!/usr/bin/env python3
"""Reference values for statistics on cells (cells.h, max_cell.h, psi.h's interval), by numpy and scipy, none of driftd's
code.

    python3 cells.py > cells.json

Needs python3-numpy, -scipy.  Fixed seeds: the same versions give the same bytes.  The laws of Cramer-von Mises and
Anderson-Darling come from the eigenvalues of the bridge's covariance: `expected` has the approximation that the header
names, `law` the exact tail by inverting the characteristic function (J. P. Imhof, 1961).
"""
import json
import math

import numpy as np
import scipy
import scipy.optimize as so
import scipy.special as sp
import scipy.stats as st
from scipy.integrate import quad

rng = np.random.default_rng(20260102)


def single(edges, j):
    return 0 < j < len(edges) and np.nextafter(edges[j - 1], np.inf) == edges[j]


# ------------------------------------------------------------------ Wasserstein-1
def wasserstein(p, q, edges):
    F, G = np.cumsum(p) / p.sum(), np.cumsum(q) / q.sum()
    w1 = low = high = 0.0
    for j in range(1, len(edges)):
        width, b, a = edges[j] - edges[j - 1], G[j - 1] - F[j - 1], G[j] - F[j]
        w, v = p[j] / p.sum(), q[j] / q.sum()
        if single(edges, j):
            w1, low, high = (s + width * abs(b) for s in (w1, low, high))
            continue
        cut = [0, 1] if a * b >= 0 else [0, b / (b - a), 1]
        for x, y in zip(cut, cut[1:]):          # trapezoids of the straight line, cut where it is 0
            w1 += width * (y - x) * (abs(b + x * (a - b)) + abs(b + y * (a - b))) / 2
        ends = (b - w, b + v)
        low += width * (0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends)))
        high += width * max(map(abs, ends))
    return w1, low, high


def spread(p, edges):
    """Moments of the mixture by numeric integration; bounds by pairs and by corners."""
    m, cells = p.sum(), np.flatnonzero(p)
    ends = [(edges[0], edges[0]) if j == 0 else (edges[-1], edges[-1]) if j == len(edges)
            else (edges[j], edges[j]) if single(edges, j) else (edges[j - 1], edges[j]) for j in range(len(p))]
    mean = square = 0.0
    for j in cells:
        l, r = ends[j]
        h, share = r - l, p[j] / m
        side = 0 if len(cells) == 1 else 1 if j == cells[-1] else -1 if j == cells[0] else 0
        k = j - side
        reach = (ends[k][1] - ends[k][0]) * p[j] / p[k] if side and p[k] else np.inf
        if h > 0 and reach < .98 * h and reach > 0:
            t = so.brentq(lambda t: t * -np.expm1(-h / t) - reach, reach * .9, 1e6 * h, xtol=1e-300, rtol=1e-14)
            inside = -np.expm1(-h / t)
            u1 = quad(lambda y: y * math.exp(-y / t) / t / inside, 0, h, points=[min(5 * t, h)], epsabs=0, limit=400)[0]
            u2 = quad(lambda y: y * y * math.exp(-y / t) / t / inside, 0, h, points=[min(5 * t, h)], epsabs=0, limit=400)[0]
            x1 = l + u1 if side > 0 else r - u1
            x2 = x1 * x1 + u2 - u1 * u1
        else:
            x1, x2 = (l + r) / 2, (l * l + l * r + r * r) / 3
        mean += share * x1
        square += share * x2
    apart = sum(p[i] * p[j] / m / m * max(ends[j][0] - ends[i][1], 0) ** 2 for i in cells for j in cells if i < j)
    far = sum(p[j] / m * max((e - mean) ** 2 for e in ends[j]) for j in cells)
    low, high = math.sqrt(apart), math.sqrt(far)
    return min(max(math.sqrt(max(square - mean * mean, 0)), low), high), min(low, high), high


# ------------------------------------------------------------------ Cramer-von Mises, Anderson-Darling
def cvm_bracket(p, q, edges):
    m, n = p.sum(), q.sum()
    low = high = b = 0.0
    for j in range(len(p)):
        a = b + q[j] / n - p[j] / m
        if single(edges, j):
            low, high = low + (p[j] + q[j]) * a * a, high + (p[j] + q[j]) * a * a
        else:
            for k in range(1, p[j] + q[j] + 1):
                lo = b - p[j] / m + max(0, k - p[j]) / n
                up = b + q[j] / n - max(0, k - q[j]) / m
                high += max(lo * lo, up * up)
                low += 0 if lo <= 0 <= up else min(lo * lo, up * up)
        b = a
    return low * m * n / (m + n) ** 2, high * m * n / (m + n) ** 2


def law_of(w, K, trial, x):
    """The header's approximation and the exact tail of sum w_i X_i^2."""
    r = np.sqrt(w)
    A = r[:, None] * K * r[None, :]
    lam = np.linalg.eigvalsh(A)
    lam = np.sort(lam[lam > 1e-14 * lam.max()])[::-1]
    c1, c2, c3 = lam.sum(), (lam ** 2).sum(), (lam ** 3).sum()
    dof = c2 ** 3 / c3 ** 2
    y = (x - c1) * math.sqrt(dof / c2) + dof
    body = st.chi2.sf(y, dof) if y > 0 else 1.0
    f = r * trial
    l = min(max(f @ A @ f / (f @ f), c3 / c2), c1)
    r1, r2, r3 = (max(c / l ** k - 1, 0) for k, c in ((1, c1), (2, c2), (3, c3)))
    rho = min(r3 / r2, .7) if r2 > 0 else 0
    tail = math.exp((r1 + r2 / 2 + r3 / 3 + r3 * rho / 4 / (1 - rho)) / 2) * st.norm.sf(math.sqrt(x / l)) * 2
    approx = body if body > .5 else min(max(body, tail), 1)
    if len(lam) == 1:
        return approx, st.chi2.sf(x / lam[0], 1)
    lam, x = lam / lam[0], x / lam[0]

    def f(u):
        return math.sin(.5 * np.arctan(lam * u).sum() - .5 * x * u) / u * math.exp(-.25 * np.log1p((lam * u) ** 2).sum())
    total, at = 0.0, 0.0
    step = 2 * math.pi / max(x, 1)
    while at < 4000 * step and (at == 0 or math.exp(-.25 * np.log1p((lam * at) ** 2).sum()) / at > 1e-11):
        total += quad(f, at if at else 1e-12, at + step, epsabs=1e-13, epsrel=1e-10, limit=200)[0]
        at += step
    return approx, .5 + total / math.pi


def edf(p, q, edges):
    used = p + q > 0
    m, n, N = p.sum(), q.sum(), p.sum() + q.sum()
    F, G, H = np.cumsum(p)[used] / m, np.cumsum(q)[used] / n, np.cumsum(p + q)[used] / N
    h, ne = (p + q)[used] / N, m * n / N
    out, law = {}, {}
    t = ne * (h * (G - F) ** 2).sum()
    out["rms"] = math.sqrt(t / ne)
    out["cvm"] = t
    out["cvm_low"], out["cvm_high"] = cvm_bracket(p, q, edges)
    K = np.minimum(H[:, None], H[None, :]) - H[:, None] * H[None, :]
    out["cvm_p"], law["cvm_p"] = law_of(h[:-1], K[:-1, :-1], np.diag(K)[:-1], t * (N - 1) / N)
    F0, G0 = np.r_[0, F[:-1]], np.r_[0, G[:-1]]
    a, A = (F + F0 - G - G0) / 2, H - h / 2
    K = np.minimum(A[:, None], A[None, :]) - A[:, None] * A[None, :] - np.diag(h / 4)
    v = np.diag(K)
    out["ad"] = (N - 1) / N * ne * (h * a * a / v).sum()
    out["ad_p"], law["ad_p"] = law_of(h / v, K, np.sqrt(v * A * (1 - A)), out["ad"])
    return out, law


# ------------------------------------------------------------------ single cells
def max_cell(p, q, eps=0.0, looked=None):
    """Among the first `looked` cells, all if None; shares are of all."""
    m, n = p.sum(), q.sum()
    pi = n * (1 + eps) / (n * (1 + eps) + m)
    area = np.array([st.binom.sf(c - 1, c + b, pi) if c > (c + b) * pi else 1.0 for b, c in zip(p[:looked], q[:looked])])
    i = int(area.argmin())
    return i, float(area[i]), float(min(1, area[i] * ((p + q)[:looked] > 0).sum()))


def linf(p, q, looked=None):
    d = (q / q.sum() - p / p.sum())[:looked]
    i = max((i for i in range(len(d)) if abs(d[i]) > abs(d).max() - 1e-12), key=lambda i: (d[i] > 0, -i))
    return i, float(d[i])


def fisher(a, m, b, n):
    """Twice the smaller of both one-sided exact tests."""
    up = st.hypergeom.sf(b - 1, m + n, a + b, n)
    down = st.hypergeom.cdf(b, m + n, a + b, n)
    return float(min(1, 2 * min(up, down)))


def ks_high(p, q, edges):
    F, G = np.cumsum(p) / p.sum(), np.cumsum(q) / q.sum()
    F0, G0 = np.r_[0, F[:-1]], np.r_[0, G[:-1]]
    inner = [max(G[j] - F0[j], F[j] - G0[j]) for j in range(len(p)) if not single(edges, j)]
    return float(min(1, max([np.abs(F - G).max()] + inner)))


def cells_case(name, p, q, edges):
    p, q, edges = np.asarray(p, np.int64), np.asarray(q, np.int64), np.asarray(edges, float)
    w1, low, high = wasserstein(p, q, edges)
    sd, sd_low, sd_high = spread(p, edges)
    e, law = edf(p, q, edges)
    e.update(w1=w1, w1_low=low, w1_high=high, sd=sd, sd_low=sd_low, sd_high=sd_high, over_sd=w1 / sd if sd else -1.0,
             ks_high=ks_high(p, q, edges), open=int(p[0] + q[0] + p[-1] + q[-1] > 0))
    i, e["max_p_cell"], e["max_p"] = max_cell(p, q)
    e["max_at"] = i if e["max_p_cell"] < 1 else 0
    e["max_p_eps"] = max_cell(p, q, .25)[2]
    i, e["linf"] = linf(p, q)
    e["linf_at"] = i
    t = np.array([p, q])
    return {"id": name, "kind": "cells", "p": p.tolist(), "q": q.tolist(), "edges": edges.tolist(),
            "expected": {k: float(v) for k, v in e.items()}, "law": law}


def percentile_case(name, x, y, cuts=99):
    x = np.sort(x)
    e = np.unique(np.r_[np.nextafter(x[0], -np.inf), x[(len(x) * np.arange(1, cuts + 1) + cuts) // (cuts + 1) - 1], x[-1]])
    return cells_case(name, np.bincount(np.searchsorted(e, x), minlength=len(e) + 1),
                      np.bincount(np.searchsorted(e, y), minlength=len(e) + 1), e)


def cells_cases():
    yield cells_case("even", [1000] * 10, [120, 90, 100, 80, 110, 95, 105, 130, 85, 85], range(9))
    yield cells_case("two", [0, 300, 700, 0], [0, 40, 60, 0], [0, 1, 2])
    yield cells_case("apart", [0, 50, 0, 0], [0, 0, 60, 0], [0, 1, 2])
    yield cells_case("outside", [0, 50, 50, 0], [3, 5, 9, 30], [0, 1, 2])
    yield cells_case("crossing", [0, 100, 200, 300, 0], [0, 30, 30, 40, 0], [-3., -1., 0.5, 7.])
    yield cells_case("one_each", [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 2])
    e = [np.nextafter(0, -1), 0., 1., np.nextafter(2, 1), 2., 3.]
    yield cells_case("atoms", [0, 500, 100, 0, 300, 100, 0], [0, 30, 20, 0, 45, 5, 0], e)
    for shift in (0, .1, .4):
        for n in (100, 1000):
            yield percentile_case(f"normal_{shift}_{n}", rng.normal(0, 1, 20000), rng.normal(shift, 1, n))
            yield percentile_case(f"lognormal_{shift}_{n}", rng.lognormal(0, 1.5, 20000), rng.lognormal(shift, 1.5, n))
            yield percentile_case(f"poisson_{shift}_{n}", rng.poisson(2, 5000).astype(float), rng.poisson(2 + shift, n).astype(float))
            yield percentile_case(f"zeros_{shift}_{n}", rng.exponential(1, 20000) * (rng.random(20000) < .4),
                                  rng.exponential(1, n) * (rng.random(n) < .4 + shift / 2))
    yield percentile_case("few", rng.normal(0, 1, 40), rng.normal(0, 1, 17), 9)


# ------------------------------------------------------------------ the rows of a column that rules read
def measure_case(name, kind, base, cur, edges=None, bin_end=None):
    p, q = np.asarray(base[4:], np.int64), np.asarray(cur[4:], np.int64)
    m, n = int(p.sum()), int(q.sum())
    starts = [0] + bin_end[:-1] if bin_end else range(len(p))
    a, b = np.add.reduceat(p, starts), np.add.reduceat(q, starts)
    out = {}

    def row(effect, value, p_value, baseline=0.0, low=None, high=None, dof=0.0):
        return {"why": 0.0, "effect": float(effect), "value": float(value), "p_value": float(p_value),
                "baseline": float(baseline), "low": float(value if low is None else low),
                "high": float(value if high is None else high), "dof": float(dof)}

    # what a baseline may have missed is its share of unseen ones; a hundredth or more: categories with a cell of their own only
    once, twice = (int((p[:-2] == k).sum()) for k in (1, 2))
    missed = math.ceil(once + 1.645 * math.sqrt(once + 2 * twice)) if once and kind == "categorical" else 0
    looked = len(p) - 2 if missed and 100 * missed >= m else None
    s = p if looked else p + np.r_[np.zeros(len(p) - 1, np.int64), missed]
    k = int(s.sum())

    def share(i, effect, p_value):
        w = st.binomtest(int(q[i]), n).proportion_ci(.95, method="wilson")
        return row(effect, q[i] / n, p_value, s[i] / k, w.low, w.high)
    i, area, pv = max_cell(s, q, looked=looked)
    i = i if area < 1 else 0
    out["max_cell"] = share(i, max(q[i] / n - s[i] / k, 0), pv)
    i, d = linf(s, q, looked)
    classes = ((s + q)[:looked] > 0).sum() + (looked is not None)
    out["linf"] = share(i, abs(d), min(1, classes * fisher(int(s[i]), k, int(q[i]), n)))
    small, tail = min(m, n) / (m + n), 2 if kind == "categorical" else 0
    keep, rare = [], []
    for i, c in enumerate(zip(a, b)):
        if sum(c):
            (rare if i >= len(a) - tail or sum(c) * small < 5 else keep).append(c)
    if rare and keep and sum(map(sum, rare)) * small < 5:
        rare.append(keep.pop(min(range(len(keep)), key=lambda j: sum(keep[j]))))
    t = np.array(keep + ([tuple(map(sum, zip(*rare)))] if rare else [])).T.astype(float)
    N, k = t.sum(), t.shape[1]
    E = t.sum(0) * t.sum(1)[:, None] / N
    X2, G = ((t - E) ** 2 / E).sum(), 2 * sp.rel_entr(t, E).sum()
    williams = 1 + (N / m + N / n - 1) * ((N / t.sum(0)).sum() - 1) / (6 * N * (k - 1)) if k > 1 else 1
    p_chi2 = st.chi2.sf(X2, k - 1) if k > 1 else 1.0
    even = t / t.sum(1)[:, None]
    even = math.sqrt((np.diff(even, axis=0)[0] ** 2 / even.sum(0)).sum() / 2)
    out["g_test"] = row(even, G, st.chi2.sf(G / williams, k - 1) if k > 1 else 1.0, dof=k - 1)
    s, u = a / m, b / n
    out["hellinger"] = row(*[math.sqrt(((np.sqrt(s) - np.sqrt(u)) ** 2).sum() / 2)] * 2, p_chi2)
    out["total_variation"] = row(*[np.abs(s - u).sum() / 2] * 2, p_chi2)
    if kind == "numeric":
        e, _ = edf(p, q, np.asarray(edges))
        w1, low, high = wasserstein(p, q, np.asarray(edges))
        sd = spread(p, np.asarray(edges))[0]
        out["cvm"] = row(e["rms"], e["cvm"], e["cvm_p"], 0, e["cvm_low"], e["cvm_high"])
        out["wasserstein"] = row(w1 / sd, w1, e["cvm_p"], sd, low, high)
    else:
        out["cvm"] = out["wasserstein"] = dict(row(0, 0, 0), why=4.0)
    return {"id": name, "kind": "measure", "column": kind, "bin_end": bin_end, "base": list(map(int, base)),
            "cur": list(map(int, cur)), "edges": [float(x) for x in edges] if edges is not None else None,
            "expected": out}


def measure_cases():
    e = np.r_[np.nextafter(-2., -3), np.linspace(-1.9, 2, 40)]
    w = np.r_[0, st.norm.pdf(np.linspace(-2, 2, 40)), 0]
    ends = [5, 9, 13, 17, 21, 25, 29, 33, 37, 42]
    for shift in (0, .4):
        v = w * np.exp(shift * np.r_[0, np.linspace(-1, 1, 40), 0])
        yield measure_case(f"numeric_{shift}", "numeric", np.r_[5, 0, 0, 1, rng.multinomial(20000, w / w.sum())],
                           np.r_[0, 2, 0, 0, rng.multinomial(900, v / v.sum())], e, ends)
    yield measure_case("spike", "numeric", np.r_[[0] * 4, 0, [500] * 40, 0], np.r_[[0] * 4, 0, [20] * 17, 90, [20] * 22, 3], e, ends)
    yield measure_case("binary", "categorical", [7, 3, 0, 1, 9000, 1000, 0, 0], [2, 9, 0, 0, 880, 120, 0, 0])
    yield measure_case("three", "categorical", [7, 3, 0, 1, 500, 300, 200, 0, 0], [2, 9, 0, 0, 40, 40, 25, 0, 0])
    yield measure_case("new", "categorical", [0, 0, 0, 0, 500, 300, 2, 0], [0, 0, 0, 0, 50, 20, 0, 9])
    yield measure_case("fallen", "categorical", [0, 0, 0, 0, 500, 500, 50, 0], [0, 0, 0, 0, 50, 50, 0, 0])
    yield measure_case("open", "categorical", [0] * 4 + [700, 200] + [40] * 5 + [2] * 30 + [1] * 90 + [0, 0],
                       [0] * 4 + [60, 25] + [4] * 5 + [0] * 20 + [1] * 10 + [0] * 85 + [1] * 5 + [0, 16])
    d = rng.dirichlet(np.full(66, .3))
    yield measure_case("many", "categorical", np.r_[0, 0, 0, 0, rng.multinomial(12596, d), 20, 0],
                       np.r_[0, 0, 0, 0, rng.multinomial(470, d), 3, 2])


# ------------------------------------------------------------------ interval of the true PSI
def interval_case(psi, bins, m, n, confidence):
    ne, k, side = m * n / (m + n), bins - 1, (1 - confidence) / 2

    def solve(area):
        if st.chi2.sf(ne * psi, k) >= area:
            return 0.0
        return so.brentq(lambda lam: st.ncx2.sf(ne * psi, k, lam) - area, 1e-9, 4 * ne * psi + 40 * k, xtol=1e-12, rtol=1e-13) / ne
    return {"id": f"psi{psi}_b{bins}_m{m}_n{n}_c{confidence}", "kind": "interval", "psi": psi, "bins": bins, "m": m, "n": n,
            "confidence": confidence, "expected": {"low": solve(side), "high": solve(1 - side)}}


def interval_cases():
    for c in ((0., 10, 20000, 1000, .95), (.005, 10, 20000, 1000, .95), (.02, 10, 20000, 1000, .95), (.1, 10, 20000, 1000, .95),
              (.1, 10, 1e6, 10000, .99), (.25, 20, 5000, 300, .9), (.03, 2, 500, 400, .95), (.4, 10, 336000, 200, .95), (.5, 10, 1e5, 2e4, .95)):
        yield interval_case(*c)


# ------------------------------------------------------------------ exact law of a discrete KS distance
def null_case(name, share, n, ds):
    """P(max |G_j - F_j| >= d), G of n values: a recursion over the values, exact."""
    F = np.cumsum(share)

    def below(d):
        k = np.arange(n + 1)
        state = np.zeros(n + 1)
        state[0] = 1.0
        done = 0.0
        for s, f in zip(share[:-1], F[:-1]):
            new = np.zeros(n + 1)
            for i in np.flatnonzero(state > 1e-18):
                new[i:] += state[i] * st.binom.pmf(np.arange(n - i + 1), n - i, min(s / (1 - done), 1))
            done = f
            new[np.abs(k / n - f) >= d - 1e-12] = 0
            state = new
        return state.sum()
    return {"id": name, "kind": "null", "share": [float(s) for s in share], "n": n,
            "law": [[float(d), float(1 - below(d))] for d in ds]}


def null_cases():
    for n in (100, 1000):
        yield null_case(f"two_{n}", np.array([.3, .7]), n, np.array([.5, 1, 1.4]) / math.sqrt(n))
        w = np.r_[st.poisson.pmf(np.arange(6), 2), st.poisson.sf(5, 2)]
        yield null_case(f"poisson2_{n}", w, n, np.array([.5, .8, 1.0, 1.2]) / math.sqrt(n))
    yield null_case("poisson2_500", w, 500, np.array([.5, .8, 1.0, 1.2]) / math.sqrt(500))


def main():
    cases = [c for f in (cells_cases, measure_cases, interval_cases, null_cases) for c in f()]
    body = ",\n".join("  " + json.dumps(c, allow_nan=False) for c in cases)
    print(json.dumps({"about": "made by cells.py", "numpy": np.__version__, "scipy": scipy.__version__})[:-1]
          + ', "cases": [\n' + body + "\n]}")


if __name__ == "__main__":
    main()
