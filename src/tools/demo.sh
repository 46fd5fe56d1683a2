#!/bin/sh
# src/tools/demo.sh    `make demo`: the shipped driftd on a private Redis, an embedded broker and a real HTTP receiver.
#
# Calm traffic, a phishing campaign, an upstream outage, recovery (config/scenarios/phishing.json), six minutes of event
# time in about twenty seconds.  Everything lives in a temporary directory, on free loopback ports, and ends with it.
#
#   KEEP=1                        keep everything running until Ctrl-C, and print the addresses
#   EVENTS=file.ndjson[.gz] CONFIG=file.yaml    play your own events under your own configuration; its brokers, Redis,
#                                 endpoints and secrets are replaced by the demo's.  TOPIC=name and KEY=member say where
#                                 the lines go and what they are keyed by (default: the first topic, event_id); the
#                                 baseline of MODEL=name (default: the first model) is built from the first
#                                 BASELINE=5000 lines
#   SPEED=20                      seconds of event time in a second
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${DRIFTD_BUILD:-$root/build/demo}
config=${CONFIG:-$root/config/demo.yaml}
events=${EVENTS:-}
say() { printf '%s\n' "$*"; }
fail() {
    printf 'demo: %s\n' "$*" >&2
    for log in driftd receiver broker redis sim; do
        if [ -s "$tmp/$log.log" ]; then
            printf -- '--- the end of %s.log\n' "$log" >&2
            tail -n 15 "$tmp/$log.log" >&2
        fi
    done
    exit 1
}

[ -z "$events" ] || [ -n "${CONFIG:-}" ] || { echo "demo: EVENTS needs CONFIG, a configuration for these events" >&2; exit 2; }
for file in "$config" ${events:+"$events"}; do
    [ -r "$file" ] || { echo "demo: cannot read $file" >&2; exit 2; }
done

if [ -z "${DRIFTD_BUILD:-}" ]; then
    say "building (the first time takes a minute or two) ..."
    (cd "$root" && cmake --preset demo >/dev/null && cmake --build --preset demo) >"${TMPDIR:-/tmp}/driftd-demo-build.$$" 2>&1 || {
        tail -n 40 "${TMPDIR:-/tmp}/driftd-demo-build.$$" >&2
        rm -f "${TMPDIR:-/tmp}/driftd-demo-build.$$"
        exit 1
    }
    rm -f "${TMPDIR:-/tmp}/driftd-demo-build.$$"
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/driftd-demo.XXXXXX")
pids=
# Ends what was started, youngest first, by id.
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    tries=0
    for pid in $pids; do
        while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$tmp"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
started() { pids="$1 $pids"; }
gone() { pids=$(for p in $pids; do [ "$p" = "$1" ] || printf '%s ' "$p"; done); }

# await WHAT SECONDS COMMAND...
await() {
    what=$1
    left=$(($2 * 10))
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "$what did not come up"
        sleep 0.1
    done
}
free_port() { # one that no socket of this machine uses
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        port=$(($(od -An -N2 -tu2 /dev/urandom) % 20000 + 20000))
        grep -qi ":$(printf '%04X' "$port") " /proc/net/tcp /proc/net/tcp6 2>/dev/null || break
    done
    echo "$port"
}

# ---- servers ----
(umask 077 && printf 'whsec_%s\n' "$(openssl rand -base64 32)" >"$tmp/secret")
redis=$tmp/redis.sock
http_port=$(free_port)
redis-server --port 0 --unixsocket "$redis" --unixsocketperm 700 --dir "$tmp" --save '' --appendonly no --maxmemory-policy noeviction \
    >"$tmp/redis.log" 2>&1 &
