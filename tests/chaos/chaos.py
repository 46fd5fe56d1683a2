#!/usr/bin/python3
"""tests/chaos/chaos.py    Real servers, several driftd instances, faults at random moments, and a recount at the end.

    chaos.py [--minutes M] [--seed S] [--brokers 1|3] [--redis single|cluster] [--short] [--only KIND,...] [--keep]

The first line is the seed: the same one draws the same faults (when they strike in relation to what the processes do
differs from run to run).  Exit status 0: nothing differs; 1: something does, and the files of the run are kept; 3: the
machine was too slow for the run to say anything.  DRIFTD_BUILD picks the build, a sanitizer's too.
"""
import argparse
import collections
import contextlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import faults
import proxy
import servers
from servers import env

SETTLE_S = 2.0
AT_LEAST = 3            # of each kind in a run of LONG_MINUTES and more
LONG_MINUTES = 20
AT_ONCE = 4             # faults that may last at the same time
INSTANCES = (2, 4)
SHOWN = 25              # differences on the screen; the file has all
QUIET_S = 40            # no fault of the receiver so long before the end: its retries take 5 s, then 30 s
SPOILT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|event=bug|Assertion")
COUNTED = ("slot_stale", "redis_away", "partition_acquired", "partitions_granted", "partitions_revoked", "plan_waits", "partition_waits",
           "judge_waits", "verdict_lost", "state_lost", "records_expired", "reconciled", "assign_failed")


