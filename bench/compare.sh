#!/bin/sh
# Is any row of `make bench` slower than it was? Builds the benchmarks of another commit and of this
# tree, runs them in turns, and prints each row's speed here by its speed there.
#
#   usage: bench/compare.sh [BASE] [ROUNDS]
#
# BASE is a commit (7536e76), or a directory that has one checked out. Each of the ROUNDS (7) runs
# every benchmark once of either, in alternating order. A row's ratio is the median over the rounds,
# above 1 when this tree is faster, with the lowest and highest. The same for the row's yardstick,
# most of which do not depend on evlog, shows the noise of the machine. A row is "slower", and makes
# the exit status 1, when its highest ratio is below 1 and its median below the yardstick's lowest.
#
# It ends by itself: no round begins after SECONDS_MAX (1800), and one benchmark that takes longer
# than PROGRAM_SECONDS_MAX (300) counts as failed. The logs are made in BENCH_DIR (the current
# directory), which must be on a disk for the durable rows to mean anything.
set -u
base=${1:-7536e76}
rounds=${2:-7}
programs="bench bench-consumers bench-typed"
directory=${BENCH_DIR:-.}
deadline=$(($(date +%s) + ${SECONDS_MAX:-1800}))
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d) || exit 2
there=$work/base

die() { echo "compare: $1" >&2; exit 2; }
clean_up() {
    [ "$there" = "$work/base" ] && git -C "$here" worktree remove --force "$there" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 2' INT TERM

case $rounds in *[!0-9]* | '' | 0) die "not a number of rounds: $rounds" ;; esac
if [ -d "$base" ]; then
    there=$(cd "$base" && pwd)
else
    git -C "$here" worktree add --quiet --detach "$there" "$base" || die "no commit $base"
fi
for tree in "$there" "$here"; do
    make -C "$tree" ${CC:+CC="$CC"} $(for program in $programs; do echo "build/$program"; done) \
        >"$work/make" 2>&1 || { cat "$work/make" >&2; die "cannot build the benchmarks of $tree"; }
done

run() { # run TREE WHICH ROUND: every benchmark once; its lines, each behind WHICH, ROUND and PROGRAM
    for program in $programs; do
        timeout "${PROGRAM_SECONDS_MAX:-300}" "$1/build/$program" 1 "$directory" >"$work/out" ||
            die "$1/build/$program failed, or took too long"
        sed "s/^/$2|$3|$program|/" "$work/out" >>"$work/lines"
    done
}
done_count=0
while [ $done_count -lt "$rounds" ] && [ "$(date +%s)" -lt $deadline ]; do
    case $((done_count % 2)) in
    0) run "$there" old $done_count && run "$here" new $done_count ;;
    1) run "$here" new $done_count && run "$there" old $done_count ;;
    esac
    done_count=$((done_count + 1))
    [ -t 2 ] && printf '\r%d of %d rounds' $done_count "$rounds" >&2
done
[ -t 2 ] && echo >&2

echo "$done_count rounds; this tree's speed by that of $base: median (lowest to highest)"
echo
awk -F'|' '
function sorted(of, key,    i, j, value) { # the ratios of a row into list[1..count]
    count = 0
    for (i = 0; i < rounds; i++) {
        if (!((of, "old", key, i) in speed) || !((of, "new", key, i) in speed)) continue
        value = speed[of, "new", key, i] / speed[of, "old", key, i]
        for (j = count++; j > 0 && list[j] > value; j--) list[j + 1] = list[j]
        list[j + 1] = value
    }
    return count
}
function median() { return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2 }
{
    line = $4
    if (length(line) < 45 || substr(line, 39, 13) !~ /^ *[0-9]+/) next
    name = substr(line, 1, 38); sub(/ +$/, "", name)
    is_wake = line ~ / p99 /
    yardstick = is_wake ? "bare futex" : substr(line, 54, 34); sub(/ +$/, "", yardstick)
    ours = substr(line, 39, is_wake ? 6 : 13) + 0
    n = split(line, field, " ") # ... theirs quotient (lowest to highest)
    theirs = is_wake ? substr(line, index(line, "bare futex") + 10) + 0 : field[n - 4] + 0
    if (ours == 0 || theirs == 0) next
    key = name "|" yardstick
    if (!(key in known)) { known[key] = 1; keys[++key_count] = key }
    slow_is_large = is_wake || $3 == "bench-typed" # microseconds, nanoseconds
    speed["ours", $1, key, $2] = slow_is_large ? 1 / ours : ours
    speed["theirs", $1, key, $2] = slow_is_large ? 1 / theirs : theirs
}
END {
    for (k = 1; k <= key_count; k++) {
        split(keys[k], part, "|")
        if (!sorted("ours", keys[k])) { printf "%-34s %-34s only in one of them\n", part[1], part[2]; continue }
        ratio = median(); highest = list[count]
        printf "%-34s %5.2f (%.2f to %.2f)", part[1], ratio, list[1], highest
        sorted("theirs", keys[k])
        slower = highest < 1 && ratio < list[1]
        slower_count += slower
        printf "   %-34s %5.2f (%.2f to %.2f)%s\n", part[2], median(), list[1], list[count], slower ? "   slower" : ""
    }
    exit slower_count > 0
}' rounds="$done_count" "$work/lines"
