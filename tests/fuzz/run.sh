#!/bin/sh
# tests/fuzz/run.sh [SECONDS]    Builds the fuzz targets with libFuzzer and runs each for so long, from its kept corpus.
# New inputs stay in build/fuzz/corpus/; a crash ends the run, with the input in build/fuzz/crashes/.
set -eu
seconds=${1:-60}
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
cmake --preset fuzz >/dev/null
# shellcheck disable=SC2046 # a list of names on purpose
cmake --build --preset fuzz --target $(basename -s .c tests/fuzz/fuzz_*.c) -- --quiet
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || { echo "fuzz: no targets" >&2; exit 1; }
    name=$(basename "$source" .c)
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus" build/fuzz/crashes
    echo "fuzz: $name for $seconds s"
    "build/fuzz/tests/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/crashes/$name-" "$corpus" "tests/fuzz/corpus/$name"
done
