#!/usr/bin/python3
"""docs/tools/figures.py    Draws the pictures of docs/statistics.md and makes its tables, from the laws themselves.

    docs/tools/figures.py       writes docs/pictures/*.svg and what stands between the markers in docs/statistics.md

Nothing here uses libdriftd: scipy's laws are the second opinion, and tests/integration/test_library.py compares.
"""
import math
import os
import re

import numpy as np
from scipy import optimize, special, stats

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(ROOT, "docs", "statistics.md")
PICTURES = os.path.join(ROOT, "docs", "pictures")
BINS, BASELINE = 10, 100_000
COLOURS = ["#1b6ca8", "#c8553d", "#4d8b31", "#8e5ea2", "#7a6a53"]


# --- laws ---------------------------------------------------------------------------------------------------------

def effective(n, m=BASELINE):
    return n * m / (n + m)


def psi_noise(n, bins=BINS, m=BASELINE):
    return (bins - 1) * (1 / n + 1 / m)


def psi_exceeds(level, n, true=0.0, bins=BINS, m=BASELINE):
    """P(PSI > level) when the true PSI is `true`."""
    n_e = effective(n, m)
    law = stats.ncx2(bins - 1, n_e * true) if true > 0 else stats.chi2(bins - 1)
    return float(law.sf(n_e * level))


def deciles(shift=0.0, scale=1.0, bins=BINS):
    """Shares of the baseline's deciles after a normal feature has moved by `shift` and spread by `scale`."""
    edges = stats.norm.ppf(np.arange(1, bins) / bins)
    return np.diff(np.concatenate([[0.0], stats.norm.cdf((edges - shift) / scale), [1.0]]))


def psi_of(q):
    p = np.full(len(q), 1 / len(q))
    return float(np.sum((q - p) * np.log(q / p)))


def js_of(q):
    p = np.full(len(q), 1 / len(q))
    r = (p + q) / 2
    return math.sqrt(float(np.sum(p * np.log2(p / r) + q * np.log2(q / r)) / 2))


def cramer_of(q):
    """Cramer's V of baseline and window of equal size."""
    p = np.full(len(q), 1 / len(q))
    return math.sqrt(float(np.sum((p - q) ** 2 / (p + q)) / 2))


def distances_of(shift, scale):
    x = np.linspace(-12, 12, 24001)
    gap = np.abs(stats.norm.cdf(x) - stats.norm.cdf((x - shift) / scale))
    return float(gap.max()), float(np.trapezoid(gap, x) if hasattr(np, "trapezoid") else np.trapz(gap, x))


def rms_of(shift, scale):
    """Root of the mean squared distance of the two curves, taken over the values of both in equal parts."""
    x = np.linspace(-12, 12, 24001)
    square = (stats.norm.cdf(x) - stats.norm.cdf((x - shift) / scale)) ** 2
    pooled = (stats.norm.pdf(x) + stats.norm.pdf((x - shift) / scale) / scale) / 2
    return math.sqrt(float(np.sum(square * pooled) * (x[1] - x[0])))


def smallest_share(before, n, categories=10, p=0.001 / 50, power=0.9, m=BASELINE):
    """What the share of one category must rise to so that 9 of 10 windows find it, tested two-sided among all categories."""
    least = float(stats.norm.isf(p / categories / 2))

    def found(after):
        pooled = (before * m + after * n) / (m + n)
        gate = least * math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n))
        return float(stats.norm.sf((gate - (after - before)) / math.sqrt(before * (1 - before) / m + after * (1 - after) / n)))
    return float(optimize.brentq(lambda q: found(q) - power, before * 1.0001, 0.999))


def smallest_shift(level, n, power=0.9):
    """Shift in standard deviations that takes PSI above `level` in 9 of 10 windows."""
    return float(optimize.brentq(lambda s: psi_exceeds(level, n, psi_of(deciles(s))) - power, 1e-3, 4))


def gate_level(n, p=0.001 / 50):
    """PSI at which the default gate of 50 features opens."""
    return float(stats.chi2(BINS - 1).isf(p) / effective(n))


def wilson(k, n, z=1.959963984540054):
    mid, half = k + z * z / 2, z * math.sqrt(k * (n - k) / n + z * z / 4)
    return (mid - half) / (n + z * z), (mid + half) / (n + z * z)


def least_rise(before, n, p=0.001 / 50, m=BASELINE):
    """Least count of a window that Fisher's one-sided test finds too large."""
    k1 = round(before * m)
    for k in range(n + 1):
        if stats.hypergeom.sf(k - 1, m + n, k1 + k, n) < p:
            return k
    return n


