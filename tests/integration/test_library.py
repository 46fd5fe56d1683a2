"""tests/integration/test_library.py    libdriftd as a program meets it: installed, found by pkg-config, linked, run."""
import ctypes
import os
import re
import subprocess
import sys
from math import log

import env

sys.path.insert(0, os.path.join(env.ROOT, "docs", "tools"))
import figures  # noqa: E402
import library  # noqa: E402

PROGRAM = r"""
#include <driftd/driftd.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const uint64_t p[4] = {100, 200, 300, 400}, q[4] = {140, 190, 280, 390};
    const double edges[3] = {1, 2, 3};
    struct drift_layout *l = drift_layout_new();
    struct drift_measure m[DRIFT_N_MEASURE];
    uint64_t base[8] = {0}, cur[8] = {0};
    double psi;
    size_t bins;
    drift_stats_init();
    if (!l || drift_layout_add_numeric(l, DRIFT_FEATURE, "x", edges, 3, 0, 0, 0) || drift_layout_seal(l))
        return 1;
    if (drift_psi(p, q, 4, DRIFT_PSI_ADD_HALF, &psi, &bins))
        return 2;
    memcpy(base + DRIFT_N_SPECIAL, p, sizeof p);
    memcpy(cur + DRIFT_N_SPECIAL, q, sizeof q);
    drift_measure_column(&l->columns[0], base, cur, m);
    printf("%s %u %.12f %.12f %s\n", drift_version(), drift_column_cell(&l->columns[0], 2.5), psi,
           m[DRIFT_MEASURE_PSI_RAW].value, drift_code_name(DRIFT_E_EMPTY));
    drift_layout_free(l);
    return 0;
}
"""