class World:
    """All that runs, and what the faults may ask of it."""

    def __init__(self, args, folder, rng):
        self.args, self.folder, self.rng = args, folder, rng
        self.settle_s, self.zombies, self.zombies_stale = SETTLE_S, 0, 0
        self.lock, self.busy, self.taken = threading.Lock(), set(), set()
        self.began, self.ends = time.monotonic(), time.monotonic() + 60 * args.minutes
        self.struck, self.tried, self.wrong = collections.Counter(), collections.Counter(), []
        self.instances = []
        self.log = open(os.path.join(folder, "faults.log"), "w")

    def say(self, text):
        line = f"{time.strftime('%H:%M:%S')} {time.monotonic() - self.began:7.1f} s  {text}"
        with self.lock:
            print(line, file=self.log, flush=True)
            if self.args.verbose:
                print(line, flush=True)

    def build(self):
        import oracle
        import workload
        self.oracle = oracle
        self.loop = proxy.Loop()
        self.kafka = servers.Kafka(self.folder, self.loop, self.args.brokers)
        self.brokers = env.Brokers(self.kafka.brokers)
        self.redis = (servers.Cluster if self.args.redis == "cluster" else servers.Redis)(self.folder, self.loop)
        self.receiver = servers.Receiver(self.folder)
        self.assignor = self.rng.choice(("range", "cooperative-sticky"))
        self.static, self.alike = self.rng.random() < 0.4, self.rng.random() < 0.5
        self.workload = workload.Workload(random.Random(self.rng.random()), {
            "brokers": self.kafka.through, "produce_brokers": self.kafka.brokers, "replication": self.args.brokers,
            "group": f"chaos-{env.secrets.token_hex(4)}", "rate": self.args.rate,
            "settle": int(1000 * SETTLE_S), "retain": 5000})
        where = {"cluster": self.redis.addresses} if self.args.redis == "cluster" else {"host": "127.0.0.1", "port": self.redis.port}
        config = self.workload.config(where, self.receiver)
        config["kafka"]["options"] = {"session.timeout.ms": str(int(1000 * faults.SESSION_S)), "heartbeat.interval.ms": "500",
                                      "partition.assignment.strategy": self.assignor, **config["kafka"].get("options", {})}
        if self.static:
            config["kafka"]["options"]["group.instance.id"] = {"env": "CHAOS_MEMBER"}
        config["redis"]["timeout"] = "1s"
        prepare = os.path.join(self.folder, "prepare")
        os.makedirs(prepare)
        direct = {**config, "kafka": {"brokers": self.kafka.brokers, "group": config["kafka"]["group"]}}
        self.workload.prepare(self.brokers, env.Driftd(prepare, direct))
        for i in range(INSTANCES[1]):
            self.instances.append(servers.Instance(f"driftd-{i + 1}", self.folder, config, self.redis, self.alike))
        for i in self.instances[:self.rng.randint(*INSTANCES)]:
            i.start()

    def kinds(self):
        """The faults that this setting has."""
        absent = faults.OF_SINGLE if self.args.redis == "cluster" else faults.OF_CLUSTER
        kinds = [k() for k in faults.KINDS if not issubclass(k, absent)]
        return [k for k in kinds if not self.args.only or k.kind in self.args.only]

    # ---- what faults use ----
    def running(self):
        return [i for i in self.instances if i.state == "running" and i not in self.taken]

    @contextlib.contextmanager
    def one_instance(self, rng, state="running"):
        with self.lock:
            free = [i for i in self.instances if i.state == state and i not in self.taken]
            instance = rng.choice(free) if free else None
            if instance:
                self.taken.add(instance)
        try:
            yield instance
        finally:
            with self.lock:
                self.taken.discard(instance)

    def receiver_faults_allowed(self):
        return time.monotonic() < self.ends - QUIET_S or self.args.minutes < 3 * QUIET_S / 60 and time.monotonic() < self.ends - 15

    # ---- striking ----
    def strike(self, fault, seed):
        kind = fault.kind
        try:
            self.say(f"{kind} ...")
            told = fault.strike(self, random.Random(seed))
            self.say(f"{kind}: {told or 'not done'}")
            self.struck[kind] += told is not None
        except servers.TooSlow as e:
            self.say(f"{kind}: {e}")
            self.wrong.append(("slow", str(e)))
        except Exception as e:
            self.say(f"{kind}: {traceback.format_exc()}")
            self.wrong.append(("fault", f"{kind} could not be struck: {type(e).__name__}: {e}"))
        finally:
            with self.lock:
                self.busy.discard(fault.resource or fault)

    def rage(self):
        """Faults at random moments until the time is over: every kind in turn, in an order that is drawn anew each time."""
        kinds = self.kinds()
        deck, threads = [], []
        gap_s = min(6.0, 60 * self.args.minutes / (1.4 * len(kinds)))
        while time.monotonic() < self.ends:
            servers.pause(min(self.rng.expovariate(1 / gap_s), 4 * gap_s))
            self.watch()
            threads = [t for t in threads if t.is_alive()]
            if len(threads) >= AT_ONCE:
                continue
            if not deck:
                deck = kinds[:]
                self.rng.shuffle(deck)
            for n, f in enumerate(deck):
                with self.lock:
                    free = (f.resource or f) not in self.busy
                if free and f.possible(self):
                    deck.pop(n)
                    with self.lock:
                        self.busy.add(f.resource or f)
                    threads.append(threading.Thread(target=self.strike, args=(f, self.rng.random())))
                    threads[-1].start()
                    break
        for t in threads:
            t.join(120)

    def watch(self):
        for i in self.instances:
            with self.lock:
                ours = i not in self.taken
            if ours and i.gone_by_itself():
                self.say(f"{i.name} ended by itself")

    def mend(self):
        for p in self.redis.doors + self.kafka.proxies:
            p.heal()
        self.receiver.heal()
        for i in self.instances:
            if i.state == "away" and len(self.running()) < 2:
                i.start()

    def finish(self, producer, stop):
        """The tail of the workload, until everything is judged and delivered."""
        stop.set()
        producer.join(120 * env.SLOW)
        if producer.is_alive():
            self.wrong.append(("harness", "the producer did not end"))
        settled = lambda: self.watch() or self.oracle.settled(self.brokers, self.redis, self.receiver, self.workload)
        end, done = time.monotonic() + self.args.patience * env.SLOW, False
        while not done and time.monotonic() < end:
            done = settled()
            servers.pause(0 if done else 1.0)
        if not done:
            left = self.oracle.waits_for(self.brokers, self.redis, self.receiver, self.workload)
            self.wrong.append(("not settled", f"after {self.args.patience * env.SLOW:g} s: {left}"))
        self.say("settled" if done else "not settled")
        for i in self.instances:
            if i.state == "running":
                i.leave()
        report = self.oracle.check(self.brokers, self.redis, self.receiver, self.workload)
        return report

    def events(self):
        """How often the instances logged what (lines that were left out are counted)."""
        counts = collections.Counter()
        for i in self.instances:
            for event, rest in re.findall(r"event=(\w+)(.*)", i.text()):
                left_out = re.search(r"suppressed=(\d+)", rest)
                counts[event] += 1 + (int(left_out.group(1)) if left_out else 0)
        return counts

    def spoilt(self):
        return [f"{p.log}: {m.group(0)}" for i in self.instances for p in i.lives for m in [SPOILT.search(p.text())] if m]

    def stop(self):
        for i in self.instances:
            i.stop()
        for name in ("redis", "kafka", "receiver", "loop"):
            try:
                if hasattr(self, name):
                    getattr(self, name).stop()
            except Exception as e:
                print(f"cannot stop {name}: {e}", file=sys.stderr)
        self.log.close()


