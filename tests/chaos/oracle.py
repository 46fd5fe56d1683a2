"""tests/chaos/oracle.py    Reads the topics and recounts everything that driftd must have made of them.

Written from the protocol (ARCHITECTURE.md, docs/), in plain Python, without any of driftd's code: the topics say what was
there, the plan entries and baselines in Redis say what held, and from these every window, counter, alert and action follows.

    check(brokers, redis, receiver, workload) -> Report(differences, figures)      no differences: all is exact
    settled(brokers, redis, receiver, workload) -> bool                            everything judged and delivered

The one decision that the log does not hold is when an idle partition's watermark was advanced.  What that made late must be
explained: by a silence of idle_after before it, in its own partition's log, that ended after the window's close.  Where the
cut was is found out from the verdict itself, and then every number must fit: cells, counters, headers, blobs.
"""
import bisect
import collections
import fnmatch
import hashlib
import itertools
import json
import math
import os
import struct
import sys

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))
import baseline_file  # noqa: E402

SPECIALS = ("null", "missing", "nonfinite", "wrong_type")
ROLES = ("score", "decision", "source", "latency")
YEAR_10000 = 253402300800000
MAX_RECORD = 1 << 20
SEVERITY = {"none": 0, "warning": 1, "critical": 2}
PRODUCTION = ("disable_automation", "rollback")
MEASURE_OF = {"numeric": {"psi", "psi_raw", "ks", "js", "chi2", "null_rate", "missing_rate", "invalid_rate", "out_of_range_rate"},
              "categorical": {"psi", "psi_raw", "js", "chi2", "proportion", "null_rate", "missing_rate", "invalid_rate", "unseen_rate"}}
SHOWN = 60  # differences of a report; the rest is counted
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000, "w": 604800000}


class Report:
    def __init__(self):
        self.differences, self.figures, self.n_hidden = [], collections.Counter(), 0

    def differ(self, text):
        if len(self.differences) < SHOWN:
            self.differences.append(text)
        else:
            self.n_hidden += 1

    def same(self, what, got, want):
        if got != want:
            self.differ(f"{what}: driftd has {got}, recounted {want}")
        return got == want

    def text(self):
        more = [f"... and {self.n_hidden} more differences"] if self.n_hidden else []
        return "\n".join(self.differences + more)


def duration(text):
    """1h30m -> ms"""
    total, number = 0, ""
    text = str(text)
    while text:
        if text[0].isdigit():
            number, text = number + text[0], text[1:]
            continue
        unit = next(u for u in ("ms", "s", "m", "h", "d", "w") if text.startswith(u))
        total, number, text = total + int(number) * UNITS[unit], "", text[len(unit):]
    return total


# ---- one record ----
def text_of(v):
    """A value as a name: texts as they are, numbers in shortest form."""
    if isinstance(v, str):
        return v
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int) and abs(v) < 2**63:
        return str(v)
    if isinstance(v, (int, float)) and math.isfinite(v):
        return category_of_number(float(v))
    return ""


def category_of_number(v):
    if v == 0:
        return "0"
    if abs(v) < 1e15 and v == math.floor(v):
        return str(int(v))
    return next(t for t in (f"{v:.{d}g}" for d in range(6, 18)) if float(t) == v)


def number_of(v):
    """Of a JSON number or true/false; None: it is none.  May be infinite or NaN."""
    if isinstance(v, bool):
        return float(v)
    if isinstance(v, (int, float)):
        try:
            return float(v)
        except OverflowError:
            return math.inf
    return None


def time_of(v):
    """ms, or why not."""
    if v is None:
        return None, "no_time"
    if isinstance(v, bool) or not isinstance(v, (int, float)):
        return None, "bad_time"
    if isinstance(v, float):
        if not 0 <= v < YEAR_10000:
            return None, "bad_time"
        v = math.floor(v + .5)
    return (v, None) if 0 <= v < YEAR_10000 else (None, "bad_time")


class Event:
    __slots__ = ("time", "model", "id", "row", "stream")


def decode(name, stream, raw):
    """(event, None) or (None, reason)."""
    if raw is None:
        return None, "tombstone"
    if not raw:
        return None, "empty"
    if len(raw) > MAX_RECORD:
        return None, "too_large"
    try:
        row = json.loads(raw)
    except ValueError:
        return None, "malformed"
    if not isinstance(row, dict):
        return None, "malformed"
    e = Event()
    e.time, why = time_of(row.get(stream["time"]))
    if why:
        return None, why
    e.model = text_of(row.get(stream["model"]))
    if not e.model:
        return None, "no_model"
    e.id, e.row, e.stream = text_of(row.get(stream.get("id"))), row, name
    return e, None


