#!/usr/bin/python3
"""tests/bench/throughput.py    driftd beside a raw consumer of the same topic, one JSON line a figure.

    EVENTS=1000000 RUNS=3 tests/bench/throughput.py

Events per CPU second of driftd over those of a raw librdkafka consumer, median over RUNS in one run, real broker.
rss_mb is the peak resident memory of driftd over a backlog of 10 models with 50 features each, less what the counts of
its open windows take (features x cells x 8 bytes).  two_vs_one_wall and one_vs_raw_wall are events per second of wall
clock, of instances that share one group and machine with the broker: frozen while the topic is filled, then let go.
"""
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))
import env  # noqa: E402

EVENTS = int(os.environ.get("EVENTS", 1000000))
RUNS = int(os.environ.get("RUNS", 3))
PARTITIONS = 4

CONFIG = """
version: 1
kafka: {{brokers: "{brokers}", group: {group}, options: {{session.timeout.ms: {session}}}}}
redis: {{port: {redis}}}
state: {{settle: 0s, flush_interval: {flush}}}
http: {{listen: "127.0.0.1:{port}"}}
owners: {{bench: {{team: bench}}}}
streams:
  events: {{topic: {topic}, format: {format}, {schema} id: event_id, time: event_time, model: model,
           versions: {{model: model_version}}, features: features, score: score, decision: decision}}
models:
"""
MODEL = """  {name}:
    {{owner: bench, streams: [events], window: {{size: 1m, lateness: 1s, min_events: 1}}, threshold: 0.5}}
"""


def say(name, value, unit):
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit}), flush=True)


def cpu(command, log):
    """CPU seconds, wall-clock-free, and peak RSS (MB) of one process."""
    with open(log, "w") as err:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True)
        out = child.stdout.read()
        _, status, use = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{command} ended with {status}, see {log}:\n{open(log).read()[-2000:]}")
    return use.ru_utime + use.ru_stime, use.ru_maxrss / 1024, out


