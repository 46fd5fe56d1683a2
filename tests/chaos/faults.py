"""tests/chaos/faults.py    The kinds of fault.  Each one is struck in a thread of its own and mends what it broke.

`resource` is what a fault has for itself while it lasts; `possible(world)` says whether it makes sense now;
`strike(world, rng)` returns what happened in a few words, or None when it could not be done after all.
"""
import signal
import time

from servers import pause, redis_setting

SESSION_S = 6.0  # session.timeout.ms of the instances


class Fault:
    resource = None

    @property
    def kind(self):
        return "".join("_" + c.lower() if c.isupper() else c for c in type(self).__name__).strip("_")

    def possible(self, world):
        return True


# ---- driftd ----
FLUSH = b"\r\noffset\r\n"  # a command that writes one


class OfInstance(Fault):
    """Takes one running instance for itself."""
    others = 0  # so many more must be running

    def possible(self, world):
        return len(world.running()) > self.others

    def strike(self, world, rng):
        with world.one_instance(rng) as instance:
            return self.hit(world, rng, instance) if instance else None


class KillDriftd(OfInstance):
    def hit(self, world, rng, instance):
        instance.kill()
        away = rng.choice((0, 0, rng.uniform(0, 4), rng.uniform(6, 9)))
        pause(away)
        instance.start()
        return f"{instance.name} for {away:.1f} s"


class Zombie(OfInstance):
    """Stopped until the group has given its partitions away, then continued: it must change nothing.  Mostly it finds out by
    itself, since its plans are old or its assignment is lost; one that is stopped amid a flush, whose command gets to Redis
    when others have the partitions, is told: STALE."""
    others = 1

    def hit(self, world, rng, instance):
        before = instance.process.text().count("event=slot_stale")
        amid = bool(instance.door) and rng.random() < 0.7
        if amid:
            instance.door.keep(FLUSH)
            pause(0.5)  # more than an interval of flushes
        instance.process.signal(signal.SIGSTOP)
        instance.state = "stopped"
        began, taken = time.monotonic(), self.acquired(world, instance)
        away = SESSION_S + rng.uniform(1.5, 4)
        pause(away)
        if amid:  # others have them by now, or soon
            while time.monotonic() < began + 3 * SESSION_S and self.acquired(world, instance) == taken:
                pause(0.2)
            pause(1)
            instance.door.keep(None)
            pause(0.3)
            away = time.monotonic() - began
        instance.process.signal(signal.SIGCONT)
        instance.state = "running"
        end = time.monotonic() + 10
        while time.monotonic() < end and instance.process.text().count("event=slot_stale") == before:
            pause(0.2)
        stale = instance.process.text().count("event=slot_stale") - before
        world.zombies += 1
        world.zombies_stale += stale > 0
        return f"{instance.name}{' amid a flush' if amid else ''} for {away:.1f} s, slot_stale {stale}"

    @staticmethod
    def acquired(world, instance):
        """Partitions that others have taken so far."""
        return sum(i.text().count("event=partition_acquired") for i in world.instances if i is not instance)


class ShortStop(OfInstance):
    """Stopped, but not for so long that anybody notices."""

    def hit(self, world, rng, instance):
        instance.process.signal(signal.SIGSTOP)
        instance.state = "stopped"
        away = rng.uniform(0.3, SESSION_S - 2.5)
        pause(away)
        instance.process.signal(signal.SIGCONT)
        instance.state = "running"
        return f"{instance.name} for {away:.1f} s"


class Leave(OfInstance):
    others = 1

    def hit(self, world, rng, instance):
        instance.leave()
        return instance.name


class Join(Fault):
    def possible(self, world):
        return any(i.state == "away" for i in world.instances)

    def strike(self, world, rng):
        with world.one_instance(rng, "away") as instance:
            if not instance:
                return None
            instance.start()
            return instance.name


# ---- Kafka ----
class KillBroker(Fault):
    resource = "kafka"

    def strike(self, world, rng):
        k = rng.randrange(world.kafka.n)
        world.kafka.kill(k)
        away = rng.uniform(0, 3)
        pause(away)
        world.kafka.start(k)
        return f"broker {k + 1}, {away:.1f} s and its start"


