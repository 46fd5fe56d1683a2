"""tests/integration/test_rights.py    A broker that refuses: each missing right is named, nobody dies, and granting it is enough."""
import json
import os
import re
import unittest

import env
import ingest_setting as setting

USER, PASSWORD = "watcher", "w4tch"

LISTENERS = """
listeners=PLAINTEXT://127.0.0.1:{a},CONTROLLER://127.0.0.1:{b},SASL_PLAINTEXT://127.0.0.1:{c}
advertised.listeners=PLAINTEXT://127.0.0.1:{a},SASL_PLAINTEXT://127.0.0.1:{c}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
"""


def properties(port):
    return LISTENERS.format(a=port, b=port + 1, c=port + 2, user=USER, password=PASSWORD)


class Rights(setting.Case):
    @classmethod
    def setUpClass(cls):
        if os.environ.get("DRIFTD_TEST_BROKERS") and not os.path.exists(os.path.join(env.CACHE, "kafka-4.3.1")):
            raise unittest.SkipTest("needs a broker of its own")
        cls.home = env.tempfile.mkdtemp(dir=env.TEMP)
        cls.kafka = env.Kafka(cls.home, 3, properties)
        cls.cluster = env.Brokers(cls.kafka.brokers, cls.kafka)
        cls.addClassCleanup(cls.kafka.kill)

    def prepare_refused(self, password=PASSWORD):
        """Everything set up by the super user; driftd logs in as somebody without any right."""
        self.prepare(2, brokers=self.cluster)
        self.quarantine = self.cluster.topic("quarantine", 1)
        self.config["kafka"].update({
            "brokers": f"127.0.0.1:{self.kafka.port + 2}", "quarantine_topic": self.quarantine,
            "options": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": USER, "sasl.password": password,
                        "session.timeout.ms": "6000", "topic.metadata.refresh.interval.ms": "500"}})
        self.watch = self.driftd()

    def allow(self, kind, name, operation):
        self.cluster.io("allow", name, kind, operation, f"User:{USER}")

    def says(self, page, pattern, seconds=30):
        env.wait_for(lambda: re.search(pattern, self.watch.get(self.watch.listen, page)[1]), f"{page} says {pattern}", seconds)

    def check_connect(self):
        return self.watch.command("check", "-c", self.watch.path, "--connect", check=False, seconds=60).stdout

    def test_each_right_is_asked_for_by_name(self):
        self.prepare_refused()
        self.produce([setting.START + i for i in range(100)], 2)
        self.cluster.produce(self.topic, [(None, b"{", 0)])
        process = self.run_(self.watch)
        group = rf"group {self.group} may not be used: give this user the ACL operation Read on the group"
        topic = rf"topic {self.topic} may not be read: give this user the ACL operations Describe and Read on the topic"
        kept = rf"quarantine topic {self.quarantine} may not be written: give this user the ACL operations Describe and Write on it"
        self.says("/readyz", group)
        self.assertRegex(process.text(), f"event=kafka_fetch_failed .*{group}")

        self.allow("group", self.group, "read")
        self.says("/readyz", topic)
        said = self.check_connect().replace(": may not", " may not")
        self.assertRegex(said, topic)
        self.assertRegex(said, kept.replace("quarantine topic", "topic").replace(" on it", " on the topic"))
        self.allow("topic", self.topic, "describe")
        self.says("/readyz", rf"partition {self.topic}/[01]: {topic}")
        self.assertIn("not ready", self.watch.get(self.watch.listen, "/readyz")[1])
        self.assertEqual(self.offsets(2), 0)

        self.allow("topic", self.topic, "read")
        self.says("/readyz", kept)
        self.assertRegex(process.text(), f"event=partition_waits .*{kept}")
        self.assertTrue(process.alive())
        self.assertEqual(self.slot(0).get(b"offset", b"0"), b"0", "what the quarantine did not take is not passed")
        self.allow("topic", self.quarantine, "write")
        self.allow("topic", self.quarantine, "describe")
        env.wait_for(lambda: self.offsets(2) == 101, "everything is read", 40)
        env.wait_for(lambda: self.watch.get(self.watch.listen, "/readyz")[0] == 200, "ready")
        self.assertEqual([r["value"] for r in self.cluster.consume(self.quarantine)][-1], b"{")
        self.assertNotIn("may not be", self.check_connect())
        self.assertEqual(process.stop(), 0)

    def test_wrong_password(self):
        self.prepare_refused("wrong")
        self.assertRegex(self.check_connect(), r"login refused: .*: check sasl\.\* in kafka\.options")
        process = self.run_(self.watch)
        env.wait_for(lambda: "event=kafka_error error=_AUTHENTICATION" in process.text(), "the log names it")
        self.assertEqual(self.watch.get(self.watch.listen, "/readyz")[0], 503)
        self.assertEqual(process.stop(), 0)
        status = self.watch.command("status", "-c", self.watch.path)
        self.assertRegex(status.stdout, r"kafka    unknown: Kafka refuses the login: ")


if __name__ == "__main__":
    unittest.main()
