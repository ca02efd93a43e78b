#!/bin/sh
# dispatch/README.md is true: its files compile, its program prints what it says, its test passes, and its commands work.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
# A block after a line that is a file's name in backticks and a colon is that file; others are block.LANGUAGE.
awk -v home="$home" '
    /^`[a-z_]+\.[ch]`:$/ { gsub(/[`:]/, ""); name = $0; next }
    /^```[a-z]+$/ { file = home "/" (name ? name : "block." substr($0, 4)); name = ""; next }
    /^```$/ { file = ""; next }
    file { print >file }' dispatch/README.md
cd "$home"
msgpack=$(pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
make_program() { # make_program NAME FILE...
    name=$1
    shift
    cc -Wall -Wextra -Werror -I"$build/include" "$@" "$build/libevlog.a" \
        $(pkg-config --cflags --libs lmdb libxxhash $msgpack) -pthread -o "$name"
}
make_program quizzes_program main.c submit.c receive.c
./quizzes_program >printed
diff block.text printed || { echo "the program prints something else than dispatch/README.md says"; exit 1; }
make_program test_program test_submit.c submit.c
./test_program
PATH="$build:$PATH" sh -eu block.sh >/dev/null
echo "the files of dispatch/README.md compile and do what it says"
