"""tests/chaos/workload.py    Traffic for the chaos runs: everything that can happen to an event, at a bounded steady rate.

What is produced is random (rng) and near the wall clock; what arrived stands in the topics, and only the oracle (oracle.py)
says what it must have become.  Three models over four topics: `alpha` and `beta` share one stream, the windows of `gamma`
span two, the labels of `alpha` come by a fourth.

    setting: brokers, group                    needed; the rest has defaults
             partitions                        of the topics: one number, or [events, features, scores, labels]
             rate                              records a second
             window, lateness, flush_interval, settle, idle_after, max_future, retain, plan_ttl, judge_patience    ms
             options                           kafka.options
             replication                       of the topics
             topic_options                     list of KEY=VALUE
             deduplicate                       default: when this driftd knows the key
             transactions                      some records in transactions, some of them aborted (default True)
             produce_brokers                   where to produce and read, when not `brokers` (a proxy stands in between)
"""
import json
import os
import secrets
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))
import env  # noqa: E402

DEFAULTS = {"partitions": [4, 3, 2, 2], "rate": 150, "window": 6000, "lateness": 1500, "flush_interval": 200, "settle": 2000,
            "idle_after": 2000, "max_future": 2000, "retain": 15000, "plan_ttl": 1000, "judge_patience": 1500, "options": {},
            "replication": 1, "topic_options": [], "transactions": True}
STEMS = ("events", "features", "scores", "labels")
BASELINE_START = 1_767_600_000_000  # a window's start long ago
KINDS = ("calm", "calm", "shift", "surge", "calm", "nulls", "calm", "unseen", "calm", "thin")
TICK = 0.1


def knows(key):
    """Does this driftd have a configuration key of that name?"""
    done = subprocess.run([env.tool("driftd"), "check", "--json-schema"], capture_output=True, text=True, timeout=60)
    return f'"{key}"' in done.stdout


