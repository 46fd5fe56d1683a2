#!/bin/sh
# docker/check-image.sh    `make check-image`: builds the image for real and proves it; needs root, neither Docker nor a registry.
#
# 1. a bare Debian 13 by mmdebstrap, from this machine's apt sources
# 2. docker/Dockerfile over it by buildah: the stage `test` compiles everything and runs the unit tests inside, the last
#    stage is the image that is shipped
# 3. a replay with the image's driftd as its own user: baseline, windows, alerts, signed webhooks; Redis, broker and
#    receiver run in the test stage, all on the loopback interface
#
# Everything lives in one temporary directory (some 4 GB; TMPDIR says where) and goes with it.  KEEP_LOGS=directory
# keeps the logs.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
suite=trixie

say() { printf 'check-image: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "needs root, for mmdebstrap and buildah"
for tool in mmdebstrap buildah; do
    command -v $tool >/dev/null || fail "$tool is missing: tests/support/install.sh image"
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/driftd-image.XXXXXX")
shared=$tmp/shared # what both containers of the replay see
mkdir "$tmp/logs" "$shared"
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
b() { buildah --root "$tmp/storage" --runroot "$tmp/run" "$@"; }

servers=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    touch "$shared/stop"
    [ -z "$servers" ] || wait "$servers" || true
    [ -z "${KEEP_LOGS:-}" ] || cp -r "$tmp/logs" "$KEEP_LOGS" || true
    b rm --all >/dev/null 2>&1 || true
    rm -rf --one-file-system "$tmp"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# logged NAME COMMAND...    the output goes to a log, of which the end is shown when the command fails
logged() {
    log=$tmp/logs/$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        fail "failed: $*"
    }
}
# await WHAT SECONDS COMMAND...
await() {
    what=$1
    left=$(($2 * 10))
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            tail -n 20 "$tmp"/logs/servers "$shared"/*.log >&2
            fail "$what did not come up"
        }
        sleep 0.1
    done
}

# ---- build ----
say "a bare Debian ($suite)"
logged base mmdebstrap --variant=minbase --include=ca-certificates "$suite" "$tmp/base.tar"
empty=$(b from scratch)
tree=$(b mount "$empty")
tar -xf "$tmp/base.tar" -C "$tree"
rm "$tmp/base.tar"
b umount "$empty" >/dev/null
logged commit b commit -q --rm "$empty" localhost/debian:trixie-slim

bud() {
    b bud --layers --pull-never --network host --build-arg BASE=localhost/debian:trixie-slim -f "$root/docker/Dockerfile" "$@" "$root"
}
say "stages build and test: compiling, unit tests"
logged test bud --target test -t localhost/driftd-test
grep -E 'tests passed, |\(Skipped\)' "$tmp/logs/test" || fail "no unit test was run"
say "the image"
logged image bud -t localhost/driftd

# ---- what the image is ----
image=$(b from --pull-never localhost/driftd)
in_image() { b run --isolation chroot --network host -v "$shared:/shared" "$image" -- "$@"; }
logged version in_image /usr/bin/driftd version
cat "$tmp/logs/version"
[ "$(in_image id -u)" = 65532 ] || fail "the image runs as root"
in_image sh -c '! command -v gcc && ! touch /usr/bin/x 2>/dev/null' >/dev/null || fail "the image has a compiler, or its user may write in it"
if in_image ldd /usr/bin/driftd | grep 'not found'; then fail "a shared library is missing in the image"; fi
b images --format 'check-image: {{.Name}} {{.Size}}' | grep '/driftd '

# ---- a replay ----
cat >"$shared/servers.sh" <<'END'
set -eu
cd /src/build/demo
pids=
trap 'for p in $pids; do kill $p || true; done; wait' EXIT
redis-server --port 0 --unixsocket /shared/redis.sock --unixsocketperm 777 --dir /tmp --save '' --appendonly yes --maxmemory-policy noeviction >/shared/redis.log 2>&1 &
pids=$!
./drift-broker --port-file /shared/broker --topic phish.events:4 --topic phish.labels:4 --topic driftd-quarantine:1 >/shared/broker.log 2>&1 &
pids="$pids $!"
./drift-receiver --port-file /shared/receiver --secret-file /shared/secret --log /shared/hooks.ndjson >/shared/receiver.log 2>&1 &
pids="$pids $!"
sim="./drift-sim --scenario /src/config/scenarios/phishing.json --quiet"
$sim --seed 7 --calm 10m --output phish.events=/shared/calm.ndjson --output phish.labels=/shared/labels.ndjson
touch /shared/calm
until [ -s /shared/broker ]; do sleep 0.1; done
$sim --seed 1 --brokers "$(cat /shared/broker)"
touch /shared/played
until [ -e /shared/stop ]; do sleep 0.1; done
END
od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$shared/secret"
chown 65532 "$shared/secret"
chmod 600 "$shared/secret"
servers_of=$(b from --pull-never localhost/driftd-test)
b run --isolation chroot --network host -v "$shared:/shared" "$servers_of" -- sh /shared/servers.sh >"$tmp/logs/servers" 2>&1 &
servers=$!
await "the traffic" 60 test -e "$shared/played"
await receiver 10 test -s "$shared/receiver"

sed -e "s|brokers: 127.0.0.1:19092|brokers: $(cat "$shared/broker")|" \
    -e 's|^redis: .*|redis: {socket: /shared/redis.sock}|' \
    -e 's|^http: .*|http: {listen: none}|' \
    -e "s|http://127.0.0.1:18080/hook|http://127.0.0.1:$(cat "$shared/receiver")/hook|" \
    -e 's|{env: DRIFTD_DEMO_SECRET}|{file: /shared/secret}|' "$root/config/demo.yaml" >"$shared/driftd.yaml"
say "a replay with the image's driftd"
logged check in_image /usr/bin/driftd check -c /shared/driftd.yaml --connect
logged baseline in_image /usr/bin/driftd baseline build -c /shared/driftd.yaml --file /shared/calm.ndjson --file /shared/labels.ndjson --promote
logged replay in_image /usr/bin/driftd run -c /shared/driftd.yaml --until-end

count() { grep -c -- "$1" "$2" || true; }
windows=$(count '^window ' "$tmp/logs/replay")
alerted=$(count '  ->$' "$tmp/logs/replay")
sent=$(count '"verified"' "$shared/hooks.ndjson")
good=$(count '"verified": *true' "$shared/hooks.ndjson")
cp "$shared"/*.log "$shared/hooks.ndjson" "$tmp/logs"
say "$windows windows judged, $alerted with actions, $sent webhooks, $good with a good signature"
[ "$windows" -ge 40 ] || fail "too few windows"
if [ "$alerted" -lt 2 ] || [ "$sent" -lt 4 ]; then fail "the campaign was not noticed"; fi
[ "$sent" = "$good" ] || fail "a signature is wrong"
say "good"
