"""tests/integration/test_check.py    driftd check: exit statuses, what it prints, and the servers it asks."""
import os
import subprocess

import env


class Check(env.Case):
    def check(self, *args):
        return subprocess.run([env.tool("driftd"), "check", *args], capture_output=True, text=True, timeout=60 * env.SLOW)

    def test_examples_are_good(self):
        for name in ("demo", "nslkdd", "phishing-avro"):
            done = self.check("-c", os.path.join(env.ROOT, "config", f"{name}.yaml"))
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            self.assertIn(f"{name}.yaml is good: streams ", done.stdout)
            self.assertRegex(done.stdout, r"in Redis a partition about \d+ [KM]iB, at most \d+ [KM]iB")

    def test_statuses(self):
        path = os.path.join(self.dir, "bad.yaml")
        with open(path, "w") as f:
            f.write("version: 1\nkafak: {}\n")
        done = self.check("-c", path)
        self.assertEqual(done.returncode, 78)
        self.assertEqual(done.stdout, "")
        self.assertIn(f"{path}:2:1: kafak: unknown key (did you mean `kafka`?)\n", done.stderr)
        self.assertEqual(self.check("-c", path, "--connect").returncode, 78)
        self.assertEqual(self.check("-c", os.path.join(self.dir, "none.yaml")).returncode, 69)
        self.assertEqual(self.check().returncode, 2)
        self.assertEqual(self.check("-c", path, "--timeout", "10").returncode, 2)
        self.assertEqual(self.check("-c", path, "more").returncode, 2)
        self.assertEqual(self.check("--nothing").returncode, 2)
        shown = self.check("--help")
        self.assertEqual(shown.returncode, 0)
        self.assertIn("Examples:", shown.stdout)

    def test_generated_files(self):
        for option, name in (("--reference", "docs/configuration.md"), ("--json-schema", "config/driftd.schema.json")):
            done = self.check(option)
            self.assertEqual(done.returncode, 0)
            with open(os.path.join(env.ROOT, name)) as f:
                self.assertEqual(done.stdout, f.read(), name)

    def config(self, topics, redis_port, url, secret_file, **more):
        brokers = env.brokers()
        return env.Driftd(self.dir, {
            "version": 1,
            "kafka": {"brokers": brokers.brokers, "group": "check"},
            "redis": {"host": "127.0.0.1", "port": redis_port},
            "owners": {"soc": {}},
            "endpoints": {"soc": {"url": url, "secret": {"file": secret_file}, "allow_private": True}},
            "streams": {"s": {"topics": topics, "format": "json", "time": "ts", "model": "m", "score": "s"}},
            "models": {"m": {"owner": "soc", "status_endpoint": "soc"}}, **more})

    def connect(self, driftd):
        done = self.check("-c", driftd.path, "--connect", "--timeout", "10s")
        return done.returncode, [line for line in done.stdout.splitlines() if line.startswith(("ok ", "warn", "FAIL"))]

    def test_good_servers(self):
        brokers, redis = env.brokers(), self.redis()
        topic = brokers.topic("check", 3)
        receiver = env.Receiver(self.dir)
        self.addCleanup(receiver.stop)
        driftd = self.config([topic], redis.port, receiver.url, receiver.secret_file)
        status, lines = self.connect(driftd)
        self.assertEqual(status, 0, lines)
        self.assertIn(f"ok    topic {topic}: 3 partitions, readable", lines)
        self.assertIn("ok    group check: may be used", lines)
        self.assertTrue(any(line.startswith("ok    redis: answers, version ") for line in lines), lines)
        self.assertTrue(any(line.startswith("ok    endpoint soc: takes connections") for line in lines), lines)
        self.assertEqual([line for line in lines if line.startswith("warn") and "librdkafka" not in line], [])
        self.assertEqual(receiver.deliveries, [])
        self.assertEqual(redis.command("DBSIZE"), 0)

    def test_bad_servers(self):
        redis, missing = self.redis(), "check-not-there"
        redis.command("CONFIG", "SET", "maxmemory", "100mb")
        redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        redis.command("CONFIG", "SET", "appendonly", "no")
        secret = os.path.join(self.dir, "secret")
        with open(secret, "w") as f:
            f.write("open to everybody, and that is wrong\n")
        os.chmod(secret, 0o644)
        driftd = self.config([missing], redis.port, f"http://127.0.0.1:{env.free_ports()}/", secret,
                             registry={"url": f"http://127.0.0.1:{env.free_ports()}/apis/ccompat/v7"})
        for _ in (1, 2):  # asking does not create the topic
            status, lines = self.connect(driftd)
            self.assertEqual(status, 1)
            failed = "\n".join(line for line in lines if line.startswith("FAIL"))
            self.assertIn(f"topic {missing}: does not exist", failed)
            self.assertIn("redis: evicts keys (maxmemory-policy allkeys-lru): set noeviction", failed)
            self.assertRegex(failed, r"registry: .*check registry: in the configuration")
            self.assertIn("endpoint soc: 127.0.0.1 takes no connection: Connection refused", failed)
            self.assertRegex(failed, r"endpoint soc: secret file .* is open to everybody: chmod")
            self.assertNotIn("and that is wrong", "\n".join(lines))
        self.assertTrue(any(line.startswith("warn  redis: appendonly is off") for line in lines), lines)
