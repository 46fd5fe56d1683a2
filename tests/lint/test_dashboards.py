"""tests/lint/test_dashboards.py    Dashboards and alert rules ask only for what driftd exports, and parse as PromQL.

The rules are those of Grafana's dashboard-linter, which is a Go program and not at hand; see each test.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROMTOOL = shutil.which("promtool")
DASHBOARDS = sorted(glob.glob(os.path.join(ROOT, "dashboards", "grafana", "*.json")))
ALERTS = os.path.join(ROOT, "dashboards", "grafana", "alerts.yaml")
ALERTS_TEST = os.path.join(ROOT, "tests", "data", "prometheus", "alerts_test.yaml")

SCRAPER = {"up": ("gauge", set())}  # Prometheus' own, of every target
TARGET = {"job", "instance"}        # labels that Prometheus adds
UNITS = {"none", "short", "s", "bytes", "Bps", "cps", "percentunit"}
# Words of PromQL that are not metric names.
WORDS = set("""and or unless by without on ignoring group_left group_right offset bool start end inf nan
    sum min max avg count stddev stdvar topk bottomk quantile group count_values""".split())


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


def meters():
    """Name: (kind, labels) of every row of DRIFT_METERS."""
    text = read("include/driftd/internal/base/meter.h")
    rows = re.findall(r'X\((\w+), "(driftd_\w+)", (counter|gauge|histogram), "([\w,]*)",', text)
    return {name: (kind, set(filter(None, labels.split(",")))) for _, name, kind, labels in rows}


def samples():
    """The same by the names that a page has: those of a histogram are counters."""
    out = {}
    for name, (kind, labels) in meters().items():
        if kind == "histogram":
            out.update({f"{name}_bucket": ("counter", labels | {"le"}), f"{name}_sum": ("counter", labels), f"{name}_count": ("counter", labels)})
        else:
            out[name] = (kind, labels)
    return out


def without_strings(expr):
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)


def selectors(expr):
    """(metric, {label: matcher}) of each vector selector."""
    found = []
    for name, braces in re.findall(r"\b(driftd_\w+|up)\b\s*(\{[^}]*\})?", re.sub(r"\[[^]]*\]", "", expr)):
        labels = {k: (op, v) for k, op, v in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"', braces)}
        found.append((name, labels))
    return found


def names(expr):
    """Every identifier of expr that could be a metric name."""
    bare = re.sub(r"\[[^]]*\]|\{[^}]*\}", "", without_strings(expr))
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    return {n for n in re.findall(r"(?<![\w.$])([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare) if n.lower() not in WORDS}


def grouped_labels(expr):
    return {label.strip() for group in re.findall(r"\b(?:by|on|group_left)\s*\(([^)]*)\)", expr) for label in group.split(",") if label.strip()}


def exported(expr, known):
    """What is wrong with the names and labels of expr."""
    bad = [f"no metric {n}" for n in names(expr) - set(known)]
    carried = set(TARGET)
    for name, labels in selectors(expr):
        carried |= known.get(name, ("", set()))[1]
        bad += [f"{name} has no label {label}" for label in set(labels) - TARGET - known.get(name, ("", set()))[1]]
    return bad + [f"no metric of it has the label {label}" for label in grouped_labels(expr) - carried]


def plain(expr):
    """expr as Grafana would send it."""
    for variable, value in (("$__rate_interval", "5m"), ("$__interval", "1m"), ("$__range", "1h")):
        expr = expr.replace(variable, value)
    return re.sub(r"\$\{?(\w+)(:\w+)?\}?", "x", expr)


def load(path):
    with open(path) as f:
        return json.load(f)


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries(dashboard):
    """(where, expr) of every query: panels, annotations."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            yield f"panel {panel['title']!r} {target['refId']}", target["expr"]
    for a in dashboard["annotations"]["list"]:
        if "expr" in a:
            yield f"annotation {a['name']!r}", a["expr"]


def alert_rules():
    for group in yaml.safe_load(read("dashboards/grafana/alerts.yaml"))["groups"]:
        yield from group["rules"]


