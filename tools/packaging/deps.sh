#!/bin/sh
# The packages that the build needs and this machine does not have. usage: deps.sh check|install MODULE...
# Modules are pkg-config's names, or redis-server: Debian's redis-tools has that program, as redis-check-rdb, and starts no service. check: says
# what is missing, if anything is, and fails; install: says it, and installs it with apt where that is allowed.
set -eu
how=$1
shift
pkg_config=${PKG_CONFIG:-pkg-config}

package_of() { # Debian's package with that module
    case $1 in
    msgpack) echo libmsgpack-dev ;;
    redis-server) echo redis-tools ;;
    openssl) echo libssl-dev ;;
    libcurl) echo libcurl4-openssl-dev ;;
    scdoc) echo scdoc ;;
    *) echo "lib${1#lib}-dev" ;;
    esac
}
missing=
if ! command -v "$pkg_config" >/dev/null; then
    missing=" pkg-config"
    for module in "$@"; do missing="$missing $(package_of "$module")"; done
else
    for module in "$@"; do
        [ "$module" = redis-server ] && { command -v redis-server || command -v redis-check-rdb; } >/dev/null && continue
        "$pkg_config" --exists "$module" && continue
        [ "$module" = msgpack ] && "$pkg_config" --exists msgpack-c && continue # its name in Debian 13
        missing="$missing $(package_of "$module")"
    done
fi
[ "$missing" ] || exit 0

apt="apt-get install -y --no-install-recommends$missing"
if [ "$how" = install ] && command -v apt-get >/dev/null; then
    sudo=
    if [ "$(id -u)" != 0 ]; then sudo=sudo; sudo -n true 2>/dev/null || sudo=none; fi
    if [ "$sudo" != none ]; then
        echo "The build needs these packages, which are not installed; now: ${sudo:+$sudo }$apt"
        $sudo apt-get update -qq
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
        exit 0
    fi
fi
echo "The build needs packages that are not installed. On Debian: sudo apt-get install$missing" >&2
exit 1
