#!/bin/sh
# tests/bench/run.sh    Every bench, one JSON line a figure on stdout.  EVENTS and RUNS size the throughput bench.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
for bench in build/release/tests/bench_*; do
    "$bench"
done
for bench in throughput flush recovery; do
    DRIFTD_BUILD=$root/build/release /usr/bin/python3 "tests/bench/$bench.py"
done
