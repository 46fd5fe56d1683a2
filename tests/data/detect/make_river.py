#!/usr/bin/env python3
"""Where river's detectors, and charts written out by their formulas, see drifts and warnings; none of driftd's code.

    python3 make_river.py > river.json

Needs river and scipy.  The streams are made of integers by splitmix64, so that test_river.c makes the very same ones:
`errors` are 0 or 1, `numbers` a sum of three uniforms and a shift.  river's settings stand beside the names and values
that they have in driftd.  cusum and ewma (of which river 0.26 has none) are computed here from the published formulas
in batch form; kswin draws at random, except when it draws all: window_size = 2 stat_size.
"""
import json
import math
import statistics

import river
import scipy
from river import drift
from river.drift import binary

N, MASK = 6000, (1 << 64) - 1
ERRORS = {"steady": [(0, .1)], "step": [(0, .1), (3000, .3)], "down": [(0, .4), (2500, .1)], "often": [(0, .02), (1500, .2), (3000, .02), (4500, .5)],
          "half": [(0, .5)]}
NUMBERS = {"steady": [(0, 0.)], "step": [(0, 0.), (3000, .5)], "down": [(0, 0.), (2500, -.375)], "ladder": [(i, i / 4000) for i in range(0, N, 1000)]}


def uniforms(seed, n):
    s, out = seed, []
    for _ in range(n):
        s = (s + 0x9E3779B97F4A7C15) & MASK
        z = s
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(((z ^ (z >> 31)) >> 11) * 2.0 ** -53)
    return out


def level_at(steps, i):
    return [v for at, v in steps if at <= i][-1]


def errors(seed, steps):
    return [int(u < level_at(steps, i)) for i, u in enumerate(uniforms(seed, N))]


def numbers(seed, steps):
    u = uniforms(seed, 3 * N)
    return [u[3 * i] + u[3 * i + 1] + u[3 * i + 2] - 1.5 + level_at(steps, i) for i in range(N)]


def run(detector, xs):
    drifts, warnings, before = [], [], False
    for i, x in enumerate(xs):
        detector.update(x)
        warned = not detector.drift_detected and getattr(detector, "warning_detected", False)
        if detector.drift_detected:
            drifts.append(i)
        elif warned and not before:
            warnings.append(i)
        before = warned
    return {"drift_at": drifts, "warning_at": warnings}


def restarting(xs, first_drift):
    """Positions of drifts when a chart starts afresh behind each."""
    out, start = [], 0
    while (at := first_drift(xs[start:])) is not None:
        out.append(start + at)
        start += at + 1
    return {"drift_at": out, "warning_at": []}


def sides(mode, up, down):
    return max(up if mode != "down" else -math.inf, down if mode != "up" else -math.inf)


def cusum(warm, slack, threshold, mode):
    """Page 1954 on (x - mean) / sd of the first values: S_i = (sum so far) - (least sum so far)."""
    def first(xs):
        if len(xs) < warm:
            return None
        mean, sd = statistics.fmean(xs[:warm]), statistics.stdev(xs[:warm])
        total_up = total_down = least_up = least_down = 0.0
        for i, x in enumerate(xs[warm - 1:], warm - 1):
            total_up += (x - mean) / sd - slack
            total_down += (mean - x) / sd - slack
            least_up, least_down = min(least_up, total_up), min(least_down, total_down)
            if sides(mode, total_up - least_up, total_down - least_down) > threshold:
                return i
        return None
    return first


def ewma_frozen(alpha, threshold, warm, mode):
    """Roberts 1959: z as a weighted sum of all values behind the first `warm` ones, which give mean and deviation."""
    def first(xs):
        if len(xs) <= warm:
            return None
        mean, sd, off = statistics.fmean(xs[:warm]), statistics.stdev(xs[:warm]), 0.0
        for n, x in enumerate(xs[warm:], 1):
            off = (1 - alpha) * off + alpha * (x - mean)
            limit = threshold * sd * math.sqrt(alpha / (2 - alpha) * (1 - (1 - alpha) ** (2 * n)))
            if sides(mode, off, -off) > limit:
                return warm + n - 1
        return None
    return first