# ---- plan ----
class Chain:
    """One chain of windows: plan, layouts, rules."""

    def __init__(self, group, model, kind, redis):
        self.group, self.model, self.kind = group, model, kind
        self.field = f"{model}:{'l' if kind == 'label' else 'i'}"
        self.key = f"driftd:{{m/{group}/{model}{'/label' if kind == 'label' else ''}}}"
        self.name = f"{model} ({kind})"
        self.hash = {k.decode(): v for k, v in redis.hash(self.key).items()}
        self.until = int(self.hash["judged_until"]) if "judged_until" in self.hash else None
        self.plan = sorted((self.entry(k, v) for k, v in self.hash.items() if k.startswith("plan:")), key=lambda e: e["from"])
        for e in self.plan:
            self.load(e, redis)

    @staticmethod
    def entry(field, text):
        e = json.loads(text)
        return {**e, "seq": int(field[5:]), "from": -math.inf if e["from"] is None else e["from"]}

    def load(self, e, redis):
        e["yaml"] = yaml.safe_load(self.hash["cfg:" + e["config"]])
        e["columns"] = None
        if e["baseline_id"]:
            raw = redis.command("GET", f"driftd:{{b/{self.model}}}:{e['baseline_id']}")
            e["columns"] = baseline_file.read(raw)["chains"][self.kind]["columns"]
            place(e["columns"])

    def at(self, start):
        return next(e for e in reversed(self.plan) if e["from"] <= start)

    def start(self, ms):
        size = self.at(ms)["window_ms"]
        return ms // size * size

    def end(self, start):
        return start + self.at(start)["window_ms"]

    def close(self, start):
        """X(W): end + lateness, never falling from window to window."""
        at = self.at(start)
        end = start + at["window_ms"]
        close = end + at["lateness_ms"]
        for e, following in zip(self.plan, self.plan[1:]):
            if e["seq"] != at["seq"] and e["from"] < at["from"]:
                close = max(close, min(end, following["from"]) + e["lateness_ms"])
        return close

    def has(self, start, topic, partition):
        return partition < self.at(start)["topics"].get(topic, 0)


def place(columns):
    """Where each column's counters stand in one list."""
    first = 0
    for c in columns:
        c["first"], c["size"] = first, len(SPECIALS) + c["n_cells"]
        c["index"] = {t: i for i, t in enumerate(c.get("categories", ()))}
        c["rare_set"] = set(c.get("rare", ()))
        first += c["size"]


def same_layout(a, b):
    keys = ("role", "kind", "bounded", "name", "edges", "bin_end", "categories", "rare")
    return a is not None and b is not None and [[c.get(k) for k in keys] for c in a] == [[c.get(k) for k in keys] for c in b]


def cell(column, there, v):
    """Index among the column's counters."""
    if not there:
        return 1
    if v is None:
        return 0
    number = number_of(v)
    if number is not None and not math.isfinite(number):
        return 2
    if column["kind"] == "numeric":
        return 3 if number is None else len(SPECIALS) + bisect.bisect_left(column["edges"], number)
    if number is None and not isinstance(v, str):
        return 3
    text = text_of(v) if isinstance(v, (str, bool)) else category_of_number(number)
    at = column["index"].get(text)
    if at is None:
        at = len(column["categories"]) + (0 if text in column["rare_set"] else 1)
    return len(SPECIALS) + at


class Counts:
    """What a window holds."""

    def __init__(self, columns):
        self.columns, self.n = columns, 0
        self.cells = [0] * sum(c["size"] for c in columns or ())
        self.versions, self.new = collections.Counter(), collections.Counter()

    def add(self, weights):
        self.n += 1
        for i in weights[0]:
            self.cells[i] += 1
        if weights[1]:
            self.versions[weights[1]] += 1
        for name in weights[2]:
            self.new[name] += 1

    def join(self, other):
        self.n += other.n
        self.cells = [a + b for a, b in zip(self.cells, other.cells)]
        self.versions += other.versions
        self.new += other.new


def weigh(chain, columns, stream, e):
    """The counters that an event raises: (indices, version, new fields)."""
    if columns is None:
        columns = ()
    out, new = [], ()
    row = e.row
    features = row.get(stream["features"]) if stream.get("features") and chain.kind == "input" else None
    if isinstance(features, list):
        features = {str(i): v for i, v in enumerate(features)}
    features = features if isinstance(features, dict) else {}
    for c in columns:
        if c["role"] == "feature":
            if stream.get("features") and chain.kind == "input":
                out.append(c["first"] + cell(c, c["name"] in features, features.get(c["name"])))
        elif stream.get(c["role"]) and (c["role"] == "label") == (chain.kind == "label"):
            out.append(c["first"] + cell(c, stream[c["role"]] in row, row.get(stream[c["role"]])))
    known = {c["name"] for c in columns if c["role"] == "feature"}
    if known:
        new = tuple(k for k in features if k not in known)
    path = stream.get("versions", {}).get("model")
    return tuple(out), text_of(row.get(path)) if path else "", new


# ---- the log of one partition ----
class Item:
    """A record that its partition's own log does not make late."""
    __slots__ = ("at", "weights", "id")

    def __init__(self, at, weights, id_):
        self.at, self.weights, self.id = at, weights, id_


