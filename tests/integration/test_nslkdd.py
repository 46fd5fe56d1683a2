"""tests/integration/test_nslkdd.py    The NSL-KDD replay through the real binary: counts, golden PSI and KS, alerts.

39,841 lines in order of arrival, 4 partitions keyed by event id, 6 h windows, lateness 48 h, `--until-end`; as JSON and
as Avro with a registry.  Counts are compared with a recount of the produced lines in Python."""
import math

import baseline_file
import env
import nids


class Replayed:
    """One run over the replay: verdicts by window, deliveries, the baseline as shown."""

    def __init__(self, case, group="nids", which=None, edges=False, avro=False, model=None):
        self.replay, self.group = nids.replay(), group
        brokers = env.brokers()
        self.events = [self.replay.events[i] for i in (range(len(self.replay.events)) if which is None else which)]
        self.topic, labels = brokers.topic("nids-events"), brokers.topic("nids-labels", 2)
        if avro:
            schema = nids.avro_schema(self.events[0])
            self.schema_id = env.registry().register(f"{self.topic}-value", schema)
            records = nids.avro_records(schema, self.schema_id, self.events)
        else:
            records = self.replay.event_records(which)
        case.assertEqual(brokers.produce(self.topic, records), len(records))
        brokers.produce(labels, self.replay.label_records())
        self.redis, self.receiver = case.redis(), case.receiver()
        self.config = nids.config(brokers.brokers, self.redis.port, self.receiver, self.topic, labels, group,
                                  env.registry().url if avro else None)
        self.config["models"][nids.MODEL].update(model or {})
        self.driftd = env.Driftd(case.dir, self.config)
        self.shown = baseline(case, self.driftd, self.replay, edges)
        self.columns = nids.columns_of(self.shown)
        self.process = self.driftd.until_end()
        self.verdicts = self.redis.verdicts(group, nids.MODEL)
        self.label_verdicts = self.redis.verdicts(group, nids.MODEL, "label")


def baseline(case, driftd, replay, edges=False):
    """Builds and promotes the baseline of the reference phase; returns it, read from its bytes in Redis.  It is built
    under a JSON configuration: the files are JSON, whatever the topics carry."""
    events, labels = replay.write_reference(case.dir)
    with open(driftd.path) as f:
        c = env.yaml.safe_load(f)
    c["streams"]["events"]["format"] = "json"
    c.pop("registry", None)
    folder = env.tempfile.mkdtemp(dir=case.dir)
    builder = env.Driftd(folder, c)
    more = ["--edges", env.shared("golden", "nslkdd_windows.json")] if edges else []
    builder.command("baseline", "build", "-c", builder.path, "--model", nids.MODEL, "--file", events, "--file", labels, "--id", "reference",
                    "--promote", *more)
    raw = env.Redis.command_at(c["redis"]["port"], "GET", f"driftd:{{b/{nids.MODEL}}}:reference")
    return baseline_file.read(raw)


def psi_eps(base, cur, eps=1e-4):
    """PSI where a share that is 0 becomes eps and nothing is renormalised (the golden rule eps1e-4_zero)."""
    nb, nc = sum(base), sum(cur)
    total = 0.0
    for b, c in zip(base, cur):
        if b or c:
            p, q = b / nb or eps, c / nc or eps
            total += (q - p) * math.log(q / p)
    return total


def widest(base, cur):
    """Largest width that the KS bracket may have: the largest share that both sides have in one cell."""
    return max(min(b / sum(base), c / sum(cur)) for b, c in zip(base, cur))


