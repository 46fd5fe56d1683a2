"""tests/integration/test_mutants.py    The test of the test: driftd with one rule taken away is caught by the oracle in a short run."""
import os
import random
import shutil
import sys
import tempfile
import unittest

import env

sys.path.insert(0, os.path.join(env.ROOT, "tests", "chaos"))
import mutants  # noqa: E402
import session  # noqa: E402


class Applies(unittest.TestCase):
    def test_every_mutant_still_applies(self):
        for name in mutants.MUTANTS:
            with self.subTest(name):
                self.assertTrue(mutants.changed(name))


class Caught(env.Case):
    builder = None

    @classmethod
    def build(cls, name):
        """One tree for all: the second build compiles what differs."""
        if cls.builder is None:
            folder = tempfile.mkdtemp(dir=env.TEMP)
            Caught.builder = mutants.Builder(folder)
            unittest.addModuleCleanup(shutil.rmtree, folder, True)
        return cls.builder.make(name)

    def rounds(self, name, strike, n, instances=2, **setting):
        """Differences of up to n runs of a build under faults; the first with any ends it."""
        found = []
        program = self.build(name)
        for round_ in range(n):
            self.folder()
            seed = random.randrange(10**6) if os.environ.get("DRIFTD_SEED") == "fresh" else 100 + round_
            print(f"    {name or 'unchanged'}, DRIFTD_SEED={seed}", flush=True)
            s = session.Session(self.dir, env.brokers(), random.Random(seed), instances, program=program, transactions=False, **setting)
            try:
                s.start()
                strike(s)
                s.finish(40)
                found = s.check().differences
            finally:
                s.close()
            if found:
                break
        return found

    @staticmethod
    def kills(s):
        for _ in range(4):
            s.rest(s.rng.uniform(1, 1.6))
            s.kill()
        s.rest(1)

    @staticmethod
    def zombies(s):
        """While one is stopped the other takes over; it goes on with counts that it has not saved."""
        env.wait_for(lambda: s.counted() > 0, "driftd counts")
        for i in (0, 1):
            s.rest(4)
            s.freeze(i, 11)
        s.rest(3)

    def assertCaught(self, found, *words):
        self.assertTrue(found, "no difference: the oracle is blind, or the fault did not strike")
        self.assertTrue(any(all(w in d for w in words) for d in found), found[:10])

    @env.long
    def test_unchanged_under_kills(self):
        self.assertEqual(self.rounds(None, self.kills, 1, instances=1, static=True), [])

    @env.long
    def test_unchanged_with_zombies(self):
        self.assertEqual(self.rounds(None, self.zombies, 1, flush_interval=700), [])

    @env.long
    def test_no_head_compare(self):
        self.assertCaught(self.rounds("no_head_compare", self.zombies, 3, flush_interval=700), "driftd has")

    @env.long
    def test_offset_apart(self):
        self.assertCaught(self.rounds("offset_apart", self.kills, 3, instances=1, static=True, deduplicate=False), "driftd has")

    @env.long
    def test_commit_before_flush(self):
        self.assertCaught(self.rounds("commit_before_flush", self.kills, 3, instances=1, static=True), "driftd has")

    @env.long
    def test_dedup_in_memory(self):
        self.assertCaught(self.rounds("dedup_in_memory", self.kills, 3, instances=1, static=True), "driftd has")