# --- tables -------------------------------------------------------------------------------------------------------

def number(x):
    if x != 0 and (abs(x) < 5e-4 or abs(x) >= 1e6):
        return re.sub(r"e([+-])0*(\d+)", lambda e: "e" + e[1].replace("+", "") + e[2], f"{x:.1e}")
    return f"{x:.3g}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.3g}"


def percent(x):
    return "100 %" if x > 0.9995 else "0" if x < 1e-30 else f"{100 * x:.3g} %" if x >= 1e-4 else number(x)


def count(x):
    """Three digits of a number of times, without an exponent."""
    return f"{float(f'{x:.3g}'):,.0f}" if x >= 100 else f"{x:.3g}"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows])


def table_noise():
    sizes = [100, 200, 500, 1000, 5000, 20000]
    rows = [["PSI to be expected from noise"] + [number(psi_noise(n)) for n in sizes]]
    for level in (0.1, 0.2):
        rows.append([f"windows with PSI above {level}"] + [percent(psi_exceeds(level, n)) for n in sizes])
    rows.append(["PSI above which p < .001"] + [number(float(stats.chi2(9).isf(0.001)) / effective(n)) for n in sizes])
    return table(["values in the window"] + [f"{n:,}" for n in sizes], rows)


def table_size():
    rows = []
    for shift, scale in ((0.05, 1), (0.1, 1), (0.2, 1), (0.3, 1), (0.5, 1), (1, 1), (0, 1.1), (0, 1.25), (0, 1.5), (0, 2)):
        q = deciles(shift, scale)
        ks, w1 = distances_of(shift, scale)
        what = f"mean + {shift} sd" if shift else f"sd x {scale}"
        p = np.full(BINS, 1 / BINS)
        hellinger = math.sqrt(float(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)) / 2)
        rows.append([what, number(psi_of(q)), number(js_of(q)), number(hellinger), number(float(np.abs(p - q).sum() / 2)), number(ks),
                     number(rms_of(shift, scale)), number(w1), number(cramer_of(q))])
    return table(["a normal feature", "`psi`", "`js`", "`hellinger`", "`total_variation`", "`ks`", "`cvm`", "`wasserstein`", "`chi2`"], rows)


def table_share():
    """One category rises and the others keep their proportions: then it does not matter how many others there are."""
    rows = []
    for before, after in ((0.001, 0.004), (0.01, 0.02), (0.01, 0.03), (0.02, 0.09), (0.1, 0.12), (0.1, 0.15), (0.1, 0.2), (0.5, 0.55),
                          (0.5, 0.6), (0.5, 0.75), (0, 0.01), (0, 0.05)):
        p, q = np.array([before or 0.5 / BASELINE, 1 - before]), np.array([after, 1 - after])
        psi = float(np.sum((q - p) * np.log(q / p)))
        p[0], r = before, (np.array([before, 1 - before]) + q) / 2
        js = math.sqrt(float(np.sum(special.xlogy(p, p / r) + special.xlogy(q, q / r)) / 2 / math.log(2)))
        hellinger = math.sqrt(float(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)) / 2)
        rise = number(after - before)
        what = f"{percent(before)} -> {percent(after)}" if before else f"new names, {percent(after)}"
        rows.append([what, number(psi), number(js), number(hellinger), rise, rise, "0" if before else rise])
    return table(["a category", "`psi`", "`js`", "`hellinger`", "`total_variation`", "`proportion`, `linf`, `max_cell`", "`unseen_rate`"],
                 rows)


def table_find():
    rows = []
    for n in (200, 1000, 10000, 100000):
        gate = gate_level(n)
        rows.append([f"{n:,}", number(smallest_shift(0.1, n)), number(smallest_shift(0.2, n)), number(smallest_shift(gate, n)), number(gate),
                     percent(smallest_share(0.1, n))])
    return table(["values in the window", "raw PSI > .1 finds", "raw PSI > .2 finds", "p < .00002 finds", "that is PSI above",
                  "a share of 10 % must reach"], rows)


def table_rates():
    rows = []
    for n in (100, 1000, 10000, 100000):
        cells = [f"{n:,}"]
        for rate in (0, 0.01, 0.05):
            low, high = wilson(round(rate * n), n)
            cells.append(f"{number(100 * low)} to {number(100 * high)} %")
        cells.append(f"{number(100 * least_rise(0.01, n) / n)} %")
        rows.append(cells)
    return table(["events", "0 seen", "1 % seen", "5 % seen", "least share that is a rise over 1 %"], rows)


