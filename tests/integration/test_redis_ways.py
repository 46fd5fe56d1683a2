"""tests/integration/test_redis_ways.py    Redis Cluster, Sentinel, a unix socket with an ACL user: the same counts and verdicts."""
import signal
import threading
import unittest

import env
import ingest_setting as setting
import redis_setting as servers

PARTS = 4
RECORDS = 24_000
# what store.h names, and what the documentation lists
RIGHTS = ["~driftd:*", "+@read", "+@write", "+@connection", "+eval", "+evalsha", "+time"]


class Counting(setting.Case):
    """Records come while Redis is made to move; in the end every one is counted and every window judged, once."""

    def begin(self, records=RECORDS, **state):
        self.prepare(PARTS, state={"idle_after": "10m", "settle": "1s", "flush_interval": "50ms", **state}, lateness="1h")
        self.config["redis"] = {**self.way(), "timeout": "1s"}
        self.times = [setting.START + 5 * i for i in range(records)]
        self.instance = self.driftd("only")
        self.process = self.run_(self.instance)
        self.producer = threading.Thread(target=self.feed)
        self.fed, self.go_on = 0, threading.Event()
        self.producer.start()
        self.addCleanup(self.finish_feeding)
        env.wait_for(lambda: self.safe_offsets() > 0, "the first records are counted")

    def feed(self):
        """In pieces, so that there is traffic at each fault."""
        step = 400
        for i in range(0, len(self.times), step):
            self.produce(self.times[i:i + step], PARTS)
            self.fed = i + step
            if self.fed < len(self.times):
                self.go_on.wait(0.05)

    def finish_feeding(self):
        self.go_on.set()
        self.producer.join(120)

    def safe_offsets(self):
        """None is no answer: nodes are down now and then."""
        try:
            return self.offsets(PARTS)
        except (OSError, RuntimeError, AttributeError, IndexError):
            return -1

    def progress(self, seconds=60):
        """driftd writes again, after whatever happened."""
        before = env.wait_for(lambda: self.safe_offsets() + 1, "redis answers the test", seconds) - 1
        if before < len(self.times):
            env.wait_for(lambda: self.safe_offsets() > before, "it goes on counting", seconds)

    def check_exact(self):
        self.finish_feeding()
        env.wait_for(lambda: self.safe_offsets() == len(self.times), "everything is counted", 90)
        self.assertTrue(self.process.alive(), self.process.text()[-2000:])
        self.assertEqual(self.process.stop(), 0)
        self.close()
        self.assertEqual([self.totals(t, PARTS) for t in ("late:", "other:", "reconciled:")], [0, 0, 0])
        self.assertEqual(self.judged(), setting.by_window(self.times))


class Cluster(Counting):
    def redis(self):
        cluster = servers.RedisCluster(self.dir, args=("--min-replicas-to-write", "0"))
        self.addCleanup(cluster.stop)
        cluster.port = cluster.nodes[0].port
        return cluster

    def key(self, partition):
        return f"driftd:{{p/{self.group}/{self.topic}/{partition}}}"

    def redirections(self):
        """MOVED and ASK that the nodes gave, but for those that this test followed itself."""
        seen = {"MOVED": 0, "ASK": 0}
        for s in self.store.nodes:
            for line in s.command("INFO", "errorstats").decode().splitlines() if s.alive() else ():
                for word in seen:
                    if line.startswith(f"errorstat_{word}:count="):
                        seen[word] += int(line.split("=")[1])
        return {word: n - self.store.redirected[word] for word, n in seen.items()}

    def way(self):
        return {"cluster": self.store.nodes[0].address}  # one seed: the others are learned

    def test_slots_move_under_it(self):
        """Each partition's slot moves while it is written; in between its keys lie at the new node already (ASK)."""
        self.begin()
        for p in range(PARTS):
            number = servers.slot(self.key(p))
            to = next(m for m in self.store.masters() if m is not self.store.owner(number))
            before = self.redirections()
            source = self.store.begin_move(number, to)
            self.assertGreater(self.store.move_keys(number, source, to), 0)
            env.wait_for(lambda b=before: self.redirections()["ASK"] > b["ASK"], "driftd is told to ask the new node")
            self.progress()
            before = self.redirections()
            self.store.end_move(number, source, to)
            env.wait_for(lambda b=before: self.redirections()["MOVED"] > b["MOVED"], "driftd is told that the slot has moved")
            self.progress()
        model = servers.slot(f"driftd:{{m/{self.group}/{setting.MODEL}}}")
        self.store.move_slot(model)
        self.check_exact()
        self.assertEqual(self.process.text().count("redis_away"), 0, "a slot that moves is no outage")

    @env.long
    def test_failover(self):
        """The replica of a partition's master takes over by agreement, and then back."""
        self.begin()
        for _ in range(2):
            self.store.failover(self.store.owner(self.key(0)))
            self.progress()
        self.check_exact()

    def test_master_killed(self):
        """kill -9 of the master that has partition 0; its replica is elected, and may be behind."""
        self.begin()
        dead = self.store.owner(self.key(0))
        self.store.kill(dead)
        self.progress()
        dead.start()
        self.store.wait_whole()
        self.check_exact()
        self.assertIn("redis_away", self.process.text())
        self.assertIn("redis_back", self.process.text())


