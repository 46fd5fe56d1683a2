"""tests/lint/test_headers.py    What libdriftd promises about its headers: documented, complete, usable alone."""
import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "docs", "tools"))
import library  # noqa: E402

SYMBOLS = os.path.join(ROOT, "src", "libdriftd", "symbols.txt")
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only", "-I" + os.path.join(ROOT, "include")]


def read(path):
    with open(path) as f:
        return f.read()


class Library(unittest.TestCase):
    def test_each_function_is_documented_in_its_header(self):
        bad, seen = [], 0
        for h in library.headers():
            seen += len(h.functions())
            bad += [f"{h.name}: {n}" for item in h.items if not item.documented() for n in item.functions() + item.tables()]
        self.assertEqual(bad, [], "a comment above the declaration, or behind it in its line")
        self.assertGreater(seen, 60)

    def test_each_header_says_what_its_calls_cost_and_from_which_threads(self):
        bare = ("driftd.h", "version.h", "error.h")  # names only
        about = {h.name: str(h.about) for h in library.headers() if h.name not in bare}
        self.assertGreater(len(about), 20)
        self.assertEqual([n for n, text in about.items() if not re.search(r"[Cc]osts?:?\b|O\(", text)], [], "no cost in the head")
        self.assertEqual([n for n, text in about.items() if "hread" not in text], [], "no thread rule in the head")

    def test_each_header_names_the_source_of_what_it_computes(self):
        """A paper with author and year, or "own method" and why."""
        no_formula = {"driftd.h", "version.h", "error.h", "layout.h", "summary.h",  # names and counters
                      "sums.h"}  # adds integers
        paper = re.compile(r"[A-Z]\. (?:[A-Z]\. )*(?:de |van )?[A-Z][a-z]+.*?\b(?:1[89]|20)\d\d\b"
                           r"|\b[A-Z][a-z]+(?:, [A-Z][a-z]+| et al\.)? (?:19|20)\d\d\b")
        bare = set()
        for h in library.headers():
            said = " ".join([*h.about, *(line for item in h.items for line in item.comment)])
            if not paper.search(said) and "own method" not in said:
                bare.add(h.name)
        self.assertEqual(bare, no_formula, "without a source")

    def test_functions_are_found_whatever_their_form(self):
        """The reader above knows declarations by their layout; any name followed by a bracket counts here."""
        for h in library.headers():
            text = re.sub(r"/\*.*?\*/", "", read(os.path.join(library.HEADERS, h.name)), flags=re.S)
            bare = re.sub(r"typedef[^;]*;", "", text)
            named = set(re.findall(r"\b(drift_\w+)\s*\(", bare))
            self.assertLessEqual(set(h.functions()), named, h.name)
            calls = {n for n in named - set(h.functions())
                     if any(re.search(rf"\b{n}\s*\(", other) for other in inline_bodies(bare))}
            self.assertEqual(named - set(h.functions()) - calls, set(), h.name)

    def test_the_reference_is_up_to_date(self):
        self.assertTrue(read(library.TARGET) == library.page(), "run docs/tools/library.py")

    def test_one_header_has_them_all(self):
        text = read(library.UMBRELLA)
        self.assertGreater(text.count("#include"), 12)
        self.assertEqual(text, library.umbrella(), "run docs/tools/library.py")

    def test_headers_compile_alone_as_c_and_as_cpp(self):
        for name in sorted(n for n in os.listdir(library.HEADERS) if n.endswith(".h")):
            for compiler in (["cc", "-std=c11", "-Wstrict-prototypes", "-xc"], ["c++", "-std=c++17", "-xc++"]):
                done = subprocess.run([*compiler, *STRICT, "-"], input=f'#include "driftd/{name}"\n', capture_output=True, text=True)
                self.assertEqual(done.stderr, "", f"{name} with {compiler[0]}")
            self.assertIn('extern "C" {', read(os.path.join(library.HEADERS, name)) if name != "driftd.h" else 'extern "C" {', name)

    def test_no_recorded_symbol_disappears(self):
        recorded = [line.split() for line in read(SYMBOLS).splitlines() if not line.startswith("#")]
        declared = {n for h in library.headers() for n in h.exported()}
        self.assertGreater(len(recorded), 50)
        self.assertEqual([s for s, _ in recorded if s not in declared], [], "a function of a release must stay, or the SONAME changes")
        self.assertEqual([line for line in recorded if not re.fullmatch(r"DRIFTD_\d+\.\d+", line[1])], [])
        self.assertEqual(recorded, sorted(recorded), "sorted, each once")


def inline_bodies(text):
    """What stands in the braces of functions that headers define."""
    return re.findall(r"\)\n\{(.*?)\n\}", text, re.S)


if __name__ == "__main__":
    unittest.main()
