#!/usr/bin/env python3
"""Reference values for embedding.h, computed with numpy and scipy and none of driftd's code; through eigenvectors,
where driftd takes Cholesky's factor.

    /usr/bin/python3 make_embedding.py > embedding.json

Needs python3-numpy, -scipy.  Fixed seeds: the same versions give the same bytes.
"""
import json
import math

import numpy as np
import scipy
import scipy.stats as st

rng = np.random.default_rng(20260602)
UNIT, COARSE = 2 ** 20, 2 ** 14


def philox(key, counter):
    c, k0, k1 = list(counter), key & 0xffffffff, key >> 32
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k0, b & 0xffffffff, (a >> 32) ^ c[3] ^ k1, a & 0xffffffff]
        k0, k1 = (k0 + 0x9E3779B9) & 0xffffffff, (k1 + 0xBB67AE85) & 0xffffffff
    return c


def check_philox():
    """The three known answers that its authors publish with Random123."""
    assert philox(0, (0,) * 4) == [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
    assert philox(2 ** 64 - 1, (0xffffffff,) * 4) == [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
    assert philox(0x299f31d0a4093822, (0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)) == [
        0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]


def frequencies(seed, d, n):
    """Standard normal, shape (n, d)."""
    out = np.zeros((n, d + 1))
    for k in range(n):
        for j in range((d + 1) // 2):
            c = philox(seed, (k, j, 0, 0))
            u = (((c[1] << 32 | c[0]) >> 12) + .5) / 2 ** 52
            turn = ((c[3] << 32 | c[2]) >> 12) / 2 ** 52
            r = math.sqrt(-2 * math.log(u))
            out[k, 2 * j] = r * math.cos(2 * math.pi * turn)
            out[k, 2 * j + 1] = r * math.sin(2 * math.pi * turn)
    return out[:, :d]


def events(n, r):
    x = rng.normal(size=(n, 5))
    x[:, 1] = r * x[:, 0] + math.sqrt(1 - r * r) * x[:, 1]
    x[:, 2] = np.exp(x[:, 2])
    x[:, 3] = 7 * x[:, 3] - 40
    x[:, 4] = 0.25
    x = np.round(x, 3)
    x[rng.random(x.shape) < .02] = np.nan
    return x


def scale_of(x):
    mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    sd[sd == 0] = 1
    z = np.clip(np.where(np.isnan(x), 0, (x - mean) / sd), -16, 16)
    i, j = np.tril_indices(len(x), -1)
    distance = np.sort(np.sqrt(((z[i] - z[j]) ** 2).sum(1)))
    return mean, sd, float(distance[len(distance) // 2])


def terms(x, mean, sd, omega, width):
    z = np.clip(np.where(np.isfinite(x), (x - mean) / sd, 0), -16, 16)
    phase = z @ omega.T / width
    return np.rint(np.hstack([np.cos(phase), np.sin(phase)]) * UNIT).astype(np.int64)


class Baseline:
    """Mean and covariance of the terms of a baseline, and the law that they give with a ridge."""

    def __init__(self, base):
        self.m, self.D = base.shape
        q = np.floor_divide(base + 32, 64)
        qm = q.sum(0) / self.m / COARSE
        self.C = (q.T @ q) / self.m / COARSE ** 2 - np.outer(qm, qm)
        self.w, self.v = np.linalg.eigh(self.C)
        self.mean = base.sum(0) / self.m / UNIT
        self.tuned = []

    def ridge(self, ridge):
        self.lam = ridge * self.w.mean()
        h = self.w / (self.w + self.lam)
        self.d1, self.d2 = h.sum(), (h ** 2).sum()
        self.tuned = []

    def u(self, gap):
        return (((gap @ self.v) ** 2) / (self.w + self.lam)).sum(-1)

    def left_out(self, rows):
        u = self.u(rows / UNIT - self.mean)
        return np.minimum(u / (1 - u / self.m), 1e6)

    def moments(self):
        """Of u: mean, variance."""
        k, t = len(self.tuned), np.array(self.tuned)
        normal = self.d1 * self.m / (self.m - self.d1 - 1)
        if not k:
            return normal, 2 * self.d2
        mean = np.floor(t * 16 + .5).sum() / 16 / k
        return max(mean, normal), np.floor(t * t + .5).sum() / k - mean * mean

    def compare(self, window):
        m, n = self.m, len(window)
        gap = window.sum(0) / n / UNIT - self.mean
        mean, variance = self.moments()
        scale = self.d1 / mean
        square = float(self.u(gap)) * scale
        variance = 2 * self.d2 + max(0, scale ** 2 * variance - 2 * self.d2) / n
        factor, dof = 2 * self.d1 / variance, 2 * self.d1 ** 2 / variance
        t = n * m / (n + m) * square
        return {"t": t, "factor": factor, "dof": dof, "p_value": st.chi2.sf(t * factor, dof),
                "p_shared": st.ncx2.sf(n * square * factor, dof, n / m * st.chi2.isf(.05, dof)),
                "distance": 2 / self.D * (float(gap @ gap) - np.trace(self.C) * (1 / n + 1 / m))}


def fit(b, x, terms_of, seed, ridge):
    """The ridge that drift_embedding_fit() takes: doubled until Var u is small enough."""
    base, rarest, limit = terms_of(x), [], min(100, len(x) / 50)
    while True:
        b.ridge(ridge)
        u = b.left_out(base)
        for row, at in enumerate(u if not rarest else []):
            least = min(range(len(rarest)), key=lambda i: rarest[i][0], default=None)
            if len(rarest) < 256:
                rarest.append((at, row))
            elif at > rarest[least][0]:
                rarest[least] = (at, row)
        pick = [[rarest[philox(seed, (i, k, 1, 0))[0] % len(rarest)][1] for k in range(x.shape[1])] for i in range(4096)]
        crossed = terms_of(np.array([x[rows, range(x.shape[1])] for rows in pick]))
        b.tuned = [*u, min(b.u(crossed / UNIT - b.mean).max(), 1e6)]
        if b.moments()[1] <= limit * 2 * b.d2 or ridge >= 16:
            return ridge
        ridge = min(2 * ridge, 16)


def flags(n, r):
    """Two rare ones, tied in the window, with two normal features."""
    x = rng.normal(size=(n, 5))
    x[:, 3] = rng.random(n) < .05
    x[:, 4] = np.where(rng.random(n) < r, x[:, 3], rng.random(n) < .05)
    x[:, 2] += x[:, 1]
    return np.round(x, 3)


def case(seed, half, m, n, ridge, r, tune):
    """tune: so many events, or None: fit."""
    fitted = tune is None
    base, window = (flags(m, 0), flags(n, r)) if fitted else (events(m, .6), events(n, r))
    window[0, 2], window[1, 3] = 1e12, -1e300
    mean, sd, width = scale_of(base[:1000])
    omega = frequencies(seed, 5, half)
    a, w = terms(base, mean, sd, omega, width), terms(window, mean, sd, omega, width)
    b = Baseline(a)
    if fitted:
        took = fit(b, base, lambda x: terms(x, mean, sd, omega, width), seed, ridge)
    else:
        took = ridge
        b.ridge(ridge)
        b.tuned = list(b.left_out(a[:tune]))
    null = lambda x: [[None if math.isnan(v) else v for v in row] for row in x.tolist()]
    return {"seed": "%x" % seed, "terms": 2 * half, "ridge": ridge, "width": width, "mean": mean.tolist(), "scale": sd.tolist(),
            "sums": [n] + w.sum(0).tolist(), "tune": tune, "ridge_fit": took, **b.compare(w), "base": null(base), "window": null(window)}


def main():
    check_philox()
    cases = [case(1, 16, 400, 120, 1e-3, .6, 0), case(0xfedcba9876543210, 24, 300, 80, 1e-2, -.6, 250),
             case(5, 16, 900, 300, 1e-3, .3, None)]
    print(json.dumps({"about": "made by make_embedding.py", "numpy": np.__version__, "scipy": scipy.__version__})[:-1]
          + ', "cases": [\n' + ",\n".join("  " + json.dumps(c) for c in cases) + "\n]}")


if __name__ == "__main__":
    main()
