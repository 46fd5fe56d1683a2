#!/usr/bin/python3
"""tests/bench/flush.py    What a flush costs, with 1, 10 and 100 models of 50 features; one JSON line a figure.

    EVENTS=1000000 RUNS=3 tests/bench/flush.py

A backlog is counted with a flush every 20 ms and partition, RUNS times; medians.  _us: what the ingest thread needs for a
flush, encoding and the answer of Redis included.  _share: that, of its time, at the default of one flush a second and
partition, of 4 partitions; so its share of CPU is less.  Every window that is open is dirty in each flush, and baselines
are there, so each model has its cells: as under live traffic.
"""
import os
import statistics
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import throughput as base  # noqa: E402
import env  # noqa: E402

EVENTS = base.EVENTS


def count(bench, topic, models, interval):
    """Flushes, seconds in them and their bytes, of counting the whole topic."""
    port = env.free_ports()
    process = bench.start(bench.config(topic, "avro", models, 50, interval), port)
    page = {}

    def read_all():
        if not process.alive():
            raise SystemExit(f"driftd ended:\n{process.text()[-2000:]}")
        try:
            with base.urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                page["text"] = answer.read().decode()
        except OSError:
            return False
        return base.value(page["text"], "driftd_records_total") >= EVENTS
    env.wait_for(read_all, "everything is counted", 180)
    process.kill()
    return [base.value(page["text"], f"driftd_flush{name}_total") for name in ("es", "_seconds", "_bytes")]


def main():
    bench = base.Bench()
    for models in (1, 10, 100):
        topic = bench.topic("avro", models, 50, EVENTS)
        bench.baselines(bench.config(topic, "avro", models, 50), models)
        us, size = [], []
        for _ in range(base.RUNS):
            flushes, seconds, written = count(bench, topic, models, "20ms")
            if flushes < 100:
                raise SystemExit(f"only {flushes:.0f} flushes: use more EVENTS")
            us.append(seconds / flushes * 1e6)
            size.append(written / flushes)
            print(f"# {models} models: {flushes:.0f} flushes of {us[-1]:.0f} us", file=sys.stderr)
        name = f"flush_{models}x50"
        base.say(name + "_us", statistics.median(us), "us a flush and partition, encoding and Redis included")
        base.say(name + "_bytes", statistics.median(size), "bytes a flush and partition")
        base.say(name + "_share", statistics.median(us) * base.PARTITIONS / 1e6,
                 "of the ingest thread's time, at one flush a second and partition, 4 partitions")


if __name__ == "__main__":
    main()
