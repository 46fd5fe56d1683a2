"""tests/integration/phish.py    Small traffic for tests of bad days: the phishing scenario, 10 s windows."""
import collections
import json
import os
import subprocess

import env

MODEL = "phish-url"
WINDOW = 10_000
START = "2026-01-05T14:00:00Z"
SCENARIO = os.path.join(env.ROOT, "config", "scenarios", "phishing.json")


def lines(folder, *args):
    """Parsed records and raw lines of the scenario, events only."""
    path = os.path.join(folder, "sim.ndjson")
    subprocess.run([env.tool("drift-sim"), "--scenario", SCENARIO, "--start", START, "--quiet", "--output", f"phish.events={path}", *args],
                   check=True, timeout=60)
    with open(path, "rb") as f:
        return f.read().splitlines()


def records(raw):
    return [(json.loads(line)["event_id"].encode(), line) for line in raw]


def config(brokers_text, redis_port, receiver, topic, group="phish", **more):
    c = env.configuration(brokers_text, redis_port, receiver, group, **more)
    c["streams"] = {"events": {
        "topic": topic, "format": "json", "id": "event_id", "time": "ts", "model": "model", "versions": {"model": "model_version"},
        "features": "features", "score": "score", "decision": "decision", "source": "source", "latency": "latency_ms"}}
    c["models"] = {MODEL: {
        "owner": "soc", "threshold": 0.5, "positive_decision": "block", "window": {"size": "10s", "lateness": "2s"},
        "default_playbook": {"warning": "all", "critical": "all"}}}
    return c


def baseline(folder, driftd, model=MODEL):
    path = os.path.join(folder, "calm.ndjson")
    subprocess.run([env.tool("drift-sim"), "--scenario", SCENARIO, "--seed", "7", "--calm", "5m", "--start", "2026-01-05T10:00:00Z", "--quiet",
                    "--output", f"phish.events={path}"], check=True, timeout=60)
    driftd.command("baseline", "build", "-c", driftd.path, "--model", model, "--file", path, "--promote")


def by_window(raw):
    return dict(collections.Counter(json.loads(line)["ts"] // WINDOW * WINDOW for line in raw))


def judged(redis, group="phish", model=MODEL):
    """Events by window, as the verdicts have them."""
    return {start: v["n"] for start, v in redis.verdicts(group, model).items()}
