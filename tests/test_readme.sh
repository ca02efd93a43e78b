#!/bin/sh
# The README is true: its program compiles and prints what it says, its shell session gives the exit
# statuses it shows, each test it names exists, and each guarantee has a mutant that applies.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
block() { # block N LANGUAGE: the Nth block of that language
    awk -v n="$1" -v start="\`\`\`$2" '$0 == start {i++; on = i == n; next} /^```$/ {on = 0} on' README.md
}
msgpack=$(pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
block 1 c >"$home/enroll.c"
cc -Wall -Wextra -Werror -I"$build/include" "$home/enroll.c" "$build/libevlog.a" \
    $(pkg-config --cflags --libs lmdb libxxhash $msgpack) -pthread -o "$home/enroll"
(cd "$home" && ./enroll) >"$home/printed"
block 1 text >"$home/expected"
diff "$home/expected" "$home/printed" || { echo "the program prints something else than the README says"; exit 1; }
echo 'evlog() { command evlog "$@" || [ $? = 5 ]; }' >"$home/session.sh" # 5: it was said what would be done
block 2 sh >>"$home/session.sh"
(cd "$home" && PATH="$build:$PATH" sh -eu session.sh) >/dev/null || { echo "the README's session fails"; exit 1; }
for name in $(grep -oE '`test_[a-z_]+(\.(sh|py))?(: [a-z_, ]+)?`' README.md | tr -d '`' | sed 's/[:,]//g' | sort -u | tr '\n' ' '); do
    [ -e "tests/$name" ] || [ -e "tests/$name.c" ] || grep -qE "^static void $name\(|(TEST_AT_HOME|cmocka_unit_test)\($name\)" tests/*.c ||
        { echo "README.md names a test that does not exist: $name"; exit 1; }
done
mutants=$(sh tests/mutants.sh check)
[ -z "$mutants" ] || { echo "$mutants"; exit 1; }
echo "the program, the session, the tests' names and the mutants hold"
