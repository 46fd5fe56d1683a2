"""tests/integration/test_status.py    `driftd status` on real situations: what is behind, idle, unread, waiting, firing."""
import json
import unittest

import env
import phish

SCHEMA_ID = 7


class Status(env.Case):
    """A model in the middle of an incident; another one that waits for a stream whose schema nobody serves."""

    def prepare(self):
        self.brokers = env.brokers()
        self.topic, self.plain, self.avro = (self.brokers.topic("phish"), self.brokers.topic("plain", 1), self.brokers.topic("avro", 1))
        self.store, self.hook = self.redis(), self.receiver()
        c = phish.config(self.brokers.brokers, self.store.port, self.hook, self.topic)
        shape = {"time": "ts", "model": "model", "score": "score"}
        c["streams"]["plain"] = {"topic": self.plain, "format": "json", **shape}
        c["streams"]["coded"] = {"topic": self.avro, "format": "avro", **shape}
        c["registry"] = {"url": f"http://127.0.0.1:{env.free_ports()}"}
        c["models"][phish.MODEL]["streams"] = ["events"]
        c["models"]["waiting"] = {"owner": "soc", "streams": ["plain", "coded"], "window": {"size": "10s", "lateness": "2s"}}
        self.config = c
        self.driftd = env.Driftd(self.dir, c)
        phish.baseline(self.dir, self.driftd)

    def fill(self):
        """Events up to the first alert that fires, so that it fires at the end of the log."""
        raw = phish.lines(self.dir)
        end = json.loads(raw[0])["ts"] + 135_000
        self.raw = [line for line in raw if json.loads(line)["ts"] < end]
        self.brokers.produce(self.topic, phish.records(self.raw))
        first = json.loads(self.raw[0])["ts"]
        self.plain_times = [first + 1000 * i for i in range(25)]
        self.brokers.produce(self.plain, [(None, json.dumps({"ts": t, "model": "waiting", "score": 0.5}).encode()) for t in self.plain_times])
        self.brokers.produce(self.avro, [(None, b"\0" + SCHEMA_ID.to_bytes(4, "big") + b"\x02")])

    def status(self, *args):
        return json.loads(self.driftd.command("status", "-c", self.driftd.path, "--json", *args).stdout)

    def part(self, status, topic, number=0):
        return next(p for p in status["partitions"] if (p["topic"], p["partition"]) == (topic, number))

    def model(self, status, name):
        return next(m for m in status["models"] if m["model"] == name)

    def firing(self):
        rules = json.loads(self.store.hash(f"driftd:{{m/phish/{phish.MODEL}}}").get(b"alerts", b'{"rules": {}}'))["rules"]
        return {name: r["severity"] for name, r in rules.items() if r["phase"] == "firing"}

    def settled(self):
        s = self.status("--no-kafka")
        waits = self.part(s, self.avro)["waits"] if len(s["partitions"]) == 6 else None
        return (self.firing() and not self.model(s, phish.MODEL)["open"] and self.model(s, "waiting")["open"] and waits and "schema" in waits)

    def that_waits(self, s):
        return s if f"schema {SCHEMA_ID}" in (self.part(s, self.avro)["waits"] or "") else None

    def check_running(self):
        """With driftd at work: owners, the schema that is not to be had, the judge's words."""
        s = env.wait_for(lambda: self.that_waits(self.status()), "the partition between two attempts")
        owner = self.part(s, self.plain)["owner"]
        self.assertTrue(owner)
        self.assertEqual(s["instances"][0]["instance"], owner)
        self.assertEqual(s["instances"][0]["partitions"], 6)
        self.assertEqual((s["kafka"]["state"], s["kafka"]["members"]), ("Stable", 1))
        self.assertTrue(s["here"]["answers"])
        avro = self.part(s, self.avro)
        self.assertEqual((avro["watermark"], avro["offset"], avro["high"], avro["lag"]), (None, 0, 1, 1))
        page = json.loads(self.driftd.get(self.config["http"]["listen"], "/status")[1])
        said = {m["model"]: m["waits"] for m in page["models"]}
        waiting = self.model(s, "waiting")
        self.assertEqual(waiting["waits"], said["waiting"])
        self.assertRegex(waiting["waits"], rf"^waits for {self.avro}/0, of which nothing has been read yet, needs 2026-")
        self.assertEqual((waiting["open"], waiting["judged_until"]), (len(phish.by_window(self.lines_of_plain())), None))
        self.assertEqual({p["lag"] for p in page["partitions"] if p["topic"] == self.plain}, {0})

    def lines_of_plain(self):
        return [json.dumps({"ts": t}) for t in self.plain_times]

    def check_stopped(self):
        """Nobody runs: the lag of what has come since, the same wait, idle partitions, the alert."""
        s = self.status()
        plain, first = self.part(s, self.plain), self.part(s, self.topic)
        self.assertEqual((plain["offset"], plain["high"], plain["lag"]), (25, 32, 7))
        self.assertFalse(plain["idle"])
        self.assertTrue(first["idle"])
        self.assertEqual(first["lag"], 0)
        self.assertFalse(s["here"]["answers"])
        self.assertEqual(s["kafka"]["members"], 0)
        self.assertIn(f"schema {SCHEMA_ID}", self.part(s, self.avro)["waits"] or f"schema {SCHEMA_ID}", "not if it was about to try again")
        self.assertIn("nothing has been read", self.model(s, "waiting")["waits"])
        m = self.model(s, phish.MODEL)
        self.assertEqual({a["rule"]: a["severity"] for a in m["alerts"]}, self.firing())
        self.assertEqual((m["open"], m["waits"], m["status"]), (0, None, "degraded"))
        self.assertEqual(m["plan"][-1]["partitions"], 4)
        self.assertEqual(sum(p["offset"] for p in s["partitions"] if p["topic"] == self.topic), len(self.raw))

    def check_without_kafka(self):
        s = self.status("--no-kafka")
        self.assertEqual({p["lag"] for p in s["partitions"]}, {None})
        self.assertFalse(s["kafka"]["asked"])
        self.config["kafka"]["brokers"] = f"127.0.0.1:{env.free_ports()}"
        away = env.Driftd(self.dir, self.config).command("status", "-c", self.driftd.path)
        self.assertRegex(away.stdout, r"kafka    unknown: no broker answers at 127\.0\.0\.1:\d+")
        self.assertRegex(away.stdout, rf"{self.plain}/0 +25 +\? ")
        self.assertRegex(away.stdout, r"ALERT \S+: (warning|critical), since 2026-")
        self.assertIn(f"waits for {self.avro}/0, of which nothing has been read yet", away.stdout)
        self.store.stop()
        self.assertEqual(self.driftd.command("status", "-c", self.driftd.path, check=False).returncode, 69)

    def test_what_is_waited_for(self):
        self.prepare()
        self.fill()
        before = self.status()
        self.assertEqual([m["started"] for m in before["models"]], [False, False])
        process = self.driftd.start()
        self.addCleanup(process.kill)
        env.wait_for(self.settled, "the incident's last window is judged, the other model waits", 60)
        self.check_running()
        self.assertEqual(process.stop(), 0)
        more = [(None, json.dumps({"ts": self.plain_times[-1], "model": "waiting", "score": 0.5}).encode())] * 7
        self.brokers.produce(self.plain, more)
        self.check_stopped()
        self.check_without_kafka()


if __name__ == "__main__":
    unittest.main()
