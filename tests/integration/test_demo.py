"""tests/integration/test_demo.py    `make demo` as a user runs it, a little faster, and with a file of his own."""
import glob
import gzip
import os
import re
import shutil
import subprocess

import env
import phish


class Demo(env.Case):
    def demo(self, **environment):
        """Output of the demo; afterwards neither a process nor a file of it is left."""
        done = subprocess.run([os.path.join(env.ROOT, "src", "tools", "demo.sh")], capture_output=True, text=True, timeout=90 * env.SLOW,
                              env={**os.environ, "DRIFTD_BUILD": env.BUILD, "TMPDIR": self.dir, **environment})
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-4000:])
        self.assertEqual(os.listdir(self.dir), [n for n in os.listdir(self.dir) if not n.startswith("driftd-demo")])
        left = [c for c in map(command_line, glob.glob("/proc/[0-9]*/cmdline")) if os.path.join(self.dir, "driftd-demo") in c]
        self.assertEqual(left, [])
        return done.stdout

    def sent(self, out):
        """Rows of the table at the end, as (transition, severity, rule, step)."""
        received, verified = map(int, re.search(r"^(\d+) webhooks received, (\d+) signatures verified$", out, re.M).groups())
        self.assertEqual(received, verified)
        table = out[out.rindex("\nwindow    what"):]
        rows = re.findall(r"^\d\d:\d\d:\d\d +(firing|update|resolved) +(warning|critical) +(\S+) +(\S+)", table, re.M)
        self.assertGreater(len(rows), 0)
        self.assertLessEqual(len(rows), received)
        return rows

    def test_scenario(self):
        out = self.demo(SPEED="40")
        for phase in ("calm", "campaign", "outage", "recovery"):
            self.assertIn(f"phase  {phase}", out)
        rows = self.sent(out)
        fired = {(r[2], r[3]) for r in rows if r[0] == "firing"}
        self.assertLessEqual({("input-drift", "page"), ("label-drift", "page"), ("feature-outage", "ticket")}, fired)
        for rule in {r for r, _ in fired}:
            last = [r for r in rows if r[2] == rule][-1]
            self.assertEqual(last[0], "resolved", f"{rule} is over when the traffic has recovered")
        self.assertIn("(shadow)", out)
        windows = re.findall(r"^window +phish-url +input .* n=(\d+) +(\w+)", out, re.M)
        self.assertGreaterEqual(len(windows), 35)
        self.assertEqual({w[1] for w in windows[:8]}, {"ok"}, "calm traffic is calm")

    def test_a_users_own_file(self):
        raw = phish.lines(self.dir)
        path = os.path.join(self.dir, "events.ndjson.gz")
        with gzip.open(path, "wb") as f:
            f.write(b"\n".join(raw) + b"\n")
        config = os.path.join(self.dir, "own.yaml")
        shutil.copy(os.path.join(env.ROOT, "config", "demo.yaml"), config)
        out = self.demo(EVENTS=path, CONFIG=config)
        self.assertEqual(sum(int(n) for n in re.findall(r"^window +phish-url +input .* n=(\d+)", out, re.M)), len(raw))
        self.assertIn("feature-outage", {r[2] for r in self.sent(out)})

    def test_wrong_use_is_refused(self):
        for environment, wanted in (({"EVENTS": "x"}, "needs CONFIG"), ({"CONFIG": "/nonexistent.yaml"}, "cannot read")):
            done = subprocess.run([os.path.join(env.ROOT, "src", "tools", "demo.sh")], capture_output=True, text=True, timeout=20,
                                  env={**os.environ, "DRIFTD_BUILD": env.BUILD, **environment})
            self.assertEqual(done.returncode, 2)
            self.assertIn(wanted, done.stderr)


def command_line(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""