class CutKafka(Fault):
    """Requests reach the broker, their answers are lost."""
    resource = "kafka"

    def strike(self, world, rng):
        door = rng.choice(world.kafka.proxies)
        cuts = [door.cut(b"", rng.choice(("after", "half", "before"))) for _ in range(rng.randrange(1, 6))]
        pause(1.0)
        for c in cuts:
            door.withdraw(c)
        return f"{len(cuts)} requests, broker {world.kafka.proxies.index(door) + 1}"


class SlowKafka(Fault):
    resource = "kafka"

    def strike(self, world, rng):
        ms, rate, away = rng.choice((20, 100, 300)), rng.choice((50_000, 500_000, 0)), rng.uniform(2, 6)
        for door in world.kafka.proxies:
            door.slow(ms, rate)
        pause(away)
        for door in world.kafka.proxies:
            door.slow()
        return f"{ms} ms, {rate or 'all'} bytes/s for {away:.1f} s"


# ---- Redis ----
class OfRedis(Fault):
    resource = "redis"

    def possible(self, world):
        return bool(world.redis.doors)


class OfCluster(Fault):
    resource = "redis"

    def possible(self, world):
        return not world.redis.doors


class KillRedis(OfRedis):
    def strike(self, world, rng):
        away = rng.choice((0, rng.uniform(0, 4)))
        world.redis.restart(away_s=away)
        return f"away for {away:.1f} s"


class CutAof(OfRedis):
    """The last second of the append-only file is not there any more."""

    def strike(self, world, rng):
        lost = world.redis.restart(lose_s=rng.uniform(0.05, 1.0), away_s=rng.choice((0, rng.uniform(0, 2))))
        return None if lost is None else f"{lost} bytes lost"


class FailOver(OfRedis):
    """The replica takes over without the master's last moments; now and then some instances talk to the old master on."""

    def strike(self, world, rng):
        limit = 0.8 * world.settle_s
        behind = rng.uniform(0.05, 0.6) * limit
        split = rng.choice((0, rng.uniform(0.1, 0.3) * limit))
        done = world.redis.fail_over(behind, split, limit)
        return f"{behind:.2f} s behind, split for {split:.2f} s" if done else None


class HangRedis(OfRedis):
    """Stopped, and what had been sent to it is done when it goes on, though the senders have long given up."""

    def strike(self, world, rng):
        away = rng.uniform(0.3, 5)
        world.redis.master.process.signal(signal.SIGSTOP)
        pause(away)
        world.redis.master.process.signal(signal.SIGCONT)
        return f"{away:.1f} s"


# what a command names: a partition's slot, a chain, its outbox, or anything
PATTERNS = (b"driftd:{p/", b"driftd:{p/", b"driftd:{m/", b":out", b"EVALSHA")


class OfDoor(Fault):
    """Between one instance and Redis; it may last beside others."""

    def possible(self, world):
        return bool(world.redis.doors)


class OfLink(OfDoor):
    """A cut of the next commands of some kind, of any instance."""
    how = ()

    def strike(self, world, rng):
        pattern, how = rng.choice(PATTERNS), rng.choice(self.how)
        doors = rng.sample(world.redis.doors, rng.randrange(1, len(world.redis.doors) + 1))
        cuts = [(d, d.cut(pattern, how, rng.uniform(0.05, 4))) for d in doors for _ in range(rng.randrange(1, 4))]
        pause(rng.uniform(0.5, 2))
        struck = sum(not d.waits_for(c) for d, c in cuts)
        for d, c in cuts:
            d.withdraw(c)
        return f"{struck} commands with {pattern.decode()} ({how})" if struck else None


class CutBeforeReply(OfLink):
    how = ("after",)


class CutBeforeArrival(OfLink):
    how = ("before", "half")


class LateCommand(OfLink):
    """Arrives after its sender has given up on it."""
    how = ("late",)


class SlowRedis(OfDoor):
    def strike(self, world, rng):
        doors = rng.sample(world.redis.doors, rng.randrange(1, len(world.redis.doors) + 1))
        ms, rate, away = rng.choice((5, 50, 400)), rng.choice((20_000, 200_000, 0)), rng.uniform(1, 6)
        for d in doors:
            d.slow(ms, rate)
        pause(away)
        for d in doors:
            d.slow()
        return f"{len(doors)} links, {ms} ms, {rate or 'all'} bytes/s for {away:.1f} s"


