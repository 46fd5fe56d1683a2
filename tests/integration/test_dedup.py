"""tests/integration/test_dedup.py    An event counts once by its id: the NSL-KDD replay, kill -9 in the middle, and what is refused."""
import threading

import env
import ingest_setting as setting
import nids
import test_nslkdd

UNIQUE, LINES = 39_736, 39_841
ON = {"deduplicate": {"by": "event_id", "within": "window"}}


class Totals:
    """Sums over the slots of a topic."""

    def slots(self, redis, group, topic, partitions):
        return [redis.hash(f"driftd:{{p/{group}/{topic}/{p}}}") for p in range(partitions)]

    def total(self, slots, prefix, suffix=""):
        return sum(int(v) for slot in slots for k, v in slot.items()
                   if k.decode().startswith(prefix) and k.decode().endswith(suffix))

    def fields(self, slots, prefix):
        return [k for slot in slots for k in slot if k.decode().startswith(prefix)]


class Replay(env.Case, Totals):
    def check(self, run, verdicts, wanted):
        cells = nids.recount(run.columns, wanted)
        self.assertEqual(sorted(verdicts), sorted(cells))
        for start, body in verdicts.items():
            for name, expected in cells[start].items():
                self.assertEqual(body["columns"][name]["cells"], expected, (start, name))
        self.assertEqual(sum(b["n"] for b in verdicts.values()), UNIQUE)

    def test_every_event_once(self):
        run = test_nslkdd.Replayed(self, "nids-once", model=ON)
        unique = [run.replay.events[i] for i in run.replay.unique]
        self.assertEqual((len(run.events), len(unique)), (LINES, UNIQUE))
        self.check(run, run.verdicts, unique)
        slots = self.slots(run.redis, run.group, run.topic, 4)
        self.assertEqual(self.total(slots, "other:", ":duplicate"), LINES - UNIQUE)
        self.assertEqual(self.total(slots, "other:"), LINES - UNIQUE, "refused for no other reason")
        self.assertEqual(self.total(slots, "late:"), 0)
        self.assertEqual(self.fields(slots, "d:"), [], "closed windows keep no ids")

    def test_every_event_once_through_kill(self):
        """A producer that sends the last records again after each death, as one that saw no reply would."""
        whole = test_nslkdd.Replayed(self, "nids-once-kill", model=ON)
        replay, brokers = whole.replay, env.brokers()
        self.folder()
        redis, receiver = self.redis(), self.receiver(secret=whole.receiver.secret)
        topic, labels, group = brokers.topic("nids-events"), brokers.topic("nids-labels", 2), "nids-once-kill"
        config = nids.config(brokers.brokers, redis.port, receiver, topic, labels, group)
        config["models"][nids.MODEL].update(ON)
        config["state"]["flush_interval"] = "50ms"
        config["kafka"]["options"] = {"group.instance.id": "kill-test"}
        driftd = env.Driftd(self.dir, config)
        test_nslkdd.baseline(self, driftd, replay)
        brokers.produce(labels, replay.label_records())

        def consumed():
            return sum(redis.offset(group, topic, p) for p in range(4))

        records, again, deaths, chunks = replay.event_records(), 0, 0, 0
        for part in range(3):
            process = driftd.start()
            first, last = part * len(records) // 3, (part + 1) * len(records) // 3
            back = min(first, 2000)
            again += back
            producer = threading.Thread(target=brokers.produce, args=(topic, records[first - back:last]))
            before = consumed()
            producer.start()
            env.wait_for(lambda b=before: consumed() > b, "driftd counts some of the new records")
            self.assertTrue(process.alive(), process.text()[-2000:])
            process.kill()
            deaths += process.child.returncode == -9
            chunks = max(chunks, len(self.fields(self.slots(redis, group, topic, 4), "d:")))
            producer.join(60)
        self.assertEqual(deaths, 3)
        self.assertGreater(chunks, 0, "ids were in the slots when it died")
        driftd.until_end()
        verdicts = redis.verdicts(group, nids.MODEL)
        self.check(whole, verdicts, [replay.events[i] for i in replay.unique])
        slots = self.slots(redis, group, topic, 4)
        self.assertEqual(self.total(slots, "other:", ":duplicate"), LINES + again - UNIQUE)
        self.assertEqual(self.total(slots, "other:") + self.total(slots, "late:"), LINES + again - UNIQUE)
        self.assertEqual(set(receiver.accepted()), set(whole.receiver.accepted()))


class Refusals(setting.Case):
    def test_no_id_duplicates_and_a_full_set(self):
        """One record feeds both chains; each knows its own ids.  What cannot be known is refused, said and shown."""
        self.prepare(1, lateness="1h")
        quarantine = self.brokers.topic("quarantine", 1)
        self.config["kafka"]["quarantine_topic"] = quarantine
        self.config["streams"]["events"].update({"id": "id", "label": "label"})
        self.config["models"][setting.MODEL]["deduplicate"] = {"by": "event_id", "max_ids": 1000}
        at = setting.START
        records = [setting.record(at, id=f"e{i}", label="1") for i in range(900)]       # both chains
        records += [setting.record(at, id=f"e{i}", label="1") for i in range(0, 900, 3)]  # 300 duplicates in each
        records += [setting.record(at + 10_000, id="e1", label="1")]                      # another window: counts
        records += [setting.record(at + 10_000, label="1"), setting.record(at + 10_000, id="", label="1"),
                    setting.record(at + 10_000, id=None, label="1")]                      # no id
        records += [setting.record(at + 20_000, id=f"f{i}") for i in range(150)]          # 99 fit, inputs only
        records += [setting.record(at + 20_000, id=f"f{i}") for i in range(99)]           # still known as duplicates
        self.brokers.produce(self.topic, [(None, r, 0) for r in records])
        driftd = self.driftd("only")
        process = self.run_(driftd)
        env.wait_for(lambda: self.offsets(1) == len(records), "it reads everything")
        def metrics():
            return driftd.get(driftd.listen, "/metrics")[1]

        env.wait_for(lambda: 'driftd_deduplicate_ids{model="m",chain="input"} 1000\n' in metrics(), "ids are shown")
        page = metrics()
        self.assertIn('driftd_deduplicate_ids{model="m",chain="label"} 901\n', page)
        self.assertIn('driftd_deduplicate_fill_ratio{model="m",chain="input"} 1\n', page)
        for reason, n in (("duplicate", 699), ("dedup_full", 51), ("no_id", 3)):
            self.assertIn(f'driftd_events_refused_total{{topic="{self.topic}",reason="{reason}"}} {n}\n', page)
        self.assertEqual(process.text().count("event=dedup_full"), 1, process.text()[-2000:])
        self.assertEqual(process.stop(), 0)
        slot = {k.decode(): v for k, v in self.slot(0).items()}
        self.assertEqual(int(slot["other:m:i:duplicate"]), 399)
        self.assertEqual(int(slot["other:m:l:duplicate"]), 300)
        self.assertEqual(int(slot["other:m:i:dedup_full"]), 51)
        self.assertNotIn("other:m:l:dedup_full", slot)
        self.assertEqual(int(slot["other:-:no_id"]), 3)
        self.assertEqual([r["headers"]["driftd-reason"] for r in self.brokers.consume(quarantine)], [b"no_id"] * 3)
        self.close()
        self.assertEqual(self.judged(), {at: 900, at + 10_000: 1, at + 20_000: 99})
        self.assertEqual(self.judged(chain="label"), {at: 900, at + 10_000: 1})
