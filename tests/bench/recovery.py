#!/usr/bin/python3
"""tests/bench/recovery.py    Seconds from kill -9 to the first new verdict; one JSON line a figure.

    RUNS=3 tests/bench/recovery.py

A live feed (4 partitions, windows of 1 s, no lateness), one driftd or two of a group; one is killed, and the first verdict
about a window that began after the kill is waited for.  Without a kill such a verdict comes after `undisturbed`: window,
flush and judge.  `restart`: the only instance is started again at once; the group gives it nothing before the dead member's
session has expired, unless it comes back under the same group.instance.id.  `survivor`: the other one takes over, after
that session too.  settle: what the judge waits for before it relies on an idle partition.
"""
import os
import statistics
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import env  # noqa: E402
import ingest_setting as setting  # noqa: E402
from throughput import say  # noqa: E402

RUNS = int(os.environ.get("RUNS", 3))
PARTITIONS = 4


class Feed(threading.Thread):
    """Some records a partition, ten times a second, of the time it is."""

    def __init__(self, case):
        super().__init__(daemon=True)
        self.case, self.over = case, threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            self.case.produce([int(time.time() * 1000)] * PARTITIONS, PARTITIONS)


class Scene(setting.Case):
    def runTest(self):
        pass

    def prepare_scene(self, session, static, settle):
        self.setUp()
        options = {"session.timeout.ms": str(session), "heartbeat.interval.ms": "500"}
        self.prepare(PARTITIONS, options=options, state={"settle": settle, "flush_interval": "200ms", "idle_after": "30s", "plan_ttl": "2s"},
                     lateness="0s")
        self.config["models"][setting.MODEL]["window"]["size"] = "1s"
        self.static = static
        self.feed = Feed(self)
        self.feed.start()

    def instance(self, name):
        kafka = json_copy(self.config["kafka"])
        if self.static:
            kafka["options"]["group.instance.id"] = name
        return self.run_(self.driftd(name, kafka=kafka))

    def newest(self):
        return max(self.judged() or [0])

    def until_new(self, since_ms, seconds=90):
        env.wait_for(lambda: self.newest() > since_ms, "a new verdict", seconds)
        return time.time() - since_ms / 1000

    def settle_down(self):
        env.wait_for(lambda: self.newest() > time.time() * 1000 - 4000, "verdicts come as fast as windows end", 120)

    def end(self):
        self.feed.over.set()
        self.feed.join()
        self.doCleanups()


def json_copy(x):
    return {**x, "options": dict(x.get("options", {}))}


def measure(kind, session=6000, static=False, settle="0s"):
    scene = Scene()
    scene.folders = []
    scene.prepare_scene(session, static, settle)
    first = scene.instance("a")
    second = scene.instance("b") if kind == "survivor" else None
    try:
        if second:
            env.wait_for(lambda: second.text().count("event=partition_acquired") >= 2, "two instances share", 60)
        scene.settle_down()
        now = int(time.time() * 1000)
        if kind != "undisturbed":
            first.kill()
        if kind == "restart":
            scene.instance("a")
        return scene.until_new(now)
    finally:
        scene.end()


def main():
    settings = [("recovery_undisturbed_s", ("undisturbed",), {}),
                ("recovery_restart_session6_s", ("restart",), {"session": 6000}),
                ("recovery_restart_session20_s", ("restart",), {"session": 20000}),
                ("recovery_restart_static_member_s", ("restart",), {"session": 20000, "static": True}),
                ("recovery_restart_static_settle10_s", ("restart",), {"session": 20000, "static": True, "settle": "10s"}),
                ("recovery_survivor_session6_s", ("survivor",), {"session": 6000}),
                ("recovery_survivor_session20_s", ("survivor",), {"session": 20000})]
    for name, args, more in settings:
        took = [measure(*args, **more) for _ in range(RUNS)]
        print(f"# {name}: {' '.join(f'{t:.1f}' for t in took)}", file=sys.stderr)
        say(name, statistics.median(took), "s from kill -9 to the first new verdict")


if __name__ == "__main__":
    main()
