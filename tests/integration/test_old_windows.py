"""tests/integration/test_old_windows.py    After a long outage: old windows are judged as ever, but nobody is paged for them."""
import json
import unittest

import env
import phish

STEPS = [{"do": "ticket", "endpoint": "soc"}, {"do": "page", "endpoint": "soc"}, {"do": "notify", "endpoint": "soc"},
         {"do": "disable_automation", "endpoint": "soc", "mode": "live"}, {"do": "rollback", "endpoint": "soc", "mode": "live"}]


class OldWindows(env.Case):
    def test_expired_and_summarised(self):
        """Events of months ago: verdicts and entries are written, one notice goes out, and a restart says nothing new."""
        store, hook = self.redis(), self.receiver()
        topic, group = env.brokers().topic("phish-old", 2), f"old-{env.secrets.token_hex(4)}"
        config = phish.config(env.brokers().brokers, store.port, hook, topic, group)
        config["state"].update({"max_action_age": "1h", "idle_after": "500ms", "flush_interval": "50ms"})
        config["models"][phish.MODEL]["window"]["early"] = {"every": "1s"}
        config["playbooks"]["all"]["steps"] = STEPS
        driftd = env.Driftd(self.dir, config)
        phish.baseline(self.dir, driftd)
        raw = phish.lines(self.dir)
        env.brokers().produce(topic, phish.records(raw))
        process = driftd.start()
        self.addCleanup(process.kill)
        key = f"driftd:{{m/{group}/{phish.MODEL}}}"

        def states():
            fields = store.hash(f"{key}:out")
            return {k[2:]: json.loads(v).get("done") for k, v in fields.items() if k.startswith(b"s:")}, \
                [k for k in fields if k.startswith(b"e:")]

        windows = phish.by_window(raw)
        env.wait_for(lambda: phish.judged(store, group) == windows, "all windows are judged", 60)
        env.wait_for(lambda: len(states()[1]) > 4 and len(states()[0]) == len(states()[1]), "every action is settled", 40)
        verdicts = store.verdicts(group, phish.MODEL)
        named = {i for v in verdicts.values() for i in v["actions"]}
        self.assertGreater(len(named), 4, "something fired")
        done, entries = states()
        self.assertEqual(set(done.values()), {"expired"})
        self.assertTrue({b"e:" + i.encode() for i in named} <= set(entries))
        self.assertIn("event=actions_expired", process.text())
        delivered = [d["event"] for d in hook.deliveries]
        self.assertEqual([e["type"] for e in delivered], ["io.driftd.actions.expired"])
        self.assertEqual(delivered[0]["data"]["n"], len(entries))
        self.assertEqual(process.stop(), 0)

        n = len(delivered)
        again = driftd.start()
        self.addCleanup(again.kill)
        listen = config["http"]["listen"]
        env.wait_for(lambda: driftd.get(listen, "/readyz")[0] == 200, "ready again", 40)
        env.wait_for(lambda: 'driftd_outbox_entries{endpoint="soc"} 0' in driftd.get(listen, "/metrics")[1], "the outbox was looked at", 20)
        self.assertEqual(again.stop(), 0)
        self.assertEqual(len(hook.deliveries), n)


if __name__ == "__main__":
    unittest.main()
