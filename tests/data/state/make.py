"""tests/data/state/make.py FOLDER    Stores what this driftd leaves in Redis, for the tests of later versions.

Run once for each release, with brokers (DRIFTD_TEST_BROKERS) and a build (DRIFTD_BUILD):
    /usr/bin/python3 tests/data/state/make.py tests/data/state/v0.1
Small made-up traffic in two partitions: calm windows, drifted ones, one that is still open.  FOLDER/redis.json holds every
slot: {key: {field: "text" or {"hex": ".."}}}; FOLDER/expect.json what must be read from them, counted here and not by
driftd.  Never made anew for a version that was released.
"""
import collections
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "integration"))
import env  # noqa: E402
import ingest_setting as setting  # noqa: E402

SECRET = "the secret of stored test state, which nobody uses"
WINDOWS, EACH = 6, 150
LEFT_OUT = ("owner", "acquired", "seen", "cfg:")  # of the machine, or of no use to a reader


class Make(setting.Case):
    def event(self, n, window, drifted):
        score = (n * 37 % 100) / 100 * (0.3 if drifted else 1)
        return {"ts": setting.START + window * setting.WINDOW + n * 60, "id": f"event-{window}-{n}", "model": setting.MODEL,
                "score": round(score, 4), "decision": "block" if n % (2 if drifted else 5) == 0 else "pass"}

    def traffic(self):
        """(partition, event), duplicates and a late one included."""
        for w in range(WINDOWS):
            for n in range(EACH if w < WINDOWS - 1 else 60):
                e = self.event(n, w, w >= 2)
                yield n % 2, e
                if n % 25 == 0:
                    yield n % 2, e
            if w == 4:
                yield 0, self.event(0, 0, False) | {"id": "late"}

    def runTest(self):
        self.prepare(2, state={"idle_after": "10m", "retain": "24h"})
        with open(self.hook.secret_file, "w") as f:
            f.write(SECRET + "\n")
        self.config["streams"]["events"].update({"id": "id", "decision": "decision"})
        self.config["models"][setting.MODEL].update({
            "deduplicate": {"by": "event_id"}, "window": {"size": "10s", "lateness": "2s", "min_events": 50}})
        driftd = self.driftd("only")
        calm = os.path.join(self.dir, "calm.ndjson")
        with open(calm, "w") as f:
            for w in range(-20, 0):
                f.writelines(json.dumps(self.event(n, w, False)) + "\n" for n in range(EACH))
        driftd.command("baseline", "build", "-c", driftd.path, "--model", setting.MODEL, "--file", calm, "--id", "calm", "--promote")
        rows = list(self.traffic())
        self.brokers.produce(self.topic, [(None, json.dumps(e).encode(), p) for p, e in rows])
        process = self.run_(driftd)
        env.wait_for(lambda: self.offsets(2) == len(rows) and len(self.judged()) == WINDOWS - 1, "all that can be judged is", 60)
        self.assertEqual(process.stop(), 0)
        self.save(rows)

    def expect(self, rows):
        seen, n = set(), collections.Counter()
        wm = [0, 0]
        out = {"late": 0, "duplicate": [0, 0]}
        for p, e in rows:
            w = e["ts"] // setting.WINDOW * setting.WINDOW
            if wm[p] >= w + setting.WINDOW + 2000:
                out["late"] += 1
            elif (p, e["id"]) in seen:
                out["duplicate"][p] += 1
            else:
                seen.add((p, e["id"]))
                n[p, w] += 1
            wm[p] = max(wm[p], e["ts"])
        last = setting.START + (WINDOWS - 1) * setting.WINDOW
        return out | {
            "topic": self.topic, "group": self.group, "model": setting.MODEL, "secret": SECRET, "baseline": "calm",
            "offset": [sum(p == q for q, _ in rows) for p in (0, 1)], "wm": wm, "start": setting.START, "window": setting.WINDOW,
            "lateness": 2000, "n": [[n[p, setting.START + w * setting.WINDOW] for w in range(WINDOWS)] for p in (0, 1)],
            "open": [last], "baseline_n": 20 * EACH,
            "ids": {f"{p}": {str(w): sorted({e["id"] for q, e in rows if q == p and e["ts"] // setting.WINDOW * setting.WINDOW == w})
                             for w in (last,)} for p in (0, 1)}}

    def save(self, rows):
        def shown(raw):
            text = raw.decode("latin-1")
            return text if text.isprintable() and text.isascii() else {"hex": raw.hex()}
        slots = {}
        for key in sorted(k.decode() for k in self.store.command("KEYS", "driftd:*")):
            if key.endswith(":v"):
                continue
            if self.store.command("TYPE", key) == b"string":
                slots[key] = shown(self.store.command("GET", key))
                continue
            fields = sorted((f.decode(), v) for f, v in self.store.hash(key).items())
            slots[key] = {f: shown(v) for f, v in fields if not f.startswith(LEFT_OUT)}
        for name, value in (("redis", slots), ("expect", self.expect(rows))):
            with open(os.path.join(FOLDER, f"{name}.json"), "w") as f:
                json.dump(value, f, indent=1)
                f.write("\n")


if __name__ == "__main__":
    FOLDER = sys.argv[1]
    os.makedirs(FOLDER)
    result = env.unittest.TextTestRunner().run(Make())
    sys.exit(not result.wasSuccessful())
