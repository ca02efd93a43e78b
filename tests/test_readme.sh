#!/bin/sh
# The README is true: its program compiles and prints what it says, its shell sessions do not fail (those of the relays
# are left to test_relay.sh), what it links to and each test it names exists, and each guarantee has a mutant that
# applies.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
block() { # block HEADING LANGUAGE: the first block of that language below the heading
    awk -v heading="## $1" -v start="\`\`\`$2" '/^```$/ {if (on) exit} on
        /^## / {here = $0 == heading} here && $0 == start {on = 1}' README.md
}
session() { # session HEADING: runs the block of sh there
    block "$1" sh >"$home/block.sh"
    [ -s "$home/block.sh" ] || { echo "the README has no session below: $1"; exit 1; }
    # 5: it was said what would be done
    echo 'evlog() { command evlog "$@" || [ $? = 5 ]; }' | cat - "$home/block.sh" >"$home/session.sh"
    (cd "$home" && PATH="$build:$PATH" sh -eu session.sh) >/dev/null ||
        { echo "the README's session fails: $1"; exit 1; }
}
msgpack=$(pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
block "A program" c >"$home/enroll.c"
cc -Wall -Wextra -Werror -I"$build/include" "$home/enroll.c" "$build/libevlog.a" \
    $(pkg-config --cflags --libs lmdb libxxhash $msgpack) -pthread -o "$home/enroll"
(cd "$home" && ./enroll) >"$home/printed"
block "A program" text >"$home/expected"
diff "$home/expected" "$home/printed" || { echo "the program prints something else than the README says"; exit 1; }
session "Three stories"
session "The command"
session "Audit"
if "$build/evlog" sql "$home/enrollments" 'select 1' >/dev/null 2>&1; then
    "$build/evlog" send "$home/people" org.example.named.v1 '{"id": 1, "name": "A"}' >/dev/null
    session "SQL"
else
    echo "SKIPPED: the README's session of SQL: built without libsqlite3-dev"
fi
if [ -x "$build/evlog-web" ]; then # each of the page's commands, at places of our own, until it says where it is
    echo 0123456789abcdef >"$home/token.txt"
    block "The page" sh | sed "s/ *#.*//; s|/run/evlog-web|$home/socket|; s|10.0.0.5:8474|0.0.0.0:0|
        s|enrollments\$|& --listen 127.0.0.1:0|" >"$home/commands"
    cd "$home"
    while read -r command words; do
        : >said
        "$build/$command" $words >said 2>&1 </dev/null &
        page=$!
        for i in $(seq 100); do [ -s said ] || sleep 0.1; done
        kill $page 2>/dev/null || true
        wait $page && grep -q '^evlog web: http\|^evlog web: unix' said ||
            { echo "fails: $command $words: $(cat said)"; exit 1; }
    done <commands
    cd - >/dev/null
else
    echo "SKIPPED: the README's commands of the page: built without libmicrohttpd"
fi
for name in $(grep -oE '`test_[a-z_]+(\.(sh|py))?(: [a-z_, ]+)?`' README.md | tr -d '`' | sed 's/[:,]//g' | sort -u | tr '\n' ' '); do
    [ -e "tests/$name" ] || [ -e "tests/$name.c" ] || grep -qE "^static void $name\(|(TEST_AT_HOME|cmocka_unit_test)\($name\)" tests/*.c ||
        { echo "README.md names a test that does not exist: $name"; exit 1; }
done
for link in $(grep -oE '\]\([^)]+\)' README.md | sed 's/^](//; s/)$//' | grep -v '^https:' | sort -u); do
    file=${link%#*} part=${link#*#}
    [ ! "$file" ] || [ -e "$file" ] || { echo "README.md links to what is not there: $link"; exit 1; }
    case $link in
    *#*) sed -n 's/^##* //p' "${file:-README.md}" | tr 'A-Z ' 'a-z-' | tr -d ",.?'" | grep -qx "$part" ||
        { echo "README.md links to no heading: $link"; exit 1; } ;;
    esac
done
mutants=$(sh tests/mutants.sh check)
[ -z "$mutants" ] || { echo "$mutants"; exit 1; }
echo "the program, the sessions, the tests' names and the mutants hold"