started $!
# What the configuration names: its topics, or the scenario's.
topics=$(awk '
    /^[A-Za-z_]+:/ { section = $1 }
    /^ *#/ { next }
    section == "streams:" && match($0, /topics?: *(\[[^]]*\]|[^],} #]+)/) {
        names = substr($0, RSTART, RLENGTH)
        sub(/topics?: */, "", names)
        gsub(/[]["]/, "", names)
        gsub(/, */, "\n", names)
        print names
    }' "$config")
[ -n "$topics" ] || fail "$config names no topic"
# shellcheck disable=SC2086,SC2046 # words on purpose
"$build/drift-broker" --port-file "$tmp/broker" $(printf -- '--topic %s:4 ' $topics) >"$tmp/broker.log" 2>&1 &
started $!
"$build/drift-receiver" --port 0 --port-file "$tmp/receiver" --secret-file "$tmp/secret" --log "$tmp/hooks.ndjson" >"$tmp/receiver.log" 2>&1 &
started $!
await redis-server 10 redis-cli -s "$redis" ping
await drift-broker 10 test -s "$tmp/broker"
await drift-receiver 10 test -s "$tmp/receiver"
brokers=$(cat "$tmp/broker")
hook=http://127.0.0.1:$(cat "$tmp/receiver")/hook

# ---- configuration: the file with this run's addresses ----
# A user's own events may be old: their actions must not count as expired, and idle partitions shall close soon.
state=
[ -z "$events" ] || state='state: {flush_interval: 200ms, settle: 0s, clock_skew: 100ms, idle_after: 2s, retain: 1m, plan_ttl: 500ms, judge_patience: 500ms, max_action_age: 3650d}'
awk -v brokers="$brokers" -v redis="$redis" -v hook="$hook" -v http="$http_port" -v secret="$tmp/secret" -v state="$state" '
    BEGIN { if (state) print state }
    /^[A-Za-z_]+:/ { section = $1 }
    section == "state:" && state { next }
    section == "kafka:" { sub(/brokers: *[^,}]*/, "brokers: \"" brokers "\"") }
    section == "redis:" {
        if (/^redis:/) print "redis: {socket: \"" redis "\"}"
        next
    }
    section == "http:" {
        if (/^http:/) print "http: {listen: \"127.0.0.1:" http "\"}"
        next
    }
    section == "endpoints:" {
        if (/^ *(allow_private|ca_file):/) next
        if (/^ *- *\{(env|file):/) next
        if (/^ *secrets:/) { sub(/secrets:.*/, "secret: {file: \"" secret "\"}") }
        gsub(/, *allow_private: *[a-z]+/, "")
        sub(/\{ *(env|file): *[^}]*\}/, "{file: \"" secret "\"}")
        if (/\{.*url:/) sub(/url: *[^,} ]+/, "url: \"" hook "\", allow_private: true")
        else if (/^ *url:/) { indent = $0; sub(/url:.*/, "", indent); $0 = indent "url: \"" hook "\"\n" indent "allow_private: true" }
    }
    { print }' "$config" >"$tmp/driftd.yaml"
group=$(awk '/^[A-Za-z_]+:/ { s = $1 } s == "kafka:" && match($0, /group: *[^,} #]+/) { g = substr($0, RSTART, RLENGTH); sub(/group: */, "", g); gsub(/"/, "", g); print g; exit }' "$tmp/driftd.yaml")
model=${MODEL:-$(awk '/^models:/ { on = 1; next } on && /^  [^ #]/ { sub(/:.*/, "", $1); print $1; exit }' "$tmp/driftd.yaml")}
driftd=$build/driftd
"$driftd" check -c "$tmp/driftd.yaml" >"$tmp/check.log" 2>&1 || { cat "$tmp/check.log" >&2; fail "the configuration is not good"; }

# ---- baseline: made beforehand, from calm traffic ----
if [ -n "$events" ]; then
    topic=${TOPIC:-$(printf '%s\n' "$topics" | head -n 1)}
    case $events in *.gz) zcat "$events" ;; *) cat "$events" ;; esac 2>/dev/null | head -n "${BASELINE:-5000}" >"$tmp/calm.ndjson"
    "$driftd" baseline build -c "$tmp/driftd.yaml" --model "$model" --file "$tmp/calm.ndjson" --promote >"$tmp/baseline.log" 2>&1 ||
        { cat "$tmp/baseline.log" >&2; fail "no baseline from the first lines of $events"; }
    set -- --events "$events" --topic "$topic" --key "${KEY:-event_id}"
else
    scenario=$root/config/scenarios/phishing.json
    "$build/drift-sim" --scenario "$scenario" --seed 7 --calm 10m --quiet --output "phish.events=$tmp/calm.ndjson" --output "phish.labels=$tmp/labels.ndjson"
    "$driftd" baseline build -c "$tmp/driftd.yaml" --model "$model" --file "$tmp/calm.ndjson" --file "$tmp/labels.ndjson" --promote \
        >"$tmp/baseline.log" 2>&1 || { cat "$tmp/baseline.log" >&2; fail "no baseline from calm traffic"; }
    set -- --scenario "$scenario" --seed 1 --speed "${SPEED:-20}"
fi

# ---- the daemon, the traffic, and what comes out ----
"$driftd" run -c "$tmp/driftd.yaml" >"$tmp/windows" 2>"$tmp/driftd.log" &
run=$!
started $run
: >"$tmp/traffic"
"$build/drift-show" --traffic "$tmp/traffic" --windows "$tmp/windows" --hooks "$tmp/hooks.ndjson" &
show=$!
started $show
"$build/drift-sim" "$@" --brokers "$brokers" --follow-group "$group" --wait >"$tmp/traffic" 2>"$tmp/sim.log" &
sim=$!
started $sim
wait $sim || fail "the simulator failed"
gone $sim
kill -0 $run 2>/dev/null || fail "driftd ended"

if [ "${KEEP:-}" = 1 ]; then
    say ""
    say "all is kept running; Ctrl-C ends it"
    say "  kafka     $brokers"
    say "  redis     $redis (redis-cli -s)"
    say "  metrics   http://127.0.0.1:$http_port/metrics"
    say "  receiver  $hook"
    say "  files     $tmp (driftd.yaml, secret, driftd.log, hooks.ndjson)"
    say "  more      $build/drift-sim --scenario $root/config/scenarios/phishing.json --seed 2 --speed 20 --brokers $brokers"
    trap 'kill $run 2>/dev/null' INT
    wait $run || true
    exit 0
fi

# The last windows close when the partitions have been idle for a while; then all is still.
still=0
last=
for _ in $(seq 120); do
    now=$(wc -c "$tmp/windows" "$tmp/hooks.ndjson" 2>/dev/null)
    if [ "$now" = "$last" ]; then still=$((still + 1)); else still=0; fi
    last=$now
    [ "$still" -lt 20 ] || break
    kill -0 $run 2>/dev/null || fail "driftd ended"
    sleep 0.25
done
kill $run
wait $run || fail "driftd did not end well"
gone $run
kill $show
status=0
wait $show || status=$?
gone $show
[ $status = 0 ] || fail "not every webhook came with a good signature"