class Meters(unittest.TestCase):
    def test_the_table_is_read(self):
        known = meters()
        self.assertEqual(len(known), len(re.findall(r"^    X\(", read("include/driftd/internal/base/meter.h"), re.M)))
        self.assertEqual(known["driftd_measure"], ("gauge", {"model", "column", "measure"}))

    def test_the_checks_can_fail(self):
        known = {**samples(), **SCRAPER}
        self.assertEqual(exported('sum by (topic) (rate(driftd_records_total{job="x"}[5m]))', known), [])
        for wrong in ('rate(driftd_recrods_total[5m])', 'driftd_ready{model="m"}', 'sum by (model) (driftd_ready)', 'time() - node_load1',
                      'max(driftd_measure) / foo{bar="x"}'):
            self.assertTrue(exported(wrong, known), wrong)

    def test_every_metric_that_is_shown_is_set_somewhere(self):
        """A row of the table that no source sets would be an empty panel."""
        ids = dict((name, i) for i, name in re.findall(r'X\((\w+), "(driftd_\w+)"', read("include/driftd/internal/base/meter.h")))
        ids.update({name + suffix: i for name, i in list(ids.items()) for suffix in ("_bucket", "_sum", "_count")})
        source = "".join(read(os.path.relpath(p, ROOT)) for p in glob.glob(os.path.join(ROOT, "src", "**", "*.c*"), recursive=True))
        shown = {n for path in DASHBOARDS for _, e in queries(load(path)) for n, _ in selectors(e)}
        shown |= {n for rule in alert_rules() for n, _ in selectors(rule["expr"])}
        self.assertGreater(len(shown), 25)
        self.assertEqual([n for n in sorted(shown - set(SCRAPER)) if not re.search(r"\bDRIFT_M_%s\b" % ids[n], source)], [])


class Dashboards(unittest.TestCase):
    def setUp(self):
        self.dashboards = [(os.path.basename(p), load(p)) for p in DASHBOARDS]
        self.assertGreaterEqual(len(self.dashboards), 1)

    def each_panel(self):
        for name, d in self.dashboards:
            for p in panels_of(d):
                yield f"{name}: {p['title']}", p

    def test_head(self):
        uids = [d["uid"] for _, d in self.dashboards]
        self.assertEqual(len(set(uids)), len(uids))
        for name, d in self.dashboards:
            self.assertRegex(d["uid"], r"^[a-z0-9-]{3,40}$", name)
            self.assertIsNone(d["id"], name)
            self.assertIs(d["editable"], False, name)
            self.assertGreaterEqual(d["schemaVersion"], 36, name)
            self.assertFalse({"__inputs", "__requires"} & set(d), name)
            self.assertTrue(d["description"])
            ids = [p["id"] for p in panels_of(d)]
            self.assertEqual(len(set(ids)), len(ids), name)

    def test_variables(self):
        for name, d in self.dashboards:
            variables = {v["name"]: v for v in d["templating"]["list"]}
            sources = [v for v in variables.values() if v["type"] == "datasource"]
            self.assertEqual([(v["name"], v["label"], v["query"]) for v in sources], [("datasource", "Data Source", "prometheus")], name)
            for wanted in ("job", "instance", "model"):
                v = variables[wanted]
                self.assertEqual((v["label"], v["type"], v["multi"], v["allValue"], v["refresh"]), (wanted.title(), "query", True, ".+", 2), name)
            known = samples()
            for v in variables.values():
                if v["type"] != "query":
                    continue
                self.assertEqual(v["datasource"]["uid"], "${datasource}")
                metric, matchers, label = re.fullmatch(r"label_values\((\w+)(\{.*\})?, (\w+)\)", v["definition"]).groups()
                self.assertEqual(exported(metric + (matchers or ""), known), [])
                self.assertIn(label, known[metric][1] | TARGET)

    def test_panels_say_what_they_show(self):
        seen = 0
        for where, p in self.each_panel():
            self.assertTrue(p["title"] and p.get("description"), where)
            if p["type"] == "row":
                continue
            seen += 1
            self.assertEqual(p["datasource"], {"type": "prometheus", "uid": "${datasource}"}, where)
            self.assertTrue(p["targets"], where)
            for t in p["targets"]:
                self.assertEqual(t["datasource"], p["datasource"], where)
                self.assertTrue(t["expr"].strip() and (t["legendFormat"] or p["type"] == "table"), where)
            self.assertIn(p["fieldConfig"]["defaults"]["unit"], UNITS, where)
            for o in p["fieldConfig"]["overrides"]:
                for prop in o["properties"]:
                    if prop["id"] == "unit":
                        self.assertIn(prop["value"], UNITS, where)
        self.assertGreater(seen, 20)

    def test_panels_do_not_overlap(self):
        for name, d in self.dashboards:
            taken = {}
            for p in d["panels"]:
                g = p["gridPos"]
                self.assertTrue(g["x"] >= 0 and g["w"] > 0 and g["h"] > 0 and g["x"] + g["w"] <= 24, f"{name}: {p['title']}")
                for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
                    self.assertNotIn(cell, taken, f"{name}: {p['title']} lies on {taken.get(cell)}")
                    taken[cell] = p["title"]

    def test_queries_name_what_driftd_exports(self):
        known, seen = {**samples(), **SCRAPER}, 0
        for name, d in self.dashboards:
            for where, expr in queries(d):
                self.assertEqual(exported(expr, known), [], f"{name}: {where}")
                seen += 1
        self.assertGreater(seen, 30)

    def test_queries_follow_the_variables(self):
        for name, d in self.dashboards:
            for where, expr in queries(d):
                for metric, labels in selectors(expr):
                    at = f"{name}: {where}: {metric}"
                    self.assertEqual((labels.get("job"), labels.get("instance")), (("=~", "$job"), ("=~", "$instance")), at)
                    if "model" in samples().get(metric, ("", set()))[1]:
                        self.assertEqual(labels.get("model"), ("=~", "$model"), at)

    def test_counters_are_rates_over_rate_interval(self):
        counters, seen = {n for n, (kind, _) in samples().items() if kind == "counter"}, 0
        for name, d in self.dashboards:
            for where, expr in queries(d):
                for window in re.findall(r"\b(?:rate|irate|increase)\([^()]*\[([^]]*)\]", expr):
                    self.assertEqual(window, "$__rate_interval", f"{name}: {where}")
                for metric, _ in selectors(expr):
                    wrapped = re.search(r"\b(rate|irate|increase)\(%s\b" % metric, expr)
                    self.assertEqual(metric in counters, bool(wrapped), f"{name}: {where}: {metric}")
                    seen += metric in counters
        self.assertGreater(seen, 10)

    def test_thresholds_come_from_the_rules(self):
        for name, d in self.dashboards:
            drawn = [e for _, e in queries(d) if "driftd_measure{" in e]
            self.assertTrue(drawn, name)
            self.assertTrue([e for _, e in queries(d) if "driftd_threshold{" in e and 'measure=~"$measure"' in e], name)

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (package prometheus)")
    def test_every_query_parses(self):
        rules = [{"record": f"check:{i}", "expr": plain(expr)} for i, expr in enumerate(e for _, d in self.dashboards for _, e in queries(d))]
        self.assertGreater(len(rules), 30)
        for wrong, status in ((None, 0), ({"record": "check:wrong", "expr": "sum by (x) (rate(driftd_x[5m])"}, 1)):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
                yaml.safe_dump({"groups": [{"name": "check", "rules": rules + ([wrong] if wrong else [])}]}, f)
                f.flush()
                done = subprocess.run([PROMTOOL, "check", "rules", f.name], capture_output=True, text=True)
                self.assertEqual(bool(done.returncode), bool(status), done.stdout + done.stderr)