class LostRedis(OfDoor):
    """One instance alone cannot reach Redis."""

    def strike(self, world, rng):
        d, away = rng.choice(world.redis.doors), rng.uniform(0.2, 5)
        if rng.random() < 0.5:
            d.hold(True)
        else:
            d.refuse(True)
            d.drop()
        pause(away)
        d.hold(False)
        d.refuse(False)
        return f"{away:.1f} s"


# ---- Redis Cluster ----
class KillNode(OfCluster):
    """kill -9 of any node; when it was a master, its replica takes over without what had not reached it."""

    def strike(self, world, rng):
        node = rng.choice(world.redis.nodes)
        was = node.role()
        world.redis.kill(node)
        away = rng.uniform(0, 3)
        pause(away)
        node.start()
        world.redis.wait_whole()
        return f"{(was or b'?').decode()} for {away:.1f} s"


class ClusterFailOver(OfCluster):
    """A replica takes over without asking its master."""

    def strike(self, world, rng):
        how = rng.choice(("FORCE", "TAKEOVER", None))
        world.redis.failover(rng.choice(world.redis.masters()), how)
        world.redis.wait_whole()
        return how or "by agreement"


class MoveSlots(OfCluster):
    """Slots that hold driftd's keys go to another master while they are in use: MOVED and ASK."""

    def strike(self, world, rng):
        keys = [k for m in world.redis.masters() for k in m.command("KEYS", "driftd:*")]
        moved = 0
        for key in rng.sample(keys, min(4, len(keys))):
            number = redis_setting.slot(key)
            source = world.redis.owner(number)
            to = rng.choice([m for m in world.redis.masters() if m is not source])
            world.redis.begin_move(number, to)
            pause(rng.uniform(0, 1))
            world.redis.move_keys(number, source, to)
            pause(rng.uniform(0, 0.5))
            world.redis.move_keys(number, source, to)  # what an ASK has not sent on
            world.redis.end_move(number, source, to)
            moved += 1
        world.redis.wait_whole()
        return f"{moved} slots" if moved else None


class HangNode(OfCluster):
    """Stopped, perhaps for so long that its replica takes over."""

    def strike(self, world, rng):
        node, away = rng.choice(world.redis.masters()), rng.uniform(0.3, 5)
        node.signal(signal.SIGSTOP)
        pause(away)
        node.signal(signal.SIGCONT)
        world.redis.wait_whole()
        return f"{away:.1f} s"


# ---- the webhook receiver ----
class OfReceiver(Fault):
    resource = "receiver"

    def possible(self, world):
        return world.receiver_faults_allowed()


class ReceiverDown(OfReceiver):
    def strike(self, world, rng):
        away = rng.uniform(0.5, 5)
        world.receiver.up = False
        world.receiver.stop()
        pause(away)
        world.receiver.heal()
        return f"{away:.1f} s"


class ReceiverSlow(OfReceiver):
    def strike(self, world, rng):
        delay, away = rng.uniform(0.2, 3), rng.uniform(1, 5)
        world.receiver.delay_s = delay
        pause(away)
        world.receiver.heal()
        return f"{delay:.1f} s an answer, for {away:.1f} s"


class ReceiverRefuses(OfReceiver):
    def strike(self, world, rng):
        status, away = rng.choice((500, 503, 429)), rng.uniform(0.5, 5)
        world.receiver.bad = status
        pause(away)
        world.receiver.heal()
        return f"{status} for {away:.1f} s"


OF_SINGLE, OF_CLUSTER = (OfRedis, OfDoor), (OfCluster,)
KINDS = (KillDriftd, Zombie, ShortStop, Leave, Join, KillBroker, CutKafka, SlowKafka, KillRedis, CutAof, FailOver, HangRedis,
         CutBeforeReply, CutBeforeArrival, LateCommand, SlowRedis, LostRedis, KillNode, ClusterFailOver, MoveSlots, HangNode,
         ReceiverDown, ReceiverSlow, ReceiverRefuses)
