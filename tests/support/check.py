#!/usr/bin/python3
"""tests/support/check.py    Runs the suites that it is given and counts their results; the driver of `make check`.

    check.py [--only PATTERN] SUITE...     unit asan lint model integration chaos long

The last line of the output is `N passed, N failed, N skipped`, summed over CTest programs and Python tests; skipped
ones are named above it with their reason.  Exit status 0 only when nothing failed; with DRIFTD_SKIPS_FAIL=1 a skip is
a failure.  A suite that cannot be built or run counts as one failure, and the others run all the same.
"""
import argparse
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as xml

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def add(self, suite, name, status, seconds, why=""):
        {"passed": self.passed, "failed": self.failed, "skipped": self.skipped}[status].append((f"{suite}: {name}", why))
        print(f"  {status:7} {seconds:6.1f} s  {name}{'  (' + why + ')' if why else ''}", flush=True)


def run(args, **more):
    return subprocess.run(args, cwd=ROOT, **more).returncode


def build(preset):
    started = time.monotonic()
    for args in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "--", "--quiet"]):
        done = subprocess.run(args, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print("\n".join(done.stdout.splitlines()[-60:]))
            return False, time.monotonic() - started
    return True, time.monotonic() - started


def skip_reason(case):
    for tag in ("system-out", "skipped"):
        text = case.findtext(tag) or (case.find(tag).get("message") if case.find(tag) is not None else "")
        found = re.search(r"SKIP: (.*)", text or "")
        if found:
            return found.group(1)
    return "the program returned 77"


def fixed_addresses(environment):
    """Under a sanitizer: without address space randomisation where the system lets us.  The sanitizers' run-time
    libraries of Debian 12 now and then find their shadow memory taken before main."""
    off = ["setarch", "-R"]
    return off if environment and subprocess.run(off + ["true"], stderr=subprocess.DEVNULL).returncode == 0 else []


def ctest(tally, suite, preset, only, environment=None):
    """Builds a preset and runs its CTest programs."""
    ok, seconds = build(preset)
    print(f"{suite}: built in {seconds:.0f} s", flush=True)
    if not ok:
        tally.add(suite, "build", "failed", seconds, "see the compiler's messages above")
        return
    with tempfile.TemporaryDirectory() as tmp:
        junit = os.path.join(tmp, "junit.xml")
        args = fixed_addresses(environment) + ["ctest", "--preset", preset, "--output-junit", junit, "--quiet"]
        run(args + (["-R", fnmatch.translate(only).replace("\\Z", "$")] if only else []), stdout=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})})
        cases = list(xml.parse(junit).getroot().iter("testcase")) if os.path.exists(junit) else []
    if not cases and not only:
        tally.add(suite, "ctest", "failed", 0, "no test was run")
    for case in cases:
        status = {"run": "passed", "fail": "failed"}.get(case.get("status"), "failed")
        if case.find("skipped") is not None and case.get("status") in ("notrun", "skipped"):
            status = "skipped" if "SKIP_RETURN_CODE" in (case.find("skipped").get("message") or "") else "failed"
        why = skip_reason(case) if status == "skipped" else ""
        tally.add(suite, case.get("name"), status, float(case.get("time") or 0), why)
        if status == "failed":
            text = (case.findtext("system-out") or "").strip()
            print("\n".join("    " + line for line in text.splitlines()[-40:]), flush=True)


