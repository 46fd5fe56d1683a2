"""tests/integration/nids.py    The NSL-KDD replay: its lines, configurations for it, and an independent recount."""
import bisect
import collections
import csv
import gzip
import io
import json
import struct

import env

MODEL = "nids-lr"
WINDOW = 6 * 3600 * 1000
WATCHED = ("duration", "src_bytes", "dst_bytes", "count", "serror_rate", "dst_host_rerror_rate", "dst_host_srv_count",
           "dst_host_same_srv_rate", "score")
TEXTS = ("protocol_type", "service", "flag")


def lines(name):
    with gzip.open(env.shared("data", name), "rb") as f:
        return f.read().splitlines()


class Replay:
    """Everything parsed once; the tests share it."""

    def __init__(self):
        self.event_lines, self.label_lines = lines("nslkdd_events.ndjson.gz"), lines("nslkdd_labels.ndjson.gz")
        self.events = [json.loads(x) for x in self.event_lines]
        self.labels = [json.loads(x) for x in self.label_lines]
        with open(env.shared("data", "nslkdd_truth.json")) as f:
            self.truth = json.load(f)
        with open(env.shared("golden", "nslkdd_windows.json")) as f:
            self.golden = json.load(f)
        with gzip.open(env.shared("data", "nslkdd_event_index.csv.gz"), "rt") as f:
            reference = {row["event_id"] for row in csv.DictReader(f) if row["phase"] == "reference"}
        seen, self.unique = set(), []
        for i, e in enumerate(self.events):
            if e["event_id"] not in seen:
                seen.add(e["event_id"])
                self.unique.append(i)
        self.reference = [i for i in self.unique if self.events[i]["event_id"] in reference]
        self.reference_end = next(p["start_ts"] for p in self.truth["phases"] if p["phase"] == "control")
        self.drift_start = self.truth["drift_starts_ts"]

    def event_records(self, which=None):
        which = range(len(self.events)) if which is None else which
        return [(self.events[i]["event_id"].encode(), self.event_lines[i]) for i in which]

    def label_records(self):
        return [(lab["event_id"].encode(), line) for lab, line in zip(self.labels, self.label_lines)]

    def write_reference(self, folder):
        """NDJSON files of the reference phase: (events, labels)."""
        events, labels = f"{folder}/reference.ndjson", f"{folder}/reference-labels.ndjson"
        with open(events, "wb") as f:
            f.writelines(self.event_lines[i] + b"\n" for i in self.reference)
        with open(labels, "wb") as f:
            f.writelines(line + b"\n" for lab, line in zip(self.labels, self.label_lines) if lab["ts"] < self.reference_end)
        return events, labels


_replay = None


def replay():
    global _replay
    if _replay is None:
        _replay = Replay()
    return _replay


def config(brokers_text, redis_port, receiver, events, labels, group="nids", avro=None):
    """Configuration of the replay; avro: URL of a registry."""
    c = env.configuration(brokers_text, redis_port, receiver, group)
    c["streams"] = {
        "events": {"topic": events, "format": "avro" if avro else "json", "id": "event_id", "time": "ts", "model": "model",
                   "versions": {"model": "model_version"}, "features": "features", "score": "score", "decision": "decision"},
        "labels": {"topic": labels, "format": "json", "id": "event_id", "time": "ts", "model": "model", "label": "label"},
    }
    if avro:
        c["registry"] = {"url": avro}
    c["models"] = {MODEL: {
        "owner": "soc", "criticality": "high", "threshold": 0.5, "positive_label": "1", "positive_decision": "alert",
        "window": {"size": "6h", "lateness": "48h"},
        "default_playbook": {"warning": "all", "critical": "all"}}}
    return c


# ---- recount: cells by plain search over the baseline's own edges, no code of driftd's involved ----
def columns_of(shown, chain="input"):
    """{name: column} of a baseline as baseline_file reads it."""
    return {c["name"] if c["role"] == "feature" else c["role"]: c for c in shown["chains"][chain]["columns"]}


def cell(column, value):
    if column["kind"] == "numeric":
        return bisect.bisect_left(column["edges"], value)
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, int) else str(value)
    if text in column["categories"]:
        return column["categories"].index(text)
    return len(column["categories"]) + (0 if text in column.get("rare", ()) else 1)


def recount(columns, events):
    """{window start: {column: [cells]}} of parsed events."""
    windows = collections.defaultdict(dict)
    index = {n: {t: k for k, t in enumerate(c.get("categories") or ())} for n, c in columns.items()}
    for e in events:
        w = windows[e["ts"] // WINDOW * WINDOW]
        for name, c in columns.items():
            value = e[name] if name in ("score", "decision", "label") else e["features"][name]
            counts = w.get(name)
            if counts is None:
                counts = w[name] = [0] * (len(c["edges"]) + 1 if c["kind"] == "numeric" else len(c["categories"]) + 2)
            at = index[name].get(value) if c["kind"] == "categorical" else None
            counts[cell(c, value) if at is None else at] += 1
    return windows


def bins(column, cells):
    """PSI bins of a numeric column: unions of neighbouring cells."""
    out, begin = [], 0
    for end in column["bin_end"]:
        out.append(sum(cells[begin:end]))
        begin = end
    return out


# ---- Avro: a plain writer for this one schema; test_nslkdd compares its bytes with python3-avro's ----
def avro_schema(event):
    kind = {int: "long", float: "double", str: "string"}
    features = [{"name": n, "type": kind[type(v)]} for n, v in event["features"].items()]
    return {"type": "record", "name": "Detection", "namespace": "org.example", "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "model", "type": "string"},
        {"name": "model_version", "type": ["null", "string"], "default": None},
        {"name": "features", "type": {"type": "record", "name": "Features", "fields": features}},
        {"name": "score", "type": "double"},
        {"name": "decision", "type": {"type": "enum", "name": "Decision", "symbols": ["pass", "alert"]}}]}


def avro_long(n):
    z, out = (n << 1) ^ (n >> 63), bytearray()
    while z > 127:
        out.append(z & 127 | 128)
        z >>= 7
    out.append(z)
    return bytes(out)


def avro_text(s):
    raw = s.encode()
    return avro_long(len(raw)) + raw


AVRO_WRITE = {"long": avro_long, "double": struct.Struct("<d").pack, "string": avro_text}


def avro_body(schema, event):
    out = [avro_text(event["event_id"]), avro_long(event["ts"]), avro_text(event["model"]), b"\x02", avro_text(event["model_version"])]
    for f in schema["fields"][4]["type"]["fields"]:
        out.append(AVRO_WRITE[f["type"]](event["features"][f["name"]]))
    out += [AVRO_WRITE["double"](event["score"]), avro_long(["pass", "alert"].index(event["decision"]))]
    return b"".join(out)


def avro_records(schema, schema_id, events):
    head = b"\x00" + struct.pack(">I", schema_id)
    return [(e["event_id"].encode(), head + avro_body(schema, e)) for e in events]


def avro_oracle(schema, event):
    """The same by python3-avro."""
    import avro.io
    import avro.schema
    out = io.BytesIO()
    parsed = avro.schema.parse(json.dumps(schema))
    datum = {k: event[k] for k in ("event_id", "ts", "model", "model_version", "features", "score", "decision")}
    import datetime
    datum["ts"] = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=event["ts"])
    avro.io.DatumWriter(parsed).write(datum, avro.io.BinaryEncoder(out))
    return out.getvalue()