class Alerts(unittest.TestCase):
    def test_rules_name_what_driftd_exports(self):
        known, rules = {**samples(), **SCRAPER}, list(alert_rules())
        self.assertGreaterEqual(len(rules), 8)
        for rule in rules:
            self.assertEqual(exported(rule["expr"], known), [], rule["alert"])
            self.assertIn(rule["labels"]["severity"], ("warning", "critical"), rule["alert"])
            self.assertTrue(rule["annotations"]["summary"] and rule["annotations"]["description"], rule["alert"])

    def test_every_rule_is_tried_and_explained(self):
        tried, silent = set(), set()
        for case in yaml.safe_load(read("tests/data/prometheus/alerts_test.yaml"))["tests"]:
            for t in case["alert_rule_test"]:
                (tried if t.get("exp_alerts") else silent).add(t["alertname"])
        wanted = {rule["alert"] for rule in alert_rules()}
        self.assertEqual((tried, silent), (wanted, wanted))
        page = read("docs/operations.md")
        self.assertEqual([n for n in sorted(wanted) if n not in page], [])

    def test_the_page_lists_every_metric(self):
        listed = set(re.findall(r"^\| `(driftd_\w+)`", read("docs/operations.md"), re.M))
        self.assertEqual(listed, set(meters()))

    def test_the_page_lists_every_reason_and_exit_status(self):
        page = read("docs/operations.md")
        table = read("include/driftd/internal/flow.h").split("define DRIFT_REASONS(X)")[1].split("enum drift_reason")[0]
        reasons = set(re.findall(r'X\(\w+, "(\w+)"\)', table))
        self.assertGreater(len(reasons), 10)
        self.assertEqual(set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", page.split("### Reasons")[1], re.M)), reasons)
        statuses = set(re.findall(r"DRIFT_EXIT_\w+ = (\d+)", read("include/driftd/internal/cli.h")))
        self.assertEqual(set(re.findall(r"^\| (\d+) \|", page, re.M)), statuses)

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (package prometheus)")
    def test_rules_fire_when_they_should(self):
        for args in (["check", "rules", ALERTS], ["test", "rules", ALERTS_TEST]):
            done = subprocess.run([PROMTOOL, *args], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with tempfile.TemporaryDirectory() as tmp:  # and the tests of them can fail
            quiet = os.path.join(tmp, "quiet.yaml")
            with open(quiet, "w") as f:
                f.write(read("dashboards/grafana/alerts.yaml").replace("== 0", "== -1"))
            with open(os.path.join(tmp, "test.yaml"), "w") as f:
                f.write(read("tests/data/prometheus/alerts_test.yaml").replace("../../../dashboards/grafana/alerts.yaml", quiet))
            done = subprocess.run([PROMTOOL, "test", "rules", os.path.join(tmp, "test.yaml")], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
