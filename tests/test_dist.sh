#!/bin/sh
# make dist: the tar of a commit is the same bytes wherever, whenever and by whomever it is made, and has what a build
# needs; the version is one, wherever it is written. In a tree without git it is skipped.
set -eu
cd "$(dirname "$0")/.."
fail() {
    echo "$*"
    exit 1
}

version=$(sed -n 's/^VERSION *= *//p' Makefile)
grep -q "^evlog ($version-" tools/packaging/debian/changelog || fail "tools/packaging/debian/changelog has another version"
grep -q "^version = \"$version\"" tools/python/pyproject.toml || fail "tools/python/pyproject.toml has another version"

git rev-parse HEAD >/dev/null 2>&1 || {
    echo "SKIPPED: make dist: this is no clone"
    exit 77
}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
for clone in a b; do git clone -q --depth 1 "file://$PWD" "$home/$clone"; done
find "$home/b" -type f -exec touch -d 2001-01-01 {} + && echo mine >"$home/b/note"
(umask 077 && TZ=Asia/Tokyo LC_ALL=C make -s -C "$home/a" dist >/dev/null)
make -s -C "$home/b" B=elsewhere dist >/dev/null
cmp "$home/a/build/dist/evlog-$version.tar.gz" "$home/b/elsewhere/dist/evlog-$version.tar.gz"
tar -xzf "$home/a/build/dist/evlog-$version.tar.gz" -C "$home"
diff -r --exclude=.git --exclude=build --exclude='.[a-z]*' "$home/a" "$home/evlog-$version"
