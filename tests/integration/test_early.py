"""tests/integration/test_early.py    Preliminary verdicts: seen while the window is open, told once, and of no influence on the final ones."""
import json
import unittest

import env
import phish

STEPS = [{"do": "ticket", "endpoint": "soc"}, {"do": "notify", "endpoint": "soc"},
         {"do": "disable_automation", "endpoint": "soc", "mode": "live"}, {"do": "rollback", "endpoint": "soc"}]


class Early(env.Case):
    def test_final_verdicts_are_the_same(self):
        """The same feed with a judge that looks early and with none: bodies, action ids and what was delivered."""
        raw = [json.loads(line) for line in phish.lines(self.dir)]
        first = min(e["ts"] for e in raw) // phish.WINDOW * phish.WINDOW
        for e in raw:  # the first window is calm, the second far from it from its first event on
            e["window"] = (e["ts"] - first) // phish.WINDOW
            if e["window"] == 1:
                e["score"] = .97
        windows = [[e for e in raw if e["window"] == k] for k in range(3)]
        store, hook = self.redis(), self.receiver()
        topic = env.brokers().topic("phish-early", 1)
        config = phish.config(env.brokers().brokers, store.port, hook, topic, "early")
        config["state"].update({"flush_interval": "50ms", "idle_after": "10m", "judge_patience": "200ms", "plan_ttl": "1s"})
        config["models"][phish.MODEL]["window"]["early"] = {"every": "1s"}
        config["playbooks"]["all"]["steps"] = STEPS
        driftd = env.Driftd(self.dir, config)
        phish.baseline(self.dir, driftd)
        process = driftd.start()
        self.addCleanup(process.kill)

        def send(events):
            env.brokers().produce(topic, [(None, json.dumps(e).encode(), 0) for e in events])

        def early():
            return store.hash(f"driftd:{{m/early/{phish.MODEL}}}:early")

        send(windows[0] + windows[1][:len(windows[1]) // 2])
        env.wait_for(lambda: any(d["event"]["type"] == "io.driftd.alert.preliminary" for d in hook.deliveries), "a preliminary notice", 40)
        body = json.loads(early()[b"body"])
        self.assertTrue(body["preliminary"])
        status = driftd.get(config["http"]["listen"], "/status")[1]
        self.assertIn("events so far", status)
        self.assertIn("preliminary", driftd.command("status", "-c", driftd.path).stdout)
        self.assertIn("driftd_early_verdicts_total", driftd.get(config["http"]["listen"], "/metrics")[1])
        send(windows[1][len(windows[1]) // 2:])
        n = body["n"]
        env.wait_for(lambda: json.loads(early()[b"body"])["n"] != n, "looked at again, with more events", 40)
        send(windows[2])
        env.wait_for(lambda: len(store.verdicts("early", phish.MODEL)) >= 2, "the final verdicts", 40)
        self.assertEqual(process.stop(), 0)
        driftd.until_end()
        verdicts = store.hash(f"driftd:{{m/early/{phish.MODEL}}}:v")
        told = [d["event"] for d in hook.deliveries if d["event"]["type"] == "io.driftd.alert.preliminary"]
        final = {i: b for i, b in hook.accepted().items() if json.loads(b)["type"] != "io.driftd.alert.preliminary"}
        self.assertEqual({e["data"]["step"] for e in told}, {"notify"})
        self.assertTrue(all(e["data"]["preliminary"] and "preliminary" in e["data"]["summary"] for e in told))
        once = [(e["data"]["rule"]["name"], e["data"]["window"]["start"]) for e in told]
        self.assertEqual(len(once), len(set(once)), "one a rule and window")
        self.assertIn("disable_automation", {json.loads(b)["data"]["step"] for b in final.values()})

        # the same again, from the beginning, by one that never looks at an open window: it goes straight to the end
        hook.deliveries.clear()
        for key in store.command("KEYS", f"driftd:{{m/early/*"):
            keep = {k: v for k, v in store.hash(key).items() if k.startswith((b"plan:", b"cfg:", b"fmt"))}
            store.command("DEL", key)
            if keep:
                store.command("HSET", key, "head", "0" * 32, *(x for pair in keep.items() for x in pair))
        for key in store.command("KEYS", "driftd:{p/early/*"):
            store.command("DEL", key)
        driftd.until_end()
        self.assertEqual(early(), {})
        self.assertEqual(store.hash(f"driftd:{{m/early/{phish.MODEL}}}:v"), verdicts)
        self.assertEqual(hook.accepted(), final)


if __name__ == "__main__":
    unittest.main()