class Log:
    """One partition, in order of offsets."""

    def __init__(self, topic, partition, stream, rows):
        self.topic, self.partition, self.stream, self.rows = topic, partition, stream, rows
        self.name = f"{topic}/{partition}"
        self.other = collections.Counter()  # fields of the slot that the log alone decides
        self.windows = collections.defaultdict(lambda: collections.defaultdict(list))  # chain name -> start -> [Item]
        self.watermark = None
        self.n_fed = collections.Counter()
        self.silences = []  # index of the first record behind a silence

    def next(self):
        return self.rows[-1]["offset"] + 1 if self.rows else 0

    def read(self, chains, streams, max_future, idle_after, tolerance):
        stream = streams[self.stream]
        top, before = -math.inf, None
        for at, r in enumerate(self.rows):
            if before is None or r["timestamp"] - before >= idle_after - tolerance:
                self.silences.append(at)
            before = r["timestamp"]
            e, why = decode(self.stream, stream, r["value"])
            if not why and e.time > r["timestamp"] + max_future:
                why = "future"
            if why:
                self.other[f"other:-:{why}"] += 1
                continue
            self.take(chains, stream, e, at, top)
            top = max(top, e.time)
        self.watermark = None if top == -math.inf else top

    def feeds(self, stream, e):
        """Kinds of chains that the record counts for."""
        inputs = any(stream.get(k) for k in ("features", *ROLES))
        if not stream.get("label"):
            return ["input"]
        features = e.row.get(stream["features"]) if stream.get("features") else None
        held = any(stream.get(r) and stream[r] in e.row for r in ROLES) or (isinstance(features, (dict, list)) and bool(features))
        return (["input"] if inputs and held else []) + (["label"] if stream["label"] in e.row else [])

    def take(self, chains, stream, e, at, top):
        mine = [c for c in chains if c.model == e.model and c.kind in self.feeds(stream, e) and self.stream in c.streams]
        if not mine:
            known = any(c.model == e.model for c in chains)
            self.other[f"other:-:{'nothing' if known else 'unknown_model'}"] += 1
        if not e.id and any(c.dedup for c in mine):
            self.other["other:-:no_id"] += 1
            return
        for c in mine:
            self.n_fed[c.name] += 1
            start = c.start(e.time)
            if not c.has(start, self.topic, self.partition):
                self.other[f"other:{c.field}:not_in_plan"] += 1
            elif top >= c.close(start):
                self.other[f"late:{c.field}"] += 1
            else:
                self.windows[c.name][start].append(Item(at, weigh(c, c.at(start)["columns"], stream, e), e.id))


class Option:
    """What a window of a partition holds when its watermark was advanced past it before record `cut`."""

    def __init__(self, chain, columns, items, cut):
        self.cut, self.counts, ids = cut, Counts(columns), set()
        self.late = self.duplicate = 0
        self.last, self.first_late = -1, None  # index of the last record counted, of the first one after the cut
        for i in items:
            if cut is not None and i.at >= cut:
                self.late += 1
                self.first_late = i.at if self.first_late is None else self.first_late
            elif chain.dedup and i.id in ids:
                self.duplicate += 1
            else:
                ids.add(i.id)
                self.counts.add(i.weights)
                self.last = i.at


# ---- reading everything ----
class Scene:
    """What stands in Kafka and Redis."""

    def __init__(self, brokers, redis, workload, logs=None):
        self.redis, self.workload, self.setting = redis, workload, workload.setting
        self.tolerance = self.setting.get("tolerance", 500)  # a record's time lies so far before others can see it
        self.chains = self.read_chains()
        config = self.chains[0].plan[-1]["yaml"]
        self.streams, self.state = config["streams"], config["state"]
        self.stream_of = {s.get("topic"): n for n, s in self.streams.items()}
        for c in self.chains:
            c.streams = config["models"][c.model].get("streams", list(self.streams))
            c.dedup = bool(config["models"][c.model].get("deduplicate"))
        self.logs = self.read_logs(logs or read_topics(brokers, workload))
        self.slots = {log.name: {k.decode(errors="replace"): v for k, v in redis.hash(self.slot_key(log)).items()} for log in self.logs}

    def slot_key(self, log):
        return f"driftd:{{p/{self.workload.group}/{log.topic}/{log.partition}}}"

    def read_chains(self):
        chains = []
        for model in self.workload.models:
            for kind in ("input", "label"):
                c = Chain(self.workload.group, model, kind, self.redis)
                if c.plan:
                    chains.append(c)
        if not chains:
            raise AssertionError("no chain of any model in Redis")
        return chains

    def read_logs(self, topics):
        logs = []
        for topic, rows in topics.items():
            for p in range(self.workload.topics[topic]):
                log = Log(topic, p, self.stream_of[topic], [r for r in rows if r["partition"] == p])
                log.read(self.chains, self.streams, duration(self.state.get("max_future", "10s")), duration(self.state["idle_after"]),
                         self.tolerance)
                logs.append(log)
        return logs


def read_topics(brokers, workload):
    """All committed records; once when nothing comes any more."""
    kept = getattr(workload, "_topics_read", None)
    if kept is None or not workload.finished:
        kept = {}
        for topic in workload.topics:
            kept[topic] = sorted(brokers.consume(topic), key=lambda r: (r["partition"], r["offset"]))
        if workload.finished:
            workload._topics_read = kept
    return kept


