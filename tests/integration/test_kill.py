"""tests/integration/test_kill.py    kill -9 in the middle of the replay: the same counts, the same webhooks."""
import threading

import env
import nids
import test_nslkdd


GROUP = "nids-kill"  # of its own: a static member stays in the group until its session is over


class Kill(env.Case):
    def consumed(self, redis, topic):
        return sum(redis.offset(GROUP, topic, p) for p in range(4))

    def test_counts_and_webhooks_survive(self):
        whole = test_nslkdd.Replayed(self, GROUP)
        self.assertGreater(len(whole.receiver.accepted()), 3)

        replay, brokers = whole.replay, env.brokers()
        self.folder()
        redis, receiver = self.redis(), self.receiver(secret=whole.receiver.secret)
        topic, labels = brokers.topic("nids-events"), brokers.topic("nids-labels", 2)
        config = nids.config(brokers.brokers, redis.port, receiver, topic, labels, GROUP)
        config["state"]["flush_interval"] = "100ms"
        # a static member is back at once; another one waits until the dead one's session is over
        config["kafka"]["options"] = {"group.instance.id": "kill-test"}
        driftd = env.Driftd(self.dir, config)
        test_nslkdd.baseline(self, driftd, replay)
        brokers.produce(labels, replay.label_records())

        records, deaths = replay.event_records(), 0
        for part in range(4):
            process = driftd.start()
            piece = records[part * len(records) // 4:(part + 1) * len(records) // 4]
            producer = threading.Thread(target=brokers.produce, args=(topic, piece))
            before = self.consumed(redis, topic)
            producer.start()
            env.wait_for(lambda b=before: self.consumed(redis, topic) > b, "driftd counts some of the new records")
            self.assertTrue(process.alive(), process.text()[-2000:])
            process.kill()
            deaths += process.child.returncode == -9
            producer.join(60)
        self.assertEqual(deaths, 4)
        self.assertLess(self.consumed(redis, topic), len(records), "the last kill was in the middle, too")
        driftd.until_end()

        # the plan, the baseline and the configuration's text differ in addresses only: numbers must not
        verdicts = redis.verdicts(GROUP, nids.MODEL)
        self.assertEqual(sorted(verdicts), sorted(whole.verdicts))
        for start, body in verdicts.items():
            for name, column in whole.verdicts[start]["columns"].items():
                self.assertEqual(body["columns"][name]["cells"], column["cells"], (start, name))
        labels_now = redis.verdicts(GROUP, nids.MODEL, "label")
        self.assertEqual({s: b["columns"]["label"]["cells"] for s, b in labels_now.items()},
                         {s: b["columns"]["label"]["cells"] for s, b in whole.label_verdicts.items()})
        self.assertEqual(set(receiver.accepted()), set(whole.receiver.accepted()))
        bodies = {}
        for d in receiver.deliveries:
            self.assertTrue(d["verified"])
            self.assertEqual(bodies.setdefault(d["id"], d["body"]), d["body"], "every delivery of an id has the same bytes")