class Sentinel(Counting):
    def redis(self):
        sentinel = servers.Sentinel(self.dir)
        self.addCleanup(sentinel.stop)
        sentinel.port = sentinel.nodes[0].port
        return sentinel

    def way(self):
        nobody = f"127.0.0.1:{env.free_ports()}"
        return {"sentinel": {"nodes": f"{nobody}, {self.store.addresses}", "master": self.store.name}}

    @env.long
    def test_failover(self):
        self.begin()
        old, new = self.store.failover()
        self.assertIsNot(old, new)
        self.progress()
        self.check_exact()

    def test_master_killed_beside_a_hung_sentinel(self):
        self.begin()
        dead, hung = self.store.wait_master(), self.store.sentinels[0]
        hung.signal(signal.SIGSTOP)
        self.addCleanup(hung.signal, signal.SIGCONT)
        dead.kill()
        heir = self.store.nodes[1]
        env.wait_for(lambda: heir.role() == b"master", "the replica is promoted", 60)
        env.wait_for(lambda: heir.command("DBSIZE") and self.fed == len(self.times), "all records are produced", 60)
        hung.signal(signal.SIGCONT)
        self.progress()
        dead.start()
        self.check_exact()
        self.assertIn("redis_away", self.process.text())


class Settings(setting.Case):
    """What Redis is set to is looked at by `check --connect` and at the start of `run`."""

    def look(self, **redis):
        if not hasattr(self, "config"):
            self.prepare(2, state={"settle": "10s"})
        self.config["redis"] = redis
        self.looker = self.driftd("looker")
        return self.looker.command("check", "-c", self.looker.path, "--connect", check=False)

    def test_a_server_that_evicts(self):
        server = servers.Server(f"{self.dir}/evicts", env.free_ports(), "--maxmemory", "50mb", "--appendonly", "no")
        self.addCleanup(server.kill)
        server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        done = self.look(host="127.0.0.1", port=server.port)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("FAIL  redis: evicts keys (maxmemory-policy allkeys-lru)", done.stdout)
        process = self.run_(self.looker)
        env.wait_for(lambda: process.text().count("event=redis_unsafe") >= 2, "run complains as well")
        self.assertRegex(process.text(), "level=error event=redis_unsafe .*evicts keys")
        self.assertRegex(process.text(), "level=warn event=redis_unsafe .*appendonly is off")

    def test_every_master_of_a_cluster(self):
        cluster = servers.RedisCluster(self.dir)
        self.addCleanup(cluster.stop)
        cluster.nodes[1].command("CONFIG", "SET", "maxmemory", "50mb")
        cluster.nodes[1].command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        done = self.look(cluster=cluster.nodes[4].address)
        for s in cluster.nodes[:3]:
            self.assertIn(f"ok    redis {s.address}: answers", done.stdout)
        self.assertIn(f"FAIL  redis {cluster.nodes[1].address}: evicts keys", done.stdout)
        self.assertEqual(done.stdout.count("min-replicas-to-write is 0"), 3)
        done = self.look(host="127.0.0.1", port=cluster.nodes[0].port)
        self.assertIn("is a node of a cluster: set redis.cluster", done.stdout)
        self.assertNotEqual(done.returncode, 0)
        done = self.look(cluster=self.store_address())
        self.assertIn("is no node of a cluster: set redis.host", done.stdout)

    def store_address(self):
        return f"127.0.0.1:{self.store.port}"

    def test_a_replica_in_the_place_of_the_master(self):
        master = servers.Server(f"{self.dir}/a", env.free_ports())
        replica = servers.Server(f"{self.dir}/b", env.free_ports())
        for s in (master, replica):
            self.addCleanup(s.kill)
        replica.command("REPLICAOF", "127.0.0.1", master.port)
        done = self.look(host="127.0.0.1", port=replica.port)
        self.assertIn("FAIL  redis: is a slave", done.stdout)


