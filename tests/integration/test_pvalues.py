"""tests/integration/test_pvalues.py    p-values of libdriftd against scipy, on random input and its extremes.

The laws, and the tests of counts and of sorted samples.  The last test here goes through the headers for every function
and member that says p: what is not compared in this file is named there, with the test that has it.  Each oracle is scipy's own law, or, where scipy has none or loses digits in the tail, a sum or an integral over scipy's
laws that is written out here.  Nothing of driftd is in them.  Tolerance: 1e-6 of the p-value, from 1 down to 1e-290
unless the oracle's own absolute error says otherwise."""
import collections
import ctypes
import os
import random
import re
import sys
import unittest
import warnings

import numpy as np
from scipy import integrate, special, stats

import env

sys.path.insert(0, os.path.join(env.ROOT, "docs", "tools"))
import library  # noqa: E402

U64, SIZE, DOUBLE, INT = ctypes.c_uint64, ctypes.c_size_t, ctypes.c_double, ctypes.c_int
TINY, REL = 1e-290, 1e-6


def struct(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": [(n, t) for t, names in fields for n in names.split()]})


Chi2 = struct("Chi2", (SIZE, "cells"), (DOUBLE, "dof pearson pearson_p pearson_log10_p g g_p g_log10_p williams_p cramers_v "
                                                "min_expected"), (SIZE, "n_expected_below_5"))
Cvm = struct("Cvm", (DOUBLE, "t p log10_p t_midrank p_midrank log10_p_midrank"), (ctypes.c_bool, "has_ties"))
Anderson = struct("Anderson", (DOUBLE, "a2 standardised p log10_p p_clipped"))
MaxCell = struct("MaxCell", (SIZE, "cells cell"), (DOUBLE, "p_cell p_value share baseline_share"))
Ks = struct("Ks", (DOUBLE, "d d_plus d_minus"))

PLAIN = """tail_normal tail_normal_two_sided tail_normal_two_sided_log10 tail_chi2 tail_chi2_log10 tail_chi2_inverse
    tail_chi2_noncentral tail_kolmogorov tail_kolmogorov_log10 ks_p_grid ks_p_limit ks_p_limit_log10 ks_p_stephens
    ks_p_stephens_log10 psi_p psi_p_tolerance psi_noise psi_tolerance rate_p_rise rate_p_change tail_cvm tail_anderson
    rate_unseen_bound""".split()


def seed_of():
    text = os.environ.get("DRIFTD_SEED") or "20260"
    seed = random.randrange(10 ** 6) if text == "fresh" else int(text)
    print(f"    DRIFTD_SEED={seed}", flush=True)
    return seed


def noncentral(x, k, lam):
    """Poisson mixture; ncx2.sf is a difference from 1 in places."""
    half, spread = lam / 2, 12 * np.sqrt(lam / 2) + 60
    j = np.arange(max(0, int(half - spread)), int(half + 2 * spread + x))
    return float(np.sum(stats.poisson.pmf(j, half) * stats.chi2.sf(x, k + 2 * j)))


def quadratic(x, weights):
    """P(sum w Z^2 > x): Imhof's integral, the weights left out are their mean; good to 1e-10."""
    w = weights(np.arange(1, 4001))
    x = x - (weights.total - w.sum())

    def integrand(u):
        a = w * u
        return np.sin(.5 * np.arctan(a).sum() - .5 * x * u) / (u * np.exp(.25 * np.log1p(a * a).sum()))
    value = sum(integrate.quad(integrand, a, b, limit=400, epsabs=1e-12, epsrel=1e-12)[0]
                for a, b in ((0, 20), (20, 200), (200, 1000), (1000, 4000)))
    return .5 + value / np.pi


def cvm_weights(k):
    return 1 / (np.pi * k) ** 2


def anderson_weights(k):
    return 1 / (k * (k + 1.))


cvm_weights.total, anderson_weights.total = 1 / 6, 1.


class PValues(env.Case):
    def setUp(self):
        super().setUp()
        path = os.path.join(env.BUILD, "libdriftd.so")
        if not os.path.exists(path):
            self.skipTest("this build has no library (sanitizers, or DRIFTD_LIBRARY=OFF)")
        self.lib, self.compared, self.small = ctypes.CDLL(path), collections.Counter(), collections.Counter()
        for name in PLAIN:
            getattr(self.lib, "drift_" + name).restype = DOUBLE
        self.lib.drift_stats_init()
        self.rng = np.random.default_rng(seed_of())

    def call(self, name, *args):
        return getattr(self.lib, "drift_" + name)(*args)

    def filled(self, name, kind, *args):
        out = kind()
        self.assertEqual(self.call(name, *args, ctypes.byref(out)), 0, name)
        return out

    def near(self, what, got, want, *at, rel=REL, least=TINY, absolute=0.):
        self.compared[what] += 1
        self.assertTrue(-1e-15 <= got <= 1 + 1e-12, f"{what}{at}: {got} is no probability")
        if want < least:
            self.assertLess(got, 2 * least, f"{what}{at}: want {want}")
            return
        self.small[what] += want < 1e-12
        self.assertLessEqual(abs(got - want), rel * want + absolute, f"{what}{at}: got {got!r}, want {want!r}")

    def near_log10(self, what, got, want, *at):
        """want: the area; compared where scipy still has one."""
        if want > TINY:
            self.compared[what] += 1
            self.assertLessEqual(abs(got - np.log10(want)), REL * max(1., abs(np.log10(want))), f"{what}{at}")

    def counts(self, rounds, *needed):
        print("   ", ", ".join(f"{k} {n} ({self.small[k]} below 1e-12)" for k, n in sorted(self.compared.items())), flush=True)
        for what in needed:
            self.assertGreaterEqual(self.compared[what], rounds, what)

    def spread(self, low, high):
        return float(10 ** self.rng.uniform(np.log10(low), np.log10(high)))

    def level(self):
        return self.spread(1e-280, 1) if self.rng.random() < .5 else self.rng.uniform(1e-6, 1)

    # ---- the laws themselves ----

    def laws(self, rounds):
        for _ in range(rounds):
            z = self.rng.choice([-1, 1]) * (self.spread(1e-8, 36) if self.rng.random() < .5 else self.rng.uniform(0, 36))
            self.near("normal", self.call("tail_normal", DOUBLE(z)), float(special.ndtr(-z)), z)
            both = float(2 * special.ndtr(-abs(z)))
            self.near("normal two-sided", self.call("tail_normal_two_sided", DOUBLE(z)), both, z)
            self.near_log10("normal log10", self.call("tail_normal_two_sided_log10", DOUBLE(z)), both, z)
            k = float(self.rng.choice([1, 2, 3, 9, 99, int(self.spread(1, 20000))]))
            x = float(stats.chi2.isf(self.level(), k))
            want = float(stats.chi2.sf(x, k))
            self.near("chi2", self.call("tail_chi2", DOUBLE(x), DOUBLE(k)), want, x, k)
            self.near_log10("chi2 log10", self.call("tail_chi2_log10", DOUBLE(x), DOUBLE(k)), want, x, k)
            p = self.level()
            back = self.call("tail_chi2_inverse", DOUBLE(p), DOUBLE(k))
            self.near("chi2 inverse", float(stats.chi2.sf(back, k)), p, k)
            lam = self.spread(1e-3, 5000)
            x = max(0., k + lam + self.rng.uniform(-3, 25) * np.sqrt(2 * (k + 2 * lam)))
            self.near("chi2 non-central", self.call("tail_chi2_noncentral", DOUBLE(x), DOUBLE(k), DOUBLE(lam)), noncentral(x, k, lam),
                      x, k, lam, least=1e-280)
            t = self.spread(.1, 18)
            self.near("kolmogorov", self.call("tail_kolmogorov", DOUBLE(t)), float(special.kolmogorov(t)), t)
            self.near_log10("kolmogorov log10", self.call("tail_kolmogorov_log10", DOUBLE(t)), float(special.kolmogorov(t)), t)
        for name, weights in (("cvm", cvm_weights), ("anderson", anderson_weights)):
            for _ in range(max(4, rounds // 40)):
                x = weights.total * self.spread(.2, 9)
                log10 = DOUBLE()
                got = self.call("tail_" + name, DOUBLE(x), ctypes.byref(log10))
                self.near(f"{name} limit", got, quadratic(x, weights), x, least=0., absolute=3e-9)
                self.near_log10(f"{name} limit log10", log10.value, got, x)
        self.counts(rounds, "normal", "chi2", "chi2 inverse", "chi2 non-central", "kolmogorov")
        for law in ("normal", "chi2", "kolmogorov", "chi2 non-central"):
            self.assertGreater(self.small[law], rounds // 10, f"{law}: the tail was not tried")

    def test_laws(self):
        self.laws(250)

    @env.long
    def test_laws_at_length(self):
        self.laws(3000)

    # ---- counts ----

    def table(self):
        k, size = int(self.rng.integers(2, 60)), self.spread(40, 1e6)
        shares = self.rng.dirichlet(np.full(k, self.spread(.3, 50)))
        moved = self.rng.dirichlet(1 + 1e4 * shares) if self.rng.random() < .5 else shares
        p, q = self.rng.multinomial(int(size * self.rng.uniform(.2, 20)), shares), self.rng.multinomial(int(size), moved)
        return p.astype(np.uint64), q.astype(np.uint64)

    def homogeneity(self, p, q):
        at = (p.tolist(), q.tolist())
        got = self.filled("chi2", Chi2, p.ctypes, q.ctypes, SIZE(len(p)))
        both = np.array([p, q], dtype=float)[:, (p + q) > 0]
        if both.shape[1] < 2:
            return
        x2, p_value, dof, expected = stats.chi2_contingency(both, correction=False)
        self.near("pearson", got.pearson_p, p_value, *at)
        self.near_log10("pearson log10", got.pearson_log10_p, p_value, *at)
        g, p_value, _, _ = stats.chi2_contingency(both, correction=False, lambda_="log-likelihood")
        self.near("g", got.g_p, p_value, *at, rel=REL + 1e-14 * both.sum())  # G is a difference of large sums
        self.near_log10("g log10", got.g_log10_p, got.g_p, *at)
        n, row = both.sum(), both.sum(axis=1)
        williams = 1 + ((n / row).sum() - 1) * ((n / both.sum(axis=0)).sum() - 1) / (6 * n * dof)
        self.near("williams", got.williams_p, float(stats.chi2.sf(g / williams, dof)), *at, rel=REL + 1e-14 * n)
        self.assertEqual((got.cells, got.dof), (both.shape[1], dof))

    def one_cell(self, p, q):
        m, n, eps = int(p.sum()), int(q.sum()), float(self.rng.choice([0, .1, 1]))
        got = self.filled("max_cell", MaxCell, p.ctypes, q.ctypes, SIZE(len(p)), DOUBLE(eps))
        pi, used = n * (1 + eps) / (n * (1 + eps) + m), (p + q) > 0
        a, b = p[used].astype(float), q[used].astype(float)
        rising = b / n > a / m
        if rising.any():
            least = float(stats.binom.sf(b[rising] - 1, (a + b)[rising], pi).min())
            if least < .3:  # else its rate has not risen by eps
                self.near("the cell alone", got.p_cell, least, p.tolist(), q.tolist(), eps)
            self.near("max cell", got.p_value, min(1., used.sum() * least), p.tolist(), q.tolist(), eps)

    def rates(self):
        n1, n2 = int(self.spread(1, 30000)), int(self.spread(1, 3000))
        r = self.spread(1e-4, 1) if self.rng.random() < .8 else float(self.rng.choice([0, 1]))
        k1, k2 = int(self.rng.binomial(n1, r)), int(self.rng.binomial(n2, min(1, r * self.spread(.3, 10))))
        at, args = (k1, n1, k2, n2), [U64(v) for v in (k1, n1, k2, n2)]
        law = stats.hypergeom(n1 + n2, k1 + k2, n2)
        low, high = float(law.cdf(k2)), float(law.sf(k2 - 1))
        if high < 1e-9:  # sf is 1 - cdf in parts
            high = float(np.exp(law.logsf(k2 - 1)))
        if low < 1e-9:
            low = float(np.exp(law.logcdf(k2)))
        self.near("hypergeometric", self.call("rate_p_rise", *args), min(1., high), *at, least=1e-250)
        self.near("hypergeometric, two-sided", self.call("rate_p_change", *args), min(1., 2 * min(low, high)), *at, least=1e-250)
        ends = DOUBLE(), DOUBLE()
        self.assertEqual(self.call("rate_wilson", args[2], args[3], *map(ctypes.byref, ends)), 0)
        want = stats.binomtest(k2, n2).proportion_ci(method="wilson")
        for got, end in zip(ends, want):
            self.near("wilson", got.value, end, *at, absolute=1e-15)

    def index(self):
        bins, m, n = int(self.rng.integers(2, 40)), self.spread(50, 1e6), self.spread(50, 1e5)
        ne, psi, delta = n * m / (n + m), self.spread(1e-4, 1), self.spread(1e-4, .5)
        args = DOUBLE(psi), SIZE(bins), DOUBLE(m), DOUBLE(n)
        self.near("psi", self.call("psi_p", *args), float(stats.chi2.sf(ne * psi, bins - 1)), psi, bins, m, n)
        if ne * delta < 9000:  # above, an approximation is promised only
            self.near("psi tolerance", self.call("psi_p_tolerance", *args, DOUBLE(delta)), noncentral(ne * psi, bins - 1, ne * delta),
                      psi, bins, m, n, delta, least=1e-280)
        wide = (np.sqrt(delta) + np.sqrt(stats.chi2.isf(.05, bins - 1) / m)) ** 2
        got = self.call("psi_tolerance", DOUBLE(delta), SIZE(bins), DOUBLE(m))
        self.assertLessEqual(abs(got - wide), 1e-9 * wide)

    def of_counts(self, rounds):
        for _ in range(rounds):
            p, q = self.table()
            if p.sum() and q.sum():
                self.homogeneity(p, q)
                self.one_cell(p, q)
            self.rates()
            self.index()
        self.counts(rounds * 9 // 10, "pearson", "g", "williams", "max cell", "hypergeometric", "hypergeometric, two-sided", "wilson",
                    "psi", "psi tolerance")

    def test_counts(self):
        self.of_counts(150)

    @env.long
    def test_counts_at_length(self):
        self.of_counts(2000)

    # ---- samples ----

    def sides(self):
        m, n = (int(self.spread(4, 60)) for _ in range(2))
        shift, scale = self.rng.choice([0, .3, 3]), self.spread(1e-6, 1e6)
        x, y = (self.rng.normal(s, 1, k) * scale for k, s in ((m, 0), (n, shift)))
        return np.sort(x), np.sort(y)

    def distance(self, x, y):
        m, n = len(x), len(y)
        ks = self.filled("ks_samples", Ks, x.ctypes, SIZE(m), y.ctypes, SIZE(n))
        p, at = DOUBLE(), (x.tolist(), y.tolist())
        self.assertEqual(self.call("ks_p_exact", DOUBLE(ks.d), SIZE(m), SIZE(n), ctypes.byref(p)), 0)
        want = stats.ks_2samp(x, y, method="exact")
        self.assertLess(abs(ks.d - want.statistic), 1e-12)
        self.near("ks exact", p.value, want.pvalue, *at)
        ne = m * n / (m + n)
        if round(ne) > 0:
            sizes = DOUBLE(m), DOUBLE(n)
            self.assertEqual(self.call("ks_p_finite", DOUBLE(ks.d), *sizes, ctypes.byref(p), None), 0)
            self.near("ks finite", p.value, float(stats.kstwo.sf(ks.d, np.round(ne))), *at)
            self.near("ks limit", self.call("ks_p_limit", DOUBLE(ks.d), *sizes), float(special.kolmogorov(np.sqrt(ne) * ks.d)), *at)
            self.near_log10("ks limit log10", self.call("ks_p_limit_log10", DOUBLE(ks.d), *sizes), float(special.kolmogorov(np.sqrt(ne) * ks.d)))
            far = np.sqrt(ne) + .12 + .11 / np.sqrt(ne)
            self.near("ks stephens", self.call("ks_p_stephens", DOUBLE(ks.d), *sizes), float(special.kolmogorov(far * ks.d)), *at)
            self.near_log10("ks stephens log10", self.call("ks_p_stephens_log10", DOUBLE(ks.d), *sizes), float(special.kolmogorov(far * ks.d)))
            cells = int(self.rng.integers(16, 300))
            t = np.sqrt(ne) * ks.d + .5826 / np.sqrt(cells)
            self.near("ks grid", self.call("ks_p_grid", DOUBLE(ks.d), *sizes, SIZE(cells)), float(special.kolmogorov(t)), *at)

    def squares(self, x, y):
        m, n, at = len(x), len(y), (x.tolist(), y.tolist())
        cvm = self.filled("cvm", Cvm, x.ctypes, SIZE(m), y.ctypes, SIZE(n))
        want = stats.cramervonmises_2samp(x, y, method="asymptotic")
        self.near("cvm", cvm.p_midrank, want.pvalue, *at, least=0., absolute=1e-8)  # scipy cuts its series
        self.assertFalse(cvm.has_ties)  # then both forms are one
        self.near("cvm as the curves have it", cvm.p, want.pvalue, *at, least=0., absolute=1e-8)
        self.near_log10("cvm log10", cvm.log10_p, cvm.p, *at)
        self.near_log10("cvm mid-rank log10", cvm.log10_p_midrank, cvm.p_midrank, *at)
        if m + n <= 24:
            p = DOUBLE()
            self.assertEqual(self.call("cvm_p_exact", x.ctypes, SIZE(m), y.ctypes, SIZE(n), ctypes.byref(p)), 0)
            self.near("cvm exact", p.value, stats.cramervonmises_2samp(x, y, method="exact").pvalue, *at)
        got = self.filled("anderson", Anderson, x.ctypes, SIZE(m), y.ctypes, SIZE(n))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy says that p is clipped
            want = stats.anderson_ksamp([x, y])
        self.assertLessEqual(abs(got.standardised - want.statistic), 1e-9 * max(1, abs(want.statistic)))
        self.near("anderson, clipped", got.p_clipped, want.significance_level, *at)
        limit = DOUBLE()
        sigma = np.sqrt(2 * np.pi ** 2 / 3 - 6)
        self.near("anderson", got.p, self.call("tail_anderson", DOUBLE(1 + got.standardised * sigma), ctypes.byref(limit)), *at)
        self.near_log10("anderson log10", got.log10_p, got.p, *at)

    def of_samples(self, rounds):
        for _ in range(rounds):
            x, y = self.sides()
            self.distance(x, y)
            self.squares(x, y)
        self.counts(rounds * 9 // 10, "ks exact", "ks finite", "ks limit", "ks stephens", "ks grid", "cvm", "anderson", "anderson, clipped")
        self.assertGreater(self.compared["cvm exact"], rounds // 10)

    def test_samples(self):
        self.of_samples(150)

    @env.long
    def test_samples_at_length(self):
        self.of_samples(1000)

    # ---- nothing is left out ----

    @staticmethod
    def candidates():
        """Functions, and members of structures as structure.member, whose name says p: of all public headers."""
        said = re.compile(r"(?:^|_)(?:p|p_value|p_shared)(?:_|$)|^drift_tail_")
        functions, members = set(), set()
        for header in library.headers():
            functions |= {n for n in header.exported() if said.search(n)}
            code = re.sub(r"/\*.*?\*/", "", "\n".join(item.code for item in header.items), flags=re.S)
            for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", code, re.M | re.S):
                fields = re.findall(r"\bdouble ([^;]*);", body)
                members |= {f"{name}.{f}" for line in fields for f in re.findall(r"[*]?\w+", line) if said.search(f)}
        return functions, members

    # Not compared above.  Where they are: a file, what of it asserts them, and how.
    ELSEWHERE = {
        "drift_ks_null_p": ("unit/stats/test_cells.c", "values_null", "a drawn law, against the exact one"),
        "drift_cells_edf.p_value": ("unit/stats/test_cells.c", "agrees_with_scipy",
                                    "drift_cells_cvm and drift_cells_anderson: approximations, within 5 and 8 % of the exact law; sizes_are_as_stated"),
        "drift_concordance_pair.p_value": ("unit/detect/test_concordance.c", "two_shares", "drift_concordance_compare, by its log10_p"),
        "drift_concordance_pair.log10_p": ("unit/detect/test_concordance.c", "two_shares", "scipy's hypergeometric law, stored"),
        "drift_concordance_result.p_value": ("unit/detect/test_concordance.c", "a_table_of_events", "by its log10_p; sizes"),
        "drift_concordance_result.log10_p": ("unit/detect/test_concordance.c", "a_table_of_events", "stored"),
        "drift_concordance_result.p_shared": ("unit/detect/test_concordance.c", "a_table_of_events", "stored; sizes"),
        "drift_embedding_result.p_value": ("unit/detect/test_embedding.c", "as_numpy_has_it", "drift_embedding_compare: stored; sizes"),
        "drift_embedding_result.log10_p": ("unit/detect/test_embedding.c", "as_numpy_has_it", "stored"),
        "drift_embedding_result.p_shared": ("unit/detect/test_embedding.c", "as_numpy_has_it", "stored; sizes"),
        "drift_measure.p_value": ("unit/stats/test_reference.c", "values_volume",
                                  "drift_measure_volume and drift_measure_column, against scipy, stored"),
        "drift_phase1_score.split_p": ("unit/detect/test_phase1.c", "names_the_split", "phase I: that it is small or not; no oracle"),
        "drift_phase1_score.season_p": ("unit/detect/test_phase1.c", "knows_the_hours", "phase I: by `seasonal`, which it decides; no oracle"),
        "drift_phase1_score.weekend_p": ("unit/detect/test_phase1.c", "knows_the_weekend", "phase I: that it is small; no oracle"),
    }
    KINDS = {Chi2: "drift_chi2", Cvm: "drift_cvm", Anderson: "drift_anderson", MaxCell: "drift_max_cell"}

    def test_each_p_value_is_compared_here_or_named(self):
        """By names: a p-value whose name does not say p is not found."""
        functions, members = self.candidates()
        self.assertGreater(len(functions), 20)
        self.assertGreater(len(members), 25)
        with open(__file__) as f:
            text = f.read()
        compared = "\n".join(line for line in text.splitlines() if re.search(r"self\.(call|filled|near\w*)\(", line))
        called = set(re.findall(r'self\.(?:call|filled)\("(\w+)"', compared)) | {"tail_cvm", "tail_anderson"}  # by `laws`
        here = {n for n in functions if n[6:] in called}
        for kind, name in self.KINDS.items():
            here |= {f"{name}.{m}" for m, _ in kind._fields_ if re.search(rf"near\w*\([^)]*\b\w+\.{m}\b", compared)}
        self.assertEqual((functions | members) - here, set(self.ELSEWHERE), "compare it above, or say where it is")
        for name, (file, what, _) in self.ELSEWHERE.items():
            with open(os.path.join(env.ROOT, "tests", file)) as f:
                self.assertIn(what, f.read(), name)


if __name__ == "__main__":
    unittest.main()
