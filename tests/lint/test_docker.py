"""tests/lint/test_docker.py    docker/ fits together: image, compose file, configuration, Prometheus, Grafana, systemd unit.

`make check-image` builds the image for real; this reads the files only.
"""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
ANALYZE = shutil.which("systemd-analyze")
PROMTOOL = shutil.which("promtool")


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


def load(name):
    return yaml.safe_load(read(name))


def driftd():
    """The built program; the test is skipped when there is none."""
    for build in filter(None, (os.environ.get("DRIFTD_BUILD"), os.path.join(ROOT, "build", "release"), os.path.join(ROOT, "build", "demo"))):
        path = os.path.join(build, "driftd")
        if os.path.exists(path):
            return path
    raise unittest.SkipTest("driftd is not built (DRIFTD_BUILD)")


def dockerfile():
    """[(instruction, arguments)], and the instructions of each stage by name ("" is the last one)."""
    lines = re.sub(r"\\\n", " ", "\n".join(l for l in read("docker/Dockerfile").splitlines() if not l.startswith("#")))
    steps, stages, stage = [], {}, None
    for line in filter(str.strip, lines.splitlines()):
        word, rest = line.split(None, 1)
        steps.append((word, rest))
        if word == "FROM":
            stage = (re.search(r" AS (\w+)", rest) or [None, ""])[1]
            stages[stage] = []
        elif stage is not None:
            stages[stage].append((word, rest))
    return steps, stages


def arguments(stage, word):
    return [rest for w, rest in dockerfile()[1][stage] if w == word]


def published(service):
    """{port on the host: port inside} of the published ports, all on the loopback address."""
    ports = {}
    for entry in service.get("ports", []):
        address, outside, inside = entry.split(":")
        assert address == "127.0.0.1", f"{entry} is open to the network"
        ports[int(outside)] = int(inside)
    return ports


def values(node, key):
    """Every value of key anywhere in node."""
    if isinstance(node, dict):
        for k, v in node.items():
            if k == key:
                yield v
            yield from values(v, key)
    elif isinstance(node, list):
        for v in node:
            yield from values(v, key)


