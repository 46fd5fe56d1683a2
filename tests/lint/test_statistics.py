"""tests/lint/test_statistics.py    docs/statistics.md: its tables and pictures are what docs/tools/figures.py makes."""
import os
import re
import sys
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "docs", "tools"))
import figures  # noqa: E402

NUMBER = re.compile(r"-?(?:\d[\d,]*\.?\d*|\.\d+)(?:e-?\d+)?")


def read(path):
    with open(path) as f:
        return f.read()


def differences(made, kept):
    """Where two texts differ by more than the last digits of their numbers: laws and libm differ between versions."""
    bad = []
    made_lines, kept_lines = made.splitlines(), kept.splitlines()
    if len(made_lines) != len(kept_lines):
        return [f"{len(made_lines)} lines, not {len(kept_lines)}"]
    for i, (a, b) in enumerate(zip(made_lines, kept_lines), 1):
        x, y = ([float(n.replace(",", "")) for n in NUMBER.findall(s)] for s in (a, b))
        words = NUMBER.sub("#", a) == NUMBER.sub("#", b)
        if not words or any(abs(u - v) > max(0.02 * abs(u), 0.25 if "<" in a else 0) for u, v in zip(x, y)):
            bad.append(f"line {i}: {b[:80]}")
    return bad


class Statistics(unittest.TestCase):
    def test_pictures_are_reproducible(self):
        made = figures.pictures()
        self.assertEqual(sorted(os.listdir(figures.PICTURES)), sorted(made))
        for name, svg in made.items():
            self.assertLess(len(svg), 12000, name)
            self.assertEqual(differences(svg, read(os.path.join(figures.PICTURES, name))), [], f"{name}: run docs/tools/figures.py")

    def test_tables_are_reproducible(self):
        kept = read(figures.PAGE)
        self.assertEqual(differences(figures.page(kept), kept), [], "run docs/tools/figures.py")

    def test_the_comparison_sees_a_difference(self):
        table = "| a | .094 | 1,000 |"
        self.assertEqual(differences(table, table), [])
        self.assertNotEqual(differences(table, table.replace(".094", ".097")), [])
        self.assertNotEqual(differences(table, table.replace("a", "b")), [])

    def test_links_and_pictures_exist(self):
        for page in ("statistics.md", "library.md"):
            text = read(os.path.join(ROOT, "docs", page))
            links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S))
            self.assertGreater(len(links), 10, page)
            for link in links:
                if link.startswith("http"):
                    continue
                path, _, anchor = link.partition("#")
                target = os.path.join(ROOT, "docs", path or page)
                self.assertTrue(os.path.exists(target), link)
                if anchor:
                    heads = [re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", read(target), re.M)]
                    self.assertIn(anchor, heads, link)

    def test_sizes_in_words_are_those_of_the_table(self):
        """How often KS rejects on a Poisson(2) count at .05, by the continuous law and by the drawn one."""
        rows = [line.split("|")[1:-1] for line in read(os.path.join(ROOT, "docs", "calibration.md")).splitlines() if line.startswith("| ks")]
        ends = []
        for name in ("ks", "ks, by the null law of its cells"):
            sizes = [100 * float(r[4].split("/")[0]) for r in rows if r[0].strip() == name]
            self.assertEqual(len(sizes), 3, name)
            ends.append(f"{min(sizes):.1f} to {max(sizes):.1f} %")
        page = " ".join(read(figures.PAGE).split())
        self.assertIn(f"rejects {ends[0]} of undrifted windows of a Poisson(2) count, the drawn one {ends[1]}", page)
        header = re.sub(r"\s+\*?\s*", " ", read(os.path.join(ROOT, "include", "driftd", "ks_null.h")))
        self.assertIn(f"rejects {ends[0]} of undrifted windows of a Poisson(2) count", header)

    def test_every_measure_is_explained(self):
        rows = re.findall(r'^    X\((?!ID)\w+, "(\w+)", [01], [01], [01],', read(os.path.join(ROOT, "include", "driftd", "measure.h")), re.M)
        self.assertGreater(len(rows), 10)
        text = read(figures.PAGE)
        self.assertEqual([n for n in rows if f"`{n}`" not in text], [], "a section in docs/statistics.md")


if __name__ == "__main__":
    unittest.main()
