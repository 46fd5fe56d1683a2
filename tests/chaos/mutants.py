"""tests/chaos/mutants.py    Builds of driftd with one rule of the protocol taken away: each must be caught by the oracle.

A mutant is a list of (file, text, other text); a text that does not stand in its file exactly once any more is an error, and
a test (tests/integration/test_mutants.py) says so in every run of the checks."""
import os
import shutil
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAUSE = 'poll(NULL, 0, 30);'

MUTANTS = {
    # FLUSH applies whatever the head is: a process that was stopped writes over what its successor has counted
    "no_head_compare": [
        ("src/store/scripts.c", '''    "if h == new then return {'DUP', text(now)} end\\n"
    "if h ~= prev then return {'STALE', text(now)} end\\n"
    "if advto''', '''    "if h == new then return {'DUP', text(now)} end\\n"
    "if advto'''),
    ],
    # counts first, the offset by a write of its own behind it: a crash in between counts records twice
    "offset_apart": [
        ("src/ingest/flush.c", "    if (send_flush(ing, o, &f, bytes, began_ns, &reply, &err))\n        return !drift_owned_store_failed(ing, o, &err);\n"
                               "    if (reply == DRIFT_REPLY_STALE) {\n        drift_owned_stale(ing, o);\n        return true;\n    }\n"
                               "    drift_partition_flushed",
         '''    struct drift_flush apart = {.n_sets = f.n_sets && !strcmp(f.sets[0].name, "offset"), .sets = f.sets};
    f.n_sets -= apart.n_sets;
    f.sets += apart.n_sets;
    if (send_flush(ing, o, &f, bytes, began_ns, &reply, &err))
        return !drift_owned_store_failed(ing, o, &err);
    if (reply != DRIFT_REPLY_STALE && apart.n_sets) {
        %s
        if (send_flush(ing, o, &apart, 0, began_ns, &reply, &err))
            return !drift_owned_store_failed(ing, o, &err);
    }
    if (reply == DRIFT_REPLY_STALE) {
        drift_owned_stale(ing, o);
        return true;
    }
    drift_partition_flushed''' % PAUSE),
        ("src/ingest/flush.c", "#include <string.h>\n", "#include <poll.h>\n#include <string.h>\n"),
    ],
    # the ids of events are known to the process alone: after a crash their duplicates count again
    "dedup_in_memory": [
        ("src/ingest/partition.c", "            drift_dedup_save(&p->dedup, p->windows[i]->field, p->windows[i]->ids, add_field, p);\n", "            (void)add_field;\n"),
    ],
    # reading goes on at the group's committed offset, which is committed before the counts are saved: a crash loses them
    "commit_before_flush": [
        ("src/ingest/flush.c", "    if (send_flush(ing, o, &f, bytes, began_ns, &reply, &err))\n",
         '''    struct drift_fetch before = {o->topic, o->number, drift_partition_next(o->state), false};
    drift_group_commit(ing->group, &before, 1);
    %s
    if (send_flush(ing, o, &f, bytes, began_ns, &reply, &err))
''' % PAUSE),
        ("src/ingest/flush.c", "#include <string.h>\n", "#include <poll.h>\n#include <string.h>\n"),
        ("src/ingest/owned.c", "    if (o->end_offset < 0)\n        o->end_offset = high;\n",
         '''    if (o->end_offset < 0)
        o->end_offset = high;
    if (!drift_group_committed(ing->group, o->topic, o->number, ASK_MS, &committed, err) && committed > next) {
        drift_partition_start(state, committed, true);
        next = committed;
    }
'''),
    ],
}


def changed(name, root=ROOT):
    """file -> its text with the mutant's changes."""
    files = {}
    for path, old, new in MUTANTS[name]:
        if path not in files:
            with open(os.path.join(root, path)) as f:
                files[path] = f.read()
        if files[path].count(old) != 1:
            raise AssertionError(f"mutant {name}: the text to change stands {files[path].count(old)} times in {path}; mend the mutant:\n{old}")
        files[path] = files[path].replace(old, new)
    return files


class Builder:
    """A copy of the source with a build of its own."""

    def __init__(self, folder):
        self.source, self.build = os.path.join(folder, "source"), os.path.join(folder, "build")
        os.makedirs(self.source)
        for part in ("CMakeLists.txt", "src", "include"):
            whole, to = os.path.join(ROOT, part), os.path.join(self.source, part)
            shutil.copytree(whole, to) if os.path.isdir(whole) else shutil.copy2(whole, to)
        self.run("cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DDRIFTD_TESTS=OFF")

    def run(self, *args):
        env = {**os.environ, "CCACHE_BASEDIR": self.source, "CCACHE_NOHASHDIR": "1"}
        done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, env=env)
        if done.returncode:
            raise AssertionError(f"{' '.join(args)}\n{done.stdout[-4000:]}")

    def make(self, name=None):
        """The program with a mutant's changes, or as it is."""
        files = changed(name) if name else {}
        for path in {p for edits in MUTANTS.values() for p, _, _ in edits}:
            to = os.path.join(self.source, path)
            with open(os.path.join(ROOT, path)) as f:
                text = files.get(path, f.read())
            with open(to) as f:
                same = f.read() == text
            if not same:
                with open(to, "w") as f:
                    f.write(text)
        self.run("cmake", "--build", self.build, "--target", "driftd", "-j", "2")
        return os.path.join(self.build, "driftd")
