"""tests/integration/test_chaos_oracle.py    The oracle of the chaos runs finds what it is there to find.

One short real run (two kills included) gives topics, Redis and deliveries in which the oracle finds nothing; then each test
doctors a copy in one place and must see that place named."""
import copy
import json
import os
import random
import shutil
import sys
import tempfile
import threading

import env

sys.path.insert(0, os.path.join(env.ROOT, "tests", "chaos"))
import oracle  # noqa: E402
import session  # noqa: E402


class Frozen:
    """Redis as it was: what the oracle asks for."""

    def __init__(self, redis):
        self.keys = {}
        for key in redis.command("KEYS", "driftd:*"):
            if redis.command("TYPE", key) == b"hash":
                self.keys[key.decode()] = redis.hash(key.decode())
            else:
                self.keys[key.decode()] = redis.command("GET", key)

    def hash(self, key):
        return self.keys.get(key, {})

    def command(self, verb, key, field=None):
        return self.keys.get(key) if verb == "GET" else self.keys.get(key, {}).get(field.encode())


class Deliveries:
    def __init__(self, rows):
        self.lock, self.deliveries = threading.Lock(), rows


class Workload:
    """What the oracle needs to know of one that is over."""

    def __init__(self, w):
        self.group, self.topics, self.models, self.setting, self.finished = w.group, w.topics, w.models, w.setting, True
        self._topics_read = copy.deepcopy(w._topics_read)


