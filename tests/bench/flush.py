#!/usr/bin/python3
"""tests/bench/flush.py    What a flush costs, with 1, 10 and 100 models of 50 features; one JSON line a figure.

    EVENTS=1000000 RUNS=3 tests/bench/flush.py

A backlog is counted with a flush every 20 ms and partition, then with next to none, RUNS times; medians.  _us: what driftd
waits for a flush, encoding and Redis included.  _cpu_us: the difference in CPU of driftd over the difference in flushes.
_share_of_cpu: that of one core, at the default of one flush a second and partition, of 4 partitions.  Every window that is
open is dirty in each flush, and baselines are there, so each model has its cells: as under live traffic.
"""
import glob
import os
import statistics
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import throughput as base  # noqa: E402
import env  # noqa: E402

EVENTS = base.EVENTS


def cpu_seconds(process):
    """Of all threads, to the nanosecond."""
    total = 0
    for path in glob.glob(f"/proc/{process.child.pid}/task/*/schedstat"):
        with open(path) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def count(bench, topic, models, interval):
    """CPU seconds, flushes, seconds in them and their bytes, of counting the whole topic."""
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
    used = cpu_seconds(process)
    process.kill()
    return (used, *(base.value(page["text"], f"driftd_flush{name}_total") for name in ("es", "_seconds", "_bytes")))


def main():
    bench = base.Bench()
    for models in (1, 10, 100):
        topic = bench.topic("avro", models, 50, EVENTS)
        bench.baselines(bench.config(topic, "avro", models, 50), models)
        us, cpu_us, size = [], [], []
        for _ in range(base.RUNS):
            often, rare = count(bench, topic, models, "20ms"), count(bench, topic, models, "1m")
            flushes = often[1] - rare[1]
            if flushes < 20:
                raise SystemExit(f"only {flushes:.0f} flushes more than with next to none: use more EVENTS")
            us.append(often[2] / often[1] * 1e6)
            cpu_us.append((often[0] - rare[0]) / flushes * 1e6)
            size.append(often[3] / often[1])
            print(f"# {models} models: {often[1]:.0f} flushes of {us[-1]:.0f} us, CPU {often[0]:.2f} s; {rare[1]:.0f}, {rare[0]:.2f} s",
                  file=sys.stderr)
        name = f"flush_{models}x50"
        base.say(name + "_us", statistics.median(us), "us a flush and partition, encoding and Redis included")
        base.say(name + "_cpu_us", statistics.median(cpu_us), "us of driftd's CPU a flush and partition")
        base.say(name + "_bytes", statistics.median(size), "bytes a flush and partition")
        base.say(name + "_share_of_cpu", statistics.median(cpu_us) * base.PARTITIONS / 1e6,
                 "of one core, at one flush a second and partition, 4 partitions")


if __name__ == "__main__":
    main()
