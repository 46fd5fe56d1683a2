"""tests/integration/test_ingest_recreated.py    Logs that are not what they were: deleted and made again, or with their beginning gone."""
import unittest

import env
import ingest_setting as setting


class Recreated(setting.Case):
    def make_again(self, partitions=2):
        self.brokers.io("delete", self.topic)

        def made():  # the broker deletes in the background
            try:
                return self.brokers.io("topic", self.topic, partitions, "retention.ms=-1") is not None and not self.brokers.consume(self.topic)
            except AssertionError:
                return False
        env.wait_for(made, "the topic is made again")

    def first_life(self):
        self.prepare(2, state={"idle_after": "10m", "flush_interval": "50ms"})
        times = [setting.START + 10 * i for i in range(2000)]
        self.produce(times, 2)
        return times

    def test_wait(self):
        """Nothing of the new log is read, it says why again and again, and a log that has grown past the offset is not taken
        for the old one; then the operator decides, and everything new counts once."""
        times = self.first_life()
        process = self.run_(self.driftd("first"))
        env.wait_for(lambda: self.offsets(2) == 2000, "counted")
        self.assertEqual(process.stop(), 0)
        self.make_again()
        more = [setting.START + 20_000 + 10 * i for i in range(500)]
        self.produce(more, 2)
        instance = self.driftd("second")
        process = self.run_(instance)
        env.wait_for(lambda: process.text().count("the topic was made anew or cut off") >= 2, "it says why it waits, of both partitions")
        env.wait_for(lambda: all(b"anew" in self.slot(p) for p in range(2)), "it is remembered")
        self.assertIn("on_recreated: earliest", instance.get(instance.listen, "/status")[1])
        self.assertEqual(process.stop(), 0)
        self.assertEqual(self.offsets(2), 2000)
        much = [setting.START + 25_000 + 10 * i for i in range(1800)]
        self.produce(much, 2)  # 1,150 in each partition: beyond the 1,000 of the first life
        process = self.run_(self.driftd("third"))
        env.wait_for(lambda: process.text().count("the topic was made anew or cut off") >= 2, "it still waits")
        self.assertEqual(self.offsets(2), 2000)
        self.assertEqual(process.stop(), 0)
        self.config["streams"]["events"]["on_recreated"] = "earliest"
        process = self.driftd("fourth").until_end()
        self.assertEqual(process.text().count("event=topic_recreated"), 2)
        self.assertEqual(self.judged(), setting.by_window(times + more + much))
        self.assertEqual([self.totals(t, 2) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])
        self.assertFalse(any(b"anew" in self.slot(p) for p in range(2)))

    def test_earliest_while_running(self):
        times = self.first_life()
        self.config["streams"]["events"]["on_recreated"] = "earliest"
        instance = self.driftd("only")
        process = self.run_(instance)
        env.wait_for(lambda: self.offsets(2) == 2000, "counted")
        self.make_again()
        old, new = [setting.START + i for i in range(10)], [setting.START + 20_000 + 10 * i for i in range(500)]
        self.produce(new, 2)
        env.wait_for(lambda: self.offsets(2) == 500, "the new log is read", 60)
        self.assertEqual(process.text().count("event=topic_recreated"), 2)
        metrics = instance.get(instance.listen, "/metrics")[1]
        self.assertIn(f'driftd_topic_recreated_total{{topic="{self.topic}"}} 2', metrics)
        self.produce(old, 2)  # the watermark is still the old log's
        env.wait_for(lambda: self.offsets(2) == 510, "read")
        self.assertEqual(process.stop(), 0)
        self.close()
        self.assertEqual(self.totals("late:", 2), 10)
        self.assertEqual(self.judged(), setting.by_window(times + new))
        for p in range(2):
            self.assertEqual(int(self.slot(p)[b"partial"]), new[p])

    @env.long
    def test_beginning_gone(self):
        """Records that Kafka deleted before they were counted: said, and the windows they fell in are partial."""
        times = [setting.START + 10 * i for i in range(6000)]  # six windows
        self.prepare(2, state={"idle_after": "10m", "flush_interval": "50ms"})
        self.produce(times[:1500], 2)
        first = self.driftd("first")
        first.command("baseline", "build", "-c", first.path, "--model", setting.MODEL, "--promote")
        process = self.run_(first)
        env.wait_for(lambda: self.offsets(2) == 1500, "counted")
        self.assertEqual(process.stop(), 0)
        self.produce(times[1500:], 2)
        self.brokers.io("truncate", self.topic, 0, 1750)  # of partition 0, what lies in windows 1 to 3
        log = self.driftd("last").until_end().text()
        self.assertEqual(log.count("event=records_expired"), 1)
        self.assertIn("from_offset=750 to_offset=1750", log)
        lost = times[1500:3500:2]
        self.assertEqual(self.judged(), setting.by_window([t for t in times if t not in set(lost)]))
        kinds = [v["kind"] for _, v in sorted(self.store.verdicts(self.group, setting.MODEL).items())]
        self.assertEqual(kinds[4:], ["ok", "ok"])
        self.assertEqual(kinds[1:4], ["partial"] * 3)


if __name__ == "__main__":
    unittest.main()