# ---- windows ----
class Windows:
    """Compares one chain's verdicts with the recount, window after window."""

    def __init__(self, scene, chain, report):
        self.scene, self.chain, self.report = scene, chain, report
        self.bodies = {int(k): json.loads(v) for k, v in scene.redis.hash(chain.key + ":v").items()}
        self.headers = {int(k): json.loads(v) for k, v in scene.redis.hash(chain.key + ":w").items()}
        self.parts = collections.defaultdict(dict)  # start -> log -> [Item]
        for log in scene.logs:
            for start, items in log.windows[chain.name].items():
                self.parts[start][log] = items
        self.carry = None  # (Counts, from, windows)
        self.chosen = {}   # (start, log) -> Option
        self.doubtful = []  # windows whose numbers fit more than one cut
        self.expected = {}  # start -> (kind, Counts)
        self.evidence_of = None  # baseline that the evidence so far belongs to

    def options(self, start, log, items):
        """One for each place where an advance may have closed the window, and none."""
        close, columns = self.chain.close(start), self.chain.at(start)["columns"]
        cuts = [None]
        for at in log.silences:
            if log.rows[at]["timestamp"] >= close - self.scene.tolerance and at <= items[-1].at:
                cuts.append(at)
        seen, out = set(), []
        for cut in cuts:
            o = Option(self.chain, columns, items, cut)
            mark = (o.late, o.duplicate, o.counts.n)
            if mark not in seen:
                seen.add(mark)
                out.append(o)
        return out

    def run(self):
        for start in sorted(set(self.parts) | set(self.bodies)):
            self.window(start)
        for start in set(self.headers) - set(self.bodies):
            self.report.differ(f"{self.chain.name}: window {start} has a header and no verdict")

    def window(self, start):
        logs = list(self.parts[start])
        choices = [self.options(start, log, self.parts[start][log]) for log in logs]
        body, header = self.bodies.get(start), self.headers.get(start)
        if header:
            choices = [self.by_header(start, log, options, header) for log, options in zip(logs, choices)]
        fits = []
        for pick in itertools.islice(self.picks(start, choices, body), 5000):
            if self.fits(start, pick, body):
                fits.append(pick)
                if len(fits) >= 50:
                    break
        pick = fits[0] if fits else tuple(options[0] for options in choices)
        if len(fits) > 1:
            self.doubtful.append((start, logs, fits))
        for log, option in zip(logs, pick):
            self.chosen[(start, log)] = option
        self.compare(start, pick, body, bool(fits))

    def picks(self, start, choices, body):
        """Choices of cuts, one a partition, that give the verdict's number of events."""
        for options in choices:
            options.sort(key=lambda o: -o.counts.n)
        carried = self.carry_for(start)[0]
        missing = sum(o[0].counts.n for o in choices) - (body["n"] - carried if body else 0)
        if missing >= 0:
            yield from self.pick(choices, missing)

    def pick(self, choices, missing):
        if not choices:
            if not missing:
                yield ()
            return
        for o in choices[0]:
            less = choices[0][0].counts.n - o.counts.n
            if less <= missing:
                for rest in self.pick(choices[1:], missing - less):
                    yield (o, *rest)

    def carry_for(self, start):
        """(events, windows) that earlier windows left for this one."""
        if self.carry and same_layout(self.carry[0].columns, self.chain.at(start)["columns"]):
            return self.carry[0].n, self.carry[2]
        return 0, 0

    def by_header(self, start, log, options, header):
        """Those with the header's number for this partition; all when none has it (and that is a difference)."""
        n, excluded = header["parts"].get(log.name, [0, 0])
        if excluded:
            self.report.differ(f"{self.chain.name} window {start}: {excluded} events of {log.name} excluded")
        good = [o for o in options if o.counts.n == n]
        if not good:
            self.report.differ(f"{self.chain.name} window {start}, {log.name}: header has {n} events, recounted "
                               + " or ".join(str(o.counts.n) for o in options))
        return good or options

    def sum(self, start, pick):
        """(counts, kind, carried) of the window; the carry of windows before is in it."""
        entry = self.chain.at(start)
        total = Counts(entry["columns"])
        for o in pick:
            total.join(o.counts)
        if entry["columns"] is None or not entry["columns"]:
            return total, "unmonitored", 0
        carried, windows = self.carry_for(start)
        if carried:
            total.join(self.carry[0])
        window = entry["yaml"]["models"][self.chain.model].get("window", {})
        least, most = window.get("min_events", 100), window.get("max_carry", 0)
        held = total.n < least and (not most or windows < most)
        return total, "held" if held else "ok", carried

    def fits(self, start, pick, body):
        if body is None:
            return not any(o.counts.n for o in pick)
        if not any(o.counts.n for o in pick):
            return False
        total, _, _ = self.sum(start, pick)
        return body["n"] == total.n and (total.columns is None or counters_of(body, total.columns) == total.cells)

    def compare(self, start, pick, body, fits):
        name = f"{self.chain.name} window {start}"
        if not any(o.counts.n for o in pick) and body is None:
            return
        if body is None:
            self.report.differ(f"{name}: no verdict, recounted {sum(o.counts.n for o in pick)} events")
            return
        if not pick or (fits and not any(o.counts.n for o in pick)):
            self.report.differ(f"{name}: a verdict of {body['n']} events, recounted none")
            return
        total, kind, carried = self.sum(start, pick)
        self.expected[start] = (kind, total)
        same = self.report.same
        same(f"{name}: kind", body["kind"], kind)
        same(f"{name}: events", body["n"], total.n)
        same(f"{name}: carried", body["carried"], carried)
        same(f"{name}: excluded", body["excluded"], 0)
        same(f"{name}: end", body["window"]["end_ms"], self.chain.end(start))
        same(f"{name}: plan", body["plan"], self.chain.at(start)["seq"])
        same(f"{name}: model versions", {k: v for k, v in body["versions"].get("model", {}).items()}, dict(total.versions))
        same(f"{name}: new fields", body["new_fields"], [t for t, _ in sorted(total.new.items(), key=lambda r: (-r[1], r[0].encode()))])
        if "damaged_partitions" in body:
            self.report.differ(f"{name}: {body['damaged_partitions']} damaged partitions")
        if total.columns:
            self.compare_columns(name, body, total)
            if kind == "ok":
                self.compare_measures(name, body, total)
                self.compare_evidence(name, body)
        self.next_carry(start, kind, total, carried)
        self.count_figures(kind, total, carried)

    def count_figures(self, kind, total, carried):
        f = self.report.figures
        f["windows"] += 1
        f[f"windows {kind}"] += 1
        f[f"windows of {self.chain.name}"] += 1
        f["events in windows"] += total.n - carried

    def compare_columns(self, name, body, total):
        names = [column_name(c) for c in total.columns]
        self.report.same(f"{name}: columns", sorted(body["columns"]), sorted(names))
        for c in total.columns:
            got = body["columns"].get(column_name(c))
            if not got:
                continue
            want = total.cells[c["first"]:c["first"] + c["size"]]
            self.report.figures["cells compared"] += len(want)
            self.report.same(f"{name} column {column_name(c)}: specials", [got["specials"][s] for s in SPECIALS], want[:len(SPECIALS)])
            if not self.report.same(f"{name} column {column_name(c)}: events", got["n"], sum(want)) or got["cells"] != want[len(SPECIALS):]:
                off = [i for i, (a, b) in enumerate(zip(got["cells"], want[len(SPECIALS):])) if a != b]
                self.report.differ(f"{name} column {column_name(c)}: cells {off[:8]} differ: driftd has "
                                   f"{[got['cells'][i] for i in off[:8]]}, recounted {[want[len(SPECIALS) + i] for i in off[:8]]}")

    def compare_measures(self, name, body, total):
        for c in total.columns:
            got = body["columns"].get(column_name(c), {}).get("measures", {})
            window = total.cells[c["first"]:c["first"] + c["size"]]
            for measure, want in measures(c, c["specials"] + c["counts"], window).items():
                have = got.get(measure, {}).get("effect")
                self.report.figures["measures compared"] += 1
                if have is None or abs(have - want) > 1e-9 * max(1, abs(want)):
                    self.report.differ(f"{name} column {column_name(c)}: {measure} {have}, recomputed {want}")

    def compare_evidence(self, name, body):
        """It goes on from window to window and begins anew with another baseline only."""
        if "evidence" not in body:
            return
        digest = body["baseline"]["digest"]
        self.report.same(f"{name}: evidence begins anew", "restarted" in body["evidence"], digest != self.evidence_of)
        self.report.figures["windows with evidence"] += 1
        self.evidence_of = digest

    def next_carry(self, start, kind, total, carried):
        if kind == "held":
            first, windows = (self.carry[1], self.carry[2]) if carried else (start, 0)
            self.carry = (total, first, windows + 1)
        elif kind in ("ok", "unmonitored"):
            self.carry = None