class Bench:
    def __init__(self):
        self.kafka = env.brokers()
        self.redis = env.Redis(env.TEMP)
        self.redis.command("CONFIG", "SET", "appendfsync", "everysec")  # as docs/operations.md advises
        self.dir = env.TEMP
        self.n = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def topic(self, form, models, features, events=EVENTS):
        name = self.kafka.topic(f"{form}-{models}-{features}", PARTITIONS)
        self.fill(name, form, models, features, events)
        return name

    def fill(self, name, form, models, features, events=EVENTS):
        if events:
            subprocess.run([env.tool("load"), "produce", form, self.kafka.brokers, name, str(events), str(PARTITIONS), str(models),
                            str(features)], check=True)

    def config(self, topic, form, models, features, flush="1s", session=6000):
        """A file of a new group."""
        self.n += 1
        self.port = env.free_ports()
        schema = ""
        if form == "avro":
            with open(self.path("schema.avsc"), "w") as f:
                subprocess.run([env.tool("load"), "schema", str(features)], stdout=f, check=True)
            schema = f"schema_file: {self.path('schema.avsc')},"
        text = CONFIG.format(brokers=self.kafka.brokers, group=f"bench-{self.n}", redis=self.redis.port, topic=topic, format=form,
                             schema=schema, flush=flush, session=session, port=self.port)
        text += "".join(MODEL.format(name=f"model-{m}") for m in range(models))
        with open(self.path(f"c{self.n}.yaml"), "w") as f:
            f.write(text)
        return f.name

    def baselines(self, config, models):
        for m in range(models):
            subprocess.run([env.tool("driftd"), "baseline", "build", "-c", config, "--model", f"model-{m}", "--to", "2026-01-01T00:03:00Z",
                            "--promote"], check=True, stdout=subprocess.DEVNULL)

    def run(self, form, models=1, features=50):
        topic = self.topic(form, models, features)
        self.baselines(self.config(topic, form, models, features), models)
        ratios, rss = [], 0
        for _ in range(RUNS):
            raw, _, _ = cpu([env.tool("load"), "raw", self.kafka.brokers, topic, str(PARTITIONS)], self.path("raw.log"))
            ours, peak, out = cpu([env.tool("driftd"), "run", "-c", self.config(topic, form, models, features), "--until-end"],
                                  self.path("driftd.log"))
            if sum(int(line.split("n=")[1].split()[0]) for line in out.splitlines() if line.startswith("window")) < EVENTS * 0.99:
                raise SystemExit("driftd did not count what was produced:\n" + out)
            ratios.append(raw / ours)
            rss = max(rss, peak)
            print(f"# {topic}: raw {EVENTS / raw:.0f}, driftd {EVENTS / ours:.0f} events per CPU second", file=sys.stderr)
        return statistics.median(ratios), rss


    def offsets(self, topic):
        return sum(self.redis.offset(f"bench-{self.n}", topic, p) for p in range(PARTITIONS))

    def start(self, config, port):
        """A running driftd; its page is at the port."""
        log = self.path(f"driftd-{port}.log")
        with open(config) as f:
            text = f.read().replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{port}")
        with open(self.path(f"c-{port}.yaml"), "w") as f:
            f.write(text)
        process = env.Process([env.tool("driftd"), "run", "-c", f.name, "--quiet"], log)
        process.port = port
        return process

    def together(self, instances):
        """Events per second of wall clock of so many instances, from the moment that the full topic is theirs."""
        topic = self.topic("avro", 1, 50, 0)
        config = self.config(topic, "avro", 1, 50, "200ms", 45000)
        ours = [self.start(config, env.free_ports()) for _ in range(instances)]
        share = PARTITIONS // instances
        env.wait_for(lambda: all(held(p) == share for p in ours), "each instance has its share", 60)
        for p in ours:
            p.signal(signal.SIGSTOP)
        self.fill(topic, "avro", 1, 50)
        began = time.monotonic()
        for p in ours:
            p.signal(signal.SIGCONT)
        env.wait_for(lambda: self.offsets(topic) == EVENTS, "everything is counted", 120)
        took = time.monotonic() - began
        for p in ours:
            p.kill()
        return EVENTS / took, topic

    def scale(self):
        raw, one, two = [], [], []
        for _ in range(RUNS):
            speed, topic = self.together(1)
            one.append(speed)
            raw.append(EVENTS / json.loads(cpu([env.tool("load"), "raw", self.kafka.brokers, topic, str(PARTITIONS)],
                                               self.path("raw.log"))[2])["wall_s"])
            two.append(self.together(2)[0])
            print(f"# raw {raw[-1]:.0f}, one instance {one[-1]:.0f}, two {two[-1]:.0f} events per second", file=sys.stderr)
        return statistics.median(o / r for o, r in zip(one, raw)), statistics.median(t / r for t, r in zip(two, raw)), \
            statistics.median(t / o for t, o in zip(two, one))


def held(process):
    """Partitions that an instance reads."""
    if not process.alive():
        raise SystemExit(f"driftd ended:\n{process.text()[-2000:]}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics", timeout=2) as answer:
            return int(float(value(answer.read().decode(), "driftd_partitions_owned")))
    except (OSError, ValueError):
        return 0


def value(text, name):
    """Sum of a metric's series."""
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith((name + " ", name + "{")))


def main():
    bench = Bench()
    say("avro50_vs_raw", bench.run("avro")[0], "ratio")
    say("json50_vs_raw", bench.run("json")[0], "ratio")
    one, two, ratio = bench.scale()
    say("one_vs_raw_wall", one, "ratio of events per second, 1 instance")
    say("two_vs_raw_wall", two, "ratio of events per second, 2 instances")
    say("two_vs_one_wall", ratio, "ratio of events per second")
    models, open_windows, cells = 10, 2, 107
    rss = bench.run("avro", models=models)[1]
    say("rss_total_mb", rss, "MB")
    say("rss_mb", rss - PARTITIONS * open_windows * models * 52 * cells * 8 / 2**20, "MB beside model state")


if __name__ == "__main__":
    main()
