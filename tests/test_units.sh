#!/bin/sh
# The systemd units of tools/packaging/: systemd takes each without a word, and the page takes the arguments of its
# example. usage: test_units.sh BUILD
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
command -v systemd-analyze >/dev/null || { echo "SKIPPED: the units: no systemd-analyze"; exit 0; }
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
fail() {
    echo "$*"
    exit 1
}
count=0
for unit in tools/packaging/*@.service tools/packaging/*@.timer; do
    sed "s|=/usr/bin/evlog |=$build/evlog |" "$unit" >"$home/${unit##*/}"
done
for unit in "$home"/*; do
    name=${unit##*/}
    said=$(SYSTEMD_UNIT_PATH="$home:" systemd-analyze verify --man=no "$home/${name%@*}@site.${name##*.}" 2>&1) ||
        fail "$name: $said"
    [ -z "$said" ] || fail "$name: $said"
    count=$((count + 1))
done
[ $count -ge 5 ] || fail "only $count units"

# The page's example, with places of our own, is what the program takes.
if [ -x "$build/evlog-web" ]; then
    words=$(sed -n 's/^#     WEB="\(.*\)"$/\1/p' tools/packaging/evlog-web@.service |
        sed "s|/var/lib/site|$home|g; s|/run/evlog-web|$home|")
    for log in events orders; do "$build/evlog" send "$home/$log" org.example.a.v1 '{}' >/dev/null; done
    "$build/evlog" web $words >"$home/said" &
    page=$!
    for i in $(seq 100); do [ -s "$home/said" ] && break; sleep 0.1; done
    kill $page && wait $page || fail "evlog web $words: exit status $?"
    grep -qx "evlog web: unix:$home/site" "$home/said" || fail "evlog web $words: $(cat "$home/said")"
else
    echo "SKIPPED: the example of evlog-web@.service: it was built without libmicrohttpd"
fi
echo "$count units are as systemd wants them"