class Image(unittest.TestCase):
    def test_stages(self):
        steps, stages = dockerfile()
        self.assertEqual(steps[0], ("ARG", "BASE=debian:trixie-slim"))
        self.assertEqual(list(stages), ["build", "test", ""])
        self.assertEqual([rest.split()[0] for w, rest in steps if w == "FROM"], ["${BASE}", "build", "${BASE}"])

    def test_packages_come_from_the_one_list(self):
        self.assertFalse(re.search(r"apt(-get)? +install", "".join(rest for _, rest in dockerfile()[0])))
        sections = {"build": "build", "test": "unit", "": "run"}
        known = {s for line in read("docker/packages.txt").splitlines() if line.strip() and not line.startswith("#") for s in line.split()[0].split(",")}
        for stage, section in sections.items():
            self.assertIn(section, known)
            self.assertTrue([r for r in arguments(stage, "RUN") if re.search(r"install\.sh %s\b(?! *\w)" % section, r)], stage)
        self.assertTrue(any("docker/packages.txt" in r for r in arguments("build", "COPY")))
        self.assertIn("source=docker/packages.txt", arguments("", "RUN")[0])

    def test_what_runs(self):
        self.assertEqual(arguments("", "ENTRYPOINT"), ['["/usr/bin/driftd"]'])
        self.assertEqual(arguments("", "CMD"), ['["run", "-c", "/etc/driftd/driftd.yaml"]'])
        self.assertEqual(arguments("", "USER"), ["65532:65532"])
        self.assertTrue(any(r.endswith(" /usr/bin/driftd") and r.startswith("--from=build") for r in arguments("", "COPY")))

    def test_everything_copied_is_in_the_context(self):
        ignore = read(".dockerignore").splitlines()
        self.assertEqual([l for l in ignore if l and not l.startswith("#")][0], "*")
        kept, seen = [l[1:] for l in ignore if l.startswith("!")], 0
        for word, rest in dockerfile()[0]:
            if word != "COPY" or "--from" in rest:
                continue
            for source in shlex.split(rest)[:-1]:
                seen += 1
                self.assertTrue(os.path.exists(os.path.join(ROOT, source)), source)
                self.assertTrue(any(source == k or source.startswith(k + "/") for k in kept), f"{source} is ignored")
        self.assertGreater(seen, 8)


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = load("docker/compose.yaml")
        self.services = self.compose["services"]
        self.config = load("docker/driftd.yaml")
        self.service = self.services["driftd"]

    def test_services(self):
        self.assertLessEqual({"kafka", "redis", "prometheus", "grafana", "driftd"}, set(self.services))
        for name, s in self.services.items():
            published(s)
            for other in s.get("depends_on", {}):
                self.assertIn(other, self.services, name)
            for volume in s.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, "docker", source)), volume)
                else:
                    self.assertIn(source, self.compose["volumes"], volume)
            if "build" in s:
                self.assertEqual((s["build"]["context"], s["build"]["dockerfile"]), ("..", "docker/Dockerfile"))
                self.assertIn(s["build"].get("target", ""), dockerfile()[1])
            else:
                self.assertRegex(s["image"], r":[\w.-]*\d", f"{name}: no version")

    def test_driftd_listens_where_all_others_look(self):
        host, port = self.config["http"]["listen"].rsplit(":", 1)
        self.assertEqual(host, "0.0.0.0")
        self.assertEqual(arguments("", "EXPOSE"), [port])
        self.assertEqual(published(self.service), {int(port): int(port)})
        jobs = load("docker/prometheus.yml")["scrape_configs"]
        self.assertEqual([(j["job_name"], j["static_configs"][0]["targets"]) for j in jobs], [("driftd", [f"driftd:{port}"])])
        default = re.search(r"\| `listen` \| text \| `127\.0\.0\.1:(\d+)`", read("docs/configuration.md"))
        self.assertEqual(default.group(1), port)

    def test_metrics_path_and_job(self):
        routes = set(re.findall(r'^ *\{"(/\w+)", page_\w+\}', read("src/serve/serve.c"), re.M))
        job = load("docker/prometheus.yml")["scrape_configs"][0]
        self.assertIn(job["metrics_path"], routes)
        self.assertEqual(set(re.findall(r'job="(\w+)"', read("dashboards/grafana/alerts.yaml"))), {job["job_name"]})
        for path in re.findall(r"localhost:9187(/\w+)", read("docker/compose.yaml")):
            self.assertIn(path, routes)

    def test_servers_are_services(self):
        kafka = self.services["kafka"]["environment"]
        advertised = dict(a.split("://") for a in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
        for broker in self.config["kafka"]["brokers"].split(","):
            self.assertIn(broker.split(":")[0], self.services)
            self.assertIn(broker, advertised.values())
        listeners = {l.split("://")[0]: int(l.rsplit(":", 1)[1]) for l in kafka["KAFKA_LISTENERS"].split(",")}
        self.assertEqual(set(listeners), {m.split(":")[0] for m in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")})
        for name, address in advertised.items():
            self.assertEqual(listeners[name], int(address.split(":")[1]), name)
        self.assertEqual(advertised["OUTSIDE"], "localhost:%d" % next(iter(published(self.services["kafka"]))))
        self.assertIn(self.config["redis"]["host"], self.services)
        self.assertEqual(self.config["redis"]["port"], 6379)
        self.assertIn(":9092", kafka["KAFKA_LISTENERS"])

    def test_redis_keeps_what_it_is_given(self):
        command = " ".join(self.services["redis"]["command"])
        self.assertIn("--appendonly yes", command)
        self.assertIn("--maxmemory-policy noeviction", command)

    def test_topics_are_made(self):
        made = re.search(r"for topic in ([^;]+);", self.services["topics"]["command"][0]).group(1).split()
        used = {s["topic"] for s in self.config["streams"].values()} | {self.config["kafka"]["quarantine_topic"]}
        self.assertEqual(set(made), used)

    def test_kafka_is_the_one_that_is_tested(self):
        version = re.search(r"<kafka.version>([\d.]+)<", read("tests/integration/kafka/pom.xml")).group(1)
        for name in ("kafka", "topics"):
            self.assertEqual(self.services[name]["image"], f"apache/kafka:{version}")

    def test_secrets_are_handed_in(self):
        wanted = {v["env"] for key in ("secret", "password", "sasl.password") for v in values(self.config, key) if "env" in v}
        self.assertEqual(wanted, {"DRIFTD_SECRET"})
        for name in wanted:
            self.assertRegex(self.service["environment"][name], r"^\$\{%s:\?" % name)  # no default: compose refuses without it
            self.assertIn(f"export {name}=", read("docker/compose.yaml"))

    def test_the_receiver_is_where_the_endpoint_says(self):
        url = self.config["endpoints"]["soc"]["url"]
        receiver = self.services["receiver"]
        port = re.search(r"--port (\d+)", receiver["command"][0]).group(1)
        self.assertTrue(url.startswith(f"http://127.0.0.1:{port}/"), url)
        self.assertEqual(receiver["network_mode"], "service:driftd")
        for service in (receiver, self.services["traffic"]):
            self.assertEqual(service["profiles"], ["demo"])
        program = re.search(r"build/demo/([\w-]+)", receiver["command"][0]).group(1)
        for name in (program, os.path.basename(self.services["traffic"]["command"][0])):
            self.assertTrue(os.path.exists(os.path.join(ROOT, "src", "tools", name + ".c")), name)
        scenario = self.services["traffic"]["command"][2]
        self.assertTrue(os.path.exists(os.path.join(ROOT, scenario)))
        self.assertTrue(any(scenario.startswith(r.split()[0]) for r in arguments("build", "COPY")))

    def test_configuration_is_mounted_where_the_image_reads_it(self):
        self.assertIn("./driftd.yaml:%s:ro" % arguments("", "CMD")[0].split('"')[-2], self.service["volumes"])
        self.assertTrue(self.service["read_only"])
        self.assertEqual(self.service["cap_drop"], ["ALL"])

    def test_configuration_is_good(self):
        done = subprocess.run([driftd(), "check", "-c", os.path.join(ROOT, "docker", "driftd.yaml")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_grafana_finds_prometheus_and_the_dashboard(self):
        source = load("docker/grafana/datasources.yaml")["datasources"][0]
        self.assertEqual((source["type"], source["url"]), ("prometheus", "http://prometheus:9090"))
        self.assertEqual(published(self.services["prometheus"]), {9090: 9090})
        folder = load("docker/grafana/dashboards.yaml")["providers"][0]["options"]["path"]
        self.assertIn(f"../dashboards/grafana:{folder}:ro", self.services["grafana"]["volumes"])
        home = self.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertTrue(os.path.exists(os.path.join(ROOT, "dashboards", "grafana", os.path.relpath(home, folder))))

    def test_prometheus_loads_the_alert_rules(self):
        mounted = dict(v.split(":")[:2][::-1] for v in self.services["prometheus"]["volumes"])
        self.assertEqual(mounted[load("docker/prometheus.yml")["rule_files"][0]], "../dashboards/grafana/alerts.yaml")

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (package prometheus)")
    def test_prometheus_accepts_its_configuration(self):
        text = read("docker/prometheus.yml").replace("/etc/prometheus/alerts.yaml", os.path.join(ROOT, "dashboards", "grafana", "alerts.yaml"))
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
            f.write(text)
            f.flush()
            done = subprocess.run([PROMTOOL, "check", "config", f.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Unit(unittest.TestCase):
    def test_what_runs(self):
        unit = read("docker/driftd.service")
        image = re.findall(r'"([^"]+)"', " ".join(arguments("", "ENTRYPOINT") + arguments("", "CMD")))
        self.assertEqual(re.search(r"^ExecStart=(.*)$", unit, re.M).group(1).split(), image)
        exits = dict(re.findall(r"DRIFT_EXIT_(\w+) = (\d+)", read("include/driftd/internal/cli.h")))
        self.assertEqual(re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.M).group(1).split(), [exits["USAGE"], exits["CONFIG"]])
        ends = int(re.search(r"ends within (\d+) s", read("src/cli/run.c")).group(1))
        self.assertGreater(int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M).group(1)), ends)
        self.assertIn(f"within {ends} s of SIGTERM", unit)

    @unittest.skipUnless(ANALYZE, "systemd-analyze is not installed")
    def test_it_is_hardened(self):
        """systemd's own score, 0 (closed) to 10 (open)."""
        path = os.path.join(ROOT, "docker", "driftd.service")
        for threshold, status in (("15", 0), ("5", 1)):
            done = subprocess.run([ANALYZE, "security", "--offline=true", f"--threshold={threshold}", "--no-pager", path], capture_output=True, text=True)
            self.assertEqual(bool(done.returncode), bool(status), done.stdout[-400:] + done.stderr)


if __name__ == "__main__":
    unittest.main()
