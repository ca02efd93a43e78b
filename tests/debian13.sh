#!/bin/sh
# On Debian 13, what the README says: make demo, make check, make install, its program, and CMake. usage: debian13.sh [packages [SUITE]]
#
# With `packages` it is tests/packages.sh instead: make deb, lintian, and using what was made. SUITE is another Debian:
# bookworm is 12.
#
# Makes a minimal Debian with debootstrap in a temporary directory and works in it with chroot; takes about
# 10 minutes. The committed tree is tried. Requires root, debootstrap and the package mirror that
# this machine's apt uses; where one of them is missing it says so, and exits with 0.
set -eu
seconds_max=1800

# --------------------------------------------------- inside of the new system ----

if [ "${1:-}" = --inside ]; then
    cd /evlog
    export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
    step() { echo "== Debian $(cat /etc/debian_version): $*"; }
    if [ "${2:-}" = packages ]; then
        step make deb, lintian, and what a stranger does with the packages
        make -s deps >/dev/null
        apt-get install -y -qq --no-install-recommends build-essential dpkg-dev debhelper lintian >/dev/null
        sh tests/packages.sh
        exit 0
    fi
    step make demo
    make demo WERROR=1 >/tmp/demo || { cat /tmp/demo; exit 1; }
    head -n 6 /tmp/demo
    step make check
    apt-get install -y -qq --no-install-recommends cmake g++ python3-lmdb python3-msgpack python3-xxhash >/dev/null
    make -j2 -s check WERROR=1
    step make install, the program of the README, CMake
    make -s install
    cd /tmp
    # The first block of C, the first command that compiles it, and the first block of text: what it prints.
    awk '$0 == "```c" {on = 1; next} /^```$/ {if (on) exit} on' /evlog/README.md >enroll.c
    command=$(sed -n 's/^`\(cc enroll\.c .*\)` prints:$/\1/p' /evlog/README.md)
    awk '$0 == "```text" {on = 1; next} /^```$/ {if (on) exit} on' /evlog/README.md >expected
    sh -eu -c "$command" >printed
    diff expected printed
    cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(enroll C)
find_package(evlog REQUIRED)
add_executable(enroll-by-cmake enroll.c)
target_link_libraries(enroll-by-cmake evlog::evlog)
CMAKE
    (cmake . && cmake --build .) >cmake.log 2>&1 || { cat cmake.log; exit 1; }
    rm -rf enrollments
    ./enroll-by-cmake >printed
    diff expected printed
    step make uninstall
    make -s -C /evlog uninstall
    left=$(find /usr/local -iname '*evlog*'; ldconfig -p | grep evlog || true)
    [ -z "$left" ] || { echo "left: $left"; exit 1; }
    exit 0
fi

# ------------------------------------------------------------------ outside ----

suite=${2:-trixie}
cannot() {
    echo "SKIPPED: Debian ($suite): $*"
    exit 0
}
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || cannot "requires root"
for command in debootstrap git apt-get chroot unshare; do
    command -v $command >/dev/null || cannot "requires $command"
done
unshare --mount true 2>/dev/null || cannot "this machine does not allow mounts"
mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SITE)' 'Created-By: Packages' | sed -n 's/^Debian|Debian|//p' | head -n 1)
[ "$mirror" ] || cannot "apt has no mirror of Debian (apt-get update)"

home=$(mktemp -d)
trap 'rm -rf --one-file-system "$home"' EXIT
root=$home/root
began=$(date +%s)
debootstrap --variant=minbase --include=git,make,gcc,libc6-dev $suite "$root" "$mirror" >"$home/debootstrap.log" 2>&1 || {
    tail -n 5 "$home/debootstrap.log"
    cannot "debootstrap could not make it"
}
echo "== Debian $(cat "$root/etc/debian_version"), made in $(($(date +%s) - began)) s"
# How this machine's apt reaches the mirror.
apt-config dump | grep -E '^Acquire::(http|https|Check)' >"$root/etc/apt/apt.conf.d/99outside" || true
if [ "${1:-}" = packages ]; then
    git clone -q --depth 1 "file://$PWD" "$root/evlog" # make dist asks git
else
    mkdir "$root/evlog"
    git archive HEAD | tar -x -C "$root/evlog"
fi

# Its mounts are in a namespace of their own, which ends with it, whatever happens.
cat >"$home/enter" <<'SH'
root=$1
mount --make-rprivate /
mount --bind "$root" "$root" # so that its / is a mount, which tests change
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
exec chroot "$root" sh /evlog/tests/debian13.sh --inside "$2"
SH
status=0
timeout --foreground $seconds_max env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    unshare --mount --pid --fork --kill-child sh -eu "$home/enter" "$root" "${1:-}" </dev/null &
trap "kill $!; wait $!; exit 1" INT TERM HUP
wait $! || status=$?
[ $status = 124 ] && echo "Debian ($suite): not done after $seconds_max s"
echo "== Debian ($suite): $([ $status = 0 ] && echo well || echo "FAILED ($status)"), $(($(date +%s) - began)) s in all"
exit $status
