"""tests/integration/env.py    The servers of the integration tests: one class each, on free ports, with bounded waits.

    DRIFTD_BUILD         build directory with driftd and its tools (default: build/release)
    DRIFTD_CACHE         where Kafka's and the registry's jars are kept (default: ~/.cache/driftd-tests)
    DRIFTD_TEST_BROKERS  a cluster to use instead of an own broker
    DRIFTD_TEST_SLOW     multiplier of every wait (default 1)
"""
import atexit
import base64
import hashlib
import hmac
import http.server
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import yaml

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
BUILD = os.environ.get("DRIFTD_BUILD") or os.path.join(ROOT, "build", "release")
CACHE = os.environ.get("DRIFTD_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "driftd-tests")
SHARED = os.environ.get("DRIFTD_SHARED") or os.path.join(ROOT, "..", "shared")
SLOW = float(os.environ.get("DRIFTD_TEST_SLOW") or 1)
TEMP = tempfile.mkdtemp(prefix="driftd-test-")
atexit.register(shutil.rmtree, TEMP, ignore_errors=True)


def _port_range():
    """Ports that the system does not give to outgoing connections: a server that is killed finds its port free again."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            end = int(f.read().split()[0])
    except (OSError, ValueError):
        end = 32768
    return (10_000, end) if end > 15_000 else (20_000, 60_000)


def free_ports(n=1):
    """n neighbouring ports that nobody listens on now."""
    low, high = _port_range()
    for _ in range(500):
        port = low + secrets.randbelow(high - low - n)
        try:
            for k in range(n):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port + k))
            return port
        except OSError:
            continue
    raise RuntimeError(f"no {n} neighbouring free ports")


def rfc3339(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def wait_for(condition, what, seconds=30):
    """The first true value of condition(); AssertionError after so many seconds."""
    pause, end = threading.Event(), time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds * SLOW:g} s")
        pause.wait(0.03)


def long(test):
    """Marks a test that takes too long for every change: `make check-long` runs it."""
    test.long = True
    return test


def shared(*parts):
    """A file of the reference data; the test is skipped when it is not there."""
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"needs {'/'.join(parts)} of the reference data beside the clone (DRIFTD_SHARED)")
    return path


def tool(name):
    path = os.path.join(BUILD, name)
    return path if os.path.exists(path) else os.path.join(BUILD, "tests", name)


class Process:
    """A child with its output in a file; ended by its id."""

    def __init__(self, args, log, **more):
        self.log = log
        self.file = open(log, "ab")
        self.child = subprocess.Popen(args, stdout=more.pop("stdout", self.file), stderr=self.file, stdin=subprocess.DEVNULL, **more)
        atexit.register(self.kill)

    def alive(self):
        return self.child.poll() is None

    def wait(self, seconds=60):
        return self.child.wait(seconds * SLOW)

    def signal(self, sig):
        self.child.send_signal(sig)

    def stop(self, seconds=20):
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(seconds * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.child.args[0]} did not end within {seconds * SLOW:g} s of SIGTERM")
        self.file.close()
        return self.child.returncode

    def kill(self):
        if self.alive():
            self.child.kill()
            self.child.wait()
        self.file.close()

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()


class Kafka:
    """A real broker (kafka/start.sh), or the cluster of DRIFTD_TEST_BROKERS."""

    def __init__(self, folder, ports=2, properties=None):
        """properties: of (port) -> text for the broker's configuration."""
        self.folder = os.path.join(folder, "kafka")
        self.port = free_ports(ports)
        self.extra = []
        if properties:
            self.extra = [os.path.join(folder, "kafka.properties")]
            with open(self.extra[0], "w") as f:
                f.write(properties(self.port))
        self.brokers = f"127.0.0.1:{self.port}"
        self.libs = os.path.join(CACHE, "kafka-4.3.1")
        subprocess.run([os.path.join(HERE, "kafka", "fetch.sh"), self.libs], check=True, timeout=600)
        atexit.register(self.kill)
        self.start()

    def start(self):
        subprocess.run([os.path.join(HERE, "kafka", "start.sh"), self.folder, str(self.port), *self.extra], check=True, timeout=90,
                       stdout=subprocess.DEVNULL, env={**os.environ, "KAFKA_LIBS": self.libs})

    def stop(self):
        subprocess.run([os.path.join(HERE, "kafka", "stop.sh"), self.folder, "15"], check=True, timeout=60)

    def kill(self):
        subprocess.run([os.path.join(HERE, "kafka", "stop.sh"), self.folder, "0"], check=False, timeout=60)


class Brokers:
    """What tests do with a cluster, wherever it runs."""

    def __init__(self, brokers, kafka=None):
        self.brokers, self.kafka = brokers, kafka

    def io(self, verb, topic, *args, **more):
        done = subprocess.run([tool("kafka_io"), verb, self.brokers, topic, *map(str, args)], capture_output=True,
                              timeout=180 * SLOW, **more)
        if done.returncode:
            raise AssertionError(f"kafka_io {verb} {topic}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def topic(self, stem, partitions=4):
        """A new topic that keeps old timestamps for ever."""
        name = f"{stem}-{secrets.token_hex(4)}"
        self.io("topic", name, partitions, "retention.ms=-1")
        return name

    def produce(self, topic, records):
        """records: (key, value) or (key, value, partition, timestamp); bytes, or None."""
        out = bytearray()
        for key, value, *rest in records:
            partition, timestamp = (rest + [None, None])[:2] if rest else (None, None)
            out += struct.pack("<iqii", -1 if partition is None else partition, -1 if timestamp is None else timestamp,
                               -1 if key is None else len(key), -1 if value is None else len(value))
            out += (key or b"") + (value or b"")
        return int(self.io("produce", topic, input=bytes(out)))

    def consume(self, topic):
        """All records of a topic as dicts; key, value and headers are bytes."""
        def raw(x):
            return None if x is None else bytes.fromhex(x)
        rows = [json.loads(line) for line in self.io("consume", topic).splitlines()]
        for r in rows:
            r["key"], r["value"] = raw(r["key"]), raw(r["value"])
            r["headers"] = {k: raw(v) for k, v in r["headers"].items() if k}
        return rows


_shared_brokers = None


def brokers():
    """The cluster that all tests share; started by the first one."""
    global _shared_brokers
    if _shared_brokers is None:
        outside = os.environ.get("DRIFTD_TEST_BROKERS")
        kafka = None if outside else Kafka(TEMP)
        _shared_brokers = Brokers(outside or kafka.brokers, kafka)
    return _shared_brokers


class Registry:
    """Apicurio with Confluent's REST API."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "registry")
        self.port = free_ports()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        atexit.register(self.stop)
        self.start()

    def start(self):
        subprocess.run([os.path.join(HERE, "kafka", "registry.sh"), os.path.join(CACHE, "registry-2.6.13"), self.folder, str(self.port)],
                       check=True, timeout=600, stdout=subprocess.DEVNULL)

    def stop(self):
        subprocess.run([os.path.join(HERE, "kafka", "stop.sh"), self.folder, "0"], check=False, timeout=60)

    def register(self, subject, schema):
        body = json.dumps({"schema": json.dumps(schema)}).encode()
        request = urllib.request.Request(f"{self.url}/subjects/{subject}/versions", body,
                                         {"Content-Type": "application/vnd.schemaregistry.v1+json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["id"]


_shared_registry = None


def registry():
    global _shared_registry
    if _shared_registry is None:
        _shared_registry = Registry(TEMP)
    return _shared_registry


class Redis:
    """redis-server with an append-only file, so that it can be killed and started again."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "redis")
        os.makedirs(self.folder)
        self.port = free_ports()
        self.process = None
        self.start()

    def start(self):
        self.process = Process(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                                "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"],
                               os.path.join(self.folder, "redis.log"))
        wait_for(self.up, "redis-server")

    def up(self):
        try:
            return self.command("PING") == b"PONG"
        except (OSError, RuntimeError):  # RuntimeError: it is still loading
            return False

    def stop(self):
        self.process.kill()

    def command(self, *args):
        return self.command_at(self.port, *args)

    @staticmethod
    def command_at(port, *args):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in (_bytes(a) for a in args)))
            return _reply(s.makefile("rb"))

    def hash(self, key):
        flat = self.command("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def verdicts(self, group, model, chain="input"):
        """Verdict bodies by start of the window."""
        rows = self.hash(f"driftd:{{m/{group}/{model}{'/label' if chain == 'label' else ''}}}:v")
        return {int(k): json.loads(v) for k, v in sorted(rows.items(), key=lambda r: int(r[0]))}

    def offset(self, group, topic, partition):
        return int(self.command("HGET", f"driftd:{{p/{group}/{topic}/{partition}}}", "offset") or 0)


def _bytes(a):
    return a if isinstance(a, bytes) else str(a).encode()


def _reply(f):
    line = f.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise RuntimeError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else f.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_reply(f) for _ in range(int(rest))]
    raise OSError(f"unexpected answer {line!r}")


