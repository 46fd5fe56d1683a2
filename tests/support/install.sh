#!/bin/sh
# install.sh [--print] SECTION...
# Installs the packages of docker/packages.txt that are missing, by apt-get; with nothing missing it needs neither
# root nor a network.  --print names the packages of the sections and installs nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
list=${DRIFTD_PACKAGES:-$here/../../docker/packages.txt}

print=
if [ "${1:-}" = --print ]; then
    print=1
    shift
fi
[ $# -ge 1 ] || { echo "usage: $0 [--print] SECTION..." >&2; exit 2; }

fail() {
    echo "install: $*" >&2
    exit 1
}

# Lines "PACKAGE|PACKAGE" of the sections asked for.
choices() {
    awk -v want="$*" '
        BEGIN { n = split(want, w, " "); for (i = 1; i <= n; i++) asked[w[i]] = 1 }
        /^[ \t]*(#|$)/ { next }
        { n = split($1, s, ","); for (i = 1; i <= n; i++) { known[s[i]] = 1; if (s[i] in asked) { print $2; break } } }
        END { for (a in asked) if (!(a in known)) print "!" a }' "$list"
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]
}

known() {
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# The alternative that is installed, else the first that apt knows, else the last one.
pick() {
    alternatives=$(echo "$1" | tr '|' ' ')
    for name in $alternatives; do
        if installed "$name"; then
            echo "$name"
            return
        fi
    done
    for name in $alternatives; do
        if [ "$name" = "$1" ] || known "$name"; then break; fi
    done
    echo "$name"
}

command -v dpkg-query >/dev/null 2>&1 || fail "needs Debian 12 or 13 (no dpkg here); $list names what to install by hand"

wanted=$(choices "$@")
case $wanted in *!*) fail "no such section in $list: $(echo "$wanted" | sed -n 's/^!//p' | tr '\n' ' ')" ;; esac
if [ "$print" ]; then
    for c in $wanted; do pick "$c"; done
    exit 0
fi

missing() {
    for c in $wanted; do
        p=$(pick "$c")
        installed "$p" || echo "$p"
    done
}
need=$(missing)
[ -n "$need" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
        fail "packages are missing and this is neither root nor a system with sudo: apt-get install $(echo "$need" | tr '\n' ' ')"
    sudo=sudo
fi
echo "install: $(echo "$need" | wc -l) packages missing: $(echo "$need" | tr '\n' ' ')" >&2
apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" >&2
}
apt update || fail "apt-get update failed: is there a network?"
need=$(missing) # a system without lists knows no alternatives before its first update
# shellcheck disable=SC2086 # a list of names on purpose
apt install -y --no-install-recommends $need || fail "apt-get install failed"