def column_name(c):
    return c["name"] if c["role"] == "feature" else c["role"]


def counters_of(body, columns):
    out = []
    for c in columns:
        got = body["columns"].get(column_name(c))
        if not got:
            return None
        out += [got["specials"][s] for s in SPECIALS] + got["cells"]
    return out


def measures(column, base, window):
    """PSI corrected for noise, as its header defines it, and the rates: effects by name."""
    def rise(pick, more=0):
        a, b = sum(base), sum(window)
        return sum(pick(window)) / b - min(sum(pick(base)) + more, a) / a if a and b else None
    out = {"null_rate": rise(lambda c: c[0:1]), "missing_rate": rise(lambda c: c[1:2]), "invalid_rate": rise(lambda c: c[2:4])}
    if column["kind"] == "categorical":
        out["unseen_rate"] = rise(lambda c: c[-1:], missed(column, base[len(SPECIALS):]))
    p, q = bins(column, base[len(SPECIALS):]), bins(column, window[len(SPECIALS):])
    m, n = sum(p), sum(q)
    if m and n and sum(a > 0 or b > 0 for a, b in zip(p, q)) > 1:
        p, q = together(p, q) if column["kind"] == "categorical" else (p, q)
        pairs = [(a, b) for a, b in zip(p, q) if a or b]
        k = len(pairs)
        raw = sum((t - s) * math.log(t / s) for s, t in (((a + .5) / (m + .5 * k), (b + .5) / (n + .5 * k)) for a, b in pairs))
        out["psi"] = max(0, raw - (k - 1) * (1 / n + 1 / m))
    return {k: v for k, v in out.items() if v is not None}


def missed(column, cells):
    """Values that the baseline has not shown at most, by how many names it has once and twice (Good, Turing, 95 %)."""
    names, values = len(column["rare"]), cells[-2]
    once, twice = cells[:-2].count(1) + min(names, values), cells[:-2].count(2) + (max(0, min(names, values - names)) // 2)
    return min(sum(cells), math.ceil(once + 1.645 * math.sqrt(once + 2 * twice))) if once else 0


def together(p, q):
    """Categories of which the baseline can expect five and the window one stay apart; the others, rare and unseen ones too, are one."""
    m, n = sum(p), sum(q)
    apart = [i < len(p) - 2 and (a + b) * min(m / 5, n) >= m + n for i, (a, b) in enumerate(zip(p, q))]
    return [[x for x, own in zip(side, apart) if own] + [sum(x for x, own in zip(side, apart) if not own)] for side in (p, q)]


def bins(column, cells):
    if column["kind"] == "categorical":
        return cells
    out, begin = [], 0
    for end in column["bin_end"]:
        out.append(sum(cells[begin:end]))
        begin = end
    return out


# ---- alerts and actions ----
class Alert:
    """What is remembered of one rule."""

    def __init__(self):
        self.breaches, self.phase, self.severity = [], "ok", "none"
        self.incident, self.quiet, self.played = None, 0, set()
        self.last_production = None


def id_of(group, model, rule, incident, step, index, endpoint, transition, start):
    def text(s):
        raw = s.encode()
        n, out = len(raw), b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n]) + raw
    raw = (text(group) + text(model) + text("") + text(rule) + struct.pack("<q", incident) + text(step) + struct.pack("<I", index)
           + text(endpoint) + text(transition) + struct.pack("<q", start))
    return hashlib.sha256(raw).hexdigest()[:32]