class Receiver:
    """A webhook receiver that checks Standard Webhooks signatures with its own code and can misbehave.

    `answer(n)`, n = number of the delivery, gives the status; None closes the connection without one."""

    def __init__(self, folder, secret=None, answer=None):
        self.secret = secret or "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.secret_file = os.path.join(folder, "webhook-secret")
        with open(os.path.join(folder, self.secret_file), "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
            f.write(self.secret + "\n")
        self.answer = answer or (lambda n: 200)
        self.lock = threading.Lock()
        self.deliveries = []
        self.port = free_ports()
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.server = None
        self.start()

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = receiver.take(self.headers, body)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a killed driftd cuts its connection

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def verify(self, headers, body):
        """Standard Webhooks 1.0, written from its text: HMAC-SHA256 over id.timestamp.body."""
        key = base64.b64decode(self.secret.split("_", 1)[1])
        signed = headers.get("webhook-id", "").encode() + b"." + headers.get("webhook-timestamp", "").encode() + b"." + body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(wanted, s[3:]) for s in headers.get("webhook-signature", "").split() if s.startswith("v1,"))

    def take(self, headers, body):
        with self.lock:
            n = len(self.deliveries)
            status = self.answer(n)
            self.deliveries.append({"id": headers.get("webhook-id"), "verified": self.verify(headers, body), "body": body,
                                    "event": json.loads(body), "status": status, "type": headers.get("content-type")})
            return status

    def accepted(self):
        """Body by id of what was answered with 2xx."""
        with self.lock:
            return {d["id"]: d["body"] for d in self.deliveries if d["status"] and d["status"] < 300}