class Result(unittest.TestResult):
    """Counts into the tally and prints failures where they happen."""

    def __init__(self, tally, suite):
        super().__init__()
        self.tally, self.suite = tally, suite

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def note(self, test, status, why=""):
        name = test.id() if hasattr(test, "id") else str(test)
        self.tally.add(self.suite, name, status, time.monotonic() - getattr(self, "started", time.monotonic()), why)

    def addSuccess(self, test):
        self.note(test, "passed")

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)

    def bad(self, test, err):
        self.note(test, "failed")
        print("\n".join("    " + line for line in self._exc_info_to_string(err, test).splitlines()), flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.bad(subtest, err)

    def addExpectedFailure(self, test, err):
        self.note(test, "passed")

    def addUnexpectedSuccess(self, test):
        self.note(test, "failed", "was expected to fail")


def python(tally, suite, folder, only, long=False, claims=None):
    """Runs tests/<folder>/test_*.py in this process, file by file.  Tests with the attribute `long` set (env.long) are for
    check-long, and only they.  claims: a folder where processes that share the work say which file they take."""
    path = os.path.join(ROOT, "tests", folder)
    sys.path.insert(0, path)
    names = sorted(n[:-3] for n in os.listdir(path) if re.fullmatch(r"test_\w+\.py", n)) if os.path.isdir(path) else []
    if not claims:
        print(f"{suite}: {len(names)} files", flush=True)
    for name in names:
        if claims and not claim(os.path.join(claims, name)):
            continue
        tests = [t for t in flatten(unittest.defaultTestLoader.loadTestsFromName(name))
                 if (only and fnmatch.fnmatch(t.id(), only)) or (not only and is_long(t) == long)]
        unittest.TestSuite(tests).run(Result(tally, suite))


def claim(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


def python_shared(tally, suite, folder, only, workers=2):
    """The same in several processes, each with servers of its own: tests with servers mostly wait."""
    with tempfile.TemporaryDirectory(prefix="driftd-check-") as claims:
        results = [os.path.join(claims, f"{i}.results") for i in range(workers)]
        children = [subprocess.Popen([sys.executable, __file__, "--worker", claims, "--results", r, suite] + (["--only", only] if only else []),
                                     cwd=ROOT) for r in results]
        for child, path in zip(children, results):
            child.wait()
            try:
                with open(path) as f:
                    rows = json.load(f)
            except (OSError, ValueError) as e:
                tally.add(suite, "(worker)", "failed", 0, f"ended with status {child.returncode} and without results: {e}")
                continue
            for status in rows:
                getattr(tally, status).extend((name, why) for name, why in rows[status])


def work(tally, args):
    python(tally, args.suites[0], "integration", args.only, claims=args.worker)
    with open(args.results, "w") as f:
        json.dump({"passed": tally.passed, "failed": tally.failed, "skipped": tally.skipped}, f)


def is_long(test):
    return bool(getattr(getattr(test, getattr(test, "_testMethodName", ""), None), "long", False))


def flatten(tests):
    for t in tests:
        if isinstance(t, unittest.TestSuite):
            yield from flatten(t)
        else:
            yield t


def integration(tally, only):
    """The Python tests with real servers, over the release build (or DRIFTD_BUILD)."""
    if not os.environ.get("DRIFTD_BUILD"):
        ok, seconds = build("release")
        if not ok:
            tally.add("integration", "build", "failed", seconds)
            return
    python_shared(tally, "integration", "integration", only)


def chaos(tally, only):
    """The short chaos run, over the release build (or DRIFTD_BUILD); its own output says what was struck and compared."""
    if only and not fnmatch.fnmatch("short run", only):
        return
    if not os.environ.get("DRIFTD_BUILD"):
        ok, seconds = build("release")
        if not ok:
            tally.add("chaos", "build", "failed", seconds)
            return
    seed = os.environ.get("DRIFTD_SEED") or ""
    args = [sys.executable, os.path.join(ROOT, "tests", "chaos", "chaos.py"), "--short"] + (["--seed", seed] if seed.isdigit() else [])
    for attempt in range(2):
        started = time.monotonic()
        done = subprocess.run(args, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print("\n".join("    " + line for line in done.stdout.splitlines()), flush=True)
        if done.returncode != 3:  # 3: the machine stood still for so long that the run proves nothing
            break
    tally.add("chaos", "short run", "failed" if done.returncode else "passed", time.monotonic() - started,
              f"status {done.returncode}" if done.returncode else "")


def model(tally, only):
    """Every state that a small world can reach by the state protocol, in the short form; a line a case."""
    ok, seconds = build("release")
    if not ok:
        tally.add("model", "build", "failed", seconds)
        return
    done = subprocess.run([os.path.join(ROOT, "build", "release", "tests", "model"), "--short"], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    good = re.compile(r"(holds|caught|needless) +(\d+) states +depth +(\d+) +([\d.]+) s  (.+)")
    lines = [good.match(line) for line in done.stdout.splitlines()]
    for found in filter(None, lines):
        if not only or fnmatch.fnmatch(found[5].strip(), only):
            tally.add("model", re.sub(r"  +", ": ", found[5].strip()), "passed", float(found[4]), f"{found[1]}, {found[2]} states")
    if done.returncode or not any(lines):
        tally.add("model", "short form", "failed", 0, "see below")
        print("\n".join("    " + line for line in done.stdout.splitlines() if not good.match(line)), flush=True)


def fresh(tally, only):
    """What a run for every change is too short for: other random cases, and fuzzing by minutes."""
    python(tally, "long", "integration", only, long=True)
    ctest(tally, "fresh", "clang", only, {**SANITIZERS, "DRIFTD_SEED": "fresh"})
    started = time.monotonic()
    seconds = os.environ.get("DRIFTD_FUZZ_SECONDS") or "60"
    failed = run([os.path.join(ROOT, "tests", "fuzz", "run.sh"), seconds])
    tally.add("long", f"fuzz targets for {seconds} s each", "failed" if failed else "passed", time.monotonic() - started)


SANITIZERS = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1", "DRIFTD_TEST_SLOW": "4"}
SUITES = {
    "unit": lambda tally, only: ctest(tally, "unit", "release", only),
    "asan": lambda tally, only: ctest(tally, "asan", "asan", only, SANITIZERS),
    "lint": lambda tally, only: python(tally, "lint", "lint", only),
    "model": model,
    "integration": integration,
    "chaos": chaos,
    "long": fresh,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=list(SUITES), metavar="SUITE")
    parser.add_argument("--only", help="only tests whose name matches this glob")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--results", help=argparse.SUPPRESS)
    args = parser.parse_args()
    tally, started = Tally(), time.monotonic()
    if args.worker:
        return work(tally, args)
    for name in args.suites:
        begun = time.monotonic()
        try:
            SUITES[name](tally, args.only)
        except Exception as e:  # a suite that cannot start must not hide the others' results
            tally.add(name, "(suite)", "failed", 0, f"{type(e).__name__}: {e}")
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    skips_fail = os.environ.get("DRIFTD_SKIPS_FAIL") == "1"
    for title, rows in (("skipped", tally.skipped), ("failed", tally.failed)):
        for name, why in rows:
            print(f"{title}: {name}{': ' + why if why else ''}")
    print(f"took {time.monotonic() - started:.0f} s")
    sys.stdout.flush()
    bad = bool(tally.failed or (skips_fail and tally.skipped) or not tally.passed)
    print(f"{len(tally.passed)} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