class Rules:
    """Runs the alerts of one chain again, from the measures in its verdicts to the ids of the actions."""

    def __init__(self, windows, report):
        self.windows, self.chain, self.report = windows, windows.chain, report
        self.alerts, self.status = collections.defaultdict(Alert), None
        self.actions = []

    def run(self):
        if len({e["config"] for e in self.chain.plan}) > 1:
            self.report.figures["chains with several configurations (alerts not run again)"] += 1
            self.actions = [a for b in self.windows.bodies.values() for a in b["actions"]]
            return
        config = self.chain.plan[0]["yaml"]
        model = config["models"][self.chain.model]
        self.rules = [r for r in model.get("rules") or () if (r["scope"] == "label") == (self.chain.kind == "label")]
        for start, body in sorted(self.windows.bodies.items()):
            self.window(config, model, start, body)

    def window(self, config, model, start, body):
        wanted, name = [], f"{self.chain.name} window {start}"
        measured = body["kind"] == "ok"
        transitions = {}
        for rule in self.rules:
            alert = self.alerts[rule["name"]]
            before = (alert.severity, alert.incident, set(alert.played), alert.last_production)
            transition = self.step(rule, alert, body, start) if measured else "none"
            transitions[rule["name"]] = transition
            if transition != "none":
                self.report.figures[f"alerts {transition}"] += 1
                wanted += self.steps(config, rule, alert, before, transition, start, body["window"]["end_ms"])
            self.compare(name, rule, alert, transition, body)
        wanted += self.new_status(model, start, body)
        self.report.same(f"{name}: actions", body["actions"], wanted)
        self.actions += wanted

    def compare(self, name, rule, alert, transition, body):
        got = body["rules"].get(rule["name"], {})
        self.report.same(f"{name} rule {rule['name']}: transition", got.get("transition"), transition)
        self.report.same(f"{name} rule {rule['name']}: phase and severity", (got.get("phase"), got.get("severity")), (alert.phase, alert.severity))

    def findings(self, rule, body):
        if rule["measure"] == "volume":
            found = [body["volume"]]
        else:
            scope, found = rule["scope"], []
            for column, c in body["columns"].items():
                inside = c["role"] == scope if isinstance(scope, str) else c["role"] == "feature" and fnmatch.fnmatchcase(column, scope["feature"])
                if inside and rule["measure"] in MEASURE_OF[c["kind"]]:
                    found.append(c["measures"].get(rule["measure"], {"why": "not_defined"}))
        return [m for m in found if "why" not in m and m["effect"] is not None]

    def step(self, rule, alert, body, start):
        """One window; the transition."""
        found = self.findings(rule, body)
        if not found:
            return "none"
        gate = rule.get("p", .001 / len(found))
        held = [m["effect"] for m in found if "p" not in m or gate >= 1 or m["p"] < gate]
        top, worst = max([0] + held), max([0] + [m["effect"] for m in found])
        levels = {s: rule[s] for s in ("warning", "critical") if s in rule}
        breach = max((SEVERITY[s] for s, level in levels.items() if any(e >= level for e in held)), default=0)
        persist = rule.get("persist", {})
        k = persist.get("k", 1)
        of = persist.get("of", k)
        alert.breaches = (alert.breaches + [breach])[-64:]
        last = alert.breaches[-of:]
        level = next((s for s in ("critical", "warning") if s in levels and sum(b >= SEVERITY[s] for b in last) >= k), "none")
        recovery = rule.get("recovery", .8 * min(levels.values()))
        if alert.phase != "firing":
            if level == "none" or not breach:
                alert.phase = "pending" if any(last) else "ok"
                return "none"
            alert.phase, alert.severity, alert.incident, alert.quiet, alert.played = "firing", level, start, 0, {level}
            return "firing"
        if breach or top >= recovery:
            alert.quiet = 0
        else:
            alert.quiet += 1
            if worst < recovery or alert.quiet >= of:
                production = alert.last_production
                alert.__init__()
                alert.last_production = production
                return "resolved"
        if level in ("none", alert.severity):
            return "none"
        alert.severity = level
        alert.played.add(level)
        return "update"

    def playbook(self, config, rule, severity):
        book = rule.get("playbook", config["models"][self.chain.model].get("default_playbook", {}))
        name = book if isinstance(book, str) else book.get(severity)
        return name, config["playbooks"][name]["steps"] if name else []

    def steps(self, config, rule, alert, before, transition, start, end):
        """Ids of the actions of one transition, in order."""
        severity, incident, played, last = before
        over = transition == "resolved"
        now = severity if over else alert.severity
        also = {"critical": "warning", "warning": "critical"}[now]
        two = transition != "firing" and also in played
        first_name, first = self.playbook(config, rule, now)
        second_name, second = self.playbook(config, rule, also) if two else (None, [])
        kinds = {(s["do"], s["endpoint"]) for s in first}
        others = {(s["do"], s["endpoint"]) for s in second}
        todo = [(i, s, now, others) for i, s in enumerate(first)]
        if two and second_name != first_name:
            todo += [(i, s, also, set()) for i, s in enumerate(second) if (s["do"], s["endpoint"]) not in kinds]
        ids = []
        for index, s, severity_of, elsewhere in todo:
            mine = (s["do"], s["endpoint"])
            production = s["do"] in PRODUCTION
            live = s.get("mode", "shadow" if production else "live") == "live"
            if transition == "update":
                run = s.get("on_update", s["do"] != "page") or (severity_of not in played and mine not in elsewhere)
            else:
                run = transition == "firing" or s.get("on_resolved", True)
            if not run:
                continue
            if production and live and not over:
                cooldown = duration(s.get("cooldown", "30m"))
                if last and end - last < cooldown:
                    self.report.figures["steps held by cooldown"] += 1
                    continue
                alert.last_production = end
            ids.append(id_of(self.chain.group, self.chain.model, rule["name"], incident if over else alert.incident, s["do"], index,
                             s["endpoint"], transition, start))
        return ids

    def new_status(self, model, start, body):
        before, self_rules = self.status, bool(self.rules)
        if self.chain.kind == "label" and not self_rules:
            return []
        if body["kind"] == "unmonitored":
            self.status = "unmonitored"
        elif body["kind"] == "ok":
            self.status = "degraded" if any(a.phase == "firing" for a in self.alerts.values()) else "ok"
        if self.status == before or (before is None and self.status == "ok") or not model.get("status_endpoint"):
            return []
        return [id_of(self.chain.group, self.chain.model, "", 0, "status_label" if self.chain.kind == "label" else "status", 0,
                      model["status_endpoint"], self.status, start)]