def ewma_running(alpha, threshold, warm, mode):
    """The same against the mean of all values, with Var = E[x^2] - E[x]^2, both fading."""
    def first(xs):
        total = 0.0
        for n, x in enumerate(xs, 1):
            total += x
            z, square = (x, x * x) if n == 1 else (alpha * x + (1 - alpha) * z, alpha * x * x + (1 - alpha) * square)
            limit = threshold * math.sqrt(max(square - z * z, 0) * alpha / (2 - alpha) * (1 - (1 - alpha) ** (2 * n)))
            if n >= warm and sides(mode, z - total / n, total / n - z) > limit:
                return n - 1
        return None
    return first


def cases():
    """stream kind, detector, driftd's settings, maker of the positions."""
    for delta, clock in ((.002, 32), (.05, 8)):
        yield "both", "adwin", {"delta": delta, "clock": clock, "form": "published", "after": "restart"}, lambda xs, d=delta, c=clock: run(
            drift.ADWIN(delta=d, clock=c), xs)
    for mode in ("up", "down", "both"):
        for threshold, delta in ((5., .005), (12., .05)):
            yield "both", "page_hinkley", {"min_instances": 31, "delta": delta, "threshold": threshold, "mode": mode, "form": "page"}, lambda xs, m=mode, t=threshold, d=delta: run(
                drift.PageHinkley(min_instances=30, delta=d, threshold=t, mode=m), xs)
        for warm, slack, threshold in ((30, .5, 5.), (100, .25, 8.)):
            yield "numbers", "cusum", {"min_instances": warm, "slack": slack, "threshold": threshold, "mode": mode}, lambda xs, a=(warm, slack, threshold, mode): restarting(
                xs, cusum(*a))
        for alpha, threshold, warm in ((.1, 4., 30), (.02, 3., 100)):
            for reference, chart in (("frozen", ewma_frozen), ("running", ewma_running)):
                yield "numbers", "ewma", {"alpha": alpha, "threshold": threshold, "min_instances": warm, "mode": mode, "reference": reference}, lambda xs, a=(alpha, threshold, warm, mode), c=chart: restarting(
                    xs, c(*a))
    yield "errors", "ddm", {"min_num_instances": 32}, lambda xs: run(binary.DDM(), xs)
    yield "errors", "ddm", {"min_num_instances": 102, "warning_level": 1.5, "out_control_level": 2.}, lambda xs: run(
        binary.DDM(warm_start=100, warning_threshold=1.5, drift_threshold=2.), xs)
    yield "errors", "eddm", {"min_num_instances": 32, "form": "river"}, lambda xs: run(binary.EDDM(), xs)
    for two, word in ((False, "ignore"), (True, "drift")):
        yield "errors", "hddm_a", {"decrease": word}, lambda xs, t=two: run(binary.HDDMA(two_sided_test=t), xs)
        yield "errors", "hddm_a", {"decrease": word, "drift_confidence": .01, "warning_confidence": .1}, lambda xs, t=two: run(
            binary.HDDMA(drift_confidence=.01, warning_confidence=.1, two_sided_test=t), xs)
    for stat, alpha in ((30, .005), (50, .0001), (11, .05)):
        yield "both", "kswin", {"alpha": alpha, "window_size": 2 * stat, "stat_size": stat, "after": "restart"}, lambda xs, s=stat, a=alpha: run(
            drift.KSWIN(alpha=a, window_size=2 * s, stat_size=s, seed=1), xs)


def results():
    streams = [("errors", k, i + 1, errors(i + 1, v)) for i, (k, v) in enumerate(ERRORS.items())]
    streams += [("numbers", k, i + 101, numbers(i + 101, v)) for i, (k, v) in enumerate(NUMBERS.items())]
    for kind, detector, params, make in cases():
        for of, name, seed, xs in streams:
            if kind in ("both", of):
                yield {"stream": f"{of} {name}", "detector": detector, "params": params, **make(xs)}


def streams():
    for of, table, first in (("errors", ERRORS, 1), ("numbers", NUMBERS, 101)):
        for i, (name, steps) in enumerate(table.items()):
            yield {"name": f"{of} {name}", "of": of, "seed": first + i, "n": N, "steps": [list(s) for s in steps]}


print(json.dumps({"made_by": {"river": river.__version__, "scipy": scipy.__version__}, "streams": list(streams()), "results": list(results())},
                 separators=(",", ":")).replace('{"stream":', '\n{"stream":').replace('{"name":', '\n{"name":'))
