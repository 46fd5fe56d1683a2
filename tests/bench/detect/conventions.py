#!/usr/bin/python3
"""tests/bench/detect/conventions.py    Peers as oracles: their figures beside libdriftd's and `driftd detect`'s.

    tests/bench/detect/conventions.py [--docs]        part of `make bench-detect`

Where a package computes what driftd computes, the numbers must be the same: distances to 1e-9, p-values to 1e-6,
positions of drifts exactly (alibi-detect keeps figures in single precision: 1e-5).  Prints a table of counts.  Exit
status 1 when one differs, when a figure is not known here, or when fewer were compared than there should be.
"""
import ctypes
import json
import os
import subprocess
import sys

import numpy as np

import detect

LIBRARY = os.path.join(detect.BUILD, "libdriftd.so")
SEED = 20260102
LEAST = 120  # comparisons, when all packages are there
DETECT = {"adwin": ("adwin", ["form=published", "after=restart"]), "page_hinkley": ("page_hinkley", ["form=page", "mode=both", "min_instances=31"])}


def samples():
    rng = np.random.default_rng(SEED)
    normal = rng.standard_normal
    weights = np.array([40, 30, 15, 10, 5]) / 100
    return {
        "n_shift": (normal(900), normal(500) + 0.3),
        "n_same": (normal(700), normal(700)),
        "n_ties": (rng.poisson(3, 800).astype(float), rng.poisson(3.6, 400).astype(float)),
        "n_skewed": (rng.exponential(2, 600), rng.exponential(2.6, 450)),
        "n_far": (normal(500) + 1e9, normal(500) * 1.5 + 1e9),
        "n_jump": (normal(1200), normal(800) + 2),
        "c_five": (rng.choice(5, 900, p=weights).astype(float), rng.choice(5, 500, p=weights[::-1]).astype(float)),
        "c_same": (rng.choice(7, 800).astype(float), rng.choice(7, 800).astype(float)),
        "c_new": (rng.choice(4, 600).astype(float), rng.choice(6, 600).astype(float)),
        "c_gone": (rng.choice(6, 700).astype(float), rng.choice(3, 300).astype(float)),
    }


class Chi2(ctypes.Structure):
    _fields_ = [("cells", ctypes.c_size_t)] + [(n, ctypes.c_double) for n in (
        "dof", "pearson", "pearson_p", "pearson_log10_p", "g", "g_p", "g_log10_p", "williams_p", "cramers_v", "min_expected")] + [
        ("n_expected_below_5", ctypes.c_size_t)]


class Ks(ctypes.Structure):
    _fields_ = [(n, ctypes.c_double) for n in ("d", "d_plus", "d_minus")]


class Cvm(ctypes.Structure):
    _fields_ = [(n, ctypes.c_double) for n in ("t", "p", "log10_p", "t_midrank", "p_midrank", "log10_p_midrank")] + [("has_ties", ctypes.c_bool)]


class Library:
    def __init__(self):
        self.lib, self.size = ctypes.CDLL(LIBRARY), ctypes.c_size_t

    def call(self, function, *args, ret=None):
        out = ret if ret is not None else ctypes.c_double()
        code = getattr(self.lib, function)(*args, ctypes.byref(out))
        if code:
            raise RuntimeError(f"{function} returns {code}")
        return out if ret is not None else out.value

    def numbers(self, a, b):
        a, b = np.sort(a), np.sort(b)
        both = (a.ctypes.data_as(ctypes.c_void_p), self.size(len(a)), b.ctypes.data_as(ctypes.c_void_p), self.size(len(b)))
        ks = self.call("drift_ks_samples", *both, ret=Ks())
        cvm = self.call("drift_cvm", *both, ret=Cvm())
        w1 = self.call("drift_wasserstein", *both)
        finite, log10 = ctypes.c_double(), ctypes.c_double()
        self.lib.drift_ks_p_finite(ctypes.c_double(ks.d), ctypes.c_double(len(a)), ctypes.c_double(len(b)), ctypes.byref(finite), ctypes.byref(log10))
        return {"ks_d": ks.d, "ks_finite_p": finite.value, "ks_p": self.call("drift_ks_p_exact", ctypes.c_double(ks.d), self.size(len(a)), self.size(len(b))),
                "cvm_t": cvm.t_midrank, "w1": w1, "w1_sd": w1 / max(float(np.std(a)), 0.001), "energy": self.call("drift_energy_distance", *both)}

    def categories(self, a, b):
        keys = np.unique(np.concatenate([a, b]))
        p, q = ((ctypes.c_uint64 * len(keys))(*[int((v == k).sum()) for k in keys]) for v in (a, b))
        n, rule, out = self.size(len(keys)), ctypes.c_int(), ctypes.c_double()
        self.lib.drift_psi_rule_parse.restype = ctypes.c_bool
        if not self.lib.drift_psi_rule_parse(b"eps1e-4_zero", ctypes.byref(rule)) or self.lib.drift_psi(p, q, n, rule, ctypes.byref(out), None):
            raise RuntimeError("drift_psi fails")
        chi2, js = self.call("drift_chi2", p, q, n, ret=Chi2()), self.call("drift_js_distance", p, q, n)
        return {"psi_1e4": out.value, "js_bits": js, "js_nats": js * np.sqrt(np.log(2)), "hellinger": self.call("drift_hellinger", p, q, n),
                "linf": float(np.abs(np.array(p) / len(a) - np.array(q) / len(b)).max()), "chi2": chi2.pearson, "chi2_p": chi2.pearson_p}


