#!/bin/sh
# A struct of the public headers can get fields at its end: a program (abi.c) and a plugin that were compiled against
# these headers run with a library whose structs are all longer, and the other way round; options
# that the library does not have are refused. usage: test_abi.sh BUILD
#
# The few structs that are values are exempt: evlog.h says that they never change.
set -eu
build=$1
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
values=" evlog_string evlog_bytes evlog_uuid evlog_list evlog_map evlog_buffer evlog_header "
export ASAN_OPTIONS=detect_leaks=0

# The headers and the library's sources, with eight more words at the end of each struct.
mkdir "$home/longer"
cp -r Makefile store dispatch replay tools tests bench "$home/longer"
for header in store/evlog.h store/evlog/*.h; do
    awk -v values="$values" '
        /^(typedef )?struct evlog_[a-z_]+ \{/ { on = 1; name = $0; sub(/.*struct /, "", name); sub(/ .*/, "", name) }
        on && /^}/ { if (!index(values, " " name " ")) print "    uint64_t longer_[8];"; on = 0 }
        { print }' "$header" >"$home/longer/$header"
done
count=$(cat "$home"/longer/store/evlog.h "$home"/longer/store/evlog/*.h | grep -c longer_)

flags="-O1 -g -fsanitize=address -Wno-missing-field-initializers"
library() { # library SOURCE BUILD: the shared library of a source tree, with the sanitizer
    make --no-print-directory -s -C "$1" B="$2" CFLAGS="$flags" LDFLAGS=-fsanitize=address WERROR= "$2/libevlog.so"
}
program() { # program HEADERS OUT [FLAG]: abi.c and a plugin, compiled against these headers
    cc -std=c11 -D_GNU_SOURCE -Wall $flags ${3:-} "-I$1" tests/abi.c "-L$home/longer/build" -levlog -o "$2"
    cc $flags -shared -fPIC "-I$1" tools/plugin_preferences.c -o "$2.so"
}
run() { # run WHAT PROGRAM LIBRARY
    LD_LIBRARY_PATH=$3 "$2" "$home/log" "$2.so" >"$home/out" 2>&1 || {
        echo "$1:"
        head -n 40 "$home/out"
        exit 1
    }
    rm -rf "$home/log"
}
library "$home/longer" "$home/longer/build"
library . "$build/abi"
program store "$home/today"
program "$home/longer/store" "$home/later" -DLONGER
run "today's program with today's library" "$home/today" "$build/abi"
run "today's program with a library of longer structs" "$home/today" "$home/longer/build"
run "a program of longer structs with today's library" "$home/later" "$build/abi"
echo "a program runs with a library whose $count structs are longer, and the other way round"