def table_alarms():
    rows = []
    for p, what in ((0.05, ".05"), (0.001, ".001"), (0.001 / 50, ".001 / 50 (default gate)"), (1 / 2160 / 50, "1 / (2160 x 50)")):
        window = 1 - (1 - p) ** 50
        rows.append([what, count(2160 * 50 * p), count(2160 * window),
                     f"{1 / window:,.0f} h" if 1 / window < 48 else f"{1 / window / 24:,.0f} d"])
    return table(["level of each test", "false alarms of one rule in 90 days", "windows with one", "mean time between those"], rows)


TABLES = {"noise": table_noise, "size": table_size, "share": table_share, "find": table_find, "rates": table_rates, "alarms": table_alarms}


# --- pictures -----------------------------------------------------------------------------------------------------

class Plot:
    """A small chart: axes, lines, texts.  Coordinates are rounded, so that the last bits of a law do not matter."""
    WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 62, 150, 34, 44

    def __init__(self, title, x, y, x_log=False, y_log=False, x_label="", y_label="", x_ticks=(), y_ticks=()):
        self.x, self.y, self.x_log, self.y_log, self.parts = x, y, x_log, y_log, []
        self.text(self.LEFT, 18, title, "title")
        right, bottom = self.WIDTH - self.RIGHT, self.HEIGHT - self.BOTTOM
        for v, label in x_ticks:
            self.raw_line(self.at_x(v), self.TOP, self.at_x(v), bottom, "grid")
            self.text(self.at_x(v), bottom + 16, label, "tick", "middle")
        for v, label in y_ticks:
            self.raw_line(self.LEFT, self.at_y(v), right, self.at_y(v), "grid")
            self.text(self.LEFT - 6, self.at_y(v) + 4, label, "tick", "end")
        self.raw_line(self.LEFT, bottom, right, bottom, "axis")
        self.raw_line(self.LEFT, self.TOP, self.LEFT, bottom, "axis")
        self.text((self.LEFT + right) / 2, self.HEIGHT - 8, x_label, "label", "middle")
        mid = (self.TOP + bottom) / 2
        self.parts.append(f'<text class="label" text-anchor="middle" transform="translate(14 {mid:.0f}) rotate(-90)">{escape(y_label)}</text>')

    def scale(self, v, ends, log):
        a, b = (math.log10(e) for e in ends) if log else ends
        v = math.log10(max(v, 1e-300)) if log else v
        return (v - a) / (b - a)

    def at_x(self, v):
        return self.LEFT + self.scale(v, self.x, self.x_log) * (self.WIDTH - self.LEFT - self.RIGHT)

    def at_y(self, v):
        return self.HEIGHT - self.BOTTOM - self.scale(v, self.y, self.y_log) * (self.HEIGHT - self.TOP - self.BOTTOM)

    def text(self, x, y, s, kind, anchor="start", colour=None):
        fill = f' style="fill:{colour}"' if colour else ""
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{escape(s)}</text>')

    def raw_line(self, x1, y1, x2, y2, kind, colour=None):
        stroke = f' style="stroke:{colour}"' if colour else ""
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{stroke}/>')

    def line(self, xs, ys, colour, label="", dashed=False, shift=0):
        """A line, cut off at the frame; its label stands at its right end."""
        points = [(self.at_x(x), self.at_y(y)) for x, y in zip(xs, ys) if self.y[0] <= y <= self.y[1]]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ";stroke-dasharray:5 4" if dashed else ""
        self.parts.append(f'<polyline class="line" points="{path}" style="stroke:{colour}{dash}"/>')
        if label:
            self.text(points[-1][0] + 6, points[-1][1] + 4 + shift, label, "tick", colour=colour)

    def mark(self, x1, y1, x2, y2, colour):
        self.raw_line(self.at_x(x1), self.at_y(y1), self.at_x(x2), self.at_y(y2), "mark", colour)

    def note(self, x, y, s, colour=None, anchor="start"):
        self.text(self.at_x(x), self.at_y(y), s, "tick", anchor, colour)

    def legend(self, row, s, colour=None):
        self.text(self.WIDTH - self.RIGHT + 10, self.TOP + 20 + 18 * row, s, "tick", colour=colour)

    def dot(self, x, y, colour):
        self.parts.append(f'<circle cx="{self.at_x(x):.1f}" cy="{self.at_y(y):.1f}" r="3" style="fill:{colour}"/>')

    def svg(self):
        style = ("text{font-family:sans-serif;fill:#333}.title{font-size:14px;font-weight:bold}.label{font-size:12px}.tick{font-size:11px}"
                 ".grid{stroke:#ddd}.axis{stroke:#333}.line{fill:none;stroke-width:2}.mark{stroke-width:2.5}")
        body = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.WIDTH} {self.HEIGHT}" width="{self.WIDTH}" height="{self.HEIGHT}">\n'
                f"<style>{style}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}\n</svg>\n")


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


