#!/bin/sh
# Instructions an event of the hot paths, by callgrind: they do not depend on what else the machine does.
#
#   usage: bench/instructions.sh count|check [BUILD]
#
# count prints them as bench/instructions.txt keeps them: with the compiler, the libraries and the CPU, since libc and
# XXH3 choose their code by those. check compares with that file where these are the same (else it says so, and passes):
# a path that takes over 3 % more fails.
#
# Counted is what the calling thread does in `measured` of paths.c, for two lengths, and the difference is taken, so that
# what is done once is not in it. The log's own thread is not counted: how often it runs depends on time.
set -eu
how=$1 build=${2:-build}
here=$(cd "$(dirname "$0")" && pwd)
kept=$here/instructions.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v valgrind >/dev/null || { echo "instructions: valgrind is not installed: nothing is compared" >&2; exit 0; }

instructions() { # instructions PATH COUNT: of the whole
    rm -rf "$work/log"
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect=measured --callgrind-out-file="$work/out" \
        "$build/bench-paths" "$1" "$2" "$work" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
    sed -n 's/^==[0-9]*== Collected : //p' "$work/said"
}

machine() {
    echo "compiler: $(${CC:-gcc} --version | head -n 1)"
    echo "libraries: liblmdb $(pkg-config --modversion lmdb), libxxhash $(pkg-config --modversion libxxhash), glibc $(getconf GNU_LIBC_VERSION | cut -d' ' -f2)"
    echo "cpu: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), family $(sed -n 's/^cpu family.*: //p' /proc/cpuinfo | head -n 1)"
}

count() {
    machine
    for path in durable fast durable-bulk bulk replay consumer state; do
        case $path in durable) short=256 ;; *) short=2048 ;; esac
        echo "$path: $((($(instructions $path $((3 * short))) - $(instructions $path $short)) / (2 * short)))"
    done
}

case $how in
count) count ;;
check)
    if [ "$(machine)" != "$(head -n 3 "$kept")" ]; then
        echo "instructions: counted by another compiler, library or CPU than $kept has: nothing is compared. To count them here: sh bench/instructions.sh count"
        exit 0
    fi
    count >"$work/now"
    awk -F': ' 'NR == FNR { kept[$1] = $2; next }
        FNR > 3 { more = 100 * ($2 / kept[$1] - 1); bad = more > 3
            printf "%-14s %7d instructions an event, kept %7d (%+.1f %%)%s\n", $1, $2, kept[$1], more, bad ? "  MORE" : ""
            failed += bad }
        END { exit failed > 0 }' "$kept" "$work/now"
    ;;
*) echo "usage: $0 count|check [BUILD]" >&2; exit 2 ;;
esac
