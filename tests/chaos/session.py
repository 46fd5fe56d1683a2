"""tests/chaos/session.py    A small run of driftd under the workload, with faults that the caller chooses: what the tests of the
oracle and the mutants share.  The chaos tool proper is chaos.py."""
import collections
import json
import os
import re
import secrets
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import oracle  # noqa: E402
import workload  # noqa: E402

env = workload.env
# short windows and no settling: a run of a few seconds judges a dozen windows a chain
QUICK = {"window": 2000, "lateness": 500, "idle_after": 700, "max_future": 500, "retain": 3000, "settle": 0, "flush_interval": 150,
         "plan_ttl": 500, "judge_patience": 500, "rate": 200, "tolerance": 250}


class Driftd(env.Driftd):
    """An instance of another build, when one is given; commands are those of the usual one."""

    def __init__(self, folder, config, program=None):
        super().__init__(folder, config)
        self.program = program or env.tool("driftd")

    def start(self, *args):
        self.runs += 1
        return env.Process([self.program, "run", "-c", self.path, *args], os.path.join(self.folder, f"driftd-{self.runs}.log"))


class Session:
    def __init__(self, folder, brokers, rng, instances=1, program=None, **setting):
        self.folder, self.brokers, self.rng = folder, brokers, rng
        self.redis, self.receiver = env.Redis(folder), env.Receiver(folder)
        options = {"session.timeout.ms": "6000", **setting.pop("options", {})}
        self.workload = workload.Workload(rng, {**QUICK, "brokers": brokers.brokers, "group": f"oracle-{secrets.token_hex(5)}",  # never one that another run has used
                                                "options": options, **setting})
        config = self.workload.config({"host": "127.0.0.1", "port": self.redis.port}, self.receiver)
        self.drivers, self.processes = [], []
        for i in range(instances):
            own = json.loads(json.dumps(config))
            if setting.get("static"):  # back at once after a kill -9, without waiting for the session of the dead
                own["kafka"]["options"]["group.instance.id"] = f"member-{i}"
            os.makedirs(f"{folder}/{i}")
            self.drivers.append(Driftd(f"{folder}/{i}", own, program))
        self.workload.prepare(brokers, self.drivers[0])
        self.stop, self.thread = threading.Event(), None

    def start(self):
        self.processes = [d.start() for d in self.drivers]
        self.thread = threading.Thread(target=self.workload.run, args=(self.stop,), daemon=True)
        self.thread.start()

    def rest(self, seconds):
        """Traffic goes on."""
        self.stop.wait(seconds)

    def kill(self, i=0):
        self.processes[i].kill()
        self.processes[i] = self.drivers[i].start()

    def freeze(self, i, seconds):
        """Longer than the session: the others take over; then it goes on as if nothing had been."""
        self.processes[i].signal(signal.SIGSTOP)
        try:
            self.rest(seconds)
        finally:
            self.processes[i].signal(signal.SIGCONT)

    def counted(self):
        return sum(self.redis.offset(self.workload.group, t, p) for t, n in self.workload.topics.items() for p in range(n))

    def finish(self, seconds=60):
        self.stop.set()
        self.thread.join(180)
        state = {}

        def done():
            state["why"] = oracle.waits_for(self.brokers, self.redis, self.receiver, self.workload)
            return not state["why"]
        try:
            env.wait_for(done, "settled", seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}: {state['why']}") from None

    def check(self):
        return oracle.check(self.brokers, self.redis, self.receiver, self.workload)

    def log_events(self):
        """How often each event stands in the logs."""
        found = collections.Counter()
        for d in self.drivers:
            for n in range(1, d.runs + 1):
                with open(f"{d.folder}/driftd-{n}.log", errors="replace") as f:
                    found.update(re.findall(r" event=(\w+)", f.read()))
        return found

    def close(self):
        self.stop.set()
        for p in self.processes:
            p.kill()
        if self.thread:
            self.thread.join(180)
        self.receiver.stop()
        self.redis.stop()
