"""tests/integration/test_baseline.py    driftd baseline and init on a real broker and Redis, recounted in Python."""
import bisect
import csv
import gzip
import json
import math
import os
import random
import struct

import baseline_file
import env

HOUR = 3600_000
START = 1767225600000  # 2026-01-01T00:00:00Z
MODEL = "phish/url"


def make_events(n=3000):
    """Events of two models over three days, with nulls, strings, other models and records that cannot be read."""
    rng = random.Random(20260101)
    events = []
    for i in range(n):
        e = {"event_id": f"e{i:06d}-{rng.randrange(10**9):09d}", "ts": START + i * 72 * HOUR // n, "model": MODEL if i % 10 else "other",
             "model_version": "v1" if i < n // 2 else "v2",
             "features": {"length": rng.randrange(5, 200), "entropy": rng.gauss(3, 1), "tld": rng.choice(["com", "net", "xyz"]),
                          "https": rng.random() < .8},
             "score": rng.random(), "decision": rng.choice(["block", "pass"])}
        if i % 17 == 0:
            e["features"]["entropy"] = None
        if i % 23 == 0:
            del e["features"]["length"]
        events.append(e)
    return events


def make_labels(events):
    return [{"event_id": e["event_id"], "ts": e["ts"] + 5 * HOUR, "model": e["model"], "label": i % 3 == 0}
            for i, e in enumerate(events) if i % 2]


def read(raw):
    """Both chains of a baseline with pooled counts and counts per window, specials first."""
    sections = baseline_file.Bytes(raw).sections()
    pooled = baseline_file.Bytes(sections["POOL"])
    windows = baseline_file.Bytes(sections["WINS"]) if "WINS" in sections else None
    out = {"meta": json.loads(sections["META"])}
    for name, layout in zip(("input", "label"), baseline_file.layouts(sections)):
        out[name] = {"columns": layout, "pooled": summary(pooled, layout), "windows": []}
        if windows:
            out[name]["window_ms"] = struct.unpack("<q", windows.take(8))[0]
            for _ in range(windows.number()):
                start = struct.unpack("<q", windows.take(8))[0]
                out[name]["windows"].append({"start": start, "summary": summary(windows, layout)})
    return out


def summary(r, layout):
    n = baseline_file.summary(r, layout)
    return {"n": n, "counts": [c["specials"] + c["counts"] for c in layout], "blocks": {b["name"]: b["counts"] for b in layout.blocks}}


def magnitude(x):
    """Its bucket, as include/driftd/magnitude.h has it."""
    return 0 if x == 0 else (64 if x < 0 else 0) + min(max(math.frexp(x)[1] - 1, -20), 42) + 21


def records(rows):
    return [(r["event_id"].encode(), json.dumps(r).encode()) for r in rows]