class Rights(setting.Case):
    """An ACL user with the rights that are written down, over a unix socket; and what is said when one is missing."""

    def socket_server(self):
        path = f"{self.dir}/r.sock"
        server = servers.Server(f"{self.dir}/acl", env.free_ports(), "--unixsocket", path)
        self.addCleanup(server.kill)
        self.password = env.secrets.token_hex(8)
        server.command("ACL", "SETUSER", "drift", "reset", "on", f">{self.password}", *RIGHTS)
        with open(f"{self.dir}/redis-password", "w", opener=lambda p, flags: env.os.open(p, flags, 0o600)) as f:
            f.write(self.password + "\n")
        self.server = server
        return {"socket": path, "username": "drift", "password": {"file": f"{self.dir}/redis-password"}}

    def prepare_acl(self):
        redis = self.socket_server()
        self.prepare(2, state={"idle_after": "10m"}, lateness="1h")
        self.config["redis"] = redis
        self.store.port = self.server.port
        self.times = [setting.START + 20 * i for i in range(2000)]
        self.produce(self.times, 2)

    def test_the_rights_that_are_documented_are_enough(self):
        self.prepare_acl()
        self.close()
        self.assertEqual(self.judged(), setting.by_window(self.times))
        log = "".join(str(e) for e in self.server.command("ACL", "LOG"))
        for line in ("'get'", "'hset'", "'hget'", "'time'"):
            self.assertNotIn(line, log)
        with open(f"{env.ROOT}/docs/operations.md") as f, open(f"{env.ROOT}/include/driftd/internal/store/store.h") as h:
            self.assertIn(" ".join(RIGHTS), f.read())
            self.assertIn(" ".join(RIGHTS), h.read())

    def test_each_missing_right_is_named(self):
        self.prepare_acl()
        for right in RIGHTS:
            without = [r for r in RIGHTS if r != right] + ["+script|load"]  # which is what makes driftd use EVALSHA
            self.server.command("ACL", "SETUSER", "drift", "reset", "on", f">{self.password}", *without)
            kafka = {**self.config["kafka"], "group": f"{self.group}-{RIGHTS.index(right)}"}  # nobody waits for the one before
            process = self.run_(self.driftd(f"without-{RIGHTS.index(right)}", kafka=kafka))
            if right in ("+eval", "+@connection"):
                env.wait_for(lambda p=process: p.text().count("partition_acquired") == 2, "it counts all the same")
            if right == "+eval":  # only for a script that the server has forgotten
                self.server.command("SCRIPT", "FLUSH")
            if right == "+@connection":  # PING: only after Redis was away
                self.server.command("CONFIG", "SET", "maxmemory", "1")
            found = env.wait_for(lambda p=process: [line for line in p.text().splitlines()
                                                    if "NOPERM" in line or "ACL" in line], f"{right} is missed")
            self.assertNotIn(self.password, process.text())
            self.assertTrue(process.alive(), f"without {right} it waits: {found[0]}")
            self.assertLess(process.text().count("sender_waits"), 5, "said, not repeated")
            process.kill()
            self.server.command("CONFIG", "SET", "maxmemory", "0")
        self.server.command("ACL", "SETUSER", "drift", "reset", "on", f">{self.password}", *RIGHTS)
        self.close()
        self.assertEqual(self.judged(), setting.by_window(self.times))


if __name__ == "__main__":
    unittest.main()