class Workload:
    def __init__(self, rng, setting):
        self.rng, self.setting = rng, {**DEFAULTS, **setting}
        s = self.setting
        if isinstance(s["partitions"], int):
            s["partitions"] = [s["partitions"]] * 4
        if s.get("deduplicate") is None:
            s["deduplicate"] = knows("deduplicate")
        self.group = s["group"]
        names = [f"{stem}-{secrets.token_hex(4)}" for stem in STEMS]
        self.topics = dict(zip(names, s["partitions"]))
        self.events, self.features, self.scores, self.labels = names
        self.models = ("alpha", "beta", "gamma")
        self.finished = False
        self.made = {}  # how often each sort of record was made; what became of it is the oracle's matter
        self.serial = 0
        self.recent = []
        self.silent = {}  # (topic, partition) -> until when
        self.feeder = self.feed_log = None
        self.folder = None

    # ---- configuration ----
    def config(self, redis_yaml, receiver):
        s = self.setting
        self.folder = os.path.dirname(receiver.secret_file)
        steps = [{"do": do, "endpoint": "soc", "cooldown": "0s"} for do in ("ticket", "notify", "page", "human_review")]
        live = [{"do": "disable_automation", "endpoint": "soc", "mode": "live", "cooldown": f"{2 * s['window']}ms"},
                {"do": "rollback", "endpoint": "soc", "mode": "shadow"}]
        c = {
            "version": 1,
            "change": {"version": "1", "approved_by": "chaos", "reason": "a run of the chaos tool"},
            "kafka": {"brokers": s["brokers"], "group": self.group, "options": dict(s["options"])},
            "redis": redis_yaml,
            "state": {k: f"{s[k]}ms" for k in ("flush_interval", "settle", "idle_after", "max_future", "retain", "plan_ttl", "judge_patience")},
            "http": {"listen": "none"},
            "owners": {"soc": {"team": "Detection", "contact": "detection@example.org"}},
            "endpoints": {"soc": {"url": receiver.url, "secret": {"file": receiver.secret_file}, "allow_private": True}},
            "playbooks": {"look": {"what_to_do": "look at the worst features first", "steps": [steps[0], {**steps[1], "on_resolved": False}]},
                          "contain": {"what_to_do": "stop acting on the model", "steps": [steps[0], steps[2], steps[3]] + live}},
            "streams": {
                "events": self.stream(self.events, "features", "score", "decision"),
                "features": self.stream(self.features, "features"),
                "scores": self.stream(self.scores, "score", "decision"),
                "labels": self.stream(self.labels, "label"),
            },
            "models": {
                "alpha": self.model(["events", "labels"], [
                    self.rule("input-drift", "psi", {"feature": "*"}, .1, .4, persist={"k": 2, "of": 3}),
                    self.rule("score-drift", "ks", "score", .15, .4), self.rule("decisions", "proportion", "decision", .1, .3),
                    self.rule("nulls", "null_rate", {"feature": "*"}, .05, .3), self.rule("labels", "proportion", "label", .1, .3),
                    self.rule("volume", "volume", "model", 1, 3)]),
                "beta": self.model(["events"], [
                    self.rule("input-drift", "js", {"feature": "n*"}, .15, .4), self.rule("unseen", "unseen_rate", {"feature": "*"}, .05, .2),
                    self.rule("range", "out_of_range_rate", {"feature": "*"}, .05, .25)]),
                "gamma": self.model(["features", "scores"], [
                    self.rule("score-drift", "psi", "score", .1, .5), self.rule("invalid", "invalid_rate", {"feature": "*"}, .03, .2),
                    self.rule("missing", "missing_rate", {"feature": "*"}, .05, .2)]),
            },
        }
        c["models"]["alpha"]["evidence"] = {"false_alarms": "1 per 1000 windows"}
        c["state"].update({"clock_skew": "100ms", "max_action_age": "3650d", "keep_verdicts": 100000})
        return c

    @staticmethod
    def stream(topic, *roles):
        s = {"topic": topic, "format": "json", "id": "event_id", "time": "ts", "model": "model", **{r: r for r in roles}}
        if "features" in roles:
            s["versions"] = {"model": "model_version"}
        return s

    @staticmethod
    def rule(name, measure, scope, warning, critical, **more):
        return {"name": name, "measure": measure, "scope": scope, "warning": warning, "critical": critical,
                "playbook": {"warning": "look", "critical": "contain"}, "sla": {"acknowledge": "15m"}, **more}

    def model(self, streams, rules):
        s = self.setting
        m = {"owner": "soc", "streams": streams, "window": {"size": f"{s['window']}ms", "lateness": f"{s['lateness']}ms", "min_events": 30},
             "features": {"types": {"c*": "categorical"}}, "status_endpoint": "soc", "rules": rules}
        if s["deduplicate"]:
            m["deduplicate"] = {"by": "event_id", "within": "window"}
        return m

    # ---- before driftd starts ----
    def prepare(self, brokers, driftd):
        """Topics whose records have the broker's time, and a promoted baseline of each model."""
        more = ["retention.ms=-1", "message.timestamp.type=LogAppendTime", f"replication={self.setting['replication']}",
                *self.setting["topic_options"]]
        for topic, n in self.topics.items():
            brokers.io("topic", topic, n, *more)
        for model in self.models:
            path = os.path.join(driftd.folder, f"{model}.ndjson")
            with open(path, "w") as f:
                for i in range(6000):
                    for _, row in self.parts(self.event(model, BASELINE_START + i * 10, "calm")):
                        f.write(json.dumps(row) + "\n")
            driftd.command("baseline", "build", "-c", driftd.path, "--model", model, "--file", path, "--promote")

    # ---- one event ----
    def event(self, model, ms, kind):
        """A whole event with every role; the streams send the part that is theirs."""
        rng = self.rng
        drift = kind in ("shift", "surge")
        by = 1.2 if kind == "shift" else 3 if kind == "surge" else 0
        f = {"n_size": round(rng.gauss(50 + 10 * by, 10), 3), "n_entropy": round(rng.expovariate(1) + by / 2, 4),
             "n_count": rng.randrange(0, 8 + int(3 * by)), "c_tld": rng.choice(("com", "com", "net", "org")), "c_port": rng.choice((25, 80, 443)),
             "c_flag": rng.random() < .3}
        self.spoil(f, kind)
        score = rng.betavariate(2, 5) if not drift else rng.betavariate(2 + by, 3)
        self.serial += 1
        return {"event_id": f"{model}-{self.serial}", "ts": ms, "model": model, "model_version": "v2" if drift else "v1",
                "features": f, "score": round(score, 6), "decision": "block" if score > .5 else "pass"}

    def spoil(self, f, kind):
        rng = self.rng
        often = .35 if kind == "nulls" else .01
        if rng.random() < often:
            f["n_size"] = None
        if rng.random() < often / 3:
            f["n_entropy"] = rng.choice((float("nan"), float("inf"), float("-inf"), "high", [1], {"a": 1}))
        if rng.random() < often / 3:
            del f["n_count"]
        if rng.random() < (.4 if kind == "unseen" else .01):
            f["c_tld"] = rng.choice(("xyz", "top", "m\u00fcnchen", ""))
        if rng.random() < (.3 if kind == "unseen" else .005):
            f["n_size"] = rng.choice((1e9, -1e300, 500))
        if rng.random() < .003:
            f["new_" + rng.choice("ab")] = 1

    def kind_at(self, model, ms):
        """Phases by event time, so that alerts fire, escalate and resolve again and again."""
        shift = {"alpha": 0, "beta": 3, "gamma": 6}.get(model, 0)
        return KINDS[(ms // (2 * self.setting["window"]) + shift) % len(KINDS)]

    # ---- when ----
    def moment(self, now):
        """(event time, what sort)."""
        s, r = self.setting, self.rng.random()
        if r < .012:
            return now - s["window"] - s["lateness"] - self.rng.randrange(4 * s["window"]), "late"
        if r < .018:
            return now + s["max_future"] + self.rng.choice((-1, 0, 1, 50)) + self.rng.randrange(60000), "future"
        if r < .022:
            return now + s["max_future"] - self.rng.randrange(200), "near future"
        return now - self.rng.randrange(max(1, int(s["lateness"] * .9))), "plain"

    # ---- records ----
    def parts(self, e):
        """The records that one event becomes: (topic, value)."""
        if e["model"] == "gamma":
            common = {k: e[k] for k in ("event_id", "ts", "model")}
            return [(self.features, {**common, "features": e["features"], "model_version": e["model_version"]}),
                    (self.scores, {**common, "score": e["score"], "decision": e["decision"]})]
        rows = [(self.events, e)]
        if e["model"] == "alpha" and self.rng.random() < .4:
            bad = self.rng.random() < (.6 if e["decision"] == "block" else .1)
            rows.append((self.labels, {"event_id": e["event_id"], "ts": e["ts"], "model": "alpha", "label": "bad" if bad else "good"}))
        return rows

    def malformed(self, now):
        """All sorts, by name: what cannot be counted, or hardly."""
        rng = self.rng
        e = self.event("alpha", now, "calm")
        whole = json.dumps(e).encode()
        return dict((
            ("empty", b""), ("tombstone", None), ("cut", whole[:rng.randrange(1, len(whole) - 1)]), ("text", b"not json"), ("list", b"[1,2]"),
            ("no time", json.dumps({k: v for k, v in e.items() if k != "ts"}).encode()), ("null time", json.dumps({**e, "ts": None}).encode()),
            ("bad time", json.dumps({**e, "ts": rng.choice(("soon", True, [1], -5, 10**18))}).encode()),
            ("no model", json.dumps({k: v for k, v in e.items() if k != "model"}).encode()),
            ("unknown model", json.dumps({**e, "model": "delta"}).encode()),
            ("wrong types", json.dumps({**e, "score": "high", "decision": None, "features": rng.choice((7, [1], {}))}).encode()),
            ("no id", json.dumps({k: v for k, v in e.items() if k != "event_id"}).encode())))

    def count(self, sort, n=1):
        self.made[sort] = self.made.get(sort, 0) + n

    def place(self, topic, key, now):
        """The partition by id, so that duplicates share one; a silent one gives its records to the next that is not."""
        n = self.topics[topic]
        first = sum(key) % n
        for i in range(n):
            if self.silent.get((topic, (first + i) % n), 0) < now:
                return (first + i) % n
        return None

    def records(self, now, n):
        """About n records of this moment: (topic, partition, key, value)."""
        out = []
        for _ in range(n):
            if len(out) >= n:
                break
            r = self.rng.random()
            if r < .02:
                sort, value = self.rng.choice(list(self.malformed(now).items()))
                self.count(sort)
                key = b"bad%d" % self.rng.randrange(1000)
                self.add(out, self.events, key, value, now)
            elif r < .04 and self.recent:
                self.count("sent again")
                again = self.rng.choice(self.recent)
                if self.silent.get(again[:2], 0) < now:
                    out.append(again)
            else:
                model = self.rng.choice(("alpha", "alpha", "beta", "gamma"))
                ms, sort = self.moment(now)
                kind = self.kind_at(model, ms)
                if kind == "thin" and self.rng.random() < .9:
                    continue
                self.count(sort)
                e = self.event(model, ms, kind)
                for topic, row in self.parts(e):
                    self.add(out, topic, e["event_id"].encode(), json.dumps(row).encode(), now)
        return out

    def one_of_each(self, now):
        """So that even a short run has every sort."""
        out = []
        for sort, value in self.malformed(now).items():
            self.count(sort)
            self.add(out, self.events, sort.encode(), value, now)
        for sort, ms in (("future", now + self.setting["max_future"] + 60000), ("late", now - 600000)):
            e = self.event("alpha", ms, "calm")
            self.count(sort)
            self.add(out, self.events, b"0", json.dumps(e).encode(), now)
        return out

    def add(self, out, topic, key, value, now):
        p = self.place(topic, key, now)
        if p is None:
            return
        out.append((topic, p, key, value))
        if self.rng.random() < .1:
            self.recent.append(out[-1])
            del self.recent[:-200]

    def awake(self, now):
        """One old event for a partition that has been silent: its own log may not know that it is late."""
        rows = []
        for (topic, p), until in list(self.silent.items()):
            if until < now:
                del self.silent[(topic, p)]
                model = "gamma" if topic in (self.features, self.scores) else "alpha"
                s = self.setting
                for back in (s["window"] + s["lateness"], s["lateness"], 0):
                    e = self.event(model, now - back - self.rng.randrange(s["window"]), "calm")
                    key = e["event_id"].encode()
                    value = {**e, "label": "good"} if topic == self.labels else e
                    rows.append((topic, p, key, json.dumps(value).encode()))
                    self.count("after silence")
        return rows

    def silence(self, now):
        """Now and then a partition, a topic or everything says nothing for a while."""
        r, s = self.rng.random(), self.setting
        until = now + s["idle_after"] + self.rng.randrange(2 * s["window"])
        if r < .03:
            topic = self.rng.choice(list(self.topics))
            self.silent[(topic, self.rng.randrange(self.topics[topic]))] = until
        elif r < .032:
            for topic in self.rng.choice(((self.features,), (self.labels,), tuple(self.topics))):
                for p in range(self.topics[topic]):
                    self.silent[(topic, p)] = until

    # ---- producing ----
    def where(self):
        return self.setting.get("produce_brokers") or self.setting["brokers"]

    def open_feeder(self):
        self.feed_log = open(os.path.join(self.folder or env.TEMP, "feed.log"), "ab")
        self.feeder = subprocess.Popen([env.tool("kafka_io"), "feed", self.where(), *self.topics], stdin=subprocess.PIPE,
                                       stdout=self.feed_log, stderr=self.feed_log)
        env.atexit.register(self.close_feeder, 0)

    def close_feeder(self, seconds=150):
        feeder, self.feeder = self.feeder, None
        if feeder is None:
            return
        try:
            feeder.stdin.close()
        except OSError:
            pass
        try:
            feeder.wait(seconds)
        except subprocess.TimeoutExpired:
            feeder.kill()
            feeder.wait()
        self.feed_log.close()

    def send(self, rows):
        """What a dying producer took with it never was: the oracle reads the topics."""
        index = {t: i for i, t in enumerate(self.topics)}
        raw = b"".join(struct.pack("<iiii", index[t], p, len(k), -1 if v is None else len(v)) + k + (v or b"") for t, p, k, v in rows)
        try:
            self.feeder.stdin.write(raw)
            self.feeder.stdin.flush()
        except OSError:
            self.count("producer died")
            self.close_feeder(5)
            self.open_feeder()

    def transact(self, stop):
        """Every few seconds some transactions, each second one aborted."""
        while not stop.wait(self.rng.uniform(2, 6)):
            now, raw = int(time.time() * 1000), bytearray()
            for i in range(20):
                e = self.event("beta", now - self.rng.randrange(self.setting["lateness"]), "calm")
                key = b"abort" if i % 10 == 5 and self.rng.random() < .8 else e["event_id"].encode()
                value = json.dumps(e).encode()
                raw += struct.pack("<iqii", self.topics[self.events] - 1, -1, len(key), len(value)) + key + value
            child = subprocess.Popen([env.tool("kafka_io"), "transactions", self.where(), self.events, "5"], stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                child.communicate(bytes(raw), timeout=30)
                self.count("transactions", 4 if child.returncode == 0 else 0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()

    def run(self, stop):
        """Produces until `stop` is set; `finished` says that the topics will not change any more."""
        self.open_feeder()
        # a random source of its own: the threads must not share one
        rng, self_transact = type(self.rng)(self.rng.getrandbits(64)), None
        if self.setting["transactions"]:
            other = Workload.__new__(Workload)
            other.__dict__.update(self.__dict__, rng=rng, made={}, serial=10**9)
            self_transact = threading.Thread(target=other.transact, args=(stop,), daemon=True)
            self_transact.start()
        try:
            now = int(time.time() * 1000)
            # the late ones need something before them
            self.send(self.records(now, 100) + self.one_of_each(now))
            while not stop.wait(TICK):
                now = int(time.time() * 1000)
                rows = self.awake(now)
                n = self.setting["rate"] * TICK * self.rng.uniform(.5, 1.5) * (8 if self.rng.random() < .01 else 1)
                self.silence(now)
                self.send(rows + self.records(now, int(n)))
        finally:
            self.close_feeder()
            if self_transact:
                self_transact.join(60)
                for sort, n in other.made.items():
                    self.count(sort, n)
            self.finished = True

    def describe(self):
        s = self.setting
        return (f"{s['rate']} records/s to {len(self.topics)} topics of {'+'.join(map(str, s['partitions']))} partitions, windows of "
                f"{s['window']} ms + {s['lateness']} ms, 3 models, deduplicate {'on' if s['deduplicate'] else 'off'}; made: "
                + ", ".join(f"{n} {sort}" for sort, n in sorted(self.made.items())))
