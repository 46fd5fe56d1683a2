"""tests/integration/test_bad_days.py    Servers away, records broken, configurations wrong: nothing lost, nothing twice."""
import collections
import http.server
import json
import threading
import time

import env
import nids
import phish


class Setting(env.Case):
    """A topic, a private Redis, a receiver, a promoted baseline."""

    def prepare(self, brokers=None, raw=None, **more):
        self.brokers = brokers or env.brokers()
        self.raw = phish.lines(self.dir) if raw is None else raw
        self.topic = self.brokers.topic("phish")
        self.store, self.hook = self.redis(), self.receiver()
        self.config = phish.config(self.brokers.brokers, self.store.port, self.hook, self.topic, **more)
        self.driftd = env.Driftd(self.dir, self.config)
        phish.baseline(self.dir, self.driftd)

    def configure(self, **state):
        self.config["state"].update(state)
        self.driftd = env.Driftd(self.dir, self.config)

    def offsets(self):
        return sum(self.store.offset("phish", self.topic, p) for p in range(4))

    def run_(self, *args):
        process = self.driftd.start(*args)
        self.addCleanup(process.kill)
        return process

    def ready(self):
        return self.driftd.get(self.config["http"]["listen"], "/readyz")[0] == 200

    def check_all_judged(self, raw=None):
        self.assertEqual(phish.judged(self.store), phish.by_window(self.raw if raw is None else raw))


class Records(Setting):
    def test_malformed_records_go_to_quarantine(self):
        quarantine = env.brokers().topic("quarantine", 1)
        self.prepare()
        self.config["kafka"]["quarantine_topic"] = quarantine
        self.driftd = env.Driftd(self.dir, self.config)
        good = json.loads(self.raw[1000])
        spoilt = {
            "malformed": [b"{", b"[1,2]", b"\xff\xfe\x00", self.raw[0][:-20]],
            "empty": [b""],
            "tombstone": [None],
            "no_time": [json.dumps({k: v for k, v in good.items() if k != "ts"}).encode()],
            "bad_time": [json.dumps({**good, "ts": "soon"}).encode()],
            "no_model": [json.dumps({k: v for k, v in good.items() if k != "model"}).encode()],
            "unknown_model": [json.dumps({**good, "model": "nobody"}).encode()],
            "future": [json.dumps({**good, "ts": good["ts"] + 10 ** 12}).encode()],
        }
        records = phish.records(self.raw)
        for i, (reason, values) in enumerate(spoilt.items()):
            for k, v in enumerate(values):
                records.insert(500 + 97 * i + 31 * k, (b"bad", v))
        self.brokers.produce(self.topic, records)
        self.driftd.until_end()
        self.check_all_judged()
        kept = self.brokers.consume(quarantine)
        reasons = collections.Counter(next((v.decode() for k, v in r["headers"].items() if "reason" in k), "?") for r in kept)
        wanted = {reason: len(values) for reason, values in spoilt.items()}
        self.assertEqual(dict(reasons), wanted)
        originals = {v for values in spoilt.values() for v in values}
        for r in kept:
            self.assertIn(r["value"] or None, {v or None for v in originals})
            self.assertTrue(any("topic" in k for k in r["headers"]), r["headers"])
            self.assertTrue(any("offset" in k for k in r["headers"]), r["headers"])

    def test_bad_configuration_names_every_error_and_starts_nothing(self):
        self.prepare(raw=[])
        bad = json.loads(json.dumps(self.config))
        bad["kafka"]["brokerz"] = bad["kafka"].pop("brokers")
        bad["models"][phish.MODEL]["window"]["size"] = "ten seconds"
        bad["models"][phish.MODEL]["owner"] = "nobody"
        bad["endpoints"]["soc"]["url"] = "not a url"
        driftd = env.Driftd(self.dir, bad)
        for command in (["check", "-c", driftd.path], ["run", "-c", driftd.path]):
            done = driftd.command(*command, check=False, seconds=10)
            self.assertEqual(done.returncode, 78, done.stderr)
            for wanted in ("brokerz", "did you mean", "size", "nobody", "url"):
                self.assertIn(wanted, done.stderr + done.stdout)
            self.assertRegex(done.stderr + done.stdout, r"driftd\.yaml:\d+:\d+: ")
        self.assertEqual(self.store.command("KEYS", "driftd:{p/*"), [])