# ---- slots ----
def check_slots(scene, all_windows, report):
    for log in scene.logs:
        slot = scene.slots[log.name]
        if not slot and not log.rows:
            continue
        if int(slot.get("offset", -1)) < log.next():
            report.differ(f"{log.name}: offset {slot.get('offset')}, the log has records up to {log.next() - 1}")
        if log.watermark is not None and "log" in slot:
            report.same(f"{log.name}: greatest event time of the log", int(slot["log"]), log.watermark)
        check_counters(scene, log, slot, all_windows, report)
        for w in all_windows:
            check_blobs(scene, log, slot, w, report)
            check_explained(scene, log, w, report)
        check_order(log, all_windows, report)


def wanted_counters(log, all_windows):
    want = collections.Counter(log.other)
    for w in all_windows:
        for (_, l), o in w.chosen.items():
            if l is log:
                want[f"other:{w.chain.field}:late_after_idle"] += o.late
                want[f"other:{w.chain.field}:duplicate"] += o.duplicate
    return want


def check_counters(scene, log, slot, all_windows, report):
    have = collections.Counter({k: int(v) for k, v in slot.items() if k.startswith(("late:", "other:", "reconciled:"))})
    want = wanted_counters(log, all_windows)
    if +have != +want:
        settle_doubts(log, +have, all_windows)
        want = wanted_counters(log, all_windows)
    for field in sorted(set(have) | set(want)):
        report.same(f"{log.name}: counter {field}", have[field], want[field])
        what = field.split(":")[0] if field.startswith("late") else field.split(":")[-1]
        report.figures["records " + what] += want[field]


def settle_doubts(log, have, all_windows):
    """Numbers that fit several cuts: takes those with the slot's counters, when there are some."""
    for w in all_windows:
        doubts = [(start, logs, fits) for start, logs, fits in w.doubtful if log in logs]
        for picks in itertools.islice(itertools.product(*(fits for _, _, fits in doubts)), 5000):
            for (start, logs, _), pick in zip(doubts, picks):
                for l, option in zip(logs, pick):
                    w.chosen[(start, l)] = option
            want = wanted_counters(log, [w])
            if all(have[k] == want[k] for k in (f"other:{w.chain.field}:{r}" for r in ("late_after_idle", "duplicate"))):
                break


def check_blobs(scene, log, slot, w, report):
    """Blobs that are still there hold what their windows hold; dropped ones were judged before."""
    prefix = f"b:{w.chain.field}:"
    gone = int(slot.get(f"gone:{w.chain.field}", -1))
    if gone >= 0 and (w.chain.until is None or gone > w.chain.until):
        report.differ(f"{log.name}: windows of {w.chain.name} before {gone} dropped, judged until {w.chain.until}")
    there = {int(k[len(prefix):].split(":")[0]): v for k, v in slot.items() if k.startswith(prefix)}
    for start, raw in there.items():
        want = w.chosen.get((start, log))
        n = blob_events(raw)
        report.figures["blobs compared"] += 1
        if start < gone:
            report.differ(f"{log.name}: a blob of {w.chain.name} window {start}, though all before {gone} are gone")
        report.same(f"{log.name}: blob of {w.chain.name} window {start}", n, want.counts.n if want else 0)
    for (start, l), o in w.chosen.items():
        if l is log and o.counts.n and start >= gone and start not in there:
            report.differ(f"{log.name}: no blob of {w.chain.name} window {start}, which is not gone (before {gone})")


def blob_events(raw):
    r = baseline_file.Bytes(raw)
    if r.take(1) not in (b"\x01", b"\x02"):
        raise AssertionError("a blob of another format")
    r.take(1)
    r.number()
    r.take(16)
    return r.number()


def check_explained(scene, log, w, report):
    for (start, l), o in w.chosen.items():
        if l is log and o.late:
            report.figures["windows closed by an advance"] += 1


