"""tests/integration/redis_setting.py    Redis as others run it: a cluster of six nodes, a master with replica and sentinels.

Both are used like env.Redis (command, hash, verdicts, offset, stop).  Every wait is bounded.
"""
import os

import env

SLOTS = 16384


def crc16(data):
    """CCITT, polynomial 0x1021: what Redis Cluster hashes keys with."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def slot(key):
    """Slot of a key: of what stands between its first { and the next }, when that is not empty."""
    key = key.encode() if isinstance(key, str) else key
    begin = key.find(b"{")
    end = key.find(b"}", begin + 1) if begin >= 0 else -1
    return crc16(key[begin + 1:end] if end > begin + 1 else key) % SLOTS


class Server:
    """One redis-server (or sentinel) with a folder of its own; killed and started again on the same port."""

    def __init__(self, folder, port, *args, sentinel=None):
        self.folder, self.port, self.args, self.sentinel = folder, port, args, sentinel
        os.makedirs(folder)
        self.address = f"127.0.0.1:{port}"
        self.process = None
        self.start()

    def start(self):
        log = os.path.join(self.folder, "redis.log")
        if self.sentinel is not None:
            path = os.path.join(self.folder, "sentinel.conf")
            if not os.path.exists(path):
                with open(path, "w") as f:
                    f.write(f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n{self.sentinel}")
            self.process = env.Process(["redis-server", path, "--sentinel"], log)
        else:
            self.process = env.Process(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                                        "--appendonly", "yes", "--maxmemory-policy", "noeviction", *self.args], log)
        env.wait_for(self.up, f"redis-server at port {self.port}")

    def command(self, *args):
        return env.Redis.command_at(self.port, *args)

    def up(self):
        try:
            return self.command("PING") == b"PONG"
        except (OSError, IndexError):
            return False
        except RuntimeError as e:
            return str(e).startswith(("NOAUTH", "MASTERDOWN"))

    def role(self):
        """b"master", b"slave", or None while it does not answer."""
        try:
            return self.command("ROLE")[0]
        except (OSError, RuntimeError, IndexError):
            return None

    def alive(self):
        return self.process.alive()

    def signal(self, sig):
        self.process.signal(sig)

    def kill(self):
        self.process.kill()


class RedisCluster(env.Redis):
    """Three masters (or `masters`), a replica each, on loopback.  `args` go to every redis-server."""

    def __init__(self, folder, masters=3, replicas=1, node_timeout_ms=1000, args=()):
        self.folder = os.path.join(folder, "redis-cluster")
        n = masters * (1 + replicas)
        ports = env.free_ports(2 * n)
        self.nodes = [Server(os.path.join(self.folder, str(i)), ports + i, "--cluster-enabled", "yes", "--cluster-port", str(ports + n + i),
                             "--cluster-node-timeout", str(node_timeout_ms), "--cluster-replica-validity-factor", "0",
                             "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *args) for i in range(n)]
        self.bus = {s.port: ports + n + i for i, s in enumerate(self.nodes)}
        self.addresses = ",".join(s.address for s in self.nodes)
        self.ids = [s.command("CLUSTER", "MYID").decode() for s in self.nodes]
        self.redirected = {"MOVED": 0, "ASK": 0}
        self._create(masters)

    def _create(self, masters):
        for i, s in enumerate(self.nodes):
            s.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            if i < masters:
                s.command("CLUSTER", "ADDSLOTSRANGE", SLOTS * i // masters, SLOTS * (i + 1) // masters - 1)
        first = self.nodes[0]
        for s in self.nodes[1:]:
            s.command("CLUSTER", "MEET", "127.0.0.1", first.port, self.bus[first.port])
        env.wait_for(lambda: all(len(self.known(s)) == len(self.nodes) for s in self.nodes), "all nodes know each other", 60)
        for i, s in enumerate(self.nodes[masters:]):
            env.wait_for(lambda s=s, i=i: self._replicate(s, self.ids[i % masters]), "a replica follows its master")
        env.wait_for(self.whole, "the cluster is whole", 60)

    @staticmethod
    def _replicate(server, master):
        try:
            return server.command("CLUSTER", "REPLICATE", master) == b"OK"
        except RuntimeError:
            return False  # the gossip has not said yet that it is a master

    @staticmethod
    def known(server):
        """Nodes of the cluster as one node sees them: id -> (port, flags, master's id, slots as (first, last))."""
        out = {}
        for line in server.command("CLUSTER", "NODES").decode().splitlines():
            f = line.split()
            ranges = [tuple(int(x) for x in (r.split("-") * 2)[:2]) for r in f[8:] if not r.startswith("[")]
            if "handshake" not in f[2]:
                out[f[0]] = (int(f[1].split("@")[0].rsplit(":", 1)[1]), f[2].split(","), f[3], ranges)
        return out

    def whole(self):
        """All nodes that live say that the cluster is well, agree on the slots, and replicas are in step."""
        maps = set()
        for s in self.nodes:
            if not s.alive():
                continue
            try:
                info, role = s.command("CLUSTER", "INFO"), s.command("ROLE")
                if b"cluster_state:ok" not in info or (role[0] == b"slave" and role[3] != b"connected"):
                    return False
                maps.add(tuple(sorted((i, tuple(k[3])) for i, k in self.known(s).items() if k[3])))
            except (OSError, RuntimeError):
                return False
        return len(maps) == 1

    def wait_whole(self, seconds=60):
        env.wait_for(self.whole, "the cluster is whole", seconds)

    def _view(self):
        for s in self.nodes:
            if s.alive():
                try:
                    return self.known(s)
                except (OSError, RuntimeError):
                    continue
        raise AssertionError("no node of the cluster answers")

    def node(self, node_id):
        return self.nodes[self.ids.index(node_id)]

    def owner(self, key):
        """The living master of a key, or of a slot given as a number; None while there is none."""
        number = key if isinstance(key, int) else slot(key)
        for node_id, (_, _, _, ranges) in self._view().items():
            if any(a <= number <= b for a, b in ranges):
                return self.node(node_id) if self.node(node_id).alive() else None
        return None

    def masters(self):
        return [s for s in self.nodes if s.alive() and s.role() == b"master"]

    def replicas(self, master):
        mine = self.ids[self.nodes.index(master)]
        return [self.node(i) for i, k in self._view().items() if k[2] == mine and self.node(i).alive()]

    def failover(self, master, how=None):
        """A replica takes over (how: FORCE, TAKEOVER); returns it.  Without `how` the two agree and nothing is lost."""
        replica = env.wait_for(lambda: [r for r in self.replicas(master) if r.role() == b"slave"], "it has a replica", 30)[0]
        for _ in range(5):  # a node that was elected some seconds ago may take its old votes for new ones, and is ignored
            env.wait_for(lambda: self._try(replica, "CLUSTER", "FAILOVER", *([how] if how else [])), "the replica begins")
            try:
                env.wait_for(lambda: replica.role() == b"master" and self.whole(), "the replica is master", 8)
                return replica
            except AssertionError:
                continue
        raise AssertionError("five failovers, and the replica is no master")

    @staticmethod
    def _try(server, *args):
        try:
            return server.command(*args) == b"OK"
        except (OSError, RuntimeError):
            return False

    def kill(self, server):
        """kill -9; when it was a master with slots, waits until all have seen the cluster choose another."""
        held = self.known(server)[self.ids[self.nodes.index(server)]][3]
        server.kill()
        if held:
            env.wait_for(lambda: self.owner(held[0][0]) and self.whole(), "a replica is elected", 60)

    # -- a slot's way to another master, in steps, so that a test may look in between
    def begin_move(self, number, to):
        source = self.owner(number)
        to.command("CLUSTER", "SETSLOT", number, "IMPORTING", self.ids[self.nodes.index(source)])
        source.command("CLUSTER", "SETSLOT", number, "MIGRATING", self.ids[self.nodes.index(to)])
        return source

    @staticmethod
    def move_keys(number, source, to):
        moved = 0
        while True:
            keys = source.command("CLUSTER", "GETKEYSINSLOT", number, 100)
            if not keys:
                return moved
            source.command("MIGRATE", "127.0.0.1", to.port, "", 0, 10000, "KEYS", *keys)
            moved += len(keys)

    def end_move(self, number, source, to):
        for s in [to, source] + [m for m in self.masters() if m not in (to, source)]:
            s.command("CLUSTER", "SETSLOT", number, "NODE", self.ids[self.nodes.index(to)])

    def move_slot(self, number, to=None):
        """Moves one slot with its keys to another master; returns (from, to)."""
        source = self.owner(number)
        to = to or next(m for m in self.masters() if m is not source)
        self.begin_move(number, to)
        self.move_keys(number, source, to)
        self.end_move(number, source, to)
        return source, to

    def command(self, *args):
        """A command with its key in second place, at the node that has it; without key at any."""
        asking, server = False, (self.owner(_text(args[1])) if len(args) > 1 else None) or self.masters()[0]
        for _ in range(10):
            try:
                if not asking:
                    return server.command(*args)
                return self._asking(server, args)
            except RuntimeError as e:
                word, *rest = str(e).split()
                if word not in ("MOVED", "ASK"):
                    raise
                self.redirected[word] += 1
                asking = word == "ASK"
                server = next(s for s in self.nodes if s.address == rest[1])
        raise AssertionError(f"redirected ten times: {args[:2]}")

    @staticmethod
    def _asking(server, args):
        with env.socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
            f = s.makefile("rb")
            for command in (("ASKING",), args):
                s.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in map(env._bytes, command)))
                reply = env._reply(f)
            return reply

    def start(self):
        for s in self.nodes:
            if not s.alive():
                s.start()

    def stop(self):
        for s in self.nodes:
            s.kill()

    def up(self):
        return all(s.up() for s in self.nodes)