class Doctored(env.Case):
    @classmethod
    def setUpClass(cls):
        seed = int(os.environ.get("DRIFTD_SEED") or 5) if os.environ.get("DRIFTD_SEED") != "fresh" else random.randrange(10**6)
        print(f"    DRIFTD_SEED={seed}", flush=True)
        folder = tempfile.mkdtemp(dir=env.TEMP)
        cls.addClassCleanup(shutil.rmtree, folder, True)
        # nothing is dropped before the end, so that headers and blobs are there to be doctored
        s = session.Session(folder, env.brokers(), random.Random(seed), static=True, retain=120000)
        cls.addClassCleanup(s.close)
        s.start()
        for _ in range(2):
            s.rest(1.5)
            s.kill()
        s.rest(2)
        s.finish()
        cls.report = s.check()
        cls.frozen, cls.rows, cls.over = Frozen(s.redis), list(s.receiver.deliveries), s.workload

    def setUp(self):
        super().setUp()
        self.redis = copy.deepcopy(self.frozen)
        self.hook = Deliveries(copy.deepcopy(self.rows))
        self.workload = Workload(self.over)

    def differences(self):
        return oracle.check(None, self.redis, self.hook, self.workload).differences

    def assertNamed(self, *texts):
        found = self.differences()
        self.assertTrue(any(all(t in d for t in texts) for d in found), f"{texts} not named in {found}")

    # ---- where to doctor ----
    def chain(self, model="alpha", suffix=""):
        return f"driftd:{{m/{self.workload.group}/{model}}}{suffix}"

    def bodies(self, model="alpha"):
        """Start -> body, those that were measured."""
        found = {int(k): json.loads(v) for k, v in self.redis.hash(self.chain(model, ":v")).items()}
        return {k: v for k, v in sorted(found.items()) if v["kind"] == "ok"}

    def put(self, start, body, model="alpha"):
        self.redis.keys[self.chain(model, ":v")][str(start).encode()] = json.dumps(body).encode()

    def slots(self):
        return {k: v for k, v in self.redis.keys.items() if k.startswith("driftd:{p/")}

    def add_to(self, field, by=1):
        """Raises a counter of some slot that has it; its partition."""
        key = next(k for k, v in sorted(self.slots().items()) if field.encode() in v)
        slot = self.redis.keys[key]
        slot[field.encode()] = str(int(slot[field.encode()]) + by).encode()
        return "/".join(key[:-1].split("/")[-2:])

    # ---- tests ----
    def test_a_good_run_has_no_differences(self):
        self.assertEqual(self.report.differences, [])
        self.assertEqual(self.differences(), [])
        f = self.report.figures
        for what, least in (("windows", 8), ("windows ok", 4), ("events in windows", 400), ("cells compared", 1000), ("measures compared", 50),
                            ("records late", 1), ("records future", 1), ("records malformed", 1), ("records no_time", 1), ("actions", 1)):
            self.assertGreaterEqual(f[what], least, (what, dict(f)))

    def test_one_event_too_many_in_a_cell(self):
        start, body = next(iter(self.bodies().items()))
        cells = body["columns"]["n_size"]["cells"]
        at = max(range(len(cells)), key=cells.__getitem__)
        cells[at] += 1
        self.put(start, body)
        self.assertNamed("alpha (input)", str(start), "n_size", "cells")

    def test_evidence_that_begins_anew(self):
        start, body = list(self.bodies().items())[1]
        body["evidence"]["restarted"] = True
        self.put(start, body)
        self.assertNamed("alpha (input)", str(start), "evidence begins anew")

    def test_an_event_moved_to_another_cell(self):
        start, body = next(iter(self.bodies("gamma").items()))
        cells = body["columns"]["score"]["cells"]
        at = max(range(1, len(cells)), key=cells.__getitem__)
        cells[at], cells[at - 1] = cells[at] - 1, cells[at - 1] + 1
        self.put(start, body, "gamma")
        self.assertNamed("gamma (input)", str(start), "column score", "cells")

    def test_an_event_counted_twice(self):
        """A record that is in a verdict twice is one that the log has once: take one counted record out of the log."""
        rows = self.workload._topics_read[self.over.events]
        starts = self.bodies()
        at = next(i for i, r in enumerate(rows) if r["value"] and b'"alpha-' in r["value"] and self.counted(r, starts))
        start = json.loads(rows[at]["value"])["ts"] // 2000 * 2000
        del rows[at]
        self.assertNamed("alpha (input)", str(start))

    def counted(self, row, starts):
        try:
            e = json.loads(row["value"])
        except ValueError:
            return False
        return isinstance(e, dict) and e.get("model") == "alpha" and isinstance(e.get("ts"), int) and e["ts"] // 2000 * 2000 in starts and \
            abs(e["ts"] - row["timestamp"]) < 450

    def test_an_event_not_counted(self):
        rows = self.workload._topics_read[self.over.scores]
        last = max((r for r in rows if r["partition"] == 0), key=lambda r: r["offset"])
        rows.append({**last, "offset": last["offset"] + 1})
        self.assertNamed(f"{self.over.scores}/0", "offset")

    def test_a_verdict_that_is_missing(self):
        start = max(self.bodies().items(), key=lambda b: b[1]["n"])[0]  # no early silence could explain that one
        del self.redis.keys[self.chain("alpha", ":v")][str(start).encode()]
        self.redis.keys[self.chain("alpha", ":w")].pop(str(start).encode(), None)
        self.assertNamed("alpha (input)", str(start), "no verdict")

    def test_a_verdict_of_nothing(self):
        start, body = next(iter(self.bodies().items()))
        self.put(start - 600000, {**body, "window": {**body["window"], "start_ms": start - 600000}})
        self.assertNamed("alpha (input)", str(start - 600000))

    def test_a_measure_that_is_wrong(self):
        start, body = next(iter(self.bodies().items()))
        body["columns"]["n_entropy"]["measures"]["psi"]["effect"] += 1e-6
        self.put(start, body)
        self.assertNamed(str(start), "n_entropy", "psi")

    def test_a_transition_that_is_wrong(self):
        start, body = next(iter(self.bodies().items()))
        rule = body["rules"]["score-drift"]
        rule["transition"] = "firing" if rule["transition"] != "firing" else "none"
        self.put(start, body)
        self.assertNamed(str(start), "score-drift", "transition")

    def test_a_header_of_other_numbers(self):
        headers = self.redis.keys[self.chain("beta", ":w")]
        start, header = next((k, json.loads(v)) for k, v in sorted(headers.items()) if json.loads(v)["parts"])
        name = sorted(header["parts"])[0]
        header["parts"][name][0] += 1
        headers[start] = json.dumps(header).encode()
        self.assertNamed("beta (input)", start.decode(), name, "header")

    def test_a_blob_of_other_numbers(self):
        key, field = next((k, f) for k, v in self.slots().items() for f in v if f.startswith(b"b:"))
        del self.redis.keys[key][field]
        self.assertNamed("/".join(key[:-1].split("/")[-2:]), "no blob")

    def test_counters(self):
        for field in ("late:alpha:i", "other:-:future", "other:-:malformed", "other:-:no_time"):
            with self.subTest(field):
                self.redis = copy.deepcopy(self.frozen)
                name = self.add_to(field)
                self.assertNamed(name, field)

    def test_a_reconciliation(self):
        key = next(k for k in sorted(self.slots()) if self.over.events in k)
        self.redis.keys[key][b"reconciled:alpha:i"] = b"1"
        self.assertNamed("reconciled:alpha:i")

    def test_an_unexplained_late_after_idle(self):
        """An event out of its verdict and into late_after_idle, sums intact: nothing was silent before it."""
        scene = oracle.Scene(None, self.redis, self.workload)
        chain = next(c for c in scene.chains if c.name == "alpha (input)")
        bodies = self.bodies()
        log, start, item = next((log, start, items[-1]) for log in scene.logs for start, items in log.windows[chain.name].items()
                                if start in bodies and len(items) > 3 and items[-1].at not in log.silences)
        body = bodies[start]
        body["n"] -= 1
        for c in chain.at(start)["columns"]:
            shown = body["columns"][oracle.column_name(c)]
            for i in item.weights[0]:
                if c["first"] <= i < c["first"] + c["size"]:
                    shown["n"] -= 1
                    if i - c["first"] < 4:
                        shown["specials"][oracle.SPECIALS[i - c["first"]]] -= 1
                    else:
                        shown["cells"][i - c["first"] - 4] -= 1
        self.put(start, body)
        slot = self.redis.keys[scene.slot_key(log)]
        slot[b"other:alpha:i:late_after_idle"] = str(int(slot.get(b"other:alpha:i:late_after_idle", b"0")) + 1).encode()
        self.assertNamed("alpha (input)", str(start), "events")

    def test_an_action_that_never_came(self):
        gone = next(d["id"] for d in self.hook.deliveries if d["status"] == 200)
        self.hook.deliveries = [d for d in self.hook.deliveries if d["id"] != gone]
        self.assertNamed(gone, "never accepted")

    def test_an_action_of_nobody(self):
        self.hook.deliveries.append({**self.hook.deliveries[0], "id": "0" * 32})
        self.assertNamed("0" * 32, "no verdict names it")

    def test_other_bytes_the_second_time(self):
        d = self.hook.deliveries[0]
        self.hook.deliveries.append({**d, "body": d["body"] + b" "})
        self.assertNamed(d["id"], "different bytes")

    def test_a_bad_signature(self):
        self.hook.deliveries[0]["verified"] = False
        self.assertNamed(self.hook.deliveries[0]["id"], "signature")

    def test_a_partition_that_is_behind(self):
        key = next(k for k in sorted(self.slots()) if self.over.events in k)
        slot = self.redis.keys[key]
        slot[b"offset"] = str(int(slot[b"offset"]) - 1000).encode()
        self.assertNamed("offset")