class Away(Setting):
    def test_redis_away_at_the_start_and_later(self):
        self.prepare()
        half = len(self.raw) // 2
        self.store.stop()
        process = self.run_()
        self.brokers.produce(self.topic, phish.records(self.raw[:half]))
        env.wait_for(lambda: "redis" in process.text().lower(), "a log line about Redis")
        self.assertFalse(self.ready())
        self.store.start()
        env.wait_for(lambda: self.offsets() > 0, "driftd counts when Redis is there")
        self.store.stop()
        self.brokers.produce(self.topic, phish.records(self.raw[half:]))
        env.wait_for(lambda: not self.ready(), "not ready without Redis")
        self.assertTrue(process.alive(), process.text()[-2000:])
        self.store.start()
        env.wait_for(lambda: self.offsets() == len(self.raw), "everything is counted")
        self.assertEqual(process.stop(), 0)
        self.driftd.until_end()
        self.check_all_judged()

    def test_broker_away_at_the_start_and_later(self):
        if env.os.environ.get("DRIFTD_TEST_BROKERS"):
            self.skipTest("stops a broker; DRIFTD_TEST_BROKERS is somebody else's")
        kafka = env.Kafka(self.dir)
        self.addCleanup(kafka.kill)
        self.prepare(env.Brokers(kafka.brokers, kafka))
        self.configure(idle_after="1m")
        half = len(self.raw) // 2
        self.brokers.produce(self.topic, phish.records(self.raw[:half]))
        kafka.stop()
        process = self.run_()
        listen = self.config["http"]["listen"]
        env.wait_for(lambda: self.driftd.get(listen, "/livez")[0] == 200, "alive without a broker")
        self.assertFalse(self.ready())
        kafka.start()
        env.wait_for(lambda: self.offsets() == half, "the first half is counted", 60)
        kafka.stop()
        env.wait_for(lambda: not self.ready(), "not ready without a broker")
        kafka.start()
        self.brokers.produce(self.topic, phish.records(self.raw[half:]))
        env.wait_for(lambda: self.offsets() == len(self.raw), "everything is counted", 60)
        self.assertEqual(process.stop(), 0)
        self.driftd.until_end()
        self.check_all_judged()

    def test_an_outage_is_not_silence(self):
        """Brokers away for longer than idle_after: who writes first when they are back does not make the others late."""
        if env.os.environ.get("DRIFTD_TEST_BROKERS"):
            self.skipTest("stops a broker; DRIFTD_TEST_BROKERS is somebody else's")
        kafka = env.Kafka(self.dir)
        self.addCleanup(kafka.kill)
        self.prepare(env.Brokers(kafka.brokers, kafka))
        self.configure(idle_after="4s")
        half = len(self.raw) // 2
        process = self.run_()
        env.wait_for(self.ready, "it runs")
        self.brokers.produce(self.topic, phish.records(self.raw[:half]))
        env.wait_for(lambda: self.offsets() == half, "the first half is counted")
        kafka.stop()
        away = time.monotonic()
        env.wait_for(lambda: time.monotonic() - away > 6, "longer than idle_after")
        self.assertFalse(self.ready())
        kafka.start()
        env.wait_for(self.ready, "it reads again")
        self.brokers.produce(self.topic, phish.records(self.raw[half:]))
        env.wait_for(lambda: self.offsets() == len(self.raw), "everything is counted", 60)
        self.assertEqual(process.stop(), 0)
        self.driftd.until_end()
        self.check_all_judged()

    def test_webhook_receiver_down_over_a_restart(self):
        self.prepare()
        self.hook.stop()
        self.brokers.produce(self.topic, phish.records(self.raw))
        process = self.run_()
        env.wait_for(lambda: len(phish.judged(self.store)) > 25, "windows are judged")
        self.assertEqual(process.stop(), 0)
        self.assertEqual(self.hook.deliveries, [])
        self.hook.answer = lambda n: 503 if n % 2 == 0 else 200
        self.hook.start()
        self.driftd.until_end()
        self.check_all_judged()
        wanted = {a for v in self.store.verdicts("phish", phish.MODEL).values() for a in v["actions"]}
        self.assertGreater(len(wanted), 3)
        shadow = {d["id"] for d in self.hook.deliveries}
        self.assertEqual(set(self.hook.accepted()), shadow & wanted | set(self.hook.accepted()) - wanted)
        self.assertEqual(wanted - set(self.hook.accepted()), set(), "every action arrives in the end")
        bodies = {}
        for d in self.hook.deliveries:
            self.assertTrue(d["verified"])
            self.assertEqual(bodies.setdefault(d["id"], d["body"]), d["body"])

    def test_model_without_baseline_leaves_the_others_alone(self):
        self.prepare()
        self.config["models"]["other"] = {**self.config["models"][phish.MODEL], "status_endpoint": "soc"}
        driftd = self.driftd = env.Driftd(self.dir, self.config)
        other = [json.dumps({**json.loads(line), "model": "other"}).encode() for line in self.raw]
        self.brokers.produce(self.topic, [r for pair in zip(phish.records(self.raw), phish.records(other)) for r in pair])
        driftd.until_end()
        self.check_all_judged()
        verdicts = self.store.verdicts("phish", "other")
        self.assertEqual({v["kind"] for v in verdicts.values()}, {"unmonitored"})
        self.assertEqual(sum(v["n"] for v in verdicts.values()), len(other))
        told = [d["event"] for d in self.hook.deliveries if "unmonitored" in json.dumps(d["event"])]
        self.assertTrue(told, "the webhook about an unmonitored model")


class RegistryAway(env.Case):
    """The stream of an unknown schema waits while the registry is away, and nothing is lost."""

    def test_stream_waits_for_the_registry(self):
        replay = nids.replay()
        events = [replay.events[i] for i in replay.unique[:4000]]
        schema, port = nids.avro_schema(events[0]), env.free_ports()
        brokers = env.brokers()
        topic, labels = brokers.topic("nids-avro"), brokers.topic("nids-labels", 1)
        brokers.produce(topic, nids.avro_records(schema, 7, events))
        redis, receiver = self.redis(), self.receiver()
        config = nids.config(brokers.brokers, redis.port, receiver, topic, labels, avro=f"http://127.0.0.1:{port}/base")
        driftd = env.Driftd(self.dir, config)
        process = driftd.start()
        self.addCleanup(process.kill)
        env.wait_for(lambda: "registry" in process.text().lower(), "a log line about the registry")
        self.assertEqual(sum(redis.offset("nids", topic, p) for p in range(4)), 0)
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                known = self.path == "/base/schemas/ids/7"
                body = json.dumps({"schema": json.dumps(schema)} if known else {"error_code": 40403, "message": "no"}).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        env.wait_for(lambda: sum(redis.offset("nids", topic, p) for p in range(4)) == len(events), "everything is counted", 60)
        self.assertLess(len(asked), 20, "the schema is cached")
        self.assertEqual(process.stop(), 0)
        driftd.until_end()
        verdicts = redis.verdicts("nids", nids.MODEL)
        self.assertEqual(sum(v["n"] for v in verdicts.values()), len(events))