class Sentinel(env.Redis):
    """A master, its replica (or `replicas`) and three sentinels that watch the name `name`."""

    def __init__(self, folder, name="mymaster", replicas=1, sentinels=3, down_after_ms=1000, args=(), sentinel_conf=""):
        self.name = name
        self.folder = os.path.join(folder, "redis-sentinel")
        port = env.free_ports(1 + replicas + sentinels)
        args = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *args)
        self.nodes = [Server(os.path.join(self.folder, f"node-{i}"), port + i, *args) for i in range(1 + replicas)]
        for s in self.nodes[1:]:
            s.command("REPLICAOF", "127.0.0.1", port)
        env.wait_for(lambda: all(self._in_step(s) for s in self.nodes[1:]), "the replicas are in step")
        conf = (f"sentinel monitor {name} 127.0.0.1 {port} {sentinels // 2 + 1}\nsentinel down-after-milliseconds {name} {down_after_ms}\n"
                f"sentinel failover-timeout {name} 4000\nsentinel parallel-syncs {name} 1\n{sentinel_conf}")
        self.sentinels = [Server(os.path.join(self.folder, f"sentinel-{i}"), port + 1 + replicas + i, sentinel=conf) for i in range(sentinels)]
        self.addresses = ",".join(s.address for s in self.sentinels)
        env.wait_for(self.settled, "the sentinels know each other and the replica", 60)

    @staticmethod
    def _in_step(server):
        role = server.command("ROLE")
        return role[0] == b"slave" and role[3] == b"connected"

    def _row(self, sentinel):
        flat = sentinel.command("SENTINEL", "MASTER", self.name)
        return dict(zip(flat[::2], flat[1::2]))

    def settled(self):
        """Every sentinel that lives knows the others and as many replicas as there are, and nobody thinks of failover."""
        for s in self.sentinels:
            if not s.alive():
                continue
            try:
                row = self._row(s)
            except (OSError, RuntimeError):
                return False
            if (int(row[b"num-other-sentinels"]) != len(self.sentinels) - 1 or int(row[b"num-slaves"]) < len(self.nodes) - 1
                    or row[b"flags"] != b"master"):
                return False
        return True

    def master(self):
        """The node that the sentinels name; None while they disagree or it is no master yet."""
        ports = set()
        for s in self.sentinels:
            if s.alive():
                try:
                    ports.add(int(s.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)[1]))
                except (OSError, RuntimeError, TypeError):
                    return None
        nodes = [n for n in self.nodes if n.port in ports]
        return nodes[0] if len(ports) == 1 and nodes and nodes[0].role() == b"master" else None

    def wait_master(self, other_than=None, seconds=60):
        return env.wait_for(lambda: (lambda m: m if m is not other_than else None)(self.master()), "the sentinels name a master", seconds)

    def failover(self):
        """The sentinels promote a replica though the master lives; returns (old, new)."""
        old = self.wait_master()

        def begins():
            try:
                return self.sentinels[0].command("SENTINEL", "FAILOVER", self.name) == b"OK"
            except RuntimeError:
                return False  # INPROG of the last one, or NOGOODSLAVE before its INFO was read
        env.wait_for(begins, "a sentinel begins the failover", 60)
        return old, self.wait_master(other_than=old)

    def kill(self, server=None):
        """kill -9 of the master (or of another node); waits for the new master.  Returns the dead one."""
        server = server or self.wait_master()
        was = self.master() is server
        server.kill()
        if was:
            self.wait_master(other_than=server)
        return server

    def command(self, *args):
        return self.wait_master().command(*args)

    def start(self):
        for s in self.nodes + self.sentinels:
            if not s.alive():
                s.start()

    def stop(self):
        for s in self.sentinels + self.nodes:
            s.kill()

    def up(self):
        return self.master() is not None


def _text(a):
    return a if isinstance(a, (bytes, str)) else str(a)