def positions(name, a, b):
    """Drifts that `driftd detect` sees in the same values."""
    sd = a.std() or 1.0
    text = "x\n" + "\n".join(repr(v) for v in ((np.concatenate([a, b]) - a.mean()) / sd).tolist()) + "\n"
    detector, params = DETECT[name]
    args = [os.path.join(detect.BUILD, "driftd"), "detect", "-d", detector, "-c", "x", "--format", "json", "-"]
    for p in params:
        args[2:2] = ["-p", p]
    done = subprocess.run(args, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return [d["at"] for d in json.loads(done.stdout)["drifts"]]


def same(figure, ours, theirs):
    if isinstance(theirs, list):
        return ours == theirs
    if "single" in figure:
        return abs(ours - theirs) <= 1e-5 * abs(theirs) or max(ours, theirs) < 1e-37
    if "_p" in figure:
        return abs(ours - theirs) <= 1e-6 * abs(theirs) or max(ours, theirs) < 1e-280
    return abs(ours - theirs) <= 1e-9 * abs(theirs) + 1e-15


def main():
    given, library, bad = samples(), Library(), []
    path = os.path.join(detect.WORK, "conventions")
    os.makedirs(detect.WORK, exist_ok=True)
    np.savez(path, **{f"{k}.{side}": v[i] for k, v in given.items() for i, side in enumerate(("base", "window"))})
    ours = {k: (library.numbers if k.startswith("n") else library.categories)(*v) for k, v in given.items()}
    rows, total, absent = [], 0, []
    for peer, wanted in detect.requirements().items():
        python, why = detect.environment(peer, wanted)
        if why:
            absent.append(peer)
            continue
        answer = f"{path}.{peer}.json"
        done = subprocess.run([python, os.path.join(detect.HERE, "peers", "oracle.py"), peer, path + ".npz", answer], capture_output=True, text=True)
        if done.returncode:
            bad.append(f"{peer}: {done.stderr.strip().splitlines()[-1]}")
            continue
        with open(answer) as f:
            said = json.load(f)
        compared, equal, figures = 0, 0, set()
        for name, values in said.items():
            for figure, theirs in values.items():
                base = figure.split(" ")[0]
                mine = positions(base, *given[name]) if base in DETECT else ours[name].get(base)
                good = mine is not None and same(figure, mine, theirs)
                compared, equal = compared + 1, equal + good
                figures.add(figure)
                if not good:
                    bad.append(f"{peer} {name} {figure}: {theirs!r}, here {mine!r}")
        total += compared
        rows.append([peer, str(compared), str(equal), ", ".join(sorted(figures))])
    table = detect.markdown(["package", "compared", "equal", "figures"], rows)
    print(table)
    if "--docs" in sys.argv[1:]:
        detect.put({"conventions": table})
    for line in bad:
        print("differs: " + line)
    if not absent and total < LEAST:
        print(f"only {total} figures were compared, at least {LEAST} are expected")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
