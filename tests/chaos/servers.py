"""tests/chaos/servers.py    What dies in a chaos run: brokers, Redis with a replica, driftd instances, the webhook receiver.

Each can be killed, hurt and mended from any thread; everything between driftd and the servers goes through proxies
(proxy.py), the test itself talks to the servers directly.
"""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import yaml

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import env
import proxy
import redis_setting

SAMPLE_S = 0.02    # how often the length of the append-only file is noted
SAMPLES = 200      # so the last four seconds are known


def pause(seconds):
    """Time that a fault lasts."""
    threading.Event().wait(max(0.0, seconds))


class Kafka:
    """One broker, or three with replication 3 and min.insync.replicas 2.  Each has a listener for the test and one that it
    advertises as its proxy's port."""

    def __init__(self, folder, loop, n=1):
        self.folder, self.n = folder, n
        self.libs = os.path.join(env.CACHE, "kafka-4.3.1")
        subprocess.run([os.path.join(env.HERE, "kafka", "fetch.sh"), self.libs], check=True, timeout=600)
        first = env.free_ports(4 * n)
        self.ports = [first + 4 * k for k in range(n)]  # direct, controller, behind the proxy, the proxy's
        self.proxies = [proxy.Proxy(loop, p + 3, p + 2) for p in self.ports]
        self.brokers = ",".join(f"127.0.0.1:{p}" for p in self.ports)
        self.through = ",".join(f"127.0.0.1:{p + 3}" for p in self.ports)
        self.each(self.start)

    def each(self, action):
        threads = [threading.Thread(target=action, args=(k,)) for k in range(self.n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if not all(self.pid(k) for k in range(self.n)) and action == self.start:
            raise RuntimeError("a broker did not start")

    def data(self, k):
        return os.path.join(self.folder, f"kafka-{k + 1}")

    def write_properties(self, k):
        port, voters = self.ports[k], ",".join(f"{i + 1}@127.0.0.1:{p + 1}" for i, p in enumerate(self.ports))
        lines = [f"node.id={k + 1}", f"controller.quorum.voters={voters}",
                 f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1},THROUGH://127.0.0.1:{port + 2}",
                 f"advertised.listeners=PLAINTEXT://127.0.0.1:{port},THROUGH://127.0.0.1:{port + 3}",
                 "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT",
                 "auto.create.topics.enable=false", "unclean.leader.election.enable=false",
                 # time for instances that start together to be in one generation
                 "group.initial.rebalance.delay.ms=500", "group.min.session.timeout.ms=2000"]
        if self.n > 1:
            lines += ["controller.quorum.fetch.timeout.ms=1000", "controller.quorum.election.timeout.ms=500"]
            for name in ("default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor",
                         "share.coordinator.state.topic.replication.factor"):
                lines.append(f"{name}={self.n}")
            for name in ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"):
                lines.append(f"{name}={self.n - 1}")
        path = os.path.join(self.folder, f"kafka-{k + 1}.properties")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def start(self, k):
        log = os.path.join(self.folder, f"kafka-{k + 1}.start.log")
        with open(log, "ab") as out:
            subprocess.run([os.path.join(env.HERE, "kafka", "start.sh"), self.data(k), str(self.ports[k]), self.write_properties(k)],
                           timeout=120 * env.SLOW, stdout=out, stderr=out, check=True,
                           env={**os.environ, "KAFKA_LIBS": self.libs, "KAFKA_HEAP": "400m" if self.n == 1 else "300m"})

    def pid(self, k):
        """Its process, when it is this broker's and runs."""
        try:
            with open(os.path.join(self.data(k), "broker.pid")) as f:
                pid = int(f.read())
            with open(f"/proc/{pid}/cmdline") as f:
                return pid if self.data(k) in f.read() else None
        except (OSError, ValueError):
            return None

    def kill(self, k):
        pid = self.pid(k)
        if pid:
            os.kill(pid, signal.SIGKILL)
            env.wait_for(lambda: self.pid(k) != pid, "the broker is gone", 20)

    def stop(self):
        for k in range(self.n):
            subprocess.run([os.path.join(env.HERE, "kafka", "stop.sh"), self.data(k), "0"], check=False, timeout=60)


class Node:
    """One redis-server with an append-only file; knows how long that was in the last seconds."""

    def __init__(self, folder, name):
        self.folder, self.name = os.path.join(folder, name), name
        os.makedirs(self.folder)
        self.port = env.free_ports()
        self.process, self.wiped = None, 0
        self.samples = collections.deque(maxlen=SAMPLES)
        self.done = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def start(self, master_port=None):
        args = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--appendonly", "yes",
                # written before the reply, whatever is flushed to the disk: kill -9 loses nothing, so that what is lost is
                # what the test cuts off
                "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0", "--aof-load-truncated", "yes",
                "--maxmemory-policy", "noeviction", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
                "--repl-ping-replica-period", "1", "--repl-backlog-size", "16mb"]
        if master_port:
            args += ["--replicaof", "127.0.0.1", str(master_port)]
        self.process = env.Process(args, os.path.join(self.folder, "redis.log"))
        env.wait_for(self.up, f"redis-server {self.name}", 30)

    def command(self, *args):
        return env.Redis.command_at(self.port, *args)

    def up(self):
        try:
            return self.command("PING") == b"PONG"
        except (OSError, RuntimeError):
            return False

    def kill(self):
        self.process.kill()

    def wipe(self):
        """Forgets its data; a copy stays for who wants to know what happened."""
        self.wiped += 1
        os.rename(os.path.join(self.folder, "appendonlydir"), os.path.join(self.folder, f"wiped-{self.wiped}"))

    def info(self, section="replication"):
        text = self.command("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def newest_piece(self):
        """Path of the append-only file that is written now."""
        folder = os.path.join(self.folder, "appendonlydir")
        try:
            with open(os.path.join(folder, "appendonly.aof.manifest")) as f:
                names = re.findall(r"^file (\S+) seq \d+ type i$", f.read(), re.M)
            return os.path.join(folder, names[-1]) if names else None
        except OSError:
            return None

    def sample(self):
        while not self.done.wait(SAMPLE_S):
            path = self.newest_piece()
            try:
                self.samples.append((time.monotonic(), path, os.path.getsize(path)) if path else (time.monotonic(), None, 0))
            except OSError:
                self.samples.append((time.monotonic(), None, 0))

    def cut_tail(self, seconds):
        """After a kill: the file as it was so long ago.  Bytes lost; None when the file was another one then."""
        path, now = self.newest_piece(), time.monotonic()
        old = [s for s in list(self.samples) if now - s[0] >= seconds]
        if not path or not old or old[-1][1] != path or now - old[-1][0] > seconds + 0.5:
            return None
        size = os.path.getsize(path)
        if size < old[-1][2]:
            return None
        os.truncate(path, old[-1][2])
        return size - old[-1][2]

    def stop(self):
        self.done.set()
        if self.process:
            self.process.signal(signal.SIGCONT) if self.process.alive() else None
            self.process.kill()


class Redis(env.Redis):
    """A master and a replica.  Each instance of driftd has a proxy of its own to the master."""

    def __init__(self, folder, loop):  # no env.Redis.__init__: two servers instead of one
        self.folder = folder
        self.master, self.replica = Node(folder, "redis-a"), Node(folder, "redis-b")
        self.master.start()
        self.link = proxy.Proxy(loop, env.free_ports(), self.master.port)
        self.replica.start(self.link.where)
        self.loop, self.doors = loop, []
        env.wait_for(self.synced, "the replica has everything", 30)

    @property
    def port(self):
        return self.master.port

    def door(self, where):
        """A new proxy to the master, on a port or a unix socket."""
        self.doors.append(proxy.Proxy(self.loop, where, self.port))
        return self.doors[-1]

    def synced(self):
        try:
            mine, its = self.master.info(), self.replica.info()
            return its.get("master_link_status") == "up" and its.get("master_sync_in_progress") == "0" and \
                int(mine["master_repl_offset"]) - int(its["slave_repl_offset"]) < 2000 and "master_replid" in mine and \
                mine["master_replid"] == its["master_replid"]
        except (OSError, RuntimeError, KeyError):
            return False

    def restart(self, lose_s=0.0, away_s=0.0):
        """kill -9, and the last seconds of the append-only file too.  Bytes cut off; None: only killed."""
        self.master.kill()
        lost = self.master.cut_tail(lose_s) if lose_s else 0
        pause(away_s)
        self.master.start()
        return lost

    def fail_over(self, behind_s, split_s, limit_s):
        """The replica takes over without the master's last seconds.  split_s: for so long half of the doors still lead to
        the old master.  False: it could not be done within limit_s, and nothing happened."""
        if not self.synced():
            return False
        began = time.monotonic()
        self.link.hold(True)
        pause(behind_s)
        if time.monotonic() - began + split_s > limit_s:
            self.link.hold(False)
            return False
        old, new = self.master, self.replica
        new.command("REPLICAOF", "NO", "ONE")
        half = self.doors[::2] if split_s else self.doors
        for d in half:
            d.lead_to(new.port)
        pause(split_s)
        old.kill()
        within = time.monotonic() - began <= limit_s + 0.3
        for d in self.doors:
            if d not in half:
                d.lead_to(new.port)
        self.master, self.replica = new, old
        self.link.lead_to(new.port)
        self.link.hold(False)
        old.wipe()
        old.start(self.link.where)
        if not within:
            raise TooSlow("the machine stood still: the old master lived longer than `settle` allows")
        return True

    def stop(self):
        for n in (self.master, self.replica):
            n.stop()


class Cluster(redis_setting.RedisCluster):
    """Six nodes.  driftd goes to them directly: what they tell about each other are their own addresses."""

    def __init__(self, folder, loop):
        self.doors = []
        super().__init__(folder, args=("--appendfsync", "no", "--min-replicas-to-write", "0"))

    def stop(self):
        for s in self.nodes:
            if s.alive():
                s.signal(signal.SIGCONT)
            s.kill()


class TooSlow(Exception):
    """The test itself broke an assumption of the protocol: the run says nothing."""


class Receiver(env.Receiver):
    """env.Receiver that can be slow, and waits outside of its lock."""

    def __init__(self, folder):
        self.bad, self.delay_s, self.up = None, 0.0, True
        super().__init__(folder, answer=lambda n: self.bad or 200)

    def take(self, headers, body):
        pause(self.delay_s)
        return super().take(headers, body)

    def heal(self):
        self.bad, self.delay_s = None, 0.0
        if not self.up:
            self.start()
            self.up = True


class Instance:
    """One driftd, over all its lives.  `state`: away, running, stopped (SIGSTOP).

    alike: its configuration is the others' to the byte, so it reaches Redis by a unix socket in its own folder; else it
    has ports of its own, and each start means a new plan entry."""

    def __init__(self, name, folder, config, redis, alike):
        self.name, self.state, self.door = name, "away", None
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        config = json.loads(json.dumps(config))
        port = env.free_ports(2)
        config["http"] = {"listen": "none" if alike else f"127.0.0.1:{port + 1}"}
        if isinstance(redis, Redis):
            reach = {"socket": "redis.sock"} if alike else {"host": "127.0.0.1", "port": port}
            config["redis"] = {**{k: v for k, v in config["redis"].items() if k not in ("host", "port")}, **reach}
            self.door = redis.door(os.path.join(self.folder, "redis.sock") if alike else port)
        self.path = os.path.join(self.folder, "driftd.yaml")
        with open(self.path, "w") as f:
            yaml.safe_dump(config, f, sort_keys=False)
        self.process, self.lives, self.odd, self.fenced = None, [], [], 0

    def start(self):
        log = os.path.join(self.folder, f"driftd-{len(self.lives) + 1}.log")
        self.process = env.Process([env.tool("driftd"), "run", "--quiet", "-c", self.path], log, env={**os.environ, "CHAOS_MEMBER": self.name})
        self.lives.append(self.process)
        self.state = "running"

    def text(self):
        return "".join(p.text() for p in self.lives)

    def leave(self):
        """SIGTERM.  It has 5 s."""
        began = time.monotonic()
        self.state = "away"
        self.process.signal(signal.SIGTERM)
        try:
            status = self.process.child.wait(7 * env.SLOW)
        except subprocess.TimeoutExpired:
            self.odd.append(f"{self.name}: still there {7 * env.SLOW:g} s after SIGTERM ({self.process.log})")
            self.process.kill()
            return
        if status:
            self.odd.append(f"{self.name}: status {status} after SIGTERM ({self.process.log})")
        elif time.monotonic() - began > 5.5 * env.SLOW:
            self.odd.append(f"{self.name}: took {time.monotonic() - began:.1f} s to end after SIGTERM ({self.process.log})")

    def kill(self):
        self.state = "away"
        self.process.kill()

    def gone_by_itself(self):
        """Ended though nobody asked for it: said once, and started again."""
        if self.state != "running" or self.process.alive():
            return False
        if self.process.child.returncode == 70 and "FENCED_INSTANCE_ID" in self.process.text():
            # a static member whose join was answered, but not to it: the broker takes its second try for somebody else
            self.fenced += 1
            self.start()
            return True
        self.odd.append(f"{self.name}: ended by itself with status {self.process.child.returncode} ({self.process.log}):\n"
                        + "\n".join("    " + line for line in self.process.text().splitlines()[-5:]))
        self.start()
        return True

    def stop(self):
        if self.process and self.process.alive():
            self.process.signal(signal.SIGCONT)
            self.process.kill()