def run(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, timeout=120 * env.SLOW, **more)
    if done.returncode:
        raise AssertionError(f"{' '.join(args)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Library(env.Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(env.BUILD, "libdriftd.map")):
            self.skipTest("this build has no library (sanitizers, or DRIFTD_LIBRARY=OFF)")
        self.prefix = os.path.join(self.dir, "usr")
        run("cmake", "--install", env.BUILD, "--component", "library", "--prefix", self.prefix)
        self.pc = os.path.dirname(self.installed("driftd.pc"))
        self.shared = self.installed("libdriftd.so")

    def installed(self, name):
        found = [os.path.join(d, name) for d, _, files in os.walk(self.prefix) if name in files]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def pkg_config(self, *args):
        paths = os.pathsep.join(filter(None, [self.pc, os.environ.get("PKG_CONFIG_PATH")]))
        return run("pkg-config", *args, "driftd", env={**os.environ, "PKG_CONFIG_PATH": paths}).split()

    def build(self, compiler, ending, link):
        source, program = os.path.join(self.dir, "p" + ending), os.path.join(self.dir, "p" + ending + ".out")
        with open(source, "w") as f:
            f.write(PROGRAM)
        run(*compiler, "-Wall", "-Wextra", "-Werror", *self.pkg_config("--cflags"), source, "-o", program, *link)
        return program

    def test_programs_link_with_either_library(self):
        shared = self.pkg_config("--libs")
        static = [w.replace("-ldriftd", "-l:libdriftd.a") for w in self.pkg_config("--static", "--libs")]
        library_path = {**os.environ, "LD_LIBRARY_PATH": os.path.dirname(self.shared)}
        self.assertNotIn("-lgsl", shared)
        said = set()
        for compiler, ending in ((["cc", "-std=c11"], ".c"), (["c++", "-std=c++17"], ".cpp")):
            program = self.build(compiler, ending, shared)
            self.assertIn("libdriftd.so.", run("readelf", "-d", program))
            said.add(run(program, env=library_path))
            program = self.build(compiler, ending, static)
            self.assertNotIn("libdriftd", run("readelf", "-d", program))
            said.add(run(program))
        version, cell, psi, measured, name = said.pop().split()
        self.assertEqual(said, set(), "all four programs say the same")
        self.assertEqual((version, cell, name), (self.pkg_config("--modversion")[0], "2", "empty"))
        self.assertEqual(psi, measured)
        p, q = [100.5, 200.5, 300.5, 400.5], [140.5, 190.5, 280.5, 390.5]
        self.assertAlmostEqual(float(psi), self.psi(p, q), 11)

    @staticmethod
    def psi(p, q):
        return sum((b / sum(q) - a / sum(p)) * log(b / sum(q) * sum(p) / a) for a, b in zip(p, q))

    def test_nothing_but_the_declared_functions_is_exported(self):
        exported = dict(re.findall(r"^[0-9a-f]+ [TDBRVW] (\w+)@@(\w+\.\d+)$", run("nm", "-D", "--defined-only", self.shared), re.M))
        lines = [n for n in run("nm", "-D", "--defined-only", self.shared).splitlines() if " A DRIFTD_" not in n]
        self.assertEqual(len(lines), len(exported), "every symbol has a version")
        self.assertEqual([n for n in exported if not n.startswith("drift_")], [])
        self.assertEqual(set(exported), {n for h in library.headers() for n in h.exported()})
        with open(os.path.join(env.ROOT, "src", "libdriftd", "symbols.txt")) as f:
            recorded = dict(line.split() for line in f if not line.startswith("#"))
        self.assertIn("drift_ks_null_sizes", exported, "tables are exported too")
        self.assertEqual({n: exported.get(n) for n in recorded}, recorded, "a recorded symbol is gone or changed its version")
        static = run("nm", "-g", "--defined-only", self.installed("libdriftd.a"))
        names = set(re.findall(r"^[0-9a-f]+ [A-Z] (\w+)$", static, re.M))
        self.assertEqual(names, set(exported))

    def test_it_agrees_with_the_tables_of_the_manual(self):
        """docs/tools/figures.py has scipy's laws; here are the library's, called from Python as it is installed."""
        lib, double, size = ctypes.CDLL(self.shared), ctypes.c_double, ctypes.c_size_t
        for name in ("drift_psi_p", "drift_psi_p_tolerance", "drift_psi_noise", "drift_rate_p_rise"):
            getattr(lib, name).restype = double
        lib.drift_stats_init()
        m, compared = figures.BASELINE, 0
        for n in (50, 100, 200, 500, 1000, 5000, 10000):
            self.near(lib.drift_psi_noise(size(10), double(m), double(n)), figures.psi_noise(n), 1e-12)
            for level in (0.02, 0.1, 0.2):
                self.near(lib.drift_psi_p(double(level), size(10), double(m), double(n)), figures.psi_exceeds(level, n), 1e-8)
                for true in (0.01, 0.1):
                    p = lib.drift_psi_p_tolerance(double(level), size(10), double(m), double(n), double(true))
                    want = figures.psi_exceeds(level, n, true)
                    if want > 1e-12:  # scipy's own non-central law is no better far in the tail
                        self.near(p, want, 1e-7)
                        compared += 1
        self.assertGreater(compared, 20)
        for n in (100, 1000):
            k, u64 = figures.least_rise(0.01, n), ctypes.c_uint64
            p = [lib.drift_rate_p_rise(u64(1000), u64(m), u64(c), u64(n)) for c in (k - 1, k)]
            self.assertTrue(p[1] < 0.001 / 50 <= p[0], p)
            low, high = double(), double()
            self.assertEqual(lib.drift_rate_wilson(u64(k), u64(n), ctypes.byref(low), ctypes.byref(high)), 0)
            self.near(low.value, figures.wilson(k, n)[0], 1e-12)
            self.near(high.value, figures.wilson(k, n)[1], 1e-12)

    def test_pictured_shares_and_distances_are_the_librarys(self):
        """js, psi and V of the table of sizes, from counts that are the shares times 1e12."""
        lib, double, size = ctypes.CDLL(self.shared), ctypes.c_double, ctypes.c_size_t
        for shift, scale in ((0.1, 1), (1, 1), (0, 1.5)):
            q = figures.deciles(shift, scale)
            counts = ctypes.c_uint64 * len(q)
            base, cur = counts(*[10 ** 11] * len(q)), counts(*[round(float(s) * 1e12) for s in q])
            got = double()
            self.assertEqual(lib.drift_psi(base, cur, size(len(q)), 0, ctypes.byref(got), None), 0)
            self.near(got.value, figures.psi_of(q), 1e-8)
            self.assertEqual(lib.drift_js_distance(base, cur, size(len(q)), ctypes.byref(got)), 0)
            self.near(got.value, figures.js_of(q), 1e-8)

    def near(self, a, b, rel):
        self.assertLessEqual(abs(a - b), rel * max(abs(a), abs(b)), f"{a!r} and {b!r}")

    def test_the_soname_has_the_minor_version(self):
        major, minor, _ = self.pkg_config("--modversion")[0].split(".")
        self.assertIn(f"Library soname: [libdriftd.so.{major}.{minor}]", run("readelf", "-d", self.shared))

    def test_headers_are_the_public_ones(self):
        folder = os.path.join(self.prefix, "include", "driftd")
        source = os.path.join(env.ROOT, "include", "driftd")
        self.assertEqual(sorted(os.listdir(folder)), sorted(n for n in os.listdir(source) if n.endswith(".h")))
