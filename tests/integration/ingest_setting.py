"""tests/integration/ingest_setting.py    A small stream without baseline, for tests of ownership, logs and slots: what counts is how many."""
import collections
import json
import time

import env

MODEL, WINDOW = "m", 10_000
START = 1_767_600_000_000  # a window's start in 2026


def record(ms, **more):
    return json.dumps({"ts": ms, "model": MODEL, "score": (ms % 997) / 997, **more}).encode()


def by_window(times, window=WINDOW):
    return dict(collections.Counter(t // window * window for t in times))


class Case(env.Case):
    """A topic, a private Redis, records with a time and a score."""

    brokers = None

    def prepare(self, partitions=4, topic=None, options=None, state=None, brokers=None, lateness="2s"):
        self.brokers = brokers or env.brokers()
        self.topic = topic or self.brokers.topic("ingest", partitions)
        self.group = f"g-{env.secrets.token_hex(4)}"  # nobody waits for the session of another test's member
        self.store, self.hook = self.redis(), self.receiver()
        c = env.configuration(self.brokers.brokers, self.store.port, self.hook, self.group)
        if options:
            c["kafka"]["options"] = options
        c["state"].update(state or {})
        c["streams"] = {"events": {"topic": self.topic, "format": "json", "time": "ts", "model": "model", "score": "score"}}
        c["models"] = {MODEL: {"owner": "soc", "window": {"size": "10s", "lateness": lateness},
                               "default_playbook": {"warning": "all", "critical": "all"}}}
        self.config = c

    def driftd(self, name="driftd", **changes):
        """An instance with a configuration file, address and log of its own."""
        folder = f"{self.dir}/{name}"
        env.os.makedirs(folder, exist_ok=True)
        config = json.loads(json.dumps({**self.config, **changes}))
        config["http"] = {"listen": f"127.0.0.1:{env.free_ports()}"}
        d = env.Driftd(folder, config)
        d.listen = config["http"]["listen"]
        return d

    def run_(self, driftd, *args):
        process = driftd.start(*args)
        self.addCleanup(process.kill)
        return process

    def produce(self, times, spread=4, topic=None, **more):
        """The n-th record goes to partition n mod spread."""
        return self.brokers.produce(topic or self.topic, [(None, record(t, **more), i % spread) for i, t in enumerate(times)])

    def slot(self, partition, topic=None):
        return self.store.hash(f"driftd:{{p/{self.group}/{topic or self.topic}/{partition}}}")

    def offsets(self, partitions=4, topic=None):
        return sum(self.store.offset(self.group, topic or self.topic, p) for p in range(partitions))

    def totals(self, prefix, partitions=4):
        """Sum of the slots' counters whose names begin so."""
        return sum(int(v) for p in range(partitions) for k, v in self.slot(p).items() if k.decode().startswith(prefix))

    def judged(self, model=MODEL, chain="input"):
        return {start: v["n"] for start, v in self.store.verdicts(self.group, model, chain).items()}

    def close(self, driftd=None):
        (driftd or self.driftd("last")).until_end()

    def cpu_seconds(self, process):
        with open(f"/proc/{process.child.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / env.os.sysconf("SC_CLK_TCK")

    @staticmethod
    def now():
        return int(time.time() * 1000)