class Baseline(env.Case):
    @classmethod
    def setUpClass(cls):
        cls.events = make_events()
        cls.labels = make_labels(cls.events)
        brokers = env.brokers()
        cls.topic, cls.label_topic = brokers.topic("urls"), brokers.topic("url-labels", 2)
        bad = [(b"t", None), (b"e", b""), (b"j", b"{\"a\""), (b"n", b"{\"model\": \"phish/url\"}")]
        brokers.produce(cls.topic, bad + records(cls.events) + bad)
        brokers.produce(cls.label_topic, records(cls.labels))

    def setUp(self):
        super().setUp()
        self.store, receiver = self.redis(), self.receiver()
        c = env.configuration(env.brokers().brokers, self.store.port, receiver, group="baselines")
        c["streams"] = {
            "urls": {"topic": self.topic, "format": "json", "id": "event_id", "time": "ts", "model": "model",
                     "versions": {"model": "model_version"}, "features": "features", "score": "score", "decision": "decision"},
            "labels": {"topic": self.label_topic, "format": "json", "id": "event_id", "time": "ts", "model": "model", "label": "label"}}
        c["models"] = {MODEL: {"owner": "soc", "window": {"size": "1h"}, "label_window": {"size": "6h"}, "threshold": .5,
                               "features": {"types": {"length": "numeric"}}}}
        self.config = c
        self.driftd = env.Driftd(self.dir, c)

    def baseline(self, part, *args, status=0):
        done = self.driftd.command("baseline", part, "-c", self.driftd.path, *args, check=False)
        self.assertEqual(done.returncode, status, done.stdout[-1000:] + done.stderr[-2000:])
        return done

    def bytes_of(self, name):
        return self.store.command("GET", f"driftd:{{b/phish%2Furl}}:{name}")

    def read(self, name):
        return read(self.bytes_of(name))

    def recount(self, b, events):
        """Every count of the input chain, of all events and of each window."""
        compared = 0
        chain = b["input"]
        windows = {}
        for e in events:
            windows.setdefault(e["ts"] // HOUR * HOUR, []).append(e)
        self.assertEqual(sorted(windows), [w["start"] for w in chain["windows"]])
        parts = [(events, chain["pooled"])] + [(windows[w["start"]], w["summary"]) for w in chain["windows"]]
        for rows, summary in parts:
            self.assertEqual(summary["n"], len(rows))
            for column, counts in zip(chain["columns"], summary["counts"]):
                want = [0] * len(counts)
                for e in rows:
                    want[self.cell(column, e)] += 1
                self.assertEqual(counts, want, column["name"])
                compared += len(counts)
            numbers = [c for c in chain["columns"] if c["kind"] == "numeric"]
            want = [0] * (128 * len(numbers))
            for i, column in enumerate(numbers):
                for e in rows:
                    v = e[column["name"]] if column["role"] != "feature" else e["features"].get(column["name"])
                    if isinstance(v, (int, float)):
                        want[128 * i + magnitude(v)] += 1
            self.assertEqual(summary["blocks"]["magnitude"], want)
        return compared

    def cell(self, column, e):
        name = column["name"]
        v = e[name] if column["role"] != "feature" else e["features"].get(name, "missing")
        if v == "missing":
            return 1
        if v is None:
            return 0
        if column["kind"] == "numeric":
            return baseline_file.SPECIALS + sum(edge < v for edge in column["edges"])
        text = json.dumps(v) if isinstance(v, bool) else str(v)
        return baseline_file.SPECIALS + column["categories"].index(text)

    def of_model(self, rows):
        return [r for r in rows if r["model"] == MODEL]

    def test_topics(self):
        done = self.baseline("build", "--id", "jan")
        mine = self.of_model(self.events)
        labels = self.of_model(self.labels)
        b = self.read("jan")
        self.assertGreater(self.recount(b, mine), 10000)
        self.assertEqual([c["name"] for c in b["input"]["columns"]], ["entropy", "https", "length", "tld", "score", "decision"])
        self.assertEqual(b["label"]["pooled"]["n"], len(labels))
        self.assertEqual(b["label"]["columns"][0]["categories"], ["false", "true"])
        score = next(c for c in b["input"]["columns"] if c["name"] == "score")
        self.assertTrue({.45, .5, .55} <= set(score["edges"]))
        meta = b["meta"]
        self.assertEqual((meta["model"], meta["events"], meta["labels"]), (MODEL, len(mine), len(labels)))
        self.assertEqual(sum(p["to"] - p["from"] for p in meta["source"]["topics"]), len(self.events) + 8 + len(self.labels))
        for words in ("300 of other models", "2 refused as tombstone", "2 refused as empty", "2 refused as malformed", "2 refused as no_time"):
            if words.startswith("300"):
                words = f"{len(self.events) - len(mine) + len(self.labels) - len(labels)} of other models"
            self.assertIn(words, done.stderr)
        for words in ("jan", "entropy", "categorical", "nothing is compared with it before", "replay: "):
            self.assertIn(words, done.stdout)
        replay = meta["replay"]
        self.assertEqual((replay["configured"], replay["own"]["distinct"], replay["own"]["windows"]), (2160, 72, 100000))
        for series in ("own", "drawn"):  # events that do not drift
            self.assertLess(replay[series]["alarms"] / replay[series]["windows"], 1 / 72)
            self.assertLessEqual(replay[series]["low"], replay[series]["mean"])

    def write(self, name, rows):
        path = os.path.join(self.dir, name)
        with (gzip.open if name.endswith(".gz") else open)(path, "wt") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
        return path

    def test_files_give_the_same_counts(self):
        self.baseline("build")
        rows = self.events + self.labels
        random.Random(1).shuffle(rows)
        done = self.baseline("build", "--file", self.write("rows.ndjson.gz", rows))
        self.assertIn("is there already, with the same counts", done.stdout)
        self.config["streams"]["urls"]["format"] = "avro"  # files are JSON all the same
        self.config["registry"] = {"url": "http://127.0.0.1:1"}
        self.driftd = env.Driftd(self.dir, self.config)
        done = self.baseline("build", "--file", self.write("e.ndjson", self.events), "--file", self.write("l.ndjson", self.labels))
        self.assertIn("is there already, with the same counts", done.stdout)

    def test_time_range(self):
        begin, end = START + 24 * HOUR, START + 30 * HOUR
        inside = [e for e in self.of_model(self.events) if begin <= e["ts"] < end]
        self.baseline("build", "--id", "six-hours", "--from", "2026-01-02", "--to", "2026-01-02T06:00:00Z", "--stream", "urls")
        b = self.read("six-hours")
        self.recount(b, inside)
        self.assertEqual(b["label"]["pooled"]["n"], 0)
        self.baseline("build", "--from", "2030-01-01", status=1)
        self.baseline("build", "--from", "2026-01-02", "--to", "2026-01-01", status=2)
        self.baseline("build", "--last", "1d", "--from", "2026-01-02", status=2)
        self.baseline("build", "--stream", "nothing", status=2)

    def test_file_and_put(self):
        path = os.path.join(self.dir, "jan.baseline")
        self.baseline("build", "--output", path, "--id", "jan")
        self.baseline("list", status=1)
        done = self.driftd.command("baseline", "show", "--model", "other", path, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn(f"is a baseline of model {MODEL}, not of other", done.stderr)
        self.driftd.command("baseline", "show", "--model", MODEL, path)
        shown = self.driftd.command("baseline", "show", path)
        self.assertIn("baseline jan of model phish/url", shown.stdout)
        self.baseline("put", path)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), self.bytes_of("jan"))
        self.assertIn("jan", self.baseline("list").stdout)
        with open(path, "r+b") as f:
            f.seek(200)
            f.write(b"\x00\xff\x00")
        self.assertIn("digest does not match", self.baseline("put", path, status=1).stderr)

    def test_promote(self):
        self.baseline("build", "--id", "one", "--promote")
        self.assertIn("active", self.baseline("list").stdout)
        self.baseline("build", "--id", "two", "--from", "2026-01-02")
        self.driftd.until_end()
        verdicts = self.store.verdicts("baselines", "phish%2Furl")
        self.assertGreater(len(verdicts), 20)
        done = self.baseline("promote", "two")
        self.assertIn("input windows: compared with it from the window that starts at", done.stdout)
        self.assertIn("label windows: compared with it from", done.stdout)
        again = self.baseline("promote", "two")
        self.assertEqual(done.stdout, again.stdout)
        listed = self.baseline("list").stdout
        self.assertRegex(listed, r"input windows from the first on: one\n.*input windows from .*Z on: two")
        done = self.baseline("promote", "one", "--from", "2099-01-01")
        self.assertIn("from the window that starts at 2099-01-01T00:00:00Z on", done.stdout)
        self.baseline("promote", "three", status=1)
        self.baseline("promote", status=2)

    def test_servers_away(self):
        self.store.stop()
        self.baseline("list", status=69)
        self.baseline("show", status=69)
        self.config["kafka"]["brokers"] = "127.0.0.1:1"
        self.driftd = env.Driftd(self.dir, self.config)
        done = self.baseline("build", "--output", os.path.join(self.dir, "x"), status=69)
        self.assertIn("127.0.0.1:1", done.stderr)

    def test_init(self):
        done = self.driftd.command("init", "--brokers", env.brokers().brokers, "--topic", self.topic, "--topic", self.label_topic,
                                   "--records", "500")
        c = env.yaml.safe_load(done.stdout)
        urls, labels = c["streams"][self.topic], c["streams"][self.label_topic]
        self.assertEqual({k: urls[k] for k in ("id", "model", "features", "score", "decision", "format")},
                         {"id": "event_id", "model": "model", "features": "features", "score": "score", "decision": "decision", "format": "json"})
        self.assertEqual(urls["time"], {"field": "ts", "unit": "ms"})
        self.assertEqual(urls["versions"], {"model": "model_version"})
        self.assertEqual(labels["label"], "label")
        self.assertNotIn("features", labels)
        self.assertEqual(sorted(c["models"]), ["other", MODEL])
        self.assertEqual(c["models"][MODEL]["features"]["types"],
                         {"length": "numeric", "entropy": "numeric", "tld": "categorical", "https": "categorical"})
        path = os.path.join(self.dir, "init.yaml")
        with open(path, "w") as f:
            f.write(done.stdout)
        self.driftd.command("check", "-c", path)

    def test_init_flat_records(self):
        rng = random.Random(2)
        topic = env.brokers().topic("flat", 3)
        rows = [{"uuid": f"{rng.getrandbits(64):016x}", "@timestamp": f"2026-01-01T00:{i // 60:02d}:{i % 60:02d}.5Z", "amount": rng.random(),
                 "country code": rng.choice("ABC"), "session": f"s{rng.getrandbits(40):010x}", "probability": rng.random(),
                 "is_fraud": rng.random() < .1, "geo": {"lat": rng.random()}, "v": [1, 2.5], "no": None, 'odd "key"\n': 1}
                for i in range(300)]
        env.brokers().produce(topic, [(b"k", json.dumps(r).encode()) for r in rows] + [(b"k", b"nonsense"), (b"k", None)])
        done = self.driftd.command("init", "--brokers", env.brokers().brokers, "--topic", topic, "--group", "g1")
        c = env.yaml.safe_load(done.stdout)
        s = c["streams"][topic]
        self.assertEqual(s["time"], {"field": "@timestamp", "unit": "rfc3339"})
        self.assertEqual((s["id"], s["score"], s["label"], s["model"]), ("uuid", "probability", "is_fraud", {"value": topic}))
        fields = s["features"]["fields"]
        self.assertTrue({"amount", "country code", "geo.lat", "v.0", "v.1"} <= set(fields), fields)
        self.assertEqual(c["models"][topic]["features"]["exclude"], ["session"])
        self.assertEqual(c["kafka"]["group"], "g1")
        path = os.path.join(self.dir, "init.yaml")
        with open(path, "w") as f:
            f.write(done.stdout)
        self.driftd.command("check", "-c", path)

    def test_init_refusals(self):
        empty = env.brokers().topic("empty", 1)
        bad = env.brokers().topic("bad", 1)
        env.brokers().produce(bad, [(b"k", b"\x00\x00\x00\x00\x07abc")])
        for args, status, words in ((("--topic", empty), 1, "has no record"), (("--topic", bad), 2, "give --registry"),
                                    (("--topic", bad, "--format", "json"), 1, "no record can be read"),
                                    (("--topic", "x y"), 69, "x y"), ((), 2, "--topic"),
                                    (("--topic", bad, "--topic", bad), 2, "twice"), (("--topic", bad, "--records", "0"), 2, "--records"),
                                    (("--topic", bad, "--option", "group.id=x"), 78, "group.id"),
                                    (("--topic", bad, "--format", "avro"), 2, "--registry")):
            done = self.driftd.command("init", "--brokers", env.brokers().brokers, *args, check=False)
            self.assertEqual(done.returncode, status, (args, done.stderr))
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")


