"""tests/lint/test_tree.py    What ARCHITECTURE.md promises about the tree: stage arrows, library doors, format, shell."""
import os
import re
import subprocess
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.M)

# Which rooms may open a library's header.  tools/ are programs of their own; pipeline.c wires everything; version.c
# prints the version of each.
DOORS = {
    r"librdkafka/": {"ingest", "tools"}, r"avro(\.h|/)": {"decode"}, r"gsl/": {"stats", "detect"}, r"hiredis/": {"store"},
    r"curl/": {"act", "decode", "pipeline"}, r"microhttpd\.h": {"serve", "tools"}, r"simdjson": {"decode"}, r"yaml\.h": {"config"},
    r"openssl/": {"base", "stats", "tools"}, r"zlib\.h": {"cli", "tools"},
}
# Headers of include/driftd/internal/ itself that travel through the house; the others are for the top.
COMMON = {"flow.h", "plan.h"}
TOP = {"main", "pipeline", "cli"}


def files(*endings):
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    names = listed.stdout.splitlines() if listed.returncode == 0 else [
        os.path.relpath(os.path.join(d, f), ROOT) for d, _, fs in os.walk(ROOT) for f in fs if "/build" not in d and "/.git" not in d]
    return sorted(n for n in names if n.endswith(endings) and os.path.exists(os.path.join(ROOT, n)))


def read(name):
    with open(os.path.join(ROOT, name), errors="replace") as f:
        return f.read()


def room_of(name):
    """Room of a file of src/ or include/driftd/internal/; None elsewhere."""
    found = re.match(r"(?:src|include/driftd/internal)/([^/]+)(/|\.[ch])", name)
    return found.group(1) if found else None


def rooms():
    """Rooms that each room may know, as CMakeLists.txt links them."""
    known = {}
    for name, rest in re.findall(r"^driftd_room\((\w+)([^)]*)\)", read("CMakeLists.txt"), re.M):
        known[name] = set(re.findall(r"driftd_(\w+)", rest)) | {name, "base"}
    return known


class Tree(unittest.TestCase):
    def test_a_room_includes_only_rooms_that_it_links(self):
        known, wrong, seen = rooms(), [], 0
        self.assertGreater(len(known), 9)
        for name in files(".c", ".cpp", ".h"):
            room = room_of(name)
            if room is None or room in TOP or room not in known:
                continue
            for header in INCLUDE.findall(read(name)):
                inner = re.match(r"driftd/internal/(?:([^/]+)/)?([^/]+)$", header)
                if not inner:
                    continue
                seen += 1
                fine = inner.group(1) in known[room] if inner.group(1) else inner.group(2) in COMMON
                if not fine:
                    wrong.append(f"{name} includes {header}")
        self.assertEqual(wrong, [])
        self.assertGreater(seen, 100)

    def test_each_library_has_its_door(self):
        wrong, seen = [], 0
        for name in files(".c", ".cpp", ".h"):
            if not name.startswith(("src/", "include/")) or name == "src/cli/version.c":
                continue
            room = room_of(name) or "public"
            for header in INCLUDE.findall(read(name)):
                for library, allowed in DOORS.items():
                    if re.match(library, header):
                        seen += 1
                        if room not in allowed:
                            wrong.append(f"{name} includes <{header}>")
        self.assertEqual(wrong, [])
        self.assertGreater(seen, 10)

    def test_public_headers_know_nothing_internal(self):
        for name in files(".h"):
            if re.fullmatch(r"include/driftd/[^/]+\.h", name):
                self.assertNotIn("driftd/internal/", read(name), name)

    def test_sources_are_formatted(self):
        done = subprocess.run(["clang-format", "--dry-run", "--Werror", *files(".c", ".cpp", ".h")], cwd=ROOT, capture_output=True, text=True)
        bad = sorted(set(re.findall(r"^(\S+\.(?:c|cpp|h)):\d+:\d+: error", done.stderr, re.M)))
        self.assertEqual(bad, [], "run `make format`")

    def test_each_source_says_what_it_is(self):
        bad = []
        for name in files(".c", ".cpp"):
            if not name.startswith("tests/unit/") and not re.match(r"/\* %s {2,}\S" % re.escape(name), read(name)):
                bad.append(name)
        self.assertEqual(bad, [])

    def test_shell_scripts_pass_shellcheck(self):
        scripts = files(".sh") + [".ci/run"]
        done = subprocess.run(["shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(done.stdout, "")
        self.assertGreater(len(scripts), 5)

    def test_nothing_is_left_unfinished(self):
        words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
        bad = [f"{n}: {w}" for n in files(".c", ".cpp", ".h", ".py", ".sh", ".md", ".yaml") for w in words.findall(read(n))]
        self.assertEqual(bad, [])

    def test_tests_do_not_sleep(self):
        sleeping = re.compile(r"(?<![\w.])(sleep|usleep|nanosleep)\s*\(|time\.sleep")
        bad = [n for n in files(".c", ".py") if n.startswith("tests/") and not n.startswith("tests/lint/") and sleeping.search(read(n))]
        self.assertEqual(bad, [])

    def test_commit_subjects(self):
        log = subprocess.run(["git", "-C", ROOT, "log", "--no-merges", "--format=%s", "-400"], capture_output=True, text=True)
        if log.returncode:
            self.skipTest("not a git clone")
        bad = [s for s in log.stdout.splitlines() if not re.fullmatch(r"[a-z]+: \S.*[^.]", s) or len(s) > 72]
        self.assertEqual(bad, [])

    def test_packages_are_listed_once(self):
        names = [line.split()[1] for line in read("docker/packages.txt").splitlines() if line.strip() and not line.startswith("#")]
        self.assertEqual(len(names), len(set(names)))
        linked = set(re.findall(r"pkg_check_modules\(\w+ REQUIRED IMPORTED_TARGET ([\w.-]+)", read("CMakeLists.txt")))
        package = {"rdkafka": "librdkafka-dev", "avro-c": "libavro-dev", "gsl": "libgsl-dev", "hiredis": "libhiredis-dev",
                   "libcurl": "libcurl4-openssl-dev", "libmicrohttpd": "libmicrohttpd-dev", "yaml-0.1": "libyaml-dev",
                   "jansson": "libjansson-dev", "libcrypto": "libssl-dev", "simdjson": "libsimdjson-dev", "zlib": "zlib1g-dev", "check": "check"}
        self.assertLessEqual({package[m] for m in linked}, set(names))