class Counts(env.Case):
    """Integer counts of every column of every window."""

    def compare(self, run, verdicts, columns, wanted):
        self.assertEqual(sorted(verdicts), sorted(wanted))
        compared = 0
        for start, body in verdicts.items():
            self.assertEqual(body["kind"], "ok", start)
            for name, cells in wanted[start].items():
                got = body["columns"][name]
                self.assertEqual(got["cells"], cells, (start, name))
                self.assertEqual(sum(got["specials"].values()), 0, (start, name))
                compared += len(cells)
        return compared

    def check(self, run):
        compared = self.compare(run, run.verdicts, run.columns, nids.recount(run.columns, run.events))
        self.assertEqual(sum(b["n"] for b in run.verdicts.values()), len(run.events))
        self.assertGreater(compared, 38 * 43 * 2)
        versions = sum(sum(b["versions"]["model"].values()) for b in run.verdicts.values())
        self.assertEqual(versions, len(run.events))
        return compared

    def check_labels(self, run):
        columns = nids.columns_of(run.shown, "label")
        wanted = {}
        for lab in run.replay.labels:
            name = str(lab["label"])
            cells = wanted.setdefault(lab["ts"] // nids.WINDOW * nids.WINDOW, [0] * (len(columns["label"]["categories"]) + 2))
            cells[columns["label"]["categories"].index(name)] += 1
        total = [0] * len(next(iter(wanted.values())))
        for body in run.label_verdicts.values():
            if body["kind"] == "ok" and not body["carried"]:
                self.assertEqual(body["columns"]["label"]["cells"], wanted[body["window"]["start_ms"]])
        # sparse windows at the end are carried into a later one: their sums are compared
        for body in run.label_verdicts.values():
            if body["kind"] == "ok":
                total = [a + b for a, b in zip(total, body["columns"]["label"]["cells"])]
        judged_to = max(b["window"]["end_ms"] for b in run.label_verdicts.values() if b["kind"] == "ok")
        expected = [sum(c[i] for s, c in wanted.items() if s < judged_to) for i in range(len(total))]
        self.assertEqual(total, expected)
        self.assertGreater(sum(total), 36000)

    def test_json_with_duplicates(self):
        run = Replayed(self)
        self.check(run)
        self.check_labels(run)
        self.alerts(run)

    def test_avro_with_registry(self):
        run = Replayed(self, avro=True)
        schema = nids.avro_schema(run.events[0])
        for e in run.events[:100]:
            self.assertEqual(nids.avro_body(schema, e), nids.avro_oracle(schema, e))
        self.check(run)
        for body in run.verdicts.values():
            self.assertEqual(body["schema_ids"], {str(run.schema_id): body["n"]})

    def alerts(self, run):
        """driftd's default rules: silent in the control phase, firing in the drift phase, label drift seen."""
        fired = {}
        for start, body in {**run.verdicts}.items():
            for name, rule in body["rules"].items():
                if rule["severity"] == "critical" and start >= run.replay.reference_end:
                    fired.setdefault(name, start)
        control = {n: s for n, s in fired.items() if s + nids.WINDOW <= run.replay.drift_start}
        self.assertEqual(control, {}, "critical alerts in the control phase")
        self.assertTrue(fired, "no critical alert at all")
        first = run.replay.drift_start // nids.WINDOW * nids.WINDOW
        self.assertLessEqual(min(fired.values()), first + nids.WINDOW, "the drift phase fires within its first two windows")
        labels = [r for b in run.label_verdicts.values() for n, r in b["rules"].items() if r["transition"] == "firing"]
        self.assertTrue(labels, "label drift was not seen")
        self.assertTrue(run.receiver.deliveries)
        for d in run.receiver.deliveries:
            self.assertTrue(d["verified"], d["id"])
            self.assertEqual(d["status"], 200)
        self.assertEqual(len({d["id"] for d in run.receiver.deliveries}), len(run.receiver.deliveries))


class Golden(env.Case):
    """De-duplicated lines and the golden edges: counts, PSI and KS of the golden file."""

    def setUp(self):
        super().setUp()
        replay = nids.replay()
        self.run_ = Replayed(self, which=replay.unique, edges=True)

    def test_counts_psi_and_ks(self):
        run, golden = self.run_, self.run_.replay.golden
        compared = {"counts": 0, "psi": 0, "ks": 0, "categories": 0}
        for name, counts in golden["baseline"]["counts"].items():
            self.assertEqual(nids.bins(run.columns[name], run.columns[name]["counts"]), counts, name)
        for window in golden["results"]:
            body = run.verdicts[window["start_ts"]]
            self.assertEqual(body["n"], window["events"])
            decisions = run.columns["decision"]["categories"].index("alert")
            self.assertEqual(body["columns"]["decision"]["cells"][decisions], window["alerts"])
            for name, wanted in window["features"].items():
                column, cells = run.columns[name], body["columns"][name]["cells"]
                if name in nids.TEXTS:
                    psi = psi_eps(column["counts"], cells)
                    compared["categories"] += 1
                else:
                    cur = nids.bins(column, cells)
                    self.assertEqual(cur, wanted["counts_current"], (window["start_ts"], name))
                    psi = psi_eps(golden["baseline"]["counts"][name], cur)
                    ks = body["columns"][name]["measures"]["ks"]
                    low, high = ks.get("low", ks.get("value", ks["effect"])), ks.get("high", ks.get("value", ks["effect"]))
                    self.assertLessEqual(low, wanted["ks_d"] * (1 + 1e-9) + 1e-12, (window["start_ts"], name))
                    self.assertGreaterEqual(high, wanted["ks_d"] * (1 - 1e-9) - 1e-12, (window["start_ts"], name))
                    self.assertLessEqual(high - low, widest(column["counts"], cells) + 1e-9, (window["start_ts"], name))
                    compared["counts"] += 1
                    compared["ks"] += 1
                self.assertTrue(math.isclose(psi, wanted["psi_eps1e_4_zero"], rel_tol=1e-9, abs_tol=1e-15), (name, psi, wanted))
                compared["psi"] += 1
        self.assertEqual(compared, {"counts": 38 * 9, "psi": 38 * 12, "ks": 38 * 9, "categories": 38 * 3})
