"""tests/integration/test_chaos_proxy.py    The chaos tool's proxy does to a connection what its faults say."""
import os
import socket
import socketserver
import sys
import threading
import time
import unittest

import env

sys.path.insert(0, os.path.join(env.ROOT, "tests", "chaos"))
import proxy  # noqa: E402


class Echo(socketserver.ThreadingTCPServer):
    """Answers every piece with itself and notes it."""
    daemon_threads = allow_reuse_address = True

    def __init__(self):
        self.seen = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            try:
                data = self.request.recv(1000)
            except OSError:
                return
            if not data:
                return
            self.server.seen.append(data)
            self.request.sendall(data)


class Proxied(unittest.TestCase):
    def setUp(self):
        self.echo, self.loop = Echo(), proxy.Loop()
        self.addCleanup(self.echo.server_close)
        self.addCleanup(self.echo.shutdown)
        self.addCleanup(self.loop.stop)
        self.door = proxy.Proxy(self.loop, env.free_ports(), self.echo.server_address[1])

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.door.where), timeout=10)
        self.addCleanup(s.close)
        return s

    def ask(self, s, data):
        """The answer; b"" when the connection ends instead."""
        try:
            s.sendall(data)
            return s.recv(1000)
        except ConnectionError:
            return b""

    def test_passes_on(self):
        self.assertEqual(self.ask(self.connect(), b"one"), b"one")

    def test_reply_lost_after_arrival(self):
        s = self.connect()
        cut = self.door.cut(b"two", "after")
        self.assertEqual(self.ask(s, b"one"), b"one")
        self.assertEqual(self.ask(s, b"two"), b"")
        self.assertEqual(self.echo.seen, [b"one", b"two"])
        self.assertFalse(self.door.waits_for(cut))
        self.assertEqual(self.ask(self.connect(), b"two"), b"two")

    def test_never_arrives(self):
        self.door.cut(b"", "before")
        self.assertEqual(self.ask(self.connect(), b"one"), b"")
        self.door.cut(b"", "half")
        self.assertEqual(self.ask(self.connect(), b"abcd"), b"")
        env.wait_for(lambda: self.echo.seen == [b"ab"], "half of it arrives", 5)

    def test_arrives_late(self):
        self.door.cut(b"", "late", 0.3)
        self.assertEqual(self.ask(self.connect(), b"one"), b"")
        self.assertEqual(self.echo.seen, [])
        env.wait_for(lambda: self.echo.seen == [b"one"], "it arrives all the same", 5)

    def test_hold_refuse_slow_and_another_target(self):
        s, answers = self.connect(), []
        self.assertEqual(self.ask(s, b"x"), b"x")
        self.door.hold(True)
        t = threading.Thread(target=lambda: answers.append(self.ask(s, b"held")))
        t.start()
        t.join(0.2)
        self.assertEqual(answers, [])
        self.door.hold(False)
        t.join(10)
        self.assertEqual(answers, [b"held"])
        self.door.slow(100)
        began = time.monotonic()
        self.assertEqual(self.ask(s, b"slow"), b"slow")
        self.assertGreater(time.monotonic() - began, 0.19)
        self.door.slow()
        self.door.refuse(True)
        self.assertEqual(self.ask(self.connect(), b"no"), b"")
        self.door.refuse(False)
        other = Echo()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.door.lead_to(other.server_address[1])
        self.assertEqual(self.ask(s, b"old"), b"")
        self.assertEqual(self.ask(self.connect(), b"new"), b"new")
        self.assertEqual(other.seen, [b"new"])


if __name__ == "__main__":
    unittest.main()