def check_order(log, all_windows, report):
    """The watermark never falls: what an advance closed stays closed for all windows that close earlier."""
    cuts = sorted((w.chain.close(start), o.first_late) for w in all_windows for (start, l), o in w.chosen.items()
                  if l is log and o.first_late is not None)
    for w in all_windows:
        for (start, l), o in w.chosen.items():
            if l is not log or o.last < 0:
                continue
            close = w.chain.close(start)
            before = [at for x, at in cuts if x >= close]
            if before and min(before) <= o.last:
                report.differ(f"{log.name}: record {log.rows[o.last]['offset']} counted into {w.chain.name} window {start}, though record "
                              f"{log.rows[min(before)]['offset']} shows that its watermark had passed it")


# ---- deliveries ----
def check_deliveries(receiver, all_rules, report):
    want = collections.Counter(a for r in all_rules for a in r.actions)
    with receiver.lock:
        deliveries = list(receiver.deliveries)
    bodies, accepted = {}, set()
    for d in deliveries:
        if not d["verified"]:
            report.differ(f"action {d['id']}: a delivery with a bad signature")
        if d["id"] not in want:
            report.differ(f"action {d['id']} ({d['event'].get('type')} {d['event'].get('subject')}) was received, no verdict names it")
        if bodies.setdefault(d["id"], d["body"]) != d["body"]:
            report.differ(f"action {d['id']}: two deliveries with different bytes")
        if d["event"].get("id") != d["id"]:
            report.differ(f"action {d['id']}: its body names {d['event'].get('id')}")
        if d["status"] and d["status"] < 300:
            accepted.add(d["id"])
    for a, n in want.items():
        if n > 1:
            report.differ(f"action {a}: named by {n} verdicts")
        if a not in accepted:
            report.differ(f"action {a}: never accepted by the receiver")
    report.figures.update({"actions": len(want), "deliveries": len(deliveries), "deliveries more than once": len(deliveries) - len(bodies)})


def check_until(w, report):
    """judged_until is the end of the last window, and nothing before it is missing (Windows compares each)."""
    if w.bodies:
        report.same(f"{w.chain.name}: judged until", w.chain.until, w.chain.end(max(w.bodies)))
    unexpected = {b["kind"] for b in w.bodies.values()} - {"ok", "held", "unmonitored"}
    for kind in unexpected:
        report.differ(f"{w.chain.name}: verdicts of kind {kind}")


def check_sums(scene, all_windows, report):
    """I1: in a verdict, late, or refused with a reason: every record of every partition."""
    for log in scene.logs:
        slot = scene.slots[log.name]
        for w in all_windows:
            inside = sum(o.counts.n for (_, l), o in w.chosen.items() if l is log)
            field = w.chain.field
            rest = sum(int(v) for k, v in slot.items() if k == f"late:{field}" or k.startswith(f"other:{field}:"))
            report.same(f"{log.name}: records of {w.chain.name}, in verdicts, late and refused", inside + rest, log.n_fed[w.chain.name])
            report.figures["records of a chain"] += log.n_fed[w.chain.name]


def compare(scene, receiver):
    report = Report()
    all_windows = [Windows(scene, c, report) for c in scene.chains]
    for w in all_windows:
        w.run()
        check_until(w, report)
    check_slots(scene, all_windows, report)
    check_sums(scene, all_windows, report)
    all_rules = [Rules(w, report) for w in all_windows]
    for r in all_rules:
        r.run()
    check_deliveries(receiver, all_rules, report)
    report.figures["records"] = sum(len(log.rows) for log in scene.logs)
    return report


def check(brokers, redis, receiver, workload):
    return compare(Scene(brokers, redis, workload), receiver)


def settled(brokers, redis, receiver, workload):
    """Everything counted, judged and delivered?"""
    return not waits_for(brokers, redis, receiver, workload)


def waits_for(brokers, redis, receiver, workload):
    """What is not done yet; "" when all is."""
    if not workload.finished:
        return "the workload still produces"
    ends = getattr(workload, "_ends", None)
    if ends is None:
        ends = {(t, p): 0 for t, n in workload.topics.items() for p in range(n)}
        for t, rows in read_topics(brokers, workload).items():
            for r in rows:
                ends[(t, r["partition"])] = max(ends[(t, r["partition"])], r["offset"] + 1)
        workload._ends = ends
    blobs = collections.defaultdict(int)
    for (t, p), end in ends.items():
        slot = redis.hash(f"driftd:{{p/{workload.group}/{t}/{p}}}")
        if end and int(slot.get(b"offset", b"0")) < end:
            return f"{t}/{p} has been read to {slot.get(b'offset')}, its log ends at {end}"
        for k in slot:
            if k.startswith(b"b:"):
                _, model, kind, start = k.decode().split(":")[:4]
                blobs[(model, kind)] = max(blobs[(model, kind)], int(start))
    for (model, kind), start in blobs.items():
        key = f"driftd:{{m/{workload.group}/{model}{'/label' if kind == 'l' else ''}}}"
        until = redis.command("HGET", key, "judged_until")
        if until is None or int(until) <= start:
            return f"{model}:{kind} is judged until {until}, has counts of {start}"
    for model in workload.models:
        for suffix in ("", "/label"):
            out = redis.hash(f"driftd:{{m/{workload.group}/{model}{suffix}}}:out")
            for k in out:
                if k.startswith(b"e:") and not json.loads(out.get(b"s:" + k[2:], b"{}")).get("done"):
                    return f"action {k[2:].decode()} of {model} is not delivered"
    return ""