class Driftd:
    """The binary with one configuration file."""

    def __init__(self, folder, config):
        self.folder = folder
        self.path = os.path.join(folder, "driftd.yaml")
        with open(self.path, "w") as f:
            yaml.safe_dump(config, f, sort_keys=False)
        self.runs = 0

    def command(self, *args, seconds=120, check=True):
        done = subprocess.run([tool("driftd"), *args], capture_output=True, text=True, timeout=seconds * SLOW)
        if check and done.returncode:
            raise AssertionError(f"driftd {' '.join(args)}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done

    def start(self, *args):
        self.runs += 1
        log = os.path.join(self.folder, f"driftd-{self.runs}.log")
        out = open(os.path.join(self.folder, f"driftd-{self.runs}.out"), "wb")
        process = Process([tool("driftd"), "run", "-c", self.path, *args], log, stdout=out)
        process.out = out.name
        return process

    def until_end(self, seconds=120):
        process = self.start("--until-end")
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"driftd run --until-end: not at the end within {seconds * SLOW:g} s\n{process.text()[-4000:]}")
        if status:
            raise AssertionError(f"driftd run --until-end: status {status}\n{process.text()[-4000:]}")
        return process

    def get(self, listen, path):
        """(status, text) of driftd's own HTTP server; (0, "") while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{listen}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ""


class Case(unittest.TestCase):
    """A test with a folder of its own (self.dir), kept under build/test-logs when the test fails."""

    maxDiff = 2000

    def run(self, result=None):
        self.folders = []
        before = len(result.failures) + len(result.errors) if result is not None else 0
        done = super().run(result)
        result = done if result is None else result
        self.keep(len(result.failures) + len(result.errors) > before)
        return done

    def setUp(self):
        self.folder()

    def folder(self):
        """A new self.dir."""
        self.dir = tempfile.mkdtemp(dir=TEMP)
        self.folders.append(self.dir)

    def keep(self, failed):
        """Throws the test's files away, or keeps them when it failed."""
        kept = os.path.join(ROOT, "build", "test-logs", self.id())
        if failed:
            shutil.rmtree(kept, ignore_errors=True)
            os.makedirs(kept)
            print(f"    files of the failed test: {os.path.relpath(kept, ROOT)}", flush=True)
        for folder in self.folders:
            if failed:
                shutil.move(folder, kept)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    def redis(self):
        r = Redis(self.dir)
        self.addCleanup(r.stop)
        return r

    def receiver(self, **more):
        r = Receiver(self.dir, **more)
        self.addCleanup(r.stop)
        return r


def configuration(brokers_text, redis_port, receiver, group="test", **more):
    """What every test's configuration has; `more` adds top-level keys."""
    return {
        "version": 1,
        "kafka": {"brokers": brokers_text, "group": group},
        "redis": {"host": "127.0.0.1", "port": redis_port},
        "state": {"settle": "0s", "flush_interval": "200ms", "idle_after": "1s", "max_action_age": "3650d", "retain": "1h"},
        "http": {"listen": f"127.0.0.1:{free_ports()}"},
        "owners": {"soc": {"team": "Detection", "contact": "detection@example.org"}},
        "endpoints": {"soc": {"url": receiver.url, "secret": {"file": receiver.secret_file}, "allow_private": True}},
        "playbooks": {"all": {"what_to_do": "look at the worst features first", "runbook_url": "https://runbooks.example.org/drift",
                              "steps": [{"do": "ticket", "endpoint": "soc"}, {"do": "notify", "endpoint": "soc"},
                                        {"do": "disable_automation", "endpoint": "soc"}]}},
        **more,
    }