SIZES = [(50, "50"), (100, "100"), (200, "200"), (500, "500"), (1000, "1,000"), (2000, "2,000"), (5000, "5,000")]
SHARES = [(0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1, "100 %")]


def picture_noise():
    plot = Plot("Windows of unchanged traffic whose PSI exceeds a fixed level", (50, 5000), (0, 1), x_log=True,
                x_label="values in the window", y_label="share of windows", x_ticks=SIZES, y_ticks=SHARES)
    xs = np.geomspace(50, 5000, 90)
    for i, level in enumerate((0.1, 0.2)):
        for bins in (10, 20):
            plot.line(xs, [psi_exceeds(level, n, bins=bins) for n in xs], COLOURS[i], dashed=bins == 20)
        plot.legend(i, f"PSI > {level}", COLOURS[i])
    plot.legend(2.5, "solid: 10 bins")
    plot.legend(3.5, "dashed: 20 bins")
    return plot.svg()


def picture_power():
    plot = Plot("Windows in which a shift of the mean is found", (0, 0.7), (0, 1), x_label="shift in standard deviations",
                y_label="share of windows", x_ticks=[(k / 10, f".{k}" if k else "0") for k in range(8)], y_ticks=SHARES)
    xs = np.linspace(0, 0.7, 71)
    for i, n in enumerate((200, 1000, 10000)):
        for level, dashed in ((0.1, True), (float(stats.chi2(9).isf(0.001)) / effective(n), False)):
            plot.line(xs, [psi_exceeds(level, n, psi_of(deciles(s))) for s in xs], COLOURS[i], dashed=dashed)
        plot.legend(i, f"{n:,} values", COLOURS[i])
    plot.legend(3.5, "solid: p < .001")
    plot.legend(4.5, "dashed: raw PSI > .1")
    return plot.svg()


def picture_bracket():
    cells = 8
    edges = np.arange(cells + 1) / cells
    f, g = edges, edges ** 1.6
    at = int(np.argmax(np.abs(f - g)))
    low = float(f[at] - g[at])
    high = max(min(max(f[j] - g[j], 0) + g[j] - g[j - 1], max(f[j - 1] - g[j - 1], 0) + f[j] - f[j - 1]) for j in range(1, cells + 1))
    xs = np.linspace(0, 1, 201)
    exact = float(np.max(xs - xs ** 1.6))
    plot = Plot("Two distribution functions, known at the edges of eight cells", (0, 1), (0, 1), x_label="value, as rank in the baseline",
                y_label="share below", x_ticks=[(e, f"{e:g}".replace("0.", ".")) for e in edges], y_ticks=SHARES)
    plot.line(xs, xs, COLOURS[0], "baseline")
    plot.line(xs, xs ** 1.6, COLOURS[1], "window", shift=14)
    for e, b in zip(f, g):
        plot.dot(e, e, COLOURS[0])
        plot.dot(e, b, COLOURS[1])
    plot.mark(edges[at], g[at], edges[at], f[at], COLOURS[2])
    for i, line in enumerate((f"at an edge: {low:.3f}", f"exact: {exact:.3f}", f"at most: {high:.3f}")):
        plot.legend(4 + i, line, COLOURS[2] if i == 0 else None)
    return plot.svg()


def picture_scores():
    plot = Plot("What a value counts in the scores of location and scale", (0, 1), (-2.5, 2.5), x_label="rank in the baseline",
                y_label="weight", x_ticks=[(k / 4, str(25 * k) + " %") for k in range(5)], y_ticks=[(k, str(k)) for k in (-2, -1, 0, 1, 2)])
    u = np.linspace(0, 1, 101)
    plot.line(u, math.sqrt(12) * (u - 0.5), COLOURS[0], "V1: location")
    plot.line(u, math.sqrt(180) * ((u - 0.5) ** 2 - 1 / 12), COLOURS[1], "V2: scale", shift=12)
    return plot.svg()


