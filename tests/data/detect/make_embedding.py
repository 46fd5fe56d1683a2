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


def compare(base, window, ridge, tune):
    m, n, D = len(base), len(window), base.shape[1]
    q = np.floor_divide(base + 32, 64)
    qm = q.sum(0) / m / COARSE
    C = (q.T @ q) / m / COARSE ** 2 - np.outer(qm, qm)
    w, v = np.linalg.eigh(C)
    lam = ridge * w.mean()
    gap = window.sum(0) / n / UNIT - base.sum(0) / m / UNIT
    h = w / (w + lam)
    d1, d2 = h.sum(), (h ** 2).sum()
    square = float((((gap @ v) ** 2) / (w + lam)).sum()) * (m - d1 - 1) / m
    one = base[:tune] / UNIT - base.sum(0) / m / UNIT
    u = (((one @ v) ** 2) / (w + lam)).sum(1)
    mean = np.floor(u * 16 + .5).sum() / 16 / tune if tune else 0
    spread = np.floor(u * u + .5).sum() / tune - mean * mean if tune else 0
    variance = 2 * d2 + max(0, spread - 2 * d2) / n
    factor, dof = 2 * d1 / variance, 2 * d1 * d1 / variance
    t = n * m / (n + m) * square
    return {"t": t, "factor": factor, "dof": dof, "p_value": st.chi2.sf(t * factor, dof),
            "p_shared": st.ncx2.sf(n * square * factor, dof, n / m * st.chi2.isf(.05, dof)),
            "distance": 2 / D * (float(gap @ gap) - np.trace(C) * (1 / n + 1 / m))}


def case(seed, half, m, n, ridge, r, tune):
    base, window = events(m, .6), events(n, r)
    window[0, 2], window[1, 3] = 1e12, -1e300
    mean, sd, width = scale_of(base[:1000])
    omega = frequencies(seed, 5, half)
    a, b = terms(base, mean, sd, omega, width), terms(window, mean, sd, omega, width)
    null = lambda x: [[None if math.isnan(v) else v for v in row] for row in x.tolist()]
    return {"seed": "%x" % seed, "terms": 2 * half, "ridge": ridge, "width": width, "mean": mean.tolist(), "scale": sd.tolist(),
            "sums": [n] + b.sum(0).tolist(), "tune": tune, **compare(a, b, ridge, tune), "base": null(base), "window": null(window)}


def main():
    check_philox()
    cases = [case(1, 16, 400, 120, 1e-3, .6, 0), case(0xfedcba9876543210, 24, 300, 80, 1e-2, -.6, 250)]
    print(json.dumps({"about": "made by make_embedding.py", "numpy": np.__version__, "scipy": scipy.__version__})[:-1]
          + ', "cases": [\n' + ",\n".join("  " + json.dumps(c) for c in cases) + "\n]}")


if __name__ == "__main__":
    main()