def run(args, folder):
    """The differences of one run, in words."""
    world = World(args, folder, random.Random(args.seed))
    stop, producer = threading.Event(), None
    try:
        world.build()
        print(f"{world.assignor}, {'static' if world.static else 'dynamic'} members, {'one configuration' if world.alike else 'a configuration each'}, "
              f"{sum(i.state == 'running' for i in world.instances)} instances at first", flush=True)
        def produce():
            try:
                world.workload.run(stop)
            except Exception:
                world.wrong.append(("producer", traceback.format_exc()))
        producer = threading.Thread(target=produce)
        producer.start()
        world.began, world.ends = time.monotonic(), time.monotonic() + 60 * args.minutes
        world.rage()
        world.mend()
        report = world.finish(producer, stop)
        return tell(args, world, report)
    finally:
        stop.set()
        if producer:
            producer.join(30)
        world.stop()


def tell(args, world, report):
    """Prints the run's figures.  (differences, was the machine too slow)"""
    print(f"{'fault':20} struck")
    for k in world.kinds():
        print(f"  {k.kind:20} {world.struck[k.kind]:4}")
    print(f"  zombies {world.zombies}, of which {world.zombies_stale} saw STALE")
    events = world.events()
    if world.static:
        print(f"  static members fenced {sum(i.fenced for i in world.instances)}")
    print(f"  {world.workload.describe()}")
    print("  log: " + ", ".join(f"{e} {events[e]}" for e in COUNTED if events[e]))
    print("  " + ", ".join(f"{k} {v}" for k, v in report.figures.items()))
    different = [f"{what}: {text}" for what, text in world.wrong if what != "slow"]
    different += [text for i in world.instances for text in i.odd] + world.spoilt()
    if args.minutes >= LONG_MINUTES and not args.only:
        different += [f"{k.kind} struck {world.struck[k.kind]} times only" for k in world.kinds() if world.struck[k.kind] < AT_LEAST]
        if world.redis.doors and world.zombies_stale < AT_LEAST:
            different.append(f"{world.zombies_stale} zombies only saw STALE")
    different += report.differences
    with open(os.path.join(world.folder, "differences.txt"), "w") as f:
        f.writelines(f"{text}\n" for text in different)
    for text in different[:SHOWN]:
        print(f"DIFFERENCE {text}")
    print(f"{len(different)} differences", flush=True)
    return different, any(what == "slow" for what, _ in world.wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--redis", choices=("single", "cluster"), default="single")
    parser.add_argument("--rate", type=int, default=300, help="records a second")
    parser.add_argument("--short", action="store_true", help="what `make check` runs: a minute and a half of faults")
    parser.add_argument("--only", type=lambda s: set(s.split(",")), help="kinds of fault, with commas between")
    parser.add_argument("--patience", type=float, default=150, help="seconds for everything to be judged and delivered")
    parser.add_argument("--keep", action="store_true", help="keep the files of a good run too")
    parser.add_argument("--verbose", action="store_true", help="each strike as it happens")
    args = parser.parse_args()
    args.minutes = 1.5 if args.short else args.minutes
    args.seed = random.SystemRandom().randrange(1 << 31) if args.seed is None else args.seed
    print(f"SEED={args.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and takes the servers along
    folder = tempfile.mkdtemp(prefix="driftd-chaos-")
    kept, different, slow = args.keep, [], False
    try:
        different, slow = run(args, folder)
        kept = kept or bool(different)
    except BaseException:
        kept = True
        raise
    finally:
        if kept:
            place = os.path.join(env.ROOT, "build", "test-logs", f"chaos-{args.seed}")
            shutil.rmtree(place, ignore_errors=True)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.move(folder, place)
            print(f"files of the run: {os.path.relpath(place, os.getcwd())}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 3 if slow else 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