def picture_rates():
    plot = Plot("95 % interval of a rate of which 2 % were seen", (50, 50000), (0, 0.12), x_log=True, x_label="events in the window",
                y_label="rate", x_ticks=[(50, "50"), (200, "200"), (1000, "1,000"), (5000, "5,000"), (50000, "50,000")],
                y_ticks=[(k / 100, f"{k} %") for k in (0, 2, 4, 6, 8, 10, 12)])
    n = np.geomspace(50, 50000, 80)
    low, high = zip(*(wilson(0.02 * v, v) for v in n))
    plot.line(n, high, COLOURS[0], "upper end", shift=-6)
    plot.line(n, np.full(len(n), 0.02), COLOURS[2], dashed=True)
    plot.line(n, low, COLOURS[0], "lower end", shift=8)
    return plot.svg()


def gauss(seed):
    """Standard normal numbers by a generator of our own, the same with every version of numpy."""
    state = seed
    while True:
        u = []
        for _ in range(2):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
            u.append(((state >> 11) + 0.5) / 2 ** 53)
        r = math.sqrt(-2 * math.log(u[0]))
        yield r * math.cos(2 * math.pi * u[1])
        yield r * math.sin(2 * math.pi * u[1])


def evidence_path(shift, windows=240, change=120, features=50, n=1000, seed=7):
    """ln M of an e-detector with two streams a feature; one feature moves by `shift` sd at `change`."""
    bets, draw = np.array([0.5, 1, 2, 4]), gauss(seed)
    r, path = np.zeros((features, 2, 4)), []
    for t in range(windows):
        z = np.array([next(draw) for _ in range(features)])
        z[0] += 0.977 * shift * math.sqrt(n) if t >= change else 0
        for side, sign in enumerate((1, -1)):
            r[:, side, :] = (r[:, side, :] + 1) * np.exp(np.clip(sign * z - 2 / math.sqrt(336), -8, 8)[:, None] * bets - bets ** 2 / 2)
        path.append(float(np.log(r.mean())))
    return path


def picture_evidence():
    limit = math.log(2160)
    plot = Plot("Evidence, window after window: 50 features, 1,000 values a window", (0, 240), (-1, 12), x_label="window", y_label="evidence, ln M",
                x_ticks=[(k, str(k)) for k in range(0, 241, 40)], y_ticks=[(k, str(k)) for k in range(0, 13, 2)])
    for i, (shift, label) in enumerate(((0, "no change"), (0.05, "+.05 sd"), (0.1, "+.1 sd"))):
        path = evidence_path(shift)
        above = next((t for t, v in enumerate(path) if v > 12), len(path))
        begin = 0 if i == 0 else 119
        plot.line(range(begin, above), [max(v, -0.99) for v in path[begin:above]], COLOURS[i])
        plot.legend(i - 0.5, label, COLOURS[i])
    for v, label in ((limit, "alarm: ln 2160"), (limit - math.log(30), "warning: ln 72")):
        plot.line([0, 240], [v, v], "#333", label, dashed=True)
    plot.raw_line(plot.at_x(120), plot.TOP, plot.at_x(120), plot.HEIGHT - plot.BOTTOM, "axis")
    plot.note(118, 11.2, "change", anchor="end")
    return plot.svg()


PICTURE_MAKERS = {"noise": picture_noise, "power": picture_power, "bracket": picture_bracket, "scores": picture_scores,
                  "rates": picture_rates, "evidence": picture_evidence}


# --- files --------------------------------------------------------------------------------------------------------

def pictures():
    """File name to SVG."""
    return {f"{name}.svg": make() for name, make in PICTURE_MAKERS.items()}


def page(text):
    """The page with its tables made anew; an unknown or a missing marker is an error."""
    seen = []

    def fill(found):
        seen.append(found[2])
        return f"{found[1]}\n\n{TABLES[found[2]]()}\n\n{found[3]}"

    text = re.sub(r"(<!-- table (\w+): docs/tools/figures\.py -->)\n.*?(<!-- end -->)", fill, text, flags=re.S)
    if sorted(seen) != sorted(TABLES):
        raise SystemExit(f"docs/statistics.md has the tables {sorted(seen)}, there are {sorted(TABLES)}")
    return text


def main():
    os.makedirs(PICTURES, exist_ok=True)
    for name, svg in pictures().items():
        with open(os.path.join(PICTURES, name), "w") as f:
            f.write(svg)
    with open(PAGE) as f:
        made = page(f.read())
    with open(PAGE, "w") as f:
        f.write(made)


if __name__ == "__main__":
    main()