class Training(env.Case):
    """Training data as CSV: a column a feature, in another order, some of them strangers; on the baseline's own cells."""

    def setUp(self):
        super().setUp()
        self.config = env.configuration("127.0.0.1:1", 1, self.receiver(), group="training")
        self.config["streams"] = {"events": {"topic": "t", "format": "json", "time": "ts", "model": "model", "features": "f", "score": "p"}}
        self.config["models"] = {"m": {"owner": "soc", "window": {"size": "1h"}}}
        rng, self.serving = random.Random(5), []
        with open(self.path("serving.ndjson"), "w") as f:
            for i in range(3000):
                row = {"load": round(rng.gauss(0, 1), 3), "port": rng.choice(["443", "443", "0080"])}
                self.serving.append(row)
                f.write(json.dumps({"ts": START + i * 1000, "model": "m", "f": row, "p": round(rng.random(), 3)}) + "\n")

    def path(self, name):
        return os.path.join(self.dir, name)

    def build(self, *training, status=0):
        driftd = env.Driftd(self.dir, self.config)
        done = driftd.command("baseline", "build", "-c", driftd.path, "--file", self.path("serving.ndjson"), "--output",
                              self.path("out"), *(x for t in training for x in ("--training", t)), check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def trained(self):
        """Columns with the training data's counts, by name, and the number of its rows."""
        with open(self.path("out"), "rb") as f:
            sections = baseline_file.Bytes(f.read()).sections()
        layout, trained = baseline_file.layouts(sections)[0], baseline_file.Bytes(sections["trng"])
        self.assertEqual(trained.take(1), b"\1")
        n = baseline_file.summary(trained, layout)
        return {c["name"]: c for c in layout}, n

    def test_cells_are_those_of_the_baseline(self):
        rng, rows = random.Random(6), []
        with gzip.open(self.path("training.csv.gz"), "wt", newline="") as f:
            out = csv.writer(f)
            out.writerow(["row", "p", "port", "load"])
            for i in range(2000):
                row = {"load": "" if i % 10 == 0 else round(rng.gauss(1, 1), 3), "port": rng.choice(["443", "0080", "80"]),
                       "p": round(rng.random() / 2, 3)}
                rows.append(row)
                out.writerow([i, row["p"], row["port"], row["load"]])
        self.assertIn("training.csv.gz: 2000 rows, 2 of the baseline's 2 features", self.build(self.path("training.csv.gz")))
        column, n = self.trained()
        self.assertEqual(n, len(rows))
        load, port, score = column["load"], column["port"], column["score"]
        values = [r["load"] for r in rows if r["load"] != ""]
        self.assertEqual(load["specials"], [200, 0, 0, 0])
        want = [0] * len(load["counts"])
        for x in values:
            want[bisect.bisect_left(load["edges"], x)] += 1
        self.assertEqual(load["counts"], want)
        known = {c: sum(r["port"] == c for r in rows) for c in ("443", "0080")}
        self.assertEqual(dict(zip(port["categories"], port["counts"])), known)
        self.assertEqual(port["counts"][-1], sum(r["port"] == "80" for r in rows))
        self.assertEqual(sum(score["counts"]), len(rows))

    def test_every_file_has_its_own_order_of_columns(self):
        rng = random.Random(7)
        rows = [{"load": round(rng.gauss(1, 1), 3), "port": rng.choice(["443", "0080"]), "more": i} for i in range(500)]
        for name, order in ("1.csv", ("load", "port", "more")), ("2.csv", ("port", "load", "more")), ("3.csv", ("more", "port", "load")):
            with open(self.path(name), "w", newline="") as f:
                out = csv.writer(f)
                out.writerow(order)
                out.writerows([r[c] for c in order] for r in rows)
        for name, order in ("4.ndjson", ("load", "port")), ("5.ndjson", ("port", "load")):
            with open(self.path(name), "w") as f:
                for r in rows:
                    f.write(json.dumps({"ts": START, "model": "m", "f": {c: r[c] for c in order}, "p": .5}) + "\n")
        os.rename(self.path("3.csv"), self.path("3.CSV"))
        for files in ("1.csv",), ("1.csv", "2.csv"), ("2.csv", "3.CSV", "1.csv"), ("4.ndjson", "5.ndjson"), ("5.ndjson", "2.csv", "4.ndjson"):
            with self.subTest(files=files):
                self.build(*map(self.path, files))
                column, n = self.trained()
                self.assertEqual(n, len(files) * len(rows))
                load, port = column["load"], column["port"]
                want = [0] * len(load["counts"])
                for r in rows:
                    want[bisect.bisect_left(load["edges"], r["load"])] += len(files)
                self.assertEqual(load["counts"], want)
                for category, count in zip(port["categories"], port["counts"]):
                    self.assertEqual(count, len(files) * sum(r["port"] == category for r in rows))

    def test_values_mean_what_they_mean_in_ndjson(self):
        self.config["models"]["m"]["features"] = {"types": {"k": "categorical", "h": "numeric"}}
        self.config["streams"]["events"]["label"] = "y"
        rng = random.Random(8)

        def row():
            return {"k": float(rng.randrange(1, 4)), "h": rng.random() < .3, "flag": rng.random() < .5, "load": rng.gauss(0, 1),
                    "code": rng.choice(["1.0", "80", "true"])}

        def write(name, rows):
            with open(self.path(name), "w") as f:
                for r, y in rows:
                    f.write(json.dumps({"ts": START, "model": "m", "f": r, "p": .5, "y": y}) + "\n")

        def shown(x, how):
            return how(str(x)) if isinstance(x, bool) else x

        write("serving.ndjson", [(row(), rng.random() < .5) for _ in range(1000)])
        rows = [(row(), rng.random() < .2) for _ in range(500)]
        for i in range(0, 500, 10):
            rows[i][0]["code"] = "0080"
        write("t.ndjson", rows)
        self.build(self.path("t.ndjson"))
        want, n = self.trained()
        self.assertEqual(n, 500)
        self.assertEqual(want["k"]["counts"][-1], 0)
        self.assertEqual(sum(want["h"]["counts"]), 500)
        self.assertEqual(want["code"]["counts"][-1], 50)
        with open(self.path("out"), "rb") as f:
            trained = baseline_file.Bytes(f.read()).sections()["trng"]
        for how in str, str.lower, str.upper:
            with open(self.path("t.csv"), "w", newline="") as f:
                out = csv.writer(f)
                out.writerow(["k", "h", "flag", "load", "code", "p", "y"])
                out.writerows([shown(x, how) for x in (*r.values(), .5, y)] for r, y in rows)
            self.build(self.path("t.csv"))
            for name, column in self.trained()[0].items():
                self.assertEqual((column["specials"], column["counts"]), (want[name]["specials"], want[name]["counts"]), (name, how))
            with open(self.path("out"), "rb") as f:
                self.assertEqual(baseline_file.Bytes(f.read()).sections()["trng"], trained)

    def test_help_and_explain_name_their_options(self):
        driftd = env.Driftd(self.dir, self.config)
        self.assertIn("--training", driftd.command("baseline", "build", "--help").stdout.split("\n\n")[0])
        for option, value, want in ("top", "0", "not a number from 1 to 50"), ("top", "x", "not a number"), \
                ("window", "garbage", "not a date or time such as 2026-01-31T14:05:00Z"), ("chain", "in", "not input or label"):
            done = driftd.command("explain", "-c", driftd.path, f"--{option}", value, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"--{option} {value}: {want}", done.stderr)

    def test_what_does_not_fit_is_refused(self):
        with open(self.path("t.csv"), "w") as f:
            f.write("a;b\n1;2\n")
        self.assertIn("has none of the baseline's 2 features as a column: its header must name them", self.build(self.path("t.csv"), status=1))
        with open(self.path("t.csv"), "w") as f:
            f.write("load,port\n1,2,3\n")
        self.assertIn("t.csv:2: 3 fields, the header has 2", self.build(self.path("t.csv"), status=1))
        with open(self.path("t.csv"), "w") as f:
            f.write("load,port\n")
        self.assertIn("no event of the model in the training data", self.build(self.path("t.csv"), status=1))


class Phase1(env.Case):
    """What a baseline's own windows say of it: printed, kept, and a reason not to compare with it."""
    WINDOWS, EVENTS = 120, 150

    def setUp(self):
        super().setUp()
        self.store = self.redis()
        self.config = env.configuration("127.0.0.1:1", self.store.port, self.receiver(), group="phase1")
        self.config["streams"] = {"events": {"topic": "t", "format": "json", "time": "ts", "model": "model", "features": "f"}}
        self.config["models"] = {"m": {"owner": "soc", "window": {"size": "1h"}, "evidence": {"false_alarms": "1 per 90d"}}}

    def file(self, mean, udp=lambda w: None, others=("tcp", "icmp")):
        """mean(feature, window): of features a, b, c with unit spread; 3 % of c are null.  udp(window): a share of proto, if any."""
        rng, path = random.Random(5), os.path.join(self.dir, "events.ndjson")
        with open(path, "w") as f:
            for w in range(self.WINDOWS):
                for i in range(self.EVENTS):
                    row = {k: round(rng.gauss(mean(k, w), 1), 4) for k in "abc"}
                    if rng.random() < .03:
                        row["c"] = None
                    if udp(w):
                        row["proto"] = "udp" if rng.random() < udp(w) else rng.choice(others)
                    f.write(json.dumps({"ts": START + w * HOUR + i * HOUR // self.EVENTS, "model": "m", "f": row}) + "\n")
        return path

    def run_(self, *args, status=0):
        driftd = env.Driftd(self.dir, self.config)
        done = driftd.command("baseline", args[0], "-c", driftd.path, *args[1:], check=False)
        self.assertEqual(done.returncode, status, done.stdout[-1500:] + done.stderr[-2000:])
        return done

    def meta(self, name):
        return read(self.store.command("GET", f"driftd:{{b/m}}:{name}"))["meta"]["phase1"]

    def test_calm(self):
        done = self.run_("build", "--file", self.file(lambda k, w: 0), "--id", "calm", "--promote")
        self.assertIn("phase I: 120 windows of 1h, 150 events each", done.stdout)
        self.assertIn(": a rate of false alarms can be promised\n", done.stdout)
        self.assertRegex(done.stdout, r"rate: `c` null, true rate 2\.\d+ to 3\.\d+ %")
        self.assertNotIn("no rate", done.stderr)
        p = self.meta("calm")
        self.assertEqual((p["promises"], p["stationary"], p["flags"], p["why"]), (True, True, [], []))
        self.assertEqual((p["windows"], p["events"]), (120, 150))
        low, high = next(c for c in p["columns"] if c["column"] == "c")["rates"]["null"]
        self.assertTrue(.02 < low < .03 < high < .04, (low, high))
        self.assertIn("a rate of false alarms can be promised", self.run_("show").stdout)

    def test_baseline_that_drifts_itself(self):
        path = self.file(lambda k, w: .5 if k in "ab" and w >= 70 else 0)
        done = self.run_("build", "--file", path, "--id", "moved", "--promote", status=1)
        said = r"the baseline itself drifts in `a` \(\+0\.\d+ sd\), `b` \(\+0\.\d+ sd\) between windows 70 " \
               r"\(2026-01-03T21:00:00Z\) and 71 \(2026-01-03T22:00:00Z\)"
        self.assertRegex(done.stdout, said)
        self.assertIn("no rate of false alarms can be promised", done.stdout)
        self.assertIn("baseline moved is not for model m, which has evidence", done.stderr)
        self.assertRegex(done.stderr, said)
        p = self.meta("moved")
        self.assertEqual((p["promises"], p["stationary"]), (False, False))
        self.assertIn("split", p["flags"])
        a = next(c for c in p["columns"] if c["column"] == "a")
        self.assertEqual((a["location"]["split"], a["location"]["split_at"]), (70, "2026-01-03T22:00:00Z"))
        self.assertNotRegex(self.run_("list").stdout, r"moved .*active")
        self.run_("promote", "moved", status=1)
        done = self.run_("promote", "--anyway", "moved")
        self.assertRegex(done.stderr, "no rate of false alarms is promised for model m with baseline moved: " + said)
        self.assertRegex(self.run_("list").stdout, r"moved .*active")
        del self.config["models"]["m"]["evidence"]  # nothing there that could be wrong
        self.assertNotIn("no rate", self.run_("promote", "moved").stderr)

    def test_categories_that_drift_themselves(self):
        path = self.file(lambda k, w: 0, udp=lambda w: .45 if w >= 70 else .25)
        done = self.run_("build", "--file", path, "--id", "mixed", "--promote", status=1)
        self.assertRegex(done.stdout, r"the baseline itself drifts in `proto` \(share of `udp` \+[12]\d points\) between windows \d\d ")
        self.assertIn("baseline mixed is not for model m, which has evidence", done.stderr)
        proto = next(c for c in self.meta("mixed")["columns"] if c["column"] == "proto")
        self.assertIn("split", proto["flags"])
        done = self.run_("build", "--file", self.file(lambda k, w: 0, udp=lambda w: .999 if w >= 60 else .001, others=["tcp"]), "--id", "all")
        self.assertRegex(done.stdout, r"drifts in `proto` \(share of `\w+` [+-](100|9\d(\.\d)?) points\) between windows 60 ")
        self.assertTrue(68 <= proto["shares"]["split"] <= 72, proto["shares"])
        path = self.file(lambda k, w: 0, udp=lambda w: .45 if w % 24 < 12 else .25)
        done = self.run_("build", "--file", path, "--id", "by-day")
        self.assertRegex(done.stdout, r"season: `proto` shares: by the hour of day, \d\d %")
        self.assertTrue(self.meta("by-day")["promises"])

    def test_season_and_few_windows(self):
        path = self.file(lambda k, w: .5 * ((w % 24) < 12) if k == "b" else 0)
        done = self.run_("build", "--file", path, "--id", "daily")
        self.assertRegex(done.stdout, r"season: `b` location: by the hour of day, \d\d %")
        self.assertTrue(self.meta("daily")["promises"])
        path = self.file(lambda k, w: 0)
        done = self.run_("build", "--file", path, "--id", "short", "--to", "2026-01-02", "--promote")
        self.assertIn("24 windows are fewer than 72", done.stdout)
        self.assertIn("24 windows are fewer than 72", done.stderr)  # promoted: it does not drift


if __name__ == "__main__":
    env.unittest.main()
